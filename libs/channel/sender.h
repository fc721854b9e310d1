#pragma once

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "wissel/common/v1/common.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::channel {

// One message on its way to a customer.
struct OutboundDelivery {
  std::string outbound_id;  // The provider is given it wherever it can echo it.
  std::string conversation_id;
  std::string workspace_id;
  std::string routing_group_id;
  message::v1::OutboundMessage message;
  int attempt = 0;      // 1 for the first.
  bool by_bot = false;  // A machine wrote it, and may have to say so.
};

// What became of a call to the provider. Each kind has one consequence; which error of the
// provider's is which is the channel's knowledge.
struct SendOutcome {
  enum class Kind {
    kAccepted,     // The provider has it.
    kRetry,        // It certainly does not have it, and may take it later.
    kFailed,       // It certainly does not have it, and never will.
    kReauthorise,  // It certainly does not have it, nor anything else of this account for now.
    kUncertain,    // It may have it.
  };

  Kind kind = Kind::kUncertain;
  std::string provider_message_id;   // With kAccepted.
  receipt::v1::DeliveryError error;  // With the others.
  absl::Duration retry_after;        // With kRetry: at least so long.
};

// As metrics and logs name it.
absl::string_view OutcomeName(SendOutcome::Kind kind);

struct LookUpOutcome {
  enum class Kind {
    kFound,     // The provider has it: SENT.
    kNotThere,  // It certainly does not: try again.
    kUnknown,   // It cannot tell.
  };
  Kind kind = Kind::kUnknown;
  std::string provider_message_id;  // With kFound.
};

// The call to a provider. Used by one thread; callbacks may come from any, each exactly once.
class Sender {
 public:
  virtual ~Sender() = default;

  // Calls the provider once: what happens after an outcome is the Deliverer's business, repeats
  // included. Must come to an outcome within DeliveryPolicy::call_timeout.
  virtual void Send(const OutboundDelivery& delivery,
                    absl::AnyInvocable<void(SendOutcome) &&> done) = 0;

  // Zero: the message may be sent now, and counts as sent where there is a pace to keep. Else ask
  // again after so long.
  virtual absl::Duration Admit(const OutboundDelivery& delivery) {
    (void)delivery;
    return absl::ZeroDuration();
  }

  // Whether an uncertain message can be asked for.
  virtual bool CanLookUp() const { return false; }
  virtual void LookUp(const OutboundDelivery& delivery,
                      absl::AnyInvocable<void(LookUpOutcome) &&> done) {
    (void)delivery;
    std::move(done)(LookUpOutcome{});
  }
};

// What a channel does with a message of which nobody can tell whether the customer has it.
enum class UncertainPolicy {
  kHold,    // Tell the agent, who decides.
  kResend,  // Send it again: where a repeat is harmless.
};

struct DeliveryPolicy {
  int max_attempts = 10;
  absl::Duration max_age = absl::Hours(24);  // From the agent's answer to the last attempt.
  absl::Duration initial_backoff = absl::Seconds(2);
  absl::Duration max_backoff = absl::Minutes(15);
  absl::Duration reauthorise_retry = absl::Minutes(5);  // Not counted as an attempt, only by age.

  // From logging an attempt to calling the provider, at most; later it is not called.
  absl::Duration start_limit = absl::Seconds(20);
  absl::Duration call_timeout = absl::Seconds(60);
  // An uncertain message waits so long for the provider's status before the policy decides.
  absl::Duration settle_wait = absl::Minutes(2);
  UncertainPolicy uncertain = UncertainPolicy::kHold;

  int max_in_flight = 64;  // Attempts at once, of one deliverer.
};

}  // namespace wissel::channel
