#include "libs/base/backoff.h"

#include <gtest/gtest.h>

#include <vector>

namespace wissel {
namespace {

constexpr Backoff::Options kOptions = {
    .initial = absl::Milliseconds(100), .max = absl::Seconds(1), .multiplier = 2.0};

TEST(Backoff, StaysWithinLimitsThatDouble) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Backoff backoff(kOptions, seed);
    for (int limit_ms : {100, 200, 400, 800, 1000, 1000}) {
      const absl::Duration delay = backoff.Next();
      EXPECT_GE(delay, absl::ZeroDuration());
      EXPECT_LT(delay, absl::Milliseconds(limit_ms));
    }
  }
}

TEST(Backoff, SpreadsOverTheWholeInterval) {
  int low = 0, high = 0;
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    const absl::Duration first = Backoff(kOptions, seed).Next();
    if (first < absl::Milliseconds(25)) ++low;
    if (first >= absl::Milliseconds(75)) ++high;
  }
  EXPECT_NEAR(low, 250, 75);
  EXPECT_NEAR(high, 250, 75);
}

TEST(Backoff, IsRepeatableAndStartsOverAfterReset) {
  Backoff a(kOptions, 7), b(kOptions, 7);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(a.Next(), b.Next());
  a.Reset();
  EXPECT_LT(a.Next(), kOptions.initial);
}

}  // namespace
}  // namespace wissel
