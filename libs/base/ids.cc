#include "libs/base/ids.h"

#include "libs/base/uuid.h"

namespace wissel {

MessageId DeriveMessageId(const WorkspaceId& workspace, const ChannelAccountId& account,
                          absl::string_view provider_message_id) {
  return MessageId(UuidV5(kWisselNamespace,
                          {"message", workspace.value(), account.value(), provider_message_id}));
}

ContactId DeriveContactId(const WorkspaceId& workspace, absl::string_view channel_kind,
                          absl::string_view address) {
  return ContactId(UuidV5(kWisselNamespace, {"contact", workspace.value(), channel_kind, address}));
}

}  // namespace wissel
