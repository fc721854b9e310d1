// What the escalation steps of SLA policies do, and how long it lasts.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::OverflowAfter;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::ToQueue;
using domain::testing::WaitConnected;
using domain::testing::WidenAfter;

// A step of the first policy.
config::v1::EscalationStep& AddStep(
    WorkspaceConfig& config, int32_t percent,
    config::v1::SlaMetric metric = config::v1::SLA_METRIC_FIRST_RESPONSE) {
  return domain::testing::AddStep(*config.mutable_sla_policies(0), percent, metric);
}

TEST(Escalation, RaisesPriorityTellsSupervisorsAndOverflows) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  AddStep(config, 50).set_add_priority_points(70);
  AddStep(config, 70).set_tell_supervisors(true);
  AddStep(config, 100).set_overflow_to_queue_id("nl");
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  std::vector<Decision> fired = WaitConnected(shop, absl::Minutes(6));
  EXPECT_NE(Find(fired, Event::kSlaEscalated), nullptr);
  EXPECT_EQ(shop.Conversation(id).escalation_points(), 70);
  fired = WaitConnected(shop, absl::Minutes(2));
  const Event* told = Find(fired, Event::kSlaEscalated);
  ASSERT_NE(told, nullptr);
  EXPECT_EQ(told->sla_escalated().step(), 1);
  EXPECT_TRUE(told->sla_escalated().escalation().tell_supervisors());
  // The event is all of it.
  EXPECT_EQ(shop.Conversation(id).escalation_points(), 70);
  EXPECT_EQ(Find(fired, Event::kQueued), nullptr);
  WaitConnected(shop, absl::Minutes(2));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Escalation, RelaxesBeforeTheQueueWould) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  AddStep(config, 50).set_relax_steps(1);
  WidenAfter(QueueIn(config, "en"), absl::Hours(1), "bram");
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Minutes(5) - absl::Seconds(1));
  EXPECT_FALSE(shop.Conversation(id).has_offer());
  const std::vector<Decision> fired = WaitConnected(shop, absl::Seconds(1));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  const Event* offered = Find(fired, Event::kOffered);
  ASSERT_NE(offered, nullptr);
  EXPECT_EQ(offered->offered().explanation().requirement().ring(), 1);
}

// A shop whose conversations overflow from `en` to `nl` after a minute of ten. Offers last longer.
WorkspaceConfig OverflowsWhileOnOffer() {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  AddStep(config, 10).set_overflow_to_queue_id("nl");
  *QueueIn(config, "en").mutable_offer_timeout() = ToProto(absl::Minutes(2));
  return config;
}

TEST(Escalation, WhatWasOnOfferWhenItShouldHaveOverflowedDoesSoWhenItIsQueuedAgain) {
  Shop shop(OverflowsWhileOnOffer());
  shop.Online("carol");
  const absl::Time arrived = shop.now;
  const std::string late = shop.Open("44700000001", "en");
  std::vector<Decision> fired = WaitConnected(shop, absl::Seconds(90));
  EXPECT_NE(Find(fired, Event::kSlaEscalated), nullptr);
  // The offer stands.
  EXPECT_EQ(shop.Conversation(late).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(late).offer().agent_id(), "carol");
  shop.Online("bram");
  fired = WaitConnected(shop, absl::Seconds(30));
  const Event* queued = Find(fired, Event::kQueued);
  ASSERT_NE(queued, nullptr);
  EXPECT_EQ(queued->queued().queue_id(), "nl");
  EXPECT_EQ(queued->queued().reason(), conversation::v1::Queued::REASON_ESCALATED);
  EXPECT_EQ(FromProto(queued->queued().waiting_since()), arrived);
  EXPECT_EQ(shop.Conversation(late).offer().agent_id(), "bram");
  // It has moved, and is not sent there again.
  EXPECT_EQ(shop.Conversation(late).overflow_due_to_queue_id(), "");

  // The same where the agent declines it.
  const std::string declined = shop.Open("44700000002", "en");
  WaitConnected(shop, absl::Seconds(90));
  shop.Do(shop.Decline(declined));
  EXPECT_EQ(shop.Conversation(declined).queue_id(), "nl");
}

