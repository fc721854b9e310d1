#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/channel/ids.h"
#include "services/whatsapp/normalise.h"

// Whatever a webhook holds: every message that comes out has contents, every media to fetch has its
// place, everything serialises, which is to say that its texts are UTF-8, and the dead letters keep
// to their bounds.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const wissel::whatsapp::AccountRef account{
      .workspace_id = "shop", .routing_group_id = "nl", .account_id = "wa-nl"};
  wissel::whatsapp::Normalised out = wissel::whatsapp::Normalise(
      absl::string_view(reinterpret_cast<const char*>(data), size),
      [](absl::string_view number) { return number == "1060001" ? &account : nullptr; });
  for (wissel::whatsapp::NormalisedMessage& normalised : out.messages) {
    wissel::message::v1::InboundMessage& message = normalised.message;
    WISSEL_CHECK(message.contents_size() > 0 || !normalised.raw.empty());
    for (const wissel::whatsapp::MediaToFetch& media : normalised.media) {
      WISSEL_CHECK(message.contents(media.content).has_media());
    }
    wissel::channel::DeriveIds(&message);
    wissel::message::v1::InboundMessage copy;
    WISSEL_CHECK(copy.ParseFromString(message.SerializeAsString()));
  }
  for (const wissel::receipt::v1::Receipt& receipt : out.receipts) {
    wissel::receipt::v1::Receipt copy;
    WISSEL_CHECK(copy.ParseFromString(receipt.SerializeAsString()));
    WISSEL_CHECK(receipt.provider_status().state() !=
                 wissel::receipt::v1::DELIVERY_STATE_UNSPECIFIED);
  }
  size_t raw_bytes = 0;
  WISSEL_CHECK(out.dead_letters.size() <= wissel::whatsapp::kMaxDeadLetters);
  for (wissel::deadletter::v1::DeadLetter& letter : out.dead_letters) {
    raw_bytes += letter.raw().size();
    wissel::deadletter::v1::DeadLetter copy;
    WISSEL_CHECK(copy.ParseFromString(letter.SerializeAsString()));
    WISSEL_CHECK(!letter.origin().provider().reference().empty());
  }
  WISSEL_CHECK(raw_bytes <= wissel::whatsapp::MaxDeadLetterBytes(size));
  return 0;
}
