// What the gateway costs beside a callback server that does nothing but write the same messages, in
// one run: events a second to backlogged streams, and memory per idle stream.

#include <benchmark/benchmark.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/notification.h"
#include "libs/bus/embedded.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"
#include "services/agent-gateway/gateway.h"
#include "services/agent-gateway/handlers/agent_service.h"
#include "services/agent-gateway/testing/log_writer.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::AgentService;
using agent::v1::ConnectRequest;
using agent::v1::ConnectResponse;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";
constexpr int kStreams = 100;
constexpr int kEvents = 2'000;  // for each stream
constexpr int kIdleStreams = 5'000;
constexpr int kStreamsPerConnection = 100;

log::v1::Decision NoteDecision(int n) {
  log::v1::Decision decision;
  decision.mutable_cause()->mutable_input()->set_topic(common::v1::INPUT_TOPIC_COMMANDS);
  conversation::v1::NoteAdded& note = *decision.add_events()->mutable_note_added();
  note.set_conversation_id("6d1f2a0e-0000-5000-8000-000000000000");
  note.set_note_id(absl::StrCat("note-", n));
  note.mutable_actor()->set_subject("anna");
  note.set_text(std::string(150, 'x'));
  return decision;
}

// What the gateway sends for it.
ConnectResponse NoteMessage(int n) {
  ConnectResponse response;
  response.mutable_events()->set_cursor("1.0.12345.2.1.0.12345.0.01234567");
  *response.mutable_events()->add_events() = NoteDecision(n).events(0);
  return response;
}

// Writes `messages` to every stream, as fast as it goes, then keeps it open.
class BareService final : public AgentService::CallbackService {
 public:
  explicit BareService(int messages) {
    for (int i = 0; i < messages; ++i) messages_.push_back(NoteMessage(i));
  }

  grpc::ServerBidiReactor<ConnectRequest, ConnectResponse>* Connect(
      grpc::CallbackServerContext*) override {
    class Stream final : public grpc::ServerBidiReactor<ConnectRequest, ConnectResponse> {
     public:
      explicit Stream(const std::vector<ConnectResponse>& messages) : messages_(messages) {
        StartRead(&request_);
      }
      void OnReadDone(bool ok) override {
        if (!ok) return Finish(grpc::Status::OK);
        WriteNext();
        StartRead(&request_);
      }
      void OnWriteDone(bool ok) override {
        if (ok) WriteNext();
      }
      void OnDone() override { delete this; }

     private:
      void WriteNext() {
        if (next_ == messages_.size()) return;
        grpc::WriteOptions options;
        if (next_ > 0 && next_ + 1 < messages_.size()) options.set_buffer_hint();
        StartWrite(&messages_[next_++], options);
      }
      const std::vector<ConnectResponse>& messages_;
      ConnectRequest request_;
      size_t next_ = 0;
    };
    return new Stream(messages_);
  }

 private:
  std::vector<ConnectResponse> messages_;
};

