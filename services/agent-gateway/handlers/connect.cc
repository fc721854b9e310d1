#include "services/agent-gateway/handlers/connect.h"

#include <algorithm>

#include "libs/base/notification.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/outcome.h"
#include "services/agent-gateway/snapshot.h"

namespace wissel::agent_gateway {

using agent::v1::ConnectRequest;
using agent::v1::ConnectResponse;
using conversation::v1::Event;

namespace {

constexpr size_t kCatchUpBatch = 256;
constexpr absl::Duration kAskTimeout = absl::Seconds(10);

using Reactor = grpc::ServerBidiReactor<ConnectRequest, ConnectResponse>;

Reactor* Refuse(const absl::Status& status) {
  class Refusal final : public Reactor {
   public:
    explicit Refusal(const absl::Status& status) { Finish(rpc::ToGrpc(status)); }
    void OnDone() override { delete this; }
  };
  return new Refusal(status);
}

// Asks the tail and waits: for workers only. UNAVAILABLE when it does not answer in time.
template <typename T>
absl::StatusOr<T> AskAndWait(PartitionTail& tail,
                             std::function<absl::StatusOr<T>(const PartitionView&)> question) {
  struct Answer {
    absl::StatusOr<T> value = absl::UnavailableError("the partition is still being read");
    Notification given;
  };
  auto answer = std::make_shared<Answer>();
  tail.Ask([answer, question = std::move(question)](const PartitionView& view) {
    answer->value = question(view);
    answer->given.Notify();
  });
  if (!answer->given.WaitFor(kAskTimeout)) {
    return absl::UnavailableError("the partition is still being read");
  }
  return answer->value;
}

}  // namespace

Reactor* AgentStream::Open(Gateway& gateway, grpc::CallbackServerContext* context) {
  absl::StatusOr<rpc::Principal> principal = gateway.authenticator().Authenticate(*context);
  if (!principal.ok()) return Refuse(principal.status());
  const absl::Status role = rpc::RequireRole(
      *principal, {rpc::Role::kAgent, rpc::Role::kSupervisor, rpc::Role::kBot, rpc::Role::kAdmin});
  if (!role.ok()) return Refuse(role);
  std::shared_ptr<AgentStream> stream(new AgentStream(gateway, context, *std::move(principal)));
  if (const absl::Status added = gateway.AddStream(stream); !added.ok()) return Refuse(added);
  stream->self_ = stream;
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
  if (!ok) {
    MutexLock lock(mutex_);
    return End(absl::OkStatus(), "client");
  }
  if (!greeted_) {
    if (!request_.has_hello()) {
      MutexLock lock(mutex_);
      return End(absl::InvalidArgumentError("the first message must be Hello"), "refused");
    }
    greeted_ = true;
    OnHello(request_.hello());
  } else if (request_.has_command()) {
    OnCommand(std::move(*request_.mutable_command()));
  } else if (request_.has_hello()) {
    MutexLock lock(mutex_);
    return End(absl::InvalidArgumentError("Hello comes once"), "refused");
  }
  StartRead(&request_);
}

void AgentStream::OnWriteDone(bool ok) {
  Source source = Source::kNone;
  {
    MutexLock lock(mutex_);
    writing_ = false;
    if (ok) {
      gateway_.metrics().messages_sent.Increment();
      if (const int events = current_.message.events().events_size(); events > 0) {
        gateway_.metrics().events_sent.Increment(events);
      }
      if (!current_.cursor.empty()) written_cursor_ = std::move(current_.cursor);
      current_ = Item();
    } else {
      End(absl::CancelledError("the client is gone"), "client");
    }
    WriteNext();
    const GatewayOptions& options = gateway_.options();
    if (waiting_source_ != Source::kNone && queue_.size() <= options.queue_messages / 2 &&
        queue_bytes_ <= options.queue_bytes / 2) {
      source = std::exchange(waiting_source_, Source::kNone);
    }
  }
  switch (source) {
    case Source::kNone:
      return;
    case Source::kTail:
      return tail_->Go(shared_from_this());
    case Source::kCatchUp:
      return CatchUpInBackground([](AgentStream& self) { self.ContinueCatchUp(); });
  }
}

void AgentStream::OnCancel() {
  MutexLock lock(mutex_);
  End(absl::CancelledError("the client is gone"), "client");
}

void AgentStream::OnDone() {
  {
    MutexLock lock(context_mutex_);
    context_ = nullptr;
  }
  absl::flat_hash_map<std::string, absl::Time> pending;
  bool connected = false;
  {
    MutexLock lock(mutex_);
    pending = std::exchange(pending_, {});
    connected = connected_;
    done_ = true;
    queue_.clear();
  }
  if (tail_ != nullptr) {
    tail_->Unsubscribe(shared_from_this());
    for (const auto& [command_id, unused] : pending) {
      tail_->StopExpecting(command_id, this);
      gateway_.metrics().commands_in_flight.Decrement();
    }
  }
  if (connected) DisconnectAgent();
  gateway_.Remove(this);
  self_.reset();
}

// ---- the beginning

void AgentStream::OnHello(const agent::v1::Hello& hello) {
  std::optional<Position> from;
  absl::Status status = TakeSeat(hello);
  if (status.ok() && !hello.cursor().empty()) {
    absl::StatusOr<Position> position = ParseCursor(hello.cursor());
    status = position.status();
    if (status.ok() && position->partition != seat_.partition) {
      status = absl::InvalidArgumentError("the cursor is of another routing group's log");
    }
    if (status.ok()) from = *std::move(position);
  }
  if (!status.ok()) {
    MutexLock lock(mutex_);
    return End(status, "refused");
  }
  PartitionTail* const tail = &gateway_.TailOf(seat_.partition);
  {
    ConnectResponse response;
    agent::v1::Welcome& welcome = *response.mutable_welcome();
    welcome.set_session_id(session_id_);
    welcome.set_gateway_id(gateway_.options().id.value());
    welcome.set_workspace_id(viewer_.workspace);
    welcome.set_routing_group_id(viewer_.routing_group);
    welcome.set_agent_id(viewer_.agent);
    *welcome.mutable_heartbeat_interval() = ToProto(gateway_.options().heartbeat_interval);
    MutexLock lock(mutex_);
    tail_ = tail;
    source_ = Source::kTail;
    if (from) queued_cursor_ = written_cursor_ = hello.cursor();
    Enqueue(std::move(response), "");
  }
  if (!hello.observe() && !viewer_.agent.empty()) ConnectAgent();
  if (from) {
    gateway_.metrics().resumes.With({"recent"}).Increment();
    return tail_->Subscribe(shared_from_this(), *from);
  }
  gateway_.metrics().resumes.With({"snapshot"}).Increment();
  TakeSnapshot(gateway_, *tail_, viewer_, [self = shared_from_this()](PlacedSnapshot placed) {
    {
      ConnectResponse response;
      *response.mutable_snapshot() = std::move(placed.snapshot);
      std::string cursor = response.snapshot().cursor();
      MutexLock lock(self->mutex_);
      self->Enqueue(std::move(response), std::move(cursor));
    }
    self->tail_->Subscribe(self, placed.position);
  });
}

absl::Status AgentStream::TakeSeat(const agent::v1::Hello& hello) {
  WISSEL_ASSIGN_OR_RETURN(seat_, gateway_.directory().Find(principal_, hello.routing_group_id()));
  viewer_ = {.workspace = seat_.workspace.value(),
             .routing_group = seat_.routing_group.value(),
             .agent = seat_.agent.value(),
             .subject = principal_.subject,
             .whole_group = hello.whole_workspace()};
  if (hello.whole_workspace()) {
    return rpc::RequireRole(principal_, {rpc::Role::kSupervisor, rpc::Role::kAdmin});
  }
  if (viewer_.agent.empty()) {
    return absl::FailedPreconditionError(
        "the caller is no agent of this workspace: ask for the whole workspace");
  }
  return absl::OkStatus();
}

void AgentStream::ConnectAgent() {
  gateway_.KeepLease(seat_);
  {
    MutexLock lock(mutex_);
    connected_ = true;
  }
  command::v1::Command command;
  command::v1::ConnectAgent& connect = *command.mutable_connect_agent();
  connect.set_agent_id(seat_.agent.value());
  connect.set_session_id(session_id_);
  connect.set_gateway_id(gateway_.options().id.value());
  *connect.mutable_lease() = ToProto(gateway_.options().lease);
  gateway_.commands().SendOwn(seat_, std::move(command),
                              [self = shared_from_this()](const absl::Status& status) {
                                if (status.ok()) return;
                                MutexLock lock(self->mutex_);
                                self->End(status, "log_unavailable");
                              });
  bool done = false;
  {
    MutexLock lock(mutex_);
    done = done_;
  }
  // It ended in the meantime, and may have said so before this was said.
  if (done) DisconnectAgent();
}

void AgentStream::DisconnectAgent() {
  command::v1::Command command;
  command.mutable_disconnect_agent()->set_agent_id(seat_.agent.value());
  command.mutable_disconnect_agent()->set_session_id(session_id_);
  gateway_.commands().SendOwn(
      seat_, std::move(command), [log = gateway_.log()](const absl::Status& status) {
        // The router then sees this session go when the gateway does.
        if (!status.ok()) log.Warning("agent's disconnection not logged", {{"status", status}});
      });
}

// ---- events

Subscriber::Taken AgentStream::Take(const Entry& entry) {
  ConnectResponse response;
  agent::v1::Events* events = nullptr;
  bool lease_expired = false;
  for (int i = 0; i < entry.decision.events_size(); ++i) {
    const Event& event = entry.decision.events(i);
    if (!VisibleTo(viewer_, event, entry.facts[static_cast<size_t>(i)])) continue;
    if (events == nullptr) events = response.mutable_events();
    *events->add_events() = event;
    lease_expired =
        lease_expired || (event.agent_disconnected().session_id() == session_id_ &&
                          event.agent_disconnected().reason() ==
                              conversation::v1::AgentDisconnected::REASON_LEASE_EXPIRED);
  }
  if (events == nullptr) return Taken::kTaken;
  events->set_cursor(entry.cursor);
  *events->mutable_time() = entry.decision.time();
  {
    Item item{.message = std::move(response), .cursor = entry.cursor};
    item.bytes = item.message.ByteSizeLong();
    MutexLock lock(mutex_);
    if (ending_) return Taken::kTaken;
    if (!HasRoomFor(item.bytes)) {
      waiting_source_ = source_;
      return Taken::kFull;
    }
    Queue(std::move(item));
  }
  // The gateway was out of touch for longer than its word was good for; the client is still here.
  if (lease_expired) ConnectAgent();
  return Taken::kTaken;
}

void AgentStream::OnLive(const Position& position) {
  MutexLock lock(mutex_);
  live_ = true;
  for (agent::v1::CommandOutcome& outcome : early_outcomes_) {
    // Everything up to here was shown, so the cursor must not fall back to the outcome's own.
    outcome.set_cursor(ToCursor(position));
    ConnectResponse response;
    *response.mutable_outcome() = std::move(outcome);
    std::string cursor = response.outcome().cursor();
    Enqueue(std::move(response), std::move(cursor));
  }
  early_outcomes_.clear();
}

void AgentStream::OnBeat(const Position& position) {
  ConnectResponse response;
  response.mutable_heartbeat()->set_cursor(ToCursor(position));
  std::string cursor = response.heartbeat().cursor();
  MutexLock lock(mutex_);
  Enqueue(std::move(response), std::move(cursor));
}

void AgentStream::OnTooOld(const Position& position) {
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    source_ = Source::kCatchUp;
  }
  gateway_.metrics().resumes.With({"log"}).Increment();
  CatchUpInBackground([position](AgentStream& self) { self.OpenCatchUp(position); });
}

