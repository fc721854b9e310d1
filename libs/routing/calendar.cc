#include "libs/routing/calendar.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/base/utf8.h"

namespace wissel::routing {
namespace {

constexpr int64_t kDaySeconds = 24 * 60 * 60;
constexpr int kDayMinutes = 24 * 60;
// Day 0 is the first of kFirstYear, so that a day's number modulo 7 is its place in `Week`.
constexpr absl::CivilDay kFirstDay(Calendar::kFirstYear, 1, 1);
constexpr absl::CivilDay kEndDay(Calendar::kLastYear + 1, 1, 1);

// A stretch of one day in seconds from midnight, open or closed.
struct Stretch {
  int64_t begin;
  int64_t end;
  bool open;
};

// What a regular week looks like: for each day, the alternating stretches that cover it, and how
// many open seconds there are before each day.
struct Week {
  std::array<std::vector<Stretch>, 7> days;
  std::array<int64_t, 8> open_before = {};

  // Open seconds from day 0 to the begin of `day`.
  int64_t OpenBefore(int64_t day) const { return day / 7 * open_before[7] + open_before[day % 7]; }
  int64_t SideBefore(bool open, int64_t day) const {
    return open ? OpenBefore(day) : day * kDaySeconds - OpenBefore(day);
  }
};

// A stretch of the time line, in Unix seconds.
struct Piece {
  int64_t begin;
  int64_t end;
  bool open;
};

// A part of the time line: a run of days of 24 hours that follow the week, or a few days that do
// not, piece by piece.
struct Span {
  int64_t begin;
  // Open seconds from the beginning of the time line to `begin`.
  int64_t open_before;
  int64_t first_day;
  // Into Data::pieces; equal for a run of regular days.
  size_t pieces_begin;
  size_t pieces_end;

  bool regular() const { return pieces_begin == pieces_end; }
};

std::string Clock(int minute) { return absl::StrFormat("%02d:%02d", minute / 60, minute % 60); }
std::string Show(const LocalWindow& w) {
  return absl::StrCat(Clock(w.start_minute), "-", Clock(w.end_minute));
}

// Sorted, and checked: bounds, order, overlaps.
absl::StatusOr<std::vector<LocalWindow>> Checked(std::vector<LocalWindow> windows,
                                                 absl::string_view where) {
  if (windows.size() > Calendar::kMaxWindowsPerDay) {
    return absl::InvalidArgumentError(absl::StrCat(where, ": ", windows.size(),
                                                   " windows, at most ",
                                                   Calendar::kMaxWindowsPerDay, " are allowed"));
  }
  for (const LocalWindow& w : windows) {
    if (w.start_minute < 0 || w.start_minute > kDayMinutes || w.end_minute < 0 ||
        w.end_minute > kDayMinutes) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": a window from minute ",
                                                     w.start_minute, " to ", w.end_minute,
                                                     " leaves the day, 00:00 to 24:00"));
    }
    if (w.end_minute <= w.start_minute) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": the window ", Show(w),
                       " ends before it begins; a window ends at 24:00 at the latest, the rest "
                       "belongs to the next day"));
    }
  }
  std::sort(windows.begin(), windows.end(), [](const LocalWindow& a, const LocalWindow& b) {
    return a.start_minute < b.start_minute;
  });
  for (size_t i = 1; i < windows.size(); ++i) {
    if (windows[i].start_minute < windows[i - 1].end_minute) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": the windows ", Show(windows[i - 1]),
                                                     " and ", Show(windows[i]), " overlap"));
    }
  }
  return windows;
}

// Whether it can be an IANA name: neither a path elsewhere nor what depends on the machine.
bool IsZoneName(absl::string_view name) {
  for (const char c : name) {
    if (!absl::ascii_isalnum(c) && c != '_' && c != '+' && c != '-' && c != '/') return false;
  }
  return !name.empty() && name.size() <= 64 && name[0] != '/' && name != "localtime";
}

// The first instant at which the wall clock has reached `s`.
absl::Time Reaches(absl::TimeZone zone, absl::CivilSecond s) {
  const absl::TimeZone::TimeInfo info = zone.At(s);
  return info.kind == absl::TimeZone::TimeInfo::SKIPPED ? info.trans : info.pre;
}

// The first instant from which on the wall clock reads no time before `s`.
absl::Time Passes(absl::TimeZone zone, absl::CivilSecond s) {
  const absl::TimeZone::TimeInfo info = zone.At(s);
  if (info.kind == absl::TimeZone::TimeInfo::SKIPPED) return info.trans;
  // Where clocks go back to `s` itself, they read nothing earlier.
  if (info.kind == absl::TimeZone::TimeInfo::REPEATED && info.post != info.trans) return info.post;
  return info.pre;
}

