#include "services/agent-gateway/handlers/connect.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"
#include "libs/rpc/grpc_order.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/showing.h"

namespace wissel::agent_gateway {

using agent::v1::ConnectRequest;
using agent::v1::ConnectResponse;

namespace {

using Reactor = grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;

Reactor* Refuse(const Gateway& gateway, const absl::Status& status) {
  class Refusal final : public Reactor {
   public:
    explicit Refusal(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
    void OnDone() override { delete this; }
  };
  gateway.metrics().refused.Count(status);
  return new Refusal(status);
}

// The frame's own bytes, which gRPC holds for as long as it needs them.
grpc::ByteBuffer BytesOf(const FramePtr& frame) {
  auto* const held = new FramePtr(frame);
  const grpc::Slice slice(
      const_cast<char*>(frame->bytes.data()), frame->bytes.size(),
      [](void* pointer) { delete static_cast<FramePtr*>(pointer); }, held);
  return grpc::ByteBuffer(&slice, 1);
}

bool Parse(const grpc::ByteBuffer& bytes, ConnectRequest& request) {
  grpc::Slice slice;
  return bytes.DumpToSingleSlice(&slice).ok() &&
         request.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

}  // namespace

Reactor* AgentStream::Open(Gateway& gateway, grpc::CallbackServerContext* context) {
  absl::StatusOr<rpc::Principal> principal = gateway.authenticator().Authenticate(*context);
  if (!principal.ok()) return Refuse(gateway, principal.status());
  const absl::Status role = rpc::RequireRole(
      *principal, {rpc::Role::kAgent, rpc::Role::kSupervisor, rpc::Role::kBot, rpc::Role::kAdmin});
  if (!role.ok()) return Refuse(gateway, role);
  std::shared_ptr<AgentStream> stream(new AgentStream(gateway, context, *std::move(principal)));
  if (const absl::Status added = gateway.AddStream(stream); !added.ok()) {
    return Refuse(gateway, added);
  }
  stream->self_ = stream;
  rpc::HandToGrpc(stream.get());
  stream->StartRead(&stream->request_);
  return stream.get();
}

AgentStream::AgentStream(Gateway& gateway, grpc::CallbackServerContext* context,
                         rpc::Principal principal)
    : gateway_(gateway),
      principal_(std::move(principal)),
      session_id_(RandomUuid()),
      traceparent_(rpc::ClientMetadata(*context, rpc::kTraceparentKey)),
      call_(context),
      context_(context),
      opened_(gateway.Now()),
      last_queued_(opened_) {}

// ---- gRPC's reactions

void AgentStream::OnReadDone(bool ok) {
  rpc::TakeFromGrpc(this);
  if (!ok) return End(absl::OkStatus(), "client");
  if (const absl::Status status = OnRequest(); !status.ok()) {
    gateway_.metrics().refused.Count(status);
    return End(status, "refused");
  }
  rpc::HandToGrpc(this);
  StartRead(&request_);
}

absl::Status AgentStream::OnRequest() {
  ConnectRequest request;
  if (!Parse(request_, request)) return absl::InvalidArgumentError("no ConnectRequest");
  if (!std::exchange(greeted_, true)) {
    if (request.has_hello()) return OnHello(request.hello());
    return absl::InvalidArgumentError("the first message must be Hello");
  }
  if (request.has_hello()) return absl::InvalidArgumentError("Hello comes once");
  if (request.has_command()) OnCommand(std::move(*request.mutable_command()));
  return absl::OkStatus();
}

void AgentStream::OnWriteDone(bool ok) {
  rpc::TakeFromGrpc(this);
  std::vector<GroupFeed*> waiting;
  {
    MutexLock lock(mutex_);
    writing_ = false;
    if (ok) {
      gateway_.metrics().messages_sent.Increment();
      if (current_.frame->events > 0) {
        gateway_.metrics().events_sent.Increment(current_.frame->events);
      }
      if (current_.frame->cursor != nullptr) {
        places_[current_.feed].written = current_.frame->cursor;
      }
      current_ = Item();
      writing_bytes_.Clear();
    } else {
      EndLocked(absl::CancelledError("the client is gone"), "client", Unsent::kDrop);
    }
    WriteNext();
    const GatewayOptions& options = gateway_.options();
    if (queue_.size() <= options.queue_messages / 2 && queue_bytes_ <= options.queue_bytes / 2) {
      waiting.swap(waiting_);
    }
  }
  for (GroupFeed* feed : waiting) feed->Resume();
}

void AgentStream::OnCancel() {
  rpc::TakeFromGrpc(this);
  End(absl::CancelledError("the client is gone"), "client");
}

void AgentStream::OnDone() {
  rpc::TakeFromGrpc(this);
  {
    MutexLock lock(context_mutex_);
    context_ = nullptr;
  }
  std::vector<GroupFeed*> feeds;
  {
    MutexLock lock(mutex_);
    for (const auto& feed : feeds_) feeds.push_back(feed.get());
    queue_.clear();
  }
  for (GroupFeed* feed : feeds) feed->Close();
  gateway_.Remove(this);
  self_.reset();
}

// ---- the beginning

absl::Status AgentStream::OnHello(const agent::v1::Hello& hello) {
  WISSEL_ASSIGN_OR_RETURN(
      const std::vector<Shown> shown,
      ShownBy(hello, principal_, gateway_.directory(), gateway_.options().max_stream_groups));
  ConnectResponse response;
  agent::v1::Welcome& welcome = *response.mutable_welcome();
  welcome.set_session_id(session_id_);
  welcome.set_gateway_id(gateway_.options().id.value());
  welcome.set_workspace_id(principal_.workspace.value());
  *welcome.mutable_heartbeat_interval() = ToProto(gateway_.options().heartbeat_interval);
  std::vector<std::pair<GroupFeed*, GroupFeed::Beginning>> beginnings;
  {
    MutexLock lock(mutex_);
    for (const Shown& group : shown) {
      auto feed =
          std::make_unique<GroupFeed>(gateway_, *this, feeds_.size(), group.seat, group.viewer);
      welcome.add_routing_group_ids(group.viewer.routing_group);
      const bool is_agent = !group.viewer.agent.empty();
      if (is_agent) welcome.set_agent_id(group.viewer.agent);
      beginnings.push_back({feed.get(), {group.from, is_agent && !hello.observe()}});
      Place& place = places_.emplace_back();
      if (group.from) {
        place.queued = place.written = std::make_shared<const std::string>(group.cursor);
      }
      feeds_.push_back(std::move(feed));
    }
    SendLocked(MakeFrame(response, ""), 0);
  }
  for (const auto& [feed, beginning] : beginnings) feed->Begin(beginning);
  return absl::OkStatus();
}

void AgentStream::OnCommand(command::v1::Command command) {
  const std::string& group = command.envelope().routing_group_id();
  GroupFeed* feed = nullptr;
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    for (const auto& candidate : feeds_) {
      const Viewer& viewer = candidate->viewer();
      const bool named = group.empty() ? !viewer.agent.empty() : viewer.routing_group == group;
      if (named || feeds_.size() == 1) feed = candidate.get();
    }
    if (feed == nullptr) {
      gateway_.metrics().commands.With({"undecided"}).Increment();
      ConnectResponse response;
      response.mutable_outcome()->set_command_id(command.envelope().id());
      response.mutable_outcome()->set_undecided_reason(
          "the stream shows several routing groups: envelope.routing_group_id must name one");
      return SendLocked(MakeFrame(response, ""), 0);
    }
  }
  feed->OnCommand(std::move(command));
}

// ---- time

void AgentStream::Tick(absl::Time now) {
  std::vector<GroupFeed*> feeds;
  {
    MutexLock lock(mutex_);
    for (const auto& feed : feeds_) feeds.push_back(feed.get());
  }
  const bool live =
      std::all_of(feeds.begin(), feeds.end(), [](const GroupFeed* feed) { return feed->live(); });
  for (GroupFeed* feed : feeds) {
    feed->Mend(now);
    feed->GiveUpCommands(now);
  }
  bool cancel = false;
  {
    MutexLock lock(mutex_);
    const GatewayOptions& options = gateway_.options();
    if (finished_ || ending_) {
      cancel = now - ending_since_ > options.end_grace;
    } else if (now >= principal_.expires_at) {
      EndLocked(absl::UnauthenticatedError("the token has expired: resume with a new one"),
                "token_expired", Unsent::kSend);
    } else if (feeds_.empty() && now - opened_ > options.hello_timeout) {
      EndLocked(absl::DeadlineExceededError("no Hello came"), "refused", Unsent::kDrop);
    } else if (!live && now - last_queued_ > options.heartbeat_interval) {
      ConnectResponse response;
      response.mutable_heartbeat();
      SendLocked(MakeFrame(response, ""), 0);
    }
  }
  if (!cancel) return;
  // A client that does not read does not see the end either.
  MutexLock lock(context_mutex_);
  if (context_ != nullptr) context_->TryCancel();
}

void AgentStream::GoAway() {
  MutexLock lock(mutex_);
  if (ending_) return;
  for (size_t i = 0; i < feeds_.size(); ++i) {
    ConnectResponse response;
    const std::string cursor = places_[i].queued == nullptr ? "" : *places_[i].queued;
    response.mutable_going_away()->set_cursor(cursor);
    response.mutable_going_away()->set_routing_group_id(feeds_[i]->viewer().routing_group);
    SendLocked(MakeFrame(response, cursor), i);
  }
  EndLocked(absl::UnavailableError("the gateway is going away: resume on another"), "draining",
            Unsent::kSend);
}

// ---- the queue

bool AgentStream::ending() const {
  MutexLock lock(mutex_);
  return ending_.has_value();
}

Subscriber::Taken AgentStream::Offer(GroupFeed& feed, FramePtr frame) {
  MutexLock lock(mutex_);
  if (ending_) return Subscriber::Taken::kTaken;
  if (!HasRoomFor(frame->bytes.size())) {
    waiting_.push_back(&feed);
    return Subscriber::Taken::kFull;
  }
  Queue({.frame = std::move(frame), .feed = feed.index()});
  return Subscriber::Taken::kTaken;
}

void AgentStream::Send(FramePtr frame, size_t feed) {
  MutexLock lock(mutex_);
  SendLocked(std::move(frame), feed);
}

void AgentStream::SendLocked(FramePtr frame, size_t feed) {
  if (ending_) return;
  if (HasRoomFor(frame->bytes.size())) {
    return Queue({.frame = std::move(frame), .feed = feed});
  }
  gateway_.metrics().queue_overflows.Increment();
  EndLocked(absl::ResourceExhaustedError("the stream is read too slowly: resume with the cursor"),
            "slow_reader", Unsent::kDrop);
}

bool AgentStream::HasRoomFor(size_t bytes) const {
  const GatewayOptions& options = gateway_.options();
  // Whatever its size, a message may go alone.
  return queue_.empty() ||
         (queue_.size() < options.queue_messages && queue_bytes_ + bytes <= options.queue_bytes);
}

void AgentStream::Queue(Item item) {
  if (item.frame->cursor != nullptr) places_[item.feed].queued = item.frame->cursor;
  queue_bytes_ += item.frame->bytes.size();
  last_queued_ = gateway_.Now();
  queue_.push_back(std::move(item));
  WriteNext();
}

void AgentStream::WriteNext() {
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    current_ = std::move(queue_.front());
    queue_.pop_front();
    queue_bytes_ -= current_.frame->bytes.size();
    BytesOf(current_.frame).Swap(&writing_bytes_);
    writing_ = true;
    grpc::WriteOptions options;
    // A hint on a stream's first message would hold it for ever, and so would one on the last.
    if (wrote_any_ && !queue_.empty()) options.set_buffer_hint();
    wrote_any_ = true;
    return StartWrite(&writing_bytes_, options);
  }
  if (ending_) {
    finished_ = true;
    AddTrailingCursors();
    Finish(rpc::ToGrpc(*ending_));
  }
}

void AgentStream::AddTrailingCursors() {
  for (size_t i = 0; i < feeds_.size(); ++i) {
    if (places_[i].written == nullptr) continue;
    const std::string& cursor = *places_[i].written;
    call_->AddTrailingMetadata(
        kCursorMetadata,
        feeds_.size() == 1 ? cursor : absl::StrCat(feeds_[i]->viewer().routing_group, " ", cursor));
  }
}

void AgentStream::End(const absl::Status& status, absl::string_view reason, Unsent unsent) {
  MutexLock lock(mutex_);
  EndLocked(status, reason, unsent);
}

void AgentStream::EndSlowReader() {
  gateway_.metrics().queue_overflows.Increment();
  End(absl::ResourceExhaustedError("the stream is read too slowly: resume with the cursor"),
      "slow_reader");
}

void AgentStream::EndLocked(const absl::Status& status, absl::string_view reason, Unsent unsent) {
  if (ending_) return;
  ending_ = status;
  ending_since_ = gateway_.Now();
  gateway_.metrics().streams_ended.With({reason}).Increment();
  if (unsent == Unsent::kDrop) {
    queue_.clear();
    queue_bytes_ = 0;
  }
  WriteNext();
}

}  // namespace wissel::agent_gateway
