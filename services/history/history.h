#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/rpc/auth.h"
#include "libs/store/redis.h"
#include "libs/views/keys.h"
#include "libs/views/views.h"
#include "wissel/history/v1/history_service.pb.h"

namespace wissel::history {

// What the history service answers, without the wire: one function an RPC, its errors as
// wissel/history/v1/history_service.proto says. Everything is read from the views, for the caller's
// workspace alone, and blocks on Redis. For one thread.
//
// A routing group's key names its partition; an id alone does not, so those calls ask partition by
// partition. While one of them cannot answer, what is not found elsewhere is UNAVAILABLE, not
// NOT_FOUND.
class History {
 public:
  // `partitions`: of the log.
  History(store::RedisOptions redis, int partitions);

  absl::StatusOr<v1::GetConversationResponse> GetConversation(
      const rpc::Principal& caller, const v1::GetConversationRequest& request);
  absl::StatusOr<v1::ListConversationsResponse> ListConversations(
      const rpc::Principal& caller, const v1::ListConversationsRequest& request);
  absl::StatusOr<v1::ListMessagesResponse> ListMessages(const rpc::Principal& caller,
                                                        const v1::ListMessagesRequest& request);
  absl::StatusOr<v1::ListContactConversationsResponse> ListContactConversations(
      const rpc::Principal& caller, const v1::ListContactConversationsRequest& request);
  absl::StatusOr<v1::GetQueueResponse> GetQueue(const rpc::Principal& caller,
                                                const v1::GetQueueRequest& request);
  absl::StatusOr<v1::GetAgentResponse> GetAgent(const rpc::Principal& caller,
                                                const v1::GetAgentRequest& request);
  absl::StatusOr<v1::ListAgentsResponse> ListAgents(const rpc::Principal& caller,
                                                    const v1::ListAgentsRequest& request);

 private:
  using Conversations = std::vector<std::pair<views::Cursor, state::v1::ConversationState>>;

  struct Group {
    const views::PartitionKeys* keys;
    std::string routing_key;  // "workspace_id/routing_group_id"
  };
  // The one named, or every group of the workspace.
  absl::StatusOr<std::vector<Group>> GroupsOf(const rpc::Principal& caller,
                                              const std::string& routing_group_id);
  const views::PartitionKeys& KeysOf(absl::string_view routing_key) const;

  // One page of several indexes as if they were one. The token goes on behind it.
  struct Index {
    const views::PartitionKeys* keys;
    std::string key;
  };
  struct Page {
    std::vector<state::v1::ConversationState> conversations;
    std::string next_page_token;
  };
  absl::StatusOr<Page> ReadPage(const std::vector<Index>& indexes, int page_size,
                                const std::string& page_token);

  store::Redis redis_;
  std::vector<views::PartitionKeys> partitions_;
};

}  // namespace wissel::history
