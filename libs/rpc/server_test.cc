#include "libs/rpc/server.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <future>
#include <optional>

#include "absl/strings/str_cat.h"
#include "echo.grpc.pb.h"
#include "libs/base/mutex.h"
#include "libs/base/notification.h"
#include "libs/rpc/auth.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/grpc_order.h"
#include "libs/rpc/metadata.h"
#include "libs/rpc/status.h"
#include "libs/rpc/test_keys.h"

namespace wissel::rpc {
namespace {

using test::v1::EchoRequest;
using test::v1::EchoResponse;
using test::v1::EchoService;
using testing::HasSubstr;

constexpr absl::string_view kSecret = "0123456789abcdef0123456789abcdef";

// Echo needs a token with the role agent; Wait hangs until released or cancelled.
class Service final : public EchoService::CallbackService {
 public:
  explicit Service(Authenticator* authenticator) : authenticator_(authenticator) {}

  grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoRequest* request,
                                 EchoResponse* response) override {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const auto principal = authenticator_->Authenticate(*context);
    absl::Status status = principal.status();
    if (status.ok()) status = RequireRole(*principal, {Role::kAgent});
    if (status.ok()) {
      response->set_text(request->text());
      response->set_subject(principal->subject);
      response->set_traceparent(std::string(ClientMetadata(*context, kTraceparentKey)));
    }
    reactor->Finish(ToGrpc(status));
    return reactor;
  }

  grpc::ServerUnaryReactor* Wait(grpc::CallbackServerContext*, const EchoRequest*,
                                 EchoResponse*) override {
    class Waiter final : public grpc::ServerUnaryReactor {
     public:
      explicit Waiter(Service* service) : service_(service) {
        HandToGrpc(this);
        MutexLock lock(service_->mutex_);
        service_->waiter_ = this;
        service_->waiting_.Notify();
      }
      void OnCancel() override {
        TakeFromGrpc(this);
        service_->Release(grpc::Status::CANCELLED);
      }
      void OnDone() override {
        TakeFromGrpc(this);
        delete this;
      }

     private:
      Service* const service_;
    };
    return new Waiter(this);
  }

  void Release(const grpc::Status& status) {
    MutexLock lock(mutex_);
    if (waiter_ != nullptr) waiter_->Finish(status);
    waiter_ = nullptr;
  }
  void AwaitWaiter() { waiting_.Wait(); }

 private:
  Authenticator* const authenticator_;
  Notification waiting_;
  Mutex mutex_;
  grpc::ServerUnaryReactor* waiter_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

class ServerTest : public testing::Test {
 protected:
  void Start(const ServerOptions& options = {}) {
    auto server = Server::Start(options, {&service_});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    server_->SetServing(true);
  }

  std::unique_ptr<EchoService::Stub> Stub(std::optional<ChannelTls> tls = std::nullopt) {
    return EchoService::NewStub(MakeChannel(
        {.target = absl::StrCat("localhost:", server_->port()), .tls = std::move(tls)}));
  }

  absl::Status Echo(EchoService::Stub& stub, const CallOptions& options, absl::string_view text,
                    EchoResponse* response) {
    grpc::ClientContext context;
    Prepare(options, context);
    EchoRequest request;
    request.set_text(std::string(text));
    return FromGrpc(stub.Echo(&context, request, response));
  }
  absl::Status Echo(EchoService::Stub& stub) {
    EchoResponse response;
    const std::string token = Token({"agent"});
    return Echo(stub, {.token = token}, "hello", &response);
  }

  std::string Token(std::vector<std::string> roles, absl::Duration lifetime = absl::Hours(1)) {
    return *MintJwt({.subject = "anna",
                     .workspace = "shop",
                     .roles = std::move(roles),
                     .expires_at = absl::Now() + lifetime},
                    kSecret, "", absl::Now());
  }

