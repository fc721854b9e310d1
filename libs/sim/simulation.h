#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/domain/state.h"
#include "libs/sim/behaviour.h"
#include "libs/sim/report.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::sim {

// A configuration that comes into force during the run.
struct ConfigChange {
  absl::Time time;
  config::v1::WorkspaceConfig config;
};

// A conversation that was open when the run began, and what will come of it.
struct Ongoing {
  std::string conversation_id;
  Customer customer;
};

struct SimulationOptions {
  // One workspace's, in order of time, with rising versions; the first not later than `start`.
  std::vector<ConfigChange> configs;
  absl::Time start;
  absl::Duration length;
  absl::Duration run_out;
  // Conversations that come before it has passed are not counted.
  absl::Duration warm_up;
  // The state to begin with: none, or what a log was folded to.
  domain::State state;
  std::vector<Ongoing> ongoing;

  std::optional<absl::Duration> service_level;
  std::optional<absl::Duration> first_response_target;

  // Every decision, in order.
  std::function<void(const log::v1::Decision&)> on_decision;
  // Every counted conversation, when its wait is over.
  std::function<void(const Outcome&)> on_outcome;
  // The share of the run that is done, now and then.
  std::function<void(double)> on_progress;
};

// Runs the routers' own engine in virtual time: one heap of what people do, the engine's timers,
// and every decision's events read for what follows. The same options and behaviour give the same
// report, bit for bit, on every machine.
//
// Customers come until `start + length`; what then still waits has `run_out` to be served.
Report Simulate(SimulationOptions options, Behaviour& behaviour);

// The same figures of a time that has been: reads decisions that were made elsewhere. Of the
// options it needs the start, the length, the state, who is ongoing and the targets.
class Watch {
 public:
  explicit Watch(SimulationOptions options);
  ~Watch();
  // In order of time. The state is the one behind it.
  void Take(const log::v1::Decision& decision, const domain::State& state);
  // As things stood at the end of the length.
  Report Finish();

 private:
  std::unique_ptr<class Run> run_;
};

}  // namespace wissel::sim
