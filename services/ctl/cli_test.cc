#include "services/ctl/cli.h"

#include <boost/json.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/bus/embedded.h"
#include "libs/http/server.h"
#include "libs/rpc/jwt.h"
#include "libs/rpc/server.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/connections.h"
#include "services/ctl/exit_code.h"
#include "services/ctl/sim_output.h"
#include "services/ctl/testing.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using ::wissel::testing::StatusIs;

TEST(Cli, NormalizeShowsWhatAMessageBecomes) {
  const Result mail = Wisselctl({"normalize", "email", "deploy/examples/messages/broken-bell.eml"});
  EXPECT_EQ(mail.code, 0) << mail.err;
  EXPECT_THAT(mail.out, HasSubstr("pieter@customer.example"));
  const Result webhook =
      Wisselctl({"normalize", "whatsapp", "deploy/examples/messages/where-is-my-bike.json"});
  EXPECT_EQ(webhook.code, 0) << webhook.err;
  EXPECT_THAT(webhook.out, HasSubstr("31612345678"));
}

TEST(Cli, NormalizePrintsYamlAsDocuments) {
  const wissel::testing::TempDir dir;
  const std::string statuses = Write(
      dir, "hook.json",
      R"({"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages",
      "value":{"messaging_product":"whatsapp","metadata":{"phone_number_id":"2"},"statuses":[
      {"id":"wamid.a","status":"sent","timestamp":"1700000000","recipient_id":"31612345678"},
      {"id":"wamid.b","status":"sent","timestamp":"1700000000","recipient_id":"31612345678"}
      ]}}]}]})");
  const Result yaml = Wisselctl({"normalize", "whatsapp", statuses.c_str(), "-o", "yaml"});
  EXPECT_EQ(yaml.code, 0) << yaml.err;
  EXPECT_EQ(YAML::LoadAll(yaml.out).size(), 2u) << yaml.out;
  EXPECT_THAT(yaml.out, Not(StartsWith("---")));
}

TEST(Cli, NormalizeFailsOnWhatBecomesADeadLetter) {
  const wissel::testing::TempDir dir;
  const Result result =
      Wisselctl({"normalize", "whatsapp", Write(dir, "hook.json", "no JSON").c_str()});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.out, HasSubstr("REASON_UNPARSABLE"));
  EXPECT_THAT(result.err, HasSubstr("hook.json: a dead letter: "));
}

