#include "libs/routing/sla.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace wissel::routing {

using Kind = SlaEvent::Kind;
using State = SlaClock::State;

absl::string_view SlaMetricName(SlaMetric metric) {
  switch (metric) {
    case SlaMetric::kFirstResponse:
      return "first_response";
    case SlaMetric::kNextResponse:
      return "next_response";
    case SlaMetric::kResolution:
      return "resolution";
    case SlaMetric::kPeriodicUpdate:
      return "periodic_update";
    case SlaMetric::kRequesterWait:
      return "requester_wait";
  }
  return "";
}

void SlaPolicy::Promise(SlaMetric metric, absl::Duration time, std::vector<int> percents) {
  percents.push_back(100);
  std::sort(percents.begin(), percents.end());
  percents.erase(std::unique(percents.begin(), percents.end()), percents.end());
  percents.erase(percents.begin(), std::lower_bound(percents.begin(), percents.end(), 1));
  targets[static_cast<size_t>(metric)] = {.time = time, .percents = std::move(percents)};
}

constexpr char kPending[] = "pending on the customer";
constexpr char kOnHold[] = "on hold";

// Collects intervals from the stretches that a clock goes through.
class SlaRecorder {
 public:
  // `metric` was in `state` since the last call for it, under that policy. Before the clock
  // changes.
  void Ends(const SlaClock& clock, SlaMetric metric, absl::Time t) {
    Track& track = tracks_[static_cast<size_t>(metric)];
    const State state = clock.metric(metric).state;
    if (state == State::kRunning) {
      Split(clock.policy().calendar, metric, track, t);
    } else if (state != State::kIdle) {
      Add(metric, track, t, SlaInterval::Kind::kPaused, why_);
    }
    track.last = t;
  }
  // More has been used than time went by.
  void Takes(SlaMetric metric, absl::Time t, absl::Duration more) {
    intervals_.push_back({metric, tracks_[static_cast<size_t>(metric)].cycle, t, t, more,
                          SlaInterval::Kind::kTaken, "merged"});
  }
  // A new cycle: what was before it, since the cycle before ended, belongs to none.
  void Begins(SlaMetric metric, absl::Time t) {
    Track& track = tracks_[static_cast<size_t>(metric)];
    track.last = t;
    ++track.cycle;
  }
  // What is known of a clock that has gone on before the list begins.
  void BeginsWith(const SlaClock& clock, absl::Time since) {
    for (const SlaMetric metric : kSlaMetrics) {
      if (clock.metric(metric).state == State::kIdle) continue;
      Begins(metric, since);
      intervals_.push_back({metric, 1, absl::InfinitePast(), since, clock.Used(metric, since),
                            SlaInterval::Kind::kUnknown, "before the log begins"});
    }
    if (clock.metric(SlaMetric::kResolution).state == State::kStopped) {
      why_ = "resolved";
    } else if (clock.metric(SlaMetric::kRequesterWait).state == State::kPaused) {
      why_ = kPending;
    } else if (clock.metric(SlaMetric::kResolution).state == State::kPaused) {
      why_ = kOnHold;
    }
  }
  // Why clocks stand still from now on.
  void set_why(absl::string_view why) { why_ = std::string(why); }

  // Feeds events to a clock.
  std::vector<SlaInterval> Run(SlaClock clock, const std::vector<SlaEvent>& events,
                               absl::Time now) {
    clock.recorder_ = this;
    for (const SlaEvent& event : events) clock.Fold(event);
    for (const SlaMetric metric : kSlaMetrics) {
      if (clock.metric(metric).state != State::kStopped) Ends(clock, metric, now);
    }
    std::stable_sort(
        intervals_.begin(), intervals_.end(),
        [](const SlaInterval& a, const SlaInterval& b) { return a.metric < b.metric; });
    return std::move(intervals_);
  }

 private:
  struct Track {
    absl::Time last = absl::InfinitePast();
    int cycle = 0;
  };

