#pragma once

#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/sim/forecast.h"
#include "libs/sim/plot.h"
#include "libs/sim/report.h"
#include "services/ctl/output.h"

namespace wissel::ctl {

// "0.4s", "42s", "3m05s", "2h10m".
std::string ShortDuration(absl::Duration duration);
// One of these times; "-" of none.
std::string TimeOf(const sim::Times& times, absl::Duration sim::Times::*which);

// "12.3%"; "-" of nothing.
std::string Percent(double part, double whole);

// By what first answers are late: "breached" under SLA policies, else "over 15m".
std::string LateAnswers(const sim::Report& report);

// What a run of the simulator came to.
void PrintReport(const sim::Report& report, std::ostream& out);
boost::json::object ReportJson(const sim::Report& report);

// How expected waits and forecasts compare with what came.
void PrintForecast(const sim::ForecastReport& report, std::ostream& out);
boost::json::object ForecastJson(const sim::ForecastReport& report);

// Waits, waiting conversations, occupancy over time, of one run or several side by side.
std::vector<sim::Panel> ReportPanels(
    const std::vector<std::pair<std::string, const sim::Report*>>& runs);

// A mean over runs and the half-width of its 95 % confidence interval.
struct MeanOverRuns {
  std::string figure;
  std::string key;
  // Runs that had one: nobody waits where nobody comes. Of none the rest is without meaning.
  int64_t runs = 0;
  double mean = 0;
  double half_width = 0;
  enum class Unit { kSeconds, kShare, kCount } unit = Unit::kCount;
};
std::vector<MeanOverRuns> Summarise(const std::vector<sim::Report>& reports);
void PrintMeans(const std::vector<MeanOverRuns>& means, std::ostream& out);

}  // namespace wissel::ctl
