#include "libs/base/backoff.h"

#include <algorithm>

#include "libs/base/check.h"

namespace wissel {
namespace {

// SplitMix64 (Steele, Lea, Flood, 2014): small, and unlike the standard's distributions the same
// everywhere.
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Backoff::Backoff(const Options& options, uint64_t seed)
    : options_(options), random_(seed), limit_(options.initial) {
  WISSEL_CHECK(options.initial > absl::ZeroDuration());
  WISSEL_CHECK(options.max >= options.initial);
  WISSEL_CHECK(options.multiplier >= 1.0);
}

absl::Duration Backoff::Next() {
  const double fraction = static_cast<double>(NextRandom(random_) >> 11) * 0x1.0p-53;
  const absl::Duration delay = limit_ * fraction;
  limit_ = std::min(limit_ * options_.multiplier, options_.max);
  return delay;
}

}  // namespace wissel
