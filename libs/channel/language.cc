#include "libs/channel/language.h"

// The header below uses these without including them.
#include <cstdio>
#include <string>
#include <vector>
//
#include <cld2/public/compact_lang_det.h>

namespace wissel::channel {

std::optional<std::string> DetectLanguage(absl::string_view text) {
  constexpr size_t kMaxBytes = 512;
  // CLD2 reads a little past what it is given; a string ends in a zero.
  std::string sample(text.substr(0, kMaxBytes));
  if (sample.size() < text.size()) {
    // Not through the middle of a character.
    const size_t last = sample.find_last_of(' ');
    if (last != std::string::npos) sample.resize(last);
  }
  bool reliable = false;
  const CLD2::Language language = CLD2::DetectLanguage(
      sample.data(), static_cast<int>(sample.size()), /*is_plain_text=*/true, &reliable);
  if (!reliable || language == CLD2::UNKNOWN_LANGUAGE) return std::nullopt;
  const std::string code = CLD2::LanguageCode(language);
  // "zh-Hant" and the like: the primary subtag. "un" and "xxx" are CLD2's own.
  const std::string primary = code.substr(0, code.find('-'));
  if (primary.size() != 2 || primary == "un") return std::nullopt;
  // ISO 639 has withdrawn these three.
  if (primary == "iw") return "he";
  if (primary == "in") return "id";
  if (primary == "ji") return "yi";
  return primary;
}

}  // namespace wissel::channel
