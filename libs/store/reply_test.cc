#include "libs/store/reply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace wissel::store {
namespace {

using testing::StatusIs;

TEST(ClassifyError, ReadsTheFirstWord) {
  EXPECT_EQ(ClassifyError("MOVED 3999 127.0.0.1:6381"), RedisError::kMoved);
  EXPECT_EQ(ClassifyError("NOSCRIPT No matching script."), RedisError::kNoScript);
  EXPECT_EQ(ClassifyError("OOM command not allowed when used memory > 'maxmemory'."),
            RedisError::kServerMemory);
  EXPECT_EQ(ClassifyError("WRONGPASS invalid username-password pair or user is disabled."),
            RedisError::kUnauthenticated);
  EXPECT_EQ(ClassifyError("ERR unknown command"), RedisError::kOther);
  EXPECT_EQ(ClassifyError("MOVEDX"), RedisError::kOther);
  EXPECT_EQ(ClassifyError(""), RedisError::kOther);
}

TEST(ToStatus, TellsWhatPassesByItselfFromWhatDoesNot) {
  EXPECT_THAT(ToStatus(RedisError::kLoading, "x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ToStatus(RedisError::kTimeout, "x"), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(ToStatus(RedisError::kServerMemory, "x"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(ToStatus(RedisError::kNoPermission, "x"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(ToStatus(RedisError::kWrongType, "x"), StatusIs(absl::StatusCode::kInternal));
}

TEST(Reply, GivesItsValueOrSaysWhatItIs) {
  Reply integer{.kind = Reply::Kind::kInteger, .integer = 7, .text = "", .elements = {}};
  EXPECT_EQ(*integer.AsInteger(), 7);
  EXPECT_THAT(integer.AsString(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(integer.AsArray(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_THAT(Reply{}.AsString(), StatusIs(absl::StatusCode::kNotFound));
  Reply error{.kind = Reply::Kind::kError, .integer = 0, .text = "LOADING wait", .elements = {}};
  EXPECT_THAT(error.AsInteger(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace wissel::store
