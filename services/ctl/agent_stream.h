#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "libs/base/mutex.h"
#include "services/ctl/client.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::ctl {

// One agent's stream, kept up: when the connection is lost or the gateway goes away, it connects
// again with the last cursor and sends again the commands without an outcome, under their old ids.
// Owns a thread, on which the callbacks run. Send and Close may be called from any other thread.
class AgentStream {
 public:
  using Cursors = std::map<std::string, std::string>;
  struct Options {
    Client client;
    // Where to resume, by routing group; an empty cursor begins with a snapshot. Empty: what the
    // gateway shows by itself.
    Cursors cursors;
    bool observe = false;
    bool whole_workspace = false;
    // Every message, in order. Heartbeats have been answered.
    std::function<void(const agent::v1::ConnectResponse&)> on_response;
    // The connection was lost, or could not be made, and will be tried again.
    std::function<void(const absl::Status&)> on_lost;
    // It will not be tried again: refused, or closed (OK).
    std::function<void(const absl::Status&)> on_end;
  };

  explicit AgentStream(Options options);
  // Closes.
  ~AgentStream();
  AgentStream(const AgentStream&) = delete;
  AgentStream& operator=(const AgentStream&) = delete;

  // `command.envelope.id` must be set: the outcome names it.
  void Send(const command::v1::Command& command);

  // Says goodbye and ends: the agent is seen to have left, not to be lost. Blocks for 3 s at most.
  void Close();

 private:
  using Stream =
      grpc::ClientReaderWriterInterface<agent::v1::ConnectRequest, agent::v1::ConnectResponse>;

  void Run();
  absl::Status RunOnce();
  // The message's place.
  template <class Message>
  void Keep(const Message& message);
  void OnResponse(const agent::v1::ConnectResponse& response);
  bool closing() const;

  const Options options_;
  const std::unique_ptr<agent::v1::AgentService::StubInterface> stub_;
  Cursors cursors_;  // of the thread alone

  mutable Mutex mutex_;
  CondVar changed_;
  Stream* stream_ ABSL_GUARDED_BY(mutex_) = nullptr;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<agent::v1::ConnectRequest> pending_ ABSL_GUARDED_BY(mutex_);

  std::jthread thread_;
};

}  // namespace wissel::ctl
