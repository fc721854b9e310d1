// Matcher against a naive model, side by side through random scripts: the same answers after every
// step, and the invariants of giving work out. WISSEL_ROUTING_OPERATIONS says how many steps.

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "libs/routing/matcher.h"
#include "libs/routing/testing/naive_matcher.h"

namespace wissel::routing {
namespace {

using common::v1::ChannelKind;
using config::v1::WorkspaceConfig;
using conversation::v1::Explanation;
using testing::NaiveMatcher;
using Mistake = NaiveMatcher::Mistake;

constexpr char kGroup[] = "main";

absl::Time At(int64_t ms) { return absl::FromUnixMillis(1'790'000'000'000 + ms); }
int64_t MillisOf(absl::Time t) { return absl::ToUnixMillis(t) - absl::ToUnixMillis(At(0)); }

// ---- Scripts

struct Op {
  enum Kind {
    // What is new about an agent. Where work is given out, only whether available and the capacity.
    kAgent,
    // It comes, or something about it is new.
    kWait,
    // It goes; where work is given out, also from its agent.
    kGone,
    kAdvance,
    kConfigure,
    // Its agent gives it back, and is not to be asked again.
    kDecline,
  };
  Kind kind;
  std::string id = "";   // kAgent, kGone, kDecline
  AgentLoad load = {};   // kAgent
  Waiting waiting = {};  // kWait
  int64_t ms = 0;        // kAdvance: since the script began
  size_t config = 0;     // kConfigure
  uint32_t probe = 0;    // what is looked at after it
};

struct Script {
  // Whether work is given out after every step, as the engine does, or loads are set at will.
  bool gives_out = false;
  MatcherLimits limits;
  std::vector<std::string> configs;  // text format; the first is in force at the beginning
  std::vector<Op> ops;
};

WorkspaceConfig Parse(const std::string& text) {
  WorkspaceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &config));
  return config;
}

// ---- Playing one

class Player {
 public:
  Player(const Script& script, Mistake mistake)
      : script_(script), matcher_(script.limits), naive_(mistake) {
    for (const std::string& text : script.configs) configs_.push_back(Parse(text));
    Configure(0);
    Advance(0);
  }

  // What is wrong; empty where nothing.
  std::string Play() {
    for (size_t i = 0; i < script_.ops.size() && failure_.empty(); ++i) {
      Step(script_.ops[i]);
      if (failure_.empty()) Compare(script_.ops[i].probe, i % 64 == 63);
      if (!failure_.empty()) failure_ = absl::StrCat("after step ", i, ": ", failure_);
    }
    return failure_;
  }

 private:
  struct Held {
    std::string agent;
    Waiting waiting;
  };

  template <typename Got, typename Expected>
  void Same(absl::string_view what, const Got& got, const Expected& expected) {
    if (got == expected || !failure_.empty()) return;
    failure_ = absl::StrCat(what, ": ", Text(got), ", expected ", Text(expected));
  }
  static std::string Text(const std::optional<std::string>& id) { return id.value_or("nothing"); }
  static std::string Text(const std::optional<PassedOver>& why) {
    return why.has_value() ? Explanation::PassedOver_Name(*why) : "nothing";
  }
  static std::string Text(absl::Time t) { return absl::StrCat(MillisOf(t), " ms"); }
  static std::string Text(int32_t n) { return absl::StrCat(n); }
  static std::string Text(const std::vector<std::string>& ids) { return absl::StrJoin(ids, ","); }
  void SameMessage(absl::string_view what, const google::protobuf::Message& got,
                   const google::protobuf::Message& expected) {
    if (!failure_.empty() || got.SerializeAsString() == expected.SerializeAsString()) return;
    failure_ = absl::StrCat(what, ":\n", got.DebugString(), "expected:\n", expected.DebugString());
  }
  void Fail(const std::string& text) {
    if (failure_.empty()) failure_ = text;
  }

  const WorkspaceConfig& config() const { return configs_[in_force_]; }

  void Configure(size_t config) {
    in_force_ = config % configs_.size();
    matcher_.Configure(Policy::Compile(this->config(), kGroup));
    naive_.Configure(this->config(), kGroup);
  }

