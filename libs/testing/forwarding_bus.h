#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bus/bus.h"

namespace wissel::testing {

// Another bus under a second name: for a test that changes one thing about it and keeps the rest.
class ForwardingBus : public bus::Bus {
 public:
  explicit ForwardingBus(bus::Bus& bus) : bus_(bus) {}

  absl::StatusOr<int> PartitionCount(bus::Topic topic) override {
    return bus_.PartitionCount(topic);
  }
  absl::StatusOr<std::optional<bus::TopicSettings>> SettingsOf(bus::Topic topic) override {
    return bus_.SettingsOf(topic);
  }
  absl::Status EnsureTopics(const std::vector<bus::TopicSpec>& specs) override {
    return bus_.EnsureTopics(specs);
  }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    return bus_.NewAppender(options);
  }
  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    return bus_.OpenReader(topic, partition, std::move(options));
  }
  absl::StatusOr<std::unique_ptr<bus::Membership>> Join(absl::string_view group, bus::Topic topic,
                                                        bus::MemberOptions options) override {
    return bus_.Join(group, topic, std::move(options));
  }
  absl::Status TruncateBefore(bus::Topic topic, int32_t partition, int64_t offset) override {
    return bus_.TruncateBefore(topic, partition, offset);
  }
  absl::Status Health() override { return bus_.Health(); }

 private:
  bus::Bus& bus_;
};

// A bus whose groups let nobody in.
class OutsiderBus : public ForwardingBus {
 public:
  explicit OutsiderBus(bus::Bus& bus) : ForwardingBus(bus) {}

  absl::StatusOr<std::unique_ptr<bus::Membership>> Join(absl::string_view, bus::Topic,
                                                        bus::MemberOptions) override {
    class Outsider final : public bus::Membership {
     public:
      absl::StatusOr<bus::Assignment> Poll(absl::Duration) override { return bus::Assignment(); }
      absl::Status standing() const override {
        return absl::PermissionDeniedError("no ACL to join");
      }
      void CommitForMonitoring(const std::vector<bus::Progress>&) override {}
    };
    return std::make_unique<Outsider>();
  }
};

}  // namespace wissel::testing
