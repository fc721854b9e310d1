#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "libs/routing/testing/findings.h"

namespace wissel::routing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::Errors;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using testing::Warnings;

TEST(CheckPolicy, HasNothingToSayAboutASoundOne) {
  EXPECT_THAT(Errors(""), IsEmpty());
  EXPECT_THAT(Warnings(R"pb(
                queues {
                  queue_id: "q"
                  rules { topic_patterns: "refund|retour" min_lifetime_value_cents: 1 }
                  required_skills { skill_id: "a" proficiency: 4 }
                  language_proficiency: 3
                  preferred_skills { skill_id: "a" weight: 100 }
                  relaxation_steps {
                    after { seconds: 30 }
                    lower_skills { skill_id: "a" proficiency: 2 }
                    lower_skills { skill_id: "lang:*" proficiency: 1 }
                  }
                  relaxation_steps {
                    after { seconds: 60 }
                    drop_skill_ids: [ "lang:*", "a" ]
                    widen_to_queue_ids: "r"
                    widen_to_agent_ids: "anna"
                  }
                  overflow_rules {
                    after { seconds: 90 }
                    to_queue_id: "r"
                  }
                  overflow_rules { above_waiting: 10 send_text: "Please wait." }
                }
                channels { kind: CHANNEL_KIND_CHAT may_interrupt: CHANNEL_KIND_EMAIL }
                sla_policies {
                  sla_policy_id: "gold"
                  contact_tiers: "gold"
                  calendar_id: "office"
                  targets {
                    metric: SLA_METRIC_FIRST_RESPONSE
                    target { seconds: 60 }
                  }
                  warn_percents: [ 50, 80 ]
                  escalation_steps { metric: SLA_METRIC_FIRST_RESPONSE percent: 100 relax_steps: 1 }
                }
                sla_policies {
                  sla_policy_id: "rest"
                  targets {
                    metric: SLA_METRIC_RESOLUTION
                    target { seconds: 60 }
                  }
                })pb"),
              IsEmpty());
}

TEST(CheckPolicy, NamesEveryReferenceToNothing) {
  EXPECT_THAT(
      Errors(R"pb(
        queues {
          queue_id: "q"
          rules { account_ids: "fax" open_calendar_id: "x" closed_calendar_id: "y" }
          relaxation_steps {
            after { seconds: 1 }
            widen_to_queue_ids: "s"
            widen_to_agent_ids: "bram"
          }
          overflow_rules { to_queue_id: "t" }
        }
        agents {
          agent_id: "carl"
          secondary_queue_ids: [ "u", "q", "q" ]
        }
        sla_policies {
          sla_policy_id: "p"
          queue_ids: "v"
          calendar_id: "z"
          targets {
            metric: SLA_METRIC_RESOLUTION
            target { seconds: 60 }
          }
          escalation_steps { metric: SLA_METRIC_RESOLUTION percent: 90 overflow_to_queue_id: "w" }
          escalation_steps { metric: SLA_METRIC_FIRST_RESPONSE percent: 90 tell_supervisors: true }
        })pb"),
      ElementsAre("queues[q].rules[0].account_ids: no account \"fax\"",
                  "queues[q].rules[0].open_calendar_id: no calendar \"x\"",
                  "queues[q].rules[0].closed_calendar_id: no calendar \"y\"",
                  "queues[q].relaxation_steps[0].widen_to_queue_ids: no queue \"s\"",
                  "queues[q].relaxation_steps[0].widen_to_agent_ids: no agent \"bram\"",
                  "queues[q].overflow_rules[0].to_queue_id: no queue \"t\"",
                  "agents[carl].secondary_queue_ids: no queue \"u\"",
                  "agents[carl].secondary_queue_ids: \"q\" is there twice",
                  "sla_policies[p].queue_ids: no queue \"v\"",
                  "sla_policies[p].calendar_id: no calendar \"z\"",
                  "sla_policies[p].escalation_steps[0].overflow_to_queue_id: no queue \"w\"",
                  "sla_policies[p].escalation_steps[1].metric: the policy has no target for "
                  "SLA_METRIC_FIRST_RESPONSE"));
}

