#include "libs/sim/simulation.h"

#include <algorithm>
#include <deque>
#include <queue>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/domain/engine.h"

namespace wissel::sim {

using command::v1::Command;
using conversation::v1::Event;
using log::v1::Decision;
using state::v1::ConversationStatus;

namespace {

constexpr absl::Duration kLease = absl::Minutes(10);
constexpr absl::Duration kRenewEvery = absl::Minutes(9);
constexpr char kGateway[] = "simulation";
constexpr int kSlices = 96;
constexpr int kNone = -1;

// The integral over time of something that changes in steps, in slices.
class OverTime {
 public:
  OverTime(absl::Time begin, absl::Duration slice, size_t slices)
      : begin_(begin), slice_(slice), last_(begin), sums_(slices) {}

  double value() const { return value_; }

  void Set(absl::Time now, double value) {
    Advance(now);
    value_ = value;
  }

  void Advance(absl::Time now) {
    while (last_ < now) {
      const auto i = static_cast<size_t>((last_ - begin_) / slice_);
      if (i >= sums_.size()) return;
      const absl::Time until = std::min(now, begin_ + slice_ * static_cast<int64_t>(i + 1));
      sums_[i] += value_ * absl::ToDoubleSeconds(until - last_);
      last_ = until;
    }
  }

  // Value times seconds.
  double InSlice(size_t i) const { return sums_[i]; }
  double Total() const {
    double total = 0;
    for (const double sum : sums_) total += sum;
    return total;
  }

 private:
  absl::Time begin_;
  absl::Duration slice_;
  absl::Time last_;
  double value_ = 0;
  std::vector<double> sums_;
};

struct QueueFigures {
  std::string queue_id;
  std::vector<absl::Duration> waits;
  std::vector<absl::Duration> first_responses;
  int64_t arrived = 0;
  int64_t abandoned = 0;
  int64_t left_waiting = 0;
  int64_t in_time = 0;
  int64_t breaches = 0;
  Offers offers;
  OverTime waiting;
  int64_t max_waiting = 0;
};

struct Agent {
  std::string id;
  std::string routing_group_id;
  bool connected = false;
  bool leaving = false;
  int sessions = 0;
  // Steps that wait for the agent's connection: (conversation, generation).
  std::vector<std::pair<int, uint32_t>> deferred;

  // Since `since`, as the engine has it.
  absl::Time since;
  bool on_duty = false;
  int32_t used = 0;
  int32_t capacity = 0;
  absl::Duration duty;
  absl::Duration busy;
  double used_seconds = 0;
  double capacity_seconds = 0;
  int64_t conversations = 0;
  Offers offers;
};

struct Conversation {
  std::string id;
  Customer customer;
  size_t next_step = 0;
  // Time with an agent, up to `with_agent_since` where it is with one now.
  absl::Duration handled;
  absl::Time with_agent_since;
  int agent = kNone;
  int offered_to = kNone;
  int offers = 0;
  // Rises when what is scheduled for it no longer holds.
  uint32_t generation = 0;
  bool counted = false;
  bool waiting = false;
  bool was_served = false;
  bool over = false;
  bool answered = false;
  int first_queue = kNone;
  int queue = kNone;
  int messages = 1;
};

enum class What { kConfig, kLease, kAgentAct, kAgentBack, kReaction, kStep, kCustomerLeaves };

struct Due {
  absl::Time time;
  uint64_t order;
  What what;
  int index;
  uint32_t generation;
  Reaction::Kind reaction;

  bool operator>(const Due& other) const {
    return std::tie(time, order) > std::tie(other.time, other.order);
  }
};

}  // namespace

class Run {
 public:
  // Without a behaviour, reads what others decided.
  Run(SimulationOptions options, Behaviour* behaviour)
      : options_(std::move(options)),
        behaviour_(behaviour),
        now_(options_.start),
        end_(options_.start + options_.length),
        slice_(std::max(absl::Seconds(1), options_.length / kSlices)),
        slices_(static_cast<size_t>(absl::ToDoubleSeconds(options_.length + options_.run_out) /
                                    absl::ToDoubleSeconds(slice_)) +
                1),
        waiting_(NewOverTime()),
        used_(NewOverTime()),
        capacity_(NewOverTime()),
        on_duty_(NewOverTime()),
        slice_waits_(slices_),
        arrived_(slices_) {
    if (behaviour_ == nullptr) return;
    engine_.emplace(std::move(options_.state),
                    domain::Engine::Options{.holds = [](absl::string_view) { return true; }});
    state_ = &engine_->state();
  }

  Report Go();
  void Take(const Decision& decision, const domain::State& state);
  Report Finish();

 private:
  OverTime NewOverTime() const { return OverTime(options_.start, slice_, slices_); }
  void Begin();
  void TakeUpOngoing();
  void Push(absl::Time time, What what, int index, uint32_t generation = 0,
            Reaction::Kind reaction = Reaction::Kind::kAccept) {
    heap_.push({time, order_++, what, index, generation, reaction});
  }

