// The fold of a conversation's SLA clocks: libs/routing/sla.h, stored as wissel.state.v1.SlaState.

#include <algorithm>

#include "libs/base/proto_time.h"
#include "libs/domain/state.h"
#include "libs/routing/sla.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain {

using config::v1::SlaMetric;
using config::v1::WorkspaceConfig;
using routing::SlaClock;
using routing::SlaEvent;
using state::v1::ConversationState;
using state::v1::ConversationStatus;
using state::v1::SlaState;

namespace {

SlaClock::Metrics MetricsOf(const SlaState& sla) {
  SlaClock::Metrics metrics;
  for (const state::v1::SlaClock& stored : sla.clocks()) {
    if (stored.metric() <= 0 || stored.metric() > static_cast<int>(metrics.size())) continue;
    SlaClock::Metric& metric = metrics[static_cast<size_t>(stored.metric() - 1)];
    switch (stored.state()) {
      case state::v1::SlaClock::STATE_RUNNING:
        metric.state = SlaClock::State::kRunning;
        break;
      case state::v1::SlaClock::STATE_PAUSED:
        metric.state = SlaClock::State::kPaused;
        break;
      case state::v1::SlaClock::STATE_STOPPED:
        metric.state = SlaClock::State::kStopped;
        break;
      default:
        break;
    }
    metric.used = FromProto(stored.used());
    if (stored.has_run_time()) metric.running_since = FromProto(stored.run_time());
    metric.said_percent = stored.said_percent();
  }
  return metrics;
}

void Store(const SlaClock::Metrics& metrics, SlaState& sla) {
  sla.clear_clocks();
  for (const routing::SlaMetric name : routing::kSlaMetrics) {
    const SlaClock::Metric& metric = metrics[static_cast<size_t>(name)];
    if (metric.state == SlaClock::State::kIdle) continue;
    state::v1::SlaClock& stored = *sla.add_clocks();
    stored.set_metric(routing::ToProto(name));
    switch (metric.state) {
      case SlaClock::State::kRunning:
        stored.set_state(state::v1::SlaClock::STATE_RUNNING);
        *stored.mutable_run_time() = ToProto(metric.running_since);
        break;
      case SlaClock::State::kPaused:
        stored.set_state(state::v1::SlaClock::STATE_PAUSED);
        break;
      case SlaClock::State::kStopped:
        stored.set_state(state::v1::SlaClock::STATE_STOPPED);
        break;
      case SlaClock::State::kIdle:
        break;
    }
    *stored.mutable_used() = ToProto(metric.used);
    stored.set_said_percent(metric.said_percent);
  }
}

// What escalation gave for a clock; nothing yet where it gave none.
state::v1::EscalationGain& GainOf(ConversationState& c, SlaMetric metric) {
  auto& gains = *c.mutable_escalation_gains();
  auto gain =
      std::find_if(gains.begin(), gains.end(), [&](const auto& g) { return g.metric() >= metric; });
  if (gain != gains.end() && gain->metric() == metric) return *gain;
  const auto at = gain - gains.begin();
  gains.Add()->set_metric(metric);
  std::rotate(gains.begin() + at, gains.end() - 1, gains.end());
  return gains[static_cast<int>(at)];
}

void NoteTaken(const std::string& sla_policy_id, int32_t percent, state::v1::EscalationGain& gain) {
  for (state::v1::TakenSteps& taken : *gain.mutable_taken()) {
    if (taken.sla_policy_id() != sla_policy_id) continue;
    taken.set_percent(std::max(taken.percent(), percent));
    return;
  }
  gain.add_taken()->set_sla_policy_id(sla_policy_id);
  gain.mutable_taken()->rbegin()->set_percent(percent);
}

// Everything that a policy's measuring depends on.
std::string Fingerprint(const WorkspaceConfig& config, const config::v1::SlaPolicy& policy) {
  std::string bytes = policy.SerializeAsString();
  for (const config::v1::Calendar& calendar : config.calendars()) {
    if (calendar.calendar_id() == policy.calendar_id()) bytes += calendar.SerializeAsString();
  }
  return bytes + config.priority().SerializeAsString();
}

}  // namespace

std::shared_ptr<const routing::SlaPolicy> State::FindSlaPolicy(
    absl::string_view workspace_id, absl::string_view sla_policy_id) const {
  const auto workspace = sla_policies_.find(workspace_id);
  if (workspace == sla_policies_.end()) return nullptr;
  const auto policy = workspace->second.find(std::string(sla_policy_id));
  return policy == workspace->second.end() ? nullptr : policy->second;
}

