#include "services/dev/tokens.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace wissel::dev {
namespace {

TEST(Tokens, EachHasANameForAFileThatNoOtherHas) {
  config::v1::WorkspaceConfig config;
  for (const char* id : {"anna", "bram@shop.example", "supervisor", "admin", "nl/anna", "nlanna",
                         "agent-nlanna", "..", "nl|anna", "zoë"}) {
    config.add_agents()->set_agent_id(id);
  }
  config.mutable_agents(0)->set_is_bot(true);
  std::vector<std::string> tokens;
  for (const Token& token : TokensOf(config)) {
    tokens.push_back(absl::StrCat(token.name, "=", token.role, ":", token.subject));
  }
  EXPECT_EQ(absl::StrJoin(tokens, " "),
            "admin=admin:admin supervisor=supervisor:supervisor anna=bot:anna "
            "bram@shop.example=agent:bram@shop.example agent-supervisor=agent:supervisor "
            "agent-admin=agent:admin agent-nlanna=agent:nl/anna nlanna=agent:nlanna "
            "agent-nlanna-=agent:agent-nlanna agent-..=agent:.. agent-nlanna--=agent:nl|anna "
            "agent-zo=agent:zoë");
}

}  // namespace
}  // namespace wissel::dev
