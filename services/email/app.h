#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "services/email/config.h"

namespace wissel::email {

// The channel on a bus that is there, which must outlive it: for wissel-dev, which shares it, and
// for tests. A reader for each mailbox, a deliverer, or both. `redis` empty: no checkpoints.
//   INVALID_ARGUMENT  settings that contradict each other, with what to change
//   UNAVAILABLE       a folder cannot be made or written
absl::StatusOr<std::unique_ptr<service::App>> StartOn(bus::Bus& bus,
                                                      std::optional<store::RedisOptions> redis,
                                                      const EmailSettings& settings,
                                                      const service::Context& context);

// The service as its settings say.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::email
