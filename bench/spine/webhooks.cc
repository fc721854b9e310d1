#include "bench/spine/webhooks.h"

#include <librdkafka/rdkafka.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "bench/spine/bare_hop.h"
#include "libs/base/check.h"
#include "libs/base/hex.h"
#include "libs/bus/topic.h"

namespace wissel::bench {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr absl::string_view kIdPrefix = "wamid.bench.";
constexpr char kSignature[] = "X-Hub-Signature-256";

}  // namespace

std::string WebhookBody(absl::string_view phone_number_id, int64_t n) {
  const std::string from = absl::StrCat(31600000000 + n % 10'000);
  return absl::StrCat(
      R"({"object":"whatsapp_business_account","entry":[{"id":"102290129340398","changes":[{"field":)"
      R"("messages","value":{"messaging_product":"whatsapp","metadata":{"display_phone_number":)"
      R"("31201234567","phone_number_id":")",
      phone_number_id, R"("},"contacts":[{"profile":{"name":"Jan de Vries"},"wa_id":")", from,
      R"("}],"messages":[{"from":")", from, R"(","id":")", kIdPrefix, n, R"(.","timestamp":")",
      absl::ToUnixSeconds(absl::Now()),
      R"(","type":"text","text":{"body":"Where is my order? The other half of it came on Tuesday."}}]}}]}]})");
}

std::string HubSignature(absl::string_view secret, absl::string_view body) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest, &size);
  return absl::StrCat("sha256=", HexEncode({reinterpret_cast<const char*>(digest), size}));
}

int64_t WebhookNumber(absl::string_view text) {
  const size_t at = text.find(kIdPrefix);
  if (at == absl::string_view::npos) return -1;
  const absl::string_view rest = text.substr(at + kIdPrefix.size(), 20);
  int64_t n = -1;
  return absl::SimpleAtoi(rest.substr(0, rest.find('.')), &n) ? n : -1;
}

// ---------------------------------------------------------------------------------------------

class BareWebhook::Impl {
 public:
  explicit Impl(const Options& options)
      : options_(options), acceptor_(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
    BareHopOptions kafka;
    kafka.brokers = options.brokers;
    kafka.topic_prefix = options.topic_prefix;
    producer_ = NewBareProducer(kafka, [](void* session) {
      auto* waiting = static_cast<Session*>(session);
      asio::post(waiting->socket.get_executor(), [waiting] { waiting->Answer(); });
    });
    inbound_ = rd_kafka_topic_new(
        producer_, bus::TopicName(bus::Topic::kInbound, options.topic_prefix).c_str(), nullptr);
    const rd_kafka_metadata_t* metadata = nullptr;
    WISSEL_CHECK(rd_kafka_metadata(producer_, 0, inbound_, &metadata, 10'000) ==
                 RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_metadata_destroy(metadata);
    delivery_ = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) rd_kafka_poll(producer_, 100);
    });
    Accept();
  }

  int port() const { return acceptor_.local_endpoint().port(); }
  void Run() { io_.run(); }

 private:
  // One connection. Never freed: the process ends with the measurement.
  struct Session {
    Session(Impl& i, tcp::socket s) : impl(i), socket(std::move(s)) {}

    void Read() {
      request = {};
      http::async_read(socket, buffer, request, [this](beast::error_code error, size_t) {
        if (!error) Take();
      });
    }
    void Take() {
      const std::string expected = HubSignature(impl.options_.secret, request.body());
      const auto given = request[kSignature];
      WISSEL_CHECK(given.size() == expected.size() &&
                   CRYPTO_memcmp(given.data(), expected.data(), expected.size()) == 0);
      constexpr absl::string_view kKey = "shop/main";
      WISSEL_CHECK(rd_kafka_produce(impl.inbound_, 0, RD_KAFKA_MSG_F_COPY, request.body().data(),
                                    request.body().size(), kKey.data(), kKey.size(), this) == 0);
    }
    void Answer() {
      response = {http::status::ok, request.version()};
      response.keep_alive(request.keep_alive());
      response.prepare_payload();
      http::async_write(socket, response, [this](beast::error_code error, size_t) {
        if (!error) Read();
      });
    }

    Impl& impl;
    tcp::socket socket;
    beast::flat_buffer buffer;
    http::request<http::string_body> request;
    http::response<http::empty_body> response;
  };

  void Accept() {
    acceptor_.async_accept([this](beast::error_code error, tcp::socket socket) {
      if (error) return;
      socket.set_option(tcp::no_delay(true));
      (new Session(*this, std::move(socket)))->Read();
      Accept();
    });
  }

  const Options options_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_topic_t* inbound_ = nullptr;
  std::jthread delivery_;
};

