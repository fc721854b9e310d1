#pragma once

#include <thread>

#include "libs/base/notification.h"
#include "libs/bus/bus.h"
#include "libs/channel/publisher.h"
#include "libs/telemetry/endpoint.h"

namespace wissel::channel {

// Says as a readiness condition whether the bus can be used: that its topics are there and fit
// together, and from then on, every few seconds, that it answers. Owns a thread.
class BusWatch {
 public:
  // Neither is owned. Connects `publisher`, which is null where nothing is taken in.
  BusWatch(bus::Bus* bus, Publisher* publisher, telemetry::Readiness::Condition condition);
  ~BusWatch();  // Waits for a question in progress.
  BusWatch(const BusWatch&) = delete;
  BusWatch& operator=(const BusWatch&) = delete;

 private:
  void Run();

  bus::Bus* const bus_;
  Publisher* const publisher_;
  telemetry::Readiness::Condition condition_;
  Notification stop_;
  std::jthread thread_;
};

}  // namespace wissel::channel
