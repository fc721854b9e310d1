#include "libs/bus/ownership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"

namespace wissel::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using wissel::testing::StatusIs;

constexpr absl::Duration kLong = absl::Seconds(10);

class OwnershipTest : public ::testing::Test {
 protected:
  void SetUp() override { WISSEL_ASSERT_OK_AND_ASSIGN(bus_, NewEmbeddedBus({.partitions = 1})); }

  std::shared_ptr<Appender> Gapless() { return bus_->NewAppender({.gapless = true}); }

  std::unique_ptr<OwnedLog> OpenLog(std::string owner, std::optional<LogPosition> from = {}) {
    auto log = OwnedLog::Open(*bus_, Gapless(), {.owner = std::move(owner), .from = from});
    EXPECT_THAT(log, wissel::testing::IsOk());
    return *std::move(log);
  }

  // Polls until the log is owned or lost; the offsets of the decisions met on the way.
  static std::vector<int64_t> Settle(OwnedLog& log) {
    std::vector<int64_t> folded;
    for (int i = 0; i < 100; ++i) {
      const auto entries = log.Poll(100, kLong);
      if (!entries.ok()) return folded;
      for (const auto& e : *entries) {
        if (e.entry.record.has_decision()) folded.push_back(e.entry.offset);
      }
      if (log.phase() == OwnedLog::Phase::kOwning) return folded;
    }
    ADD_FAILURE() << "neither owned nor lost";
    return folded;
  }

  // The offsets of our own decisions as they are read back.
  static std::vector<int64_t> Confirm(OwnedLog& log) {
    std::vector<int64_t> own;
    while (log.unconfirmed() > 0) {
      const auto entries = log.Poll(100, kLong);
      if (!entries.ok()) break;
      for (const auto& e : *entries) {
        if (e.own) own.push_back(e.entry.offset);
      }
    }
    return own;
  }

  void AppendRaw(std::string value) {
    const auto appender = bus_->NewAppender({});
    appender->Append({.topic = Topic::kLog, .value = std::move(value)},
                     [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
    WISSEL_ASSERT_OK(appender->Flush(kLong));
  }

  std::unique_ptr<Bus> bus_;
};

TEST_F(OwnershipTest, ReadsOfItsOwnDecisionsTheStampAlone) {
  const auto log = OpenLog("a");
  EXPECT_THAT(Settle(*log), IsEmpty());
  wissel::log::v1::Decision decision;
  decision.mutable_cause()->mutable_input()->set_offset(7);
  decision.add_events()->mutable_note_added()->set_text("seen");
  WISSEL_ASSERT_OK_AND_ASSIGN(const OwnedLog::Stamp stamp,
                              log->Append(wissel::log::v1::Decision(decision), "k"));
  std::vector<OwnedLog::Entry> own;
  while (log->unconfirmed() > 0) {
    WISSEL_ASSERT_OK_AND_ASSIGN(own, log->Poll(100, kLong));
  }
  ASSERT_EQ(own.size(), 1u);
  EXPECT_TRUE(own[0].own);
  const wissel::log::v1::Decision& read = own[0].entry.record.decision();
  EXPECT_EQ(read.epoch(), stamp.epoch);
  EXPECT_EQ(read.sequence(), stamp.sequence);
  EXPECT_EQ(read.claim_offset(), stamp.claim_offset);
  EXPECT_EQ(read.events_size(), 0);

  // Whoever comes next gets all of it.
  const auto next = OpenLog("b");
  wissel::log::v1::Decision folded;
  while (next->phase() != OwnedLog::Phase::kOwning) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto entries, next->Poll(100, kLong));
    for (const auto& e : entries) {
      if (e.entry.record.has_decision()) folded = e.entry.record.decision();
    }
  }
  EXPECT_EQ(folded.cause().input().offset(), 7);
  ASSERT_EQ(folded.events_size(), 1);
  EXPECT_EQ(folded.events(0).note_added().text(), "seen");
}

