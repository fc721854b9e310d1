#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/log_reader.h"
#include "libs/store/redis.h"
#include "libs/views/keys.h"
#include "wissel/history/v1/history_service.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"
#include "wissel/state/v1/state.pb.h"

// What a partition's views hold, as typed readers: for the history service, and for gateways, which
// go on from here in the log. Each function is one atomic read of one partition. Beside Redis's own
// errors:
//
//   UNAVAILABLE  the views are being built (BeingBuilt): they are not there, not whole yet, or have
//                not come to where the log ended when they were begun; ReadAgentWork gives the last
//                all the same
//   DATA_LOSS    a view does not parse, or a conversation names a message that is gone; an agent's
//                work goes without such a message
//
// A caller with several partitions asks each.
namespace wissel::views {

// How far into the log an answer goes, and how to read on from there.
struct Place {
  int32_t partition = 0;
  bus::LogPosition position;
  // Of the last decision folded in.
  absl::Time time = absl::InfinitePast();
  // False where the views have not come to where the log ended when they were begun.
  bool built = true;
};

absl::Status BeingBuilt(int32_t partition);

struct ConversationWork {
  state::v1::ConversationState conversation;
  // The latest, oldest first.
  std::vector<history::v1::Message> messages;
};

// What an agent has to do.
struct AgentWork {
  Place place;
  // Nothing where the partition does not know the agent.
  std::optional<state::v1::AgentState> agent;
  // Offered to the agent, active or parked with the agent, and those in which the agent is company
  // (domain::CompanyIn); the earliest opened first.
  std::vector<ConversationWork> conversations;
};

inline constexpr int kMessagesOfWork = 20;

absl::StatusOr<AgentWork> ReadAgentWork(store::Redis& redis, const PartitionKeys& keys,
                                        absl::string_view workspace_id, absl::string_view agent_id);

// A conversation of the workspace with its latest `messages`; nothing where the partition has none
// of that id, or it is another workspace's.
struct ConversationView {
  Place place;
  std::optional<ConversationWork> conversation;
};
absl::StatusOr<ConversationView> ReadConversation(store::Redis& redis, const PartitionKeys& keys,
                                                  absl::string_view workspace_id,
                                                  absl::string_view conversation_id, int messages);

// Where a page ended: the next one begins behind it. Scores fall from page to page.
struct Cursor {
  double score = 0;
  std::string id;
};

// A conversation's messages, newest first, at most `limit`, from behind `after`. NOT_FOUND where
// the workspace has no such conversation in this partition.
struct MessagePage {
  Place place;
  std::vector<std::pair<Cursor, history::v1::Message>> messages;
};
absl::StatusOr<MessagePage> ReadMessages(store::Redis& redis, const PartitionKeys& keys,
                                         absl::string_view workspace_id,
                                         absl::string_view conversation_id,
                                         const std::optional<Cursor>& after, int limit);

// The conversations of an index (one of keys' zsets), highest score first, at most `limit`, from
// behind `after`.
struct ConversationPage {
  Place place;
  std::vector<std::pair<Cursor, state::v1::ConversationState>> conversations;
};
absl::StatusOr<ConversationPage> ReadIndex(store::Redis& redis, const PartitionKeys& keys,
                                           absl::string_view index,
                                           const std::optional<Cursor>& after, int limit);

// The workspace's routing groups that have had something in this partition.
absl::StatusOr<std::vector<std::string>> ReadGroups(store::Redis& redis, const PartitionKeys& keys,
                                                    absl::string_view workspace_id);

struct QueueView {
  Place place;
  int64_t waiting = 0;
  int64_t offered = 0;
  int64_t active = 0;
  std::optional<absl::Time> oldest_waiting_since;
};
// `group`: "workspace_id/routing_group_id". An unknown queue is one where nobody waits.
absl::StatusOr<QueueView> ReadQueue(store::Redis& redis, const PartitionKeys& keys,
                                    absl::string_view group, absl::string_view queue_id);

// The agents of a routing group, by id.
absl::StatusOr<std::vector<state::v1::AgentState>> ReadAgents(store::Redis& redis,
                                                              const PartitionKeys& keys,
                                                              absl::string_view workspace_id,
                                                              absl::string_view group);

// Marks that the projector puts on a message after the event that made it.
std::string EditedMark();
std::string DeliveryMark(receipt::v1::DeliveryState state);

}  // namespace wissel::views
