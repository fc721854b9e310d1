#pragma once

#include <cstdint>

#include "libs/routing/policy.h"

namespace wissel::routing {

// How urgent a waiting conversation is; the smallest is the most urgent. Where all of it is equal
// the smaller conversation id goes first: see WaitingSlots::MoreUrgent.
struct Urgency {
  int32_t rank;  // minus the effective priority
  uint32_t slot : 31;
  uint32_t excludes_some : 1;
  int64_t due;    // ns since 1970
  int64_t since;  // ns since 1970

  // The first 64 bits of the order: a smaller number is more urgent, equal ones are still to be
  // compared. All of the rank, and the due time to a quarter of a millisecond.
  int64_t Coarse() const {
    constexpr int kDueBits = 46;
    static_assert(kMaxEffectivePriority < int32_t{1} << (64 - kDueBits - 1));
    constexpr uint64_t kSign = uint64_t{1} << 63;
    return static_cast<int64_t>(static_cast<uint64_t>(int64_t{rank}) << kDueBits |
                                (static_cast<uint64_t>(due) ^ kSign) >> (64 - kDueBits));
  }
};

}  // namespace wissel::routing
