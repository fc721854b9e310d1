#include <google/protobuf/text_format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/check.h"
#include "libs/routing/testing/script.h"

namespace wissel::routing::testing {

using common::v1::ChannelKind;
using config::v1::WorkspaceConfig;
using conversation::v1::Explanation;

namespace {

class Player {
 public:
  Player(const Script& script, NaiveMatcher::Mistake mistake)
      : script_(script), matcher_(script.limits), naive_(mistake) {
    for (const std::string& text : script.configs) configs_.push_back(ParseConfig(text));
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
    matcher_.Configure(Policy::Compile(this->config(), kScriptGroup));
    naive_.Configure(this->config(), kScriptGroup);
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

}  // namespace

WorkspaceConfig ParseConfig(const std::string& text) {
  WorkspaceConfig config;
  WISSEL_CHECK(google::protobuf::TextFormat::ParseFromString(text, &config)) << text;
  return config;
}

std::string Play(const Script& script, NaiveMatcher::Mistake mistake) {
  return Player(script, mistake).Play();
}

}  // namespace wissel::routing::testing
