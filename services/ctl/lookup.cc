#include "services/ctl/lookup.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "wissel/history/v1/history_service.grpc.pb.h"

namespace wissel::ctl {
namespace {

using history::v1::HistoryService;

// A UUID's.
constexpr size_t kWholeId = 36;
constexpr size_t kShortest = 4;
constexpr int kPageSize = 500;
// Looked through at most: beyond that the whole id is quicker.
constexpr int kMaxPages = 200;

}  // namespace

absl::StatusOr<std::string> WholeConversationId(const Client& history, absl::string_view id) {
  if (id.size() >= kWholeId) return std::string(id);
  if (id.size() < kShortest) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", id, "\": give at least ", kShortest, " characters of the id"));
  }
  std::string found;
  int pages = 0;
  // Those that are not resolved, and those that are.
  for (const auto status :
       {state::v1::CONVERSATION_STATUS_UNSPECIFIED, state::v1::CONVERSATION_STATUS_RESOLVED}) {
    history::v1::ListConversationsRequest request;
    request.set_status(status);
    request.set_page_size(kPageSize);
    do {
      if (++pages > kMaxPages) {
        return absl::InvalidArgumentError(
            absl::StrCat("there are too many conversations to look for ", id,
                         ": give the whole id, which `conversations list` prints"));
      }
      WISSEL_ASSIGN_OR_RETURN(
          const auto response,
          Call<HistoryService>(history, &HistoryService::StubInterface::ListConversations,
                               request));
      for (const auto& conversation : response.conversations()) {
        const std::string& whole = conversation.conversation_id();
        if (!absl::StartsWith(whole, id) || whole == found) continue;
        if (!found.empty()) {
          return absl::InvalidArgumentError(
              absl::StrCat(id, " fits several: ", found, ", ", whole));
        }
        found = whole;
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
  }
  if (found.empty()) return absl::NotFoundError(absl::StrCat("no conversation begins with ", id));
  return found;
}

}  // namespace wissel::ctl
