// Two conversations of one contact become one.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using domain::testing::AddStep;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Kinds;
using domain::testing::Refusal;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WidenAfter;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;

// A message to the shop's second number: another account, the same contact.
message::v1::InboundMessage ToSecondNumber(absl::string_view from, int n) {
  message::v1::InboundMessage message = Text(from, n, "nl");
  message.mutable_account()->set_account_id("second-phone");
  return message;
}

// Bram has two conversations with one contact: the target is the older one.
struct Pair {
  explicit Pair(const WorkspaceConfig& config = ShopConfig()) : shop(config) {
    shop.Online("bram");
    target = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(target));
    shop.now += absl::Minutes(1);
    shop.RenewLease();
    source = Opened(shop.Receive(ToSecondNumber("31600000001", 900)));
    shop.Do(shop.Accept(source));
    shop.RenewLease();
  }
  static std::string Opened(const Decision& decision) {
    return decision.events(0).conversation_opened().conversation_id();
  }
  Command Merge(absl::string_view agent, const std::string& from, const std::string& into) {
    Command command = CommandBy(agent, absl::StrCat("merge", ++merges));
    command.mutable_merge_conversation()->set_conversation_id(from);
    command.mutable_merge_conversation()->set_into_conversation_id(into);
    return command;
  }

  Shop shop;
  std::string target;
  std::string source;
  int merges = 0;
};

// The same contact writes by mail.
std::string OpenByMail(Shop& shop, const std::string& phone, const std::string& language) {
  return shop.Open(ByMail(Text(phone, 900, language)));
}

TEST(Merge, TheSourceIsResolvedAndPointsToTheTarget) {
  Pair pair;
  const Decision& merged = pair.shop.Do(pair.Merge("bram", pair.source, pair.target));
  ASSERT_THAT(Kinds(merged), ElementsAre(Event::kConversationMerged, Event::kResolved,
                                         Event::kConversationMerged));
  EXPECT_EQ(merged.events(0).conversation_merged().into_conversation_id(), pair.target);
  EXPECT_EQ(merged.events(1).resolved().resolution(), "merged");
  EXPECT_EQ(merged.events(2).conversation_merged().from_conversation_id(), pair.source);
  const auto& source = pair.shop.Conversation(pair.source);
  EXPECT_EQ(source.status(), ConversationStatus::CONVERSATION_STATUS_RESOLVED);
  EXPECT_EQ(source.merged_into_conversation_id(), pair.target);
  EXPECT_EQ(pair.shop.Conversation(pair.target).agent_id(), "bram");
  EXPECT_EQ(pair.shop.Agent("bram").used_units(), 1);
}

TEST(Merge, WhatComesLaterForTheSourceGoesToTheTarget) {
  Pair pair;
  pair.shop.Do(pair.Merge("bram", pair.source, pair.target));
  const Decision& later = pair.shop.Receive(ToSecondNumber("31600000001", 901));
  ASSERT_THAT(Kinds(later), ElementsAre(Event::kMessageReceived));
  EXPECT_EQ(later.events(0).message_received().conversation_id(), pair.target);
  // And where the target is resolved by then, it is that one which is reopened.
  pair.shop.Do(pair.shop.Resolve("bram", pair.target));
  const Decision& reopened = pair.shop.Receive(ToSecondNumber("31600000001", 902));
  EXPECT_EQ(reopened.events(0).message_received().conversation_id(), pair.target);
  EXPECT_EQ(reopened.events(1).reopened().conversation_id(), pair.target);
}

TEST(Merge, AMailThatAnswersNothingGoesToTheTargetWhileThatIsOpen) {
  Pair pair;
  const auto mail = [](int n) { return ByMail(ToSecondNumber("31600000001", n)); };
  const std::string by_mail = Pair::Opened(pair.shop.Receive(mail(910)));
  Command merge = pair.Merge("boss", by_mail, pair.target);
  merge.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  pair.shop.Do(merge);
  const Decision& later = pair.shop.Receive(mail(911));
  EXPECT_EQ(later.events(0).message_received().conversation_id(), pair.target);
  pair.shop.Do(pair.shop.Resolve("bram", pair.target));
  EXPECT_TRUE(pair.shop.Receive(mail(912)).events(0).has_conversation_opened());
}

