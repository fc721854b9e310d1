#include "libs/domain/config_validation.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "libs/domain/defaults.h"

namespace wissel::domain {
namespace {

using common::v1::ChannelKind;
using config::v1::Account;
using config::v1::Agent;
using config::v1::ChannelPolicy;
using config::v1::Queue;
using config::v1::QueueRule;
using config::v1::RoutingGroup;
using config::v1::Skill;
using config::v1::WorkspaceConfig;

constexpr size_t kMaxSlugBytes = 64;
constexpr size_t kMaxIdBytes = 128;
constexpr int32_t kMaxCapacityUnits = 1'000'000;

bool IsSlug(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxSlugBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_islower(static_cast<unsigned char>(c)) ||
                  absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == '-';
         });
}

class Validator {
 public:
  explicit Validator(const WorkspaceConfig& config) : config_(config) {}

  ConfigFindings Run() {
    if (!IsSlug(config_.workspace_id())) {
      Error("workspace_id", absl::StrCat("\"", config_.workspace_id(), "\"; ", kSlugRule));
    }
    Groups();
    Accounts();
    Queues();
    Agents();
    Channels();
    Conversations();
    // Whether anything can be done is a question for a configuration that makes sense.
    if (findings_.errors.empty()) {
      Service();
      Shadows();
    }
    return std::move(findings_);
  }

 private:
  static constexpr absl::string_view kSlugRule = "1 to 64 of a-z, 0-9 and -";

