#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/bus/bus.h"
#include "libs/domain/state.h"
#include "libs/domain/testing.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::agent_gateway {

/// Appends decisions to a partition of the log as its owner would, claiming first.
class LogWriter {
 public:
  explicit LogWriter(bus::Bus& bus, int32_t partition = 0)
      : appender_(bus.NewAppender({.gapless = true})), partition_(partition) {
    Claim();
  }

  /// A new owner: what the old one numbered starts over.
  void Claim() {
    log::v1::LogRecord record;
    record.mutable_owner_claimed()->set_epoch(++epoch_);
    claim_offset_ = Append(record);
    sequence_ = 0;
  }

  /// Returns the offset.
  int64_t Write(log::v1::Decision decision) {
    log::v1::LogRecord record;
    decision.set_epoch(epoch_);
    decision.set_claim_offset(claim_offset_);
    decision.set_sequence(++sequence_);
    *record.mutable_decision() = std::move(decision);
    return Append(record);
  }

  /// What a former owner writes who has not noticed yet: void for every reader.
  void WriteVoid(log::v1::Decision decision) {
    log::v1::LogRecord record;
    decision.set_epoch(epoch_ - 1);
    decision.set_claim_offset(claim_offset_);
    decision.set_sequence(1);
    *record.mutable_decision() = std::move(decision);
    Append(record);
  }

 private:
  int64_t Append(const log::v1::LogRecord& record) {
    Notification done;
    int64_t appended = -1;
    appender_->Append(
        {.topic = bus::Topic::kLog,
         .partition = partition_,
         .key = domain::RoutingKey(domain::testing::kWorkspace, domain::testing::kGroup),
         .value = record.SerializeAsString()},
        [&](const absl::StatusOr<int64_t>& offset) {
          WISSEL_CHECK_OK(offset);
          appended = *offset;
          done.Notify();
        });
    done.Wait();
    return appended;
  }

  const std::unique_ptr<bus::Appender> appender_;
  const int32_t partition_;
  int64_t epoch_ = 0;
  int64_t claim_offset_ = -1;
  int64_t sequence_ = 0;
};

}  // namespace wissel::agent_gateway
