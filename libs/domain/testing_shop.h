#pragma once

// A shop, its engine and its log, for tests that move the clock by hand.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "libs/domain/engine.h"
#include "libs/domain/testing.h"

namespace wissel::domain::testing {

using command::v1::Command;
using log::v1::Decision;
using state::v1::ConversationState;

inline std::vector<conversation::v1::Event::KindCase> Kinds(const Decision& decision) {
  std::vector<conversation::v1::Event::KindCase> kinds;
  for (const conversation::v1::Event& event : decision.events()) {
    kinds.push_back(event.kind_case());
  }
  return kinds;
}

// A command by somebody who is no agent.
inline Command BySupervisor(absl::string_view key) {
  Command command = CommandBy("boss", key);
  command.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  command.mutable_actor()->clear_agent_id();
  return command;
}

// What whoever `by` is of would say: to transfer the conversation, to set its own points.
inline Command ToQueue(Command by, const std::string& conversation_id, absl::string_view queue_id) {
  by.mutable_transfer()->set_conversation_id(conversation_id);
  by.mutable_transfer()->set_queue_id(std::string(queue_id));
  return by;
}
inline Command SetPoints(Command by, const std::string& conversation_id, int32_t points) {
  by.mutable_update_conversation()->set_conversation_id(conversation_id);
  by.mutable_update_conversation()->set_priority_points(points);
  return by;
}

// Why the command was refused; unspecified where the decision is anything but that.
inline conversation::v1::CommandRejected::Reason Refusal(const Decision& decision) {
  return decision.events_size() == 1 ? decision.events(0).command_rejected().reason()
                                     : conversation::v1::CommandRejected::REASON_UNSPECIFIED;
}

inline config::v1::Queue& QueueIn(config::v1::WorkspaceConfig& config, absl::string_view id) {
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    if (queue.queue_id() == id) return queue;
  }
  return *config.add_queues();
}

// Adds a policy for everything that promises this much.
inline config::v1::SlaPolicy& Promise(config::v1::WorkspaceConfig& config,
                                      config::v1::SlaMetric metric, absl::Duration target) {
  config::v1::SlaPolicy& policy = *config.add_sla_policies();
  policy.set_sla_policy_id(absl::StrCat("policy-", config.sla_policies_size()));
  policy.add_targets()->set_metric(metric);
  *policy.mutable_targets(0)->mutable_target() = ToProto(target);
  return policy;
}

// A step of the policy, taken when so much of the target's time has passed.
inline config::v1::EscalationStep& AddStep(
    config::v1::SlaPolicy& policy, int32_t percent,
    config::v1::SlaMetric metric = config::v1::SLA_METRIC_FIRST_RESPONSE) {
  config::v1::EscalationStep& step = *policy.add_escalation_steps();
  step.set_metric(metric);
  step.set_percent(percent);
  return step;
}

inline config::v1::OverflowRule& OverflowAfter(config::v1::Queue& queue, absl::Duration after) {
  config::v1::OverflowRule& rule = *queue.add_overflow_rules();
  *rule.mutable_after() = ToProto(after);
  return rule;
}

// Asks this agent, too, for what has waited in the queue for so long.
inline void WidenAfter(config::v1::Queue& queue, absl::Duration after, absl::string_view agent_id) {
  config::v1::RelaxationStep& step = *queue.add_relaxation_steps();
  *step.mutable_after() = ToProto(after);
  step.add_widen_to_agent_ids(std::string(agent_id));
}

// The calendar "office": in Amsterdam, from nine o'clock, the first days of the week.
inline config::v1::Calendar& AddOffice(config::v1::WorkspaceConfig& config, int days = 5,
                                       absl::string_view close = "17:00") {
  config::v1::Calendar& office = *config.add_calendars();
  office.set_calendar_id("office");
  office.set_time_zone("Europe/Amsterdam");
  config::v1::CalendarWindow& window = *office.add_windows();
  for (int day = 1; day <= days; ++day) window.add_days(day);
  window.set_open("09:00");
  window.set_close(std::string(close));
  return office;
}

// To the shop's mailbox, as if it were a mail.
inline message::v1::InboundMessage ByMail(message::v1::InboundMessage message) {
  message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
  message.mutable_account()->set_account_id("shop-mail");
  return message;
}

