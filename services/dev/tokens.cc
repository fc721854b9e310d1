#include "services/dev/tokens.h"

#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace wissel::dev {
namespace {

std::string TokenName(absl::string_view agent_id) {
  std::string fit(agent_id);
  std::erase_if(fit, [](char c) {
    return !absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains("-_.@", c);
  });
  const bool is_role = agent_id == "admin" || agent_id == "supervisor";
  if (fit == agent_id && !is_role && absl::ascii_isalnum(static_cast<unsigned char>(fit[0]))) {
    return fit;
  }
  return absl::StrCat("agent-", fit);
}

}  // namespace

std::vector<Token> TokensOf(const config::v1::WorkspaceConfig& config) {
  std::vector<Token> tokens = {
      {.name = "admin", .subject = "admin", .role = "admin"},
      {.name = "supervisor", .subject = "supervisor", .role = "supervisor"}};
  std::set<std::string> taken;
  for (const auto& agent : config.agents()) {
    std::string name = TokenName(agent.agent_id());
    while (!taken.insert(name).second) name += "-";
    tokens.push_back({.name = std::move(name),
                      .subject = agent.agent_id(),
                      .agent = agent.agent_id(),
                      .group = agent.routing_group_id(),
                      .role = agent.is_bot() ? "bot" : "agent"});
  }
  return tokens;
}

}  // namespace wissel::dev
