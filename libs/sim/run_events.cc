// What a run makes of the engine's decisions: who has which conversation, and what is counted.

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/routing/sla_config.h"
#include "libs/sim/run.h"

namespace wissel::sim {

using conversation::v1::Event;
using log::v1::Decision;

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
  if (state->presence() == command::v1::PRESENCE_AWAY ||
      state->presence() == command::v1::PRESENCE_DRAINING) {
    agents_.back().wanted = state->presence();
    agents_.back().reason = state->presence_reason();
  }
  WISSEL_CHECK(figures_.AddAgent(agents_.back().id, now_) == index) << "one numbering of agents";
  return index;
}

int Run::AddConversation(const std::string& id, Customer customer) {
  const int index = static_cast<int>(conversations_.size());
  conversation_of_[id] = index;
  Conversation& c = conversations_.emplace_back();
  c.id = id;
  c.customer = std::move(customer);
  c.counted = figures_.Counts(c.customer.arrival);
  if (c.counted) figures_.Arrived(c.customer.arrival);
  if (c.customer.patience.has_value()) {
    Push(c.customer.arrival + *c.customer.patience, What::kCustomerLeaves, index, c.visit);
  }
  return index;
}

void Run::SetWaiting(Conversation& c, bool waiting) {
  if (c.waiting == waiting) return;
  c.waiting = waiting;
  figures_.SetWaiting(c.queue, now_, waiting);
}

void Run::WaitIsOver(const Conversation& c, Outcome::Fate fate) {
  if (!c.counted || c.first_queue == kNone) return;
  figures_.WaitIsOver(c.first_queue, c.id, c.customer.arrival, now_, fate);
}

void Run::Answered(Conversation& c) {
  if (c.answered || !c.counted || c.first_queue == kNone) return;
  HoldAgainstTarget(c);
  c.answered = true;
  figures_.Answered(c.first_queue, c.customer.arrival, now_);
}

void Run::HoldAgainstTarget(Conversation& c) {
  if (c.answered || c.late || !c.counted || c.first_queue == kNone) return;
  c.late = figures_.HoldAgainstTarget(c.first_queue, c.customer.arrival, now_);
}

void Run::Said(const Conversation* c, config::v1::SlaMetric metric, bool breach) {
  if (c == nullptr || !c->counted || c->first_queue == kNone) return;
  figures_.Said(c->first_queue, routing::FromProto(metric), breach, now_);
}

void Run::WithAgent(int index, int agent) {
  Conversation& c = conversations_[static_cast<size_t>(index)];
  c.handled = HandledNow(c);
  c.with_agent_since = now_;
  if (c.agent != agent) figures_.GotConversation(agent, now_);
  c.agent = agent;
  c.offered_to = kNone;
  c.had_agent = true;
  ++c.generation;
  SetWaiting(c, false);
  if (!c.was_served) {
    c.was_served = true;
    if (behaviour_ != nullptr && c.next_step == 0) {
      auto steps = behaviour_->StepsWith(c.customer.key, agents_[static_cast<size_t>(agent)].id);
      if (steps.has_value()) c.customer.steps = *std::move(steps);
    }
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
  figures_.Look(index, state_->FindAgent(workspace_id_, agents_[static_cast<size_t>(index)].id),
                now_);
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
    figures_.CountAgentsOffer(index, now_, what);
    if (c.counted) figures_.CountOffer(c.queue, what);
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
        std::vector<Step>& steps = c->customer.steps;
        const int index = FindConversation(c->id);
        if (c->over) {
          // It is opened again: nothing more comes of the time before.
          steps.resize(c->next_step);
          c->had_agent = false;
          ++c->visit;
          if (arriving_->patience.has_value()) {
            Push(now_ + *arriving_->patience, What::kCustomerLeaves, index, c->visit);
          }
        }
        const bool idle = c->next_step >= steps.size();
        const absl::Duration base = idle ? HandledNow(*c) : steps.back().at;
        // It was to end before, and now ends once.
        if (!idle && !arriving_->steps.empty() && steps.back().kind == Step::Kind::kResolve) {
          steps.pop_back();
        }
        for (Step& step : arriving_->steps) {
          step.at += base;
          steps.push_back(std::move(step));
        }
        if (c->agent != kNone && !c->over) {
          ++c->generation;
          ScheduleStep(index);
        }
        arriving_ = nullptr;
      } else {
        AddConversation(event.message_received().conversation_id(), std::move(*arriving_));
        arriving_ = nullptr;
      }
      return;
    case Event::kReopened:
      // It was over when the reading began.
      if (behaviour_ == nullptr && event.reopened().by_customer() &&
          FindConversation(event.reopened().conversation_id()) == kNone) {
        AddConversation(event.reopened().conversation_id(), {.arrival = now_});
      }
      return;
    case Event::kQueued:
      agent(event.queued().from_agent_id());
      if (Conversation* c = conversation(event.queued().conversation_id())) {
        const int queue = figures_.FindQueue(event.queued().queue_id());
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
      if (Conversation* c = conversation(event.reply_sent().conversation_id())) {
        const state::v1::ConversationState* state = state_->FindConversation(c->id);
        if (state != nullptr && state_->IsAnswer(*state, event.reply_sent())) Answered(*c);
      }
      return;
    case Event::kSlaWarned:
      // Steps of escalation may stand behind the breach.
      if (event.sla_warned().percent() < 100) {
        Said(conversation(event.sla_warned().conversation_id()), event.sla_warned().metric(),
             /*breach=*/false);
      }
      return;
    case Event::kSlaBreached:
      Said(conversation(event.sla_breached().conversation_id()), event.sla_breached().metric(),
           /*breach=*/true);
      return;
    case Event::kConfigApplied:
      figures_.Takes(event.config_applied().config());
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
        HoldAgainstTarget(*c);
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
        Agent& sent = agents_[static_cast<size_t>(index)];
        sent.sent_away = true;
        Push(now_ + behaviour_->BackAfter(changed.agent_id()), What::kAgentBack, index,
             ++sent.times_sent_away);
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

}  // namespace wissel::sim
