#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/channel/blob.h"
#include "libs/channel/publisher.h"
#include "libs/telemetry/log.h"
#include "services/email/mailbox_reader.h"
#include "services/email/metrics.h"
#include "services/email/normalise.h"
#include "services/email/threading.h"

namespace wissel::email {

struct MailIngestOptions {
  NormaliseOptions normalise;
  // How long the bus may take to acknowledge a batch.
  absl::Duration acknowledge_timeout = absl::Seconds(60);
  telemetry::Logger log;
};

// Of a mail that no message can be made of.
wissel::deadletter::v1::DeadLetter DeadLetterOf(const FoundMail& mail, const Mailbox& mailbox,
                                                const RejectedMail& rejected);

// Takes the mails of one mailbox: makes messages and receipts of them, or dead letters with their
// raw bytes, and publishes those. Take returns OK when the bus has acknowledged all. For one
// thread; nothing given to it is owned.
class MailIngest final : public MailTaker {
 public:
  MailIngest(MailIngestOptions options, Mailbox mailbox, const ThreadSigner* signer,
             channel::BlobStore* blobs, channel::Publisher* publisher, IngestMetrics metrics);

  absl::Status Take(absl::Span<const FoundMail> mails) override;

 private:
  absl::StatusOr<MailOutcome> Normalise(const FoundMail& mail);

  const MailIngestOptions options_;
  const Mailbox mailbox_;
  const ThreadSigner* const signer_;
  channel::BlobStore* const blobs_;
  channel::Publisher* const publisher_;
  IngestMetrics metrics_;
};

}  // namespace wissel::email
