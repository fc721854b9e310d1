// `wisselctl replay` on a log, as it was and with another policy.

#include <boost/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/proto_time.h"
#include "libs/bus/embedded.h"
#include "libs/sim/recording.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"
#include "services/ctl/testing.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using wissel::testing::ShopLog;

class ReplayTest : public ::testing::Test {
 protected:
  Result Replay(std::vector<const char*> more = {}) {
    shop_.Sync();
    more.insert(more.begin(), {"replay", "--log-file", path_.c_str()});
    return Wisselctl(std::move(more));
  }
  Result ReplayPolicy(std::vector<const char*> more = {}) {
    more.insert(more.begin(), {"--policy", policy_.c_str()});
    return Replay(std::move(more));
  }
  // Anna holds two; the third customer waits five minutes for her.
  void Work() {
    shop_.Online("anna");
    for (const char* customer : {"31600000001", "31600000002", "31600000003"}) {
      shop_.Open(customer, "nl");
      shop_.Wait(absl::Seconds(5));
      AcceptAll();
    }
    for (int round = 0; round < 2; ++round) {
      shop_.Wait(absl::Minutes(5));
      for (const std::string& id : Open()) {
        const auto& c = *shop_.state().FindConversation(id);
        if (c.agent_id() == "anna") shop_.Resolve("anna", id);
      }
      shop_.Wait(absl::Seconds(5));
      AcceptAll();
    }
  }
  std::vector<std::string> Open() const {
    std::vector<std::string> ids;
    for (const auto& [id, c] : shop_.state().conversations()) {
      if (domain::IsOpen(*c)) ids.push_back(id);
    }
    return ids;
  }
  void AcceptAll() {
    for (const std::string& id : Open()) {
      if (!shop_.state().FindConversation(id)->has_offer()) continue;
      shop_.Accept(id);
      shop_.Reply("anna", id, "one moment");
    }
  }
  static std::string Rfc3339(absl::Time time) {
    return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
  }

  static std::string Yaml(config::v1::WorkspaceConfig config) {
    config.clear_version();
    for (auto& account : *config.mutable_accounts()) account.set_address("desk");
    return FormatWorkspaceYaml(config);
  }
  // The shop's, but that anna can hold three.
  static std::string Policy() {
    config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
    config.mutable_agents(0)->set_capacity_units(3);
    return Yaml(config);
  }

  const wissel::testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/log.sqlite";
  const std::string policy_ = Write(dir_, "new.yaml", Policy());
  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.path = path_, .partitions = 1});
  ShopLog shop_{*bus_, 0, ShopLog::Inputs::kInTheirTopics};
};

TEST_F(ReplayTest, SaysHowManyAreTheSame) {
  Work();
  const Result all = Replay();
  EXPECT_EQ(all.code, 0) << all.err;
  const std::string decisions = all.out.substr(0, all.out.find(' '));
  EXPECT_THAT(decisions, ContainsRegex("^[1-9][0-9]*$"));
  EXPECT_EQ(all.out, absl::StrCat(decisions, " decisions, ", decisions, " identical\n"));
}

TEST_F(ReplayTest, ATimeIsTakenAsTheTablesPrintIt) {
  Work();
  const std::string from = FormatTime(ToProto(shop_.now + absl::Hours(1)));
  const Result empty = Replay({"--from", from.c_str()});
  EXPECT_EQ(empty.code, 4) << empty.err;
  EXPECT_THAT(empty.err, HasSubstr("nothing was decided in that time"));
  const std::string whole = FormatTime(ToProto(shop_.now - absl::Hours(1000)));
  EXPECT_EQ(Replay({"--from", whole.c_str()}).code, 0);
}

