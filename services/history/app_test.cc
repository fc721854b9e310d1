#include "services/history/app.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/bus/embedded.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/status.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/checkpoint.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::history {
namespace {

using testing::StatusIs;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";

class HistoryAppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 2}));
    HistorySettings settings;
    settings.grpc.listen = "127.0.0.1:0";
    settings.auth.hs256_secret = config::Secret(std::string(kSecret), "generated");
    app_ = NewApp(*bus_, {.address = server_.address()}, settings, context_);
    const absl::Time until = absl::Now() + absl::Seconds(30);
    while (!readiness_.Ready() && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
    ASSERT_TRUE(readiness_.Ready()) << readiness_.ToJson();
    stub_ = v1::HistoryService::NewStub(grpc::CreateChannel(
        absl::StrCat("127.0.0.1:", app_->port()), grpc::InsecureChannelCredentials()));
  }

  // Without a role, without a token.
  absl::Status List(std::string role) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    if (!role.empty()) {
      rpc::Claims claims;
      claims.subject = "anna";
      claims.workspace = "acme";
      claims.roles = {std::move(role)};
      claims.expires_at = absl::Now() + absl::Hours(1);
      context.AddMetadata("authorization",
                          "Bearer " + *rpc::MintJwt(claims, kSecret, "", absl::Now()));
    }
    v1::ListConversationsResponse response;
    return rpc::FromGrpc(stub_->ListConversations(&context, {}, &response));
  }

  testing::RedisServer server_;
  SystemClock clock_;
  telemetry::Registry registry_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_{registry_, readiness_};
  const service::Context context_{
      .clock = clock_,
      .log = {},
      .metrics = registry_,
      .readiness = readiness_,
      .endpoint = endpoint_,
      .fail = [](absl::Status status) { ADD_FAILURE() << status.ToString(); }};
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<HistoryApp> app_;
  std::unique_ptr<v1::HistoryService::Stub> stub_;
};

TEST_F(HistoryAppTest, AnswersOverTheWireOnceTheViewsAreThere) {
  EXPECT_THAT(List(""), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(List("agent"), StatusIs(absl::StatusCode::kUnavailable));
  store::Redis redis({.address = server_.address()});
  for (int partition = 0; partition < 2; ++partition) {
    const views::PartitionKeys keys(partition);
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto incarnation, views::BeginAnew(redis, keys));
    views::CheckpointMeta meta;
    meta.incarnation = incarnation;
    meta.position = bus::LogPosition{};
    WISSEL_ASSERT_OK(
        views::WriteBatch(redis, keys, {incarnation, std::nullopt}, meta, views::Batch(keys)));
  }
  WISSEL_EXPECT_OK(List("agent"));
}

TEST_F(HistoryAppTest, OnlyWhoWorksWithConversationsReadsThem) {
  for (const char* role : {"integrator", "visitor"}) {
    EXPECT_THAT(List(role), StatusIs(absl::StatusCode::kPermissionDenied)) << role;
  }
  // Allowed; there are no views yet.
  for (const char* role : {"agent", "supervisor", "admin", "bot"}) {
    EXPECT_THAT(List(role), StatusIs(absl::StatusCode::kUnavailable)) << role;
  }
}

TEST_F(HistoryAppTest, WithoutRedisItIsUnavailableAndNotReady) {
  server_.Stop();
  EXPECT_THAT(List("agent"), StatusIs(absl::StatusCode::kUnavailable));
  const absl::Time until = absl::Now() + absl::Seconds(30);
  while (readiness_.Ready() && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_FALSE(readiness_.Ready());
  WISSEL_EXPECT_OK(app_->Drain(absl::Seconds(5)));
}

}  // namespace
}  // namespace wissel::history
