#include "libs/sim/random.h"

#include <algorithm>
#include <cmath>

namespace wissel::sim {
namespace {

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15;

uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// Box and Muller (1958).
double Normal(Random& random) {
  constexpr double kTwoPi = 6.283185307179586;
  const double radius = std::sqrt(-2 * std::log(random.Unit()));
  return radius * std::cos(kTwoPi * random.Unit());
}

}  // namespace

Random Random::Stream(uint64_t seed, uint64_t kind, uint64_t index) {
  return Random(Mix(Mix(Mix(seed + kGolden) + kind + kGolden) + index + kGolden));
}

uint64_t Random::Next() { return Mix(state_ += kGolden); }

double Random::Unit() { return (static_cast<double>(Next() >> 12) + 0.5) * 0x1p-52; }

absl::Duration Distribution::Sample(Random& random) const {
  double factor = 1;
  switch (kind) {
    case Kind::kConstant:
      break;
    case Kind::kExponential:
      factor = -std::log(random.Unit());
      break;
    case Kind::kLognormal: {
      // With mean 1: the logarithm has variance s² = ln(1 + v²) and mean -s²/2.
      const double variance = std::log1p(variation * variation);
      factor = std::exp(std::sqrt(variance) * Normal(random) - variance / 2);
      break;
    }
  }
  // Longer than any run, and far from where a whole number ends.
  constexpr double kCentury = 100.0 * 365 * 24 * 3600 * 1e6;
  return absl::Microseconds(
      std::llround(std::min(absl::ToDoubleMicroseconds(mean) * factor, kCentury)));
}

void Distribution::Describe(config::Binder& b) {
  b.Enum("distribution", &kind, "Its shape.",
         {{"constant", Kind::kConstant},
          {"exponential", Kind::kExponential},
          {"lognormal", Kind::kLognormal}});
  b.Duration("mean", &mean, "Its mean.", {.max = absl::Hours(24 * 30)});
  b.Real("variation", &variation,
         "Standard deviation divided by mean; for the lognormal distribution only.",
         {.min = 0, .max = 10});
}

}  // namespace wissel::sim