TEST(CheckPolicy, QueuesAndAgentsOfAnotherGroupCannotBeUsed) {
  EXPECT_THAT(
      Errors(R"pb(
        routing_groups { routing_group_id: "other" }
        queues { queue_id: "theirs" routing_group_id: "other" }
        agents { agent_id: "xena" routing_group_id: "other" queue_ids: "theirs" capacity_units: 1 }
        queues {
          queue_id: "q"
          relaxation_steps {
            after { seconds: 1 }
            widen_to_queue_ids: "theirs"
            widen_to_agent_ids: "xena"
          }
          overflow_rules { to_queue_id: "theirs" }
        })pb"),
      ElementsAre("queues[q].relaxation_steps[0].widen_to_queue_ids: queue \"theirs\" is of "
                  "another routing group",
                  "queues[q].relaxation_steps[0].widen_to_agent_ids: agent \"xena\" is of "
                  "another routing group",
                  "queues[q].overflow_rules[0].to_queue_id: queue \"theirs\" is of another "
                  "routing group"));
}

TEST(CheckPolicy, EscalationStaysWithinTheRoutingGroup) {
  const auto errors = [](const std::string& applies_to) {
    return Errors(R"pb(
                    routing_groups { routing_group_id: "other" }
                    accounts {
                      account { kind: CHANNEL_KIND_EMAIL account_id: "post" }
                      routing_group_id: "other"
                    }
                    queues { queue_id: "theirs" routing_group_id: "other" }
                    agents {
                      agent_id: "xena"
                      routing_group_id: "other"
                      queue_ids: "theirs"
                      capacity_units: 1
                    }
                    sla_policies { sla_policy_id: "p"
                                   targets {
                                     metric: SLA_METRIC_RESOLUTION
                                     target { seconds: 60 }
                                   }
                                   escalation_steps {
                                     metric: SLA_METRIC_RESOLUTION
                                     percent: 90
                                     overflow_to_queue_id: "theirs"
                                   }
                  )pb" +
                  applies_to + "}");
  };
  EXPECT_THAT(errors("queue_ids: ['r', 'theirs']"),
              ElementsAre("sla_policies[p].escalation_steps[0].overflow_to_queue_id: queue "
                          "\"theirs\" is of another routing group than \"r\", which the policy "
                          "applies to"));
  EXPECT_THAT(errors(""),
              ElementsAre("sla_policies[p].escalation_steps[0].overflow_to_queue_id: queue "
                          "\"theirs\" is of another routing group than account \"site\", to which "
                          "the policy applies, too: limit the policy to queues of one group "
                          "(queue_ids)"));
  EXPECT_THAT(errors("queue_ids: 'theirs'"), IsEmpty());
  EXPECT_THAT(errors("channel_kinds: CHANNEL_KIND_EMAIL"), IsEmpty());
}

TEST(CheckPolicy, OverflowMustNotLeadInACircle) {
  EXPECT_THAT(Errors(R"pb(
                queues {
                  queue_id: "q"
                  overflow_rules { to_queue_id: "s" }
                }
                queues {
                  queue_id: "s"
                  overflow_rules { to_queue_id: "r" }
                  overflow_rules { to_queue_id: "t" }
                }
                queues {
                  queue_id: "t"
                  overflow_rules { to_queue_id: "q" }
                }
                queues {
                  queue_id: "u"
                  overflow_rules { to_queue_id: "u" }
                })pb"),
              ElementsAre("queues[q].overflow_rules: lead in a circle: q to s to t to q",
                          "queues[u].overflow_rules: lead in a circle: u to u"));
}

TEST(CheckPolicy, WhatEscalationSendsAwayMayComeBack) {
  const auto warnings = [](absl::string_view queues) {
    return Warnings(absl::StrCat(R"pb(
                                   queues {
                                     queue_id: "q"
                                     overflow_rules {
                                       after { seconds: 60 }
                                       send_text: "Sorry"
                                     }
                                   }
                                   queues {
                                     queue_id: "s"
                                     overflow_rules {
                                       after { seconds: 120 }
                                       to_queue_id: "q"
                                     }
                                   }
                                   sla_policies { sla_policy_id: "p"
                                                  targets {
                                                    metric: SLA_METRIC_FIRST_RESPONSE
                                                    target { seconds: 600 }
                                                  }
                                                  escalation_steps {
                                                    metric: SLA_METRIC_FIRST_RESPONSE
                                                    percent: 50
                                                    overflow_to_queue_id: "s"
                                                  }
                                 )pb",
                                 queues, "}"));
  };
  EXPECT_THAT(warnings(""),
              Contains("sla_policies[p].escalation_steps[0].overflow_to_queue_id: what it sends to "
                       "queue \"s\" may go on to queue \"q\" at once, by overflow_rules whose time "
                       "is up by then"));
  EXPECT_THAT(warnings("queue_ids: 's'"), Not(Contains(HasSubstr("may go on"))));
}

