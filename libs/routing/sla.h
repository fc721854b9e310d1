#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/routing/calendar.h"

namespace wissel::routing {

class SlaRecorder;

// What can be promised; README.md says when each of them runs.
enum class SlaMetric {
  kFirstResponse,
  kNextResponse,
  kResolution,
  kPeriodicUpdate,
  kRequesterWait,
};
inline constexpr std::array<SlaMetric, 5> kSlaMetrics = {
    SlaMetric::kFirstResponse, SlaMetric::kNextResponse, SlaMetric::kResolution,
    SlaMetric::kPeriodicUpdate, SlaMetric::kRequesterWait};
// "first_response", ...
absl::string_view SlaMetricName(SlaMetric metric);

// What is promised to a conversation.
struct SlaPolicy {
  struct Target {
    // In the calendar's time; infinite: no promise.
    absl::Duration time = absl::InfiniteDuration();
    // The shares of it, in hundredths, at which something is said; rising, 100, the breach, among
    // them.
    std::vector<int> percents;
  };

  std::string id;
  Calendar calendar = Calendar::Always();
  // Whether a bot's answer counts as one.
  bool bot_answers_count = false;
  // By metric.
  std::array<Target, kSlaMetrics.size()> targets;

  const Target& target(SlaMetric metric) const { return targets[static_cast<size_t>(metric)]; }
  // `percents` in any order; those below 1 are left out, 100 is added.
  void Promise(SlaMetric metric, absl::Duration time, std::vector<int> percents);
};

// What the clock is told. Times never go backwards.
struct SlaEvent {
  enum class Kind {
    kOpened,
    kCustomerMessage,
    // An answer to the customer, of an agent or a bot.
    kReply,
    // Waiting for the customer: set so, or because nothing was heard.
    kPending,
    // Waiting for somebody else; the customer waits too.
    kOnHold,
    kResumed,
    kResolved,
    kReopened,
    // Another policy applies, or the same one with other targets.
    kPolicyChanged,
    // Another conversation has become part of this one.
    kMerged,
  };
  // A clock of the other conversation that was not over: what it had used, and the highest share
  // said of it.
  struct Taken {
    absl::Duration used;
    int said_percent = 0;
  };

  Kind kind;
  absl::Time time;
  // With kReply.
  bool by_bot = false;
  // With kPolicyChanged; null: nothing is promised any more.
  std::shared_ptr<const SlaPolicy> policy;
  // With kMerged; by metric.
  std::array<std::optional<Taken>, kSlaMetrics.size()> taken;
};

// A share of a target's time has been used up.
struct SlaNotice {
  SlaMetric metric;
  // 100: the breach.
  int percent;
  // When it was.
  absl::Time time;
  // When the whole target is used up, if nothing happens.
  absl::Time due_time;

  friend bool operator==(const SlaNotice&, const SlaNotice&) = default;
};

// The clocks of one conversation: a fold of its events. A value: copies are independent.
//
// A metric's clock runs in cycles. Time counts while it runs and its policy's calendar is open,
// and counts whether or not there is a target. A promise must be kept before its due time: an
// answer at that very instant is late.
class SlaClock {
 public:
  enum class State {
    // No cycle yet.
    kIdle,
    kRunning,
    kPaused,
    // The cycle is over.
    kStopped,
  };
  // One metric's latest cycle: all there is to store.
  struct Metric {
    State state = State::kIdle;
    // Time that counted before `running_since`, or in all where it does not run.
    absl::Duration used;
    // While it runs.
    absl::Time running_since;
    // The highest share said; 0: none.
    int said_percent = 0;

    bool breached() const { return said_percent >= 100; }
    friend bool operator==(const Metric&, const Metric&) = default;
  };
  using Metrics = std::array<Metric, kSlaMetrics.size()>;

  // Null: nothing is promised; time counts around the clock.
  explicit SlaClock(std::shared_ptr<const SlaPolicy> policy);
  // Goes on from what was stored.
  SlaClock(std::shared_ptr<const SlaPolicy> policy, const Metrics& metrics);

  const Metrics& metrics() const { return metrics_; }
  const Metric& metric(SlaMetric metric) const { return metrics_[static_cast<size_t>(metric)]; }
  const SlaPolicy& policy() const { return *policy_; }

  // Says nothing: advance to the event's time before, for what had fallen due, and after, for what
  // the event makes due at once.
  void Fold(const SlaEvent& event);
  // What is to be said by `now`, in the order of time, each once a cycle.
  std::vector<SlaNotice> Advance(absl::Time now);
  // When there is next something to say; InfiniteFuture: not without another event.
  absl::Time NextDue() const;

  // Whether its cycle is not over.
  bool Active(SlaMetric metric) const;
  // What the present cycle has used at `now`.
  absl::Duration Used(SlaMetric metric, absl::Time now) const;
  // When its target is used up, if it runs on; InfiniteFuture where it does not run, or nothing is
  // promised.
  absl::Time DueTime(SlaMetric metric) const;

 private:
  friend class SlaRecorder;

  Metric& at(SlaMetric metric) { return metrics_[static_cast<size_t>(metric)]; }
  absl::Time Reaches(SlaMetric metric, int percent) const;
  const int* NextPercent(SlaMetric metric) const;
  void FoldReply(absl::Time t);
  void FoldWaiting(absl::Time t, bool for_customer);
  void FoldMerge(const SlaEvent& event);
  void Take(SlaMetric metric, absl::Time t, const std::optional<SlaEvent::Taken>& taken);
  void FoldPolicy(absl::Time t, std::shared_ptr<const SlaPolicy> policy);
  void Begin(SlaMetric metric, absl::Time t);
  void Run(SlaMetric metric, absl::Time t);
  void Halt(SlaMetric metric, absl::Time t, State state);
  void Rearm(SlaMetric metric);

  std::shared_ptr<const SlaPolicy> policy_;
  Metrics metrics_;
  // Sees the stretches of time as they end; only while intervals are listed.
  SlaRecorder* recorder_ = nullptr;
};

// A stretch of a metric's cycle: counted, or why not.
struct SlaInterval {
  enum class Kind {
    kCounted,
    kPaused,
    kOutOfHours,
    // What a conversation that became part of this one had used more; an instant.
    kTaken,
    // What had counted before the list begins: a sum, with no beginning.
    kUnknown,
  };

  SlaMetric metric;
  // From 1, the first that is listed.
  int cycle;
  absl::Time from;
  absl::Time to;
  // From `from` to `to`, but of what was taken over, or is unknown.
  absl::Duration lasted;
  Kind kind;
  // For people: "open", "on hold", "closed (King's Day)".
  std::string why;
};

// The stretches of all cycles that the events make, up to `now`; by metric, then in order, without
// gaps within a cycle. Those of a cycle that are neither paused nor out of hours add up to what the
// clock says was used.
std::vector<SlaInterval> SlaIntervals(std::shared_ptr<const SlaPolicy> policy,
                                      const std::vector<SlaEvent>& events, absl::Time now);
// The same from the middle: of the clock as it stood at `since`, what it had used is one stretch,
// unknown, from InfinitePast on. The events are those after it.
std::vector<SlaInterval> SlaIntervalsSince(SlaClock clock, absl::Time since,
                                           const std::vector<SlaEvent>& events, absl::Time now);

}  // namespace wissel::routing
