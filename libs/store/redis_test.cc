#include "libs/store/redis.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/testing/redis_cluster.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::RedisServer;
using testing::StatusIs;

RedisOptions OptionsFor(const RedisServer& server) {
  return {
      .address = server.address(),
      .connect_timeout = absl::Seconds(5),
      .command_timeout = absl::Seconds(5),
      .backoff = {.initial = absl::Nanoseconds(1), .max = absl::Nanoseconds(1)},
  };
}

class RedisTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new RedisServer(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override { WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"})); }

  static RedisServer* server_;
  Redis redis_{OptionsFor(*server_)};
};
RedisServer* RedisTest::server_ = nullptr;

TEST_F(RedisTest, KeepsBytesAsTheyAre) {
  const std::string bytes("a\0b\r\n\xff", 6);
  WISSEL_ASSERT_OK(redis_.Run("", {"SET", bytes, bytes}));
  WISSEL_ASSERT_OK_AND_ASSIGN(Reply reply, redis_.Run("", {"GET", bytes}));
  EXPECT_EQ(*reply.AsString(), bytes);
}

TEST_F(RedisTest, APipelinesCommandsFailOneByOne) {
  const Command commands[] = {{"SET", "k", "text"}, {"LPUSH", "k", "x"}, {"GET", "k"}};
  WISSEL_ASSERT_OK_AND_ASSIGN(auto replies, redis_.Pipeline("", commands));
  ASSERT_EQ(replies.size(), 3u);
  EXPECT_EQ(replies[0].text, "OK");
  EXPECT_THAT(replies[1].status(), StatusIs(absl::StatusCode::kInternal, HasSubstr("WRONGTYPE")));
  EXPECT_EQ(replies[2].text, "text");
}

TEST_F(RedisTest, LargePipelineComesBackInOrder) {
  std::vector<Command> commands;
  for (int i = 0; i < 20'000; ++i) commands.push_back({"ECHO", absl::StrCat(i)});
  WISSEL_ASSERT_OK_AND_ASSIGN(auto replies, redis_.Pipeline("", commands));
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(replies[i].text, absl::StrCat(i));
}

TEST_F(RedisTest, SendsAScriptTheServerHasForgotten) {
  const Script script("return {KEYS[1], ARGV[1]}");
  EXPECT_EQ(script.sha1().size(), 40u);
  for (int i = 0; i < 2; ++i) {
    WISSEL_ASSERT_OK_AND_ASSIGN(Reply reply, redis_.RunScript("", script, {"key"}, {"argument"}));
    ASSERT_EQ(reply.elements.size(), 2u);
    EXPECT_EQ(reply.elements[0].text, "key");
    EXPECT_EQ(reply.elements[1].text, "argument");
    WISSEL_ASSERT_OK(redis_.Run("", {"SCRIPT", "FLUSH"}));
  }
}

TEST_F(RedisTest, ScriptsErrorIsAStatus) {
  EXPECT_THAT(redis_.RunScript("", Script("return redis.call('LPUSH', KEYS[1])"), {"k"}, {}),
              StatusIs(absl::StatusCode::kInternal));
}

TEST_F(RedisTest, ConnectsAgainAfterTheServerCameBack) {
  RedisServer server;
  Redis redis(OptionsFor(server));
  WISSEL_ASSERT_OK(redis.Ping());
  server.Kill();
  EXPECT_THAT(redis.Ping(), StatusIs(absl::StatusCode::kUnavailable));
  server.Start();
  WISSEL_EXPECT_OK(redis.Ping());
}

TEST_F(RedisTest, ARestartBetweenTwoCallsIsNotSeen) {
  RedisServer server;
  Redis redis(OptionsFor(server));
  WISSEL_ASSERT_OK(redis.Ping());
  server.Stop();
  server.Start();
  WISSEL_EXPECT_OK(redis.Ping());
}

// The address of whichever server is the primary, as a Kubernetes Service gives: its target moves
// and leaves open connections alone.
class MovingAddress {
 public:
  void PointTo(const RedisServer& server) {
    unlink(path_.c_str());
    ASSERT_EQ(symlink(server.address().c_str(), path_.c_str()), 0);
  }
  const std::string& path() const { return path_; }

 private:
  const testing::TempDir dir_;
  const std::string path_ = dir_.Join("primary.sock");
};

TEST_F(RedisTest, WhatHasBecomeAReplicaIsLeft) {
  RedisServer before;
  RedisServer after;
  MovingAddress address;
  address.PointTo(before);
  RedisOptions options = OptionsFor(before);
  options.address = address.path();
  const Script script("return redis.call('INCR', KEYS[1])");
  for (const char* serves_reads : {"yes", "no"}) {
    address.PointTo(before);
    Redis redis(options);
    WISSEL_ASSERT_OK(redis.RunScript("", script, {"k"}, {}));
    Redis old(OptionsFor(before));
    WISSEL_ASSERT_OK(old.Run("", {"CONFIG", "SET", "replica-serve-stale-data", serves_reads}));
    WISSEL_ASSERT_OK(old.Run("", {"REPLICAOF", "127.0.0.1", "1"}));
    address.PointTo(after);
    EXPECT_THAT(redis.RunScript("", script, {"k"}, {}), ::testing::Not(testing::IsOk()));
    WISSEL_EXPECT_OK(redis.RunScript("", script, {"k"}, {})) << serves_reads;
    WISSEL_ASSERT_OK(old.Run("", {"REPLICAOF", "NO", "ONE"}));
  }
}

TEST_F(RedisTest, FailsAtOnceUntilTheNextAttemptIsDue) {
  RedisOptions options{.address = "/nonexistent/redis.sock"};
  options.backoff = {.initial = absl::Hours(1), .max = absl::Hours(1)};
  Redis redis(options);
  EXPECT_THAT(redis.Ping(), StatusIs(absl::StatusCode::kUnavailable));
  const absl::Time before = absl::Now();
  for (int i = 0; i < 1000; ++i) {
    EXPECT_THAT(redis.Ping(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("/nonexistent")));
  }
  EXPECT_LT(absl::Now() - before, absl::Seconds(1));
}

TEST_F(RedisTest, AServerThatDoesNotAnswerIsUnavailableAndItsLateReplyIsNotTakenForAnother) {
  RedisServer server;
  RedisOptions options = OptionsFor(server);
  options.command_timeout = absl::Milliseconds(50);
  Redis redis(options);
  WISSEL_ASSERT_OK(redis.Ping());
  server.Pause();
  EXPECT_THAT(redis.Run("", {"ECHO", "first"}),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("timed out")));
  server.Resume();
  absl::StatusOr<Reply> reply = redis.Run("", {"ECHO", "second"});
  while (!reply.ok()) reply = redis.Run("", {"ECHO", "second"});
  EXPECT_EQ(reply->text, "second");
}

TEST_F(RedisTest, AsksForThePassword) {
  RedisServer server({"--requirepass", "geheim"});
  RedisOptions options = OptionsFor(server);
  EXPECT_THAT(Redis(options).Ping(), StatusIs(absl::StatusCode::kUnauthenticated));
  options.password = "wrong";
  EXPECT_THAT(Redis(options).Ping(), StatusIs(absl::StatusCode::kUnauthenticated));
  options.password = "geheim";
  WISSEL_EXPECT_OK(Redis(options).Ping());
}

TEST_F(RedisTest, ErrorsNeverShowThePassword) {
  RedisServer server({"--requirepass", "geheim"});
  RedisOptions options = OptionsFor(server);
  options.password = "ander-geheim";
  EXPECT_THAT(std::string(Redis(options).Ping().message()), Not(HasSubstr("geheim")));
}

TEST(RedisCluster, FollowsATagToTheNodeThatHasItsSlot) {
  testing::RedisCluster cluster;
  Redis redis({.address = cluster.address()});
  const Script script("return redis.call('INCR', KEYS[1])");
  for (int partition = 0; partition < 20; ++partition) {
    const std::string tag = absl::StrCat("p", partition);
    const std::string key = absl::StrCat("wissel:{", tag, "}:count");
    WISSEL_ASSERT_OK(redis.Run(tag, {"INCR", key}));
    WISSEL_ASSERT_OK(redis.RunScript(tag, script, {key}, {}));
    const Command transaction[] = {{"MULTI"}, {"INCR", key}, {"EXEC"}};
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto replies, redis.Pipeline(tag, transaction));
    ASSERT_EQ(replies[2].elements.size(), 1u);
    EXPECT_EQ(replies[2].elements[0].integer, 3) << "each ran once";
  }
  // The slots are halved: both nodes have got something.
  EXPECT_THAT(cluster.Keys(), ::testing::Each(::testing::Not(::testing::IsEmpty())));
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

TEST(RedisOverTls, TheServersNameMustBeInItsCertificate) {
  if (!RedisTlsAvailable()) {
    // Nor is it asked in plain text instead.
    RedisServer server;
    RedisOptions options = OptionsFor(server);
    WISSEL_ASSERT_OK(Redis(options).Ping());
    options.tls = RedisTls{};
    EXPECT_THAT(Redis(options).Ping(),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hiredis")));
    return;
  }
  const testing::TempDir dir;
  const std::string certificate = dir.Join("certificate.pem");
  const std::string key = dir.Join("key.pem");
  ASSERT_EQ(system(absl::StrCat("openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test "
                                "-addext subjectAltName=DNS:localhost -keyout ",
                                key, " -out ", certificate, " 2>/dev/null")
                       .c_str()),
            0);
  const std::string port = absl::StrCat(FreePort());
  RedisServer server({"--tls-port", port, "--tls-cert-file", certificate, "--tls-key-file", key,
                      "--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"});
  RedisOptions options = OptionsFor(server);
  options.tls = RedisTls{.ca_file = certificate};
  options.address = absl::StrCat("localhost:", port);
  Redis redis(options);
  WISSEL_EXPECT_OK(redis.Run("", {"SET", "k", std::string(1 << 20, 'x')}));
  WISSEL_EXPECT_OK(redis.Ping());

  options.address = absl::StrCat("127.0.0.1:", port);
  EXPECT_THAT(Redis(options).Ping(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("TLS")));
  options.tls->server_name = "localhost";
  WISSEL_EXPECT_OK(Redis(options).Ping());
  options.tls->server_name = "redis.example";
  EXPECT_THAT(Redis(options).Ping(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("TLS")));
  options.tls->server_name = "localhost";
  options.tls->ca_file = "";
  EXPECT_THAT(Redis(options).Ping(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("TLS")));
  options.tls->ca_file = key;
  EXPECT_THAT(Redis(options).Ping(), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(CheckRedisOptions, SaysWhatIsExpected) {
  WISSEL_EXPECT_OK(CheckRedisOptions({.address = "redis:6379"}));
  WISSEL_EXPECT_OK(CheckRedisOptions({.address = "[::1]:6379"}));
  WISSEL_EXPECT_OK(CheckRedisOptions({.address = "/run/redis.sock"}));
  for (const char* address : {"", "redis", "redis:", ":6379", "redis:0", "redis:65536", "a:b"}) {
    EXPECT_THAT(CheckRedisOptions({.address = address}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("host:port")))
        << address;
  }
  if (!RedisTlsAvailable()) {
    EXPECT_THAT(CheckRedisOptions({.address = "redis:6379", .tls = RedisTls{}}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("hiredis")));
  }
}

}  // namespace
}  // namespace wissel::store
