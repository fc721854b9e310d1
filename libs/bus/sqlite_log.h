#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"

struct sqlite3;
struct sqlite3_stmt;

namespace wissel::bus::internal {

// The bounds of a partition: records stand at [start, end).
struct Bounds {
  int64_t start = 0;
  int64_t end = 0;
};

// One connection to the log's tables. Thread-safe: calls take turns. No policy, no threads.
class SqliteLog {
 public:
  struct Options {
    std::string path;
    int64_t max_file_bytes = 0;
    // Beside the process that writes; makes and changes nothing.
    bool read_only = false;
  };

  // Opens the log, making file and tables where they are missing. Read-only: NOT_FOUND where they
  // are.
  static absl::StatusOr<std::unique_ptr<SqliteLog>> Open(const Options& options);
  ~SqliteLog();
  SqliteLog(const SqliteLog&) = delete;
  SqliteLog& operator=(const SqliteLog&) = delete;

  // The partition count the log was made with: `partitions` if it is new.
  absl::StatusOr<int> Partitions(int partitions);

  // The same, of a log that has been made.
  absl::StatusOr<int> FindPartitions();

  absl::StatusOr<Bounds> FindBounds(Topic topic, int32_t partition);

  // All of them or none, durable when it returns OK.
  absl::Status Write(absl::Span<const Record> records);

  // The records from `offset` to before `end`, `max` at most, and about `max_bytes`, but at least
  // one if there is one.
  absl::StatusOr<std::vector<Record>> Read(Topic topic, int32_t partition, int64_t offset,
                                           int64_t end, size_t max, size_t max_bytes);

  // Drops what stands before `offset` and remembers it as the start.
  absl::Status Truncate(Topic topic, int32_t partition, int64_t offset);

  // Whether a write would succeed.
  absl::Status Probe();

 private:
  class Statement;

  explicit SqliteLog(sqlite3* db) : db_(db) {}

  absl::Status Execute(const char* sql) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Prepare(const char* sql, sqlite3_stmt** statement)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetUp(const Options& options);
  absl::StatusOr<int64_t> ReadInt(const char* sql) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Runs `body` in a write transaction, which it commits, or rolls back on any error.
  template <class Body>
  absl::Status InTransaction(Body body) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Error(absl::string_view doing, int code) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  sqlite3* const db_ ABSL_PT_GUARDED_BY(mutex_);
  sqlite3_stmt* insert_ ABSL_GUARDED_BY(mutex_) = nullptr;
  sqlite3_stmt* select_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace wissel::bus::internal
