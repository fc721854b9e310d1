#include <CLI/CLI.hpp>

#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/http/client.h"
#include "services/ctl/client.h"
#include "services/ctl/commands/commands.h"
#include "services/whatsapp/normalise.h"
#include "services/whatsapp/signature.h"

namespace wissel::ctl {
namespace {

constexpr size_t kMaxBytes = 64 << 20;

struct InjectFlags {
  std::string channel;
  std::string file;
  std::string url;
  std::string secret_file;
  std::string account;
};

// The webhook takes whatever is signed: a provider would send again what it refused.
void WarnOfDeadLetters(Session& s, const std::string& file, absl::string_view json) {
  const whatsapp::AccountRef any;
  const whatsapp::Normalised webhook =
      whatsapp::Normalise(json, [&any](absl::string_view) { return &any; });
  for (const deadletter::v1::DeadLetter& letter : webhook.dead_letters) {
    s.err << "! " << file
          << ": a dead letter, see `wisselctl deadletter list`: " << OneLine(letter.detail(), 200)
          << "\n";
  }
}

absl::Status Inject(Session& s, InjectFlags f) {
  if (f.url.empty()) {
    const auto found = s.context().webhooks.find(f.channel);
    if (found == s.context().webhooks.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("where to? Give --url, or --context with webhooks.", f.channel));
    }
    f.url = found->second;
  }
  WISSEL_ASSIGN_OR_RETURN(const std::string body, ReadInput(f.file, kMaxBytes));
  http::FetchRequest request{.method = "POST", .url = f.url, .body = body};
  if (f.channel == "whatsapp") {
    if (f.secret_file.empty()) f.secret_file = s.context().whatsapp_secret_file;
    if (f.secret_file.empty()) {
      return absl::InvalidArgumentError("give --secret-file with the app's secret");
    }
    WISSEL_ASSIGN_OR_RETURN(const std::string secret, ReadSecret(f.secret_file));
    request.headers = {{"Content-Type", "application/json"},
                       {"X-Hub-Signature-256", whatsapp::Sign(secret, body)}};
  } else {
    request.headers = {{"Content-Type", "message/rfc822"}};
    if (!f.account.empty()) absl::StrAppend(&request.url, "?account=", http::Encode(f.account));
  }
  WISSEL_ASSIGN_OR_RETURN(const auto http, http::Client::Create({}));
  const http::FetchResult result =
      http->FetchAndWait(std::move(request), {.total_timeout = s.timeout(), .idempotent = true});
  WISSEL_RETURN_IF_ERROR(FromHttp(f.url, result));
  s.out << "accepted";
  if (!result.body.empty()) s.out << ": " << OneLine(result.body, 200);
  s.out << "\n";
  if (f.channel == "whatsapp") WarnOfDeadLetters(s, f.file, body);
  return absl::OkStatus();
}

}  // namespace

void AddInject(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("inject", "Hand in a customer's message as a provider would");
  command->footer(
      "\nwhatsapp: posts the file to the webhook, signed with the app's secret. email: hands a "
      "mail to\n"
      "wissel-dev, which takes it as if it had come by IMAP; one that no message can be made of is "
      "kept\n"
      "as a dead letter, and the command fails and says which. Both go where the context says.\n"
      "\nExamples:\n"
      "  wisselctl inject whatsapp deploy/examples/messages/where-is-my-bike.json\n"
      "  wisselctl inject email deploy/examples/messages/broken-bell.eml\n"
      "  wisselctl deadletter show 5f0c... --raw | wisselctl inject whatsapp -\n"
      "  wisselctl inject whatsapp hook.json --url https://hooks.shop.example/whatsapp/webhook \\\n"
      "      --secret-file app.secret");
  auto f = std::make_shared<InjectFlags>();
  command->add_option("CHANNEL", f->channel, "Which channel")
      ->required()
      ->check(CLI::IsMember({"whatsapp", "email"}));
  command->add_option("FILE", f->file, "The webhook's JSON, or the mail; - for standard input")
      ->required();
  command->add_option("--url", f->url, "Where to; the context's webhook where not given")
      ->type_name("URL");
  command->add_option("--secret-file", f->secret_file, "The app's secret (whatsapp)")
      ->type_name("FILE");
  command->add_option("--account", f->account, "The mailbox's account (email)")->type_name("ID");
  command->callback([&s, f] { s.action = [&s, f] { return Inject(s, *f); }; });
}

}  // namespace wissel::ctl
