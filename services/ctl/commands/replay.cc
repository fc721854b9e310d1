#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/exit_code.h"
#include "services/ctl/log_replay.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"
#include "services/ctl/plot_file.h"
#include "services/ctl/policy_replay.h"
#include "services/ctl/progress.h"
#include "services/ctl/sim_output.h"

namespace wissel::ctl {
namespace {

constexpr char kSuchAs[] = "10m";

struct Flags {
  std::string from;
  std::string to;
  std::string patience;
  std::string service_level = "1m";
  std::string first_response = "15m";
  PolicyFlags policy;
};

absl::Status ParseTime(const char* flag, const std::string& text, absl::Time& time) {
  if (text.empty()) return absl::OkStatus();
  std::string error;
  // The second is what FormatTime prints.
  for (const char* format : {absl::RFC3339_full, "%Y-%m-%d %H:%M:%E*S"}) {
    // It reads "infinite-future" as well.
    if (absl::ParseTime(format, text, &time, &error) && time != absl::InfinitePast() &&
        time != absl::InfiniteFuture()) {
      return absl::OkStatus();
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat(flag, ": expected a time such as 2026-03-02T08:00:00Z, found \"", text, "\""));
}

// Of all partitions together; `first` is the first that differs.
struct Sum {
  PartitionReplay all;
  const ReplayDifference* first = nullptr;

  bool same() const { return all.identical == all.decisions; }
};

Sum SumOf(const std::vector<PartitionReplay>& reports) {
  Sum sum;
  for (const PartitionReplay& r : reports) {
    sum.all.decisions += r.decisions;
    sum.all.identical += r.identical;
    sum.all.inputs_gone += r.inputs_gone;
    sum.all.not_whole += r.not_whole;
    sum.all.given_up = sum.all.given_up || r.given_up;
    if (sum.first == nullptr && r.first.has_value()) sum.first = &*r.first;
  }
  return sum;
}

void PrintJson(const std::vector<PartitionReplay>& reports, const Sum& sum, std::ostream& out) {
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
  boost::json::object json{{"identical", sum.same()},
                           {"decisions", sum.all.decisions},
                           {"partitions", std::move(partitions)}};
  if (const ReplayDifference* first = sum.first) {
    json["first_difference"] = {
        {"partition", first->partition},
        {"offset", first->offset},
        {"recorded", ToJsonLine(first->recorded)},
        {"replayed", first->replayed.has_value() ? boost::json::value(ToJsonLine(*first->replayed))
                                                 : boost::json::value()}};
  }
  out << EscapeSteering(boost::json::serialize(json)) << "\n";
}

void PrintText(const Sum& sum, std::ostream& out) {
  if (sum.first != nullptr) PrintDifference(*sum.first, out);
  out << sum.all.decisions << " decisions, " << sum.all.identical << " identical\n";
  if (sum.all.given_up) out << "(not read to the end: too many differ)\n";
  if (sum.all.inputs_gone > 0) {
    out << sum.all.inputs_gone << " taken as recorded: retention has taken their inputs\n";
  }
  if (sum.all.not_whole > 0) {
    out << sum.all.not_whole
        << " taken as recorded: the log's head is cut off, and nothing has been restated yet\n";
  }
}

absl::Status AsRecorded(Session& s, const ReplayRange& range) {
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  std::vector<PartitionReplay> reports;
  {
    ProgressBar bar("deciding again");
    WISSEL_ASSIGN_OR_RETURN(reports,
                            ReplayLog(*bus, range, [&](double share) { bar.Show(share); }));
  }
  const Sum sum = SumOf(reports);
  if (sum.all.decisions == 0) {
    return absl::FailedPreconditionError(
        sum.all.inputs_gone + sum.all.not_whole == 0
            ? std::string("nothing was decided in that time: there is nothing to compare")
            : absl::StrCat("nothing could be decided again: ", sum.all.inputs_gone,
                           " decisions whose inputs retention has taken, ", sum.all.not_whole,
                           " before the state is whole"));
  }
  if (s.format() == Format::kTable) {
    PrintText(sum, s.out);
  } else {
    PrintJson(reports, sum, s.out);
  }
  return sum.same() ? absl::OkStatus() : FoundDifference();
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
    WISSEL_ASSIGN_OR_RETURN(policy.patience,
                            ParseDuration("--assume-patience", f.patience, kSuchAs));
  }
  WISSEL_ASSIGN_OR_RETURN(policy.service_level,
                          ParseDuration("--service-level", f.service_level, kSuchAs));
  WISSEL_ASSIGN_OR_RETURN(policy.first_response,
                          ParseDuration("--first-response", f.first_response, kSuchAs));
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
  command->add_option("--plot", f->policy.plot, "With --policy: also draw the three, as SVG or PNG")
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
