#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/bounded_queue.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/base/mutex.h"
#include "libs/bus/bus.h"
#include "libs/rpc/auth.h"
#include "libs/telemetry/log.h"
#include "libs/views/views.h"
#include "services/agent-gateway/command_port.h"
#include "services/agent-gateway/directory.h"
#include "services/agent-gateway/metrics.h"
#include "services/agent-gateway/partition_tail.h"
#include "services/agent-gateway/unary_sessions.h"

namespace wissel::agent_gateway {

/// Reads the projector's views. May block; belongs to one thread.
class WorkViews {
 public:
  virtual ~WorkViews() = default;
  /// As views::ReadAgentWork.
  virtual absl::StatusOr<views::AgentWork> ReadAgentWork(int32_t partition,
                                                         absl::string_view workspace,
                                                         absl::string_view agent) = 0;
};

/// Something that must be looked at from time to time: a stream, a call that waits.
class Tickable {
 public:
  virtual ~Tickable() = default;
  /// Must not block.
  virtual void Tick(absl::Time now) = 0;
  /// The gateway is going away: what does not end by itself, ends now.
  virtual void GoAway() = 0;
};

struct GatewayOptions {
  GatewayId id;
  PartitionView::Limits limits;
  size_t queue_messages = 1'000;
  size_t queue_bytes = size_t{4} << 20;
  size_t max_streams = 20'000;
  size_t max_commands_in_flight = 64;  // of one stream in one routing group
  size_t max_stream_groups = 64;
  size_t max_calls = 10'000;  // unary calls at once
  int64_t catch_up_max_records = 1'000'000;
  int workers = 4;
  absl::Duration hello_timeout = absl::Seconds(10);
  absl::Duration heartbeat_interval = absl::Seconds(15);
  absl::Duration command_timeout = absl::Seconds(30);
  /// How long a stream that is being ended may take to say so.
  absl::Duration end_grace = absl::Seconds(5);
  absl::Duration lease = absl::Seconds(15);
  absl::Duration lease_renewal = absl::Seconds(5);
  /// How long an agent counts as connected after a unary call.
  absl::Duration unary_session = absl::Seconds(30);
  absl::Duration tick = absl::Seconds(1);
};

/// What the gateway stands on. All of it must outlive the gateway.
struct GatewayParts {
  bus::Bus* bus = nullptr;
  rpc::Authenticator* authenticator = nullptr;
  const Clock* clock = nullptr;
  LoadCheckpoint load_checkpoint;                               // may be unset
  std::function<std::unique_ptr<WorkViews>()> make_work_views;  // may be unset
};

/// Everything that streams and calls share. Thread-safe.
///
/// Owns the tails (one thread a partition in use), the directory, the commands' way out, a small
/// pool of workers for what blocks, and a clock thread that ticks streams and keeps the leases.
class Gateway {
 public:
  Gateway(GatewayParts parts, const GatewayOptions& options, int log_partitions, Metrics& metrics,
          telemetry::Logger log);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  const GatewayOptions& options() const { return options_; }
  Metrics& metrics() const { return metrics_; }
  const telemetry::Logger& log() const { return log_; }
  rpc::Authenticator& authenticator() { return *parts_.authenticator; }
  const Directory& directory() const { return directory_; }
  CommandPort& commands() { return commands_; }
  UnarySessions& unary_sessions() { return unary_sessions_; }
  bus::Bus& bus() { return *parts_.bus; }
  absl::Time Now() const { return parts_.clock->Now(); }
  bool has_views() const { return parts_.make_work_views != nullptr; }

  /// Starts the tail when the partition is first used; it stays for good.
  PartitionTail& TailOf(int32_t partition);

  /// Runs `work` on a worker; false when too much is waiting already. `views` is null where there
  /// are none.
  using Work = absl::AnyInvocable<void(WorkViews* views)>;
  bool RunInBackground(Work work);

  /// Looked at until Remove. RESOURCE_EXHAUSTED above the limit, UNAVAILABLE while going away.
  absl::Status AddStream(std::shared_ptr<Tickable> stream);
  absl::Status AddCall(std::shared_ptr<Tickable> call);
  void Remove(const Tickable* tickable);

  /// Tells the router of a session of the agent's, and keeps it alive from now on, with all others
  /// of this gateway's on the partition.
  void ConnectAgent(const Seat& seat, const std::string& session_id, CommandPort::Done done);
  /// Tells the router that it is over; again with the leases until that is in the log, or it would
  /// last as long as the gateway.
  void DisconnectAgent(const Seat& seat, const std::string& session_id);

  bool ready() const { return directory_.loaded(); }

  /// Takes no more streams and calls, and tells the streams to go elsewhere. Calls under way go on.
  void GoAway();

 private:
  void ClockLoop(std::stop_token stop);
  void TickAll();
  void RenewLeases();
  void DisconnectAgain();
  void Beat();
  absl::Status Add(std::shared_ptr<Tickable> tickable, size_t limit,
                   std::map<const Tickable*, std::shared_ptr<Tickable>>& all)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const GatewayParts parts_;
  const GatewayOptions options_;
  Metrics& metrics_;
  const telemetry::Logger log_;
  Directory directory_;

  // Outlives the commands' way out, which answers what is in flight when it goes.
  Mutex sessions_mutex_;
  // Agents' sessions that are in the log, as far as is known; not those whose end is, too.
  absl::flat_hash_set<std::string> logged_ ABSL_GUARDED_BY(sessions_mutex_);
  // Those that are over without the log saying so.
  std::map<std::string, Seat> unsaid_ ABSL_GUARDED_BY(sessions_mutex_);

  CommandPort commands_;
  UnarySessions unary_sessions_{*this};

  Mutex mutex_;
  CondVar stop_changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool going_away_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<const Tickable*, std::shared_ptr<Tickable>> streams_ ABSL_GUARDED_BY(mutex_);
  std::map<const Tickable*, std::shared_ptr<Tickable>> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<int32_t, Seat> leases_ ABSL_GUARDED_BY(mutex_);
  std::map<int32_t, std::unique_ptr<PartitionTail>> tails_ ABSL_GUARDED_BY(mutex_);

  BoundedQueue<std::unique_ptr<Work>> work_{10'000};
  std::vector<std::jthread> workers_;
  std::jthread clock_thread_;
};

}  // namespace wissel::agent_gateway
