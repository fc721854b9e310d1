#include "services/agent-gateway/app.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"
#include "libs/serving/serving.h"
#include "services/agent-gateway/handlers/agent_service.h"
#include "services/agent-gateway/metrics.h"
#include "services/agent-gateway/redis_views.h"

namespace wissel::agent_gateway {
namespace {

/// How much of the time to drain streams may take to move elsewhere by themselves.
constexpr double kGoAwayShare = 0.8;

class App final : public GatewayApp {
 public:
  App(bus::Bus& bus, std::optional<store::RedisOptions> redis, const GatewaySettings& settings,
      const service::Context& context)
      : bus_(bus),
        redis_(std::move(redis)),
        settings_(settings),
        context_(context),
        metrics_(context.metrics),
        serving_({.name = "agent_gateway",
                  .grpc = settings.grpc,
                  .auth = settings.auth,
                  .make = [this](rpc::Authenticator& callers) { return Make(callers); },
                  .check = [this] { return Check(); },
                  .on_drain = [this] { gateway_->GoAway(); }},
                 context) {}

  int port() const override { return serving_.port(); }

  // Streams are told first, so that clients move with their cursors in hand; what is left when the
  // time is up is cancelled, and resumes with its last cursor all the same.
  absl::Status Drain(absl::Duration limit) override {
    serving_.Drain(limit * kGoAwayShare);
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<grpc::Service*>> Make(rpc::Authenticator& callers) {
    WISSEL_RETURN_IF_ERROR(bus::CheckTopics(bus_));
    WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kLog));
    GatewayParts parts{.bus = &bus_, .authenticator = &callers, .clock = &context_.clock};
    if (redis_ && settings_.use_views) {
      parts.load_checkpoint = RedisCheckpoints(*redis_, bus_);
      parts.make_work_views = RedisViews(*redis_);
    }
    gateway_ =
        std::make_unique<Gateway>(std::move(parts), settings_.ToOptions(GatewayId(RandomUuid())),
                                  partitions, metrics_, context_.log);
    handler_ = std::make_unique<AgentServiceHandler>(*gateway_);
    context_.log.Info("this gateway", {{"gateway_id", gateway_->options().id}});
    return std::vector<grpc::Service*>{handler_.get()};
  }

  // Without the workspaces' configurations, most callers would be turned away.
  absl::Status Check() const {
    if (gateway_->ready()) return absl::OkStatus();
    return absl::UnavailableError("reading the workspaces' configurations");
  }

  bus::Bus& bus_;
  const std::optional<store::RedisOptions> redis_;
  const GatewaySettings settings_;
  const service::Context context_;
  Metrics metrics_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<AgentServiceHandler> handler_;
  serving::Serving serving_;  // last: it goes before what it works on
};

}  // namespace

std::unique_ptr<GatewayApp> NewApp(bus::Bus& bus, std::optional<store::RedisOptions> redis,
                                   const GatewaySettings& settings,
                                   const service::Context& context) {
  return std::make_unique<App>(bus, std::move(redis), settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(store::RedisOptions redis, settings.redis.ToOptions());
  WISSEL_ASSIGN_OR_RETURN(
      std::unique_ptr<bus::Bus> bus,
      connections::OpenKafka(settings.kafka, "wissel-agent-gateway", context.log));
  auto app = NewApp(*bus, std::move(redis), settings.gateway, context);
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::agent_gateway