TEST(Cli, NormalizeTakesOfAnOversizedMailWhatTheServiceTakes) {
  const wissel::testing::TempDir dir;
  const std::string mail =
      absl::StrCat("From: a@b.example\r\nSubject: hello\r\n\r\n", std::string(37 << 20, 'x'));
  const Result result = Wisselctl({"normalize", "email", Write(dir, "big.eml", mail).c_str()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("hello"));
  EXPECT_THAT(result.out.size(), ::testing::Lt(100'000u));
  EXPECT_THAT(result.out, Not(HasSubstr("xxxxxxxx")));
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

TEST(Cli, ExitCodesTellWhatWentWrong) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "x\n");
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\n");
  const std::string bad = Write(dir, "bad.yaml", "workspace_id: shop\nqueus: []\n");
  // Nobody listens on port 1.
  const std::vector<const char*> there = {"--server",     "127.0.0.1:1", "--insecure-local",
                                          "--token-file", token.c_str(), "--timeout",
                                          "300ms"};
  const auto with = [&](std::vector<const char*> more) {
    more.insert(more.end(), there.begin(), there.end());
    return Wisselctl(more);
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

TEST(Cli, AnotherServicesPortIsSaid) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "a.b.c\n");
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\n");
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::vector<std::vector<const char*>> commands = {{"diff", "-f", shop.c_str()},
                                                          {"apply", "-f", shop.c_str()},
                                                          {"conversations", "list"},
                                                          {"conversations", "tail"},
                                                          {"agent", "work"}};
  for (std::vector<const char*> arguments : commands) {
    arguments.insert(arguments.end(), {"--server", target.c_str(), "--insecure-local",
                                       "--token-file", token.c_str()});
    const Result result = Wisselctl(arguments);
    EXPECT_EQ(result.code, 2) << arguments[0];
    EXPECT_THAT(result.err, HasSubstr(absl::StrCat(target, " has no wissel."))) << arguments[0];
  }
}

// Of a shop whose ids would steer the terminal.
class HostileAdmin final : public admin::v1::AdminService::Service {
 public:
  bool refuses = false;
  grpc::Status GetConfig(grpc::ServerContext*, const admin::v1::GetConfigRequest*,
                         admin::v1::GetConfigResponse*) override {
    return {grpc::StatusCode::NOT_FOUND, "none"};
  }
  grpc::Status ApplyConfig(grpc::ServerContext*, const admin::v1::ApplyConfigRequest*,
                           admin::v1::ApplyConfigResponse* response) override {
    const std::string place = absl::StrCat("agents[", kHostileName, "]");
    if (refuses) return {grpc::StatusCode::INVALID_ARGUMENT, absl::StrCat(place, ": why")};
    for (const auto kind : {admin::v1::Difference::KIND_ADDED, admin::v1::Difference::KIND_REMOVED,
                            admin::v1::Difference::KIND_CHANGED}) {
      admin::v1::Difference& difference = *response->add_differences();
      difference.set_kind(kind);
      difference.set_path(place);
      difference.set_before(kHostileName);
      difference.set_after(kHostileName);
    }
    response->add_warnings(place);
    return grpc::Status::OK;
  }
};

TEST(Cli, WhatDiffersCannotSteerTheTerminal) {
  const wissel::testing::TempDir dir;
  HostileAdmin admin;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {&admin}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::string token = Write(dir, "token", "a.b.c\n");
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\n");
  const auto diff = [&](const char* format) {
    return Wisselctl({"diff", "-f", shop.c_str(), "--server", target.c_str(), "--insecure-local",
                      "--token-file", token.c_str(), "-o", format});
  };
  for (const char* format : {"table", "json", "yaml"}) {
    const Result result = diff(format);
    EXPECT_EQ(result.code, 1) << result.err;
    EXPECT_THAT(result.out, HasSubstr("Jan"));
    EXPECT_EQ(SteeringIn(result), "") << format;
  }
  admin.refuses = true;
  const Result refused = diff("table");
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("Jan"));
  EXPECT_EQ(SteeringIn(refused), "");
}

// One letter that is whole and one that was cut.
class LettersAdmin final : public admin::v1::AdminService::Service {
  static deadletter::v1::DeadLetter Letter(const std::string& id) {
    deadletter::v1::DeadLetter letter;
    letter.set_dead_letter_id(id);
    letter.set_raw("From: jan");
    letter.set_truncated(id == "part");
    letter.mutable_origin()->mutable_provider()->set_account_id("support");
    letter.mutable_origin()->mutable_provider()->set_reference("INBOX;uid=7");
    return letter;
  }
  grpc::Status ListDeadLetters(grpc::ServerContext*, const admin::v1::ListDeadLettersRequest*,
                               admin::v1::ListDeadLettersResponse* response) override {
    for (const char* id : {"whole", "part"}) *response->add_dead_letters() = Letter(id);
    return grpc::Status::OK;
  }
  grpc::Status GetDeadLetter(grpc::ServerContext*, const admin::v1::GetDeadLetterRequest* request,
                             admin::v1::GetDeadLetterResponse* response) override {
    *response->mutable_dead_letter() = Letter(request->dead_letter_id());
    return grpc::Status::OK;
  }
};

TEST(Cli, ADeadLetterThatWasCutIsToldFromAWholeOne) {
  const wissel::testing::TempDir dir;
  LettersAdmin admin;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {&admin}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::string token = Write(dir, "token", "a.b.c\n");
  const auto deadletter = [&](std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "deadletter");
    arguments.insert(arguments.end(), {"--server", target.c_str(), "--insecure-local",
                                       "--token-file", token.c_str()});
    return Wisselctl(arguments);
  };
  const Result list = deadletter({"list"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, ContainsRegex("whole[^\n]* all "));
  EXPECT_THAT(list.out, ContainsRegex("part[^\n]* cut "));
  const Result whole = deadletter({"show", "whole", "--raw"});
  EXPECT_EQ(whole.code, 0) << whole.err;
  EXPECT_EQ(whole.out, "From: jan");
  EXPECT_EQ(whole.err, "");
  const Result part = deadletter({"show", "part", "--raw"});
  EXPECT_EQ(part.code, 4);
  EXPECT_EQ(part.out, "") << "or a pipe would hand it in again";
  EXPECT_THAT(part.err, HasSubstr("not all of it: 9 bytes"));
  EXPECT_THAT(part.err, HasSubstr("support INBOX;uid=7"));
  const Result looked_at = deadletter({"show", "part", "--raw", "--cut"});
  EXPECT_EQ(looked_at.code, 0) << looked_at.err;
  EXPECT_EQ(looked_at.out, "From: jan");
  EXPECT_EQ(deadletter({"show", "part"}).code, 0) << "as a message it says so itself";
}

class LargeAdmin final : public admin::v1::AdminService::Service {
  grpc::Status ApplyConfig(grpc::ServerContext*, const admin::v1::ApplyConfigRequest*,
                           admin::v1::ApplyConfigResponse* response) override {
    for (int i = 0; i < 600; ++i) {
      admin::v1::Difference& difference = *response->add_differences();
      difference.set_kind(admin::v1::Difference::KIND_ADDED);
      difference.set_path(absl::StrCat("agents[", std::string(10'000, 'a'), "]"));
    }
    return grpc::Status::OK;
  }
};

TEST(Cli, ALargeShopsDifferencesAreTakenWhole) {
  const wissel::testing::TempDir dir;
  LargeAdmin admin;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, rpc::Server::Start({}, {&admin}));
  const std::string target = absl::StrCat("localhost:", server->port());
  const std::string token = Write(dir, "token", "a.b.c\n");
  const std::string shop = Write(dir, "shop.yaml", "workspace_id: shop\nversion: 1\n");
  const Result result = Wisselctl({"diff", "-f", shop.c_str(), "--server", target.c_str(),
                                   "--insecure-local", "--token-file", token.c_str()});
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_GT(result.out.size(), 6'000'000);
}

TEST(Cli, AMalformedTokenIsRefusedUnshown) {
  const wissel::testing::TempDir dir;
  const std::vector<const char*> topics = {
      "topics", "check", "--server", "127.0.0.1:1", "--insecure-local", "--timeout", "300ms"};
  const auto with_file = [&](absl::string_view token) {
    std::vector<const char*> arguments = topics;
    const std::string file = Write(dir, "token", token);
    arguments.insert(arguments.end(), {"--token-file", file.c_str()});
    return Wisselctl(arguments);
  };
  for (const absl::string_view bad :
       {absl::string_view("geheim\nabc"), absl::string_view("\xEF\xBB\xBFgeheim"),
        absl::string_view("geheim\0abc", 10), absl::string_view("gehe im"),
        absl::string_view("geheim\x80")}) {
    const Result result = with_file(bad);
    EXPECT_EQ(result.code, 2) << bad;
    EXPECT_THAT(result.err, HasSubstr("not a token")) << bad;
    EXPECT_THAT(result.err, Not(HasSubstr("gehe")));
  }
  EXPECT_EQ(with_file("abc.d-e_f.ghi\n").code, 3) << "nobody is there";
  setenv("WISSEL_TOKEN", "abc\n", 1);
  EXPECT_EQ(Wisselctl(topics).code, 3);
  setenv("WISSEL_TOKEN", "gehe\tim", 1);
  const Result result = Wisselctl(topics);
  unsetenv("WISSEL_TOKEN");
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("WISSEL_TOKEN: not a token"));
  EXPECT_THAT(result.err, Not(HasSubstr("gehe")));
}

TEST(Cli, ATokenOfAnotherWorkspaceIsNotUsedForTheOneNamed) {
  const wissel::testing::TempDir dir;
  const std::string secret = Write(dir, "secret", "0123456789abcdef0123456789abcdef\n");
  const Result minted = Wisselctl({"token", "mint", "--secret-file", secret.c_str(), "--workspace",
                                   "shop", "--agent", "anna", "--role", "agent"});
  const std::string token = Write(dir, "token", minted.out);
  const auto list = [&](const char* workspace) {
    return Wisselctl({"conversations", "list", "--server", "127.0.0.1:1", "--insecure-local",
                      "--timeout", "300ms", "--token-file", token.c_str(), "--workspace",
                      workspace});
  };
  EXPECT_EQ(list("shop").code, 3) << "nobody is there";
  const Result other = list("other");
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, HasSubstr("for the workspace shop"));
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

TEST(Cli, OutboxAsYamlAndTable) {
  const wissel::testing::TempDir dir;
  http::Router router;
  router.Handle("GET", "/outbox", [](http::Request, http::Responder responder) {
    responder.Send({.status = 200,
                    .body = R"([{"time":"2026-01-01T08:00:00.123456789Z","attempt":2}])",
                    .content_type = "application/json",
                    .headers = {}});
  });
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string context =
      Write(dir, "c.yaml", absl::StrCat("outbox: http://127.0.0.1:", server->port(), "/outbox\n"));
  const Result result = Wisselctl({"outbox", "list", "-o", "yaml", "--context", context.c_str()});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(result.out, "- time: \"2026-01-01T08:00:00.123456789Z\"\n  attempt: 2\n");
  const Result table = Wisselctl({"outbox", "list", "--context", context.c_str()});
  EXPECT_THAT(table.out, HasSubstr("\n2026-01-01 08:00:00.123  "));
}

TEST(Cli, TheOutboxCannotSteerTheTerminal) {
  const wissel::testing::TempDir dir;
  http::Router router;
  router.Handle("GET", "/outbox", [](http::Request, http::Responder responder) {
    responder.Send({.status = 200,
                    .body = absl::StrCat(R"([{"message":{"recipient":{"address":"Jan\u001b)",
                                         "\u009b31m\u202e", R"("}}}])"),
                    .content_type = "application/json",
                    .headers = {}});
  });
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string context =
      Write(dir, "c.yaml", absl::StrCat("outbox: http://127.0.0.1:", server->port(), "/outbox\n"));
  for (const char* format : {"table", "json", "yaml"}) {
    const Result result = Wisselctl({"outbox", "list", "-o", format, "--context", context.c_str()});
    EXPECT_THAT(result.out, HasSubstr("Jan")) << result.err;
    EXPECT_EQ(SteeringIn(result), "") << format;
  }
}

