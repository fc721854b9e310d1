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
  for (const state::v1::GatewayLease& lease : state_.partition().gateway_leases()) {
    SetTimer(TimerKind::kGatewayLease, lease.gateway_id(), FromProto(lease.expire_time()));
  }
  // What the last owner had not yet given out will be; it suffices to ask for the agents.
  newly_waiting_.clear();
  if (!changed_agents_.empty()) SetTimer(TimerKind::kMatch, "", state_.time());
}

// ---------------------------------------------------------------------------------------------
// A decision in the making

void Engine::Begin(log::v1::Cause cause, absl::Time now) {
  now_ = std::max(now, state_.time());
  decision_.Clear();
  *decision_.mutable_time() = ToProto(now_);
  *decision_.mutable_cause() = std::move(cause);
  state_.BeginDecision(decision_.cause(), now_);
}

Event& Engine::Emit(Event event) {
  NameFormerAgent(event);
  state_.ApplyEvent(event);
  *decision_.add_events() = std::move(event);
  return *decision_.mutable_events(decision_.events_size() - 1);
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

log::v1::Decision Engine::Finish() {
  Match();
  return std::move(decision_);
}

void Engine::TouchAgent(absl::string_view workspace_id, absl::string_view agent_id) {
  if (!agent_id.empty()) touched_agents_.insert(AgentKey(workspace_id, agent_id));
}

// ---------------------------------------------------------------------------------------------
// Matching

routing::Matcher* Engine::FindMatcher(absl::string_view workspace_id,
                                      absl::string_view routing_group_id) {
  const auto it = matchers_.find(RoutingKey(workspace_id, routing_group_id));
  return it == matchers_.end() ? nullptr : &it->second;
}

routing::Matcher* Engine::MatcherOf(const ConversationState& conversation) {
  return FindMatcher(conversation.workspace_id(), conversation.routing_group_id());
}

bool Engine::IsStray(const ConversationState& conversation) {
  routing::Matcher* matcher = MatcherOf(conversation);
  return matcher != nullptr &&
         conversation.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED &&
         matcher->FindQueue(conversation.queue_id()) == nullptr && !QueueFor(conversation).empty();
}

routing::Waiting Engine::WaitingOf(const ConversationState& c) const {
  routing::Waiting waiting;
  waiting.conversation_id = c.conversation_id();
  waiting.queue_id = c.queue_id();
  waiting.units = UnitsOf(c);
  waiting.waiting_since = FromProto(c.waiting_since());
  if (FromProto(c.exclusion_expire_time()) > now_) {
    waiting.excluded_agent_ids.assign(c.excluded_agent_ids().begin(), c.excluded_agent_ids().end());
  }
  return waiting;
}

void Engine::SyncConversation(const std::string& id) {
  ClearTimer(TimerKind::kConversation, id);
  const ConversationState* c = state_.FindConversation(id);
  if (c == nullptr) {
    for (auto& [key, matcher] : matchers_) matcher.RemoveWaiting(id);
    return;
  }
  routing::Matcher* matcher = MatcherOf(*c);
  if (matcher != nullptr && c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    matcher->RemoveWaiting(id);
  }
  const config::v1::ConversationPolicy& policy = Config(c->workspace_id()).conversations();
  switch (c->status()) {
    case ConversationStatus::CONVERSATION_STATUS_QUEUED: {
      if (matcher == nullptr) return;
      if (IsStray(*c)) stray_.insert(id);
      if (!matcher->IsWaiting(id)) newly_waiting_.insert(id);
      matcher->AddWaiting(WaitingOf(*c));
      if (FromProto(c->exclusion_expire_time()) > now_) {
        SetTimer(TimerKind::kConversation, id, FromProto(c->exclusion_expire_time()));
      }
      return;
    }
    case ConversationStatus::CONVERSATION_STATUS_OFFERED:
      return SetTimer(TimerKind::kConversation, id, FromProto(c->offer().expire_time()));
    case ConversationStatus::CONVERSATION_STATUS_ACTIVE:
      if (const absl::Duration after = FromProto(policy.park_after());
          after > absl::ZeroDuration() &&
          FromProto(c->last_reply_time()) > FromProto(c->last_customer_time())) {
        SetTimer(TimerKind::kConversation, id, FromProto(c->last_reply_time()) + after);
      }
      return;
    case ConversationStatus::CONVERSATION_STATUS_RESOLVED:
      return SetTimer(TimerKind::kConversation, id,
                      FromProto(c->resolve_time()) + ForgetAfter(policy));
    default:
      return;
  }
}

void Engine::SyncAgent(const std::string& key) {
  ClearTimer(TimerKind::kAgentLost, key);
  const auto it = state_.agents().find(key);
  if (it == state_.agents().end()) return;
  const AgentState& agent = it->second;
  if (agent.has_lost_time() && agent.presence() != command::v1::PRESENCE_OFFLINE) {
    SetTimer(TimerKind::kAgentLost, key,
             FromProto(agent.lost_time()) +
                 DisconnectGrace(Config(agent.workspace_id()).conversations()));
  }
  const auto matcher = matchers_.find(RoutingKey(agent.workspace_id(), agent.routing_group_id()));
  if (matcher == matchers_.end()) return;
  matcher->second.SetAgent(agent.agent_id(),
                           {.available = agent.presence() == command::v1::PRESENCE_AVAILABLE &&
                                         agent.sessions_size() > 0,
                            .free_units = std::max(0, agent.capacity_units() - agent.used_units()),
                            .idle_since = FromProto(agent.idle_since())});
  changed_agents_.insert(key);
}

void Engine::Sync() {
  for (const std::string& key : touched_agents_) SyncAgent(key);
  for (const std::string& id : touched_conversations_) SyncConversation(id);
  touched_agents_.clear();
  touched_conversations_.clear();
}

void Engine::Match() {
  Sync();
  const auto full = [this] { return decision_.events_size() >= kMaxEvents; };
  while (!stray_.empty() && !full()) {
    const std::string id = *stray_.begin();
    stray_.erase(stray_.begin());
    const ConversationState* c = state_.FindConversation(id);
    if (c == nullptr || !IsStray(*c)) continue;
    Queue(id, Queued::REASON_CONFIG_CHANGED, FromProto(c->waiting_since()));
    Sync();
  }
  // Agents who may have got room take the most urgent they may take: each such conversation goes to
  // its own best agent, and so on until the agent can take nothing more.
  while (!changed_agents_.empty() && !full()) {
    const std::string key = *changed_agents_.begin();
    const auto agent = state_.agents().find(key);
    std::optional<std::string> id;
    routing::Matcher* matcher = nullptr;
    if (agent != state_.agents().end()) {
      matcher = FindMatcher(agent->second.workspace_id(), agent->second.routing_group_id());
      if (matcher != nullptr) id = matcher->ChooseConversation(agent->second.agent_id());
    }
    if (!id.has_value()) {
      changed_agents_.erase(key);
      continue;
    }
    Give(*id, matcher->ChooseAgent(WaitingOf(*state_.FindConversation(*id))));
    Sync();
  }
  if (changed_agents_.empty() && stray_.empty()) MatchNewlyWaiting();
  if (!changed_agents_.empty() || !newly_waiting_.empty() || !stray_.empty()) {
    SetTimer(TimerKind::kMatch, "", now_);
  }
}

// What began to wait and no changed agent could take may still go to another: most urgent first.
void Engine::MatchNewlyWaiting() {
  std::vector<std::tuple<int32_t, absl::Time, std::string>> waiting;
  for (const std::string& id : newly_waiting_) {
    const ConversationState* c = state_.FindConversation(id);
    if (c == nullptr || c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) continue;
    routing::Matcher* matcher = MatcherOf(*c);
    if (matcher == nullptr) continue;
    const config::v1::Queue* queue = matcher->FindQueue(c->queue_id());
    waiting.emplace_back(queue == nullptr ? 0 : -queue->base_priority(),
                         FromProto(c->waiting_since()), id);
  }
  newly_waiting_.clear();
  std::sort(waiting.begin(), waiting.end());
  for (const auto& [priority, since, id] : waiting) {
    if (decision_.events_size() >= kMaxEvents) {
      newly_waiting_.insert(id);
      continue;
    }
    const ConversationState& c = *state_.FindConversation(id);
    routing::Choice choice = MatcherOf(c)->ChooseAgent(WaitingOf(c));
    if (choice.agent_id.has_value()) {
      Give(id, choice);
      Sync();
      continue;
    }
    // It waits: the event that queued it says why.
    for (auto event = decision_.mutable_events()->rbegin();
         event != decision_.mutable_events()->rend(); ++event) {
      if (event->queued().conversation_id() != id) continue;
      *event->mutable_queued()->mutable_explanation() = std::move(choice.explanation);
      break;
    }
  }
  changed_agents_.clear();
}

void Engine::Give(const std::string& conversation_id, const routing::Choice& choice) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const config::v1::Queue* queue = MatcherOf(c)->FindQueue(c.queue_id());
  const int32_t units = UnitsOf(c);
  const std::string workspace_id = c.workspace_id();
  Event event;
  if (queue != nullptr && queue->auto_accept()) {
    conversation::v1::Assigned& assigned = *event.mutable_assigned();
    assigned.set_conversation_id(conversation_id);
    assigned.set_agent_id(*choice.agent_id);
    assigned.set_reason(conversation::v1::Assigned::REASON_AUTO_ACCEPTED);
    assigned.set_units(units);
    *assigned.mutable_explanation() = choice.explanation;
  } else {
    conversation::v1::Offered& offered = *event.mutable_offered();
    offered.set_conversation_id(conversation_id);
    offered.set_offer_id(
        UuidV5(kWisselNamespace, {"offer", conversation_id, absl::StrCat(c.offers() + 1)}));
    offered.set_agent_id(*choice.agent_id);
    *offered.mutable_expire_time() = ToProto(now_ + OfferTimeout(queue));
    offered.set_units(units);
    *offered.mutable_explanation() = choice.explanation;
  }
  Emit(std::move(event));
  TouchConversation(conversation_id);
  TouchAgent(workspace_id, *choice.agent_id);
}

