#include "services/agent-gateway/handlers/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "libs/telemetry/trace.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::ConnectResponse;
using agent::v1::Hello;
using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using ::testing::HasSubstr;
using testing::IsOk;
using testing::StatusIs;

class ConnectTest : public GatewayFixture {};

Hello From(const std::string& cursor) {
  Hello hello;
  hello.set_cursor(cursor);
  return hello;
}
Hello WholeWorkspace() {
  Hello hello;
  hello.set_whole_workspace(true);
  return hello;
}

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
  agent::v1::ExecuteRequest request;
  *request.mutable_command() = refused;
  agent::v1::ExecuteResponse response;
  grpc::ClientContext context;
  const std::string token = Token("anna");
  rpc::Prepare({.timeout = absl::Seconds(20), .token = token}, context);
  WISSEL_ASSERT_OK(rpc::FromGrpc(gateway->Stub()->Execute(&context, request, &response)));
  EXPECT_TRUE(response.outcome().repeated_command());
  EXPECT_THAT(response.outcome().undecided_reason(), HasSubstr("decided before"));
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

Command Consult(const std::string& conversation, const std::string& agent) {
  Command command;
  command.mutable_consult()->set_conversation_id(conversation);
  command.mutable_consult()->set_agent_id(agent);
  command.mutable_consult()->set_note("have you seen this before?");
  return command;
}
Command EndConsult(const std::string& conversation, const std::string& agent) {
  Command command;
  command.mutable_end_consult()->set_conversation_id(conversation);
  command.mutable_end_consult()->set_agent_id(agent);
  return command;
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

// From a cursor at every event of the consult's, on a gateway that must read the log for it.
TEST_F(ConnectTest, AConsultCanBeResumedAnywhereInIt) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  TestStream carol(*gateway, Token("carol"));
  std::vector<std::string> cursors = {carol.AwaitSnapshot().cursor()};
  anna.AwaitOutcome(anna.Send(Note(conversation, "unseen")));
  anna.AwaitOutcome(anna.Send(Consult(conversation, "carol")));
  for (int i = 0; i < 3; ++i) anna.AwaitOutcome(anna.Send(Note(conversation, "seen")));
  anna.AwaitOutcome(anna.Send(EndConsult(conversation, "carol")));
  anna.AwaitOutcome(anna.Send(Note(conversation, "unseen")));
  // Something of carol's own, which every stream of hers must see last.
  carol.AwaitOutcome(carol.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  for (const std::string& event : carol.events()) {
    cursors.push_back(event.substr(0, event.find(' ')));
  }

  GatewayOptions forgetful = Quick();
  forgetful.limits.ring_entries = 1;
  const auto other = StartGateway(forgetful);
  for (const auto* from : {&gateway, &other}) {
    for (size_t i = 0; i + 1 < cursors.size(); ++i) {
      Hello hello = From(cursors[i]);
      hello.set_observe(true);
      TestStream resumed(**from, Token("carol"), hello);
      resumed.Await([&](const auto&) { return resumed.cursor() == cursors.back(); });
      const std::vector<std::string> rest(carol.events().begin() + static_cast<std::ptrdiff_t>(i),
                                          carol.events().end());
      EXPECT_EQ(resumed.events(), rest) << "from " << cursors[i];
    }
  }
  int seen = 0;
  for (const std::string& event : carol.events()) {
    EXPECT_EQ(event.find("unseen"), std::string::npos);
    seen += event.find("seen") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(seen, 4) << "three notes, and what the consult began with";
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
  EXPECT_THAT(end(""), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(end("rubbish"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(end(Token("anna", {"agent"}, -absl::Minutes(1))),
              StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(end(Token("anna", {})), StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(end(Token("anna", {"integrator"})), StatusIs(absl::StatusCode::kPermissionDenied));
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
    grpc::ClientContext context;
    rpc::Prepare({.timeout = absl::Seconds(20), .token = with}, context);
    agent::v1::GetWorkResponse response;
    return rpc::FromGrpc(gateway->Stub()->GetWork(&context, {}, &response));
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

TEST_F(ConnectTest, AnExpiringTokenEndsTheStreamWithACursor) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna", {"agent"}, absl::Minutes(5)));
  anna.AwaitSnapshot();
  anna.AwaitOutcome(anna.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  clock_.Advance(absl::Minutes(6));
  EXPECT_THAT(anna.Finish(), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(anna.TrailingCursor(), anna.cursor());
  TestStream renewed(*gateway, Token("anna"), From(anna.cursor()));
  EXPECT_EQ(renewed.AwaitEvent(Event::kAgentDisconnected).agent_disconnected().agent_id(), "anna");
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

TEST_F(ConnectTest, AGatewayThatGoesAwaySaysWhereToResume) {
  auto gateway = StartGateway();
  const auto other = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  gateway->gateway->GoAway();
  const auto going = anna.Await([](const auto& r) { return r.has_going_away(); });
  EXPECT_EQ(going.going_away().cursor(), anna.cursor());
  EXPECT_THAT(anna.Finish(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(anna.TrailingCursor(), going.going_away().cursor());
  EXPECT_THAT(TestStream(*gateway, Token("anna")).Finish(),
              StatusIs(absl::StatusCode::kUnavailable));
  Write("31612345678", 2, "nl", "and now?");
  TestStream resumed(*other, Token("anna"), From(anna.cursor()));
  EXPECT_EQ(resumed.AwaitEvent(Event::kMessageReceived).message_received().conversation_id(),
            conversation);
}

// What can be read, but takes no more: whatever is appended is answered when the appender goes.
class HoldingBus : public testing::AwayBus {
 public:
  explicit HoldingBus(bus::Bus& bus) : AwayBus(&bus), bus_(bus) {}

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    return bus_.OpenReader(topic, partition, std::move(options));
  }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions) override {
    class Holding : public bus::Appender {
     public:
      ~Holding() override {
        for (Done& done : held_) done(absl::UnavailableError("the broker is away"));
      }
      void Append(bus::Outgoing, Done done) override {
        MutexLock lock(mutex_);
        held_.push_back(std::move(done));
      }
      absl::Status Admit(const bus::Outgoing&) const override { return absl::OkStatus(); }
      absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }

     private:
      Mutex mutex_;
      std::vector<Done> held_;
    };
    return std::make_unique<Holding>();
  }

 private:
  bus::Bus& bus_;
};

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

TEST_F(ConnectTest, ASlowReaderIsCutOffAndResumesWithoutAGap) {
  GatewayOptions options = Quick();
  options.queue_messages = 20;
  const auto gateway = StartGateway(options);
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  TestStream slow(*gateway, Token("anna"), From(anna.cursor()));
  slow.AwaitWelcome();
  // 60 KiB each: no window of HTTP/2 holds them all.
  const std::string text(60'000, 'x');
  constexpr int kNotes = 200;
  for (int i = 0; i < kNotes; ++i) {
    anna.AwaitOutcome(anna.Send(Note(conversation, absl::StrCat(i, " ", text))));
  }
  EXPECT_THAT(slow.Finish(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(slow.TrailingCursor(), slow.cursor());
  std::vector<std::string> seen = slow.events();
  EXPECT_LT(seen.size(), anna.events().size());
  // A client that catches up is fed as fast as it reads, however far behind it is.
  TestStream resumed(*gateway, Token("anna"), From(slow.cursor()));
  resumed.Await([&](const auto&) { return resumed.cursor() == anna.cursor(); });
  seen.insert(seen.end(), resumed.events().begin(), resumed.events().end());
  int notes = 0;
  for (const std::string& event : seen) {
    if (event.find(absl::StrCat(notes, " xxxxx")) != std::string::npos) ++notes;
  }
  EXPECT_EQ(notes, kNotes);
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

TEST_F(ConnectTest, CursorsThatTheLogNoLongerHasAreOutOfRange) {
  GatewayOptions options = Quick();
  options.limits.ring_entries = 4;
  const auto gateway = StartGateway(options);
  TestStream anna(*gateway, Token("anna"));
  const std::string old_cursor = anna.AwaitSnapshot().cursor();
  for (int i = 0; i < 10; ++i) {
    anna.AwaitOutcome(anna.Send(
        Presence(i % 2 == 0 ? command::v1::PRESENCE_AVAILABLE : command::v1::PRESENCE_AWAY)));
  }
  const Position end = *ParseCursor(anna.cursor());
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, end.next_offset - 1));
  EXPECT_THAT(TestStream(*gateway, Token("anna"), From(old_cursor)).Finish(),
              StatusIs(absl::StatusCode::kOutOfRange));
  Position beyond = end;
  beyond.next_offset += 1'000'000;
  EXPECT_THAT(TestStream(*gateway, Token("anna"), From(ToCursor(beyond))).Finish(),
              StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(ConnectTest, AnIdleStreamsCursorMovesOn) {
  const auto gateway = StartGateway();
  TestStream carol(*gateway, Token("carol"));
  const std::string first = carol.AwaitSnapshot().cursor();
  TestStream anna(*gateway, Token("anna"));
  TakeConversation(anna, "31612345678", "nl");
  clock_.Advance(absl::Seconds(16));
  const auto beat = carol.Await([](const auto& r) { return !r.heartbeat().cursor().empty(); });
  EXPECT_GT(ParseCursor(beat.heartbeat().cursor())->next_offset, ParseCursor(first)->next_offset);
}

TEST_F(ConnectTest, LeasesAreRenewedForAllAgentsAtOnceAndObserversHaveNone) {
  const auto gateway = StartGateway();
  Hello observe;
  observe.set_observe(true);
  TestStream observer(*gateway, Token("bram"), observe);
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

// A client that is cut off again and again, on gateways that remember little, sees exactly what a
// client sees that is never cut off.
class ResumeTest : public GatewayFixture, public ::testing::WithParamInterface<uint32_t> {};

INSTANTIATE_TEST_SUITE_P(Seeds, ResumeTest, ::testing::Range(1u, 5u));

TEST_P(ResumeTest, NothingIsMissedAndNothingSeenTwice) {
  std::mt19937 random(GetParam());
  const auto pick = [&](int below) {
    return std::uniform_int_distribution<int>(0, below - 1)(random);
  };
  GatewayOptions small = Quick();
  small.limits.ring_entries = 16;
  std::vector<std::unique_ptr<RunningGateway>> gateways;
  gateways.push_back(StartGateway());
  gateways.push_back(StartGateway(small));
  gateways.push_back(StartGateway(small));

  // Anna and bram work and pass conversations to each other; each is watched by one steady stream
  // and one that breaks.
  TestStream anna(*gateways[0], Token("anna"));
  anna.AwaitSnapshot();
  TestStream bram(*gateways[0], Token("bram"));
  bram.AwaitSnapshot();
  Hello observe;
  observe.set_observe(true);
  TestStream steady(*gateways[0], Token("anna"), observe);
  std::string cursor = steady.AwaitSnapshot().cursor();
  std::vector<std::string> seen;

  anna.AwaitOutcome(anna.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  bram.AwaitOutcome(bram.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
  std::vector<std::string> conversations;
  const auto work = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      TestStream& agent = pick(2) == 0 ? anna : bram;
      Command command;
      const auto any = [&] {
        return conversations[static_cast<size_t>(pick(static_cast<int>(conversations.size())))];
      };
      switch (conversations.empty() ? 0 : pick(8)) {
        case 0:
        case 1: {
          Write(absl::StrCat("3161000000", pick(6)), pick(1'000'000), "nl");
          // Learn the conversation from the presence's outcome, which lies behind the message.
          break;
        }
        case 2:
          agent.AwaitOutcome(agent.Send(Note(any(), "note")));
          break;
        case 3:
          command.mutable_transfer()->set_conversation_id(any());
          command.mutable_transfer()->set_agent_id(pick(2) == 0 ? "anna" : "bram");
          agent.AwaitOutcome(agent.Send(command));
          break;
        case 4:
          command.mutable_resolve()->set_conversation_id(any());
          agent.AwaitOutcome(agent.Send(command));
          break;
        case 5:
          agent.AwaitOutcome(agent.Send(Consult(any(), pick(2) == 0 ? "anna" : "bram")));
          break;
        case 6:
          agent.AwaitOutcome(agent.Send(EndConsult(any(), pick(2) == 0 ? "anna" : "bram")));
          break;
        default:
          agent.AwaitOutcome(agent.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
          break;
      }
      // Take whatever is on offer.
      grpc::ClientContext context;
      const std::string token = Token(pick(2) == 0 ? "anna" : "bram");
      rpc::Prepare({.timeout = absl::Seconds(20), .token = token}, context);
      agent::v1::GetWorkResponse response;
      if (!gateways[0]->Stub()->GetWork(&context, {}, &response).ok()) continue;
      for (const auto& item : response.snapshot().items()) {
        const auto& conversation = item.conversation();
        if (std::find(conversations.begin(), conversations.end(), conversation.conversation_id()) ==
            conversations.end()) {
          conversations.push_back(conversation.conversation_id());
        }
        if (!conversation.has_offer()) continue;
        Command accept;
        accept.mutable_accept_offer()->set_offer_id(conversation.offer().offer_id());
        TestStream& taker = conversation.offer().agent_id() == "anna" ? anna : bram;
        taker.AwaitOutcome(taker.Send(accept));
      }
    }
  };

  for (int round = 0; round < 12; ++round) {
    Hello hello = observe;
    hello.set_cursor(cursor);
    TestStream flaky(*gateways[static_cast<size_t>(pick(3))], Token("anna"), hello);
    work(pick(25));
    ConnectResponse response;
    const int reads = 1 + pick(30);
    // Up to so many messages, but never past what there is for sure: what anna herself has seen.
    const int64_t end =
        anna.event_cursor().empty() ? 0 : ParseCursor(anna.event_cursor())->next_offset;
    for (int i = 0; i < reads; ++i) {
      if (!flaky.cursor().empty() && ParseCursor(flaky.cursor())->next_offset >= end) break;
      if (i > 0 && round % 3 == 0) break;
      if (flaky.cursor().empty() && ParseCursor(cursor)->next_offset >= end) break;
      if (!flaky.Read(&response)) break;
    }
    const std::vector<std::string> so_far = flaky.events();
    const std::string reached = flaky.cursor();
    seen.insert(seen.end(), so_far.begin(), so_far.end());
    if (!reached.empty()) cursor = reached;
    flaky.Cancel();
  }
  // The end: something of anna's own that both must see last.
  const std::string last = anna.Send(Presence(command::v1::PRESENCE_DRAINING));
  anna.AwaitOutcome(last);
  const std::string end_cursor = anna.event_cursor();
  Hello hello = observe;
  hello.set_cursor(cursor);
  TestStream final_stream(*gateways[1], Token("anna"), hello);
  const auto at_end = [&](TestStream& stream) {
    return ParseCursor(stream.cursor())->next_offset >= ParseCursor(end_cursor)->next_offset;
  };
  if (ParseCursor(cursor)->next_offset < ParseCursor(end_cursor)->next_offset) {
    final_stream.Await(
        [&](const auto&) { return !final_stream.cursor().empty() && at_end(final_stream); });
  }
  seen.insert(seen.end(), final_stream.events().begin(), final_stream.events().end());
  steady.Await([&](const auto&) { return at_end(steady); });

  // Both may have gone past the end differently far.
  const auto cut = [&](std::vector<std::string> events) {
    std::erase_if(events, [&](const std::string& event) {
      const std::string at = event.substr(0, event.find(' '));
      return ParseCursor(at)->next_offset > ParseCursor(end_cursor)->next_offset;
    });
    return events;
  };
  EXPECT_GT(seen.size(), 20u);
  EXPECT_EQ(cut(seen), cut(steady.events()));
}

// ---- the unary twins

TEST_F(ConnectTest, ACallersTraceGoesOnAtItsCommands) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  agent::v1::AddNoteRequest note;
  note.set_command_id(RandomUuid());
  note.mutable_command()->set_conversation_id(conversation);
  note.mutable_command()->set_text("called back");
  const std::string token = Token("anna");
  constexpr absl::string_view kCaller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  grpc::ClientContext context;
  rpc::Prepare({.timeout = absl::Seconds(20), .token = token, .traceparent = kCaller}, context);
  agent::v1::AddNoteResponse noted;
  WISSEL_ASSERT_OK(rpc::FromGrpc(gateway->Stub()->AddNote(&context, note, &noted)));

  const auto reader =
      bus_->OpenReader(bus::Topic::kCommands, PartitionOf(domain::testing::kGroup), {}).value();
  const std::vector<bus::Record> commands = reader->Poll(1000, absl::ZeroDuration()).value();
  const absl::string_view trace = bus::HeaderOf(commands.back().headers, telemetry::kTraceParent);
  EXPECT_EQ(telemetry::TraceIdOf(trace), telemetry::TraceIdOf(kCaller));
  EXPECT_NE(trace, kCaller) << "a span of its own";
}

TEST_F(ConnectTest, UnaryCallsWaitForTheOutcome) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  const auto stub = gateway->Stub();
  const std::string token = Token("anna");
  const auto call = [&](auto method, const auto& request, auto* response) {
    grpc::ClientContext context;
    rpc::Prepare({.timeout = absl::Seconds(20), .token = token}, context);
    return rpc::FromGrpc((stub.get()->*method)(&context, request, response));
  };
  using Stub = agent::v1::AgentService::Stub;

  agent::v1::AddNoteRequest note;
  note.set_command_id(RandomUuid());
  note.mutable_command()->set_conversation_id(conversation);
  note.mutable_command()->set_text("called back");
  agent::v1::AddNoteResponse noted;
  WISSEL_ASSERT_OK(call(&Stub::AddNote, note, &noted));
  ASSERT_EQ(noted.outcome().events_size(), 1);
  EXPECT_EQ(noted.outcome().events(0).note_added().text(), "called back");
  WISSEL_ASSERT_OK(call(&Stub::AddNote, note, &noted));
  EXPECT_TRUE(noted.outcome().repeated_command());

  agent::v1::AcceptOfferRequest accept;
  accept.set_command_id(RandomUuid());
  accept.mutable_command()->set_offer_id("gone");
  agent::v1::AcceptOfferResponse accepted;
  WISSEL_ASSERT_OK(call(&Stub::AcceptOffer, accept, &accepted));
  EXPECT_EQ(accepted.outcome().rejected().reason(), CommandRejected::REASON_OFFER_GONE);

  agent::v1::ResolveRequest resolve;
  resolve.set_command_id("no uuid");
  agent::v1::ResolveResponse resolved;
  EXPECT_THAT(call(&Stub::Resolve, resolve, &resolved),
              StatusIs(absl::StatusCode::kInvalidArgument));

  agent::v1::GetWorkResponse work;
  WISSEL_ASSERT_OK(call(&Stub::GetWork, agent::v1::GetWorkRequest(), &work));
  ASSERT_EQ(work.snapshot().items_size(), 1);
  EXPECT_EQ(work.snapshot().items(0).conversation().conversation_id(), conversation);
}

}  // namespace
}  // namespace wissel::agent_gateway
