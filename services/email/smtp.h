#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "services/email/imap.h"

namespace wissel::email {

// What the server made of a mail.
struct SmtpReply {
  enum class Kind {
    kAccepted,
    kRetry,      // refused for now (4xx), or never handed over
    kRefused,    // refused for good (5xx)
    kNoAccess,   // not logged in, or the server is not who it should be: nothing can be sent
    kUncertain,  // the connection was lost between the last byte of the mail and the answer
  };
  Kind kind = Kind::kUncertain;
  int code = 0;      // the server's, 0 where it gave none
  std::string text;  // the line with which it refused, or what happened
};

// Hands mails to an SMTP submission server (RFC 5321, 6409) over a connection that it keeps between
// them. Blocking: at most twice `login.timeout` a mail. For one thread.
class SmtpConnection {
 public:
  explicit SmtpConnection(ServerLogin login);
  ~SmtpConnection();
  SmtpConnection(const SmtpConnection&) = delete;
  SmtpConnection& operator=(const SmtpConnection&) = delete;

  // `mail`: with CRLF line ends; dots are stuffed here. Addresses as addr-spec.
  struct Envelope {
    std::string from;
    std::string to;
  };
  SmtpReply Send(const Envelope& envelope, absl::string_view mail);

 private:
  struct Handle;
  const ServerLogin login_;
  const std::unique_ptr<Handle> handle_;
};

}  // namespace wissel::email