  // --- inputs
  // Ids of a version that says nothing of their making (RFC 9562, 5.8). A recorded message keeps
  // its own, so commands and messages do not share any.
  std::string NextId(int kind) {
    return absl::StrFormat("%08x-0000-8000-8000-%012x", kind, ++ids_);
  }
  std::string NextCommandId() { return NextId(0); }
  log::v1::InputCause Cause(common::v1::InputTopic topic) {
    log::v1::InputCause cause;
    cause.set_topic(topic);
    cause.set_offset(offsets_[topic]++);
    return cause;
  }
  Command By(const Agent& agent);
  void Do(const Command& command);
  void Receive(message::v1::InboundMessage message, Customer* customer);
  void SetPresence(Agent& agent, command::v1::Presence presence, absl::string_view reason);
  void Connect(Agent& agent);
  void Disconnect(Agent& agent);

  // --- what falls due
  void On(const Due& due);
  void Act(const AgentAct& act);
  void GoIfDone(int agent);
  void React(Conversation& c, Reaction::Kind kind);
  void TakeStep(int index);
  void ScheduleStep(int index);
  void CustomerLeaves(Conversation& c);

  // --- what was decided
  void Read(const Decision& decision);
  void Read(const Event& event);
  int FindConversation(const std::string& id) const {
    const auto it = conversation_of_.find(id);
    return it == conversation_of_.end() ? kNone : it->second;
  }
  int FindAgent(absl::string_view id);
  int FindQueue(absl::string_view id);
  int AddConversation(const std::string& id, Customer customer);
  void SetWaiting(Conversation& c, bool waiting);
  void WithAgent(int index, int agent);
  void WithoutAgent(Conversation& c);
  void WaitIsOver(Conversation& c, Outcome::Fate fate);
  void Answered(Conversation& c);
  void Look(int agent);
  absl::Duration HandledNow(const Conversation& c) const {
    return c.agent == kNone ? c.handled : c.handled + (now_ - c.with_agent_since);
  }
  bool Counts(absl::Time arrival) const {
    return arrival >= options_.start + options_.warm_up && arrival < end_;
  }
  size_t SliceOf(absl::Time time) const {
    return std::min(
        slices_ - 1,
        static_cast<size_t>(std::max(absl::ZeroDuration(), time - options_.start) / slice_));
  }

  SimulationOptions options_;
  Behaviour* behaviour_;
  absl::Time now_;
  const absl::Time end_;
  const absl::Duration slice_;
  const size_t slices_;
  OverTime waiting_;
  OverTime used_;
  OverTime capacity_;
  OverTime on_duty_;
  std::vector<std::vector<absl::Duration>> slice_waits_;
  std::vector<int64_t> arrived_;
  std::optional<domain::Engine> engine_;
  const domain::State* state_ = nullptr;  // the engine's, or the watched one's

  std::priority_queue<Due, std::vector<Due>, std::greater<>> heap_;
  uint64_t order_ = 0;
  uint64_t ids_ = 0;
  absl::flat_hash_map<int, int64_t> offsets_;
  std::string workspace_id_;

  std::vector<AgentAct> acts_;
  std::deque<Agent> agents_;  // stays where it is when more come
  absl::flat_hash_map<std::string, int> agent_of_;
  std::deque<Conversation> conversations_;
  absl::flat_hash_map<std::string, int> conversation_of_;
  std::vector<QueueFigures> queues_;
  absl::flat_hash_map<std::string, int> queue_of_;
  // The customer whose message is being decided.
  Customer* arriving_ = nullptr;
  std::vector<int> looked_at_;  // agents that a decision named

