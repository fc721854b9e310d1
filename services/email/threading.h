#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/ids.h"

namespace wissel::email {

// What one of our own Message-IDs says.
struct OwnMessageId {
  OutboundId outbound;
  ConversationId conversation;

  friend bool operator==(const OwnMessageId&, const OwnMessageId&) = default;
};

// Makes and checks the identifiers by which an answer finds its conversation without a look-up:
//
//   Message-ID  <outbound_id.conversation_id.signature@domain>
//   address     local+c.conversation.signature@domain   (conversation in base32, for RFC 5321's 64
//   bytes)
//
// The signature is the first 80 bits of HMAC-SHA256 (RFC 2104, section 5) over the workspace and
// the ids, in base32, lower case, as mail systems do change the case of local parts. What was
// signed with any of the keys is accepted: add the new key in front, remove the old one when its
// mails are no longer answered. Checks take the same time whichever byte differs. Immutable,
// thread-safe.
class ThreadSigner {
 public:
  // `keys`: secrets of at least 16 bytes each, the first one signs. INVALID_ARGUMENT otherwise.
  static absl::StatusOr<ThreadSigner> Create(WorkspaceId workspace, std::vector<std::string> keys);

  // Without angle brackets. The same ids give the same Message-ID for as long as the key is the
  // same. INVALID_ARGUMENT where an id or the domain holds what a Message-ID cannot.
  absl::StatusOr<std::string> MessageId(const OutboundId& outbound,
                                        const ConversationId& conversation,
                                        absl::string_view domain) const;
  // Nothing where the id is not ours. With or without angle brackets.
  std::optional<OwnMessageId> CheckMessageId(absl::string_view message_id) const;

  // `address` (support@shop.example) with the conversation in it. INVALID_ARGUMENT where the
  // conversation is not a UUID, or the result is longer than a local part may be.
  absl::StatusOr<std::string> PlusAddress(absl::string_view address,
                                          const ConversationId& conversation) const;
  // Nothing where `candidate` is not such a form of `address`, whatever their case.
  std::optional<ConversationId> CheckAddress(absl::string_view address,
                                             absl::string_view candidate) const;

 private:
  ThreadSigner(WorkspaceId workspace, std::vector<std::string> keys);

  std::string Sign(absl::string_view key, absl::string_view purpose, absl::string_view first,
                   absl::string_view second) const;
  bool Verify(absl::string_view signature, absl::string_view purpose, absl::string_view first,
              absl::string_view second) const;

  WorkspaceId workspace_;
  std::vector<std::string> keys_;
};

}  // namespace wissel::email
