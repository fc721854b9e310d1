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
  const std::vector<Row> rows = std::exchange(rows_, std::vector<Row>(agents));
  available_.Reset(agents);
  for (int k = 0; k < kChannelKinds; ++k) {
    with_units_[k].Reset(agents);
    with_room_[k].Reset(agents);
  }
  for (std::vector<int64_t>& values : values_) values.assign(agents, 0);
  for (uint32_t i = 0; i < agents; ++i) {
    const int32_t was = before == nullptr ? -1 : before->FindAgentIndex(policy.agent_ids[i]);
    Set(i, was < 0 ? AgentLoad() : rows[was].load);
  }
}

int64_t AgentTable::LeastValue(Strategy strategy) {
  const bool from_zero = strategy == config::v1::STRATEGY_BEST_SKILL ||
                         strategy == config::v1::STRATEGY_LEAST_OCCUPIED;
  return from_zero ? 0 : std::numeric_limits<int64_t>::min();
}

int64_t AgentTable::TakenUnits(const AgentLoad& load, int kind) const {
  int64_t taken = 0;
  for (int k = 0; k < kChannelKinds; ++k) {
    if ((policy_->may_interrupt[kind] >> k & 1) == 0) taken += load.held[k].units;
  }
  return taken;
}

void AgentTable::Set(uint32_t agent, const AgentLoad& load) {
  Row& row = rows_[agent];
  int64_t held = 0;
  for (const ChannelUse& use : load.held) held += use.units;
  uint8_t units = 0;
  uint8_t room = 0;
  for (int k = 0; load.available && k < kChannelKinds; ++k) {
    const int64_t taken = policy_->may_interrupt[k] == 0 ? held : TakenUnits(load, k);
    if (load.capacity_units - taken < policy_->weight[k]) continue;
    units |= static_cast<uint8_t>(1 << k);
    if (load.held[k].conversations >= policy_->limits[agent][k]) continue;
    room |= static_cast<uint8_t>(1 << k);
  }
  if (load.available != row.load.available) available_.Set(agent, load.available);
  for (uint32_t changed = units ^ row.units; changed != 0; changed &= changed - 1) {
    const int kind = std::countr_zero(changed);
    with_units_[kind].Set(agent, (units >> kind & 1) != 0);
  }
  for (uint32_t changed = room ^ row.room; changed != 0; changed &= changed - 1) {
    const int kind = std::countr_zero(changed);
    with_room_[kind].Set(agent, (room >> kind & 1) != 0);
  }
  row = {.load = load, .units = units, .room = room};
  values_[config::v1::STRATEGY_LONGEST_IDLE][agent] = Nanos(load.idle_since);
  values_[config::v1::STRATEGY_LEAST_OCCUPIED][agent] = Occupancy(held, load.capacity_units);
  values_[config::v1::STRATEGY_ROUND_ROBIN][agent] = load.last_given;
}

size_t AgentTable::MemoryBytes() const {
  size_t bytes = rows_.capacity() * sizeof(Row) + available_.MemoryBytes();
  for (int k = 0; k < kChannelKinds; ++k) {
    bytes += with_units_[k].MemoryBytes() + with_room_[k].MemoryBytes();
  }
  for (const std::vector<int64_t>& values : values_) bytes += values.capacity() * sizeof(int64_t);
  return bytes;
}

}  // namespace wissel::routing
