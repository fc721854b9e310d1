// Any bytes are either a message within the contract's bounds or a rejection with a reason.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/base/hash.h"
#include "libs/base/utf8.h"
#include "services/email/charset.h"
#include "services/email/normalise.h"

namespace {

using wissel::email::MailOutcome;
using wissel::email::NormalisedMail;
using wissel::email::RejectedMail;

MailOutcome Normalise(absl::string_view raw) {
  static const wissel::email::Mailbox mailbox{
      wissel::WorkspaceId("shop"), wissel::RoutingGroupId("main"),
      wissel::ChannelAccountId("support-mail"), "support@shop.example"};
  static const wissel::email::ThreadSigner signer =
      *wissel::email::ThreadSigner::Create(wissel::WorkspaceId("shop"), {"a key of 16 bytes"});
  absl::StatusOr<MailOutcome> outcome = wissel::email::NormaliseMail(
      raw, mailbox, absl::UnixEpoch(), &signer,
      [](absl::string_view b) { return absl::StatusOr<std::string>(wissel::Sha256Hex(b)); });
  WISSEL_CHECK_OK(outcome.status());
  return *std::move(outcome);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view raw(reinterpret_cast<const char*>(data), size);
  const MailOutcome outcome = Normalise(raw);
  if (const auto* rejected = std::get_if<RejectedMail>(&outcome)) {
    WISSEL_CHECK(!rejected->detail.empty() && wissel::IsUtf8(rejected->detail));
    return 0;
  }
  const auto& message = std::get<NormalisedMail>(outcome).message;
  WISSEL_CHECK(!message.provider_message_id().empty());
  WISSEL_CHECK(message.provider_message_id().size() <= 998);
  WISSEL_CHECK(!message.sender().address().empty() && message.sender().address().size() <= 320);
  WISSEL_CHECK(message.subject().size() <= 998);
  WISSEL_CHECK(message.recipients_size() <= 100);
  WISSEL_CHECK(message.contents_size() >= 1 && message.contents_size() <= 100);
  WISSEL_CHECK(message.ByteSizeLong() < 1'000'000);
  // Strings that are not UTF-8 do not survive the wire; and the same bytes are the same message.
  std::string wire;
  WISSEL_CHECK(message.SerializeToString(&wire));
  wissel::message::v1::InboundMessage back;
  WISSEL_CHECK(back.ParseFromString(wire));
  if (const auto& receipt = std::get<NormalisedMail>(outcome).receipt; receipt.has_value()) {
    wissel::receipt::v1::Receipt read;
    WISSEL_CHECK(read.ParseFromString(receipt->SerializeAsString()));
  }
  const MailOutcome again = Normalise(raw);
  WISSEL_CHECK(std::get<NormalisedMail>(again).message.SerializeAsString() == wire);
  for (const auto& content : message.contents()) {
    WISSEL_CHECK(wissel::IsUtf8(content.text().text()));
    WISSEL_CHECK(wissel::IsUtf8(content.text().html()));
    WISSEL_CHECK(wissel::IsUtf8(content.text().quoted()));
    WISSEL_CHECK(wissel::IsUtf8(content.media().blob().file_name()));
    WISSEL_CHECK(wissel::IsUtf8(content.media().blob().content_type()));
  }
  return 0;
}
