#include "services/agent-gateway/handlers/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "libs/testing/away_bus.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"
#include "services/agent-gateway/testing/holding_bus.h"
#include "services/agent-gateway/testing/unary_client.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::ConnectResponse;
using agent::v1::Hello;
using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using ::testing::HasSubstr;
using testing::StatusIs;

class ConnectTest : public GatewayFixture {};

TEST_F(ConnectTest, AConversationFromOfferToAnswer) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const agent::v1::Welcome welcome = anna.AwaitWelcome();
  EXPECT_EQ(welcome.workspace_id(), "acme");
  EXPECT_THAT(welcome.routing_group_ids(), ::testing::ElementsAre("main"));
  EXPECT_EQ(welcome.agent_id(), "anna");
  const agent::v1::Snapshot snapshot = anna.AwaitSnapshot();
  EXPECT_EQ(snapshot.items_size(), 0);
  EXPECT_FALSE(snapshot.cursor().empty());

  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  const std::string reply = anna.Send(Reply(conversation, "goedemorgen"));
  const Event sent = anna.AwaitEvent(Event::kReplySent);
  EXPECT_EQ(sent.reply_sent().actor().agent_id(), "anna");
  const agent::v1::CommandOutcome outcome = anna.AwaitOutcome(reply);
  EXPECT_FALSE(outcome.has_rejected());
  EXPECT_FALSE(outcome.repeated_command());

  // Whoever connects now has it in the snapshot.
  TestStream second(*gateway, Token("anna"));
  const agent::v1::Snapshot now = second.AwaitSnapshot();
  ASSERT_EQ(now.items_size(), 1);
  EXPECT_EQ(now.items(0).conversation().conversation_id(), conversation);
  EXPECT_EQ(now.agent().presence(), command::v1::PRESENCE_AVAILABLE);
  EXPECT_TRUE(now.messages_missing()) << "there are no views in this test";
}

TEST_F(ConnectTest, TheEventsOfACommandComeJustBeforeItsOutcome) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  const std::string id = anna.Send(Presence(command::v1::PRESENCE_AVAILABLE));
  ConnectResponse response;
  std::string events_cursor;
  while (anna.Read(&response) && !response.has_outcome()) {
    for (const Event& event : response.events().events()) {
      if (event.has_agent_presence_changed()) events_cursor = response.events().cursor();
    }
  }
  EXPECT_EQ(response.outcome().command_id(), id);
  EXPECT_EQ(response.outcome().cursor(), events_cursor);
}

TEST_F(ConnectTest, RefusalsAndRepeatsAreOutcomes) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  const std::string refused = anna.Send(Reply("no-such-conversation", "?"));
  EXPECT_EQ(anna.AwaitOutcome(refused).rejected().reason(),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);

  Command again = Reply("no-such-conversation", "?");
  again.mutable_envelope()->set_id(refused);
  const agent::v1::CommandOutcome repeated = anna.AwaitOutcome(anna.Send(again));
  EXPECT_TRUE(repeated.repeated_command());
  EXPECT_EQ(repeated.rejected().reason(), CommandRejected::REASON_UNKNOWN_CONVERSATION)
      << "the same outcome as the first time";

  Command nameless = Presence(command::v1::PRESENCE_AVAILABLE);
  nameless.mutable_envelope()->set_id("not a uuid");
  EXPECT_FALSE(anna.AwaitOutcome(anna.Send(nameless)).undecided_reason().empty());
  Command lease;
  lease.mutable_renew_gateway_lease()->set_gateway_id("me");
  EXPECT_FALSE(anna.AwaitOutcome(anna.Send(lease)).undecided_reason().empty());
}

TEST_F(ConnectTest, AClosedConversationTakesNoMoreAnswers) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  Command resolve;
  resolve.mutable_resolve()->set_conversation_id(conversation);
  EXPECT_FALSE(anna.AwaitOutcome(anna.Send(resolve)).has_rejected());
  EXPECT_EQ(anna.AwaitOutcome(anna.Send(Reply(conversation, "one more thing"))).rejected().reason(),
            CommandRejected::REASON_CLOSED);
  const UnaryClient client{.gateway = *gateway, .token = Token("anna")};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto outcome, client.Execute(resolve));
  EXPECT_EQ(outcome.rejected().reason(), CommandRejected::REASON_CLOSED);
}

