#include "services/ctl/log_verify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "libs/bus/embedded.h"
#include "libs/domain/state.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/checkpoint.h"
#include "libs/views/fold.h"
#include "services/ctl/log_source.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::wissel::testing::StatusIs;

class LogVerifyTest : public ::testing::Test {
 protected:
  LogVerifyTest() {
    WISSEL_EXPECT_OK(bus_.status());
    appender_ = (*bus_)->NewAppender({});
  }

  int64_t Append(const log::v1::LogRecord& record) {
    return AppendBytes(record.SerializeAsString());
  }
  int64_t AppendBytes(std::string bytes) {
    std::promise<absl::StatusOr<int64_t>> done;
    appender_->Append({.topic = bus::Topic::kLog, .key = "shop/desk", .value = std::move(bytes)},
                      [&](absl::StatusOr<int64_t> offset) { done.set_value(offset); });
    return done.get_future().get().value();
  }
  int64_t Claim(int64_t epoch) {
    log::v1::LogRecord record;
    record.mutable_owner_claimed()->set_epoch(epoch);
    claim_offset_ = Append(record);
    return claim_offset_;
  }
  log::v1::Decision Decide(int64_t epoch, int64_t sequence, int64_t claim_offset,
                           const std::string& conversation) {
    log::v1::LogRecord record;
    auto& d = *record.mutable_decision();
    d.set_epoch(epoch);
    d.set_sequence(sequence);
    d.set_claim_offset(claim_offset);
    d.mutable_time()->set_seconds(1'767'225'600 + sequence);
    auto& opened = *d.add_events()->mutable_conversation_opened();
    opened.set_conversation_id(conversation);
    opened.set_workspace_id("shop");
    opened.set_routing_group_id("desk");
    Append(record);
    return d;
  }

  const absl::StatusOr<std::unique_ptr<bus::Bus>> bus_ = bus::NewEmbeddedBus({.partitions = 1});
  std::unique_ptr<bus::Appender> appender_;
  int64_t claim_offset_ = 0;
};

TEST_F(LogVerifyTest, EachWitnessIsHeardAtItsPlace) {
  domain::State state;
  Claim(1);
  state.Apply(Decide(1, 1, 0, "c1"));
  const uint64_t after_one = state.Hash();
  state.Apply(Decide(1, 2, 0, "c2"));
  const uint64_t after_two = state.Hash();
  AppendBytes("garbage");
  Decide(1, 2, 0, "c2");  // repeated
  Claim(2);
  Decide(1, 3, 0, "c3");  // a zombie's

  const auto reports = FoldAndCompare(
      **bus_, {{.who = "at one", .epoch = 1, .sequence = 1, .state_hash = after_one},
               {.who = "wrong", .epoch = 1, .sequence = 2, .state_hash = after_one},
               {.who = "redis", .next_offset = 3, .state_hash = after_two},
               {.who = "redis at the end", .next_offset = 7, .state_hash = after_two},
               {.who = "ahead", .epoch = 2, .sequence = 1, .state_hash = after_two},
               {.who = "none", .absent = "nothing there"},
               {.who = "broken", .absent = "does not add up", .damaged = true}});
  ASSERT_THAT(reports, wissel::testing::IsOk());
  const PartitionReport& r = reports->at(0);
  std::vector<Agreement> agreements;
  for (const auto& t : r.testimonies) agreements.push_back(t.agreement);
  EXPECT_THAT(agreements, ElementsAre(Agreement::kAgrees, Agreement::kDiffers, Agreement::kAgrees,
                                      Agreement::kAgrees, Agreement::kNotReached,
                                      Agreement::kAbsent, Agreement::kDamaged));
  EXPECT_EQ(r.claims, 2);
  EXPECT_EQ(r.decisions, 2);
  EXPECT_EQ(r.conversations, 2);
  EXPECT_EQ(r.state_hash, after_two);
  EXPECT_THAT(r.voids,
              ElementsAre(Pair("garbage", 1), Pair("repeated", 1), Pair("stale_epoch", 1)));
}

TEST_F(LogVerifyTest, ACutHeadIsNotTakenForTheWhole) {
  Claim(1);
  Decide(1, 1, 0, "c1");
  const int64_t claim = Claim(2);
  Decide(2, 1, claim, "c2");
  WISSEL_ASSERT_OK((*bus_)->TruncateBefore(bus::Topic::kLog, 0, 1));
  const auto reports =
      FoldAndCompare(**bus_, {{.who = "router", .epoch = 2, .sequence = 1, .state_hash = 1}});
  ASSERT_THAT(reports, wissel::testing::IsOk());
  EXPECT_FALSE(reports->at(0).whole);
  EXPECT_EQ(reports->at(0).testimonies[0].agreement, Agreement::kNotWhole);
}

TEST_F(LogVerifyTest, TheViewsInRedisAreComparedAndWhoIsAwayIsNamed) {
  testing::RedisServer server;
  store::Redis redis({.address = server.address()});
  const views::PartitionKeys keys(0);
  testing::ShopLog shop(**bus_);
  shop.Open("31611111111", "nl");
  shop.Sync();
  // As a projector does it.
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, views::BeginAnew(redis, keys));
  views::Fold fold(keys, {.from_nothing = true}, domain::State());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto reader, bus::LogReader::Open(**bus_, 0, {}));
  while (reader->offset() < shop.end()) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto entries, reader->Poll(100, absl::Seconds(1)));
    for (const bus::LogEntry& entry : entries) fold.Apply(entry);
  }
  views::Fold::Changes changes = fold.Take(reader->position());
  changes.meta.incarnation = incarnation;
  WISSEL_ASSERT_OK(views::WriteBatch(redis, keys, {incarnation, std::nullopt}, changes.meta,
                                     std::move(changes.batch)));

  testing::SilentBus silent(**bus_, bus::Topic::kLog, shop.end() - 1);
  EXPECT_THAT(views::CompareViews(silent, redis, keys),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("nothing came")));

  const VerifyFlags flags{.routers = {}, .redis = {.address = server.address()}};
  auto reports = AskAndCompare(**bus_, flags);
  ASSERT_THAT(reports, wissel::testing::IsOk());
  EXPECT_TRUE(AllAgree(*reports));
  ASSERT_TRUE(reports->at(0).views.has_value());
  EXPECT_GT(reports->at(0).views->views, 3);

  WISSEL_ASSERT_OK_AND_ASSIGN(const store::Reply open, redis.Run("", {"KEYS", keys.Open("*")}));
  for (const store::Reply& key : open.elements) {
    WISSEL_ASSERT_OK(redis.Run("", {"DEL", key.text}));
  }
  reports = AskAndCompare(**bus_, flags);
  ASSERT_THAT(reports, wissel::testing::IsOk());
  EXPECT_EQ(reports->at(0).testimonies[0].agreement, Agreement::kAgrees) << "the pieces are there";
  EXPECT_FALSE(AllAgree(*reports));
  ASSERT_EQ(reports->at(0).views->differing, 1);
  EXPECT_EQ(reports->at(0).views->differences[0].expected, 1);
  EXPECT_EQ(reports->at(0).views->differences[0].found, 0);

  server.Stop();
  reports =
      AskAndCompare(**bus_, {.routers = {"127.0.0.1:1"}, .redis = {.address = server.address()}});
  ASSERT_THAT(reports, wissel::testing::IsOk());
  EXPECT_EQ(reports->at(0).conversations, 1u) << "the fold's own result";
  ASSERT_EQ(reports->at(0).testimonies.size(), 3u) << "a router, Redis, and its views";
  for (const Testimony& t : reports->at(0).testimonies) {
    EXPECT_EQ(t.agreement, Agreement::kNotAsked) << t.witness.who;
  }
  EXPECT_FALSE(AllAgree(*reports));
}

