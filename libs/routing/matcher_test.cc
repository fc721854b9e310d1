#include "libs/routing/matcher.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <tuple>

namespace wissel::routing {
namespace {

using common::v1::CHANNEL_KIND_CHAT;
using common::v1::CHANNEL_KIND_EMAIL;
using conversation::v1::Explanation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

const absl::Time kMorning = absl::FromUnixSeconds(1'790'000'000);

config::v1::WorkspaceConfig Config(const std::string& text) {
  config::v1::WorkspaceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  config.set_version(7);
  for (auto& queue : *config.mutable_queues()) queue.set_routing_group_id("main");
  for (auto& agent : *config.mutable_agents()) {
    agent.set_routing_group_id("main");
    if (agent.capacity_units() == 0) agent.set_capacity_units(3);
  }
  return config;
}

AgentLoad Free(int idle_minutes = 0) {
  AgentLoad load;
  load.available = true;
  load.capacity_units = 3;
  load.idle_since = kMorning - absl::Minutes(idle_minutes);
  return load;
}

AgentLoad Holding(common::v1::ChannelKind kind, int conversations, int units) {
  AgentLoad load = Free();
  load.held[kind] = {conversations, units};
  return load;
}

Waiting Conversation(const std::string& id, const std::string& queue,
                     absl::Duration waited = absl::ZeroDuration()) {
  Waiting waiting;
  waiting.conversation_id = id;
  waiting.queue_id = queue;
  waiting.kind = CHANNEL_KIND_CHAT;
  waiting.waiting_since = kMorning - waited;
  return waiting;
}

class MatcherTest : public ::testing::Test {
 protected:
  void Configure(const std::string& text) {
    matcher_.Configure(Policy::Compile(Config(text), "main"));
    matcher_.Advance(kMorning);
  }
  void AllFree(std::initializer_list<const char*> agents) {
    for (const char* agent : agents) matcher_.SetAgent(agent, Free());
  }
  std::optional<std::string> Choose(const Waiting& waiting) {
    return matcher_.ChooseAgent(waiting);
  }
  std::optional<PassedOver> WhyNot(const char* agent, const Waiting& waiting) {
    return matcher_.WhyNot(agent, waiting, {});
  }
  // Of everything that waits, who would get what, one after the other.
  std::vector<std::string> GiveOut(const char* agent) {
    std::vector<std::string> given;
    while (const auto next = matcher_.ChooseConversation(agent)) {
      given.push_back(*next);
      matcher_.RemoveWaiting(*next);
    }
    return given;
  }

  Matcher matcher_;
};

TEST_F(MatcherTest, NobodyIsThereBeforeAPolicyIs) {
  EXPECT_EQ(Choose(Conversation("c", "q")), std::nullopt);
  matcher_.AddWaiting(Conversation("c", "q"));
  matcher_.SetAgent("anna", Free());
  EXPECT_EQ(matcher_.ChooseConversation("anna"), std::nullopt);
  EXPECT_EQ(matcher_.WaitingCount("q"), 0);
  Configure(R"pb(
    queues { queue_id: "q" }
    agents { agent_id: "anna" queue_ids: "q" })pb");
  matcher_.SetAgent("anna", Free());
  EXPECT_THAT(matcher_.ChooseConversation("anna"), Optional(std::string("c")));
  EXPECT_EQ(matcher_.WaitingCount("q"), 1);
}

TEST_F(MatcherTest, PrimaryGoesBeforePreferredBeforeStrategyBeforeId) {
  Configure(R"pb(
    queues {
      queue_id: "q"
      preferred_skills { skill_id: "returns" weight: 2 }
    }
    agents { agent_id: "anna" queue_ids: "q" }
    agents { agent_id: "bram" queue_ids: "q" }
    agents {
      agent_id: "carl"
      queue_ids: "q"
      skills { skill_id: "returns" proficiency: 4 }
    }
    agents {
      agent_id: "dora"
      secondary_queue_ids: "q"
      skills { skill_id: "returns" proficiency: 9 }
    })pb");
  const Waiting waiting = Conversation("c", "q");
  matcher_.SetAgent("dora", Free(90));
  EXPECT_THAT(Choose(waiting), Optional(std::string("dora")));
  matcher_.SetAgent("bram", Free(10));
  EXPECT_THAT(Choose(waiting), Optional(std::string("bram")));
  matcher_.SetAgent("anna", Free(10));
  EXPECT_THAT(Choose(waiting), Optional(std::string("anna")));
  matcher_.SetAgent("bram", Free(11));
  EXPECT_THAT(Choose(waiting), Optional(std::string("bram")));
  matcher_.SetAgent("carl", Free(1));
  EXPECT_THAT(Choose(waiting), Optional(std::string("carl")));

  Waiting known = waiting;
  known.sticky_agent_id = "dora";
  EXPECT_THAT(Choose(known), Optional(std::string("dora")));
  known.excluded_agent_ids = {"dora", "carl", "nobody"};
  EXPECT_THAT(Choose(known), Optional(std::string("bram")));
}

TEST_F(MatcherTest, EveryStrategyComparesItsOwn) {
  Configure(R"pb(
    queues {
      queue_id: "skill"
      strategy: STRATEGY_BEST_SKILL
      language_proficiency: 1
      required_skills { skill_id: "a" proficiency: 2 }
    }
    queues { queue_id: "occupied" strategy: STRATEGY_LEAST_OCCUPIED }
    queues { queue_id: "robin" strategy: STRATEGY_ROUND_ROBIN }
    agents {
      agent_id: "anna"
      queue_ids: [ "skill", "occupied", "robin" ]
      skills { skill_id: "a" proficiency: 5 }
      skills { skill_id: "lang:nl" proficiency: 9 }
    }
    agents {
      agent_id: "bram"
      queue_ids: [ "skill", "occupied", "robin" ]
      skills { skill_id: "a" proficiency: 8 }
      skills { skill_id: "lang:nl" proficiency: 2 }
    })pb");
  AgentLoad anna = Free();
  AgentLoad bram = Free();
  anna.last_given = 12;
  bram.last_given = 11;
  anna.held[CHANNEL_KIND_CHAT] = {1, 1};
  bram.capacity_units = 100;
  bram.held[CHANNEL_KIND_CHAT] = {1, 34};
  matcher_.SetAgent("anna", anna);
  matcher_.SetAgent("bram", bram);
  EXPECT_THAT(Choose(Conversation("c", "skill")), Optional(std::string("bram")));
  Waiting dutch = Conversation("c", "skill");
  dutch.language = "nl";
  EXPECT_THAT(Choose(dutch), Optional(std::string("anna")));
  EXPECT_THAT(Choose(Conversation("c", "occupied")), Optional(std::string("anna")));  // 333 < 340
  EXPECT_THAT(Choose(Conversation("c", "robin")), Optional(std::string("bram")));
}

TEST_F(MatcherTest, LanguageIsAskedForWhereAnybodyHasIt) {
  Configure(R"pb(
    queues { queue_id: "q" language_proficiency: 5 }
    agents {
      agent_id: "anna"
      queue_ids: "q"
      skills { skill_id: "lang:nl" proficiency: 4 }
    }
    agents {
      agent_id: "bram"
      queue_ids: "q"
      skills { skill_id: "lang:nl" proficiency: 5 }
    })pb");
  AllFree({"anna", "bram"});
  Waiting waiting = Conversation("c", "q");
  EXPECT_THAT(Choose(waiting), Optional(std::string("anna")));
  waiting.language = "fr";
  EXPECT_THAT(Choose(waiting), Optional(std::string("anna")));
  waiting.language = "nl";
  EXPECT_THAT(Choose(waiting), Optional(std::string("bram")));
  EXPECT_EQ(WhyNot("anna", waiting), Explanation::PASSED_OVER_LACKS_SKILL);
}

constexpr char kRings[] = R"pb(
  queues {
    queue_id: "q"
    required_skills { skill_id: "a" proficiency: 6 }
    required_skills { skill_id: "b" proficiency: 1 }
    relaxation_steps {
      after { seconds: 10 }
      lower_skills { skill_id: "a" proficiency: 3 }
    }
    relaxation_steps {
      after { seconds: 20 }
      alternatives { skill_id: "b" or_skill_id: "c" proficiency: 2 }
    }
    relaxation_steps {
      after { seconds: 30 }
      drop_skill_ids: "b"
      widen_to_queue_ids: "other"
    }
    relaxation_steps {
      after { seconds: 40 }
      widen_to_agent_ids: "f-named"
    }
  }
  queues { queue_id: "other" }
  agents {
    agent_id: "a-full"
    queue_ids: "q"
    skills { skill_id: "a" proficiency: 6 }
    skills { skill_id: "b" proficiency: 1 }
  }
  agents {
    agent_id: "b-lower"
    queue_ids: "q"
    skills { skill_id: "a" proficiency: 3 }
    skills { skill_id: "b" proficiency: 1 }
  }
  agents {
    agent_id: "c-other-skill"
    queue_ids: "q"
    skills { skill_id: "a" proficiency: 3 }
    skills { skill_id: "c" proficiency: 2 }
  }
  agents {
    agent_id: "d-none"
    queue_ids: "q"
    skills { skill_id: "a" proficiency: 3 }
  }
  agents {
    agent_id: "e-other-queue"
    queue_ids: "other"
    skills { skill_id: "a" proficiency: 3 }
  }
  agents { agent_id: "f-named" }
  agents { agent_id: "g-nobody" })pb";

TEST_F(MatcherTest, ItAsksForLessTheLongerItWaits) {
  Configure(kRings);
  AllFree({"a-full", "b-lower", "c-other-skill", "d-none", "e-other-queue", "f-named", "g-nobody"});
  matcher_.AddWaiting(Conversation("c", "q"));
  const std::vector<int> eligible_by_ring = {1, 2, 3, 5, 6};
  for (int ring = 0; ring <= 4; ++ring) {
    matcher_.Advance(kMorning + absl::Seconds(10 * ring));
    const Explanation why = matcher_.Explain(Conversation("c", "q"));
    EXPECT_EQ(why.requirement().ring(), ring);
    EXPECT_EQ(why.agents_eligible(), eligible_by_ring[ring]) << ring;
    EXPECT_THAT(
        matcher_.TakeRelaxed(),
        ring == 0 ? ::testing::Matcher<std::vector<std::string>>(IsEmpty()) : ElementsAre("c"));
    EXPECT_EQ(matcher_.NextRelaxation(),
              ring == 4 ? absl::InfiniteFuture() : kMorning + absl::Seconds(10 * ring + 10));
  }
  EXPECT_EQ(WhyNot("g-nobody", Conversation("c", "q")), Explanation::PASSED_OVER_NOT_IN_QUEUE);
  Waiting anyone = Conversation("c", "q");
  anyone.anyone = true;
  EXPECT_EQ(WhyNot("g-nobody", anyone), std::nullopt);
}

TEST_F(MatcherTest, ExtraStepsComeBesideThoseOfTime) {
  Configure(kRings);
  AllFree({"c-other-skill"});
  Waiting waiting = Conversation("c", "q", absl::Seconds(10));
  EXPECT_EQ(Choose(waiting), std::nullopt);
  waiting.extra_relaxation_steps = 1;
  EXPECT_THAT(Choose(waiting), Optional(std::string("c-other-skill")));
  waiting.extra_relaxation_steps = 100;
  EXPECT_EQ(matcher_.Explain(waiting).requirement().ring(), 4);
}

TEST_F(MatcherTest, AWaitingConversationIsFoundByTheAgentItNowAsksFor) {
  Configure(kRings);
  matcher_.SetAgent("d-none", Free());
  matcher_.AddWaiting(Conversation("c", "q"));
  EXPECT_EQ(matcher_.ChooseConversation("d-none"), std::nullopt);
  matcher_.Advance(kMorning + absl::Seconds(30));
  EXPECT_THAT(matcher_.ChooseConversation("d-none"), Optional(std::string("c")));
}

constexpr char kPlain[] = R"pb(
  queues {
    queue_id: "q"
    ageing_points: 10
    ageing_interval { seconds: 60 }
    max_ageing_points: 25
  }
  queues { queue_id: "vip" base_priority: 20 }
  agents {
    agent_id: "anna"
    queue_ids: [ "q", "vip" ]
  }
  channels {
    kind: CHANNEL_KIND_CHAT
    weight_units: 2
    may_interrupt: CHANNEL_KIND_EMAIL
    max_conversations: 2
  }
  channels { kind: CHANNEL_KIND_EMAIL })pb";

TEST_F(MatcherTest, TheMostUrgentGoesFirst) {
  Configure(kPlain);
  AllFree({"anna"});
  Waiting promised = Conversation("promised", "vip");
  promised.sla_due = kMorning + absl::Hours(1);
  Waiting escalated = Conversation("escalated", "q");
  escalated.priority.escalation = 21;
  matcher_.AddWaiting(Conversation("late", "vip"));
  matcher_.AddWaiting(Conversation("early-b", "vip", absl::Seconds(1)));
  matcher_.AddWaiting(Conversation("early-a", "vip", absl::Seconds(1)));
  matcher_.AddWaiting(Conversation("low", "q", absl::Seconds(59)));
  matcher_.AddWaiting(promised);
  matcher_.AddWaiting(escalated);
  EXPECT_EQ(matcher_.Position("early-b"), 3);
  EXPECT_EQ(matcher_.Position("late"), 4);
  EXPECT_EQ(matcher_.Position("low"), 2);
  EXPECT_EQ(matcher_.Position("gone"), 0);
  EXPECT_THAT(GiveOut("anna"),
              ElementsAre("escalated", "promised", "early-a", "early-b", "late", "low"));
}

TEST_F(MatcherTest, PriorityRisesWithWaitingUpToItsMost) {
  Configure(kPlain);
  const Waiting waiting = Conversation("c", "q");
  const auto ageing = [&](absl::Duration waited) {
    matcher_.Advance(kMorning + waited);
    return matcher_.PriorityOf(waiting).effective();
  };
  EXPECT_EQ(ageing(absl::Seconds(59)), 0);
  EXPECT_EQ(ageing(absl::Seconds(60)), 10);
  EXPECT_EQ(ageing(absl::Seconds(120)), 20);
  EXPECT_EQ(ageing(absl::Hours(9)), 25);
  // Time does not go back.
  EXPECT_EQ(ageing(absl::ZeroDuration()), 25);

  AllFree({"anna"});
  matcher_.AddWaiting(waiting);
  matcher_.AddWaiting(Conversation("vip", "vip", -absl::Hours(9)));
  EXPECT_THAT(GiveOut("anna"), ElementsAre("c", "vip"));
}

TEST_F(MatcherTest, AnOutrageousPriorityIsBounded) {
  Configure(kPlain);
  Waiting waiting = Conversation("c", "vip");
  waiting.priority.own = std::numeric_limits<int32_t>::max();
  waiting.priority.escalation = std::numeric_limits<int32_t>::max();
  EXPECT_EQ(matcher_.PriorityOf(waiting).effective(), kMaxEffectivePriority);
  waiting.priority.own = waiting.priority.escalation = std::numeric_limits<int32_t>::min();
  EXPECT_EQ(matcher_.PriorityOf(waiting).effective(), -kMaxEffectivePriority);
}

TEST_F(MatcherTest, ChatInterruptsMailAndMailDoesNotInterruptChat) {
  Configure(kPlain);
  Waiting chat = Conversation("chat", "q");
  Waiting mail = Conversation("mail", "q");
  mail.kind = CHANNEL_KIND_EMAIL;
  matcher_.SetAgent("anna", Holding(CHANNEL_KIND_EMAIL, 3, 3));
  EXPECT_EQ(WhyNot("anna", chat), std::nullopt);
  EXPECT_EQ(WhyNot("anna", mail), Explanation::PASSED_OVER_NO_CAPACITY);
  matcher_.SetAgent("anna", Holding(CHANNEL_KIND_CHAT, 1, 2));
  EXPECT_EQ(WhyNot("anna", chat), Explanation::PASSED_OVER_NO_CAPACITY);
  EXPECT_EQ(WhyNot("anna", mail), std::nullopt);
  AgentLoad roomy = Holding(CHANNEL_KIND_CHAT, 2, 4);
  roomy.capacity_units = 10;
  matcher_.SetAgent("anna", roomy);
  EXPECT_EQ(WhyNot("anna", chat), Explanation::PASSED_OVER_CHANNEL_LIMIT);
  EXPECT_EQ(WhyNot("anna", mail), std::nullopt);

  // What a person decides.
  EXPECT_EQ(matcher_.WhyNot("anna", chat, {.room = false}), std::nullopt);
  roomy.available = false;
  matcher_.SetAgent("anna", roomy);
  EXPECT_EQ(
      matcher_.WhyNot("anna", chat, {.requirement = false, .exclusion = false, .room = false}),
      Explanation::PASSED_OVER_NOT_AVAILABLE);
}

TEST_F(MatcherTest, AnAgentsOwnLimitGoesBeforeTheChannels) {
  Configure(R"pb(
    queues { queue_id: "q" }
    agents {
      agent_id: "none"
      queue_ids: "q"
      channel_limits { kind: CHANNEL_KIND_CHAT max_conversations: 0 }
    }
    agents {
      agent_id: "two"
      queue_ids: "q"
      channel_limits { kind: CHANNEL_KIND_CHAT max_conversations: 2 }
    }
    agents { agent_id: "usual" queue_ids: "q" }
    channels { kind: CHANNEL_KIND_CHAT max_conversations: 1 })pb");
  for (const char* agent : {"none", "two", "usual"}) {
    matcher_.SetAgent(agent, Holding(CHANNEL_KIND_CHAT, 1, 1));
  }
  const Waiting chat = Conversation("c", "q");
  EXPECT_EQ(WhyNot("none", chat), Explanation::PASSED_OVER_CHANNEL_LIMIT);
  EXPECT_EQ(WhyNot("two", chat), std::nullopt);
  EXPECT_EQ(WhyNot("usual", chat), Explanation::PASSED_OVER_CHANNEL_LIMIT);
}

TEST_F(MatcherTest, AnExcludedAgentGetsTheNextOne) {
  Configure(kPlain);
  AllFree({"anna"});
  Waiting declined = Conversation("declined", "q", absl::Seconds(10));
  declined.excluded_agent_ids = {"anna"};
  matcher_.AddWaiting(declined);
  matcher_.AddWaiting(Conversation("next", "q"));
  EXPECT_THAT(GiveOut("anna"), ElementsAre("next"));
  declined.excluded_agent_ids.clear();
  matcher_.AddWaiting(declined);
  EXPECT_THAT(GiveOut("anna"), ElementsAre("declined"));
}

TEST_F(MatcherTest, TheExplanationCountsEveryAgentUnderTheFirstReason) {
  Configure(R"pb(
    queues {
      queue_id: "q"
      required_skills { skill_id: "a" proficiency: 2 }
      preferred_skills { skill_id: "b" weight: 3 }
    }
    queues { queue_id: "other" }
    agents {
      agent_id: "away"
      queue_ids: "q"
      skills { skill_id: "a" proficiency: 2 }
    }
    agents {
      agent_id: "best"
      queue_ids: "q"
      skills { skill_id: "a" proficiency: 7 }
      skills { skill_id: "b" proficiency: 5 }
    }
    agents {
      agent_id: "declined"
      queue_ids: "q"
      skills { skill_id: "a" proficiency: 2 }
    }
    agents {
      agent_id: "elsewhere"
      queue_ids: "other"
      skills { skill_id: "a" proficiency: 2 }
    }
    agents {
      agent_id: "full"
      queue_ids: "q"
      skills { skill_id: "a" proficiency: 2 }
    }
    agents {
      agent_id: "next"
      queue_ids: "q"
      skills { skill_id: "a" proficiency: 2 }
    }
    agents {
      agent_id: "unskilled"
      queue_ids: "q"
      skills { skill_id: "a" proficiency: 1 }
    })pb");
  AllFree({"declined", "elsewhere", "unskilled"});
  AgentLoad best = Holding(CHANNEL_KIND_CHAT, 1, 1);
  best.last_given = 4;
  matcher_.SetAgent("best", best);
  matcher_.SetAgent("next", Free(3));
  matcher_.SetAgent("full", Holding(CHANNEL_KIND_CHAT, 3, 3));
  Waiting waiting = Conversation("c", "q");
  waiting.excluded_agent_ids = {"declined", "away", "declined"};
  waiting.sticky_agent_id = "next";

  Explanation expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        agents_considered: 7
        agents_eligible: 2
        passed_over { reason: PASSED_OVER_NOT_IN_QUEUE agents: 1 }
        passed_over { reason: PASSED_OVER_LACKS_SKILL agents: 1 }
        passed_over { reason: PASSED_OVER_NOT_AVAILABLE agents: 1 }
        passed_over { reason: PASSED_OVER_NO_CAPACITY agents: 1 }
        passed_over { reason: PASSED_OVER_EXCLUDED agents: 1 }
        chosen {
          agent_id: "next"
          idle_since { seconds: 1789999820 }
          free_units: 3
          sticky: true
          skill_score: 2
        }
        runners_up {
          agent_id: "best"
          idle_since { seconds: 1790000000 }
          free_units: 2
          preferred_score: 15
          skill_score: 7
          occupancy_permille: 333
          last_given: 4
        }
        strategy: STRATEGY_LONGEST_IDLE
        config_version: 7
        requirement {
          clauses { any_of { skill_id: "a" proficiency: 2 } }
          queue_ids: "q"
          preferred_skills { skill_id: "b" weight: 3 }
          channel_kind: CHANNEL_KIND_CHAT
          units: 1
        }
        priority {})pb",
      &expected));
  EXPECT_EQ(matcher_.Explain(waiting).DebugString(), expected.DebugString());
}

