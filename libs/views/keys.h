#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace wissel::views {

// The names of a partition's keys, all with the hash tag {p<partition>}: on a Redis Cluster they
// are in one slot, so that a script may touch any of them. What each holds:
//
//   wissel:{p3}:meta                       hash: format, incarnation, the place in the log,
//                                          state_hash
//   wissel:{p3}:piece:<kind>               hash: a piece's key -> its bytes (domain::PieceKind)
//   wissel:{p3}:messages:<conversation>    hash: "b<id>" -> history.v1.Message, "m<id>" -> a later
//                                          mark
//   wissel:{p3}:order:<conversation>       zset: message ids by place in the log
//   wissel:{p3}:waiting:<ws>/<rg>/<queue>  zset: queued conversations by waiting_since
//   wissel:{p3}:offered:<ws>/<rg>/<queue>  zset: offered ones; and `active`
//   wissel:{p3}:open:<ws>/<rg>             zset: conversations not resolved, by open_time
//   wissel:{p3}:status<n>:<ws>/<rg>        zset: those of one ConversationStatus, by open_time
//   wissel:{p3}:contact:<ws>/<contact>     zset: a contact's conversations by open_time
//   wissel:{p3}:work:<ws>/<agent>          zset: conversations with or offered to the agent, or in
//                                          which the agent is company, by open_time
//   wissel:{p3}:agents:<ws>/<rg>           zset: agent ids
//   wissel:{p3}:groups:<ws>                zset: routing groups that have had a conversation or
//                                          agent
//   wissel:{p3}:forgotten                  hash: conversation id -> its last state
//   wissel:{p3}:forgotten_time             zset: conversation ids by when they were forgotten
//   wissel:{p3}:outbox:<kind>              string: no view, but where a deliverer of that kind of
//                                          channel stands (libs/channel/outbox_store.h)
//
// Times as scores are microseconds since 1970.
class PartitionKeys {
 public:
  explicit PartitionKeys(int32_t partition, absl::string_view prefix = kDefaultPrefix);

  static constexpr absl::string_view kDefaultPrefix = "wissel";

  int32_t partition() const { return partition_; }
  // "p3".
  const std::string& tag() const { return tag_; }
  // "wissel:{p3}:": what every key starts with.
  const std::string& prefix() const { return prefix_; }

  std::string Meta() const { return Key("meta"); }
  std::string Pieces(absl::string_view kind) const { return Key("piece:", kind); }
  std::string Messages(absl::string_view conversation) const {
    return Key("messages:", conversation);
  }
  std::string Order(absl::string_view conversation) const { return Key("order:", conversation); }
  std::string Waiting(absl::string_view group, absl::string_view queue) const;
  std::string Offered(absl::string_view group, absl::string_view queue) const;
  std::string Active(absl::string_view group, absl::string_view queue) const;
  std::string Open(absl::string_view group) const { return Key("open:", group); }
  std::string WithStatus(int status, absl::string_view group) const;
  std::string Contact(absl::string_view workspace, absl::string_view contact) const;
  std::string Work(absl::string_view workspace, absl::string_view agent) const;
  std::string Agents(absl::string_view group) const { return Key("agents:", group); }
  std::string Groups(absl::string_view workspace) const { return Key("groups:", workspace); }
  std::string Forgotten() const { return Key("forgotten"); }
  std::string ForgottenTime() const { return Key("forgotten_time"); }
  std::string Outbox(absl::string_view channel_kind) const { return Key("outbox:", channel_kind); }

 private:
  std::string Key(absl::string_view a, absl::string_view b = "") const;

  const int32_t partition_;
  const std::string tag_;
  const std::string prefix_;
};

}  // namespace wissel::views