// The server goes between the two times that it is asked.
TEST_F(LogVerifyTest, ViewsThatCouldNotBeComparedAreSaidNotToBe) {
  class Stopping : public testing::AwayBus {
   public:
    Stopping(bus::Bus& bus, testing::RedisServer& server)
        : AwayBus(&bus), bus_(bus), server_(server) {}
    absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                            bus::ReaderOptions options) override {
      server_.Stop();
      return bus_.OpenReader(topic, partition, std::move(options));
    }

   private:
    bus::Bus& bus_;
    testing::RedisServer& server_;
  };
  testing::RedisServer server;
  const auto two = *bus::NewEmbeddedBus({.partitions = 2});
  Stopping bus(*two, server);
  const auto reports = AskAndCompare(bus, {.routers = {}, .redis = {.address = server.address()}});
  ASSERT_THAT(reports, wissel::testing::IsOk());
  for (const PartitionReport& report : *reports) {
    ASSERT_EQ(report.testimonies.size(), 2u);
    EXPECT_EQ(report.testimonies[0].agreement, Agreement::kAbsent) << "nothing there yet";
    EXPECT_EQ(report.testimonies[1].witness.who, "redis, views");
    EXPECT_EQ(report.testimonies[1].agreement, Agreement::kNotAsked);
  }
  EXPECT_FALSE(AllAgree(*reports));
}

