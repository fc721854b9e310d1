// What routing adds to the engine: who is asked, and when.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::Queue;
using config::v1::WorkspaceConfig;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Refusal;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// ---------------------------------------------------------------------------------------------
// Relaxation

TEST(Rings, AConversationAsksForLessOnceItHasWaited) {
  WorkspaceConfig config = ShopConfig();
  config::v1::RelaxationStep& step = *QueueIn(config, "en").add_relaxation_steps();
  *step.mutable_after() = ToProto(absl::Seconds(30));
  step.add_widen_to_agent_ids("bram");
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_THAT(shop.Wait(absl::Milliseconds(29'999)), IsEmpty());
  const std::vector<Decision> fired = shop.Wait(absl::Milliseconds(1));
  const Event* offered = Find(fired, Event::kOffered);
  ASSERT_NE(offered, nullptr);
  EXPECT_EQ(offered->offered().agent_id(), "bram");
  EXPECT_EQ(offered->offered().explanation().requirement().ring(), 1);
}

TEST(Rings, APullRefusedInAnotherRoutingGroupLeavesTheirTimesAlone) {
  WorkspaceConfig config = ShopConfig();
  config::v1::Queue& nl = QueueIn(config, "nl");
  nl.add_required_skills()->set_skill_id("gold");
  nl.mutable_required_skills(1)->set_proficiency(5);
  config::v1::RelaxationStep& step = *nl.add_relaxation_steps();
  *step.mutable_after() = ToProto(absl::Seconds(60));
  step.add_drop_skill_ids("gold");
  config.add_routing_groups()->set_routing_group_id("vip");
  config::v1::Queue& vip = *config.add_queues();
  vip.set_queue_id("vip");
  vip.set_routing_group_id("vip");
  Shop shop(config);
  shop.Online("bram");
  shop.Online("carol");
  const std::string waits = shop.Open("31600000001", "nl");
  message::v1::InboundMessage m = Text("31600000002", 99, "nl");
  m.mutable_envelope()->set_routing_group_id("vip");
  const std::string elsewhere = shop.Open(m);
  shop.Wait(absl::Seconds(10));
  EXPECT_NE(Refusal(shop.Do(shop.Pull("carol", elsewhere))), CommandRejected::REASON_UNSPECIFIED);
  WaitConnected(shop, absl::Seconds(51));
  EXPECT_EQ(shop.Conversation(waits).offer().agent_id(), "bram");
}

TEST(Rings, ASuccessorRelaxesAtTheSameInstant) {
  WorkspaceConfig config = ShopConfig();
  config::v1::RelaxationStep& step = *QueueIn(config, "en").add_relaxation_steps();
  *step.mutable_after() = ToProto(absl::Seconds(30));
  step.add_widen_to_agent_ids("bram");
  Shop shop(config);
  shop.Online("bram");
  shop.Open("44700000001", "en");
  State folded;
  for (const Decision& decision : shop.log()) folded.Apply(decision);
  Engine successor(std::move(folded), {.holds = [](absl::string_view) { return true; }});
  // What is waiting for a successor alone: it asks for all agents once.
  while (successor.NextTimer() <= shop.now) successor.DecideTimer(shop.now);
  EXPECT_EQ(successor.NextTimer(), shop.now + absl::Seconds(30));
}

// ---------------------------------------------------------------------------------------------
// Queue rules

TEST(QueueRules, WordsOfTheFirstMessageChooseTheQueue) {
  WorkspaceConfig config = ShopConfig();
  Queue returns = QueueIn(config, "nl");
  returns.set_queue_id("returns");
  returns.clear_rules();
  returns.add_rules()->add_topic_patterns("\\bretour(neren)?\\b");
  *config.add_queues() = returns;
  config.mutable_queues()->SwapElements(0, config.queues_size() - 1);
  Shop shop(config);
  const Decision& d = shop.Receive(Text("31600000001", 1, "nl", "Hoe kan ik dit RETOURNEREN?"));
  EXPECT_EQ(d.events(2).queued().queue_id(), "returns");
  const Decision& other = shop.Receive(Text("31600000002", 1, "nl", "Waar is mijn fiets?"));
  EXPECT_EQ(other.events(2).queued().queue_id(), "nl");
}

TEST(QueueRules, WhatIsLearntLaterChoosesAgainAndKeepsThePlace) {
  WorkspaceConfig config = ShopConfig();
  Queue vip = QueueIn(config, "nl");
  vip.set_queue_id("vip");
  vip.clear_rules();
  vip.add_rules()->add_contact_tiers("gold");
  *config.add_queues() = vip;
  config.mutable_queues()->SwapElements(0, config.queues_size() - 1);
  Shop shop(config);
  const absl::Time place = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
  shop.now += absl::Seconds(20);
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(id);
  update.mutable_update_conversation()->mutable_facts()->set_tier("gold");
  update.mutable_update_conversation()->set_choose_queue_again(true);
  EXPECT_THAT(Kinds(shop.Do(update)), ElementsAre(Event::kConversationUpdated, Event::kQueued));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "vip");
  EXPECT_EQ(FromProto(shop.Conversation(id).waiting_since()), place);
}

TEST(QueueRules, ALanguageIsItsPrimarySubtagWhereverItComesFrom) {
  Shop shop;
  int customer = 0;
  for (const absl::string_view tag : {"nl-BE", "NL", "nl_NL"}) {
    const std::string id = shop.Open(absl::StrCat("3160000000", ++customer), tag);
    EXPECT_EQ(shop.Conversation(id).language(), "nl") << tag;
    EXPECT_EQ(shop.Conversation(id).queue_id(), "nl") << tag;
  }
  const std::string id = shop.Open("44700000001", "en-GB");
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(id);
  update.mutable_update_conversation()->set_language("NL-be");
  update.mutable_update_conversation()->set_choose_queue_again(true);
  const Decision& updated = shop.Do(update);
  EXPECT_EQ(updated.events(0).conversation_updated().language(), "nl");
  EXPECT_EQ(shop.Conversation(id).language(), "nl");
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
}

TEST(QueueRules, FactsBeyondTheirBoundsAreRefused) {
  Shop shop;
  const std::string id = shop.Open("31600000001", "nl");
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(id);
  update.mutable_update_conversation()->set_priority_points(1001);
  EXPECT_EQ(Refusal(shop.Do(update)), CommandRejected::REASON_INVALID);
  update = BySupervisor("update 2");
  update.mutable_update_conversation()->set_conversation_id(id);
  update.mutable_update_conversation()->mutable_facts()->set_tier(std::string(65, 'x'));
  EXPECT_EQ(Refusal(shop.Do(update)), CommandRejected::REASON_INVALID);
}

// ---------------------------------------------------------------------------------------------
// Priority

TEST(Priority, AMoreUrgentConversationGoesFirst) {
  Shop shop;
  const std::string first = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(1);
  shop.Open("31600000002", "nl");
  shop.now += absl::Seconds(1);
  const std::string third = shop.Open("31600000003", "nl");
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(third);
  update.mutable_update_conversation()->set_priority_points(50);
  shop.Do(update);
  shop.Online("anna");
  EXPECT_EQ(shop.Conversation(third).offer().agent_id(), "anna");
  EXPECT_EQ(shop.Conversation(first).offer().agent_id(), "anna");
}

// ---------------------------------------------------------------------------------------------
// Sticky agents

TEST(Sticky, TheContactsLastAgentGoesFirst) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "nl").mutable_sticky_window() = ToProto(absl::Hours(1000));
  *config.mutable_conversations()->mutable_reopen_window() = ToProto(absl::Seconds(1));
  Shop shop(config);
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Resolve("anna", id));
  // Bram has been idle for longer by then.
  shop.Online("bram");
  shop.now += absl::Seconds(5);
  const std::string other = shop.Open("31600000009", "nl");
  shop.Do(shop.Accept(other));
  shop.now += absl::Seconds(5);
  ASSERT_EQ(shop.Conversation(other).agent_id(), "anna");
  const Decision& again = shop.Receive(Text("31600000001", 77, "nl"));
  const Event& offered = again.events(again.events_size() - 1);
  EXPECT_EQ(offered.offered().agent_id(), "anna");
  EXPECT_TRUE(offered.offered().explanation().chosen().sticky());
}

