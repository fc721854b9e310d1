#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/chaos/checkers.h"

// What the checkers share.
namespace wissel::chaos {

inline void Add(Violations& violations, Fault fault, std::string detail) {
  violations.push_back({fault, std::move(detail)});
}

inline std::string At(size_t partition, int64_t offset) {
  return absl::StrCat("partition ", partition, " offset ", offset);
}

// Calls `see(partition, entry, decision)` for each decision of the log, partition by partition.
template <class See>
void ForEachDecision(const History& history, See see) {
  for (size_t partition = 0; partition < history.log.size(); ++partition) {
    for (const bus::LogEntry& entry : history.log[partition]) {
      if (entry.record.has_decision()) see(partition, entry, entry.record.decision());
    }
  }
}

}  // namespace wissel::chaos
