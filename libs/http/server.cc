#include "libs/http/server.h"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <future>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace wissel::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<tcp, Executor>;
using Acceptor = asio::basic_socket_acceptor<tcp, Executor>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;
using TlsStream = asio::ssl::stream<Socket>;
using SteadyTime = std::chrono::steady_clock::time_point;

// After an answer that closes the connection, what the client still sends is read and dropped for
// this long and this much, so that a reset does not take the answer away from it (RFC 9112, 9.6).
constexpr absl::Duration kLinger = absl::Seconds(2);
constexpr int64_t kLingerBytes = 4 << 20;
constexpr size_t kReadAhead = 64 << 10;

absl::string_view View(beast::string_view text) { return {text.data(), text.size()}; }

SteadyTime After(absl::Duration duration) {
  return std::chrono::steady_clock::now() +
         absl::ToChronoNanoseconds(std::min(duration, absl::Hours(24)));
}

struct Core {
  ServerOptions options;
  Router router;
  std::optional<asio::ssl::context> tls;
  std::atomic<int64_t> open = 0;
  std::atomic<int64_t> connections = 0;
  std::atomic<int64_t> requests = 0;

  void Refused(int status) const {
    if (options.on_refused) options.on_refused(status);
  }
};

class ConnectionBase {
 public:
  virtual ~ConnectionBase() = default;
  virtual void Answer(Response response) = 0;
  virtual void CheckDeadline(SteadyTime now) = 0;
  virtual void StartDrain() = 0;
  virtual void Cut() = 0;
};

// A thread with its io_context and the connections that live on it; all but `ioc` belongs to that
// thread.
struct Worker : std::enable_shared_from_this<Worker> {
  explicit Worker(std::shared_ptr<Core> core_in, absl::Duration tick)
      : core(std::move(core_in)), sweep_interval(tick), sweep(ioc.get_executor()) {}

  void Sweep() {
    sweep.expires_after(absl::ToChronoNanoseconds(sweep_interval));
    sweep.async_wait([this](error_code) {
      const SteadyTime now = std::chrono::steady_clock::now();
      const std::vector<ConnectionBase*> snapshot(connections.begin(), connections.end());
      for (ConnectionBase* connection : snapshot) {
        if (connections.contains(connection)) connection->CheckDeadline(now);
      }
      // Once draining, the last connection's end leaves the io_context without work: its thread
      // returns.
      if (!draining || !connections.empty()) Sweep();
    });
  }

  absl::string_view Date() {
    const absl::Time now = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
    if (now != date_time) {
      date_time = now;
      date = absl::FormatTime("%a, %d %b %Y %H:%M:%S GMT", now, absl::UTCTimeZone());
    }
    return date;
  }

  asio::io_context ioc{1};
  std::shared_ptr<Core> core;
  const absl::Duration sweep_interval;
  Timer sweep;
  std::unordered_set<ConnectionBase*> connections;
  bool draining = false;
  absl::Time date_time = absl::InfinitePast();
  std::string date;
};

// Answers from any thread on the connection's own. Holds the worker so that its io_context outlives
// every answer still to come; members are destroyed in reverse, the connection first.
class ConnectionSink final : public Responder::Sink {
 public:
  ConnectionSink(std::shared_ptr<Worker> worker, std::shared_ptr<ConnectionBase> connection)
      : worker_(std::move(worker)), connection_(std::move(connection)) {}

  void Send(Response response) override {
    asio::dispatch(worker_->ioc,
                   [connection = connection_, response = std::move(response)]() mutable {
                     connection->Answer(std::move(response));
                   });
  }

 private:
  std::shared_ptr<Worker> worker_;
  std::shared_ptr<ConnectionBase> connection_;
};

