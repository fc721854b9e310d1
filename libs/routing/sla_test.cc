#include "libs/routing/sla.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/routing/calendar.h"
#include "libs/testing/status_matchers.h"

namespace wissel::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Kind = SlaEvent::Kind;
using State = SlaClock::State;
constexpr SlaMetric kFirst = SlaMetric::kFirstResponse;
constexpr SlaMetric kNext = SlaMetric::kNextResponse;
constexpr SlaMetric kResolution = SlaMetric::kResolution;
constexpr SlaMetric kUpdate = SlaMetric::kPeriodicUpdate;
constexpr SlaMetric kWait = SlaMetric::kRequesterWait;

// Wednesday 2026-11-25, 09:00 in Amsterdam; then so many minutes later.
absl::Time T(double minutes) {
  return absl::FromUnixSeconds(1'795'593'600) + absl::Seconds(60 * minutes);
}

SlaEvent E(Kind kind, double minutes) { return {.kind = kind, .time = T(minutes)}; }
SlaEvent BotReply(double minutes) {
  return {.kind = Kind::kReply, .time = T(minutes), .by_bot = true};
}
SlaEvent Policy(double minutes, const SlaPolicy& policy) {
  return {.kind = Kind::kPolicyChanged,
          .time = T(minutes),
          .policy = std::make_shared<const SlaPolicy>(policy)};
}

SlaPolicy AroundTheClock() {
  SlaPolicy policy{.id = "gold"};
  policy.Promise(kFirst, absl::Minutes(60), {80, 50});
  policy.Promise(kNext, absl::Minutes(40), {50});
  policy.Promise(kResolution, absl::Minutes(200), {90});
  policy.Promise(kUpdate, absl::Minutes(100), {});
  return policy;
}

// Monday to Friday, 9:00 to 17:00; Friday the 27th is a holiday.
SlaPolicy InOfficeHours() {
  CalendarSpec spec{.time_zone = "Europe/Amsterdam"};
  for (int day = 0; day < 5; ++day) spec.weekly[day] = {{540, 1020}};
  spec.dates = {{absl::CivilDay(2026, 11, 27), "Inventory", {}}};
  SlaPolicy policy = AroundTheClock();
  policy.calendar = *Calendar::Build(spec);
  return policy;
}

// A clock and all it has said, as "60 first_response 100%".
struct Told {
  explicit Told(const SlaPolicy& policy) : clock(std::make_shared<const SlaPolicy>(policy)) {}

  void Tell(const std::vector<SlaEvent>& events) {
    for (const SlaEvent& event : events) {
      Note(clock.Advance(event.time));
      clock.Fold(event);
      Note(clock.Advance(event.time));
    }
  }
  void Until(double minutes) { Note(clock.Advance(T(minutes))); }
  void Note(const std::vector<SlaNotice>& notices) {
    for (const SlaNotice& n : notices) {
      said.push_back(absl::StrCat(absl::ToDoubleMinutes(n.time - T(0)), " ",
                                  SlaMetricName(n.metric), " ", n.percent, "%"));
    }
  }
  double Used(SlaMetric metric, double minutes) {
    return absl::ToDoubleMinutes(clock.Used(metric, T(minutes)));
  }
  double Due(SlaMetric metric) { return absl::ToDoubleMinutes(clock.DueTime(metric) - T(0)); }
  State state(SlaMetric metric) { return clock.metric(metric).state; }

  SlaClock clock;
  std::vector<std::string> said;
};

TEST(SlaClockTest, FirstResponseRunsFromTheFirstMessageToTheFirstAnswer) {
  Told t(AroundTheClock());
  EXPECT_EQ(t.clock.NextDue(), absl::InfiniteFuture());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 5)});
  EXPECT_EQ(t.Due(kFirst), 65);
  EXPECT_EQ(t.clock.NextDue(), T(35));
  t.Until(34.999);
  EXPECT_THAT(t.said, IsEmpty());
  t.Until(35);
  t.Until(35);
  EXPECT_THAT(t.said, ElementsAre("35 first_response 50%"));
  EXPECT_EQ(t.clock.NextDue(), T(53));
  // More messages change nothing; nor does the bot's answer.
  t.Tell({E(Kind::kCustomerMessage, 20), BotReply(21)});
  t.Tell({E(Kind::kReply, 64)});
  EXPECT_THAT(t.said, ElementsAre("35 first_response 50%", "53 first_response 80%"));
  EXPECT_EQ(t.state(kFirst), State::kStopped);
  EXPECT_FALSE(t.clock.metric(kFirst).breached());
  EXPECT_EQ(t.Used(kFirst, 100), 59);
  EXPECT_EQ(t.Due(kFirst), absl::ToDoubleMinutes(absl::InfiniteDuration()));
}

