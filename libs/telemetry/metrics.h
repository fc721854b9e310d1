#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/mutex.h"

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
class Registry;
}  // namespace prometheus

namespace wissel::telemetry {

// Handles to one time series each. Values: copies mean the same series. Thread-safe and cheap
// enough for every message. They must not outlive their Registry. A default-constructed handle
// discards.
class Counter {
 public:
  Counter() = default;
  void Increment(double by = 1);  // `by` is not negative

 private:
  friend class Registry;
  explicit Counter(prometheus::Counter* series) : series_(series) {}
  prometheus::Counter* series_ = nullptr;
};

class Gauge {
 public:
  Gauge() = default;
  void Set(double value);
  void Increment(double by = 1);
  void Decrement(double by = 1);

 private:
  friend class Registry;
  explicit Gauge(prometheus::Gauge* series) : series_(series) {}
  prometheus::Gauge* series_ = nullptr;
};

class Histogram {
 public:
  Histogram() = default;
  void Observe(double value);
  void Observe(absl::Duration value);  // in seconds

 private:
  friend class Registry;
  explicit Histogram(prometheus::Histogram* series) : series_(series) {}
  prometheus::Histogram* series_ = nullptr;
};

// A dimension of a metric. The values come from a closed set and are all exposed from the start, at
// zero, so that an alert on a rate sees the first event. An empty set is for what is known only
// while running (a partition's number): at most kMaxOpenValues series are then made, the rest go to
// "other".
struct Label {
  std::string name;
  std::vector<std::string> values = {};
};
inline constexpr size_t kMaxOpenValues = 1000;

// The series of one metric that has labels. A value, thread-safe; With takes a lock: keep its
// result where that matters.
template <class Series>
class Family {
 public:
  Family() = default;
  // One value per label, in the order of the labels. A value outside a closed set is an error of
  // the program and aborts.
  Series With(absl::Span<const absl::string_view> values) const;

  struct State;

 private:
  friend class Registry;
  explicit Family(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

using CounterFamily = Family<Counter>;
using GaugeFamily = Family<Gauge>;
using HistogramFamily = Family<Histogram>;

struct MetricInfo {
  std::string name;
  std::string type;  // "counter", "gauge" or "histogram"
  std::string help;
  std::vector<Label> labels;
};

// From half a millisecond to half a minute, in seconds.
std::vector<double> LatencyBuckets();
// Powers of four from 64 bytes to 16 MiB.
std::vector<double> SizeBuckets();

// Owns the metrics of one process (or of one test). Thread-safe.
//
// A service names its metrics once, in a struct whose members are handles, made from a Registry:
//
//   struct Metrics {
//     explicit Metrics(telemetry::Registry& registry)
//         : decisions(registry.AddCounter("wissel_router_decisions_total", "Decisions appended."))
//         {}
//     telemetry::Counter decisions;
//   };
//
// Names are wissel_<service>_<noun>_<unit>, counters end in _total. Asking for a name again gives
// the same metric; asking for it with another type, help or labels aborts.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter AddCounter(absl::string_view name, absl::string_view help);
  CounterFamily AddCounterFamily(absl::string_view name, absl::string_view help,
                                 std::vector<Label> labels);
  Gauge AddGauge(absl::string_view name, absl::string_view help);
  GaugeFamily AddGaugeFamily(absl::string_view name, absl::string_view help,
                             std::vector<Label> labels);
  // `buckets` are upper bounds, rising.
  Histogram AddHistogram(absl::string_view name, absl::string_view help,
                         const std::vector<double>& buckets);
  HistogramFamily AddHistogramFamily(absl::string_view name, absl::string_view help,
                                     std::vector<Label> labels, const std::vector<double>& buckets);

  // Sorted by name.
  std::vector<MetricInfo> List() const;

  // Every series in Prometheus's text format, version 0.0.4.
  std::string Expose() const;

 private:
  template <class Series>
  Family<Series> Add(MetricInfo info, const std::vector<double>& buckets);

  const std::shared_ptr<prometheus::Registry> series_;
  mutable Mutex mutex_;
  struct Entry;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

// The reference page of a registry's metrics: a table in Markdown.
std::string MetricsReference(const Registry& registry);

}  // namespace wissel::telemetry
