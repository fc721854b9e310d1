// What docs/guides/routing.md shows is what wisselctl prints.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/bus/embedded.h"
#include "libs/bus/ownership.h"
#include "libs/sim/scenario.h"
#include "libs/testing/status_matchers.h"
#include "services/ctl/config_file.h"
#include "services/ctl/testing.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::ctl {
namespace {

constexpr char kMonday[] = "deploy/examples/scenarios/web-shop.yaml";
constexpr char kShop[] = "deploy/examples/web-shop.yaml";

std::string Read(const std::string& file) {
  const auto text = ReadInput(file, 4 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  return *text;
}

// Of the guide, the first block behind these words.
std::string Shown(const std::string& words) {
  const std::string guide = Read("docs/guides/routing.md");
  const size_t at = guide.find(words);
  EXPECT_NE(at, std::string::npos) << words;
  const size_t begin = guide.find("\n```\n", at) + 5;
  return guide.substr(begin, guide.find("```\n", begin) - begin);
}

// The simulated Monday as the log that routers would have written.
void WriteMonday(const std::string& path) {
  const std::string yaml = Read(kMonday);
  const auto scenario = sim::ParseScenario(yaml, kMonday);
  WISSEL_ASSERT_OK(scenario);
  auto config = ParseWorkspaceYaml(kShop, Read(kShop));
  WISSEL_ASSERT_OK(config);
  WISSEL_ASSERT_OK(sim::FitScenario(*scenario, yaml, kMonday, *config));

  const auto bus = *bus::NewEmbeddedBus({.path = path, .partitions = 1});
  auto log = *bus::OwnedLog::Open(*bus, bus->NewAppender({.gapless = true}), {.owner = "monday"});
  const auto poll = [&] { WISSEL_ASSERT_OK(log->Poll(1000, absl::Seconds(30))); };
  while (log->phase() != bus::OwnedLog::Phase::kOwning) poll();
  sim::SimulationOptions options = sim::OptionsOf(*scenario, *config);
  options.on_decision = [&](const log::v1::Decision& decision) {
    WISSEL_ASSERT_OK(log->Append(log::v1::Decision(decision), "web-shop"));
    while (log->unconfirmed() > 200) poll();
  };
  const auto behaviour =
      sim::DrawBehaviour(*scenario, *config, static_cast<uint64_t>(scenario->seed));
  sim::Simulate(std::move(options), *behaviour);
  while (log->unconfirmed() > 0) poll();
}

TEST(Guide, ShowsASimulatedDay) {
  EXPECT_EQ(Shown(absl::StrCat("`wisselctl simulate ", kMonday, "` printed:")),
            Wisselctl({"simulate", kMonday}).out);
}

TEST(Guide, ShowsWhatAnotherPolicyChanges) {
  const wissel::testing::TempDir dir;
  const std::string path = dir.path() + "/log.sqlite";
  WriteMonday(path);
  const std::string chloe =
      "      - {skill_id: \"lang:en\", proficiency: 10}\n"
      "    queue_ids: [en]\n";
  const std::string knows_dutch =
      "      - {skill_id: \"lang:en\", proficiency: 10}\n"
      "      - {skill_id: \"lang:nl\", proficiency: 6}\n"
      "    queue_ids: [en, nl]\n";
  const std::string changed = absl::StrReplaceAll(Read(kShop), {{chloe, knows_dutch}});
  ASSERT_NE(changed, Read(kShop));
  const std::string policy = Write(dir, "new.yaml", changed);
  const Result result =
      Wisselctl({"replay", "--log-file", path.c_str(), "--policy", policy.c_str()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(Shown("in `new.yaml` Chloe has learned Dutch"),
            absl::StrReplaceAll(result.out, {{dir.path() + "/", ""}}));
}

}  // namespace
}  // namespace wissel::ctl