// ---------------------------------------------------------------------------------------------
// Capacity by channel

TEST(Capacity, AChatMayInterruptMailAndNotTheReverse) {
  WorkspaceConfig config = ShopConfig();
  config.mutable_channels(0)->add_may_interrupt(common::v1::CHANNEL_KIND_EMAIL);
  Shop shop(config);
  shop.Online("bram");
  for (int i = 0; i < 3; ++i) {
    shop.Receive(ByMail(Text(absl::StrCat("3160000010", i), i, "nl")));
  }
  EXPECT_EQ(shop.Agent("bram").used_units(), 2);  // full of mail, the third waits
  const std::string chat = shop.Open("31600000001", "nl");
  EXPECT_EQ(shop.Conversation(chat).offer().agent_id(), "bram");
  EXPECT_EQ(shop.Agent("bram").used_units(), 3);
  ASSERT_THAT(shop.Agent("bram").channel_loads(), SizeIs(2));
  EXPECT_EQ(shop.Agent("bram").channel_loads(0).conversations(), 2);
}

// ---------------------------------------------------------------------------------------------
// Whoever declined

TEST(Exclusion, WhoDeclinedIsAskedAgainWhateverHappensBeforeThat) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(1));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Decline(id));
  WaitConnected(shop, absl::Seconds(30));
  shop.RenewLease();
  shop.now += absl::Seconds(31);
  shop.Receive(Text("31600000001", 100, "nl"));
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Exclusion, IsOfOneAgentHoweverOftenOthersMissIt) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "nl").mutable_offer_timeout() = ToProto(absl::Seconds(45));
  QueueIn(config, "nl").set_max_missed_offers(10);
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Decline(id));
  shop.Online("anna");
  ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
  WaitConnected(shop, absl::Seconds(45));
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  // A minute after bram declined, fifteen seconds after anna missed it.
  WaitConnected(shop, absl::Seconds(15));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

