#include "libs/base/hex.h"

#include "absl/status/status.h"
#include "absl/strings/escaping.h"

namespace wissel {
namespace {

int Digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string HexEncode(absl::string_view bytes) { return absl::BytesToHexString(bytes); }

absl::StatusOr<std::string> HexDecode(absl::string_view digits) {
  if (digits.size() % 2 != 0) return absl::InvalidArgumentError("odd number of hex digits");
  std::string bytes;
  bytes.reserve(digits.size() / 2);
  for (size_t i = 0; i < digits.size(); i += 2) {
    const int high = Digit(digits[i]);
    const int low = Digit(digits[i + 1]);
    if (high < 0 || low < 0) return absl::InvalidArgumentError("not a hex digit");
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

}  // namespace wissel