// ---------------------------------------------------------------------------------------------
// Steps shared by inputs

std::string Engine::QueueFor(const ConversationState& c) {
  routing::Matcher* matcher = MatcherOf(c);
  if (matcher == nullptr) return "";
  return matcher->SelectQueue(c.account().account_id(), c.language()).value_or("");
}

void Engine::Queue(const std::string& conversation_id, Queued::Reason reason,
                   absl::Time waiting_since) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  routing::Matcher* matcher = MatcherOf(c);
  std::string queue_id = c.queue_id();
  if (matcher == nullptr || matcher->FindQueue(queue_id) == nullptr) queue_id = QueueFor(c);
  TouchAgent(c.workspace_id(), c.has_offer() ? c.offer().agent_id() : c.agent_id());
  Event event;
  event.mutable_queued()->set_conversation_id(conversation_id);
  event.mutable_queued()->set_queue_id(queue_id);
  event.mutable_queued()->set_reason(reason);
  *event.mutable_queued()->mutable_waiting_since() = ToProto(waiting_since);
  Emit(std::move(event));
  TouchConversation(conversation_id);
  newly_waiting_.insert(conversation_id);
}

void Engine::ResumeConversation(const std::string& conversation_id, absl::string_view agent_id) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const AgentState* agent = state_.FindAgent(c.workspace_id(), agent_id);
  const int32_t units = UnitsOf(c);
  const bool takes_it = agent != nullptr && agent->presence() == command::v1::PRESENCE_AVAILABLE &&
                        agent->sessions_size() > 0 &&
                        agent->capacity_units() - agent->used_units() >= units;
  if (!takes_it) return Queue(conversation_id, Queued::REASON_RESUMED, now_);
  Event event;
  event.mutable_assigned()->set_conversation_id(conversation_id);
  event.mutable_assigned()->set_agent_id(agent->agent_id());
  event.mutable_assigned()->set_reason(conversation::v1::Assigned::REASON_RESUMED);
  event.mutable_assigned()->set_units(units);
  TouchAgent(c.workspace_id(), agent->agent_id());
  Emit(std::move(event));
  TouchConversation(conversation_id);
}

