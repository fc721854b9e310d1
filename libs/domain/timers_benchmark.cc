// A partition's timers, 1,000,000 of them live: against a sorted set of them and a hash map to find
// one in it.

#include <benchmark/benchmark.h>

#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_format.h"
#include "libs/domain/timers.h"

namespace wissel::domain {
namespace {

constexpr int kTimers = 1'000'000;

struct SortedSetTimers {
  void Set(TimerKind kind, const std::string& key, absl::Time due) {
    Clear(kind, key);
    set.emplace(due, kind, key);
    due_of[{kind, key}] = due;
  }
  void Clear(TimerKind kind, const std::string& key) {
    const auto it = due_of.find({kind, key});
    if (it == due_of.end()) return;
    set.erase({it->second, kind, key});
    due_of.erase(it);
  }
  Timers::Timer TakeNext() {
    const auto [due, kind, key] = *set.begin();
    Clear(kind, key);
    return {due, kind, key};
  }

  std::set<std::tuple<absl::Time, TimerKind, std::string>> set;
  absl::flat_hash_map<std::pair<TimerKind, std::string>, absl::Time> due_of;
};

// One for each of as many conversations, within an hour.
template <typename Some>
class World {
 public:
  World() {
    for (int i = 0; i < kTimers; ++i) {
      keys_.push_back(absl::StrFormat("7d1f6a52-0c3e-5b44-9f00-%012d", i));
      timers.Set(TimerKind::kSla, keys_.back(), SomeTime());
    }
  }

  const std::string& SomeKey() { return keys_[random_() % kTimers]; }
  absl::Time SomeTime() { return start_ + absl::Microseconds(random_() % 3'600'000'000); }

  Some timers;

 private:
  std::mt19937_64 random_{1};
  const absl::Time start_ = absl::FromUnixSeconds(1'790'000'000);
  std::vector<std::string> keys_;
};

// Each time one of them is moved.
template <typename Some>
void BM_TimerSet(benchmark::State& state) {
  World<Some> world;
  for (auto _ : state) world.timers.Set(TimerKind::kSla, world.SomeKey(), world.SomeTime());
}
BENCHMARK(BM_TimerSet<Timers>)->Iterations(500'000);
BENCHMARK(BM_TimerSet<SortedSetTimers>)->Iterations(500'000);

// One is cancelled and set again.
template <typename Some>
void BM_TimerCancelAndSet(benchmark::State& state) {
  World<Some> world;
  for (auto _ : state) {
    const std::string& key = world.SomeKey();
    world.timers.Clear(TimerKind::kSla, key);
    world.timers.Set(TimerKind::kSla, key, world.SomeTime());
  }
}
BENCHMARK(BM_TimerCancelAndSet<Timers>)->Iterations(500'000);
BENCHMARK(BM_TimerCancelAndSet<SortedSetTimers>)->Iterations(500'000);

// The next one fires, and is set again for an hour later.
template <typename Some>
void BM_TimerFireAndSet(benchmark::State& state) {
  World<Some> world;
  for (auto _ : state) {
    const Timers::Timer timer = world.timers.TakeNext();
    world.timers.Set(timer.kind, timer.key, timer.due + absl::Hours(1));
  }
}
BENCHMARK(BM_TimerFireAndSet<Timers>)->Iterations(500'000);
BENCHMARK(BM_TimerFireAndSet<SortedSetTimers>)->Iterations(500'000);

}  // namespace
}  // namespace wissel::domain
