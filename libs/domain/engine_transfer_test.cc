// How a conversation comes to an agent or leaves one otherwise than by matching.

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
using conversation::v1::Assigned;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Kinds;
using domain::testing::QueueIn;
using domain::testing::Refusal;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;

TEST(Pull, TakesWhatWaitsIfTheAgentMayHaveIt) {
  Shop shop;
  std::vector<std::string> ids;
  shop.Online("bram");
  for (int i = 0; i < 4; ++i) ids.push_back(shop.Open(absl::StrCat("3160000000", i), "nl"));
  shop.Do(shop.Accept(ids[0]));
  const Decision& full = shop.Do(shop.Pull("bram", ids[3]));
  EXPECT_EQ(Refusal(full), CommandRejected::REASON_WRONG_STATE);
  EXPECT_EQ(full.events(0).command_rejected().detail(), "bram has no room for it");
  EXPECT_EQ(Refusal(shop.Do(shop.Pull("bram", ids[1]))), CommandRejected::REASON_WRONG_STATE);
  const std::string english = shop.Open("44700000001", "en");
  EXPECT_EQ(Refusal(shop.Do(shop.Pull("bram", english))), CommandRejected::REASON_WRONG_STATE);
}

TEST(Pull, AnAgentMayPullWhatTheyDeclined) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Decline(id));
  const Decision& d = shop.Do(shop.Pull("bram", id));
  ASSERT_THAT(Kinds(d), ElementsAre(Event::kAssigned));
  EXPECT_EQ(d.events(0).assigned().reason(), Assigned::REASON_PULLED);
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
}

TEST(Reassign, MovesAConversationFromAgentToAgentWithoutAsking) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Online("anna");
  Command reassign = BySupervisor("reassign");
  reassign.mutable_reassign()->set_conversation_id(id);
  reassign.mutable_reassign()->set_agent_id("anna");
  const Decision& d = shop.Do(reassign);
  ASSERT_THAT(Kinds(d), ElementsAre(Event::kAssigned));
  EXPECT_EQ(d.events(0).assigned().from_agent_id(), "bram");
  EXPECT_EQ(shop.Conversation(id).agent_id(), "anna");
  EXPECT_EQ(shop.Agent("bram").used_units(), 0);
  EXPECT_EQ(shop.Agent("anna").used_units(), 1);
}

TEST(Reassign, GoesOverCapacityOnlyWhereSaidAndNeverToOneWhoIsAway) {
  Shop shop;
  shop.Online("carol");  // one unit
  const std::string first = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(first));
  const std::string second = shop.Open("44700000002", "en");
  Command reassign = BySupervisor("1");
  reassign.mutable_reassign()->set_conversation_id(second);
  reassign.mutable_reassign()->set_agent_id("carol");
  EXPECT_EQ(Refusal(shop.Do(reassign)), CommandRejected::REASON_WRONG_STATE);
  reassign.mutable_envelope()->set_id(BySupervisor("2").envelope().id());
  reassign.mutable_reassign()->set_over_capacity(true);
  EXPECT_THAT(Kinds(shop.Do(reassign)), ElementsAre(Event::kAssigned));
  EXPECT_EQ(shop.Agent("carol").used_units(), 2);
  reassign.mutable_envelope()->set_id(BySupervisor("3").envelope().id());
  reassign.mutable_reassign()->set_agent_id("anna");
  EXPECT_EQ(Refusal(shop.Do(reassign)), CommandRejected::REASON_WRONG_STATE);
  Command agents_own = CommandBy("carol", "4");
  *agents_own.mutable_reassign() = reassign.reassign();
  EXPECT_EQ(Refusal(shop.Do(agents_own)), CommandRejected::REASON_FORBIDDEN);
}

TEST(NobodysConversation, IsNotThatOfWhoIsNoAgent) {
  Shop shop;
  const std::string id = shop.Open("31600000001", "nl");
  const auto by_nobodys_agent = [](absl::string_view key) {
    Command command = CommandBy("a token without an agent", key);
    command.mutable_actor()->clear_agent_id();
    return command;
  };
  Command settle = by_nobodys_agent("settle");
  settle.mutable_settle_delivery()->set_conversation_id(id);
  EXPECT_EQ(Refusal(shop.Do(settle)), CommandRejected::REASON_NOT_YOURS);
  Command resolve = BySupervisor("resolve");
  resolve.mutable_resolve()->set_conversation_id(id);
  ASSERT_EQ(shop.Do(resolve).events(0).kind_case(), Event::kResolved);
  Command reopen = by_nobodys_agent("reopen");
  reopen.mutable_reopen()->set_conversation_id(id);
  EXPECT_EQ(Refusal(shop.Do(reopen)), CommandRejected::REASON_NOT_YOURS);
}