TEST(Cli, HttpAnswersHaveTheirExitCodes) {
  const wissel::testing::TempDir dir;
  int status = 200;
  http::Router router;
  const auto answer = [&](http::Request, http::Responder responder) {
    responder.Send({.status = status, .body = "why", .content_type = "text/plain", .headers = {}});
  };
  router.Handle("GET", "/outbox", answer);
  router.Handle("POST", "/hook", answer);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string base = absl::StrCat("http://127.0.0.1:", server->port());
  const std::string context =
      Write(dir, "c.yaml",
            absl::StrCat("outbox: ", base, "/outbox\nwebhooks: {email: ", base, "/hook}\n"));
  const std::string mail = Write(dir, "a.eml", "From: a@b.example\r\n\r\n");
  for (const auto& [answered, code] : std::vector<std::pair<int, int>>{
           {500, 1}, {502, 3}, {503, 3}, {504, 3}, {404, 5}, {403, 4}, {422, 4}}) {
    status = answered;
    const Result outbox = Wisselctl({"outbox", "list", "--context", context.c_str()});
    EXPECT_EQ(outbox.code, code) << answered;
    EXPECT_THAT(outbox.err, HasSubstr(absl::StrCat("answered ", answered, " why")));
    EXPECT_EQ(Wisselctl({"inject", "email", mail.c_str(), "--context", context.c_str()}).code, code)
        << answered;
  }
  // Nobody listens on port 1.
  const std::string nobody = Write(dir, "n.yaml", "outbox: http://127.0.0.1:1/outbox\n");
  const Result result = Wisselctl({"outbox", "list", "--context", nobody.c_str()});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, Not(HasSubstr("status 0")));
}

