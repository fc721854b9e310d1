#include "services/history/app.h"

#include <atomic>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/bus/wakeup.h"
#include "libs/http/client.h"
#include "services/history/handlers/history_service.h"
#include "services/history/metrics.h"

namespace wissel::history {
namespace {

// How often the log is asked for its partitions, and Redis whether it is there.
constexpr absl::Duration kCheckInterval = absl::Seconds(1);

absl::StatusOr<std::string> Get(http::Client& client, const std::string& url) {
  const http::FetchResult result =
      client.FetchAndWait({.url = url}, {.max_attempts = 3, .idempotent = true});
  if (result.ok()) return result.body;
  return absl::UnavailableError(absl::StrCat(
      url, ": ", result.error.empty() ? absl::StrCat("HTTP ", result.status) : result.error));
}

class App final : public HistoryApp {
 public:
  // `own_bus` may be null: then `bus` is somebody else's.
  App(std::unique_ptr<bus::Bus> own_bus, bus::Bus& bus, store::RedisOptions redis,
      const HistorySettings& settings, const service::Context& context)
      : own_bus_(std::move(own_bus)),
        bus_(bus),
        redis_(std::move(redis)),
        settings_(settings),
        context_(context),
        metrics_(context.metrics),
        ready_(context.readiness.Add("history", "waiting for the log")),
        thread_(StartThread("history", [this](std::stop_token stop) { Run(stop); })) {}

  ~App() override {
    thread_ = {};
    // Calls end before what they work on.
    server_ = nullptr;
  }

  int port() const override { return port_; }

  absl::Status Drain(absl::Duration limit) override {
    thread_ = {};
    ready_.SetNotReady("draining");
    if (server_ != nullptr) server_->Drain(absl::Now() + limit);
    return absl::OkStatus();
  }

 private:
  void Run(const std::stop_token& stop) {
    bus::Wakeup stopped;
    const std::stop_callback wake(stop, [&] { stopped.Notify(); });
    while (!stop.stop_requested() && server_ == nullptr) {
      const absl::Status status = TryToListen();
      if (status.ok()) break;
      if (!absl::IsUnavailable(status) && !absl::IsNotFound(status)) return context_.fail(status);
      ready_.SetNotReady(status.ToString());
      stopped.Wait(kCheckInterval);
    }
    store::Redis redis(redis_);
    while (!stop.stop_requested()) {
      if (const absl::Status status = redis.Ping(); status.ok()) {
        ready_.SetReady();
      } else {
        ready_.SetNotReady(status.ToString());
      }
      stopped.Wait(kCheckInterval);
    }
  }

  absl::Status TryToListen() {
    WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kLog));
    WISSEL_ASSIGN_OR_RETURN(const rpc::ServerOptions options, settings_.grpc.ToOptions());
    if (http_ == nullptr) {
      WISSEL_ASSIGN_OR_RETURN(http_, http::Client::Create({}));
    }
    WISSEL_ASSIGN_OR_RETURN(
        authenticator_,
        rpc::Authenticator::Create(settings_.auth.ToOptions(
            &context_.clock, [this](const std::string& url) { return Get(*http_, url); })));
    pool_ = std::make_unique<HistoryServiceHandler::Pool>(
        HistoryServiceHandler::Pool::Options{
            .name = "history",
            .threads = settings_.threads,
            .queue = static_cast<size_t>(settings_.max_waiting_calls)},
        [&] { return std::make_unique<History>(redis_, partitions); });
    handler_ = std::make_unique<HistoryServiceHandler>(*authenticator_, *pool_, metrics_);
    WISSEL_ASSIGN_OR_RETURN(server_, rpc::Server::Start(options, {handler_.get()}));
    port_ = server_->port();
    server_->SetServing(true);
    context_.log.Info("listening", {{"port", server_->port()}});
    return absl::OkStatus();
  }

  const std::unique_ptr<bus::Bus> own_bus_;
  bus::Bus& bus_;
  const store::RedisOptions redis_;
  const HistorySettings settings_;
  const service::Context context_;
  Metrics metrics_;
  telemetry::Readiness::Condition ready_;
  std::unique_ptr<http::Client> http_;
  std::unique_ptr<rpc::Authenticator> authenticator_;
  std::unique_ptr<HistoryServiceHandler::Pool> pool_;
  std::unique_ptr<HistoryServiceHandler> handler_;
  std::unique_ptr<rpc::Server> server_;
  std::atomic<int> port_ = 0;
  std::jthread thread_;  // makes the rest; joined before anyone else touches it
};

}  // namespace

std::unique_ptr<HistoryApp> NewApp(bus::Bus& bus, store::RedisOptions redis,
                                   const HistorySettings& settings,
                                   const service::Context& context) {
  return std::make_unique<App>(nullptr, bus, std::move(redis), settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(store::RedisOptions redis, settings.redis.ToOptions());
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-history", context.log));
  bus::Bus& on = *bus;
  return std::make_unique<App>(std::move(bus), on, std::move(redis), settings.history, context);
}

}  // namespace wissel::history
