#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::bus {
namespace {

using ::testing::SizeIs;
using ::wissel::testing::StatusIs;

class EmbeddedReadOnlyTest : public ::testing::Test {
 protected:
  EmbeddedReadOnlyTest() : path_(dir_.path() + "/log.sqlite") {}

  static absl::StatusOr<int64_t> Append(Bus& bus) {
    const auto appender = bus.NewAppender({});
    std::promise<absl::StatusOr<int64_t>> done;
    appender->Append({.topic = Topic::kLog, .partition = 1, .key = "k", .value = "v"},
                     [&](absl::StatusOr<int64_t> offset) { done.set_value(offset); });
    return done.get_future().get();
  }

  const wissel::testing::TempDir dir_;
  const std::string path_;
};

TEST_F(EmbeddedReadOnlyTest, SeesWhatTheOwnerAppends) {
  WISSEL_ASSERT_OK_AND_ASSIGN(auto owner, NewEmbeddedBus({.path = path_, .partitions = 2}));
  WISSEL_ASSERT_OK(Append(*owner));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, OpenEmbeddedLogReadOnly(path_));
  EXPECT_EQ(view->PartitionCount(Topic::kLog).value(), 2);
  WISSEL_ASSERT_OK_AND_ASSIGN(auto reader, view->OpenReader(Topic::kLog, 1, {}));
  EXPECT_THAT(reader->Poll(10, absl::ZeroDuration()).value(), SizeIs(1));
  EXPECT_THAT(reader->Poll(10, absl::ZeroDuration()).value(), SizeIs(0));
  WISSEL_ASSERT_OK(Append(*owner));
  EXPECT_THAT(reader->Poll(10, absl::Seconds(5)).value(), SizeIs(1));
  WISSEL_ASSERT_OK(owner->TruncateBefore(Topic::kLog, 1, 2));
  WISSEL_ASSERT_OK(reader->Seek(0));
  EXPECT_THAT(reader->Poll(10, absl::ZeroDuration()), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(EmbeddedReadOnlyTest, ReadsALogThatNobodyHolds) {
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto owner, NewEmbeddedBus({.path = path_, .partitions = 2}));
    WISSEL_ASSERT_OK(Append(*owner));
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, OpenEmbeddedLogReadOnly(path_));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto reader, view->OpenReader(Topic::kLog, 1, {}));
  EXPECT_THAT(reader->Poll(10, absl::ZeroDuration()).value(), SizeIs(1));
}

TEST_F(EmbeddedReadOnlyTest, RefusesToWriteAndMakesNothing) {
  EXPECT_THAT(OpenEmbeddedLogReadOnly(path_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(OpenEmbeddedLogReadOnly(path_), StatusIs(absl::StatusCode::kNotFound));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto owner, NewEmbeddedBus({.path = path_, .partitions = 2}));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, OpenEmbeddedLogReadOnly(path_));
  EXPECT_THAT(Append(*view), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(view->TruncateBefore(Topic::kLog, 1, 0),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace wissel::bus
