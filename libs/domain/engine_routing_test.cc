// What routing adds to the engine: rings, overflow, after-work, and what people may do beside it.

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
using conversation::v1::Assigned;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
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

config::v1::Agent& AgentIn(WorkspaceConfig& config, absl::string_view id) {
  for (config::v1::Agent& agent : *config.mutable_agents()) {
    if (agent.agent_id() == id) return agent;
  }
  return *config.add_agents();
}

ConversationStatus StatusOf(const Shop& shop, const std::string& id) {
  return shop.Conversation(id).status();
}

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
  EXPECT_EQ(StatusOf(shop, id), ConversationStatus::CONVERSATION_STATUS_QUEUED);
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
  const std::string elsewhere = shop.Receive(m).events(0).conversation_opened().conversation_id();
  shop.Wait(absl::Seconds(10));
  Command pull = CommandBy("carol", "pull");
  pull.mutable_pull()->set_agent_id("carol");
  pull.mutable_pull()->set_conversation_id(elsewhere);
  EXPECT_NE(Refusal(shop.Do(pull)), CommandRejected::REASON_UNSPECIFIED);
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
  AgentIn(config, "bram");
  shop.Online("bram");
  for (int i = 0; i < 3; ++i) {
    message::v1::InboundMessage mail = Text(absl::StrCat("3160000010", i), i, "nl");
    mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
    mail.mutable_account()->set_account_id("shop-mail");
    shop.Receive(mail);
  }
  EXPECT_EQ(shop.Agent("bram").used_units(), 2);  // full of mail, the third waits
  const std::string chat = shop.Open("31600000001", "nl");
  EXPECT_EQ(shop.Conversation(chat).offer().agent_id(), "bram");
  EXPECT_EQ(shop.Agent("bram").used_units(), 3);
  ASSERT_THAT(shop.Agent("bram").channel_loads(), SizeIs(2));
  EXPECT_EQ(shop.Agent("bram").channel_loads(0).conversations(), 2);
}

// ---------------------------------------------------------------------------------------------
// Overflow

TEST(Overflow, ToAnotherQueueAfterAWaitAndInTheOldPlace) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& rule = *QueueIn(config, "en").add_overflow_rules();
  *rule.mutable_after() = ToProto(absl::Seconds(60));
  rule.set_to_queue_id("nl");
  Shop shop(config);
  shop.Online("bram");
  const absl::Time place = shop.now;
  const std::string id = shop.Open("44700000001", "en");
  const std::vector<Decision> fired = WaitConnected(shop, absl::Seconds(60));
  ASSERT_NE(Find(fired, Event::kOverflowed), nullptr);
  EXPECT_EQ(shop.Conversation(id).queue_id(), "nl");
  EXPECT_EQ(FromProto(shop.Conversation(id).waiting_since()), place);
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Overflow, AFullQueueSendsTheNewcomerAway) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& rule = *QueueIn(config, "en").add_overflow_rules();
  rule.set_above_waiting(2);
  rule.set_to_queue_id("nl");
  Shop shop(config);
  std::vector<std::string> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(shop.Open(absl::StrCat("4470000000", i), "en"));
    shop.now += absl::Seconds(1);
  }
  EXPECT_EQ(shop.Conversation(ids[1]).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(ids[2]).queue_id(), "nl");
  EXPECT_EQ(shop.Conversation(ids[3]).queue_id(), "nl");
}

TEST(Overflow, ToAnyoneAsksWhoeverHasRoom) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& rule = *QueueIn(config, "en").add_overflow_rules();
  *rule.mutable_after() = ToProto(absl::Seconds(60));
  rule.set_to_anyone(true);
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Seconds(60));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Overflow, ARuleThatDoesNotHoldYetDoesNotHoldUpTheNext) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& busy = *QueueIn(config, "en").add_overflow_rules();
  *busy.mutable_after() = ToProto(absl::Minutes(1));
  busy.set_above_waiting(5);
  busy.set_request_callback(true);
  config::v1::OverflowRule& anyone = *QueueIn(config, "en").add_overflow_rules();
  *anyone.mutable_after() = ToProto(absl::Minutes(2));
  anyone.set_to_anyone(true);
  Shop shop(config);
  shop.Open("31600000001", "en");
  const std::vector<Decision> fired = shop.Wait(absl::Minutes(3));
  const Event* overflowed = Find(fired, Event::kOverflowed);
  ASSERT_NE(overflowed, nullptr);
  EXPECT_EQ(overflowed->overflowed().rule(), 1);
}

