#include "bench/spine/log_tools.h"

#include <algorithm>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "bench/spine/workload.h"
#include "libs/base/check.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::bench {
namespace {

constexpr absl::Duration kPatience = absl::Minutes(2);

void Append(bus::Appender& appender, bus::Outgoing record) {
  while (!appender.Admit(record).ok()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  appender.Append(std::move(record),
                  [](absl::StatusOr<int64_t> offset) { WISSEL_CHECK_OK(offset); });
}

std::unique_ptr<bus::Reader> OpenLog(bus::Bus& bus, int32_t partition, int64_t offset) {
  auto reader = bus.OpenReader(bus::Topic::kLog, partition, {.offset = offset});
  WISSEL_CHECK_OK(reader);
  return *std::move(reader);
}

std::vector<bus::Record> Read(bus::Reader& reader, size_t max) {
  auto records = reader.Poll(max, absl::Seconds(5));
  WISSEL_CHECK_OK(records);
  return *std::move(records);
}

bool IsDecisionOnMessage(const bus::Record& record) {
  log::v1::LogRecord parsed;
  return parsed.ParseFromString(record.value) &&
         parsed.decision().cause().input().topic() == common::v1::INPUT_TOPIC_INBOUND;
}

struct First {
  absl::Time time;
  int64_t offset = 0;
};

// The first record that counts. The reader is gone with it: it would go on fetching, and be one
// more who wants the processor.
template <class Counts>
First AwaitFirst(bus::Bus& bus, int32_t partition, absl::Time deadline, const Counts& counts) {
  const auto reader = OpenLog(bus, partition, 0);
  while (true) {
    WISSEL_CHECK(absl::Now() < deadline) << "the log stays empty";
    for (const bus::Record& record : Read(*reader, 1)) {
      if (counts(record)) return {record.time, record.offset};
    }
  }
}

template <class Counts>
Span Await(bus::Bus& bus, const BareHopOptions& log, const Counts& counts) {
  const absl::Time deadline = absl::Now() + kPatience;
  absl::Time first = absl::InfiniteFuture();
  int64_t others = 0;  // Records before the first that counts.
  for (int p = 0; p < log.partitions; ++p) {
    const First found = AwaitFirst(bus, p, deadline, counts);
    first = std::min(first, found.time);
    others += found.offset;
  }
  const LogEnds ends(log);
  Span span;
  while ((span.records = ends.Sum()) - others < log.count) {
    WISSEL_CHECK(absl::Now() < deadline) << span.records << " records";
    absl::SleepFor(absl::Milliseconds(50));
  }
  absl::Time last = absl::InfinitePast();
  for (int p = 0; p < log.partitions; ++p) {
    const auto reader = OpenLog(bus, p, ends.Of(p) - 1);
    const std::vector<bus::Record> records = Read(*reader, 1);
    WISSEL_CHECK(!records.empty());
    last = std::max(last, records.back().time);
  }
  span.duration = last - first;
  return span;
}

}  // namespace

void Prepare(bus::Bus& bus, const Fill& fill) {
  WISSEL_CHECK_OK(bus.EnsureTopics(bus::DefaultTopics(fill.partitions)));
  const auto appender = bus.NewAppender({.max_in_flight = 50'000});
  const std::vector<std::string> workspaces = Workspaces(fill.partitions);
  for (const std::string& workspace : workspaces) {
    Append(*appender, {.topic = bus::Topic::kConfig,
                       .partition = 0,
                       .key = workspace,
                       .value = Shop(workspace).SerializeAsString(),
                       .headers = {}});
  }
  for (int64_t i = 0; i < fill.messages; ++i) {
    const int32_t partition = static_cast<int32_t>(i % fill.partitions);
    const std::string& workspace = workspaces[static_cast<size_t>(partition)];
    Append(
        *appender,
        {.topic = bus::Topic::kInbound,
         .partition = partition,
         .key = KeyOf(workspace),
         .value = CustomerText(workspace, i % fill.contacts, i / fill.contacts).SerializeAsString(),
         .headers = {}});
  }
  WISSEL_CHECK_OK(appender->Flush(absl::Minutes(2)));
}

Span AwaitDecisions(bus::Bus& bus, const BareHopOptions& log) {
  return Await(bus, log, IsDecisionOnMessage);
}

Span AwaitCopies(bus::Bus& bus, const BareHopOptions& log) {
  return Await(bus, log, [](const bus::Record&) { return true; });
}

LogCount CountLog(bus::Bus& bus, int partitions) {
  LogCount count;
  for (int p = 0; p < partitions; ++p) {
    const auto reader = OpenLog(bus, p, 0);
    const auto end = reader->EndOffset();
    WISSEL_CHECK_OK(end);
    while (reader->position() < *end) {
      for (const bus::Record& record : Read(*reader, 10'000)) {
        log::v1::LogRecord parsed;
        WISSEL_CHECK(parsed.ParseFromString(record.value));
        ++count.records;
        count.events += parsed.decision().events_size();
        count.bytes += static_cast<int64_t>(record.value.size());
      }
    }
  }
  return count;
}

Silence AwaitSilence(bus::Bus& bus, const Probe& probe) {
  const auto appender = bus.NewAppender({});
  const std::string workspace = Workspaces(1).front();
  const auto reader = OpenLog(bus, 0, 0);
  const auto end = reader->EndOffset();
  WISSEL_CHECK_OK(end);
  WISSEL_CHECK_OK(reader->Seek(*end));
  const absl::Time start = absl::Now();
  absl::Time next = start;
  absl::Time last = absl::InfiniteFuture();
  for (int64_t n = 0; absl::Now() - start < probe.limit;) {
    if (absl::Now() >= next) {
      // A customer whom nobody has heard of, so that each message counts.
      Append(*appender, {.topic = bus::Topic::kInbound,
                         .partition = 0,
                         .key = KeyOf(workspace),
                         .value = CustomerText(workspace, 900'000,
                                               absl::ToUnixMillis(start) % 1'000'000'000 + n)
                                      .SerializeAsString(),
                         .headers = {}});
      ++n;
      next += probe.interval;
    }
    const auto records = reader->Poll(1000, absl::Milliseconds(5));
    WISSEL_CHECK_OK(records);
    for (const bus::Record& record : *records) {
      if (!IsDecisionOnMessage(record)) continue;
      const absl::Time now = absl::Now();
      if (now - last >= probe.at_least) return {last, now};
      last = now;
    }
  }
  return {absl::InfinitePast(), absl::InfiniteFuture()};
}

}  // namespace wissel::bench
