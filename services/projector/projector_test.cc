#include "services/projector/projector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/bus/embedded.h"
#include "libs/channel/outbox_store.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/compare.h"
#include "libs/views/restore.h"
#include "libs/views/views.h"
#include "services/projector/app.h"
#include "services/projector/partition_projector.h"

namespace wissel::projector {
namespace {

using store::Redis;
using store::Reply;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RedisServer;
using testing::ShopLog;
using ::testing::SizeIs;
using testing::StatusIs;
using ::testing::UnorderedElementsAre;

store::RedisOptions OptionsFor(const RedisServer& server) {
  return {.address = server.address(),
          .backoff = {.initial = absl::Nanoseconds(1), .max = absl::Nanoseconds(1)}};
}

std::vector<std::string> Texts(const Reply& array) {
  std::vector<std::string> texts;
  for (const Reply& reply : array.elements) texts.push_back(reply.text);
  return texts;
}

// All there is in Redis: "key: field=value", sorted. Without the incarnation, which is drawn, and
// where the log ended when it was begun.
std::vector<std::string> Dump(Redis& redis) {
  std::vector<std::string> dump;
  for (const std::string& key : Texts(*redis.Run("", {"KEYS", "*"}))) {
    const bool is_hash = redis.Run("", {"TYPE", key})->text == "hash";
    const std::vector<std::string> words =
        is_hash ? Texts(*redis.Run("", {"HGETALL", key}))
                : Texts(*redis.Run("", {"ZRANGE", key, "0", "-1", "WITHSCORES"}));
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      if (words[i] == "incarnation" || words[i] == "built_to") continue;
      dump.push_back(absl::StrCat(key, ": ", words[i], "=", absl::CHexEscape(words[i + 1])));
    }
  }
  std::sort(dump.begin(), dump.end());
  return dump;
}

// What is in one of them only.
std::vector<std::string> Difference(const std::vector<std::string>& a,
                                    const std::vector<std::string>& b) {
  std::vector<std::string> difference;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                std::back_inserter(difference));
  return difference;
}

class ProjectorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new RedisServer(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
    shop_.emplace(*bus_);
    environment_.emplace(MakeEnvironment(redis_));
  }

  Environment MakeEnvironment(Redis& redis) {
    return {.bus = *bus_,
            .redis = redis,
            .clock = clock_,
            .log = {},
            .metrics = metrics_,
            .settings = settings_,
            .wakeup = nullptr};
  }

  std::unique_ptr<PartitionProjector> NewProjector() {
    return std::make_unique<PartitionProjector>(*environment_, 0);
  }

  // Until everything in the log is in the views.
  void CatchUp(PartitionProjector& projector) {
    if (shop_.has_value()) shop_->Sync();
    for (int failures = 0; failures < 10;) {
      const absl::StatusOr<bool> more = projector.Step();
      if (!more.ok()) {
        ++failures;
      } else if (!*more) {
        return;
      }
    }
    FAIL() << "it fails again and again: " << projector.Step().status();
  }

  // The checkpoint is the state that the log's owner has, and the views are the log's.
  void ExpectCheckpointIsTheFold() {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis_, keys_));
    ASSERT_EQ(load.outcome, views::CheckpointLoad::Outcome::kLoaded) << load.detail;
    EXPECT_EQ(load.checkpoint.meta.state_hash, shop_->state().Hash());
    WISSEL_ASSERT_OK_AND_ASSIGN(const views::Restored restored,
                                views::Restore(redis_, keys_, *bus_));
    ASSERT_EQ(restored.source, views::Restored::Source::kCheckpoint) << restored.detail;
    EXPECT_EQ(restored.state.Hash(), shop_->state().Hash());
    WISSEL_ASSERT_OK_AND_ASSIGN(const views::ViewComparison comparison,
                                views::CompareViews(*bus_, redis_, keys_));
    EXPECT_EQ(comparison.not_compared, "");
    EXPECT_GT(comparison.views, 0);
    for (const views::ViewDifference& d : comparison.differences) {
      ADD_FAILURE() << d.key << ": " << d.expected << ", found " << d.found << ": " << d.detail;
    }
  }

  views::AgentWork WorkOf(absl::string_view agent) {
    auto work = views::ReadAgentWork(redis_, keys_, "acme", agent);
    EXPECT_THAT(work, testing::IsOk());
    return *std::move(work);
  }

  // What wissel_projector_lag_`unit` says of the partition.
  double Lag(absl::string_view unit) {
    const std::string series = absl::StrCat("wissel_projector_lag_", unit, "{partition=\"0\"} ");
    for (absl::string_view line : absl::StrSplit(registry_.Expose(), '\n')) {
      double value = 0;
      if (absl::ConsumePrefix(&line, series) && absl::SimpleAtod(line, &value)) return value;
    }
    ADD_FAILURE() << "no " << series;
    return -1;
  }

  static RedisServer* server_;
  Redis redis_{OptionsFor(*server_)};
  const views::PartitionKeys keys_{0};
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  telemetry::Registry registry_;
  Metrics metrics_{registry_};
  ProjectorSettings settings_;
  std::unique_ptr<bus::Bus> bus_;
  std::optional<ShopLog> shop_;
  std::optional<Environment> environment_;
};
RedisServer* ProjectorTest::server_ = nullptr;

