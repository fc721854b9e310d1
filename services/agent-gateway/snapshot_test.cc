#include "services/agent-gateway/snapshot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"

namespace wissel::agent_gateway {
namespace {

using conversation::v1::Event;

// Views that stand still at one place.
class FixedViews final : public WorkViews {
 public:
  explicit FixedViews(const absl::StatusOr<views::AgentWork>& work) : work_(work) {}
  absl::StatusOr<views::AgentWork> ReadAgentWork(int32_t, absl::string_view,
                                                 absl::string_view) override {
    return work_;
  }

 private:
  const absl::StatusOr<views::AgentWork> work_;
};

class SnapshotTest : public GatewayFixture {
 protected:
  static views::AgentWork WorkAt(const std::string& cursor, const std::string& conversation) {
    const Position position = *ParseCursor(cursor);
    views::AgentWork work;
    work.place.position = {.offset = position.next_offset, .rule = position.rule};
    work.agent.emplace().set_agent_id("anna");
    views::ConversationWork& item = work.conversations.emplace_back();
    item.conversation.set_conversation_id(conversation);
    item.messages.emplace_back().set_note("from the views");
    return work;
  }
  std::unique_ptr<RunningGateway> GatewayWith(absl::StatusOr<views::AgentWork> work,
                                              const GatewayOptions& options = Quick()) {
    return StartGateway(options, [work] { return std::make_unique<FixedViews>(work); });
  }
};

TEST_F(SnapshotTest, EventsGoOnWhereTheViewsStand) {
  const auto first = StartGateway();
  TestStream anna(*first, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  anna.AwaitOutcome(anna.Send(Note(conversation, "one")));
  const std::string place = anna.cursor();
  for (absl::string_view text : {"two", "three"}) {
    anna.AwaitOutcome(anna.Send(Note(conversation, text)));
  }
  const auto gateway = GatewayWith(WorkAt(place, conversation));
  TestStream second(*gateway, Token("anna"));
  const agent::v1::Snapshot snapshot = second.AwaitSnapshot();
  EXPECT_EQ(snapshot.cursor(), place);
  EXPECT_FALSE(snapshot.messages_missing());
  ASSERT_EQ(snapshot.items_size(), 1);
  EXPECT_EQ(snapshot.items(0).messages(0).note(), "from the views");
  EXPECT_EQ(second.AwaitEvent(Event::kNoteAdded).note_added().text(), "two");
  EXPECT_EQ(second.AwaitEvent(Event::kNoteAdded).note_added().text(), "three");
}

TEST_F(SnapshotTest, WithoutRedisTheFoldedStateMustDo) {
  const auto first = StartGateway();
  TestStream anna(*first, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  const auto gateway = GatewayWith(absl::UnavailableError("no Redis"));
  TestStream second(*gateway, Token("anna"));
  const agent::v1::Snapshot snapshot = second.AwaitSnapshot();
  EXPECT_TRUE(snapshot.messages_missing());
  ASSERT_EQ(snapshot.items_size(), 1);
  EXPECT_EQ(snapshot.items(0).conversation().conversation_id(), conversation);
}

TEST_F(SnapshotTest, ViewsThatLagFarBehindAreNotUsed) {
  GatewayOptions small = Quick();
  small.limits.ring_entries = 4;
  const auto first = StartGateway();
  TestStream anna(*first, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  const std::string place = anna.cursor();
  for (int i = 0; i < 10; ++i) anna.AwaitOutcome(anna.Send(Note(conversation, "later")));
  const auto gateway = GatewayWith(WorkAt(place, "an old one"), small);
  TestStream second(*gateway, Token("anna"));
  const agent::v1::Snapshot snapshot = second.AwaitSnapshot();
  EXPECT_TRUE(snapshot.messages_missing());
  EXPECT_GE(ParseCursor(snapshot.cursor())->next_offset, ParseCursor(anna.cursor())->next_offset);
  ASSERT_EQ(snapshot.items_size(), 1);
  EXPECT_EQ(snapshot.items(0).conversation().conversation_id(), conversation);
}

}  // namespace
}  // namespace wissel::agent_gateway