// The gateway over a log with `events` notes of a conversation that the supervisor sees.
struct Shop {
  explicit Shop(int events) {
    {
      LogWriter writer(*bus);
      log::v1::Decision opened;
      auto& conversation = *opened.add_events()->mutable_conversation_opened();
      conversation.set_conversation_id("6d1f2a0e-0000-5000-8000-000000000000");
      conversation.set_workspace_id("acme");
      conversation.set_routing_group_id("main");
      writer.Write(std::move(opened));
      for (int i = 0; i < events; ++i) writer.Write(NoteDecision(i));
    }
    config::v1::WorkspaceConfig config;
    config.set_workspace_id("acme");
    config.set_version(1);
    config.add_routing_groups()->set_routing_group_id("main");
    const auto appender = bus->NewAppender({});
    appender->Append(
        {.topic = bus::Topic::kConfig,
         .partition = 0,
         .key = "acme",
         .value = config.SerializeAsString(),
         .headers = {}},
        [](const absl::StatusOr<int64_t>& offset) { WISSEL_CHECK_OK(offset.status()); });
    WISSEL_CHECK_OK(appender->Flush(absl::Seconds(10)));
    GatewayOptions options;
    options.id = GatewayId("benchmark");
    gateway = std::make_unique<Gateway>(
        GatewayParts{.bus = bus.get(), .authenticator = authenticator.get(), .clock = &clock},
        options, 1, metrics, telemetry::Logger());
    service = std::make_unique<AgentServiceHandler>(*gateway);
    server = *rpc::Server::Start({.max_concurrent_streams = 10'000}, {service.get()});
  }
  ~Shop() { server->Drain(absl::Now() + absl::Seconds(1)); }

  SystemClock clock;
  const std::unique_ptr<bus::Bus> bus = *bus::NewEmbeddedBus({.partitions = 1});
  const std::unique_ptr<rpc::Authenticator> authenticator =
      *rpc::Authenticator::Create({.hs256_secret = std::string(kSecret)});
  telemetry::Registry registry;
  Metrics metrics{registry};
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<AgentServiceHandler> service;
  std::unique_ptr<rpc::Server> server;
};

std::string Token() {
  return *rpc::MintJwt({.subject = "boss",
                        .workspace = "acme",
                        .routing_group = "main",
                        .roles = {"supervisor"},
                        .expires_at = absl::Now() + absl::Hours(1)},
                       kSecret, "", absl::Now());
}

// Reads until `want` events have come, or for ever.
class Client final : public grpc::ClientBidiReactor<ConnectRequest, ConnectResponse> {
 public:
  Client(AgentService::Stub& stub, const std::string& cursor, int want) : want_(want) {
    rpc::Prepare({.timeout = absl::InfiniteDuration(), .token = token_}, context_);
    hello_.mutable_hello()->set_whole_workspace(true);
    hello_.mutable_hello()->set_cursor(cursor);
    stub.async()->Connect(&context_, this);
    StartWrite(&hello_);
    StartRead(&response_);
    StartCall();
  }
  void OnReadDone(bool ok) override {
    first.Notify();
    if (!ok) return;
    seen_ += response_.events().events_size();
    if (seen_ == want_) enough.Notify();
    StartRead(&response_);
  }
  void OnDone(const grpc::Status& status) override {
    WISSEL_CHECK(ending_) << "the stream has ended: " << status.error_message();
    done_.Notify();
  }
  void End() {
    ending_ = true;
    context_.TryCancel();
    done_.Wait();
  }

  Notification first;
  Notification enough;

 private:
  const std::string token_ = Token();
  const int want_;
  grpc::ClientContext context_;
  ConnectRequest hello_;
  ConnectResponse response_;
  int seen_ = 0;
  std::atomic<bool> ending_ = false;
  Notification done_;
};

void StreamEvents(benchmark::State& state, int port, const std::string& cursor, int events) {
  for (auto unused : state) {
    const auto stub =
        AgentService::NewStub(rpc::MakeChannel({.target = absl::StrCat("localhost:", port)}));
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < kStreams; ++i) {
      clients.push_back(std::make_unique<Client>(*stub, cursor, events));
    }
    for (const auto& client : clients) client->enough.Wait();
    state.PauseTiming();
    for (const auto& client : clients) client->End();
    clients.clear();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * kStreams * events);
}

void BM_EventsBare(benchmark::State& state) {
  BareService service(kEvents);
  const auto server = *rpc::Server::Start({}, {&service});
  StreamEvents(state, server->port(), "", kEvents);
}
BENCHMARK(BM_EventsBare)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(2);

void BM_EventsGateway(benchmark::State& state) {
  Shop shop(kEvents);
  // From behind the record that opens the conversation.
  const Position start{.partition = 0,
                       .next_offset = 2,
                       .rule = {.epoch = 1, .claim_offset = 0, .next_sequence = 2}};
  StreamEvents(state, shop.server->port(), ToCursor(start), kEvents);
}
BENCHMARK(BM_EventsGateway)->UseRealTime()->Unit(benchmark::kMillisecond)->MinTime(2);

double ResidentKib() {
  std::ifstream status("/proc/self/statm");
  double size = 0;
  double resident = 0;
  status >> size >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1024;
}

// Memory is measured in processes of their own, one for the server and one for its clients: what
// earlier benchmarks have left behind would be used again, and the clients' is not the server's.
constexpr char kServerMode[] = "WISSEL_BENCHMARK_SERVER";
constexpr char kClientPort[] = "WISSEL_BENCHMARK_CLIENT_PORT";

struct Child {
  pid_t pid = -1;
  int output = -1;
};

// Runs this program again with the variable set; its output is to be read.
Child RunAgain(const char* variable, const std::string& value) {
  int output[2];
  if (pipe(output) != 0) return {};
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(output[1], STDOUT_FILENO);
    setenv(variable, value.c_str(), 1);
    execl("/proc/self/exe", "benchmark", nullptr);
    _exit(127);
  }
  close(output[1]);
  return {pid, output[0]};
}

