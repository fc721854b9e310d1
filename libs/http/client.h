#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/message.h"

namespace wissel::http {

// A part of a multipart/form-data body (RFC 7578).
struct FormPart {
  std::string name;
  std::string value;         // The part's bytes, unless `file_path` is set.
  std::string file_path;     // Streamed from this file.
  std::string file_name;     // As told to the server; empty: the part is no file.
  std::string content_type;  // Left out when empty.
};

struct FetchRequest {
  std::string method = "GET";
  std::string url;
  Headers headers;
  std::string body;
  std::vector<FormPart> form;  // Instead of `body`.
};

struct FetchOptions {
  absl::Duration connect_timeout = absl::Seconds(10);  // Name, TCP and TLS together.
  // One attempt, from start to last byte. A first attempt that could not begin within this is not
  // made.
  absl::Duration total_timeout = absl::Seconds(30);
  int64_t max_response_bytes = 1 << 20;
  // Write the body of a 2xx answer to this file instead of into the result. Replaced if it exists,
  // removed if the fetch fails.
  std::string download_path;

  // Attempts in all. An attempt is repeated when it certainly did not reach the server, when the
  // answer was 429 or 503 (refused, not handled), and, if `idempotent`, also when its outcome is
  // unknown or the answer was 500, 502 or 504. The delay is exponential with full jitter, or what
  // Retry-After asks, whichever is longer; a Retry-After above `max_backoff` ends the retries.
  int max_attempts = 1;
  absl::Duration initial_backoff = absl::Milliseconds(200);
  absl::Duration max_backoff = absl::Seconds(10);

  // A repeat does no harm. When false, a fresh connection is used: on a kept one, libcurl silently
  // sends a request again whose connection the server closed at that moment.
  bool idempotent = false;

  // A PEM file with the authorities to trust instead of the system's.
  std::string ca_file;
};

// What is known about a request's fate.
enum class Fate {
  kNotSent,   // The server certainly did not get it.
  kUnknown,   // It was sent, wholly or in part, and no complete answer came.
  kAnswered,  // `status`, `headers` and `body` are the server's.
};

struct FetchResult {
  Fate fate = Fate::kNotSent;
  int status = 0;
  Headers headers;  // Of the last answer; names as sent.
  std::string body;
  int64_t body_bytes = 0;  // Also when downloaded to a file.
  std::string error;       // For people; empty when answered. Holds no header or body.
  // The answer was longer than `max_response_bytes`; then the fate is kUnknown.
  bool too_large = false;
  int attempts = 0;
  absl::Duration elapsed;  // Of the last attempt.

  bool ok() const { return fate == Fate::kAnswered && status >= 200 && status < 300; }
  // What Retry-After asks (seconds or HTTP date, RFC 9110, 10.2.3), or zero.
  absl::Duration RetryAfter(absl::Time now) const;
};

using FetchCallback = absl::AnyInvocable<void(FetchResult) &&>;

struct ClientOptions {
  std::string user_agent = "wissel";
  int max_queued = 1000;              // Requests accepted and not yet answered, retries included.
  int max_connections_per_host = 16;  // Above it requests wait, within their total_timeout.
};

// An HTTP client: one thread, many requests at once, connections kept. Thread-safe. TLS
// certificates and names are verified, always. Redirects are answers, not followed. Only http and
// https.
//
// Every accepted request's callback runs exactly once, on the client's thread: it must not block.
// Destruction ends what is in flight (kUnknown) and what waits (kNotSent), and runs those
// callbacks.
class Client {
 public:
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  virtual ~Client() = default;

  // RESOURCE_EXHAUSTED when max_queued requests are under way; then the callback is never called.
  virtual absl::Status Fetch(FetchRequest request, FetchOptions options,
                             FetchCallback callback) = 0;

  // The same, waiting for the result. Not from a callback. A full client gives kNotSent.
  FetchResult FetchAndWait(FetchRequest request, FetchOptions options);

 protected:
  Client() = default;
};

}  // namespace wissel::http
