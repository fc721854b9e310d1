#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "services/dev/config.h"
#include "services/dev/state_folder.h"
#include "services/email/config.h"
#include "services/whatsapp/config.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::dev {

// What wissel-whatsapp would be told, were it a process of its own. With a provider: its accounts,
// both roles. Without: every WhatsApp account of the workspaces, ingest only, webhooks signed with
// a secret of our own. No accounts where the workspaces have none.
//   INVALID_ARGUMENT  an account that no workspace has, or has otherwise
absl::StatusOr<whatsapp::WhatsappSettings> WhatsappChannel(
    const Settings& settings, const std::vector<config::v1::WorkspaceConfig>& workspaces,
    const StateFolder& folder);

// The same for wissel-email: the provider's accounts, both roles. Without a provider it has no
// accounts, and is not to be started. Where no thread key is given, one is drawn and kept.
absl::StatusOr<email::EmailSettings> EmailChannel(
    const Settings& settings, const std::vector<config::v1::WorkspaceConfig>& workspaces,
    const StateFolder& folder);

// The accounts of this kind that the workspaces have and the provider does not: answers through
// them cannot be delivered.
std::vector<std::string> AccountsWithoutProvider(
    const Settings& settings, const std::vector<config::v1::WorkspaceConfig>& workspaces,
    common::v1::ChannelKind kind);

}  // namespace wissel::dev
