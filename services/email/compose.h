#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace wissel::email {

struct ComposedAttachment {
  std::string content_type;
  std::string file_name;
  std::string content_id;  // where the HTML refers to it; else empty
  std::string bytes;
};

// Everything a mail of ours says. All text UTF-8.
struct MailDraft {
  std::string message_id;  // without angle brackets
  std::string outbound_id;
  absl::Time date;
  std::string from_name;
  std::string from_address;
  std::string reply_to;  // empty: none
  std::string to_name;
  std::string to_address;
  std::string subject;
  std::string in_reply_to;              // without angle brackets; empty: none
  std::vector<std::string> references;  // oldest first
  std::string text;
  std::string html;  // empty: none
  std::vector<ComposedAttachment> attachments;
  bool automatic = false;  // written by a machine (RFC 3834)
};

// The mail's bytes, 7-bit, with CRLF (RFC 5322, 2045-2047, 2231). The same draft gives the same
// bytes. Line ends and control characters in header values become spaces: nothing given here can
// add a header.
std::string ComposeMail(const MailDraft& draft);

}  // namespace wissel::email