TEST(Overflow, ATextIsSentOnceAndACallbackAskedForOnce) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& text = *QueueIn(config, "nl").add_overflow_rules();
  *text.mutable_after() = ToProto(absl::Seconds(30));
  text.set_send_text("Het is druk; we antwoorden zo snel we kunnen.");
  config::v1::OverflowRule& callback = *QueueIn(config, "nl").add_overflow_rules();
  *callback.mutable_after() = ToProto(absl::Seconds(90));
  callback.set_request_callback(true);
  Shop shop(config);
  const std::string id = shop.Open("31600000001", "nl");
  const std::vector<Decision> fired = shop.Wait(absl::Minutes(10));
  int texts = 0;
  int callbacks = 0;
  for (const Decision& decision : fired) {
    for (const Event& event : decision.events()) {
      texts += event.has_reply_sent() ? 1 : 0;
      callbacks += event.has_callback_requested() ? 1 : 0;
    }
  }
  EXPECT_EQ(texts, 1);
  EXPECT_EQ(callbacks, 1);
  EXPECT_EQ(StatusOf(shop, id), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_THAT(shop.Conversation(id).deliveries(), SizeIs(1));
}

// English, which nobody speaks today, with an offer to call back after a minute.
WorkspaceConfig CallsBackAfterAMinute() {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& callback = *QueueIn(config, "en").add_overflow_rules();
  *callback.mutable_after() = ToProto(absl::Minutes(1));
  callback.set_request_callback(true);
  return config;
}

int CallbacksFor(const std::string& id, const std::vector<Decision>& decisions) {
  int callbacks = 0;
  for (const Decision& decision : decisions) {
    for (const Event& event : decision.events()) {
      callbacks += event.callback_requested().conversation_id() == id ? 1 : 0;
    }
  }
  return callbacks;
}

TEST(Overflow, ARuleThatIsLateStillComesWhateverHappensBeforeIt) {
  for (const int32_t above_waiting : {0, 1}) {
    for (const bool is_message : {true, false}) {
      SCOPED_TRACE(absl::StrCat("above ", above_waiting, is_message ? ", a message" : ""));
      WorkspaceConfig config = CallsBackAfterAMinute();
      QueueIn(config, "en").mutable_overflow_rules(0)->set_above_waiting(above_waiting);
      Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(1));
      Shop shop(config);
      const std::string id = shop.Open("44700000001", "en");
      shop.Open("44700000002", "en");
      shop.now += absl::Seconds(61);
      if (is_message) {
        shop.Receive(Text("44700000001", 100, "en"));
      } else {
        config.set_version(2);
        shop.Apply(config);
      }
      EXPECT_EQ(CallbacksFor(id, shop.Wait(absl::ZeroDuration())), 1);
      EXPECT_EQ(CallbacksFor(id, shop.Wait(absl::Minutes(10))), 0);
    }
  }
}

TEST(Overflow, ARuleThatIsNewDoesNotComeForWhoHasWaitedLongerAlready) {
  Shop shop;
  shop.Open("44700000001", "en");
  shop.now += absl::Seconds(61);
  WorkspaceConfig config = CallsBackAfterAMinute();
  config.set_version(2);
  shop.Apply(config);
  EXPECT_THAT(shop.Wait(absl::Minutes(10)), IsEmpty());
}

