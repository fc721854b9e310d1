// The estimates of flow.h, each against what it is to be by its formula.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include "libs/routing/flow.h"
#include "libs/routing/testing/flow.h"

namespace wissel::routing {
namespace {

using state::v1::QueueState;
using testing::flow::At;
using testing::flow::kStart;
using testing::flow::Random;

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

}  // namespace
}  // namespace wissel::routing