TEST_F(ProjectorTest, AConversationsWholeWayIsInTheViews) {
  const auto projector = NewProjector();
  const std::string waiting = shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(auto queue, views::ReadQueue(redis_, keys_, "acme/main", "nl"));
  EXPECT_EQ(queue.waiting, 1);
  EXPECT_EQ(queue.oldest_waiting_since, shop_->now);

  shop_->Online("anna");
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(queue, views::ReadQueue(redis_, keys_, "acme/main", "nl"));
  EXPECT_EQ(queue.waiting, 0);
  EXPECT_EQ(queue.offered, 1);
  ASSERT_THAT(WorkOf("anna").conversations, SizeIs(1));
  EXPECT_TRUE(WorkOf("anna").conversations[0].conversation.has_offer());

  shop_->Accept(waiting);
  shop_->AddNote("anna", waiting, "wants it blue");
  const std::string outbound = shop_->Reply("anna", waiting, "blue it is");
  CatchUp(*projector);
  views::AgentWork work = WorkOf("anna");
  ASSERT_THAT(work.conversations, SizeIs(1));
  ASSERT_THAT(work.conversations[0].messages, SizeIs(3));
  EXPECT_EQ(work.conversations[0].messages[0].inbound().contents(0).text().text(), "hello");
  EXPECT_EQ(work.conversations[0].messages[1].note(), "wants it blue");
  EXPECT_EQ(work.conversations[0].messages[1].actor().agent_id(), "anna");
  EXPECT_EQ(work.conversations[0].messages[2].id(), outbound);
  EXPECT_EQ(work.conversations[0].messages[2].delivery_state(),
            receipt::v1::DELIVERY_STATE_PENDING);
  EXPECT_EQ(work.place.position.offset, shop_->end());

  shop_->Deliver(outbound);
  shop_->Resolve("anna", waiting);
  CatchUp(*projector);
  EXPECT_THAT(WorkOf("anna").conversations, IsEmpty());
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view,
                              views::ReadConversation(redis_, keys_, "acme", waiting, 20));
  ASSERT_TRUE(view.conversation.has_value());
  EXPECT_EQ(view.conversation->conversation.status(), state::v1::CONVERSATION_STATUS_RESOLVED);
  EXPECT_EQ(view.conversation->messages.back().delivery_state(), receipt::v1::DELIVERY_STATE_SENT);
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AConsultedAgentsWorkHasTheConversationUntilItIsOver) {
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string conversation = shop_->Open("31611111111", "nl");
  shop_->Accept(conversation);
  shop_->Consult("anna", conversation, "bram", "can we send it today?");
  shop_->AddNote("bram", conversation, "yes");
  CatchUp(*projector);
  const views::AgentWork work = WorkOf("bram");
  ASSERT_THAT(work.conversations, SizeIs(1));
  EXPECT_EQ(work.conversations[0].conversation.agent_id(), "anna");
  ASSERT_THAT(work.conversations[0].messages, SizeIs(3));
  EXPECT_EQ(work.conversations[0].messages[0].inbound().contents(0).text().text(), "hello");
  EXPECT_EQ(work.conversations[0].messages[1].note(), "can we send it today?");
  EXPECT_EQ(work.conversations[0].messages[2].actor().agent_id(), "bram");
  EXPECT_THAT(WorkOf("anna").conversations, SizeIs(1));

  shop_->EndConsult("bram", conversation);
  CatchUp(*projector);
  EXPECT_THAT(WorkOf("bram").conversations, IsEmpty());
  EXPECT_THAT(WorkOf("anna").conversations, SizeIs(1));
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AnEmptyLogHasEmptyViewsRatherThanNone) {
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
  const Environment environment = MakeEnvironment(redis_);
  PartitionProjector projector(environment, 0);
  WISSEL_ASSERT_OK(projector.Step());
  EXPECT_THAT(WorkOf("anna").conversations, IsEmpty());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis_, keys_));
  EXPECT_EQ(load.outcome, views::CheckpointLoad::Outcome::kLoaded) << load.detail;
  EXPECT_EQ(load.checkpoint.meta.state_hash, domain::State().Hash());
  shop_.reset();
}

