#include "libs/base/loopback.h"

#include <arpa/inet.h>

#include <string>

#include "absl/strings/match.h"

namespace wissel {

bool IsLoopback(absl::string_view host) {
  in_addr v4{};
  if (inet_pton(AF_INET, std::string(host).c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == 127;
  }
  return absl::EqualsIgnoreCase(host, "localhost") || host == "::1" || host == "[::1]";
}

}  // namespace wissel
