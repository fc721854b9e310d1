#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "libs/store/redis.h"
#include "libs/telemetry/endpoint.h"
#include "libs/telemetry/log.h"
#include "services/router/app.h"

namespace wissel::router::testing {

// One router process, as far as a router can tell.
class Router {
 public:
  explicit Router(bus::Bus& bus, RouterSettings settings = {},
                  std::optional<store::RedisOptions> redis = std::nullopt,
                  telemetry::Logger log = {})
      : endpoint_(metrics_, readiness_),
        app_(NewApp(settings, bus, std::move(redis),
                    {.clock = clock_,
                     .log = std::move(log),
                     .metrics = metrics_,
                     .readiness = readiness_,
                     .endpoint = endpoint_,
                     .fail = [this](absl::Status status) {
                       MutexLock lock(mutex_);
                       failure_ = std::move(status);
                     }})) {}

  absl::Status Drain() { return app_->Drain(absl::Seconds(20)); }
  bool Ready() const { return readiness_.Ready(); }
  std::string Readiness() const { return readiness_.ToJson(); }
  std::string Metrics() const { return metrics_.Expose(); }
  absl::Status failure() {
    MutexLock lock(mutex_);
    return failure_;
  }

 private:
  SystemClock clock_;
  telemetry::Registry metrics_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_;
  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<service::App> app_;
};

}  // namespace wissel::router::testing
