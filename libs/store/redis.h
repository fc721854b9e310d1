#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/backoff.h"
#include "libs/store/reply.h"

namespace wissel::store {

// Whether this build can speak TLS: it can where hiredis 1.0 or later was found with its
// hiredis_ssl.
bool RedisTlsAvailable();

struct RedisTls {
  std::string ca_file;           // PEM; empty: the system's authorities
  std::string certificate_file;  // PEM; empty: the client shows none
  std::string private_key_file;
  std::string server_name;  // that its certificate must have; empty: the host connected to
};

struct RedisOptions {
  // "host:port", or the path of a unix socket (it has a '/').
  std::string address;
  std::string username;  // empty: the default user
  std::string password;  // empty: no AUTH
  int database = 0;
  std::optional<RedisTls> tls;
  absl::Duration connect_timeout = absl::Seconds(2);
  // For one pipeline, from the moment it is sent, between two parts of its replies.
  absl::Duration command_timeout = absl::Seconds(10);
  // Between attempts to connect. Until the next attempt is due, calls fail at once.
  Backoff::Options backoff = {.initial = absl::Milliseconds(50), .max = absl::Seconds(5)};
};

// The command and its arguments; binary-safe.
using Command = std::vector<std::string>;

// A Lua script, sent by its SHA-1.
class Script {
 public:
  explicit Script(std::string text);

  const std::string& text() const { return text_; }
  const std::string& sha1() const { return sha1_; }  // 40 lower-case hex digits

 private:
  const std::string text_;
  const std::string sha1_;
};

// A connection to Redis that mends itself. Belongs to one thread. Commands of a call are executed
// in order. Connects when it is first used, and again after a failure, with back-off in between.
//
// Every call names a hash tag, the part of a key between braces: all keys of the call have it
// (Redis Cluster specification, "Hash tags"). On a cluster the call goes to the node that has the
// tag's slot: a MOVED answer is followed and remembered. Without a cluster the tag does not matter.
//
// Errors: as ToStatus(RedisError, ...) in reply.h. UNAVAILABLE may mean that the commands have run,
// all or in part: nothing is ever sent twice by itself, save what a node refused with MOVED or
// NOSCRIPT.
class Redis {
 public:
  explicit Redis(RedisOptions options);
  ~Redis();
  Redis(const Redis&) = delete;
  Redis& operator=(const Redis&) = delete;

  // One round trip. Error replies come as values, one reply a command.
  absl::StatusOr<std::vector<Reply>> Pipeline(absl::string_view hash_tag,
                                              absl::Span<const Command> commands);

  // One command; an error reply is returned as its status.
  absl::StatusOr<Reply> Run(absl::string_view hash_tag, Command command);

  // Runs the script by its SHA-1, sending its text where the server does not know it.
  absl::StatusOr<Reply> RunScript(absl::string_view hash_tag, const Script& script,
                                  const std::vector<std::string>& keys,
                                  std::vector<std::string> arguments);

  // PING: OK when the server answers.
  absl::Status Ping();

 private:
  class Connection;

  Connection& ConnectionTo(const std::string& address);

  const RedisOptions options_;
  std::map<std::string, std::unique_ptr<Connection>> connections_;  // by address
  std::map<std::string, std::string, std::less<>> moved_;           // hash tag -> address
};

// The contents of `address`'s kind: INVALID_ARGUMENT unless it is "host:port" or a path, or where
// TLS is asked for and this build has none. For checking a configuration before anything connects.
absl::Status CheckRedisOptions(const RedisOptions& options);

}  // namespace wissel::store
