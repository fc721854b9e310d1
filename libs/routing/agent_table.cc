#include "libs/routing/agent_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace wissel::routing {

using config::v1::Strategy;

namespace {

// Of capacity, in permille; the smaller the better.
int64_t Occupancy(int64_t held_units, int32_t capacity_units) {
  if (capacity_units <= 0) return 1000;
  return std::min<int64_t>(held_units * 1000 / capacity_units, std::numeric_limits<int32_t>::max());
}

}  // namespace

void AgentTable::Configure(const Policy::Impl& policy, const Policy::Impl* before) {
  policy_ = &policy;
  const size_t agents = policy.agent_count();
  const std::vector<AgentLoad> loads = std::exchange(loads_, std::vector<AgentLoad>(agents));
  bits_.assign(agents, Bits());
  available_.Reset(agents);
  for (int k = 0; k < kChannelKinds; ++k) {
    with_units_[k].Reset(agents);
    with_room_[k].Reset(agents);
  }
  for (std::vector<int64_t>& keys : keys_) keys.assign(agents, 0);
  for (uint32_t i = 0; i < agents; ++i)
    keys_[config::v1::STRATEGY_BEST_SKILL][i] = policy.id_order[i];
  for (uint32_t i = 0; i < agents; ++i) {
    const int32_t was = before == nullptr ? -1 : before->FindAgentIndex(policy.agent_ids[i]);
    Set(i, was < 0 ? AgentLoad() : loads[was]);
  }
}

int64_t AgentTable::TakenUnits(const AgentLoad& load, int kind) const {
  int64_t taken = 0;
  for (int k = 0; k < kChannelKinds; ++k) {
    if ((policy_->may_interrupt[kind] >> k & 1) == 0) taken += load.held[k].units;
  }
  return taken;
}

void AgentTable::Set(uint32_t agent, const AgentLoad& load) {
  int64_t held = 0;
  for (const ChannelUse& use : load.held) held += use.units;
  const std::array<int32_t, kChannelKinds>& limits = policy_->limits[policy_->limits_of[agent]];
  Bits bits = {.available = load.available};
  for (int k = 0; load.available && k < kChannelKinds; ++k) {
    const int64_t taken = policy_->may_interrupt[k] == 0 ? held : TakenUnits(load, k);
    if (load.capacity_units - taken < policy_->weight[k]) continue;
    bits.units |= static_cast<uint8_t>(1 << k);
    if (load.held[k].conversations >= limits[k]) continue;
    bits.room |= static_cast<uint8_t>(1 << k);
  }
  const Bits before = std::exchange(bits_[agent], bits);
  if (bits.available != before.available) available_.Set(agent, bits.available);
  for (uint32_t changed = bits.units ^ before.units; changed != 0; changed &= changed - 1) {
    const int kind = std::countr_zero(changed);
    with_units_[kind].Set(agent, (bits.units >> kind & 1) != 0);
  }
  for (uint32_t changed = bits.room ^ before.room; changed != 0; changed &= changed - 1) {
    const int kind = std::countr_zero(changed);
    with_room_[kind].Set(agent, (bits.room >> kind & 1) != 0);
  }
  loads_[agent] = load;
  keys_[config::v1::STRATEGY_LONGEST_IDLE][agent] = Nanos(load.idle_since);
  keys_[config::v1::STRATEGY_LEAST_OCCUPIED][agent] =
      Occupancy(held, load.capacity_units) << 32 | policy_->id_order[agent];
  keys_[config::v1::STRATEGY_ROUND_ROBIN][agent] = load.last_given;
}

size_t AgentTable::MemoryBytes() const {
  size_t bytes = loads_.capacity() * sizeof(AgentLoad) + bits_.capacity() * sizeof(Bits) +
                 available_.MemoryBytes();
  for (int k = 0; k < kChannelKinds; ++k) {
    bytes += with_units_[k].MemoryBytes() + with_room_[k].MemoryBytes();
  }
  for (const std::vector<int64_t>& keys : keys_) bytes += keys.capacity() * sizeof(int64_t);
  return bytes;
}

}  // namespace wissel::routing
