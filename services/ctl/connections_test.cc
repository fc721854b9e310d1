#include "services/ctl/connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/bus/embedded.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class ConnectionsTest : public ::testing::Test {
 protected:
  std::string File(absl::string_view yaml) { return Write(dir_, "connections.yaml", yaml); }

  const wissel::testing::TempDir dir_;
};

TEST_F(ConnectionsTest, TheFileIsReadAsStrictlyAsAServicesOwn) {
  const auto tail = [&](absl::string_view yaml) {
    return Wisselctl({"log", "tail", "--connections", File(yaml).c_str()});
  };
  const Result unknown = tail("kafka:\n  borkers: kafka:9093\n");
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("connections.yaml:2: kafka.borkers"));
  EXPECT_THAT(unknown.err, HasSubstr("did you mean brokers?"));
  const Result section = tail("rpc: {}\n");
  EXPECT_EQ(section.code, 2);
  EXPECT_THAT(section.err, HasSubstr("connections.yaml:1: rpc"));
  const Result wrong = tail("redis:\n  tls: perhaps\n");
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("connections.yaml:2: redis.tls: found \"perhaps\""));
  const Result plain = tail("kafka: {username: anna, password: geheim}\n");
  EXPECT_EQ(plain.code, 2);
  EXPECT_THAT(plain.err, Not(HasSubstr("geheim")));
  const Result missing = Wisselctl({"log", "tail", "--connections", "/nowhere.yaml"});
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("/nowhere.yaml"));
}

TEST_F(ConnectionsTest, FlagsSayWhereAndTheFileHow) {
  const std::string password = Write(dir_, "password", "geheim\n");
  std::istringstream in;
  std::ostringstream out;
  Session session(in, out, out);
  session.flags.connections_file =
      File(absl::StrCat("kafka:\n  brokers: kafka:9093\n  topic_prefix: acme.\n  protocol: "
                        "sasl_tls\n  username: anna\n  password: {file: ",
                        password, "}\nredis:\n  address: redis:6380\n  username: reader\n"));
  auto kafka = KafkaOf(session);
  WISSEL_ASSERT_OK(kafka);
  ASSERT_TRUE(kafka->has_value());
  EXPECT_EQ((*kafka)->brokers, "kafka:9093");
  EXPECT_EQ((*kafka)->topic_prefix, "acme.");
  EXPECT_EQ((*kafka)->protocol, bus::KafkaSecurity::Protocol::kSaslTls);
  EXPECT_EQ((*kafka)->password.value(), "geheim");
  session.flags.kafka = "other:9093";
  kafka = KafkaOf(session);
  WISSEL_ASSERT_OK(kafka);
  EXPECT_EQ((*kafka)->brokers, "other:9093");
  EXPECT_EQ((*kafka)->topic_prefix, "acme.");

  WISSEL_ASSERT_OK_AND_ASSIGN(store::RedisOptions redis, RedisOf(session, ""));
  EXPECT_EQ(redis.address, "redis:6380");
  EXPECT_EQ(redis.username, "reader");
  WISSEL_ASSERT_OK_AND_ASSIGN(redis, RedisOf(session, "other:6380"));
  EXPECT_EQ(redis.address, "other:6380");
  EXPECT_EQ(redis.username, "reader");
}

TEST_F(ConnectionsTest, TimeoutGoesBeforeTheFile) {
  const std::string context = Write(dir_, "context.yaml", "{}\n");
  std::istringstream in;
  std::ostringstream out;
  const auto session = [&](const char* file, const char* timeout) {
    Session s(in, out, out);
    s.flags.context_file = context;
    s.flags.connections_file = file;
    s.flags.kafka = "kafka:9093";
    s.flags.timeout = timeout;
    EXPECT_THAT(s.Resolve(), wissel::testing::IsOk());
    return std::make_pair((*KafkaOf(s))->request_timeout,
                          RedisOf(s, "redis:6380")->command_timeout);
  };
  const std::string file = File(
      "kafka: {brokers: other:9093, request_timeout: 3s}\n"
      "redis: {address: redis:6380, command_timeout: 4s}\n");
  EXPECT_EQ(session(file.c_str(), ""), std::make_pair(absl::Seconds(3), absl::Seconds(4)));
  EXPECT_EQ(session(file.c_str(), "7s"), std::make_pair(absl::Seconds(7), absl::Seconds(7)));
  EXPECT_EQ(session("", "7s"), std::make_pair(absl::Seconds(7), absl::Seconds(7)));
  EXPECT_EQ(session("", ""),
            std::make_pair(kDefaultTimeout, store::RedisOptions().command_timeout));
}

TEST_F(ConnectionsTest, LogVerifyLogsInToRedis) {
  wissel::testing::RedisServer server(
      {"--requirepass", "other", "--user", "reader", "on", ">geheim", "~*", "&*", "+@all"});
  const std::string log = dir_.path() + "/log.sqlite";
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus,
                                bus::NewEmbeddedBus({.path = log, .partitions = 1}));
    wissel::testing::ShopLog shop(*bus);
    shop.Sync();
  }
  const Result refused =
      Wisselctl({"log", "verify", "--log-file", log.c_str(), "--redis", server.address().c_str()});
  EXPECT_NE(refused.code, 0);
  const std::string password = Write(dir_, "password", "geheim\n");
  const std::string file =
      File(absl::StrCat("redis:\n  address: ", server.address(),
                        "\n  username: reader\n  password: {file: ", password, "}\n"));
  const Result verified =
      Wisselctl({"log", "verify", "--log-file", log.c_str(), "--connections", file.c_str()});
  EXPECT_EQ(verified.code, 0) << verified.err;
  EXPECT_THAT(verified.out, HasSubstr("redis"));
  const Result yaml = Wisselctl({"log", "verify", "--log-file", log.c_str(), "--connections",
                                 file.c_str(), "--output", "yaml"});
  EXPECT_EQ(yaml.code, 0) << yaml.err;
  EXPECT_TRUE(YAML::Load(yaml.out)["ok"].as<bool>());
  EXPECT_EQ(YAML::Load(yaml.out)["partitions"].size(), 1);
}

}  // namespace
}  // namespace wissel::ctl
