#pragma once

#include <cstdint>
#include <limits>

#include "libs/routing/policy.h"

namespace wissel::routing {

// How urgent a waiting conversation is, in 16 bytes that nearly always settle which of two is more
// urgent; where they do not, WaitingSlots::MoreUrgent looks into what it was made from.
struct Urgency {
  // The first part of the order, a smaller number is more urgent: all of the rank, whether nothing
  // is due, and the due time to a millisecond; where nothing is due, the place to a millisecond.
  int64_t coarse;
  // The place, in units of 4.3 s. Counts where `coarse` is equal and both due times are exact.
  uint32_t since;
  uint32_t slot : 30;
  uint32_t due_is_exact : 1;  // a whole millisecond, or never: those whose `coarse` is equal are
  uint32_t excludes_some : 1;

  // `rank` is minus the effective priority; times are ns since 1970, no due time is the largest.
  static Urgency Of(int32_t rank, int64_t due, int64_t since, uint32_t slot, bool excludes_some) {
    constexpr int kDueBits = 46;
    constexpr uint64_t kNeverDue = uint64_t{1} << (kDueBits - 1);
    constexpr uint64_t kMillisecond = 1'000'000;
    static_assert(kMaxEffectivePriority < int32_t{1} << (64 - kDueBits - 1));
    static_assert(std::numeric_limits<uint64_t>::max() / kMillisecond < kNeverDue);
    const bool never_due = due == std::numeric_limits<int64_t>::max();
    const uint64_t low = never_due ? kNeverDue | FromSmallest(since) / kMillisecond
                                   : FromSmallest(due) / kMillisecond;
    return {.coarse = static_cast<int64_t>(static_cast<uint64_t>(int64_t{rank}) << kDueBits | low),
            .since = static_cast<uint32_t>(FromSmallest(since) >> 32),
            .slot = slot,
            .due_is_exact = never_due || due % int64_t{kMillisecond} == 0,
            .excludes_some = excludes_some};
  }

 private:
  // Counted from the smallest number there is.
  static uint64_t FromSmallest(int64_t ns) {
    return static_cast<uint64_t>(ns) ^ uint64_t { 1 } << 63;
  }
};
static_assert(sizeof(Urgency) == 16);

}  // namespace wissel::routing
