#pragma once

#include <string>
#include <vector>

#include "libs/views/keys.h"
#include "wissel/state/v1/state.pb.h"

namespace wissel::views {

// A place in one of the indexes of libs/views/keys.h: a zset's key and the score there. The member
// is the conversation's or agent's id.
struct IndexEntry {
  std::string key;
  double score = 0;

  friend bool operator==(const IndexEntry&, const IndexEntry&) = default;
};

// Where a conversation stands in the indexes, each key once, sorted by key. A function of its state
// alone.
std::vector<IndexEntry> IndexesOf(const PartitionKeys& keys,
                                  const state::v1::ConversationState& conversation);

// The same for an agent.
std::vector<IndexEntry> IndexesOf(const PartitionKeys& keys, const state::v1::AgentState& agent);

}  // namespace wissel::views
