#include <CLI/CLI.hpp>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/json_string.h"
#include "libs/base/status_macros.h"
#include "libs/routing/holidays.h"
#include "services/ctl/commands/commands.h"

namespace wissel::ctl {
namespace {

struct Flags {
  std::string file;
  int first_year = 0;
  int last_year = 0;
  bool transparent = false;
};

absl::Status Holidays(Session& s, const Flags& f) {
  if (f.first_year > f.last_year) {
    return absl::InvalidArgumentError(
        absl::StrCat("--from ", f.first_year, " is later than --to ", f.last_year));
  }
  WISSEL_ASSIGN_OR_RETURN(const std::string text, ReadInput(f.file, routing::kMaxHolidayFileBytes));
  int left_out = 0;
  const auto holidays = routing::ParseHolidays(text, f.first_year, f.last_year,
                                               {.transparent = f.transparent}, &left_out);
  if (!holidays.ok()) {
    return absl::Status(holidays.status().code(),
                        absl::StrCat(f.file, ": ", holidays.status().message()));
  }
  if (left_out > 0) {
    s.err << absl::StrCat(
        f.file, ": left out ", left_out, left_out == 1 ? " event that is" : " events that are",
        " cancelled", f.transparent ? "" : " or take up no time (--transparent has those)", "\n");
  }
  s.out << "special_days:\n";
  for (const auto& holiday : *holidays) {
    std::string name;
    AppendJsonString(holiday.name, &name);
    s.out << absl::StrCat("  - {date: \"", absl::FormatCivilTime(holiday.day), "\", name: ", name,
                          "}\n");
  }
  return absl::OkStatus();
}

}  // namespace

void AddHolidays(CLI::App& app, Session& s) {
  auto* command =
      app.add_subcommand("holidays", "A calendar's special days from an iCalendar file");
  command->footer(
      "\nPrints `special_days` for a calendar of the workspace's file, closed all day. What would\n"
      "change the days and is not understood is an error with its line.\n"
      "\nExample:\n  wisselctl holidays nl.ics --from 2026 --to 2028");
  auto f = std::make_shared<Flags>();
  command->add_option("FILE", f->file, "An iCalendar file (RFC 5545), at most 1 MiB")->required();
  command->add_option("--from", f->first_year, "The first year")
      ->type_name("YEAR")
      ->check(CLI::Range(1970, 2099))
      ->required();
  command->add_option("--to", f->last_year, "The last year")
      ->type_name("YEAR")
      ->check(CLI::Range(1970, 2099))
      ->required();
  command->add_flag("--transparent", f->transparent,
                    "Events that take up no time count too: many public calendars mark all so");
  command->callback([&s, f] { s.action = [&s, f] { return Holidays(s, *f); }; });
}

}  // namespace wissel::ctl
