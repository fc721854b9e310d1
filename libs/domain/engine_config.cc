// How the engine puts configurations in force, and keeps what one removes until it is done.

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/config_validation.h"
#include "libs/domain/engine.h"

namespace wissel::domain {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using conversation::v1::Queued;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;
using state::v1::KeptQueue;
using state::v1::QueueState;

namespace {

// Of kept queues in one decision, which holds the configuration too. Beside a large one less.
constexpr size_t kMaxKeptBytes = 128 << 10;

bool Contains(const google::protobuf::RepeatedPtrField<std::string>& values,
              const std::string& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// The queue as the configuration has it, and who serves it there.
KeptQueue Describe(const WorkspaceConfig& config, const config::v1::Queue& queue) {
  KeptQueue kept;
  *kept.mutable_queue() = queue;
  // Nothing more is sent into it.
  kept.mutable_queue()->clear_rules();
  for (const config::v1::Agent& agent : config.agents()) {
    if (agent.routing_group_id() != queue.routing_group_id()) continue;
    if (Contains(agent.queue_ids(), queue.queue_id())) {
      kept.add_agent_ids(agent.agent_id());
    } else if (Contains(agent.secondary_queue_ids(), queue.queue_id())) {
      kept.add_secondary_agent_ids(agent.agent_id());
    }
  }
  return kept;
}

// The configuration with the queue in it. It stands before the others: the last is the default.
void Add(const KeptQueue& kept, WorkspaceConfig& config) {
  *config.add_queues() = kept.queue();
  std::rotate(config.mutable_queues()->pointer_begin(), config.mutable_queues()->pointer_end() - 1,
              config.mutable_queues()->pointer_end());
  for (config::v1::Agent& agent : *config.mutable_agents()) {
    if (agent.routing_group_id() != kept.queue().routing_group_id()) continue;
    if (Contains(kept.agent_ids(), agent.agent_id())) {
      agent.add_queue_ids(kept.queue().queue_id());
    } else if (Contains(kept.secondary_agent_ids(), agent.agent_id())) {
      agent.add_secondary_queue_ids(kept.queue().queue_id());
    }
  }
}

}  // namespace

const WorkspaceConfig& Engine::Config(absl::string_view workspace_id) const {
  const WorkspaceConfig* config = state_.FindConfig(workspace_id);
  return config == nullptr ? WorkspaceConfig::default_instance() : *config;
}

std::vector<std::string> Engine::HeldGroups(const WorkspaceConfig& config) const {
  std::vector<std::string> groups;
  for (const config::v1::RoutingGroup& group : config.routing_groups()) {
    if (options_.holds(RoutingKey(config.workspace_id(), group.routing_group_id()))) {
      groups.push_back(group.routing_group_id());
    }
  }
  return groups;
}

bool Engine::Holds(const common::v1::Envelope& envelope) const {
  return FindMatcher(envelope.workspace_id(), envelope.routing_group_id()) != nullptr;
}

void Engine::Configure(const WorkspaceConfig& config) {
  const std::string& workspace_id = config.workspace_id();
  // What the policies are made of: with the queues that are kept.
  const WorkspaceConfig* effective = &config;
  WorkspaceConfig with_kept;
  std::erase_if(closing_, [this](const auto& entry) {
    const auto queue = state_.queues().find(entry.first);
    return queue == state_.queues().end() || !queue->second.has_kept();
  });
  for (const auto& [key, queue] : state_.queues()) {
    if (queue.workspace_id() != workspace_id || !queue.has_kept()) continue;
    if (effective == &config) {
      with_kept = config;
      effective = &with_kept;
    }
    Add(queue.kept(), with_kept);
    closing_.try_emplace(key);
  }
  std::set<std::string> wanted;
  for (const std::string& group : HeldGroups(config)) {
    const std::string key = RoutingKey(workspace_id, group);
    wanted.insert(key);
    matchers_[key].Configure(routing::Policy::Compile(*effective, group));
    advancing_.insert(key);
  }
  const std::string prefix = RoutingKey(workspace_id, "");
  for (auto it = matchers_.lower_bound(prefix);
       it != matchers_.end() && it->first.compare(0, prefix.size(), prefix) == 0;) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    timers_.Clear(TimerKind::kRelax, it->first);
    last_matcher_ = nullptr;
    it = matchers_.erase(it);
  }
}

int32_t Engine::UnitsOf(const ConversationState& c) const {
  const routing::Matcher* matcher = MatcherOf(c);
  return matcher == nullptr ? 1 : matcher->policy().WeightUnits(c.account().kind());
}

bool Engine::IsLive(const ConversationState& c) const {
  const routing::Matcher* matcher = MatcherOf(c);
  return matcher == nullptr ? c.account().kind() != common::v1::CHANNEL_KIND_EMAIL
                            : matcher->policy().IsLive(c.account().kind());
}

log::v1::Decision* Engine::Decide(const log::v1::InputCause& cause, const WorkspaceConfig& config,
                                  absl::Time now) {
  const WorkspaceConfig* before = state_.FindConfig(config.workspace_id());
  const std::vector<std::string> held = HeldGroups(config);
  if (before == nullptr ? held.empty() : before->version() >= config.version()) return nullptr;
  Begin(cause, absl::StrCat(config.workspace_id(), "@", config.version()), now);

  SayDueOf(config.workspace_id(), kMaxBytes - std::min(kMaxBytes, config.ByteSizeLong()));

  // Those, too, who are gone with it.
  for (const auto& [key, agent] : state_.agents()) {
    if (agent.workspace_id() == config.workspace_id()) touched_agents_.insert(key);
  }
  Event& event = NewEvent();
  *event.mutable_config_applied()->mutable_config() = config;
  for (const std::string& group : held) {
    event.mutable_config_applied()->add_held_routing_group_ids(group);
  }
  event.mutable_config_applied()->set_removed_stay(true);
  if (before != nullptr) KeepRemovedQueues(*before, event.config_applied());
  Emit(event);
  Configure(config);

  // Conversations that wait in a queue that is gone will wait in another, in their old place.
  for (const auto& [id, conversation] : state_.conversations()) {
    if (conversation->workspace_id() == config.workspace_id()) TouchConversation(id);
  }
  for (const auto& [key, agent] : state_.agents()) {
    if (agent.workspace_id() != config.workspace_id()) continue;
    touched_agents_.insert(key);
    if (HasToGiveBack(agent)) GiveBack(agent);
  }
  return &Finish();
}

void Engine::KeepRemovedQueues(const WorkspaceConfig& before,
                               const conversation::v1::ConfigApplied& applied) {
  const WorkspaceConfig& config = applied.config();
  if (config.conversations().removed_work() != config::v1::REMOVED_WORK_KEPT) return;
  std::set<std::string> occupied;
  for (const auto& [id, c] : state_.conversations()) {
    if (c->workspace_id() == config.workspace_id() && WaitsOrIsOffered(*c)) {
      occupied.insert(c->queue_id());
    }
  }
  size_t room = kMaxBytes - std::min(kMaxBytes, bytes_ + applied.ByteSizeLong());
  size_t bytes = 0;
  for (const config::v1::Queue& queue : before.queues()) {
    if (!occupied.contains(queue.queue_id())) continue;
    if (state_.FindQueue(config.workspace_id(), queue.queue_id()) == nullptr) continue;
    KeptQueue kept = Describe(before, queue);
    if (!KeepsQueue(config, kept) || bytes + kept.ByteSizeLong() > kMaxKeptBytes) continue;
    Event& event = NewEvent();
    event.mutable_queue_closing()->set_workspace_id(config.workspace_id());
    event.mutable_queue_closing()->set_routing_group_id(queue.routing_group_id());
    *event.mutable_queue_closing()->mutable_kept() = kept;
    if (event.ByteSizeLong() > room) continue;
    room -= event.ByteSizeLong();
    bytes += kept.ByteSizeLong();
    Emit(event);
  }
}

// ---------------------------------------------------------------------------------------------
// The end of what was kept

bool Engine::WaitsOrIsOffered(const ConversationState& c) {
  return c.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED ||
         c.status() == ConversationStatus::CONVERSATION_STATUS_OFFERED;
}

void Engine::TellClosing(const std::string& conversation_id) {
  if (closing_.empty()) return;
  for (auto& [key, ids] : closing_) ids.erase(conversation_id);
  const ConversationState* c = state_.FindConversation(conversation_id);
  if (c == nullptr || !WaitsOrIsOffered(*c)) return;
  const auto queue = closing_.find(QueueKey(c->workspace_id(), c->queue_id()));
  if (queue != closing_.end()) queue->second.insert(conversation_id);
}

bool Engine::LetGo() {
  while (!leaving_.empty() && !Full()) {
    const std::string key = *leaving_.begin();
    leaving_.erase(leaving_.begin());
    const auto it = state_.agents().find(key);
    if (it == state_.agents().end() || !IsRemoved(it->second) ||
        HoldsSomething(Config(it->second.workspace_id()), it->second)) {
      continue;
    }
    Event& event = NewEvent();
    event.mutable_agent_removed()->set_workspace_id(it->second.workspace_id());
    event.mutable_agent_removed()->set_routing_group_id(it->second.routing_group_id());
    event.mutable_agent_removed()->set_agent_id(it->second.agent_id());
    Emit(event);
    SyncAgent(key);
  }
  std::set<std::string> changed;
  bool more = !leaving_.empty();
  for (const auto& [key, ids] : closing_) {
    if (!ids.empty()) continue;
    if (Full()) {
      more = true;
      break;
    }
    const QueueState& queue = state_.queues().at(key);
    changed.insert(queue.workspace_id());
    Event& event = NewEvent();
    event.mutable_queue_closed()->set_workspace_id(queue.workspace_id());
    event.mutable_queue_closed()->set_routing_group_id(queue.routing_group_id());
    event.mutable_queue_closed()->set_queue_id(queue.queue_id());
    Emit(event);
  }
  if (more) timers_.Set(TimerKind::kMatch, "", now_);
  for (const std::string& workspace_id : changed) Configure(Config(workspace_id));
  // What the queue said of their work holds no longer.
  for (const auto& [key, agent] : state_.agents()) {
    if (changed.contains(agent.workspace_id())) touched_agents_.insert(key);
  }
  return !changed.empty();
}

}  // namespace wissel::domain