absl::CivilSecond Civil(absl::CivilDay day, int minute) {
  return absl::CivilSecond(day) + int64_t{60} * minute;
}

// Days on which the wall clock jumps, from or to.
std::set<int64_t> TransitionDays(absl::TimeZone zone) {
  std::set<int64_t> days;
  absl::TimeZone::CivilTransition jump;
  absl::Time t = Reaches(zone, absl::CivilSecond(kFirstDay)) - absl::Hours(48);
  const absl::Time end = Passes(zone, absl::CivilSecond(kEndDay));
  while (t < end && zone.NextTransition(t, &jump)) {
    const int64_t first = absl::CivilDay(std::min(jump.from, jump.to)) - kFirstDay;
    const int64_t last = absl::CivilDay(std::max(jump.from, jump.to)) - kFirstDay;
    for (int64_t day = std::max<int64_t>(first, 0);
         day <= std::min<int64_t>(last, kEndDay - kFirstDay - 1); ++day) {
      days.insert(day);
    }
    const absl::TimeZone::TimeInfo at = zone.At(jump.to);
    const bool unique = at.kind == absl::TimeZone::TimeInfo::UNIQUE;
    t = std::max(t + absl::Seconds(1), unique ? at.pre : at.trans);
  }
  return days;
}

}  // namespace

struct Calendar::Data {
  absl::TimeZone zone;
  Week week;
  // By day number.
  std::map<int64_t, CalendarSpec::Date> dates;
  // Adjoining, from the begin of kFirstYear to `end`.
  std::vector<Span> spans;
  std::vector<Piece> pieces;
  int64_t begin = 0;
  int64_t end = 0;
  int64_t open_total = 0;

  int64_t SpanEnd(size_t i) const { return i + 1 < spans.size() ? spans[i + 1].begin : end; }
  int64_t SideBefore(Side side, size_t i) const {
    if (i == spans.size()) return side == kOpen ? open_total : end - begin - open_total;
    const Span& s = spans[i];
    return side == kOpen ? s.open_before : s.begin - begin - s.open_before;
  }
  void Append(const std::vector<LocalWindow>& windows, absl::CivilDay day);
  void AppendSpans(const std::array<std::vector<LocalWindow>, 7>& weekly);
};

// Where an instant lies: in an open stretch that began at `since`, or not; `open_before` are the
// open seconds before that stretch, or before the instant.
struct Calendar::Place {
  bool open = false;
  int64_t since = 0;
  int64_t open_before = 0;
};

// Adds the pieces of an irregular day to the last span.
void Calendar::Data::Append(const std::vector<LocalWindow>& windows, absl::CivilDay day) {
  const Span& span = spans.back();
  int64_t at = pieces.size() == span.pieces_begin ? span.begin : pieces.back().end;
  const auto add = [&](int64_t until, bool open) {
    if (until <= at) return;
    pieces.push_back({at, until, open});
    at = until;
  };
  for (const LocalWindow& w : windows) {
    add(absl::ToUnixSeconds(Reaches(zone, Civil(day, w.start_minute))), false);
    add(absl::ToUnixSeconds(Passes(zone, Civil(day, w.end_minute))), true);
  }
  add(absl::ToUnixSeconds(Reaches(zone, Civil(day + 1, 0))), false);
}

void Calendar::Data::AppendSpans(const std::array<std::vector<LocalWindow>, 7>& weekly) {
  const std::set<int64_t> jumps = TransitionDays(zone);
  std::set<int64_t> irregular = jumps;
  for (const auto& [day, date] : dates) irregular.insert(day);

  const int64_t days = kEndDay - kFirstDay;
  const auto midnight = [&](int64_t day) { return Reaches(zone, Civil(kFirstDay + day, 0)); };
  begin = absl::ToUnixSeconds(midnight(0));
  end = absl::ToUnixSeconds(midnight(days));
  const auto start_span = [&](int64_t day) {
    spans.push_back({.begin = absl::ToUnixSeconds(midnight(day)),
                     .open_before = open_total,
                     .first_day = day,
                     .pieces_begin = pieces.size(),
                     .pieces_end = pieces.size()});
  };
  int64_t day = 0;
  const auto run_until = [&](int64_t next) {
    if (day >= next) return;
    start_span(day);
    open_total += week.OpenBefore(next) - week.OpenBefore(day);
    day = next;
  };
  while (day < days) {
    const auto next = irregular.lower_bound(day);
    run_until(next == irregular.end() ? days : *next);
    if (day >= days) break;
    start_span(day);
    // Days around a jump go together: their windows may overlap each other.
    do {
      const auto date = dates.find(day);
      const absl::CivilDay civil = kFirstDay + day;
      Append(date != dates.end() ? date->second.windows
                                 : weekly[static_cast<int>(absl::GetWeekday(civil))],
             civil);
      ++day;
    } while (jumps.contains(day) && jumps.contains(day - 1));
    Span& span = spans.back();
    span.pieces_end = pieces.size();
    // A day that was skipped altogether.
    if (span.regular()) {
      spans.pop_back();
      continue;
    }
    for (size_t i = span.pieces_begin; i < span.pieces_end; ++i) {
      if (pieces[i].open) open_total += pieces[i].end - pieces[i].begin;
    }
  }
}

