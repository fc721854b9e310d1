#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/mutex.h"

namespace wissel::email {

enum class Security {
  kTls,       // from the first byte
  kStartTls,  // asked for before anything else; without it no connection
  kNone,      // for a server on the same machine; the configuration allows no other
};

// Where a mail server is and who we are there.
struct ServerLogin {
  std::string host;
  uint16_t port = 0;
  Security security = Security::kTls;
  std::string ca_file;  // PEM; empty: the system's authorities
  std::string user;
  std::string password;
  absl::Duration timeout = absl::Seconds(30);  // for each answer
};

struct SelectedFolder {
  uint32_t uid_validity = 0;
  // Messages can be marked with the keyword, and the marks stay.
  bool keeps_keyword = false;
};

struct MailSize {
  uint32_t uid = 0;
  uint32_t bytes = 0;
};

struct FetchedMail {
  uint32_t uid = 0;
  std::optional<absl::Time> received;  // IMAP's INTERNALDATE
  std::string bytes;
};

// One connection to an IMAP server (RFC 3501, IDLE of RFC 2177), logged in. Blocking. For one
// thread, but for Interrupt. Errors, after which the connection is of no more use except where
// said:
//
//   UNAVAILABLE          no connection, or it broke, or an answer took longer than the timeout
//   UNAUTHENTICATED      wrong user or password; or the server's certificate does not name it or
//   was
//                        signed by nobody we trust, in which case no password was sent
//   FAILED_PRECONDITION  the server refuses the command; the connection stays good
//   DATA_LOSS            the server's answer cannot be read
class ImapConnection {
 public:
  static absl::StatusOr<std::unique_ptr<ImapConnection>> Open(const ServerLogin& login);
  ~ImapConnection();
  ImapConnection(const ImapConnection&) = delete;
  ImapConnection& operator=(const ImapConnection&) = delete;

  absl::StatusOr<SelectedFolder> Select(const std::string& folder, absl::string_view keyword);

  // The UIDs of the selected folder, rising: of all messages, or of those without `keyword`;
  // received on `since` or later where given (by day, in the server's time zone).
  absl::StatusOr<std::vector<uint32_t>> Search(absl::string_view without_keyword,
                                               std::optional<absl::CivilDay> since);

  // Of those messages that are still there, by rising UID.
  absl::StatusOr<std::vector<MailSize>> FetchSizes(absl::Span<const uint32_t> uids);

  enum class Part { kWhole, kHeader };
  // Of those messages that are still there; `uids` rising. Does not mark them as read.
  absl::StatusOr<std::vector<FetchedMail>> Fetch(absl::Span<const uint32_t> uids, Part part);

  // Adds `keyword` to the messages.
  absl::Status AddKeyword(absl::Span<const uint32_t> uids, absl::string_view keyword);

  // Returns when the folder may have changed, when `limit` has passed, or when interrupted. Where
  // the server cannot announce changes this is a wait of `poll_interval` at most.
  absl::Status WaitForChange(absl::Duration limit, absl::Duration poll_interval);

  // Ends WaitForChange, the present or else the next one. From any thread.
  void Interrupt();

 private:
  struct Session;
  explicit ImapConnection(std::unique_ptr<Session> session);

  const std::unique_ptr<Session> session_;
  Mutex mutex_;
  CondVar interrupted_changed_;
  bool interrupted_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace wissel::email
