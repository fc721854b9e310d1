#pragma once

#include "absl/strings/string_view.h"
#include "libs/base/strong_id.h"

namespace wissel {

using WorkspaceId = StrongId<struct WorkspaceIdTag>;
using RoutingGroupId = StrongId<struct RoutingGroupIdTag>;
using ChannelAccountId = StrongId<struct ChannelAccountIdTag>;
using ConversationId = StrongId<struct ConversationIdTag>;
using MessageId = StrongId<struct MessageIdTag>;
using ContactId = StrongId<struct ContactIdTag>;
using AgentId = StrongId<struct AgentIdTag>;
using QueueId = StrongId<struct QueueIdTag>;
using OfferId = StrongId<struct OfferIdTag>;
using CommandId = StrongId<struct CommandIdTag>;
using OutboundId = StrongId<struct OutboundIdTag>;
using SessionId = StrongId<struct SessionIdTag>;
using GatewayId = StrongId<struct GatewayIdTag>;
using BlobId = StrongId<struct BlobIdTag>;

// The id of a provider's message: the same delivery, received any number of times on any machine,
// has the same id. `provider_message_id` is the provider's own, byte for byte.
MessageId DeriveMessageId(const WorkspaceId& workspace, const ChannelAccountId& account,
                          absl::string_view provider_message_id);

// The id of a contact as seen through one kind of channel. `channel_kind` is the contract's name
// for it ("email", "whatsapp"); `address` must already be in its canonical form (E.164, lower-cased
// mailbox domain): different spellings are different contacts.
ContactId DeriveContactId(const WorkspaceId& workspace, absl::string_view channel_kind,
                          absl::string_view address);

}  // namespace wissel
