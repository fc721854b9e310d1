#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/mutex.h"
#include "libs/telemetry/metrics.h"

namespace wissel::telemetry {

// What must hold before a process may be given work. Each condition starts as not ready.
// Thread-safe; handles must not outlive it.
class Readiness {
 public:
  class Condition {
   public:
    Condition() = default;
    void SetReady();
    // `reason`: one line for an operator, without secrets.
    void SetNotReady(absl::string_view reason);

   private:
    friend class Readiness;
    Condition(Readiness* owner, std::string name) : owner_(owner), name_(std::move(name)) {}
    Readiness* owner_ = nullptr;
    std::string name_;
  };

  // `name`: snake_case, unique: "kafka", "partitions_claimed". An existing one is set to not ready.
  Condition Add(absl::string_view name, absl::string_view reason = "starting");

  bool Ready() const;
  // {"ready":false,"conditions":[{"name":"kafka","ready":false,"reason":"starting"}]}, sorted by
  // name.
  std::string ToJson() const;

 private:
  void Set(const std::string& name, bool ready, absl::string_view reason);

  struct State {
    bool ready = false;
    std::string reason;
  };
  mutable Mutex mutex_;
  std::map<std::string, State> conditions_ ABSL_GUARDED_BY(mutex_);
};

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

// Gets the query string, without its '?'.
using HttpHandler = std::function<HttpReply(absl::string_view query)>;

// The HTTP side door for operators: GET /metrics, /healthz (200 while the process answers), /readyz
// (200, or 503 when a condition is not met; the JSON says which) and the pages that a service adds.
// Not for customers' traffic: no TLS, no authentication; keep it on an address only operators
// reach. Thread-safe.
class Endpoint {
 public:
  // Registry and readiness must outlive the endpoint.
  Endpoint(const Registry& registry, const Readiness& readiness);
  ~Endpoint();
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // Answers GET on exactly `path` from now on, on the endpoint's own threads.
  void AddPage(absl::string_view path, HttpHandler handler);

  // `address`: "HOST:PORT"; port 0 takes a free one. UNAVAILABLE if it cannot be had.
  absl::Status Start(const std::string& address);
  // Waits for requests in progress.
  void Stop();

  // 0 before Start.
  int port() const { return port_; }

 private:
  struct Server;

  HttpReply Answer(absl::string_view method, const std::string& path,
                   absl::string_view query) const;

  mutable Mutex mutex_;
  std::map<std::string, HttpHandler> pages_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

}  // namespace wissel::telemetry
