#include "services/ctl/describe.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

namespace wissel::ctl {
namespace {

using conversation::v1::Event;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Describe, EveryKindOfEventHasItsWords) {
  for (int i = 0; i < Event::descriptor()->field_count(); ++i) {
    const auto* field = Event::descriptor()->field(i);
    Event event;
    event.GetReflection()->MutableMessage(&event, field);
    EXPECT_NE(Describe(event), Describe(Event())) << field->name();
    EXPECT_EQ(KindOf(event), field->name());
  }
  EXPECT_EQ(KindOf(Event()), "unknown");
}

TEST(Describe, SaysWhoAndWhat) {
  Event event;
  event.mutable_reply_sent()->mutable_actor()->set_agent_id("anna");
  event.mutable_reply_sent()->mutable_message()->add_contents()->mutable_text()->set_text(
      "Hoi\nJan");
  EXPECT_EQ(Describe(event), "anna answered \"Hoi Jan\"");

  event.mutable_transferred()->mutable_actor()->set_subject("boss");
  event.mutable_transferred()->set_from_agent_id("anna");
  event.mutable_transferred()->set_to_queue_id("en");
  event.mutable_transferred()->set_note("speaks English");
  EXPECT_EQ(Describe(event), "boss transferred it from anna to queue en (speaks English)");

  event.mutable_overflowed()->set_queue_id("nl");
  event.mutable_overflowed()->set_waiting(2);
  event.mutable_overflowed()->set_text_withheld_for(message::v1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Describe(event),
            "overflows from nl, where 2 wait, by rule 0: its text is not sent, as a machine wrote "
            "last (auto reply)");

  event.mutable_agent_capacity_changed()->set_agent_id("anna");
  event.mutable_agent_capacity_changed()->set_capacity_units(1);
  EXPECT_EQ(Describe(event), "anna can hold 1 unit");
}

TEST(StatusOf, SaysThatACallbackIsOwed) {
  state::v1::ConversationState c;
  c.set_status(state::v1::CONVERSATION_STATUS_ACTIVE);
  EXPECT_EQ(StatusOf(c), "active");
  c.mutable_callback_request_time()->set_seconds(1);
  EXPECT_EQ(StatusOf(c), "active, callback owed");
}

TEST(ConversationOf, FindsTheIdWhereverItStands) {
  Event event;
  event.mutable_resolved()->set_conversation_id("c1");
  EXPECT_EQ(ConversationOf(event), "c1");
  event.mutable_conversation_restated()->mutable_conversation()->set_conversation_id("c2");
  EXPECT_EQ(ConversationOf(event), "c2");
  event.mutable_agent_connected();
  EXPECT_EQ(ConversationOf(event), "");
}

TEST(DescribeExplanation, NamesChosenNextAndPassedOver) {
  conversation::v1::Explanation e;
  e.set_agents_considered(3);
  e.set_agents_eligible(2);
  e.set_strategy(config::v1::STRATEGY_LONGEST_IDLE);
  e.set_config_version(4);
  e.mutable_chosen()->set_agent_id("anna");
  e.mutable_chosen()->set_free_units(5);
  e.add_runners_up()->set_agent_id("bram");
  auto* passed = e.add_passed_over();
  passed->set_reason(conversation::v1::Explanation::PASSED_OVER_LACKS_SKILL);
  passed->set_agents(1);
  EXPECT_THAT(DescribeExplanation(e),
              ElementsAre("looked at 3 agents, 2 could take it (longest idle, configuration 4)",
                          "chosen: anna, idle since -, 5 units free",
                          "next: bram, idle since -, 0 units free", "passed over: 1 lacks skill"));
}

TEST(DescribeExplanation, SaysWhatWasAskedForAndWhatTheStrategyCompared) {
  conversation::v1::Explanation e;
  e.set_config_version(1);
  auto& asked = *e.mutable_requirement();
  for (const char* skill : {"repair", "returns"}) {
    auto& any = *asked.add_clauses()->add_any_of();
    any.set_skill_id(skill);
    any.set_proficiency(6);
  }
  asked.add_queue_ids("nl");
  for (int i = 0; i < 7; ++i) asked.add_agent_ids("agent-" + std::to_string(i));
  asked.set_more_agents(30);
  asked.set_ring(1);
  asked.set_relaxation_steps(2);
  asked.set_units(2);
  asked.set_channel_kind(common::v1::CHANNEL_KIND_CHAT);
  auto& preferred = *asked.add_preferred_skills();
  preferred.set_skill_id("vip");
  preferred.set_weight(3);
  e.mutable_priority()->set_base(100);
  e.mutable_priority()->set_ageing(20);
  e.mutable_priority()->set_effective(120);
  auto& chosen = *e.mutable_chosen();
  chosen.set_agent_id("anna");
  chosen.set_sticky(true);
  chosen.set_secondary(true);
  chosen.set_preferred_score(12);
  chosen.set_skill_score(9);
  chosen.set_occupancy_permille(625);
  chosen.set_last_given(17);
  chosen.set_free_units(1);
  config::v1::Queue queue;
  queue.set_queue_id("nl");
  config::v1::RelaxationStep& step = *queue.add_relaxation_steps();
  step.mutable_after()->set_seconds(240);
  step.add_lower_skills()->set_skill_id("repair");
  step.mutable_lower_skills(0)->set_proficiency(6);
  step.add_widen_to_queue_ids("en");
  const auto compared = [&](config::v1::Strategy strategy) {
    e.set_strategy(strategy);
    return DescribeExplanation(e, &queue)[4];
  };
  e.set_strategy(config::v1::STRATEGY_BEST_SKILL);
  EXPECT_THAT(
      DescribeExplanation(e, &queue),
      ElementsAre("looked at 0 agents, 0 could take it (best skill, configuration 1)",
                  "asked for: repair 6, returns 6; of queue nl; or agent-0, agent-1, agent-2, "
                  "agent-3, agent-4 and 32 more; preferably vip x 3; 2 units for chat",
                  "relaxed, step 1 of 2: repair 6, also queue en after 4m",
                  "priority 120: 100 base, 20 ageing",
                  "chosen: anna, had this customer last, only helps out, preferred score 12, "
                  "skill score 9, 1 unit free"));
  EXPECT_THAT(compared(config::v1::STRATEGY_LEAST_OCCUPIED), HasSubstr(", 62.5% occupied, 1 unit"));
  EXPECT_THAT(compared(config::v1::STRATEGY_ROUND_ROBIN),
              HasSubstr(", last had the group's number 17, 1 unit"));
  EXPECT_EQ(DescribeExplanation(e)[2], "relaxed, step 1 of 2");
}

TEST(DescribeExplanation, APersonsChoiceIsNoComparison) {
  conversation::v1::Explanation e;
  e.set_agents_considered(1);
  e.set_agents_eligible(1);
  e.set_config_version(3);
  e.mutable_chosen()->set_agent_id("anna");
  e.mutable_priority()->set_effective(0);
  EXPECT_THAT(DescribeExplanation(e),
              ElementsAre("a person chose anna: nobody else was looked at", "priority 0"));
}

TEST(Describe, AnEscalationSaysWhatItDoes) {
  Event event;
  event.mutable_sla_escalated()->set_metric(config::v1::SLA_METRIC_FIRST_RESPONSE);
  auto& step = *event.mutable_sla_escalated()->mutable_escalation();
  step.set_percent(80);
  const auto says = [&] { return Describe(event); };
  EXPECT_EQ(says(), "escalated at 80 % of first response (step 1 of its policy)");
  step.set_add_priority_points(50);
  EXPECT_EQ(
      says(),
      "escalated at 80 % of first response: 50 points more of priority (step 1 of its policy)");
  step.set_relax_steps(2);
  EXPECT_THAT(says(), HasSubstr(": 2 relaxation steps more are in force ("));
  step.set_overflow_to_queue_id("en");
  EXPECT_THAT(says(), HasSubstr(": it overflows to queue en ("));
  step.set_tell_supervisors(true);
  EXPECT_THAT(says(), HasSubstr(": supervisors are told ("));
}

}  // namespace
}  // namespace wissel::ctl