  static absl::string_view WhyCounted(SlaMetric metric) {
    switch (metric) {
      case SlaMetric::kFirstResponse:
        return "no answer yet";
      case SlaMetric::kNextResponse:
        return "the customer wrote";
      case SlaMetric::kPeriodicUpdate:
        return "since the last answer";
      case SlaMetric::kResolution:
      case SlaMetric::kRequesterWait:
        return "open";
    }
    return "";
  }

  void Split(const Calendar& calendar, SlaMetric metric, Track& track, absl::Time to) {
    while (track.last < to) {
      const absl::Time opening = std::min(calendar.NextOpening(track.last), to);
      if (opening > track.last) {
        const std::string names = calendar.DateNames(track.last, opening);
        Add(metric, track, opening, SlaInterval::Kind::kOutOfHours,
            names.empty() ? "closed" : absl::StrCat("closed (", names, ")"));
      }
      if (opening == to) break;
      Add(metric, track, std::min(calendar.NextClosing(opening), to), SlaInterval::Kind::kCounted,
          WhyCounted(metric));
    }
  }
  void Add(SlaMetric metric, Track& track, absl::Time to, SlaInterval::Kind kind,
           absl::string_view why) {
    if (to <= track.last) return;
    intervals_.push_back(
        {metric, track.cycle, track.last, to, to - track.last, kind, std::string(why)});
    track.last = to;
  }

  std::array<Track, kSlaMetrics.size()> tracks_;
  std::string why_;
  std::vector<SlaInterval> intervals_;
};

SlaClock::SlaClock(std::shared_ptr<const SlaPolicy> policy) : SlaClock(std::move(policy), {}) {}

SlaClock::SlaClock(std::shared_ptr<const SlaPolicy> policy, const Metrics& metrics)
    : policy_(policy != nullptr ? std::move(policy) : std::make_shared<const SlaPolicy>()),
      metrics_(metrics) {}

std::vector<SlaNotice> SlaClock::Advance(absl::Time now) {
  std::vector<SlaNotice> notices;
  for (const SlaMetric m : kSlaMetrics) {
    while (const int* percent = NextPercent(m)) {
      const absl::Time time = Reaches(m, *percent);
      if (time > now) break;
      notices.push_back({m, *percent, time, DueTime(m)});
      at(m).said_percent = *percent;
    }
  }
  std::stable_sort(notices.begin(), notices.end(),
                   [](const SlaNotice& a, const SlaNotice& b) { return a.time < b.time; });
  return notices;
}

absl::Time SlaClock::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  for (const SlaMetric m : kSlaMetrics) {
    if (const int* percent = NextPercent(m)) next = std::min(next, Reaches(m, *percent));
  }
  return next;
}

absl::Duration SlaClock::Used(SlaMetric m, absl::Time now) const {
  const Metric& metric = this->metric(m);
  if (metric.state != State::kRunning) return metric.used;
  return metric.used + policy_->calendar.BusinessTimeBetween(metric.running_since, now);
}

absl::Time SlaClock::DueTime(SlaMetric m) const { return Reaches(m, 100); }

// When that share of the target is used up, not before the clock runs.
absl::Time SlaClock::Reaches(SlaMetric m, int percent) const {
  const Metric& metric = this->metric(m);
  if (metric.state != State::kRunning) return absl::InfiniteFuture();
  const absl::Duration share = policy_->target(m).time * percent / 100;
  return policy_->calendar.AddBusinessTime(metric.running_since, share - metric.used);
}

// The next share to be said; null: none.
const int* SlaClock::NextPercent(SlaMetric m) const {
  if (metric(m).state != State::kRunning) return nullptr;
  const std::vector<int>& percents = policy_->target(m).percents;
  const auto next = std::upper_bound(percents.begin(), percents.end(), metric(m).said_percent);
  return next == percents.end() ? nullptr : &*next;
}

bool SlaClock::Active(SlaMetric m) const {
  return metric(m).state == State::kRunning || metric(m).state == State::kPaused;
}