template <typename Stream>
class Connection final : public ConnectionBase,
                         public std::enable_shared_from_this<Connection<Stream>> {
  static constexpr bool kTls = std::is_same_v<Stream, TlsStream>;

 public:
  // The worker outlives its connections: they are in its set, in handlers of its io_context, or in
  // a sink that holds it.
  template <typename... Args>
  Connection(Worker* worker, Socket socket, std::string peer, Args&... args)
      : worker_(worker),
        core_(worker->core.get()),
        stream_(std::move(socket), args...),
        peer_(std::move(peer)),
        buffer_(static_cast<size_t>(core_->options.max_header_bytes) + kReadAhead) {}

  void Start() {
    worker_->connections.insert(this);
    if constexpr (kTls) {
      SetDeadline(core_->options.header_timeout);
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](error_code ec) {
                                if (ec || self->closed_) return self->Close();
                                self->WaitForRequest(self->core_->options.header_timeout);
                              });
    } else {
      WaitForRequest(core_->options.header_timeout);
    }
  }

  // One too many: say so and go.
  void Refuse() {
    worker_->connections.insert(this);
    close_after_answer_ = true;
    unread_ = true;
    Response response = TextResponse(503, "too many connections");
    response.headers.push_back({"Retry-After", "1"});
    Write(std::move(response));
  }

  void Answer(Response response) override {
    if (closed_ || phase_ != Phase::kHandling) return;
    Write(std::move(response));
  }

  void CheckDeadline(SteadyTime now) override {
    if (now < deadline_) return;
    switch (phase_) {
      case Phase::kHeader:
      case Phase::kBody:
        // The pending read ends with an error, and its handler answers 408.
        timed_out_ = true;
        deadline_ = SteadyTime::max();
        Lowest().cancel(ignored_);
        return;
      case Phase::kHandling:
        return;
      case Phase::kIdle:
      case Phase::kWriting:
      case Phase::kLinger:
        Close();
    }
  }

  void StartDrain() override {
    close_after_answer_ = true;
    if (phase_ == Phase::kIdle) Close();
  }

  void Cut() override { Close(); }

 private:
  enum class Phase { kIdle, kHeader, kBody, kHandling, kWriting, kLinger };

  Socket& Lowest() {
    if constexpr (kTls) {
      return stream_.next_layer();
    } else {
      return stream_;
    }
  }

  void SetDeadline(absl::Duration duration) { deadline_ = After(duration); }

  void WaitForRequest(absl::Duration timeout) {
    if (buffer_.size() > 0) return ReadHeader();
    phase_ = Phase::kIdle;
    SetDeadline(timeout);
    stream_.async_read_some(buffer_.prepare(4096),
                            [self = this->shared_from_this()](error_code ec, size_t bytes) {
                              if (ec || self->closed_) return self->Close();
                              self->buffer_.commit(bytes);
                              self->ReadHeader();
                            });
  }

  void ReadHeader() {
    phase_ = Phase::kHeader;
    SetDeadline(core_->options.header_timeout);
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(core_->options.max_header_bytes));
    parser_->body_limit(static_cast<uint64_t>(core_->options.max_body_bytes));
    bhttp::async_read_header(
        stream_, buffer_, *parser_,
        [self = this->shared_from_this()](error_code ec, size_t) { self->OnHeader(ec); });
  }

  void OnHeader(error_code ec) {
    if (closed_) return;
    if (ec) return Fail(ec);
    phase_ = Phase::kBody;
    SetDeadline(core_->options.body_timeout);
    if (!parser_->is_done() &&
        absl::EqualsIgnoreCase(View(parser_->get()[bhttp::field::expect]), "100-continue")) {
      interim_ = "HTTP/1.1 100 Continue\r\n\r\n";
      asio::async_write(stream_, asio::buffer(interim_),
                        [self = this->shared_from_this()](error_code write_ec, size_t) {
                          if (self->closed_) return;
                          if (write_ec) return self->Fail(write_ec);
                          self->ReadBody();
                        });
      return;
    }
    ReadBody();
  }

  void ReadBody() {
    bhttp::async_read(stream_, buffer_, *parser_,
                      [self = this->shared_from_this()](error_code ec, size_t) {
                        if (self->closed_) return;
                        if (ec) return self->Fail(ec);
                        self->OnRequest();
                      });
  }

  void OnRequest() {
    auto message = parser_->release();
    keep_alive_ = message.keep_alive();
    const absl::string_view target = View(message.target());
    if (target.empty() || target[0] != '/') {
      core_->Refused(400);
      close_after_answer_ = true;
      phase_ = Phase::kHandling;
      return Write(TextResponse(400, "request target must begin with '/'"));
    }
    Request request;
    request.method = std::string(View(message.method_string()));
    const size_t question = target.find('?');
    request.path = std::string(target.substr(0, question));
    if (question != absl::string_view::npos)
      request.query = std::string(target.substr(question + 1));
    for (const auto& field : message) {
      request.headers.push_back(
          {std::string(View(field.name_string())), std::string(View(field.value()))});
    }
    request.body = std::move(message.body());
    request.peer = peer_;
    phase_ = Phase::kHandling;
    ++core_->requests;
    core_->router.Dispatch(std::move(request),
                           Responder(std::make_shared<ConnectionSink>(worker_->shared_from_this(),
                                                                      this->shared_from_this())));
  }

  // A request that never reached a handler. What follows on this connection cannot be trusted to
  // begin a request: it is closed.
  void Fail(error_code ec) {
    int status = 400;
    absl::string_view text = "malformed request";
    if (timed_out_) {
      status = 408;
      text = "request took too long to arrive";
    } else if (ec == bhttp::error::body_limit) {
      status = 413;
      text = "body too large";
    } else if (ec == bhttp::error::header_limit || ec == bhttp::error::buffer_overflow) {
      status = 431;
      text = "header too large";
    } else if (ec.category() != make_error_code(bhttp::error::bad_method).category() ||
               ec == bhttp::error::end_of_stream || ec == bhttp::error::partial_message) {
      return Close();  // The client went away.
    }
    core_->Refused(status);
    close_after_answer_ = true;
    unread_ = true;
    Write(TextResponse(status, text));
  }

  void Write(Response response) {
    const bool keep = keep_alive_ && !close_after_answer_;
    answer_.emplace();
    answer_->version(11);
    answer_->result(static_cast<unsigned>(response.status));
    const absl::string_view reason = ReasonPhrase(response.status);
    answer_->reason({reason.data(), reason.size()});
    const absl::string_view date = worker_->Date();
    answer_->set(bhttp::field::date, beast::string_view(date.data(), date.size()));
    if (!response.content_type.empty()) {
      answer_->set(bhttp::field::content_type, response.content_type);
    }
    for (const Header& header : response.headers) answer_->insert(header.name, header.value);
    answer_->body() = std::move(response.body);
    answer_->keep_alive(keep);
    answer_->prepare_payload();
    phase_ = Phase::kWriting;
    SetDeadline(core_->options.write_timeout);
    bhttp::async_write(stream_, *answer_,
                       [self = this->shared_from_this(), keep](error_code ec, size_t) {
                         if (self->closed_) return;
                         if (ec) return self->Close();
                         self->answer_.reset();
                         if (keep && !self->close_after_answer_) {
                           return self->WaitForRequest(self->core_->options.idle_timeout);
                         }
                         self->unread_ ? self->Linger() : self->Close();
                       });
  }

  void Linger() {
    phase_ = Phase::kLinger;
    SetDeadline(kLinger);
    if constexpr (kTls) {
      stream_.async_shutdown([self = this->shared_from_this()](error_code) { self->Close(); });
    } else {
      Lowest().shutdown(Socket::shutdown_send, ignored_);
      buffer_.consume(buffer_.size());
      Discard(kLingerBytes);
    }
  }

  void Discard(int64_t left) {
    Lowest().async_read_some(buffer_.prepare(kReadAhead),
                             [self = this->shared_from_this(), left](error_code ec, size_t bytes) {
                               const int64_t rest = left - static_cast<int64_t>(bytes);
                               if (ec || rest <= 0 || self->closed_) return self->Close();
                               self->Discard(rest);
                             });
  }

  void Close() {
    if (closed_) return;
    closed_ = true;
    Lowest().close(ignored_);
    worker_->connections.erase(this);
    --core_->open;
  }

  Worker* const worker_;
  Core* const core_;
  Stream stream_;
  const std::string peer_;
  beast::flat_buffer buffer_;
  std::optional<bhttp::request_parser<bhttp::string_body>> parser_;
  std::optional<bhttp::response<bhttp::string_body>> answer_;
  std::string interim_;
  Phase phase_ = Phase::kIdle;
  SteadyTime deadline_ = SteadyTime::max();
  error_code ignored_;
  bool keep_alive_ = false;
  bool close_after_answer_ = false;
  bool unread_ = false;  // The client may still be sending when the answer has been written.
  bool timed_out_ = false;
  bool closed_ = false;
};

