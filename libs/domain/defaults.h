#pragma once

#include <algorithm>

#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::domain {

// What holds where the configuration is silent; wissel/config/v1/config.proto promises these.

inline absl::Duration ReopenWindow(const config::v1::ConversationPolicy& policy) {
  return policy.has_reopen_window() ? FromProto(policy.reopen_window()) : absl::Hours(72);
}

inline absl::Duration ForgetAfter(const config::v1::ConversationPolicy& policy) {
  return std::max(ReopenWindow(policy), policy.has_forget_after() ? FromProto(policy.forget_after())
                                                                  : absl::Hours(7 * 24));
}

inline absl::Duration DisconnectGrace(const config::v1::ConversationPolicy& policy) {
  return policy.has_disconnect_grace() ? FromProto(policy.disconnect_grace()) : absl::Seconds(30);
}

inline bool MailJoinsOpenConversation(const config::v1::ConversationPolicy& policy) {
  return !policy.has_mail_joins_open_conversation() || policy.mail_joins_open_conversation();
}

// `queue` may be null: the conversation waits in a queue that is gone.
inline absl::Duration OfferTimeout(const config::v1::Queue* queue) {
  return queue != nullptr && queue->has_offer_timeout() ? FromProto(queue->offer_timeout())
                                                        : absl::Seconds(30);
}

inline int32_t MaxMissedOffers(const config::v1::Queue* queue) {
  return queue != nullptr && queue->max_missed_offers() > 0 ? queue->max_missed_offers() : 2;
}

}  // namespace wissel::domain
