#include "libs/base/status.h"

#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/cord.h"
#include "libs/base/status_macros.h"

namespace wissel {
namespace {

absl::StatusOr<std::unique_ptr<int>> Half(int n) {
  if (n % 2 != 0) return absl::InvalidArgumentError("odd");
  return std::make_unique<int>(n / 2);
}

absl::StatusOr<int> Quarter(int n) {
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<int> half, Half(n));
  WISSEL_ASSIGN_OR_RETURN(half, Half(*half));
  WISSEL_RETURN_IF_ERROR(absl::OkStatus());
  return *half;
}

TEST(StatusMacros, PassValuesOnAndStopAtTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(Quarter(3).status(), absl::InvalidArgumentError("odd"));
  EXPECT_EQ(Quarter(6).status(), absl::InvalidArgumentError("odd"));
}

TEST(Annotate, PutsTheContextInFrontAndKeepsCodeAndPayload) {
  absl::Status status = absl::NotFoundError("no such file");
  status.SetPayload("wissel/x", absl::Cord("p"));
  const absl::Status annotated = Annotate(status, "/etc/x");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(annotated.message(), "/etc/x: no such file");
  EXPECT_EQ(annotated.GetPayload("wissel/x"), absl::Cord("p"));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

}  // namespace
}  // namespace wissel
