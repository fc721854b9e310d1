#pragma once

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "libs/bus/bus.h"
#include "libs/service/service.h"
#include "libs/store/redis.h"
#include "services/whatsapp/config.h"

namespace wissel::whatsapp {

// The channel on a bus that is there: for wissel-dev, which shares it, and for tests. `bus` must
// outlive the app; `redis` empty: no checkpoints. Ingest needs somebody to have made the topics;
// until they answer, webhooks get 503.
//   INVALID_ARGUMENT     accounts that contradict each other, or limits that do
//   FAILED_PRECONDITION  a chaos setting without WISSEL_CHAOS_CANARY=1
//   UNAVAILABLE          the listening address or the blob folder cannot be had
class WhatsappApp : public service::App {
 public:
  static absl::StatusOr<std::unique_ptr<WhatsappApp>> New(bus::Bus& bus,
                                                          std::optional<store::RedisOptions> redis,
                                                          const WhatsappSettings& settings,
                                                          const service::Context& context);

  // Of the webhook's server; 0 where this process does not ingest.
  virtual int webhook_port() const = 0;
};

// The service as its settings say.
absl::StatusOr<std::unique_ptr<service::App>> Start(const Settings& settings,
                                                    const service::Context& context);

}  // namespace wissel::whatsapp
