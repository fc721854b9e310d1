#include "libs/telemetry/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/check.h"

namespace wissel::telemetry {
namespace {

bool IsName(absl::string_view name) {
  return !name.empty() && name[0] >= 'a' && name[0] <= 'z' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
         });
}

bool Same(const MetricInfo& a, const MetricInfo& b) {
  return a.type == b.type && a.help == b.help &&
         std::equal(a.labels.begin(), a.labels.end(), b.labels.begin(), b.labels.end(),
                    [](const Label& x, const Label& y) {
                      return x.name == y.name && x.values == y.values;
                    });
}

template <class Series>
struct Traits;
template <>
struct Traits<Counter> {
  using Native = prometheus::Counter;
  static constexpr char kType[] = "counter";
  static auto Build() { return prometheus::BuildCounter(); }
  static Native* Add(prometheus::Family<Native>& family, const prometheus::Labels& labels,
                     const std::vector<double>&) {
    return &family.Add(labels);
  }
};
template <>
struct Traits<Gauge> {
  using Native = prometheus::Gauge;
  static constexpr char kType[] = "gauge";
  static auto Build() { return prometheus::BuildGauge(); }
  static Native* Add(prometheus::Family<Native>& family, const prometheus::Labels& labels,
                     const std::vector<double>&) {
    return &family.Add(labels);
  }
};
template <>
struct Traits<Histogram> {
  using Native = prometheus::Histogram;
  static constexpr char kType[] = "histogram";
  static auto Build() { return prometheus::BuildHistogram(); }
  static Native* Add(prometheus::Family<Native>& family, const prometheus::Labels& labels,
                     const std::vector<double>& buckets) {
    return &family.Add(labels, buckets);
  }
};

}  // namespace

void Counter::Increment(double by) {
  if (series_ != nullptr) series_->Increment(by);
}

void Gauge::Set(double value) {
  if (series_ != nullptr) series_->Set(value);
}
void Gauge::Increment(double by) {
  if (series_ != nullptr) series_->Increment(by);
}
void Gauge::Decrement(double by) {
  if (series_ != nullptr) series_->Decrement(by);
}

void Histogram::Observe(double value) {
  if (series_ != nullptr) series_->Observe(value);
}
void Histogram::Observe(absl::Duration value) { Observe(absl::ToDoubleSeconds(value)); }

template <class Series>
struct Family<Series>::State {
  using Native = typename Traits<Series>::Native;

  std::string name;
  std::vector<Label> labels;
  std::vector<double> buckets;
  std::function<Series(Native*)> wrap;
  prometheus::Family<Native>* family = nullptr;

  Mutex mutex;
  std::map<std::vector<std::string>, Series> series ABSL_GUARDED_BY(mutex);

  Series Get(std::vector<std::string> values) {
    MutexLock lock(mutex);
    auto found = series.find(values);
    if (found == series.end() && series.size() >= kMaxOpenValues) {
      for (size_t i = 0; i < values.size(); ++i) {
        if (labels[i].values.empty()) values[i] = "other";
      }
      found = series.find(values);
    }
    if (found != series.end()) return found->second;
    prometheus::Labels native;
    for (size_t i = 0; i < values.size(); ++i) native[labels[i].name] = values[i];
    const Series made = wrap(Traits<Series>::Add(*family, native, buckets));
    series.emplace(std::move(values), made);
    return made;
  }

  // Makes every series whose labels all have closed sets.
  void MakeClosed(std::vector<std::string> prefix) {
    if (prefix.size() == labels.size()) {
      Get(std::move(prefix));
      return;
    }
    for (const std::string& value : labels[prefix.size()].values) {
      prefix.push_back(value);
      MakeClosed(prefix);
      prefix.pop_back();
    }
  }
};

template <class Series>
Series Family<Series>::With(absl::Span<const absl::string_view> values) const {
  if (state_ == nullptr) return Series();
  WISSEL_CHECK(values.size() == state_->labels.size()) << state_->name;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::vector<std::string>& closed = state_->labels[i].values;
    WISSEL_CHECK(closed.empty() ||
                 std::find(closed.begin(), closed.end(), values[i]) != closed.end())
        << state_->name << ": no value \"" << std::string(values[i]) << "\" of label "
        << state_->labels[i].name;
  }
  return state_->Get(std::vector<std::string>(values.begin(), values.end()));
}

