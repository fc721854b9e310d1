#include "libs/domain/config_validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/domain/testing.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// A configuration with nothing to say about it.
WorkspaceConfig Sound() {
  WorkspaceConfig config = testing::ShopConfig();
  for (config::v1::Account& account : *config.mutable_accounts()) {
    account.set_address("address of " + account.account().account_id());
  }
  return config;
}

std::vector<std::string> Errors(const WorkspaceConfig& config) {
  return ValidateConfig(config).errors;
}
std::vector<std::string> Warnings(const WorkspaceConfig& config) {
  EXPECT_THAT(Errors(config), IsEmpty());
  return ValidateConfig(config).warnings;
}

TEST(ValidateConfig, HasNothingToSayAboutASoundOne) {
  EXPECT_THAT(Errors(Sound()), IsEmpty());
  EXPECT_THAT(Warnings(Sound()), IsEmpty());
}

TEST(ValidateConfig, WhoIsForgottenCannotGoFirst) {
  WorkspaceConfig config = Sound();
  *config.mutable_queues(0)->mutable_sticky_window() = ToProto(absl::Hours(14 * 24));
  EXPECT_THAT(
      Warnings(config),
      ElementsAre("queues[nl].sticky_window: 336h, but a resolved conversation and its agent "
                  "are forgotten after 168h (conversations.forget_after)"));
  *config.mutable_conversations()->mutable_forget_after() = ToProto(absl::Hours(14 * 24));
  EXPECT_THAT(Warnings(config), IsEmpty());
}

TEST(ValidateConfig, AnEmptyOneLacksItsIdAndGroups) {
  EXPECT_THAT(Errors({}), ElementsAre(StartsWith("workspace_id:"), StartsWith("routing_groups:")));
}

TEST(ValidateConfig, IdsAreSlugs) {
  WorkspaceConfig config = Sound();
  config.set_workspace_id("Shop");
  EXPECT_THAT(Errors(config), ElementsAre(HasSubstr("workspace_id: \"Shop\"")));
}

TEST(ValidateConfig, IdsAreWordsOfVisibleAscii) {
  for (const char* id : {"an na", "an\x1b[31mna", "an\tna", "zoë", "an\x7fna"}) {
    WorkspaceConfig config = Sound();
    *config.add_accounts() = config.accounts(0);
    config.mutable_accounts()->rbegin()->mutable_account()->set_account_id(id);
    config.mutable_accounts()->rbegin()->set_address("elsewhere");
    *config.add_agents() = config.agents(0);
    config.mutable_agents()->rbegin()->set_agent_id(id);
    *config.add_queues() = config.queues(0);
    config.mutable_queues()->rbegin()->set_queue_id(id);
    EXPECT_THAT(Errors(config), ::testing::SizeIs(3)) << id;
  }
  WorkspaceConfig config = Sound();
  *config.add_agents() = config.agents(0);
  config.mutable_agents()->rbegin()->set_agent_id("zoe.de-vries+desk@shop.example/2");
  EXPECT_THAT(Errors(config), IsEmpty());
}

TEST(ValidateConfig, NamesEveryReferenceToNothing) {
  WorkspaceConfig config = Sound();
  config.mutable_accounts(0)->set_routing_group_id("nowhere");
  config.mutable_queues(0)->mutable_rules(0)->add_account_ids("no-phone");
  config.mutable_agents(0)->add_queue_ids("sales");
  EXPECT_THAT(Errors(config),
              ElementsAre("accounts[shop-phone].routing_group_id: no routing group \"nowhere\"",
                          "queues[nl].rules[0].account_ids: no account \"no-phone\"",
                          "agents[anna].queue_ids: no queue \"sales\""));
}

TEST(ValidateConfig, NothingIsThereTwice) {
  WorkspaceConfig config = Sound();
  *config.add_routing_groups() = config.routing_groups(0);
  *config.add_accounts() = config.accounts(0);
  *config.add_queues() = config.queues(0);
  *config.add_agents() = config.agents(0);
  *config.add_channels() = config.channels(0);
  EXPECT_THAT(Errors(config),
              ElementsAre("routing_groups[main]: there twice", "accounts[shop-phone]: there twice",
                          "accounts[shop-phone].address: another account has it too",
                          "queues[nl]: there twice", "agents[anna]: there twice",
                          "agents[anna].subject: another agent has \"anna\" too",
                          "channels[CHANNEL_KIND_WHATSAPP]: there twice"));
}

