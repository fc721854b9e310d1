#include "libs/base/listen_error.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/strip.h"

namespace wissel {
namespace {

// 0 where it is possible.
int BindError(const addrinfo& at) {
  const int fd = socket(at.ai_family, at.ai_socktype | SOCK_CLOEXEC, at.ai_protocol);
  if (fd < 0) return errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const bool bound = bind(fd, at.ai_addr, at.ai_addrlen) == 0 && listen(fd, 1) == 0;
  const int error = bound ? 0 : errno;
  close(fd);
  return error;
}

}  // namespace

std::string WhyNotListen(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return "";
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  const std::string port(address.substr(colon + 1));
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(std::string(host).c_str(), port.c_str(), &hints, &found);
      error != 0) {
    return gai_strerror(error);
  }
  int error = 0;
  for (const addrinfo* at = found; at != nullptr && error == 0; at = at->ai_next) {
    error = BindError(*at);
  }
  freeaddrinfo(found);
  return error == 0 ? "" : std::error_code(error, std::system_category()).message();
}

}  // namespace wissel
