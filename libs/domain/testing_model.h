#pragma once

#include <map>
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

  const State& state() const { return state_; }

 private:
  std::string CheckGiven(const std::string& conversation_id, const std::string& agent_id,
                         const conversation::v1::Explanation& explanation) const;
  // With everything that is known of the agents and of what waits.
  routing::testing::NaiveMatcher Matcher() const;
  std::map<std::pair<TimerKind, std::string>, absl::Time> WantedTimers() const;
  routing::Waiting WaitingOf(const state::v1::ConversationState& conversation) const;

  State state_;
};

}  // namespace wissel::domain::testing
