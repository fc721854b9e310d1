#pragma once

// What the handlers of commands share: who may do what, to whom, and the bounds of what they say.

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/domain/state.h"
#include "libs/routing/matcher.h"
#include "wissel/command/v1/command.pb.h"
#include "wissel/conversation/v1/events.pb.h"

namespace wissel::domain {

inline constexpr size_t kMaxNoteBytes = 64 << 10;

inline bool MaySupervise(const command::v1::Actor& actor) {
  return actor.role() == common::v1::ROLE_SUPERVISOR || actor.role() == common::v1::ROLE_ADMIN;
}

// Whether the actor is the agent who has the conversation or, once it is resolved, had it last. A
// conversation may be nobody's and an actor no agent, which makes neither the other's.
inline bool IsTheirs(const state::v1::ConversationState& conversation,
                     const command::v1::Actor& actor) {
  return !actor.agent_id().empty() && conversation.agent_id() == actor.agent_id();
}

using Rejected = std::pair<conversation::v1::CommandRejected::Reason, std::string>;

// The agent who is to be given or shown something; null: the configuration has no such agent, or no
// longer.
inline const state::v1::AgentState* FindReceiver(const State& state, absl::string_view workspace_id,
                                                 absl::string_view agent_id) {
  const state::v1::AgentState* agent = state.FindAgent(workspace_id, agent_id);
  return agent == nullptr || agent->leaving() ? nullptr : agent;
}

inline Rejected CannotTake(absl::string_view agent_id, routing::PassedOver why) {
  using conversation::v1::Explanation;
  const absl::string_view words = [why] {
    switch (why) {
      case Explanation::PASSED_OVER_NO_CAPACITY:
        return " has no room for it";
      case Explanation::PASSED_OVER_CHANNEL_LIMIT:
        return " has as many conversations of that channel as allowed";
      case Explanation::PASSED_OVER_LACKS_SKILL:
        return " lacks a skill it needs";
      case Explanation::PASSED_OVER_NOT_IN_QUEUE:
        return " does not serve its queue";
      default:
        return " is not available";
    }
  }();
  return {conversation::v1::CommandRejected::REASON_WRONG_STATE, absl::StrCat(agent_id, words)};
}

}  // namespace wissel::domain
