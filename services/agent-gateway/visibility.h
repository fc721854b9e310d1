#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "wissel/conversation/v1/events.pb.h"

namespace wissel::agent_gateway {

/// Who looks at a partition's log, and with what right.
struct Viewer {
  std::string workspace;
  std::string routing_group;
  std::string agent;    // empty for a supervisor who takes no work
  std::string subject;  // of the token
  /// Supervisors and admins who asked for it: everything of the routing group.
  bool whole_group = false;
};

/// What the log says about one event beside the event itself: whose conversation it is about. "The
/// agent" of a conversation is the one who has it, had it last when it was resolved, or is offered
/// it.
struct EventFacts {
  std::string workspace;
  std::string routing_group;
  std::string agent_before;  // just before the event; empty: nobody
  std::string agent_after;   // just after it

  friend bool operator==(const EventFacts&, const EventFacts&) = default;
};

/// Whether this viewer may see this event. Pure: the same for a live stream and one that catches
/// up.
///   an agent       conversations that are theirs before or after the event; their own connection,
///                  presence and capacity; refusals of their own commands
///   the whole      every conversation and agent of the routing group, and its configuration
/// The log's inner workings (restating, leases, markers, skipped input) are for nobody.
bool VisibleTo(const Viewer& viewer, const conversation::v1::Event& event, const EventFacts& facts);

/// The conversation that the event is about; empty for events about anything else.
absl::string_view ConversationOf(const conversation::v1::Event& event);

/// What an event tells by itself about the conversation's agent before and after it; nullopt where
/// the event says nothing about it (then before and after are the same). For reading a stretch of
/// the log whose beginning one has not folded.
struct AgentChange {
  std::string before;
  std::string after;
};
std::optional<AgentChange> AgentChangeOf(const conversation::v1::Event& event);

}  // namespace wissel::agent_gateway
