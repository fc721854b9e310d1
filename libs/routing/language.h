#pragma once

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace wissel::routing {

// The skill of a language is named "lang:nl".
inline constexpr absl::string_view kLanguagePrefix = "lang:";

// What conversations, queue rules and skills name a language by: the primary subtag of a BCP 47
// tag, in lower case. "en" of "en-GB", "en_GB" and "EN".
inline std::string PrimaryLanguage(absl::string_view tag) {
  return absl::AsciiStrToLower(tag.substr(0, tag.find_first_of("-_")));
}

}  // namespace wissel::routing
