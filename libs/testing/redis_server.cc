#include "libs/testing/redis_server.h"

#include <signal.h>

#include <utility>

#include "libs/base/check.h"

namespace wissel::testing {

RedisServer::RedisServer(std::vector<std::string> extra_arguments)
    : address_(dir_.Join("redis.sock")), extra_arguments_(std::move(extra_arguments)) {
  Start();
}

void RedisServer::Start() {
  WISSEL_CHECK(process_ == nullptr) << "it runs";
  auto process = store::RedisProcess::Start({
      .dir = dir_.path(),
      .socket = address_,
      .persistent = false,
      .extra_arguments = extra_arguments_,
  });
  WISSEL_CHECK_OK(process) << "redis-server does not start";
  process_ = *std::move(process);
}

void RedisServer::Stop() { process_.reset(); }

void RedisServer::Kill() {
  process_->Signal(SIGKILL);
  process_.reset();
}

void RedisServer::Pause() { process_->Signal(SIGSTOP); }
void RedisServer::Resume() { process_->Signal(SIGCONT); }

}  // namespace wissel::testing
