// Configurations that remove an agent with open work, or a queue in which conversations wait.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::RemovedWork;
using config::v1::WorkspaceConfig;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::EraseIf;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::OverflowAfter;
using domain::testing::QueueIn;
using domain::testing::Refusal;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using state::v1::ConversationStatus;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

// The shop, next version, without the agent or the queue.
WorkspaceConfig Without(absl::string_view id, RemovedWork setting, int64_t version = 2) {
  WorkspaceConfig config = ShopConfig(version);
  config.mutable_conversations()->set_removed_work(setting);
  auto& agents = *config.mutable_agents();
  EraseIf(agents, [&](const auto& agent) { return agent.agent_id() == id; });
  auto& queues = *config.mutable_queues();
  EraseIf(queues, [&](const auto& queue) { return queue.queue_id() == id; });
  for (config::v1::Agent& agent : agents) {
    EraseIf(*agent.mutable_queue_ids(), [&](const auto& queue) { return queue == id; });
  }
  return config;
}

const state::v1::AgentState* FindAgent(Shop& shop, absl::string_view id) {
  return shop.engine().state().FindAgent("acme", id);
}

const state::v1::QueueState* FindQueue(Shop& shop, absl::string_view id) {
  return shop.engine().state().FindQueue("acme", id);
}

TEST(RemovedAgent, KeepsActiveWorkTakesNothingNewAndGoesWithTheLastOfIt) {
  Shop shop;
  shop.Online("bram");
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  const std::string offered = shop.Open("31600000002", "nl");
  const Decision& applied = shop.Apply(Without("bram", config::v1::REMOVED_WORK_KEPT));
  EXPECT_THAT(Kinds(applied), ElementsAre(Event::kConfigApplied, Event::kOfferWithdrawn,
                                          Event::kQueued, Event::kAgentLeaving));
  EXPECT_EQ(applied.events(3).agent_leaving().units(), 1);
  EXPECT_EQ(shop.Conversation(active).agent_id(), "bram");
  EXPECT_TRUE(shop.Agent("bram").leaving());
  EXPECT_EQ(shop.Conversation(offered).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);

  // Nothing new, whoever wants it.
  shop.Open("31600000003", "nl");
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
  EXPECT_EQ(Refusal(shop.Do(shop.Pull("bram", offered))), CommandRejected::REASON_WRONG_STATE);
  Command reassign = BySupervisor("reassign");
  reassign.mutable_reassign()->set_conversation_id(offered);
  reassign.mutable_reassign()->set_agent_id("bram");
  EXPECT_EQ(Refusal(shop.Do(reassign)), CommandRejected::REASON_UNKNOWN_AGENT);

  shop.Do(shop.Reply("bram", active));
  EXPECT_THAT(Kinds(shop.Do(shop.Resolve("bram", active))),
              ElementsAre(Event::kResolved, Event::kAgentRemoved));
  EXPECT_EQ(FindAgent(shop, "bram"), nullptr);
  Command online = CommandBy("bram", "too late");
  online.mutable_set_presence()->set_agent_id("bram");
  online.mutable_set_presence()->set_presence(command::v1::PRESENCE_AWAY);
  EXPECT_EQ(Refusal(shop.Do(online)), CommandRejected::REASON_UNKNOWN_AGENT);
}

TEST(RemovedAgent, FinishesTheAfterWorkToo) {
  WorkspaceConfig config = ShopConfig();
  *config.mutable_queues(0)->mutable_wrap_up_time() = ToProto(absl::Seconds(20));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  WorkspaceConfig without = Without("bram", config::v1::REMOVED_WORK_KEPT);
  *without.mutable_queues(0) = config.queues(0);
  shop.Apply(without);
  EXPECT_THAT(Kinds(shop.Do(shop.Resolve("bram", id))),
              ElementsAre(Event::kResolved, Event::kWrapUpStarted));
  const std::vector<Decision> fired = shop.Wait(absl::Seconds(20));
  ASSERT_EQ(fired.size(), 1);
  EXPECT_THAT(Kinds(fired[0]), ElementsAre(Event::kWrapUpEnded, Event::kAgentRemoved));
}

