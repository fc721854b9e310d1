// `wisselctl explain` and `sla` on a log, and what they say of the agents.

#include <boost/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "absl/strings/str_split.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing_shop.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "services/ctl/standing.h"
#include "services/ctl/testing.h"

namespace wissel::ctl {
namespace {

using domain::testing::Shop;
using domain::testing::ShopConfig;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using wissel::testing::ShopLog;

// Anna has room for one of weight 2, of 3 units; carol serves another queue, without Dutch; dirk
// cannot hold anything.
config::v1::WorkspaceConfig HeavyChats() {
  config::v1::WorkspaceConfig config = ShopConfig();
  config.mutable_channels(0)->set_weight_units(2);
  config.mutable_channels(0)->set_max_conversations(1);
  config.mutable_agents(0)->set_capacity_units(3);
  config::v1::Agent dirk = config.agents(1);
  dirk.set_agent_id("dirk");
  dirk.set_capacity_units(0);
  *config.add_agents() = dirk;
  return config;
}

std::vector<std::string> Describe(Shop& shop, const std::string& conversation_id) {
  std::vector<std::string> lines;
  for (const AgentStanding& standing : JudgeAgents(shop.engine().state(), conversation_id)) {
    lines.push_back(DescribeStanding(standing));
  }
  return lines;
}

TEST(Standing, NamesAllThatKeepsAnAgentFromIt) {
  Shop shop(HeavyChats());
  shop.Online("anna");
  const std::string first = shop.Open("31600000001", "nl");
  const std::string second = shop.Open("31600000002", "nl");
  EXPECT_THAT(
      Describe(shop, second),
      ElementsAre(
          "anna: has no room: 2 units needed, 1 of 3 free: 1 more would have to be done, "
          "or a capacity of 4; holds 1 whatsapp conversation, 1 allowed: fewer, or a limit "
          "of 2",
          "bram: is not connected: would have to connect and be available",
          "carol: does not serve queue nl: add it to their queue_ids; lacks lang:nl at 5 "
          "(does not have it); is not connected: would have to connect and be available; has no "
          "room: 2 units needed, 1 of 1 free: a capacity of 2",
          "dirk: is not connected: would have to connect and be available; has no room: 2 units "
          "needed, 0 of 0 free: a capacity of 2"));
  EXPECT_EQ(Describe(shop, first)[0], "anna: is asked");
  shop.Do(shop.Accept(first));
  EXPECT_EQ(Describe(shop, first)[0], "anna: has it");
}

// What the text tells people to change, done.
TEST(Standing, WhatIsNamedIsEnough) {
  config::v1::WorkspaceConfig config = HeavyChats();
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  config.set_version(2);
  config::v1::Agent& carol = *config.mutable_agents(2);
  carol.add_queue_ids("nl");
  carol.add_skills()->set_skill_id("lang:nl");
  carol.mutable_skills()->rbegin()->set_proficiency(5);
  carol.set_capacity_units(2);
  shop.Apply(config);
  EXPECT_EQ(Describe(shop, id)[2],
            "carol: is not connected: would have to connect and be available");
  shop.Online("carol");
  EXPECT_EQ(Describe(shop, id)[2], "carol: is asked");
}

TEST(Standing, IsTheSameAsJson) {
  Shop shop(HeavyChats());
  const std::string id = shop.Open("31600000001", "nl");
  const boost::json::array agents = StandingsJson(JudgeAgents(shop.engine().state(), id));
  ASSERT_EQ(agents.size(), 4);
  const boost::json::object& carol = agents[2].as_object();
  EXPECT_EQ(carol.at("agent_id"), "carol");
  EXPECT_EQ(carol.at("eligible"), false);
  const boost::json::array& reasons = carol.at("reasons").as_array();
  ASSERT_EQ(reasons.size(), 4);
  EXPECT_EQ(reasons[0].at("reason"), "not_in_queue");
  EXPECT_EQ(boost::json::serialize(reasons[0].at("queue_ids")), R"(["nl"])");
  EXPECT_EQ(reasons[1].at("any_of").at(0).at("skill_id"), "lang:nl");
  EXPECT_EQ(reasons[1].at("any_of").at(0).at("needed"), 5);
  EXPECT_EQ(reasons[2].at("connected"), false);
  EXPECT_EQ(reasons[3].at("needed_units"), 2);
  EXPECT_EQ(reasons[3].at("capacity_units"), 1);
}

class ExplainTest : public ::testing::Test {
 protected:
  Result Explain(std::vector<const char*> more = {}) { return Command("explain", std::move(more)); }
  Result Command(const char* name, std::vector<const char*> more) {
    shop_.Sync();
    std::vector<const char*> arguments = {name, id_.c_str(), "--log-file", path_.c_str()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Wisselctl(std::move(arguments));
  }

  static config::v1::WorkspaceConfig Promising() {
    config::v1::WorkspaceConfig config = ShopConfig();
    domain::testing::Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
    auto& step = *domain::testing::QueueIn(config, "en").add_relaxation_steps();
    *step.mutable_after() = ToProto(absl::Minutes(4));
    step.add_drop_skill_ids("lang:en");
    step.add_widen_to_queue_ids("nl");
    return config;
  }

  const wissel::testing::TempDir dir_;
  const std::string path_ = dir_.path() + "/log.sqlite";
  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.path = path_, .partitions = 1});
  ShopLog shop_{*bus_, 0, ShopLog::Inputs::kNowhere, Promising()};
  const absl::Time opened_ = shop_.now;
  std::string id_;
};

TEST_F(ExplainTest, TheClocksStandBesideTheStretches) {
  id_ = shop_.Open("31600000001", "nl");
  const Result begun = Command("sla", {});
  EXPECT_EQ(begun.code, 0) << begun.err;
  EXPECT_THAT(begun.out, HasSubstr("nothing has counted yet: the clocks have just begun"));
  EXPECT_THAT(begun.out, Not(HasSubstr("CYCLE")));
  shop_.Wait(absl::Minutes(2));
  shop_.Online("anna");
  const Result later = Command("sla", {"--output", "json"});
  const boost::json::value sla = boost::json::parse(later.out);
  EXPECT_EQ(sla.at("conversation_id").as_string(), id_);
  const boost::json::value& clock = sla.at("clocks").at(0);
  EXPECT_EQ(clock.at("metric"), "first_response");
  EXPECT_EQ(clock.at("state"), "running");
  EXPECT_EQ(clock.at("used_seconds"), 120.0);
  EXPECT_EQ(clock.at("target_seconds"), 600.0);
  EXPECT_EQ(clock.at("due").as_string(),
            absl::FormatTime(absl::RFC3339_full, opened_ + absl::Minutes(10), absl::UTCTimeZone()));
  EXPECT_EQ(sla.at("stretches").at(0).at("kind"), "counted");
  EXPECT_EQ(sla.at("stretches").at(0).at("seconds"), 120.0);
}

TEST_F(ExplainTest, WhatACustomerWroteCannotSteerTheTerminal) {
  message::v1::InboundMessage message = domain::testing::Text("31600000001", 1, "nl");
  message.mutable_sender()->set_display_name(kHostileName);
  message.mutable_contents(0)->mutable_text()->set_text(kHostileName);
  id_ = shop_.Receive(message).events(0).conversation_opened().conversation_id();
  for (const char* format : {"table", "json"}) {
    const Result explained = Explain({"-o", format});
    EXPECT_THAT(explained.out, HasSubstr("Jan")) << explained.err;
    EXPECT_EQ(SteeringIn(explained), "") << format;
    const Result log = Wisselctl({"log", "tail", "--log-file", path_.c_str(), "-o", format});
    EXPECT_THAT(log.out, HasSubstr("Jan")) << log.err;
    EXPECT_EQ(SteeringIn(log), "") << format;
  }
}

TEST_F(ExplainTest, NumbersTheEventsAndSaysHowEachAgentStood) {
  shop_.Online("anna");
  id_ = shop_.Open("31600000001", "nl");
  shop_.Accept(id_);
  const Result all = Explain();
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.out, HasSubstr("\n    1  conversation opened"));
  EXPECT_THAT(all.out, HasSubstr("\n    3  waits in queue nl (new)\n"));
  EXPECT_THAT(all.out, HasSubstr("\n    5  offered to anna until"));
  EXPECT_THAT(all.out, HasSubstr("asked for: lang:nl 5; of queue nl; 1 unit for whatsapp\n"));
  EXPECT_THAT(all.out, HasSubstr("priority 0\n"));
  EXPECT_THAT(all.out, HasSubstr("  anna: may take it, 2 units free\n"));
  EXPECT_THAT(all.out, HasSubstr("carol: does not serve queue nl: add it to their queue_ids; "
                                 "lacks lang:nl at 5 (does not have it); is not connected"));

