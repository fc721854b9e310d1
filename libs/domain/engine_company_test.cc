// Who is with a conversation beside its agent: whoever is consulted, and supervisors who joined.

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
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::EraseIf;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::Refusal;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Consult, TheOneConsultedReadsAlongAndEndsIt) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command consult = CommandBy("bram", "consult");
  consult.mutable_consult()->set_conversation_id(id);
  consult.mutable_consult()->set_agent_id("anna");
  consult.mutable_consult()->set_note("Weet jij dit?");
  EXPECT_THAT(Kinds(shop.Do(consult)), ElementsAre(Event::kConsultStarted));
  EXPECT_THAT(shop.Conversation(id).consulted_agent_ids(), ElementsAre("anna"));
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), ElementsAre(id));
  EXPECT_THAT(shop.engine().state().ConversationsOf("acme", "anna"), IsEmpty());
  EXPECT_EQ(shop.Agent("anna").used_units(), 0);
  // She does not answer the customer.
  EXPECT_EQ(Refusal(shop.Do(shop.Reply("anna", id))), CommandRejected::REASON_NOT_YOURS);
  Command end = CommandBy("anna", "end");
  end.mutable_end_consult()->set_conversation_id(id);
  end.mutable_end_consult()->set_agent_id("anna");
  EXPECT_THAT(Kinds(shop.Do(end)), ElementsAre(Event::kConsultEnded));
  EXPECT_THAT(shop.Conversation(id).consulted_agent_ids(), IsEmpty());
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), IsEmpty());
}

TEST(Consult, EndsWhenTheConfigurationHasTheOneConsultedNoLongerOrElsewhere) {
  for (const bool removed : {true, false}) {
    for (const auto work : {config::v1::REMOVED_WORK_REQUEUED, config::v1::REMOVED_WORK_KEPT}) {
      SCOPED_TRACE(absl::StrCat(removed ? "removed, " : "moved, ", work));
      Shop shop;
      shop.Online("bram");
      const std::string id = shop.Open("31600000001", "nl");
      shop.Do(shop.Accept(id));
      for (const char* agent : {"anna", "carol"}) {
        Command consult = CommandBy("bram", absl::StrCat("consult ", agent));
        consult.mutable_consult()->set_conversation_id(id);
        consult.mutable_consult()->set_agent_id(agent);
        shop.Do(consult);
      }
      WorkspaceConfig config = ShopConfig(2);
      config.mutable_conversations()->set_removed_work(work);
      config.add_routing_groups()->set_routing_group_id("other");
      if (removed) {
        EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() == "anna"; });
      } else {
        config.mutable_agents(0)->set_routing_group_id("other");
      }
      const std::vector<Decision> applied = {shop.Apply(config)};
      const Event* ended = Find(applied, Event::kConsultEnded);
      ASSERT_NE(ended, nullptr);
      EXPECT_EQ(ended->consult_ended().agent_id(), "anna");
      EXPECT_THAT(shop.Conversation(id).consulted_agent_ids(), ElementsAre("carol"));
      EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), IsEmpty());
      EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
    }
  }
}

TEST(Company, WhoIsConsultedAndHasJoinedStaysUntilBothAreOver) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const auto by_anna = [](absl::string_view key) {
    Command command = CommandBy("anna", key);
    command.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
    return command;
  };
  Command consult = by_anna("consult");
  consult.mutable_consult()->set_conversation_id(id);
  consult.mutable_consult()->set_agent_id("anna");
  shop.Do(consult);
  Command join = by_anna("join");
  join.mutable_barge_in()->set_conversation_id(id);
  shop.Do(join);
  EXPECT_THAT(CompanyIn(shop.Conversation(id)), ElementsAre("anna"));
  Command end = by_anna("end");
  end.mutable_end_consult()->set_conversation_id(id);
  end.mutable_end_consult()->set_agent_id("anna");
  shop.Do(end);
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), ElementsAre(id));
  Command leave = by_anna("leave");
  leave.mutable_leave_conversation()->set_conversation_id(id);
  EXPECT_EQ(shop.Do(leave).events(0).supervisor_left().agent_id(), "anna");
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), IsEmpty());
}

TEST(Company, LeavesBeforeTheEnd) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command consult = CommandBy("bram", "consult");
  consult.mutable_consult()->set_conversation_id(id);
  consult.mutable_consult()->set_agent_id("anna");
  shop.Do(consult);
  Command join = BySupervisor("join");
  join.mutable_barge_in()->set_conversation_id(id);
  shop.Do(join);
  EXPECT_THAT(Kinds(shop.Do(shop.Resolve("bram", id))),
              ElementsAre(Event::kConsultEnded, Event::kSupervisorLeft, Event::kResolved));
}

TEST(BargeIn, ASupervisorJoinsAndLeaves) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command join = BySupervisor("join");
  join.mutable_barge_in()->set_conversation_id(id);
  EXPECT_THAT(Kinds(shop.Do(join)), ElementsAre(Event::kSupervisorJoined));
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  Command leave = BySupervisor("leave");
  leave.mutable_leave_conversation()->set_conversation_id(id);
  EXPECT_THAT(Kinds(shop.Do(leave)), ElementsAre(Event::kSupervisorLeft));
  Command by_agent = CommandBy("anna", "join as an agent");
  by_agent.mutable_barge_in()->set_conversation_id(id);
  EXPECT_EQ(Refusal(shop.Do(by_agent)), CommandRejected::REASON_FORBIDDEN);
}

}  // namespace
}  // namespace wissel::domain