TEST(Escalation, OfTwoOverflowsThatAreDueTheLaterOneCounts) {
  WorkspaceConfig config = OverflowsWhileOnOffer();
  AddStep(config, 12).set_overflow_to_queue_id("en");
  Shop shop(config);
  shop.Online("carol");
  const std::string id = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Minutes(3));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
}

TEST(Escalation, WhatAnAgentHasTakenDoesNotOverflowThenOrLater) {
  Shop shop(OverflowsWhileOnOffer());
  shop.Online("carol");
  // One is accepted after the step, one before it.
  const std::string after = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Seconds(90));
  shop.Do(shop.Accept(after));
  EXPECT_EQ(shop.Conversation(after).overflow_due_to_queue_id(), "");
  shop.Online("anna");
  const std::string before = shop.Open("44700000002", "en");
  shop.Do(shop.Accept(before));
  const std::vector<Decision> fired = WaitConnected(shop, absl::Seconds(90));
  EXPECT_NE(Find(fired, Event::kSlaEscalated), nullptr);
  shop.SetPresence("carol", command::v1::PRESENCE_OFFLINE);
  shop.SetPresence("anna", command::v1::PRESENCE_OFFLINE);
  for (const std::string& id : {after, before}) {
    EXPECT_EQ(shop.Conversation(id).status(), state::v1::CONVERSATION_STATUS_QUEUED);
    EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  }
}

TEST(Escalation, AnOverflowThatIsDueOutlivesATransferToAnAgentButNotOneToAQueue) {
  Shop shop(OverflowsWhileOnOffer());
  shop.Online("carol");
  const std::string to_agent = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Seconds(90));
  shop.Online("anna");
  const auto transfer = [&](const std::string& id) {
    Command command = BySupervisor("transfer" + id);
    command.mutable_transfer()->set_conversation_id(id);
    return command;
  };
  Command command = transfer(to_agent);
  command.mutable_transfer()->set_agent_id("anna");
  shop.Do(command);
  EXPECT_EQ(shop.Conversation(to_agent).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(to_agent).offer().agent_id(), "anna");
  shop.SetPresence("anna", command::v1::PRESENCE_OFFLINE);
  EXPECT_EQ(shop.Conversation(to_agent).queue_id(), "nl");

  const std::string to_queue = shop.Open("44700000002", "en");
  ASSERT_EQ(shop.Conversation(to_queue).offer().agent_id(), "carol");
  WaitConnected(shop, absl::Seconds(90));
  command = transfer(to_queue);
  command.mutable_transfer()->set_queue_id("en");
  shop.Do(command);
  EXPECT_EQ(shop.Conversation(to_queue).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(to_queue).overflow_due_to_queue_id(), "");
}

// ---------------------------------------------------------------------------------------------
// What escalation gives belongs to the cycle of the clock that it was for

// Ten minutes for each answer and for each report between them, an hour for the whole; every one
// of them escalates at half time.
WorkspaceConfig EscalatingConfig() {
  WorkspaceConfig config = ShopConfig();
  config::v1::SlaPolicy& policy =
      Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  const auto promise = [&](config::v1::SlaMetric metric, absl::Duration time) {
    config::v1::SlaTarget& target = *policy.add_targets();
    target.set_metric(metric);
    *target.mutable_target() = ToProto(time);
  };
  promise(config::v1::SLA_METRIC_NEXT_RESPONSE, absl::Minutes(10));
  promise(config::v1::SLA_METRIC_PERIODIC_UPDATE, absl::Minutes(10));
  promise(config::v1::SLA_METRIC_RESOLUTION, absl::Hours(1));
  AddStep(config, 50, config::v1::SLA_METRIC_FIRST_RESPONSE).set_add_priority_points(100);
  AddStep(config, 50, config::v1::SLA_METRIC_FIRST_RESPONSE).set_relax_steps(1);
  AddStep(config, 50, config::v1::SLA_METRIC_NEXT_RESPONSE).set_add_priority_points(200);
  AddStep(config, 50, config::v1::SLA_METRIC_PERIODIC_UPDATE).set_add_priority_points(10);
  AddStep(config, 50, config::v1::SLA_METRIC_RESOLUTION).set_add_priority_points(1);
  AddStep(config, 50, config::v1::SLA_METRIC_RESOLUTION).set_relax_steps(2);
  return config;
}

