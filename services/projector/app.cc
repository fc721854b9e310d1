#include "services/projector/app.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/connections/kafka_settings.h"
#include "services/projector/projector.h"

namespace wissel::projector {
namespace {

class ProjectorApp final : public service::App {
 public:
  ProjectorApp(bus::Bus& bus, store::RedisOptions redis, const ProjectorSettings& settings,
               const service::Context& context)
      : projector_(
            std::make_unique<Projector>(Projector::Dependencies{.bus = bus,
                                                                .redis = std::move(redis),
                                                                .clock = context.clock,
                                                                .log = context.log,
                                                                .metrics = context.metrics,
                                                                .readiness = context.readiness},
                                        settings)) {}

  absl::Status Drain(absl::Duration) override {
    projector_.reset();
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<Projector> projector_;
};

}  // namespace

std::unique_ptr<service::App> NewApp(bus::Bus& bus, store::RedisOptions redis,
                                     const ProjectorSettings& settings,
                                     const service::Context& context) {
  return std::make_unique<ProjectorApp>(bus, std::move(redis), settings, context);
}

absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context) {
  WISSEL_ASSIGN_OR_RETURN(store::RedisOptions redis, settings.redis.ToOptions());
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<bus::Bus> bus,
                          connections::OpenKafka(settings.kafka, "wissel-projector", context.log));
  auto app = NewApp(*bus, std::move(redis), settings.projector, context);
  return std::make_unique<service::AppOn<bus::Bus>>(std::move(bus), std::move(app));
}

}  // namespace wissel::projector
