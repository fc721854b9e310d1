// What the clocks of one conversation cost, in a shop's hours.

#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "libs/routing/sla.h"

namespace wissel::routing {
namespace {

std::shared_ptr<const SlaPolicy> Policy() {
  CalendarSpec spec{.time_zone = "Europe/Amsterdam"};
  for (int day = 0; day < 5; ++day) spec.weekly[day] = {{540, 720}, {780, 1050}};
  auto policy = std::make_shared<SlaPolicy>(SlaPolicy{.calendar = *Calendar::Build(spec)});
  for (const SlaMetric metric : kSlaMetrics) policy->Promise(metric, absl::Hours(8), {50, 80});
  return policy;
}

absl::Time Minute(int64_t n) { return absl::FromUnixSeconds(1'795'593'600 + 60 * n); }

SlaClock Waiting(const std::shared_ptr<const SlaPolicy>& policy) {
  SlaClock clock(policy);
  clock.Fold({.kind = SlaEvent::Kind::kOpened, .time = Minute(0)});
  clock.Fold({.kind = SlaEvent::Kind::kCustomerMessage, .time = Minute(0)});
  return clock;
}

// Three metrics run.
void BM_SlaNextDue(benchmark::State& state) {
  const SlaClock clock = Waiting(Policy());
  for (auto _ : state) benchmark::DoNotOptimize(clock.NextDue());
}
BENCHMARK(BM_SlaNextDue);

void BM_SlaAdvanceNothingDue(benchmark::State& state) {
  SlaClock clock = Waiting(Policy());
  for (auto _ : state) benchmark::DoNotOptimize(clock.Advance(Minute(1)));
}
BENCHMARK(BM_SlaAdvanceNothingDue);

// Opened, a message, an answer, resolved.
void BM_SlaConversation(benchmark::State& state) {
  const std::shared_ptr<const SlaPolicy> policy = Policy();
  for (auto _ : state) {
    SlaClock clock = Waiting(policy);
    clock.Fold({.kind = SlaEvent::Kind::kReply, .time = Minute(20)});
    clock.Fold({.kind = SlaEvent::Kind::kResolved, .time = Minute(30)});
    benchmark::DoNotOptimize(clock);
  }
}
BENCHMARK(BM_SlaConversation);

}  // namespace
}  // namespace wissel::routing
