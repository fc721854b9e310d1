#include "libs/bus/sqlite_log.h"

#include <sqlite3.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace wissel::bus::internal {
namespace {

constexpr int64_t kApplicationId = 0x57495353;  // "WISS": SQLite's mark for whose file this is.
constexpr int64_t kSchemaVersion = 1;

// A record's row id orders rows by topic, partition, offset; appending is then an insert at the end
// of a partition's range, and reading a range scan. 6 bits, 16 bits and 40 bits.
constexpr int kOffsetBits = 40;
constexpr int kPartitionBits = 16;

int64_t RowId(Topic topic, int32_t partition, int64_t offset) {
  WISSEL_CHECK(partition >= 0 && partition < (1 << kPartitionBits)) << partition;
  WISSEL_CHECK(offset >= 0 && offset < (int64_t{1} << kOffsetBits)) << offset;
  return static_cast<int64_t>(topic) << (kOffsetBits + kPartitionBits) |
         static_cast<int64_t>(partition) << kOffsetBits | offset;
}

int64_t OffsetOf(int64_t row_id) { return row_id & ((int64_t{1} << kOffsetBits) - 1); }

void PutLength(size_t length, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(length >> shift));
}

// Each name and value as four bytes of length, little-endian, and its bytes.
std::string EncodeHeaders(const Headers& headers) {
  std::string out;
  for (const auto& [name, value] : headers) {
    PutLength(name.size(), out);
    out += name;
    PutLength(value.size(), out);
    out += value;
  }
  return out;
}

bool TakeString(absl::string_view& in, std::string& out) {
  if (in.size() < 4) return false;
  size_t length = 0;
  for (int i = 0; i < 4; ++i) length |= size_t{static_cast<unsigned char>(in[i])} << (8 * i);
  in.remove_prefix(4);
  if (in.size() < length) return false;
  out.assign(in.data(), length);
  in.remove_prefix(length);
  return true;
}

bool DecodeHeaders(absl::string_view in, Headers& headers) {
  while (!in.empty()) {
    auto& [name, value] = headers.emplace_back();
    if (!TakeString(in, name) || !TakeString(in, value)) return false;
  }
  return true;
}

int BindBytes(sqlite3_stmt* statement, int index, const std::string& bytes) {
  return sqlite3_bind_blob64(statement, index, bytes.data(), bytes.size(), SQLITE_STATIC);
}

absl::string_view ColumnBytes(sqlite3_stmt* statement, int column) {
  const void* data = sqlite3_column_blob(statement, column);
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement, column))};
}

absl::StatusCode CodeOf(int sqlite_code) {
  switch (sqlite_code & 0xff) {  // The low byte is the kind, the rest the detail.
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::StatusCode::kDataLoss;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_NOMEM:
      return absl::StatusCode::kUnavailable;
  }
  return absl::StatusCode::kInternal;  // The rest: misuse, or a constraint that cannot be hurt.
}

}  // namespace

// A statement for one use.
class SqliteLog::Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;
  sqlite3_stmt* get() const { return statement_; }

 private:
  sqlite3_stmt* statement_;
};

absl::StatusOr<std::unique_ptr<SqliteLog>> SqliteLog::Open(const Options& options) {
  sqlite3* db = nullptr;
  const int access =
      options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const int flags = access | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(options.path.c_str(), &db, flags, nullptr);
  auto log = std::unique_ptr<SqliteLog>(new SqliteLog(db));  // Owns the handle, failed or not.
  if (code != SQLITE_OK) {
    return absl::Status(CodeOf(code),
                        absl::StrCat("embedded log ", options.path, ": ", sqlite3_errstr(code)));
  }
  WISSEL_RETURN_IF_ERROR(log->SetUp(options));
  return log;
}

SqliteLog::~SqliteLog() {
  sqlite3_finalize(insert_);
  sqlite3_finalize(select_);
  sqlite3_close(db_);
}

