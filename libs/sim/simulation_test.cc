#include "libs/sim/simulation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing_shop.h"
#include "libs/sim/plot.h"
#include "libs/sim/scenario.h"
#include "libs/testing/status_matchers.h"

namespace wissel::sim {
namespace {

using domain::testing::ShopConfig;
using ::testing::HasSubstr;

// The test shop for a day.
Scenario Day() {
  Scenario scenario;
  scenario.start = "2026-03-02T08:00:00Z";
  scenario.length = absl::Hours(6);
  for (const char* language : {"nl", "en"}) {
    Arrivals& arrivals = scenario.arrivals.emplace_back();
    arrivals.account = "shop-phone";
    arrivals.language = language;
    arrivals.per_hour = 15;
    arrivals.patience = Distribution{.mean = absl::Minutes(20)};
  }
  scenario.handling.push_back({.time = {.mean = absl::Minutes(6)}, .customer_turns = 1});
  scenario.agents.missed_share = 0.05;
  scenario.agents.declined_share = 0.05;
  scenario.agents.disconnects = {.per_hour = 1, .lasts = {.mean = absl::Seconds(40)}};
  return scenario;
}

struct Played {
  Report report;
  uint64_t hash = 0;
  int64_t assigned = 0;
  std::vector<Outcome> outcomes;
};

Played Play(const Scenario& scenario, const config::v1::WorkspaceConfig& config) {
  Played played;
  domain::State state;
  SimulationOptions options = OptionsOf(scenario, config);
  options.on_decision = [&](const log::v1::Decision& decision) {
    state.Apply(decision);
    for (const auto& event : decision.events()) played.assigned += event.has_assigned() ? 1 : 0;
    for (const auto& [key, agent] : state.agents()) {
      ASSERT_LE(agent.used_units(), agent.capacity_units()) << key;
    }
  };
  options.on_outcome = [&](const Outcome& outcome) { played.outcomes.push_back(outcome); };
  const auto behaviour = DrawBehaviour(scenario, config, static_cast<uint64_t>(scenario.seed));
  played.report = Simulate(std::move(options), *behaviour);
  played.hash = state.Hash();
  return played;
}

TEST(Simulation, TheSameSeedGivesTheSameDayAndEverybodyIsAccountedFor) {
  const Played one = Play(Day(), ShopConfig());
  const Played two = Play(Day(), ShopConfig());
  EXPECT_EQ(one.hash, two.hash);
  EXPECT_EQ(one.report.decisions, two.report.decisions);
  Scenario another = Day();
  another.seed = 2;
  EXPECT_NE(Play(another, ShopConfig()).hash, one.hash);

  const QueueReport& total = one.report.total;
  EXPECT_GT(total.served, 100);
  EXPECT_GT(total.abandoned, 0);
  EXPECT_EQ(total.arrived, total.served + total.abandoned + total.left_waiting);
  EXPECT_EQ(static_cast<int64_t>(one.outcomes.size()), total.arrived);
  EXPECT_EQ(total.offers.made, total.offers.accepted + total.offers.declined + total.offers.missed +
                                   total.offers.withdrawn);
  EXPECT_GT(total.offers.missed, 0);
  EXPECT_GT(total.offers.declined, 0);
  int64_t conversations = 0;
  for (const AgentReport& agent : one.report.agents) {
    conversations += agent.conversations;
    EXPECT_GT(agent.occupancy, 0) << agent.agent_id;
    EXPECT_LE(agent.occupancy, 1) << agent.agent_id;
  }
  EXPECT_GE(conversations, total.served);
  EXPECT_GE(one.assigned, conversations);
}

TEST(Simulation, ConnectionsAreLostAndComeBack) {
  const auto lost = [](double per_hour) {
    Scenario scenario = Day();
    scenario.agents = {};
    scenario.agents.disconnects = {.per_hour = per_hour, .lasts = {.mean = absl::Seconds(40)}};
    const auto config = ShopConfig();
    SimulationOptions options = OptionsOf(scenario, config);
    std::set<std::string> away;
    int64_t lost = 0;
    options.on_decision = [&](const log::v1::Decision& decision) {
      for (const auto& event : decision.events()) {
        if (event.has_agent_disconnected()) {
          ++lost;
          EXPECT_TRUE(away.insert(event.agent_disconnected().agent_id()).second);
        } else if (event.has_agent_connected()) {
          away.erase(event.agent_connected().agent_id());
        } else if (event.has_reply_sent()) {
          EXPECT_FALSE(away.contains(event.reply_sent().actor().agent_id()));
        }
      }
    };
    const auto behaviour = DrawBehaviour(scenario, config, 1);
    Simulate(std::move(options), *behaviour);
    EXPECT_LE(away.size(), 1u);
    return lost;
  };
  EXPECT_EQ(lost(0), 0);
  EXPECT_NEAR(static_cast<double>(lost(3)), 3 * 6 * 3, 25) << "three agents, six hours";
}

TEST(Simulation, TellsHowFarItIs) {
  const auto config = ShopConfig();
  Scenario scenario = Day();
  for (Arrivals& arrivals : scenario.arrivals) arrivals.per_hour = 60;
  SimulationOptions options = OptionsOf(scenario, config);
  std::vector<double> told;
  options.on_progress = [&](double share) { told.push_back(share); };
  const auto behaviour = DrawBehaviour(scenario, config, 1);
  const Report report = Simulate(std::move(options), *behaviour);
  ASSERT_GE(report.decisions, 2000);
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_GT(told.front(), 0);
  EXPECT_LT(told.front(), 1);
  EXPECT_LE(told.back(), 1);
}

TEST(Simulation, NobodyWaitsBeyondTheirPatience) {
  Scenario scenario = Day();
  for (Arrivals& arrivals : scenario.arrivals) {
    arrivals.per_hour = 60;
    arrivals.patience =
        Distribution{.kind = Distribution::Kind::kConstant, .mean = absl::Minutes(3)};
  }
  const Played played = Play(scenario, ShopConfig());
  int64_t left = 0;
  for (const Outcome& outcome : played.outcomes) {
    EXPECT_LE(outcome.wait, absl::Minutes(3));
    if (outcome.fate == Outcome::Fate::kAbandoned) {
      EXPECT_EQ(outcome.wait, absl::Minutes(3));
      ++left;
    }
  }
  EXPECT_EQ(left, played.report.total.abandoned);
  EXPECT_GT(left, 100);
}

TEST(Simulation, WorkIsDoneInShiftsAndFinishedAfterThem) {
  Scenario scenario = Day();
  scenario.agents = {};
  scenario.shifts.push_back(
      {.from = "10:00", .to = "12:00", .breaks = {{.from = "11:00", .to = "11:30"}}});
  const auto at = [&](int minutes) { return scenario.StartTime() + absl::Minutes(minutes); };
  SimulationOptions options = OptionsOf(scenario, ShopConfig());
  int64_t in_shift = 0;
  int64_t accepted = 0;
  absl::Time last_reply;
  options.on_decision = [&](const log::v1::Decision& decision) {
    const absl::Time time = absl::FromUnixSeconds(decision.time().seconds());
    for (const auto& event : decision.events()) {
      if (event.has_offered()) {
        ++accepted;
        in_shift += (time >= at(120) && time < at(180)) || (time >= at(210) && time < at(240));
      }
      if (event.has_reply_sent()) last_reply = time;
    }
  };
  const auto config = ShopConfig();
  const auto behaviour = DrawBehaviour(scenario, config, 1);
  const Report report = Simulate(std::move(options), *behaviour);
  EXPECT_GT(accepted, 20);
  EXPECT_EQ(in_shift, accepted);
  EXPECT_GT(last_reply, at(240));
  EXPECT_LT(last_reply, at(300));
  for (const AgentReport& agent : report.agents) {
    EXPECT_GE(agent.on_duty, absl::Minutes(90)) << agent.agent_id;
    EXPECT_LT(agent.on_duty, absl::Minutes(150)) << agent.agent_id;
  }
  EXPECT_EQ(report.rejected_commands, 0);
}

// Nobody is fetched from a break: not after offers that were missed before it, nor by a connection
// that was lost and is back.
TEST(Simulation, ABreakLastsUntilItsEnd) {
  Scenario missing = Day();
  missing.agents = {};
  missing.shifts.push_back(
      {.from = "08:00", .to = "14:00", .breaks = {{.from = "09:00", .to = "13:00"}}});
  Scenario losing = missing;
  missing.agents.missed_share = 0.7;
  missing.agents.back_after = absl::Minutes(20);
  const auto constant = Distribution::Kind::kConstant;
  losing.agents.disconnects = {.per_hour = 6,
                               .lasts = {.kind = constant, .mean = absl::Minutes(3)}};
  for (const Scenario& scenario : {missing, losing}) {
    const auto in_break = [&](absl::Time time) {
      const absl::Duration since = time - scenario.StartTime();
      return since >= absl::Hours(1) && since < absl::Hours(5);
    };
    int64_t disconnected = 0;
    int64_t sent_away = 0;
    std::set<std::string> available_again;
    const auto config = ShopConfig();
    SimulationOptions options = OptionsOf(scenario, config);
    options.on_decision = [&](const log::v1::Decision& decision) {
      const absl::Time now = FromProto(decision.time());
      for (const auto& event : decision.events()) {
        disconnected += event.has_agent_disconnected() && in_break(now);
        EXPECT_FALSE(event.has_offered() && in_break(now)) << now;
        if (!event.has_agent_presence_changed()) continue;
        const auto& changed = event.agent_presence_changed();
        sent_away += changed.cause() == conversation::v1::AgentPresenceChanged::CAUSE_MISSED_OFFERS;
        if (changed.presence() != command::v1::PRESENCE_AVAILABLE) continue;
        EXPECT_FALSE(in_break(now)) << changed.agent_id() << " " << now;
        if (now >= scenario.StartTime() + absl::Hours(5))
          available_again.insert(changed.agent_id());
      }
    };
    const auto behaviour = DrawBehaviour(scenario, config, 1);
    Simulate(std::move(options), *behaviour);
    EXPECT_EQ(available_again.size(), static_cast<size_t>(config.agents_size()));
    EXPECT_TRUE(disconnected > 20 || sent_away > 0);
  }
}

// Who is to be back from missed offers while the connection is lost is back with it.
TEST(Simulation, WhoWasSentAwayIsBackThoughTheConnectionIsLostJustThen) {
  class OneAgent : public Behaviour {
   public:
    explicit OneAgent(absl::Time start) : start_(start) {}
    std::optional<Customer> NextCustomer() override {
      if (came_) return std::nullopt;
      came_ = true;
      return Customer{.arrival = start_ + absl::Minutes(1),
                      .message = domain::testing::Text("31600000001", 1, "nl"),
                      .steps = {{.at = absl::Minutes(1)}}};
    }
    std::vector<AgentAct> AgentActs() override {
      using Kind = AgentAct::Kind;
      const auto at = [&](int seconds, Kind kind) {
        return AgentAct{.time = start_ + absl::Seconds(seconds), .agent_id = "anna", .kind = kind};
      };
      // Sent away after a minute and a half, she is to be back after eleven and a half.
      return {at(0, Kind::kConnect), at(0, Kind::kAvailable), at(685, Kind::kDisconnect),
              at(695, Kind::kReconnect)};
    }
    // Misses until she is sent away.
    Reaction React(const OfferMade& offer) override {
      return {.kind = offer.ordinal == 1 ? Reaction::Kind::kMiss : Reaction::Kind::kAccept,
              .after = absl::Seconds(1)};
    }
    absl::Duration BackAfter(absl::string_view) override { return absl::Minutes(10); }

   private:
    const absl::Time start_;
    bool came_ = false;
  };
  Scenario scenario = Day();
  config::v1::WorkspaceConfig config = ShopConfig();
  for (auto& queue : *config.mutable_queues()) queue.set_max_missed_offers(1);
  OneAgent behaviour(scenario.StartTime());
  const Report report = Simulate(OptionsOf(scenario, config), behaviour);
  EXPECT_EQ(report.total.offers.missed, 1);
  EXPECT_EQ(report.total.served, 1);
  EXPECT_GE(report.total.wait.max, absl::Seconds(635));
  EXPECT_LT(report.total.wait.max, absl::Seconds(640));
}

// A night is two shifts, as none crosses midnight; shifts may also overlap, and be written in any
// order. Whoever is still at work when the next one begins stays.
TEST(Simulation, ShiftsThatMeetAreOne) {
  Scenario scenario = Day();
  scenario.agents = {};
  scenario.length = absl::Hours(48);
  scenario.shifts = {{.from = "20:00", .to = "24:00"},
                     {.from = "00:00", .to = "06:00"},
                     {.from = "11:00", .to = "13:00"},
                     {.from = "09:00", .to = "12:00", .breaks = {{.from = "11:30", .to = "12:00"}}},
                     {.from = "14:00", .to = "15:00"}};
  const auto config = ShopConfig();
  std::vector<std::string> acts;
  for (const AgentAct& act : DrawBehaviour(scenario, config, 1)->AgentActs()) {
    if (act.agent_id != config.agents(0).agent_id()) continue;
    const char* const what = act.kind == AgentAct::Kind::kConnect     ? "connect"
                             : act.kind == AgentAct::Kind::kAvailable ? "available"
                             : act.kind == AgentAct::Kind::kAway      ? "away"
                             : act.kind == AgentAct::Kind::kLeave     ? "leave"
                                                                      : "?";
    const absl::Duration after = act.time - scenario.StartTime();
    acts.push_back(absl::StrCat(absl::FormatDuration(after), " ", what));
  }
  // It begins at 8 in the morning.
  EXPECT_EQ(absl::StrJoin(acts, ", "),
            "1h connect, 1h available, 3h30m away, 4h available, 5h leave, "
            "6h connect, 6h available, 7h leave, 12h connect, 12h available, 22h leave, "
            "25h connect, 25h available, 27h30m away, 28h available, 29h leave, "
            "30h connect, 30h available, 31h leave, 36h connect, 36h available, 46h leave");
}

TEST(Simulation, BreaksThatOverlapAreOne) {
  Scenario scenario = Day();
  scenario.agents = {};
  // Within one shift, and of two that overlap.
  scenario.shifts = {
      {.from = "08:00",
       .to = "12:00",
       .breaks = {{.from = "09:00", .to = "10:30"},
                  {.from = "09:10", .to = "09:20"},
                  {.from = "11:30", .to = "12:00"}}},
      {.from = "11:00",
       .to = "14:00",
       .breaks = {{.from = "11:45", .to = "12:30"}, {.from = "12:30", .to = "13:00"}}}};
  const auto config = ShopConfig();
  std::vector<std::string> acts;
  for (const AgentAct& act : DrawBehaviour(scenario, config, 1)->AgentActs()) {
    if (act.agent_id != "anna") continue;
    const absl::Duration after = act.time - scenario.StartTime();
    if (act.kind == AgentAct::Kind::kAway) acts.push_back(absl::FormatDuration(after) + " away");
    if (act.kind == AgentAct::Kind::kAvailable) acts.push_back(absl::FormatDuration(after));
  }
  EXPECT_EQ(absl::StrJoin(acts, ", "), "0, 1h away, 2h30m, 3h30m away, 4h30m, 4h30m away, 5h");
}

TEST(Simulation, BurstsAndShapesBringMore) {
  Scenario scenario = Day();
  scenario.arrivals.resize(1);
  scenario.arrivals[0].per_hour = 100;
  scenario.arrivals[0].shape = {{.from_hour = 9, .times = 0}, {.from_hour = 10, .times = 1}};
  scenario.arrivals[0].bursts = {{.at = absl::Hours(3), .lasts = absl::Hours(1), .times = 4}};
  const auto config = ShopConfig();
  const auto behaviour = DrawBehaviour(scenario, config, 3);
  std::vector<int> by_hour(6);
  while (const auto customer = behaviour->NextCustomer()) {
    ++by_hour[static_cast<size_t>(absl::ToInt64Hours(customer->arrival - scenario.StartTime()))];
  }
  EXPECT_NEAR(by_hour[0], 100, 30);
  EXPECT_EQ(by_hour[1], 0);
  EXPECT_NEAR(by_hour[2], 100, 30);
  EXPECT_NEAR(by_hour[3], 400, 60);
}

TEST(Simulation, WhatIsKnownOfCustomersReachesTheRules) {
  Scenario scenario = Day();
  scenario.arrivals.resize(1);
  scenario.arrivals[0].per_hour = 100;
  FactShares& facts = scenario.arrivals[0].facts;
  facts.tiers = {{.value = "gold", .share = 0.3}, {.value = "silver", .share = 0.5}};
  facts.tags = {{.value = "returns-a-lot", .share = 0.1}};
  facts.lifetime_values = {{.cents = 90'000, .share = 0.25}};
  facts.order_states = {{.value = "delayed", .share = 0.2}};
  auto config = ShopConfig();
  config::v1::Queue vip = config.queues(0);
  vip.set_queue_id("vip");
  vip.clear_rules();
  vip.add_rules()->add_contact_tiers("gold");
  *config.add_queues() = vip;
  config.mutable_queues()->SwapElements(0, config.queues_size() - 1);
  config.mutable_agents(0)->add_queue_ids("vip");

  const auto behaviour = DrawBehaviour(scenario, config, 3);
  Scenario unknown = scenario;
  unknown.arrivals[0].facts = {};
  const auto others = DrawBehaviour(unknown, config, 3);
  int all = 0;
  int gold = 0;
  int tagged = 0;
  int valued = 0;
  int delayed = 0;
  while (const auto customer = behaviour->NextCustomer()) {
    ++all;
    gold += customer->message.facts().tier() == "gold";
    tagged += customer->message.facts().tags_size();
    valued += customer->message.facts().has_lifetime_value_cents();
    delayed += customer->message.facts().order_state() == "delayed";
    // Otherwise they are who they were.
    const auto other = others->NextCustomer();
    ASSERT_TRUE(other.has_value());
    EXPECT_EQ(other->arrival, customer->arrival);
    EXPECT_EQ(other->steps.back().at, customer->steps.back().at);
    EXPECT_FALSE(other->message.has_facts());
  }
  EXPECT_NEAR(gold, 0.3 * all, 0.06 * all);
  EXPECT_NEAR(tagged, 0.1 * all, 0.05 * all);
  EXPECT_NEAR(valued, 0.25 * all, 0.06 * all);
  EXPECT_NEAR(delayed, 0.2 * all, 0.06 * all);
  const Played played = Play(scenario, config);
  int64_t in_vip = 0;
  for (const QueueReport& queue : played.report.queues) {
    if (queue.queue_id == "vip") in_vip = queue.arrived;
  }
  EXPECT_NEAR(static_cast<double>(in_vip), 0.3 * all, 0.06 * all);
}

TEST(Simulation, SlaPoliciesCountAndTheFixedTargetIsForWhoHasNone) {
  Scenario scenario = Day();
  scenario.targets.first_response = absl::Minutes(1);
  scenario.warm_up = absl::Hours(1);
  auto config = ShopConfig();
  const Report without = Play(scenario, config).report;
  EXPECT_FALSE(without.has_sla_policies);
  EXPECT_EQ(without.first_response_target, absl::Minutes(1));
  EXPECT_GT(without.total.first_response_breaches, 0);
  int64_t over_time = 0;
  for (const Slice& slice : without.slices) over_time += slice.breached;
  EXPECT_EQ(over_time, without.total.first_response_breaches);

  config::v1::SlaPolicy& policy = *config.add_sla_policies();
  policy.set_sla_policy_id("standard");
  policy.add_warn_percents(50);
  const auto promise = [&](config::v1::SlaMetric metric, absl::Duration time) {
    config::v1::SlaTarget& target = *policy.add_targets();
    target.set_metric(metric);
    target.mutable_target()->set_seconds(absl::ToInt64Seconds(time));
  };
  promise(config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(8));
  promise(config::v1::SLA_METRIC_RESOLUTION, absl::Minutes(15));
  // Counted by hand from the same run's events.
  std::set<std::string> counted;
  std::map<std::pair<int, bool>, int64_t> said;
  SimulationOptions options = OptionsOf(scenario, config);
  options.on_decision = [&](const log::v1::Decision& decision) {
    const absl::Time now = absl::FromUnixSeconds(decision.time().seconds());
    for (const auto& event : decision.events()) {
      if (event.has_conversation_opened() && now >= scenario.StartTime() + scenario.warm_up) {
        counted.insert(event.conversation_opened().conversation_id());
      }
      if (event.has_sla_warned() && counted.contains(event.sla_warned().conversation_id())) {
        ++said[{event.sla_warned().metric(), false}];
      }
      if (event.has_sla_breached() && counted.contains(event.sla_breached().conversation_id())) {
        ++said[{event.sla_breached().metric(), true}];
      }
    }
  };
  const auto behaviour = DrawBehaviour(scenario, config, static_cast<uint64_t>(scenario.seed));
  const Report report = Simulate(std::move(options), *behaviour);
  EXPECT_TRUE(report.has_sla_policies);
  EXPECT_FALSE(report.first_response_target.has_value());
  const auto first = static_cast<size_t>(routing::SlaMetric::kFirstResponse);
  const auto resolution = static_cast<size_t>(routing::SlaMetric::kResolution);
  EXPECT_TRUE(report.promised[first] && report.promised[resolution]);
  EXPECT_FALSE(report.promised[static_cast<size_t>(routing::SlaMetric::kNextResponse)]);
  for (const auto& [metric, index] : {std::pair(config::v1::SLA_METRIC_FIRST_RESPONSE, first),
                                      std::pair(config::v1::SLA_METRIC_RESOLUTION, resolution)}) {
    EXPECT_GT(report.total.sla[index].breached, 0);
    EXPECT_EQ(report.total.sla[index].warned, (said[{metric, false}]));
    EXPECT_EQ(report.total.sla[index].breached, (said[{metric, true}]));
  }
  EXPECT_EQ(report.total.first_response_breaches, report.total.sla[first].breached);
  over_time = 0;
  for (const Slice& slice : report.slices) over_time += slice.breached;
  EXPECT_EQ(over_time, report.total.sla[first].breached + report.total.sla[resolution].breached);
}

// Who leaves unanswered after the target has passed was answered too late, policy or none.
TEST(Simulation, WhoLeavesAfterTheTargetWasNotAnsweredInTime) {
  Scenario scenario = Day();
  scenario.length = absl::Hours(2);
  scenario.shifts = {{.from = "22:00", .to = "23:00"}};
  scenario.targets.first_response = absl::Minutes(15);
  const auto patience = [&](int minutes) {
    for (Arrivals& arrivals : scenario.arrivals) {
      arrivals.patience =
          Distribution{.kind = Distribution::Kind::kConstant, .mean = absl::Minutes(minutes)};
    }
  };
  patience(30);
  config::v1::WorkspaceConfig config = ShopConfig();
  const Report late = Play(scenario, config).report;
  ASSERT_GT(late.total.arrived, 20);
  EXPECT_EQ(late.total.abandoned, late.total.arrived);
  EXPECT_EQ(late.total.first_response_breaches, late.total.arrived);
  EXPECT_EQ(late.total.first_response.count, 0);
  patience(10);
  EXPECT_EQ(Play(scenario, config).report.total.first_response_breaches, 0);
  // As a policy that promises the same.
  patience(30);
  domain::testing::Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(15));
  EXPECT_EQ(Play(scenario, config).report.total.first_response_breaches, late.total.arrived);
}

TEST(Simulation, WhatWasBeforeTheWarmUpsEndIsNotCounted) {
  // A crowd in the first hour, whom nobody answers.
  Scenario scenario = Day();
  scenario.agents = {};
  for (Arrivals& arrivals : scenario.arrivals) {
    arrivals.bursts = {{.at = absl::ZeroDuration(), .lasts = absl::Hours(1), .times = 10}};
    arrivals.patience =
        Distribution{.kind = Distribution::Kind::kConstant, .mean = absl::Minutes(30)};
  }
  const Report all = Play(scenario, ShopConfig()).report;
  scenario.warm_up = absl::Hours(2);
  const Report later = Play(scenario, ShopConfig()).report;
  EXPECT_EQ(later.decisions, all.decisions);
  EXPECT_GT(all.total.max_waiting, 50);
  EXPECT_LT(later.total.max_waiting, 20);
  EXPECT_GT(all.total.mean_waiting, 2 * later.total.mean_waiting);
  for (const AgentReport& agent : later.agents) {
    EXPECT_GT(agent.conversations, 0);
    EXPECT_EQ(agent.conversations, agent.offers.accepted);
    EXPECT_EQ(agent.on_duty, later.end - later.start - scenario.warm_up) << agent.agent_id;
    EXPECT_LE(agent.busy, agent.on_duty);
  }
}

TEST(Simulation, AnAutomaticTextIsNoAnswer) {
  const Report without = Play(Day(), ShopConfig()).report;
  auto config = ShopConfig();
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    config::v1::OverflowRule& text = *queue.add_overflow_rules();
    text.mutable_after()->set_seconds(5);
    text.set_send_text("a moment, please");
  }
  const Report with = Play(Day(), config).report;
  ASSERT_GT(without.total.wait.p90, absl::Seconds(5)) << "some are sent it";
  EXPECT_EQ(with.total.served, without.total.served);
  EXPECT_EQ(with.total.first_response.p50, without.total.first_response.p50);
  EXPECT_EQ(with.total.first_response.p90, without.total.first_response.p90);
  EXPECT_EQ(with.total.first_response_breaches, without.total.first_response_breaches);
}

TEST(Simulation, WhoHasASkillIsFaster) {
  // Two agents, each with a desk of their own and the same customers' pace, but one knows bikes.
  config::v1::WorkspaceConfig config = ShopConfig();
  for (config::v1::Agent& agent : *config.mutable_agents()) {
    auto& skill = *agent.add_skills();
    skill.set_skill_id("bikes");
    skill.set_proficiency(agent.agent_id() == "anna" ? 8 : 3);
  }
  Scenario scenario = Day();
  scenario.agents.missed_share = scenario.agents.declined_share = 0;
  scenario.agents.disconnects = {};
  Handling expert;
  expert.skill = "bikes";
  expert.proficiency = 5;
  expert.time = {.kind = Distribution::Kind::kConstant, .mean = absl::Minutes(2)};
  Handling novice;
  novice.time = {.kind = Distribution::Kind::kConstant, .mean = absl::Minutes(10)};
  scenario.handling = {expert, novice};
  std::map<std::string, std::pair<std::string, absl::Time>> with;
  std::set<std::string> checked;
  SimulationOptions options = OptionsOf(scenario, config);
  options.on_decision = [&](const log::v1::Decision& decision) {
    for (const auto& event : decision.events()) {
      if (event.has_assigned()) {
        with.insert({event.assigned().conversation_id(),
                     {event.assigned().agent_id(), FromProto(decision.time())}});
      }
      if (!event.has_reply_sent()) continue;
      const auto& [agent, since] = with.at(event.reply_sent().conversation_id());
      EXPECT_EQ(FromProto(decision.time()) - since, absl::Minutes(agent == "anna" ? 2 : 10));
      checked.insert(agent);
    }
  };
  const auto behaviour = DrawBehaviour(scenario, config, 1);
  Simulate(std::move(options), *behaviour);
  EXPECT_GE(checked.size(), 2u);
}

TEST(Simulation, TimesAreSummarisedByNearestRank) {
  std::vector<absl::Duration> values;
  for (int i = 100; i >= 1; --i) values.push_back(absl::Seconds(i));
  const Times times = Summarise(values);
  EXPECT_EQ(times.p50, absl::Seconds(50));
  EXPECT_EQ(times.p90, absl::Seconds(90));
  EXPECT_EQ(times.p99, absl::Seconds(99));
  EXPECT_EQ(times.mean, absl::Milliseconds(50'500));
  EXPECT_EQ(Summarise({}).count, 0);
}

TEST(Plot, NeedsNothingElseAndSaysWhatItShows) {
  Plot plot{.title = "A <day> & more", .panels = {{.title = "Waits"}}};
  const absl::Time start = absl::FromUnixSeconds(1'772'438'400);
  plot.panels[0].series.push_back(
      {.name = "before", .points = {{start, 0}, {start + absl::Hours(8), 7}}});
  plot.panels[0].series.push_back({.name = "after", .points = {{start, 3}}});
  const std::string svg = ToSvg(plot);
  EXPECT_THAT(svg, HasSubstr("A &lt;day&gt; &amp; more"));
  EXPECT_THAT(svg, HasSubstr("before"));
  EXPECT_THAT(svg, HasSubstr(">08:00<"));
  EXPECT_EQ(svg.find("href"), std::string::npos);
  // Nothing to show is no failure.
  EXPECT_THAT(ToSvg({.title = "empty", .panels = {{.title = "x"}}}), HasSubstr("</svg>"));
}

// In Amsterdam the clock goes back on 25 October 2026, and forward on 29 March.
TEST(Plot, ItsTicksAreWholeStepsOfLocalTime) {
  absl::TimeZone zone;
  ASSERT_TRUE(absl::LoadTimeZone("Europe/Amsterdam", &zone));
  for (const absl::CivilDay first : {absl::CivilDay(2026, 10, 23), absl::CivilDay(2026, 3, 27)}) {
    for (const int days : {1, 3, 6, 14}) {
      Plot plot{.title = "x", .zone = zone, .panels = {{.title = "Waits"}}};
      plot.panels[0].series.push_back({.name = "a",
                                       .points = {{absl::FromCivil(first, zone), 1},
                                                  {absl::FromCivil(first + days, zone), 1}}});
      const std::string svg = ToSvg(plot);
      std::vector<std::string> labels;
      for (size_t at = 0; (at = svg.find("text-anchor=\"middle\">", at)) != std::string::npos;) {
        at = svg.find('>', at) + 1;
        labels.push_back(svg.substr(at, svg.find('<', at) - at));
      }
      std::vector<std::string> expected;
      const int step = days == 1 ? 120 : days == 3 ? 360 : days == 6 ? 720 : 2880;
      for (int minute = 0; minute <= days * 1440; minute += step) {
        expected.push_back(
            absl::FormatTime(step < 1440 ? "%H:%M" : "%d %b",
                             absl::FromCivil(absl::CivilMinute(first) + minute, zone), zone));
      }
      EXPECT_EQ(absl::StrJoin(labels, " "), absl::StrJoin(expected, " ")) << first << " " << days;
    }
  }
}

TEST(Plot, IsBrokenWhereThereIsNothingToShow) {
  const absl::Time start = absl::FromUnixSeconds(1'772'438'400);
  sim::Series series{.name = "wait", .points = {}};
  for (const std::optional<double> value :
       std::initializer_list<std::optional<double>>{1, std::nullopt, 1, 1, std::nullopt}) {
    series.points.emplace_back(start + absl::Hours(series.points.size()), value);
  }
  const std::string svg = ToSvg({.title = "t", .panels = {{.title = "p", .series = {series}}}});
  // One hour of four is 204 wide. The first is a dot.
  EXPECT_THAT(svg, HasSubstr("points=\"64.0,88.0 64.0,88.0\""));
  EXPECT_THAT(svg, HasSubstr("points=\"472.0,88.0 676.0,88.0\""));
}

}  // namespace
}  // namespace wissel::sim
