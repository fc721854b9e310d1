#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::sim {

// Something that happens while a conversation is with an agent.
struct Step {
  enum class Kind { kReply, kCustomerWrites, kTransfer, kPark, kHold, kResume, kResolve };
  // When: after so much time with an agent, all agents taken together.
  absl::Duration at;
  Kind kind = Kind::kResolve;
  // kCustomerWrites: what; null for a short text.
  std::shared_ptr<const message::v1::InboundMessage> message;
  // kTransfer: the queue. kResolve: the resolution.
  std::string detail;
};

// A customer who writes, and what will come of it.
struct Customer {
  absl::Time arrival;
  message::v1::InboundMessage message;
  // Leaves after so long without an agent; nothing: waits for ever.
  std::optional<absl::Duration> patience;
  // Of a recorded one: for how long the record has them wait without leaving.
  absl::Duration waited;
  // In order of time.
  std::vector<Step> steps;
  // Names the customer to Behaviour::React.
  uint64_t key = 0;
};

// What an agent does, whatever the engine decides.
struct AgentAct {
  enum class Kind {
    kConnect,
    kDisconnect,
    // Connects again, and is again what they were where the engine has taken the agent for gone.
    kReconnect,
    kAvailable,
    kAway,
    // Takes nothing new.
    kDraining,
    // The same, and goes when the work is done.
    kLeave,
    kOffline,
    kCapacity,
  };
  absl::Time time;
  std::string agent_id;
  Kind kind = Kind::kConnect;
  // kAway: why.
  std::string reason;
  // kCapacity.
  int32_t units = 0;
};

struct OfferMade {
  uint64_t customer_key;
  absl::string_view conversation_id;
  // 1 for the conversation's first offer.
  int ordinal;
  absl::string_view agent_id;
};

struct Reaction {
  enum class Kind { kAccept, kDecline, kMiss };
  Kind kind = Kind::kAccept;
  absl::Duration after;
};

// What people do: customers who come, agents who work. Drawn from a scenario, or as recorded in a
// log. Pure; what it returns depends on the arguments alone and, for NextCustomer, on how often it
// was asked.
class Behaviour {
 public:
  virtual ~Behaviour() = default;
  // In order of arrival.
  virtual std::optional<Customer> NextCustomer() = 0;
  // In order of time.
  virtual std::vector<AgentAct> AgentActs() = 0;
  virtual Reaction React(const OfferMade& offer) = 0;
  // The customer's steps as the first agent takes them who has the conversation, in place of those
  // that the customer came with; nothing: these.
  virtual std::optional<std::vector<Step>> StepsWith(uint64_t, absl::string_view) {
    return std::nullopt;
  }
  // How long an agent stays away who was sent away for missing offers.
  virtual absl::Duration BackAfter(absl::string_view agent_id) = 0;
};

}  // namespace wissel::sim
