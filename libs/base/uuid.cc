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
  Uuid uuid;
  size_t nibbles = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (c != '-') return malformed();
      continue;
    }
    int value;
    if (c >= '0' && c <= '9') {
      value = c - '0';
    } else if (c >= 'a' && c <= 'f') {
      value = c - 'a' + 10;
    } else if (c >= 'A' && c <= 'F') {
      value = c - 'A' + 10;
    } else {
      return malformed();
    }
    uint8_t& byte = uuid.bytes[nibbles++ / 2];
    byte = static_cast<uint8_t>(byte << 4 | value);
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