TEST(Cli, InjectSaysWhatOfAWebhookBecomesADeadLetter) {
  const wissel::testing::TempDir dir;
  http::Router router;
  router.Handle("POST", "/hook", [](http::Request, http::Responder responder) {
    responder.Send({.status = 200, .body = "", .content_type = "text/plain", .headers = {}});
  });
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto server, http::Server::Start({}, std::move(router)));
  const std::string url = absl::StrCat("http://127.0.0.1:", server->port(), "/hook");
  const std::string secret = Write(dir, "secret", "geheim\n");
  const auto inject = [&](const char* file) {
    return Wisselctl(
        {"inject", "whatsapp", file, "--url", url.c_str(), "--secret-file", secret.c_str()});
  };
  const Result good = inject("deploy/examples/messages/where-is-my-bike.json");
  EXPECT_EQ(good.out, "accepted\n");
  EXPECT_EQ(good.err, "");
  const Result bad = inject(Write(dir, "hook.json", "no JSON").c_str());
  EXPECT_EQ(bad.out, "accepted\n");
  EXPECT_THAT(bad.err, HasSubstr("hook.json: a dead letter, see `wisselctl deadletter list`: "));
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

TEST(Cli, PlainTextStaysOnThisMachine) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "a.b.c\n");
  for (const char* server : {"example.com:443", "127.0.0.1.nip.invalid:1", "127.0.0.1.:1",
                             "128.0.0.1:1", "dns:///example.com:1", "localhost:1,example.com:1"}) {
    const Result result = Wisselctl({"topics", "check", "--server", server, "--insecure-local",
                                     "--token-file", token.c_str(), "--timeout", "300ms"});
    EXPECT_EQ(result.code, 2) << server;
    EXPECT_THAT(result.err, HasSubstr("not on this machine"));
  }
  for (const char* server : {"127.0.0.1:1", "127.1.2.3:1", "localhost:1", "[::1]:1"}) {
    EXPECT_EQ(Wisselctl({"topics", "check", "--server", server, "--insecure-local", "--token-file",
                         token.c_str(), "--timeout", "300ms"})
                  .code,
              3)
        << server;
  }
}

