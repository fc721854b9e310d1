#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <map>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/domain/state.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/log_source.h"
#include "services/ctl/proto_yaml.h"
#include "services/ctl/standing.h"

namespace wissel::ctl {
namespace {

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

// The conversation's own queue as it was when this was explained; null where the state no longer
// has it so.
const config::v1::Queue* QueueThen(const domain::State& state, absl::string_view conversation_id,
                                   const conversation::v1::Explanation& explanation) {
  if (explanation.requirement().queue_ids().empty()) return nullptr;
  const state::v1::ConversationState* c = state.FindConversation(conversation_id);
  const auto* config = c == nullptr ? nullptr : state.FindConfig(c->workspace_id());
  if (config == nullptr || config->version() != explanation.config_version()) return nullptr;
  for (const config::v1::Queue& queue : config->queues()) {
    if (queue.queue_id() == explanation.requirement().queue_ids(0)) return &queue;
  }
  return nullptr;
}

// An event of the conversation, and what there is to be said of it.
struct Step {
  int number = 0;
  const LogItem* item = nullptr;
  const conversation::v1::Event* event = nullptr;
  std::vector<AgentStanding> agents;
  // Why they are looked at although nobody is sought; empty where somebody is.
  std::string not_sought;
  // False where the log's head is cut off and nothing has been restated yet: some may be missing.
  bool agents_known = true;
};

void PrintStep(const Step& step, const domain::State& state, bool headed, std::ostream& out) {
  const auto& decision = step.item->entry->record.decision();
  if (!headed) {
    out << FormatTime(decision.time()) << "  because of " << DescribeCause(decision.cause())
        << " (log[" << step.item->partition << "]@" << step.item->offset << ")\n";
  }
  out << absl::StrFormat("%5d  ", step.number) << Describe(*step.event) << "\n";
  if (const auto* explanation = ExplanationOf(*step.event)) {
    for (const auto& line : DescribeExplanation(
             *explanation, QueueThen(state, ConversationOf(*step.event), *explanation))) {
      out << "         " << line << "\n";
    }
  }
  if (!step.agents_known) {
    out << "         how the agents stood is not known: the log's head is cut off, and nothing has "
           "been restated yet\n";
  }
  if (!step.not_sought.empty()) out << "         " << step.not_sought << "\n";
  for (const AgentStanding& agent : step.agents) {
    out << "           " << DescribeStanding(agent) << "\n";
  }
}

// The event as the log has it, and beside it what the text says.
boost::json::object ToJson(const Step& step) {
  const auto& decision = step.item->entry->record.decision();
  boost::json::object json{{"number", step.number},
                           {"time", absl::FormatTime(absl::RFC3339_full, FromProto(decision.time()),
                                                     absl::UTCTimeZone())},
                           {"partition", step.item->partition},
                           {"offset", step.item->offset},
                           {"cause", DescribeCause(decision.cause())}};
  const boost::json::value event = boost::json::parse(ToJsonLine(*step.event));
  for (const auto& [key, value] : event.as_object()) json[key] = value;
  if (step.item->begins > 0) {
    json["log_begins"] = {{"partition", step.item->partition}, {"offset", step.item->begins}};
  }
  if (!step.agents_known) json["agents_known"] = false;
  if (!step.agents.empty()) json["agents"] = StandingsJson(step.agents);
  if (!step.not_sought.empty()) json["not_sought"] = step.not_sought;
  return json;
}

// Somebody was chosen: as it stood before.
bool Chosen(const conversation::v1::Event& event) {
  return !event.has_queued() && ExplanationOf(event) != nullptr;
}

std::string WhyNotSought(const domain::State& state, const std::string& conversation_id) {
  const auto* c = state.FindConversation(conversation_id);
  if (c == nullptr || c->status() == state::v1::CONVERSATION_STATUS_QUEUED) return "";
  return absl::StrCat("nobody is sought for it: it is ", EnumName(c->status()),
                      "; were it to wait again:");
}

// Folds the log, and prints what happens to one conversation on the way.
class Explainer {
 public:
  // `wanted`: how the conversation's id begins. `at`: only the event of this number; 0: all.
  Explainer(Session& s, const std::string& wanted, int at) : s_(s), wanted_(wanted), at_(at) {}

