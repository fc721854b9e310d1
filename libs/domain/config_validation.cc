#include "libs/domain/config_validation.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "libs/domain/defaults.h"
#include "libs/routing/policy.h"

namespace wissel::domain {
namespace {

using common::v1::ChannelKind;
using config::v1::Account;
using config::v1::RoutingGroup;
using config::v1::WorkspaceConfig;

constexpr size_t kMaxSlugBytes = 64;
constexpr size_t kMaxIdBytes = 128;

bool IsSlug(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxSlugBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
         });
}

class Validator {
 public:
  Validator(const WorkspaceConfig& config, size_t max_bytes)
      : config_(config), max_bytes_(max_bytes) {}

  ConfigFindings Run() {
    if (!IsSlug(config_.workspace_id())) {
      Error("workspace_id", absl::StrCat("\"", config_.workspace_id(), "\"; ", kSlugRule));
    }
    Size();
    Groups();
    Accounts();
    for (const routing::PolicyFinding& finding : routing::CheckPolicy(config_)) {
      (finding.error ? findings_.errors : findings_.warnings)
          .push_back(absl::StrCat(finding.path, ": ", finding.what));
    }
    Conversations();
    // Whether anything can be done is a question for a configuration that makes sense.
    if (!findings_.errors.empty()) findings_.warnings.clear();
    return std::move(findings_);
  }

 private:
  static constexpr absl::string_view kSlugRule = "1 to 64 of a-z, 0-9 and -";

  void Error(absl::string_view path, absl::string_view what) {
    findings_.errors.push_back(absl::StrCat(path, ": ", what));
  }
  void Range(absl::string_view path, const google::protobuf::Duration& proto, absl::Duration min,
             absl::Duration max) {
    const absl::Duration value = FromProto(proto);
    if (value < min || value > max) {
      Error(path, absl::StrCat(absl::FormatDuration(value), "; from ", absl::FormatDuration(min),
                               " to ", absl::FormatDuration(max)));
    }
  }
  // An id that is there and new.
  void Id(absl::string_view path, const std::string& id, size_t max_bytes,
          std::set<std::string>& known) {
    if (id.empty() || id.size() > max_bytes) {
      Error(path, absl::StrCat("an id of ", id.size(), " bytes; 1 to ", max_bytes));
    } else if (!known.insert(id).second) {
      Error(path, "there twice");
    }
  }
  void Group(absl::string_view path, const std::string& id) {
    if (groups_.count(id) == 0) Error(path, absl::StrCat("no routing group \"", id, "\""));
  }

  void Size() {
    size_t bytes = config_.ByteSizeLong();
    for (const RoutingGroup& group : config_.routing_groups()) {
      bytes += group.routing_group_id().size() + 3;
    }
    if (bytes <= max_bytes_) return;
    const std::pair<size_t, std::string> largest = LargestField();
    Error(largest.second,
          absl::StrCat(largest.first, " of the configuration's ", bytes, " bytes; at most ",
                       max_bytes_,
                       " in all, as one record of the log holds it: allow larger records "
                       "(kafka.max_record_bytes), shorten ids and names, or make two workspaces of "
                       "it"));
  }
  // Its bytes and its name.
  std::pair<size_t, std::string> LargestField() const {
    const google::protobuf::Reflection& reflection = *config_.GetReflection();
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    reflection.ListFields(config_, &fields);
    std::pair<size_t, std::string> largest;
    for (const google::protobuf::FieldDescriptor* field : fields) {
      size_t bytes = 0;
      if (field->is_repeated()) {
        for (int i = 0; i < reflection.FieldSize(config_, field); ++i) {
          bytes += reflection.GetRepeatedMessage(config_, field, i).ByteSizeLong();
        }
      } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
        bytes = reflection.GetMessage(config_, field).ByteSizeLong();
      } else if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
        bytes = reflection.GetString(config_, field).size();
      }
      largest = std::max(largest, {bytes, field->name()});
    }
    return largest;
  }

  void Groups() {
    if (config_.routing_groups().empty()) Error("routing_groups", "none; at least one is needed");
    for (const RoutingGroup& group : config_.routing_groups()) {
      const std::string path = absl::StrCat("routing_groups[", group.routing_group_id(), "]");
      Id(path, group.routing_group_id(), kMaxSlugBytes, groups_);
      if (!group.routing_group_id().empty() && !IsSlug(group.routing_group_id())) {
        Error(path, kSlugRule);
      }
    }
  }

  void Accounts() {
    for (const Account& account : config_.accounts()) {
      const std::string& id = account.account().account_id();
      const std::string path = absl::StrCat("accounts[", id, "]");
      Id(path, id, kMaxIdBytes, accounts_);
      if (!absl::c_all_of(id, absl::ascii_isgraph)) {
        Error(path, "an id with other characters; visible ASCII, no spaces");
      }
      if (account.account().kind() == ChannelKind::CHANNEL_KIND_UNSPECIFIED) {
        Error(absl::StrCat(path, ".account.kind"), "not set");
      }
      Group(absl::StrCat(path, ".routing_group_id"), account.routing_group_id());
      if (account.address().empty()) {
        Error(absl::StrCat(path, ".address"), "not set");
      } else if (!addresses_.emplace(account.account().kind(), account.address()).second) {
        Error(absl::StrCat(path, ".address"), "another account has it too");
      }
    }
  }

  void Conversations() {
    const config::v1::ConversationPolicy& policy = config_.conversations();
    const absl::Duration longest = absl::Hours(24 * 366);
    const absl::Duration none = absl::ZeroDuration();
    if (!config::v1::RemovedWork_IsValid(policy.removed_work())) {
      Error("conversations.removed_work", "requeued or kept");
    }
    if (policy.has_reopen_window()) {
      Range("conversations.reopen_window", policy.reopen_window(), none, longest);
    }
    if (policy.has_park_after()) {
      Range("conversations.park_after", policy.park_after(), none, longest);
    }
    if (policy.has_disconnect_grace()) {
      Range("conversations.disconnect_grace", policy.disconnect_grace(), none, absl::Hours(24));
    }
    if (policy.has_forget_after()) {
      Range("conversations.forget_after", policy.forget_after(), ReopenWindow(policy), longest);
    }
    for (const config::v1::Queue& queue : config_.queues()) {
      const absl::Duration window = FromProto(queue.sticky_window());
      if (window <= ForgetAfter(policy)) continue;
      findings_.warnings.push_back(absl::StrCat(
          "queues[", queue.queue_id(), "].sticky_window: ", absl::FormatDuration(window),
          ", but a resolved conversation and its agent are forgotten after ",
          absl::FormatDuration(ForgetAfter(policy)), " (conversations.forget_after)"));
    }
  }

  const WorkspaceConfig& config_;
  const size_t max_bytes_;
  ConfigFindings findings_;
  std::set<std::string> groups_;
  std::set<std::string> accounts_;
  std::set<std::pair<int, std::string>> addresses_;
};

}  // namespace

ConfigFindings ValidateConfig(const WorkspaceConfig& config, size_t max_bytes) {
  return Validator(config, max_bytes).Run();
}

}  // namespace wissel::domain