TEST_F(ReplayTest, ARangeInWhichNothingIsComparedIsNoSuccess) {
  Work();
  const std::string from = Rfc3339(shop_.now + absl::Hours(1));
  const std::string to = Rfc3339(shop_.now + absl::Hours(2));
  for (const char* format : {"table", "json"}) {
    const Result empty = Replay({"--from", from.c_str(), "--to", to.c_str(), "--output", format});
    EXPECT_EQ(empty.code, 4);
    EXPECT_EQ(empty.out, "");
    EXPECT_THAT(empty.err, HasSubstr("nothing was decided in that time"));
  }
  EXPECT_EQ(ReplayPolicy({"--from", from.c_str(), "--to", to.c_str()}).code, 4);
  const Result backwards = Replay({"--from", to.c_str(), "--to", from.c_str()});
  EXPECT_EQ(backwards.code, 2);
  EXPECT_THAT(backwards.err, HasSubstr("is later than --to"));
  EXPECT_EQ(ReplayPolicy({"--from", to.c_str(), "--to", from.c_str()}).code, 2);
  for (const char* no_time : {"infinite-future", "infinite-past", "noon"}) {
    EXPECT_THAT(Replay({"--from", no_time}).err, HasSubstr("expected a time such as"));
    EXPECT_EQ(Replay({"--to", no_time}).code, 2);
  }
}

TEST_F(ReplayTest, AnotherPolicyStandsBesideWhatWas) {
  Work();
  const Result table = ReplayPolicy({"--first-response", "5m"});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("new.yaml against version 1"));
  EXPECT_THAT(table.out, ContainsRegex("conversations +3 +3 +3 +same"));
  // Two wait for five seconds, the third for five minutes, unless anna can hold three. Together
  // they take 930 seconds of her units; she is there for 620.
  for (const char* row :
       {"wait, mean +1m47s +1m47s +5.0s +-1m42s", "wait, p50 +5.0s +5.0s +5.0s +same",
        "wait, p90 +5m10s +5m10s +5.0s +-5m05s", "wait, p99 +5m10s +5m10s +5.0s +-5m05s",
        "served within 1m +2 +2 +3 +[+]1", "first answer, p50 +5.0s +5.0s +5.0s +same",
        "first answer, p90 +5m10s +5m10s +5.0s +-5m05s", "first answer over 5m +1 +1 +0 +-1",
        "left before an agent had them +0 +0 +0 +same", "offers made +3 +3 +3 +same",
        "offers missed +0 +0 +0 +same", "occupancy +75.0% +75.0% +50.0% +-25.0%",
        "nl +5.0s +5.0s +5.0s +5m10s +5m10s +5.0s", "anna +3 +3 +3 +75.0% +75.0% +50.0%"}) {
    EXPECT_THAT(table.out, ContainsRegex(absl::StrCat("\n", row, "\n")));
  }
  EXPECT_THAT(table.out, ContainsRegex("queue +p50 recorded"));
  EXPECT_THAT(table.out, HasSubstr("Assumed:\n- customers write first when they did"));
  EXPECT_EQ(table.err, "");

  const Result json = ReplayPolicy({"--output", "json"});
  EXPECT_EQ(json.code, 0) << json.err;
  const boost::json::value report = boost::json::parse(json.out);
  EXPECT_EQ(report.at("recorded").at("total").at("arrived"), 3);
  EXPECT_EQ(report.at("repeated").at("total").at("wait"),
            report.at("recorded").at("total").at("wait"));
  EXPECT_LT(report.at("changed").at("total").at("wait").at("max_s").as_double(),
            report.at("repeated").at("total").at("wait").at("max_s").as_double());
  EXPECT_GE(report.at("assumptions").as_array().size(), 5);
}

// A policy under which an offer stands for a minute keeps who is not answered waiting for longer.
TEST_F(ReplayTest, WhatIsMissedIsMissedAgain) {
  shop_.Online("anna");
  shop_.Open("31600000001", "nl");
  shop_.Wait(absl::Seconds(30));  // missed
  shop_.Wait(absl::Seconds(65));  // offered again after a minute
  AcceptAll();
  shop_.Wait(absl::Minutes(2));
  for (const std::string& id : Open()) shop_.Resolve("anna", id);
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  *config.mutable_queues(0)->mutable_offer_timeout() = ToProto(absl::Minutes(1));
  const std::string policy = Write(dir_, "slower.yaml", Yaml(config));
  const Result table = Replay({"--policy", policy.c_str()});
  EXPECT_EQ(table.code, 0) << table.err;
  for (const char* row : {"offers made +2 +2 +2 +same", "offers missed +1 +1 +1 +same",
                          "wait, p50 +1m35s +1m35s +2m05s +[+]30s",
                          "first answer, p50 +1m35s +1m35s +2m05s +[+]30s"}) {
    EXPECT_THAT(table.out, ContainsRegex(absl::StrCat("\n", row, "\n")));
  }
}

