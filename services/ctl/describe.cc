#include "services/ctl/describe.h"

#include <google/protobuf/descriptor.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "services/ctl/output.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {
namespace {

using conversation::v1::Event;
using conversation::v1::Explanation;

std::string Who(const command::v1::Actor& actor) {
  if (!actor.agent_id().empty()) return actor.agent_id();
  return actor.subject().empty() ? "the system" : actor.subject();
}

std::string Address(const common::v1::ContactPoint& contact) {
  return contact.display_name().empty() ? OneLine(contact.address(), 60)
                                        : OneLine(contact.display_name(), 60);
}

std::string Because(const std::string& reason) {
  return reason.empty() ? "" : absl::StrCat(" (", OneLine(reason, 80), ")");
}

std::string Words(std::string name) {
  for (char& c : name) {
    if (c == '_') c = ' ';
  }
  return name;
}

template <class Enum>
std::string Word(Enum value) {
  return Words(EnumName(value));
}

std::string ContentSummary(const message::v1::Content& content) {
  using message::v1::Content;
  switch (content.kind_case()) {
    case Content::kText:
      return absl::StrCat("\"", OneLine(content.text().text(), 60), "\"");
    case Content::kMedia: {
      const auto& media = content.media();
      std::string text = absl::StrCat("[", Word(media.kind()));
      if (!media.blob().file_name().empty()) {
        absl::StrAppend(&text, " ", OneLine(media.blob().file_name(), 40));
      }
      if (media.has_blob()) absl::StrAppend(&text, ", ", media.blob().size_bytes(), " bytes");
      if (!media.unavailable_reason().empty()) {
        absl::StrAppend(&text, ", unavailable: ", OneLine(media.unavailable_reason(), 40));
      }
      absl::StrAppend(&text, "]");
      if (!media.caption().empty())
        absl::StrAppend(&text, " \"", OneLine(media.caption(), 60), "\"");
      return text;
    }
    case Content::kLocation:
      return absl::StrCat("[location ", OneLine(content.location().name(), 40), "]");
    case Content::kContactCard:
      return absl::StrCat("[contact ", OneLine(content.contact_card().formatted_name(), 40), "]");
    case Content::kInteractiveReply:
      return absl::StrCat("[chose \"", OneLine(content.interactive_reply().title(), 40), "\"]");
    case Content::kReaction:
      return absl::StrCat("[reaction ", OneLine(content.reaction().emoji(), 8), "]");
    case Content::kEdit:
      return absl::StrCat("[edited: \"", OneLine(content.edit().text().text(), 60), "\"]");
    case Content::kDelete:
      return "[took a message back]";
    case Content::kTemplate:
      return absl::StrCat("[template ", OneLine(content.template_().name(), 40), "]");
    case Content::kUnsupported:
      return absl::StrCat("[", OneLine(content.unsupported().provider_type(), 40),
                          ", a type without a form of ours]");
    case Content::KIND_NOT_SET:
      break;
  }
  return "[nothing]";
}

// The first few, and how many more, with those the list leaves out.
template <class List, class Text>
std::string Few(const List& list, const Text& text, int left_out = 0) {
  constexpr int kMost = 5;
  std::string out;
  for (int i = 0; i < list.size() && i < kMost; ++i) {
    absl::StrAppend(&out, i == 0 ? "" : ", ", text(list[i]));
  }
  const int more = std::max(0, list.size() - kMost) + left_out;
  if (more > 0) absl::StrAppend(&out, " and ", more, " more");
  return out;
}

std::string Few(const google::protobuf::RepeatedPtrField<std::string>& ids, int left_out = 0) {
  return Few(
      ids, [](const std::string& id) { return id; }, left_out);
}

std::string SkillAt(const config::v1::Skill& skill) {
  return absl::StrCat(skill.skill_id(), " ", skill.proficiency());
}

// "asked for: nl or returns 3, lang:nl 5; of queue nl; 2 units of chat".
std::string Asked(const conversation::v1::Requirement& r) {
  std::vector<std::string> parts;
  if (r.anyone()) {
    parts.push_back("anyone");
  } else {
    if (!r.clauses().empty()) {
      parts.push_back(Few(r.clauses(), [](const auto& clause) {
        return absl::StrJoin(clause.any_of(), " or ", [](std::string* out, const auto& skill) {
          absl::StrAppend(out, SkillAt(skill));
        });
      }));
    }
    if (!r.queue_ids().empty()) {
      parts.push_back(absl::StrCat(r.queue_ids_size() == 1 ? "of queue " : "of queues ",
                                   Few(r.queue_ids(), r.more_queues())));
    }
    if (!r.agent_ids().empty())
      parts.push_back(absl::StrCat("or ", Few(r.agent_ids(), r.more_agents())));
  }
  if (!r.preferred_skills().empty()) {
    parts.push_back(absl::StrCat("preferably ", Few(r.preferred_skills(), [](const auto& skill) {
                                   return absl::StrCat(skill.skill_id(), " x ", skill.weight());
                                 })));
  }
  parts.push_back(absl::StrCat(Units(r.units()), " for ", Word(r.channel_kind())));
  return absl::StrCat("asked for: ", absl::StrJoin(parts, "; "));
}

std::string StepChanges(const config::v1::RelaxationStep& step) {
  std::vector<std::string> parts;
  if (!step.drop_skill_ids().empty()) {
    parts.push_back(absl::StrCat("without ", Few(step.drop_skill_ids())));
  }
  if (!step.lower_skills().empty()) parts.push_back(Few(step.lower_skills(), SkillAt));
  if (!step.alternatives().empty()) {
    parts.push_back(Few(step.alternatives(), [](const config::v1::SkillAlternative& a) {
      return absl::StrCat(a.skill_id(), " or ", a.or_skill_id(), " ", a.proficiency());
    }));
  }
  if (!step.widen_to_queue_ids().empty()) {
    parts.push_back(absl::StrCat("also queue ", Few(step.widen_to_queue_ids())));
  }
  if (!step.widen_to_agent_ids().empty()) {
    parts.push_back(absl::StrCat("also ", Few(step.widen_to_agent_ids())));
  }
  return absl::StrJoin(parts, ", ");
}

// "relaxed, step 1 of 2: repair 6 after 4m".
std::string Relaxed(const conversation::v1::Requirement& r, const config::v1::Queue* queue) {
  std::string line = absl::StrCat("relaxed, step ", r.ring(), " of ", r.relaxation_steps());
  for (int i = 0; queue != nullptr && i < r.ring() && i < queue->relaxation_steps_size(); ++i) {
    const config::v1::RelaxationStep& step = queue->relaxation_steps(i);
    absl::StrAppend(&line, i == 0 ? ": " : "; ", StepChanges(step), " after ",
                    absl::FormatDuration(FromProto(step.after())));
  }
  return line;
}

// "priority 120: 100 base, 20 ageing".
std::string Points(const conversation::v1::Priority& p) {
  std::vector<std::string> parts;
  const auto add = [&](int32_t points, absl::string_view of) {
    if (points != 0) parts.push_back(absl::StrCat(points, " ", of));
  };
  add(p.base(), "base");
  add(p.own(), "its own");
  add(p.tier(), "tier");
  add(p.lifetime_value(), "lifetime value");
  add(p.order_state(), "order state");
  add(p.sla_proximity(), "SLA proximity");
  add(p.escalation(), "escalation");
  add(p.ageing(), "ageing");
  return absl::StrCat("priority ", p.effective(), parts.empty() ? "" : ": ",
                      absl::StrJoin(parts, ", "));
}

// In the order in which it is compared: the first difference decides.
std::string Compared(const Explanation::Candidate& c, const Explanation& e) {
  std::string text = c.agent_id();
  if (c.sticky()) absl::StrAppend(&text, ", had this customer last");
  if (c.secondary()) absl::StrAppend(&text, ", only helps out");
  if (!e.requirement().preferred_skills().empty()) {
    absl::StrAppend(&text, ", preferred score ", c.preferred_score());
  }
  switch (e.strategy()) {
    case config::v1::STRATEGY_LONGEST_IDLE:
      absl::StrAppend(&text, ", idle since ", FormatTime(c.idle_since()));
      break;
    case config::v1::STRATEGY_BEST_SKILL:
      absl::StrAppend(&text, ", skill score ", c.skill_score());
      break;
    case config::v1::STRATEGY_LEAST_OCCUPIED:
      absl::StrAppend(&text, ", ", c.occupancy_permille() / 10, ".", c.occupancy_permille() % 10,
                      "% occupied");
      break;
    case config::v1::STRATEGY_ROUND_ROBIN:
      absl::StrAppend(&text, ", ",
                      c.last_given() == 0
                          ? std::string("has had nothing yet")
                          : absl::StrCat("last had the group's number ", c.last_given()));
      break;
    default:
      break;
  }
  return absl::StrCat(text, ", ", Units(c.free_units()), " free");
}

// What a step of an SLA policy does; empty where the log does not say.
std::string StepDoes(const config::v1::EscalationStep& step) {
  switch (step.action_case()) {
    case config::v1::EscalationStep::kAddPriorityPoints:
      return absl::StrCat(step.add_priority_points(), " points more of priority");
    case config::v1::EscalationStep::kRelaxSteps:
      return absl::StrCat(step.relax_steps(), " relaxation steps more are in force");
    case config::v1::EscalationStep::kOverflowToQueueId:
      return absl::StrCat("it overflows to queue ", step.overflow_to_queue_id());
    case config::v1::EscalationStep::kTellSupervisors:
      return "supervisors are told";
    case config::v1::EscalationStep::ACTION_NOT_SET:
      break;
  }
  return "";
}

}  // namespace

