#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "libs/base/bounded_queue.h"
#include "libs/base/clock.h"
#include "libs/channel/blob.h"
#include "libs/channel/sender.h"
#include "libs/telemetry/metrics.h"
#include "services/email/imap.h"
#include "services/email/normalise.h"
#include "services/email/threading.h"

namespace wissel::email {

// How mails of one account go out.
struct OutgoingAccount {
  Mailbox mailbox;
  std::string from_name;
  ServerLogin smtp;
  const ThreadSigner* signer = nullptr;  // not owned
  // Puts the conversation into Reply-To and the envelope's sender as well: needs an MTA that
  // delivers local+anything to local.
  bool plus_addressing = true;
};

struct MailSenderOptions {
  int connections = 4;  // mails sent at once
  size_t max_mail_bytes = 25 << 20;
};

// Sends answers as mails, on threads of its own with an SMTP connection an account each. The
// Message-ID follows from the ids of answer and conversation, so that a mail sent twice is one to
// its reader: the policy for uncertain ones is `resend`. Nothing given to it is owned.
class MailSender final : public channel::Sender {
 public:
  MailSender(MailSenderOptions options, std::vector<OutgoingAccount> accounts,
             channel::BlobStore* blobs, const Clock* clock,
             telemetry::HistogramFamily send_seconds);
  // Finishes what is being sent; what still waits is answered as not sent.
  ~MailSender() override;

  void Send(const channel::OutboundDelivery& delivery,
            absl::AnyInvocable<void(channel::SendOutcome) &&> done) override;

 private:
  struct Job {
    channel::OutboundDelivery delivery;
    absl::AnyInvocable<void(channel::SendOutcome) &&> done;
  };
  class Worker;

  const OutgoingAccount* Find(const channel::OutboundDelivery& delivery) const;

  const MailSenderOptions options_;
  const std::vector<OutgoingAccount> accounts_;
  channel::BlobStore* const blobs_;
  const Clock* const clock_;
  const telemetry::HistogramFamily send_seconds_;
  BoundedQueue<Job> jobs_;
  std::vector<std::jthread> threads_;  // last: they use everything above
};

}  // namespace wissel::email
