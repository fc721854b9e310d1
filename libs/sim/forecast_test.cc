#include "libs/sim/forecast.h"

#include <gtest/gtest.h>

#include <string>

#include "libs/base/proto_time.h"

namespace wissel::sim {
namespace {

using conversation::v1::Event;
using log::v1::Decision;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

// A decision, so many seconds after the start.
class At {
 public:
  explicit At(int seconds) { *decision_.mutable_time() = ToProto(kStart + absl::Seconds(seconds)); }
  operator const Decision&() const { return decision_; }  // NOLINT(google-explicit-constructor)

  At& Opened(const std::string& id, absl::Duration target) {
    Add().mutable_conversation_opened()->set_conversation_id(id);
    auto& policy = *Add().mutable_sla_policy_applied();
    policy.set_conversation_id(id);
    policy.set_sla_policy_id("promise");
    auto& first = *policy.add_targets();
    first.set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
    *first.mutable_target() = ToProto(target);
    auto& queued = *Add().mutable_queued();
    queued.set_conversation_id(id);
    queued.set_queue_id("q");
    return *this;
  }
  At& Told(const std::string& id, absl::Duration wait) {
    auto& told = *Add().mutable_wait_estimated();
    told.set_conversation_id(id);
    *told.mutable_expected_wait() = ToProto(wait);
    return *this;
  }
  // Nobody is at work.
  At& Told(const std::string& id) {
    Add().mutable_wait_estimated()->set_conversation_id(id);
    return *this;
  }
  At& AtRisk(const std::string& id, int permille) {
    auto& at_risk = *Add().mutable_sla_at_risk();
    at_risk.set_conversation_id(id);
    at_risk.set_probability_permille(permille);
    return *this;
  }
  At& Assigned(const std::string& id) {
    Add().mutable_assigned()->set_conversation_id(id);
    return *this;
  }
  At& Breached(const std::string& id) {
    auto& breached = *Add().mutable_sla_breached();
    breached.set_conversation_id(id);
    breached.set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
    return *this;
  }
  At& Replied(const std::string& id) {
    auto& reply = *Add().mutable_reply_sent();
    reply.set_conversation_id(id);
    reply.mutable_actor()->set_subject("anna");
    return *this;
  }
  // By a queue's rule.
  At& Texted(const std::string& id) {
    Add().mutable_reply_sent()->set_conversation_id(id);
    return *this;
  }
  At& Resolved(const std::string& id) {
    Add().mutable_resolved()->set_conversation_id(id);
    return *this;
  }

