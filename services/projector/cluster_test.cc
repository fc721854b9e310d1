// Everything that is kept in Redis, on a Redis Cluster: its keys and scripts as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/bus/embedded.h"
#include "libs/channel/outbox_store.h"
#include "libs/testing/redis_cluster.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/compare.h"
#include "libs/views/restore.h"
#include "libs/views/views.h"
#include "services/projector/partition_projector.h"

namespace wissel::projector {
namespace {

using store::Redis;
using testing::ShopLog;

// Some on each node, so that a key without its partition's tag is often on the other one, which
// refuses a script or transaction that asks for it.
constexpr int kPartitions = 8;

class OnACluster : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = kPartitions}));
    // What is forgotten leaves the views again.
    settings_.forgotten_kept = absl::Hours(1);
  }

  // Until everything in the log is in the views; then they are the log's, and good to begin from.
  void Project(ShopLog& shop, const views::PartitionKeys& keys) {
    shop.Sync();
    const Environment environment{.bus = *bus_,
                                  .redis = redis_,
                                  .clock = clock_,
                                  .log = {},
                                  .metrics = metrics_,
                                  .settings = settings_,
                                  .wakeup = nullptr};
    PartitionProjector projector(environment, keys.partition());
    absl::StatusOr<bool> more = true;
    while (more.ok() && *more) more = projector.Step();
    WISSEL_ASSERT_OK(more);
    WISSEL_ASSERT_OK_AND_ASSIGN(const views::Restored restored,
                                views::Restore(redis_, keys, *bus_));
    EXPECT_EQ(restored.source, views::Restored::Source::kCheckpoint) << restored.detail;
    EXPECT_EQ(restored.state.Hash(), shop.state().Hash());
    WISSEL_ASSERT_OK_AND_ASSIGN(const views::ViewComparison comparison,
                                views::CompareViews(*bus_, redis_, keys));
    EXPECT_EQ(comparison.not_compared, "");
    EXPECT_GT(comparison.views, 10);
    EXPECT_EQ(comparison.differing, 0);
  }

  void ReadAll(const views::PartitionKeys& keys, const std::string& conversation) {
    WISSEL_EXPECT_OK(views::ReadAgentWork(redis_, keys, "acme", "anna"));
    WISSEL_EXPECT_OK(views::ReadConversation(redis_, keys, "acme", conversation, 20));
    WISSEL_EXPECT_OK(views::ReadMessages(redis_, keys, "acme", conversation, std::nullopt, 20));
    WISSEL_EXPECT_OK(views::ReadIndex(redis_, keys, keys.Open("acme/main"), std::nullopt, 20));
    WISSEL_EXPECT_OK(views::ReadGroups(redis_, keys, "acme"));
    WISSEL_EXPECT_OK(views::ReadQueue(redis_, keys, "acme/main", "nl"));
    WISSEL_EXPECT_OK(views::ReadAgents(redis_, keys, "acme", "acme/main"));
  }

  testing::RedisCluster cluster_;
  Redis redis_{{.address = cluster_.address()}};
  std::unique_ptr<bus::Bus> bus_;
  const SystemClock clock_;
  telemetry::Registry registry_;
  Metrics metrics_{registry_};
  ProjectorSettings settings_;
};

TEST_F(OnACluster, EachPartitionIsInOneSlot) {
  for (int32_t partition = 0; partition < kPartitions; ++partition) {
    SCOPED_TRACE(partition);
    const views::PartitionKeys keys(partition);
    ShopLog shop(*bus_, partition);
    std::mt19937 random(7);
    for (int i = 0; i < 100; ++i) shop.Happen(random);
    Project(shop, keys);
    const std::string conversation = shop.Open("31611111111", "nl");
    Project(shop, keys);
    ReadAll(keys, conversation);
    // With a clean slate, as after a change of format.
    WISSEL_ASSERT_OK(views::BeginAnew(redis_, keys));
    Project(shop, keys);

    state::v1::OutboxCheckpoint place;
    place.set_kind(common::v1::CHANNEL_KIND_EMAIL);
    place.set_partition(partition);
    { channel::OutboxStore({.address = cluster_.address()}, {}).Save(place); }
    channel::OutboxStore store({.address = cluster_.address()}, {});
    WISSEL_EXPECT_OK(store.Load(common::v1::CHANNEL_KIND_EMAIL, partition));
  }
  for (const std::vector<std::string>& node : cluster_.Keys()) {
    EXPECT_GT(node.size(), 10u);
    EXPECT_THAT(node, ::testing::Each(::testing::ContainsRegex("^wissel:[{]p[0-9]+[}]:")));
  }
}

}  // namespace
}  // namespace wissel::projector
