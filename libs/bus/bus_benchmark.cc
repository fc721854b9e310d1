// Append throughput and the time from append to read, for the embedded log; for Kafka, our
// pipelined appender against a bare librdkafka loop with the same settings in the same run, as a
// ratio. Kafka's need WISSEL_TEST_KAFKA (scripts/stack up) and are left out without it.
#include <benchmark/benchmark.h>
#include <librdkafka/rdkafka.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/bus/bus.h"
#include "libs/bus/embedded.h"
#include "libs/bus/kafka.h"

namespace wissel::bus {
namespace {

constexpr size_t kValueBytes = 300;
constexpr int kBacklog = 100'000;

Outgoing OneRecord(int32_t partition) {
  return {.topic = Topic::kInbound,
          .partition = partition,
          .key = "workspace/group",
          .value = std::string(kValueBytes, 'x'),
          .headers = {}};
}

// Appends `count` records as fast as the appender takes them; waits for all.
void AppendBacklog(Bus& bus, int count, int partitions) {
  const auto appender = bus.NewAppender({.max_in_flight = 50'000});
  for (int i = 0; i < count; ++i) {
    Outgoing record = OneRecord(i % partitions);
    while (!appender->Admit(record).ok()) std::this_thread::yield();
    appender->Append(std::move(record),
                     [](absl::StatusOr<int64_t> offset) { WISSEL_CHECK_OK(offset); });
  }
  WISSEL_CHECK_OK(appender->Flush(absl::Minutes(1)));
}

void ReadBacklog(Bus& bus, int64_t count) {
  auto reader = bus.OpenReader(Topic::kInbound, 0, {});
  WISSEL_CHECK_OK(reader);
  for (int64_t read = 0; read < count;) {
    const auto records = (*reader)->Poll(10'000, absl::Seconds(10));
    WISSEL_CHECK_OK(records);
    read += static_cast<int64_t>(records->size());
  }
}

// One record at a time from append to a tailing reader's Poll, in microseconds, sorted.
std::vector<double> Latencies(Bus& bus, int count, absl::Duration pause) {
  const auto appender = bus.NewAppender({});
  auto reader = bus.OpenReader(Topic::kInbound, 0, {});
  WISSEL_CHECK_OK(reader);
  std::vector<double> latencies;
  for (int i = 0; i < count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    appender->Append(OneRecord(0), [](absl::StatusOr<int64_t> o) { WISSEL_CHECK_OK(o); });
    while (true) {
      const auto records = (*reader)->Poll(10, absl::Seconds(10));
      WISSEL_CHECK_OK(records);
      if (!records->empty()) break;
    }
    latencies.push_back(
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start)
            .count());
    absl::SleepFor(pause);
  }
  std::sort(latencies.begin(), latencies.end());
  return latencies;
}

void Report(benchmark::State& state, const std::vector<double>& sorted) {
  state.counters["p50_us"] = sorted[sorted.size() / 2];
  state.counters["p99_us"] = sorted[sorted.size() * 99 / 100];
}

class EmbeddedFolder {
 public:
  EmbeddedFolder() {
    path_ =
        (std::filesystem::temp_directory_path() / absl::StrCat("bus-bench-", getpid())).string();
    std::filesystem::create_directories(path_);
  }
  ~EmbeddedFolder() { std::filesystem::remove_all(path_); }
  std::unique_ptr<Bus> Open(bool in_file) {
    auto bus =
        NewEmbeddedBus({.path = in_file ? absl::StrCat(path_, "/", count_++, ".db") : ":memory:",
                        .partitions = 1});
    WISSEL_CHECK_OK(bus);
    return *std::move(bus);
  }

 private:
  std::string path_;
  int count_ = 0;
};

void BM_EmbeddedAppend(benchmark::State& state) {
  EmbeddedFolder folder;
  for (auto _ : state) {
    state.PauseTiming();
    auto bus = folder.Open(state.range(0) != 0);
    state.ResumeTiming();
    AppendBacklog(*bus, kBacklog, 1);
    state.PauseTiming();
    bus.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kBacklog);
}
BENCHMARK(BM_EmbeddedAppend)->ArgName("file")->Arg(0)->Arg(1)->UseRealTime()->Iterations(2);

void BM_EmbeddedRead(benchmark::State& state) {
  EmbeddedFolder folder;
  const auto bus = folder.Open(state.range(0) != 0);
  AppendBacklog(*bus, kBacklog, 1);
  for (auto _ : state) ReadBacklog(*bus, kBacklog);
  state.SetItemsProcessed(state.iterations() * kBacklog);
}
BENCHMARK(BM_EmbeddedRead)->ArgName("file")->Arg(0)->Arg(1)->UseRealTime()->Iterations(3);

void BM_EmbeddedAppendToRead(benchmark::State& state) {
  EmbeddedFolder folder;
  const auto bus = folder.Open(state.range(0) != 0);
  std::vector<double> latencies;
  for (auto _ : state) latencies = Latencies(*bus, 1000, absl::ZeroDuration());
  Report(state, latencies);
}
BENCHMARK(BM_EmbeddedAppendToRead)->ArgName("file")->Arg(0)->Arg(1)->UseRealTime()->Iterations(1);

// ---- Kafka

KafkaOptions TestOptions() {
  KafkaOptions options;
  options.brokers = getenv("WISSEL_TEST_KAFKA");
  static int count = 0;
  options.topic_prefix =
      absl::StrCat("bench-", absl::ToUnixMillis(absl::Now()), "-", getpid(), "-", count++, ".");
  return options;
}

std::unique_ptr<Bus> OpenKafka(const KafkaOptions& options, int partitions) {
  auto bus = NewKafkaBus(options);
  WISSEL_CHECK_OK(bus);
  WISSEL_CHECK_OK((*bus)->EnsureTopics(DefaultTopics(partitions)));
  return *std::move(bus);
}

double Seconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What anyone would write without a bus: produce, poll, flush.
void BareAppendBacklog(const KafkaOptions& options, int count, int partitions) {
  static std::atomic<int> failed;
  failed = 0;
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const std::pair<const char*, std::string> settings[] = {
      {"bootstrap.servers", options.brokers},
      {"enable.idempotence", "true"},
      {"linger.ms", "0"},
      {"socket.nagle.disable", "true"},
      {"queue.buffering.max.messages", "50000"},
  };
  for (const auto& [name, value] : settings) {
    WISSEL_CHECK(rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof(error)) ==
                 RD_KAFKA_CONF_OK)
        << error;
  }
  rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void*) {
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) ++failed;
  });
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
  WISSEL_CHECK(producer != nullptr) << error;
  const std::string name = TopicName(Topic::kInbound, options.topic_prefix);
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, name.c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(producer, 0, topic, &metadata, 5000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_metadata_destroy(metadata);
  }
  std::string value(kValueBytes, 'x');
  const std::string key = "workspace/group";
  for (int i = 0; i < count; ++i) {
    while (rd_kafka_produce(topic, i % partitions, RD_KAFKA_MSG_F_COPY, value.data(), value.size(),
                            key.data(), key.size(), nullptr) != 0) {
      rd_kafka_poll(producer, 1);
    }
    if (i % 100 == 0) rd_kafka_poll(producer, 0);
  }
  rd_kafka_flush(producer, 60'000);
  WISSEL_CHECK(failed == 0) << failed;
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
}

void BM_KafkaAppendAgainstBare(benchmark::State& state) {
  constexpr int kPartitions = 4;
  constexpr int kCount = 3 * kBacklog;
  double ours = 0;
  double bare = 0;
  const KafkaOptions options = TestOptions();
  const auto bus = OpenKafka(options, kPartitions);
  BareAppendBacklog(options, kBacklog, kPartitions);  // Warms the broker up.
  for (auto _ : state) {
    auto start = std::chrono::steady_clock::now();
    BareAppendBacklog(options, kCount, kPartitions);
    bare += Seconds(start);
    start = std::chrono::steady_clock::now();
    AppendBacklog(*bus, kCount, kPartitions);
    ours += Seconds(start);
  }
  const double total = static_cast<double>(state.iterations()) * kCount;
  state.counters["ours_per_s"] = total / ours;
  state.counters["bare_per_s"] = total / bare;
  state.counters["ratio"] = bare / ours;
}

void BM_KafkaRead(benchmark::State& state) {
  const auto bus = OpenKafka(TestOptions(), 1);
  AppendBacklog(*bus, 3 * kBacklog, 1);
  for (auto _ : state) ReadBacklog(*bus, 3 * kBacklog);
  state.SetItemsProcessed(state.iterations() * 3 * kBacklog);
}

void BM_KafkaAppendToRead(benchmark::State& state) {
  const auto bus = OpenKafka(TestOptions(), 1);
  std::vector<double> latencies;
  for (auto _ : state) latencies = Latencies(*bus, 1000, absl::Milliseconds(1));
  Report(state, latencies);
}

const bool kafka_registered = [] {
  if (getenv("WISSEL_TEST_KAFKA") == nullptr) return false;
  benchmark::RegisterBenchmark("BM_KafkaAppendAgainstBare", BM_KafkaAppendAgainstBare)
      ->UseRealTime()
      ->Iterations(3);
  benchmark::RegisterBenchmark("BM_KafkaRead", BM_KafkaRead)->UseRealTime()->Iterations(3);
  benchmark::RegisterBenchmark("BM_KafkaAppendToRead", BM_KafkaAppendToRead)
      ->UseRealTime()
      ->Iterations(1);
  return true;
}();

}  // namespace
}  // namespace wissel::bus
