#include <random>

#include "absl/strings/str_cat.h"
#include "libs/routing/testing/script.h"

namespace wissel::routing::testing {

namespace {

using common::v1::ChannelKind;
using config::v1::WorkspaceConfig;

class ScriptMaker {
 public:
  explicit ScriptMaker(uint32_t seed) : engine_(seed) {}

  // From 0 to n - 1.
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  uint32_t Bits() { return static_cast<uint32_t>(engine_()); }

  Script Make() {
    Script script;
    const bool large = OneIn(25);
    agents_ = large ? 50 + Below(90) : 1 + Below(8);
    queues_ = 1 + Below(4);
    conversations_ = large ? 100 : 2 + Below(30);
    script.gives_out = OneIn(large ? 8 : 2);
    if (!large || OneIn(2)) {
      script.limits = {.requirements_kept = static_cast<size_t>(1 + Below(6))};
    }
    const int configs = 1 + Below(3);
    for (int i = 0; i < configs; ++i) script.configs.push_back(MakeConfig(i + 1).DebugString());
    int64_t now = 0;
    if (large) {
      for (int i = 0; i < agents_; ++i) script.ops.push_back(MakeAgentOp(AgentId(i), now));
      for (int i = 0; i < conversations_; ++i) script.ops.push_back(MakeWaitOp(now));
    }
    const int steps = large ? 10 + Below(10) : 60 + Below(100);
    for (int i = 0; i < steps; ++i) script.ops.push_back(MakeOp(now, configs));
    return script;
  }

 private:
  static std::string SkillId(int i) {
    static const char* const kIds[] = {"a", "b", "c", "lang:nl", "lang:fr"};
    return kIds[i];
  }
  std::string AnySkill() { return SkillId(Below(5)); }
  static std::string AgentId(int i) { return absl::StrCat("agent", i); }
  static std::string QueueId(int i) { return absl::StrCat("q", i); }
  // Now and then one that is not there.
  std::string AnyAgent() { return AgentId(Below(agents_ + (OneIn(10) ? 1 : 0))); }
  std::string AnyQueue() { return QueueId(Below(queues_ + (OneIn(10) ? 1 : 0))); }
  std::string AnyConversation() { return absl::StrCat("c", Below(conversations_)); }
  ChannelKind AnyKind() { return static_cast<ChannelKind>(1 + Below(3)); }

  WorkspaceConfig MakeConfig(int version) {
    WorkspaceConfig config;
    config.set_version(version);
    for (int i = 0; i < queues_; ++i) {
      if (i > 0 && OneIn(8)) continue;
      config::v1::Queue& queue = *config.add_queues();
      queue.set_queue_id(QueueId(i));
      queue.set_routing_group_id(OneIn(15) ? "other" : kScriptGroup);
      MakeQueue(queue);
    }
    for (int i = 0; i < agents_; ++i) {
      if (OneIn(12)) continue;
      config::v1::Agent& agent = *config.add_agents();
      agent.set_agent_id(AgentId(i));
      agent.set_routing_group_id(OneIn(20) ? "other" : kScriptGroup);
      for (int s = 0; s < 5; ++s) {
        if (OneIn(2)) AddSkill(*agent.add_skills(), SkillId(s), 10);
      }
      for (int q = 0; q < queues_; ++q) {
        if (OneIn(2)) {
          agent.add_queue_ids(QueueId(q));
        } else if (OneIn(3)) {
          agent.add_secondary_queue_ids(QueueId(q));
        }
      }
      if (OneIn(4)) {
        config::v1::ChannelLimit& limit = *agent.add_channel_limits();
        limit.set_kind(AnyKind());
        limit.set_max_conversations(Below(3));
      }
    }
    for (int kind = 1; kind <= 3; ++kind) {
      if (OneIn(4)) continue;
      config::v1::ChannelPolicy& channel = *config.add_channels();
      channel.set_kind(static_cast<ChannelKind>(kind));
      channel.set_weight_units(Below(4));
      for (int other = 1; other < kind; ++other) {
        if (OneIn(3)) channel.add_may_interrupt(static_cast<ChannelKind>(other));
      }
      if (OneIn(3)) channel.set_max_conversations(Below(4));
    }
    return config;
  }

  static void SetSeconds(google::protobuf::Duration* duration, int seconds) {
    duration->set_seconds(seconds);
  }
  void AddSkill(config::v1::Skill& skill, const std::string& id, int most) {
    skill.set_skill_id(id);
    skill.set_proficiency(1 + Below(most));
  }