void Engine::WithdrawOffer(const ConversationState& c, OfferWithdrawn::Reason reason) {
  TouchConversation(c.conversation_id());
  TouchAgent(c.workspace_id(), c.offer().agent_id());
  Event event;
  event.mutable_offer_withdrawn()->set_conversation_id(c.conversation_id());
  event.mutable_offer_withdrawn()->set_offer_id(c.offer().offer_id());
  event.mutable_offer_withdrawn()->set_agent_id(c.offer().agent_id());
  event.mutable_offer_withdrawn()->set_reason(reason);
  Emit(std::move(event));
}

void Engine::AgentGone(const std::string& workspace_id, const std::string& agent_id,
                       OfferWithdrawn::Reason withdrawn, bool requeue_live) {
  const std::set<std::string> ids = state_.ConversationsOf(workspace_id, agent_id);
  for (const std::string& id : ids) {
    const ConversationState& c = *state_.FindConversation(id);
    const absl::Time place = FromProto(c.waiting_since());
    if (c.has_offer()) {
      WithdrawOffer(c, withdrawn);
      Queue(id, Queued::REASON_OFFER_WITHDRAWN, place);
    } else if (requeue_live && IsLive(c) &&
               c.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE) {
      Queue(id, Queued::REASON_AGENT_LOST, place);
    }
  }
}

