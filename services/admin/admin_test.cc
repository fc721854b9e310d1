#include "services/admin/admin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/status_matchers.h"

namespace wissel::admin {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::StatusIs;

config::v1::WorkspaceConfig Config(int64_t version) {
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig(version);
  for (config::v1::Account& account : *config.mutable_accounts()) {
    account.set_address("address of " + account.account().account_id());
  }
  return config;
}

rpc::Principal Of(absl::string_view workspace) {
  rpc::Principal principal;
  principal.subject = "root";
  principal.workspace = WorkspaceId(workspace);
  principal.roles = {rpc::Role::kAdmin};
  return principal;
}

// A bus that does not say where a record stands, as Kafka may of one that was sent twice.
class PlacelessBus : public testing::AwayBus {
 public:
  explicit PlacelessBus(bus::Bus& bus) : AwayBus(&bus), bus_(bus) {}

  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    class Placeless : public bus::Appender {
     public:
      explicit Placeless(std::unique_ptr<bus::Appender> appender)
          : appender_(std::move(appender)) {}
      void Append(bus::Outgoing record, Done done) override {
        appender_->Append(std::move(record),
                          [done = std::move(done)](absl::StatusOr<int64_t> offset) mutable {
                            if (offset.ok()) offset = -1;
                            done(std::move(offset));
                          });
      }
      absl::Status Admit(const bus::Outgoing& record) const override {
        return appender_->Admit(record);
      }
      absl::Status Flush(absl::Duration timeout) override { return appender_->Flush(timeout); }

     private:
      const std::unique_ptr<bus::Appender> appender_;
    };
    return std::make_unique<Placeless>(bus_.NewAppender(options));
  }
  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    return bus_.OpenReader(topic, partition, std::move(options));
  }

 private:
  bus::Bus& bus_;
};

// A bus on which something happens before a reader asks for the end, for the how-manieth time.
class OvertakingBus : public testing::AwayBus {
 public:
  OvertakingBus(bus::Bus& bus, std::function<void(int reads)> before)
      : AwayBus(&bus), bus_(bus), before_(std::move(before)) {}

  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    return bus_.NewAppender(options);
  }
  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    class Overtaken : public bus::Reader {
     public:
      Overtaken(OvertakingBus& bus, std::unique_ptr<bus::Reader> reader)
          : bus_(bus), reader_(std::move(reader)) {}
      absl::StatusOr<std::vector<bus::Record>> Poll(size_t max, absl::Duration timeout) override {
        return reader_->Poll(max, timeout);
      }
      absl::Status Seek(int64_t offset) override { return reader_->Seek(offset); }
      int64_t position() const override { return reader_->position(); }
      absl::StatusOr<int64_t> StartOffset() override { return reader_->StartOffset(); }
      absl::StatusOr<int64_t> EndOffset() override {
        bus_.before_(++bus_.reads_);
        return reader_->EndOffset();
      }

     private:
      OvertakingBus& bus_;
      const std::unique_ptr<bus::Reader> reader_;
    };
    auto reader = bus_.OpenReader(topic, partition, std::move(options));
    if (!reader.ok()) return reader.status();
    return std::make_unique<Overtaken>(*this, *std::move(reader));
  }

 private:
  bus::Bus& bus_;
  const std::function<void(int)> before_;
  int reads_ = 0;
};

class AdminTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 3}));
  }

  std::unique_ptr<Admin> NewAdmin(Admin::Options options = {}) {
    return std::make_unique<Admin>(*bus_, clock_, metrics_, std::move(options));
  }
  static v1::ApplyConfigRequest Request(int64_t version, bool dry_run = false) {
    v1::ApplyConfigRequest request;
    *request.mutable_config() = Config(version);
    request.set_dry_run(dry_run);
    return request;
  }
  void Append(bus::Topic topic, int32_t partition, std::string key, std::string value) {
    const auto appender = bus_->NewAppender({});
    appender->Append({.topic = topic,
                      .partition = partition,
                      .key = std::move(key),
                      .value = std::move(value),
                      .headers = {}},
                     [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
    WISSEL_ASSERT_OK(appender->Flush(absl::Seconds(10)));
  }
  std::vector<bus::Record> ReadAll(bus::Topic topic, int32_t partition) {
    return *(*bus_->OpenReader(topic, partition, {}))->Poll(1000, absl::ZeroDuration());
  }
  // A letter of `workspace`; `n` makes id, time and partition.
  void Bury(int n, const std::string& workspace) {
    deadletter::v1::DeadLetter letter;
    letter.set_dead_letter_id(absl::StrCat("letter-", n));
    letter.set_workspace_id(workspace);
    letter.set_raw("raw bytes");
    *letter.mutable_time() = ToProto(absl::FromUnixSeconds(1'000'000 + n));
    letter.mutable_origin()->mutable_record()->set_topic("wissel.inbound.v1");
    letter.mutable_origin()->mutable_record()->set_key("acme/main");
    auto& header = *letter.mutable_origin()->mutable_record()->add_headers();
    header.set_name("content-type");
    header.set_value("text/plain");
    Append(bus::Topic::kDeadLetter, n % 3, "", letter.SerializeAsString());
  }

  ManualClock clock_{absl::FromUnixSeconds(1'750'000'000)};
  telemetry::Registry registry_;
  Metrics metrics_{registry_};
  std::unique_ptr<bus::Bus> bus_;
};

TEST_F(AdminTest, AConfigurationIsAsLargeAsTheLogsRecordsAllow) {
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_,
                              bus::NewEmbeddedBus({.partitions = 3, .max_record_bytes = 4 << 20}));
  v1::ApplyConfigRequest request = Request(1);
  request.mutable_config()->set_display_name(std::string(3 << 20, 'd'));
  EXPECT_THAT(
      NewAdmin()->ApplyConfig(Of("acme"), request),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 917504 in all, as one record "
                                                             "of the log holds it")));
  WISSEL_EXPECT_OK(NewAdmin({.max_record_bytes = 4 << 20})->ApplyConfig(Of("acme"), request));
  request.mutable_config()->set_display_name(std::string(4 << 20, 'd'));
  EXPECT_THAT(NewAdmin({.max_record_bytes = 4 << 20})->ApplyConfig(Of("acme"), request),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 4067328")));
}

TEST_F(AdminTest, AppliesAndGivesBack) {
  const auto admin = NewAdmin();
  EXPECT_THAT(admin->GetConfig(Of("acme"), {}), StatusIs(absl::StatusCode::kNotFound));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto applied, admin->ApplyConfig(Of("acme"), Request(1)));
  EXPECT_EQ(applied.version(), 1);
  EXPECT_GT(applied.differences_size(), 0);
  EXPECT_THAT(ReadAll(bus::Topic::kConfig, 0).front().headers,
              Contains(Pair("content-type", HasSubstr("\"wissel.config.v1.WorkspaceConfig\""))));
  // Another process sees it too.
  WISSEL_ASSERT_OK_AND_ASSIGN(auto got, NewAdmin()->GetConfig(Of("acme"), {}));
  EXPECT_EQ(got.config().version(), 1);
  EXPECT_EQ(got.config().applied_by(), "root");
  EXPECT_EQ(FromProto(got.config().applied_time()), clock_.Now());
  EXPECT_THAT(admin->GetConfig(Of("rival"), {}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(AdminTest, TheVersionMustBeTheNext) {
  const auto admin = NewAdmin();
  WISSEL_ASSERT_OK(admin->ApplyConfig(Of("acme"), Request(1)));
  for (int64_t version : {0, 1, 3}) {
    EXPECT_THAT(
        admin->ApplyConfig(Of("acme"), Request(version)),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 1 is in force")));
  }
  EXPECT_THAT(ReadAll(bus::Topic::kConfig, 0), SizeIs(1));
  WISSEL_EXPECT_OK(admin->ApplyConfig(Of("acme"), Request(2)));
}

TEST_F(AdminTest, ARoutingGroupInForceStays) {
  const auto admin = NewAdmin();
  v1::ApplyConfigRequest with = Request(1);
  with.mutable_config()->add_routing_groups()->set_routing_group_id("second");
  WISSEL_ASSERT_OK(admin->ApplyConfig(Of("acme"), with));
  for (const bool dry_run : {true, false}) {
    EXPECT_THAT(admin->ApplyConfig(Of("acme"), Request(2, dry_run)),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         "routing_groups[second]: missing; nobody could work its conversations "
                         "any more. Leave it, without accounts, queues and agents"));
  }
  EXPECT_THAT(ReadAll(bus::Topic::kConfig, 0), SizeIs(1));
  // Without anything in it it may be left, and renamed.
  with.mutable_config()->set_version(2);
  with.mutable_config()->mutable_routing_groups(1)->set_display_name("no longer used");
  WISSEL_EXPECT_OK(admin->ApplyConfig(Of("acme"), with));
}

// Sent for the version after one that its reader does not see yet.
TEST_F(AdminTest, ARoutingGroupThatComesInBetweenStays) {
  WISSEL_ASSERT_OK(NewAdmin()->ApplyConfig(Of("acme"), Request(1)));
  OvertakingBus overtaking(*bus_, [this](int reads) {
    if (reads != 2) return;
    config::v1::WorkspaceConfig other = Config(2);
    other.add_routing_groups()->set_routing_group_id("second");
    Append(bus::Topic::kConfig, 0, "acme", other.SerializeAsString());
  });
  Admin admin(overtaking, clock_, metrics_, {});
  EXPECT_THAT(admin.ApplyConfig(Of("acme"), Request(3)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 1 is in force")));
  EXPECT_THAT(admin.ApplyConfig(Of("acme"), Request(2)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 2 is in force")));
  EXPECT_THAT(admin.ApplyConfig(Of("acme"), Request(3)),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("routing_groups[second]")));
}

TEST_F(AdminTest, ADryRunLooksAtTheVersionToo) {
  const auto admin = NewAdmin();
  for (int64_t version : {1, 2, 3}) {
    WISSEL_ASSERT_OK(admin->ApplyConfig(Of("acme"), Request(version)));
  }
  for (int64_t version : {1, 3, 5}) {
    EXPECT_THAT(
        admin->ApplyConfig(Of("acme"), Request(version, /*dry_run=*/true)),
        StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 3 is in force")));
  }
  WISSEL_EXPECT_OK(admin->ApplyConfig(Of("acme"), Request(4, /*dry_run=*/true)));
  // Whatever is in force.
  WISSEL_EXPECT_OK(admin->ApplyConfig(Of("acme"), Request(0, /*dry_run=*/true)));
}

TEST_F(AdminTest, OfConcurrentAppliesExactlyOneWins) {
  constexpr int kAdmins = 4;
  constexpr int kRounds = 20;
  std::vector<std::unique_ptr<Admin>> admins;
  for (int i = 0; i < kAdmins; ++i) admins.push_back(NewAdmin());
  std::atomic<int> won[kRounds + 1] = {};
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kAdmins; ++i) {
      threads.emplace_back([&, i] {
        for (int round = 1; round <= kRounds; ++round) {
          v1::ApplyConfigRequest request = Request(round);
          request.mutable_config()->set_display_name(absl::StrCat("admin ", i));
          const auto applied = admins[i]->ApplyConfig(Of("acme"), request);
          if (applied.ok()) ++won[round];
          if (absl::IsFailedPrecondition(applied.status())) ++refused;
        }
      });
    }
  }
  for (int round = 1; round <= kRounds; ++round) EXPECT_EQ(won[round], 1) << "version " << round;
  EXPECT_EQ(refused, kRounds * (kAdmins - 1));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto got, NewAdmin()->GetConfig(Of("acme"), {}));
  EXPECT_EQ(got.config().version(), kRounds);
}

TEST_F(AdminTest, OneWhoLosesTheRaceInTheTopicIsToldTheVersionFound) {
  // Another's record of the same version gets in between: here it is already there, unseen so far.
  const auto admin = NewAdmin();
  WISSEL_ASSERT_OK(admin->ApplyConfig(Of("acme"), Request(1)));
  config::v1::WorkspaceConfig other = Config(2);
  other.set_display_name("the first");
  Append(bus::Topic::kConfig, 0, "acme", other.SerializeAsString());
  Append(bus::Topic::kConfig, 0, "acme", Config(2).SerializeAsString());  // void
  Append(bus::Topic::kConfig, 0, "acme", "\xff\xff garbage");
  WISSEL_ASSERT_OK_AND_ASSIGN(auto got, admin->GetConfig(Of("acme"), {}));
  EXPECT_EQ(got.config().display_name(), "the first");
  EXPECT_THAT(admin->ApplyConfig(Of("acme"), Request(2)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 2 is in force")));
}

TEST_F(AdminTest, AnApplyWhosePlaceNobodySaysIsAcceptedAllTheSame) {
  PlacelessBus placeless(*bus_);
  Admin admin(placeless, clock_, metrics_, {});
  for (const int64_t version : {1, 2}) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto applied,
                                admin.ApplyConfig(Of("acme"), Request(version)));
    EXPECT_EQ(applied.version(), version);
  }
  EXPECT_THAT(admin.ApplyConfig(Of("acme"), Request(2)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 2 is in force")));
}

TEST_F(AdminTest, ADryRunShowsAndChangesNothing) {
  const auto admin = NewAdmin();
  WISSEL_ASSERT_OK(admin->ApplyConfig(Of("acme"), Request(1)));
  v1::ApplyConfigRequest request = Request(0, /*dry_run=*/true);
  request.mutable_config()->mutable_agents(0)->set_capacity_units(0);
  WISSEL_ASSERT_OK_AND_ASSIGN(auto shown, admin->ApplyConfig(Of("acme"), request));
  EXPECT_EQ(shown.version(), 2);
  ASSERT_EQ(shown.differences_size(), 1);
  EXPECT_EQ(shown.differences(0).path(), "agents[anna].capacity_units");
  EXPECT_THAT(shown.warnings(), ElementsAre(HasSubstr("agents[anna].capacity_units")));
  EXPECT_THAT(ReadAll(bus::Topic::kConfig, 0), SizeIs(1));
}

TEST_F(AdminTest, EverythingThatIsWrongIsSaidAtOnce) {
  v1::ApplyConfigRequest request = Request(1);
  request.mutable_config()->mutable_agents(0)->add_queue_ids("sales");
  request.mutable_config()->mutable_agents(1)->set_capacity_units(-1);
  EXPECT_THAT(NewAdmin()->ApplyConfig(Of("acme"), request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "agents[anna].queue_ids: no queue \"sales\"\n"
                       "agents[bram].capacity_units: -1; from 0 to 1000000"));
  EXPECT_THAT(ReadAll(bus::Topic::kConfig, 0), IsEmpty());
}

TEST_F(AdminTest, NobodyConfiguresAnothersWorkspace) {
  EXPECT_THAT(NewAdmin()->ApplyConfig(Of("rival"), Request(1)),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AdminTest, EveryApplyIsCountedByHowItEnded) {
  const auto admin = NewAdmin();
  WISSEL_EXPECT_OK(admin->ApplyConfig(Of("acme"), Request(1)));
  WISSEL_EXPECT_OK(admin->ApplyConfig(Of("acme"), Request(2, /*dry_run=*/true)));
  // Refused, which the handler counts.
  EXPECT_FALSE(admin->ApplyConfig(Of("rival"), Request(2)).ok());
  EXPECT_FALSE(admin->ApplyConfig(Of("acme"), Request(3)).ok());
  v1::ApplyConfigRequest wrong = Request(2);
  wrong.mutable_config()->mutable_agents(0)->add_queue_ids("sales");
  EXPECT_FALSE(admin->ApplyConfig(Of("acme"), wrong).ok());
  testing::AwayBus away;
  EXPECT_THAT(Admin(away, clock_, metrics_, {}).ApplyConfig(Of("acme"), Request(2)),
              StatusIs(absl::StatusCode::kUnavailable));
  const std::string page = registry_.Expose();
  for (const char* outcome : {"applied", "dry_run", "conflict", "invalid", "failed"}) {
    EXPECT_THAT(page, HasSubstr(absl::StrCat("\nwissel_admin_applies_total{outcome=\"", outcome,
                                             "\"} 1\n")));
  }
}

TEST_F(AdminTest, WhatKafkaForbidsTheServiceIsNoWordAboutTheCaller) {
  const auto unavailable = [](absl::string_view why) {
    return StatusIs(absl::StatusCode::kUnavailable, HasSubstr(std::string(why)));
  };
  testing::RefusingBus appends(*bus_, absl::PermissionDeniedError("no ACL to write"));
  Admin writer(appends, clock_, metrics_, {});
  EXPECT_THAT(writer.ApplyConfig(Of("acme"), Request(1)), unavailable("no ACL to write"));
  EXPECT_THAT(registry_.Expose(),
              HasSubstr("\nwissel_admin_applies_total{outcome=\"failed\"} 1\n"));

  testing::AwayBus forbids(nullptr, absl::UnauthenticatedError("SASL failed"));
  Admin admin(forbids, clock_, metrics_, {.operator_workspace = "acme"});
  const rpc::Principal caller = Of("acme");
  EXPECT_THAT(admin.GetConfig(caller, {}), unavailable("SASL failed"));
  EXPECT_THAT(admin.ApplyConfig(caller, Request(1)), unavailable("SASL failed"));
  EXPECT_THAT(admin.ListDeadLetters(caller, {}), unavailable("SASL failed"));
  EXPECT_THAT(admin.GetDeadLetter(caller, {}), unavailable("SASL failed"));
  EXPECT_THAT(admin.ReplayDeadLetter(caller, {}), unavailable("SASL failed"));
  v1::CreateTopicsRequest topics;
  topics.set_partitions(1);
  topics.set_replication_factor(1);
  EXPECT_THAT(admin.CreateTopics(caller, topics), unavailable("SASL failed"));
  EXPECT_THAT(admin.CheckTopics(caller, {}), unavailable("SASL failed"));
}

TEST_F(AdminTest, DeadLettersComeNewestFirstPageByPageAndOnlyOnesOwn) {
  const auto admin = NewAdmin({.operator_workspace = "ops"});
  for (int n = 0; n < 50; ++n) Bury(n, n % 5 == 0 ? "rival" : n % 5 == 1 ? "" : "acme");
  const auto list = [&](absl::string_view workspace, int size) {
    std::vector<std::string> ids;
    v1::ListDeadLettersRequest request;
    request.set_page_size(size);
    for (int pages = 0; pages < 100; ++pages) {
      const auto page = admin->ListDeadLetters(Of(workspace), request);
      EXPECT_THAT(page, testing::IsOk());
      for (const auto& letter : page->dead_letters()) {
        EXPECT_THAT(letter.raw(), IsEmpty());
        ids.push_back(letter.dead_letter_id());
      }
      if (page->next_page_token().empty()) return ids;
      request.set_page_token(page->next_page_token());
    }
    ADD_FAILURE() << "the pages do not end";
    return ids;
  };
  std::vector<std::string> ours;
  std::vector<std::string> nobodys;
  for (int n = 49; n >= 0; --n) {
    if (n % 5 > 1) ours.push_back(absl::StrCat("letter-", n));
    if (n % 5 == 1) nobodys.push_back(absl::StrCat("letter-", n));
  }
  for (int size : {1, 7, 500}) {
    EXPECT_EQ(list("acme", size), ours);
    EXPECT_EQ(list("ops", size), nobodys);
  }
  v1::ListDeadLettersRequest bad;
  bad.set_page_token("x");
  EXPECT_THAT(admin->ListDeadLetters(Of("acme"), bad),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AdminTest, GarbageAmongTheDeadLettersHidesNoneOfThem) {
  const auto admin = NewAdmin();
  Append(bus::Topic::kDeadLetter, 0, "", "\xff no dead letter");
  for (int n = 0; n < 6; ++n) {
    Bury(n, "acme");
    Append(bus::Topic::kDeadLetter, n % 3, "", std::string(10'000, '\xff'));
  }
  v1::ListDeadLettersRequest list;
  list.set_page_size(100);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto page, admin->ListDeadLetters(Of("acme"), list));
  std::vector<std::string> ids;
  for (const auto& letter : page.dead_letters()) ids.push_back(letter.dead_letter_id());
  EXPECT_THAT(ids,
              ElementsAre("letter-5", "letter-4", "letter-3", "letter-2", "letter-1", "letter-0"));
  EXPECT_EQ(page.next_page_token(), "");
  v1::ReplayDeadLetterRequest replay;
  replay.set_dead_letter_id("letter-0");
  WISSEL_EXPECT_OK(admin->ReplayDeadLetter(Of("acme"), replay));
}

TEST_F(AdminTest, GarbageAmongTheDeadLettersIsADeadLetterOfItsOwn) {
  const auto admin = NewAdmin({.operator_workspace = "ops"});
  Append(bus::Topic::kDeadLetter, 2, "a key", "\xff no dead letter");
  v1::ListDeadLettersRequest list;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto page, admin->ListDeadLetters(Of("ops"), list));
  ASSERT_EQ(page.dead_letters_size(), 1);
  const deadletter::v1::DeadLetter& letter = page.dead_letters(0);
  EXPECT_EQ(letter.reason(), deadletter::v1::REASON_UNPARSABLE);
  EXPECT_EQ(letter.detail(), "not a wissel.deadletter.v1.DeadLetter");
  EXPECT_EQ(letter.origin().record().topic(), "wissel.deadletter.v1");
  EXPECT_EQ(letter.origin().record().partition(), 2);
  EXPECT_EQ(letter.origin().record().key(), "a key");
  v1::GetDeadLetterRequest get;
  get.set_dead_letter_id(letter.dead_letter_id());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto whole, admin->GetDeadLetter(Of("ops"), get));
  EXPECT_EQ(whole.dead_letter().raw(), "\xff no dead letter");
  // It is nobody's in particular, and no input.
  EXPECT_THAT(admin->GetDeadLetter(Of("acme"), get), StatusIs(absl::StatusCode::kNotFound));
  v1::ReplayDeadLetterRequest replay;
  replay.set_dead_letter_id(letter.dead_letter_id());
  EXPECT_THAT(admin->ReplayDeadLetter(Of("ops"), replay),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not inputs")));
}

TEST_F(AdminTest, ADeadLetterGoesBackWhereItCameFrom) {
  const auto admin = NewAdmin();
  Bury(7, "acme");
  v1::GetDeadLetterRequest get;
  get.set_dead_letter_id("letter-7");
  WISSEL_ASSERT_OK_AND_ASSIGN(auto letter, admin->GetDeadLetter(Of("acme"), get));
  EXPECT_EQ(letter.dead_letter().raw(), "raw bytes");
  EXPECT_THAT(admin->GetDeadLetter(Of("rival"), get), StatusIs(absl::StatusCode::kNotFound));

  v1::ReplayDeadLetterRequest replay;
  replay.set_dead_letter_id("letter-7");
  EXPECT_THAT(admin->ReplayDeadLetter(Of("rival"), replay), StatusIs(absl::StatusCode::kNotFound));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto replayed, admin->ReplayDeadLetter(Of("acme"), replay));
  EXPECT_EQ(replayed.topic(), "wissel.inbound.v1");
  EXPECT_EQ(replayed.partition(), bus::PartitionOf("acme/main", 3));
  const auto records = ReadAll(bus::Topic::kInbound, replayed.partition());
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].key, "acme/main");
  EXPECT_EQ(records[0].value, "raw bytes");
  EXPECT_THAT(records[0].headers, ElementsAre(Pair("content-type", "text/plain")));
}

TEST_F(AdminTest, ARepeatedDeadLetterDoesNotHideTheFirst) {
  deadletter::v1::DeadLetter letter;
  letter.set_workspace_id("acme");
  letter.set_dead_letter_id("repeated");
  letter.set_raw("the first");
  Append(bus::Topic::kDeadLetter, 0, "k", letter.SerializeAsString());
  letter.set_raw("a later one");
  Append(bus::Topic::kDeadLetter, 0, "k", letter.SerializeAsString());
  const auto admin = NewAdmin();
  v1::GetDeadLetterRequest get;
  get.set_dead_letter_id("repeated");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto found, admin->GetDeadLetter(Of("acme"), get));
  EXPECT_EQ(found.dead_letter().raw(), "the first");
}

TEST_F(AdminTest, SomeDeadLettersCannotGoBack) {
  deadletter::v1::DeadLetter letter;
  letter.set_workspace_id("acme");
  letter.set_dead_letter_id("from-log");
  letter.mutable_origin()->mutable_record()->set_topic("wissel.log.v1");
  Append(bus::Topic::kDeadLetter, 0, "", letter.SerializeAsString());
  letter.set_dead_letter_id("cut");
  letter.mutable_origin()->mutable_record()->set_topic("wissel.inbound.v1");
  letter.set_truncated(true);
  Append(bus::Topic::kDeadLetter, 0, "", letter.SerializeAsString());
  letter.set_dead_letter_id("from-provider");
  letter.mutable_origin()->mutable_provider()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
  letter.mutable_origin()->mutable_provider()->set_reference("INBOX");
  Append(bus::Topic::kDeadLetter, 0, "", letter.SerializeAsString());
  const auto admin = NewAdmin();
  for (const char* id : {"from-log", "cut", "from-provider"}) {
    v1::ReplayDeadLetterRequest replay;
    replay.set_dead_letter_id(id);
    EXPECT_THAT(admin->ReplayDeadLetter(Of("acme"), replay),
                StatusIs(absl::StatusCode::kFailedPrecondition))
        << id;
  }
  v1::ReplayDeadLetterRequest replay;
  replay.set_dead_letter_id("from-provider");
  EXPECT_THAT(admin->ReplayDeadLetter(Of("acme"), replay).status().message(),
              HasSubstr("deadletter show from-provider --raw` prints to its mailbox"));
}

TEST_F(AdminTest, TopicsAreAsTheyShouldBe) {
  WISSEL_ASSERT_OK_AND_ASSIGN(auto checked, NewAdmin()->CheckTopics(Of("acme"), {}));
  ASSERT_EQ(checked.topics_size(), 6);
  for (const v1::TopicStatus& topic : checked.topics()) {
    EXPECT_TRUE(topic.exists());
    EXPECT_THAT(topic.problems(), IsEmpty()) << topic.topic();
    EXPECT_EQ(topic.partitions(), topic.topic() == "wissel.config.v1" ? 1 : 3);
  }
  v1::CreateTopicsRequest create;
  create.set_partitions(3);
  create.set_replication_factor(1);
  const auto admin = NewAdmin({.operator_workspace = "acme"});
  WISSEL_EXPECT_OK(admin->CreateTopics(Of("acme"), create));
  create.set_partitions(4);
  EXPECT_THAT(admin->CreateTopics(Of("acme"), create),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  create.set_partitions(1025);
  EXPECT_THAT(admin->CreateTopics(Of("acme"), create),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(AdminTest, TopicsAreTheOperatorsToMake) {
  v1::CreateTopicsRequest create;
  create.set_partitions(3);
  create.set_replication_factor(1);
  const auto admin = NewAdmin({.operator_workspace = "ops"});
  WISSEL_EXPECT_OK(admin->CreateTopics(Of("ops"), create));
  EXPECT_THAT(admin->CreateTopics(Of("acme"), create),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("workspace \"ops\"")));
  WISSEL_EXPECT_OK(admin->CheckTopics(Of("acme"), {}));
  for (const char* workspace : {"acme", ""}) {
    EXPECT_THAT(NewAdmin()->CreateTopics(Of(workspace), create),
                StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("operator_workspace")));
  }
}

}  // namespace
}  // namespace wissel::admin
