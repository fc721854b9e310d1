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
        if (e.record.has_decision()) folded.push_back(e.offset);
      }
      if (log.phase() == OwnedLog::Phase::kOwning) return folded;
    }
    ADD_FAILURE() << "neither owned nor lost";
    return folded;
  }

  // Polls until all our decisions are proven or the log is lost; the offset behind the last.
  static int64_t Confirm(OwnedLog& log) {
    while (log.unconfirmed() > 0) {
      const auto entries = log.Poll(100, kLong);
      if (!entries.ok()) break;
      EXPECT_THAT(*entries, IsEmpty()) << "own decisions are no news";
    }
    return log.position().offset;
  }

  // The offsets of the valid decisions, for a reader of all that is left.
  std::vector<int64_t> Valid() {
    const auto reader = LogReader::Open(*bus_, 0, {});
    EXPECT_THAT(reader, wissel::testing::IsOk());
    std::vector<int64_t> valid;
    while ((*reader)->offset() < (*reader)->EndOffset().value()) {
      const auto entries = (*reader)->Poll(100, kLong);
      EXPECT_THAT(entries, wissel::testing::IsOk());
      for (const LogEntry& e : *entries) {
        if (e.record.has_decision()) valid.push_back(e.offset);
      }
    }
    return valid;
  }

  void AppendRaw(std::string value) {
    const auto appender = bus_->NewAppender({});
    appender->Append({.topic = Topic::kLog, .value = std::move(value)},
                     [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
    WISSEL_ASSERT_OK(appender->Flush(kLong));
  }

  std::unique_ptr<Bus> bus_;
};

TEST_F(OwnershipTest, ClaimsDecidesAndProvesItsDecisions) {
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
  EXPECT_EQ(Confirm(*log), 4);
  EXPECT_EQ(log->unconfirmed(), 0);
  EXPECT_THAT(Valid(), ElementsAre(1, 2, 3));
}

TEST_F(OwnershipTest, TakeOverFoldsEverythingAndStopsTheFormerOwner) {
  const auto a = OpenLog("a");
  Settle(*a);
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  EXPECT_EQ(Confirm(*a), 3);

  const auto b = OpenLog("b");
  EXPECT_THAT(Settle(*b), ElementsAre(1, 2));
  ASSERT_EQ(b->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(b->epoch(), 2);

  // A does not know yet; what it appends is void.
  WISSEL_ASSERT_OK(a->Append({}, "k"));
  WISSEL_ASSERT_OK(b->Append({}, "k"));
  EXPECT_EQ(Confirm(*b), 6);
  EXPECT_THAT(Valid(), ElementsAre(1, 2, 5));
  EXPECT_THAT(a->Poll(100, kLong),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("epoch 2 claimed by b at offset 3")));
  EXPECT_EQ(a->phase(), OwnedLog::Phase::kLost);
  EXPECT_THAT(a->Append({}, "k"), StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(a->Poll(100, kLong), StatusIs(absl::StatusCode::kAborted));
}

// What an appender reports, through a real one.
class ReportingAppender final : public Appender {
 public:
  explicit ReportingAppender(std::shared_ptr<Appender> real) : real_(std::move(real)) {}
  void HideOffsets() { hide_ = true; }

  void Append(Outgoing record, Done done) override {
    real_->Append(std::move(record), [hide = hide_, done = std::move(done)](auto offset) mutable {
      done(hide && offset.ok() ? absl::StatusOr<int64_t>(-1) : offset);
    });
  }
  absl::Status Admit(const Outgoing& record) const override { return real_->Admit(record); }
  absl::Status Flush(absl::Duration timeout) override { return real_->Flush(timeout); }

 private:
  const std::shared_ptr<Appender> real_;
  bool hide_ = false;
};

// More than an owner reads along.
constexpr int kMany = 200;

class BusyOwnerTest : public OwnershipTest {
 protected:
  void SetUp() override {
    OwnershipTest::SetUp();
    appender_ = std::make_shared<ReportingAppender>(Gapless());
    auto log = OwnedLog::Open(*bus_, appender_,
                              {.owner = "a", .read_along_after = absl::InfiniteDuration()});
    ASSERT_THAT(log, wissel::testing::IsOk());
    log_ = *std::move(log);
    Settle(*log_);
    for (int i = 0; i < kMany; ++i) WISSEL_ASSERT_OK(log_->Append({}, "k"));
    // With the reports in hand it has no need to read; before them it might.
    WISSEL_ASSERT_OK(appender_->Flush(kLong));
    ASSERT_EQ(Confirm(*log_), 1 + kMany);
  }

  std::shared_ptr<ReportingAppender> appender_;
  std::unique_ptr<OwnedLog> log_;
};

TEST_F(BusyOwnerTest, FetchesNothingOfItsOwn) {
  WISSEL_ASSERT_OK(log_->Poll(100, absl::ZeroDuration()));
  EXPECT_TRUE(log_->reader().resting());
  WISSEL_ASSERT_OK(log_->Append({}, "k"));
  EXPECT_EQ(Confirm(*log_), 2 + kMany);
  EXPECT_TRUE(log_->reader().resting());
  EXPECT_EQ(Valid().size(), 1 + kMany);
}

TEST_F(BusyOwnerTest, NoticesAnothersClaimWithItsNextDecision) {
  const auto b = OpenLog("b");
  Settle(*b);
  WISSEL_ASSERT_OK(log_->Append({}, "k"));
  absl::Status lost;
  while (lost.ok()) lost = log_->Poll(100, kLong).status();
  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kAborted, HasSubstr("epoch 2 claimed by b")));
  EXPECT_EQ(Valid().size(), kMany) << "what it still decided counts for nobody";
}

