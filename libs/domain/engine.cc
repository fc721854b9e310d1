#include "libs/domain/engine.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/domain/defaults.h"

namespace wissel::domain {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using conversation::v1::OfferWithdrawn;
using conversation::v1::Queued;
using google::protobuf::Arena;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

Engine::Engine(State state, Options options)
    : state_(std::move(state)), options_(std::move(options)) {
  now_ = state_.time();
  for (const auto& [workspace_id, config] : state_.configs()) Configure(config);
  for (const std::string& id : state_.Keys(PieceKind::kConversation))
    touched_conversations_.insert(id);
  for (const auto& [key, agent] : state_.agents()) touched_agents_.insert(key);
  Sync();
  for (auto& [key, matcher] : matchers_) Advance(key, matcher);
  advancing_.clear();
  for (const state::v1::GatewayLease& lease : state_.partition().gateway_leases()) {
    timers_.Set(TimerKind::kGatewayLease, lease.gateway_id(), FromProto(lease.expire_time()));
  }
  // What the last owner had not yet given out will be; it suffices to ask for the agents.
  newly_waiting_.clear();
  if (!changed_agents_.empty() || !stray_.empty() || !unmeasured_.empty() ||
      !consulting_strangers_.empty() || !leaving_.empty()) {
    timers_.Set(TimerKind::kMatch, "", state_.time());
  }
  // Nor whose risk was due.
  for (const auto& [queue_key, ids] : told_)
    timers_.Set(TimerKind::kEstimate, queue_key, state_.time());
}

// ---------------------------------------------------------------------------------------------
// A decision in the making

log::v1::Cause& Engine::NewCause() {
  memory_.Reset();
  return *Arena::CreateMessage<log::v1::Cause>(&memory_);
}

void Engine::Begin(log::v1::Cause& cause, absl::Time now) {
  now_ = std::max(now, state_.time());
  decision_ = Arena::CreateMessage<log::v1::Decision>(&memory_);
  measured_ = 0;
  bytes_ = 0;
  *decision_->mutable_time() = ToProto(now_);
  decision_->set_allocated_cause(&cause);
  state_.BeginDecision(cause, now_);
}

void Engine::Begin(const log::v1::InputCause& input, absl::string_view id, absl::Time now) {
  log::v1::Cause& cause = NewCause();
  *cause.mutable_input() = input;
  cause.mutable_input()->set_id(std::string(id));
  Begin(cause, now);
}

Event& Engine::NewEvent() { return *Arena::CreateMessage<Event>(&memory_); }

namespace {

// The conversation whose SLA clocks the event may stop, start or pause; empty: none.
const std::string& ClockedConversation(const Event& event) {
  static const std::string none;
  switch (event.kind_case()) {
    case Event::kMessageReceived:
      return event.message_received().conversation_id();
    case Event::kReplySent:
      return event.reply_sent().conversation_id();
    case Event::kParked:
      return event.parked().conversation_id();
    case Event::kQueued:
      return event.queued().conversation_id();
    case Event::kAssigned:
      return event.assigned().conversation_id();
    case Event::kTransferred:
      return event.transferred().conversation_id();
    case Event::kResolved:
      return event.resolved().conversation_id();
    case Event::kReopened:
      return event.reopened().conversation_id();
    case Event::kSlaPolicyApplied:
      return event.sla_policy_applied().conversation_id();
    case Event::kConversationMerged:
      return event.conversation_merged().conversation_id();
    default:
      return none;
  }
}

}  // namespace

bool Engine::Full() {
  const bool configures = decision_->cause().input().topic() == common::v1::INPUT_TOPIC_CONFIG;
  if (decision_->events_size() < kFewEvents && !configures) return false;
  for (; measured_ < decision_->events_size(); ++measured_) {
    bytes_ += decision_->events(measured_).ByteSizeLong();
  }
  return decision_->events_size() >= kMaxEvents || bytes_ >= kMaxBytes;
}

void Engine::Emit(Event& event) {
  NameFormerAgent(event);
  // What has fallen due by now was so before this happened.
  const std::string& id = ClockedConversation(event);
  const bool has_clocks = !id.empty() && SayDue(id);
  state_.ApplyEvent(event);
  // And what they are to say next may have changed.
  if (has_clocks) TouchConversation(id);
  decision_->mutable_events()->AddAllocated(&event);
}

// Events that take a conversation from its agent say from whom, so that readers who begin in the
// middle of the log know.
void Engine::NameFormerAgent(Event& event) const {
  const auto former = [this](const std::string& conversation_id) -> std::string {
    const ConversationState* c = state_.FindConversation(conversation_id);
    if (c == nullptr) return "";
    return c->has_offer() ? c->offer().agent_id() : c->agent_id();
  };
  if (event.has_queued()) {
    event.mutable_queued()->set_from_agent_id(former(event.queued().conversation_id()));
  } else if (event.has_reopened()) {
    event.mutable_reopened()->set_from_agent_id(former(event.reopened().conversation_id()));
  } else if (event.has_conversation_forgotten()) {
    conversation::v1::ConversationForgotten& forgotten = *event.mutable_conversation_forgotten();
    forgotten.set_agent_id(former(forgotten.conversation_id()));
  }
}

log::v1::Decision& Engine::Finish() {
  do {
    Escalate();
    Match();
  } while (!escalating_.empty() || LetGo());
  return *decision_;
}

void Engine::TouchAgent(absl::string_view workspace_id, absl::string_view agent_id) {
  if (!agent_id.empty()) touched_agents_.insert(AgentKey(workspace_id, agent_id));
}

// ---------------------------------------------------------------------------------------------
// Steps shared by inputs

std::string Engine::QueueFor(const ConversationState& c) const {
  const routing::Matcher* matcher = MatcherOf(c);
  if (matcher == nullptr) return "";
  // The words of a message are looked at when it is decided, and not kept in the state.
  std::string text;
  if (decision_ != nullptr) {
    for (const Event& event : decision_->events()) {
      if (event.message_received().conversation_id() != c.conversation_id()) continue;
      for (const message::v1::Content& content : event.message_received().message().contents()) {
        absl::StrAppend(&text, content.text().text(), "\n");
      }
    }
  }
  return matcher->policy()
      .SelectQueue({.account_id = c.account().account_id(),
                    .language = c.language(),
                    .subject = c.subject(),
                    .text = text,
                    .facts = &c.facts(),
                    .time = now_})
      .value_or("");
}

bool Engine::TakesNew(const ConversationState& c, absl::string_view queue_id) const {
  const routing::Matcher* matcher = MatcherOf(c);
  if (matcher == nullptr || matcher->policy().FindQueue(queue_id) == nullptr) return false;
  const state::v1::QueueState* queue = state_.FindQueue(c.workspace_id(), queue_id);
  return queue == nullptr || !queue->has_kept();
}

void Engine::Queue(const std::string& conversation_id, Queued::Reason reason,
                   absl::Time waiting_since, const std::string& wanted_queue_id,
                   const std::optional<LastAgent>& last) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  routing::Matcher* matcher = MatcherOf(c);
  std::string queue_id = wanted_queue_id.empty() ? c.queue_id() : wanted_queue_id;
  if (wanted_queue_id.empty() && c.overflow_due_to_queue_id() != queue_id &&
      TakesNew(c, c.overflow_due_to_queue_id())) {
    queue_id = c.overflow_due_to_queue_id();
    reason = Queued::REASON_ESCALATED;
  }
  // Where the routing group is gone, it goes on in its own queue when that is back.
  if (matcher != nullptr && matcher->policy().FindQueue(queue_id) == nullptr) {
    queue_id = QueueFor(c);
  }
  TouchAgent(c.workspace_id(), c.has_offer() ? c.offer().agent_id() : c.agent_id());
  Event& event = NewEvent();
  Queued& queued = *event.mutable_queued();
  queued.set_conversation_id(conversation_id);
  queued.set_queue_id(queue_id);
  queued.set_reason(reason);
  *queued.mutable_waiting_since() = ToProto(waiting_since);
  const config::v1::Queue* queue =
      matcher == nullptr ? nullptr : matcher->policy().FindQueue(queue_id);
  const absl::Duration window =
      queue == nullptr ? absl::ZeroDuration() : FromProto(queue->sticky_window());
  if (window > absl::ZeroDuration()) {
    if (!last.has_value()) {
      queued.set_sticky_agent_id(c.sticky_agent_id());
    } else if (now_ - last->time <= window) {
      queued.set_sticky_agent_id(last->agent_id);
    }
  }
  Emit(event);
  TouchConversation(conversation_id);
  newly_waiting_.insert(conversation_id);
  ChooseSla(c);
}

