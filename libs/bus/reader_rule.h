#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

// The reader's rule: which records of a log partition count. Pure; the same for everyone who reads
// the log, and stated for strangers in wissel/log/v1/log.proto.
//
// Everyone may append to a partition; the rule makes one of them its owner. A *claim* carries an
// epoch. A *decision* carries the epoch and the offset of the claim under which it was made, and a
// sequence number. Going through the partition in offset order:
//
//   claim     valid if its epoch is higher than the partition's, and at most its own offset + 1.
//             It is the partition's claim from here on, and the next sequence number is 1.
//   decision  valid if it names the partition's claim (its epoch and its offset), and carries the
//             next sequence number.
//   the rest  is void: it counts for nobody, as if it were not there.
//
// What an owner must do for it (OwnedLog does):
//   - It folds the log to its end, and claims with the epoch it finds there + 1.
//   - It decides nothing before it has read that claim back as valid, folding what stands before
//   it.
//   - It writes sequence numbers 1, 2, 3 … and nothing after an append that failed.
// Then whatever a stalled, cut-off or repeated writer appends behind another's claim is void for
// every reader, and each reader's state is exactly what the owner decided on.
//
// Why a claim's epoch is at most its offset + 1: epochs start at 1 and rise by one a claim, so no
// honest claim is above it. It keeps a damaged claim from blocking a partition for good, and says
// of a log whose head was cut off at offset S that no epoch in there was higher than S.
//
// A cut head. A reader without a checkpoint starts at offset S > 0 not knowing the partition's
// epoch. It takes the first claim it meets as *provisional*; one with a higher epoch replaces it;
// the first valid decision under it makes the footing *firm*. Until then it skips what it cannot
// place. That is exact, nothing void accepted, nothing valid missed from the footing on:
//   - A decision under a claim exists only if its owner read the claim as valid. So a decision that
//     names the provisional claim proves it. All decisions after that claim are in sight, so the
//     sequence numbers are right too: reader and a reader from offset 0 are in the same state.
//   - If the provisional claim was void, the partition's epoch was at least as high. Then a claim
//     that comes later and is valid is higher than the provisional one, and replaces it.
// A claim higher than S and than every claim seen since is valid whatever stood in the head: it
// makes the footing firm at once. So a claimant without a firm footing claims with the end offset
// + 1.
namespace wissel::bus {

enum class RecordKind {
  kGarbage,  // Neither of the others, or bytes that do not parse.
  kClaim,
  kDecision,
};

// What the rule looks at in a record.
struct RecordStamp {
  RecordKind kind = RecordKind::kGarbage;
  int64_t epoch = 0;
  int64_t sequence = 0;      // Decisions only.
  int64_t claim_offset = 0;  // Decisions only.
  std::string owner;         // Claims only.
};

enum class Verdict {
  kValid,
  // Void, and why:
  kGarbage,          // Not a log record.
  kStaleEpoch,       // A claim not above the partition's epoch, or a decision below it.
  kImpossibleEpoch,  // A claim above its offset + 1, or below 1.
  kUnclaimedEpoch,   // A decision of an epoch that was not validly claimed.
  kStaleClaim,       // A decision of this epoch under another claim.
  kRepeated,         // A decision with a sequence number that was there already.
  kGap,              // A decision after one that is missing.
  // Skipped for want of a footing, after a cut head only:
  kProvisionalClaim,  // It will count if a decision proves it.
  kNoFooting,         // A decision that names no claim in sight.
};
inline constexpr size_t kVerdicts = 10;

// As metrics and tools show it: "stale_epoch".
absl::string_view VerdictName(Verdict verdict);

enum class Footing { kNone, kProvisional, kFirm };

// Where the rule stands in a partition, before some offset. Plain data: a checkpoint keeps it
// beside that offset, and a reader that starts there with it goes on as if it had read the head.
struct RuleState {
  Footing footing = Footing::kFirm;
  int64_t epoch = 0;  // Of the valid claim; of the provisional one; 0 without any.
  int64_t claim_offset = -1;
  int64_t next_sequence = 1;
  // Without a firm footing: no claim so far, seen or cut off, had a higher epoch.
  int64_t epoch_bound = 0;
  std::string owner;

  friend bool operator==(const RuleState&, const RuleState&) = default;
};

// For a reader without a checkpoint; `start_offset` is the first that retention has left.
RuleState InitialRuleState(int64_t start_offset);

// Judges the record at `offset` and moves the state on. Offsets must rise.
Verdict ApplyRule(const RecordStamp& stamp, int64_t offset, RuleState& state);

// The epoch to claim with, having read everything before `end_offset`.
int64_t EpochToClaim(const RuleState& state, int64_t end_offset);

namespace internal {

// The rule's parts, for the model check: each left out must lead to a wrong log.
enum class Clause {
  kClaimEpochRises,
  kClaimEpochPossible,
  kDecisionNamesClaim,
  kSequenceIsNext,
  kFirmNeedsProof,
};
inline constexpr std::array kClauses = {Clause::kClaimEpochRises, Clause::kClaimEpochPossible,
                                        Clause::kDecisionNamesClaim, Clause::kSequenceIsNext,
                                        Clause::kFirmNeedsProof};

Verdict ApplyRuleWithout(Clause left_out, const RecordStamp& stamp, int64_t offset,
                         RuleState& state);

}  // namespace internal
}  // namespace wissel::bus
