#include "libs/routing/calendar.h"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace wissel::routing {
namespace {

using ::testing::HasSubstr;
using ::wissel::testing::IsOk;
using ::wissel::testing::StatusIs;

constexpr int kHour = 60;

absl::TimeZone Zone(const std::string& name) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone(name, &zone)) << name;
  return zone;
}

// "2026-11-25T09:00:00+01:00"
absl::Time At(const std::string& rfc3339) {
  absl::Time t;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, rfc3339, &t, &error)) << rfc3339 << error;
  return t;
}

std::array<std::vector<LocalWindow>, 7> EveryDay(std::vector<LocalWindow> windows) {
  std::array<std::vector<LocalWindow>, 7> week;
  week.fill(windows);
  return week;
}

Calendar MustBuild(const CalendarSpec& spec) {
  absl::StatusOr<Calendar> calendar = Calendar::Build(spec);
  EXPECT_THAT(calendar, IsOk());
  return *std::move(calendar);
}

// Monday to Friday 9-12 and 13-17:30; King's Day closed, Saint Nicholas' Eve until 15:00.
CalendarSpec Shop() {
  CalendarSpec spec{.time_zone = "Europe/Amsterdam"};
  for (int day = 0; day < 5; ++day) {
    spec.weekly[day] = {{13 * kHour, 17 * kHour + 30}, {9 * kHour, 12 * kHour}};
  }
  spec.dates = {{absl::CivilDay(2026, 4, 27), "King's Day", {}},
                {absl::CivilDay(2026, 12, 5), "Saint Nicholas' Eve", {{10 * kHour, 15 * kHour}}}};
  return spec;
}

TEST(CalendarTest, AnOrdinaryWeek) {
  const Calendar c = MustBuild(Shop());
  EXPECT_TRUE(c.HasOpenings());
  // Wednesday.
  EXPECT_FALSE(c.IsOpen(At("2026-11-25T08:59:59.999+01:00")));
  EXPECT_TRUE(c.IsOpen(At("2026-11-25T09:00:00+01:00")));
  EXPECT_TRUE(c.IsOpen(At("2026-11-25T11:59:59.999+01:00")));
  EXPECT_FALSE(c.IsOpen(At("2026-11-25T12:00:00+01:00")));
  EXPECT_EQ(c.NextOpening(At("2026-11-25T12:10:00+01:00")), At("2026-11-25T13:00:00+01:00"));
  EXPECT_EQ(c.NextOpening(At("2026-11-25T13:10:00+01:00")), At("2026-11-25T13:10:00+01:00"));
  EXPECT_EQ(c.NextClosing(At("2026-11-25T09:10:00+01:00")), At("2026-11-25T12:00:00+01:00"));
  EXPECT_EQ(c.NextClosing(At("2026-11-25T12:10:00+01:00")), At("2026-11-25T12:10:00+01:00"));
  // Over the weekend.
  EXPECT_EQ(c.NextOpening(At("2026-11-27T17:30:00+01:00")), At("2026-11-30T09:00:00+01:00"));
  EXPECT_EQ(c.BusinessTimeBetween(At("2026-11-27T17:00:00+01:00"), At("2026-11-30T09:30:00+01:00")),
            absl::Hours(1));
  EXPECT_EQ(c.AddBusinessTime(At("2026-11-27T17:00:00+01:00"), absl::Hours(1)),
            At("2026-11-30T09:30:00+01:00"));
  // What is reached at closing time is reached then, not at the next opening.
  EXPECT_EQ(c.AddBusinessTime(At("2026-11-27T17:00:00+01:00"), absl::Minutes(30)),
            At("2026-11-27T17:30:00+01:00"));
  EXPECT_EQ(c.AddBusinessTime(At("2026-11-28T17:00:00+01:00"), absl::ZeroDuration()),
            At("2026-11-28T17:00:00+01:00"));
  // Backwards, and below a second.
  EXPECT_EQ(c.BusinessTimeBetween(At("2026-11-30T09:30:00+01:00"), At("2026-11-27T17:00:00+01:00")),
            -absl::Hours(1));
  EXPECT_EQ(c.AddBusinessTime(At("2026-11-25T11:59:59.75+01:00"), absl::Milliseconds(500)),
            At("2026-11-25T13:00:00.25+01:00"));
}

