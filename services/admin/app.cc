#include "services/admin/app.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/http/client.h"
#include "services/admin/handlers/admin_service.h"

namespace wissel::admin {
namespace {

constexpr absl::Duration kHealthInterval = absl::Seconds(2);

absl::StatusOr<std::string> Get(http::Client& client, const std::string& url) {
  const http::FetchResult result =
      client.FetchAndWait({.url = url}, {.max_attempts = 3, .idempotent = true});
  if (result.ok()) return result.body;
  return absl::UnavailableError(absl::StrCat(
      url, ": ", result.error.empty() ? absl::StrCat("HTTP ", result.status) : result.error));
}

class App final : public AdminApp {
 public:
  // `own_bus` may be null: then `bus` is somebody else's.
  App(std::unique_ptr<bus::Bus> own_bus, bus::Bus& bus, const AdminSettings& settings,
      const service::Context& context)
      : own_bus_(std::move(own_bus)),
        bus_(bus),
        metrics_(context.metrics),
        admin_(bus, context.clock, metrics_,
               {.operator_workspace = settings.operator_workspace,
                .dead_letters_per_call = settings.dead_letters_per_call}),
        pool_({.name = "admin",
               .threads = settings.threads,
               .queue = static_cast<size_t>(settings.max_waiting_calls)},
              [] { return std::make_unique<AdminServiceHandler::NoTool>(); }),
        ready_(context.readiness.Add("admin", "asking the log")) {}

  absl::Status Listen(const AdminSettings& settings, const service::Context& context) {
    WISSEL_ASSIGN_OR_RETURN(http_, http::Client::Create({}));
    WISSEL_ASSIGN_OR_RETURN(
        authenticator_,
        rpc::Authenticator::Create(settings.auth.ToOptions(
            &context.clock, [this](const std::string& url) { return Get(*http_, url); })));
    WISSEL_ASSIGN_OR_RETURN(const rpc::ServerOptions options, settings.grpc.ToOptions());
    handler_ = std::make_unique<AdminServiceHandler>(admin_, *authenticator_, pool_);
    WISSEL_ASSIGN_OR_RETURN(server_, rpc::Server::Start(options, {handler_.get()}));
    server_->SetServing(true);
    context.log.Info("listening", {{"port", server_->port()}});
    watcher_ = StartThread("admin-health", [this](std::stop_token stop) { Watch(stop); });
    return absl::OkStatus();
  }

  int port() const override { return server_->port(); }

  absl::Status Drain(absl::Duration limit) override {
    watcher_ = {};  // or it would say ready again
    ready_.SetNotReady("draining");
    server_->Drain(absl::Now() + limit);
    return absl::OkStatus();
  }

 private:
  void Watch(const std::stop_token& stop) {
    bus::Wakeup stopped;
    const std::stop_callback wake(stop, [&] { stopped.Notify(); });
    while (!stop.stop_requested()) {
      if (const absl::Status health = bus_.Health(); health.ok()) {
        ready_.SetReady();
      } else {
        ready_.SetNotReady(health.ToString());
      }
      stopped.Wait(kHealthInterval);
    }
  }

  // Destroyed from below: first what takes calls, last what they work on.
  const std::unique_ptr<bus::Bus> own_bus_;
  bus::Bus& bus_;
  Metrics metrics_;
  Admin admin_;
  AdminServiceHandler::Pool pool_;
  telemetry::Readiness::Condition ready_;
  std::unique_ptr<http::Client> http_;
  std::unique_ptr<rpc::Authenticator> authenticator_;
  std::unique_ptr<AdminServiceHandler> handler_;
  std::unique_ptr<rpc::Server> server_;
  std::jthread watcher_;
};

absl::StatusOr<std::unique_ptr<AdminApp>> MakeApp(std::unique_ptr<bus::Bus> own_bus, bus::Bus& bus,
                                                  const AdminSettings& settings,
                                                  const service::Context& context) {
  auto app = std::make_unique<App>(std::move(own_bus), bus, settings, context);
  WISSEL_RETURN_IF_ERROR(app->Listen(settings, context));
  return app;
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminApp>> NewApp(bus::Bus& bus, const AdminSettings& settings,
                                                 const service::Context& context) {
  return MakeApp(nullptr, bus, settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-admin", context.log));
  bus::Bus& on = *bus;
  return MakeApp(std::move(bus), on, settings.admin, context);
}

}  // namespace wissel::admin
