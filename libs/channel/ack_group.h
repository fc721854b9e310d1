#pragma once

#include <memory>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "libs/base/mutex.h"

namespace wissel::channel {

// Calls `done` once when every part handed out has been answered, with the first error among them
// or OK. Thread-safe. A part that is dropped unanswered counts as INTERNAL.
//
//   AckGroup group(std::move(respond));
//   for (auto& message : batch) publisher.Publish(message, group.Add());
//   // The end of the group's life is the end of handing out: `done` may be called from here on.
class AckGroup {
 public:
  using Done = absl::AnyInvocable<void(absl::Status) &&>;

  explicit AckGroup(Done done) : state_(std::make_shared<State>(std::move(done))) {}

  Done Add() {
    return [part = Part(state_)](absl::Status status) mutable { part.Answer(std::move(status)); };
  }

 private:
  // Done when the last reference goes: each part holds one, and the group itself.
  class State {
   public:
    explicit State(Done done) : done_(std::move(done)) {}
    ~State() { std::move(done_)(std::move(status_)); }
    void Note(absl::Status status) {
      MutexLock lock(mutex_);
      if (status_.ok()) status_ = std::move(status);
    }

   private:
    Done done_;
    Mutex mutex_;
    absl::Status status_;
  };

  class Part {
   public:
    explicit Part(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Part(Part&&) = default;
    ~Part() {
      if (state_) state_->Note(absl::InternalError("dropped without an answer"));
    }
    void Answer(absl::Status status) {
      state_->Note(std::move(status));
      state_.reset();
    }

   private:
    std::shared_ptr<State> state_;
  };

  std::shared_ptr<State> state_;
};

}  // namespace wissel::channel
