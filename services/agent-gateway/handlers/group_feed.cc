#include "services/agent-gateway/handlers/group_feed.h"

#include <utility>

#include "libs/base/notification.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/handlers/connect.h"
#include "services/agent-gateway/outcome.h"
#include "services/agent-gateway/snapshot.h"

namespace wissel::agent_gateway {

using agent::v1::ConnectResponse;
using conversation::v1::Event;

namespace {

constexpr size_t kCatchUpBatch = 256;
constexpr absl::Duration kAskTimeout = absl::Seconds(10);

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

GroupFeed::GroupFeed(Gateway& gateway, AgentStream& stream, size_t index, Seat seat, Viewer viewer)
    : gateway_(gateway),
      stream_(stream),
      index_(index),
      seat_(std::move(seat)),
      viewer_(std::move(viewer)),
      tail_(gateway.TailOf(seat_.partition)) {}

std::shared_ptr<GroupFeed> GroupFeed::Shared() { return {stream_.shared_from_this(), this}; }

// ---- from the first event to the last

void GroupFeed::Begin(const Beginning& beginning) {
  if (beginning.connect) ConnectAgent();
  if (beginning.from) {
    gateway_.metrics().resumes.With({"recent"}).Increment();
    return tail_.Subscribe(Shared(), *beginning.from);
  }
  gateway_.metrics().resumes.With({"snapshot"}).Increment();
  ShowSnapshot();
}

// Several groups' snapshots may be more than the queue holds: each waits for its room, and is taken
// anew when there is some.
void GroupFeed::ShowSnapshot() {
  TakeSnapshot(gateway_, tail_, viewer_, [self = Shared()](PlacedSnapshot placed) {
    {
      MutexLock lock(self->mutex_);
      self->source_ = Source::kSnapshot;
    }
    ConnectResponse response;
    *response.mutable_snapshot() = std::move(placed.snapshot);
    std::string cursor = response.snapshot().cursor();
    if (self->stream_.Offer(*self, MakeFrame(response, std::move(cursor))) == Taken::kFull) return;
    {
      MutexLock lock(self->mutex_);
      self->source_ = Source::kTail;
    }
    self->tail_.Subscribe(self, placed.position);
  });
}

void GroupFeed::ConnectAgent() {
  {
    MutexLock lock(mutex_);
    connected_ = true;
    mended_ = gateway_.Now();
  }
  gateway_.ConnectAgent(seat_, stream_.session_id(), [self = Shared()](const absl::Status& status) {
    if (!status.ok()) self->stream_.End(status, "log_unavailable");
  });
  bool closed = false;
  {
    MutexLock lock(mutex_);
    closed = closed_;
  }
  // It ended in the meantime, and may have said so before this was said.
  if (closed) gateway_.DisconnectAgent(seat_, stream_.session_id());
}

void GroupFeed::Mend(absl::Time now) {
  {
    MutexLock lock(mutex_);
    // What the router was told just now it may not have decided yet.
    if (!connected_ || closed_ || now - mended_ < gateway_.options().lease_renewal) return;
    mended_ = now;
  }
  tail_.Ask([self = Shared()](const PartitionView& view) {
    const Viewer& viewer = self->viewer_;
    const auto* agent = view.state().FindAgent(viewer.workspace, viewer.agent);
    if (agent == nullptr) return;
    for (const auto& open : agent->sessions()) {
      if (open.session_id() == self->stream_.session_id()) return;
    }
    self->ConnectAgent();
  });
}

void GroupFeed::Close() {
  absl::flat_hash_map<std::string, absl::Time> pending;
  bool connected = false;
  {
    MutexLock lock(mutex_);
    closed_ = true;
    connected = connected_;
    pending = std::exchange(pending_, {});
  }
  tail_.Unsubscribe(Shared());
  for (const auto& [command_id, unused] : pending) {
    tail_.StopExpecting(command_id, this);
    gateway_.metrics().commands_in_flight.Decrement();
  }
  if (connected) gateway_.DisconnectAgent(seat_, stream_.session_id());
}

bool GroupFeed::live() const {
  MutexLock lock(mutex_);
  return live_;
}

// ---- events

Subscriber::Taken GroupFeed::Take(const Entry& entry) {
  FramePtr frame = entry.FrameFor(viewer_);
  if (frame == nullptr) return Taken::kTaken;
  const Taken taken = stream_.Offer(*this, std::move(frame));
  if (taken == Taken::kTaken && HasLostLease(entry)) ConnectAgent();
  return taken;
}

// The gateway was out of touch for longer than its word was good for; the client is still here.
bool GroupFeed::HasLostLease(const Entry& entry) const {
  for (const Event& event : entry.decision.events()) {
    if (!event.has_agent_disconnected()) continue;
    const conversation::v1::AgentDisconnected& gone = event.agent_disconnected();
    if (gone.session_id() == stream_.session_id() &&
        gone.reason() == conversation::v1::AgentDisconnected::REASON_LEASE_EXPIRED) {
      return true;
    }
  }
  return false;
}

void GroupFeed::OnLive(const Position& position) {
  std::vector<agent::v1::CommandOutcome> outcomes;
  {
    MutexLock lock(mutex_);
    live_ = true;
    outcomes = std::exchange(early_outcomes_, {});
  }
  // Everything up to here was shown, so the cursor must not fall back to the outcome's own.
  for (agent::v1::CommandOutcome& outcome : outcomes) {
    SendOutcome(std::move(outcome), ToCursor(position));
  }
}

void GroupFeed::OnBeat(const Position& position) {
  ConnectResponse response;
  std::string cursor = ToCursor(position);
  response.mutable_heartbeat()->set_routing_group_id(viewer_.routing_group);
  response.mutable_heartbeat()->set_cursor(cursor);
  stream_.Send(MakeFrame(response, std::move(cursor)), index_);
}

void GroupFeed::OnOverflow() {
  {
    MutexLock lock(mutex_);
    live_ = false;
  }
  stream_.EndSlowReader();
}

void GroupFeed::OnLost(const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    live_ = false;
  }
  stream_.End(rpc::OfDependency(status),
              absl::IsOutOfRange(status) ? "cursor_too_old" : "log_unavailable");
}

void GroupFeed::Resume() {
  Source source;
  {
    MutexLock lock(mutex_);
    source = source_;
  }
  switch (source) {
    case Source::kSnapshot:
      return ShowSnapshot();
    case Source::kTail:
      return tail_.Go(Shared());
    case Source::kCatchUp:
      return CatchUpInBackground([](GroupFeed& self) { self.ContinueCatchUp(); });
  }
}

// ---- what the tail has forgotten

void GroupFeed::OnTooOld(const Position& position) {
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    source_ = Source::kCatchUp;
  }
  gateway_.metrics().resumes.With({"log"}).Increment();
  CatchUpInBackground([position](GroupFeed& self) { self.OpenCatchUp(position); });
}

