#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "libs/store/redis.h"
#include "libs/telemetry/log.h"
#include "libs/views/checkpoint.h"
#include "libs/views/fold.h"
#include "libs/views/keys.h"
#include "services/projector/config.h"
#include "services/projector/metrics.h"

namespace wissel::projector {

// What every partition of a projector works with. All of it outlives them.
struct Environment {
  bus::Bus& bus;
  store::Redis& redis;
  const Clock& clock;
  telemetry::Logger log;
  Metrics& metrics;
  const ProjectorSettings& settings;
  std::shared_ptr<bus::Wakeup> wakeup;
};

// Keeps one partition's views up to date. Owns the fold. For one thread at a time; nothing happens
// but in Step.
//
// There is one way to recover from anything, a failed write of unknown outcome included: forget
// what is in memory and begin again, from the checkpoint if there is one that fits the log, else
// from the log with a clean slate. So two projectors on one partition are harmless: one of them
// writes, the other finds another place than it expected and begins again behind it.
class PartitionProjector {
 public:
  // `environment` must outlive it.
  PartitionProjector(const Environment& environment, int32_t partition);
  // Its lag is no longer this one's.
  ~PartitionProjector();
  PartitionProjector(const PartitionProjector&) = delete;
  PartitionProjector& operator=(const PartitionProjector&) = delete;

  // One piece of work: begins, or folds what has come and writes it. Does not wait for news. True
  // if there may be more to do at once. After an error the next Step begins again; pause before it.
  absl::StatusOr<bool> Step();

  int32_t partition() const { return keys_.partition(); }
  // The next record to read; nothing before it has begun.
  std::optional<int64_t> next_offset() const;

 private:
  // What is in the views, as far as this one knows; no more may be, another may have written.
  struct Written {
    int64_t next_offset = 0;
    absl::Time time;  // of the last record
  };

  absl::StatusOr<bool> Work();
  absl::Status Begin();
  absl::Status Write();
  absl::Status TakeOutExpired();
  absl::Status CheckStillThere();
  absl::Status MeasureLag();
  absl::Status Lose(absl::string_view reason, absl::Status status);
  bool Due(absl::Time& last, absl::Duration interval);

  const Environment& env_;
  const views::PartitionKeys keys_;
  const telemetry::Logger log_;
  telemetry::Gauge lag_offsets_;
  telemetry::Gauge lag_seconds_;

  std::unique_ptr<bus::LogReader> reader_;
  std::optional<views::Fold> fold_;
  views::Expected expected_;
  int64_t built_to_ = 0;  // CheckpointMeta's.
  // How many records the next batch takes: fewer when they are large.
  size_t batch_ = 1;
  absl::Time last_record_time_ = absl::InfinitePast();
  std::optional<Written> written_;
  absl::Time last_check_ = absl::InfinitePast();
  absl::Time last_expiry_ = absl::InfinitePast();
  absl::Time last_lag_ = absl::InfinitePast();
};

}  // namespace wissel::projector
