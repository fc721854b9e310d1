// How the engine decides on commands about a conversation and whoever has it: answers, notes,
// transfer, parking, the end, and what is newly known.

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/domain/command_checks.h"
#include "libs/domain/defaults.h"
#include "libs/domain/engine.h"
#include "libs/domain/facts.h"
#include "libs/routing/language.h"

namespace wissel::domain {

using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using conversation::v1::OfferWithdrawn;
using conversation::v1::Queued;
using receipt::v1::DeliveryState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

constexpr size_t kMaxReplyContents = 10;
constexpr size_t kMaxReplyTextBytes = 256 << 10;
constexpr size_t kMaxResolutionBytes = 64;
constexpr int32_t kMaxOwnPriority = 1000;

}  // namespace

Engine::Verdict Engine::On(const Command& command, const command::v1::SendReply& c) {
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  const auto& contents = c.message().contents();
  size_t text_bytes = 0;
  for (const message::v1::Content& content : contents) {
    if (!content.has_text() && !content.has_media() && !content.has_template_()) {
      return Rejection{CommandRejected::REASON_INVALID,
                       "a reply is made of texts, media and templates"};
    }
    if (content.has_media() && content.media().blob().blob_id().empty()) {
      return Rejection{CommandRejected::REASON_INVALID, "media must refer to a blob"};
    }
    text_bytes += content.text().text().size() + content.text().html().size();
  }
  if (contents.empty() || contents.size() > static_cast<int>(kMaxReplyContents) ||
      text_bytes > kMaxReplyTextBytes) {
    return Rejection{CommandRejected::REASON_INVALID,
                     "a reply has 1 to 10 contents and at most 256 KiB of text"};
  }
  const auto& deliveries = conversation.deliveries();
  if (deliveries.size() >= kMaxDeliveries &&
      std::none_of(deliveries.begin(), deliveries.end(),
                   [](const auto& d) { return IsSettled(d.state()); })) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat(kMaxDeliveries, " replies are still on their way")};
  }
  SendReply(conversation, c.message(),
            UuidV5(kWisselNamespace, {"outbound", command.envelope().id()}), command.actor());
  return std::nullopt;
}

void Engine::SendReply(const ConversationState& conversation,
                       const message::v1::OutboundMessage& wanted, std::string outbound_id,
                       const command::v1::Actor& actor) {
  TouchConversation(conversation.conversation_id());
  Event& event = NewEvent();
  conversation::v1::ReplySent& sent = *event.mutable_reply_sent();
  sent.set_conversation_id(conversation.conversation_id());
  sent.set_outbound_id(std::move(outbound_id));
  sent.set_workspace_id(conversation.workspace_id());
  sent.set_routing_group_id(conversation.routing_group_id());
  *sent.mutable_actor() = actor;
  message::v1::OutboundMessage& message = *sent.mutable_message();
  *message.mutable_contents() = wanted.contents();
  *message.mutable_account() = conversation.account();
  *message.mutable_recipient() = conversation.contact();
  if (conversation.account().kind() == common::v1::CHANNEL_KIND_EMAIL) {
    message.set_subject(!wanted.subject().empty() ? wanted.subject()
                        : absl::StartsWithIgnoreCase(conversation.subject(), "re:")
                            ? conversation.subject()
                            : absl::StrCat("Re: ", conversation.subject()));
    *message.mutable_reference_provider_message_ids() = conversation.provider_message_ids();
    if (!conversation.provider_message_ids().empty()) {
      message.set_in_reply_to_provider_message_id(*conversation.provider_message_ids().rbegin());
    }
  } else {
    // Where a quote is shown, it is the agent's choice what to quote.
    message.set_in_reply_to_provider_message_id(wanted.in_reply_to_provider_message_id());
  }
  Emit(event);
}