void Engine::QueueNew(const std::string& conversation_id) {
  LastAgent last{.agent_id = "", .time = now_};
  if (const ConversationState* previous =
          state_.FindPrevious(*state_.FindConversation(conversation_id))) {
    last = {.agent_id = previous->agent_id(), .time = FromProto(previous->resolve_time())};
  }
  Queue(conversation_id, Queued::REASON_NEW, now_, "", last);
}

void Engine::ReopenConversation(const std::string& conversation_id, bool by_customer) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const LastAgent last{.agent_id = c.agent_id(), .time = FromProto(c.resolve_time())};
  Event& event = NewEvent();
  event.mutable_reopened()->set_conversation_id(conversation_id);
  event.mutable_reopened()->set_by_customer(by_customer);
  Emit(event);
  // Its after-work is not over, and need not keep its agent from it.
  if (const AgentState* agent = state_.FindAgent(c.workspace_id(), last.agent_id)) {
    EndWrapUps(*agent, conversation_id);
  }
  Queue(conversation_id, Queued::REASON_REOPENED, now_, "", last);
}

void Engine::ResumeConversation(const std::string& conversation_id, absl::string_view agent_id) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const AgentState* agent = state_.FindAgent(c.workspace_id(), agent_id);
  const int32_t units = UnitsOf(c);
  routing::Matcher* matcher = MatcherOf(c);
  Sync();
  const bool takes_it =
      agent != nullptr && matcher != nullptr &&
      !matcher->WhyNot(agent_id, WaitingOf(c), {.requirement = false, .exclusion = false});
  if (!takes_it) {
    // What an older release parked does not say when.
    const absl::Time parked = c.has_park_time() ? FromProto(c.park_time()) : now_;
    return Queue(conversation_id, Queued::REASON_RESUMED, now_, "",
                 LastAgent{.agent_id = c.agent_id(), .time = parked});
  }
  Event& event = NewEvent();
  event.mutable_assigned()->set_conversation_id(conversation_id);
  event.mutable_assigned()->set_agent_id(agent->agent_id());
  event.mutable_assigned()->set_reason(conversation::v1::Assigned::REASON_RESUMED);
  event.mutable_assigned()->set_units(units);
  TouchAgent(c.workspace_id(), agent->agent_id());
  Emit(event);
  TouchConversation(conversation_id);
}

