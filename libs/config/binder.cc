#include "libs/config/binder.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/check.h"
#include "libs/base/json_string.h"
#include "libs/config/file.h"

namespace wissel::config {
namespace {

struct Unit {
  absl::string_view name;
  int64_t bytes;
};
constexpr std::array<Unit, 5> kUnits = {{{"TiB", int64_t{1} << 40},
                                         {"GiB", int64_t{1} << 30},
                                         {"MiB", int64_t{1} << 20},
                                         {"KiB", int64_t{1} << 10},
                                         {"B", 1}}};

// abseil's number readers also take white space around the digits; a setting does not.
bool StartsAndEndsPlainly(absl::string_view text) {
  return !text.empty() && !absl::ascii_isspace(text.front()) && !absl::ascii_isspace(text.back());
}

// As absl::ParseDuration does, and whole days, "7d".
bool TakeDuration(absl::string_view text, absl::Duration* duration) {
  int64_t days = 0;
  absl::string_view number = text;
  if (absl::ConsumeSuffix(&number, "d") && absl::SimpleAtoi(number, &days)) {
    *duration = days * absl::Hours(24);
    return true;
  }
  return absl::ParseDuration(text, duration);
}

bool ParseBytes(absl::string_view text, int64_t* bytes) {
  if (!StartsAndEndsPlainly(text) || !absl::ascii_isdigit(text.front())) return false;
  int64_t factor = 1;
  for (const Unit& unit : kUnits) {
    if (absl::ConsumeSuffix(&text, unit.name)) {
      factor = unit.bytes;
      break;
    }
  }
  int64_t count;
  return StartsAndEndsPlainly(text) && absl::SimpleAtoi(text, &count) &&
         !__builtin_mul_overflow(count, factor, bytes);
}

std::string FormatBytes(int64_t bytes) {
  for (const Unit& unit : kUnits) {
    if (bytes != 0 && bytes % unit.bytes == 0 && unit.bytes > 1) {
      return absl::StrCat(bytes / unit.bytes, unit.name);
    }
  }
  return absl::StrCat(bytes);
}

// ", from 1 to 5", leaving out a side that does not bind.
template <class T>
std::string Range(T min, T lowest, T max, T highest, std::function<std::string(T)> format) {
  if (min > lowest && max < highest) {
    return absl::StrCat(", from ", format(min), " to ", format(max));
  }
  if (min > lowest) return absl::StrCat(", at least ", format(min));
  if (max < highest) return absl::StrCat(", at most ", format(max));
  return "";
}

bool IsHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view port = text.substr(colon + 1);
  absl::string_view host = text.substr(0, colon);
  const bool in_brackets = absl::ConsumePrefix(&host, "[") && absl::ConsumeSuffix(&host, "]");
  uint32_t number;
  return !host.empty() && host.find_first_of("[] \t/") == absl::string_view::npos &&
         (in_brackets || !absl::StrContains(host, ':')) && !port.empty() &&
         std::all_of(port.begin(), port.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(port, &number) && number <= 65'535;
}

std::string Quoted(absl::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

}  // namespace

void Binder::Text(absl::string_view key, std::string* value, absl::string_view doc,
                  TextOptions options) {
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = "text",
                     .expected = options.required ? "text that is not empty" : "text",
                     .required = options.required,
                     .set =
                         [value, options](absl::string_view text) {
                           if (options.required && text.empty()) return false;
                           *value = std::string(text);
                           return true;
                         },
                     .print = [value] { return Quoted(*value); }});
}

void Binder::HostPort(absl::string_view key, std::string* value, absl::string_view doc) {
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = "HOST:PORT",
                     .expected = "HOST:PORT such as \"127.0.0.1:8080\", IPv6 in brackets",
                     .set =
                         [value](absl::string_view text) {
                           if (!IsHostPort(text)) return false;
                           *value = std::string(text);
                           return true;
                         },
                     .print = [value] { return Quoted(*value); }});
}

void Binder::File(absl::string_view key, std::string* value, absl::string_view doc) {
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = "file",
                     .expected = "the path of a file that can be read",
                     .set =
                         [value](absl::string_view text) {
                           std::string path(text);
                           if (!path.empty() && !IsReadableFile(path)) return false;
                           *value = std::move(path);
                           return true;
                         },
                     .print = [value] { return Quoted(*value); }});
}

void Binder::Bool(absl::string_view key, bool* value, absl::string_view doc) {
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = "true or false",
                     .expected = "true or false",
                     .set =
                         [value](absl::string_view text) {
                           if (text != "true" && text != "false") return false;
                           *value = text == "true";
                           return true;
                         },
                     .print = [value] { return std::string(*value ? "true" : "false"); }});
}

