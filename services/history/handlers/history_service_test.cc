#include "services/history/handlers/history_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_callers.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"

namespace wissel::history {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::StatusIs;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";

absl::Status ListAgents(const std::shared_ptr<grpc::Channel>& channel) {
  const std::string token = *rpc::MintJwt({.subject = "anna",
                                           .workspace = "acme",
                                           .roles = {"agent"},
                                           .expires_at = absl::Now() + absl::Hours(1)},
                                          kSecret, "", absl::Now());
  grpc::ClientContext context;
  rpc::Prepare({.timeout = absl::Seconds(30), .token = token}, context);
  v1::ListAgentsResponse response;
  return rpc::FromGrpc(v1::HistoryService::NewStub(channel)->ListAgents(&context, {}, &response));
}

auto HasCounted(absl::string_view reason, int times) {
  return HasSubstr(
      absl::StrCat("\nwissel_history_refused_total{reason=\"", reason, "\"} ", times, "\n"));
}

// There is no Redis: whoever may call is told so.
class HistoryServiceTest : public ::testing::Test {
 protected:
  Notification begun_;
  Notification end_;
  telemetry::Registry registry_;
  Metrics metrics_{registry_};
  const std::unique_ptr<rpc::Authenticator> authenticator_ =
      *rpc::Authenticator::Create({.hs256_secret = std::string(kSecret)});
  HistoryServiceHandler::Pool pool_{{.name = "history", .threads = 1, .queue = 1}, [] {
                                      return std::make_unique<History>(
                                          store::RedisOptions{.address = "/nowhere/redis.sock"}, 1);
                                    }};
  HistoryServiceHandler handler_{*authenticator_, pool_, metrics_};
  const std::unique_ptr<rpc::Server> server_ = *rpc::Server::Start({}, {&handler_});
  const std::shared_ptr<grpc::Channel> channel_ =
      rpc::MakeChannel({.target = absl::StrCat("localhost:", server_->port())});
};

TEST_F(HistoryServiceTest, NoCallIsTakenWithoutATokenOfTheRightRole) {
  const rpc::TestCallsAnswered answered = rpc::CallEveryMethod(
      v1::HistoryService::service_full_name(), channel_,
      {.secret = std::string(kSecret),
       .workspace = "acme",
       .subject = "anna",
       .allowed_roles = {"agent", "supervisor", "bot", "admin"},
       .other_roles = {"integrator", "visitor"},
       .answers = {absl::StatusCode::kInvalidArgument, absl::StatusCode::kUnavailable}});
  EXPECT_THAT(answered.wrong, IsEmpty());
  EXPECT_THAT(registry_.Expose(), AllOf(HasCounted("unauthenticated", answered.unauthenticated),
                                        HasCounted("denied", answered.denied)));
}

TEST_F(HistoryServiceTest, ACallTooManyIsRefusedAndCounted) {
  EXPECT_TRUE(pool_.TryRun([this](History&) {
    begun_.Notify();
    end_.Wait();
  }));
  begun_.Wait();
  EXPECT_TRUE(pool_.TryRun([](History&) {}));
  EXPECT_THAT(ListAgents(channel_), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(registry_.Expose(), HasCounted("exhausted", 1));
  end_.Notify();
}

TEST(HistoryServiceOnRedis, WhatRedisForbidsTheServiceIsNoWordAboutTheCaller) {
  const wissel::testing::RedisServer redis({"--requirepass", "not told"});
  telemetry::Registry registry;
  Metrics metrics(registry);
  const auto authenticator = *rpc::Authenticator::Create({.hs256_secret = std::string(kSecret)});
  HistoryServiceHandler::Pool pool({.name = "history", .threads = 1, .queue = 1}, [&] {
    return std::make_unique<History>(store::RedisOptions{.address = redis.address()}, 1);
  });
  HistoryServiceHandler handler(*authenticator, pool, metrics);
  const auto server = *rpc::Server::Start({}, {&handler});
  EXPECT_THAT(ListAgents(rpc::MakeChannel({.target = absl::StrCat("localhost:", server->port())})),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("NOAUTH")));
  EXPECT_THAT(registry.Expose(),
              AllOf(HasSubstr("\nwissel_history_calls_total{outcome=\"unavailable\"} 1\n"),
                    HasCounted("unauthenticated", 0)));
}

}  // namespace
}  // namespace wissel::history
