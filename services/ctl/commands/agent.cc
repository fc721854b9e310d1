#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "libs/base/uuid.h"
#include "services/ctl/agent_stream.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/desk.h"
#include "services/ctl/lookup.h"
#include "services/ctl/proto_yaml.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using agent::v1::AgentService;
using agent::v1::ConnectResponse;

// To see the work without counting as the agent's client.
agent::v1::GetWorkRequest LookOn() {
  agent::v1::GetWorkRequest request;
  request.set_observe(true);
  return request;
}

// How long the views may take to show what the stream has offered.
constexpr absl::Duration kIntroduction = absl::Seconds(1);

// Events that `wait` has not looked at yet, at most; older ones are forgotten.
constexpr size_t kMaxUnseenEvents = 10'000;

struct AgentFlags {
  std::string script;
  std::string cursor_file;
  bool observe = false;
  bool whole_workspace = false;
  std::vector<std::string> groups;
  std::vector<std::string> words;
};

absl::Status StatusOf(const agent::v1::CommandOutcome& outcome) {
  if (!outcome.has_rejected()) return absl::OkStatus();
  const auto& r = outcome.rejected();
  return absl::FailedPreconditionError(
      absl::StrCat("refused, ", EnumName(r.reason()), ": ", OneLine(r.detail(), 200)));
}

// From lines of "ROUTING_GROUP CURSOR".
absl::StatusOr<AgentStream::Cursors> ParseCursors(absl::string_view text) {
  AgentStream::Cursors cursors;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipWhitespace())) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ');
    if (words.size() != 2) {
      return absl::InvalidArgumentError("the cursor file has lines other than GROUP CURSOR");
    }
    cursors[words[0]] = words[1];
  }
  return cursors;
}

// As lines; or as a line of JSON like every message of the stream, with what is for people aside.
void PrintList(Session& s, const Desk& desk) {
  if (s.format() == Format::kTable) {
    for (const auto& item : desk.List()) s.out << item << "\n";
  } else {
    s.out << ToJsonLine(desk.ListMessage()) << "\n";
    if (desk.items().empty()) s.err << "nothing on your desk\n" << std::flush;
  }
  s.out << std::flush;
}

// A person or script at a terminal, and the agent's stream: prints what comes, sends what is typed.
class Terminal {
 public:
  Terminal(Session& s, const AgentFlags& f)
      : s_(s), f_(f), prompts_(f.script.empty() && isatty(STDIN_FILENO) != 0), desk_(s.flags.as) {}

  absl::Status Run() {
    std::string script;
    if (!f_.script.empty()) {
      WISSEL_ASSIGN_OR_RETURN(script, ReadInput(f_.script, 1 << 20));
    }
    AgentStream::Options options;
    WISSEL_ASSIGN_OR_RETURN(options.client, MakeClient(s_, Session::Service::kAgent, s_.flags.as));
    if (!f_.cursor_file.empty()) {
      auto cursors = ReadFile(f_.cursor_file, 1 << 16);
      if (!cursors.ok() && !absl::IsNotFound(cursors.status())) return cursors.status();
      if (cursors.ok()) {
        WISSEL_ASSIGN_OR_RETURN(options.cursors, ParseCursors(*cursors));
      }
    }
    client_ = options.client;
    if (!options.cursors.empty()) LoadDesk();
    {
      MutexLock lock(mutex_);
      for (const auto& [group, cursor] : options.cursors) resumed_.insert(group);
      desk_.Resume(options.cursors);
    }
    for (const std::string& group : f_.groups) options.cursors.try_emplace(group);
    options.observe = f_.observe;
    options.whole_workspace = f_.whole_workspace;
    options.on_response = [this](const ConnectResponse& r) { OnResponse(r); };
    options.on_lost = [this](const absl::Status& status) {
      MutexLock lock(mutex_);
      s_.err << "connection lost (" << status.message() << "), resuming\n" << std::flush;
    };
    options.on_end = [this](const absl::Status& status) {
      MutexLock lock(mutex_);
      ended_ = true;
      end_status_ = status;
      changed_.NotifyAll();
    };
    stream_ = std::make_unique<AgentStream>(std::move(options));
    WISSEL_RETURN_IF_ERROR(WaitUntilConnected());
    absl::Status status = f_.script.empty() ? RunLines(s_.in) : RunScript(script);
    stream_->Close();
    MutexLock lock(mutex_);
    if (status.ok() && !end_status_.ok()) status = end_status_;
    return status;
  }

