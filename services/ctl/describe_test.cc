#include "services/ctl/describe.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

namespace wissel::ctl {
namespace {

using conversation::v1::Event;
using ::testing::ElementsAre;

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

}  // namespace
}  // namespace wissel::ctl