  void Advance(int64_t ms) {
    matcher_.Advance(At(ms));
    naive_.Advance(At(ms));
    now_ms_ = std::max(now_ms_, ms);
    Same("next relaxation", matcher_.NextRelaxation(), naive_.NextRelaxation());
  }

  void SetAgent(const std::string& id, const AgentLoad& load) {
    loads_[id] = load;
    matcher_.SetAgent(id, load);
    naive_.SetAgent(id, load);
  }
  void AddWaiting(const Waiting& waiting) {
    matcher_.AddWaiting(waiting);
    naive_.AddWaiting(waiting);
  }
  void RemoveWaiting(const std::string& id) {
    matcher_.RemoveWaiting(id);
    naive_.RemoveWaiting(id);
  }

  void Step(const Op& op) {
    switch (op.kind) {
      case Op::kAgent: {
        AgentLoad load = op.load;
        if (script_.gives_out) {
          const AgentLoad before = loads_[op.id];
          load = before;
          load.available = op.load.available;
          load.capacity_units = op.load.capacity_units;
        }
        SetAgent(op.id, load);
        break;
      }
      case Op::kWait:
        last_ = op.waiting;
        if (held_.count(op.waiting.conversation_id) > 0) break;
        if (script_.gives_out && !naive_.IsWaiting(op.waiting.conversation_id)) {
          Ask(op.waiting, /*waits=*/false);
        } else {
          AddWaiting(op.waiting);
          if (script_.gives_out) Ask(op.waiting, /*waits=*/true);
        }
        break;
      case Op::kGone:
        if (const auto held = held_.find(op.id); held != held_.end()) {
          TakeBack(held->second);
          held_.erase(held);
        }
        RemoveWaiting(op.id);
        break;
      case Op::kAdvance:
        Advance(op.ms);
        if (script_.gives_out) {
          const std::vector<std::string> relaxed = naive_.TakeRelaxed();
          Same("relaxed", matcher_.TakeRelaxed(), relaxed);
          for (const std::string& id : relaxed) {
            const auto waiting = naive_.waiting().find(id);
            if (waiting != naive_.waiting().end()) Ask(Waiting(waiting->second), /*waits=*/true);
          }
        }
        break;
      case Op::kConfigure:
        Configure(op.config);
        if (script_.gives_out) {
          ReturnWorkOfAgentsThatAreGone();
          for (const auto& [id, load] : loads_) SetAgent(id, AgentLoad(load));
        }
        break;
      case Op::kDecline:
        if (const auto held = held_.find(op.id); held != held_.end()) {
          Waiting waiting = held->second.waiting;
          waiting.excluded_agent_ids.push_back(held->second.agent);
          TakeBack(held->second);
          held_.erase(held);
          Ask(waiting, /*waits=*/false);
        }
        break;
    }
    if (script_.gives_out && failure_.empty()) GiveOut();
  }

  // Offers it to the best agent; where there is none it waits.
  void Ask(const Waiting& waiting, bool waits) {
    const std::optional<std::string> agent = naive_.ChooseAgent(waiting);
    Same("agent chosen", matcher_.ChooseAgent(waiting), agent);
    if (agent.has_value()) {
      RemoveWaiting(waiting.conversation_id);
      Give(waiting, *agent);
    } else if (!waits) {
      AddWaiting(waiting);
    }
  }

  void Give(const Waiting& waiting, const std::string& agent) {
    if (const auto why = naive_.WhyNot(agent, waiting, {}); why.has_value()) {
      return Fail(absl::StrCat(waiting.conversation_id, " given to ", agent,
                               ", who may not: ", Explanation::PassedOver_Name(*why)));
    }
    if (held_.count(waiting.conversation_id) > 0 || naive_.IsWaiting(waiting.conversation_id)) {
      return Fail(absl::StrCat(waiting.conversation_id, " is in two places"));
    }
    const int32_t units = WeightUnits(waiting.kind);
    AgentLoad load = loads_[agent];
    if (!load.available) Fail(agent + " is not available");
    ChannelUse& use = load.held[waiting.kind];
    ++use.conversations;
    use.units += units;
    load.idle_since = At(now_ms_);
    load.last_given = ++given_;
    SetAgent(agent, load);
    held_[waiting.conversation_id] = {agent, waiting};
    units_of_[waiting.conversation_id] = units;
    CheckRoom(agent, waiting.kind);
  }

