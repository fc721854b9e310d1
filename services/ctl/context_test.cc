// A context, and the examples of one in the help.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/connections.h"
#include "services/ctl/session.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::wissel::testing::StatusIs;

TEST(Context, PathsAreRelativeToItsFolder) {
  const auto context = ParseContext("/srv/dev/context.yaml",
                                    "server: 127.0.0.1:7440\ninsecure_local: true\n"
                                    "token_files: {anna: tokens/anna}\nlog_file: log.sqlite\n"
                                    "statez: [127.0.0.1:1]\nredis: /run/redis.sock\n");
  ASSERT_THAT(context, wissel::testing::IsOk());
  EXPECT_EQ(context->token_files.at("anna"), "/srv/dev/tokens/anna");
  EXPECT_EQ(context->log_file, "/srv/dev/log.sqlite");
  EXPECT_TRUE(context->insecure_local);
  EXPECT_THAT(ParseContext("c.yaml", "server: x\nsevrer: y\n").status().message(),
              HasSubstr("c.yaml:2: unknown key sevrer"));
  EXPECT_THAT(ParseContext("c.yaml", "server: [x]\n"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseContext("c.yaml", "server: [\n"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseContext("c.yaml", "statez:\n- a:1\n- {b: 2}\n").status().message(),
              HasSubstr("c.yaml:3: statez: expected host:port"));
  EXPECT_THAT(ParseContext("c.yaml", "token_files:\n  anna: [a, b]\n").status().message(),
              HasSubstr("c.yaml:2: token_files.anna: expected a text"));
}

// The examples of the help that begin with `title`, without their indentation.
std::vector<std::string> ExamplesInHelp(absl::string_view title) {
  std::vector<std::string> examples;
  bool inside = false;
  const std::string help = Wisselctl({"--help"}).out;
  for (absl::string_view line : absl::StrSplit(help, '\n')) {
    const bool indented = absl::ConsumePrefix(&line, "  ");
    if (indented && line == title) {
      examples.emplace_back();
      inside = true;
    }
    inside = inside && indented;
    if (inside) absl::StrAppend(&examples.back(), line, "\n");
  }
  return examples;
}

TEST(Context, TheHelpsExamplesAreRead) {
  const std::vector<std::string> examples = ExamplesInHelp("# context.yaml");
  ASSERT_EQ(examples.size(), 2u);
  const auto cluster = ParseContext("/etc/wissel/context.yaml", examples[0]);
  ASSERT_THAT(cluster, wissel::testing::IsOk());
  EXPECT_EQ(cluster->server, "gateway.shop.example:8443");
  EXPECT_EQ(cluster->admin_server, "admin.shop.example:8443");
  EXPECT_EQ(cluster->history_server, "history.shop.example:8443");
  EXPECT_EQ(cluster->workspace, "web-shop");
  EXPECT_EQ(cluster->ca, "/etc/wissel/ca.pem");
  EXPECT_EQ(cluster->token_files.at("anna"), "/etc/wissel/tokens/anna");
  EXPECT_EQ(cluster->connections, "/etc/wissel/connections.yaml");
  EXPECT_THAT(cluster->statez, ElementsAre("router-0:9464", "router-1:9464"));
  EXPECT_EQ(cluster->webhooks.at("whatsapp"), "https://hooks.shop.example/whatsapp/webhook");
  EXPECT_EQ(cluster->whatsapp_secret_file, "/etc/wissel/secrets/app-secret");
  const auto local = ParseContext("/srv/dev/context.yaml", examples[1]);
  ASSERT_THAT(local, wissel::testing::IsOk());
  EXPECT_TRUE(local->insecure_local);
  EXPECT_EQ(local->log_file, "/srv/dev/log.sqlite");
  EXPECT_EQ(local->kafka, "127.0.0.1:9092");
  EXPECT_EQ(local->redis, "/run/redis.sock");
  EXPECT_EQ(local->outbox, "http://127.0.0.1:7444/outbox.json");
}

TEST(Context, TheHelpsConnectionsAreRead) {
  const wissel::testing::TempDir dir;
  setenv("KAFKA_PASSWORD", "geheim", 1);
  setenv("REDIS_PASSWORD", "verborgen", 1);
  const std::vector<std::string> examples = ExamplesInHelp("# connections.yaml");
  ASSERT_EQ(examples.size(), 1u);
  std::istringstream in;
  std::ostringstream out;
  Session session(in, out, out);
  session.flags.connections_file = Write(dir, "connections.yaml", examples[0]);
  const auto kafka = KafkaOf(session);
  ASSERT_THAT(kafka, wissel::testing::IsOk());
  EXPECT_EQ((*kafka)->brokers, "kafka-0:9093,kafka-1:9093");
  EXPECT_EQ((*kafka)->password.value(), "geheim");
  const auto redis = RedisOf(session, "");
  ASSERT_THAT(redis, wissel::testing::IsOk());
  EXPECT_EQ(redis->address, "redis:6379");
  EXPECT_EQ(redis->password, "verborgen");
}

}  // namespace
}  // namespace wissel::ctl