TEST_F(ProjectorTest, AForgottenConversationCanBeReadUntilItExpires) {
  settings_.forgotten_kept = absl::Hours(24);
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string id = shop_->Open("31611111111", "nl");
  shop_->Accept(id);
  const std::string contact = shop_->state().FindConversation(id)->contact().contact_id();
  shop_->Resolve("anna", id);
  shop_->Wait(absl::Hours(24 * 7 + 1));
  ASSERT_EQ(shop_->state().FindConversation(id), nullptr);
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, views::ReadConversation(redis_, keys_, "acme", id, 20));
  ASSERT_TRUE(view.conversation.has_value());
  EXPECT_THAT(view.conversation->messages, SizeIs(1));
  WISSEL_ASSERT_OK_AND_ASSIGN(
      auto page, views::ReadIndex(redis_, keys_, keys_.Contact("acme", contact), {}, 10));
  EXPECT_THAT(page.conversations, SizeIs(1));
  ExpectCheckpointIsTheFold();

  shop_->Wait(absl::Hours(25));
  clock_.Advance(absl::Hours(25));
  shop_->AppendGarbage();
  shop_->Open("31622222222", "nl");
  CatchUp(*projector);
  shop_->Open("31633333333", "nl");
  clock_.Advance(absl::Hours(1));
  CatchUp(*projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(view, views::ReadConversation(redis_, keys_, "acme", id, 20));
  EXPECT_FALSE(view.conversation.has_value());
  for (const std::string& line : Dump(redis_)) EXPECT_THAT(line, Not(HasSubstr(id)));
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, AConversationThatComesBackIsNotAmongTheResolved) {
  const auto projector = NewProjector();
  shop_->Online("anna");
  const message::v1::InboundMessage message = domain::testing::Text("31611111111", 1, "nl");
  shop_->Receive(message);
  ASSERT_EQ(shop_->state().conversations().size(), 1);
  const std::string id = shop_->state().conversations().begin()->first;
  shop_->Accept(id);
  shop_->Resolve("anna", id);
  shop_->Wait(absl::Hours(24 * 8));
  ASSERT_EQ(shop_->state().FindConversation(id), nullptr);
  CatchUp(*projector);
  const auto resolved = [&] {
    const auto page = views::ReadIndex(
        redis_, keys_, keys_.WithStatus(state::v1::CONVERSATION_STATUS_RESOLVED, "acme/main"), {},
        10);
    EXPECT_THAT(page, testing::IsOk());
    return page->conversations.size();
  };
  EXPECT_EQ(resolved(), 1);
  // With its decision the message's id is forgotten.
  shop_->Open("31622222222", "nl");
  shop_->Receive(message);
  ASSERT_NE(shop_->state().FindConversation(id), nullptr);
  CatchUp(*projector);
  EXPECT_EQ(resolved(), 0);
  ExpectCheckpointIsTheFold();
}

