#include "services/ctl/log_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/bus/embedded.h"
#include "libs/channel/ids.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using wissel::testing::ShopLog;
using wissel::testing::SilentBus;
using wissel::testing::StatusIs;

class LogReplayTest : public ::testing::Test {
 protected:
  PartitionReplay Replay(const ReplayRange& range = {}) {
    shop_.Sync();
    const auto reports = ReplayLog(*bus_, range, [](double) {});
    EXPECT_TRUE(reports.ok()) << reports.status();
    return reports->at(0);
  }

  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = 1});
  ShopLog shop_{*bus_, 0, ShopLog::Inputs::kInTheirTopics};
};

// Days with everything in them: offers that time out, transfers, restating rounds under the same
// engine, owners who take over, garbage between.
TEST_F(LogReplayTest, EveryDecisionComesOutAsItWasRecorded) {
  std::mt19937 random(5);
  for (int step = 0; step < 600; ++step) {
    shop_.Happen(random);
    if (step % 150 == 70) shop_.Restate();
    if (step % 200 == 120) shop_.TakeOver();
  }
  const PartitionReplay replay = Replay();
  if (replay.first.has_value()) {
    std::ostringstream text;
    PrintDifference(*replay.first, text);
    ADD_FAILURE() << text.str();
  }
  EXPECT_GT(replay.decisions, 400);
  EXPECT_EQ(replay.identical, replay.decisions);
  EXPECT_EQ(replay.inputs_gone, 0);
  EXPECT_EQ(replay.not_whole, 0);
  EXPECT_GE(replay.claims, 7);
}

