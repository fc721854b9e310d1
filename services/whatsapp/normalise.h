#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::whatsapp {

// Whose a phone number is.
struct AccountRef {
  std::string workspace_id;
  std::string routing_group_id;
  std::string account_id;
};

// The account of a phone_number_id, or null where there is none.
using AccountLookup = std::function<const AccountRef*(absl::string_view phone_number_id)>;

// Bytes that are still at the provider.
struct MediaToFetch {
  int content = 0;  // Index into the message's contents, where a Media waits for its blob.
  std::string media_id;
  std::string content_type;
  std::string file_name;
};

struct NormalisedMessage {
  // Without the ids that are derived (channel::DeriveIds).
  message::v1::InboundMessage message;
  std::vector<MediaToFetch> media;
  // The provider's JSON, where it is too long to travel in an Unsupported: belongs into the
  // message's raw blob.
  std::string raw;
};

// Bounds on the dead letters of one webhook, as each repeats what its items share: how many, and
// how many bytes they hold together.
inline constexpr size_t kMaxDeadLetters = 100;
constexpr size_t MaxDeadLetterBytes(size_t webhook_bytes) { return (64 << 10) + 4 * webhook_bytes; }

struct Normalised {
  std::vector<NormalisedMessage> messages;
  std::vector<receipt::v1::Receipt> receipts;
  // Their bytes are a webhook that holds what was not understood and nothing else: to be handed in
  // again as they stand. What is no webhook at all is kept as it came; so is, as one, a webhook
  // whose letters would pass the bounds.
  std::vector<deadletter::v1::DeadLetter> dead_letters;
};

// Deeper JSON is not parsed. Meta's own is 10 deep at most.
inline constexpr int kMaxJsonDepth = 32;

// Takes one webhook of Meta's Cloud API (object whatsapp_business_account) apart: messages of
// customers, statuses of our own messages, and everything else as dead letters. Nothing is lost:
// what has no form of its own becomes an Unsupported with the provider's JSON, beside what is
// understood where it is a part of it. Pure; never fails; does not depend on the order of keys.
//
// Shapes: developers.facebook.com/docs/whatsapp/cloud-api/webhooks/payload-examples and
// …/webhooks/components.
Normalised Normalise(absl::string_view webhook_json, const AccountLookup& lookup);

}  // namespace wissel::whatsapp
