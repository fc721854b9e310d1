#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "libs/base/clock.h"
#include "libs/bus/bus.h"
#include "libs/store/redis.h"
#include "libs/telemetry/log.h"
#include "services/router/config.h"
#include "services/router/intake.h"
#include "services/router/metrics.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::router {

// What the partitions of one router share. All of it outlives them and is used by their thread
// only, but for the bus, the clock, the metrics and the logger.
struct Shared {
  bus::Bus& bus;
  const Clock& clock;
  telemetry::Logger log;
  Metrics& metrics;
  const RouterSettings& settings;
  int partitions = 0;
  std::string owner;
  // Null: no checkpoints.
  store::Redis* redis = nullptr;
  std::shared_ptr<bus::Wakeup> wakeup;
  AheadWorker& ahead;
  // By partition, the input whose decision was larger than a record: a dead letter when it comes
  // again.
  std::map<int32_t, log::v1::InputCause> undecidable = {};
  // The same of configurations, by partition and offset: every one of them is read again by
  // whoever takes over.
  std::set<std::pair<int32_t, int64_t>> undecidable_configs = {};
};

}  // namespace wissel::router
