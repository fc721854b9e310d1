#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "libs/domain/testing.h"
#include "services/router/app.h"
#include "tests/whatsapp/fixture.h"

namespace wissel::whatsapp {
namespace {

using conversation::v1::Event;
using domain::testing::CommandBy;
using stubs::GraphStub;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Fault = stubs::GraphStub::Fault;

constexpr char kKey[] = "acme/main";
constexpr absl::Duration kPatience = absl::Seconds(20);

// A customer's telephone, the channel, the router and an agent: no stand-in between them but
// Meta's.
class SpineTest : public WhatsappTest {
 protected:
  void SetUp() override {
    settings_.accounts = {Account("shop-phone", "main", "1060001")};
    settings_.accounts[0].workspace_id = "acme";
    settings_.delivery.policy.settle_wait = absl::Seconds(30);
    appender_ = bus_->NewAppender({});
    partition_ = bus::PartitionOf(kKey, 4);
    log_ = bus::LogReader::Open(*bus_, partition_, {}).value();
    router_ = router::NewApp({}, *bus_, std::nullopt, Context());
    Start(channel::Role::kAll);
    Put(bus::Topic::kConfig, 0, domain::testing::ShopConfig().SerializeAsString());
    ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
    command::v1::Command connect = CommandBy("anna", "connect");
    connect.mutable_connect_agent()->set_agent_id("anna");
    connect.mutable_connect_agent()->set_session_id("session");
    connect.mutable_connect_agent()->set_gateway_id("gateway");
    *connect.mutable_connect_agent()->mutable_lease() = ToProto(absl::Minutes(10));
    Put(connect);
    SetPresence(command::v1::PRESENCE_AVAILABLE);
    ASSERT_TRUE(ReadUntil(Event::kAgentPresenceChanged));
  }

  void TearDown() override {
    app_.reset();
    router_.reset();
    log_.reset();
    appender_.reset();
  }

  void Put(bus::Topic topic, int32_t partition, std::string value) {
    appender_->Append(
        {.topic = topic,
         .partition = partition,
         .key = kKey,
         .value = std::move(value),
         .headers = {}},
        [](absl::StatusOr<int64_t> offset) { EXPECT_THAT(offset, wissel::testing::IsOk()); });
  }
  void Put(const command::v1::Command& command) {
    Put(bus::Topic::kCommands, partition_, command.SerializeAsString());
  }

  void SetPresence(command::v1::Presence presence) {
    command::v1::Command command = CommandBy("anna", absl::StrCat("presence ", ++presences_));
    command.mutable_set_presence()->set_agent_id("anna");
    command.mutable_set_presence()->set_presence(presence);
    Put(command);
  }

  // Reads the log on until `wanted` has been true of an event.
  template <typename F>
  bool ReadUntil(F wanted) {
    const Timeout limit(kPatience);
    while (!limit.Expired()) {
      const auto entries = log_->Poll(1, absl::Milliseconds(50)).value();
      for (const bus::LogEntry& entry : entries) {
        cause_ = entry.record.decision().cause();
        state_.Apply(entry.record.decision());
        bool found = false;
        for (const Event& event : entry.record.decision().events()) {
          last_[event.kind_case()] = event;
          found = wanted(event) || found;
        }
        if (found) return true;
      }
    }
    return false;
  }
  bool ReadUntil(Event::KindCase kind) {
    return ReadUntil([kind](const Event& e) { return e.kind_case() == kind; });
  }
  bool ReadUntilState(const std::string& outbound_id, receipt::v1::DeliveryState state) {
    return ReadUntil([&](const Event& e) {
      return e.delivery_updated().outbound_id() == outbound_id &&
             e.delivery_updated().state() == state;
    });
  }

  // The customer writes, anna takes it. Returns the conversation.
  std::string Conversation() {
    graph_->CustomerWrites("1060001", "31612345678", "where is my parcel?");
    return TakenByAnna();
  }
  std::string TakenByAnna() {
    EXPECT_TRUE(ReadUntil(Event::kOffered));
    const conversation::v1::Offered offered = last_[Event::kOffered].offered();
    EXPECT_EQ(offered.agent_id(), "anna");
    command::v1::Command accept = CommandBy("anna", offered.offer_id());
    accept.mutable_accept_offer()->set_offer_id(offered.offer_id());
    accept.mutable_accept_offer()->set_agent_id("anna");
    Put(accept);
    EXPECT_TRUE(ReadUntil(Event::kAssigned));
    return offered.conversation_id();
  }

  // Anna answers. Returns the outbound id.
  std::string Reply(const std::string& conversation, const std::string& text) {
    command::v1::Command reply = CommandBy("anna", text);
    reply.mutable_send_reply()->set_conversation_id(conversation);
    reply.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text(text);
    Put(reply);
    EXPECT_TRUE(ReadUntil(Event::kReplySent));
    return last_[Event::kReplySent].reply_sent().outbound_id();
  }