  void Error(absl::string_view path, absl::string_view what) {
    findings_.errors.push_back(absl::StrCat(path, ": ", what));
  }
  void Warn(absl::string_view path, absl::string_view what) {
    findings_.warnings.push_back(absl::StrCat(path, ": ", what));
  }
  void Range(absl::string_view path, int64_t value, int64_t min, int64_t max) {
    if (value < min || value > max) {
      Error(path, absl::StrCat(value, "; from ", min, " to ", max));
    }
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
      group_of_account_[id] = account.routing_group_id();
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

  void Skills(absl::string_view path, const google::protobuf::RepeatedPtrField<Skill>& skills) {
    std::set<std::string> known;
    for (const Skill& skill : skills) {
      const std::string place = absl::StrCat(path, "[", skill.skill_id(), "]");
      Id(place, skill.skill_id(), kMaxIdBytes, known);
      Range(absl::StrCat(place, ".proficiency"), skill.proficiency(), 1, 10);
    }
  }

  void Queues() {
    for (const Queue& queue : config_.queues()) {
      const std::string path = absl::StrCat("queues[", queue.queue_id(), "]");
      Id(path, queue.queue_id(), kMaxIdBytes, queue_ids_);
      group_of_queue_[queue.queue_id()] = queue.routing_group_id();
      Group(absl::StrCat(path, ".routing_group_id"), queue.routing_group_id());
      for (int i = 0; i < queue.rules_size(); ++i) {
        for (const std::string& account : queue.rules(i).account_ids()) {
          const std::string place = absl::StrCat(path, ".rules[", i, "].account_ids");
          const auto found = group_of_account_.find(account);
          if (found == group_of_account_.end()) {
            Error(place, absl::StrCat("no account \"", account, "\""));
          } else if (found->second != queue.routing_group_id()) {
            Warn(place, absl::StrCat("account \"", account, "\" is of another routing group"));
          }
        }
      }
      Skills(absl::StrCat(path, ".required_skills"), queue.required_skills());
      if (!config::v1::Strategy_IsValid(queue.strategy())) {
        Error(absl::StrCat(path, ".strategy"), "unknown");
      }
      if (queue.has_offer_timeout()) {
        Range(absl::StrCat(path, ".offer_timeout"), queue.offer_timeout(), absl::Seconds(1),
              absl::Hours(1));
      }
      // 0 is the default.
      Range(absl::StrCat(path, ".max_missed_offers"), queue.max_missed_offers(), 0, 100);
      Range(absl::StrCat(path, ".base_priority"), queue.base_priority(), -1000, 1000);
      if (queue.has_decline_cooldown()) {
        Range(absl::StrCat(path, ".decline_cooldown"), queue.decline_cooldown(),
              absl::ZeroDuration(), absl::Hours(24));
      }
    }
  }

  void Agents() {
    std::set<std::string> ids;
    std::set<std::string> subjects;
    for (const Agent& agent : config_.agents()) {
      const std::string path = absl::StrCat("agents[", agent.agent_id(), "]");
      Id(path, agent.agent_id(), kMaxIdBytes, ids);
      Group(absl::StrCat(path, ".routing_group_id"), agent.routing_group_id());
      const std::string& subject = agent.subject().empty() ? agent.agent_id() : agent.subject();
      if (!subjects.insert(subject).second) {
        Error(absl::StrCat(path, ".subject"),
              absl::StrCat("another agent has \"", subject, "\" too"));
      }
      Skills(absl::StrCat(path, ".skills"), agent.skills());
      std::set<std::string> served;
      for (const std::string& queue : agent.queue_ids()) {
        const std::string place = absl::StrCat(path, ".queue_ids");
        const auto found = group_of_queue_.find(queue);
        if (found == group_of_queue_.end()) {
          Error(place, absl::StrCat("no queue \"", queue, "\""));
        } else if (found->second != agent.routing_group_id()) {
          Error(place, absl::StrCat("queue \"", queue, "\" is of another routing group"));
        } else if (!served.insert(queue).second) {
          Error(place, absl::StrCat("\"", queue, "\" is there twice"));
        }
      }
      Range(absl::StrCat(path, ".capacity_units"), agent.capacity_units(), 0, kMaxCapacityUnits);
    }
  }

  void Channels() {
    std::set<int> kinds;
    for (const ChannelPolicy& channel : config_.channels()) {
      const std::string path =
          absl::StrCat("channels[", common::v1::ChannelKind_Name(channel.kind()), "]");
      if (channel.kind() == ChannelKind::CHANNEL_KIND_UNSPECIFIED) Error(path, "kind is not set");
      if (!kinds.insert(channel.kind()).second) Error(path, "there twice");
      // 0 is the default.
      Range(absl::StrCat(path, ".weight_units"), channel.weight_units(), 0, 1000);
    }
  }

  void Conversations() {
    const config::v1::ConversationPolicy& policy = config_.conversations();
    const absl::Duration longest = absl::Hours(24 * 366);
    const absl::Duration none = absl::ZeroDuration();
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
  }

  static bool Meets(const Agent& agent, const Skill& required) {
    return std::any_of(agent.skills().begin(), agent.skills().end(), [&](const Skill& skill) {
      return skill.skill_id() == required.skill_id() &&
             skill.proficiency() >= required.proficiency();
    });
  }

  // Who could ever get what.
  void Service() {
    for (const RoutingGroup& group : config_.routing_groups()) {
      const std::string& id = group.routing_group_id();
      const bool has_queue =
          std::any_of(config_.queues().begin(), config_.queues().end(),
                      [&](const Queue& q) { return q.routing_group_id() == id; });
      if (!has_queue) {
        Warn(absl::StrCat("routing_groups[", id, "]"), "has no queue: nobody gets its messages");
      }
    }
    for (const Queue& queue : config_.queues()) {
      const std::string path = absl::StrCat("queues[", queue.queue_id(), "]");
      std::vector<const Agent*> servers;
      for (const Agent& agent : config_.agents()) {
        if (std::count(agent.queue_ids().begin(), agent.queue_ids().end(), queue.queue_id()) > 0) {
          servers.push_back(&agent);
        }
      }
      if (servers.empty()) {
        Warn(path, "no agent serves it");
        continue;
      }
      bool lacking = false;
      for (const Skill& skill : queue.required_skills()) {
        if (std::none_of(servers.begin(), servers.end(),
                         [&](const Agent* agent) { return Meets(*agent, skill); })) {
          Warn(absl::StrCat(path, ".required_skills[", skill.skill_id(), "]"),
               absl::StrCat("no agent who serves the queue has it at ", skill.proficiency()));
          lacking = true;
        }
      }
      const auto meets_all = [&](const Agent* agent) {
        return std::all_of(queue.required_skills().begin(), queue.required_skills().end(),
                           [&](const Skill& skill) { return Meets(*agent, skill); });
      };
      if (!lacking && std::none_of(servers.begin(), servers.end(), meets_all)) {
        Warn(absl::StrCat(path, ".required_skills"),
             "no one agent who serves the queue has all of them");
      }
    }
    for (const Agent& agent : config_.agents()) {
      const std::string path = absl::StrCat("agents[", agent.agent_id(), "]");
      if (agent.queue_ids().empty()) Warn(absl::StrCat(path, ".queue_ids"), "serves no queue");
      if (agent.capacity_units() == 0) {
        Warn(absl::StrCat(path, ".capacity_units"), "0: is never offered anything");
      }
    }
  }

  static bool Covers(const google::protobuf::RepeatedPtrField<std::string>& earlier,
                     const google::protobuf::RepeatedPtrField<std::string>& later) {
    if (earlier.empty()) return true;
    if (later.empty()) return false;
    return std::all_of(later.begin(), later.end(), [&](const std::string& item) {
      return std::count(earlier.begin(), earlier.end(), item) > 0;
    });
  }

  // Rules that an earlier one of the same routing group leaves nothing.
  void Shadows() {
    struct Place {
      const QueueRule* rule;
      std::string path;
    };
    std::map<std::string, std::vector<Place>> earlier;  // by routing group
    for (const Queue& queue : config_.queues()) {
      std::vector<Place>& before = earlier[queue.routing_group_id()];
      for (int i = 0; i < queue.rules_size(); ++i) {
        const QueueRule& rule = queue.rules(i);
        const std::string path = absl::StrCat("queues[", queue.queue_id(), "].rules[", i, "]");
        const auto shadow = std::find_if(before.begin(), before.end(), [&](const Place& place) {
          return Covers(place.rule->account_ids(), rule.account_ids()) &&
                 Covers(place.rule->languages(), rule.languages());
        });
        if (shadow != before.end()) {
          Warn(path, absl::StrCat("can never match: ", shadow->path, " takes all of it before"));
        }
        before.push_back({&rule, path});
      }
    }
  }

  const WorkspaceConfig& config_;
  ConfigFindings findings_;
  std::set<std::string> groups_;
  std::set<std::string> accounts_;
  std::map<std::string, std::string> group_of_account_;
  std::set<std::pair<int, std::string>> addresses_;
  std::set<std::string> queue_ids_;
  std::map<std::string, std::string> group_of_queue_;
};

}  // namespace

ConfigFindings ValidateConfig(const WorkspaceConfig& config) { return Validator(config).Run(); }

}  // namespace wissel::domain
