#pragma once

// What queueing theory says of the plainest desk there is, and what the simulator makes of it.

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "libs/sim/scenario.h"
#include "libs/sim/simulation.h"

namespace wissel::sim {

// `agents` alike, customers who come at `load` times what all agents together can serve,
// exponential gaps, service and patience (M/M/c and M/M/c+M).
struct PlainDesk {
  int agents = 10;
  double load = 0.8;
  absl::Duration service = absl::Minutes(5);
  // Zero: nobody leaves.
  absl::Duration patience;

  double ArrivalRate() const { return load * agents * ServiceRate(); }
  double ServiceRate() const { return 1 / absl::ToDoubleSeconds(service); }
};

struct Theory {
  double waits = 0;        // the share that waits at all
  double mean_wait = 0;    // of all, in seconds
  double abandonment = 0;  // the share that leaves
};

// Erlang C: A. K. Erlang, "Solution of some problems in the theory of probabilities of significance
// in automatic telephone exchanges" (1917); as in Gross, Shortle, Thompson and Harris,
// "Fundamentals of Queueing Theory", 4th edition, section 2.3. With a = λ/μ the blocking
// probability follows the recursion B(n) = a B(n-1) / (n + a B(n-1)); C = B / (1 - ρ (1 - B)); W =
// C / (cμ - λ).
inline Theory ErlangC(const PlainDesk& desk) {
  const double a = desk.load * desk.agents;
  double blocking = 1;
  for (int n = 1; n <= desk.agents; ++n) blocking = a * blocking / (n + a * blocking);
  Theory theory;
  theory.waits = blocking / (1 - desk.load * (1 - blocking));
  theory.mean_wait = theory.waits / (desk.agents * desk.ServiceRate() - desk.ArrivalRate());
  return theory;
}

// Erlang A: C. Palm, "Research on telephone traffic carried by full availability groups" (1957); as
// in Garnett, Mandelbaum and Reiman, "Designing a call center with impatient customers",
// Manufacturing & Service Operations Management 4(3), 2002. The number in the system is a
// birth-and-death chain with births λ and deaths min(n, c) μ + max(n - c, 0) θ; an arrival finds it
// in its stationary state (PASTA), Little's law gives the mean wait E[Q] / λ of all who come, and
// who is waiting leaves at rate θ, so the share that leaves is θ E[Q] / λ.
inline Theory ErlangA(const PlainDesk& desk) {
  const double birth = desk.ArrivalRate();
  const double leave = 1 / absl::ToDoubleSeconds(desk.patience);
  double term = 1;
  double sum = 0;
  double busy = 0;
  double queue = 0;
  for (int n = 0; n < 100'000 && (n < 2 * desk.agents || term > 1e-18 * sum); ++n) {
    sum += term;
    if (n >= desk.agents) {
      busy += term;
      queue += term * (n - desk.agents);
    }
    const double deaths = std::min(n + 1, desk.agents) * desk.ServiceRate() +
                          std::max(n + 1 - desk.agents, 0) * leave;
    term *= birth / deaths;
  }
  return {.waits = busy / sum,
          .mean_wait = queue / sum / birth,
          .abandonment = leave * queue / sum / birth};
}

// An estimate with the half-width of its confidence interval.
struct Estimate {
  double mean = 0;
  double half_width = 0;
  bool Covers(double value) const { return std::abs(value - mean) <= half_width; }
  std::string Text() const { return absl::StrCat(mean, " ± ", half_width); }
};

// By batch means: 20 batches, Student's t with 19 degrees of freedom at 99.9 %.
inline constexpr int kBatches = 20;
inline Estimate FromBatches(const std::vector<double>& values) {
  constexpr double kStudent = 3.883;
  const size_t size = values.size() / kBatches;
  double mean = 0;
  std::vector<double> batches;
  for (int b = 0; b < kBatches; ++b) {
    double sum = 0;
    for (size_t i = 0; i < size; ++i) sum += values[static_cast<size_t>(b) * size + i];
    batches.push_back(sum / static_cast<double>(size));
    mean += batches.back() / kBatches;
  }
  double squares = 0;
  for (const double batch : batches) squares += (batch - mean) * (batch - mean);
  return {.mean = mean, .half_width = kStudent * std::sqrt(squares / (kBatches - 1) / kBatches)};
}

struct Simulated {
  Estimate waits;
  Estimate mean_wait;
  Estimate abandonment;
};

// The desk through the real engine: one queue that assigns without asking, agents with one unit.
inline Simulated SimulateDesk(const PlainDesk& desk, int conversations, int64_t seed) {
  config::v1::WorkspaceConfig config;
  config.set_workspace_id("plain");
  config.add_routing_groups()->set_routing_group_id("desk");
  config::v1::Account& account = *config.add_accounts();
  account.mutable_account()->set_kind(common::v1::CHANNEL_KIND_CHAT);
  account.mutable_account()->set_account_id("chat");
  account.set_routing_group_id("desk");
  config::v1::Queue& queue = *config.add_queues();
  queue.set_queue_id("all");
  queue.set_routing_group_id("desk");
  queue.set_auto_accept(true);
  config::v1::ChannelPolicy& channel = *config.add_channels();
  channel.set_kind(common::v1::CHANNEL_KIND_CHAT);
  channel.set_weight_units(1);
  for (int i = 0; i < desk.agents; ++i) {
    config::v1::Agent& agent = *config.add_agents();
    agent.set_agent_id(absl::StrCat("agent-", i));
    agent.set_routing_group_id("desk");
    agent.add_queue_ids("all");
    agent.set_capacity_units(1);
  }
  // What is over is forgotten soon, so that a long run stays small.
  *config.mutable_conversations()->mutable_reopen_window() = ToProto(absl::Seconds(1));
  *config.mutable_conversations()->mutable_forget_after() = ToProto(absl::Seconds(1));

  Scenario scenario;
  scenario.seed = seed;
  scenario.length = absl::Seconds(conversations / desk.ArrivalRate());
  scenario.warm_up = scenario.length / 20;
  Arrivals& arrivals = scenario.arrivals.emplace_back();
  arrivals.account = "chat";
  arrivals.per_hour = desk.ArrivalRate() * 3600;
  if (desk.patience > absl::ZeroDuration()) arrivals.patience = Distribution{.mean = desk.patience};
  scenario.handling.push_back({.time = {.mean = desk.service}});
  config.set_version(1);
  SimulationOptions options = OptionsOf(scenario, config);
  std::vector<double> waits;
  std::vector<double> waited;
  std::vector<double> left;
  // In the order of their arrival, so that batches are stretches of time.
  std::map<absl::Time, Outcome> outcomes;
  options.on_outcome = [&](const Outcome& outcome) { outcomes.emplace(outcome.arrival, outcome); };
  const std::unique_ptr<Behaviour> behaviour =
      DrawBehaviour(scenario, config, static_cast<uint64_t>(seed));
  Simulate(std::move(options), *behaviour);
  for (const auto& [arrival, outcome] : outcomes) {
    waits.push_back(absl::ToDoubleSeconds(outcome.wait));
    waited.push_back(outcome.wait > absl::ZeroDuration() ? 1 : 0);
    left.push_back(outcome.fate == Outcome::Fate::kAbandoned ? 1 : 0);
  }
  return {.waits = FromBatches(waited),
          .mean_wait = FromBatches(waits),
          .abandonment = FromBatches(left)};
}

}  // namespace wissel::sim
