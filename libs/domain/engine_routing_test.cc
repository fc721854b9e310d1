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
using domain::testing::AddOffice;
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
using domain::testing::WidenAfter;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---------------------------------------------------------------------------------------------
// Relaxation

TEST(Rings, AConversationAsksForLessOnceItHasWaited) {
  WorkspaceConfig config = ShopConfig();
  WidenAfter(QueueIn(config, "en"), absl::Seconds(30), "bram");
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
  config::v1::Agent& carol = *config.mutable_agents(2);
  ASSERT_EQ(carol.agent_id(), "carol");
  carol.set_routing_group_id("vip");
  carol.clear_queue_ids();
  Shop shop(config);
  shop.Online("bram");
  const std::string waits = shop.Open("31600000001", "nl");
  message::v1::InboundMessage m = Text("31600000002", 99, "nl");
  m.mutable_envelope()->set_routing_group_id("vip");
  const std::string elsewhere = shop.Open(m);
  shop.Wait(absl::Seconds(10));
  Command pull = shop.Pull("carol", elsewhere);
  pull.mutable_envelope()->set_routing_group_id("vip");
  EXPECT_EQ(Refusal(shop.Do(pull)), CommandRejected::REASON_WRONG_STATE);
  WaitConnected(shop, absl::Seconds(51));
  EXPECT_EQ(shop.Conversation(waits).offer().agent_id(), "bram");
}

TEST(Rings, ASuccessorRelaxesAtTheSameInstant) {
  WorkspaceConfig config = ShopConfig();
  WidenAfter(QueueIn(config, "en"), absl::Seconds(30), "bram");
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

// Of two queues for Dutch, one while the office is open and one while it is closed.
void ExpectQueuesByCalendar(bool night_is_first) {
  SCOPED_TRACE(night_is_first);
  WorkspaceConfig config = ShopConfig();
  config::v1::Calendar& office = AddOffice(config);
  config::v1::SpecialDay& holiday = *office.add_special_days();
  holiday.set_date("2025-06-17");
  const auto first = [&](absl::string_view id, bool while_open) {
    Queue queue = QueueIn(config, "nl");
    queue.set_queue_id(std::string(id));
    queue.clear_rules();
    (while_open ? queue.add_rules()->mutable_open_calendar_id()
                : queue.add_rules()->mutable_closed_calendar_id())
        ->assign("office");
    *config.add_queues() = queue;
    for (int i = config.queues_size() - 1; i > 0; --i) {
      config.mutable_queues()->SwapElements(i, i - 1);
    }
  };
  first(night_is_first ? "day" : "night", night_is_first);
  first(night_is_first ? "night" : "day", !night_is_first);
  Shop shop(config);
  int customer = 0;
  std::vector<std::string> ids;
  const auto queue_at = [&](absl::CivilSecond local) {
    shop.now = absl::FromCivil(local, absl::FixedTimeZone(2 * 60 * 60));
    ids.push_back(shop.Open(absl::StrCat(31600000000 + ++customer), "nl"));
    return shop.Conversation(ids.back()).queue_id();
  };
  EXPECT_EQ(queue_at(absl::CivilSecond(2025, 6, 16, 8, 59, 59)), "night");
  EXPECT_EQ(queue_at(absl::CivilSecond(2025, 6, 16, 9)), "day");
  EXPECT_EQ(queue_at(absl::CivilSecond(2025, 6, 16, 16, 59, 59)), "day");
  EXPECT_EQ(queue_at(absl::CivilSecond(2025, 6, 16, 17)), "night");
  EXPECT_EQ(queue_at(absl::CivilSecond(2025, 6, 17, 12)), "night") << "a holiday";
  EXPECT_EQ(queue_at(absl::CivilSecond(2025, 6, 18, 12)), "day");
  EXPECT_EQ(shop.Conversation(ids[0]).queue_id(), "night");
  EXPECT_EQ(shop.Conversation(ids[1]).queue_id(), "day");
  // But for one whose queue is chosen again.
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(ids[0]);
  update.mutable_update_conversation()->set_choose_queue_again(true);
  shop.Do(update);
  EXPECT_EQ(shop.Conversation(ids[0]).queue_id(), "day");
}

TEST(QueueRules, GoByTheirCalendarsAndWhatWaitsStaysWhereItIs) {
  ExpectQueuesByCalendar(false);
  ExpectQueuesByCalendar(true);
}

TEST(QueueRules, TheTextsOwnLanguageGoesBeforeTheContacts) {
  struct Case {
    absl::string_view text, contact, language, queue;
  };
  for (const Case& c : {Case{"", "nl-BE", "nl", "nl"}, Case{"en", "nl", "en", "en"},
                        Case{"nl", "en", "nl", "nl"}, Case{"", "", "", "en"}}) {
    SCOPED_TRACE(absl::StrCat("text \"", c.text, "\", contact \"", c.contact, "\""));
    Shop shop;
    message::v1::InboundMessage m = Text("31600000001", 1, c.text);
    m.mutable_facts()->set_language(std::string(c.contact));
    const std::string id = shop.Open(m);
    EXPECT_EQ(shop.Conversation(id).language(), c.language);
    EXPECT_EQ(shop.Conversation(id).queue_id(), c.queue);
  }
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
