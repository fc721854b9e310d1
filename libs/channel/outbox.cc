#include "libs/channel/outbox.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/base/proto_time.h"
#include "libs/base/utf8.h"
#include "libs/channel/ids.h"
#include "libs/channel/text.h"
#include "libs/domain/state.h"

namespace wissel::channel {
namespace {

using conversation::v1::DeliveryUpdated;
using receipt::v1::DeliveryState;
using receipt::v1::Receipt;
using EventKind = conversation::v1::Event::KindCase;

// Receipts for one message that the router did not take in a row, after which it is given up.
constexpr int kMaxNotTaken = 3;
constexpr absl::Duration kNotTakenPause = absl::Seconds(1);

// A number in [0, 1) that is the same for the same text.
double Fraction(absl::string_view text) {
  return static_cast<double>(StableHash64(text) >> 11) / static_cast<double>(uint64_t{1} << 53);
}

// Half of the exponential delay for sure, half by lot: attempts of many messages spread out, and
// none comes at once.
absl::Duration BackoffFor(const AttemptContext& context, const DeliveryPolicy& policy) {
  absl::Duration limit = policy.initial_backoff;
  for (int i = 1; i < context.attempt && limit < policy.max_backoff; ++i) limit *= 2;
  limit = std::min(limit, policy.max_backoff);
  return limit / 2 + limit / 2 * Fraction(context.attempt_id);
}

void SetEnvelope(Receipt* receipt, absl::string_view key, std::string id, absl::Time now) {
  common::v1::Envelope* envelope = receipt->mutable_envelope();
  const size_t slash = key.find('/');
  envelope->set_workspace_id(std::string(key.substr(0, slash)));
  if (slash != absl::string_view::npos) {
    envelope->set_routing_group_id(std::string(key.substr(slash + 1)));
  }
  envelope->set_id(std::move(id));
  *envelope->mutable_time() = ToProto(now);
}

bool Settled(DeliveryState state) {
  switch (state) {
    case receipt::v1::DELIVERY_STATE_SENT:
    case receipt::v1::DELIVERY_STATE_DELIVERED:
    case receipt::v1::DELIVERY_STATE_READ:
    case receipt::v1::DELIVERY_STATE_FAILED:
      return true;
    default:
      return false;
  }
}

}  // namespace

Receipt FinishedReceipt(const AttemptContext& context, const SendOutcome& outcome,
                        const DeliveryPolicy& policy, absl::Time now) {
  Receipt receipt;
  receipt::v1::AttemptFinished* finished = receipt.mutable_attempt_finished();
  finished->set_outbound_id(context.outbound_id);
  finished->set_attempt_id(context.attempt_id);
  if (outcome.kind != SendOutcome::Kind::kAccepted) {
    *finished->mutable_error() = outcome.error;
    finished->mutable_error()->set_detail(
        std::string(TruncateUtf8(ToUtf8(outcome.error.detail()), kMaxErrorDetailBytes)));
  }

  const auto retry = [&](absl::Duration delay, bool counted) {
    const absl::Time next = now + delay;
    if ((counted && context.attempt >= policy.max_attempts) ||
        next - context.reply_time > policy.max_age) {
      finished->set_state(receipt::v1::DELIVERY_STATE_FAILED);
      finished->mutable_error()->set_detail(absl::StrCat(
          "given up after ", context.attempt,
          " attempts: ", TruncateUtf8(finished->error().detail(), kMaxErrorDetailBytes - 64)));
      return;
    }
    finished->set_state(receipt::v1::DELIVERY_STATE_RETRYING);
    *finished->mutable_retry_time() = ToProto(next);
  };
  switch (outcome.kind) {
    case SendOutcome::Kind::kAccepted:
      finished->set_state(receipt::v1::DELIVERY_STATE_SENT);
      finished->set_provider_message_id(outcome.provider_message_id);
      break;
    case SendOutcome::Kind::kRetry:
      retry(std::max(outcome.retry_after, BackoffFor(context, policy)), /*counted=*/true);
      break;
    case SendOutcome::Kind::kReauthorise:
      finished->mutable_error()->set_reauthorise(true);
      retry(policy.reauthorise_retry, /*counted=*/false);
      break;
    case SendOutcome::Kind::kFailed:
      finished->set_state(receipt::v1::DELIVERY_STATE_FAILED);
      break;
    case SendOutcome::Kind::kUncertain:
      finished->set_state(receipt::v1::DELIVERY_STATE_UNCERTAIN);
      break;
  }
  SetEnvelope(&receipt, context.key,
              ReceiptId({"attempt_finished", context.outbound_id, context.attempt_id,
                         receipt::v1::DeliveryState_Name(finished->state())}),
              now);
  return receipt;
}

Outbox::Outbox(Options options) : options_(std::move(options)), marker_id_(options_.new_id()) {
  Append marker{.key = absl::StrCat("deliverer/", options_.deliverer_id), .receipt = {}};
  marker.receipt.mutable_envelope()->set_id(ReceiptId({"deliverer_marker", marker_id_}));
  receipt::v1::DelivererMarker* body = marker.receipt.mutable_deliverer_marker();
  body->set_deliverer_id(options_.deliverer_id);
  body->set_marker_id(marker_id_);
  body->set_kind(options_.kind);
  effects_.appends.push_back(std::move(marker));
}

void Outbox::OnRecord(absl::string_view key, const log::v1::LogRecord& record, absl::Time now,
                      absl::string_view traceparent) {
  if (!record.has_decision()) return;
  const absl::Time time = FromProto(record.decision().time());
  for (const conversation::v1::Event& event : record.decision().events()) {
    OnEvent(key, traceparent, event, time, now);
  }
}

void Outbox::OnEvent(absl::string_view key, absl::string_view traceparent,
                     const conversation::v1::Event& event, absl::Time time, absl::Time now) {
  switch (event.kind_case()) {
    case EventKind::kReplySent:
      return OnReplySent(key, traceparent, event.reply_sent(), time, now);
    case EventKind::kDeliveryUpdated:
      return OnDeliveryUpdated(event.delivery_updated(), now);
    case EventKind::kReceiptIgnored:
      return OnNotTaken(event.receipt_ignored().receipt_id(), event.receipt_ignored().detail(),
                        now);
    case EventKind::kInputDeadLettered:
      return OnNotTaken(event.input_dead_lettered().input_id(),
                        event.input_dead_lettered().detail(), now);
    case EventKind::kConversationForgotten: {
      // The held ones too, which stand in no order any more.
      const auto own = by_conversation_.find(event.conversation_forgotten().conversation_id());
      if (own == by_conversation_.end()) return;
      const std::set<std::string> outbound_ids = own->second;
      for (const std::string& id : outbound_ids) Erase(id, now);
      return;
    }
    case EventKind::kDelivererMarked: {
      if (started_ || event.deliverer_marked().marker().marker_id() != marker_id_) return;
      started_ = true;
      for (auto& [id, item] : items_) {
        item.observed = now;
        if (IsHead(item)) Schedule(item, now);
      }
      return;
    }
    default:
      return;  // The log holds far more than what is to be delivered.
  }
}

void Outbox::OnReplySent(absl::string_view key, absl::string_view traceparent,
                         const conversation::v1::ReplySent& event, absl::Time time,
                         absl::Time now) {
  if (event.message().account().kind() != options_.kind) return;
  if (Find(event.outbound_id()) != nullptr) return;
  const bool by_machine =
      event.actor().subject().empty() || event.actor().role() == common::v1::ROLE_BOT;
  Item& item = Add(event.workspace_id().empty()
                       ? std::string(key)  // Of an older release.
                       : domain::RoutingKey(event.workspace_id(), event.routing_group_id()),
                   event.outbound_id(), event.conversation_id(), event.message(), by_machine);
  item.traceparent = std::string(traceparent);
  item.reply_time = time;
  item.observed = now;
  order_[event.conversation_id()].push_back(event.outbound_id());
  if (IsHead(item)) Schedule(item, now);
}

Outbox::Item& Outbox::Add(std::string key, const std::string& outbound_id,
                          const std::string& conversation_id,
                          const message::v1::OutboundMessage& message, bool by_bot) {
  Item& item = items_[outbound_id];
  by_conversation_[conversation_id].insert(outbound_id);
  const size_t slash = key.find('/');
  item.delivery = {
      .outbound_id = outbound_id,
      .conversation_id = conversation_id,
      .workspace_id = key.substr(0, slash),
      .routing_group_id = slash == std::string::npos ? std::string() : key.substr(slash + 1),
      .message = message,
      .by_bot = by_bot};
  item.key = std::move(key);
  return item;
}

std::vector<state::v1::OutboxItem> Outbox::Items() const {
  std::vector<state::v1::OutboxItem> all;
  const auto add = [&](const Item& item) {
    state::v1::OutboxItem& out = all.emplace_back();
    out.set_outbound_id(item.delivery.outbound_id);
    out.set_conversation_id(item.delivery.conversation_id);
    out.set_key(item.key);
    out.set_traceparent(item.traceparent);
    *out.mutable_message() = item.delivery.message;
    out.set_by_bot(item.delivery.by_bot);
    *out.mutable_reply_time() = ToProto(item.reply_time);
    out.set_state(item.state);
    out.set_attempt(item.delivery.attempt);
    out.set_attempt_id(item.attempt_id);
    if (item.retry_time != absl::InfinitePast()) {
      *out.mutable_retry_time() = ToProto(item.retry_time);
    }
  };
  for (const auto& [id, item] : items_) {
    if (IsHead(item)) {
      for (const std::string& next : order_.at(item.delivery.conversation_id)) {
        add(items_.at(next));
      }
    } else if (item.state == receipt::v1::DELIVERY_STATE_HELD) {
      add(item);
    }
  }
  return all;
}

void Outbox::Restore(const state::v1::OutboxCheckpoint& checkpoint, absl::Time now) {
  for (const state::v1::OutboxItem& in : checkpoint.items()) {
    Item& item = Add(in.key(), in.outbound_id(), in.conversation_id(), in.message(), in.by_bot());
    item.traceparent = in.traceparent();
    item.reply_time = FromProto(in.reply_time());
    item.observed = now;
    item.state = in.state();
    item.delivery.attempt = in.attempt();
    item.attempt_id = in.attempt_id();
    if (in.has_retry_time()) item.retry_time = FromProto(in.retry_time());
    // A person decides about it, and the next of the conversation does not wait.
    if (in.state() == receipt::v1::DELIVERY_STATE_HELD) continue;
    order_[in.conversation_id()].push_back(in.outbound_id());
    if (IsHead(item)) Schedule(item, now);
  }
}

void Outbox::OnDeliveryUpdated(const DeliveryUpdated& event, absl::Time now) {
  Item* found = Find(event.outbound_id());
  if (found == nullptr) return;
  Item& item = *found;
  if (Settled(event.state())) return Erase(event.outbound_id(), now);

  const bool was_held = item.state == receipt::v1::DELIVERY_STATE_HELD;
  item.state = event.state();
  if (event.attempt() > 0) item.delivery.attempt = event.attempt();
  if (!event.attempt_id().empty()) item.attempt_id = event.attempt_id();
  item.retry_time = event.has_retry_time() ? FromProto(event.retry_time()) : absl::InfinitePast();
  item.observed = now;
  item.not_taken = 0;

  switch (event.state()) {
    case receipt::v1::DELIVERY_STATE_ATTEMPTING:
      if (item.phase == Phase::kLogging && event.attempt_id() == item.own_attempt_id) {
        if (now > item.own_attempt_time + options_.policy.start_limit) {
          SendOutcome outcome{.kind = SendOutcome::Kind::kRetry};
          outcome.error.set_detail("not sent: the log took too long to show the attempt");
          return Finish(item, outcome, now);
        }
        if (now - item.reply_time > options_.policy.max_age) {
          SendOutcome outcome{.kind = SendOutcome::Kind::kFailed};
          outcome.error.set_detail("not sent: too old");
          return Finish(item, outcome, now);
        }
        SetPhase(item, Phase::kCalling);
        effects_.calls.push_back(
            {.delivery = item.delivery,
             .context = ContextOf(item),
             .not_after = item.own_attempt_time + options_.policy.start_limit});
        return Schedule(item, absl::InfiniteFuture());
      }
      // Another deliverer's, or one of an earlier life of this one.
      SetPhase(item, Phase::kNone);
      return Schedule(item, now);
    case receipt::v1::DELIVERY_STATE_HELD:
      // The next of the conversation need not wait for a person.
      SetPhase(item, Phase::kNone);
      LeaveOrder(item, now);
      return Schedule(item, absl::InfiniteFuture());
    case receipt::v1::DELIVERY_STATE_PENDING:
    case receipt::v1::DELIVERY_STATE_RETRYING:
    case receipt::v1::DELIVERY_STATE_UNCERTAIN:
      SetPhase(item, Phase::kNone);
      item.looked_up = false;
      // A person has decided to send it again: before what came later and has not been tried.
      if (was_held) order_[item.delivery.conversation_id].push_front(item.delivery.outbound_id);
      if (IsHead(item)) Schedule(item, now);
      return;
    default:
      return;
  }
}

void Outbox::OnNotTaken(const std::string& receipt_id, absl::string_view why, absl::Time now) {
  const auto it = receipts_.find(receipt_id);
  if (it == receipts_.end()) return;
  Item& item = *Find(it->second);
  if (++item.not_taken >= kMaxNotTaken) {
    const std::string outbound_id = item.delivery.outbound_id;
    effects_.given_up.push_back({.outbound_id = outbound_id,
                                 .conversation_id = item.delivery.conversation_id,
                                 .why = std::string(why),
                                 .traceparent = item.traceparent});
    return Erase(outbound_id, now);
  }
  SetPhase(item, Phase::kNone);
  Schedule(item, now + kNotTakenPause * item.not_taken);
}

void Outbox::OnFinished(const AttemptContext& context, const std::string& receipt_id) {
  Item* item = Find(context.outbound_id);
  if (item == nullptr || item->phase != Phase::kCalling ||
      item->own_attempt_id != context.attempt_id) {
    return;
  }
  SetPhase(*item, Phase::kReporting);
  AwaitAnswerTo(receipt_id, *item);
}

void Outbox::OnLookedUp(const AttemptContext& context, const LookUpOutcome& outcome,
                        absl::Time now) {
  Item* item = Find(context.outbound_id);
  if (item == nullptr || item->phase != Phase::kLookingUp ||
      item->attempt_id != context.attempt_id) {
    return;
  }
  switch (outcome.kind) {
    case LookUpOutcome::Kind::kFound:
      return Finish(*item,
                    {.kind = SendOutcome::Kind::kAccepted,
                     .provider_message_id = outcome.provider_message_id},
                    now);
    case LookUpOutcome::Kind::kNotThere: {
      SendOutcome retry{.kind = SendOutcome::Kind::kRetry};
      retry.error.set_detail("the provider does not have it");
      return Finish(*item, retry, now);
    }
    case LookUpOutcome::Kind::kUnknown:
      SetPhase(*item, Phase::kNone);
      return Schedule(*item, now);
  }
}

void Outbox::Step(absl::Time now, int slots,
                  const std::function<absl::Duration(const OutboundDelivery&)>& admit) {
  if (!started_ || stopped_) return;
  while (slots > 0 && !waiting_.empty()) {
    StepItem(*Find(waiting_.begin()->second), now, slots, admit);
  }
  // Each of these is moved: on, away, or among those that wait for a slot.
  while (!due_.empty() && due_.begin()->first <= now) {
    StepItem(*Find(due_.begin()->second), now, slots, admit);
  }
}

void Outbox::StepItem(Item& item, absl::Time now, int& slots,
                      const std::function<absl::Duration(const OutboundDelivery&)>& admit) {
  const DeliveryPolicy& policy = options_.policy;
  if (item.phase != Phase::kNone || !IsHead(item)) return Schedule(item, absl::InfiniteFuture());
  switch (item.state) {
    case receipt::v1::DELIVERY_STATE_PENDING:
    case receipt::v1::DELIVERY_STATE_RETRYING: {
      if (item.retry_time > now) return Schedule(item, item.retry_time);
      if (slots <= 0) return WaitForSlot(item);
      const absl::Duration wait = admit(item.delivery);
      if (wait > absl::ZeroDuration()) return Schedule(item, now + wait);
      --slots;
      return StartAttempt(item, now);
    }
    case receipt::v1::DELIVERY_STATE_ATTEMPTING: {
      const absl::Time orphaned = item.observed + policy.start_limit + policy.call_timeout;
      if (now < orphaned) return Schedule(item, orphaned);
      SendOutcome outcome{.kind = SendOutcome::Kind::kUncertain};
      outcome.error.set_detail("the attempt was begun, and nothing is known of its outcome");
      return Finish(item, outcome, now);
    }
    case receipt::v1::DELIVERY_STATE_UNCERTAIN: {
      if (options_.can_look_up && !item.looked_up) {
        item.looked_up = true;
        SetPhase(item, Phase::kLookingUp);
        effects_.look_ups.push_back(
            {.delivery = item.delivery, .context = ContextOf(item), .not_after = now});
        return Schedule(item, absl::InfiniteFuture());
      }
      const absl::Time settle = item.observed + policy.settle_wait;
      if (now < settle) return Schedule(item, settle);
      SendOutcome outcome{.kind = SendOutcome::Kind::kRetry};
      outcome.error.set_detail("no word from the provider on whether it was sent");
      switch (policy.uncertain) {
        case UncertainPolicy::kResend:
          return Finish(item, outcome, now);
        case UncertainPolicy::kHold: {
          Receipt receipt = FinishedReceipt(ContextOf(item), {.error = outcome.error}, policy, now);
          receipt.mutable_attempt_finished()->set_state(receipt::v1::DELIVERY_STATE_HELD);
          receipt.mutable_envelope()->set_id(
              ReceiptId({"attempt_finished", item.delivery.outbound_id, item.attempt_id, "HELD"}));
          return AppendFinished(item, std::move(receipt));
        }
      }
      return;
    }
    default:
      return Schedule(item, absl::InfiniteFuture());
  }
}

void Outbox::StartAttempt(Item& item, absl::Time now) {
  item.own_attempt_id = options_.new_id();
  item.own_attempt_time = now;
  Receipt receipt;
  receipt::v1::AttemptStarted* started = receipt.mutable_attempt_started();
  started->set_outbound_id(item.delivery.outbound_id);
  started->set_attempt(item.delivery.attempt + 1);
  started->set_attempt_id(item.own_attempt_id);
  SetEnvelope(&receipt, item.key,
              ReceiptId({"attempt_started", item.delivery.outbound_id, item.own_attempt_id}), now);
  SetPhase(item, Phase::kLogging);
  AwaitAnswerTo(receipt.envelope().id(), item);
  effects_.appends.push_back(
      {.key = item.key, .receipt = std::move(receipt), .traceparent = item.traceparent});
  Schedule(item, absl::InfiniteFuture());
}

void Outbox::Finish(Item& item, const SendOutcome& outcome, absl::Time now) {
  AppendFinished(item, FinishedReceipt(ContextOf(item), outcome, options_.policy, now));
}

void Outbox::AppendFinished(Item& item, Receipt receipt) {
  SetPhase(item, Phase::kReporting);
  AwaitAnswerTo(receipt.envelope().id(), item);
  effects_.appends.push_back(
      {.key = item.key, .receipt = std::move(receipt), .traceparent = item.traceparent});
  Schedule(item, absl::InfiniteFuture());
}

AttemptContext Outbox::ContextOf(const Item& item) const {
  return {.key = item.key,
          .outbound_id = item.delivery.outbound_id,
          .attempt_id = item.attempt_id,
          .attempt = item.delivery.attempt,
          .reply_time = item.reply_time,
          .traceparent = item.traceparent};
}

void Outbox::Withdraw(absl::Time now) {
  for (auto& [id, item] : items_) {
    if (item.phase != Phase::kLogging) continue;
    AttemptContext context = ContextOf(item);
    context.attempt_id = item.own_attempt_id;
    ++context.attempt;
    SendOutcome outcome{.kind = SendOutcome::Kind::kRetry};
    outcome.error.set_detail("not sent: the deliverer stopped first");
    AppendFinished(item, FinishedReceipt(context, outcome, options_.policy, now));
  }
}

Outbox::Effects Outbox::TakeEffects() { return std::exchange(effects_, {}); }

absl::Time Outbox::NextStep() const {
  if (!started_ || stopped_ || due_.empty()) return absl::InfiniteFuture();
  return due_.begin()->first;
}

Outbox::Stats Outbox::stats() const {
  Stats stats{.in_flight = in_flight_};
  for (const auto& [id, item] : items_) {
    if (item.state == receipt::v1::DELIVERY_STATE_HELD) {
      ++stats.held;
    } else {
      ++stats.open;
      stats.oldest_open = std::min(stats.oldest_open, item.reply_time);
    }
    if (item.state == receipt::v1::DELIVERY_STATE_UNCERTAIN) ++stats.uncertain;
  }
  return stats;
}

Outbox::Item* Outbox::Find(const std::string& outbound_id) {
  const auto it = items_.find(outbound_id);
  return it == items_.end() ? nullptr : &it->second;
}

bool Outbox::IsHead(const Item& item) const {
  const auto order = order_.find(item.delivery.conversation_id);
  return order != order_.end() && !order->second.empty() &&
         order->second.front() == item.delivery.outbound_id;
}

void Outbox::LeaveOrder(const Item& item, absl::Time now) {
  const auto order = order_.find(item.delivery.conversation_id);
  if (order == order_.end()) return;
  std::erase(order->second, item.delivery.outbound_id);
  if (order->second.empty()) {
    order_.erase(order);
  } else if (Item* next = Find(order->second.front())) {
    Schedule(*next, now);
  }
}

void Outbox::Erase(const std::string& outbound_id, absl::Time now) {
  const auto it = items_.find(outbound_id);
  if (it == items_.end()) return;
  Item& item = it->second;
  SetPhase(item, Phase::kNone);
  Schedule(item, absl::InfiniteFuture());
  LeaveOrder(item, now);
  const auto own = by_conversation_.find(item.delivery.conversation_id);
  own->second.erase(outbound_id);
  if (own->second.empty()) by_conversation_.erase(own);
  items_.erase(it);
}

void Outbox::Schedule(Item& item, absl::Time when) {
  Unschedule(item);
  item.due = when;
  if (when != absl::InfiniteFuture()) due_.insert({when, item.delivery.outbound_id});
}

void Outbox::WaitForSlot(Item& item) {
  const absl::Time due = item.due;
  Unschedule(item);
  item.due = due;
  item.waiting = true;
  waiting_.insert({due, item.delivery.outbound_id});
}

void Outbox::Unschedule(Item& item) {
  (item.waiting ? waiting_ : due_).erase({item.due, item.delivery.outbound_id});
  item.waiting = false;
  item.due = absl::InfiniteFuture();
}

void Outbox::SetPhase(Item& item, Phase phase) {
  const auto holds_slot = [](Phase p) { return p == Phase::kLogging || p == Phase::kCalling; };
  in_flight_ += static_cast<int>(holds_slot(phase)) - static_cast<int>(holds_slot(item.phase));
  if (!item.own_receipt_id.empty()) receipts_.erase(item.own_receipt_id);
  item.own_receipt_id.clear();
  item.phase = phase;
}

void Outbox::AwaitAnswerTo(const std::string& receipt_id, Item& item) {
  item.own_receipt_id = receipt_id;
  receipts_[receipt_id] = item.delivery.outbound_id;
}

}  // namespace wissel::channel