  int32_t partition_ = 0;
  int presences_ = 0;
  std::unique_ptr<bus::Appender> appender_;
  std::unique_ptr<bus::LogReader> log_;
  std::unique_ptr<service::App> router_;
  domain::State state_;
  std::map<Event::KindCase, Event> last_;
  log::v1::Cause cause_;  // Of the record read last.
};

TEST_F(SpineTest, ACustomersQuestionIsAnsweredOnce) {
  graph_->SetManners({.repeat = 1});
  const std::string conversation = Conversation();
  const std::string outbound = Reply(conversation, "Tomorrow.");
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_SENT));
  ASSERT_THAT(graph_->book(), SizeIs(1));
  const GraphStub::Accepted accepted = graph_->book()[0];
  EXPECT_EQ(accepted.to, "31612345678");
  EXPECT_EQ(accepted.text, "Tomorrow.");
  EXPECT_EQ(accepted.outbound_id, outbound);
  graph_->PostStatus(accepted, "delivered");
  graph_->PostStatus(accepted, "read");
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_READ));
  EXPECT_EQ(state_.FindConversation(conversation)->messages(), 1);
  EXPECT_THAT(graph_->doubled(), IsEmpty());
}

TEST_F(SpineTest, WhatAQueuesRuleSendsIsDeliveredAndTheAgentsAnswerBehindIt) {
  SetPresence(command::v1::PRESENCE_AWAY);
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig(/*version=*/2);
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    config::v1::OverflowRule& rule = *queue.add_overflow_rules();
    *rule.mutable_after() = ToProto(absl::Milliseconds(20));
    rule.set_send_text("It is busy.");
  }
  Put(bus::Topic::kConfig, 0, config.SerializeAsString());
  ASSERT_TRUE(ReadUntil(Event::kConfigApplied));
  graph_->CustomerWrites("1060001", "31612345678", "where is my parcel?");
  ASSERT_TRUE(ReadUntil(Event::kReplySent));
  EXPECT_TRUE(cause_.has_timer());
  ASSERT_TRUE(ReadUntilState(last_[Event::kReplySent].reply_sent().outbound_id(),
                             receipt::v1::DELIVERY_STATE_SENT));
  SetPresence(command::v1::PRESENCE_AVAILABLE);
  const std::string outbound = Reply(TakenByAnna(), "Tomorrow.");
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_SENT));
  ASSERT_THAT(graph_->book(), SizeIs(2));
  EXPECT_EQ(graph_->book()[0].text, "It is busy.");
  EXPECT_EQ(graph_->book()[1].text, "Tomorrow.");
}

TEST_F(SpineTest, AnAnswerLostOnTheWayBackIsSettledByItsStatus) {
  const std::string conversation = Conversation();
  graph_->FailNext({.kind = Fault::Kind::kHangAfterAccept});
  const std::string outbound = Reply(conversation, "Did you get this?");
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_UNCERTAIN));
  graph_->PostStatus(graph_->book().at(0), "delivered");
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_DELIVERED));
  const std::string next = Reply(conversation, "And this?");
  ASSERT_TRUE(ReadUntilState(next, receipt::v1::DELIVERY_STATE_SENT));
  EXPECT_THAT(graph_->book(), SizeIs(2));
  EXPECT_THAT(graph_->doubled(), IsEmpty());
}

TEST_F(SpineTest, WhatWasHeldIsSentAgainOnlyOnAPersonsWord) {
  app_.reset();
  settings_.delivery.policy.settle_wait = absl::Milliseconds(50);
  Start(channel::Role::kAll);
  const std::string conversation = Conversation();
  graph_->FailNext({.kind = Fault::Kind::kHangBeforeAccept});
  const std::string outbound = Reply(conversation, "Hello?");
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_HELD));
  EXPECT_THAT(graph_->book(), IsEmpty());
  command::v1::Command settle = CommandBy("anna", "settle");
  settle.mutable_settle_delivery()->set_conversation_id(conversation);
  settle.mutable_settle_delivery()->set_outbound_id(outbound);
  settle.mutable_settle_delivery()->set_decision(command::v1::SettleDelivery::DECISION_RESEND);
  Put(settle);
  ASSERT_TRUE(ReadUntilState(outbound, receipt::v1::DELIVERY_STATE_SENT));
  EXPECT_THAT(graph_->book(), SizeIs(1));
}

TEST_F(SpineTest, TheRouterGoesAndComesBackInTheMiddle) {
  const std::string conversation = Conversation();
  for (int i = 0; i < 10; ++i) {
    Reply(conversation, absl::StrCat("part ", i));
    if (i == 4) {
      EXPECT_THAT(router_->Drain(kPatience), wissel::testing::IsOk());
      router_.reset();
      router_ = router::NewApp({}, *bus_, std::nullopt, Context());
    }
  }
  const std::string last = Reply(conversation, "end");
  ASSERT_TRUE(ReadUntilState(last, receipt::v1::DELIVERY_STATE_SENT));
  const std::vector<GraphStub::Accepted> book = graph_->book();
  ASSERT_THAT(book, SizeIs(11));
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(book[static_cast<size_t>(i)].text, absl::StrCat("part ", i)) << "in order";
  }
}

}  // namespace
}  // namespace wissel::whatsapp