void Engine::SetPresence(const AgentState& agent, command::v1::Presence presence,
                         absl::string_view reason,
                         conversation::v1::AgentPresenceChanged::Cause cause) {
  const std::string workspace_id = agent.workspace_id();
  const std::string agent_id = agent.agent_id();
  Event event;
  conversation::v1::AgentPresenceChanged& changed = *event.mutable_agent_presence_changed();
  changed.set_workspace_id(workspace_id);
  changed.set_routing_group_id(agent.routing_group_id());
  changed.set_agent_id(agent_id);
  changed.set_presence(presence);
  changed.set_reason(std::string(reason));
  changed.set_cause(cause);
  Emit(std::move(event));
  TouchAgent(workspace_id, agent_id);
  switch (presence) {
    case command::v1::PRESENCE_OFFLINE:
      return AgentGone(workspace_id, agent_id, OfferWithdrawn::REASON_AGENT_LOST, true);
    case command::v1::PRESENCE_AWAY:
      return AgentGone(workspace_id, agent_id, OfferWithdrawn::REASON_AGENT_UNAVAILABLE, false);
    default:
      return;
  }
}

// ---------------------------------------------------------------------------------------------
// Configuration

const WorkspaceConfig& Engine::Config(absl::string_view workspace_id) const {
  const WorkspaceConfig* config = state_.FindConfig(workspace_id);
  return config == nullptr ? WorkspaceConfig::default_instance() : *config;
}

std::vector<std::string> Engine::HeldGroups(const WorkspaceConfig& config) const {
  std::vector<std::string> groups;
  for (const config::v1::RoutingGroup& group : config.routing_groups()) {
    if (options_.holds(RoutingKey(config.workspace_id(), group.routing_group_id()))) {
      groups.push_back(group.routing_group_id());
    }
  }
  return groups;
}

bool Engine::Holds(const common::v1::Envelope& envelope) const {
  return matchers_.contains(RoutingKey(envelope.workspace_id(), envelope.routing_group_id()));
}

void Engine::Configure(const WorkspaceConfig& config) {
  std::set<std::string> wanted;
  for (const std::string& group : HeldGroups(config)) {
    const std::string key = RoutingKey(config.workspace_id(), group);
    wanted.insert(key);
    matchers_[key].Configure(config, group);
  }
  const std::string prefix = RoutingKey(config.workspace_id(), "");
  for (auto it = matchers_.lower_bound(prefix);
       it != matchers_.end() && it->first.compare(0, prefix.size(), prefix) == 0;) {
    it = wanted.contains(it->first) ? std::next(it) : matchers_.erase(it);
  }
}

int32_t Engine::UnitsOf(const ConversationState& c) const {
  for (const config::v1::ChannelPolicy& policy : Config(c.workspace_id()).channels()) {
    if (policy.kind() == c.account().kind()) return std::max(1, policy.weight_units());
  }
  return 1;
}