TEST_F(MatcherTest, AnotherPolicyKeepsLoadsAndPlaces) {
  Configure(kPlain);
  matcher_.SetAgent("anna", Holding(CHANNEL_KIND_CHAT, 1, 1));
  matcher_.AddWaiting(Conversation("c", "q"));
  matcher_.AddWaiting(Conversation("v", "vip"));
  Configure(R"pb(
    queues { queue_id: "q" }
    agents { agent_id: "aad" queue_ids: "q" }
    agents { agent_id: "anna" queue_ids: "q" })pb");
  EXPECT_EQ(matcher_.WaitingCount("q"), 1);
  EXPECT_EQ(matcher_.WaitingCount("vip"), 0);
  EXPECT_TRUE(matcher_.IsWaiting("v"));
  EXPECT_EQ(matcher_.Position("v"), 0);
  EXPECT_THAT(Choose(Conversation("c", "q")), Optional(std::string("anna")));
  EXPECT_THAT(GiveOut("anna"), ElementsAre("c"));
  Configure(kPlain);
  EXPECT_THAT(GiveOut("anna"), ElementsAre("v"));
}

// Each named after it.
config::v1::WorkspaceConfig AQueueOfEachStrategy() {
  config::v1::WorkspaceConfig config;
  for (const auto strategy :
       {config::v1::STRATEGY_LONGEST_IDLE, config::v1::STRATEGY_BEST_SKILL,
        config::v1::STRATEGY_LEAST_OCCUPIED, config::v1::STRATEGY_ROUND_ROBIN}) {
    config::v1::Queue* queue = config.add_queues();
    queue->set_queue_id(config::v1::Strategy_Name(strategy));
    queue->set_routing_group_id("main");
    queue->set_strategy(strategy);
  }
  return config;
}

