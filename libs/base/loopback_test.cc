#include "libs/base/loopback.h"

#include <gtest/gtest.h>

namespace wissel {
namespace {

TEST(Loopback, IsThisMachineAlone) {
  for (const char* host : {"localhost", "LocalHost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"}) {
    EXPECT_TRUE(IsLoopback(host)) << host;
  }
  for (const char* host : {"", "0.0.0.0", "10.0.0.1", "::", "[::]", "[::2]", "128.0.0.1",
                           "127.0.0.1.example", "localhost.example", "127.1", "127.0.0.1:80"}) {
    EXPECT_FALSE(IsLoopback(host)) << host;
  }
}

}  // namespace
}  // namespace wissel
