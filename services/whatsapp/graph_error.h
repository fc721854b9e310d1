#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/channel/sender.h"
#include "libs/http/client.h"

namespace wissel::whatsapp {

// The "error" object of a Graph API answer.
struct GraphError {
  int64_t code = 0;
  int64_t subcode = 0;  // 0: none.
  std::string detail;   // error_data.details, else message.
};

// Nothing where the body is no such answer.
std::optional<GraphError> ParseGraphError(absl::string_view body);

// What one of Meta's error codes means for a message. All of these say that the message was not
// taken. Source, as of v21.0: developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
// Subcodes count only where the code alone says too little.
enum class ErrorClass {
  kRetry,        // Meta's side, or a limit: the same call may succeed later.
  kSlowDown,     // A limit of the whole number: nothing of it should be sent for a while.
  kReauthorise,  // Token, permission, or an account that Meta has stopped: a person must act.
  kPermanent,    // This message will never be taken.
  kUnknown,      // Not in the list.
};
ErrorClass Classify(const GraphError& error);

// The outcome of a call that sends, from whatever came back.
channel::SendOutcome OutcomeOf(const http::FetchResult& result, absl::Time now);

}  // namespace wissel::whatsapp
