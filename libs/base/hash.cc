#include "libs/base/hash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/sha.h>

#include <bit>
#include <cstring>
#include <memory>

#include "libs/base/check.h"
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

std::string HmacSha256(absl::string_view key, absl::string_view bytes) {
  struct Free {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };
  // Kept, as finding the algorithm costs as much as a short text does.
  thread_local const std::unique_ptr<EVP_MAC_CTX, Free> context([] {
    static EVP_MAC* const kHmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    EVP_MAC_CTX* const made = EVP_MAC_CTX_new(kHmac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                 OSSL_PARAM_construct_end()};
    WISSEL_CHECK(EVP_MAC_CTX_set_params(made, params) == 1);
    return made;
  }());
  // A key that is null would be the one before.
  const char* const start = key.empty() ? "" : key.data();
  std::string mac(SHA256_DIGEST_LENGTH, '\0');
  size_t size = 0;
  WISSEL_CHECK(EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(start),
                            key.size(), nullptr) == 1 &&
               EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(bytes.data()),
                              bytes.size()) == 1 &&
               EVP_MAC_final(context.get(), reinterpret_cast<unsigned char*>(mac.data()), &size,
                             mac.size()) == 1 &&
               size == mac.size());
  return mac;
}

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
