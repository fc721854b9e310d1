#include "libs/domain/state.h"

#include <algorithm>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/repeated_ptr_field.h"
#include "libs/base/proto_time.h"
#include "libs/routing/flow.h"

namespace wissel::domain {

using common::v1::ChannelAccount;
using common::v1::InputTopic;
using config::v1::WorkspaceConfig;
using receipt::v1::DeliveryState;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

// Separates the parts of an index key; in no id.
constexpr absl::string_view kSeparator("\0", 1);

size_t ContactHash(const ChannelAccount& account, absl::string_view contact_id) {
  return absl::HashOf(account.account_id(), contact_id);
}

bool IsWith(const ConversationState& c, const ChannelAccount& account,
            absl::string_view contact_id) {
  return c.contact().contact_id() == contact_id && c.account().account_id() == account.account_id();
}

std::string ProviderIndexKey(absl::string_view workspace_id, const ChannelAccount& account,
                             absl::string_view provider_message_id) {
  return absl::StrCat(workspace_id, kSeparator, account.account_id(), kSeparator,
                      provider_message_id);
}

}  // namespace

std::string AgentKey(absl::string_view workspace_id, absl::string_view agent_id) {
  return absl::StrCat(workspace_id, "/", agent_id);
}

std::string QueueKey(absl::string_view workspace_id, absl::string_view queue_id) {
  return absl::StrCat(workspace_id, "/", queue_id);
}

std::string RoutingKey(absl::string_view workspace_id, absl::string_view routing_group_id) {
  return absl::StrCat(workspace_id, "/", routing_group_id);
}

bool IsRoutingKey(absl::string_view key, absl::string_view workspace_id,
                  absl::string_view routing_group_id) {
  return absl::ConsumePrefix(&key, workspace_id) && absl::ConsumePrefix(&key, "/") &&
         key == routing_group_id;
}

bool IsOpen(const ConversationState& conversation) {
  return conversation.status() != ConversationStatus::CONVERSATION_STATUS_RESOLVED;
}

std::vector<std::string> CompanyIn(const ConversationState& conversation) {
  std::vector<std::string> agents(conversation.consulted_agent_ids().begin(),
                                  conversation.consulted_agent_ids().end());
  for (const state::v1::JoinedSupervisor& joined : conversation.joined_supervisors()) {
    if (!joined.agent_id().empty()) agents.push_back(joined.agent_id());
  }
  std::sort(agents.begin(), agents.end());
  agents.erase(std::unique(agents.begin(), agents.end()), agents.end());
  return agents;
}

bool IsQuiet(const message::v1::InboundMessage& message) {
  switch (message.automation()) {
    case message::v1::AUTOMATION_AUTO_REPLY:
    case message::v1::AUTOMATION_BOUNCE:
    case message::v1::AUTOMATION_LOOP:
      return true;
    default:
      break;
  }
  return std::all_of(message.contents().begin(), message.contents().end(),
                     [](const message::v1::Content& c) { return c.has_reaction(); });
}

bool MayAnswerAutomatically(message::v1::Automation automation) {
  return automation == message::v1::AUTOMATION_UNSPECIFIED ||
         automation == message::v1::AUTOMATION_NONE;
}

bool IsAgentsAnswer(const conversation::v1::ReplySent& reply) {
  return !reply.actor().subject().empty() && reply.actor().role() != common::v1::ROLE_BOT;
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
      if (c.units() > 0) Hold(*agent, c.account().kind(), -1, -c.units());
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
    if (units > 0) Hold(*agent, c.account().kind(), 1, units);
  }
}

void State::Hold(AgentState& agent, common::v1::ChannelKind kind, int32_t conversations,
                 int32_t units) {
  agent.set_used_units(std::max(0, agent.used_units() + units));
  auto& loads = *agent.mutable_channel_loads();
  auto load =
      std::find_if(loads.begin(), loads.end(), [kind](const auto& l) { return l.kind() == kind; });
  if (load == loads.end()) {
    if (units <= 0) return;
    loads.Add()->set_kind(kind);
    std::sort(loads.begin(), loads.end(),
              [](const auto& a, const auto& b) { return a.kind() < b.kind(); });
    load = std::find_if(loads.begin(), loads.end(),
                        [kind](const auto& l) { return l.kind() == kind; });
  }
  load->set_conversations(std::max(0, load->conversations() + conversations));
  load->set_units(std::max(0, load->units() + units));
  if (load->conversations() == 0 && load->units() == 0) loads.erase(load);
}

state::v1::QueueState* State::Queue(absl::string_view workspace_id, absl::string_view queue_id) {
  const auto it = queues_.find(QueueKey(workspace_id, queue_id));
  if (it == queues_.end()) return nullptr;
  Touch(PieceKind::kQueue, it->first);
  return &it->second;
}