void Engine::WithdrawOffer(const ConversationState& c, OfferWithdrawn::Reason reason) {
  TouchConversation(c.conversation_id());
  TouchAgent(c.workspace_id(), c.offer().agent_id());
  Event& event = NewEvent();
  event.mutable_offer_withdrawn()->set_conversation_id(c.conversation_id());
  event.mutable_offer_withdrawn()->set_offer_id(c.offer().offer_id());
  event.mutable_offer_withdrawn()->set_agent_id(c.offer().agent_id());
  event.mutable_offer_withdrawn()->set_reason(reason);
  Emit(event);
}

bool Engine::IsRemoved(const AgentState& agent) const {
  const routing::Matcher* matcher = FindMatcher(agent.workspace_id(), agent.routing_group_id());
  return matcher != nullptr && matcher->policy().FindAgent(agent.agent_id()) == nullptr;
}

bool Engine::IsLeftBehind(const AgentState& agent, const ConversationState& c) const {
  return agent.routing_group_id() != c.routing_group_id() && MatcherOf(c) != nullptr &&
         (c.has_offer() || c.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE);
}

std::optional<Queued::Reason> Engine::GoesBack(const AgentState& agent,
                                               const ConversationState& c) const {
  const bool offline = agent.presence() == command::v1::PRESENCE_OFFLINE;
  const bool active = c.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE;
  if (IsLeftBehind(agent, c)) return Queued::REASON_CONFIG_CHANGED;
  if ((c.has_offer() || active) && IsRemoved(agent) &&
      (c.has_offer() || !KeepsAgent(Config(agent.workspace_id()), agent))) {
    return Queued::REASON_CONFIG_CHANGED;
  }
  if (c.has_offer() && (offline || agent.presence() == command::v1::PRESENCE_AWAY)) {
    return Queued::REASON_OFFER_WITHDRAWN;
  }
  if (c.has_offer() || !offline) return std::nullopt;
  if (agent.forced_out()) return Queued::REASON_FORCED_LOGOUT;
  if (active && IsLive(c)) return Queued::REASON_AGENT_LOST;
  return std::nullopt;
}

