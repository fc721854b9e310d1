#pragma once

#include <cstdint>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/bus/log_reader.h"
#include "libs/store/redis.h"
#include "libs/telemetry/log.h"
#include "wissel/state/v1/outbox.pb.h"

namespace wissel::channel {

state::v1::LogPlace ToPlace(const bus::LogPosition& position);
bus::LogPosition FromPlace(const state::v1::LogPlace& place);

// Where deliverers keep what they have folded: Redis, a key for each kind of channel and partition,
// `wissel:{p<partition>}:outbox:<kind>`, beside the views. A value is whole by nature: the items,
// the place in the log they are good for, and a checksum over both. Never the truth: what is not
// there, does not add up or comes from another release is folded anew, and an older one only costs
// more folding, so that writers need not be kept apart.
//
// Load is for one thread at a time and may block for `patience`, for connecting and for the answer
// each; Save is thread-safe and does not block: a thread writes the latest of each.
class OutboxStore {
 public:
  OutboxStore(store::RedisOptions redis, telemetry::Logger log,
              absl::Duration patience = absl::InfiniteDuration());
  // Writes what waits, once.
  ~OutboxStore();
  OutboxStore(const OutboxStore&) = delete;
  OutboxStore& operator=(const OutboxStore&) = delete;

  //   NOT_FOUND    nothing is there
  //   DATA_LOSS    it does not add up, or is of another release
  //   UNAVAILABLE  Redis does not answer
  absl::StatusOr<state::v1::OutboxCheckpoint> Load(common::v1::ChannelKind kind, int32_t partition);
  void Save(state::v1::OutboxCheckpoint checkpoint);

 private:
  using Key = std::pair<common::v1::ChannelKind, int32_t>;

  void Run();
  void Write(store::Redis& redis, const state::v1::OutboxCheckpoint& checkpoint);

  const store::RedisOptions options_;
  const telemetry::Logger log_;
  store::Redis reading_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Key, state::v1::OutboxCheckpoint> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread writer_;
};

}  // namespace wissel::channel
