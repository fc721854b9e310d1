#pragma once

#include <string>

#include "bench/spine/webhooks.h"

namespace wissel::bench {

// The stream on which a delivery is seen: a gateway's, or its bare twin's.
struct Arrivals {
  std::string target;  // HOST:PORT
  std::string token;   // A supervisor's.
};

struct Latency {
  double p50_ms = 0;
  double p99_ms = 0;
};

// Posts webhooks at a rate and times each from when it was due to when its message arrived; the
// first tenth warms up. Aborts if one has not arrived 30 s after the last was due.
Latency MeasureDeliveries(const PostOptions& post, const Arrivals& arrivals);

}  // namespace wissel::bench
