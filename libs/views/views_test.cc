#include "libs/views/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/checkpoint.h"

namespace wissel::views {
namespace {

using store::Redis;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RedisServer;
using ::testing::SizeIs;
using testing::StatusIs;

class ViewsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new RedisServer(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override { WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"})); }

  static state::v1::ConversationState Conversation(const std::string& id,
                                                   const std::string& workspace) {
    state::v1::ConversationState conversation;
    conversation.set_conversation_id(id);
    conversation.set_workspace_id(workspace);
    return conversation;
  }
  static void Put(Batch& batch, const state::v1::ConversationState& conversation) {
    batch.Put({{domain::PieceKind::kConversation, conversation.conversation_id()},
               conversation.SerializeAsString()});
  }
  static void AddNote(Batch& batch, const std::string& conversation, const std::string& id,
                      double position) {
    history::v1::Message message;
    message.set_id(id);
    message.set_note("text of " + id);
    batch.AddMessage(conversation, id, position, message.SerializeAsString(), 1000);
  }
  struct Made {
    bool whole = true;
    int64_t built_to = 0;
  };
  void Write(Batch batch, const Made& made = {.whole = true, .built_to = 0}) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const std::string incarnation, BeginAnew(redis_, keys_));
    CheckpointMeta meta;
    meta.incarnation = incarnation;
    meta.position = {.offset = 8, .rule = {.epoch = 3}};
    meta.whole = made.whole;
    meta.built_to = made.built_to;
    WISSEL_ASSERT_OK(
        WriteBatch(redis_, keys_, {incarnation, std::nullopt}, meta, std::move(batch)));
  }
  static std::vector<std::string> Ids(const MessagePage& page) {
    std::vector<std::string> ids;
    for (const auto& [cursor, message] : page.messages) ids.push_back(message.id());
    return ids;
  }

  static RedisServer* server_;
  Redis redis_{store::RedisOptions{.address = server_->address()}};
  const PartitionKeys keys_{3};
};
RedisServer* ViewsTest::server_ = nullptr;

TEST_F(ViewsTest, AreUnavailableUntilTheyAreBuilt) {
  EXPECT_THAT(ReadAgentWork(redis_, keys_, "shop", "anna"),
              StatusIs(absl::StatusCode::kUnavailable));
  WISSEL_ASSERT_OK(BeginAnew(redis_, keys_));
  EXPECT_THAT(ReadAgentWork(redis_, keys_, "shop", "anna"),
              StatusIs(absl::StatusCode::kUnavailable));
  Write(Batch(keys_), {.whole = false});
  EXPECT_THAT(ReadAgentWork(redis_, keys_, "shop", "anna"),
              StatusIs(absl::StatusCode::kUnavailable));
  Write(Batch(keys_));
  WISSEL_EXPECT_OK(ReadAgentWork(redis_, keys_, "shop", "anna"));
}

TEST_F(ViewsTest, AreUnavailableUntilTheyAreWhereTheLogEndedButForWhoGoesOnInTheLog) {
  Batch batch(keys_);
  Put(batch, Conversation("c1", "shop"));
  Write(std::move(batch), {.built_to = 9});
  constexpr auto kUnavailable = absl::StatusCode::kUnavailable;
  EXPECT_THAT(ReadConversation(redis_, keys_, "shop", "c1", 1), StatusIs(kUnavailable));
  EXPECT_THAT(ReadConversation(redis_, keys_, "shop", "c2", 1), StatusIs(kUnavailable));
  EXPECT_THAT(ReadMessages(redis_, keys_, "shop", "c2", std::nullopt, 1), StatusIs(kUnavailable));
  EXPECT_THAT(ReadGroups(redis_, keys_, "shop"), StatusIs(kUnavailable));
  WISSEL_ASSERT_OK_AND_ASSIGN(const AgentWork work, ReadAgentWork(redis_, keys_, "shop", "anna"));
  EXPECT_FALSE(work.place.built);

  Write(Batch(keys_), {.built_to = 8});
  EXPECT_THAT(ReadMessages(redis_, keys_, "shop", "c2", std::nullopt, 1),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ViewsTest, AgentsWorkIsTheirsWithItsLatestMessagesAndItsPlace) {
  Batch batch(keys_);
  state::v1::AgentState anna;
  anna.set_workspace_id("shop");
  anna.set_agent_id("anna");
  anna.set_capacity_units(5);
  batch.Put({{domain::PieceKind::kAgent, "shop/anna"}, anna.SerializeAsString()});
  for (const char* id : {"c1", "c2", "c3"}) Put(batch, Conversation(id, "shop"));
  batch.Run({"ZADD", keys_.Work("shop", "anna"), "20", "c2", "10", "c1"});
  batch.Run({"ZADD", keys_.Work("shop", "bram"), "5", "c3"});
  for (int i = 0; i < 30; ++i) AddNote(batch, "c1", absl::StrCat("n", i), i);
  Write(std::move(batch));

  WISSEL_ASSERT_OK_AND_ASSIGN(const AgentWork work, ReadAgentWork(redis_, keys_, "shop", "anna"));
  EXPECT_EQ(work.place.partition, 3);
  EXPECT_EQ(work.place.position.offset, 8);
  EXPECT_EQ(work.place.position.rule.epoch, 3);
  ASSERT_TRUE(work.agent.has_value());
  EXPECT_EQ(work.agent->capacity_units(), 5);
  ASSERT_THAT(work.conversations, SizeIs(2));
  EXPECT_EQ(work.conversations[0].conversation.conversation_id(), "c1");
  EXPECT_EQ(work.conversations[1].conversation.conversation_id(), "c2");
  ASSERT_THAT(work.conversations[0].messages, SizeIs(kMessagesOfWork));
  EXPECT_EQ(work.conversations[0].messages.front().id(), "n10");
  EXPECT_EQ(work.conversations[0].messages.back().id(), "n29");
  EXPECT_THAT(work.conversations[1].messages, IsEmpty());

  WISSEL_ASSERT_OK_AND_ASSIGN(const AgentWork nobody, ReadAgentWork(redis_, keys_, "shop", "x"));
  EXPECT_FALSE(nobody.agent.has_value());
  EXPECT_THAT(nobody.conversations, IsEmpty());
}

TEST_F(ViewsTest, AConversationIsItsWorkspacesOnly) {
  Batch batch(keys_);
  Put(batch, Conversation("c1", "shop"));
  AddNote(batch, "c1", "n1", 1);
  Write(std::move(batch));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto ours, ReadConversation(redis_, keys_, "shop", "c1", 20));
  ASSERT_TRUE(ours.conversation.has_value());
  EXPECT_THAT(ours.conversation->messages, SizeIs(1));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto theirs, ReadConversation(redis_, keys_, "rival", "c1", 20));
  EXPECT_FALSE(theirs.conversation.has_value());
  EXPECT_THAT(ReadMessages(redis_, keys_, "rival", "c1", std::nullopt, 20),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ReadMessages(redis_, keys_, "shop", "c2", std::nullopt, 20),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(ViewsTest, PagesCoverEverythingOnceWithManyOfOneScore) {
  Batch batch(keys_);
  Put(batch, Conversation("c1", "shop"));
  std::vector<std::string> all;
  for (int i = 0; i < 40; ++i) {
    const std::string id = absl::StrCat("n", 100 + i);
    AddNote(batch, "c1", id, i / 15);  // runs of 15 of one score, more than a page
    all.push_back(id);
  }
  std::reverse(all.begin(), all.end());
  Write(std::move(batch));

  std::vector<std::string> seen;
  std::optional<Cursor> after;
  while (true) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const MessagePage page,
                                ReadMessages(redis_, keys_, "shop", "c1", after, 7));
    if (page.messages.empty()) break;
    for (const std::string& id : Ids(page)) seen.push_back(id);
    after = page.messages.back().first;
    ASSERT_LE(seen.size(), all.size());
  }
  EXPECT_EQ(seen, all);
}

