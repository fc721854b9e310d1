// Gateways on a real log with a router, and a projector that keeps the views in Redis.
#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <vector>

#include "libs/rpc/channel.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/app.h"
#include "services/agent-gateway/cursor.h"
#include "tests/integration/floor.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"

namespace wissel::integration {
namespace {

using agent::v1::ConnectRequest;
using agent::v1::ConnectResponse;
using conversation::v1::Event;
using ::testing::ElementsAre;

constexpr char kSecret[] = "0123456789abcdef0123456789abcdef";

struct RunningGateway {
  std::unique_ptr<Process> process = std::make_unique<Process>();
  std::unique_ptr<agent_gateway::GatewayApp> app;
};

// A client's stream; what it has shown, in order.
class Stream {
 public:
  Stream(const RunningGateway& gateway, const std::string& agent, const std::string& cursor)
      : stub_(agent::v1::AgentService::NewStub(
            rpc::MakeChannel({.target = absl::StrCat("localhost:", gateway.app->port())}))) {
    const absl::StatusOr<std::string> token =
        rpc::MintJwt({.subject = agent,
                      .workspace = std::string(domain::testing::kWorkspace),
                      .roles = {"agent"},
                      .expires_at = absl::Now() + absl::Hours(1)},
                     kSecret, "", absl::Now());
    rpc::Prepare({.timeout = kPatience, .token = *token}, context_);
    stream_ = stub_->Connect(&context_);
    ConnectRequest hello;
    hello.mutable_hello()->set_cursor(cursor);
    stream_->Write(hello);
  }
  ~Stream() { Cancel(); }

  bool Await(const std::function<bool(const ConnectResponse&)>& wanted) {
    ConnectResponse r;
    while (stream_->Read(&r)) {
      for (const auto* at : {&r.snapshot().cursor(), &r.events().cursor(), &r.outcome().cursor(),
                             &r.heartbeat().cursor(), &r.going_away().cursor()}) {
        if (!at->empty()) cursor = *at;
      }
      if (r.has_snapshot()) snapshots.push_back(r.snapshot());
      for (const Event& event : r.events().events()) {
        events.push_back(event);
        if (event.has_message_received()) {
          received.push_back(event.message_received().message().provider_message_id());
        }
      }
      if (wanted(r)) return true;
    }
    return false;
  }
  bool AwaitEvent(Event::KindCase kind) {
    return Await([kind](const ConnectResponse& r) {
      for (const Event& event : r.events().events()) {
        if (event.kind_case() == kind) return true;
      }
      return false;
    });
  }
  // The first offer that it has shown or will show.
  conversation::v1::Offered Offer() {
    for (size_t i = 0;; ++i) {
      if (i == events.size() && !Await([](const ConnectResponse& r) { return r.has_events(); })) {
        ADD_FAILURE() << "no offer";
        return {};
      }
      if (events[i].has_offered()) return events[i].offered();
    }
  }
  // OK, or why it was refused.
  absl::Status Do(command::v1::Command command) {
    command.mutable_envelope()->set_id(RandomUuid());
    ConnectRequest request;
    *request.mutable_command() = command;
    stream_->Write(request);
    agent::v1::CommandOutcome outcome;
    if (!Await([&](const ConnectResponse& r) {
          outcome = r.outcome();
          return outcome.command_id() == command.envelope().id();
        })) {
      return absl::UnavailableError("the stream ended");
    }
    if (outcome.has_rejected() || !outcome.undecided_reason().empty()) {
      return absl::FailedPreconditionError(outcome.ShortDebugString());
    }
    return absl::OkStatus();
  }
  void Cancel() {
    if (std::exchange(cancelled_, true)) return;
    context_.TryCancel();
    ConnectResponse rest;
    while (stream_->Read(&rest)) {
    }
    rpc::FromGrpc(stream_->Finish()).IgnoreError();
  }

  std::string cursor;
  std::vector<agent::v1::Snapshot> snapshots;
  std::vector<Event> events;
  std::vector<std::string> received;

