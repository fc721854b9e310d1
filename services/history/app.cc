#include "services/history/app.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/serving/serving.h"
#include "services/history/handlers/history_service.h"
#include "services/history/metrics.h"

namespace wissel::history {
namespace {

class App final : public HistoryApp {
 public:
  App(bus::Bus& bus, store::RedisOptions redis, const HistorySettings& settings,
      const service::Context& context)
      : bus_(bus),
        redis_options_(std::move(redis)),
        settings_(settings),
        metrics_(context.metrics),
        redis_(redis_options_),
        serving_({.name = "history",
                  .grpc = settings.grpc,
                  .auth = settings.auth,
                  .make = [this](rpc::Authenticator& callers) { return Make(callers); },
                  .check = [this] { return redis_.Ping(); }},
                 context) {}

  int port() const override { return serving_.port(); }

  absl::Status Drain(absl::Duration limit) override {
    serving_.Drain(limit);
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<grpc::Service*>> Make(rpc::Authenticator& callers) {
    WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kLog));
    pool_ = std::make_unique<HistoryServiceHandler::Pool>(
        HistoryServiceHandler::Pool::Options{
            .name = "history",
            .threads = settings_.threads,
            .queue = static_cast<size_t>(settings_.max_waiting_calls)},
        [this, partitions] { return std::make_unique<History>(redis_options_, partitions); });
    handler_ = std::make_unique<HistoryServiceHandler>(callers, *pool_, metrics_);
    return std::vector<grpc::Service*>{handler_.get()};
  }

  bus::Bus& bus_;
  const store::RedisOptions redis_options_;
  const HistorySettings settings_;
  Metrics metrics_;
  store::Redis redis_;  // serving_'s thread's
  std::unique_ptr<HistoryServiceHandler::Pool> pool_;
  std::unique_ptr<HistoryServiceHandler> handler_;
  serving::Serving serving_;  // last: it goes before what it works on
};

}  // namespace

std::unique_ptr<HistoryApp> NewApp(bus::Bus& bus, store::RedisOptions redis,
                                   const HistorySettings& settings,
                                   const service::Context& context) {
  return std::make_unique<App>(bus, std::move(redis), settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(store::RedisOptions redis, settings.redis.ToOptions());
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-history", context.log));
  auto app = NewApp(*bus, std::move(redis), settings.history, context);
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::history
