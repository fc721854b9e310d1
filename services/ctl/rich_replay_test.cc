// `wisselctl replay` with the policy unchanged, on days with everything that routing knows: nothing
// may come out otherwise.

#include <boost/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_day.h"
#include "libs/domain/testing_rich.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "services/ctl/log_replay.h"
#include "services/ctl/log_source.h"
#include "services/ctl/testing.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::ctl {
namespace {

using conversation::v1::Event;
using domain::testing::EraseIf;
using domain::testing::RandomDay;
using domain::testing::RichConfig;
using wissel::testing::ShopLog;

// Who and what the configuration no longer has goes when its work is done.
void RemoveWhatHasWork(ShopLog& shop) {
  shop.Online("anna");
  const std::string held = shop.Open("31699999991", "nl");
  shop.Accept(held);
  const std::string waits = shop.Open("31699999992", "nl");
  config::v1::WorkspaceConfig config = RichConfig(2);
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() != "bram"; });
  EraseIf(*config.mutable_queues(), [](const auto& q) { return q.queue_id() == "nl"; });
  config.mutable_agents(0)->clear_queue_ids();
  shop.Apply(config);
  shop.Resolve("anna", held);
  shop.Wait(absl::Seconds(10));
  shop.Online("bram");
  if (shop.state().FindConversation(waits)->has_offer()) shop.Accept(waits);
  shop.Apply(RichConfig(3));
}

TEST(RichReplay, EveryDecisionComesOutAsItWasRecorded) {
  std::set<Event::KindCase> seen;
  for (uint32_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const auto bus = *bus::NewEmbeddedBus({.partitions = 1});
    ShopLog shop(*bus, 0, ShopLog::Inputs::kInTheirTopics, RichConfig(1));
    RemoveWhatHasWork(shop);
    RandomDay day({.seed = seed, .make_config = RichConfig});
    for (int step = 0; step < 300; ++step) {
      day.Step(shop);
      if (step == 250) shop.Wait(absl::Hours(1));
      if (step % 200 == 110) shop.Restate();
      if (step % 160 == 80) shop.TakeOver();
      if (step % 40 == 20) shop.AppendGarbage();
    }
    shop.Sync();
    const auto reports = ReplayLog(*bus, {}, [](double) {});
    WISSEL_ASSERT_OK(reports);
    const PartitionReplay& replay = reports->at(0);
    if (replay.first.has_value()) {
      std::ostringstream text;
      PrintDifference(*replay.first, text);
      ADD_FAILURE() << text.str();
    }
    EXPECT_GT(replay.decisions, 300);
    EXPECT_EQ(replay.identical, replay.decisions);
    EXPECT_EQ(replay.inputs_gone, 0);
    EXPECT_EQ(replay.not_whole, 0);
    WISSEL_ASSERT_OK(WalkLog(*bus, {}, [&](const LogItem& item) {
      if (item.entry == nullptr) return absl::OkStatus();
      for (const Event& event : item.entry->record.decision().events()) {
        seen.insert(event.kind_case());
      }
      return absl::OkStatus();
    }));
  }
  // Else the days would prove less than they seem to.
  EXPECT_TRUE(seen.contains(Event::kRestateCompleted));
  for (const Event::KindCase kind : RandomDay::kOfARichDay) {
    EXPECT_TRUE(seen.contains(kind)) << Event::descriptor()->FindFieldByNumber(kind)->name();
  }
}

// What has no place in the model is told; nothing of it ends in an error, and nobody is lost.
TEST(RichReplay, AnotherPolicyIsComparedOnSuchADay) {
  const wissel::testing::TempDir dir;
  const std::string path = dir.path() + "/log.sqlite";
  const auto bus = *bus::NewEmbeddedBus({.path = path, .partitions = 1});
  ShopLog shop(*bus, 0, ShopLog::Inputs::kInTheirTopics, RichConfig(1));
  RandomDay day({.seed = 3, .make_config = RichConfig});
  for (int step = 0; step < 300; ++step) {
    day.Step(shop);
    if (step % 200 == 110) shop.Restate();
    if (step % 160 == 80) shop.TakeOver();
    if (step % 40 == 20) shop.AppendGarbage();
  }
  shop.Sync();
  config::v1::WorkspaceConfig config = RichConfig(1);
  config.clear_version();
  for (auto& account : *config.mutable_accounts()) account.set_address("desk@shop.example");
  for (auto& agent : *config.mutable_agents()) agent.set_capacity_units(20);
  const std::string policy = Write(dir, "new.yaml", FormatWorkspaceYaml(config));
  const Result result = Wisselctl(
      {"replay", "--log-file", path.c_str(), "--policy", policy.c_str(), "--output", "json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const boost::json::value json = boost::json::parse(result.out);
  for (const char* run : {"recorded", "repeated", "changed"}) {
    const boost::json::value& total = json.at(run).at("total");
    EXPECT_GT(total.at("arrived").as_int64(), 20) << run;
    EXPECT_EQ(total.at("arrived").as_int64(), total.at("served").as_int64() +
                                                  total.at("abandoned").as_int64() +
                                                  total.at("left_waiting").as_int64())
        << run;
    EXPECT_GT(total.at("served").as_int64(), 0) << run;
    EXPECT_GE(json.at(run).at("agents").as_array().size(), 3u) << run;
  }
  EXPECT_EQ(json.at("repeated").at("total").at("arrived"),
            json.at("changed").at("total").at("arrived"));
}

}  // namespace
}  // namespace wissel::ctl
