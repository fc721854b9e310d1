// The projector on a real broker: see the other tests for everything that does not need one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/uuid.h"
#include "libs/bus/kafka.h"
#include "libs/bus/testing/committed.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"
#include "libs/views/checkpoint.h"
#include "services/projector/projector.h"

namespace wissel::projector {
namespace {

using testing::RedisServer;
using testing::ShopLog;

constexpr absl::Duration kPatience = absl::Seconds(60);

TEST(ProjectorOnKafka, FoldsTakesOverAndBuildsAgain) {
  WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
  RedisServer server;
  const bus::KafkaOptions options{.brokers = brokers,
                                  .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, bus::NewKafkaBus(options));
  WISSEL_ASSERT_OK(bus->EnsureTopics(bus::DefaultTopics(1)));
  ShopLog shop(*bus);
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) shop.Happen(random);
  shop.Sync();

  const SystemClock clock;
  telemetry::Registry registry;
  telemetry::Readiness readiness;
  ProjectorSettings settings;
  settings.session_timeout = absl::Seconds(6);
  settings.lag_interval = absl::Milliseconds(100);
  const store::RedisOptions redis_options{.address = server.address()};
  const auto start = [&] {
    return std::make_unique<Projector>(Projector::Dependencies{.bus = *bus,
                                                               .redis = redis_options,
                                                               .clock = clock,
                                                               .log = {},
                                                               .metrics = registry,
                                                               .readiness = readiness},
                                       settings);
  };
  store::Redis redis(redis_options);
  const views::PartitionKeys keys(0);
  const auto expect_fold = [&] {
    const uint64_t wanted = shop.state().Hash();
    std::string last = "nothing";
    for (const absl::Time until = absl::Now() + kPatience; absl::Now() < until;
         absl::SleepFor(absl::Milliseconds(20))) {
      const auto load = views::LoadCheckpoint(redis, keys);
      if (!load.ok()) continue;
      last = absl::StrCat(views::OutcomeName(load->outcome), " ", load->detail);
      if (load->outcome == views::CheckpointLoad::Outcome::kLoaded &&
          load->checkpoint.meta.state_hash == wanted) {
        return;
      }
    }
    ADD_FAILURE() << "the checkpoint does not become the owner's state; last: " << last;
  };

  auto projector = start();
  expect_fold();
  projector.reset();
  for (int i = 0; i < 100; ++i) shop.Happen(random);
  shop.Sync();
  projector = start();
  expect_fold();
  WISSEL_ASSERT_OK(redis.Run("", {"FLUSHALL"}));
  expect_fold();
  for (int i = 0; i < 100; ++i) shop.Happen(random);
  shop.Sync();
  expect_fold();
  // Its group's lag can be watched.
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto log, bus->OpenReader(bus::Topic::kLog, 0, {}));
  WISSEL_ASSERT_OK_AND_ASSIGN(const int64_t end, log->EndOffset());
  const auto committed = [&] {
    return bus::testing::CommittedOffset(options, "projector", bus::Topic::kLog, 0).value_or(-1);
  };
  for (const absl::Time until = absl::Now() + kPatience;
       committed() != end && absl::Now() < until;) {
  }
  EXPECT_EQ(committed(), end);
  projector.reset();
}

}  // namespace
}  // namespace wissel::projector
