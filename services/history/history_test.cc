#include "services/history/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/bus/bus.h"
#include "libs/domain/state.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/checkpoint.h"
#include "services/history/page.h"

namespace wissel::history {
namespace {

using store::RedisOptions;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RedisServer;
using ::testing::SizeIs;
using testing::StatusIs;

constexpr int kPartitions = 4;

rpc::Principal Of(absl::string_view workspace) {
  rpc::Principal principal;
  principal.subject = "anna";
  principal.workspace = WorkspaceId(workspace);
  principal.roles = {rpc::Role::kAgent};
  return principal;
}

// Views as the projector would leave them, written by hand: how it makes them is its own tests'
// matter.
class HistoryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new RedisServer(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
    for (int i = 0; i < kPartitions; ++i) keys_.emplace_back(i);
    for (const views::PartitionKeys& keys : keys_) batches_.emplace_back(keys);
  }

  static RedisOptions Options() {
    return {.address = server_->address(),
            .backoff = {.initial = absl::Nanoseconds(1), .max = absl::Nanoseconds(1)}};
  }
  const views::PartitionKeys& KeysOf(const std::string& group) {
    return keys_[bus::PartitionOf(group, kPartitions)];
  }
  views::Batch& BatchOf(const std::string& group) {
    return batches_[bus::PartitionOf(group, kPartitions)];
  }

  // An open conversation of `group` ("workspace/group"), opened at the second `opened`.
  void Open(const std::string& group, const std::string& id, int opened,
            const std::string& contact = "contact", const std::string& subject = "") {
    state::v1::ConversationState conversation;
    conversation.set_conversation_id(id);
    conversation.set_workspace_id(group.substr(0, group.find('/')));
    conversation.set_routing_group_id(group.substr(group.find('/') + 1));
    conversation.set_status(state::v1::CONVERSATION_STATUS_QUEUED);
    conversation.set_subject(subject);
    *conversation.mutable_open_time() = ToProto(absl::FromUnixSeconds(opened));
    views::Batch& batch = BatchOf(group);
    batch.Put({{domain::PieceKind::kConversation, id}, conversation.SerializeAsString()});
    const std::string score = absl::StrCat(int64_t{opened} * 1'000'000);
    const std::string workspace = conversation.workspace_id();
    const views::PartitionKeys& keys = KeysOf(group);
    batch.Run({"ZADD", keys.Open(group), score, id});
    batch.Run({"ZADD", keys.WithStatus(1, group), score, id});
    batch.Run({"ZADD", keys.Contact(workspace, contact), score, id});
    batch.Run({"ZADD", keys.Groups(workspace), "0", conversation.routing_group_id()});
  }
  void AddNotes(const std::string& group, const std::string& conversation, int count,
                const std::string& text = "text") {
    for (int i = 0; i < count; ++i) {
      v1::Message message;
      message.set_id(absl::StrCat("n", i));
      message.set_note(text);
      BatchOf(group).AddMessage(conversation, message.id(), i, message.SerializeAsString(), 1000);
    }
  }
  void AddAgent(const std::string& group, const std::string& id, const std::string& reason = "") {
    state::v1::AgentState agent;
    agent.set_workspace_id(group.substr(0, group.find('/')));
    agent.set_routing_group_id(group.substr(group.find('/') + 1));
    agent.set_agent_id(id);
    agent.set_presence_reason(reason);
    BatchOf(group).Put({{domain::PieceKind::kAgent, domain::AgentKey(agent.workspace_id(), id)},
                        agent.SerializeAsString()});
    BatchOf(group).Run({"ZADD", KeysOf(group).Agents(group), "0", id});
    BatchOf(group).Run(
        {"ZADD", KeysOf(group).Groups(agent.workspace_id()), "0", agent.routing_group_id()});
  }
  void WriteAll(int but = -1, int64_t built_to = 0) {
    for (int i = 0; i < kPartitions; ++i) {
      if (i == but) continue;
      WISSEL_ASSERT_OK_AND_ASSIGN(const auto incarnation, views::BeginAnew(redis_, keys_[i]));
      views::CheckpointMeta meta;
      meta.incarnation = incarnation;
      meta.position = bus::LogPosition{.offset = 10 + i, .rule = {}};
      meta.built_to = built_to;
      WISSEL_ASSERT_OK(views::WriteBatch(redis_, keys_[i], {incarnation, std::nullopt}, meta,
                                         std::move(batches_[i])));
    }
  }
  static std::vector<std::string> Ids(const auto& conversations) {
    std::vector<std::string> ids;
    for (const auto& conversation : conversations) ids.push_back(conversation.conversation_id());
    return ids;
  }

