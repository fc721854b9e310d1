// Which SLA policy the engine chooses, and when it chooses again.

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
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::SetPoints;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::ToQueue;

std::string PolicyOf(const Shop& shop, const std::string& id) {
  return shop.Conversation(id).sla().sla_policy_id();
}

// When the first response is breached, should nobody answer.
absl::Time BreachOf(Shop& shop, const std::string& id) {
  for (const Decision& decision : shop.Wait(absl::Hours(24))) {
    for (const Event& event : decision.events()) {
      if (event.sla_breached().conversation_id() != id) continue;
      EXPECT_EQ(event.sla_breached().metric(), config::v1::SLA_METRIC_FIRST_RESPONSE);
      return FromProto(event.sla_breached().due_time());
    }
  }
  return absl::InfiniteFuture();
}

// Of gold chats, of mail, of gold, of all else.
WorkspaceConfig ByChannelAndTier() {
  WorkspaceConfig config = ShopConfig();
  const auto promise = [&](absl::string_view id, absl::Duration target) -> auto& {
    config::v1::SlaPolicy& policy = Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, target);
    policy.set_sla_policy_id(std::string(id));
    return policy;
  };
  config::v1::SlaPolicy& gold_chat = promise("gold-chat", absl::Minutes(5));
  gold_chat.add_channel_kinds(common::v1::CHANNEL_KIND_CHAT);
  gold_chat.add_channel_kinds(common::v1::CHANNEL_KIND_WHATSAPP);
  gold_chat.add_contact_tiers("platinum");
  gold_chat.add_contact_tiers("gold");
  promise("mail", absl::Hours(4)).add_channel_kinds(common::v1::CHANNEL_KIND_EMAIL);
  promise("silver", absl::Minutes(10)).add_contact_tiers("silver");
  promise("rest", absl::Minutes(20));
  return config;
}

TEST(SlaPolicy, GoesByChannelAndTier) {
  struct Case {
    bool is_mail;
    absl::string_view tier, policy;
    absl::Duration target;
  };
  for (const Case& c :
       {Case{false, "gold", "gold-chat", absl::Minutes(5)},
        Case{false, "platinum", "gold-chat", absl::Minutes(5)},
        Case{true, "gold", "mail", absl::Hours(4)}, Case{true, "silver", "mail", absl::Hours(4)},
        Case{false, "silver", "silver", absl::Minutes(10)},
        Case{false, "bronze", "rest", absl::Minutes(20)},
        Case{false, "", "rest", absl::Minutes(20)}}) {
    SCOPED_TRACE(absl::StrCat(c.is_mail ? "mail" : "chat", ", tier \"", c.tier, "\""));
    Shop shop(ByChannelAndTier());
    const absl::Time start = shop.now;
    message::v1::InboundMessage m = Text("31600000001", 1, "nl");
    if (!c.tier.empty()) m.mutable_facts()->set_tier(std::string(c.tier));
    const std::string id = shop.Open(c.is_mail ? ByMail(m) : m);
    EXPECT_EQ(PolicyOf(shop, id), c.policy);
    EXPECT_EQ(BreachOf(shop, id), start + c.target);
  }
}

TEST(SlaPolicy, OfATierThatIsLearntLaterCountsFromTheStart) {
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    Shop shop(ByChannelAndTier());
    const absl::Time start = shop.now;
    const std::string id = shop.Open("31600000001", "nl");
    ASSERT_EQ(PolicyOf(shop, id), "rest");
    shop.now += absl::Minutes(3);
    Command update = BySupervisor("update");
    update.mutable_update_conversation()->set_conversation_id(id);
    update.mutable_update_conversation()->mutable_facts()->set_tier("gold");
    update.mutable_update_conversation()->set_choose_queue_again(again);
    shop.Do(update);
    EXPECT_EQ(PolicyOf(shop, id), "gold-chat");
    EXPECT_EQ(BreachOf(shop, id), start + absl::Minutes(5));
  }
}

TEST(SlaPolicy, OfAnotherQueueMayBeAnotherAndWhatWasUsedIsKept) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10)).add_queue_ids("nl");
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(20)).add_queue_ids("en");
  Shop shop(config);
  shop.Online("bram");
  const absl::Time start = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.now += absl::Minutes(5);
  shop.Do(ToQueue(CommandBy("bram", "transfer"), id, "en"));
  EXPECT_EQ(shop.Conversation(id).sla().sla_policy_id(), "policy-2");
  const std::vector<Decision> fired = shop.Wait(absl::Hours(1));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()), start + absl::Minutes(20));
}

TEST(SlaPolicy, MayBeAnotherWhereAnUpdateRaisesThePriority) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10)).set_min_priority(50);
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Hours(10));
  QueueIn(config, "nl").set_base_priority(20);
  Shop shop(config);
  const absl::Time start = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  EXPECT_EQ(PolicyOf(shop, id), "policy-2");
  shop.now += absl::Minutes(4);
  const auto set_priority = [&](int32_t points) {
    shop.Do(SetPoints(BySupervisor(absl::StrCat("priority ", points)), id, points));
  };
  // The queue's own and these make 49, then 50.
  set_priority(29);
  EXPECT_EQ(PolicyOf(shop, id), "policy-2");
  set_priority(30);
  EXPECT_EQ(PolicyOf(shop, id), "policy-1");
  const std::vector<Decision> fired = shop.Wait(absl::Minutes(6));
  const Event* breached = Find(fired, Event::kSlaBreached);
  ASSERT_NE(breached, nullptr);
  EXPECT_EQ(FromProto(breached->sla_breached().due_time()), start + absl::Minutes(10));
  set_priority(0);
  EXPECT_EQ(PolicyOf(shop, id), "policy-2");
}

}  // namespace
}  // namespace wissel::domain