TEST_F(LogVerifyTest, AWalkEndsWhenTheBrokerGoesAway) {
  Claim(1);
  Decide(1, 1, 0, "c1");
  Decide(1, 2, 0, "c2");
  testing::SilentBus silent(**bus_, bus::Topic::kLog, 2);
  int seen = 0;
  EXPECT_THAT(WalkLog(silent, {},
                      [&](const LogItem&) {
                        ++seen;
                        return absl::OkStatus();
                      }),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("from 2 on nothing came")));
  EXPECT_EQ(seen, 2);
  EXPECT_THAT(WalkLog(silent, {.follow = true}, [](const LogItem&) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kInternal, "asked for ever"));
}

TEST_F(LogVerifyTest, WalkShowsVoidRecordsInTheirPlace) {
  AppendBytes("x");
  Claim(1);
  AppendBytes("y");
  AppendBytes("z");
  std::vector<std::pair<int64_t, bool>> seen;
  WISSEL_ASSERT_OK(WalkLog(**bus_, {}, [&](const LogItem& item) {
    seen.emplace_back(item.offset, item.entry != nullptr);
    return absl::OkStatus();
  }));
  EXPECT_THAT(seen, ElementsAre(Pair(0, false), Pair(1, true), Pair(2, false), Pair(3, false)));
}

TEST_F(LogVerifyTest, WalkEndsWhenTheVisitorHasSeenEnough) {
  Claim(1);
  int seen = 0;
  WISSEL_EXPECT_OK(WalkLog(**bus_, {.follow = true}, [&](const LogItem&) {
    ++seen;
    return absl::CancelledError();
  }));
  EXPECT_EQ(seen, 1);
  EXPECT_THAT(WalkLog(**bus_, {.partition = 5}, [](const LogItem&) { return absl::OkStatus(); }),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST(ParseStatez, ReadsWhatRoutersSay) {
  const auto witnesses = ParseStatez(
      "router",
      R"({"partitions":[{"partition":3,"epoch":2,"sequence":9,"state_hash":"00000000000000ff"},
          {"partition":4,"epoch":1,"sequence":0,"state_hash":"0000000000000000"}]})");
  ASSERT_THAT(witnesses, wissel::testing::IsOk());
  EXPECT_EQ(witnesses->at(0).partition, 3);
  EXPECT_EQ(witnesses->at(0).epoch, 2);
  EXPECT_EQ(witnesses->at(0).sequence, 9);
  EXPECT_EQ(witnesses->at(0).state_hash, 255);
  EXPECT_FALSE(witnesses->at(1).absent.empty());
  for (const char* bad :
       {"", "[]", "{}", R"({"partitions":[1]})", R"({"partitions":[{}]})",
        R"({"partitions":[{"partition":0,"epoch":1,"sequence":1,"state_hash":"zz"}]})"}) {
    EXPECT_THAT(ParseStatez("router", bad), StatusIs(absl::StatusCode::kDataLoss)) << bad;
  }
}

}  // namespace
}  // namespace wissel::ctl
