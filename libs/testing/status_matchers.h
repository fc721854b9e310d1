#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Matchers for absl::Status and absl::StatusOr, which the platform's abseil does not bring.
namespace wissel::testing {

inline const absl::Status& ToStatus(const absl::Status& status) { return status; }
template <class T>
const absl::Status& ToStatus(const absl::StatusOr<T>& status_or) {
  return status_or.status();
}

// EXPECT_THAT(expr, IsOk())
MATCHER(IsOk, negation ? "is an error" : "is OK") {
  *result_listener << ToStatus(arg).ToString();
  return ToStatus(arg).ok();
}

// EXPECT_THAT(expr, StatusIs(absl::StatusCode::kNotFound))
MATCHER_P(StatusIs, code, "has the code " + absl::StatusCodeToString(code)) {
  *result_listener << ToStatus(arg).ToString();
  return ToStatus(arg).code() == code;
}

// EXPECT_THAT(expr, StatusIs(absl::StatusCode::kNotFound, HasSubstr("anna")))
MATCHER_P2(StatusIs, code, message,
           "has the code " + absl::StatusCodeToString(code) + " and a message that " +
               ::testing::DescribeMatcher<std::string>(message)) {
  *result_listener << ToStatus(arg).ToString();
  return ToStatus(arg).code() == code &&
         ::testing::Value(std::string(ToStatus(arg).message()), message);
}

}  // namespace wissel::testing

#define WISSEL_EXPECT_OK(...) EXPECT_THAT((__VA_ARGS__), ::wissel::testing::IsOk())
#define WISSEL_ASSERT_OK(...) ASSERT_THAT((__VA_ARGS__), ::wissel::testing::IsOk())

// Declares or assigns `lhs`; ends the test if the StatusOr holds an error.
#define WISSEL_ASSERT_OK_AND_ASSIGN(lhs, ...) \
  WISSEL_ASSERT_OK_AND_ASSIGN_IMPL_(WISSEL_TEST_CONCAT_(status_or_, __LINE__), lhs, (__VA_ARGS__))
#define WISSEL_ASSERT_OK_AND_ASSIGN_IMPL_(tmp, lhs, expr) \
  auto tmp = expr;                                        \
  ASSERT_THAT(tmp, ::wissel::testing::IsOk());            \
  lhs = std::move(tmp).value()
#define WISSEL_TEST_CONCAT_(a, b) WISSEL_TEST_CONCAT_IMPL_(a, b)
#define WISSEL_TEST_CONCAT_IMPL_(a, b) a##b