TEST(CheckPolicy, ChannelsMustNotInterruptEachOther) {
  EXPECT_THAT(Errors(R"pb(
                channels { kind: CHANNEL_KIND_CHAT may_interrupt: CHANNEL_KIND_SMS }
                channels { kind: CHANNEL_KIND_SMS may_interrupt: CHANNEL_KIND_EMAIL }
                channels { kind: CHANNEL_KIND_EMAIL may_interrupt: CHANNEL_KIND_SMS })pb"),
              ElementsAre("channels[CHANNEL_KIND_SMS].may_interrupt: leads in a circle",
                          "channels[CHANNEL_KIND_EMAIL].may_interrupt: leads in a circle"));
}

TEST(CheckPolicy, KeepsTheContractsBounds) {
  EXPECT_THAT(
      Errors(R"pb(
        queues {
          queue_id: "q"
          preferred_skills { skill_id: "a" weight: 101 }
          language_proficiency: 11
          sticky_window { seconds: 2592001 }
          wrap_up_time { seconds: 3601 }
          ageing_points: 1001
          ageing_interval { nanos: 1 }
          max_ageing_points: 10001
          owner_limit { seconds: -1 }
          at_risk_percent: 101
          overflow_rules { above_waiting: -1 to_anyone: true }
          overflow_rules {
            after { seconds: -1 }
            request_callback: false
          }
          overflow_rules { send_text: "" }
          overflow_rules {}
          overflow_rules { send_text: "Another {minute}." }
          overflow_rules { send_text: "Number {position}." }
        })pb"),
      ElementsAre(
          "queues[q].preferred_skills[a].weight: 101; from 1 to 100",
          "queues[q].language_proficiency: 11; from 0 to 10",
          "queues[q].sticky_window: 720h1s; from 0 to 720h",
          "queues[q].wrap_up_time: 1h1s; from 0 to 1h",
          StartsWith("queues[q].overflow_rules[0].above_waiting: -1; from 0"),
          StartsWith("queues[q].overflow_rules[1].after: -1s; from 0"),
          "queues[q].overflow_rules[1].request_callback: can only be true",
          "queues[q].overflow_rules[2].send_text: 0 bytes; 1 to 4096",
          "queues[q].overflow_rules[3]: says nothing to do",
          "queues[q].overflow_rules[4].send_text: {minute} is neither {position} nor {minutes}",
          "queues[q].overflow_rules[5].send_text: says how long it takes: the queue needs "
          "tell_waiting_time",
          "queues[q].ageing_points: 1001; from 0 to 1000",
          "queues[q].ageing_interval: 1ns; from 1s to 24h",
          "queues[q].max_ageing_points: 10001; from 0 to 10000",
          StartsWith("queues[q].owner_limit: -1s; from 0"),
          "queues[q].at_risk_percent: 101; from 0 to 100"));
  EXPECT_THAT(
      Errors(R"pb(
        agents {
          agent_id: "carl"
          channel_limits { kind: CHANNEL_KIND_CHAT max_conversations: 1001 }
          channel_limits { kind: CHANNEL_KIND_CHAT }
        }
        channels { kind: CHANNEL_KIND_CHAT weight_units: -1 max_conversations: -1 }
        sla_policies {
          sla_policy_id: "P"
          targets { metric: SLA_METRIC_RESOLUTION }
          warn_percents: [ 80, 80, 100 ]
          escalation_steps { metric: SLA_METRIC_RESOLUTION percent: 0 add_priority_points: 0 }
          escalation_steps { metric: SLA_METRIC_RESOLUTION percent: 1 relax_steps: 9 }
          escalation_steps { metric: SLA_METRIC_RESOLUTION percent: 1 }
        }
        sla_policies { sla_policy_id: "none" }
        priority {
          tiers { tier: "gold" points: 10001 }
          tiers { tier: "gold" points: 1 }
          lifetime_values { min_lifetime_value_cents: 1 points: -1 }
          order_states { points: 1 }
          sla_proximity { percent: 90 points: 1 }
          sla_proximity { percent: 50 points: 2 }
        })pb"),
      ElementsAre(
          "agents[carl].channel_limits[CHANNEL_KIND_CHAT].max_conversations: 1001; from 0 to 1000",
          "agents[carl].channel_limits[CHANNEL_KIND_CHAT]: there twice",
          "channels[CHANNEL_KIND_CHAT].weight_units: -1; from 0 to 1000",
          "channels[CHANNEL_KIND_CHAT].max_conversations: -1; from 0 to 1000",
          "sla_policies[P]: 1 to 64 of a-z, 0-9 and -",
          "sla_policies[P].targets[SLA_METRIC_RESOLUTION].target: 0; from 1s to 8760h",
          "sla_policies[P].warn_percents[1]: 80; more than the one before it, 80",
          "sla_policies[P].warn_percents[2]: 100; from 1 to 99",
          "sla_policies[P].escalation_steps[0].percent: 0; from 1 to 1000",
          "sla_policies[P].escalation_steps[0].add_priority_points: 0; from 1 to 10000",
          "sla_policies[P].escalation_steps[1].relax_steps: 9; from 1 to 8",
          "sla_policies[P].escalation_steps[2]: says nothing to do",
          "sla_policies[none].targets: none", "priority.tiers[gold].points: 10001; from 0 to 10000",
          "priority.tiers[gold]: there twice",
          "priority.lifetime_values[1].points: -1; from 0 to 10000",
          "priority.order_states[]: an id of 0 bytes; 1 to 128",
          "priority.sla_proximity[90].points: 1; no less than for a smaller share, 2"));
}