std::string Format(const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  return endpoint.address().is_v6() ? absl::StrCat("[", address, "]:", endpoint.port())
                                    : absl::StrCat(address, ":", endpoint.port());
}

absl::StatusOr<tcp::endpoint> ParseListen(absl::string_view listen) {
  const size_t colon = listen.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(listen.substr(colon + 1), &port) ||
      port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address '", listen, "': expected ADDRESS:PORT"));
  }
  absl::string_view host = listen.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  error_code ec;
  const asio::ip::address address = asio::ip::make_address(std::string(host), ec);
  if (ec) {
    return absl::InvalidArgumentError(
        absl::StrCat("listen address '", listen, "': '", host, "' is not an IP address"));
  }
  return tcp::endpoint(address, static_cast<uint16_t>(port));
}

class BeastServer final : public Server {
 public:
  explicit BeastServer(std::shared_ptr<Core> core) : core_(std::move(core)) {
    const ServerOptions& options = core_->options;
    const absl::Duration shortest = std::min({options.header_timeout, options.body_timeout,
                                              options.write_timeout, options.idle_timeout});
    const absl::Duration tick =
        std::clamp(shortest / 4, absl::Milliseconds(5), absl::Milliseconds(250));
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      workers_.push_back(std::make_shared<Worker>(core_, tick));
    }
    acceptor_.emplace(workers_[0]->ioc.get_executor());
    retry_.emplace(workers_[0]->ioc.get_executor());
  }

  ~BeastServer() override { Drain(absl::ZeroDuration()); }

  absl::Status Listen() {
    absl::StatusOr<tcp::endpoint> endpoint = ParseListen(core_->options.listen);
    if (!endpoint.ok()) return endpoint.status();
    error_code ec;
    acceptor_->open(endpoint->protocol(), ec);
    if (!ec) acceptor_->set_option(Acceptor::reuse_address(true), ec);
    if (!ec) acceptor_->bind(*endpoint, ec);
    if (!ec) acceptor_->listen(asio::socket_base::max_listen_connections, ec);
    if (ec) {
      return absl::UnavailableError(
          absl::StrCat("cannot listen on ", core_->options.listen, ": ", ec.message()));
    }
    port_ = acceptor_->local_endpoint(ec).port();
    return absl::OkStatus();
  }

  void Run() {
    Accept();
    for (std::shared_ptr<Worker>& worker : workers_) {
      worker->Sweep();
      std::promise<void> ended;
      ended_.push_back(ended.get_future());
      threads_.emplace_back([worker, ended = std::move(ended)]() mutable {
        worker->ioc.run();
        ended.set_value();
      });
    }
  }

  int port() const override { return port_; }

  ServerStats stats() const override {
    return {.open_connections = core_->open,
            .connections_total = core_->connections,
            .requests_total = core_->requests};
  }

  void Drain(absl::Duration grace) override {
    if (threads_.empty()) return;
    const SteadyTime deadline = After(grace);
    // The acceptor first: afterwards no worker gets another connection.
    std::promise<void> closed;
    asio::post(workers_[0]->ioc, [this, &closed] {
      error_code ignored;
      acceptor_->close(ignored);
      retry_->cancel();
      closed.set_value();
    });
    closed.get_future().wait();
    ForAll([](Worker& worker) {
      worker.draining = true;
      worker.sweep.cancel();  // Runs the sweep, which ends when no connection is left.
    });
    ForAll([](ConnectionBase& connection) { connection.StartDrain(); });
    for (std::future<void>& ended : ended_) ended.wait_until(deadline);
    ForAll([](ConnectionBase& connection) { connection.Cut(); });
    ForAll([](Worker& worker) { worker.sweep.cancel(); });
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void ForAll(void (*action)(Worker&)) {
    for (auto& worker : workers_) {
      asio::post(worker->ioc, [worker = worker.get(), action] { action(*worker); });
    }
  }
  void ForAll(void (*action)(ConnectionBase&)) {
    for (auto& worker : workers_) {
      asio::post(worker->ioc, [worker = worker.get(), action] {
        const std::vector<ConnectionBase*> snapshot(worker->connections.begin(),
                                                    worker->connections.end());
        for (ConnectionBase* connection : snapshot) action(*connection);
      });
    }
  }

  void Accept() {
    next_ = (next_ + 1) % workers_.size();
    std::shared_ptr<Worker>& worker = workers_[next_];
    acceptor_->async_accept(worker->ioc, [this, worker](error_code ec, Socket socket) {
      if (!acceptor_->is_open()) return;
      if (ec) {
        // Out of descriptors, or a client gone before it was accepted: not a reason to spin.
        retry_->expires_after(std::chrono::milliseconds(20));
        retry_->async_wait([this](error_code wait_ec) {
          if (!wait_ec && acceptor_->is_open()) Accept();
        });
        return;
      }
      Adopt(worker, std::move(socket));
      Accept();
    });
  }

  void Adopt(const std::shared_ptr<Worker>& worker, Socket socket) {
    error_code ec;
    const tcp::endpoint peer = socket.remote_endpoint(ec);
    if (ec) return;
    socket.set_option(tcp::no_delay(true), ec);
    ++core_->connections;
    const int64_t open = ++core_->open;
    const bool refuse = open > core_->options.max_connections;
    if (refuse) core_->Refused(503);
    // Refusing takes a connection too; beyond a tenth more, or behind TLS, there is only closing.
    if (refuse && (core_->tls || open > core_->options.max_connections +
                                            core_->options.max_connections / 10 + 8)) {
      --core_->open;
      return;
    }
    if (core_->tls) {
      auto connection = std::make_shared<Connection<TlsStream>>(worker.get(), std::move(socket),
                                                                Format(peer), *core_->tls);
      asio::dispatch(worker->ioc, [connection] { connection->Start(); });
    } else {
      auto connection =
          std::make_shared<Connection<Socket>>(worker.get(), std::move(socket), Format(peer));
      asio::dispatch(worker->ioc,
                     [connection, refuse] { refuse ? connection->Refuse() : connection->Start(); });
    }
  }

  const std::shared_ptr<Core> core_;
  std::vector<std::shared_ptr<Worker>> workers_;
  std::optional<Acceptor> acceptor_;  // On the first worker.
  std::optional<Timer> retry_;
  size_t next_ = 0;
  int port_ = 0;
  std::vector<std::thread> threads_;
  std::vector<std::future<void>> ended_;
};

