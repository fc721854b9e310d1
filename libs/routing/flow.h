#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "wissel/state/v1/state.pb.h"

// The recent flow of a queue, and what it says of those who wait: how long it will take until they
// are given to an agent, and how likely an answer comes too late. Pure functions.
//
// Definitions
//   waiting     in the queue and not on offer.
//   busy time   time during which anybody waits.
//   departure   a conversation that had waited is given (offered, or assigned at once) to an agent.
//               One that is given the moment it comes says nothing of how fast a queue moves, and
//               does not count.
//   position    1 is the next to be given.
namespace wissel::routing {

// The fold. Integers alone are kept, so every machine has the same bytes. `now` is the decision's
// time; where it lies before what has been counted, the latter is taken. What is older than an hour
// is dropped. O(12).

// A conversation begins (+1) or ceases (-1) to wait. Never counts below 0.
void NoteWaiting(state::v1::QueueState& queue, int delta, absl::Time now);
// A conversation of the queue is given to an agent, having waited so long.
void NoteDeparture(state::v1::QueueState& queue, absl::Duration waited, absl::Time now);
// The first answer to a conversation, so long after its agent began.
void NoteAnswered(state::v1::QueueState& queue, absl::Duration after, absl::Time now);
// An agent is done with a conversation (resolved, handed on, parked), having had it so long.
void NoteHandled(state::v1::QueueState& queue, absl::Duration handle_time, absl::Time now);

// Who serves a queue at the moment.
struct Staffing {
  // At work, and served by the queue's requirement.
  int32_t agents = 0;
  // Conversations of the queue that they could hold at once, if they held nothing else.
  int32_t slots = 0;
  // Share of what they can hold that they hold, 0 to 1.
  double busy_share = 1.0;
};

// How long it will take until the conversation at `position` (1 or more) is given to an agent.
// Nothing where nobody is at work. Rises with the position.
//
// The queue's rate of departures while busy is unknown; the belief about it is a gamma distribution,
// the conjugate prior of a Poisson process (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6):
//
//   shape a = a0 + D                rate b = a0 / r0 + B
//   D, B    departures and busy time of the last hour; a bucket counts half for each half-life that
//           has passed since
//   r0      what the staff can do: slots in use / mean handle time
//   a0      how many departures that is worth
//
// Expected are `position` departures at the mean of that belief: position x b / a.
std::optional<absl::Duration> ExpectedWait(const state::v1::QueueState& queue, int32_t position,
                                           const Staffing& staffing, absl::Time now);

// The probability, of 1,000, that the conversation at `position` gets its first answer later than
// `time_left` from now. Nothing where nobody is at work (and 1,000 once no time is left). Rises with
// the position, falls with the time.
//
// With the belief above, the number of departures within t is negative binomial, and the chance of
// fewer than `position` is I_x(a, position), x = b / (b + t): the regularised incomplete beta function
// (NIST DLMF 8.17). Of `time_left`, the mean time from being given to the first answer is set aside.
std::optional<int32_t> MissProbability(const state::v1::QueueState& queue, int32_t position,
                                       absl::Duration time_left, const Staffing& staffing,
                                       absl::Time now);

// I_x(a, b), for a, b > 0 and 0 <= x <= 1, to about 1e-10 (DLMF 8.17.22, by continued fraction).
double RegularisedBeta(double x, double a, double b);

}  // namespace wissel::routing