TEST(RemovedAgent, WithNothingOpenGoesAtOnce) {
  Shop shop;
  shop.Online("bram");
  EXPECT_THAT(Kinds(shop.Apply(Without("bram", config::v1::REMOVED_WORK_KEPT))),
              ElementsAre(Event::kConfigApplied));
  EXPECT_EQ(FindAgent(shop, "bram"), nullptr);
}

TEST(RemovedAgent, WhatTheyParkedGoesToTheQueueWhenItIsTakenUpAgain) {
  Shop shop;
  shop.Online("bram");
  const std::string kept = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(kept));
  const std::string parked = shop.Open("31600000002", "nl");
  shop.Do(shop.Accept(parked));
  shop.Do(shop.Park("bram", parked));
  shop.Apply(Without("bram", config::v1::REMOVED_WORK_KEPT));
  Command resume = CommandBy("bram", "resume");
  resume.mutable_resume()->set_conversation_id(parked);
  shop.Do(resume);
  EXPECT_EQ(shop.Conversation(parked).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
}

TEST(RemovedAgent, IsAnAgentAgainWhenPutBack) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Apply(Without("bram", config::v1::REMOVED_WORK_KEPT));
  shop.Apply(ShopConfig(3));
  EXPECT_FALSE(shop.Agent("bram").leaving());
  EXPECT_EQ(shop.Conversation(shop.Open("31600000002", "nl")).offer().agent_id(), "bram");
}

TEST(RemovedAgent, GivesBackWhenALaterConfigurationSaysSo) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Apply(Without("bram", config::v1::REMOVED_WORK_KEPT, 2));
  shop.Apply(Without("bram", config::v1::REMOVED_WORK_REQUEUED, 3));
  EXPECT_EQ(FindAgent(shop, "bram"), nullptr);
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

TEST(RemovedAgent, GivesEverythingBackInAnotherRoutingGroup) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  WorkspaceConfig config = ShopConfig(2);
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  config.mutable_agents(1)->set_routing_group_id("elsewhere");
  EXPECT_THAT(Kinds(shop.Apply(config)), Not(Contains(Event::kAgentLeaving)));
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

// A command that is for another group.
Command Astray(Command command) {
  command.mutable_envelope()->set_routing_group_id("other");
  return command;
}

// The shop, next version, with bram in another group that has a queue of its own.
WorkspaceConfig BramElsewhere(RemovedWork setting) {
  WorkspaceConfig config = ShopConfig(2);
  config.mutable_conversations()->set_removed_work(setting);
  config.add_routing_groups()->set_routing_group_id("other");
  QueueIn(config, "other").set_queue_id("other");
  QueueIn(config, "other").set_routing_group_id("other");
  config.mutable_agents(1)->set_routing_group_id("other");
  config.mutable_agents(1)->clear_queue_ids();
  config.mutable_agents(1)->add_queue_ids("other");
  return config;
}

TEST(RemovedAgent, GivesEverythingBackInAnotherRoutingGroupOfThePartition) {
  for (const RemovedWork setting :
       {config::v1::REMOVED_WORK_REQUEUED, config::v1::REMOVED_WORK_KEPT}) {
    SCOPED_TRACE(setting);
    Shop shop;
    shop.Online("bram");
    const std::string active = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(active));
    const std::string offered = shop.Open("31600000002", "nl");
    ASSERT_TRUE(shop.Conversation(offered).has_offer());
    const Decision applied = shop.Apply(BramElsewhere(setting));
    EXPECT_THAT(Kinds(applied), UnorderedElementsAre(Event::kConfigApplied, Event::kQueued,
                                                     Event::kOfferWithdrawn, Event::kQueued));
    for (const Event& event : applied.events()) {
      if (event.has_queued()) {
        EXPECT_EQ(event.queued().reason(), conversation::v1::Queued::REASON_CONFIG_CHANGED);
        EXPECT_EQ(event.queued().queue_id(), "nl");
      }
    }
    EXPECT_EQ(shop.Agent("bram").used_units(), 0);
    EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_AVAILABLE);
    EXPECT_FALSE(shop.Agent("bram").leaving());
    EXPECT_THAT(shop.Wait(absl::ZeroDuration()), IsEmpty());
    shop.Online("anna");
    EXPECT_EQ(shop.Conversation(active).offer().agent_id(), "anna");
    EXPECT_EQ(shop.Conversation(offered).offer().agent_id(), "anna");
  }
}