TEST(RoutingGroup, ACommandReachesTheConversationsOfItsOwnAlone) {
  WorkspaceConfig config = ShopConfig();
  config.add_routing_groups()->set_routing_group_id("vip");
  QueueIn(config, "vip").set_queue_id("vip");
  QueueIn(config, "vip").set_routing_group_id("vip");
  Shop shop(config);
  message::v1::InboundMessage message = Text("31600000001", 99, "nl");
  message.mutable_envelope()->set_routing_group_id("vip");
  const std::string id = shop.Open(message);
  int sent = 0;
  const auto refusal = [&](absl::string_view group, common::v1::Role role, Command command) {
    command.mutable_envelope()->set_id(
        BySupervisor(absl::StrCat("command ", ++sent)).envelope().id());
    command.mutable_envelope()->set_routing_group_id(std::string(group));
    command.mutable_actor()->set_role(role);
    return Refusal(shop.Do(command));
  };
  Command update = BySupervisor("");
  update.mutable_update_conversation()->set_conversation_id(id);
  Command note = BySupervisor("");
  note.mutable_add_note()->set_conversation_id(id);
  note.mutable_add_note()->set_text("a note");
  Command resolve = BySupervisor("");
  resolve.mutable_resolve()->set_conversation_id(id);
  EXPECT_EQ(refusal("main", common::v1::ROLE_INTEGRATOR, update),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);
  EXPECT_EQ(refusal("main", common::v1::ROLE_AGENT, note),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);
  EXPECT_EQ(refusal("main", common::v1::ROLE_SUPERVISOR, resolve),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);
  EXPECT_EQ(refusal("main", common::v1::ROLE_ADMIN, resolve),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);
  EXPECT_EQ(refusal("vip", common::v1::ROLE_INTEGRATOR, update),
            CommandRejected::REASON_UNSPECIFIED);
  EXPECT_EQ(refusal("vip", common::v1::ROLE_AGENT, note), CommandRejected::REASON_UNSPECIFIED);
  EXPECT_EQ(refusal("vip", common::v1::ROLE_SUPERVISOR, resolve),
            CommandRejected::REASON_UNSPECIFIED);
}

TEST(ForceLogout, PutsEverythingBackInItsOldPlace) {
  Shop shop;
  shop.Online("bram");
  const absl::Time place = shop.now;
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  shop.now += absl::Seconds(10);
  const std::string offered = shop.Open("31600000002", "nl");
  Command out = BySupervisor("out");
  out.mutable_force_logout()->set_agent_id("bram");
  out.mutable_force_logout()->set_reason("end of shift");
  shop.Do(out);
  EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_OFFLINE);
  EXPECT_EQ(shop.Agent("bram").used_units(), 0);
  EXPECT_EQ(shop.Conversation(active).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(shop.Conversation(offered).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(FromProto(shop.Conversation(active).waiting_since()), place);
  EXPECT_EQ(FromProto(shop.Conversation(offered).waiting_since()), place + absl::Seconds(10));
}

TEST(OwnerLimit, MailGoesBackToTheQueueWhenItsAgentStaysAway) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "nl").mutable_owner_limit() = ToProto(absl::Hours(2));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open(ByMail(Text("31600000001", 1, "nl")));
  shop.Do(shop.Accept(id));
  shop.SetPresence("bram", command::v1::PRESENCE_OFFLINE);
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  shop.Wait(absl::Hours(2) - absl::Seconds(1));
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  shop.Wait(absl::Seconds(1));
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

TEST(Transfer, ToAnAgentIsExplainedByThatAgent) {
  Shop shop;
  shop.Online("bram");
  shop.now += absl::Seconds(1);
  shop.Online("anna");
  const absl::Time idle = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  shop.now += absl::Seconds(5);
  const auto transfer = [&](absl::string_view agent) {
    Command command = BySupervisor(absl::StrCat("transfer ", shop.log().size()));
    command.mutable_transfer()->set_conversation_id(id);
    command.mutable_transfer()->set_agent_id(std::string(agent));
    const Decision& decision = shop.Do(command);
    return decision.events(decision.events_size() - 1).offered().explanation();
  };
  const conversation::v1::Explanation to_anna = transfer("anna");
  EXPECT_EQ(to_anna.config_version(), 1);
  EXPECT_EQ(to_anna.requirement().units(), 1);
  EXPECT_THAT(to_anna.requirement().queue_ids(), ElementsAre("nl"));
  EXPECT_TRUE(to_anna.has_priority());
  // A person chose: nobody else was looked at.
  EXPECT_EQ(to_anna.agents_considered(), 1);
  EXPECT_EQ(to_anna.chosen().agent_id(), "anna");
  EXPECT_EQ(FromProto(to_anna.chosen().idle_since()), idle);
  EXPECT_EQ(to_anna.chosen().free_units(), 2);
  EXPECT_EQ(to_anna.chosen().skill_score(), 8);
  // What she had on offer is free again where it is offered to her once more.
  EXPECT_EQ(transfer("anna").chosen().free_units(), 2);
}

}  // namespace
}  // namespace wissel::domain
