#include "libs/serving/serving.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/http/server.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_keys.h"
#include "libs/telemetry/endpoint.h"
#include "libs/testing/eventually.h"
#include "libs/testing/status_matchers.h"

namespace wissel::serving {
namespace {

using ::testing::HasSubstr;
using ::wissel::testing::Eventually;
using ::wissel::testing::StatusIs;

constexpr absl::Duration kPatience = absl::Seconds(20);

// What an identity provider shows at its jwks_uri.
class KeyServer {
 public:
  // Port 0 takes a free one.
  explicit KeyServer(int port = 0) {
    http::Router router;
    router.Handle("GET", "/keys", [this](http::Request, http::Responder responder) {
      ++fetches;
      MutexLock lock(mutex_);
      responder.Send(down_ ? http::TextResponse(503, "later")
                           : http::JsonResponse(200, absl::StrCat("{\"keys\":[", keys_, "]}")));
    });
    auto server =
        http::Server::Start({.listen = absl::StrCat("127.0.0.1:", port)}, std::move(router));
    WISSEL_EXPECT_OK(server);
    server_ = *std::move(server);
  }
  void Show(std::string keys) {
    MutexLock lock(mutex_);
    keys_ = std::move(keys);
    down_ = false;
  }
  void GoDown() {
    MutexLock lock(mutex_);
    down_ = true;
  }
  int port() const { return server_->port(); }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port(), "/keys"); }

  std::atomic<int> fetches = 0;

 private:
  Mutex mutex_;
  std::string keys_ ABSL_GUARDED_BY(mutex_);
  bool down_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<http::Server> server_;
};

class ServingTest : public ::testing::Test {
 protected:
  std::unique_ptr<Serving> Start(const std::string& jwks_url,
                                 const std::string& listen = "127.0.0.1:0") {
    Options options{.name = "test"};
    options.grpc.listen = listen;
    options.auth.jwks_url = jwks_url;
    options.make =
        [this](rpc::Authenticator& authenticator) -> absl::StatusOr<std::vector<grpc::Service*>> {
      authenticator_ = &authenticator;
      return std::vector<grpc::Service*>();
    };
    options.check = [this] { return healthy_ ? absl::OkStatus() : absl::UnavailableError("ill"); };
    options.on_drain = [this] { drained_ = true; };
    return std::make_unique<Serving>(std::move(options), context_);
  }
  absl::Status Try(const rpc::TestKey& key, const std::string& algorithm, const std::string& kid) {
    const std::string payload =
        absl::StrCat(R"({"sub":"anna","wissel_ws":"shop","wissel_roles":["agent"],"exp":)",
                     absl::ToUnixSeconds(absl::Now()) + 600, "}");
    return authenticator_.load()
        ->AuthenticateToken(rpc::SignJws(
            absl::StrCat(R"({"alg":")", algorithm, R"(","kid":")", kid, R"("})"), payload, key))
        .status();
  }

  const SystemClock clock_;
  telemetry::Registry registry_;
  telemetry::Readiness readiness_;
  telemetry::Endpoint endpoint_{registry_, readiness_};
  Mutex mutex_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::string logged_ ABSL_GUARDED_BY(mutex_);
  const service::Context context_{.clock = clock_,
                                  .log = telemetry::Logger({.write =
                                                                [this](absl::string_view line) {
                                                                  MutexLock lock(mutex_);
                                                                  absl::StrAppend(&logged_, line);
                                                                }}),
                                  .metrics = registry_,
                                  .readiness = readiness_,
                                  .endpoint = endpoint_,
                                  .fail = [this](absl::Status status) {
                                    MutexLock lock(mutex_);
                                    failure_ = std::move(status);
                                  }};
  std::atomic<rpc::Authenticator*> authenticator_ = nullptr;
  std::atomic<bool> healthy_ = true;
  std::atomic<bool> drained_ = false;
};

