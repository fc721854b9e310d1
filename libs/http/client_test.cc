#include "libs/http/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "libs/base/bounded_queue.h"
#include "libs/base/notification.h"
#include "libs/http/server.h"

namespace wissel::http {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class ClientTest : public testing::Test {
 protected:
  ClientTest() {
    auto client = Client::Create({});
    EXPECT_TRUE(client.ok());
    client_ = *std::move(client);
    char folder[] = "/tmp/wissel-http-test-XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~ClientTest() override {
    client_.reset();
    server_.reset();
    unlink(File().c_str());
    rmdir(folder_.c_str());
  }

  void Serve(Router router, ServerOptions options = {}) {
    auto server = Server::Start(std::move(options), std::move(router));
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::string Url(absl::string_view path) const {
    return absl::StrCat("http://127.0.0.1:", server_->port(), path);
  }
  std::string File() const { return folder_ + "/file"; }

  // Answers with each status in turn, then with 200.
  void ServeStatuses(std::vector<int> statuses, std::string retry_after = "") {
    Router router;
    const auto handler = [this, statuses, retry_after](Request, Responder responder) {
      const size_t call = static_cast<size_t>(calls_++);
      Response response = TextResponse(call < statuses.size() ? statuses[call] : 200, "hello");
      if (!retry_after.empty() && response.status != 200) {
        response.headers.push_back({"Retry-After", retry_after});
      }
      responder.Send(std::move(response));
    };
    router.Handle("GET", "/", handler);
    router.Handle("POST", "/", handler);
    Serve(std::move(router));
  }

  FetchOptions Retrying(bool idempotent) const {
    FetchOptions options;
    options.max_attempts = 4;
    options.initial_backoff = absl::Milliseconds(1);
    options.max_backoff = absl::Milliseconds(2);
    options.idempotent = idempotent;
    return options;
  }

  std::unique_ptr<Client> client_;
  std::unique_ptr<Server> server_;
  std::string folder_;
  std::atomic<int> calls_ = 0;
};

TEST_F(ClientTest, SendsAndReceives) {
  Router router;
  router.Handle("POST", "/x", [](Request request, Responder responder) {
    Response response = TextResponse(
        201, absl::StrCat(*FindHeader(request.headers, "X-Question"), "|", request.body, "|",
                          FindHeader(request.headers, "Expect").value_or("no expect")));
    response.headers.push_back({"X-Answer", "42"});
    responder.Send(std::move(response));
  });
  Serve(std::move(router));
  const FetchResult result = client_->FetchAndWait({.method = "POST",
                                                    .url = Url("/x"),
                                                    .headers = {{"X-Question", "six times seven"}},
                                                    .body = std::string("a\0b", 3),
                                                    .form = {}},
                                                   {});
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.status, 201);
  EXPECT_EQ(result.body, std::string("six times seven|a\0b|no expect\n", 30));
  EXPECT_EQ(FindHeader(result.headers, "x-answer").value_or(""), "42");
  EXPECT_EQ(result.attempts, 1);
}

TEST_F(ClientTest, PlainTextGoesThroughNoProxy) {
  ServeStatuses({});
  for (const char* proxy : {"http_proxy", "all_proxy"}) {
    setenv(proxy, "http://127.0.0.1:1", 1);  // where nobody listens
    const FetchResult result = client_->FetchAndWait({.url = Url("/")}, {});
    unsetenv(proxy);
    EXPECT_TRUE(result.ok()) << proxy << ": " << result.error;
  }
}

TEST_F(ClientTest, SendsAFormWithAFile) {
  Router router;
  router.Handle("POST", "/", [](Request request, Responder responder) {
    responder.Send(TextResponse(200, request.body));
  });
  Serve(std::move(router));
  std::ofstream(File()) << "bytes of the picture";
  FetchRequest request;
  request.method = "POST";
  request.url = Url("/");
  request.form.push_back(
      {.name = "type", .value = "image/png", .file_path = "", .file_name = "", .content_type = ""});
  request.form.push_back({.name = "file",
                          .value = "",
                          .file_path = File(),
                          .file_name = "cat.png",
                          .content_type = "image/png"});
  const FetchResult result = client_->FetchAndWait(std::move(request), {});
  EXPECT_THAT(result.body, HasSubstr("name=\"type\"\r\n\r\nimage/png"));
  EXPECT_THAT(result.body, HasSubstr("filename=\"cat.png\""));
  EXPECT_THAT(result.body, HasSubstr("bytes of the picture"));
}

TEST_F(ClientTest, NobodyListeningIsNotSent) {
  Serve({});
  const std::string url = Url("/");
  server_.reset();
  const FetchResult result = client_->FetchAndWait({.url = url}, Retrying(false));
  EXPECT_EQ(result.fate, Fate::kNotSent);
  EXPECT_EQ(result.attempts, 4);  // A repeat of what was not sent is no repeat.
  EXPECT_NE(result.error, "");
}

TEST_F(ClientTest, UnknownNameAndBadSchemeAreNotSent) {
  EXPECT_EQ(client_->FetchAndWait({.url = "file:///etc/passwd"}, {}).fate, Fate::kNotSent);
  EXPECT_EQ(client_->FetchAndWait({.url = "http://"}, {}).fate, Fate::kNotSent);
}

TEST_F(ClientTest, HeadersCannotBeSmuggled) {
  ServeStatuses({});
  const FetchResult result =
      client_->FetchAndWait({.url = Url("/"), .headers = {{"X", "a\r\nInjected: b"}}}, {});
  EXPECT_EQ(result.fate, Fate::kNotSent);
  EXPECT_EQ(calls_, 0);
}

TEST_F(ClientTest, NoAnswerInTimeIsUnknownAndNotRepeated) {
  BoundedQueue<Responder> waiting(8);
  Router router;
  router.Handle("POST", "/", [&](Request, Responder responder) {
    ++calls_;
    waiting.TryPush(std::move(responder));
  });
  Serve(std::move(router));
  FetchOptions options = Retrying(false);
  options.total_timeout = absl::Milliseconds(100);
  FetchResult result =
      client_->FetchAndWait({.method = "POST", .url = Url("/"), .body = "x"}, options);
  EXPECT_EQ(result.fate, Fate::kUnknown);
  EXPECT_EQ(result.attempts, 1);
  EXPECT_EQ(calls_, 1);
  options.idempotent = true;
  result = client_->FetchAndWait({.method = "POST", .url = Url("/"), .body = "x"}, options);
  EXPECT_EQ(result.fate, Fate::kUnknown);
  EXPECT_EQ(result.attempts, 4);
  server_.reset();  // Its handler uses what is declared here.
}

TEST_F(ClientTest, RepeatsWhatTheServerRefused) {
  ServeStatuses({503, 429, 503});
  const FetchResult result =
      client_->FetchAndWait({.method = "POST", .url = Url("/")}, Retrying(false));
  EXPECT_EQ(result.status, 200);
  EXPECT_EQ(result.attempts, 4);
  EXPECT_EQ(result.body, "hello\n");
}

TEST_F(ClientTest, RepeatsAServerErrorOnlyWhereThatIsHarmless) {
  ServeStatuses({500, 502});
  EXPECT_EQ(client_->FetchAndWait({.method = "POST", .url = Url("/")}, Retrying(false)).status,
            500);
  EXPECT_EQ(client_->FetchAndWait({.url = Url("/")}, Retrying(true)).status, 200);
  EXPECT_EQ(calls_, 3);
}

TEST_F(ClientTest, DoesNotRepeatBeforeTheServerWantsIt) {
  ServeStatuses({429}, "3600");
  const FetchResult result = client_->FetchAndWait({.url = Url("/")}, Retrying(true));
  EXPECT_EQ(result.status, 429);
  EXPECT_EQ(result.attempts, 1);
  EXPECT_EQ(result.RetryAfter(absl::Now()), absl::Hours(1));
}

TEST_F(ClientTest, ReadsRetryAfterAsADate) {
  FetchResult result;
  result.headers = {{"Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"}};
  const absl::Time now = absl::FromDateTime(1999, 12, 31, 23, 59, 0, absl::UTCTimeZone());
  EXPECT_EQ(result.RetryAfter(now), absl::Seconds(59));
  EXPECT_EQ(result.RetryAfter(now + absl::Hours(1)), absl::ZeroDuration());
  result.headers = {{"Retry-After", "soon"}};
  EXPECT_EQ(result.RetryAfter(now), absl::ZeroDuration());
}

TEST_F(ClientTest, BoundsTheAnswer) {
  Router router;
  router.Handle("GET", "/", [](Request, Responder responder) {
    responder.Send(TextResponse(200, std::string(100000, 'x')));
  });
  Serve(std::move(router));
  FetchOptions options = Retrying(true);
  options.max_response_bytes = 5000;
  const FetchResult result = client_->FetchAndWait({.url = Url("/")}, options);
  EXPECT_TRUE(result.too_large);
  EXPECT_EQ(result.fate, Fate::kUnknown);
  EXPECT_EQ(result.attempts, 1);
  EXPECT_EQ(result.body, "");
}

TEST_F(ClientTest, DownloadsToAFile) {
  ServeStatuses({404});
  FetchOptions options;
  options.download_path = File();
  EXPECT_EQ(client_->FetchAndWait({.url = Url("/")}, options).status, 404);
  EXPECT_NE(access(File().c_str(), F_OK), 0) << "an error page must not look like the file";
  const FetchResult result = client_->FetchAndWait({.url = Url("/")}, options);
  EXPECT_TRUE(result.ok());
  EXPECT_EQ(result.body, "");
  EXPECT_EQ(result.body_bytes, 6);
  std::stringstream text;
  text << std::ifstream(File()).rdbuf();
  EXPECT_EQ(text.str(), "hello\n");
}

TEST_F(ClientTest, RefusesWhenFullAndEndsWhatIsLeft) {
  auto small = Client::Create({.max_queued = 1});
  ASSERT_TRUE(small.ok());
  BoundedQueue<Responder> waiting(8);
  Router router;
  router.Handle("GET", "/",
                [&](Request, Responder responder) { waiting.TryPush(std::move(responder)); });
  Serve(std::move(router));
  std::atomic<int> ended = 0;
  Fate fate = Fate::kAnswered;
  ASSERT_TRUE((*small)
                  ->Fetch({.url = Url("/")}, {},
                          [&](FetchResult result) {
                            fate = result.fate;
                            ++ended;
                          })
                  .ok());
  EXPECT_EQ((*small)->Fetch({.url = Url("/")}, {}, [](FetchResult) { FAIL(); }).code(),
            absl::StatusCode::kResourceExhausted);
  std::optional<Responder> responder = waiting.Pop();  // It has arrived: its fate cannot be known.
  small->reset();
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(fate, Fate::kUnknown);
  server_.reset();  // Its handler uses what is declared here.
}

TEST_F(ClientTest, DoesNotBeginWhatIsTooLate) {
  ServeStatuses({});
  Notification first_answered;
  ASSERT_TRUE(client_
                  ->Fetch({.url = Url("/")}, {},
                          [&](FetchResult) {
                            // As if the process had been stopped for a while.
                            first_answered.Notify();
                            absl::SleepFor(absl::Milliseconds(200));
                          })
                  .ok());
  first_answered.Wait();
  FetchOptions options;
  options.total_timeout = absl::Milliseconds(50);
  const FetchResult late = client_->FetchAndWait({.method = "POST", .url = Url("/")}, options);
  EXPECT_EQ(late.fate, Fate::kNotSent);
  EXPECT_EQ(calls_, 1);
}

TEST_F(ClientTest, DoesNotTrustAnUnknownAuthority) {
  // A certificate made for this test alone, by nobody.
  const std::string key = folder_ + "/key.pem";
  const std::string certificate = folder_ + "/cert.pem";
  ASSERT_EQ(
      system(absl::StrCat("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
                          "-days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost "
                          "-keyout ",
                          key, " -out ", certificate, " 2>/dev/null")
                 .c_str()),
      0);
  Router router;
  router.Handle("GET", "/", [](Request, Responder responder) {
    responder.Send(TextResponse(200, "over TLS"));
  });
  Serve(std::move(router), {.tls_certificate_file = certificate, .tls_key_file = key});
  const std::string url = absl::StrCat("https://localhost:", server_->port(), "/");
  const FetchResult refused = client_->FetchAndWait({.url = url}, {});
  EXPECT_EQ(refused.fate, Fate::kNotSent);
  EXPECT_THAT(refused.error, HasSubstr("SSL"));
  FetchOptions trusting;
  trusting.ca_file = certificate;
  EXPECT_EQ(client_->FetchAndWait({.url = url}, trusting).body, "over TLS\n");
  // Trusted, but for another name.
  EXPECT_EQ(client_->FetchAndWait({.url = Url("/").replace(0, 4, "https")}, trusting).fate,
            Fate::kNotSent);
  unlink(key.c_str());
  unlink(certificate.c_str());
}

}  // namespace
}  // namespace wissel::http