class ViewsCompared : public ProjectorTest {
 protected:
  // "key: expected, found: detail", without the keys' prefix.
  std::vector<std::string> Differences() {
    auto comparison = views::CompareViews(*bus_, redis_, keys_);
    EXPECT_THAT(comparison, testing::IsOk());
    EXPECT_EQ(comparison->not_compared, "");
    EXPECT_EQ(comparison->differing, static_cast<int64_t>(comparison->differences.size()));
    std::vector<std::string> texts;
    for (const views::ViewDifference& d : comparison->differences) {
      texts.push_back(absl::StrCat(absl::StripPrefix(d.key, keys_.prefix()), ": ", d.expected, ", ",
                                   d.found, ": ", d.detail));
    }
    return texts;
  }
  void Run(std::vector<std::string> command) { WISSEL_ASSERT_OK(redis_.Run("", command)); }
};

TEST_F(ViewsCompared, WhatIsMissingIsNamed) {
  shop_->Online("anna");
  const std::string c1 = shop_->Open("31611111111", "nl");
  const std::string c2 = shop_->Open("31622222222", "nl");
  shop_->Accept(c1);
  shop_->AddNote("anna", c1, "call back");
  CatchUp(*NewProjector());
  ASSERT_THAT(Differences(), IsEmpty());
  const std::string key =
      absl::StrCat("acme/", shop_->state().FindConversation(c1)->routing_group_id());
  for (const std::string& gone : {keys_.Open(key), keys_.Agents(key), keys_.Messages(c1)}) {
    Run({"DEL", gone});
  }
  EXPECT_THAT(
      Differences(),
      UnorderedElementsAre(
          HasSubstr(absl::StrCat("open:", key, ": 2, 0: 2 missing (", std::min(c1, c2), ", …)")),
          AllOf(HasSubstr(absl::StrCat("agents:", key)), HasSubstr("missing (anna")),
          AllOf(HasSubstr(absl::StrCat("messages:", c1, ": 2, 0: 2 missing")))));
  // The checkpoint knows nothing of it, and a projector begins from it.
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis_, keys_));
  EXPECT_EQ(load.outcome, views::CheckpointLoad::Outcome::kLoaded);
  EXPECT_THAT(views::ReadConversation(redis_, keys_, "acme", c1, 20),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("log verify")));
  EXPECT_THAT(views::ReadMessages(redis_, keys_, "acme", c1, {}, 20),
              StatusIs(absl::StatusCode::kDataLoss));
  ASSERT_THAT(WorkOf("anna").conversations, Not(IsEmpty()));
  EXPECT_THAT(WorkOf("anna").conversations[0].messages, IsEmpty());
}

TEST_F(ViewsCompared, WhatIsTooMuchOrDifferentIsNamed) {
  shop_->Online("anna");
  const std::string c1 = shop_->Open("31611111111", "nl");
  const std::string c2 = shop_->Open("31622222222", "nl");
  CatchUp(*NewProjector());
  const std::string key =
      absl::StrCat("acme/", shop_->state().FindConversation(c1)->routing_group_id());
  const std::string message = Texts(*redis_.Run("", {"ZRANGE", keys_.Order(c1), "0", "-1"}))[0];
  Run({"ZADD", keys_.Open(key), "1", c1, "2", "ghost"});
  Run({"HSET", keys_.Messages(c1), absl::StrCat("b", message), "x"});
  Run({"ZADD", keys_.Order(c2), "17", "nobodys"});
  Run({"HSET", keys_.Messages("ghost"), "bx", "x"});
  Run({"DEL", keys_.Groups("acme")});
  Run({"SET", keys_.Groups("acme"), "x"});
  EXPECT_THAT(
      Differences(),
      UnorderedElementsAre(
          absl::StrCat("open:", key, ": 2, 3: 1 not of the log (ghost), 1 different (", c1, ")"),
          absl::StrCat("messages:", c1, ": 1, 1: 1 different (", message, ")"),
          absl::StrCat("order:", c2, ": 1, 2: 1 not of the log (nobodys)"),
          absl::StrCat("messages:", c2, ": 1, 1: 1 missing (nobodys)"),
          "messages:ghost: 0, 1: 1 not of the log (x)", HasSubstr("groups:acme: 1, 0: 1 missing")));
}

