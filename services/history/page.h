#pragma once

#include <google/protobuf/message_lite.h>

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/views/views.h"

namespace wissel::history {

// 50 for 0. INVALID_ARGUMENT unless from 1 to 500.
absl::StatusOr<int> PageSize(int asked);

// The bytes of one answer: below the 4 MiB that gRPC clients take by default. An item is as large
// as a log record at most, 1 MiB.
class Room {
 public:
  // Whether it fits. The first does.
  bool Take(const google::protobuf::MessageLite& item);

 private:
  size_t taken_ = 0;
};

// A page's end as callers carry it: opaque to them, checked when it comes back. It gives no access
// to anything: what it is used on is the caller's own.
std::string MakePageToken(const views::Cursor& cursor);
// Nothing for an empty token; INVALID_ARGUMENT for one that is not ours.
absl::StatusOr<std::optional<views::Cursor>> ReadPageToken(absl::string_view token);

}  // namespace wissel::history
