#include "libs/sim/simulation.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/sim/run.h"

namespace wissel::sim {

using command::v1::Command;
using log::v1::Decision;
using state::v1::ConversationStatus;

namespace {

constexpr absl::Duration kLease = absl::Minutes(10);
constexpr absl::Duration kRenewEvery = absl::Minutes(9);
constexpr char kGateway[] = "simulation";

}  // namespace

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

void Run::SetPresence(const Agent& agent, command::v1::Presence presence,
                      absl::string_view reason) {
  Command command = By(agent);
  command.mutable_set_presence()->set_agent_id(agent.id);
  command.mutable_set_presence()->set_presence(presence);
  command.mutable_set_presence()->set_reason(std::string(reason));
  Do(command);
}

void Run::Want(Agent& agent, command::v1::Presence presence, absl::string_view reason) {
  agent.wanted = presence;
  agent.reason = std::string(reason);
  agent.sent_away = false;
  SetPresence(agent, presence, reason);
}

void Run::BeAsWanted(const Agent& agent) {
  const state::v1::AgentState* state = state_->FindAgent(workspace_id_, agent.id);
  if (state == nullptr || state->presence() == agent.wanted) return;
  SetPresence(agent, agent.wanted, agent.reason);
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
      const Decision* const decision =
          engine_->Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), config, now_);
      if (decision != nullptr) Read(*decision);
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
      if (!agent.sent_away || agent.times_sent_away != due.generation) return;
      agent.sent_away = false;
      if (agent.connected && !agent.leaving) BeAsWanted(agent);
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
    case What::kCustomerLeaves: {
      Conversation& c = conversations_[static_cast<size_t>(due.index)];
      if (c.visit == due.generation) CustomerLeaves(c);
      return;
    }
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
      if (!agent.sent_away) BeAsWanted(agent);
      return;
    }
    case AgentAct::Kind::kAvailable:
      agent.leaving = false;
      return Want(agent, command::v1::PRESENCE_AVAILABLE);
    case AgentAct::Kind::kAway:
      return Want(agent, command::v1::PRESENCE_AWAY, act.reason);
    case AgentAct::Kind::kDraining:
      return Want(agent, command::v1::PRESENCE_DRAINING);
    case AgentAct::Kind::kLeave:
      Want(agent, command::v1::PRESENCE_DRAINING);
      agent.leaving = true;
      return GoIfDone(index);
    case AgentAct::Kind::kOffline:
      return Want(agent, command::v1::PRESENCE_OFFLINE);
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
  if (!agent.leaving || figures_.UsedUnits(index) > 0) return;
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
      case Step::Kind::kHold:
        command.mutable_park()->set_conversation_id(c.id);
        command.mutable_park()->set_on_hold(step.kind == Step::Kind::kHold);
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
  if (c.had_agent || c.over) return;
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
// The run

void Run::Begin() {
  WISSEL_CHECK(!options_.configs.empty() && options_.configs.front().time <= options_.start)
      << "a run begins with a configuration";
  workspace_id_ = options_.configs.front().config.workspace_id();
  for (const ConfigChange& change : options_.configs) figures_.Takes(change.config);
  for (const config::v1::Queue& queue : options_.configs.front().config.queues()) {
    figures_.FindQueue(queue.queue_id());
  }
  MeetAgents();
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
    c.queue = c.first_queue = figures_.FindQueue(state->queue_id());
    c.offers = state->offers();
    if (state->status() == ConversationStatus::CONVERSATION_STATUS_QUEUED) {
      SetWaiting(c, true);
    } else if (state->has_offer()) {
      SetWaiting(c, true);
      c.offered_to = FindAgent(state->offer().agent_id());
      if (behaviour_ == nullptr) continue;
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
    if (first >= end_ && (figures_.waiting() == 0 || first >= end_ + options_.run_out)) break;
    now_ = std::max(now_, first);
    // In the order of precedence that routers have.
    if (timer <= first) {
      const Decision* const decision = engine_->DecideTimer(now_);
      WISSEL_CHECK(decision != nullptr) << "a timer that is due fires";
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

// Who is there already.
void Run::MeetAgents() {
  for (const auto& [key, agent] : state_->agents()) FindAgent(agent.agent_id());
  for (size_t i = 0; i < agents_.size(); ++i) Look(static_cast<int>(i));
}

void Run::Meet(const domain::State& state) {
  state_ = &state;
  if (workspace_id_.empty() && !state.configs().empty()) {
    workspace_id_ = state.configs().begin()->first;
  }
  if (!agents_.empty()) return;
  for (const auto& [id, config] : state.configs()) figures_.Takes(config);
  MeetAgents();
}

void Run::Take(const Decision& decision, const domain::State& state) {
  if (state_ == nullptr) {
    Meet(options_.state);
    TakeUpOngoing();
  }
  now_ = std::max(now_, FromProto(decision.time()));
  Meet(state);
  Read(decision);
}

Report Run::Finish() {
  if (behaviour_ == nullptr) now_ = std::max(now_, end_);
  if (state_ != nullptr) {
    for (size_t i = 0; i < agents_.size(); ++i) Look(static_cast<int>(i));
  }
  for (Conversation& c : conversations_) {
    if (!c.was_served) WaitIsOver(c, Outcome::Fate::kLeftWaiting);
    if (!c.over) HoldAgainstTarget(c);
  }
  Report report = figures_.Finish(now_);
  report.decisions = decisions_;
  report.events = events_;
  report.rejected_commands = rejected_;
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
