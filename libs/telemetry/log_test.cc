#include "libs/telemetry/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "libs/base/ids.h"
#include "libs/base/thread.h"

namespace wissel::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class LogTest : public ::testing::Test {
 protected:
  Logger Make(LogFormat format, Severity min = Severity::kDebug) {
    return Logger(
        {.format = format, .min_severity = min, .clock = &clock_, .write = [this](auto line) {
           lines_.emplace_back(line);
         }});
  }

  ManualClock clock_{absl::FromUnixMillis(1700000000123)};
  std::vector<std::string> lines_;
};

TEST_F(LogTest, TextIsForPeople) {
  Make(LogFormat::kText)
      .Info("partition claimed", {{"partition", 3},
                                  {"epoch", uint64_t{7}},
                                  {"took", absl::Milliseconds(1500)},
                                  {"share", 0.25},
                                  {"warm", true},
                                  {"agent", AgentId("ann")},
                                  {"status", absl::NotFoundError("no topic")},
                                  {"since", absl::FromUnixSeconds(0)}});
  EXPECT_EQ(
      lines_.at(0),
      "2023-11-14T22:13:20.123Z INFO    partition claimed partition=3 epoch=7 took=1.5s share=0.25 "
      "warm=true agent=ann status=\"NOT_FOUND: no topic\" since=1970-01-01T00:00:00.000Z\n");
}

TEST_F(LogTest, JsonHasTypedFields) {
  Make(LogFormat::kJson)
      .With({{"service", "router"}})
      .Error("append failed",
             {{"partition", 3}, {"share", 0.25}, {"fatal", false}, {"why", "a \"b\""}});
  const boost::json::object line = boost::json::parse(lines_.at(0)).as_object();
  EXPECT_EQ(line.at("time"), "2023-11-14T22:13:20.123Z");
  EXPECT_EQ(line.at("severity"), "ERROR");
  EXPECT_EQ(line.at("message"), "append failed");
  EXPECT_EQ(line.at("service"), "router");
  EXPECT_EQ(line.at("partition"), 3);
  EXPECT_EQ(line.at("share"), 0.25);
  EXPECT_EQ(line.at("fatal"), false);
  EXPECT_EQ(line.at("why"), "a \"b\"");
  EXPECT_TRUE(absl::EndsWith(lines_[0], "}\n"));
}

TEST_F(LogTest, InputCannotForgeALine) {
  const std::string evil = "x\n2023-11-14T22:13:20.123Z ERROR forged\x1b[2J\x7f\xff\xc0\x80";
  for (LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    lines_.clear();
    Make(format).Info(evil, {{"value", evil}});
    const std::string& line = lines_.at(0);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    for (char c : line.substr(0, line.size() - 1)) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << line;
    }
    EXPECT_THAT(line, HasSubstr("\xef\xbf\xbd"));
  }
  EXPECT_NO_THROW(boost::json::parse(lines_.at(0)));
}

TEST_F(LogTest, LongValuesAreCutAtACharacter) {
  std::string value = "a";
  while (value.size() < 5000) value += "é";
  Make(LogFormat::kJson).Info("m", {{"value", value}});
  EXPECT_LT(lines_.at(0).size(), 1200u);
  EXPECT_THAT(lines_.at(0), HasSubstr("é…\""));
  EXPECT_THAT(lines_.at(0), Not(HasSubstr("\xef\xbf\xbd")));
}

TEST_F(LogTest, RedactedShowsItsSizeOnly) {
  Make(LogFormat::kText).Info("reply", {{"body", Redacted("my address is")}});
  EXPECT_THAT(lines_.at(0), HasSubstr("body=\"<redacted, 13 bytes>\""));
  EXPECT_THAT(lines_.at(0), Not(HasSubstr("address")));
}

TEST_F(LogTest, LeavesOutWhatIsBelowTheLevel) {
  const Logger log = Make(LogFormat::kText, Severity::kWarning);
  log.Debug("d");
  log.Info("i");
  log.Warning("w");
  log.Error("e");
  EXPECT_EQ(lines_.size(), 2u);
  EXPECT_FALSE(log.Enabled(Severity::kInfo));
  Logger().Error("nowhere");
}

TEST_F(LogTest, LinesOfThreadsAreNotMixed) {
  const Logger log = Make(LogFormat::kText);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.push_back(StartThread("logger", [log, t] {
        for (int i = 0; i < 200; ++i) log.Info("line", {{"thread", t}, {"i", i}});
      }));
    }
  }
  EXPECT_EQ(lines_.size(), 800u);
}

TEST(LogRateLimit, LetsOneThroughAndCountsTheRest) {
  LogRateLimit limit(absl::Seconds(10));
  const absl::Time t = absl::FromUnixSeconds(1000);
  EXPECT_EQ(limit.Take(t), 0);
  EXPECT_EQ(limit.Take(t + absl::Seconds(1)), std::nullopt);
  EXPECT_EQ(limit.Take(t + absl::Seconds(9)), std::nullopt);
  EXPECT_EQ(limit.Take(t + absl::Seconds(10)), 2);
  EXPECT_EQ(limit.Take(t + absl::Seconds(20)), 0);
}

}  // namespace
}  // namespace wissel::telemetry
