#include "services/agent-gateway/directory.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/domain/config_rule.h"
#include "libs/domain/state.h"

namespace wissel::agent_gateway {

using config::v1::WorkspaceConfig;

namespace {

constexpr size_t kReadBatch = 100;
constexpr absl::Duration kIdleWait = absl::Seconds(1);
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// Of removed agents remembered in a workspace; beyond it the earliest are forgotten.
constexpr size_t kMaxRemovedAgents = 1000;

bool IsCaller(const config::v1::Agent& agent, const rpc::Principal& principal) {
  if (!principal.agent.empty()) return agent.agent_id() == principal.agent.value();
  return (agent.subject().empty() ? agent.agent_id() : agent.subject()) == principal.subject;
}

// The caller as an agent of the routing group that the token names, if it names one.
template <typename Agents>
const config::v1::Agent* FindAgent(const Agents& agents, const rpc::Principal& principal) {
  for (const config::v1::Agent& agent : agents) {
    if (!principal.routing_group.empty() &&
        agent.routing_group_id() != principal.routing_group.value()) {
      continue;
    }
    if (IsCaller(agent, principal)) return &agent;
  }
  return nullptr;
}

bool HasGroup(const WorkspaceConfig& config, absl::string_view group) {
  for (const config::v1::RoutingGroup& known : config.routing_groups()) {
    if (known.routing_group_id() == group) return true;
  }
  return false;
}

// Whether there is what the token names; the agent has been looked for and not found.
absl::Status CheckConfigured(const WorkspaceConfig& config, const rpc::Principal& principal) {
  const std::string& group = principal.routing_group.value();
  if (!group.empty() && !HasGroup(config, group)) {
    return absl::FailedPreconditionError(
        absl::StrCat("workspace ", config.workspace_id(), " has no routing group ", group));
  }
  if (!principal.agent.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("workspace ", config.workspace_id(), " has no agent ", principal.agent.value(),
                     group.empty() ? "" : absl::StrCat(" in routing group ", group)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string Seat::routing_key() const {
  return domain::RoutingKey(workspace.value(), routing_group.value());
}

Directory::Directory(bus::Bus& bus, int log_partitions, telemetry::Logger log)
    : bus_(bus), log_partitions_(log_partitions), log_(std::move(log)) {
  thread_ = StartThread("directory", [this](std::stop_token stop) { Run(std::move(stop)); });
}

Directory::~Directory() {
  thread_.request_stop();
  wakeup_->Notify();
}

absl::StatusOr<Seat> Directory::Find(const rpc::Principal& principal,
                                     absl::string_view wished_group,
                                     const FindOptions& options) const {
  Seat seat{.workspace = principal.workspace,
            .routing_group = principal.routing_group,
            .agent = principal.agent};
  // Before the workspace is looked up: what is not there then was not in the topic.
  const bool all_read = loaded();
  const auto workspace = Get(principal.workspace);
  if (workspace != nullptr) {
    const WorkspaceConfig* const config = &workspace->config;
    const config::v1::Agent* agent = FindAgent(config->agents(), principal);
    if (agent == nullptr) agent = FindAgent(workspace->removed, principal);
    if (all_read && agent == nullptr) {
      WISSEL_RETURN_IF_ERROR(CheckConfigured(*config, principal));
    }
    if (options.may_choose && seat.routing_group.empty() && HasGroup(*config, wished_group)) {
      seat.routing_group = RoutingGroupId(wished_group);
      // Looking at another group than their own, they are nobody's agent there.
      if (agent != nullptr && agent->routing_group_id() != wished_group) agent = nullptr;
      seat.agent = AgentId();
    }
    if (agent != nullptr) {
      seat.agent = AgentId(agent->agent_id());
      if (seat.routing_group.empty()) {
        seat.routing_group = RoutingGroupId(agent->routing_group_id());
      }
    }
    if (seat.routing_group.empty() && config->routing_groups_size() == 1) {
      seat.routing_group = RoutingGroupId(config->routing_groups(0).routing_group_id());
    }
  } else if (all_read) {
    return absl::FailedPreconditionError(
        absl::StrCat("no workspace ", principal.workspace.value(), " is configured"));
  }
  if (seat.routing_group.empty()) {
    if (!all_read) {
      return absl::UnavailableError("the workspaces' configurations are still being read");
    }
    return absl::FailedPreconditionError(
        "neither the token nor the workspace's configuration names the caller's routing group");
  }
  if (!wished_group.empty() && seat.routing_group.value() != wished_group) {
    return absl::PermissionDeniedError("the caller belongs to another routing group");
  }
  seat.partition = bus::PartitionOf(seat.routing_key(), log_partitions_);
  return seat;
}

std::vector<std::string> Directory::GroupsOf(const rpc::Principal& principal) const {
  if (!principal.routing_group.empty()) return {principal.routing_group.value()};
  std::vector<std::string> groups;
  const auto workspace = Get(principal.workspace);
  if (workspace == nullptr) return groups;
  for (const config::v1::RoutingGroup& group : workspace->config.routing_groups()) {
    groups.push_back(group.routing_group_id());
  }
  std::sort(groups.begin(), groups.end());
  return groups;
}

void Directory::Put(WorkspaceConfig config) {
  MutexLock lock(mutex_);
  auto& known = workspaces_[config.workspace_id()];
  if (known != nullptr && known->config.version() >= config.version()) return;
  std::vector<config::v1::Agent> removed;
  if (known != nullptr && config.conversations().removed_work() == config::v1::REMOVED_WORK_KEPT) {
    removed = known->removed;
    removed.insert(removed.end(), known->config.agents().begin(), known->config.agents().end());
    // Whoever moved to another routing group is removed from the former one.
    absl::flat_hash_set<std::pair<absl::string_view, absl::string_view>> present;
    for (const config::v1::Agent& agent : config.agents()) {
      present.emplace(agent.routing_group_id(), agent.agent_id());
    }
    std::erase_if(removed, [&](const auto& agent) {
      return present.contains({agent.routing_group_id(), agent.agent_id()});
    });
    if (removed.size() > kMaxRemovedAgents) {
      removed.erase(removed.begin(), removed.end() - kMaxRemovedAgents);
    }
  }
  known = std::make_shared<const Workspace>(
      Workspace{.config = std::move(config), .removed = std::move(removed)});
}

bool Directory::loaded() const {
  MutexLock lock(mutex_);
  return loaded_;
}

std::shared_ptr<const Directory::Workspace> Directory::Get(const WorkspaceId& workspace) const {
  MutexLock lock(mutex_);
  const auto it = workspaces_.find(workspace.value());
  return it == workspaces_.end() ? nullptr : it->second;
}

void Directory::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    const absl::Status status = ReadPartitions(stop);
    if (stop.stop_requested()) return;
    log_.Warning("configurations cannot be read", {{"status", status}});
    wakeup_->Wait(kRetryAfter);
  }
}

// Once, however often the topic is read again.
void Directory::WarnOfGarbage(const bus::Record& record) {
  int64_t& told_below = told_below_[record.partition];
  if (record.offset < told_below) return;
  told_below = record.offset + 1;
  log_.Warning("the configuration topic holds a record that is none, skipped",
               {{"topic_partition", record.partition}, {"offset", record.offset}});
}

absl::Status Directory::ReadPartitions(const std::stop_token& stop) {
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_.PartitionCount(bus::Topic::kConfig));
  std::vector<std::pair<std::unique_ptr<bus::Reader>, int64_t>> readers;  // with the end at start
  domain::ConfigHistory history;
  for (int partition = 0; partition < partitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(auto reader, bus_.OpenReader(bus::Topic::kConfig, partition,
                                                         {.offset = 0, .wakeup = wakeup_}));
    WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader->StartOffset());
    WISSEL_RETURN_IF_ERROR(reader->Seek(start));
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
    readers.emplace_back(std::move(reader), end);
  }
  while (!stop.stop_requested()) {
    bool any = false;
    bool all_read = true;
    for (auto& [reader, end] : readers) {
      WISSEL_ASSIGN_OR_RETURN(const std::vector<bus::Record> records,
                              reader->Poll(kReadBatch, absl::ZeroDuration()));
      for (const bus::Record& record : records) {
        WorkspaceConfig config;
        if (!config.ParseFromString(record.value)) {
          WarnOfGarbage(record);
          continue;
        }
        // What does not count is the router's to complain about.
        if (history.Accept(config)) Put(std::move(config));
      }
      any = any || !records.empty();
      all_read = all_read && reader->position() >= end;
    }
    if (all_read) {
      MutexLock lock(mutex_);
      loaded_ = true;
    }
    if (!any) wakeup_->Wait(kIdleWait);
  }
  return absl::OkStatus();
}

}  // namespace wissel::agent_gateway
