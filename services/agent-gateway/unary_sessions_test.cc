#include "services/agent-gateway/unary_sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/match.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"
#include "services/agent-gateway/testing/unary_client.h"

namespace wissel::agent_gateway {
namespace {

using conversation::v1::AgentDisconnected;
using conversation::v1::Event;
using testing::StatusIs;

class UnarySessionsTest : public GatewayFixture {
 protected:
  UnaryClient NewClient(const RunningGateway& gateway, absl::string_view agent) {
    return {.gateway = gateway, .token = Token(agent)};
  }

  // As the clock's thread does, and not before it has.
  void Pass(RunningGateway& gateway, absl::Duration time) {
    clock_.Advance(time);
    gateway.gateway->unary_sessions().Tick(clock_.Now());
  }
  static int Open(const RunningGateway& gateway) {
    const std::string page = gateway.registry.Expose();
    for (int n = 0; n < 10; ++n) {
      if (absl::StrContains(page, absl::StrCat("\nwissel_agent_gateway_unary_sessions ", n, "\n")))
        return n;
    }
    return -1;
  }

  TestStream Watch(const RunningGateway& gateway) {
    return {gateway, Token("boss", {"supervisor"}), WholeWorkspace()};
  }
};

TEST_F(UnarySessionsTest, AClientThatPollsIsGivenWork) {
  const auto gateway = StartGateway();
  UnaryClient anna = NewClient(*gateway, "anna");
  WISSEL_ASSERT_OK(anna.Execute(Presence(command::v1::PRESENCE_AVAILABLE)));
  Write("31612345678", 1, "nl");
  std::string offer;
  for (const absl::Time give_up = absl::Now() + absl::Seconds(20);
       offer.empty() && absl::Now() < give_up;) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto work, anna.GetWork());
    EXPECT_EQ(work.poll_within().seconds(), 30);
    for (const auto& item : work.snapshot().items()) offer = item.conversation().offer().offer_id();
  }
  ASSERT_FALSE(offer.empty()) << "nothing was offered to her";
  command::v1::Command accept;
  accept.mutable_accept_offer()->set_offer_id(offer);
  WISSEL_ASSERT_OK(anna.Execute(accept));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto work, anna.GetWork());
  EXPECT_EQ(work.snapshot().items(0).conversation().agent_id(), "anna");
  EXPECT_EQ(work.snapshot().agent().sessions_size(), 1) << "one for all her calls";
}

TEST_F(UnarySessionsTest, EachCallRenewsItAndAClientThatStopsIsGone) {
  const auto gateway = StartGateway();
  TestStream boss = Watch(*gateway);
  boss.AwaitSnapshot();
  UnaryClient anna = NewClient(*gateway, "anna");
  WISSEL_ASSERT_OK(anna.Execute(Presence(command::v1::PRESENCE_AWAY)));
  const std::string session =
      boss.AwaitEvent(Event::kAgentConnected).agent_connected().session_id();
  Pass(*gateway, absl::Seconds(29));
  WISSEL_ASSERT_OK(anna.GetWork());
  Pass(*gateway, absl::Seconds(29));
  WISSEL_ASSERT_OK(anna.Execute(Presence(command::v1::PRESENCE_AVAILABLE)));
  Pass(*gateway, absl::Seconds(29));
  EXPECT_EQ(Open(*gateway), 1);
  Pass(*gateway, absl::Seconds(1));
  EXPECT_EQ(Open(*gateway), 0);
  EXPECT_EQ(boss.AwaitEvent(Event::kAgentDisconnected).agent_disconnected().session_id(), session);
}

TEST_F(UnarySessionsTest, GoingOfflineEndsIt) {
  const auto gateway = StartGateway();
  TestStream boss = Watch(*gateway);
  boss.AwaitSnapshot();
  UnaryClient anna = NewClient(*gateway, "anna");
  WISSEL_ASSERT_OK(anna.Execute(Presence(command::v1::PRESENCE_AVAILABLE)));
  WISSEL_ASSERT_OK(anna.Execute(Presence(command::v1::PRESENCE_OFFLINE)));
  EXPECT_EQ(boss.AwaitEvent(Event::kAgentDisconnected).agent_disconnected().reason(),
            AgentDisconnected::REASON_COMMANDED);
  EXPECT_EQ(Open(*gateway), 0);
}

TEST_F(UnarySessionsTest, WhoeverOnlyLooksOrIsNoAgentHasNone) {
  const auto gateway = StartGateway();
  agent::v1::GetWorkRequest observe;
  observe.set_observe(true);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto work, NewClient(*gateway, "anna").GetWork(observe));
  EXPECT_FALSE(work.has_poll_within());
  UnaryClient boss{.gateway = *gateway, .token = Token("boss", {"supervisor"})};
  command::v1::Command command;
  command.mutable_force_logout()->set_agent_id("anna");
  WISSEL_EXPECT_OK(boss.Execute(command));
  EXPECT_EQ(Open(*gateway), 0);
}

TEST_F(UnarySessionsTest, OneThatTheRouterHasEndedIsOpenedAgain) {
  GatewayOptions options = Quick();
  options.lease = absl::Milliseconds(50);  // by the router's clock; the gateway's stands still
  const auto gateway = StartGateway(options);
  TestStream boss = Watch(*gateway);
  boss.AwaitSnapshot();
  UnaryClient anna = NewClient(*gateway, "anna");
  WISSEL_ASSERT_OK(anna.GetWork());
  const auto gone = boss.AwaitEvent(Event::kAgentDisconnected).agent_disconnected();
  EXPECT_EQ(gone.reason(), AgentDisconnected::REASON_LEASE_EXPIRED);
  clock_.Advance(options.lease_renewal);
  EXPECT_EQ(boss.AwaitEvent(Event::kAgentConnected).agent_connected().session_id(),
            gone.session_id());
}

TEST_F(UnarySessionsTest, TheyAreBoundedAndEndWithTheGateway) {
  GatewayOptions options = Quick();
  options.max_streams = 1;
  const auto other = StartGateway();
  TestStream boss = Watch(*other);
  boss.AwaitSnapshot();
  const auto gateway = StartGateway(options);
  WISSEL_ASSERT_OK(NewClient(*gateway, "anna").GetWork());
  EXPECT_THAT(NewClient(*gateway, "bram").GetWork().status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  gateway->gateway->GoAway();
  EXPECT_EQ(boss.AwaitEvent(Event::kAgentDisconnected).agent_disconnected().agent_id(), "anna");
  EXPECT_THAT(NewClient(*gateway, "anna").GetWork().status(),
              StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace wissel::agent_gateway