bool State::HasSlaPolicies(absl::string_view workspace_id) const {
  const WorkspaceConfig* config = FindConfig(workspace_id);
  return config != nullptr && !config->sla_policies().empty();
}

SlaClock State::SlaClockOf(const ConversationState& c) const {
  return SlaClock(FindSlaPolicy(c.workspace_id(), c.sla().sla_policy_id()), MetricsOf(c.sla()));
}

void State::Tell(ConversationState& c, SlaEvent event) {
  SlaClock clock = SlaClockOf(c);
  clock.Fold(event);
  Store(clock.metrics(), *c.mutable_sla());
  if (told_ != nullptr && c.conversation_id() == watched_) told_->push_back(std::move(event));
}

void State::TellClock(ConversationState& c, SlaEvent::Kind kind, bool by_bot) {
  if (!c.has_sla()) return;
  SlaEvent event{.kind = kind, .time = time_};
  event.by_bot = by_bot;
  Tell(c, std::move(event));
}

void State::ChangeSlaPolicy(ConversationState& c, const std::string& sla_policy_id,
                            std::shared_ptr<const routing::SlaPolicy> policy) {
  SlaEvent event{.kind = SlaEvent::Kind::kPolicyChanged, .time = time_};
  event.policy = std::move(policy);
  Tell(c, std::move(event));
  c.mutable_sla()->set_sla_policy_id(sla_policy_id);
}

void State::On(const conversation::v1::SlaPolicyApplied& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  if (!c->has_sla()) return BeginClocks(*c, e.sla_policy_id());
  ChangeSlaPolicy(*c, e.sla_policy_id(), FindSlaPolicy(c->workspace_id(), e.sla_policy_id()));
}

void State::BeginClocks(ConversationState& c, const std::string& sla_policy_id) {
  SlaEvent measured{.kind = SlaEvent::Kind::kPolicyChanged, .time = FromProto(c.open_time())};
  measured.policy = FindSlaPolicy(c.workspace_id(), sla_policy_id);
  c.mutable_sla()->set_sla_policy_id(sla_policy_id);
  Tell(c, std::move(measured));
  const auto tell = [&](SlaEvent::Kind kind, const google::protobuf::Timestamp& time) {
    Tell(c, {.kind = kind, .time = FromProto(time)});
  };
  tell(SlaEvent::Kind::kOpened, c.open_time());
  if (c.has_last_customer_time()) tell(SlaEvent::Kind::kCustomerMessage, c.open_time());
  if (c.has_first_reply_time()) {
    tell(SlaEvent::Kind::kReply, c.first_reply_time());
    if (FromProto(c.last_reply_time()) > FromProto(c.first_reply_time())) {
      tell(SlaEvent::Kind::kReply, c.last_reply_time());
    }
    if (FromProto(c.last_customer_time()) > FromProto(c.last_reply_time())) {
      tell(SlaEvent::Kind::kCustomerMessage, c.last_customer_time());
    }
  }
  if (c.status() == ConversationStatus::CONVERSATION_STATUS_PARKED && c.has_park_time()) {
    tell(SlaEvent::Kind::kPending, c.park_time());
  }
}

void State::BeginClocksAnew(ConversationState& c) {
  c.mutable_sla();
  for (const SlaEvent::Kind kind :
       {SlaEvent::Kind::kOpened, SlaEvent::Kind::kCustomerMessage, SlaEvent::Kind::kResolved}) {
    TellClock(c, kind);
  }
}

void State::On(const conversation::v1::SlaEscalated& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  state::v1::EscalationGain& gain = GainOf(*c, e.metric());
  gain.set_priority_points(gain.priority_points() + e.escalation().add_priority_points());
  gain.set_relax_steps(gain.relax_steps() + e.escalation().relax_steps());
  NoteTaken(e.sla_policy_id().empty() ? c->sla().sla_policy_id() : e.sla_policy_id(),
            e.escalation().percent(), gain);
  SumGains(*c);
  // It leaves for the other queue at once where it waits; where it is on offer, if nobody takes it.
  const std::string& overflow = e.escalation().overflow_to_queue_id();
  if (c->status() == ConversationStatus::CONVERSATION_STATUS_OFFERED && !overflow.empty()) {
    c->set_overflow_due_to_queue_id(overflow);
  }
}

void State::SumGains(ConversationState& c) {
  c.clear_escalation_points();
  c.clear_escalation_relax_steps();
  for (const state::v1::EscalationGain& gain : c.escalation_gains()) {
    c.set_escalation_points(c.escalation_points() + gain.priority_points());
    c.set_escalation_relax_steps(c.escalation_relax_steps() + gain.relax_steps());
  }
}

