// Matcher against a naive model, side by side through random scripts: the same answers after every
// step, and the invariants of giving work out. WISSEL_ROUTING_OPERATIONS says how many steps.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/numbers.h"
#include "libs/routing/testing/naive_matcher.h"
#include "libs/routing/testing/script.h"

// In the namespace of the scripts, as what Code prints is.
namespace wissel::routing::testing {
namespace {

using Mistake = NaiveMatcher::Mistake;

int64_t OperationsWanted() {
  constexpr int64_t kInUnitTests = 25'000;
  int64_t wanted;
  const char* set = std::getenv("WISSEL_ROUTING_OPERATIONS");
  return set != nullptr && absl::SimpleAtoi(set, &wanted) ? wanted : kInUnitTests;
}

TEST(MatcherProperty, AnswersAsTheNaiveModelDoes) {
  int64_t operations = 0;
  uint32_t seed = 1;
  for (; operations < OperationsWanted(); ++seed) {
    const Script script = RandomScript(seed);
    operations += static_cast<int64_t>(script.ops.size());
    if (Play(script).empty()) continue;
    const Script shortest = Shrink(script, Mistake::kNone);
    FAIL() << "seed " << seed << ": " << Play(shortest) << "\n\n" << Code(shortest);
  }
  RecordProperty("operations", std::to_string(operations));
  RecordProperty("scripts", std::to_string(seed - 1));
}

// The comparison above is worth something only if it notices when the two differ.
class MatcherPropertyMistake : public ::testing::TestWithParam<int> {};

TEST_P(MatcherPropertyMistake, IsNoticedAndShrunk) {
  const auto mistake = static_cast<Mistake>(GetParam());
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    const Script script = RandomScript(seed);
    if (Play(script, mistake).empty()) continue;
    const Script shortest = Shrink(script, mistake);
    EXPECT_NE(Play(shortest, mistake), "");
    EXPECT_LE(shortest.ops.size(), 8u) << Code(shortest);
    EXPECT_LE(shortest.ops.size(), script.ops.size() / 5);
    // What it prints says all that is needed.
    EXPECT_THAT(Code(shortest), ::testing::HasSubstr(".ops = {\n"));
    return;
  }
  FAIL() << "nobody noticed";
}
INSTANTIATE_TEST_SUITE_P(Every, MatcherPropertyMistake,
                         ::testing::Range(1, NaiveMatcher::kMistakes));

}  // namespace
}  // namespace wissel::routing::testing