TEST(CalendarTest, DatesThatDiffer) {
  const Calendar c = MustBuild(Shop());
  EXPECT_EQ(c.NextOpening(At("2026-04-25T10:00:00+02:00")), At("2026-04-28T09:00:00+02:00"));
  EXPECT_EQ(c.DateNames(At("2026-04-27T00:00:00+02:00"), At("2026-04-27T00:01:00+02:00")),
            "King's Day");
  EXPECT_EQ(c.DateNames(At("2026-04-28T00:00:00+02:00"), At("2026-12-05T00:00:00+01:00")), "");
  EXPECT_EQ(c.DateNames(absl::InfinitePast(), absl::InfiniteFuture()),
            "King's Day, Saint Nicholas' Eve");
  // A Saturday.
  EXPECT_EQ(c.NextOpening(At("2026-12-05T00:00:00+01:00")), At("2026-12-05T10:00:00+01:00"));
  EXPECT_EQ(c.NextClosing(At("2026-12-05T11:00:00+01:00")), At("2026-12-05T15:00:00+01:00"));
  EXPECT_EQ(c.BusinessTimeBetween(At("2026-12-05T00:00:00+01:00"), At("2026-12-06T00:00:00+01:00")),
            absl::Hours(5));
}

TEST(CalendarTest, MonthsAndYearsAreExact) {
  const Calendar c = MustBuild(Shop());
  // 2026 has 261 days from Monday to Friday, one of them King's Day; plus one Saturday of 5 hours.
  EXPECT_EQ(c.BusinessTimeBetween(At("2026-01-01T00:00:00+01:00"), At("2027-01-01T00:00:00+01:00")),
            260 * absl::Minutes(450) + absl::Hours(5));
  EXPECT_EQ(
      c.AddBusinessTime(At("2026-01-01T00:00:00+01:00"), 260 * absl::Minutes(450) + absl::Hours(5)),
      At("2026-12-31T17:30:00+01:00"));
}

TEST(CalendarTest, AlwaysIsOpenWithoutBounds) {
  const Calendar c = Calendar::Always();
  const absl::Time t = At("2350-01-01T00:00:00Z");
  EXPECT_TRUE(c.HasOpenings());
  EXPECT_TRUE(c.IsOpen(t));
  EXPECT_EQ(c.NextOpening(t), t);
  EXPECT_EQ(c.NextClosing(t), absl::InfiniteFuture());
  EXPECT_EQ(c.BusinessTimeBetween(t, t + absl::Hours(5)), absl::Hours(5));
  EXPECT_EQ(c.AddBusinessTime(t, absl::Hours(5)), t + absl::Hours(5));
  EXPECT_EQ(c.AddBusinessTime(t, -absl::Hours(5)), t);
}

TEST(CalendarTest, MidnightDoesNotClose) {
  CalendarSpec spec{.time_zone = "Europe/Amsterdam", .weekly = EveryDay({{0, 24 * kHour}})};
  spec.dates = {{absl::CivilDay(2027, 1, 1), "New Year", {}}};
  const Calendar c = MustBuild(spec);
  EXPECT_EQ(c.NextClosing(At("2026-02-03T04:05:06+01:00")), At("2027-01-01T00:00:00+01:00"));
  EXPECT_EQ(c.NextOpening(At("2027-01-01T00:00:00+01:00")), At("2027-01-02T00:00:00+01:00"));
  EXPECT_EQ(c.NextClosing(At("2027-01-02T00:00:00+01:00")), absl::InfiniteFuture());
  // Both days on which the clock changes are in it.
  EXPECT_EQ(c.BusinessTimeBetween(At("2026-01-01T00:00:00+01:00"), At("2027-01-02T00:00:00+01:00")),
            365 * absl::Hours(24));
}