struct Gained {
  int points;
  int relax_steps;
  friend bool operator==(const Gained&, const Gained&) = default;
};
Gained GainedBy(const Shop& shop, const std::string& id) {
  return {shop.Conversation(id).escalation_points(),
          shop.Conversation(id).escalation_relax_steps()};
}

TEST(Escalation, WhatItGaveForAnAnswerGoesWithTheAnswer) {
  Shop shop(EscalatingConfig());
  const std::string id = shop.Open("31600000001", "nl");
  WaitConnected(shop, absl::Minutes(6));
  EXPECT_EQ(GainedBy(shop, id), (Gained{100, 1}));
  shop.Online("bram");
  shop.Do(shop.Accept(id));
  WaitConnected(shop, absl::Minutes(25));  // half of the hour is over
  EXPECT_EQ(GainedBy(shop, id), (Gained{101, 3}));
  shop.Do(shop.Reply("bram", id));
  EXPECT_EQ(GainedBy(shop, id), (Gained{1, 2})) << "the whole is not done yet";
  // Nobody was heard of for long; a report begins the next cycle, and does not add to the last.
  WaitConnected(shop, absl::Minutes(6));
  EXPECT_EQ(GainedBy(shop, id), (Gained{11, 2}));
  shop.Do(shop.Reply("bram", id));
  EXPECT_EQ(GainedBy(shop, id), (Gained{1, 2}));
  WaitConnected(shop, absl::Minutes(6));
  EXPECT_EQ(GainedBy(shop, id), (Gained{11, 2}));
  // The same of the next answer.
  shop.Do(shop.Reply("bram", id));
  shop.Receive(Text("31600000001", 77, "nl"));
  WaitConnected(shop, absl::Minutes(6));
  EXPECT_EQ(GainedBy(shop, id), (Gained{211, 2}));
  shop.Do(shop.Reply("bram", id));
  EXPECT_EQ(GainedBy(shop, id), (Gained{1, 2}));
}

TEST(Escalation, WhatItGaveStaysWhileNobodyHasAnswered) {
  WorkspaceConfig config = EscalatingConfig();
  OverflowAfter(QueueIn(config, "nl"), absl::Minutes(7)).set_send_text("Even geduld.");
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  const std::vector<Decision> fired = WaitConnected(shop, absl::Minutes(8));
  ASSERT_NE(Find(fired, Event::kReplySent), nullptr);
  EXPECT_EQ(GainedBy(shop, id), (Gained{100, 1})) << "a text is no answer";
  shop.Online("bram");
  shop.Do(shop.Accept(id));
  Command by_bot = shop.Reply("bram", id);
  by_bot.mutable_actor()->set_role(common::v1::ROLE_BOT);
  shop.Do(by_bot);
  EXPECT_EQ(GainedBy(shop, id), (Gained{100, 1})) << "nor is a bot's, by this policy";
  // Parked, and taken up again to wait anew: the same promise.
  Command park = CommandBy("bram", "park");
  park.mutable_park()->set_conversation_id(id);
  park.mutable_park()->set_on_hold(true);
  shop.Do(park);
  shop.SetPresence("bram", command::v1::PRESENCE_OFFLINE);
  shop.Receive(Text("31600000001", 77, "nl"));
  EXPECT_EQ(shop.Conversation(id).status(), state::v1::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(GainedBy(shop, id), (Gained{100, 1}));
  // Steps are the queue's that it has left; points are the conversation's.
  shop.Do(ToQueue(BySupervisor("transfer"), id, "en"));
  EXPECT_EQ(GainedBy(shop, id), (Gained{100, 0}));
}

TEST(Escalation, OfAReopenedConversationOnlyTheResolutionsRemains) {
  Shop shop(EscalatingConfig());
  const std::string id = shop.Open("31600000001", "nl");
  WaitConnected(shop, absl::Minutes(31));
  EXPECT_EQ(GainedBy(shop, id), (Gained{101, 3}));
  Command resolve = BySupervisor("resolve");
  resolve.mutable_resolve()->set_conversation_id(id);
  shop.Do(resolve);
  WaitConnected(shop, absl::Hours(2));
  shop.Receive(Text("31600000001", 77, "nl"));
  // Its clock goes on, and what was taken of its steps is not taken again.
  EXPECT_EQ(GainedBy(shop, id), (Gained{1, 2}));
  shop.Online("bram");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

// ---------------------------------------------------------------------------------------------
// Each step once a cycle, and the policy's that was used up

// Ten minutes for a first response in `nl`, four hours in `en`, where a breach gives 500 points.
WorkspaceConfig TenMinutesOrFourHours() {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10)).add_queue_ids("nl");
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(4)).add_queue_ids("en");
  config.mutable_sla_policies()->SwapElements(0, 1);
  AddStep(config, 100).set_add_priority_points(500);
  config.mutable_sla_policies()->SwapElements(0, 1);
  return config;
}

