#include "libs/routing/sla_config.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "libs/base/proto_time.h"
#include "libs/routing/calendar_config.h"

namespace wissel::routing {
namespace {

constexpr int kDefaultWarnPercent = 80;

template <class Values, class Value>
bool Holds(const Values& values, const Value& value) {
  return values.empty() || std::find(values.begin(), values.end(), value) != values.end();
}

std::optional<Calendar> CalendarOf(const config::v1::WorkspaceConfig& config,
                                   absl::string_view calendar_id) {
  if (calendar_id.empty()) return Calendar::Always();
  for (const config::v1::Calendar& calendar : config.calendars()) {
    if (calendar.calendar_id() != calendar_id) continue;
    absl::StatusOr<Calendar> built = BuildCalendar(calendar);
    if (!built.ok()) return std::nullopt;
    return *std::move(built);
  }
  return std::nullopt;
}

}  // namespace

SlaMetric FromProto(config::v1::SlaMetric metric) {
  return static_cast<SlaMetric>(static_cast<int>(metric) - 1);
}

config::v1::SlaMetric ToProto(SlaMetric metric) {
  return static_cast<config::v1::SlaMetric>(static_cast<int>(metric) + 1);
}

static_assert(static_cast<int>(SlaMetric::kFirstResponse) + 1 ==
              config::v1::SLA_METRIC_FIRST_RESPONSE);
static_assert(static_cast<int>(SlaMetric::kNextResponse) + 1 ==
              config::v1::SLA_METRIC_NEXT_RESPONSE);
static_assert(static_cast<int>(SlaMetric::kResolution) + 1 == config::v1::SLA_METRIC_RESOLUTION);
static_assert(static_cast<int>(SlaMetric::kPeriodicUpdate) + 1 ==
              config::v1::SLA_METRIC_PERIODIC_UPDATE);
static_assert(static_cast<int>(SlaMetric::kRequesterWait) + 1 ==
              config::v1::SLA_METRIC_REQUESTER_WAIT);

std::map<std::string, std::shared_ptr<const SlaPolicy>> CompileSlaPolicies(
    const config::v1::WorkspaceConfig& config) {
  std::map<std::string, std::shared_ptr<const SlaPolicy>> policies;
  for (const config::v1::SlaPolicy& p : config.sla_policies()) {
    std::optional<Calendar> calendar = CalendarOf(config, p.calendar_id());
    if (!calendar.has_value()) continue;
    auto policy = std::make_shared<SlaPolicy>();
    policy->id = p.sla_policy_id();
    policy->calendar = *std::move(calendar);
    policy->bot_answers_count = p.bot_answers_count();
    for (const config::v1::SlaTarget& target : p.targets()) {
      if (target.metric() == config::v1::SLA_METRIC_UNSPECIFIED ||
          !config::v1::SlaMetric_IsValid(target.metric())) {
        continue;
      }
      std::vector<int> percents(p.warn_percents().begin(), p.warn_percents().end());
      if (percents.empty()) percents.push_back(kDefaultWarnPercent);
      for (const config::v1::EscalationStep& step : p.escalation_steps()) {
        if (step.metric() == target.metric()) percents.push_back(step.percent());
      }
      if (target.metric() == config::v1::SLA_METRIC_FIRST_RESPONSE ||
          target.metric() == config::v1::SLA_METRIC_NEXT_RESPONSE) {
        for (const auto& proximity : config.priority().sla_proximity()) {
          percents.push_back(proximity.percent());
        }
      }
      policy->Promise(FromProto(target.metric()), wissel::FromProto(target.target()),
                      std::move(percents));
    }
    policies.try_emplace(policy->id, std::move(policy));
  }
  return policies;
}

const config::v1::SlaPolicy* ChooseSlaPolicy(const config::v1::WorkspaceConfig& config,
                                             const SlaFacts& facts) {
  for (const config::v1::SlaPolicy& policy : config.sla_policies()) {
    if (Holds(policy.queue_ids(), facts.queue_id) && Holds(policy.channel_kinds(), facts.kind) &&
        Holds(policy.contact_tiers(), facts.tier) &&
        (!policy.has_min_priority() || facts.priority >= policy.min_priority())) {
      return &policy;
    }
  }
  return nullptr;
}

}  // namespace wissel::routing
