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

  // `name`: snake_case: "kafka", "partitions_claimed". Where several services share a process, a
  // name that is taken becomes "kafka_2" and so on.
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

// Gets the query string, without its '?'. Called by one thread at a time.
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

  // A page while it exists: destroying it waits for a call in progress and takes the page away.
  // Must not outlive the endpoint.
  class Page {
   public:
    Page() = default;
    Page(Page&& other) noexcept { *this = std::move(other); }
    Page& operator=(Page&& other) noexcept;
    ~Page() { Remove(); }

   private:
    friend class Endpoint;
    Page(Endpoint* owner, std::string path) : owner_(owner), path_(std::move(path)) {}
    void Remove();

    Endpoint* owner_ = nullptr;
    std::string path_;
  };

  // Answers GET on exactly `path` from now on, on the endpoint's own threads. The path begins with
  // the service's name, as in "/router/statez"; one that is taken already is an error of the
  // program.
  [[nodiscard]] Page AddPage(absl::string_view path, HttpHandler handler);

  // `address`: "HOST:PORT"; port 0 takes a free one. UNAVAILABLE if it cannot be had.
  absl::Status Start(const std::string& address);
  // Waits for requests in progress.
  void Stop();

  // 0 before Start.
  int port() const { return port_; }

 private:
  struct Server;
  struct PageState {
    Mutex mutex;  // held during a call
    HttpHandler handler ABSL_GUARDED_BY(mutex);
  };

  HttpReply Answer(absl::string_view method, const std::string& path,
                   absl::string_view query) const;

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<PageState>> pages_ ABSL_GUARDED_BY(mutex_);
  std::vector<Page> own_pages_;
  std::unique_ptr<Server> server_;
  int port_ = 0;
};

}  // namespace wissel::telemetry
