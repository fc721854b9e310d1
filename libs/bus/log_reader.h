#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "libs/bus/reader_rule.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::bus {

// A valid record of the log.
struct LogEntry {
  int64_t offset = 0;
  absl::Time time;  // When it was appended; see Record.
  std::string key;
  Headers headers;
  wissel::log::v1::LogRecord record;
};

// A record that the rule skips.
struct VoidRecord {
  int64_t offset = 0;
  Verdict verdict = Verdict::kGarbage;
  RecordStamp stamp;
};

// A place in a partition of the log, with what the rule must know to go on there. What a checkpoint
// keeps.
struct LogPosition {
  int64_t offset = 0;  // The next record.
  RuleState rule;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// At `offset` with nothing known of what stands before it: reading gives valid records from the
// first footing on (reader_rule.h).
LogPosition UnknownPosition(int64_t offset);

// What the rule looks at in the bytes of a record; the parsed record goes to `record`.
RecordStamp ReadStamp(absl::string_view value, wissel::log::v1::LogRecord& record);

struct LogReaderOptions {
  // Where to go on; from what retention has left if not given.
  std::optional<LogPosition> from;

  std::shared_ptr<Wakeup> wakeup;

  // Sees each skipped record, in its place between the valid ones, during Poll and Pass.
  absl::AnyInvocable<void(const VoidRecord&)> on_void;

  // For the chaos test's canary only: passes every record that parses, valid or not.
  bool ignore_reader_rule = false;
};

// Reads a partition of the log: valid records only. Garbage and void records are counted and never
// hold it up. For one thread at a time.
class LogReader {
 public:
  //   UNAVAILABLE, NOT_FOUND  as Bus::OpenReader and Reader::StartOffset
  static absl::StatusOr<std::unique_ptr<LogReader>> Open(Bus& bus, int32_t partition,
                                                         LogReaderOptions options);

  // The next valid records, in order; `max` records are looked at, so fewer may come, or none
  // though there are more (compare position and EndOffset).
  //   OUT_OF_RANGE  the position is older than what retention has left: forget what was folded, and
  //                 open another reader without `from`
  absl::StatusOr<std::vector<LogEntry>> Poll(size_t max, absl::Duration timeout);

  // Judges the record at position() unread, and goes on behind it: for one who knows what stands
  // there. True where it counts.
  bool Pass(const RecordStamp& stamp);

  // Stops fetching until the next Poll, which goes on at position().
  void Rest() { reader_.reset(); }
  bool resting() const { return reader_ == nullptr; }

  // Behind everything that Poll has looked at, and Pass.
  LogPosition position() const { return {position_, rule_}; }
  int64_t offset() const { return position_; }
  const RuleState& rule() const { return rule_; }

  // As Reader's.
  //   UNAVAILABLE  also: it rests, and cannot read on
  absl::StatusOr<int64_t> EndOffset();

  // How many records got this verdict since the reader was opened.
  int64_t count(Verdict verdict) const { return counts_[static_cast<size_t>(verdict)]; }

 private:
  LogReader(Bus& bus, int32_t partition, LogReaderOptions options)
      : bus_(bus), partition_(partition), options_(std::move(options)) {}

  absl::Status ReadOn();
  // True where the record passes.
  bool Judge(const RecordStamp& stamp, int64_t offset);

  Bus& bus_;
  const int32_t partition_;
  LogReaderOptions options_;
  std::unique_ptr<Reader> reader_;  // Null while resting.
  int64_t position_ = 0;
  RuleState rule_;
  std::array<int64_t, kVerdicts> counts_{};
};

}  // namespace wissel::bus
