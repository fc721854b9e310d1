// The reader's rule and ownership.

#include <gmock/gmock.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/bus/conformance/suite.h"
#include "libs/testing/status_matchers.h"

namespace wissel::bus {

using ::testing::ElementsAre;
using wissel::testing::StatusIs;

namespace {

// An appender whose appends fail on order: lost before the log, or in it all the same.
class FaultyAppender final : public Appender {
 public:
  enum class Fault { kNone, kLost, kReportedLost };

  explicit FaultyAppender(std::shared_ptr<Appender> real) : real_(std::move(real)) {}

  void FailNext(Fault fault) { fault_ = fault; }

  void Append(Outgoing record, Done done) override {
    switch (std::exchange(fault_, Fault::kNone)) {
      case Fault::kNone:
        real_->Append(std::move(record), std::move(done));
        return;
      case Fault::kLost:
        done(absl::UnavailableError("lost"));
        return;
      case Fault::kReportedLost:
        real_->Append(std::move(record), [done = std::move(done)](auto) mutable {
          done(absl::UnavailableError("answer lost"));
        });
        return;
    }
  }
  absl::Status Admit(const Outgoing& record) const override { return real_->Admit(record); }
  absl::Status Flush(absl::Duration timeout) override { return real_->Flush(timeout); }

 private:
  const std::shared_ptr<Appender> real_;
  Fault fault_ = Fault::kNone;
};

}  // namespace

TEST_P(BusConformance, RepeatedAndMissingSequenceNumbersAreVoid) {
  const int64_t claim = AppendClaim(1);
  const int64_t first = AppendDecision(1, 1, claim);
  AppendDecision(1, 1, claim);  // Repeated.
  AppendDecision(1, 3, claim);  // After a gap.
  const int64_t second = AppendDecision(1, 2, claim);
  AppendDecision(1, 1, claim);
  const int64_t third = AppendDecision(1, 3, claim);
  EXPECT_THAT(ValidDecisions(), ElementsAre(first, second, third));
}

TEST_P(BusConformance, DecisionsUnderAnotherClaimAreVoid) {
  const int64_t claim = AppendClaim(1);
  AppendDecision(2, 1, claim);      // An epoch nobody claimed.
  AppendDecision(1, 1, claim + 9);  // Not where the claim is.
  AppendClaim(1);                   // The second of two claimers.
  const int64_t valid = AppendDecision(1, 1, claim);
  EXPECT_THAT(ValidDecisions(), ElementsAre(valid));
}

TEST_P(BusConformance, GarbageNeverBlocks) {
  AppendRaw(Topic::kLog, 0, "garbage");
  AppendRaw(Topic::kLog, 0, "");
  AppendRaw(Topic::kLog, 0, std::string(1000, '\xff'));
  const auto log = OpenLog("a");
  Settle(*log);
  ASSERT_EQ(log->phase(), OwnedLog::Phase::kOwning);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(0), "k"));
  AppendRaw(Topic::kLog, 0, "more garbage");
  WISSEL_ASSERT_OK(log->Append(DecisionFor(1), "k"));
  EXPECT_EQ(Confirm(*log), 2);
  EXPECT_EQ(ValidDecisions().size(), 2);
  EXPECT_GE(log->reader().count(Verdict::kGarbage), 3);
}

TEST_P(BusConformance, ZombiesRecordsAreVoidForEveryReader) {
  const auto zombie = OpenLog("zombie");
  Settle(*zombie);
  for (int i = 0; i < 3; ++i) WISSEL_ASSERT_OK(zombie->Append(DecisionFor(i), "k"));
  ASSERT_EQ(Confirm(*zombie), 3);
  std::vector<int64_t> valid = DecisionsOf(1);
  const LogPosition under_zombie = zombie->position();

  // The zombie stalls; another takes over; it wakes up and decides on.
  const auto owner = OpenLog("owner");
  EXPECT_EQ(Settle(*owner).size(), 3);
  const LogPosition under_owner = owner->position();
  for (int i = 3; i < 6; ++i) WISSEL_ASSERT_OK(zombie->Append(DecisionFor(i), "k"));
  for (int i = 3; i < 6; ++i) WISSEL_ASSERT_OK(owner->Append(DecisionFor(i), "k"));
  ASSERT_EQ(Confirm(*owner), 3);
  for (const int64_t offset : DecisionsOf(2)) valid.push_back(offset);
  ASSERT_EQ(valid.size(), 6);

  EXPECT_EQ(ValidDecisions(), valid) << "from the start";
  EXPECT_EQ(ValidDecisions(under_zombie), std::vector<int64_t>(valid.begin() + 3, valid.end()))
      << "from a checkpoint made under the zombie";
  EXPECT_EQ(ValidDecisions(under_owner), std::vector<int64_t>(valid.begin() + 3, valid.end()))
      << "from a checkpoint made under the owner";
  EXPECT_EQ(ValidDecisions(UnknownPosition(1)),
            std::vector<int64_t>(valid.begin() + 3, valid.end()))
      << "without the zombie's claim: nothing of its epoch can be placed";
  // It notices by itself and stops.
  Settle(*zombie);
  EXPECT_EQ(zombie->phase(), OwnedLog::Phase::kLost);
  EXPECT_THAT(zombie->Append(DecisionFor(9), "k"), StatusIs(absl::StatusCode::kAborted));
}