TEST_F(ViewsCompared, TheForgottenAreMissedUntilTheyExpire) {
  settings_.forgotten_kept = absl::Hours(24);
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string id = shop_->Open("31611111111", "nl");
  shop_->Accept(id);
  shop_->Resolve("anna", id);
  shop_->Wait(absl::Hours(24 * 7 + 1));
  CatchUp(*projector);
  ASSERT_THAT(Differences(), IsEmpty());
  Run({"DEL", keys_.Forgotten(), keys_.ForgottenTime(), keys_.Messages(id), keys_.Order(id)});
  EXPECT_THAT(Differences(),
              UnorderedElementsAre(HasSubstr("forgotten: 1, 0"), HasSubstr("forgotten_time: 1, 0"),
                                   HasSubstr(absl::StrCat("messages:", id, ": 1, 0")),
                                   HasSubstr(absl::StrCat("order:", id, ": 1, 0"))));
}

TEST_F(ViewsCompared, AfterACutTheViewsMayHoldMoreThanIsLeftOfTheLog) {
  const auto projector = NewProjector();
  shop_->Online("anna");
  const std::string old = shop_->Open("31611111111", "nl");
  const std::string gone = shop_->Open("31622222222", "nl");
  shop_->Accept(gone);
  shop_->Resolve("anna", gone);
  shop_->Wait(absl::Hours(24 * 7 + 1));
  ASSERT_EQ(shop_->state().FindConversation(gone), nullptr);
  const int64_t cut = shop_->end();
  shop_->AddNote("bram", old, "before it is named again");
  shop_->Restate();
  shop_->AddNote("bram", old, "after it");
  CatchUp(*projector);
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  EXPECT_THAT(Differences(), IsEmpty());
  const auto ids = Texts(*redis_.Run("", {"ZRANGE", keys_.Order(old), "0", "-1"}));
  ASSERT_THAT(ids, SizeIs(3));
  Run({"HDEL", keys_.Messages(old), absl::StrCat("b", ids[2])});
  EXPECT_THAT(Differences(), ElementsAre(HasSubstr(absl::StrCat("messages:", old, ": 1, 2"))));
}

TEST_F(ViewsCompared, AViewThatIsBehindIsComparedWhereItStands) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  EXPECT_THAT(Differences(), IsEmpty());
  Run({"FLUSHALL"});
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto nothing, views::CompareViews(*bus_, redis_, keys_));
  EXPECT_EQ(nothing.not_compared, "nothing there");
}

TEST_F(ViewsCompared, ADeliverersPlaceIsNotOneOfThem) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  state::v1::OutboxCheckpoint place;
  place.set_kind(common::v1::CHANNEL_KIND_EMAIL);
  place.set_partition(keys_.partition());
  { channel::OutboxStore({.address = server_->address()}, {}).Save(place); }
  ASSERT_EQ(redis_.Run("", {"EXISTS", "wissel:{p0}:outbox:email"})->integer, 1);
  EXPECT_THAT(Differences(), IsEmpty());
}

TEST_F(ProjectorTest, AQuietPartitionsFlushIsNoticed) {
  const auto projector = NewProjector();
  shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  const auto before = Dump(redis_);
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  WISSEL_ASSERT_OK(projector->Step());
  EXPECT_THAT(Dump(redis_), IsEmpty());  // not yet looked
  clock_.Advance(settings_.check_interval);
  EXPECT_THAT(projector->Step(), StatusIs(absl::StatusCode::kAborted, HasSubstr("gone")));
  CatchUp(*projector);
  EXPECT_THAT(Difference(Dump(redis_), before), IsEmpty());
}

TEST_F(ProjectorTest, AFlushUnderWorkIsNoticedWithTheNextBatch) {
  const auto projector = NewProjector();
  shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  EXPECT_THAT(projector->Step(), StatusIs(absl::StatusCode::kAborted, HasSubstr("gone")));
  CatchUp(*projector);
  ExpectCheckpointIsTheFold();
}