  int64_t decisions_ = 0;
  int64_t events_ = 0;
  int64_t rejected_ = 0;
};

// ---------------------------------------------------------------------------------------------
// Inputs

Command Run::By(const Agent& agent) {
  Command command;
  command.mutable_envelope()->set_workspace_id(workspace_id_);
  command.mutable_envelope()->set_routing_group_id(agent.routing_group_id);
  command.mutable_envelope()->set_id(NextCommandId());
  command.mutable_actor()->set_subject(agent.id);
  command.mutable_actor()->set_role(common::v1::ROLE_AGENT);
  command.mutable_actor()->set_agent_id(agent.id);
  return command;
}

void Run::Do(const Command& command) {
  Read(engine_->Decide(Cause(common::v1::INPUT_TOPIC_COMMANDS), command, now_));
}

void Run::Receive(message::v1::InboundMessage message, Customer* customer) {
  arriving_ = customer;
  Read(engine_->Decide(Cause(common::v1::INPUT_TOPIC_INBOUND), std::move(message), now_));
  arriving_ = nullptr;
}

void Run::SetPresence(Agent& agent, command::v1::Presence presence, absl::string_view reason) {
  Command command = By(agent);
  command.mutable_set_presence()->set_agent_id(agent.id);
  command.mutable_set_presence()->set_presence(presence);
  command.mutable_set_presence()->set_reason(std::string(reason));
  Do(command);
}

void Run::Connect(Agent& agent) {
  agent.connected = true;
  Command command = By(agent);
  command::v1::ConnectAgent& connect = *command.mutable_connect_agent();
  connect.set_agent_id(agent.id);
  connect.set_session_id(absl::StrCat(agent.id, "-", ++agent.sessions));
  connect.set_gateway_id(kGateway);
  *connect.mutable_lease() = ToProto(kLease);
  Do(command);
  for (const auto& [index, generation] : std::exchange(agent.deferred, {})) {
    Push(now_, What::kStep, index, generation);
  }
}

void Run::Disconnect(Agent& agent) {
  agent.connected = false;
  const state::v1::AgentState* state = state_->FindAgent(workspace_id_, agent.id);
  if (state == nullptr) return;
  std::vector<std::string> sessions;
  for (const auto& session : state->sessions()) sessions.push_back(session.session_id());
  for (const std::string& session : sessions) {
    Command command = By(agent);
    command.mutable_disconnect_agent()->set_agent_id(agent.id);
    command.mutable_disconnect_agent()->set_session_id(session);
    Do(command);
  }
}

// ---------------------------------------------------------------------------------------------
// What falls due

void Run::On(const Due& due) {
  switch (due.what) {
    case What::kConfig: {
      const config::v1::WorkspaceConfig& config =
          options_.configs[static_cast<size_t>(due.index)].config;
      std::optional<Decision> decision =
          engine_->Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), config, now_);
      if (decision.has_value()) Read(*decision);
      for (size_t i = 0; i < agents_.size(); ++i) Look(static_cast<int>(i));
      return;
    }
    case What::kLease: {
      Command command;
      command.mutable_envelope()->set_workspace_id(workspace_id_);
      command.mutable_envelope()->set_id(NextCommandId());
      command.mutable_renew_gateway_lease()->set_gateway_id(kGateway);
      *command.mutable_renew_gateway_lease()->mutable_lease() = ToProto(kLease);
      Do(command);
      return Push(now_ + kRenewEvery, What::kLease, 0);
    }
    case What::kAgentAct:
      return Act(acts_[static_cast<size_t>(due.index)]);
    case What::kAgentBack: {
      Agent& agent = agents_[static_cast<size_t>(due.index)];
      const state::v1::AgentState* state = state_->FindAgent(workspace_id_, agent.id);
      if (state != nullptr && agent.connected && !agent.leaving &&
          state->presence() == command::v1::PRESENCE_AWAY) {
        SetPresence(agent, command::v1::PRESENCE_AVAILABLE, "");
      }
      return;
    }
    case What::kReaction: {
      Conversation& c = conversations_[static_cast<size_t>(due.index)];
      if (c.generation == due.generation) React(c, due.reaction);
      return;
    }
    case What::kStep: {
      const Conversation& c = conversations_[static_cast<size_t>(due.index)];
      if (c.generation == due.generation) TakeStep(due.index);
      return;
    }
    case What::kCustomerLeaves:
      return CustomerLeaves(conversations_[static_cast<size_t>(due.index)]);
  }
}

void Run::Act(const AgentAct& act) {
  const int index = FindAgent(act.agent_id);
  if (index == kNone) return;  // the configuration in force does not have the agent
  Agent& agent = agents_[static_cast<size_t>(index)];
  switch (act.kind) {
    case AgentAct::Kind::kConnect:
      agent.leaving = false;
      return Connect(agent);
    case AgentAct::Kind::kDisconnect:
      return Disconnect(agent);
    case AgentAct::Kind::kReconnect: {
      if (agent.connected) return;
      Connect(agent);
      const state::v1::AgentState* state = state_->FindAgent(workspace_id_, agent.id);
      if (state != nullptr && state->presence() == command::v1::PRESENCE_OFFLINE) {
        SetPresence(agent, command::v1::PRESENCE_AVAILABLE, "");
      }
      return;
    }
    case AgentAct::Kind::kAvailable:
      agent.leaving = false;
      return SetPresence(agent, command::v1::PRESENCE_AVAILABLE, "");
    case AgentAct::Kind::kAway:
      return SetPresence(agent, command::v1::PRESENCE_AWAY, act.reason);
    case AgentAct::Kind::kDraining:
      return SetPresence(agent, command::v1::PRESENCE_DRAINING, "");
    case AgentAct::Kind::kLeave:
      SetPresence(agent, command::v1::PRESENCE_DRAINING, "");
      agent.leaving = true;
      return GoIfDone(index);
    case AgentAct::Kind::kOffline:
      return SetPresence(agent, command::v1::PRESENCE_OFFLINE, "");
    case AgentAct::Kind::kCapacity: {
      Command command = By(agent);
      command.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
      command.mutable_set_capacity()->set_agent_id(agent.id);
      command.mutable_set_capacity()->set_capacity_units(act.units);
      return Do(command);
    }
  }
}

void Run::GoIfDone(int index) {
  Agent& agent = agents_[static_cast<size_t>(index)];
  if (!agent.leaving || agent.used > 0) return;
  agent.leaving = false;
  SetPresence(agent, command::v1::PRESENCE_OFFLINE, "");
  Disconnect(agents_[static_cast<size_t>(index)]);
}

