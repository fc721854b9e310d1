#include "tests/chaos/leaks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace wissel::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Leaks, TellsWhereALogHasWhatItMustNot) {
  const std::vector<Secret> secrets = {{"the password", "sesame"}};
  EXPECT_THAT(FindLeaks("router-1", "started\nmessage accepted id=7\n", secrets), IsEmpty());
  const std::string log = absl::StrCat("started\nlogin password=sesame\nbody=\"", kPrivateWord,
                                       " 3\"\nAuthorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x");
  EXPECT_THAT(FindLeaks("email", log, secrets),
              ElementsAre("email, line 2: the password", "email, line 3: what somebody wrote",
                          "email, line 4: a token"));
}

}  // namespace
}  // namespace wissel::chaos
