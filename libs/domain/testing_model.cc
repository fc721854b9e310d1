#include "libs/domain/testing_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_model_impl.h"

namespace wissel::domain::testing {

using common::v1::ChannelKind;
using conversation::v1::Event;
using state::v1::ConversationState;

const config::v1::Queue* EngineModel::FindQueue(const std::string& queue_id) const {
  for (const config::v1::Queue& queue : effective_.queues()) {
    if (queue.queue_id() == queue_id) return &queue;
  }
  return nullptr;
}

const config::v1::Queue* EngineModel::FindQueueIn(const std::string& group,
                                                  const std::string& queue_id) const {
  const config::v1::Queue* queue = FindQueue(queue_id);
  return queue != nullptr && queue->routing_group_id() == group ? queue : nullptr;
}

const config::v1::ChannelPolicy* EngineModel::FindChannel(ChannelKind kind) const {
  for (const config::v1::ChannelPolicy& channel : config_.channels()) {
    if (channel.kind() == kind) return &channel;
  }
  return nullptr;
}

EngineModel::Row* EngineModel::FindRow(const std::string& agent_id) {
  const auto row = rows_.find(agent_id);
  return row == rows_.end() ? nullptr : &row->second;
}

int32_t EngineModel::UnitsOf(const Seen& seen) const {
  const config::v1::ChannelPolicy* channel = FindChannel(seen.account.kind());
  return channel == nullptr ? 1 : std::max(1, channel->weight_units());
}

bool EngineModel::IsLive(const Seen& seen) const {
  const config::v1::ChannelPolicy* channel = FindChannel(seen.account.kind());
  return channel != nullptr && channel->live();
}

int64_t EngineModel::CountWaiting(const std::string& queue_id) const {
  return std::count_if(seen_.begin(), seen_.end(), [&](const auto& entry) {
    return entry.second.status == kQueued && entry.second.queue_id == queue_id;
  });
}

std::map<int, routing::ChannelUse> EngineModel::HeldBy(const std::string& agent_id) const {
  std::map<int, routing::ChannelUse> held;
  const auto add = [&](ChannelKind kind, int32_t units) {
    ++held[kind].conversations;
    held[kind].units += units;
  };
  for (const auto& [id, seen] : seen_) {
    if (seen.holder == agent_id && seen.units > 0) add(seen.account.kind(), seen.units);
  }
  for (const AfterWork& work : rows_.at(agent_id).after_work) add(work.kind, work.units);
  return held;
}

std::string EngineModel::Follow(const log::v1::Decision& decision) {
  state_.BeginDecision(decision.cause(), FromProto(decision.time()));
  told_.clear();
  owed_ = {};
  std::string wrong;
  // What a person hands to an agent is not matched.
  std::set<std::string> handed;
  for (const Event& event : decision.events()) {
    if (!event.transferred().to_agent_id().empty()) {
      handed.insert(event.transferred().conversation_id());
    }
    if (event.has_offered()) {
      const auto& e = event.offered();
      absl::StrAppend(&wrong, handed.contains(e.conversation_id())
                                  ? CheckMay(e.conversation_id(), e.agent_id(),
                                             {.requirement = false, .exclusion = false})
                                  : CheckGiven(e.conversation_id(), e.agent_id(), e.explanation()));
    }
    if (event.has_assigned()) absl::StrAppend(&wrong, CheckAssigned(event.assigned()));
    absl::StrAppend(&wrong, See(event));
    state_.ApplyEvent(event);
    told_.clear();
  }
  for (const std::string& agent_id : owed_.away) {
    const Row* row = FindRow(agent_id);
    if (row != nullptr && row->presence == command::v1::PRESENCE_AVAILABLE) {
      absl::StrAppend(&wrong, agent_id, " has missed too much and does not go away\n");
    }
  }
  for (const auto& [agent_id, work] : owed_.after_work) {
    absl::StrAppend(&wrong, agent_id, " has no after-work of ", work.conversation_id, "\n");
  }
  return absl::StrCat(wrong, CheckMeasured());
}

std::string EngineModel::CheckState(const State& state) const {
  std::string wrong;
  const auto differs = [&](const std::string& id, absl::string_view what) {
    absl::StrAppend(&wrong, id, " has another ", what, " in the state\n");
  };
  if (state.conversations().size() != seen_.size())
    absl::StrAppend(&wrong, "Conversations differ\n");
  std::map<std::string, std::set<std::string>> held;
  for (const auto& [id, seen] : seen_) {
    const ConversationState* c = state.FindConversation(id);
    if (c == nullptr) {
      absl::StrAppend(&wrong, id, " is not in the state\n");
      continue;
    }
    if (!seen.holder.empty()) held[seen.holder].insert(id);
    const std::string& holder = c->has_offer() ? c->offer().agent_id() : c->agent_id();
    if (c->status() != seen.status) differs(id, "status");
    if (seen.open() && holder != seen.holder) differs(id, "holder");
    if (c->units() != seen.units) differs(id, "size");
    if (c->queue_id() != seen.queue_id) differs(id, "queue");
    if (FromProto(c->waiting_since()) != seen.place) differs(id, "place");
    if (c->overflowed_to_anyone() != seen.anyone) differs(id, "reach");
    if (c->sticky_agent_id() != seen.sticky_agent_id) differs(id, "agent to go first");
    if (c->sla().sla_policy_id() != seen.sla_policy_id) differs(id, "SLA policy");
    if (c->overflow_due_to_queue_id() != seen.due_to) differs(id, "queue to come");
    int32_t points = 0;
    int32_t steps = 0;
    for (const auto& [metric, cycle] : seen.cycles) {
      points += cycle.points;
      steps += cycle.relax_steps;
    }
    if (c->escalation_points() != points || c->escalation_relax_steps() != steps) {
      differs(id, "gain by escalation");
    }
  }
  if (state.agents().size() != rows_.size()) absl::StrAppend(&wrong, "Agents differ\n");
  for (const auto& [agent_id, row] : rows_) {
    const state::v1::AgentState* agent = state.FindAgent(kWorkspace, agent_id);
    if (agent == nullptr) {
      absl::StrAppend(&wrong, agent_id, " is not in the state\n");
      continue;
    }
    const auto time = [](bool has, const google::protobuf::Timestamp& t) {
      return has ? std::make_optional(FromProto(t)) : std::nullopt;
    };
    if (agent->routing_group_id() != row.group) differs(agent_id, "group");
    if (agent->presence() != row.presence) differs(agent_id, "presence");
    if (static_cast<size_t>(agent->sessions_size()) != row.sessions.size()) {
      differs(agent_id, "number of sessions");
    }
    if (agent->capacity_units() != row.capacity_units) differs(agent_id, "capacity");
    if (FromProto(agent->idle_since()) != row.idle_since)
      differs(agent_id, "beginning of idleness");
    if (agent->last_given() != row.last_given) differs(agent_id, "turn");
    if (agent->missed_offers() != row.missed) differs(agent_id, "number of missed offers");
    if (time(agent->has_lost_time(), agent->lost_time()) != row.lost ||
        time(agent->has_offline_time(), agent->offline_time()) != row.offline) {
      differs(agent_id, "time of going");
    }
    const std::map<int, routing::ChannelUse> has = HeldBy(agent_id);
    int32_t used = 0;
    for (const auto& [kind, use] : has) used += use.units;
    bool same = agent->used_units() == used &&
                static_cast<size_t>(agent->channel_loads_size()) == has.size();
    for (const state::v1::ChannelLoad& load : agent->channel_loads()) {
      const auto use = has.find(load.kind());
      same = same && use != has.end() && use->second.units == load.units() &&
             use->second.conversations == load.conversations();
    }
    if (!same) differs(agent_id, "load");
    held.try_emplace(agent_id);
  }
  for (const auto& [agent_id, ids] : held) {
    if (state.ConversationsOf(kWorkspace, agent_id) != ids) differs(agent_id, "list");
  }
  size_t kept = 0;
  for (const auto& [key, queue] : state.queues()) {
    kept += queue.has_kept() ? 1 : 0;
    if (queue.waiting() != CountWaiting(queue.queue_id())) differs(key, "number that wait");
    if (queue.has_kept() != kept_.contains(queue.queue_id())) differs(key, "future");
  }
  if (kept != kept_.size()) absl::StrAppend(&wrong, "Kept queues differ\n");
  return wrong;
}

}  // namespace wissel::domain::testing
