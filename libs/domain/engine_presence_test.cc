// What agents keep, and what is taken from them, as they come and go.

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
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using conversation::v1::OfferWithdrawn;
using conversation::v1::Queued;
using domain::testing::ByMail;
using domain::testing::Decision;
using domain::testing::Kinds;
using domain::testing::QueueIn;
using domain::testing::Refusal;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Bram, who holds three things at once and has two minutes to accept.
WorkspaceConfig WithBram() {
  WorkspaceConfig config = ShopConfig();
  config.mutable_agents(1)->set_capacity_units(3);
  *QueueIn(config, "nl").mutable_offer_timeout() = ToProto(absl::Minutes(2));
  return config;
}

bool Waits(const Shop& shop, const std::string& id) {
  return shop.Conversation(id).status() == ConversationStatus::CONVERSATION_STATUS_QUEUED;
}

// ---------------------------------------------------------------------------------------------
// Draining

TEST(Draining, FinishesWhatIsOpenAndOnOfferAndIsGivenNothingNew) {
  Shop shop(WithBram());
  shop.Online("bram");
  const std::string active = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(active));
  const std::string offered = shop.Open("31600000002", "nl");
  EXPECT_THAT(Kinds(shop.SetPresence("bram", command::v1::PRESENCE_DRAINING)),
              ElementsAre(Event::kAgentPresenceChanged));
  EXPECT_EQ(shop.Conversation(offered).offer().agent_id(), "bram");
  // One unit is free, and one more in the end.
  const std::string later = shop.Open("31600000003", "nl");
  EXPECT_TRUE(Waits(shop, later));
  EXPECT_EQ(Refusal(shop.Do(shop.Pull("bram", later))), CommandRejected::REASON_WRONG_STATE);
  EXPECT_THAT(Kinds(shop.Do(shop.Reply("bram", active))), ElementsAre(Event::kReplySent));
  EXPECT_THAT(Kinds(shop.Do(shop.Accept(offered))),
              ElementsAre(Event::kOfferAccepted, Event::kAssigned));
  shop.Do(shop.Resolve("bram", active));
  EXPECT_TRUE(Waits(shop, later));
  EXPECT_THAT(Kinds(shop.Do(shop.Reply("bram", offered))), ElementsAre(Event::kReplySent));
  shop.SetPresence("bram", command::v1::PRESENCE_AVAILABLE);
  EXPECT_EQ(shop.Conversation(later).offer().agent_id(), "bram");
}

TEST(Draining, WhatIsNotAcceptedGoesBackAndTheAgentStaysSo) {
  Shop shop(WithBram());
  shop.Online("bram");
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) ids.push_back(shop.Open(absl::StrCat("3160000000", i), "nl"));
  shop.SetPresence("bram", command::v1::PRESENCE_DRAINING);
  shop.Do(shop.Decline(ids[0]));
  EXPECT_TRUE(Waits(shop, ids[0]));
  // Two are missed, at which who is available goes away.
  WaitConnected(shop, absl::Minutes(5));
  for (const std::string& id : ids) EXPECT_TRUE(Waits(shop, id));
  EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_DRAINING);
  EXPECT_EQ(shop.Agent("bram").used_units(), 0);
}

TEST(Draining, WhatTheyParkedWaitsForTheQueueWhenItsCustomerWrites) {
  Shop shop(WithBram());
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Park("bram", id));
  shop.SetPresence("bram", command::v1::PRESENCE_DRAINING);
  EXPECT_THAT(Kinds(shop.Receive(Text("31600000001", 99, "nl"))),
              ElementsAre(Event::kMessageReceived, Event::kResumed, Event::kQueued));
  EXPECT_TRUE(Waits(shop, id));
}

TEST(Draining, OneWhoIsLostLosesLiveWorkLikeAnybody) {
  Shop shop(WithBram());
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.SetPresence("bram", command::v1::PRESENCE_DRAINING);
  shop.Disconnect("bram");
  shop.Wait(absl::Seconds(30));
  EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_OFFLINE);
  EXPECT_TRUE(Waits(shop, id));
}

// ---------------------------------------------------------------------------------------------
// Lost

TEST(Lost, AfterTheGraceOffersAreWithdrawnOfMailTooAndKeepTheirPlaces) {
  Shop shop(WithBram());
  shop.Online("bram");
  const absl::Time arrived = shop.now;
  const std::string chat = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(5);
  const std::string mail = shop.Open(ByMail(Text("klant@example.org", 1, "nl")));
  shop.now += absl::Seconds(5);
  shop.Disconnect("bram");
  EXPECT_THAT(shop.Wait(absl::Milliseconds(29'999)), IsEmpty());
  for (const std::string& id : {chat, mail}) {
    EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  }
  const std::vector<Decision> fired = shop.Wait(absl::Milliseconds(1));
  ASSERT_EQ(fired.size(), 1);
  std::vector<std::string> withdrawn;
  std::vector<std::string> queued;
  for (const Event& event : fired[0].events()) {
    if (event.has_offer_withdrawn()) {
      withdrawn.push_back(event.offer_withdrawn().conversation_id());
      EXPECT_EQ(event.offer_withdrawn().agent_id(), "bram");
      EXPECT_EQ(event.offer_withdrawn().reason(), OfferWithdrawn::REASON_AGENT_LOST);
    }
    if (event.has_queued()) {
      queued.push_back(event.queued().conversation_id());
      EXPECT_EQ(event.queued().reason(), Queued::REASON_OFFER_WITHDRAWN);
    }
  }
  EXPECT_THAT(withdrawn, ::testing::UnorderedElementsAre(chat, mail));
  EXPECT_THAT(queued, ::testing::UnorderedElementsAre(chat, mail));
  EXPECT_EQ(FromProto(shop.Conversation(chat).waiting_since()), arrived);
  EXPECT_EQ(FromProto(shop.Conversation(mail).waiting_since()), arrived + absl::Seconds(5));
  EXPECT_EQ(shop.Agent("bram").used_units(), 0);
  EXPECT_EQ(shop.Agent("bram").missed_offers(), 0) << "withdrawn is not missed";
  // Nobody is kept from asking bram again.
  shop.Online("bram");
  for (const std::string& id : {chat, mail}) {
    EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  }
}

TEST(Lost, WhatIsWithdrawnGoesToWhoeverHasRoomAtOnce) {
  Shop shop(WithBram());
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(1);
  shop.Online("anna");
  ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  shop.Disconnect("bram");
  const std::vector<Decision> fired = WaitConnected(shop, absl::Seconds(30));
  ASSERT_EQ(fired.size(), 1);
  EXPECT_THAT(Kinds(fired[0]), ElementsAre(Event::kAgentPresenceChanged, Event::kOfferWithdrawn,
                                           Event::kQueued, Event::kOffered));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
}

}  // namespace
}  // namespace wissel::domain