void Run::React(Conversation& c, Reaction::Kind kind) {
  if (c.offered_to == kNone) return;
  const Agent& agent = agents_[static_cast<size_t>(c.offered_to)];
  const state::v1::ConversationState* state = state_->FindConversation(c.id);
  if (!agent.connected || state == nullptr || !state->has_offer()) return;
  Command command = By(agent);
  if (kind == Reaction::Kind::kAccept) {
    command.mutable_accept_offer()->set_agent_id(agent.id);
    command.mutable_accept_offer()->set_offer_id(state->offer().offer_id());
  } else {
    command.mutable_decline_offer()->set_agent_id(agent.id);
    command.mutable_decline_offer()->set_offer_id(state->offer().offer_id());
  }
  Do(command);
}

void Run::ScheduleStep(int index) {
  const Conversation& c = conversations_[static_cast<size_t>(index)];
  if (c.agent == kNone || c.over || c.next_step >= c.customer.steps.size()) return;
  const absl::Duration left = c.customer.steps[c.next_step].at - HandledNow(c);
  Push(now_ + std::max(left, absl::ZeroDuration()), What::kStep, index, c.generation);
}

void Run::TakeStep(int index) {
  {
    Conversation& c = conversations_[static_cast<size_t>(index)];
    Agent& agent = agents_[static_cast<size_t>(c.agent)];
    const Step::Kind kind = c.customer.steps[c.next_step].kind;
    if (kind != Step::Kind::kCustomerWrites && !agent.connected) {
      agent.deferred.emplace_back(index, c.generation);
      return;
    }
    const uint32_t generation = c.generation;
    const Step step = c.customer.steps[c.next_step++];
    Command command = By(agent);
    switch (step.kind) {
      case Step::Kind::kCustomerWrites: {
        message::v1::InboundMessage message =
            step.message != nullptr ? *step.message : c.customer.message;
        if (step.message == nullptr) {
          message.mutable_envelope()->set_id(NextId(2));
          message.set_provider_message_id(
              absl::StrCat(message.provider_message_id(), "-", ++c.messages));
        }
        Receive(std::move(message), nullptr);
        break;
      }
      case Step::Kind::kReply:
        command.mutable_send_reply()->set_conversation_id(c.id);
        command.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text(
            "an answer");
        Do(command);
        break;
      case Step::Kind::kTransfer:
        command.mutable_transfer()->set_conversation_id(c.id);
        command.mutable_transfer()->set_queue_id(step.detail);
        Do(command);
        break;
      case Step::Kind::kPark:
        command.mutable_park()->set_conversation_id(c.id);
        Do(command);
        break;
      case Step::Kind::kResume:
        command.mutable_resume()->set_conversation_id(c.id);
        Do(command);
        break;
      case Step::Kind::kResolve:
        command.mutable_resolve()->set_conversation_id(c.id);
        command.mutable_resolve()->set_resolution(step.detail);
        Do(command);
        break;
    }
    if (conversations_[static_cast<size_t>(index)].generation != generation) return;
  }
  ScheduleStep(index);
}

void Run::CustomerLeaves(Conversation& c) {
  if (c.was_served || c.over) return;
  Command command;
  const state::v1::ConversationState* state = state_->FindConversation(c.id);
  if (state == nullptr) return;
  command.mutable_envelope()->set_workspace_id(workspace_id_);
  command.mutable_envelope()->set_routing_group_id(state->routing_group_id());
  command.mutable_envelope()->set_id(NextCommandId());
  command.mutable_actor()->set_subject("customer");
  command.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  command.mutable_resolve()->set_conversation_id(c.id);
  command.mutable_resolve()->set_resolution("abandoned");
  Do(command);
}

// ---------------------------------------------------------------------------------------------
// What was decided

int Run::FindQueue(absl::string_view id) {
  const auto [it, is_new] = queue_of_.emplace(std::string(id), static_cast<int>(queues_.size()));
  if (is_new) queues_.push_back({.queue_id = std::string(id), .waiting = NewOverTime()});
  return it->second;
}

int Run::FindAgent(absl::string_view id) {
  if (id.empty()) return kNone;
  const auto it = agent_of_.find(id);
  if (it != agent_of_.end()) return it->second;
  const state::v1::AgentState* state = state_->FindAgent(workspace_id_, id);
  if (state == nullptr) return kNone;
  const int index = static_cast<int>(agents_.size());
  agent_of_.emplace(std::string(id), index);
  agents_.push_back({.id = std::string(id), .routing_group_id = state->routing_group_id()});
  agents_.back().connected = state->sessions_size() > 0;
  agents_.back().since = now_;
  return index;
}

int Run::AddConversation(const std::string& id, Customer customer) {
  const int index = static_cast<int>(conversations_.size());
  conversation_of_[id] = index;
  Conversation& c = conversations_.emplace_back();
  c.id = id;
  c.customer = std::move(customer);
  c.counted = Counts(c.customer.arrival);
  if (c.counted) ++arrived_[SliceOf(c.customer.arrival)];
  if (c.customer.patience.has_value()) {
    Push(c.customer.arrival + *c.customer.patience, What::kCustomerLeaves, index);
  }
  return index;
}

