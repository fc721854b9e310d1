// Everything that keeps an agent from a conversation, of which people are told what to change: it
// has to be all of it.

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/routing/matcher.h"
#include "libs/routing/testing/naive_matcher.h"

namespace wissel::routing {
namespace {

using config::v1::WorkspaceConfig;
using ::testing::ElementsAre;
using testing::NaiveMatcher;

const absl::Time kMorning = absl::FromUnixSeconds(1'790'000'000);

WorkspaceConfig Parse(const char* text) {
  WorkspaceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  for (auto& queue : *config.mutable_queues()) queue.set_routing_group_id("main");
  for (auto& agent : *config.mutable_agents()) agent.set_routing_group_id("main");
  return config;
}

Waiting Conversation(const char* queue, const char* language) {
  Waiting waiting;
  waiting.conversation_id = "c";
  waiting.queue_id = queue;
  waiting.kind = common::v1::CHANNEL_KIND_WHATSAPP;
  waiting.language = language;
  waiting.waiting_since = kMorning;
  return waiting;
}

// Changes what is named, choosing by `random` where any of several would do.
void Remove(const Obstacles& obstacles, const std::string& agent_id, WorkspaceConfig& config,
            AgentLoad& load, Waiting& waiting, std::mt19937& random) {
  config::v1::Agent* agent = nullptr;
  for (config::v1::Agent& a : *config.mutable_agents()) {
    if (a.agent_id() == agent_id) agent = &a;
  }
  ASSERT_NE(agent, nullptr);
  if (!obstacles.queue_ids.empty()) {
    agent->add_queue_ids(obstacles.queue_ids[random() % obstacles.queue_ids.size()]);
  }
  for (const auto& any_of : obstacles.skills) {
    const Obstacles::Skill& skill = any_of[random() % any_of.size()];
    config::v1::Skill* has = nullptr;
    for (config::v1::Skill& s : *agent->mutable_skills()) {
      if (s.skill_id() == skill.skill_id) has = &s;
    }
    if (has == nullptr) has = agent->add_skills();
    has->set_skill_id(skill.skill_id);
    has->set_proficiency(std::max(has->proficiency(), skill.level));
  }
  if (obstacles.not_available) load.available = true;
  if (obstacles.no_room) {
    load.capacity_units += static_cast<int32_t>(obstacles.units_needed - obstacles.units_free);
  }
  if (obstacles.at_limit) {
    agent->clear_channel_limits();
    config::v1::ChannelLimit& limit = *agent->add_channel_limits();
    limit.set_kind(waiting.kind);
    limit.set_max_conversations(obstacles.held + 1);
  }
  if (obstacles.excluded) waiting.excluded_agent_ids.clear();
}

TEST(MatcherObstacles, AreAllNamedWithTheirNumbers) {
  const WorkspaceConfig config = Parse(R"pb(
    queues { queue_id: "nl" language_proficiency: 5 }
    queues { queue_id: "en" language_proficiency: 5 }
    agents {
      agent_id: "chloe"
      queue_ids: "en"
      skills { skill_id: "lang:nl" proficiency: 3 }
      channel_limits { kind: CHANNEL_KIND_WHATSAPP max_conversations: 1 }
    }
    agents {
      agent_id: "anna"
      queue_ids: "nl"
      skills { skill_id: "lang:nl" proficiency: 5 }
    }
    channels { kind: CHANNEL_KIND_WHATSAPP weight_units: 2 })pb");
  Matcher matcher;
  matcher.Configure(Policy::Compile(config, "main"));
  matcher.Advance(kMorning);
  Waiting waiting = Conversation("nl", "nl");
  waiting.excluded_agent_ids = {"chloe"};
  AgentLoad load;
  load.capacity_units = 3;
  load.held[waiting.kind] = {.conversations = 1, .units = 2};
  matcher.SetAgent("chloe", load);
  const Obstacles all = matcher.FindObstacles("chloe", waiting);
  EXPECT_THAT(all.queue_ids, ElementsAre("nl"));
  ASSERT_EQ(all.skills.size(), 1);
  ASSERT_EQ(all.skills[0].size(), 1);
  EXPECT_EQ(all.skills[0][0].skill_id, "lang:nl");
  EXPECT_EQ(all.skills[0][0].level, 5);
  EXPECT_EQ(all.skills[0][0].has, 3);
  EXPECT_TRUE(all.not_available);
  EXPECT_TRUE(all.no_room);
  EXPECT_EQ(all.units_needed, 2);
  EXPECT_EQ(all.units_free, 1);
  EXPECT_TRUE(all.at_limit);
  EXPECT_EQ(all.held, 1);
  EXPECT_EQ(all.limit, 1);
  EXPECT_TRUE(all.excluded);

  load = {.available = true, .capacity_units = 2};
  matcher.SetAgent("anna", load);
  EXPECT_TRUE(matcher.FindObstacles("anna", waiting).none());
  EXPECT_EQ(matcher.FindObstacles("anna", waiting).units_free, 2);
  EXPECT_TRUE(matcher.FindObstacles("nobody", waiting).unknown_agent);
  EXPECT_TRUE(matcher.FindObstacles("anna", Conversation("fr", "nl")).unknown_queue);
}

class RandomDesk {
 public:
  explicit RandomDesk(uint32_t seed) : random_(seed) {
    for (int q = 0; q < 3; ++q) AddQueue(absl::StrCat("q", q));
    for (int a = 0; a < 4; ++a) AddAgent(absl::StrCat("a", a));
    for (const auto kind : {common::v1::CHANNEL_KIND_CHAT, common::v1::CHANNEL_KIND_WHATSAPP}) {
      config::v1::ChannelPolicy& channel = *config_.add_channels();
      channel.set_kind(kind);
      channel.set_weight_units(1 + Below(3));
      channel.set_max_conversations(Below(3));
    }
    if (Below(2) == 0) {
      config_.mutable_channels(0)->add_may_interrupt(common::v1::CHANNEL_KIND_WHATSAPP);
    }
    matcher_.Configure(Policy::Compile(config_, "main"));
    matcher_.Advance(kMorning);
    Configure(naive_, config_);
    for (const auto& agent : config_.agents()) {
      AgentLoad& load = loads_[agent.agent_id()];
      load.available = Below(3) > 0;
      load.capacity_units = Below(6);
      load.held[common::v1::CHANNEL_KIND_CHAT] = {Below(3), Below(3)};
      load.held[common::v1::CHANNEL_KIND_WHATSAPP] = {Below(3), Below(4)};
      matcher_.SetAgent(agent.agent_id(), load);
      naive_.SetAgent(agent.agent_id(), load);
    }
  }

  void Check() {
    Waiting waiting = Conversation(absl::StrCat("q", Below(3)).c_str(),
                                   std::vector{"", "nl", "fr"}[static_cast<size_t>(Below(3))]);
    if (Below(2) == 0) waiting.kind = common::v1::CHANNEL_KIND_CHAT;
    waiting.waiting_since = kMorning - absl::Minutes(Below(4));
    waiting.anyone = Below(6) == 0;
    waiting.extra_relaxation_steps = Below(2);
    for (const auto& agent : config_.agents()) {
      if (Below(4) == 0) waiting.excluded_agent_ids.push_back(agent.agent_id());
    }
    for (const auto& agent : config_.agents()) {
      const std::string& id = agent.agent_id();
      const Obstacles obstacles = matcher_.FindObstacles(id, waiting);
      ASSERT_EQ(obstacles.none(), !naive_.WhyNot(id, waiting, {}).has_value()) << id;
      WorkspaceConfig changed = config_;
      AgentLoad load = loads_[id];
      Waiting then = waiting;
      Remove(obstacles, id, changed, load, then, random_);
      NaiveMatcher judge;
      Configure(judge, changed);
      judge.SetAgent(id, load);
      ASSERT_EQ(judge.WhyNot(id, then, {}), std::nullopt) << id << "\n" << config_.DebugString();
      ++(obstacles.none() ? free_ : held_back_);
    }
  }

  int free_ = 0;
  int held_back_ = 0;

 private:
  int Below(uint32_t n) { return static_cast<int>(random_() % n); }

  static void Configure(NaiveMatcher& matcher, const WorkspaceConfig& config) {
    matcher.Configure(config, "main");
    matcher.Advance(kMorning);
  }

  void SetSkill(config::v1::Skill& skill) {
    skill.set_skill_id(std::vector{"repair", "returns", "lang:nl"}[static_cast<size_t>(Below(3))]);
    skill.set_proficiency(1 + Below(10));
  }

  void AddQueue(const std::string& id) {
    config::v1::Queue& queue = *config_.add_queues();
    queue.set_queue_id(id);
    queue.set_routing_group_id("main");
    queue.set_language_proficiency(Below(10));
    for (int i = Below(3); i > 0; --i) SetSkill(*queue.add_required_skills());
    for (int i = 1; i <= Below(3); ++i) {
      config::v1::RelaxationStep& step = *queue.add_relaxation_steps();
      *step.mutable_after() = ToProto(absl::Minutes(i));
      config::v1::SkillAlternative& alternative = *step.add_alternatives();
      alternative.set_skill_id("repair");
      alternative.set_or_skill_id("returns");
      alternative.set_proficiency(1 + Below(10));
      if (Below(2) == 0) step.add_widen_to_queue_ids("q1");
      if (Below(3) == 0) step.add_widen_to_agent_ids("a1");
    }
  }

  void AddAgent(const std::string& id) {
    config::v1::Agent& agent = *config_.add_agents();
    agent.set_agent_id(id);
    agent.set_routing_group_id("main");
    for (int i = Below(3); i > 0; --i) SetSkill(*agent.add_skills());
    (Below(2) == 0 ? agent.add_queue_ids() : agent.add_secondary_queue_ids())
        ->assign(absl::StrCat("q", Below(3)));
    if (Below(3) == 0) {
      config::v1::ChannelLimit& limit = *agent.add_channel_limits();
      limit.set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
      limit.set_max_conversations(Below(3));
    }
  }

  std::mt19937 random_;
  WorkspaceConfig config_;
  Matcher matcher_;
  NaiveMatcher naive_;
  std::map<std::string, AgentLoad> loads_;
};

// The model knows nothing of obstacles: it says only whether an agent may be given it.
TEST(MatcherObstacles, WithAllOfThemRemovedTheAgentIsEligible) {
  int free = 0;
  int held_back = 0;
  for (uint32_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    RandomDesk desk(seed);
    for (int i = 0; i < 8; ++i) desk.Check();
    if (HasFatalFailure()) return;
    free += desk.free_;
    held_back += desk.held_back_;
  }
  EXPECT_GT(free, 100);
  EXPECT_GT(held_back, 1000);
}

}  // namespace
}  // namespace wissel::routing
