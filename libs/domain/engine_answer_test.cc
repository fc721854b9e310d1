// What counts as an answer: for parking a customer who is silent, and for the forecast of answers.

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
using conversation::v1::Event;
using conversation::v1::Parked;
using domain::testing::ByMail;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Find;
using domain::testing::OverflowAfter;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::ToQueue;
using domain::testing::WaitConnected;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Sends a text to those who have waited for a minute, and parks whoever is silent for ten.
WorkspaceConfig TextingConfig() {
  WorkspaceConfig config = ShopConfig();
  OverflowAfter(QueueIn(config, "nl"), absl::Minutes(1)).set_send_text("Het is druk.");
  *config.mutable_conversations()->mutable_park_after() = ToProto(absl::Minutes(10));
  return config;
}

// First answers that the queue's hour has seen, by how long they took.
std::vector<int32_t> AnswersIn(const Shop& shop, absl::string_view queue_id) {
  const state::v1::QueueState& queue =
      *const_cast<Shop&>(shop).engine().state().FindQueue("acme", queue_id);
  std::vector<int32_t> answers;
  for (const state::v1::FlowBucket& bucket : queue.buckets()) {
    for (int i = 0; i < bucket.answers_size(); ++i) {
      if (static_cast<size_t>(i) >= answers.size()) answers.push_back(0);
      answers[static_cast<size_t>(i)] += bucket.answers(i);
    }
  }
  return answers;
}

TEST(Answer, AnAutomaticTextIsNone) {
  Shop shop(TextingConfig());
  const std::string id = shop.Open("31600000001", "nl");
  ASSERT_NE(Find(WaitConnected(shop, absl::Minutes(2)), Event::kReplySent), nullptr);
  EXPECT_FALSE(shop.Conversation(id).has_last_reply_time());
  EXPECT_FALSE(shop.Conversation(id).has_first_reply_time());
  shop.Online("bram");
  shop.Do(shop.Accept(id));
  // Nobody has answered: the customer is not silent, but waits.
  EXPECT_EQ(Find(WaitConnected(shop, absl::Minutes(20)), Event::kParked), nullptr);
  EXPECT_THAT(AnswersIn(shop, "nl"), IsEmpty());
  shop.Do(shop.Reply("bram", id));
  // The first answer, which took twenty minutes: 16 to 32 of them (8 s x 2^7 = 1,024 s and more).
  EXPECT_THAT(AnswersIn(shop, "nl"), ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 1));
  const auto fired = WaitConnected(shop, absl::Minutes(10));
  const Event* parked = Find(fired, Event::kParked);
  ASSERT_NE(parked, nullptr);
  EXPECT_EQ(parked->parked().reason(), Parked::REASON_CUSTOMER_SILENT);
}

TEST(Answer, ABotsIsOneWhereTheSlaPolicyCountsItOrThereIsNone) {
  struct Case {
    bool promised;
    bool counts;
    bool is_answer;
  };
  for (const auto& [promised, counts, is_answer] :
       {Case{true, true, true}, Case{true, false, false}, Case{false, false, true}}) {
    SCOPED_TRACE(promised);
    SCOPED_TRACE(counts);
    WorkspaceConfig config = TextingConfig();
    if (promised) {
      Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(10))
          .set_bot_answers_count(counts);
    }
    Shop shop(config);
    shop.Online("bram");
    const std::string id = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(id));
    shop.now += absl::Seconds(1);
    Command by_bot = shop.Reply("bram", id);
    by_bot.mutable_actor()->set_role(common::v1::ROLE_BOT);
    shop.Do(by_bot);
    EXPECT_EQ(shop.Conversation(id).has_first_reply_time(), is_answer);
    EXPECT_EQ(AnswersIn(shop, "nl").empty(), !is_answer);
    EXPECT_EQ(Find(WaitConnected(shop, absl::Minutes(20)), Event::kParked) != nullptr, is_answer);
  }
}

