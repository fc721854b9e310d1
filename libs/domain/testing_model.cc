#include "libs/domain/testing_model.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/base/proto_time.h"
#include "libs/domain/defaults.h"
#include "libs/domain/testing.h"
#include "libs/routing/sla.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain::testing {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using routing::Waiting;
using routing::testing::NaiveMatcher;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

template <typename Values, typename Value>
bool Has(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// With the queues that are kept although the configuration no longer has them.
WorkspaceConfig Effective(const State& state) {
  WorkspaceConfig config;
  for (const auto& [key, queue] : state.queues()) {
    if (!queue.has_kept()) continue;
    *config.add_queues() = queue.kept().queue();
  }
  config.MergeFrom(*state.FindConfig(kWorkspace));
  for (const auto& [key, queue] : state.queues()) {
    for (config::v1::Agent& agent : *config.mutable_agents()) {
      if (Has(queue.kept().agent_ids(), agent.agent_id())) agent.add_queue_ids(queue.queue_id());
      if (Has(queue.kept().secondary_agent_ids(), agent.agent_id())) {
        agent.add_secondary_queue_ids(queue.queue_id());
      }
    }
  }
  return config;
}

// Null where there is none.
const config::v1::Queue* FindQueue(const WorkspaceConfig& config, const std::string& queue_id) {
  for (const config::v1::Queue& queue : config.queues()) {
    if (queue.queue_id() == queue_id) return &queue;
  }
  return nullptr;
}

// How many wait in the queue.
int64_t CountWaiting(const State& state, const std::string& queue_id) {
  return std::count_if(
      state.conversations().begin(), state.conversations().end(), [&](const auto& entry) {
        return entry.second->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED &&
               entry.second->queue_id() == queue_id;
      });
}

routing::AgentLoad LoadOf(const state::v1::AgentState& agent) {
  routing::AgentLoad load;
  load.available = agent.presence() == command::v1::PRESENCE_AVAILABLE && !agent.sessions().empty();
  load.capacity_units = agent.capacity_units();
  load.idle_since = FromProto(agent.idle_since());
  load.last_given = agent.last_given();
  for (const state::v1::ChannelLoad& held : agent.channel_loads()) {
    load.held[held.kind()] = {.conversations = held.conversations(), .units = held.units()};
  }
  return load;
}

// The most urgent of what waits and may be given to somebody; nothing: nobody could take anything.
std::optional<Waiting> MostUrgent(const NaiveMatcher& matcher) {
  std::optional<Waiting> first;
  for (const auto& [id, waiting] : matcher.waiting()) {
    if (!matcher.ChooseAgent(waiting).has_value()) continue;
    if (!first.has_value() || matcher.MoreUrgent(waiting, *first)) first = waiting;
  }
  return first;
}

}  // namespace

Waiting EngineModel::WaitingOf(const ConversationState& c) const {
  const config::v1::PriorityPolicy& points = state_.FindConfig(kWorkspace)->priority();
  Waiting waiting;
  waiting.conversation_id = c.conversation_id();
  waiting.queue_id = c.queue_id();
  waiting.kind = c.account().kind();
  waiting.language = c.language();
  const Seen& seen = seen_.at(c.conversation_id());
  waiting.waiting_since = seen.place;
  waiting.priority.own = c.priority_points();
  for (const auto& [metric, cycle] : seen.cycles) {
    waiting.priority.escalation += cycle.points;
    waiting.extra_relaxation_steps += cycle.relax_steps;
  }
  for (const auto& tier : points.tiers()) {
    if (tier.tier() == c.facts().tier()) waiting.priority.tier = tier.points();
  }
  if (c.has_sla()) {
    const routing::SlaClock clock = state_.SlaClockOf(c);
    int32_t reached = 0;
    for (const routing::SlaMetric metric :
         {routing::SlaMetric::kFirstResponse, routing::SlaMetric::kNextResponse}) {
      waiting.sla_due = std::min(waiting.sla_due, clock.DueTime(metric));
      if (clock.DueTime(metric) == absl::InfiniteFuture()) continue;
      for (const auto& share : points.sla_proximity()) {
        if (clock.metric(metric).said_percent < share.percent() || share.percent() < reached) {
          continue;
        }
        reached = share.percent();
        waiting.priority.sla_proximity = share.points();
      }
    }
  }
  waiting.anyone = seen.anyone;
  waiting.sticky_agent_id = seen.sticky_agent_id;
  for (const auto& [agent_id, until] : seen.excluded) {
    if (until > state_.time()) waiting.excluded_agent_ids.push_back(agent_id);
  }
  return waiting;
}

