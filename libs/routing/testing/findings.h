#pragma once

// What CheckPolicy finds in a configuration, for tests.

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/routing/policy.h"

namespace wissel::routing::testing {

// A configuration with nothing to say about it, and what is added to it by the test.
inline std::vector<std::string> Findings(const std::string& added, bool errors) {
  config::v1::WorkspaceConfig config;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
            routing_groups { routing_group_id: "main" }
            accounts {
              account { kind: CHANNEL_KIND_CHAT account_id: "site" }
              routing_group_id: "main"
            }
            calendars {
              calendar_id: "office"
              time_zone: "Europe/Amsterdam"
              windows { days: 1 open: "09:00" close: "17:00" }
            }
            agents {
              agent_id: "anna"
              capacity_units: 3
              queue_ids: [ "q", "r" ]
              skills { skill_id: "a" proficiency: 5 }
              skills { skill_id: "lang:nl" proficiency: 5 }
            }
            queues {
              queue_id: "r"
              rules { account_ids: "site" languages: "nl" }
            }
      )pb" +
          added,
      &config));
  bool has_q = false;
  for (auto& queue : *config.mutable_queues()) {
    if (queue.routing_group_id().empty()) queue.set_routing_group_id("main");
    has_q = has_q || queue.queue_id() == "q";
  }
  if (!has_q) {
    config.add_queues()->set_queue_id("q");
    config.mutable_queues(config.queues_size() - 1)->set_routing_group_id("main");
  }
  for (auto& agent : *config.mutable_agents()) {
    if (agent.routing_group_id().empty()) agent.set_routing_group_id("main");
  }
  std::vector<std::string> texts;
  bool warned = false;
  for (const PolicyFinding& finding : CheckPolicy(config)) {
    EXPECT_FALSE(warned && finding.error) << "errors come first";
    warned = warned || !finding.error;
    EXPECT_TRUE(errors || !finding.error) << finding.path << ": " << finding.what;
    if (finding.error == errors) texts.push_back(finding.path + ": " + finding.what);
  }
  return texts;
}
inline std::vector<std::string> Errors(const std::string& added) { return Findings(added, true); }
inline std::vector<std::string> Warnings(const std::string& added) {
  return Findings(added, false);
}

}  // namespace wissel::routing::testing
