#include "libs/bus/log_reader.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <utility>

#include "libs/base/status_macros.h"

namespace wissel::bus {

LogPosition UnknownPosition(int64_t offset) { return {offset, InitialRuleState(offset)}; }

RecordStamp ReadStamp(absl::string_view value, wissel::log::v1::LogRecord& record) {
  using wissel::log::v1::LogRecord;
  RecordStamp stamp;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size()))) return stamp;
  switch (record.kind_case()) {
    case LogRecord::kOwnerClaimed:
      stamp.kind = RecordKind::kClaim;
      stamp.epoch = record.owner_claimed().epoch();
      stamp.owner = record.owner_claimed().owner();
      break;
    case LogRecord::kDecision:
      stamp.kind = RecordKind::kDecision;
      stamp.epoch = record.decision().epoch();
      stamp.sequence = record.decision().sequence();
      stamp.claim_offset = record.decision().claim_offset();
      break;
    case LogRecord::KIND_NOT_SET:
      break;
  }
  return stamp;
}

std::optional<RecordStamp> PeekDecision(absl::string_view value) {
  using google::protobuf::internal::WireFormatLite;
  using wissel::log::v1::Decision;
  using wissel::log::v1::LogRecord;
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(value.data()),
                                            static_cast<int>(value.size()));
  const auto tag = [](int field, WireFormatLite::WireType type) {
    return WireFormatLite::MakeTag(field, type);
  };
  uint32_t size = 0;
  if (in.ReadTag() !=
          tag(LogRecord::kDecisionFieldNumber, WireFormatLite::WIRETYPE_LENGTH_DELIMITED) ||
      !in.ReadVarint32(&size) || static_cast<size_t>(in.CurrentPosition()) + size != value.size()) {
    return std::nullopt;
  }
  // In the order of their numbers, those that are zero left out.
  RecordStamp stamp{.kind = RecordKind::kDecision};
  uint32_t next = in.ReadTag();
  for (const auto& [field, number] :
       {std::pair(Decision::kEpochFieldNumber, &stamp.epoch),
        std::pair(Decision::kSequenceFieldNumber, &stamp.sequence),
        std::pair(Decision::kClaimOffsetFieldNumber, &stamp.claim_offset)}) {
    if (next != tag(field, WireFormatLite::WIRETYPE_VARINT)) continue;
    uint64_t varint = 0;
    if (!in.ReadVarint64(&varint)) return std::nullopt;
    *number = static_cast<int64_t>(varint);
    next = in.ReadTag();
  }
  return stamp;
}

absl::StatusOr<std::unique_ptr<LogReader>> LogReader::Open(Bus& bus, int32_t partition,
                                                           LogReaderOptions options) {
  WISSEL_ASSIGN_OR_RETURN(std::unique_ptr<Reader> reader,
                          bus.OpenReader(Topic::kLog, partition,
                                         {.offset = options.from ? options.from->offset : 0,
                                          .wakeup = options.wakeup}));
  RuleState rule;
  if (options.from) {
    rule = options.from->rule;
  } else {
    WISSEL_ASSIGN_OR_RETURN(const int64_t start, reader->StartOffset());
    rule = InitialRuleState(start);
    if (start > 0) WISSEL_RETURN_IF_ERROR(reader->Seek(start));
  }
  return std::unique_ptr<LogReader>(
      new LogReader(std::move(reader), std::move(rule), std::move(options)));
}

absl::StatusOr<std::vector<LogEntry>> LogReader::Poll(size_t max, absl::Duration timeout) {
  WISSEL_ASSIGN_OR_RETURN(std::vector<Record> records, reader_->Poll(max, timeout));
  std::vector<LogEntry> entries;
  entries.reserve(records.size());
  for (Record& record : records) {
    LogEntry entry;
    std::optional<RecordStamp> peeked;
    if (options_.known) peeked = PeekDecision(record.value);
    const bool known = peeked.has_value() && options_.known(*peeked);
    if (known) {
      wissel::log::v1::Decision& decision = *entry.record.mutable_decision();
      decision.set_epoch(peeked->epoch);
      decision.set_sequence(peeked->sequence);
      decision.set_claim_offset(peeked->claim_offset);
    }
    const RecordStamp stamp = known ? *std::move(peeked) : ReadStamp(record.value, entry.record);
    const Verdict verdict = ApplyRule(stamp, record.offset, rule_);
    ++counts_[static_cast<size_t>(verdict)];
    const bool passes = verdict == Verdict::kValid ||
                        (options_.ignore_reader_rule && stamp.kind != RecordKind::kGarbage);
    if (!passes) {
      if (options_.on_void) options_.on_void({record.offset, verdict, stamp});
      continue;
    }
    entry.offset = record.offset;
    entry.time = record.time;
    entry.key = std::move(record.key);
    entry.headers = std::move(record.headers);
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace wissel::bus