// Only the gateway that remembers the decision can say what it was; "done" would be a guess.
TEST_F(ConnectTest, ARepeatOfWhatTheGatewayHasForgottenIsNotSaidToBeDone) {
  GatewayOptions forgetful = Quick();
  forgetful.limits.ring_entries = 1;
  const auto gateway = StartGateway(forgetful);
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  Command refused = Reply("no-such-conversation", "?");
  refused.mutable_envelope()->set_id(RandomUuid());
  EXPECT_TRUE(anna.AwaitOutcome(anna.Send(refused)).has_rejected());
  anna.AwaitOutcome(anna.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  // The second time the gateway remembers the first repeat, which says no more.
  for (int i = 0; i < 2; ++i) {
    const agent::v1::CommandOutcome repeated = anna.AwaitOutcome(anna.Send(refused));
    EXPECT_TRUE(repeated.repeated_command());
    EXPECT_THAT(repeated.undecided_reason(), HasSubstr("decided before"));
    EXPECT_FALSE(repeated.cursor().empty());
  }
  const UnaryClient client{.gateway = *gateway, .token = Token("anna")};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto outcome, client.Execute(refused));
  EXPECT_TRUE(outcome.repeated_command());
  EXPECT_THAT(outcome.undecided_reason(), HasSubstr("decided before"));
  EXPECT_THAT(gateway->registry.Expose(),
              HasSubstr("wissel_agent_gateway_commands_total{outcome=\"undecided\"} 3\n"));
}

TEST_F(ConnectTest, WhatAClientClaimsToBeIsOverwritten) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  TestStream bram(*gateway, Token("bram"));
  bram.AwaitSnapshot();
  Command forged = Reply(conversation, "from bram, as anna");
  forged.mutable_actor()->set_subject("anna");
  forged.mutable_actor()->set_agent_id("anna");
  forged.mutable_actor()->set_role(common::v1::ROLE_ADMIN);
  EXPECT_EQ(bram.AwaitOutcome(bram.Send(forged)).rejected().reason(),
            CommandRejected::REASON_NOT_YOURS);
}

TEST_F(ConnectTest, TwoStreamsOfOneAgentSeeTheSame) {
  const auto gateway = StartGateway();
  TestStream one(*gateway, Token("anna"));
  one.AwaitSnapshot();
  TestStream two(*gateway, Token("anna"));
  two.AwaitSnapshot();
  const std::string conversation = TakeConversation(one, "31612345678", "nl");
  EXPECT_EQ(two.AwaitEvent(Event::kAssigned).assigned().conversation_id(), conversation);
  // One leaving changes nothing for the other, and the agent stays.
  one.Cancel();
  EXPECT_EQ(two.AwaitEvent(Event::kAgentDisconnected).agent_disconnected().agent_id(), "anna");
  Write("31612345678", 2, "nl", "still there?");
  EXPECT_EQ(two.AwaitEvent(Event::kMessageReceived).message_received().conversation_id(),
            conversation);
}

TEST_F(ConnectTest, AgentsSeeTheirOwnSupervisorsEverything) {
  const auto gateway = StartGateway();
  TestStream boss(*gateway, Token("boss", {"supervisor"}), WholeWorkspace());
  boss.AwaitSnapshot();
  TestStream carol(*gateway, Token("carol"));
  carol.AwaitSnapshot();
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  anna.AwaitOutcome(anna.Send(Note(conversation, "a quiet word")));
  EXPECT_EQ(boss.AwaitEvent(Event::kConversationOpened).conversation_opened().conversation_id(),
            conversation);
  EXPECT_EQ(boss.AwaitEvent(Event::kNoteAdded).note_added().text(), "a quiet word");
  carol.AwaitOutcome(carol.Send(Presence(command::v1::PRESENCE_AWAY)));
  for (const std::string& event : carol.events()) {
    EXPECT_EQ(event.find("a quiet word"), std::string::npos);
    EXPECT_EQ(event.find(conversation), std::string::npos);
  }
  EXPECT_FALSE(carol.events().empty());
}