  // Of any event, also where nobody was being chosen.
  const Result waits = Explain({"--at", "3"});
  EXPECT_EQ(waits.code, 0);
  EXPECT_THAT(waits.out, HasSubstr("    3  waits in queue nl"));
  EXPECT_THAT(waits.out, Not(HasSubstr("    4  ")));
  EXPECT_THAT(waits.out, HasSubstr("anna: may take it, 2 units free\n"));
  EXPECT_THAT(waits.out, HasSubstr("carol: does not serve queue nl"));
  const Result active = Explain({"--at", "7"});
  EXPECT_THAT(active.out, HasSubstr("nobody is sought for it: it is active; were it to wait"));
  EXPECT_THAT(active.out, HasSubstr("anna: has it\n"));

  for (const char* event : {"1", "2", "3", "4", "5", "6", "7"}) {
    EXPECT_EQ(Explain({"--at", event}).code, 0) << event;
  }
  const Result none = Explain({"--at", "99"});
  EXPECT_EQ(none.code, 5);
  EXPECT_THAT(none.err, HasSubstr("has 7 events, and none of number 99"));
}

TEST_F(ExplainTest, SaysWhatRelaxationChanged) {
  id_ = shop_.Open("31600000001", "en");
  shop_.Wait(absl::Minutes(5));
  shop_.Online("bram");
  const Result all = Explain();
  EXPECT_THAT(all.out, HasSubstr("asked for: lang:en 5; of queue en; 1 unit for whatsapp\n"));
  EXPECT_THAT(
      all.out,
      HasSubstr("asked for: of queues en, nl; 1 unit for whatsapp\n"
                "         relaxed, step 1 of 1: without lang:en, also queue nl after 4m\n"));
  EXPECT_THAT(all.out, HasSubstr("chosen: bram, only helps out, idle since"));
}