// However many of them a step holds.
TEST_F(LogReplayTest, ConfigurationsAreRestatedAsTheyWere) {
  int n = 0;
  for (const size_t bytes : {10, 5'000, 100, 1'500, 1'500, 1'500, 4'000}) {
    config::v1::WorkspaceConfig config;
    config.set_workspace_id(absl::StrCat("workspace-", ++n));
    config.set_version(1);
    config.add_routing_groups()->set_routing_group_id("main");
    config.set_display_name(std::string(bytes, 'd'));
    shop_.Apply(config);
  }
  shop_.Open("31600000001", "nl");
  const int64_t before = Replay().decisions;
  shop_.Restate();
  const PartitionReplay replay = Replay();
  EXPECT_GE(replay.decisions, before + 5);
  EXPECT_EQ(replay.identical, replay.decisions);
}

TEST_F(LogReplayTest, OnlyTheRangeIsCounted) {
  shop_.Open("31600000001", "nl");
  shop_.Wait(absl::Hours(1));
  const absl::Time later = shop_.now;
  shop_.Open("31600000002", "nl");
  EXPECT_EQ(Replay().decisions, 3);
  EXPECT_EQ(Replay({.from = later}).decisions, 1);
  EXPECT_EQ(Replay({.to = later - absl::Seconds(1)}).decisions, 2);
}

// Somebody else's engine would have given it to another agent.
TEST_F(LogReplayTest, ADecisionThatComesOutOtherwiseIsShownEventByEvent) {
  shop_.Online("anna");
  shop_.Open("31600000001", "nl");
  shop_.Sync();
  const auto reader = bus_->OpenReader(bus::Topic::kLog, 0, {});
  const auto records = (*reader)->Poll(100, absl::Seconds(5));
  WISSEL_ASSERT_OK(records);
  // The same log again, with one event changed.
  const auto other = *bus::NewEmbeddedBus({.partitions = 1});
  const auto appender = other->NewAppender({});
  const auto append = [&](bus::Topic topic, std::string value) {
    appender->Append(
        {.topic = topic, .partition = 0, .key = "acme/main", .value = std::move(value)},
        [](absl::StatusOr<int64_t> offset) { ASSERT_TRUE(offset.ok()); });
  };
  for (const bus::Record& record : *records) {
    log::v1::LogRecord changed;
    ASSERT_TRUE(changed.ParseFromString(record.value));
    if (changed.has_decision()) {
      for (auto& event : *changed.mutable_decision()->mutable_events()) {
        if (event.has_offered()) event.mutable_offered()->set_agent_id("bram");
      }
    }
    append(bus::Topic::kLog, changed.SerializeAsString());
  }
  for (const bus::Topic topic :
       {bus::Topic::kInbound, bus::Topic::kCommands, bus::Topic::kConfig}) {
    const auto inputs = *bus_->OpenReader(topic, 0, {});
    const auto found = inputs->Poll(100, absl::Seconds(5));
    WISSEL_ASSERT_OK(found);
    for (const bus::Record& record : *found) append(topic, record.value);
  }
  WISSEL_ASSERT_OK(appender->Flush(absl::Seconds(10)));
  const auto replay = ReplayLog(*other, {}, [](double) {});
  WISSEL_ASSERT_OK(replay);
  EXPECT_EQ(replay->at(0).inputs_gone, 0);
  EXPECT_EQ(replay->at(0).decisions, 4);
  EXPECT_EQ(replay->at(0).identical, 3);
  ASSERT_TRUE(replay->at(0).first.has_value());
  std::ostringstream text;
  PrintDifference(*replay->at(0).first, text);
  EXPECT_THAT(text.str(), HasSubstr("inbound[0]@0"));
  EXPECT_THAT(text.str(), ::testing::ContainsRegex("\n  - .*bram"));
  EXPECT_THAT(text.str(), ::testing::ContainsRegex("\n  [+] .*anna"));
}

// Routers of both kinds: those that say whose it was, and those that did not yet.
TEST_F(LogReplayTest, WhatWasTooLargeComesOutAsTheRouterSaidIt) {
  const auto bus = *bus::NewEmbeddedBus({.partitions = 1});
  const auto appender = bus->NewAppender({});
  const auto append = [&](bus::Topic topic, std::string value) {
    appender->Append(
        {.topic = topic, .partition = 0, .key = "acme/main", .value = std::move(value)},
        [](absl::StatusOr<int64_t> offset) { ASSERT_TRUE(offset.ok()); });
  };
  log::v1::LogRecord claim;
  claim.mutable_owner_claimed()->set_epoch(1);
  append(bus::Topic::kLog, claim.SerializeAsString());
  domain::Engine engine(domain::State(), {.holds = [](absl::string_view) { return true; }});
  for (int offset = 0; offset < 2; ++offset) {
    const command::v1::Command large = domain::testing::CommandBy("anna", absl::StrCat(offset));
    const std::string bytes = large.SerializeAsString();
    append(bus::Topic::kCommands, bytes);
    log::v1::InputCause cause;
    cause.set_topic(common::v1::INPUT_TOPIC_COMMANDS);
    cause.set_offset(offset);
    deadletter::v1::DeadLetter letter;
    deadletter::v1::RecordOrigin& origin = *letter.mutable_origin()->mutable_record();
    origin.set_topic(std::string(bus::TopicName(bus::Topic::kCommands)));
    origin.set_offset(offset);
    channel::DeriveId(&letter);
    log::v1::LogRecord record;
    log::v1::Decision& decision = *record.mutable_decision();
    decision =
        engine.DecideDeadLetter(cause, letter.dead_letter_id(),
                                {deadletter::v1::REASON_TOO_LARGE,
                                 absl::StrCat(bytes.size(), " bytes; at most 64 can be decided"),
                                 offset == 0 ? large.envelope().id() : ""},
                                absl::Now());
    decision.set_epoch(1);
    decision.set_sequence(offset + 1);
    append(bus::Topic::kLog, record.SerializeAsString());
  }
  WISSEL_ASSERT_OK(appender->Flush(absl::Seconds(10)));
  const auto replay = ReplayLog(*bus, {}, [](double) {});
  WISSEL_ASSERT_OK(replay);
  EXPECT_EQ(replay->at(0).decisions, 2);
  EXPECT_EQ(replay->at(0).identical, 2);
}

TEST_F(LogReplayTest, WhatRetentionHasTakenIsSaid) {
  std::mt19937 random(6);
  for (int step = 0; step < 100; ++step) shop_.Happen(random);
  const int64_t cut = shop_.end();
  shop_.Restate();
  for (int step = 0; step < 100; ++step) shop_.Happen(random);
  shop_.Sync();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const PartitionReplay without_head = Replay();
  EXPECT_GT(without_head.not_whole, 0);
  EXPECT_GT(without_head.decisions, 50);
  EXPECT_EQ(without_head.identical, without_head.decisions);

  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kCommands, 0, 60));
  const PartitionReplay without_inputs = Replay();
  EXPECT_GT(without_inputs.inputs_gone, 0);
  EXPECT_EQ(without_inputs.identical, without_inputs.decisions);
}

// An input that is there, and does not come.
TEST_F(LogReplayTest, ASlowBrokerIsNotTakenForRetention) {
  shop_.Online("anna");
  shop_.Open("31600000001", "nl");
  shop_.Open("31600000002", "nl");
  shop_.Sync();
  SilentBus silent(*bus_, bus::Topic::kInbound, 1);
  EXPECT_THAT(ReplayLog(silent, {}, [](double) {}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("[0]@1: nothing came")));
}

}  // namespace
}  // namespace wissel::ctl
