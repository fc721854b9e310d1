#include "libs/base/uuid.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/hex.h"

namespace wissel {
namespace {

constexpr std::array<size_t, 4> kDashes = {8, 13, 18, 23};

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

}  // namespace

absl::StatusOr<Uuid> Uuid::Parse(absl::string_view text) {
  const auto malformed = [&] {
    return absl::InvalidArgumentError(absl::StrCat("not a UUID: ", text.substr(0, 64)));
  };
  if (text.size() != 36) return malformed();
  for (size_t at : kDashes) {
    if (text[at] != '-') return malformed();
  }
  Uuid uuid;
  const char* digit = text.data();
  for (size_t i = 0; i < uuid.bytes.size(); ++i, digit += 2) {
    if (i == 4 || i == 6 || i == 8 || i == 10) ++digit;  // A dash.
    const int high = kDigits[static_cast<uint8_t>(digit[0])];
    const int low = kDigits[static_cast<uint8_t>(digit[1])];
    if (high < 0 || low < 0) return malformed();
    uuid.bytes[i] = static_cast<uint8_t>(high << 4 | low);
  }
  return uuid;
}

std::string Uuid::ToString() const {
  std::string text =
      HexEncode(absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  for (size_t at : kDashes) text.insert(at, 1, '-');
  return text;
}

std::string UuidV5OfName(const Uuid& name_space, absl::string_view name) {
  std::string input(reinterpret_cast<const char*>(name_space.bytes.data()),
                    name_space.bytes.size());
  absl::StrAppend(&input, name);
  // Fetched once: EVP_sha1() looks the algorithm up in every call.
  static const EVP_MD* const kSha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  WISSEL_CHECK(EVP_Digest(input.data(), input.size(), digest.data(), nullptr, kSha1, nullptr) == 1);
  Uuid uuid;
  std::copy_n(digest.begin(), uuid.bytes.size(), uuid.bytes.begin());
  SetVersion(uuid, 5);
  return uuid.ToString();
}

std::string UuidV5(const Uuid& name_space, absl::Span<const absl::string_view> parts) {
  std::string name;
  for (absl::string_view part : parts) {
    WISSEL_CHECK(part.size() <= std::numeric_limits<uint32_t>::max());
    const uint32_t size = static_cast<uint32_t>(part.size());
    for (int shift = 24; shift >= 0; shift -= 8) name.push_back(static_cast<char>(size >> shift));
    absl::StrAppend(&name, part);
  }
  return UuidV5OfName(name_space, name);
}

std::string RandomUuid() {
  Uuid uuid;
  WISSEL_CHECK(RAND_bytes(uuid.bytes.data(), static_cast<int>(uuid.bytes.size())) == 1)
      << "the system's random source failed";
  SetVersion(uuid, 4);
  return uuid.ToString();
}

}  // namespace wissel
