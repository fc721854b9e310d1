#pragma once

#include <string>

#include "bench/spine/bare_hop.h"
#include "bench/spine/webhooks.h"

namespace wissel::bench {

// Where a delivery is seen: on a supervisor's stream of a gateway, or, without a target, by reading
// the log bare.
struct Arrivals {
  std::string gateway;  // HOST:PORT
  std::string token;    // A supervisor's.
  BareHopOptions log;
};

struct Latency {
  double p50_ms = 0;
  double p99_ms = 0;
};

// Posts webhooks at a rate and times each from when it was due to when its message arrived; the
// first tenth warms up. Aborts if one has not arrived 30 s after the last was due.
Latency MeasureDeliveries(const PostOptions& post, const Arrivals& arrivals);

}  // namespace wissel::bench
