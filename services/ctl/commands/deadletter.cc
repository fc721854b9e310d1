#include <CLI/CLI.hpp>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "services/ctl/client.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/proto_yaml.h"
#include "wissel/admin/v1/admin_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using admin::v1::AdminService;
using deadletter::v1::DeadLetter;

std::string OriginText(const deadletter::v1::Origin& origin) {
  if (origin.has_record()) {
    return absl::StrCat(origin.record().topic(), "[", origin.record().partition(), "]@",
                        origin.record().offset());
  }
  return absl::StrCat(origin.provider().account_id(), " ", origin.provider().reference());
}

absl::Status List(Session& s, int limit) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAdmin, "admin"));
  admin::v1::ListDeadLettersResponse all;
  std::string page;
  do {
    admin::v1::ListDeadLettersRequest request;
    request.set_page_size(std::min(limit - all.dead_letters_size(), 500));
    request.set_page_token(page);
    WISSEL_ASSIGN_OR_RETURN(
        const auto response,
        Call<AdminService>(client, &AdminService::StubInterface::ListDeadLetters, request));
    all.mutable_dead_letters()->MergeFrom(response.dead_letters());
    page = response.next_page_token();
  } while (!page.empty() && all.dead_letters_size() < limit);
  if (s.format() != Format::kTable) {
    PrintMessage(all, s.format(), s.out);
    return absl::OkStatus();
  }
  Table table({"ID", "TIME", "REASON", "BYTES", "ORIGIN", "DETAIL"});
  for (const DeadLetter& d : all.dead_letters()) {
    table.Add({d.dead_letter_id(), FormatTime(d.time()), EnumName(d.reason()),
               d.truncated() ? "cut" : "all", OriginText(d.origin()), OneLine(d.detail(), 100)});
  }
  table.Print(s.out);
  return absl::OkStatus();
}

struct ShowOptions {
  bool raw = false;
  bool cut = false;  // also where not all of it was kept
};

absl::Status Show(Session& s, const std::string& id, const ShowOptions& options) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAdmin, "admin"));
  admin::v1::GetDeadLetterRequest request;
  request.set_dead_letter_id(id);
  WISSEL_ASSIGN_OR_RETURN(
      const auto response,
      Call<AdminService>(client, &AdminService::StubInterface::GetDeadLetter, request));
  const DeadLetter& d = response.dead_letter();
  if (!options.raw) {
    PrintMessage(d, s.format() == Format::kJson ? Format::kJson : Format::kYaml, s.out);
    return absl::OkStatus();
  }
  if (!d.truncated() || options.cut) {
    s.out << d.raw();
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("not all of it: ", d.raw().size(),
                   " bytes were kept (--cut prints them), and they are "
                   "not to be handed in again. What is whole is where it came from, if anywhere: ",
                   OriginText(d.origin())));
}

absl::Status Replay(Session& s, const std::string& id) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAdmin, "admin"));
  admin::v1::ReplayDeadLetterRequest request;
  request.set_dead_letter_id(id);
  WISSEL_ASSIGN_OR_RETURN(
      const auto response,
      Call<AdminService>(client, &AdminService::StubInterface::ReplayDeadLetter, request));
  if (s.format() != Format::kTable) {
    PrintMessage(response, s.format(), s.out);
  } else {
    s.out << "appended as " << response.topic() << "[" << response.partition() << "]@"
          << response.offset() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddDeadLetter(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("deadletter", "What could not be understood");
  command->require_subcommand(1);
  command->footer(
      "\nWhat came from one of Wissel's topics goes back with replay. What came from a provider "
      "is\n"
      "handed to its channel again once the reason is gone, an account is configured, say: a\n"
      "WhatsApp webhook with inject; a mail by appending it to its mailbox, as mail programs and\n"
      "e.g. `curl -T mail.eml imaps://USER@HOST/INBOX` do. The same letter may be listed several\n"
      "times; show prints the first. Replay a letter once: within seven days a second time does\n"
      "nothing, later it counts again, and an answer is sent twice.\n"
      "\nOf a large one only the beginning was kept: `cut` in the list. Handed in again it would "
      "be\n"
      "something else, so show --raw prints nothing of it, says so and ends with exit code 4;\n"
      "with --cut it prints what there is.\n"
      "\nExamples:\n"
      "  wisselctl deadletter list\n"
      "  wisselctl deadletter show 5f0c... --raw | wisselctl inject whatsapp -\n"
      "  wisselctl deadletter show 5f0c... --raw > mail.eml\n"
      "  wisselctl deadletter replay 5f0c...");

  auto limit = std::make_shared<int>(100);
  auto* list = command->add_subcommand("list", "Newest first");
  list->add_option("--limit", *limit, "At most so many")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  list->callback([&s, limit] { s.action = [&s, limit] { return List(s, *limit); }; });

  auto id = std::make_shared<std::string>();
  auto options = std::make_shared<ShowOptions>();
  auto* show = command->add_subcommand("show", "One, whole");
  show->add_option("ID", *id, "The dead letter's id")->required();
  auto* raw =
      show->add_flag("--raw", options->raw, "Only the bytes, as its channel takes them again");
  show->add_flag("--cut", options->cut, "Also where they are not all there, to look at")
      ->needs(raw);
  show->callback(
      [&s, id, options] { s.action = [&s, id, options] { return Show(s, *id, *options); }; });

  auto* replay = command->add_subcommand("replay", "Append its bytes again where they came from");
  replay->add_option("ID", *id, "The dead letter's id")->required();
  replay->callback([&s, id] { s.action = [&s, id] { return Replay(s, *id); }; });
}

}  // namespace wissel::ctl
