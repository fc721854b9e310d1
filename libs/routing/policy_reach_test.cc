#include "libs/routing/policy_reach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/routing/testing/findings.h"

namespace wissel::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Warnings;

TEST(CheckReach, WarnsOfRulesThatCanNeverMatch) {
  EXPECT_THAT(
      Warnings(R"pb(
        queues {
          queue_id: "q"
          rules { account_ids: "site" languages: "nl" contact_tiers: "gold" }
          rules { topic_patterns: [ "a", "b" ] }
          rules { topic_patterns: "b" contact_tags: "x" }
          rules { min_lifetime_value_cents: 5 open_calendar_id: "office" }
          rules { min_lifetime_value_cents: 6 open_calendar_id: "office" }
          rules { min_lifetime_value_cents: 6 closed_calendar_id: "office" }
          rules { order_states: "late" open_calendar_id: "office" closed_calendar_id: "office" }
        })pb"),
      ElementsAre(
          "queues[q].rules[6]: can never match: \"office\" is to be open and closed",
          "queues[q].rules[0]: can never match: queues[r].rules[0] takes all of it before",
          "queues[q].rules[2]: can never match: queues[q].rules[1] takes all of it before",
          "queues[q].rules[4]: can never match: queues[q].rules[3] takes all of it before"));
}

TEST(CheckReach, WarnsOfRulesThatTwoTakeAllOfByACalendar) {
  const auto warnings = [](const std::string& open, const std::string& closed,
                           const std::string& later) {
    return Warnings(
        "calendars { calendar_id: 'other' time_zone: 'UTC' windows { days: 1 open: "
        "'09:00' close: '10:00' } } queues { queue_id: 'q' rules { " +
        open + " } rules { contact_tags: 'x' } rules { " + closed + " } rules { " + later + " } }");
  };
  const std::string open = "contact_tiers: 'gold' open_calendar_id: 'office'";
  const std::string closed = "contact_tiers: ['gold', 'silver'] closed_calendar_id: 'office'";
  const std::string gold = "contact_tiers: 'gold' order_states: 'late'";
  const auto found = ElementsAre(
      "queues[q].rules[3]: can never match: queues[q].rules[0] takes all of it while \"office\" is "
      "open, and queues[q].rules[2] while it is closed");
  EXPECT_THAT(warnings(open, closed, gold), found);
  EXPECT_THAT(warnings(open, closed, gold + " open_calendar_id: 'other'"), found);
  // Silver is left while it is open, or another calendar counts, or one more condition.
  EXPECT_THAT(warnings(open, closed, "contact_tiers: ['gold', 'silver'] order_states: 'late'"),
              IsEmpty());
  EXPECT_THAT(warnings(open, "contact_tiers: 'gold' closed_calendar_id: 'other'", gold), IsEmpty());
  EXPECT_THAT(warnings(open + " closed_calendar_id: 'other'", closed, gold), IsEmpty());
  EXPECT_THAT(warnings(open, closed + " open_calendar_id: 'other'", gold), IsEmpty());
  EXPECT_THAT(warnings(open + " contact_tags: 'y'", closed, gold), IsEmpty());
}

TEST(CheckReach, WarnsOfWhatNobodyCanMeet) {
  EXPECT_THAT(Warnings(R"pb(
                queues {
                  queue_id: "q"
                  required_skills { skill_id: "a" proficiency: 6 }
                  relaxation_steps {
                    after { seconds: 30 }
                    alternatives { skill_id: "a" or_skill_id: "b" proficiency: 1 }
                  }
                })pb"),
              ElementsAre("queues[q].required_skills[a]: no agent who serves the queue has it at 6",
                          "queues[q].relaxation_steps: nobody can meet what is left, either",
                          "queues[q].relaxation_steps[0].alternatives[a].or_skill_id: no agent of "
                          "the routing group has \"b\""));
  EXPECT_THAT(Warnings(R"pb(
                queues {
                  queue_id: "q"
                  required_skills { skill_id: "a" proficiency: 6 }
                  relaxation_steps {
                    after { seconds: 30 }
                    lower_skills { skill_id: "a" proficiency: 5 }
                  }
                })pb"),
              ElementsAre("queues[q]: nobody can meet what it asks before 30s"));
  EXPECT_THAT(Warnings(R"pb(queues { queue_id: "q" language_proficiency: 6 })pb"),
              ElementsAre("queues[q].language_proficiency: no agent who may be asked has "
                          "\"lang:nl\" well enough"));
  EXPECT_THAT(Warnings(R"pb(queues {
                              queue_id: "s"
                              rules { languages: "fr" }
                            })pb"),
              ElementsAre("queues[s]: no agent serves it"));
  EXPECT_THAT(Warnings(R"pb(
                queues {
                  queue_id: "s"
                  rules { languages: "fr" }
                }
                agents { agent_id: "bram" secondary_queue_ids: "s" })pb"),
              ElementsAre("queues[s]: no agent who may be asked has any capacity",
                          "agents[bram].capacity_units: 0: is never offered anything"));
}

