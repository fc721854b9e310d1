#include "libs/routing/policy_findings.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"

namespace wissel::routing {
namespace {

constexpr size_t kMaxIdBytes = 128;
constexpr size_t kMaxSlugBytes = 64;

bool IsSlug(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxSlugBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
         });
}

}  // namespace

PolicyFindings::PolicyFindings(const config::v1::WorkspaceConfig& config) {
  for (const auto& group : config.routing_groups()) groups_.insert(group.routing_group_id());
  for (const auto& account : config.accounts()) {
    accounts_[account.account().account_id()] = {account.account().kind(),
                                                 account.routing_group_id()};
  }
  for (const auto& calendar : config.calendars()) calendars_.insert(calendar.calendar_id());
  for (const config::v1::Queue& queue : config.queues()) {
    group_of_queue_.emplace(queue.queue_id(), queue.routing_group_id());
  }
  for (const config::v1::Agent& agent : config.agents()) {
    group_of_agent_.emplace(agent.agent_id(), agent.routing_group_id());
  }
}

std::vector<PolicyFinding> PolicyFindings::Take() {
  return std::move(has_errors() ? errors_ : warnings_);
}

void PolicyFindings::Error(absl::string_view path, absl::string_view what) {
  errors_.push_back({true, std::string(path), std::string(what)});
}

void PolicyFindings::Warn(absl::string_view path, absl::string_view what) {
  warnings_.push_back({false, std::string(path), std::string(what)});
}

void PolicyFindings::Range(absl::string_view path, int64_t value, int64_t min, int64_t max) {
  if (value < min || value > max) {
    Error(path, absl::StrCat(value, "; from ", min, " to ", max));
  }
}

void PolicyFindings::Range(absl::string_view path, const google::protobuf::Duration& proto,
                           absl::Duration min, absl::Duration max) {
  const absl::Duration value = FromProto(proto);
  if (value < min || value > max) {
    Error(path, absl::StrCat(absl::FormatDuration(value), "; from ", absl::FormatDuration(min),
                             " to ", absl::FormatDuration(max)));
  }
}

void PolicyFindings::Id(absl::string_view path, const std::string& id,
                        std::set<std::string>& known) {
  Name(path, id, known);
  if (!absl::c_all_of(id, absl::ascii_isgraph)) {
    Error(path, "an id with other characters; visible ASCII, no spaces");
  }
}

void PolicyFindings::Name(absl::string_view path, const std::string& id,
                          std::set<std::string>& known) {
  if (id.empty() || id.size() > kMaxIdBytes) {
    Error(path, absl::StrCat("an id of ", id.size(), " bytes; 1 to ", kMaxIdBytes));
  } else if (!known.insert(id).second) {
    Error(path, "there twice");
  }
}

void PolicyFindings::Slug(absl::string_view path, const std::string& id,
                          std::set<std::string>& known) {
  if (!IsSlug(id)) {
    Error(path, "1 to 64 of a-z, 0-9 and -");
  } else if (!known.insert(id).second) {
    Error(path, "there twice");
  }
}

void PolicyFindings::Group(absl::string_view path, const std::string& id) {
  if (groups_.count(id) == 0) Error(path, absl::StrCat("no routing group \"", id, "\""));
}

void PolicyFindings::Calendar(absl::string_view path, const std::string& id) {
  if (!id.empty() && calendars_.count(id) == 0) {
    Error(path, absl::StrCat("no calendar \"", id, "\""));
  }
}

bool PolicyFindings::QueueOf(absl::string_view path, const std::string& id,
                             const std::string& group) {
  const auto found = group_of_queue_.find(id);
  if (found == group_of_queue_.end()) {
    Error(path, absl::StrCat("no queue \"", id, "\""));
  } else if (found->second != group) {
    Error(path, absl::StrCat("queue \"", id, "\" is of another routing group"));
  } else {
    return true;
  }
  return false;
}

void PolicyFindings::Kind(absl::string_view path, common::v1::ChannelKind kind) {
  if (kind == common::v1::CHANNEL_KIND_UNSPECIFIED || !common::v1::ChannelKind_IsValid(kind)) {
    Error(path, "no such channel");
  }
}

void PolicyFindings::AtMost(absl::string_view path, int size, int most) {
  if (size > most) Error(path, absl::StrCat(size, "; at most ", most));
}

void PolicyFindings::Proficiency(absl::string_view path, int32_t value) {
  Range(absl::StrCat(path, ".proficiency"), value, 1, 10);
}

}  // namespace wissel::routing