absl::Status LoadTls(Core* core) {
  const ServerOptions& options = core->options;
  if (options.tls_certificate_file.empty() && options.tls_key_file.empty()) return absl::OkStatus();
  core->tls.emplace(asio::ssl::context::tls_server);
  error_code ec;
  core->tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                             asio::ssl::context::no_tlsv1_1,
                         ec);
  core->tls->use_certificate_chain_file(options.tls_certificate_file, ec);
  if (ec) {
    return absl::InvalidArgumentError(
        absl::StrCat("TLS certificate ", options.tls_certificate_file, ": ", ec.message()));
  }
  core->tls->use_private_key_file(options.tls_key_file, asio::ssl::context::pem, ec);
  if (ec) {
    return absl::InvalidArgumentError(
        absl::StrCat("TLS key ", options.tls_key_file, ": ", ec.message()));
  }
  return absl::OkStatus();
}

}  // namespace

Responder::Responder(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}

Responder& Responder::operator=(Responder&& other) {
  if (this != &other) {
    if (sink_) Send(TextResponse(500, "no answer"));
    sink_ = std::move(other.sink_);
  }
  return *this;
}

Responder::~Responder() {
  if (sink_) Send(TextResponse(500, "no answer"));
}

void Responder::Send(Response response) {
  if (std::shared_ptr<Sink> sink = std::exchange(sink_, nullptr)) sink->Send(std::move(response));
}

