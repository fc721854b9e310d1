#include "libs/bus/reader_rule.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

namespace wissel::bus {
namespace {

RecordStamp Claim(int64_t epoch, std::string owner = "") {
  return {.kind = RecordKind::kClaim, .epoch = epoch, .owner = std::move(owner)};
}
RecordStamp Decision(int64_t epoch, int64_t sequence, int64_t claim_offset) {
  return {.kind = RecordKind::kDecision,
          .epoch = epoch,
          .sequence = sequence,
          .claim_offset = claim_offset};
}

class ReaderRuleTest : public ::testing::Test {
 protected:
  void StartAt(int64_t offset) {
    state_ = InitialRuleState(offset);
    next_ = offset;
  }
  Verdict Next(const RecordStamp& stamp) { return ApplyRule(stamp, next_++, state_); }

  RuleState state_;
  int64_t next_ = 0;
};

TEST_F(ReaderRuleTest, AClaimAndItsDecisions) {
  EXPECT_EQ(Next(Claim(1, "a")), Verdict::kValid);
  EXPECT_EQ(Next(Decision(1, 1, 0)), Verdict::kValid);
  EXPECT_EQ(Next(Decision(1, 2, 0)), Verdict::kValid);
  EXPECT_EQ(Next(Claim(2, "b")), Verdict::kValid);
  EXPECT_EQ(Next(Decision(2, 1, 3)), Verdict::kValid) << "sequences start again";
  EXPECT_EQ(state_.owner, "b");
  EXPECT_EQ(state_.next_sequence, 2);
}

TEST_F(ReaderRuleTest, NamesWhatIsVoid) {
  EXPECT_EQ(Next(Decision(0, 1, -1)), Verdict::kStaleClaim) << "no claim at all is no claim";
  EXPECT_EQ(Next({}), Verdict::kGarbage);
  EXPECT_EQ(Next(Claim(1)), Verdict::kValid);  // Offset 2.
  EXPECT_EQ(Next(Claim(2)), Verdict::kValid);  // Offset 3.
  EXPECT_EQ(Next(Claim(2)), Verdict::kStaleEpoch);
  EXPECT_EQ(Next(Claim(1)), Verdict::kStaleEpoch);
  EXPECT_EQ(Next(Decision(1, 1, 2)), Verdict::kStaleEpoch);
  EXPECT_EQ(Next(Decision(3, 1, 3)), Verdict::kUnclaimedEpoch);
  EXPECT_EQ(Next(Decision(2, 1, 4)), Verdict::kStaleClaim);
  EXPECT_EQ(Next(Decision(2, 2, 3)), Verdict::kGap);
  EXPECT_EQ(Next(Decision(2, 1, 3)), Verdict::kValid);
  EXPECT_EQ(Next(Decision(2, 1, 3)), Verdict::kRepeated);
}

TEST_F(ReaderRuleTest, ADamagedClaimCannotBlockThePartition) {
  EXPECT_EQ(Next(Claim(2)), Verdict::kImpossibleEpoch);
  EXPECT_EQ(Next(Claim(std::numeric_limits<int64_t>::max())), Verdict::kImpossibleEpoch);
  EXPECT_EQ(Next(Claim(0)), Verdict::kImpossibleEpoch);
  EXPECT_EQ(Next(Claim(-1)), Verdict::kImpossibleEpoch);
  EXPECT_EQ(EpochToClaim(state_, next_), 1);
  EXPECT_EQ(Next(Claim(1)), Verdict::kValid);
}

TEST_F(ReaderRuleTest, FootingIsFirmWithTheFirstDecision) {
  StartAt(100);
  EXPECT_EQ(state_.footing, Footing::kNone);
  EXPECT_EQ(Next(Decision(7, 3, 42)), Verdict::kNoFooting);
  EXPECT_EQ(Next(Claim(8)), Verdict::kProvisionalClaim);  // Offset 101.
  EXPECT_EQ(state_.footing, Footing::kProvisional);
  EXPECT_EQ(Next(Decision(7, 4, 42)), Verdict::kNoFooting);
  EXPECT_EQ(Next(Decision(8, 1, 101)), Verdict::kValid);
  EXPECT_EQ(state_.footing, Footing::kFirm);
  EXPECT_EQ(Next(Claim(9)), Verdict::kValid);
}

TEST_F(ReaderRuleTest, AVoidClaimAfterTheCutGivesWayToAValidOne) {
  StartAt(100);  // The partition's epoch is 9, claimed at 50.
  EXPECT_EQ(Next(Claim(8)), Verdict::kProvisionalClaim);  // A stalled claimer's.
  EXPECT_EQ(Next(Decision(9, 5, 50)), Verdict::kNoFooting);
  EXPECT_EQ(Next(Claim(9)), Verdict::kProvisionalClaim);  // Another's.
  EXPECT_EQ(Next(Decision(9, 6, 50)), Verdict::kNoFooting);
  EXPECT_EQ(Next(Claim(10)), Verdict::kProvisionalClaim);  // Valid, at offset 104.
  EXPECT_EQ(Next(Decision(9, 7, 50)), Verdict::kNoFooting);
  EXPECT_EQ(Next(Decision(10, 1, 104)), Verdict::kValid);
}

TEST_F(ReaderRuleTest, AClaimAboveTheCutOffsetIsFirmAtOnce) {
  StartAt(100);
  EXPECT_EQ(Next(Claim(8)), Verdict::kProvisionalClaim);
  const int64_t epoch = EpochToClaim(state_, next_);
  EXPECT_EQ(epoch, 102);
  EXPECT_EQ(Next(Claim(epoch)), Verdict::kValid);
  EXPECT_EQ(state_.footing, Footing::kFirm);
  EXPECT_EQ(EpochToClaim(state_, next_), 103);
}

TEST_F(ReaderRuleTest, OfTwoClaimersWithoutFootingTheSecondIsVoid) {
  StartAt(100);
  const int64_t epoch = EpochToClaim(state_, next_);
  EXPECT_EQ(Next(Claim(epoch)), Verdict::kValid);
  EXPECT_EQ(Next(Claim(epoch)), Verdict::kStaleEpoch);
}

}  // namespace
}  // namespace wissel::bus
