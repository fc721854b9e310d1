#include "libs/base/json_string.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/utf8.h"

namespace wissel {

void AppendJsonString(absl::string_view text, std::string* out) {
  out->push_back('"');
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) {
      out->append("\xef\xbf\xbd");
      text.remove_prefix(1);
      continue;
    }
    const char c = text[0];
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (c == '\n') {
      out->append("\\n");
    } else if (c == '\t') {
      out->append("\\t");
    } else if (c == '\r') {
      out->append("\\r");
    } else if (const char32_t point = DecodeUtf8(text); IsSteering(point)) {
      absl::StrAppendFormat(out, "\\u%04x", static_cast<uint32_t>(point));
    } else {
      absl::StrAppend(out, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  out->push_back('"');
}

std::string EscapeSteering(absl::string_view json) {
  std::string out;
  out.reserve(json.size());
  while (!json.empty()) {
    const size_t length = std::max<size_t>(Utf8Length(json), 1);
    const char32_t point = DecodeUtf8(json);
    if (point >= 0x20 && IsSteering(point)) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<uint32_t>(point));
    } else {
      out.append(json.data(), length);
    }
    json.remove_prefix(length);
  }
  return out;
}

}  // namespace wissel