TEST(Escalation, ALongerTargetIsBreachedAgainButItsStepsAreNotTakenAgain) {
  WorkspaceConfig config = TenMinutesOrFourHours();
  AddStep(config, 100).set_add_priority_points(7);
  AddStep(config, 50).set_add_priority_points(1);
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  shop.Wait(absl::Minutes(11));
  EXPECT_EQ(GainedBy(shop, id), (Gained{8, 0}));
  config.set_version(2);
  *config.mutable_sla_policies(0)->mutable_targets(0)->mutable_target() = ToProto(absl::Hours(1));
  shop.Apply(config);
  const std::vector<Decision> fired = shop.Wait(absl::Hours(1));
  EXPECT_NE(Find(fired, Event::kSlaBreached), nullptr);
  EXPECT_EQ(Find(fired, Event::kSlaEscalated), nullptr);
  EXPECT_EQ(GainedBy(shop, id), (Gained{8, 0}));
  // Nor when it comes back to the policy, which it has used up still.
  config.set_version(3);
  *config.mutable_sla_policies(0)->mutable_targets(0)->mutable_target() =
      ToProto(absl::Minutes(10));
  shop.Apply(config);
  shop.Do(ToQueue(BySupervisor("there"), id, "en"));
  shop.Do(ToQueue(BySupervisor("back"), id, "nl"));
  shop.Wait(absl::Hours(1));
  EXPECT_EQ(GainedBy(shop, id), (Gained{8, 0}));
  // The other policy's are its own.
  shop.Do(ToQueue(BySupervisor("there again"), id, "en"));
  shop.Wait(absl::Hours(2));
  EXPECT_EQ(GainedBy(shop, id), (Gained{508, 0}));
  shop.Wait(absl::Hours(2));
  EXPECT_EQ(GainedBy(shop, id), (Gained{508, 0}));
}

TEST(Escalation, WhatWasDueBeforeATransferTakesTheStepsOfThePolicyBeforeIt) {
  WorkspaceConfig config = TenMinutesOrFourHours();
  AddStep(config, 100).set_add_priority_points(7);
  AddStep(config, 100).set_overflow_to_queue_id("nl");
  Shop shop(config);
  shop.Online("carol");
  const std::string id = shop.Open("31600000001", "nl");
  // The router is behind: the command is decided before the timer.
  shop.now += absl::Minutes(11);
  const std::vector<Decision> decisions = {shop.Do(ToQueue(BySupervisor("transfer"), id, "en"))};
  EXPECT_EQ(GainedBy(shop, id), (Gained{7, 0}));
  const Event* taken = Find(decisions, Event::kSlaEscalated);
  ASSERT_NE(taken, nullptr);
  EXPECT_EQ(taken->sla_escalated().sla_policy_id(), "policy-1");
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en") << "a person has chosen";
  shop.Wait(absl::Hours(5));
  EXPECT_EQ(GainedBy(shop, id), (Gained{507, 0}));
}

TEST(Escalation, WhatWasDueBeforeAnAnswerGoesWithIt) {
  WorkspaceConfig config = TenMinutesOrFourHours();
  AddStep(config, 100).set_add_priority_points(7);
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.now += absl::Minutes(11);
  EXPECT_NE(Find({shop.Do(shop.Reply("bram", id))}, Event::kSlaEscalated), nullptr);
  EXPECT_EQ(GainedBy(shop, id), (Gained{0, 0}));
}

}  // namespace
}  // namespace wissel::domain
