#include "services/history/history.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/bus/bus.h"
#include "libs/domain/state.h"
#include "services/history/page.h"

namespace wissel::history {
namespace {

using state::v1::ConversationState;
using views::PartitionKeys;

constexpr int kMessagesShown = 20;

void SetAsOf(const views::Place& place, v1::AsOf& as_of) {
  as_of.set_partition(place.partition);
  as_of.set_offset(place.position.offset - 1);
}

absl::Status NotSet(absl::string_view field) {
  return absl::InvalidArgumentError(absl::StrCat(field, ": not set"));
}

}  // namespace

History::History(store::RedisOptions redis, int partitions) : redis_(std::move(redis)) {
  partitions_.reserve(static_cast<size_t>(partitions));
  for (int partition = 0; partition < partitions; ++partition) partitions_.emplace_back(partition);
}

const PartitionKeys& History::KeysOf(absl::string_view routing_key) const {
  return partitions_[static_cast<size_t>(
      bus::PartitionOf(routing_key, static_cast<int>(partitions_.size())))];
}

absl::StatusOr<std::vector<History::Group>> History::GroupsOf(const rpc::Principal& caller,
                                                              const std::string& routing_group_id) {
  const std::string& workspace = caller.workspace.value();
  if (!routing_group_id.empty()) {
    std::string key = domain::RoutingKey(workspace, routing_group_id);
    const PartitionKeys& keys = KeysOf(key);
    return std::vector<Group>{{&keys, std::move(key)}};
  }
  std::vector<Group> groups;
  for (const PartitionKeys& keys : partitions_) {
    WISSEL_ASSIGN_OR_RETURN(const auto names, views::ReadGroups(redis_, keys, workspace));
    for (const std::string& name : names) {
      groups.push_back({&keys, domain::RoutingKey(workspace, name)});
    }
  }
  return groups;
}

absl::StatusOr<v1::GetConversationResponse> History::GetConversation(
    const rpc::Principal& caller, const v1::GetConversationRequest& request) {
  if (request.conversation_id().empty()) return NotSet("conversation_id");
  absl::Status missing =
      absl::NotFoundError(absl::StrCat("no conversation ", request.conversation_id()));
  for (const PartitionKeys& keys : partitions_) {
    auto view = views::ReadConversation(redis_, keys, caller.workspace.value(),
                                        request.conversation_id(), kMessagesShown);
    if (!view.ok()) {
      missing = view.status();
    } else if (view->conversation.has_value()) {
      v1::GetConversationResponse response;
      *response.mutable_conversation() = std::move(view->conversation->conversation);
      Room room;
      auto first = view->conversation->messages.end();
      while (first != view->conversation->messages.begin() && room.Take(*std::prev(first))) --first;
      for (; first != view->conversation->messages.end(); ++first) {
        *response.add_messages() = std::move(*first);
      }
      SetAsOf(view->place, *response.mutable_as_of());
      return response;
    }
  }
  return missing;
}

absl::StatusOr<v1::ListMessagesResponse> History::ListMessages(
    const rpc::Principal& caller, const v1::ListMessagesRequest& request) {
  if (request.conversation_id().empty()) return NotSet("conversation_id");
  WISSEL_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size()));
  WISSEL_ASSIGN_OR_RETURN(auto after, ReadPageToken(request.page_token()));
  absl::Status missing =
      absl::NotFoundError(absl::StrCat("no conversation ", request.conversation_id()));
  for (const PartitionKeys& keys : partitions_) {
    v1::ListMessagesResponse response;
    Room room;
    for (;;) {
      // One more than the page takes tells whether there is another.
      const int left = size - response.messages_size();
      const int asked = std::min(left + 1, kMessagesShown);
      auto read = views::ReadMessages(redis_, keys, caller.workspace.value(),
                                      request.conversation_id(), after, asked);
      if (!read.ok()) {
        if (!absl::IsNotFound(read.status())) missing = read.status();
        break;
      }
      for (auto& [cursor, message] : read->messages) {
        if (response.messages_size() == size || !room.Take(message)) {
          response.set_next_page_token(MakePageToken(*after));
          return response;
        }
        *response.add_messages() = std::move(message);
        after = std::move(cursor);
      }
      if (read->messages.size() < static_cast<size_t>(asked)) return response;
    }
  }
  return missing;
}

absl::StatusOr<History::Page> History::ReadPage(const std::vector<Index>& indexes, int page_size,
                                                const std::string& page_token) {
  WISSEL_ASSIGN_OR_RETURN(const int size, PageSize(page_size));
  WISSEL_ASSIGN_OR_RETURN(const auto after, ReadPageToken(page_token));
  Conversations found;
  for (const Index& index : indexes) {
    WISSEL_ASSIGN_OR_RETURN(views::ConversationPage page,
                            views::ReadIndex(redis_, *index.keys, index.key, after, size + 1));
    std::move(page.conversations.begin(), page.conversations.end(), std::back_inserter(found));
  }
  // As Redis orders one of them: by score, then by id, the highest first.
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.first.score, a.first.id) > std::tie(b.first.score, b.first.id);
  });
  Page page;
  Room room;
  for (auto one = found.begin(); one != found.end(); ++one) {
    if (page.conversations.size() == static_cast<size_t>(size) || !room.Take(one->second)) {
      page.next_page_token = MakePageToken(std::prev(one)->first);
      break;
    }
    page.conversations.push_back(std::move(one->second));
  }
  return page;
}

