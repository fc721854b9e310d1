#include <CLI/CLI.hpp>

#include "libs/base/status_macros.h"
#include "services/ctl/client.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/workspace_yaml.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using admin::v1::AdminService;

absl::Status GetConfig(Session& s) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAdmin, "admin"));
  WISSEL_ASSIGN_OR_RETURN(const auto response,
                          Call<AdminService>(client, &AdminService::StubInterface::GetConfig,
                                             admin::v1::GetConfigRequest()));
  const auto& config = response.config();
  if (s.format() == Format::kJson) {
    PrintMessage(config, Format::kJson, s.out);
    return absl::OkStatus();
  }
  s.out << "# version " << config.version() << ", applied by " << OneLine(config.applied_by(), 100)
        << " at " << FormatTime(config.applied_time()) << " UTC\n"
        << FormatWorkspaceYaml(config);
  return absl::OkStatus();
}

}  // namespace

void AddGet(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("get", "Print what is in force");
  command->require_subcommand(1);
  auto* config = command->add_subcommand("config", "The workspace's configuration, as a file");
  config->footer(
      "\nYAML that `apply` takes; with --output json, the message as it is.\n"
      "\nExample:\n  wisselctl get config > shop.yaml");
  config->callback([&s] { s.action = [&s] { return GetConfig(s); }; });
}

}  // namespace wissel::ctl
