// Who is turned away, where, and that it is counted.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/test_callers.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/eventually.h"
#include "libs/testing/forwarding_bus.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"
#include "services/agent-gateway/testing/holding_bus.h"
#include "services/agent-gateway/testing/unary_client.h"

namespace wissel::agent_gateway {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

// A bus whose log can be read until that is forbidden.
class UnreadableBus final : public testing::ForwardingBus {
 public:
  explicit UnreadableBus(bus::Bus& bus) : ForwardingBus(bus) {}

  void Forbid() { forbidden_ = true; }

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    auto reader = ForwardingBus::OpenReader(topic, partition, std::move(options));
    if (!reader.ok() || topic != bus::Topic::kLog) return reader;
    return std::make_unique<Unreadable>(*std::move(reader), forbidden_);
  }

 private:
  class Unreadable final : public bus::Reader {
   public:
    Unreadable(std::unique_ptr<bus::Reader> reader, const std::atomic<bool>& forbidden)
        : reader_(std::move(reader)), forbidden_(forbidden) {}

    absl::StatusOr<std::vector<bus::Record>> Poll(size_t max, absl::Duration timeout) override {
      if (forbidden_) return absl::PermissionDeniedError("no ACL to read");
      return reader_->Poll(max, timeout);
    }
    absl::Status Seek(int64_t offset) override { return reader_->Seek(offset); }
    int64_t position() const override { return reader_->position(); }
    absl::StatusOr<int64_t> StartOffset() override { return reader_->StartOffset(); }
    absl::StatusOr<int64_t> EndOffset() override { return reader_->EndOffset(); }

   private:
    const std::unique_ptr<bus::Reader> reader_;
    const std::atomic<bool>& forbidden_;
  };

  std::atomic<bool> forbidden_ = false;
};

class RefusalsTest : public GatewayFixture {
 protected:
  /// A gateway whose commands stay without an outcome.
  std::unique_ptr<RunningGateway> StartHeld(const GatewayOptions& options) {
    return StartOn(holding_, options);
  }
  std::unique_ptr<RunningGateway> StartOn(bus::Bus& bus, const GatewayOptions& options) {
    auto running = std::make_unique<RunningGateway>(
        GatewayParts{.bus = &bus, .authenticator = authenticator_.get(), .clock = &clock_}, options,
        partitions_);
    EXPECT_TRUE(testing::Eventually([&] { return running->gateway->ready(); }));
    return running;
  }
  static void AwaitCommandInFlight(const RunningGateway& gateway) {
    EXPECT_TRUE(testing::Eventually([&] {
      return absl::StrContains(gateway.registry.Expose(),
                               "\nwissel_agent_gateway_commands_in_flight 1\n");
    }));
  }
  static auto HasCounted(absl::string_view reason, int times) {
    return HasSubstr(absl::StrCat("\nwissel_agent_gateway_refused_total{reason=\"", reason, "\"} ",
                                  times, "\n"));
  }

  HoldingBus holding_{*bus_};
};

TEST_F(RefusalsTest, NoCallIsTakenWithoutATokenOfTheRightRole) {
  const auto gateway = StartGateway();
  const rpc::TestCallsAnswered answered = rpc::CallEveryMethod(
      agent::v1::AgentService::service_full_name(),
      rpc::MakeChannel({.target = absl::StrCat("localhost:", gateway->server->port())}),
      {.secret = std::string(kTestSecret),
       .workspace = std::string(domain::testing::kWorkspace),
       .subject = "anna",
       .allowed_roles = {"agent", "supervisor", "bot", "admin"},
       .other_roles = {"integrator", "visitor"},
       .answers = {absl::StatusCode::kOk, absl::StatusCode::kInvalidArgument}});
  EXPECT_THAT(answered.wrong, IsEmpty());
  EXPECT_EQ(answered.unauthenticated, answered.methods * 3);
  EXPECT_EQ(answered.denied, answered.methods * 3);
  EXPECT_THAT(gateway->registry.Expose(),
              ::testing::AllOf(HasCounted("unauthenticated", answered.unauthenticated),
                               HasCounted("denied", answered.denied)));
}

