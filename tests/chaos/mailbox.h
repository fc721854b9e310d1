#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/email/imap.h"
#include "services/email/smtp.h"

namespace wissel::chaos {

// Dovecot and Postfix of scripts/stack: the shop's provider and its customers'.
struct MailServers {
  uint16_t imaps = 0;  // TLS from the start.
  uint16_t smtp = 0;   // Submission: STARTTLS and a login.
  uint16_t mx = 0;     // Mail from elsewhere.
  std::string ca_file;
  std::string password;                     // Of every mailbox.
  std::vector<std::string> shop_mailboxes;  // Their addresses.
  std::string customers_mailbox;            // Customers have extensions of it: customer+3@….
  std::string log_file;                     // Postfix's.

  // As scripts/stack exports them. NOT_FOUND: there are none, or no Postfix.
  static absl::StatusOr<MailServers> FromEnvironment();

  email::ServerLogin Imap(const std::string& mailbox) const;
  // Where others' servers hand over mail.
  email::ServerLogin Mx() const;
};

// The headers of one mail.
struct MailHeaders {
  uint32_t uid = 0;
  std::string bytes;

  // The value of the first such header, unfolded; empty: there is none.
  std::string Value(absl::string_view name) const;
  // A value of the form <id>, without the brackets.
  std::string Id(absl::string_view name) const;
};

// The inbox of one address, read with a connection that is made anew when it breaks. For one
// thread.
class MailboxView {
 public:
  MailboxView(const MailServers& servers, const std::string& mailbox)
      : login_(servers.Imap(mailbox)) {}

  // The mails with higher UIDs, in their order. A mail that comes meanwhile may be missing.
  absl::StatusOr<std::vector<MailHeaders>> After(uint32_t uid);
  // Marks all of them as wissel-email does with what it has taken.
  absl::Status MarkAllDone();

 private:
  absl::Status Connect();
  absl::StatusOr<std::vector<uint32_t>> UidsAfter(uint32_t uid);

  const email::ServerLogin login_;
  std::unique_ptr<email::ImapConnection> connection_;
};

}  // namespace wissel::chaos
