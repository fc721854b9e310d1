// Streams that end, and clients that go on where they were.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"
#include "services/agent-gateway/testing/unary_client.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::ConnectResponse;
using command::v1::Command;
using conversation::v1::Event;
using testing::StatusIs;

class ResumeTest : public GatewayFixture {};

// From a cursor at every event of the consult's, on a gateway that must read the log for it.
TEST_F(ResumeTest, AConsultCanBeResumedAnywhereInIt) {
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
      TestStream resumed(**from, Token("carol"), Observing(cursors[i]));
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

TEST_F(ResumeTest, AnExpiringTokenEndsTheStreamWithACursor) {
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

TEST_F(ResumeTest, AGatewayThatGoesAwaySaysWhereToResume) {
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

TEST_F(ResumeTest, ASlowReaderIsCutOffAndResumesWithoutAGap) {
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

TEST_F(ResumeTest, CursorsThatTheLogNoLongerHasAreOutOfRange) {
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

TEST_F(ResumeTest, AnIdleStreamsCursorMovesOn) {
  const auto gateway = StartGateway();
  TestStream carol(*gateway, Token("carol"));
  const std::string first = carol.AwaitSnapshot().cursor();
  TestStream anna(*gateway, Token("anna"));
  TakeConversation(anna, "31612345678", "nl");
  clock_.Advance(absl::Seconds(16));
  const auto beat = carol.Await([](const auto& r) { return !r.heartbeat().cursor().empty(); });
  EXPECT_GT(ParseCursor(beat.heartbeat().cursor())->next_offset, ParseCursor(first)->next_offset);
}

// A client that is cut off again and again, on gateways that remember little, sees exactly what a
// client sees that is never cut off.
class BrokenStreamTest : public GatewayFixture, public ::testing::WithParamInterface<uint32_t> {};

INSTANTIATE_TEST_SUITE_P(Seeds, BrokenStreamTest, ::testing::Range(1u, 5u));

TEST_P(BrokenStreamTest, NothingIsMissedAndNothingSeenTwice) {
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
  TestStream steady(*gateways[0], Token("anna"), Observing());
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
      const UnaryClient client{.gateway = *gateways[0],
                               .token = Token(pick(2) == 0 ? "anna" : "bram")};
      const absl::StatusOr<agent::v1::GetWorkResponse> response = client.GetWork();
      if (!response.ok()) continue;
      for (const auto& item : response->snapshot().items()) {
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
    TestStream flaky(*gateways[static_cast<size_t>(pick(3))], Token("anna"), Observing(cursor));
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
  TestStream final_stream(*gateways[1], Token("anna"), Observing(cursor));
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

}  // namespace
}  // namespace wissel::agent_gateway