bool Engine::HasToGiveBack(const AgentState& agent) const {
  const bool removed = IsRemoved(agent);
  if (removed && !agent.leaving() && agent.used_units() > 0) return true;
  const bool works = !removed && agent.presence() != command::v1::PRESENCE_OFFLINE &&
                     agent.presence() != command::v1::PRESENCE_AWAY;
  const auto& ids = state_.ConversationsOf(agent.workspace_id(), agent.agent_id());
  return std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
    const ConversationState& c = *state_.FindConversation(id);
    return works ? IsLeftBehind(agent, c) : GoesBack(agent, c).has_value();
  });
}

void Engine::GiveBack(const AgentState& agent) {
  TouchAgent(agent.workspace_id(), agent.agent_id());
  const std::set<std::string> ids = state_.ConversationsOf(agent.workspace_id(), agent.agent_id());
  for (const std::string& id : ids) {
    if (Full()) return;  // a timer is set, due at once
    const ConversationState& c = *state_.FindConversation(id);
    const std::optional<Queued::Reason> reason = GoesBack(agent, c);
    if (!reason.has_value()) continue;
    const absl::Time place = FromProto(c.waiting_since());
    if (c.has_offer()) {
      WithdrawOffer(c, *reason == Queued::REASON_CONFIG_CHANGED
                           ? OfferWithdrawn::REASON_CONFIG_CHANGED
                       : agent.presence() == command::v1::PRESENCE_OFFLINE
                           ? OfferWithdrawn::REASON_AGENT_LOST
                           : OfferWithdrawn::REASON_AGENT_UNAVAILABLE);
    }
    Queue(id, *reason, place);
  }
  if (agent.leaving() || agent.used_units() == 0 || Full() || !IsRemoved(agent) ||
      !KeepsAgent(Config(agent.workspace_id()), agent)) {
    return;
  }
  Event& event = NewEvent();
  conversation::v1::AgentLeaving& leaving = *event.mutable_agent_leaving();
  leaving.set_workspace_id(agent.workspace_id());
  leaving.set_routing_group_id(agent.routing_group_id());
  leaving.set_agent_id(agent.agent_id());
  leaving.set_units(agent.used_units());
  Emit(event);
}

void Engine::EndWrapUps(const AgentState& agent, absl::string_view which) {
  const std::string workspace_id = agent.workspace_id();
  const std::string agent_id = agent.agent_id();
  const std::string group = agent.routing_group_id();
  TouchAgent(workspace_id, agent_id);
  std::vector<std::string> over;
  for (const state::v1::WrapUp& wrap_up : agent.wrap_ups()) {
    if (which == kAllWrapUps || which == wrap_up.conversation_id() ||
        (which == kExpiredWrapUps && FromProto(wrap_up.expire_time()) <= now_)) {
      over.push_back(wrap_up.conversation_id());
    }
  }
  for (std::string& id : over) {
    // Of what has expired the timer is set again, due at once.
    if (Full()) return;
    Event& event = NewEvent();
    event.mutable_wrap_up_ended()->set_workspace_id(workspace_id);
    event.mutable_wrap_up_ended()->set_routing_group_id(group);
    event.mutable_wrap_up_ended()->set_agent_id(agent_id);
    event.mutable_wrap_up_ended()->set_conversation_id(std::move(id));
    Emit(event);
  }
}

