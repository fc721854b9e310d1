// How many wait, how many of them for nobody, and where one stands among them.

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

TEST(MatcherCounts, WhoAsksForOtherAgentsStandsAheadByTheShareOfThoseItCompetesFor) {
  config::v1::WorkspaceConfig config;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        agents {
          agent_id: "noor"
          routing_group_id: "main"
          queue_ids: "q"
          skills { skill_id: "lang:nl" proficiency: 9 }
        }
        agents {
          agent_id: "greta"
          routing_group_id: "main"
          queue_ids: "q"
          skills { skill_id: "lang:nl" proficiency: 6 }
          skills { skill_id: "lang:de" proficiency: 9 }
        }
        agents {
          agent_id: "emma"
          routing_group_id: "main"
          queue_ids: "q"
          skills { skill_id: "lang:en" proficiency: 9 }
        }
        queues { queue_id: "q" routing_group_id: "main" language_proficiency: 5 }
      )pb",
      &config));
  const absl::Time morning = absl::FromUnixSeconds(1'790'000'000);
  Matcher matcher;
  matcher.Configure(Policy::Compile(config, "main"));
  int minutes = 0;
  for (const std::string id : {"nl-1", "nl-2", "de-1", "en-1", "de-2", "nl-3"}) {
    Waiting waiting;
    waiting.conversation_id = id;
    waiting.queue_id = "q";
    waiting.kind = common::v1::CHANNEL_KIND_CHAT;
    waiting.language = id.substr(0, 2);
    waiting.waiting_since = morning + absl::Minutes(++minutes);
    matcher.AddWaiting(waiting);
  }
  const auto standing = [&](const std::string& id) {
    const Matcher::Standing s = matcher.StandingOf(id);
    return std::tuple<int, int, int, int>(s.position, s.ahead_permille, s.able_permille,
                                          s.able_of_asked_permille);
  };
  EXPECT_EQ(standing("nl-3"), std::tuple(6, 0, 0, 0)) << "nobody is at work";
  AgentLoad load{.available = true, .capacity_units = 1};
  for (const char* agent : {"noor", "greta", "emma"}) matcher.SetAgent(agent, load);
  // Of the two who know Dutch one knows German, too.
  EXPECT_EQ(standing("de-2"), std::tuple(5, 2 * 500 + 1'000, 333, 333));
  EXPECT_EQ(standing("nl-3"), std::tuple(6, 4'000, 666, 666));
  EXPECT_EQ(standing("en-1"), std::tuple(4, 0, 333, 333));
  // Who has no room is at work all the same; who is away is not.
  load.held[common::v1::CHANNEL_KIND_CHAT] = {.conversations = 1, .units = 1};
  matcher.SetAgent("noor", load);
  matcher.SetAgent("emma", AgentLoad());
  EXPECT_EQ(standing("de-2"), std::tuple(5, 2 * 500 + 1'000, 500, 500));
  EXPECT_EQ(standing("en-1"), std::tuple(4, 0, 0, 0));
  EXPECT_EQ(standing("gone"), std::tuple(0, 0, 0, 0));
  // While Greta is at the Germans, Noor gets on with the Dutch.
  for (const char* id : {"nl-1", "nl-2"}) matcher.RemoveWaiting(id);
  EXPECT_EQ(standing("nl-3"), std::tuple(4, 1'000, 1'000, 1'000));
  matcher.RemoveWaiting("nl-3");
  EXPECT_EQ(standing("de-2"), std::tuple(3, 1'000, 500, 1'000)) << "nobody waits for Noor alone";
}

}  // namespace
}  // namespace wissel::routing
