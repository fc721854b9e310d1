#include "services/ctl/policy_replay.h"

#include <boost/json.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "libs/sim/recording.h"
#include "services/ctl/config_file.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"
#include "services/ctl/plot_file.h"
#include "services/ctl/progress.h"
#include "services/ctl/proto_yaml.h"
#include "services/ctl/sim_output.h"
#include "services/ctl/workspace_yaml.h"

namespace wissel::ctl {
namespace {

struct Three {
  const sim::Report& recorded;
  const sim::Report& repeated;
  const sim::Report& changed;
};

enum class Unit { kCount, kTime, kShare };

// A figure of a report; nothing where it has none: of nobody who waited there is no wait.
using Figure = std::function<std::optional<double>(const sim::Report&)>;

Figure TimeIn(sim::Times sim::QueueReport::*times, absl::Duration sim::Times::*which) {
  return [=](const sim::Report& r) -> std::optional<double> {
    const sim::Times& t = r.total.*times;
    if (t.count == 0) return std::nullopt;
    return absl::ToDoubleSeconds(t.*which);
  };
}

std::string Text(std::optional<double> value, Unit unit) {
  if (!value.has_value()) return "-";
  switch (unit) {
    case Unit::kCount:
      return absl::StrCat(static_cast<int64_t>(std::llround(*value)));
    case Unit::kTime:
      return ShortDuration(absl::Seconds(*value));
    case Unit::kShare:
      return Percent(*value, 1);
  }
  return "";
}

std::string Change(std::optional<double> before, std::optional<double> after, Unit unit) {
  if (!before.has_value() || !after.has_value()) return "-";
  const std::string text = Text(std::abs(*after - *before), unit);
  if (text == Text(0, unit)) return "same";
  return absl::StrCat(*after > *before ? "+" : "-", text);
}

// What the figure counts, which may differ between the policies.
std::string LateFirstAnswers(const Three& three) {
  const std::string one = LateAnswers(three.repeated);
  const std::string other = LateAnswers(three.changed);
  return absl::StrCat("first answer ", one, one == other ? "" : absl::StrCat(" / ", other));
}

void PrintFigures(const Three& three, std::ostream& out) {
  Table table({"figure", "recorded", "repeated", "changed", "repeated to changed"});
  const auto add = [&](const std::string& name, Unit unit, const Figure& value) {
    const std::optional<double> before = value(three.repeated);
    const std::optional<double> after = value(three.changed);
    table.Add({name, Text(value(three.recorded), unit), Text(before, unit), Text(after, unit),
               Change(before, after, unit)});
  };
  add("conversations", Unit::kCount, [](const auto& r) { return r.total.arrived; });
  add("wait, mean", Unit::kTime, TimeIn(&sim::QueueReport::wait, &sim::Times::mean));
  add("wait, p50", Unit::kTime, TimeIn(&sim::QueueReport::wait, &sim::Times::p50));
  add("wait, p90", Unit::kTime, TimeIn(&sim::QueueReport::wait, &sim::Times::p90));
  add("wait, p99", Unit::kTime, TimeIn(&sim::QueueReport::wait, &sim::Times::p99));
  const auto target = [](const std::optional<absl::Duration>& t) {
    return t.has_value() ? absl::FormatDuration(*t) : std::string("the target");
  };
  add(absl::StrCat("served within ", target(three.recorded.service_level)), Unit::kCount,
      [](const auto& r) { return r.total.in_time; });
  add("first answer, p50", Unit::kTime,
      TimeIn(&sim::QueueReport::first_response, &sim::Times::p50));
  add("first answer, p90", Unit::kTime,
      TimeIn(&sim::QueueReport::first_response, &sim::Times::p90));
  add(LateFirstAnswers(three), Unit::kCount,
      [](const auto& r) { return r.total.first_response_breaches; });
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    const auto i = static_cast<size_t>(metric);
    const auto promised = [&](const sim::Report& r) { return r.promised[i]; };
    if (!promised(three.recorded) && !promised(three.repeated) && !promised(three.changed)) {
      continue;
    }
    add(absl::StrCat(routing::SlaMetricName(metric), ", warned"), Unit::kCount,
        [i](const auto& r) { return r.total.sla[i].warned; });
    add(absl::StrCat(routing::SlaMetricName(metric), ", breached"), Unit::kCount,
        [i](const auto& r) { return r.total.sla[i].breached; });
  }
  add("left before an agent had them", Unit::kCount,
      [](const auto& r) { return r.total.abandoned; });
  add("still waiting at the end", Unit::kCount, [](const auto& r) { return r.total.left_waiting; });
  add("offers made", Unit::kCount, [](const auto& r) { return r.total.offers.made; });
  add("offers missed", Unit::kCount, [](const auto& r) { return r.total.offers.missed; });
  add("offers declined", Unit::kCount, [](const auto& r) { return r.total.offers.declined; });
  add("occupancy", Unit::kShare, [](const auto& r) { return r.occupancy; });
  table.Print(out);
}

template <class T>
const T* Find(const std::vector<T>& items, const std::string& id, std::string T::*name) {
  for (const T& item : items) {
    if (item.*name == id) return &item;
  }
  return nullptr;
}

void PrintQueues(const Three& three, std::ostream& out) {
  Table table(
      {"queue", "p50 recorded", "repeated", "changed", "p90 recorded", "repeated", "changed"});
  std::vector<std::string> ids;
  for (const sim::Report* report : {&three.repeated, &three.changed}) {
    for (const sim::QueueReport& queue : report->queues) {
      if (std::find(ids.begin(), ids.end(), queue.queue_id) == ids.end()) {
        ids.push_back(queue.queue_id);
      }
    }
  }
  for (const std::string& id : ids) {
    std::vector<std::string> row = {id};
    for (absl::Duration sim::Times::*which : {&sim::Times::p50, &sim::Times::p90}) {
      for (const sim::Report* report : {&three.recorded, &three.repeated, &three.changed}) {
        const auto* queue = Find(report->queues, id, &sim::QueueReport::queue_id);
        row.push_back(queue == nullptr ? "-" : TimeOf(queue->wait, which));
      }
    }
    table.Add(std::move(row));
  }
  table.Print(out);
}

void PrintAgents(const Three& three, std::ostream& out) {
  Table table({"agent", "conversations recorded", "repeated", "changed", "occupancy recorded",
               "repeated", "changed"});
  std::vector<std::string> ids;
  for (const sim::Report* report : {&three.recorded, &three.repeated, &three.changed}) {
    for (const sim::AgentReport& agent : report->agents) ids.push_back(agent.agent_id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  for (const std::string& id : ids) {
    std::vector<std::string> row = {id};
    for (const sim::Report* report : {&three.recorded, &three.repeated, &three.changed}) {
      const auto* agent = Find(report->agents, id, &sim::AgentReport::agent_id);
      row.push_back(agent == nullptr ? "-" : absl::StrCat(agent->conversations));
    }
    for (const sim::Report* report : {&three.recorded, &three.repeated, &three.changed}) {
      const auto* agent = Find(report->agents, id, &sim::AgentReport::agent_id);
      row.push_back(agent == nullptr ? "-" : Percent(agent->occupancy, 1));
    }
    table.Add(std::move(row));
  }
  table.Print(out);
}

std::string Span(const sim::Recording& recording) {
  const auto text = [](absl::Time time) {
    return absl::FormatTime("%Y-%m-%d %H:%M:%S", time, absl::UTCTimeZone());
  };
  return absl::StrCat(text(recording.start), " to ", text(recording.end), " UTC");
}

// Of the partitions whose head is cut off, where they begin.
absl::StatusOr<std::map<int32_t, int64_t>> CutPartitions(bus::Bus& bus) {
  std::map<int32_t, int64_t> begins;
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus.PartitionCount(bus::Topic::kLog));
  for (int32_t p = 0; p < partitions; ++p) {
    WISSEL_RETURN_IF_ERROR(WalkLog(bus, {.partition = p}, [&](const LogItem& item) {
      if (item.begins > 0) begins[p] = item.begins;
      return absl::CancelledError();
    }));
  }
  return begins;
}

absl::StatusOr<sim::Recording> Record(bus::Bus& bus, const ReplayRange& range,
                                      const PolicyFlags& flags,
                                      const std::map<int32_t, int64_t>& begins) {
  sim::Recorder recorder({.from = range.from,
                          .to = range.to,
                          .service_level = flags.service_level,
                          .first_response_target = flags.first_response});
  for (const auto& [partition, offset] : begins) recorder.BeginsAfterCut(partition);
  ProgressBar bar("reading the log");
  WISSEL_RETURN_IF_ERROR(WalkLog(bus, {}, [&](const LogItem& item) {
    if (item.entry != nullptr && item.entry->record.has_decision()) {
      recorder.Take(item.entry->record.decision(), item.partition);
    }
    return absl::OkStatus();
  }));
  absl::StatusOr<sim::Recording> recording = recorder.Finish();
  if (recording.ok() || begins.empty()) return recording;
  return absl::Status(recording.status().code(),
                      absl::StrCat(recording.status().message(), "; ", SayBeginnings(begins)));
}

sim::Report Run(const sim::Recording& recording, std::optional<config::v1::WorkspaceConfig> policy,
                const std::optional<absl::Duration>& patience, const char* what) {
  ProgressBar bar(what);
  sim::SimulationOptions options = sim::OptionsOf(recording, std::move(policy), patience);
  options.on_progress = [&](double share) { bar.Show(share); };
  const auto behaviour = sim::RepeatBehaviour(recording, patience);
  return sim::Simulate(std::move(options), *behaviour);
}

}  // namespace

absl::Status ReplayPolicy(Session& s, const ReplayRange& range, const PolicyFlags& flags) {
  WISSEL_ASSIGN_OR_RETURN(const std::string yaml, ReadInput(flags.policy, kMaxYamlBytes));
  WISSEL_ASSIGN_OR_RETURN(config::v1::WorkspaceConfig policy,
                          ParseWorkspaceYaml(flags.policy, yaml));
  WISSEL_RETURN_IF_ERROR(CheckConfig(s, flags.policy, policy));

  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  WISSEL_ASSIGN_OR_RETURN(const auto begins, CutPartitions(*bus));
  WISSEL_ASSIGN_OR_RETURN(const sim::Recording recording, Record(*bus, range, flags, begins));
  if (!begins.empty() && range.from < recording.start) {
    s.err << SayBeginnings(begins) << "; compared from when all of it had been restated\n";
  }
  const config::v1::WorkspaceConfig& before = recording.configs.front().config;
  if (policy.workspace_id() != before.workspace_id()) {
    return absl::InvalidArgumentError(absl::StrCat(flags.policy, ": workspace_id: found ",
                                                   policy.workspace_id(), "; the log is of ",
                                                   before.workspace_id()));
  }
  const sim::Report repeated = Run(recording, std::nullopt, flags.patience, "repeating");
  const sim::Report changed = Run(recording, policy, flags.patience, "with the changed policy");
  const Three three{recording.report, repeated, changed};
  const std::vector<std::string> assumptions = sim::Assumptions(recording, flags.patience);
  const std::string against = recording.configs.size() == 1
                                  ? absl::StrCat("version ", before.version())
                                  : absl::StrCat("versions ", before.version(), " to ",
                                                 recording.configs.back().config.version());

  if (!flags.plot.empty()) {
    const sim::Plot plot{
        .title = absl::StrCat(flags.policy, " against ", against),
        .note = absl::StrCat(Span(recording),
                             "; repeated and changed are simulated on what was recorded"),
        .zone = absl::UTCTimeZone(),
        .panels = ReportPanels({{"recorded", &three.recorded},
                                {"repeated", &three.repeated},
                                {"changed", &three.changed}})};
    WISSEL_RETURN_IF_ERROR(WritePlot(plot, flags.plot));
  }
  if (s.format() != Format::kTable) {
    boost::json::object json{{"policy", flags.policy}, {"against", against}};
    json["recorded"] = ReportJson(three.recorded);
    json["repeated"] = ReportJson(three.repeated);
    json["changed"] = ReportJson(three.changed);
    boost::json::array lines;
    for (const std::string& line : assumptions) lines.push_back(boost::json::string(line));
    json["assumptions"] = std::move(lines);
    s.out << EscapeSteering(boost::json::serialize(json)) << "\n";
    return absl::OkStatus();
  }
  s.out << before.workspace_id() << ", " << Span(recording) << ": " << flags.policy << " against "
        << against << "\n\n";
  PrintFigures(three, s.out);
  if (recording.report.total.arrived == 0) {
    s.out << "\nNobody came in that time: there is no wait or answer to compare.\n";
  }
  s.out << "\n";
  PrintQueues(three, s.out);
  s.out << "\n";
  PrintAgents(three, s.out);
  s.out << "\n\"recorded\" is what came of it; \"repeated\" is the same policy simulated on what "
           "people did, \"changed\"\nthe other one. How far repeated is from recorded is how well "
           "the model fits: a smaller difference says\nnothing.\n\nAssumed:\n";
  for (const std::string& line : assumptions) s.out << "- " << line << "\n";
  if (!flags.patience.has_value() && recording.patience.has_value()) {
    s.out << "\n"
          << recording.left << " customers left, " << recording.served
          << " were served: were patience exponential, its mean would be "
          << ShortDuration(*recording.patience) << " (--assume-patience).\n";
  }
  return absl::OkStatus();
}

}  // namespace wissel::ctl