bool Engine::IsLive(const ConversationState& c) const {
  for (const config::v1::ChannelPolicy& policy : Config(c.workspace_id()).channels()) {
    if (policy.kind() == c.account().kind()) return policy.live();
  }
  return c.account().kind() != common::v1::CHANNEL_KIND_EMAIL;
}

std::optional<log::v1::Decision> Engine::Decide(log::v1::InputCause cause,
                                                const WorkspaceConfig& config, absl::Time now) {
  const WorkspaceConfig* before = state_.FindConfig(config.workspace_id());
  const std::vector<std::string> held = HeldGroups(config);
  if (before == nullptr ? held.empty() : before->version() >= config.version()) return std::nullopt;
  cause.set_id(absl::StrCat(config.workspace_id(), "@", config.version()));
  log::v1::Cause why;
  *why.mutable_input() = std::move(cause);
  Begin(std::move(why), now);

  // Agents that are no longer there give back what they have.
  std::set<std::string> kept;
  for (const config::v1::Agent& a : config.agents()) {
    if (std::find(held.begin(), held.end(), a.routing_group_id()) != held.end()) {
      kept.insert(a.agent_id());
    }
  }
  std::vector<std::string> queue_again;
  for (const auto& [key, agent] : state_.agents()) {
    if (agent.workspace_id() != config.workspace_id()) continue;
    touched_agents_.insert(key);
    if (kept.contains(agent.agent_id())) continue;
    for (const std::string& id : state_.ConversationsOf(agent.workspace_id(), agent.agent_id())) {
      if (state_.FindConversation(id)->status() != ConversationStatus::CONVERSATION_STATUS_PARKED) {
        queue_again.push_back(id);
      }
    }
  }
  for (const std::string& id : queue_again) {
    const ConversationState& c = *state_.FindConversation(id);
    if (c.has_offer()) WithdrawOffer(c, OfferWithdrawn::REASON_CONFIG_CHANGED);
  }

  Event event;
  *event.mutable_config_applied()->mutable_config() = config;
  for (const std::string& group : held) {
    event.mutable_config_applied()->add_held_routing_group_ids(group);
  }
  Emit(std::move(event));
  Configure(config);

  for (const std::string& id : queue_again) {
    Queue(id, Queued::REASON_CONFIG_CHANGED,
          FromProto(state_.FindConversation(id)->waiting_since()));
  }
  // Conversations that wait in a queue that is gone will wait in another, in their old place.
  for (const auto& [id, conversation] : state_.conversations()) {
    if (conversation->workspace_id() == config.workspace_id()) TouchConversation(id);
  }
  for (const auto& [key, agent] : state_.agents()) {
    if (agent.workspace_id() == config.workspace_id()) touched_agents_.insert(key);
  }
  return Finish();
}

// ---------------------------------------------------------------------------------------------
// Timers

void Engine::SetTimer(TimerKind kind, const std::string& key, absl::Time due) {
  ClearTimer(kind, key);
  timers_.emplace(due, kind, key);
  timer_of_[{kind, key}] = due;
}

void Engine::ClearTimer(TimerKind kind, const std::string& key) {
  const auto it = timer_of_.find({kind, key});
  if (it == timer_of_.end()) return;
  timers_.erase({it->second, kind, key});
  timer_of_.erase(it);
}

absl::Time Engine::NextTimer() const {
  return timers_.empty() ? absl::InfiniteFuture() : std::get<0>(*timers_.begin());
}

