// What the tests of the router's service share: a bus that can be altered, and the log read as it
// grows.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/bus/bus.h"
#include "libs/bus/embedded.h"
#include "libs/bus/log_reader.h"
#include "libs/domain/state.h"
#include "libs/domain/testing.h"
#include "libs/testing/eventually.h"
#include "libs/testing/forwarding_bus.h"
#include "libs/testing/status_matchers.h"
#include "services/router/testing.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::router {

using conversation::v1::Event;
using domain::testing::CommandBy;
using domain::testing::ShopConfig;
using domain::testing::Text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Router;
using wissel::testing::StatusIs;

inline constexpr absl::Duration kPatience = absl::Seconds(20);

// Until it is true, asked now and then; false when patience ends.
inline bool Wait(const std::function<bool()>& condition) {
  const absl::Time deadline = absl::Now() + kPatience;
  bool holds = condition();
  for (; !holds && absl::Now() < deadline; holds = condition()) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  return holds;
}

// A bus that is told to have no room for decisions of the shop's, or another number of partitions.
class AlteredBus final : public wissel::testing::ForwardingBus {
 public:
  using ForwardingBus::ForwardingBus;

  absl::StatusOr<int> PartitionCount(bus::Topic topic) override {
    const bool altered = partitions > 0 && topic != bus::Topic::kConfig;
    return altered ? partitions.load() : ForwardingBus::PartitionCount(topic);
  }
  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    class Full final : public bus::Appender {
     public:
      Full(std::unique_ptr<bus::Appender> real, const std::atomic<bool>& full)
          : real_(std::move(real)), full_(full) {}
      void Append(bus::Outgoing record, Done done) override {
        real_->Append(std::move(record), std::move(done));
      }
      absl::Status Admit(const bus::Outgoing& record) const override {
        if (full_ && record.key == "acme/main") return absl::ResourceExhaustedError("full");
        return real_->Admit(record);
      }
      absl::Status Flush(absl::Duration timeout) override { return real_->Flush(timeout); }

     private:
      const std::unique_ptr<bus::Appender> real_;
      const std::atomic<bool>& full_;
    };
    return std::make_unique<Full>(ForwardingBus::NewAppender(options), full);
  }

  std::atomic<bool> full = false;
  std::atomic<int> partitions = 0;
};

class RouterTest : public ::testing::Test {
 protected:
  explicit RouterTest(size_t max_record_bytes = 1 << 20)
      : bus_(bus::NewEmbeddedBus(
                 {.path = ":memory:", .partitions = 1, .max_record_bytes = max_record_bytes})
                 .value()),
        appender_(bus_->NewAppender({})) {}

  void Put(bus::Topic topic, std::string value, std::string key = "acme/main",
           bus::Headers headers = {}) {
    appender_->Append({.topic = topic,
                       .partition = 0,
                       .key = std::move(key),
                       .value = std::move(value),
                       .headers = std::move(headers)},
                      [](absl::StatusOr<int64_t> offset) { ASSERT_TRUE(offset.ok()); });
  }
  void Put(const message::v1::InboundMessage& m) {
    Put(bus::Topic::kInbound, m.SerializeAsString());
  }
  std::vector<deadletter::v1::DeadLetter> DeadLetters() {
    auto reader = bus_->OpenReader(bus::Topic::kDeadLetter, 0, {}).value();
    const std::vector<bus::Record> records = reader->Poll(100, absl::ZeroDuration()).value();
    std::vector<deadletter::v1::DeadLetter> letters(records.size());
    for (size_t i = 0; i < records.size(); ++i) {
      EXPECT_TRUE(letters[i].ParseFromString(records[i].value));
    }
    return letters;
  }
  void Put(const command::v1::Command& c) { Put(bus::Topic::kCommands, c.SerializeAsString()); }
  void Put(const config::v1::WorkspaceConfig& c) {
    Put(bus::Topic::kConfig, c.SerializeAsString(), c.workspace_id());
  }

  // Reads the log on until `wanted` has been true of an event; false when patience ends.
  template <typename F>
  bool ReadUntil(F wanted) {
    if (log_ == nullptr) log_ = bus::LogReader::Open(*bus_, 0, {}).value();
    const absl::Time deadline = absl::Now() + kPatience;
    bool found = false;
    while (!found && absl::Now() < deadline) {
      const std::vector<bus::LogEntry> entries = log_->Poll(1, absl::Milliseconds(100)).value();
      for (const bus::LogEntry& entry : entries) {
        state_.Apply(entry.record.decision());
        for (const Event& event : entry.record.decision().events()) {
          ++seen_[event.kind_case()];
          found = wanted(event) || found;
        }
      }
    }
    return found;
  }
  bool ReadUntil(Event::KindCase kind) {
    return ReadUntil([kind](const Event& e) { return e.kind_case() == kind; });
  }

  const std::unique_ptr<bus::Bus> bus_;
  const std::unique_ptr<bus::Appender> appender_;
  std::unique_ptr<bus::LogReader> log_;
  domain::State state_;
  std::map<Event::KindCase, int> seen_;
};

}  // namespace wissel::router
