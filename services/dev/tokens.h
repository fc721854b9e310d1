#pragma once

#include <string>
#include <vector>

#include "wissel/config/v1/config.pb.h"

namespace wissel::dev {

struct Token {
  // Of its file, and in the context.
  std::string name;
  std::string subject;
  std::string agent;
  std::string group;
  std::string role;
};

// One for each role and each agent. An agent's goes by the agent's id; where that is a role's name,
// or no name for a file, by "agent-" and what of it may stand in one.
std::vector<Token> TokensOf(const config::v1::WorkspaceConfig& config);

}  // namespace wissel::dev
