#include "services/email/threading.h"

#include <openssl/crypto.h>

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"

namespace wissel::email {
namespace {

constexpr size_t kMinKeyBytes = 16;
constexpr size_t kSignatureBytes = 10;
constexpr size_t kMaxLocalPartBytes = 64;  // RFC 5321, section 4.5.3.1.1
constexpr absl::string_view kBase32 = "abcdefghijklmnopqrstuvwxyz234567";  // RFC 4648, section 6

std::string Base32Encode(absl::string_view bytes) {
  std::string out;
  uint32_t buffer = 0;
  int bits = 0;
  for (const char c : bytes) {
    buffer = (buffer << 8) | static_cast<uint8_t>(c);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out.push_back(kBase32[(buffer >> bits) & 31]);
    }
  }
  if (bits > 0) out.push_back(kBase32[(buffer << (5 - bits)) & 31]);
  return out;
}

// The conversation's UUID, from 26 digits.
std::optional<Uuid> DecodeUuid(absl::string_view digits) {
  if (digits.size() != 26) return std::nullopt;
  Uuid uuid;
  uint32_t buffer = 0;
  int bits = 0;
  size_t at = 0;
  for (const char c : digits) {
    const size_t value = kBase32.find(c);
    if (value == absl::string_view::npos) return std::nullopt;
    buffer = (buffer << 5) | static_cast<uint32_t>(value);
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      uuid.bytes[at++] = static_cast<uint8_t>(buffer >> bits);
    }
  }
  return uuid;
}

bool IsAtom(absl::string_view text) {
  if (text.empty() || text.size() > 128) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '_') return false;
  }
  return true;
}

bool IsDomain(absl::string_view text) {
  if (text.empty() || text.size() > 255) return false;
  for (const char c : text) {
    if (!absl::ascii_isalnum(c) && c != '-' && c != '.') return false;
  }
  return true;
}

struct SplitAddress {
  absl::string_view local;
  absl::string_view domain;
};

std::optional<SplitAddress> Split(absl::string_view address) {
  const size_t at = address.rfind('@');
  if (at == absl::string_view::npos || at == 0 || at + 1 == address.size()) return std::nullopt;
  return SplitAddress{address.substr(0, at), address.substr(at + 1)};
}

// Each part after its length: no two lists of parts give the same bytes.
void AppendPart(std::string& out, absl::string_view part) {
  const uint32_t size = static_cast<uint32_t>(part.size());
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(size >> shift));
  out.append(part.data(), part.size());
}

}  // namespace

ThreadSigner::ThreadSigner(WorkspaceId workspace, std::vector<std::string> keys)
    : workspace_(std::move(workspace)), keys_(std::move(keys)) {}

absl::StatusOr<ThreadSigner> ThreadSigner::Create(WorkspaceId workspace,
                                                  std::vector<std::string> keys) {
  if (keys.empty()) return absl::InvalidArgumentError("threading: no key");
  for (const std::string& key : keys) {
    if (key.size() < kMinKeyBytes) {
      return absl::InvalidArgumentError(absl::StrCat(
          "threading: a key of ", key.size(), " bytes, at least ", kMinKeyBytes, " are needed"));
    }
  }
  return ThreadSigner(std::move(workspace), std::move(keys));
}

std::string ThreadSigner::Sign(absl::string_view key, absl::string_view purpose,
                               absl::string_view first, absl::string_view second) const {
  std::string signed_bytes;
  for (const absl::string_view part :
       {purpose, absl::string_view(workspace_.value()), first, second}) {
    AppendPart(signed_bytes, part);
  }
  return Base32Encode(HmacSha256(key, signed_bytes).substr(0, kSignatureBytes));
}

bool ThreadSigner::Verify(absl::string_view signature, absl::string_view purpose,
                          absl::string_view first, absl::string_view second) const {
  bool valid = false;
  for (const std::string& key : keys_) {
    const std::string expected = Sign(key, purpose, first, second);
    valid |= expected.size() == signature.size() &&
             CRYPTO_memcmp(expected.data(), signature.data(), expected.size()) == 0;
  }
  return valid;
}

absl::StatusOr<std::string> ThreadSigner::MessageId(const OutboundId& outbound,
                                                    const ConversationId& conversation,
                                                    absl::string_view domain) const {
  if (!IsAtom(outbound.value()) || !IsAtom(conversation.value()) || !IsDomain(domain)) {
    return absl::InvalidArgumentError("threading: an id that a Message-ID cannot hold");
  }
  return absl::StrCat(outbound.value(), ".", conversation.value(), ".",
                      Sign(keys_.front(), "message-id", outbound.value(), conversation.value()),
                      "@", domain);
}

std::optional<OwnMessageId> ThreadSigner::CheckMessageId(absl::string_view message_id) const {
  absl::ConsumePrefix(&message_id, "<");
  absl::ConsumeSuffix(&message_id, ">");
  const std::optional<SplitAddress> parts = Split(message_id);
  if (!parts || message_id.size() > 998) return std::nullopt;
  const std::vector<absl::string_view> fields = absl::StrSplit(parts->local, '.');
  if (fields.size() != 3 || !IsAtom(fields[0]) || !IsAtom(fields[1])) return std::nullopt;
  if (!Verify(fields[2], "message-id", fields[0], fields[1])) return std::nullopt;
  return OwnMessageId{OutboundId(fields[0]), ConversationId(fields[1])};
}

absl::StatusOr<std::string> ThreadSigner::PlusAddress(absl::string_view address,
                                                      const ConversationId& conversation) const {
  const std::optional<SplitAddress> parts = Split(address);
  if (!parts) return absl::InvalidArgumentError("threading: not an address");
  WISSEL_ASSIGN_OR_RETURN(const Uuid uuid, Uuid::Parse(conversation.value()));
  const std::string digits = Base32Encode(
      absl::string_view(reinterpret_cast<const char*>(uuid.bytes.data()), uuid.bytes.size()));
  const std::string local =
      absl::StrCat(parts->local, "+c.", digits, ".",
                   Sign(keys_.front(), "address", digits, absl::AsciiStrToLower(address)));
  if (local.size() > kMaxLocalPartBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("threading: ", address, " is too long for plus-addresses"));
  }
  return absl::StrCat(local, "@", parts->domain);
}

std::optional<ConversationId> ThreadSigner::CheckAddress(absl::string_view address,
                                                         absl::string_view candidate) const {
  const std::string own = absl::AsciiStrToLower(address);
  const std::string given = absl::AsciiStrToLower(absl::StripAsciiWhitespace(candidate));
  const std::optional<SplitAddress> own_parts = Split(own);
  const std::optional<SplitAddress> parts = Split(given);
  if (!own_parts || !parts || parts->domain != own_parts->domain) return std::nullopt;
  absl::string_view tag = parts->local;
  if (!absl::ConsumePrefix(&tag, own_parts->local) || !absl::ConsumePrefix(&tag, "+c.")) {
    return std::nullopt;
  }
  const std::pair<absl::string_view, absl::string_view> fields =
      absl::StrSplit(tag, absl::MaxSplits('.', 1));
  const std::optional<Uuid> uuid = DecodeUuid(fields.first);
  if (!uuid || !Verify(fields.second, "address", fields.first, own)) return std::nullopt;
  return ConversationId(uuid->ToString());
}

}  // namespace wissel::email