TEST(ValidateConfig, KeepsTheContractsBounds) {
  WorkspaceConfig config = Sound();
  config.mutable_queues(0)->mutable_required_skills(0)->set_proficiency(11);
  config.mutable_queues(0)->mutable_offer_timeout()->set_seconds(3601);
  config.mutable_queues(0)->set_max_missed_offers(101);
  config.mutable_queues(0)->set_base_priority(-1001);
  config.mutable_agents(0)->set_capacity_units(-1);
  config.mutable_channels(0)->set_weight_units(1001);
  config.mutable_conversations()->mutable_forget_after()->set_seconds(60);
  config.mutable_conversations()->set_removed_work(static_cast<config::v1::RemovedWork>(7));
  EXPECT_THAT(Errors(config),
              ElementsAre("queues[nl].required_skills[lang:nl].proficiency: 11; from 1 to 10",
                          "queues[nl].offer_timeout: 1h1s; from 1s to 1h",
                          "queues[nl].max_missed_offers: 101; from 0 to 100",
                          "queues[nl].base_priority: -1001; from -1000 to 1000",
                          "agents[anna].capacity_units: -1; from 0 to 1000000",
                          "channels[CHANNEL_KIND_WHATSAPP].weight_units: 1001; from 0 to 1000",
                          "conversations.removed_work: requeued or kept",
                          StartsWith("conversations.forget_after: 1m; from 72h")));
}

// 10,000 agents of 80 bytes are not too many; another thousand are.
TEST(ValidateConfig, IsNoLargerThanItsDecisionMayBe) {
  WorkspaceConfig config = Sound();
  const auto hire = [&config](int agents) {
    for (int i = 0; i < agents; ++i) {
      config::v1::Agent agent = config.agents(0);
      agent.set_agent_id(absl::StrCat("agent-", 10'000 + config.agents_size()));
      agent.set_display_name("");
      agent.set_display_name(std::string(80 - agent.ByteSizeLong() - 2, 'n'));
      *config.add_agents() = agent;
    }
  };
  hire(10'000);
  EXPECT_THAT(Errors(config), IsEmpty());
  hire(1'500);
  const size_t agents = 80 * 11'500;
  EXPECT_THAT(Errors(config), ElementsAre(AllOf(StartsWith(absl::StrCat("agents: ", agents / 1000)),
                                                HasSubstr("bytes; at most 917504 in all"))));
  config = Sound();
  // Said again by the partitions that have them.
  for (int i = 0; i < 7'500; ++i) {
    config.add_routing_groups()->set_routing_group_id(
        absl::StrCat(10'000 + i, std::string(59, 'g')));
  }
  EXPECT_LT(config.ByteSizeLong(), 600'000u);
  EXPECT_THAT(Errors(config), ElementsAre(StartsWith("routing_groups: ")));
}

TEST(ValidateConfig, WarnsOfAQueueNobodyServes) {
  WorkspaceConfig config = Sound();
  config::v1::Queue* queue = config.add_queues();
  queue->set_queue_id("fr");
  queue->set_routing_group_id("main");
  EXPECT_THAT(Warnings(config), Contains("queues[fr]: no agent serves it"));
}

TEST(ValidateConfig, WarnsOfSkillsNobodyHasWellEnough) {
  WorkspaceConfig config = Sound();
  config.mutable_queues(0)->mutable_required_skills(0)->set_proficiency(10);
  EXPECT_THAT(Warnings(config),
              ElementsAre("queues[nl].required_skills[lang:nl]: no agent who serves the queue has "
                          "it at 10"));
}

TEST(ValidateConfig, WarnsWhereNoOneAgentHasAllSkills) {
  WorkspaceConfig config = Sound();
  config::v1::Skill skill;
  skill.set_skill_id("returns");
  skill.set_proficiency(3);
  *config.mutable_queues(0)->add_required_skills() = skill;
  // Bram has it, without enough Dutch; Anna has Dutch without it.
  *config.mutable_agents(1)->add_skills() = skill;
  config.mutable_agents(1)->mutable_skills(0)->set_proficiency(1);
  EXPECT_THAT(Warnings(config),
              ElementsAre("queues[nl].required_skills: no one agent who serves the queue has all "
                          "of them"));
}

TEST(ValidateConfig, WarnsOfARuleThatCanNeverMatch) {
  WorkspaceConfig config = Sound();
  config.mutable_queues(0)->clear_rules();
  config.mutable_queues(0)->add_rules()->add_languages("nl");
  config.mutable_queues(1)->clear_rules();
  config.mutable_queues(1)->add_rules()->add_languages("en");
  config::v1::QueueRule* late = config.mutable_queues(1)->add_rules();
  late->add_languages("nl");
  late->add_account_ids("shop-phone");
  EXPECT_THAT(
      Warnings(config),
      ElementsAre("queues[en].rules[1]: can never match: queues[nl].rules[0] takes all of it "
                  "before"));
}

TEST(ValidateConfig, WarnsOfAgentsWhoGetNothing) {
  WorkspaceConfig config = Sound();
  config::v1::Agent* agent = config.add_agents();
  agent->set_agent_id("dirk");
  agent->set_routing_group_id("main");
  EXPECT_THAT(Warnings(config),
              ElementsAre("agents[dirk].queue_ids: serves no queue",
                          "agents[dirk].capacity_units: 0: is never offered anything"));
}

}  // namespace
}  // namespace wissel::domain
