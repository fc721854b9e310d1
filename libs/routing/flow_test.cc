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
using ::testing::ElementsAre;

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
  EXPECT_THAT(bucket.answers(), ElementsAre(0, 1));
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

TEST(FlowFold, AnswersAreCountedByDoublingTimes) {
  QueueState queue;
  for (const double seconds : {-1.0, 0.0, 7.999, 8.0, 15.9, 16.0, 100.0}) {
    NoteAnswered(queue, absl::Seconds(seconds), At(0));
  }
  EXPECT_THAT(queue.buckets(0).answers(), ElementsAre(3, 2, 1, 0, 1));
  NoteAnswered(queue, absl::Hours(24 * 3'650), At(1));
  EXPECT_EQ(queue.buckets(0).answers_size(), 20);
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
          if (bucket.answers().empty()) bucket.add_answers(0);
          bucket.set_answers(0, bucket.answers(0) + 1);
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

// Hardly any takes longer than 8 s: a million answers.
void AnswerAtOnce(QueueState& queue, absl::Time now) {
  NoteAnswered(queue, absl::ZeroDuration(), now);
  queue.mutable_buckets()->rbegin()->set_answers(0, 1'000'000);
}

TEST(MissProbability, IsTheNegativeBinomialTail) {
  // No history: shape 10, and 10 departures expected in 3,000 s; 3,000 s left when it has been
  // answered, after 4 s on average: x = 1/2.
  QueueState queue;
  AnswerAtOnce(queue, kStart);
  const Staffing staffing = {.agents = 2, .slots = 2};
  double exact = 0;  // fewer than 7
  for (int k = 0; k < 7; ++k) {
    exact += std::exp(std::lgamma(10 + k) - std::lgamma(10) - std::lgamma(k + 1)) *
             std::pow(0.5, 10 + k);
  }
  EXPECT_EQ(MissProbability(queue, {.position = 7}, absl::Seconds(3'004), staffing, kStart),
            static_cast<int32_t>(std::lround(1'000 * exact)));
}

// Of 99 answers a third takes 32 to 64 s each, 64 to 128 s, 128 to 256 s; with two of the prior.
QueueState Answering(absl::Time now) {
  QueueState queue;
  for (const int seconds : {40, 100, 200}) {
    for (int i = 0; i < 33; ++i) NoteAnswered(queue, absl::Seconds(seconds), now);
  }
  return queue;
}

// That one of those takes longer.
double Longer(double seconds) {
  double longer = 2 * 60 / (60 + seconds);
  for (const double begin : {32.0, 64.0, 128.0}) {
    longer += 33 * std::clamp((2 * begin - seconds) / begin, 0.0, 1.0);
  }
  return longer / 101;
}

TEST(MissProbability, OnceGivenItIsTheShareOfLongerAnswers) {
  const QueueState queue = Answering(At(0));
  for (const double had : {0.0, 30.0, 100.0, 250.0, 1'000.0}) {
    for (const double left : {0.0, 1.0, 60.0, 200.0, 5'000.0}) {
      EXPECT_EQ(
          MissProbability(queue, {.had_since = At(100)}, absl::Seconds(left), {}, At(100 + had)),
          std::lround(1'000 * Longer(had + left) / Longer(had)))
          << had << " " << left;
    }
  }
  EXPECT_EQ(MissProbability(queue, {}, absl::Seconds(60), {}, At(500)),
            std::lround(1'000 * Longer(60)))
      << "on offer";
}

TEST(MissProbability, TheTimeToAnswerIsSetAside) {
  // Given at once.
  const Staffing many = {.agents = 1'000'000'000, .slots = 1'000'000'000};
  for (const double left : {20.0, 50.0, 100.0, 150.0, 450.0}) {
    EXPECT_NEAR(
        MissProbability(Answering(At(3600)), {.position = 1}, absl::Seconds(left), many, At(3600)),
        1'000 * Longer(left), 1);
  }
  // Behind others it is about as likely as with the mean answer less to go.
  QueueState queue = Flowing();
  for (int i = 0; i < 200; ++i) NoteAnswered(queue, absl::Seconds(150), At(3600));
  QueueState at_once = Flowing();
  AnswerAtOnce(at_once, At(3600));
  const auto missed = [](const QueueState& q, int seconds) {
    return MissProbability(q, {.position = 3}, absl::Seconds(seconds), kThree, At(3600));
  };
  EXPECT_NEAR(missed(queue, 550), missed(at_once, 550 - 192 + 4), 20);
  EXPECT_GT(missed(queue, 550), missed(at_once, 550) + 50);
}

TEST(MissProbability, NoTimeLeftIsMissed) {
  for (const Place& place : {Place{.position = 1}, Place{}, Place{.had_since = At(0)}}) {
    EXPECT_EQ(MissProbability(Flowing(), place, absl::ZeroDuration(), kThree, At(3600)), 1'000);
    EXPECT_EQ(MissProbability(Flowing(), place, absl::Seconds(-1), {}, At(3600)), 1'000);
  }
}

TEST(ExpectedWait, GoesByThoseWhoCanDoWhatIsAsked) {
  const Staffing eight = {.agents = 8, .slots = 8};
  Staffing half = eight;
  half.able_share = 0.5;
  half.able_of_asked_share = 0.5;
  // No history: half the staff takes twice as long.
  EXPECT_EQ(*ExpectedWait(QueueState(), 6, half, kStart),
            2 * *ExpectedWait(QueueState(), 6, eight, kStart));
  // A steady queue: half of its departures are theirs, and those ahead leave as before.
  const double ratio = absl::FDivDuration(*ExpectedWait(Flowing(), 6, half, At(3600)),
                                          *ExpectedWait(Flowing(), 6, eight, At(3600)));
  EXPECT_GT(ratio, 1.6);
  EXPECT_LT(ratio, 2.0);
  EXPECT_LT(MissProbability(Flowing(), {.position = 6}, absl::Minutes(9), eight, At(3600)),
            MissProbability(Flowing(), {.position = 6}, absl::Minutes(9), half, At(3600)));
  // Where nobody else is asked for, all departures are theirs.
  Staffing alone = half;
  alone.able_of_asked_share = 1.0;
  EXPECT_LT(*ExpectedWait(Flowing(), 6, alone, At(3600)),
            *ExpectedWait(Flowing(), 6, half, At(3600)));
  EXPECT_GT(*ExpectedWait(Flowing(), 6, alone, At(3600)),
            *ExpectedWait(Flowing(), 6, eight, At(3600)));
  // Nobody at work can.
  half.able_share = 0;
  EXPECT_EQ(ExpectedWait(Flowing(), 6, half, At(3600)), std::nullopt);
}

TEST(MissProbability, WhereNobodyIsAtWorkItIsAsIfOneSlotWere) {
  EXPECT_EQ(MissProbability(Flowing(), {.position = 2}, absl::Minutes(4), {}, At(3600)),
            MissProbability(Flowing(), {.position = 2}, absl::Minutes(4), {.agents = 1, .slots = 1},
                            At(3600)));
}

TEST(AtRiskTime, OnceGivenItIsWhenTheShareOfLongerAnswersReachesTheThreshold) {
  const QueueState queue = Answering(At(0));
  const absl::Time given = At(100);
  const absl::Time due = given + absl::Seconds(180);
  // Half of those who are still to answer then will take longer than 180 s.
  double at = 0;
  while (Longer(180) / Longer(at) < 0.5) at += 0.01;
  const absl::Time when = AtRiskTime(queue, {.had_since = given}, due, {}, 500, At(110), due);
  EXPECT_LE(absl::AbsDuration(when - given - absl::Seconds(at)), absl::Seconds(1));
  // Where nothing happens the same is found from later on, and what is past is now.
  EXPECT_LE(
      absl::AbsDuration(AtRiskTime(queue, {.had_since = given}, due, {}, 500, At(130), due) - when),
      absl::Seconds(1));
  EXPECT_EQ(AtRiskTime(queue, {.had_since = given}, due, {}, 500, At(275), due), At(275));
  // On offer it has been had for no time.
  at = 0;
  while (Longer(at) > 0.5) at += 0.01;
  EXPECT_LE(absl::AbsDuration(AtRiskTime(queue, {}, due, {}, 500, At(110), due) - due +
                              absl::Seconds(at)),
            absl::Seconds(1));
}

TEST(AtRiskTime, OfOneThatWaitsItIsWhenAStandstillGetsItThere) {
  QueueState queue = Flowing();
  AnswerAtOnce(queue, At(3600));
  const Place third{.position = 3};
  const absl::Time due = At(3600 + 600);
  const auto when = [&](absl::Time now, absl::Time until) {
    return AtRiskTime(queue, third, due, kThree, 500, now, until);
  };
  const absl::Time at_risk = when(At(3600), due);
  ASSERT_GT(at_risk, At(3700));
  ASSERT_LT(at_risk, due - absl::Seconds(60));
  EXPECT_EQ(when(At(3600), at_risk - absl::Seconds(2)), absl::InfiniteFuture());
  EXPECT_EQ(when(at_risk + absl::Seconds(30), due), at_risk + absl::Seconds(30));
  // A minute ahead it is about what comes true, and the nearer the better.
  for (const int before : {60, 10, 2}) {
    const absl::Time now = at_risk - absl::Seconds(before);
    const absl::Time again = when(now, due);
    EXPECT_LE(absl::AbsDuration(again - at_risk), absl::Seconds(15)) << before;
    EXPECT_LT(MissProbability(queue, third, due - again + absl::Seconds(10), kThree,
                              again - absl::Seconds(10)),
              500);
    EXPECT_GE(MissProbability(queue, third, due - again - absl::Seconds(5), kThree,
                              again + absl::Seconds(5)),
              500);
  }
}

TEST(AtRiskTime, IsASecondBeforeItIsDueAtTheLatest) {
  QueueState queue;
  AnswerAtOnce(queue, At(0));
  for (const Place& place : {Place{.position = 1}, Place{}, Place{.had_since = At(0)}}) {
    for (const int32_t permille : {10, 500, 1'000}) {
      EXPECT_LE(AtRiskTime(queue, place, At(60), kThree, permille, At(10), At(60)), At(59));
      EXPECT_EQ(AtRiskTime(queue, place, At(60), kThree, permille, At(59.5), At(60)), At(59.5));
    }
  }
}

TEST(Estimates, AreMonotoneAndBounded) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    QueueState queue;
    double now = 0;
    for (int i = random.Below(60); i > 0; --i) {
      now += random.Exponential(random.Below(3) == 0 ? 300 : 10);
      switch (random.Below(6)) {
        case 5:
          NoteAnswered(queue, absl::Seconds(random.Exponential(100)), At(now));
          break;
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
      const Place place{.position = static_cast<double>(position)};
      const int32_t missed = MissProbability(queue, place, left, staffing, At(now));
      ASSERT_TRUE(wait.has_value());
      EXPECT_GE(*wait, last_wait);
      EXPECT_LE(*wait, absl::Hours(24 * 30));
      EXPECT_GE(missed, last_missed);
      EXPECT_LE(missed, 1'000);
      EXPECT_LE(MissProbability(queue, place, 1.5 * left, staffing, At(now)), missed);
      last_wait = *wait;
      last_missed = missed;
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
        if (expected && left > absl::ZeroDuration()) {
          day.asked.push_back(
              {.conversation = it.who,
               .left = left,
               .expected = *expected,
               .missed_permille = MissProbability(
                   queue, {.position = static_cast<double>(position)}, left, staffing, now)});
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
