#include "tests/chaos/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

namespace wissel::chaos {
namespace {

using Kind = Incident::Kind;

ScheduleOptions Options(uint64_t seed) {
  return {.seed = seed,
          .duration = absl::Seconds(60),
          .processes = {"router-1", "router-2", "ingest"},
          .pausable = {"router-1", "router-2"},
          .pause = absl::Seconds(5)};
}

std::vector<std::string> Lines(const std::vector<Incident>& schedule) {
  std::vector<std::string> lines;
  for (const Incident& incident : schedule) lines.push_back(incident.ToString());
  return lines;
}

TEST(ScheduleTest, FollowsFromTheSeed) {
  EXPECT_EQ(Lines(MakeSchedule(Options(7))), Lines(MakeSchedule(Options(7))));
  EXPECT_NE(Lines(MakeSchedule(Options(7))), Lines(MakeSchedule(Options(8))));
}

TEST(ScheduleTest, LeavesNothingOut) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    std::map<Kind, int> kinds;
    std::set<std::string> killed;
    absl::Duration before;
    for (const Incident& incident : MakeSchedule(Options(seed))) {
      ++kinds[incident.kind];
      if (incident.kind == Kind::kKill) killed.insert(incident.target);
      if (incident.kind == Kind::kPause) {
        EXPECT_GE(incident.lasts, absl::Seconds(5));
        EXPECT_THAT(incident.target, ::testing::StartsWith("router"));
      }
      EXPECT_GE(incident.at, before) << "in order of time";
      EXPECT_LE(incident.at, absl::Seconds(60));
      before = incident.at;
    }
    EXPECT_THAT(killed, ::testing::ElementsAre("ingest", "router-1", "router-2"));
    EXPECT_EQ(kinds[Kind::kKill], 20);
    EXPECT_EQ(kinds[Kind::kPause], 2);
    EXPECT_EQ(kinds[Kind::kRestartBroker] + kinds[Kind::kKillBroker], 1);
    EXPECT_EQ(kinds[Kind::kFlushRedis], 1);
    for (Kind kind :
         {Kind::kProviderErrors, Kind::kProviderHangs, Kind::kProviderDeaf, Kind::kProviderSlow}) {
      EXPECT_EQ(kinds[kind], 1) << IncidentName(kind);
    }
  }
}

}  // namespace
}  // namespace wissel::chaos