Calendar Calendar::Always() { return Calendar(nullptr); }

absl::StatusOr<Calendar> Calendar::Build(const CalendarSpec& spec) {
  auto data = std::make_shared<Data>();
  if (!IsZoneName(spec.time_zone) || !absl::LoadTimeZone(spec.time_zone, &data->zone)) {
    return absl::InvalidArgumentError(
        absl::StrCat("time zone \"", spec.time_zone,
                     "\" is unknown; an IANA name is expected, such as Europe/Amsterdam"));
  }
  std::array<std::vector<LocalWindow>, 7> weekly;
  for (int i = 0; i < 7; ++i) {
    WISSEL_ASSIGN_OR_RETURN(
        weekly[i],
        Checked(spec.weekly[i],
                absl::FormatTime(
                    "%A", absl::FromCivil(absl::CivilDay(1970, 1, 5 + i), absl::UTCTimeZone()),
                    absl::UTCTimeZone())));
  }
  if (spec.dates.size() > kMaxDates) {
    return absl::InvalidArgumentError(
        absl::StrCat(spec.dates.size(), " dates, at most ", kMaxDates, " are allowed"));
  }
  for (const CalendarSpec::Date& date : spec.dates) {
    const std::string where =
        absl::StrCat(absl::FormatCivilTime(date.day), date.name.empty() ? "" : " ",
                     TruncateUtf8(date.name, kMaxNameBytes));
    if (date.day < kFirstDay || date.day >= kEndDay) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": a calendar knows the years ", kFirstYear, " to ", kLastYear));
    }
    if (date.name.size() > kMaxNameBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": the name is longer than ", kMaxNameBytes, " bytes"));
    }
    CalendarSpec::Date checked = date;
    WISSEL_ASSIGN_OR_RETURN(checked.windows, Checked(date.windows, where));
    const auto [it, is_new] = data->dates.emplace(date.day - kFirstDay, std::move(checked));
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat(where, ": the date is there twice, the other is \"", it->second.name, "\""));
    }
  }

  for (int i = 0; i < 7; ++i) {
    const auto weekday = static_cast<int>(absl::GetWeekday(kFirstDay + i));
    int64_t at = 0;
    int64_t open = 0;
    const auto add = [&](int64_t until, bool is_open) {
      if (until == at) return;
      data->week.days[i].push_back({at, until, is_open});
      if (is_open) open += until - at;
      at = until;
    };
    for (const LocalWindow& w : weekly[weekday]) {
      add(int64_t{60} * w.start_minute, false);
      add(int64_t{60} * w.end_minute, true);
    }
    add(kDaySeconds, false);
    data->week.open_before[i + 1] = data->week.open_before[i] + open;
  }
  data->AppendSpans(weekly);
  return Calendar(std::move(data));
}

bool Calendar::HasOpenings() const { return data_ == nullptr || data_->open_total > 0; }

Calendar::Place Calendar::Find(absl::Time t) const {
  const Data& d = *data_;
  const int64_t s = absl::ToUnixSeconds(t);
  if (s < d.begin) return {};
  if (s >= d.end) return {.open_before = d.open_total};
  const auto after =
      std::upper_bound(d.spans.begin(), d.spans.end(), s,
                       [](int64_t second, const Span& span) { return second < span.begin; });
  const Span& span = *(after - 1);
  int64_t open_before = span.open_before;
  if (!span.regular()) {
    for (size_t i = span.pieces_begin; i < span.pieces_end; ++i) {
      const Piece& piece = d.pieces[i];
      if (s < piece.end) return {piece.open, piece.begin, open_before};
      if (piece.open) open_before += piece.end - piece.begin;
    }
    return {.open_before = open_before};
  }
  const int64_t local = s - span.begin;
  const int64_t day = span.first_day + local / kDaySeconds;
  const int64_t second = local % kDaySeconds;
  open_before += d.week.OpenBefore(day) - d.week.OpenBefore(span.first_day);
  for (const Stretch& stretch : d.week.days[day % 7]) {
    if (second < stretch.end) return {stretch.open, s - second + stretch.begin, open_before};
    if (stretch.open) open_before += stretch.end - stretch.begin;
  }
  return {.open_before = open_before};
}