void Run::SetWaiting(Conversation& c, bool waiting) {
  if (c.waiting == waiting) return;
  c.waiting = waiting;
  const double change = waiting ? 1 : -1;
  waiting_.Set(now_, waiting_.value() + change);
  QueueFigures& queue = queues_[static_cast<size_t>(c.queue)];
  queue.waiting.Set(now_, queue.waiting.value() + change);
  queue.max_waiting = std::max(queue.max_waiting, static_cast<int64_t>(queue.waiting.value()));
}

void Run::WaitIsOver(Conversation& c, Outcome::Fate fate) {
  if (!c.counted || c.first_queue == kNone) return;
  QueueFigures& queue = queues_[static_cast<size_t>(c.first_queue)];
  const absl::Duration wait = now_ - c.customer.arrival;
  ++queue.arrived;
  switch (fate) {
    case Outcome::Fate::kServed:
      queue.waits.push_back(wait);
      slice_waits_[SliceOf(c.customer.arrival)].push_back(wait);
      if (options_.service_level.has_value() && wait <= *options_.service_level) ++queue.in_time;
      break;
    case Outcome::Fate::kAbandoned:
      ++queue.abandoned;
      break;
    case Outcome::Fate::kLeftWaiting:
      ++queue.left_waiting;
      break;
  }
  if (options_.on_outcome) {
    options_.on_outcome({.conversation_id = c.id,
                         .queue_id = queue.queue_id,
                         .arrival = c.customer.arrival,
                         .fate = fate,
                         .wait = wait});
  }
}

void Run::Answered(Conversation& c) {
  if (c.answered || !c.counted || c.first_queue == kNone) return;
  c.answered = true;
  QueueFigures& queue = queues_[static_cast<size_t>(c.first_queue)];
  const absl::Duration after = now_ - c.customer.arrival;
  queue.first_responses.push_back(after);
  if (options_.first_response_target.has_value() && after > *options_.first_response_target) {
    ++queue.breaches;
  }
}

void Run::WithAgent(int index, int agent) {
  Conversation& c = conversations_[static_cast<size_t>(index)];
  c.handled = HandledNow(c);
  c.with_agent_since = now_;
  if (c.agent != agent) ++agents_[static_cast<size_t>(agent)].conversations;
  c.agent = agent;
  c.offered_to = kNone;
  ++c.generation;
  SetWaiting(c, false);
  if (!c.was_served) {
    c.was_served = true;
    WaitIsOver(c, Outcome::Fate::kServed);
  }
  ScheduleStep(index);
}

void Run::WithoutAgent(Conversation& c) {
  c.handled = HandledNow(c);
  c.agent = kNone;
  c.offered_to = kNone;
  ++c.generation;
}

void Run::Look(int index) {
  Agent& agent = agents_[static_cast<size_t>(index)];
  const state::v1::AgentState* state = state_->FindAgent(workspace_id_, agent.id);
  const absl::Duration passed = now_ - agent.since;
  if (agent.on_duty) {
    agent.duty += passed;
    agent.capacity_seconds += agent.capacity * absl::ToDoubleSeconds(passed);
    agent.used_seconds += agent.used * absl::ToDoubleSeconds(passed);
    if (agent.used > 0) agent.busy += passed;
  }
  agent.since = now_;
  const int32_t used = state == nullptr ? 0 : state->used_units();
  const int32_t capacity = state == nullptr ? 0 : state->capacity_units();
  const bool on_duty = state != nullptr && (state->presence() == command::v1::PRESENCE_AVAILABLE ||
                                            state->presence() == command::v1::PRESENCE_DRAINING);
  used_.Set(now_, used_.value() + (on_duty ? used : 0) - (agent.on_duty ? agent.used : 0));
  capacity_.Set(
      now_, capacity_.value() + (on_duty ? capacity : 0) - (agent.on_duty ? agent.capacity : 0));
  on_duty_.Set(now_, on_duty_.value() + (on_duty ? 1 : 0) - (agent.on_duty ? 1 : 0));
  agent.used = used;
  agent.capacity = capacity;
  agent.on_duty = on_duty;
}

void Run::Read(const Decision& decision) {
  ++decisions_;
  events_ += decision.events_size();
  if (options_.on_decision) options_.on_decision(decision);
  looked_at_.clear();
  for (const Event& event : decision.events()) Read(event);
  std::sort(looked_at_.begin(), looked_at_.end());
  looked_at_.erase(std::unique(looked_at_.begin(), looked_at_.end()), looked_at_.end());
  const std::vector<int> agents = std::exchange(looked_at_, {});
  for (const int agent : agents) Look(agent);
  for (const int agent : agents) GoIfDone(agent);
}

