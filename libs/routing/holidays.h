#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"

namespace wissel::routing {

struct Holiday {
  absl::CivilDay day;
  std::string name;
};

inline constexpr size_t kMaxHolidayFileBytes = 1 << 20;

struct HolidayOptions {
  // Events that take up no time (TRANSP:TRANSPARENT) count too: many public calendars mark all of
  // theirs so.
  bool transparent = false;
};

// The whole days that an iCalendar file (RFC 5545) names, from `first_year` to `last_year`; sorted,
// one entry a day, with the names of those that fall together joined by " / ".
//
// Takes what holidays need: events of whole days (DTSTART;VALUE=DATE), of several days (DTEND,
// which is exclusive, or DURATION in days or weeks), that come back each year on the same date
// (RRULE with FREQ=YEARLY, INTERVAL, COUNT or UNTIL) or on the n-th weekday of a month, counted
// from its beginning or its end (with BYMONTH=11;BYDAY=4TH), with RDATE and EXDATE as dates.
// Cancelled events and those that take up no time do not count: `left_out`, where given, is told
// how many; a file with nothing else is an error. Whatever else would change the days is
// INVALID_ARGUMENT with the line's number and what would do; so are files above
// kMaxHolidayFileBytes and more than Calendar::kMaxDates days. A 29 February comes back in leap
// years, a fifth Monday where there is one. An UNTIL with a time of day is taken where its days are
// the same in every time zone; midnight is the date.
absl::StatusOr<std::vector<Holiday>> ParseHolidays(absl::string_view text, int first_year,
                                                   int last_year,
                                                   const HolidayOptions& options = {},
                                                   int* left_out = nullptr);

}  // namespace wissel::routing
