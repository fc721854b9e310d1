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
  // How an agent is better off than before, as bits.
  struct Improvement {
    uint32_t kinds = 0;       // has come to have room for these
    uint32_t strategies = 0;  // has room for something, and had not or has a smaller key in these
  };
  Improvement Set(uint32_t agent, const AgentLoad& load);

  size_t size() const { return rows_.size(); }
  AgentLoad Load(uint32_t agent) const;
  // Units that work of this kind may not interrupt.
  int64_t TakenUnits(uint32_t agent, int kind) const { return TakenUnits(rows_[agent].held, kind); }

  const AgentSet& available() const { return available_; }
  // Available, with enough units and below the channel's limit.
  const AgentSet& with_room(int kind) const { return with_room_[kind]; }
  // Has room for some kind.
  const AgentSet& with_any_room() const { return with_any_room_; }
  // Available and with enough units, but at the channel's limit.
  const AgentSet& at_limit(int kind) const { return at_limit_[kind]; }
  // Bits for the kinds the agent has room for.
  uint32_t KindsWithRoom(uint32_t agent) const { return rows_[agent].room; }

  // What the strategy compares, the smaller the better; of agents whose keys are equal the smaller
  // id is.
  int64_t Key(config::v1::Strategy strategy, uint32_t agent) const {
    return keys_[agent][strategy];
  }

  size_t MemoryBytes() const;

 private:
  using Held = std::array<ChannelUse, kChannelKinds>;

  // What is looked at or changed of an agent at each change; one line of the processor's cache.
  struct alignas(64) Row {
    Held held = {};
    int32_t capacity_units = 0;
    uint32_t limits = 0;  // which of the policy's
    int32_t order = 0;    // of its id
    bool available = false;
    uint8_t room = 0;      // bits for kinds
    uint8_t at_limit = 0;  // bits for kinds
  };
  static_assert(sizeof(Row) == 64);

  // By strategy, the first that there is in front.
  static constexpr size_t kStrategies = config::v1::Strategy_ARRAYSIZE - 1;
  template <typename T>
  struct ByStrategy {
    T of[kStrategies] = {};
    T& operator[](config::v1::Strategy strategy) { return of[strategy - 1]; }
    T operator[](config::v1::Strategy strategy) const { return of[strategy - 1]; }
  };

  int64_t TakenUnits(const Held& held, int kind) const;
  // Bits for kinds.
  static void SetBits(uint32_t agent, uint32_t before, uint32_t after,
                      std::array<AgentSet, kChannelKinds>& sets);

  const Policy::Impl* policy_ = nullptr;
  std::vector<Row> rows_;
  // Apart from the rows, since many agents are compared at once.
  std::vector<ByStrategy<int64_t>> keys_;
  AgentSet available_;
  AgentSet with_any_room_;
  std::array<AgentSet, kChannelKinds> with_room_;
  std::array<AgentSet, kChannelKinds> at_limit_;
};

}  // namespace wissel::routing
