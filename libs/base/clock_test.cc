#include "libs/base/clock.h"

#include <gtest/gtest.h>

#include "libs/base/version.h"

namespace wissel {
namespace {

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(absl::FromUnixSeconds(100));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(100));
  clock.Advance(absl::Seconds(5));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(105));
  clock.Set(absl::FromUnixSeconds(3));
  EXPECT_EQ(clock.Now(), absl::FromUnixSeconds(3));
}

TEST(Version, StartsWithTheRelease) { EXPECT_EQ(Version().substr(0, 2), "0."); }

}  // namespace
}  // namespace wissel
