#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"
#include "libs/bus/bus.h"
#include "libs/store/redis.h"
#include "libs/telemetry/endpoint.h"
#include "services/projector/config.h"
#include "services/projector/partition_projector.h"

namespace wissel::projector {

// Looks after the partitions that the group gives it, on one thread with one connection to Redis.
// Owns that thread from construction to destruction. Everything folded is written when it stops:
// there is nothing to drain. A partition that fails is tried again after a pause, the others go on.
class Projector {
 public:
  struct Dependencies {
    bus::Bus& bus;
    store::RedisOptions redis;
    const Clock& clock;
    telemetry::Logger log;
    telemetry::Registry& metrics;
    telemetry::Readiness& readiness;
  };

  Projector(Dependencies dependencies, ProjectorSettings settings);
  // Finishes the batch under way and leaves the group.
  ~Projector();

 private:
  struct Partition {
    std::unique_ptr<PartitionProjector> projector;
    Backoff backoff;
    absl::Time not_before = absl::InfinitePast();
    absl::Status failure;
  };

  void Run(std::stop_token stop);
  // True if it has got a place in the group.
  bool Join();
  void FollowAssignment();
  // True if there may be more to do at once.
  bool StepAll();
  absl::Status CheckWithoutPartitions();
  void ReportReadiness();

  const ProjectorSettings settings_;
  const std::shared_ptr<bus::Wakeup> wakeup_;
  store::Redis redis_;
  Metrics metrics_;
  bus::Bus& bus_;
  const Environment environment_;
  telemetry::Readiness::Condition ready_;

  std::unique_ptr<bus::Membership> membership_;
  Backoff join_backoff_;
  absl::Time join_not_before_ = absl::InfinitePast();
  absl::Status membership_failure_ = absl::UnavailableError("joining the group");
  std::map<int32_t, Partition> partitions_;
  absl::Time last_commit_ = absl::InfinitePast();
  absl::Time last_check_ = absl::InfinitePast();  // of Kafka and Redis, while there is no partition
  std::jthread thread_;
};

}  // namespace wissel::projector
