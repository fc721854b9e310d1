// Streams of several routing groups, which lie in partitions of their own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"
#include "services/agent-gateway/testing/unary_client.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::ConnectResponse;
using agent::v1::Hello;
using command::v1::Command;
using conversation::v1::Event;
using ::testing::ElementsAre;
using testing::StatusIs;

constexpr int kPartitions = 2;

// The shop with anna and carol in "main" and bram in "west", each group with a router of its own.
class GroupsTest : public GatewayFixture {
 protected:
  GroupsTest() : GatewayFixture(kPartitions, TwoGroups()) {
    EXPECT_NE(PartitionOf("main"), PartitionOf("west"));
    west_ = std::make_unique<TestRouter>(*bus_, PartitionOf("west"), "west");
  }

  static config::v1::WorkspaceConfig TwoGroups() {
    config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
    config.add_routing_groups()->set_routing_group_id("west");
    config::v1::Queue& queue = *config.add_queues();
    queue.set_queue_id("west-nl");
    queue.set_routing_group_id("west");
    queue.add_rules()->add_languages("nl");
    config::v1::Agent& bram = *config.mutable_agents(1);
    bram.set_routing_group_id("west");
    bram.clear_queue_ids();
    bram.add_queue_ids("west-nl");
    return config;
  }

  std::string Boss() { return Token("boss", {"supervisor"}); }
  // Anna has a conversation in main, bram one in west.
  void TakeOneEach(RunningGateway& gateway) {
    anna_ = std::make_unique<TestStream>(gateway, Token("anna"));
    bram_ = std::make_unique<TestStream>(gateway, Token("bram"));
    in_main_ = TakeConversation(*anna_, "31600000001", "nl");
    group_ = "west";
    in_west_ = TakeConversation(*bram_, "31600000002", "nl");
  }

  std::unique_ptr<TestRouter> west_;
  std::unique_ptr<TestStream> anna_;
  std::unique_ptr<TestStream> bram_;
  std::string in_main_;
  std::string in_west_;
};

TEST_F(GroupsTest, OneStreamShowsTheWholeWorkspace) {
  const auto gateway = StartGateway();
  TakeOneEach(*gateway);
  TestStream boss(*gateway, Boss(), WholeWorkspace());
  EXPECT_THAT(boss.AwaitWelcome().routing_group_ids(), ElementsAre("main", "west"));
  std::map<std::string, std::string> in;
  for (int i = 0; i < 2; ++i) {
    const agent::v1::Snapshot snapshot = boss.AwaitSnapshot();
    ASSERT_EQ(snapshot.items_size(), 1);
    in[snapshot.routing_group_id()] = snapshot.items(0).conversation().conversation_id();
  }
  EXPECT_EQ(in, (std::map<std::string, std::string>{{"main", in_main_}, {"west", in_west_}}));

  bram_->AwaitOutcome(bram_->Send(Note(in_west_, "from the west")));
  const auto western = boss.Await([](const ConnectResponse& r) { return r.has_events(); });
  EXPECT_EQ(western.events().routing_group_id(), "west");
  EXPECT_EQ(western.events().events(0).note_added().text(), "from the west");
  anna_->AwaitOutcome(anna_->Send(Note(in_main_, "from home")));
  EXPECT_EQ(boss.AwaitEvent(Event::kNoteAdded).note_added().text(), "from home");
}

TEST_F(GroupsTest, ItResumesEachGroupWhereItWas) {
  const auto gateway = StartGateway();
  TakeOneEach(*gateway);
  std::map<std::string, std::string> cursors;
  {
    TestStream boss(*gateway, Boss(), WholeWorkspace());
    boss.AwaitSnapshot();
    boss.AwaitSnapshot();
    bram_->AwaitOutcome(bram_->Send(Note(in_west_, "west, seen")));
    boss.AwaitEvent(Event::kNoteAdded);
    cursors = boss.cursors();
  }
  ASSERT_EQ(cursors.size(), 2u);
  anna_->AwaitOutcome(anna_->Send(Note(in_main_, "main")));
  bram_->AwaitOutcome(bram_->Send(Note(in_west_, "west")));

  GatewayOptions forgetful = Quick();
  forgetful.limits.ring_entries = 1;
  const auto other = StartGateway(forgetful);
  Hello hello = WholeWorkspace();
  for (const auto& [group, cursor] : cursors) {
    hello.add_groups()->set_routing_group_id(group);
    hello.mutable_groups(hello.groups_size() - 1)->set_cursor(cursor);
  }
  TestStream boss(*other, Boss(), hello);
  std::multiset<std::string> notes;
  while (notes.size() < 2) {
    ConnectResponse response;
    ASSERT_TRUE(boss.Read(&response));
    EXPECT_FALSE(response.has_snapshot());
    for (const Event& event : response.events().events()) {
      if (event.has_note_added()) notes.insert(event.note_added().text());
    }
  }
  EXPECT_EQ(notes, (std::multiset<std::string>{"west", "main"}));
}