TEST_F(ConnectTest, WhoIsConsultedSeesTheConversationUntilItIsOver) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  TestStream carol(*gateway, Token("carol"));
  EXPECT_EQ(carol.AwaitSnapshot().items_size(), 0);
  anna.AwaitOutcome(anna.Send(Note(conversation, "early")));

  anna.AwaitOutcome(anna.Send(Consult(conversation, "carol")));
  EXPECT_EQ(carol.AwaitEvent(Event::kConsultStarted).consult_started().note(),
            "have you seen this before?");
  Write("31612345678", 2, "nl", "are you there?");
  EXPECT_EQ(carol.AwaitEvent(Event::kMessageReceived).message_received().conversation_id(),
            conversation);
  carol.AwaitOutcome(carol.Send(Note(conversation, "I have")));
  EXPECT_EQ(anna.AwaitEvent(Event::kNoteAdded).note_added().actor().agent_id(), "carol");
  TestStream second(*gateway, Token("carol"));
  const agent::v1::Snapshot snapshot = second.AwaitSnapshot();
  ASSERT_EQ(snapshot.items_size(), 1);
  EXPECT_EQ(snapshot.items(0).conversation().agent_id(), "anna");

  carol.Send(EndConsult(conversation, "carol"));
  carol.AwaitEvent(Event::kConsultEnded);
  second.AwaitEvent(Event::kConsultEnded);
  anna.AwaitOutcome(anna.Send(Note(conversation, "late")));
  carol.AwaitOutcome(carol.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  for (const std::string& event : carol.events()) {
    EXPECT_EQ(event.find("early"), std::string::npos);
    EXPECT_EQ(event.find("late"), std::string::npos);
  }
  EXPECT_EQ(TestStream(*gateway, Token("carol")).AwaitSnapshot().items_size(), 0);
}

TEST_F(ConnectTest, ASupervisorWhoJoinsSeesTheConversationOnTheirOwnStream) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  TestStream carol(*gateway, Token("carol", {"agent", "supervisor"}));
  carol.AwaitSnapshot();
  Command join;
  join.mutable_barge_in()->set_conversation_id(conversation);
  carol.Send(join);
  carol.AwaitEvent(Event::kSupervisorJoined);
  carol.Send(Reply(conversation, "let me help"));
  EXPECT_EQ(carol.AwaitEvent(Event::kReplySent).reply_sent().actor().agent_id(), "carol");
  EXPECT_EQ(TestStream(*gateway, Token("carol")).AwaitSnapshot().items_size(), 1);
  Command resolve;
  resolve.mutable_resolve()->set_conversation_id(conversation);
  anna.AwaitOutcome(anna.Send(resolve));
  EXPECT_EQ(carol.AwaitEvent(Event::kSupervisorLeft).supervisor_left().agent_id(), "carol");
  carol.AwaitOutcome(carol.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  for (const std::string& event : carol.events()) {
    Event parsed;
    ASSERT_TRUE(parsed.ParseFromString(event.substr(event.find(' ') + 1)));
    EXPECT_FALSE(parsed.has_resolved()) << "she had left before";
  }
}