TEST(CheckReach, WarnsOfSkillsThatNobodyHas) {
  EXPECT_THAT(Warnings(R"pb(
                queues {
                  queue_id: "q"
                  required_skills { skill_id: "a" proficiency: 5 }
                  preferred_skills { skill_id: "a" weight: 1 }
                  preferred_skills { skill_id: "refnuds" weight: 1 }
                  relaxation_steps {
                    after { seconds: 30 }
                    alternatives { skill_id: "a" or_skill_id: "lang:nl" proficiency: 1 }
                    alternatives { skill_id: "a" or_skill_id: "b" proficiency: 1 }
                  }
                })pb"),
              ElementsAre("queues[q].preferred_skills[refnuds]: no agent of the routing group has "
                          "\"refnuds\"",
                          "queues[q].relaxation_steps[0].alternatives[a].or_skill_id: no agent of "
                          "the routing group has \"b\""));
}

TEST(CheckReach, WarnsOfChannelsThatWeighMoreThanAnybodyCanHold) {
  EXPECT_THAT(Warnings(R"pb(channels { kind: CHANNEL_KIND_CHAT weight_units: 3 })pb"), IsEmpty());
  // Nobody is expected to write by SMS.
  EXPECT_THAT(Warnings(R"pb(channels { kind: CHANNEL_KIND_SMS weight_units: 4 })pb"), IsEmpty());
  EXPECT_THAT(Warnings(R"pb(channels { kind: CHANNEL_KIND_CHAT weight_units: 4 })pb"),
              ElementsAre("channels[CHANNEL_KIND_CHAT].weight_units: 4; no agent of routing group "
                          "\"main\" can ever be offered one: agent \"anna\" has the most "
                          "capacity, 3"));
}

TEST(CheckReach, WarnsOfQueuesThatNothingLeadsInto) {
  const std::string serves = "agents { agent_id: 'bram' queue_ids: 's' capacity_units: 1 } ";
  EXPECT_THAT(Warnings(serves + "queues { queue_id: 's' }"),
              ElementsAre("queues[s]: has no rules, is not its routing group's last, and no "
                          "overflow or escalation leads into it: it gets only what agents and "
                          "supervisors transfer to it"));
  // As the last one, by a rule, by overflow, by escalation, and for its agents.
  EXPECT_THAT(Warnings(serves + "queues { queue_id: 'q' rules { languages: 'fr' } } "
                                "queues { queue_id: 's' }"),
              IsEmpty());
  EXPECT_THAT(Warnings(serves + "queues { queue_id: 's' rules { languages: 'fr' } }"), IsEmpty());
  EXPECT_THAT(Warnings(serves + R"pb(
                queues { queue_id: "s" }
                queues {
                  queue_id: "q"
                  overflow_rules { to_queue_id: "s" }
                })pb"),
              IsEmpty());
  EXPECT_THAT(
      Warnings(serves + R"pb(
        queues { queue_id: "s" }
        sla_policies {
          sla_policy_id: "p"
          targets {
            metric: SLA_METRIC_RESOLUTION
            target { seconds: 60 }
          }
          escalation_steps { metric: SLA_METRIC_RESOLUTION percent: 90 overflow_to_queue_id: "s" }
        })pb"),
      IsEmpty());
  EXPECT_THAT(Warnings(serves + R"pb(
                queues { queue_id: "s" }
                queues {
                  queue_id: "q"
                  relaxation_steps {
                    after { seconds: 30 }
                    widen_to_queue_ids: "s"
                  }
                })pb"),
              IsEmpty());
}

TEST(CheckReach, WarnsOfSlaPoliciesThatNeverApply) {
  EXPECT_THAT(Warnings(R"pb(
                sla_policies {
                  sla_policy_id: "mail"
                  channel_kinds: [ CHANNEL_KIND_EMAIL, CHANNEL_KIND_SMS ]
                  min_priority: 5
                  targets {
                    metric: SLA_METRIC_RESOLUTION
                    target { seconds: 60 }
                  }
                }
                sla_policies {
                  sla_policy_id: "urgent-mail"
                  queue_ids: "q"
                  channel_kinds: CHANNEL_KIND_EMAIL
                  min_priority: 6
                  targets {
                    metric: SLA_METRIC_RESOLUTION
                    target { seconds: 60 }
                  }
                }
                sla_policies {
                  sla_policy_id: "any-mail"
                  channel_kinds: CHANNEL_KIND_EMAIL
                  targets {
                    metric: SLA_METRIC_RESOLUTION
                    target { seconds: 60 }
                  }
                })pb"),
              ElementsAre("sla_policies[urgent-mail]: never applies: mail takes all of it before"));
}

}  // namespace
}  // namespace wissel::routing