TEST_P(BusConformance, OfManyClaimersAtOnceOneWins) {
  constexpr int kClaimers = 4;  // None of them has seen another's claim.
  std::vector<std::unique_ptr<OwnedLog>> logs;
  for (int i = 0; i < kClaimers; ++i) logs.push_back(OpenLog(absl::StrCat("claimer ", i)));
  {
    std::vector<std::jthread> threads;
    for (auto& log : logs) threads.emplace_back([&log] { Settle(*log); });
  }
  // One may have claimed so late that it saw another's claim and rose above it; then the other is
  // told. Whoever owns by the log can append, the rest cannot.
  int appended = 0;
  for (auto& log : logs) {
    if (log->phase() != OwnedLog::Phase::kOwning) continue;
    if (!log->Append(DecisionFor(0), "k").ok()) continue;
    if (Confirm(*log) == 1) ++appended;
  }
  EXPECT_EQ(appended, 1);
  EXPECT_EQ(ValidDecisions().size(), 1);
}

TEST_P(BusConformance, AnOwnerThatStalledBeforeItsClaimDisturbsNobody) {
  const auto owner = OpenLog("owner");
  Settle(*owner);
  WISSEL_ASSERT_OK(owner->Append(DecisionFor(0), "k"));
  // It folded an empty log, stalled, and claims epoch 1 only now.
  AppendClaim(1, "stalled");
  WISSEL_ASSERT_OK(owner->Append(DecisionFor(1), "k"));
  EXPECT_EQ(Confirm(*owner), 2);
  EXPECT_EQ(owner->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(owner->reader().count(Verdict::kStaleEpoch), 1);
  EXPECT_EQ(ValidDecisions().size(), 2);
}

TEST_P(BusConformance, AFailedAppendEndsTheOwnership) {
  const auto appender = std::make_shared<FaultyAppender>(Gapless());
  const auto log = OpenLog("a", appender);
  Settle(*log);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(0), "k"));
  appender->FailNext(FaultyAppender::Fault::kLost);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(1), "k"));  // Lost on the way.
  WISSEL_ASSERT_OK(log->Append(DecisionFor(2), "k"));  // Already on its way: after a gap.
  absl::Status lost;
  while (lost.ok()) lost = log->Poll(100, kPatience).status();
  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(log->Append(DecisionFor(3), "k"), StatusIs(absl::StatusCode::kAborted));
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  EXPECT_EQ(ValidDecisions().size(), 1);

  const auto again = OpenLog("a");
  EXPECT_EQ(Settle(*again).size(), 1);
  EXPECT_EQ(again->epoch(), 2);
}

TEST_P(BusConformance, AnAppendThatFailedAndCameLateCountsForAllOrForNobody) {
  const auto appender = std::make_shared<FaultyAppender>(Gapless());
  const auto log = OpenLog("a", appender);
  Settle(*log);
  appender->FailNext(FaultyAppender::Fault::kReportedLost);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(0), "k"));
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  absl::Status lost;
  while (lost.ok()) lost = log->Poll(100, kPatience).status();
  // It came before the next claim, so the next owner folds it, and so does everyone else.
  const auto again = OpenLog("a");
  EXPECT_EQ(Settle(*again).size(), 1);
  // The same thing again, but it comes after the claim.
  AppendDecision(1, 2, 0);
  WISSEL_ASSERT_OK(again->Append(DecisionFor(1), "k"));
  EXPECT_EQ(Confirm(*again), 1);
  EXPECT_EQ(ValidDecisions().size(), 2);
}

TEST_P(BusConformance, AFailedClaimIsALoss) {
  const auto appender = std::make_shared<FaultyAppender>(Gapless());
  appender->FailNext(FaultyAppender::Fault::kReportedLost);
  const auto log = OpenLog("a", appender);
  Settle(*log);
  EXPECT_EQ(log->phase(), OwnedLog::Phase::kLost);
  const auto again = OpenLog("a");
  Settle(*again);
  EXPECT_EQ(again->phase(), OwnedLog::Phase::kOwning);
}

