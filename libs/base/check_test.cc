#include "libs/base/check.h"

#include <gtest/gtest.h>

#include "absl/status/status.h"

namespace wissel {
namespace {

TEST(CheckDeathTest, SaysWhatWhereAndWhy) {
  const int size = 3;
  EXPECT_DEATH(WISSEL_CHECK(size < 3) << "size is " << size,
               "check_test.cc:[0-9]+: check failed: size < 3 size is 3");
  EXPECT_DEATH(WISSEL_CHECK_OK(absl::InternalError("boom")), "check failed: .*INTERNAL: boom");
}

TEST(Check, PassesSilentlyAndEvaluatesOnce) {
  int calls = 0;
  WISSEL_CHECK(++calls == 1) << "never printed";
  WISSEL_CHECK_OK((++calls, absl::OkStatus()));
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace wissel
