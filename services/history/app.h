#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "services/history/config.h"

namespace wissel::history {

// A history service that may already listen.
class HistoryApp : public service::App {
 public:
  // Where it listens; 0 until it does.
  virtual int port() const = 0;
};

// The history service on a bus and a Redis that are there: for wissel-dev, which shares them. `bus`
// must outlive the app. Listens once the log's partitions are known.
std::unique_ptr<HistoryApp> NewApp(bus::Bus& bus, store::RedisOptions redis,
                                   const HistorySettings& settings,
                                   const service::Context& context);

// The history service as its settings say.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::history