  const config::v1::ChannelPolicy* FindChannel(ChannelKind kind) const {
    for (const config::v1::ChannelPolicy& channel : config().channels()) {
      if (channel.kind() == kind) return &channel;
    }
    return nullptr;
  }
  int32_t WeightUnits(ChannelKind kind) const {
    const config::v1::ChannelPolicy* channel = FindChannel(kind);
    return channel == nullptr ? 1 : std::max(1, channel->weight_units());
  }

  // Neither too much nor too many, counted from what has been given; when one of this kind was.
  void CheckRoom(const std::string& agent, ChannelKind kind) {
    const config::v1::ChannelPolicy* channel = FindChannel(kind);
    int64_t free = loads_.at(agent).capacity_units;
    int of_kind = 0;
    for (const auto& [id, held] : held_) {
      if (held.agent != agent) continue;
      const bool interrupted =
          channel != nullptr && std::count(channel->may_interrupt().begin(),
                                           channel->may_interrupt().end(), held.waiting.kind) > 0;
      if (!interrupted) free -= units_of_.at(id);
      if (held.waiting.kind == kind) ++of_kind;
    }
    if (free < 0) Fail(agent + " has more than the capacity");
    int most = channel == nullptr ? 0 : channel->max_conversations();
    if (most == 0) most = std::numeric_limits<int>::max();
    for (const config::v1::Agent& configured : config().agents()) {
      if (configured.agent_id() != agent) continue;
      for (const config::v1::ChannelLimit& limit : configured.channel_limits()) {
        if (limit.kind() == kind) most = limit.max_conversations();
      }
    }
    if (of_kind > most) Fail(agent + " has more conversations than the limit");
  }

  void TakeBack(const Held& held) {
    AgentLoad load = loads_[held.agent];
    ChannelUse& use = load.held[held.waiting.kind];
    --use.conversations;
    use.units -= units_of_[held.waiting.conversation_id];
    SetAgent(held.agent, load);
  }

  void ReturnWorkOfAgentsThatAreGone() {
    std::vector<Held> lost;
    for (const auto& [id, held] : held_) {
      if (matcher_.policy().FindAgent(held.agent) == nullptr) lost.push_back(held);
    }
    for (const Held& held : lost) {
      TakeBack(held);
      held_.erase(held.waiting.conversation_id);
      AddWaiting(held.waiting);
    }
  }

  // Every agent takes what it may, and then nothing that waits has an agent who might.
  void GiveOut() {
    for (const config::v1::Agent& agent : config().agents()) {
      while (failure_.empty()) {
        const std::optional<std::string> id = naive_.ChooseConversation(agent.agent_id());
        Same("conversation chosen", matcher_.ChooseConversation(agent.agent_id()), id);
        if (!id.has_value() || !failure_.empty()) break;
        const Waiting waiting = naive_.waiting().at(*id);
        for (const auto& [other_id, other] : naive_.waiting()) {
          if (other_id != *id && naive_.MoreUrgent(other, waiting) &&
              !naive_.WhyNot(agent.agent_id(), other, {}).has_value()) {
            Fail(absl::StrCat(other_id, " is passed over for ", *id));
          }
        }
        RemoveWaiting(*id);
        Give(waiting, agent.agent_id());
      }
    }
    for (const auto& [id, waiting] : naive_.waiting()) {
      if (const auto agent = naive_.ChooseAgent(waiting); agent.has_value()) {
        Fail(absl::StrCat(id, " waits although ", *agent, " is free"));
      }
    }
  }

