#include "libs/channel/record_letter.h"

#include <string>

#include "libs/channel/ids.h"

namespace wissel::channel {
namespace {

// As the contract has them.
constexpr size_t kMaxKeyBytes = 1 << 10;
constexpr size_t kMaxHeaderBytes = 4 << 10;

}  // namespace

absl::string_view KeptKey(const bus::Record& record) {
  return absl::string_view(record.key).substr(0, kMaxKeyBytes);
}

deadletter::v1::DeadLetter LetterOf(const bus::Record& record, size_t max_bytes) {
  deadletter::v1::DeadLetter letter;
  deadletter::v1::RecordOrigin& origin = *letter.mutable_origin()->mutable_record();
  origin.set_topic(std::string(bus::TopicName(record.topic)));
  origin.set_partition(record.partition);
  origin.set_offset(record.offset);
  origin.set_key(std::string(KeptKey(record)));
  size_t header_bytes = 0;
  for (const auto& [name, value] : record.headers) header_bytes += name.size() + value.size();
  if (header_bytes <= kMaxHeaderBytes) {
    for (const auto& [name, value] : record.headers) {
      deadletter::v1::RecordOrigin::Header& header = *origin.add_headers();
      header.set_name(name);
      header.set_value(value);
    }
  }
  letter.set_raw(record.value.substr(0, max_bytes));
  letter.set_truncated(record.value.size() > max_bytes || record.key.size() > kMaxKeyBytes);
  DeriveId(&letter);
  return letter;
}

}  // namespace wissel::channel
