#include "libs/sim/report.h"

#include <algorithm>
#include <cmath>

namespace wissel::sim {

Times Summarise(std::vector<absl::Duration> values) {
  Times times;
  times.count = static_cast<int64_t>(values.size());
  if (values.empty()) return times;
  std::sort(values.begin(), values.end());
  absl::Duration sum;
  for (const absl::Duration value : values) sum += value;
  times.mean = sum / times.count;
  const auto percentile = [&](double share) {
    const auto rank = static_cast<size_t>(std::ceil(share * static_cast<double>(values.size())));
    return values[std::max<size_t>(rank, 1) - 1];
  };
  times.p50 = percentile(0.5);
  times.p90 = percentile(0.9);
  times.p99 = percentile(0.99);
  times.max = values.back();
  return times;
}

}  // namespace wissel::sim