template <class Body>
absl::Status SqliteLog::InTransaction(Body body) {
  WISSEL_RETURN_IF_ERROR(Execute("BEGIN IMMEDIATE"));
  absl::Status status = body();
  if (status.ok()) status = Execute("COMMIT");
  // SQLite has rolled back by itself after some errors, disk full among them.
  if (!status.ok() && sqlite3_get_autocommit(db_) == 0) Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status SqliteLog::SetUp(const Options& options) {
  MutexLock lock(mutex_);
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_busy_timeout(db_, 5000);
  if (!options.read_only) {
    // FULL: the write-ahead log is synced at each commit, so that what is acknowledged is on the
    // disk.
    WISSEL_RETURN_IF_ERROR(Execute("PRAGMA journal_mode = WAL"));
    WISSEL_RETURN_IF_ERROR(Execute("PRAGMA synchronous = FULL"));
    WISSEL_RETURN_IF_ERROR(Execute("PRAGMA wal_autocheckpoint = 4000"));
    WISSEL_RETURN_IF_ERROR(Execute("PRAGMA journal_size_limit = 67108864"));
  }
  if (options.max_file_bytes > 0) {
    WISSEL_ASSIGN_OR_RETURN(const int64_t page_bytes, ReadInt("PRAGMA page_size"));
    const int64_t pages = std::max<int64_t>(1, options.max_file_bytes / page_bytes);
    WISSEL_RETURN_IF_ERROR(Execute(absl::StrCat("PRAGMA max_page_count = ", pages).c_str()));
  }

  WISSEL_ASSIGN_OR_RETURN(const int64_t application, ReadInt("PRAGMA application_id"));
  WISSEL_ASSIGN_OR_RETURN(const int64_t tables, ReadInt("SELECT count(*) FROM sqlite_schema"));
  WISSEL_ASSIGN_OR_RETURN(const int64_t version, ReadInt("PRAGMA user_version"));
  if (tables == 0 && options.read_only) {
    return absl::NotFoundError(absl::StrCat("embedded log ", options.path, ": empty"));
  }
  if (tables == 0) {
    WISSEL_RETURN_IF_ERROR(InTransaction([this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      WISSEL_RETURN_IF_ERROR(
          Execute(absl::StrCat("PRAGMA application_id = ", kApplicationId).c_str()));
      WISSEL_RETURN_IF_ERROR(
          Execute(absl::StrCat("PRAGMA user_version = ", kSchemaVersion).c_str()));
      return Execute(
          "CREATE TABLE records (id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL,"
          " key BLOB NOT NULL, value BLOB NOT NULL, headers BLOB NOT NULL);"
          "CREATE TABLE heads (partition_id INTEGER PRIMARY KEY, start INTEGER NOT NULL);"
          "CREATE TABLE settings (name TEXT PRIMARY KEY, value INTEGER NOT NULL)");
    }));
  } else if (application != kApplicationId || version != kSchemaVersion) {
    return absl::DataLossError(absl::StrCat("embedded log ", options.path,
                                            ": not a log of this version (application id ",
                                            application, ", version ", version, ")"));
  }
  WISSEL_RETURN_IF_ERROR(Prepare(
      "INSERT INTO records (id, time_ms, key, value, headers) VALUES (?, ?, ?, ?, ?)", &insert_));
  return Prepare(
      "SELECT id, time_ms, key, value, headers FROM records WHERE id >= ? AND id < ? ORDER BY id"
      " LIMIT ?",
      &select_);
}

absl::StatusOr<int> SqliteLog::Partitions(int partitions) {
  {
    MutexLock lock(mutex_);
    WISSEL_RETURN_IF_ERROR(
        Execute(absl::StrCat("INSERT INTO settings (name, value) VALUES ('partitions', ",
                             partitions, ") ON CONFLICT DO NOTHING")
                    .c_str()));
  }
  return FindPartitions();
}

absl::StatusOr<int> SqliteLog::FindPartitions() {
  MutexLock lock(mutex_);
  WISSEL_ASSIGN_OR_RETURN(const int64_t count,
                          ReadInt("SELECT value FROM settings WHERE name = 'partitions'"));
  return static_cast<int>(count);
}

absl::StatusOr<Bounds> SqliteLog::FindBounds(Topic topic, int32_t partition) {
  const int64_t base = RowId(topic, partition, 0);
  MutexLock lock(mutex_);
  Bounds bounds;
  WISSEL_ASSIGN_OR_RETURN(bounds.start,
                          ReadInt(absl::StrCat("SELECT coalesce(max(start), 0) FROM heads"
                                               " WHERE partition_id = ",
                                               base >> kOffsetBits)
                                      .c_str()));
  WISSEL_ASSIGN_OR_RETURN(const int64_t last,
                          ReadInt(absl::StrCat("SELECT coalesce(max(id), -1) FROM records"
                                               " WHERE id BETWEEN ",
                                               base, " AND ", base | OffsetOf(-1))
                                      .c_str()));
  bounds.end = last < 0 ? bounds.start : OffsetOf(last) + 1;
  return bounds;
}

absl::Status SqliteLog::Write(absl::Span<const Record> records) {
  MutexLock lock(mutex_);
  return InTransaction([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS -> absl::Status {
    for (const Record& record : records) {
      const std::string headers = EncodeHeaders(record.headers);
      sqlite3_bind_int64(insert_, 1, RowId(record.topic, record.partition, record.offset));
      sqlite3_bind_int64(insert_, 2, absl::ToUnixMillis(record.time));
      BindBytes(insert_, 3, record.key);
      BindBytes(insert_, 4, record.value);
      BindBytes(insert_, 5, headers);
      const int code = sqlite3_step(insert_);
      sqlite3_reset(insert_);
      if (code != SQLITE_DONE) return Error("append", code);
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<Record>> SqliteLog::Read(Topic topic, int32_t partition, int64_t offset,
                                                    int64_t end, size_t max, size_t max_bytes) {
  std::vector<Record> records;
  MutexLock lock(mutex_);
  sqlite3_bind_int64(select_, 1, RowId(topic, partition, offset));
  sqlite3_bind_int64(select_, 2, RowId(topic, partition, end));
  sqlite3_bind_int64(select_, 3, static_cast<int64_t>(std::min<size_t>(max, 1 << 20)));
  absl::Status status;
  size_t bytes = 0;
  while (bytes < max_bytes) {
    const int code = sqlite3_step(select_);
    if (code == SQLITE_DONE) break;
    if (code != SQLITE_ROW) {
      status = Error("read", code);
      break;
    }
    Record& record = records.emplace_back();
    record.topic = topic;
    record.partition = partition;
    record.offset = OffsetOf(sqlite3_column_int64(select_, 0));
    record.time = absl::FromUnixMillis(sqlite3_column_int64(select_, 1));
    record.key = std::string(ColumnBytes(select_, 2));
    record.value = std::string(ColumnBytes(select_, 3));
    if (!DecodeHeaders(ColumnBytes(select_, 4), record.headers)) {
      status = absl::DataLossError(absl::StrCat("embedded log: headers at offset ", record.offset));
      break;
    }
    bytes += record.key.size() + record.value.size() + ColumnBytes(select_, 4).size();
  }
  sqlite3_reset(select_);
  if (!status.ok()) return status;
  return records;
}

absl::Status SqliteLog::Truncate(Topic topic, int32_t partition, int64_t offset) {
  const int64_t base = RowId(topic, partition, 0);
  MutexLock lock(mutex_);
  return InTransaction([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return Execute(absl::StrCat("INSERT INTO heads (partition_id, start) VALUES (",
                                base >> kOffsetBits, ", ", offset,
                                ") ON CONFLICT DO UPDATE SET start = max(start, excluded.start);"
                                "DELETE FROM records WHERE id >= ",
                                base, " AND id < ", base | offset)
                       .c_str());
  });
}

absl::Status SqliteLog::Probe() {
  MutexLock lock(mutex_);
  // Needs room in the file, and leaves it to the next record.
  return InTransaction([&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return Execute(
        "INSERT INTO records (id, time_ms, key, value, headers)"
        " VALUES (-1, 0, x'', zeroblob(65536), x'');"
        "DELETE FROM records WHERE id = -1");
  });
}

absl::Status SqliteLog::Execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(sql, code);
}

absl::Status SqliteLog::Prepare(const char* sql, sqlite3_stmt** statement) {
  const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(sql, code);
}

absl::StatusOr<int64_t> SqliteLog::ReadInt(const char* sql) {
  sqlite3_stmt* raw = nullptr;
  WISSEL_RETURN_IF_ERROR(Prepare(sql, &raw));
  const Statement statement(raw);
  const int code = sqlite3_step(raw);
  if (code != SQLITE_ROW) return Error(sql, code);
  return sqlite3_column_int64(raw, 0);
}

absl::Status SqliteLog::Error(absl::string_view doing, int code) {
  return absl::Status(
      CodeOf(code), absl::StrCat("embedded log: ", sqlite3_errmsg(db_), " (SQLite ",
                                 sqlite3_extended_errcode(db_), " in: ", doing.substr(0, 60), ")"));
}

}  // namespace wissel::bus::internal
