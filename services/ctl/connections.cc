#include "services/ctl/connections.h"

#include "libs/base/status_macros.h"
#include "libs/config/config.h"
#include "libs/connections/redis_settings.h"

namespace wissel::ctl {
namespace {

struct Settings {
  std::optional<connections::KafkaSettings> kafka;
  std::optional<connections::RedisSettings> redis;

  void Describe(config::Binder& b) {
    b.OptionalGroup("kafka", &kafka, "The cluster with the log.");
    b.OptionalGroup("redis", &redis, "Redis, with checkpoints and views.");
  }
};

absl::StatusOr<Settings> Read(const Session& session) {
  Settings settings;
  const std::string& file = session.flags.connections_file;
  if (file.empty()) return settings;
  const absl::Status status =
      config::Load([&](config::Binder& b) { settings.Describe(b); }, {.file = file});
  if (absl::IsNotFound(status)) return absl::InvalidArgumentError(status.message());
  WISSEL_RETURN_IF_ERROR(status);
  return settings;
}

}  // namespace

absl::StatusOr<std::optional<connections::KafkaSettings>> KafkaOf(const Session& session) {
  WISSEL_ASSIGN_OR_RETURN(Settings settings, Read(session));
  const std::string& given = session.flags.kafka;
  if (!settings.kafka.has_value()) {
    if (given.empty()) return std::nullopt;
    settings.kafka.emplace().request_timeout = session.timeout();
  }
  if (!given.empty()) settings.kafka->brokers = given;
  if (session.given_timeout()) settings.kafka->request_timeout = *session.given_timeout();
  return settings.kafka;
}

absl::StatusOr<store::RedisOptions> RedisOf(const Session& session, const std::string& given) {
  WISSEL_ASSIGN_OR_RETURN(Settings settings, Read(session));
  store::RedisOptions options;
  if (settings.redis.has_value()) {
    if (!given.empty()) settings.redis->address = given;
    WISSEL_ASSIGN_OR_RETURN(options, settings.redis->ToOptions());
  } else {
    options.address = given.empty() ? session.context().redis : given;
  }
  if (session.given_timeout()) options.command_timeout = *session.given_timeout();
  return options;
}

}  // namespace wissel::ctl
