// Concurrent applies on a real broker: see admin_test.cc for everything that does not need one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/uuid.h"
#include "libs/bus/kafka.h"
#include "libs/domain/testing.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"
#include "services/admin/config_topic.h"

namespace wissel::admin {
namespace {

TEST(ConfigTopicOnKafka, OfConcurrentAppliesExactlyOneWins) {
  WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
  const bus::KafkaOptions options{.brokers = brokers,
                                  .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")};
  constexpr int kAdmins = 3;
  constexpr int kRounds = 10;
  std::vector<std::unique_ptr<bus::Bus>> buses;
  std::vector<std::unique_ptr<ConfigTopic>> topics;
  for (int i = 0; i < kAdmins; ++i) {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto bus, bus::NewKafkaBus(options));
    if (i == 0) {
      WISSEL_ASSERT_OK(bus->EnsureTopics(bus::DefaultTopics(1)));
    }
    topics.push_back(std::make_unique<ConfigTopic>(*bus));
    buses.push_back(std::move(bus));
  }
  std::atomic<int> won[kRounds + 1] = {};
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kAdmins; ++i) {
      threads.emplace_back([&, i] {
        for (int round = 1; round <= kRounds; ++round) {
          const absl::Status applied = topics[i]->Apply(domain::testing::ShopConfig(round));
          if (applied.ok()) ++won[round];
          if (absl::IsFailedPrecondition(applied)) ++refused;
        }
      });
    }
  }
  for (int round = 1; round <= kRounds; ++round) EXPECT_EQ(won[round], 1) << "version " << round;
  EXPECT_EQ(refused, kRounds * (kAdmins - 1));
  for (const auto& topic : topics) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto config, topic->Get("acme"));
    EXPECT_EQ(config.version(), kRounds);
  }
  topics.clear();
}

}  // namespace
}  // namespace wissel::admin
