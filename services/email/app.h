#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "services/email/config.h"

namespace wissel::email {

// The e-mail channel on `bus`, which must outlive it: a reader for each mailbox, a deliverer, or
// both.
//   INVALID_ARGUMENT  settings that contradict each other, with what to change
//   UNAVAILABLE       the blob folder cannot be made or written
absl::StatusOr<std::unique_ptr<service::App>> StartOn(bus::Bus& bus, const Settings& settings,
                                                      const service::Context& context);

// The same with a connection to Kafka of its own.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::email