// Retention has taken the configuration, the agents and whom they were with; all of it is restated.
TEST_F(ReplayTest, OfACutLogAnotherPolicySeesWhatIsWhole) {
  shop_.Online("anna");
  const std::string first = shop_.Open("31600000001", "nl");
  shop_.Accept(first);
  const int64_t cut = shop_.end();
  shop_.TakeOver();  // What is left begins with a claim.
  shop_.Open("31600000002", "nl");
  shop_.Sync();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const std::string begins = absl::StrCat("the log begins at [0]@", cut);
  const Result none = ReplayPolicy();
  EXPECT_EQ(none.code, 4) << none.out;
  EXPECT_THAT(none.err, HasSubstr("has not been restated by then"));
  EXPECT_THAT(none.err, HasSubstr(begins));
  EXPECT_EQ(none.out, "");

  shop_.Restate();
  const absl::Time whole = shop_.now;
  AcceptAll();
  shop_.Open("31600000003", "nl");
  shop_.Wait(absl::Minutes(5));
  shop_.Resolve("anna", first);
  shop_.Wait(absl::Seconds(1));
  AcceptAll();
  shop_.Wait(absl::Seconds(1));
  const Result table = ReplayPolicy();
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.err, HasSubstr(begins));
  EXPECT_THAT(table.out, ContainsRegex("conversations +1 +1 +1 +same")) << "of what came later";
  EXPECT_THAT(table.out, ContainsRegex("wait, p99 +5m[0-9]+s +5m[0-9]+s +"));
  EXPECT_THAT(table.out, ContainsRegex("anna +[1-9] +[1-9] +[1-9]"));
  const Result json = ReplayPolicy({"--output", "json"});
  absl::Time start;
  std::string error;
  ASSERT_TRUE(absl::ParseTime(
      absl::RFC3339_full,
      std::string(boost::json::parse(json.out).at("recorded").at("start").as_string()), &start,
      &error));
  EXPECT_GE(start, whole - absl::Seconds(1));
  EXPECT_LE(start, whole);
  // Who asks for later has all of it.
  const std::string from = Rfc3339(whole);
  EXPECT_EQ(ReplayPolicy({"--from", from.c_str()}).err, "");
}

// The configuration's own texts come from the engine again, and are nobody's answers.
TEST_F(ReplayTest, WhatAQueuesRuleSentIsNotRepeatedAsAnAnswer) {
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig(2);
  config::v1::OverflowRule& rule = *config.mutable_queues(0)->add_overflow_rules();
  *rule.mutable_after() = ToProto(absl::Seconds(10));
  rule.set_send_text("a moment, please");
  shop_.Apply(config);
  shop_.Open("31600000001", "nl");
  shop_.Wait(absl::Minutes(1));
  shop_.Sync();
  sim::Recorder recorder({});
  int sent = 0;
  WISSEL_ASSERT_OK(WalkLog(*bus_, {}, [&](const LogItem& item) {
    if (item.entry != nullptr && item.entry->record.has_decision()) {
      recorder.Take(item.entry->record.decision());
      for (const auto& event : item.entry->record.decision().events()) {
        sent += event.has_reply_sent() ? 1 : 0;
      }
    }
    return absl::OkStatus();
  }));
  EXPECT_EQ(sent, 1);
  const auto recording = recorder.Finish();
  WISSEL_ASSERT_OK(recording);
  ASSERT_EQ(recording->customers.size(), 1u);
  for (const sim::Step& step : recording->customers[0].steps) {
    EXPECT_GT(step.at, absl::ZeroDuration()) << "what is assumed to follow, not what was sent";
  }
}

