#pragma once

#include <ostream>
#include <sstream>

// WISSEL_CHECK(condition) << "why it must hold": aborts the process, in every kind of build, when
// the condition is false, after printing the expression, the place and the text. For errors of the
// program only: nothing that comes from outside may trip one.
#define WISSEL_CHECK(condition)                 \
  while (__builtin_expect(!(condition), false)) \
  ::wissel::internal::CheckFailure(#condition, __FILE__, __LINE__).stream()

// The same for a Status that cannot fail here.
#define WISSEL_CHECK_OK(expr)                                                             \
  if (const auto& wissel_checked = (expr); __builtin_expect(wissel_checked.ok(), true)) { \
  } else /* NOLINT */                                                                     \
    ::wissel::internal::CheckFailure(#expr, __FILE__, __LINE__).stream()                  \
        << ::wissel::internal::StatusText(wissel_checked) << " "

namespace wissel::internal {

class CheckFailure {
 public:
  CheckFailure(const char* expression, const char* file, int line);
  [[noreturn]] ~CheckFailure();
  std::ostream& stream() { return text_; }

 private:
  std::ostringstream text_;
};

template <class S>
auto StatusText(const S& s) {
  if constexpr (requires { s.ToString(); }) {
    return s.ToString();
  } else {
    return s.status().ToString();
  }
}

}  // namespace wissel::internal
