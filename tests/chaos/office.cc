#include "tests/chaos/office.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/status.h"

namespace wissel::chaos {
namespace {

constexpr int kAdmins = 2;
// Longer than admin waits for the broker: it always says itself how an apply ended, or is dead.
constexpr absl::Duration kPatience = absl::Minutes(3);
constexpr absl::Duration kRetry = absl::Milliseconds(200);
// For what must be answered, as nothing is killed any more.
constexpr absl::Duration kInPeace = absl::Seconds(60);
// Small, so that most lists have several.
constexpr int kPage = 20;

absl::Duration Below(absl::Duration limit, std::mt19937_64& lot) {
  return absl::Milliseconds(
      static_cast<int64_t>(lot() % static_cast<uint64_t>(absl::ToInt64Milliseconds(limit))));
}

template <class Stub, class Request, class Response>
absl::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const std::string& token, const Request& request, Response& response) {
  grpc::ClientContext context;
  rpc::Prepare({.timeout = kPatience, .token = token}, context);
  return rpc::FromGrpc((stub.*method)(&context, request, &response));
}

// Until the service can be reached.
template <class Question>
absl::Status AskInPeace(Question question) {
  const Timeout limit(kInPeace);
  absl::Status status = question();
  while (absl::IsUnavailable(status) && !limit.Expired()) {
    absl::SleepFor(kRetry);
    status = question();
  }
  return status;
}

}  // namespace

Office::Office(OfficeOptions options)
    : options_(std::move(options)),
      history_(
          history::v1::HistoryService::NewStub(rpc::MakeChannel({.target = options_.history}))),
      admin_(admin::v1::AdminService::NewStub(rpc::MakeChannel({.target = options_.admin}))) {
  threads_.push_back(
      StartThread("supervisor", [this](const std::stop_token& stop) { Supervise(stop); }));
  for (int i = 0; i < kAdmins; ++i) {
    threads_.push_back(
        StartThread("admin", [this, i](const std::stop_token& stop) { Configure(stop, i); }));
  }
}

Office::~Office() = default;

void Office::Supervise(const std::stop_token& stop) {
  std::mt19937_64 lot(options_.seed);
  while (!stop.stop_requested()) {
    std::vector<std::string> ids;
    const absl::Status listed =
        ListConversations(lot() % 2 == 0 ? state::v1::CONVERSATION_STATUS_UNSPECIFIED
                                         : state::v1::CONVERSATION_STATUS_RESOLVED,
                          ids);
    if (!listed.ok() && !Excused(listed)) Note(Told{.status = listed});
    if (!listed.ok()) absl::SleepFor(kRetry);
    for (int i = 0; i < kPage && !ids.empty() && !stop.stop_requested(); ++i) {
      LookUp(ids[lot() % ids.size()], /*in_peace=*/false);
      absl::SleepFor(Below(absl::Milliseconds(100), lot));
    }
    absl::SleepFor(Below(absl::Milliseconds(100), lot));
  }
}

void Office::Configure(const std::stop_token& stop, int admin) {
  std::mt19937_64 lot(options_.seed * 1000 + static_cast<uint64_t>(admin));
  for (int count = 1; !stop.stop_requested(); ++count) {
    admin::v1::ApplyConfigRequest request;
    absl::Status status = GetConfig(*request.mutable_config());
    if (status.ok()) {
      request.mutable_config()->set_version(request.config().version() + 1);
      request.mutable_config()->set_display_name(absl::StrCat("admin ", admin, ", change ", count));
      admin::v1::ApplyConfigResponse response;
      status = Call(*admin_, &admin::v1::AdminService::Stub::ApplyConfig, options_.admin_token,
                    request, response);
      Note(ConfigAttempt{.label = request.config().display_name(),
                         .version = request.config().version(),
                         .status = status});
    } else if (absl::IsUnavailable(status)) {
      ++unreachable_;
    } else {
      Note(ConfigAttempt{.status = status});
    }
    absl::SleepFor(absl::IsUnavailable(status) ? kRetry : Below(absl::Milliseconds(300), lot));
  }
}