TEST(Merge, IsFollowedThroughSeveralAndNotUndone) {
  Pair pair;
  pair.shop.Do(pair.Merge("bram", pair.source, pair.target));
  message::v1::InboundMessage third = ToSecondNumber("31600000001", 903);
  third.mutable_account()->set_account_id("third-phone");
  const std::string last = Pair::Opened(pair.shop.Receive(third));
  pair.shop.Do(pair.shop.Accept(last));
  pair.shop.Do(pair.Merge("bram", pair.target, last));
  const Decision& later = pair.shop.Receive(ToSecondNumber("31600000001", 904));
  EXPECT_EQ(later.events(0).message_received().conversation_id(), last);
  Command reopen = CommandBy("bram", "reopen");
  reopen.mutable_reopen()->set_conversation_id(pair.source);
  EXPECT_EQ(Refusal(pair.shop.Do(reopen)), CommandRejected::REASON_WRONG_STATE);
}

TEST(Merge, AMessageOpensAConversationOnceTheTargetIsForgotten) {
  Pair pair;
  pair.shop.Do(pair.Merge("bram", pair.source, pair.target));
  pair.shop.Do(pair.shop.Resolve("bram", pair.target));
  pair.shop.Wait(absl::Hours(8 * 24));
  const Decision& later = pair.shop.Receive(ToSecondNumber("31600000001", 905));
  EXPECT_TRUE(later.events(0).has_conversation_opened());
}

TEST(Merge, IsForTheSourcesAgentAndForSupervisors) {
  Pair pair;
  EXPECT_EQ(Refusal(pair.shop.Do(pair.Merge("anna", pair.source, pair.target))),
            CommandRejected::REASON_NOT_YOURS);
  EXPECT_EQ(Refusal(pair.shop.Do(pair.Merge("bram", pair.source, pair.source))),
            CommandRejected::REASON_INVALID);
  EXPECT_EQ(Refusal(pair.shop.Do(pair.Merge("bram", pair.source, "nowhere"))),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);
  const std::string stranger = pair.shop.Open("31600000002", "nl");
  EXPECT_EQ(Refusal(pair.shop.Do(pair.Merge("bram", pair.source, stranger))),
            CommandRejected::REASON_INVALID);
  Command by_supervisor = pair.Merge("boss", pair.source, pair.target);
  by_supervisor.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  by_supervisor.mutable_actor()->clear_agent_id();
  EXPECT_TRUE(pair.shop.Do(by_supervisor).events(0).has_conversation_merged());
  EXPECT_EQ(Refusal(pair.shop.Do(pair.Merge("bram", pair.target, pair.source))),
            CommandRejected::REASON_CLOSED);
}

TEST(Merge, AnOfferedSourceIsTakenBackAndAParkedTargetTakenUp) {
  Shop shop;
  shop.Online("bram");
  const std::string target = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(target));
  shop.Do(shop.Park("bram", target));
  const std::string source = Pair::Opened(shop.Receive(ToSecondNumber("31600000001", 900)));
  Command merge = CommandBy("boss", "merge");
  merge.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  merge.mutable_merge_conversation()->set_conversation_id(source);
  merge.mutable_merge_conversation()->set_into_conversation_id(target);
  EXPECT_THAT(Kinds(shop.Do(merge)),
              ElementsAre(Event::kOfferWithdrawn, Event::kConversationMerged, Event::kResolved,
                          Event::kConversationMerged, Event::kResumed, Event::kAssigned));
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
}

