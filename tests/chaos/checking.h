#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/chaos/checkers.h"
#include "wissel/common/v1/common.pb.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

// What the checkers share.
namespace wissel::chaos {

inline void Add(Violations& violations, Fault fault, std::string detail) {
  violations.push_back({fault, std::move(detail)});
}

inline std::string At(size_t partition, int64_t offset) {
  return absl::StrCat("partition ", partition, " offset ", offset);
}

// Nothing more is owed for an answer whose delivery stands there: the log tells the agent that the
// provider does not have it, or may not.
inline bool IsReported(receipt::v1::DeliveryState state) {
  switch (state) {
    case receipt::v1::DELIVERY_STATE_FAILED:
    case receipt::v1::DELIVERY_STATE_HELD:
    case receipt::v1::DELIVERY_STATE_UNCERTAIN:
      return true;
    default:
      return false;
  }
}

inline bool IsMail(const conversation::v1::ReplySent& reply) {
  return reply.message().account().kind() == common::v1::CHANNEL_KIND_EMAIL;
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
