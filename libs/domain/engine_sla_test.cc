// What the engine says of SLA clocks, and when.

#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using domain::testing::AddOffice;
using domain::testing::AddStep;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::OverflowAfter;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::SetPoints;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::ToQueue;
using domain::testing::WaitConnected;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

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
  AddOffice(config);
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

TEST(Sla, AnAutomaticTextIsNoAnswer) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  OverflowAfter(QueueIn(config, "nl"), absl::Seconds(30)).set_send_text("Even geduld.");
  Shop shop(config);
  shop.Open("31600000001", "nl");
  const std::vector<Decision> fired = shop.Wait(absl::Minutes(11));
  EXPECT_NE(Find(fired, Event::kReplySent), nullptr);
  EXPECT_NE(Find(fired, Event::kSlaBreached), nullptr);
}

TEST(Sla, ABotsAnswerCountsOnlyWhereThePolicySaysSo) {
  for (const bool counts : {false, true}) {
    WorkspaceConfig config = ShopConfig();
    Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10))
        .set_bot_answers_count(counts);
    Shop shop(config);
    shop.Online("bram");
    const std::string id = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(id));
    Command reply = shop.Reply("bram", id);
    reply.mutable_actor()->set_role(common::v1::ROLE_BOT);
    ASSERT_THAT(Kinds(shop.Do(reply)), ElementsAre(Event::kReplySent));
    const std::vector<Decision> fired = WaitConnected(shop, absl::Minutes(11));
    EXPECT_EQ(Find(fired, Event::kSlaBreached) == nullptr, counts) << counts;
  }
}

TEST(Sla, ParkingPausesResolutionAndTheCustomersNextMessageResumesIt) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  WaitConnected(shop, absl::Minutes(20));
  shop.Do(shop.Park("bram", id));
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
  shop.Do(ToQueue(CommandBy("bram", "to en"), id, "en"));
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

// ---------------------------------------------------------------------------------------------
// A target that becomes tighter than what has been used

// What was said of any conversation's clocks, or of this one's.
std::vector<std::string> Said(const std::vector<Decision>& decisions, absl::string_view id = "") {
  std::vector<std::string> said;
  for (const Decision& decision : decisions) {
    for (const Event& event : decision.events()) {
      if (event.has_sla_warned() && absl::StartsWith(event.sla_warned().conversation_id(), id)) {
        said.push_back(absl::StrCat(event.sla_warned().percent(), " %"));
      }
      if (event.has_sla_breached() &&
          absl::StartsWith(event.sla_breached().conversation_id(), id)) {
        said.push_back("breached");
      }
      if (event.has_sla_escalated()) said.push_back("escalated");
    }
  }
  return said;
}

// Ten minutes for a first response in `nl`, three in `en`; a breach is escalated.
WorkspaceConfig TenMinutesOrThree() {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10)).add_queue_ids("nl");
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(3)).add_queue_ids("en");
  for (config::v1::SlaPolicy& policy : *config.mutable_sla_policies()) {
    config::v1::EscalationStep& step = AddStep(policy, 100);
    step.set_tell_supervisors(true);
  }
  return config;
}

Command Transfer(const std::string& id, const std::string& queue_id) {
  return ToQueue(BySupervisor(absl::StrCat("transfer ", id, queue_id)), id, queue_id);
}

TEST(Sla, AConfigurationWhoseTargetIsUsedUpAlreadyIsBreachedAtOnceAndOnce) {
  WorkspaceConfig config = TenMinutesOrThree();
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  shop.now += absl::Minutes(5);
  config.set_version(2);
  *config.mutable_sla_policies(0)->mutable_targets(0)->mutable_target() = ToProto(absl::Minutes(3));
  shop.Apply(config);
  EXPECT_THAT(Said(shop.Wait(absl::ZeroDuration())), ElementsAre("80 %", "breached", "escalated"));
  EXPECT_THAT(Said(shop.Wait(absl::Hours(1))), IsEmpty());
}

TEST(Sla, ATransferToAQueueWhosePromiseIsUsedUpAlreadyIsBreachedAtOnceAndOnce) {
  Shop shop(TenMinutesOrThree());
  const std::string id = shop.Open("31600000001", "nl");
  shop.now += absl::Minutes(5);
  shop.Do(Transfer(id, "en"));
  EXPECT_THAT(Said(shop.Wait(absl::ZeroDuration())), ElementsAre("80 %", "breached", "escalated"));
  EXPECT_THAT(Said(shop.Wait(absl::Hours(1))), IsEmpty());
}