// The first event of this kind.
inline const conversation::v1::Event* Find(const std::vector<Decision>& decisions,
                                           conversation::v1::Event::KindCase kind) {
  for (const Decision& decision : decisions) {
    for (const conversation::v1::Event& event : decision.events()) {
      if (event.kind_case() == kind) return &event;
    }
  }
  return nullptr;
}

// A shop, its engine and its log, with a clock that is moved by hand.
class Shop {
 public:
  explicit Shop(const config::v1::WorkspaceConfig& config = ShopConfig())
      : engine_(State(), {.holds = [](absl::string_view) { return true; }}) {
    Apply(config);
  }

  const Decision& Apply(const config::v1::WorkspaceConfig& config) {
    return Record(*engine_.Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), config, now));
  }

  const Decision& Receive(const message::v1::InboundMessage& m) {
    return Record(engine_.Decide(Cause(common::v1::INPUT_TOPIC_INBOUND), m, now));
  }
  const Decision& Do(const Command& c) {
    return Record(engine_.Decide(Cause(common::v1::INPUT_TOPIC_COMMANDS), c, now));
  }
  const Decision& Report(const receipt::v1::Receipt& r) {
    return Record(engine_.Decide(Cause(common::v1::INPUT_TOPIC_RECEIPTS), r, now));
  }
  // Lets the clock run, firing what falls due on the way.
  std::vector<Decision> Wait(absl::Duration d) {
    const absl::Time until = now + d;
    std::vector<Decision> fired;
    while (engine_.NextTimer() <= until) {
      now = std::max(now, engine_.NextTimer());
      fired.push_back(Record(*engine_.DecideTimer(now)));
    }
    now = until;
    return fired;
  }
  void Restate(size_t step_bytes) {
    do {
      if (auto decision = engine_.Restate(now, step_bytes)) Record(*decision);
      now += absl::Milliseconds(400);
    } while (engine_.restating());
  }

  void Connect(absl::string_view agent) {
    Command c = CommandBy(agent, absl::StrCat("connect", ++commands_));
    c.mutable_connect_agent()->set_agent_id(std::string(agent));
    c.mutable_connect_agent()->set_session_id(absl::StrCat(agent, "-session"));
    c.mutable_connect_agent()->set_gateway_id("gateway-1");
    *c.mutable_connect_agent()->mutable_lease() = ToProto(absl::Seconds(60));
    Do(c);
  }
  void Disconnect(absl::string_view agent) {
    Command c = CommandBy(agent, absl::StrCat("disconnect", ++commands_));
    c.mutable_disconnect_agent()->set_agent_id(std::string(agent));
    c.mutable_disconnect_agent()->set_session_id(absl::StrCat(agent, "-session"));
    Do(c);
  }
  void RenewLease() {
    Command c = CommandBy("gateway-1", absl::StrCat("renew", ++commands_));
    c.mutable_renew_gateway_lease()->set_gateway_id("gateway-1");
    *c.mutable_renew_gateway_lease()->mutable_lease() = ToProto(absl::Seconds(60));
    Do(c);
  }
  const Decision& SetPresence(absl::string_view agent, command::v1::Presence presence) {
    Command c = CommandBy(agent, absl::StrCat("presence", ++commands_));
    c.mutable_set_presence()->set_agent_id(std::string(agent));
    c.mutable_set_presence()->set_presence(presence);
    return Do(c);
  }
  void Online(absl::string_view agent) {
    Connect(agent);
    SetPresence(agent, command::v1::PRESENCE_AVAILABLE);
  }
  Command Accept(const std::string& conversation_id) {
    const ConversationState& c = Conversation(conversation_id);
    Command command = CommandBy(c.offer().agent_id(), absl::StrCat("accept", ++commands_));
    command.mutable_accept_offer()->set_offer_id(c.offer().offer_id());
    command.mutable_accept_offer()->set_agent_id(c.offer().agent_id());
    return command;
  }
  // By whom it is offered to.
  Command Decline(const std::string& conversation_id) {
    const ConversationState& c = Conversation(conversation_id);
    Command command = CommandBy(c.offer().agent_id(), absl::StrCat("decline", ++commands_));
    command.mutable_decline_offer()->set_offer_id(c.offer().offer_id());
    command.mutable_decline_offer()->set_agent_id(c.offer().agent_id());
    return command;
  }
  Command Pull(absl::string_view agent, const std::string& conversation_id) {
    Command command = CommandBy(agent, absl::StrCat("pull", ++commands_));
    command.mutable_pull()->set_agent_id(std::string(agent));
    command.mutable_pull()->set_conversation_id(conversation_id);
    return command;
  }
  Command Reply(absl::string_view agent, const std::string& conversation_id) {
    Command command = CommandBy(agent, absl::StrCat("reply", ++commands_));
    command.mutable_send_reply()->set_conversation_id(conversation_id);
    command.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text("hi");
    return command;
  }
  Command Park(absl::string_view agent, const std::string& conversation_id) {
    Command command = CommandBy(agent, absl::StrCat("park", ++commands_));
    command.mutable_park()->set_conversation_id(conversation_id);
    return command;
  }
  Command Resolve(absl::string_view agent, const std::string& conversation_id) {
    Command command = CommandBy(agent, absl::StrCat("resolve", ++commands_));
    command.mutable_resolve()->set_conversation_id(conversation_id);
    return command;
  }
  // Opens a conversation and returns its id.
  std::string Open(absl::string_view from, absl::string_view language) {
    return Open(Text(from, ++messages_, language));
  }
  std::string Open(const message::v1::InboundMessage& m) {
    return Receive(m).events(0).conversation_opened().conversation_id();
  }

  const ConversationState& Conversation(const std::string& id) const {
    return *engine_.state().FindConversation(id);
  }
  const state::v1::AgentState& Agent(absl::string_view id) const {
    return *engine_.state().FindAgent(kWorkspace, id);
  }
  Engine& engine() { return engine_; }
  const State& state() const { return engine_.state(); }
  const std::vector<Decision>& log() const { return log_; }

  log::v1::InputCause Cause(common::v1::InputTopic topic) {
    log::v1::InputCause cause;
    cause.set_topic(topic);
    cause.set_offset(offsets_[topic]++);
    return cause;
  }
  const Decision& Record(Decision decision) { return log_.emplace_back(std::move(decision)); }

  absl::Time now = StartTime();

 private:
  Engine engine_;
  std::vector<Decision> log_;
  std::map<common::v1::InputTopic, int64_t> offsets_;
  int commands_ = 0;
  int messages_ = 0;
};

