#include "libs/rpc/auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/rpc/test_keys.h"

namespace wissel::rpc {
namespace {

using testing::HasSubstr;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr absl::string_view kPayload =
    R"({"sub":"anna","wissel_ws":"shop","wissel_roles":["agent"],"exp":1700000600})";
const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

class AuthenticatorTest : public testing::Test {
 protected:
  std::unique_ptr<Authenticator> WithSecret() {
    return *Authenticator::Create({.hs256_secret = std::string(kSecret), .clock = &clock_});
  }
  std::string Token(std::vector<std::string> roles) {
    return *MintJwt({.subject = "anna",
                     .workspace = "shop",
                     .routing_group = "nl",
                     .agent = "a-1",
                     .roles = std::move(roles),
                     .expires_at = kNow + absl::Minutes(10)},
                    kSecret, "", kNow);
  }

  ManualClock clock_{kNow};
};

TEST_F(AuthenticatorTest, PrincipalCarriesWhatTheTokenSays) {
  const auto principal = WithSecret()->AuthenticateToken(Token({"supervisor", "agent", "cook"}));
  ASSERT_TRUE(principal.ok()) << principal.status();
  EXPECT_EQ(principal->subject, "anna");
  EXPECT_EQ(principal->workspace, WorkspaceId("shop"));
  EXPECT_EQ(principal->routing_group, RoutingGroupId("nl"));
  EXPECT_EQ(principal->agent, AgentId("a-1"));
  EXPECT_EQ(principal->roles, Roles({Role::kAgent, Role::kSupervisor}));
  EXPECT_EQ(principal->expires_at, kNow + absl::Minutes(10) + absl::Seconds(30));
}

TEST_F(AuthenticatorTest, TokenWithoutARoleWeKnowIsRefused) {
  EXPECT_EQ(WithSecret()->AuthenticateToken(Token({})).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(WithSecret()->AuthenticateToken(Token({"cook", "Agent"})).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(AuthenticatorTest, TokenExpires) {
  const auto authenticator = WithSecret();
  const std::string token = Token({"agent"});
  EXPECT_TRUE(authenticator->AuthenticateToken(token).ok());
  clock_.Advance(absl::Minutes(11));
  EXPECT_EQ(authenticator->AuthenticateToken(token).status().code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(AuthenticatorTest, RoleAndWorkspaceChecksSayWhatIsMissing) {
  const Principal principal{.subject = "anna",
                            .workspace = WorkspaceId("shop"),
                            .routing_group = {},
                            .agent = {},
                            .roles = {Role::kAgent}};
  EXPECT_TRUE(RequireRole(principal, {Role::kAdmin, Role::kAgent}).ok());
  const absl::Status status = RequireRole(principal, {Role::kAdmin, Role::kSupervisor});
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("admin or supervisor"));
  EXPECT_TRUE(RequireWorkspace(principal, WorkspaceId("shop")).ok());
  EXPECT_EQ(RequireWorkspace(principal, WorkspaceId("other")).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(AuthenticatorTest, NeedsASecretOrAKeySet) {
  EXPECT_EQ(Authenticator::Create({}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Authenticator::Create({.hs256_secret = "short"}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(AuthenticatorTest, DoesNotStartWithoutTheKeySet) {
  const auto made = Authenticator::Create(
      {.fetch_jwks = [] { return absl::UnavailableError("connection refused"); }});
  EXPECT_EQ(made.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(made.status().message()), HasSubstr("key set"));
}

TEST_F(AuthenticatorTest, ReadsTheKeySetFromAFile) {
  const std::string path = absl::StrCat(testing::TempDir(), "/jwks-", getpid(), ".json");
  EXPECT_EQ(Authenticator::Create({.fetch_jwks = JwksFromFile(path)}).status().code(),
            absl::StatusCode::kNotFound);
  const TestKey key = MakeEcKey();
  std::ofstream(path) << R"({"keys":[)" << EcJwk(key, "e") << "]}";
  const auto authenticator =
      Authenticator::Create({.fetch_jwks = JwksFromFile(path), .clock = &clock_});
  ASSERT_TRUE(authenticator.ok()) << authenticator.status();
  EXPECT_TRUE((*authenticator)
                  ->AuthenticateToken(SignJws(R"({"alg":"ES256","kid":"e"})", kPayload, key))
                  .ok());
  unlink(path.c_str());
}

TEST_F(AuthenticatorTest, ATokenWithANewKeyIsAcceptedOnceTheKeysHaveBeenFetchedAgain) {
  const TestKey old_key = MakeEcKey();
  const TestKey new_key = MakeEcKey();
  std::atomic<int> fetches = 0;
  Notification fetched_again;
  const auto authenticator = *Authenticator::Create(
      {.fetch_jwks = [&]() -> absl::StatusOr<std::string> {
         const int n = ++fetches;
         if (n == 2) return absl::UnavailableError("down for a moment");
         if (n == 3) fetched_again.Notify();
         return absl::StrCat(R"({"keys":[)", EcJwk(n == 1 ? old_key : new_key, n == 1 ? "o" : "n"),
                             "]}");
       },
       .min_refresh_interval = absl::Milliseconds(1),
       .clock = &clock_});
  const std::string old_token = SignJws(R"({"alg":"ES256","kid":"o"})", kPayload, old_key);
  const std::string new_token = SignJws(R"({"alg":"ES256","kid":"n"})", kPayload, new_key);
  EXPECT_TRUE(authenticator->AuthenticateToken(old_token).ok());
  EXPECT_EQ(fetches, 1);
  // Each refusal asks for the keys: the first fetch fails and changes nothing, the second brings
  // the new key.
  while (!fetched_again.HasBeenNotified()) {
    const auto principal = authenticator->AuthenticateToken(new_token);
    if (!principal.ok()) {
      EXPECT_EQ(principal.status().code(), absl::StatusCode::kUnauthenticated);
    }
    std::this_thread::yield();
  }
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  while (!authenticator->AuthenticateToken(new_token).ok() && absl::Now() < give_up) {
    std::this_thread::yield();
  }
  EXPECT_TRUE(authenticator->AuthenticateToken(new_token).ok());
}

}  // namespace
}  // namespace wissel::rpc
