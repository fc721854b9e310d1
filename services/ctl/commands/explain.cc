#include <CLI/CLI.hpp>

#include <map>
#include <memory>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/domain/engine.h"
#include "libs/domain/state.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/log_source.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {
namespace {

constexpr size_t kMinIdBytes = 4;

// What would make the agent eligible.
std::string Remedy(const domain::Engine::Standing& standing, const state::v1::AgentState& agent) {
  using conversation::v1::Explanation;
  if (agent.leaving()) return "is leaving: finishes what they have, takes nothing new";
  switch (*standing.why_not) {
    case Explanation::PASSED_OVER_NOT_IN_QUEUE:
      return "serves none of the queues asked: add one to their queue_ids";
    case Explanation::PASSED_OVER_LACKS_SKILL:
      return absl::StrCat("lacks ", absl::StrJoin(standing.lacks, ", "));
    case Explanation::PASSED_OVER_NOT_AVAILABLE:
      return agent.sessions().empty()
                 ? "is not connected"
                 : absl::StrCat("is ", EnumName(agent.presence()), ": would have to be available");
    case Explanation::PASSED_OVER_NO_CAPACITY:
      return absl::StrCat("has no room: ", agent.used_units(), " of ", agent.capacity_units(),
                          " units taken");
    case Explanation::PASSED_OVER_CHANNEL_LIMIT:
      return "holds as many conversations of the channel as allowed";
    case Explanation::PASSED_OVER_EXCLUDED:
      return "declined or missed it a moment ago: may pull it, or is asked again later";
    default:
      return "may not take it";
  }
}

// How each agent of the routing group stood just before somebody was chosen, or nobody: the very
// matcher judges, on the state folded so far.
void PrintAgents(const domain::State& before, absl::string_view conversation_id,
                 std::ostream& out) {
  const domain::Engine engine(before.Copy(), {.holds = [](absl::string_view) { return true; }});
  for (const auto& standing : engine.Judge(conversation_id)) {
    const auto* conversation = engine.state().FindConversation(conversation_id);
    const auto* agent = engine.state().FindAgent(conversation->workspace_id(), standing.agent_id);
    out << "        " << standing.agent_id << ": "
        << (standing.why_not.has_value()
                ? Remedy(standing, *agent)
                : absl::StrCat("may take it, ", agent->capacity_units() - agent->used_units(),
                               " units free"))
        << "\n";
  }
}

// Whether something happens to whoever has the conversation, or to the queue it waits in, that
// the conversation's own events do not say.
bool Concerns(const conversation::v1::Event& event, const state::v1::ConversationState* c) {
  if (c == nullptr) return false;
  if (event.has_queue_closing()) {
    return event.queue_closing().workspace_id() == c->workspace_id() &&
           event.queue_closing().kept().queue().queue_id() == c->queue_id() &&
           (c->status() == state::v1::CONVERSATION_STATUS_QUEUED || c->has_offer());
  }
  return event.has_agent_leaving() && c->status() == state::v1::CONVERSATION_STATUS_ACTIVE &&
         event.agent_leaving().workspace_id() == c->workspace_id() &&
         event.agent_leaving().agent_id() == c->agent_id();
}

absl::Status Explain(Session& s, const std::string& wanted, int at) {
  if (wanted.size() < kMinIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("CONVERSATION: expected at least ", kMinIdBytes, " characters of its id"));
  }
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  std::map<int32_t, domain::State> states;
  std::string found;
  int number = 0;
  const absl::Status status = WalkLog(*bus, {}, [&](const LogItem& item) -> absl::Status {
    if (item.entry == nullptr || !item.entry->record.has_decision()) return absl::OkStatus();
    const auto& decision = item.entry->record.decision();
    domain::State& state = states[item.partition];
    state.BeginDecision(decision.cause(), ToTime(decision.time()));
    bool headed = false;
    for (const auto& event : decision.events()) {
      const std::string about(ConversationOf(event));
      const auto* explanation = ExplanationOf(event);
      const bool ours = absl::StartsWith(about, wanted) ||
                        (!found.empty() && Concerns(event, state.FindConversation(found)));
      const bool shown = ours && (at == 0 || ++number == at);
      // Somebody was chosen: as it stood before. Nobody was: as it stands with it waiting.
      std::ostringstream agents;
      const bool judge = shown && explanation != nullptr && s.format() == Format::kTable;
      if (judge && !event.has_queued()) PrintAgents(state, about, agents);
      state.ApplyEvent(event);
      if (judge && event.has_queued()) PrintAgents(state, about, agents);
      if (!ours) continue;
      if (found.empty()) found = about;
      if (!about.empty() && about != found) {
        return absl::InvalidArgumentError(absl::StrCat(wanted, " fits several conversations, ",
                                                       found, " and ", about, " among them"));
      }
      if (!shown) continue;
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
      if (explanation != nullptr) {
        for (const auto& line : DescribeExplanation(*explanation)) {
          s.out << "      " << line << "\n";
        }
        s.out << agents.str();
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
      "conversation, what set it off, who was looked at, and for each agent of the\n"
      "routing group why or why not, and what would have to change.\n"
      "\nExamples:\n  wisselctl explain 6a1f\n  wisselctl explain 6a1f --at 4");
  auto id = std::make_shared<std::string>();
  command->add_option("CONVERSATION", *id, "Its id, or the beginning of it")->required();
  auto at = std::make_shared<int>(0);
  command->add_option("--at", *at, "Only the conversation's event of this number, from 1")
      ->type_name("EVENT")
      ->check(CLI::Range(1, 1'000'000));
  command->callback([&s, id, at] { s.action = [&s, id, at] { return Explain(s, *id, *at); }; });
}

}  // namespace wissel::ctl
