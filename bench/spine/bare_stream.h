#pragma once

#include <memory>

#include "bench/spine/bare_hop.h"

namespace wissel::bench {

// The gateway's bare twin: a gRPC callback server, whose one stream is sent every record of
// the log as it comes, as an event. It checks no token, keeps no state and resumes nothing.
class BareStream {
 public:
  explicit BareStream(const BareHopOptions& options);
  ~BareStream();
  int port() const;
  void Run();  // Until the process ends.

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wissel::bench
