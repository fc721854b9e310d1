#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace wissel::store {

// A redis-server child of this process, listening on a unix socket only: for wissel-dev and tests.
// Owns the process: the destructor ends it (SIGTERM, after `stop_timeout` SIGKILL) and waits.
//
// Should this process die, the kernel ends the child, provided the thread that called Start still
// lived until then (PR_SET_PDEATHSIG follows the thread): start it on the main thread. Not
// thread-safe.
class RedisProcess {
 public:
  struct Options {
    std::string dir;     // where its files go; must exist
    std::string socket;  // path of the unix socket, at most 107 bytes
    // Keeps an append-only file, synced every second. Without it, memory only.
    bool persistent = false;
    std::vector<std::string> extra_arguments;  // as on redis-server's command line
    absl::Duration start_timeout = absl::Seconds(20);
    absl::Duration stop_timeout = absl::Seconds(10);
  };

  // Returns once it answers PING.
  //   NOT_FOUND          no redis-server in PATH
  //   INVALID_ARGUMENT   the socket's path is too long
  //   UNAVAILABLE        it ended or did not answer in time; its log is in dir/redis.log
  static absl::StatusOr<std::unique_ptr<RedisProcess>> Start(Options options);
  ~RedisProcess();
  RedisProcess(const RedisProcess&) = delete;
  RedisProcess& operator=(const RedisProcess&) = delete;

  const std::string& socket() const { return options_.socket; }
  pid_t pid() const { return pid_; }
  // Whether the child still runs.
  bool Running();
  void Signal(int signal);

 private:
  RedisProcess(Options options, pid_t pid);

  const Options options_;
  pid_t pid_;  // -1 once it has been waited for
};

}  // namespace wissel::store
