#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/rpc/auth.h"
#include "services/agent-gateway/cursor.h"
#include "services/agent-gateway/directory.h"
#include "services/agent-gateway/visibility.h"
#include "wissel/agent/v1/agent_service.pb.h"

namespace wissel::agent_gateway {

/// A routing group that a stream shows, with what right, and from where.
struct Shown {
  Seat seat;
  Viewer viewer;
  std::string cursor;            // as the client gave it
  std::optional<Position> from;  // what it says; nullopt: begin with a snapshot
};

/// What a stream shows that begins with this Hello: at least one routing group, in the order in
/// which they were named, or by id.
///   INVALID_ARGUMENT     a cursor is none of ours or another group's, a group is named twice, or
///                        more than `max_groups` are
///   PERMISSION_DENIED    one of them, or the whole of them, is not the caller's to see
///   FAILED_PRECONDITION  the routing group cannot be told, or the caller is no agent in it
absl::StatusOr<std::vector<Shown>> ShownBy(const agent::v1::Hello& hello,
                                           const rpc::Principal& principal,
                                           const Directory& directory, size_t max_groups);

}  // namespace wissel::agent_gateway
