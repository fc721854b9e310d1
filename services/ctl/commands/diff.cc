#include <CLI/CLI.hpp>

#include <memory>

#include "libs/base/status_macros.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/config_file.h"
#include "services/ctl/exit_code.h"

namespace wissel::ctl {
namespace {

absl::Status Diff(Session& s, const std::string& file) {
  WISSEL_ASSIGN_OR_RETURN(const auto response, SubmitFile(s, file, /*dry_run=*/true));
  if (s.format() != Format::kTable) {
    PrintMessage(response, s.format(), s.out);
  } else {
    PrintDifferences(response, s.out);
  }
  return response.differences().empty() ? absl::OkStatus() : FoundDifference();
}

}  // namespace

void AddDiff(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("diff", "Compare a workspace file with what is in force");
  command->footer(
      "\nExit code 0: the same; 1: they differ.\n"
      "\nExample:\n  wisselctl diff -f shop.yaml");
  auto file = std::make_shared<std::string>();
  command->add_option("-f,--file", *file, "The workspace file; - for standard input")
      ->required()
      ->type_name("FILE");
  command->callback([&s, file] { s.action = [&s, file] { return Diff(s, *file); }; });
}

}  // namespace wissel::ctl
