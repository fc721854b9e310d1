#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function with the status of `expr` unless it is OK.
#define WISSEL_RETURN_IF_ERROR(expr)                                  \
  do {                                                                \
    if (::absl::Status wissel_status = (expr); !wissel_status.ok()) { \
      return wissel_status;                                           \
    }                                                                 \
  } while (false)

// Evaluates `expr`, a StatusOr; assigns its value to `lhs` (which may be a declaration) or returns
// from the enclosing function with its status. Several statements: not for the body of a bare `if`.
// A comma in `lhs` needs parentheses or an alias.
#define WISSEL_ASSIGN_OR_RETURN(lhs, ...) \
  WISSEL_ASSIGN_OR_RETURN_IMPL_(WISSEL_CONCAT_(wissel_status_or_, __LINE__), lhs, (__VA_ARGS__))

#define WISSEL_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = expr;                                    \
  if (!tmp.ok()) return std::move(tmp).status();      \
  lhs = std::move(tmp).value()

#define WISSEL_CONCAT_(a, b) WISSEL_CONCAT_IMPL_(a, b)
#define WISSEL_CONCAT_IMPL_(a, b) a##b
