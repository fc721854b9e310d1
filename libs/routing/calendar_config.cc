#include "libs/routing/calendar_config.h"

#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"
#include "libs/base/status_macros.h"

namespace wissel::routing {
namespace {

// "HH:MM" up to "24:00", in minutes.
std::optional<int> ParseMinute(absl::string_view text) {
  const auto digit = [&](size_t i) {
    return absl::ascii_isdigit(static_cast<unsigned char>(text[i])) ? text[i] - '0' : -1;
  };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const size_t i : {0, 1, 3, 4}) {
    if (digit(i) < 0) return std::nullopt;
  }
  const int minute = (digit(0) * 10 + digit(1)) * 60 + digit(3) * 10 + digit(4);
  if (digit(3) > 5 || minute > 24 * 60) return std::nullopt;
  return minute;
}

absl::StatusOr<LocalWindow> ParseWindow(const config::v1::CalendarWindow& window) {
  const std::optional<int> open = ParseMinute(window.open());
  const std::optional<int> close = ParseMinute(window.close());
  if (!open.has_value() || !close.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", window.open(), "\" to \"", window.close(),
                                                   "\"; times are HH:MM, up to 24:00"));
  }
  if (*open >= *close) {
    return absl::InvalidArgumentError(
        absl::StrCat(window.open(), " to ", window.close(), " ends before it begins"));
  }
  return LocalWindow{.start_minute = *open, .end_minute = *close};
}

absl::StatusOr<absl::CivilDay> ParseDate(const std::string& text) {
  absl::CivilDay day;
  // ParseCivilTime takes looser forms too.
  if (text.size() != 10 || !absl::ParseCivilTime(text, &day) ||
      absl::FormatCivilTime(day) != text) {
    return absl::InvalidArgumentError(absl::StrCat("\"", text, "\"; dates are YYYY-MM-DD"));
  }
  return day;
}

}  // namespace

absl::StatusOr<Calendar> BuildCalendar(const config::v1::Calendar& calendar) {
  CalendarSpec spec;
  spec.time_zone = calendar.time_zone();
  for (int i = 0; i < calendar.windows_size(); ++i) {
    const config::v1::CalendarWindow& window = calendar.windows(i);
    const auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("windows[", i, "]: ", what));
    };
    const absl::StatusOr<LocalWindow> local = ParseWindow(window);
    if (!local.ok()) return wrong(local.status().message());
    if (window.days().empty()) return wrong("no days");
    for (const int day : window.days()) {
      if (day < 1 || day > 7) {
        return wrong(absl::StrCat("day ", day, "; from 1, Monday, to 7, Sunday"));
      }
      spec.weekly[day - 1].push_back(*local);
    }
  }
  for (int i = 0; i < calendar.special_days_size(); ++i) {
    const config::v1::SpecialDay& special = calendar.special_days(i);
    const auto wrong = [&](absl::string_view what) {
      return absl::InvalidArgumentError(absl::StrCat("special_days[", i, "]: ", what));
    };
    const absl::StatusOr<absl::CivilDay> day = ParseDate(special.date());
    if (!day.ok()) return wrong(day.status().message());
    CalendarSpec::Date& date = spec.dates.emplace_back();
    date.day = *day;
    date.name = special.name();
    for (const config::v1::CalendarWindow& window : special.windows()) {
      if (!window.days().empty()) return wrong("its windows have no days of their own");
      const absl::StatusOr<LocalWindow> local = ParseWindow(window);
      if (!local.ok()) return wrong(local.status().message());
      date.windows.push_back(*local);
    }
  }
  return Calendar::Build(spec);
}

}  // namespace wissel::routing
