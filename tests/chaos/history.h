#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/bus/log_reader.h"
#include "wissel/agent/v1/agent_service.pb.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/history/v1/history_service.pb.h"

// What a run leaves behind: plain data, written by the workload, judged by the checkers.
namespace wissel::chaos {

// A message that a customer wrote.
struct CustomerMessage {
  std::string provider_message_id;
  std::string customer;
  // Messages of one customer with a lower step were acknowledged before this one was first sent;
  // those with the same step were under way at the same time.
  // A mail's is its place in the shop's mailbox.
  int step = 0;
  // A webhook that carried it was answered with 200; a mail server took it with 250.
  bool acknowledged = false;
  // A mail: the outbound id of the answer that it answers; empty: none.
  std::string answers;
};

// A mail in the customers' mailbox.
struct ArrivedMail {
  std::string outbound_id;
  std::string message_id;
  std::string to;
};

// One message of an agent's stream: what the agent may see of one decision.
struct Shown {
  int64_t until = 0;  // The place that its cursor names: behind the decision.
  agent::v1::Events events;
};

// What an agent's stream showed from one snapshot on, across all reconnections with a cursor.
struct Stretch {
  int32_t partition = 0;
  int64_t from = 0;   // The snapshot's place: the first record it does not contain.
  int64_t until = 0;  // The last cursor's place.
  std::vector<Shown> shown;
};

struct Transcript {
  std::string agent_id;
  std::vector<Stretch> stretches;
  // Ids of SendReply commands whose outcome was that they were done.
  std::set<std::string> replies_done;
};

// What the history service answered when it was asked for a conversation.
struct Told {
  std::string conversation_id;
  // Everything that history has of it, asked for when all was quiet; else the latest, as of a place
  // in the log.
  bool whole = false;
  bool in_peace = false;  // Asked for when all was quiet.
  // Oldest first.
  std::vector<history::v1::Message> messages;
  int32_t partition = 0;
  int64_t offset = 0;  // Of the last record that it takes into account.
  // Not OK: nothing was told, though the service could be reached.
  absl::Status status;
};

// What admin answered to somebody who wanted to put a configuration in force.
struct ConfigAttempt {
  // The configuration's display name, of each attempt its own. Empty: admin was only asked what is
  // in force, and did not say.
  std::string label;
  int64_t version = 0;
  // UNAVAILABLE leaves open what became of it.
  absl::Status status;
};

struct History {
  std::vector<CustomerMessage> messages;
  // Outbound ids in the order in which the provider accepted them.
  std::vector<std::string> book;
  // The customers' mailbox, in its order.
  std::vector<ArrivedMail> arrived;
  // Message-IDs in the order in which the mail server was given them.
  std::vector<std::string> mails_taken;
  std::vector<Transcript> transcripts;
  // Valid records only, by partition.
  std::vector<std::vector<bus::LogEntry>> log;
  // By partition: every stream must have reached this place.
  std::vector<int64_t> streams_reach;
  std::vector<Told> told;
  std::vector<ConfigAttempt> config_attempts;
  // What admin said at the end.
  config::v1::WorkspaceConfig config_in_force;
};

// A state hash that somebody holds of a partition, and the place in the log it is good for.
struct HeldState {
  std::string holder;  // For people: "router-1", "checkpoint".
  int32_t partition = 0;
  uint64_t hash = 0;
  // A router's place: after its decision `sequence` of `epoch`; 0: after its claim.
  int64_t epoch = 0;
  int64_t sequence = 0;
  // A checkpoint's place: before this offset. Negative: the place is a router's.
  int64_t next_offset = -1;
};

}  // namespace wissel::chaos
