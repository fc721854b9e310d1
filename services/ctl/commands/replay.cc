#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/log_replay.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"
#include "services/ctl/policy_replay.h"
#include "services/ctl/progress.h"
#include "services/ctl/sim_output.h"

namespace wissel::ctl {
namespace {

struct Flags {
  std::string from;
  std::string to;
  std::string patience;
  std::string service_level = "1m";
  std::string first_response = "15m";
  PolicyFlags policy;
};

absl::Status ParseDuration(const char* flag, const std::string& text, absl::Duration& duration) {
  if (absl::ParseDuration(text, &duration) && duration > absl::ZeroDuration() &&
      duration < absl::InfiniteDuration()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": expected a duration such as 10m, found \"", text, "\""));
}

absl::Status ParseTime(const char* flag, const std::string& text, absl::Time& time) {
  if (text.empty()) return absl::OkStatus();
  std::string error;
  // It reads "infinite-future" as well.
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error) && time != absl::InfinitePast() &&
      time != absl::InfiniteFuture()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": expected a time such as 2026-03-02T08:00:00Z, found \"", text, "\""));
}

absl::Status AsRecorded(Session& s, const ReplayRange& range) {
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  std::vector<PartitionReplay> reports;
  {
    ProgressBar bar("deciding again");
    WISSEL_ASSIGN_OR_RETURN(reports,
                            ReplayLog(*bus, range, [&](double share) { bar.Show(share); }));
  }
  PartitionReplay sum;
  const ReplayDifference* first = nullptr;
  for (const PartitionReplay& r : reports) {
    sum.decisions += r.decisions;
    sum.identical += r.identical;
    sum.inputs_gone += r.inputs_gone;
    sum.not_whole += r.not_whole;
    sum.given_up = sum.given_up || r.given_up;
    if (first == nullptr && r.first.has_value()) first = &*r.first;
  }
  if (sum.decisions == 0) {
    return absl::FailedPreconditionError(
        sum.inputs_gone + sum.not_whole == 0
            ? std::string("nothing was decided in that time: there is nothing to compare")
            : absl::StrCat("nothing could be decided again: ", sum.inputs_gone,
                           " decisions whose inputs retention has taken, ", sum.not_whole,
                           " before the state is whole"));
  }
  const bool same = sum.identical == sum.decisions;
  if (s.format() != Format::kTable) {
    boost::json::array partitions;
    for (const PartitionReplay& r : reports) {
      partitions.push_back({{"partition", r.partition},
                            {"claims", r.claims},
                            {"decisions", r.decisions},
                            {"identical", r.identical},
                            {"inputs_gone", r.inputs_gone},
                            {"not_whole", r.not_whole},
                            {"given_up", r.given_up}});
    }
    boost::json::object json{
        {"identical", same}, {"decisions", sum.decisions}, {"partitions", std::move(partitions)}};
    if (first != nullptr) {
      json["first_difference"] = {
          {"partition", first->partition},
          {"offset", first->offset},
          {"recorded", ToJsonLine(first->recorded)},
          {"replayed", first->replayed.has_value()
                           ? boost::json::value(ToJsonLine(*first->replayed))
                           : boost::json::value()}};
    }
    s.out << boost::json::serialize(json) << "\n";
    return same ? absl::OkStatus() : absl::UnknownError("");
  }
  if (first != nullptr) PrintDifference(*first, s.out);
  s.out << sum.decisions << " decisions, " << sum.identical << " identical\n";
  if (sum.given_up) s.out << "(not read to the end: too many differ)\n";
  if (sum.inputs_gone > 0) {
    s.out << sum.inputs_gone << " taken as recorded: retention has taken their inputs\n";
  }
  if (sum.not_whole > 0) {
    s.out << sum.not_whole
          << " taken as recorded: the log's head is cut off, and nothing has been restated yet\n";
  }
  return same ? absl::OkStatus() : absl::UnknownError("");
}

absl::Status Run(Session& s, const Flags& f) {
  ReplayRange range;
  WISSEL_RETURN_IF_ERROR(ParseTime("--from", f.from, range.from));
  WISSEL_RETURN_IF_ERROR(ParseTime("--to", f.to, range.to));
  if (range.from > range.to) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from ", f.from, " is later than --to ", f.to));
  }
  if (f.policy.policy.empty()) return AsRecorded(s, range);
  PolicyFlags policy = f.policy;
  if (!f.patience.empty()) {
    WISSEL_RETURN_IF_ERROR(
        ParseDuration("--assume-patience", f.patience, policy.patience.emplace()));
  }
  WISSEL_RETURN_IF_ERROR(ParseDuration("--service-level", f.service_level, policy.service_level));
  WISSEL_RETURN_IF_ERROR(
      ParseDuration("--first-response", f.first_response, policy.first_response));
  return ReplayPolicy(s, range, policy);
}

}  // namespace

void AddReplay(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand(
      "replay", "Decide once more what was decided, as it was or with another policy");
  command->footer(
      "\nReads the log and the topics its inputs came from (--kafka, --log-file or the "
      "context's),\n"
      "makes every decision again from its cause at its recorded time, and compares the bytes. "
      "The\n"
      "first that comes out otherwise is shown event by event. Exit code 1 where one does, 4 "
      "where\n"
      "there was nothing to compare.\n"
      "\nWith --policy it takes from the log what people did (customers who came, agents who "
      "worked,\n"
      "how long each conversation took) and simulates that time with the other configuration, and\n"
      "with its own: the differences in waits, breaches, offers and load, and what was assumed.\n"
      "\nExamples:\n"
      "  wisselctl replay --from 2026-03-02T08:00:00Z --to 2026-03-02T18:00:00Z\n"
      "  wisselctl replay --policy new.yaml --from 2026-03-02T08:00:00Z --plot change.svg");
  auto f = std::make_shared<Flags>();
  command->add_option("--from", f->from, "Only what was decided from then on")->type_name("TIME");
  command->add_option("--to", f->to, "Only what was decided until then")->type_name("TIME");
  auto* policy = command->add_option("--policy", f->policy.policy, "A workspace file to try")
                     ->type_name("FILE");
  command->add_option("--plot", f->policy.plot, "With --policy: also draw the three, as SVG")
      ->check(WrongPlotFile)
      ->type_name("FILE")
      ->needs(policy);
  command
      ->add_option("--assume-patience", f->patience,
                   "With --policy: customers who were served would have left after so much longer, "
                   "on average")
      ->type_name("DURATION")
      ->needs(policy);
  command
      ->add_option("--service-level", f->service_level,
                   "With --policy: what counts as served in time")
      ->type_name("DURATION")
      ->capture_default_str()
      ->needs(policy);
  command
      ->add_option(
          "--first-response", f->first_response,
          "With --policy: later first answers are counted, where there are no SLA policies")
      ->type_name("DURATION")
      ->capture_default_str()
      ->needs(policy);
  command->callback([&s, f] { s.action = [&s, f] { return Run(s, *f); }; });
}

}  // namespace wissel::ctl
