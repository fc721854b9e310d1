#include "libs/routing/policy_reach.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/routing/language.h"
#include "libs/routing/policy_impl.h"

namespace wissel::routing {
namespace {

using config::v1::Agent;
using config::v1::Queue;
using config::v1::QueueRule;
using config::v1::Skill;
using config::v1::SlaPolicy;
using config::v1::WorkspaceConfig;

// Whether every conversation that the later list lets through passes the earlier one too. An empty
// list lets everything through, another one what any of its items asks for.
template <typename Values>
bool Covers(const Values& earlier, const Values& later) {
  return earlier.empty() ||
         (!later.empty() && std::all_of(later.begin(), later.end(), [&](const auto& item) {
           return std::find(earlier.begin(), earlier.end(), item) != earlier.end();
         }));
}

bool CoversButForCalendars(const QueueRule& earlier, const QueueRule& later) {
  return Covers(earlier.account_ids(), later.account_ids()) &&
         Covers(earlier.languages(), later.languages()) &&
         Covers(earlier.topic_patterns(), later.topic_patterns()) &&
         Covers(earlier.contact_tags(), later.contact_tags()) &&
         Covers(earlier.contact_tiers(), later.contact_tiers()) &&
         Covers(earlier.order_states(), later.order_states()) &&
         (!earlier.has_min_lifetime_value_cents() ||
          (later.has_min_lifetime_value_cents() &&
           later.min_lifetime_value_cents() >= earlier.min_lifetime_value_cents()));
}

// Whether the later one asks for the calendar as well, where the earlier one asks for one.
bool CoversOpen(const QueueRule& earlier, const QueueRule& later) {
  return earlier.open_calendar_id().empty() ||
         earlier.open_calendar_id() == later.open_calendar_id();
}
bool CoversClosed(const QueueRule& earlier, const QueueRule& later) {
  return earlier.closed_calendar_id().empty() ||
         earlier.closed_calendar_id() == later.closed_calendar_id();
}

bool Covers(const QueueRule& earlier, const QueueRule& later) {
  return CoversButForCalendars(earlier, later) && CoversOpen(earlier, later) &&
         CoversClosed(earlier, later);
}

bool Covers(const SlaPolicy& earlier, const SlaPolicy& later) {
  return Covers(earlier.queue_ids(), later.queue_ids()) &&
         Covers(earlier.channel_kinds(), later.channel_kinds()) &&
         Covers(earlier.contact_tiers(), later.contact_tiers()) &&
         (!earlier.has_min_priority() ||
          (later.has_min_priority() && later.min_priority() >= earlier.min_priority()));
}

class Reach {
 public:
  explicit Reach(const WorkspaceConfig& config) : config_(config) {}

  std::vector<PolicyFinding> Run() {
    Service();
    ChannelsTooHeavy();
    Unreached();
    ShadowedRules();
    ShadowedSlaPolicies();
    return std::move(warnings_);
  }

 private:
  void Warn(absl::string_view path, absl::string_view what) {
    warnings_.push_back({false, std::string(path), std::string(what)});
  }

  // Who could ever get what.
  void Service() {
    for (const auto& group : config_.routing_groups()) {
      const std::string& id = group.routing_group_id();
      const std::shared_ptr<const Policy> policy = Policy::Compile(config_, id);
      if (policy->impl().queues.empty()) {
        Warn(absl::StrCat("routing_groups[", id, "]"), "has no queue: nobody gets its messages");
      }
      policies_[id] = policy;
    }
    for (const Queue& queue : config_.queues()) {
      QueueService(queue);
      UnknownSkills(queue);
    }
    for (const Agent& agent : config_.agents()) {
      const std::string path = absl::StrCat("agents[", agent.agent_id(), "]");
      if (agent.queue_ids().empty() && agent.secondary_queue_ids().empty()) {
        Warn(absl::StrCat(path, ".queue_ids"), "serves no queue");
      }
      if (agent.capacity_units() == 0) {
        Warn(absl::StrCat(path, ".capacity_units"), "0: is never offered anything");
      }
    }
  }

