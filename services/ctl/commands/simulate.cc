#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <filesystem>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "libs/config/config.h"
#include "libs/sim/forecast.h"
#include "libs/sim/scenario.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/config_file.h"
#include "services/ctl/output.h"
#include "services/ctl/plot_file.h"
#include "services/ctl/progress.h"
#include "services/ctl/sim_output.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::ctl {
namespace {

constexpr int kMostRuns = 1000;
// Characters that are shown of a scenario's name.
constexpr size_t kMostName = 200;

struct Flags {
  std::string file;
  std::string plot;
  int64_t seed = -1;
  int runs = 1;
  // Percent; 0: no forecasts are judged.
  int forecast = 0;
  bool keys = false;
};

// The scenario's file holds two things: the scenario, and under "workspace:" a configuration. Both
// keep their lines, with the other's left empty.
struct Parts {
  std::string scenario;
  std::string workspace;
};

absl::StatusOr<Parts> Split(absl::string_view file, absl::string_view text) {
  Parts parts;
  bool inside = false;
  int line = 0;
  for (const absl::string_view row : absl::StrSplit(text, '\n')) {
    ++line;
    const bool top = !row.empty() && row[0] != ' ' && row[0] != '#' && row[0] != '\r';
    if (top) inside = absl::StartsWith(row, "workspace:");
    if (top && inside) {
      const absl::string_view rest =
          absl::StripAsciiWhitespace(row.substr(0, row.find('#')).substr(10));
      if (!rest.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat(file, ":", line, ": workspace: expected a section on the lines below"));
      }
    }
    absl::StrAppend(&parts.scenario, inside ? "" : row, "\n");
    absl::StrAppend(&parts.workspace, inside && !top ? row : "", "\n");
  }
  return parts;
}

absl::StatusOr<config::v1::WorkspaceConfig> ReadWorkspace(const Session& s, const std::string& file,
                                                          const Parts& parts,
                                                          const sim::Scenario& scenario) {
  const bool is_inline = !absl::StripAsciiWhitespace(parts.workspace).empty();
  if (is_inline == !scenario.workspace_file.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file,
                     ": expected the configuration under workspace, or its file's path in "
                     "workspace_file, and not both"));
  }
  std::string name = file;
  std::string yaml = parts.workspace;
  if (!is_inline) {
    name = (std::filesystem::path(file).parent_path() / scenario.workspace_file).string();
    WISSEL_ASSIGN_OR_RETURN(yaml, ReadInput(name, 4 << 20));
  }
  WISSEL_ASSIGN_OR_RETURN(config::v1::WorkspaceConfig config, ParseWorkspaceYaml(name, yaml));
  WISSEL_RETURN_IF_ERROR(CheckConfig(s, name, config));
  return config;
}

std::string Seeds(const Flags& f, const sim::Scenario& scenario) {
  return f.runs == 1 ? absl::StrCat("seed ", scenario.seed)
                     : absl::StrCat("seeds ", scenario.seed, " to ", scenario.seed + f.runs - 1);
}

void JudgeForecasts(Session& s, const Flags& f, const sim::Scenario& scenario,
                    const config::v1::WorkspaceConfig& config) {
  sim::ForecastStudy study(config, f.forecast);
  {
    ProgressBar bar("simulating");
    for (int run = 0; run < f.runs; ++run) {
      for (const bool warning : {false, true}) {
        sim::SimulationOptions options =
            sim::OptionsOf(scenario, warning ? study.Warning() : study.SayingAll());
        options.on_progress = [&](double share) {
          bar.Show((run + (share + (warning ? 1 : 0)) / 2) / f.runs);
        };
        options.on_decision = [&](const log::v1::Decision& decision) {
          warning ? study.ReadWarning(decision) : study.ReadSayingAll(decision);
        };
        const auto behaviour =
            sim::DrawBehaviour(scenario, config, static_cast<uint64_t>(scenario.seed + run));
        sim::Simulate(std::move(options), *behaviour);
      }
      study.EndDay();
    }
  }
  const sim::ForecastReport report = study.Report();
  const std::string name = scenario.name.empty() ? f.file : scenario.name;
  if (s.format() == Format::kTable) {
    s.out << OneLine(name, kMostName) << ": " << Seeds(f, scenario) << "\n\n";
    PrintForecast(report, s.out);
    return;
  }
  boost::json::object json{{"scenario", name}, {"seed", scenario.seed}, {"days", f.runs}};
  json["percent"] = f.forecast;
  json["forecast"] = ForecastJson(report);
  s.out << EscapeSteering(boost::json::serialize(json)) << "\n";
}

std::vector<sim::Report> PlayDays(const Flags& f, const sim::Scenario& scenario,
                                  const config::v1::WorkspaceConfig& config) {
  ProgressBar bar("simulating");
  std::vector<sim::Report> reports;
  for (int run = 0; run < f.runs; ++run) {
    sim::SimulationOptions options = sim::OptionsOf(scenario, config);
    options.on_progress = [&](double share) { bar.Show((run + share) / f.runs); };
    const auto behaviour =
        sim::DrawBehaviour(scenario, config, static_cast<uint64_t>(scenario.seed + run));
    reports.push_back(sim::Simulate(std::move(options), *behaviour));
  }
  return reports;
}

