#include "libs/routing/flow.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "libs/base/proto_time.h"

namespace wissel::routing {
namespace {

using state::v1::FlowBucket;
using state::v1::QueueState;

constexpr int64_t kMinuteMs = 60'000;
constexpr int64_t kBucketMs = 5 * kMinuteMs;
constexpr int64_t kKeptMs = 60 * kMinuteMs;
// No single time counts for more: keeps the sums far from their bounds.
constexpr int64_t kMaxTimeMs = int64_t{30} * 24 * 60 * kMinuteMs;

// The constants of the estimates; docs/guides/routing.md says how they were chosen.
constexpr double kHalfLifeMs = 20.0 * kMinuteMs;
constexpr double kPriorDepartures = 10.0;
// The rate itself changes: no more departures than these are believed in.
constexpr double kMaxDepartures = 20.0;
// Handled before any were seen, and how long each took.
constexpr double kPriorHandled = 2.0;
constexpr double kPriorHandleMs = 10.0 * kMinuteMs;
// Waited before anybody was seen to leave.
constexpr double kPriorWaitingMs = 60.0 * kMinuteMs;

// What is believed of answers before any were seen.
constexpr double kPriorAnswers = 2.0;
constexpr double kPriorAnswerMs = 1.0 * kMinuteMs;
// Answers are counted by doubling times, of which this is the first.
constexpr int64_t kFirstAnswerBinMs = 8'000;

// To what an at-risk time is exact, and so long before it is due it is at risk in any case.
constexpr absl::Duration kAtRiskExact = absl::Seconds(1);

int64_t BucketStart(int64_t ms) { return ms - (ms % kBucketMs + kBucketMs) % kBucketMs; }
int64_t StartMs(const FlowBucket& bucket) { return bucket.minute() * kMinuteMs; }
int64_t Ms(absl::Duration d) {
  return std::clamp<int64_t>(absl::ToInt64Milliseconds(d), 0, kMaxTimeMs);
}
int32_t Next(int32_t count) {
  return count < std::numeric_limits<int32_t>::max() ? count + 1 : count;
}

// The bucket of a time that is not before the newest.
FlowBucket& BucketAt(QueueState& queue, int64_t ms) {
  auto& buckets = *queue.mutable_buckets();
  const int64_t start = BucketStart(ms);
  if (buckets.empty() || StartMs(*buckets.rbegin()) < start) {
    buckets.Add()->set_minute(start / kMinuteMs);
    const auto kept = std::find_if(buckets.begin(), buckets.end(), [&](const FlowBucket& b) {
      return StartMs(b) > start - kKeptMs;
    });
    buckets.erase(buckets.begin(), kept);
  }
  return *buckets.rbegin();
}

// Counts the time that was waited up to `now`, and says at what time to count what happens now.
int64_t CountBusy(QueueState& queue, absl::Time now) {
  int64_t now_ms = absl::ToUnixMillis(now);
  if (!queue.buckets().empty()) now_ms = std::max(now_ms, StartMs(*queue.buckets().rbegin()));
  if (!queue.has_busy_since()) return now_ms;
  const int64_t since = absl::ToUnixMillis(FromProto(queue.busy_since()));
  now_ms = std::max(now_ms, since);
  int64_t from = std::max(since, BucketStart(now_ms) - kKeptMs + kBucketMs);
  while (from < now_ms) {
    const int64_t to = std::min(now_ms, BucketStart(from) + kBucketMs);
    FlowBucket& bucket = BucketAt(queue, from);
    bucket.set_busy_ms(bucket.busy_ms() + (to - from));
    bucket.set_waiting_ms(bucket.waiting_ms() + queue.waiting() * (to - from));
    from = to;
  }
  *queue.mutable_busy_since() = ToProto(absl::FromUnixMillis(now_ms));
  return now_ms;
}

// What is believed of the rates of a queue, per millisecond.
struct Belief {
  // Of departures: a gamma distribution.
  double shape = 0;
  double rate = 0;
  // Of leaving, for each that waits.
  double leaving = 0;

  double Mean() const { return shape / rate; }