TEST(SlaClockTest, AnAnswerAtTheDueTimeIsLate) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kReply, 60)});
  EXPECT_TRUE(t.clock.metric(kFirst).breached());
  EXPECT_THAT(t.said, ElementsAre("30 first_response 50%", "48 first_response 80%",
                                  "60 first_response 100%"));
}

TEST(SlaClockTest, ABotsAnswerCountsWhereThePolicySaysSo) {
  SlaPolicy policy = AroundTheClock();
  policy.bot_answers_count = true;
  Told t(policy);
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), BotReply(1)});
  EXPECT_EQ(t.state(kFirst), State::kStopped);
  EXPECT_EQ(t.state(kUpdate), State::kRunning);
}

TEST(SlaClockTest, NextResponseRunsFromTheEarliestUnansweredMessage) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kReply, 10)});
  EXPECT_EQ(t.state(kNext), State::kIdle);
  t.Tell({E(Kind::kCustomerMessage, 20), E(Kind::kCustomerMessage, 30)});
  EXPECT_EQ(t.Due(kNext), 60);
  EXPECT_EQ(t.Used(kNext, 45), 25);
  t.Tell({E(Kind::kReply, 50), E(Kind::kCustomerMessage, 70)});
  // A new cycle, and it is said anew.
  EXPECT_EQ(t.Due(kNext), 110);
  t.Until(90);
  EXPECT_THAT(t.said, ElementsAre("40 next_response 50%", "90 next_response 50%"));
}

TEST(SlaClockTest, WaitingForTheCustomerPausesResolutionNotTheAnswers) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kPending, 30)});
  EXPECT_EQ(t.state(kResolution), State::kPaused);
  EXPECT_EQ(t.state(kWait), State::kPaused);
  EXPECT_EQ(t.Due(kFirst), 60);
  // Said again it changes nothing.
  t.Tell({E(Kind::kReply, 40), E(Kind::kPending, 45), E(Kind::kResumed, 1000)});
  EXPECT_EQ(t.Used(kResolution, 1000), 30);
  EXPECT_EQ(t.Used(kWait, 1010), 40);
  EXPECT_EQ(t.Due(kResolution), 1170);
  // Answered while pending: the update is only due from when it was resumed.
  EXPECT_EQ(t.Due(kUpdate), 1100);
  t.Tell({E(Kind::kResolved, 1050)});
  EXPECT_EQ(t.Used(kResolution, 2000), 80);
  EXPECT_EQ(t.clock.NextDue(), absl::InfiniteFuture());
}

TEST(SlaClockTest, OnHoldTheCustomerWaitsAndTheWorkStandsStill) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kReply, 10),
          E(Kind::kOnHold, 30)});
  EXPECT_EQ(t.Used(kResolution, 90), 30);
  EXPECT_EQ(t.Used(kWait, 90), 90);
  EXPECT_EQ(t.Due(kUpdate), 110);
  // An answer that asks the customer something, from there.
  t.Tell(
      {E(Kind::kReply, 95), E(Kind::kPending, 100), E(Kind::kOnHold, 200), E(Kind::kResumed, 250)});
  EXPECT_EQ(t.Used(kResolution, 260), 40);
  EXPECT_EQ(t.Used(kWait, 260), 160);
  EXPECT_EQ(t.Used(kUpdate, 260), 65);
}

SlaEvent Merged(double minutes, std::vector<std::tuple<SlaMetric, double, int>> taken) {
  SlaEvent event = E(Kind::kMerged, minutes);
  for (const auto& [metric, used, said] : taken) {
    event.taken[static_cast<size_t>(metric)] = {.used = absl::Minutes(1) * used,
                                                .said_percent = said};
  }
  return event;
}

