#include "services/agent-gateway/showing.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace wissel::agent_gateway {
namespace {

using agent::v1::GroupCursor;

// The groups that are asked for, each with its cursor; an empty id is the caller's own.
absl::StatusOr<std::vector<GroupCursor>> Wishes(const agent::v1::Hello& hello,
                                                const rpc::Principal& principal,
                                                const Directory& directory) {
  std::vector<GroupCursor> wishes(hello.groups().begin(), hello.groups().end());
  if (wishes.empty() && hello.whole_workspace()) {
    for (std::string& group : directory.GroupsOf(principal)) {
      wishes.emplace_back().set_routing_group_id(std::move(group));
    }
  }
  if (wishes.empty()) wishes.emplace_back();
  if (hello.cursor().empty()) return wishes;
  if (wishes.size() > 1 || !wishes[0].cursor().empty()) {
    return absl::InvalidArgumentError(
        "cursor: the stream shows several routing groups, each with a cursor in groups");
  }
  wishes[0].set_cursor(hello.cursor());
  return wishes;
}

absl::StatusOr<Shown> ShowGroup(const GroupCursor& wish, bool whole,
                                const rpc::Principal& principal, const Directory& directory) {
  Shown shown;
  WISSEL_ASSIGN_OR_RETURN(
      shown.seat,
      directory.Find(
          principal, wish.routing_group_id(),
          {.may_choose = principal.roles.HasAny({rpc::Role::kSupervisor, rpc::Role::kAdmin})}));
  shown.viewer = {.workspace = shown.seat.workspace.value(),
                  .routing_group = shown.seat.routing_group.value(),
                  .agent = shown.seat.agent.value(),
                  .subject = principal.subject,
                  .whole_group = whole};
  if (!whole && shown.viewer.agent.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the caller is no agent of ", shown.seat.routing_key(), ": ask for the whole workspace"));
  }
  shown.cursor = wish.cursor();
  if (shown.cursor.empty()) return shown;
  WISSEL_ASSIGN_OR_RETURN(shown.from, ParseCursor(shown.cursor));
  if (shown.from->partition != shown.seat.partition) {
    return absl::InvalidArgumentError("the cursor is of another routing group's log");
  }
  return shown;
}

}  // namespace

absl::StatusOr<std::vector<Shown>> ShownBy(const agent::v1::Hello& hello,
                                           const rpc::Principal& principal,
                                           const Directory& directory, size_t max_groups) {
  if (hello.whole_workspace()) {
    WISSEL_RETURN_IF_ERROR(
        rpc::RequireRole(principal, {rpc::Role::kSupervisor, rpc::Role::kAdmin}));
  }
  WISSEL_ASSIGN_OR_RETURN(const std::vector<GroupCursor> wishes,
                          Wishes(hello, principal, directory));
  if (wishes.size() > max_groups) {
    return absl::InvalidArgumentError(
        absl::StrCat("groups: a stream shows at most ", max_groups, " routing groups"));
  }
  std::vector<Shown> shown;
  std::set<std::string> named;
  for (const GroupCursor& wish : wishes) {
    WISSEL_ASSIGN_OR_RETURN(Shown group,
                            ShowGroup(wish, hello.whole_workspace(), principal, directory));
    if (!named.insert(group.viewer.routing_group).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("groups: ", group.viewer.routing_group, " is named twice"));
    }
    shown.push_back(std::move(group));
  }
  return shown;
}

}  // namespace wissel::agent_gateway
