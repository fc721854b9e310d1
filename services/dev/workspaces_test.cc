#include "services/dev/workspaces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::dev {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using wissel::testing::StatusIs;

constexpr char kShop[] = "deploy/examples/web-shop.yaml";

TEST(Workspaces, AFileIsInForceAsItStandsAndNoOther) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, bus::NewEmbeddedBus({.path = ":memory:"}));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto config, ReadWorkspaceFile(kShop));
  EXPECT_FALSE(IsInForce(config, {}));
  WISSEL_ASSERT_OK(ApplyFirst(*bus, config, absl::FromUnixSeconds(1'700'000'000)));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto in_force, ReadWorkspaces(*bus));
  ASSERT_THAT(in_force, SizeIs(1));
  EXPECT_EQ(in_force[0].version(), 1);
  EXPECT_TRUE(IsInForce(config, in_force));
  config::v1::WorkspaceConfig changed = config;
  changed.mutable_agents(0)->set_capacity_units(9);
  EXPECT_FALSE(IsInForce(changed, in_force));
}

TEST(Workspaces, AllThatIsWrongWithAFileIsSaid) {
  EXPECT_THAT(ReadWorkspaceFile("/none.yaml"), StatusIs(absl::StatusCode::kInvalidArgument));
  const wissel::testing::TempDir dir;
  const std::string file = dir.path() + "/shop.yaml";
  std::ofstream(file) << "workspace_id: shop\nrouting_groups: [{routing_group_id: desk}]\n"
                         "queues: [{queue_id: a, routing_group_id: no}]\n"
                         "agents: [{agent_id: b, routing_group_id: neither}]\n";
  const absl::Status status = ReadWorkspaceFile(file).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(std::string(status.message()), HasSubstr("queues[a]"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\n" + file + ": agents[b]"));
}

}  // namespace
}  // namespace wissel::dev
