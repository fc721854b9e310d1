#include "libs/routing/policy.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
namespace wissel::routing {
namespace {

using ::testing::Optional;

std::shared_ptr<const Policy> Compile(const std::string& text) {
  config::v1::WorkspaceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  for (auto& queue : *config.mutable_queues()) {
    if (queue.routing_group_id().empty()) queue.set_routing_group_id("main");
  }
  return Policy::Compile(config, "main");
}

// The queue of a conversation in a group whose queue "asked" has this one rule.
class Rule {
 public:
  explicit Rule(const std::string& rule)
      : policy_(Compile(R"pb(
                          calendars {
                            calendar_id: "office"
                            time_zone: "Europe/Amsterdam"
                            windows {
                              days: [ 1, 2, 3, 4, 5 ]
                              open: "09:00"
                              close: "17:00"
                            }
                          }
                          queues { queue_id: "asked" rules {)pb" +
                        rule + R"pb(}
                                    }
          queues { queue_id: "elsewhere" routing_group_id: "other" rules {} }
          queues { queue_id: "default" })pb")) {}

  bool Takes(RoutingFacts facts, const std::string& known = "") const {
    message::v1::ContactFacts contact;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(known, &contact));
    if (!known.empty()) facts.facts = &contact;
    const std::optional<std::string> queue = policy_->SelectQueue(facts);
    EXPECT_TRUE(queue == "asked" || queue == "default");
    return queue == "asked";
  }