absl::Time Engine::OwnerGoneTime(const AgentState& agent, const ConversationState& c) const {
  if (!agent.has_offline_time() || IsLive(c) ||
      c.status() != ConversationStatus::CONVERSATION_STATUS_ACTIVE) {
    return absl::InfiniteFuture();
  }
  const config::v1::Queue* queue = QueueOf(c);
  const absl::Duration limit =
      queue == nullptr ? absl::ZeroDuration() : FromProto(queue->owner_limit());
  return limit > absl::ZeroDuration() ? FromProto(agent.offline_time()) + limit
                                      : absl::InfiniteFuture();
}

absl::Time Engine::NextOwnerGone(const AgentState& agent) const {
  absl::Time next = absl::InfiniteFuture();
  if (!agent.has_offline_time()) return next;
  for (const std::string& id : state_.ConversationsOf(agent.workspace_id(), agent.agent_id())) {
    next = std::min(next, OwnerGoneTime(agent, *state_.FindConversation(id)));
  }
  return next;
}

void Engine::GiveUpOwner(const AgentState& agent) {
  TouchAgent(agent.workspace_id(), agent.agent_id());
  const std::set<std::string> ids = state_.ConversationsOf(agent.workspace_id(), agent.agent_id());
  for (const std::string& id : ids) {
    if (Full()) return;  // the timer is set again, due at once
    const ConversationState& c = *state_.FindConversation(id);
    if (OwnerGoneTime(agent, c) > now_) continue;
    Queue(id, Queued::REASON_OWNER_GONE, FromProto(c.waiting_since()));
  }
}

void Engine::SetPresence(const AgentState& agent, command::v1::Presence presence,
                         absl::string_view reason,
                         conversation::v1::AgentPresenceChanged::Cause cause) {
  const std::string workspace_id = agent.workspace_id();
  const std::string agent_id = agent.agent_id();
  Event& event = NewEvent();
  conversation::v1::AgentPresenceChanged& changed = *event.mutable_agent_presence_changed();
  changed.set_workspace_id(workspace_id);
  changed.set_routing_group_id(agent.routing_group_id());
  changed.set_agent_id(agent_id);
  changed.set_presence(presence);
  changed.set_reason(std::string(reason));
  changed.set_cause(cause);
  Emit(event);
  TouchAgent(workspace_id, agent_id);
  GiveBack(agent);
}

// ---------------------------------------------------------------------------------------------
// Timers

absl::Time Engine::NextTimer() const { return timers_.NextDue(); }

log::v1::Decision* Engine::DecideTimer(absl::Time now) {
  if (NextTimer() > std::max(now, state_.time())) return nullptr;
  const auto [due, kind, key] = timers_.TakeNext();
  log::v1::Cause& cause = NewCause();
  *cause.mutable_timer()->mutable_due_time() = ToProto(due);
  Begin(cause, now);
  Fire(kind, key);
  // Conversations that wait again from the same instant on are looked at together: the most urgent
  // of them goes first.
  while (timers_.NextIs(due, TimerKind::kConversation) && !Full()) {
    Fire(TimerKind::kConversation, timers_.TakeNext().key);
  }
  return &Finish();
}

