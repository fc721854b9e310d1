#include "libs/routing/agent_table.h"

#include <algorithm>
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
  // As they are for what stands in a new row.
  for (std::vector<int64_t>& values : values_) values.assign(agents, 0);
  values_[config::v1::STRATEGY_LONGEST_IDLE].assign(agents, Nanos(AgentLoad().idle_since));
  values_[config::v1::STRATEGY_LEAST_OCCUPIED].assign(agents, Occupancy(0, 0));

  orders_ = std::vector<AgentOrder>(policy.queues.size() + kStrategies);
  any_order_ = false;
  std::vector<std::vector<uint32_t>> queues(agents);
  for (uint32_t q = 0; q < policy.queues.size(); ++q) {
    policy.queue_data[q].primary.ForEach([&](uint32_t agent) { queues[agent].push_back(q); });
  }
  queues_.clear();
  queues_begin_.assign(1, 0);
  for (const std::vector<uint32_t>& of_agent : queues) {
    queues_.insert(queues_.end(), of_agent.begin(), of_agent.end());
    queues_begin_.push_back(static_cast<uint32_t>(queues_.size()));
  }

  for (uint32_t i = 0; i < agents; ++i) {
    const int32_t was = before == nullptr ? -1 : before->FindAgentIndex(policy.agent_ids[i]);
    Set(i, was < 0 ? AgentLoad() : rows[was].load);
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
  const AgentLoad before = std::exchange(row.load, load);
  const int64_t held_before = std::exchange(row.held_units, held);
  const bool had_room = std::exchange(row.room, room) != 0;
  row.units = units;

  // Most changes leave most values as they are; those are not even looked at.
  if (load.idle_since != before.idle_since) {
    SetValue(config::v1::STRATEGY_LONGEST_IDLE, agent, Nanos(load.idle_since));
  }
  if (held != held_before || load.capacity_units != before.capacity_units) {
    SetValue(config::v1::STRATEGY_LEAST_OCCUPIED, agent, Occupancy(held, load.capacity_units));
  }
  if (load.last_given != before.last_given) {
    SetValue(config::v1::STRATEGY_ROUND_ROBIN, agent, load.last_given);
  }
  if (!had_room && room != 0) AddToOrders(config::v1::STRATEGY_UNSPECIFIED, agent);
}

void AgentTable::SetValue(Strategy strategy, uint32_t agent, int64_t value) {
  const int64_t before = std::exchange(values_[strategy][agent], value);
  if (value < before && rows_[agent].room != 0) AddToOrders(strategy, agent);
}

void AgentTable::AddToOrders(Strategy strategy, uint32_t agent) {
  if (!any_order_) return;
  const bool all = strategy == config::v1::STRATEGY_UNSPECIFIED;
  const auto add = [&](AgentOrder& order, Strategy of) {
    if (order.built() && (all || of == strategy)) order.Add({OrderValue(of, agent), agent});
  };
  for (uint32_t i = queues_begin_[agent]; i < queues_begin_[agent + 1]; ++i) {
    add(orders_[queues_[i]], policy_->queue_data[queues_[i]].strategy);
  }
  for (size_t s = 0; s < kStrategies; ++s) {
    add(orders_[policy_->queues.size() + s], static_cast<Strategy>(s));
  }
}

AgentOrder& AgentTable::OrderOf(int32_t queue, Whom whom) {
  const Policy::Impl::QueueData& data = policy_->queue_data[queue];
  AgentOrder& order = whom == Whom::kPrimary
                          ? orders_[queue]
                          : orders_[policy_->queues.size() + static_cast<size_t>(data.strategy)];
  if (order.built()) return order;
  std::vector<AgentOrder::Entry> entries;
  const auto add = [&](uint32_t agent) {
    if (rows_[agent].room != 0) entries.push_back({OrderValue(data.strategy, agent), agent});
  };
  if (whom == Whom::kPrimary) {
    data.primary.ForEach(add);
  } else {
    for (uint32_t agent = 0; agent < rows_.size(); ++agent) add(agent);
  }
  order.Build(std::move(entries));
  any_order_ = true;
  return order;
}

size_t AgentTable::MemoryBytes() const {
  size_t bytes = rows_.capacity() * sizeof(Row) + available_.MemoryBytes();
  for (int k = 0; k < kChannelKinds; ++k) {
    bytes += with_units_[k].MemoryBytes() + with_room_[k].MemoryBytes();
  }
  for (const std::vector<int64_t>& values : values_) bytes += values.capacity() * sizeof(int64_t);
  for (const AgentOrder& order : orders_) bytes += order.MemoryBytes();
  return bytes + orders_.capacity() * sizeof(AgentOrder) +
         (queues_begin_.capacity() + queues_.capacity()) * sizeof(uint32_t);
}

}  // namespace wissel::routing
