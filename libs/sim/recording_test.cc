#include "libs/sim/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing_shop.h"
#include "libs/sim/scenario.h"
#include "libs/testing/status_matchers.h"

namespace wissel::sim {
namespace {

using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::WaitConnected;
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
  log::v1::Decision later;  // the log goes on
  *later.mutable_time() = ToProto(day.report.end + absl::Seconds(1));
  recorder.Take(later);
  auto recording = recorder.Finish();
  EXPECT_TRUE(recording.ok()) << recording.status();
  return *std::move(recording);
}

Recording Record(const Shop& shop, absl::Time from = absl::InfinitePast()) {
  Recorder recorder({.from = from});
  for (const log::v1::Decision& decision : shop.log()) recorder.Take(decision);
  auto recording = recorder.Finish();
  EXPECT_TRUE(recording.ok()) << recording.status();
  return *std::move(recording);
}

Report Repeat(const Recording& recording,
              std::optional<config::v1::WorkspaceConfig> policy = std::nullopt) {
  const auto behaviour = RepeatBehaviour(recording, std::nullopt);
  return Simulate(OptionsOf(recording, std::move(policy), std::nullopt), *behaviour);
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
  EXPECT_NEAR(one.total.mean_waiting, two.total.mean_waiting, 1e-6);
  EXPECT_EQ(one.total.max_waiting, two.total.max_waiting);
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
  ExpectSame(recording.report, repeated);
}

// Who was open when it began waits, and is with an agent, in what is recorded as well.
TEST(Recording, WhatWasOpenAtItsBeginningIsCounted) {
  config::v1::WorkspaceConfig config = ShopConfig();
  config.mutable_agents(0)->set_capacity_units(1);
  Shop shop(config);
  shop.Online("anna");
  const std::string closed = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(closed));
  shop.Do(shop.Resolve("anna", closed));
  const std::string held = shop.Open("31600000002", "nl");
  shop.Do(shop.Accept(held));
  const std::string waits = shop.Open("31600000003", "nl");
  const absl::Time from = shop.now + absl::Seconds(1);
  WaitConnected(shop, absl::Minutes(5));
  const log::v1::Decision& again = shop.Receive(domain::testing::Text("31600000001", 2, "nl"));
  ASSERT_EQ(again.events(0).message_received().conversation_id(), closed);
  WaitConnected(shop, absl::Minutes(5));
  shop.Do(shop.Resolve("anna", held));
  shop.Do(shop.Accept(waits));
  WaitConnected(shop, absl::Minutes(5));
  shop.Do(shop.Resolve("anna", waits));
  shop.Do(shop.Accept(closed));
  WaitConnected(shop, absl::Minutes(5));
  shop.RenewLease();
  const Recording recording = Record(shop, from);
  const Report& recorded = recording.report;
  EXPECT_EQ(recorded.agents[0].conversations, 3);
  EXPECT_EQ(recorded.total.max_waiting, 2);
  // One for ten minutes, one for ten, of twenty.
  EXPECT_NEAR(recorded.total.mean_waiting, 1, 0.02);
  EXPECT_EQ(recorded.total.arrived, 1) << "who came back";
  // Who waited then is as impatient as the others are assumed to be.
  const auto options = OptionsOf(recording, std::nullopt, absl::Microseconds(1));
  for (const Ongoing& ongoing : options.ongoing) {
    if (ongoing.conversation_id != waits) continue;
    ASSERT_TRUE(ongoing.customer.patience.has_value());
    EXPECT_GE(*ongoing.customer.patience, absl::Minutes(10));
    EXPECT_LT(*ongoing.customer.patience, absl::Minutes(10) + absl::Seconds(1));
  }
  ExpectSame(recorded, Repeat(recording));
}

TEST(Recording, ReachesNoFurtherThanTheLog) {
  const Day day = Live(BusyDay(), ShopConfig());
  Recorder recorder(
      {.from = day.report.start - absl::Hours(30), .to = day.report.end + absl::Hours(30)});
  for (const log::v1::Decision& decision : day.decisions) recorder.Take(decision);
  const auto recording = recorder.Finish();
  WISSEL_ASSERT_OK(recording);
  EXPECT_EQ(recording->start, FromProto(day.decisions.front().time()));
  EXPECT_EQ(recording->end, FromProto(day.decisions.back().time()) + absl::Nanoseconds(1));
}

