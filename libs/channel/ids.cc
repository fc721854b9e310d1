#include "libs/channel/ids.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/base/uuid.h"
#include "libs/channel/text.h"
#include "libs/domain/facts.h"

namespace wissel::channel {
namespace {

absl::Status Bounds(absl::string_view field, absl::string_view value, size_t min, size_t max) {
  if (value.size() >= min && value.size() <= max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", value.size(), " bytes, expected ", min, " to ", max));
}

absl::Status ValidateName(absl::string_view field, absl::string_view value) {
  if (absl::Status status = Bounds(field, value, 1, 64); !status.ok()) return status;
  for (const char c : value) {
    if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') {
      return absl::InvalidArgumentError(absl::StrCat(field, ": expected [a-z0-9-] only"));
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateText(absl::string_view field, const message::v1::Text& text) {
  WISSEL_RETURN_IF_ERROR(Bounds(absl::StrCat(field, ".text"), text.text(), 0, kMaxTextBytes));
  WISSEL_RETURN_IF_ERROR(Bounds(absl::StrCat(field, ".html"), text.html(), 0, kMaxTextBytes));
  return Bounds(absl::StrCat(field, ".quoted"), text.quoted(), 0, kMaxQuotedBytes);
}

absl::Status ValidateMedia(const message::v1::Media& media) {
  if (media.has_blob() != media.unavailable_reason().empty()) {
    return absl::InvalidArgumentError("media: expected one of blob and unavailable_reason");
  }
  WISSEL_RETURN_IF_ERROR(
      Bounds("media.blob.file_name", media.blob().file_name(), 0, kMaxFileNameBytes));
  return Bounds("media.caption", media.caption(), 0, kMaxTextBytes);
}

absl::Status ValidateContent(const message::v1::Content& content) {
  using Kind = message::v1::Content::KindCase;
  switch (content.kind_case()) {
    case Kind::kText:
      return ValidateText("text", content.text());
    case Kind::kMedia:
      return ValidateMedia(content.media());
    case Kind::kUnsupported:
      return Bounds("unsupported.raw", content.unsupported().raw(), 0, kMaxRawBytes);
    case Kind::kEdit:
      return ValidateText("edit.text", content.edit().text());
    case Kind::kLocation:
    case Kind::kContactCard:
    case Kind::kInteractiveReply:
    case Kind::kReaction:
    case Kind::kDelete:
    case Kind::kTemplate:
      return absl::OkStatus();
    case Kind::KIND_NOT_SET:
      return absl::InvalidArgumentError("contents: one of no kind");
  }
  return absl::InvalidArgumentError("contents: one of an unknown kind");
}

}  // namespace

absl::string_view ChannelKindName(common::v1::ChannelKind kind) {
  switch (kind) {
    case common::v1::CHANNEL_KIND_EMAIL:
      return "email";
    case common::v1::CHANNEL_KIND_WHATSAPP:
      return "whatsapp";
    case common::v1::CHANNEL_KIND_SMS:
      return "sms";
    case common::v1::CHANNEL_KIND_CHAT:
      return "chat";
    case common::v1::CHANNEL_KIND_SOCIAL:
      return "social";
    default:
      return "";
  }
}

void DeriveIds(message::v1::InboundMessage* message) {
  const WorkspaceId workspace(message->envelope().workspace_id());
  message->mutable_envelope()->set_id(
      DeriveMessageId(workspace, ChannelAccountId(message->account().account_id()),
                      message->provider_message_id())
          .value());
  const auto derive = [&](common::v1::ContactPoint* point) {
    point->set_contact_id(
        DeriveContactId(workspace, ChannelKindName(point->kind()), point->address()).value());
  };
  derive(message->mutable_sender());
  for (common::v1::ContactPoint& recipient : *message->mutable_recipients()) derive(&recipient);
}

void DeriveId(deadletter::v1::DeadLetter* letter) {
  using Kind = deadletter::v1::Origin::KindCase;
  const deadletter::v1::Origin& origin = letter->origin();
  switch (origin.kind_case()) {
    case Kind::kRecord:
      letter->set_dead_letter_id(UuidV5(
          kWisselNamespace,
          {"deadletter", "record", origin.record().topic(),
           absl::StrCat(origin.record().partition()), absl::StrCat(origin.record().offset())}));
      return;
    case Kind::kProvider:
      letter->set_dead_letter_id(UuidV5(
          kWisselNamespace, {"deadletter", "provider", ChannelKindName(origin.provider().kind()),
                             origin.provider().workspace_id(), origin.provider().account_id(),
                             origin.provider().reference()}));
      return;
    case Kind::KIND_NOT_SET:
      return;
  }
}

std::string ReceiptId(std::initializer_list<absl::string_view> parts) {
  std::vector<absl::string_view> all = {"receipt"};
  all.insert(all.end(), parts.begin(), parts.end());
  return UuidV5(kWisselNamespace, all);
}

absl::Status ValidateAccount(const AccountIds& ids) {
  WISSEL_RETURN_IF_ERROR(ValidateName("workspace_id", ids.workspace_id));
  WISSEL_RETURN_IF_ERROR(ValidateName("routing_group_id", ids.routing_group_id));
  WISSEL_RETURN_IF_ERROR(Bounds("account_id", ids.account_id, 1, 128));
  for (const char c : ids.account_id) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c))) {
      return absl::InvalidArgumentError("account_id: expected visible ASCII only, no spaces");
    }
  }
  return absl::OkStatus();
}

absl::Status Validate(const message::v1::InboundMessage& message) {
  const auto first_error = [](std::initializer_list<absl::Status> checks) {
    for (const absl::Status& check : checks) {
      if (!check.ok()) return check;
    }
    return absl::OkStatus();
  };
  absl::Status status = first_error({
      ValidateAccount({.workspace_id = message.envelope().workspace_id(),
                       .routing_group_id = message.envelope().routing_group_id(),
                       .account_id = message.account().account_id()}),
      Bounds("envelope.id", message.envelope().id(), 36, 36),
      Bounds("provider_message_id", message.provider_message_id(), 1, kMaxProviderMessageIdBytes),
      Bounds("sender.address", message.sender().address(), 1, kMaxAddressBytes),
      Bounds("sender.display_name", message.sender().display_name(), 0, kMaxDisplayNameBytes),
      Bounds("sender.contact_id", message.sender().contact_id(), 36, 36),
      Bounds("subject", message.subject(), 0, 998),
  });
  if (!status.ok()) return status;
  if (ChannelKindName(message.account().kind()).empty()) {
    return absl::InvalidArgumentError("account.kind: not a kind of channel");
  }
  if (message.recipients_size() > 100) {
    return absl::InvalidArgumentError("recipients: more than 100");
  }
  for (const common::v1::ContactPoint& to : message.recipients()) {
    WISSEL_RETURN_IF_ERROR(Bounds("recipients.address", to.address(), 1, kMaxAddressBytes));
    WISSEL_RETURN_IF_ERROR(
        Bounds("recipients.display_name", to.display_name(), 0, kMaxDisplayNameBytes));
  }
  if (message.contents_size() < 1 || message.contents_size() > 100) {
    return absl::InvalidArgumentError("contents: expected 1 to 100");
  }
  for (const message::v1::Content& content : message.contents()) {
    if (absl::Status bad = ValidateContent(content); !bad.ok()) return bad;
  }
  if (const auto wrong = domain::FactsOutOfBounds(message.facts())) {
    return absl::InvalidArgumentError(*wrong);
  }
  return absl::OkStatus();
}

}  // namespace wissel::channel