  void QueueService(const Queue& queue) {
    const std::string path = absl::StrCat("queues[", queue.queue_id(), "]");
    const Policy::Impl& policy = policies_[queue.routing_group_id()]->impl();
    const int32_t index = policy.FindQueueIndex(queue.queue_id());
    const Policy::Impl::QueueData& data = policy.queue_data[index];
    const auto steps = static_cast<int32_t>(data.steps.size());
    const auto members = [&](int32_t ring) {
      return policy.Members(policy.Require(index, Policy::Impl::kNone, ring, false));
    };
    const auto eligible = [&](int32_t ring, int32_t language) {
      const Policy::Impl::Need need = policy.Require(index, language, ring, false);
      return policy.Eligible(need, policy.Members(need));
    };
    const AgentSet servers = members(0);
    if (members(steps).Count() == 0) {
      Warn(path, "no agent serves it");
      return;
    }
    bool met = false;
    for (int32_t ring = 0; ring <= steps && !met; ++ring) {
      const AgentSet able = eligible(ring, Policy::Impl::kNone);
      met = able.Count() > 0;
      if (!met) continue;
      if (ring > 0) {
        Warn(path, absl::StrCat(
                       "nobody can meet what it asks before ",
                       absl::FormatDuration(FromProto(queue.relaxation_steps(ring - 1).after()))));
      }
    }
    if (!met) {
      bool lacking = false;
      for (const Skill& skill : queue.required_skills()) {
        bool has = false;
        servers.ForEach([&](uint32_t agent) {
          const Policy::Impl::SkillLevel level{SkillIndex(policy, skill.skill_id()),
                                               skill.proficiency()};
          has = has || policy.Meets(agent, {level});
        });
        if (has) continue;
        Warn(absl::StrCat(path, ".required_skills[", skill.skill_id(), "]"),
             absl::StrCat("no agent who serves the queue has it at ", skill.proficiency()));
        lacking = true;
      }
      if (!lacking) {
        Warn(absl::StrCat(path, ".required_skills"),
             "no one agent who serves the queue has all of them");
      }
      if (steps > 0) {
        Warn(absl::StrCat(path, ".relaxation_steps"), "nobody can meet what is left, either");
      }
      return;
    }
    const AgentSet able = eligible(steps, Policy::Impl::kNone);
    bool has_capacity = false;
    able.ForEach([&](uint32_t agent) {
      has_capacity = has_capacity || policy.agents[agent].capacity_units() > 0;
    });
    if (!has_capacity) Warn(path, "no agent who may be asked has any capacity");
    if (data.language_level == 0) return;
    for (const std::string& skill : policy.skills) {
      if (!absl::StartsWith(skill, kLanguagePrefix)) continue;
      const int32_t language = SkillIndex(policy, skill);
      if (policy.holders[language].empty() || eligible(steps, language).Count() > 0) continue;
      Warn(absl::StrCat(path, ".language_proficiency"),
           absl::StrCat("no agent who may be asked has \"", skill, "\" well enough"));
    }
  }

  // Skills that would only help, but that nobody has: what is misspelt shows nowhere else.
  void UnknownSkills(const Queue& queue) {
    const std::string path = absl::StrCat("queues[", queue.queue_id(), "]");
    const Policy::Impl& policy = policies_[queue.routing_group_id()]->impl();
    const auto check = [&](absl::string_view place, const std::string& skill) {
      if (!policy.holders[SkillIndex(policy, skill)].empty()) return;
      Warn(place, absl::StrCat("no agent of the routing group has \"", skill, "\""));
    };
    for (const config::v1::PreferredSkill& skill : queue.preferred_skills()) {
      check(absl::StrCat(path, ".preferred_skills[", skill.skill_id(), "]"), skill.skill_id());
    }
    for (int i = 0; i < queue.relaxation_steps_size(); ++i) {
      for (const config::v1::SkillAlternative& a : queue.relaxation_steps(i).alternatives()) {
        check(absl::StrCat(path, ".relaxation_steps[", i, "].alternatives[", a.skill_id(),
                           "].or_skill_id"),
              a.or_skill_id());
      }
    }
  }

  // Channels of which one conversation is more than any agent can hold.
  void ChannelsTooHeavy() {
    for (const config::v1::ChannelPolicy& channel : config_.channels()) {
      for (const auto& group : config_.routing_groups()) {
        const std::string& id = group.routing_group_id();
        const bool used =
            std::any_of(config_.accounts().begin(), config_.accounts().end(), [&](const auto& a) {
              return a.routing_group_id() == id && a.account().kind() == channel.kind();
            });
        const Agent* most = nullptr;
        for (const Agent& agent : config_.agents()) {
          if (agent.routing_group_id() != id) continue;
          if (most == nullptr || agent.capacity_units() > most->capacity_units()) most = &agent;
        }
        if (!used || most == nullptr || most->capacity_units() == 0 ||
            channel.weight_units() <= most->capacity_units()) {
          continue;
        }
        Warn(absl::StrCat("channels[", common::v1::ChannelKind_Name(channel.kind()),
                          "].weight_units"),
             absl::StrCat(channel.weight_units(), "; no agent of routing group \"", id,
                          "\" can ever be offered one: agent \"", most->agent_id(),
                          "\" has the most capacity, ", most->capacity_units()));
      }
    }
  }