 private:
  // A stream that resumes brings no snapshot: the desk is asked for on its own. What the stream
  // then repeats changes nothing.
  void LoadDesk() {
    const auto work = Call<AgentService>(client_, &AgentService::StubInterface::GetWork, LookOn());
    if (!work.ok()) return;
    ConnectResponse response;
    *response.mutable_snapshot() = work->snapshot();
    // The stream resumes before this place.
    response.mutable_snapshot()->clear_cursor();
    MutexLock lock(mutex_);
    desk_.Apply(response);
  }

  // Who writes what in the conversations that the stream has just offered or given: the lines of
  // the desk. Asks until the views have their messages, for a moment.
  std::vector<std::string> Introduce(std::set<std::string> strangers) ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<std::string> lines;
    const Timeout limit(kIntroduction);
    while (!strangers.empty()) {
      Client client = client_;
      client.timeout = std::min(client.timeout, kIntroduction);
      const auto work = Call<AgentService>(client, &AgentService::StubInterface::GetWork, LookOn());
      if (!work.ok()) break;
      const bool last = limit.Expired();
      MutexLock lock(mutex_);
      for (const auto& item : work->snapshot().items()) {
        if (item.messages().empty() && !work->snapshot().messages_missing() && !last) continue;
        if (strangers.erase(item.conversation().conversation_id()) == 0) continue;
        std::string line = desk_.Meet(item);
        if (!line.empty()) lines.push_back(std::move(line));
      }
      if (last) break;
      if (!strangers.empty()) changed_.WaitFor(mutex_, absl::Milliseconds(50));
    }
    return lines;
  }

  void OnResponse(const ConnectResponse& response) {
    std::vector<std::string> lines;
    std::set<std::string> strangers;
    {
      MutexLock lock(mutex_);
      lines = desk_.Apply(response);
      if (response.has_heartbeat()) return SaveCursors();
      if (response.has_events() && s_.format() == Format::kTable) {
        for (std::string& id : desk_.Strangers()) {
          if (asked_.insert(id).second) strangers.insert(std::move(id));
        }
      }
    }
    for (std::string& line : Introduce(std::move(strangers))) lines.push_back(std::move(line));
    MutexLock lock(mutex_);
    if (response.has_welcome()) OnWelcome(response.welcome());
    if (response.has_snapshot()) awaited_.erase(response.snapshot().routing_group_id());
    if (s_.format() != Format::kTable) {
      s_.out << ToJsonLine(response) << std::endl;
    } else {
      if (!lines.empty()) LeavePrompt();
      for (const auto& line : lines) s_.out << line << "\n";
      if (!lines.empty()) Prompt();
      s_.out << std::flush;
    }
    for (const auto& event : response.events().events()) {
      if (unseen_.size() == kMaxUnseenEvents) unseen_.pop_front();
      unseen_.push_back(std::string(KindOf(event)));
    }
    if (response.has_outcome()) outcomes_[response.outcome().command_id()] = response.outcome();
    SaveCursors();
    changed_.NotifyAll();
  }

  // Where the stream does not resume from a cursor it begins with a snapshot, without which nothing
  // is known of what is on the desk.
  void OnWelcome(const agent::v1::Welcome& welcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (connected_) return;
    connected_ = true;
    for (const std::string& group : welcome.routing_group_ids()) {
      if (!resumed_.contains(group)) awaited_.insert(group);
    }
  }

  // By way of a second file, so that a crash leaves the old cursors or the new ones.
  void SaveCursors() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (f_.cursor_file.empty() || desk_.cursors() == saved_) return;
    const std::string next = f_.cursor_file + ".next";
    std::ofstream file(next);
    for (const auto& [group, cursor] : desk_.cursors()) file << group << " " << cursor << "\n";
    file.close();
    if (file && rename(next.c_str(), f_.cursor_file.c_str()) == 0) {
      saved_ = desk_.cursors();
    } else if (!std::exchange(save_failed_, true)) {
      s_.err << f_.cursor_file << ": cannot be written; it keeps the cursors it had\n"
             << std::flush;
    }
  }

  // What is printed next overwrites the prompt.
  void LeavePrompt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (std::exchange(at_prompt_, false)) s_.out << "\r";
  }

  void Prompt() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!prompts_ || std::exchange(at_prompt_, true)) return;
    s_.out << desk_.agent_id();
    if (!desk_.in_hand().empty()) s_.out << " " << ShortId(desk_.in_hand());
    s_.out << "> " << std::flush;
  }

  // Waits until `ready` holds, the stream ends, or the time is up.
  template <class Ready>
  absl::Status WaitFor(absl::string_view what, absl::Duration timeout, Ready ready) {
    const Timeout limit(timeout);
    MutexLock lock(mutex_);
    while (!ready()) {
      if (ended_) {
        return end_status_.ok() ? absl::UnavailableError("the stream has ended") : end_status_;
      }
      if (limit.Expired()) {
        return absl::DeadlineExceededError(
            absl::StrCat("no ", what, " within ", absl::FormatDuration(timeout)));
      }
      changed_.WaitFor(mutex_, limit.Remaining());
    }
    return absl::OkStatus();
  }

  absl::Status WaitUntilConnected() {
    return WaitFor("connection", s_.timeout(), [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return connected_ && awaited_.empty();
    });
  }

  // "wait KIND [TIMEOUT]"; "wait offer" is content with an offer already on the desk.
  absl::Status Wait(absl::string_view arguments) {
    const std::vector<std::string> words =
        absl::StrSplit(arguments, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    absl::Duration timeout = s_.timeout();
    if (words.empty() || words.size() > 2) {
      return absl::InvalidArgumentError("wait KIND [TIMEOUT]");
    }
    if (words.size() == 2) {
      WISSEL_ASSIGN_OR_RETURN(timeout, ParseDuration("wait KIND TIMEOUT", words[1], "10s"));
    }
    const std::string& kind = words[0];
    if (kind == "offer") {
      return WaitFor("offer", timeout, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        for (const auto& [id, item] : desk_.items()) {
          if (!item.offer_id.empty()) return true;
        }
        return false;
      });
    }
    if (conversation::v1::Event::descriptor()->FindFieldByName(kind) == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("wait: no event is called ", kind));
    }
    return WaitFor(kind, timeout, [this, &kind]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      while (!unseen_.empty()) {
        const bool found = unseen_.front() == kind;
        unseen_.pop_front();
        if (found) return true;
      }
      return false;
    });
  }

  absl::Status Execute(const command::v1::Command& command) {
    const std::string& id = command.envelope().id();
    stream_->Send(command);
    WISSEL_RETURN_IF_ERROR(WaitFor(
        "outcome", s_.timeout(),
        [this, &id]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return outcomes_.contains(id); }));
    MutexLock lock(mutex_);
    const absl::Status status = StatusOf(outcomes_[id]);
    outcomes_.erase(id);
    return status;
  }

  absl::Status RunLine(absl::string_view line) {
    line = absl::StripAsciiWhitespace(line);
    if (line.empty() || line[0] == '#') return absl::OkStatus();
    const size_t space = std::min(line.find(' '), line.size());
    const absl::string_view word = line.substr(0, space);
    const absl::string_view rest = absl::StripAsciiWhitespace(line.substr(space));
    if (word == "wait") return Wait(rest);
    command::v1::Command command;
    {
      MutexLock lock(mutex_);
      if (word == "help") {
        (s_.format() == Format::kTable ? s_.out : s_.err) << Desk::Help() << std::flush;
        return absl::OkStatus();
      }
      if (word == "list") {
        PrintList(s_, desk_);
        return absl::OkStatus();
      }
      if (word == "use") return desk_.Use(rest);
      WISSEL_ASSIGN_OR_RETURN(command, desk_.Parse(line));
    }
    command.mutable_envelope()->set_id(RandomUuid());
    return Execute(command);
  }

  // The next line; false at the end of the input, and when the stream has ended, though nobody
  // types.
  bool ReadLine(std::istream& in, std::string& line) {
    if (&in != &std::cin) return static_cast<bool>(std::getline(in, line));
    while (true) {
      if (const size_t end = typed_.find('\n'); end != std::string::npos) {
        line = typed_.substr(0, end);
        typed_.erase(0, end + 1);
        return true;
      }
      pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
      const int ready = poll(&input, 1, /*timeout=*/200);
      {
        MutexLock lock(mutex_);
        if (ended_) return false;
      }
      if (ready == 0 || (ready < 0 && errno == EINTR)) continue;
      char buffer[4096];
      const ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
      if (n <= 0) {
        // The last line may have no end.
        line = std::exchange(typed_, "");
        return !line.empty();
      }
      typed_.append(buffer, static_cast<size_t>(n));
    }
  }

  // At a terminal or pipe: what is wrong is said, and the next line is read.
  absl::Status RunLines(std::istream& in) {
    std::string line;
    {
      MutexLock lock(mutex_);
      Prompt();
    }
    while (ReadLine(in, line) && line != "quit") {
      {
        MutexLock lock(mutex_);
        at_prompt_ = false;  // the line's end has left it
      }
      const absl::Status status = RunLine(line);
      MutexLock lock(mutex_);
      // A refusal has been printed with its outcome.
      if (!status.ok() && !absl::IsFailedPrecondition(status)) {
        LeavePrompt();
        s_.out << std::flush;
        s_.err << status.message() << "\n" << std::flush;
      }
      Prompt();
    }
    return absl::OkStatus();
  }

  // A script ends at the first line that does not work.
  absl::Status RunScript(absl::string_view text) {
    int number = 0;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      ++number;
      if (absl::StripAsciiWhitespace(line) == "quit") break;
      if (const absl::Status status = RunLine(line); !status.ok()) {
        return Annotate(status, absl::StrCat(f_.script, ":", number));
      }
    }
    return absl::OkStatus();
  }

  Session& s_;
  const AgentFlags& f_;
  const bool prompts_;
  std::string typed_;  // read, but not yet a line
  Client client_;

  Mutex mutex_;  // also of s_.out and s_.err
  CondVar changed_;
  Desk desk_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> asked_ ABSL_GUARDED_BY(mutex_);  // whose contact was looked up
  bool at_prompt_ ABSL_GUARDED_BY(mutex_) = false;
  bool connected_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<std::string> resumed_ ABSL_GUARDED_BY(mutex_);  // groups, from a cursor
  std::set<std::string> awaited_ ABSL_GUARDED_BY(mutex_);  // groups whose snapshot is yet to come
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_status_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::string> unseen_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, agent::v1::CommandOutcome> outcomes_ ABSL_GUARDED_BY(mutex_);
  AgentStream::Cursors saved_ ABSL_GUARDED_BY(mutex_);  // what the cursor file holds
  bool save_failed_ ABSL_GUARDED_BY(mutex_) = false;

  // Goes first: until it is gone, its thread uses all of the above.
  std::unique_ptr<AgentStream> stream_;
};

