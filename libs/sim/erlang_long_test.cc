// The simulator against Erlang C and Erlang A in long runs, of small and large desks, at loads up
// to 0.95.

#include <gtest/gtest.h>

#include <iostream>

#include "absl/strings/str_format.h"
#include "libs/sim/erlang_check.h"

namespace wissel::sim {
namespace {

struct Long {
  int agents;
  double load;
  int conversations;
  // Half of the confidence interval, of the theory's value: what a wrong simulator may hide in.
  double narrow;
};

// Both where the theory has it, and narrow enough to say something.
void Expect(const char* what, const PlainDesk& desk, const Estimate& estimate, double theory,
            double narrow) {
  std::cout << absl::StrFormat("| %s | %d | %.2f | %.4g | %.4g ± %.2g |\n", what, desk.agents,
                               desk.load, theory, estimate.mean, estimate.half_width);
  EXPECT_TRUE(estimate.Covers(theory))
      << what << ", load " << desk.load << ", agents " << desk.agents;
  EXPECT_LT(estimate.half_width, narrow * theory)
      << what << ", load " << desk.load << ", agents " << desk.agents;
}

TEST(ErlangLong, WaitsAreThoseOfErlangC) {
  for (const Long& run :
       {Long{1, 0.7, 100'000, 0.15}, Long{10, 0.5, 200'000, 0.3}, Long{10, 0.8, 200'000, 0.25},
        Long{10, 0.95, 200'000, 0.4}, Long{50, 0.9, 200'000, 0.4}}) {
    const PlainDesk desk{.agents = run.agents, .load = run.load};
    const Theory theory = ErlangC(desk);
    const Simulated simulated = SimulateDesk(desk, run.conversations, 11);
    Expect("share that waits", desk, simulated.waits, theory.waits, run.narrow);
    Expect("mean wait in seconds", desk, simulated.mean_wait, theory.mean_wait, run.narrow);
  }
}

TEST(ErlangLong, WaitsAndAbandonmentAreThoseOfErlangA) {
  for (const Long& run :
       {Long{1, 0.7, 60'000, 0.3}, Long{10, 0.5, 60'000, 0.5}, Long{10, 0.8, 60'000, 0.3},
        Long{10, 0.95, 60'000, 0.3}, Long{10, 1.2, 60'000, 0.3}, Long{50, 0.96, 60'000, 0.3}}) {
    const PlainDesk desk{.agents = run.agents, .load = run.load, .patience = absl::Minutes(4)};
    const Theory theory = ErlangA(desk);
    const Simulated simulated = SimulateDesk(desk, run.conversations, 12);
    Expect("share that waits", desk, simulated.waits, theory.waits, run.narrow);
    Expect("mean wait in seconds", desk, simulated.mean_wait, theory.mean_wait, run.narrow);
    Expect("share that leaves", desk, simulated.abandonment, theory.abandonment, run.narrow);
  }
}

}  // namespace
}  // namespace wissel::sim