TEST(PeekDecisionTest, GivesWhatParsingGives) {
  for (const int64_t offset : {int64_t{0}, int64_t{1} << 40}) {
    wissel::log::v1::LogRecord record;
    record.mutable_decision()->set_epoch(3);
    record.mutable_decision()->set_sequence(12345);
    record.mutable_decision()->set_claim_offset(offset);
    record.mutable_decision()->add_events()->mutable_note_added()->set_text("x");
    const std::string bytes = record.SerializeAsString();
    const auto peeked = PeekDecision(bytes);
    ASSERT_TRUE(peeked.has_value());
    const RecordStamp parsed = ReadStamp(bytes, record);
    EXPECT_EQ(peeked->kind, parsed.kind);
    EXPECT_EQ(peeked->epoch, parsed.epoch);
    EXPECT_EQ(peeked->sequence, parsed.sequence);
    EXPECT_EQ(peeked->claim_offset, parsed.claim_offset);
    // A cut or lengthened record is for the parser to judge.
    EXPECT_FALSE(PeekDecision(bytes.substr(0, bytes.size() - 1)).has_value());
    EXPECT_FALSE(PeekDecision(bytes + "x").has_value());
  }
  wissel::log::v1::LogRecord claim;
  claim.mutable_owner_claimed()->set_epoch(1);
  EXPECT_FALSE(PeekDecision(claim.SerializeAsString()).has_value());
  EXPECT_FALSE(PeekDecision("").has_value());
}

TEST_F(OwnershipTest, ClaimsDecidesAndReadsItsDecisionsBack) {
  const auto log = OpenLog("a");
  EXPECT_EQ(log->phase(), OwnedLog::Phase::kFolding);
  EXPECT_THAT(log->Append({}, "k"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Settle(*log), IsEmpty());
  ASSERT_EQ(log->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(log->epoch(), 1);
  for (int64_t sequence = 1; sequence <= 3; ++sequence) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const OwnedLog::Stamp stamp, log->Append({}, "k"));
    EXPECT_EQ(stamp.epoch, 1);
    EXPECT_EQ(stamp.sequence, sequence);
    EXPECT_EQ(stamp.claim_offset, 0);
  }
  EXPECT_EQ(log->unconfirmed(), 3);
  EXPECT_THAT(Confirm(*log), ElementsAre(1, 2, 3));
}

