#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "wissel/log/v1/log.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::channel::testing {

// The router's part in deliveries, and nothing else of it: accepts one attempt of a message at a
// time, and says in the log what receipts report. For tests of what stands on the channel kit.
class TinyDecider {
 public:
  // What the log says of an answer of ours; PENDING until the first receipt.
  struct Delivery {
    std::string conversation_id;
    receipt::v1::DeliveryState state = receipt::v1::DELIVERY_STATE_PENDING;
    int attempt = 0;
    std::string attempt_id;
    std::string provider_message_id;
    receipt::v1::DeliveryError error;
  };

  // `routing_key` is the conversation's: "workspace_id/routing_group_id".
  log::v1::Decision Reply(absl::string_view routing_key, const std::string& conversation_id,
                          const std::string& outbound_id,
                          const message::v1::OutboundMessage& message, absl::Time now);
  log::v1::Decision Decide(const receipt::v1::Receipt& receipt, absl::Time now);
  // A person's decision on a held message: send it again.
  log::v1::Decision Resend(const std::string& outbound_id, absl::Time now);

  const Delivery* Find(const std::string& outbound_id) const;

 private:
  std::map<std::string, Delivery> deliveries_;
};

// A thread that owns every partition of a bus's log and decides the receipts with a TinyDecider.
class TinyRouter {
 public:
  explicit TinyRouter(bus::Bus* bus);
  ~TinyRouter();

  // Puts an answer into the log, in the routing key's partition; under no key, as what a timer
  // sends.
  void Reply(const std::string& routing_key, const std::string& conversation_id,
             const std::string& outbound_id, const message::v1::OutboundMessage& message,
             const std::string& traceparent = "");
  void Resend(const std::string& routing_key, const std::string& outbound_id);

  // Stops deciding receipts, as a router that is down; Replies still go in.
  void Pause();
  void Resume();

  std::optional<TinyDecider::Delivery> Find(const std::string& outbound_id) const;
  // Waits until the message has that state in the log; false after `timeout`.
  bool WaitFor(const std::string& outbound_id, receipt::v1::DeliveryState state,
               absl::Duration timeout = absl::Seconds(10)) const;
  // Every receipt decided so far.
  std::vector<receipt::v1::Receipt> receipts() const;

 private:
  struct Partition;
  struct Request {
    std::string routing_key;
    std::string conversation_id;
    std::string outbound_id;
    std::optional<message::v1::OutboundMessage> message;
    std::string traceparent;
  };

  void Run();
  void Add(Request request);

  bus::Bus* const bus_;
  const SystemClock clock_;
  mutable Mutex mutex_;
  mutable CondVar changed_;
  TinyDecider decider_ ABSL_GUARDED_BY(mutex_);
  std::vector<Request> requests_ ABSL_GUARDED_BY(mutex_);
  std::vector<receipt::v1::Receipt> receipts_ ABSL_GUARDED_BY(mutex_);
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

}  // namespace wissel::channel::testing