  void MakeQueue(config::v1::Queue& queue) {
    for (int s = 0; s < 5; ++s) {
      if (OneIn(5)) AddSkill(*queue.add_required_skills(), SkillId(s), 10);
    }
    queue.set_strategy(static_cast<config::v1::Strategy>(Below(5)));
    queue.set_base_priority(Below(8) - 4);
    if (OneIn(3)) {
      const int first = Below(5);
      for (int i = 1 + Below(2); i > 0; --i) {
        auto& preferred = *queue.add_preferred_skills();
        preferred.set_skill_id(SkillId((first + i) % 5));
        preferred.set_weight(1 + Below(OneIn(3) ? 100 : 2));
      }
    }
    if (OneIn(2)) queue.set_language_proficiency(Below(11));
    int after = 0;
    for (int i = Below(4); i > 0; --i) {
      config::v1::RelaxationStep& step = *queue.add_relaxation_steps();
      SetSeconds(step.mutable_after(), after += 1 + Below(4));
      const auto skill = [&] { return OneIn(4) ? std::string("lang:*") : AnySkill(); };
      if (OneIn(3)) step.add_drop_skill_ids(skill());
      if (OneIn(2)) AddSkill(*step.add_lower_skills(), skill(), 9);
      if (OneIn(3)) {
        auto& alternative = *step.add_alternatives();
        alternative.set_skill_id(skill());
        alternative.set_or_skill_id(AnySkill());
        alternative.set_proficiency(1 + Below(9));
      }
      if (OneIn(3)) step.add_widen_to_queue_ids(AnyQueue());
      if (OneIn(4)) step.add_widen_to_agent_ids(AnyAgent());
    }
    if (OneIn(2)) {
      queue.set_ageing_points(Below(3));
      if (OneIn(4)) return;
      SetSeconds(queue.mutable_ageing_interval(), 1 + Below(4));
      queue.set_max_ageing_points(Below(6));
    }
  }

  Op MakeAgentOp(const std::string& id, int64_t now) {
    Op op{.kind = Op::kAgent, .id = id, .probe = Bits()};
    op.load.available = !OneIn(4);
    op.load.capacity_units = Below(7);
    for (int k = 1; k <= 3; ++k) {
      if (OneIn(2)) op.load.held[k] = {Below(3), Below(4)};
    }
    op.load.idle_since = At(now - int64_t{1000} * Below(4));
    op.load.last_given = Below(5);
    return op;
  }

  Op MakeWaitOp(int64_t now) {
    Op op{.kind = Op::kWait, .probe = Bits()};
    Waiting& waiting = op.waiting;
    waiting.conversation_id = AnyConversation();
    waiting.queue_id = AnyQueue();
    waiting.kind = AnyKind();
    static const char* const kLanguages[] = {"", "nl", "fr", "xx"};
    waiting.language = kLanguages[Below(4)];
    waiting.waiting_since = At(now + int64_t{1000} * (2 - Below(10)));
    if (OneIn(2)) waiting.sla_due = At(now + int64_t{1000} * Below(4));
    if (OneIn(3)) waiting.priority.own = Below(5) - 2;
    if (OneIn(3)) waiting.priority.escalation = Below(4);
    if (OneIn(6)) waiting.priority.lifetime_value = Below(4);
    if (OneIn(6)) waiting.priority.order_state = Below(4);
    if (OneIn(6)) waiting.priority.sla_proximity = Below(4);
    if (OneIn(60)) waiting.priority.tier = 2'000'000'000;
    if (OneIn(60)) waiting.priority.own = -2'000'000'000;
    if (OneIn(6)) waiting.extra_relaxation_steps = Below(4);
    waiting.anyone = OneIn(10);
    if (OneIn(3)) waiting.sticky_agent_id = AnyAgent();
    for (int i = OneIn(2) ? Below(4) : 0; i > 0; --i) {
      waiting.excluded_agent_ids.push_back(AnyAgent());
    }
    return op;
  }

  Op MakeOp(int64_t& now, int configs) {
    const int what = Below(100);
    if (what < 30) return MakeAgentOp(AnyAgent(), now);
    if (what < 60) return MakeWaitOp(now);
    if (what < 75) return {.kind = Op::kGone, .id = AnyConversation(), .probe = Bits()};
    if (what < 82) return {.kind = Op::kDecline, .id = AnyConversation(), .probe = Bits()};
    if (what < 98 || configs == 1) {
      now += OneIn(20) ? 3'600'000 : 500 * Below(6);
      // Now and then the clock goes back.
      return {.kind = Op::kAdvance, .ms = now - (OneIn(10) ? 700 : 0), .probe = Bits()};
    }
    return {.kind = Op::kConfigure, .config = static_cast<size_t>(Below(configs)), .probe = Bits()};
  }

  std::mt19937 engine_;
  int agents_ = 0;
  int queues_ = 0;
  int conversations_ = 0;
};

}  // namespace

Script RandomScript(uint32_t seed) { return ScriptMaker(seed).Make(); }

}  // namespace wissel::routing::testing