TEST(RemovedQueue, IsServedByThoseWhoServedItUntilItIsEmpty) {
  Shop shop;
  const std::string waiting = shop.Open("31600000001", "nl");
  const Decision& applied = shop.Apply(Without("nl", config::v1::REMOVED_WORK_KEPT));
  EXPECT_THAT(Kinds(applied), ElementsAre(Event::kQueueClosing, Event::kConfigApplied));
  EXPECT_THAT(applied.events(0).queue_closing().kept().agent_ids(), ElementsAre("anna", "bram"));
  EXPECT_EQ(shop.Conversation(waiting).queue_id(), "nl");
  // Nothing more is sent into it.
  const std::string later = shop.Open("31600000002", "nl");
  EXPECT_EQ(shop.Conversation(later).queue_id(), "en");
  Command transfer = BySupervisor("transfer");
  transfer.mutable_transfer()->set_conversation_id(later);
  transfer.mutable_transfer()->set_queue_id("nl");
  EXPECT_EQ(Refusal(shop.Do(transfer)), CommandRejected::REASON_UNKNOWN_QUEUE);

  // Bram serves nothing else. What he declines is still kept.
  shop.Online("bram");
  ASSERT_EQ(shop.Conversation(waiting).offer().agent_id(), "bram");
  shop.Do(shop.Decline(waiting));
  EXPECT_EQ(shop.Conversation(waiting).queue_id(), "nl");
  for (int i = 0; i < 3; ++i) {
    shop.RenewLease();
    shop.Wait(absl::Seconds(20));
  }
  ASSERT_EQ(shop.Conversation(waiting).offer().agent_id(), "bram");
  EXPECT_THAT(Kinds(shop.Do(shop.Accept(waiting))),
              ElementsAre(Event::kOfferAccepted, Event::kAssigned, Event::kQueueClosed));
  EXPECT_EQ(FindQueue(shop, "nl"), nullptr);
}

TEST(RemovedQueue, WithNobodyLeftWhoServedItIsMovedAtOnceInTheOldPlace) {
  Shop shop;
  const absl::Time place = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(5);
  WorkspaceConfig config = Without("nl", config::v1::REMOVED_WORK_KEPT);
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() != "carol"; });
  shop.Apply(config);
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(FromProto(shop.Conversation(id).waiting_since()), place);
  EXPECT_EQ(FindQueue(shop, "nl"), nullptr);
}

TEST(RemovedQueue, IsMovedAtOnceByDefault) {
  Shop shop;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Apply(Without("nl", config::v1::REMOVED_WORK_UNSPECIFIED));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
}

TEST(RemovedQueue, IsAQueueAgainWhenPutBack) {
  Shop shop;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Apply(Without("nl", config::v1::REMOVED_WORK_KEPT));
  shop.Apply(ShopConfig(3));
  EXPECT_FALSE(FindQueue(shop, "nl")->has_kept());
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
  EXPECT_EQ(shop.Conversation(shop.Open("31600000002", "nl")).queue_id(), "nl");
}

TEST(RemovedQueue, CountsWhatWentOnWaitingInItWhenTheGroupHadNone) {
  Shop shop;
  shop.Open("31611111111", "nl");
  WorkspaceConfig none = Without("nl", config::v1::REMOVED_WORK_REQUEUED);
  none.clear_queues();
  shop.Apply(none);
  shop.Apply(ShopConfig(3));
  ASSERT_NE(FindQueue(shop, "nl"), nullptr);
  EXPECT_EQ(FindQueue(shop, "nl")->waiting(), 1);
}

