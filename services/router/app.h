#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "services/router/config.h"

namespace wissel::router {

// The router on a bus: one thread that joins the group, takes care of the partitions it is given
// and decides their inputs. `redis` empty: no checkpoints. Adds /statez to the operators' pages and
// the readiness condition "partitions". The bus must outlive it.
//
// Waits in the background for the bus; fails the process where the topics' partition counts differ.
std::unique_ptr<service::App> NewApp(const RouterSettings& settings, bus::Bus& bus,
                                     std::optional<store::RedisOptions> redis,
                                     const service::Context& context);

// wissel-router as it stands alone: on Kafka and Redis.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::router