TEST(SlaClockTest, AMergedClockGoesOnFromTheOneThatHasUsedMore) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 100), E(Kind::kCustomerMessage, 100),
          Merged(110, {{kFirst, 40, 50}, {kResolution, 5, 0}, {kWait, 60, 0}})});
  // Half of it was said there; the rest is said in its time, here.
  EXPECT_EQ(t.Due(kFirst), 130);
  EXPECT_EQ(t.Used(kResolution, 110), 10);
  EXPECT_EQ(t.Used(kWait, 110), 60);
  t.Until(130);
  EXPECT_THAT(t.said, ElementsAre("118 first_response 80%", "130 first_response 100%"));
}

TEST(SlaClockTest, WhatTheMergedOneHadToAnswerIsToBeAnsweredHere) {
  // Its first message is the next one of a conversation that has been answered.
  Told answered(AroundTheClock());
  answered.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kReply, 10),
                 Merged(100, {{kFirst, 30, 50}})});
  EXPECT_EQ(answered.state(kFirst), State::kStopped);
  EXPECT_EQ(answered.Due(kNext), 110);
  answered.Until(110);
  // Of 40 minutes instead of 60 it is 75 %: half was said already.
  EXPECT_THAT(answered.said, ElementsAre("110 next_response 100%", "110 periodic_update 100%"));
  // Where nothing has been said by the customer yet, it is the first.
  Told opened(AroundTheClock());
  opened.Tell({E(Kind::kOpened, 0), Merged(100, {{kNext, 30, 0}})});
  EXPECT_EQ(opened.Due(kFirst), 130);
}

TEST(SlaClockTest, NothingIsTakenByAConversationThatIsOver) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kResolved, 10),
          Merged(20, {{kFirst, 30, 0}, {kResolution, 100, 0}})});
  EXPECT_EQ(t.Used(kResolution, 100), 10);
  EXPECT_EQ(t.state(kFirst), State::kIdle);
}

TEST(SlaClockTest, PeriodicUpdateRunsFromEachAnswer) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kReply, 10)});
  EXPECT_EQ(t.Due(kUpdate), 110);
  t.Tell({E(Kind::kReply, 60)});
  EXPECT_EQ(t.Due(kUpdate), 160);
  t.Until(160);
  EXPECT_THAT(t.said, ElementsAre("160 periodic_update 100%"));
  t.Tell({E(Kind::kReply, 170)});
  EXPECT_FALSE(t.clock.metric(kUpdate).breached());
}

TEST(SlaClockTest, ResolvedEndsEveryCycleAndReopenedGoesOnWithResolution) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kResolved, 20)});
  for (const SlaMetric m : {kFirst, kResolution, kWait}) EXPECT_EQ(t.state(m), State::kStopped);
  t.Until(5000);
  EXPECT_THAT(t.said, IsEmpty());
  t.Tell({E(Kind::kReopened, 6000), E(Kind::kCustomerMessage, 6000)});
  EXPECT_EQ(t.Due(kResolution), 6180);
  // It was answered by being resolved: what comes is the next response.
  EXPECT_EQ(t.state(kFirst), State::kStopped);
  EXPECT_EQ(t.Due(kNext), 6040);
  EXPECT_EQ(t.state(kUpdate), State::kIdle);
  t.Until(6170);
  t.Tell({E(Kind::kResolved, 6190), E(Kind::kReopened, 7000)});
  t.Until(9000);
  // Breached once, though it runs again.
  EXPECT_EQ(std::count(t.said.begin(), t.said.end(), "6180 resolution 100%"), 1);
  EXPECT_TRUE(t.clock.metric(kResolution).breached());
}

TEST(SlaClockTest, OnlyOfficeHoursCount) {
  Told t(InOfficeHours());
  // Wednesday 16:40; the next office day is Thursday, then Monday.
  t.Tell({E(Kind::kOpened, 460), E(Kind::kCustomerMessage, 460)});
  EXPECT_EQ(t.Due(kFirst), 24 * 60 + 40);
  EXPECT_EQ(t.Used(kFirst, 24 * 60 - 1), 20);
  t.Until(24 * 60 + 40);
  EXPECT_THAT(t.said, ElementsAre("1450 first_response 50%", "1468 first_response 80%",
                                  "1480 first_response 100%"));
  // Wednesday has 20 minutes and Thursday 180 of its 200.
  EXPECT_EQ(t.Due(kResolution), 24 * 60 + 180);
}