BareWebhook::BareWebhook(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
BareWebhook::~BareWebhook() = default;
int BareWebhook::port() const { return impl_->port(); }
void BareWebhook::Run() { impl_->Run(); }

// ---------------------------------------------------------------------------------------------

namespace {

class Poster {
 public:
  Poster(const PostOptions& options, const std::function<void(int64_t)>& due)
      : options_(options), due_(due), timer_(io_) {
    for (int64_t n = 0; n < options.count; ++n) {
      const std::string body = WebhookBody(options.phone_number_id, n);
      requests_.push_back(absl::StrCat("POST ", options.path, " HTTP/1.1\r\nHost: 127.0.0.1\r\n",
                                       "Content-Type: application/json\r\n", kSignature, ": ",
                                       HubSignature(options.secret, body),
                                       "\r\nContent-Length: ", body.size(), "\r\n\r\n", body));
    }
    for (int i = 0; i < options.connections; ++i) {
      Connection& c = connections_.emplace_back(io_);
      c.socket.connect({asio::ip::make_address("127.0.0.1"), static_cast<uint16_t>(options.port)});
      c.socket.set_option(tcp::no_delay(true));
      idle_.push_back(&c);
    }
  }

  double Run() {
    start_ = Clock::now();
    if (options_.rate > 0) {
      Tick();
    } else {
      came_due_ = options_.count;
      Send();
    }
    io_.run();
    WISSEL_CHECK(answered_ == options_.count) << answered_;
    return std::chrono::duration<double>(last_ - start_).count();
  }

 private:
  struct Connection {
    explicit Connection(asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    beast::flat_buffer buffer;
    http::response<http::string_body> response;
  };

  Clock::time_point DueAt(int64_t n) const {
    return start_ + std::chrono::duration_cast<Clock::duration>(
                        std::chrono::duration<double>(static_cast<double>(n) / options_.rate));
  }
  void Tick() {
    while (came_due_ < options_.count && DueAt(came_due_) <= Clock::now()) due_(came_due_++);
    Send();
    if (came_due_ == options_.count) return;
    timer_.expires_at(DueAt(came_due_));
    timer_.async_wait([this](beast::error_code) { Tick(); });
  }
  void Send() {
    while (sent_ < came_due_ && !idle_.empty()) {
      Connection* c = idle_.back();
      idle_.pop_back();
      asio::async_write(c->socket, asio::buffer(requests_[static_cast<size_t>(sent_++)]),
                        [this, c](beast::error_code error, size_t) {
                          WISSEL_CHECK(!error) << error.message();
                          Receive(c);
                        });
    }
  }
  void Receive(Connection* c) {
    c->response = {};
    http::async_read(c->socket, c->buffer, c->response, [this, c](beast::error_code error, size_t) {
      WISSEL_CHECK(!error) << error.message();
      WISSEL_CHECK(c->response.result() == http::status::ok)
          << c->response.result_int() << " " << c->response.body();
      ++answered_;
      last_ = Clock::now();
      idle_.push_back(c);
      Send();
    });
  }

  const PostOptions& options_;
  const std::function<void(int64_t)>& due_;
  asio::io_context io_{1};
  asio::steady_timer timer_;
  std::vector<std::string> requests_;
  std::deque<Connection> connections_;
  std::vector<Connection*> idle_;
  Clock::time_point start_;
  Clock::time_point last_;
  int64_t came_due_ = 0;
  int64_t sent_ = 0;
  int64_t answered_ = 0;
};

}  // namespace

double PostWebhooks(const PostOptions& options, const std::function<void(int64_t n)>& due) {
  return Poster(options, due).Run();
}

}  // namespace wissel::bench
