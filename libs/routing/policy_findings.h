#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "libs/routing/policy.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::routing {

inline constexpr int kMaxSteps = 8;  // of relaxation, overflow, escalation

// What the checks of a configuration have in common: its names, rules for single values, and what
// was found. A rule that a value does not keep is an error at the value's path.
class PolicyFindings {
 public:
  explicit PolicyFindings(const config::v1::WorkspaceConfig& config);

  void Error(absl::string_view path, absl::string_view what);
  void Warn(absl::string_view path, absl::string_view what);

  void Range(absl::string_view path, int64_t value, int64_t min, int64_t max);
  void Range(absl::string_view path, const google::protobuf::Duration& proto, absl::Duration min,
             absl::Duration max);
  void AtMost(absl::string_view path, int size, int most);
  void Proficiency(absl::string_view path, int32_t value);
  void Kind(absl::string_view path, common::v1::ChannelKind kind);

  // An id that people type as one word, and that is new.
  void Id(absl::string_view path, const std::string& id, std::set<std::string>& known);
  // What is there and new.
  void Name(absl::string_view path, const std::string& id, std::set<std::string>& known);
  void Slug(absl::string_view path, const std::string& id, std::set<std::string>& known);

  void Group(absl::string_view path, const std::string& id);
  // Or none.
  void Calendar(absl::string_view path, const std::string& id);
  // A queue of that group; returns whether it is one.
  bool QueueOf(absl::string_view path, const std::string& id, const std::string& group);

  struct Account {
    common::v1::ChannelKind kind;
    std::string routing_group_id;
  };
  const std::map<std::string, Account>& accounts() const { return accounts_; }
  // The routing groups of the queues and of the agents, by their ids.
  const std::map<std::string, std::string>& group_of_queue() const { return group_of_queue_; }
  const std::map<std::string, std::string>& group_of_agent() const { return group_of_agent_; }

  bool has_errors() const { return !errors_.empty(); }
  // The errors; where there are none, the warnings.
  std::vector<PolicyFinding> Take();

 private:
  std::vector<PolicyFinding> errors_;
  std::vector<PolicyFinding> warnings_;
  std::set<std::string> groups_;
  std::set<std::string> calendars_;
  std::map<std::string, Account> accounts_;
  std::map<std::string, std::string> group_of_queue_;
  std::map<std::string, std::string> group_of_agent_;
};

// What is promised, and what counts for it.
void CheckSlaPolicies(const config::v1::WorkspaceConfig& config, PolicyFindings& findings);
void CheckPriorities(const config::v1::PriorityPolicy& priority, PolicyFindings& findings);

}  // namespace wissel::routing
