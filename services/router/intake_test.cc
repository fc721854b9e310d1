#include "services/router/intake.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::router {
namespace {

using message::v1::InboundMessage;
using ::testing::ElementsAre;
using wissel::testing::StatusIs;

constexpr size_t kBatch = 10;
constexpr int64_t kMaxBytes = 100;

class IntakeTest : public ::testing::Test {
 protected:
  IntakeTest()
      : bus_(bus::NewEmbeddedBus({.path = ":memory:", .partitions = 1}).value()),
        appender_(bus_->NewAppender({})),
        worker_({.name = "ahead", .threads = 1}, [] { return std::make_unique<NoTool>(); }) {}

  void Put(std::string value) {
    appender_->Append(
        {.topic = bus::Topic::kInbound, .partition = 0, .key = "k", .value = std::move(value)},
        [](absl::StatusOr<int64_t> offset) { ASSERT_TRUE(offset.ok()); });
    ASSERT_TRUE(appender_->Flush(absl::Seconds(20)).ok());
  }
  void PutNumbered(int from, int to) {
    for (int i = from; i < to; ++i) {
      InboundMessage message;
      message.set_subject(absl::StrCat(i));
      Put(message.SerializeAsString());
    }
  }

  std::unique_ptr<Intake> Open(int64_t offset = 0) {
    return std::make_unique<Intake>(
        bus_->OpenReader(bus::Topic::kInbound, 0, {.offset = offset}).value(),
        InboundMessage::default_instance(),
        Intake::Options{.batch = kBatch, .max_bytes = kMaxBytes}, worker_);
  }

  // What there is, at most `max`: offset and subject, "?" for no message.
  static std::vector<std::string> Take(Intake& intake, size_t max = 1'000'000) {
    std::vector<std::string> taken;
    while (taken.size() < max) {
      Intake::Input* const input = intake.Peek().value();
      if (input == nullptr) break;
      const auto* message = static_cast<const InboundMessage*>(input->message);
      taken.push_back(
          absl::StrCat(input->record.offset, ":", message == nullptr ? "?" : message->subject()));
      intake.Pop();
    }
    return taken;
  }

  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<bus::Appender> appender_;
  AheadWorker worker_;
};

TEST_F(IntakeTest, GivesEachInputOnceAndInOrderThroughBacklogAndRest) {
  const auto intake = Open();
  EXPECT_THAT(Take(*intake), ElementsAre());
  std::vector<std::string> expected;
  int next = 0;
  // Less than a batch, whole batches, more than one, and what comes while the worker has read to
  // the end.
  for (const int count : {1, 9, 10, 25, 1, 20, 10, 3}) {
    PutNumbered(next, next + count);
    for (int i = next; i < next + count; ++i) expected.push_back(absl::StrCat(i, ":", i));
    next += count;
    EXPECT_EQ(Take(*intake), expected);
    expected.clear();
  }
}

TEST_F(IntakeTest, WhatComesAfterTheWorkerHasLookedIsFoundAtOnce) {
  PutNumbered(0, kBatch);
  const auto intake = Open();
  EXPECT_EQ(Take(*intake, 1).size(), 1u);  // The worker finds nothing behind the first batch.
  PutNumbered(kBatch, kBatch + 1);
  EXPECT_EQ(Take(*intake).back(), absl::StrCat(kBatch, ":", kBatch));
}

TEST_F(IntakeTest, AnInputStaysUntilItIsDoneWith) {
  PutNumbered(0, 2);
  const auto intake = Open();
  EXPECT_EQ(intake->Peek().value(), intake->Peek().value());
  EXPECT_THAT(Take(*intake), ElementsAre("0:0", "1:1"));
}

TEST_F(IntakeTest, KnowsWhetherAnotherOneFollows) {
  PutNumbered(0, kBatch + 1);
  const auto intake = Open();
  for (size_t i = 0; i <= kBatch; ++i) {
    ASSERT_NE(intake->Peek().value(), nullptr);
    // The last of a batch has another one behind it, which the worker is reading.
    EXPECT_EQ(intake->More(), i < kBatch) << i;
    intake->Pop();
  }
}

TEST_F(IntakeTest, KnowsHowManyAreNotDoneWith) {
  PutNumbered(0, 25);
  const auto intake = Open();
  for (int64_t left = 25; left > 0; --left) {
    ASSERT_NE(intake->Peek().value(), nullptr);
    EXPECT_EQ(intake->waiting(), left);
    intake->Pop();
  }
  EXPECT_EQ(intake->Peek().value(), nullptr);
  EXPECT_EQ(intake->waiting(), 0);
}

TEST_F(IntakeTest, BytesThatAreNoMessageAndTooManyOfThemComeWithoutOne) {
  PutNumbered(0, 1);
  Put("\xff\xff garbage");
  InboundMessage large;
  large.set_subject(std::string(kMaxBytes, 'x'));
  Put(large.SerializeAsString());
  PutNumbered(3, 4);
  const auto intake = Open();
  EXPECT_THAT(Take(*intake), ElementsAre("0:0", "1:?", "2:?", "3:3"));
}

TEST_F(IntakeTest, SaysWhatIsGoneAndGoesOnWithWhatIsLeft) {
  PutNumbered(0, 5);
  ASSERT_TRUE(bus_->TruncateBefore(bus::Topic::kInbound, 0, 3).ok());
  const auto intake = Open(1);
  EXPECT_THAT(intake->Peek(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(intake->position(), 1);
  EXPECT_EQ(intake->SkipToStart().value(), 3);
  EXPECT_THAT(Take(*intake), ElementsAre("3:3", "4:4"));
}

TEST_F(IntakeTest, CanBeGivenUpWhileTheWorkerReadsAhead) {
  PutNumbered(0, 100);
  for (int i = 0; i < 50; ++i) {
    const auto intake = Open();
    EXPECT_EQ(Take(*intake, 1).size(), 1u);
  }
}

}  // namespace
}  // namespace wissel::router
