#include "libs/routing/notice.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace wissel::routing {
namespace {

constexpr absl::string_view kPosition = "{position}";
constexpr absl::string_view kMinutes = "{minutes}";

}  // namespace

std::string UnknownPlace(absl::string_view notice) {
  static const RE2& place = *new RE2(R"((\{[a-z0-9_]+\}))");
  re2::StringPiece rest(notice.data(), notice.size());
  std::string found;
  while (RE2::FindAndConsume(&rest, place, &found)) {
    if (found != kPosition && found != kMinutes) return found;
  }
  return "";
}

bool HasPlaces(absl::string_view notice) {
  return absl::StrContains(notice, kPosition) || absl::StrContains(notice, kMinutes);
}

std::optional<std::string> FillNotice(absl::string_view notice, int32_t position,
                                      std::optional<absl::Duration> wait) {
  if (absl::StrContains(notice, kPosition) && position < 1) return std::nullopt;
  if (absl::StrContains(notice, kMinutes) && !wait.has_value()) return std::nullopt;
  const absl::Duration whole = absl::Ceil(wait.value_or(absl::ZeroDuration()), absl::Minutes(1));
  const int64_t minutes = std::max<int64_t>(1, absl::ToInt64Minutes(whole));
  return absl::StrReplaceAll(
      notice, {{kPosition, absl::StrCat(position)}, {kMinutes, absl::StrCat(minutes)}});
}

}  // namespace wissel::routing
