#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/bus.h"

namespace wissel::testing {

// A bus whose broker is away: takes and gives nothing. What it may still know is how many
// partitions a topic of `known` has.
class AwayBus : public bus::Bus {
 public:
  explicit AwayBus(bus::Bus* known = nullptr) : known_(known) {}

  absl::StatusOr<int> PartitionCount(bus::Topic topic) override {
    if (known_ == nullptr) return Away();
    return known_->PartitionCount(topic);
  }
  absl::StatusOr<std::optional<bus::TopicSettings>> SettingsOf(bus::Topic) override {
    return Away();
  }
  absl::Status EnsureTopics(const std::vector<bus::TopicSpec>&) override { return Away(); }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions) override {
    class Refusing : public bus::Appender {
      void Append(bus::Outgoing, Done done) override { done(Away()); }
      absl::Status Admit(const bus::Outgoing&) const override { return absl::OkStatus(); }
      absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }
    };
    return std::make_unique<Refusing>();
  }
  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic, int32_t,
                                                          bus::ReaderOptions) override {
    return Away();
  }
  absl::StatusOr<std::unique_ptr<bus::Membership>> Join(absl::string_view, bus::Topic,
                                                        bus::MemberOptions) override {
    return Away();
  }
  absl::Status TruncateBefore(bus::Topic, int32_t, int64_t) override { return Away(); }
  absl::Status Health() override { return Away(); }

 private:
  static absl::Status Away() { return absl::UnavailableError("the broker is away"); }
  bus::Bus* const known_;
};

}  // namespace wissel::testing
