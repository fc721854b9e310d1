#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>

#include "wissel/config/v1/config.pb.h"

namespace wissel::routing::testing {

// A shop of any size, for benchmarks. What it is like stands in docs/reference/benchmarks.md,
// section Routing.
inline constexpr char kGroup[] = "main";
inline constexpr int kQueues = 60;
inline constexpr int kSkills = 200;
inline constexpr int kCapacityUnits = 4;

std::string QueueId(int i);
std::string AgentId(int i);

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint32_t>(n)); }
  bool Percent(int share) { return Below(100) < share; }
  // The first ones far more often.
  int Skewed(int n) { return std::min({Below(n), Below(n), Below(n)}); }

 private:
  std::mt19937 engine_;
};

// Without a workspace and accounts.
config::v1::WorkspaceConfig Shop(int agents, int64_t version = 1);

}  // namespace wissel::routing::testing
