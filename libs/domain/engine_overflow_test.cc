// Where a conversation goes that waits for too long, and what its customer is told.

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

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::OverflowAfter;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using domain::testing::WidenAfter;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(Overflow, ToAnotherQueueAfterAWaitAndInTheOldPlace) {
  WorkspaceConfig config = ShopConfig();
  OverflowAfter(QueueIn(config, "en"), absl::Seconds(60)).set_to_queue_id("nl");
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

TEST(Overflow, WhatItSendsElsewhereAsksForLessThereInTime) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "en").add_overflow_rules()->set_to_queue_id("nl");
  WidenAfter(QueueIn(config, "nl"), absl::Seconds(10), "carol");
  Shop shop(config);
  shop.Online("carol");
  const std::string id = shop.Open("44700000001", "en");
  ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "carol");
  const std::string next = shop.Open("44700000002", "en");
  ASSERT_EQ(shop.Conversation(next).queue_id(), "nl");
  EXPECT_EQ(shop.engine().timers().DueOf(TimerKind::kRelax, RoutingKey("acme", "main")),
            shop.now + absl::Seconds(10));
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
  OverflowAfter(QueueIn(config, "en"), absl::Seconds(60)).set_to_anyone(true);
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Seconds(60));
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Overflow, ARuleThatDoesNotHoldYetDoesNotHoldUpTheNext) {
  WorkspaceConfig config = ShopConfig();
  config::v1::OverflowRule& busy = OverflowAfter(QueueIn(config, "en"), absl::Minutes(1));
  busy.set_above_waiting(5);
  busy.set_request_callback(true);
  OverflowAfter(QueueIn(config, "en"), absl::Minutes(2)).set_to_anyone(true);
  Shop shop(config);
  shop.Open("31600000001", "en");
  const std::vector<Decision> fired = shop.Wait(absl::Minutes(3));
  const Event* overflowed = Find(fired, Event::kOverflowed);
  ASSERT_NE(overflowed, nullptr);
  EXPECT_EQ(overflowed->overflowed().rule(), 1);
}

TEST(Overflow, ATextIsSentOnceAndACallbackAskedForOnce) {
  WorkspaceConfig config = ShopConfig();
  OverflowAfter(QueueIn(config, "nl"), absl::Seconds(30))
      .set_send_text("Het is druk; we antwoorden zo snel we kunnen.");
  OverflowAfter(QueueIn(config, "nl"), absl::Seconds(90)).set_request_callback(true);
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
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_THAT(shop.Conversation(id).deliveries(), SizeIs(1));
}