absl::Duration Calendar::TimeOpenBefore(absl::Time t) const {
  const Place place = Find(t);
  absl::Duration open = absl::Seconds(place.open_before);
  if (place.open) open += t - absl::FromUnixSeconds(place.since);
  return open;
}

absl::Time Calendar::SecondBegins(Side side, int64_t n) const {
  const Data& d = *data_;
  if (n > d.SideBefore(side, d.spans.size())) return absl::InfiniteFuture();
  // The span in which the n-th second lies: the last with fewer before it.
  size_t low = 0;
  size_t high = d.spans.size();
  while (high - low > 1) {
    const size_t middle = low + (high - low) / 2;
    (d.SideBefore(side, middle) < n ? low : high) = middle;
  }
  const Span& span = d.spans[low];
  int64_t left = n - d.SideBefore(side, low);
  if (!span.regular()) {
    for (size_t i = span.pieces_begin; i < span.pieces_end; ++i) {
      const Piece& piece = d.pieces[i];
      if (piece.open != (side == kOpen)) continue;
      const int64_t length = piece.end - piece.begin;
      if (left <= length) return absl::FromUnixSeconds(piece.begin + left - 1);
      left -= length;
    }
    return absl::InfiniteFuture();
  }
  // Counted from day 0, as if every day were regular.
  left += d.week.SideBefore(side == kOpen, span.first_day);
  const int64_t per_week = d.week.SideBefore(side == kOpen, 7);
  int64_t day = (left - 1) / per_week * 7;
  while (d.week.SideBefore(side == kOpen, day + 1) < left) ++day;
  left -= d.week.SideBefore(side == kOpen, day);
  for (const Stretch& stretch : d.week.days[day % 7]) {
    if (stretch.open != (side == kOpen)) continue;
    const int64_t length = stretch.end - stretch.begin;
    if (left <= length) {
      return absl::FromUnixSeconds(span.begin + (day - span.first_day) * kDaySeconds +
                                   stretch.begin + left - 1);
    }
    left -= length;
  }
  return absl::InfiniteFuture();
}

bool Calendar::IsOpen(absl::Time t) const { return data_ == nullptr || Find(t).open; }

absl::Time Calendar::NextOpening(absl::Time t) const {
  if (data_ == nullptr) return t;
  const Place place = Find(t);
  return place.open ? t : SecondBegins(kOpen, place.open_before + 1);
}

absl::Time Calendar::NextClosing(absl::Time t) const {
  if (data_ == nullptr) return absl::InfiniteFuture();
  const Place place = Find(t);
  if (!place.open) return t;
  return SecondBegins(kClosed, place.since - data_->begin - place.open_before + 1);
}

absl::Duration Calendar::BusinessTimeBetween(absl::Time a, absl::Time b) const {
  return data_ == nullptr ? b - a : TimeOpenBefore(b) - TimeOpenBefore(a);
}

absl::Time Calendar::AddBusinessTime(absl::Time t, absl::Duration d) const {
  if (d <= absl::ZeroDuration()) return t;
  if (data_ == nullptr) return t + d;
  if (d == absl::InfiniteDuration()) return absl::InfiniteFuture();
  const absl::Duration open = TimeOpenBefore(t) + d;
  // The second in which it is reached: open is in (n - 1, n].
  const int64_t n = absl::ToInt64Seconds(absl::Ceil(open, absl::Seconds(1)));
  return SecondBegins(kOpen, n) + (open - absl::Seconds(n - 1));
}

std::string Calendar::DateNames(absl::Time a, absl::Time b) const {
  if (data_ == nullptr || a >= b) return {};
  const auto day = [&](absl::Time t) {
    return absl::ToCivilDay(std::clamp(t, absl::FromUnixSeconds(data_->begin),
                                       absl::FromUnixSeconds(data_->end)),
                            data_->zone) -
           kFirstDay;
  };
  std::vector<absl::string_view> names;
  // The instant b itself is outside.
  const int64_t last = day(b - absl::Nanoseconds(1));
  for (auto date = data_->dates.lower_bound(day(a));
       date != data_->dates.end() && date->first <= last; ++date) {
    if (date->second.name.empty()) continue;
    if (names.size() == 3) {
      names.push_back("...");
      break;
    }
    names.push_back(date->second.name);
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace wissel::routing
