#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "libs/testing/redis_server.h"

namespace wissel::testing {

// A Redis Cluster of two nodes that have half of the slots each; ready when the constructor
// returns, in a few seconds. Make it on the main thread, as RedisServer.
class RedisCluster {
 public:
  RedisCluster();

  // host:port of the first node, which sends clients to the second where that has the slot.
  const std::string& address() const { return address_; }
  // The keys of each node.
  std::array<std::vector<std::string>, 2> Keys();

 private:
  std::array<std::unique_ptr<RedisServer>, 2> nodes_;
  std::string address_;
};

}  // namespace wissel::testing
