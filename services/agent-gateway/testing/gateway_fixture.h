#pragma once

#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/clock.h"
#include "libs/base/uuid.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/handlers/agent_service.h"
#include "services/agent-gateway/handlers/connect.h"
#include "services/agent-gateway/testing/test_router.h"
#include "wissel/agent/v1/agent_service.grpc.pb.h"

namespace wissel::agent_gateway {

inline constexpr absl::string_view kTestSecret = "0123456789abcdef0123456789abcdef";

/// A gateway that listens.
struct RunningGateway {
  RunningGateway(GatewayParts parts, GatewayOptions options, int partitions) {
    options.id = GatewayId(RandomUuid());
    gateway = std::make_unique<Gateway>(std::move(parts), options, partitions, metrics,
                                        telemetry::Logger());
    service = std::make_unique<AgentServiceHandler>(*gateway);
    server = *rpc::Server::Start({}, {service.get()});
  }
  ~RunningGateway() {
    gateway->GoAway();
    server->Drain(absl::Now() + absl::Seconds(2));
  }
  std::unique_ptr<agent::v1::AgentService::Stub> Stub() const {
    return agent::v1::AgentService::NewStub(
        rpc::MakeChannel({.target = absl::StrCat("localhost:", server->port())}));
  }

  telemetry::Registry registry;
  Metrics metrics{registry};
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<AgentServiceHandler> service;
  std::unique_ptr<rpc::Server> server;
};

/// A client's stream. Reads block until a message, the end, or the call's deadline.
class TestStream {
 public:
  TestStream(const RunningGateway& gateway, absl::string_view token,
             const agent::v1::Hello& hello = {})
      : stub_(gateway.Stub()) {
    rpc::Prepare({.timeout = absl::Seconds(60), .token = token}, context_);
    stream_ = stub_->Connect(&context_);
    agent::v1::ConnectRequest request;
    *request.mutable_hello() = hello;
    stream_->Write(request);
  }
  ~TestStream() { Cancel(); }

  bool Read(agent::v1::ConnectResponse* response) {
    if (!stream_->Read(response)) return false;
    Note(*response);
    return true;
  }
  /// The next message that satisfies `want`; a test failure and an empty one if the stream ends.
  agent::v1::ConnectResponse Await(
      const std::function<bool(const agent::v1::ConnectResponse&)>& want) {
    agent::v1::ConnectResponse response;
    while (Read(&response)) {
      if (want(response)) return response;
    }
    ADD_FAILURE() << "the stream ended: " << Finish();
    return {};
  }
  agent::v1::Welcome AwaitWelcome() {
    return Await([](const auto& r) { return r.has_welcome(); }).welcome();
  }
  agent::v1::Snapshot AwaitSnapshot() {
    return Await([](const auto& r) { return r.has_snapshot(); }).snapshot();
  }
  agent::v1::CommandOutcome AwaitOutcome(absl::string_view command_id) {
    return Await([&](const auto& r) { return r.outcome().command_id() == command_id; }).outcome();
  }
  /// The first event of the kind.
  conversation::v1::Event AwaitEvent(conversation::v1::Event::KindCase kind) {
    conversation::v1::Event found;
    Await([&](const agent::v1::ConnectResponse& r) {
      for (const auto& event : r.events().events()) {
        if (event.kind_case() != kind) continue;
        found = event;
        return true;
      }
      return false;
    });
    return found;
  }

  /// Returns the command's id.
  std::string Send(command::v1::Command command) {
    if (command.envelope().id().empty()) command.mutable_envelope()->set_id(RandomUuid());
    agent::v1::ConnectRequest request;
    *request.mutable_command() = std::move(command);
    stream_->Write(request);
    return request.command().envelope().id();
  }