std::optional<log::v1::Decision> Engine::DecideTimer(absl::Time now) {
  if (NextTimer() > std::max(now, state_.time())) return std::nullopt;
  const auto [due, kind, key] = *timers_.begin();
  ClearTimer(kind, key);
  log::v1::Cause cause;
  *cause.mutable_timer()->mutable_due_time() = ToProto(due);
  Begin(std::move(cause), now);
  Fire(kind, key);
  return Finish();
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
          MaxMissedOffers(matcher == nullptr ? nullptr : matcher->FindQueue(c.queue_id()));
      Event event;
      event.mutable_offer_timed_out()->set_conversation_id(id);
      event.mutable_offer_timed_out()->set_offer_id(c.offer().offer_id());
      event.mutable_offer_timed_out()->set_agent_id(agent_id);
      Emit(std::move(event));
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
      Event event;
      event.mutable_parked()->set_conversation_id(id);
      event.mutable_parked()->set_agent_id(c.agent_id());
      event.mutable_parked()->set_reason(conversation::v1::Parked::REASON_CUSTOMER_SILENT);
      TouchAgent(c.workspace_id(), c.agent_id());
      Emit(std::move(event));
      return;
    }
    case ConversationStatus::CONVERSATION_STATUS_RESOLVED: {
      Event event;
      event.mutable_conversation_forgotten()->set_conversation_id(id);
      Emit(std::move(event));
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
    case TimerKind::kMatch:
      return;  // Finish does it
    case TimerKind::kGatewayLease: {
      std::vector<Event> events;
      for (const auto& [agent_key, agent] : state_.agents()) {
        for (const state::v1::AgentSession& session : agent.sessions()) {
          if (session.gateway_id() != key) continue;
          if (static_cast<int>(events.size()) >= kMaxEvents) {
            SetTimer(kind, key, now_);  // the rest in the next decision
            break;
          }
          conversation::v1::AgentDisconnected& e =
              *events.emplace_back().mutable_agent_disconnected();
          e.set_workspace_id(agent.workspace_id());
          e.set_routing_group_id(agent.routing_group_id());
          e.set_agent_id(agent.agent_id());
          e.set_session_id(session.session_id());
          e.set_reason(conversation::v1::AgentDisconnected::REASON_LEASE_EXPIRED);
          touched_agents_.insert(agent_key);
        }
      }
      for (Event& event : events) Emit(std::move(event));
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

std::optional<log::v1::Decision> Engine::Restate(absl::Time now, size_t max_bytes) {
  const bool starts = !restate_.has_value();
  if (starts) {
    restate_ = RestateRound{.round = state_.partition().restate_round() + 1, .todo = {}};
    // Agents last: what they hold is counted over conversations, which must all be known by then.
    for (PieceKind kind :
         {PieceKind::kConfig, PieceKind::kConversation, PieceKind::kSeen, PieceKind::kAgent}) {
      for (std::string& key : state_.Keys(kind)) restate_->todo.push_back({kind, std::move(key)});
    }
    std::reverse(restate_->todo.begin(), restate_->todo.end());
  }
  // The ids of a second are restated when no more can join them.
  const int64_t this_second = absl::ToUnixSeconds(std::max(now, state_.time()));
  const auto still_open = [&](const PieceKey& piece) {
    return piece.kind == PieceKind::kSeen && ParseSeenKey(piece.key)->first >= this_second;
  };
  if (!starts && !restate_->todo.empty() && still_open(restate_->todo.back())) return std::nullopt;
  log::v1::Cause cause;
  cause.mutable_restate()->set_round(restate_->round);
  Begin(std::move(cause), now);
  if (starts) {
    Event event;
    event.mutable_restate_started()->set_round(restate_->round);
    *event.mutable_restate_started()->mutable_partition() = state_.partition();
    Emit(std::move(event));
  }
  size_t bytes = 0;
  while (!restate_->todo.empty()) {
    const PieceKey piece = restate_->todo.back();
    // Configurations all stand in the first step: the events behind it need them.
    if ((bytes >= max_bytes && piece.kind != PieceKind::kConfig) || still_open(piece)) break;
    restate_->todo.pop_back();
    Event event;
    switch (piece.kind) {
      case PieceKind::kConfig: {
        const WorkspaceConfig* config = state_.FindConfig(piece.key);
        if (config == nullptr) continue;
        *event.mutable_config_restated()->mutable_config() = *config;
        for (const std::string& group : HeldGroups(*config)) {
          event.mutable_config_restated()->add_held_routing_group_ids(group);
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
      case PieceKind::kPartition:
        continue;
    }
    bytes += event.ByteSizeLong();
    Emit(std::move(event));
  }
  if (restate_->todo.empty()) {
    Event event;
    event.mutable_restate_completed()->set_round(restate_->round);
    Emit(std::move(event));
    restate_.reset();
  }
  return std::move(decision_);
}

}  // namespace wissel::domain