// An offer that nobody answered was withdrawn, or stands when the record ends.
TEST(Recording, WhatNobodyAnsweredNobodyAnswersAgain) {
  config::v1::WorkspaceConfig config = ShopConfig();
  config.mutable_agents()->DeleteSubrange(1, 2);
  config.mutable_agents(0)->set_capacity_units(12);
  Shop shop(config);
  shop.Online("anna");
  const auto accept = [&](const std::string& id) {
    WaitConnected(shop, absl::Seconds(2));
    shop.Do(shop.Accept(id));
  };
  for (const char* customer : {"31600000001", "31600000002"}) accept(shop.Open(customer, "nl"));
  const std::string withdrawn = shop.Open("31600000003", "nl");
  WaitConnected(shop, absl::Seconds(20));
  shop.SetPresence("anna", command::v1::PRESENCE_AWAY);
  WaitConnected(shop, absl::Minutes(10));
  shop.SetPresence("anna", command::v1::PRESENCE_AVAILABLE);
  accept(withdrawn);
  const std::string stands = shop.Open("31600000004", "nl");
  WaitConnected(shop, absl::Seconds(10));
  shop.RenewLease();
  ASSERT_TRUE(shop.Conversation(stands).has_offer());

  const Recording recording = Record(shop);
  EXPECT_EQ(recording.report.total.offers.withdrawn, 1);
  EXPECT_EQ(recording.report.total.left_waiting, 1);
  const Report repeated = Repeat(recording);
  ExpectSame(recording.report, repeated);
  EXPECT_EQ(repeated.total.offers.withdrawn, 1);
  EXPECT_EQ(repeated.total.left_waiting, 1);
  // Where it is not withdrawn: she never took longer than two seconds, and here did.
  const auto behaviour = RepeatBehaviour(recording, std::nullopt);
  const OfferMade offer{.customer_key = recording.customers[2].key,
                        .conversation_id = withdrawn,
                        .ordinal = 1,
                        .agent_id = "anna"};
  EXPECT_EQ(behaviour->React(offer).kind, Reaction::Kind::kMiss);
}

// What becomes of a conversation in a run: when it ended, and how.
using Ends = std::map<std::string, std::vector<std::pair<absl::Time, std::string>>>;
Ends EndsOf(const Recording& recording, std::optional<config::v1::WorkspaceConfig> policy) {
  Ends ends;
  SimulationOptions options = OptionsOf(recording, std::move(policy), std::nullopt);
  options.on_decision = [&](const log::v1::Decision& decision) {
    for (const conversation::v1::Event& event : decision.events()) {
      if (!event.has_resolved()) continue;
      ends[event.resolved().conversation_id()].emplace_back(FromProto(decision.time()),
                                                            event.resolved().resolution());
    }
  };
  const auto behaviour = RepeatBehaviour(recording, std::nullopt);
  Simulate(std::move(options), *behaviour);
  return ends;
}

// A better policy gives to an agent whom the record has leaving, or waiting when it ends: they are
// answered and resolved as others are, and the agent is free again.
TEST(Recording, WhomAnotherPolicyRescuesTakesAnAgentForAWhile) {
  config::v1::WorkspaceConfig config = ShopConfig();
  config.mutable_agents(0)->set_capacity_units(1);
  Shop shop(config);
  const absl::Time start = shop.now;
  shop.Online("anna");
  const auto leaves = [&](const std::string& id) {
    command::v1::Command command =
        domain::testing::BySupervisor(absl::StrCat(id, absl::FormatTime(shop.now)));
    command.mutable_resolve()->set_conversation_id(id);
    shop.Do(command);
  };
  const std::string served = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(served));
  WaitConnected(shop, absl::Minutes(1));
  shop.Do(shop.Reply("anna", served));
  const std::string left = shop.Open("31600000002", "nl");
  WaitConnected(shop, absl::Minutes(2));
  leaves(left);
  WaitConnected(shop, absl::Minutes(1));
  shop.Do(shop.Resolve("anna", served));  // in four minutes
  WaitConnected(shop, absl::Minutes(6));
  const std::string stays = shop.Open("31600000003", "nl");
  shop.Do(shop.Accept(stays));
  WaitConnected(shop, absl::Minutes(5));
  // The one who was served comes back, and leaves.
  shop.Receive(domain::testing::Text("31600000001", 2, "nl"));
  const absl::Time back = shop.now;
  WaitConnected(shop, absl::Minutes(2));
  leaves(served);
  const absl::Time gone = shop.now;
  WaitConnected(shop, absl::Minutes(3));
  shop.Do(shop.Resolve("anna", stays));  // in ten
  const std::string last = shop.Open("31600000004", "nl");
  shop.Do(shop.Accept(last));
  const std::string waits = shop.Open("31600000005", "nl");
  const absl::Time came = shop.now;
  WaitConnected(shop, absl::Minutes(20));
  shop.RenewLease();

  const Recording recording = Record(shop);
  EXPECT_EQ(recording.left, 2);
  EXPECT_EQ(recording.unended, 4);
  EXPECT_THAT(Assumptions(recording, std::nullopt),
              Contains(HasSubstr("4 conversations did not end with an agent")));
  const Ends repeated = EndsOf(recording, std::nullopt);
  EXPECT_EQ(repeated.at(left).size(), 1);
  ASSERT_EQ(repeated.at(served).size(), 2);
  EXPECT_EQ(repeated.at(served)[1], std::pair(gone, std::string("abandoned")));
  EXPECT_FALSE(repeated.contains(last)) << "with her when it ended";
  EXPECT_FALSE(repeated.contains(waits));

  // Three at a time: nobody waits for long.
  config = ShopConfig();
  config.mutable_agents(0)->set_capacity_units(3);
  const Ends changed = EndsOf(recording, config);
  const absl::Time left_came = start + absl::Minutes(1);
  for (const auto& [id, visit, since] :
       {std::tuple(left, 0, left_came), std::tuple(served, 1, back), std::tuple(waits, 0, came)}) {
    ASSERT_EQ(changed.at(id).size(), static_cast<size_t>(visit) + 1) << id;
    // The middle of four and ten.
    const absl::Duration took = changed.at(id).back().first - since;
    EXPECT_GE(took, absl::Minutes(10));
    EXPECT_LT(took, absl::Minutes(10) + absl::Seconds(30));
    EXPECT_EQ(changed.at(id).back().second, "");
  }
  const Report report = Repeat(recording, config);
  EXPECT_EQ(report.total.abandoned, 0);
  EXPECT_EQ(report.total.first_response.count, 3) << "of the record, and two who are rescued";
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
  const Report leaves = Simulate(OptionsOf(recording, worse, absl::Minutes(10)), *impatient);
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

