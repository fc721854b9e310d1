// `wisselctl agent` and `conversations` against servers that say what a test wants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/notification.h"
#include "libs/base/mutex.h"
#include "libs/rpc/server.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "services/ctl/cli.h"
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
  bool is_agent = true;
  std::vector<command::v1::Command> commands;

  grpc::Status Connect(grpc::ServerContext*,
                       grpc::ServerReaderWriter<agent::v1::ConnectResponse,
                                                agent::v1::ConnectRequest>* stream) override {
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
    *response->mutable_snapshot() = Work();
    return grpc::Status::OK;
  }
  grpc::Status Execute(grpc::ServerContext*, const agent::v1::ExecuteRequest* request,
                       agent::v1::ExecuteResponse* response) override {
    commands.push_back(request->command());
    response->mutable_outcome()->set_command_id(request->command().envelope().id());
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
  grpc::Status GetConversation(grpc::ServerContext*,
                               const history::v1::GetConversationRequest* request,
                               history::v1::GetConversationResponse* response) override {
    if (request->conversation_id() != kOne && request->conversation_id() != kTwo) {
      return {grpc::StatusCode::NOT_FOUND, "no such conversation"};
    }
    response->mutable_conversation()->set_conversation_id(request->conversation_id());
    response->mutable_conversation()->set_routing_group_id("second");
    return grpc::Status::OK;
  }
  // A page for each.
  grpc::Status ListConversations(grpc::ServerContext*,
                                 const history::v1::ListConversationsRequest* request,
                                 history::v1::ListConversationsResponse* response) override {
    const bool resolved = request->status() == state::v1::CONVERSATION_STATUS_RESOLVED;
    response->add_conversations()->set_conversation_id(resolved ? kTwo : kOne);
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
  struct Result {
    int code = 0;
    std::string out;
    std::string err;
  };
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(server_, rpc::Server::Start({}, {&agents_, &history_}));
    std::ofstream(dir_.path() + "/token") << "a.b.c\n";
    std::ofstream(context_) << "server: localhost:" << server_->port()
                            << "\ninsecure_local: true\ntoken_files: {anna: token, supervisor: "
                               "token}\n";
  }
  Result Wisselctl(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), {"wisselctl", "--context", context_.c_str()});
    std::istringstream in;
    std::ostringstream out;
    std::ostringstream err;
    Session session(in, out, err);
    const int code = ctl::Run(static_cast<int>(arguments.size()), arguments.data(), session);
    return {code, out.str(), err.str()};
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

}  // namespace
}  // namespace wissel::ctl
