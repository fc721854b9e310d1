// How many wait, and how many of them for nobody.

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "libs/routing/matcher.h"

namespace wissel::routing {
namespace {

using ::testing::ElementsAre;

TEST(MatcherCounts, WhoWaitsForNobodyEvenAtTheLastRing) {
  config::v1::WorkspaceConfig config;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        agents {
          agent_id: "anna"
          routing_group_id: "main"
          queue_ids: "q"
          skills { skill_id: "a" proficiency: 5 }
          skills { skill_id: "lang:nl" proficiency: 2 }
        }
        agents {
          agent_id: "bram"
          routing_group_id: "main"
          skills { skill_id: "lang:fr" proficiency: 9 }
        }
        queues {
          queue_id: "q"
          routing_group_id: "main"
          required_skills { skill_id: "a" proficiency: 6 }
          language_proficiency: 2
          relaxation_steps {
            after { seconds: 60 }
            lower_skills { skill_id: "a" proficiency: 5 }
          }
        }
        queues { queue_id: "nobodys" routing_group_id: "main" }
        queues { queue_id: "empty" routing_group_id: "main" }
      )pb",
      &config));
  const absl::Time morning = absl::FromUnixSeconds(1'790'000'000);
  Matcher matcher;
  matcher.Configure(Policy::Compile(config, "main"));
  matcher.Advance(morning);
  const auto wait = [&](const std::string& id, const std::string& queue,
                        const std::string& language) {
    Waiting waiting;
    waiting.conversation_id = id;
    waiting.queue_id = queue;
    waiting.kind = common::v1::CHANNEL_KIND_CHAT;
    waiting.language = language;
    waiting.waiting_since = morning;
    matcher.AddWaiting(waiting);
  };
  const auto counts = [&] {
    std::vector<std::tuple<std::string, int, int>> counts;
    for (const Matcher::QueueCount& count : matcher.CountWaiting()) {
      counts.emplace_back(count.queue_id, count.waiting, count.unmeetable);
    }
    return counts;
  };
  // Nobody can take it yet, but a minute from now anna can.
  wait("1", "q", "nl");
  // Nobody who serves the queue speaks French, now or later.
  wait("2", "q", "fr");
  wait("3", "q", "fr");
  wait("4", "nobodys", "nl");
  EXPECT_THAT(counts(), ElementsAre(std::tuple("q", 3, 2), std::tuple("nobodys", 1, 1),
                                    std::tuple("empty", 0, 0)));
  matcher.Advance(morning + absl::Minutes(2));
  matcher.RemoveWaiting("3");
  EXPECT_THAT(counts(), ElementsAre(std::tuple("q", 2, 1), std::tuple("nobodys", 1, 1),
                                    std::tuple("empty", 0, 0)));
}

}  // namespace
}  // namespace wissel::routing