TEST_F(RefusalsTest, AStreamTooMany) {
  GatewayOptions options = Quick();
  options.max_streams = 1;
  const auto gateway = StartGateway(options);
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  EXPECT_THAT(TestStream(*gateway, Token("bram")).Finish(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(gateway->registry.Expose(), HasCounted("exhausted", 1));
}

TEST_F(RefusalsTest, AStreamThatAsksForWhatItMayNotSee) {
  const auto gateway = StartGateway();
  EXPECT_THAT(TestStream(*gateway, Token("anna"), WholeWorkspace()).Finish(),
              StatusIs(absl::StatusCode::kPermissionDenied));
  EXPECT_THAT(gateway->registry.Expose(), HasCounted("denied", 1));
}

TEST_F(RefusalsTest, ACallTooMany) {
  GatewayOptions options = Quick();
  options.max_calls = 1;
  const auto gateway = StartHeld(options);
  const UnaryClient anna{.gateway = *gateway, .token = Token("anna")};
  std::thread first([&] {
    EXPECT_THAT(anna.Execute(Presence(command::v1::PRESENCE_AVAILABLE)).status(),
                StatusIs(absl::StatusCode::kDeadlineExceeded));
  });
  AwaitCommandInFlight(*gateway);
  const UnaryClient bram{.gateway = *gateway, .token = Token("bram")};
  EXPECT_THAT(bram.Execute(Presence(command::v1::PRESENCE_AVAILABLE)).status(),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(bram.GetWork().status(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(gateway->registry.Expose(), HasCounted("exhausted", 2));
  clock_.Advance(options.command_timeout);
  first.join();
}

TEST_F(RefusalsTest, ACommandTooManyOnAStream) {
  GatewayOptions options = Quick();
  options.max_commands_in_flight = 1;
  const auto gateway = StartHeld(options);
  TestStream anna(*gateway, Token("anna"));
  anna.AwaitSnapshot();
  anna.Send(Presence(command::v1::PRESENCE_AVAILABLE));
  AwaitCommandInFlight(*gateway);
  const std::string second = anna.Send(Presence(command::v1::PRESENCE_AWAY));
  EXPECT_THAT(anna.AwaitOutcome(second).undecided_reason(), HasSubstr("too many commands"));
  EXPECT_THAT(gateway->registry.Expose(), HasCounted("exhausted", 1));
}

TEST_F(RefusalsTest, WhatKafkaForbidsTheGatewayIsNoWordAboutTheCaller) {
  testing::RefusingBus bus(*bus_, absl::PermissionDeniedError("no ACL to write"));
  const auto gateway = StartOn(bus, Quick());
  const UnaryClient anna{.gateway = *gateway, .token = Token("anna")};
  EXPECT_THAT(anna.Execute(Presence(command::v1::PRESENCE_AVAILABLE)).status(),
              StatusIs(absl::StatusCode::kUnavailable, "no ACL to write"));
  // Her session cannot be told to the router either.
  EXPECT_THAT(TestStream(*gateway, Token("anna")).Finish(),
              StatusIs(absl::StatusCode::kUnavailable, "no ACL to write"));
  EXPECT_THAT(gateway->registry.Expose(), HasCounted("denied", 0));
}

TEST_F(RefusalsTest, AStreamWhoseLogTheGatewayMayNoLongerRead) {
  UnreadableBus bus(*bus_);
  const auto gateway = StartOn(bus, Quick());
  TestStream anna(*gateway, Token("anna"), Observing());
  // Before a stream follows the log, it waits for one that can be read; an outcome says that it
  // does.
  anna.AwaitOutcome(anna.Send(Presence(command::v1::PRESENCE_AWAY)));
  bus.Forbid();
  EXPECT_THAT(anna.Finish(), StatusIs(absl::StatusCode::kUnavailable, "no ACL to read"));
}

}  // namespace
}  // namespace wissel::agent_gateway
