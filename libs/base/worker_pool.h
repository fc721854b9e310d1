#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/bounded_queue.h"
#include "libs/base/thread.h"

namespace wissel {

// Threads for work that blocks, each with a Tool of its own (a connection, a reader) that no other
// thread touches. Owns threads and tools. Thread-safe. Work begins in the order in which it was
// taken.
//
// The destructor takes nothing new, does what was taken, and joins.
template <class Tool>
class WorkerPool {
 public:
  using Work = std::function<void(Tool&)>;

  struct Options {
    std::string name;
    int threads = 4;
    size_t queue = 1000;  // work taken and not begun, at most
  };

  // `make` is called once for each thread, here.
  WorkerPool(const Options& options, const std::function<std::unique_ptr<Tool>()>& make)
      : queue_(options.queue) {
    for (int i = 0; i < options.threads; ++i) {
      threads_.push_back(StartThread(options.name, [this, tool = std::shared_ptr<Tool>(make())] {
        while (std::optional<Work> work = queue_.Pop()) (*work)(*tool);
      }));
    }
  }
  ~WorkerPool() {
    queue_.Close();
    threads_.clear();
  }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False, and nothing happens, when too much is waiting already.
  bool TryRun(Work work) { return queue_.TryPush(std::move(work)); }

 private:
  BoundedQueue<Work> queue_;
  std::vector<std::jthread> threads_;
};

}  // namespace wissel
