// Matcher against a naive model, side by side through random scripts: the same answers after every
// step, and the invariants of giving work out. WISSEL_ROUTING_OPERATIONS says how many steps.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "libs/routing/testing/naive_matcher.h"
#include "libs/routing/testing/script.h"
#include "libs/routing/testing/shop.h"

// In the namespace of the scripts, as what Code prints is.
namespace wissel::routing::testing {
namespace {

using Mistake = NaiveMatcher::Mistake;

int64_t OperationsWanted() {
  constexpr int64_t kInUnitTests = 25'000;
  int64_t wanted;
  const char* set = std::getenv("WISSEL_ROUTING_OPERATIONS");
  return set != nullptr && absl::SimpleAtoi(set, &wanted) ? wanted : kInUnitTests;
}

TEST(MatcherProperty, AnswersAsTheNaiveModelDoes) {
  int64_t operations = 0;
  uint32_t seed = 1;
  for (; operations < OperationsWanted(); ++seed) {
    const Script script = RandomScript(seed);
    operations += static_cast<int64_t>(script.ops.size());
    if (Play(script).empty()) continue;
    const Script shortest = Shrink(script, Mistake::kNone);
    FAIL() << "seed " << seed << ": " << Play(shortest) << "\n\n" << Code(shortest);
  }
  RecordProperty("operations", std::to_string(operations));
  RecordProperty("scripts", std::to_string(seed - 1));
}

// The comparison above is worth something only if it notices when the two differ.
class MatcherPropertyMistake : public ::testing::TestWithParam<int> {};

TEST_P(MatcherPropertyMistake, IsNoticedAndShrunk) {
  const auto mistake = static_cast<Mistake>(GetParam());
  for (uint32_t seed = 1; seed <= 200; ++seed) {
    const Script script = RandomScript(seed);
    if (Play(script, mistake).empty()) continue;
    const Script shortest = Shrink(script, mistake);
    EXPECT_NE(Play(shortest, mistake), "");
    EXPECT_LE(shortest.ops.size(), 8u) << Code(shortest);
    EXPECT_LE(shortest.ops.size(), script.ops.size() / 5);
    // What it prints says all that is needed.
    EXPECT_THAT(Code(shortest), ::testing::HasSubstr(".ops = {\n"));
    return;
  }
  FAIL() << "nobody noticed";
}
INSTANTIATE_TEST_SUITE_P(Every, MatcherPropertyMistake,
                         ::testing::Range(1, NaiveMatcher::kMistakes));

// The scripts' agents are few. Here a tier has so many that most of it is passed over: two queues
// for each strategy, one of which prefers a skill that some have; everybody serves all, one half as
// secondary ones.
TEST(MatcherLarge, TiersOfManyAgentsAnswerAsTheNaiveModelDoes) {
  constexpr int kAgents = 5'000;
  constexpr int kDecisions = 250;
  constexpr int kChangesBetween = 20;
  constexpr common::v1::ChannelKind kKinds[] = {common::v1::CHANNEL_KIND_CHAT,
                                                common::v1::CHANNEL_KIND_EMAIL};
  const absl::Time start = absl::FromUnixSeconds(1'790'000'000);

  config::v1::WorkspaceConfig config;
  config.set_version(1);
  for (int q = 0; q < 8; ++q) {
    config::v1::Queue& queue = *config.add_queues();
    queue.set_queue_id(QueueId(q));
    queue.set_routing_group_id(kGroup);
    queue.set_strategy(static_cast<config::v1::Strategy>(1 + q % 4));
    if (q < 4) continue;
    config::v1::PreferredSkill& preferred = *queue.add_preferred_skills();
    preferred.set_skill_id("jewels");
    preferred.set_weight(1);
  }
  for (int i = 0; i < kAgents; ++i) {
    config::v1::Agent& agent = *config.add_agents();
    agent.set_agent_id(AgentId(i));
    agent.set_routing_group_id(kGroup);
    agent.set_capacity_units(kCapacityUnits);
    for (int q = 0; q < 8; ++q) {
      (i % 2 == 0 ? agent.add_queue_ids(QueueId(q)) : agent.add_secondary_queue_ids(QueueId(q)));
    }
    if (i % 20 != 0) continue;
    config::v1::Skill& skill = *agent.add_skills();
    skill.set_skill_id("jewels");
    skill.set_proficiency(1 + i % 3);
  }
  config::v1::ChannelPolicy& chat = *config.add_channels();
  chat.set_kind(common::v1::CHANNEL_KIND_CHAT);
  chat.set_max_conversations(2);

  Matcher matcher;
  NaiveMatcher naive;
  matcher.Configure(Policy::Compile(config, kGroup));
  naive.Configure(config, kGroup);
  matcher.Advance(start);
  naive.Advance(start);

  Random random(5);
  std::vector<AgentLoad> loads(kAgents);
  const auto set = [&](int agent) {
    matcher.SetAgent(AgentId(agent), loads[static_cast<size_t>(agent)]);
    naive.SetAgent(AgentId(agent), loads[static_cast<size_t>(agent)]);
  };
  const auto change = [&](int agent) {
    AgentLoad& load = loads[static_cast<size_t>(agent)];
    load.available = !random.Percent(10);
    load.capacity_units = kCapacityUnits;
    // Few of each, so that many are equal.
    load.idle_since = start - absl::Seconds(random.Below(50));
    load.last_given = random.Below(50);
    for (const common::v1::ChannelKind kind : kKinds) {
      const int held = random.Below(3);
      load.held[kind] = {.conversations = held, .units = held};
    }
    set(agent);
  };
  for (int agent = 0; agent < kAgents; ++agent) change(agent);
  int given = 0;
  for (int i = 0; i < kDecisions; ++i) {
    for (int c = 0; c < kChangesBetween; ++c) change(random.Below(kAgents));
    Waiting waiting;
    waiting.conversation_id = "c";
    waiting.queue_id = QueueId(random.Below(8));
    waiting.kind = kKinds[random.Below(2)];
    waiting.waiting_since = start;
    const std::optional<std::string> expected = naive.ChooseAgent(waiting);
    ASSERT_EQ(matcher.ChooseAgent(waiting), expected) << "decision " << i;
    if (!expected.has_value()) continue;
    ++given;
    // Full, so that the next one is another.
    const int agent = std::stoi(expected->substr(expected->find('-') + 1));
    loads[static_cast<size_t>(agent)].held[waiting.kind] = {.conversations = kCapacityUnits,
                                                            .units = kCapacityUnits};
    set(agent);
  }
  EXPECT_EQ(given, kDecisions);
}

}  // namespace
}  // namespace wissel::routing::testing