template class Family<Counter>;
template class Family<Gauge>;
template class Family<Histogram>;

struct Registry::Entry {
  MetricInfo info;
  std::shared_ptr<void> state;  // the Family::State of the type that `info` names
};

Registry::Registry() : series_(std::make_shared<prometheus::Registry>()) {}
Registry::~Registry() = default;

template <class Series>
Family<Series> Registry::Add(MetricInfo info, const std::vector<double>& buckets) {
  using State = typename Family<Series>::State;
  info.type = Traits<Series>::kType;
  WISSEL_CHECK(IsName(info.name) && absl::StartsWith(info.name, "wissel_")) << info.name;
  WISSEL_CHECK((info.type == "counter") == absl::EndsWith(info.name, "_total")) << info.name;
  for (const Label& label : info.labels) {
    WISSEL_CHECK(IsName(label.name) && label.name != "le") << info.name << " " << label.name;
  }
  WISSEL_CHECK(std::is_sorted(buckets.begin(), buckets.end())) << info.name;
  MutexLock lock(mutex_);
  const auto found = entries_.find(info.name);
  if (found != entries_.end()) {
    WISSEL_CHECK(Same(found->second.info, info)) << info.name << " exists with another meaning";
    return Family<Series>(std::static_pointer_cast<State>(found->second.state));
  }
  auto state = std::make_shared<State>();
  state->name = info.name;
  state->labels = info.labels;
  state->buckets = buckets;
  state->wrap = [](typename State::Native* native) { return Series(native); };
  state->family = &Traits<Series>::Build().Name(info.name).Help(info.help).Register(*series_);
  state->MakeClosed({});
  entries_.emplace(info.name, Entry{info, state});
  return Family<Series>(std::move(state));
}

Counter Registry::AddCounter(absl::string_view name, absl::string_view help) {
  return AddCounterFamily(name, help, {}).With({});
}
CounterFamily Registry::AddCounterFamily(absl::string_view name, absl::string_view help,
                                         std::vector<Label> labels) {
  return Add<Counter>({.name = std::string(name),
                       .type = {},
                       .help = std::string(help),
                       .labels = std::move(labels)},
                      {});
}
Gauge Registry::AddGauge(absl::string_view name, absl::string_view help) {
  return AddGaugeFamily(name, help, {}).With({});
}
GaugeFamily Registry::AddGaugeFamily(absl::string_view name, absl::string_view help,
                                     std::vector<Label> labels) {
  return Add<Gauge>({.name = std::string(name),
                     .type = {},
                     .help = std::string(help),
                     .labels = std::move(labels)},
                    {});
}
Histogram Registry::AddHistogram(absl::string_view name, absl::string_view help,
                                 const std::vector<double>& buckets) {
  return AddHistogramFamily(name, help, {}, buckets).With({});
}
HistogramFamily Registry::AddHistogramFamily(absl::string_view name, absl::string_view help,
                                             std::vector<Label> labels,
                                             const std::vector<double>& buckets) {
  return Add<Histogram>({.name = std::string(name),
                         .type = {},
                         .help = std::string(help),
                         .labels = std::move(labels)},
                        buckets);
}

std::vector<MetricInfo> Registry::List() const {
  MutexLock lock(mutex_);
  std::vector<MetricInfo> list;
  for (const auto& [name, entry] : entries_) list.push_back(entry.info);
  return list;
}

std::string Registry::Expose() const {
  return prometheus::TextSerializer().Serializer::Serialize(series_->Collect());
}

std::vector<double> LatencyBuckets() {
  return {0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30};
}

std::vector<double> SizeBuckets() {
  return {64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216};
}

std::string MetricsReference(const Registry& registry) {
  std::string page = "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
  for (const MetricInfo& metric : registry.List()) {
    std::vector<std::string> labels;
    for (const Label& label : metric.labels) {
      labels.push_back(
          label.values.empty()
              ? absl::StrCat("`", label.name, "`")
              : absl::StrCat("`", label.name, "`: ", absl::StrJoin(label.values, ", ")));
    }
    absl::StrAppend(&page, "| `", metric.name, "` | ", metric.type, " | ",
                    absl::StrJoin(labels, "; "), " | ",
                    absl::StrReplaceAll(metric.help, {{"|", "\\|"}}), " |\n");
  }
  return page;
}

}  // namespace wissel::telemetry
