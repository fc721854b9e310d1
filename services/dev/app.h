#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/service/service.h"
#include "services/dev/config.h"

namespace wissel::dev {

// Every service in this process: on the embedded log in the state folder and a Redis child, or on
// the Kafka and Redis that the settings name. To be called on the main thread (the child's life
// hangs on it). Prints where everything is to standard output once all of it is ready.
//   INVALID_ARGUMENT     no workspace is configured and no file was given, or the file is not right
//   FAILED_PRECONDITION  another wissel-dev has the state folder
//   UNAVAILABLE          an address is taken, or Kafka does not answer
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::dev