TEST(Overflow, ASuccessorDoesWhatTheLastOwnerWasLateWith) {
  Shop shop(CallsBackAfterAMinute());
  const std::string id = shop.Open("44700000001", "en");
  shop.now += absl::Seconds(61);
  const std::string later = shop.Open("44700000002", "en");
  Engine successor(shop.state().Copy(), {.holds = [](absl::string_view) { return true; }});
  std::vector<Decision> fired;
  while (successor.NextTimer() <= shop.now) fired.push_back(*successor.DecideTimer(shop.now));
  EXPECT_EQ(CallbacksFor(id, fired), 1);
  EXPECT_EQ(CallbacksFor(later, fired), 0);
  EXPECT_EQ(successor.NextTimer(), shop.now + absl::Minutes(1));
}

TEST(Exclusion, WhoDeclinedIsAskedAgainWhateverHappensBeforeThat) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(1));
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  Command decline = CommandBy("bram", "decline");
  decline.mutable_decline_offer()->set_agent_id("bram");
  decline.mutable_decline_offer()->set_offer_id(shop.Conversation(id).offer().offer_id());
  shop.Do(decline);
  WaitConnected(shop, absl::Seconds(30));
  shop.RenewLease();
  shop.now += absl::Seconds(31);
  shop.Receive(Text("31600000001", 100, "nl"));
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Overflow, ATextIsSentToPeopleOnly) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& text = *QueueIn(config, "nl").add_overflow_rules();
  *text.mutable_after() = ToProto(absl::Seconds(30));
  text.set_send_text("Het is druk.");
  Shop shop(config);
  int n = 0;
  const auto write = [&](message::v1::Automation automation) {
    message::v1::InboundMessage message = Text(absl::StrCat("3160000000", n++), 1, "nl");
    message.set_automation(automation);
    return message;
  };
  for (const message::v1::Automation machine :
       {message::v1::AUTOMATION_AUTO_REPLY, message::v1::AUTOMATION_BULK,
        message::v1::AUTOMATION_BOUNCE, message::v1::AUTOMATION_LOOP}) {
    SCOPED_TRACE(message::v1::Automation_Name(machine));
    shop.Receive(write(machine));
    const std::vector<Decision> fired = shop.Wait(absl::Minutes(1));
    EXPECT_EQ(Find(fired, Event::kReplySent), nullptr);
    const Event* overflowed = Find(fired, Event::kOverflowed);
    ASSERT_NE(overflowed, nullptr);
    EXPECT_EQ(overflowed->overflowed().text_withheld_for(), machine) << "and the log says why";
  }
  for (const message::v1::Automation person :
       {message::v1::AUTOMATION_NONE, message::v1::AUTOMATION_UNSPECIFIED}) {
    SCOPED_TRACE(message::v1::Automation_Name(person));
    shop.Receive(write(person));
    const std::vector<Decision> fired = shop.Wait(absl::Minutes(1));
    const Event* reply = Find(fired, Event::kReplySent);
    ASSERT_NE(reply, nullptr);
    EXPECT_EQ(reply->reply_sent().workspace_id(), "acme");
    EXPECT_EQ(reply->reply_sent().routing_group_id(), "main");
    EXPECT_TRUE(reply->reply_sent().actor().subject().empty());
    const Event* overflowed = Find(fired, Event::kOverflowed);
    ASSERT_NE(overflowed, nullptr);
    EXPECT_EQ(overflowed->overflowed().text_withheld_for(), message::v1::AUTOMATION_UNSPECIFIED);
  }
  // What counts is what came last: here, that the customer is out of office.
  shop.Receive(Text("31700000001", 1, "nl"));
  message::v1::InboundMessage away = Text("31700000001", 2, "nl");
  away.set_automation(message::v1::AUTOMATION_AUTO_REPLY);
  shop.Receive(away);
  EXPECT_EQ(Find(shop.Wait(absl::Minutes(1)), Event::kReplySent), nullptr);
}

