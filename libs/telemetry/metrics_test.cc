#include "libs/telemetry/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wissel::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(Metrics, AreExposedWithTheirHelpAndValue) {
  Registry registry;
  Counter decisions = registry.AddCounter("wissel_router_decisions_total", "Decisions appended.");
  Gauge depth = registry.AddGauge("wissel_router_queue_depth", "Inputs waiting.");
  Histogram wait = registry.AddHistogram("wissel_router_wait_seconds", "Wait.", {0.1, 1});
  decisions.Increment();
  decisions.Increment(2);
  depth.Set(5);
  depth.Decrement();
  wait.Observe(absl::Milliseconds(500));
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("# HELP wissel_router_decisions_total Decisions appended.\n"
                              "# TYPE wissel_router_decisions_total counter\n"
                              "wissel_router_decisions_total 3\n"));
  EXPECT_THAT(text, HasSubstr("wissel_router_queue_depth 4\n"));
  EXPECT_THAT(text, HasSubstr("wissel_router_wait_seconds_bucket{le=\"0.1\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("wissel_router_wait_seconds_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("wissel_router_wait_seconds_sum 0.5\n"));
}

TEST(Metrics, ClosedLabelsAreThereAtZeroFromTheStart) {
  Registry registry;
  CounterFamily rejected =
      registry.AddCounterFamily("wissel_x_rejected_total", "Refused.",
                                {{"reason", {"full", "invalid"}}, {"role", {"a", "b"}}});
  rejected.With({"full", "b"}).Increment();
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("{reason=\"full\",role=\"b\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{reason=\"invalid\",role=\"a\"} 0\n"));
}

TEST(Metrics, OpenLabelsAreBounded) {
  Registry registry;
  CounterFamily family = registry.AddCounterFamily("wissel_x_seen_total", "Seen.", {{"partition"}});
  for (int i = 0; i < 2000; ++i) family.With({std::to_string(i)}).Increment();
  const std::string text = registry.Expose();
  EXPECT_THAT(text, HasSubstr("{partition=\"999\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("{partition=\"other\"} 1000\n"));
  EXPECT_THAT(text, Not(HasSubstr("{partition=\"1000\"}")));
}

TEST(Metrics, TheSameNameIsTheSameMetric) {
  Registry registry;
  registry.AddCounter("wissel_x_total", "X.").Increment();
  registry.AddCounter("wissel_x_total", "X.").Increment();
  EXPECT_THAT(registry.Expose(), HasSubstr("wissel_x_total 2\n"));
  EXPECT_EQ(registry.List().size(), 1u);
}

TEST(MetricsDeathTest, MistakesInTheProgramAbort) {
  Registry registry;
  registry.AddCounter("wissel_x_total", "X.");
  EXPECT_DEATH(registry.AddCounter("wissel_x_total", "Y."), "another meaning");
  EXPECT_DEATH(registry.AddGauge("wissel_x_total", "X."), "check failed");
  EXPECT_DEATH(registry.AddCounter("wissel_x", "X."), "wissel_x");
  EXPECT_DEATH(registry.AddGauge("router_x", "X."), "router_x");
  CounterFamily family = registry.AddCounterFamily("wissel_y_total", "Y.", {{"a", {"b"}}});
  EXPECT_DEATH(family.With({"c"}), "no value \"c\" of label a");
  EXPECT_DEATH(family.With({"b", "b"}), "check failed");
}

TEST(Metrics, HandlesWithoutARegistryDiscard) {
  Counter().Increment();
  Gauge().Set(1);
  Histogram().Observe(1.0);
  CounterFamily().With({"x"}).Increment();
}

TEST(MetricsReference, ListsEveryMetricSortedByName) {
  Registry registry;
  registry.AddGauge("wissel_b_depth", "Waiting | queued.");
  registry.AddCounterFamily("wissel_a_total", "A.", {{"role", {"x", "y"}}, {"partition"}});
  EXPECT_EQ(MetricsReference(registry),
            "| metric | type | labels | meaning |\n"
            "| --- | --- | --- | --- |\n"
            "| `wissel_a_total` | counter | `role`: x, y; `partition` | A. |\n"
            "| `wissel_b_depth` | gauge |  | Waiting \\| queued. |\n");
}

}  // namespace
}  // namespace wissel::telemetry
