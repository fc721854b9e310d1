#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "libs/store/redis.h"
#include "libs/views/keys.h"

// A partition in Redis: the pieces of its state and the views, both good for one place in the log.
// One writer's batch moves everything from one place to the next, or changes nothing.
namespace wissel::views {

// Changes with the meaning of any key; a checkpoint of another format is not read but built anew.
inline constexpr int kCheckpointFormat = 2;

// Where in the log a partition's data stands, and what it is.
struct CheckpointMeta {
  // Drawn when the data was begun, so that two beginnings are never taken for one.
  std::string incarnation;
  // Where the fold goes on; nothing where it has not begun.
  std::optional<bus::LogPosition> position;
  // Sum of domain::PieceHash over the pieces, modulo 2^64: domain::State::Hash.
  uint64_t state_hash = 0;
  // Of the last decision folded in; InfinitePast where there is none.
  absl::Time time = absl::InfinitePast();
  // domain::State::whole: false while the log's head is cut off and no restating round has passed.
  bool whole = true;
  // The log's end when the data was begun: until it gets there, what is missing may be in the log.
  int64_t built_to = 0;
  // How much the writer keeps in the views: messages of one conversation, and for how long a
  // conversation that the state has forgotten. Nothing where the writer did not say.
  std::optional<int> messages_kept;
  std::optional<absl::Duration> forgotten_kept;
};

struct Checkpoint {
  CheckpointMeta meta;
  std::vector<domain::Piece> pieces;
};

struct CheckpointLoad {
  enum class Outcome {
    kLoaded,
    kNone,         // nothing there: never written, flushed, or just begun
    kOtherFormat,  // written by another release
    kDamaged,      // unreadable, or the pieces do not add up to state_hash
  };
  Outcome outcome = Outcome::kNone;
  std::string detail;     // for a person, unless loaded
  Checkpoint checkpoint;  // if loaded
};

absl::string_view OutcomeName(CheckpointLoad::Outcome outcome);

// Reads a partition's checkpoint, atomically, and adds it up. One answer holds everything: some 60
// MB for 100,000 conversations, during which Redis serves nobody else (some 100 ms).
absl::StatusOr<CheckpointLoad> LoadCheckpoint(store::Redis& redis, const PartitionKeys& keys);

// What the writer knows of the data it is about to change.
struct Expected {
  std::string incarnation;
  std::optional<int64_t> next_offset;

  friend bool operator==(const Expected&, const Expected&) = default;
};

// Changes of pieces and views, to be made at once. The keys must outlive it.
class Batch {
 public:
  explicit Batch(const PartitionKeys& keys) : keys_(&keys) {}

  // Sets or removes a piece.
  void Put(const domain::Piece& piece);
  // Any write command on the partition's keys.
  void Run(std::initializer_list<absl::string_view> command);
  // Puts a message at `position` in its conversation, of which the latest `keep` stay.
  void AddMessage(absl::string_view conversation, absl::string_view id, double position,
                  absl::string_view message, int keep);
  // Marks a message, if it is still there; see views.h for the marks.
  void MarkMessage(absl::string_view conversation, absl::string_view id, absl::string_view mark);

  // Each change as the number of its words and the words.
  const std::vector<std::string>& arguments() const { return arguments_; }
  bool empty() const { return arguments_.empty(); }
  size_t bytes() const { return bytes_; }

 private:
  friend absl::StatusOr<std::optional<Expected>> WriteBatch(store::Redis&, const PartitionKeys&,
                                                            const Expected&, const CheckpointMeta&,
                                                            Batch);
  const PartitionKeys* keys_;
  std::vector<std::string> arguments_;
  size_t bytes_ = 0;
};

// Makes the changes and moves the place on to `next`, if the data is as `expected`: then returns
// nothing. Else changes nothing and returns what it found: another writer was here, or the data is
// gone.
//
// After an error the place tells whether the batch was made, save one: a command of the batch that
// Redis refuses (INTERNAL) leaves those before it made and the place unmoved. Then the pieces do
// not add up any more, which LoadCheckpoint notices.
absl::StatusOr<std::optional<Expected>> WriteBatch(store::Redis& redis, const PartitionKeys& keys,
                                                   const Expected& expected,
                                                   const CheckpointMeta& next, Batch batch);

// Throws away what the partition has and begins anew: every other writer finds the data changed.
// Returns the new incarnation. ABORTED if another one began in the meantime.
absl::StatusOr<std::string> BeginAnew(store::Redis& redis, const PartitionKeys& keys);

// The names of the partition's keys that are there, none twice. What comes and goes meanwhile may
// be named or not.
absl::StatusOr<std::vector<std::string>> KeysThere(store::Redis& redis, const PartitionKeys& keys);

// The fields of `meta` as Redis gives them to HMGET of kMetaFields; nothing where there is no data.
// A format that is not ours is FAILED_PRECONDITION; what cannot be read is DATA_LOSS.
inline constexpr absl::string_view kMetaFields[] = {
    "format",        "incarnation",       "next_offset", "footing", "epoch",      "claim_offset",
    "next_sequence", "epoch_bound",       "owner",       "time_ns", "state_hash", "whole",
    "messages_kept", "forgotten_kept_ms", "built_to"};
absl::StatusOr<std::optional<CheckpointMeta>> ParseMeta(const store::Reply& reply);

}  // namespace wissel::views