void Run::Read(const Event& event) {
  const auto conversation = [&](const std::string& id) -> Conversation* {
    const int index = FindConversation(id);
    if (index == kNone) return nullptr;
    Conversation& c = conversations_[static_cast<size_t>(index)];
    if (c.agent != kNone) looked_at_.push_back(c.agent);
    if (c.offered_to != kNone) looked_at_.push_back(c.offered_to);
    return &c;
  };
  const auto agent = [&](absl::string_view id) {
    const int index = FindAgent(id);
    if (index != kNone) looked_at_.push_back(index);
    return index;
  };
  // Of the agent's and of the conversation's queue.
  const auto count = [&](Conversation& c, int index, int64_t Offers::*what) {
    if (!c.counted) return;
    if (index != kNone) ++(agents_[static_cast<size_t>(index)].offers.*what);
    if (c.queue != kNone) ++(queues_[static_cast<size_t>(c.queue)].offers.*what);
  };
  switch (event.kind_case()) {
    case Event::kConversationOpened:
      if (behaviour_ == nullptr) {
        AddConversation(event.conversation_opened().conversation_id(), {.arrival = now_});
      } else if (arriving_ != nullptr) {
        AddConversation(event.conversation_opened().conversation_id(), std::move(*arriving_));
        arriving_ = nullptr;
      }
      return;
    case Event::kMessageReceived:
      // Somebody who was here already: what comes of this message comes after what was to come.
      if (arriving_ == nullptr) return;
      if (Conversation* c = conversation(event.message_received().conversation_id())) {
        const bool idle = c->next_step >= c->customer.steps.size();
        const absl::Duration base = idle ? HandledNow(*c) : c->customer.steps.back().at;
        for (Step& step : arriving_->steps) {
          step.at += base;
          c->customer.steps.push_back(std::move(step));
        }
        if (idle && c->agent != kNone && !c->over) {
          ++c->generation;
          ScheduleStep(FindConversation(c->id));
        }
        arriving_ = nullptr;
      } else {
        AddConversation(event.message_received().conversation_id(), std::move(*arriving_));
        arriving_ = nullptr;
      }
      return;
    case Event::kQueued:
      agent(event.queued().from_agent_id());
      if (Conversation* c = conversation(event.queued().conversation_id())) {
        const int queue = FindQueue(event.queued().queue_id());
        if (c->queue != queue) {
          SetWaiting(*c, false);
          c->queue = queue;
        }
        if (c->first_queue == kNone) c->first_queue = queue;
        c->over = false;
        WithoutAgent(*c);
        SetWaiting(*c, true);
      }
      return;
    case Event::kOffered: {
      const int index = FindConversation(event.offered().conversation_id());
      const int to = agent(event.offered().agent_id());
      if (index == kNone || to == kNone) return;
      Conversation& c = conversations_[static_cast<size_t>(index)];
      count(c, to, &Offers::made);
      c.offered_to = to;
      ++c.generation;
      if (behaviour_ == nullptr) return;
      const Reaction reaction = behaviour_->React({.customer_key = c.customer.key,
                                                   .conversation_id = c.id,
                                                   .ordinal = ++c.offers,
                                                   .agent_id = event.offered().agent_id()});
      if (reaction.kind != Reaction::Kind::kMiss) {
        Push(now_ + reaction.after, What::kReaction, index, c.generation, reaction.kind);
      }
      return;
    }
    case Event::kOfferAccepted:
      if (Conversation* c = conversation(event.offer_accepted().conversation_id())) {
        count(*c, agent(event.offer_accepted().agent_id()), &Offers::accepted);
      }
      return;
    case Event::kOfferDeclined:
      if (Conversation* c = conversation(event.offer_declined().conversation_id())) {
        count(*c, agent(event.offer_declined().agent_id()), &Offers::declined);
      }
      return;
    case Event::kOfferTimedOut:
      if (Conversation* c = conversation(event.offer_timed_out().conversation_id())) {
        count(*c, agent(event.offer_timed_out().agent_id()), &Offers::missed);
      }
      return;
    case Event::kOfferWithdrawn:
      if (Conversation* c = conversation(event.offer_withdrawn().conversation_id())) {
        count(*c, agent(event.offer_withdrawn().agent_id()), &Offers::withdrawn);
      }
      return;
    case Event::kAssigned: {
      conversation(event.assigned().conversation_id());
      const int index = FindConversation(event.assigned().conversation_id());
      const int to = agent(event.assigned().agent_id());
      if (index != kNone && to != kNone) WithAgent(index, to);
      return;
    }
    case Event::kReplySent:
      if (Conversation* c = conversation(event.reply_sent().conversation_id())) Answered(*c);
      return;
    case Event::kParked:
      conversation(event.parked().conversation_id());
      return;
    case Event::kResumed:
      conversation(event.resumed().conversation_id());
      return;
    case Event::kResolved:
      if (Conversation* c = conversation(event.resolved().conversation_id())) {
        WithoutAgent(*c);
        SetWaiting(*c, false);
        c->over = true;
        if (!c->was_served) {
          c->was_served = true;
          WaitIsOver(*c, Outcome::Fate::kAbandoned);
        }
      }
      return;
    case Event::kConversationForgotten:
      conversation_of_.erase(event.conversation_forgotten().conversation_id());
      return;
    case Event::kAgentConnected:
      agent(event.agent_connected().agent_id());
      return;
    case Event::kAgentDisconnected:
      agent(event.agent_disconnected().agent_id());
      return;
    case Event::kAgentPresenceChanged: {
      const conversation::v1::AgentPresenceChanged& changed = event.agent_presence_changed();
      const int index = agent(changed.agent_id());
      if (changed.cause() == conversation::v1::AgentPresenceChanged::CAUSE_MISSED_OFFERS &&
          index != kNone && behaviour_ != nullptr) {
        Push(now_ + behaviour_->BackAfter(changed.agent_id()), What::kAgentBack, index);
      }
      return;
    }
    case Event::kAgentCapacityChanged:
      agent(event.agent_capacity_changed().agent_id());
      return;
    case Event::kCommandRejected:
      ++rejected_;
      return;
    default:
      return;  // says nothing about who has what
  }
}