  // Asks both the same, about some of what is there or about all of it.
  void Compare(uint32_t probe, bool everything) {
    if (!script_.gives_out && probe % 4 == 0) {
      Same("relaxed", matcher_.TakeRelaxed(), naive_.TakeRelaxed());
    }
    const auto chosen = [&](size_t index, size_t size) {
      return everything || index == probe % std::max<size_t>(1, size);
    };
    const int agents = config().agents_size();
    for (int i = 0; i < agents && failure_.empty(); ++i) {
      if (!chosen(static_cast<size_t>(i), static_cast<size_t>(agents))) continue;
      const std::string& agent = config().agents(i).agent_id();
      Same(absl::StrCat("conversation for ", agent), matcher_.ChooseConversation(agent),
           naive_.ChooseConversation(agent));
      if (last_.has_value()) CompareWhyNot(agent, *last_, probe);
    }
    for (const auto& queue : config().queues()) {
      Same("waiting in " + queue.queue_id(), matcher_.WaitingCount(queue.queue_id()),
           naive_.WaitingCount(queue.queue_id()));
    }
    if (everything) CompareCounts();
    size_t i = 0;
    for (const auto& [id, waiting] : naive_.waiting()) {
      if (!failure_.empty()) return;
      if (!chosen(i++, naive_.waiting().size())) continue;
      Same("position of " + id, matcher_.Position(id), naive_.Position(id));
      CompareStanding(id);
      Same("whether it waits", matcher_.IsWaiting(id) ? 1 : 0, 1);
      CompareAbout(waiting);
      if (agents > 0) {
        const int agent = static_cast<int>(probe / 7 % static_cast<uint32_t>(agents));
        CompareWhyNot(config().agents(agent).agent_id(), waiting, probe);
      }
    }
    if (last_.has_value() && failure_.empty()) CompareAbout(*last_);
  }

  void CompareStanding(const std::string& id) {
    const Matcher::Standing real = matcher_.StandingOf(id);
    const Matcher::Standing naive = naive_.StandingOf(id);
    Same("its standing: position", real.position, naive.position);
    Same("its standing: ahead", real.ahead_permille, naive.ahead_permille);
    Same("its standing: able", real.able_permille, naive.able_permille);
    Same("its standing: able of those asked for", real.able_of_asked_permille,
         naive.able_of_asked_permille);
  }

  void CompareCounts() {
    std::map<std::string, int> unmeetable;
    for (const auto& [id, waiting] : naive_.waiting()) {
      Waiting relaxed = waiting;
      relaxed.extra_relaxation_steps = 1000;
      const auto& agents = config().agents();
      const bool met = std::any_of(agents.begin(), agents.end(), [&](const auto& agent) {
        const auto why_not =
            naive_.WhyNot(agent.agent_id(), relaxed, {.exclusion = false, .room = false});
        return why_not != Explanation::PASSED_OVER_NOT_IN_QUEUE &&
               why_not != Explanation::PASSED_OVER_LACKS_SKILL;
      });
      if (!met) ++unmeetable[waiting.queue_id];
    }
    for (const Matcher::QueueCount& count : matcher_.CountWaiting()) {
      Same("counted in " + count.queue_id, count.waiting, naive_.WaitingCount(count.queue_id));
      Same("unmeetable in " + count.queue_id, count.unmeetable, unmeetable[count.queue_id]);
    }
  }

  void CompareAbout(const Waiting& waiting) {
    const std::string& id = waiting.conversation_id;
    Same("agent for " + id, matcher_.ChooseAgent(waiting), naive_.ChooseAgent(waiting));
    SameMessage("priority of " + id, matcher_.PriorityOf(waiting), naive_.PriorityOf(waiting));
    SameMessage("explanation of " + id, matcher_.Explain(waiting), naive_.Explain(waiting));
  }

  void CompareWhyNot(const std::string& agent, const Waiting& waiting, uint32_t probe) {
    const Matcher::Check check{
        .requirement = probe % 3 != 0, .exclusion = probe % 5 != 0, .room = probe % 11 != 0};
    Same(absl::StrCat("why not ", agent, " for ", waiting.conversation_id),
         matcher_.WhyNot(agent, waiting, check), naive_.WhyNot(agent, waiting, check));
  }

  const Script& script_;
  std::vector<WorkspaceConfig> configs_;
  size_t in_force_ = 0;
  Matcher matcher_;
  NaiveMatcher naive_;
  int64_t now_ms_ = 0;
  std::map<std::string, AgentLoad> loads_;
  std::optional<Waiting> last_;
  std::map<std::string, Held> held_;
  std::map<std::string, int32_t> units_of_;
  int64_t given_ = 0;
  std::string failure_;
};