TEST(Answer, ABotsWhereThereWasNoPolicyIsOneForThePolicyToCome) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(1)).add_queue_ids("en");
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command by_bot = shop.Reply("bram", id);
  by_bot.mutable_actor()->set_role(common::v1::ROLE_BOT);
  shop.Do(by_bot);
  shop.Do(ToQueue(CommandBy("bram", "transfer"), id, "en"));
  ASSERT_EQ(shop.Conversation(id).sla().sla_policy_id(), "policy-1");
  EXPECT_EQ(
      shop.state().SlaClockOf(shop.Conversation(id)).DueTime(routing::SlaMetric::kFirstResponse),
      absl::InfiniteFuture());
}

TEST(Answer, WhatNobodyWroteDoesNotKeepAConversationAwake) {
  const auto automatic = [](message::v1::Automation automation) {
    message::v1::InboundMessage m = Text("31600000001", 7, "nl", "Ik ben er niet.");
    m.set_automation(automation);
    return m;
  };
  message::v1::InboundMessage thumb = Text("31600000001", 7, "nl");
  thumb.mutable_contents(0)->mutable_reaction()->set_emoji("+1");
  for (const message::v1::InboundMessage& quiet :
       {automatic(message::v1::AUTOMATION_AUTO_REPLY), automatic(message::v1::AUTOMATION_BOUNCE),
        thumb}) {
    Shop shop(TextingConfig());
    shop.Online("bram");
    const std::string id = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(id));
    shop.now += absl::Seconds(1);
    shop.Do(shop.Reply("bram", id));
    shop.now += absl::Minutes(1);
    shop.RenewLease();
    shop.Receive(quiet);
    EXPECT_EQ(shop.Conversation(id).messages(), 2);
    EXPECT_NE(Find(WaitConnected(shop, absl::Minutes(9)), Event::kParked), nullptr)
        << quiet.ShortDebugString();
  }
}

// Answered, and parked since the customer has been silent.
struct Silent {
  Silent() : shop(TextingConfig()) {
    shop.Online("bram");
    id = shop.Open("31600000001", "nl");
    shop.Do(shop.Accept(id));
    shop.now += absl::Seconds(1);
    shop.Do(shop.Reply("bram", id));
    WaitConnected(shop, absl::Minutes(11));
  }
  ConversationStatus Status() const { return shop.Conversation(id).status(); }

  Shop shop;
  std::string id;
};

TEST(Silence, CountsFromWhenItsAgentTookItUpAgain) {
  Silent silent;
  ASSERT_EQ(silent.Status(), ConversationStatus::CONVERSATION_STATUS_PARKED);
  Command resume = CommandBy("bram", "resume");
  resume.mutable_resume()->set_conversation_id(silent.id);
  silent.shop.Do(resume);
  EXPECT_EQ(Find(WaitConnected(silent.shop, absl::Minutes(9)), Event::kParked), nullptr);
  EXPECT_EQ(silent.Status(), ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  EXPECT_NE(Find(WaitConnected(silent.shop, absl::Minutes(1)), Event::kParked), nullptr);
}

TEST(Silence, CountsFromWhenAnotherAgentTookItOver) {
  Silent silent;
  silent.shop.Online("anna");
  Command transfer = CommandBy("bram", "transfer");
  transfer.mutable_transfer()->set_conversation_id(silent.id);
  transfer.mutable_transfer()->set_agent_id("anna");
  silent.shop.Do(transfer);
  silent.shop.Do(silent.shop.Accept(silent.id));
  ASSERT_EQ(silent.Status(), ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  EXPECT_EQ(Find(WaitConnected(silent.shop, absl::Minutes(9)), Event::kParked), nullptr);
}

TEST(Silence, IsNoneWhereAQuestionHasBeenMergedIn) {
  Silent silent;
  Shop& shop = silent.shop;
  const std::string mail = shop.Open(ByMail(Text("31600000001", 900, "nl")));
  shop.Do(shop.Accept(mail));
  Command merge = CommandBy("bram", "merge");
  merge.mutable_merge_conversation()->set_conversation_id(mail);
  merge.mutable_merge_conversation()->set_into_conversation_id(silent.id);
  shop.Do(merge);
  ASSERT_EQ(silent.Status(), ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  EXPECT_EQ(Find(WaitConnected(shop, absl::Minutes(20)), Event::kParked), nullptr);
  shop.Do(shop.Reply("bram", silent.id));
  EXPECT_NE(Find(WaitConnected(shop, absl::Minutes(10)), Event::kParked), nullptr);
}

}  // namespace
}  // namespace wissel::domain