TEST_F(ViewsTest, APageGoesOnBehindAMessageThatIsGone) {
  Batch batch(keys_);
  Put(batch, Conversation("c1", "shop"));
  for (int i = 1; i <= 4; ++i) AddNote(batch, "c1", absl::StrCat("n", i), i);
  Write(std::move(batch));
  WISSEL_ASSERT_OK(redis_.Run("", {"ZREM", keys_.Order("c1"), "n3"}));
  WISSEL_ASSERT_OK_AND_ASSIGN(const MessagePage page,
                              ReadMessages(redis_, keys_, "shop", "c1", Cursor{3, "n3"}, 10));
  EXPECT_THAT(Ids(page), ElementsAre("n2", "n1"));
}

TEST_F(ViewsTest, MarksShowOnTheirMessages) {
  Batch batch(keys_);
  Put(batch, Conversation("c1", "shop"));
  for (int i = 1; i <= 3; ++i) AddNote(batch, "c1", absl::StrCat("n", i), i);
  batch.MarkMessage("c1", "n1", EditedMark());
  batch.MarkMessage("c1", "n2", DeliveryMark(receipt::v1::DELIVERY_STATE_READ));
  Write(std::move(batch));
  WISSEL_ASSERT_OK_AND_ASSIGN(auto view, ReadConversation(redis_, keys_, "shop", "c1", 20));
  ASSERT_TRUE(view.conversation.has_value());
  const auto& messages = view.conversation->messages;
  ASSERT_EQ(messages.size(), 3);
  EXPECT_TRUE(messages[0].edited());
  EXPECT_EQ(messages[1].delivery_state(), receipt::v1::DELIVERY_STATE_READ);
  EXPECT_FALSE(messages[2].edited());
}

TEST_F(ViewsTest, AViewThatDoesNotParseIsDataLoss) {
  Batch batch(keys_);
  batch.Put({{domain::PieceKind::kConversation, "c1"}, "\xff\xff"});
  Write(std::move(batch));
  EXPECT_THAT(ReadConversation(redis_, keys_, "shop", "c1", 20),
              StatusIs(absl::StatusCode::kDataLoss));
}

TEST_F(ViewsTest, AQueuesFigures) {
  Batch batch(keys_);
  batch.Run({"ZADD", keys_.Waiting("shop/nl", "sales"), "3000000", "c2", "2000000", "c1"});
  batch.Run({"ZADD", keys_.Offered("shop/nl", "sales"), "1", "c3"});
  Write(std::move(batch));
  WISSEL_ASSERT_OK_AND_ASSIGN(const QueueView queue, ReadQueue(redis_, keys_, "shop/nl", "sales"));
  EXPECT_EQ(queue.waiting, 2);
  EXPECT_EQ(queue.offered, 1);
  EXPECT_EQ(queue.active, 0);
  EXPECT_EQ(queue.oldest_waiting_since, absl::FromUnixSeconds(2));
  WISSEL_ASSERT_OK_AND_ASSIGN(const QueueView other, ReadQueue(redis_, keys_, "shop/nl", "x"));
  EXPECT_EQ(other.waiting, 0);
  EXPECT_EQ(other.oldest_waiting_since, std::nullopt);
}

}  // namespace
}  // namespace wissel::views