void AgentStream::CatchUpInBackground(std::function<void(AgentStream&)> step) {
  if (gateway_.RunInBackground(
          [self = shared_from_this(), step = std::move(step)](WorkViews*) { step(*self); })) {
    return;
  }
  MutexLock lock(mutex_);
  End(absl::UnavailableError("too many streams are catching up"), "refused");
}

void AgentStream::OnOverflow() {
  gateway_.metrics().queue_overflows.Increment();
  MutexLock lock(mutex_);
  live_ = false;
  End(absl::ResourceExhaustedError("the stream is read too slowly: resume with the cursor"),
      "slow_reader");
}

void AgentStream::OnLost(const absl::Status& status) {
  MutexLock lock(mutex_);
  live_ = false;
  End(status, absl::IsOutOfRange(status) ? "cursor_too_old" : "log_unavailable");
}

void AgentStream::OpenCatchUp(const Position& from) {
  absl::StatusOr<std::unique_ptr<CatchUp>> catch_up = MakeCatchUp(from);
  if (!catch_up.ok()) return OnLost(catch_up.status());
  {
    MutexLock lock(catch_up_mutex_);
    catch_up_ = *std::move(catch_up);
    read_ahead_.clear();
  }
  ContinueCatchUp();
}

absl::StatusOr<std::unique_ptr<CatchUp>> AgentStream::MakeCatchUp(const Position& from) {
  WISSEL_ASSIGN_OR_RETURN(const int64_t until,
                          AskAndWait<int64_t>(*tail_, [](const PartitionView& view) {
                            return absl::StatusOr<int64_t>(view.position().next_offset);
                          }));
  const CatchUp::Options options{
      .from = from, .until = until, .max_records = gateway_.options().catch_up_max_records};
  using Owners = std::vector<PartitionView::Owners>;
  return CatchUp::Open(
      gateway_.bus(), options,
      [this](const std::vector<std::string>& conversations, int64_t offset) {
        return AskAndWait<Owners>(
            *tail_, [conversations, offset](const PartitionView& view) -> absl::StatusOr<Owners> {
              if (offset < view.ring_start()) {
                return absl::UnavailableError("the log grows faster than it can be read");
              }
              Owners owners;
              owners.reserve(conversations.size());
              for (const std::string& conversation : conversations) {
                owners.push_back(view.OwnersAt(conversation, offset));
              }
              return owners;
            });
      });
}

