#include "services/agent-gateway/snapshot.h"

#include <utility>

namespace wissel::agent_gateway {
namespace {

using Done = std::function<void(PlacedSnapshot)>;

void FromState(PartitionTail& tail, const Viewer& viewer, Done done) {
  tail.Ask([viewer, done = std::move(done)](const PartitionView& view) {
    PlacedSnapshot placed{.snapshot = view.MakeSnapshot(viewer), .position = view.position()};
    placed.snapshot.set_messages_missing(!viewer.whole_group);
    done(std::move(placed));
  });
}

PlacedSnapshot FromViews(int32_t partition, const Viewer& viewer, views::AgentWork work) {
  PlacedSnapshot placed;
  placed.position = {.partition = partition,
                     .next_offset = work.place.position.offset,
                     .rule = std::move(work.place.position.rule)};
  agent::v1::Snapshot& snapshot = placed.snapshot;
  snapshot.set_cursor(ToCursor(placed.position));
  snapshot.set_routing_group_id(viewer.routing_group);
  if (work.agent) *snapshot.mutable_agent() = *std::move(work.agent);
  for (views::ConversationWork& conversation : work.conversations) {
    agent::v1::WorkItem& item = *snapshot.add_items();
    *item.mutable_conversation() = std::move(conversation.conversation);
    for (auto& message : conversation.messages) *item.add_messages() = std::move(message);
  }
  return placed;
}

}  // namespace

void TakeSnapshot(Gateway& gateway, PartitionTail& tail, const Viewer& viewer, Done done) {
  if (viewer.whole_group || !gateway.has_views()) return FromState(tail, viewer, std::move(done));
  const bool queued = gateway.RunInBackground([&tail, viewer, done](WorkViews* views) {
    absl::StatusOr<views::AgentWork> work =
        views->ReadAgentWork(tail.partition(), viewer.workspace, viewer.agent);
    if (!work.ok()) return FromState(tail, viewer, done);
    tail.Ask([&tail, viewer, done, placed = FromViews(tail.partition(), viewer, *std::move(work))](
                 const PartitionView& view) mutable {
      if (placed.position.next_offset < view.ring_start()) return FromState(tail, viewer, done);
      done(std::move(placed));
    });
  });
  if (!queued) FromState(tail, viewer, std::move(done));
}

}  // namespace wissel::agent_gateway