NaiveMatcher EngineModel::Matcher() const {
  NaiveMatcher matcher;
  matcher.Configure(Effective(state_), std::string(kGroup));
  for (const auto& [key, agent] : state_.agents()) {
    matcher.SetAgent(agent.agent_id(), LoadOf(agent));
  }
  for (const auto& [id, c] : state_.conversations()) {
    if (c->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
      matcher.AddWaiting(WaitingOf(*c));
    }
  }
  matcher.Advance(state_.time());
  return matcher;
}

std::string EngineModel::Follow(const log::v1::Decision& decision) {
  state_.BeginDecision(decision.cause(), FromProto(decision.time()));
  std::string wrong;
  // What a person hands to an agent is not matched.
  std::set<std::string> handed;
  for (const Event& event : decision.events()) {
    if (!event.transferred().to_agent_id().empty()) {
      handed.insert(event.transferred().conversation_id());
    }
    if (event.has_offered() && !handed.contains(event.offered().conversation_id())) {
      absl::StrAppend(&wrong,
                      CheckGiven(event.offered().conversation_id(), event.offered().agent_id(),
                                 event.offered().explanation()));
    }
    if (event.assigned().reason() == conversation::v1::Assigned::REASON_AUTO_ACCEPTED) {
      absl::StrAppend(&wrong,
                      CheckGiven(event.assigned().conversation_id(), event.assigned().agent_id(),
                                 event.assigned().explanation()));
    }
    absl::StrAppend(&wrong, See(event));
    state_.ApplyEvent(event);
  }
  return wrong;
}

bool EngineModel::IsAnswer(const conversation::v1::ReplySent& reply) const {
  if (reply.actor().role() == common::v1::ROLE_BOT) {
    const ConversationState* c = state_.FindConversation(reply.conversation_id());
    for (const auto& policy : state_.FindConfig(kWorkspace)->sla_policies()) {
      if (policy.sla_policy_id() == c->sla().sla_policy_id()) return policy.bot_answers_count();
    }
  }
  return !reply.actor().subject().empty();
}

void EngineModel::Exclude(const std::string& conversation_id, const std::string& agent_id) {
  Seen& seen = seen_[conversation_id];
  absl::Duration cooldown = absl::Minutes(1);
  const WorkspaceConfig config = Effective(state_);
  for (const auto& queue : config.queues()) {
    if (queue.queue_id() == seen.queue_id && queue.has_decline_cooldown()) {
      cooldown = FromProto(queue.decline_cooldown());
    }
  }
  seen.excluded[agent_id] = state_.time() + cooldown;
}

