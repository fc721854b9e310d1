#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/chaos/history.h"

namespace wissel::chaos {

struct AgentSeat {
  std::string agent_id;
  std::string token;
};

struct AgentsOptions {
  uint64_t seed = 1;
  std::vector<AgentSeat> seats;
  // host:port of the gateways; a lost stream goes to the next.
  std::vector<std::string> gateways;
  // An agent resolves a conversation after so many answers, by lot up to twice as many.
  int answers = 3;
};

// Agents at work over real streams: each accepts what is offered, answers each message that it sees
// and each conversation that it is given, resolves after a few answers, and becomes available again
// when it was taken for gone. A lost stream is resumed with its cursor, on the next gateway; a
// command without an outcome is sent again under its id. Owns a thread for each. Thread-safe.
class Agents {
 public:
  explicit Agents(AgentsOptions options);
  // Cancels their streams.
  ~Agents();

  // Streams that have shown their snapshot or events since they were last lost.
  int connected() const;
  // Commands sent or to be sent, and without an outcome.
  int64_t pending_commands() const;
  int64_t commands() const;
  // How streams ended, by reason: those that had shown something, and those that never got so far.
  using Reasons = std::map<std::string, int64_t>;
  Reasons lost() const;
  Reasons refused() const;
  int64_t snapshots() const;
  // True when each stream has reached this place of its partition.
  bool Reached(const std::vector<int64_t>& ends) const;

  // Ends the streams and gives out what they showed.
  std::vector<Transcript> Finish();

 private:
  class Agent;

  std::vector<std::unique_ptr<Agent>> agents_;
};

}  // namespace wissel::chaos
