// How two conversations of one contact become one.

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/engine.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain {

using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using conversation::v1::OfferWithdrawn;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

constexpr char kMergedResolution[] = "merged";

// The clocks of the conversation that are not over, stopped at what they have used by now.
google::protobuf::RepeatedPtrField<state::v1::SlaClock> OpenClocks(const State& state,
                                                                   const ConversationState& c,
                                                                   absl::Time now) {
  google::protobuf::RepeatedPtrField<state::v1::SlaClock> clocks;
  if (!c.has_sla()) return clocks;
  const routing::SlaClock clock = state.SlaClockOf(c);
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    if (!clock.Active(metric)) continue;
    state::v1::SlaClock& open = *clocks.Add();
    open.set_metric(routing::ToProto(metric));
    open.set_state(state::v1::SlaClock::STATE_STOPPED);
    *open.mutable_used() = ToProto(clock.Used(metric, now));
    open.set_said_percent(clock.metric(metric).said_percent);
  }
  return clocks;
}

}  // namespace

const ConversationState* Engine::FollowMerges(const ConversationState* c) const {
  while (c != nullptr && !c->merged_into_conversation_id().empty()) {
    c = state_.FindConversation(c->merged_into_conversation_id());
  }
  return c;
}

Engine::Verdict Engine::On(const Command& command, const command::v1::MergeConversation& c) {
  const Target from = FindTarget(command, c.conversation_id(), true);
  if (from.verdict.has_value()) return from.verdict;
  const Target into = FindTarget(command, c.into_conversation_id(), false);
  if (into.verdict.has_value()) return into.verdict;
  const ConversationState& source = *from.conversation;
  const ConversationState& target = *into.conversation;
  if (&source == &target) {
    return Rejection{CommandRejected::REASON_INVALID, "a conversation is merged into another one"};
  }
  if (!IsOpen(target)) {
    return Rejection{CommandRejected::REASON_CLOSED, "the conversation to merge into is resolved"};
  }
  if (source.contact().contact_id() != target.contact().contact_id()) {
    return Rejection{CommandRejected::REASON_INVALID,
                     "only conversations of one contact are merged"};
  }
  const std::string source_id = source.conversation_id();
  const std::string target_id = target.conversation_id();
  if (source.has_offer()) WithdrawOffer(source, OfferWithdrawn::REASON_RESOLVED);
  EndCompany(source);
  TouchAgent(source.workspace_id(), source.agent_id());
  TouchConversation(source_id);
  TouchConversation(target_id);

  Event& merged = NewEvent();
  merged.mutable_conversation_merged()->set_conversation_id(source_id);
  merged.mutable_conversation_merged()->set_into_conversation_id(target_id);
  *merged.mutable_conversation_merged()->mutable_actor() = command.actor();
  Emit(merged);
  auto clocks = OpenClocks(state_, source, now_);
  auto gains = source.escalation_gains();
  if (source.queue_id() != target.queue_id()) {
    for (state::v1::EscalationGain& gain : gains) gain.clear_relax_steps();
  }
  const bool callback = source.has_callback_request_time();
  const bool unanswered =
      FromProto(source.last_customer_time()) > FromProto(source.last_reply_time());

  Event& resolved = NewEvent();
  resolved.mutable_resolved()->set_conversation_id(source_id);
  *resolved.mutable_resolved()->mutable_actor() = command.actor();
  resolved.mutable_resolved()->set_resolution(kMergedResolution);
  Emit(resolved);

  Event& took = NewEvent();
  took.mutable_conversation_merged()->set_conversation_id(target_id);
  took.mutable_conversation_merged()->set_from_conversation_id(source_id);
  *took.mutable_conversation_merged()->mutable_actor() = command.actor();
  *took.mutable_conversation_merged()->mutable_clocks() = std::move(clocks);
  *took.mutable_conversation_merged()->mutable_escalation_gains() = std::move(gains);
  took.mutable_conversation_merged()->set_unanswered(unanswered);
  Emit(took);
  // It may ask for less now.
  if (target.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    newly_waiting_.insert(target_id);
  }

  // What the customer was promised there is owed here.
  if (callback && !target.has_callback_request_time()) {
    Event& promised = NewEvent();
    promised.mutable_callback_requested()->set_conversation_id(target_id);
    Emit(promised);
  }

  if (target.status() == ConversationStatus::CONVERSATION_STATUS_PARKED) {
    const std::string agent_id = target.agent_id();
    Event& resumed = NewEvent();
    resumed.mutable_resumed()->set_conversation_id(target_id);
    Emit(resumed);
    ResumeConversation(target_id, agent_id);
  }
  return std::nullopt;
}

}  // namespace wissel::domain