TEST(CalendarTest, WithoutOpeningsEveryAnswerIsNever) {
  CalendarSpec spec{.time_zone = "Asia/Kolkata"};
  spec.dates = {{absl::CivilDay(2026, 8, 15), "Independence Day", {}}};
  const Calendar c = MustBuild(spec);
  const absl::Time t = At("2026-08-15T10:00:00+05:30");
  EXPECT_FALSE(c.HasOpenings());
  EXPECT_FALSE(c.IsOpen(t));
  EXPECT_EQ(c.NextOpening(t), absl::InfiniteFuture());
  EXPECT_EQ(c.NextClosing(t), t);
  EXPECT_EQ(c.AddBusinessTime(t, absl::Seconds(1)), absl::InfiniteFuture());
  EXPECT_EQ(c.AddBusinessTime(t, absl::ZeroDuration()), t);
  EXPECT_EQ(c.BusinessTimeBetween(t, t + absl::Hours(100000)), absl::ZeroDuration());
}

TEST(CalendarTest, OneOpeningInAllTime) {
  CalendarSpec spec{.time_zone = "Asia/Kolkata"};
  spec.dates = {{absl::CivilDay(2030, 5, 1), "Sale", {{10 * kHour, 11 * kHour}}}};
  const Calendar c = MustBuild(spec);
  const absl::Time open = At("2030-05-01T10:00:00+05:30");
  EXPECT_EQ(c.NextOpening(At("1980-01-01T00:00:00Z")), open);
  EXPECT_EQ(c.AddBusinessTime(absl::InfinitePast(), absl::Hours(1)), open + absl::Hours(1));
  EXPECT_EQ(c.AddBusinessTime(open, absl::Hours(1) + absl::Nanoseconds(1)), absl::InfiniteFuture());
  EXPECT_EQ(c.AddBusinessTime(open, absl::InfiniteDuration()), absl::InfiniteFuture());
  EXPECT_EQ(c.NextOpening(open + absl::Hours(1)), absl::InfiniteFuture());
}

TEST(CalendarTest, OutsideItsYearsItIsClosed) {
  const Calendar c = MustBuild(Shop());
  for (const absl::Time t : {absl::InfinitePast(), At("1969-12-30T10:00:00+01:00"),
                             At("2100-01-01T10:00:00+01:00"), absl::InfiniteFuture()}) {
    EXPECT_FALSE(c.IsOpen(t)) << t;
  }
  EXPECT_EQ(c.NextOpening(absl::InfinitePast()), At("1970-01-01T09:00:00+01:00"));
  EXPECT_EQ(c.NextOpening(At("2099-12-31T17:30:00+01:00")), absl::InfiniteFuture());
}