 private:
  std::shared_ptr<const Policy> policy_;
};

TEST(SelectQueue, NothingWhereTheGroupHasNoQueue) {
  EXPECT_EQ(Compile("")->SelectQueue({}), std::nullopt);
}

TEST(SelectQueue, TheFirstWithARuleThatMatchesElseTheLast) {
  const auto policy = Compile(R"pb(
    queues { queue_id: "no-rules" }
    queues {
      queue_id: "nl"
      rules { languages: "nl" }
    }
    queues {
      queue_id: "phone"
      rules { account_ids: "fax" }
      rules { account_ids: "phone" }
    }
    queues { queue_id: "rest" })pb");
  EXPECT_THAT(policy->SelectQueue({.account_id = "phone", .language = "nl"}),
              Optional(std::string("nl")));
  EXPECT_THAT(policy->SelectQueue({.account_id = "phone"}), Optional(std::string("phone")));
  EXPECT_THAT(policy->SelectQueue({}), Optional(std::string("rest")));
}

TEST(SelectQueue, EverythingThatIsSetMustMatch) {
  const Rule rule(R"pb(account_ids: [ "a", "b" ]
                       languages: "nl")pb");
  EXPECT_TRUE(rule.Takes({.account_id = "b", .language = "nl"}));
  EXPECT_FALSE(rule.Takes({.account_id = "c", .language = "nl"}));
  EXPECT_FALSE(rule.Takes({.account_id = "b"}));
  EXPECT_TRUE(Rule("").Takes({}));
}

TEST(SelectQueue, WordsAreSoughtInSubjectAndTextWithoutRegardToCase) {
  const Rule rule(R"pb(topic_patterns: [ "\\bretour", "refund" ])pb");
  EXPECT_TRUE(rule.Takes({.subject = "RETOUR 123"}));
  EXPECT_TRUE(rule.Takes({.text = "I want a Refund, now"}));
  EXPECT_FALSE(rule.Takes({.subject = "tretour", .text = "re-fund"}));
  const std::string long_text = std::string(16 * 1024, ' ') + "refund";
  EXPECT_FALSE(rule.Takes({.text = long_text}));
  EXPECT_TRUE(rule.Takes({.text = absl::string_view(long_text).substr(6)}));
}

TEST(SelectQueue, WhatIsKnownOfTheContact) {
  EXPECT_TRUE(
      Rule(R"pb(contact_tags: [ "vip", "press" ])pb").Takes({}, R"pb(tags: [ "x", "press" ])pb"));
  EXPECT_FALSE(Rule(R"pb(contact_tags: "vip")pb").Takes({}, R"pb(tags: "x")pb"));
  EXPECT_FALSE(Rule(R"pb(contact_tags: "vip")pb").Takes({}));
  EXPECT_TRUE(Rule(R"pb(contact_tiers: "gold")pb").Takes({}, R"pb(tier: "gold")pb"));
  EXPECT_FALSE(Rule(R"pb(contact_tiers: "gold")pb").Takes({}, R"pb(tier: "tin")pb"));
  EXPECT_TRUE(Rule(R"pb(order_states: "late")pb").Takes({}, R"pb(order_state: "late")pb"));
  EXPECT_FALSE(Rule(R"pb(order_states: "late")pb").Takes({}));
  EXPECT_TRUE(Rule("min_lifetime_value_cents: 100").Takes({}, "lifetime_value_cents: 100"));
  EXPECT_FALSE(Rule("min_lifetime_value_cents: 100").Takes({}, "lifetime_value_cents: 99"));
  // Unknown is not 0, and not above anything.
  EXPECT_FALSE(Rule("min_lifetime_value_cents: -5").Takes({}, R"pb(tier: "gold")pb"));
}

TEST(SelectQueue, OpenAndClosed) {
  const absl::TimeZone zone = [] {
    absl::TimeZone amsterdam;
    EXPECT_TRUE(absl::LoadTimeZone("Europe/Amsterdam", &amsterdam));
    return amsterdam;
  }();
  const absl::Time monday = absl::FromCivil(absl::CivilHour(2026, 11, 23, 9), zone);
  const absl::Time sunday = monday - absl::Hours(24);
  const Rule open(R"pb(open_calendar_id: "office")pb");
  EXPECT_TRUE(open.Takes({.time = monday}));
  EXPECT_FALSE(open.Takes({.time = sunday}));
  const Rule closed(R"pb(closed_calendar_id: "office")pb");
  EXPECT_FALSE(closed.Takes({.time = monday}));
  EXPECT_TRUE(closed.Takes({.time = sunday}));
}

TEST(SelectQueue, ARuleThatCannotBeUsedNeverMatches) {
  EXPECT_FALSE(Rule(R"pb(open_calendar_id: "none")pb").Takes({}));
  EXPECT_FALSE(Rule(R"pb(closed_calendar_id: "none")pb").Takes({}));
  EXPECT_FALSE(Rule(R"pb(topic_patterns: "(")pb").Takes({.text = "("}));
  EXPECT_TRUE(Rule(R"pb(topic_patterns: [ "(", "x" ])pb").Takes({.text = "x"}));
}

TEST(Policy, PointsOfWhatIsKnown) {
  const auto policy = Compile(R"pb(
    priority {
      tiers { tier: "gold" points: 50 }
      tiers { tier: "tin" points: 5 }
      lifetime_values { min_lifetime_value_cents: 100000 points: 30 }
      lifetime_values { min_lifetime_value_cents: 0 points: 1 }
      lifetime_values { min_lifetime_value_cents: 5000 points: 10 }
      order_states { order_state: "late" points: 40 }
      sla_proximity { percent: 80 points: 20 }
      sla_proximity { percent: 50 points: 10 }
    })pb");
  message::v1::ContactFacts facts;
  EXPECT_EQ(policy->FactPoints(facts).Sum(), 0);
  facts.set_tier("tin");
  facts.set_lifetime_value_cents(99'999);
  facts.set_order_state("late");
  const PriorityParts parts = policy->FactPoints(facts);
  EXPECT_EQ(parts.tier, 5);
  EXPECT_EQ(parts.lifetime_value, 10);
  EXPECT_EQ(parts.order_state, 40);
  EXPECT_EQ(policy->SlaProximityPoints(49), 0);
  EXPECT_EQ(policy->SlaProximityPoints(79), 10);
  EXPECT_EQ(policy->SlaProximityPoints(300), 20);
}

TEST(Policy, DescribesWhatIsAskedRingByRing) {
  const auto policy = Compile(R"pb(
    queues {
      queue_id: "q"
      language_proficiency: 7
      required_skills { skill_id: "a" proficiency: 6 }
      relaxation_steps {
        lower_skills { skill_id: "lang:*" proficiency: 3 }
        alternatives { skill_id: "lang:*" or_skill_id: "translator" proficiency: 1 }
      }
      relaxation_steps {
        drop_skill_ids: "lang:*"
        widen_to_queue_ids: [ "r", "q", "gone" ]
      }
    }
    queues { queue_id: "r" }
    agents {
      agent_id: "anna"
      routing_group_id: "main"
      skills { skill_id: "lang:nl" proficiency: 1 }
    })pb");
  const auto describe = [&](const char* language, int ring) {
    conversation::v1::Requirement asked;
    policy->Describe("q", language, ring, false, common::v1::CHANNEL_KIND_CHAT, asked);
    return asked.DebugString();
  };
  const auto expect = [](const std::string& text) {
    conversation::v1::Requirement expected;
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &expected));
    expected.set_channel_kind(common::v1::CHANNEL_KIND_CHAT);
    expected.set_units(1);
    expected.set_relaxation_steps(2);
    return expected.DebugString();
  };
  EXPECT_EQ(describe("nl", 0), expect(R"pb(
              clauses { any_of { skill_id: "a" proficiency: 6 } }
              clauses { any_of { skill_id: "lang:nl" proficiency: 7 } }
              queue_ids: "q")pb"));
  EXPECT_EQ(describe("nl", 1), expect(R"pb(
              clauses { any_of { skill_id: "a" proficiency: 6 } }
              clauses {
                any_of { skill_id: "lang:nl" proficiency: 3 }
                any_of { skill_id: "translator" proficiency: 1 }
              }
              queue_ids: "q"
              ring: 1)pb"));
  EXPECT_EQ(describe("nl", 9), expect(R"pb(
              clauses { any_of { skill_id: "a" proficiency: 6 } }
              queue_ids: [ "q", "r" ]
              ring: 2)pb"));
  EXPECT_EQ(describe("fr", -1), expect(R"pb(
              clauses { any_of { skill_id: "a" proficiency: 6 } }
              queue_ids: "q")pb"));
}

TEST(Policy, ADescriptionListsTwentyAndCountsTheRest) {
  std::string agents;
  std::string queues;
  std::string step = "relaxation_steps {";
  for (int i = 0; i < 30; ++i) {
    agents += absl::StrCat("agents { agent_id: 'a", i, "' routing_group_id: 'main' }");
    queues += absl::StrCat("queues { queue_id: 'q", i, "' }");
    absl::StrAppend(&step, "widen_to_agent_ids: 'a", i, "' widen_to_queue_ids: 'q", i, "'");
  }
  const auto policy = Compile(absl::StrCat("queues { queue_id: 'q' ", step, "} }", queues, agents));
  conversation::v1::Requirement asked;
  policy->Describe("q", "", 1, false, common::v1::CHANNEL_KIND_CHAT, asked);
  EXPECT_EQ(asked.agent_ids_size(), 20);
  EXPECT_EQ(asked.more_agents(), 10);
  // Its own is the first.
  EXPECT_EQ(asked.queue_ids(0), "q");
  EXPECT_EQ(asked.queue_ids_size(), 20);
  EXPECT_EQ(asked.more_queues(), 11);
}

}  // namespace
}  // namespace wissel::routing
