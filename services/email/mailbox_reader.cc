#include "services/email/mailbox_reader.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"

namespace wissel::email {
namespace {

constexpr absl::string_view kDoneKeyword = "$WisselDone";
constexpr size_t kUidsAtOnce = 500;
// How often a message on its own has to fail before it is given up: when the server answers
// nonsense or no, and when the connection breaks, which is more often not the message's fault.
constexpr int kMaxRefusals = 3;
constexpr int kMaxBreaks = 8;
// Until then it is tried again when it has been failing for twice as long, but at least this often.
constexpr absl::Duration kMaxRetryPause = absl::Minutes(1);
// How often in a row the server may refuse the keyword before marks go to the file.
constexpr int kMaxMarkRefusals = 3;

}  // namespace

std::unique_ptr<MailboxReader> MailboxReader::Start(MailboxReaderOptions options, MailTaker* taker,
                                                    telemetry::Logger log, IngestMetrics metrics) {
  std::unique_ptr<MailboxReader> reader(
      new MailboxReader(std::move(options), taker, std::move(log), std::move(metrics)));
  reader->thread_ = StartThread("imap-" + reader->options_.account_id,
                                [r = reader.get()](std::stop_token stop) { r->Run(stop); });
  return reader;
}

MailboxReader::MailboxReader(MailboxReaderOptions options, MailTaker* taker, telemetry::Logger log,
                             IngestMetrics metrics)
    : options_(std::move(options)),
      taker_(taker),
      log_(std::move(log)),
      metrics_(std::move(metrics)),
      backoff_(options_.backoff, StableHash64(options_.account_id)) {}

MailboxReader::~MailboxReader() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

absl::Status MailboxReader::health() const {
  MutexLock lock(mutex_);
  return health_;
}

void MailboxReader::SetHealth(absl::Status health) {
  metrics_.connected.Set(health.ok() ? 1 : 0);
  MutexLock lock(mutex_);
  health_ = std::move(health);
}

void MailboxReader::Run(std::stop_token stop) {
  const std::stop_callback on_stop(stop, [this] {
    MutexLock lock(mutex_);
    if (connection_ != nullptr) connection_->Interrupt();
    stopped_.NotifyAll();
  });
  while (!stop.stop_requested()) {
    const absl::Status status = RunSession(stop);
    if (stop.stop_requested()) break;
    metrics_.failures.Increment();
    SetHealth(status);
    const absl::Duration delay = backoff_.Next();
    log_.Warning("mailbox connection ended", {{"error", status}, {"retry_in", delay}});
    MutexLock lock(mutex_);
    const Timeout timeout(delay);
    while (!stop.stop_requested() && !timeout.Expired()) {
      stopped_.WaitFor(mutex_, timeout.Remaining());
    }
  }
  SetHealth(absl::UnavailableError("stopped"));
}

absl::Status MailboxReader::RunSession(std::stop_token stop) {
  WISSEL_ASSIGN_OR_RETURN(const std::unique_ptr<ImapConnection> connection,
                          ImapConnection::Open(options_.login));
  {
    MutexLock lock(mutex_);
    connection_ = connection.get();
  }
  const absl::Cleanup forget = [this] {
    MutexLock lock(mutex_);
    connection_ = nullptr;
  };
  WISSEL_ASSIGN_OR_RETURN(const SelectedFolder selected,
                          connection->Select(options_.folder, kDoneKeyword));
  keeps_keyword_ = selected.keeps_keyword;
  if (!done_loaded_) {
    WISSEL_ASSIGN_OR_RETURN(done_, DoneMarks::Load(options_.state_file));
    done_loaded_ = true;
  }
  if (done_.uid_validity != selected.uid_validity) {
    if (done_.uid_validity != 0) {
      log_.Warning("mailbox has a new UIDVALIDITY: what has no mark is read again",
                   {{"old", done_.uid_validity}, {"new", selected.uid_validity}});
    }
    done_ = DoneMarks{.uid_validity = selected.uid_validity, .uids = {}};
    failures_.clear();
  }
  log_.Info("mailbox opened",
            {{"uid_validity", selected.uid_validity}, {"keywords", MarksByKeyword()}});
  SetHealth(absl::OkStatus());
  while (!stop.stop_requested()) {
    WISSEL_RETURN_IF_ERROR(ReadUnmarked(*connection, stop));
    // Not before: a taker that fails is a reason to slow down too.
    backoff_.Reset();
    if (stop.stop_requested()) break;
    absl::Duration limit = options_.idle_renewal;
    for (const auto& [uid, failure] : failures_) {
      limit = std::clamp(failure.retry - absl::Now(), absl::ZeroDuration(), limit);
    }
    WISSEL_RETURN_IF_ERROR(connection->WaitForChange(limit, options_.poll_interval));
  }
  return absl::OkStatus();
}

absl::Status MailboxReader::ReadUnmarked(ImapConnection& connection, std::stop_token stop) {
  WISSEL_ASSIGN_OR_RETURN(std::vector<uint32_t> uids,
                          connection.Search(keeps_keyword_ ? kDoneKeyword : "", options_.since));
  // Those that have no keyword because the server did not take it.
  std::vector<uint32_t> taken;
  std::erase_if(uids, [&](uint32_t uid) {
    if (!done_.uids.Contains(uid)) return false;
    taken.push_back(uid);
    return true;
  });
  for (size_t start = 0; start < taken.size() && MarksByKeyword(); start += kUidsAtOnce) {
    WISSEL_RETURN_IF_ERROR(
        Mark(connection, absl::MakeConstSpan(taken).subspan(start, kUidsAtOnce)));
  }

  size_t left = uids.size();
  metrics_.backlog.Set(static_cast<double>(left));
  std::erase_if(failures_, [&](const auto& failure) {
    return !std::binary_search(uids.begin(), uids.end(), failure.first);
  });
  const absl::Time now = absl::Now();
  std::erase_if(uids, [&](uint32_t uid) {
    const auto failure = failures_.find(uid);
    return failure != failures_.end() && failure->second.retry > now;
  });
  const size_t put_off = left - uids.size();
  for (size_t start = 0; start < uids.size(); start += kUidsAtOnce) {
    const absl::Span<const uint32_t> chunk = absl::MakeConstSpan(uids).subspan(start, kUidsAtOnce);
    WISSEL_ASSIGN_OR_RETURN(const std::vector<MailSize> sizes, connection.FetchSizes(chunk));
    for (size_t first = 0; first < sizes.size();) {
      if (stop.stop_requested()) return absl::OkStatus();
      const size_t max_mails = single_ > 0 ? 1 : options_.batch_mails;
      size_t bytes = 0;
      size_t end = first;
      while (end < sizes.size() && end - first < max_mails) {
        // What is too large comes without its body.
        const size_t size = sizes[end].bytes > options_.max_mail_bytes ? 0 : sizes[end].bytes;
        if (end > first && bytes + size > options_.batch_bytes) break;
        bytes += size;
        ++end;
      }
      WISSEL_RETURN_IF_ERROR(
          ReadBatch(connection, absl::MakeConstSpan(sizes).subspan(first, end - first)));
      left -= end - first;
      metrics_.backlog.Set(static_cast<double>(left));
      if (single_ > 0) --single_;
      first = end;
    }
  }
  metrics_.backlog.Set(static_cast<double>(put_off));
  return absl::OkStatus();
}

absl::Status MailboxReader::ReadBatch(ImapConnection& connection,
                                      absl::Span<const MailSize> batch) {
  absl::StatusOr<std::vector<FoundMail>> mails = FetchBatch(connection, batch);
  if (!mails.ok()) {
    if (!IsUnreadable(batch, mails.status())) return mails.status();
    log_.Error("mail given up: the server does not hand it out",
               {{"uid", batch.front().uid}, {"error", mails.status()}});
    mails = std::vector<FoundMail>{{.kind = FoundMail::Kind::kUnreadable,
                                    .reference = Reference(batch.front().uid),
                                    .received = std::nullopt,
                                    .size = batch.front().bytes,
                                    .bytes = ""}};
    WISSEL_RETURN_IF_ERROR(taker_->Take(*mails));
    done_.uids.Add(batch.front().uid);
    if (!MarksByKeyword()) WISSEL_RETURN_IF_ERROR(done_.Save(options_.state_file));
    // The connection is of no more use; the mark is set on the next.
    return absl::UnavailableError("imap: opening a new connection after an unreadable message");
  }
  if (!mails->empty()) {
    const absl::Status taken = taker_->Take(*mails);
    if (absl::IsResourceExhausted(taken)) single_ = batch.size();
    WISSEL_RETURN_IF_ERROR(taken);
  }
  std::vector<uint32_t> uids;
  for (const MailSize& mail : batch) {
    uids.push_back(mail.uid);
    done_.uids.Add(mail.uid);
    failures_.erase(mail.uid);
  }
  return Mark(connection, uids);
}

absl::StatusOr<std::vector<FoundMail>> MailboxReader::FetchBatch(ImapConnection& connection,
                                                                 absl::Span<const MailSize> batch) {
  std::vector<uint32_t> whole;
  std::vector<uint32_t> too_large;
  std::map<uint32_t, uint32_t> size_of;
  std::set<uint32_t> unnamed;  // not in any answer
  for (const MailSize& mail : batch) {
    unnamed.insert(mail.uid);
    (mail.bytes > options_.max_mail_bytes ? too_large : whole).push_back(mail.uid);
    size_of[mail.uid] = mail.bytes;
  }
  std::vector<FoundMail> found;
  const auto fetch = [&](const std::vector<uint32_t>& uids, ImapConnection::Part part,
                         FoundMail::Kind kind) -> absl::Status {
    if (uids.empty()) return absl::OkStatus();
    WISSEL_ASSIGN_OR_RETURN(std::vector<FetchedMail> mails, connection.Fetch(uids, part));
    for (FetchedMail& mail : mails) {
      unnamed.erase(mail.uid);
      found.push_back({.kind = kind,
                       .reference = Reference(mail.uid),
                       .received = mail.received,
                       .size = size_of[mail.uid],
                       .bytes = std::move(mail.bytes)});
    }
    return absl::OkStatus();
  };
  WISSEL_RETURN_IF_ERROR(fetch(whole, ImapConnection::Part::kWhole, FoundMail::Kind::kWhole));
  WISSEL_RETURN_IF_ERROR(
      fetch(too_large, ImapConnection::Part::kHeader, FoundMail::Kind::kTooLarge));
  if (!unnamed.empty()) {
    WISSEL_ASSIGN_OR_RETURN(
        const std::vector<MailSize> left_out,
        connection.FetchSizes(std::vector<uint32_t>(unnamed.begin(), unnamed.end())));
    if (!left_out.empty()) {
      return absl::DataLossError(
          absl::StrCat("imap: UID FETCH BODY: the answer leaves out ", left_out.front().uid));
    }
  }
  return found;
}

bool MailboxReader::IsUnreadable(absl::Span<const MailSize> batch, const absl::Status& error) {
  if (batch.size() > 1) {
    // One of them is the culprit: find out which.
    single_ = batch.size();
    return false;
  }
  single_ = std::max<size_t>(single_, 1);
  const int weight = error.code() == absl::StatusCode::kUnavailable ? kMaxRefusals : kMaxBreaks;
  const absl::Time now = absl::Now();
  Failure& failure = failures_.try_emplace(batch.front().uid, Failure{.first = now}).first->second;
  const absl::Duration failing = now - failure.first;
  failure.points += weight;
  failure.retry = now + std::min(failing, kMaxRetryPause);
  return failure.points >= kMaxRefusals * kMaxBreaks && failing >= options_.unreadable_after;
}

absl::Status MailboxReader::Mark(ImapConnection& connection, absl::Span<const uint32_t> uids) {
  if (MarksByKeyword()) {
    const absl::Status status = connection.AddKeyword(uids, kDoneKeyword);
    if (status.ok()) mark_refusals_ = 0;
    if (status.code() != absl::StatusCode::kFailedPrecondition) return status;
    ++mark_refusals_;
    if (MarksByKeyword()) return status;
    log_.Warning("mailbox takes no keywords after all: marks go to a file", {{"error", status}});
  }
  return done_.Save(options_.state_file);
}

bool MailboxReader::MarksByKeyword() const {
  return keeps_keyword_ && mark_refusals_ < kMaxMarkRefusals;
}

std::string MailboxReader::Reference(uint32_t uid) const {
  return absl::StrCat(options_.folder, ";uidvalidity=", done_.uid_validity, ";uid=", uid);
}

}  // namespace wissel::email
