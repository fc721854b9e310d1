#include "services/admin/app.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/status.h"
#include "libs/testing/status_matchers.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::admin {
namespace {

using ::testing::HasSubstr;
using testing::StatusIs;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";

std::string Token(std::vector<std::string> roles, const std::string& workspace = "acme") {
  rpc::Claims claims;
  claims.subject = "root";
  claims.workspace = workspace;
  claims.roles = std::move(roles);
  claims.expires_at = absl::Now() + absl::Hours(1);
  return *rpc::MintJwt(claims, kSecret, "", absl::Now());
}

class AdminAppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 2}));
    AdminSettings settings;
    settings.grpc.listen = "127.0.0.1:0";
    settings.auth.hs256_secret = config::Secret(std::string(kSecret), "generated");
    app_ = NewApp(*bus_, settings, context_);
    const absl::Time until = absl::Now() + absl::Seconds(30);
    while (!readiness_.Ready() && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
    ASSERT_TRUE(readiness_.Ready()) << readiness_.ToJson();
    channel_ = grpc::CreateChannel(absl::StrCat("127.0.0.1:", app_->port()),
                                   grpc::InsecureChannelCredentials());
    stub_ = v1::AdminService::NewStub(channel_);
  }

  static void Prepare(grpc::ClientContext& context, const std::string& token) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    if (!token.empty()) context.AddMetadata("authorization", "Bearer " + token);
  }
  absl::Status Apply(const std::string& token, int64_t version, v1::ApplyConfigResponse* response) {
    grpc::ClientContext context;
    Prepare(context, token);
    v1::ApplyConfigRequest request;
    *request.mutable_config() = domain::testing::ShopConfig(version);
    for (auto& account : *request.mutable_config()->mutable_accounts()) {
      account.set_address(account.account().account_id());
    }
    return rpc::FromGrpc(stub_->ApplyConfig(&context, request, response));
  }

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
  std::unique_ptr<AdminApp> app_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AdminService::Stub> stub_;
};

TEST_F(AdminAppTest, AppliesOverTheWire) {
  v1::ApplyConfigResponse response;
  WISSEL_ASSERT_OK(Apply(Token({"admin"}), 1, &response));
  EXPECT_EQ(response.version(), 1);
  EXPECT_THAT(Apply(Token({"admin"}), 1, &response),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("version 1 is in force")));
  EXPECT_THAT(registry_.Expose(), HasSubstr("wissel_admin_applies_total{outcome=\"conflict\"} 1"));
}

TEST_F(AdminAppTest, OnlyAdminsOfTheWorkspaceMay) {
  v1::ApplyConfigResponse response;
  EXPECT_THAT(Apply(Token({"admin"}, "rival"), 1, &response),
              StatusIs(absl::StatusCode::kPermissionDenied));
}

TEST_F(AdminAppTest, DrainsAndIsThenGone) {
  WISSEL_EXPECT_OK(app_->Drain(absl::Seconds(5)));
  EXPECT_FALSE(readiness_.Ready());
  v1::ApplyConfigResponse response;
  EXPECT_THAT(Apply(Token({"admin"}), 1, &response), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace wissel::admin
