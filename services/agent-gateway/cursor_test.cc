#include "services/agent-gateway/cursor.h"

#include "absl/strings/str_cat.h"
#include "libs/testing/status_matchers.h"

namespace wissel::agent_gateway {
namespace {

using testing::StatusIs;

Position Example() {
  return {.partition = 3,
          .next_offset = 1042,
          .rule = {.footing = bus::Footing::kFirm,
                   .epoch = 7,
                   .claim_offset = 1000,
                   .next_sequence = 40,
                   .epoch_bound = 0,
                   .owner = ""}};
}

TEST(Cursor, ComesBackAsItWas) {
  const Position cut_head{
      .partition = 0, .next_offset = 9'000'000'000, .rule = bus::InitialRuleState(9'000'000'000)};
  for (const Position& position : {Position(), Example(), cut_head}) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const Position parsed, ParseCursor(ToCursor(position)));
    EXPECT_EQ(parsed, position);
  }
}

TEST(Cursor, RefusesWhatWasChangedOrCut) {
  const std::string cursor = ToCursor(Example());
  for (size_t i = 0; i < cursor.size(); ++i) {
    std::string changed = cursor;
    changed[i] = changed[i] == '5' ? '6' : '5';
    EXPECT_THAT(ParseCursor(changed), StatusIs(absl::StatusCode::kInvalidArgument)) << changed;
    EXPECT_THAT(ParseCursor(absl::string_view(cursor).substr(0, i)),
                StatusIs(absl::StatusCode::kInvalidArgument));
  }
  for (absl::string_view text : {"", ".", "x", "1.2.3", "........"}) {
    EXPECT_THAT(ParseCursor(text), StatusIs(absl::StatusCode::kInvalidArgument));
  }
  EXPECT_THAT(ParseCursor(std::string(100'000, '.')), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(Cursor, RefusesPlacesThatCannotBe) {
  Position negative = Example();
  negative.next_offset = -1;
  Position claim_ahead = Example();
  claim_ahead.rule.claim_offset = claim_ahead.next_offset;
  for (const Position& position : {negative, claim_ahead}) {
    EXPECT_THAT(ParseCursor(ToCursor(position)), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

}  // namespace
}  // namespace wissel::agent_gateway
