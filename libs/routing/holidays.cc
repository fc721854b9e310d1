#include "libs/routing/holidays.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"
#include "libs/base/utf8.h"
#include "libs/routing/calendar.h"

namespace wissel::routing {
namespace {

constexpr int kMaxDepth = 8;
constexpr int kMaxEvents = 5'000;
constexpr int kMaxEventDays = 366;
// Days of all events together, before those that fall together are joined.
constexpr int kMaxEventDaysInAll = 20'000;

absl::Status Error(int line, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, ": ", what));
}

// One content line, unfolded (section 3.1).
struct Line {
  int number = 0;
  // In upper case.
  std::string name;
  // Names in upper case, values without quotes.
  std::map<std::string, std::string> parameters;
  std::string value;
};

// Cut for a message.
std::string Short(absl::string_view text) {
  return text.size() <= 40 ? std::string(text) : absl::StrCat(TruncateUtf8(text, 40), "...");
}

// Fails on bytes that are not UTF-8 and on control characters.
absl::Status CheckText(int number, absl::string_view text) {
  for (absl::string_view rest = text; !rest.empty();) {
    const size_t length = Utf8Length(rest);
    if (length == 0) return Error(number, "is not UTF-8");
    if (absl::ascii_iscntrl(rest[0]) && rest[0] != '\t') {
      return Error(number, "has a control character");
    }
    rest.remove_prefix(length);
  }
  return absl::OkStatus();
}

absl::StatusOr<Line> ParseLine(int number, absl::string_view text) {
  WISSEL_RETURN_IF_ERROR(CheckText(number, text));
  Line line{.number = number};
  size_t at = 0;
  const auto token = [&] {
    const size_t begin = at;
    while (at < text.size() && (absl::ascii_isalnum(text[at]) || text[at] == '-')) ++at;
    return absl::AsciiStrToUpper(text.substr(begin, at - begin));
  };
  const auto malformed = [&] {
    return Error(number, absl::StrCat("\"", Short(text),
                                      "\" is not a line of iCalendar: NAME;PARAMETER=VALUE:VALUE"));
  };
  line.name = token();
  if (line.name.empty()) return malformed();
  while (at < text.size() && text[at] == ';') {
    ++at;
    const std::string name = token();
    if (name.empty() || at >= text.size() || text[at] != '=') return malformed();
    std::string value;
    bool quoted = false;
    for (++at; at < text.size() && (quoted || (text[at] != ';' && text[at] != ':')); ++at) {
      if (text[at] == '"') {
        quoted = !quoted;
      } else {
        value += text[at];
      }
    }
    if (!line.parameters.emplace(name, std::move(value)).second) {
      return Error(number, absl::StrCat("the parameter ", name, " is there twice"));
    }
  }
  if (at >= text.size() || text[at] != ':') return malformed();
  line.value = std::string(text.substr(at + 1));
  return line;
}

absl::StatusOr<std::vector<Line>> ParseLines(absl::string_view text) {
  absl::ConsumePrefix(&text, "\xef\xbb\xbf");
  std::vector<Line> lines;
  std::string unfolded;
  int first = 0;
  int number = 0;
  const auto flush = [&]() -> absl::Status {
    if (unfolded.empty()) return absl::OkStatus();
    WISSEL_ASSIGN_OR_RETURN(Line line, ParseLine(first, unfolded));
    lines.push_back(std::move(line));
    unfolded.clear();
    return absl::OkStatus();
  };
  for (absl::string_view physical : absl::StrSplit(text, '\n')) {
    ++number;
    while (absl::ConsumeSuffix(&physical, "\r")) {
    }
    if (!physical.empty() && (physical[0] == ' ' || physical[0] == '\t')) {
      // Blank lines are no content, though files have them.
      if (unfolded.empty() && absl::StripAsciiWhitespace(physical).empty()) continue;
      if (unfolded.empty()) return Error(number, "continues a line, but there is none before it");
      absl::StrAppend(&unfolded, physical.substr(1));
      continue;
    }
    WISSEL_RETURN_IF_ERROR(flush());
    unfolded = std::string(physical);
    first = number;
  }
  WISSEL_RETURN_IF_ERROR(flush());
  return lines;
}

