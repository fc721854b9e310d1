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

}  // namespace
}  // namespace wissel::agent_gateway