// Keeps the agents' gateway alive while time passes.
inline std::vector<Decision> WaitConnected(Shop& shop, absl::Duration d) {
  std::vector<Decision> fired;
  while (d > absl::ZeroDuration()) {
    shop.RenewLease();
    const absl::Duration step = std::min(d, absl::Seconds(30));
    for (Decision& decision : shop.Wait(step)) fired.push_back(std::move(decision));
    d -= step;
  }
  return fired;
}

// Of the answer that the decision sends; empty: none.
inline std::string OutboundOf(const log::v1::Decision& decision) {
  for (const conversation::v1::Event& e : decision.events()) {
    if (e.has_reply_sent()) return e.reply_sent().outbound_id();
  }
  return "";
}

// An attempt to deliver it, begun and ended.
inline receipt::v1::Receipt Started(const std::string& outbound, int attempt,
                                    absl::string_view id) {
  receipt::v1::Receipt r;
  *r.mutable_envelope() = MakeEnvelope(UuidV5(kWisselNamespace, {id, "started"}));
  r.mutable_attempt_started()->set_outbound_id(outbound);
  r.mutable_attempt_started()->set_attempt(attempt);
  r.mutable_attempt_started()->set_attempt_id(std::string(id));
  return r;
}

inline receipt::v1::Receipt Finished(const std::string& outbound, absl::string_view id,
                                     receipt::v1::DeliveryState state) {
  receipt::v1::Receipt r;
  *r.mutable_envelope() = MakeEnvelope(UuidV5(kWisselNamespace, {id, "finished"}));
  r.mutable_attempt_finished()->set_outbound_id(outbound);
  r.mutable_attempt_finished()->set_attempt_id(std::string(id));
  r.mutable_attempt_finished()->set_state(state);
  if (state == receipt::v1::DeliveryState::DELIVERY_STATE_SENT) {
    r.mutable_attempt_finished()->set_provider_message_id(absl::StrCat("out.", outbound));
  }
  return r;
}

}  // namespace wissel::domain::testing
