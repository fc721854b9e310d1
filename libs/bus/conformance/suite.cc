#include "libs/bus/conformance/suite.h"

#include <gmock/gmock.h>

#include <utility>

#include "libs/testing/status_matchers.h"

namespace wissel::bus {

using wissel::testing::IsOk;

namespace {

wissel::log::v1::LogRecord ClaimRecord(int64_t epoch, std::string owner) {
  wissel::log::v1::LogRecord record;
  record.mutable_owner_claimed()->set_epoch(epoch);
  record.mutable_owner_claimed()->set_owner(std::move(owner));
  return record;
}

}  // namespace

wissel::log::v1::Decision DecisionFor(int64_t input) {
  wissel::log::v1::Decision decision;
  decision.mutable_cause()->mutable_input()->set_offset(input);
  return decision;
}

void BusConformance::Make(const BackendOptions& options) {
  bus_.reset();
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, GetParam().make(options));
}

int64_t BusConformance::AppendRaw(Topic topic, int32_t partition, std::string value) {
  absl::StatusOr<int64_t> answer = absl::UnknownError("not answered");
  const auto appender = bus_->NewAppender({});
  appender->Append(
      {.topic = topic, .partition = partition, .key = "", .value = std::move(value), .headers = {}},
      [&](absl::StatusOr<int64_t> offset) { answer = std::move(offset); });
  WISSEL_EXPECT_OK(appender->Flush(kPatience));
  WISSEL_EXPECT_OK(answer);
  return answer.value_or(-1);
}

int64_t BusConformance::AppendClaim(int64_t epoch, std::string owner) {
  return AppendRaw(Topic::kLog, 0, ClaimRecord(epoch, std::move(owner)).SerializeAsString());
}

int64_t BusConformance::AppendDecision(int64_t epoch, int64_t sequence, int64_t claim_offset) {
  wissel::log::v1::LogRecord record;
  record.mutable_decision()->set_epoch(epoch);
  record.mutable_decision()->set_sequence(sequence);
  record.mutable_decision()->set_claim_offset(claim_offset);
  return AppendRaw(Topic::kLog, 0, record.SerializeAsString());
}

std::unique_ptr<Reader> BusConformance::OpenReader(Topic topic, int32_t partition, int64_t offset) {
  auto reader = bus_->OpenReader(topic, partition, {.offset = offset, .wakeup = nullptr});
  EXPECT_THAT(reader, IsOk());
  return reader.ok() ? *std::move(reader) : nullptr;
}

std::unique_ptr<OwnedLog> BusConformance::OpenLog(std::string owner,
                                                  std::shared_ptr<Appender> appender) {
  OwnedLogOptions options;
  options.owner = std::move(owner);
  auto log = OwnedLog::Open(*bus_, appender != nullptr ? appender : Gapless(), options);
  EXPECT_THAT(log, IsOk());
  return log.ok() ? *std::move(log) : nullptr;
}

std::vector<Record> BusConformance::ReadRecords(Reader& reader, size_t count) {
  std::vector<Record> all;
  const absl::Time deadline = absl::Now() + kPatience;
  while (all.size() < count && absl::Now() < deadline) {
    auto some = reader.Poll(count - all.size(), absl::Seconds(1));
    EXPECT_THAT(some, IsOk());
    if (!some.ok()) break;
    for (Record& record : *some) all.push_back(std::move(record));
  }
  return all;
}

std::vector<int64_t> BusConformance::ValidDecisions(std::optional<LogPosition> from) {
  LogReaderOptions options;
  options.from = std::move(from);
  const auto reader = LogReader::Open(*bus_, 0, std::move(options));
  EXPECT_THAT(reader, IsOk());
  if (!reader.ok()) return {};
  const absl::StatusOr<int64_t> end = (*reader)->EndOffset();
  EXPECT_THAT(end, IsOk());
  std::vector<int64_t> valid;
  const absl::Time deadline = absl::Now() + kPatience;
  while ((*reader)->position().offset < end.value_or(0) && absl::Now() < deadline) {
    const auto entries = (*reader)->Poll(1000, absl::Seconds(1));
    EXPECT_THAT(entries, IsOk());
    if (!entries.ok()) break;
    for (const LogEntry& entry : *entries) {
      if (entry.record.has_decision()) valid.push_back(entry.offset);
    }
  }
  return valid;
}

std::vector<wissel::log::v1::Decision> BusConformance::Settle(OwnedLog& log) {
  std::vector<wissel::log::v1::Decision> folded;
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    const auto entries = log.Poll(1000, absl::Seconds(1));
    if (!entries.ok()) return folded;
    for (const auto& e : *entries) {
      if (e.record.has_decision()) folded.push_back(e.record.decision());
    }
    if (log.phase() == OwnedLog::Phase::kOwning) return folded;
  }
  ADD_FAILURE() << "neither owned nor lost";
  return folded;
}

std::vector<int64_t> BusConformance::DecisionsOf(int64_t epoch) {
  const auto reader = OpenReader(Topic::kLog, 0, 0);
  const int64_t start = reader->StartOffset().value_or(0);
  WISSEL_EXPECT_OK(reader->Seek(start));
  const int64_t end = reader->EndOffset().value_or(0);
  std::vector<int64_t> offsets;
  for (const Record& record : ReadRecords(*reader, static_cast<size_t>(end - start))) {
    wissel::log::v1::LogRecord parsed;
    const RecordStamp stamp = ReadStamp(record.value, parsed);
    if (stamp.kind == RecordKind::kDecision && stamp.epoch == epoch) {
      offsets.push_back(record.offset);
    }
  }
  return offsets;
}

int64_t BusConformance::Confirm(OwnedLog& log) {
  const int64_t before = log.unconfirmed();
  const absl::Time deadline = absl::Now() + kPatience;
  while (log.unconfirmed() > 0 && absl::Now() < deadline) {
    if (!log.Poll(1000, absl::Seconds(1)).ok()) break;
  }
  return before - log.unconfirmed();
}

}  // namespace wissel::bus