 private:
  Event& Add() { return *decision_.add_events(); }
  Decision decision_;
};

// One is told 60 s and waits 90 s; one is told 30 s and waits 20 s; one leaves before its target;
// one is given at once.
void PlayDay(ForecastStudy& study, void (ForecastStudy::*read)(const Decision&)) {
  const auto say = [&](const Decision& decision) { (study.*read)(decision); };
  const absl::Duration target = absl::Seconds(100);
  say(At(0).Opened("late", target).Told("late", absl::Seconds(60)).AtRisk("late", 700));
  say(At(5).Opened("leaves", target).Told("leaves", absl::Seconds(80)).AtRisk("leaves", 900));
  say(At(10).Texted("late"));
  say(At(55).Resolved("leaves"));
  say(At(70).Texted("late"));
  say(At(90).Assigned("late"));
  say(At(100).Breached("late"));
  say(At(120).Replied("late"));
  say(At(200).Opened("in-time", target).Told("in-time", absl::Seconds(30)));
  say(At(220).Assigned("in-time"));
  say(At(240).Replied("in-time").Resolved("in-time"));
  say(At(300).Opened("at-once", target).Assigned("at-once"));
  say(At(310).Replied("at-once"));
}

TEST(ForecastStudy, ComparesWhatWasSaidWithWhatCame) {
  ForecastStudy study({}, 50);
  PlayDay(study, &ForecastStudy::ReadSayingAll);
  PlayDay(study, &ForecastStudy::ReadWarning);
  study.EndDay();
  const ForecastReport report = study.Report();

  EXPECT_EQ(report.expected_wait.count, 2);
  EXPECT_EQ(report.mean_wait, absl::Seconds(55));
  EXPECT_DOUBLE_EQ(report.expected_wait.mean_absolute, 20);
  EXPECT_DOUBLE_EQ(report.expected_wait.bias, -10);
  // The one before had waited 90 s.
  EXPECT_EQ(report.last_wait.count, 1);
  EXPECT_DOUBLE_EQ(report.last_wait.mean_absolute, 70);

  EXPECT_EQ(report.bins[7].count, 1);
  EXPECT_EQ(report.bins[7].missed, 1);
  EXPECT_EQ(report.bins[0].count, 1);
  EXPECT_EQ(report.bins[0].missed, 0);
  EXPECT_EQ(report.bins[9].count, 0) << "who leaves proves nothing";
  EXPECT_NEAR(report.brier, 0.3 * 0.3 / 2, 1e-12);
  EXPECT_DOUBLE_EQ(report.brier_of_base_rate, 0.25);

  EXPECT_EQ(report.with_target, 4);
  EXPECT_EQ(report.missed, 1);
  EXPECT_EQ(report.forecast.said, 2);
  EXPECT_EQ(report.forecast.right, 1);
  EXPECT_EQ(report.forecast.lead, absl::Seconds(100));
  // From 10.5 to 40 percent on, three would be warned of, then two.
  EXPECT_EQ(report.as_many.said, 2);
  EXPECT_EQ(report.as_many.right, 1);
  EXPECT_DOUBLE_EQ(report.as_many_share, 0.4);
  EXPECT_EQ(report.as_many.lead, absl::Seconds(60));
  // As early as the forecast, at once, everyone would have to be warned of.
  EXPECT_EQ(report.as_early.said, 4);
  EXPECT_EQ(report.as_early.right, 1);
  EXPECT_DOUBLE_EQ(report.as_early_share, 0.005);
}

// Nobody is at work: no wait can be told, the risk can.
TEST(ForecastStudy, WhatIsSaidWhileNobodyIsThereCounts) {
  ForecastStudy study({}, 50);
  const absl::Duration target = absl::Seconds(100);
  study.ReadSayingAll(At(0).Opened("night", target).Told("night").AtRisk("night", 950));
  study.ReadSayingAll(At(100).Breached("night"));
  study.ReadSayingAll(At(300).Told("night", absl::Seconds(40)));
  study.ReadSayingAll(At(400).Assigned("night").Replied("night"));
  // Warned of while it was on offer, and missed before it waits: nothing is left to be said.
  study.ReadSayingAll(At(500).Opened("offered", target));
  study.ReadSayingAll(At(560).AtRisk("offered", 300));
  study.ReadSayingAll(At(570).Told("offered", absl::Seconds(10)));
  study.ReadSayingAll(At(580).Assigned("offered").Replied("offered"));
  study.ReadSayingAll(At(600).Opened("missed", target));
  study.ReadSayingAll(At(700).Breached("missed"));
  study.ReadSayingAll(At(710).Told("missed", absl::Seconds(10)).AtRisk("missed", 1000));
  study.ReadSayingAll(At(720).Assigned("missed").Replied("missed"));
  study.EndDay();
  const ForecastReport report = study.Report();
  int64_t judged = 0;
  for (const ForecastReport::Bin& bin : report.bins) judged += bin.count;
  EXPECT_EQ(judged, 1);
  EXPECT_EQ(report.bins[9].count, 1);
  EXPECT_DOUBLE_EQ(report.bins[9].said, 0.95);
  EXPECT_EQ(report.bins[9].missed, 1);
  EXPECT_EQ(report.expected_wait.count, 2) << "of those who were told one as they began to wait";
}

TEST(ForecastStudy, SaysHowMuchOfTheTargetWasLeft) {
  ForecastStudy study({}, 50);
  for (const int said_at : {50, 51, 66, 67}) {
    study.ReadWarning(At(0).Opened("c", absl::Seconds(100)));
    study.ReadWarning(At(said_at).AtRisk("c", 500));
    study.ReadWarning(At(100).Breached("c"));
    study.EndDay();
  }
  const ForecastReport report = study.Report();
  EXPECT_EQ(report.forecast.right, 4);
  EXPECT_EQ(report.forecast.with_half_left, 1);
  EXPECT_EQ(report.forecast.with_third_left, 3);
}

TEST(ForecastStudy, WhatWasNotDueWhenTheRunEndedProvesNothing) {
  ForecastStudy study({}, 50);
  for (const auto read : {&ForecastStudy::ReadSayingAll, &ForecastStudy::ReadWarning}) {
    const absl::Duration target = absl::Seconds(100);
    (study.*read)(At(0).Opened("met", target).Told("met", absl::Seconds(10)).AtRisk("met", 500));
    (study.*read)(At(20).Assigned("met").Replied("met"));
    (study.*read)(At(50).Opened("open", target).Told("open", absl::Seconds(90)));
    (study.*read)(At(50).AtRisk("open", 700));
    (study.*read)(At(60).Assigned("open"));
  }
  study.EndDay();
  const ForecastReport report = study.Report();
  EXPECT_EQ(report.bins[5].count, 1);
  EXPECT_EQ(report.bins[7].count, 0);
  EXPECT_DOUBLE_EQ(report.brier, 0.25);
  EXPECT_EQ(report.with_target, 1);
  EXPECT_EQ(report.forecast.said, 1);
  EXPECT_EQ(report.as_many.said, 1);
  EXPECT_EQ(report.expected_wait.count, 2) << "an agent had both";
}

// It is 22:13:20, and the desk opens at nine: 38,800 seconds from now.
TEST(ForecastStudy, ATargetInOfficeHoursIsJudgedInOfficeHours) {
  config::v1::WorkspaceConfig config;
  auto& calendar = *config.add_calendars();
  calendar.set_calendar_id("office");
  calendar.set_time_zone("UTC");
  auto& window = *calendar.add_windows();
  for (int day = 1; day <= 7; ++day) window.add_days(day);
  window.set_open("09:00");
  window.set_close("17:00");
  auto& policy = *config.add_sla_policies();
  policy.set_sla_policy_id("promise");
  policy.set_calendar_id("office");
  policy.add_targets()->set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
  *policy.mutable_targets(0)->mutable_target() = ToProto(absl::Seconds(100));

  ForecastStudy study(config, 50);
  study.ReadWarning(At(0).Opened("late", absl::Seconds(100)));
  study.ReadWarning(At(0).Opened("at-night", absl::Seconds(100)));
  study.ReadWarning(At(500).Replied("at-night"));
  study.ReadWarning(At(38'850).AtRisk("late", 500));
  study.ReadWarning(At(38'900).Breached("late"));
  study.EndDay();
  const ForecastReport report = study.Report();
  EXPECT_EQ(report.forecast.right, 1);
  EXPECT_EQ(report.forecast.lead, absl::Seconds(50));
  EXPECT_EQ(report.forecast.with_half_left, 1);
  EXPECT_DOUBLE_EQ(report.as_early_share, 0.5);
  EXPECT_EQ(report.as_early.lead, absl::Seconds(50));
  EXPECT_EQ(report.as_early.said, 1) << "the other was answered before it opened";
}

TEST(ForecastStudy, PercentilesAreByNearestRank) {
  ForecastStudy study({}, 50);
  for (int i = 1; i <= 10; ++i) {
    study.ReadSayingAll(At(0).Opened("c", absl::Seconds(100)).Told("c", absl::Seconds(i)));
    study.ReadSayingAll(At(0).Assigned("c"));
    study.EndDay();
  }
  const Errors errors = study.Report().expected_wait;
  EXPECT_EQ(errors.count, 10);
  EXPECT_DOUBLE_EQ(errors.p50, 5);
  EXPECT_DOUBLE_EQ(errors.p90, 9);
}

TEST(ForecastStudy, DaysAreApart) {
  ForecastStudy study({}, 50);
  for (int day = 0; day < 3; ++day) {
    PlayDay(study, &ForecastStudy::ReadSayingAll);
    study.EndDay();
  }
  const ForecastReport report = study.Report();
  EXPECT_EQ(report.expected_wait.count, 6);
  EXPECT_EQ(report.last_wait.count, 3) << "a day's first has none before it";
}

TEST(ForecastStudy, OfNothingItSaysNothing) {
  const ForecastReport report = ForecastStudy({}, 50).Report();
  EXPECT_EQ(report.expected_wait.count, 0);
  EXPECT_EQ(report.brier, 0);
  EXPECT_EQ(report.forecast.said, 0);
}

TEST(ForecastStudy, EveryQueueForecasts) {
  config::v1::WorkspaceConfig config;
  config.add_queues()->set_queue_id("a");
  config.add_queues()->set_at_risk_percent(30);
  const ForecastStudy study(config, 70);
  const config::v1::WorkspaceConfig saying_all = study.SayingAll();
  const config::v1::WorkspaceConfig warning = study.Warning();
  for (const auto& queue : saying_all.queues()) {
    EXPECT_TRUE(queue.tell_waiting_time());
    EXPECT_EQ(queue.at_risk_percent(), 1);
  }
  for (const auto& queue : warning.queues()) {
    EXPECT_EQ(queue.at_risk_percent(), 70);
  }
}

}  // namespace
}  // namespace wissel::sim
