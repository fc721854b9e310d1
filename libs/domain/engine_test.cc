#include "libs/domain/engine.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/utf8.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using domain::testing::ByMail;
using domain::testing::CommandBy;
using domain::testing::Finished;
using domain::testing::Kinds;
using domain::testing::OutboundOf;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Started;
using domain::testing::Text;
using log::v1::Decision;
using receipt::v1::DeliveryState;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST(Engine, OffersANewConversationToTheAgentWhoIsIdleLongest) {
  Shop shop;
  shop.Online("bram");
  shop.now += absl::Seconds(5);
  shop.Online("anna");
  shop.now += absl::Seconds(5);
  const Decision& d = shop.Receive(Text("31600000001", 1, "nl"));
  EXPECT_THAT(Kinds(d), ElementsAre(Event::kConversationOpened, Event::kMessageReceived,
                                    Event::kQueued, Event::kOffered));
  const auto& offered = d.events(3).offered();
  EXPECT_EQ(offered.agent_id(), "bram");
  EXPECT_EQ(offered.explanation().agents_considered(), 3);
  EXPECT_EQ(offered.explanation().agents_eligible(), 2);
  ASSERT_THAT(offered.explanation().runners_up(), SizeIs(1));
  EXPECT_EQ(offered.explanation().runners_up(0).agent_id(), "anna");
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
}

TEST(Engine, SaysWhyNobodyIsOffered) {
  Shop shop;
  shop.Online("bram");
  const Decision& d = shop.Receive(Text("44700000001", 1, "en"));
  ASSERT_THAT(Kinds(d),
              ElementsAre(Event::kConversationOpened, Event::kMessageReceived, Event::kQueued));
  const auto& why = d.events(2).queued().explanation();
  EXPECT_EQ(why.agents_considered(), 3);
  EXPECT_EQ(why.agents_eligible(), 0);
  std::map<int, int> passed_over;
  for (const auto& p : why.passed_over()) passed_over[p.reason()] = p.agents();
  EXPECT_EQ(passed_over[conversation::v1::Explanation::PASSED_OVER_NOT_IN_QUEUE], 1);
  EXPECT_EQ(passed_over[conversation::v1::Explanation::PASSED_OVER_NOT_AVAILABLE], 2);
}

TEST(Engine, AnAgentWhoComesOnlineGetsTheOldestUpToCapacity) {
  Shop shop;
  std::vector<std::string> ids;
  for (int i = 0; i < 3; ++i) {
    ids.push_back(shop.Open(absl::StrCat("3160000000", i), "nl"));
    shop.now += absl::Seconds(1);
  }
  shop.Online("anna");
  EXPECT_EQ(shop.Conversation(ids[0]).status(), ConversationStatus::CONVERSATION_STATUS_OFFERED);
  EXPECT_EQ(shop.Conversation(ids[1]).status(), ConversationStatus::CONVERSATION_STATUS_OFFERED);
  EXPECT_EQ(shop.Conversation(ids[2]).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  shop.Do(shop.Accept(ids[0]));
  shop.Do(shop.Resolve("anna", ids[0]));
  EXPECT_EQ(shop.Conversation(ids[2]).offer().agent_id(), "anna");
}

TEST(Engine, TheSameMessageTwiceIsDecidedOnce) {
  Shop shop;
  const std::string id = shop.Open("31600000001", "nl");
  const Decision& again = shop.Receive(Text("31600000001", 1, "nl"));
  EXPECT_THAT(Kinds(again), ElementsAre(Event::kDuplicateSkipped));
  EXPECT_EQ(shop.Conversation(id).messages(), 1);
}

TEST(Engine, ASeenIdIsForgottenAfterAWeek) {
  Shop shop;
  shop.Open("31600000001", "nl");
  shop.now += kSeenFor + absl::Seconds(2);
  shop.Receive(Text("31600000002", 1, "nl"));
  EXPECT_NE(Kinds(shop.Receive(Text("31600000001", 1, "nl"))).front(), Event::kDuplicateSkipped);
}

TEST(Engine, TheSameCommandTwiceIsDoneOnce) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const Command reply = shop.Reply("anna", id);
  EXPECT_THAT(Kinds(shop.Do(reply)), ElementsAre(Event::kReplySent));
  EXPECT_THAT(Kinds(shop.Do(reply)), ElementsAre(Event::kDuplicateSkipped));
  EXPECT_THAT(shop.Conversation(id).deliveries(), SizeIs(1));
}

