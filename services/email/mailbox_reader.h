#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/backoff.h"
#include "libs/base/mutex.h"
#include "libs/telemetry/log.h"
#include "services/email/imap.h"
#include "services/email/metrics.h"
#include "services/email/normalise.h"
#include "services/email/uid_set.h"

namespace wissel::email {

// A mail as it was found in a mailbox.
struct FoundMail {
  enum class Kind {
    kWhole,
    kTooLarge,    // `bytes` is its header
    kUnreadable,  // `bytes` is empty: the server cannot or does not hand it out
  };
  Kind kind = Kind::kWhole;
  std::string reference;  // "INBOX;uidvalidity=17;uid=4021"
  std::optional<absl::Time> received;
  size_t size = 0;
  std::string bytes;
};

// Where mails go.
class MailTaker {
 public:
  virtual ~MailTaker() = default;
  // OK: all of them are kept for good, in one form or another. Else they are brought again later,
  // those that were kept included; after RESOURCE_EXHAUSTED one at a time.
  virtual absl::Status Take(absl::Span<const FoundMail> mails) = 0;
};

struct MailboxReaderOptions {
  std::string account_id;
  ServerLogin login;
  std::string folder = "INBOX";
  std::string state_file;               // for servers that keep or take no keywords
  std::optional<absl::CivilDay> since;  // older mails are left alone
  size_t max_mail_bytes = kDefaultMaxMailBytes;
  size_t batch_mails = 50;
  size_t batch_bytes = 32 << 20;
  absl::Duration idle_renewal = absl::Minutes(5);
  absl::Duration poll_interval = absl::Seconds(30);
  absl::Duration unreadable_after = absl::Hours(1);  // so long a message must have failed
  Backoff::Options backoff = {.initial = absl::Milliseconds(500), .max = absl::Seconds(60)};
};

// Reads one mailbox, for ever, on a thread of its own: brings every message that has no mark to the
// taker, oldest first, and marks it when the taker has it. The mark is the keyword $WisselDone;
// where the server does not keep keywords, or refuses it again and again, it is a file of UIDs.
// What arrived while nobody read has no mark, so nothing is lost however long that was. What was
// taken but not marked (a crash in between, a new UIDVALIDITY) is brought again: the taker must not
// mind.
//
// A message that the server fails to hand out does not hold up the others: it is tried again
// between them, and when that has gone on for `unreadable_after` it is brought as kUnreadable and
// marked. Any other failure ends the connection; the next one is opened after a back-off.
class MailboxReader {
 public:
  // `taker` and what `metrics` refers to must outlive the reader.
  static std::unique_ptr<MailboxReader> Start(MailboxReaderOptions options, MailTaker* taker,
                                              telemetry::Logger log, IngestMetrics metrics);

  // Has it stop behind the batch in hand; does not wait for that. Thread-safe.
  void RequestStop() { thread_.request_stop(); }
  // Stops, and waits for the batch in hand.
  ~MailboxReader();
  MailboxReader(const MailboxReader&) = delete;
  MailboxReader& operator=(const MailboxReader&) = delete;

  // OK while connected and logged in; else why not. Thread-safe.
  absl::Status health() const;

 private:
  // What fetching a message on its own came to.
  struct Failure {
    int points = 0;
    absl::Time first;
    absl::Time retry;  // not before
  };

  MailboxReader(MailboxReaderOptions options, MailTaker* taker, telemetry::Logger log,
                IngestMetrics metrics);

  void Run(std::stop_token stop);
  // One connection, from opening to its end, which is an error unless asked to stop.
  absl::Status RunSession(std::stop_token stop);
  // Brings everything that has no mark.
  absl::Status ReadUnmarked(ImapConnection& connection, std::stop_token stop);
  absl::Status ReadBatch(ImapConnection& connection, absl::Span<const MailSize> batch);
  // The mails of `batch` that are still there. DATA_LOSS if an answer leaves one of them out.
  absl::StatusOr<std::vector<FoundMail>> FetchBatch(ImapConnection& connection,
                                                    absl::Span<const MailSize> batch);
  absl::Status Mark(ImapConnection& connection, absl::Span<const uint32_t> uids);
  // After a failed fetch: what to do with the message that it was about.
  bool IsUnreadable(absl::Span<const MailSize> batch, const absl::Status& error);
  // Else by the file.
  bool MarksByKeyword() const;
  std::string Reference(uint32_t uid) const;
  void SetHealth(absl::Status health);

  const MailboxReaderOptions options_;
  MailTaker* const taker_;
  const telemetry::Logger log_;
  IngestMetrics metrics_;
  Backoff backoff_;

  // The reader's thread only.
  bool keeps_keyword_ = false;  // the server says so
  int mark_refusals_ = 0;       // in a row
  DoneMarks done_;              // those of the file, and of this process
  bool done_loaded_ = false;
  size_t single_ = 0;  // so many messages to fetch one at a time
  std::map<uint32_t, Failure> failures_;

  mutable Mutex mutex_;
  CondVar stopped_;
  absl::Status health_ ABSL_GUARDED_BY(mutex_) = absl::UnavailableError("not connected yet");
  ImapConnection* connection_ ABSL_GUARDED_BY(mutex_) = nullptr;

  std::jthread thread_;  // last: it uses everything above
};

}  // namespace wissel::email