void Router::Handle(absl::string_view method, absl::string_view path, Handler handler) {
  auto& table = absl::EndsWith(path, "/*") ? prefix_ : exact_;
  if (absl::EndsWith(path, "/*")) path.remove_suffix(1);
  table[std::string(path)][std::string(method)] = std::move(handler);
}

const Router::Methods* Router::Find(absl::string_view path) const {
  const auto exact = exact_.find(std::string(path));
  if (exact != exact_.end()) return &exact->second;
  const Methods* best = nullptr;
  size_t longest = 0;
  for (const auto& [prefix, methods] : prefix_) {
    if (absl::StartsWith(path, prefix) && prefix.size() > longest) {
      best = &methods;
      longest = prefix.size();
    }
  }
  return best;
}

void Router::Dispatch(Request request, Responder responder) const {
  const Methods* methods = Find(request.path);
  if (methods == nullptr) return responder.Send(TextResponse(404, "not found"));
  const auto handler = methods->find(request.method);
  if (handler == methods->end()) {
    Response response = TextResponse(405, "method not allowed");
    std::string allow;
    for (const auto& entry : *methods)
      absl::StrAppend(&allow, allow.empty() ? "" : ", ", entry.first);
    response.headers.push_back({"Allow", allow});
    return responder.Send(std::move(response));
  }
  handler->second(std::move(request), std::move(responder));
}

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Router router) {
  auto core = std::make_shared<Core>();
  core->options = std::move(options);
  core->router = std::move(router);
  if (absl::Status status = LoadTls(core.get()); !status.ok()) return status;
  auto server = std::make_unique<BeastServer>(std::move(core));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  server->Run();
  return server;
}

}  // namespace wissel::http
