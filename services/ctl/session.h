#pragma once

#include <functional>
#include <istream>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/ctl/output.h"

namespace wissel::ctl {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(10);

// The flags that every command takes, as given. Empty: not given.
struct GlobalFlags {
  std::string server;
  std::string token_file;
  std::string workspace;
  std::string ca_file;
  bool insecure_local = false;
  std::string output = "table";
  std::string timeout;
  std::string context_file;
  std::string as;
  std::string kafka;
  std::string log_file;
  std::string connections_file;
};

// Where things are, so that nobody types it each time. wissel-dev writes one for itself
// (.wissel/dev/context.yaml); the same can be written by hand for a cluster. Paths are relative to
// the file's folder.
struct Context {
  std::string server;          // host:port of the agents' service
  std::string admin_server;    // of the admin service; empty: the same
  std::string history_server;  // of the history service; empty: the same
  std::string workspace;
  std::string ca;  // PEM file; empty: the system's authorities
  bool insecure_local = false;
  std::string kafka;                               // host:port
  std::string log_file;                            // the embedded log
  std::string redis;                               // unix socket or host:port
  std::string connections;                         // file with `kafka` and `redis` sections
  std::vector<std::string> statez;                 // host:port of each router's telemetry
  std::map<std::string, std::string> token_files;  // who → file, for --as
  std::map<std::string, std::string> webhooks;     // channel → URL
  std::string whatsapp_secret_file;
  std::string outbox;  // URL of the development outbox's JSON
};

// INVALID_ARGUMENT with file and line for an unknown key or a wrong type.
absl::StatusOr<Context> ParseContext(absl::string_view file, absl::string_view yaml);

// One run of wisselctl: what was asked, and the world it may touch. For one thread.
class Session {
 public:
  Session(std::istream& in, std::ostream& out, std::ostream& err) : in(in), out(out), err(err) {}

  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  GlobalFlags flags;
  // What the parsed command does; set by its callback, run by the caller.
  std::function<absl::Status()> action;
  // The command speaks to nobody: a context that is missing or wrong does not stop it.
  bool does_without_context = false;

  // Puts flags, environment (WISSEL_SERVER, WISSEL_WORKSPACE, WISSEL_KAFKA, WISSEL_CONTEXT) and
  // context file together, in that order of precedence. To be called once, before the action.
  absl::Status Resolve();

  const Context& context() const { return context_; }
  Format format() const;
  // By --timeout; nothing where it is not given, and a file of connections has its own.
  std::optional<absl::Duration> given_timeout() const { return given_timeout_; }
  absl::Duration timeout() const { return given_timeout_.value_or(kDefaultTimeout); }
  // Where a service is: --server, else what environment and context say. INVALID_ARGUMENT, naming
  // the flag, where nothing does, and for plain text to another machine.
  enum class Service { kAgent, kAdmin, kHistory };
  absl::StatusOr<std::string> Server(Service service) const;
  // By --token-file, WISSEL_TOKEN, or the context's token of `who` (--as, else `fallback`).
  // INVALID_ARGUMENT, which does not show it, for what is no JWT's letters, and for a token of
  // another workspace than --workspace or WISSEL_WORKSPACE names.
  absl::StatusOr<std::string> Token(absl::string_view fallback) const;

 private:
  absl::StatusOr<std::string> Target(Service service) const;
  absl::StatusOr<std::string> Checked(absl::string_view source, std::string token) const;

  Context context_;
  bool workspace_given_ = false;  // by flag or environment
  std::optional<absl::Duration> given_timeout_;
};

// A duration of more than nothing, and not for ever. INVALID_ARGUMENT says of `what` that one such
// as `such_as` was expected.
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view what, absl::string_view text,
                                             absl::string_view such_as);

// The whole file, at most `max_bytes`. "-" reads standard input.
//   NOT_FOUND, INVALID_ARGUMENT (too large, a folder)
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t max_bytes = 64 << 20);

// The same of a file that somebody names and that has to be there: INVALID_ARGUMENT where it is
// not.
absl::StatusOr<std::string> ReadInput(const std::string& path, size_t max_bytes = 64 << 20);

// A secret from a file: without the line end.
absl::StatusOr<std::string> ReadSecret(const std::string& path);

}  // namespace wissel::ctl