TEST_F(OwnershipTest, TakeOverFoldsEverythingAndStopsTheFormerOwner) {
  const auto a = OpenLog("a");
  Settle(*a);
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  EXPECT_THAT(Confirm(*a), ElementsAre(1, 2));

  const auto b = OpenLog("b");
  EXPECT_THAT(Settle(*b), ElementsAre(1, 2));
  ASSERT_EQ(b->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(b->epoch(), 2);

  // A does not know yet; what it appends is void.
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  WISSEL_ASSERT_OK(b->Append({}, "k"));
  EXPECT_EQ(Confirm(*b).size(), 1);
  EXPECT_THAT(a->Poll(100, kLong),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("epoch 2 claimed by b at offset 3")));
  EXPECT_EQ(a->phase(), OwnedLog::Phase::kLost);
  EXPECT_THAT(a->Append({}, "k"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(a->Poll(100, kLong), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(OwnershipTest, OfTwoClaimersAtOnceTheSecondLoses) {
  const auto a = OpenLog("a");
  const auto b = OpenLog("b");
  // Both have seen the same end: each appends its claim in its first Poll, in which the second may
  // read already that it lost.
  WISSEL_ASSERT_OK(a->Poll(1, absl::ZeroDuration()));
  b->Poll(1, absl::ZeroDuration()).status().IgnoreError();
  Settle(*a);
  Settle(*b);
  EXPECT_EQ(a->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(b->phase(), OwnedLog::Phase::kLost);
  EXPECT_THAT(b->loss().message(), HasSubstr("void"));
}

TEST_F(OwnershipTest, TheSecondClaimerLosesBeforeItHasReadItsOwnClaim) {
  const auto a = OpenLog("a");
  const auto b = OpenLog("b");
  WISSEL_ASSERT_OK(a->Poll(1, absl::ZeroDuration()));
  // One record at a time: B reads A's claim, of the same epoch, and knows of its own by the answer.
  absl::Status lost = b->Poll(1, absl::ZeroDuration()).status();
  for (int i = 0; i < 3 && lost.ok(); ++i) lost = b->Poll(1, kLong).status();
  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kAborted, HasSubstr("void")));
}

TEST_F(OwnershipTest, ReclaimKeepsWhatIsInFlightAndRaisesTheEpoch) {
  const auto log = OpenLog("a");
  Settle(*log);
  WISSEL_ASSERT_OK(log->Append({}, "k"));
  WISSEL_ASSERT_OK(log->Append({}, "k"));
  WISSEL_ASSERT_OK(log->Reclaim());
  EXPECT_THAT(log->Append({}, "k"), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(Settle(*log), ElementsAre(1, 2));
  ASSERT_EQ(log->phase(), OwnedLog::Phase::kOwning);
  WISSEL_ASSERT_OK_AND_ASSIGN(const OwnedLog::Stamp stamp, log->Append({}, "k"));
  EXPECT_EQ(stamp.epoch, 2);
  EXPECT_EQ(stamp.sequence, 1);
  EXPECT_EQ(stamp.claim_offset, 3);
  EXPECT_THAT(Confirm(*log), ElementsAre(4));
}

TEST_F(OwnershipTest, GarbageIsSkipped) {
  AppendRaw("not a log record");
  AppendRaw("");
  const auto log = OpenLog("a");
  Settle(*log);
  ASSERT_EQ(log->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(log->reader().count(Verdict::kGarbage), 2);
}

TEST_F(OwnershipTest, ClaimsALogWhoseHeadIsCutOffEntirely) {
  {
    const auto a = OpenLog("a");
    Settle(*a);
    for (int i = 0; i < 5; ++i) WISSEL_ASSERT_OK(a->Append({}, "k"));
    Confirm(*a);
  }
  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kLog, 0, 6));
  const auto b = OpenLog("b");
  EXPECT_THAT(Settle(*b), IsEmpty());
  ASSERT_EQ(b->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(b->epoch(), 7) << "higher than whatever the head may have held";
  WISSEL_ASSERT_OK(b->Append({}, "k"));
  EXPECT_THAT(Confirm(*b), ElementsAre(7));
}

TEST_F(OwnershipTest, GoesOnFromACheckpoint) {
  LogPosition checkpoint;
  {
    const auto a = OpenLog("a");
    Settle(*a);
    WISSEL_ASSERT_OK(a->Append({}, "k"));
    Confirm(*a);
    checkpoint = a->position();
    WISSEL_ASSERT_OK(a->Append({}, "k"));
    Confirm(*a);
  }
  EXPECT_EQ(checkpoint.offset, 2);
  const auto b = OpenLog("b", checkpoint);
  EXPECT_THAT(Settle(*b), ElementsAre(2));
  EXPECT_EQ(b->epoch(), 2);
}

TEST_F(OwnershipTest, ACheckpointOlderThanTheHeadIsRefused) {
  const auto a = OpenLog("a");
  Settle(*a);
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  Confirm(*a);
  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kLog, 0, 2));
  const auto b = OpenLog("b", LogPosition{});
  EXPECT_THAT(b->Poll(100, kLong),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("holds offsets")));
}

TEST_F(OwnershipTest, AnOversizedDecisionLeavesNoGap) {
  const auto log = OpenLog("a");
  Settle(*log);
  WISSEL_ASSERT_OK(log->Append({}, "k"));
  EXPECT_THAT(log->Append({}, std::string(2 << 20, 'x')),
              StatusIs(absl::StatusCode::kInvalidArgument));
  WISSEL_ASSERT_OK(log->Append({}, "k"));
  EXPECT_THAT(Confirm(*log), ElementsAre(1, 2));
}

}  // namespace
}  // namespace wissel::bus
