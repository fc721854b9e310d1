#include "services/projector/projector.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"

namespace wissel::projector {
namespace {

// Without news: for what goes by the clock, and for membership's heartbeat.
constexpr absl::Duration kLongestSleep = absl::Milliseconds(200);

}  // namespace

Projector::Projector(Dependencies dependencies, ProjectorSettings settings)
    : settings_(std::move(settings)),
      wakeup_(std::make_shared<bus::Wakeup>()),
      redis_(std::move(dependencies.redis)),
      metrics_(dependencies.metrics),
      bus_(dependencies.bus),
      environment_{.bus = bus_,
                   .redis = redis_,
                   .clock = dependencies.clock,
                   .log = std::move(dependencies.log),
                   .metrics = metrics_,
                   .settings = settings_,
                   .wakeup = wakeup_},
      ready_(dependencies.readiness.Add("projector")),
      join_backoff_({.initial = settings_.retry_initial, .max = settings_.retry_max}, 0),
      thread_(StartThread("projector", [this](std::stop_token stop) { Run(stop); })) {}

Projector::~Projector() {
  thread_.request_stop();
  wakeup_->Notify();
  thread_.join();
}

void Projector::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (membership_ != nullptr || Join()) FollowAssignment();
    const bool busy = StepAll();
    ReportReadiness();
    if (!busy) wakeup_->Wait(kLongestSleep);
  }
  partitions_.clear();
  membership_.reset();
}

bool Projector::Join() {
  const absl::Time now = environment_.clock.Now();
  if (now < join_not_before_) return false;
  auto membership = bus_.Join(settings_.group, bus::Topic::kLog,
                              {.session_timeout = settings_.session_timeout, .wakeup = wakeup_});
  if (!membership.ok()) {
    membership_failure_ = Annotate(membership.status(), "joining the group");
    join_not_before_ = now + join_backoff_.Next();
    return false;
  }
  membership_ = *std::move(membership);
  return true;
}

void Projector::FollowAssignment() {
  const auto assignment = membership_->Poll(absl::ZeroDuration());
  membership_failure_ = assignment.status();
  if (!assignment.ok()) return;
  for (const int32_t partition : assignment->revoked) partitions_.erase(partition);
  for (const int32_t partition : assignment->assigned) {
    partitions_.try_emplace(
        partition,
        Partition{
            .projector = std::make_unique<PartitionProjector>(environment_, partition),
            .backoff = Backoff({.initial = settings_.retry_initial, .max = settings_.retry_max},
                               static_cast<uint64_t>(partition)),
            .not_before = absl::InfinitePast(),
            .failure = absl::UnavailableError("not begun yet")});
  }
  metrics_.partitions.Set(static_cast<double>(partitions_.size()));
}

bool Projector::StepAll() {
  bool busy = false;
  std::vector<bus::Progress> progress;
  for (auto& [number, partition] : partitions_) {
    const absl::Time now = environment_.clock.Now();
    if (now < partition.not_before) continue;
    const absl::StatusOr<bool> more = partition.projector->Step();
    partition.failure = more.status();
    if (more.ok()) {
      partition.backoff.Reset();
      busy |= *more;
    } else {
      const absl::Duration pause = partition.backoff.Next();
      partition.not_before = now + pause;
      environment_.log.Warning(
          "partition failed", {{"partition", number}, {"reason", more.status()}, {"pause", pause}});
    }
    if (const auto offset = partition.projector->next_offset()) {
      progress.push_back({bus::Topic::kLog, number, *offset});
    }
  }
  const absl::Time now = environment_.clock.Now();
  if (membership_ != nullptr && now - last_commit_ >= settings_.lag_interval) {
    membership_->CommitForMonitoring(progress);
    last_commit_ = now;
  }
  return busy;
}

// Without a partition nothing else asks Kafka and Redis.
absl::Status Projector::CheckWithoutPartitions() {
  WISSEL_RETURN_IF_ERROR(Annotate(bus_.Health(), "kafka"));
  return Annotate(redis_.Ping(), "redis");
}

void Projector::ReportReadiness() {
  if (!membership_failure_.ok()) return ready_.SetNotReady(membership_failure_.ToString());
  if (partitions_.empty()) {
    const absl::Time now = environment_.clock.Now();
    if (now - last_check_ < settings_.check_interval) return;
    last_check_ = now;
    if (const absl::Status status = CheckWithoutPartitions(); !status.ok()) {
      return ready_.SetNotReady(absl::StrCat("no partition yet: ", status.ToString()));
    }
    if (const absl::Status standing = membership_->standing(); !standing.ok()) {
      return ready_.SetNotReady(standing.ToString());
    }
  }
  for (const auto& [number, partition] : partitions_) {
    if (!partition.failure.ok()) {
      return ready_.SetNotReady(
          absl::StrCat("partition ", number, ": ", partition.failure.ToString()));
    }
  }
  ready_.SetReady();
}

}  // namespace wissel::projector
