#include "libs/routing/agent_table.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <utility>

namespace wissel::routing {

namespace {

// Of capacity, in permille; the smaller the better.
int64_t Occupancy(int64_t held_units, int32_t capacity_units) {
  if (capacity_units <= 0) return 1000;
  return std::min<int64_t>(held_units * 1000 / capacity_units, std::numeric_limits<int32_t>::max());
}

// The other way round from Nanos.
absl::Time FromNanos(int64_t nanos) {
  if (nanos == std::numeric_limits<int64_t>::max()) return absl::InfiniteFuture();
  if (nanos == std::numeric_limits<int64_t>::min()) return absl::InfinitePast();
  return absl::FromUnixNanos(nanos);
}

}  // namespace

void AgentTable::Configure(const Policy::Impl& policy, const Policy::Impl* before) {
  std::vector<AgentLoad> loads(policy.agent_count());
  for (uint32_t i = 0; i < loads.size(); ++i) {
    const int32_t was = before == nullptr ? -1 : before->FindAgentIndex(policy.agent_ids[i]);
    if (was >= 0) loads[i] = Load(static_cast<uint32_t>(was));
  }
  policy_ = &policy;
  rows_.assign(loads.size(), Row());
  keys_.assign(loads.size(), {});
  available_.Reset(loads.size());
  with_any_room_.Reset(loads.size());
  for (int k = 0; k < kChannelKinds; ++k) {
    with_room_[k].Reset(loads.size());
    at_limit_[k].Reset(loads.size());
  }
  for (uint32_t i = 0; i < loads.size(); ++i) {
    rows_[i].limits = policy.limits_of[i];
    rows_[i].order = policy.id_order[i];
    Set(i, loads[i]);
  }
}

AgentLoad AgentTable::Load(uint32_t agent) const {
  const Row& row = rows_[agent];
  return {.available = row.available,
          .capacity_units = row.capacity_units,
          .held = row.held,
          .idle_since = FromNanos(Key(config::v1::STRATEGY_LONGEST_IDLE, agent)),
          .last_given = Key(config::v1::STRATEGY_ROUND_ROBIN, agent)};
}

int64_t AgentTable::TakenUnits(const Held& held, int kind) const {
  int64_t taken = 0;
  for (int k = 0; k < kChannelKinds; ++k) {
    if ((policy_->may_interrupt[kind] >> k & 1) == 0) taken += held[k].units;
  }
  return taken;
}

AgentTable::Improvement AgentTable::Set(uint32_t agent, const AgentLoad& load) {
  Row& row = rows_[agent];
  int64_t held = 0;
  for (const ChannelUse& use : load.held) held += use.units;
  const std::array<int32_t, kChannelKinds>& limits = policy_->limits[row.limits];
  uint8_t room = 0;
  uint8_t at_limit = 0;
  for (int k = 0; load.available && k < kChannelKinds; ++k) {
    const int64_t taken = policy_->may_interrupt[k] == 0 ? held : TakenUnits(load.held, k);
    if (load.capacity_units - taken < policy_->weight[k]) continue;
    (load.held[k].conversations < limits[k] ? room : at_limit) |= static_cast<uint8_t>(1 << k);
  }
  ByStrategy<int64_t> keys;
  keys[config::v1::STRATEGY_LONGEST_IDLE] = Nanos(load.idle_since);
  keys[config::v1::STRATEGY_BEST_SKILL] = row.order;
  keys[config::v1::STRATEGY_LEAST_OCCUPIED] =
      Occupancy(held, load.capacity_units) << 32 | row.order;
  keys[config::v1::STRATEGY_ROUND_ROBIN] = load.last_given;

  const ByStrategy<int64_t> keys_before = std::exchange(keys_[agent], keys);
  Improvement improvement{.kinds = room & ~uint32_t{row.room}};
  for (uint32_t s = 1; room != 0 && s <= kStrategies; ++s) {
    const auto strategy = static_cast<config::v1::Strategy>(s);
    const bool better = row.room == 0 || keys[strategy] < keys_before[strategy];
    improvement.strategies |= uint32_t{better} << s;
  }
  if (load.available != row.available) available_.Set(agent, load.available);
  if ((room != 0) != (row.room != 0)) with_any_room_.Set(agent, room != 0);
  SetBits(agent, row.room, room, with_room_);
  SetBits(agent, row.at_limit, at_limit, at_limit_);
  row.held = load.held;
  row.capacity_units = load.capacity_units;
  row.available = load.available;
  row.room = room;
  row.at_limit = at_limit;
  return improvement;
}

void AgentTable::SetBits(uint32_t agent, uint32_t before, uint32_t after,
                         std::array<AgentSet, kChannelKinds>& sets) {
  for (uint32_t changed = before ^ after; changed != 0; changed &= changed - 1) {
    const int kind = std::countr_zero(changed);
    sets[kind].Set(agent, (after >> kind & 1) != 0);
  }
}

size_t AgentTable::MemoryBytes() const {
  size_t bytes = rows_.capacity() * sizeof(Row) + keys_.capacity() * sizeof(ByStrategy<int64_t>) +
                 available_.MemoryBytes() + with_any_room_.MemoryBytes();
  for (int k = 0; k < kChannelKinds; ++k) {
    bytes += with_room_[k].MemoryBytes() + at_limit_[k].MemoryBytes();
  }
  return bytes;
}

}  // namespace wissel::routing
