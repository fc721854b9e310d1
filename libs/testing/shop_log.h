#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/bus.h"
#include "libs/bus/ownership.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"

namespace wissel::testing {

// A shop that works on a real log: owns a partition of `bus`, decides with the engine and appends
// what it decides, as a router does. The shop is domain::testing::ShopConfig unless another is
// given: workspace "acme", group "main", queues nl and en, agents anna, bram and carol. The clock
// is moved by hand. For one thread.
class ShopLog {
 public:
  enum class Inputs { kNowhere, kInTheirTopics };
  // Claims the partition and configures the shop. The bus must outlive it. Inputs stand in their
  // topics as well where whoever is tested reads them.
  explicit ShopLog(bus::Bus& bus, int32_t partition = 0, Inputs inputs = Inputs::kNowhere,
                   const config::v1::WorkspaceConfig& config = domain::testing::ShopConfig());

  // Puts another configuration in force, where it is one.
  void Apply(const config::v1::WorkspaceConfig& config);
  // Each returns what was decided and appends it, without waiting; see Sync.
  log::v1::Decision Receive(const message::v1::InboundMessage& message);
  log::v1::Decision Do(const command::v1::Command& command);
  log::v1::Decision Report(const receipt::v1::Receipt& receipt);
  // Lets the clock run, firing what falls due on the way.
  void Wait(absl::Duration duration);
  // A complete restating round, behind a new claim.
  void Restate();
  // Another router takes over: folds the log, claims, and goes on.
  void TakeOver();

  // A new conversation of the customer `from`; its id.
  std::string Open(absl::string_view from, absl::string_view language);
  // Connected, for the ten minutes that a lease may last, and available.
  void Online(absl::string_view agent);
  void Accept(const std::string& conversation_id);
  // The answer's outbound id.
  std::string Reply(absl::string_view agent, const std::string& conversation_id,
                    absl::string_view text);
  void AddNote(absl::string_view agent, const std::string& conversation_id, absl::string_view text);
  void Consult(absl::string_view agent, const std::string& conversation_id,
               absl::string_view consulted, absl::string_view note);
  // By the one consulted.
  void EndConsult(absl::string_view consulted, const std::string& conversation_id);
  void Resolve(absl::string_view agent, const std::string& conversation_id);
  void Deliver(const std::string& outbound_id);

  // Something that may happen on a day, the same for the same seed.
  void Happen(std::mt19937& random);

  // Garbage and void records between the valid ones, as zombies leave them.
  void AppendGarbage();

  const domain::State& state() const { return engine_->state(); }
  // Waits until everything appended stands in the log.
  void Sync();
  // The next offset of the log.
  int64_t end() {
    Sync();
    return log_->position().offset;
  }

  absl::Time now = domain::testing::StartTime();

 private:
  void OpenLog();
  void Claim();
  void Put(bus::Topic topic, std::string value);
  log::v1::InputCause Cause(common::v1::InputTopic topic);
  log::v1::Decision Append(log::v1::Decision decision);
  std::string Key() { return std::to_string(++keys_); }

  bus::Bus& bus_;
  const int32_t partition_;
  const Inputs inputs_;
  int owners_ = 0;
  std::shared_ptr<bus::Appender> appender_;
  std::unique_ptr<bus::Appender> input_appender_;
  std::unique_ptr<bus::OwnedLog> log_;
  std::optional<domain::Engine> engine_;
  std::map<common::v1::InputTopic, int64_t> offsets_;
  int keys_ = 0;
};

}  // namespace wissel::testing
