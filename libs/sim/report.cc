#include "libs/sim/report.h"

#include <algorithm>

namespace wissel::sim {

Times Summarise(std::vector<absl::Duration> values) {
  Times times;
  times.count = static_cast<int64_t>(values.size());
  if (values.empty()) return times;
  std::sort(values.begin(), values.end());
  absl::Duration sum;
  for (const absl::Duration value : values) sum += value;
  times.mean = sum / times.count;
  times.p50 = NearestRank(values, 50);
  times.p90 = NearestRank(values, 90);
  times.p99 = NearestRank(values, 99);
  times.max = values.back();
  return times;
}

}  // namespace wissel::sim