TEST(Cli, PlainTextStaysOnThisMachineForEveryServerOfTheContext) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "a.b.c\n");
  const std::string context = Write(dir, "c.yaml",
                                    "server: 127.0.0.1:1\nadmin_server: 192.0.2.1:443\n"
                                    "history_server: 192.0.2.1:443\ninsecure_local: true\n");
  const auto with = [&](std::vector<const char*> command) {
    command.insert(command.end(), {"--context", context.c_str(), "--token-file", token.c_str(),
                                   "--timeout", "300ms"});
    return Wisselctl(command);
  };
  for (const Result& result : {with({"topics", "check"}), with({"conversations", "list"})}) {
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("192.0.2.1:443 is not on this machine"));
  }
  EXPECT_EQ(with({"agent", "work"}).code, 3) << "nobody is there";
}

TEST(Cli, PlainTextGoesThroughNoProxy) {
  const wissel::testing::TempDir dir;
  const std::string token = Write(dir, "token", "a.b.c\n");
  const int proxy = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(proxy, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(proxy, 1), 0);
  ASSERT_EQ(getsockname(proxy, reinterpret_cast<sockaddr*>(&address), &size), 0);
  setenv("grpc_proxy", absl::StrCat("http://127.0.0.1:", ntohs(address.sin_port)).c_str(), 1);
  const Result result = Wisselctl({"topics", "check", "--server", "127.0.0.1:1", "--insecure-local",
                                   "--token-file", token.c_str(), "--timeout", "300ms"});
  unsetenv("grpc_proxy");
  EXPECT_EQ(result.code, 3) << "nobody is there";
  EXPECT_EQ(accept(proxy, nullptr, nullptr), -1) << "the proxy was asked";
  close(proxy);
}

