#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "libs/bus/log_reader.h"
#include "libs/bus/ownership.h"

// What both implementations of the bus must do, as one suite. Each has its own program that
// instantiates it.
namespace wissel::bus {

struct BackendOptions {
  int partitions = 2;
  size_t max_record_bytes = 64 << 10;
};

struct Backend {
  std::string name;
  // A fresh, empty log.
  std::function<absl::StatusOr<std::unique_ptr<Bus>>(const BackendOptions&)> make;
  // What a lag monitor sees of a group, negative for nothing; empty where nobody could look.
  std::function<absl::StatusOr<int64_t>(absl::string_view group, Topic, int32_t partition)>
      committed = nullptr;
};

inline std::ostream& operator<<(std::ostream& out, const Backend& backend) {
  return out << backend.name;
}

inline constexpr absl::Duration kPatience = absl::Seconds(20);

class BusConformance : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override { Make({}); }

  // Replaces the bus by a fresh one.
  void Make(const BackendOptions& options);

  // Appends and waits; the offset.
  int64_t AppendRaw(Topic topic, int32_t partition, std::string value);
  int64_t AppendClaim(int64_t epoch, std::string owner = "raw");
  int64_t AppendDecision(int64_t epoch, int64_t sequence, int64_t claim_offset);

  std::unique_ptr<Reader> OpenReader(Topic topic, int32_t partition, int64_t offset = 0);
  std::unique_ptr<OwnedLog> OpenLog(std::string owner,
                                    std::shared_ptr<Appender> appender = nullptr);
  std::shared_ptr<Appender> Gapless() { return bus_->NewAppender({.gapless = true}); }

  // `count` records, waited for; fewer if time runs out.
  static std::vector<Record> ReadRecords(Reader& reader, size_t count);

  // The offsets of the valid decisions of log partition 0, read to its end by a new reader.
  std::vector<int64_t> ValidDecisions(std::optional<LogPosition> from = std::nullopt);

  // The offsets of all decisions in log partition 0 that carry this epoch, valid or not.
  std::vector<int64_t> DecisionsOf(int64_t epoch);

  // Polls until the log is owned or lost; the decisions met on the way.
  static std::vector<wissel::log::v1::Decision> Settle(OwnedLog& log);
  // Polls until our decisions are proven or the log is lost; how many were proven.
  static int64_t Confirm(OwnedLog& log);

  std::unique_ptr<Bus> bus_;
};

// A decision that says which input it answers, for counting.
wissel::log::v1::Decision DecisionFor(int64_t input);

}  // namespace wissel::bus
