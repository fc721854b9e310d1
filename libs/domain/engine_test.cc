#include "libs/domain/engine.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using command::v1::Command;
using conversation::v1::CommandRejected;
using conversation::v1::Event;
using conversation::v1::Queued;
using domain::testing::CommandBy;
using domain::testing::Kinds;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::StartTime;
using domain::testing::Text;
using log::v1::Decision;
using receipt::v1::DeliveryState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string OutboundOf(const Decision& decision) {
  for (const Event& e : decision.events()) {
    if (e.has_reply_sent()) return e.reply_sent().outbound_id();
  }
  return "";
}

receipt::v1::Receipt Started(const std::string& outbound, int attempt, absl::string_view id) {
  receipt::v1::Receipt r;
  *r.mutable_envelope() = domain::testing::MakeEnvelope(UuidV5(kWisselNamespace, {id, "started"}));
  r.mutable_attempt_started()->set_outbound_id(outbound);
  r.mutable_attempt_started()->set_attempt(attempt);
  r.mutable_attempt_started()->set_attempt_id(std::string(id));
  return r;
}

receipt::v1::Receipt Finished(const std::string& outbound, absl::string_view id,
                              DeliveryState state) {
  receipt::v1::Receipt r;
  *r.mutable_envelope() = domain::testing::MakeEnvelope(UuidV5(kWisselNamespace, {id, "finished"}));
  r.mutable_attempt_finished()->set_outbound_id(outbound);
  r.mutable_attempt_finished()->set_attempt_id(std::string(id));
  r.mutable_attempt_finished()->set_state(state);
  if (state == DeliveryState::DELIVERY_STATE_SENT) {
    r.mutable_attempt_finished()->set_provider_message_id(absl::StrCat("out.", outbound));
  }
  return r;
}

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
  Command decline = CommandBy("anna", "decline");
  decline.mutable_decline_offer()->set_agent_id("anna");
  decline.mutable_decline_offer()->set_offer_id(shop.Conversation(id).offer().offer_id());
  EXPECT_THAT(Kinds(shop.Do(decline)), ElementsAre(Event::kOfferDeclined, Event::kQueued));
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
  message::v1::InboundMessage mail = Text("klant@example.org", 1, "nl");
  mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
  mail.mutable_account()->set_account_id("shop-mail");
  const std::string letter = shop.Receive(mail).events(0).conversation_opened().conversation_id();
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
  Command park = CommandBy("anna", "park");
  park.mutable_park()->set_conversation_id(id);
  shop.Do(park);
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
  shop.Record(
      shop.engine().Decide(shop.Cause(common::v1::INPUT_TOPIC_CONFIG), config, shop.now).value());
  EXPECT_EQ(shop.engine().state().FindAgent("acme", "bram"), nullptr);
  EXPECT_EQ(shop.Conversation(id).status(), ConversationStatus::CONVERSATION_STATUS_QUEUED);
  shop.Online("anna");
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
}

