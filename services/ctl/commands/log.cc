#include <CLI/CLI.hpp>

#include <map>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/log_source.h"
#include "services/ctl/log_verify.h"

namespace wissel::ctl {
namespace {

struct TailFlags {
  int partition = WalkOptions::kAllPartitions;
  std::string from = "start";
  bool follow = false;
  bool with_void = false;
};

// A JSON object, one line.
void PrintJson(const LogItem& item, std::ostream& out) {
  out << "{\"partition\":" << item.partition << ",\"offset\":" << item.offset;
  if (item.entry == nullptr) {
    out << ",\"void\":\"" << bus::VerdictName(item.verdict) << "\"}" << std::endl;
    return;
  }
  std::string key;
  AppendJsonString(item.entry->key, &key);
  out << ",\"key\":" << key << ",\"record\":" << ToJsonLine(item.entry->record) << "}" << std::endl;
}

void PrintText(const LogItem& item, std::ostream& out) {
  const std::string place = absl::StrCat("[", item.partition, "]@", item.offset);
  if (item.entry == nullptr) {
    out << place << "  void: " << bus::VerdictName(item.verdict) << std::endl;
    return;
  }
  const auto& record = item.entry->record;
  if (record.has_owner_claimed()) {
    const auto& claim = record.owner_claimed();
    out << place << "  " << FormatTime(claim.time()) << "  epoch " << claim.epoch()
        << " claimed by " << OneLine(claim.owner(), 80) << std::endl;
    return;
  }
  const auto& decision = record.decision();
  out << place << "  " << FormatTime(decision.time()) << "  " << decision.epoch() << "/"
      << decision.sequence() << "  " << DescribeCause(decision.cause()) << "\n";
  for (const auto& event : decision.events()) {
    const absl::string_view about = ConversationOf(event);
    out << "    " << (about.empty() ? std::string(8, ' ') : ShortId(about)) << "  "
        << Describe(event) << "\n";
  }
  out << std::flush;
}

absl::Status Tail(Session& s, const TailFlags& f) {
  int64_t from = 0;
  const bool from_end = f.from == "end";
  if (f.from != "start" && !from_end && (!absl::SimpleAtoi(f.from, &from) || from < 0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from: expected start, end or an offset, found \"", f.from, "\""));
  }
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  std::map<int32_t, int64_t> ends;
  bool beyond = true;
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus->PartitionCount(bus::Topic::kLog));
  for (int32_t p = 0; p < partitions; ++p) {
    if (f.partition != WalkOptions::kAllPartitions && f.partition != p) continue;
    WISSEL_ASSIGN_OR_RETURN(const auto reader, bus->OpenReader(bus::Topic::kLog, p, {}));
    WISSEL_ASSIGN_OR_RETURN(ends[p], reader->EndOffset());
    beyond &= from > ends[p];
  }
  if (beyond && !ends.empty()) {
    const std::string text =
        absl::StrCat("--from ", from, ": beyond the end, which is ",
                     absl::StrJoin(ends, ", ", [](std::string* out, const auto& end) {
                       absl::StrAppend(out, "[", end.first, "]@", end.second);
                     }));
    if (!f.follow) return absl::OutOfRangeError(text);
    s.err << text << ": waiting for it\n" << std::flush;
  }
  // What counts is known only from the beginning on: everything is read, and shown from `from`.
  return WalkLog(*bus, {.partition = f.partition, .follow = f.follow}, [&](const LogItem& item) {
    if (item.offset < (from_end ? ends[item.partition] : from)) return absl::OkStatus();
    if (item.entry == nullptr && !f.with_void) return absl::OkStatus();
    if (s.format() == Format::kTable) {
      PrintText(item, s.out);
    } else {
      PrintJson(item, s.out);
    }
    return absl::OkStatus();
  });
}

}  // namespace

void AddLog(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("log", "The log: what was decided");
  command->require_subcommand(1);
  command->footer(
      "\nExamples:\n"
      "  wisselctl log tail --follow --from end\n"
      "  wisselctl log tail --output json | jq 'select(.record.decision.events)'\n"
      "  wisselctl log verify --kafka broker:9092");

  auto f = std::make_shared<TailFlags>();
  auto* tail = command->add_subcommand("tail", "Show its records");
  tail->footer("\nWith --output json, a line for each record.");
  tail->add_option("--partition", f->partition, "Only this one")->check(CLI::Range(0, 65'535));
  tail->add_option("--from", f->from, "start, end, or an offset")
      ->type_name("WHERE")
      ->capture_default_str();
  tail->add_flag("--follow", f->follow, "Go on as records come, until interrupted");
  tail->add_flag("--void", f->with_void, "Also those that count for nobody, and why");
  tail->callback([&s, f] { s.action = [&s, f] { return Tail(s, *f); }; });

  auto* verify = command->add_subcommand("verify", "Fold it, and compare with routers and Redis");
  verify->footer(
      "\nFolds each partition with the routers' own code and compares the state's hash with each\n"
      "router's (/statez on its telemetry address) and with the checkpoint in Redis, each at the\n"
      "place in the log where that one stood. Then every view in Redis (indexes, messages, the\n"
      "forgotten) with what the projector's code makes of the log; its ids are kept in memory,\n"
      "some 120 bytes for each message of a partition. Exit code 1 where one differs; 3 where "
      "none\n"
      "does and one could not be asked. Views that differ are built again once their partition's\n"
      "meta key is deleted.\n"
      "\nExamples:\n"
      "  wisselctl log verify --kafka broker:9092 --router router-0:9464 --redis redis:6379\n"
      "  wisselctl log verify --connections secured.yaml --router router-0:9464");
  auto v = std::make_shared<VerifyFlags>();
  verify->add_option("--router", v->routers, "A router's telemetry address; may repeat")
      ->type_name("HOST:PORT");
  verify->add_option("--redis", v->redis.address, "Checkpoints and views: unix socket or HOST:PORT")
      ->type_name("ADDRESS");
  verify->callback([&s, v] { s.action = [&s, v] { return VerifyLog(s, *v); }; });
}

}  // namespace wissel::ctl
