#include "services/ctl/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "libs/bus/embedded.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(Cli, ExitCodesTellWhatWentWrong) {
  const wissel::testing::TempDir dir;
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\n");
  const std::string bad = Write(dir, "bad.yaml", "workspace_id: shop\nqueus: []\n");
  // Nobody listens on port 1.
  const auto with = [](std::vector<const char*> command) {
    command.insert(command.end(), {"--timeout", "300ms"});
    return WisselctlAt("127.0.0.1:1", command);
  };
  EXPECT_EQ(Wisselctl({"version"}).code, 0);
  EXPECT_EQ(Wisselctl({"--help"}).code, 0);
  EXPECT_EQ(Wisselctl({}).code, 2);
  EXPECT_EQ(Wisselctl({"dance"}).code, 2);
  EXPECT_EQ(Wisselctl({"log", "tail", "--output", "xml"}).code, 2);
  EXPECT_EQ(with({"topics", "check"}).code, 3);
  EXPECT_EQ(with({"apply", "-f", shop.c_str()}).code, 3);
  const Result wrong = with({"apply", "-f", bad.c_str()});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_THAT(wrong.err, HasSubstr("bad.yaml:2: queus: expected one of"));
  EXPECT_EQ(with({"apply", "-f", "/nowhere"}).code, 2);
  EXPECT_EQ(with({"apply", "-f", shop.c_str(), "--workspace", "other"}).code, 2);
  EXPECT_EQ(Wisselctl({"log", "tail", "--log-file", "/nowhere"}).code, 2);
  EXPECT_EQ(
      Wisselctl({"conversations", "list", "--server", "127.0.0.1:1", "--insecure-local"}).code, 4);
}

TEST(Cli, WhatNeedsNoServerNeedsNoContext) {
  const wissel::testing::TempDir dir;
  const std::string bad = Write(dir, "bad.yaml", "sevrer: x\n");
  for (const char* context : {"/nowhere.yaml", bad.c_str()}) {
    EXPECT_EQ(Wisselctl({"version", "--context", context}).code, 0);
    EXPECT_EQ(Wisselctl({"completion", "bash", "--context", context}).code, 0);
    EXPECT_EQ(Wisselctl({"normalize", "whatsapp", "deploy/examples/messages/where-is-my-bike.json",
                         "--context", context})
                  .code,
              0);
    EXPECT_EQ(Wisselctl({"topics", "check", "--context", context}).code, 2);
  }
}

TEST(Cli, YamlIsRefusedWhereThereIsNone) {
  for (const std::vector<const char*>& command : std::vector<std::vector<const char*>>{
           {"simulate", "deploy/examples/scenarios/web-shop.yaml"},
           {"agent"},
           {"conversations", "tail"},
           {"log", "tail"},
           {"replay"}}) {
    std::vector<const char*> arguments = command;
    arguments.insert(arguments.end(), {"-o", "yaml"});
    const Result result = Wisselctl(arguments);
    EXPECT_EQ(result.code, 2) << command[0];
    EXPECT_THAT(result.err, HasSubstr("no YAML")) << command[0];
    EXPECT_EQ(result.out, "");
  }
}

TEST(Cli, OutputThatCannotBeWrittenIsAFailure) {
  std::istringstream in;
  std::ofstream out("/dev/full");
  std::ostringstream err;
  Session session(in, out, err);
  const std::vector<const char*> arguments = {"wisselctl", "version"};
  EXPECT_EQ(ctl::Run(static_cast<int>(arguments.size()), arguments.data(), session), 1);
  EXPECT_THAT(err.str(), HasSubstr("could not be written"));
}

TEST(Cli, WaitsForALimitedTime) {
  for (const char* duration : {"inf", "0", "-1s", "soon"}) {
    const Result result = Wisselctl({"version", "--timeout", duration});
    EXPECT_EQ(result.code, 2) << duration;
    EXPECT_THAT(result.err, HasSubstr("--timeout: expected a duration such as 10s, found"));
  }
}

TEST(Cli, ReferencePageHasEveryCommand) {
  const Result result = Wisselctl({"--help-all"});
  EXPECT_EQ(result.code, 0);
  for (const char* command :
       {"## wisselctl apply", "## wisselctl log verify", "## wisselctl agent do"}) {
    EXPECT_THAT(result.out, HasSubstr(command));
  }
  for (const char* usage :
       {"Usage: wisselctl [", "Usage: wisselctl apply [", "Usage: wisselctl log verify ["}) {
    EXPECT_THAT(result.out, HasSubstr(usage));
  }
}

TEST(Cli, HolidaysBecomeSpecialDays) {
  const Result good = Wisselctl(
      {"holidays", "libs/routing/corpus/holidays/netherlands", "--from", "2026", "--to", "2026"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("special_days:\n"));
  EXPECT_THAT(good.out, HasSubstr("{date: \"2026-12-25\", name: \"Kerst"));
  EXPECT_THAT(good.err, HasSubstr("left out 2 events that are cancelled or take up no time"));
  const Result other = Wisselctl({"holidays", "CMakeLists.txt", "--from", "2026", "--to", "2026"});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("CMakeLists.txt: line 1: "));
  const Result backwards =
      Wisselctl({"holidays", "CMakeLists.txt", "--from", "2027", "--to", "2026"});
  EXPECT_EQ(backwards.code, 2);
  EXPECT_THAT(backwards.err, HasSubstr("--from 2027 is later than --to 2026"));
}

TEST(Cli, LogTailFromBeyondTheEndSaysWhereTheEndIs) {
  const wissel::testing::TempDir dir;
  const std::string file = dir.path() + "/log.sqlite";
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus,
                                bus::NewEmbeddedBus({.path = file, .partitions = 1}));
    wissel::testing::ShopLog shop(*bus);
    shop.Sync();
  }
  const Result all = Wisselctl({"log", "tail", "--log-file", file.c_str()});
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.out, StartsWith("[0]@0"));
  const Result beyond = Wisselctl({"log", "tail", "--log-file", file.c_str(), "--from", "99999"});
  EXPECT_EQ(beyond.code, 4);
  EXPECT_THAT(beyond.err, HasSubstr("beyond the end, which is [0]@"));
}

}  // namespace
}  // namespace wissel::ctl