TEST(SlaClockTest, AnotherPolicyKeepsWhatWasUsed) {
  SlaPolicy urgent = AroundTheClock();
  urgent.id = "urgent";
  urgent.Promise(kFirst, absl::Minutes(20), {80});
  SlaPolicy relaxed = AroundTheClock();
  relaxed.id = "relaxed";
  relaxed.Promise(kFirst, absl::Minutes(600), {50});

  // Tighter: what is used up already is said at once.
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), Policy(18, urgent)});
  EXPECT_EQ(t.Due(kFirst), 20);
  EXPECT_EQ(t.clock.policy().id, "urgent");
  EXPECT_THAT(t.said, ElementsAre("18 first_response 80%"));
  t.Until(20);
  EXPECT_TRUE(t.clock.metric(kFirst).breached());
  // Wider: it is not breached by this one, and is warned of in its time.
  t.Tell({Policy(30, relaxed)});
  EXPECT_EQ(t.Used(kFirst, 30), 30);
  EXPECT_EQ(t.Due(kFirst), 600);
  EXPECT_FALSE(t.clock.metric(kFirst).breached());
  EXPECT_EQ(t.clock.NextDue(), T(180));  // resolution, 90 %
  t.Until(300);
  EXPECT_EQ(t.said.back(), "300 first_response 50%");
  // Nothing promised any more.
  t.Tell({E(Kind::kPolicyChanged, 310)});
  EXPECT_EQ(t.clock.NextDue(), absl::InfiniteFuture());
  EXPECT_EQ(t.Used(kFirst, 320), 320);
}

TEST(SlaClockTest, ATighterPolicyWhilePausedIsSaidWhenItRuns) {
  SlaPolicy tight = AroundTheClock();
  tight.Promise(kResolution, absl::Minutes(20), {});
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kOnHold, 30), Policy(40, tight)});
  EXPECT_THAT(t.said, IsEmpty());
  t.Tell({E(Kind::kResumed, 50)});
  EXPECT_THAT(t.said, ElementsAre("50 resolution 100%"));
}

TEST(SlaClockTest, APolicyThatChangedWhileResolvedHoldsFromTheReopening) {
  SlaPolicy wide = AroundTheClock();
  wide.Promise(kResolution, absl::Minutes(400), {60});
  Told t(AroundTheClock());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kResolved, 210), Policy(300, wide)});
  // The verdict on what is over stands.
  EXPECT_TRUE(t.clock.metric(kResolution).breached());
  t.Tell({E(Kind::kReopened, 1000)});
  EXPECT_FALSE(t.clock.metric(kResolution).breached());
  t.Until(1190);
  EXPECT_THAT(t.said, ElementsAre("180 resolution 90%", "200 resolution 100%",
                                  "1030 resolution 60%", "1190 resolution 100%"));
}

TEST(SlaClockTest, UsedIsMeasuredInEachPolicysOwnCalendar) {
  Told t(AroundTheClock());
  // From Wednesday 16:40 around the clock, from 18:00 in office hours, which are closed then.
  t.Tell({E(Kind::kOpened, 460), E(Kind::kCustomerMessage, 460), Policy(540, InOfficeHours())});
  EXPECT_EQ(t.Used(kResolution, 24 * 60), 80);
  EXPECT_EQ(t.Due(kResolution), 24 * 60 + 120);
}

TEST(SlaClockTest, GoesOnFromWhatWasStored) {
  Told t(InOfficeHours());
  t.Tell({E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 0), E(Kind::kReply, 10),
          E(Kind::kPending, 20), E(Kind::kResumed, 30), E(Kind::kCustomerMessage, 31)});
  SlaClock stored(std::make_shared<const SlaPolicy>(InOfficeHours()), t.clock.metrics());
  EXPECT_EQ(stored.Advance(T(5000)), t.clock.Advance(T(5000)));
  EXPECT_EQ(stored.metrics(), t.clock.metrics());
}

TEST(SlaClockTest, WhatMakesNoSenseChangesNothing) {
  Told t(AroundTheClock());
  t.Tell({E(Kind::kResumed, 0), E(Kind::kResolved, 0), E(Kind::kReopened, 0), E(Kind::kReply, 0),
          E(Kind::kOnHold, 0)});
  EXPECT_EQ(t.clock.metrics(), SlaClock::Metrics{});
  t.Tell({E(Kind::kOpened, 10), E(Kind::kOpened, 20), E(Kind::kReopened, 30)});
  EXPECT_EQ(t.Used(kResolution, 40), 30);
}

