// Days at random: invariants after each step, the same state from the log, a checkpoint and a cut
// log, and the plain model's opinion. WISSEL_DOMAIN_OPERATIONS says for how many steps.

#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_day.h"
#include "libs/domain/testing_play.h"
#include "libs/domain/testing_rich.h"
#include "libs/domain/testing_shop.h"
#include "libs/routing/policy.h"

namespace wissel::domain {
namespace {

using conversation::v1::Event;
using domain::testing::Invariants;
using domain::testing::LaterRichConfig;
using domain::testing::RandomConfig;
using domain::testing::RandomDay;
using domain::testing::RichConfig;
using domain::testing::Script;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Slip;
using domain::testing::Text;
using domain::testing::WatchedShop;
using log::v1::Decision;

RandomDay::MakeConfig OfShop(uint32_t seed) {
  return [seed](int64_t version) { return RandomConfig(seed, version); };
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
  const auto seed = static_cast<uint32_t>(GetParam());
  const RandomDay::MakeConfig make_config = seed % 2 == 0   ? OfShop(seed)
                                            : seed % 4 == 1 ? ShopConfig
                                                            : RichConfig;
  Shop shop(make_config(1));
  RandomDay day({.seed = seed, .make_config = make_config});
  Invariants invariants;
  for (int i = 0; i < 300; ++i) {
    day.Step(shop);
    ASSERT_EQ(invariants.Check(shop.state()), "") << "step " << i;
    if (i % 10 != 0) continue;
    const Engine successor(shop.state().Copy(), {.holds = [](absl::string_view) { return true; }});
    ASSERT_EQ(OverflowTimers(successor), OverflowTimers(shop.engine())) << "step " << i;
  }
  const size_t cut = shop.log().size();
  // The clock must leave the second in which the round starts.
  shop.Restate(/*step_bytes=*/day.Pick(4000));
  for (int i = 0; i < 100; ++i) {
    day.Step(shop);
    ASSERT_EQ(invariants.Check(shop.state()), "") << "step " << i << " after the round";
  }
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

// On every second day the shop is made at random; on some of the others the first policies come
// while conversations are open.
RandomDay::Options OfDay(uint32_t day) {
  const RandomDay::MakeConfig make_config = day % 2 == 1   ? OfShop(day)
                                            : day % 6 == 0 ? ShopConfig
                                            : day % 6 == 2 ? RichConfig
                                                           : LaterRichConfig;
  return {.seed = 1000 + day,
          .make_config = make_config,
          .late_timers = false,
          .texts = day % 2 == 0 ? 2 : 2 + day / 2 % 5};
}

constexpr int kADay = 300;

// Plays a day and notes what it is made of; true: nothing goes wrong.
bool PlayDay(uint32_t day_number, Slip slip, Script& script, int& settled) {
  const RandomDay::Options options = OfDay(day_number);
  script = {.config = options.make_config(1), .inputs = {}};
  WatchedShop shop(script.config, slip, /*take_over_every=*/30);
  RandomDay day(options);
  for (int i = 0; i < kADay; ++i) {
    for (const RandomDay::Input& input : day.Next(shop.shop().state())) {
      script.inputs.push_back(input);
      if (!shop.Do(input).empty()) return false;
    }
  }
  settled += shop.settled();
  if (slip == Slip::kNone) {
    EXPECT_EQ(shop.model().state().Hash(), shop.shop().state().Hash());
  }
  return true;
}

TEST(RandomDay, GoesAsThePlainModelSays) {
  const char* set = std::getenv("WISSEL_DOMAIN_OPERATIONS");
  const int operations = set == nullptr ? 6'000 : std::atoi(set);
  int settled = 0;
  for (uint32_t day = 0; day < static_cast<uint32_t>(operations / kADay); ++day) {
    Script script;
    if (PlayDay(day, Slip::kNone, script, settled)) continue;
    ADD_FAILURE() << "day " << day << ", " << Play(script);
    const Script shortest = Shrink(std::move(script));
    FAIL() << "The shortest day that goes wrong:\n" << Print(shortest) << Play(shortest);
  }
  EXPECT_GT(settled, operations * 3 / 4);
}

// The days above are worth something only if the model notices when the two differ.
class RandomDaySlip : public ::testing::TestWithParam<int> {};

TEST_P(RandomDaySlip, IsNoticedAndShrunk) {
  const auto slip = static_cast<Slip>(GetParam());
  for (uint32_t day = 0; day < 60; ++day) {
    Script script;
    int settled = 0;
    if (PlayDay(day, slip, script, settled)) continue;
    const size_t inputs = script.inputs.size();
    const Script shortest = Shrink(std::move(script), slip);
    EXPECT_NE(Play(shortest, slip), "");
    EXPECT_EQ(Play(shortest), "");
    EXPECT_LE(shortest.inputs.size(), 20u) << "of " << inputs << "\n" << Print(shortest);
    return;
  }
  FAIL() << "nobody noticed";
}
INSTANTIATE_TEST_SUITE_P(Every, RandomDaySlip, ::testing::Range(1, static_cast<int>(Slip::kEnd)));

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

// What of a configuration's routing a decision shows to be at work.
class Features {
 public:
  void See(const Decision& decision, const config::v1::WorkspaceConfig& config) {
    for (const Event& event : decision.events()) {
      if (event.has_offered()) SeeGiven(event.offered().explanation(), config);
      if (event.has_assigned()) {
        using conversation::v1::Assigned;
        seen_.insert(Assigned::Reason_Name(event.assigned().reason()));
        if (event.assigned().has_explanation()) SeeGiven(event.assigned().explanation(), config);
      }
      if (event.has_queued()) SeeQueued(event.queued(), config);
      if (event.conversation_opened().routing_group_id() == "second") Note("a second group");
      if (event.has_sla_policy_applied()) SeePolicy(event.sla_policy_applied(), config);
      if (event.has_reply_sent()) {
        for (const config::v1::Agent& agent : config.agents()) {
          if (agent.is_bot() && agent.agent_id() == event.reply_sent().actor().agent_id()) {
            Note("a bot's answer");
          }
        }
      }
    }
    for (const config::v1::Calendar& calendar : config.calendars()) {
      if (!calendar.special_days().empty()) Note("a special day");
    }
    if (config.agents_size() <= 3) Note("3 agents");
    if (config.agents_size() >= 12) Note("12 agents");
  }

  const std::set<std::string>& seen() const { return seen_; }

 private:
  void Note(const std::string& feature, bool there = true) {
    if (there) seen_.insert(feature);
  }

  static const config::v1::Queue* FindQueue(const config::v1::WorkspaceConfig& config,
                                            const std::string& id) {
    for (const config::v1::Queue& queue : config.queues()) {
      if (queue.queue_id() == id) return &queue;
    }
    return nullptr;
  }

  void SeeGiven(const conversation::v1::Explanation& e, const config::v1::WorkspaceConfig& config) {
    Note(config::v1::Strategy_Name(e.strategy()), e.agents_eligible() > 1);
    Note("a secondary queue", e.chosen().secondary() && e.requirement().queue_ids_size() == 1);
    Note("a preferred skill", e.chosen().preferred_score() > 0);
    Note("the agent of before", e.chosen().sticky());
    Note("points for a tier", e.priority().tier() > 0);
    Note("points for a lifetime value", e.priority().lifetime_value() > 0);
    Note("points for an order's state", e.priority().order_state() > 0);
    Note("points for a target that is near", e.priority().sla_proximity() > 0);
    Note("points by escalation", e.priority().escalation() > 0);
    Note("points by waiting", e.priority().ageing() > 0);
    Note("other queues asked", e.requirement().queue_ids_size() > 1);
    Note("agents by name", !e.requirement().agent_ids().empty());
    Note("anyone", e.requirement().anyone());
    for (const auto& passed_over : e.passed_over()) {
      Note(conversation::v1::Explanation::PassedOver_Name(passed_over.reason()));
    }
    if (e.requirement().queue_ids().empty()) return;
    const config::v1::Queue* queue = FindQueue(config, e.requirement().queue_ids(0));
    if (queue == nullptr) return;
    for (const auto& clause : e.requirement().clauses()) {
      Note("an alternative", clause.any_of_size() > 1);
      const config::v1::Skill& asked = clause.any_of(0);
      bool required = false;
      for (const config::v1::Skill& skill : queue->required_skills()) {
        if (skill.skill_id() != asked.skill_id()) continue;
        required = true;
        Note("a lowered skill", asked.proficiency() < skill.proficiency());
      }
      Note("its language", !required && queue->language_proficiency() > 0);
    }
  }

  void SeeQueued(const conversation::v1::Queued& e, const config::v1::WorkspaceConfig& config) {
    seen_.insert(conversation::v1::Queued::Reason_Name(e.reason()));
    const config::v1::Queue* queue = FindQueue(config, e.queue_id());
    if (queue == nullptr || e.reason() != conversation::v1::Queued::REASON_NEW) return;
    if (queue->rules_size() != 1) return;
    const config::v1::QueueRule& rule = queue->rules(0);
    Note("a rule by account", !rule.account_ids().empty());
    Note("a rule by language", !rule.languages().empty());
    Note("a rule by topic", !rule.topic_patterns().empty());
    Note("a rule by tag", !rule.contact_tags().empty());
    Note("a rule by tier", !rule.contact_tiers().empty());
    Note("a rule by lifetime value", rule.has_min_lifetime_value_cents());
    Note("a rule by an order's state", !rule.order_states().empty());
    Note("a rule while open", !rule.open_calendar_id().empty());
    Note("a rule while closed", !rule.closed_calendar_id().empty());
  }

  void SeePolicy(const conversation::v1::SlaPolicyApplied& e,
                 const config::v1::WorkspaceConfig& config) {
    for (const config::v1::SlaPolicy& policy : config.sla_policies()) {
      if (policy.sla_policy_id() != e.sla_policy_id()) continue;
      Note("a policy by channel", !policy.channel_kinds().empty());
      Note("a policy by tier", !policy.contact_tiers().empty());
      Note("a policy by priority", policy.has_min_priority());
    }
  }

  std::set<std::string> seen_;
};

TEST(RandomDay, ShopsMadeAtRandomHaveWhateverAConfigurationMaySay) {
  Features features;
  for (uint32_t day_number = 1; day_number < 80; day_number += 2) {
    const RandomDay::Options options = OfDay(day_number);
    for (int64_t version = 1; version <= 3; ++version) {
      for (const auto& finding : routing::CheckPolicy(options.make_config(version))) {
        EXPECT_FALSE(finding.error)
            << "day " << day_number << ": " << finding.path << " " << finding.what;
      }
    }
    Shop shop(options.make_config(1));
    RandomDay day(options);
    size_t seen = 0;
    for (int i = 0; i < kADay; ++i) {
      day.Step(shop);
      const config::v1::WorkspaceConfig& config = *shop.state().FindConfig("acme");
      for (; seen < shop.log().size(); ++seen) features.See(shop.log()[seen], config);
    }
  }
  EXPECT_THAT(features.seen(), ::testing::IsSupersetOf({"3 agents",
                                                        "12 agents",
                                                        "PASSED_OVER_CHANNEL_LIMIT",
                                                        "PASSED_OVER_EXCLUDED",
                                                        "PASSED_OVER_LACKS_SKILL",
                                                        "PASSED_OVER_NOT_AVAILABLE",
                                                        "PASSED_OVER_NOT_IN_QUEUE",
                                                        "PASSED_OVER_NO_CAPACITY",
                                                        "REASON_AUTO_ACCEPTED",
                                                        "REASON_CONFIG_CHANGED",
                                                        "REASON_ESCALATED",
                                                        "REASON_OVERFLOWED",
                                                        "REASON_OWNER_GONE",
                                                        "REASON_PULLED",
                                                        "REASON_REASSIGNED",
                                                        "REASON_RESUMED",
                                                        "REASON_UPDATED",
                                                        "STRATEGY_BEST_SKILL",
                                                        "STRATEGY_LEAST_OCCUPIED",
                                                        "STRATEGY_LONGEST_IDLE",
                                                        "STRATEGY_ROUND_ROBIN",
                                                        "a bot's answer",
                                                        "a lowered skill",
                                                        "a policy by channel",
                                                        "a policy by priority",
                                                        "a policy by tier",
                                                        "a preferred skill",
                                                        "a rule by account",
                                                        "a rule by an order's state",
                                                        "a rule by language",
                                                        "a rule by lifetime value",
                                                        "a rule by tag",
                                                        "a rule by tier",
                                                        "a rule by topic",
                                                        "a rule while closed",
                                                        "a rule while open",
                                                        "a second group",
                                                        "a secondary queue",
                                                        "a special day",
                                                        "agents by name",
                                                        "an alternative",
                                                        "anyone",
                                                        "its language",
                                                        "other queues asked",
                                                        "points by escalation",
                                                        "points by waiting",
                                                        "points for a lifetime value",
                                                        "points for a target that is near",
                                                        "points for a tier",
                                                        "points for an order's state",
                                                        "the agent of before"}));
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDays, ::testing::Range(1, 61));

}  // namespace
}  // namespace wissel::domain
