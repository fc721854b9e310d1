// What begins anew when a conversation waits again, and what goes on: its place, overflow,
// escalation, and who goes first.

#include <cstddef>
#include <string>
#include <utility>
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
using conversation::v1::Queued;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::OverflowAfter;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

absl::Time PlaceOf(const Shop& shop, const std::string& id) {
  return FromProto(shop.Conversation(id).waiting_since());
}

// ---------------------------------------------------------------------------------------------
// The place

TEST(Transfer, ToAQueueKeepsThePlaceWhereAsked) {
  Shop shop;
  shop.Online("bram");
  const absl::Time place = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.now += absl::Minutes(1);
  Command transfer = CommandBy("bram", "transfer");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_queue_id("en");
  transfer.mutable_transfer()->set_keep_place(true);
  shop.Do(transfer);
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(PlaceOf(shop, id), place);
}

TEST(Transfer, ToAnAgentWhoDoesNotTakeItKeepsThePlaceWhereAsked) {
  for (const bool keeps : {true, false}) {
    for (const bool declines : {true, false}) {
      SCOPED_TRACE(absl::StrCat("keep_place ", keeps, ", declines ", declines));
      Shop shop;
      shop.Online("bram");
      const absl::Time arrived = shop.now;
      const std::string id = shop.Open("31600000001", "nl");
      shop.Do(shop.Accept(id));
      shop.Online("anna");
      WaitConnected(shop, absl::Minutes(1));
      const absl::Time transferred = shop.now;
      Command transfer = CommandBy("bram", "transfer");
      transfer.mutable_transfer()->set_conversation_id(id);
      transfer.mutable_transfer()->set_agent_id("anna");
      transfer.mutable_transfer()->set_keep_place(keeps);
      shop.Do(transfer);
      ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
      if (declines) {
        shop.now += absl::Seconds(5);
        shop.Do(shop.Decline(id));
      } else {
        WaitConnected(shop, absl::Seconds(30));
      }
      EXPECT_NE(shop.Conversation(id).offer().agent_id(), "anna");
      EXPECT_EQ(PlaceOf(shop, id), keeps ? arrived : transferred);
    }
  }
}

// ---------------------------------------------------------------------------------------------
// Overflow

// English, which nobody speaks today: a text, then an offer to call back, then anyone is asked.
WorkspaceConfig OverflowingConfig() {
  WorkspaceConfig config = ShopConfig();
  config::v1::Queue& queue = QueueIn(config, "en");
  OverflowAfter(queue, absl::Seconds(20)).set_send_text("Bear with us.");
  OverflowAfter(queue, absl::Seconds(40)).set_request_callback(true);
  OverflowAfter(queue, absl::Seconds(60)).set_to_anyone(true);
  return config;
}

// One that has waited until it was offered to bram, who serves another queue.
std::string Overflow(Shop& shop) {
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Seconds(60));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  EXPECT_THAT(shop.Conversation(id).overflow_rules_applied(), ElementsAre(0, 1, 2));
  return id;
}

struct Told {
  int texts = 0;
  int callbacks = 0;
};
Told Count(const std::vector<Decision>& decisions) {
  Told told;
  for (const Decision& decision : decisions) {
    for (const Event& event : decision.events()) {
      told.texts += event.has_reply_sent() ? 1 : 0;
      told.callbacks += event.has_callback_requested() ? 1 : 0;
    }
  }
  return told;
}

// It waits as if it had never waited before.
void ExpectOverflowsAnew(Shop& shop, const std::string& id) {
  EXPECT_EQ(PlaceOf(shop, id), shop.now);
  EXPECT_FALSE(shop.Conversation(id).has_offer());
  EXPECT_FALSE(shop.Conversation(id).overflowed_to_anyone());
  EXPECT_THAT(shop.Conversation(id).overflow_rules_applied(), IsEmpty());
  std::vector<Decision> fired = WaitConnected(shop, absl::Seconds(59));
  EXPECT_FALSE(shop.Conversation(id).has_offer());
  EXPECT_EQ(Count(fired).texts, 1);
  EXPECT_EQ(Count(fired).callbacks, 1);
  WaitConnected(shop, absl::Seconds(1));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
}

TEST(Overflow, BeginsAnewWhenAResolvedConversationIsReopened) {
  for (const bool by_customer : {true, false}) {
    Shop shop(OverflowingConfig());
    const std::string id = Overflow(shop);
    shop.Do(shop.Accept(id));
    shop.Do(shop.Resolve("bram", id));
    WaitConnected(shop, absl::Hours(2));
    if (by_customer) {
      shop.Receive(Text("44700000001", 77, "en"));
    } else {
      Command reopen = BySupervisor("reopen");
      reopen.mutable_reopen()->set_conversation_id(id);
      shop.Do(reopen);
    }
    ExpectOverflowsAnew(shop, id);
  }
}

