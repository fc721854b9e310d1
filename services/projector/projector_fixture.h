// What the tests of the projector share: a shop's log, a Redis that is emptied for each test, and
// what stands in it.
#pragma once

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/bus/embedded.h"
#include "libs/testing/redis_server.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/views/compare.h"
#include "libs/views/restore.h"
#include "libs/views/views.h"
#include "services/projector/partition_projector.h"

namespace wissel::projector {

using store::Redis;
using store::Reply;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RedisServer;
using testing::ShopLog;
using ::testing::SizeIs;
using testing::StatusIs;

inline store::RedisOptions OptionsFor(const RedisServer& server) {
  return {.address = server.address(),
          .backoff = {.initial = absl::Nanoseconds(1), .max = absl::Nanoseconds(1)}};
}

inline std::vector<std::string> Texts(const Reply& array) {
  std::vector<std::string> texts;
  for (const Reply& reply : array.elements) texts.push_back(reply.text);
  return texts;
}

// All there is in Redis: "key: field=value", sorted. Without the incarnation, which is drawn, and
// where the log ended when it was begun.
inline std::vector<std::string> Dump(Redis& redis) {
  std::vector<std::string> dump;
  for (const std::string& key : Texts(*redis.Run("", {"KEYS", "*"}))) {
    const bool is_hash = redis.Run("", {"TYPE", key})->text == "hash";
    const std::vector<std::string> words =
        is_hash ? Texts(*redis.Run("", {"HGETALL", key}))
                : Texts(*redis.Run("", {"ZRANGE", key, "0", "-1", "WITHSCORES"}));
    for (size_t i = 0; i + 1 < words.size(); i += 2) {
      if (words[i] == "incarnation" || words[i] == "built_to") continue;
      dump.push_back(absl::StrCat(key, ": ", words[i], "=", absl::CHexEscape(words[i + 1])));
    }
  }
  std::sort(dump.begin(), dump.end());
  return dump;
}

// What is in one of them only.
inline std::vector<std::string> Difference(const std::vector<std::string>& a,
                                           const std::vector<std::string>& b) {
  std::vector<std::string> difference;
  std::set_symmetric_difference(a.begin(), a.end(), b.begin(), b.end(),
                                std::back_inserter(difference));
  return difference;
}

class ProjectorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new RedisServer(); }
  static void TearDownTestSuite() {
    delete server_;
    server_ = nullptr;
  }
  void SetUp() override {
    WISSEL_ASSERT_OK(redis_.Run("", {"FLUSHALL"}));
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 1}));
    shop_.emplace(*bus_);
    environment_.emplace(MakeEnvironment(redis_));
  }

  Environment MakeEnvironment(Redis& redis) {
    return {.bus = *bus_,
            .redis = redis,
            .clock = clock_,
            .log = {},
            .metrics = metrics_,
            .settings = settings_,
            .wakeup = nullptr};
  }

  std::unique_ptr<PartitionProjector> NewProjector() {
    return std::make_unique<PartitionProjector>(*environment_, 0);
  }

  // Until everything in the log is in the views.
  void CatchUp(PartitionProjector& projector) {
    if (shop_.has_value()) shop_->Sync();
    for (int failures = 0; failures < 10;) {
      const absl::StatusOr<bool> more = projector.Step();
      if (!more.ok()) {
        ++failures;
      } else if (!*more) {
        return;
      }
    }
    FAIL() << "it fails again and again: " << projector.Step().status();
  }

  // The checkpoint is the state that the log's owner has, and the views are the log's.
  void ExpectCheckpointIsTheFold() {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto load, views::LoadCheckpoint(redis_, keys_));
    ASSERT_EQ(load.outcome, views::CheckpointLoad::Outcome::kLoaded) << load.detail;
    EXPECT_EQ(load.checkpoint.meta.state_hash, shop_->state().Hash());
    WISSEL_ASSERT_OK_AND_ASSIGN(const views::Restored restored,
                                views::Restore(redis_, keys_, *bus_));
    ASSERT_EQ(restored.source, views::Restored::Source::kCheckpoint) << restored.detail;
    EXPECT_EQ(restored.state.Hash(), shop_->state().Hash());
    WISSEL_ASSERT_OK_AND_ASSIGN(const views::ViewComparison comparison,
                                views::CompareViews(*bus_, redis_, keys_));
    EXPECT_EQ(comparison.not_compared, "");
    EXPECT_GT(comparison.views, 0);
    for (const views::ViewDifference& d : comparison.differences) {
      ADD_FAILURE() << d.key << ": " << d.expected << ", found " << d.found << ": " << d.detail;
    }
  }

  views::AgentWork WorkOf(absl::string_view agent) {
    auto work = views::ReadAgentWork(redis_, keys_, "acme", agent);
    EXPECT_THAT(work, testing::IsOk());
    return *std::move(work);
  }

  // What wissel_projector_lag_`unit` says of the partition.
  double Lag(absl::string_view unit) {
    const std::string series = absl::StrCat("wissel_projector_lag_", unit, "{partition=\"0\"} ");
    for (absl::string_view line : absl::StrSplit(registry_.Expose(), '\n')) {
      double value = 0;
      if (absl::ConsumePrefix(&line, series) && absl::SimpleAtod(line, &value)) return value;
    }
    ADD_FAILURE() << "no " << series;
    return -1;
  }

  inline static RedisServer* server_ = nullptr;
  Redis redis_{OptionsFor(*server_)};
  const views::PartitionKeys keys_{0};
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  telemetry::Registry registry_;
  Metrics metrics_{registry_};
  ProjectorSettings settings_;
  std::unique_ptr<bus::Bus> bus_;
  std::optional<ShopLog> shop_;
  std::optional<Environment> environment_;
};

}  // namespace wissel::projector
