// How the engine decides on customers' messages and on receipts.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/utf8.h"
#include "libs/base/uuid.h"
#include "libs/domain/defaults.h"
#include "libs/domain/engine.h"
#include "libs/domain/facts.h"
#include "libs/routing/language.h"

namespace wissel::domain {

using conversation::v1::DeliveryUpdated;
using conversation::v1::Event;
using message::v1::Automation;
using message::v1::Content;
using message::v1::InboundMessage;
using receipt::v1::DeliveryState;
using receipt::v1::Receipt;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

// Of an id that is perhaps none, in what is said of it.
constexpr size_t kMaxShownBytes = 128;

// Of what a conversation keeps of a message, and a decision may hold twice. No less than message.v1
// allows, so that nothing is refused that keeps to it.
constexpr size_t kMaxTextBytes = 998;
constexpr size_t kMaxPartyBytes = 2048;

// Why an envelope cannot be decided on, wherever it is.
std::optional<Refusal> RefuseEnvelope(const common::v1::Envelope& envelope) {
  if (envelope.workspace_id().empty() || envelope.routing_group_id().empty()) {
    return Refusal{deadletter::v1::REASON_INVALID,
                   "the envelope names no workspace or routing group"};
  }
  if (!Uuid::Parse(envelope.id()).ok()) {
    return Refusal{deadletter::v1::REASON_INVALID,
                   absl::StrCat("the envelope's id is not a UUID: \"",
                                TruncateUtf8(envelope.id(), kMaxShownBytes), "\"")};
  }
  return std::nullopt;
}

Refusal Misrouted(const common::v1::Envelope& envelope) {
  return {deadletter::v1::REASON_MISROUTED,
          absl::StrCat("no configuration puts the routing group ",
                       TruncateUtf8(envelope.workspace_id(), kMaxShownBytes), "/",
                       TruncateUtf8(envelope.routing_group_id(), kMaxShownBytes),
                       " on this partition")};
}

// A message that only changes an earlier one.
bool IsChange(const InboundMessage& message) {
  return std::all_of(message.contents().begin(), message.contents().end(),
                     [](const Content& c) { return c.has_edit() || c.has_delete_(); });
}

// How far along the way to the customer; for states of the provider's reporting.
int Progress(DeliveryState state) {
  switch (state) {
    case DeliveryState::DELIVERY_STATE_SENT:
      return 1;
    case DeliveryState::DELIVERY_STATE_DELIVERED:
      return 2;
    case DeliveryState::DELIVERY_STATE_READ:
      return 3;
    case DeliveryState::DELIVERY_STATE_FAILED:
      return 4;
    default:
      return 0;
  }
}

}  // namespace

std::optional<Refusal> Engine::Refuse(const InboundMessage& message) const {
  if (auto refusal = RefuseEnvelope(message.envelope())) return refusal;
  if (message.contents().empty()) {
    return Refusal{deadletter::v1::REASON_INVALID, "the message has no contents"};
  }
  if (message.account().account_id().empty() || message.sender().contact_id().empty()) {
    return Refusal{deadletter::v1::REASON_INVALID, "the message has no account or sender"};
  }
  for (const std::string* text :
       {&message.subject(), &message.provider_message_id(), &message.language()}) {
    if (text->size() > kMaxTextBytes) {
      return Refusal{deadletter::v1::REASON_INVALID,
                     absl::StrCat("the subject, provider_message_id or language has ", text->size(),
                                  " bytes; at most ", kMaxTextBytes)};
    }
  }
  if (const size_t bytes = message.account().ByteSizeLong() + message.sender().ByteSizeLong();
      bytes > kMaxPartyBytes) {
    return Refusal{
        deadletter::v1::REASON_INVALID,
        absl::StrCat("account and sender have ", bytes, " bytes; at most ", kMaxPartyBytes)};
  }
  if (std::optional<std::string> wrong = FactsOutOfBounds(message.facts())) {
    return Refusal{deadletter::v1::REASON_INVALID, *std::move(wrong)};
  }
  if (!Holds(message.envelope())) return Misrouted(message.envelope());
  return std::nullopt;
}

std::optional<Refusal> Engine::Refuse(const Receipt& receipt) const {
  if (receipt.kind_case() == Receipt::KIND_NOT_SET) {
    return Refusal{deadletter::v1::REASON_INVALID, "the receipt is of no known kind"};
  }
  // A deliverer's marker concerns the partition, whatever stands on it.
  if (receipt.has_deliverer_marker()) return std::nullopt;
  if (auto refusal = RefuseEnvelope(receipt.envelope())) return refusal;
  return std::nullopt;
}

log::v1::Decision& Engine::DecideDeadLetter(const log::v1::InputCause& cause,
                                            absl::string_view dead_letter_id,
                                            const Refusal& refusal, absl::Time now) {
  Begin(cause, "", now);
  Event& event = NewEvent();
  conversation::v1::InputDeadLettered& dead = *event.mutable_input_dead_lettered();
  dead.set_dead_letter_id(std::string(dead_letter_id));
  dead.set_detail(refusal.detail);
  dead.set_input_id(std::string(TruncateUtf8(refusal.input_id, kMaxShownBytes)));
  Emit(event);
  return Finish();
}