TEST_F(ReplayTest, WhatIsNotRepeatedIsAmongTheAssumptions) {
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig(2);
  *config.mutable_queues(0)->mutable_wrap_up_time() = ToProto(absl::Minutes(5));
  shop_.Apply(config);
  shop_.Online("anna");
  const std::string id = shop_.Open("31600000001", "nl");
  shop_.Accept(id);
  EXPECT_THAT(ReplayPolicy().out, Not(HasSubstr("a bot answered")));
  command::v1::Command command = domain::testing::CommandBy("anna", "update");
  command.mutable_update_conversation()->set_conversation_id(id);
  command.mutable_update_conversation()->set_priority_points(9);
  shop_.Do(command);
  command = domain::testing::CommandBy("anna", "bot");
  command.mutable_actor()->set_role(common::v1::ROLE_BOT);
  command.mutable_send_reply()->set_conversation_id(id);
  command.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text("hi");
  shop_.Do(command);
  shop_.Resolve("anna", id);
  command = domain::testing::CommandBy("anna", "done");
  command.mutable_end_wrap_up()->set_agent_id("anna");
  shop_.Do(command);
  const Result result = ReplayPolicy();
  EXPECT_EQ(result.code, 0) << result.err;
  for (const char* line :
       {"once the priority, language or facts of a conversation were set",
        "once an agent ended after-work before its time", "once a bot answered"}) {
    EXPECT_THAT(result.out, HasSubstr(line));
  }
}

TEST_F(ReplayTest, TheThreeAreDrawn) {
  Work();
  const std::string plot = dir_.path() + "/change.svg";
  EXPECT_EQ(ReplayPolicy({"--plot", plot.c_str()}).code, 0);
  std::stringstream svg;
  svg << std::ifstream(plot).rdbuf();
  for (const char* text :
       {"<svg", "new.yaml against version 1", "recorded", "repeated", "changed"}) {
    EXPECT_THAT(svg.str(), HasSubstr(text));
  }
  const std::string picture = dir_.path() + "/change.png";
  EXPECT_EQ(ReplayPolicy({"--plot", picture.c_str()}).code, 0);
  std::stringstream png;
  png << std::ifstream(picture, std::ios::binary).rdbuf();
  EXPECT_EQ(png.str().substr(0, 8), "\x89PNG\r\n\x1a\n");
  EXPECT_GT(png.str().size(), 10'000u);
  const Result pdf = ReplayPolicy({"--plot", "change.pdf"});
  EXPECT_EQ(pdf.code, 2);
  EXPECT_THAT(pdf.err, HasSubstr("ends in .svg or .png"));
}

TEST_F(ReplayTest, WhereNobodyComesThereIsNoWait) {
  Work();
  const std::string from = Rfc3339(shop_.now);
  shop_.Online("bram");
  shop_.Wait(absl::Minutes(10));
  const Result quiet = ReplayPolicy({"--from", from.c_str()});
  EXPECT_EQ(quiet.code, 0) << quiet.err;
  EXPECT_THAT(quiet.out, ContainsRegex("wait, mean +- +- +- +-\n"));
  EXPECT_THAT(quiet.out, ContainsRegex("first answer, p90 +- +- +- +-\n"));
  EXPECT_THAT(quiet.out, HasSubstr("Nobody came in that time"));
  const Result json = ReplayPolicy({"--from", from.c_str(), "--output", "json"});
  EXPECT_TRUE(
      boost::json::parse(json.out).at("changed").at("total").at("wait").at("p50_s").is_null());
}

TEST_F(ReplayTest, WhatApplyWouldWarnOfIsSaid) {
  Work();
  config::v1::WorkspaceConfig config = domain::testing::ShopConfig();
  config.mutable_queues(0)->mutable_required_skills(0)->set_proficiency(9);
  const std::string policy = Write(dir_, "warned.yaml", Yaml(config));
  const Result result = Replay({"--policy", policy.c_str()});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.err, ContainsRegex("! .*warned.yaml: queues\\[nl\\]"));
  EXPECT_THAT(result.out, Not(HasSubstr("! ")));
}

TEST_F(ReplayTest, AFileThatIsNoLogIsNamed) {
  const std::string text = Write(dir_, "notes.txt", std::string(10'000, 'x'));
  for (const char* command : {"replay", "explain"}) {
    std::vector<const char*> arguments = {command, "--log-file", text.c_str()};
    if (command == std::string("explain")) arguments.push_back("6a1f");
    const Result result = Wisselctl(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("notes.txt"));
  }
}

}  // namespace
}  // namespace wissel::ctl