TEST_F(ServingTest, VerifiesTokensWithTheKeysAtAUrl) {
  const rpc::TestKey rsa = rpc::MakeRsaKey(), ec = rpc::MakeEcKey(), stranger = rpc::MakeEcKey();
  KeyServer keys;
  keys.Show(absl::StrJoin({rpc::RsaJwk(rsa, "r"), rpc::EcJwk(ec, "e")}, ","));
  const auto serving = Start(keys.url());
  ASSERT_TRUE(Eventually([&] { return readiness_.Ready(); }));
  WISSEL_EXPECT_OK(Try(rsa, "RS256", "r"));
  WISSEL_EXPECT_OK(Try(ec, "ES256", "e"));
  EXPECT_THAT(Try(stranger, "ES256", "e"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_THAT(Try(stranger, "ES256", "s"), StatusIs(absl::StatusCode::kUnauthenticated));
  EXPECT_EQ(keys.fetches, 1);
}

TEST_F(ServingTest, BeginsOnceTheKeysCanBeHadAndKeepsThem) {
  // A port that nobody listens on for now.
  const int port = KeyServer().port();
  const auto serving = Start(absl::StrCat("http://127.0.0.1:", port, "/keys"));
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(readiness_.ToJson(), "key set"); }));
  EXPECT_THAT(readiness_.ToJson(), HasSubstr(absl::StrCat("http://127.0.0.1:", port, "/keys")));
  EXPECT_EQ(serving->port(), 0) << "nobody is served before callers can be told apart";
  KeyServer keys(port);
  const rpc::TestKey ec = rpc::MakeEcKey();
  keys.GoDown();
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(readiness_.ToJson(), "HTTP 503"); }));
  keys.Show(rpc::EcJwk(ec, "e"));
  ASSERT_TRUE(Eventually([&] { return readiness_.Ready(); }));
  keys.GoDown();
  WISSEL_EXPECT_OK(Try(ec, "ES256", "e")) << "what is known stays good";
  MutexLock lock(mutex_);
  WISSEL_EXPECT_OK(failure_);
}

TEST_F(ServingTest, KeysThatChangeAtTheUrlAreFetchedWhenATokenNeedsThem) {
  const rpc::TestKey before = rpc::MakeEcKey(), after = rpc::MakeRsaKey();
  KeyServer keys;
  keys.Show(rpc::EcJwk(before, "b"));
  const auto client = *http::Client::Create({});
  const auto authenticator =
      *rpc::Authenticator::Create({.fetch_jwks = [&] { return Get(*client, keys.url()); },
                                   .min_refresh_interval = absl::Milliseconds(1),
                                   .clock = &clock_});
  authenticator_ = authenticator.get();
  WISSEL_EXPECT_OK(Try(before, "ES256", "b"));
  EXPECT_THAT(Try(after, "RS256", "a"), StatusIs(absl::StatusCode::kUnauthenticated));
  keys.GoDown();
  EXPECT_THAT(Try(after, "RS256", "a"), StatusIs(absl::StatusCode::kUnauthenticated));
  WISSEL_EXPECT_OK(Try(before, "ES256", "b")) << "a source that is away takes no key away";
  keys.Show(rpc::RsaJwk(after, "a"));
  EXPECT_TRUE(Eventually([&] { return Try(after, "RS256", "a").ok(); }));
  EXPECT_THAT(Try(before, "ES256", "b"), StatusIs(absl::StatusCode::kUnauthenticated))
      << "a key that was withdrawn is no longer good";
}

TEST_F(ServingTest, FollowsItsCheckAndDrains) {
  KeyServer keys;
  keys.Show(rpc::EcJwk(rpc::MakeEcKey(), "e"));
  healthy_ = false;
  const auto serving = Start(keys.url());
  ASSERT_TRUE(Eventually([&] { return serving->port() != 0; }));
  ASSERT_TRUE(Eventually([&] { return absl::StrContains(readiness_.ToJson(), "ill"); }));
  healthy_ = true;
  ASSERT_TRUE(Eventually([&] { return readiness_.Ready(); }));
  serving->Drain(kPatience);
  EXPECT_TRUE(drained_);
  EXPECT_THAT(readiness_.ToJson(), HasSubstr("draining"));
}

TEST_F(ServingTest, WarnsOfPlainTextBeyondThisMachine) {
  KeyServer keys;
  keys.Show(rpc::EcJwk(rpc::MakeEcKey(), "e"));
  const auto logged = [this] {
    MutexLock lock(mutex_);
    return logged_;
  };
  {
    const auto serving = Start(keys.url());
    ASSERT_TRUE(Eventually([&] { return readiness_.Ready(); }));
  }
  EXPECT_THAT(logged(), ::testing::Not(HasSubstr("plain text")));
  const auto serving = Start(keys.url(), "0.0.0.0:0");
  ASSERT_TRUE(Eventually([&] { return readiness_.Ready(); }));
  EXPECT_THAT(logged(), HasSubstr("set certificate_file of its grpc section listen=0.0.0.0:0"));
}

TEST_F(ServingTest, AnAddressThatIsTakenEndsTheProcess) {
  KeyServer keys;
  keys.Show(rpc::EcJwk(rpc::MakeEcKey(), "e"));
  Options options{.name = "test"};
  options.grpc.listen = absl::StrCat("127.0.0.1:", keys.port());
  options.auth.jwks_url = keys.url();
  options.make = [](rpc::Authenticator&) { return std::vector<grpc::Service*>(); };
  options.check = [] { return absl::OkStatus(); };
  const Serving serving(std::move(options), context_);
  EXPECT_TRUE(Eventually([&] {
    MutexLock lock(mutex_);
    return absl::StrContains(failure_.message(), absl::StrCat("127.0.0.1:", keys.port()));
  }));
}

}  // namespace
}  // namespace wissel::serving
