// The estimates of flow.h against what came of simulated days.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <deque>
#include <queue>
#include <string>
#include <vector>

#include "libs/routing/flow.h"
#include "libs/routing/testing/flow.h"

namespace wissel::routing {
namespace {

using state::v1::QueueState;
using testing::flow::kStart;
using testing::flow::Random;

// A day of one queue: Poisson arrivals with two peaks, agents who take breaks, exponential handle
// times and patience, answers some time after a conversation is given. What is forecast is asked
// when a conversation begins to wait and every half minute from then on.
struct Asked {
  int conversation = 0;
  absl::Duration left;
  absl::Duration expected;
  int32_t missed_permille = 0;
};

struct Day {
  struct Conversation {
    absl::Time begin, given = absl::InfiniteFuture(), answered = absl::InfiniteFuture();
    bool left = false;
  };
  std::vector<Conversation> conversations;
  std::vector<Asked> asked;
};

struct DaySpec {
  double per_hour = 0;
  std::vector<double> shape;
  int agents = 0;
  double handle_s = 300;
  double patience_s = 3'000;
  double answer_s = 20;
  absl::Duration target;
};

Day Simulate(const DaySpec& spec, uint64_t seed) {
  enum Kind { kArrive, kHandled, kAnswered, kAsk, kLeave, kBreak, kBack };
  struct Happening {
    absl::Time at;
    Kind kind;
    int who;
    absl::Duration time;
    bool operator<(const Happening& o) const { return at > o.at; }
  };
  Random random(seed);
  Day day;
  QueueState queue;
  std::priority_queue<Happening> agenda;
  std::deque<int> waiting;
  const absl::Time end = kStart + absl::Hours(static_cast<int64_t>(spec.shape.size()));
  int at_work = spec.agents;
  int busy = 0;
  const double peak = *std::max_element(spec.shape.begin(), spec.shape.end());
  const auto arrive_after = [&](absl::Time t) {  // thinning (Lewis and Shedler, 1979)
    while (t < end) {
      t += absl::Seconds(random.Exponential(3'600 / (peak * spec.per_hour)));
      const auto hour = static_cast<size_t>(absl::ToInt64Hours(t - kStart));
      if (t < end && random.Uniform() * peak < spec.shape[hour]) {
        agenda.push({.at = t, .kind = kArrive});
        return;
      }
    }
  };
  arrive_after(kStart);
  for (int i = 0; i < spec.agents; ++i) {
    const absl::Time at = kStart + absl::Minutes(150 + 20 * (i % 6));
    agenda.push({.at = at, .kind = kBreak});
    agenda.push({.at = at + absl::Minutes(30), .kind = kBack});
  }
  const auto give = [&](absl::Time now) {
    while (!waiting.empty() && busy < at_work) {
      const int who = waiting.front();
      Day::Conversation& c = day.conversations[who];
      waiting.pop_front();
      ++busy;
      c.given = now;
      NoteDeparture(queue, now - c.begin, now);
      NoteWaiting(queue, -1, now);
      const absl::Duration answer = absl::Seconds(random.Exponential(spec.answer_s));
      const absl::Duration handle = answer + absl::Seconds(random.Exponential(spec.handle_s));
      c.answered = now + answer;
      agenda.push({.at = c.answered, .kind = kAnswered, .time = answer});
      agenda.push({.at = now + handle, .kind = kHandled, .time = handle});
    }
  };
  while (!agenda.empty()) {
    const Happening it = agenda.top();
    const absl::Time now = it.at;
    agenda.pop();
    const auto place = std::find(waiting.begin(), waiting.end(), it.who);
    switch (it.kind) {
      case kArrive: {
        const int who = static_cast<int>(day.conversations.size());
        day.conversations.push_back({.begin = now});
        NoteWaiting(queue, 1, now);
        waiting.push_back(who);
        arrive_after(now);
        agenda.push({.at = now, .kind = kAsk, .who = who});
        agenda.push({.at = now + absl::Seconds(random.Exponential(spec.patience_s)),
                     .kind = kLeave,
                     .who = who});
        break;
      }
      case kHandled:
        --busy;
        NoteHandled(queue, it.time, now);
        break;
      case kAnswered:
        NoteAnswered(queue, it.time, now);
        break;
      case kAsk: {
        if (place == waiting.end()) break;
        const auto position = static_cast<int32_t>(place - waiting.begin()) + 1;
        const Staffing staffing = {.agents = at_work, .slots = at_work};
        const absl::Duration left = day.conversations[it.who].begin + spec.target - now;
        const auto expected = ExpectedWait(queue, position, staffing, now);
        if (expected && left > absl::ZeroDuration()) {
          day.asked.push_back(
              {.conversation = it.who,
               .left = left,
               .expected = *expected,
               .missed_permille = MissProbability(
                   queue, {.position = static_cast<double>(position)}, left, staffing, now)});
        }
        agenda.push({.at = now + absl::Seconds(30), .kind = kAsk, .who = it.who});
        break;
      }
      case kLeave:
        if (place == waiting.end()) break;
        waiting.erase(place);
        day.conversations[it.who].left = true;
        NoteLeft(queue, now);
        NoteWaiting(queue, -1, now);
        break;
      case kBreak:
        --at_work;
        break;
      case kBack:
        ++at_work;
        break;
    }
    give(now);
  }
  return day;
}

// What docs/guides/routing.md says of whole days with the real engine must hold here, on seeds that
// nothing was fitted to.
TEST(Estimates, AreCalibratedOnSimulatedDays) {
  const std::vector<DaySpec> specs = {
      {.per_hour = 42,
       .shape = {0.6, 0.9, 1.2, 1.3, 1.1, 0.9, 1.0, 0.8},
       .agents = 6,
       .target = absl::Minutes(3)},
      {.per_hour = 108,
       .shape = {0.5, 0.8, 1.0, 1.5, 0.9, 0.7, 1.4, 0.6},
       .agents = 14,
       .target = absl::Minutes(3)},
  };
  struct Bin {
    double said = 0, seen = 0, n = 0;
  };
  std::vector<Bin> bins(5);
  Bin all;
  double squared = 0;
  double waits = 0, wait_error = 0, wait_bias = 0, wait_n = 0;
  for (const DaySpec& spec : specs) {
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      const Day day = Simulate(spec, seed);
      int last = -1;
      for (const Asked& asked : day.asked) {
        const Day::Conversation& c = day.conversations[asked.conversation];
        if (c.left) continue;
        const absl::Time now = c.begin + spec.target - asked.left;
        const double said = asked.missed_permille / 1'000.0;
        const double seen = c.answered > c.begin + spec.target ? 1 : 0;
        Bin& bin = bins[std::min<size_t>(4, static_cast<size_t>(said * 5))];
        for (Bin* b : {&bin, &all}) {
          b->said += said;
          b->seen += seen;
          b->n += 1;
        }
        squared += (said - seen) * (said - seen);
        if (now != c.begin || asked.conversation == last) continue;
        last = asked.conversation;
        const double error = absl::ToDoubleSeconds(asked.expected - (c.given - c.begin));
        waits += absl::ToDoubleSeconds(c.given - c.begin);
        wait_error += std::abs(error);
        wait_bias += error;
        wait_n += 1;
      }
    }
  }
  for (const Bin& bin : bins) {
    ASSERT_GT(bin.n, 200);
    EXPECT_NEAR(bin.said / bin.n, bin.seen / bin.n, 0.08);
  }
  const double base = all.seen / all.n;
  EXPECT_LT(squared / all.n, 0.5 * base * (1 - base));
  ASSERT_GT(wait_n, 1'000);
  EXPECT_LT(wait_error / wait_n, 0.45 * waits / wait_n);
  EXPECT_LT(std::abs(wait_bias / wait_n), 0.12 * waits / wait_n);
  RecordProperty("brier", std::to_string(squared / all.n));
  RecordProperty("brier_of_the_base_rate", std::to_string(base * (1 - base)));
  RecordProperty("mean_wait_s", std::to_string(waits / wait_n));
  RecordProperty("mean_absolute_error_s", std::to_string(wait_error / wait_n));
  RecordProperty("bias_s", std::to_string(wait_bias / wait_n));
}

}  // namespace
}  // namespace wissel::routing