bool ParseDigits(absl::string_view text, int* value) {
  return !text.empty() && text.size() <= 8 &&
         std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, value);
}

// YYYYMMDD
std::optional<absl::CivilDay> ParseDate(absl::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (text.size() != 8 || !ParseDigits(text.substr(0, 4), &year) ||
      !ParseDigits(text.substr(4, 2), &month) || !ParseDigits(text.substr(6, 2), &day)) {
    return std::nullopt;
  }
  const absl::CivilDay date(year, month, day);
  if (date.year() != year || date.month() != month || date.day() != day) return std::nullopt;
  return date;
}

// The dates of DTSTART, DTEND, RDATE and EXDATE.
absl::StatusOr<std::vector<absl::CivilDay>> ParseDates(const Line& line) {
  const auto type = line.parameters.find("VALUE");
  if (type == line.parameters.end() || !absl::EqualsIgnoreCase(type->second, "DATE")) {
    return Error(line.number, absl::StrCat(line.name,
                                           " has a time of day; only whole days are "
                                           "supported, as ",
                                           line.name, ";VALUE=DATE:20261225"));
  }
  std::vector<absl::CivilDay> dates;
  for (const absl::string_view text : absl::StrSplit(line.value, ',')) {
    const std::optional<absl::CivilDay> date = ParseDate(text);
    if (!date.has_value()) {
      return Error(line.number, absl::StrCat(line.name, ": \"", Short(text),
                                             "\" is not a date, such as 20261225"));
    }
    dates.push_back(*date);
  }
  return dates;
}

absl::StatusOr<absl::CivilDay> ParseOneDate(const Line& line) {
  WISSEL_ASSIGN_OR_RETURN(const std::vector<absl::CivilDay> dates, ParseDates(line));
  if (dates.size() != 1) return Error(line.number, absl::StrCat(line.name, " has several dates"));
  return dates[0];
}

// P3D or P1W: a duration of whole days (section 3.6.1).
absl::StatusOr<int> ParseDuration(const Line& line) {
  absl::string_view text = line.value;
  absl::ConsumePrefix(&text, "+");
  int n = 0;
  if (text.size() >= 3 && text[0] == 'P' && ParseDigits(text.substr(1, text.size() - 2), &n) &&
      n > 0 && n <= kMaxEventDays) {
    if (text.back() == 'D') return n;
    if (text.back() == 'W') return 7 * n;
  }
  return Error(line.number, absl::StrCat("DURATION: \"", Short(line.value),
                                         "\" is not supported; whole days are, as P2D, or weeks, "
                                         "as P1W, up to a year"));
}

// The n-th (from 1) such weekday of a month, from its end where n is negative; nothing in a month
// that has fewer.
struct NthWeekday {
  int n = 0;
  absl::Weekday weekday = absl::Weekday::monday;

  std::optional<absl::CivilDay> In(absl::CivilMonth month) const {
    const absl::CivilDay before = absl::CivilDay(month) - 1;
    const absl::CivilDay after = absl::CivilDay(month + 1);
    const absl::CivilDay day = n > 0 ? absl::NextWeekday(before, weekday) + 7 * (n - 1)
                                     : absl::PrevWeekday(after, weekday) + 7 * (n + 1);
    if (day <= before || day >= after) return std::nullopt;
    return day;
  }
};

// 4TH, +1MO, -1SU (section 3.3.10).
std::optional<NthWeekday> ParseNthWeekday(absl::string_view text) {
  static constexpr std::pair<absl::string_view, absl::Weekday> kDays[] = {
      {"MO", absl::Weekday::monday},    {"TU", absl::Weekday::tuesday},
      {"WE", absl::Weekday::wednesday}, {"TH", absl::Weekday::thursday},
      {"FR", absl::Weekday::friday},    {"SA", absl::Weekday::saturday},
      {"SU", absl::Weekday::sunday}};
  const bool from_end = absl::ConsumePrefix(&text, "-");
  if (!from_end) absl::ConsumePrefix(&text, "+");
  for (const auto& [name, weekday] : kDays) {
    absl::string_view digits = text;
    int n = 0;
    if (!absl::ConsumeSuffix(&digits, name) || !ParseDigits(digits, &n) || n < 1 || n > 5) continue;
    return NthWeekday{.n = from_end ? -n : n, .weekday = weekday};
  }
  return std::nullopt;
}

