#include "services/ctl/sim_output.h"

#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace wissel::ctl {
namespace {

// The 0.975 quantile of Student's t by degrees of freedom, from 1. Beyond the table the expansion
// in its inverse (Fisher and Cornish, 1960, by way of Abramowitz and Stegun, 26.7.5), to four
// digits.
double Student95(size_t degrees) {
  constexpr std::array<double, 30> kTable = {
      12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
      2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
      2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  if (degrees <= kTable.size()) return kTable[degrees - 1];
  constexpr double z = 1.959964;
  constexpr double z3 = z * z * z;
  const auto n = static_cast<double>(degrees);
  return z + (z3 + z) / (4 * n) + (5 * z3 * z * z + 16 * z3 + 3 * z) / (96 * n * n);
}

// Of no times null, and not 0.
boost::json::object TimesJson(const sim::Times& times) {
  if (times.count == 0) {
    return {{"count", 0},       {"mean_s", nullptr}, {"p50_s", nullptr},
            {"p90_s", nullptr}, {"p99_s", nullptr},  {"max_s", nullptr}};
  }
  return {{"count", times.count},
          {"mean_s", absl::ToDoubleSeconds(times.mean)},
          {"p50_s", absl::ToDoubleSeconds(times.p50)},
          {"p90_s", absl::ToDoubleSeconds(times.p90)},
          {"p99_s", absl::ToDoubleSeconds(times.p99)},
          {"max_s", absl::ToDoubleSeconds(times.max)}};
}

boost::json::object OffersJson(const sim::Offers& offers) {
  return {{"made", offers.made},
          {"accepted", offers.accepted},
          {"declined", offers.declined},
          {"missed", offers.missed},
          {"withdrawn", offers.withdrawn}};
}

// The clocks of which anything was said.
boost::json::object SlaJson(const sim::SlaReport& sla) {
  boost::json::object json;
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    const sim::SlaFigures& said = sla[static_cast<size_t>(metric)];
    if (said.warned == 0 && said.breached == 0) continue;
    json[std::string(routing::SlaMetricName(metric))] =
        boost::json::object{{"warned", said.warned}, {"breached", said.breached}};
  }
  return json;
}

boost::json::object QueueJson(const sim::QueueReport& queue) {
  boost::json::object json{{"arrived", queue.arrived},
                           {"served", queue.served},
                           {"abandoned", queue.abandoned},
                           {"left_waiting", queue.left_waiting},
                           {"in_time", queue.in_time},
                           {"first_response_breaches", queue.first_response_breaches},
                           {"mean_waiting", queue.mean_waiting},
                           {"max_waiting", queue.max_waiting}};
  json["sla"] = SlaJson(queue.sla);
  json["wait"] = TimesJson(queue.wait);
  json["first_response"] = TimesJson(queue.first_response);
  json["offers"] = OffersJson(queue.offers);
  return json;
}

// A line for each queue, then all, of what the SLA policies' clocks said.
void PrintSla(const sim::Report& report, std::ostream& out) {
  std::vector<std::string> columns = {"queue"};
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    if (!report.promised[static_cast<size_t>(metric)]) continue;
    columns.push_back(absl::StrCat(routing::SlaMetricName(metric), " warned"));
    columns.push_back("breached");
  }
  Table table(columns);
  const auto add = [&](const sim::QueueReport& queue, absl::string_view name) {
    std::vector<std::string> row = {std::string(name)};
    for (const routing::SlaMetric metric : routing::kSlaMetrics) {
      if (!report.promised[static_cast<size_t>(metric)]) continue;
      row.push_back(absl::StrCat(queue.sla[static_cast<size_t>(metric)].warned));
      row.push_back(absl::StrCat(queue.sla[static_cast<size_t>(metric)].breached));
    }
    table.Add(std::move(row));
  };
  for (const sim::QueueReport& queue : report.queues) add(queue, queue.queue_id);
  add(report.total, "all");
  table.Print(out);
}

