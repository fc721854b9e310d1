#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/base/thread.h"
#include "libs/bus/bus.h"
#include "libs/bus/ownership.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"

namespace wissel::agent_gateway {

/// The least that stands for a router: decides what comes into one partition, of one routing group,
/// and owns its log.
class TestRouter {
 public:
  TestRouter(bus::Bus& bus, int32_t partition, absl::string_view group)
      : bus_(bus),
        partition_(partition),
        key_(domain::RoutingKey(domain::testing::kWorkspace, group)) {
    thread_ = StartThread("router", [this](std::stop_token stop) { Run(std::move(stop)); });
  }
  ~TestRouter() {
    thread_.request_stop();
    wakeup_->Notify();
  }

 private:
  void Run(std::stop_token stop) {
    auto log = *bus::OwnedLog::Open(bus_, bus_.NewAppender({.gapless = true}),
                                    {.partition = partition_, .owner = "test", .wakeup = wakeup_});
    auto commands = *bus_.OpenReader(bus::Topic::kCommands, partition_, {.wakeup = wakeup_});
    auto inbound = *bus_.OpenReader(bus::Topic::kInbound, partition_, {.wakeup = wakeup_});
    auto config = *bus_.OpenReader(bus::Topic::kConfig, 0, {.wakeup = wakeup_});
    domain::Engine engine(domain::State(),
                          {.holds = [this](absl::string_view key) { return key == key_; }});
    const auto append = [&](log::v1::Decision decision) {
      WISSEL_CHECK_OK(log->Append(std::move(decision), key_));
    };
    const auto cause = [&](common::v1::InputTopic topic, const bus::Record& record) {
      log::v1::InputCause input;
      input.set_topic(topic);
      input.set_partition(record.partition);
      input.set_offset(record.offset);
      return input;
    };
    while (!stop.stop_requested()) {
      bool any = !log->Poll(100, absl::ZeroDuration())->empty();
      if (log->phase() == bus::OwnedLog::Phase::kOwning) {
        const auto config_records = *config->Poll(100, absl::ZeroDuration());
        for (const bus::Record& record : config_records) {
          config::v1::WorkspaceConfig parsed;
          parsed.ParseFromString(record.value);
          auto decision =
              engine.Decide(cause(common::v1::INPUT_TOPIC_CONFIG, record), parsed, absl::Now());
          if (decision) append(*decision);
          any = true;
        }
        const auto commands_records = *commands->Poll(100, absl::ZeroDuration());
        for (const bus::Record& record : commands_records) {
          command::v1::Command parsed;
          parsed.ParseFromString(record.value);
          append(
              engine.Decide(cause(common::v1::INPUT_TOPIC_COMMANDS, record), parsed, absl::Now()));
          any = true;
        }
        const auto inbound_records = *inbound->Poll(100, absl::ZeroDuration());
        for (const bus::Record& record : inbound_records) {
          message::v1::InboundMessage parsed;
          parsed.ParseFromString(record.value);
          append(
              engine.Decide(cause(common::v1::INPUT_TOPIC_INBOUND, record), parsed, absl::Now()));
          any = true;
        }
        while (engine.NextTimer() <= absl::Now()) {
          if (auto decision = engine.DecideTimer(absl::Now())) append(*decision);
        }
      }
      if (!any) wakeup_->Wait(absl::Milliseconds(20));
    }
  }

  bus::Bus& bus_;
  const int32_t partition_;
  const std::string key_;
  const std::shared_ptr<bus::Wakeup> wakeup_ = std::make_shared<bus::Wakeup>();
  std::jthread thread_;
};

}  // namespace wissel::agent_gateway