void GroupFeed::CatchUpInBackground(std::function<void(GroupFeed&)> step) {
  if (gateway_.RunInBackground(
          [self = Shared(), step = std::move(step)](WorkViews*) { step(*self); })) {
    return;
  }
  stream_.End(absl::UnavailableError("too many streams are catching up"), "refused");
}

void GroupFeed::OpenCatchUp(const Position& from) {
  absl::StatusOr<std::unique_ptr<CatchUp>> catch_up = MakeCatchUp(from);
  if (!catch_up.ok()) return OnLost(catch_up.status());
  {
    MutexLock lock(catch_up_mutex_);
    catch_up_ = *std::move(catch_up);
    read_ahead_.clear();
  }
  ContinueCatchUp();
}

absl::StatusOr<std::unique_ptr<CatchUp>> GroupFeed::MakeCatchUp(const Position& from) {
  WISSEL_ASSIGN_OR_RETURN(const int64_t until,
                          AskAndWait<int64_t>(tail_, [](const PartitionView& view) {
                            return absl::StatusOr<int64_t>(view.position().next_offset);
                          }));
  const CatchUp::Options options{
      .from = from, .until = until, .max_records = gateway_.options().catch_up_max_records};
  using Owners = std::vector<PartitionView::Owners>;
  return CatchUp::Open(
      gateway_.bus(), options,
      [this](const std::vector<std::string>& conversations, int64_t offset) {
        return AskAndWait<Owners>(
            tail_, [conversations, offset](const PartitionView& view) -> absl::StatusOr<Owners> {
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

void GroupFeed::ContinueCatchUp() {
  MutexLock lock(catch_up_mutex_);
  if (catch_up_ == nullptr) return;
  while (true) {
    if (stream_.ending()) {
      catch_up_ = nullptr;
      return;
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
  tail_.Subscribe(Shared(), position);
}

// ---- commands

void GroupFeed::OnCommand(command::v1::Command command) {
  const std::string id = command.envelope().id();
  if (const absl::Status status = CheckCommand(command); !status.ok()) {
    return SendUndecided(id, status);
  }
  bool too_many = false;
  {
    MutexLock lock(mutex_);
    if (closed_) return;
    too_many = pending_.size() >= gateway_.options().max_commands_in_flight;
    // A repeat of one that waits: its outcome answers both.
    if (!too_many && !pending_.emplace(id, gateway_.Now()).second) return;
  }
  if (too_many) {
    const auto refused =
        absl::ResourceExhaustedError("too many commands are waiting for their outcome");
    gateway_.metrics().refused.Count(refused);
    return SendUndecided(id, refused);
  }
  gateway_.metrics().commands_in_flight.Increment();
  tail_.Expect(id, Shared(), [self = Shared(), command = std::move(command)]() mutable {
    self->Append(std::move(command));
  });
}

void GroupFeed::Append(command::v1::Command command) {
  const std::string id = command.envelope().id();
  {
    MutexLock lock(mutex_);
    if (!pending_.contains(id)) return;  // Given up meanwhile.
  }
  gateway_.commands().Send(
      {.seat = seat_, .subject = stream_.principal().subject, .roles = stream_.principal().roles},
      std::move(command), stream_.traceparent(), [self = Shared(), id](const absl::Status& status) {
        if (!status.ok()) self->GiveUp(id, status);
      });
}

void GroupFeed::GiveUpCommands(absl::Time now) {
  std::vector<std::string> late;
  {
    MutexLock lock(mutex_);
    for (const auto& [command_id, sent] : pending_) {
      if (now - sent >= gateway_.options().command_timeout) late.push_back(command_id);
    }
  }
  for (const std::string& command_id : late)
    GiveUp(command_id, absl::DeadlineExceededError(kNoOutcomeYet));
}

void GroupFeed::GiveUp(const std::string& command_id, const absl::Status& status) {
  {
    MutexLock lock(mutex_);
    // Where the feed has closed, the tail may be gone, and the gateway with it.
    if (pending_.erase(command_id) == 0) return;
  }
  tail_.StopExpecting(command_id, this);
  gateway_.metrics().commands_in_flight.Decrement();
  SendUndecided(command_id, status);
}

void GroupFeed::SendUndecided(const std::string& command_id, const absl::Status& status) {
  gateway_.metrics().commands.With({"undecided"}).Increment();
  agent::v1::CommandOutcome outcome;
  outcome.set_command_id(command_id);
  outcome.set_undecided_reason(std::string(status.message()));
  SendOutcome(std::move(outcome), "");
}

void GroupFeed::OnOutcome(const Entry& entry, const Entry* original) {
  agent::v1::CommandOutcome outcome = MakeOutcome(entry, original);
  {
    MutexLock lock(mutex_);
    const auto it = pending_.find(entry.command_id);
    if (it == pending_.end()) return;
    Metrics& metrics = gateway_.metrics();
    metrics.outcome_seconds.Observe(gateway_.Now() - it->second);
    metrics.commands_in_flight.Decrement();
    metrics.commands.With({KindOf(outcome)}).Increment();
    pending_.erase(it);
    if (!live_) return early_outcomes_.push_back(std::move(outcome));
  }
  SendOutcome(std::move(outcome), entry.cursor);
}

void GroupFeed::SendOutcome(agent::v1::CommandOutcome outcome, const std::string& cursor) {
  outcome.set_routing_group_id(viewer_.routing_group);
  outcome.set_cursor(cursor);
  ConnectResponse response;
  *response.mutable_outcome() = std::move(outcome);
  stream_.Send(MakeFrame(response, cursor), index_);
}

}  // namespace wissel::agent_gateway