TEST(CalendarTest, ErrorsNameTheEntry) {
  const auto error_of = [](auto change) {
    CalendarSpec spec = Shop();
    change(spec);
    return Calendar::Build(spec);
  };
  const auto code = absl::StatusCode::kInvalidArgument;
  for (const char* zone : {"", "Europe/Amsterdan", "/etc/passwd", "../zoneinfo/UTC", "localtime",
                           "file:UTC", "Fixed/UTC+01:00:00"}) {
    EXPECT_THAT(error_of([&](CalendarSpec& s) { s.time_zone = zone; }),
                StatusIs(code, HasSubstr(absl::StrCat("time zone \"", zone, "\" is unknown"))));
  }
  EXPECT_THAT(
      error_of([](CalendarSpec& s) {
        s.weekly[1] = {{600, 720}, {540, 601}};
      }),
      StatusIs(code, HasSubstr("Tuesday: the windows 09:00-10:01 and 10:00-12:00 overlap")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                s.weekly[6] = {{1320, 120}};
              }),
              StatusIs(code, HasSubstr("Sunday: the window 22:00-02:00 ends before it begins")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                s.weekly[0] = {{540, 540}};
              }),
              StatusIs(code, HasSubstr("Monday: the window 09:00-09:00 ends before it begins")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                s.weekly[0] = {{540, 1441}};
              }),
              StatusIs(code, HasSubstr("Monday: a window from minute 540 to 1441")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                s.weekly[0] = {{-1, 10}};
              }),
              StatusIs(code, HasSubstr("from minute -1")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                s.dates[1].windows = {{540, 600}, {599, 660}};
              }),
              StatusIs(code, HasSubstr("2026-12-05 Saint Nicholas' Eve: the windows")));
  EXPECT_THAT(error_of([](CalendarSpec& s) { s.dates[1].day = s.dates[0].day; }),
              StatusIs(code, HasSubstr("2026-04-27 Saint Nicholas' Eve: the date is there twice, "
                                       "the other is \"King's Day\"")));
  EXPECT_THAT(error_of([](CalendarSpec& s) { s.dates[0].day = absl::CivilDay(2100, 1, 1); }),
              StatusIs(code, HasSubstr("2100-01-01 King's Day: a calendar knows the years")));
  EXPECT_THAT(error_of([](CalendarSpec& s) { s.dates[0].name = std::string(201, 'x'); }),
              StatusIs(code, HasSubstr("the name is longer than 200 bytes")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                s.weekly[2].clear();
                for (int i = 0; i < 25; ++i) s.weekly[2].push_back({10 * i, 10 * i + 5});
              }),
              StatusIs(code, HasSubstr("Wednesday: 25 windows, at most 24")));
  EXPECT_THAT(error_of([](CalendarSpec& s) {
                for (int i = 0; i < 2000; ++i) {
                  s.dates.push_back({absl::CivilDay(2030, 1, 1) + i, "x", {}});
                }
              }),
              StatusIs(code, HasSubstr("2002 dates, at most 2000")));
}

TEST(CalendarTest, ClocksGoForward) {
  // 2026-03-29: 02:00 becomes 03:00.
  const auto open = [](LocalWindow w) {
    const Calendar c = MustBuild({.time_zone = "Europe/Amsterdam", .weekly = EveryDay({w})});
    return std::pair(
        c.NextOpening(At("2026-03-29T00:00:00+01:00")),
        c.BusinessTimeBetween(At("2026-03-29T00:00:00+01:00"), At("2026-03-30T00:00:00+02:00")));
  };
  // Begins in the gap, ends in it, spans it, lies in it.
  EXPECT_EQ(open({150, 300}), std::pair(At("2026-03-29T03:00:00+02:00"), absl::Hours(2)));
  EXPECT_EQ(open({60, 150}), std::pair(At("2026-03-29T01:00:00+01:00"), absl::Hours(1)));
  EXPECT_EQ(open({60, 300}), std::pair(At("2026-03-29T01:00:00+01:00"), absl::Hours(3)));
  EXPECT_EQ(open({125, 175}), std::pair(At("2026-03-30T02:05:00+02:00"), absl::ZeroDuration()));
}

TEST(CalendarTest, ClocksGoBack) {
  // 2026-10-25: 03:00 becomes 02:00.
  const auto open = [](std::vector<LocalWindow> w) {
    const Calendar c =
        MustBuild({.time_zone = "Europe/Amsterdam", .weekly = EveryDay(std::move(w))});
    const absl::Time opening = c.NextOpening(At("2026-10-25T00:30:00+02:00"));
    return std::tuple(
        opening, c.NextClosing(opening),
        c.BusinessTimeBetween(At("2026-10-25T00:00:00+02:00"), At("2026-10-26T00:00:00+01:00")));
  };
  const absl::Time first = At("2026-10-25T02:30:00+02:00");
  const absl::Time second = At("2026-10-25T02:30:00+01:00");
  const absl::Time five = At("2026-10-25T05:00:00+01:00");
  const absl::Time one = At("2026-10-25T01:00:00+02:00");
  // Begins in the repeated hour, ends in it, spans it.
  EXPECT_EQ(open({{150, 300}}), std::tuple(first, five, absl::Minutes(210)));
  EXPECT_EQ(open({{60, 150}}), std::tuple(one, second, absl::Minutes(150)));
  EXPECT_EQ(open({{60, 300}}), std::tuple(one, five, absl::Hours(5)));
  // Ends where the clock goes back to, and where it goes back from.
  EXPECT_EQ(open({{60, 120}}), std::tuple(one, At("2026-10-25T02:00:00+02:00"), absl::Hours(1)));
  EXPECT_EQ(open({{60, 180}}), std::tuple(one, At("2026-10-25T03:00:00+01:00"), absl::Hours(3)));
  // Two that overlap only here count once.
  EXPECT_EQ(open({{60, 150}, {160, 300}}), std::tuple(one, five, absl::Hours(5)));
}

