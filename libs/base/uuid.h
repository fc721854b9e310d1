#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace wissel {

// A UUID in network byte order (RFC 9562, section 4).
struct Uuid {
  std::array<uint8_t, 16> bytes{};

  // Accepts exactly the 36-character form, hex digits in either case.
  static absl::StatusOr<Uuid> Parse(absl::string_view text);
  // The 36-character form in lower case.
  std::string ToString() const;

  friend bool operator==(const Uuid& a, const Uuid& b) = default;
};

// The namespace of every id that Wissel derives: 6f2f7d39-7c55-5ac1-9a3b-77e1c4b0d2e8. Part of the
// contract: changing it changes every id.
inline constexpr Uuid kWisselNamespace{{0x6f, 0x2f, 0x7d, 0x39, 0x7c, 0x55, 0x5a, 0xc1, 0x9a, 0x3b,
                                        0x77, 0xe1, 0xc4, 0xb0, 0xd2, 0xe8}};

// Name-based UUID, version 5 (RFC 9562, section 5.5), in its 36-character form. The name that is
// hashed is the name as it stands.
std::string UuidV5OfName(const Uuid& name_space, absl::string_view name);

// As above, with a name made of several parts: each part preceded by its length in bytes as a
// 4-byte big-endian number, so that ("a", "bc") and ("ab", "c") differ.
std::string UuidV5(const Uuid& name_space, absl::Span<const absl::string_view> parts);

// Random UUID, version 4. Only for ids that are born at the edge (a session, a gateway): whatever
// can be derived from its input must be, or a retry makes a second one.
std::string RandomUuid();

}  // namespace wissel
