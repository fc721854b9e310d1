#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/arena.h"
#include "google/protobuf/message.h"
#include "libs/base/notification.h"
#include "libs/base/worker_pool.h"
#include "libs/bus/bus.h"

namespace wissel::router {

// The second thread of a router, for all its partitions: reads and parses ahead, and folds during
// recovery.
struct NoTool {};
using AheadWorker = WorkerPool<NoTool>;

// The record's trace context; empty where it is longer than any that is one.
absl::string_view TraceOf(const bus::Record& record);

// A topic's inputs to one partition, in order, parsed. In a backlog the worker reads and parses the
// next batch while this one is decided; at other times nothing is handed to and fro. For one
// thread.
class Intake {
 public:
  struct Options {
    size_t batch = 500;  // Records read at a time.
    // Records larger than this are not parsed.
    int64_t max_bytes = 0;
  };
  struct Input {
    bus::Record record;
    // Null: bytes that are no such message, or too many.
    google::protobuf::Message* message = nullptr;
  };

  // `prototype` is of the type that the topic holds. `worker` must outlive the intake.
  Intake(std::unique_ptr<bus::Reader> reader, const google::protobuf::Message& prototype,
         const Options& options, AheadWorker& worker);
  ~Intake();
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  // The next input, the same until Pop; null where none has come.
  //   OUT_OF_RANGE  it is gone from the topic: SkipToStart
  absl::StatusOr<Input*> Peek();
  // True where another one follows the next; behind a full batch, where one is likely to.
  bool More() const { return ahead_ != nullptr || batch_->next + 1 < batch_->inputs.size(); }
  // Done with it; its message may still be read until the next Peek.
  void Pop();

  // Inputs that are not done with, as far as the topic's reader had heard when it read last.
  int64_t waiting() const {
    return static_cast<int64_t>(batch_->inputs.size() - batch_->next) + batch_->behind;
  }

  // Goes on with the first record that the topic still has; its offset.
  absl::StatusOr<int64_t> SkipToStart();
  // The offset of the next record to be read.
  int64_t position() const { return reader_->position(); }

 private:
  struct Batch {
    google::protobuf::Arena memory;
    std::vector<Input> inputs;
    size_t next = 0;
    int64_t behind = 0;  // Records of the topic behind these.
  };
  struct Ahead {
    Notification done;
    absl::StatusOr<std::unique_ptr<Batch>> batch;
  };

  absl::StatusOr<std::unique_ptr<Batch>> Read();
  absl::StatusOr<std::unique_ptr<Batch>> NextBatch();
  // `used` is freed there, too.
  void ReadAhead(std::unique_ptr<Batch> used);

  const std::unique_ptr<bus::Reader> reader_;  // The worker's while `ahead_` is not done.
  const google::protobuf::Message& prototype_;
  const Options options_;
  AheadWorker& worker_;
  std::unique_ptr<Batch> batch_ = std::make_unique<Batch>();
  std::shared_ptr<Ahead> ahead_;
};

}  // namespace wissel::router
