#include "libs/sim/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/domain/testing_shop.h"
#include "libs/sim/scenario.h"
#include "libs/testing/status_matchers.h"

namespace wissel::sim {
namespace {

using domain::testing::Shop;
using domain::testing::ShopConfig;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::wissel::testing::StatusIs;

// A day with everything people do in it.
Scenario BusyDay() {
  Scenario scenario;
  scenario.start = "2026-03-02T08:00:00Z";
  scenario.length = absl::Hours(6);
  for (const char* language : {"nl", "en"}) {
    Arrivals& arrivals = scenario.arrivals.emplace_back();
    arrivals.account = "shop-phone";
    arrivals.language = language;
    arrivals.per_hour = 14;
    arrivals.patience = Distribution{.mean = absl::Minutes(25)};
  }
  scenario.handling.push_back({.time = {.mean = absl::Minutes(6)}, .customer_turns = 1});
  scenario.agents.missed_share = 0.06;
  scenario.agents.declined_share = 0.05;
  scenario.agents.disconnects = {.per_hour = 0.5, .lasts = {.mean = absl::Seconds(40)}};
  return scenario;
}

struct Day {
  std::vector<log::v1::Decision> decisions;
  Report report;
};

Day Live(const Scenario& scenario, const config::v1::WorkspaceConfig& config) {
  Day day;
  SimulationOptions options = OptionsOf(scenario, config);
  options.run_out = absl::ZeroDuration();
  options.on_decision = [&](const log::v1::Decision& d) { day.decisions.push_back(d); };
  const auto behaviour = DrawBehaviour(scenario, config, 1);
  day.report = Simulate(std::move(options), *behaviour);
  return day;
}

Recording Record(const Day& day, absl::Time from = absl::InfinitePast()) {
  Recorder recorder({.from = from,
                     .to = day.report.end,
                     .service_level = day.report.service_level,
                     .first_response_target = day.report.first_response_target});
  for (const log::v1::Decision& decision : day.decisions) recorder.Take(decision);
  auto recording = recorder.Finish();
  EXPECT_TRUE(recording.ok()) << recording.status();
  return *std::move(recording);
}

Report Repeat(const Recording& recording,
              std::optional<config::v1::WorkspaceConfig> policy = std::nullopt) {
  const auto behaviour = RepeatBehaviour(recording, std::nullopt);
  return Simulate(OptionsOf(recording, std::move(policy)), *behaviour);
}

void ExpectSame(const Report& one, const Report& two) {
  EXPECT_EQ(one.total.arrived, two.total.arrived);
  EXPECT_EQ(one.total.served, two.total.served);
  EXPECT_EQ(one.total.abandoned, two.total.abandoned);
  // The mean, but for what is left of a nanosecond.
  EXPECT_LT(absl::AbsDuration(one.total.wait.mean - two.total.wait.mean), absl::Nanoseconds(2));
  EXPECT_EQ(one.total.wait.p90, two.total.wait.p90);
  EXPECT_LT(absl::AbsDuration(one.total.first_response.mean - two.total.first_response.mean),
            absl::Nanoseconds(2));
  EXPECT_EQ(one.total.first_response_breaches, two.total.first_response_breaches);
  EXPECT_EQ(one.total.offers.made, two.total.offers.made);
  EXPECT_EQ(one.total.offers.missed, two.total.offers.missed);
  EXPECT_EQ(one.total.offers.declined, two.total.offers.declined);
  ASSERT_EQ(one.agents.size(), two.agents.size());
  for (size_t i = 0; i < one.agents.size(); ++i) {
    EXPECT_EQ(one.agents[i].conversations, two.agents[i].conversations) << one.agents[i].agent_id;
    EXPECT_NEAR(one.agents[i].occupancy, two.agents[i].occupancy, 1e-6) << one.agents[i].agent_id;
  }
}

TEST(Recording, UnderItsOwnPolicyADayComesOutAsItWas) {
  const Day day = Live(BusyDay(), ShopConfig());
  ASSERT_GT(day.report.total.abandoned, 0);
  ASSERT_GT(day.report.total.offers.missed, 0);
  const Recording recording = Record(day);
  ExpectSame(day.report, recording.report);  // measured from the log alone
  ExpectSame(recording.report, Repeat(recording));
}

TEST(Recording, WhatAQueuesRuleSentNobodySendsAgain) {
  config::v1::WorkspaceConfig config = ShopConfig();
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    config::v1::OverflowRule& text = *queue.add_overflow_rules();
    text.mutable_after()->set_seconds(5);
    text.set_send_text("a moment, please");
  }
  const Day day = Live(BusyDay(), config);
  const Recording recording = Record(day);
  ExpectSame(recording.report, Repeat(recording));
}

TEST(Recording, MayBeginInTheMiddleOfTheDay) {
  const Scenario scenario = BusyDay();
  const Day day = Live(scenario, ShopConfig());
  const Recording recording = Record(day, scenario.StartTime() + absl::Hours(3));
  EXPECT_FALSE(recording.ongoing.empty());
  EXPECT_LT(recording.report.total.arrived, day.report.total.arrived);
  const Report repeated = Repeat(recording);
  EXPECT_EQ(repeated.total.arrived, recording.report.total.arrived);
  EXPECT_EQ(repeated.total.served, recording.report.total.served);
  EXPECT_EQ(repeated.total.wait.p90, recording.report.total.wait.p90);
}

TEST(Recording, AnotherPolicyMeetsTheSamePeople) {
  const Day day = Live(BusyDay(), ShopConfig());
  const Recording recording = Record(day);
  config::v1::WorkspaceConfig better = ShopConfig();
  for (auto& agent : *better.mutable_agents()) agent.set_capacity_units(4);
  const Report changed = Repeat(recording, better);
  EXPECT_EQ(changed.total.arrived, recording.report.total.arrived);
  EXPECT_LT(changed.total.wait.mean, recording.report.total.wait.mean);
  EXPECT_LT(changed.total.abandoned, recording.report.total.abandoned);
  // Fewer agents: those who were served would wait on, unless they are taken for as patient as
  // the others.
  config::v1::WorkspaceConfig worse = ShopConfig();
  worse.mutable_agents()->RemoveLast();
  worse.mutable_agents(0)->set_capacity_units(1);
  const Report waits = Repeat(recording, worse);
  EXPECT_GT(waits.total.wait.mean, recording.report.total.wait.mean);
  const auto impatient = RepeatBehaviour(recording, absl::Minutes(10));
  const Report leaves = Simulate(OptionsOf(recording, worse), *impatient);
  EXPECT_GT(leaves.total.abandoned, waits.total.abandoned);
}

TEST(Recording, PatienceIsEstimatedFromThoseWhoLeftAndThoseWhoStayed) {
  Scenario scenario = BusyDay();
  scenario.length = absl::Hours(12);
  scenario.agents = {};
  for (Arrivals& arrivals : scenario.arrivals) arrivals.per_hour = 30;
  const Recording recording = Record(Live(scenario, ShopConfig()));
  ASSERT_GT(recording.left, 100);
  ASSERT_TRUE(recording.patience.has_value());
  EXPECT_NEAR(absl::ToDoubleMinutes(*recording.patience), 25, 5);
}

TEST(Recording, WhatPeopleDecidedAboutWhoHasItIsAmongTheAssumptions) {
  Shop shop;
  shop.Online("anna");
  shop.Online("bram");
  const std::string first = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(first));
  const std::string agent = shop.Conversation(first).agent_id();
  const std::string other = agent == "anna" ? "bram" : "anna";
  command::v1::Command command = domain::testing::CommandBy(agent, "hand over");
  command.mutable_transfer()->set_conversation_id(first);
  command.mutable_transfer()->set_agent_id(other);
  shop.Do(command);
  shop.Do(shop.Accept(first));
  command = domain::testing::BySupervisor("reassign");
  command.mutable_reassign()->set_conversation_id(first);
  command.mutable_reassign()->set_agent_id(agent);
  shop.Do(command);
  // Both decline it; one thinks better of it.
  const std::string second = shop.Open("31600000002", "nl");
  for (int i = 0; i < 2; ++i) {
    const state::v1::Offer offer = shop.Conversation(second).offer();
    command = domain::testing::CommandBy(offer.agent_id(), absl::StrCat("decline", i));
    command.mutable_decline_offer()->set_offer_id(offer.offer_id());
    command.mutable_decline_offer()->set_agent_id(offer.agent_id());
    shop.Do(command);
  }
  command = domain::testing::CommandBy("anna", "pull");
  command.mutable_pull()->set_conversation_id(second);
  command.mutable_pull()->set_agent_id("anna");
  shop.Do(command);
  ASSERT_EQ(shop.Conversation(second).agent_id(), "anna");
  command = domain::testing::BySupervisor("out");
  command.mutable_force_logout()->set_agent_id("bram");
  shop.Do(command);