std::string Play(const Script& script, Mistake mistake = Mistake::kNone) {
  return Player(script, mistake).Play();
}

// ---- Random ones

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}

  // From 0 to n - 1.
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  uint32_t Bits() { return static_cast<uint32_t>(engine_()); }

  Script MakeScript() {
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
      queue.set_routing_group_id(OneIn(15) ? "other" : kGroup);
      MakeQueue(queue);
    }
    for (int i = 0; i < agents_; ++i) {
      if (OneIn(12)) continue;
      config::v1::Agent& agent = *config.add_agents();
      agent.set_agent_id(AgentId(i));
      agent.set_routing_group_id(OneIn(20) ? "other" : kGroup);
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
    op.load.idle_since = At(now - 1000 * Below(4));
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
    waiting.waiting_since = At(now + 1000 * (2 - Below(10)));
    if (OneIn(2)) waiting.sla_due = At(now + 1000 * Below(4));
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

// ---- Shrinking and printing what failed

// Takes out of the message what can be taken out without `holds` becoming false.
void ShrinkMessage(google::protobuf::Message& message, const std::function<bool()>& holds) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (!field->is_repeated()) {
      if (field->name() == "queue_id" || field->name() == "agent_id" ||
          field->name() == "routing_group_id") {
        continue;
      }
      std::unique_ptr<google::protobuf::Message> copy(message.New());
      copy->CopyFrom(message);
      reflection->ClearField(&message, field);
      if (!holds()) message.CopyFrom(*copy);
      continue;
    }
    for (int i = reflection->FieldSize(message, field) - 1; i >= 0; --i) {
      std::unique_ptr<google::protobuf::Message> copy(message.New());
      copy->CopyFrom(message);
      const int last = reflection->FieldSize(message, field) - 1;
      for (int j = i; j < last; ++j) reflection->SwapElements(&message, field, j, j + 1);
      reflection->RemoveLast(&message, field);
      if (holds()) continue;
      message.CopyFrom(*copy);
      if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
        ShrinkMessage(*reflection->MutableRepeatedMessage(&message, field, i), holds);
      }
    }
  }
}

// The shortest script found that still fails: steps are taken out in halves, quarters, and so on
// (delta debugging), then what is left is made plainer.
Script Shrink(Script script, Mistake mistake) {
  const auto fails = [&](const Script& candidate) { return !Play(candidate, mistake).empty(); };
  for (size_t chunk = std::max<size_t>(1, script.ops.size() / 2); chunk > 0; chunk /= 2) {
    for (bool again = true; again;) {
      again = false;
      for (size_t begin = 0; begin < script.ops.size();) {
        Script candidate = script;
        const auto first = candidate.ops.begin() + static_cast<ptrdiff_t>(begin);
        candidate.ops.erase(
            first, first + static_cast<ptrdiff_t>(std::min(chunk, candidate.ops.size() - begin)));
        if (fails(candidate)) {
          script = std::move(candidate);
          again = chunk == 1;
        } else {
          begin += chunk;
        }
      }
    }
  }
  for (Op& op : script.ops) {
    const auto try_plainer = [&](auto& field, auto plain) {
      const auto before = field;
      field = plain;
      if (!fails(script)) field = before;
    };
    try_plainer(op.load, AgentLoad{.available = true, .capacity_units = 3, .idle_since = At(0)});
    try_plainer(op.waiting.priority, PriorityParts());
    try_plainer(op.waiting.language, std::string());
    try_plainer(op.waiting.sla_due, absl::InfiniteFuture());
    try_plainer(op.waiting.sticky_agent_id, std::string());
    try_plainer(op.waiting.excluded_agent_ids, std::vector<std::string>());
    try_plainer(op.waiting.anyone, false);
    try_plainer(op.waiting.extra_relaxation_steps, 0);
  }
  {
    const MatcherLimits before = script.limits;
    script.limits = MatcherLimits();
    if (!fails(script)) script.limits = before;
  }
  for (std::string& text : script.configs) {
    WorkspaceConfig config = Parse(text);
    ShrinkMessage(config, [&] {
      const std::string before = text;
      text = config.DebugString();
      if (fails(script)) return true;
      text = before;
      return false;
    });
  }
  return script;
}