TEST(Overflow, BeginsAnewEvenInTheInstantOfTheFirstPlace) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "en").add_overflow_rules()->set_to_anyone(true);
  Shop shop(config);
  shop.Online("bram");
  const std::string id = shop.Open("44700000001", "en");
  const absl::Time place = PlaceOf(shop, id);
  shop.Do(shop.Accept(id));
  shop.Do(shop.Resolve("bram", id));
  const Decision& again = shop.Receive(Text("44700000001", 77, "en"));
  ASSERT_NE(Find({again}, Event::kReopened), nullptr);
  ASSERT_EQ(PlaceOf(shop, id), place);
  EXPECT_NE(Find({again}, Event::kOverflowed), nullptr);
}

TEST(Overflow, BeginsAnewWhenAParkedConversationIsTakenUpAgain) {
  Shop shop(OverflowingConfig());
  const std::string id = Overflow(shop);
  shop.Do(shop.Accept(id));
  shop.Do(shop.Park("bram", id));
  shop.SetPresence("bram", command::v1::PRESENCE_AWAY);
  WaitConnected(shop, absl::Hours(2));
  shop.Receive(Text("44700000001", 77, "en"));
  shop.SetPresence("bram", command::v1::PRESENCE_AVAILABLE);
  ExpectOverflowsAnew(shop, id);
}

TEST(Overflow, BeginsAnewWhereATransferDoesNotKeepThePlace) {
  for (const bool to_agent : {true, false}) {
    SCOPED_TRACE(to_agent);
    Shop shop(OverflowingConfig());
    const std::string id = Overflow(shop);
    shop.Do(shop.Accept(id));
    WaitConnected(shop, absl::Minutes(1));
    Command transfer = CommandBy("bram", "transfer");
    transfer.mutable_transfer()->set_conversation_id(id);
    if (to_agent) {
      shop.Online("anna");
      transfer.mutable_transfer()->set_agent_id("anna");
    } else {
      transfer.mutable_transfer()->set_queue_id("en");
    }
    shop.Do(transfer);
    if (to_agent) {
      // At once: the same instant.
      shop.Do(shop.Decline(id));
      shop.SetPresence("anna", command::v1::PRESENCE_OFFLINE);
    }
    ExpectOverflowsAnew(shop, id);
  }
}

// Who gets it back in its old place waits on.
TEST(Overflow, GoesOnWhereThePlaceIsKept) {
  const std::vector<std::pair<Queued::Reason, void (*)(Shop&, const std::string&)>> ways = {
      {Queued::REASON_OFFER_DECLINED,
       [](Shop& shop, const std::string& id) { shop.Do(shop.Decline(id)); }},
      {Queued::REASON_OFFER_TIMED_OUT,
       [](Shop& shop, const std::string&) { WaitConnected(shop, absl::Seconds(30)); }},
      {Queued::REASON_OFFER_WITHDRAWN,
       [](Shop& shop, const std::string&) {
         shop.SetPresence("bram", command::v1::PRESENCE_AWAY);
       }},
      {Queued::REASON_AGENT_LOST,
       [](Shop& shop, const std::string& id) {
         shop.Do(shop.Accept(id));
         shop.Disconnect("bram");
         WaitConnected(shop, absl::Minutes(1));
       }},
      {Queued::REASON_FORCED_LOGOUT,
       [](Shop& shop, const std::string& id) {
         shop.Do(shop.Accept(id));
         Command out = BySupervisor("out");
         out.mutable_force_logout()->set_agent_id("bram");
         shop.Do(out);
       }},
      {Queued::REASON_CONFIG_CHANGED,
       [](Shop& shop, const std::string& id) {
         shop.Do(shop.Accept(id));
         WorkspaceConfig config = OverflowingConfig();
         config.set_version(2);
         domain::testing::EraseIf(*config.mutable_agents(),
                                  [](const auto& a) { return a.agent_id() == "bram"; });
         shop.Apply(config);
       }},
      {Queued::REASON_TRANSFERRED,
       [](Shop& shop, const std::string& id) {
         shop.Do(shop.Accept(id));
         Command transfer = CommandBy("bram", "transfer");
         transfer.mutable_transfer()->set_conversation_id(id);
         transfer.mutable_transfer()->set_queue_id("en");
         transfer.mutable_transfer()->set_keep_place(true);
         shop.Do(transfer);
       }},
      {Queued::REASON_UPDATED,
       [](Shop& shop, const std::string& id) {
         shop.Do(shop.Decline(id));
         Command update = BySupervisor("update");
         update.mutable_update_conversation()->set_conversation_id(id);
         update.mutable_update_conversation()->set_choose_queue_again(true);
         shop.Do(update);
       }},
  };
  for (const auto& [reason, way] : ways) {
    SCOPED_TRACE(Queued::Reason_Name(reason));
    Shop shop(OverflowingConfig());
    const absl::Time arrived = shop.now;
    const std::string id = Overflow(shop);
    const size_t before = shop.log().size();
    way(shop, id);
    WaitConnected(shop, absl::Minutes(5));
    const std::vector<Decision> since(shop.log().begin() + static_cast<std::ptrdiff_t>(before),
                                      shop.log().end());
    bool has_reason = false;
    for (const Decision& decision : since) {
      for (const Event& event : decision.events()) {
        has_reason |= event.queued().reason() == reason;
      }
    }
    EXPECT_TRUE(has_reason);
    EXPECT_EQ(PlaceOf(shop, id), arrived);
    EXPECT_TRUE(shop.Conversation(id).overflowed_to_anyone());
    EXPECT_EQ(Count(since).texts, 0);
    EXPECT_EQ(Count(since).callbacks, 0);
    // Anyone will still do.
    shop.Online("anna");
    EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
  }
}

