#include "services/email/mail_sender.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "services/email/charset.h"
#include "services/email/compose.h"
#include "services/email/smtp.h"

namespace wissel::email {
namespace {

namespace messagev1 = ::wissel::message::v1;
using channel::OutboundDelivery;
using channel::SendOutcome;

constexpr size_t kMaxDetailBytes = 1024;
constexpr size_t kMaxWaiting = 10'000;

SendOutcome Outcome(SendOutcome::Kind kind, absl::string_view code, absl::string_view detail) {
  SendOutcome outcome;
  outcome.kind = kind;
  outcome.error.set_provider_code(std::string(code));
  outcome.error.set_detail(CleanLine(detail, kMaxDetailBytes));
  return outcome;
}

absl::string_view DomainOf(absl::string_view address) {
  return address.substr(address.rfind('@') + 1);
}

// The mail of an answer.
//   INVALID_ARGUMENT  nothing that a mail can carry, or too large
//   others            an attachment cannot be had now
absl::StatusOr<MailDraft> MakeDraft(const OutboundDelivery& delivery,
                                    const OutgoingAccount& account, channel::BlobStore& blobs,
                                    size_t max_bytes, absl::Time now) {
  const messagev1::OutboundMessage& message = delivery.message;
  MailDraft draft;
  const ConversationId conversation(delivery.conversation_id);
  WISSEL_ASSIGN_OR_RETURN(draft.message_id,
                          account.signer->MessageId(OutboundId(delivery.outbound_id), conversation,
                                                    DomainOf(account.mailbox.address)));
  draft.outbound_id = delivery.outbound_id;
  draft.automatic = delivery.by_bot;
  draft.date = now;
  draft.from_name = account.from_name;
  draft.from_address = account.mailbox.address;
  if (account.plus_addressing) {
    // Where the address is too long for it, References must do.
    absl::StatusOr<std::string> address =
        account.signer->PlusAddress(account.mailbox.address, conversation);
    if (address.ok()) draft.reply_to = *std::move(address);
  }
  draft.to_name = message.recipient().display_name();
  draft.to_address = message.recipient().address();
  draft.subject = message.subject();
  draft.in_reply_to = message.in_reply_to_provider_message_id();
  draft.references.assign(message.reference_provider_message_ids().begin(),
                          message.reference_provider_message_ids().end());
  size_t bytes = 0;
  for (const messagev1::Content& content : message.contents()) {
    switch (content.kind_case()) {
      case messagev1::Content::kText:
        absl::StrAppend(&draft.text, draft.text.empty() ? "" : "\n\n", content.text().text());
        absl::StrAppend(&draft.html, content.text().html());
        bytes += content.text().text().size() + content.text().html().size();
        break;
      case messagev1::Content::kMedia: {
        const messagev1::Media& media = content.media();
        if (media.blob().blob_id().empty()) {
          return absl::InvalidArgumentError("an attachment without its bytes");
        }
        // In base64 it is a third longer.
        bytes += static_cast<size_t>(media.blob().size_bytes()) / 3 * 4;
        if (bytes > max_bytes) break;
        WISSEL_ASSIGN_OR_RETURN(std::string content_bytes, blobs.Get(media.blob().blob_id()));
        draft.attachments.push_back({.content_type = media.blob().content_type(),
                                     .file_name = media.blob().file_name(),
                                     .content_id = media.content_id(),
                                     .bytes = std::move(content_bytes)});
        if (!media.caption().empty()) {
          absl::StrAppend(&draft.text, draft.text.empty() ? "" : "\n\n", media.caption());
        }
        break;
      }
      default:
        return absl::InvalidArgumentError("contents that a mail cannot carry");
    }
  }
  if (bytes > max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the mail would be larger than ", max_bytes, " bytes"));
  }
  return draft;
}

// An address for the envelope: nothing that SMTP would read as more than one.
bool IsAddress(absl::string_view address) {
  const size_t at = address.rfind('@');
  if (at == absl::string_view::npos || at == 0 || at + 1 == address.size()) return false;
  for (const char c : address) {
    if (c <= 0x20 || c == 0x7F || c == '<' || c == '>') return false;
  }
  return true;
}

SendOutcome ToOutcome(const SmtpReply& reply, const std::string& message_id) {
  const std::string code = reply.code == 0 ? "" : absl::StrCat(reply.code);
  switch (reply.kind) {
    case SmtpReply::Kind::kAccepted: {
      SendOutcome outcome;
      outcome.kind = SendOutcome::Kind::kAccepted;
      outcome.provider_message_id = message_id;
      return outcome;
    }
    case SmtpReply::Kind::kRetry:
      return Outcome(SendOutcome::Kind::kRetry, code, reply.text);
    case SmtpReply::Kind::kRefused:
      return Outcome(SendOutcome::Kind::kFailed, code, reply.text);
    case SmtpReply::Kind::kNoAccess: {
      SendOutcome outcome = Outcome(SendOutcome::Kind::kReauthorise, code, reply.text);
      outcome.error.set_reauthorise(true);
      return outcome;
    }
    case SmtpReply::Kind::kUncertain:
      return Outcome(SendOutcome::Kind::kUncertain, code, reply.text);
  }
  return Outcome(SendOutcome::Kind::kUncertain, code, reply.text);
}

}  // namespace

// One thread's part: its connections, opened when they are first needed.
class MailSender::Worker {
 public:
  explicit Worker(MailSender& owner) : owner_(owner) {}