  static RedisServer* server_;
  store::Redis redis_{Options()};
  std::vector<views::PartitionKeys> keys_;
  std::vector<views::Batch> batches_;
  History history_{Options(), kPartitions};
};
RedisServer* HistoryTest::server_ = nullptr;

TEST_F(HistoryTest, AConversationIsFoundByItsIdInWhicheverPartition) {
  for (int i = 0; i < 8; ++i) {
    const std::string group = absl::StrCat("shop/g", i);
    Open(group, absl::StrCat("c", i), i);
    AddNotes(group, absl::StrCat("c", i), 30);
  }
  WriteAll();
  for (int i = 0; i < 8; ++i) {
    v1::GetConversationRequest request;
    request.set_conversation_id(absl::StrCat("c", i));
    WISSEL_ASSERT_OK_AND_ASSIGN(auto got, history_.GetConversation(Of("shop"), request));
    EXPECT_EQ(got.conversation().routing_group_id(), absl::StrCat("g", i));
    ASSERT_EQ(got.messages_size(), 20);
    EXPECT_EQ(got.messages(0).id(), "n10");
    EXPECT_EQ(got.messages(19).id(), "n29");
    const int partition = bus::PartitionOf(absl::StrCat("shop/g", i), kPartitions);
    EXPECT_EQ(got.as_of().partition(), partition);
    EXPECT_EQ(got.as_of().offset(), 9 + partition);
    EXPECT_THAT(history_.GetConversation(Of("rival"), request),
                StatusIs(absl::StatusCode::kNotFound));
  }
}

TEST_F(HistoryTest, PagesOfAWorkspaceGoThroughAllItsGroupsNewestFirst) {
  std::vector<std::string> all;
  for (int i = 0; i < 60; ++i) {
    Open(absl::StrCat("shop/g", i % 7), absl::StrCat("c", 100 + i), i / 3);
    Open("rival/g1", absl::StrCat("r", i), i);
    all.push_back(absl::StrCat("c", 100 + i));
  }
  std::reverse(all.begin(), all.end());
  WriteAll();
  for (int size : {1, 7, 60, 500}) {
    std::vector<std::string> seen;
    v1::ListConversationsRequest request;
    request.set_page_size(size);
    do {
      WISSEL_ASSERT_OK_AND_ASSIGN(auto page, history_.ListConversations(Of("shop"), request));
      ASSERT_LE(page.conversations_size(), size);
      for (const std::string& id : Ids(page.conversations())) seen.push_back(id);
      request.set_page_token(page.next_page_token());
      ASSERT_LE(seen.size(), all.size());
    } while (!request.page_token().empty());
    EXPECT_EQ(seen, all) << "pages of " << size;
  }
}

TEST_F(HistoryTest, OneGroupOneStatusOneContact) {
  Open("shop/nl", "c1", 1, "piet");
  Open("shop/be", "c2", 2, "piet");
  Open("shop/nl", "c3", 3, "jan");
  WriteAll();
  v1::ListConversationsRequest request;
  request.set_routing_group_id("nl");
  WISSEL_ASSERT_OK_AND_ASSIGN(auto page, history_.ListConversations(Of("shop"), request));
  EXPECT_THAT(Ids(page.conversations()), ElementsAre("c3", "c1"));
  request.set_status(state::v1::CONVERSATION_STATUS_RESOLVED);
  WISSEL_ASSERT_OK_AND_ASSIGN(page, history_.ListConversations(Of("shop"), request));
  EXPECT_THAT(Ids(page.conversations()), IsEmpty());
  v1::ListContactConversationsRequest of_contact;
  of_contact.set_contact_id("piet");
  WISSEL_ASSERT_OK_AND_ASSIGN(auto piets,
                              history_.ListContactConversations(Of("shop"), of_contact));
  EXPECT_THAT(Ids(piets.conversations()), ElementsAre("c2", "c1"));
  WISSEL_ASSERT_OK_AND_ASSIGN(piets, history_.ListContactConversations(Of("rival"), of_contact));
  EXPECT_THAT(Ids(piets.conversations()), IsEmpty());
}

TEST_F(HistoryTest, MessagesComePageByPage) {
  Open("shop/nl", "c1", 1);
  AddNotes("shop/nl", "c1", 25);
  WriteAll();
  std::vector<std::string> seen;
  v1::ListMessagesRequest request;
  request.set_conversation_id("c1");
  request.set_page_size(10);
  int pages = 0;
  do {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto page, history_.ListMessages(Of("shop"), request));
    for (const auto& message : page.messages()) seen.push_back(message.id());
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty() && pages < 10);
  EXPECT_EQ(pages, 3);
  ASSERT_THAT(seen, SizeIs(25));
  EXPECT_EQ(seen.front(), "n24");
  EXPECT_EQ(seen.back(), "n0");
  request.clear_page_token();
  EXPECT_THAT(history_.ListMessages(Of("rival"), request), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(HistoryTest, QueueAndAgents) {
  AddAgent("shop/nl", "bram");
  AddAgent("shop/be", "anna");
  AddAgent("rival/nl", "carol");
  BatchOf("shop/nl").Run({"ZADD", KeysOf("shop/nl").Waiting("shop/nl", "sales"), "5000000", "c1"});
  WriteAll();
  v1::GetQueueRequest queue;
  queue.set_routing_group_id("nl");
  queue.set_queue_id("sales");
  WISSEL_ASSERT_OK_AND_ASSIGN(auto stand, history_.GetQueue(Of("shop"), queue));
  EXPECT_EQ(stand.waiting(), 1);
  EXPECT_EQ(stand.oldest_waiting_since().seconds(), 5);
  WISSEL_ASSERT_OK_AND_ASSIGN(stand, history_.GetQueue(Of("rival"), queue));
  EXPECT_EQ(stand.waiting(), 0);
  EXPECT_FALSE(stand.has_oldest_waiting_since());

  WISSEL_ASSERT_OK_AND_ASSIGN(auto agents, history_.ListAgents(Of("shop"), {}));
  ASSERT_EQ(agents.agents_size(), 2);
  EXPECT_EQ(agents.agents(0).agent_id(), "anna");
  EXPECT_EQ(agents.agents(1).agent_id(), "bram");
  v1::GetAgentRequest agent;
  agent.set_agent_id("anna");
  WISSEL_ASSERT_OK_AND_ASSIGN(auto anna, history_.GetAgent(Of("shop"), agent));
  EXPECT_EQ(anna.agent().routing_group_id(), "be");
  EXPECT_THAT(history_.GetAgent(Of("rival"), agent), StatusIs(absl::StatusCode::kNotFound));
}

// A gRPC client takes 4 MiB where nothing else is set.
constexpr size_t kMostReceived = 4 << 20;

TEST_F(HistoryTest, OfAConversationWithLongMessagesTheLatestAreShown) {
  Open("shop/nl", "c1", 1);
  AddNotes("shop/nl", "c1", 30, std::string(256 << 10, 'x'));
  WriteAll();
  v1::GetConversationRequest request;
  request.set_conversation_id("c1");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto got, history_.GetConversation(Of("shop"), request));
  EXPECT_LT(got.ByteSizeLong(), kMostReceived);
  ASSERT_GE(got.messages_size(), 10);
  for (int i = 0; i < got.messages_size(); ++i) {
    EXPECT_EQ(got.messages(i).id(), absl::StrCat("n", 30 - got.messages_size() + i));
  }
}

TEST_F(HistoryTest, APageIsShortWhereMoreWouldBeTooLargeAnAnswer) {
  const std::string large(700 << 10, 'x');
  std::vector<std::string> conversations;
  std::vector<std::string> messages;
  std::vector<std::string> agents;
  for (int i = 8; i >= 0; --i) {
    Open(i % 2 == 0 ? "shop/nl" : "shop/be", absl::StrCat("c", i), i, "contact", large);
    AddAgent(i % 2 == 0 ? "shop/nl" : "shop/be", absl::StrCat("a", i), large);
    conversations.push_back(absl::StrCat("c", i));
    messages.push_back(absl::StrCat("n", i));
    agents.push_back(absl::StrCat("a", 8 - i));
  }
  AddNotes("shop/nl", "c0", 9, large);
  WriteAll();
  const auto all = [](auto request, const auto& list, const auto& ids_of) {
    std::vector<std::string> seen;
    for (int pages = 0; pages < 20; ++pages) {
      const auto page = list(request);
      EXPECT_THAT(page, testing::IsOk());
      if (!page.ok()) return seen;
      EXPECT_LT(page->ByteSizeLong(), kMostReceived);
      for (const std::string& id : ids_of(*page)) seen.push_back(id);
      if (page->next_page_token().empty()) return seen;
      request.set_page_token(page->next_page_token());
    }
    ADD_FAILURE() << "the pages do not end";
    return seen;
  };
  EXPECT_EQ(
      all(
          v1::ListConversationsRequest(),
          [&](const auto& request) { return history_.ListConversations(Of("shop"), request); },
          [](const auto& page) { return Ids(page.conversations()); }),
      conversations);
  v1::ListMessagesRequest of_c0;
  of_c0.set_conversation_id("c0");
  EXPECT_EQ(
      all(
          of_c0, [&](const auto& request) { return history_.ListMessages(Of("shop"), request); },
          [](const auto& page) {
            std::vector<std::string> ids;
            for (const auto& message : page.messages()) ids.push_back(message.id());
            return ids;
          }),
      messages);
  EXPECT_EQ(all(
                v1::ListAgentsRequest(),
                [&](const auto& request) { return history_.ListAgents(Of("shop"), request); },
                [](const auto& page) {
                  std::vector<std::string> ids;
                  for (const auto& agent : page.agents()) ids.push_back(agent.agent_id());
                  return ids;
                }),
            agents);
}

TEST_F(HistoryTest, WhileAPartitionIsBuiltNothingIsSaidToBeMissing) {
  Open("shop/nl", "c1", 1);
  const int built = bus::PartitionOf("shop/nl", kPartitions);
  WriteAll(/*but=*/(built + 1) % kPartitions);
  v1::GetConversationRequest request;
  request.set_conversation_id("c1");
  WISSEL_EXPECT_OK(history_.GetConversation(Of("shop"), request));
  request.set_conversation_id("c2");
  EXPECT_THAT(history_.GetConversation(Of("shop"), request),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(history_.ListConversations(Of("shop"), {}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(HistoryTest, BeforeTheViewsAreWhereTheLogEndedNothingIsSaidToBeMissing) {
  AddAgent("shop/nl", "bram");
  WriteAll(/*but=*/-1, /*built_to=*/10 + kPartitions);
  v1::GetConversationRequest conversation;
  conversation.set_conversation_id("c1");
  EXPECT_THAT(history_.GetConversation(Of("shop"), conversation),
              StatusIs(absl::StatusCode::kUnavailable));
  for (const char* id : {"anna", "bram"}) {
    v1::GetAgentRequest agent;
    agent.set_agent_id(id);
    EXPECT_THAT(history_.GetAgent(Of("shop"), agent), StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST_F(HistoryTest, WithoutRedisEverythingIsUnavailable) {
  History history({.address = "/nonexistent/redis.sock"}, kPartitions);
  v1::GetConversationRequest request;
  request.set_conversation_id("c1");
  EXPECT_THAT(history.GetConversation(Of("shop"), request),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(history.ListAgents(Of("shop"), {}), StatusIs(absl::StatusCode::kUnavailable));
}

TEST_F(HistoryTest, BadRequestsAreTold) {
  WriteAll();
  EXPECT_THAT(history_.GetConversation(Of("shop"), {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  v1::ListConversationsRequest list;
  list.set_page_size(501);
  EXPECT_THAT(history_.ListConversations(Of("shop"), list),
              StatusIs(absl::StatusCode::kInvalidArgument));
  list.set_page_size(10);
  list.set_page_token("x");
  EXPECT_THAT(history_.ListConversations(Of("shop"), list),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(PageToken, ComesBackAsItWent) {
  const views::Cursor cursor{1'750'000'000'123'456.0, "id|with separator"};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto read, ReadPageToken(MakePageToken(cursor)));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->score, cursor.score);
  EXPECT_EQ(read->id, cursor.id);
  EXPECT_THAT(ReadPageToken("bmFufHg"), StatusIs(absl::StatusCode::kInvalidArgument));  // nan|x
}

}  // namespace
}  // namespace wissel::history