// Many words of 64 agents.
TEST_F(MatcherTest, AmongManyTheSameOrderHolds) {
  config::v1::WorkspaceConfig config = AQueueOfEachStrategy();
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    config::v1::Skill* required = queue.add_required_skills();
    required->set_skill_id("a");
    required->set_proficiency(1);
  }
  constexpr int kAgents = 2'000;
  for (int i = 0; i < kAgents; ++i) {
    config::v1::Agent* agent = config.add_agents();
    agent->set_agent_id("agent-" + std::to_string(10'000 + i));
    agent->set_routing_group_id("main");
    for (const auto& queue : config.queues()) agent->add_queue_ids(queue.queue_id());
    config::v1::Skill* skill = agent->add_skills();
    skill->set_skill_id("a");
    skill->set_proficiency(i * 7 % 10);
  }
  matcher_.Configure(Policy::Compile(config, "main"));
  matcher_.Advance(kMorning);
  for (int i = 0; i < kAgents; ++i) {
    AgentLoad load = Free((i * 13) % 501);
    load.capacity_units = 100;
    load.held[CHANNEL_KIND_EMAIL] = {1, (i * 11) % 37};
    load.last_given = (i * 17) % 401;
    matcher_.SetAgent(config.agents(i).agent_id(), load);
  }
  // Agents without the skill (every tenth) do not count; ties go to the smaller id.
  const auto expect_best = [&](config::v1::Strategy strategy, const auto& value) {
    std::vector<std::pair<int, int>> order;
    for (int i = 0; i < kAgents; ++i) {
      if (i * 7 % 10 >= 1) order.emplace_back(value(i), i);
    }
    std::sort(order.begin(), order.end());
    const Explanation why =
        matcher_.Explain(Conversation("c", config::v1::Strategy_Name(strategy)));
    std::vector<std::string> got = {why.chosen().agent_id()};
    for (const auto& next : why.runners_up()) got.push_back(next.agent_id());
    std::vector<std::string> expected;
    for (int i = 0; i < 4; ++i) expected.push_back(config.agents(order[i].second).agent_id());
    EXPECT_EQ(got, expected) << config::v1::Strategy_Name(strategy);
    EXPECT_EQ(Choose(Conversation("c", config::v1::Strategy_Name(strategy))), expected[0]);
  };
  expect_best(config::v1::STRATEGY_LONGEST_IDLE, [](int i) { return -((i * 13) % 501); });
  expect_best(config::v1::STRATEGY_BEST_SKILL, [](int i) { return -(i * 7 % 10); });
  expect_best(config::v1::STRATEGY_LEAST_OCCUPIED, [](int i) { return (i * 11) % 37; });
  expect_best(config::v1::STRATEGY_ROUND_ROBIN, [](int i) { return (i * 17) % 401; });
}

// What was compared before is left out where nothing can have come to be better: same answers.
TEST_F(MatcherTest, TheBestOfManyIsFoundWhileTheyChange) {
  config::v1::WorkspaceConfig config = AQueueOfEachStrategy();
  constexpr int kAgents = 400;
  for (int i = 0; i < kAgents; ++i) {
    config::v1::Agent* agent = config.add_agents();
    agent->set_agent_id("agent-" + std::to_string(1'000 + i));
    agent->set_routing_group_id("main");
    for (const auto& queue : config.queues()) agent->add_queue_ids(queue.queue_id());
  }
  matcher_.Configure(Policy::Compile(config, "main"));
  matcher_.Advance(kMorning);
  std::mt19937 random(1);
  const auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
  std::vector<AgentLoad> loads(kAgents);
  const auto best = [&](config::v1::Strategy strategy) -> std::optional<std::string> {
    std::optional<std::pair<int64_t, int>> least;
    for (int i = 0; i < kAgents; ++i) {
      const AgentLoad& load = loads[i];
      const int units = load.held[CHANNEL_KIND_CHAT].units;
      if (!load.available || units >= load.capacity_units) continue;
      const int64_t key =
          strategy == config::v1::STRATEGY_LONGEST_IDLE     ? absl::ToUnixNanos(load.idle_since)
          : strategy == config::v1::STRATEGY_LEAST_OCCUPIED ? units * 1000 / load.capacity_units
          : strategy == config::v1::STRATEGY_ROUND_ROBIN    ? load.last_given
                                                            : 0;
      if (!least.has_value() || std::pair(key, i) < *least) least = {key, i};
    }
    if (!least.has_value()) return std::nullopt;
    return config.agents(least->second).agent_id();
  };
  for (int step = 0; step < 4'000; ++step) {
    const auto agent = static_cast<size_t>(below(kAgents));
    AgentLoad& load = loads[agent];
    load = Holding(CHANNEL_KIND_CHAT, 1, below(5));
    load.available = below(3) > 0;
    load.idle_since = kMorning - absl::Seconds(below(1'000));
    load.last_given = below(1'000);
    matcher_.SetAgent(config.agents(static_cast<int>(agent)).agent_id(), load);
    const config::v1::Queue& queue = config.queues(below(4));
    ASSERT_EQ(Choose(Conversation("c", queue.queue_id())), best(queue.strategy()))
        << queue.queue_id() << ", step " << step;
  }
}

TEST_F(MatcherTest, TimesCountToTheNanosecond) {
  Configure(R"pb(
    queues { queue_id: "q" }
    agents { agent_id: "anna" queue_ids: "q" })pb");
  matcher_.SetAgent("anna", Free());
  const absl::Duration ns = absl::Nanoseconds(1);
  const std::vector<absl::Duration> apart = {
      0 * ns, ns, 2 * ns, absl::Milliseconds(1) - ns, absl::Milliseconds(1), absl::Seconds(10)};
  std::vector<Waiting> all;
  for (const absl::Duration due : apart) {
    for (const absl::Duration waited : apart) {
      for (const char* suffix : {"a", "b"}) {
        Waiting& waiting =
            all.emplace_back(Conversation(std::to_string(all.size() % 7) + suffix, "q", waited));
        waiting.conversation_id += std::to_string(all.size());
        waiting.sla_due = due == absl::Seconds(10) ? absl::InfiniteFuture() : kMorning + due;
      }
    }
  }
  std::shuffle(all.begin(), all.end(), std::mt19937(1));
  for (const Waiting& waiting : all) matcher_.AddWaiting(waiting);
  std::sort(all.begin(), all.end(), [](const Waiting& a, const Waiting& b) {
    return std::tie(a.sla_due, a.waiting_since, a.conversation_id) <
           std::tie(b.sla_due, b.waiting_since, b.conversation_id);
  });
  std::vector<std::string> ids;
  for (const Waiting& waiting : all) ids.push_back(waiting.conversation_id);
  EXPECT_EQ(GiveOut("anna"), ids);
}

TEST_F(MatcherTest, WhatNoLongerWaitsHasNoStepsToCome) {
  Configure(kRings);
  matcher_.AddWaiting(Conversation("first", "q", absl::Seconds(5)));
  matcher_.AddWaiting(Conversation("second", "q", absl::Seconds(3)));
  matcher_.RemoveWaiting("second");
  matcher_.AddWaiting(Conversation("in its place", "q"));
  EXPECT_EQ(matcher_.NextRelaxation(), kMorning + absl::Seconds(5));
  matcher_.RemoveWaiting("first");
  EXPECT_EQ(matcher_.NextRelaxation(), kMorning + absl::Seconds(10));
  matcher_.RemoveWaiting("in its place");
  EXPECT_EQ(matcher_.NextRelaxation(), absl::InfiniteFuture());
}

}  // namespace
}  // namespace wissel::routing