// Every input is decided exactly once, whoever owns, however often that changes.
TEST_P(BusConformance, TakeOversUnderLoadDecideEveryInputOnce) {
  constexpr int64_t kInputs = 600;
  std::atomic<int> round = 0;
  // Takes over from whoever owns, and decides from where the log stands until it loses.
  const auto own = [&](std::string name) {
    while (true) {
      const auto log = OpenLog(name);
      int64_t next_input = 0;
      for (const auto& decision : Settle(*log)) {
        EXPECT_EQ(decision.cause().input().offset(), next_input);
        next_input = decision.cause().input().offset() + 1;
      }
      ++round;
      while (log->phase() == OwnedLog::Phase::kOwning && next_input < kInputs) {
        const auto stamp = log->Append(DecisionFor(next_input), "k");
        if (!stamp.ok()) break;
        ++next_input;
        if (log->unconfirmed() > 20) Confirm(*log);
      }
      Confirm(*log);
      if (log->phase() == OwnedLog::Phase::kOwning && next_input == kInputs) return;
    }
  };
  {
    std::jthread a([&] { own("a"); });
    std::jthread b([&] { own("b"); });
    std::jthread c([&] { own("c"); });
  }
  EXPECT_GE(round, 3);
  std::vector<int64_t> inputs;
  const auto reader = LogReader::Open(*bus_, 0, {});
  WISSEL_ASSERT_OK(reader);
  const int64_t end = (*reader)->EndOffset().value_or(0);
  while ((*reader)->position().offset < end) {
    const auto entries = (*reader)->Poll(1000, kPatience);
    WISSEL_ASSERT_OK(entries);
    for (const auto& entry : *entries) {
      if (entry.record.has_decision()) {
        inputs.push_back(entry.record.decision().cause().input().offset());
      }
    }
  }
  ASSERT_EQ(inputs.size(), kInputs);
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(inputs[i], static_cast<int64_t>(i));
}

TEST_P(BusConformance, AReaderOfACutLogFindsItsFooting) {
  const auto a = OpenLog("a");
  Settle(*a);
  for (int i = 0; i < 3; ++i) WISSEL_ASSERT_OK(a->Append(DecisionFor(i), "k"));
  Confirm(*a);
  WISSEL_ASSERT_OK(a->Reclaim());
  Settle(*a);
  WISSEL_ASSERT_OK(a->Append(DecisionFor(3), "k"));
  WISSEL_ASSERT_OK(a->Append(DecisionFor(4), "k"));
  ASSERT_EQ(Confirm(*a), 2);
  const std::vector<int64_t> valid = DecisionsOf(2);
  ASSERT_EQ(valid.size(), 2);

  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kLog, 0, 2));
  EXPECT_EQ(ValidDecisions(), valid);

  const auto b = OpenLog("b");
  EXPECT_EQ(Settle(*b).size(), 2);
  EXPECT_EQ(b->epoch(), 3);
}

TEST_P(BusConformance, ALogCutDownToNothingCanBeClaimed) {
  const auto a = OpenLog("a");
  Settle(*a);
  for (int i = 0; i < 3; ++i) WISSEL_ASSERT_OK(a->Append(DecisionFor(i), "k"));
  Confirm(*a);
  const LogPosition checkpoint = a->position();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kLog, 0, 4));
  const auto b = OpenLog("b");
  Settle(*b);
  ASSERT_EQ(b->phase(), OwnedLog::Phase::kOwning) << b->loss();
  WISSEL_ASSERT_OK(b->Append(DecisionFor(3), "k"));
  WISSEL_ASSERT_OK(a->Append(DecisionFor(3), "k"));  // It does not know yet.
  ASSERT_EQ(Confirm(*b), 1);
  const std::vector<int64_t> valid = DecisionsOf(b->epoch());
  ASSERT_EQ(valid.size(), 1);
  EXPECT_EQ(ValidDecisions(checkpoint), valid) << "by one who knows the head";
  EXPECT_EQ(ValidDecisions(), valid) << "and by one who does not";
}

TEST_P(BusConformance, TheCanaryReadsVoidRecords) {
  const int64_t claim = AppendClaim(1);
  AppendDecision(1, 1, claim);
  AppendDecision(1, 1, claim);
  LogReaderOptions options;
  options.ignore_reader_rule = true;
  const auto reader = LogReader::Open(*bus_, 0, std::move(options));
  WISSEL_ASSERT_OK(reader);
  size_t read = 0;
  for (int i = 0; read < 3 && i < 100; ++i) read += (*reader)->Poll(10, kPatience).value().size();
  EXPECT_EQ(read, 3);
}

}  // namespace wissel::bus