void State::SetPlace(ConversationState& c, ConversationStatus status, const std::string& queue_id) {
  const bool waited = c.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED;
  const bool waits = status == ConversationStatus::CONVERSATION_STATUS_QUEUED;
  if (waited != waits || c.queue_id() != queue_id) {
    if (waited) {
      if (auto* queue = Queue(c.workspace_id(), c.queue_id())) {
        routing::NoteWaiting(*queue, -1, time_);
      }
    }
    if (waits) {
      if (auto* queue = Queue(c.workspace_id(), queue_id)) routing::NoteWaiting(*queue, 1, time_);
    }
  }
  c.set_status(status);
  c.set_queue_id(queue_id);
}

void State::NoteDeparture(const ConversationState& c) {
  if (c.status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) return;
  if (auto* queue = Queue(c.workspace_id(), c.queue_id())) {
    routing::NoteDeparture(*queue, time_ - FromProto(c.waiting_since()), time_);
  }
}

void State::NoteLeft(const ConversationState& c) {
  if (c.status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) return;
  if (auto* queue = Queue(c.workspace_id(), c.queue_id())) routing::NoteLeft(*queue, time_);
}

void State::NoteHandled(ConversationState& c) {
  if (!c.has_assign_time()) return;
  if (auto* queue = Queue(c.workspace_id(), c.queue_id())) {
    routing::NoteHandled(*queue, time_ - FromProto(c.assign_time()), time_);
  }
  c.clear_assign_time();
}

void State::NoteGiven(AgentState* agent) {
  partition_.set_given(partition_.given() + 1);
  if (agent != nullptr) agent->set_last_given(partition_.given());
}

