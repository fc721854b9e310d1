// What the engine says of SLA clocks, and when.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using ::testing::ElementsAre;

TEST(Sla, WarnsThenBreachesOnceAndAnAnswerStopsTheClock) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  Shop shop(config);
  const absl::Time start = shop.now;
  const std::string late = shop.Open("31600000001", "nl");
  EXPECT_EQ(shop.Conversation(late).sla().sla_policy_id(), "policy-1");
  std::vector<Decision> fired = shop.Wait(absl::Minutes(8));
  const Event* warned = Find(fired, Event::kSlaWarned);
  ASSERT_NE(warned, nullptr);
  EXPECT_EQ(warned->sla_warned().percent(), 80);
  EXPECT_EQ(FromProto(warned->sla_warned().due_time()), start + absl::Minutes(10));
  EXPECT_EQ(Find(fired, Event::kSlaBreached), nullptr);
  EXPECT_NE(Find(shop.Wait(absl::Minutes(2)), Event::kSlaBreached), nullptr);
  EXPECT_EQ(Find(shop.Wait(absl::Hours(2)), Event::kSlaBreached), nullptr);

  shop.Online("bram");
  shop.Do(shop.Accept(late));
  const std::string answered = shop.Open("31600000002", "nl");
  shop.Do(shop.Accept(answered));
  shop.Do(shop.Reply("bram", answered));
  for (const Decision& decision : WaitConnected(shop, absl::Minutes(30))) {
    for (const Event& event : decision.events()) {
      EXPECT_NE(event.sla_breached().conversation_id(), answered);
    }
  }
}

TEST(Sla, OnlyOpeningHoursCount) {
  WorkspaceConfig config = ShopConfig();
  config::v1::Calendar& calendar = *config.add_calendars();
  calendar.set_calendar_id("office");
  calendar.set_time_zone("Europe/Amsterdam");
  config::v1::CalendarWindow& window = *calendar.add_windows();
  for (int day = 1; day <= 5; ++day) window.add_days(day);
  window.set_open("09:00");
  window.set_close("17:00");
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(1)).set_calendar_id("office");
  Shop shop(config);  // a Sunday, 17:06 in Amsterdam
  shop.Open("31600000001", "nl");
  EXPECT_EQ(Find(shop.Wait(absl::Hours(15)), Event::kSlaBreached), nullptr);
  const std::vector<Decision> fired = shop.Wait(absl::Hours(2));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()),
            absl::FromCivil(absl::CivilSecond(2025, 6, 16, 8), absl::UTCTimeZone()));
}

TEST(Sla, EscalationRaisesPriorityRelaxesAndOverflows) {
  WorkspaceConfig config = ShopConfig();
  config::v1::SlaPolicy& policy =
      Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  config::v1::EscalationStep& points = *policy.add_escalation_steps();
  points.set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
  points.set_percent(50);
  points.set_add_priority_points(70);
  config::v1::EscalationStep& move = *policy.add_escalation_steps();
  move.set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
  move.set_percent(100);
  move.set_overflow_to_queue_id("nl");
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  const std::vector<Decision> fired = WaitConnected(shop, absl::Minutes(6));
  EXPECT_NE(Find(fired, Event::kSlaEscalated), nullptr);
  EXPECT_EQ(shop.Conversation(id).escalation_points(), 70);
  WaitConnected(shop, absl::Minutes(4));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Sla, WhatWasDueBeforeAnAnswerIsSaidBeforeIt) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  // The router was away, and finds the answer before it has looked at its timers.
  shop.now += absl::Minutes(11);
  EXPECT_THAT(Kinds(shop.Do(shop.Reply("bram", id))),
              ElementsAre(Event::kSlaWarned, Event::kSlaBreached, Event::kReplySent));
}