TEST(Recording, WhoComesBackToAnAgentStillThereEndsOnce) {
  config::v1::WorkspaceConfig config = ShopConfig();
  config.mutable_agents(0)->set_capacity_units(1);
  Shop shop(config);
  const absl::Time start = shop.now;
  shop.Online("anna");
  const std::string held = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(held));
  std::string twice;
  for (int visit = 1; visit <= 2; ++visit) {
    WaitConnected(shop, absl::Minutes(2));
    const auto& came = shop.Receive(domain::testing::Text("31600000002", visit, "nl"));
    if (visit == 1) twice = came.events(0).conversation_opened().conversation_id();
    WaitConnected(shop, absl::Minutes(1));
    command::v1::Command command = domain::testing::BySupervisor(absl::StrCat("leaves", visit));
    command.mutable_resolve()->set_conversation_id(twice);
    shop.Do(command);
  }
  WaitConnected(shop, absl::Minutes(4));
  shop.Do(shop.Resolve("anna", held));  // in ten minutes
  WaitConnected(shop, absl::Minutes(20));
  shop.RenewLease();
  const Recording recording = Record(shop);
  const Ends repeated = EndsOf(recording, std::nullopt);
  ASSERT_EQ(repeated.at(twice).size(), 2);
  EXPECT_EQ(repeated.at(twice)[0].first, start + absl::Minutes(3));
  EXPECT_EQ(repeated.at(twice)[1].first, start + absl::Minutes(6));
  // With an agent from the second minute: ten minutes for each visit, one behind the other.
  const Ends changed = EndsOf(recording, ShopConfig());
  ASSERT_EQ(changed.at(twice).size(), 1);
  EXPECT_GE(changed.at(twice)[0].first, start + absl::Minutes(22));
  EXPECT_LT(changed.at(twice)[0].first, start + absl::Minutes(23));
}

TEST(Recording, WhoStillWaitsAtTheEndHasBeenPatient) {
  Shop shop;
  const std::string leaves = shop.Open("31600000001", "nl");
  shop.Open("31600000002", "nl");
  shop.Wait(absl::Minutes(10));
  command::v1::Command command = domain::testing::BySupervisor("leaves");
  command.mutable_resolve()->set_conversation_id(leaves);
  shop.Do(command);
  shop.Wait(absl::Minutes(30));
  shop.Open("31600000003", "nl");
  const Recording recording = Record(shop);
  ASSERT_EQ(recording.left, 1);
  ASSERT_TRUE(recording.patience.has_value());
  // Ten minutes of one who left, forty of one who did not.
  EXPECT_LT(absl::AbsDuration(*recording.patience - absl::Minutes(50)), absl::Microseconds(1));
  // Who waited for forty minutes does so again, whatever is assumed of patience.
  const auto impatient = RepeatBehaviour(recording, absl::Microseconds(1));
  EXPECT_EQ(*impatient->NextCustomer()->patience, absl::Minutes(10));
  EXPECT_GE(*impatient->NextCustomer()->patience, absl::Minutes(40));
  EXPECT_THAT(Assumptions(recording, absl::Microseconds(1)),
              Contains(HasSubstr("beyond what they are known to have waited")));
}

TEST(Recording, EachVisitHasAWaitOfItsOwn) {
  Shop shop;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Wait(absl::Minutes(5));
  shop.Online("anna");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Resolve("anna", id));
  shop.Receive(domain::testing::Text("31600000001", 2, "nl"));
  shop.Do(shop.Accept(id));
  const Recording recording = Record(shop);
  ASSERT_EQ(recording.customers.size(), 2);
  const auto impatient = RepeatBehaviour(recording, absl::Microseconds(1));
  EXPECT_GE(*impatient->NextCustomer()->patience, absl::Minutes(5));
  EXPECT_LT(*impatient->NextCustomer()->patience, absl::Minutes(1));
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
  for (int i = 0; i < 2; ++i) shop.Do(shop.Decline(second));
  shop.Do(shop.Pull("anna", second));
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