TEST(Cli, MintsATokenThatTheServicesAccept) {
  const wissel::testing::TempDir dir;
  const std::string secret = "0123456789abcdef0123456789abcdef";
  const std::string file = Write(dir, "secret", secret + "\n");
  const Result result =
      Wisselctl({"token", "mint", "--secret-file", file.c_str(), "--workspace", "shop", "--agent",
                 "anna", "--role", "agent", "--role", "supervisor", "--expires", "1h"});
  ASSERT_EQ(result.code, 0) << result.err;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto keys, rpc::JwtKeySet::FromSecret(secret));
  const std::string token(absl::StripAsciiWhitespace(result.out));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto claims, rpc::VerifyJwt(token, keys, {}, absl::Now()));
  EXPECT_EQ(claims.workspace, "shop");
  EXPECT_EQ(claims.subject, "anna");
  EXPECT_EQ(claims.agent, "anna");
  EXPECT_THAT(claims.roles, ElementsAre("agent", "supervisor"));
  EXPECT_THAT(rpc::VerifyJwt(token, keys, {}, absl::Now() + absl::Hours(2)),
              Not(wissel::testing::IsOk()));

  const std::string brief = Write(dir, "short", "secret");
  EXPECT_EQ(Wisselctl({"token", "mint", "--secret-file", brief.c_str(), "--workspace", "shop",
                       "--agent", "anna", "--role", "agent"})
                .code,
            2);
  for (const char* duration : {"inf", "0", "-1h", "soon"}) {
    const Result wrong =
        Wisselctl({"token", "mint", "--secret-file", file.c_str(), "--workspace", "shop", "--agent",
                   "anna", "--role", "agent", "--expires", duration});
    EXPECT_EQ(wrong.code, 2) << duration;
    EXPECT_THAT(wrong.err, HasSubstr(absl::StrCat("--expires: expected a duration such as 12h, ",
                                                  "found \"", duration, "\"")));
  }
}

TEST(Cli, WaitsForALimitedTime) {
  for (const char* duration : {"inf", "0", "-1s", "soon"}) {
    const Result result = Wisselctl({"version", "--timeout", duration});
    EXPECT_EQ(result.code, 2) << duration;
    EXPECT_THAT(result.err, HasSubstr("--timeout: expected a duration such as 10s, found"));
  }
}

std::string Run(const std::string& command) {
  FILE* pipe = popen(absl::StrCat(command, " 2>&1").c_str(), "r");
  std::string out;
  char buffer[4096];
  while (size_t n = fread(buffer, 1, sizeof(buffer), pipe)) out.append(buffer, n);
  pclose(pipe);
  return out;
}

// What bash itself makes of the script.
std::string Complete(const std::string& script, const std::vector<std::string>& words,
                     absl::string_view last = "\"\"") {
  return Run(absl::StrCat("bash -c 'source ", script, "; COMP_WORDS=(", absl::StrJoin(words, " "),
                          " ", last, "); COMP_CWORD=", words.size(),
                          "; _wisselctl; echo \"${COMPREPLY[*]}\"'"));
}

