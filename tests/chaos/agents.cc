#include "tests/chaos/agents.h"

#include <grpcpp/client_context.h>
#include <grpcpp/support/sync_stream.h>

#include <algorithm>
#include <deque>
#include <map>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/backoff.h"
#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/mutex.h"
#include "libs/base/thread.h"
#include "libs/base/uuid.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/cursor.h"
#include "tests/chaos/leaks.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"

namespace wissel::chaos {
namespace {

using agent::v1::ConnectRequest;
using agent::v1::ConnectResponse;
using command::v1::Command;
using conversation::v1::Event;

// Commands of one stream under way at once, below the gateway's limit.
constexpr size_t kMaxUnderWay = 32;

// What gRPC says, without the addresses and numbers that would make each its own.
std::string ReasonOf(const absl::Status& status) {
  std::string text = absl::StrCat(absl::StatusCodeToString(status.code()), " ", status.message());
  if (const size_t detail = text.find(':'); detail != std::string::npos) text.resize(detail);
  text.erase(std::remove_if(text.begin(), text.end(), absl::ascii_isdigit), text.end());
  return text;
}

}  // namespace

class Agents::Agent {
 public:
  Agent(const AgentsOptions& options, AgentSeat seat, size_t number)
      : options_(options), seat_(std::move(seat)), number_(number) {
    for (const std::string& target : options_.gateways) {
      stubs_.push_back(agent::v1::AgentService::NewStub(rpc::MakeChannel({.target = target})));
    }
    transcript_.agent_id = seat_.agent_id;
    thread_ = StartThread("agent", [this] { Run(); });
  }
  ~Agent() { Stop(); }

  void Stop() {
    {
      MutexLock lock(mutex_);
      stopping_ = true;
      if (context_ != nullptr) context_->TryCancel();
      changed_.NotifyAll();
    }
    if (thread_.joinable()) thread_.join();
  }

  // After Stop.
  Transcript TakeTranscript() { return std::move(transcript_); }

  bool connected() const { return connected_; }
  int64_t pending() const { return pending_; }
  int64_t commands() const { return commands_; }
  void AddTo(Reasons* lost, Reasons* refused) const {
    MutexLock lock(mutex_);
    for (const auto& [reason, count] : lost_) (*lost)[reason] += count;
    for (const auto& [reason, count] : refused_) (*refused)[reason] += count;
  }
  int64_t snapshots() const { return snapshots_; }
  // -1 before the first cursor.
  int32_t partition() const { return partition_; }
  int64_t until() const { return until_; }

 private:
  using Stream = grpc::ClientReaderWriter<ConnectRequest, ConnectResponse>;

  struct Mine {
    int answers = 0;
    int limit = 0;
  };

  void Run() {
    Backoff backoff({.initial = absl::Milliseconds(50), .max = absl::Seconds(1)},
                    options_.seed + number_);
    for (size_t gateway = number_;; ++gateway) {
      const absl::Status status = Converse(*stubs_[gateway % stubs_.size()]);
      const bool was_connected = connected_.exchange(false);
      if (was_connected) backoff.Reset();
      // The log no longer holds what comes after the cursor: another snapshot, another stretch.
      if (absl::IsOutOfRange(status)) cursor_.clear();
      MutexLock lock(mutex_);
      if (stopping_) return;
      ++(was_connected ? lost_ : refused_)[ReasonOf(status)];
      changed_.WaitFor(mutex_, backoff.Next());
      if (stopping_) return;
    }
  }

  absl::Status Converse(agent::v1::AgentService::Stub& stub) {
    grpc::ClientContext context;
    rpc::Prepare({.timeout = absl::InfiniteDuration(), .token = seat_.token}, context);
    {
      MutexLock lock(mutex_);
      if (stopping_) return absl::CancelledError();
      context_ = &context;
    }
    const std::unique_ptr<Stream> stream = stub.Connect(&context);
    // What was under way when the last stream was lost goes first, in its order.
    for (auto it = under_way_.rbegin(); it != under_way_.rend(); ++it) waiting_.push_front(*it);
    under_way_.clear();
    ConnectRequest hello;
    hello.mutable_hello()->set_cursor(cursor_);
    stream->Write(hello);
    ConnectResponse response;
    bool leaving = false;
    while (!leaving && stream->Read(&response)) {
      leaving = response.has_going_away();
      React(response);
      if (response.has_heartbeat()) {
        ConnectRequest alive;
        alive.mutable_heartbeat();
        stream->Write(alive);
      }
      if (!leaving) SendWaiting(*stream);
    }
    {
      MutexLock lock(mutex_);
      context_ = nullptr;
    }
    if (leaving) context.TryCancel();
    return rpc::FromGrpc(stream->Finish());
  }

