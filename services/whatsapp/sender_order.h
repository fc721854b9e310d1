#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/functional/any_invocable.h"
#include "libs/base/mutex.h"

namespace wissel::whatsapp {

// Keeps the messages of each sender in the order in which they were taken in, while the media of
// some are still being fetched. Thread-safe.
//
// A place that was taken must get its turn: what comes behind it waits.
class SenderOrder {
 public:
  using Publish = absl::AnyInvocable<void() &&>;

  struct Place {
    std::string sender;
    std::optional<Publish> publish;  // Set when it is ready.
  };

  // The place behind all of `sender` so far.
  std::shared_ptr<Place> Take(std::string sender);

  // Calls `publish` when everything before its place has been: now, on this thread, or later on the
  // thread that makes those ready. Never two of one sender at once.
  void Ready(const std::shared_ptr<Place>& place, Publish publish);

 private:
  Mutex mutex_;
  std::map<std::string, std::deque<std::shared_ptr<Place>>> waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::whatsapp