  // How many departures it takes until `position` has been given, others leaving meanwhile.
  double Departures(double position) const {
    const double p = std::max(1.0, position);
    const double ratio = leaving / Mean();
    if (ratio < 1e-9) return p;
    return 1.0 + std::log((1.0 + (p - 0.5) * ratio) / (1.0 + 0.5 * ratio)) / ratio;
  }
};

Belief BeliefOf(const QueueState& queue, const Staffing& staffing, absl::Time now) {
  const int64_t now_ms = absl::ToUnixMillis(now);
  double departures = 0;
  double busy_ms = 0;
  double left = 0;
  double waiting_ms = kPriorWaitingMs;
  double handled = kPriorHandled;
  double handle_ms = kPriorHandled * kPriorHandleMs;
  for (const FlowBucket& bucket : queue.buckets()) {
    const int64_t age = std::max<int64_t>(0, now_ms - StartMs(bucket) - kBucketMs / 2);
    if (age > kKeptMs) continue;
    const double weight = std::exp2(-static_cast<double>(age) / kHalfLifeMs);
    departures += weight * bucket.departures();
    busy_ms += weight * static_cast<double>(bucket.busy_ms());
    left += bucket.left();
    waiting_ms += static_cast<double>(bucket.waiting_ms());
    handled += bucket.handled();
    handle_ms += static_cast<double>(bucket.handle_ms());
  }
  if (queue.has_busy_since()) {
    const int64_t since = absl::ToUnixMillis(FromProto(queue.busy_since()));
    const auto uncounted = static_cast<double>(std::clamp<int64_t>(now_ms - since, 0, kKeptMs));
    busy_ms += uncounted;
    waiting_ms += uncounted * queue.waiting();
  }
  const double able = std::clamp(staffing.able_share, 0.0, 1.0);
  const double able_of_asked = std::clamp(staffing.able_of_asked_share, 0.0, 1.0);
  const double in_use =
      std::max(1.0, staffing.slots * std::clamp(staffing.busy_share, 0.0, 1.0) * able);
  const double staff_rate = in_use * handled / std::max(1.0, handle_ms);
  Belief belief{.shape = kPriorDepartures + departures * able_of_asked,
                .rate = kPriorDepartures / staff_rate + busy_ms,
                .leaving = left / waiting_ms};
  if (belief.shape > kMaxDepartures) {
    belief.rate *= kMaxDepartures / belief.shape;
    belief.shape = kMaxDepartures;
  }
  return belief;
}

// What is believed of the time from given to first answer.
class AnswerTimes {
 public:
  explicit AnswerTimes(const QueueState& queue) {
    for (const FlowBucket& bucket : queue.buckets()) {
      if (bins_.size() < static_cast<size_t>(bucket.answers_size())) {
        bins_.resize(static_cast<size_t>(bucket.answers_size()));
      }
      for (int i = 0; i < bucket.answers_size(); ++i) {
        bins_[static_cast<size_t>(i)] += bucket.answers(i);
        count_ += bucket.answers(i);
      }
    }
  }

  // Where the bin begins that is `i` doublings behind the first.
  static double Begin(size_t i) {
    return i == 0 ? 0.0 : static_cast<double>(kFirstAnswerBinMs << (i - 1));
  }

  // The probability of longer than `ms`. Falls strictly from 1, and never to 0.
  double Longer(double ms) const {
    double longer = kPriorAnswers * kPriorAnswerMs / (kPriorAnswerMs + ms);
    for (size_t i = bins_.size(); i-- > 0 && Begin(i + 1) > ms;) {
      longer += bins_[i] * std::min(1.0, (Begin(i + 1) - ms) / (Begin(i + 1) - Begin(i)));
    }
    return longer / (kPriorAnswers + count_);
  }

 private:
  std::vector<double> bins_;
  double count_ = 0;
};

// What is forecast of one conversation.
class Forecast {
 public:
  Forecast(const QueueState& queue, const Place& place, const Staffing& staffing, absl::Time now)
      : place_(place), now_(now), answers_(queue) {
    if (place.position == 0) return;
    belief_ = BeliefOf(queue, staffing, now);
    departures_ = belief_.Departures(place.position);
  }

