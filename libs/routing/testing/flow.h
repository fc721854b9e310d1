#pragma once

#include <cmath>
#include <cstdint>

#include "absl/time/time.h"

// What the tests of flow.h share.
namespace wissel::routing::testing::flow {

// On a bucket's edge.
inline const absl::Time kStart = absl::FromUnixSeconds(1'700'000'100);

inline absl::Time At(double seconds) { return kStart + absl::Seconds(seconds); }

// The same numbers on every machine: SplitMix64 (Steele, Lea and Flood, 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t Bits() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  int Below(int n) { return static_cast<int>(Bits() % static_cast<uint64_t>(n)); }
  double Uniform() { return (static_cast<double>(Bits() >> 11) + 0.5) / 9007199254740992.0; }
  double Exponential(double mean) { return -mean * std::log(Uniform()); }

 private:
  uint64_t state_;
};

}  // namespace wissel::routing::testing::flow
