#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/http/message.h"

namespace wissel::http {

// The answer to one request, given once, from any thread, at any time: now or when a broker has
// acknowledged. Move-only. One that is destroyed without an answer answers 500. Answering after the
// connection or the server is gone does nothing.
class Responder {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void Send(Response response) = 0;
  };

  explicit Responder(std::shared_ptr<Sink> sink);
  Responder(Responder&&) = default;
  Responder& operator=(Responder&& other);
  ~Responder();

  void Send(Response response);

 private:
  std::shared_ptr<Sink> sink_;
};

using Handler = absl::AnyInvocable<void(Request, Responder) const>;

// Which handler serves which method and path. Filled before the server starts, constant afterwards.
class Router {
 public:
  // `path` is exact, or, ending in "/*", everything below it; the longest match wins. Handlers run
  // on the server's threads, several at once: they must be thread-safe and must not block.
  void Handle(absl::string_view method, absl::string_view path, Handler handler);

  // Answers 404 or, with an Allow header, 405 where there is no handler.
  void Dispatch(Request request, Responder responder) const;

 private:
  using Methods = std::map<std::string, Handler, std::less<>>;
  const Methods* Find(absl::string_view path) const;

  std::map<std::string, Methods, std::less<>> exact_;
  std::map<std::string, Methods, std::less<>> prefix_;  // Keys end in '/'.
};

struct ServerOptions {
  std::string listen =
      "127.0.0.1:0";  // Address (IPv6 in brackets) and port; port 0 picks a free one.
  std::string tls_certificate_file;  // PEM chain. Both empty: plain HTTP.
  std::string tls_key_file;          // PEM.
  int threads = 1;
  int max_connections = 1024;                         // Above it: 503 and close (with TLS: close).
  int64_t max_header_bytes = 16 << 10;                // Request line and headers; above it: 431.
  int64_t max_body_bytes = 1 << 20;                   // Above it: 413.
  absl::Duration header_timeout = absl::Seconds(10);  // First byte to end of headers; then 408.
  absl::Duration body_timeout = absl::Seconds(30);    // End of headers to end of body; then 408.
  absl::Duration write_timeout = absl::Seconds(30);   // A client that does not read is cut off.
  absl::Duration idle_timeout = absl::Seconds(75);    // Between requests on a kept connection.

  // Told of each request or connection that no handler sees, with its status: 400, 408, 413, 431 or
  // 503 (over max_connections). On the server's threads, several at once; must not block.
  std::function<void(int status)> on_refused;
};

struct ServerStats {
  int64_t open_connections = 0;
  int64_t connections_total = 0;
  int64_t requests_total = 0;  // Complete requests handed to a handler.
};

// An HTTP/1.1 server. Owns its threads and connections. Requests of one connection are answered in
// order, one at a time: a client that pipelines waits, and what it sends ahead is bounded by
// max_header_bytes and the socket's buffer. Every limit above is answered with its status and
// told to on_refused.
class Server {
 public:
  // Binds and listens before it returns; fails with the address in the message.
  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Router router);

  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  virtual ~Server() = default;  // Drain(zero).

  virtual int port() const = 0;
  virtual ServerStats stats() const = 0;

  // Stops accepting, closes idle connections, lets requests in progress finish for at most `grace`,
  // then cuts the rest. Blocks. Not from a handler. A second call does nothing.
  virtual void Drain(absl::Duration grace) = 0;

 protected:
  Server() = default;
};

}  // namespace wissel::http