void State::EndGains(ConversationState& c) {
  auto& gains = *c.mutable_escalation_gains();
  gains.erase(std::remove_if(gains.begin(), gains.end(),
                             [](const state::v1::EscalationGain& gain) {
                               return gain.metric() != SlaMetric::SLA_METRIC_RESOLUTION &&
                                      gain.metric() != SlaMetric::SLA_METRIC_REQUESTER_WAIT;
                             }),
              gains.end());
  SumGains(c);
}

bool State::IsAnswer(const ConversationState& c, const conversation::v1::ReplySent& reply) const {
  if (reply.actor().subject().empty()) return false;
  if (reply.actor().role() != common::v1::ROLE_BOT) return true;
  const auto policy = FindSlaPolicy(c.workspace_id(), c.sla().sla_policy_id());
  return policy == nullptr || policy->bot_answers_count;
}

void State::On(const conversation::v1::ConversationMerged& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  if (e.has_into_conversation_id()) {
    c->set_merged_into_conversation_id(e.into_conversation_id());
    return;
  }
  if (e.unanswered()) *c->mutable_last_customer_time() = ToProto(time_);
  if (!c->has_sla()) return;
  SlaEvent merged{.kind = SlaEvent::Kind::kMerged, .time = time_};
  for (const state::v1::SlaClock& clock : e.clocks()) {
    if (clock.metric() <= 0 || clock.metric() > static_cast<int>(merged.taken.size())) continue;
    merged.taken[static_cast<size_t>(clock.metric() - 1)] = {.used = FromProto(clock.used()),
                                                             .said_percent = clock.said_percent()};
  }
  Tell(*c, std::move(merged));

  const SlaClock clock = SlaClockOf(*c);
  for (const state::v1::EscalationGain& taken : e.escalation_gains()) {
    SlaMetric metric = taken.metric();
    // The source's response counts towards the one that is open here.
    if (metric == SlaMetric::SLA_METRIC_FIRST_RESPONSE ||
        metric == SlaMetric::SLA_METRIC_NEXT_RESPONSE) {
      metric = clock.Active(routing::SlaMetric::kFirstResponse)
                   ? SlaMetric::SLA_METRIC_FIRST_RESPONSE
                   : SlaMetric::SLA_METRIC_NEXT_RESPONSE;
    }
    state::v1::EscalationGain& gain = GainOf(*c, metric);
    gain.set_priority_points(std::max(gain.priority_points(), taken.priority_points()));
    gain.set_relax_steps(std::max(gain.relax_steps(), taken.relax_steps()));
    for (const state::v1::TakenSteps& steps : taken.taken()) {
      NoteTaken(steps.sla_policy_id(), steps.percent(), gain);
    }
  }
  SumGains(*c);
}

void State::NoteSaid(const std::string& conversation_id, config::v1::SlaMetric metric,
                     int32_t percent) {
  ConversationState* c = Conversation(conversation_id);
  if (c == nullptr) return;
  for (state::v1::SlaClock& clock : *c->mutable_sla()->mutable_clocks()) {
    if (clock.metric() == metric) clock.set_said_percent(std::max(clock.said_percent(), percent));
  }
}

void State::CompileSla(const WorkspaceConfig& before, const WorkspaceConfig& config) {
  auto& policies = sla_policies_[config.workspace_id()];
  const auto old = std::move(policies);
  auto changed = routing::CompileSlaPolicies(config);
  // Whoever is measured by a policy that now measures otherwise keeps what has been used so far.
  std::set<std::string> same;
  for (const config::v1::SlaPolicy& p : config.sla_policies()) {
    for (const config::v1::SlaPolicy& q : before.sla_policies()) {
      if (p.sla_policy_id() == q.sla_policy_id() &&
          Fingerprint(config, p) == Fingerprint(before, q)) {
        same.insert(p.sla_policy_id());
      }
    }
  }
  policies = old;
  if (!old.empty()) {
    for (const auto& [id, conversation] : conversations_) {
      if (conversation->workspace_id() != config.workspace_id() || !conversation->has_sla() ||
          conversation->sla().sla_policy_id().empty() ||
          same.contains(conversation->sla().sla_policy_id())) {
        continue;
      }
      const auto now = changed.find(conversation->sla().sla_policy_id());
      ChangeSlaPolicy(*Conversation(id), conversation->sla().sla_policy_id(),
                      now == changed.end() ? nullptr : now->second);
    }
  }
  policies = std::move(changed);
}

}  // namespace wissel::domain
