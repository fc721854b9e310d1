// The simulator against Erlang C and Erlang A in long runs, at loads from 0.5 to 0.95.

#include <gtest/gtest.h>

#include <iostream>

#include "libs/sim/erlang_check.h"

namespace wissel::sim {
namespace {

void Expect(const char* what, const PlainDesk& desk, const Estimate& estimate, double theory) {
  std::cout << what << ", load " << desk.load << ": theory " << theory << ", simulated "
            << estimate.Text() << "\n";
  EXPECT_TRUE(estimate.Covers(theory)) << what << ", load " << desk.load;
}

TEST(ErlangLong, WaitsAreThoseOfErlangC) {
  for (const double load : {0.5, 0.8, 0.95}) {
    const PlainDesk desk{.agents = 10, .load = load};
    const Theory theory = ErlangC(desk);
    const Simulated simulated = SimulateDesk(desk, load > 0.9 ? 200'000 : 100'000, 11);
    Expect("share that waits", desk, simulated.waits, theory.waits);
    Expect("mean wait in seconds", desk, simulated.mean_wait, theory.mean_wait);
    EXPECT_LT(simulated.mean_wait.half_width, 0.4 * theory.mean_wait);
  }
}

TEST(ErlangLong, WaitsAndAbandonmentAreThoseOfErlangA) {
  for (const double load : {0.5, 0.8, 0.95, 1.2}) {
    const PlainDesk desk{.agents = 10, .load = load, .patience = absl::Minutes(4)};
    const Theory theory = ErlangA(desk);
    const Simulated simulated = SimulateDesk(desk, 60'000, 12);
    Expect("share that waits", desk, simulated.waits, theory.waits);
    Expect("mean wait in seconds", desk, simulated.mean_wait, theory.mean_wait);
    Expect("share that leaves", desk, simulated.abandonment, theory.abandonment);
    EXPECT_LT(simulated.abandonment.half_width, 0.4 * theory.abandonment);
  }
}

}  // namespace
}  // namespace wissel::sim