TEST_F(ConnectTest, CallersWithoutTheRightAreRefused) {
  const auto gateway = StartGateway();
  const auto end = [&](const std::string& token, const Hello& hello = {}) {
    return TestStream(*gateway, token, hello).Finish();
  };
  EXPECT_THAT(end(Token("anna"), WholeWorkspace()), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(end(Token("nobody")), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(end(Token("anna", {"agent"}, absl::Hours(1), "elsewhere")),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(end(Token("anna"), From("no cursor of ours")),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

// As `wisselctl token mint --agent --group` makes them.
TEST_F(ConnectTest, TokensThatNameWhatIsNotConfiguredAreRefused) {
  const auto gateway = StartGateway();
  const auto token = [&](const std::string& workspace, const std::string& group,
                         const std::string& agent) {
    return *rpc::MintJwt({.subject = agent,
                          .workspace = workspace,
                          .routing_group = group,
                          .agent = agent,
                          .roles = {"agent"},
                          .expires_at = clock_.Now() + absl::Hours(1)},
                         kTestSecret, "", clock_.Now());
  };
  const auto get_work = [&](const std::string& with) {
    return UnaryClient{.gateway = *gateway, .token = with}.GetWork();
  };
  WISSEL_EXPECT_OK(get_work(token("acme", "main", "anna")));
  const std::vector<std::pair<std::string, std::string>> refused = {
      {token("other", "main", "anna"), "workspace other"},
      {token("acme", "north", "anna"), "routing group north"},
      {token("acme", "main", "ghost"), "agent ghost"}};
  for (const auto& [with, names] : refused) {
    EXPECT_THAT(get_work(with), StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(names)));
    EXPECT_THAT(TestStream(*gateway, with).Finish(),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(names)));
  }
}

TEST_F(ConnectTest, AStreamWithoutHelloIsEnded) {
  const auto gateway = StartGateway();
  const auto stub = gateway->Stub();
  grpc::ClientContext context;
  const std::string token = Token("anna");
  rpc::Prepare({.timeout = absl::Seconds(30), .token = token}, context);
  const auto stream = stub->Connect(&context);
  std::thread late([&] {
    while (gateway->registry.Expose().find("wissel_agent_gateway_streams 1") == std::string::npos) {
      std::this_thread::yield();
    }
    clock_.Advance(absl::Seconds(11));
  });
  ConnectResponse response;
  EXPECT_FALSE(stream->Read(&response));
  late.join();
  EXPECT_THAT(rpc::FromGrpc(stream->Finish()),
              StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("no Hello")));
}

// Nothing of the gateway's is touched that is gone already; the address sanitizer would say so.
TEST_F(ConnectTest, AGatewayCanStopWhileTheBrokerIsAway) {
  HoldingBus holding(*bus_);
  auto gateway = std::make_unique<RunningGateway>(
      GatewayParts{.bus = &holding, .authenticator = authenticator_.get(), .clock = &clock_},
      Quick(), partitions_);
  while (!gateway->gateway->ready()) std::this_thread::yield();
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  anna.Send(Presence(command::v1::PRESENCE_AVAILABLE));
  while (gateway->registry.Expose().find("wissel_agent_gateway_commands_in_flight 1") ==
         std::string::npos) {
    std::this_thread::yield();
  }
  anna.Cancel();
  gateway = nullptr;
}

TEST_F(ConnectTest, ACommandThatNobodyDecidesIsUndecidedInTime) {
  HoldingBus holding(*bus_);
  RunningGateway gateway({.bus = &holding, .authenticator = authenticator_.get(), .clock = &clock_},
                         Quick(), partitions_);
  while (!gateway.gateway->ready()) std::this_thread::yield();
  TestStream anna(gateway, Token("anna"));
  anna.AwaitSnapshot();
  const std::string id = anna.Send(Presence(command::v1::PRESENCE_AVAILABLE));
  const auto in_flight = [&](int n) {
    return gateway.registry.Expose().find(absl::StrCat("wissel_agent_gateway_commands_in_flight ",
                                                       n, "\n")) != std::string::npos;
  };
  while (!in_flight(1)) std::this_thread::yield();
  clock_.Advance(Quick().command_timeout);
  EXPECT_THAT(anna.AwaitOutcome(id).undecided_reason(), HasSubstr("repeat it with the same id"));
  EXPECT_TRUE(in_flight(0));
}

TEST_F(ConnectTest, AClientThatNeverReadsIsCancelled) {
  GatewayOptions options = Quick();
  options.queue_messages = 10;
  const auto gateway = StartGateway(options);
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  TestStream deaf(*gateway, Token("anna"), From(anna.cursor()));
  const std::string text(60'000, 'x');
  for (int i = 0; i < 100; ++i) anna.AwaitOutcome(anna.Send(Note(conversation, text)));
  // It has been told to go, but a client that does not read does not hear it.
  const auto streams = [&](int n) {
    return gateway->registry.Expose().find(
               absl::StrCat("wissel_agent_gateway_streams ", n, "\n")) != std::string::npos;
  };
  EXPECT_TRUE(streams(2));
  clock_.Advance(options.end_grace + absl::Seconds(1));
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!streams(1) && absl::Now() < give_up) std::this_thread::yield();
  EXPECT_TRUE(streams(1));
}

TEST_F(ConnectTest, LeasesAreRenewedForAllAgentsAtOnceAndObserversHaveNone) {
  const auto gateway = StartGateway();
  TestStream observer(*gateway, Token("bram"), Observing());
  observer.AwaitSnapshot();
  TestStream anna(*gateway, Token("anna"));
  const std::string session = anna.AwaitWelcome().session_id();
  anna.AwaitOutcome(anna.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  anna.Cancel();
  clock_.Advance(absl::Seconds(6));
  auto reader = *bus_->OpenReader(bus::Topic::kCommands, 0, {});
  int connects = 0;
  int disconnects = 0;
  int renewals = 0;
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (absl::Now() < give_up && (disconnects == 0 || renewals == 0)) {
    const auto records = *reader->Poll(100, absl::Milliseconds(20));
    for (const bus::Record& record : records) {
      Command command;
      ASSERT_TRUE(command.ParseFromString(record.value));
      EXPECT_NE(command.connect_agent().agent_id(), "bram");
      connects += command.connect_agent().session_id() == session ? 1 : 0;
      disconnects += command.disconnect_agent().session_id() == session ? 1 : 0;
      renewals +=
          command.renew_gateway_lease().gateway_id() == gateway->gateway->options().id.value() ? 1
                                                                                               : 0;
    }
  }
  EXPECT_EQ(connects, 1);
  EXPECT_EQ(disconnects, 1);
  EXPECT_GE(renewals, 1);
}

// A bus that takes no end of a session while it is told to refuse.
class RefusingBus : public testing::AwayBus {
 public:
  explicit RefusingBus(bus::Bus& bus) : AwayBus(&bus), bus_(bus) {}

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    return bus_.OpenReader(topic, partition, std::move(options));
  }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    class Refusing : public bus::Appender {
     public:
      Refusing(std::unique_ptr<bus::Appender> appender, RefusingBus& bus)
          : appender_(std::move(appender)), bus_(bus) {}
      void Append(bus::Outgoing record, Done done) override {
        Command command;
        if (bus_.refuses && command.ParseFromString(record.value) &&
            command.has_disconnect_agent()) {
          done(absl::UnavailableError("the broker is away"));
          ++bus_.refused;
          return;
        }
        appender_->Append(std::move(record), std::move(done));
      }
      absl::Status Admit(const bus::Outgoing& record) const override {
        return appender_->Admit(record);
      }
      absl::Status Flush(absl::Duration timeout) override { return appender_->Flush(timeout); }

     private:
      const std::unique_ptr<bus::Appender> appender_;
      RefusingBus& bus_;
    };
    return std::make_unique<Refusing>(bus_.NewAppender(std::move(options)), *this);
  }

  std::atomic<bool> refuses = true;
  std::atomic<int> refused = 0;

 private:
  bus::Bus& bus_;
};

// Its lease is everybody's on this gateway, and goes on.
TEST_F(ConnectTest, ASessionWhoseEndCouldNotBeLoggedEndsWhenItCan) {
  RefusingBus bus(*bus_);
  RunningGateway gateway({.bus = &bus, .authenticator = authenticator_.get(), .clock = &clock_},
                         Quick(), partitions_);
  while (!gateway.gateway->ready()) std::this_thread::yield();
  TestStream boss(gateway, Token("boss", {"supervisor"}), WholeWorkspace());
  boss.AwaitSnapshot();
  TestStream anna(gateway, Token("anna"));
  const std::string session = anna.AwaitWelcome().session_id();
  boss.AwaitEvent(Event::kAgentConnected);
  anna.Cancel();
  const auto was_refused = [&bus](int times) {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (bus.refused < times && absl::Now() < give_up) std::this_thread::yield();
    return bus.refused >= times;
  };
  ASSERT_TRUE(was_refused(1));
  clock_.Advance(Quick().lease_renewal);
  ASSERT_TRUE(was_refused(2));
  bus.refuses = false;
  clock_.Advance(Quick().lease_renewal);
  const auto gone = boss.AwaitEvent(Event::kAgentDisconnected).agent_disconnected();
  EXPECT_EQ(gone.session_id(), session);
  EXPECT_EQ(gone.reason(), conversation::v1::AgentDisconnected::REASON_COMMANDED);
}

// A configuration that comes back with an agent knows nothing of the stream that stayed open.
TEST_F(ConnectTest, AStreamThatTheRouterHasForgottenIsConnectedAgain) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string session = anna.AwaitWelcome().session_id();
  anna.AwaitOutcome(anna.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  TestStream boss(*gateway, Token("boss", {"supervisor"}), WholeWorkspace());
  boss.AwaitSnapshot();
  config::v1::WorkspaceConfig without = domain::testing::ShopConfig(2);
  auto& agents = *without.mutable_agents();
  agents.erase(std::remove_if(agents.begin(), agents.end(),
                              [](const auto& agent) { return agent.agent_id() == "anna"; }),
               agents.end());
  Append(bus::Topic::kConfig, 0, "acme", without.SerializeAsString());
  Append(bus::Topic::kConfig, 0, "acme", domain::testing::ShopConfig(3).SerializeAsString());
  boss.AwaitEvent(Event::kConfigApplied);
  EXPECT_EQ(boss.AwaitEvent(Event::kConfigApplied).config_applied().config().version(), 3);
  clock_.Advance(Quick().lease_renewal);
  EXPECT_EQ(boss.AwaitEvent(Event::kAgentConnected).agent_connected().session_id(), session);
}

}  // namespace
}  // namespace wissel::agent_gateway
