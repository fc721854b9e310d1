#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/mutex.h"
#include "libs/bus/kafka_client.h"

namespace wissel::bus::internal {

// The clients that readers share. One client reads a partition once only, so there are as many as
// the most-read partition has readers. Thread-safe; outlives its readers.
class ReaderPool : public ClientOwner {
 public:
  using ClientOwner::ClientOwner;

  absl::StatusOr<std::unique_ptr<Reader>> Open(Topic topic, int32_t partition,
                                               ReaderOptions options);

 private:
  friend class KafkaReader;
  using Place = std::pair<Topic, int32_t>;
  struct Shared {
    Client client;
    std::set<Place> places;
  };

  absl::StatusOr<rd_kafka_t*> Take(const Place& place);
  void Return(rd_kafka_t* client, const Place& place);

  Mutex mutex_;
  std::vector<Shared> clients_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace wissel::bus::internal
