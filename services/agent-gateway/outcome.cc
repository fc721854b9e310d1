#include "services/agent-gateway/outcome.h"

namespace wissel::agent_gateway {
namespace {

void CopyRejection(const Entry& entry, agent::v1::CommandOutcome& outcome) {
  for (const conversation::v1::Event& event : entry.decision.events()) {
    if (event.has_command_rejected() && event.command_rejected().command_id() == entry.command_id) {
      *outcome.mutable_rejected() = event.command_rejected();
    }
  }
}

}  // namespace

agent::v1::CommandOutcome MakeOutcome(const Entry& entry, const Entry* original) {
  agent::v1::CommandOutcome outcome;
  outcome.set_command_id(entry.command_id);
  outcome.set_cursor(entry.cursor);
  CopyRejection(entry, outcome);
  for (const conversation::v1::Event& event : entry.decision.events()) {
    if (event.has_duplicate_skipped()) outcome.set_repeated_command(true);
    // The same again would be put aside again.
    if (event.has_input_dead_lettered()) {
      outcome.mutable_rejected()->set_command_id(entry.command_id);
      outcome.mutable_rejected()->set_reason(conversation::v1::CommandRejected::REASON_INVALID);
      outcome.mutable_rejected()->set_detail(event.input_dead_lettered().detail());
    }
  }
  if (original != nullptr) CopyRejection(*original, outcome);
  if (outcome.repeated_command() && original == nullptr) {
    outcome.set_undecided_reason(
        "decided before, and this gateway no longer knows how: look at the conversation");
  }
  return outcome;
}

absl::string_view KindOf(const agent::v1::CommandOutcome& outcome) {
  if (!outcome.undecided_reason().empty()) return "undecided";
  return outcome.has_rejected() ? "rejected" : "done";
}

void AddEvents(const Entry& entry, const Viewer& viewer, agent::v1::CommandOutcome& outcome) {
  for (int i = 0; i < entry.decision.events_size(); ++i) {
    const conversation::v1::Event& event = entry.decision.events(i);
    if (VisibleTo(viewer, event, entry.facts[static_cast<size_t>(i)])) {
      *outcome.add_events() = event;
    }
  }
}

}  // namespace wissel::agent_gateway
