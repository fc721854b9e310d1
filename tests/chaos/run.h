#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "tests/chaos/stage.h"

namespace wissel::chaos {

// The share of a run's messages that are mails. Postfix and Dovecot would bear more (500 a second
// on two cores), but what a mail costs, with its answer, the others do not get.
inline constexpr double kMailShare = 0.05;

struct RunOptions {
  StageOptions stage;
  uint64_t seed = 1;
  int messages = 20'000;  // Mails included, where the stage has mail servers.
  // How long the customers write, and the incidents go on.
  absl::Duration duration = absl::Seconds(60);
};

// A whole run: customers, agents and incidents, then the judgement, printed. True where nothing was
// found.
absl::StatusOr<bool> RunChaos(const RunOptions& options);

enum class Canary { kEpoch, kDedupe, kAck };

struct CanaryOptions {
  RunOptions run;
  Canary canary = Canary::kEpoch;
  // Leave the guard on: then nothing may be found.
  bool control = false;
};

// A short run with one guard off, made so that it must do harm. True where the checkers reported
// the harm (with `control`: where they reported none).
absl::StatusOr<bool> RunCanary(const CanaryOptions& options);

}  // namespace wissel::chaos
