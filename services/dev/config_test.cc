#include "services/dev/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/config/config.h"

namespace wissel::dev {
namespace {

TEST(Settings, AWorkspaceFileThatIsNotThereIsSaidBeforeAnythingIsMade) {
  Settings settings;
  const absl::Status status = config::LoadText([&](config::Binder& b) { settings.Describe(b); },
                                               "workspace_file: nowhere.yaml", "f.yaml");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("workspace_file"));
}

}  // namespace
}  // namespace wissel::dev