  void Run() {
    while (std::optional<Job> job = owner_.jobs_.Pop()) {
      const absl::Time start = owner_.clock_->Now();
      SendOutcome outcome = Send(job->delivery);
      owner_.send_seconds_.With({OutcomeName(outcome.kind)}).Observe(owner_.clock_->Now() - start);
      std::move(job->done)(std::move(outcome));
    }
  }

 private:
  SendOutcome Send(const OutboundDelivery& delivery) {
    const OutgoingAccount* account = owner_.Find(delivery);
    if (account == nullptr) {
      return Outcome(
          SendOutcome::Kind::kFailed, "",
          absl::StrCat("no such mail account: ", delivery.message.account().account_id()));
    }
    if (!IsAddress(delivery.message.recipient().address())) {
      return Outcome(SendOutcome::Kind::kFailed, "", "the recipient has no mail address");
    }
    const absl::StatusOr<MailDraft> draft = MakeDraft(
        delivery, *account, *owner_.blobs_, owner_.options_.max_mail_bytes, owner_.clock_->Now());
    if (!draft.ok()) {
      const bool for_good = draft.status().code() == absl::StatusCode::kInvalidArgument ||
                            draft.status().code() == absl::StatusCode::kNotFound;
      return Outcome(for_good ? SendOutcome::Kind::kFailed : SendOutcome::Kind::kRetry, "",
                     draft.status().message());
    }
    std::unique_ptr<SmtpConnection>& connection = connections_[account];
    if (connection == nullptr) connection = std::make_unique<SmtpConnection>(account->smtp);
    // Bounces go to the envelope's sender, so the conversation is in there too.
    const std::string& from = draft->reply_to.empty() ? account->mailbox.address : draft->reply_to;
    return ToOutcome(connection->Send({.from = from, .to = draft->to_address}, ComposeMail(*draft)),
                     draft->message_id);
  }

  MailSender& owner_;
  absl::flat_hash_map<const OutgoingAccount*, std::unique_ptr<SmtpConnection>> connections_;
};

MailSender::MailSender(MailSenderOptions options, std::vector<OutgoingAccount> accounts,
                       channel::BlobStore* blobs, const Clock* clock,
                       telemetry::HistogramFamily send_seconds)
    : options_(options),
      accounts_(std::move(accounts)),
      blobs_(blobs),
      clock_(clock),
      send_seconds_(std::move(send_seconds)),
      jobs_(kMaxWaiting) {
  for (const OutgoingAccount& account : accounts_) WISSEL_CHECK(account.signer != nullptr);
  for (int i = 0; i < options_.connections; ++i) {
    threads_.push_back(StartThread(absl::StrCat("smtp-", i), [this] { Worker(*this).Run(); }));
  }
}

MailSender::~MailSender() {
  for (Job& job : jobs_.PopAll()) {
    std::move(job.done)(Outcome(SendOutcome::Kind::kRetry, "", "the service is ending"));
  }
  jobs_.Close();
}

void MailSender::Send(const OutboundDelivery& delivery,
                      absl::AnyInvocable<void(SendOutcome) &&> done) {
  Job job{delivery, std::move(done)};
  if (!jobs_.TryPush(std::move(job))) {
    std::move(job.done)(Outcome(SendOutcome::Kind::kRetry, "", "too many mails are waiting"));
  }
}

const OutgoingAccount* MailSender::Find(const OutboundDelivery& delivery) const {
  for (const OutgoingAccount& account : accounts_) {
    if (account.mailbox.account.value() == delivery.message.account().account_id() &&
        account.mailbox.workspace.value() == delivery.workspace_id) {
      return &account;
    }
  }
  return nullptr;
}

}  // namespace wissel::email
