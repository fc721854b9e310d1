#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace wissel::routing {

// [start, end) in minutes of the local day: 0 <= start < end <= 1440.
struct LocalWindow {
  int start_minute = 0;
  int end_minute = 0;
};

// Opening hours as people write them.
struct CalendarSpec {
  // A day that differs from its weekday. Without windows it is closed: a holiday.
  struct Date {
    absl::CivilDay day;
    std::string name;
    std::vector<LocalWindow> windows;
  };

  // IANA name, such as Europe/Amsterdam.
  std::string time_zone;
  // By absl::Weekday: Monday first. In any order within a day.
  std::array<std::vector<LocalWindow>, 7> weekly;
  std::vector<Date> dates;
};

// When a queue is open, and how much business time lies between two instants.
//
// Immutable and thread-safe; a copy shares what was built. Times are exact to absl::Time's
// resolution. Opening hours are half open: at the closing instant it is closed.
//
// Windows are wall-clock time. A window has begun once the wall clock has reached its start, and
// has ended once the wall clock will never again read a time before its end. So where clocks go
// forward, a window that begins in the gap begins at the gap's end, and one that lies in the gap
// is not there; where clocks go back, a window that begins in the repeated hour begins at the
// first occurrence, and one that ends in it ends at the second. Windows that come to overlap by
// this count once.
//
// Outside the years kFirstYear to kLastYear a calendar is closed, except Always().
class Calendar {
 public:
  static constexpr int kFirstYear = 1970;
  static constexpr int kLastYear = 2099;
  static constexpr int kMaxWindowsPerDay = 24;
  static constexpr int kMaxDates = 2000;
  static constexpr int kMaxNameBytes = 200;

  // Open at any time.
  static Calendar Always();
  // INVALID_ARGUMENT says which entry is wrong, and why. A calendar that never opens is valid.
  static absl::StatusOr<Calendar> Build(const CalendarSpec& spec);

  // Whether it opens at all, in the years above.
  bool HasOpenings() const;

  bool IsOpen(absl::Time t) const;
  // The earliest instant from `t` on at which it is open; InfiniteFuture if there is none.
  absl::Time NextOpening(absl::Time t) const;
  // The earliest instant from `t` on at which it is closed; InfiniteFuture if there is none.
  absl::Time NextClosing(absl::Time t) const;

  // How long it is open in [a, b); minus that of [b, a) where b is earlier.
  absl::Duration BusinessTimeBetween(absl::Time a, absl::Time b) const;
  // The earliest u >= t with BusinessTimeBetween(t, u) == d; `t` where d <= 0, InfiniteFuture
  // where there is none.
  absl::Time AddBusinessTime(absl::Time t, absl::Duration d) const;

  // The names of the dates that differ which the wall clock shows in [a, b), for people: the first
  // three.
  std::string DateNames(absl::Time a, absl::Time b) const;

 private:
  struct Data;
  struct Place;
  enum Side { kClosed = 0, kOpen = 1 };

  explicit Calendar(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  Place Find(absl::Time t) const;
  absl::Duration TimeOpenBefore(absl::Time t) const;
  // When the n-th (from 1) second of that side begins, counted from the first year's begin;
  // InfiniteFuture if there are fewer.
  absl::Time SecondBegins(Side side, int64_t n) const;

  // Null: always open.
  std::shared_ptr<const Data> data_;
};

}  // namespace wissel::routing
