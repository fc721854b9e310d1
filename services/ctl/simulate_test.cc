// `wisselctl simulate`: what it takes, prints and draws.

#include <boost/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/sim_output.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Cli, SimulateGivesTheSameDayForTheSameSeed) {
  const wissel::testing::TempDir dir;
  const std::string plot = dir.path() + "/day.svg";
  const std::vector<const char*> command = {"simulate", "deploy/examples/scenarios/web-shop.yaml",
                                            "--output", "json",
                                            "--plot",   plot.c_str()};
  const Result day = Wisselctl(command);
  EXPECT_EQ(day.code, 0) << day.err;
  EXPECT_THAT(day.out, HasSubstr("\"rejected_commands\":0"));
  EXPECT_EQ(Wisselctl(command).out, day.out);
  std::stringstream svg;
  svg << std::ifstream(plot).rdbuf();
  EXPECT_THAT(svg.str(), HasSubstr("Monday at Fietsbel"));
  const Result many =
      Wisselctl({"simulate", "deploy/examples/scenarios/web-shop.yaml", "--seeds", "3"});
  EXPECT_THAT(many.out, HasSubstr("wait, p90"));
}

constexpr char kDay[] = R"(start: "2026-03-02T08:00:00Z"
length: 1h
arrivals: [{account: chat, per_hour: 5}]
workspace:
  workspace_id: shop
  routing_groups: [{routing_group_id: desk}]
  accounts: [{account: {kind: chat, account_id: chat}, routing_group_id: desk, address: x}]
  queues:
    - {queue_id: rare, routing_group_id: desk, rules: [{languages: [fr]}]}
    - {queue_id: all, routing_group_id: desk}
  agents:
    - {agent_id: zoe, routing_group_id: desk, queue_ids: [all, rare], capacity_units: 1}
)";

TEST(Cli, SimulateSaysNoWaitOfNobody) {
  const wissel::testing::TempDir dir;
  const std::string file = Write(dir, "day.yaml", kDay);
  const Result day = Wisselctl({"simulate", file.c_str()});
  EXPECT_EQ(day.code, 0) << day.err;
  // Nobody writes French.
  EXPECT_THAT(day.out, ContainsRegex("rare +0 +- +0 +- +- +- +- +- +- +- +0 +0.0 +0\n"));
  const std::string quiet =
      Write(dir, "quiet.yaml", absl::StrReplaceAll(kDay, {{"per_hour: 5", "per_hour: 0"}}));
  const Result means = Wisselctl({"simulate", quiet.c_str(), "--seeds", "3"});
  EXPECT_EQ(means.code, 0) << means.err;
  EXPECT_THAT(means.out, ContainsRegex("wait, p90 +- +-\n"));
  EXPECT_THAT(means.out, ContainsRegex("conversations +0.0 +0.0\n"));
}

// Student's t by degrees of freedom, from a table.
TEST(Cli, TheErrorOfAMeanIsOfSoManyRuns) {
  for (const auto& [degrees, t] : std::initializer_list<std::pair<int, double>>{
           {1, 12.706}, {30, 2.042}, {31, 2.0395}, {40, 2.0211}, {60, 2.0003}, {120, 1.9799}}) {
    std::vector<sim::Report> reports(static_cast<size_t>(degrees) + 1);
    reports[0].total.arrived = degrees + 1;
    // One is n, the others 0: the mean is 1, and the standard error that of n values.
    const double n = degrees + 1;
    const double error = std::sqrt((std::pow(n - 1, 2) + (n - 1)) / (n - 1) / n);
    const std::vector<MeanOverRuns> means = Summarise(reports);
    EXPECT_EQ(means[0].key, "arrived");
    EXPECT_NEAR(means[0].half_width / error, t, 0.0006) << degrees;
  }
}

TEST(Cli, SimulateSaysWhatApplyWouldWarnOf) {
  const wissel::testing::TempDir dir;
  const std::string file =
      Write(dir, "day.yaml", absl::StrReplaceAll(kDay, {{"[all, rare]", "[all]"}}));
  const Result day = Wisselctl({"simulate", file.c_str()});
  EXPECT_EQ(day.code, 0) << day.err;
  EXPECT_THAT(day.err, ContainsRegex("! .*day.yaml: queues\\[rare\\]"));
}

