#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <string>

namespace wissel::testing {

// The value of an environment variable with the address of a server that scripts/stack runs:
// WISSEL_TEST_KAFKA (host:port), WISSEL_TEST_REDIS (path of a unix socket, or host:port),
// WISSEL_TEST_IMAP, WISSEL_TEST_SMTP (host:port). Empty if it is not set.
inline std::string TestEnv(const char* variable) {
  const char* value = getenv(variable);
  return value == nullptr ? "" : value;
}

}  // namespace wissel::testing

// Declares `name` as the variable's value. Without one the test fails: a test that needs a server
// never passes for want of it. In a test's body or SetUp only.
#define WISSEL_TEST_ENV(name, variable)                                               \
  const std::string name = ::wissel::testing::TestEnv(variable);                      \
  if (name.empty()) {                                                                 \
    FAIL() << variable << " is not set: run this test through scripts/test, or start" \
           << " the servers first: eval \"$(scripts/stack up --env)\"";               \
  }