// ---------------------------------------------------------------------------------------------
// The sticky agent

// Anna goes first for a day with whom she had; bram has been idle for longer.
WorkspaceConfig StickyConfig() {
  WorkspaceConfig config = ShopConfig();
  *QueueIn(config, "nl").mutable_sticky_window() = ToProto(absl::Hours(24));
  *config.mutable_conversations()->mutable_reopen_window() = ToProto(absl::Hours(24 * 10));
  return config;
}

std::string WithAnna(Shop& shop) {
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  return id;
}

// A day, less a second or plus one.
absl::Duration ADay(bool within) {
  return within ? absl::Hours(24) - absl::Seconds(1) : absl::Hours(24) + absl::Seconds(1);
}

std::string StickyIn(const Decision& decision) {
  for (const Event& event : decision.events()) {
    if (event.has_queued()) return event.queued().sticky_agent_id();
  }
  return "not queued";
}

TEST(Sticky, TheWindowOfANewConversationCountsFromTheEndOfTheLast) {
  for (const bool within : {true, false}) {
    WorkspaceConfig config = StickyConfig();
    *config.mutable_conversations()->mutable_reopen_window() = ToProto(absl::Seconds(1));
    Shop shop(config);
    const std::string id = WithAnna(shop);
    shop.now += absl::Hours(5);
    shop.Do(shop.Resolve("anna", id));
    shop.now += ADay(within);
    const Decision& again = shop.Receive(Text("31600000001", 77, "nl"));
    ASSERT_TRUE(again.events(0).has_conversation_opened());
    EXPECT_EQ(StickyIn(again), within ? "anna" : "");
  }
}

TEST(Sticky, TheWindowOfAReopenedConversationCountsFromItsEnd) {
  for (const bool within : {true, false}) {
    for (const bool by_customer : {true, false}) {
      SCOPED_TRACE(absl::StrCat("within ", within, ", by customer ", by_customer));
      Shop shop(StickyConfig());
      const std::string id = WithAnna(shop);
      shop.now += absl::Hours(5);
      shop.Do(shop.Resolve("anna", id));
      shop.now += ADay(within);
      Command reopen = BySupervisor("reopen");
      reopen.mutable_reopen()->set_conversation_id(id);
      const Decision& again =
          by_customer ? shop.Receive(Text("31600000001", 77, "nl")) : shop.Do(reopen);
      ASSERT_NE(Find({again}, Event::kReopened), nullptr);
      EXPECT_EQ(StickyIn(again), within ? "anna" : "");
    }
  }
}

TEST(Sticky, TheWindowOfAResumedConversationCountsFromItsParking) {
  for (const bool within : {true, false}) {
    Shop shop(StickyConfig());
    const std::string id = WithAnna(shop);
    shop.now += absl::Hours(5);
    shop.Do(shop.Park("anna", id));
    shop.SetPresence("anna", command::v1::PRESENCE_AWAY);
    shop.now += ADay(within);
    EXPECT_EQ(StickyIn(shop.Receive(Text("31600000001", 77, "nl"))), within ? "anna" : "");
    EXPECT_FALSE(shop.Conversation(id).has_park_time());
  }
}

// It is still hers: the window is for whoever waits.
TEST(Sticky, WhatIsParkedGoesStraightBackToItsAgentWhoHasRoomWhateverItsAge) {
  Shop shop(StickyConfig());
  const std::string id = WithAnna(shop);
  shop.Do(shop.Park("anna", id));
  WaitConnected(shop, absl::Hours(30));
  shop.Receive(Text("31600000001", 77, "nl"));
  EXPECT_EQ(shop.Conversation(id).agent_id(), "anna");
}

TEST(Sticky, WhoeverGoesFirstDoesSoUntilItIsSomebodys) {
  Shop shop(StickyConfig());
  const std::string id = WithAnna(shop);
  shop.Do(shop.Resolve("anna", id));
  WaitConnected(shop, absl::Hours(1));
  shop.Receive(Text("31600000001", 77, "nl"));
  ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
  shop.Do(shop.Decline(id));
  EXPECT_EQ(shop.Conversation(id).sticky_agent_id(), "anna");
}

}  // namespace
}  // namespace wissel::domain