std::string Summary(const google::protobuf::RepeatedPtrField<message::v1::Content>& contents) {
  return absl::StrJoin(contents, " ", [](std::string* out, const message::v1::Content& content) {
    absl::StrAppend(out, ContentSummary(content));
  });
}

absl::string_view KindOf(const Event& event) {
  const auto* field = Event::descriptor()->FindFieldByNumber(event.kind_case());
  return field == nullptr ? absl::string_view("unknown") : absl::string_view(field->name());
}

absl::string_view ConversationOf(const Event& event) {
  if (event.kind_case() == Event::kConversationRestated) {
    return event.conversation_restated().conversation().conversation_id();
  }
  const auto* field = Event::descriptor()->FindFieldByNumber(event.kind_case());
  if (field == nullptr) return "";
  const auto& kind = event.GetReflection()->GetMessage(event, field);
  const auto* id = kind.GetDescriptor()->FindFieldByName("conversation_id");
  if (id == nullptr) return "";
  std::string unused;
  return kind.GetReflection()->GetStringReference(kind, id, &unused);
}

const Explanation* ExplanationOf(const Event& event) {
  if (event.has_queued() && event.queued().has_explanation()) return &event.queued().explanation();
  if (event.has_offered() && event.offered().has_explanation()) {
    return &event.offered().explanation();
  }
  if (event.has_assigned() && event.assigned().has_explanation()) {
    return &event.assigned().explanation();
  }
  return nullptr;
}

