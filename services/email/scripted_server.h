#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/check.h"

namespace wissel::email {

// A connection that a test's server has accepted: lines in, bytes out.
class ScriptedPeer {
 public:
  explicit ScriptedPeer(int fd) : fd_(fd) {}

  // The next line without its end; nothing when the client is gone.
  std::optional<std::string> ReadLine() {
    size_t end;
    while ((end = buffer_.find('\n')) == std::string::npos) {
      char bytes[4096];
      const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
      if (count <= 0) return std::nullopt;
      buffer_.append(bytes, static_cast<size_t>(count));
    }
    std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 1);
    if (!line.empty() && line.back() == '\r') line.pop_back();
    return line;
  }
  void Write(absl::string_view text) { send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  void WriteLine(absl::string_view line) { Write(absl::StrCat(line, "\r\n")); }

 private:
  const int fd_;
  std::string buffer_;
};

// A server on loopback that serves one connection after another with `serve`, for what real servers
// do not do on demand. The connection is closed when `serve` returns.
class ScriptedServer {
 public:
  explicit ScriptedServer(absl::AnyInvocable<void(ScriptedPeer&)> serve)
      : serve_(std::move(serve)), fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    WISSEL_CHECK(bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    WISSEL_CHECK(listen(fd_, 8) == 0);
    WISSEL_CHECK(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this] { Run(); });
  }
  ~ScriptedServer() {
    stopping_ = true;
    shutdown(fd_, SHUT_RDWR);
    if (const int open = connection_.load(); open >= 0) shutdown(open, SHUT_RDWR);
    thread_.join();
    close(fd_);
  }
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  uint16_t port() const { return port_; }

 private:
  void Run() {
    while (!stopping_) {
      const int fd = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      const int now = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
      connection_ = fd;
      if (!stopping_) {
        ScriptedPeer peer(fd);
        serve_(peer);
      }
      connection_ = -1;
      close(fd);
    }
  }

  absl::AnyInvocable<void(ScriptedPeer&)> serve_;
  const int fd_;
  uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connection_ = -1;
  std::jthread thread_;
};

}  // namespace wissel::email