  void Cancel() {
    context_.TryCancel();
    Finish().IgnoreError();
  }
  absl::Status Finish() {
    if (finished_) return status_;
    finished_ = true;
    agent::v1::ConnectResponse response;
    while (stream_->Read(&response)) Note(response);
    status_ = rpc::FromGrpc(stream_->Finish());
    return status_;
  }
  /// Reads nothing more; says how it ended.
  std::string TrailingCursor() {
    const std::vector<std::string> cursors = TrailingCursors();
    return cursors.empty() ? "" : cursors[0];
  }
  std::vector<std::string> TrailingCursors() {
    std::vector<std::string> cursors;
    const auto range = context_.GetServerTrailingMetadata().equal_range(kCursorMetadata);
    for (auto it = range.first; it != range.second; ++it) {
      cursors.emplace_back(it->second.data(), it->second.size());
    }
    return cursors;
  }

  /// What a client keeps: where to resume, and every event seen, in order.
  const std::string& cursor() const { return cursor_; }
  const std::map<std::string, std::string>& cursors() const { return cursors_; }
  const std::vector<std::string>& events() const { return events_; }
  /// Of the last message with events in it.
  const std::string& event_cursor() const { return event_cursor_; }

 private:
  void Note(const agent::v1::ConnectResponse& r) {
    const auto keep = [this](const auto& message) {
      if (message.cursor().empty()) return;
      cursor_ = message.cursor();
      cursors_[message.routing_group_id()] = message.cursor();
    };
    keep(r.snapshot());
    keep(r.events());
    keep(r.outcome());
    keep(r.heartbeat());
    keep(r.going_away());
    if (r.has_events()) event_cursor_ = r.events().cursor();
    for (const auto& event : r.events().events()) {
      events_.push_back(absl::StrCat(r.events().cursor(), " ", event.SerializeAsString()));
    }
  }

  std::unique_ptr<agent::v1::AgentService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<agent::v1::ConnectRequest, agent::v1::ConnectResponse>>
      stream_;
  std::string cursor_;
  std::map<std::string, std::string> cursors_;  // by routing group
  std::string event_cursor_;
  std::vector<std::string> events_;
  bool finished_ = false;
  absl::Status status_;
};

/// A shop (domain/testing.h) on an embedded log with a router, and as many gateways as a test
/// wants. The gateways' clock is moved by hand.
class GatewayFixture : public ::testing::Test {
 protected:
  explicit GatewayFixture(int partitions = 1,
                          const config::v1::WorkspaceConfig& config = domain::testing::ShopConfig())
      : partitions_(partitions) {
    Append(bus::Topic::kConfig, 0, std::string(domain::testing::kWorkspace),
           config.SerializeAsString());
  }

  int32_t PartitionOf(absl::string_view group) const {
    return bus::PartitionOf(domain::RoutingKey(domain::testing::kWorkspace, group), partitions_);
  }

  static GatewayOptions Quick() {
    GatewayOptions options;
    options.tick = absl::Milliseconds(5);
    return options;
  }

  std::unique_ptr<RunningGateway> StartGateway(
      const GatewayOptions& options = Quick(),
      std::function<std::unique_ptr<WorkViews>()> make_work_views = nullptr) {
    auto running = std::make_unique<RunningGateway>(
        GatewayParts{.bus = bus_.get(),
                     .authenticator = authenticator_.get(),
                     .clock = &clock_,
                     .load_checkpoint = nullptr,
                     .make_work_views = std::move(make_work_views)},
        options, partitions_);
    while (!running->gateway->ready()) std::this_thread::yield();
    return running;
  }

  std::string Token(absl::string_view subject, std::vector<std::string> roles = {"agent"},
                    absl::Duration lifetime = absl::Hours(10),
                    absl::string_view workspace = domain::testing::kWorkspace) {
    return *rpc::MintJwt({.subject = std::string(subject),
                          .workspace = std::string(workspace),
                          .roles = std::move(roles),
                          .expires_at = clock_.Now() + lifetime},
                         kTestSecret, "", clock_.Now());
  }