// Until when an event comes back. RFC 5545 has a date where the event is one of whole days (section
// 3.3.10); files have a time of day all the same.
class Until {
 public:
  // 20301225, 20301225T000000, 20301225T000000Z
  static std::optional<Until> Parse(absl::string_view text) {
    Until until;
    const std::optional<absl::CivilDay> day = ParseDate(text.substr(0, 8));
    if (!day.has_value()) return std::nullopt;
    until.time_ = absl::CivilSecond(*day);
    text.remove_prefix(8);
    if (text.empty()) return until;
    until.is_utc_ = absl::ConsumeSuffix(&text, "Z");
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (text.size() != 7 || text[0] != 'T' || !ParseDigits(text.substr(1, 2), &hour) ||
        !ParseDigits(text.substr(3, 2), &minute) || !ParseDigits(text.substr(5, 2), &second) ||
        hour > 23 || minute > 59 || second > 59) {
      return std::nullopt;
    }
    until.time_ += (int64_t{hour} * 60 + minute) * 60 + second;
    return until;
  }

  // Nothing where that depends on the time zone in which the day is meant. Midnight is how files
  // write the date.
  std::optional<bool> Includes(absl::CivilDay day) const {
    const absl::CivilSecond begins(day);
    if (!is_utc_ || begins == time_) return begins <= time_;
    // Zones lie between UTC-12 and UTC+14.
    if (begins + 12 * 60 * 60 <= time_) return true;
    if (begins - 14 * 60 * 60 > time_) return false;
    return std::nullopt;
  }

 private:
  absl::CivilSecond time_;
  bool is_utc_ = false;
};

// A rule by which an event comes back each year: on its date, or on the n-th weekday of its month.
struct Yearly {
  int interval = 1;
  std::optional<int> count;
  std::optional<Until> until;
  std::optional<NthWeekday> nth;

  // Nothing in a year without such a day.
  std::optional<absl::CivilDay> In(int64_t year, absl::CivilDay start) const {
    if (nth.has_value()) return nth->In(absl::CivilMonth(year, start.month()));
    const absl::CivilDay day(year, start.month(), start.day());
    if (day.month() != start.month()) return std::nullopt;  // 29 February
    return day;
  }
};

