// Which conversation goes first, what that is made of, and who is never held up for ever.

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
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
using conversation::v1::Priority;
using domain::testing::AddOffice;
using domain::testing::AddStep;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::SetPoints;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::ToQueue;
using domain::testing::WaitConnected;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;

TEST(Priority, AMoreUrgentConversationGoesFirst) {
  Shop shop;
  const std::string first = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(1);
  shop.Open("31600000002", "nl");
  shop.now += absl::Seconds(1);
  const std::string third = shop.Open("31600000003", "nl");
  shop.Do(SetPoints(BySupervisor("update"), third, 50));
  shop.Online("anna");
  EXPECT_EQ(shop.Conversation(third).offer().agent_id(), "anna");
  EXPECT_EQ(shop.Conversation(first).offer().agent_id(), "anna");
}

void AddTier(WorkspaceConfig& config, absl::string_view tier, int32_t points) {
  auto& added = *config.mutable_priority()->add_tiers();
  added.set_tier(std::string(tier));
  added.set_points(points);
}

void AddLifetimeValue(WorkspaceConfig& config, int64_t cents, int32_t points) {
  auto& added = *config.mutable_priority()->add_lifetime_values();
  added.set_min_lifetime_value_cents(cents);
  added.set_points(points);
}

void AddOrderState(WorkspaceConfig& config, absl::string_view state, int32_t points) {
  auto& added = *config.mutable_priority()->add_order_states();
  added.set_order_state(std::string(state));
  added.set_points(points);
}

TEST(Priority, WhatIsKnownOfTheContactCountsAndIsExplained) {
  WorkspaceConfig config = ShopConfig();
  AddTier(config, "silver", 20);
  AddTier(config, "gold", 50);
  AddLifetimeValue(config, 100'00, 10);
  AddLifetimeValue(config, 1'000'00, 30);
  AddOrderState(config, "delayed", 20);
  for (const bool is_forgotten : {false, true}) {
    SCOPED_TRACE(is_forgotten);
    Shop shop(config);
    const std::string older = shop.Open("44700000001", "en");
    shop.Do(SetPoints(BySupervisor("points"), older, 99));
    shop.now += absl::Seconds(1);
    message::v1::InboundMessage m = Text("44700000002", 1, "en");
    m.mutable_facts()->set_tier("gold");
    m.mutable_facts()->set_lifetime_value_cents(1'500'00);
    m.mutable_facts()->set_order_state("delayed");
    const Decision& opened = shop.Receive(m);
    const std::string known = opened.events(0).conversation_opened().conversation_id();
    const Priority waits = opened.events(2).queued().explanation().priority();
    EXPECT_EQ(waits.tier(), 50);
    EXPECT_EQ(waits.lifetime_value(), 30);
    EXPECT_EQ(waits.order_state(), 20);
    EXPECT_EQ(waits.effective(), 100);
    if (is_forgotten) {
      Command update = BySupervisor("facts");
      update.mutable_update_conversation()->set_conversation_id(known);
      update.mutable_update_conversation()->mutable_facts()->set_tier("silver");
      shop.Do(update);
    }
    shop.Online("carol");  // one unit
    const std::string& first = is_forgotten ? older : known;
    const std::string& last = is_forgotten ? known : older;
    EXPECT_EQ(shop.Conversation(first).offer().agent_id(), "carol");
    EXPECT_FALSE(shop.Conversation(last).has_offer());
    const Priority given = Find(shop.log(), Event::kOffered)->offered().explanation().priority();
    EXPECT_EQ(given.effective(), is_forgotten ? 99 : 100);
    EXPECT_EQ(given.tier(), is_forgotten ? 0 : 50);
    shop.Do(shop.Decline(first));
    ASSERT_EQ(shop.Conversation(last).offer().agent_id(), "carol");
    EXPECT_EQ(shop.engine().Explain(known).priority().effective(), is_forgotten ? 20 : 100);
  }
}

// The warning would have put it first, had it been said before bram was there.
TEST(Priority, WhatIsAssignedAsItsWarningFallsDueIsExplainedByThePointsThatDecided) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "nl").set_auto_accept(true);
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(10)).add_warn_percents(50);
  auto& near = *config.mutable_priority()->add_sla_proximity();
  near.set_percent(50);
  near.set_points(40);
  Shop shop(config);
  const std::string warned = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(1);
  const std::string urgent = shop.Open("31600000002", "nl");
  shop.Do(SetPoints(BySupervisor("points"), urgent, 20));
  shop.now += absl::Minutes(5) - absl::Seconds(1);
  shop.Online("bram");  // two units
  const Decision& decision = shop.log().back();
  ASSERT_THAT(Kinds(decision), ElementsAre(Event::kAgentPresenceChanged, Event::kAssigned,
                                           Event::kSlaWarned, Event::kAssigned));
  const auto& first = decision.events(1).assigned();
  EXPECT_EQ(first.conversation_id(), urgent);
  EXPECT_EQ(first.explanation().priority().effective(), 20);
  EXPECT_EQ(decision.events(2).sla_warned().conversation_id(), warned);
  const auto& last = decision.events(3).assigned();
  EXPECT_EQ(last.conversation_id(), warned);
  EXPECT_EQ(last.explanation().priority().sla_proximity(), 0);
  EXPECT_EQ(last.explanation().priority().effective(), 0);
  EXPECT_EQ(shop.engine().Explain(warned).priority().sla_proximity(), 40) << "from then on";
}