// Another workspace on the partition has a queue of that name too, and comes first.
TEST_F(ExplainTest, TheRelaxationIsThatOfTheConversationsOwnWorkspace) {
  config::v1::WorkspaceConfig other = Promising();
  other.set_workspace_id("aaa");
  *domain::testing::QueueIn(other, "en").mutable_relaxation_steps(0)->mutable_after() =
      ToProto(absl::Minutes(77));
  shop_.Apply(other);
  id_ = shop_.Open("31600000001", "en");
  shop_.Wait(absl::Minutes(5));
  shop_.Online("bram");
  const Result all = Explain();
  EXPECT_THAT(all.out, HasSubstr("relaxed, step 1 of 1: without lang:en, also queue nl after 4m"));
}

// The stretches of a metric that are not pauses.
double Counted(const boost::json::value& sla, absl::string_view metric) {
  double sum = 0;
  for (const boost::json::value& stretch : sla.at("stretches").as_array()) {
    if (stretch.at("metric") != boost::json::string_view(metric.data(), metric.size())) continue;
    if (stretch.at("kind") == "paused" || stretch.at("kind") == "out of hours") continue;
    sum += stretch.at("seconds").as_double();
  }
  return sum;
}

TEST_F(ExplainTest, OfWhatRetentionHasTakenSlaKnowsTheSum) {
  id_ = shop_.Open("31600000001", "nl");
  shop_.Wait(absl::Minutes(2));
  const int64_t cut = shop_.end();
  shop_.Restate();
  shop_.Wait(absl::Minutes(3));
  shop_.Online("anna");
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const std::string begins = absl::StrCat("[0]@", cut);

  const Result json = Command("sla", {"--output", "json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const boost::json::value sla = boost::json::parse(json.out);
  EXPECT_EQ(sla.at("sla_policy_id"), "policy-1");
  EXPECT_EQ(sla.at("log_begins").at("offset"), cut);
  EXPECT_EQ(sla.at("known_since").as_string(),
            absl::FormatTime(absl::RFC3339_full, opened_ + absl::Minutes(2), absl::UTCTimeZone()));
  for (const boost::json::value& clock : sla.at("clocks").as_array()) {
    EXPECT_NEAR(Counted(sla, clock.at("metric").as_string().c_str()),
                clock.at("used_seconds").as_double(), 1e-6)
        << clock.at("metric");
  }
  const boost::json::value& first = sla.at("stretches").at(0);
  EXPECT_EQ(first.at("metric"), "first_response");
  EXPECT_EQ(first.at("kind"), "unknown");
  EXPECT_TRUE(first.at("from").is_null());
  EXPECT_EQ(first.at("seconds"), 120.0);
  EXPECT_EQ(sla.at("stretches").at(1).at("kind"), "counted");

  const Result table = Command("sla", {});
  EXPECT_EQ(table.code, 0) << table.err;
  EXPECT_THAT(table.err, HasSubstr(absl::StrCat("the log begins at ", begins)));
  EXPECT_THAT(table.out, ContainsRegex("first_response +1 +- +[^ ]+ [^ ]+ +2m +unknown"));
}

TEST_F(ExplainTest, OfACutLogThatRestatesNothingSlaSaysThatItDoesNotKnow) {
  shop_.Online("anna");
  id_ = shop_.Open("31600000001", "nl");
  const int64_t cut = shop_.end();
  shop_.TakeOver();  // What is left begins with a claim.
  shop_.Accept(id_);
  shop_.Sync();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const Result sla = Command("sla", {});
  EXPECT_EQ(sla.code, 4) << sla.out;
  EXPECT_THAT(sla.err, HasSubstr(absl::StrCat("the log begins at [0]@", cut)));
  EXPECT_THAT(sla.err, Not(HasSubstr("under no SLA policy")));
}

TEST_F(ExplainTest, OfACutLogExplainSaysWhatItDoesNotKnow) {
  shop_.Online("anna");
  id_ = shop_.Open("31600000001", "nl");
  const int64_t cut = shop_.end();
  shop_.TakeOver();  // What is left begins with a claim.
  shop_.Accept(id_);
  shop_.Restate();
  command::v1::Command back = domain::testing::CommandBy("anna", "back");
  back.mutable_transfer()->set_conversation_id(id_);
  back.mutable_transfer()->set_queue_id("nl");
  shop_.Do(back);
  shop_.Sync();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(bus::Topic::kLog, 0, cut));
  const Result all = Explain();
  EXPECT_EQ(all.code, 0) << all.err;
  EXPECT_THAT(all.err, HasSubstr(absl::StrCat("the log begins at [0]@", cut)));
  EXPECT_THAT(all.err, HasSubstr("events are numbered from the first that is left"));
  EXPECT_THAT(all.out, HasSubstr("    1  anna accepted"));
  // Until the round is complete some agents may be missing.
  const Result accepted = Explain({"--at", "1"});
  EXPECT_THAT(accepted.out, HasSubstr("how the agents stood is not known"));
  EXPECT_THAT(accepted.out, Not(HasSubstr("anna: ")));
  const Result json = Explain({"--at", "1", "--output", "json"});
  EXPECT_EQ(boost::json::parse(json.out).at("log_begins").at("offset"), cut);
  EXPECT_EQ(boost::json::parse(json.out).at("agents_known"), false);
  EXPECT_THAT(Explain().out, HasSubstr("carol: does not serve queue nl"));
  // Of somebody whom no event names any more.
  id_ = "ffffffff";
  const Result none = Explain();
  EXPECT_EQ(none.code, 5);
  EXPECT_THAT(none.err, HasSubstr(absl::StrCat("the log begins at [0]@", cut)));
}

TEST_F(ExplainTest, JsonHasTheSame) {
  shop_.Online("anna");
  id_ = shop_.Open("31600000001", "nl");
  const Result all = Explain({"--output", "json"});
  EXPECT_EQ(all.code, 0) << all.err;
  std::vector<std::string> lines = absl::StrSplit(all.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 5);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(boost::json::parse(lines[i]).at("number"), static_cast<int>(i) + 1);
  }
  const boost::json::value offered = boost::json::parse(lines[4]);
  EXPECT_EQ(offered.at("offered").at("agent_id"), "anna");
  EXPECT_EQ(offered.at("agents").at(0).at("eligible"), true);
  EXPECT_EQ(offered.at("agents").at(2).at("reasons").at(0).at("reason"), "not_in_queue");
  const Result third = Explain({"--output", "json", "--at", "3"});
  EXPECT_THAT(third.out, HasSubstr("\"number\":3,"));
  EXPECT_EQ(boost::json::parse(third.out).at("agents").as_array().size(), 3);
}

TEST_F(ExplainTest, YamlHasTheSame) {
  shop_.Online("anna");
  id_ = shop_.Open("31600000001", "nl");
  const Result all = Explain({"--output", "yaml"});
  EXPECT_EQ(all.code, 0) << all.err;
  const std::vector<YAML::Node> events = YAML::LoadAll(all.out);
  ASSERT_EQ(events.size(), 5);
  for (size_t i = 0; i < events.size(); ++i) EXPECT_EQ(events[i]["number"].as<size_t>(), i + 1);
  EXPECT_EQ(events[4]["offered"]["agent_id"].Scalar(), "anna");
  EXPECT_TRUE(events[4]["agents"][0]["eligible"].as<bool>());
  const Result sla = Command("sla", {"--output", "yaml"});
  EXPECT_EQ(sla.code, 0) << sla.err;
  EXPECT_EQ(YAML::Load(sla.out)["sla_policy_id"].Scalar(), "policy-1");
}

}  // namespace
}  // namespace wissel::ctl