TEST(Sla, ABotsAnswerAndAnAutomaticTextAreNoAnswers) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  config::v1::OverflowRule& text = *QueueIn(config, "nl").add_overflow_rules();
  *text.mutable_after() = ToProto(absl::Seconds(30));
  text.set_send_text("Even geduld.");
  Shop shop(config);
  shop.Open("31600000001", "nl");
  const std::vector<Decision> fired = shop.Wait(absl::Minutes(11));
  EXPECT_NE(Find(fired, Event::kReplySent), nullptr);
  EXPECT_NE(Find(fired, Event::kSlaBreached), nullptr);
}

TEST(Sla, ParkingPausesResolutionAndTheCustomersNextMessageResumesIt) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  WaitConnected(shop, absl::Minutes(20));
  Command park = CommandBy("bram", "park");
  park.mutable_park()->set_conversation_id(id);
  shop.Do(park);
  EXPECT_EQ(Find(WaitConnected(shop, absl::Hours(5)), Event::kSlaBreached), nullptr);
  shop.Receive(Text("31600000001", 99, "nl"));
  EXPECT_EQ(Find(WaitConnected(shop, absl::Minutes(39)), Event::kSlaBreached), nullptr);
  EXPECT_NE(Find(WaitConnected(shop, absl::Minutes(2)), Event::kSlaBreached), nullptr);
}

TEST(Sla, WhoWritesWhileWaitingAgainIsPromisedAnAnswer) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_NEXT_RESPONSE, absl::Minutes(10));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Reply("bram", id));
  Command transfer = CommandBy("bram", "to en");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_queue_id("en");
  shop.Do(transfer);
  shop.Receive(Text("31600000001", 99, "nl"));
  const absl::Time asked = shop.now;
  const std::vector<Decision> fired = WaitConnected(shop, absl::Minutes(11));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()), asked + absl::Minutes(10));
}

TEST(Sla, OnHoldTheCustomersWaitGoesOn) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1));
  config::v1::SlaTarget& wait = *config.mutable_sla_policies(0)->add_targets();
  wait.set_metric(config::v1::SLA_METRIC_REQUESTER_WAIT);
  *wait.mutable_target() = ToProto(absl::Hours(2));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command park = CommandBy("bram", "hold");
  park.mutable_park()->set_conversation_id(id);
  park.mutable_park()->set_on_hold(true);
  EXPECT_EQ(shop.Do(park).events(0).parked().reason(), conversation::v1::Parked::REASON_ON_HOLD);
  const std::vector<Decision> fired = WaitConnected(shop, absl::Hours(3));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(breached->sla_breached().metric(), config::v1::SLA_METRIC_REQUESTER_WAIT);
  for (const state::v1::SlaClock& clock : shop.Conversation(id).sla().clocks()) {
    if (clock.metric() != config::v1::SLA_METRIC_RESOLUTION) continue;
    EXPECT_EQ(clock.state(), state::v1::SlaClock::STATE_PAUSED);
    EXPECT_EQ(FromProto(clock.used()), absl::ZeroDuration());
  }
}

TEST(Sla, AnotherQueueMayMeanAnotherPolicyAndWhatWasUsedIsKept) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10)).add_queue_ids("nl");
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(20)).add_queue_ids("en");
  Shop shop(config);
  shop.Online("bram");
  const absl::Time start = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.now += absl::Minutes(5);
  Command transfer = CommandBy("bram", "transfer");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_queue_id("en");
  shop.Do(transfer);
  EXPECT_EQ(shop.Conversation(id).sla().sla_policy_id(), "policy-2");
  const std::vector<Decision> fired = shop.Wait(absl::Hours(1));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()), start + absl::Minutes(20));
}

TEST(Sla, AChangedTargetCountsFromItsConfigurationOn) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  Shop shop(config);
  const absl::Time start = shop.now;
  shop.Open("31600000001", "nl");
  shop.now += absl::Minutes(1);
  config.set_version(2);
  *config.mutable_sla_policies(0)->mutable_targets(0)->mutable_target() = ToProto(absl::Minutes(3));
  shop.Apply(config);
  const std::vector<Decision> fired = shop.Wait(absl::Hours(1));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()), start + absl::Minutes(3));
}

}  // namespace
}  // namespace wissel::domain
