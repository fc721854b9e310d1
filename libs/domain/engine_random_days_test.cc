// Days at random: invariants after each step, the same state from the log, a checkpoint and a cut
// log, and the plain model's opinion. WISSEL_DOMAIN_OPERATIONS says for how many steps.

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_model.h"
#include "libs/domain/testing_rich.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using command::v1::Command;
using conversation::v1::Event;
using domain::testing::CommandBy;
using domain::testing::EraseIf;
using domain::testing::Finished;
using domain::testing::OutboundOf;
using domain::testing::RichConfig;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Started;
using domain::testing::Text;
using log::v1::Decision;
using receipt::v1::DeliveryState;
using state::v1::ConversationStatus;

// Plays random but reproducible days.
class RandomDay {
 public:
  RandomDay(uint32_t seed, bool rich) : random_(seed), rich_(rich) {}

  void Step(Shop& shop) {
    static constexpr const char* kAgents[] = {"anna", "bram", "carol"};
    const std::string agent = kAgents[Pick(3)];
    if (rich_ && Pick(4) == 0) return RichStep(shop, agent);
    switch (Pick(14)) {
      case 0:
      case 1:
      case 2: {
        const std::string from = absl::StrCat("316", Pick(12));
        const int n = static_cast<int>(Pick(60));
        message::v1::InboundMessage text = Text(from, n, Pick(2) == 0 ? "nl" : "en");
        if (n % 5 == 0) text.set_automation(message::v1::AUTOMATION_BULK);
        shop.Receive(text);
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
          Command reply = shop.Reply(agent, id);
          if (Pick(4) == 0) reply.mutable_actor()->set_role(common::v1::ROLE_BOT);
          if (const std::string out = OutboundOf(shop.Do(reply)); !out.empty()) {
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
          c.mutable_transfer()->set_keep_place(Pick(2) == 0);
          shop.Do(c);
        }
        break;
      case 11:
        if (const auto ids = Held(shop, agent); !ids.empty()) {
          Command c = CommandBy(agent, absl::StrCat("p", shop.log().size()));
          c.mutable_park()->set_conversation_id(ids[Pick(ids.size())]);
          c.mutable_park()->set_on_hold(Pick(2) == 0);
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

  // What only a rich shop has.
  void RichStep(Shop& shop, const std::string& agent) {
    std::vector<std::string> open;
    for (const std::string& id : shop_state(shop).Keys(PieceKind::kConversation)) {
      if (IsOpen(shop.Conversation(id))) open.push_back(id);
    }
    Command c = CommandBy(agent, absl::StrCat("rich", shop.log().size()));
    const bool supervisor = Pick(2) == 0;
    if (supervisor) c.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
    if (Pick(6) == 0) {
      message::v1::InboundMessage mail =
          Text(absl::StrCat("317", Pick(12)), static_cast<int>(Pick(60)), "nl");
      mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
      mail.mutable_account()->set_account_id("shop-mail");
      mail.mutable_facts()->set_tier("gold");
      // Sometimes whoever writes by phone, too.
      if (Pick(2) == 0) {
        mail.mutable_sender()->set_contact_id(
            Text(absl::StrCat("316", Pick(12)), 0, "nl").sender().contact_id());
      }
      shop.Receive(mail);
      return;
    }
    if (Pick(25) == 0) {
      shop.Apply(AnotherConfig());
      return;
    }
    if (open.empty()) return;
    const std::string id = open[Pick(open.size())];
    switch (Pick(9)) {
      case 8:
        c.mutable_merge_conversation()->set_conversation_id(id);
        c.mutable_merge_conversation()->set_into_conversation_id(OfSameContact(shop, open, id));
        break;
      case 0:
        c.mutable_pull()->set_conversation_id(id);
        c.mutable_pull()->set_agent_id(agent);
        break;
      case 1:
        c.mutable_reassign()->set_conversation_id(id);
        c.mutable_reassign()->set_agent_id(agent);
        break;
      case 2:
        c.mutable_consult()->set_conversation_id(id);
        c.mutable_consult()->set_agent_id(agent);
        break;
      case 3:
        c.mutable_end_consult()->set_conversation_id(id);
        c.mutable_end_consult()->set_agent_id(agent);
        break;
      case 4:
        c.mutable_barge_in()->set_conversation_id(id);
        break;
      case 5:
        if (Pick(4) == 0)
          c.mutable_force_logout()->set_agent_id(agent);
        else
          c.mutable_end_wrap_up()->set_agent_id(agent);
        break;
      case 6:
        c.mutable_leave_conversation()->set_conversation_id(id);
        break;
      default:
        c.mutable_update_conversation()->set_conversation_id(id);
        c.mutable_update_conversation()->set_priority_points(static_cast<int>(Pick(50)));
        c.mutable_update_conversation()->set_choose_queue_again(Pick(2) == 0);
    }
    shop.Do(c);
  }

  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  // Sometimes without one of the agents, or a queue; what they have is kept, or goes back.
  config::v1::WorkspaceConfig AnotherConfig() {
    config::v1::WorkspaceConfig config = RichConfig(++version_);
    config.mutable_conversations()->set_removed_work(
        static_cast<config::v1::RemovedWork>(Pick(3) == 0 ? 1 : 2));
    // Several agents come to have room at once, and nobody has less than before.
    for (config::v1::Agent& agent : *config.mutable_agents()) {
      agent.set_capacity_units(agent.capacity_units() + static_cast<int32_t>(version_ / 2));
    }
    if (Pick(2) == 0) {
      config.mutable_agents()->DeleteSubrange(static_cast<int>(Pick(3)), 1);
    }
    if (Pick(2) == 0) {
      const std::string gone = Pick(2) == 0 ? "nl" : "en";
      EraseIf(*config.mutable_queues(), [&](const auto& q) { return q.queue_id() == gone; });
      for (config::v1::Agent& agent : *config.mutable_agents()) {
        EraseIf(*agent.mutable_queue_ids(), [&](const auto& id) { return id == gone; });
      }
    }
    return config;
  }

  // Another open conversation of the contact's, if there is one.
  static std::string OfSameContact(const Shop& shop, const std::vector<std::string>& open,
                                   const std::string& id) {
    for (const std::string& other : open) {
      if (other != id && shop.Conversation(other).contact().contact_id() ==
                             shop.Conversation(id).contact().contact_id()) {
        return other;
      }
    }
    return id;
  }

  static std::vector<std::string> Held(const Shop& shop, absl::string_view agent) {
    const auto& ids = shop_state(shop).ConversationsOf("acme", agent);
    return {ids.begin(), ids.end()};
  }
  static const State& shop_state(const Shop& shop) {
    return const_cast<Shop&>(shop).engine().state();
  }

  std::mt19937 random_;
  bool rich_;
  int64_t version_ = 1;
};

void CheckInvariants(const State& state) {
  std::map<std::string, int> used;
  std::map<std::string, std::set<std::string>> company;
  for (const auto& [id, c] : state.conversations()) {
    for (const std::string& agent : CompanyIn(*c)) {
      ASSERT_TRUE(IsOpen(*c)) << "whoever keeps company leaves before the end";
      company[AgentKey(c->workspace_id(), agent)].insert(id);
    }
    const std::string holder = c->has_offer() ? c->offer().agent_id() : c->agent_id();
    if (!holder.empty() && IsOpen(*c)) used[AgentKey(c->workspace_id(), holder)] += c->units();
    ASSERT_EQ(c->has_offer(), c->status() == ConversationStatus::CONVERSATION_STATUS_OFFERED);
    ASSERT_TRUE(c->status() != ConversationStatus::CONVERSATION_STATUS_ACTIVE ||
                !c->agent_id().empty());
  }
  for (const auto& [key, agent] : state.agents()) {
    ASSERT_EQ(state.CompanyOf(agent.workspace_id(), agent.agent_id()), company[key]);
    int loads = 0;
    int mail = 0;
    for (const state::v1::WrapUp& wrap_up : agent.wrap_ups()) used[key] += wrap_up.units();
    for (const state::v1::ChannelLoad& load : agent.channel_loads()) {
      loads += load.units();
      if (load.kind() == common::v1::CHANNEL_KIND_EMAIL) mail = load.units();
    }
    ASSERT_EQ(agent.used_units(), used[key]) << key;
    ASSERT_EQ(agent.used_units(), loads) << key;
    // What may be interrupted stands in nobody's way.
    ASSERT_LE(agent.used_units() - mail, agent.capacity_units()) << key;
    ASSERT_LE(mail, agent.capacity_units()) << key;
  }
  std::map<std::string, int> waiting;
  for (const auto& [id, c] : state.conversations()) {
    if (c->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) ++waiting[c->queue_id()];
  }
  for (const auto& [key, queue] : state.queues()) {
    ASSERT_EQ(queue.waiting(), waiting[queue.queue_id()]) << key;
  }
  const config::v1::WorkspaceConfig& config = *state.FindConfig("acme");
  for (const auto& [key, agent] : state.agents()) {
    if (!agent.leaving()) continue;
    ASSERT_GT(agent.used_units(), 0) << key;
    for (const config::v1::Agent& a : config.agents()) ASSERT_NE(a.agent_id(), agent.agent_id());
    for (const std::string& id : state.ConversationsOf("acme", agent.agent_id())) {
      ASSERT_FALSE(state.FindConversation(id)->has_offer()) << key;
    }
  }
  for (const auto& [key, queue] : state.queues()) {
    if (!queue.has_kept()) continue;
    const auto& all = state.conversations();
    ASSERT_TRUE(queue.waiting() > 0 || std::any_of(all.begin(), all.end(),
                                                   [&](const auto& entry) {
                                                     return entry.second->has_offer() &&
                                                            entry.second->queue_id() ==
                                                                queue.queue_id();
                                                   }))
        << key << " is kept for nothing";
  }
}

class RandomDays : public ::testing::TestWithParam<int> {};

TEST_P(RandomDays, KeepInvariantsAndFoldToTheSameStateFromLogCheckpointAndCutLog) {
  const bool rich = GetParam() % 2 == 0;
  Shop shop(rich ? RichConfig() : ShopConfig());
  RandomDay day(GetParam(), rich);
  for (int i = 0; i < 300; ++i) {
    day.Step(shop);
    CheckInvariants(shop.engine().state());
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
  for (const auto& [key, agent] : truth.agents()) {
    for (const State* other : {&folded, &loaded, &cut_off}) {
      EXPECT_EQ(other->CompanyOf(agent.workspace_id(), agent.agent_id()),
                truth.CompanyOf(agent.workspace_id(), agent.agent_id()));
    }
  }

  // And whoever takes over from there decides the same.
  Engine successor(std::move(loaded), {.holds = [](absl::string_view) { return true; }});
  const auto next = Text("31699999999", 1, "nl");
  const auto cause = shop.Cause(common::v1::INPUT_TOPIC_INBOUND);
  Decision theirs = successor.Decide(cause, next, shop.now);
  EXPECT_EQ(theirs.SerializeAsString(),
            shop.engine().Decide(cause, next, shop.now).SerializeAsString());
}

TEST(RandomDay, GivesOutAndLooksAgainAsThePlainModelDoes) {
  const char* set = std::getenv("WISSEL_DOMAIN_OPERATIONS");
  const int operations = set == nullptr ? 6'000 : std::atoi(set);
  constexpr int kADay = 300;
  int settled = 0;
  for (int day_number = 0; day_number < operations / kADay; ++day_number) {
    SCOPED_TRACE(absl::StrCat("day ", day_number));
    const bool rich = day_number % 4 != 0;
    Shop shop(rich ? RichConfig() : ShopConfig());
    RandomDay day(1000 + static_cast<uint32_t>(day_number), rich);
    testing::EngineModel model;
    size_t followed = 0;
    for (int i = 0; i < kADay; ++i) {
      day.Step(shop);
      for (; followed < shop.log().size(); ++followed) {
        ASSERT_EQ(model.Follow(shop.log()[followed]), "") << "step " << i << "\n"
                                                          << shop.log()[followed].DebugString();
      }
      // Of what falls due at the same instant each is decided by itself.
      if (shop.engine().NextTimer() <= model.state().time()) continue;
      ++settled;
      ASSERT_EQ(model.CheckWaiting(), "") << "step " << i;
      ASSERT_EQ(model.CheckTimers(shop.engine().timers()), "") << "step " << i;
    }
    ASSERT_EQ(model.state().Hash(), shop.engine().state().Hash());
  }
  EXPECT_GT(settled, operations * 9 / 10);
}

// Else the days above would prove less than they seem to.
TEST(RandomDay, ARichDayHasEverythingThatRoutingKnows) {
  std::set<Event::KindCase> seen;
  for (uint32_t seed = 100; seed < 115; ++seed) {
    Shop shop(RichConfig());
    RandomDay day(seed, /*rich=*/true);
    for (int i = 0; i < 400; ++i) day.Step(shop);
    for (const Decision& decision : shop.log()) {
      for (const Event& event : decision.events()) seen.insert(event.kind_case());
    }
  }
  for (const Event::KindCase kind :
       {Event::kOverflowed, Event::kConversationUpdated, Event::kConsultStarted,
        Event::kConsultEnded, Event::kSupervisorJoined, Event::kSupervisorLeft,
        Event::kWrapUpStarted, Event::kWrapUpEnded, Event::kSlaPolicyApplied, Event::kSlaWarned,
        Event::kSlaBreached, Event::kSlaEscalated, Event::kWaitEstimated, Event::kSlaAtRisk,
        Event::kAgentLeaving, Event::kAgentRemoved, Event::kQueueClosing, Event::kQueueClosed,
        Event::kConversationMerged}) {
    EXPECT_TRUE(seen.contains(kind)) << kind;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, ::testing::Range(1, 61));

}  // namespace
}  // namespace wissel::domain
