#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace wissel::sim {

// A line of a plot: values at times, broken where there is none.
struct Series {
  std::string name;
  std::vector<std::pair<absl::Time, std::optional<double>>> points;
};

// One set of axes.
struct Panel {
  std::string title;
  std::vector<Series> series;  // at most 6
};

struct Plot {
  std::string title;
  std::string note;  // one line under the title
  absl::TimeZone zone;
  std::vector<Panel> panels;
};

// The panels one above the other, on one axis of time, as an SVG that needs nothing else.
std::string ToSvg(const Plot& plot);

}  // namespace wissel::sim