// English, which nobody speaks today, with an offer to call back after a minute.
WorkspaceConfig CallsBackAfterAMinute() {
  WorkspaceConfig config = ShopConfig();
  OverflowAfter(QueueIn(config, "en"), absl::Minutes(1)).set_request_callback(true);
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

TEST(Overflow, ARuleThatIsNewComesAtOnceForWhoHasWaitedLongerAlready) {
  Shop shop;
  std::vector<std::string> ids;
  for (int i = 0; i < 30; ++i) {
    ids.push_back(shop.Open(absl::StrCat(44700000000 + i), "en"));
    shop.now += absl::Seconds(1);
  }
  shop.now += absl::Seconds(45);
  WorkspaceConfig config = CallsBackAfterAMinute();
  config.set_version(2);
  EXPECT_EQ(Find({shop.Apply(config)}, Event::kOverflowed), nullptr)
      << "however many wait: by timers, not in one decision";
  const std::vector<Decision> fired = shop.Wait(absl::ZeroDuration());
  for (size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(CallbacksFor(ids[i], fired), i < 16 ? 1 : 0) << i;
  }
  EXPECT_EQ(CallbacksFor(ids.back(), shop.Wait(absl::Minutes(1))), 1);
}

config::v1::OverflowRule SendsText(absl::string_view text) {
  config::v1::OverflowRule rule;
  *rule.mutable_after() = ToProto(absl::Seconds(10));
  rule.set_send_text(std::string(text));
  return rule;
}

TEST(Overflow, WhatHasBeenDoneIsNotDoneAgainByAnotherConfiguration) {
  WorkspaceConfig config = CallsBackAfterAMinute();
  *QueueIn(config, "en").add_overflow_rules() = SendsText("moment");
  Shop shop(config);
  const std::string id = shop.Open("44700000001", "en");
  shop.Wait(absl::Seconds(61));
  ASSERT_THAT(shop.Conversation(id).overflow_rules_applied(), ElementsAre(0, 1));
  const auto apply = [&](std::vector<config::v1::OverflowRule> rules) {
    config.set_version(config.version() + 1);
    QueueIn(config, "en").mutable_overflow_rules()->Assign(rules.begin(), rules.end());
    shop.Apply(config);
    return shop.Wait(absl::Minutes(1));
  };
  const config::v1::OverflowRule callback = QueueIn(config, "en").overflow_rules(0);
  config::v1::OverflowRule anyone;
  anyone.set_to_anyone(true);
  // In another order, with one that is new.
  std::vector<Decision> fired = apply({SendsText("moment"), anyone, callback});
  EXPECT_THAT(shop.Conversation(id).overflow_rules_applied(), ElementsAre(0, 1, 2));
  EXPECT_EQ(Find(fired, Event::kOverflowed)->overflowed().rule(), 1);
  EXPECT_EQ(Find(fired, Event::kReplySent), nullptr);
  EXPECT_EQ(Find(fired, Event::kCallbackRequested), nullptr);
  // One that says something else.
  EXPECT_THAT(apply({SendsText("a moment, please"), callback}), IsEmpty());
  EXPECT_THAT(shop.Conversation(id).overflow_rules_applied(), ElementsAre(0, 1));
  // It is gone, and comes back.
  EXPECT_THAT(apply({callback}), IsEmpty());
  EXPECT_THAT(shop.Conversation(id).overflow_rules_applied(), ElementsAre(0));
  EXPECT_NE(Find(apply({SendsText("a moment, please"), callback}), Event::kReplySent), nullptr);
}

TEST(Overflow, ASuccessorDoesWhatTheLastOwnerWasLateWith) {
  for (const int32_t above_waiting : {0, 1, 2}) {
    SCOPED_TRACE(absl::StrCat("above ", above_waiting));
    WorkspaceConfig config = CallsBackAfterAMinute();
    QueueIn(config, "en").mutable_overflow_rules(0)->set_above_waiting(above_waiting);
    Shop shop(config);
    const std::string id = shop.Open("44700000001", "en");
    shop.now += absl::Seconds(61);
    const std::string later = shop.Open("44700000002", "en");
    Engine successor(shop.state().Copy(), {.holds = [](absl::string_view) { return true; }});
    std::vector<Decision> fired;
    while (successor.NextTimer() <= shop.now) fired.push_back(*successor.DecideTimer(shop.now));
    EXPECT_EQ(CallbacksFor(id, fired), above_waiting < 2 ? 1 : 0);
    EXPECT_EQ(CallbacksFor(later, fired), 0);
    EXPECT_EQ(successor.NextTimer(), shop.now + absl::Minutes(1));
  }
}

TEST(Overflow, ASuccessorDoesNotLookAgainAtARuleThatWasPassedOver) {
  WorkspaceConfig config = CallsBackAfterAMinute();
  QueueIn(config, "en").mutable_overflow_rules(0)->set_above_waiting(1);
  Shop shop(config);
  const std::string id = shop.Open("44700000001", "en");
  const std::vector<Decision> looked = shop.Wait(absl::Seconds(60));
  const Event* passed_over = Find(looked, Event::kOverflowPassedOver);
  ASSERT_NE(passed_over, nullptr);
  EXPECT_THAT(passed_over->overflow_passed_over().rules(), ElementsAre(0));
  EXPECT_EQ(passed_over->overflow_passed_over().waiting(), 1);
  shop.Open("44700000002", "en");
  Engine successor(shop.state().Copy(), {.holds = [](absl::string_view) { return true; }});
  std::vector<Decision> fired;
  while (successor.NextTimer() <= shop.now) fired.push_back(*successor.DecideTimer(shop.now));
  EXPECT_EQ(CallbacksFor(id, fired), 0);
  // It is where it is queued again.
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(id);
  update.mutable_update_conversation()->set_choose_queue_again(true);
  EXPECT_EQ(CallbacksFor(id, {shop.Do(update)}), 1);
}

TEST(Overflow, ATextIsSentToPeopleOnly) {
  WorkspaceConfig config = ShopConfig();
  OverflowAfter(QueueIn(config, "nl"), absl::Seconds(30)).set_send_text("Het is druk.");
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

TEST(Overflow, RulesThatLeadInACircleEndAfterEightStepsInTheOldPlace) {
  // Such a configuration is refused when it is applied; a log may hold one all the same.
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "en").add_overflow_rules()->set_to_queue_id("nl");
  QueueIn(config, "nl").add_overflow_rules()->set_to_queue_id("en");
  Shop shop(config);
  const absl::Time place = shop.now;
  const std::string id = shop.Open("44700000001", "en");
  std::vector<std::string> ways;
  for (const Event& event : shop.log().back().events()) {
    if (event.has_queued()) {
      EXPECT_EQ(FromProto(event.queued().waiting_since()), place);
      ways.push_back(event.queued().queue_id());
    }
  }
  EXPECT_THAT(ways, ElementsAre("en", "nl", "en", "nl", "en", "nl", "en", "nl", "en"));
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(FromProto(shop.Conversation(id).waiting_since()), place);
  // It waits there like any other.
  EXPECT_THAT(shop.Wait(absl::Hours(1)), IsEmpty());
  shop.Online("carol");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "carol");
}

}  // namespace
}  // namespace wissel::domain
