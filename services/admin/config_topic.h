#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "libs/domain/config_rule.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::admin {

// FAILED_PRECONDITION: the version is not the one after `in_force`.
absl::Status NotNext(int64_t in_force, int64_t version);

// The workspaces' configurations, read from their topic and appended to it. Thread-safe; calls
// block on the log, and take turns.
//
// The topic's order decides who of two wins (domain::ConfigHistory): any number of these, in any
// number of processes, agree.
class ConfigTopic {
 public:
  explicit ConfigTopic(bus::Bus& bus) : bus_(bus) {}

  // The configuration in force now; version 0 and otherwise empty where there is none yet.
  //   UNAVAILABLE  the log does not answer
  absl::StatusOr<config::v1::WorkspaceConfig> Get(const std::string& workspace_id);

  // Puts the configuration in force; durable when it returns OK.
  //   FAILED_PRECONDITION  its version is not the next, or another of that version came first;
  //                        names the version in force
  //   INVALID_ARGUMENT     larger than a record may be
  //   UNAVAILABLE          not acknowledged: it may be in force all the same
  absl::Status Apply(const config::v1::WorkspaceConfig& config);

 private:
  // A record of ours. The bus may not say where it stands (bus::Appender): then the offset is
  // negative, and it is known by its bytes.
  struct Appended {
    int64_t offset = -1;
    absl::string_view value;
    bool counts = false;
  };
  // Reads to the end, and tells whether `ours`, if any, counts.
  absl::Status CatchUp(Appended* ours) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  bus::Bus& bus_;
  Mutex mutex_;
  std::unique_ptr<bus::Reader> reader_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<bus::Appender> appender_ ABSL_GUARDED_BY(mutex_);
  domain::ConfigHistory history_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, config::v1::WorkspaceConfig> configs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::admin