  // INVALID_ARGUMENT: the id of a second conversation begins so.
  absl::Status Take(const LogItem& item) {
    const auto [place, first] = states_.try_emplace(item.partition);
    domain::State& state = place->second;
    if (first) begins_[item.partition] = item.begins;
    if (first && item.begins > 0) state.BeginsAfterCut();
    if (item.entry == nullptr || !item.entry->record.has_decision()) return absl::OkStatus();
    const auto& decision = item.entry->record.decision();
    state.BeginDecision(decision.cause(), FromProto(decision.time()));
    bool headed = false;
    for (const auto& event : decision.events()) {
      WISSEL_ASSIGN_OR_RETURN(const bool ours, IsOurs(item, event, state));
      if (ours) ++number_;
      if (!ours || (at_ != 0 && number_ != at_)) {
        state.ApplyEvent(event);
        continue;
      }
      const Step step = Apply(item, event, state);
      if (s_.format() == Format::kTable) {
        PrintStep(step, state, headed, s_.out);
      } else {
        if (s_.format() == Format::kYaml && printed_) s_.out << "---\n";
        PrintJson(ToJson(step), s_.format(), s_.out);
        printed_ = true;
      }
      headed = true;
    }
    return absl::OkStatus();
  }

  // NOT_FOUND: there is no such conversation, or it has no such event.
  absl::Status Finish() const {
    if (found_.empty()) return NoSuchConversation(wanted_, begins_);
    if (at_ > number_) {
      return absl::NotFoundError(absl::StrCat("--at: conversation ", ShortId(found_), " has ",
                                              number_, " events, and none of number ", at_));
    }
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<bool> IsOurs(const LogItem& item, const conversation::v1::Event& event,
                              const domain::State& state) {
    const absl::string_view about = ConversationOf(event);
    if (!absl::StartsWith(about, wanted_)) {
      return !found_.empty() && Concerns(event, state.FindConversation(found_));
    }
    if (found_.empty()) {
      found_ = std::string(about);
      if (item.begins > 0 && !event.has_conversation_opened()) {
        s_.err << SayBeginnings({{item.partition, item.begins}})
               << ", of this conversation too; its events are numbered from the first that is "
                  "left\n";
      }
    }
    if (about != found_) return FitsSeveral(wanted_, found_, about);
    return true;
  }

  Step Apply(const LogItem& item, const conversation::v1::Event& event, domain::State& state) {
    Step step{.number = number_, .item = &item, .event = &event};
    const bool wants_agents = at_ != 0 || ExplanationOf(event) != nullptr;
    step.agents_known = !wants_agents || state.whole();
    const bool judge = wants_agents && step.agents_known;
    if (judge && Chosen(event)) step.agents = JudgeAgents(state, found_);
    state.ApplyEvent(event);
    if (judge && !Chosen(event)) {
      step.agents = JudgeAgents(state, found_);
      step.not_sought = WhyNotSought(state, found_);
    }
    return step;
  }

  Session& s_;
  const std::string wanted_;
  const int at_;
  std::map<int32_t, domain::State> states_;
  std::map<int32_t, int64_t> begins_;
  std::string found_;
  int number_ = 0;
  bool printed_ = false;  // as JSON or YAML
};

absl::Status Explain(Session& s, const std::string& wanted, int at) {
  WISSEL_RETURN_IF_ERROR(CheckBeginning(wanted));
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  Explainer explainer(s, wanted, at);
  WISSEL_RETURN_IF_ERROR(
      WalkLog(*bus, {}, [&](const LogItem& item) { return explainer.Take(item); }));
  return explainer.Finish();
}

}  // namespace

void AddExplain(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("explain", "Why a conversation went the way it went");
  command->footer(
      "\nReads the log (--kafka, --log-file or the context's) and tells each step of the\n"
      "conversation, what set it off, who was looked at, and for each agent of the\n"
      "routing group why or why not, and all that would have to change. The events are numbered:\n"
      "--at says of any of them how each agent stood. With --output json an event a line,\n"
      "with yaml a document.\n"
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
