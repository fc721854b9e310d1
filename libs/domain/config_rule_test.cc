#include "libs/domain/config_rule.h"

#include <gtest/gtest.h>

#include <string>

namespace wissel::domain {
namespace {

config::v1::WorkspaceConfig Version(const std::string& workspace, int64_t version) {
  config::v1::WorkspaceConfig config;
  config.set_workspace_id(workspace);
  config.set_version(version);
  return config;
}

TEST(ConfigHistory, TheFirstRecordWithTheNextVersionCounts) {
  ConfigHistory history;
  EXPECT_EQ(history.VersionOf("shop"), 0);
  EXPECT_TRUE(history.Accept(Version("shop", 1)));
  EXPECT_TRUE(history.Accept(Version("shop", 2)));
  EXPECT_FALSE(history.Accept(Version("shop", 2)));  // came second
  EXPECT_FALSE(history.Accept(Version("shop", 1)));
  EXPECT_FALSE(history.Accept(Version("shop", 4)));  // leaves one out
  EXPECT_EQ(history.VersionOf("shop"), 2);
  EXPECT_TRUE(history.Accept(Version("shop", 3)));
}

TEST(ConfigHistory, EachWorkspaceCountsForItself) {
  ConfigHistory history;
  EXPECT_TRUE(history.Accept(Version("shop", 1)));
  EXPECT_TRUE(history.Accept(Version("other", 1)));
  EXPECT_FALSE(history.Accept(Version("", 1)));
}

}  // namespace
}  // namespace wissel::domain
