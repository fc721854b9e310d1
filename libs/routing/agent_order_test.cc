#include "libs/routing/agent_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

namespace wissel::routing {
namespace {

// Agents whose values rise and fall, and who are wanted now and then; every walk must meet those
// wanted, each once, in the order of value and agent.
TEST(AgentOrder, MeetsEveryAgentOnceInOrder) {
  constexpr uint32_t kAgents = 40;
  std::mt19937 random(1);
  std::vector<std::optional<int64_t>> values(kAgents);
  AgentOrder order;
  const auto current = [&](uint32_t agent) {
    return values[agent].has_value() ? AgentOrder::Entry{*values[agent], agent} : AgentOrder::kGone;
  };
  for (int step = 0; step < 5'000; ++step) {
    const uint32_t agent = random() % kAgents;
    const std::optional<int64_t> before = values[agent];
    values[agent].reset();
    if (random() % 4 != 0) values[agent] = static_cast<int64_t>(random() % 20);
    if (!order.built()) {
      std::vector<AgentOrder::Entry> entries;
      for (uint32_t i = 0; i < kAgents; ++i) {
        if (values[i].has_value()) entries.push_back(current(i));
      }
      order.Build(std::move(entries));
    } else if (values[agent].has_value() && (!before.has_value() || *values[agent] < *before)) {
      order.Add(current(agent));
      if (!order.built()) continue;
    }
    std::vector<AgentOrder::Entry> expected;
    for (uint32_t i = 0; i < kAgents; ++i) {
      if (values[i].has_value()) expected.push_back(current(i));
    }
    std::sort(expected.begin(), expected.end());
    // Some walks end early, and leave the rest as it was.
    const size_t wanted = 1 + random() % kAgents;
    expected.resize(std::min(expected.size(), wanted));
    std::vector<AgentOrder::Entry> met;
    const bool sufficed = order.Walk(1'000'000, current, [&](uint32_t visited) {
      met.push_back(current(visited));
      return met.size() < wanted;
    });
    ASSERT_TRUE(sufficed);
    ASSERT_EQ(met, expected);
  }
}

TEST(AgentOrder, SaysWhenTheStepsDoNotSuffice) {
  AgentOrder order;
  order.Build({{1, 1}, {2, 2}, {3, 3}});
  const auto current = [](uint32_t agent) { return AgentOrder::Entry{agent, agent}; };
  EXPECT_FALSE(order.Walk(2, current, [](uint32_t) { return true; }));
  EXPECT_TRUE(order.Walk(3, current, [](uint32_t) { return true; }));
}

}  // namespace
}  // namespace wissel::routing