TEST(Sla, WhatWasUsedUpElsewhereIsBreachedAtOnceWhereItIsMergedInto) {
  Shop shop(TenMinutesOrThree());
  const std::string source = shop.Open("31600000001", "nl");
  shop.now += absl::Minutes(5);
  message::v1::InboundMessage mail = Text("31600000001", 900, "en");
  mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
  mail.mutable_account()->set_account_id("shop-mail");
  const std::string target = shop.Receive(mail).events(0).conversation_opened().conversation_id();
  ASSERT_EQ(shop.Conversation(target).sla().sla_policy_id(), "policy-2");
  Command merge = BySupervisor("merge");
  merge.mutable_merge_conversation()->set_conversation_id(source);
  merge.mutable_merge_conversation()->set_into_conversation_id(target);
  shop.Do(merge);
  EXPECT_THAT(Said(shop.Wait(absl::ZeroDuration())), ElementsAre("80 %", "breached", "escalated"));
  EXPECT_THAT(Said(shop.Wait(absl::Hours(1))), IsEmpty());
}

TEST(Sla, WhatIsReopenedUnderATargetThatItHasUsedUpIsBreachedAtOnce) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  WaitConnected(shop, absl::Minutes(20));
  shop.Do(shop.Resolve("bram", id));
  config.set_version(2);
  *config.mutable_sla_policies(0)->mutable_targets(0)->mutable_target() =
      ToProto(absl::Minutes(10));
  shop.Apply(config);
  EXPECT_THAT(Said(WaitConnected(shop, absl::Minutes(1))), IsEmpty());
  Command reopen = CommandBy("bram", "reopen");
  reopen.mutable_reopen()->set_conversation_id(id);
  const Decision& reopened = shop.Do(reopen);
  std::vector<Decision> decisions = {reopened};
  for (Decision& fired : shop.Wait(absl::ZeroDuration())) decisions.push_back(std::move(fired));
  EXPECT_THAT(Said(decisions), ElementsAre("80 %", "breached"));
  EXPECT_THAT(Said(WaitConnected(shop, absl::Hours(2))), IsEmpty());
}

TEST(Sla, WhatWasDueBeforeALongerTargetIsSaidBeforeIt) {
  WorkspaceConfig config = TenMinutesOrThree();
  Shop shop(config);
  shop.Open("31600000001", "nl");
  // The router was away, and finds the configuration before it has looked at its timers.
  shop.now += absl::Minutes(11);
  config.set_version(2);
  *config.mutable_sla_policies(0)->mutable_targets(0)->mutable_target() =
      ToProto(absl::Minutes(20));
  const Decision& applied = shop.Apply(config);
  EXPECT_THAT(Kinds(applied), ElementsAre(Event::kSlaWarned, Event::kSlaBreached,
                                          Event::kSlaEscalated, Event::kConfigApplied));
}

TEST(Sla, WhatWasBreachedUnderAPolicyThatIsGoneIsNotSaidAgainOfOneThatItHasUsedUpToo) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(3));
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  EXPECT_THAT(Said(shop.Wait(absl::Minutes(11))), ElementsAre("80 %", "breached"));
  config.mutable_sla_policies()->DeleteSubrange(0, 1);
  config.set_version(2);
  shop.Apply(config);
  ASSERT_EQ(shop.Conversation(id).sla().sla_policy_id(), "policy-2");
  EXPECT_THAT(Said(shop.Wait(absl::Hours(1))), IsEmpty());
}

// ---------------------------------------------------------------------------------------------
// Which policy a conversation has

const std::string& PolicyOf(const Shop& shop, const std::string& id) {
  return shop.Conversation(id).sla().sla_policy_id();
}

