#include <CLI/CLI.hpp>

#include <memory>

#include "libs/base/status_macros.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/config_file.h"

namespace wissel::ctl {
namespace {

absl::Status Apply(Session& s, const std::string& file, bool dry_run) {
  WISSEL_ASSIGN_OR_RETURN(const auto response, SubmitFile(s, file, dry_run));
  if (s.format() != Format::kTable) {
    PrintMessage(response, s.format(), s.out);
    return absl::OkStatus();
  }
  PrintDifferences(response, s.out);
  s.out << (dry_run ? "would be version " : "in force: version ") << response.version() << ", "
        << response.differences_size() << " differences\n";
  return absl::OkStatus();
}

}  // namespace

void AddApply(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("apply", "Put a workspace file in force");
  command->footer(
      "\nThe whole configuration at once: what is not in the file is taken away. A file with a\n"
      "`version` is refused (exit code 4) unless that version is in force.\n"
      "\nExamples:\n"
      "  wisselctl apply -f shop.yaml --dry-run\n"
      "  wisselctl get config > shop.yaml && $EDITOR shop.yaml && wisselctl apply -f shop.yaml");
  auto file = std::make_shared<std::string>();
  auto dry_run = std::make_shared<bool>(false);
  command->add_option("-f,--file", *file, "The workspace file; - for standard input")
      ->required()
      ->type_name("FILE");
  command->add_flag("--dry-run", *dry_run, "Check and show the differences; change nothing");
  command->callback([&s, file, dry_run] {
    s.action = [&s, file, dry_run] { return Apply(s, *file, *dry_run); };
  });
}

}  // namespace wissel::ctl