Engine::Verdict Engine::On(const Command& command, const command::v1::AddNote& c) {
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  if (c.text().empty() || c.text().size() > kMaxNoteBytes) {
    return Rejection{CommandRejected::REASON_INVALID, "a note has 1 byte to 64 KiB of text"};
  }
  Event& event = NewEvent();
  conversation::v1::NoteAdded& note = *event.mutable_note_added();
  note.set_conversation_id(c.conversation_id());
  note.set_note_id(UuidV5(kWisselNamespace, {"note", command.envelope().id()}));
  *note.mutable_actor() = command.actor();
  note.set_text(c.text());
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Transfer& c) {
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  const std::string id = conversation.conversation_id();
  const std::string workspace_id = conversation.workspace_id();
  routing::Matcher& matcher = *MatcherOf(conversation);
  if (c.note().size() > kMaxNoteBytes) {
    return Rejection{CommandRejected::REASON_INVALID, "a note has at most 64 KiB of text"};
  }
  std::string queue_id = conversation.queue_id();
  const int32_t units = UnitsOf(conversation);
  switch (c.target_case()) {
    case command::v1::Transfer::kQueueId:
      queue_id = c.queue_id();
      if (!TakesNew(conversation, queue_id)) {
        return Rejection{CommandRejected::REASON_UNKNOWN_QUEUE,
                         absl::StrCat("the routing group has no queue ", queue_id)};
      }
      break;
    case command::v1::Transfer::kAgentId: {
      if (FindReceiver(state_, workspace_id, c.agent_id()) == nullptr) {
        return Rejection{CommandRejected::REASON_UNKNOWN_AGENT,
                         absl::StrCat("the configuration in force has no agent ", c.agent_id())};
      }
      if (c.agent_id() == conversation.agent_id()) {
        return Rejection{CommandRejected::REASON_INVALID, "the agent has the conversation already"};
      }
      const auto why_not = matcher.WhyNot(c.agent_id(), WaitingOf(conversation),
                                          {.requirement = false, .exclusion = false});
      if (why_not.has_value()) {
        const auto [reason, detail] = CannotTake(c.agent_id(), *why_not);
        return Rejection{reason, detail};
      }
      break;
    }
    case command::v1::Transfer::TARGET_NOT_SET:
      return Rejection{CommandRejected::REASON_INVALID, "a transfer goes to a queue or an agent"};
  }

  const google::protobuf::Timestamp place = conversation.waiting_since();
  if (conversation.has_offer()) WithdrawOffer(conversation, OfferWithdrawn::REASON_TRANSFERRED);
  TouchAgent(workspace_id, conversation.agent_id());
  TouchConversation(id);
  Event& event = NewEvent();
  conversation::v1::Transferred& transferred = *event.mutable_transferred();
  transferred.set_conversation_id(id);
  transferred.set_from_agent_id(conversation.agent_id());
  if (c.has_queue_id()) {
    transferred.set_to_queue_id(queue_id);
  } else {
    transferred.set_to_agent_id(c.agent_id());
  }
  transferred.set_note(c.note());
  *transferred.mutable_actor() = command.actor();
  Emit(event);

  Event& queued = NewEvent();
  queued.mutable_queued()->set_conversation_id(id);
  queued.mutable_queued()->set_queue_id(queue_id);
  queued.mutable_queued()->set_reason(Queued::REASON_TRANSFERRED);
  *queued.mutable_queued()->mutable_waiting_since() = c.keep_place() ? place : ToProto(now_);
  Emit(queued);
  ChooseSla(conversation);
  if (c.has_agent_id()) {
    Event& offered = NewEvent();
    conversation::v1::Offered& offer = *offered.mutable_offered();
    offer.set_conversation_id(id);
    offer.set_offer_id(
        UuidV5(kWisselNamespace, {"offer", id, absl::StrCat(conversation.offers() + 1)}));
    offer.set_agent_id(c.agent_id());
    *offer.mutable_expire_time() =
        ToProto(now_ + OfferTimeout(matcher.policy().FindQueue(queue_id)));
    offer.set_units(units);
    // The agent may just have lost an offer of this very conversation.
    SyncAgent(AgentKey(workspace_id, c.agent_id()));
    *offer.mutable_explanation() = matcher.ExplainGiven(c.agent_id(), WaitingOf(conversation));
    Emit(offered);
    TouchAgent(workspace_id, c.agent_id());
  } else {
    newly_waiting_.insert(id);
  }
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Park& c) {
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  if (target.conversation->status() != ConversationStatus::CONVERSATION_STATUS_ACTIVE) {
    return Rejection{CommandRejected::REASON_WRONG_STATE, "only an active conversation is parked"};
  }
  TouchAgent(target.conversation->workspace_id(), target.conversation->agent_id());
  TouchConversation(c.conversation_id());
  Event& event = NewEvent();
  event.mutable_parked()->set_conversation_id(c.conversation_id());
  event.mutable_parked()->set_agent_id(target.conversation->agent_id());
  event.mutable_parked()->set_reason(c.on_hold() ? conversation::v1::Parked::REASON_ON_HOLD
                                                 : conversation::v1::Parked::REASON_COMMANDED);
  Emit(event);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Resume& c) {
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  if (target.conversation->status() != ConversationStatus::CONVERSATION_STATUS_PARKED) {
    return Rejection{CommandRejected::REASON_WRONG_STATE, "the conversation is not parked"};
  }
  const std::string agent_id = target.conversation->agent_id();
  Event& event = NewEvent();
  event.mutable_resumed()->set_conversation_id(c.conversation_id());
  Emit(event);
  ResumeConversation(c.conversation_id(), agent_id);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Resolve& c) {
  const Target target = FindTarget(command, c.conversation_id(), true);
  if (target.verdict.has_value()) return target.verdict;
  if (c.resolution().size() > kMaxResolutionBytes) {
    return Rejection{CommandRejected::REASON_INVALID, "resolution must be at most 64 bytes"};
  }
  const ConversationState& conversation = *target.conversation;
  if (conversation.has_offer()) WithdrawOffer(conversation, OfferWithdrawn::REASON_RESOLVED);
  EndCompany(conversation);
  TouchAgent(conversation.workspace_id(), conversation.agent_id());
  TouchConversation(conversation.conversation_id());
  const int32_t units = conversation.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE
                            ? conversation.units()
                            : 0;
  Event& event = NewEvent();
  event.mutable_resolved()->set_conversation_id(conversation.conversation_id());
  *event.mutable_resolved()->mutable_actor() = command.actor();
  event.mutable_resolved()->set_resolution(c.resolution());
  Emit(event);
  const config::v1::Queue* queue = QueueOf(conversation);
  const absl::Duration after_work =
      queue == nullptr ? absl::ZeroDuration() : FromProto(queue->wrap_up_time());
  if (units > 0 && after_work > absl::ZeroDuration() &&
      state_.FindAgent(conversation.workspace_id(), conversation.agent_id()) != nullptr) {
    Event& wrap_up = NewEvent();
    conversation::v1::WrapUpStarted& started = *wrap_up.mutable_wrap_up_started();
    started.set_workspace_id(conversation.workspace_id());
    started.set_routing_group_id(conversation.routing_group_id());
    started.set_agent_id(conversation.agent_id());
    started.set_conversation_id(conversation.conversation_id());
    started.set_channel_kind(conversation.account().kind());
    started.set_units(units);
    *started.mutable_expire_time() = ToProto(now_ + after_work);
    Emit(wrap_up);
  }
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::Reopen& c) {
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  if (IsOpen(conversation)) {
    return Rejection{CommandRejected::REASON_WRONG_STATE, "the conversation is open"};
  }
  if (!conversation.merged_into_conversation_id().empty()) {
    return Rejection{CommandRejected::REASON_WRONG_STATE,
                     absl::StrCat("the conversation is part of ",
                                  conversation.merged_into_conversation_id(), " now")};
  }
  if (!MaySupervise(command.actor()) && !IsTheirs(conversation, command.actor())) {
    return Rejection{CommandRejected::REASON_NOT_YOURS,
                     "only a supervisor or the agent who had it last reopens a conversation"};
  }
  ReopenConversation(c.conversation_id(), /*by_customer=*/false);
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::UpdateConversation& c) {
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  const ConversationState& conversation = *target.conversation;
  if (!IsOpen(conversation)) {
    return Rejection{CommandRejected::REASON_CLOSED, "the conversation is resolved"};
  }
  const bool may = MaySupervise(command.actor()) ||
                   command.actor().role() == common::v1::ROLE_INTEGRATOR ||
                   IsTheirs(conversation, command.actor());
  if (!may) {
    return Rejection{CommandRejected::REASON_NOT_YOURS,
                     "only its agent, a supervisor or an integrator updates a conversation"};
  }
  if (c.priority_points() < -kMaxOwnPriority || c.priority_points() > kMaxOwnPriority) {
    return Rejection{CommandRejected::REASON_INVALID, "priority_points must be -1,000 to 1,000"};
  }
  if (c.language().size() > kMaxLanguageBytes) {
    return Rejection{CommandRejected::REASON_INVALID,
                     absl::StrCat("a language has at most ", kMaxLanguageBytes, " bytes")};
  }
  if (auto wrong = FactsOutOfBounds(c.facts())) {
    return Rejection{CommandRejected::REASON_INVALID, *std::move(wrong)};
  }
  TouchConversation(c.conversation_id());
  Event& event = NewEvent();
  conversation::v1::ConversationUpdated& updated = *event.mutable_conversation_updated();
  updated.set_conversation_id(c.conversation_id());
  *updated.mutable_actor() = command.actor();
  if (c.has_priority_points()) updated.set_priority_points(c.priority_points());
  if (c.has_language()) updated.set_language(routing::PrimaryLanguage(c.language()));
  if (c.has_facts()) *updated.mutable_facts() = c.facts();
  Emit(event);
  ChooseSla(conversation);
  if (conversation.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    // Other needs may suit other agents.
    newly_waiting_.insert(c.conversation_id());
    if (c.choose_queue_again()) {
      Queue(c.conversation_id(), Queued::REASON_UPDATED, FromProto(conversation.waiting_since()),
            QueueFor(conversation));
    }
  }
  return std::nullopt;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::SettleDelivery& c) {
  const Target target = FindTarget(command, c.conversation_id(), false);
  if (target.verdict.has_value()) return target.verdict;
  if (!MaySupervise(command.actor()) && !IsTheirs(*target.conversation, command.actor())) {
    return Rejection{CommandRejected::REASON_NOT_YOURS, "the conversation is not yours"};
  }
  const auto& deliveries = target.conversation->deliveries();
  const auto delivery = std::find_if(deliveries.begin(), deliveries.end(), [&](const auto& d) {
    return d.outbound_id() == c.outbound_id();
  });
  if (delivery == deliveries.end()) {
    return Rejection{CommandRejected::REASON_UNKNOWN_DELIVERY,
                     "the conversation has no such reply on its way"};
  }
  if (delivery->state() != DeliveryState::DELIVERY_STATE_HELD) {
    return Rejection{CommandRejected::REASON_WRONG_STATE, "the delivery is not held"};
  }
  conversation::v1::DeliveryUpdated update;
  update.set_outbound_id(c.outbound_id());
  switch (c.decision()) {
    case command::v1::SettleDelivery::DECISION_RESEND:
      update.set_state(DeliveryState::DELIVERY_STATE_RETRYING);
      *update.mutable_retry_time() = ToProto(now_);
      break;
    case command::v1::SettleDelivery::DECISION_GIVE_UP:
      update.set_state(DeliveryState::DELIVERY_STATE_FAILED);
      break;
    case command::v1::SettleDelivery::DECISION_DELIVERED:
      update.set_state(DeliveryState::DELIVERY_STATE_DELIVERED);
      break;
    default:
      return Rejection{CommandRejected::REASON_INVALID, "decide to resend, give up or delivered"};
  }
  UpdateDelivery(*target.conversation, std::move(update));
  return std::nullopt;
}

}  // namespace wissel::domain
