#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/bus/bus.h"
#include "libs/channel/sender.h"
#include "libs/store/redis.h"
#include "libs/telemetry/endpoint.h"
#include "libs/telemetry/log.h"
#include "libs/telemetry/metrics.h"
#include "wissel/common/v1/common.pb.h"

namespace wissel::channel {

struct DelivererOptions {
  common::v1::ChannelKind kind = common::v1::CHANNEL_KIND_UNSPECIFIED;
  // Deliverers of one channel kind share the log's partitions by this name.
  std::string group;  // Empty: "deliver-<kind>".
  // Names this process to people; must differ between processes.
  std::string deliverer_id;
  DeliveryPolicy policy;
  absl::Duration session_timeout = absl::Seconds(10);
  // Where it keeps its place (outbox_store.h); unset: who takes a partition over folds its log from
  // the start.
  std::optional<store::RedisOptions> redis;
  absl::Duration checkpoint_interval = absl::Seconds(10);
  // How often the group's offsets are committed, for those who watch its lag.
  absl::Duration commit_interval = absl::Seconds(5);
  // Whether the process is ready only if the deliverer is. Not for one that takes messages in as
  // well: it goes on without, and the metrics say what keeps answers here.
  bool decides_readiness = true;
};

// The outward half of a channel: carries the answers in the log to the provider. Owns a thread,
// which folds the log of the partitions that its group gives it into an Outbox each (outbox.h says
// how a message is delivered), and carries out what they ask for. What
// a deliverer knows, the log shows to the next one; a checkpoint only saves reading it all.
//
// A receipt is appended again until the bus acknowledges it; outcomes of calls are reported even
// when the partition has gone to another deliverer meanwhile. As a readiness condition it says
// whether its group gives it partitions, it can read their log, and the router has taken its
// markers.
class Deliverer {
 public:
  struct Stats {
    int partitions = 0;
    int started = 0;  // Partitions whose log has shown our marker.
    int open = 0;
    int held = 0;
    int in_flight = 0;  // Calls to the provider.
    int uncertain = 0;
    int64_t records = 0;  // Read from the log since the start.
  };

  // Nothing here is owned. A bus that cannot be reached is tried again until it can. Callbacks of
  // the sender that come after the deliverer's end do nothing.
  static std::unique_ptr<Deliverer> Start(DelivererOptions options, bus::Bus* bus, Sender* sender,
                                          const Clock* clock, telemetry::Logger log,
                                          telemetry::Registry* metrics,
                                          telemetry::Readiness* readiness);

  virtual ~Deliverer() = default;  // Drain(zero).

  // Begins no more attempts, waits at most `grace` for the outcomes of those that run and for their
  // receipts, and leaves the group. An attempt cut off here becomes uncertain for the next
  // deliverer.
  virtual void Drain(absl::Duration grace) = 0;

  virtual Stats stats() const = 0;
};

// Adds the series of wissel_deliver_…, as a deliverer does: for the reference page.
void DescribeDelivererMetrics(common::v1::ChannelKind kind, telemetry::Registry& metrics);

}  // namespace wissel::channel
