#include "libs/rpc/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wissel::rpc {
namespace {

TEST(Status, EveryCodeSurvivesTheWire) {
  for (int code = 0; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), code == 0 ? "" : "why");
    const grpc::Status wire = ToGrpc(status);
    EXPECT_EQ(static_cast<int>(wire.error_code()), code);
    EXPECT_EQ(FromGrpc(wire), status) << code;
  }
}

TEST(Status, NoFailureIsWithoutWords) {
  const absl::Status status = FromGrpc(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, ""));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), "UNIMPLEMENTED");
  EXPECT_TRUE(FromGrpc(grpc::Status::OK).ok());
}

TEST(Status, CodeOutsideTheRangeBecomesUnknownWithItsNumber) {
  // None of gRPC's, but one that the enumeration can hold.
  const absl::Status status = FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(30), "odd"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnknown);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr("30"), testing::HasSubstr("odd")));
}

TEST(Status, WhatRefusesTheServiceSaysNothingOfTheCaller) {
  EXPECT_EQ(OfDependency(absl::UnauthenticatedError("no AUTH")), absl::UnavailableError("no AUTH"));
  EXPECT_EQ(OfDependency(absl::PermissionDeniedError("no ACL")), absl::UnavailableError("no ACL"));
  EXPECT_EQ(OfDependency(absl::NotFoundError("gone")), absl::NotFoundError("gone"));
  EXPECT_EQ(OfDependency(absl::OkStatus()), absl::OkStatus());
  EXPECT_EQ(OfDependency(absl::StatusOr<int>(absl::PermissionDeniedError("no ACL"))).status(),
            absl::UnavailableError("no ACL"));
  EXPECT_EQ(OfDependency(absl::StatusOr<int>(1)).value_or(0), 1);
}

}  // namespace
}  // namespace wissel::rpc