void AgentStream::ContinueCatchUp() {
  MutexLock lock(catch_up_mutex_);
  if (catch_up_ == nullptr) return;
  while (true) {
    {
      MutexLock state_lock(mutex_);
      if (ending_) {
        catch_up_ = nullptr;
        return;
      }
    }
    while (!read_ahead_.empty()) {
      if (Take(*read_ahead_.front()) == Taken::kFull) return;
      read_ahead_.pop_front();
    }
    if (catch_up_->done()) break;
    absl::StatusOr<std::vector<EntryPtr>> entries = catch_up_->Next(kCatchUpBatch);
    if (!entries.ok()) {
      catch_up_ = nullptr;
      return OnLost(entries.status());
    }
    read_ahead_.insert(read_ahead_.end(), entries->begin(), entries->end());
  }
  const Position position = catch_up_->position();
  catch_up_ = nullptr;
  {
    MutexLock state_lock(mutex_);
    source_ = Source::kTail;
  }
  tail_->Subscribe(shared_from_this(), position);
}

// ---- commands

void AgentStream::OnCommand(command::v1::Command command) {
  const std::string id = command.envelope().id();
  {
    MutexLock lock(mutex_);
    if (ending_) return;
    if (const absl::Status status = CheckCommand(command); !status.ok()) {
      return EnqueueUndecided(id, status.message());
    }
    if (pending_.size() >= gateway_.options().max_commands_in_flight) {
      return EnqueueUndecided(id, "too many commands are waiting for their outcome");
    }
    if (!pending_.emplace(id, gateway_.Now()).second) return;  // its outcome answers both
  }
  gateway_.metrics().commands_in_flight.Increment();
  tail_->Expect(id, shared_from_this());
  gateway_.commands().Send(
      {.seat = seat_, .subject = principal_.subject, .roles = principal_.roles}, std::move(command),
      traceparent_, [self = shared_from_this(), id](const absl::Status& status) {
        if (!status.ok()) self->OnAppendFailed(id, status);
      });
}

