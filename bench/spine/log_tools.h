#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "bench/spine/bare_hop.h"
#include "libs/bus/bus.h"

// What the benchmarks do to a spine from outside, through its topics.
namespace wissel::bench {

struct Fill {
  int partitions = 1;
  int64_t messages = 0;
  int64_t contacts = 0;  // Who write in turn, each as often as the others.
};

// Makes the topics, puts a shop for each partition into the configuration and `messages` into
// inbound, all of them acknowledged on return.
void Prepare(bus::Bus& bus, const Fill& fill);

// Waits until `log.count` decisions on messages stand in the log, and takes as little of the
// processor meanwhile as it can. Returns the time from the first of them to the last, by their
// appender's clock.
struct Span {
  absl::Duration duration;
  int64_t records = 0;  // Of the log, whatever they are.
};
Span AwaitDecisions(bus::Bus& bus, const BareHopOptions& log);

// The same where the log holds copies of the messages and nothing else.
Span AwaitCopies(bus::Bus& bus, const BareHopOptions& log);

// Reads the whole log and counts what is in it.
struct LogCount {
  int64_t records = 0;
  int64_t events = 0;
  int64_t bytes = 0;
};
LogCount CountLog(bus::Bus& bus, int partitions);

// Sends a message every `interval` to partition 0, whose log it reads, until none has been decided
// for `at_least` and then one was, or `limit` has passed. Returns when the silence ended, or
// InfiniteFuture.
struct Probe {
  absl::Duration interval;
  absl::Duration at_least;
  absl::Duration limit;
};
struct Silence {
  absl::Time began;
  absl::Time ended;
};
Silence AwaitSilence(bus::Bus& bus, const Probe& probe);

}  // namespace wissel::bench