TEST(CalendarTest, OtherZones) {
  const auto between = [](const char* zone, std::vector<LocalWindow> w, const char* a,
                          const char* b) {
    return MustBuild({.time_zone = zone, .weekly = EveryDay(std::move(w))})
        .BusinessTimeBetween(At(a), At(b));
  };
  // Half an hour: 2026-04-05 02:00 becomes 01:30, 2026-10-04 02:00 becomes 02:30.
  EXPECT_EQ(between("Australia/Lord_Howe", {{60, 180}}, "2026-04-05T00:00:00+11:00",
                    "2026-04-06T00:00:00+10:30"),
            absl::Minutes(150));
  EXPECT_EQ(between("Australia/Lord_Howe", {{60, 180}}, "2026-10-04T00:00:00+10:30",
                    "2026-10-05T00:00:00+11:00"),
            absl::Minutes(90));
  // 2011-12-30 did not happen.
  EXPECT_EQ(between("Pacific/Apia", {{540, 1020}}, "2011-12-29T00:00:00-10:00",
                    "2012-01-01T00:00:00+14:00"),
            absl::Hours(16));
  const Calendar apia = MustBuild({.time_zone = "Pacific/Apia",
                                   .weekly = EveryDay({{0, 1440}}),
                                   .dates = {{absl::CivilDay(2011, 12, 30), "Skipped", {}}}});
  EXPECT_EQ(apia.NextClosing(At("2011-12-29T12:00:00-10:00")), absl::InfiniteFuture());
  // Midnight: Cairo 2024-04-26 00:00 becomes 01:00, 2024-11-01 00:00 becomes 23:00 the day before.
  const Calendar cairo =
      MustBuild({.time_zone = "Africa/Cairo", .weekly = EveryDay({{0, 120}, {1380, 1440}})});
  EXPECT_EQ(cairo.NextClosing(At("2024-04-25T23:30:00+02:00")), At("2024-04-26T02:00:00+03:00"));
  EXPECT_EQ(
      cairo.BusinessTimeBetween(At("2024-04-25T23:00:00+02:00"), At("2024-04-26T12:00:00+03:00")),
      absl::Hours(2));
  EXPECT_EQ(
      cairo.BusinessTimeBetween(At("2024-10-31T12:00:00+03:00"), At("2024-11-01T12:00:00+02:00")),
      absl::Hours(4));
}

// The definition, minute by minute: a window has begun once the wall clock has reached its start,
// and has ended once the wall clock will not again read a time before its end.
std::vector<bool> MinuteModel(const CalendarSpec& spec, absl::Time begin, int minutes) {
  const absl::TimeZone zone = Zone(spec.time_zone);
  std::vector<absl::CivilMinute> reached(minutes);
  std::vector<absl::CivilMinute> earliest(minutes);
  for (int i = 0; i < minutes; ++i) {
    reached[i] = earliest[i] = absl::ToCivilMinute(begin + i * absl::Minutes(1), zone);
    if (i > 0) reached[i] = std::max(reached[i], reached[i - 1]);
  }
  for (int i = minutes - 2; i >= 0; --i) earliest[i] = std::min(earliest[i], earliest[i + 1]);

  std::vector<bool> open(minutes);
  for (absl::CivilDay day(earliest[0]); day <= absl::CivilDay(reached[minutes - 1]); ++day) {
    const auto date = std::find_if(spec.dates.begin(), spec.dates.end(),
                                   [&](const auto& d) { return d.day == day; });
    for (const LocalWindow& w : date != spec.dates.end()
                                    ? date->windows
                                    : spec.weekly[static_cast<int>(absl::GetWeekday(day))]) {
      // Both are sorted.
      const auto begun =
          std::lower_bound(reached.begin(), reached.end(), absl::CivilMinute(day) + w.start_minute);
      const auto ended =
          std::lower_bound(earliest.begin(), earliest.end(), absl::CivilMinute(day) + w.end_minute);
      for (auto i = begun - reached.begin(); i < ended - earliest.begin(); ++i) open[i] = true;
    }
  }
  return open;
}

