#include "libs/views/indexes.h"

#include <algorithm>

#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "libs/domain/state.h"

namespace wissel::views {
namespace {

using state::v1::ConversationState;

double Score(const google::protobuf::Timestamp& time) {
  return static_cast<double>(absl::ToUnixMicros(FromProto(time)));
}

}  // namespace

std::vector<IndexEntry> IndexesOf(const PartitionKeys& keys,
                                  const ConversationState& conversation) {
  const std::string group =
      domain::RoutingKey(conversation.workspace_id(), conversation.routing_group_id());
  const double opened = Score(conversation.open_time());
  std::vector<IndexEntry> entries = {
      {keys.WithStatus(conversation.status(), group), opened},
      {keys.Contact(conversation.workspace_id(), conversation.contact().contact_id()), opened},
  };
  if (domain::IsOpen(conversation)) entries.push_back({keys.Open(group), opened});

  const auto with_agent = [&](const std::string& agent) {
    if (!agent.empty()) {
      entries.push_back({keys.Work(conversation.workspace_id(), agent), opened});
    }
  };
  for (const std::string& agent : domain::CompanyIn(conversation)) with_agent(agent);
  switch (conversation.status()) {
    case state::v1::CONVERSATION_STATUS_QUEUED:
      entries.push_back(
          {keys.Waiting(group, conversation.queue_id()), Score(conversation.waiting_since())});
      break;
    case state::v1::CONVERSATION_STATUS_OFFERED:
      entries.push_back({keys.Offered(group, conversation.queue_id()), opened});
      with_agent(conversation.offer().agent_id());
      break;
    case state::v1::CONVERSATION_STATUS_ACTIVE:
      entries.push_back({keys.Active(group, conversation.queue_id()), opened});
      with_agent(conversation.agent_id());
      break;
    case state::v1::CONVERSATION_STATUS_PARKED:
      with_agent(conversation.agent_id());
      break;
    default:
      break;
  }
  std::sort(entries.begin(), entries.end(),
            [](const IndexEntry& a, const IndexEntry& b) { return a.key < b.key; });
  // Whoever has it may be consulted on it too.
  entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
  return entries;
}

std::vector<IndexEntry> IndexesOf(const PartitionKeys& keys, const state::v1::AgentState& agent) {
  return {{keys.Agents(domain::RoutingKey(agent.workspace_id(), agent.routing_group_id())), 0}};
}

}  // namespace wissel::views
