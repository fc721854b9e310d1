#include "services/ctl/workspace_yaml.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "services/ctl/proto_yaml.h"
#include "wissel/conversation/v1/events.pb.h"

namespace wissel::ctl {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kShop[] = R"(workspace_id: shop
routing_groups: [{routing_group_id: desk}]
accounts:
  - account: {kind: whatsapp, account_id: wa}
    routing_group_id: desk
    address: 0031201234567
queues:
  - queue_id: nl
    routing_group_id: desk
    rules: [{languages: [nl, fy]}, {account_ids: [wa]}]
    strategy: longest_idle
    offer_timeout: 1m30s
    auto_accept: true
    base_priority: -5
conversations: {reopen_window: 3d}
)";

std::string ErrorOf(absl::string_view yaml) {
  return std::string(ParseWorkspaceYaml("f.yaml", yaml).status().message());
}

TEST(WorkspaceYaml, ReadsEveryKindOfValue) {
  const auto config = ParseWorkspaceYaml("f.yaml", kShop);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->accounts(0).account().kind(), common::v1::CHANNEL_KIND_WHATSAPP);
  EXPECT_EQ(config->accounts(0).address(), "0031201234567");
  const auto& queue = config->queues(0);
  EXPECT_EQ(queue.rules(0).languages_size(), 2);
  EXPECT_EQ(queue.strategy(), config::v1::STRATEGY_LONGEST_IDLE);
  EXPECT_EQ(queue.offer_timeout().seconds(), 90);
  EXPECT_TRUE(queue.auto_accept());
  EXPECT_EQ(queue.base_priority(), -5);
  EXPECT_EQ(config->conversations().reopen_window().seconds(), 3 * 86'400);
}

TEST(WorkspaceYaml, WhatIsWrittenReadsBackEqual) {
  auto config = ParseWorkspaceYaml("f.yaml", kShop);
  ASSERT_TRUE(config.ok()) << config.status();
  // Texts that YAML would take for something else.
  config->set_display_name("true");
  config->mutable_routing_groups(0)->set_display_name("a: b # c\n\"d\" ë");
  config->mutable_accounts(0)->set_display_name("017");
  config->mutable_queues(0)->set_display_name("-");
  config->mutable_queues(0)->mutable_offer_timeout()->set_nanos(1'500'000);
  const std::string yaml = FormatWorkspaceYaml(*config);
  const auto again = ParseWorkspaceYaml("f.yaml", yaml);
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << yaml;
  EXPECT_TRUE(MessageDifferencer::Equals(*config, *again)) << yaml;
}

TEST(WorkspaceYaml, WhatAnotherReaderWouldTakeForNoTextIsQuoted) {
  for (const std::string text :
       {"no", "Yes", "ON", "off", "y",    "N",     "True",       "FALSE", "Null", "~", "",  "12",
        "-1", "+31", ".5", "1e3", "0x1f", "1_000", "2026-01-01", "1:30",  ".inf", "=", "<<"}) {
    config::v1::WorkspaceConfig config;
    config.set_workspace_id("shop");
    config.add_queues()->add_rules()->add_languages(text);
    const std::string yaml = FormatWorkspaceYaml(config);
    EXPECT_THAT(yaml, HasSubstr(absl::StrCat("[\"", text, "\"]")));
    const auto again = ParseWorkspaceYaml("f.yaml", yaml);
    ASSERT_TRUE(again.ok()) << again.status() << "\n" << yaml;
    EXPECT_TRUE(MessageDifferencer::Equals(config, *again)) << yaml;
  }
  config::v1::WorkspaceConfig config;
  config.add_queues()->add_rules()->add_languages("nope");
  EXPECT_THAT(FormatWorkspaceYaml(config), HasSubstr("[nope]"));
}

TEST(WorkspaceYaml, NothingInItSteersATerminal) {
  config::v1::WorkspaceConfig config;
  config.set_workspace_id("shop");
  config.set_display_name("a\u009b31m\u202eb\x1b[1m");
  const std::string yaml = FormatWorkspaceYaml(config);
  for (const char* steering : {"\u009b", "\u202e", "\x1b"}) {
    EXPECT_THAT(yaml, Not(HasSubstr(steering))) << yaml;
  }
  EXPECT_EQ(ParseWorkspaceYaml("f.yaml", yaml)->display_name(), config.display_name()) << yaml;
}

TEST(WorkspaceYaml, NamesFileLineKeyAndWhatWasExpected) {
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues:\n  - queue_id: nl\n    offer_timout: 30s\n")
                .substr(0, 60),
            "f.yaml:4: queues[0].offer_timout: expected one of queue_id, ");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [{base_priority: high}]"),
            "f.yaml:2: queues[0].base_priority: expected a whole number, found \"high\"");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [{base_priority: 3000000000}]"),
            "f.yaml:2: queues[0].base_priority: expected a whole number, found \"3000000000\"");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [{auto_accept: yes}]"),
            "f.yaml:2: queues[0].auto_accept: expected true or false, found \"yes\"");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [{strategy: random}]"),
            "f.yaml:2: queues[0].strategy: expected one of longest_idle, best_skill, "
            "least_occupied, round_robin, found \"random\"");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [{offer_timeout: 30}]"),
            "f.yaml:2: queues[0].offer_timeout: expected a duration such as 30s, 1h30m or 7d, "
            "found \"30\"");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: {}\n"), "f.yaml:2: queues: expected a list");
  EXPECT_EQ(ErrorOf("workspace_id: a\nworkspace_id: b\n"),
            "f.yaml:2: workspace_id: expected this key once, found \"workspace_id\"");
  EXPECT_EQ(ErrorOf("workspace_id: a\ndisplay_name: ~"),
            "f.yaml:2: display_name: expected a value, or the key left "
            "out");
}