// What only an agent can do, whatever else the caller may.
bool IsAnAgentsOwn(const command::v1::Command& command) {
  using Kind = command::v1::Command::KindCase;
  switch (command.kind_case()) {
    case Kind::kSetPresence:
    case Kind::kSetCapacity:
    case Kind::kAcceptOffer:
    case Kind::kDeclineOffer:
    case Kind::kPull:
    case Kind::kEndWrapUp:
      return true;
    default:
      return false;
  }
}

// `line` with the id after its "@" in full, as the history service knows it.
absl::StatusOr<std::string> WithWholeId(Session& s, const std::string& line) {
  std::vector<std::string> words = absl::StrSplit(line, ' ');
  if (words.size() < 2 || !absl::StartsWith(words[1], "@")) return line;
  WISSEL_ASSIGN_OR_RETURN(const Client history,
                          MakeClient(s, Session::Service::kHistory, s.flags.as));
  WISSEL_ASSIGN_OR_RETURN(const std::string id, WholeConversationId(history, words[1].substr(1)));
  words[1] = absl::StrCat("@", id);
  return absl::StrJoin(words, " ");
}

// The routing group that a supervisor's command is for: its conversation's, or its agent's. Empty
// where the history service does not say: in a workspace with one group it need not be named.
std::string GroupOf(Session& s, const command::v1::Command& command) {
  using history::v1::HistoryService;
  const auto history = MakeClient(s, Session::Service::kHistory, s.flags.as);
  if (!history.ok()) return "";
  if (command.has_force_logout()) {
    history::v1::GetAgentRequest request;
    request.set_agent_id(command.force_logout().agent_id());
    const auto agent =
        Call<HistoryService>(*history, &HistoryService::StubInterface::GetAgent, request);
    return agent.ok() ? agent->agent().routing_group_id() : "";
  }
  history::v1::GetConversationRequest request;
  request.set_conversation_id(ConversationIn(command));
  if (request.conversation_id().empty()) return "";
  const auto found =
      Call<HistoryService>(*history, &HistoryService::StubInterface::GetConversation, request);
  return found.ok() ? found->conversation().routing_group_id() : "";
}