void Binder::Integer(absl::string_view key, absl::string_view doc, const IntOptions& options,
                     std::function<void(int64_t)> set, std::function<std::string()> print) {
  const std::string range = Range<int64_t>(options.min, std::numeric_limits<int64_t>::min(),
                                           options.max, std::numeric_limits<int64_t>::max(),
                                           [](int64_t bound) { return absl::StrCat(bound); });
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = absl::StrCat("integer", range),
                     .expected = absl::StrCat("an integer", range),
                     .required = options.required,
                     .set =
                         [set = std::move(set), options](absl::string_view text) {
                           int64_t given;
                           if (!StartsAndEndsPlainly(text) || !absl::SimpleAtoi(text, &given) ||
                               given < options.min || given > options.max) {
                             return false;
                           }
                           set(given);
                           return true;
                         },
                     .print = std::move(print)});
}

void Binder::Real(absl::string_view key, double* value, absl::string_view doc,
                  RealOptions options) {
  const std::string range = Range<double>(options.min, std::numeric_limits<double>::lowest(),
                                          options.max, std::numeric_limits<double>::max(),
                                          [](double bound) { return absl::StrCat(bound); });
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = absl::StrCat("number", range),
                     .expected = absl::StrCat("a number", range),
                     .set =
                         [value, options](absl::string_view text) {
                           double given;
                           if (!StartsAndEndsPlainly(text) || !absl::SimpleAtod(text, &given) ||
                               !std::isfinite(given) || given < options.min ||
                               given > options.max) {
                             return false;
                           }
                           *value = given;
                           return true;
                         },
                     .print = [value] { return absl::StrCat(*value); }});
}

void Binder::Duration(absl::string_view key, absl::Duration* value, absl::string_view doc,
                      DurationOptions options) {
  WISSEL_CHECK(options.max < absl::InfiniteDuration()) << std::string(key);
  const std::string range =
      Range<absl::Duration>(options.min, absl::ZeroDuration(), options.max, DurationOptions().max,
                            [](absl::Duration bound) { return absl::FormatDuration(bound); });
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = absl::StrCat("duration", range),
                     .expected = absl::StrCat("a duration such as \"30s\"", range),
                     .set =
                         [value, options](absl::string_view text) {
                           absl::Duration given;
                           if (!StartsAndEndsPlainly(text) || !TakeDuration(text, &given) ||
                               given < options.min || given > options.max) {
                             return false;
                           }
                           *value = given;
                           return true;
                         },
                     .print = [value] { return absl::FormatDuration(*value); }});
}

void Binder::Bytes(absl::string_view key, int64_t* value, absl::string_view doc,
                   BytesOptions options) {
  const std::string range =
      Range<int64_t>(options.min, 0, options.max, std::numeric_limits<int64_t>::max(), FormatBytes);
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = absl::StrCat("size", range),
                     .expected = absl::StrCat("a size such as \"16MiB\"", range),
                     .set =
                         [value, options](absl::string_view text) {
                           int64_t given;
                           if (!ParseBytes(text, &given) || given < options.min ||
                               given > options.max) {
                             return false;
                           }
                           *value = given;
                           return true;
                         },
                     .print = [value] { return FormatBytes(*value); }});
}

void Binder::Choice(absl::string_view key, absl::string_view doc, std::vector<std::string> names,
                    std::function<void(size_t)> set, std::function<size_t()> get) {
  const std::string list = absl::StrJoin(names, ", ");
  visitor_.OnScalar({.key = key,
                     .doc = doc,
                     .type = absl::StrCat("one of ", list),
                     .expected = absl::StrCat("one of ", list),
                     .set =
                         [set = std::move(set), names](absl::string_view text) {
                           const auto found = std::find(names.begin(), names.end(), text);
                           if (found == names.end()) return false;
                           set(static_cast<size_t>(found - names.begin()));
                           return true;
                         },
                     .print =
                         [get = std::move(get), names] {
                           const size_t i = get();
                           return i < names.size() ? names[i] : std::string("\"\"");
                         }});
}

void Binder::TextList(absl::string_view key, std::vector<std::string>* value, absl::string_view doc,
                      ListOptions options) {
  visitor_.OnTextList({.key = key, .doc = doc, .options = options}, value);
}

void Binder::SecretText(absl::string_view key, Secret* value, absl::string_view doc,
                        TextOptions options) {
  visitor_.OnSecret({.key = key, .doc = doc, .options = {.required = options.required}}, value);
}

}  // namespace wissel::config
