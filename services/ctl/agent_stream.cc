#include "services/ctl/agent_stream.h"

#include <algorithm>
#include <utility>

#include "libs/base/backoff.h"
#include "libs/base/hash.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"

namespace wissel::ctl {
namespace {

constexpr absl::Duration kGoodbye = absl::Seconds(3);

// True where trying again can help.
bool IsPassing(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kFailedPrecondition:
      return false;
    default:
      return true;
  }
}

}  // namespace

AgentStream::AgentStream(Options options)
    : options_(std::move(options)),
      stub_(agent::v1::AgentService::NewStub(options_.client.channel)),
      cursors_(options_.cursors),
      thread_(StartThread("agent-stream", [this] { Run(); })) {}

AgentStream::~AgentStream() { Close(); }

bool AgentStream::closing() const {
  MutexLock lock(mutex_);
  return closing_;
}

void AgentStream::Send(const command::v1::Command& command) {
  agent::v1::ConnectRequest request;
  *request.mutable_command() = command;
  MutexLock lock(mutex_);
  pending_.push_back(request);
  // What this write cannot bring over is sent again on the next connection.
  if (stream_ != nullptr) stream_->Write(request);
}

void AgentStream::Close() {
  const Timeout limit(kGoodbye);
  MutexLock lock(mutex_);
  if (!closing_) {
    closing_ = true;
    if (stream_ != nullptr) {
      stream_->WritesDone();
    } else if (context_ != nullptr) {
      // Nobody is there yet to say goodbye to.
      context_->TryCancel();
    }
    changed_.NotifyAll();
  }
  while (!ended_ && !limit.Expired()) changed_.WaitFor(mutex_, limit.Remaining());
  if (!ended_ && context_ != nullptr) context_->TryCancel();
}

template <class Message>
void AgentStream::Keep(const Message& message) {
  if (!message.cursor().empty()) cursors_[message.routing_group_id()] = message.cursor();
}

void AgentStream::OnResponse(const agent::v1::ConnectResponse& response) {
  using agent::v1::ConnectResponse;
  switch (response.kind_case()) {
    case ConnectResponse::kHeartbeat: {
      Keep(response.heartbeat());
      agent::v1::ConnectRequest heartbeat;
      heartbeat.mutable_heartbeat();
      MutexLock lock(mutex_);
      if (!closing_) stream_->Write(heartbeat);
      break;
    }
    case ConnectResponse::kWelcome:
      for (const std::string& group : response.welcome().routing_group_ids()) {
        cursors_.try_emplace(group);
      }
      break;
    case ConnectResponse::kSnapshot:
      Keep(response.snapshot());
      break;
    case ConnectResponse::kEvents:
      Keep(response.events());
      break;
    case ConnectResponse::kOutcome: {
      Keep(response.outcome());
      MutexLock lock(mutex_);
      std::erase_if(pending_, [&](const agent::v1::ConnectRequest& request) {
        return request.command().envelope().id() == response.outcome().command_id();
      });
      break;
    }
    case ConnectResponse::kGoingAway:
      Keep(response.going_away());
      break;
    case ConnectResponse::KIND_NOT_SET:
      break;
  }
  options_.on_response(response);
}

absl::Status AgentStream::RunOnce() {
  grpc::ClientContext context;
  rpc::Prepare({.timeout = absl::InfiniteDuration(), .token = options_.client.token}, context);
  {
    MutexLock lock(mutex_);
    if (closing_) return absl::CancelledError("closed");
    // Before the first call that may block, so that Close can end it.
    context_ = &context;
  }
  const std::unique_ptr<Stream> stream = stub_->Connect(&context);
  agent::v1::ConnectRequest hello;
  for (const auto& [group, cursor] : cursors_) {
    agent::v1::GroupCursor& place = *hello.mutable_hello()->add_groups();
    place.set_routing_group_id(group);
    place.set_cursor(cursor);
  }
  hello.mutable_hello()->set_observe(options_.observe);
  hello.mutable_hello()->set_whole_workspace(options_.whole_workspace);
  stream->Write(hello);
  {
    MutexLock lock(mutex_);
    for (const auto& request : pending_) stream->Write(request);
    stream_ = stream.get();
  }
  agent::v1::ConnectResponse response;
  bool leaving = false;
  while (!leaving && stream->Read(&response)) {
    OnResponse(response);
    leaving = response.has_going_away();
  }
  {
    MutexLock lock(mutex_);
    stream_ = nullptr;
    context_ = nullptr;
  }
  if (leaving) context.TryCancel();
  const grpc::Status status = stream->Finish();
  if (leaving || status.ok()) return absl::UnavailableError("the gateway ended the stream");
  return FromCall(options_.client, agent::v1::AgentService::service_full_name(), status);
}

void AgentStream::Run() {
  Backoff backoff({.initial = absl::Milliseconds(100), .max = absl::Seconds(3)},
                  StableHash64(options_.client.token));
  absl::Status status;
  while (true) {
    const Cursors before = cursors_;
    status = RunOnce();
    if (closing() || !IsPassing(status)) break;
    // The log no longer holds what comes after the cursor: begin with a snapshot.
    if (absl::IsOutOfRange(status)) {
      for (auto& [unused, cursor] : cursors_) cursor.clear();
    }
    if (cursors_ != before) backoff.Reset();
    options_.on_lost(status);
    const Timeout pause(backoff.Next());
    MutexLock lock(mutex_);
    while (!closing_ && !pause.Expired()) changed_.WaitFor(mutex_, pause.Remaining());
    if (closing_) break;
  }
  options_.on_end(closing() ? absl::OkStatus() : status);
  MutexLock lock(mutex_);
  ended_ = true;
  changed_.NotifyAll();
}

}  // namespace wissel::ctl
