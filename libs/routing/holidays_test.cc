#include "libs/routing/holidays.h"

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/routing/calendar.h"
#include "libs/testing/status_matchers.h"

namespace wissel::routing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::wissel::testing::IsOk;
using ::wissel::testing::StatusIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// A file with one event of these lines, which begin at line 4.
std::string File(absl::string_view event) {
  return absl::StrCat("BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VEVENT\n", event,
                      "\nEND:VEVENT\nEND:VCALENDAR\n");
}

// "2026-12-25 Christmas", ...
std::vector<std::string> Days(absl::string_view text, int first_year, int last_year) {
  const auto holidays = ParseHolidays(text, first_year, last_year);
  EXPECT_THAT(holidays, IsOk());
  std::vector<std::string> days;
  if (!holidays.ok()) return days;
  for (const Holiday& h : *holidays) {
    days.push_back(absl::StrCat(absl::FormatCivilTime(h.day), " ", h.name));
  }
  return days;
}

absl::Status ErrorOf(absl::string_view event) {
  return ParseHolidays(File(event), 2020, 2030).status();
}

constexpr char kDutch[] =
    "\xef\xbb\xbf"
    "BEGIN:VCALENDAR\r\n"
    "VERSION:2.0\r\n"
    "PRODID:-//Example Shop//Holidays//NL\r\n"
    "CALSCALE:GREGORIAN\r\n"
    "METHOD:PUBLISH\r\n"
    "X-WR-CALNAME:Feestdagen\r\n"
    "BEGIN:VTIMEZONE\r\n"
    "TZID:Europe/Amsterdam\r\n"
    "BEGIN:STANDARD\r\n"
    "DTSTART:19701025T030000\r\n"
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\n"
    "END:STANDARD\r\n"
    "END:VTIMEZONE\r\n"
    "BEGIN:VEVENT\r\n"
    "UID:1@example.test\r\n"
    "DTSTAMP:20250101T120000Z\r\n"
    "DTSTART;VALUE=DATE:20201225\r\n"
    "DTEND;VALUE=DATE:20201227\r\n"
    "RRULE:FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25;WKST=MO\r\n"
    "EXDATE;VALUE=DATE:20251225\r\n"
    "SUMMARY;LANGUAGE=nl:Kerst\\, eerste en \r\n"
    " tweede \r\n"
    "\tdag\r\n"
    "BEGIN:VALARM\r\n"
    "ACTION:DISPLAY\r\n"
    "DURATION:PT15M\r\n"
    "END:VALARM\r\n"
    "END:VEVENT\r\n"
    "BEGIN:VEVENT\r\n"
    "dtstart;value=date:20260514\r\n"
    "RDATE;VALUE=DATE:20270506,20280525\r\n"
    "SUMMARY:Hemelvaart\r\n"
    "END:VEVENT\r\n"
    "BEGIN:VEVENT\r\n"
    "DTSTART;VALUE=DATE:20270506\r\n"
    "DURATION:P1D\r\n"
    "SUMMARY:Caf\xc3\xa9 dicht\\n\r\n"
    "END:VEVENT\r\n"
    "BEGIN:VEVENT\r\n"
    "DTSTART;VALUE=DATE:20261205\r\n"
    "TRANSP:TRANSPARENT\r\n"
    "SUMMARY:Sinterklaas\r\n"
    "END:VEVENT\r\n"
    "BEGIN:VEVENT\r\n"
    "DTSTART;TZID=Europe/Amsterdam:20260101T090000\r\n"
    "STATUS:CANCELLED\r\n"
    "END:VEVENT\r\n"
    "BEGIN:VTODO\r\n"
    "DUE:20260101T090000Z\r\n"
    "END:VTODO\r\n"
    "END:VCALENDAR\r\n";