std::vector<std::string> Listed(const std::vector<SlaInterval>& intervals, SlaMetric metric) {
  std::vector<std::string> lines;
  for (const SlaInterval& i : intervals) {
    if (i.metric != metric) continue;
    const char* kind = i.kind == SlaInterval::Kind::kCounted  ? "+"
                       : i.kind == SlaInterval::Kind::kPaused ? "-"
                                                              : ".";
    lines.push_back(absl::StrCat(kind, i.cycle, " ", absl::ToDoubleMinutes(i.from - T(0)), " to ",
                                 absl::ToDoubleMinutes(i.to - T(0)), " ", i.why));
  }
  return lines;
}

TEST(SlaIntervalsTest, SayWhatCountedAndWhyNot) {
  const auto intervals =
      SlaIntervals(std::make_shared<const SlaPolicy>(InOfficeHours()),
                   {E(Kind::kOpened, 0), E(Kind::kCustomerMessage, 5), E(Kind::kReply, 10),
                    E(Kind::kCustomerMessage, 15), E(Kind::kReply, 25), E(Kind::kPending, 30),
                    E(Kind::kResumed, 100), E(Kind::kCustomerMessage, 100), E(Kind::kOnHold, 200),
                    E(Kind::kResolved, 300), E(Kind::kReopened, 24 * 60 + 450)},
                   T(5 * 24 * 60 + 10));
  EXPECT_THAT(Listed(intervals, kFirst), ElementsAre("+1 5 to 10 no answer yet"));
  EXPECT_THAT(Listed(intervals, kNext),
              ElementsAre("+1 15 to 25 the customer wrote", "+2 100 to 300 the customer wrote"));
  EXPECT_THAT(
      Listed(intervals, kResolution),
      ElementsAre("+1 0 to 30 open", "-1 30 to 100 pending on the customer", "+1 100 to 200 open",
                  "-1 200 to 300 on hold", "-1 300 to 1890 resolved", "+1 1890 to 1920 open",
                  ".1 1920 to 7200 closed (Inventory)", "+1 7200 to 7210 open"));
  // On hold the customer waits.
  EXPECT_THAT(Listed(intervals, kWait),
              ElementsAre("+1 0 to 30 open", "-1 30 to 100 pending on the customer",
                          "+1 100 to 300 open", "-1 300 to 1890 resolved", "+1 1890 to 1920 open",
                          ".1 1920 to 7200 closed (Inventory)", "+1 7200 to 7210 open"));
  EXPECT_THAT(
      Listed(intervals, kUpdate),
      ElementsAre("+1 10 to 25 since the last answer", "+2 25 to 30 since the last answer",
                  "-2 30 to 100 pending on the customer", "+2 100 to 300 since the last answer"));
}

// The clock once more, minute by minute, from what README.md says of each metric.
class MinuteModel {
 public:
  struct Metric {
    bool runs = false;
    bool begun = false;
    int used = 0;
    int said = 0;
    int cycle = 0;
  };

  explicit MinuteModel(const SlaPolicy& policy) : policy_(&policy) {}

