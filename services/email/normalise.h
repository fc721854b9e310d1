#pragma once

#include <optional>
#include <string>
#include <variant>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "services/email/mime.h"
#include "services/email/threading.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::email {

// The mailbox that a mail was found in.
struct Mailbox {
  WorkspaceId workspace;
  RoutingGroupId routing_group;
  ChannelAccountId account;
  std::string address;  // what customers write to
};

// One mail, understood.
struct NormalisedMail {
  wissel::message::v1::InboundMessage message;
  // A bounce that names a mail of ours says what became of it.
  std::optional<wissel::receipt::v1::Receipt> receipt;
};

// A mail that no message can be made of.
struct RejectedMail {
  wissel::deadletter::v1::Reason reason;
  std::string detail;
};

using MailOutcome = std::variant<NormalisedMail, RejectedMail>;

// Keeps bytes and returns the blob's id, their SHA-256 in hexadecimal.
using BlobSink = absl::FunctionRef<absl::StatusOr<std::string>(absl::string_view bytes)>;

// A mail larger than this is not taken whole, unless the service is configured otherwise.
inline constexpr size_t kDefaultMaxMailBytes = 36 << 20;

struct NormaliseOptions {
  MailLimits limits;
  // Attachments larger than this stay in the raw mail alone.
  size_t max_attachment_bytes = 30 << 20;
};

// Makes a message of a mail's bytes. The whole mail and each attachment go to `blobs`. Text is what
// the reader sees: the plain form, made from the HTML where there is none, the quotation split off.
// Sender is Reply-To (where the answer has to go) unless that is ourselves or a list, else From,
// Sender, Return-Path. `received` is when the mail server took it; without it, and without a Date,
// the message has no time. `signer` may be null: then nothing is recognised as ours.
//
// The only errors are those of `blobs`: try again later. The rest is an outcome. The same bytes
// give the same outcome. Thread-safe.
absl::StatusOr<MailOutcome> NormaliseMail(absl::string_view raw, const Mailbox& mailbox,
                                          std::optional<absl::Time> received,
                                          const ThreadSigner* signer, BlobSink blobs,
                                          const NormaliseOptions& options = {});

// As above, for a mail of `size` bytes that is too large to be taken whole: `header` is its header
// alone. The message says so in place of the contents, so that somebody answers.
absl::StatusOr<MailOutcome> NormaliseOversizedMail(absl::string_view header, size_t size,
                                                   const Mailbox& mailbox,
                                                   std::optional<absl::Time> received,
                                                   const ThreadSigner* signer, BlobSink blobs);

}  // namespace wissel::email
