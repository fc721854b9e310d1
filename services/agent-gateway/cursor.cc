#include "services/agent-gateway/cursor.h"

#include <array>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/hash.h"

namespace wissel::agent_gateway {
namespace {

constexpr absl::string_view kVersion = "1";
constexpr size_t kMaxCursorBytes = 200;

std::string Checksum(absl::string_view body) {
  return absl::StrCat(absl::Hex(static_cast<uint32_t>(StableHash64(body)), absl::kZeroPad8));
}

absl::Status Malformed() {
  return absl::InvalidArgumentError("the cursor is not one that a gateway gave out");
}

}  // namespace

// The rule's owner is for people to read and is not carried.
std::string ToCursor(const Position& position) {
  const bus::RuleState& rule = position.rule;
  std::string cursor = absl::StrCat(kVersion, ".", position.partition, ".", position.next_offset);
  absl::StrAppend(&cursor, ".", static_cast<int>(rule.footing), ".", rule.epoch, ".",
                  rule.claim_offset, ".", rule.next_sequence, ".", rule.epoch_bound);
  absl::StrAppend(&cursor, ".", Checksum(cursor));
  return cursor;
}

absl::StatusOr<Position> ParseCursor(absl::string_view cursor) {
  const size_t last_dot = cursor.rfind('.');
  if (cursor.size() > kMaxCursorBytes || last_dot == absl::string_view::npos) return Malformed();
  const absl::string_view body = cursor.substr(0, last_dot);
  if (cursor.substr(last_dot + 1) != Checksum(body)) return Malformed();
  const std::vector<absl::string_view> parts = absl::StrSplit(body, '.');
  if (parts.size() != 8 || parts[0] != kVersion) return Malformed();
  std::array<int64_t, 7> numbers;
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!absl::SimpleAtoi(parts[i + 1], &numbers[i])) return Malformed();
  }
  const auto [partition, next_offset, footing, epoch, claim_offset, next_sequence, epoch_bound] =
      numbers;
  if (partition < 0 || partition > INT32_MAX || next_offset < 0 || footing < 0 ||
      footing > static_cast<int64_t>(bus::Footing::kFirm) || claim_offset >= next_offset) {
    return Malformed();
  }
  return Position{.partition = static_cast<int32_t>(partition),
                  .next_offset = next_offset,
                  .rule = {.footing = static_cast<bus::Footing>(footing),
                           .epoch = epoch,
                           .claim_offset = claim_offset,
                           .next_sequence = next_sequence,
                           .epoch_bound = epoch_bound,
                           .owner = ""}};
}

}  // namespace wissel::agent_gateway