void State::EndOffer(absl::string_view conversation_id, absl::string_view offer_id) {
  ConversationState* c = Conversation(conversation_id);
  if (c == nullptr || c->offer().offer_id() != offer_id) return;
  Release(*c);
  SetStatus(*c, ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

void State::Exclude(ConversationState& c, const std::string& agent_id) {
  auto& exclusions = *c.mutable_exclusions();
  exclusions.erase(std::remove_if(exclusions.begin(), exclusions.end(),
                                  [&](const state::v1::Exclusion& e) {
                                    return e.agent_id() == agent_id ||
                                           FromProto(e.expire_time()) <= time_;
                                  }),
                   exclusions.end());
  absl::Duration cooldown = absl::Seconds(60);
  const config::v1::Queue* queue = FindQueueConfig(c.workspace_id(), c.queue_id());
  if (queue != nullptr && queue->has_decline_cooldown()) {
    cooldown = FromProto(queue->decline_cooldown());
  }
  state::v1::Exclusion& exclusion = *exclusions.Add();
  exclusion.set_agent_id(agent_id);
  *exclusion.mutable_expire_time() = ToProto(time_ + cooldown);
}

// Each comes once: what is repeated is not decided again.
void State::AddProviderMessageId(ConversationState& c, const std::string& id) {
  auto& ids = *c.mutable_provider_message_ids();
  if (ids.size() >= kMaxProviderMessageIds) ids.erase(ids.begin());
  *ids.Add() = id;
}

void State::Index(ConversationState& c) {
  auto& opened = by_contact_[ContactHash(c.account(), c.contact().contact_id())];
  const auto order = [](const ConversationState* a, const ConversationState* b) {
    return std::make_pair(FromProto(a->open_time()), absl::string_view(a->conversation_id())) <
           std::make_pair(FromProto(b->open_time()), absl::string_view(b->conversation_id()));
  };
  opened.insert(std::upper_bound(opened.begin(), opened.end(), &c, order), &c);
  const std::string& holder = c.has_offer() ? c.offer().agent_id() : c.agent_id();
  if (!holder.empty() && IsOpen(c)) {
    by_agent_[AgentKey(c.workspace_id(), holder)].insert(c.conversation_id());
  }
  IndexCompany(c);
  IndexDeliveries(c);
}

void State::IndexCompany(const ConversationState& c) {
  for (const std::string& agent : CompanyIn(c)) {
    by_company_[AgentKey(c.workspace_id(), agent)].insert(c.conversation_id());
  }
}

void State::UnindexCompany(const ConversationState& c) {
  for (const std::string& agent : CompanyIn(c)) {
    const auto it = by_company_.find(AgentKey(c.workspace_id(), agent));
    if (it == by_company_.end()) continue;
    it->second.erase(c.conversation_id());
    if (it->second.empty()) by_company_.erase(it);
  }
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
  const size_t contact = ContactHash(c.account(), c.contact().contact_id());
  if (const auto it = by_contact_.find(contact); it != by_contact_.end()) {
    auto& opened = it->second;
    opened.erase(std::remove(opened.begin(), opened.end(), &c), opened.end());
    if (opened.empty()) by_contact_.erase(it);
  }
  const std::string& holder = c.has_offer() ? c.offer().agent_id() : c.agent_id();
  if (const auto it = by_agent_.find(AgentKey(c.workspace_id(), holder)); it != by_agent_.end()) {
    it->second.erase(c.conversation_id());
    if (it->second.empty()) by_agent_.erase(it);
  }
  UnindexCompany(c);
  for (const state::v1::Delivery& d : c.deliveries()) UnindexDelivery(c, d);
}

void State::UnindexDelivery(const ConversationState& c, const state::v1::Delivery& d) {
  by_outbound_.erase(d.outbound_id());
  by_provider_id_.erase(ProviderIndexKey(c.workspace_id(), c.account(), d.provider_message_id()));
}

void State::PutConversation(std::unique_ptr<ConversationState> conversation) {
  const std::string& id = conversation->conversation_id();
  last_found_ = nullptr;
  auto& slot = conversations_[id];
  if (slot != nullptr) Unindex(*slot);
  slot = std::move(conversation);
  Index(*slot);
  Touch(PieceKind::kConversation, id);
}

void State::EraseConversation(const std::string& id) {
  const auto it = conversations_.find(id);
  if (it == conversations_.end()) return;
  Release(*it->second);
  SetStatus(*it->second, ConversationStatus::CONVERSATION_STATUS_RESOLVED);
  Unindex(*it->second);
  last_found_ = nullptr;
  conversations_.erase(it);
  Touch(PieceKind::kConversation, id);
}

ConversationState* State::Lookup(absl::string_view id) const {
  if (last_found_ != nullptr && last_found_->conversation_id() == id) return last_found_;
  const auto it = conversations_.find(id);
  if (it == conversations_.end()) return nullptr;
  last_found_ = it->second.get();
  return last_found_;
}

ConversationState* State::Conversation(absl::string_view id) {
  ConversationState* const conversation = Lookup(id);
  if (conversation != nullptr) Touch(PieceKind::kConversation, id);
  return conversation;
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
  return id.empty() ? nullptr : Lookup(id);
}

const ConversationState* State::FindByContact(const ChannelAccount& account,
                                              absl::string_view contact_id) const {
  const auto it = by_contact_.find(ContactHash(account, contact_id));
  if (it == by_contact_.end()) return nullptr;
  for (auto c = it->second.rbegin(); c != it->second.rend(); ++c) {
    if (IsWith(**c, account, contact_id)) return last_found_ = *c;
  }
  return nullptr;
}

const ConversationState* State::FindByMessage(const ChannelAccount& account,
                                              absl::string_view contact_id,
                                              absl::string_view provider_message_id) const {
  const auto it = by_contact_.find(ContactHash(account, contact_id));
  if (it == by_contact_.end() || provider_message_id.empty()) return nullptr;
  const ConversationState* latest = nullptr;
  for (const ConversationState* c : it->second) {
    if (!IsWith(*c, account, contact_id)) continue;
    const auto& ids = c->provider_message_ids();
    if (std::find(ids.begin(), ids.end(), provider_message_id) != ids.end()) latest = c;
  }
  return latest;
}

const ConversationState* State::FindPrevious(const ConversationState& c) const {
  const std::string& contact_id = c.contact().contact_id();
  const auto it = by_contact_.find(ContactHash(c.account(), contact_id));
  if (it == by_contact_.end()) return nullptr;
  const ConversationState* last = nullptr;
  for (const ConversationState* other : it->second) {
    if (other == &c || IsOpen(*other) || !IsWith(*other, c.account(), contact_id)) continue;
    if (last == nullptr || FromProto(last->resolve_time()) <= FromProto(other->resolve_time())) {
      last = other;
    }
  }
  return last;
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

const state::v1::QueueState* State::FindQueue(absl::string_view workspace_id,
                                              absl::string_view queue_id) const {
  const auto it = queues_.find(QueueKey(workspace_id, queue_id));
  return it == queues_.end() ? nullptr : &it->second;
}

const std::set<std::string>& State::ConversationsOf(absl::string_view workspace_id,
                                                    absl::string_view agent_id) const {
  static const std::set<std::string> none;
  const auto it = by_agent_.find(AgentKey(workspace_id, agent_id));
  return it == by_agent_.end() ? none : it->second;
}

const std::set<std::string>& State::CompanyOf(absl::string_view workspace_id,
                                              absl::string_view agent_id) const {
  static const std::set<std::string> none;
  const auto it = by_company_.find(AgentKey(workspace_id, agent_id));
  return it == by_company_.end() ? none : it->second;
}

const WorkspaceConfig* State::FindConfig(absl::string_view workspace_id) const {
  const auto it = configs_.find(std::string(workspace_id));
  return it == configs_.end() ? nullptr : &it->second;
}

}  // namespace wissel::domain