// What zsh itself makes of the script, and gives to its completion system.
std::string ZshComplete(const std::string& script, const std::vector<std::string>& words,
                        absl::string_view last = "\"\"") {
  return Run(
      absl::StrCat("zsh -f -c 'compdef() { :; }; compset() { :; }; _files() { print files; }; "
                   "_describe() { print -r -- \"${choices[*]}\"; }; source ",
                   script, "; words=(", absl::StrJoin(words, " "), " ", last,
                   "); CURRENT=", words.size() + 1, "; _wisselctl'"));
}

TEST(Cli, ZshCompletesCommandsFlagsAndClosedSets) {
  const wissel::testing::TempDir dir;
  const Result result = Wisselctl({"completion", "zsh"});
  ASSERT_EQ(result.code, 0);
  const std::string script = Write(dir, "completion.zsh", result.out);
  EXPECT_THAT(ZshComplete(script, {"wisselctl"}), HasSubstr("conversations:"));
  const std::string conversations = ZshComplete(script, {"wisselctl", "conversations"});
  EXPECT_THAT(conversations, StartsWith("list:"));
  EXPECT_THAT(conversations, HasSubstr("--output:"));
  EXPECT_EQ(conversations.find("--help:"), conversations.rfind("--help:"));
  EXPECT_EQ(ZshComplete(script, {"wisselctl", "conversations", "list", "--status"}),
            "queued offered active parked resolved\n");
  // A flag's value is not taken for a command.
  EXPECT_THAT(ZshComplete(script, {"wisselctl", "--server", "log", "conversations"}),
              StartsWith("list:"));
  EXPECT_EQ(ZshComplete(script, {"wisselctl", "apply", "-f"}), "files\n");
  EXPECT_EQ(ZshComplete(script, {"wisselctl", "log", "tail"}, "--output=j"), "table json yaml\n");
}