  void SendWaiting(Stream& stream) {
    while (!waiting_.empty() && under_way_.size() < kMaxUnderWay) {
      ConnectRequest request;
      *request.mutable_command() = waiting_.front();
      under_way_.push_back(std::move(waiting_.front()));
      waiting_.pop_front();
      stream.Write(request);
    }
  }

  void React(const ConnectResponse& response) {
    switch (response.kind_case()) {
      case ConnectResponse::kWelcome:
        if (!cursor_.empty()) connected_ = true;
        return;
      case ConnectResponse::kSnapshot:
        return OnSnapshot(response.snapshot());
      case ConnectResponse::kEvents:
        return OnEvents(response.events());
      case ConnectResponse::kOutcome:
        return OnOutcome(response.outcome());
      case ConnectResponse::kHeartbeat:
        return MoveTo(response.heartbeat().cursor());
      case ConnectResponse::kGoingAway:
        return MoveTo(response.going_away().cursor());
      case ConnectResponse::KIND_NOT_SET:
        return;
    }
  }

  void MoveTo(const std::string& cursor) {
    if (cursor.empty()) return;
    const auto position = agent_gateway::ParseCursor(cursor);
    WISSEL_CHECK_OK(position.status());
    cursor_ = cursor;
    partition_ = position->partition;
    until_ = position->next_offset;
    if (!transcript_.stretches.empty()) transcript_.stretches.back().until = until_;
  }

  void OnSnapshot(const agent::v1::Snapshot& snapshot) {
    MoveTo(snapshot.cursor());
    transcript_.stretches.push_back({.partition = partition_, .from = until_, .until = until_});
    connected_ = true;
    ++snapshots_;
    mine_.clear();
    for (const agent::v1::WorkItem& item : snapshot.items()) {
      const state::v1::ConversationState& c = item.conversation();
      if (c.offer().agent_id() == seat_.agent_id) {
        Accept(c.offer().offer_id());
      } else if (c.agent_id() == seat_.agent_id) {
        Take(c.conversation_id(), snapshot.cursor());
      }
    }
    if (snapshot.agent().presence() != command::v1::PRESENCE_AVAILABLE) BecomeAvailable();
  }

  void OnEvents(const agent::v1::Events& events) {
    MoveTo(events.cursor());
    transcript_.stretches.back().shown.push_back({.until = until_, .events = events});
    for (const Event& event : events.events()) OnEvent(event, events.cursor());
  }

  void OnEvent(const Event& event, const std::string& cursor) {
    switch (event.kind_case()) {
      case Event::kOffered:
        mine_.erase(event.offered().conversation_id());
        if (event.offered().agent_id() == seat_.agent_id) Accept(event.offered().offer_id());
        return;
      case Event::kAssigned:
        if (event.assigned().agent_id() == seat_.agent_id) {
          Take(event.assigned().conversation_id(), cursor);
        } else {
          mine_.erase(event.assigned().conversation_id());
        }
        return;
      case Event::kMessageReceived:
        return Answer(event.message_received().conversation_id(),
                      event.message_received().message().provider_message_id());
      case Event::kQueued:
        mine_.erase(event.queued().conversation_id());
        return;
      case Event::kTransferred:
        mine_.erase(event.transferred().conversation_id());
        return;
      case Event::kResolved:
        mine_.erase(event.resolved().conversation_id());
        return;
      case Event::kAgentPresenceChanged:
        if (event.agent_presence_changed().presence() != command::v1::PRESENCE_AVAILABLE) {
          BecomeAvailable();
        }
        return;
      default:
        return;
    }
  }

  void OnOutcome(const agent::v1::CommandOutcome& outcome) {
    MoveTo(outcome.cursor());
    const auto command = std::find_if(under_way_.begin(), under_way_.end(), [&](const Command& c) {
      return c.envelope().id() == outcome.command_id();
    });
    if (command == under_way_.end()) return;
    if (!outcome.undecided_reason().empty() && !outcome.repeated_command()) {
      // Nobody knows, or it was not taken: the same again.
      waiting_.push_back(std::move(*command));
      under_way_.erase(command);
      return;
    }
    if (command->has_send_reply() && !outcome.has_rejected() &&
        outcome.undecided_reason().empty()) {
      transcript_.replies_done.insert(outcome.command_id());
    }
    under_way_.erase(command);
    --pending_;
  }