TEST(CheckPolicy, StepsMustRiseAndAskForLess) {
  EXPECT_THAT(
      Errors(R"pb(
        queues {
          queue_id: "q"
          required_skills { skill_id: "a" proficiency: 4 }
          relaxation_steps { lower_skills { skill_id: "a" proficiency: 4 } }
          relaxation_steps {
            after { seconds: 60 }
            alternatives { skill_id: "a" }
          }
          relaxation_steps { after { seconds: 60 } }
        })pb"),
      ElementsAre("queues[q].relaxation_steps[0].after: 0; from 1s to 168h",
                  "queues[q].relaxation_steps[0].lower_skills[a].proficiency: 4; lower than "
                  "before, 4",
                  "queues[q].relaxation_steps[1].alternatives[a].proficiency: 0; from 1 to "
                  "10",
                  "queues[q].relaxation_steps[1].alternatives[a].or_skill_id: an id of 0 "
                  "bytes; 1 to 128",
                  "queues[q].relaxation_steps[2].after: 1m; later than the step before it, "
                  "1m"));
  EXPECT_THAT(Errors(R"pb(
                queues {
                  queue_id: "q"
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                  relaxation_steps {}
                })pb"),
              ::testing::Contains("queues[q].relaxation_steps: 9; at most 8"));
}

TEST(CheckPolicy, PatternsMustCompileWithinTheirBounds) {
  EXPECT_THAT(Errors(R"pb(queues {
                            queue_id: "q"
                            rules { topic_patterns: [ "(", "ok", "" ] }
                          })pb"),
              ElementsAre(StartsWith("queues[q].rules[0].topic_patterns[0]: missing )"),
                          "queues[q].rules[0].topic_patterns[2]: 0 bytes; 1 to 256"));
  EXPECT_THAT(Errors(R"pb(queues {
                            queue_id: "q"
                            rules { topic_patterns: "((a{100}){100}){100}" }
                          })pb"),
              ElementsAre(StartsWith("queues[q].rules[0].topic_patterns[0]: ")));
  std::string patterns;
  for (int i = 0; i < 21; ++i) patterns += "topic_patterns: 'x' ";
  patterns += "topic_patterns: '" + std::string(257, 'x') + "' ";
  EXPECT_THAT(Errors("queues { queue_id: 'q' rules { " + patterns + " } }"),
              ElementsAre("queues[q].rules[0].topic_patterns: 22; at most 20"));
}

TEST(CheckPolicy, CalendarsMustOpen) {
  EXPECT_THAT(
      Errors(R"pb(
        calendars {
          calendar_id: "office"
          time_zone: "UTC"
          windows { days: 1 open: "09:00" close: "10:00" }
        }
        calendars { calendar_id: "never" time_zone: "UTC" }
        calendars {
          calendar_id: "mars"
          time_zone: "Mars/Base"
          windows { days: 1 open: "09:00" close: "10:00" }
        }
        calendars {
          calendar_id: "late"
          time_zone: "UTC"
          windows { days: 1 open: "10:00" close: "09:00" }
        }
        calendars {
          calendar_id: "words"
          time_zone: "UTC"
          windows { days: 1 open: "9 am" close: "10:60" }
        }
        calendars {
          calendar_id: "day"
          time_zone: "UTC"
          windows { days: 0 open: "09:00" close: "24:00" }
        }
        calendars {
          calendar_id: "date"
          time_zone: "UTC"
          windows { days: 1 open: "09:00" close: "10:00" }
          special_days { date: "2026-02-30" }
        })pb"),
      ElementsAre("calendars[office]: there twice", "calendars[never]: never opens",
                  HasSubstr("Mars/Base"), HasSubstr("windows[0]: 10:00 to 09:00 ends before"),
                  HasSubstr("windows[0]: \"9 am\" to \"10:60\"; times are HH:MM"),
                  HasSubstr("windows[0]: day 0; from 1, Monday, to 7"),
                  HasSubstr("special_days[0]: \"2026-02-30\"; dates are YYYY-MM-DD")));
}