TEST(Engine, ADeclinedConversationKeepsItsPlaceAndIsNotAskedOfTheSameAgentForAWhile) {
  Shop shop;
  shop.Online("anna");
  const absl::Time arrived = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(3);
  EXPECT_THAT(Kinds(shop.Do(shop.Decline(id))), ElementsAre(Event::kOfferDeclined, Event::kQueued));
  EXPECT_EQ(FromProto(shop.Conversation(id).waiting_since()), arrived);
  EXPECT_EQ(shop.Agent("anna").used_units(), 0);
  shop.RenewLease();
  shop.Wait(absl::Seconds(59));
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  shop.RenewLease();
  shop.Wait(absl::Seconds(2));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
}

TEST(Engine, AMissedOfferGoesToTheNextAndTwoMissesTurnTheAgentAway) {
  Shop shop;
  shop.Online("bram");
  shop.now += absl::Seconds(1);
  shop.Online("anna");
  const std::string first = shop.Open("31600000001", "nl");
  const std::string second = shop.Open("31600000002", "nl");
  const std::string third = shop.Open("31600000003", "nl");
  EXPECT_EQ(shop.Conversation(first).offer().agent_id(), "bram");
  EXPECT_EQ(shop.Conversation(second).offer().agent_id(), "bram");
  EXPECT_EQ(shop.Conversation(third).offer().agent_id(), "anna");
  shop.RenewLease();
  shop.Do(shop.Accept(third));
  shop.Wait(absl::Seconds(31));
  EXPECT_EQ(shop.Agent("bram").presence(), command::v1::PRESENCE_AWAY);
  EXPECT_EQ(shop.Conversation(first).offer().agent_id(), "anna");
  EXPECT_EQ(shop.Conversation(second).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

TEST(Engine, OnlyTheOwnerAnswers) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const Decision& refused = shop.Do(shop.Reply("bram", id));
  ASSERT_THAT(Kinds(refused), ElementsAre(Event::kCommandRejected));
  EXPECT_EQ(refused.events(0).command_rejected().reason(), CommandRejected::REASON_NOT_YOURS);
  shop.Do(shop.Resolve("anna", id));
  EXPECT_EQ(shop.Do(shop.Reply("anna", id)).events(0).command_rejected().reason(),
            CommandRejected::REASON_CLOSED);
  EXPECT_EQ(shop.Do(shop.Reply("anna", "no-such")).events(0).command_rejected().reason(),
            CommandRejected::REASON_UNKNOWN_CONVERSATION);
}

// What is quoted of an id must not end within a character: nobody could read the decision.
TEST(Engine, ARejectionCanBeReadWhateverTheIdIs) {
  Shop shop;
  for (size_t length = 60; length < 70; ++length) {
    for (const char* character : {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) {
      std::string id(length, 'x');
      for (int i = 0; i < 1000; ++i) id += character;
      const Decision& refused = shop.Do(shop.Reply("anna", id));
      ASSERT_THAT(Kinds(refused), ElementsAre(Event::kCommandRejected));
      EXPECT_LE(refused.events(0).command_rejected().detail().size(), 1024u);
      Decision read;
      EXPECT_TRUE(read.ParseFromString(refused.SerializeAsString()));
    }
  }
}

TEST(Engine, ARefusalQuotesLittleAndWholeCharacters) {
  Shop shop;
  for (size_t length = 120; length < 130; ++length) {
    std::string id(length, 'x');
    for (int i = 0; i < 1000; ++i) id += "\xe2\x82\xac";
    message::v1::InboundMessage bad = Text("31600000001", 1, "nl");
    bad.mutable_envelope()->set_id(id);
    message::v1::InboundMessage lost = Text("31600000001", 1, "nl");
    lost.mutable_envelope()->set_workspace_id(id);
    lost.mutable_envelope()->set_routing_group_id(id);
    for (const message::v1::InboundMessage& message : {bad, lost}) {
      const std::optional<Refusal> refusal = shop.engine().Refuse(message);
      ASSERT_TRUE(refusal.has_value());
      EXPECT_LE(refusal->detail.size(), 1024u);
      EXPECT_TRUE(IsUtf8(refusal->detail));
    }
  }
}

TEST(Engine, AnAgentSpeaksForNobodyElse) {
  Shop shop;
  Command c = CommandBy("bram", "x");
  c.mutable_set_presence()->set_agent_id("anna");
  c.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
  EXPECT_EQ(shop.Do(c).events(0).command_rejected().reason(), CommandRejected::REASON_FORBIDDEN);
}

TEST(Engine, TransferToAnAgentIsAnOfferAndToAQueueWaitsThere) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  Command transfer = CommandBy("anna", "t1");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_agent_id("bram");
  EXPECT_EQ(shop.Do(transfer).events(0).command_rejected().reason(),
            CommandRejected::REASON_WRONG_STATE);
  shop.Online("bram");
  transfer = CommandBy("anna", "t2");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_agent_id("bram");
  EXPECT_THAT(Kinds(shop.Do(transfer)),
              ElementsAre(Event::kTransferred, Event::kQueued, Event::kOffered));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  EXPECT_EQ(shop.Agent("anna").used_units(), 0);
  shop.Do(shop.Accept(id));
  transfer = CommandBy("bram", "t3");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_queue_id("en");
  shop.Do(transfer);
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
}

TEST(Engine, AnAgentLostForLongerThanTheGraceLosesLiveWorkButKeepsMail) {
  Shop shop;
  shop.Online("anna");
  const absl::Time arrived = shop.now;
  const std::string chat = shop.Open("31600000001", "nl");
  const std::string letter = shop.Open(ByMail(Text("klant@example.org", 1, "nl")));
  shop.Do(shop.Accept(chat));
  shop.Do(shop.Accept(letter));
  shop.now += absl::Seconds(10);
  shop.Disconnect("anna");
  shop.Wait(absl::Seconds(29));
  EXPECT_EQ(shop.Conversation(chat).agent_id(), "anna");
  shop.Wait(absl::Seconds(2));
  EXPECT_EQ(shop.Agent("anna").presence(), command::v1::PRESENCE_OFFLINE);
  EXPECT_EQ(shop.Conversation(chat).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  EXPECT_EQ(FromProto(shop.Conversation(chat).waiting_since()), arrived);
  EXPECT_EQ(shop.Conversation(letter).agent_id(), "anna");
}

TEST(Engine, AnAgentWhoComesBackWithinTheGraceKeepsEverything) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Disconnect("anna");
  shop.Wait(absl::Seconds(20));
  shop.Connect("anna");
  shop.RenewLease();
  shop.Wait(absl::Seconds(40));
  EXPECT_EQ(shop.Conversation(id).agent_id(), "anna");
  EXPECT_EQ(shop.Agent("anna").presence(), command::v1::PRESENCE_AVAILABLE);
}

TEST(Engine, AGatewayThatFallsSilentTakesItsSessionsWithIt) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const std::vector<Decision> fired = shop.Wait(absl::Seconds(91));
  ASSERT_THAT(fired, SizeIs(2));
  EXPECT_THAT(Kinds(fired[0]), ElementsAre(Event::kAgentDisconnected));
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

TEST(Engine, ACustomerWhoWritesAgainSoonReopensAndLaterStartsAnew) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Resolve("anna", id));
  shop.now += absl::Hours(71);
  EXPECT_THAT(Kinds(shop.Receive(Text("31600000001", 2, "nl"))).front(), Event::kMessageReceived);
  EXPECT_TRUE(IsOpen(shop.Conversation(id)));
  Command by_supervisor = shop.Resolve("boss", id);
  by_supervisor.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  shop.Do(by_supervisor);
  shop.now += absl::Hours(73);
  const Decision& anew = shop.Receive(Text("31600000001", 3, "nl"));
  EXPECT_EQ(anew.events(0).conversation_opened().previous_conversation_id(), id);
}