absl::StatusOr<v1::ListConversationsResponse> History::ListConversations(
    const rpc::Principal& caller, const v1::ListConversationsRequest& request) {
  WISSEL_ASSIGN_OR_RETURN(const auto groups, GroupsOf(caller, request.routing_group_id()));
  std::vector<Index> indexes;
  for (const Group& group : groups) {
    const bool open = request.status() == state::v1::CONVERSATION_STATUS_UNSPECIFIED;
    indexes.push_back(
        {group.keys, open ? group.keys->Open(group.routing_key)
                          : group.keys->WithStatus(request.status(), group.routing_key)});
  }
  WISSEL_ASSIGN_OR_RETURN(Page page, ReadPage(indexes, request.page_size(), request.page_token()));
  v1::ListConversationsResponse response;
  for (ConversationState& conversation : page.conversations) {
    *response.add_conversations() = std::move(conversation);
  }
  response.set_next_page_token(std::move(page.next_page_token));
  return response;
}

absl::StatusOr<v1::ListContactConversationsResponse> History::ListContactConversations(
    const rpc::Principal& caller, const v1::ListContactConversationsRequest& request) {
  if (request.contact_id().empty()) return NotSet("contact_id");
  std::vector<Index> indexes;
  for (const PartitionKeys& keys : partitions_) {
    indexes.push_back({&keys, keys.Contact(caller.workspace.value(), request.contact_id())});
  }
  WISSEL_ASSIGN_OR_RETURN(Page page, ReadPage(indexes, request.page_size(), request.page_token()));
  v1::ListContactConversationsResponse response;
  for (ConversationState& conversation : page.conversations) {
    *response.add_conversations() = std::move(conversation);
  }
  response.set_next_page_token(std::move(page.next_page_token));
  return response;
}

absl::StatusOr<v1::GetQueueResponse> History::GetQueue(const rpc::Principal& caller,
                                                       const v1::GetQueueRequest& request) {
  if (request.routing_group_id().empty()) return NotSet("routing_group_id");
  if (request.queue_id().empty()) return NotSet("queue_id");
  const std::string group =
      domain::RoutingKey(caller.workspace.value(), request.routing_group_id());
  WISSEL_ASSIGN_OR_RETURN(const views::QueueView queue,
                          views::ReadQueue(redis_, KeysOf(group), group, request.queue_id()));
  v1::GetQueueResponse response;
  response.set_waiting(static_cast<int32_t>(queue.waiting));
  response.set_offered(static_cast<int32_t>(queue.offered));
  response.set_active(static_cast<int32_t>(queue.active));
  if (queue.oldest_waiting_since.has_value()) {
    *response.mutable_oldest_waiting_since() = ToProto(*queue.oldest_waiting_since);
  }
  SetAsOf(queue.place, *response.mutable_as_of());
  return response;
}

absl::StatusOr<v1::GetAgentResponse> History::GetAgent(const rpc::Principal& caller,
                                                       const v1::GetAgentRequest& request) {
  if (request.agent_id().empty()) return NotSet("agent_id");
  absl::Status missing = absl::NotFoundError(absl::StrCat("no agent ", request.agent_id()));
  for (const PartitionKeys& keys : partitions_) {
    auto work = views::ReadAgentWork(redis_, keys, caller.workspace.value(), request.agent_id());
    if (!work.ok()) {
      missing = work.status();
    } else if (!work->place.built) {
      missing = views::BeingBuilt(keys.partition());
    } else if (work->agent.has_value()) {
      v1::GetAgentResponse response;
      *response.mutable_agent() = *std::move(work->agent);
      for (views::ConversationWork& conversation : work->conversations) {
        *response.add_conversations() = std::move(conversation.conversation);
      }
      SetAsOf(work->place, *response.mutable_as_of());
      return response;
    }
  }
  return missing;
}

absl::StatusOr<v1::ListAgentsResponse> History::ListAgents(const rpc::Principal& caller,
                                                           const v1::ListAgentsRequest& request) {
  WISSEL_ASSIGN_OR_RETURN(const auto groups, GroupsOf(caller, request.routing_group_id()));
  WISSEL_ASSIGN_OR_RETURN(const auto after, ReadPageToken(request.page_token()));
  // By id, and by group, as an agent may stand in two of them.
  std::map<std::string, state::v1::AgentState> by_place;
  for (const Group& group : groups) {
    WISSEL_ASSIGN_OR_RETURN(
        auto agents,
        views::ReadAgents(redis_, *group.keys, caller.workspace.value(), group.routing_key));
    for (state::v1::AgentState& agent : agents) {
      std::string place = absl::StrCat(agent.agent_id(), "\n", agent.routing_group_id());
      by_place.insert_or_assign(std::move(place), std::move(agent));
    }
  }
  v1::ListAgentsResponse response;
  Room room;
  const auto begin = after.has_value() ? by_place.upper_bound(after->id) : by_place.begin();
  for (auto one = begin; one != by_place.end(); ++one) {
    if (!room.Take(one->second)) {
      response.set_next_page_token(MakePageToken({.score = 0, .id = std::prev(one)->first}));
      break;
    }
    *response.add_agents() = std::move(one->second);
  }
  return response;
}

}  // namespace wissel::history
