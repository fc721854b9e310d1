#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "libs/base/mutex.h"
#include "libs/base/timeout.h"
#include "libs/testing/forwarding_bus.h"

namespace wissel::testing {

// A bus that takes what is appended and answers when the test says so.
class UnacknowledgedBus final : public ForwardingBus {
 public:
  explicit UnacknowledgedBus(bus::Bus& bus) : ForwardingBus(bus) {}

  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    class Holding final : public bus::Appender {
     public:
      Holding(std::unique_ptr<bus::Appender> real, UnacknowledgedBus& owner)
          : real_(std::move(real)), owner_(owner) {}
      void Append(bus::Outgoing record, Done done) override {
        real_->Append(std::move(record),
                      [this, done = std::move(done)](absl::StatusOr<int64_t> offset) mutable {
                        owner_.Hold(std::move(done), std::move(offset));
                      });
      }
      absl::Status Admit(const bus::Outgoing& record) const override {
        return real_->Admit(record);
      }
      absl::Status Flush(absl::Duration timeout) override { return real_->Flush(timeout); }

     private:
      const std::unique_ptr<bus::Appender> real_;
      UnacknowledgedBus& owner_;
    };
    return std::make_unique<Holding>(ForwardingBus::NewAppender(options), *this);
  }

  // Waits until `count` records are durable and unanswered.
  bool WaitForHeld(size_t count) {
    const Timeout limit(absl::Seconds(20));
    MutexLock lock(mutex_);
    while (held_.size() < count && !limit.Expired()) changed_.WaitFor(mutex_, limit.Remaining());
    return held_.size() == count;
  }
  // Answers the oldest one: as the bus did, or with `failure`.
  void Release(const absl::Status& failure = absl::OkStatus()) {
    std::pair<bus::Appender::Done, absl::StatusOr<int64_t>> oldest;
    {
      MutexLock lock(mutex_);
      oldest = std::move(held_.front());
      held_.erase(held_.begin());
    }
    if (!failure.ok()) oldest.second = failure;
    oldest.first(std::move(oldest.second));
  }
  // Answers them all, and from here on at once.
  void HoldNoMore() {
    size_t count = 0;
    {
      MutexLock lock(mutex_);
      holding_ = false;
      count = held_.size();
    }
    for (; count > 0; --count) Release();
  }

 private:
  void Hold(bus::Appender::Done done, absl::StatusOr<int64_t> offset) {
    {
      MutexLock lock(mutex_);
      if (holding_) {
        held_.emplace_back(std::move(done), std::move(offset));
        return changed_.NotifyAll();
      }
    }
    done(std::move(offset));
  }

  Mutex mutex_;
  CondVar changed_;
  bool holding_ ABSL_GUARDED_BY(mutex_) = true;
  std::vector<std::pair<bus::Appender::Done, absl::StatusOr<int64_t>>> held_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::testing