void AgentStream::OnAppendFailed(const std::string& command_id, const absl::Status& status) {
  tail_->StopExpecting(command_id, this);
  MutexLock lock(mutex_);
  if (pending_.erase(command_id) == 0) return;
  gateway_.metrics().commands_in_flight.Decrement();
  EnqueueUndecided(command_id, status.message());
}

void AgentStream::EnqueueUndecided(const std::string& command_id, absl::string_view reason) {
  gateway_.metrics().commands.With({"undecided"}).Increment();
  ConnectResponse response;
  response.mutable_outcome()->set_command_id(command_id);
  response.mutable_outcome()->set_undecided_reason(std::string(reason));
  Enqueue(std::move(response), "");
}

void AgentStream::OnOutcome(const Entry& entry, const Entry* original) {
  agent::v1::CommandOutcome outcome = MakeOutcome(entry, original);
  MutexLock lock(mutex_);
  const auto it = pending_.find(entry.command_id);
  if (it == pending_.end()) return;
  Metrics& metrics = gateway_.metrics();
  metrics.outcome_seconds.Observe(gateway_.Now() - it->second);
  metrics.commands_in_flight.Decrement();
  metrics.commands.With({outcome.has_rejected() ? "rejected" : "done"}).Increment();
  pending_.erase(it);
  if (!live_) return early_outcomes_.push_back(std::move(outcome));
  ConnectResponse response;
  *response.mutable_outcome() = std::move(outcome);
  Enqueue(std::move(response), entry.cursor);
}

