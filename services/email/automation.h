#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/email/mime.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::email {

// What a delivery status notification (RFC 3464) says of one recipient.
struct DeliveryReport {
  std::string action;      // failed, delayed, delivered, relayed, expanded
  std::string status;      // RFC 3463, e.g. "5.1.1"
  std::string diagnostic;  // the remote server's words
  std::string recipient;
};

// The recipients' blocks of a message/delivery-status part; at most 100.
std::vector<DeliveryReport> ParseDeliveryStatus(absl::string_view part);

// The Message-ID in the headers that a report returns (message/rfc822 or text/rfc822-headers).
std::optional<std::string> ReturnedMessageId(absl::string_view part);

struct AutomationContext {
  absl::string_view own_address;
  // The mail carries a Message-ID that we signed.
  bool is_own_mail = false;
};

// Whether a machine wrote the mail, by RFC 3834, RFC 3464 and the headers that are used beside
// them.
wissel::message::v1::Automation ClassifyAutomation(const Mail& mail,
                                                   const AutomationContext& context);

}  // namespace wissel::email
