#include "libs/channel/publisher.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/utf8.h"
#include "libs/bus/content_type.h"
#include "libs/channel/ids.h"
#include "libs/channel/language.h"
#include "libs/channel/text.h"
#include "libs/domain/state.h"
#include "libs/telemetry/trace.h"

namespace wissel::channel {
namespace {

deadletter::v1::DeadLetter ToDeadLetter(const message::v1::InboundMessage& message,
                                        deadletter::v1::Reason reason, absl::string_view detail) {
  deadletter::v1::DeadLetter letter;
  deadletter::v1::ProviderOrigin* origin = letter.mutable_origin()->mutable_provider();
  origin->set_kind(message.account().kind());
  origin->set_workspace_id(message.envelope().workspace_id());
  origin->set_account_id(message.account().account_id());
  origin->set_reference(message.provider_message_id());
  letter.set_reason(reason);
  letter.set_detail(std::string(detail));
  letter.set_raw(message.SerializeAsString());
  letter.set_workspace_id(message.envelope().workspace_id());
  return letter;
}

// Of the texts together: one sentence alone is often too short to tell.
std::string LanguageOf(const message::v1::InboundMessage& message) {
  std::string text;
  for (const message::v1::Content& content : message.contents()) {
    if (content.has_text()) absl::StrAppend(&text, content.text().text(), "\n");
  }
  return DetectLanguage(text).value_or("");
}

}  // namespace

Publisher::Publisher(bus::Bus* bus, const Clock* clock, PublisherOptions options)
    : bus_(bus),
      clock_(clock),
      options_(std::move(options)),
      appender_(bus->NewAppender({.max_in_flight = options_.max_in_flight,
                                  .max_in_flight_bytes = options_.max_in_flight_bytes})) {}

absl::Status Publisher::Connect() {
  WISSEL_RETURN_IF_ERROR(bus::CheckTopics(*bus_));
  WISSEL_ASSIGN_OR_RETURN(const int dead_letters, bus_->PartitionCount(bus::Topic::kDeadLetter));
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus_->PartitionCount(bus::Topic::kInbound));
  dead_letter_partitions_ = dead_letters;
  partitions_ = partitions;
  return absl::OkStatus();
}

void Publisher::Publish(message::v1::InboundMessage message, absl::string_view traceparent,
                        Done done) {
  DeriveIds(&message);
  if (absl::Status valid = Validate(message); !valid.ok()) {
    return Divert(message, deadletter::v1::REASON_INVALID, valid.message(), traceparent,
                  std::move(done));
  }
  if (message.language().empty()) message.set_language(LanguageOf(message));
  bus::Outgoing record = RecordOf(
      bus::Topic::kInbound,
      domain::RoutingKey(message.envelope().workspace_id(), message.envelope().routing_group_id()),
      message, traceparent);
  // The one refusal that no repeat can mend.
  if (connected() && appender_->Admit(record).code() == absl::StatusCode::kInvalidArgument) {
    return Divert(
        message, deadletter::v1::REASON_TOO_LARGE,
        absl::StrCat("message of ", record.value.size(), " bytes is larger than a record may be"),
        traceparent, std::move(done));
  }
  Append(std::move(record), std::move(done));
}

void Publisher::Divert(const message::v1::InboundMessage& message, deadletter::v1::Reason reason,
                       absl::string_view detail, absl::string_view traceparent, Done done) {
  deadletter::v1::DeadLetter letter = ToDeadLetter(message, reason, detail);
  DeriveId(&letter);
  if (options_.on_diverted) options_.on_diverted(letter, traceparent);
  Publish(std::move(letter), traceparent, std::move(done));
}

void Publisher::Publish(const receipt::v1::Receipt& receipt, absl::string_view traceparent,
                        Done done) {
  Append(RecordOf(bus::Topic::kReceipts,
                  domain::RoutingKey(receipt.envelope().workspace_id(),
                                     receipt.envelope().routing_group_id()),
                  receipt, traceparent),
         std::move(done));
}

void Publisher::Publish(deadletter::v1::DeadLetter letter, absl::string_view traceparent,
                        Done done) {
  DeriveId(&letter);  // From all of the reference.
  if (letter.origin().has_provider()) {
    std::string& reference = *letter.mutable_origin()->mutable_provider()->mutable_reference();
    reference.resize(TruncateUtf8(reference, kMaxProviderMessageIdBytes).size());
  }
  *letter.mutable_time() = ToProto(clock_->Now());
  letter.set_detail(std::string(TruncateUtf8(ToUtf8(letter.detail()), kMaxErrorDetailBytes)));
  if (letter.raw().size() > options_.max_dead_letter_raw_bytes) {
    letter.mutable_raw()->resize(options_.max_dead_letter_raw_bytes);
    letter.set_truncated(true);
  }
  Append(RecordOf(bus::Topic::kDeadLetter, letter.dead_letter_id(), letter, traceparent),
         std::move(done));
}

bus::Outgoing Publisher::RecordOf(bus::Topic topic, std::string key,
                                  const google::protobuf::Message& message,
                                  absl::string_view traceparent) const {
  const int partitions = topic == bus::Topic::kDeadLetter ? dead_letter_partitions_ : partitions_;
  bus::Outgoing record{.topic = topic,
                       .partition = partitions > 0 ? bus::PartitionOf(key, partitions) : 0,
                       .key = std::move(key),
                       .value = message.SerializeAsString(),
                       .headers = {bus::ContentTypeHeader(message.GetTypeName())}};
  if (!traceparent.empty()) {
    record.headers.emplace_back(std::string(telemetry::kTraceParent), std::string(traceparent));
  }
  return record;
}

void Publisher::Append(bus::Outgoing record, Done done) {
  if (!connected()) {
    return std::move(done)(absl::UnavailableError("the bus has not been reached yet"));
  }
  appender_->Append(std::move(record),
                    [done = std::move(done)](absl::StatusOr<int64_t> offset) mutable {
                      std::move(done)(offset.status());
                    });
}

}  // namespace wissel::channel
