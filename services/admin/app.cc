#include "services/admin/app.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/serving/serving.h"
#include "services/admin/handlers/admin_service.h"

namespace wissel::admin {
namespace {

class App final : public AdminApp {
 public:
  App(bus::Bus& bus, const AdminSettings& settings, const service::Context& context)
      : metrics_(context.metrics),
        admin_(bus, context.clock, metrics_,
               {.operator_workspace = settings.operator_workspace,
                .log_retention = settings.log_retention,
                .dead_letters_per_call = settings.dead_letters_per_call,
                .max_record_bytes = settings.max_record_bytes}),
        pool_({.name = "admin",
               .threads = settings.threads,
               .queue = static_cast<size_t>(settings.max_waiting_calls)},
              [] { return std::make_unique<AdminServiceHandler::NoTool>(); }),
        serving_({.name = "admin",
                  .grpc = settings.grpc,
                  .auth = settings.auth,
                  .make =
                      [this](rpc::Authenticator& callers) {
                        handler_ =
                            std::make_unique<AdminServiceHandler>(admin_, callers, pool_, metrics_);
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
  Metrics metrics_;
  Admin admin_;
  AdminServiceHandler::Pool pool_;
  std::unique_ptr<AdminServiceHandler> handler_;
  serving::Serving serving_;  // last: it goes before what it works on
};

}  // namespace

std::unique_ptr<AdminApp> NewApp(bus::Bus& bus, const AdminSettings& settings,
                                 const service::Context& context) {
  return std::make_unique<App>(bus, settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-admin", context.log));
  AdminSettings admin = settings.admin;
  admin.max_record_bytes = static_cast<size_t>(settings.kafka.max_record_bytes);
  auto app = NewApp(*bus, admin, context);
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::admin
