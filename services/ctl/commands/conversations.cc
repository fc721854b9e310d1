#include <CLI/CLI.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"
#include "services/ctl/agent_stream.h"
#include "services/ctl/client.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/lookup.h"
#include "services/ctl/proto_yaml.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using history::v1::HistoryService;
using state::v1::ConversationState;

struct ListFlags {
  std::string status;
  std::string group;
  std::string contact;
  int limit = 50;
};

const std::map<std::string, state::v1::ConversationStatus> kStatuses = {
    {"queued", state::v1::CONVERSATION_STATUS_QUEUED},
    {"offered", state::v1::CONVERSATION_STATUS_OFFERED},
    {"active", state::v1::CONVERSATION_STATUS_ACTIVE},
    {"parked", state::v1::CONVERSATION_STATUS_PARKED},
    {"resolved", state::v1::CONVERSATION_STATUS_RESOLVED}};

std::string Contact(const ConversationState& c) {
  return c.contact().display_name().empty() ? c.contact().address() : c.contact().display_name();
}

absl::Status List(Session& s, const ListFlags& f) {
  WISSEL_ASSIGN_OR_RETURN(const Client client,
                          MakeClient(s, Session::Service::kHistory, "supervisor"));
  history::v1::ListConversationsResponse all;
  std::string page;
  do {
    const int size = std::min(f.limit - all.conversations_size(), 500);
    if (f.contact.empty()) {
      history::v1::ListConversationsRequest request;
      request.set_routing_group_id(f.group);
      if (!f.status.empty()) request.set_status(kStatuses.at(f.status));
      request.set_page_size(size);
      request.set_page_token(page);
      WISSEL_ASSIGN_OR_RETURN(
          const auto response,
          Call<HistoryService>(client, &HistoryService::StubInterface::ListConversations, request));
      all.mutable_conversations()->MergeFrom(response.conversations());
      page = response.next_page_token();
    } else {
      history::v1::ListContactConversationsRequest request;
      request.set_contact_id(f.contact);
      request.set_page_size(size);
      request.set_page_token(page);
      WISSEL_ASSIGN_OR_RETURN(
          const auto response,
          Call<HistoryService>(client, &HistoryService::StubInterface::ListContactConversations,
                               request));
      all.mutable_conversations()->MergeFrom(response.conversations());
      page = response.next_page_token();
    }
  } while (!page.empty() && all.conversations_size() < f.limit);

  if (s.format() != Format::kTable) {
    PrintMessage(all, s.format(), s.out);
    return absl::OkStatus();
  }
  Table table({"CONVERSATION", "STATUS", "QUEUE", "AGENT", "CONTACT", "ACCOUNT", "WAITING SINCE",
               "POSITION", "EXPECTED BY", "SUBJECT"});
  for (const ConversationState& c : all.conversations()) {
    const bool queued = c.status() == state::v1::CONVERSATION_STATUS_QUEUED;
    const bool waits = queued || c.status() == state::v1::CONVERSATION_STATUS_OFFERED;
    // As last told; what was told of an earlier wait says nothing of this one.
    const bool told = queued && c.has_estimate_time() &&
                      FromProto(c.estimate_time()) >= FromProto(c.waiting_since());
    table.Add({c.conversation_id(), StatusOf(c), c.queue_id(),
               c.agent_id().empty() ? c.offer().agent_id() : c.agent_id(), OneLine(Contact(c), 30),
               c.account().account_id(), waits ? FormatTime(c.waiting_since()) : "-",
               told ? absl::StrCat(c.estimated_position()) : "-",
               told && c.has_estimated_wait() ? FormatTime(ToProto(FromProto(c.estimate_time()) +
                                                                   FromProto(c.estimated_wait())))
                                              : "-",
               OneLine(c.subject(), 40)});
  }
  table.Print(s.out);
  return absl::OkStatus();
}

void PrintHistory(const history::v1::Message& m, std::ostream& out) {
  using history::v1::Message;
  const std::string who = m.actor().agent_id().empty() ? m.actor().subject() : m.actor().agent_id();
  out << FormatTime(m.time()) << "  ";
  switch (m.kind_case()) {
    case Message::kInbound:
      out << "customer: " << Summary(m.inbound().contents());
      break;
    case Message::kOutbound:
      out << who << ": " << Summary(m.outbound().contents()) << " [" << EnumName(m.delivery_state())
          << "]";
      break;
    case Message::kNote:
      out << who << " noted: " << OneLine(m.note(), 200);
      break;
    case Message::KIND_NOT_SET:
      break;
  }
  out << (m.edited() ? " (edited)\n" : "\n");
}