  void Append(bus::Topic topic, int32_t partition, std::string key, std::string value) {
    Notification done;
    appender_->Append(
        {.topic = topic, .partition = partition, .key = std::move(key), .value = std::move(value)},
        [&](const absl::StatusOr<int64_t>& offset) {
          WISSEL_CHECK_OK(offset);
          done.Notify();
        });
    done.Wait();
  }

  void Write(absl::string_view customer, int n, absl::string_view language,
             absl::string_view text = "hello") {
    message::v1::InboundMessage message = domain::testing::Text(customer, n, language, text);
    message.mutable_envelope()->set_routing_group_id(group_);
    Append(bus::Topic::kInbound, PartitionOf(group_),
           domain::RoutingKey(domain::testing::kWorkspace, group_), message.SerializeAsString());
  }

  static command::v1::Command Presence(command::v1::Presence presence) {
    command::v1::Command command;
    command.mutable_set_presence()->set_presence(presence);
    return command;
  }
  static command::v1::Command Accept(const conversation::v1::Event& offered) {
    command::v1::Command command;
    command.mutable_accept_offer()->set_offer_id(offered.offered().offer_id());
    return command;
  }
  static command::v1::Command Reply(const std::string& conversation, absl::string_view text) {
    command::v1::Command command;
    command.mutable_send_reply()->set_conversation_id(conversation);
    command.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text(
        std::string(text));
    return command;
  }
  static command::v1::Command Note(const std::string& conversation, absl::string_view text) {
    command::v1::Command command;
    command.mutable_add_note()->set_conversation_id(conversation);
    command.mutable_add_note()->set_text(std::string(text));
    return command;
  }

  static command::v1::Command Consult(const std::string& conversation, const std::string& agent) {
    command::v1::Command command;
    command.mutable_consult()->set_conversation_id(conversation);
    command.mutable_consult()->set_agent_id(agent);
    command.mutable_consult()->set_note("have you seen this before?");
    return command;
  }
  static command::v1::Command EndConsult(const std::string& conversation,
                                         const std::string& agent) {
    command::v1::Command command;
    command.mutable_end_consult()->set_conversation_id(conversation);
    command.mutable_end_consult()->set_agent_id(agent);
    return command;
  }

  static agent::v1::Hello From(const std::string& cursor) {
    agent::v1::Hello hello;
    hello.set_cursor(cursor);
    return hello;
  }
  static agent::v1::Hello WholeWorkspace() {
    agent::v1::Hello hello;
    hello.set_whole_workspace(true);
    return hello;
  }
  /// Makes the agent no session; the cursor may be empty.
  static agent::v1::Hello Observing(const std::string& cursor = "") {
    agent::v1::Hello hello = From(cursor);
    hello.set_observe(true);
    return hello;
  }

  /// Brings the agent to work on a new conversation; returns its id.
  std::string TakeConversation(TestStream& stream, absl::string_view customer,
                               absl::string_view language) {
    stream.AwaitOutcome(stream.Send(Presence(command::v1::PRESENCE_AVAILABLE)));
    Write(customer, 1, language);
    const auto offered = stream.AwaitEvent(conversation::v1::Event::kOffered);
    stream.AwaitOutcome(stream.Send(Accept(offered)));
    return offered.offered().conversation_id();
  }

  const int partitions_;
  /// In which customers write.
  std::string group_{domain::testing::kGroup};
  ManualClock clock_{absl::Now()};
  const std::unique_ptr<bus::Bus> bus_ = *bus::NewEmbeddedBus({.partitions = partitions_});
  const std::unique_ptr<bus::Appender> appender_ = bus_->NewAppender({});
  const std::unique_ptr<rpc::Authenticator> authenticator_ =
      *rpc::Authenticator::Create({.verify = {.leeway = absl::ZeroDuration()},
                                   .hs256_secret = std::string(kTestSecret),
                                   .clock = &clock_});
  TestRouter router_{*bus_, PartitionOf(domain::testing::kGroup), domain::testing::kGroup};
};

}  // namespace wissel::agent_gateway