std::string TimeJson(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

void AddQueue(const sim::QueueReport& queue, absl::string_view name, Table& table) {
  const auto d = [](int64_t n) { return absl::StrCat(n); };
  const auto count = static_cast<double>(queue.arrived);
  table.Add({std::string(name), d(queue.arrived),
             Percent(static_cast<double>(queue.abandoned), count), d(queue.left_waiting),
             TimeOf(queue.wait, &sim::Times::mean), TimeOf(queue.wait, &sim::Times::p50),
             TimeOf(queue.wait, &sim::Times::p90), TimeOf(queue.wait, &sim::Times::p99),
             Percent(static_cast<double>(queue.in_time), count),
             TimeOf(queue.first_response, &sim::Times::p50),
             TimeOf(queue.first_response, &sim::Times::p90), d(queue.first_response_breaches),
             absl::StrFormat("%.1f", queue.mean_waiting), d(queue.max_waiting)});
}

}  // namespace

std::string ShortDuration(absl::Duration duration) {
  const double seconds = absl::ToDoubleSeconds(duration);
  if (seconds < 9.95) return absl::StrFormat("%.1fs", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return absl::StrFormat("%ds", whole);
  if (whole < 3600) return absl::StrFormat("%dm%02ds", whole / 60, whole % 60);
  return absl::StrFormat("%dh%02dm", whole / 3600, whole / 60 % 60);
}

std::string TimeOf(const sim::Times& times, absl::Duration sim::Times::*which) {
  return times.count == 0 ? "-" : ShortDuration(times.*which);
}

std::string Percent(double part, double whole) {
  return whole > 0 ? absl::StrFormat("%.1f%%", 100 * part / whole) : "-";
}

std::string LateAnswers(const sim::Report& report) {
  if (report.has_sla_policies) return "breached";
  return report.first_response_target.has_value()
             ? absl::StrCat("over ", absl::FormatDuration(*report.first_response_target))
             : "late";
}

void PrintReport(const sim::Report& report, std::ostream& out) {
  Table queues({"queue", "arrived", "left", "waiting", "wait mean", "p50", "p90", "p99",
                report.service_level.has_value()
                    ? absl::StrCat("in ", absl::FormatDuration(*report.service_level))
                    : "in time",
                "answer p50", "p90", LateAnswers(report), "queue mean", "max"});
  for (const sim::QueueReport& queue : report.queues) AddQueue(queue, queue.queue_id, queues);
  AddQueue(report.total, "all", queues);
  queues.Print(out);
  out << "\n";
  if (report.has_sla_policies) {
    PrintSla(report, out);
    out << "\n";
  }
  Table agents(
      {"agent", "conversations", "offers", "missed", "declined", "on duty", "busy", "occupancy"});
  // A large desk in a few lines: those with the most and the least to do.
  constexpr size_t kMost = 20;
  std::vector<const sim::AgentReport*> shown;
  for (const sim::AgentReport& agent : report.agents) shown.push_back(&agent);
  if (shown.size() > kMost) {
    std::stable_sort(shown.begin(), shown.end(),
                     [](const auto* a, const auto* b) { return a->occupancy > b->occupancy; });
  }
  for (size_t i = 0; i < shown.size(); ++i) {
    if (shown.size() > kMost && i == kMost / 2) {
      agents.Add({absl::StrCat("(", shown.size() - kMost, " more)"), "", "", "", "", "", "", ""});
      i = shown.size() - kMost / 2;
    }
    const sim::AgentReport& agent = *shown[i];
    agents.Add({agent.agent_id, absl::StrCat(agent.conversations), absl::StrCat(agent.offers.made),
                absl::StrCat(agent.offers.missed), absl::StrCat(agent.offers.declined),
                ShortDuration(agent.on_duty),
                Percent(absl::ToDoubleSeconds(agent.busy), absl::ToDoubleSeconds(agent.on_duty)),
                Percent(agent.occupancy, 1)});
  }
  agents.Print(out);
  out << "\noffers: " << report.total.offers.made << " made, " << report.total.offers.accepted
      << " accepted, " << report.total.offers.missed << " missed, " << report.total.offers.declined
      << " declined, " << report.total.offers.withdrawn << " withdrawn; occupancy of all agents "
      << Percent(report.occupancy, 1) << "\n";
  if (report.rejected_commands > 0) {
    out << "commands refused by the engine: " << report.rejected_commands << "\n";
  }
}

boost::json::object ReportJson(const sim::Report& report) {
  boost::json::object json{{"start", TimeJson(report.start)},
                           {"end", TimeJson(report.end)},
                           {"decisions", report.decisions},
                           {"events", report.events},
                           {"rejected_commands", report.rejected_commands},
                           {"occupancy", report.occupancy}};
  if (report.service_level.has_value()) {
    json["service_level_s"] = absl::ToDoubleSeconds(*report.service_level);
  }
  if (report.first_response_target.has_value()) {
    json["first_response_target_s"] = absl::ToDoubleSeconds(*report.first_response_target);
  }
  boost::json::array promised;
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    if (report.promised[static_cast<size_t>(metric)]) {
      promised.push_back(boost::json::string(std::string(routing::SlaMetricName(metric))));
    }
  }
  json["sla_promised"] = std::move(promised);
  json["total"] = QueueJson(report.total);
  boost::json::array queues;
  for (const sim::QueueReport& queue : report.queues) {
    boost::json::object item = QueueJson(queue);
    item["queue_id"] = queue.queue_id;
    queues.push_back(std::move(item));
  }
  json["queues"] = std::move(queues);
  boost::json::array agents;
  for (const sim::AgentReport& agent : report.agents) {
    boost::json::object item{{"agent_id", agent.agent_id},
                             {"conversations", agent.conversations},
                             {"on_duty_s", absl::ToDoubleSeconds(agent.on_duty)},
                             {"busy_s", absl::ToDoubleSeconds(agent.busy)},
                             {"occupancy", agent.occupancy}};
    item["offers"] = OffersJson(agent.offers);
    agents.push_back(std::move(item));
  }
  json["agents"] = std::move(agents);
  boost::json::array slices;
  for (const sim::Slice& slice : report.slices) {
    boost::json::object item{{"begin", TimeJson(slice.begin)}, {"arrived", slice.arrived},
                             {"breached", slice.breached},     {"mean_waiting", slice.mean_waiting},
                             {"occupancy", slice.occupancy},   {"agents", slice.agents}};
    item["wait"] = TimesJson(slice.wait);
    slices.push_back(std::move(item));
  }
  json["slice_s"] = absl::ToDoubleSeconds(report.slice);
  json["slices"] = std::move(slices);
  return json;
}

