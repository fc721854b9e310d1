#include "libs/http/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/bounded_queue.h"

namespace wissel::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A plain socket, so that tests say exactly which bytes go over it.
class RawClient {
 public:
  explicit RawClient(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  }
  ~RawClient() { close(fd_); }

  bool connected() const { return connected_; }

  bool Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }

  // Everything until the server closes.
  std::string ReadAll() {
    std::string all;
    char buffer[4096];
    for (ssize_t n = 0; (n = recv(fd_, buffer, sizeof(buffer), 0)) > 0;) {
      all.append(buffer, static_cast<size_t>(n));
    }
    return all;
  }

  // Until `end` has been seen.
  std::string ReadUntil(absl::string_view end) {
    std::string all;
    char c = 0;
    while (all.find(std::string(end)) == std::string::npos && recv(fd_, &c, 1, 0) == 1) {
      all.push_back(c);
    }
    return all;
  }

 private:
  const int fd_;
  bool connected_ = false;
};

Router EchoRouter() {
  Router router;
  router.Handle("POST", "/echo", [](Request request, Responder responder) {
    responder.Send(TextResponse(200, absl::StrCat("<", request.body, ">")));
  });
  router.Handle("GET", "/where/*", [](Request request, Responder responder) {
    responder.Send(TextResponse(200, absl::StrCat(request.path, "?", request.query)));
  });
  router.Handle("GET", "/silent", [](Request, Responder) {});
  return router;
}