void Engine::FireConversation(const ConversationState& c) {
  const std::string id = c.conversation_id();
  TouchConversation(id);
  switch (c.status()) {
    case ConversationStatus::CONVERSATION_STATUS_QUEUED:
      // Those who declined or missed it may be asked again.
      newly_waiting_.insert(id);
      return;
    case ConversationStatus::CONVERSATION_STATUS_OFFERED: {
      const std::string workspace_id = c.workspace_id();
      const std::string agent_id = c.offer().agent_id();
      const absl::Time place = FromProto(c.waiting_since());
      routing::Matcher* matcher = MatcherOf(c);
      const int32_t max_missed =
          MaxMissedOffers(matcher == nullptr ? nullptr : matcher->policy().FindQueue(c.queue_id()));
      Event& event = NewEvent();
      event.mutable_offer_timed_out()->set_conversation_id(id);
      event.mutable_offer_timed_out()->set_offer_id(c.offer().offer_id());
      event.mutable_offer_timed_out()->set_agent_id(agent_id);
      Emit(event);
      TouchAgent(workspace_id, agent_id);
      Queue(id, Queued::REASON_OFFER_TIMED_OUT, place);
      const AgentState* agent = state_.FindAgent(workspace_id, agent_id);
      if (agent != nullptr && agent->missed_offers() >= max_missed &&
          agent->presence() == command::v1::PRESENCE_AVAILABLE) {
        SetPresence(*agent, command::v1::PRESENCE_AWAY, "missed offers",
                    conversation::v1::AgentPresenceChanged::CAUSE_MISSED_OFFERS);
      }
      return;
    }
    case ConversationStatus::CONVERSATION_STATUS_ACTIVE: {
      Event& event = NewEvent();
      event.mutable_parked()->set_conversation_id(id);
      event.mutable_parked()->set_agent_id(c.agent_id());
      event.mutable_parked()->set_reason(conversation::v1::Parked::REASON_CUSTOMER_SILENT);
      TouchAgent(c.workspace_id(), c.agent_id());
      Emit(event);
      return;
    }
    case ConversationStatus::CONVERSATION_STATUS_RESOLVED: {
      Event& event = NewEvent();
      event.mutable_conversation_forgotten()->set_conversation_id(id);
      Emit(event);
      return;
    }
    default:
      return;
  }
}

