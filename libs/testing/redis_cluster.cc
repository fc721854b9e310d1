#include "libs/testing/redis_cluster.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "libs/store/redis.h"
#include "libs/testing/status_matchers.h"

namespace wissel::testing {
namespace {

constexpr absl::Duration kFormed = absl::Seconds(60);
constexpr std::array<std::array<const char*, 2>, 2> kSlots = {{{"0", "8191"}, {"8192", "16383"}}};

// A port that was free a moment ago, with the one 10,000 above it, which a cluster node uses as
// well.
int FreePort() {
  for (int port = 20'000 + getpid() % 10'000;; ++port) {
    bool free = true;
    for (const int wanted : {port, port + 10'000}) {
      const int fd = socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_port = htons(static_cast<uint16_t>(wanted));
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      free &= bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
      close(fd);
    }
    if (free) return port;
  }
}

}  // namespace

RedisCluster::RedisCluster() {
  std::string port;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    port = absl::StrCat(FreePort());
    if (i == 0) address_ = absl::StrCat("127.0.0.1:", port);
    nodes_[i] = std::make_unique<RedisServer>(std::vector<std::string>{
        "--port", port, "--bind", "127.0.0.1", "--cluster-enabled", "yes"});
    store::Redis node({.address = nodes_[i]->address()});
    EXPECT_THAT(node.Run("", {"CLUSTER", "ADDSLOTSRANGE", kSlots[i][0], kSlots[i][1]}), IsOk());
  }
  store::Redis first({.address = nodes_[0]->address()});
  EXPECT_THAT(first.Run("", {"CLUSTER", "MEET", "127.0.0.1", port}), IsOk());
  const absl::Time until = absl::Now() + kFormed;
  for (const auto& node : nodes_) {
    store::Redis redis({.address = node->address()});
    while (absl::Now() < until) {
      const auto info = redis.Run("", {"CLUSTER", "INFO"});
      if (info.ok() && absl::StrContains(info->text, "cluster_state:ok")) break;
      absl::SleepFor(absl::Milliseconds(10));
    }
  }
}

std::array<std::vector<std::string>, 2> RedisCluster::Keys() {
  std::array<std::vector<std::string>, 2> keys;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    store::Redis redis({.address = nodes_[i]->address()});
    const auto found = redis.Run("", {"KEYS", "*"});
    EXPECT_THAT(found, IsOk());
    if (!found.ok()) continue;
    for (const store::Reply& key : found->elements) keys[i].push_back(key.text);
  }
  return keys;
}

}  // namespace wissel::testing