TEST(Engine, AConfigurationInForceOrOlderChangesNothing) {
  Shop shop;
  EXPECT_FALSE(
      shop.engine().Decide(shop.Cause(common::v1::INPUT_TOPIC_CONFIG), ShopConfig(1), shop.now));
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

// Plays random but reproducible days.
class RandomDay {
 public:
  explicit RandomDay(uint32_t seed) : random_(seed) {}

  void Step(Shop& shop) {
    static constexpr const char* kAgents[] = {"anna", "bram", "carol"};
    const std::string agent = kAgents[Pick(3)];
    switch (Pick(14)) {
      case 0:
      case 1:
      case 2: {
        const std::string from = absl::StrCat("316", Pick(12));
        shop.Receive(Text(from, Pick(60), Pick(2) == 0 ? "nl" : "en"));
        break;
      }
      case 3:
        shop.Online(agent);
        break;
      case 4:
        if (Pick(4) == 0) shop.Disconnect(agent);
        break;
      case 5:
        shop.SetPresence(agent, static_cast<command::v1::Presence>(1 + Pick(4)));
        break;
      case 6:
      case 7:
        for (const std::string& id : Held(shop, agent)) {
          if (shop.Conversation(id).has_offer()) {
            shop.Do(shop.Accept(id));
            break;
          }
        }
        break;
      case 8:
        if (const auto ids = Held(shop, agent); !ids.empty()) {
          const std::string id = ids[Pick(ids.size())];
          if (const std::string out = OutboundOf(shop.Do(shop.Reply(agent, id))); !out.empty()) {
            shop.Report(Started(out, 1, absl::StrCat(out, "a")));
            shop.Report(Finished(out, absl::StrCat(out, "a"), DeliveryState::DELIVERY_STATE_SENT));
          }
        }
        break;
      case 9:
        if (const auto ids = Held(shop, agent); !ids.empty()) {
          shop.Do(shop.Resolve(agent, ids[Pick(ids.size())]));
        }
        break;
      case 10:
        if (const auto ids = Held(shop, agent); !ids.empty()) {
          Command c = CommandBy(agent, absl::StrCat("t", shop.log().size()));
          c.mutable_transfer()->set_conversation_id(ids[Pick(ids.size())]);
          if (Pick(2) == 0) {
            c.mutable_transfer()->set_queue_id(Pick(2) == 0 ? "nl" : "en");
          } else {
            c.mutable_transfer()->set_agent_id(kAgents[Pick(3)]);
          }
          shop.Do(c);
        }
        break;
      case 11:
        if (const auto ids = Held(shop, agent); !ids.empty()) {
          Command c = CommandBy(agent, absl::StrCat("p", shop.log().size()));
          c.mutable_park()->set_conversation_id(ids[Pick(ids.size())]);
          shop.Do(c);
        }
        break;
      case 12:
        shop.RenewLease();
        break;
      default:
        shop.Wait(absl::Milliseconds(Pick(Pick(20) == 0 ? 40'000'000 : 20'000)));
    }
  }

  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  static std::vector<std::string> Held(const Shop& shop, absl::string_view agent) {
    const auto& ids = shop_state(shop).ConversationsOf("acme", agent);
    return {ids.begin(), ids.end()};
  }
  static const State& shop_state(const Shop& shop) {
    return const_cast<Shop&>(shop).engine().state();
  }

  std::mt19937 random_;
};

void CheckInvariants(const Shop& shop, const State& state) {
  std::map<std::string, int> used;
  for (const auto& [id, c] : state.conversations()) {
    const std::string holder = c->has_offer() ? c->offer().agent_id() : c->agent_id();
    if (!holder.empty() && IsOpen(*c)) used[AgentKey(c->workspace_id(), holder)] += c->units();
    ASSERT_EQ(c->has_offer(), c->status() == ConversationStatus::CONVERSATION_STATUS_OFFERED);
    ASSERT_TRUE(c->status() != ConversationStatus::CONVERSATION_STATUS_ACTIVE ||
                !c->agent_id().empty());
  }
  for (const auto& [key, agent] : state.agents()) {
    ASSERT_EQ(agent.used_units(), used[key]) << key;
    ASSERT_LE(agent.used_units(), agent.capacity_units()) << key;
  }
  // Nobody waits for an agent who could take it now.
  const config::v1::WorkspaceConfig& config = *state.FindConfig("acme");
  for (const auto& [id, c] : state.conversations()) {
    if (c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) continue;
    for (const config::v1::Agent& a : config.agents()) {
      const state::v1::AgentState& agent = *state.FindAgent("acme", a.agent_id());
      const bool serves = std::count(a.queue_ids().begin(), a.queue_ids().end(), c->queue_id()) > 0;
      const bool excluded = FromProto(c->exclusion_expire_time()) > shop.now &&
                            std::count(c->excluded_agent_ids().begin(),
                                       c->excluded_agent_ids().end(), a.agent_id()) > 0;
      ASSERT_FALSE(serves && !excluded && agent.presence() == command::v1::PRESENCE_AVAILABLE &&
                   agent.sessions_size() > 0 && agent.used_units() < agent.capacity_units())
          << id << " waits although " << a.agent_id() << " has room";
    }
  }
}

class RandomDays : public ::testing::TestWithParam<int> {};

TEST_P(RandomDays, KeepInvariantsAndFoldToTheSameStateFromLogCheckpointAndCutLog) {
  Shop shop;
  RandomDay day(GetParam());
  for (int i = 0; i < 300; ++i) {
    day.Step(shop);
    CheckInvariants(shop, shop.engine().state());
    if (::testing::Test::HasFatalFailure()) return;
  }
  const size_t cut = shop.log().size();
  // The clock must leave the second in which the round starts.
  shop.Restate(/*step_bytes=*/day.Pick(4000));
  for (int i = 0; i < 100; ++i) day.Step(shop);
  const State& truth = shop.engine().state();

  State folded;
  folded.TrackChanges();
  std::map<PieceKey, std::string> checkpoint;
  for (const Decision& d : shop.log()) {
    folded.Apply(d);
    for (Piece& piece : folded.TakeChanges()) {
      if (piece.bytes.has_value()) {
        checkpoint[piece.key] = *piece.bytes;
      } else {
        checkpoint.erase(piece.key);
      }
    }
  }
  EXPECT_EQ(folded.Hash(), truth.Hash());

  uint64_t sum = 0;
  State loaded;
  for (const auto& [key, bytes] : checkpoint) {
    sum += PieceHash(key, bytes);
    ASSERT_TRUE(loaded.Load({key, bytes}).ok());
  }
  EXPECT_EQ(sum, truth.Hash());
  EXPECT_EQ(loaded.Hash(), truth.Hash());

  State cut_off;
  cut_off.BeginsAfterCut();
  // A few decisions before the round, whose subjects the reader has never heard of.
  for (size_t i = cut - std::min<size_t>(cut, 30); i < shop.log().size(); ++i) {
    cut_off.Apply(shop.log()[i]);
  }
  EXPECT_TRUE(cut_off.whole());
  for (PieceKind kind : kPieceKinds) {
    EXPECT_EQ(cut_off.Keys(kind), truth.Keys(kind));
    for (const std::string& key : truth.Keys(kind)) {
      EXPECT_EQ(cut_off.PieceBytes({kind, key}), truth.PieceBytes({kind, key}))
          << PieceKindName(kind) << " " << key;
    }
  }
  EXPECT_EQ(cut_off.Hash(), truth.Hash());

  // And whoever takes over from there decides the same.
  Engine successor(std::move(loaded), {.holds = [](absl::string_view) { return true; }});
  const auto next = Text("31699999999", 1, "nl");
  const auto cause = shop.Cause(common::v1::INPUT_TOPIC_INBOUND);
  Decision theirs = successor.Decide(cause, next, shop.now);
  EXPECT_EQ(theirs.SerializeAsString(),
            shop.engine().Decide(cause, next, shop.now).SerializeAsString());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, ::testing::Range(1, 61));

}  // namespace
}  // namespace wissel::domain
