#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

// What the router is measured against: the same topics, clients and settings with nothing in
// between, written straight on librdkafka.
namespace wissel::bench {

struct BareHopOptions {
  std::string brokers;
  std::string topic_prefix;
  int partitions = 1;
  int64_t count = 0;  // Messages in all partitions together.
};

// A client with the settings of libs/bus's appender and the router's limit on what is in flight.
// `delivered` gets the opaque of each message that was acknowledged; any other outcome aborts.
rd_kafka_t* NewBareProducer(const BareHopOptions& options, void (*delivered)(void* opaque));

// Copies `count` records from the inbound topic to the log, pipelined and idempotent, partition by
// partition in order. Returns when all are acknowledged. Aborts on any error.
void BareHop(const BareHopOptions& options);

// Reads `count` records of the log from its start and looks at none of them. What a router that
// starts from the log alone is measured against. Returns the seconds from asking to the last.
double BareRead(const BareHopOptions& options);

// Where the log's partitions end, asked of the broker without reading anything.
class LogEnds {
 public:
  explicit LogEnds(const BareHopOptions& options);
  ~LogEnds();
  LogEnds(const LogEnds&) = delete;
  LogEnds& operator=(const LogEnds&) = delete;

  int64_t Of(int32_t partition) const;
  int64_t Sum() const;

 private:
  const int partitions_;
  const std::string topic_;
  rd_kafka_t* const client_;
};

// Gives the value of each new record of the log to `take`, until it returns false.
void BareTail(const BareHopOptions& options, const std::function<bool(absl::string_view)>& take);

}  // namespace wissel::bench
