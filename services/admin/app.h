#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "services/admin/config.h"

namespace wissel::admin {

// An admin service that may already listen.
class AdminApp : public service::App {
 public:
  // Where it listens; 0 until it does.
  virtual int port() const = 0;
};

// The admin service on a bus that is there: for wissel-dev, which shares it. `bus` must outlive the
// app.
std::unique_ptr<AdminApp> NewApp(bus::Bus& bus, const AdminSettings& settings,
                                 const service::Context& context);

// The admin service as its settings say.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::admin