// ---------------------------------------------------------------------------------------------
// After-work

TEST(WrapUp, EndsWhereItsCustomerWritesAgain) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "en").mutable_wrap_up_time() = ToProto(absl::Minutes(5));
  *QueueIn(config, "en").mutable_sticky_window() = ToProto(absl::Hours(1));
  Shop shop(config);
  shop.Online("carol");  // one unit
  const std::string id = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Resolve("carol", id));
  ASSERT_EQ(shop.Agent("carol").wrap_ups_size(), 1);
  shop.now += absl::Seconds(5);
  shop.Receive(Text("44700000001", 100, "en"));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "carol");
  EXPECT_EQ(shop.Agent("carol").wrap_ups_size(), 0);
}

TEST(WrapUp, KeepsTheUnitsTakenUntilItIsOver) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "en").mutable_wrap_up_time() = ToProto(absl::Seconds(20));
  Shop shop(config);
  shop.Online("carol");  // one unit
  const std::string first = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(first));
  const std::string second = shop.Open("44700000002", "en");
  EXPECT_THAT(Kinds(shop.Do(shop.Resolve("carol", first))),
              ElementsAre(Event::kResolved, Event::kWrapUpStarted));
  EXPECT_EQ(shop.Agent("carol").used_units(), 1);
  EXPECT_EQ(shop.Conversation(second).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  shop.Wait(absl::Seconds(20));
  EXPECT_EQ(shop.Conversation(second).offer().agent_id(), "carol");
  EXPECT_EQ(shop.Agent("carol").used_units(), 1);
  EXPECT_THAT(shop.Agent("carol").wrap_ups(), IsEmpty());
}

TEST(WrapUp, IsEndedByTheAgentBeforeItsTime) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "en").mutable_wrap_up_time() = ToProto(absl::Seconds(20));
  Shop shop(config);
  shop.Online("carol");
  const std::string first = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(first));
  shop.Do(shop.Resolve("carol", first));
  Command end = CommandBy("carol", "end");
  end.mutable_end_wrap_up()->set_agent_id("carol");
  EXPECT_THAT(Kinds(shop.Do(end)), ElementsAre(Event::kWrapUpEnded));
  EXPECT_EQ(shop.Agent("carol").used_units(), 0);
  end = CommandBy("carol", "end again");
  end.mutable_end_wrap_up()->set_agent_id("carol");
  EXPECT_EQ(Refusal(shop.Do(end)), CommandRejected::REASON_WRONG_STATE);
}

}  // namespace
}  // namespace wissel::domain