std::vector<LocalWindow> RandomWindows(std::mt19937_64& random) {
  std::vector<int> edges(2 * (random() % 4));
  for (int& edge : edges) {
    // Around the clock changes more often than not; round and odd minutes.
    edge = random() % 2 ? random() % 300 : random() % 1441;
    if (random() % 2) edge = edge / 30 * 30;
    if (random() % 8 == 0) edge = 1440;
  }
  std::sort(edges.begin(), edges.end());
  std::vector<LocalWindow> windows;
  for (size_t i = 0; i + 1 < edges.size(); i += 2) {
    if (edges[i] < edges[i + 1]) windows.push_back({edges[i], edges[i + 1]});
  }
  return windows;
}

TEST(CalendarPropertyTest, AgreesWithTheMinuteModel) {
  // Each around a jump, or an ordinary week.
  const std::vector<std::pair<const char*, absl::CivilDay>> places = {
      {"Europe/Amsterdam", absl::CivilDay(2026, 3, 29)},
      {"Europe/Amsterdam", absl::CivilDay(2026, 10, 25)},
      {"America/New_York", absl::CivilDay(2027, 3, 14)},
      {"America/New_York", absl::CivilDay(2027, 11, 7)},
      {"Australia/Lord_Howe", absl::CivilDay(2026, 4, 5)},
      {"Australia/Lord_Howe", absl::CivilDay(2026, 10, 4)},
      {"Pacific/Apia", absl::CivilDay(2011, 12, 30)},
      {"Asia/Kolkata", absl::CivilDay(2026, 5, 5)},
      {"America/Sao_Paulo", absl::CivilDay(2018, 2, 18)},
      {"America/Sao_Paulo", absl::CivilDay(2018, 11, 4)},
      {"Africa/Cairo", absl::CivilDay(2024, 4, 26)},
      {"Africa/Cairo", absl::CivilDay(2024, 11, 1)},
      {"America/Havana", absl::CivilDay(2025, 11, 2)},
      // The repeated hour holds midnight: 00:01 became 23:01 the day before.
      {"America/St_Johns", absl::CivilDay(2008, 11, 2)},
      {"UTC", absl::CivilDay(2026, 12, 31)},
  };
  constexpr int kMinutes = 6 * 1440;
  std::mt19937_64 random(20261125);
  for (int round = 0; round < 60; ++round) {
    const auto& [zone, middle] = places[round % places.size()];
    CalendarSpec spec{.time_zone = zone};
    for (auto& windows : spec.weekly) windows = RandomWindows(random);
    for (int i = random() % 4; i > 0; --i) {
      const absl::CivilDay day = middle + static_cast<int>(random() % 6) - 3;
      if (std::none_of(spec.dates.begin(), spec.dates.end(),
                       [&](const auto& d) { return d.day == day; })) {
        spec.dates.push_back({day, "date", RandomWindows(random)});
      }
    }
    const Calendar c = MustBuild(spec);
    const absl::Time begin = absl::FromCivil(middle - 3, Zone(zone));
    const std::vector<bool> open = MinuteModel(spec, begin, kMinutes);
    const auto at = [&](int minute) { return begin + minute * absl::Minutes(1); };

    // How many open minutes come before; the next minute that is open, that is closed.
    std::vector<int> before(kMinutes + 1);
    std::vector<int> next[2] = {std::vector<int>(kMinutes + 1, kMinutes),
                                std::vector<int>(kMinutes + 1, kMinutes)};
    for (int i = 0; i < kMinutes; ++i) {
      before[i + 1] = before[i] + open[i];
      ASSERT_EQ(c.IsOpen(at(i)), open[i]) << zone << " " << at(i) << " round " << round;
    }
    for (int i = kMinutes - 1; i >= 0; --i) {
      next[open[i]][i] = i;
      next[!open[i]][i] = next[!open[i]][i + 1];
    }
    for (int n = 0; n < 300; ++n) {
      const int a = random() % kMinutes;
      const int b = a + random() % (kMinutes - a);
      const absl::Duration between = c.BusinessTimeBetween(at(a), at(b));
      ASSERT_EQ(between, absl::Minutes(before[b] - before[a])) << zone << at(a) << at(b);
      if (next[true][a] < kMinutes) {
        ASSERT_EQ(c.NextOpening(at(a)), at(next[true][a])) << zone << at(a);
      }
      if (next[false][a] < kMinutes) {
        ASSERT_EQ(c.NextClosing(at(a)), at(next[false][a])) << zone << at(a);
      }
      // The earliest instant with that much business time.
      if (before[b] > before[a]) {
        const auto reached = std::lower_bound(before.begin(), before.end(), before[b]);
        ASSERT_EQ(c.AddBusinessTime(at(a), between), at(reached - before.begin())) << zone;
      }
    }
  }
}