TEST(HolidaysTest, AFileAsPeopleHaveThem) {
  const std::vector<std::string> expected = {
      "2026-05-14 Hemelvaart",
      "2026-12-25 Kerst, eerste en tweede dag",
      "2026-12-26 Kerst, eerste en tweede dag",
      "2027-05-06 Hemelvaart / Caf\xc3\xa9 dicht",
      "2027-12-25 Kerst, eerste en tweede dag",
      "2027-12-26 Kerst, eerste en tweede dag",
  };
  EXPECT_EQ(Days(kDutch, 2025, 2027), expected);
  EXPECT_EQ(Days(absl::StrReplaceAll(kDutch, {{"\r\n", "\n"}}), 2025, 2027), expected);
  EXPECT_THAT(Days(kDutch, 1990, 1999), IsEmpty());
}

TEST(HolidaysTest, ACalendarTakesThem) {
  CalendarSpec spec{.time_zone = "Europe/Amsterdam"};
  spec.weekly.fill({{0, 1440}});
  const auto holidays = ParseHolidays(kDutch, 2026, 2026);
  ASSERT_THAT(holidays, IsOk());
  for (const Holiday& h : *holidays) spec.dates.push_back({h.day, h.name, {}});
  const auto calendar = Calendar::Build(spec);
  ASSERT_THAT(calendar, IsOk());
  EXPECT_FALSE(calendar->IsOpen(absl::FromUnixSeconds(1778745600)));  // 2026-05-14, 10:00
}

TEST(HolidaysTest, WhatComesBackEachYear) {
  const auto days = [](absl::string_view start, absl::string_view rule, int from, int to) {
    return absl::StrJoin(
        Days(File(absl::StrCat("DTSTART;VALUE=DATE:", start, "\nRRULE:", rule)), from, to), "");
  };
  EXPECT_EQ(days("20240501", "FREQ=YEARLY", 2025, 2026), "2025-05-01 2026-05-01 ");
  EXPECT_EQ(days("20240501", "FREQ=YEARLY;COUNT=2", 2020, 2030), "2024-05-01 2025-05-01 ");
  EXPECT_EQ(days("20240501", "FREQ=YEARLY;COUNT=1", 2020, 2030), "2024-05-01 ");
  EXPECT_EQ(days("20240501", "FREQ=YEARLY;UNTIL=20260501", 2025, 2030), "2025-05-01 2026-05-01 ");
  EXPECT_EQ(days("20240501", "FREQ=YEARLY;UNTIL=20260430", 2025, 2030), "2025-05-01 ");
  EXPECT_EQ(days("20240501", "INTERVAL=3;FREQ=YEARLY;BYMONTH=05", 2025, 2030),
            "2027-05-01 2030-05-01 ");
  // A 29 February only in leap years, which also are what COUNT counts.
  EXPECT_EQ(days("20200229", "FREQ=YEARLY;COUNT=3", 2020, 2040),
            "2020-02-29 2024-02-29 2028-02-29 ");
  EXPECT_EQ(days("16010101", "FREQ=YEARLY", 2026, 2026), "2026-01-01 ");
}