std::string Span(const sim::Report& first, const sim::Scenario& scenario) {
  const auto text = [zone = scenario.Zone()](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M", time, zone);
  };
  return absl::StrCat(text(first.start), " to ", text(first.start + scenario.length), " ",
                      scenario.time_zone);
}

void PrintJson(const std::string& name, int64_t seed, const std::vector<sim::Report>& reports,
               std::ostream& out) {
  boost::json::object json{{"scenario", name}, {"seed", seed}};
  boost::json::array runs;
  for (const sim::Report& report : reports) runs.push_back(ReportJson(report));
  json["runs"] = std::move(runs);
  if (reports.size() > 1) {
    boost::json::object summary;
    for (const MeanOverRuns& m : Summarise(reports)) {
      summary[m.key] = {{"runs", m.runs},
                        {"mean", m.runs > 0 ? boost::json::value(m.mean) : nullptr},
                        {"half_width_95", m.runs > 1 ? boost::json::value(m.half_width) : nullptr}};
    }
    json["summary"] = std::move(summary);
  }
  out << EscapeSteering(boost::json::serialize(json)) << "\n";
}

absl::Status Run(Session& s, const Flags& f) {
  if (f.keys) {
    sim::Scenario scenario;
    s.out << "# Scenarios\n\nWhat a scenario of `wisselctl simulate` may say. Beside these, either "
             "`workspace_file` or under\n`workspace` a whole configuration.\n\n"
          << config::Reference([&](config::Binder& b) { scenario.Describe(b); });
    return absl::OkStatus();
  }
  if (f.file.empty()) return absl::InvalidArgumentError("SCENARIO: expected a file");
  WISSEL_ASSIGN_OR_RETURN(const std::string text, ReadInput(f.file, 4 << 20));
  WISSEL_ASSIGN_OR_RETURN(const Parts parts, Split(f.file, text));
  WISSEL_ASSIGN_OR_RETURN(sim::Scenario scenario, sim::ParseScenario(parts.scenario, f.file));
  WISSEL_ASSIGN_OR_RETURN(config::v1::WorkspaceConfig config,
                          ReadWorkspace(s, f.file, parts, scenario));
  WISSEL_RETURN_IF_ERROR(sim::FitScenario(scenario, parts.scenario, f.file, config));
  if (f.seed >= 0) scenario.seed = f.seed;
  if (f.forecast > 0) {
    JudgeForecasts(s, f, scenario, config);
    return absl::OkStatus();
  }

  const absl::Time began = absl::Now();
  const std::vector<sim::Report> reports = PlayDays(f, scenario, config);
  const absl::Duration took = absl::Now() - began;
  const sim::Report& first = reports.front();
  const std::string name = scenario.name.empty() ? f.file : scenario.name;
  const std::string span = Span(first, scenario);
  if (!f.plot.empty()) {
    const sim::Plot plot{.title = name,
                         .note = absl::StrCat(span, ", seed ", scenario.seed),
                         .zone = scenario.Zone(),
                         .panels = ReportPanels({{"", &first}})};
    WISSEL_RETURN_IF_ERROR(WritePlot(plot, f.plot));
  }
  if (s.format() != Format::kTable) {
    PrintJson(name, scenario.seed, reports, s.out);
    return absl::OkStatus();
  }
  s.out << OneLine(name, kMostName) << ": " << span << ", " << Seeds(f, scenario) << "\n\n";
  if (f.runs == 1) {
    PrintReport(first, s.out);
  } else {
    PrintMeans(Summarise(reports), s.out);
  }
  int64_t decisions = 0;
  for (const sim::Report& report : reports) decisions += report.decisions;
  s.err << decisions << " decisions in "
        << absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(1))) << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSimulate(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("simulate", "Play a day that has not been yet");
  command->footer(
      "\nRuns the routers' own engine in virtual time on the customers and agents of a scenario:\n"
      "waits, abandonment, service level, offers and load, by queue and by agent. The same seed\n"
      "gives the same day. With --output json everything, by slices of the day as well.\n"
      "\nExamples:\n"
      "  wisselctl simulate deploy/examples/scenarios/web-shop.yaml --plot day.svg\n"
      "  wisselctl simulate deploy/examples/scenarios/web-shop.yaml --seeds 20\n"
      "  wisselctl simulate deploy/examples/scenarios/peaks.yaml --forecast 50 --seeds 20");
  auto f = std::make_shared<Flags>();
  command->add_option("SCENARIO", f->file, "The scenario's file");
  command->add_flag("--keys", f->keys, "Print what a scenario may say, as Markdown");
  command->add_option("--plot", f->plot, "Also draw the (first) day, as SVG or PNG")
      ->check(WrongPlotFile)
      ->type_name("FILE");
  command->add_option("--seed", f->seed, "Instead of the scenario's")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 62))
      ->type_name("N");
  command
      ->add_option("--seeds", f->runs,
                   "So many days, one seed after the other: means with their error")
      ->check(CLI::Range(1, kMostRuns))
      ->type_name("N");
  command
      ->add_option(
          "--forecast", f->forecast,
          "Instead: how right the expected waits and forecasts are, and what warnings from "
          "this probability on are worth")
      ->check(CLI::Range(1, 100))
      ->excludes("--plot")
      ->type_name("PERCENT");
  command->callback([&s, f] { s.action = [&s, f] { return Run(s, *f); }; });
}

}  // namespace wissel::ctl
