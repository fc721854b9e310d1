#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "services/agent-gateway/cursor.h"
#include "services/agent-gateway/frame.h"
#include "services/agent-gateway/visibility.h"
#include "wissel/agent/v1/agent_service.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::agent_gateway {

/// One decision of the log with what it takes to show it to anyone: whose each event is, and the
/// cursor behind it. Immutable once made, shared by all streams that are shown it by one thread.
struct Entry {
  int64_t offset = 0;
  std::string cursor;
  /// Of the command that was decided; empty for any other cause.
  std::string command_id;
  log::v1::Decision decision;
  std::vector<EventFacts> facts;  // one for each event

  /// The message that shows the events this viewer may see; null where there are none.
  FramePtr FrameFor(const Viewer& viewer) const;

 private:
  // For those who see all of it, which most do who see any: made when first asked for.
  mutable FramePtr whole_;
  mutable std::string whole_group_;  // in whose name
};
using EntryPtr = std::shared_ptr<const Entry>;

/// What a record's key, "workspace/routing group" of what was decided, says of its events.
EventFacts FactsOfKey(absl::string_view key);

/// The cursor behind a valid decision or claim at `offset`: both leave the reader's rule in a state
/// that they name themselves.
Position PositionAfter(int32_t partition, int64_t offset, const log::v1::LogRecord& record);

Position PositionAfter(int32_t partition, const Entry& entry);

/// The decision's command; empty where it was not caused by one.
std::string CommandIdOf(const log::v1::Decision& decision);

/// What a gateway knows of one partition: its folded state, and the latest decisions in a ring of
/// bounded length. Pure and deterministic: a function of the records applied. Not thread-safe: the
/// partition's thread owns it.
class PartitionView {
 public:
  struct Limits {
    size_t ring_entries = 65'536;
    size_t ring_bytes = size_t{64} << 20;
    size_t snapshot_items = 1'000;
  };

  PartitionView(int32_t partition, const Limits& limits, domain::State state,
                const bus::LogPosition& from);

  /// Folds the next valid record. Null for a claim, which nobody is shown.
  EntryPtr Apply(bus::LogEntry record);

  /// Behind the records that were applied or skipped; never goes back.
  void SkipTo(const bus::LogPosition& position);
  Position position() const { return position_; }

  /// Whoever stands at this offset or later finds what follows in the ring.
  int64_t ring_start() const { return ring_start_; }
  /// The first decision at or after `offset`, which is not before ring_start(); an index for at().
  size_t IndexOf(int64_t offset) const;
  size_t size() const { return ring_.size(); }
  const EntryPtr& at(size_t index) const { return ring_[index]; }

  /// The decision of this command, while it is in the ring; else null.
  EntryPtr FindCommand(absl::string_view command_id) const;

  /// Whose a conversation was for a reader at `offset`, which is not before ring_start(); empty
  /// fields where it was not known then or is forgotten since.
  struct Owners {
    std::string workspace;
    std::string routing_group;
    Party party;
  };
  Owners OwnersAt(absl::string_view conversation_id, int64_t offset) const;

  /// What the viewer has at position(), without the messages.
  agent::v1::Snapshot MakeSnapshot(const Viewer& viewer) const;

  const domain::State& state() const { return state_; }

 private:
  // The party was `before` until the decision at `offset`.
  struct Change {
    int64_t offset = 0;
    Party before;
  };

  EventFacts ApplyEvent(const conversation::v1::Event& event, int64_t offset,
                        const EventFacts& fallback);
  void Push(EntryPtr entry, size_t bytes);
  void EvictOldest();

  const int32_t partition_;
  const Limits limits_;
  domain::State state_;
  Position position_;

  std::deque<EntryPtr> ring_;
  std::deque<size_t> ring_bytes_of_;
  size_t ring_bytes_ = 0;
  int64_t ring_start_ = 0;
  absl::flat_hash_map<std::string, EntryPtr> by_command_;
  // Of the conversations whose party changed within the ring, oldest first.
  absl::flat_hash_map<std::string, std::deque<Change>> changes_;
};

}  // namespace wissel::agent_gateway
