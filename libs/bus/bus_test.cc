#include "libs/bus/bus.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/bus/embedded.h"

namespace wissel::bus {
namespace {

TEST(PartitionOf, AgreesWithKafkasJavaClient) {
  // Murmur2 values of org.apache.kafka.common.utils.UtilsTest, sign bit cleared, modulo 1000003.
  const std::pair<absl::string_view, int32_t> known[] = {
      {"21", -973932308},
      {"foobar", -790332482},
      {"a-little-bit-long-string", -985981536},
      {"a-little-bit-longer-string", -1486304829},
      {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971},
      {"abc", 479470107},
  };
  for (const auto& [key, murmur2] : known) {
    EXPECT_EQ(PartitionOf(key, 1'000'003), (murmur2 & 0x7fffffff) % 1'000'003) << key;
  }
}

TEST(PartitionOf, EmptyKeyAndOnePartition) {
  EXPECT_EQ(PartitionOf("", 1), 0);
  EXPECT_GE(PartitionOf("", 12), 0);
}

TEST(TopicName, CarriesThePrefix) {
  EXPECT_EQ(TopicName(Topic::kLog), "wissel.log.v1");
  EXPECT_EQ(TopicName(Topic::kDeadLetter, "test7."), "test7.deadletter.v1");
}

TEST(DefaultTopics, AreCopartitioned) {
  const auto bus = NewEmbeddedBus({.partitions = 3});
  ASSERT_TRUE(bus.ok()) << bus.status();
  EXPECT_TRUE((*bus)->EnsureTopics(DefaultTopics(3)).ok());
  EXPECT_TRUE(CheckTopics(**bus).ok());
  EXPECT_EQ((*bus)->EnsureTopics(DefaultTopics(4)).code(), absl::StatusCode::kFailedPrecondition);
}

TEST(Wakeup, RemembersANotificationNobodyWaitedFor) {
  Wakeup wakeup;
  EXPECT_FALSE(wakeup.Wait(absl::ZeroDuration()));
  wakeup.Notify();
  wakeup.Notify();
  EXPECT_TRUE(wakeup.Wait(absl::ZeroDuration()));
  EXPECT_FALSE(wakeup.Wait(absl::ZeroDuration()));
}

TEST(EmbeddedBus, AppendsAndReads) {
  const auto bus = NewEmbeddedBus({.partitions = 2});
  ASSERT_TRUE(bus.ok()) << bus.status();
  const auto appender = (*bus)->NewAppender({});
  std::vector<int64_t> offsets;
  for (int i = 0; i < 3; ++i) {
    appender->Append({.topic = Topic::kLog,
                      .partition = 1,
                      .key = "k",
                      .value = std::string(1, static_cast<char>('a' + i)),
                      .headers = {{"traceparent", "00"}}},
                     [&](absl::StatusOr<int64_t> offset) { offsets.push_back(offset.value()); });
  }
  ASSERT_TRUE(appender->Flush(absl::Seconds(10)).ok());
  EXPECT_THAT(offsets, testing::ElementsAre(0, 1, 2));
  const auto reader = (*bus)->OpenReader(Topic::kLog, 1, {.offset = 1});
  ASSERT_TRUE(reader.ok()) << reader.status();
  const auto records = (*reader)->Poll(10, absl::Seconds(10));
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->size(), 2);
  EXPECT_EQ((*records)[0].value, "b");
  EXPECT_EQ((*records)[0].headers, (Headers{{"traceparent", "00"}}));
  EXPECT_EQ((*records)[1].offset, 2);
}

}  // namespace
}  // namespace wissel::bus
