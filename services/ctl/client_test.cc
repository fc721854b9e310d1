#include "services/ctl/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Cli, AnotherServicesPortIsSaid) {
  const wissel::testing::TempDir dir;
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\n");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::vector<std::vector<const char*>> commands = {{"diff", "-f", shop.c_str()},
                                                          {"apply", "-f", shop.c_str()},
                                                          {"conversations", "list"},
                                                          {"conversations", "tail"},
                                                          {"agent", "work"}};
  for (const std::vector<const char*>& arguments : commands) {
    const Result result = WisselctlAt(target, arguments);
    EXPECT_EQ(result.code, 2) << arguments[0];
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat(target, " has no wissel."))) << arguments[0];
  }
}

TEST(Cli, PlainTextStaysOnThisMachine) {
  for (const char* server : {"example.com:443", "127.0.0.1.nip.invalid:1", "127.0.0.1.:1",
                             "128.0.0.1:1", "dns:///example.com:1", "localhost:1,example.com:1"}) {
    const Result result = WisselctlAt(server, {"topics", "check", "--timeout", "300ms"});
    EXPECT_EQ(result.code, 2) << server;
    EXPECT_THAT(result.err, HasSubstr("not on this machine"));
  }
  for (const char* server : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"}) {
    EXPECT_EQ(WisselctlAt(server, {"topics", "check", "--timeout", "300ms"}).code, 3) << server;
  }
}

TEST(Cli, PlainTextStaysOnThisMachineForEveryServerOfTheContext) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "a.b.c\n");
  const std::string context = Write(dir, "c.yaml",
                                    "server: 127.0.0.1:1\nadmin_server: 192.0.2.1:443\n"
                                    "history_server: 192.0.2.1:443\ninsecure_local: true\n");
  const auto with = [&](std::vector<const char*> command) {
    command.insert(command.end(), {"--context", context.c_str(), "--token-file", token.c_str(),
                                   "--timeout", "300ms"});
    return Wisselctl(command);
  };
  for (const Result& result : {with({"topics", "check"}), with({"conversations", "list"})}) {
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("192.0.2.1:443 is not on this machine"));
  }
  EXPECT_EQ(with({"agent", "work"}).code, 3) << "nobody is there";
}

TEST(Cli, PlainTextGoesThroughNoProxy) {
  const int proxy = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(proxy, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(proxy, 1), 0);
  ASSERT_EQ(getsockname(proxy, reinterpret_cast<sockaddr*>(&address), &size), 0);
  setenv("grpc_proxy", absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port)).c_str(), 1);
  const Result result = WisselctlAt("127.0.0.1:1", {"topics", "check", "--timeout", "300ms"});
  unsetenv("grpc_proxy");
  EXPECT_EQ(result.code, 3) << "nobody is there";
  EXPECT_EQ(accept(proxy, nullptr, nullptr), -1) << "the proxy was asked";
  close(proxy);
}

TEST(Cli, AMalformedTokenIsRefusedUnshown) {
  const wissel::testing::TempDir dir;
  const std::vector<const char*> topics = {
      "topics", "check", "--server", "127.0.0.1:1", "--insecure-local", "--timeout", "300ms"};
  const auto with_file = [&](absl::string_view token) {
    std::vector<const char*> arguments = topics;
    const std::string file = Write(dir, "token", token);
    arguments.insert(arguments.end(), {"--token-file", file.c_str()});
    return Wisselctl(arguments);
  };
  for (const absl::string_view bad :
       {absl::string_view("geheim\nabc"), absl::string_view("\xEF\xBB\xBFgeheim"),
        absl::string_view("geheim\0abc", 10), absl::string_view("gehe im"),
        absl::string_view("geheim\x80")}) {
    const Result result = with_file(bad);
    EXPECT_EQ(result.code, 2) << bad;
    EXPECT_THAT(result.err, HasSubstr("not a token")) << bad;
    EXPECT_THAT(result.err, Not(HasSubstr("gehe")));
  }
  EXPECT_EQ(with_file("abc.d-e_f.ghi\n").code, 3) << "nobody is there";
  setenv("WISSEL_TOKEN", "abc\n", 1);
  EXPECT_EQ(Wisselctl(topics).code, 3);
  setenv("WISSEL_TOKEN", "gehe\tim", 1);
  const Result result = Wisselctl(topics);
  unsetenv("WISSEL_TOKEN");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("WISSEL_TOKEN: not a token"));
  EXPECT_THAT(result.err, Not(HasSubstr("gehe")));
}

TEST(Cli, ATokenOfAnotherWorkspaceIsNotUsedForTheOneNamed) {
  const wissel::testing::TempDir dir;
  const std::string secret = Write(dir, "secret", "0123456789abcdef0123456789abcdef\n");
  const Result minted = Wisselctl({"token", "mint", "--secret-file", secret.c_str(), "--workspace",
                                   "shop", "--agent", "anna", "--role", "agent"});
  const std::string token = Write(dir, "token", minted.out);
  const auto list = [&](const char* workspace) {
    return Wisselctl({"conversations", "list", "--server", "127.0.0.1:1", "--insecure-local",
                      "--timeout", "300ms", "--token-file", token.c_str(), "--workspace",
                      workspace});
  };
  EXPECT_EQ(list("shop").code, 3) << "nobody is there";
  const Result other = list("other");
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("for the workspace shop"));
}

TEST(Cli, MintsATokenThatTheServicesAccept) {
  const wissel::testing::TempDir dir;
  const std::string secret = "0123456789abcdef0123456789abcdef";
  const std::string file = Write(dir, "secret", secret + "\n");
  const Result result =
      Wisselctl({"token", "mint", "--secret-file", file.c_str(), "--workspace", "shop", "--agent",
                 "anna", "--role", "agent", "--role", "supervisor", "--expires", "1h"});
  ASSERT_EQ(result.code, 0) << result.err;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto keys, rpc::JwtKeySet::FromSecret(secret));
  const std::string token(absl::StripAsciiWhitespace(result.out));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto claims, rpc::VerifyJwt(token, keys, {}, absl::Now()));
  EXPECT_EQ(claims.workspace, "shop");
  EXPECT_EQ(claims.subject, "anna");
  EXPECT_EQ(claims.agent, "anna");
  EXPECT_THAT(claims.roles, ElementsAre("agent", "supervisor"));
  EXPECT_THAT(rpc::VerifyJwt(token, keys, {}, absl::Now() + absl::Hours(2)),
              Not(wissel::testing::IsOk()));

  const std::string brief = Write(dir, "short", "secret");
  EXPECT_EQ(Wisselctl({"token", "mint", "--secret-file", brief.c_str(), "--workspace", "shop",
                       "--agent", "anna", "--role", "agent"})
                .code,
            2);
  for (const char* duration : {"inf", "0", "-1h", "soon"}) {
    const Result wrong =
        Wisselctl({"token", "mint", "--secret-file", file.c_str(), "--workspace", "shop", "--agent",
                   "anna", "--role", "agent", "--expires", duration});
    EXPECT_EQ(wrong.code, 2) << duration;
    EXPECT_THAT(wrong.err, HasSubstr(absl::StrCat("--expires: expected a duration such as 12h, ",
                                                  "found \"", duration, "\"")));
  }
}

}  // namespace
}  // namespace wissel::ctl
