#include "libs/routing/flow.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include "libs/base/proto_time.h"

namespace wissel::routing {
namespace {

using state::v1::FlowBucket;
using state::v1::QueueState;

// On a bucket's edge.
const absl::Time kStart = absl::FromUnixSeconds(1'700'000'100);

absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

// The same numbers on every machine: SplitMix64 (Steele, Lea and Flood, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int Below(int n) { return static_cast<int>(Bits() % static_cast<uint64_t>(n)); }
  double Uniform() { return (static_cast<double>(Bits() >> 11) + 0.5) / 9007199254740992.0; }
  double Exponential(double mean) { return -mean * std::log(Uniform()); }

 private:
  uint64_t state_;
};

TEST(FlowFold, CountsTheTimeThatAnybodyWaited) {
  QueueState queue;
  NoteWaiting(queue, 1, At(10));
  NoteWaiting(queue, 1, At(20));
  EXPECT_EQ(queue.waiting(), 2);
  NoteDeparture(queue, absl::Seconds(50), At(60));
  NoteWaiting(queue, -1, At(60));
  NoteWaiting(queue, -1, At(70));
  NoteLeft(queue, At(70));
  NoteAnswered(queue, absl::Seconds(8), At(200));
  NoteHandled(queue, absl::Seconds(120), At(250));
  ASSERT_EQ(queue.buckets_size(), 1);
  const FlowBucket& bucket = queue.buckets(0);
  EXPECT_EQ(absl::FromUnixSeconds(bucket.minute() * 60), kStart);
  EXPECT_EQ(bucket.departures(), 1);
  EXPECT_EQ(bucket.busy_ms(), 60'000);
  EXPECT_EQ(bucket.waiting_ms(), 10'000 + 2 * 40'000 + 10'000);
  EXPECT_EQ(bucket.left(), 1);
  EXPECT_EQ(bucket.answered(), 1);
  EXPECT_EQ(bucket.answer_ms(), 8'000);
  EXPECT_EQ(bucket.handled(), 1);
  EXPECT_EQ(bucket.handle_ms(), 120'000);
  EXPECT_EQ(queue.waiting(), 0);
  EXPECT_FALSE(queue.has_busy_since());
}

TEST(FlowFold, WhoIsGivenAtOnceIsNoDeparture) {
  QueueState queue;
  NoteWaiting(queue, 1, At(1));
  NoteDeparture(queue, absl::ZeroDuration(), At(1));
  NoteWaiting(queue, -1, At(1));
  EXPECT_EQ(queue.buckets_size(), 0);
}

TEST(FlowFold, WaitingIsNeverBelowNone) {
  QueueState queue;
  NoteWaiting(queue, -1, At(1));
  EXPECT_EQ(queue.waiting(), 0);
  NoteWaiting(queue, 1, At(2));
  EXPECT_EQ(queue.waiting(), 1);
  EXPECT_EQ(FromProto(queue.busy_since()), At(2));
}

TEST(FlowFold, TimeNeverGoesBackwards) {
  QueueState queue;
  NoteWaiting(queue, 1, At(400));
  NoteDeparture(queue, absl::Seconds(1), At(100));
  NoteWaiting(queue, -1, At(50));
  ASSERT_EQ(queue.buckets_size(), 1);
  EXPECT_EQ(absl::FromUnixSeconds(queue.buckets(0).minute() * 60), At(300));
  EXPECT_EQ(queue.buckets(0).departures(), 1);
  EXPECT_EQ(queue.buckets(0).busy_ms(), 0);
  NoteHandled(queue, absl::Seconds(-5), At(0));
  ASSERT_EQ(queue.buckets_size(), 1);
  EXPECT_EQ(queue.buckets(0).handle_ms(), 0);
  NoteWaiting(queue, 1, At(0));
  EXPECT_EQ(FromProto(queue.busy_since()), At(300));
}

TEST(FlowFold, KeepsAnHourHoweverLongNobodyLooked) {
  QueueState queue;
  NoteWaiting(queue, 1, At(0));
  NoteDeparture(queue, absl::Seconds(1), At(1));
  NoteWaiting(queue, 1, kStart + absl::Hours(24 * 400) + absl::Seconds(1));
  ASSERT_EQ(queue.buckets_size(), 12);
  int64_t busy_ms = 0;
  for (const FlowBucket& bucket : queue.buckets()) {
    busy_ms += bucket.busy_ms();
    EXPECT_EQ(bucket.departures(), 0);
  }
  EXPECT_EQ(busy_ms, (55 * 60 + 1) * 1'000);
}

// Against a model that keeps the whole history and counts millisecond by millisecond of its steps.
TEST(FlowFold, IsWhatCountingTheWholeHistoryGives) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    QueueState queue;
    std::map<int64_t, FlowBucket> model;  // by minute
    int waiting = 0;
    int64_t now_ms = absl::ToUnixMillis(kStart);
    for (int step = 0; step < 300; ++step) {
      const int64_t then = now_ms;
      now_ms += random.Below(4) == 0 ? 0 : random.Below(random.Below(20) == 0 ? 900'000 : 40'000);
      for (int64_t ms = then; waiting > 0 && ms < now_ms;) {
        const int64_t end = std::min(now_ms, (ms / 300'000 + 1) * 300'000);
        FlowBucket& bucket = model[ms / 300'000 * 5];
        bucket.set_busy_ms(bucket.busy_ms() + end - ms);
        bucket.set_waiting_ms(bucket.waiting_ms() + waiting * (end - ms));
        ms = end;
      }
      const absl::Time now = absl::FromUnixMillis(now_ms);
      FlowBucket& bucket = model[now_ms / 300'000 * 5];
      switch (random.Below(4)) {
        case 0:
          NoteWaiting(queue, 1, now);
          ++waiting;
          break;
        case 1:
          if (waiting == 0) break;
          NoteDeparture(queue, absl::Seconds(1), now);
          NoteWaiting(queue, -1, now);
          bucket.set_departures(bucket.departures() + 1);
          --waiting;
          break;
        case 2:
          NoteHandled(queue, absl::Milliseconds(step), now);
          bucket.set_handled(bucket.handled() + 1);
          bucket.set_handle_ms(bucket.handle_ms() + step);
          break;
        case 3:
          NoteAnswered(queue, absl::Milliseconds(step), now);
          bucket.set_answered(bucket.answered() + 1);
          bucket.set_answer_ms(bucket.answer_ms() + step);
          break;
      }
    }
    NoteHandled(queue, absl::ZeroDuration(), absl::FromUnixMillis(now_ms));
    FlowBucket& last = model[now_ms / 300'000 * 5];
    last.set_handled(last.handled() + 1);
    EXPECT_EQ(queue.waiting(), waiting);
    EXPECT_LE(queue.buckets_size(), 12);
    // The model may have empty buckets, in which nothing happened.
    std::map<int64_t, std::string> expected;
    for (auto& [minute, bucket] : model) {
      if (minute <= now_ms / 300'000 * 5 - 60) continue;
      bucket.set_minute(0);
      if (!bucket.SerializeAsString().empty()) expected[minute] = bucket.ShortDebugString();
    }
    std::map<int64_t, std::string> kept;
    for (FlowBucket bucket : queue.buckets()) {
      const int64_t minute = bucket.minute();
      bucket.set_minute(0);
      kept[minute] = bucket.ShortDebugString();
    }
    EXPECT_EQ(kept, expected) << "seed " << seed;
  }
}

TEST(RegularisedBeta, IsExact) {
  // By the finite binomial sum (DLMF 8.17.5), in exact arithmetic.
  EXPECT_NEAR(RegularisedBeta(0.5, 2, 3), 0.6875, 1e-12);
  EXPECT_NEAR(RegularisedBeta(0.3, 5, 2), 0.010935, 1e-12);
  EXPECT_NEAR(RegularisedBeta(0.05, 3, 40), 0.351013609346228, 1e-12);
  EXPECT_NEAR(RegularisedBeta(0.25, 60, 200), 0.7728033336831199, 1e-11);
  for (const double x : {0.0001, 0.1, 0.5, 0.77, 0.9999}) {
    EXPECT_NEAR(RegularisedBeta(x, 1, 1), x, 1e-12);
    EXPECT_NEAR(RegularisedBeta(x, 3.5, 1), std::pow(x, 3.5), 1e-12);
    EXPECT_NEAR(RegularisedBeta(x, 1, 7.25), 1 - std::pow(1 - x, 7.25), 1e-12);
    EXPECT_NEAR(RegularisedBeta(x, 8.5, 2.5), 1 - RegularisedBeta(1 - x, 2.5, 8.5), 1e-12);
  }
  EXPECT_EQ(RegularisedBeta(0, 2, 2), 0);
  EXPECT_EQ(RegularisedBeta(1, 2, 2), 1);
  EXPECT_EQ(RegularisedBeta(-1, 2, 2), 0);
}

// 60 departures of 100 s, and as many others before the hour: what an hour of a queue at work
// leaves.
QueueState Flowing() {
  QueueState queue;
  NoteWaiting(queue, 3, At(0));
  for (int i = 1; i <= 36; ++i) {
    NoteHandled(queue, absl::Seconds(300), At(100 * i - 50));
    NoteDeparture(queue, absl::Seconds(300), At(100 * i));
  }
  return queue;
}

constexpr Staffing kThree = {.agents = 3, .slots = 3};

TEST(ExpectedWait, NobodyAtWorkSaysNothing) {
  EXPECT_FALSE(ExpectedWait(Flowing(), 1, {.agents = 0, .slots = 0}, At(3600)).has_value());
  EXPECT_FALSE(ExpectedWait(Flowing(), 1, {.agents = 1, .slots = 0}, At(3600)).has_value());
  EXPECT_FALSE(
      MissProbability(Flowing(), 1, absl::Minutes(1), {.agents = 0}, At(3600)).has_value());
}

TEST(ExpectedWait, WithoutHistoryItIsWhatTheStaffCanDo) {
  // Two slots in use, ten minutes each: one is free every five minutes.
  const QueueState queue;
  const Staffing staffing = {.agents = 2, .slots = 4, .busy_share = 0.5};
  EXPECT_EQ(ExpectedWait(queue, 1, staffing, kStart), absl::Minutes(5));
  EXPECT_EQ(ExpectedWait(queue, 4, staffing, kStart), absl::Minutes(20));
  EXPECT_EQ(ExpectedWait(queue, -7, staffing, kStart), absl::Minutes(5));
}

TEST(ExpectedWait, WithHistoryItIsTheRateThatWasSeen) {
  const QueueState queue = Flowing();
  // By the staff alone it would be 50 s.
  const auto wait = ExpectedWait(queue, 5, {.agents = 30, .slots = 30}, At(3600));
  ASSERT_TRUE(wait.has_value());
  EXPECT_GT(*wait, absl::Seconds(250));
  EXPECT_LT(*wait, absl::Seconds(500));
  const auto steady = ExpectedWait(queue, 5, kThree, At(3600));
  ASSERT_TRUE(steady.has_value());
  EXPECT_NEAR(absl::ToDoubleSeconds(*steady), 500, 15);
}

TEST(ExpectedWait, LatelyCountsForMore) {
  // For 40 minutes one is given every 100 s, then for 20 minutes one every 25 s.
  QueueState queue;
  NoteWaiting(queue, 3, At(0));
  for (int i = 1; i <= 24; ++i) NoteDeparture(queue, absl::Seconds(9), At(100 * i));
  for (int i = 1; i <= 48; ++i) NoteDeparture(queue, absl::Seconds(9), At(2'400 + 25 * i));
  const auto wait = ExpectedWait(queue, 10, {.agents = 12, .slots = 12}, At(3'600));
  ASSERT_TRUE(wait.has_value());
  EXPECT_LT(*wait, 10 * absl::Seconds(3'600.0 / 72) - absl::Seconds(50));
}

TEST(ExpectedWait, AStandstillIsNoticed) {
  const QueueState queue = Flowing();
  const auto before = ExpectedWait(queue, 1, kThree, At(3600));
  const auto after = ExpectedWait(queue, 1, kThree, At(3600 + 1800));
  ASSERT_TRUE(before.has_value() && after.has_value());
  EXPECT_GT(*after, 1.5 * *before);
}

TEST(ExpectedWait, ThoseWhoLeaveShortenIt) {
  QueueState leaving = Flowing();
  for (int i = 0; i < 36; ++i) NoteLeft(leaving, At(3600));
  // One of each that waits, every five minutes: 20 are ahead, r = 1/100 s, t = 1/300 s.
  const auto stay = ExpectedWait(Flowing(), 21, kThree, At(3600));
  const auto leave = ExpectedWait(leaving, 21, kThree, At(3600));
  ASSERT_TRUE(stay.has_value() && leave.has_value());
  double exact = 0;
  for (int k = 0; k < 21; ++k) exact += 1 / (1 / 100.0 + k / 300.0);
  EXPECT_NEAR(absl::ToDoubleSeconds(*stay), 2'100, 80);
  EXPECT_NEAR(absl::ToDoubleSeconds(*leave), exact, 80);
}

TEST(MissProbability, IsTheNegativeBinomialTail) {
  // No history: shape 10, and 10 departures expected in 3,000 s; time left 3,000 s: x = 1/2.
  const QueueState queue;
  const Staffing staffing = {.agents = 2, .slots = 2};
  double exact = 0;  // fewer than 7
  for (int k = 0; k < 7; ++k) {
    exact += std::exp(std::lgamma(10 + k) - std::lgamma(10) - std::lgamma(k + 1)) *
             std::pow(0.5, 10 + k);
  }
  EXPECT_EQ(MissProbability(queue, 7, absl::Seconds(3'000), staffing, kStart),
            static_cast<int32_t>(std::lround(1'000 * exact)));
}

TEST(MissProbability, TheTimeToAnswerIsSetAside) {
  QueueState queue = Flowing();
  // Given at once, it would still take 150 s; with 150 s left, two fifths take longer.
  NoteAnswered(queue, absl::Seconds(100), At(3600));
  NoteAnswered(queue, absl::Seconds(200), At(3600));
  const Staffing many = {.agents = 1'000'000'000, .slots = 1'000'000'000};
  QueueState given;
  NoteAnswered(given, absl::Seconds(150), At(3600));
  EXPECT_NEAR(*MissProbability(given, 1, absl::Seconds(150), many, At(3600)), 400, 2);
  EXPECT_NEAR(*MissProbability(given, 1, absl::Seconds(450), many, At(3600)), 0, 2);
  // Behind others it is about as likely as without that time and so much less to go.
  const auto with = MissProbability(queue, 3, absl::Seconds(550), kThree, At(3600));
  const auto without = MissProbability(Flowing(), 3, absl::Seconds(400), kThree, At(3600));
  EXPECT_NEAR(*with, *without, 60);
  EXPECT_GT(*with, *MissProbability(Flowing(), 3, absl::Seconds(550), kThree, At(3600)) + 50);
}

TEST(MissProbability, NoTimeLeftIsMissed) {
  EXPECT_EQ(MissProbability(Flowing(), 1, absl::ZeroDuration(), kThree, At(3600)), 1'000);
  EXPECT_EQ(MissProbability(Flowing(), 1, absl::Seconds(-1), {}, At(3600)), 1'000);
}

TEST(Estimates, AreMonotoneAndBounded) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    QueueState queue;
    double now = 0;
    for (int i = random.Below(60); i > 0; --i) {
      now += random.Exponential(random.Below(3) == 0 ? 300 : 10);
      switch (random.Below(5)) {
        case 0:
          NoteWaiting(queue, 1, At(now));
          break;
        case 1:
          NoteWaiting(queue, -1, At(now));
          break;
        case 2:
          NoteDeparture(queue, absl::Seconds(9), At(now));
          break;
        case 3:
          NoteLeft(queue, At(now));
          break;
        case 4:
          NoteHandled(queue, absl::Seconds(random.Exponential(400)), At(now));
          break;
      }
    }
    const Staffing staffing = {.agents = 1 + random.Below(50),
                               .slots = 1 + random.Below(100),
                               .busy_share = random.Uniform() * 1.2 - 0.1};
    absl::Duration last_wait = absl::ZeroDuration();
    int32_t last_missed = 0;
    const absl::Duration left = absl::Seconds(random.Exponential(600) + 1);
    for (const int32_t position : {1, 2, 3, 5, 10, 50, 1'000, 100'000, 2'000'000'000}) {
      const auto wait = ExpectedWait(queue, position, staffing, At(now));
      const auto missed = MissProbability(queue, position, left, staffing, At(now));
      ASSERT_TRUE(wait.has_value() && missed.has_value());
      EXPECT_GE(*wait, last_wait);
      EXPECT_LE(*wait, absl::Hours(24 * 30));
      EXPECT_GE(*missed, last_missed);
      EXPECT_LE(*missed, 1'000);
      EXPECT_LE(MissProbability(queue, position, 1.5 * left, staffing, At(now)), *missed);
      last_wait = *wait;
      last_missed = *missed;
    }
  }
}

// A day of one queue: Poisson arrivals with two peaks, agents who take breaks, exponential handle
// times and patience, answers some time after a conversation is given. What is forecast is asked
// when a conversation begins to wait and every half minute from then on.
struct Asked {
  int conversation = 0;
  absl::Duration left;
  absl::Duration expected;
  int32_t missed_permille = 0;
};

struct Day {
  struct Conversation {
    absl::Time begin, given = absl::InfiniteFuture(), answered = absl::InfiniteFuture();
    bool left = false;
  };
  std::vector<Conversation> conversations;
  std::vector<Asked> asked;
};

struct DaySpec {
  double per_hour = 0;
  std::vector<double> shape;
  int agents = 0;
  double handle_s = 300;
  double patience_s = 3'000;
  double answer_s = 20;
  absl::Duration target;
};

Day Simulate(const DaySpec& spec, uint64_t seed) {
  enum Kind { kArrive, kHandled, kAnswered, kAsk, kLeave, kBreak, kBack };
  struct Happening {
    absl::Time at;
    Kind kind;
    int who;
    absl::Duration time;
    bool operator<(const Happening& o) const { return at > o.at; }
  };
  Random random(seed);
  Day day;
  QueueState queue;
  std::priority_queue<Happening> agenda;
  std::deque<int> waiting;
  const absl::Time end = kStart + absl::Hours(static_cast<int64_t>(spec.shape.size()));
  int at_work = spec.agents;
  int busy = 0;
  const double peak = *std::max_element(spec.shape.begin(), spec.shape.end());
  const auto arrive_after = [&](absl::Time t) {  // thinning (Lewis and Shedler, 1979)
    while (t < end) {
      t += absl::Seconds(random.Exponential(3'600 / (peak * spec.per_hour)));
      const auto hour = static_cast<size_t>(absl::ToInt64Hours(t - kStart));
      if (t < end && random.Uniform() * peak < spec.shape[hour]) {
        agenda.push({.at = t, .kind = kArrive});
        return;
      }
    }
  };
  arrive_after(kStart);
  for (int i = 0; i < spec.agents; ++i) {
    const absl::Time at = kStart + absl::Minutes(150 + 20 * (i % 6));
    agenda.push({.at = at, .kind = kBreak});
    agenda.push({.at = at + absl::Minutes(30), .kind = kBack});
  }
  const auto give = [&](absl::Time now) {
    while (!waiting.empty() && busy < at_work) {
      const int who = waiting.front();
      Day::Conversation& c = day.conversations[who];
      waiting.pop_front();
      ++busy;
      c.given = now;
      NoteDeparture(queue, now - c.begin, now);
      NoteWaiting(queue, -1, now);
      const absl::Duration answer = absl::Seconds(random.Exponential(spec.answer_s));
      const absl::Duration handle = answer + absl::Seconds(random.Exponential(spec.handle_s));
      c.answered = now + answer;
      agenda.push({.at = c.answered, .kind = kAnswered, .time = answer});
      agenda.push({.at = now + handle, .kind = kHandled, .time = handle});
    }
  };
  while (!agenda.empty()) {
    const Happening it = agenda.top();
    const absl::Time now = it.at;
    agenda.pop();
    const auto place = std::find(waiting.begin(), waiting.end(), it.who);
    switch (it.kind) {
      case kArrive: {
        const int who = static_cast<int>(day.conversations.size());
        day.conversations.push_back({.begin = now});
        NoteWaiting(queue, 1, now);
        waiting.push_back(who);
        arrive_after(now);
        agenda.push({.at = now, .kind = kAsk, .who = who});
        agenda.push({.at = now + absl::Seconds(random.Exponential(spec.patience_s)),
                     .kind = kLeave,
                     .who = who});
        break;
      }
      case kHandled:
        --busy;
        NoteHandled(queue, it.time, now);
        break;
      case kAnswered:
        NoteAnswered(queue, it.time, now);
        break;
      case kAsk: {
        if (place == waiting.end()) break;
        const auto position = static_cast<int32_t>(place - waiting.begin()) + 1;
        const Staffing staffing = {.agents = at_work, .slots = at_work};
        const absl::Duration left = day.conversations[it.who].begin + spec.target - now;
        const auto expected = ExpectedWait(queue, position, staffing, now);
        const auto missed = MissProbability(queue, position, left, staffing, now);
        if (expected && missed && left > absl::ZeroDuration()) {
          day.asked.push_back({.conversation = it.who,
                               .left = left,
                               .expected = *expected,
                               .missed_permille = *missed});
        }
        agenda.push({.at = now + absl::Seconds(30), .kind = kAsk, .who = it.who});
        break;
      }
      case kLeave:
        if (place == waiting.end()) break;
        waiting.erase(place);
        day.conversations[it.who].left = true;
        NoteLeft(queue, now);
        NoteWaiting(queue, -1, now);
        break;
      case kBreak:
        --at_work;
        break;
      case kBack:
        ++at_work;
        break;
    }
    give(now);
  }
  return day;
}

// What docs/guides/routing.md says of whole days with the real engine must hold here, on seeds that
// nothing was fitted to.
TEST(Estimates, AreCalibratedOnSimulatedDays) {
  const std::vector<DaySpec> specs = {
      {.per_hour = 42,
       .shape = {0.6, 0.9, 1.2, 1.3, 1.1, 0.9, 1.0, 0.8},
       .agents = 6,
       .target = absl::Minutes(3)},
      {.per_hour = 108,
       .shape = {0.5, 0.8, 1.0, 1.5, 0.9, 0.7, 1.4, 0.6},
       .agents = 14,
       .target = absl::Minutes(3)},
  };
  struct Bin {
    double said = 0, seen = 0, n = 0;
  };
  std::vector<Bin> bins(5);
  Bin all;
  double squared = 0;
  double waits = 0, wait_error = 0, wait_bias = 0, wait_n = 0;
  for (const DaySpec& spec : specs) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const Day day = Simulate(spec, seed);
      int last = -1;
      for (const Asked& asked : day.asked) {
        const Day::Conversation& c = day.conversations[asked.conversation];
        if (c.left) continue;
        const absl::Time now = c.begin + spec.target - asked.left;
        const double said = asked.missed_permille / 1'000.0;
        const double seen = c.answered > c.begin + spec.target ? 1 : 0;
        Bin& bin = bins[std::min<size_t>(4, static_cast<size_t>(said * 5))];
        for (Bin* b : {&bin, &all}) {
          b->said += said;
          b->seen += seen;
          b->n += 1;
        }
        squared += (said - seen) * (said - seen);
        if (now != c.begin || asked.conversation == last) continue;
        last = asked.conversation;
        const double error = absl::ToDoubleSeconds(asked.expected - (c.given - c.begin));
        waits += absl::ToDoubleSeconds(c.given - c.begin);
        wait_error += std::abs(error);
        wait_bias += error;
        wait_n += 1;
      }
    }
  }
  for (const Bin& bin : bins) {
    ASSERT_GT(bin.n, 200);
    EXPECT_NEAR(bin.said / bin.n, bin.seen / bin.n, 0.08);
  }
  const double base = all.seen / all.n;
  EXPECT_LT(squared / all.n, 0.5 * base * (1 - base));
  ASSERT_GT(wait_n, 1'000);
  EXPECT_LT(wait_error / wait_n, 0.45 * waits / wait_n);
  EXPECT_LT(std::abs(wait_bias / wait_n), 0.12 * waits / wait_n);
  RecordProperty("brier", std::to_string(squared / all.n));
  RecordProperty("brier_of_the_base_rate", std::to_string(base * (1 - base)));
  RecordProperty("mean_wait_s", std::to_string(waits / wait_n));
  RecordProperty("mean_absolute_error_s", std::to_string(wait_error / wait_n));
  RecordProperty("bias_s", std::to_string(wait_bias / wait_n));
}

}  // namespace
}  // namespace wissel::routing
