#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/bus/embedded.h"
#include "libs/bus/sqlite_log.h"

namespace wissel::bus {
namespace {

using internal::SqliteLog;

// Another process's appends wake nobody here.
constexpr absl::Duration kPollInterval = absl::Milliseconds(20);
constexpr size_t kMaxPollBytes = 8 << 20;

absl::Status ReadOnly() {
  return absl::FailedPreconditionError("embedded log: opened for reading only");
}

class ReadOnlyReader final : public Reader {
 public:
  ReadOnlyReader(SqliteLog& log, Topic topic, int32_t partition, int64_t offset)
      : log_(log), topic_(topic), partition_(partition), position_(offset) {}

  absl::StatusOr<std::vector<Record>> Poll(size_t max, absl::Duration timeout) override {
    const Timeout limit(timeout);
    while (true) {
      WISSEL_ASSIGN_OR_RETURN(const internal::Bounds bounds, log_.FindBounds(topic_, partition_));
      if (position_ < bounds.start || position_ > bounds.end) {
        return absl::OutOfRangeError(absl::StrCat("offset ", position_, " is outside [",
                                                  bounds.start, ", ", bounds.end, "]"));
      }
      WISSEL_ASSIGN_OR_RETURN(
          std::vector<Record> records,
          log_.Read(topic_, partition_, position_, bounds.end, max, kMaxPollBytes));
      if (!records.empty()) position_ = records.back().offset + 1;
      if (!records.empty() || limit.Expired()) return records;
      absl::SleepFor(std::min(kPollInterval, limit.Remaining()));
    }
  }
  absl::Status Seek(int64_t offset) override {
    position_ = offset;
    return absl::OkStatus();
  }
  int64_t position() const override { return position_; }
  absl::StatusOr<int64_t> StartOffset() override {
    WISSEL_ASSIGN_OR_RETURN(const internal::Bounds bounds, log_.FindBounds(topic_, partition_));
    return bounds.start;
  }
  absl::StatusOr<int64_t> EndOffset() override {
    WISSEL_ASSIGN_OR_RETURN(const internal::Bounds bounds, log_.FindBounds(topic_, partition_));
    return bounds.end;
  }

 private:
  SqliteLog& log_;
  const Topic topic_;
  const int32_t partition_;
  int64_t position_;
};

class RefusingAppender final : public Appender {
 public:
  void Append(Outgoing, Done done) override { done(ReadOnly()); }
  absl::Status Admit(const Outgoing&) const override { return ReadOnly(); }
  absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }
};

class ReadOnlyBus final : public Bus {
 public:
  ReadOnlyBus(std::unique_ptr<SqliteLog> log, int partitions)
      : log_(std::move(log)), partitions_(partitions) {}

  absl::StatusOr<int> PartitionCount(Topic topic) override {
    return topic == Topic::kConfig ? 1 : partitions_;
  }
  absl::StatusOr<std::optional<TopicSettings>> SettingsOf(Topic) override { return std::nullopt; }
  absl::Status EnsureTopics(const std::vector<TopicSpec>&) override { return ReadOnly(); }
  std::unique_ptr<Appender> NewAppender(AppenderOptions) override {
    return std::make_unique<RefusingAppender>();
  }
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(Topic topic, int32_t partition,
                                                     ReaderOptions options) override {
    WISSEL_ASSIGN_OR_RETURN(const int count, PartitionCount(topic));
    if (partition < 0 || partition >= count) {
      return absl::NotFoundError(absl::StrCat(TopicName(topic), " has no partition ", partition));
    }
    // A wakeup could not be kept: whoever waits for one would wait for ever.
    if (options.wakeup != nullptr) return ReadOnly();
    return std::make_unique<ReadOnlyReader>(*log_, topic, partition, options.offset);
  }
  absl::StatusOr<std::unique_ptr<Membership>> Join(absl::string_view, Topic,
                                                   MemberOptions) override {
    return ReadOnly();
  }
  absl::Status TruncateBefore(Topic, int32_t, int64_t) override { return ReadOnly(); }
  absl::Status Health() override { return log_->FindPartitions().status(); }

 private:
  const std::unique_ptr<SqliteLog> log_;
  const int partitions_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Bus>> OpenEmbeddedLogReadOnly(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    return absl::NotFoundError(absl::StrCat("embedded log ", path, ": there is none"));
  }
  WISSEL_ASSIGN_OR_RETURN(auto log, SqliteLog::Open({.path = path, .read_only = true}));
  WISSEL_ASSIGN_OR_RETURN(const int partitions, log->FindPartitions());
  return std::make_unique<ReadOnlyBus>(std::move(log), partitions);
}

}  // namespace wissel::bus
