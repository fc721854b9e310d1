#include "services/whatsapp/graph_error.h"

#include <boost/json.hpp>

#include "absl/strings/str_cat.h"
#include "libs/channel/text.h"

namespace wissel::whatsapp {
namespace {

namespace json = boost::json;

json::value Parse(absl::string_view body) {
  json::error_code error;
  json::value root = json::parse({body.data(), body.size()}, error);
  return error ? json::value() : root;
}

std::string Text(const json::object& object, const char* key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return "";
  return channel::ToUtf8({value->get_string().data(), value->get_string().size()});
}

// The id of the message that was taken: {"messages":[{"id":"wamid…"}]}.
std::string AcceptedId(absl::string_view body) {
  const json::value root = Parse(body);
  const json::value* messages =
      root.is_object() ? root.get_object().if_contains("messages") : nullptr;
  if (messages == nullptr || !messages->is_array() || messages->get_array().empty()) return "";
  const json::value& first = messages->get_array().front();
  return first.is_object() ? Text(first.get_object(), "id") : "";
}

// "131047", or "100/33" with a subcode.
std::string CodeOf(const GraphError& error) {
  return error.subcode == 0 ? absl::StrCat(error.code)
                            : absl::StrCat(error.code, "/", error.subcode);
}

}  // namespace

std::optional<GraphError> ParseGraphError(absl::string_view body) {
  const json::value root = Parse(body);
  const json::value* value = root.is_object() ? root.get_object().if_contains("error") : nullptr;
  if (value == nullptr || !value->is_object()) return std::nullopt;
  const json::object& error = value->get_object();
  const json::value* code = error.if_contains("code");
  if (code == nullptr || !code->is_int64()) return std::nullopt;
  GraphError out{.code = code->get_int64(), .detail = Text(error, "message")};
  if (const json::value* subcode = error.if_contains("error_subcode");
      subcode != nullptr && subcode->is_int64()) {
    out.subcode = subcode->get_int64();
  }
  if (const json::value* data = error.if_contains("error_data"); data && data->is_object()) {
    if (std::string details = Text(data->get_object(), "details"); !details.empty()) {
      out.detail = std::move(details);
    }
  }
  return out;
}

ErrorClass Classify(const GraphError& error) {
  const int64_t code = error.code;
  // The number of the path is not there for this token: deleted, another's, or a permission that
  // was taken away.
  if (code == 100 && error.subcode == 33) return ErrorClass::kReauthorise;
  if (code >= 200 && code <= 299) return ErrorClass::kReauthorise;      // API permission
  if (code >= 132000 && code <= 132999) return ErrorClass::kPermanent;  // the template
  switch (code) {
    case 1:       // API unknown: "invalid request or possible server error"
    case 2:       // API service: down or overloaded
    case 131000:  // something went wrong
    case 131016:  // service unavailable
    case 131056:  // too many to this recipient in a short time
    case 131057:  // the account is being maintained
    case 133004:  // server temporarily unavailable
      return ErrorClass::kRetry;
    case 4:       // the app's call limit
    case 80007:   // the WhatsApp Business Account's rate limit
    case 130429:  // the number's throughput
    case 131048:  // restricted because of blocks and spam reports
      return ErrorClass::kSlowDown;
    case 0:       // the app user cannot be authenticated
    case 3:       // capability or permission
    case 10:      // permission denied
    case 33:      // the phone number was deleted or is another's
    case 190:     // the token has expired
    case 368:     // temporarily blocked for policy violations
    case 131005:  // access denied
    case 131031:  // the account is locked
    case 131037:  // the number's display name has not been approved
    case 131042:  // no way of payment
    case 131045:  // the number's certificate
    case 133010:  // the number is not registered
      return ErrorClass::kReauthorise;
    case 100:     // invalid parameter
    case 130472:  // the customer's number is part of an experiment
    case 130497:  // the business may not write to this country
    case 131008:  // a required parameter is missing
    case 131009:  // a parameter's value
    case 131021:  // recipient and sender are the same
    case 131026:  // undeliverable: no WhatsApp, old version, terms not accepted
    case 131047:  // more than 24 hours since the customer wrote: a template is needed
    case 131049:  // not delivered, for a healthy ecosystem
    case 131050:  // the customer does not want marketing
    case 131051:  // unsupported message type
    case 131052:  // media cannot be downloaded
    case 131053:  // media cannot be uploaded
    case 131062:  // not to a business-scoped user id: an authentication template
    case 135000:  // parameters cannot be combined
      return ErrorClass::kPermanent;
    default:
      return ErrorClass::kUnknown;
  }
}

channel::SendOutcome OutcomeOf(const http::FetchResult& result, absl::Time now) {
  using Kind = channel::SendOutcome::Kind;
  channel::SendOutcome outcome;
  if (result.fate != http::Fate::kAnswered) {
    outcome.kind = result.fate == http::Fate::kNotSent ? Kind::kRetry : Kind::kUncertain;
    outcome.error.set_detail(result.error);
    return outcome;
  }
  if (result.ok()) {
    outcome.provider_message_id = AcceptedId(result.body);
    outcome.kind = outcome.provider_message_id.empty() ? Kind::kUncertain : Kind::kAccepted;
    if (outcome.kind == Kind::kUncertain) outcome.error.set_detail("answered without a message id");
    return outcome;
  }
  outcome.retry_after = result.RetryAfter(now);
  const std::optional<GraphError> error = ParseGraphError(result.body);
  outcome.error.set_provider_code(error ? CodeOf(*error) : absl::StrCat("HTTP ", result.status));
  outcome.error.set_detail(error ? error->detail : "");
  switch (error ? Classify(*error) : ErrorClass::kUnknown) {
    case ErrorClass::kRetry:
    case ErrorClass::kSlowDown:
      outcome.kind = Kind::kRetry;
      break;
    case ErrorClass::kReauthorise:
      outcome.kind = Kind::kReauthorise;
      break;
    case ErrorClass::kPermanent:
      outcome.kind = Kind::kFailed;
      break;
    case ErrorClass::kUnknown:
      if (result.status == 429 || result.status == 503) {
        outcome.kind = Kind::kRetry;  // Refused before anything was done.
      } else if (result.status == 401 || result.status == 403) {
        outcome.kind = Kind::kReauthorise;
      } else if (result.status >= 500) {
        outcome.kind = Kind::kUncertain;  // Something broke; who knows behind which step.
      } else {
        outcome.kind = Kind::kFailed;
      }
      break;
  }
  return outcome;
}

}  // namespace wissel::whatsapp