void Engine::Fire(TimerKind kind, const std::string& key) {
  switch (kind) {
    case TimerKind::kConversation:
      if (const ConversationState* c = state_.FindConversation(key)) FireConversation(*c);
      return;
    case TimerKind::kAgentLost: {
      const auto agent = state_.agents().find(key);
      if (agent == state_.agents().end()) return;
      return SetPresence(agent->second, command::v1::PRESENCE_OFFLINE, "connection lost",
                         conversation::v1::AgentPresenceChanged::CAUSE_CONNECTION_LOST);
    }
    case TimerKind::kGiveBack: {
      const auto agent = state_.agents().find(key);
      if (agent != state_.agents().end()) GiveBack(agent->second);
      return;
    }
    case TimerKind::kMatch:
      return;  // Finish does it
    case TimerKind::kRelax:
      advancing_.insert(key);
      return;
    case TimerKind::kOverflow:
      TouchConversation(key);  // for the time of the next rule
      overflowing_.insert(key);
      return;
    case TimerKind::kSla:
      TouchConversation(key);
      SayDue(key);
      return;
    case TimerKind::kEstimate:
      return EstimateQueue(key);
    case TimerKind::kAtRisk:
      if (const ConversationState* c = state_.FindConversation(key)) FireAtRisk(*c);
      return;
    case TimerKind::kWrapUp: {
      const auto agent = state_.agents().find(key);
      if (agent != state_.agents().end()) EndWrapUps(agent->second, kExpiredWrapUps);
      return;
    }
    case TimerKind::kOwnerGone: {
      const auto agent = state_.agents().find(key);
      if (agent != state_.agents().end()) GiveUpOwner(agent->second);
      return;
    }
    case TimerKind::kGatewayLease: {
      std::vector<Event*> events;
      for (const auto& [agent_key, agent] : state_.agents()) {
        for (const state::v1::AgentSession& session : agent.sessions()) {
          if (session.gateway_id() != key) continue;
          if (static_cast<int>(events.size()) >= kMaxEvents) {
            timers_.Set(kind, key, now_);  // the rest in the next decision
            break;
          }
          conversation::v1::AgentDisconnected& e =
              *events.emplace_back(&NewEvent())->mutable_agent_disconnected();
          e.set_workspace_id(agent.workspace_id());
          e.set_routing_group_id(agent.routing_group_id());
          e.set_agent_id(agent.agent_id());
          e.set_session_id(session.session_id());
          e.set_reason(conversation::v1::AgentDisconnected::REASON_LEASE_EXPIRED);
          touched_agents_.insert(agent_key);
        }
      }
      for (Event* event : events) Emit(*event);
      return;
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Restating

bool Engine::RestateDue(absl::Duration interval, absl::Time now) const {
  const state::v1::PartitionState& p = state_.partition();
  return p.restate_round() == 0 || p.restating() ||
         FromProto(p.restate_start_time()) + interval <= now;
}

log::v1::Decision* Engine::Restate(absl::Time now, size_t max_bytes) {
  const bool starts = !restate_.has_value();
  if (starts) {
    restate_ = RestateRound{.round = state_.partition().restate_round() + 1, .todo = {}};
    for (PieceKind kind : kPieceKinds) {
      if (kind == PieceKind::kPartition) continue;  // in RestateStarted
      for (std::string& key : state_.Keys(kind)) restate_->todo.push_back({kind, std::move(key)});
    }
    std::reverse(restate_->todo.begin(), restate_->todo.end());
  }
  // The ids of a second are restated when no more can join them.
  const int64_t this_second = absl::ToUnixSeconds(std::max(now, state_.time()));
  const auto still_open = [&](const PieceKey& piece) {
    return piece.kind == PieceKind::kSeen && ParseSeenKey(piece.key)->first >= this_second;
  };
  if (!starts && !restate_->todo.empty() && still_open(restate_->todo.back())) return nullptr;
  log::v1::Cause& cause = NewCause();
  cause.mutable_restate()->set_round(restate_->round);
  Begin(cause, now);
  size_t bytes = 0;
  if (starts) {
    Event& event = NewEvent();
    event.mutable_restate_started()->set_round(restate_->round);
    *event.mutable_restate_started()->mutable_partition() = state_.partition();
    bytes = event.ByteSizeLong();
    Emit(event);
  }
  while (!restate_->todo.empty()) {
    const PieceKey piece = restate_->todo.back();
    if (bytes >= max_bytes || still_open(piece)) break;
    restate_->todo.pop_back();
    Event& event = NewEvent();
    switch (piece.kind) {
      case PieceKind::kConfig: {
        const WorkspaceConfig* config = state_.FindConfig(piece.key);
        if (config == nullptr) continue;
        *event.mutable_config_restated()->mutable_config() = *config;
        for (const std::string& group : HeldGroups(*config)) {
          event.mutable_config_restated()->add_held_routing_group_ids(group);
        }
        // It fitted into a record when it was applied: with nothing beside it, it does again.
        if (bytes > 0 && bytes + event.ByteSizeLong() > max_bytes) {
          restate_->todo.push_back(piece);
          return decision_;
        }
        break;
      }
      case PieceKind::kConversation: {
        const ConversationState* c = state_.FindConversation(piece.key);
        if (c == nullptr) continue;
        *event.mutable_conversation_restated()->mutable_conversation() = *c;
        break;
      }
      case PieceKind::kSeen: {
        const std::optional<std::string> seen = state_.PieceBytes(piece);
        if (!seen.has_value()) continue;
        event.mutable_seen_restated()->add_seen()->ParseFromString(*seen);
        break;
      }
      case PieceKind::kAgent: {
        const auto agent = state_.agents().find(piece.key);
        if (agent == state_.agents().end()) continue;
        *event.mutable_agent_restated()->mutable_agent() = agent->second;
        break;
      }
      case PieceKind::kQueue: {
        const auto queue = state_.queues().find(piece.key);
        if (queue == state_.queues().end()) continue;
        *event.mutable_queue_restated()->mutable_queue() = queue->second;
        break;
      }
      case PieceKind::kPartition:
        continue;
    }
    bytes += event.ByteSizeLong();
    Emit(event);
  }
  if (restate_->todo.empty()) {
    Event& event = NewEvent();
    event.mutable_restate_completed()->set_round(restate_->round);
    Emit(event);
    restate_.reset();
  }
  return decision_;
}

}  // namespace wissel::domain
