// `wisselctl agent` and `conversations` against servers that say what a test wants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <pty.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "libs/base/mutex.h"
#include "libs/base/timeout.h"
#include "libs/rpc/server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/cli.h"
#include "services/ctl/testing.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kOne[] = "6a1f0000-1111-5222-8333-444455556666";
constexpr char kTwo[] = "6a1fffff-1111-5222-8333-444455556666";

// Of a gateway: the caller has one conversation, or is a supervisor without a desk.
class Agents final : public agent::v1::AgentService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<agent::v1::ConnectResponse, agent::v1::ConnectRequest>;
  // In place of what GetWork answers.
  std::function<agent::v1::Snapshot()> work;
  // In place of what Connect does.
  std::function<grpc::Status(Stream&)> connect;
  bool is_agent = true;
  bool refuses = false;  // what Execute is asked for
  std::vector<command::v1::Command> commands;

  grpc::Status Connect(grpc::ServerContext*,
                       grpc::ServerReaderWriter<agent::v1::ConnectResponse,
                                                agent::v1::ConnectRequest>* stream) override {
    if (connect) return connect(*stream);
    agent::v1::ConnectRequest request;
    if (!stream->Read(&request)) return grpc::Status::OK;
    agent::v1::ConnectResponse response;
    response.mutable_welcome()->set_agent_id("anna");
    response.mutable_welcome()->add_routing_group_ids("desk");
    stream->Write(response);
    // A gateway reads the views in between. Who does not wait for the snapshot is seen not to.
    absl::Notification never;
    never.WaitForNotificationWithTimeout(absl::Milliseconds(100));
    *response.mutable_snapshot() = Work();
    stream->Write(response);
    while (stream->Read(&request)) {
      if (!request.has_command()) continue;
      commands.push_back(request.command());
      response.mutable_outcome()->set_command_id(request.command().envelope().id());
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status GetWork(grpc::ServerContext*, const agent::v1::GetWorkRequest*,
                       agent::v1::GetWorkResponse* response) override {
    if (!is_agent) return {grpc::StatusCode::FAILED_PRECONDITION, "the caller is no agent"};
    *response->mutable_snapshot() = work ? work() : Work();
    return grpc::Status::OK;
  }
  grpc::Status Execute(grpc::ServerContext*, const agent::v1::ExecuteRequest* request,
                       agent::v1::ExecuteResponse* response) override {
    commands.push_back(request->command());
    response->mutable_outcome()->set_command_id(request->command().envelope().id());
    if (refuses) {
      auto& rejected = *response->mutable_outcome()->mutable_rejected();
      rejected.set_reason(conversation::v1::CommandRejected::REASON_WRONG_STATE);
      *response->mutable_outcome()->add_events()->mutable_command_rejected() = rejected;
    }
    return grpc::Status::OK;
  }

 private:
  static agent::v1::Snapshot Work() {
    agent::v1::Snapshot snapshot;
    snapshot.set_routing_group_id("desk");
    snapshot.mutable_agent()->set_agent_id("anna");
    auto& conversation = *snapshot.add_items()->mutable_conversation();
    conversation.set_conversation_id(kOne);
    conversation.set_agent_id("anna");
    conversation.set_status(state::v1::CONVERSATION_STATUS_ACTIVE);
    return snapshot;
  }
};

class History final : public history::v1::HistoryService::Service {
 public:
  common::v1::ContactPoint contact;  // of every conversation
  bool empty = false;

  grpc::Status GetConversation(grpc::ServerContext*,
                               const history::v1::GetConversationRequest* request,
                               history::v1::GetConversationResponse* response) override {
    if (request->conversation_id() != kOne && request->conversation_id() != kTwo) {
      return {grpc::StatusCode::NOT_FOUND, "no such conversation"};
    }
    response->mutable_conversation()->set_conversation_id(request->conversation_id());
    *response->mutable_conversation()->mutable_contact() = contact;
    response->mutable_conversation()->set_routing_group_id("second");
    return grpc::Status::OK;
  }
  // A page for each.
  grpc::Status ListConversations(grpc::ServerContext*,
                                 const history::v1::ListConversationsRequest* request,
                                 history::v1::ListConversationsResponse* response) override {
    if (empty) return grpc::Status::OK;
    const bool resolved = request->status() == state::v1::CONVERSATION_STATUS_RESOLVED;
    auto& conversation = *response->add_conversations();
    conversation.set_conversation_id(resolved ? kTwo : kOne);
    *conversation.mutable_contact() = contact;
    if (request->page_token().empty()) response->set_next_page_token("again");
    return grpc::Status::OK;
  }
  grpc::Status GetAgent(grpc::ServerContext*, const history::v1::GetAgentRequest*,
                        history::v1::GetAgentResponse* response) override {
    response->mutable_agent()->set_routing_group_id("third");
    return grpc::Status::OK;
  }
};

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(server_, rpc::Server::Start({}, {&agents_, &history_}));
    std::ofstream(dir_.path() + "/token") << "a.b.c\n";
    std::ofstream(context_) << "server: localhost:" << server_->port()
                            << "\ninsecure_local: true\ntoken_files: {anna: token, supervisor: "
                               "token}\n";
  }
  Result Wisselctl(std::vector<const char*> arguments) {
    std::istringstream nothing;
    return Wisselctl(std::move(arguments), nothing);
  }
  Result Wisselctl(std::vector<const char*> arguments, std::istream& in) {
    arguments.insert(arguments.begin(), {"wisselctl", "--context", context_.c_str()});
    std::ostringstream out;
    std::ostringstream err;
    Session session(in, out, err);
    const int code = ctl::Run(static_cast<int>(arguments.size()), arguments.data(), session);
    return {code, out.str(), err.str()};
  }
  // With these bytes on standard input.
  Result Typing(absl::string_view bytes, std::vector<const char*> arguments) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_EQ(write(ends[1], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    close(ends[1]);
    return Reading(ends[0], std::move(arguments));
  }
  // The same at a terminal.
  Result TypingAtATerminal(absl::string_view bytes, std::vector<const char*> arguments) {
    int keyboard = 0;
    int terminal = 0;
    EXPECT_EQ(openpty(&keyboard, &terminal, nullptr, nullptr, nullptr), 0);
    EXPECT_EQ(write(keyboard, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    const Result result = Reading(terminal, std::move(arguments));
    close(keyboard);
    return result;
  }
  Result Reading(int input, std::vector<const char*> arguments) {
    const int before = dup(STDIN_FILENO);
    dup2(input, STDIN_FILENO);
    close(input);
    const Result result = Wisselctl(std::move(arguments), std::cin);
    dup2(before, STDIN_FILENO);
    close(before);
    return result;
  }
  Result Script(const char* lines, std::vector<const char*> more = {}) {
    const std::string script = dir_.path() + "/script";
    std::ofstream(script) << lines;
    std::vector<const char*> arguments = {"agent", "--as", "anna", "--script", script.c_str()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Wisselctl(arguments);
  }

  const testing::TempDir dir_;
  const std::string context_ = dir_.path() + "/context.yaml";
  Agents agents_;
  History history_;
  std::unique_ptr<rpc::Server> server_;
};

TEST_F(AgentTest, AScriptBeginsWhenTheDeskIsKnown) {
  const Result list = Script("list\n");
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, Not(HasSubstr("nothing on your desk")));
  EXPECT_THAT(list.out, HasSubstr("6a1f0000"));
  const Result resolve = Script("resolve @6a1f done\n");
  EXPECT_EQ(resolve.code, 0) << resolve.err;
  ASSERT_THAT(agents_.commands, SizeIs(1));
  EXPECT_EQ(agents_.commands[0].resolve().conversation_id(), kOne);
}

TEST_F(AgentTest, AnOfferSaysWhoWroteWhat) {
  agents_.connect = [](Agents::Stream& stream) {
    agent::v1::ConnectRequest request;
    stream.Read(&request);
    agent::v1::ConnectResponse response;
    response.mutable_welcome()->set_agent_id("anna");
    stream.Write(response);
    auto& offered = *response.mutable_events()->add_events()->mutable_offered();
    offered.set_conversation_id(kOne);
    offered.set_offer_id(kTwo);
    offered.set_agent_id("anna");
    stream.Write(response);
    while (stream.Read(&request)) {
      response.mutable_outcome()->set_command_id(request.command().envelope().id());
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
  int asked = 0;
  agents_.work = [&] {
    agent::v1::Snapshot snapshot;
    // The views are behind the stream at first.
    if (++asked == 1) return snapshot;
    agent::v1::WorkItem& item = *snapshot.add_items();
    item.mutable_conversation()->set_conversation_id(kOne);
    item.mutable_conversation()->mutable_contact()->set_display_name("Jan de Vries");
    if (asked == 2) return snapshot;
    message::v1::InboundMessage& message = *item.add_messages()->mutable_inbound();
    message.add_contents()->mutable_text()->set_text("Waar blijft mijn fiets?");
    return snapshot;
  };
  const Result result = Script("wait offer\naccept\nlist\n");
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("offered to anna until -\n  6a1f0000  offered  Jan de Vries  "
                                    "\"Waar blijft mijn fiets?\"  (offer until -)\n"));
  EXPECT_EQ(asked, 3);
}

TEST_F(AgentTest, WhatACustomerWroteCannotSteerTheTerminal) {
  history_.contact.set_display_name(kHostileName);
  agents_.work = [&] {
    agent::v1::Snapshot snapshot;
    auto& conversation = *snapshot.add_items()->mutable_conversation();
    conversation.set_conversation_id(kOne);
    *conversation.mutable_contact() = history_.contact;
    return snapshot;
  };
  const std::vector<std::vector<const char*>> commands = {{"conversations", "list"},
                                                          {"conversations", "show", kOne},
                                                          {"agent", "work", "--as", "anna"}};
  for (const char* format : {"table", "json", "yaml"}) {
    for (std::vector<const char*> arguments : commands) {
      arguments.insert(arguments.end(), {"-o", format});
      const Result result = Wisselctl(arguments);
      EXPECT_THAT(result.out, HasSubstr("Jan")) << arguments[0] << result.err;
      EXPECT_EQ(SteeringIn(result), "") << arguments[1] << format;
    }
  }
}

TEST_F(AgentTest, WithJsonEveryLineOfTheOutputIsAMessage) {
  const Result result = Script("list\nhelp\n", {"-o", "json"});
  EXPECT_EQ(result.code, 0) << result.err;
  int lines = 0;
  for (const absl::string_view line : absl::StrSplit(result.out, '\n', absl::SkipEmpty())) {
    EXPECT_THAT(std::string(line), StartsWith("{"));
    ++lines;
  }
  EXPECT_EQ(lines, 3) << "welcome, snapshot, list";
  EXPECT_THAT(result.err, HasSubstr("offers and conversations"));
}

TEST_F(AgentTest, ASupervisorWhoIsNoAgentDoesWhatSupervisorsDo) {
  agents_.is_agent = false;
  const auto act = [&](std::vector<const char*> words) {
    words.insert(words.begin(), {"agent", "--whole-workspace", "do", "--as", "supervisor"});
    agents_.commands.clear();
    return Wisselctl(words);
  };
  EXPECT_EQ(act({"reassign", "@6a1f00", "bram"}).code, 0);
  ASSERT_THAT(agents_.commands, SizeIs(1));
  EXPECT_EQ(agents_.commands[0].reassign().conversation_id(), kOne);
  EXPECT_EQ(agents_.commands[0].reassign().agent_id(), "bram");
  EXPECT_EQ(agents_.commands[0].envelope().routing_group_id(), "second");
  EXPECT_EQ(act({"join", absl::StrCat("@", kTwo).c_str()}).code, 0);
  ASSERT_THAT(agents_.commands, SizeIs(1));
  EXPECT_EQ(agents_.commands[0].barge_in().conversation_id(), kTwo);
  EXPECT_EQ(act({"logout", "bram", "shift", "is", "over"}).code, 0);
  ASSERT_THAT(agents_.commands, SizeIs(1));
  EXPECT_EQ(agents_.commands[0].force_logout().reason(), "shift is over");
  EXPECT_EQ(agents_.commands[0].envelope().routing_group_id(), "third");

  for (const char* word : {"available", "list", "accept"}) {
    const Result refused = act({word});
    EXPECT_NE(refused.code, 0) << word;
    EXPECT_THAT(agents_.commands, IsEmpty()) << word;
  }
  const Result available = act({"available"});
  EXPECT_EQ(available.code, 4);
  EXPECT_THAT(available.err, HasSubstr("no agent"));
  EXPECT_EQ(act({"join"}).code, 5) << "which one?";
  EXPECT_EQ(act({"reassign", "@6a1f", "bram"}).code, 2) << "fits several";
}

TEST_F(AgentTest, DoKnowsTheWordsThatItsHelpLists) {
  const Result list = Wisselctl({"agent", "do", "--as", "anna", "list"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_THAT(list.out, HasSubstr("6a1f0000"));
  EXPECT_THAT(Wisselctl({"agent", "do", "--as", "anna", "help"}).out, HasSubstr("reassign"));
  const Result use = Wisselctl({"agent", "do", "--as", "anna", "use", "6a1f"});
  EXPECT_EQ(use.code, 2);
  EXPECT_THAT(use.err, HasSubstr("@ID"));
  EXPECT_EQ(Wisselctl({"agent", "do", "--as", "anna", "resolve"}).code, 0);
  EXPECT_EQ(agents_.commands.back().resolve().conversation_id(), kOne);
}

TEST_F(AgentTest, ConversationsAreShownByTheBeginningOfTheirId) {
  const Result one = Wisselctl({"conversations", "show", "6a1f0"});
  EXPECT_EQ(one.code, 0) << one.err;
  EXPECT_THAT(one.out, HasSubstr(kOne));
  EXPECT_THAT(Wisselctl({"conversations", "show", "6a1ff"}).out, HasSubstr(kTwo))
      << "a resolved one";
  const Result several = Wisselctl({"conversations", "show", "6a1f"});
  EXPECT_EQ(several.code, 2);
  EXPECT_THAT(several.err, HasSubstr(absl::StrCat(kOne, ", ", kTwo)));
  EXPECT_EQ(Wisselctl({"conversations", "show", "6a1"}).code, 2);
  EXPECT_EQ(Wisselctl({"conversations", "show", "777777"}).code, 5);
}

// Whoever gives up before the gateway has said anything still takes what it says at the end. What
// takes it must be there (ASan sees it).
TEST_F(AgentTest, GivingUpWaitsForTheStreamsEnd) {
  agents_.connect = [](Agents::Stream& stream) {
    agent::v1::ConnectRequest request;
    while (stream.Read(&request)) {
    }
    agent::v1::ConnectResponse response;
    response.mutable_outcome()->set_command_id("x");
    stream.Write(response);
    auto* event = response.mutable_events()->add_events()->mutable_conversation_opened();
    event->set_conversation_id(kOne);
    stream.Write(response);
    return grpc::Status::OK;
  };
  const Result result = Script("list\n", {"--timeout", "200ms"});
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("no connection within"));
}

TEST_F(AgentTest, TheLastLineNeedsNoEnd) {
  const Result result = Typing("resolve @6a1f done\naway lunch", {"agent", "--as", "anna"});
  EXPECT_EQ(result.code, 0) << result.err;
  ASSERT_THAT(agents_.commands, SizeIs(2));
  EXPECT_EQ(agents_.commands[1].set_presence().reason(), "lunch");
}

TEST_F(AgentTest, ThePromptStandsOnce) {
  agents_.connect = [](Agents::Stream& stream) {
    agent::v1::ConnectRequest request;
    stream.Read(&request);
    agent::v1::ConnectResponse response;
    response.mutable_welcome()->set_agent_id("anna");
    stream.Write(response);
    while (stream.Read(&request)) {
      auto* event = response.mutable_events()->add_events()->mutable_conversation_opened();
      event->set_conversation_id(kOne);
      stream.Write(response);
      response.mutable_outcome()->set_command_id(request.command().envelope().id());
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
  const Result result = TypingAtATerminal("away lunch\nquit\n", {"agent", "--as", "anna"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("anna> "));
  EXPECT_THAT(result.out, Not(HasSubstr("anna> anna> ")));
}

TEST_F(AgentTest, TheCursorFileKeepsTheGroupsOfWhichNothingCame) {
  agents_.connect = [](Agents::Stream& stream) {
    agent::v1::ConnectRequest request;
    stream.Read(&request);
    agent::v1::ConnectResponse response;
    response.mutable_heartbeat()->set_routing_group_id("north");
    response.mutable_heartbeat()->set_cursor("n2");
    stream.Write(response);
    response.mutable_welcome()->set_agent_id("anna");
    for (const char* group : {"desk", "north", "west"}) {
      response.mutable_welcome()->add_routing_group_ids(group);
    }
    stream.Write(response);
    response.mutable_events()->set_routing_group_id("west");
    response.mutable_events()->set_cursor("w2");
    stream.Write(response);
    while (stream.Read(&request)) {
    }
    return grpc::Status::OK;
  };
  const std::string file = dir_.path() + "/cursors";
  const auto kept = [&] {
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  };
  std::ofstream(file) << "desk d1\nnorth n1\nwest w1\n";
  EXPECT_EQ(Script("", {"--cursor-file", file.c_str()}).code, 0);
  EXPECT_EQ(kept(), "desk d1\nnorth n2\nwest w2\n");

  std::ofstream(file) << "desk d1\nnorth n1\nwest w1\n";
  ASSERT_EQ(symlink("/dev/full", (file + ".next").c_str()), 0);
  const Result full = Script("", {"--cursor-file", file.c_str()});
  EXPECT_THAT(full.err, HasSubstr("cannot be written"));
  ASSERT_FALSE(std::filesystem::is_symlink(file));
  EXPECT_EQ(kept(), "desk d1\nnorth n1\nwest w1\n");
}

TEST_F(AgentTest, AScriptThatIsNotThereIsSaidBeforeConnecting) {
  int connections = 0;
  agents_.connect = [&](Agents::Stream&) {
    ++connections;
    return grpc::Status::OK;
  };
  const Result result =
      Wisselctl({"agent", "--as", "anna", "--timeout", "1s", "--script", "/nowhere"});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("/nowhere"));
  EXPECT_EQ(connections, 0);
}

TEST_F(AgentTest, ATimeoutHoldsWhereSomethingListensAndSaysNothing) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listener, 1), 0);
  ASSERT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string token = dir_.path() + "/token";
  const std::string server = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
  const Timeout limit(absl::Seconds(15));
  const Result result = Wisselctl({"agent", "--server", server.c_str(), "--insecure-local",
                                   "--token-file", token.c_str(), "--timeout", "300ms"});
  EXPECT_EQ(result.code, 3);
  EXPECT_FALSE(limit.Expired()) << "gRPC itself gives up after 20 s";
  close(listener);
}

TEST_F(AgentTest, TailGoesOnWhenAGatewayGoesAway) {
  int connections = 0;
  agents_.connect = [&](Agents::Stream& stream) -> grpc::Status {
    agent::v1::ConnectRequest request;
    stream.Read(&request);
    EXPECT_TRUE(request.hello().observe());
    EXPECT_TRUE(request.hello().whole_workspace());
    if (++connections == 2) {
      EXPECT_EQ(request.hello().groups(0).cursor(), "d1");
    }
    agent::v1::ConnectResponse response;
    response.mutable_events()->set_routing_group_id("desk");
    response.mutable_events()->set_cursor("d1");
    auto* opened = response.mutable_events()->add_events()->mutable_conversation_opened();
    opened->set_conversation_id(connections == 1 ? kOne : kTwo);
    stream.Write(response);
    if (connections == 2) return {grpc::StatusCode::PERMISSION_DENIED, "no longer"};
    response.mutable_going_away()->set_cursor("");
    stream.Write(response);
    return {grpc::StatusCode::UNAVAILABLE, "draining"};
  };
  const Result result = Wisselctl({"conversations", "tail", "-o", "json"});
  EXPECT_EQ(result.code, 4) << result.err;
  EXPECT_THAT(result.out, HasSubstr(kOne));
  EXPECT_THAT(result.out, HasSubstr(kTwo));
  EXPECT_THAT(result.err, HasSubstr("resuming"));
  EXPECT_EQ(Wisselctl({"conversations", "tail", "--server", "127.0.0.1:1", "--insecure-local",
                       "--token-file", (dir_.path() + "/token").c_str()})
                .code,
            3);
}

TEST_F(AgentTest, WhoIsMeantIsAskedForByName) {
  for (const std::vector<const char*>& words :
       {std::vector<const char*>{"agent"}, {"agent", "work"}, {"agent", "do", "list"}}) {
    const Result result = Wisselctl(words);
    EXPECT_EQ(result.code, 4);
    EXPECT_THAT(result.err, HasSubstr("whose token? Give --as NAME: anna, supervisor\n"));
  }
}

TEST_F(AgentTest, ARefusalIsSaidOnce) {
  agents_.refuses = true;
  const Result result = Wisselctl({"agent", "do", "--as", "anna", "resolve"});
  EXPECT_EQ(result.code, 4);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("refused, wrong_state"));
}

TEST_F(AgentTest, AListOfNothingIsAListToAScript) {
  history_.empty = true;
  const Result nothing = Wisselctl({"conversations", "list", "-o", "json"});
  EXPECT_EQ(nothing.code, 0) << nothing.err;
  EXPECT_EQ(nothing.out, "{\n \"conversations\": []\n}\n");
  agents_.work = [] {
    agent::v1::Snapshot snapshot;
    snapshot.set_routing_group_id("desk");
    return snapshot;
  };
  EXPECT_EQ(Wisselctl({"agent", "work", "--as", "anna", "-o", "json"}).out,
            "{\n \"items\": [],\n \"routing_group_id\": \"desk\"\n}\n");
}

TEST_F(AgentTest, ListByContactLeavesNothingOut) {
  for (const std::vector<const char*>& more :
       {std::vector<const char*>{"--status", "queued"}, {"--group", "desk"}}) {
    std::vector<const char*> arguments = {"conversations", "list", "--contact", "c"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = Wisselctl(arguments);
    EXPECT_EQ(result.code, 2);
    EXPECT_THAT(result.err, HasSubstr("excludes"));
  }
}

}  // namespace
}  // namespace wissel::ctl
