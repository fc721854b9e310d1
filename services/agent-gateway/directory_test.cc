#include "services/agent-gateway/directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/status_matchers.h"

namespace wissel::agent_gateway {
namespace {

using testing::StatusIs;

class DirectoryTest : public ::testing::Test {
 protected:
  void Apply(const config::v1::WorkspaceConfig& config) {
    Append(config.workspace_id(), config.SerializeAsString());
  }
  void Append(std::string key, std::string value) {
    Notification done;
    appender_->Append({.topic = bus::Topic::kConfig,
                       .partition = 0,
                       .key = std::move(key),
                       .value = std::move(value)},
                      [&](const absl::StatusOr<int64_t>& offset) {
                        WISSEL_CHECK_OK(offset);
                        done.Notify();
                      });
    done.Wait();
  }
  static config::v1::WorkspaceConfig TwoGroups() {
    config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
    config.add_routing_groups()->set_routing_group_id("belgium");
    config.mutable_agents(1)->set_routing_group_id("belgium");  // bram
    config.mutable_agents(2)->set_subject("carol@shop.example");
    return config;
  }
  const Directory& Loaded() {
    directory_ = std::make_unique<Directory>(*bus_, 4, telemetry::Logger());
    while (!directory_->loaded()) std::this_thread::yield();
    return *directory_;
  }
  static rpc::Principal Caller(std::string subject, rpc::Roles roles = {rpc::Role::kAgent}) {
    rpc::Principal principal;
    principal.subject = std::move(subject);
    principal.workspace = WorkspaceId("acme");
    principal.roles = roles;
    return principal;
  }

  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = 4});
  const std::unique_ptr<bus::Appender> appender_ = bus_->NewAppender({});
  std::unique_ptr<Directory> directory_;
};

TEST_F(DirectoryTest, FindsAgentsByTheirSubject) {
  Apply(TwoGroups());
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat bram, Loaded().Find(Caller("bram"), ""));
  EXPECT_EQ(bram.agent, AgentId("bram"));
  EXPECT_EQ(bram.routing_group, RoutingGroupId("belgium"));
  EXPECT_EQ(bram.partition, bus::PartitionOf("acme/belgium", 4));
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat carol, directory_->Find(Caller("carol@shop.example"), ""));
  EXPECT_EQ(carol.agent, AgentId("carol"));
  EXPECT_THAT(directory_->Find(Caller("carol"), ""),
              StatusIs(absl::StatusCode::kFailedPrecondition))
      << "her subject is another";
}

TEST_F(DirectoryTest, WhatTheTokenNamesComesFirst) {
  Apply(TwoGroups());
  rpc::Principal principal = Caller("anything");
  principal.agent = AgentId("anna");
  principal.routing_group = RoutingGroupId("main");
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat seat, Loaded().Find(principal, ""));
  EXPECT_EQ(seat.agent, AgentId("anna"));
  EXPECT_THAT(directory_->Find(principal, "belgium"),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(DirectoryTest, WhatTheTokenNamesMustBeConfigured) {
  Apply(TwoGroups());
  const auto find = [&](absl::string_view workspace, absl::string_view group,
                        absl::string_view agent, rpc::Roles roles = {rpc::Role::kAgent}) {
    rpc::Principal principal = Caller("anything", roles);
    principal.workspace = WorkspaceId(workspace);
    principal.routing_group = RoutingGroupId(group);
    principal.agent = AgentId(agent);
    return Loaded().Find(principal, "");
  };
  const auto refuses = [](absl::string_view why) {
    return StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr(why));
  };
  WISSEL_EXPECT_OK(find("acme", "belgium", "bram"));
  EXPECT_THAT(find("other", "main", "anna"), refuses("no workspace other is configured"));
  EXPECT_THAT(find("acme", "north", "anna"), refuses("acme has no routing group north"));
  EXPECT_THAT(find("acme", "main", "ghost"), refuses("no agent ghost in routing group main"));
  EXPECT_THAT(find("acme", "", "ghost"), refuses("acme has no agent ghost"));
  EXPECT_THAT(find("acme", "main", "bram"), refuses("no agent bram in routing group main"));
  const rpc::Roles boss = {rpc::Role::kSupervisor};
  WISSEL_EXPECT_OK(find("acme", "main", "", boss));
  EXPECT_THAT(find("acme", "north", "", boss), refuses("acme has no routing group north"));
  EXPECT_THAT(find("acme", "main", "ghost", boss), refuses("no agent ghost"));
}

TEST_F(DirectoryTest, UntilTheTopicHasBeenReadTheTokenIsBelieved) {
  wissel::testing::AwayBus deaf;
  const Directory directory(deaf, 4, telemetry::Logger());
  rpc::Principal principal = Caller("anything");
  EXPECT_THAT(directory.Find(principal, ""), StatusIs(absl::StatusCode::kUnavailable));
  principal.agent = AgentId("anna");
  principal.routing_group = RoutingGroupId("main");
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat seat, directory.Find(principal, ""));
  EXPECT_EQ(seat.agent, AgentId("anna"));
  EXPECT_EQ(seat.routing_key(), "acme/main");
  EXPECT_FALSE(directory.loaded());
}