TEST(Engine, AResolvedConversationIsForgottenInTheEnd) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Resolve("anna", id));
  shop.Wait(absl::Hours(7 * 24 + 1));
  EXPECT_EQ(shop.engine().state().FindConversation(id), nullptr);
}

TEST(Engine, AParkedConversationTakesNoCapacityAndComesBackToItsAgent) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.Do(shop.Park("anna", id));
  EXPECT_EQ(shop.Agent("anna").used_units(), 0);
  EXPECT_THAT(Kinds(shop.Receive(Text("31600000001", 2, "nl"))),
              ElementsAre(Event::kMessageReceived, Event::kResumed, Event::kAssigned));
  EXPECT_EQ(shop.Agent("anna").used_units(), 1);
}

TEST(Engine, AnAttemptCountsOnlyOnceAndInOrder) {
  Shop shop;
  shop.Online("anna");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  const std::string out = OutboundOf(shop.Do(shop.Reply("anna", id)));
  EXPECT_THAT(Kinds(shop.Report(Started(out, 1, "a1"))), ElementsAre(Event::kDeliveryUpdated));
  EXPECT_THAT(Kinds(shop.Report(Started(out, 1, "a2"))), ElementsAre(Event::kReceiptIgnored));
  EXPECT_THAT(Kinds(shop.Report(Finished(out, "a2", DeliveryState::DELIVERY_STATE_SENT))),
              ElementsAre(Event::kReceiptIgnored));
  EXPECT_THAT(Kinds(shop.Report(Finished(out, "a1", DeliveryState::DELIVERY_STATE_RETRYING))),
              ElementsAre(Event::kDeliveryUpdated));
  shop.Report(Started(out, 2, "a3"));
  shop.Report(Finished(out, "a3", DeliveryState::DELIVERY_STATE_UNCERTAIN));
  receipt::v1::Receipt status;
  *status.mutable_envelope() = domain::testing::MakeEnvelope(UuidV5(kWisselNamespace, {"s"}));
  status.mutable_provider_status()->set_outbound_id(out);
  status.mutable_provider_status()->set_state(DeliveryState::DELIVERY_STATE_DELIVERED);
  status.mutable_provider_status()->set_provider_message_id("wamid.out");
  EXPECT_THAT(Kinds(shop.Report(status)), ElementsAre(Event::kDeliveryUpdated));
  EXPECT_EQ(shop.Conversation(id).deliveries(0).state(), DeliveryState::DELIVERY_STATE_DELIVERED);
  EXPECT_THAT(Kinds(shop.Report(status)), ElementsAre(Event::kReceiptIgnored));
}