  std::unique_ptr<Authenticator> authenticator_ =
      *Authenticator::Create({.hs256_secret = std::string(kSecret)});
  Service service_{authenticator_.get()};
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, TokenAndTraceContextReachTheHandler) {
  Start();
  const auto stub = Stub();
  const std::string token = Token({"agent"});
  constexpr absl::string_view kTraceparent =
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EchoResponse response;
  const absl::Status status =
      Echo(*stub, {.token = token, .traceparent = kTraceparent}, "hallo", &response);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.text(), "hallo");
  EXPECT_EQ(response.subject(), "anna");
  EXPECT_EQ(response.traceparent(), kTraceparent);
}

TEST_F(ServerTest, CallsWithoutAGoodTokenAreRefused) {
  Start();
  const auto stub = Stub();
  EchoResponse response;
  EXPECT_EQ(Echo(*stub, {}, "x", &response).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Echo(*stub, {.token = "rubbish"}, "x", &response).code(),
            absl::StatusCode::kUnauthenticated);
  const std::string expired = Token({"agent"}, -absl::Minutes(5));
  EXPECT_EQ(Echo(*stub, {.token = expired}, "x", &response).code(),
            absl::StatusCode::kUnauthenticated);
  const std::string roleless = Token({});
  EXPECT_EQ(Echo(*stub, {.token = roleless}, "x", &response).code(),
            absl::StatusCode::kPermissionDenied);
  const std::string integrator = Token({"integrator"});
  EXPECT_EQ(Echo(*stub, {.token = integrator}, "x", &response).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(ServerTest, MessageAboveTheLimitIsResourceExhausted) {
  Start({.max_message_bytes = 1000});
  const auto stub = Stub();
  const std::string token = Token({"agent"});
  EchoResponse response;
  EXPECT_TRUE(Echo(*stub, {.token = token}, std::string(900, 'x'), &response).ok());
  EXPECT_EQ(Echo(*stub, {.token = token}, std::string(1001, 'x'), &response).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ServerTest, TlsNeedsTheRightAuthority) {
  const TestAuthority authority;
  const TestCertificate own = authority.Issue("gateway");
  Start({.tls = ServerTls{own.certificate_pem, own.key_pem, ""}});
  EXPECT_TRUE(Echo(*Stub(ChannelTls{.server_ca = authority.certificate_pem()})).ok());
  const TestAuthority stranger;
  EXPECT_EQ(Echo(*Stub(ChannelTls{.server_ca = stranger.certificate_pem()})).code(),
            absl::StatusCode::kUnavailable);
  EXPECT_EQ(Echo(*Stub()).code(), absl::StatusCode::kUnavailable) << "plain text";
}

TEST_F(ServerTest, MutualTlsNeedsAClientCertificateOfTheAuthority) {
  const TestAuthority authority;
  const TestCertificate own = authority.Issue("gateway");
  Start({.tls = ServerTls{own.certificate_pem, own.key_pem, authority.certificate_pem()}});
  const auto channel = [&](const TestCertificate& client) {
    return ChannelTls{.server_ca = authority.certificate_pem(),
                      .certificate_chain = client.certificate_pem,
                      .private_key = client.key_pem};
  };
  EXPECT_TRUE(Echo(*Stub(channel(authority.Issue("client")))).ok());
  EXPECT_EQ(Echo(*Stub(channel(TestCertificate()))).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Echo(*Stub(channel(TestAuthority().Issue("client")))).code(),
            absl::StatusCode::kUnavailable);
}

TEST_F(ServerTest, UnreadableTlsMaterialAndTakenPortsAreReported) {
  const TestCertificate good = TestAuthority().Issue("x");
  const auto start = [&](ServerTls tls) {
    return Server::Start({.tls = std::move(tls)}, {&service_}).status();
  };
  EXPECT_EQ(start({"rubbish", good.key_pem, ""}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(start({good.certificate_pem, "", ""}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(start({good.certificate_pem, good.key_pem, "rubbish"}).code(),
            absl::StatusCode::kInvalidArgument);
  Start();
  Service other(authenticator_.get());
  const absl::Status taken =
      Server::Start({.listen = absl::StrCat("127.0.0.1:", server_->port())}, {&other}).status();
  EXPECT_EQ(taken.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(taken.message()), HasSubstr(": Address already in use"));
}

TEST_F(ServerTest, DrainLetsCallsFinishAndRefusesNewOnes) {
  Start();
  const auto stub = Stub();
  grpc::ClientContext context;
  EchoRequest request;
  EchoResponse response;
  Notification done;
  grpc::Status waited;
  stub->async()->Wait(&context, &request, &response, [&](grpc::Status status) {
    waited = status;
    done.Notify();
  });
  service_.AwaitWaiter();
  std::thread drain([&] { server_->Drain(absl::Now() + absl::Seconds(30)); });
  // The listener is gone as soon as the drain has begun.
  while (Echo(*Stub()).code() != absl::StatusCode::kUnavailable) std::this_thread::yield();
  EXPECT_FALSE(done.HasBeenNotified());
  service_.Release(grpc::Status::OK);
  done.Wait();
  EXPECT_TRUE(waited.ok()) << waited.error_message();
  drain.join();
}

TEST_F(ServerTest, DrainCancelsWhatIsLeftAtTheDeadline) {
  Start();
  const auto stub = Stub();
  grpc::ClientContext context;
  EchoRequest request;
  EchoResponse response;
  Notification done;
  grpc::Status waited;
  stub->async()->Wait(&context, &request, &response, [&](grpc::Status status) {
    waited = status;
    done.Notify();
  });
  service_.AwaitWaiter();
  server_->Drain(absl::Now());
  done.Wait();
  EXPECT_FALSE(waited.ok());
}

TEST_F(ServerTest, DestroyingItCancelsWhatIsUnderWay) {
  Start();
  const auto stub = Stub();
  grpc::ClientContext context;
  EchoRequest request;
  EchoResponse response;
  Notification done;
  grpc::Status waited;
  stub->async()->Wait(&context, &request, &response, [&](grpc::Status status) {
    waited = status;
    done.Notify();
  });
  service_.AwaitWaiter();
  Notification destroyed;
  std::thread destroy([&] {
    server_.reset();
    destroyed.Notify();
  });
  EXPECT_TRUE(destroyed.WaitFor(absl::Seconds(20)));
  service_.Release(grpc::Status::OK);
  destroy.join();
  done.Wait();
  EXPECT_FALSE(waited.ok());
}

// A client that speaks HTTP/2 (RFC 9113) by hand: it answers some of the server's pings and then
// nothing more, as one whose machine is gone.
class DyingClient {
 public:
  explicit DyingClient(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval patience{.tv_sec = 30, .tv_usec = 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    Write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(kSettings, 0, ""));
  }
  ~DyingClient() { close(socket_); }

  // Pings seen until the server hung up; nothing if it did not within half a minute.
  std::optional<int> PingsUntilDropped(int answered) {
    int pings = 0;
    while (true) {
      const std::optional<std::string> header = Read(9);
      if (!header) return std::nullopt;
      if (header->empty()) return pings;
      const auto byte = [&](size_t i) { return static_cast<unsigned char>((*header)[i]); };
      const size_t size = static_cast<size_t>(byte(0) << 16 | byte(1) << 8 | byte(2));
      const std::optional<std::string> body = Read(size);
      if (!body) return std::nullopt;
      const bool is_answer = (byte(4) & kAck) != 0;
      if (byte(3) == kSettings && !is_answer) Write(Frame(kSettings, kAck, ""));
      if (byte(3) == kPing && !is_answer && ++pings <= answered) Write(Frame(kPing, kAck, *body));
    }
  }

 private:
  static constexpr unsigned char kSettings = 4;
  static constexpr unsigned char kPing = 6;
  static constexpr unsigned char kAck = 1;

  static std::string Frame(unsigned char type, unsigned char flags, const std::string& body) {
    std::string frame(9, '\0');
    frame[2] = static_cast<char>(body.size());
    frame[3] = static_cast<char>(type);
    frame[4] = static_cast<char>(flags);
    return frame + body;
  }
  void Write(const std::string& bytes) {
    EXPECT_EQ(send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  // Fewer when the connection has ended; nothing when neither comes.
  std::optional<std::string> Read(size_t size) {
    std::string bytes(size, '\0');
    size_t have = 0;
    while (have < size) {
      const ssize_t got = recv(socket_, &bytes[have], size - have, 0);
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
      if (got <= 0) return "";
      have += static_cast<size_t>(got);
    }
    return bytes;
  }

  const int socket_;
};

TEST_F(ServerTest, AClientThatNoLongerAnswersIsDropped) {
  Start(
      {.keepalive_interval = absl::Milliseconds(50), .keepalive_timeout = absl::Milliseconds(100)});
  // Though it never made a call. Where it answers, it is pinged again: which it may be too slow for
  // while the machine has much to do, but not for ever.
  int pings = 0;
  for (int attempt = 0; attempt < 50 && pings < 2; ++attempt) {
    const std::optional<int> seen = DyingClient(server_->port()).PingsUntilDropped(1);
    ASSERT_TRUE(seen.has_value()) << "it was not dropped";
    pings = *seen;
  }
  EXPECT_GE(pings, 2);
}

// grpc.health.v1.HealthCheckResponse is one varint field: 08 01 is SERVING, 08 02 NOT_SERVING.
std::string Health(int port) {
  grpc::GenericStub stub(MakeChannel({.target = absl::StrCat("localhost:", port)}));
  grpc::ClientContext context;
  Prepare({}, context);
  grpc::ByteBuffer request;
  grpc::Slice empty("");
  request = grpc::ByteBuffer(&empty, 1);
  grpc::ByteBuffer response;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&](grpc::Status status) { done.set_value(status); });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) return status.error_message();
  grpc::Slice slice;
  if (!response.TrySingleSlice(&slice).ok()) return "several slices";
  return std::string(reinterpret_cast<const char*>(slice.begin()), slice.size());
}

TEST_F(ServerTest, HealthFollowsSetServing) {
  auto server = Server::Start({}, {&service_});
  ASSERT_TRUE(server.ok());
  EXPECT_EQ(Health((*server)->port()), std::string("\x08\x02"));
  (*server)->SetServing(true);
  EXPECT_EQ(Health((*server)->port()), std::string("\x08\x01"));
  (*server)->SetServing(false);
  EXPECT_EQ(Health((*server)->port()), std::string("\x08\x02"));
}

}  // namespace
}  // namespace wissel::rpc
