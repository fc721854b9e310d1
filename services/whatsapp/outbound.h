#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "libs/channel/sender.h"

namespace wissel::whatsapp {

// The body of POST /{phone-number-id}/messages. A WhatsApp message carries one thing: a text, a
// template, or a media with at most a caption; so contents must be one of those, or a text and a
// media that can take it as its caption. `media_id` is the uploaded media's. The outbound id goes
// along as biz_opaque_callback_data, which Meta repeats in every status. Pure.
//   INVALID_ARGUMENT  the contents cannot be sent as one message; for people
// Sources: developers.facebook.com/docs/whatsapp/cloud-api/reference/messages and
// …/whatsapp/business-scoped-user-ids (`recipient`, for who has no phone number)
absl::StatusOr<std::string> BuildOutbound(const channel::OutboundDelivery& delivery,
                                          absl::string_view media_id);

// The media among the contents, or null.
const message::v1::Media* FindMedia(const message::v1::OutboundMessage& message);

}  // namespace wissel::whatsapp