std::vector<sim::Panel> ReportPanels(
    const std::vector<std::pair<std::string, const sim::Report*>>& runs) {
  using Value = std::optional<double>;
  const auto panel = [&](const char* title, const std::function<Value(const sim::Slice&)>& value) {
    sim::Panel result{.title = title, .series = {}};
    for (const auto& [name, report] : runs) {
      sim::Series& series = result.series.emplace_back(sim::Series{.name = name, .points = {}});
      for (const sim::Slice& slice : report->slices) {
        series.points.emplace_back(slice.begin + report->slice / 2, value(slice));
      }
    }
    return result;
  };
  const auto wait = [](absl::Duration sim::Times::*which) {
    return [which](const sim::Slice& s) -> Value {
      if (s.wait.count == 0) return std::nullopt;
      return absl::ToDoubleMinutes(s.wait.*which);
    };
  };
  return {panel("Wait by time of arrival: mean, minutes", wait(&sim::Times::mean)),
          panel("Wait by time of arrival: 90th percentile, minutes", wait(&sim::Times::p90)),
          panel("Breaches: of SLA targets, or of the fixed one where there are no SLA policies",
                [](const sim::Slice& s) { return static_cast<double>(s.breached); }),
          panel("Conversations waiting", [](const sim::Slice& s) { return s.mean_waiting; }),
          panel("Occupancy, percent of the capacity on duty",
                [](const sim::Slice& s) -> Value {
                  if (s.agents == 0) return std::nullopt;
                  return 100 * s.occupancy;
                }),
          panel("Agents on duty", [](const sim::Slice& s) { return s.agents; })};
}

