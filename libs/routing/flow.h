#pragma once

#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "wissel/state/v1/state.pb.h"

// The recent flow of a queue, and what it says of those who wait: how long it will take until they
// are given to an agent, and how likely their answer comes too late. Pure functions.
//
// Definitions
//   waiting     in the queue and not on offer.
//   given       offered to an agent, or assigned at once.
//   departure   a conversation that had waited is given. One that is given the moment it comes does
//               not count: it says nothing of how fast those who wait get on.
//   busy time   time during which anybody waits.
//   position    1 is the next to be given. Of those before it each counts by the share of the
//   agents
//               who can do what it asks that can do what this conversation asks as well, so that
//               a position need not be whole (see Matcher::StandingOf).
namespace wissel::routing {

// The fold: to be called as the events are applied. Only integers are kept, so that every machine
// has the same bytes. `now` is the decision's time; where it lies before what has been counted, the
// latter is taken. What is older than an hour is dropped. Each call is O(12).

// A conversation begins (+1) or ceases (-1) to wait. Never counts below 0.
void NoteWaiting(state::v1::QueueState& queue, int delta, absl::Time now);
// A conversation is given to an agent, having waited so long.
void NoteDeparture(state::v1::QueueState& queue, absl::Duration waited, absl::Time now);
// A conversation has ceased to wait in this queue without being given: the customer left, it went
// to another queue, was answered by a bot.
void NoteLeft(state::v1::QueueState& queue, absl::Time now);
// A conversation has got its first answer, its agent having had it so long.
void NoteAnswered(state::v1::QueueState& queue, absl::Duration after, absl::Time now);
// An agent is done with a conversation (resolved, handed on, parked), having had it so long.
void NoteHandled(state::v1::QueueState& queue, absl::Duration handle_time, absl::Time now);

// Who serves a queue at the moment.
struct Staffing {
  // At work: available, or full; not away.
  int32_t agents = 0;
  // How many conversations of the queue they hold at once when they hold nothing else.
  int32_t slots = 0;
  // Share of what they can hold that they do hold, 0 to 1.
  double busy_share = 1.0;
  // Share of them that can do what the conversation asks, 0 to 1.
  double able_share = 1.0;
  // The same share of those who can do what any that waits in the queue asks.
  double able_of_asked_share = 1.0;
};

// How long it takes until the conversation at `position` is given to an agent. Nothing where nobody
// is at work who can do what it asks. Rises with the position; a position below 1 is taken for 1.
//
// The rate of departures while busy is not known; the belief about it is a gamma distribution, the
// conjugate prior of a Poisson process's rate (Gelman et al., Bayesian Data Analysis, 3rd
// ed., 2.6):
//
//   shape a = a0 + D, rate b = a0 / r0 + B, mean r = a / b, where
//   D, B   departures and busy time of the last hour; they count half for each half-life since. Of
//          the departures count as many as of the agents who could have been given any of those
//          that wait could have been given this one: able_of_asked_share
//   r0     what the staff can do: slots in use x able_share / mean handle time
//   a0     how many departures r0 is worth
//
// Those ahead may also leave: each does so at the rate t, which is the number of those who left in
// the last hour / the time that all waited, together. So position p becomes the next after
// sum over k < p of 1 / (r + k t), as in an M/M/s+M queue (Whitt, Predicting Queueing Delays,
// Management Science 45(6), 1999). With p* = 1 + (r / t) log((r + (p - 1/2) t) / (r + t / 2)),
// which is that sum x r by the midpoint rule (p where nobody leaves), expected are p* / r.
std::optional<absl::Duration> ExpectedWait(const state::v1::QueueState& queue, double position,
                                           const Staffing& staffing, absl::Time now);

// Where a conversation stands that has not been answered.
struct Place {
  // In the queue; 0: it has been given.
  double position = 0;
  // Since when its agent has had it; nothing: it is on offer, or waits.
  std::optional<absl::Time> had_since;
};

// The probability, of 1,000, that the first answer comes later than `time_left` from now. 1,000
// once no time is left. Never falls with the position, never rises with the time left. Where nobody
// is at work who can do what it asks, it is as if one slot were.
//
// With the belief above, departures within a time t are negative binomial, and the chance of fewer
// than p* is I_x(a, p*), x = b / (b + t): the regularised incomplete beta function (Gelman, 2.6;
// NIST DLMF 8.17.5). t is the time left, less the time A from given to first answer; the chance is
// the mean over A, whose distribution is
//
//   P(A > t) = (n(t) + w m / (m + t)) / (n + w), where
//   n, n(t)  answers of the last hour, and those that took longer than t: counted by doubling
//            times, and taken for even within each
//   w, m     a prior worth so many answers, half of which take longer than m: a Pareto distribution
//            of the second kind, so that what takes longer than anything seen has a chance
//
// Once given, and had for h, it is P(A > h + time left) / P(A > h).
int32_t MissProbability(const state::v1::QueueState& queue, const Place& place,
                        absl::Duration time_left, const Staffing& staffing, absl::Time now);

// When that will be `permille` for an answer due at `due`, if nothing happens until then: nobody is
// given, comes, leaves or answers. Exact to a second. `now` where it is so already, and in any case
// a second before it is due; InfiniteFuture where it is not by `until`. That nobody is given
// meanwhile counts: b grows with the time.
absl::Time AtRiskTime(const state::v1::QueueState& queue, const Place& place, absl::Time due,
                      const Staffing& staffing, int32_t permille, absl::Time now, absl::Time until);

// I_x(a, b) for a, b > 0; x is taken for 0 or 1 where it lies outside. To about 1e-9 where a and b
// are below 1e6.
double RegularisedBeta(double x, double a, double b);

}  // namespace wissel::routing