TEST_F(GroupsTest, CommandsSayWhichGroupTheyAreFor) {
  const auto gateway = StartGateway();
  TakeOneEach(*gateway);
  TestStream boss(*gateway, Boss(), WholeWorkspace());
  boss.AwaitSnapshot();
  boss.AwaitSnapshot();
  Command note = Note(in_west_, "well done");
  note.mutable_envelope()->set_routing_group_id("west");
  const agent::v1::CommandOutcome done = boss.AwaitOutcome(boss.Send(note));
  EXPECT_FALSE(done.has_rejected());
  EXPECT_EQ(done.routing_group_id(), "west");
  note.mutable_envelope()->set_id(RandomUuid());
  note.mutable_envelope()->set_routing_group_id("main");
  EXPECT_EQ(boss.AwaitOutcome(boss.Send(note)).rejected().reason(),
            conversation::v1::CommandRejected::REASON_UNKNOWN_CONVERSATION);
  EXPECT_THAT(boss.AwaitOutcome(boss.Send(Note(in_west_, "where?"))).undecided_reason(),
              ::testing::HasSubstr("routing_group_id"));
  // An agent's own group needs no name, and no other has a say.
  Command elsewhere = Note(in_west_, "mine");
  elsewhere.mutable_envelope()->set_routing_group_id("main");
  EXPECT_FALSE(bram_->AwaitOutcome(bram_->Send(elsewhere)).has_rejected());

  Command unary = Note(in_west_, "unary");
  unary.mutable_envelope()->set_routing_group_id("west");
  const UnaryClient client{.gateway = *gateway, .token = Boss()};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto outcome, client.Execute(unary));
  EXPECT_FALSE(outcome.has_rejected());

  Command known;
  known.mutable_update_conversation()->set_conversation_id(in_west_);
  const UnaryClient shop{.gateway = *gateway, .token = Token("web-shop", {"integrator"})};
  EXPECT_THAT(shop.Execute(known).status(), StatusIs(absl::StatusCode::kFailedPrecondition));
  known.mutable_envelope()->set_routing_group_id("west");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto informed, shop.Execute(known));
  EXPECT_FALSE(informed.has_rejected());
}

TEST_F(GroupsTest, SeveralSnapshotsWaitForRoom) {
  GatewayOptions options = Quick();
  options.queue_bytes = 1'000;  // less than a snapshot
  const auto gateway = StartGateway(options);
  TakeOneEach(*gateway);
  TestStream boss(*gateway, Boss(), WholeWorkspace());
  std::set<std::string> groups;
  for (int i = 0; i < 2; ++i) groups.insert(boss.AwaitSnapshot().routing_group_id());
  EXPECT_THAT(groups, ElementsAre("main", "west"));
}

TEST_F(GroupsTest, TheEndSaysWhereToResumeEach) {
  const auto gateway = StartGateway();
  TakeOneEach(*gateway);
  TestStream boss(*gateway, Boss(), WholeWorkspace());
  boss.AwaitSnapshot();
  boss.AwaitSnapshot();
  gateway->gateway->GoAway();
  std::map<std::string, std::string> going;
  for (int i = 0; i < 2; ++i) {
    const auto message = boss.Await([](const auto& r) { return r.has_going_away(); });
    going[message.going_away().routing_group_id()] = message.going_away().cursor();
  }
  EXPECT_EQ(going, boss.cursors());
  EXPECT_THAT(boss.Finish(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(boss.TrailingCursors(),
              ::testing::UnorderedElementsAre(absl::StrCat("west ", going["west"]),
                                              absl::StrCat("main ", going["main"])));
}

}  // namespace
}  // namespace wissel::agent_gateway
