#include "libs/channel/testing/tiny_router.h"

#include <utility>

#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/bus/ownership.h"
#include "libs/bus/wakeup.h"
#include "libs/telemetry/trace.h"

namespace wissel::channel::testing {
namespace {

using conversation::v1::DeliveryUpdated;
using receipt::v1::Receipt;

log::v1::Decision NewDecision(absl::Time now) {
  log::v1::Decision decision;
  *decision.mutable_time() = ToProto(now);
  decision.mutable_cause()->mutable_timer();
  return decision;
}

void Ignore(const Receipt& receipt, log::v1::Decision* decision) {
  decision->add_events()->mutable_receipt_ignored()->set_receipt_id(receipt.envelope().id());
}

}  // namespace

log::v1::Decision TinyDecider::Reply(absl::string_view routing_key,
                                     const std::string& conversation_id,
                                     const std::string& outbound_id,
                                     const message::v1::OutboundMessage& message, absl::Time now) {
  deliveries_[outbound_id].conversation_id = conversation_id;
  log::v1::Decision decision = NewDecision(now);
  conversation::v1::ReplySent* event = decision.add_events()->mutable_reply_sent();
  event->set_conversation_id(conversation_id);
  event->set_outbound_id(outbound_id);
  const size_t slash = routing_key.find('/');
  event->set_workspace_id(std::string(routing_key.substr(0, slash)));
  event->set_routing_group_id(std::string(routing_key.substr(slash + 1)));
  event->mutable_actor()->set_subject("anna");
  *event->mutable_message() = message;
  return decision;
}

log::v1::Decision TinyDecider::Resend(const std::string& outbound_id, absl::Time now) {
  Delivery& delivery = deliveries_[outbound_id];
  delivery.state = receipt::v1::DELIVERY_STATE_RETRYING;
  log::v1::Decision decision = NewDecision(now);
  DeliveryUpdated* update = decision.add_events()->mutable_delivery_updated();
  update->set_conversation_id(delivery.conversation_id);
  update->set_outbound_id(outbound_id);
  update->set_state(delivery.state);
  *update->mutable_retry_time() = ToProto(now);
  return decision;
}

log::v1::Decision TinyDecider::Decide(const Receipt& receipt, absl::Time now) {
  log::v1::Decision decision = NewDecision(now);
  if (receipt.has_deliverer_marker()) {
    *decision.add_events()->mutable_deliverer_marked()->mutable_marker() =
        receipt.deliverer_marker();
    return decision;
  }
  DeliveryUpdated update;
  if (receipt.has_attempt_started()) {
    const receipt::v1::AttemptStarted& started = receipt.attempt_started();
    const auto it = deliveries_.find(started.outbound_id());
    if (it == deliveries_.end() || (it->second.state != receipt::v1::DELIVERY_STATE_PENDING &&
                                    it->second.state != receipt::v1::DELIVERY_STATE_RETRYING)) {
      Ignore(receipt, &decision);
      return decision;
    }
    update.set_outbound_id(started.outbound_id());
    update.set_state(receipt::v1::DELIVERY_STATE_ATTEMPTING);
    update.set_attempt(started.attempt());
    update.set_attempt_id(started.attempt_id());
  } else if (receipt.has_attempt_finished()) {
    const receipt::v1::AttemptFinished& finished = receipt.attempt_finished();
    const auto it = deliveries_.find(finished.outbound_id());
    if (it == deliveries_.end() || it->second.attempt_id != finished.attempt_id() ||
        (it->second.state != receipt::v1::DELIVERY_STATE_ATTEMPTING &&
         it->second.state != receipt::v1::DELIVERY_STATE_UNCERTAIN)) {
      Ignore(receipt, &decision);
      return decision;
    }
    update.set_outbound_id(finished.outbound_id());
    update.set_state(finished.state());
    update.set_attempt(it->second.attempt);
    update.set_attempt_id(finished.attempt_id());
    update.set_provider_message_id(finished.provider_message_id());
    if (finished.has_error()) *update.mutable_error() = finished.error();
    if (finished.has_retry_time()) *update.mutable_retry_time() = finished.retry_time();
  } else {
    const receipt::v1::ProviderStatus& status = receipt.provider_status();
    const auto it = deliveries_.find(status.outbound_id());
    if (it == deliveries_.end() || it->second.state >= status.state()) {
      Ignore(receipt, &decision);
      return decision;
    }
    update.set_outbound_id(status.outbound_id());
    update.set_state(status.state());
    update.set_provider_message_id(status.provider_message_id());
    if (status.has_error()) *update.mutable_error() = status.error();
  }
  Delivery& delivery = deliveries_[update.outbound_id()];
  update.set_conversation_id(delivery.conversation_id);
  delivery.state = update.state();
  if (update.attempt() > 0) delivery.attempt = update.attempt();
  if (!update.attempt_id().empty()) delivery.attempt_id = update.attempt_id();
  if (!update.provider_message_id().empty()) {
    delivery.provider_message_id = update.provider_message_id();
  }
  delivery.error = update.error();
  *decision.add_events()->mutable_delivery_updated() = std::move(update);
  return decision;
}

const TinyDecider::Delivery* TinyDecider::Find(const std::string& outbound_id) const {
  const auto it = deliveries_.find(outbound_id);
  return it == deliveries_.end() ? nullptr : &it->second;
}

struct TinyRouter::Partition {
  std::unique_ptr<bus::OwnedLog> log;
  std::unique_ptr<bus::Reader> receipts;
};

TinyRouter::TinyRouter(bus::Bus* bus) : bus_(bus) {
  thread_ = StartThread("tiny-router", [this] { Run(); });
}

TinyRouter::~TinyRouter() {
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  thread_.join();
}

void TinyRouter::Reply(const std::string& routing_key, const std::string& conversation_id,
                       const std::string& outbound_id, const message::v1::OutboundMessage& message,
                       const std::string& traceparent) {
  Add({routing_key, conversation_id, outbound_id, message, traceparent});
}

void TinyRouter::Resend(const std::string& routing_key, const std::string& outbound_id) {
  Add({routing_key, "", outbound_id, std::nullopt, ""});
}

void TinyRouter::Add(Request request) {
  MutexLock lock(mutex_);
  requests_.push_back(std::move(request));
}

void TinyRouter::Pause() {
  MutexLock lock(mutex_);
  paused_ = true;
}

void TinyRouter::Resume() {
  MutexLock lock(mutex_);
  paused_ = false;
}

std::optional<TinyDecider::Delivery> TinyRouter::Find(const std::string& outbound_id) const {
  MutexLock lock(mutex_);
  const TinyDecider::Delivery* found = decider_.Find(outbound_id);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

bool TinyRouter::WaitFor(const std::string& outbound_id, receipt::v1::DeliveryState state,
                         absl::Duration timeout) const {
  const Timeout limit(timeout);
  MutexLock lock(mutex_);
  for (;;) {
    const TinyDecider::Delivery* found = decider_.Find(outbound_id);
    if (found != nullptr && found->state == state) return true;
    if (limit.Expired()) return false;
    changed_.WaitFor(mutex_, limit.Remaining());
  }
}

std::vector<Receipt> TinyRouter::receipts() const {
  MutexLock lock(mutex_);
  return receipts_;
}

void TinyRouter::Run() {
  const auto wakeup = std::make_shared<bus::Wakeup>();
  const std::shared_ptr<bus::Appender> appender = bus_->NewAppender({.gapless = true});
  const int count = bus_->PartitionCount(bus::Topic::kLog).value();
  std::vector<Partition> partitions(static_cast<size_t>(count));
  for (int32_t i = 0; i < count; ++i) {
    Partition& partition = partitions[static_cast<size_t>(i)];
    partition.log =
        bus::OwnedLog::Open(*bus_, appender,
                            {.partition = i, .owner = "tiny", .from = {}, .wakeup = wakeup})
            .value();
    partition.receipts = bus_->OpenReader(bus::Topic::kReceipts, i, {.wakeup = wakeup}).value();
  }
  for (;;) {
    bool paused = false;
    {
      MutexLock lock(mutex_);
      if (stop_) return;
      paused = paused_;
    }
    bool owning = true;
    for (Partition& partition : partitions) {
      WISSEL_CHECK_OK(partition.log->Poll(1000, absl::ZeroDuration()));
      owning = owning && partition.log->phase() == bus::OwnedLog::Phase::kOwning;
    }
    if (owning) {
      MutexLock lock(mutex_);
      for (Request& request : std::exchange(requests_, {})) {
        log::v1::Decision decision =
            request.message ? decider_.Reply(request.routing_key, request.conversation_id,
                                             request.outbound_id, *request.message, clock_.Now())
                            : decider_.Resend(request.outbound_id, clock_.Now());
        const int32_t at = bus::PartitionOf(request.routing_key, count);
        bus::Headers headers;
        if (!request.traceparent.empty()) {
          headers.emplace_back(telemetry::kTraceParent, request.traceparent);
        }
        WISSEL_CHECK_OK(partitions[static_cast<size_t>(at)].log->Append(std::move(decision), "",
                                                                        std::move(headers)));
      }
      for (Partition& partition : partitions) {
        if (paused) break;
        const auto records = partition.receipts->Poll(1000, absl::ZeroDuration());
        WISSEL_CHECK_OK(records);
        for (const bus::Record& record : *records) {
          Receipt receipt;
          WISSEL_CHECK(receipt.ParseFromString(record.value));
          receipts_.push_back(receipt);
          WISSEL_CHECK_OK(
              partition.log->Append(decider_.Decide(receipt, clock_.Now()), record.key));
        }
      }
      changed_.NotifyAll();
    }
    wakeup->Wait(absl::Milliseconds(2));
  }
}

}  // namespace wissel::channel::testing