// ---------------------------------------------------------------------------------------------
// The run

void Run::Begin() {
  WISSEL_CHECK(!options_.configs.empty() && options_.configs.front().time <= options_.start)
      << "a run begins with a configuration";
  workspace_id_ = options_.configs.front().config.workspace_id();
  for (const config::v1::Queue& queue : options_.configs.front().config.queues()) {
    FindQueue(queue.queue_id());
  }
  // Before anything that falls due at the same time, and in this order.
  for (size_t i = 0; i < options_.configs.size(); ++i) {
    Push(std::max(options_.start, options_.configs[i].time), What::kConfig, static_cast<int>(i));
  }
  while (!heap_.empty() && heap_.top().time <= options_.start) {
    const Due due = heap_.top();
    heap_.pop();
    On(due);
  }
  TakeUpOngoing();
  Push(options_.start + kRenewEvery, What::kLease, 0);
  acts_ = behaviour_->AgentActs();
  for (size_t i = 0; i < acts_.size(); ++i) {
    Push(std::max(options_.start, acts_[i].time), What::kAgentAct, static_cast<int>(i));
  }
}

void Run::TakeUpOngoing() {
  for (Ongoing& ongoing : options_.ongoing) {
    const state::v1::ConversationState* state = state_->FindConversation(ongoing.conversation_id);
    if (state == nullptr || !domain::IsOpen(*state)) continue;
    const int index = AddConversation(ongoing.conversation_id, std::move(ongoing.customer));
    Conversation& c = conversations_[static_cast<size_t>(index)];
    c.queue = c.first_queue = FindQueue(state->queue_id());
    c.offers = state->offers();
    if (state->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
      SetWaiting(c, true);
    } else if (state->has_offer()) {
      SetWaiting(c, true);
      c.offered_to = FindAgent(state->offer().agent_id());
      const Reaction reaction = behaviour_->React({.customer_key = c.customer.key,
                                                   .conversation_id = c.id,
                                                   .ordinal = c.offers,
                                                   .agent_id = state->offer().agent_id()});
      if (reaction.kind != Reaction::Kind::kMiss) {
        Push(now_ + reaction.after, What::kReaction, index, c.generation, reaction.kind);
      }
    } else if (const int agent = FindAgent(state->agent_id()); agent != kNone) {
      c.was_served = true;
      WithAgent(index, agent);
    }
  }
}

Report Run::Go() {
  Begin();
  std::optional<Customer> next = behaviour_->NextCustomer();
  const double length = absl::ToDoubleSeconds(options_.length);
  int64_t told = 0;
  while (true) {
    const absl::Time timer = engine_->NextTimer();
    const absl::Time due = heap_.empty() ? absl::InfiniteFuture() : heap_.top().time;
    const absl::Time arrival = next.has_value() ? next->arrival : absl::InfiniteFuture();
    const absl::Time first = std::min({timer, due, arrival});
    if (first >= end_ && (waiting_.value() == 0 || first >= end_ + options_.run_out)) break;
    now_ = std::max(now_, first);
    // In the order of precedence that routers have.
    if (timer <= first) {
      const std::optional<Decision> decision = engine_->DecideTimer(now_);
      WISSEL_CHECK(decision.has_value()) << "a timer that is due fires";
      Read(*decision);
    } else if (due <= first) {
      const Due what = heap_.top();
      heap_.pop();
      On(what);
    } else {
      Customer customer = *std::move(next);
      message::v1::InboundMessage message = customer.message;
      Receive(std::move(message), &customer);
      next = behaviour_->NextCustomer();
    }
    if (options_.on_progress && decisions_ >= told + 2000) {
      told = decisions_;
      options_.on_progress(
          std::min(1.0, absl::ToDoubleSeconds(now_ - options_.start) / std::max(length, 1.0)));
    }
  }
  now_ = std::max(now_, end_);
  return Finish();
}

void Run::Take(const Decision& decision, const domain::State& state) {
  state_ = &state;
  now_ = std::max(now_, FromProto(decision.time()));
  if (workspace_id_.empty() && !state.configs().empty()) {
    workspace_id_ = state.configs().begin()->first;
  }
  if (agents_.empty()) {
    // Who was there already.
    for (const auto& [key, agent] : state.agents()) FindAgent(agent.agent_id());
    for (size_t i = 0; i < agents_.size(); ++i) Look(static_cast<int>(i));
  }
  Read(decision);
}

