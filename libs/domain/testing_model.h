#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "libs/domain/state.h"
#include "libs/domain/timers.h"
#include "libs/routing/testing/naive_matcher.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::domain::testing {

// The engine once more, as plainly as can be: it keeps nothing but the folded log, and works out
// anew, from every agent and everything that waits, what the engine may give out and when it must
// look again. For the routing group of testing.h.
class EngineModel {
 public:
  // Folds a decision in. What is wrong with what it gives out; empty: nothing.
  std::string Follow(const log::v1::Decision& decision);
  // What is wrong with what waits now; not to be asked while something is still due.
  std::string CheckWaiting() const;
  // What is wrong with the timers: one that is missing, or for nothing. Under the same condition.
  std::string CheckTimers(const Timers& timers) const;
  // What is wrong with what was said of the clocks, and with which of them run. Under the same
  // condition.
  std::string CheckClocks() const;

  const State& state() const { return state_; }

 private:
  // What was said of a clock's cycle, and what followed.
  struct Cycle {
    int32_t points = 0;
    int32_t relax_steps = 0;
    // By policy and number.
    std::set<std::pair<std::string, int32_t>> steps_taken;
    int32_t said_percent = 0;
  };

  // What it has seen of a conversation; of these rules it takes nothing from the state.
  struct Seen {
    // Where it waits or waited, and since when.
    std::string queue_id;
    absl::Time place = absl::InfinitePast();
    // Of the queue's overflow rules: those applied since it got that place in it, and those passed
    // over since it was last queued.
    std::set<int> rules_applied;
    std::set<int> rules_passed_over;
    bool anyone = false;
    // By clock, of its present cycle.
    std::map<config::v1::SlaMetric, Cycle> cycles;
    // The same, of a conversation that has been merged into another.
    std::map<config::v1::SlaMetric, Cycle> handed_on;
    std::optional<absl::Time> answered;
    // When it last became somebody's.
    absl::Time taken_up = absl::InfinitePast();
    // Who declined or missed it, and until when they are not asked.
    std::map<std::string, absl::Time> excluded;
    // Who had it last, and when that was: now, or until it was parked or resolved.
    std::string agent_id;
    absl::Time had;
    std::string sticky_agent_id;
    bool resolved = false;
    // Whose it is: the account and contact.
    std::string whose;
  };

  // Takes an event in, before the state does. What is wrong with it.
  std::string See(const conversation::v1::Event& event);
  std::string SeeQueued(const conversation::v1::Queued& queued);
  std::string SeeOverflowed(const conversation::v1::Overflowed& overflowed);
  std::string SeePassedOver(const conversation::v1::OverflowPassedOver& passed_over);
  // What is wrong with looking at the queue's rule now.
  std::string CheckLookedAt(const Seen& seen, const config::v1::Queue& queue, int rule) const;
  void SeeConfig(const config::v1::WorkspaceConfig& config);
  bool IsAnswer(const conversation::v1::ReplySent& reply) const;
  void Exclude(const std::string& conversation_id, const std::string& agent_id);

  std::string CheckGiven(const std::string& conversation_id, const std::string& agent_id,
                         const conversation::v1::Explanation& explanation) const;
  // With everything that is known of the agents and of what waits.
  routing::testing::NaiveMatcher Matcher() const;
  std::map<std::pair<TimerKind, std::string>, absl::Time> WantedTimers() const;
  routing::Waiting WaitingOf(const state::v1::ConversationState& conversation) const;

  State state_;
  std::map<std::string, Seen> seen_;
};

}  // namespace wissel::domain::testing