  Recorder recorder({});
  for (const log::v1::Decision& decision : shop.log()) recorder.Take(decision);
  const auto recording = recorder.Finish();
  WISSEL_ASSERT_OK(recording);
  const std::vector<std::string> lines = Assumptions(*recording, std::nullopt);
  for (const char* line :
       {"once a conversation was handed to an agent by name",
        "once a supervisor gave a conversation to an agent", "once an agent pulled a conversation",
        "once a supervisor logged an agent out"}) {
    EXPECT_THAT(lines, Contains(HasSubstr(line)));
  }
  // As the line says.
  EXPECT_EQ(recording->acts.back().agent_id, "bram");
  EXPECT_EQ(recording->acts.back().kind, AgentAct::Kind::kOffline);
  // Of what did not happen nothing is said.
  const Recording plain = Record(Live(BusyDay(), ShopConfig()));
  EXPECT_THAT(Assumptions(plain, std::nullopt), Not(Contains(HasSubstr("supervisor"))));
}

TEST(Recording, WhatCannotBeRecordedIsSaid) {
  Recorder nothing({});
  EXPECT_THAT(nothing.Finish(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("nothing was decided")));
  const Day day = Live(BusyDay(), ShopConfig());
  Recorder too_late({.from = day.report.end + absl::Hours(1)});
  for (const log::v1::Decision& decision : day.decisions) too_late.Take(decision);
  EXPECT_THAT(too_late.Finish(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace wissel::sim
