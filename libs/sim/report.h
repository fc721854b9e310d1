#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/routing/sla.h"

namespace wissel::sim {

// What became of a conversation.
struct Outcome {
  std::string conversation_id;
  // Where it was put first.
  std::string queue_id;
  absl::Time arrival;
  enum class Fate {
    kServed,
    // The customer left before an agent had it.
    kAbandoned,
    // Neither, when the run ended.
    kLeftWaiting,
  };
  Fate fate = Fate::kLeftWaiting;
  // From its arrival until an agent had it, the customer left or the run ended.
  absl::Duration wait;
};

struct Offers {
  int64_t made = 0;
  int64_t accepted = 0;
  int64_t declined = 0;
  int64_t missed = 0;
  int64_t withdrawn = 0;
};

// The value of sorted ones, of which there are some, that has at least so large a share of them up
// to it: the percentile by nearest rank. In hundredths.
template <typename Value>
Value NearestRank(const std::vector<Value>& sorted, size_t percent) {
  return sorted[std::max<size_t>((sorted.size() * percent + 99) / 100, 1) - 1];
}

// Of a set of durations; percentiles by nearest rank.
struct Times {
  int64_t count = 0;
  absl::Duration mean;
  absl::Duration p50;
  absl::Duration p90;
  absl::Duration p99;
  absl::Duration max;
};

Times Summarise(std::vector<absl::Duration> values);

// What the engine said of one of a conversation's clocks.
struct SlaFigures {
  // Shares of the target that were used up, below the whole of it.
  int64_t warned = 0;
  int64_t breached = 0;
};

// By metric.
using SlaReport = std::array<SlaFigures, routing::kSlaMetrics.size()>;

// A queue's figures, or all queues'. Counts conversations that came behind the warm-up, and what
// waited from then on, whenever it came.
struct QueueReport {
  std::string queue_id;
  int64_t arrived = 0;
  int64_t served = 0;
  int64_t abandoned = 0;
  int64_t left_waiting = 0;
  // Of those served.
  Times wait;
  Times first_response;
  // Served within the service level's time.
  int64_t in_time = 0;
  // First responses later than promised by the SLA policies, or, where the configuration has none,
  // than the fixed target; those never given included once it has passed.
  int64_t first_response_breaches = 0;
  SlaReport sla = {};
  Offers offers;
  // Conversations that nobody has yet, those being offered included.
  double mean_waiting = 0;
  int64_t max_waiting = 0;
};

// From the warm-up's end on, whenever the conversations came.
struct AgentReport {
  std::string agent_id;
  int64_t conversations = 0;
  Offers offers;
  // Signed in, and not away.
  absl::Duration on_duty;
  // Holding at least one conversation.
  absl::Duration busy;
  // Units held, of the units there were, over the time on duty.
  double occupancy = 0;
};

// A stretch of the run.
struct Slice {
  absl::Time begin;
  int64_t arrived = 0;
  // Of those who came in it.
  Times wait;
  // Breaches in it, whenever the conversation came: of all clocks, or of the fixed target.
  int64_t breached = 0;
  double mean_waiting = 0;
  double occupancy = 0;
  // Average number of agents on duty.
  double agents = 0;
};

struct Report {
  absl::Time start;
  absl::Time end;
  absl::Duration slice;
  std::optional<absl::Duration> service_level;
  // True where SLA policies were in force: what they promise, by metric, counts as a breach.
  bool has_sla_policies = false;
  std::array<bool, routing::kSlaMetrics.size()> promised = {};
  // Counts in their place; nothing where they are there.
  std::optional<absl::Duration> first_response_target;
  QueueReport total;
  std::vector<QueueReport> queues;  // in the configuration's order
  std::vector<AgentReport> agents;  // by id
  std::vector<Slice> slices;
  double occupancy = 0;
  // What the engine was asked and said.
  int64_t decisions = 0;
  int64_t events = 0;
  int64_t rejected_commands = 0;
};

}  // namespace wissel::sim