TEST(HolidaysTest, TheNthWeekdayOfAMonth) {
  const auto days = [](absl::string_view start, absl::string_view rule, int from, int to) {
    return absl::StrJoin(
        Days(File(absl::StrCat("DTSTART;VALUE=DATE:", start, "\nRRULE:FREQ=YEARLY;", rule)), from,
             to),
        "");
  };
  // Thanksgiving, Memorial Day, the early May bank holiday.
  EXPECT_EQ(days("19421126", "BYMONTH=11;BYDAY=4TH", 2026, 2028),
            "2026-11-26 2027-11-25 2028-11-23 ");
  EXPECT_EQ(days("19710531", "BYDAY=-1MO;BYMONTH=5", 2026, 2028),
            "2026-05-25 2027-05-31 2028-05-29 ");
  EXPECT_EQ(days("19780501", "BYMONTH=5;BYDAY=+1MO", 2026, 2027), "2026-05-04 2027-05-03 ");
  EXPECT_EQ(days("20241128", "BYMONTH=11;BYDAY=4TH;COUNT=2", 2020, 2030), "2024-11-28 2025-11-27 ");
  EXPECT_EQ(days("20241128", "BYMONTH=11;BYDAY=4TH;UNTIL=20261126", 2025, 2030),
            "2025-11-27 2026-11-26 ");
  EXPECT_EQ(days("20241128", "BYMONTH=11;BYDAY=4TH;UNTIL=20261125", 2025, 2030), "2025-11-27 ");
  // A fifth only where there is one, which is what COUNT counts.
  EXPECT_EQ(days("20210131", "BYMONTH=1;BYDAY=5SU;COUNT=3", 2020, 2040),
            "2021-01-31 2022-01-30 2023-01-29 ");
  EXPECT_EQ(days("20230129", "BYMONTH=1;BYDAY=5SU", 2024, 2030), "2027-01-31 2028-01-30 ");
  EXPECT_THAT(ErrorOf("DTSTART;VALUE=DATE:20241127\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH"),
              StatusIs(kInvalid, HasSubstr("line 5: RRULE: BYDAY=4TH is not the day of DTSTART, "
                                           "2024-11-27")));
}

