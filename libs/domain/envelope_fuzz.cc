// Arbitrary bytes as inputs, one after the other: whatever parses is refused or decided, and the
// log of the decisions folds to the engine's own state.
//
// The input is a sequence of (kind: 1 byte, length: 2 bytes, big-endian, bytes).

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/check.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"

namespace wissel::domain {
namespace {

class Fuzz {
 public:
  Fuzz() : engine_(State(), {.holds = [](absl::string_view) { return true; }}) {
    Record(engine_.Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), testing::ShopConfig(), now_));
  }

  void Take(uint8_t kind, absl::string_view bytes) {
    now_ += absl::Seconds(kind);
    while (engine_.NextTimer() <= now_) Record(engine_.DecideTimer(now_));
    switch (kind % 4) {
      case 0:
        return TakeAs<message::v1::InboundMessage>(common::v1::INPUT_TOPIC_INBOUND, bytes);
      case 1:
        return TakeAs<command::v1::Command>(common::v1::INPUT_TOPIC_COMMANDS, bytes);
      case 2:
        return TakeAs<receipt::v1::Receipt>(common::v1::INPUT_TOPIC_RECEIPTS, bytes);
      default:
        config::v1::WorkspaceConfig config;
        if (!config.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
        Record(engine_.Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), config, now_));
    }
  }

  void Check() const { WISSEL_CHECK(folded_.Hash() == engine_.state().Hash()); }

 private:
  template <class Message>
  void TakeAs(common::v1::InputTopic topic, absl::string_view bytes) {
    Message message;
    if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    if (std::optional<Refusal> refusal = engine_.Refuse(message)) {
      WISSEL_CHECK(refusal->detail.size() <= 1024);
      refusal->input_id = message.envelope().id();
      Record(engine_.DecideDeadLetter(Cause(topic), "a letter", *refusal, now_));
      return;
    }
    Record(engine_.Decide(Cause(topic), message, now_));
  }

  void Record(const log::v1::Decision& decision) { Record(&decision); }
  void Record(const log::v1::Decision* decision) {
    if (decision == nullptr) return;
    // Through bytes, as a reader gets it.
    log::v1::Decision read;
    WISSEL_CHECK(read.ParseFromString(decision->SerializeAsString()));
    folded_.Apply(read);
  }

  log::v1::InputCause Cause(common::v1::InputTopic topic) {
    log::v1::InputCause cause;
    cause.set_topic(topic);
    cause.set_offset(offset_++);
    return cause;
  }

  absl::Time now_ = testing::StartTime();
  int64_t offset_ = 0;
  Engine engine_;
  State folded_;
};

}  // namespace
}  // namespace wissel::domain

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  wissel::domain::Fuzz fuzz;
  for (int inputs = 0; size >= 3 && inputs < 64; ++inputs) {
    const size_t length = std::min<size_t>(size - 3, static_cast<size_t>(data[1]) << 8 | data[2]);
    fuzz.Take(data[0], absl::string_view(reinterpret_cast<const char*>(data) + 3, length));
    data += 3 + length;
    size -= 3 + length;
  }
  fuzz.Check();
  return 0;
}