  void Tell(const SlaEvent& event) {
    switch (event.kind) {
      case Kind::kOpened:
        if (!opened_) open_ = opened_ = true, New(kResolution), New(kWait);
        break;
      case Kind::kCustomerMessage:
        Ask();
        break;
      case Kind::kReply:
        if (event.by_bot && !policy_->bot_answers_count) break;
        unanswered_ = false;
        if (open_) answered_ = true, New(kUpdate);
        break;
      case Kind::kPending:
        if (open_) for_customer_ = parked_ = true;
        break;
      case Kind::kOnHold:
        if (open_) parked_ = true, for_customer_ = false;
        break;
      case Kind::kResumed:
        parked_ = for_customer_ = false;
        break;
      case Kind::kResolved:
        if (open_) open_ = parked_ = for_customer_ = unanswered_ = answered_ = false;
        break;
      case Kind::kReopened:
        if (opened_ && !open_) {
          open_ = true;
          Lower(kResolution), Lower(kWait);
        }
        break;
      case Kind::kPolicyChanged:
        policy_ = event.policy.get();
        if (unanswered_) Lower(m(kNext).runs ? kNext : kFirst);
        if (open_) Lower(kResolution), Lower(kWait);
        if (answered_) Lower(kUpdate);
        break;
      case Kind::kMerged: {
        if (!open_) break;
        Take(event, kResolution, kResolution), Take(event, kWait, kWait);
        if (answered_) Take(event, kUpdate, kUpdate);
        const SlaMetric theirs = event.taken[0].has_value() ? kFirst : kNext;
        if (!event.taken[static_cast<size_t>(theirs)].has_value()) break;
        Ask();
        Take(event, theirs, m(kNext).runs ? kNext : kFirst);
        break;
      }
    }
    // Only one of the two runs: the first until it has been answered.
    m(kFirst).runs = unanswered_ && !m(kNext).runs;
    m(kResolution).runs = open_ && !parked_;
    m(kWait).runs = open_ && !for_customer_;
    m(kUpdate).runs = answered_ && open_ && !for_customer_;
    if (!unanswered_) m(kNext).runs = false;
  }
  // What is to be said at the begin of this minute.
  void Say(int minute, std::vector<std::string>& said) {
    for (const SlaMetric metric : kSlaMetrics) {
      for (const int percent : policy_->target(metric).percents) {
        if (m(metric).runs && percent > m(metric).said &&
            m(metric).used * absl::Minutes(100) >= policy_->target(metric).time * percent) {
          m(metric).said = percent;
          said.push_back(absl::StrCat(minute, " ", SlaMetricName(metric), " ", percent, "%"));
        }
      }
    }
  }
  void Pass(int minute) {
    if (!policy_->calendar.IsOpen(T(minute))) return;
    for (Metric& metric : metrics_) metric.used += metric.runs;
  }
  Metric& m(SlaMetric metric) { return metrics_[static_cast<size_t>(metric)]; }

 private:
  void New(SlaMetric metric) {
    m(metric) = {.runs = true, .begun = true, .cycle = m(metric).cycle + 1};
  }
  // There is something to answer.
  void Ask() {
    if (!unanswered_) New(m(kFirst).begun ? kNext : kFirst);
    unanswered_ = true;
  }
  void Take(const SlaEvent& event, SlaMetric theirs, SlaMetric ours) {
    const auto& taken = event.taken[static_cast<size_t>(theirs)];
    if (!taken.has_value() || taken->used <= m(ours).used * absl::Minutes(1)) return;
    m(ours).used = static_cast<int>(taken->used / absl::Minutes(1));
    m(ours).said = std::max(m(ours).said, taken->said_percent);
    Lower(ours);
  }
  // What the policy's target has not reached may be said later.
  void Lower(SlaMetric metric) {
    if (policy_->target(metric).time == absl::InfiniteDuration()) return;
    int& said = m(metric).said;
    while (said > 0 && m(metric).used * absl::Minutes(100) < policy_->target(metric).time * said) {
      --said;
    }
  }

  const SlaPolicy* policy_;
  std::array<Metric, 5> metrics_;
  bool opened_ = false;
  bool open_ = false;
  bool parked_ = false;
  bool for_customer_ = false;
  bool unanswered_ = false;
  bool answered_ = false;
};

SlaPolicy RandomPolicy(std::mt19937_64& random) {
  SlaPolicy policy;
  if (random() % 4 != 0) {
    CalendarSpec spec{.time_zone = "Europe/Amsterdam"};
    for (auto& windows : spec.weekly) {
      const int start = random() % 1000;
      const int end = start + 1 + random() % 440;
      if (random() % 5 != 0) windows = {{start, end}};
      if (random() % 3 == 0) windows.push_back({end, 1440});
    }
    policy.calendar = *Calendar::Build(spec);
  }
  policy.bot_answers_count = random() % 2;
  for (const SlaMetric metric : kSlaMetrics) {
    if (random() % 5 == 0) continue;
    // Shares that are whole minutes.
    std::vector<int> percents;
    for (int i = random() % 4; i > 0; --i) percents.push_back(5 * (1 + random() % 40));
    policy.Promise(metric, absl::Minutes(20 * (1 + random() % 60)), percents);
  }
  return policy;
}

