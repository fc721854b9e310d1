#include "services/agent-gateway/app.h"

#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/uuid.h"
#include "libs/http/client.h"
#include "services/agent-gateway/handlers/agent_service.h"
#include "services/agent-gateway/metrics.h"
#include "services/agent-gateway/redis_views.h"

namespace wissel::agent_gateway {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(1);
/// How much of the time to drain streams may take to move elsewhere by themselves.
constexpr double kGoAwayShare = 0.8;

absl::StatusOr<std::string> Get(http::Client& client, const std::string& url) {
  const http::FetchResult result =
      client.FetchAndWait({.url = url}, {.max_attempts = 3, .idempotent = true});
  if (result.ok()) return result.body;
  return absl::UnavailableError(absl::StrCat(
      url, ": ", result.error.empty() ? absl::StrCat("HTTP ", result.status) : result.error));
}

class App final : public GatewayApp {
 public:
  // `own_bus` may be null: then `bus` is somebody else's.
  App(std::unique_ptr<bus::Bus> own_bus, bus::Bus& bus, std::optional<store::RedisOptions> redis,
      const GatewaySettings& settings, const service::Context& context)
      : own_bus_(std::move(own_bus)),
        bus_(bus),
        redis_(std::move(redis)),
        settings_(settings),
        context_(context),
        metrics_(context.metrics),
        ready_(context.readiness.Add("agent_gateway", "waiting for the log")) {
    starter_ = StartThread("gateway-start", [this](std::stop_token stop) { Begin(stop); });
  }

  ~App() override {
    // Streams hold on to the gateway, and the gateway to what it stands on.
    starter_ = {};
    server_ = nullptr;
    gateway_ = nullptr;
  }

  int port() const override { return port_; }

  // Streams are told first, so that clients move with their cursors in hand; what is left when the
  // time is up is cancelled, and resumes with its last cursor all the same.
  absl::Status Drain(absl::Duration limit) override {
    const absl::Time deadline = absl::Now() + limit * kGoAwayShare;
    ready_.SetNotReady("draining");
    starter_ = {};
    if (server_ == nullptr) return absl::OkStatus();
    server_->SetServing(false);
    gateway_->GoAway();
    server_->Drain(deadline);
    return absl::OkStatus();
  }

 private:
  void Begin(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const absl::Status status = TryToBegin();
      if (status.ok()) return AwaitConfigurations(stop);
      if (!absl::IsUnavailable(status) && !absl::IsNotFound(status)) return context_.fail(status);
      ready_.SetNotReady(status.message());
      Sleep(stop, kRetryAfter);
    }
  }

  absl::Status TryToBegin() {
    WISSEL_ASSIGN_OR_RETURN(const rpc::ServerOptions server_options, settings_.grpc.ToOptions());
    if (http_ == nullptr) {
      WISSEL_ASSIGN_OR_RETURN(http_, http::Client::Create({}));
    }
    WISSEL_RETURN_IF_ERROR(bus::CheckTopics(bus_));
    WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kLog));
    WISSEL_ASSIGN_OR_RETURN(
        authenticator_,
        rpc::Authenticator::Create(settings_.auth.ToOptions(
            &context_.clock, [this](const std::string& url) { return Get(*http_, url); })));
    GatewayParts parts{
        .bus = &bus_, .authenticator = authenticator_.get(), .clock = &context_.clock};
    if (redis_ && settings_.use_views) {
      parts.load_checkpoint = RedisCheckpoints(*redis_);
      parts.make_work_views = RedisViews(*redis_);
    }
    gateway_ =
        std::make_unique<Gateway>(std::move(parts), settings_.ToOptions(GatewayId(RandomUuid())),
                                  partitions, metrics_, context_.log);
    service_ = std::make_unique<AgentServiceHandler>(*gateway_);
    absl::StatusOr<std::unique_ptr<rpc::Server>> server =
        rpc::Server::Start(server_options, {service_.get()});
    if (!server.ok()) {
      gateway_ = nullptr;
      return server.status();
    }
    server_ = *std::move(server);
    port_ = server_->port();
    context_.log.Info("listening",
                      {{"port", server_->port()}, {"gateway_id", gateway_->options().id}});
    return absl::OkStatus();
  }

  // Without the workspaces' configurations, most callers would be turned away.
  void AwaitConfigurations(const std::stop_token& stop) {
    ready_.SetNotReady("reading the workspaces' configurations");
    while (!gateway_->ready() && !stop.stop_requested()) Sleep(stop, absl::Milliseconds(10));
    if (stop.stop_requested()) return;
    server_->SetServing(true);
    ready_.SetReady();
  }

  static void Sleep(const std::stop_token& stop, absl::Duration duration) {
    const absl::Time until = absl::Now() + duration;
    while (!stop.stop_requested() && absl::Now() < until) {
      absl::SleepFor(std::min(duration, absl::Milliseconds(50)));
    }
  }

  const std::unique_ptr<bus::Bus> own_bus_;
  bus::Bus& bus_;
  const std::optional<store::RedisOptions> redis_;
  const GatewaySettings settings_;
  const service::Context context_;
  Metrics metrics_;
  telemetry::Readiness::Condition ready_;
  std::unique_ptr<http::Client> http_;
  std::unique_ptr<rpc::Authenticator> authenticator_;
  std::unique_ptr<Gateway> gateway_;
  std::unique_ptr<AgentServiceHandler> service_;
  std::unique_ptr<rpc::Server> server_;
  std::atomic<int> port_ = 0;
  std::jthread starter_;  // makes the rest; joined before anyone else touches it
};

}  // namespace

std::unique_ptr<GatewayApp> NewApp(bus::Bus& bus, std::optional<store::RedisOptions> redis,
                                   const GatewaySettings& settings,
                                   const service::Context& context) {
  return std::make_unique<App>(nullptr, bus, std::move(redis), settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(store::RedisOptions redis, settings.redis.ToOptions());
  WISSEL_ASSIGN_OR_RETURN(
      std::unique_ptr<bus::Bus> bus,
      connections::OpenKafka(settings.kafka, "wissel-agent-gateway", context.log));
  bus::Bus& on = *bus;
  return std::make_unique<App>(std::move(bus), on, std::move(redis), settings.gateway, context);
}

}  // namespace wissel::agent_gateway