absl::Status Office::GetConfig(config::v1::WorkspaceConfig& config) {
  admin::v1::GetConfigResponse response;
  WISSEL_RETURN_IF_ERROR(
      Call(*admin_, &admin::v1::AdminService::Stub::GetConfig, options_.admin_token, {}, response));
  config = std::move(*response.mutable_config());
  return absl::OkStatus();
}

absl::Status Office::ListConversations(state::v1::ConversationStatus status,
                                       std::vector<std::string>& ids) {
  history::v1::ListConversationsRequest request;
  request.set_status(status);
  request.set_page_size(kPage);
  do {
    history::v1::ListConversationsResponse response;
    WISSEL_RETURN_IF_ERROR(Call(*history_, &history::v1::HistoryService::Stub::ListConversations,
                                options_.supervisor_token, request, response));
    for (const state::v1::ConversationState& conversation : response.conversations()) {
      ids.push_back(conversation.conversation_id());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

void Office::LookUp(const std::string& conversation_id, bool in_peace) {
  history::v1::GetConversationRequest request;
  request.set_conversation_id(conversation_id);
  history::v1::GetConversationResponse response;
  const absl::Status status = Call(*history_, &history::v1::HistoryService::Stub::GetConversation,
                                   options_.supervisor_token, request, response);
  if (!status.ok() && Excused(status)) return;
  Told told{.conversation_id = conversation_id, .in_peace = in_peace, .status = status};
  told.messages.assign(response.messages().begin(), response.messages().end());
  told.partition = response.as_of().partition();
  told.offset = response.as_of().offset();
  Note(std::move(told));
}

absl::Status Office::ReadMessages(const std::string& conversation_id,
                                  std::vector<history::v1::Message>& messages) {
  messages.clear();
  history::v1::ListMessagesRequest request;
  request.set_conversation_id(conversation_id);
  request.set_page_size(kPage);
  do {
    history::v1::ListMessagesResponse response;
    WISSEL_RETURN_IF_ERROR(Call(*history_, &history::v1::HistoryService::Stub::ListMessages,
                                options_.supervisor_token, request, response));
    messages.insert(messages.end(), response.messages().begin(), response.messages().end());
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  std::reverse(messages.begin(), messages.end());
  return absl::OkStatus();
}

int64_t Office::Close() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
  config::v1::WorkspaceConfig config;
  const absl::Status status = AskInPeace([&] { return GetConfig(config); });
  if (!status.ok()) Note(ConfigAttempt{.status = status});
  MutexLock lock(mutex_);
  in_force_ = std::move(config);
  return in_force_.version();
}

void Office::LookUpAll() {
  std::vector<std::string> ids;
  const absl::Status listed = AskInPeace([&]() -> absl::Status {
    ids.clear();
    for (const auto which :
         {state::v1::CONVERSATION_STATUS_UNSPECIFIED, state::v1::CONVERSATION_STATUS_RESOLVED}) {
      WISSEL_RETURN_IF_ERROR(ListConversations(which, ids));
    }
    return absl::OkStatus();
  });
  if (!listed.ok()) Note(Told{.in_peace = true, .status = listed});
  for (const std::string& id : ids) {
    LookUp(id, /*in_peace=*/true);
    Told told{.conversation_id = id, .whole = true, .in_peace = true};
    told.status = AskInPeace([&] { return ReadMessages(id, told.messages); });
    Note(std::move(told));
  }
}

bool Office::Excused(const absl::Status& status) {
  if (!absl::IsUnavailable(status)) return false;
  ++unreachable_;
  return true;
}

void Office::Note(Told told) {
  MutexLock lock(mutex_);
  told_.push_back(std::move(told));
}

void Office::Note(ConfigAttempt attempt) {
  MutexLock lock(mutex_);
  attempts_.push_back(std::move(attempt));
}

void Office::AddTo(History& history) const {
  MutexLock lock(mutex_);
  history.told = told_;
  history.config_attempts = attempts_;
  history.config_in_force = in_force_;
}

}  // namespace wissel::chaos
