#include "libs/channel/text.h"

#include "absl/strings/ascii.h"
#include "libs/base/utf8.h"

namespace wissel::channel {
std::string ToUtf8(absl::string_view bytes) {
  std::string out = RepairUtf8(bytes);
  std::erase(out, '\0');
  return out;
}

std::string SafeFileName(absl::string_view name) {
  const size_t slash = name.find_last_of("/\\");
  if (slash != absl::string_view::npos) name.remove_prefix(slash + 1);
  std::string out;
  for (const char c : ToUtf8(name)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F || (out.empty() && c == '.')) continue;
    out.push_back(c);
  }
  return std::string(absl::StripAsciiWhitespace(TruncateUtf8(out, kMaxFileNameBytes)));
}

}  // namespace wissel::channel
