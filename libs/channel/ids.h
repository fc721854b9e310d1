#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "wissel/common/v1/common.pb.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::channel {

// The contract's name of a kind: "email", "whatsapp". Empty for an unspecified or unknown one.
absl::string_view ChannelKindName(common::v1::ChannelKind kind);

// Sets the ids that are derived: the envelope's from (workspace, account, provider's message id),
// and the contact id of sender and recipients from (workspace, channel kind, address). The same
// message received again, by whomever, gets the same ids.
void DeriveIds(message::v1::InboundMessage* message);

// Sets dead_letter_id from the origin: the same bytes from the same place are one dead letter.
void DeriveId(deadletter::v1::DeadLetter* letter);

// The id of a receipt that reports `parts`.
std::string ReceiptId(std::initializer_list<absl::string_view> parts);

// Whose an account is.
struct AccountIds {
  absl::string_view workspace_id;
  absl::string_view routing_group_id;
  absl::string_view account_id;
};

// Checks them against the contract's bounds, as Validate does for each message of the account.
// INVALID_ARGUMENT names the first that is out of bounds.
absl::Status ValidateAccount(const AccountIds& ids);

// Checks the bounds that the contract's comments give. INVALID_ARGUMENT names the first field that
// is missing or out of bounds.
absl::Status Validate(const message::v1::InboundMessage& message);

}  // namespace wissel::channel
