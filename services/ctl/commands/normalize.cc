#include <CLI/CLI.hpp>

#include <algorithm>
#include <memory>
#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/channel/ids.h"
#include "services/ctl/commands/commands.h"
#include "services/email/normalise.h"
#include "services/whatsapp/normalise.h"

namespace wissel::ctl {
namespace {

constexpr size_t kMaxBytes = 64 << 20;

struct NormalizeFlags {
  std::string channel;
  std::string file;
  std::string group = "desk";
  std::string account = "account";
  std::string address = "support@shop.example";
};

// Prints messages one behind the other; in YAML as documents of one stream.
class Printer {
 public:
  explicit Printer(Session& s)
      : s_(s), format_(s.format() == Format::kYaml ? Format::kYaml : Format::kJson) {}
  void Print(const google::protobuf::Message& message) {
    if (format_ == Format::kYaml && printed_) s_.out << "---\n";
    PrintMessage(message, format_, s_.out);
    printed_ = true;
  }

 private:
  Session& s_;
  const Format format_;
  bool printed_ = false;
};

// With the empty line at its end.
size_t HeaderBytes(absl::string_view mail) {
  size_t end = mail.size();
  for (const absl::string_view empty_line : {"\r\n\r\n", "\n\n"}) {
    const size_t found = mail.find(empty_line);
    if (found != absl::string_view::npos) end = std::min(end, found + empty_line.size());
  }
  return end;
}

absl::Status NormalizeMail(Session& s, const NormalizeFlags& f, absl::string_view raw) {
  const email::Mailbox mailbox{.workspace = WorkspaceId(s.flags.workspace),
                               .routing_group = RoutingGroupId(f.group),
                               .account = ChannelAccountId(f.account),
                               .address = f.address};
  // Attachments are named by what they hold, and kept nowhere.
  const auto sink = [](absl::string_view bytes) -> absl::StatusOr<std::string> {
    return Sha256Hex(bytes);
  };
  const auto normalise = [&] {
    if (raw.size() <= email::kDefaultMaxMailBytes) {
      return email::NormaliseMail(raw, mailbox, std::nullopt, nullptr, sink);
    }
    // As the service takes it, which asks the mail server for the header only.
    const absl::string_view header = raw.substr(0, HeaderBytes(raw));
    return email::NormaliseOversizedMail(header, raw.size(), mailbox, std::nullopt, nullptr, sink);
  };
  WISSEL_ASSIGN_OR_RETURN(const email::MailOutcome outcome, normalise());
  if (const auto* rejected = std::get_if<email::RejectedMail>(&outcome)) {
    return absl::InvalidArgumentError(absl::StrCat(f.file, ": a dead letter: ", rejected->detail));
  }
  const auto& mail = std::get<email::NormalisedMail>(outcome);
  Printer printer(s);
  printer.Print(mail.message);
  if (mail.receipt) printer.Print(*mail.receipt);
  return absl::OkStatus();
}

// A webhook becomes messages, receipts and, for what nobody understands, dead letters: all are
// shown.
absl::Status NormalizeWebhook(Session& s, const NormalizeFlags& f, absl::string_view json) {
  const whatsapp::AccountRef account{
      .workspace_id = s.flags.workspace, .routing_group_id = f.group, .account_id = f.account};
  whatsapp::Normalised webhook =
      whatsapp::Normalise(json, [&account](absl::string_view) { return &account; });
  Printer printer(s);
  for (whatsapp::NormalisedMessage& m : webhook.messages) {
    channel::DeriveIds(&m.message);
    printer.Print(m.message);
  }
  for (const receipt::v1::Receipt& r : webhook.receipts) printer.Print(r);
  for (const deadletter::v1::DeadLetter& d : webhook.dead_letters) printer.Print(d);
  if (webhook.dead_letters.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(f.file, ": a dead letter: ", webhook.dead_letters.front().detail()));
}

absl::Status Normalize(Session& s, const NormalizeFlags& f) {
  if (s.flags.workspace.empty()) s.flags.workspace = "workspace";
  WISSEL_ASSIGN_OR_RETURN(const std::string bytes, ReadInput(f.file, kMaxBytes));
  if (f.channel == "email") return NormalizeMail(s, f, bytes);
  return NormalizeWebhook(s, f, bytes);
}

}  // namespace

void AddNormalize(CLI::App& app, Session& s) {
  auto* command =
      app.add_subcommand("normalize", "Show what a customer's message becomes; needs no server");
  command->footer(
      "\nPrints wissel.message.v1.InboundMessage as JSON, or as YAML with --output yaml. A message "
      "that\n"
      "would become a dead letter says why, with exit code 2. Of a WhatsApp webhook every "
      "message,\n"
      "receipt and dead letter is shown, whatever its phone number. Of a mail of more than 36 MiB "
      "the\n"
      "header alone is taken, as the service does by default (email.max_mail_bytes).\n"
      "\nExamples:\n"
      "  wisselctl normalize email deploy/examples/messages/broken-bell.eml\n"
      "  wisselctl normalize whatsapp deploy/examples/messages/where-is-my-bike.json");
  auto f = std::make_shared<NormalizeFlags>();
  command->add_option("CHANNEL", f->channel, "Which channel")
      ->required()
      ->check(CLI::IsMember({"email", "whatsapp"}));
  command->add_option("FILE", f->file, "The mail or webhook; - for standard input")->required();
  command->add_option("--group", f->group, "The account's routing group")
      ->type_name("ID")
      ->capture_default_str();
  command->add_option("--account", f->account, "The account's id")
      ->type_name("ID")
      ->capture_default_str();
  command->add_option("--address", f->address, "The mailbox's address")
      ->type_name("ADDRESS")
      ->capture_default_str();
  command->callback([&s, f] { s.action = [&s, f] { return Normalize(s, *f); }; });
}

}  // namespace wissel::ctl