TEST(Overflow, RulesThatLeadInACircleEndAfterAFewSteps) {
  // Such a configuration is refused when it is applied; a log may hold one all the same.
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "en").add_overflow_rules()->set_to_queue_id("nl");
  QueueIn(config, "nl").add_overflow_rules()->set_to_queue_id("en");
  Shop shop(config);
  const std::string id = shop.Open("44700000001", "en");
  EXPECT_EQ(StatusOf(shop, id), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_LT(shop.log().back().events_size(), 30);
}

// ---------------------------------------------------------------------------------------------
// After-work

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
  EXPECT_EQ(StatusOf(shop, second), ConversationStatus::CONVERSATION_STATUS_QUEUED);
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

// ---------------------------------------------------------------------------------------------
// Pull, reassign, consult, barge in, force out

TEST(Pull, TakesWhatWaitsIfTheAgentMayHaveIt) {
  Shop shop;
  std::vector<std::string> ids;
  shop.Online("bram");
  for (int i = 0; i < 4; ++i) ids.push_back(shop.Open(absl::StrCat("3160000000", i), "nl"));
  shop.Do(shop.Accept(ids[0]));
  Command pull = CommandBy("bram", "pull");
  pull.mutable_pull()->set_agent_id("bram");
  pull.mutable_pull()->set_conversation_id(ids[3]);
  const Decision& full = shop.Do(pull);
  EXPECT_EQ(Refusal(full), CommandRejected::REASON_WRONG_STATE);
  EXPECT_EQ(full.events(0).command_rejected().detail(), "bram has no room for it");
  pull = CommandBy("bram", "pull offered");
  pull.mutable_pull()->set_agent_id("bram");
  pull.mutable_pull()->set_conversation_id(ids[1]);
  EXPECT_EQ(Refusal(shop.Do(pull)), CommandRejected::REASON_WRONG_STATE);
  const std::string english = shop.Open("44700000001", "en");
  pull = CommandBy("bram", "pull english");
  pull.mutable_pull()->set_agent_id("bram");
  pull.mutable_pull()->set_conversation_id(english);
  EXPECT_EQ(Refusal(shop.Do(pull)), CommandRejected::REASON_WRONG_STATE);
}

TEST(Pull, AnAgentMayPullWhatTheyDeclined) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  Command decline = CommandBy("bram", "decline");
  decline.mutable_decline_offer()->set_agent_id("bram");
  decline.mutable_decline_offer()->set_offer_id(shop.Conversation(id).offer().offer_id());
  shop.Do(decline);
  Command pull = CommandBy("bram", "pull");
  pull.mutable_pull()->set_agent_id("bram");
  pull.mutable_pull()->set_conversation_id(id);
  const Decision& d = shop.Do(pull);
  ASSERT_THAT(Kinds(d), ElementsAre(Event::kAssigned));
  EXPECT_EQ(d.events(0).assigned().reason(), Assigned::REASON_PULLED);
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
}

TEST(Reassign, MovesAConversationFromAgentToAgentWithoutAsking) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Online("anna");
  Command reassign = BySupervisor("reassign");
  reassign.mutable_reassign()->set_conversation_id(id);
  reassign.mutable_reassign()->set_agent_id("anna");
  const Decision& d = shop.Do(reassign);
  ASSERT_THAT(Kinds(d), ElementsAre(Event::kAssigned));
  EXPECT_EQ(d.events(0).assigned().from_agent_id(), "bram");
  EXPECT_EQ(shop.Conversation(id).agent_id(), "anna");
  EXPECT_EQ(shop.Agent("bram").used_units(), 0);
  EXPECT_EQ(shop.Agent("anna").used_units(), 1);
}

