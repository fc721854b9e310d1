#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "services/agent-gateway/partition_view.h"

namespace wissel::agent_gateway {

/// Reads the stretch of the log between a place that the tail no longer keeps and one that it does,
/// and says of each event whose it is, exactly as the tail does, without the state at the stretch's
/// beginning: it goes through it twice. The first time it learns from the events themselves whose
/// each conversation was before (whatever changes that names who it was before), and asks the
/// tail about the rest: conversations that changed hands nowhere in the stretch, and the company
/// that neither came nor went in it. Blocks on the bus: for
/// worker threads, one at a time.
class CatchUp {
 public:
  /// Whose these conversations were at `offset`; called once, may block. In the order asked.
  using AskOwners = std::function<absl::StatusOr<std::vector<PartitionView::Owners>>(
      const std::vector<std::string>& conversations, int64_t offset)>;

  struct Options {
    Position from;
    int64_t until = 0;  // an offset that the tail keeps, not beyond the log's end
    int64_t max_records = 1'000'000;
  };

  ///   OUT_OF_RANGE  retention has passed `from`, or the stretch is longer than max_records
  ///   UNAVAILABLE   the log or the tail does not answer
  static absl::StatusOr<std::unique_ptr<CatchUp>> Open(bus::Bus& bus, const Options& options,
                                                       const AskOwners& ask);

  /// The next entries, in order; none when the stretch is done. Errors as Open.
  absl::StatusOr<std::vector<EntryPtr>> Next(size_t max);

  bool done() const { return reader_->position().offset >= options_.until; }
  /// Behind what Next has returned.
  Position position() const;

 private:
  CatchUp(const Options& options, std::unique_ptr<bus::LogReader> reader)
      : options_(options), reader_(std::move(reader)), last_(options.from) {}

  EntryPtr MakeEntry(const bus::LogEntry& record);

  const Options options_;
  std::unique_ptr<bus::LogReader> reader_;
  Position last_;  // behind the last record that was taken
  absl::flat_hash_map<std::string, PartitionView::Owners> owners_;
};

}  // namespace wissel::agent_gateway
