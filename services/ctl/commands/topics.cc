#include <CLI/CLI.hpp>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/ctl/client.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/exit_code.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using admin::v1::AdminService;

// UNKNOWN, without a word more, where a topic is not as it should be.
template <class Response>
absl::Status Print(Session& s, const Response& response) {
  bool fine = true;
  Table table({"TOPIC", "PARTITIONS", "STATE"});
  for (const auto& topic : response.topics()) {
    fine &= topic.exists() && topic.problems().empty();
    std::vector<std::string> state(topic.problems().begin(), topic.problems().end());
    for (const std::string& warning : topic.warnings()) {
      state.push_back(absl::StrCat("warning: ", warning));
    }
    table.Add({topic.topic(), absl::StrCat(topic.partitions()),
               !topic.exists() ? "missing"
               : state.empty() ? "ok"
                               : absl::StrJoin(state, "; ")});
  }
  if (s.format() == Format::kTable) {
    table.Print(s.out);
  } else {
    PrintMessage(response, s.format(), s.out);
  }
  return fine ? absl::OkStatus() : FoundDifference();
}

absl::Status Create(Session& s, int partitions, int replication) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAdmin, "admin"));
  admin::v1::CreateTopicsRequest request;
  request.set_partitions(partitions);
  request.set_replication_factor(replication);
  WISSEL_ASSIGN_OR_RETURN(
      const auto response,
      Call<AdminService>(client, &AdminService::StubInterface::CreateTopics, request));
  return Print(s, response);
}

absl::Status Check(Session& s) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAdmin, "admin"));
  WISSEL_ASSIGN_OR_RETURN(const auto response,
                          Call<AdminService>(client, &AdminService::StubInterface::CheckTopics,
                                             admin::v1::CheckTopicsRequest()));
  return Print(s, response);
}

}  // namespace

void AddTopics(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("topics", "The topics on the broker");
  command->require_subcommand(1);
  command->footer(
      "\nThe number of partitions is for good: it says where each routing group's conversations\n"
      "are. Partitions that are added later move groups to where nobody knows them.\n"
      "\nBoth exit with 1 where a topic is missing, cannot work, or is kept so that data can be\n"
      "lost; warnings alone do not count. How long the log has to be kept is wissel-admin's\n"
      "admin.log_retention. Only an admin of the operator's workspace makes topics.\n"
      "\nThe number of partitions can never be changed: a routing group's conversations are in\n"
      "the partition that its key falls on, and routers end where partitions were added. At most\n"
      "so many routers share the work.\n"
      "\nExample:\n  wisselctl topics create --partitions 16 --replication 3");
  auto partitions = std::make_shared<int>(4);
  auto replication = std::make_shared<int>(1);
  auto* create = command->add_subcommand("create", "Make those that are missing");
  create
      ->add_option("--partitions", *partitions, "Of inbound, commands, receipts and log; for ever")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  create->add_option("--replication", *replication, "Copies of each record")
      ->check(CLI::Range(1, 10))
      ->capture_default_str();
  create->callback([&s, partitions, replication] {
    s.action = [&s, partitions, replication] { return Create(s, *partitions, *replication); };
  });
  command->add_subcommand("check", "Say whether each is as it should be")->callback([&s] {
    s.action = [&s] { return Check(s); };
  });
}

}  // namespace wissel::ctl