// ---------------------------------------------------------------------------------------------
// Messages

log::v1::Decision& Engine::Decide(const log::v1::InputCause& cause, InboundMessage& message,
                                  absl::Time now) {
  const absl::string_view message_id = message.envelope().id();
  const bool seen = !options_.ignore_seen && state_.Seen(message_id);
  Begin(cause, seen ? "" : message_id, now);
  if (seen) {
    Event& event = NewEvent();
    event.mutable_duplicate_skipped()->set_id(message.envelope().id());
    Emit(event);
  } else {
    Receive(message);
  }
  return Finish();
}

const ConversationState* Engine::FindFor(const InboundMessage& message) const {
  const std::string& workspace_id = message.envelope().workspace_id();
  const auto ours = [&](const ConversationState* c) {
    return c != nullptr && c->workspace_id() == workspace_id;
  };
  // What we signed ourselves counts most, then the message it answers, then who wrote it.
  if (const auto* c = state_.FindConversation(message.thread().conversation_id()); ours(c))
    return c;
  if (const std::string& answered = message.thread().in_reply_to_provider_message_id();
      !answered.empty()) {
    const auto* c =
        state_.FindByOutbound(state_.FindOutbound(workspace_id, message.account(), answered));
    if (ours(c)) return c;
  }
  const auto* c = state_.FindByContact(message.account(), message.sender().contact_id());
  if (!ours(c)) return nullptr;
  if (message.account().kind() != common::v1::CHANNEL_KIND_EMAIL || IsQuiet(message)) return c;
  // A mail that answers nothing of ours begins anew once the last matter is closed, or always.
  const ConversationState* matter = FollowMerges(c);
  const bool closed = matter == nullptr || !IsOpen(*matter);
  if (closed || MailJoinsOpenConversation(Config(workspace_id).conversations())) {
    return closed ? nullptr : c;
  }
  // But for one in which the customer goes on from their own mail.
  c = state_.FindByMessage(message.account(), message.sender().contact_id(),
                           message.thread().in_reply_to_provider_message_id());
  matter = FollowMerges(c);
  return matter != nullptr && IsOpen(*matter) ? c : nullptr;
}

void Engine::Receive(InboundMessage& message) {
  const ConversationState* c = FindFor(message);
  if (c != nullptr && IsChange(message)) {
    Event& event = NewEvent();
    event.mutable_message_edited()->set_conversation_id(c->conversation_id());
    event.mutable_message_edited()->unsafe_arena_set_allocated_message(&message);
    Emit(event);
    return;
  }
  const absl::Duration window =
      ReopenWindow(Config(message.envelope().workspace_id()).conversations());
  const bool quiet = IsQuiet(message);
  c = FollowMerges(c);
  const bool reopens = c != nullptr && !IsOpen(*c) && !quiet;
  std::string previous;
  if (reopens && now_ - FromProto(c->resolve_time()) > window) {
    previous = c->conversation_id();
    c = nullptr;
  }
  std::string id;
  if (c == nullptr) {
    id = UuidV5(kWisselNamespace, {"conversation", message.envelope().id()});
    Event& event = NewEvent();
    conversation::v1::ConversationOpened& opened = *event.mutable_conversation_opened();
    opened.set_conversation_id(id);
    opened.set_workspace_id(message.envelope().workspace_id());
    opened.set_routing_group_id(message.envelope().routing_group_id());
    *opened.mutable_account() = message.account();
    *opened.mutable_contact() = message.sender();
    opened.set_subject(message.subject());
    opened.set_previous_conversation_id(previous);
    const std::string& language =
        message.language().empty() ? message.facts().language() : message.language();
    opened.set_language(routing::PrimaryLanguage(language));
    if (message.has_facts()) *opened.mutable_facts() = message.facts();
    Emit(event);
  } else {
    id = c->conversation_id();
  }
  {
    Event& event = NewEvent();
    event.mutable_message_received()->set_conversation_id(id);
    event.mutable_message_received()->unsafe_arena_set_allocated_message(&message);
    Emit(event);
  }
  if (c == nullptr) return QueueNew(id);
  if (reopens) return ReopenConversation(id, /*by_customer=*/true);
  // A customer who writes is no longer silent.
  if (c->status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE) TouchConversation(id);
  if (c->status() == ConversationStatus::CONVERSATION_STATUS_PARKED && !quiet) {
    const std::string agent_id = c->agent_id();
    Event& event = NewEvent();
    event.mutable_resumed()->set_conversation_id(id);
    event.mutable_resumed()->set_by_customer(true);
    Emit(event);
    ResumeConversation(id, agent_id);
  }
}

// ---------------------------------------------------------------------------------------------
// Receipts