TEST(CalendarPropertyTest, SumsAndInverses) {
  std::mt19937_64 random(7);
  const std::vector<const char*> zones = {"Europe/Amsterdam", "America/New_York",
                                          "Australia/Lord_Howe", "Asia/Kolkata", "Africa/Cairo"};
  for (int round = 0; round < 20; ++round) {
    CalendarSpec spec{.time_zone = zones[round % zones.size()]};
    for (auto& windows : spec.weekly) windows = RandomWindows(random);
    for (int i = 0; i < 100; ++i) {
      spec.dates.push_back({absl::CivilDay(2020, 1, 1) + i * 30, "date", RandomWindows(random)});
    }
    const Calendar c = MustBuild(spec);
    for (int n = 0; n < 200; ++n) {
      std::array<absl::Time, 3> t;
      for (absl::Time& x : t) {
        x = absl::FromUnixNanos(int64_t{1'577'836'800'000'000'000} +
                                static_cast<int64_t>(random() % (uint64_t{1} << 58)));
      }
      std::sort(t.begin(), t.end());
      const absl::Duration ab = c.BusinessTimeBetween(t[0], t[1]);
      const absl::Duration bc = c.BusinessTimeBetween(t[1], t[2]);
      ASSERT_EQ(c.BusinessTimeBetween(t[0], t[2]), ab + bc);
      ASSERT_EQ(c.BusinessTimeBetween(t[1], t[0]), -ab);
      ASSERT_GE(ab, absl::ZeroDuration());
      ASSERT_LE(ab, t[1] - t[0]);
      if (ab > absl::ZeroDuration()) {
        const absl::Time u = c.AddBusinessTime(t[0], ab);
        ASSERT_LE(u, t[1]);
        ASSERT_EQ(c.BusinessTimeBetween(t[0], u), ab);
        ASSERT_LT(c.BusinessTimeBetween(t[0], u - absl::Nanoseconds(1)), ab);
      }
      const absl::Time opening = c.NextOpening(t[0]);
      const absl::Time closing = c.NextClosing(opening);
      if (opening == absl::InfiniteFuture()) continue;
      ASSERT_TRUE(c.IsOpen(opening));
      ASSERT_FALSE(c.IsOpen(closing));
      ASSERT_EQ(c.BusinessTimeBetween(t[0], opening), absl::ZeroDuration());
      ASSERT_EQ(c.BusinessTimeBetween(opening, closing), closing - opening);
    }
  }
}

}  // namespace
}  // namespace wissel::routing
