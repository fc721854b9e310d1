#include "libs/domain/timers.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace wissel::domain {
namespace {

absl::Time At(int64_t seconds) { return absl::FromUnixSeconds(seconds); }

TEST(TimersTest, AtOneTimeTheyFireByKindThenKeyHoweverTheyWereSet) {
  const std::vector<std::pair<TimerKind, std::string>> wanted = {
      {TimerKind::kConversation, "a"}, {TimerKind::kConversation, "b"},
      {TimerKind::kMatch, ""},         {TimerKind::kSla, "a"},
      {TimerKind::kSla, "c"},          {TimerKind::kOwnerGone, "a"},
  };
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    auto set = wanted;
    std::shuffle(set.begin(), set.end(), random);
    Timers timers;
    for (const auto& [kind, key] : set) timers.Set(kind, key, At(5));
    std::vector<std::pair<TimerKind, std::string>> fired;
    while (timers.NextDue() == At(5)) {
      Timers::Timer timer = timers.TakeNext();
      fired.emplace_back(timer.kind, timer.key);
    }
    ASSERT_EQ(fired, wanted);
    ASSERT_EQ(timers.NextDue(), absl::InfiniteFuture());
  }
}

TEST(TimersTest, AgreesWithASortedSet) {
  std::mt19937 random(2);
  Timers timers;
  std::set<std::tuple<absl::Time, TimerKind, std::string>> model;
  std::map<std::pair<TimerKind, std::string>, absl::Time> due_of;
  for (int step = 0; step < 20'000; ++step) {
    const auto kind = static_cast<TimerKind>(random() % 3);
    const std::string key = absl::StrCat("conversation-", random() % 40);
    const auto known = due_of.find({kind, key});
    ASSERT_EQ(timers.Contains(kind, key), known != due_of.end());
    ASSERT_EQ(timers.DueOf(kind, key),
              known == due_of.end() ? absl::InfiniteFuture() : known->second);
    const uint32_t what = random() % 4;
    if (what == 3 && !model.empty()) {
      const auto [due, first_kind, first_key] = *model.begin();
      const Timers::Timer timer = timers.TakeNext();
      ASSERT_EQ(std::tie(timer.due, timer.kind, timer.key), *model.begin());
      model.erase(model.begin());
      due_of.erase({first_kind, first_key});
    } else {
      if (known != due_of.end()) model.erase({known->second, kind, key});
      if (what == 0) {
        timers.Clear(kind, key);
        due_of.erase({kind, key});
      } else {
        const absl::Time due = At(random() % 50);
        timers.Set(kind, key, due);
        model.emplace(due, kind, key);
        due_of[{kind, key}] = due;
      }
    }
    ASSERT_EQ(timers.NextDue(),
              model.empty() ? absl::InfiniteFuture() : std::get<0>(*model.begin()));
  }
}

}  // namespace
}  // namespace wissel::domain