absl::StatusOr<Yearly> ParseRule(const Line& line, absl::CivilDay start) {
  std::map<std::string, std::string> parts;
  for (const absl::string_view part : absl::StrSplit(line.value, ';', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(part, absl::MaxSplits('=', 1));
    if (!parts.emplace(absl::AsciiStrToUpper(pair.first), absl::AsciiStrToUpper(pair.second))
             .second) {
      return Error(line.number, absl::StrCat("RRULE has ", Short(pair.first), " twice"));
    }
  }
  const auto unsupported = [&](absl::string_view what) {
    return Error(
        line.number,
        absl::StrCat("RRULE: ", Short(what),
                     " is not supported; what comes back each year on the same date is "
                     "(FREQ=YEARLY with INTERVAL, COUNT or UNTIL), or on a month's n-th weekday "
                     "(BYMONTH=11;BYDAY=4TH): list other dates as events of their own, or as "
                     "RDATE;VALUE=DATE"));
  };
  Yearly rule;
  if (parts["FREQ"] != "YEARLY") return unsupported(absl::StrCat("FREQ=", parts["FREQ"]));
  for (const auto& [name, value] : parts) {
    const std::string shown = absl::StrCat(name, "=", value);
    int n = 0;
    if (name == "FREQ" || name == "WKST") continue;
    if (name == "INTERVAL" || name == "COUNT") {
      if (!ParseDigits(value, &n) || n < 1) {
        return Error(line.number,
                     absl::StrCat("RRULE: ", Short(shown), " is not a number from 1 on"));
      }
      if (name == "COUNT") rule.count = n;
      if (name == "INTERVAL") rule.interval = n;
    } else if (name == "UNTIL") {
      rule.until = Until::Parse(value);
      if (!rule.until.has_value()) {
        return Error(line.number, absl::StrCat("RRULE: ", Short(shown),
                                               " is not a date, such as UNTIL=20301225"));
      }
    } else if (name == "BYMONTH") {
      if (!ParseDigits(value, &n) || n != start.month()) return unsupported(shown);
    } else if (name == "BYMONTHDAY") {
      // By itself it would mean that day of every month.
      if (!ParseDigits(value, &n) || n != start.day() || !parts.contains("BYMONTH")) {
        return unsupported(
            absl::StrCat(shown, parts.contains("BYMONTH") ? "" : " without BYMONTH"));
      }
    } else if (name == "BYDAY") {
      rule.nth = ParseNthWeekday(value);
      if (!rule.nth.has_value()) return unsupported(shown);
      // By itself it would count the weeks of the year; beside a date, the years in which both are.
      if (!parts.contains("BYMONTH") || parts.contains("BYMONTHDAY")) {
        return unsupported(absl::StrCat(
            shown, parts.contains("BYMONTH") ? " with BYMONTHDAY" : " without BYMONTH"));
      }
    } else {
      return unsupported(shown);
    }
  }
  if (rule.count.has_value() && rule.until.has_value()) {
    return Error(line.number, "RRULE has both COUNT and UNTIL");
  }
  // What that would mean the RFC leaves open (section 3.8.5.3).
  if (rule.nth.has_value() && rule.nth->In(absl::CivilMonth(start)) != start) {
    return Error(line.number,
                 absl::StrCat("RRULE: BYDAY=", Short(parts["BYDAY"]),
                              " is not the day of DTSTART, ", absl::FormatCivilTime(start)));
  }
  return rule;
}

// A SUMMARY for people: escapes undone (section 3.3.11), on one line, cut to what a calendar takes.
std::string Name(absl::string_view value) {
  std::string name;
  for (size_t i = 0; i < value.size(); ++i) {
    char c = value[i];
    if (c == '\\' && i + 1 < value.size()) {
      c = value[++i];
      if (c == 'n' || c == 'N') c = ' ';
    }
    name += c == '\t' ? ' ' : c;
  }
  absl::StripAsciiWhitespace(&name);
  return name;
}

// Cut between characters.
void Cut(std::string& name, size_t size) {
  if (name.size() <= size) return;
  while (size > 0 && (name[size] & 0xc0) == 0x80) --size;
  name.resize(size);
}

// The lines of one VEVENT that matter, without those of what it contains.
struct Event {
  int line = 0;
  std::map<std::string, std::vector<const Line*>> lines;

  absl::StatusOr<const Line*> AtMostOne(const std::string& name) const {
    const auto it = lines.find(name);
    if (it == lines.end()) return nullptr;
    if (it->second.size() > 1) {
      return Error(it->second[1]->number, absl::StrCat("a second ", name, " in one event"));
    }
    return it->second[0];
  }
};

class Reader {
 public:
  Reader(int first_year, int last_year, const HolidayOptions& options)
      : options_(options), first_(first_year, 1, 1), end_(last_year + 1, 1, 1) {}

  absl::Status Read(const std::vector<Line>& lines) {
    std::vector<std::pair<std::string, int>> open;
    Event event;
    for (const Line& line : lines) {
      const std::string component = absl::AsciiStrToUpper(line.value);
      if (line.name == "BEGIN") {
        if (open.empty() != (component == "VCALENDAR")) {
          return Error(line.number, "an iCalendar file begins with BEGIN:VCALENDAR");
        }
        if (open.size() == kMaxDepth) return Error(line.number, "BEGIN: nested too deep");
        open.emplace_back(component, line.number);
        if (component == "VEVENT" && open.size() == 2) event = Event{.line = line.number};
        continue;
      }
      if (open.empty()) return Error(line.number, "an iCalendar file begins with BEGIN:VCALENDAR");
      if (line.name == "END") {
        if (component != open.back().first) {
          return Error(line.number, absl::StrCat("END:", Short(component), " where END:",
                                                 Short(open.back().first), " is expected"));
        }
        if (component == "VEVENT" && open.size() == 2) WISSEL_RETURN_IF_ERROR(Take(event));
        open.pop_back();
        continue;
      }
      if (open.size() == 1) {
        WISSEL_RETURN_IF_ERROR(CheckCalendarLine(line));
      } else if (open.size() == 2 && open.back().first == "VEVENT") {
        event.lines[line.name].push_back(&line);
      }
    }
    if (!open.empty()) {
      return Error(open.back().second,
                   absl::StrCat("BEGIN:", Short(open.back().first), " without its END"));
    }
    if (lines.empty()) return Error(1, "an iCalendar file begins with BEGIN:VCALENDAR");
    if (taken_ == 0 && left_out_ > 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("no event takes up time: all of them (", left_out_,
                       ") are cancelled or, as many public calendars have it, TRANSP:TRANSPARENT"));
    }
    return absl::OkStatus();
  }

  int left_out() const { return left_out_; }

  std::vector<Holiday> Holidays() && {
    std::vector<Holiday> holidays;
    for (auto& [day, names] : days_) {
      std::string joined;
      for (const std::string& name : names) {
        if (!name.empty()) absl::StrAppend(&joined, joined.empty() ? "" : " / ", name);
      }
      Cut(joined, Calendar::kMaxNameBytes);
      holidays.push_back({day, std::move(joined)});
    }
    return holidays;
  }

 private:
  static absl::Status CheckCalendarLine(const Line& line) {
    const std::string value = absl::AsciiStrToUpper(line.value);
    if (line.name == "VERSION" && value != "2.0") {
      return Error(line.number,
                   absl::StrCat("VERSION: ", Short(value), " is not supported; 2.0 is"));
    }
    if (line.name == "CALSCALE" && value != "GREGORIAN") {
      return Error(line.number,
                   absl::StrCat("CALSCALE: ", Short(value), " is not supported; GREGORIAN is"));
    }
    if (line.name == "METHOD" && value != "PUBLISH" && value != "REQUEST") {
      return Error(line.number,
                   absl::StrCat("METHOD: ", Short(value), " is not supported; PUBLISH is"));
    }
    return absl::OkStatus();
  }

  static absl::Status Unsupported(const Event& event, const char* name) {
    WISSEL_ASSIGN_OR_RETURN(const Line* line, event.AtMostOne(name));
    if (line == nullptr) return absl::OkStatus();
    return Error(line->number, absl::StrCat(name,
                                            " is not supported; EXDATE;VALUE=DATE takes "
                                            "a date out of what comes back"));
  }

  absl::Status Take(const Event& event) {
    // One date of another event, moved or cancelled: it would stay where it was.
    WISSEL_RETURN_IF_ERROR(Unsupported(event, "RECURRENCE-ID"));
    WISSEL_ASSIGN_OR_RETURN(const Line* transparency, event.AtMostOne("TRANSP"));
    WISSEL_ASSIGN_OR_RETURN(const Line* status, event.AtMostOne("STATUS"));
    if ((!options_.transparent && transparency != nullptr &&
         absl::EqualsIgnoreCase(transparency->value, "TRANSPARENT")) ||
        (status != nullptr && absl::EqualsIgnoreCase(status->value, "CANCELLED"))) {
      ++left_out_;
      return absl::OkStatus();
    }
    if (++taken_ > kMaxEvents) {
      return Error(event.line, absl::StrCat("more than ", kMaxEvents, " events"));
    }
    WISSEL_RETURN_IF_ERROR(Unsupported(event, "EXRULE"));

    WISSEL_ASSIGN_OR_RETURN(const Line* start_line, event.AtMostOne("DTSTART"));
    if (start_line == nullptr) return Error(event.line, "the event has no DTSTART");
    WISSEL_ASSIGN_OR_RETURN(const absl::CivilDay start, ParseOneDate(*start_line));
    WISSEL_ASSIGN_OR_RETURN(const int length, Length(event, start));

    std::string name;
    WISSEL_ASSIGN_OR_RETURN(const Line* summary, event.AtMostOne("SUMMARY"));
    if (summary != nullptr) name = Name(summary->value);
    Cut(name, Calendar::kMaxNameBytes);

    std::set<absl::CivilDay> starts = {start};
    WISSEL_ASSIGN_OR_RETURN(const Line* rule_line, event.AtMostOne("RRULE"));
    if (rule_line != nullptr) {
      WISSEL_ASSIGN_OR_RETURN(const Yearly rule, ParseRule(*rule_line, start));
      int n = 1;
      for (int64_t year = start.year() + rule.interval; year < end_.year(); year += rule.interval) {
        const std::optional<absl::CivilDay> day = rule.In(year, start);
        if (!day.has_value()) continue;
        if (rule.count.has_value() && ++n > *rule.count) break;
        if (rule.until.has_value()) {
          const std::optional<bool> included = rule.until->Includes(*day);
          if (!included.has_value()) {
            return Error(rule_line->number,
                         absl::StrCat("RRULE: by its UNTIL it depends on the time zone whether ",
                                      absl::FormatCivilTime(*day),
                                      " counts; write a date, such as UNTIL=20301225"));
          }
          if (!*included) break;
        }
        if (*day + length > first_) starts.insert(*day);
      }
    }
    WISSEL_RETURN_IF_ERROR(
        ForEachDate(event, "RDATE", [&](absl::CivilDay d) { starts.insert(d); }));
    WISSEL_RETURN_IF_ERROR(
        ForEachDate(event, "EXDATE", [&](absl::CivilDay d) { starts.erase(d); }));
    for (const absl::CivilDay day : starts) {
      for (int i = 0; i < length; ++i) WISSEL_RETURN_IF_ERROR(Add(event, day + i, name));
    }
    return absl::OkStatus();
  }

  template <class F>
  static absl::Status ForEachDate(const Event& event, const std::string& name, F f) {
    const auto lines = event.lines.find(name);
    if (lines == event.lines.end()) return absl::OkStatus();
    for (const Line* line : lines->second) {
      WISSEL_ASSIGN_OR_RETURN(const std::vector<absl::CivilDay> dates, ParseDates(*line));
      for (const absl::CivilDay date : dates) f(date);
    }
    return absl::OkStatus();
  }

  // In days.
  static absl::StatusOr<int> Length(const Event& event, absl::CivilDay start) {
    WISSEL_ASSIGN_OR_RETURN(const Line* end_line, event.AtMostOne("DTEND"));
    WISSEL_ASSIGN_OR_RETURN(const Line* duration, event.AtMostOne("DURATION"));
    if (end_line != nullptr && duration != nullptr) {
      return Error(duration->number, "the event has both DTEND and DURATION");
    }
    if (duration != nullptr) return ParseDuration(*duration);
    if (end_line == nullptr) return 1;
    WISSEL_ASSIGN_OR_RETURN(const absl::CivilDay end, ParseOneDate(*end_line));
    if (end <= start) {
      return Error(end_line->number,
                   "DTEND is the day after the last: it must be later than DTSTART");
    }
    if (end - start > kMaxEventDays) {
      return Error(end_line->number, "the event is longer than a year");
    }
    return static_cast<int>(end - start);
  }

  absl::Status Add(const Event& event, absl::CivilDay day, const std::string& name) {
    if (day < first_ || day >= end_) return absl::OkStatus();
    std::vector<std::string>& names = days_[day];
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    if (days_.size() > Calendar::kMaxDates || ++added_ > kMaxEventDaysInAll) {
      return Error(event.line,
                   absl::StrCat("with this event there are too many days; at most ",
                                Calendar::kMaxDates, " are allowed: ask for fewer years"));
    }
    return absl::OkStatus();
  }

  const HolidayOptions options_;
  const absl::CivilDay first_;
  const absl::CivilDay end_;
  std::map<absl::CivilDay, std::vector<std::string>> days_;
  int added_ = 0;
  int taken_ = 0;
  int left_out_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Holiday>> ParseHolidays(absl::string_view text, int first_year,
                                                   int last_year, const HolidayOptions& options,
                                                   int* left_out) {
  if (first_year < Calendar::kFirstYear || last_year > Calendar::kLastYear ||
      first_year > last_year) {
    return absl::InvalidArgumentError(absl::StrCat("the years ", first_year, " to ", last_year,
                                                   " are not within ", Calendar::kFirstYear, " to ",
                                                   Calendar::kLastYear));
  }
  if (text.size() > kMaxHolidayFileBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the file is larger than ", kMaxHolidayFileBytes, " bytes"));
  }
  WISSEL_ASSIGN_OR_RETURN(const std::vector<Line> lines, ParseLines(text));
  Reader reader(first_year, last_year, options);
  WISSEL_RETURN_IF_ERROR(reader.Read(lines));
  if (left_out != nullptr) *left_out = reader.left_out();
  return std::move(reader).Holidays();
}

}  // namespace wissel::routing