TEST(Reassign, GoesOverCapacityOnlyWhereSaidAndNeverToOneWhoIsAway) {
  Shop shop;
  shop.Online("carol");  // one unit
  const std::string first = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(first));
  const std::string second = shop.Open("44700000002", "en");
  Command reassign = BySupervisor("1");
  reassign.mutable_reassign()->set_conversation_id(second);
  reassign.mutable_reassign()->set_agent_id("carol");
  EXPECT_EQ(Refusal(shop.Do(reassign)), CommandRejected::REASON_WRONG_STATE);
  reassign.mutable_envelope()->set_id(BySupervisor("2").envelope().id());
  reassign.mutable_reassign()->set_over_capacity(true);
  EXPECT_THAT(Kinds(shop.Do(reassign)), ElementsAre(Event::kAssigned));
  EXPECT_EQ(shop.Agent("carol").used_units(), 2);
  reassign.mutable_envelope()->set_id(BySupervisor("3").envelope().id());
  reassign.mutable_reassign()->set_agent_id("anna");
  EXPECT_EQ(Refusal(shop.Do(reassign)), CommandRejected::REASON_WRONG_STATE);
  Command agents_own = CommandBy("carol", "4");
  *agents_own.mutable_reassign() = reassign.reassign();
  EXPECT_EQ(Refusal(shop.Do(agents_own)), CommandRejected::REASON_FORBIDDEN);
}

TEST(Consult, TheOneConsultedReadsAlongAndEndsIt) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command consult = CommandBy("bram", "consult");
  consult.mutable_consult()->set_conversation_id(id);
  consult.mutable_consult()->set_agent_id("anna");
  consult.mutable_consult()->set_note("Weet jij dit?");
  EXPECT_THAT(Kinds(shop.Do(consult)), ElementsAre(Event::kConsultStarted));
  EXPECT_THAT(shop.Conversation(id).consulted_agent_ids(), ElementsAre("anna"));
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), ElementsAre(id));
  EXPECT_THAT(shop.engine().state().ConversationsOf("acme", "anna"), IsEmpty());
  EXPECT_EQ(shop.Agent("anna").used_units(), 0);
  // She does not answer the customer.
  EXPECT_EQ(Refusal(shop.Do(shop.Reply("anna", id))), CommandRejected::REASON_NOT_YOURS);
  Command end = CommandBy("anna", "end");
  end.mutable_end_consult()->set_conversation_id(id);
  end.mutable_end_consult()->set_agent_id("anna");
  EXPECT_THAT(Kinds(shop.Do(end)), ElementsAre(Event::kConsultEnded));
  EXPECT_THAT(shop.Conversation(id).consulted_agent_ids(), IsEmpty());
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), IsEmpty());
}

TEST(Company, WhoIsConsultedAndHasJoinedStaysUntilBothAreOver) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const auto by_anna = [](absl::string_view key) {
    Command command = CommandBy("anna", key);
    command.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
    return command;
  };
  Command consult = by_anna("consult");
  consult.mutable_consult()->set_conversation_id(id);
  consult.mutable_consult()->set_agent_id("anna");
  shop.Do(consult);
  Command join = by_anna("join");
  join.mutable_barge_in()->set_conversation_id(id);
  shop.Do(join);
  EXPECT_THAT(CompanyIn(shop.Conversation(id)), ElementsAre("anna"));
  Command end = by_anna("end");
  end.mutable_end_consult()->set_conversation_id(id);
  end.mutable_end_consult()->set_agent_id("anna");
  shop.Do(end);
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), ElementsAre(id));
  Command leave = by_anna("leave");
  leave.mutable_leave_conversation()->set_conversation_id(id);
  EXPECT_EQ(shop.Do(leave).events(0).supervisor_left().agent_id(), "anna");
  EXPECT_THAT(shop.engine().state().CompanyOf("acme", "anna"), IsEmpty());
}

TEST(Company, LeavesBeforeTheEnd) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command consult = CommandBy("bram", "consult");
  consult.mutable_consult()->set_conversation_id(id);
  consult.mutable_consult()->set_agent_id("anna");
  shop.Do(consult);
  Command join = BySupervisor("join");
  join.mutable_barge_in()->set_conversation_id(id);
  shop.Do(join);
  EXPECT_THAT(Kinds(shop.Do(shop.Resolve("bram", id))),
              ElementsAre(Event::kConsultEnded, Event::kSupervisorLeft, Event::kResolved));
}

