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

template <class Counts>
Span Await(bus::Bus& bus, int partitions, int64_t count, const Counts& counts) {
  struct Log {
    std::unique_ptr<bus::Reader> reader;
    int64_t others = 0;  // Records before the first that counts.
    absl::Time first = absl::InfiniteFuture();
  };
  std::vector<Log> logs;
  for (int p = 0; p < partitions; ++p) logs.push_back({.reader = OpenLog(bus, p, 0)});
  const absl::Time deadline = absl::Now() + kPatience;
  // What comes first, then only the ends: reading everything would take a core of its own.
  for (Log& log : logs) {
    while (log.first == absl::InfiniteFuture()) {
      WISSEL_CHECK(absl::Now() < deadline) << "the log stays empty";
      for (const bus::Record& record : Read(*log.reader, 1)) {
        if (counts(record)) {
          log.first = record.time;
        } else {
          ++log.others;
        }
      }
    }
  }
  Span span;
  while (true) {
    int64_t found = 0;
    span.records = 0;
    for (Log& log : logs) {
      const auto end = log.reader->EndOffset();
      WISSEL_CHECK_OK(end);
      span.records += *end;
      found += *end - log.others;
    }
    if (found >= count) break;
    WISSEL_CHECK(absl::Now() < deadline) << found << " of " << count;
    absl::SleepFor(absl::Milliseconds(20));
  }
  absl::Time first = absl::InfiniteFuture();
  absl::Time last = absl::InfinitePast();
  for (int p = 0; p < partitions; ++p) {
    Log& log = logs[static_cast<size_t>(p)];
    const auto end = log.reader->EndOffset();
    WISSEL_CHECK_OK(end);
    WISSEL_CHECK_OK(log.reader->Seek(*end - 1));
    const std::vector<bus::Record> records = Read(*log.reader, 1);
    WISSEL_CHECK(!records.empty());
    first = std::min(first, log.first);
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

Span AwaitDecisions(bus::Bus& bus, int partitions, int64_t count) {
  return Await(bus, partitions, count, IsDecisionOnMessage);
}

Span AwaitCopies(bus::Bus& bus, int partitions, int64_t count) {
  return Await(bus, partitions, count, [](const bus::Record&) { return true; });
}

int64_t LogEnd(bus::Bus& bus, int partitions) {
  int64_t sum = 0;
  for (int p = 0; p < partitions; ++p) {
    const auto end = OpenLog(bus, p, 0)->EndOffset();
    WISSEL_CHECK_OK(end);
    sum += *end;
  }
  return sum;
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
