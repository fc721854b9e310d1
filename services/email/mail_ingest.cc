#include "services/email/mail_ingest.h"

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/notification.h"
#include "libs/base/status_macros.h"
#include "libs/channel/ack_group.h"
#include "libs/telemetry/trace.h"

namespace wissel::email {

namespace deadletterv1 = ::wissel::deadletter::v1;

deadletterv1::DeadLetter DeadLetterOf(const FoundMail& mail, const Mailbox& mailbox,
                                      const RejectedMail& rejected) {
  deadletterv1::DeadLetter letter;
  deadletterv1::ProviderOrigin* origin = letter.mutable_origin()->mutable_provider();
  origin->set_kind(wissel::common::v1::CHANNEL_KIND_EMAIL);
  origin->set_workspace_id(mailbox.workspace.value());
  origin->set_account_id(mailbox.account.value());
  origin->set_reference(mail.reference);
  letter.set_reason(rejected.reason);
  letter.set_detail(rejected.detail);
  letter.set_raw(mail.bytes);
  letter.set_truncated(mail.kind != FoundMail::Kind::kWhole);
  letter.set_workspace_id(mailbox.workspace.value());
  return letter;
}

MailIngest::MailIngest(MailIngestOptions options, Mailbox mailbox, const ThreadSigner* signer,
                       channel::BlobStore* blobs, channel::Publisher* publisher,
                       IngestMetrics metrics)
    : options_(std::move(options)),
      mailbox_(std::move(mailbox)),
      signer_(signer),
      blobs_(blobs),
      publisher_(publisher),
      metrics_(std::move(metrics)) {}

absl::StatusOr<MailOutcome> MailIngest::Normalise(const FoundMail& mail) {
  const auto keep = [this](absl::string_view bytes) -> absl::StatusOr<std::string> {
    WISSEL_ASSIGN_OR_RETURN(const auto ref, blobs_->Put(bytes, {}));
    return ref.blob_id();
  };
  switch (mail.kind) {
    case FoundMail::Kind::kWhole:
      return NormaliseMail(mail.bytes, mailbox_, mail.received, signer_, keep, options_.normalise);
    case FoundMail::Kind::kTooLarge:
      return NormaliseOversizedMail(mail.bytes, mail.size, mailbox_, mail.received, signer_, keep);
    case FoundMail::Kind::kUnreadable:
      break;
  }
  return MailOutcome(
      RejectedMail{deadletterv1::REASON_UNPARSABLE, "the mail server does not hand this mail out"});
}

absl::Status MailIngest::Take(absl::Span<const FoundMail> mails) {
  if (!publisher_->connected()) return absl::UnavailableError("the bus has not been reached yet");
  struct Acknowledged {
    Notification done;
    absl::Status status;
  };
  // Shared: after a time-out the acknowledgements still come.
  auto acknowledged = std::make_shared<Acknowledged>();
  int messages = 0;
  int dead_letters = 0;
  int bounces = 0;
  {
    channel::AckGroup group([acknowledged](absl::Status status) {
      acknowledged->status = std::move(status);
      acknowledged->done.Notify();
    });
    for (const FoundMail& mail : mails) {
      const absl::Time start = absl::Now();
      WISSEL_ASSIGN_OR_RETURN(MailOutcome outcome, Normalise(mail));
      metrics_.normalise_seconds.Observe(absl::Now() - start);
      const std::string trace = telemetry::TraceContext::NewRoot().ToHeader();
      if (const auto* rejected = std::get_if<RejectedMail>(&outcome)) {
        options_.log.Warning("dead letter",
                             {{"reason", deadletterv1::Reason_Name(rejected->reason)},
                              {"reference", mail.reference},
                              {"trace_id", telemetry::TraceIdOf(trace)}});
        publisher_->Publish(DeadLetterOf(mail, mailbox_, *rejected), trace, group.Add());
        ++dead_letters;
        continue;
      }
      auto& normalised = std::get<NormalisedMail>(outcome);
      if (normalised.receipt) {
        publisher_->Publish(*normalised.receipt, trace, group.Add());
        ++bounces;
      }
      options_.log.Debug("message accepted", {{"reference", mail.reference},
                                              {"trace_id", telemetry::TraceIdOf(trace)}});
      publisher_->Publish(std::move(normalised.message), trace, group.Add());
      ++messages;
    }
  }
  if (!acknowledged->done.WaitFor(options_.acknowledge_timeout)) {
    return absl::UnavailableError("the bus has not acknowledged in time");
  }
  if (acknowledged->status.ok()) {
    metrics_.messages.Increment(messages);
    metrics_.dead_letters.Increment(dead_letters);
    metrics_.bounces.Increment(bounces);
  }
  return acknowledged->status;
}

}  // namespace wissel::email