TEST(Cli, ForecastsNeedATarget) {
  const wissel::testing::TempDir dir;
  const std::string file = Write(dir, "day.yaml", kDay);
  const Result table = Wisselctl({"simulate", file.c_str(), "--forecast", "50"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("No conversation had a target for its first response"));
  EXPECT_THAT(table.out, Not(HasSubstr("Brier")));
  const Result json = Wisselctl({"simulate", file.c_str(), "--forecast", "50", "--output", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"brier\":null"));
}

TEST(Cli, APlotIsAnSvgOrAPng) {
  const wissel::testing::TempDir dir;
  const std::string file = Write(dir, "day.yaml", kDay);
  const auto plot = [&](absl::string_view scenario, const char* name) {
    const std::string path = absl::StrCat(dir.path(), "/", name);
    const std::string day = Write(dir, "day.yaml", scenario);
    const Result result = Wisselctl({"simulate", day.c_str(), "--plot", path.c_str()});
    EXPECT_EQ(result.code, 0) << result.err;
    std::stringstream bytes;
    bytes << std::ifstream(path, std::ios::binary).rdbuf();
    return bytes.str();
  };
  const std::string png = plot(kDay, "day.PNG");
  // Its signature and header (PNG specification, 5.2 and 11.2.2): 1800 by 2408.
  EXPECT_EQ(png.substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_EQ(absl::BytesToHexString(png.substr(16, 8)), "0000070800000968");
  // What happened is drawn: of another day it is another picture, of the same day the same.
  EXPECT_NE(png, plot(absl::StrReplaceAll(kDay, {{"per_hour: 5", "per_hour: 50"}}), "busy.png"));
  EXPECT_EQ(png, plot(kDay, "again.png"));

  const std::string pdf = dir.path() + "/day.pdf";
  const Result result = Wisselctl({"simulate", file.c_str(), "--plot", pdf.c_str()});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("ends in .svg or .png; found "));
  EXPECT_FALSE(std::filesystem::exists(pdf));
  const std::string nowhere = dir.path() + "/missing/day.png";
  const Result unwritten = Wisselctl({"simulate", file.c_str(), "--plot", nowhere.c_str()});
  EXPECT_EQ(unwritten.code, 2);
  EXPECT_THAT(unwritten.err, HasSubstr("cannot write "));
}

TEST(Cli, AScenariosNameSteersNothing) {
  const wissel::testing::TempDir dir;
  const std::string file = Write(
      dir, "day.yaml", absl::StrCat(kDay, "name: \"A\\e]0;x\\a\\x9b31m\\u202e\\uffff &<b>\"\n"));
  const Result table = Wisselctl({"simulate", file.c_str()});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_EQ(SteeringIn(table), "");
  EXPECT_THAT(table.out, HasSubstr("A ]0;x  31m \uffff &<b>: 2026-03-02"));
  EXPECT_EQ(SteeringIn(Wisselctl({"simulate", file.c_str(), "--forecast", "50"})), "");
  for (const std::vector<const char*>& more :
       {std::vector<const char*>{}, std::vector<const char*>{"--forecast", "50"}}) {
    std::vector<const char*> command = {"simulate", file.c_str(), "--output", "json"};
    command.insert(command.end(), more.begin(), more.end());
    const Result json = Wisselctl(command);
    EXPECT_EQ(SteeringIn(json), "");
    EXPECT_THAT(std::string(boost::json::parse(json.out).at("scenario").as_string()),
                HasSubstr("\u009b31m"));
  }
  // Well-formed, or it could not be drawn.
  const std::string plot = dir.path() + "/day.png";
  const Result drawn = Wisselctl({"simulate", file.c_str(), "--plot", plot.c_str()});
  EXPECT_EQ(drawn.code, 0) << drawn.err;
}

TEST(Cli, SimulateNamesTheLineOfWhatIsWrong) {
  const wissel::testing::TempDir dir;
  const auto simulate = [&](absl::string_view scenario) {
    return Wisselctl({"simulate", Write(dir, "day.yaml", scenario).c_str()});
  };
  const std::string day =
      "start: \"2026-03-02T08:00:00Z\"\n"
      "arrivals: [{account: chat, per_hour: 5}]\n"
      "workspace:\n"
      "  workspace_id: shop\n"
      "  routing_groups: [{routing_group_id: desk}]\n"
      "  accounts: [{account: {kind: chat, account_id: chat}, routing_group_id: desk, address: "
      "x}]\n"
      "  queues: [{queue_id: all, routing_group_id: desk}]\n"
      "  agents: [{agent_id: zoe, routing_group_id: desk, queue_ids: [all], capacity_units: 1}]\n";
  const Result good = simulate(day);
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("zoe"));
  const Result typo = simulate(day + "  qeues: []\n");
  EXPECT_EQ(typo.code, 2);
  EXPECT_THAT(typo.err, HasSubstr("day.yaml:9: qeues"));
  EXPECT_THAT(simulate(day + "lenght: 1h\n").err, HasSubstr("day.yaml:9: lenght"));
  EXPECT_THAT(simulate(day + "workspace_file: shop.yaml\n").err, HasSubstr("not both"));
  EXPECT_THAT(simulate("workspace: {workspace_id: shop}\n").err,
              HasSubstr("day.yaml:1: workspace"));
  EXPECT_EQ(Wisselctl({"simulate", "/nowhere.yaml"}).code, 2);
  EXPECT_EQ(Wisselctl({"replay"}).code, 2);
  EXPECT_EQ(Wisselctl({"replay", "--log-file", "/nowhere", "--from", "noon"}).code, 2);
  EXPECT_EQ(Wisselctl({"replay", "--log-file", "/nowhere", "--policy", "/nowhere.yaml"}).code, 2);
}

}  // namespace
}  // namespace wissel::ctl
