// What reads, sends and shows messages: normalize, inject and outbox.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/http/server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(Cli, NormalizeShowsWhatAMessageBecomes) {
  const Result mail = Wisselctl({"normalize", "email", "deploy/examples/messages/broken-bell.eml"});
  EXPECT_EQ(mail.code, 0) << mail.err;
  EXPECT_THAT(mail.out, HasSubstr("pieter@customer.example"));
  const Result webhook =
      Wisselctl({"normalize", "whatsapp", "deploy/examples/messages/where-is-my-bike.json"});
  EXPECT_EQ(webhook.code, 0) << webhook.err;
  EXPECT_THAT(webhook.out, HasSubstr("31612345678"));
}

TEST(Cli, NormalizePrintsYamlAsDocuments) {
  const wissel::testing::TempDir dir;
  const std::string statuses = Write(
      dir, "hook.json",
      R"({"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages",
      "value":{"messaging_product":"whatsapp","metadata":{"phone_number_id":"2"},"statuses":[
      {"id":"wamid.a","status":"sent","timestamp":"1700000000","recipient_id":"31612345678"},
      {"id":"wamid.b","status":"sent","timestamp":"1700000000","recipient_id":"31612345678"}
      ]}}]}]})");
  const Result yaml = Wisselctl({"normalize", "whatsapp", statuses.c_str(), "-o", "yaml"});
  EXPECT_EQ(yaml.code, 0) << yaml.err;
  EXPECT_EQ(YAML::LoadAll(yaml.out).size(), 2u) << yaml.out;
  EXPECT_THAT(yaml.out, Not(StartsWith("---")));
}

TEST(Cli, NormalizeFailsOnWhatBecomesADeadLetter) {
  const wissel::testing::TempDir dir;
  const Result result =
      Wisselctl({"normalize", "whatsapp", Write(dir, "hook.json", "no JSON").c_str()});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.out, HasSubstr("REASON_UNPARSABLE"));
  EXPECT_THAT(result.err, HasSubstr("hook.json: a dead letter: "));
}

TEST(Cli, NormalizeTakesOfAnOversizedMailWhatTheServiceTakes) {
  const wissel::testing::TempDir dir;
  const std::string mail =
      absl::StrCat("From: a@b.example\r\nSubject: hello\r\n\r\n", std::string(37 << 20, 'x'));
  const Result result = Wisselctl({"normalize", "email", Write(dir, "big.eml", mail).c_str()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("hello"));
  EXPECT_THAT(result.out.size(), ::testing::Lt(100'000u));
  EXPECT_THAT(result.out, Not(HasSubstr("xxxxxxxx")));
}

TEST(Cli, InjectSaysWhatOfAWebhookBecomesADeadLetter) {
  const wissel::testing::TempDir dir;
  http::Router router;
  router.Handle("POST", "/hook", [](http::Request, http::Responder responder) {
    responder.Send({.status = 200, .body = "", .content_type = "text/plain", .headers = {}});
  });
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string url = absl::StrCat("http://127.0.0.1:", server->port(), "/hook");
  const std::string secret = Write(dir, "secret", "geheim\n");
  const auto inject = [&](const char* file) {
    return Wisselctl(
        {"inject", "whatsapp", file, "--url", url.c_str(), "--secret-file", secret.c_str()});
  };
  const Result good = inject("deploy/examples/messages/where-is-my-bike.json");
  EXPECT_EQ(good.out, "accepted\n");
  EXPECT_EQ(good.err, "");
  const Result bad = inject(Write(dir, "hook.json", "no JSON").c_str());
  EXPECT_EQ(bad.out, "accepted\n");
  EXPECT_THAT(bad.err, HasSubstr("hook.json: a dead letter, see `wisselctl deadletter list`: "));
}

TEST(Cli, OutboxAsYamlAndTable) {
  const wissel::testing::TempDir dir;
  http::Router router;
  router.Handle("GET", "/outbox", [](http::Request, http::Responder responder) {
    responder.Send({.status = 200,
                    .body = R"([{"time":"2026-01-01T08:00:00.123456789Z","attempt":2}])",
                    .content_type = "application/json",
                    .headers = {}});
  });
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string context =
      Write(dir, "c.yaml", absl::StrCat("outbox: http://127.0.0.1:", server->port(), "/outbox\n"));
  const Result result = Wisselctl({"outbox", "list", "-o", "yaml", "--context", context.c_str()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "- time: \"2026-01-01T08:00:00.123456789Z\"\n  attempt: 2\n");
  const Result table = Wisselctl({"outbox", "list", "--context", context.c_str()});
  EXPECT_THAT(table.out, HasSubstr("\n2026-01-01 08:00:00.123  "));
}

TEST(Cli, TheOutboxCannotSteerTheTerminal) {
  const wissel::testing::TempDir dir;
  http::Router router;
  router.Handle("GET", "/outbox", [](http::Request, http::Responder responder) {
    responder.Send({.status = 200,
                    .body = absl::StrCat(R"([{"message":{"recipient":{"address":"Jan\u001b)",
                                         "\u009b31m\u202e", R"("}}}])"),
                    .content_type = "application/json",
                    .headers = {}});
  });
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string context =
      Write(dir, "c.yaml", absl::StrCat("outbox: http://127.0.0.1:", server->port(), "/outbox\n"));
  for (const char* format : {"table", "json", "yaml"}) {
    const Result result = Wisselctl({"outbox", "list", "-o", format, "--context", context.c_str()});
    EXPECT_THAT(result.out, HasSubstr("Jan")) << result.err;
    EXPECT_EQ(SteeringIn(result), "") << format;
  }
}

TEST(Cli, HttpAnswersHaveTheirExitCodes) {
  const wissel::testing::TempDir dir;
  int status = 200;
  http::Router router;
  const auto answer = [&](http::Request, http::Responder responder) {
    responder.Send({.status = status, .body = "why", .content_type = "text/plain", .headers = {}});
  };
  router.Handle("GET", "/outbox", answer);
  router.Handle("POST", "/hook", answer);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string base = absl::StrCat("http://127.0.0.1:", server->port());
  const std::string context =
      Write(dir, "c.yaml",
            absl::StrCat("outbox: ", base, "/outbox\nwebhooks: {email: ", base, "/hook}\n"));
  const std::string mail = Write(dir, "a.eml", "From: a@b.example\r\n\r\n");
  for (const auto& [answered, code] : std::vector<std::pair<int, int>>{
           {500, 1}, {502, 3}, {503, 3}, {504, 3}, {404, 5}, {403, 4}, {422, 4}}) {
    status = answered;
    const Result outbox = Wisselctl({"outbox", "list", "--context", context.c_str()});
    EXPECT_EQ(outbox.code, code) << answered;
    EXPECT_THAT(outbox.err, HasSubstr(absl::StrCat("answered ", answered, " why")));
    EXPECT_EQ(Wisselctl({"inject", "email", mail.c_str(), "--context", context.c_str()}).code, code)
        << answered;
  }
  // Nobody listens on port 1.
  const std::string nobody = Write(dir, "n.yaml", "outbox: http://127.0.0.1:1/outbox\n");
  const Result result = Wisselctl({"outbox", "list", "--context", nobody.c_str()});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, Not(HasSubstr("status 0")));
}

}  // namespace
}  // namespace wissel::ctl