  // A command's id is derived from what it answers, so that a repeat has the same.
  Command& Give(absl::string_view what, absl::string_view about, absl::string_view on) {
    Command command;
    command.mutable_envelope()->set_id(
        UuidV5(kWisselNamespace, {"chaos", seat_.agent_id, what, about, on}));
    waiting_.push_back(std::move(command));
    ++pending_;
    ++commands_;
    return waiting_.back();
  }

  void Accept(const std::string& offer_id) {
    command::v1::AcceptOffer& accept = *Give("accept", offer_id, "").mutable_accept_offer();
    accept.set_offer_id(offer_id);
    accept.set_agent_id(seat_.agent_id);
  }

  void Take(const std::string& conversation_id, const std::string& cursor) {
    const auto spread = static_cast<uint64_t>(options_.answers + 1);
    mine_[conversation_id] = {.limit = options_.answers +
                                       static_cast<int>(StableHash64(cursor) % spread)};
    Answer(conversation_id, cursor);
  }

  void Answer(const std::string& conversation_id, const std::string& to) {
    const auto it = mine_.find(conversation_id);
    if (it == mine_.end()) return;
    command::v1::SendReply& reply = *Give("answer", conversation_id, to).mutable_send_reply();
    reply.set_conversation_id(conversation_id);
    reply.mutable_message()->add_contents()->mutable_text()->set_text(
        absl::StrCat("answer of ", kPrivateWord, "s to ", to));
    if (++it->second.answers < it->second.limit) return;
    mine_.erase(it);
    Give("resolve", conversation_id, to).mutable_resolve()->set_conversation_id(conversation_id);
  }

  void BecomeAvailable() {
    command::v1::SetPresence& presence =
        *Give("available", absl::StrCat(++presences_), "").mutable_set_presence();
    presence.set_agent_id(seat_.agent_id);
    presence.set_presence(command::v1::PRESENCE_AVAILABLE);
  }

  const AgentsOptions options_;
  const AgentSeat seat_;
  const size_t number_;
  std::vector<std::unique_ptr<agent::v1::AgentService::Stub>> stubs_;

  // The thread's own.
  std::string cursor_;
  std::map<std::string, Mine> mine_;
  std::deque<Command> waiting_;
  std::deque<Command> under_way_;
  int presences_ = 0;
  Transcript transcript_;

  std::atomic<bool> connected_ = false;
  std::atomic<int64_t> pending_ = 0;
  std::atomic<int64_t> commands_ = 0;
  std::atomic<int64_t> snapshots_ = 0;
  std::atomic<int32_t> partition_ = -1;
  std::atomic<int64_t> until_ = 0;

  mutable Mutex mutex_;
  CondVar changed_;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Reasons lost_ ABSL_GUARDED_BY(mutex_);
  Reasons refused_ ABSL_GUARDED_BY(mutex_);

  std::jthread thread_;
};

Agents::Agents(AgentsOptions options) {
  for (size_t i = 0; i < options.seats.size(); ++i) {
    agents_.push_back(std::make_unique<Agent>(options, options.seats[i], i));
  }
}

Agents::~Agents() = default;

int Agents::connected() const {
  return static_cast<int>(
      std::count_if(agents_.begin(), agents_.end(), [](const auto& a) { return a->connected(); }));
}
int64_t Agents::pending_commands() const {
  int64_t sum = 0;
  for (const auto& agent : agents_) sum += agent->pending();
  return sum;
}
int64_t Agents::commands() const {
  int64_t sum = 0;
  for (const auto& agent : agents_) sum += agent->commands();
  return sum;
}
Agents::Reasons Agents::lost() const {
  Reasons lost, refused;
  for (const auto& agent : agents_) agent->AddTo(&lost, &refused);
  return lost;
}
Agents::Reasons Agents::refused() const {
  Reasons lost, refused;
  for (const auto& agent : agents_) agent->AddTo(&lost, &refused);
  return refused;
}
int64_t Agents::snapshots() const {
  int64_t sum = 0;
  for (const auto& agent : agents_) sum += agent->snapshots();
  return sum;
}

bool Agents::Reached(const std::vector<int64_t>& ends) const {
  return std::all_of(agents_.begin(), agents_.end(), [&](const auto& agent) {
    const int32_t partition = agent->partition();
    return partition >= 0 && agent->until() >= ends[static_cast<size_t>(partition)];
  });
}

std::vector<Transcript> Agents::Finish() {
  std::vector<Transcript> transcripts;
  for (const auto& agent : agents_) agent->Stop();
  for (const auto& agent : agents_) transcripts.push_back(agent->TakeTranscript());
  return transcripts;
}

}  // namespace wissel::chaos