TEST(BargeIn, ASupervisorJoinsAndLeaves) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command join = BySupervisor("join");
  join.mutable_barge_in()->set_conversation_id(id);
  EXPECT_THAT(Kinds(shop.Do(join)), ElementsAre(Event::kSupervisorJoined));
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  Command leave = BySupervisor("leave");
  leave.mutable_leave_conversation()->set_conversation_id(id);
  EXPECT_THAT(Kinds(shop.Do(leave)), ElementsAre(Event::kSupervisorLeft));
  Command by_agent = CommandBy("anna", "join as an agent");
  by_agent.mutable_barge_in()->set_conversation_id(id);
  EXPECT_EQ(Refusal(shop.Do(by_agent)), CommandRejected::REASON_FORBIDDEN);
}

TEST(ForceLogout, PutsEverythingBackInItsOldPlace) {
  Shop shop;
  shop.Online("bram");
  const absl::Time place = shop.now;
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  shop.now += absl::Seconds(10);
  const std::string offered = shop.Open("31600000002", "nl");
  Command out = BySupervisor("out");
  out.mutable_force_logout()->set_agent_id("bram");
  out.mutable_force_logout()->set_reason("end of shift");
  shop.Do(out);
  EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_OFFLINE);
  EXPECT_EQ(shop.Agent("bram").used_units(), 0);
  EXPECT_EQ(StatusOf(shop, active), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(StatusOf(shop, offered), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(FromProto(shop.Conversation(active).waiting_since()), place);
}

TEST(OwnerLimit, MailGoesBackToTheQueueWhenItsAgentStaysAway) {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "nl").mutable_owner_limit() = ToProto(absl::Hours(2));
  Shop shop(config);
  shop.Online("bram");
  message::v1::InboundMessage mail = Text("31600000001", 1, "nl");
  mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
  mail.mutable_account()->set_account_id("shop-mail");
  const std::string id = shop.Receive(mail).events(0).conversation_opened().conversation_id();
  shop.Do(shop.Accept(id));
  shop.SetPresence("bram", command::v1::PRESENCE_OFFLINE);
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  shop.Wait(absl::Hours(2) - absl::Seconds(1));
  EXPECT_EQ(shop.Conversation(id).agent_id(), "bram");
  shop.Wait(absl::Seconds(1));
  EXPECT_EQ(StatusOf(shop, id), ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

TEST(Transfer, ToAnAgentIsExplainedByThatAgent) {
  Shop shop;
  shop.Online("bram");
  shop.now += absl::Seconds(1);
  shop.Online("anna");
  const absl::Time idle = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  shop.now += absl::Seconds(5);
  const auto transfer = [&](absl::string_view agent) {
    Command command = BySupervisor(absl::StrCat("transfer ", shop.log().size()));
    command.mutable_transfer()->set_conversation_id(id);
    command.mutable_transfer()->set_agent_id(std::string(agent));
    const Decision& decision = shop.Do(command);
    return decision.events(decision.events_size() - 1).offered().explanation();
  };
  const conversation::v1::Explanation to_anna = transfer("anna");
  EXPECT_EQ(to_anna.config_version(), 1);
  EXPECT_EQ(to_anna.requirement().units(), 1);
  EXPECT_THAT(to_anna.requirement().queue_ids(), ElementsAre("nl"));
  EXPECT_TRUE(to_anna.has_priority());
  // A person chose: nobody else was looked at.
  EXPECT_EQ(to_anna.agents_considered(), 1);
  EXPECT_EQ(to_anna.chosen().agent_id(), "anna");
  EXPECT_EQ(FromProto(to_anna.chosen().idle_since()), idle);
  EXPECT_EQ(to_anna.chosen().free_units(), 2);
  EXPECT_EQ(to_anna.chosen().skill_score(), 8);
  // What she had on offer is free again where it is offered to her once more.
  EXPECT_EQ(transfer("anna").chosen().free_units(), 2);
}

}  // namespace
}  // namespace wissel::domain
