#include "libs/base/hash.h"

#include <openssl/sha.h>

#include <bit>
#include <cstring>

#include "libs/base/hex.h"

namespace wissel {
namespace {

struct SipState {
  uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }

  void Absorb(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

uint64_t LoadLittleEndian(const char* at, size_t bytes) {
  uint64_t word = 0;
  if constexpr (std::endian::native == std::endian::little) {
    std::memcpy(&word, at, bytes);
  } else {
    for (size_t i = bytes; i-- > 0;) word = word << 8 | static_cast<uint8_t>(at[i]);
  }
  return word;
}

}  // namespace

std::string Sha256(absl::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string Sha256Hex(absl::string_view bytes) { return HexEncode(Sha256(bytes)); }

uint64_t SipHash24(uint64_t k0, uint64_t k1, absl::string_view bytes) {
  // The constants spell "somepseudorandomlygeneratedbytes".
  SipState s{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
             k1 ^ 0x7465646279746573};
  const size_t whole = bytes.size() & ~size_t{7};
  for (size_t i = 0; i < whole; i += 8) s.Absorb(LoadLittleEndian(bytes.data() + i, 8));
  const size_t rest = bytes.size() - whole;
  uint64_t last = uint64_t{bytes.size() & 0xff} << 56;
  if (rest > 0) last |= LoadLittleEndian(bytes.data() + whole, rest);
  s.Absorb(last);
  s.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) s.Round();
  return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

}  // namespace wissel