void SlaClock::Fold(const SlaEvent& event) {
  const absl::Time t = event.time;
  const State resolution = metric(SlaMetric::kResolution).state;
  switch (event.kind) {
    case Kind::kOpened:
      if (resolution != State::kIdle) return;
      Begin(SlaMetric::kResolution, t);
      Begin(SlaMetric::kRequesterWait, t);
      return;
    case Kind::kCustomerMessage:
      if (metric(SlaMetric::kFirstResponse).state == State::kIdle) {
        Begin(SlaMetric::kFirstResponse, t);
      } else if (metric(SlaMetric::kFirstResponse).state == State::kStopped &&
                 metric(SlaMetric::kNextResponse).state != State::kRunning) {
        Begin(SlaMetric::kNextResponse, t);
      }
      return;
    case Kind::kReply:
      if (event.by_bot && !policy_->bot_answers_count) return;
      FoldReply(t);
      return;
    case Kind::kPending:
      return FoldWaiting(t, /*for_customer=*/true);
    case Kind::kOnHold:
      return FoldWaiting(t, /*for_customer=*/false);
    case Kind::kResumed:
      for (const SlaMetric m :
           {SlaMetric::kResolution, SlaMetric::kRequesterWait, SlaMetric::kPeriodicUpdate}) {
        if (metric(m).state == State::kPaused) Run(m, t);
      }
      return;
    case Kind::kResolved:
      if (!Active(SlaMetric::kResolution)) return;
      for (const SlaMetric m : kSlaMetrics) {
        if (Active(m)) Halt(m, t, State::kStopped);
      }
      if (recorder_ != nullptr) recorder_->set_why("resolved");
      return;
    case Kind::kReopened:
      if (resolution != State::kStopped) return;
      for (const SlaMetric m : {SlaMetric::kResolution, SlaMetric::kRequesterWait}) {
        Run(m, t);
        Rearm(m);
      }
      return;
    case Kind::kPolicyChanged:
      FoldPolicy(t, event.policy);
      return;
    case Kind::kMerged:
      return FoldMerge(event);
  }
}

// Work stands still; the customer waits on unless it is for them.
void SlaClock::FoldWaiting(absl::Time t, bool for_customer) {
  if (!Active(SlaMetric::kResolution)) return;
  const bool waits = metric(SlaMetric::kResolution).state == State::kPaused;
  const bool waits_for_customer = metric(SlaMetric::kRequesterWait).state == State::kPaused;
  if (waits && waits_for_customer == for_customer) return;
  Halt(SlaMetric::kResolution, t, State::kPaused);
  for (const SlaMetric m : {SlaMetric::kRequesterWait, SlaMetric::kPeriodicUpdate}) {
    if (for_customer && metric(m).state == State::kRunning) Halt(m, t, State::kPaused);
    if (!for_customer && metric(m).state == State::kPaused) Run(m, t);
  }
  if (recorder_ != nullptr) {
    recorder_->set_why(for_customer ? kPending : kOnHold);
  }
}

void SlaClock::FoldMerge(const SlaEvent& event) {
  if (!Active(SlaMetric::kResolution)) return;
  const auto taken = [&](SlaMetric m) { return event.taken[static_cast<size_t>(m)]; };
  for (const SlaMetric m :
       {SlaMetric::kResolution, SlaMetric::kPeriodicUpdate, SlaMetric::kRequesterWait}) {
    Take(m, event.time, taken(m));
  }
  // Of the two kinds of response one is open at most, on either side.
  const std::optional<SlaEvent::Taken> response = taken(SlaMetric::kFirstResponse).has_value()
                                                      ? taken(SlaMetric::kFirstResponse)
                                                      : taken(SlaMetric::kNextResponse);
  if (!response.has_value()) return;
  const bool first_is_open = metric(SlaMetric::kFirstResponse).state != State::kStopped;
  const SlaMetric m = first_is_open ? SlaMetric::kFirstResponse : SlaMetric::kNextResponse;
  if (!Active(m)) Begin(m, event.time);
  Take(m, event.time, response);
}

