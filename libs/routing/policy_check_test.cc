#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "libs/routing/policy.h"

namespace wissel::routing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

// A configuration with nothing to say about it, and what is added to it by the test.
std::vector<std::string> Findings(const std::string& added, bool errors) {
  config::v1::WorkspaceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
            routing_groups { routing_group_id: "main" }
            accounts {
              account { kind: CHANNEL_KIND_CHAT account_id: "site" }
              routing_group_id: "main"
            }
            calendars {
              calendar_id: "office"
              time_zone: "Europe/Amsterdam"
              windows { days: 1 open: "09:00" close: "17:00" }
            }
            agents {
              agent_id: "anna"
              capacity_units: 3
              queue_ids: [ "q", "r" ]
              skills { skill_id: "a" proficiency: 5 }
              skills { skill_id: "lang:nl" proficiency: 5 }
            }
            queues {
              queue_id: "r"
              rules { account_ids: "site" languages: "nl" }
            }
      )pb" +
          added,
      &config));
  bool has_q = false;
  for (auto& queue : *config.mutable_queues()) {
    if (queue.routing_group_id().empty()) queue.set_routing_group_id("main");
    has_q = has_q || queue.queue_id() == "q";
  }
  if (!has_q) {
    config.add_queues()->set_queue_id("q");
    config.mutable_queues(config.queues_size() - 1)->set_routing_group_id("main");
  }
  for (auto& agent : *config.mutable_agents()) {
    if (agent.routing_group_id().empty()) agent.set_routing_group_id("main");
  }
  std::vector<std::string> texts;
  bool warned = false;
  for (const PolicyFinding& finding : CheckPolicy(config)) {
    EXPECT_FALSE(warned && finding.error) << "errors come first";
    warned = warned || !finding.error;
    EXPECT_TRUE(errors || !finding.error) << finding.path << ": " << finding.what;
    if (finding.error == errors) texts.push_back(finding.path + ": " + finding.what);
  }
  return texts;
}
std::vector<std::string> Errors(const std::string& added) { return Findings(added, true); }
std::vector<std::string> Warnings(const std::string& added) { return Findings(added, false); }

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
  EXPECT_THAT(Errors(R"pb(
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
                })pb"),
              ElementsAre("queues[q].preferred_skills[a].weight: 101; from 1 to 100",
                          "queues[q].language_proficiency: 11; from 0 to 10",
                          "queues[q].sticky_window: 720h1s; from 0 to 720h",
                          "queues[q].wrap_up_time: 1h1s; from 0 to 1h",
                          StartsWith("queues[q].overflow_rules[0].above_waiting: -1; from 0"),
                          StartsWith("queues[q].overflow_rules[1].after: -1s; from 0"),
                          "queues[q].overflow_rules[1].request_callback: can only be true",
                          "queues[q].overflow_rules[2].send_text: 0 bytes; 1 to 4096",
                          "queues[q].overflow_rules[3]: says nothing to do",
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

TEST(CheckPolicy, WarnsOfRulesThatCanNeverMatch) {
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

TEST(CheckPolicy, WarnsOfWhatNobodyCanMeet) {
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

TEST(CheckPolicy, WarnsOfSkillsThatNobodyHas) {
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

TEST(CheckPolicy, WarnsOfChannelsThatWeighMoreThanAnybodyCanHold) {
  EXPECT_THAT(Warnings(R"pb(channels { kind: CHANNEL_KIND_CHAT weight_units: 3 })pb"), IsEmpty());
  // Nobody is expected to write by SMS.
  EXPECT_THAT(Warnings(R"pb(channels { kind: CHANNEL_KIND_SMS weight_units: 4 })pb"), IsEmpty());
  EXPECT_THAT(Warnings(R"pb(channels { kind: CHANNEL_KIND_CHAT weight_units: 4 })pb"),
              ElementsAre("channels[CHANNEL_KIND_CHAT].weight_units: 4; no agent of routing group "
                          "\"main\" can ever be offered one: agent \"anna\" has the most "
                          "capacity, 3"));
}

TEST(CheckPolicy, WarnsOfQueuesThatNothingLeadsInto) {
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

TEST(CheckPolicy, WarnsOfSlaPoliciesThatNeverApply) {
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