std::string DescribeCause(const log::v1::Cause& cause) {
  switch (cause.kind_case()) {
    case log::v1::Cause::kInput:
      return absl::StrCat(EnumName(cause.input().topic()), "[", cause.input().partition(), "]@",
                          cause.input().offset());
    case log::v1::Cause::kTimer:
      return absl::StrCat("timer due ", FormatTime(cause.timer().due_time()));
    case log::v1::Cause::kRestate:
      return absl::StrCat("restating, round ", cause.restate().round());
    case log::v1::Cause::KIND_NOT_SET:
      break;
  }
  return "no cause";
}

std::vector<std::string> DescribeExplanation(const Explanation& e, const config::v1::Queue* queue) {
  std::vector<std::string> lines;
  const bool compared = e.strategy() != config::v1::STRATEGY_UNSPECIFIED;
  // Nobody was compared: a person named the agent.
  const bool named = !compared && e.has_chosen();
  if (named) {
    lines.push_back(
        absl::StrCat("a person chose ", e.chosen().agent_id(), ": nobody else was looked at"));
  } else {
    lines.push_back(absl::StrCat("looked at ", e.agents_considered(), " agents, ",
                                 e.agents_eligible(), " could take it (",
                                 compared ? Word(e.strategy()) : "in no queue", ", configuration ",
                                 e.config_version(), ")"));
  }
  if (e.has_requirement()) lines.push_back(Asked(e.requirement()));
  if (e.requirement().ring() > 0) lines.push_back(Relaxed(e.requirement(), queue));
  if (e.has_priority()) lines.push_back(Points(e.priority()));
  if (e.has_chosen() && !named) {
    lines.push_back(absl::StrCat("chosen: ", Compared(e.chosen(), e)));
  }
  for (const auto& next : e.runners_up()) {
    lines.push_back(absl::StrCat("next: ", Compared(next, e)));
  }
  for (const auto& passed : e.passed_over()) {
    lines.push_back(absl::StrCat("passed over: ", passed.agents(), " ", Word(passed.reason())));
  }
  return lines;
}