// Month by month, day by day.
TEST(HolidaysTest, TheNthWeekdayIsTheOneThatCountingFinds) {
  constexpr const char* kNames[] = {"MO", "TU", "WE", "TH", "FR", "SA", "SU"};
  int found = 0;
  for (int month = 1; month <= 12; ++month) {
    for (int weekday = 0; weekday < 7; ++weekday) {
      for (const int n : {1, 2, 3, 4, 5, -1, -2, -3, -4, -5}) {
        std::vector<std::string> expected;
        for (int year = 2020; year <= 2050; ++year) {
          std::vector<absl::CivilDay> all;
          for (absl::CivilDay day(year, month, 1); day.month() == month; ++day) {
            if (static_cast<int>(absl::GetWeekday(day)) == weekday) all.push_back(day);
          }
          const int size = static_cast<int>(all.size());
          if (std::abs(n) > size) continue;
          expected.push_back(absl::StrCat(
              absl::FormatCivilTime(all[static_cast<size_t>(n > 0 ? n - 1 : size + n)]), " "));
        }
        ASSERT_FALSE(expected.empty());
        const std::string start = absl::StrReplaceAll(expected[0].substr(0, 10), {{"-", ""}});
        EXPECT_EQ(Days(File(absl::StrCat("DTSTART;VALUE=DATE:", start,
                                         "\nRRULE:FREQ=YEARLY;BYMONTH=", month, ";BYDAY=", n,
                                         kNames[weekday])),
                       2020, 2050),
                  expected)
            << n << kNames[weekday] << " of month " << month;
        found += static_cast<int>(expected.size());
      }
    }
  }
  EXPECT_GT(found, 20'000);
}

TEST(HolidaysTest, AnEndWithATimeOfDayCountsWhereItsZoneDoesNotMatter) {
  const auto rule = [](absl::string_view until) {
    return absl::StrCat("DTSTART;VALUE=DATE:20241225\nRRULE:FREQ=YEARLY;UNTIL=", until);
  };
  const auto last = [&](absl::string_view until) {
    const std::vector<std::string> days = Days(File(rule(until)), 2020, 2030);
    return days.empty() ? "" : days.back().substr(0, 4);
  };
  // Midnight is the date; without Z it is the wall clock's.
  EXPECT_EQ(last("20261225T000000Z"), "2026");
  EXPECT_EQ(last("20261225T000000"), "2026");
  EXPECT_EQ(last("20261224T235959"), "2025");
  EXPECT_EQ(last("20261225T235959Z"), "2026");
  EXPECT_EQ(last("20261225T120000Z"), "2026");
  EXPECT_EQ(last("20261224T095959Z"), "2025");
  EXPECT_EQ(last("20270401T120000Z"), "2026");
  // In Amsterdam the 25th has begun; in New York it has not.
  for (const absl::string_view until :
       {"20261224T100000Z", "20261224T230000Z", "20261225T045959Z", "20261225T115959Z"}) {
    EXPECT_THAT(ErrorOf(rule(until)),
                StatusIs(kInvalid, HasSubstr("line 5: RRULE: by its UNTIL it depends on the time "
                                             "zone whether 2026-12-25 counts")))
        << until;
  }
}

TEST(HolidaysTest, AnEventReachesIntoTheYearsAsked) {
  EXPECT_THAT(Days(File("DTSTART;VALUE=DATE:20251230\nDURATION:P1W\nSUMMARY:Rest"), 2026, 2026),
              ElementsAre("2026-01-01 Rest", "2026-01-02 Rest", "2026-01-03 Rest",
                          "2026-01-04 Rest", "2026-01-05 Rest"));
  EXPECT_THAT(
      Days(File("DTSTART;VALUE=DATE:20241231\nDURATION:P2D\nRRULE:FREQ=YEARLY"), 2026, 2026),
      ElementsAre("2026-01-01 ", "2026-12-31 "));
}

TEST(HolidaysTest, WhatWouldChangeTheDaysIsNeverIgnored) {
  const auto with = [](absl::string_view line) {
    return ErrorOf(absl::StrCat("DTSTART;VALUE=DATE:20261225\n", line));
  };
  EXPECT_THAT(ErrorOf("DTSTART:20261225T090000Z"),
              StatusIs(kInvalid, HasSubstr("line 4: DTSTART has a time of day; only whole days are "
                                           "supported, as DTSTART;VALUE=DATE:20261225")));
  EXPECT_THAT(ErrorOf("DTSTART;VALUE=DATE:20261232"),
              StatusIs(kInvalid, HasSubstr("line 4: DTSTART: \"20261232\" is not a date")));
  EXPECT_THAT(ErrorOf("SUMMARY:x"),
              StatusIs(kInvalid, HasSubstr("line 3: the event has no DTSTART")));
  EXPECT_THAT(with("DTSTART;VALUE=DATE:20261226"),
              StatusIs(kInvalid, HasSubstr("line 5: a second DTSTART in one event")));
  EXPECT_THAT(with("DTEND;VALUE=DATE:20261225"),
              StatusIs(kInvalid, HasSubstr("line 5: DTEND is the day after the last")));
  EXPECT_THAT(with("DTEND;VALUE=DATE:20291225"),
              StatusIs(kInvalid, HasSubstr("line 5: the event is longer than a year")));
  EXPECT_THAT(with("DTEND:20261226T000000"),
              StatusIs(kInvalid, HasSubstr("line 5: DTEND has a time of day")));
  EXPECT_THAT(with("DURATION:PT24H"), StatusIs(kInvalid, HasSubstr("line 5: DURATION: \"PT24H\"")));
  EXPECT_THAT(with("DURATION:P0D"), StatusIs(kInvalid, HasSubstr("DURATION: \"P0D\"")));
  EXPECT_THAT(with("DURATION:P1D\nDTEND;VALUE=DATE:20261226"),
              StatusIs(kInvalid, HasSubstr("line 5: the event has both DTEND and DURATION")));
  EXPECT_THAT(with("RDATE:20270101T000000Z"),
              StatusIs(kInvalid, HasSubstr("line 5: RDATE has a time of day")));
  EXPECT_THAT(with("RDATE;VALUE=PERIOD:20270101T000000Z/P1D"),
              StatusIs(kInvalid, HasSubstr("line 5: RDATE has a time of day")));
  EXPECT_THAT(with("EXDATE:20261225T000000Z"),
              StatusIs(kInvalid, HasSubstr("line 5: EXDATE has a time of day")));
  EXPECT_THAT(with("EXRULE:FREQ=YEARLY"), StatusIs(kInvalid, HasSubstr("line 5: EXRULE is not")));
  EXPECT_THAT(with("RECURRENCE-ID;VALUE=DATE:20261225"),
              StatusIs(kInvalid, HasSubstr("line 5: RECURRENCE-ID is not supported")));
  EXPECT_THAT(with("RECURRENCE-ID;VALUE=DATE:20261225\nSTATUS:CANCELLED"),
              StatusIs(kInvalid, HasSubstr("line 5: RECURRENCE-ID is not supported")));
  EXPECT_THAT(with("RRULE:FREQ=YEARLY\nRRULE:FREQ=YEARLY"),
              StatusIs(kInvalid, HasSubstr("line 6: a second RRULE")));
  for (const char* rule : {"FREQ=MONTHLY",
                           "INTERVAL=1",
                           "FREQ=YEARLY;BYDAY=4TH;BYMONTH=11",
                           "FREQ=YEARLY;BYMONTH=11",
                           "FREQ=YEARLY;BYMONTH=11,12",
                           "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=24",
                           "FREQ=YEARLY;BYMONTHDAY=25",
                           "FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=-7",
                           "FREQ=YEARLY;BYYEARDAY=1",
                           "FREQ=YEARLY;BYWEEKNO=1",
                           "FREQ=YEARLY;BYSETPOS=1",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=FR",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=0FR",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=6FR",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=-6FR",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=4FR,4SA",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=4XX",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=+-4FR",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=",
                           "FREQ=YEARLY;BYDAY=4FR",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=4FR;BYMONTHDAY=25",
                           "FREQ=YEARLY;BYMONTH=12;BYDAY=4FR;BYSETPOS=1"}) {
    EXPECT_THAT(with(absl::StrCat("RRULE:", rule)),
                StatusIs(kInvalid, HasSubstr("is not supported; what comes back each year")))
        << rule;
  }
  for (const char* rule : {"FREQ=YEARLY;COUNT=0", "FREQ=YEARLY;INTERVAL=0",
                           "FREQ=YEARLY;INTERVAL=-1", "FREQ=YEARLY;UNTIL=20301225T",
                           "FREQ=YEARLY;UNTIL=20301225T240000Z", "FREQ=YEARLY;UNTIL=20301225T0000Z",
                           "FREQ=YEARLY;UNTIL=20301225Z", "FREQ=YEARLY;UNTIL=20301332T000000Z",
                           "FREQ=YEARLY;COUNT=2;UNTIL=20301225", "FREQ=YEARLY;FREQ=YEARLY"}) {
    EXPECT_THAT(with(absl::StrCat("RRULE:", rule)), StatusIs(kInvalid, HasSubstr("line 5: RRULE")))
        << rule;
  }
}

TEST(HolidaysTest, WhatIsNoICalendarFile) {
  const auto error = [](absl::string_view text) {
    return ParseHolidays(text, 2026, 2026).status();
  };
  const auto begins = "an iCalendar file begins with BEGIN:VCALENDAR";
  EXPECT_THAT(error(""), StatusIs(kInvalid, HasSubstr(begins)));
  EXPECT_THAT(error("BEGIN:VEVENT\nEND:VEVENT\n"), StatusIs(kInvalid, HasSubstr(begins)));
  EXPECT_THAT(error("<html>\n"), StatusIs(kInvalid, HasSubstr("line 1: \"<html>\" is not a line")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nBEGIN:VEVENT\n"),
              StatusIs(kInvalid, HasSubstr("line 2: BEGIN:VEVENT without its END")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n"),
              StatusIs(kInvalid, HasSubstr("line 3: END:VCALENDAR where END:VEVENT is expected")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nVERSION:1.0\nEND:VCALENDAR\n"),
              StatusIs(kInvalid, HasSubstr("line 2: VERSION: 1.0 is not supported")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nCALSCALE:HEBREW\nEND:VCALENDAR\n"),
              StatusIs(kInvalid, HasSubstr("line 2: CALSCALE: HEBREW is not supported")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nMETHOD:CANCEL\nEND:VCALENDAR\n"),
              StatusIs(kInvalid, HasSubstr("line 2: METHOD: CANCEL is not supported")));
  EXPECT_THAT(error(" x\n"), StatusIs(kInvalid, HasSubstr("line 1: continues a line")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nX-A:caf\xe9\nEND:VCALENDAR\n"),
              StatusIs(kInvalid, HasSubstr("line 2: is not UTF-8")));
  EXPECT_THAT(error("BEGIN:VCALENDAR\nX-A;B=1;B=2:x\nEND:VCALENDAR\n"),
              StatusIs(kInvalid, HasSubstr("line 2: the parameter B is there twice")));
  EXPECT_THAT(error(std::string(kMaxHolidayFileBytes + 1, '\n')),
              StatusIs(kInvalid, HasSubstr("larger than")));
  EXPECT_THAT(ParseHolidays(kDutch, 2027, 2026).status(),
              StatusIs(kInvalid, HasSubstr("the years 2027 to 2026")));
  EXPECT_THAT(ParseHolidays(kDutch, 2026, 2100).status(),
              StatusIs(kInvalid, HasSubstr("not within 1970 to 2099")));
}

TEST(HolidaysTest, AFileWithoutAnythingThatCountsIsAnError) {
  EXPECT_THAT(ErrorOf("DTSTART;VALUE=DATE:20261225\nTRANSP:TRANSPARENT"),
              StatusIs(kInvalid, HasSubstr("no event takes up time: all of them (1) are")));
}

TEST(HolidaysTest, WhatTakesUpNoTimeCountsWhereAskedFor) {
  int left_out = -1;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto usual, ParseHolidays(kDutch, 2026, 2026, {}, &left_out));
  EXPECT_EQ(left_out, 2);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto all,
                              ParseHolidays(kDutch, 2026, 2026, {.transparent = true}, &left_out));
  EXPECT_EQ(left_out, 1) << "the cancelled one";
  EXPECT_EQ(all.size(), usual.size() + 1);
}

TEST(HolidaysTest, FoldingMaySplitACharacter) {
  EXPECT_THAT(Days(File("DTSTART;VALUE=DATE:20260101\nSUMMARY:Caf\xc3\r\n \xa9"), 2026, 2026),
              ElementsAre("2026-01-01 Caf\xc3\xa9"));
}

TEST(HolidaysTest, NamesAreCutBetweenCharacters) {
  std::string name = "x";
  for (int i = 0; i < 150; ++i) name += "\xc3\xa9";
  const auto holidays =
      ParseHolidays(File(absl::StrCat("DTSTART;VALUE=DATE:20260101\nSUMMARY:", name)), 2026, 2026);
  ASSERT_THAT(holidays, IsOk());
  ASSERT_THAT(*holidays, SizeIs(1));
  EXPECT_EQ((*holidays)[0].name, name.substr(0, 199));
}

TEST(HolidaysTest, TooManyDays) {
  std::string text = "BEGIN:VCALENDAR\n";
  for (int i = 0; i < 6; ++i) {
    absl::StrAppend(&text, "BEGIN:VEVENT\nDTSTART;VALUE=DATE:202", i,
                    "0101\nDURATION:P365D\nEND:VEVENT\n");
  }
  absl::StrAppend(&text, "END:VCALENDAR\n");
  EXPECT_THAT(ParseHolidays(text, 2020, 2030).status(),
              StatusIs(kInvalid, HasSubstr("line 22: with this event there are too many days; at "
                                           "most 2000 are allowed")));
  EXPECT_THAT(ParseHolidays(text, 2020, 2024), IsOk());
}

}  // namespace
}  // namespace wissel::routing
