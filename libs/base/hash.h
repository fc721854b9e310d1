#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel {

// 32 raw bytes.
std::string Sha256(absl::string_view bytes);
// 64 lower-case hex digits.
std::string Sha256Hex(absl::string_view bytes);
// HMAC-SHA256 (RFC 2104): 32 raw bytes.
std::string HmacSha256(absl::string_view key, absl::string_view bytes);

// SipHash-2-4 (Aumasson and Bernstein, 2012) under the 128-bit key k1:k0.
uint64_t SipHash24(uint64_t k0, uint64_t k1, absl::string_view bytes);

// The same number for the same bytes on every machine and in every release: what state hashes,
// checkpoints' checksums and partitioning build on. Not a secret, not collision-proof against an
// adversary: use Sha256 there.
inline uint64_t StableHash64(absl::string_view bytes) { return SipHash24(0, 0, bytes); }

}  // namespace wissel