std::string StatusOf(const state::v1::ConversationState& conversation) {
  return absl::StrCat(EnumName(conversation.status()),
                      conversation.has_callback_request_time() ? ", callback owed" : "");
}

std::string Describe(const Event& event) {
  switch (event.kind_case()) {
    case Event::kConversationOpened: {
      const auto& e = event.conversation_opened();
      std::string text = absl::StrCat("conversation opened with ", Address(e.contact()), " on ",
                                      e.account().account_id());
      if (!e.subject().empty()) absl::StrAppend(&text, ": \"", OneLine(e.subject(), 60), "\"");
      if (!e.language().empty())
        absl::StrAppend(&text, " (language ", OneLine(e.language(), 12), ")");
      return text;
    }
    case Event::kMessageReceived: {
      const auto& m = event.message_received().message();
      return absl::StrCat(Address(m.sender()), " wrote ", Summary(m.contents()));
    }
    case Event::kMessageEdited: {
      const auto& m = event.message_edited().message();
      return absl::StrCat(Address(m.sender()), " changed a message: ", Summary(m.contents()));
    }
    case Event::kQueued:
      return absl::StrCat("waits in queue ", event.queued().queue_id(), " (",
                          Word(event.queued().reason()), ")");
    case Event::kOffered:
      return absl::StrCat("offered to ", event.offered().agent_id(), " until ",
                          FormatTime(event.offered().expire_time()));
    case Event::kOfferAccepted:
      return absl::StrCat(event.offer_accepted().agent_id(), " accepted");
    case Event::kOfferDeclined:
      return absl::StrCat(event.offer_declined().agent_id(), " declined",
                          Because(event.offer_declined().reason()));
    case Event::kOfferTimedOut:
      return absl::StrCat(event.offer_timed_out().agent_id(), " did not answer the offer in time");
    case Event::kOfferWithdrawn:
      return absl::StrCat("offer to ", event.offer_withdrawn().agent_id(), " withdrawn (",
                          Word(event.offer_withdrawn().reason()), ")");
    case Event::kAssigned:
      return absl::StrCat("assigned to ", event.assigned().agent_id(), " (",
                          Word(event.assigned().reason()), ")");
    case Event::kTransferred: {
      const auto& e = event.transferred();
      return absl::StrCat(
          Who(e.actor()), " transferred it",
          e.from_agent_id().empty() ? "" : absl::StrCat(" from ", e.from_agent_id()), " to ",
          e.has_to_agent_id() ? absl::StrCat("agent ", e.to_agent_id())
                              : absl::StrCat("queue ", e.to_queue_id()),
          Because(e.note()));
    }
    case Event::kNoteAdded:
      return absl::StrCat(Who(event.note_added().actor()), " noted \"",
                          OneLine(event.note_added().text(), 60), "\"");
    case Event::kReplySent:
      return absl::StrCat(Who(event.reply_sent().actor()), " answered ",
                          Summary(event.reply_sent().message().contents()));
    case Event::kDeliveryUpdated: {
      const auto& e = event.delivery_updated();
      return absl::StrCat("delivery of ", ShortId(e.outbound_id()), ": ", Word(e.state()),
                          e.attempt() > 1 ? absl::StrCat(", attempt ", e.attempt()) : "",
                          Because(e.error().detail()));
    }
    case Event::kParked:
      return absl::StrCat("parked with ", event.parked().agent_id(), " (",
                          Word(event.parked().reason()), ")");
    case Event::kResumed:
      return event.resumed().by_customer() ? "resumed: the customer wrote" : "resumed";
    case Event::kResolved:
      return absl::StrCat(Who(event.resolved().actor()), " resolved it",
                          Because(event.resolved().resolution()));
    case Event::kReopened:
      return event.reopened().by_customer() ? "reopened: the customer wrote" : "reopened";
    case Event::kConversationMerged: {
      const auto& e = event.conversation_merged();
      return e.has_into_conversation_id()
                 ? absl::StrCat(Who(e.actor()), " merged it into ", e.into_conversation_id())
                 : absl::StrCat(Who(e.actor()), " merged ", e.from_conversation_id(), " into it");
    }
    case Event::kConversationForgotten:
      return "left the working state";
    case Event::kAgentConnected:
      return absl::StrCat(event.agent_connected().agent_id(), " connected");
    case Event::kAgentDisconnected:
      return absl::StrCat(event.agent_disconnected().agent_id(), " disconnected (",
                          Word(event.agent_disconnected().reason()), ")");
    case Event::kGatewayLeaseRenewed:
      return absl::StrCat("gateway ", event.gateway_lease_renewed().gateway_id(), " is alive");
    case Event::kAgentPresenceChanged: {
      const auto& e = event.agent_presence_changed();
      return absl::StrCat(e.agent_id(), " is ", Word(e.presence()), Because(e.reason()), ": ",
                          Word(e.cause()));
    }
    case Event::kAgentCapacityChanged:
      return absl::StrCat(event.agent_capacity_changed().agent_id(), " can hold ",
                          Units(event.agent_capacity_changed().capacity_units()));
    case Event::kAgentLeaving:
      return absl::StrCat(event.agent_leaving().agent_id(),
                          " is leaving: the configuration that follows has them no more, and ",
                          Units(event.agent_leaving().units()), " of work kept until done");
    case Event::kAgentRemoved:
      return absl::StrCat(event.agent_removed().agent_id(), " has nothing left and is gone");
    case Event::kQueueClosing:
      return absl::StrCat("queue ", event.queue_closing().kept().queue().queue_id(),
                          " is closing: the configuration that follows has it no more, and what ",
                          "waits in it is kept");
    case Event::kQueueClosed:
      return absl::StrCat("queue ", event.queue_closed().queue_id(), " is empty and gone");
    case Event::kCommandRejected: {
      const auto& e = event.command_rejected();
      return absl::StrCat("command ", ShortId(e.command_id()), " of ", Who(e.actor()), " refused, ",
                          Word(e.reason()), ": ", OneLine(e.detail(), 120));
    }
    case Event::kConfigApplied:
      return absl::StrCat("configuration ", event.config_applied().config().version(), " of ",
                          event.config_applied().config().workspace_id(), " is in force");
    case Event::kDuplicateSkipped:
      return absl::StrCat("seen before, nothing follows: ", event.duplicate_skipped().id());
    case Event::kInputDeadLettered:
      return absl::StrCat("dead letter ", event.input_dead_lettered().dead_letter_id(), ": ",
                          OneLine(event.input_dead_lettered().detail(), 120));
    case Event::kReceiptIgnored:
      return absl::StrCat("receipt changes nothing: ",
                          OneLine(event.receipt_ignored().detail(), 120));
    case Event::kDelivererMarked:
      return absl::StrCat("deliverer ", event.deliverer_marked().marker().deliverer_id(),
                          " starts");
    case Event::kRestateStarted:
      return absl::StrCat("restating round ", event.restate_started().round(), " begins");
    case Event::kConfigRestated:
      return absl::StrCat("configuration ", event.config_restated().config().version(),
                          " restated");
    case Event::kConversationRestated:
      return "conversation restated";
    case Event::kAgentRestated:
      return absl::StrCat(event.agent_restated().agent().agent_id(), " restated");
    case Event::kSeenRestated:
      return "seen ids restated";
    case Event::kRestateCompleted:
      return absl::StrCat("restating round ", event.restate_completed().round(), " is complete");
    case Event::kQueueRestated:
      return absl::StrCat("queue ", event.queue_restated().queue().queue_id(), " restated");
    case Event::kOverflowed:
      return absl::StrCat(
          "overflows from ", event.overflowed().queue_id(), ", where ",
          event.overflowed().waiting(), " wait, by rule ", event.overflowed().rule(),
          event.overflowed().to_anyone() ? ": anyone may take it" : "",
          event.overflowed().text_withheld_for() == message::v1::AUTOMATION_UNSPECIFIED
              ? ""
              : absl::StrCat(": its text is not sent, as a machine wrote last (",
                             Word(event.overflowed().text_withheld_for()), ")"));
    case Event::kOverflowPassedOver:
      return absl::StrCat("does not overflow from ", event.overflow_passed_over().queue_id(),
                          ", where ", event.overflow_passed_over().waiting(), " wait, by rule ",
                          absl::StrJoin(event.overflow_passed_over().rules(), ", "));
    case Event::kCallbackRequested:
      return "the customer is offered to be called or written back";
    case Event::kConversationUpdated: {
      const auto& e = event.conversation_updated();
      std::string text = absl::StrCat(Who(e.actor()), " updated it");
      if (e.has_priority_points()) absl::StrAppend(&text, ", priority ", e.priority_points());
      if (e.has_language()) absl::StrAppend(&text, ", language ", OneLine(e.language(), 12));
      if (e.has_facts()) absl::StrAppend(&text, ", what is known of the contact");
      return text;
    }
    case Event::kConsultStarted:
      return absl::StrCat(Who(event.consult_started().actor()), " consults ",
                          event.consult_started().agent_id(),
                          Because(event.consult_started().note()));
    case Event::kConsultEnded:
      return absl::StrCat("consulting ", event.consult_ended().agent_id(), " is over");
    case Event::kSupervisorJoined:
      return absl::StrCat(Who(event.supervisor_joined().actor()), " joined");
    case Event::kSupervisorLeft:
      return absl::StrCat(event.supervisor_left().subject(), " left");
    case Event::kWrapUpStarted:
      return absl::StrCat(event.wrap_up_started().agent_id(), " has after-work until ",
                          FormatTime(event.wrap_up_started().expire_time()));
    case Event::kWrapUpEnded:
      return absl::StrCat("the after-work of ", event.wrap_up_ended().agent_id(), " is over");
    case Event::kSlaPolicyApplied:
      return event.sla_policy_applied().sla_policy_id().empty()
                 ? "is under no SLA policy"
                 : absl::StrCat("is under SLA policy ", event.sla_policy_applied().sla_policy_id());
    case Event::kSlaWarned:
      return absl::StrCat(event.sla_warned().percent(), " % of ", Word(event.sla_warned().metric()),
                          " used, due ", FormatTime(event.sla_warned().due_time()));
    case Event::kSlaBreached:
      return absl::StrCat(Word(event.sla_breached().metric()), " breached, was due ",
                          FormatTime(event.sla_breached().due_time()));
    case Event::kSlaEscalated: {
      const auto& e = event.sla_escalated();
      const std::string does = StepDoes(e.escalation());
      return absl::StrCat("escalated at ", e.escalation().percent(), " % of ", Word(e.metric()),
                          does.empty() ? "" : ": ", does, " (step ", e.step() + 1,
                          " of its policy)");
    }
    case Event::kWaitEstimated: {
      const auto& e = event.wait_estimated();
      return absl::StrCat(
          "is number ", e.position(), ", ",
          e.has_expected_wait()
              ? absl::StrCat("about ", absl::FormatDuration(FromProto(e.expected_wait())),
                             " to wait")
              : std::string("nobody is at work"));
    }
    case Event::kSlaAtRisk:
      return absl::StrCat("is at risk: the first response will be late with a probability of ",
                          (event.sla_at_risk().probability_permille() + 5) / 10, " %");
    case Event::KIND_NOT_SET:
      break;
  }
  return "an event that this version does not know";
}

}  // namespace wissel::ctl
