#include "libs/channel/bus_watch.h"

#include "absl/time/time.h"
#include "libs/base/thread.h"

namespace wissel::channel {
namespace {

constexpr absl::Duration kAgain = absl::Seconds(1);
constexpr absl::Duration kHealthInterval = absl::Seconds(5);

}  // namespace

BusWatch::BusWatch(bus::Bus* bus, Publisher* publisher, telemetry::Readiness::Condition condition)
    : bus_(bus), publisher_(publisher), condition_(std::move(condition)) {
  thread_ = StartThread("bus-watch", [this] { Run(); });
}

BusWatch::~BusWatch() {
  stop_.Notify();
  thread_.join();
}

void BusWatch::Run() {
  bool found = false;
  while (!stop_.HasBeenNotified()) {
    const absl::Status status = found                   ? bus_->Health()
                                : publisher_ != nullptr ? publisher_->Connect()
                                                        : bus::CheckTopics(*bus_);
    if (status.ok()) {
      found = true;
      condition_.SetReady();
    } else {
      condition_.SetNotReady(status.message());
    }
    stop_.WaitFor(status.ok() ? kHealthInterval : kAgain);
  }
}

}  // namespace wissel::channel
