// The router on a real broker: see router_test.cc for everything that does not need one.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/uuid.h"
#include "libs/bus/kafka.h"
#include "libs/bus/log_reader.h"
#include "libs/bus/testing/committed.h"
#include "libs/domain/testing.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"
#include "services/router/testing.h"

namespace wissel::router {
namespace {

using domain::testing::ShopConfig;
using domain::testing::Text;

constexpr absl::Duration kPatience = absl::Seconds(60);

TEST(RouterOnKafka, ShowsHowFarItsGroupHasCome) {
  WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
  const bus::KafkaOptions options{.brokers = brokers,
                                  .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, bus::NewKafkaBus(options));
  WISSEL_ASSERT_OK(bus->EnsureTopics(bus::DefaultTopics(2)));
  const int32_t partition = bus::PartitionOf("acme/main", 2);
  const auto appender = bus->NewAppender({});
  const auto put = [&](bus::Topic topic, int32_t to, const std::string& value) {
    appender->Append({.topic = topic, .partition = to, .key = "acme/main", .value = value},
                     [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
  };
  const auto committed = [&](bus::Topic topic, int32_t of) {
    return bus::testing::CommittedOffset(options, "router", topic, of).value_or(-1);
  };
  put(bus::Topic::kConfig, 0, ShopConfig().SerializeAsString());
  for (int i = 0; i < 3; ++i) {
    put(bus::Topic::kInbound, partition, Text("31600000001", i, "nl").SerializeAsString());
  }
  put(bus::Topic::kCommands, partition, "garbage");
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  testing::Router router(*bus, {.session_timeout = absl::Seconds(6)});
  const auto await = [&](bus::Topic topic, int32_t of, int64_t offset) {
    const absl::Time deadline = absl::Now() + kPatience;
    while (committed(topic, of) != offset && absl::Now() < deadline) {
    }
    EXPECT_EQ(committed(topic, of), offset) << bus::TopicName(topic) << "/" << of;
  };
  await(bus::Topic::kInbound, partition, 3);
  await(bus::Topic::kInbound, 1 - partition, 0);
  await(bus::Topic::kCommands, partition, 1);
  await(bus::Topic::kReceipts, partition, 0);

  // It says so once more when it goes.
  put(bus::Topic::kInbound, partition, Text("31600000001", 3, "nl").SerializeAsString());
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto log, bus::LogReader::Open(*bus, partition, {}));
  int messages = 0;
  const absl::Time deadline = absl::Now() + kPatience;
  while (messages < 4 && absl::Now() < deadline) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto entries, log->Poll(100, absl::Milliseconds(100)));
    for (const bus::LogEntry& entry : entries) {
      for (const auto& event : entry.record.decision().events()) {
        messages += event.has_message_received() ? 1 : 0;
      }
    }
  }
  WISSEL_ASSERT_OK(router.Drain());
  EXPECT_EQ(committed(bus::Topic::kInbound, partition), 4);
}

}  // namespace
}  // namespace wissel::router