// One command without a stream. Supervisors who are no agents have no desk: they name a
// conversation by "@ID".
absl::Status Do(Session& s, const AgentFlags& f) {
  std::string line = absl::StrJoin(f.words, " ");
  const std::string word = line.substr(0, line.find(' '));
  if (word == "help") {
    s.out << Desk::Help();
    return absl::OkStatus();
  }
  if (word == "wait" || word == "use" || word == "quit") {
    return absl::InvalidArgumentError(
        absl::StrCat(word, ": means something at the stream only; name a conversation by @ID"));
  }
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAgent, s.flags.as));
  const auto work = Call<AgentService>(client, &AgentService::StubInterface::GetWork,
                                       word == "list" ? LookOn() : agent::v1::GetWorkRequest());
  // That the caller is no agent.
  if (!work.ok() && (!absl::IsFailedPrecondition(work.status()) || word == "list")) {
    return work.status();
  }
  Desk desk(work.ok() ? work->snapshot().agent().agent_id() : "");
  if (work.ok()) {
    ConnectResponse response;
    *response.mutable_snapshot() = work->snapshot();
    desk.Apply(response);
    if (desk.items().size() == 1) WISSEL_RETURN_IF_ERROR(desk.Use(desk.items().begin()->first));
  }
  if (word == "list") {
    PrintList(s, desk);
    return absl::OkStatus();
  }
  auto command = desk.Parse(line);
  if (absl::IsNotFound(command.status())) {
    // Not on the desk; a supervisor's words are for others' conversations, too.
    WISSEL_ASSIGN_OR_RETURN(line, WithWholeId(s, line));
    command = desk.Parse(line);
  }
  WISSEL_RETURN_IF_ERROR(command.status());
  if (!work.ok() && IsAnAgentsOwn(*command)) return work.status();
  agent::v1::ExecuteRequest request;
  *request.mutable_command() = *std::move(command);
  common::v1::Envelope& envelope = *request.mutable_command()->mutable_envelope();
  envelope.set_id(RandomUuid());
  const bool supervises =
      !work.ok() || request.command().has_reassign() || request.command().has_barge_in() ||
      request.command().has_leave_conversation() || request.command().has_force_logout();
  if (f.groups.size() == 1) {
    envelope.set_routing_group_id(f.groups[0]);
  } else if (envelope.routing_group_id().empty() && supervises) {
    envelope.set_routing_group_id(GroupOf(s, request.command()));
  }
  WISSEL_ASSIGN_OR_RETURN(
      const auto executed,
      Call<AgentService>(client, &AgentService::StubInterface::Execute, request));
  if (s.format() != Format::kTable) {
    PrintMessage(executed.outcome(), s.format(), s.out);
  } else if (!executed.outcome().has_rejected()) {
    for (const auto& event : executed.outcome().events()) s.out << Describe(event) << "\n";
  }
  return StatusOf(executed.outcome());
}