std::string Code(const AgentLoad& load) {
  std::vector<std::string> held;
  for (const ChannelUse& use : load.held) {
    held.push_back(absl::StrCat("{", use.conversations, ", ", use.units, "}"));
  }
  return absl::StrCat("{.available = ", load.available ? "true" : "false",
                      ", .capacity_units = ", load.capacity_units, ", .held = {{",
                      absl::StrJoin(held, ", "), "}}, .idle_since = At(", MillisOf(load.idle_since),
                      "), .last_given = ", load.last_given, "}");
}

std::string Code(const Waiting& waiting) {
  std::string code = absl::StrCat("{.conversation_id = \"", waiting.conversation_id,
                                  "\", .queue_id = \"", waiting.queue_id,
                                  "\", .kind = ChannelKind(", static_cast<int>(waiting.kind), ")");
  if (!waiting.language.empty()) absl::StrAppend(&code, ", .language = \"", waiting.language, "\"");
  absl::StrAppend(&code, ", .waiting_since = At(", MillisOf(waiting.waiting_since), ")");
  if (waiting.sla_due != absl::InfiniteFuture()) {
    absl::StrAppend(&code, ", .sla_due = At(", MillisOf(waiting.sla_due), ")");
  }
  const PriorityParts& p = waiting.priority;
  if (p.own != 0 || p.Sum() != 0) {
    absl::StrAppend(&code, ", .priority = {.own = ", p.own, ", .tier = ", p.tier,
                    ", .lifetime_value = ", p.lifetime_value, ", .order_state = ", p.order_state,
                    ", .sla_proximity = ", p.sla_proximity, ", .escalation = ", p.escalation, "}");
  }
  if (waiting.extra_relaxation_steps != 0) {
    absl::StrAppend(&code, ", .extra_relaxation_steps = ", waiting.extra_relaxation_steps);
  }
  if (waiting.anyone) absl::StrAppend(&code, ", .anyone = true");
  if (!waiting.sticky_agent_id.empty()) {
    absl::StrAppend(&code, ", .sticky_agent_id = \"", waiting.sticky_agent_id, "\"");
  }
  if (!waiting.excluded_agent_ids.empty()) {
    absl::StrAppend(&code, ", .excluded_agent_ids = {\"",
                    absl::StrJoin(waiting.excluded_agent_ids, "\", \""), "\"}");
  }
  return code + "}";
}

// A test to paste into this file.
std::string Code(const Script& script) {
  std::string code = "TEST(MatcherRegression, NameIt) {\n  EXPECT_EQ(Play({\n";
  absl::StrAppend(&code, "      .gives_out = ", script.gives_out ? "true" : "false",
                  ",\n      .limits = {", script.limits.requirements_kept,
                  "},\n      .configs = {");
  for (const std::string& config : script.configs) {
    absl::StrAppend(&code, "R\"pb(\n", config, ")pb\", ");
  }
  absl::StrAppend(&code, "},\n      .ops = {\n");
  static const char* const kKinds[] = {"kAgent",   "kWait",      "kGone",
                                       "kAdvance", "kConfigure", "kDecline"};
  for (const Op& op : script.ops) {
    absl::StrAppend(&code, "          {.kind = Op::", kKinds[op.kind]);
    if (!op.id.empty()) absl::StrAppend(&code, ", .id = \"", op.id, "\"");
    if (op.kind == Op::kAgent) absl::StrAppend(&code, ", .load = ", Code(op.load));
    if (op.kind == Op::kWait) absl::StrAppend(&code, ", .waiting = ", Code(op.waiting));
    if (op.kind == Op::kAdvance) absl::StrAppend(&code, ", .ms = ", op.ms);
    if (op.kind == Op::kConfigure) absl::StrAppend(&code, ", .config = ", op.config);
    absl::StrAppend(&code, ", .probe = ", op.probe, "},\n");
  }
  return code + "      }}), \"\");\n}\n";
}

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
    const Script script = Random(seed).MakeScript();
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
    const Script script = Random(seed).MakeScript();
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

}  // namespace
}  // namespace wissel::routing
