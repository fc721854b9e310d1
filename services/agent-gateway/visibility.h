#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/state/v1/state.pb.h"

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

/// What an event is about, which decides who may see it. Views into the event.
struct Matter {
  enum class Kind {
    kConversation,
    kAgent,          // an agent's connection, presence, capacity, after-work, removal
    kQueue,          // the removal of a queue
    kRefusal,        // of a command
    kConfiguration,  // the workspace's
    kInternal,       // the log's inner workings: restating, leases, markers, skipped input
  };
  Kind kind = Kind::kInternal;
  absl::string_view conversation;   // kConversation
  absl::string_view agent;          // kAgent, and kRefusal of an agent's command
  absl::string_view subject;        // kRefusal: who asked
  absl::string_view workspace;      // kAgent, kQueue, kConfiguration
  absl::string_view routing_group;  // kAgent, kQueue
};
Matter MatterOf(const conversation::v1::Event& event);

/// The conversation that the event is about; empty for events about anything else.
absl::string_view ConversationOf(const conversation::v1::Event& event);

/// How somebody is in a conversation's company (domain::CompanyIn): as an agent who is consulted,
/// or as the subject of a supervisor who has joined.
enum class Company { kConsulted, kJoined };
using CompanyKey = std::pair<Company, std::string>;

/// Who sees a conversation beside the supervisors of its whole routing group.
struct Party {
  /// The agent who has it, had it last when it was resolved, or is offered it; empty: nobody.
  std::string holder;
  /// The agent ids of those who keep company; supervisors who are no agents are left out.
  std::map<CompanyKey, std::string> company;

  friend bool operator==(const Party&, const Party&) = default;
};
Party PartyOf(const state::v1::ConversationState& conversation);

/// What an event tells by itself about a conversation's party before and after it, as agent ids;
/// empty: nobody. For reading a stretch of the log whose beginning one has not folded.
struct PartyChange {
  std::optional<CompanyKey> company;  // nullopt: it is about the holder
  std::string before;
  std::string after;
};
/// nullopt where the event says nothing about the party: then it stays as it is.
std::optional<PartyChange> PartyChangeOf(const conversation::v1::Event& event);
/// Puts `agent` in the place that the change is about.
void SetPlace(const PartyChange& change, const std::string& agent, Party& party);

/// What the log says about one event beside the event itself: whose conversation it is about.
struct EventFacts {
  std::string workspace;
  std::string routing_group;
  /// Everybody in the conversation's party just before the event or just after it: sorted, each
  /// once.
  std::vector<std::string> agents;

  friend bool operator==(const EventFacts&, const EventFacts&) = default;
};
std::vector<std::string> AgentsIn(const Party& before, const Party& after);

/// Whether this viewer may see this event. Pure: the same for a live stream and one that catches
/// up.
///   an agent       conversations whose party they belong to before or after the event; their own
///                  connection, presence and capacity; refusals of their own commands
///   the whole      every conversation and agent of the routing group, and its configuration
bool VisibleTo(const Viewer& viewer, const conversation::v1::Event& event, const EventFacts& facts);

/// Where those who may see an event are to be looked for: nobody else may see it, but not all who
/// are found may.
struct Addressees {
  std::vector<std::string> agents;  // by domain::AgentKey
  std::vector<std::string> groups;  // those who see the whole of one, by domain::RoutingKey
};
void AddAddressees(const conversation::v1::Event& event, const EventFacts& facts,
                   Addressees& addressees);

}  // namespace wissel::agent_gateway