TEST_F(ProjectorTest, NothingIsSaidToBeMissingBeforeTheLogIsFolded) {
  shop_->Open("31611111111", "nl");
  const std::string last = shop_->Open("31622222222", "nl");
  shop_->Sync();
  settings_.batch_bytes = 1;  // A record at a time.
  const auto read = [&] { return views::ReadConversation(redis_, keys_, "acme", last, 20); };
  int unavailable = 0;
  auto view = read();
  // Each step by another projector: what is begun stays begun.
  while (!view.ok()) {
    EXPECT_THAT(view, StatusIs(absl::StatusCode::kUnavailable));
    ++unavailable;
    WISSEL_ASSERT_OK(NewProjector()->Step());
    view = read();
  }
  EXPECT_GT(unavailable, 2);
  EXPECT_TRUE(view->conversation.has_value());
}

TEST_F(ProjectorTest, AnotherBeginsWhereTheDeadOneStopped) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  shop_->Open("31622222222", "nl");
  const auto successor = NewProjector();
  CatchUp(*successor);
  ExpectCheckpointIsTheFold();
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("wissel_projector_begins_total{source=\"checkpoint\"} 1"));
}

TEST_F(ProjectorTest, WhileRedisIsAwayNothingIsLost) {
  RedisServer server;
  Redis redis(OptionsFor(server));
  const Environment environment = MakeEnvironment(redis);
  PartitionProjector projector(environment, 0);
  shop_->Open("31611111111", "nl");
  CatchUp(projector);
  server.Kill();
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  EXPECT_THAT(projector.Step(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(projector.Step(), StatusIs(absl::StatusCode::kUnavailable));
  server.Start();
  CatchUp(projector);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis, keys_));
  EXPECT_EQ(load.checkpoint.meta.state_hash, shop_->state().Hash());
}

TEST_F(ProjectorTest, TheLagIsMeasuredWhileRedisIsAway) {
  RedisServer server;
  Redis redis(OptionsFor(server));
  environment_.emplace(MakeEnvironment(redis));
  auto projector = NewProjector();
  shop_->Open("31611111111", "nl");
  CatchUp(*projector);
  clock_.Advance(settings_.lag_interval);
  WISSEL_ASSERT_OK(projector->Step());
  EXPECT_EQ(Lag("offsets"), 0);
  EXPECT_EQ(Lag("seconds"), 0);

  server.Stop();
  for (int i = 1; i <= 2; ++i) {
    shop_->Open(absl::StrCat("3162222222", i), "nl");
    shop_->Sync();
    clock_.Advance(settings_.lag_interval);
    EXPECT_THAT(projector->Step(), ::testing::Not(testing::IsOk()));
    EXPECT_GE(Lag("offsets"), i);
    EXPECT_GT(Lag("seconds"), 0);
  }
  projector.reset();
  EXPECT_EQ(Lag("offsets"), 0) << "the partition is another's now";
  EXPECT_EQ(Lag("seconds"), 0);

  // One that never got to Redis knows as much as it has seen itself.
  projector = NewProjector();
  EXPECT_THAT(projector->Step(), ::testing::Not(testing::IsOk()));
  EXPECT_EQ(Lag("offsets"), 0);
  shop_->Open("31633333333", "nl");
  shop_->Sync();
  clock_.Advance(settings_.lag_interval);
  EXPECT_THAT(projector->Step(), ::testing::Not(testing::IsOk()));
  EXPECT_GE(Lag("offsets"), 1);
  EXPECT_EQ(Lag("seconds"), absl::ToDoubleSeconds(settings_.lag_interval));
}

TEST_F(ProjectorTest, TheLagOfOneThatBeginsBehindHasAnAge) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto place, views::LoadCheckpoint(redis_, keys_));
  shop_->Open("31622222222", "nl");
  shop_->Sync();
  testing::SilentBus silent(*bus_, bus::Topic::kLog, place.checkpoint.meta.position->offset);
  Environment environment{.bus = silent,
                          .redis = redis_,
                          .clock = clock_,
                          .log = {},
                          .metrics = metrics_,
                          .settings = settings_,
                          .wakeup = nullptr};
  PartitionProjector projector(environment, 0);
  WISSEL_ASSERT_OK(projector.Step());
  EXPECT_GE(Lag("offsets"), 1);
  EXPECT_GT(Lag("seconds"), 0);
}

TEST_F(ProjectorTest, ADamagedCheckpointIsBuiltAgain) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  const auto before = Dump(redis_);
  WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Pieces("agent"), "acme/anna", "x"}));
  CatchUp(*NewProjector());
  EXPECT_THAT(Difference(Dump(redis_), before), IsEmpty());
}

