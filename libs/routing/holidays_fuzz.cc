// Any bytes as an iCalendar file: it ends with OK or INVALID_ARGUMENT in one line; what is found is
// sorted, within the years, and a calendar takes it; line ends make no difference.

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_replace.h"
#include "libs/base/check.h"
#include "libs/routing/calendar.h"
#include "libs/routing/holidays.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace wissel::routing;  // NOLINT(google-build-using-namespace)
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto holidays = ParseHolidays(text, 2000, 2030);
  const auto unix_ends = ParseHolidays(absl::StrReplaceAll(text, {{"\r\n", "\n"}}), 2000, 2030);
  WISSEL_CHECK(holidays.ok() == unix_ends.ok()) << unix_ends.status();
  if (!holidays.ok()) {
    WISSEL_CHECK(holidays.status().code() == absl::StatusCode::kInvalidArgument)
        << holidays.status();
    WISSEL_CHECK(holidays.status().message().find('\n') == absl::string_view::npos)
        << holidays.status();
    return 0;
  }
  CalendarSpec spec{.time_zone = "UTC"};
  absl::CivilDay before(1999, 12, 31);
  for (const Holiday& h : *holidays) {
    WISSEL_CHECK(h.day > before && h.day.year() <= 2030) << absl::FormatCivilTime(h.day);
    before = h.day;
    spec.dates.push_back({h.day, h.name, {}});
  }
  WISSEL_CHECK_OK(Calendar::Build(spec).status()) << "from holidays";
  return 0;
}
