#include "services/router/dead_letters.h"

#include <utility>

#include "absl/strings/string_view.h"
#include "libs/base/proto_time.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/utf8.h"
#include "libs/bus/content_type.h"
#include "libs/channel/record_letter.h"
#include "libs/telemetry/trace.h"

namespace wissel::router {

namespace {

constexpr absl::Duration kTimeout = absl::Seconds(30);
constexpr size_t kMaxWorkspaceIdBytes = 128;

// As the key says; empty where it says nothing that could be an id.
absl::string_view WorkspaceOf(const bus::Record& record) {
  const absl::string_view id = absl::string_view(record.key).substr(0, record.key.find('/'));
  return id.size() <= kMaxWorkspaceIdBytes && IsUtf8(id) ? id : "";
}

telemetry::Counter& LettersOf(deadletter::v1::Reason reason, Metrics& metrics) {
  switch (reason) {
    case deadletter::v1::REASON_UNPARSABLE:
      return metrics.unparsable;
    case deadletter::v1::REASON_TOO_LARGE:
      return metrics.too_large;
    case deadletter::v1::REASON_MISROUTED:
      return metrics.misrouted;
    default:
      return metrics.invalid;
  }
}

}  // namespace

DeadLetters::DeadLetters(Shared& shared, int32_t partition)
    : shared_(shared),
      partition_(partition),
      appender_(shared.bus.NewAppender({.max_in_flight = 100})) {}

absl::StatusOr<std::string> DeadLetters::Put(const bus::Record& record,
                                             const domain::Refusal& refusal) {
  deadletter::v1::DeadLetter letter =
      channel::LetterOf(record, static_cast<size_t>(shared_.settings.max_input_bytes));
  letter.set_reason(refusal.reason);
  letter.set_detail(refusal.detail);
  *letter.mutable_time() = ToProto(shared_.clock.Now());
  letter.set_workspace_id(std::string(WorkspaceOf(record)));

  WISSEL_ASSIGN_OR_RETURN(const int count, shared_.bus.PartitionCount(bus::Topic::kDeadLetter));
  const absl::string_view trace = TraceOf(record);
  bus::Headers headers = {bus::ContentTypeHeader(letter.GetDescriptor()->full_name())};
  if (!trace.empty()) headers.emplace_back(telemetry::kTraceParent, trace);
  const auto appended = std::make_shared<absl::Status>();
  appender_->Append({.topic = bus::Topic::kDeadLetter,
                     .partition = bus::PartitionOf(letter.dead_letter_id(), count),
                     .key = letter.dead_letter_id(),
                     .value = letter.SerializeAsString(),
                     .headers = std::move(headers)},
                    [appended](absl::StatusOr<int64_t> offset) { *appended = offset.status(); });
  WISSEL_RETURN_IF_ERROR(Annotate(appender_->Flush(kTimeout), "appending a dead letter"));
  WISSEL_RETURN_IF_ERROR(Annotate(*appended, "appending a dead letter"));
  LettersOf(letter.reason(), shared_.metrics).Increment();
  shared_.log.Warning("input dead-lettered", {{"partition", partition_},
                                              {"topic", bus::TopicName(record.topic)},
                                              {"offset", record.offset},
                                              {"dead_letter", letter.dead_letter_id()},
                                              {"reason", refusal.detail},
                                              {"trace_id", telemetry::TraceIdOf(trace)}});
  return letter.dead_letter_id();
}

}  // namespace wissel::router
