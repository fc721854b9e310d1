#include "libs/domain/testing_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_model_impl.h"
#include "libs/routing/sla.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain::testing {

using state::v1::ConversationState;

namespace {

constexpr absl::Duration kEstimateInterval = absl::Minutes(1);

}  // namespace

std::map<std::pair<TimerKind, std::string>, absl::Time> EngineModel::WantedTimers() const {
  std::map<std::pair<TimerKind, std::string>, absl::Time> wanted;
  const auto want = [&](TimerKind kind, const std::string& key, absl::Time due) {
    if (due == absl::InfiniteFuture()) return;
    const auto [it, is_new] = wanted.try_emplace({kind, key}, due);
    it->second = std::min(it->second, due);
  };
  const config::v1::ConversationPolicy& policy = config_.conversations();
  const absl::Duration reopens =
      policy.has_reopen_window() ? FromProto(policy.reopen_window()) : absl::Hours(72);
  const absl::Duration forgotten = std::max(
      reopens, policy.has_forget_after() ? FromProto(policy.forget_after()) : absl::Hours(7 * 24));
  const absl::Duration grace =
      policy.has_disconnect_grace() ? FromProto(policy.disconnect_grace()) : absl::Seconds(30);
  for (const auto& [id, seen] : seen_) {
    const config::v1::Queue* queue = FindQueueIn(seen.group, seen.queue_id);
    const ConversationState& c = *state_.FindConversation(id);
    if (c.has_sla()) want(TimerKind::kSla, id, state_.SlaClockOf(c).NextDue());
    switch (seen.status) {
      case kQueued:
        for (const auto& [agent_id, until] : seen.excluded) {
          if (until > state_.time()) want(TimerKind::kConversation, id, until);
        }
        if (queue == nullptr) break;
        for (int rule = 0; rule < queue->overflow_rules_size(); ++rule) {
          if (seen.rules_applied.contains(rule) || seen.rules_passed_over.contains(rule)) continue;
          want(TimerKind::kOverflow, id,
               seen.place + FromProto(queue->overflow_rules(rule).after()));
        }
        break;
      case kOffered:
        want(TimerKind::kConversation, id, seen.offer_ends);
        break;
      case kActive:
        if (policy.has_park_after() && seen.answered.has_value() &&
            *seen.answered > seen.customer_wrote) {
          want(TimerKind::kConversation, id,
               std::max(*seen.answered, seen.taken_up) + FromProto(policy.park_after()));
        }
        if (const auto row = rows_.find(seen.holder);
            row != rows_.end() && row->second.offline.has_value() && queue != nullptr &&
            !IsLive(seen) && FromProto(queue->owner_limit()) > absl::ZeroDuration()) {
          want(TimerKind::kOwnerGone, AgentKey(kWorkspace, seen.holder),
               *row->second.offline + FromProto(queue->owner_limit()));
        }
        break;
      case kResolved:
        want(TimerKind::kConversation, id, seen.had + forgotten);
        break;
      default:
        break;
    }
  }
  for (const auto& [agent_id, row] : rows_) {
    const std::string key = AgentKey(kWorkspace, agent_id);
    for (const AfterWork& work : row.after_work) want(TimerKind::kWrapUp, key, work.until);
    if (row.lost.has_value() && row.presence != command::v1::PRESENCE_OFFLINE) {
      want(TimerKind::kAgentLost, key, *row.lost + grace);
    }
  }
  for (const state::v1::GatewayLease& lease : state_.partition().gateway_leases()) {
    if (const absl::Time due = FromProto(lease.expire_time()); due > state_.time()) {
      want(TimerKind::kGatewayLease, lease.gateway_id(), due);
    }
  }
  return wanted;
}

