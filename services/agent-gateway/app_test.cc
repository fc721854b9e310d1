#include "services/agent-gateway/app.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/config/config.h"
#include "libs/testing/status_matchers.h"
#include "services/agent-gateway/testing/gateway_fixture.h"

namespace wissel::agent_gateway {
namespace {

using testing::StatusIs;

class AppTest : public GatewayFixture {
 protected:
  std::unique_ptr<GatewayApp> StartApp() {
    GatewaySettings settings;
    settings.grpc.listen = "127.0.0.1:0";
    settings.auth.hs256_secret = config::Secret(std::string(kTestSecret), "test");
    // Nobody listens there: Redis is down.
    store::RedisOptions redis;
    redis.address = "/nowhere/redis.sock";
    return NewApp(*bus_, redis, settings, context_);
  }

  telemetry::Registry registry_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_{registry_, readiness_};
  absl::Status failure_;
  service::Context context_{.clock = clock_,
                            .log = telemetry::Logger(),
                            .metrics = registry_,
                            .readiness = readiness_,
                            .endpoint = endpoint_,
                            .fail = [this](absl::Status status) { failure_ = std::move(status); }};
};

TEST_F(AppTest, ServesWithRedisDownAndDrainsToGoingAway) {
  const auto app = StartApp();
  while (!readiness_.Ready()) std::this_thread::yield();
  const auto stub = agent::v1::AgentService::NewStub(
      rpc::MakeChannel({.target = absl::StrCat("localhost:", app->port())}));
  grpc::ClientContext context;
  const std::string token = Token("anna");
  rpc::Prepare({.timeout = absl::Seconds(30), .token = token}, context);
  const auto stream = stub->Connect(&context);
  agent::v1::ConnectRequest hello;
  hello.mutable_hello();
  stream->Write(hello);
  agent::v1::ConnectResponse response;
  while (stream->Read(&response) && !response.has_snapshot()) {
  }
  EXPECT_TRUE(response.snapshot().messages_missing());

  std::thread drain([&] { WISSEL_EXPECT_OK(app->Drain(absl::Seconds(20))); });
  while (stream->Read(&response) && !response.has_going_away()) {
  }
  EXPECT_FALSE(response.going_away().cursor().empty());
  EXPECT_THAT(rpc::FromGrpc(stream->Finish()), StatusIs(absl::StatusCode::kUnavailable));
  drain.join();
  EXPECT_FALSE(readiness_.Ready());
  WISSEL_EXPECT_OK(failure_);
}

TEST(Config, RefusesWhatCannotWork) {
  const auto load = [](absl::string_view yaml) {
    Settings settings;
    return config::LoadText([&](config::Binder& b) { settings.Describe(b); }, yaml, "test.yaml");
  };
  const std::string auth = "auth: {jwks_url: 'https://id.example/keys', audience: wissel}";
  EXPECT_THAT(load(absl::StrCat("gateway: {", auth, ", lease: 5s, lease_renewal: 4s}")),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("lease")));
  EXPECT_THAT(load("gateway: {lease: 15s}"),
              StatusIs(absl::StatusCode::kInvalidArgument, ::testing::HasSubstr("nobody")));
  WISSEL_EXPECT_OK(load(absl::StrCat("gateway: {", auth, "}")));
}

}  // namespace
}  // namespace wissel::agent_gateway
