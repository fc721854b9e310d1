#include "services/email/charset.h"

#include <iconv.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/base/utf8.h"

namespace wissel::email {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

// Converts with iconv. Bytes that it refuses become U+FFFD; `clean` tells whether there were any.
// False if there is no such charset.
bool Convert(absl::string_view bytes, const std::string& charset, std::string* out, bool* clean) {
  const iconv_t cd = iconv_open("UTF-8", charset.c_str());
  if (cd == reinterpret_cast<iconv_t>(-1)) return false;
  *clean = true;
  out->clear();
  char* in = const_cast<char*>(bytes.data());
  size_t in_left = bytes.size();
  char buffer[4096];
  while (true) {
    char* to = buffer;
    size_t to_left = sizeof(buffer);
    const bool flushing = in_left == 0;
    const size_t result = flushing ? iconv(cd, nullptr, nullptr, &to, &to_left)
                                   : iconv(cd, &in, &in_left, &to, &to_left);
    const int error = errno;
    out->append(buffer, to - buffer);
    if (result != static_cast<size_t>(-1)) {
      if (flushing) break;
      continue;
    }
    if (error == E2BIG) continue;
    if (flushing) break;
    *clean = false;
    out->append(kReplacement.data(), kReplacement.size());
    ++in;
    --in_left;
  }
  iconv_close(cd);
  return true;
}

bool IsAsciiSuperset(absl::string_view charset) {
  return charset.empty() || charset == "us-ascii" || charset == "ascii" || charset == "utf-8" ||
         charset == "utf8" || charset == "iso-8859-1" || charset == "latin1" ||
         charset == "windows-1252" || charset == "cp1252" || charset == "unknown-8bit" ||
         charset == "x-unknown";
}

// A charset's name goes to iconv_open, which gives "//" a meaning.
bool IsPlainName(absl::string_view charset) {
  if (charset.size() > 64) return false;
  for (const char c : charset) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains("-_.:+", c)) return false;
  }
  return true;
}

}  // namespace

std::string ToUtf8(absl::string_view bytes, absl::string_view charset) {
  const std::string name = absl::AsciiStrToLower(absl::StripAsciiWhitespace(charset));
  const bool known = IsPlainName(name);
  if (!known || IsAsciiSuperset(name)) {
    if (IsUtf8(bytes)) return std::string(bytes);
  } else {
    std::string converted;
    bool clean = false;
    if (Convert(bytes, name, &converted, &clean)) {
      if (!clean && IsUtf8(bytes)) return std::string(bytes);
      // Some of glibc's converters let through what is no character.
      if (IsUtf8(converted)) return converted;
    } else if (IsUtf8(bytes)) {
      return std::string(bytes);
    }
  }
  std::string converted;
  bool clean = false;
  if (!Convert(bytes, "WINDOWS-1252", &converted, &clean)) {
    // No converter at all: keep what is ASCII.
    for (const char c : bytes) {
      if (absl::ascii_isascii(c)) {
        converted.push_back(c);
      } else {
        converted.append(kReplacement.data(), kReplacement.size());
      }
    }
  }
  return converted;
}

std::string CleanText(absl::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  size_t start = 0;
  for (size_t i = 0; i < utf8.size(); ++i) {
    // Eight bytes at once while none of them is a control character.
    for (uint64_t word; i + sizeof(word) <= utf8.size(); i += sizeof(word)) {
      constexpr uint64_t kOnes = 0x0101010101010101u;
      std::memcpy(&word, utf8.data() + i, sizeof(word));
      const uint64_t del = word ^ (kOnes * 0x7F);
      if ((((word - kOnes * 0x20) & ~word) | ((del - kOnes) & ~del)) & (kOnes * 0x80)) break;
    }
    if (i == utf8.size()) break;
    const unsigned char c = utf8[i];
    if (c >= 0x20 && c != 0x7F) continue;
    if (c == '\n' || c == '\t') continue;
    out.append(utf8.data() + start, i - start);
    start = i + 1;
    if (c == '\r' && (i + 1 == utf8.size() || utf8[i + 1] != '\n')) out.push_back('\n');
  }
  out.append(utf8.data() + start, utf8.size() - start);
  return out;
}

std::string CleanLine(absl::string_view utf8, size_t max_bytes) {
  std::string out;
  bool space = false;
  for (const char c : utf8) {
    const unsigned char u = c;
    if (u == ' ' || (u >= 0x09 && u <= 0x0D)) {
      space = !out.empty();
    } else if (u >= 0x20 && u != 0x7F) {
      if (space) out.push_back(' ');
      space = false;
      out.push_back(c);
    }
    if (out.size() > max_bytes) break;
  }
  out.resize(TruncateUtf8(out, max_bytes).size());
  return out;
}

}  // namespace wissel::email