TEST(Merge, TheTargetKeepsTheEarlierOfTheOpenClocks) {
  WorkspaceConfig config = ShopConfig();
  config::v1::SlaPolicy& policy = *config.add_sla_policies();
  policy.set_sla_policy_id("standard");
  for (const auto metric :
       {config::v1::SLA_METRIC_FIRST_RESPONSE, config::v1::SLA_METRIC_NEXT_RESPONSE}) {
    config::v1::SlaTarget& target = *policy.add_targets();
    target.set_metric(metric);
    *target.mutable_target() = ToProto(absl::Minutes(10));
  }
  Pair pair(config);
  const absl::Time source_opened = pair.shop.now;
  // The target was answered: what the source asked is what waits for an answer there.
  pair.shop.Do(pair.shop.Reply("bram", pair.target));
  pair.shop.now += absl::Seconds(30);
  const Decision& merged = pair.shop.Do(pair.Merge("bram", pair.source, pair.target));
  EXPECT_THAT(merged.events(2).conversation_merged().clocks(0).metric(),
              config::v1::SLA_METRIC_FIRST_RESPONSE);
  std::vector<absl::Time> breaches;
  for (int i = 0; i < 40; ++i) {
    pair.shop.RenewLease();
    for (const Decision& decision : pair.shop.Wait(absl::Seconds(30))) {
      for (const Event& event : decision.events()) {
        if (!event.has_sla_breached()) continue;
        EXPECT_EQ(event.sla_breached().conversation_id(), pair.target);
        EXPECT_EQ(event.sla_breached().metric(), config::v1::SLA_METRIC_NEXT_RESPONSE);
        breaches.push_back(FromProto(event.sla_breached().due_time()));
      }
    }
  }
  EXPECT_THAT(breaches, ElementsAre(source_opened + absl::Minutes(10)));
}

TEST(Merge, ACallbackThatWasPromisedIsOwedByTheTarget) {
  WorkspaceConfig config = ShopConfig();
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    queue.add_overflow_rules()->set_request_callback(true);
  }
  Shop shop(config);
  const std::string source = shop.Open("31600000001", "nl");
  ASSERT_TRUE(shop.Conversation(source).has_callback_request_time());
  shop.Online("bram");
  const std::string target = OpenByMail(shop, "31600000001", "nl");
  ASSERT_FALSE(shop.Conversation(target).has_callback_request_time());
  Command merge = BySupervisor("merge");
  merge.mutable_merge_conversation()->set_conversation_id(source);
  merge.mutable_merge_conversation()->set_into_conversation_id(target);
  shop.Do(merge);
  EXPECT_FALSE(shop.Conversation(source).has_callback_request_time());
  EXPECT_TRUE(shop.Conversation(target).has_callback_request_time());
}

TEST(Merge, WhatEscalationGaveTheSourceTheTargetHas) {
  WorkspaceConfig config = ShopConfig();
  domain::testing::Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10));
  for (const bool relaxes : {false, true}) {
    config::v1::EscalationStep& step = AddStep(*config.mutable_sla_policies(0), 50);
    if (relaxes) {
      step.set_relax_steps(1);
    } else {
      step.set_add_priority_points(70);
    }
  }
  WidenAfter(domain::testing::QueueIn(config, "en"), absl::Hours(1), "bram");
  Shop shop(config);
  const std::string source = shop.Open("44700000001", "en");
  domain::testing::WaitConnected(shop, absl::Minutes(5));
  ASSERT_EQ(shop.Conversation(source).escalation_points(), 70);
  const std::string target = OpenByMail(shop, "44700000001", "en");
  ASSERT_EQ(shop.Conversation(target).queue_id(), "en");
  Command merge = BySupervisor("merge");
  merge.mutable_merge_conversation()->set_conversation_id(source);
  merge.mutable_merge_conversation()->set_into_conversation_id(target);
  shop.Do(merge);
  EXPECT_EQ(shop.Conversation(target).escalation_points(), 70);
  EXPECT_EQ(shop.Conversation(target).escalation_relax_steps(), 1);
  EXPECT_EQ(shop.Conversation(source).escalation_points(), 0);
  // An hour early.
  shop.Online("bram");
  EXPECT_EQ(shop.Conversation(target).offer().agent_id(), "bram");
  // The step is not taken a second time.
  EXPECT_EQ(domain::testing::Find(domain::testing::WaitConnected(shop, absl::Minutes(6)),
                                  Event::kSlaEscalated),
            nullptr);
}

}  // namespace
}  // namespace wissel::domain
