#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/domain/state.h"

namespace wissel::ctl {

// How an agent stood to a conversation at a moment: what kept them from it and what would have to
// change; with all of it changed they could have been given it. Nothing where they could.
struct AgentStanding {
  std::string agent_id;
  bool has_it = false;
  bool asked = false;
  int64_t free_units = 0;  // for the conversation's channel
  struct Reason {
    std::string text;
    boost::json::object json;
  };
  std::vector<Reason> reasons;
};

// Of each agent of the conversation's routing group, by id: the routers' own matcher judges, on
// this state. Empty where the state does not have the conversation.
std::vector<AgentStanding> JudgeAgents(const domain::State& state,
                                       absl::string_view conversation_id);

// "bram: does not serve nl: add it to their queue_ids; is not connected".
std::string DescribeStanding(const AgentStanding& standing);
boost::json::array StandingsJson(const std::vector<AgentStanding>& standings);

}  // namespace wissel::ctl
