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

// The stamp of a decision from its first bytes, the rest unread; nothing where they are no decision
// as OwnedLog writes it.
std::optional<RecordStamp> PeekDecision(absl::string_view value);

struct LogReaderOptions {
  // Where to go on; from what retention has left if not given.
  std::optional<LogPosition> from;

  std::shared_ptr<Wakeup> wakeup;

  // Sees each skipped record, in its place between the valid ones, during Poll.
  absl::AnyInvocable<void(const VoidRecord&)> on_void;

  // Asked with the stamp of each decision before it is parsed: true where the caller has its body
  // already. Then its stamp is judged like any other, and its entry's record has the stamp alone.
  absl::AnyInvocable<bool(const RecordStamp&)> known;

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

  // Behind everything that Poll has looked at.
  LogPosition position() const { return {reader_->position(), rule_}; }
  const RuleState& rule() const { return rule_; }

  // As Reader's.
  absl::StatusOr<int64_t> EndOffset() { return reader_->EndOffset(); }

  // How many records got this verdict since the reader was opened.
  int64_t count(Verdict verdict) const { return counts_[static_cast<size_t>(verdict)]; }

 private:
  LogReader(std::unique_ptr<Reader> reader, RuleState rule, LogReaderOptions options)
      : reader_(std::move(reader)), rule_(std::move(rule)), options_(std::move(options)) {}

  const std::unique_ptr<Reader> reader_;
  RuleState rule_;
  LogReaderOptions options_;
  std::array<int64_t, kVerdicts> counts_{};
};

}  // namespace wissel::bus
