#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::store {

// What can go wrong between us and Redis.
enum class RedisError {
  kConnection,       // cannot connect, or the connection broke; a command under way may have run
  kTimeout,          // no answer in time; the command may run yet
  kProtocol,         // what came is not the Redis protocol
  kClientMemory,     // no memory for a reply
  kNoScript,         // NOSCRIPT: the server does not know the script
  kMoved,            // MOVED: another node of the cluster has the slot
  kAsk,              // ASK, TRYAGAIN: the slot is being moved
  kClusterDown,      // CLUSTERDOWN: nobody serves the slot
  kLoading,          // LOADING: the server reads its files
  kReadOnly,         // READONLY: a replica
  kMasterDown,       // MASTERDOWN: a replica without its primary
  kMisconfigured,    // MISCONF: cannot save, so refuses writes
  kTooFewReplicas,   // NOREPLICAS
  kServerMemory,     // OOM: at maxmemory
  kBusy,             // BUSY: a script runs for too long
  kUnauthenticated,  // NOAUTH, WRONGPASS
  kNoPermission,     // NOPERM
  kWrongType,        // WRONGTYPE: the key holds something else
  kAborted,          // EXECABORT: a command of the transaction was refused
  kOther,            // ERR and what we have no name for
};

// Reads the first word of an error reply, e.g. "WRONGTYPE Operation against a key ...".
RedisError ClassifyError(absl::string_view error_reply);

// The one place where Redis's errors become ours.
absl::Status ToStatus(RedisError error, absl::string_view detail);

// One reply, with everything inside it. Error replies are values, as a pipeline's commands fail one
// by one; `status` turns them into a Status.
struct Reply {
  enum class Kind { kNil, kInteger, kString, kSimple, kError, kArray };

  Kind kind = Kind::kNil;
  int64_t integer = 0;
  std::string text;             // of strings, simple strings ("OK", "QUEUED") and errors
  std::vector<Reply> elements;  // of arrays

  bool nil() const { return kind == Kind::kNil; }
  bool error() const { return kind == Kind::kError; }
  // OK unless this is an error reply.
  absl::Status status() const;

  // The value, or the error reply's status, or INTERNAL where it is of another kind.
  absl::StatusOr<int64_t> AsInteger() const;
  absl::StatusOr<absl::string_view> AsString() const;  // NOT_FOUND for nil
  absl::StatusOr<const std::vector<Reply>*> AsArray() const;
};

}  // namespace wissel::store