TEST(WorkspaceYaml, ListsEverythingThatIsWrong) {
  EXPECT_EQ(ErrorOf("workspace_id: shop\nagents: [{capacity_units: x}, {is_bot: 1}]\nfoo: 1\n")
                .find("f.yaml:3: foo"),
            std::string("f.yaml:2: agents[0].capacity_units: expected a whole number, found \"x\"\n"
                        "f.yaml:2: agents[1].is_bot: expected true or false, found \"1\"\n")
                .size());
}

TEST(WorkspaceYaml, OfManyErrorsTheFirstAreSaid) {
  std::string yaml = "workspace_id: shop\n";
  for (int i = 0; i < 60'000; ++i) absl::StrAppend(&yaml, "k", i, ": 1\n");
  const std::string error = ErrorOf(yaml);
  EXPECT_THAT(error, HasSubstr("f.yaml:21: k19: expected one of"));
  EXPECT_THAT(error, Not(HasSubstr("k20:")));
  EXPECT_THAT(error, ::testing::EndsWith("\nf.yaml: and 59980 more"));
}

TEST(WorkspaceYaml, AnErrorIsOneLineWhateverTheFileHolds) {
  EXPECT_EQ(ErrorOf("workspace_id: shop\n\"a\\nb\": 1\n").substr(0, 28),
            "f.yaml:2: a\\nb: expected one");
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [{base_priority: \"1\\n2\"}]\n"),
            "f.yaml:2: queues[0].base_priority: expected a whole number, found \"1\\n2\"");
}

TEST(WorkspaceYaml, BrokenYamlSaysWhere) {
  EXPECT_THAT(ErrorOf("workspace_id: shop\nqueues: [\n"), HasSubstr("f.yaml:3: "));
  EXPECT_THAT(ErrorOf(""), HasSubstr("found nothing"));
  EXPECT_THAT(ErrorOf("- a\n"), HasSubstr("expected keys and values"));
  EXPECT_THAT(ErrorOf("display_name: x\n"), HasSubstr("workspace_id: expected a value"));
}

TEST(WorkspaceYaml, OnlyOneWholeDocumentOfPlainTextIsTaken) {
  EXPECT_EQ(ErrorOf("workspace_id: shop\ndisplay_name: \"\xff\"\n"),
            "f.yaml:1: found bytes that are not text; expected UTF-8");
  EXPECT_EQ(ErrorOf("workspace_id: shop\n---\nworkspace_id: other\n"),
            "f.yaml:3: a second document; expected one");
  EXPECT_THAT(ErrorOf("workspace_id: shop\ndisplay_name: \"cut off\n"),
              HasSubstr("f.yaml:3: not YAML"));
  EXPECT_EQ(ErrorOf("workspace_id: shop\nqueues: [&a {queue_id: b}, *a, *a]\n"),
            "f.yaml:2: anchors are not supported");
}

TEST(WorkspaceYaml, TheLongestDurationReadsBack) {
  config::v1::WorkspaceConfig config;
  config.set_workspace_id("shop");
  config.mutable_conversations()->mutable_reopen_window()->set_seconds(315'576'000'000);
  const std::string yaml = FormatWorkspaceYaml(config);
  const auto again = ParseWorkspaceYaml("f.yaml", yaml);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(MessageDifferencer::Equals(config, *again)) << yaml;
  EXPECT_THAT(ErrorOf("workspace_id: shop\nconversations: {reopen_window: 3652501d}\n"),
              HasSubstr("expected a duration"));
}

TEST(WorkspaceYaml, TheServersFieldsHaveNoPlaceInAFile) {
  EXPECT_THAT(ErrorOf("workspace_id: shop\napplied_by: me\n"), HasSubstr("the server's to set"));
}

TEST(WorkspaceYaml, SelfReferenceDoesNotHang) {
  EXPECT_FALSE(ParseWorkspaceYaml("f.yaml", "workspace_id: shop\nqueues: &a [*a]\n").ok());
}

TEST(ProtoYaml, OneofTakesOneKind) {
  conversation::v1::Event event;
  const auto status =
      YamlToProto("e.yaml", "parked: {conversation_id: a}\nresumed: {conversation_id: a}\n", event);
  EXPECT_EQ(status.message(), "e.yaml:2: resumed: expected one kind only, found \"resumed\"");
}

// The shop that the guide and the demo use must stay readable.
TEST(WorkspaceYaml, ExampleShopIsReadable) {
  std::ifstream in("deploy/examples/web-shop.yaml");
  ASSERT_TRUE(in) << "run from the repository's root";
  std::ostringstream text;
  text << in.rdbuf();
  const auto config = ParseWorkspaceYaml("web-shop.yaml", text.str());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->queues_size(), 2);
  EXPECT_EQ(config->agents_size(), 3);
  EXPECT_EQ(config->accounts_size(), 2);
}

}  // namespace
}  // namespace wissel::ctl
