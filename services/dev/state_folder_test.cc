#include "services/dev/state_folder.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::dev {
namespace {

using ::wissel::testing::StatusIs;

int ModeOf(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 ? static_cast<int>(found.st_mode & 0777) : -1;
}

TEST(StateFolder, OneProcessAtATime) {
  const wissel::testing::TempDir dir;
  const std::string path = dir.path() + "/a/b";
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto first, StateFolder::Open(path));
    EXPECT_THAT(StateFolder::Open(path), StatusIs(absl::StatusCode::kFailedPrecondition));
  }
  WISSEL_EXPECT_OK(StateFolder::Open(path));
}

TEST(StateFolder, SecretsStayTheSameAndAreTheUsersAlone) {
  const wissel::testing::TempDir dir;
  std::string first;
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto folder, StateFolder::Open(dir.path()));
    WISSEL_ASSERT_OK_AND_ASSIGN(first, folder->Secret("jwt"));
    EXPECT_EQ(first.size(), 64);
    EXPECT_NE(folder->Secret("other").value(), first);
    EXPECT_EQ(ModeOf(folder->SecretPath("jwt")), 0600);
    EXPECT_EQ(ModeOf(folder->path()), 0700);
    EXPECT_EQ(ModeOf(folder->Path("secrets")), 0700);
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(auto folder, StateFolder::Open(dir.path()));
  EXPECT_EQ(folder->Secret("jwt").value(), first);
}

TEST(StateFolder, WriteReplacesTheWholeFile) {
  const wissel::testing::TempDir dir;
  WISSEL_ASSERT_OK_AND_ASSIGN(auto folder, StateFolder::Open(dir.path()));
  WISSEL_ASSERT_OK(folder->Write("f", "a longer text"));
  WISSEL_ASSERT_OK(folder->Write("f", "short"));
  std::ifstream file(folder->Path("f"));
  std::string text;
  std::getline(file, text);
  EXPECT_EQ(text, "short");
  EXPECT_EQ(ModeOf(folder->Path("f")), 0600);
  EXPECT_THAT(folder->Write("no/such/folder", "x"), StatusIs(absl::StatusCode::kPermissionDenied));
}

}  // namespace
}  // namespace wissel::dev