std::string EngineModel::See(const Event& event) {
  // What is for an answer, or for news until the next.
  const auto end_promises = [](Seen& seen) {
    for (const auto metric :
         {config::v1::SLA_METRIC_FIRST_RESPONSE, config::v1::SLA_METRIC_NEXT_RESPONSE,
          config::v1::SLA_METRIC_PERIODIC_UPDATE}) {
      seen.cycles.erase(metric);
    }
  };
  switch (event.kind_case()) {
    case Event::kConversationOpened: {
      const auto& e = event.conversation_opened();
      seen_[e.conversation_id()].whose =
          absl::StrCat(e.account().account_id(), " ", e.contact().contact_id());
      return "";
    }
    case Event::kConversationForgotten:
      seen_.erase(event.conversation_forgotten().conversation_id());
      return "";
    case Event::kQueued:
      return SeeQueued(event.queued());
    case Event::kAssigned: {
      const auto& e = event.assigned();
      Seen& seen = seen_[e.conversation_id()];
      const ConversationState& before = *state_.FindConversation(e.conversation_id());
      if (before.status() != ConversationStatus::CONVERSATION_STATUS_ACTIVE ||
          before.agent_id() != e.agent_id()) {
        seen.taken_up = state_.time();
      }
      seen.agent_id = e.agent_id();
      seen.excluded.clear();
      return "";
    }
    case Event::kOfferDeclined:
      Exclude(event.offer_declined().conversation_id(), event.offer_declined().agent_id());
      return "";
    case Event::kOfferTimedOut:
      Exclude(event.offer_timed_out().conversation_id(), event.offer_timed_out().agent_id());
      return "";
    case Event::kOffered:
      seen_[event.offered().conversation_id()].agent_id = "";
      return "";
    case Event::kTransferred:
      seen_[event.transferred().conversation_id()].agent_id = "";
      seen_[event.transferred().conversation_id()].excluded.clear();
      return "";
    case Event::kParked:
      seen_[event.parked().conversation_id()].had = state_.time();
      return "";
    case Event::kResolved: {
      Seen& seen = seen_[event.resolved().conversation_id()];
      seen.had = state_.time();
      seen.resolved = true;
      seen.excluded.clear();
      end_promises(seen);
      return "";
    }
    case Event::kReplySent:
      if (Seen& seen = seen_[event.reply_sent().conversation_id()]; IsAnswer(event.reply_sent())) {
        seen.answered = state_.time();
        end_promises(seen);
      }
      return "";
    case Event::kConfigApplied:
      SeeConfig(event.config_applied().config());
      return "";
    case Event::kOverflowed:
      return SeeOverflowed(event.overflowed());
    case Event::kOverflowPassedOver:
      return SeePassedOver(event.overflow_passed_over());
    case Event::kSlaEscalated: {
      const auto& e = event.sla_escalated();
      Cycle& cycle = seen_[e.conversation_id()].cycles[e.metric()];
      cycle.points += e.escalation().add_priority_points();
      cycle.relax_steps += e.escalation().relax_steps();
      if (cycle.steps_taken.insert({e.sla_policy_id(), e.step()}).second) return "";
      return absl::StrCat(e.conversation_id(), " takes step ", e.step(), " of ", e.sla_policy_id(),
                          " again\n");
    }
    case Event::kSlaWarned: {
      const auto& e = event.sla_warned();
      int32_t& said = seen_[e.conversation_id()].cycles[e.metric()].said_percent;
      said = std::max(said, e.percent());
      return "";
    }
    case Event::kSlaBreached: {
      const auto& e = event.sla_breached();
      int32_t& said = seen_[e.conversation_id()].cycles[e.metric()].said_percent;
      said = std::max(said, 100);
      return "";
    }
    case Event::kConversationMerged: {
      const auto& e = event.conversation_merged();
      Seen& seen = seen_[e.conversation_id()];
      // Until it is resolved it has what it gained.
      if (e.has_into_conversation_id()) seen.handed_on = seen.cycles;
      const ConversationState* target = state_.FindConversation(e.conversation_id());
      if (!e.has_from_conversation_id() || !target->has_sla()) return "";
      const Seen& source = seen_[e.from_conversation_id()];
      const routing::SlaClock clock = state_.SlaClockOf(*target);
      for (const auto& [clock_of, theirs] : source.handed_on) {
        config::v1::SlaMetric metric = clock_of;
        if (metric == config::v1::SLA_METRIC_FIRST_RESPONSE ||
            metric == config::v1::SLA_METRIC_NEXT_RESPONSE) {
          metric = clock.Active(routing::SlaMetric::kFirstResponse)
                       ? config::v1::SLA_METRIC_FIRST_RESPONSE
                       : config::v1::SLA_METRIC_NEXT_RESPONSE;
        }
        Cycle& ours = seen.cycles[metric];
        ours.points = std::max(ours.points, theirs.points);
        if (source.queue_id == seen.queue_id) {
          ours.relax_steps = std::max(ours.relax_steps, theirs.relax_steps);
        }
        ours.steps_taken.insert(theirs.steps_taken.begin(), theirs.steps_taken.end());
        ours.said_percent = std::max(ours.said_percent, theirs.said_percent);
      }
      return "";
    }
    default:
      return "";
  }
}