Report Run::Finish() {
  if (behaviour_ == nullptr) now_ = std::max(now_, end_);
  if (state_ != nullptr) {
    for (size_t i = 0; i < agents_.size(); ++i) Look(static_cast<int>(i));
  }
  for (Conversation& c : conversations_) {
    if (!c.was_served) WaitIsOver(c, Outcome::Fate::kLeftWaiting);
    if (!c.answered && c.counted && c.first_queue != kNone &&
        options_.first_response_target.has_value() &&
        now_ - c.customer.arrival > *options_.first_response_target && !c.over) {
      ++queues_[static_cast<size_t>(c.first_queue)].breaches;
    }
  }
  for (OverTime* series : {&waiting_, &used_, &capacity_, &on_duty_}) series->Advance(now_);

  Report report;
  report.start = options_.start;
  report.end = now_;
  report.slice = slice_;
  report.service_level = options_.service_level;
  report.first_response_target = options_.first_response_target;
  report.decisions = decisions_;
  report.events = events_;
  report.rejected_commands = rejected_;
  const double seconds = std::max(1e-9, absl::ToDoubleSeconds(now_ - options_.start));

  std::vector<absl::Duration> waits;
  std::vector<absl::Duration> first_responses;
  QueueReport& total = report.total;
  for (QueueFigures& queue : queues_) {
    queue.waiting.Advance(now_);
    waits.insert(waits.end(), queue.waits.begin(), queue.waits.end());
    first_responses.insert(first_responses.end(), queue.first_responses.begin(),
                           queue.first_responses.end());
    QueueReport& r = report.queues.emplace_back();
    r.queue_id = queue.queue_id;
    r.arrived = queue.arrived;
    r.served = static_cast<int64_t>(queue.waits.size());
    r.abandoned = queue.abandoned;
    r.left_waiting = queue.left_waiting;
    r.wait = Summarise(std::move(queue.waits));
    r.first_response = Summarise(std::move(queue.first_responses));
    r.in_time = queue.in_time;
    r.first_response_breaches = queue.breaches;
    r.offers = queue.offers;
    r.mean_waiting = queue.waiting.Total() / seconds;
    r.max_waiting = queue.max_waiting;
    total.arrived += r.arrived;
    total.served += r.served;
    total.abandoned += r.abandoned;
    total.left_waiting += r.left_waiting;
    total.in_time += r.in_time;
    total.first_response_breaches += r.first_response_breaches;
    for (int64_t Offers::*what : {&Offers::made, &Offers::accepted, &Offers::declined,
                                  &Offers::missed, &Offers::withdrawn}) {
      total.offers.*what += r.offers.*what;
    }
    total.mean_waiting += r.mean_waiting;
    total.max_waiting = std::max(total.max_waiting, r.max_waiting);
  }
  total.wait = Summarise(std::move(waits));
  total.first_response = Summarise(std::move(first_responses));

  double used = 0;
  double capacity = 0;
  for (const Agent& agent : agents_) {
    report.agents.push_back({.agent_id = agent.id,
                             .conversations = agent.conversations,
                             .offers = agent.offers,
                             .on_duty = agent.duty,
                             .busy = agent.busy,
                             .occupancy = agent.capacity_seconds > 0
                                              ? agent.used_seconds / agent.capacity_seconds
                                              : 0});
    used += agent.used_seconds;
    capacity += agent.capacity_seconds;
  }
  std::sort(report.agents.begin(), report.agents.end(),
            [](const AgentReport& a, const AgentReport& b) { return a.agent_id < b.agent_id; });
  report.occupancy = capacity > 0 ? used / capacity : 0;

  const double slice_seconds = absl::ToDoubleSeconds(slice_);
  for (size_t i = 0; i < slices_; ++i) {
    const absl::Time begin = options_.start + slice_ * static_cast<int64_t>(i);
    if (begin >= now_) break;
    const double in_slice = std::min(slice_seconds, absl::ToDoubleSeconds(now_ - begin));
    report.slices.push_back(
        {.begin = begin,
         .arrived = arrived_[i],
         .wait = Summarise(std::move(slice_waits_[i])),
         .mean_waiting = waiting_.InSlice(i) / in_slice,
         .occupancy = capacity_.InSlice(i) > 0 ? used_.InSlice(i) / capacity_.InSlice(i) : 0,
         .agents = on_duty_.InSlice(i) / in_slice});
  }
  return report;
}

Report Simulate(SimulationOptions options, Behaviour& behaviour) {
  return Run(std::move(options), &behaviour).Go();
}

Watch::Watch(SimulationOptions options)
    : run_(std::make_unique<Run>(std::move(options), nullptr)) {}

Watch::~Watch() = default;

void Watch::Take(const Decision& decision, const domain::State& state) {
  run_->Take(decision, state);
}

Report Watch::Finish() { return run_->Finish(); }

}  // namespace wissel::sim
