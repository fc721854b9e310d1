#include "libs/base/uuid.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/utf8.h"

namespace wissel {
namespace {

constexpr std::array<size_t, 4> kDashes = {8, 13, 18, 23};
// Where each byte's two digits stand.
constexpr std::array<size_t, 16> kPairs = {0,  2,  4,  6,  9,  11, 14, 16,
                                           19, 21, 24, 26, 28, 30, 32, 34};

// The value of a hexadecimal digit; negative for every other byte.
constexpr std::array<int8_t, 256> kDigits = [] {
  std::array<int8_t, 256> digits{};
  digits.fill(-1);
  for (int i = 0; i < 10; ++i) digits['0' + i] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    digits['a' + i] = digits['A' + i] = static_cast<int8_t>(10 + i);
  }
  return digits;
}();

void SetVersion(Uuid& uuid, uint8_t version) {
  uuid.bytes[6] = static_cast<uint8_t>((uuid.bytes[6] & 0x0f) | (version << 4));
  uuid.bytes[8] = static_cast<uint8_t>((uuid.bytes[8] & 0x3f) | 0x80);
}

// Hashes a name into a UUID of version 5. One at a time on a thread.
class NameHash {
 public:
  explicit NameHash(const Uuid& name_space) {
    WISSEL_CHECK(EVP_DigestInit_ex(Context(), Sha1(), nullptr) == 1);
    Add({reinterpret_cast<const char*>(name_space.bytes.data()), name_space.bytes.size()});
  }
  void Add(absl::string_view bytes) {
    WISSEL_CHECK(EVP_DigestUpdate(Context(), bytes.data(), bytes.size()) == 1);
  }
  Uuid Finish() {
    std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
    WISSEL_CHECK(EVP_DigestFinal_ex(Context(), digest.data(), nullptr) == 1);
    Uuid uuid;
    std::copy_n(digest.begin(), uuid.bytes.size(), uuid.bytes.begin());
    SetVersion(uuid, 5);
    return uuid;
  }

 private:
  // Looking the algorithm up and making a context cost more than the hashing.
  static const EVP_MD* Sha1() {
    static const EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
    return kSha1;
  }
  static EVP_MD_CTX* Context() {
    struct Free {
      void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    thread_local const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    return context.get();
  }
};

}  // namespace

absl::StatusOr<Uuid> Uuid::Parse(absl::string_view text) {
  const auto malformed = [&] {
    return absl::InvalidArgumentError(absl::StrCat("not a UUID: ", TruncateUtf8(text, 64)));
  };
  if (text.size() != 36) return malformed();
  for (size_t at : kDashes) {
    if (text[at] != '-') return malformed();
  }
  Uuid uuid;
  int all = 0;  // Negative as soon as one is.
  // Unrolled by hand: an input's id is parsed several times on its way.
  [&]<size_t... I>(std::index_sequence<I...>) {
    const auto digit = [&](size_t at) {
      const int value = kDigits[static_cast<uint8_t>(text[at])];
      all |= value;
      return value;
    };
    ((uuid.bytes[I] = static_cast<uint8_t>(digit(kPairs[I]) << 4 | digit(kPairs[I] + 1))), ...);
  }(std::make_index_sequence<16>());
  if (all < 0) return malformed();
  return uuid;
}

std::string Uuid::ToString() const {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text(36, '-');
  for (size_t i = 0; i < bytes.size(); ++i) {
    text[kPairs[i]] = kHex[bytes[i] >> 4];
    text[kPairs[i] + 1] = kHex[bytes[i] & 0x0f];
  }
  return text;
}

std::string UuidV5OfName(const Uuid& name_space, absl::string_view name) {
  NameHash hash(name_space);
  hash.Add(name);
  return hash.Finish().ToString();
}

std::string UuidV5(const Uuid& name_space, absl::Span<const absl::string_view> parts) {
  NameHash hash(name_space);
  for (absl::string_view part : parts) {
    WISSEL_CHECK(part.size() <= std::numeric_limits<uint32_t>::max());
    char size[4];
    for (size_t i = 0; i < 4; ++i) size[i] = static_cast<char>(part.size() >> (24 - 8 * i));
    hash.Add({size, sizeof(size)});
    hash.Add(part);
  }
  return hash.Finish().ToString();
}

std::string RandomUuid() {
  Uuid uuid;
  WISSEL_CHECK(RAND_bytes(uuid.bytes.data(), static_cast<int>(uuid.bytes.size())) == 1)
      << "the system's random source failed";
  SetVersion(uuid, 4);
  return uuid.ToString();
}

}  // namespace wissel