TEST(Sla, AnOpenConversationKeepsItsPolicyThoughAnotherWouldNowBeChosen) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(2)).set_sla_policy_id("old");
  Shop shop(config);
  shop.Online("bram");
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  const std::string waiting = shop.Open("44700000001", "en");
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1)).set_sla_policy_id("new");
  config.mutable_sla_policies()->SwapElements(0, 1);
  config.set_version(2);
  shop.Apply(config);
  EXPECT_EQ(PolicyOf(shop, active), "old");
  EXPECT_EQ(PolicyOf(shop, waiting), "old");
  EXPECT_EQ(PolicyOf(shop, shop.Open("31600000002", "nl")), "new");
  // Until it is queued, transferred or updated.
  shop.Do(SetPoints(CommandBy("bram", "update"), active, 1));
  EXPECT_EQ(PolicyOf(shop, active), "new");
}

TEST(Sla, WhereItsPolicyIsGoneAnotherIsChosenAtOnceAndWhatWasUsedIsKept) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(2)).set_sla_policy_id("gone");
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1)).set_sla_policy_id("stays");
  Shop shop(config);
  shop.Online("bram");
  const absl::Time start = shop.now;
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  const std::string parked = shop.Open("31600000002", "nl");
  shop.Do(shop.Accept(parked));
  shop.Do(shop.Park("bram", parked));
  const std::string waiting = shop.Open("44700000001", "en");
  const std::string resolved = shop.Open("31600000003", "nl");
  shop.Do(shop.Accept(resolved));
  shop.Do(shop.Resolve("bram", resolved));
  WaitConnected(shop, absl::Minutes(20));
  config.mutable_sla_policies()->DeleteSubrange(0, 1);
  config.set_version(2);
  const Decision& applied = shop.Apply(config);
  EXPECT_THAT(Kinds(applied), ElementsAre(Event::kConfigApplied, Event::kSlaPolicyApplied,
                                          Event::kSlaPolicyApplied, Event::kSlaPolicyApplied));
  EXPECT_EQ(PolicyOf(shop, active), "stays");
  EXPECT_EQ(PolicyOf(shop, parked), "stays");
  EXPECT_EQ(PolicyOf(shop, waiting), "stays");
  // What is over is measured again when it is reopened.
  EXPECT_EQ(PolicyOf(shop, resolved), "gone");
  const std::vector<Decision> fired = WaitConnected(shop, absl::Hours(1));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()), start + absl::Hours(1));
}

TEST(Sla, WithoutAnyPolicyItStaysSoUntilItIsQueuedTransferredOrUpdated) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(2));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const WorkspaceConfig with = config;
  config.clear_sla_policies();
  config.set_version(2);
  shop.Apply(config);
  EXPECT_EQ(PolicyOf(shop, id), "");
  config = with;
  config.set_version(3);
  EXPECT_THAT(Kinds(shop.Apply(config)), ElementsAre(Event::kConfigApplied));
  EXPECT_EQ(PolicyOf(shop, id), "");
  shop.Do(ToQueue(CommandBy("bram", "transfer"), id, "en"));
  EXPECT_EQ(PolicyOf(shop, id), "policy-1");
}

// The configuration with its first policy: one to five hours, within the office's, by metric.
WorkspaceConfig WithFirstPolicy(WorkspaceConfig config) {
  config.set_version(config.version() + 1);
  AddOffice(config);
  config::v1::SlaPolicy& policy =
      Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(1));
  policy.set_calendar_id("office");
  for (int metric = 2; metric <= 5; ++metric) {
    config::v1::SlaTarget& target = *policy.add_targets();
    target.set_metric(static_cast<config::v1::SlaMetric>(metric));
    *target.mutable_target() = ToProto(absl::Hours(metric));
  }
  return config;
}

// What its clocks say they have used, those that run.
std::map<config::v1::SlaMetric, absl::Duration> Running(const Shop& shop, const std::string& id) {
  std::map<config::v1::SlaMetric, absl::Duration> used;
  const routing::SlaClock clock = shop.state().SlaClockOf(shop.Conversation(id));
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    if (clock.metric(metric).state != routing::SlaClock::State::kRunning) continue;
    used[routing::ToProto(metric)] = clock.Used(metric, shop.now);
  }
  return used;
}

