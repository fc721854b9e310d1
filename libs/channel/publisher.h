#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "libs/base/clock.h"
#include "libs/bus/bus.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::channel {

// Of what came and could not be understood, a dead letter keeps so much.
inline constexpr size_t kMaxDeadLetterRawBytes = 512 << 10;

struct PublisherOptions {
  size_t max_in_flight = 10'000;
  size_t max_in_flight_bytes = 64 << 20;
  // Of a dead letter's raw bytes; the rest is cut off.
  size_t max_dead_letter_raw_bytes = kMaxDeadLetterRawBytes;
  // Told of each message that becomes a dead letter instead, for logs and counts; must not block.
  std::function<void(const deadletter::v1::DeadLetter&, absl::string_view traceparent)>
      on_diverted = {};
};

// Puts what a channel took in on the bus: messages into the inbound topic, receipts into theirs, by
// routing group, with ids derived, bounds checked, the language told where the channel has not, and
// the headers `content-type` and `traceparent`. Thread-safe. `done` gets OK only when the record is
// durable; it is called exactly once, perhaps before the call returns, and must not block.
//
// A message that breaks the contract's bounds, or is larger than a record may be, becomes a dead
// letter instead: `done` tells of that one. Errors:
//   UNAVAILABLE         the bus has not been reached yet, or does not acknowledge
//   RESOURCE_EXHAUSTED  too much is in flight
// After an error the caller must let the provider repeat, or repeat itself: the record may be there
// all the same, and ids make the repeat harmless.
class Publisher {
 public:
  using Done = absl::AnyInvocable<void(absl::Status) &&>;

  // Neither is owned. Until Connect has succeeded everything is UNAVAILABLE.
  Publisher(bus::Bus* bus, const Clock* clock, PublisherOptions options);

  // Learns the partition counts; may block for the bus's request timeout. Call again after an
  // error.
  absl::Status Connect();
  bool connected() const { return partitions_ > 0; }

  // `traceparent` may be empty.
  void Publish(message::v1::InboundMessage message, absl::string_view traceparent, Done done);
  // Envelope filled in by the caller, its id with ReceiptId.
  void Publish(const receipt::v1::Receipt& receipt, absl::string_view traceparent, Done done);
  // Sets id and time, cuts `raw` and the reference.
  void Publish(deadletter::v1::DeadLetter letter, absl::string_view traceparent, Done done);

  // Waits until everything published so far has been answered.
  absl::Status Flush(absl::Duration timeout) { return appender_->Flush(timeout); }

 private:
  void Divert(const message::v1::InboundMessage& message, deadletter::v1::Reason reason,
              absl::string_view detail, absl::string_view traceparent, Done done);
  // As it will be appended, headers and all: what Admit says of it holds.
  bus::Outgoing RecordOf(bus::Topic topic, std::string key,
                         const google::protobuf::Message& message,
                         absl::string_view traceparent) const;
  void Append(bus::Outgoing record, Done done);

  bus::Bus* const bus_;
  const Clock* const clock_;
  const PublisherOptions options_;
  std::atomic<int> partitions_ = 0;
  std::atomic<int> dead_letter_partitions_ = 0;
  const std::unique_ptr<bus::Appender> appender_;
};

}  // namespace wissel::channel
