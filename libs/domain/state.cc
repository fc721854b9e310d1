#include "libs/domain/state.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "libs/base/hash.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"

namespace wissel::domain {

using common::v1::ChannelAccount;
using common::v1::InputTopic;
using config::v1::WorkspaceConfig;
using receipt::v1::DeliveryState;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;
using state::v1::SeenIds;

namespace {

// Separates the parts of an index key; in no id.
constexpr absl::string_view kSeparator("\0", 1);

std::string ContactIndexKey(const ChannelAccount& account, absl::string_view contact_id) {
  return absl::StrCat(account.account_id(), kSeparator, contact_id);
}

std::string ProviderIndexKey(absl::string_view workspace_id, const ChannelAccount& account,
                             absl::string_view provider_message_id) {
  return absl::StrCat(workspace_id, kSeparator, account.account_id(), kSeparator,
                      provider_message_id);
}

std::optional<absl::uint128> ParseSeenId(absl::string_view uuid) {
  const absl::StatusOr<Uuid> parsed = Uuid::Parse(uuid);
  if (!parsed.ok()) return std::nullopt;
  absl::uint128 id;
  static_assert(sizeof(id) == sizeof(parsed->bytes));
  std::memcpy(&id, parsed->bytes.data(), sizeof(id));
  return id;
}

std::string SeenPieceKey(const std::pair<int64_t, int32_t>& key) {
  return absl::StrCat(key.first, ".", key.second);
}

// Calls `f` with each id of a seen piece.
template <typename F>
void ForEachId(absl::string_view ids, F f) {
  for (size_t i = 0; i + sizeof(absl::uint128) <= ids.size(); i += sizeof(absl::uint128)) {
    absl::uint128 id;
    std::memcpy(&id, ids.data() + i, sizeof(id));
    f(id);
  }
}

}  // namespace

absl::string_view PieceKindName(PieceKind kind) {
  switch (kind) {
    case PieceKind::kPartition:
      return "partition";
    case PieceKind::kConfig:
      return "config";
    case PieceKind::kConversation:
      return "conversation";
    case PieceKind::kAgent:
      return "agent";
    case PieceKind::kSeen:
      return "seen";
  }
  return "";
}

std::optional<PieceKind> ParsePieceKind(absl::string_view name) {
  for (PieceKind kind : {PieceKind::kPartition, PieceKind::kConfig, PieceKind::kConversation,
                         PieceKind::kAgent, PieceKind::kSeen}) {
    if (PieceKindName(kind) == name) return kind;
  }
  return std::nullopt;
}

std::optional<std::pair<int64_t, int32_t>> ParseSeenKey(absl::string_view key) {
  const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(key, '.');
  std::pair<int64_t, int32_t> parsed;
  if (!absl::SimpleAtoi(parts.first, &parsed.first) ||
      !absl::SimpleAtoi(parts.second, &parsed.second)) {
    return std::nullopt;
  }
  return parsed;
}

uint64_t PieceHash(const PieceKey& key, absl::string_view bytes) {
  return StableHash64(
      absl::StrCat(PieceKindName(key.kind), kSeparator, key.key, kSeparator, bytes));
}

std::string AgentKey(absl::string_view workspace_id, absl::string_view agent_id) {
  return absl::StrCat(workspace_id, "/", agent_id);
}

std::string RoutingKey(absl::string_view workspace_id, absl::string_view routing_group_id) {
  return absl::StrCat(workspace_id, "/", routing_group_id);
}

bool IsOpen(const ConversationState& conversation) {
  return conversation.status() != ConversationStatus::CONVERSATION_STATUS_RESOLVED;
}

bool IsSettled(DeliveryState state) {
  switch (state) {
    case DeliveryState::DELIVERY_STATE_SENT:
    case DeliveryState::DELIVERY_STATE_DELIVERED:
    case DeliveryState::DELIVERY_STATE_READ:
    case DeliveryState::DELIVERY_STATE_FAILED:
      return true;
    default:
      return false;
  }
}

// ---------------------------------------------------------------------------------------------
// The fold

void State::Apply(const log::v1::Decision& decision) {
  BeginDecision(decision.cause(), FromProto(decision.time()));
  for (const conversation::v1::Event& event : decision.events()) ApplyEvent(event);
}

void State::BeginDecision(const log::v1::Cause& cause, absl::Time time) {
  time_ = std::max(time_, time);
  *partition_.mutable_time() = ToProto(time_);
  if (cause.has_input()) {
    const log::v1::InputCause& input = cause.input();
    state::v1::InputPosition* position = nullptr;
    for (state::v1::InputPosition& p : *partition_.mutable_positions()) {
      if (p.topic() == input.topic() && p.partition() == input.partition()) position = &p;
    }
    if (position == nullptr) {
      position = partition_.add_positions();
      position->set_topic(input.topic());
      position->set_partition(input.partition());
      std::sort(partition_.mutable_positions()->begin(), partition_.mutable_positions()->end(),
                [](const auto& a, const auto& b) {
                  return std::make_pair(a.topic(), a.partition()) <
                         std::make_pair(b.topic(), b.partition());
                });
      for (state::v1::InputPosition& p : *partition_.mutable_positions()) {
        if (p.topic() == input.topic() && p.partition() == input.partition()) position = &p;
      }
    }
    position->set_next_offset(input.offset() + 1);
    if (!input.id().empty() && (input.topic() == InputTopic::INPUT_TOPIC_INBOUND ||
                                input.topic() == InputTopic::INPUT_TOPIC_COMMANDS)) {
      Remember(input.id());
    }
  }
  ForgetOldIds();
  Touch(PieceKind::kPartition, "");
}

void State::ApplyEvent(const conversation::v1::Event& event) {
  using Kind = conversation::v1::Event::KindCase;
  switch (event.kind_case()) {
    case Kind::kConversationOpened:
      return On(event.conversation_opened());
    case Kind::kMessageReceived:
      return On(event.message_received());
    case Kind::kQueued:
      return On(event.queued());
    case Kind::kOffered:
      return On(event.offered());
    case Kind::kOfferAccepted:
      return On(event.offer_accepted());
    case Kind::kOfferDeclined:
      return On(event.offer_declined());
    case Kind::kOfferTimedOut:
      return On(event.offer_timed_out());
    case Kind::kOfferWithdrawn:
      return On(event.offer_withdrawn());
    case Kind::kAssigned:
      return On(event.assigned());
    case Kind::kTransferred:
      return On(event.transferred());
    case Kind::kReplySent:
      return On(event.reply_sent());
    case Kind::kDeliveryUpdated:
      return On(event.delivery_updated());
    case Kind::kParked:
      return On(event.parked());
    case Kind::kResolved:
      return On(event.resolved());
    case Kind::kReopened:
      return On(event.reopened());
    case Kind::kConversationForgotten:
      return EraseConversation(event.conversation_forgotten().conversation_id());
    case Kind::kAgentConnected:
      return On(event.agent_connected());
    case Kind::kAgentDisconnected:
      return On(event.agent_disconnected());
    case Kind::kGatewayLeaseRenewed:
      return SetLease(event.gateway_lease_renewed().gateway_id(),
                      event.gateway_lease_renewed().lease_expire_time());
    case Kind::kAgentPresenceChanged:
      return On(event.agent_presence_changed());
    case Kind::kAgentCapacityChanged:
      return On(event.agent_capacity_changed());
    case Kind::kConfigApplied:
      return PutConfig(event.config_applied().config(),
                       event.config_applied().held_routing_group_ids());
    case Kind::kRestateStarted:
      return On(event.restate_started());
    case Kind::kConfigRestated:
      return PutConfig(event.config_restated().config(),
                       event.config_restated().held_routing_group_ids());
    case Kind::kConversationRestated:
      return PutConversation(event.conversation_restated().conversation());
    case Kind::kAgentRestated: {
      const AgentState& agent = event.agent_restated().agent();
      const std::string key = AgentKey(agent.workspace_id(), agent.agent_id());
      agents_[key] = agent;
      return Touch(PieceKind::kAgent, key);
    }
    case Kind::kSeenRestated:
      for (const SeenIds& seen : event.seen_restated().seen()) PutSeen(seen);
      return;
    case Kind::kRestateCompleted:
      if (partition_.restating() &&
          partition_.restate_round() == event.restate_completed().round()) {
        partition_.set_restating(false);
        whole_ = true;
      }
      return;
    // What people read and the working state does not need.
    case Kind::kMessageEdited:
    case Kind::kNoteAdded:
    case Kind::kResumed:
    case Kind::kCommandRejected:
    case Kind::kDuplicateSkipped:
    case Kind::kInputDeadLettered:
    case Kind::kReceiptIgnored:
    case Kind::kDelivererMarked:
    case Kind::KIND_NOT_SET:
      return;
  }
}

void State::On(const conversation::v1::ConversationOpened& e) {
  ConversationState c;
  c.set_conversation_id(e.conversation_id());
  c.set_workspace_id(e.workspace_id());
  c.set_routing_group_id(e.routing_group_id());
  *c.mutable_account() = e.account();
  *c.mutable_contact() = e.contact();
  c.set_subject(e.subject());
  c.set_language(e.language());
  c.set_status(ConversationStatus::CONVERSATION_STATUS_QUEUED);
  *c.mutable_open_time() = ToProto(time_);
  PutConversation(std::move(c));
}

void State::On(const conversation::v1::MessageReceived& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  c->set_messages(c->messages() + 1);
  *c->mutable_last_customer_time() = ToProto(time_);
  AddProviderMessageId(*c, e.message().provider_message_id());
}

void State::On(const conversation::v1::Queued& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Release(*c);
  c->clear_agent_id();
  c->clear_resolve_time();
  c->set_status(ConversationStatus::CONVERSATION_STATUS_QUEUED);
  c->set_queue_id(e.queue_id());
  *c->mutable_waiting_since() = e.waiting_since();
}

void State::On(const conversation::v1::Offered& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Release(*c);
  c->clear_agent_id();
  c->set_status(ConversationStatus::CONVERSATION_STATUS_OFFERED);
  c->set_offers(c->offers() + 1);
  c->mutable_offer()->set_offer_id(e.offer_id());
  c->mutable_offer()->set_agent_id(e.agent_id());
  *c->mutable_offer()->mutable_expire_time() = e.expire_time();
  Give(*c, e.agent_id(), e.units());
}

void State::On(const conversation::v1::OfferAccepted& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  if (AgentState* agent = Agent(c->workspace_id(), e.agent_id())) agent->set_missed_offers(0);
}

void State::On(const conversation::v1::OfferDeclined& e) {
  EndOffer(e.conversation_id(), e.offer_id());
  if (ConversationState* c = Conversation(e.conversation_id())) Exclude(*c, e.agent_id());
}

void State::On(const conversation::v1::OfferTimedOut& e) {
  EndOffer(e.conversation_id(), e.offer_id());
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Exclude(*c, e.agent_id());
  if (AgentState* agent = Agent(c->workspace_id(), e.agent_id())) {
    agent->set_missed_offers(agent->missed_offers() + 1);
  }
}

void State::On(const conversation::v1::OfferWithdrawn& e) {
  EndOffer(e.conversation_id(), e.offer_id());
}

void State::On(const conversation::v1::Assigned& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Release(*c);
  c->set_status(ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  c->set_agent_id(e.agent_id());
  c->clear_resolve_time();
  c->clear_excluded_agent_ids();
  c->clear_exclusion_expire_time();
  Give(*c, e.agent_id(), e.units());
  if (AgentState* agent = Agent(c->workspace_id(), e.agent_id())) {
    *agent->mutable_idle_since() = ToProto(time_);
  }
}

void State::On(const conversation::v1::Transferred& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Release(*c);
  c->clear_agent_id();
  c->clear_excluded_agent_ids();
  c->clear_exclusion_expire_time();
  c->set_status(ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

void State::On(const conversation::v1::ReplySent& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  c->set_replies(c->replies() + 1);
  *c->mutable_last_reply_time() = ToProto(time_);
  auto& deliveries = *c->mutable_deliveries();
  if (deliveries.size() >= kMaxDeliveries) {
    const auto settled = std::find_if(deliveries.begin(), deliveries.end(),
                                      [](const auto& d) { return IsSettled(d.state()); });
    if (settled != deliveries.end()) {
      by_outbound_.erase(settled->outbound_id());
      by_provider_id_.erase(
          ProviderIndexKey(c->workspace_id(), c->account(), settled->provider_message_id()));
      deliveries.erase(settled);
    }
  }
  state::v1::Delivery* d = deliveries.Add();
  d->set_outbound_id(e.outbound_id());
  d->set_state(DeliveryState::DELIVERY_STATE_PENDING);
  by_outbound_[e.outbound_id()] = c->conversation_id();
}

void State::On(const conversation::v1::DeliveryUpdated& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  for (state::v1::Delivery& d : *c->mutable_deliveries()) {
    if (d.outbound_id() != e.outbound_id()) continue;
    d.set_state(e.state());
    if (e.attempt() > 0) d.set_attempt(e.attempt());
    if (!e.attempt_id().empty()) d.set_attempt_id(e.attempt_id());
    if (e.has_retry_time()) {
      *d.mutable_retry_time() = e.retry_time();
    } else {
      d.clear_retry_time();
    }
    if (!e.provider_message_id().empty() && d.provider_message_id() != e.provider_message_id()) {
      d.set_provider_message_id(e.provider_message_id());
      AddProviderMessageId(*c, e.provider_message_id());
    }
    IndexDeliveries(*c);
    return;
  }
}

void State::On(const conversation::v1::Parked& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Release(*c);
  c->set_status(ConversationStatus::CONVERSATION_STATUS_PARKED);
  Give(*c, c->agent_id(), 0);
}

void State::On(const conversation::v1::Resolved& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  Release(*c);
  c->clear_excluded_agent_ids();
  c->clear_exclusion_expire_time();
  c->set_status(ConversationStatus::CONVERSATION_STATUS_RESOLVED);
  *c->mutable_resolve_time() = ToProto(time_);
}

void State::On(const conversation::v1::Reopened& e) {
  ConversationState* c = Conversation(e.conversation_id());
  if (c == nullptr) return;
  c->clear_agent_id();
  c->clear_resolve_time();
  c->set_status(ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

void State::On(const conversation::v1::AgentConnected& e) {
  SetLease(e.gateway_id(), e.lease_expire_time());
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  agent->clear_lost_time();
  for (const state::v1::AgentSession& s : agent->sessions()) {
    if (s.session_id() == e.session_id()) return;
  }
  state::v1::AgentSession* session = agent->add_sessions();
  session->set_session_id(e.session_id());
  session->set_gateway_id(e.gateway_id());
}

void State::On(const conversation::v1::AgentDisconnected& e) {
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  auto& sessions = *agent->mutable_sessions();
  const auto gone = std::remove_if(sessions.begin(), sessions.end(),
                                   [&](const auto& s) { return s.session_id() == e.session_id(); });
  if (gone == sessions.end()) return;
  sessions.erase(gone, sessions.end());
  if (sessions.empty()) *agent->mutable_lost_time() = ToProto(time_);
}

void State::SetLease(const std::string& gateway_id,
                     const google::protobuf::Timestamp& expire_time) {
  auto& leases = *partition_.mutable_gateway_leases();
  // A lease that has run out has been dealt with by the decision that found it so.
  leases.erase(std::remove_if(leases.begin(), leases.end(),
                              [&](const auto& l) {
                                return l.gateway_id() != gateway_id &&
                                       FromProto(l.expire_time()) + absl::Minutes(10) < time_;
                              }),
               leases.end());
  auto it = std::lower_bound(
      leases.begin(), leases.end(), gateway_id,
      [](const state::v1::GatewayLease& l, const std::string& id) { return l.gateway_id() < id; });
  if (it == leases.end() || it->gateway_id() != gateway_id) {
    state::v1::GatewayLease* added = leases.Add();
    added->set_gateway_id(gateway_id);
    *added->mutable_expire_time() = expire_time;
    std::sort(leases.begin(), leases.end(),
              [](const auto& a, const auto& b) { return a.gateway_id() < b.gateway_id(); });
    return;
  }
  *it->mutable_expire_time() = expire_time;
}

void State::On(const conversation::v1::AgentPresenceChanged& e) {
  AgentState* agent = Agent(e.workspace_id(), e.agent_id());
  if (agent == nullptr) return;
  agent->set_presence(e.presence());
  agent->set_presence_reason(e.reason());
  agent->clear_lost_time();
  if (e.presence() == command::v1::PRESENCE_AVAILABLE) {
    *agent->mutable_idle_since() = ToProto(time_);
    agent->set_missed_offers(0);
  }
  if (e.presence() != command::v1::PRESENCE_OFFLINE && agent->sessions().empty()) {
    *agent->mutable_lost_time() = ToProto(time_);
  }
}

void State::On(const conversation::v1::AgentCapacityChanged& e) {
  if (AgentState* agent = Agent(e.workspace_id(), e.agent_id())) {
    agent->set_capacity_units(e.capacity_units());
  }
}

void State::On(const conversation::v1::RestateStarted& e) {
  const google::protobuf::Timestamp now = partition_.time();
  if (!whole_) {
    // What the head that was cut off knew, and this reader cannot.
    *partition_.mutable_positions() = e.partition().positions();
    *partition_.mutable_gateway_leases() = e.partition().gateway_leases();
  }
  partition_.set_restate_round(e.round());
  *partition_.mutable_restate_start_time() = now;
  partition_.set_restating(true);
}

void State::PutConfig(
    const WorkspaceConfig& config,
    const google::protobuf::RepeatedPtrField<std::string>& held_routing_group_ids) {
  configs_[config.workspace_id()] = config;
  Touch(PieceKind::kConfig, config.workspace_id());
  std::set<std::string> wanted;
  for (const config::v1::Agent& a : config.agents()) {
    if (std::find(held_routing_group_ids.begin(), held_routing_group_ids.end(),
                  a.routing_group_id()) == held_routing_group_ids.end()) {
      continue;
    }
    const std::string key = AgentKey(config.workspace_id(), a.agent_id());
    wanted.insert(key);
    auto [it, added] = agents_.try_emplace(key);
    AgentState& agent = it->second;
    if (added) {
      agent.set_workspace_id(config.workspace_id());
      agent.set_agent_id(a.agent_id());
      agent.set_presence(command::v1::PRESENCE_OFFLINE);
      *agent.mutable_idle_since() = ToProto(time_);
    }
    agent.set_routing_group_id(a.routing_group_id());
    agent.set_capacity_units(a.capacity_units());
    Touch(PieceKind::kAgent, key);
  }
  const std::string prefix = AgentKey(config.workspace_id(), "");
  for (auto it = agents_.lower_bound(prefix);
       it != agents_.end() && it->first.compare(0, prefix.size(), prefix) == 0;) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    Touch(PieceKind::kAgent, it->first);
    it = agents_.erase(it);
  }
}

// ---------------------------------------------------------------------------------------------
// Pieces of the fold

void State::Release(ConversationState& c) {
  const std::string& holder = c.has_offer() ? c.offer().agent_id() : c.agent_id();
  if (!holder.empty()) {
    const std::string key = AgentKey(c.workspace_id(), holder);
    if (const auto it = by_agent_.find(key); it != by_agent_.end()) {
      it->second.erase(c.conversation_id());
      if (it->second.empty()) by_agent_.erase(it);
    }
    if (AgentState* agent = Agent(c.workspace_id(), holder)) {
      agent->set_used_units(std::max(0, agent->used_units() - c.units()));
      if (c.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE) {
        *agent->mutable_idle_since() = ToProto(time_);
      }
    }
  }
  c.set_units(0);
  c.clear_offer();
}

void State::Give(ConversationState& c, absl::string_view agent_id, int32_t units) {
  c.set_units(units);
  if (agent_id.empty()) return;
  by_agent_[AgentKey(c.workspace_id(), agent_id)].insert(c.conversation_id());
  if (AgentState* agent = Agent(c.workspace_id(), agent_id)) {
    agent->set_used_units(agent->used_units() + units);
  }
}

void State::EndOffer(absl::string_view conversation_id, absl::string_view offer_id) {
  ConversationState* c = Conversation(conversation_id);
  if (c == nullptr || c->offer().offer_id() != offer_id) return;
  Release(*c);
  c->set_status(ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

void State::Exclude(ConversationState& c, const std::string& agent_id) {
  if (FromProto(c.exclusion_expire_time()) <= time_) c.clear_excluded_agent_ids();
  if (std::find(c.excluded_agent_ids().begin(), c.excluded_agent_ids().end(), agent_id) ==
      c.excluded_agent_ids().end()) {
    c.add_excluded_agent_ids(agent_id);
  }
  absl::Duration cooldown = absl::Seconds(60);
  if (const WorkspaceConfig* config = FindConfig(c.workspace_id())) {
    for (const config::v1::Queue& q : config->queues()) {
      if (q.queue_id() == c.queue_id() && q.has_decline_cooldown()) {
        cooldown = FromProto(q.decline_cooldown());
      }
    }
  }
  *c.mutable_exclusion_expire_time() = ToProto(time_ + cooldown);
}

void State::AddProviderMessageId(ConversationState& c, const std::string& id) {
  auto& ids = *c.mutable_provider_message_ids();
  if (std::find(ids.begin(), ids.end(), id) != ids.end()) return;
  if (ids.size() >= kMaxProviderMessageIds) ids.erase(ids.begin());
  *ids.Add() = id;
}

void State::Remember(absl::string_view uuid) {
  const std::optional<absl::uint128> id = ParseSeenId(uuid);
  if (!id.has_value() || !seen_.insert(*id).second) return;
  SeenKey key(absl::ToUnixSeconds(time_), 0);
  if (!seen_pieces_.empty() && seen_pieces_.rbegin()->first.first == key.first) {
    const auto& [last, ids] = *seen_pieces_.rbegin();
    key.second = last.second + (ids.size() >= kMaxSeenIds * sizeof(*id) ? 1 : 0);
  }
  seen_pieces_[key].append(reinterpret_cast<const char*>(&*id), sizeof(*id));
  if (tracking_) Touch(PieceKind::kSeen, SeenPieceKey(key));
}

void State::ForgetOldIds() {
  const int64_t oldest = absl::ToUnixSeconds(time_ - kSeenFor);
  while (!seen_pieces_.empty() && seen_pieces_.begin()->first.first < oldest) {
    EraseSeen(SeenKey(seen_pieces_.begin()->first));
  }
}

void State::EraseSeen(const SeenKey& key) {
  const auto it = seen_pieces_.find(key);
  if (it == seen_pieces_.end()) return;
  ForEachId(it->second, [&](absl::uint128 id) { seen_.erase(id); });
  seen_pieces_.erase(it);
  if (tracking_) Touch(PieceKind::kSeen, SeenPieceKey(key));
}

void State::PutSeen(const SeenIds& seen) {
  const SeenKey key(seen.second(), seen.part());
  EraseSeen(key);
  ForEachId(seen.ids(), [&](absl::uint128 id) { seen_.insert(id); });
  seen_pieces_[key] = seen.ids();
  if (tracking_) Touch(PieceKind::kSeen, SeenPieceKey(key));
}

void State::Index(const ConversationState& c) {
  by_contact_[ContactIndexKey(c.account(), c.contact().contact_id())].emplace(
      FromProto(c.open_time()), c.conversation_id());
  const std::string& holder = c.has_offer() ? c.offer().agent_id() : c.agent_id();
  if (!holder.empty() && IsOpen(c)) {
    by_agent_[AgentKey(c.workspace_id(), holder)].insert(c.conversation_id());
  }
  IndexDeliveries(c);
}

void State::IndexDeliveries(const ConversationState& c) {
  for (const state::v1::Delivery& d : c.deliveries()) {
    by_outbound_[d.outbound_id()] = c.conversation_id();
    if (!d.provider_message_id().empty()) {
      by_provider_id_[ProviderIndexKey(c.workspace_id(), c.account(), d.provider_message_id())] =
          d.outbound_id();
    }
  }
}

void State::Unindex(const ConversationState& c) {
  const std::string contact = ContactIndexKey(c.account(), c.contact().contact_id());
  if (const auto it = by_contact_.find(contact); it != by_contact_.end()) {
    it->second.erase({FromProto(c.open_time()), c.conversation_id()});
    if (it->second.empty()) by_contact_.erase(it);
  }
  const std::string& holder = c.has_offer() ? c.offer().agent_id() : c.agent_id();
  if (const auto it = by_agent_.find(AgentKey(c.workspace_id(), holder)); it != by_agent_.end()) {
    it->second.erase(c.conversation_id());
    if (it->second.empty()) by_agent_.erase(it);
  }
  for (const state::v1::Delivery& d : c.deliveries()) {
    by_outbound_.erase(d.outbound_id());
    by_provider_id_.erase(ProviderIndexKey(c.workspace_id(), c.account(), d.provider_message_id()));
  }
}

void State::PutConversation(ConversationState conversation) {
  const std::string id = conversation.conversation_id();
  auto& slot = conversations_[id];
  if (slot != nullptr) Unindex(*slot);
  slot = std::make_unique<ConversationState>(std::move(conversation));
  Index(*slot);
  Touch(PieceKind::kConversation, id);
}

void State::EraseConversation(const std::string& id) {
  const auto it = conversations_.find(id);
  if (it == conversations_.end()) return;
  Release(*it->second);
  Unindex(*it->second);
  conversations_.erase(it);
  Touch(PieceKind::kConversation, id);
}

ConversationState* State::Conversation(absl::string_view id) {
  const auto it = conversations_.find(id);
  if (it == conversations_.end()) return nullptr;
  Touch(PieceKind::kConversation, id);
  return it->second.get();
}

AgentState* State::Agent(absl::string_view workspace_id, absl::string_view agent_id) {
  const auto it = agents_.find(AgentKey(workspace_id, agent_id));
  if (it == agents_.end()) return nullptr;
  Touch(PieceKind::kAgent, it->first);
  return &it->second;
}

void State::Touch(PieceKind kind, absl::string_view key) {
  if (tracking_) changed_.insert(PieceKey{kind, std::string(key)});
}

// ---------------------------------------------------------------------------------------------
// Reading

int64_t State::NextOffset(InputTopic topic, int32_t partition) const {
  for (const state::v1::InputPosition& p : partition_.positions()) {
    if (p.topic() == topic && p.partition() == partition) return p.next_offset();
  }
  return 0;
}

const ConversationState* State::FindConversation(absl::string_view id) const {
  const auto it = conversations_.find(id);
  return it == conversations_.end() ? nullptr : it->second.get();
}

const ConversationState* State::FindByContact(const ChannelAccount& account,
                                              absl::string_view contact_id) const {
  const auto it = by_contact_.find(ContactIndexKey(account, contact_id));
  return it == by_contact_.end() ? nullptr : FindConversation(it->second.rbegin()->second);
}

const ConversationState* State::FindByOutbound(absl::string_view outbound_id) const {
  const auto it = by_outbound_.find(outbound_id);
  return it == by_outbound_.end() ? nullptr : FindConversation(it->second);
}

std::string State::FindOutbound(absl::string_view workspace_id, const ChannelAccount& account,
                                absl::string_view provider_message_id) const {
  const auto it =
      by_provider_id_.find(ProviderIndexKey(workspace_id, account, provider_message_id));
  return it == by_provider_id_.end() ? "" : it->second;
}

const AgentState* State::FindAgent(absl::string_view workspace_id,
                                   absl::string_view agent_id) const {
  const auto it = agents_.find(AgentKey(workspace_id, agent_id));
  return it == agents_.end() ? nullptr : &it->second;
}

const std::set<std::string>& State::ConversationsOf(absl::string_view workspace_id,
                                                    absl::string_view agent_id) const {
  static const std::set<std::string> none;
  const auto it = by_agent_.find(AgentKey(workspace_id, agent_id));
  return it == by_agent_.end() ? none : it->second;
}

const WorkspaceConfig* State::FindConfig(absl::string_view workspace_id) const {
  const auto it = configs_.find(std::string(workspace_id));
  return it == configs_.end() ? nullptr : &it->second;
}

bool State::Seen(absl::string_view uuid) const {
  const std::optional<absl::uint128> id = ParseSeenId(uuid);
  return id.has_value() && seen_.contains(*id);
}

std::vector<std::string> State::Keys(PieceKind kind) const {
  std::vector<std::string> keys;
  switch (kind) {
    case PieceKind::kPartition:
      keys.emplace_back();
      break;
    case PieceKind::kConfig:
      for (const auto& [key, config] : configs_) keys.push_back(key);
      break;
    case PieceKind::kConversation:
      for (const auto& [key, conversation] : conversations_) keys.push_back(key);
      std::sort(keys.begin(), keys.end());
      break;
    case PieceKind::kAgent:
      for (const auto& [key, agent] : agents_) keys.push_back(key);
      break;
    case PieceKind::kSeen:
      for (const auto& [key, ids] : seen_pieces_) keys.push_back(SeenPieceKey(key));
      break;
  }
  return keys;
}

std::optional<std::string> State::PieceBytes(const PieceKey& key) const {
  switch (key.kind) {
    case PieceKind::kPartition:
      return partition_.SerializeAsString();
    case PieceKind::kConfig: {
      const auto it = configs_.find(key.key);
      if (it == configs_.end()) return std::nullopt;
      return it->second.SerializeAsString();
    }
    case PieceKind::kConversation: {
      const ConversationState* c = FindConversation(key.key);
      if (c == nullptr) return std::nullopt;
      return c->SerializeAsString();
    }
    case PieceKind::kAgent: {
      const auto it = agents_.find(key.key);
      if (it == agents_.end()) return std::nullopt;
      return it->second.SerializeAsString();
    }
    case PieceKind::kSeen: {
      const std::optional<std::pair<int64_t, int32_t>> parsed = ParseSeenKey(key.key);
      if (!parsed.has_value()) return std::nullopt;
      const auto it = seen_pieces_.find(*parsed);
      if (it == seen_pieces_.end()) return std::nullopt;
      SeenIds seen;
      seen.set_second(parsed->first);
      seen.set_part(parsed->second);
      seen.set_ids(it->second);
      return seen.SerializeAsString();
    }
  }
  return std::nullopt;
}

uint64_t State::Hash() const {
  uint64_t sum = 0;
  for (PieceKind kind : {PieceKind::kPartition, PieceKind::kConfig, PieceKind::kConversation,
                         PieceKind::kAgent, PieceKind::kSeen}) {
    for (std::string& key : Keys(kind)) {
      const PieceKey piece{kind, std::move(key)};
      sum += PieceHash(piece, *PieceBytes(piece));
    }
  }
  return sum;
}

std::vector<Piece> State::TakeChanges() {
  std::vector<Piece> pieces;
  pieces.reserve(changed_.size());
  for (const PieceKey& key : changed_) pieces.push_back({key, PieceBytes(key)});
  changed_.clear();
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.key < b.key; });
  return pieces;
}

absl::Status State::Load(const Piece& piece) {
  const auto bad = [&] {
    return absl::InvalidArgumentError(absl::StrCat("the ", PieceKindName(piece.key.kind), " \"",
                                                   piece.key.key,
                                                   "\" of the checkpoint does not parse"));
  };
  if (!piece.bytes.has_value()) return bad();
  switch (piece.key.kind) {
    case PieceKind::kPartition:
      if (!partition_.ParseFromString(*piece.bytes)) return bad();
      if (partition_.has_time()) time_ = FromProto(partition_.time());
      return absl::OkStatus();
    case PieceKind::kConfig: {
      WorkspaceConfig config;
      if (!config.ParseFromString(*piece.bytes)) return bad();
      configs_[config.workspace_id()] = std::move(config);
      return absl::OkStatus();
    }
    case PieceKind::kConversation: {
      ConversationState c;
      if (!c.ParseFromString(*piece.bytes)) return bad();
      PutConversation(std::move(c));
      return absl::OkStatus();
    }
    case PieceKind::kAgent: {
      AgentState agent;
      if (!agent.ParseFromString(*piece.bytes)) return bad();
      agents_[AgentKey(agent.workspace_id(), agent.agent_id())] = std::move(agent);
      return absl::OkStatus();
    }
    case PieceKind::kSeen: {
      SeenIds seen;
      if (!seen.ParseFromString(*piece.bytes) || seen.ids().size() % 16 != 0) return bad();
      PutSeen(seen);
      return absl::OkStatus();
    }
  }
  return bad();
}

}  // namespace wissel::domain
