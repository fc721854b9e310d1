#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <signal.h>

#include <filesystem>
#include <fstream>

#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "libs/testing/test_env.h"

namespace wissel::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TempDir, GoesWithWhatIsInIt) {
  std::string path;
  {
    TempDir dir;
    path = dir.path();
    std::ofstream(dir.Join("file")) << "text";
    EXPECT_TRUE(std::filesystem::exists(dir.Join("file")));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TempDir, EachIsItsOwn) { EXPECT_NE(TempDir().path(), TempDir().path()); }

TEST(TestEnv, IsEmptyWithoutTheVariable) {
  unsetenv("WISSEL_TEST_NONE");
  EXPECT_EQ(TestEnv("WISSEL_TEST_NONE"), "");
  setenv("WISSEL_TEST_NONE", "host:1", 1);
  EXPECT_EQ(TestEnv("WISSEL_TEST_NONE"), "host:1");
}

TEST(StatusMatchers, TellCodesAndMessagesApart) {
  const absl::Status status = absl::NotFoundError("no agent anna");
  EXPECT_THAT(status, Not(IsOk()));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, HasSubstr("anna")));
  EXPECT_THAT(status, Not(StatusIs(absl::StatusCode::kNotFound, HasSubstr("bram"))));
  EXPECT_THAT(absl::StatusOr<int>(3), IsOk());
}

TEST(RedisServer, ListensWhileItRuns) {
  RedisServer server;
  EXPECT_TRUE(std::filesystem::exists(server.address()));
  server.Stop();
  EXPECT_FALSE(std::filesystem::exists(server.address()));
  server.Start();
  EXPECT_TRUE(std::filesystem::exists(server.address()));
  server.Kill();
  server.Start();
  EXPECT_TRUE(std::filesystem::exists(server.address()));
}

TEST(RedisServer, EndsInOrderThoughItsParentBlocksSignals) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
  RedisServer server;
  server.Stop();
  // Killed, it would have left its socket behind.
  EXPECT_FALSE(std::filesystem::exists(server.address()));
  pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
}

}  // namespace
}  // namespace wissel::testing
