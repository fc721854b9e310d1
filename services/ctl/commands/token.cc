#include <CLI/CLI.hpp>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/jwt.h"
#include "services/ctl/commands/commands.h"

namespace wissel::ctl {
namespace {

struct MintFlags {
  std::string secret_file;
  std::string key_id;
  std::string subject;
  std::string agent;
  std::string group;
  std::string issuer;
  std::string audience;
  std::vector<std::string> roles;
  std::string expires = "12h";
};

absl::Status Mint(Session& s, const MintFlags& f) {
  if (s.flags.workspace.empty()) return absl::InvalidArgumentError("--workspace: expected a value");
  WISSEL_ASSIGN_OR_RETURN(const absl::Duration lifetime,
                          ParseDuration("--expires", f.expires, "12h"));
  WISSEL_ASSIGN_OR_RETURN(const std::string secret, ReadSecret(f.secret_file));
  const absl::Time now = absl::Now();
  rpc::Claims claims;
  claims.subject = f.subject.empty() ? f.agent : f.subject;
  if (claims.subject.empty()) return absl::InvalidArgumentError("give --subject or --agent");
  claims.issuer = f.issuer;
  if (!f.audience.empty()) claims.audience = {f.audience};
  claims.workspace = s.flags.workspace;
  claims.routing_group = f.group;
  claims.agent = f.agent;
  claims.roles = f.roles;
  claims.expires_at = now + lifetime;
  WISSEL_ASSIGN_OR_RETURN(const std::string token, rpc::MintJwt(claims, secret, f.key_id, now));
  s.out << token << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddToken(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("token", "Bearer tokens");
  command->require_subcommand(1);
  auto* mint = command->add_subcommand("mint", "Print a token signed with HS256");
  mint->footer(
      "\nFor development and small installations; with an identity provider, it makes the tokens\n"
      "(RS256 or ES256).\n"
      "\nExample:\n"
      "  wisselctl token mint --secret-file jwt.secret --workspace web-shop \\\n"
      "      --agent anna --role agent --expires 8h > anna.token");
  auto f = std::make_shared<MintFlags>();
  mint->add_option("--secret-file", f->secret_file,
                   "The secret shared with the services, at least "
                   "32 bytes")
      ->required()
      ->type_name("FILE");
  mint->add_option("--role", f->roles, "What its bearer may do; may repeat")
      ->required()
      ->check(CLI::IsMember({"agent", "supervisor", "admin", "bot", "integrator"}));
  mint->add_option("--subject", f->subject, "Who its bearer is; the agent where not given")
      ->type_name("NAME");
  mint->add_option("--agent", f->agent, "The agent that its bearer works as")->type_name("ID");
  mint->add_option("--group", f->group, "The agent's routing group")->type_name("ID");
  mint->add_option("--issuer", f->issuer, "The claim iss")->type_name("TEXT");
  mint->add_option("--audience", f->audience, "The claim aud")->type_name("TEXT");
  mint->add_option("--key-id", f->key_id, "The secret's kid, where it has one")->type_name("TEXT");
  mint->add_option("--expires", f->expires, "How long it is good for")
      ->type_name("DURATION")
      ->capture_default_str();
  mint->callback([&s, f] { s.action = [&s, f] { return Mint(s, *f); }; });
}

}  // namespace wissel::ctl
