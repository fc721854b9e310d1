#include "services/agent-gateway/gateway.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/thread.h"

namespace wissel::agent_gateway {

Gateway::Gateway(GatewayParts parts, const GatewayOptions& options, int log_partitions,
                 Metrics& metrics, telemetry::Logger log)
    : parts_(std::move(parts)),
      options_(options),
      metrics_(metrics),
      log_(std::move(log)),
      directory_(*parts_.bus, log_partitions, log_),
      commands_(*parts_.bus, *parts_.clock) {
  for (int i = 0; i < options_.workers; ++i) {
    workers_.push_back(StartThread(absl::StrCat("worker-", i), [this] {
      const auto views = parts_.make_work_views ? parts_.make_work_views() : nullptr;
      while (auto work = work_.Pop()) (**work)(views.get());
    }));
  }
  clock_thread_ = StartThread("clock", [this](std::stop_token stop) { ClockLoop(stop); });
}

Gateway::~Gateway() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    stop_changed_.NotifyAll();
  }
  clock_thread_ = {};
  work_.Close();
  workers_.clear();
  std::map<int32_t, std::unique_ptr<PartitionTail>> tails;
  {
    MutexLock lock(mutex_);
    tails.swap(tails_);
  }
}

PartitionTail& Gateway::TailOf(int32_t partition) {
  MutexLock lock(mutex_);
  std::unique_ptr<PartitionTail>& tail = tails_[partition];
  if (tail == nullptr) {
    tail = std::make_unique<PartitionTail>(
        *parts_.bus,
        PartitionTail::Options{.partition = partition,
                               .limits = options_.limits,
                               .load_checkpoint = parts_.load_checkpoint},
        log_);
  }
  return *tail;
}

bool Gateway::RunInBackground(Work work) {
  return work_.TryPush(std::make_unique<Work>(std::move(work)));
}

absl::Status Gateway::Add(std::shared_ptr<Tickable> tickable, size_t limit,
                          std::map<const Tickable*, std::shared_ptr<Tickable>>& all) {
  if (going_away_) return absl::UnavailableError("the gateway is going away");
  if (all.size() >= limit) {
    return absl::ResourceExhaustedError("the gateway has as much to do as it may take on");
  }
  const Tickable* const key = tickable.get();
  all.emplace(key, std::move(tickable));
  return absl::OkStatus();
}

absl::Status Gateway::AddStream(std::shared_ptr<Tickable> stream) {
  MutexLock lock(mutex_);
  const absl::Status status = Add(std::move(stream), options_.max_streams, streams_);
  metrics_.streams.Set(static_cast<double>(streams_.size()));
  return status;
}

absl::Status Gateway::AddCall(std::shared_ptr<Tickable> call) {
  MutexLock lock(mutex_);
  return Add(std::move(call), options_.max_calls, calls_);
}

void Gateway::Remove(const Tickable* tickable) {
  std::shared_ptr<Tickable> last_reference;  // must not go while the lock is held
  MutexLock lock(mutex_);
  for (auto* all : {&streams_, &calls_}) {
    const auto it = all->find(tickable);
    if (it == all->end()) continue;
    last_reference = std::move(it->second);
    all->erase(it);
  }
  metrics_.streams.Set(static_cast<double>(streams_.size()));
}

void Gateway::ConnectAgent(const Seat& seat, const std::string& session_id,
                           CommandPort::Done done) {
  {
    MutexLock lock(mutex_);
    leases_.insert_or_assign(seat.partition, seat);
  }
  command::v1::Command command;
  command::v1::ConnectAgent& connect = *command.mutable_connect_agent();
  connect.set_agent_id(seat.agent.value());
  connect.set_session_id(session_id);
  connect.set_gateway_id(options_.id.value());
  *connect.mutable_lease() = ToProto(options_.lease);
  commands_.SendOwn(seat, std::move(command),
                    [this, session_id, done = std::move(done)](const absl::Status& status) {
                      if (status.ok()) {
                        MutexLock lock(sessions_mutex_);
                        logged_.insert(session_id);
                      }
                      done(status);
                    });
}