TEST(SlaPropertyTest, ClockIntervalsAndMinuteModelAgree) {
  std::mt19937_64 random(411);
  constexpr int kEnd = 5000;
  for (int round = 0; round < 40; ++round) {
    const SlaPolicy policy = RandomPolicy(random);
    std::vector<int> minutes(4 + random() % 30);
    for (int& minute : minutes) minute = random() % kEnd;
    std::sort(minutes.begin(), minutes.end());
    std::vector<SlaEvent> events = {E(Kind::kOpened, minutes[0])};
    for (const int minute : minutes) {
      SlaEvent event = E(static_cast<Kind>(random() % 10), minute);
      if (event.kind == Kind::kPolicyChanged) event = Policy(minute, RandomPolicy(random));
      if (event.kind == Kind::kMerged) {
        for (auto& taken : event.taken) {
          if (random() % 2 == 0) continue;
          taken = {.used = absl::Minutes(random() % 600), .said_percent = int(random() % 120)};
        }
        // Of the responses one is open.
        if (event.taken[0].has_value()) event.taken[1].reset();
      }
      event.by_bot = random() % 4 == 0;
      events.push_back(event);
      // Several at one instant.
      if (random() % 3 == 0) events.push_back(E(static_cast<Kind>(random() % 8), minute));
    }

    MinuteModel model(policy);
    std::vector<std::string> expected;
    size_t next = 0;
    for (int minute = 0; minute < kEnd; ++minute) {
      model.Say(minute, expected);
      for (; next < events.size() && events[next].time == T(minute); ++next) {
        model.Tell(events[next]);
        model.Say(minute, expected);
      }
      model.Pass(minute);
    }
    model.Say(kEnd, expected);

    // In one go; and asked at any instants between.
    Told jump(policy);
    Told steps(policy);
    jump.Tell(events);
    jump.Until(kEnd);
    for (const SlaEvent& event : events) {
      while (random() % 3 != 0) {
        const absl::Time before = T(random() % kEnd + 0.3);
        if (before >= event.time) break;
        steps.Note(steps.clock.Advance(std::min(before, event.time)));
        // And stored between.
        steps.clock = SlaClock(std::make_shared<const SlaPolicy>(steps.clock.policy()),
                               steps.clock.metrics());
      }
      // Asked when it said it would have something to say.
      while (steps.clock.NextDue() < event.time) {
        const size_t said = steps.said.size();
        steps.Note(steps.clock.Advance(steps.clock.NextDue()));
        ASSERT_GT(steps.said.size(), said) << "round " << round;
      }
      steps.Tell({event});
    }
    steps.Until(kEnd);
    ASSERT_EQ(jump.said, expected) << "round " << round;
    ASSERT_EQ(steps.said, expected) << "round " << round;
    ASSERT_EQ(jump.clock.metrics(), steps.clock.metrics());

    std::map<std::pair<SlaMetric, int>, absl::Duration> counted;
    const std::vector<SlaInterval> intervals =
        SlaIntervals(std::make_shared<const SlaPolicy>(policy), events, T(kEnd));
    for (size_t i = 0; i < intervals.size(); ++i) {
      const SlaInterval& interval = intervals[i];
      if (interval.kind != SlaInterval::Kind::kTaken) {
        ASSERT_LT(interval.from, interval.to);
        ASSERT_EQ(interval.to - interval.from, interval.lasted);
      }
      ASSERT_FALSE(interval.why.empty());
      if (interval.kind == SlaInterval::Kind::kCounted ||
          interval.kind == SlaInterval::Kind::kTaken) {
        counted[{interval.metric, interval.cycle}] += interval.lasted;
      }
      if (i > 0 && intervals[i - 1].metric == interval.metric &&
          intervals[i - 1].cycle == interval.cycle) {
        ASSERT_EQ(intervals[i - 1].to, interval.from) << "round " << round;
      }
    }
    for (const SlaMetric metric : kSlaMetrics) {
      const MinuteModel::Metric& m = model.m(metric);
      ASSERT_EQ(jump.clock.Used(metric, T(kEnd)), absl::Minutes(m.used))
          << SlaMetricName(metric) << " round " << round;
      if (m.cycle > 0) {
        ASSERT_EQ((counted[{metric, m.cycle}]), absl::Minutes(m.used))
            << SlaMetricName(metric) << " round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace wissel::routing