// ---------------------------------------------------------------------------------------------
// It never falls

// Ageing, proximity and escalation at random, up to their bounds.
WorkspaceConfig RisingConfig(std::mt19937& random) {
  const auto pick = [&](int32_t from, int32_t to) {
    return std::uniform_int_distribution<int32_t>(from, to)(random);
  };
  WorkspaceConfig config = ShopConfig();
  const bool much = pick(0, 2) == 0;
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    queue.set_base_priority(pick(-1'000, 1'000));
    queue.set_ageing_points(pick(0, much ? 1'000 : 20));
    *queue.mutable_ageing_interval() = ToProto(absl::Seconds(pick(1, 120)));
    queue.set_max_ageing_points(pick(1, much ? 10'000 : 200));
    *queue.mutable_offer_timeout() = ToProto(absl::Seconds(pick(5, 60)));
    queue.set_max_missed_offers(100);
  }
  AddTier(config, "gold", much ? 10'000 : 50);
  AddLifetimeValue(config, 1, much ? 10'000 : 10);
  AddOrderState(config, "delayed", much ? 10'000 : 20);
  int32_t points = 0;
  for (const int32_t percent : {10, 80, 100, 150, 1'000}) {
    auto& share = *config.mutable_priority()->add_sla_proximity();
    share.set_percent(percent);
    points += much ? 2'000 : pick(0, 30);
    share.set_points(points);
  }
  AddOffice(config, 7, "18:00");
  config::v1::SlaPolicy& policy =
      Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(pick(5, 60)));
  if (pick(0, 1) == 1) policy.set_calendar_id("office");
  policy.add_warn_percents(10);
  policy.add_warn_percents(80);
  config::v1::SlaTarget& next = *policy.add_targets();
  next.set_metric(config::v1::SLA_METRIC_NEXT_RESPONSE);
  *next.mutable_target() = ToProto(absl::Minutes(pick(5, 60)));
  for (const auto metric :
       {config::v1::SLA_METRIC_FIRST_RESPONSE, config::v1::SLA_METRIC_NEXT_RESPONSE}) {
    for (const int32_t percent : {10, 50, 100, 150, 200, 400}) {
      if (metric == config::v1::SLA_METRIC_NEXT_RESPONSE && percent > 50) break;
      config::v1::EscalationStep& step = AddStep(policy, percent, metric);
      step.set_add_priority_points(much ? 10'000 : pick(1, 100));
    }
  }
  return config;
}

// Whatever happens but an answer: time, more messages, offers that are declined, missed or
// withdrawn, agents who come and go, a configuration that is applied again.
TEST(Priority, NeverFallsByWaiting) {
  int rises = 0;
  for (uint32_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    std::mt19937 random(seed);
    const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
    WorkspaceConfig config = RisingConfig(random);
    Shop shop(config);
    shop.now += absl::Minutes(pick(24 * 60));
    shop.Online("bram");
    std::vector<std::string> ids;
    for (int i = 0; i < 6; ++i) {
      message::v1::InboundMessage m =
          Text(absl::StrCat("3160000000", i), 1, i % 2 == 0 ? "nl" : "en");
      if (i % 3 != 0) m.mutable_facts()->set_tier("gold");
      if (i % 3 == 1) m.mutable_facts()->set_lifetime_value_cents(100);
      if (i % 3 == 1) m.mutable_facts()->set_order_state("delayed");
      ids.push_back(shop.Open(m));
    }
    // One has been answered, and waits again for the next.
    ASSERT_TRUE(shop.Conversation(ids[0]).has_offer());
    shop.Do(shop.Accept(ids[0]));
    shop.Do(shop.Reply("bram", ids[0]));
    shop.Do(ToQueue(CommandBy("bram", "transfer"), ids[0], "nl"));
    shop.Receive(Text("31600000000", 2, "nl"));
    std::map<std::string, int32_t> before;
    int messages = 10;
    for (int step = 0; step < 100; ++step) {
      shop.RenewLease();
      shop.Wait(absl::Milliseconds(1 + pick(pick(2) == 0 ? 20'000 : 600'000)));
      const std::string& id = ids[static_cast<size_t>(pick(6))];
      const char* agent = pick(2) == 0 ? "bram" : "carol";
      switch (pick(7)) {
        case 0:
          shop.Receive(Text(absl::StrCat("3160000000", pick(6)), ++messages, "nl"));
          break;
        case 1:
        case 2:
          if (shop.Conversation(id).has_offer()) shop.Do(shop.Decline(id));
          break;
        case 3:
          shop.Online(agent);
          break;
        case 4:
          shop.SetPresence(agent, command::v1::PRESENCE_AWAY);
          break;
        case 5:
          config.set_version(config.version() + 1);
          shop.Apply(config);
          break;
        default:
          break;
      }
      // Somebody else's, at which time takes effect on what waits.
      shop.Open(absl::StrCat("447", 1'000'000 + step), step % 2 == 0 ? "nl" : "en");
      for (const std::string& watched : ids) {
        const int32_t now = shop.engine().Explain(watched).priority().effective();
        if (const auto last = before.find(watched); last != before.end()) {
          ASSERT_GE(now, last->second) << watched << " at step " << step;
          rises += now > last->second ? 1 : 0;
        }
        ASSERT_GE(now, -100'000);
        ASSERT_LE(now, 100'000);
        before[watched] = now;
      }
    }
  }
  EXPECT_GT(rises, 100);
}

// ---------------------------------------------------------------------------------------------
// Nobody is held up for ever

// What becomes of one conversation when more newcomers of tier gold come, for an hour, than the
// only agent can take.
struct Fate {
  bool is_given = false;
  // Of those who went first, how long after it the last one had begun to wait.
  absl::Duration last_before = absl::ZeroDuration();
};
Fate UnderLoad(WorkspaceConfig config) {
  QueueIn(config, "en").set_auto_accept(true);
  Shop shop(config);
  shop.Online("carol");  // one unit
  int n = 0;
  const auto newcomer = [&] {
    message::v1::InboundMessage m = Text(absl::StrCat("447", 1'000'000 + ++n), 1, "en");
    m.mutable_facts()->set_tier("gold");
    return shop.Open(m);
  };
  newcomer();
  const absl::Time start = shop.now;
  const std::string id = shop.Open("31600000001", "en");
  Fate fate;
  for (int tenth = 1; tenth <= 360; ++tenth) {
    WaitConnected(shop, absl::Seconds(10));
    if (tenth % 2 == 0) newcomer();
    if (tenth % 3 != 0) continue;
    const auto has = [&] {
      return *shop.state().ConversationsOf(testing::kWorkspace, "carol").begin();
    };
    shop.Do(shop.Resolve("carol", has()));
    const std::string next = has();
    if (next == id) {
      fate.is_given = true;
      break;
    }
    fate.last_before =
        std::max(fate.last_before, FromProto(shop.Conversation(next).open_time()) - start);
  }
  return fate;
}

// Newcomers have 50 points more; whoever waits gets 10 each minute, at most so many.
WorkspaceConfig GoldFirst(int32_t ageing_points, int32_t max_ageing_points) {
  WorkspaceConfig config = ShopConfig();
  AddTier(config, "gold", 50);
  QueueIn(config, "en").set_ageing_points(ageing_points);
  QueueIn(config, "en").set_max_ageing_points(max_ageing_points);
  return config;
}

TEST(Starvation, OfEquallyUrgentOnesNobodyWhoCameLaterGoesFirst) {
  const Fate fate = UnderLoad(ShopConfig());
  EXPECT_TRUE(fate.is_given);
  EXPECT_EQ(fate.last_before, absl::ZeroDuration());
}

// 51 points are six minutes of ageing.
TEST(Starvation, WithAgeingWhoeverIsMoreUrgentGoesFirstOnlyIfTheyCameSoonAfter) {
  const Fate fate = UnderLoad(GoldFirst(10, 1'000));
  EXPECT_TRUE(fate.is_given);
  EXPECT_GT(fate.last_before, absl::Minutes(2));
  EXPECT_LT(fate.last_before, absl::Minutes(6));
}

TEST(Starvation, HappensToTheLessUrgentWithoutAgeingAndOnceThatHasReachedItsBound) {
  EXPECT_FALSE(UnderLoad(GoldFirst(0, 0)).is_given);
  EXPECT_FALSE(UnderLoad(GoldFirst(10, 40)).is_given);
}

TEST(Starvation, OfTwoPromisesTheShorterGoesFirstOnlyWhileItIsDueEarlier) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(5))
      .add_contact_tiers("gold");
  // Without one, it is never due.
  EXPECT_FALSE(UnderLoad(config).is_given);
  WorkspaceConfig promising = config;
  Promise(promising, config::v1::SLA_METRIC_FIRST_RESPONSE, absl::Minutes(12));
  Fate fate = UnderLoad(promising);
  EXPECT_TRUE(fate.is_given);
  EXPECT_GT(fate.last_before, absl::Minutes(3));
  EXPECT_LT(fate.last_before, absl::Minutes(7));
  // Nor does it need one where waiting counts.
  QueueIn(config, "en").set_ageing_points(1);
  fate = UnderLoad(config);
  EXPECT_TRUE(fate.is_given);
  EXPECT_LT(fate.last_before, absl::Minutes(1));
}

// No unit is saved up for it.
TEST(Starvation, HappensToAHeavyOneWhileLighterOnesTakeEachUnitThatComesFree) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "nl").set_auto_accept(true);
  config::v1::ChannelPolicy& email = *config.add_channels();
  email.set_kind(common::v1::CHANNEL_KIND_EMAIL);
  email.set_weight_units(2);
  Shop shop(config);
  shop.Online("bram");  // two units
  int n = 0;
  const auto chat = [&] { return shop.Open(absl::StrCat("316", 1'000'000 + ++n), "nl"); };
  std::vector<std::string> chats = {chat(), chat()};
  const std::string mail = shop.Open(ByMail(Text("31700000001", 1, "nl")));
  shop.Do(SetPoints(BySupervisor("points"), mail, 1'000));
  for (int minute = 0; minute < 60; ++minute) {
    WaitConnected(shop, absl::Minutes(1));
    chats.push_back(chat());
    shop.Do(shop.Resolve("bram", chats[static_cast<size_t>(minute)]));
    ASSERT_EQ(shop.Conversation(chats.back()).agent_id(), "bram");
  }
  EXPECT_EQ(shop.Conversation(mail).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  // It comes as soon as there is room for it.
  shop.Do(shop.Resolve("bram", chats[60]));
  shop.Do(shop.Resolve("bram", chats[61]));
  EXPECT_EQ(shop.Conversation(mail).agent_id(), "bram");
}

}  // namespace
}  // namespace wissel::domain