TEST_F(ProjectorTest, ACheckpointOfAnotherLogIsNotUsed) {
  for (int i = 0; i < 5; ++i) shop_->Open(absl::StrCat("3161111111", i), "nl");
  CatchUp(*NewProjector());
  shop_.reset();
  environment_.reset();
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
  environment_.emplace(MakeEnvironment(redis_));
  shop_.emplace(*bus_);
  CatchUp(*NewProjector());
  ExpectCheckpointIsTheFold();
  EXPECT_EQ(shop_->state().conversations().size(), 0u);
}

TEST_F(ProjectorTest, ViewsOfACutLogAreShownOnceARestatingRoundHasPassed) {
  const std::string id = shop_->Open("31611111111", "nl");
  const int64_t cut = shop_->end();
  shop_->Open("31622222222", "nl");
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const auto projector = NewProjector();
  CatchUp(*projector);
  EXPECT_THAT(views::ReadAgentWork(redis_, keys_, "acme", "anna"),
              StatusIs(absl::StatusCode::kUnavailable));
  shop_->Restate();
  CatchUp(*projector);
  ExpectCheckpointIsTheFold();
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, views::ReadConversation(redis_, keys_, "acme", id, 20));
  EXPECT_TRUE(view.conversation.has_value());
}

TEST_F(ProjectorTest, RetentionThatOvertakesItIsSurvived) {
  shop_->Open("31611111111", "nl");
  CatchUp(*NewProjector());
  shop_->Open("31622222222", "nl");
  shop_->Open("31633333333", "nl");
  const int64_t cut = shop_->end();
  shop_->Restate();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  CatchUp(*NewProjector());
  ExpectCheckpointIsTheFold();
}

// The one that the rest follows from: whatever happened on the way, what stands in Redis is what
// one undisturbed projector makes of the same log, and the checkpoint is the owner's state.
class RandomDays : public ProjectorTest, public ::testing::WithParamInterface<int> {};

TEST_P(RandomDays, RedisHoldsTheFoldOfTheLogWhateverHappened) {
  // Expiry depends on when it is looked at, and has its own test.
  settings_.forgotten_kept = absl::Hours(24 * 365);
  std::mt19937 random(GetParam());
  const auto pick = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };
  std::unique_ptr<PartitionProjector> projectors[2] = {NewProjector(), NewProjector()};
  for (int i = 0; i < 250; ++i) {
    shop_->Happen(random);
    if (pick(60) == 0) shop_->Restate();
    if (pick(80) == 0) {
      WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
    }
    if (pick(120) == 0) {
      WISSEL_ASSERT_OK(redis_.Run("", {"HSET", keys_.Pieces("conversation"), "ghost", "x"}));
      projectors[0].reset(new PartitionProjector(*environment_, 0));
      projectors[1].reset(new PartitionProjector(*environment_, 0));
    }
    if (pick(20) == 0) projectors[pick(2)].reset(new PartitionProjector(*environment_, 0));
    settings_.batch = static_cast<int>(1 + pick(20));
    for (size_t steps = pick(3); steps > 0; --steps) (void)projectors[pick(2)]->Step();
    clock_.Advance(absl::Milliseconds(pick(1500)));
  }
  clock_.Advance(absl::Hours(1));
  CatchUp(*projectors[pick(2)]);
  ExpectCheckpointIsTheFold();
  const auto after_the_day = Dump(redis_);

  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  settings_.batch = 500;
  CatchUp(*NewProjector());
  EXPECT_THAT(Difference(Dump(redis_), after_the_day), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, ::testing::Range(1, 21));