std::string EngineModel::CheckLookedAt(const Seen& seen, const config::v1::Queue& queue,
                                       int rule) const {
  const absl::Time due = seen.place + FromProto(queue.overflow_rules(rule).after());
  if (!seen.rules_applied.contains(rule) && !seen.rules_passed_over.contains(rule) &&
      due <= state_.time()) {
    return "";
  }
  return absl::StrCat("rule ", rule, " of ", queue.queue_id(), ", due at ", absl::FormatTime(due),
                      ", is looked at too early or again\n");
}

std::string EngineModel::SeeOverflowed(const conversation::v1::Overflowed& e) {
  Seen& seen = seen_[e.conversation_id()];
  const WorkspaceConfig config = Effective(state_);
  const config::v1::Queue& queue = *FindQueue(config, seen.queue_id);
  const config::v1::OverflowRule& rule = queue.overflow_rules(e.rule());
  std::string wrong = CheckLookedAt(seen, queue, e.rule());
  if (rule.above_waiting() > 0 && CountWaiting(state_, seen.queue_id) <= rule.above_waiting()) {
    absl::StrAppend(&wrong, e.conversation_id(), " overflows from a queue that is too short\n");
  }
  seen.rules_applied.insert(e.rule());
  seen.anyone |= rule.to_anyone();
  return wrong;
}

std::string EngineModel::SeePassedOver(const conversation::v1::OverflowPassedOver& e) {
  Seen& seen = seen_[e.conversation_id()];
  const WorkspaceConfig config = Effective(state_);
  const config::v1::Queue& queue = *FindQueue(config, seen.queue_id);
  std::string wrong;
  for (const int32_t rule : e.rules()) {
    absl::StrAppend(&wrong, CheckLookedAt(seen, queue, rule));
    if (CountWaiting(state_, seen.queue_id) > queue.overflow_rules(rule).above_waiting()) {
      absl::StrAppend(&wrong, e.conversation_id(), " does not overflow\n");
    }
    seen.rules_passed_over.insert(rule);
  }
  return wrong;
}

// No two rules of a queue are written alike.
void EngineModel::SeeConfig(const WorkspaceConfig& config) {
  if (state_.FindConfig(kWorkspace) == nullptr) return;
  const WorkspaceConfig effective = Effective(state_);
  for (auto& [id, seen] : seen_) {
    const config::v1::Queue* before = FindQueue(effective, seen.queue_id);
    const config::v1::Queue* after = FindQueue(config, seen.queue_id);
    if (before == nullptr || after == nullptr) continue;
    for (auto* rules : {&seen.rules_applied, &seen.rules_passed_over}) {
      std::set<std::string> written;
      for (const int rule : std::exchange(*rules, {})) {
        if (rule >= before->overflow_rules_size()) continue;
        written.insert(before->overflow_rules(rule).SerializeAsString());
      }
      for (int rule = 0; rule < after->overflow_rules_size(); ++rule) {
        if (written.contains(after->overflow_rules(rule).SerializeAsString())) rules->insert(rule);
      }
    }
  }
}

std::string EngineModel::SeeQueued(const conversation::v1::Queued& e) {
  using conversation::v1::Queued;
  Seen& seen = seen_[e.conversation_id()];
  const absl::Time place = FromProto(e.waiting_since());
  const bool begins =
      e.reason() == Queued::REASON_NEW || e.reason() == Queued::REASON_REOPENED ||
      e.reason() == Queued::REASON_RESUMED ||
      (e.reason() == Queued::REASON_TRANSFERRED && place == state_.time() && place != seen.place);
  std::string wrong;
  if (const absl::Time due = begins ? state_.time() : seen.place; place != due) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits since ", absl::FormatTime(place),
                    " instead of ", absl::FormatTime(due), "\n");
  }
  // Who had the contact last, in this conversation or in the one that was over last.
  const Seen* last = &seen;
  if (e.reason() == Queued::REASON_NEW) {
    last = nullptr;
    for (const auto& [id, other] : seen_) {
      if (&other == &seen || !other.resolved || other.whose != seen.whose) continue;
      if (last == nullptr || last->had < other.had) last = &other;
      // Which of two that were over at the same instant counts is nobody's business.
      if (last != &other && last->had == other.had && e.sticky_agent_id() == other.agent_id) {
        last = &other;
      }
    }
  }
  const WorkspaceConfig config = Effective(state_);
  absl::Duration window;
  for (const auto& queue : config.queues()) {
    if (queue.queue_id() == e.queue_id()) window = FromProto(queue.sticky_window());
  }
  std::string sticky;
  if (e.reason() == Queued::REASON_NEW || e.reason() == Queued::REASON_REOPENED ||
      e.reason() == Queued::REASON_RESUMED) {
    if (last != nullptr && state_.time() - last->had <= window) sticky = last->agent_id;
  } else if (e.reason() != Queued::REASON_TRANSFERRED) {
    sticky = seen.sticky_agent_id;
  }
  if (window <= absl::ZeroDuration()) sticky.clear();
  if (e.sticky_agent_id() != sticky) {
    absl::StrAppend(&wrong, e.conversation_id(), " goes to ", e.sticky_agent_id(),
                    " first, instead of ", sticky, "\n");
  }
  if (begins || e.queue_id() != seen.queue_id) {
    seen.rules_applied.clear();
    seen.anyone = false;
  }
  seen.rules_passed_over.clear();
  if (e.queue_id() != seen.queue_id) {
    for (auto& [metric, cycle] : seen.cycles) cycle.relax_steps = 0;
  }
  seen.queue_id = e.queue_id();
  seen.place = place;
  seen.agent_id = "";
  seen.sticky_agent_id = e.sticky_agent_id();
  seen.resolved = false;
  return wrong;
}