TEST_F(DirectoryTest, WhoMayChooseAGroupIsShownIt) {
  Apply(TwoGroups());
  const rpc::Principal boss = Caller("boss", {rpc::Role::kSupervisor});
  EXPECT_THAT(Loaded().Find(boss, ""), StatusIs(absl::StatusCode::kFailedPrecondition));
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat seat,
                              directory_->Find(boss, "belgium", {.may_choose = true}));
  EXPECT_EQ(seat.routing_group, RoutingGroupId("belgium"));
  EXPECT_TRUE(seat.agent.empty());
  EXPECT_THAT(directory_->Find(boss, "no such group", {.may_choose = true}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(directory_->Find(Caller("bram"), "main"),
              StatusIs(absl::StatusCode::kPermissionDenied));
  // A supervisor who is an agent elsewhere is nobody's agent in the group looked at.
  const rpc::Principal working = Caller("bram", {rpc::Role::kSupervisor});
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat away,
                              directory_->Find(working, "main", {.may_choose = true}));
  EXPECT_TRUE(away.agent.empty());
  WISSEL_ASSERT_OK_AND_ASSIGN(const Seat home,
                              directory_->Find(working, "belgium", {.may_choose = true}));
  EXPECT_EQ(home.agent, AgentId("bram"));
}

TEST_F(DirectoryTest, TellsTheGroupsThatASupervisorMaySee) {
  Apply(TwoGroups());
  rpc::Principal boss = Caller("boss", {rpc::Role::kSupervisor});
  EXPECT_THAT(Loaded().GroupsOf(boss), ::testing::ElementsAre("belgium", "main"));
  boss.routing_group = RoutingGroupId("main");
  EXPECT_THAT(directory_->GroupsOf(boss), ::testing::ElementsAre("main"));
  boss.workspace = WorkspaceId("elsewhere");
  boss.routing_group = RoutingGroupId();
  EXPECT_THAT(directory_->GroupsOf(boss), ::testing::IsEmpty());
}

TEST_F(DirectoryTest, FollowsNewVersionsAndIgnoresWhatDoesNotCount) {
  Apply(domain::testing::ShopConfig(1));
  WISSEL_ASSERT_OK(Loaded().Find(Caller("bram"), ""));
  config::v1::WorkspaceConfig rival = TwoGroups();  // version 1 as well, and too late
  Apply(rival);
  config::v1::WorkspaceConfig next = domain::testing::ShopConfig(2);
  next.mutable_agents(0)->set_subject("anna@shop.example");
  Apply(next);
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!directory_->Find(Caller("anna@shop.example"), "").ok() && absl::Now() < give_up) {
    std::this_thread::yield();
  }
  WISSEL_EXPECT_OK(directory_->Find(Caller("anna@shop.example"), ""));
  EXPECT_EQ(directory_->Find(Caller("bram"), "")->routing_group, RoutingGroupId("main"));
}

TEST_F(DirectoryTest, GarbageInTheTopicIsSkippedAndWarnedOfOnceEach) {
  Append("acme", "\xff no configuration");
  Apply(domain::testing::ShopConfig(1));
  Append("", "garbage");
  Append("acme", std::string("\x0a\xff\xff\xff\xff\x0f", 6));
  Apply(domain::testing::ShopConfig(2));
  std::vector<std::string> lines;
  telemetry::LogOptions options;
  options.write = [&](absl::string_view line) { lines.emplace_back(line); };
  Directory directory(*bus_, 4, telemetry::Logger(options));
  while (!directory.loaded()) std::this_thread::yield();
  WISSEL_EXPECT_OK(directory.Find(Caller("bram"), ""));
  ASSERT_EQ(lines.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(lines[i], ::testing::AllOf(
                              ::testing::HasSubstr("a record that is none, skipped"),
                              ::testing::HasSubstr(absl::StrCat("offset=", i == 0 ? 0 : i + 1))));
  }
}

TEST_F(DirectoryTest, ARemovedAgentKeepsTheSeatWhileWorkIsKept) {
  Apply(domain::testing::ShopConfig(1));
  config::v1::WorkspaceConfig without = domain::testing::ShopConfig(2);
  without.mutable_agents()->DeleteSubrange(1, 1);  // bram
  without.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  Apply(without);
  EXPECT_EQ(Loaded().Find(Caller("bram"), "")->agent, AgentId("bram"));
  without.set_version(3);
  without.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_REQUEUED);
  Apply(without);
  EXPECT_TRUE(Loaded().Find(Caller("bram"), "")->agent.empty());
}

TEST_F(DirectoryTest, ATokenOfARemovedAgentIsGoodWhileWorkIsKept) {
  Apply(TwoGroups());
  rpc::Principal anna = Caller("anna");
  anna.agent = AgentId("anna");
  anna.routing_group = RoutingGroupId("main");
  config::v1::WorkspaceConfig without = TwoGroups();
  without.set_version(2);
  without.mutable_agents()->DeleteSubrange(0, 1);           // anna goes
  without.mutable_agents(0)->set_routing_group_id("main");  // bram moves here
  without.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  Apply(without);
  EXPECT_EQ(Loaded().Find(anna, "")->agent, AgentId("anna"));
  rpc::Principal bram = Caller("bram");
  EXPECT_EQ(directory_->Find(bram, "")->routing_group, RoutingGroupId("main"));
  bram.agent = AgentId("bram");
  bram.routing_group = RoutingGroupId("belgium");
  EXPECT_EQ(directory_->Find(bram, "")->routing_key(), "acme/belgium") << "with what he has there";

  without.set_version(3);
  without.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_REQUEUED);
  Apply(without);
  EXPECT_THAT(Loaded().Find(anna, ""),
              StatusIs(absl::StatusCode::kFailedPrecondition, ::testing::HasSubstr("agent anna")));
  EXPECT_THAT(directory_->Find(bram, ""), StatusIs(absl::StatusCode::kFailedPrecondition));
}

}  // namespace
}  // namespace wissel::agent_gateway
