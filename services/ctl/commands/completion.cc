#include "services/ctl/completion.h"

#include <CLI/CLI.hpp>

#include "services/ctl/commands/commands.h"

namespace wissel::ctl {

void AddCompletion(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("completion", "Print shell code that completes wisselctl");
  command->require_subcommand(1);
  command->footer("\nExample:\n  source <(wisselctl completion bash)");
  command->add_subcommand("bash", "For bash")->callback([&app, &s] {
    s.action = [&app, &s] {
      s.out << BashCompletion(app);
      return absl::OkStatus();
    };
  });
  command->add_subcommand("zsh", "For zsh")->callback([&app, &s] {
    s.action = [&app, &s] {
      s.out << ZshCompletion(app);
      return absl::OkStatus();
    };
  });
}

}  // namespace wissel::ctl