// The whole service, on its thread and in its group.
TEST_F(ProjectorTest, TwoProjectorsShareThePartitionsAndTakeOverFromEachOther) {
  WISSEL_ASSERT_OK_AND_ASSIGN(auto bus, bus::NewEmbeddedBus({.partitions = 2}));
  ShopLog first(*bus, 0);
  ShopLog second(*bus, 1);
  const SystemClock clock;
  settings_.check_interval = absl::Milliseconds(10);
  telemetry::Readiness readiness[2];
  const auto start = [&](int i) {
    return std::make_unique<Projector>(Projector::Dependencies{.bus = *bus,
                                                               .redis = OptionsFor(*server_),
                                                               .clock = clock,
                                                               .log = {},
                                                               .metrics = registry_,
                                                               .readiness = readiness[i]},
                                       settings_);
  };
  const auto await = [&](ShopLog& shop, int32_t partition) {
    const views::PartitionKeys keys(partition);
    for (const absl::Time begin = absl::Now(); absl::Now() < begin + absl::Seconds(30);) {
      const auto work = views::ReadAgentWork(redis_, keys, "acme", "anna");
      if (work.ok() && work->place.position.offset == shop.end()) return;
      absl::SleepFor(absl::Milliseconds(1));
    }
    ADD_FAILURE() << "partition " << partition << " is not caught up";
  };
  auto a = start(0);
  auto b = start(1);
  first.Open("31611111111", "nl");
  second.Open("31611111111", "nl");
  await(first, 0);
  await(second, 1);
  a.reset();
  first.Open("31622222222", "nl");
  second.Open("31622222222", "nl");
  await(first, 0);
  await(second, 1);
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  await(first, 0);
  await(second, 1);
  for (const absl::Time begin = absl::Now();
       !readiness[1].Ready() && absl::Now() < begin + absl::Seconds(30);) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_TRUE(readiness[1].Ready());
}

bool AwaitJson(const telemetry::Readiness& readiness, absl::string_view text) {
  for (const absl::Time begin = absl::Now(); absl::Now() < begin + absl::Seconds(30);) {
    if (absl::StrContains(readiness.ToJson(), text)) return true;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return false;
}

// As the third of three projectors on two partitions is, and every one that has just started.
TEST_F(ProjectorTest, WithoutAPartitionItIsReadyWhileKafkaAndRedisAnswer) {
  const auto holder = *bus_->Join(settings_.group, bus::Topic::kLog,
                                  {.session_timeout = absl::Hours(1), .wakeup = nullptr});
  WISSEL_ASSERT_OK_AND_ASSIGN(const bus::Assignment all, holder->Poll(absl::Seconds(10)));
  ASSERT_THAT(all.assigned, ElementsAre(0));
  RedisServer server;
  server.Kill();
  const SystemClock clock;
  settings_.check_interval = absl::Milliseconds(10);
  telemetry::Readiness readiness;
  const Projector projector(Projector::Dependencies{.bus = *bus_,
                                                    .redis = OptionsFor(server),
                                                    .clock = clock,
                                                    .log = {},
                                                    .metrics = registry_,
                                                    .readiness = readiness},
                            settings_);
  EXPECT_TRUE(AwaitJson(readiness, "no partition yet: UNAVAILABLE: redis")) << readiness.ToJson();
  EXPECT_FALSE(readiness.Ready());
  server.Start();
  EXPECT_TRUE(AwaitJson(readiness, "{\"ready\":true")) << readiness.ToJson();
  server.Kill();
  EXPECT_TRUE(AwaitJson(readiness, "no partition yet: UNAVAILABLE: redis")) << readiness.ToJson();
}

TEST(ProjectorApp, IsNotReadyWithNothingBehindIt) {
  const SystemClock clock;
  telemetry::Registry registry;
  telemetry::Readiness readiness;
  telemetry::Endpoint endpoint(registry, readiness);
  Settings settings;
  // Nobody listens on the ports that are reserved for other things.
  settings.kafka.brokers = "127.0.0.1:1";
  settings.kafka.request_timeout = absl::Milliseconds(100);
  settings.redis.address = "127.0.0.1:2";
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto app,
      Start(settings, {.clock = clock,
                       .log = {},
                       .metrics = registry,
                       .readiness = readiness,
                       .endpoint = endpoint,
                       .fail = [](const absl::Status& status) { ADD_FAILURE() << status; }}));
  EXPECT_TRUE(AwaitJson(readiness, "no partition yet: UNAVAILABLE: kafka")) << readiness.ToJson();
  EXPECT_FALSE(readiness.Ready());
  WISSEL_EXPECT_OK(app->Drain(absl::Seconds(20)));
}

}  // namespace
}  // namespace wissel::projector
