#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace wissel::email {

struct MailAddress {
  std::string address;  // addr-spec, domain in lower case
  std::string name;     // decoded; may be empty

  friend bool operator==(const MailAddress&, const MailAddress&) = default;
};

// One of the headers that classification looks at.
struct MailHeader {
  std::string name;   // lower case
  std::string value;  // decoded, unfolded
};

// A piece of the text that a reader sees without opening anything. A multipart/alternative gives
// one body with both forms, a text part outside of one gives a body of its own.
struct MailBody {
  std::string plain;  // UTF-8, LF, unflowed (RFC 3676)
  std::string html;   // UTF-8
};

// Everything else: attachments, inline pictures, calendar parts, mails inside of mails (as bytes,
// not taken apart), the machine-readable parts of reports.
struct MailAttachment {
  std::string content_type;  // lower case, without parameters
  std::string file_name;     // without folders, at most 255 bytes; may be empty
  std::string content_id;    // without angle brackets; may be empty
  std::string bytes;         // transfer encoding undone
};

struct Mail {
  std::string message_id;  // without angle brackets; empty where missing or unusable
  std::string subject;
  std::vector<MailAddress> from;
  std::vector<MailAddress> reply_to;
  std::vector<MailAddress> to;
  std::vector<MailAddress> cc;
  std::optional<absl::Time> date;
  std::vector<std::string> in_reply_to;  // ids without angle brackets
  std::vector<std::string> references;   // the same, in the order of the header; the last 100
  std::vector<MailHeader> headers;
  int received_headers = 0;
  std::string content_type;  // of the whole mail, lower case
  std::string report_type;   // multipart/report's parameter, lower case

  std::vector<MailBody> bodies;
  std::vector<MailAttachment> attachments;
  int parts_left_out = 0;  // beyond MailLimits::max_parts

  // The first header of that name (lower case), or null.
  const std::string* FindHeader(absl::string_view name) const;
};

struct MailLimits {
  int max_parts = 10'000;
  // A multipart nested deeper becomes an attachment with the multipart's bytes.
  int max_depth = 32;
};

// Takes a mail apart (RFC 5322, 2045-2047, 2231, 3676). Tolerant: whatever can be read is read, and
// what cannot be decoded is kept as it stands. INVALID_ARGUMENT where there is not even a header.
// Thread-safe; memory is a small multiple of `raw`, time linear in it.
absl::StatusOr<Mail> ParseMail(absl::string_view raw, const MailLimits& limits = {});

// The message ids in a header such as References, without angle brackets; the last `max` of them.
std::vector<std::string> ParseMessageIds(absl::string_view value, size_t max = 100);

}  // namespace wissel::email