log::v1::Decision& Engine::Decide(const log::v1::InputCause& cause, const Receipt& receipt,
                                  absl::Time now) {
  Begin(cause, receipt.envelope().id(), now);
  OnReceipt(receipt);
  return Finish();
}

void Engine::Ignore(const Receipt& receipt, absl::string_view detail) {
  Event& event = NewEvent();
  event.mutable_receipt_ignored()->set_receipt_id(receipt.envelope().id());
  event.mutable_receipt_ignored()->set_detail(std::string(detail));
  Emit(event);
}

void Engine::UpdateDelivery(const ConversationState& conversation, DeliveryUpdated update) {
  TouchConversation(conversation.conversation_id());
  update.set_conversation_id(conversation.conversation_id());
  Event& event = NewEvent();
  *event.mutable_delivery_updated() = std::move(update);
  Emit(event);
}

void Engine::OnReceipt(const Receipt& receipt) {
  if (receipt.has_deliverer_marker()) {
    Event& event = NewEvent();
    *event.mutable_deliverer_marked()->mutable_marker() = receipt.deliverer_marker();
    Emit(event);
    return;
  }
  std::string outbound_id = receipt.has_attempt_started() ? receipt.attempt_started().outbound_id()
                            : receipt.has_attempt_finished()
                                ? receipt.attempt_finished().outbound_id()
                                : receipt.provider_status().outbound_id();
  if (outbound_id.empty() && receipt.has_provider_status()) {
    outbound_id =
        state_.FindOutbound(receipt.envelope().workspace_id(), receipt.provider_status().account(),
                            receipt.provider_status().provider_message_id());
  }
  const ConversationState* c = state_.FindByOutbound(outbound_id);
  if (c == nullptr || c->workspace_id() != receipt.envelope().workspace_id()) {
    return Ignore(receipt, "of no answer that is known");
  }
  const auto delivery = std::find_if(c->deliveries().begin(), c->deliveries().end(),
                                     [&](const auto& d) { return d.outbound_id() == outbound_id; });
  if (delivery == c->deliveries().end()) return Ignore(receipt, "of no answer that is known");
  DeliveryUpdated update;
  update.set_outbound_id(outbound_id);

  switch (receipt.kind_case()) {
    case Receipt::kAttemptStarted: {
      const receipt::v1::AttemptStarted& r = receipt.attempt_started();
      if (delivery->state() != DeliveryState::DELIVERY_STATE_PENDING &&
          delivery->state() != DeliveryState::DELIVERY_STATE_RETRYING) {
        return Ignore(receipt, "no attempt is due");
      }
      if (r.attempt() != delivery->attempt() + 1) return Ignore(receipt, "not the next attempt");
      update.set_state(DeliveryState::DELIVERY_STATE_ATTEMPTING);
      update.set_attempt(r.attempt());
      update.set_attempt_id(r.attempt_id());
      return UpdateDelivery(*c, std::move(update));
    }
    case Receipt::kAttemptFinished: {
      const receipt::v1::AttemptFinished& r = receipt.attempt_finished();
      if (r.attempt_id() != delivery->attempt_id()) return Ignore(receipt, "of an earlier attempt");
      switch (r.state()) {
        case DeliveryState::DELIVERY_STATE_SENT:
          // That the provider has it outweighs whatever was thought of the attempt.
          if (IsSettled(delivery->state())) return Ignore(receipt, "settled already");
          break;
        case DeliveryState::DELIVERY_STATE_RETRYING:
        case DeliveryState::DELIVERY_STATE_UNCERTAIN:
        case DeliveryState::DELIVERY_STATE_HELD:
        case DeliveryState::DELIVERY_STATE_FAILED:
          if (delivery->state() != DeliveryState::DELIVERY_STATE_ATTEMPTING &&
              delivery->state() != DeliveryState::DELIVERY_STATE_UNCERTAIN) {
            return Ignore(receipt, "the attempt is over");
          }
          break;
        default:
          return Ignore(receipt, "not an outcome of an attempt");
      }
      update.set_state(r.state());
      update.set_attempt(delivery->attempt());
      update.set_attempt_id(delivery->attempt_id());
      update.set_provider_message_id(r.provider_message_id());
      if (r.has_error()) *update.mutable_error() = r.error();
      if (r.has_retry_time()) *update.mutable_retry_time() = r.retry_time();
      return UpdateDelivery(*c, std::move(update));
    }
    case Receipt::kProviderStatus: {
      const receipt::v1::ProviderStatus& r = receipt.provider_status();
      if (Progress(r.state()) <= Progress(delivery->state())) {
        return Ignore(receipt, "says nothing new");
      }
      update.set_state(r.state());
      update.set_provider_message_id(r.provider_message_id());
      if (r.has_error()) *update.mutable_error() = r.error();
      return UpdateDelivery(*c, std::move(update));
    }
    case Receipt::kDelivererMarker:
    case Receipt::KIND_NOT_SET:
      return;
  }
}

}  // namespace wissel::domain
