#include "libs/sim/forecast.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "libs/base/proto_time.h"
#include "libs/routing/sla_config.h"
#include "libs/sim/report.h"

namespace wissel::sim {
namespace {

using conversation::v1::Event;

config::v1::WorkspaceConfig WithForecast(config::v1::WorkspaceConfig config, int32_t percent) {
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    queue.set_tell_waiting_time(true);
    queue.set_at_risk_percent(percent);
  }
  return config;
}

// One that came while so large a share of the target was left.
void CountRight(double left, Warnings& warnings) {
  warnings.right += 1;
  warnings.with_half_left += left >= 1.0 / 2 ? 1 : 0;
  warnings.with_third_left += left >= 1.0 / 3 ? 1 : 0;
}

Errors ErrorsOf(std::vector<double> differences) {
  Errors errors;
  errors.count = static_cast<int64_t>(differences.size());
  if (differences.empty()) return errors;
  const auto n = static_cast<double>(differences.size());
  for (double& difference : differences) {
    errors.bias += difference / n;
    difference = std::abs(difference);
    errors.mean_absolute += difference / n;
  }
  std::sort(differences.begin(), differences.end());
  errors.p50 = NearestRank(differences, 50);
  errors.p90 = NearestRank(differences, 90);
  return errors;
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// Reading

void ForecastStudy::Reader::EndDay() {
  places_.clear();
  last_waits_.clear();
}

ForecastStudy::Conversation* ForecastStudy::Reader::Find(const std::string& id) {
  const auto it = places_.find(id);
  return it == places_.end() ? nullptr : &conversations_[it->second];
}

void ForecastStudy::Reader::Read(const log::v1::Decision& decision) {
  const absl::Time now = FromProto(decision.time());
  for (const Event& event : decision.events()) Read(event, now);
}

void ForecastStudy::Reader::Read(const Event& event, absl::Time now) {
  if (event.has_conversation_opened()) {
    places_[event.conversation_opened().conversation_id()] = conversations_.size();
    conversations_.push_back({.arrival = now});
  } else if (event.has_queued()) {
    if (Conversation* c = Find(event.queued().conversation_id())) {
      c->queue_id = event.queued().queue_id();
    }
  } else if (event.has_sla_policy_applied()) {
    Conversation* c = Find(event.sla_policy_applied().conversation_id());
    for (const config::v1::SlaTarget& target : event.sla_policy_applied().targets()) {
      if (c == nullptr || target.metric() != config::v1::SLA_METRIC_FIRST_RESPONSE) continue;
      c->target = FromProto(target.target());
      const auto policy = policies_.find(event.sla_policy_applied().sla_policy_id());
      if (policy != policies_.end()) c->calendar = policy->second->calendar;
    }
  } else if (event.has_wait_estimated()) {
    Conversation* c = Find(event.wait_estimated().conversation_id());
    if (c == nullptr || c->asked || c->with_agent) return;
    c->asked = now;
    if (!event.wait_estimated().has_expected_wait()) return;  // nobody is at work
    c->expected = FromProto(event.wait_estimated().expected_wait());
    const auto last = last_waits_.find(c->queue_id);
    if (last != last_waits_.end()) c->last_wait = last->second;
  } else if (event.has_sla_at_risk()) {
    Conversation* c = Find(event.sla_at_risk().conversation_id());
    if (c == nullptr || c->warned) return;
    c->warned = now;
    if (c->asked == now) c->said = event.sla_at_risk().probability_permille() / 1'000.0;
  } else if (event.has_assigned()) {
    Conversation* c = Find(event.assigned().conversation_id());
    if (c == nullptr || c->with_agent) return;
    c->with_agent = now;
    last_waits_[c->queue_id] = now - c->arrival;
  } else if (event.has_reply_sent()) {
    // What a queue's rule sends is no answer.
    if (event.reply_sent().actor().subject().empty()) return;
    Conversation* c = Find(event.reply_sent().conversation_id());
    if (c != nullptr && !c->answered) c->answered = now;
  } else if (event.has_sla_breached()) {
    if (event.sla_breached().metric() != config::v1::SLA_METRIC_FIRST_RESPONSE) return;
    Conversation* c = Find(event.sla_breached().conversation_id());
    if (c != nullptr && !c->missed) c->missed = now;
  } else if (event.has_resolved()) {
    Conversation* c = Find(event.resolved().conversation_id());
    if (c != nullptr && !c->answered && !c->left) c->left = now;
  }
}

// ---------------------------------------------------------------------------------------------
// Judging

ForecastStudy::ForecastStudy(config::v1::WorkspaceConfig config, int32_t percent)
    : config_(std::move(config)),
      percent_(percent),
      all_(routing::CompileSlaPolicies(config_)),
      warning_(routing::CompileSlaPolicies(config_)) {}

config::v1::WorkspaceConfig ForecastStudy::SayingAll() const { return WithForecast(config_, 1); }

config::v1::WorkspaceConfig ForecastStudy::Warning() const {
  return WithForecast(config_, percent_);
}

void ForecastStudy::EndDay() {
  all_.EndDay();
  warning_.EndDay();
}

ForecastReport ForecastStudy::Report() const {
  ForecastReport report;
  std::vector<double> expected;
  std::vector<double> last;
  absl::Duration waits;
  ForecastReport::Bin all;
  double squares = 0;
  for (const Conversation& c : all_.conversations()) {
    if (!c.asked) continue;
    if (c.with_agent && c.expected) {
      const absl::Duration wait = *c.with_agent - *c.asked;
      waits += wait;
      expected.push_back(absl::ToDoubleSeconds(*c.expected - wait));
      if (c.last_wait) last.push_back(absl::ToDoubleSeconds(*c.last_wait - wait));
    }
    // Who left in time, and who was open when the run ended, proves nothing.
    if (!c.target || !(c.missed || c.answered)) continue;
    if ((c.warned && *c.warned < *c.asked) || (c.missed && *c.missed <= *c.asked)) continue;
    // Less than 1 percent is not said.
    const double said = c.said.value_or(0.0);
    for (ForecastReport::Bin* bin :
         {&report.bins[std::min<size_t>(9, static_cast<size_t>(said * 10))], &all}) {
      bin->count += 1;
      bin->said += said;
      bin->missed += c.missed ? 1 : 0;
    }
    squares += (said - (c.missed ? 1 : 0)) * (said - (c.missed ? 1 : 0));
  }
  if (!expected.empty()) report.mean_wait = waits / static_cast<int64_t>(expected.size());
  report.expected_wait = ErrorsOf(std::move(expected));
  report.last_wait = ErrorsOf(std::move(last));
  if (all.count > 0) {
    const double base = static_cast<double>(all.missed) / static_cast<double>(all.count);
    report.brier = squares / static_cast<double>(all.count);
    report.brier_of_base_rate = base * (1 - base);
  }

  absl::Duration lead;
  for (const Conversation& c : warning_.conversations()) {
    if (!c.target || !c.IsKnown()) continue;
    report.with_target += 1;
    report.missed += c.missed ? 1 : 0;
    if (!c.warned) continue;
    report.forecast.said += 1;
    if (!c.missed) continue;
    const absl::Duration left = c.calendar.BusinessTimeBetween(*c.warned, *c.missed);
    CountRight(absl::FDivDuration(left, *c.target), report.forecast);
    lead += *c.missed - *c.warned;
  }
  report.forecast.lead = lead / std::max<int64_t>(1, report.forecast.right);
  constexpr int kSteps = 200;
  for (int step = 1; step < kSteps; ++step) {
    const double share = static_cast<double>(step) / kSteps;
    const Warnings fixed = FixedWarnings(share);
    if (step == 1 || std::abs(fixed.said - report.forecast.said) <
                         std::abs(report.as_many.said - report.forecast.said)) {
      report.as_many = fixed;
      report.as_many_share = share;
    }
    if (step == 1 || absl::AbsDuration(fixed.lead - report.forecast.lead) <
                         absl::AbsDuration(report.as_early.lead - report.forecast.lead)) {
      report.as_early = fixed;
      report.as_early_share = share;
    }
  }
  return report;
}

Warnings ForecastStudy::FixedWarnings(double share) const {
  Warnings warnings;
  absl::Duration lead;
  for (const Conversation& c : warning_.conversations()) {
    if (!c.target || !c.IsKnown()) continue;
    const absl::Time said = c.calendar.AddBusinessTime(c.arrival, share * *c.target);
    if (c.Over(said)) continue;
    warnings.said += 1;
    if (!c.missed) continue;
    CountRight(1 - share, warnings);
    lead += *c.missed - said;
  }
  warnings.lead = lead / std::max<int64_t>(1, warnings.right);
  return warnings;
}

}  // namespace wissel::sim