  // Queues that nothing leads into, and whose agents nobody asks for, either.
  void Unreached() {
    std::set<std::string> reached;
    std::map<std::string, std::string> last;  // by routing group: gets what no rule takes
    for (const Queue& queue : config_.queues()) {
      if (!queue.rules().empty()) reached.insert(queue.queue_id());
      last[queue.routing_group_id()] = queue.queue_id();
      for (const auto& rule : queue.overflow_rules()) reached.insert(rule.to_queue_id());
      for (const auto& step : queue.relaxation_steps()) {
        reached.insert(step.widen_to_queue_ids().begin(), step.widen_to_queue_ids().end());
      }
    }
    for (const SlaPolicy& policy : config_.sla_policies()) {
      for (const auto& step : policy.escalation_steps()) {
        reached.insert(step.overflow_to_queue_id());
      }
    }
    for (const Queue& queue : config_.queues()) {
      if (reached.count(queue.queue_id()) > 0 ||
          last[queue.routing_group_id()] == queue.queue_id()) {
        continue;
      }
      Warn(
          absl::StrCat("queues[", queue.queue_id(), "]"),
          "has no rules, is not its routing group's last, and no overflow or escalation leads into "
          "it: it gets only what agents and supervisors transfer to it");
    }
  }

  static int32_t SkillIndex(const Policy::Impl& policy, const std::string& id) {
    return static_cast<int32_t>(std::find(policy.skills.begin(), policy.skills.end(), id) -
                                policy.skills.begin());
  }

  struct Place {
    const QueueRule* rule;
    std::string path;
  };

  // By one while a calendar is open, and another while the same one is closed.
  void ShadowedByTwo(const std::vector<Place>& before, const QueueRule& rule,
                     const std::string& path) {
    std::map<std::string, const Place*> while_open;  // by calendar
    std::map<std::string, const Place*> while_closed;
    for (const Place& place : before) {
      const QueueRule& earlier = *place.rule;
      if (!CoversButForCalendars(earlier, rule)) continue;
      if (!earlier.open_calendar_id().empty() && CoversClosed(earlier, rule)) {
        while_open.emplace(earlier.open_calendar_id(), &place);
      }
      if (!earlier.closed_calendar_id().empty() && CoversOpen(earlier, rule)) {
        while_closed.emplace(earlier.closed_calendar_id(), &place);
      }
    }
    for (const auto& [calendar, open] : while_open) {
      const auto closed = while_closed.find(calendar);
      if (closed == while_closed.end()) continue;
      return Warn(
          path, absl::StrCat("can never match: ", open->path, " takes all of it while \"", calendar,
                             "\" is open, and ", closed->second->path, " while it is closed"));
    }
  }

  // Rules that an earlier one of the same routing group leaves nothing, or two.
  void ShadowedRules() {
    std::map<std::string, std::vector<Place>> earlier;  // by routing group
    for (const Queue& queue : config_.queues()) {
      std::vector<Place>& before = earlier[queue.routing_group_id()];
      for (int i = 0; i < queue.rules_size(); ++i) {
        const QueueRule& rule = queue.rules(i);
        const std::string path = absl::StrCat("queues[", queue.queue_id(), "].rules[", i, "]");
        const auto shadow = std::find_if(before.begin(), before.end(), [&](const Place& place) {
          return Covers(*place.rule, rule);
        });
        if (shadow != before.end()) {
          Warn(path, absl::StrCat("can never match: ", shadow->path, " takes all of it before"));
        } else {
          ShadowedByTwo(before, rule, path);
        }
        before.push_back({&rule, path});
      }
    }
  }

  void ShadowedSlaPolicies() {
    for (int i = 0; i < config_.sla_policies_size(); ++i) {
      for (int earlier = 0; earlier < i; ++earlier) {
        if (!Covers(config_.sla_policies(earlier), config_.sla_policies(i))) continue;
        Warn(absl::StrCat("sla_policies[", config_.sla_policies(i).sla_policy_id(), "]"),
             absl::StrCat("never applies: ", config_.sla_policies(earlier).sla_policy_id(),
                          " takes all of it before"));
        break;
      }
    }
  }

  const WorkspaceConfig& config_;
  std::vector<PolicyFinding> warnings_;
  std::map<std::string, std::shared_ptr<const Policy>> policies_;
};

}  // namespace

std::vector<PolicyFinding> CheckReach(const WorkspaceConfig& config) { return Reach(config).Run(); }

}  // namespace wissel::routing
