#include "services/admin/config_diff.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/domain/testing.h"

namespace wissel::admin {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> Lines(const std::vector<v1::Difference>& differences) {
  std::vector<std::string> lines;
  for (const v1::Difference& d : differences) {
    lines.push_back(absl::StrCat(d.path(), ": ", d.before(), " -> ", d.after()));
  }
  return lines;
}

TEST(Diff, OfTheSameIsNothing) {
  const auto config = domain::testing::ShopConfig();
  EXPECT_THAT(Diff(config, config), IsEmpty());
  auto later = config;
  later.set_version(9);
  later.set_applied_by("somebody");
  later.mutable_applied_time()->set_seconds(1);
  EXPECT_THAT(Diff(config, later), IsEmpty());
}

TEST(Diff, NamesValuesByTheIdsOfTheirItems) {
  const auto before = domain::testing::ShopConfig();
  auto after = before;
  after.set_display_name("Shop");
  after.mutable_agents(0)->set_capacity_units(5);
  after.mutable_agents(0)->mutable_skills(0)->set_proficiency(9);
  after.mutable_agents(1)->add_queue_ids("en");
  after.mutable_accounts(0)->set_address("31612345678");
  after.mutable_queues(0)->mutable_offer_timeout()->set_seconds(45);
  after.mutable_channels(0)->set_weight_units(2);
  EXPECT_THAT(Lines(Diff(before, after)),
              ElementsAre("display_name: \"\" -> \"Shop\"",
                          "accounts[shop-phone].address: \"\" -> \"31612345678\"",
                          "queues[nl].offer_timeout: 30s -> 45s",
                          "agents[anna].skills[lang:nl].proficiency: 8 -> 9",
                          "agents[anna].capacity_units: 2 -> 5",
                          "agents[bram].queue_ids: [\"nl\"] -> [\"nl\", \"en\"]",
                          "channels[whatsapp].weight_units: 1 -> 2"));
}

TEST(Diff, ItemsComeAndGo) {
  const auto before = domain::testing::ShopConfig();
  auto after = before;
  after.mutable_agents()->DeleteSubrange(0, 1);
  after.add_agents()->set_agent_id("dirk");
  const auto differences = Diff(before, after);
  ASSERT_THAT(differences, SizeIs(2));
  EXPECT_EQ(differences[0].kind(), v1::Difference::KIND_REMOVED);
  EXPECT_EQ(differences[0].path(), "agents[anna]");
  EXPECT_THAT(differences[0].before(), HasSubstr("capacity_units: 2"));
  EXPECT_EQ(differences[1].kind(), v1::Difference::KIND_ADDED);
  EXPECT_EQ(differences[1].path(), "agents[dirk]");
}

TEST(Diff, WhatIsPutInFrontIsOneDifference) {
  config::v1::WorkspaceConfig before;
  for (const char* id : {"office", "night"}) before.add_calendars()->set_calendar_id(id);
  for (const char* id : {"first", "later"}) {
    config::v1::SlaPolicy& policy = *before.add_sla_policies();
    policy.set_sla_policy_id(id);
    policy.set_calendar_id("office");
  }
  for (const char* tier : {"gold", "silver"})
    before.mutable_priority()->add_tiers()->set_tier(tier);
  auto after = before;
  const auto to_front = [](auto* items) {
    for (int i = items->size() - 1; i > 0; --i) items->SwapElements(i, i - 1);
  };
  after.add_calendars()->set_calendar_id("holidays");
  to_front(after.mutable_calendars());
  after.add_sla_policies()->set_sla_policy_id("vip");
  to_front(after.mutable_sla_policies());
  after.mutable_priority()->add_tiers()->set_tier("platinum");
  to_front(after.mutable_priority()->mutable_tiers());
  EXPECT_THAT(
      Lines(Diff(before, after)),
      ::testing::UnorderedElementsAre("calendars[holidays]:  -> {calendar_id: \"holidays\"}",
                                      "sla_policies[vip]:  -> {sla_policy_id: \"vip\"}",
                                      "priority.tiers[platinum]:  -> {tier: \"platinum\"}"));
}

TEST(Diff, SpeaksAsTheFileDoes) {
  const config::v1::WorkspaceConfig before;
  auto after = before;
  config::v1::Queue& queue = *after.add_queues();
  queue.set_queue_id("nl");
  queue.set_strategy(config::v1::STRATEGY_BEST_SKILL);
  queue.mutable_offer_timeout()->set_seconds(90);
  queue.add_rules()->add_languages("nl");
  after.mutable_conversations()->mutable_reopen_window()->set_seconds(3 * 86'400);
  EXPECT_THAT(Lines(Diff(before, after)),
              ElementsAre("queues[nl]:  -> {queue_id: \"nl\", rules: [{languages: [\"nl\"]}], "
                          "strategy: best_skill, offer_timeout: 1m30s}",
                          "conversations.reopen_window:  -> 3d"));
}

TEST(Diff, OrderCountsWhereTheFirstThatFitsIsTaken) {
  auto before = domain::testing::ShopConfig();
  for (const char* id : {"gold", "rest"}) before.add_sla_policies()->set_sla_policy_id(id);
  auto after = before;
  after.mutable_agents()->SwapElements(0, 1);
  EXPECT_THAT(Diff(before, after), IsEmpty());
  after.mutable_queues()->SwapElements(0, 1);
  after.mutable_sla_policies()->SwapElements(0, 1);
  EXPECT_THAT(Lines(Diff(before, after)),
              ElementsAre("queues (order): nl, en -> en, nl",
                          "sla_policies (order): gold, rest -> rest, gold"));
}

}  // namespace
}  // namespace wissel::admin
