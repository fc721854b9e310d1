#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "libs/views/checkpoint.h"
#include "libs/views/indexes.h"
#include "libs/views/keys.h"

namespace wissel::views {

struct FoldOptions {
  // Of a conversation, the latest.
  int messages_kept = 200;
  // Nothing of the state is in Redis yet.
  bool from_nothing = false;
};

// A partition's state, and what changes in Redis as decisions are folded in. Owns the state. Not
// thread-safe. Pure: the same entries from the same beginning give the same batches, wherever the
// batches are cut, down to what stands in Redis after them.
class Fold {
 public:
  // Goes on from `state`, whose pieces and views are in Redis, or from nothing: then the first
  // changes hold the pieces that even an empty state has. `keys` must outlive it.
  Fold(const PartitionKeys& keys, FoldOptions options, domain::State state);

  void Apply(const bus::LogEntry& entry);

  // The conversation, forgotten before, goes from the views too.
  void Expire(const state::v1::ConversationState& conversation);

  // The changes since the last call, and the meta that belongs to them, without incarnation,
  // forgotten_kept and built_to.
  // `position` is behind the last entry that was applied.
  struct Changes {
    Batch batch;
    CheckpointMeta meta;
  };
  Changes Take(const bus::LogPosition& position);

  const domain::State& state() const { return state_; }
  // Of the events applied so far.
  int64_t events() const { return events_; }

 private:
  void AddMessages(const log::v1::Decision& decision, int64_t offset);
  void NoteForgotten(const log::v1::Decision& decision);
  void MoveConversation(const domain::Piece& piece, Batch& batch);
  void MoveAgent(const domain::Piece& piece, Batch& batch);
  void Reindex(const domain::PieceKey& key, absl::string_view member,
               std::vector<IndexEntry> entries, Batch& batch);
  void AddGroup(const std::string& workspace, const std::string& group, Batch& batch);
  void CountPiece(const domain::Piece& piece);

  const PartitionKeys& keys_;
  const FoldOptions options_;
  domain::State state_;
  int64_t events_ = 0;

  // What Redis has, or will have once the batches taken so far are written.
  absl::flat_hash_map<domain::PieceKey, uint64_t> hashes_;
  uint64_t hash_ = 0;
  absl::flat_hash_map<domain::PieceKey, std::vector<IndexEntry>> indexes_;
  absl::flat_hash_set<std::string> groups_;

  // Changes that do not follow from pieces, in order.
  Batch batch_;
  // Forgotten since the last Take.
  struct Forgotten {
    state::v1::ConversationState conversation;  // its last state
    absl::Time time;
  };
  absl::flat_hash_map<std::string, Forgotten> forgotten_;
};

}  // namespace wissel::views
