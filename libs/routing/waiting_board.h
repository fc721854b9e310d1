#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "libs/routing/counted_set.h"
#include "libs/routing/matcher.h"
#include "libs/routing/urgency.h"

namespace wissel::routing {

// Who waits, by class (what is asked for, and the channel), the most urgent first. The heads of all
// classes stand side by side, so that the most urgent conversation of many classes is found without
// looking into any.
//
// The order is given with each call, as CountedSet wants it.
class WaitingBoard {
 public:
  // Nobody waits, and there are no groups.
  void Reset() { kinds_ = {}; }
  // There are so many groups now.
  void Resize(size_t groups) {
    if (groups == kinds_[0].heads.size()) return;
    for (Kind& kind : kinds_) {
      kind.waiting.resize(groups);
      kind.heads.resize(groups);
      kind.nonempty.resize((groups + 63) / 64, 0);
    }
  }

  template <typename Less>
  void Insert(uint32_t group, int kind, const Urgency& urgency, const Less& less) {
    Kind& k = kinds_[kind];
    const bool first = k.waiting[group].empty() || less(urgency, k.heads[group]);
    k.waiting[group].Insert(urgency, less);
    if (first) k.heads[group] = urgency;
    k.nonempty[group / 64] |= uint64_t{1} << (group % 64);
  }

  // False where it is not there.
  template <typename Less>
  bool Erase(uint32_t group, int kind, const Urgency& urgency, const Less& less) {
    Kind& k = kinds_[kind];
    CountedSet<Urgency>& waiting = k.waiting[group];
    if (!waiting.Erase(urgency, less)) return false;
    if (waiting.empty()) {
      k.nonempty[group / 64] &= ~(uint64_t{1} << (group % 64));
    } else if (k.heads[group].slot == urgency.slot) {
      k.heads[group] = waiting.First();
    }
    return true;
  }

  // The most urgent in the groups of `row`, bits in words of 64, and the kinds of `kinds`, bits
  // too; one that excludes somebody only where `may_have(slot)`.
  template <typename Less, typename MayHave>
  std::optional<Urgency> MostUrgent(const uint64_t* row, uint32_t kinds, const Less& less,
                                    const MayHave& may_have) const {
    std::optional<Urgency> best;
    int64_t best_coarse = std::numeric_limits<int64_t>::max();
    const size_t words = kinds_[0].nonempty.size();
    for (; kinds != 0; kinds &= kinds - 1) {
      const Kind& kind = kinds_[std::countr_zero(kinds)];
      for (size_t w = 0; w < words; ++w) {
        for (uint64_t bits = row[w] & kind.nonempty[w]; bits != 0; bits &= bits - 1) {
          const size_t group = w * 64 + static_cast<size_t>(std::countr_zero(bits));
          const Urgency& head = kind.heads[group];
          if (head.coarse > best_coarse) continue;
          if (best.has_value() && !less(head, *best)) continue;
          if (head.excludes_some == 0) {
            best = head;
          } else {
            kind.waiting[group].ForEach([&](const Urgency& next) {
              if (best.has_value() && !less(next, *best)) return false;
              if (next.excludes_some != 0 && !may_have(next.slot)) return true;
              best = next;
              return false;
            });
          }
          if (best.has_value()) best_coarse = best->coarse;
        }
      }
    }
    return best;
  }

  size_t Count(uint32_t group) const {
    size_t count = 0;
    for (const Kind& kind : kinds_) count += kind.waiting[group].size();
    return count;
  }

  // How many of the group are more urgent.
  template <typename Less>
  size_t CountBefore(uint32_t group, const Urgency& urgency, const Less& less) const {
    size_t before = 0;
    for (const Kind& kind : kinds_) before += kind.waiting[group].CountBefore(urgency, less);
    return before;
  }

  size_t MemoryBytes() const {
    size_t bytes = 0;
    for (const Kind& kind : kinds_) {
      for (const CountedSet<Urgency>& waiting : kind.waiting) bytes += waiting.MemoryBytes();
      bytes += kind.waiting.capacity() * sizeof(CountedSet<Urgency>) +
               kind.heads.capacity() * sizeof(Urgency) +
               kind.nonempty.capacity() * sizeof(uint64_t);
    }
    return bytes;
  }

 private:
  // Of a channel kind, by group.
  struct Kind {
    std::vector<CountedSet<Urgency>> waiting;
    std::vector<Urgency> heads;  // where somebody waits
    std::vector<uint64_t> nonempty;
  };

  std::array<Kind, kChannelKinds> kinds_;
};

}  // namespace wissel::routing