void Gateway::DisconnectAgent(const Seat& seat, const std::string& session_id) {
  command::v1::Command command;
  command.mutable_disconnect_agent()->set_agent_id(seat.agent.value());
  command.mutable_disconnect_agent()->set_session_id(session_id);
  commands_.SendOwn(seat, std::move(command), [this, seat, session_id](const absl::Status& status) {
    if (!status.ok()) {
      log_.Warning("agent's disconnection not logged yet", {{"status", status}});
    }
    MutexLock lock(sessions_mutex_);
    if (status.ok()) {
      logged_.erase(session_id);
      return;
    }
    // The router may know of a session, too, whose beginning is not known to be in the log.
    if (logged_.contains(session_id) || unsaid_.size() < options_.max_streams) {
      unsaid_.insert_or_assign(session_id, seat);
    }
  });
}

void Gateway::DisconnectAgain() {
  std::map<std::string, Seat> unsaid;
  {
    MutexLock lock(sessions_mutex_);
    unsaid.swap(unsaid_);
  }
  for (const auto& [session_id, seat] : unsaid) DisconnectAgent(seat, session_id);
}

void Gateway::GoAway() {
  std::vector<std::shared_ptr<Tickable>> all;
  {
    MutexLock lock(mutex_);
    going_away_ = true;
    for (const auto& [unused, stream] : streams_) all.push_back(stream);
    for (const auto& [unused, call] : calls_) all.push_back(call);
  }
  for (const auto& tickable : all) tickable->GoAway();
  unary_sessions_.Close();
}

void Gateway::ClockLoop(std::stop_token /*stop*/) {
  absl::Time next_renewal = Now() + options_.lease_renewal;
  absl::Time next_beat = Now() + options_.heartbeat_interval;
  while (true) {
    {
      MutexLock lock(mutex_);
      if (!stopping_) stop_changed_.WaitFor(mutex_, options_.tick);
      if (stopping_) return;
    }
    TickAll();
    const absl::Time now = Now();
    unary_sessions_.Tick(now);
    if (now >= next_renewal) {
      RenewLeases();
      DisconnectAgain();
      unary_sessions_.Mend();
      next_renewal = now + options_.lease_renewal;
    }
    if (now >= next_beat) {
      Beat();
      next_beat = now + options_.heartbeat_interval;
    }
  }
}

void Gateway::TickAll() {
  std::vector<std::shared_ptr<Tickable>> all;
  {
    MutexLock lock(mutex_);
    all.reserve(streams_.size() + calls_.size());
    for (const auto& [unused, stream] : streams_) all.push_back(stream);
    for (const auto& [unused, call] : calls_) all.push_back(call);
  }
  const absl::Time now = Now();
  for (const auto& tickable : all) tickable->Tick(now);
}

void Gateway::RenewLeases() {
  std::map<int32_t, Seat> leases;
  {
    MutexLock lock(mutex_);
    leases = leases_;
  }
  for (const auto& [partition, seat] : leases) {
    command::v1::Command command;
    command.mutable_renew_gateway_lease()->set_gateway_id(options_.id.value());
    *command.mutable_renew_gateway_lease()->mutable_lease() = ToProto(options_.lease);
    commands_.SendOwn(
        seat, std::move(command), [log = log_, partition = partition](const absl::Status& status) {
          // The next renewal is soon, and the lease outlasts several.
          if (!status.ok()) {
            log.Warning("lease not renewed", {{"partition", partition}, {"status", status}});
          }
        });
  }
}

void Gateway::Beat() {
  MutexLock lock(mutex_);
  for (const auto& [partition, tail] : tails_) {
    tail->Beat();
    metrics_.log_offset.With({absl::StrCat(partition)}).Set(static_cast<double>(tail->offset()));
  }
}

}  // namespace wissel::agent_gateway
