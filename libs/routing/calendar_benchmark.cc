// What a calendar's questions cost, against reading the wall clock once.

#include <vector>

#include "absl/time/time.h"
#include "benchmark/benchmark.h"
#include "libs/routing/calendar.h"

namespace wissel::routing {
namespace {

// A shop's week with ten years of holidays.
CalendarSpec Shop() {
  CalendarSpec spec{.time_zone = "Europe/Amsterdam"};
  for (int day = 0; day < 5; ++day) spec.weekly[day] = {{540, 720}, {780, 1050}};
  for (int i = 0; i < 100; ++i) {
    spec.dates.push_back({absl::CivilDay(2022, 1, 1) + 37 * i, "Holiday", {}});
  }
  return spec;
}

// Instants over four years, in an order that does not favour a cache.
std::vector<absl::Time> Instants() {
  std::vector<absl::Time> instants;
  for (int64_t i = 0; i < 1024; ++i) {
    instants.push_back(absl::FromUnixSeconds(1'700'000'000 + i * 7'919'317 % 126'000'000));
  }
  return instants;
}

template <class Question>
void Ask(benchmark::State& state, Question question) {
  const Calendar calendar = *Calendar::Build(Shop());
  const std::vector<absl::Time> instants = Instants();
  size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(question(calendar, instants[i++ % 1024]));
  }
  state.SetItemsProcessed(state.iterations());
}

void BM_WallClock(benchmark::State& state) {
  absl::TimeZone zone;
  absl::LoadTimeZone("Europe/Amsterdam", &zone);
  Ask(state, [&](const Calendar&, absl::Time t) { return zone.At(t); });
}
BENCHMARK(BM_WallClock);

void BM_IsOpen(benchmark::State& state) {
  Ask(state, [](const Calendar& c, absl::Time t) { return c.IsOpen(t); });
}
BENCHMARK(BM_IsOpen);

void BM_NextOpening(benchmark::State& state) {
  Ask(state, [](const Calendar& c, absl::Time t) { return c.NextOpening(t); });
}
BENCHMARK(BM_NextOpening);

void BM_NextClosing(benchmark::State& state) {
  Ask(state, [](const Calendar& c, absl::Time t) { return c.NextClosing(t); });
}
BENCHMARK(BM_NextClosing);

// Over so many days.
void BM_BusinessTimeBetween(benchmark::State& state) {
  const absl::Duration length = absl::Hours(24) * state.range(0);
  Ask(state, [&](const Calendar& c, absl::Time t) { return c.BusinessTimeBetween(t, t + length); });
}
BENCHMARK(BM_BusinessTimeBetween)->Arg(1)->Arg(1000);

// So many hours.
void BM_AddBusinessTime(benchmark::State& state) {
  const absl::Duration length = absl::Hours(state.range(0));
  Ask(state, [&](const Calendar& c, absl::Time t) { return c.AddBusinessTime(t, length); });
}
BENCHMARK(BM_AddBusinessTime)->Arg(1)->Arg(1000);

void BM_Build(benchmark::State& state) {
  const CalendarSpec spec = Shop();
  for (auto _ : state) benchmark::DoNotOptimize(Calendar::Build(spec));
}
BENCHMARK(BM_Build)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace wissel::routing
