#pragma once

#include <string>

#include "absl/status/status.h"
#include "libs/sim/plot.h"

namespace wissel::ctl {

// A check of the command line's: empty where the file's name says in which form a plot is written.
std::string WrongPlotFile(const std::string& file);

// Writes the plot as SVG or PNG, by the end of the file's name.
//   INVALID_ARGUMENT  the file cannot be written
absl::Status WritePlot(const sim::Plot& plot, const std::string& file);

}  // namespace wissel::ctl
