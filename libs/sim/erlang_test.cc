// The simulator against Erlang C and Erlang A, quickly. erlang_long_test.cc goes up to a load of
// 0.95.

#include <gtest/gtest.h>

#include "libs/sim/erlang_check.h"

namespace wissel::sim {
namespace {

TEST(Erlang, FormulasGiveTabulatedValues) {
  // 10 agents at 8 erlangs: a standard table's C = 0.409; one agent: C = ρ.
  EXPECT_NEAR(ErlangC({.agents = 10, .load = 0.8}).waits, 0.4092, 0.0001);
  EXPECT_NEAR(ErlangC({.agents = 1, .load = 0.5}).waits, 0.5, 1e-12);
  // The well-known example of Garnett, Mandelbaum and Reiman's introduction: 50 agents, 48 calls a
  // minute that take a minute each, patience of two minutes. 3.1 % leave, the mean wait is 3.7 s;
  // were nobody to leave, 20.8 s.
  const PlainDesk fifty{
      .agents = 50, .load = 0.96, .service = absl::Minutes(1), .patience = absl::Minutes(2)};
  EXPECT_NEAR(ErlangA(fifty).abandonment, 0.031, 0.0005);
  EXPECT_NEAR(ErlangA(fifty).mean_wait, 3.7, 0.05);
  EXPECT_NEAR(ErlangC(fifty).mean_wait, 20.8, 0.05);
  // Patience without end makes A into C.
  const PlainDesk patient{.agents = 10, .load = 0.8, .patience = absl::Hours(1'000'000)};
  EXPECT_NEAR(ErlangA(patient).mean_wait, ErlangC(patient).mean_wait, 0.01);
}

TEST(Erlang, WaitsAreThoseOfErlangC) {
  const PlainDesk desk{.agents = 5, .load = 0.7};
  const Theory theory = ErlangC(desk);
  const Simulated simulated = SimulateDesk(desk, 4'000, 1);
  EXPECT_TRUE(simulated.waits.Covers(theory.waits))
      << simulated.waits.Text() << " " << theory.waits;
  EXPECT_TRUE(simulated.mean_wait.Covers(theory.mean_wait))
      << simulated.mean_wait.Text() << " " << theory.mean_wait;
  // Narrow enough to say something.
  EXPECT_LT(simulated.waits.half_width, 0.4 * theory.waits);
  EXPECT_EQ(simulated.abandonment.mean, 0);
}

TEST(Erlang, WaitsAndAbandonmentAreThoseOfErlangA) {
  const PlainDesk desk{.agents = 5, .load = 0.95, .patience = absl::Minutes(5)};
  const Theory theory = ErlangA(desk);
  const Simulated simulated = SimulateDesk(desk, 4'000, 2);
  EXPECT_TRUE(simulated.mean_wait.Covers(theory.mean_wait))
      << simulated.mean_wait.Text() << " " << theory.mean_wait;
  EXPECT_TRUE(simulated.abandonment.Covers(theory.abandonment))
      << simulated.abandonment.Text() << " " << theory.abandonment;
  EXPECT_LT(simulated.abandonment.half_width, 0.3 * theory.abandonment);
}

}  // namespace
}  // namespace wissel::sim