std::string EngineModel::CheckGiven(const std::string& conversation_id, const std::string& agent_id,
                                    const conversation::v1::Explanation& explanation) const {
  const NaiveMatcher matcher = Matcher();
  const auto given = matcher.waiting().find(conversation_id);
  if (given == matcher.waiting().end()) {
    return absl::StrCat(conversation_id, " is given out, but does not wait\n");
  }
  const std::optional<std::string> best = matcher.ChooseAgent(given->second);
  if (best != agent_id) {
    return absl::StrCat(conversation_id, " is given to ", agent_id, " instead of ",
                        best.value_or("nobody"), "\n");
  }
  if (const std::optional<Waiting> first = MostUrgent(matcher);
      first->conversation_id != conversation_id) {
    return absl::StrCat(conversation_id, " is given out before ", first->conversation_id, "\n");
  }
  const conversation::v1::Explanation expected = matcher.Explain(given->second);
  if (!google::protobuf::util::MessageDifferencer::Equals(explanation, expected)) {
    return absl::StrCat(conversation_id, " is explained by\n", explanation.DebugString(),
                        "instead of\n", expected.DebugString());
  }
  return "";
}

std::map<std::pair<TimerKind, std::string>, absl::Time> EngineModel::WantedTimers() const {
  std::map<std::pair<TimerKind, std::string>, absl::Time> wanted;
  const auto want = [&](TimerKind kind, const std::string& key, absl::Time due) {
    if (due == absl::InfiniteFuture()) return;
    const auto [it, is_new] = wanted.try_emplace({kind, key}, due);
    it->second = std::min(it->second, due);
  };
  const WorkspaceConfig config = Effective(state_);
  for (const auto& [id, c] : state_.conversations()) {
    const config::v1::Queue* queue = FindQueue(config, c->queue_id());
    const Seen& seen = seen_.at(id);
    if (c->has_sla()) want(TimerKind::kSla, id, state_.SlaClockOf(*c).NextDue());
    switch (c->status()) {
      case ConversationStatus::CONVERSATION_STATUS_QUEUED:
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
      case ConversationStatus::CONVERSATION_STATUS_OFFERED:
        want(TimerKind::kConversation, id, FromProto(c->offer().expire_time()));
        break;
      case ConversationStatus::CONVERSATION_STATUS_ACTIVE:
        if (config.conversations().has_park_after() && seen.answered.has_value() &&
            *seen.answered > FromProto(c->last_customer_time())) {
          want(TimerKind::kConversation, id,
               std::max(*seen.answered, seen.taken_up) +
                   FromProto(config.conversations().park_after()));
        }
        break;
      case ConversationStatus::CONVERSATION_STATUS_RESOLVED:
        want(TimerKind::kConversation, id,
             FromProto(c->resolve_time()) + ForgetAfter(config.conversations()));
        break;
      default:
        break;
    }
  }
  for (const auto& [key, agent] : state_.agents()) {
    for (const state::v1::WrapUp& wrap_up : agent.wrap_ups()) {
      want(TimerKind::kWrapUp, key, FromProto(wrap_up.expire_time()));
    }
    if (agent.has_lost_time() && agent.presence() != command::v1::PRESENCE_OFFLINE) {
      want(TimerKind::kAgentLost, key,
           FromProto(agent.lost_time()) + DisconnectGrace(config.conversations()));
    }
    if (!agent.has_offline_time()) continue;
    for (const auto& [id, c] : state_.conversations()) {
      const config::v1::Queue* queue = FindQueue(config, c->queue_id());
      if (c->agent_id() == agent.agent_id() && queue != nullptr &&
          c->status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE &&
          c->account().kind() == common::v1::CHANNEL_KIND_EMAIL && queue->has_owner_limit()) {
        want(TimerKind::kOwnerGone, key,
             FromProto(agent.offline_time()) + FromProto(queue->owner_limit()));
      }
    }
  }
  for (const state::v1::GatewayLease& lease : state_.partition().gateway_leases()) {
    if (const absl::Time due = FromProto(lease.expire_time()); due > state_.time()) {
      want(TimerKind::kGatewayLease, lease.gateway_id(), due);
    }
  }
  return wanted;
}

