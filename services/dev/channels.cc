#include "services/dev/channels.h"

#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::dev {
namespace {

using common::v1::ChannelKind;
using config::v1::WorkspaceConfig;

// Everything is in this process: who is gone is gone at once.
constexpr absl::Duration kSessionTimeout = absl::Seconds(6);

struct Claimed {
  absl::string_view workspace;
  absl::string_view group;
  absl::string_view account;
  absl::string_view address;  // at the provider
};

Claimed Of(const email::AccountSettings& a) {
  return {a.workspace_id, a.routing_group_id, a.account_id, a.address};
}
Claimed Of(const whatsapp::AccountSettings& a) {
  return {a.workspace_id, a.routing_group_id, a.account_id, a.phone_number_id};
}

// An account of a provider is one of a workspace, or its messages would be for nobody.
absl::Status CheckIsThere(absl::string_view section, ChannelKind kind, const Claimed& claimed,
                          const std::vector<WorkspaceConfig>& workspaces) {
  const std::string name = absl::StrCat(section, ".accounts: ", claimed.account);
  for (const WorkspaceConfig& workspace : workspaces) {
    if (workspace.workspace_id() != claimed.workspace) continue;
    for (const auto& account : workspace.accounts()) {
      if (account.account().kind() != kind || account.account().account_id() != claimed.account) {
        continue;
      }
      if (account.routing_group_id() != claimed.group) {
        return absl::InvalidArgumentError(absl::StrCat(name, ": the workspace has it in the group ",
                                                       account.routing_group_id(), ", not ",
                                                       claimed.group));
      }
      if (!absl::EqualsIgnoreCase(account.address(), claimed.address)) {
        return absl::InvalidArgumentError(absl::StrCat(name, ": the workspace has its address as ",
                                                       account.address(), ", not ",
                                                       claimed.address));
      }
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": the workspace ", claimed.workspace, " has no such account"));
  }
  return absl::InvalidArgumentError(absl::StrCat(name, ": no workspace ", claimed.workspace));
}

template <class Accounts>
bool Has(const Accounts& accounts, absl::string_view workspace, absl::string_view account) {
  for (const auto& a : accounts) {
    if (a.workspace_id == workspace && a.account_id == account) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<whatsapp::WhatsappSettings> WhatsappChannel(
    const Settings& settings, const std::vector<WorkspaceConfig>& workspaces,
    const StateFolder& folder) {
  whatsapp::WhatsappSettings channel;
  channel.webhook.listen = settings.webhook_listen;
  channel.blobs.folder = folder.Path("blobs");
  channel.delivery.session_timeout = kSessionTimeout;
  channel.graph = settings.whatsapp.graph;
  channel.accounts = settings.whatsapp.accounts;
  for (const auto& account : channel.accounts) {
    WISSEL_RETURN_IF_ERROR(
        CheckIsThere("whatsapp", common::v1::CHANNEL_KIND_WHATSAPP, Of(account), workspaces));
  }
  if (!channel.accounts.empty()) return channel;
  channel.role = channel::Role::kIngest;
  WISSEL_ASSIGN_OR_RETURN(const std::string app_secret, folder.Secret("whatsapp-app-secret"));
  WISSEL_ASSIGN_OR_RETURN(const std::string verify_token, folder.Secret("whatsapp-verify-token"));
  for (const WorkspaceConfig& workspace : workspaces) {
    for (const auto& account : workspace.accounts()) {
      if (account.account().kind() != common::v1::CHANNEL_KIND_WHATSAPP) continue;
      whatsapp::AccountSettings a;
      a.account_id = account.account().account_id();
      a.workspace_id = workspace.workspace_id();
      a.routing_group_id = account.routing_group_id();
      a.phone_number_id = account.address();
      a.app_secret = config::Secret(app_secret, "generated");
      a.verify_token = config::Secret(verify_token, "generated");
      a.access_token = config::Secret("none", "no provider");
      channel.accounts.push_back(std::move(a));
    }
  }
  return channel;
}

absl::StatusOr<email::EmailSettings> EmailChannel(const Settings& settings,
                                                  const std::vector<WorkspaceConfig>& workspaces,
                                                  const StateFolder& folder) {
  email::EmailSettings channel;
  channel.accounts = settings.email.accounts;
  if (channel.accounts.empty()) return channel;
  for (const auto& account : channel.accounts) {
    WISSEL_RETURN_IF_ERROR(
        CheckIsThere("email", common::v1::CHANNEL_KIND_EMAIL, Of(account), workspaces));
  }
  channel.blobs.folder = folder.Path("blobs");
  channel.state_folder = folder.Path("email");
  channel.delivery.session_timeout = kSessionTimeout;
  channel.thread_keys = settings.email.thread_keys;
  if (channel.thread_keys.empty()) {
    WISSEL_ASSIGN_OR_RETURN(std::string key, folder.Secret("mail-thread-key"));
    channel.thread_keys.push_back({.key = config::Secret(std::move(key), "generated")});
  }
  return channel;
}

std::vector<std::string> AccountsWithoutProvider(const Settings& settings,
                                                 const std::vector<WorkspaceConfig>& workspaces,
                                                 ChannelKind kind) {
  std::vector<std::string> missing;
  for (const WorkspaceConfig& workspace : workspaces) {
    for (const auto& account : workspace.accounts()) {
      const std::string& id = account.account().account_id();
      if (account.account().kind() != kind) continue;
      const bool has = kind == common::v1::CHANNEL_KIND_EMAIL
                           ? Has(settings.email.accounts, workspace.workspace_id(), id)
                           : Has(settings.whatsapp.accounts, workspace.workspace_id(), id);
      if (!has) missing.push_back(absl::StrCat(workspace.workspace_id(), "/", id));
    }
  }
  return missing;
}

}  // namespace wissel::dev
