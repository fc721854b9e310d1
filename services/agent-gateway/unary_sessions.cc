#include "services/agent-gateway/unary_sessions.h"

#include <algorithm>
#include <vector>

#include "libs/base/uuid.h"
#include "services/agent-gateway/gateway.h"

namespace wissel::agent_gateway {

absl::Status UnarySessions::Renew(const Seat& seat) {
  if (seat.agent.empty()) return absl::OkStatus();
  MutexLock lock(mutex_);
  if (closed_) return absl::UnavailableError("the gateway is going away");
  auto it = sessions_.find(KeyOf(seat));
  if (it == sessions_.end()) {
    if (sessions_.size() >= gateway_.options().max_streams) {
      return absl::ResourceExhaustedError("the gateway has as many agents as it may take on");
    }
    it = sessions_.emplace(KeyOf(seat), Session{.seat = seat, .id = RandomUuid()}).first;
    Connect(it->second);
    Count();
  }
  it->second.renewed = gateway_.Now();
  return absl::OkStatus();
}

void UnarySessions::Connect(Session& session) {
  session.connected = gateway_.Now();
  gateway_.ConnectAgent(session.seat, session.id,
                        [log = gateway_.log()](const absl::Status& status) {
                          // It is missed, and opened again, with one of the next renewals.
                          if (!status.ok())
                            log.Warning("agent's connection not logged", {{"status", status}});
                        });
}

void UnarySessions::End(const Seat& seat) {
  MutexLock lock(mutex_);
  const auto it = sessions_.find(KeyOf(seat));
  if (it == sessions_.end()) return;
  gateway_.DisconnectAgent(it->second.seat, it->second.id);
  sessions_.erase(it);
  Count();
}

void UnarySessions::Tick(absl::Time now) {
  MutexLock lock(mutex_);
  std::erase_if(sessions_, [&](const auto& item) {
    const Session& session = item.second;
    if (now - session.renewed < gateway_.options().unary_session) return false;
    gateway_.DisconnectAgent(session.seat, session.id);
    return true;
  });
  Count();
}

void UnarySessions::Mend() {
  std::map<int32_t, std::vector<Session>> by_partition;
  {
    MutexLock lock(mutex_);
    for (const auto& [key, session] : sessions_) {
      by_partition[session.seat.partition].push_back(session);
    }
  }
  for (auto& [partition, sessions] : by_partition) {
    gateway_.TailOf(partition).Ask(
        [this, sessions = std::move(sessions)](const PartitionView& view) {
          for (const Session& session : sessions) {
            const auto* agent =
                view.state().FindAgent(session.seat.workspace.value(), session.seat.agent.value());
            if (agent == nullptr) continue;
            if (std::none_of(agent->sessions().begin(), agent->sessions().end(),
                             [&](const auto& open) { return open.session_id() == session.id; })) {
              ConnectAgain(session);
            }
          }
        });
  }
}

void UnarySessions::ConnectAgain(const Session& missed) {
  MutexLock lock(mutex_);
  const auto it = sessions_.find(KeyOf(missed.seat));
  if (it == sessions_.end() || it->second.id != missed.id) return;
  // What the router was told just now it may not have decided yet.
  if (gateway_.Now() - it->second.connected < gateway_.options().lease_renewal) return;
  Connect(it->second);
}

void UnarySessions::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  for (const auto& [key, session] : sessions_) gateway_.DisconnectAgent(session.seat, session.id);
  sessions_.clear();
  Count();
}

void UnarySessions::Count() {
  gateway_.metrics().unary_sessions.Set(static_cast<double>(sessions_.size()));
}

}  // namespace wissel::agent_gateway
