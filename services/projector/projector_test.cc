#include "services/projector/projector.h"

#include <memory>

#include "absl/strings/match.h"
#include "absl/time/clock.h"
#include "libs/testing/eventually.h"
#include "libs/testing/forwarding_bus.h"
#include "services/projector/app.h"
#include "services/projector/projector_fixture.h"

namespace wissel::projector {
namespace {

using ::testing::ElementsAre;

// The whole service, on its thread and in its group.
TEST_F(ProjectorTest, TwoProjectorsShareThePartitionsAndTakeOverFromEachOther) {
  WISSEL_ASSERT_OK_AND_ASSIGN(auto bus, bus::NewEmbeddedBus({.partitions = 2}));
  ShopLog first(*bus, 0);
  ShopLog second(*bus, 1);
  const SystemClock clock;
  settings_.check_interval = absl::Milliseconds(10);
  telemetry::Readiness readiness[2];
  const auto start = [&](int i) {
    return std::make_unique<Projector>(Projector::Dependencies{.bus = *bus,
                                                               .redis = OptionsFor(*server_),
                                                               .clock = clock,
                                                               .log = {},
                                                               .metrics = registry_,
                                                               .readiness = readiness[i]},
                                       settings_);
  };
  const auto await = [&](ShopLog& shop, int32_t partition) {
    const views::PartitionKeys keys(partition);
    for (const absl::Time begin = absl::Now(); absl::Now() < begin + absl::Seconds(30);) {
      const auto work = views::ReadAgentWork(redis_, keys, "acme", "anna");
      if (work.ok() && work->place.position.offset == shop.end()) return;
      absl::SleepFor(absl::Milliseconds(1));
    }
    ADD_FAILURE() << "partition " << partition << " is not caught up";
  };
  auto a = start(0);
  auto b = start(1);
  first.Open("31611111111", "nl");
  second.Open("31611111111", "nl");
  await(first, 0);
  await(second, 1);
  a.reset();
  first.Open("31622222222", "nl");
  second.Open("31622222222", "nl");
  await(first, 0);
  await(second, 1);
  WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
  await(first, 0);
  await(second, 1);
  for (const absl::Time begin = absl::Now();
       !readiness[1].Ready() && absl::Now() < begin + absl::Seconds(30);) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_TRUE(readiness[1].Ready());
}

bool AwaitJson(const telemetry::Readiness& readiness, absl::string_view text) {
  return wissel::testing::Eventually([&] { return absl::StrContains(readiness.ToJson(), text); });
}

class ProjectorReadinessTest : public ProjectorTest {
 protected:
  Projector::Dependencies On(bus::Bus& bus) {
    return {.bus = bus,
            .redis = OptionsFor(server_),
            .clock = clock_,
            .log = {},
            .metrics = registry_,
            .readiness = readiness_};
  }

  RedisServer server_;
  const SystemClock clock_;
  telemetry::Readiness readiness_;
};

// As the third of three projectors on two partitions is.
TEST_F(ProjectorReadinessTest, WithoutAPartitionItIsReadyWhileKafkaAndRedisAnswer) {
  const auto holder = *bus_->Join(settings_.group, bus::Topic::kLog,
                                  {.session_timeout = absl::Hours(1), .wakeup = nullptr});
  WISSEL_ASSERT_OK_AND_ASSIGN(const bus::Assignment all, holder->Poll(absl::Seconds(10)));
  ASSERT_THAT(all.assigned, ElementsAre(0));
  server_.Kill();
  settings_.check_interval = absl::Milliseconds(10);
  const Projector projector(On(*bus_), settings_);
  EXPECT_TRUE(AwaitJson(readiness_, "no partition yet: UNAVAILABLE: redis")) << readiness_.ToJson();
  EXPECT_FALSE(readiness_.Ready());
  server_.Start();
  EXPECT_TRUE(AwaitJson(readiness_, "{\"ready\":true")) << readiness_.ToJson();
  server_.Kill();
  EXPECT_TRUE(AwaitJson(readiness_, "no partition yet: UNAVAILABLE: redis")) << readiness_.ToJson();
}

TEST_F(ProjectorReadinessTest, IsNotReadyWhereItsGroupDoesNotLetItIn) {
  wissel::testing::OutsiderBus bus(*bus_);
  const Projector projector(On(bus), settings_);
  EXPECT_TRUE(AwaitJson(readiness_, "no ACL to join")) << readiness_.ToJson();
  EXPECT_FALSE(readiness_.Ready());
}

TEST(ProjectorApp, IsNotReadyWithNothingBehindIt) {
  const SystemClock clock;
  telemetry::Registry registry;
  telemetry::Readiness readiness;
  telemetry::Endpoint endpoint(registry, readiness);
  Settings settings;
  // Nobody listens on the ports that are reserved for other things.
  settings.kafka.brokers = "127.0.0.1:1";
  settings.kafka.request_timeout = absl::Milliseconds(100);
  settings.redis.address = "127.0.0.1:2";
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto app,
      Start(settings, {.clock = clock,
                       .log = {},
                       .metrics = registry,
                       .readiness = readiness,
                       .endpoint = endpoint,
                       .fail = [](const absl::Status& status) { ADD_FAILURE() << status; }}));
  EXPECT_TRUE(AwaitJson(readiness, "no partition yet: UNAVAILABLE: kafka")) << readiness.ToJson();
  EXPECT_FALSE(readiness.Ready());
  WISSEL_EXPECT_OK(app->Drain(absl::Seconds(20)));
}

}  // namespace
}  // namespace wissel::projector