std::unique_ptr<Server> StartServer(ServerOptions options, Router router = EchoRouter()) {
  absl::StatusOr<std::unique_ptr<Server>> server =
      Server::Start(std::move(options), std::move(router));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

std::string Exchange(const Server& server, absl::string_view bytes) {
  RawClient client(server.port());
  client.Send(bytes);
  return client.ReadAll();
}

std::string Post(absl::string_view body, absl::string_view more = "Connection: close\r\n") {
  return absl::StrCat("POST /echo HTTP/1.1\r\nHost: x\r\n", more, "Content-Length: ", body.size(),
                      "\r\n\r\n", body);
}

TEST(ServerTest, AnswersARequest) {
  auto server = StartServer({});
  const std::string answer = Exchange(*server, Post("hello"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Date: "));
  EXPECT_THAT(answer, HasSubstr("\r\n\r\n<hello>\n"));
  EXPECT_EQ(server->stats().requests_total, 1);
}

TEST(ServerTest, HandsOverPathQueryAndChunkedBody) {
  auto server = StartServer({});
  EXPECT_THAT(Exchange(*server, "GET /where/a%20b?x=1 HTTP/1.1\r\nConnection: close\r\n\r\n"),
              HasSubstr("/where/a%20b?x=1\n"));
  EXPECT_THAT(
      Exchange(*server,
               "POST /echo HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
               "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
      HasSubstr("<abcde>"));
}

TEST(ServerTest, SaysWhatIsNotThereOrNotAllowed) {
  auto server = StartServer({});
  EXPECT_THAT(Exchange(*server, "GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 404 "));
  const std::string answer = Exchange(*server, "GET /echo HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 405 "));
  EXPECT_THAT(answer, HasSubstr("Allow: POST\r\n"));
}

TEST(ServerTest, KeepsAConnectionAndAnswersPipelinedRequestsInOrder) {
  auto server = StartServer({});
  const std::string answers =
      Exchange(*server, absl::StrCat(Post("1", ""), Post("2", ""), Post("3")));
  const size_t one = answers.find("<1>");
  const size_t two = answers.find("<2>");
  const size_t three = answers.find("<3>");
  ASSERT_NE(three, std::string::npos) << answers;
  EXPECT_LT(one, two);
  EXPECT_LT(two, three);
  EXPECT_EQ(server->stats().connections_total, 1);
}

TEST(ServerTest, AnswersLaterFromAnotherThread) {
  BoundedQueue<Responder> waiting(4);
  Router router;
  router.Handle("GET", "/later", [&waiting](Request, Responder responder) {
    waiting.TryPush(std::move(responder));
  });
  auto server = StartServer({}, std::move(router));
  std::thread other([&waiting] { waiting.Pop()->Send(TextResponse(202, "done")); });
  EXPECT_THAT(Exchange(*server, "GET /later HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 202 "));
  other.join();
}

TEST(ServerTest, ForgottenResponderAnswers500) {
  auto server = StartServer({});
  EXPECT_THAT(Exchange(*server, "GET /silent HTTP/1.1\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 500 "));
}

TEST(ServerTest, ResponderMayOutliveTheServer) {
  BoundedQueue<Responder> waiting(1);
  Router router;
  router.Handle("GET", "/later", [&waiting](Request, Responder responder) {
    waiting.TryPush(std::move(responder));
  });
  auto server = StartServer({}, std::move(router));
  RawClient client(server->port());
  client.Send("GET /later HTTP/1.1\r\n\r\n");
  std::optional<Responder> responder = waiting.Pop();
  server.reset();
  responder->Send(TextResponse(200, "too late"));
  EXPECT_EQ(client.ReadAll(), "");
}

TEST(ServerTest, RefusesABodyOverTheLimitBeforeAndWhileItArrives) {
  auto server = StartServer({.max_body_bytes = 1000});
  EXPECT_THAT(Exchange(*server, Post(std::string(1000, 'x'))), StartsWith("HTTP/1.1 200 "));
  EXPECT_THAT(Exchange(*server, Post(std::string(1001, 'x'))), StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(Exchange(*server, "POST /echo HTTP/1.1\r\nContent-Length: 999999999999\r\n\r\n"),
              StartsWith("HTTP/1.1 413 "));
  EXPECT_THAT(
      Exchange(*server, absl::StrCat("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     "3E9\r\n",
                                     std::string(1001, 'x'))),
      StartsWith("HTTP/1.1 413 "));
}

TEST(ServerTest, AnswerSurvivesALargeRefusedBody) {
  auto server = StartServer({.max_body_bytes = 1000});
  EXPECT_THAT(Exchange(*server, Post(std::string(2 << 20, 'x'))), StartsWith("HTTP/1.1 413 "));
}

TEST(ServerTest, RefusesAHeaderOverTheLimit) {
  auto server = StartServer({.max_header_bytes = 2048});
  EXPECT_THAT(Exchange(*server, absl::StrCat("GET /where/x HTTP/1.1\r\nX: ", std::string(4096, 'x'),
                                             "\r\n\r\n")),
              StartsWith("HTTP/1.1 431 "));
}

TEST(ServerTest, RefusesWhatIsNotHttp) {
  auto server = StartServer({});
  EXPECT_THAT(Exchange(*server, "hello\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Exchange(*server, "GET nowhere HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(Exchange(*server, "POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n"),
              StartsWith("HTTP/1.1 400 "));
  // Two lengths are how requests are smuggled past a proxy.
  EXPECT_THAT(
      Exchange(*server,
               "POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
               "0\r\n\r\n"),
      StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(server->stats().requests_total, 0);
}

TEST(ServerTest, SlowRequestsGet408AndSilentConnectionsAreClosed) {
  auto server = StartServer({.header_timeout = absl::Milliseconds(60),
                             .body_timeout = absl::Milliseconds(60),
                             .idle_timeout = absl::Milliseconds(60)});
  EXPECT_THAT(Exchange(*server, "GET /where/x HTT"), StartsWith("HTTP/1.1 408 "));
  EXPECT_THAT(Exchange(*server, "POST /echo HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"),
              StartsWith("HTTP/1.1 408 "));
  EXPECT_EQ(Exchange(*server, ""), "");
  // Kept alive, then silent: the answer, and then the end.
  EXPECT_THAT(Exchange(*server, Post("a", "")), HasSubstr("<a>"));
}

TEST(ServerTest, RefusesConnectionsOverTheLimit) {
  auto server = StartServer({.max_connections = 1});
  RawClient first(server->port());
  first.Send(Post("a", ""));
  EXPECT_THAT(first.ReadUntil("<a>\n"), HasSubstr("200 OK"));
  const std::string answer = Exchange(*server, "");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("Retry-After: 1\r\n"));
  first.Send(Post("b", ""));
  EXPECT_THAT(first.ReadUntil("<b>\n"), HasSubstr("200 OK"));
}

TEST(ServerTest, TellsWhatItRefuses) {
  Mutex mutex;
  std::vector<int> told;
  auto server = StartServer({.max_connections = 1,
                             .max_header_bytes = 2048,
                             .max_body_bytes = 1000,
                             .header_timeout = absl::Milliseconds(60),
                             .on_refused = [&](int status) {
                               MutexLock lock(mutex);
                               told.push_back(status);
                             }});
  const auto refuses = [&](absl::string_view request, int status) {
    const std::string answer = Exchange(*server, request);
    EXPECT_THAT(answer, StartsWith(absl::StrCat("HTTP/1.1 ", status, " ")));
    // The connection counts until the server has seen its end.
    while (server->stats().open_connections > 0) std::this_thread::yield();
    MutexLock lock(mutex);
    EXPECT_THAT(std::exchange(told, {}), ::testing::ElementsAre(status));
  };
  refuses("hello\r\n\r\n", 400);
  refuses("GET nowhere HTTP/1.1\r\n\r\n", 400);
  refuses("GET /where/x HTT", 408);
  refuses(Post(std::string(1001, 'x')), 413);
  refuses(absl::StrCat("GET /where/x HTTP/1.1\r\nX: ", std::string(4096, 'x'), "\r\n\r\n"), 431);
  EXPECT_THAT(Exchange(*server, Post("taken")), StartsWith("HTTP/1.1 200 "));
  while (server->stats().open_connections > 0) std::this_thread::yield();
  RawClient first(server->port());
  first.Send(Post("a", ""));
  EXPECT_THAT(first.ReadUntil("<a>\n"), HasSubstr("200 OK"));
  EXPECT_THAT(Exchange(*server, ""), StartsWith("HTTP/1.1 503 "));
  MutexLock lock(mutex);
  EXPECT_THAT(told, ::testing::ElementsAre(503));
}

TEST(ServerTest, AnswersExpectContinue) {
  auto server = StartServer({});
  RawClient client(server->port());
  client.Send(
      "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: "
      "2\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 "));
  client.Send("ab");
  EXPECT_THAT(client.ReadAll(), HasSubstr("<ab>"));
}

TEST(ServerTest, DrainFinishesWhatIsInProgressAndAcceptsNoMore) {
  BoundedQueue<Responder> waiting(1);
  Router router;
  router.Handle("GET", "/later", [&waiting](Request, Responder responder) {
    waiting.TryPush(std::move(responder));
  });
  auto server = StartServer({.threads = 2}, std::move(router));
  const int port = server->port();
  RawClient idle(port);
  RawClient busy(port);
  busy.Send("GET /later HTTP/1.1\r\n\r\n");
  std::optional<Responder> responder = waiting.Pop();
  std::thread drain([&server] { server->Drain(absl::Seconds(20)); });
  EXPECT_EQ(idle.ReadAll(), "");  // Closed at once; the listener was closed before.
  EXPECT_FALSE(RawClient(port).connected());
  responder->Send(TextResponse(200, "finished"));
  const std::string answer = busy.ReadAll();
  EXPECT_THAT(answer, HasSubstr("finished"));
  EXPECT_THAT(answer, HasSubstr("Connection: close"));
  drain.join();
  EXPECT_EQ(server->stats().open_connections, 0);
}

TEST(ServerTest, ManyConnectionsOnSeveralThreads) {
  auto server = StartServer({.threads = 2});
  std::vector<std::thread> clients;
  std::atomic<int> good = 0;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&, i] {
      RawClient client(server->port());
      for (int j = 0; j < 50; ++j) {
        client.Send(Post(absl::StrCat(i, ".", j), ""));
        const std::string end = absl::StrCat("<", i, ".", j, ">\n");
        if (client.ReadUntil(end).find(end) != std::string::npos) ++good;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(good, 400);
}

TEST(ServerTest, SaysWhyItDoesNotStart) {
  EXPECT_THAT(std::string(Server::Start({.listen = "nowhere"}, {}).status().message()),
              HasSubstr("expected ADDRESS:PORT"));
  EXPECT_THAT(std::string(Server::Start({.listen = "localhost:80"}, {}).status().message()),
              HasSubstr("not an IP address"));
  auto first = StartServer({});
  // SO_REUSEADDR does not let two listen on one port.
  EXPECT_THAT(std::string(Server::Start({.listen = absl::StrCat("127.0.0.1:", first->port())}, {})
                              .status()
                              .message()),
              HasSubstr("cannot listen on 127.0.0.1:"));
  EXPECT_THAT(
      std::string(Server::Start({.tls_certificate_file = "/nowhere.pem"}, {}).status().message()),
      HasSubstr("/nowhere.pem"));
}

}  // namespace
}  // namespace wissel::http
