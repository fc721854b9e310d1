#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libs/store/redis_process.h"
#include "libs/testing/temp_dir.h"

namespace wissel::testing {

// A Redis server of the test's own, on a unix socket in a temporary folder; ready when the
// constructor returns, in some 15 ms. Make it on the main thread: see store::RedisProcess.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> extra_arguments = {});

  // Where to connect: the path of the socket.
  const std::string& address() const { return address_; }

  // kill -9. What was in memory is gone.
  void Kill();
  // SIGTERM, and waits for the end.
  void Stop();
  // Starts again on the same socket, empty unless the arguments made it persistent.
  void Start();
  // SIGSTOP and SIGCONT: a server that does not answer.
  void Pause();
  void Resume();

 private:
  const TempDir dir_;
  const std::string address_;
  const std::vector<std::string> extra_arguments_;
  std::unique_ptr<store::RedisProcess> process_;
};

}  // namespace wissel::testing
