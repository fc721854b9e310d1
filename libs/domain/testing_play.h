#pragma once

#include <map>
#include <string>
#include <vector>

#include "libs/domain/testing_day.h"
#include "libs/domain/testing_model.h"
#include "libs/domain/testing_shop.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::domain::testing {

// What holds of every state, whatever has been decided: capacity, nothing in two places, nothing
// kept for nothing.
class Invariants {
 public:
  // What does not, after a step; empty: all does.
  std::string Check(const State& state);

 private:
  // Units of an agent's, by channel.
  using Held = std::map<int, int>;

  // One step earlier.
  std::map<std::string, Held> before_;
};

// A mistake made on purpose in what the model is shown, to see that it is noticed.
enum class Slip {
  kNone,
  kOfferedToAnother,
  kAssignedToAnother,
  kPulledByAnother,
  kPlaceLost,
  kQueueMistaken,
  kFirstAgentForgotten,
  kUnitsForgotten,
  kExplainedOtherwise,
  kOfferForgotten,
  kWithdrawalForgotten,
  kDeclineForgotten,
  kAwayForgotten,
  kAfterWorkForgotten,
  kOverflowedAgain,
  kOverflowForgotten,
  kStepTakenAgain,
  kWarnedAgain,
  kWarningForgotten,
  kPolicyForgotten,
  // A timer of one kind is not there.
  kNoConversationTimer,
  kNoAgentLostTimer,
  kNoGatewayLeaseTimer,
  kNoRelaxTimer,
  kNoOverflowTimer,
  kNoSlaTimer,
  kNoEstimateTimer,
  kNoAtRiskTimer,
  kNoWrapUpTimer,
  kNoOwnerGoneTimer,
  kEnd,
};

// A shop, with the plain model beside it and the invariants above it.
class WatchedShop {
 public:
  // After each `take_over_every` inputs somebody takes over beside it.
  WatchedShop(const config::v1::WorkspaceConfig& config, Slip slip, int take_over_every)
      : shop_(config), slip_(slip), take_over_every_(take_over_every) {}

  // What is wrong after it; empty: nothing.
  std::string Do(const RandomDay::Input& input);

  Shop& shop() { return shop_; }
  const EngineModel& model() const { return model_; }
  // After how many inputs nothing was due any more, so that the model was asked about everything.
  int settled() const { return settled_; }

 private:
  log::v1::Decision Spoilt(const log::v1::Decision& decision) const;
  std::vector<Timers::Timer> TimersOf(const Engine& engine) const;

  Shop shop_;
  const Slip slip_;
  const int take_over_every_;
  EngineModel model_;
  Invariants invariants_;
  size_t followed_ = 0;
  int settled_ = 0;
};

// A day that can be played again.
struct Script {
  config::v1::WorkspaceConfig config;
  std::vector<RandomDay::Input> inputs;
};

// What is wrong, and after which input; empty: nothing. Somebody takes over after every input.
std::string Play(const Script& script, Slip slip = Slip::kNone);
// The shortest one found that still goes wrong: inputs are taken out by halves, quarters and so on
// (delta debugging).
Script Shrink(Script script, Slip slip = Slip::kNone);
// For people: an input a line.
std::string Print(const Script& script);

}  // namespace wissel::domain::testing
