#include "services/ctl/log_source.h"

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/bus/embedded.h"
#include "services/ctl/connections.h"

namespace wissel::ctl {
namespace {

constexpr size_t kMinIdBytes = 4;
constexpr size_t kBatch = 1000;
// How long the broker has to bring more of what is there already; then it is taken for away.
constexpr absl::Duration kCatchUpPoll = absl::Seconds(10);
// How long one round of asking every partition for news waits, together.
constexpr absl::Duration kFollowRound = absl::Milliseconds(100);

struct Waiting {
  int64_t offset = 0;
  bus::Verdict verdict = bus::Verdict::kValid;
  bus::LogEntry entry;  // where valid
};

// A partition's records that have been read and not yet shown.
class Lane {
 public:
  Lane(int32_t partition, int64_t end, std::unique_ptr<bus::LogReader> reader,
       std::shared_ptr<std::vector<bus::VoidRecord>> voids)
      : partition_(partition), end_(end), reader_(std::move(reader)), voids_(std::move(voids)) {}

  bool empty() const { return waiting_.empty(); }
  bool AtEnd() const { return waiting_.empty() && reader_->position().offset >= end_; }
  absl::Time time() const { return waiting_.front().entry.time; }

  absl::Status Fill(absl::Duration timeout) {
    voids_->clear();
    WISSEL_ASSIGN_OR_RETURN(std::vector<bus::LogEntry> entries, reader_->Poll(kBatch, timeout));
    // Both in order of offset: merged.
    size_t next_void = 0;
    const auto take_voids = [&](int64_t before) {
      for (; next_void < voids_->size() && (*voids_)[next_void].offset < before; ++next_void) {
        const bus::VoidRecord& v = (*voids_)[next_void];
        // Shown where the records around it are.
        waiting_.push_back({.offset = v.offset, .verdict = v.verdict, .entry = {}});
        waiting_.back().entry.time = last_time_;
      }
    };
    for (bus::LogEntry& entry : entries) {
      take_voids(entry.offset);
      last_time_ = entry.time;
      waiting_.push_back({.offset = entry.offset, .entry = std::move(entry)});
    }
    take_voids(reader_->position().offset);
    if (!begins_.has_value() && !waiting_.empty()) begins_ = waiting_.front().offset;
    return absl::OkStatus();
  }

  // The same of what was there when the walk began.
  absl::Status CatchUp() {
    const int64_t before = reader_->offset();
    WISSEL_RETURN_IF_ERROR(Fill(kCatchUpPoll));
    if (reader_->offset() > before) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat(
        "the log's partition ", partition_, " goes to offset ", end_, ", but from ", before,
        " on nothing came within ", absl::FormatDuration(kCatchUpPoll), ": is the broker away?"));
  }

  absl::Status Visit(absl::FunctionRef<absl::Status(const LogItem&)> visit) {
    const Waiting item = std::move(waiting_.front());
    waiting_.pop_front();
    const bool valid = item.verdict == bus::Verdict::kValid;
    return visit({.partition = partition_,
                  .offset = item.offset,
                  .begins = *begins_,
                  .entry = valid ? &item.entry : nullptr,
                  .verdict = item.verdict});
  }

