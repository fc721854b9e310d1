#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "libs/rpc/auth.h"
#include "libs/telemetry/log.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::agent_gateway {

/// Where a caller works.
struct Seat {
  WorkspaceId workspace;
  RoutingGroupId routing_group;
  AgentId agent;  // empty for a supervisor who is no agent
  int32_t partition = 0;

  /// The key of everything about this seat in the co-partitioned topics.
  std::string routing_key() const;
};

struct FindOptions {
  bool may_choose = false;  // whether a wish for another routing group than the caller's own counts
};

/// The workspaces' configurations, folded from their topic by a thread of its own. Thread-safe;
/// look-ups never block on the bus.
class Directory {
 public:
  Directory(bus::Bus& bus, int log_partitions, telemetry::Logger log);
  ~Directory();

  /// Agent and routing group come from the token where it names them, else from the workspace's
  /// configuration by the token's subject. Whom a configuration has removed keeps their seat while
  /// work is kept until done (config.v1.RemovedWork): the router knows whether any is left.
  /// Who may choose, and whose token names no routing group, may wish for one; they are nobody's
  /// agent in another group than their own. Until loaded(), what the token names is believed: the
  /// router decides each command by the configuration anyway.
  ///   FAILED_PRECONDITION  no such workspace, routing group or agent in the configuration in
  ///   force,
  ///                        or the routing group cannot be told
  ///   PERMISSION_DENIED    the wished group is not the caller's
  ///   UNAVAILABLE          not loaded() yet, and the token does not name the routing group
  absl::StatusOr<Seat> Find(const rpc::Principal& principal, absl::string_view wished_group,
                            const FindOptions& options = {}) const;

  /// The routing groups that a supervisor or admin may see: the token's, else all of the
  /// workspace's, by id.
  std::vector<std::string> GroupsOf(const rpc::Principal& principal) const;

  /// Everything that was in the topic at the start has been read.
  bool loaded() const;

 private:
  void Run(std::stop_token stop);
  absl::Status ReadPartitions(const std::stop_token& stop);
  void WarnOfGarbage(const bus::Record& record);
  struct Workspace {
    config::v1::WorkspaceConfig config;
    std::vector<config::v1::Agent> removed;
  };

  void Put(config::v1::WorkspaceConfig config);
  std::shared_ptr<const Workspace> Get(const WorkspaceId& workspace) const;

  bus::Bus& bus_;
  const int log_partitions_;
  const telemetry::Logger log_;
  const std::shared_ptr<bus::Wakeup> wakeup_ = std::make_shared<bus::Wakeup>();
  mutable Mutex mutex_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Workspace>> workspaces_
      ABSL_GUARDED_BY(mutex_);
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<int32_t, int64_t> told_below_;  // by partition; the thread's own
  std::jthread thread_;
};

}  // namespace wissel::agent_gateway
