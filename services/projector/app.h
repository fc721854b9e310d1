#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "services/projector/config.h"

namespace wissel::projector {

// The projector on a bus and a Redis that are there: for wissel-dev, which shares them. `bus` must
// outlive the app.
std::unique_ptr<service::App> NewApp(bus::Bus& bus, store::RedisOptions redis,
                                     const ProjectorSettings& settings,
                                     const service::Context& context);

// The projector as its settings say.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::projector