 private:
  int32_t partition_;
  std::optional<int64_t> begins_;
  int64_t end_;  // when the walk began
  std::unique_ptr<bus::LogReader> reader_;
  std::shared_ptr<std::vector<bus::VoidRecord>> voids_;
  std::deque<Waiting> waiting_;
  absl::Time last_time_ = absl::InfinitePast();
};

absl::Status CatchUp(std::vector<Lane>& lanes, const WalkOptions& options,
                     absl::FunctionRef<absl::Status(const LogItem&)> visit) {
  while (true) {
    Lane* first = nullptr;
    for (Lane& lane : lanes) {
      while (lane.empty() && !lane.AtEnd()) {
        const absl::Status status = lane.CatchUp();
        if (!options.follow || !absl::IsUnavailable(status)) WISSEL_RETURN_IF_ERROR(status);
      }
      if (!lane.empty() && (first == nullptr || lane.time() < first->time())) first = &lane;
    }
    if (first == nullptr) return absl::OkStatus();
    WISSEL_RETURN_IF_ERROR(first->Visit(visit));
  }
}

absl::Status Walk(bus::Bus& bus, const WalkOptions& options,
                  absl::FunctionRef<absl::Status(const LogItem&)> visit) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus.PartitionCount(bus::Topic::kLog));
  std::vector<Lane> lanes;
  for (int32_t p = 0; p < partitions; ++p) {
    if (options.partition != WalkOptions::kAllPartitions && options.partition != p) continue;
    auto voids = std::make_shared<std::vector<bus::VoidRecord>>();
    bus::LogReaderOptions reader_options;
    reader_options.on_void = [voids](const bus::VoidRecord& record) { voids->push_back(record); };
    WISSEL_ASSIGN_OR_RETURN(auto reader, bus::LogReader::Open(bus, p, std::move(reader_options)));
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
    lanes.emplace_back(p, end, std::move(reader), std::move(voids));
  }
  if (lanes.empty()) {
    return absl::NotFoundError(absl::StrCat("the log has no partition ", options.partition));
  }
  WISSEL_RETURN_IF_ERROR(CatchUp(lanes, options, visit));
  while (options.follow) {
    for (Lane& lane : lanes) {
      WISSEL_RETURN_IF_ERROR(lane.Fill(kFollowRound / static_cast<int64_t>(lanes.size())));
      while (!lane.empty()) WISSEL_RETURN_IF_ERROR(lane.Visit(visit));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<bus::Bus>> OpenLog(const Session& session) {
  if (const std::string& file = session.flags.log_file; !file.empty()) {
    auto log = bus::OpenEmbeddedLogReadOnly(file);
    if (log.ok()) return log;
    const bool no_log = absl::IsNotFound(log.status()) || absl::IsDataLoss(log.status());
    const std::string what(log.status().message());
    return absl::Status(no_log ? absl::StatusCode::kInvalidArgument : log.status().code(),
                        absl::StrContains(what, file) ? what : absl::StrCat(file, ": ", what));
  }
  WISSEL_ASSIGN_OR_RETURN(const auto kafka, KafkaOf(session));
  if (kafka.has_value()) return connections::OpenKafka(*kafka, "wisselctl", telemetry::Logger());
  return absl::InvalidArgumentError(
      "which log? Give --kafka HOST:PORT, --connections FILE with a kafka section, --log-file "
      "FILE, "
      "or --context FILE (wissel-dev writes one)");
}

std::string SayBeginnings(const std::map<int32_t, int64_t>& begins) {
  std::string places;
  for (const auto& [partition, offset] : begins) {
    if (offset == 0) continue;
    absl::StrAppend(&places, places.empty() ? "" : ", ", "[", partition, "]@", offset);
  }
  if (places.empty()) return "";
  return absl::StrCat("the log begins at ", places, ": retention has taken what was before");
}

absl::Status CheckBeginning(absl::string_view wanted) {
  if (wanted.size() >= kMinIdBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("CONVERSATION: expected at least ", kMinIdBytes, " characters of its id"));
}

absl::Status FitsSeveral(absl::string_view wanted, absl::string_view one, absl::string_view other) {
  return absl::InvalidArgumentError(
      absl::StrCat(wanted, " fits several conversations, ", one, " and ", other, " among them"));
}

absl::Status NoSuchConversation(absl::string_view wanted,
                                const std::map<int32_t, int64_t>& begins) {
  const std::string cut = SayBeginnings(begins);
  return absl::NotFoundError(
      absl::StrCat("no conversation ", wanted, " in the log", cut.empty() ? "" : "; ", cut));
}

absl::Status WalkLog(bus::Bus& bus, const WalkOptions& options,
                     absl::FunctionRef<absl::Status(const LogItem&)> visit) {
  const absl::Status status = Walk(bus, options, visit);
  return absl::IsCancelled(status) ? absl::OkStatus() : status;
}

}  // namespace wissel::ctl