TEST(Sla, ThatWasOpenBeforeThereWereAnyPoliciesIsMeasuredFromItsOpeningOnByTheFirst) {
  const WorkspaceConfig config = ShopConfig();
  Shop shop(config);
  shop.now = absl::FromCivil(absl::CivilSecond(2025, 6, 16, 14), absl::UTCTimeZone());
  shop.Online("bram");
  const std::string answered = shop.Open("31600000001", "nl");
  const std::string asked = shop.Open("31600000002", "nl");
  const std::string silent = shop.Open("44700000001", "en");
  for (const std::string& id : {answered, asked}) {
    shop.Do(shop.Accept(id));
    shop.Do(shop.Reply("bram", id));
  }
  shop.now += absl::Minutes(10);
  shop.Receive(Text("31600000002", 99, "nl"));
  // An hour until the office closed, and one of the next morning.
  shop.now = absl::FromCivil(absl::CivilSecond(2025, 6, 17, 8), absl::UTCTimeZone());
  shop.Apply(WithFirstPolicy(config));
  EXPECT_EQ(PolicyOf(shop, answered), "");
  for (const std::string& id : {answered, asked, silent}) {
    shop.Do(SetPoints(BySupervisor(absl::StrCat("update ", id)), id, 1));
  }
  const std::vector<Decision> fired = shop.Wait(absl::ZeroDuration());
  const absl::Duration all = absl::Hours(2);
  using Used = std::map<config::v1::SlaMetric, absl::Duration>;
  EXPECT_EQ(Running(shop, answered), (Used{{config::v1::SLA_METRIC_RESOLUTION, all},
                                           {config::v1::SLA_METRIC_PERIODIC_UPDATE, all},
                                           {config::v1::SLA_METRIC_REQUESTER_WAIT, all}}));
  EXPECT_THAT(Said(fired, answered), IsEmpty());
  EXPECT_EQ(Running(shop, asked),
            (Used{{config::v1::SLA_METRIC_NEXT_RESPONSE, all - absl::Minutes(10)},
                  {config::v1::SLA_METRIC_RESOLUTION, all},
                  {config::v1::SLA_METRIC_PERIODIC_UPDATE, all},
                  {config::v1::SLA_METRIC_REQUESTER_WAIT, all}}));
  EXPECT_THAT(Said(fired, asked), ElementsAre("80 %"));
  EXPECT_EQ(Running(shop, silent), (Used{{config::v1::SLA_METRIC_FIRST_RESPONSE, all},
                                         {config::v1::SLA_METRIC_RESOLUTION, all},
                                         {config::v1::SLA_METRIC_REQUESTER_WAIT, all}}));
  EXPECT_THAT(Said(fired, silent), ElementsAre("80 %", "breached"));
  // What was answered is not to be answered for the first time.
  shop.Receive(Text("31600000001", 98, "nl"));
  EXPECT_TRUE(Running(shop, answered).contains(config::v1::SLA_METRIC_NEXT_RESPONSE));
  EXPECT_FALSE(Running(shop, answered).contains(config::v1::SLA_METRIC_FIRST_RESPONSE));
}

TEST(Sla, ThatWasResolvedBeforeThereWereAnyPoliciesHasUsedNothingWhenItIsReopened) {
  const WorkspaceConfig config = ShopConfig();
  Shop shop(config);
  shop.now = absl::FromCivil(absl::CivilSecond(2025, 6, 16, 8), absl::UTCTimeZone());
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.now += absl::Hours(6);
  shop.Do(shop.Resolve("bram", id));
  shop.Apply(WithFirstPolicy(config));
  Command reopen = CommandBy("bram", "reopen");
  reopen.mutable_reopen()->set_conversation_id(id);
  shop.Do(reopen);
  using Used = std::map<config::v1::SlaMetric, absl::Duration>;
  EXPECT_EQ(Running(shop, id),
            (Used{{config::v1::SLA_METRIC_RESOLUTION, absl::ZeroDuration()},
                  {config::v1::SLA_METRIC_REQUESTER_WAIT, absl::ZeroDuration()}}));
  EXPECT_EQ(PolicyOf(shop, id), "policy-1");
}