std::vector<MeanOverRuns> Summarise(const std::vector<sim::Report>& reports) {
  using Unit = MeanOverRuns::Unit;
  struct Figure {
    const char* name;
    const char* key;
    Unit unit;
    // Nothing where the run has none.
    std::function<std::optional<double>(const sim::Report&)> value;
  };
  const auto share = [](int64_t part, int64_t whole) -> std::optional<double> {
    if (whole == 0) return std::nullopt;
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  const auto wait = [](absl::Duration sim::Times::*which) {
    return [which](const sim::Report& r) -> std::optional<double> {
      if (r.total.wait.count == 0) return std::nullopt;
      return absl::ToDoubleSeconds(r.total.wait.*which);
    };
  };
  const std::vector<Figure> figures = {
      {"conversations", "arrived", Unit::kCount,
       [](const auto& r) { return static_cast<double>(r.total.arrived); }},
      {"wait, mean", "wait_mean_s", Unit::kSeconds, wait(&sim::Times::mean)},
      {"wait, p50", "wait_p50_s", Unit::kSeconds, wait(&sim::Times::p50)},
      {"wait, p90", "wait_p90_s", Unit::kSeconds, wait(&sim::Times::p90)},
      {"wait, p99", "wait_p99_s", Unit::kSeconds, wait(&sim::Times::p99)},
      {"served in time", "in_time", Unit::kShare,
       [&](const auto& r) { return share(r.total.in_time, r.total.arrived); }},
      {"left before an agent had them", "abandoned", Unit::kShare,
       [&](const auto& r) { return share(r.total.abandoned, r.total.arrived); }},
      {"first response too late", "first_response_breaches", Unit::kShare,
       [&](const auto& r) { return share(r.total.first_response_breaches, r.total.arrived); }},
      {"offers missed", "offers_missed", Unit::kShare,
       [&](const auto& r) { return share(r.total.offers.missed, r.total.offers.made); }},
      {"occupancy", "occupancy", Unit::kShare, [](const auto& r) { return r.occupancy; }}};
  std::vector<MeanOverRuns> means;
  for (const Figure& figure : figures) {
    std::vector<double> values;
    for (const sim::Report& report : reports) {
      if (const std::optional<double> value = figure.value(report)) values.push_back(*value);
    }
    const auto n = static_cast<double>(values.size());
    MeanOverRuns& m = means.emplace_back(MeanOverRuns{.figure = figure.name,
                                                      .key = figure.key,
                                                      .runs = static_cast<int64_t>(values.size()),
                                                      .unit = figure.unit});
    if (values.empty()) continue;
    m.mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
    if (values.size() < 2) continue;
    double squares = 0;
    for (const double value : values) squares += std::pow(value - m.mean, 2);
    m.half_width = Student95(values.size() - 1) * std::sqrt(squares / (n - 1) / n);
  }
  return means;
}

void PrintMeans(const std::vector<MeanOverRuns>& means, std::ostream& out) {
  Table table({"figure", "mean", "± 95%"});
  for (const MeanOverRuns& m : means) {
    const auto text = [&](double value) -> std::string {
      switch (m.unit) {
        case MeanOverRuns::Unit::kSeconds:
          return ShortDuration(absl::Seconds(value));
        case MeanOverRuns::Unit::kShare:
          return Percent(value, 1);
        case MeanOverRuns::Unit::kCount:
          return absl::StrFormat("%.1f", value);
      }
      return "";
    };
    table.Add({m.figure, m.runs > 0 ? text(m.mean) : "-", m.runs > 1 ? text(m.half_width) : "-"});
  }
  table.Print(out);
}

namespace {

std::string Seconds(double seconds) { return absl::StrFormat("%.0fs", seconds); }

std::vector<std::string> ErrorRow(absl::string_view name, const sim::Errors& errors) {
  return {std::string(name),   absl::StrCat(errors.count), Seconds(errors.mean_absolute),
          Seconds(errors.p50), Seconds(errors.p90),        absl::StrFormat("%+.0fs", errors.bias)};
}

std::vector<std::string> WarningRow(std::string name, const sim::Warnings& warnings,
                                    int64_t missed) {
  const auto right = static_cast<double>(warnings.right);
  return {std::move(name),
          absl::StrCat(warnings.said),
          Percent(right, static_cast<double>(missed)),
          Percent(right, static_cast<double>(warnings.said)),
          ShortDuration(warnings.lead),
          Percent(static_cast<double>(warnings.with_half_left), static_cast<double>(missed)),
          Percent(static_cast<double>(warnings.with_third_left), static_cast<double>(missed))};
}

boost::json::object ErrorsJson(const sim::Errors& errors) {
  return {{"count", errors.count},
          {"mean_absolute_s", errors.mean_absolute},
          {"p50_s", errors.p50},
          {"p90_s", errors.p90},
          {"bias_s", errors.bias}};
}

boost::json::object WarningsJson(const sim::Warnings& warnings) {
  return {{"said", warnings.said},
          {"right", warnings.right},
          {"with_half_left", warnings.with_half_left},
          {"with_third_left", warnings.with_third_left},
          {"lead_s", absl::ToDoubleSeconds(warnings.lead)}};
}

}  // namespace

void PrintForecast(const sim::ForecastReport& report, std::ostream& out) {
  out << "Wait until an agent has it, as told when a conversation begins to wait (mean wait "
      << ShortDuration(report.mean_wait) << "):\n";
  Table errors({"told", "conversations", "mean error", "median", "p90", "bias"});
  errors.Add(ErrorRow("expected wait", report.expected_wait));
  errors.Add(ErrorRow("wait of the last one given", report.last_wait));
  errors.Print(out);

  if (report.with_target == 0) {
    out << "\nNo conversation had a target for its first response, so there was nothing to "
           "forecast: "
           "an SLA\npolicy of the configuration would have to promise first_response.\n";
    return;
  }
  out << "\nProbability of missing the first response, as a conversation begins to wait:\n";
  Table bins({"said", "conversations", "mean said", "missed"});
  int64_t count = 0;
  for (size_t i = 0; i < report.bins.size(); ++i) {
    const sim::ForecastReport::Bin& bin = report.bins[i];
    count += bin.count;
    const auto n = static_cast<double>(bin.count);
    bins.Add({absl::StrFormat("%d-%d%%", 10 * i, 10 * (i + 1)), absl::StrCat(bin.count),
              Percent(bin.said, n), Percent(static_cast<double>(bin.missed), n)});
  }
  bins.Print(out);
  if (count == 0) {
    out << "No conversation with a target began to wait: there is no Brier score.\n";
  } else {
    out << absl::StrFormat("Brier score %.4f; %.4f for always saying the base rate", report.brier,
                           report.brier_of_base_rate);
    if (report.brier_of_base_rate > 0) {
      out << "; skill " << Percent(1 - report.brier / report.brier_of_base_rate, 1);
    }
    out << " (" << count << " conversations)\n";
  }

  out << "\nWarnings, of " << report.missed << " first responses missed:\n";
  Table warnings({"warning", "said", "caught", "right", "before the miss",
                  "with half the target left", "with a third left"});
  warnings.Add(WarningRow("forecast", report.forecast, report.missed));
  warnings.Add(
      WarningRow(absl::StrCat("as many, at ", Percent(report.as_many_share, 1), " of the target"),
                 report.as_many, report.missed));
  warnings.Add(
      WarningRow(absl::StrCat("as early, at ", Percent(report.as_early_share, 1), " of the target"),
                 report.as_early, report.missed));
  warnings.Print(out);
}

boost::json::object ForecastJson(const sim::ForecastReport& report) {
  boost::json::array bins;
  int64_t count = 0;
  for (const sim::ForecastReport::Bin& bin : report.bins) {
    count += bin.count;
    bins.push_back({{"count", bin.count}, {"said", bin.said}, {"missed", bin.missed}});
  }
  boost::json::object json{{"mean_wait_s", absl::ToDoubleSeconds(report.mean_wait)},
                           {"with_target", report.with_target},
                           {"missed", report.missed},
                           {"as_many_share", report.as_many_share},
                           {"as_early_share", report.as_early_share}};
  // Null where there is nothing to score.
  json["brier"] = count == 0 ? boost::json::value() : report.brier;
  json["brier_of_base_rate"] = count == 0 ? boost::json::value() : report.brier_of_base_rate;
  json["expected_wait"] = ErrorsJson(report.expected_wait);
  json["last_wait"] = ErrorsJson(report.last_wait);
  json["bins"] = std::move(bins);
  json["forecast"] = WarningsJson(report.forecast);
  json["as_many"] = WarningsJson(report.as_many);
  json["as_early"] = WarningsJson(report.as_early);
  return json;
}

}  // namespace wissel::ctl