TEST(Removed, ASuccessorKeepsTheSame) {
  Shop shop;
  shop.Online("carol");
  const std::string active = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(active));
  const std::string waiting = shop.Open("31600000001", "nl");
  WorkspaceConfig config = Without("nl", config::v1::REMOVED_WORK_KEPT);
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() == "carol"; });
  shop.Apply(config);
  Engine successor(shop.engine().state().Copy(), {.holds = [](absl::string_view) { return true; }});
  EXPECT_EQ(successor.state().Hash(), shop.engine().state().Hash());
  const Command resolve = shop.Resolve("carol", active);
  const auto cause = shop.Cause(common::v1::INPUT_TOPIC_COMMANDS);
  EXPECT_EQ(successor.Decide(cause, resolve, shop.now).SerializeAsString(),
            shop.engine().Decide(cause, resolve, shop.now).SerializeAsString());
  EXPECT_EQ(successor.state().FindConversation(waiting)->queue_id(), "nl");
  EXPECT_NE(successor.state().FindQueue("acme", "nl"), nullptr);
}

TEST(Command, IsForTheAgentsOfItsOwnRoutingGroup) {
  Shop shop;
  shop.Online("bram");
  shop.Apply(BramElsewhere(config::v1::REMOVED_WORK_REQUEUED));
  Command log_out = BySupervisor("log-out");
  log_out.mutable_force_logout()->set_agent_id("bram");
  EXPECT_EQ(Refusal(shop.Do(log_out)), CommandRejected::REASON_UNKNOWN_AGENT);
  Command away = BySupervisor("away");
  away.mutable_set_presence()->set_agent_id("bram");
  away.mutable_set_presence()->set_presence(command::v1::PRESENCE_AWAY);
  EXPECT_EQ(Refusal(shop.Do(away)), CommandRejected::REASON_UNKNOWN_AGENT);
  EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_AVAILABLE);
  log_out.mutable_envelope()->set_id("log-out-there");
  EXPECT_THAT(Kinds(shop.Do(Astray(log_out))), ElementsAre(Event::kAgentPresenceChanged));
}

// ---------------------------------------------------------------------------------------------
// A routing group that is gone: refused where configurations are applied, yet the topic may hold
// one

WorkspaceConfig WithoutTheGroup() {
  WorkspaceConfig config;
  config.set_workspace_id("acme");
  config.set_version(2);
  config.add_routing_groups()->set_routing_group_id("other");
  return config;
}

TEST(RemovedGroup, WhatBelongsToItStaysAsItIsAndGoesOnWhenItIsBack) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "en").set_tell_waiting_time(true);
  Shop shop(config);
  shop.Online("bram");
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  const std::string offered = shop.Open("31600000002", "nl");
  ASSERT_TRUE(shop.Conversation(offered).has_offer());
  const absl::Time place = shop.now;
  const std::string waiting = shop.Open("44700000001", "en");
  EXPECT_THAT(Kinds(shop.Apply(WithoutTheGroup())), ElementsAre(Event::kConfigApplied));

  EXPECT_EQ(shop.Conversation(active).agent_id(), "bram");
  EXPECT_EQ(Refusal(shop.Do(shop.Reply("bram", active))),
            CommandRejected::REASON_UNKNOWN_WORKSPACE);
  Command transfer = Astray(BySupervisor("transfer"));
  transfer.mutable_transfer()->set_conversation_id(active);
  transfer.mutable_transfer()->set_queue_id("en");
  EXPECT_EQ(Refusal(shop.Do(transfer)), CommandRejected::REASON_UNKNOWN_CONVERSATION);
  EXPECT_EQ(Refusal(shop.Do(Astray(shop.Pull("bram", waiting)))),
            CommandRejected::REASON_UNKNOWN_AGENT);
  // The offer times out, and its conversation waits where it did. Nothing is told of waiting times.
  shop.RenewLease();
  shop.Wait(absl::Seconds(50));
  EXPECT_EQ(shop.Conversation(offered).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(shop.Conversation(offered).queue_id(), "nl");

  Engine successor(shop.engine().state().Copy(), {.holds = [](absl::string_view) { return true; }});
  EXPECT_EQ(successor.state().Hash(), shop.engine().state().Hash());
  config.set_version(3);
  const auto cause = shop.Cause(common::v1::INPUT_TOPIC_CONFIG);
  EXPECT_EQ(successor.Decide(cause, config, shop.now)->SerializeAsString(),
            shop.engine().Decide(cause, config, shop.now)->SerializeAsString());
  EXPECT_EQ(shop.Conversation(waiting).queue_id(), "en");
  EXPECT_EQ(FromProto(shop.Conversation(waiting).waiting_since()), place);
  EXPECT_EQ(FindQueue(shop, "en")->waiting(), 1);
  EXPECT_EQ(FindQueue(shop, "nl")->waiting(), 1);
  // Bram missed it, and is asked again when the cooldown is over.
  shop.RenewLease();
  shop.Wait(absl::Seconds(45));
  EXPECT_EQ(shop.Conversation(offered).offer().agent_id(), "bram");
  EXPECT_EQ(FindQueue(shop, "nl")->waiting(), 0);
  shop.Online("carol");
  EXPECT_EQ(shop.Conversation(waiting).offer().agent_id(), "carol");
  EXPECT_THAT(Kinds(shop.Do(shop.Resolve("bram", active))), ElementsAre(Event::kResolved));
}

