#include "tests/chaos/schedule.h"

#include <algorithm>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace wissel::chaos {
namespace {

using Kind = Incident::Kind;

// Not std::uniform_*_distribution: those differ between standard libraries, and a seed must not.
class Lot {
 public:
  explicit Lot(uint64_t seed) : random_(seed) {}

  size_t Below(size_t n) { return static_cast<size_t>(random_() % n); }
  absl::Duration Between(absl::Duration low, absl::Duration high) {
    const auto span = static_cast<size_t>(absl::ToInt64Milliseconds(high - low));
    return low + absl::Milliseconds(static_cast<int64_t>(Below(span + 1)));
  }

 private:
  std::mt19937_64 random_;
};

}  // namespace

absl::string_view IncidentName(Kind kind) {
  switch (kind) {
    case Kind::kKill:
      return "kill -9";
    case Kind::kPause:
      return "pause";
    case Kind::kRestartBroker:
      return "broker restart";
    case Kind::kKillBroker:
      return "broker kill -9";
    case Kind::kFlushRedis:
      return "FLUSHALL";
    case Kind::kProviderErrors:
      return "provider: errors";
    case Kind::kProviderHangs:
      return "provider: accepts, never answers";
    case Kind::kProviderDeaf:
      return "provider: deaf";
    case Kind::kProviderSlow:
      return "provider: slow";
  }
  return "";
}

std::string Incident::ToString() const {
  std::string text =
      absl::StrFormat("%7.3f s  %s", absl::ToDoubleSeconds(at), std::string(IncidentName(kind)));
  if (!target.empty()) absl::StrAppend(&text, " ", target);
  if (lasts > absl::ZeroDuration()) absl::StrAppend(&text, ", ", absl::FormatDuration(lasts));
  return text;
}

std::vector<Incident> MakeSchedule(const ScheduleOptions& options) {
  Lot lot(options.seed);
  std::vector<Incident> schedule;
  const auto add = [&](Kind kind, std::string target, absl::Duration low, absl::Duration high) {
    const absl::Duration lasts = lot.Between(low, high);
    schedule.push_back({.kind = kind,
                        .at = lot.Between(absl::ZeroDuration(), options.duration),
                        .target = std::move(target),
                        .lasts = lasts});
  };
  const auto kill = [&](const std::string& target) {
    add(Kind::kKill, target, absl::Milliseconds(100), absl::Seconds(2));
  };

  for (const std::string& process : options.processes) kill(process);
  if (!options.pausable.empty()) {
    const auto pauses = std::max<int64_t>(1, absl::ToInt64Seconds(options.duration) / 30);
    for (int64_t i = 0; i < pauses; ++i) {
      add(Kind::kPause, options.pausable[lot.Below(options.pausable.size())], options.pause,
          options.pause + absl::Seconds(2));
    }
  }
  add(lot.Below(2) == 0 ? Kind::kRestartBroker : Kind::kKillBroker, "", absl::ZeroDuration(),
      absl::ZeroDuration());
  add(Kind::kFlushRedis, "", absl::ZeroDuration(), absl::ZeroDuration());
  for (Kind kind :
       {Kind::kProviderErrors, Kind::kProviderHangs, Kind::kProviderDeaf, Kind::kProviderSlow}) {
    add(kind, "", absl::Seconds(1), absl::Seconds(3));
  }
  if (!options.processes.empty()) {
    const int64_t kills = absl::ToInt64Seconds(options.duration) / 3;
    for (auto i = static_cast<int64_t>(options.processes.size()); i < kills; ++i) {
      kill(options.processes[lot.Below(options.processes.size())]);
    }
  }
  std::stable_sort(schedule.begin(), schedule.end(),
                   [](const Incident& a, const Incident& b) { return a.at < b.at; });
  return schedule;
}

}  // namespace wissel::chaos
