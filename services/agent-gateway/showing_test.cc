#include "services/agent-gateway/showing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/testing/status_matchers.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::Hello;
using testing::StatusIs;

constexpr int kPartitions = 16;

// A workspace of three routing groups: anna and carol work in main, bram in belgium.
class ShowingTest : public ::testing::Test {
 protected:
  ShowingTest() {
    config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
    config.add_routing_groups()->set_routing_group_id("france");
    config.add_routing_groups()->set_routing_group_id("belgium");
    config.mutable_agents(1)->set_routing_group_id("belgium");
    Notification done;
    appender_->Append({.topic = bus::Topic::kConfig,
                       .partition = 0,
                       .key = config.workspace_id(),
                       .value = config.SerializeAsString()},
                      [&](const absl::StatusOr<int64_t>& offset) {
                        WISSEL_CHECK_OK(offset);
                        done.Notify();
                      });
    done.Wait();
    directory_ = std::make_unique<Directory>(*bus_, kPartitions, telemetry::Logger());
    while (!directory_->loaded()) std::this_thread::yield();
  }

  static rpc::Principal Caller(std::string subject, rpc::Roles roles) {
    rpc::Principal principal;
    principal.subject = std::move(subject);
    principal.workspace = WorkspaceId("acme");
    principal.roles = roles;
    return principal;
  }
  absl::StatusOr<std::vector<Shown>> Show(const Hello& hello, const rpc::Principal& principal,
                                          size_t max_groups = 64) {
    return ShownBy(hello, principal, *directory_, max_groups);
  }
  static std::vector<std::string> Groups(const absl::StatusOr<std::vector<Shown>>& shown) {
    std::vector<std::string> groups;
    for (const Shown& group : shown.value()) groups.push_back(group.viewer.routing_group);
    return groups;
  }
  static std::string CursorIn(absl::string_view group) {
    return ToCursor({.partition = bus::PartitionOf(absl::StrCat("acme/", group), kPartitions),
                     .next_offset = 7,
                     .rule = {}});
  }
  static void Add(absl::string_view group, const std::string& cursor, Hello& hello) {
    hello.add_groups()->set_routing_group_id(std::string(group));
    hello.mutable_groups(hello.groups_size() - 1)->set_cursor(cursor);
  }

  const rpc::Principal boss_ = Caller("boss", {rpc::Role::kSupervisor});
  const rpc::Principal anna_ = Caller("anna", {rpc::Role::kAgent});
  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = kPartitions});
  const std::unique_ptr<bus::Appender> appender_ = bus_->NewAppender({});
  std::unique_ptr<Directory> directory_;
};

TEST_F(ShowingTest, AnAgentsStreamShowsTheirOwnGroup) {
  Hello hello;
  hello.set_cursor(CursorIn("main"));
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::vector<Shown> shown, Show(hello, anna_));
  ASSERT_EQ(shown.size(), 1u);
  EXPECT_EQ(shown[0].viewer.agent, "anna");
  EXPECT_EQ(shown[0].viewer.routing_group, "main");
  EXPECT_FALSE(shown[0].viewer.whole_group);
  EXPECT_EQ(shown[0].from->next_offset, 7);
  // Named, it is the same.
  Hello named;
  Add("main", CursorIn("main"), named);
  EXPECT_EQ((*Show(named, anna_))[0].from, shown[0].from);
  Add("belgium", "", named);
  EXPECT_THAT(Show(named, anna_), StatusIs(absl::StatusCode::kPermissionDenied));
  // What an integrator may say of conversations elsewhere shows nothing of them.
  Hello elsewhere;
  Add("belgium", "", elsewhere);
  EXPECT_THAT(Show(elsewhere, Caller("anna", {rpc::Role::kAgent, rpc::Role::kIntegrator})),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(ShowingTest, ASupervisorsStreamShowsAllGroupsOrThoseNamed) {
  Hello hello;
  hello.set_whole_workspace(true);
  EXPECT_EQ(Groups(Show(hello, boss_)), (std::vector<std::string>{"belgium", "france", "main"}));
  EXPECT_THAT(Show(hello, anna_), StatusIs(absl::StatusCode::kPermissionDenied));
  rpc::Principal bound = boss_;
  bound.routing_group = RoutingGroupId("france");
  EXPECT_EQ(Groups(Show(hello, bound)), std::vector<std::string>{"france"});

  Add("main", CursorIn("main"), hello);
  Add("belgium", "", hello);
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::vector<Shown> shown, Show(hello, boss_));
  ASSERT_EQ(shown.size(), 2u);
  EXPECT_EQ(shown[0].from->next_offset, 7);
  EXPECT_EQ(shown[1].viewer.routing_group, "belgium");
  EXPECT_FALSE(shown[1].from.has_value());
  EXPECT_THAT(Show(hello, bound), StatusIs(absl::StatusCode::kPermissionDenied));
  // Who is an agent too works in their own group alone.
  const rpc::Principal working = Caller("bram", {rpc::Role::kSupervisor});
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::vector<Shown> both, Show(hello, working));
  EXPECT_EQ(both[0].viewer.agent, "");
  EXPECT_EQ(both[1].viewer.agent, "bram");
}

TEST_F(ShowingTest, WhatCannotBeShown) {
  const auto invalid = StatusIs(absl::StatusCode::kInvalidArgument);
  Hello hello;
  hello.set_whole_workspace(true);
  hello.set_cursor(CursorIn("main"));
  EXPECT_THAT(Show(hello, boss_), invalid) << "one cursor, three groups";
  hello.clear_cursor();
  EXPECT_THAT(Show(hello, boss_, /*max_groups=*/2), invalid);
  Add("main", CursorIn("belgium"), hello);
  ASSERT_NE(CursorIn("belgium"), CursorIn("main"));
  EXPECT_THAT(Show(hello, boss_), invalid) << "another group's cursor";
  hello.mutable_groups(0)->set_cursor("none of ours");
  EXPECT_THAT(Show(hello, boss_), invalid);
  hello.mutable_groups(0)->clear_cursor();
  Add("main", "", hello);
  EXPECT_THAT(Show(hello, boss_), invalid) << "named twice";
  Hello part;
  Add("main", "", part);
  EXPECT_THAT(Show(part, boss_), StatusIs(absl::StatusCode::kFailedPrecondition))
      << "no agent, and not the whole";
  part.set_whole_workspace(true);
  part.mutable_groups(0)->set_routing_group_id("germany");
  EXPECT_THAT(Show(part, boss_), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace wissel::agent_gateway