  // Of 1,000, that the answer comes after `due` if nothing happens from now to `time`.
  int32_t Missed(absl::Time time, absl::Time due) const {
    const auto left_ms = static_cast<double>(Ms(due - time));
    const double missed =
        place_.position == 0 ? MissedOnceGiven(time, left_ms) : MissedWaiting(time, left_ms);
    return static_cast<int32_t>(std::lround(1'000 * std::clamp(missed, 0.0, 1.0)));
  }

 private:
  double MissedOnceGiven(absl::Time time, double left_ms) const {
    const auto had_ms =
        place_.had_since.has_value() ? static_cast<double>(Ms(time - *place_.had_since)) : 0.0;
    return answers_.Longer(had_ms + left_ms) / answers_.Longer(had_ms);
  }

  double MissedWaiting(absl::Time time, double left_ms) const {
    const double rate = belief_.rate + static_cast<double>(Ms(time - now_));
    double missed = answers_.Longer(left_ms);
    double longer = 1.0;
    for (size_t bin = 0; AnswerTimes::Begin(bin) < left_ms; ++bin) {
      const double end = std::min(left_ms, AnswerTimes::Begin(bin + 1));
      const double t = left_ms - (AnswerTimes::Begin(bin) + end) / 2;
      const double longer_than_bin = answers_.Longer(end);
      missed += (longer - longer_than_bin) *
                RegularisedBeta(rate / (rate + t), belief_.shape, departures_);
      longer = longer_than_bin;
    }
    return missed;
  }

  Place place_;
  absl::Time now_;
  AnswerTimes answers_;
  Belief belief_;
  double departures_ = 0;
};

bool AtWork(const Staffing& staffing) {
  return staffing.agents > 0 && staffing.slots > 0 && staffing.able_share > 0;
}

// The continued fraction of DLMF 8.17.22, by the modified method of Lentz (Thompson and Barnett,
// Journal of Computational Physics 64, 1986). Takes O(sqrt(max(a, b))) steps for x < (a + 1) / (a +
// b + 2).
double BetaFraction(double x, double a, double b) {
  constexpr double kTiny = 1e-300;
  constexpr int kMaxSteps = 5'000;
  const auto away_from_zero = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1.0;
  double d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
  double value = d;
  for (int m = 1; m <= kMaxSteps; ++m) {
    const double even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
    double change = 1.0;
    for (const double term : {even, odd}) {
      d = 1.0 / away_from_zero(1.0 + term * d);
      c = away_from_zero(1.0 + term / c);
      change = c * d;
      value *= change;
    }
    if (std::abs(change - 1.0) < 1e-12) break;
  }
  return value;
}

}  // namespace

void NoteWaiting(QueueState& queue, int delta, absl::Time now) {
  const int64_t now_ms = CountBusy(queue, now);
  const int64_t waiting =
      std::clamp<int64_t>(int64_t{queue.waiting()} + delta, 0, std::numeric_limits<int32_t>::max());
  queue.set_waiting(static_cast<int32_t>(waiting));
  if (waiting == 0) {
    queue.clear_busy_since();
  } else if (!queue.has_busy_since()) {
    *queue.mutable_busy_since() = ToProto(absl::FromUnixMillis(now_ms));
  }
}

void NoteDeparture(QueueState& queue, absl::Duration waited, absl::Time now) {
  if (Ms(waited) == 0) return;
  FlowBucket& bucket = BucketAt(queue, CountBusy(queue, now));
  bucket.set_departures(Next(bucket.departures()));
}

void NoteLeft(QueueState& queue, absl::Time now) {
  FlowBucket& bucket = BucketAt(queue, CountBusy(queue, now));
  bucket.set_left(Next(bucket.left()));
}

void NoteAnswered(QueueState& queue, absl::Duration after, absl::Time now) {
  FlowBucket& bucket = BucketAt(queue, CountBusy(queue, now));
  const int bin = std::bit_width(static_cast<uint64_t>(Ms(after) / kFirstAnswerBinMs));
  while (bucket.answers_size() <= bin) bucket.add_answers(0);
  bucket.set_answers(bin, Next(bucket.answers(bin)));
}

void NoteHandled(QueueState& queue, absl::Duration handle_time, absl::Time now) {
  FlowBucket& bucket = BucketAt(queue, CountBusy(queue, now));
  bucket.set_handled(Next(bucket.handled()));
  bucket.set_handle_ms(bucket.handle_ms() + Ms(handle_time));
}

std::optional<absl::Duration> ExpectedWait(const QueueState& queue, double position,
                                           const Staffing& staffing, absl::Time now) {
  if (!AtWork(staffing)) return std::nullopt;
  const Belief belief = BeliefOf(queue, staffing, now);
  const double wait_ms = belief.Departures(position) / belief.Mean();
  return absl::Milliseconds(std::llround(std::min(wait_ms, static_cast<double>(kMaxTimeMs))));
}

int32_t MissProbability(const QueueState& queue, const Place& place, absl::Duration time_left,
                        const Staffing& staffing, absl::Time now) {
  return Forecast(queue, place, staffing, now).Missed(now, now + time_left);
}

absl::Time AtRiskTime(const QueueState& queue, const Place& place, absl::Time due,
                      const Staffing& staffing, int32_t permille, absl::Time now,
                      absl::Time until) {
  const absl::Time last = due - kAtRiskExact;
  absl::Time reached = std::min(until, last);
  if (reached <= now) return now;
  const Forecast forecast(queue, place, staffing, now);
  if (reached < last && forecast.Missed(reached, due) < permille) return absl::InfiniteFuture();
  absl::Time not_yet = now;
  if (forecast.Missed(now, due) >= permille) return now;
  while (reached - not_yet > kAtRiskExact) {
    const absl::Time middle = not_yet + (reached - not_yet) / 2;
    (forecast.Missed(middle, due) < permille ? not_yet : reached) = middle;
  }
  return reached;
}

double RegularisedBeta(double x, double a, double b) {
  if (!(x > 0.0)) return 0.0;
  if (!(x < 1.0)) return 1.0;
  // x^a (1 - x)^b / B(a, b)
  const double front = std::exp(a * std::log(x) + b * std::log1p(-x) + std::lgamma(a + b) -
                                std::lgamma(a) - std::lgamma(b));
  if (x < (a + 1.0) / (a + b + 2.0)) return front * BetaFraction(x, a, b) / a;
  return 1.0 - front * BetaFraction(1.0 - x, b, a) / b;
}

}  // namespace wissel::routing
