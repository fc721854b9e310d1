#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "libs/routing/agent_set.h"
#include "libs/routing/matcher.h"
#include "libs/routing/policy_impl.h"

namespace wissel::routing {

// The agents of a matcher, by their index in the policy: what was set last of each, as the
// questions about all of them need it.
class AgentTable {
 public:
  // Puts a policy in force, which must outlive what follows; agents who were in the one before
  // (null: there was none) keep what was set of them.
  void Configure(const Policy::Impl& policy, const Policy::Impl* before);
  void Set(uint32_t agent, const AgentLoad& load);

  size_t size() const { return loads_.size(); }
  const AgentLoad& load(uint32_t agent) const { return loads_[agent]; }
  // Units that work of this kind may not interrupt.
  int64_t TakenUnits(uint32_t agent, int kind) const { return TakenUnits(loads_[agent], kind); }

  const AgentSet& available() const { return available_; }
  // Available and with enough units; below the channel's limit as well.
  const AgentSet& with_units(int kind) const { return with_units_[kind]; }
  const AgentSet& with_room(int kind) const { return with_room_[kind]; }
  // Bits for the kinds the agent has room for.
  uint32_t KindsWithRoom(uint32_t agent) const { return bits_[agent].room; }

  // What the strategy compares, by agent, the smaller the better; of agents whose keys are equal
  // the smaller id is.
  const std::vector<int64_t>& keys(config::v1::Strategy strategy) const { return keys_[strategy]; }

  size_t MemoryBytes() const;

 private:
  static constexpr size_t kStrategies = config::v1::Strategy_ARRAYSIZE;

  // See with_units and with_room; bits for kinds.
  struct Bits {
    bool available = false;
    uint8_t units = 0;
    uint8_t room = 0;
  };

  int64_t TakenUnits(const AgentLoad& load, int kind) const;

  const Policy::Impl* policy_ = nullptr;
  std::vector<AgentLoad> loads_;
  // Apart from the loads, which are written but seldom read.
  std::vector<Bits> bits_;
  AgentSet available_;
  std::array<AgentSet, kChannelKinds> with_units_;
  std::array<AgentSet, kChannelKinds> with_room_;
  // What strategies compare; apart from the loads, since many agents are compared at once.
  std::array<std::vector<int64_t>, kStrategies> keys_;
};

}  // namespace wissel::routing
