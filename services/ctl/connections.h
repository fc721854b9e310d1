#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/connections/kafka_settings.h"
#include "libs/store/redis.h"
#include "services/ctl/session.h"

namespace wissel::ctl {

// How Kafka and Redis are reached: as a service reaches them, by the `kafka` and `redis` sections
// of the file that --connections (or the context) names. Without a file, unencrypted and without
// login. --timeout says how long an answer is waited for, before the file. INVALID_ARGUMENT, with
// file and line, for what is wrong in it.

// The cluster with the log: --kafka (WISSEL_KAFKA) says where, before the file. Nothing: neither
// does.
absl::StatusOr<std::optional<connections::KafkaSettings>> KafkaOf(const Session& session);

// Redis: `given` (--redis) says where, before the file and the context. Empty address: nothing
// does.
absl::StatusOr<store::RedisOptions> RedisOf(const Session& session, const std::string& given);

}  // namespace wissel::ctl