absl::Status Show(Session& s, const std::string& id) {
  WISSEL_ASSIGN_OR_RETURN(const Client client,
                          MakeClient(s, Session::Service::kHistory, "supervisor"));
  history::v1::GetConversationRequest request;
  WISSEL_ASSIGN_OR_RETURN(*request.mutable_conversation_id(), WholeConversationId(client, id));
  WISSEL_ASSIGN_OR_RETURN(
      const auto response,
      Call<HistoryService>(client, &HistoryService::StubInterface::GetConversation, request));
  if (s.format() != Format::kTable) {
    PrintMessage(response, s.format(), s.out);
    return absl::OkStatus();
  }
  const ConversationState& c = response.conversation();
  s.out << "conversation " << c.conversation_id() << "\n"
        << "  with     " << OneLine(Contact(c), 80) << " <" << OneLine(c.contact().address(), 80)
        << "> on " << c.account().account_id() << "\n"
        << "  status   " << EnumName(c.status())
        << (c.agent_id().empty() ? "" : absl::StrCat(", agent ", c.agent_id()))
        << (c.queue_id().empty() ? "" : absl::StrCat(", queue ", c.queue_id())) << "\n";
  if (c.has_callback_request_time()) {
    s.out << "  callback owed since " << FormatTime(c.callback_request_time()) << "\n";
  }
  if (!c.merged_into_conversation_id().empty()) {
    s.out << "  merged   into " << c.merged_into_conversation_id() << "\n";
  }
  if (!c.subject().empty()) s.out << "  subject  " << OneLine(c.subject(), 80) << "\n";
  s.out << "  opened   " << FormatTime(c.open_time()) << "\n\n";
  for (const auto& m : response.messages()) PrintHistory(m, s.out);
  return absl::OkStatus();
}

void PrintEvent(Session& s, const conversation::v1::Event& event,
                const google::protobuf::Timestamp& time) {
  if (s.format() != Format::kTable) {
    s.out << ToJsonLine(event) << std::endl;
    return;
  }
  const absl::string_view about = ConversationOf(event);
  s.out << FormatTime(time) << "  " << (about.empty() ? std::string(8, ' ') : ShortId(about))
        << "  " << Describe(event) << std::endl;
}

// The workspace's stream, events of one conversation (or all), until interrupted or refused.
absl::Status Tail(Session& s, const std::string& id) {
  AgentStream::Options options;
  WISSEL_ASSIGN_OR_RETURN(options.client, MakeClient(s, Session::Service::kAgent, "supervisor"));
  Mutex mutex;
  CondVar changed;
  bool connected = false;
  std::optional<absl::Status> end;
  options.observe = true;
  options.whole_workspace = true;
  options.on_response = [&](const agent::v1::ConnectResponse& response) {
    MutexLock lock(mutex);
    connected = true;
    for (const auto& event : response.events().events()) {
      if (absl::StartsWith(ConversationOf(event), id)) {
        PrintEvent(s, event, response.events().time());
      }
    }
  };
  options.on_lost = [&](const absl::Status& status) {
    MutexLock lock(mutex);
    if (connected) {
      s.err << "connection lost (" << status.message() << "), resuming\n" << std::flush;
    } else if (!end) {
      end = status;
      changed.NotifyAll();
    }
  };
  options.on_end = [&](const absl::Status& status) {
    MutexLock lock(mutex);
    if (!end) end = status;
    changed.NotifyAll();
  };
  AgentStream stream(std::move(options));
  const Timeout limit(s.timeout());
  MutexLock lock(mutex);
  while (!end && !(limit.Expired() && !connected)) {
    changed.WaitFor(mutex, connected ? absl::InfiniteDuration() : limit.Remaining());
  }
  if (end) return *end;
  return absl::DeadlineExceededError(
      absl::StrCat("no connection within ", absl::FormatDuration(s.timeout())));
}

}  // namespace

void AddConversations(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("conversations", "Customers' conversations");
  command->require_subcommand(1);
  command->footer(
      "\nExamples:\n"
      "  wisselctl conversations list --status queued\n"
      "  wisselctl conversations show 6a1f03c2\n"
      "  wisselctl conversations tail");

  auto f = std::make_shared<ListFlags>();
  auto* list = command->add_subcommand("list", "Newest first");
  auto* status =
      list->add_option("--status", f->status, "Only these; else all that are not resolved");
  status->check(CLI::IsMember({"queued", "offered", "active", "parked", "resolved"}));
  auto* group = list->add_option("--group", f->group, "Only this routing group")->type_name("ID");
  list->add_option("--contact", f->contact, "Only this contact's, whatever their state")
      ->excludes(status)
      ->excludes(group)
      ->type_name("ID");
  list->add_option("--limit", f->limit, "At most so many")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  list->callback([&s, f] { s.action = [&s, f] { return List(s, *f); }; });

  auto id = std::make_shared<std::string>();
  auto* show = command->add_subcommand("show", "One, with its latest messages");
  show->add_option("CONVERSATION", *id, "Its id, or the beginning of it")->required();
  show->callback([&s, id] { s.action = [&s, id] { return Show(s, *id); }; });

  auto* tail = command->add_subcommand("tail", "What happens, as it happens, until interrupted");
  tail->add_option("CONVERSATION", *id,
                   "Only this one, by its id or the beginning of it; else the whole workspace");
  tail->callback([&s, id] { s.action = [&s, id] { return Tail(s, *id); }; });
}

}  // namespace wissel::ctl
