#include "services/whatsapp/outbound.h"

#include <algorithm>
#include <boost/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"

namespace wissel::whatsapp {
namespace {

namespace json = boost::json;
using message::v1::Content;
using message::v1::Media;

// Else it is a business-scoped user id, such as "US.13491208655302741918".
bool IsPhoneNumber(absl::string_view address) {
  absl::ConsumePrefix(&address, "+");
  return std::all_of(address.begin(), address.end(), absl::ascii_isdigit);
}

// Where the sender did not say what it is, its media type does.
absl::StatusOr<absl::string_view> TypeOf(const Media& media) {
  switch (media.kind()) {
    case Media::KIND_IMAGE:
      return "image";
    case Media::KIND_AUDIO:
      return "audio";
    case Media::KIND_VIDEO:
      return "video";
    case Media::KIND_STICKER:
      return "sticker";
    case Media::KIND_DOCUMENT:
      return "document";
    default:
      break;
  }
  const std::string& type = media.blob().content_type();
  if (type == "image/jpeg" || type == "image/png") return "image";
  if (absl::StartsWith(type, "audio/")) return "audio";
  if (type == "video/mp4" || type == "video/3gpp") return "video";
  return "document";
}

}  // namespace

const Media* FindMedia(const message::v1::OutboundMessage& message) {
  for (const Content& content : message.contents()) {
    if (content.has_media()) return &content.media();
  }
  return nullptr;
}

absl::StatusOr<std::string> BuildOutbound(const channel::OutboundDelivery& delivery,
                                          absl::string_view media_id) {
  const message::v1::OutboundMessage& message = delivery.message;
  const message::v1::Text* text = nullptr;
  const Media* media = nullptr;
  const message::v1::Template* from_template = nullptr;
  for (const Content& content : message.contents()) {
    if (content.has_text() && text == nullptr) {
      text = &content.text();
    } else if (content.has_media() && media == nullptr) {
      media = &content.media();
    } else if (content.has_template_() && from_template == nullptr) {
      from_template = &content.template_();
    } else {
      return absl::InvalidArgumentError(
          "WhatsApp takes one text, media or template a message: send the others as answers of "
          "their own");
    }
  }
  json::object body{{"messaging_product", "whatsapp"},
                    {"recipient_type", "individual"},
                    {IsPhoneNumber(message.recipient().address()) ? "to" : "recipient",
                     message.recipient().address()},
                    {"biz_opaque_callback_data", delivery.outbound_id}};
  if (!message.in_reply_to_provider_message_id().empty()) {
    body["context"] = {{"message_id", message.in_reply_to_provider_message_id()}};
  }
  if (from_template != nullptr) {
    if (text != nullptr || media != nullptr) {
      return absl::InvalidArgumentError("a template stands alone in a WhatsApp message");
    }
    json::object value{{"name", from_template->name()},
                       {"language", {{"code", from_template->language()}}}};
    if (from_template->parameters_size() > 0) {
      json::array parameters;
      for (const std::string& parameter : from_template->parameters()) {
        parameters.push_back({{"type", "text"}, {"text", parameter}});
      }
      value["components"] =
          json::array{json::object{{"type", "body"}, {"parameters", std::move(parameters)}}};
    }
    body["type"] = "template";
    body["template"] = std::move(value);
  } else if (media != nullptr) {
    WISSEL_ASSIGN_OR_RETURN(const absl::string_view type, TypeOf(*media));
    std::string caption = media->caption();
    if (text != nullptr) {
      if (!caption.empty()) {
        return absl::InvalidArgumentError(
            "a media with a caption takes no text beside it: send the text as an answer of its "
            "own");
      }
      caption = text->text();
    }
    if (!caption.empty() && (type == "audio" || type == "sticker")) {
      return absl::InvalidArgumentError(
          "WhatsApp shows no text with this kind of media: send it as an answer of its own");
    }
    json::object value{{"id", json::string_view(media_id.data(), media_id.size())}};
    if (!caption.empty()) value["caption"] = caption;
    if (type == "document" && !media->blob().file_name().empty()) {
      value["filename"] = media->blob().file_name();
    }
    body["type"] = json::string_view(type.data(), type.size());
    body[json::string_view(type.data(), type.size())] = std::move(value);
  } else if (text != nullptr) {
    body["type"] = "text";
    body["text"] = {{"body", text->text()}, {"preview_url", false}};
  } else {
    return absl::InvalidArgumentError("nothing in it that WhatsApp can send");
  }
  return json::serialize(body);
}

}  // namespace wissel::whatsapp
