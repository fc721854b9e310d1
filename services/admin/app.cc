#include "services/admin/app.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/serving/serving.h"
#include "services/admin/handlers/admin_service.h"

namespace wissel::admin {
namespace {

class App final : public AdminApp {
 public:
  // `own_bus` may be null: then `bus` is somebody else's.
  App(std::unique_ptr<bus::Bus> own_bus, bus::Bus& bus, const AdminSettings& settings,
      const service::Context& context)
      : own_bus_(std::move(own_bus)),
        metrics_(context.metrics),
        admin_(bus, context.clock, metrics_,
               {.operator_workspace = settings.operator_workspace,
                .log_retention = settings.log_retention,
                .dead_letters_per_call = settings.dead_letters_per_call}),
        pool_({.name = "admin",
               .threads = settings.threads,
               .queue = static_cast<size_t>(settings.max_waiting_calls)},
              [] { return std::make_unique<AdminServiceHandler::NoTool>(); }),
        serving_({.name = "admin",
                  .grpc = settings.grpc,
                  .auth = settings.auth,
                  .make =
                      [this](rpc::Authenticator& callers) {
                        handler_ = std::make_unique<AdminServiceHandler>(admin_, callers, pool_);
                        return std::vector<grpc::Service*>{handler_.get()};
                      },
                  .check = [&bus] { return bus.Health(); }},
                 context) {}

  int port() const override { return serving_.port(); }

  absl::Status Drain(absl::Duration limit) override {
    serving_.Drain(limit);
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<bus::Bus> own_bus_;
  Metrics metrics_;
  Admin admin_;
  AdminServiceHandler::Pool pool_;
  std::unique_ptr<AdminServiceHandler> handler_;
  serving::Serving serving_;  // last: it goes before what it works on
};

}  // namespace

std::unique_ptr<AdminApp> NewApp(bus::Bus& bus, const AdminSettings& settings,
                                 const service::Context& context) {
  return std::make_unique<App>(nullptr, bus, settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-admin", context.log));
  bus::Bus& on = *bus;
  return std::make_unique<App>(std::move(bus), on, settings.admin, context);
}

}  // namespace wissel::admin
