#pragma once

#include <cstdint>
#include <string>

#include "libs/channel/publisher.h"
#include "libs/channel/sender.h"
#include "libs/config/binder.h"

namespace wissel::channel {

// Which half of a channel service a process is.
enum class Role { kIngest, kDeliver, kAll };

inline bool Ingests(Role role) { return role != Role::kDeliver; }
inline bool Delivers(Role role) { return role != Role::kIngest; }

// Under the key `role` of every channel service.
void DescribeRole(config::Binder& b, Role* role);

// A DeliveryPolicy, under the key `delivery` of every channel service. A channel sets its own
// defaults in `policy` first.
struct DeliverySettings {
  DeliveryPolicy policy;
  absl::Duration session_timeout = absl::Seconds(10);

  void Describe(config::Binder& b);
};

// Under the key `publish` of every channel service, which says RequireRoom, too.
struct PublishSettings {
  int64_t max_in_flight = 10'000;
  int64_t max_in_flight_bytes = 64 << 20;

  void Describe(config::Binder& b);
  // Without `on_diverted`.
  PublisherOptions ToOptions() const;
};

// That a record of the bus holds a dead letter, and that the largest record may be on its way.
void RequireRoom(config::Binder& b, const PublishSettings& publish, int64_t max_record_bytes);

// Under the key `blobs`.
struct BlobSettings {
  std::string folder = "blobs";
  int64_t max_blob_bytes = 100 << 20;

  void Describe(config::Binder& b);
};

}  // namespace wissel::channel