TEST(Sla, AReopenedConversationIsMeasuredOnByThePolicyOfThen) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1)).set_sla_policy_id("gone");
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(3)).set_sla_policy_id("stays");
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  WaitConnected(shop, absl::Minutes(20));
  shop.Do(shop.Resolve("bram", id));
  config.mutable_sla_policies()->DeleteSubrange(0, 1);
  config.set_version(2);
  shop.Apply(config);
  EXPECT_EQ(Find(WaitConnected(shop, absl::Hours(5)), Event::kSlaBreached), nullptr);
  Command reopen = CommandBy("bram", "reopen");
  reopen.mutable_reopen()->set_conversation_id(id);
  const Decision& reopened = shop.Do(reopen);
  EXPECT_NE(Find({reopened}, Event::kSlaPolicyApplied), nullptr);
  EXPECT_EQ(PolicyOf(shop, id), "stays");
  // 20 minutes were used before it was resolved, and none while it was.
  const absl::Time again = shop.now;
  const std::vector<Decision> fired = WaitConnected(shop, absl::Hours(3));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(breached->sla_breached().metric(), config::v1::SLA_METRIC_RESOLUTION);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()),
            again + absl::Hours(3) - absl::Minutes(20));
}

// Of another account, so that it does not join the one that is open.
std::string OpenByMail(Shop& shop, absl::string_view from) {
  return shop.Open(ByMail(Text(from, 900, "nl")));
}

TEST(Sla, OfTwoResolutionClocksThatAreMergedTheOneThatUsedMoreCounts) {
  for (const bool parked : {false, true}) {
    SCOPED_TRACE(parked);
    WorkspaceConfig config = ShopConfig();
    Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1));
    Shop shop(config);
    shop.Online("bram");
    const std::string source = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(source));
    WaitConnected(shop, absl::Minutes(20));
    // What it is merged into is younger.
    const std::string target = OpenByMail(shop, "31600000001");
    shop.Do(shop.Accept(target));
    WaitConnected(shop, absl::Minutes(10));
    if (parked) {
      shop.Do(shop.Park("bram", source));
      // Its clock stands still, and it is behind the other one when that has used 41 minutes.
      WaitConnected(shop, absl::Minutes(31));
    }
    Command merge = CommandBy("bram", "merge");
    merge.mutable_merge_conversation()->set_conversation_id(source);
    merge.mutable_merge_conversation()->set_into_conversation_id(target);
    shop.Do(merge);
    const absl::Time merged = shop.now;
    const std::vector<Decision> fired = WaitConnected(shop, absl::Hours(2));
    const Event* breached = Find(fired, Event::kSlaBreached);
    ASSERT_NE(breached, nullptr);
    EXPECT_EQ(breached->sla_breached().conversation_id(), target);
    EXPECT_EQ(FromProto(breached->sla_breached().due_time()),
              merged + absl::Minutes(parked ? 60 - 41 : 60 - 30));
  }
}

TEST(Sla, TheAnswerOfASupervisorWhoBargedInIsTheAgentsToTheClock) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  config::v1::SlaTarget& next = *config.mutable_sla_policies(0)->add_targets();
  next.set_metric(config::v1::SLA_METRIC_NEXT_RESPONSE);
  *next.mutable_target() = ToProto(absl::Minutes(5));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command join = BySupervisor("join");
  join.mutable_barge_in()->set_conversation_id(id);
  shop.Do(join);
  const auto answer = [&](absl::string_view key) {
    Command reply = BySupervisor(key);
    reply.mutable_send_reply()->set_conversation_id(id);
    reply.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text("hi");
    return reply;
  };
  WaitConnected(shop, absl::Minutes(9));
  const Decision& answered = shop.Do(answer("first"));
  ASSERT_THAT(Kinds(answered), ElementsAre(Event::kReplySent));
  EXPECT_EQ(answered.events(0).reply_sent().actor().subject(), "boss");
  // The conversation stays the agent's.
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  EXPECT_EQ(shop.Conversation(id).status(), state::v1::CONVERSATION_STATUS_ACTIVE);
  EXPECT_EQ(Find(WaitConnected(shop, absl::Minutes(10)), Event::kSlaBreached), nullptr);
  // So it is with what is asked later.
  shop.Receive(Text("31600000001", 99, "nl"));
  WaitConnected(shop, absl::Minutes(4));
  shop.Do(answer("second"));
  EXPECT_EQ(Find(WaitConnected(shop, absl::Hours(1)), Event::kSlaBreached), nullptr);
  shop.Receive(Text("31600000001", 100, "nl"));
  EXPECT_NE(Find(WaitConnected(shop, absl::Minutes(5)), Event::kSlaBreached), nullptr);
}

}  // namespace
}  // namespace wissel::domain