 private:
  std::unique_ptr<agent::v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<ConnectRequest, ConnectResponse>> stream_;
  bool cancelled_ = false;
};

class GatewayOnKafka : public Floor {
 protected:
  RunningGateway StartGateway() {
    RunningGateway g;
    agent_gateway::GatewaySettings settings;
    settings.grpc.listen = "127.0.0.1:0";
    settings.auth.hs256_secret = config::Secret(kSecret, "test");
    settings.heartbeat_interval = absl::Seconds(1);
    g.app = agent_gateway::NewApp(*bus_, redis_options_, settings, g.process->context());
    EXPECT_TRUE(Eventually([&] { return g.process->Ready(); })) << "no gateway";
    return g;
  }
};

TEST_F(GatewayOnKafka, ASnapshotFromRedisItsTailAndTheRestOnAnotherGateway) {
  const Running router = StartRouter();
  const Running projector = StartProjector();
  const RunningGateway first = StartGateway();
  ASSERT_TRUE(Await(Event::kConfigApplied)) << "before that nobody knows anna";
  std::string conversation;
  {
    Stream anna(first, "anna", "");
    ASSERT_TRUE(anna.Await([](const auto& r) { return r.has_snapshot(); }));
    command::v1::Command available;
    available.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
    WISSEL_ASSERT_OK(anna.Do(available));
    Write("31600000001", 1);
    const conversation::v1::Offered offer = anna.Offer();
    conversation = offer.conversation_id();
    command::v1::Command accept;
    accept.mutable_accept_offer()->set_offer_id(offer.offer_id());
    WISSEL_ASSERT_OK(anna.Do(accept));
    Write("31600000001", 2);
    ASSERT_TRUE(anna.AwaitEvent(Event::kMessageReceived));
  }

  // Whoever connects anew is given what Redis has, messages included, at a place of the log.
  std::string cursor;
  agent::v1::Snapshot snapshot;
  const RunningGateway second = StartGateway();
  ASSERT_TRUE(Eventually([&] {
    Stream anna(second, "anna", "");
    if (!anna.Await([](const auto& r) { return r.has_snapshot(); })) return false;
    snapshot = anna.snapshots.back();
    return !snapshot.messages_missing() && snapshot.items_size() == 1 &&
           snapshot.items(0).messages_size() == 2;
  })) << snapshot.DebugString();
  EXPECT_EQ(snapshot.items(0).conversation().conversation_id(), conversation);

  // What happens behind that place comes as events, once: here, and after the loss of this gateway
  // on the other, by the cursor.
  {
    Stream anna(second, "anna", snapshot.cursor());
    Write("31600000001", 3);
    ASSERT_TRUE(anna.AwaitEvent(Event::kMessageReceived));
    EXPECT_THAT(anna.received, ElementsAre("wamid.31600000001.3"));
    EXPECT_TRUE(anna.snapshots.empty());
    cursor = anna.cursor;
  }
  Write("31600000001", 4);
  ASSERT_TRUE(Await([](const Event& event) {
    return event.message_received().message().provider_message_id() == "wamid.31600000001.4";
  }));
  WISSEL_ASSERT_OK(second.app->Drain(absl::Seconds(5)));
  Stream anna(first, "anna", cursor);
  Write("31600000001", 5);
  ASSERT_TRUE(anna.Await([](const ConnectResponse& r) {
    for (const Event& event : r.events().events()) {
      if (event.message_received().message().provider_message_id() == "wamid.31600000001.5") {
        return true;
      }
    }
    return false;
  }));
  EXPECT_THAT(anna.received, ElementsAre("wamid.31600000001.4", "wamid.31600000001.5"));
  EXPECT_TRUE(anna.snapshots.empty());
}

TEST_F(GatewayOnKafka, AConsultIsInTheStreamInRedisAndBehindACursor) {
  const Running router = StartRouter();
  const Running projector = StartProjector();
  const RunningGateway first = StartGateway();
  const RunningGateway second = StartGateway();
  ASSERT_TRUE(Await(Event::kConfigApplied));
  Stream anna(first, "anna", "");
  command::v1::Command command;
  command.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
  WISSEL_ASSERT_OK(anna.Do(command));
  Write("31600000001", 1);
  const conversation::v1::Offered offer = anna.Offer();
  command.mutable_accept_offer()->set_offer_id(offer.offer_id());
  WISSEL_ASSERT_OK(anna.Do(command));
  const auto note = [&](Stream& stream, const char* text) {
    command::v1::Command c;
    c.mutable_add_note()->set_conversation_id(offer.conversation_id());
    c.mutable_add_note()->set_text(text);
    return stream.Do(c);
  };
  Stream bram(first, "bram", "");
  ASSERT_TRUE(bram.Await([](const auto& r) { return r.has_snapshot(); }));
  command.mutable_consult()->set_conversation_id(offer.conversation_id());
  command.mutable_consult()->set_agent_id("bram");
  command.mutable_consult()->set_note("can it go out today?");
  WISSEL_ASSERT_OK(anna.Do(command));
  ASSERT_TRUE(bram.AwaitEvent(Event::kConsultStarted));
  const std::string in_the_middle = bram.cursor;
  WISSEL_ASSERT_OK(note(bram, "it can"));

  // Redis has the conversation for him, with what was said in it.
  agent::v1::Snapshot snapshot;
  ASSERT_TRUE(Eventually([&] {
    Stream again(second, "bram", "");
    if (!again.Await([](const auto& r) { return r.has_snapshot(); })) return false;
    snapshot = again.snapshots.back();
    return !snapshot.messages_missing() && snapshot.items_size() == 1 &&
           snapshot.items(0).messages_size() == 3;
  })) << snapshot.DebugString();
  EXPECT_TRUE(snapshot.items(0).messages(0).has_inbound());
  EXPECT_EQ(snapshot.items(0).messages(1).note(), "can it go out today?");
  EXPECT_EQ(snapshot.items(0).messages(2).note(), "it can");

  command.mutable_end_consult()->set_conversation_id(offer.conversation_id());
  command.mutable_end_consult()->set_agent_id("bram");
  WISSEL_ASSERT_OK(bram.Do(command));
  WISSEL_ASSERT_OK(note(anna, "not for bram"));
  Stream resumed(second, "bram", in_the_middle);
  command.mutable_set_presence()->set_presence(command::v1::PRESENCE_AWAY);
  WISSEL_ASSERT_OK(bram.Do(command));
  ASSERT_TRUE(resumed.AwaitEvent(Event::kAgentPresenceChanged));
  std::vector<Event::KindCase> kinds;
  for (const Event& event : resumed.events) {
    if (!event.has_agent_connected() && !event.has_agent_disconnected()) {
      kinds.push_back(event.kind_case());
    }
  }
  EXPECT_THAT(kinds,
              ElementsAre(Event::kNoteAdded, Event::kConsultEnded, Event::kAgentPresenceChanged));
  EXPECT_TRUE(Eventually([&] {
    Stream again(second, "bram", "");
    return again.Await([](const auto& r) { return r.has_snapshot(); }) &&
           !again.snapshots.back().messages_missing() && again.snapshots.back().items().empty();
  }));
}

TEST_F(GatewayOnKafka, ASnapshotWithoutRedisIsWholeButForItsMessages) {
  const Running router = StartRouter();
  const RunningGateway gateway = StartGateway();
  redis_.Kill();
  Write("31600000001", 1);
  ASSERT_TRUE(Await(Event::kMessageReceived));
  Stream anna(gateway, "anna", "");
  ASSERT_TRUE(anna.Await([](const auto& r) { return r.has_snapshot(); }));
  command::v1::Command available;
  available.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
  WISSEL_ASSERT_OK(anna.Do(available));
  EXPECT_FALSE(anna.Offer().conversation_id().empty());
  Stream again(gateway, "anna", "");
  ASSERT_TRUE(again.Await([](const auto& r) { return r.has_snapshot(); }));
  EXPECT_TRUE(again.snapshots.back().messages_missing());
  EXPECT_EQ(again.snapshots.back().items_size(), 1);
}

}  // namespace
}  // namespace wissel::integration
