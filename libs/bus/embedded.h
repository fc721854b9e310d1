#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/base/clock.h"
#include "libs/bus/bus.h"

namespace wissel::bus {

struct EmbeddedOptions {
  // A file, made if it is not there, that one process at a time may use; or ":memory:", gone with
  // the bus.
  std::string path = ":memory:";

  // The topics are there from the start, with so many partitions each (configuration: one). A file
  // keeps the count it was made with.
  int partitions = 4;

  size_t max_record_bytes = 1 << 20;

  // Gives the records their times and the group members their session timeouts. Must outlive the
  // bus; the system's clock if null.
  const Clock* clock = nullptr;

  // The file's size at most; 0 for what the disk holds. Beyond it appends fail as on a full disk.
  int64_t max_file_bytes = 0;
};

// The whole log in one process: SQLite in WAL mode, one writer thread that commits what has
// gathered since its last commit in one transaction (group commit), each commit synced to disk
// before anyone is told. Readers are woken by it, they do not poll. Survives kill -9 and power loss
// at any point with everything that was acknowledged.
//
// When the disk is full, appends fail with RESOURCE_EXHAUSTED, Health says so, reading goes on, and
// appending works again once there is room (a gapless appender must be replaced).
//
// All appenders share the delivery thread; a group's members must be in this process.
//   FAILED_PRECONDITION  another process uses the file, or it has another partition count
//   DATA_LOSS            not a log of ours, or damaged
absl::StatusOr<std::unique_ptr<Bus>> NewEmbeddedBus(EmbeddedOptions options);

// The log of another process, or of none, for looking at: readers only, everything that would write
// is refused with FAILED_PRECONDITION. Poll finds new records within some 20 ms.
//   NOT_FOUND  there is no such log
//   DATA_LOSS  not a log of ours, or damaged
absl::StatusOr<std::unique_ptr<Bus>> OpenEmbeddedLogReadOnly(const std::string& path);

}  // namespace wissel::bus
