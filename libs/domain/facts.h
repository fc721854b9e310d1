#pragma once

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::domain {

// The bounds of message.v1.ContactFacts.
inline constexpr int kMaxFactTags = 50;
inline constexpr size_t kMaxFactBytes = 64;
inline constexpr size_t kMaxLanguageBytes = 8;

// What is out of bounds, "facts.tier: 70 bytes, expected at most 64"; nothing where all is well.
inline std::optional<std::string> FactsOutOfBounds(const message::v1::ContactFacts& facts) {
  const auto too_long = [](absl::string_view field, const std::string& value, size_t max) {
    return value.size() <= max
               ? std::nullopt
               : std::make_optional(absl::StrCat("facts.", field, ": ", value.size(),
                                                 " bytes, expected at most ", max));
  };
  if (facts.tags_size() > kMaxFactTags) {
    return absl::StrCat("facts.tags: ", facts.tags_size(), ", expected at most ", kMaxFactTags);
  }
  for (const std::string& tag : facts.tags()) {
    if (auto wrong = too_long("tags", tag, kMaxFactBytes)) return wrong;
  }
  if (auto wrong = too_long("tier", facts.tier(), kMaxFactBytes)) return wrong;
  if (auto wrong = too_long("order_state", facts.order_state(), kMaxFactBytes)) return wrong;
  return too_long("language", facts.language(), kMaxLanguageBytes);
}

}  // namespace wissel::domain