// ---- time

void AgentStream::Tick(absl::Time now) {
  bool cancel = false;
  {
    MutexLock lock(mutex_);
    const GatewayOptions& options = gateway_.options();
    if (finished_ || ending_) {
      cancel = now - ending_since_ > options.end_grace;
    } else if (now >= principal_.expires_at) {
      End(absl::UnauthenticatedError("the token has expired: resume with a new one"),
          "token_expired", Unsent::kSend);
    } else if (tail_ == nullptr && now - opened_ > options.hello_timeout) {
      End(absl::DeadlineExceededError("no Hello came"), "refused");
    } else if (tail_ != nullptr && !live_ && now - last_queued_ > options.heartbeat_interval) {
      ConnectResponse response;
      response.mutable_heartbeat();
      Enqueue(std::move(response), "");
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
  ConnectResponse response;
  response.mutable_going_away()->set_cursor(queued_cursor_);
  Enqueue(std::move(response), queued_cursor_);
  End(absl::UnavailableError("the gateway is going away: resume on another"), "draining",
      Unsent::kSend);
}

// ---- the queue

bool AgentStream::HasRoomFor(size_t bytes) const {
  const GatewayOptions& options = gateway_.options();
  // Whatever its size, a message may go alone.
  return queue_.empty() ||
         (queue_.size() < options.queue_messages && queue_bytes_ + bytes <= options.queue_bytes);
}

// For what is not asked for again: without room, the stream ends.
void AgentStream::Enqueue(ConnectResponse message, std::string cursor) {
  if (ending_) return;
  Item item{.message = std::move(message), .cursor = std::move(cursor)};
  item.bytes = item.message.ByteSizeLong();
  if (!HasRoomFor(item.bytes)) {
    gateway_.metrics().queue_overflows.Increment();
    return End(
        absl::ResourceExhaustedError("the stream is read too slowly: resume with the cursor"),
        "slow_reader");
  }
  Queue(std::move(item));
}

void AgentStream::Queue(Item item) {
  if (!item.cursor.empty()) queued_cursor_ = item.cursor;
  queue_bytes_ += item.bytes;
  last_queued_ = gateway_.Now();
  queue_.push_back(std::move(item));
  WriteNext();
}

void AgentStream::WriteNext() {
  if (writing_ || finished_) return;
  if (!queue_.empty()) {
    current_ = std::move(queue_.front());
    queue_.pop_front();
    queue_bytes_ -= current_.bytes;
    writing_ = true;
    grpc::WriteOptions options;
    // A hint on a stream's first message would hold it for ever, and so would one on the last.
    if (wrote_any_ && !queue_.empty()) options.set_buffer_hint();
    wrote_any_ = true;
    return StartWrite(&current_.message, options);
  }
  if (ending_) {
    finished_ = true;
    if (!written_cursor_.empty()) call_->AddTrailingMetadata(kCursorMetadata, written_cursor_);
    Finish(rpc::ToGrpc(*ending_));
  }
}

void AgentStream::End(const absl::Status& status, absl::string_view reason, Unsent unsent) {
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