TEST_F(OwnershipTest, AQuietOwnerNoticesAnothersClaim) {
  const auto a = OpenLog("a");
  Settle(*a);
  for (int i = 0; i < kMany; ++i) WISSEL_ASSERT_OK(a->Append({}, "k"));
  Confirm(*a);
  const auto b = OpenLog("b");
  Settle(*b);
  absl::Status lost;
  while (lost.ok()) lost = a->Poll(100, kLong).status();
  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kAborted, HasSubstr("epoch 2 claimed by b")));
}

TEST_F(BusyOwnerTest, ReadsWhatOthersPutBetween) {
  AppendRaw("garbage");
  for (int i = 0; i < kMany; ++i) WISSEL_ASSERT_OK(log_->Append({}, "k"));
  EXPECT_EQ(Confirm(*log_), 2 + 2 * kMany);
  EXPECT_EQ(log_->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(log_->reader().count(Verdict::kGarbage), 1);
}

TEST_F(BusyOwnerTest, ReadsWhereTheOffsetIsNotKnown) {
  appender_->HideOffsets();
  for (int i = 0; i < kMany; ++i) WISSEL_ASSERT_OK(log_->Append({}, "k"));
  EXPECT_EQ(Confirm(*log_), 1 + 2 * kMany);
  EXPECT_EQ(log_->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(Valid().size(), 2 * kMany);
}

TEST_F(BusyOwnerTest, ClaimsAgainAndGoesOn) {
  WISSEL_ASSERT_OK(log_->Poll(100, absl::ZeroDuration()));
  ASSERT_TRUE(log_->reader().resting());
  WISSEL_ASSERT_OK(log_->Append({}, "k"));
  WISSEL_ASSERT_OK(log_->Reclaim());
  EXPECT_THAT(Settle(*log_), IsEmpty());
  for (int i = 0; i < kMany; ++i) WISSEL_ASSERT_OK(log_->Append({}, "k"));
  Confirm(*log_);
  EXPECT_EQ(Valid().size(), 1 + 2 * kMany);
}

TEST_F(OwnershipTest, WakesWhoWaitsForRoom) {
  const auto wakeup = std::make_shared<Wakeup>();
  auto opened = OwnedLog::Open(*bus_, bus_->NewAppender({.gapless = true, .max_in_flight = 4}),
                               {.owner = "a", .wakeup = wakeup});
  WISSEL_ASSERT_OK(opened);
  OwnedLog& log = **opened;
  Settle(log);
  int appended = 0;
  while (appended < kMany) {
    const auto stamp = log.Append({}, "k");
    if (stamp.ok()) {
      ++appended;
    } else {
      ASSERT_THAT(stamp, StatusIs(absl::StatusCode::kResourceExhausted));
      ASSERT_TRUE(wakeup->Wait(kLong));
    }
    WISSEL_ASSERT_OK(log.Poll(100, absl::ZeroDuration()));
  }
  Confirm(log);
  EXPECT_EQ(Valid().size(), kMany);
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
  EXPECT_THAT(Settle(*log), IsEmpty()) << "own decisions are no news";
  ASSERT_EQ(log->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(log->unconfirmed(), 0);
  WISSEL_ASSERT_OK_AND_ASSIGN(const OwnedLog::Stamp stamp, log->Append({}, "k"));
  EXPECT_EQ(stamp.epoch, 2);
  EXPECT_EQ(stamp.sequence, 1);
  EXPECT_EQ(stamp.claim_offset, 3);
  EXPECT_EQ(Confirm(*log), 5);
  EXPECT_THAT(Valid(), ElementsAre(1, 2, 4));
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
  EXPECT_EQ(Confirm(*b), 8);
  EXPECT_THAT(Valid(), ElementsAre(7));
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
  EXPECT_EQ(Confirm(*log), 3);
  EXPECT_THAT(Valid(), ElementsAre(1, 2));
}

}  // namespace
}  // namespace wissel::bus