TEST(Restated, WhatASupervisorHasSetStands) {
  Shop shop;
  shop.Online("bram");
  Command set = BySupervisor("capacity");
  set.mutable_set_capacity()->set_agent_id("bram");
  set.mutable_set_capacity()->set_capacity_units(1);
  shop.Do(set);
  const size_t cut = shop.log().size();
  shop.Restate(1000);
  EXPECT_EQ(shop.Agent("bram").capacity_units(), 1);
  State cut_off;
  cut_off.BeginsAfterCut();
  for (size_t i = cut; i < shop.log().size(); ++i) cut_off.Apply(shop.log()[i]);
  EXPECT_EQ(cut_off.Hash(), shop.state().Hash());
  // A configuration that is applied says what holds from then on.
  shop.Apply(ShopConfig(2));
  EXPECT_EQ(shop.Agent("bram").capacity_units(), ShopConfig().agents(1).capacity_units());
}

TEST(RemovedGroup, IsFoldedTheSameFromACutLog) {
  Shop shop;
  shop.Online("bram");
  shop.Do(shop.Accept(shop.Open("31600000001", "nl")));
  shop.Open("44700000001", "en");
  const size_t cut = shop.log().size();
  shop.Apply(WithoutTheGroup());
  shop.Restate(1000);
  State cut_off;
  cut_off.BeginsAfterCut();
  for (size_t i = cut; i < shop.log().size(); ++i) cut_off.Apply(shop.log()[i]);
  EXPECT_EQ(cut_off.Hash(), shop.engine().state().Hash());
}

// As after an apply that says "nobody gets its messages".
TEST(NoQueue, WhatWaitsForOneIsTakenOverAndQueuedWithTheFirst) {
  WorkspaceConfig config = ShopConfig();
  config.clear_queues();
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  Engine successor(shop.engine().state().Copy(), {.holds = [](absl::string_view) { return true; }});
  EXPECT_EQ(successor.state().FindConversation(id)->queue_id(), "");
  shop.Apply(ShopConfig(2));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
}

TEST(NoQueue, RulesOfTheQueueThatComesBackAreNewWhateverWasDoneByThoseBefore) {
  for (const bool is_offered : {false, true}) {
    SCOPED_TRACE(is_offered);
    WorkspaceConfig texts = ShopConfig();
    OverflowAfter(QueueIn(texts, "nl"), absl::Seconds(30)).set_send_text("Even geduld.");
    Shop shop(texts);
    const std::string id = shop.Open("31600000001", "nl");
    ASSERT_NE(Find(shop.Wait(absl::Minutes(1)), Event::kReplySent), nullptr);
    if (is_offered) shop.Online("bram");
    ASSERT_EQ(shop.Conversation(id).has_offer(), is_offered);
    WorkspaceConfig none = ShopConfig(2);
    none.clear_queues();
    shop.Apply(none);
    WorkspaceConfig calls = ShopConfig(3);
    OverflowAfter(QueueIn(calls, "nl"), absl::Seconds(30)).set_request_callback(true);
    shop.Apply(calls);
    ASSERT_EQ(shop.Conversation(id).queue_id(), "nl");
    if (is_offered) shop.Do(shop.Decline(id));
    shop.Wait(absl::ZeroDuration());
    EXPECT_NE(Find(shop.log(), Event::kCallbackRequested), nullptr);
    EXPECT_THAT(shop.Conversation(id).overflow_rules_applied(), ElementsAre(0));
  }
}

}  // namespace
}  // namespace wissel::domain
