#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"
#include "libs/testing/away_bus.h"

namespace wissel::agent_gateway {

// What can be read, but takes no more: whatever is appended is answered when the appender goes.
class HoldingBus : public testing::AwayBus {
 public:
  explicit HoldingBus(bus::Bus& bus) : AwayBus(&bus), bus_(bus) {}

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    return bus_.OpenReader(topic, partition, std::move(options));
  }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions) override {
    class Holding : public bus::Appender {
     public:
      ~Holding() override {
        for (Done& done : held_) done(absl::UnavailableError("the broker is away"));
      }
      void Append(bus::Outgoing, Done done) override {
        MutexLock lock(mutex_);
        held_.push_back(std::move(done));
      }
      absl::Status Admit(const bus::Outgoing&) const override { return absl::OkStatus(); }
      absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }

     private:
      Mutex mutex_;
      std::vector<Done> held_ ABSL_GUARDED_BY(mutex_);
    };
    return std::make_unique<Holding>();
  }

 private:
  bus::Bus& bus_;
};

}  // namespace wissel::agent_gateway
