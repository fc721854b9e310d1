#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "libs/config/binder.h"

namespace wissel::sim {

// Random numbers that are the same on every machine and in every standard library: SplitMix64
// (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // A stream of its own for the `index`-th thing of a kind. What one stream is used for does not
  // shift the others, so two runs that differ in one thing meet the same customers.
  static Random Stream(uint64_t seed, uint64_t kind, uint64_t index);

  uint64_t Next();
  // Within (0, 1), never 0 or 1.
  double Unit();

 private:
  uint64_t state_;
};

// How long something takes. Samples are whole microseconds, so that the last bit of a logarithm,
// which machines differ in, does not show; at most a hundred years.
struct Distribution {
  enum class Kind { kConstant, kExponential, kLognormal };
  Kind kind = Kind::kExponential;
  absl::Duration mean;
  // Standard deviation divided by mean; for the lognormal only.
  double variation = 1;

  absl::Duration Sample(Random& random) const;
  void Describe(config::Binder& b);
};

}  // namespace wissel::sim