std::string ReadLine(const Child& child) {
  char line[64] = {};
  const ssize_t size = read(child.output, line, sizeof(line) - 1);
  return size > 0 ? line : "";
}

void End(const Child& child) {
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
  close(child.output);
}

int RunIdleClients(int port) {
  std::vector<std::unique_ptr<AgentService::Stub>> stubs;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kIdleStreams; ++i) {
    if (i % kStreamsPerConnection == 0) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stubs.push_back(AgentService::NewStub(grpc::CreateCustomChannel(
          absl::StrCat("localhost:", port), grpc::InsecureChannelCredentials(), arguments)));
    }
    clients.push_back(std::make_unique<Client>(*stubs.back(), "", -1));
  }
  for (const auto& client : clients) client->first.Wait();
  printf("ready\n");
  fflush(stdout);
  pause();
  return 0;
}

int MeasureIdleStreams(int port) {
  const double before = ResidentKib();
  const Child clients = RunAgain(kClientPort, absl::StrCat(port));
  if (ReadLine(clients).empty()) return 1;
  usleep(500'000);  // for what is still being allocated behind the first messages
  const double grown = ResidentKib() - before;
  End(clients);  // before this process is ended in turn
  printf("%f\n", grown / kIdleStreams);
  fflush(stdout);
  return 0;
}

int RunServer(absl::string_view mode) {
  unsetenv(kServerMode);
  if (mode == "bare") {
    BareService service(1);
    const auto server = *rpc::Server::Start({.max_concurrent_streams = 10'000}, {&service});
    return MeasureIdleStreams(server->port());
  }
  Shop shop(1);
  return MeasureIdleStreams(shop.server->port());
}

void IdleStreams(benchmark::State& state, const char* mode) {
  for (auto unused : state) {
    double kib = 0;
    const Child server = RunAgain(kServerMode, mode);
    const std::string line = ReadLine(server);
    End(server);
    if (!absl::SimpleAtod(absl::StripAsciiWhitespace(line), &kib)) {
      state.SkipWithError("the server did not measure");
    }
    state.counters["KiB_per_stream"] = kib;
  }
}

void BM_IdleStreamBare(benchmark::State& state) { IdleStreams(state, "bare"); }
BENCHMARK(BM_IdleStreamBare)->Iterations(1);

void BM_IdleStreamGateway(benchmark::State& state) { IdleStreams(state, "gateway"); }
BENCHMARK(BM_IdleStreamGateway)->Iterations(1);

}  // namespace
}  // namespace wissel::agent_gateway

int main(int argc, char** argv) {
  using namespace wissel::agent_gateway;  // NOLINT: what the modes are called
  if (const char* port = getenv(kClientPort); port != nullptr) {
    int number = 0;
    return absl::SimpleAtoi(port, &number) ? RunIdleClients(number) : 2;
  }
  if (const char* mode = getenv(kServerMode); mode != nullptr) return RunServer(mode);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