std::string EngineModel::CheckTimers(const Timers& timers) const {
  // The others look again at what was told.
  static constexpr std::array kChecked = {TimerKind::kConversation, TimerKind::kAgentLost,
                                          TimerKind::kGatewayLease, TimerKind::kGiveBack,
                                          TimerKind::kOverflow,     TimerKind::kSla,
                                          TimerKind::kWrapUp,       TimerKind::kOwnerGone};
  std::string wrong;
  auto wanted = WantedTimers();
  absl::Time relaxes = absl::InfiniteFuture();
  for (const Timers::Timer& timer : timers.All()) {
    if (timer.kind == TimerKind::kRelax) relaxes = std::min(relaxes, timer.due);
    if (!Has(kChecked, timer.kind)) continue;
    // Whoever takes over does not know that this one was dealt with.
    if (timer.kind == TimerKind::kGatewayLease && timer.due <= state_.time()) continue;
    const auto it = wanted.find({timer.kind, timer.key});
    if (it == wanted.end() || it->second != timer.due) {
      absl::StrAppend(&wrong, timer.key, " has a timer of kind ", static_cast<int>(timer.kind),
                      " at ", absl::FormatTime(timer.due), " instead of ",
                      it == wanted.end() ? "none" : absl::FormatTime(it->second), "\n");
    }
    if (it != wanted.end()) wanted.erase(it);
  }
  // What was given out in the meantime need not relax any more.
  if (const absl::Time next = Matcher().NextRelaxation(); next < relaxes) {
    absl::StrAppend(&wrong, "somebody asks for less at ", absl::FormatTime(next), ", not at ",
                    absl::FormatTime(relaxes), "\n");
  }
  for (const auto& [name, due] : wanted) {
    absl::StrAppend(&wrong, name.second, " lacks its timer of kind ", static_cast<int>(name.first),
                    " at ", absl::FormatTime(due), "\n");
  }
  return wrong;
}

std::string EngineModel::CheckClocks() const {
  using routing::SlaMetric;
  std::string wrong;
  for (const auto& [id, c] : state_.conversations()) {
    if (c->sla().sla_policy_id().empty() || !IsOpen(*c)) continue;
    const Seen& seen = seen_.at(id);
    const routing::SlaClock clock = state_.SlaClockOf(*c);
    const auto runs = [&](SlaMetric metric) {
      return clock.metric(metric).state == routing::SlaClock::State::kRunning;
    };
    if (c->status() != ConversationStatus::CONVERSATION_STATUS_PARKED &&
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

std::string EngineModel::CheckWaiting() const {
  const NaiveMatcher matcher = Matcher();
  const std::optional<Waiting> first = MostUrgent(matcher);
  if (!first.has_value()) return "";
  return absl::StrCat(first->conversation_id, " waits, although ",
                      matcher.ChooseAgent(*first).value(), " could take it\n");
}

}  // namespace wissel::domain::testing