TEST(Cli, BashCompletesCommandsFlagsAndClosedSets) {
  const wissel::testing::TempDir dir;
  const Result result = Wisselctl({"completion", "bash"});
  ASSERT_EQ(result.code, 0);
  const std::string script = Write(dir, "completion.bash", result.out);
  EXPECT_THAT(Complete(script, {"wisselctl"}), HasSubstr("conversations"));
  EXPECT_THAT(Complete(script, {"wisselctl", "conversations"}), StartsWith("list show tail "));
  EXPECT_EQ(Complete(script, {"wisselctl", "conversations", "list", "--status"}),
            "queued offered active parked resolved\n");
  // A flag's value is not taken for a command.
  EXPECT_THAT(Complete(script, {"wisselctl", "--server", "log", "conversations"}),
              StartsWith("list show tail "));
  EXPECT_EQ(Complete(script, {"wisselctl", "apply", "-f"}), "\n");
  // Bash takes the "=" for a word.
  EXPECT_EQ(Complete(script, {"wisselctl", "--output"}, "="), "table json yaml\n");
  EXPECT_EQ(Complete(script, {"wisselctl", "--output", "="}, "t"), "table\n");
  EXPECT_THAT(Complete(script, {"wisselctl", "--server", "=", "log", "conversations"}),
              StartsWith("list show tail "));
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

TEST(Context, PathsAreRelativeToItsFolder) {
  const auto context = ParseContext("/srv/dev/context.yaml",
                                    "server: 127.0.0.1:7440\ninsecure_local: true\n"
                                    "token_files: {anna: tokens/anna}\nlog_file: log.sqlite\n"
                                    "statez: [127.0.0.1:1]\nredis: /run/redis.sock\n");
  ASSERT_THAT(context, wissel::testing::IsOk());
  EXPECT_EQ(context->token_files.at("anna"), "/srv/dev/tokens/anna");
  EXPECT_EQ(context->log_file, "/srv/dev/log.sqlite");
  EXPECT_TRUE(context->insecure_local);
  EXPECT_THAT(ParseContext("c.yaml", "server: x\nsevrer: y\n").status().message(),
              HasSubstr("c.yaml:2: unknown key sevrer"));
  EXPECT_THAT(ParseContext("c.yaml", "server: [x]\n"),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseContext("c.yaml", "server: [\n"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(ParseContext("c.yaml", "statez:\n- a:1\n- {b: 2}\n").status().message(),
              HasSubstr("c.yaml:3: statez: expected host:port"));
  EXPECT_THAT(ParseContext("c.yaml", "token_files:\n  anna: [a, b]\n").status().message(),
              HasSubstr("c.yaml:2: token_files.anna: expected a text"));
}

// The examples of the help that begin with `title`, without their indentation.
std::vector<std::string> ExamplesInHelp(absl::string_view title) {
  std::vector<std::string> examples;
  bool inside = false;
  const std::string help = Wisselctl({"--help"}).out;
  for (absl::string_view line : absl::StrSplit(help, '\n')) {
    const bool indented = absl::ConsumePrefix(&line, "  ");
    if (indented && line == title) {
      examples.emplace_back();
      inside = true;
    }
    inside = inside && indented;
    if (inside) absl::StrAppend(&examples.back(), line, "\n");
  }
  return examples;
}

TEST(Context, TheHelpsExamplesAreRead) {
  const std::vector<std::string> examples = ExamplesInHelp("# context.yaml");
  ASSERT_EQ(examples.size(), 2u);
  const auto cluster = ParseContext("/etc/wissel/context.yaml", examples[0]);
  ASSERT_THAT(cluster, wissel::testing::IsOk());
  EXPECT_EQ(cluster->server, "gateway.shop.example:8443");
  EXPECT_EQ(cluster->admin_server, "admin.shop.example:8443");
  EXPECT_EQ(cluster->history_server, "history.shop.example:8443");
  EXPECT_EQ(cluster->workspace, "web-shop");
  EXPECT_EQ(cluster->ca, "/etc/wissel/ca.pem");
  EXPECT_EQ(cluster->token_files.at("anna"), "/etc/wissel/tokens/anna");
  EXPECT_EQ(cluster->connections, "/etc/wissel/connections.yaml");
  EXPECT_THAT(cluster->statez, ElementsAre("router-0:9464", "router-1:9464"));
  EXPECT_EQ(cluster->webhooks.at("whatsapp"), "https://hooks.shop.example/whatsapp/webhook");
  EXPECT_EQ(cluster->whatsapp_secret_file, "/etc/wissel/secrets/app-secret");
  const auto local = ParseContext("/srv/dev/context.yaml", examples[1]);
  ASSERT_THAT(local, wissel::testing::IsOk());
  EXPECT_TRUE(local->insecure_local);
  EXPECT_EQ(local->log_file, "/srv/dev/log.sqlite");
  EXPECT_EQ(local->kafka, "127.0.0.1:9092");
  EXPECT_EQ(local->redis, "/run/redis.sock");
  EXPECT_EQ(local->outbox, "http://127.0.0.1:7444/outbox.json");
}

TEST(Context, TheHelpsConnectionsAreRead) {
  const wissel::testing::TempDir dir;
  setenv("KAFKA_PASSWORD", "geheim", 1);
  setenv("REDIS_PASSWORD", "verborgen", 1);
  const std::vector<std::string> examples = ExamplesInHelp("# connections.yaml");
  ASSERT_EQ(examples.size(), 1u);
  std::istringstream in;
  std::ostringstream out;
  Session session(in, out, out);
  session.flags.connections_file = Write(dir, "connections.yaml", examples[0]);
  const auto kafka = KafkaOf(session);
  ASSERT_THAT(kafka, wissel::testing::IsOk());
  EXPECT_EQ((*kafka)->brokers, "kafka-0:9093,kafka-1:9093");
  EXPECT_EQ((*kafka)->password.value(), "geheim");
  const auto redis = RedisOf(session, "");
  ASSERT_THAT(redis, wissel::testing::IsOk());
  EXPECT_EQ(redis->address, "redis:6379");
  EXPECT_EQ(redis->password, "verborgen");
}

}  // namespace
}  // namespace wissel::ctl
