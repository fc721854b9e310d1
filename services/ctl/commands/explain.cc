#include <CLI/CLI.hpp>

#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/domain/state.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/log_source.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {
namespace {

constexpr size_t kMinIdBytes = 4;

// The agents of the conversation's routing group as they stood when the decision was made.
void PrintAgents(const domain::State& state, absl::string_view conversation_id, std::ostream& out) {
  const auto* conversation = state.FindConversation(conversation_id);
  if (conversation == nullptr) return;
  for (const auto& [key, agent] : state.agents()) {
    if (agent.workspace_id() != conversation->workspace_id() ||
        agent.routing_group_id() != conversation->routing_group_id()) {
      continue;
    }
    out << "        " << agent.agent_id() << ": " << EnumName(agent.presence()) << ", "
        << agent.used_units() << " of " << agent.capacity_units() << " units taken"
        << (agent.sessions().empty() ? ", not connected" : "") << "\n";
  }
}

absl::Status Explain(Session& s, const std::string& wanted) {
  if (wanted.size() < kMinIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("CONVERSATION: expected at least ", kMinIdBytes, " characters of its id"));
  }
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  std::map<int32_t, domain::State> states;
  std::string found;
  const absl::Status status = WalkLog(*bus, {}, [&](const LogItem& item) -> absl::Status {
    if (item.entry == nullptr || !item.entry->record.has_decision()) return absl::OkStatus();
    const auto& decision = item.entry->record.decision();
    domain::State& state = states[item.partition];
    state.BeginDecision(decision.cause(), ToTime(decision.time()));
    bool headed = false;
    for (const auto& event : decision.events()) {
      const absl::string_view about = ConversationOf(event);
      state.ApplyEvent(event);
      if (!absl::StartsWith(about, wanted)) continue;
      if (found.empty()) found = std::string(about);
      if (about != found) {
        return absl::InvalidArgumentError(absl::StrCat(wanted, " fits several conversations, ",
                                                       found, " and ", about, " among them"));
      }
      if (s.format() != Format::kTable) {
        s.out << ToJsonLine(event) << "\n";
        continue;
      }
      if (!headed) {
        s.out << FormatTime(decision.time()) << "  because of " << DescribeCause(decision.cause())
              << " (log[" << item.partition << "]@" << item.offset << ")\n";
        headed = true;
      }
      s.out << "    " << Describe(event) << "\n";
      if (const auto* explanation = ExplanationOf(event)) {
        for (const auto& line : DescribeExplanation(*explanation))
          s.out << "      " << line << "\n";
        PrintAgents(state, about, s.out);
      }
    }
    return absl::OkStatus();
  });
  WISSEL_RETURN_IF_ERROR(status);
  if (found.empty())
    return absl::NotFoundError(absl::StrCat("no conversation ", wanted, " in the log"));
  return absl::OkStatus();
}

}  // namespace

void AddExplain(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("explain", "Why a conversation went the way it went");
  command->footer(
      "\nReads the log (--kafka, --log-file or the context's) and tells each step of the\n"
      "conversation, what set it off, who was looked at and how each agent stood right\n"
      "after it.\n"
      "\nExample:\n  wisselctl explain 6a1f");
  auto id = std::make_shared<std::string>();
  command->add_option("CONVERSATION", *id, "Its id, or the beginning of it")->required();
  command->callback([&s, id] { s.action = [&s, id] { return Explain(s, *id); }; });
}

}  // namespace wissel::ctl
