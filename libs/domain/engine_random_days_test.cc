// Days at random: invariants after each step, the same state from the log, a checkpoint and a cut
// log, and the plain model's opinion. WISSEL_DOMAIN_OPERATIONS says for how many steps.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_day.h"
#include "libs/domain/testing_model.h"
#include "libs/domain/testing_rich.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using conversation::v1::Event;
using domain::testing::LaterRichConfig;
using domain::testing::RandomDay;
using domain::testing::RichConfig;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using log::v1::Decision;
using state::v1::ConversationStatus;

// Of each agent: what may not be interrupted, and mail.
struct Load {
  int live = 0;
  int mail = 0;
};
using Loads = std::map<std::string, Load>;

// `before`: the loads one step earlier, and then those of now.
void CheckInvariants(const State& state, Loads& before) {
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
    // What may be interrupted stands in nobody's way. Whoever has too much, for there is less room
    // than before, is given no more.
    Load& load = before[key];
    ASSERT_LE(agent.used_units() - mail, std::max(agent.capacity_units(), load.live)) << key;
    ASSERT_LE(mail, std::max(agent.capacity_units(), load.mail)) << key;
    load = {.live = agent.used_units() - mail, .mail = mail};
  }
  std::map<std::string, int> waiting;
  for (const auto& [id, c] : state.conversations()) {
    if (c->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) ++waiting[c->queue_id()];
  }
  for (const auto& [key, queue] : state.queues()) {
    ASSERT_EQ(queue.waiting(), waiting[queue.queue_id()]) << key;
  }
  const config::v1::WorkspaceConfig& config = *state.FindConfig("acme");
  for (const auto& [id, c] : state.conversations()) {
    for (const std::string& consulted : c->consulted_agent_ids()) {
      ASSERT_TRUE(std::any_of(config.agents().begin(), config.agents().end(), [&](const auto& a) {
        return a.agent_id() == consulted;
      })) << consulted;
    }
  }
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

std::map<std::string, absl::Time> OverflowTimers(const Engine& engine) {
  std::map<std::string, absl::Time> timers;
  for (const Timers::Timer& timer : engine.timers().All()) {
    if (timer.kind == TimerKind::kOverflow) timers.emplace(timer.key, timer.due);
  }
  return timers;
}

class RandomDays : public ::testing::TestWithParam<int> {};

TEST_P(RandomDays, KeepInvariantsAndFoldToTheSameStateFromLogCheckpointAndCutLog) {
  const RandomDay::MakeConfig make_config = GetParam() % 2 == 0 ? RichConfig : ShopConfig;
  Shop shop(make_config(1));
  RandomDay day({.seed = static_cast<uint32_t>(GetParam()), .make_config = make_config});
  Loads loads;
  for (int i = 0; i < 300; ++i) {
    day.Step(shop);
    CheckInvariants(shop.state(), loads);
    if (::testing::Test::HasFatalFailure()) return;
    if (i % 10 != 0) continue;
    const Engine successor(shop.state().Copy(), {.holds = [](absl::string_view) { return true; }});
    ASSERT_EQ(OverflowTimers(successor), OverflowTimers(shop.engine())) << "step " << i;
  }
  const size_t cut = shop.log().size();
  // The clock must leave the second in which the round starts.
  shop.Restate(/*step_bytes=*/day.Pick(4000));
  for (int i = 0; i < 100; ++i) day.Step(shop);
  const State& truth = shop.state();

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
    // On every second day the first policies come while conversations are open.
    const RandomDay::MakeConfig make_config = day_number % 4 == 0   ? ShopConfig
                                              : day_number % 2 == 0 ? RichConfig
                                                                    : LaterRichConfig;
    Shop shop(make_config(1));
    RandomDay day({.seed = 1000 + static_cast<uint32_t>(day_number),
                   .make_config = make_config,
                   .late_timers = false});
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
      ASSERT_EQ(model.CheckClocks(), "") << "step " << i;
      if (settled % 30 != 0) continue;
      // Whoever takes over now waits for the same.
      const Engine successor(shop.state().Copy(),
                             {.holds = [](absl::string_view) { return true; }});
      ASSERT_EQ(model.CheckTimers(successor.timers()), "") << "taken over at step " << i;
    }
    ASSERT_EQ(model.state().Hash(), shop.state().Hash());
  }
  EXPECT_GT(settled, operations * 4 / 5);
}

// Else the days above would prove less than they seem to.
TEST(RandomDay, ARichDayHasEverythingThatRoutingKnows) {
  std::set<Event::KindCase> seen;
  for (uint32_t seed = 100; seed < 120; ++seed) {
    Shop shop(RichConfig());
    RandomDay day({.seed = seed, .make_config = RichConfig});
    for (int i = 0; i < 400; ++i) day.Step(shop);
    for (const Decision& decision : shop.log()) {
      for (const Event& event : decision.events()) seen.insert(event.kind_case());
    }
  }
  for (const Event::KindCase kind : RandomDay::kOfARichDay) {
    EXPECT_TRUE(seen.contains(kind)) << Event::descriptor()->FindFieldByNumber(kind)->name();
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, ::testing::Range(1, 61));

}  // namespace
}  // namespace wissel::domain