// Goes on from what the other clock has used, where that is more.
void SlaClock::Take(SlaMetric m, absl::Time t, const std::optional<SlaEvent::Taken>& taken) {
  if (!Active(m) || !taken.has_value()) return;
  const absl::Duration more = taken->used - Used(m, t);
  if (more <= absl::ZeroDuration()) return;
  // Until now it was its own.
  if (metric(m).state == State::kRunning) {
    Run(m, t);
  } else {
    Halt(m, t, State::kPaused);
  }
  if (recorder_ != nullptr) recorder_->Takes(m, t, more);
  at(m).used += more;
  at(m).said_percent = std::max(at(m).said_percent, taken->said_percent);
  Rearm(m);
}

void SlaClock::FoldReply(absl::Time t) {
  for (const SlaMetric m : {SlaMetric::kFirstResponse, SlaMetric::kNextResponse}) {
    if (metric(m).state == State::kRunning) Halt(m, t, State::kStopped);
  }
  if (!Active(SlaMetric::kResolution)) return;
  if (Active(SlaMetric::kPeriodicUpdate)) Halt(SlaMetric::kPeriodicUpdate, t, State::kStopped);
  Begin(SlaMetric::kPeriodicUpdate, t);
  if (metric(SlaMetric::kRequesterWait).state == State::kPaused) {
    Halt(SlaMetric::kPeriodicUpdate, t, State::kPaused);
  }
}

void SlaClock::FoldPolicy(absl::Time t, std::shared_ptr<const SlaPolicy> policy) {
  // What was used so far was so by the old policy's calendar.
  for (const SlaMetric m : kSlaMetrics) {
    if (metric(m).state == State::kRunning) Run(m, t);
  }
  policy_ = policy != nullptr ? std::move(policy) : std::make_shared<const SlaPolicy>();
  for (const SlaMetric m : kSlaMetrics) {
    if (Active(m)) Rearm(m);
  }
}

// Starts a new cycle.
void SlaClock::Begin(SlaMetric m, absl::Time t) {
  if (recorder_ != nullptr) recorder_->Begins(m, t);
  at(m) = {.state = State::kRunning, .running_since = t};
}

// Runs on from `t`, with what was used before.
void SlaClock::Run(SlaMetric m, absl::Time t) {
  Halt(m, t, State::kRunning);
  at(m).running_since = t;
}

void SlaClock::Halt(SlaMetric m, absl::Time t, State state) {
  if (recorder_ != nullptr) recorder_->Ends(*this, m, t);
  Metric& metric = at(m);
  metric.used = Used(m, t);
  metric.running_since = absl::Time();
  metric.state = state;
}

// After the target may have changed: what is used up of the new one and was said stays said; what
// is not is said in its time. Without a target nothing is said: the next one decides.
void SlaClock::Rearm(SlaMetric m) {
  const absl::Duration target = policy_->target(m).time;
  if (target == absl::InfiniteDuration()) return;
  absl::Duration rest;
  const int64_t reached =
      target > absl::ZeroDuration() ? absl::IDivDuration(metric(m).used * 100, target, &rest) : 100;
  at(m).said_percent = static_cast<int>(std::min<int64_t>(metric(m).said_percent, reached));
}

std::vector<SlaInterval> SlaIntervals(std::shared_ptr<const SlaPolicy> policy,
                                      const std::vector<SlaEvent>& events, absl::Time now) {
  return SlaRecorder().Run(SlaClock(std::move(policy)), events, now);
}

std::vector<SlaInterval> SlaIntervalsSince(SlaClock clock, absl::Time since,
                                           const std::vector<SlaEvent>& events, absl::Time now) {
  SlaRecorder recorder;
  recorder.BeginsWith(clock, since);
  return recorder.Run(std::move(clock), events, now);
}

}  // namespace wissel::routing
