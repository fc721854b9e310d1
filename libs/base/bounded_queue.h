#pragma once

#include <cstddef>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/check.h"
#include "libs/base/mutex.h"
#include "libs/base/timeout.h"

namespace wissel {

// A first-in first-out queue of at most `capacity` items between threads. Thread-safe. Items come
// out in the order in which they went in. After Close nothing goes in; what is inside can still be
// taken out.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) { WISSEL_CHECK(capacity > 0); }

  BoundedQueue(const BoundedQueue&) = delete;
  BoundedQueue& operator=(const BoundedQueue&) = delete;

  // False if the queue is full or closed; `item` is then left as it was.
  bool TryPush(T&& item) {
    MutexLock lock(mutex_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(item));
    not_empty_.NotifyOne();
    return true;
  }
  bool TryPush(const T& item) { return TryPush(T(item)); }

  // Waits for room. False if there was none within `timeout`, or if the queue is closed.
  bool Push(T item, absl::Duration timeout = absl::InfiniteDuration()) {
    const Timeout limit(timeout);
    MutexLock lock(mutex_);
    while (!closed_ && items_.size() >= capacity_) {
      if (limit.Expired()) return false;
      not_full_.WaitFor(mutex_, limit.Remaining());
    }
    if (closed_) return false;
    items_.push_back(std::move(item));
    not_empty_.NotifyOne();
    return true;
  }

  // Waits for an item. Nothing if none came within `timeout`, or if the queue is closed and empty.
  std::optional<T> Pop(absl::Duration timeout = absl::InfiniteDuration()) {
    const Timeout limit(timeout);
    MutexLock lock(mutex_);
    while (items_.empty()) {
      if (closed_ || limit.Expired()) return std::nullopt;
      not_empty_.WaitFor(mutex_, limit.Remaining());
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    not_full_.NotifyOne();
    return item;
  }

  // Waits as Pop does for the first item, then takes along what else is there, `max` in total at
  // most.
  std::vector<T> PopBatch(size_t max, absl::Duration timeout = absl::InfiniteDuration()) {
    const Timeout limit(timeout);
    std::vector<T> batch;
    MutexLock lock(mutex_);
    while (items_.empty()) {
      if (closed_ || limit.Expired()) return batch;
      not_empty_.WaitFor(mutex_, limit.Remaining());
    }
    while (!items_.empty() && batch.size() < max) {
      batch.push_back(std::move(items_.front()));
      items_.pop_front();
    }
    not_full_.NotifyAll();
    return batch;
  }

  // Takes everything there is, without waiting.
  std::vector<T> PopAll() { return PopBatch(static_cast<size_t>(-1), absl::ZeroDuration()); }

  // Wakes every waiter.
  void Close() {
    MutexLock lock(mutex_);
    closed_ = true;
    not_empty_.NotifyAll();
    not_full_.NotifyAll();
  }

  size_t size() const {
    MutexLock lock(mutex_);
    return items_.size();
  }
  size_t capacity() const { return capacity_; }
  bool closed() const {
    MutexLock lock(mutex_);
    return closed_;
  }

 private:
  const size_t capacity_;
  mutable Mutex mutex_;
  CondVar not_empty_;
  CondVar not_full_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace wissel