TEST(CheckPolicy, WarnsOfLanguagesThatNoConversationHas) {
  EXPECT_THAT(Warnings(R"pb(
                queues {
                  queue_id: "q"
                  rules { languages: [ "de", "pt-BR", "EN" ] }
                  required_skills { skill_id: "lang:de-AT" proficiency: 1 }
                }
                agents {
                  agent_id: "carl"
                  queue_ids: "q"
                  capacity_units: 1
                  skills { skill_id: "lang:nl-BE" proficiency: 5 }
                  skills { skill_id: "lang:de-AT" proficiency: 5 }
                  skills { skill_id: "lang:de" proficiency: 5 }
                })pb"),
              // The queue asks for "lang:de-AT" by that name, and gets it.
              ElementsAre("queues[q].rules[0].languages: \"pt-BR\" never matches: write \"pt\"",
                          "queues[q].rules[0].languages: \"EN\" never matches: write \"en\"",
                          "agents[carl].skills[lang:nl-BE]: no conversation's language: write "
                          "\"lang:nl\""));
}

TEST(CheckPolicy, WarnsOfStepsThatChangeNothing) {
  EXPECT_THAT(
      Warnings(R"pb(
        queues {
          queue_id: "q"
          required_skills { skill_id: "a" proficiency: 4 }
          relaxation_steps {
            after { seconds: 30 }
            drop_skill_ids: [ "a", "lang:*" ]
          }
          relaxation_steps {
            after { seconds: 60 }
            lower_skills { skill_id: "a" proficiency: 1 }
          }
        })pb"),
      ElementsAre("queues[q].relaxation_steps[0].drop_skill_ids: \"lang:*\" is not required "
                  "here",
                  "queues[q].relaxation_steps[1].lower_skills[a]: \"a\" is not required "
                  "here"));
}

TEST(CheckPolicy, WarnsOfCalendarsThatDoNotOpenAgain) {
  const auto warnings = [](absl::string_view applied) {
    return Warnings(absl::StrCat(R"pb(
                                   calendars {
                                     calendar_id: "fair"
                                     time_zone: "Europe/Amsterdam"
                                     special_days {
                                       date: "2026-05-14"
                                       windows { open: "09:00" close: "17:00" }
                                     }
                                   })pb",
                                 applied));
  };
  EXPECT_THAT(warnings(""), IsEmpty());
  // Its last second, and the moment it closes.
  EXPECT_THAT(warnings("applied_time { seconds: 1778770799 }"), IsEmpty());
  EXPECT_THAT(warnings("applied_time { seconds: 1778770800 }"),
              ElementsAre("calendars[fair]: never opens again: all its openings lie in the past"));
}

// What every explanation repeats.
TEST(CheckPolicy, BoundsWhatAQueueAsksFor) {
  const auto many = [](int n, absl::string_view field) {
    std::string text;
    for (int i = 0; i < n; ++i) absl::StrAppend(&text, absl::Substitute(field, i), " ");
    return text;
  };
  const auto errors = [&](int more) {
    return Errors(absl::StrCat(
        many(100 + more, "agents { agent_id: 'a$0' queue_ids: 'q' }"),
        many(100 + more, "queues { queue_id: 'q$0' rules { languages: 'x$0' } }"),
        "queues { queue_id: 'q' ",
        many(50 + more, "required_skills { skill_id: 's$0' proficiency: 1 }"),
        many(50 + more, "preferred_skills { skill_id: 's$0' weight: 1 }"),
        "relaxation_steps { after { seconds: 1 }",
        many(50 + more, "alternatives { skill_id: 's$0' or_skill_id: 'o$0' proficiency: 1 }"),
        many(100 + more, "widen_to_agent_ids: 'a$0'"),
        many(100 + more, "widen_to_queue_ids: 'q$0'"), "} }"));
  };
  EXPECT_THAT(errors(0), IsEmpty());
  EXPECT_THAT(errors(1),
              ElementsAre("queues[q].required_skills: 51; at most 50",
                          "queues[q].preferred_skills: 51; at most 50",
                          "queues[q].relaxation_steps[0].alternatives: 51; at most 50",
                          "queues[q].relaxation_steps[0].widen_to_queue_ids: 101; at most 100",
                          "queues[q].relaxation_steps[0].widen_to_agent_ids: 101; at most 100"));
}

}  // namespace
}  // namespace wissel::routing
