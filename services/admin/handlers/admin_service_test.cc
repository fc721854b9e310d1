#include "services/admin/handlers/admin_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/bus/embedded.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_callers.h"
#include "libs/testing/status_matchers.h"

namespace wissel::admin {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";

class AdminServiceTest : public ::testing::Test {
 protected:
  absl::Status GetConfig() {
    const std::string token = *rpc::MintJwt({.subject = "root",
                                             .workspace = "acme",
                                             .roles = {"admin"},
                                             .expires_at = absl::Now() + absl::Hours(1)},
                                            kSecret, "", absl::Now());
    grpc::ClientContext context;
    rpc::Prepare({.timeout = absl::Seconds(30), .token = token}, context);
    v1::GetConfigResponse response;
    return rpc::FromGrpc(v1::AdminService::NewStub(channel_)->GetConfig(&context, {}, &response));
  }
  static auto HasCounted(absl::string_view reason, int times) {
    return HasSubstr(
        absl::StrCat("\nwissel_admin_refused_total{reason=\"", reason, "\"} ", times, "\n"));
  }

  const SystemClock clock_;
  Notification begun_;
  Notification end_;
  telemetry::Registry registry_;
  Metrics metrics_{registry_};
  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = 2});
  Admin admin_{*bus_, clock_, metrics_, {}};
  const std::unique_ptr<rpc::Authenticator> authenticator_ =
      *rpc::Authenticator::Create({.hs256_secret = std::string(kSecret)});
  AdminServiceHandler::Pool pool_{{.name = "admin", .threads = 1, .queue = 1},
                                  [] { return std::make_unique<AdminServiceHandler::NoTool>(); }};
  AdminServiceHandler handler_{admin_, *authenticator_, pool_, metrics_};
  const std::unique_ptr<rpc::Server> server_ = *rpc::Server::Start({}, {&handler_});
  const std::shared_ptr<grpc::Channel> channel_ =
      rpc::MakeChannel({.target = absl::StrCat("localhost:", server_->port())});
};

TEST_F(AdminServiceTest, NoCallIsTakenWithoutATokenOfAnAdmin) {
  const rpc::TestCallsAnswered answered =
      rpc::CallEveryMethod(v1::AdminService::service_full_name(), channel_,
                           {.secret = std::string(kSecret),
                            .workspace = "acme",
                            .subject = "root",
                            .allowed_roles = {"admin"},
                            .other_roles = {"agent", "supervisor", "bot", "integrator", "visitor"},
                            // An empty workspace is another's, and nobody is the operator.
                            .answers = {absl::StatusCode::kOk, absl::StatusCode::kNotFound,
                                        absl::StatusCode::kPermissionDenied}});
  EXPECT_THAT(answered.wrong, IsEmpty());
  EXPECT_THAT(registry_.Expose(), AllOf(HasCounted("unauthenticated", answered.unauthenticated),
                                        HasCounted("denied", answered.denied)));
}

TEST_F(AdminServiceTest, ACallTooManyIsRefusedAndCounted) {
  EXPECT_TRUE(pool_.TryRun([this](AdminServiceHandler::NoTool&) {
    begun_.Notify();
    end_.Wait();
  }));
  begun_.Wait();
  EXPECT_TRUE(pool_.TryRun([](AdminServiceHandler::NoTool&) {}));
  EXPECT_THAT(GetConfig(), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(registry_.Expose(), HasCounted("exhausted", 1));
  end_.Notify();
}

}  // namespace
}  // namespace wissel::admin