std::string EngineModel::CheckForecasts(const std::vector<Timers::Timer>& timers) const {
  std::map<std::pair<TimerKind, std::string>, absl::Time> set;
  for (const Timers::Timer& timer : timers) set[{timer.kind, timer.key}] = timer.due;
  std::string wrong;
  const auto need = [&](TimerKind kind, const std::string& key, absl::Time latest) {
    const auto it = set.find({kind, key});
    if (it != set.end() && it->second <= latest) return;
    absl::StrAppend(&wrong, key, " lacks its timer of kind ", static_cast<int>(kind), " by ",
                    Short(latest), "\n");
  };
  for (const auto& [id, seen] : seen_) {
    const config::v1::Queue* queue = FindQueueIn(seen.group, seen.queue_id);
    if (queue == nullptr || !seen.open() || seen.status == kParked) continue;
    if (seen.status == kQueued) {
      if (queue->tell_waiting_time() || queue->at_risk_percent() > 0) {
        need(TimerKind::kEstimate, QueueKey(kWorkspace, seen.queue_id),
             state_.time() + kEstimateInterval);
      }
      continue;
    }
    // Whoever has it may be late with the answer.
    const ConversationState& c = *state_.FindConversation(id);
    if (!c.has_sla() || seen.at_risk || queue->at_risk_percent() == 0) continue;
    const absl::Time due = state_.SlaClockOf(c).DueTime(routing::SlaMetric::kFirstResponse);
    if (due == absl::InfiniteFuture() || due <= state_.time()) continue;
    need(TimerKind::kAtRisk, id,
         std::max(due - absl::Seconds(1), state_.time() + absl::Seconds(1)));
  }
  return wrong;
}

std::string EngineModel::CheckTimers(const std::vector<Timers::Timer>& timers) {
  std::string wrong = CheckForecasts(timers);
  auto wanted = WantedTimers();
  std::map<std::string, absl::Time> relaxes;
  for (const Timers::Timer& timer : timers) {
    switch (timer.kind) {
      case TimerKind::kEstimate:
      case TimerKind::kAtRisk:
        continue;
      case TimerKind::kRelax:
        relaxes[timer.key] = timer.due;
        continue;
      // Whoever takes over looks at everything once more.
      case TimerKind::kMatch:
        if (timer.due <= state_.time()) continue;
        break;
      // Nor do they know that this one was dealt with.
      case TimerKind::kGatewayLease:
        if (timer.due <= state_.time()) continue;
        break;
      default:
        break;
    }
    const auto it = wanted.find({timer.kind, timer.key});
    if (it == wanted.end() || it->second != timer.due) {
      absl::StrAppend(&wrong, timer.key, " has a timer of kind ", static_cast<int>(timer.kind),
                      " at ", Short(timer.due), " instead of ",
                      it == wanted.end() ? "none" : Short(it->second), "\n");
    }
    if (it != wanted.end()) wanted.erase(it);
  }
  for (const config::v1::RoutingGroup& group : config_.routing_groups()) {
    const auto it = relaxes.find(RoutingKey(kWorkspace, group.routing_group_id()));
    const absl::Time set = it == relaxes.end() ? absl::InfiniteFuture() : it->second;
    // What was given out in the meantime need not relax any more.
    if (const absl::Time next = Matcher(group.routing_group_id()).NextRelaxation(); next < set) {
      absl::StrAppend(&wrong, "somebody asks for less at ", Short(next), ", not at ", Short(set),
                      "\n");
    }
  }
  for (const auto& [name, due] : wanted) {
    absl::StrAppend(&wrong, name.second, " lacks its timer of kind ", static_cast<int>(name.first),
                    " at ", Short(due), "\n");
  }
  return wrong;
}

std::string EngineModel::CheckClocks() const {
  using routing::SlaMetric;
  std::string wrong;
  for (const auto& [id, seen] : seen_) {
    if (seen.sla_policy_id.empty() || !seen.open()) continue;
    const routing::SlaClock clock = state_.SlaClockOf(*state_.FindConversation(id));
    const auto runs = [&](SlaMetric metric) {
      return clock.metric(metric).state == routing::SlaClock::State::kRunning;
    };
    if (seen.status != kParked &&
        !(runs(SlaMetric::kResolution) && runs(SlaMetric::kRequesterWait))) {
      absl::StrAppend(&wrong, id, " is open, and not all of its clocks run\n");
    }
    if (seen.answered.has_value() && runs(SlaMetric::kFirstResponse)) {
      absl::StrAppend(&wrong, id, " has been answered, and waits for the first answer\n");
    }
    for (const SlaMetric metric : routing::kSlaMetrics) {
      if (!runs(metric)) continue;
      const auto cycle = seen.cycles.find(routing::ToProto(metric));
      const int32_t said = cycle == seen.cycles.end() ? 0 : cycle->second.said_percent;
      const routing::SlaPolicy::Target& target = clock.policy().target(metric);
      for (const int percent : target.percents) {
        if (percent > said && clock.Used(metric, state_.time()) >= target.time * percent / 100) {
          absl::StrAppend(&wrong, id, " has used ", percent, " % of ",
                          routing::SlaMetricName(metric), ", which was not said\n");
        }
      }
    }
  }
  return wrong;
}

}  // namespace wissel::domain::testing
