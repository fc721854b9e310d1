#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/routing/sla.h"
#include "libs/sim/report.h"
#include "libs/sim/simulation.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/state/v1/state.pb.h"

namespace wissel::sim {

// The integral over time of something that changes in steps, in slices.
class OverTime {
 public:
  // The total is that from `counted_from` on.
  OverTime(absl::Time begin, absl::Duration slice, size_t slices, absl::Time counted_from);

  double value() const { return value_; }
  void Set(absl::Time now, double value);
  void Advance(absl::Time now);
  // Value times seconds.
  double InSlice(size_t i) const { return sums_[i]; }
  double total() const { return total_; }

 private:
  absl::Time begin_;
  absl::Duration slice_;
  absl::Time counted_from_;
  absl::Time last_;
  double value_ = 0;
  std::vector<double> sums_;
  double total_ = 0;
};

// Counts what a run comes to, and makes its report. Queues and agents are numbered as they appear.
//
// Of the options it needs the start, the length, the run-out, the warm-up, the targets and
// `on_outcome`; they must outlive it.
class Figures {
 public:
  explicit Figures(const SimulationOptions& options);

  // A configuration that is in force at some time of the run.
  void Takes(const config::v1::WorkspaceConfig& config);
  // True for conversations that are counted: those that come behind the warm-up and in time.
  bool Counts(absl::Time arrival) const;

  int FindQueue(absl::string_view id);
  void Arrived(absl::Time arrival);
  void SetWaiting(int queue, absl::Time now, bool waiting);
  double waiting() const { return waiting_.value(); }
  // The wait of a counted conversation that was first put into this queue is over.
  void WaitIsOver(int queue, const std::string& conversation_id, absl::Time arrival, absl::Time now,
                  Outcome::Fate fate);
  // Its first answer.
  void Answered(int queue, absl::Time arrival, absl::Time now);
  // Against the fixed target, which counts for want of SLA policies, of a conversation that is
  // answered now, or over, or open when the run ends, without an answer until then. True: it is
  // late, and counted as such.
  bool HoldAgainstTarget(int queue, absl::Time arrival, absl::Time now);
  // Something was said of a clock of its: a share of the target, or the breach.
  void Said(int queue, routing::SlaMetric metric, bool breach, absl::Time now);

  int AddAgent(const std::string& id, absl::Time now);
  // As the engine has the agent from now on; null: no longer.
  void Look(int agent, const state::v1::AgentState* state, absl::Time now);
  int32_t UsedUnits(int agent) const { return agents_[static_cast<size_t>(agent)].used; }
  void GotConversation(int agent, absl::Time now);
  // Of an agent, and of a counted conversation's queue, where they are known (not negative).
  void CountAgentsOffer(int agent, absl::Time now, int64_t Offers::*what);
  void CountOffer(int queue, int64_t Offers::*what);

  Report Finish(absl::Time now);

 private:
  struct Queue {
    std::string queue_id;
    std::vector<absl::Duration> waits;
    std::vector<absl::Duration> first_responses;
    int64_t arrived = 0;
    int64_t abandoned = 0;
    int64_t left_waiting = 0;
    int64_t in_time = 0;
    int64_t over_target = 0;
    SlaReport sla = {};
    Offers offers;
    OverTime waiting;
    int64_t max_waiting = 0;
  };
  struct Agent {
    std::string id;
    // Since `since`, as the engine has it.
    absl::Time since;
    bool on_duty = false;
    int32_t used = 0;
    int32_t capacity = 0;
    absl::Duration duty;
    absl::Duration busy;
    double used_seconds = 0;
    double capacity_seconds = 0;
    int64_t conversations = 0;
    Offers offers;
  };

  OverTime NewOverTime() const { return OverTime(options_.start, slice_, slices_, counted_from_); }
  Queue& At(int queue) { return queues_[static_cast<size_t>(queue)]; }
  size_t SliceOf(absl::Time time) const;
  QueueReport ReportQueue(Queue& queue, double seconds) const;
  std::vector<Slice> ReportSlices(absl::Time now);

  const SimulationOptions& options_;
  const absl::Time counted_from_;  // behind the warm-up
  const absl::Duration slice_;
  const size_t slices_;
  std::array<bool, routing::kSlaMetrics.size()> promised_ = {};
  bool has_policies_ = false;
  OverTime waiting_;
  int64_t max_waiting_ = 0;
  OverTime used_;
  OverTime capacity_;
  OverTime on_duty_;
  std::vector<std::vector<absl::Duration>> slice_waits_;
  std::vector<int64_t> slice_arrived_;
  std::vector<int64_t> slice_breached_;
  std::vector<int64_t> slice_over_target_;
  std::vector<Queue> queues_;
  absl::flat_hash_map<std::string, int> queue_of_;
  std::vector<Agent> agents_;
};

}  // namespace wissel::sim
