#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/reader_rule.h"

namespace wissel::agent_gateway {

/// A place in a partition's log: the next record to read, and where the reader's rule stands before
/// it. Any gateway can go on from there.
struct Position {
  int32_t partition = 0;
  int64_t next_offset = 0;
  bus::RuleState rule;

  friend bool operator==(const Position&, const Position&) = default;
};

/// The position as clients carry it: opaque to them, letters, digits, dots and minus signs, at most
/// 200 bytes. It gives no rights: what a client may see is decided anew when it resumes.
std::string ToCursor(const Position& position);

/// INVALID_ARGUMENT for anything that ToCursor did not write, or that was cut or changed by
/// accident.
absl::StatusOr<Position> ParseCursor(absl::string_view cursor);

}  // namespace wissel::agent_gateway
