#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/routing/policy_findings.h"

namespace wissel::routing {
namespace {

using common::v1::ChannelKind;
using config::v1::EscalationStep;
using config::v1::OverflowRule;
using config::v1::Queue;
using config::v1::SlaPolicy;
using config::v1::WorkspaceConfig;

template <typename Values, typename Value>
bool Contains(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool IsMetric(config::v1::SlaMetric metric) {
  return metric != config::v1::SLA_METRIC_UNSPECIFIED && config::v1::SlaMetric_IsValid(metric);
}

// A conversation overflows within its routing group only.
void EscalationQueue(const std::string& path, const std::string& id, const SlaPolicy& policy,
                     PolicyFindings& findings) {
  const auto target = findings.group_of_queue().find(id);
  if (target == findings.group_of_queue().end()) {
    return findings.Error(path, absl::StrCat("no queue \"", id, "\""));
  }
  for (const std::string& from : policy.queue_ids()) {
    const auto found = findings.group_of_queue().find(from);
    if (found == findings.group_of_queue().end() || found->second == target->second) continue;
    findings.Error(path, absl::StrCat("queue \"", id, "\" is of another routing group than \"",
                                      from, "\", which the policy applies to"));
  }
  if (!policy.queue_ids().empty()) return;
  for (const auto& [account, kind_and_group] : findings.accounts()) {
    const auto& [kind, group] = kind_and_group;
    if (group == target->second) continue;
    if (!policy.channel_kinds().empty() && !Contains(policy.channel_kinds(), kind)) continue;
    findings.Error(path, absl::StrCat("queue \"", id,
                                      "\" is of another routing group than account \"", account,
                                      "\", to which the policy applies, too: limit the policy to "
                                      "queues of one group (queue_ids)"));
    return;
  }
}

// What escalation sends to a queue has waited, so that the queue's own overflow rules may be due
// at once.
void EscalationReturns(const std::string& path, const std::string& to, const SlaPolicy& policy,
                       const WorkspaceConfig& config, PolicyFindings& findings) {
  std::set<std::string> reached = {to};
  std::vector<std::string> left = {to};
  while (!left.empty()) {
    const std::string id = left.back();
    left.pop_back();
    for (const Queue& queue : config.queues()) {
      if (queue.queue_id() != id) continue;
      for (const OverflowRule& rule : queue.overflow_rules()) {
        if (rule.action_case() == OverflowRule::kToQueueId &&
            reached.insert(rule.to_queue_id()).second) {
          left.push_back(rule.to_queue_id());
        }
      }
    }
  }
  reached.erase(to);
  for (const std::string& id : reached) {
    if (!policy.queue_ids().empty() && !Contains(policy.queue_ids(), id)) continue;
    findings.Warn(path, absl::StrCat("what it sends to queue \"", to, "\" may go on to queue \"",
                                     id, "\" at once, by overflow_rules whose time is up by then"));
  }
}

void Escalation(const std::string& path, const SlaPolicy& policy, const EscalationStep& step,
                const std::set<int>& metrics, const WorkspaceConfig& config,
                PolicyFindings& findings) {
  if (!IsMetric(step.metric())) {
    findings.Error(absl::StrCat(path, ".metric"), "no such metric");
  } else if (metrics.count(step.metric()) == 0) {
    findings.Error(
        absl::StrCat(path, ".metric"),
        absl::StrCat("the policy has no target for ", config::v1::SlaMetric_Name(step.metric())));
  }
  findings.Range(absl::StrCat(path, ".percent"), step.percent(), 1, 1000);
  switch (step.action_case()) {
    case EscalationStep::kAddPriorityPoints:
      findings.Range(absl::StrCat(path, ".add_priority_points"), step.add_priority_points(), 1,
                     10'000);
      break;
    case EscalationStep::kRelaxSteps:
      findings.Range(absl::StrCat(path, ".relax_steps"), step.relax_steps(), 1, kMaxSteps);
      break;
    case EscalationStep::kOverflowToQueueId:
      EscalationQueue(absl::StrCat(path, ".overflow_to_queue_id"), step.overflow_to_queue_id(),
                      policy, findings);
      EscalationReturns(absl::StrCat(path, ".overflow_to_queue_id"), step.overflow_to_queue_id(),
                        policy, config, findings);
      break;
    case EscalationStep::kTellSupervisors:
      if (!step.tell_supervisors()) {
        findings.Error(absl::StrCat(path, ".tell_supervisors"), "can only be true");
      }
      break;
    case EscalationStep::ACTION_NOT_SET:
      findings.Error(path, "says nothing to do");
      break;
  }
}

}  // namespace

void CheckSlaPolicies(const WorkspaceConfig& config, PolicyFindings& findings) {
  std::set<std::string> known;
  for (const SlaPolicy& policy : config.sla_policies()) {
    const std::string path = absl::StrCat("sla_policies[", policy.sla_policy_id(), "]");
    findings.Slug(path, policy.sla_policy_id(), known);
    for (const std::string& id : policy.queue_ids()) {
      if (findings.group_of_queue().count(id) == 0) {
        findings.Error(absl::StrCat(path, ".queue_ids"), absl::StrCat("no queue \"", id, "\""));
      }
    }
    for (const int kind : policy.channel_kinds()) {
      findings.Kind(absl::StrCat(path, ".channel_kinds"), static_cast<ChannelKind>(kind));
    }
    findings.Calendar(absl::StrCat(path, ".calendar_id"), policy.calendar_id());
    std::set<int> metrics;
    if (policy.targets().empty()) findings.Error(absl::StrCat(path, ".targets"), "none");
    for (const config::v1::SlaTarget& target : policy.targets()) {
      const std::string place =
          absl::StrCat(path, ".targets[", config::v1::SlaMetric_Name(target.metric()), "]");
      if (!IsMetric(target.metric())) findings.Error(place, "no such metric");
      if (!metrics.insert(target.metric()).second) findings.Error(place, "there twice");
      findings.Range(absl::StrCat(place, ".target"), target.target(), absl::Seconds(1),
                     absl::Hours(365 * 24));
    }
    for (int i = 0; i < policy.warn_percents_size(); ++i) {
      const std::string place = absl::StrCat(path, ".warn_percents[", i, "]");
      findings.Range(place, policy.warn_percents(i), 1, 99);
      if (i > 0 && policy.warn_percents(i) <= policy.warn_percents(i - 1)) {
        findings.Error(place,
                       absl::StrCat(policy.warn_percents(i), "; more than the one before it, ",
                                    policy.warn_percents(i - 1)));
      }
    }
    for (int i = 0; i < policy.escalation_steps_size(); ++i) {
      Escalation(absl::StrCat(path, ".escalation_steps[", i, "]"), policy,
                 policy.escalation_steps(i), metrics, config, findings);
    }
  }
}

void CheckPriorities(const config::v1::PriorityPolicy& priority, PolicyFindings& findings) {
  constexpr int32_t kMaxPoints = 10'000;
  std::set<std::string> tiers;
  for (const auto& tier : priority.tiers()) {
    const std::string path = absl::StrCat("priority.tiers[", tier.tier(), "]");
    findings.Name(path, tier.tier(), tiers);
    findings.Range(absl::StrCat(path, ".points"), tier.points(), 0, kMaxPoints);
  }
  std::set<int64_t> values;
  for (const auto& value : priority.lifetime_values()) {
    const std::string path =
        absl::StrCat("priority.lifetime_values[", value.min_lifetime_value_cents(), "]");
    if (!values.insert(value.min_lifetime_value_cents()).second)
      findings.Error(path, "there twice");
    findings.Range(absl::StrCat(path, ".points"), value.points(), 0, kMaxPoints);
  }
  std::set<std::string> states;
  for (const auto& state : priority.order_states()) {
    const std::string path = absl::StrCat("priority.order_states[", state.order_state(), "]");
    findings.Name(path, state.order_state(), states);
    findings.Range(absl::StrCat(path, ".points"), state.points(), 0, kMaxPoints);
  }
  std::set<int32_t> shares;
  int32_t most = 0;
  for (const auto& share : priority.sla_proximity()) {
    const std::string path = absl::StrCat("priority.sla_proximity[", share.percent(), "]");
    findings.Range(absl::StrCat(path, ".percent"), share.percent(), 1, 1000);
    if (!shares.insert(share.percent()).second) findings.Error(path, "there twice");
    findings.Range(absl::StrCat(path, ".points"), share.points(), 0, kMaxPoints);
  }
  // A conversation's priority never falls while it waits.
  for (const int32_t percent : shares) {
    for (const auto& share : priority.sla_proximity()) {
      if (share.percent() != percent) continue;
      if (share.points() < most) {
        findings.Error(absl::StrCat("priority.sla_proximity[", percent, "].points"),
                       absl::StrCat(share.points(), "; no less than for a smaller share, ", most));
      }
      most = std::max(most, share.points());
      break;
    }
  }
}

}  // namespace wissel::routing
