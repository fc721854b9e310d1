#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/telemetry/trace.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"
#include "services/agent-gateway/testing/unary_client.h"

namespace wissel::agent_gateway {
namespace {

using conversation::v1::CommandRejected;
using testing::StatusIs;
using Stub = agent::v1::AgentService::Stub;

class UnaryTest : public GatewayFixture {};

agent::v1::AddNoteRequest CalledBack(const std::string& conversation) {
  agent::v1::AddNoteRequest note;
  note.set_command_id(RandomUuid());
  note.mutable_command()->set_conversation_id(conversation);
  note.mutable_command()->set_text("called back");
  return note;
}

TEST_F(UnaryTest, ACallersTraceGoesOnAtItsCommands) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  const agent::v1::AddNoteRequest note = CalledBack(conversation);
  constexpr absl::string_view kCaller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const UnaryClient client{
      .gateway = *gateway, .token = Token("anna"), .traceparent = std::string(kCaller)};
  agent::v1::AddNoteResponse noted;
  WISSEL_ASSERT_OK(client.Call(&Stub::AddNote, note, &noted));

  const auto reader =
      bus_->OpenReader(bus::Topic::kCommands, PartitionOf(domain::testing::kGroup), {}).value();
  const std::vector<bus::Record> commands = reader->Poll(1000, absl::ZeroDuration()).value();
  const absl::string_view trace = bus::HeaderOf(commands.back().headers, telemetry::kTraceParent);
  EXPECT_EQ(telemetry::TraceIdOf(trace), telemetry::TraceIdOf(kCaller));
  EXPECT_NE(trace, kCaller) << "a span of its own";
}

TEST_F(UnaryTest, UnaryCallsWaitForTheOutcome) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  const UnaryClient client{.gateway = *gateway, .token = Token("anna")};

  const agent::v1::AddNoteRequest note = CalledBack(conversation);
  agent::v1::AddNoteResponse noted;
  WISSEL_ASSERT_OK(client.Call(&Stub::AddNote, note, &noted));
  ASSERT_EQ(noted.outcome().events_size(), 1);
  EXPECT_EQ(noted.outcome().events(0).note_added().text(), "called back");
  WISSEL_ASSERT_OK(client.Call(&Stub::AddNote, note, &noted));
  EXPECT_TRUE(noted.outcome().repeated_command());

  agent::v1::AcceptOfferRequest accept;
  accept.set_command_id(RandomUuid());
  accept.mutable_command()->set_offer_id("gone");
  agent::v1::AcceptOfferResponse accepted;
  WISSEL_ASSERT_OK(client.Call(&Stub::AcceptOffer, accept, &accepted));
  EXPECT_EQ(accepted.outcome().rejected().reason(), CommandRejected::REASON_OFFER_GONE);

  agent::v1::ResolveRequest resolve;
  resolve.set_command_id("no uuid");
  agent::v1::ResolveResponse resolved;
  EXPECT_THAT(client.Call(&Stub::Resolve, resolve, &resolved),
              StatusIs(absl::StatusCode::kInvalidArgument));

  WISSEL_ASSERT_OK_AND_ASSIGN(const auto work, client.GetWork());
  ASSERT_EQ(work.snapshot().items_size(), 1);
  EXPECT_EQ(work.snapshot().items(0).conversation().conversation_id(), conversation);
}

// Whoever has the customers' records need not be an agent.
TEST_F(UnaryTest, AnIntegratorSaysWhatIsKnownAndDoesNothingElse) {
  const auto gateway = StartGateway();
  TestStream anna(*gateway, Token("anna"));
  const std::string conversation = TakeConversation(anna, "31612345678", "nl");
  command::v1::Command update;
  update.mutable_update_conversation()->set_conversation_id(conversation);
  update.mutable_update_conversation()->mutable_facts()->set_tier("gold");
  // Called as an agent is, too.
  const UnaryClient shop{.gateway = *gateway, .token = Token("bram", {"integrator"})};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto outcome, shop.Execute(update));
  EXPECT_FALSE(outcome.has_rejected()) << outcome.rejected().detail();
  const auto updated = anna.AwaitEvent(conversation::v1::Event::kConversationUpdated);
  EXPECT_EQ(updated.conversation_updated().facts().tier(), "gold");
  EXPECT_EQ(updated.conversation_updated().actor().role(), common::v1::ROLE_INTEGRATOR);
  EXPECT_EQ(updated.conversation_updated().actor().agent_id(), "");
  EXPECT_THAT(gateway->registry.Expose(),
              ::testing::HasSubstr("\nwissel_agent_gateway_unary_sessions 0\n"));
  for (const command::v1::Command& other :
       {Note(conversation, "from the shop"), Reply(conversation, "hello"),
        Presence(command::v1::PRESENCE_AVAILABLE)}) {
    EXPECT_THAT(shop.Execute(other).status(), StatusIs(absl::StatusCode::kPermissionDenied));
  }
  // An agent who is an integrator too may speak of another's conversation.
  const UnaryClient both{.gateway = *gateway, .token = Token("bram", {"agent", "integrator"})};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto theirs, both.Execute(update));
  EXPECT_FALSE(theirs.has_rejected()) << theirs.rejected().detail();
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto plain, UnaryClient{.gateway = *gateway, .token = Token("bram")}.Execute(update));
  EXPECT_EQ(plain.rejected().reason(), CommandRejected::REASON_NOT_YOURS);
}

}  // namespace
}  // namespace wissel::agent_gateway