TEST(Engine, AnAgentTakenOutOfTheConfigurationGivesEverythingBack) {
  Shop shop;
  shop.Online("bram");
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  config::v1::WorkspaceConfig config = ShopConfig(2);
  config.mutable_agents()->DeleteSubrange(1, 1);
  shop.Record(*shop.engine().Decide(shop.Cause(common::v1::INPUT_TOPIC_CONFIG), config, shop.now));
  EXPECT_EQ(shop.engine().state().FindAgent("acme", "bram"), nullptr);
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  shop.Online("anna");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
}

TEST(Engine, AutoAcceptGivesAConversationWithoutAsking) {
  config::v1::WorkspaceConfig config = ShopConfig();
  domain::testing::QueueIn(config, "nl").set_auto_accept(true);
  Shop shop(config);
  shop.Online("bram");
  const Decision& d = shop.Receive(Text("31600000001", 1, "nl"));
  ASSERT_THAT(Kinds(d), ElementsAre(Event::kConversationOpened, Event::kMessageReceived,
                                    Event::kQueued, Event::kAssigned));
  const conversation::v1::Assigned& assigned = d.events(3).assigned();
  EXPECT_EQ(assigned.agent_id(), "bram");
  EXPECT_EQ(assigned.reason(), conversation::v1::Assigned::REASON_AUTO_ACCEPTED);
  EXPECT_EQ(assigned.units(), 1);
  EXPECT_EQ(assigned.explanation().chosen().agent_id(), "bram");
  const state::v1::ConversationState& c = shop.Conversation(assigned.conversation_id());
  EXPECT_EQ(c.status(), ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  EXPECT_EQ(shop.Agent("bram").used_units(), 1);
  // No more than there is room for.
  shop.Receive(Text("31600000002", 1, "nl"));
  const Decision& third = shop.Receive(Text("31600000003", 1, "nl"));
  EXPECT_EQ(Kinds(third).back(), Event::kQueued);
  EXPECT_EQ(shop.Agent("bram").used_units(), 2);
}

// Another host's clock may be behind the one that wrote the log so far.
TEST(Engine, AClockThatGoesBackwardsNeverTakesTheLogsTimeBackAndLosesNothing) {
  Shop shop;
  shop.Online("anna");
  shop.Online("bram");
  const std::string first = shop.Open("31600000001", "nl");
  shop.now += absl::Seconds(10);
  const std::string second = shop.Open("31600000002", "nl");
  shop.now += absl::Seconds(10);
  const std::string third = shop.Open("31600000003", "nl");
  for (const std::string& id : {first, second, third}) {
    ASSERT_TRUE(shop.Conversation(id).has_offer());
  }
  const absl::Time latest = shop.now;

  shop.now -= absl::Hours(1);
  const std::string fourth = shop.Open("31600000004", "nl");
  EXPECT_EQ(FromProto(shop.Conversation(fourth).open_time()), latest);
  EXPECT_EQ(shop.Conversation(fourth).offer().expire_time().seconds(),
            absl::ToUnixSeconds(latest + absl::Seconds(30)));
  shop.Do(shop.Accept(fourth));
  EXPECT_EQ(shop.Conversation(fourth).status(), ConversationStatus::CONVERSATION_STATUS_ACTIVE);
  // No timer comes early.
  EXPECT_EQ(shop.engine().DecideTimer(shop.now), nullptr);

  // The clock is right for one input, and behind again: what fell due by then still fires, each
  // once and in order, at the log's time.
  shop.now = latest + absl::Seconds(40);
  shop.RenewLease();
  const absl::Time right = shop.now;
  shop.now = latest - absl::Hours(1);
  std::vector<absl::Time> due;
  std::vector<std::string> timed_out;
  while (const Decision* decision = shop.engine().DecideTimer(shop.now)) {
    const Decision& fired = shop.Record(*decision);
    due.push_back(FromProto(fired.cause().timer().due_time()));
    EXPECT_EQ(FromProto(fired.time()), right);
    for (const Event& event : fired.events()) {
      if (event.has_offer_timed_out()) {
        timed_out.push_back(event.offer_timed_out().conversation_id());
      }
    }
  }
  EXPECT_TRUE(std::is_sorted(due.begin(), due.end()));
  EXPECT_THAT(timed_out, ElementsAre(first, second, third));

  absl::Time time = absl::InfinitePast();
  State folded;
  for (const Decision& decision : shop.log()) {
    EXPECT_GE(FromProto(decision.time()), time);
    time = FromProto(decision.time());
    folded.Apply(decision);
  }
  EXPECT_EQ(folded.Hash(), shop.engine().state().Hash());
}

TEST(Engine, AConfigurationInForceOrOlderChangesNothing) {
  Shop shop;
  EXPECT_EQ(
      shop.engine().Decide(shop.Cause(common::v1::INPUT_TOPIC_CONFIG), ShopConfig(1), shop.now),
      nullptr);
}

TEST(Engine, RefusesWhatItCannotPlace) {
  Shop shop;
  message::v1::InboundMessage m = Text("31600000001", 1, "nl");
  EXPECT_FALSE(shop.engine().Refuse(m).has_value());
  m.mutable_envelope()->set_routing_group_id("elsewhere");
  EXPECT_EQ(shop.engine().Refuse(m)->reason, deadletter::v1::REASON_MISROUTED);
  m.mutable_envelope()->set_id("not-a-uuid");
  EXPECT_EQ(shop.engine().Refuse(m)->reason, deadletter::v1::REASON_INVALID);
}

}  // namespace
}  // namespace wissel::domain