absl::Status Work(Session& s) {
  WISSEL_ASSIGN_OR_RETURN(const Client client, MakeClient(s, Session::Service::kAgent, s.flags.as));
  WISSEL_ASSIGN_OR_RETURN(
      const auto work, Call<AgentService>(client, &AgentService::StubInterface::GetWork, LookOn()));
  if (s.format() != Format::kTable) {
    PrintMessage(work.snapshot(), s.format(), s.out);
    return absl::OkStatus();
  }
  Desk desk(work.snapshot().agent().agent_id());
  ConnectResponse response;
  *response.mutable_snapshot() = work.snapshot();
  for (const auto& line : desk.Apply(response)) s.out << line << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddAgent(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("agent", "Work as an agent: presence, offers, answers");
  command->require_subcommand(0, 1);
  command->footer(
      absl::StrCat("\nWithout a subcommand: the agent's stream, and a line for each thing to do. A "
                   "stream that is\n"
                   "lost resumes where it was. With --output json each message of the stream is a "
                   "line of JSON.\n"
                   "\nThe words:\n",
                   std::string(Desk::Help()),
                   "\nExamples:\n"
                   "  wisselctl agent --as anna\n"
                   "  wisselctl agent --as anna --script morning.txt\n"
                   "  wisselctl agent do --as anna reply 'Hij komt morgen.'"));
  auto f = std::make_shared<AgentFlags>();
  command
      ->add_option("--script", f->script,
                   "Read the lines from this file; end at the first that does not work")
      ->type_name("FILE");
  command
      ->add_option("--cursor-file", f->cursor_file,
                   "Resume from the cursors in this file, and keep them up to date")
      ->type_name("FILE");
  command->add_flag("--observe", f->observe, "Look on, without counting as the agent's connection");
  command->add_flag("--whole-workspace", f->whole_workspace,
                    "Everything in the workspace (supervisors)");
  command
      ->add_option("--group", f->groups,
                   "Only this routing group, repeatable (with --whole-workspace)")
      ->type_name("ID");
  command->callback([&s, f, command] {
    if (!command->get_subcommands().empty()) return;
    s.action = [&s, f] { return Terminal(s, *f).Run(); };
  });

  auto* once =
      command->add_subcommand("do", "One thing, without a stream; exit code 4 when refused");
  once->footer(
      "\nThe words are the stream's, without wait, use and quit. Without @ID the only "
      "conversation\n"
      "on the desk is meant. Supervisors who are no agents name each by @ID, of which the\n"
      "beginning is enough; --group GROUP, before do, where its routing group cannot be looked "
      "up.\n"
      "Each counts as the agent's connection for a while (the gateway's unary_session, 30 s); "
      "whoever\n"
      "is to be given work for longer calls again in time, or opens a stream.\n"
      "\nExamples:\n"
      "  wisselctl agent do --as anna accept\n"
      "  wisselctl agent do --as supervisor reassign @6a1f03c2 anna\n"
      "  wisselctl agent do --as supervisor logout anna 'shift is over'");
  once->add_option("WORDS", f->words, "As typed at the stream, e.g. accept")->required();
  once->callback([&s, f] { s.action = [&s, f] { return Do(s, *f); }; });

  command->add_subcommand("work", "Print presence, offers and conversations")->callback([&s] {
    s.action = [&s] { return Work(s); };
  });
}

}  // namespace wissel::ctl
