#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/domain/engine.h"
#include "libs/sim/behaviour.h"
#include "libs/sim/figures.h"
#include "libs/sim/simulation.h"
#include "wissel/command/v1/command.pb.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::sim {

// One run: what people do goes into the engine, and what it decides is read for what follows. In
// the simulation's virtual time, or as a reader of decisions made elsewhere.
class Run {
 public:
  // Without a behaviour, reads what others decided.
  Run(SimulationOptions options, Behaviour* behaviour)
      : options_(std::move(options)),
        behaviour_(behaviour),
        now_(options_.start),
        end_(options_.start + options_.length),
        figures_(options_) {
    if (behaviour_ == nullptr) return;
    engine_.emplace(std::move(options_.state),
                    domain::Engine::Options{.holds = [](absl::string_view) { return true; }});
    state_ = &engine_->state();
  }

  Report Go();
  void Take(const log::v1::Decision& decision, const domain::State& state);
  Report Finish();

 private:
  // Nobody, nothing.
  static constexpr int kNone = -1;

  struct Agent {
    std::string id;
    std::string routing_group_id;
    bool connected = false;
    bool leaving = false;
    // What the agent asked for last; what they are again once their connection, or their time away
    // for missed offers, is over.
    command::v1::Presence wanted = command::v1::PRESENCE_AVAILABLE;
    std::string reason;
    // Sent away for missing offers and not back yet; how often that was.
    bool sent_away = false;
    uint32_t times_sent_away = 0;
    int sessions = 0;
    // Steps that wait for the agent's connection: (conversation, generation).
    std::vector<std::pair<int, uint32_t>> deferred;
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
    // The customer has come so often after it was over; and had an agent since they last came.
    uint32_t visit = 0;
    bool had_agent = false;
    bool over = false;
    bool answered = false;
    // Counted as later than the fixed target.
    bool late = false;
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

  void Begin();
  void TakeUpOngoing();
  void MeetAgents();
  // Reading what others decided: the state from now on, with whoever is there.
  void Meet(const domain::State& state);
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
  command::v1::Command By(const Agent& agent);
  void Do(const command::v1::Command& command);
  void Receive(message::v1::InboundMessage message, Customer* customer);
  void SetPresence(const Agent& agent, command::v1::Presence presence, absl::string_view reason);
  // The agent asks for it.
  void Want(Agent& agent, command::v1::Presence presence, absl::string_view reason = "");
  // The agent is again what they asked for last.
  void BeAsWanted(const Agent& agent);
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
  void Read(const log::v1::Decision& decision);
  void Read(const conversation::v1::Event& event);
  int FindConversation(const std::string& id) const {
    const auto it = conversation_of_.find(id);
    return it == conversation_of_.end() ? kNone : it->second;
  }
  int FindAgent(absl::string_view id);
  int AddConversation(const std::string& id, Customer customer);
  void SetWaiting(Conversation& c, bool waiting);
  void WithAgent(int index, int agent);
  void WithoutAgent(Conversation& c);
  void WaitIsOver(const Conversation& c, Outcome::Fate fate);
  void Answered(Conversation& c);
  void HoldAgainstTarget(Conversation& c);
  void Said(const Conversation* c, config::v1::SlaMetric metric, bool breach);
  void Look(int agent);
  absl::Duration HandledNow(const Conversation& c) const {
    return c.agent == kNone ? c.handled : c.handled + (now_ - c.with_agent_since);
  }
  SimulationOptions options_;
  Behaviour* behaviour_;
  absl::Time now_;
  const absl::Time end_;
  Figures figures_;
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
  // The customer whose message is being decided.
  Customer* arriving_ = nullptr;
  std::vector<int> looked_at_;  // agents that a decision named

  int64_t decisions_ = 0;
  int64_t events_ = 0;
  int64_t rejected_ = 0;
};

}  // namespace wissel::sim
