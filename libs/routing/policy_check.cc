#include <re2/re2.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "libs/routing/calendar_config.h"
#include "libs/routing/language.h"
#include "libs/routing/notice.h"
#include "libs/routing/pattern.h"
#include "libs/routing/policy_findings.h"
#include "libs/routing/policy_reach.h"

namespace wissel::routing {
namespace {

using common::v1::ChannelKind;
using config::v1::Agent;
using config::v1::ChannelPolicy;
using config::v1::OverflowRule;
using config::v1::Queue;
using config::v1::QueueRule;
using config::v1::RelaxationStep;
using config::v1::Skill;
using config::v1::WorkspaceConfig;

constexpr int32_t kMaxCapacityUnits = 1'000'000;
constexpr int32_t kMaxConversations = 1'000;
constexpr int kMaxPatterns = 20;
// An explanation repeats much of what is asked for, and a decision holds many (ADR 4).
constexpr int kMaxSkills = 50;
constexpr int kMaxWidened = 100;
constexpr size_t kMaxTextBytes = 4096;
constexpr absl::string_view kItsLanguage = "lang:*";

class Checker : private PolicyFindings {
 public:
  explicit Checker(const WorkspaceConfig& config) : PolicyFindings(config), config_(config) {}

  std::vector<PolicyFinding> Run() {
    Queues();
    OverflowCircles();
    Agents();
    Channels();
    Calendars();
    CheckSlaPolicies(config_, *this);
    CheckPriorities(config_.priority(), *this);
    // Whether anything can be done is a question for a configuration that makes sense.
    if (!has_errors()) {
      for (const PolicyFinding& finding : CheckReach(config_)) Warn(finding.path, finding.what);
    }
    return Take();
  }

 private:
  void Skills(absl::string_view path, const google::protobuf::RepeatedPtrField<Skill>& skills) {
    std::set<std::string> known;
    for (const Skill& skill : skills) {
      const std::string place = absl::StrCat(path, "[", skill.skill_id(), "]");
      Id(place, skill.skill_id(), known);
      Proficiency(place, skill.proficiency());
    }
  }

  void Queues() {
    std::set<std::string> known;
    for (const Queue& queue : config_.queues()) {
      const std::string path = absl::StrCat("queues[", queue.queue_id(), "]");
      Id(path, queue.queue_id(), known);
      Group(absl::StrCat(path, ".routing_group_id"), queue.routing_group_id());
      for (int i = 0; i < queue.rules_size(); ++i) {
        Rule(absl::StrCat(path, ".rules[", i, "]"), queue, queue.rules(i));
      }
      Skills(absl::StrCat(path, ".required_skills"), queue.required_skills());
      AtMost(absl::StrCat(path, ".required_skills"), queue.required_skills_size(), kMaxSkills);
      AtMost(absl::StrCat(path, ".preferred_skills"), queue.preferred_skills_size(), kMaxSkills);
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
      const absl::Duration none = absl::ZeroDuration();
      if (queue.has_decline_cooldown()) {
        Range(absl::StrCat(path, ".decline_cooldown"), queue.decline_cooldown(), none,
              absl::Hours(24));
      }
      std::set<std::string> preferred;
      for (const config::v1::PreferredSkill& skill : queue.preferred_skills()) {
        const std::string place = absl::StrCat(path, ".preferred_skills[", skill.skill_id(), "]");
        Id(place, skill.skill_id(), preferred);
        Range(absl::StrCat(place, ".weight"), skill.weight(), 1, 100);
      }
      Range(absl::StrCat(path, ".language_proficiency"), queue.language_proficiency(), 0, 10);
      RelaxationSteps(path, queue);
      Range(absl::StrCat(path, ".sticky_window"), queue.sticky_window(), none,
            absl::Hours(30 * 24));
      Range(absl::StrCat(path, ".wrap_up_time"), queue.wrap_up_time(), none, absl::Hours(1));
      OverflowRules(path, queue);
      Range(absl::StrCat(path, ".ageing_points"), queue.ageing_points(), 0, 1000);
      if (queue.has_ageing_interval()) {
        Range(absl::StrCat(path, ".ageing_interval"), queue.ageing_interval(), absl::Seconds(1),
              absl::Hours(24));
      }
      Range(absl::StrCat(path, ".max_ageing_points"), queue.max_ageing_points(), 0, 10'000);
      Range(absl::StrCat(path, ".owner_limit"), queue.owner_limit(), none, absl::Hours(366 * 24));
      Range(absl::StrCat(path, ".at_risk_percent"), queue.at_risk_percent(), 0, 100);
    }
  }

  void Rule(const std::string& path, const Queue& queue, const QueueRule& rule) {
    for (const std::string& account : rule.account_ids()) {
      const std::string place = absl::StrCat(path, ".account_ids");
      const auto found = accounts().find(account);
      if (found == accounts().end()) {
        Error(place, absl::StrCat("no account \"", account, "\""));
      } else if (found->second.routing_group_id != queue.routing_group_id()) {
        Warn(place, absl::StrCat("account \"", account, "\" is of another routing group"));
      }
    }
    for (const std::string& language : rule.languages()) {
      const std::string primary = PrimaryLanguage(language);
      if (language == primary) continue;
      Warn(absl::StrCat(path, ".languages"),
           absl::StrCat("\"", language, "\" never matches: write \"", primary, "\""));
    }
    if (rule.topic_patterns_size() > kMaxPatterns) {
      Error(absl::StrCat(path, ".topic_patterns"),
            absl::StrCat(rule.topic_patterns_size(), "; at most ", kMaxPatterns));
    }
    for (int i = 0; i < std::min(kMaxPatterns, rule.topic_patterns_size()); ++i) {
      const std::string& pattern = rule.topic_patterns(i);
      const std::string place = absl::StrCat(path, ".topic_patterns[", i, "]");
      if (pattern.empty() || pattern.size() > kMaxPatternBytes) {
        Error(place, absl::StrCat(pattern.size(), " bytes; 1 to ", kMaxPatternBytes));
      } else if (const auto compiled = CompilePattern(pattern); !compiled->ok()) {
        Error(place, compiled->error());
      }
    }
    Calendar(absl::StrCat(path, ".open_calendar_id"), rule.open_calendar_id());
    Calendar(absl::StrCat(path, ".closed_calendar_id"), rule.closed_calendar_id());
    if (!rule.open_calendar_id().empty() && rule.open_calendar_id() == rule.closed_calendar_id()) {
      Warn(path, absl::StrCat("can never match: \"", rule.open_calendar_id(),
                              "\" is to be open and closed"));
    }
  }

  void RelaxationSteps(const std::string& queue_path, const Queue& queue) {
    if (queue.relaxation_steps_size() > kMaxSteps) {
      Error(absl::StrCat(queue_path, ".relaxation_steps"),
            absl::StrCat(queue.relaxation_steps_size(), "; at most ", kMaxSteps));
    }
    // What is required as the steps go on: by skill, how well.
    std::map<std::string, int32_t> required;
    for (const Skill& skill : queue.required_skills()) {
      required[skill.skill_id()] = skill.proficiency();
    }
    if (queue.language_proficiency() > 0) {
      required[std::string(kItsLanguage)] = queue.language_proficiency();
    }
    absl::Duration before = absl::ZeroDuration();
    for (int i = 0; i < queue.relaxation_steps_size(); ++i) {
      const RelaxationStep& step = queue.relaxation_steps(i);
      const std::string path = absl::StrCat(queue_path, ".relaxation_steps[", i, "]");
      const absl::Duration after = FromProto(step.after());
      Range(absl::StrCat(path, ".after"), step.after(), absl::Seconds(1), absl::Hours(7 * 24));
      if (i > 0 && after <= before) {
        Error(absl::StrCat(path, ".after"),
              absl::StrCat(absl::FormatDuration(after), "; later than the step before it, ",
                           absl::FormatDuration(before)));
      }
      before = after;
      AtMost(absl::StrCat(path, ".alternatives"), step.alternatives_size(), kMaxSkills);
      AtMost(absl::StrCat(path, ".widen_to_queue_ids"), step.widen_to_queue_ids_size(),
             kMaxWidened);
      AtMost(absl::StrCat(path, ".widen_to_agent_ids"), step.widen_to_agent_ids_size(),
             kMaxWidened);
      const auto not_required = [&](absl::string_view place, const std::string& skill) {
        if (required.count(skill) > 0) return false;
        // A language may be required by name.
        if (skill == kItsLanguage &&
            std::any_of(required.begin(), required.end(),
                        [](const auto& r) { return absl::StartsWith(r.first, kLanguagePrefix); })) {
          return false;
        }
        Warn(place, absl::StrCat("\"", skill, "\" is not required here"));
        return true;
      };
      for (const std::string& skill : step.drop_skill_ids()) {
        not_required(absl::StrCat(path, ".drop_skill_ids"), skill);
        required.erase(skill);
      }
      std::set<std::string> lowered;
      for (const Skill& skill : step.lower_skills()) {
        const std::string place = absl::StrCat(path, ".lower_skills[", skill.skill_id(), "]");
        Id(place, skill.skill_id(), lowered);
        Proficiency(place, skill.proficiency());
        if (not_required(place, skill.skill_id())) continue;
        const auto it = required.find(skill.skill_id());
        if (it == required.end()) continue;
        if (skill.proficiency() >= it->second) {
          Error(absl::StrCat(place, ".proficiency"),
                absl::StrCat(skill.proficiency(), "; lower than before, ", it->second));
        }
        it->second = skill.proficiency();
      }
      for (const config::v1::SkillAlternative& a : step.alternatives()) {
        const std::string place = absl::StrCat(path, ".alternatives[", a.skill_id(), "]");
        Proficiency(place, a.proficiency());
        std::set<std::string> once;
        Id(absl::StrCat(place, ".or_skill_id"), a.or_skill_id(), once);
        not_required(place, a.skill_id());
      }
      for (const std::string& id : step.widen_to_queue_ids()) {
        QueueOf(absl::StrCat(path, ".widen_to_queue_ids"), id, queue.routing_group_id());
      }
      for (const std::string& id : step.widen_to_agent_ids()) {
        const std::string place = absl::StrCat(path, ".widen_to_agent_ids");
        const auto found = group_of_agent().find(id);
        if (found == group_of_agent().end()) {
          Error(place, absl::StrCat("no agent \"", id, "\""));
        } else if (found->second != queue.routing_group_id()) {
          Error(place, absl::StrCat("agent \"", id, "\" is of another routing group"));
        }
      }
    }
  }

  void OverflowRules(const std::string& queue_path, const Queue& queue) {
    if (queue.overflow_rules_size() > kMaxSteps) {
      Error(absl::StrCat(queue_path, ".overflow_rules"),
            absl::StrCat(queue.overflow_rules_size(), "; at most ", kMaxSteps));
    }
    for (int i = 0; i < queue.overflow_rules_size(); ++i) {
      const OverflowRule& rule = queue.overflow_rules(i);
      const std::string path = absl::StrCat(queue_path, ".overflow_rules[", i, "]");
      Range(absl::StrCat(path, ".after"), rule.after(), absl::ZeroDuration(),
            absl::Hours(366 * 24));
      Range(absl::StrCat(path, ".above_waiting"), rule.above_waiting(), 0,
            std::numeric_limits<int32_t>::max());
      switch (rule.action_case()) {
        case OverflowRule::kToQueueId:
          QueueOf(absl::StrCat(path, ".to_queue_id"), rule.to_queue_id(), queue.routing_group_id());
          break;
        case OverflowRule::kToAnyone:
          if (!rule.to_anyone()) Error(absl::StrCat(path, ".to_anyone"), "can only be true");
          break;
        case OverflowRule::kRequestCallback:
          if (!rule.request_callback()) {
            Error(absl::StrCat(path, ".request_callback"), "can only be true");
          }
          break;
        case OverflowRule::kSendText:
          if (rule.send_text().empty() || rule.send_text().size() > kMaxTextBytes) {
            Error(absl::StrCat(path, ".send_text"),
                  absl::StrCat(rule.send_text().size(), " bytes; 1 to ", kMaxTextBytes));
          }
          if (const std::string place = UnknownPlace(rule.send_text()); !place.empty()) {
            Error(absl::StrCat(path, ".send_text"),
                  absl::StrCat(place, " is neither {position} nor {minutes}"));
          }
          if (HasPlaces(rule.send_text()) && !queue.tell_waiting_time()) {
            Error(absl::StrCat(path, ".send_text"),
                  "says how long it takes: the queue needs tell_waiting_time");
          }
          break;
        case OverflowRule::ACTION_NOT_SET:
          Error(path, "says nothing to do");
          break;
      }
    }
  }

  // Every circle of queues that overflow into each other, once.
  void OverflowCircles() {
    std::map<std::string, const Queue*> queues;
    for (const Queue& queue : config_.queues()) queues.emplace(queue.queue_id(), &queue);
    std::set<std::string> done;
    std::vector<std::string> way;
    const auto visit = [&](const auto& self, const std::string& id) -> void {
      const auto again = std::find(way.begin(), way.end(), id);
      if (again != way.end()) {
        Error(absl::StrCat("queues[", id, "].overflow_rules"),
              absl::StrCat("lead in a circle: ",
                           absl::StrJoin(std::vector<std::string>(again, way.end()), " to "),
                           " to ", id));
        return;
      }
      const auto queue = queues.find(id);
      if (queue == queues.end() || done.count(id) > 0) return;
      way.push_back(id);
      for (const OverflowRule& rule : queue->second->overflow_rules()) {
        if (rule.action_case() == OverflowRule::kToQueueId) self(self, rule.to_queue_id());
      }
      way.pop_back();
      done.insert(id);
    };
    for (const Queue& queue : config_.queues()) visit(visit, queue.queue_id());
  }

  // Skills that a queue asks for by their own name.
  std::set<std::string> NamedSkills() const {
    std::set<std::string> named;
    for (const Queue& queue : config_.queues()) {
      for (const Skill& skill : queue.required_skills()) named.insert(skill.skill_id());
      for (const auto& skill : queue.preferred_skills()) named.insert(skill.skill_id());
      for (const RelaxationStep& step : queue.relaxation_steps()) {
        for (const auto& a : step.alternatives()) named.insert(a.or_skill_id());
      }
    }
    return named;
  }

  // An agent's language that no conversation has, and no queue asks for.
  void Language(absl::string_view path, const std::string& skill_id,
                const std::set<std::string>& named) {
    if (!absl::StartsWith(skill_id, kLanguagePrefix) || named.count(skill_id) > 0) return;
    const std::string primary =
        PrimaryLanguage(absl::string_view(skill_id).substr(kLanguagePrefix.size()));
    if (skill_id == absl::StrCat(kLanguagePrefix, primary)) return;
    Warn(absl::StrCat(path, ".skills[", skill_id, "]"),
         absl::StrCat("no conversation's language: write \"", kLanguagePrefix, primary, "\""));
  }

  void Agents() {
    std::set<std::string> ids;
    std::set<std::string> subjects;
    const std::set<std::string> named = NamedSkills();
    for (const Agent& agent : config_.agents()) {
      const std::string path = absl::StrCat("agents[", agent.agent_id(), "]");
      Id(path, agent.agent_id(), ids);
      Group(absl::StrCat(path, ".routing_group_id"), agent.routing_group_id());
      const std::string& subject = agent.subject().empty() ? agent.agent_id() : agent.subject();
      if (!subjects.insert(subject).second) {
        Error(absl::StrCat(path, ".subject"),
              absl::StrCat("another agent has \"", subject, "\" too"));
      }
      Skills(absl::StrCat(path, ".skills"), agent.skills());
      for (const Skill& skill : agent.skills()) Language(path, skill.skill_id(), named);
      std::set<std::string> served;
      const auto serves = [&](absl::string_view field, const std::string& queue) {
        const std::string place = absl::StrCat(path, field);
        if (QueueOf(place, queue, agent.routing_group_id()) && !served.insert(queue).second) {
          Error(place, absl::StrCat("\"", queue, "\" is there twice"));
        }
      };
      for (const std::string& queue : agent.queue_ids()) serves(".queue_ids", queue);
      for (const std::string& queue : agent.secondary_queue_ids()) {
        serves(".secondary_queue_ids", queue);
      }
      Range(absl::StrCat(path, ".capacity_units"), agent.capacity_units(), 0, kMaxCapacityUnits);
      std::set<int> kinds;
      for (const config::v1::ChannelLimit& limit : agent.channel_limits()) {
        const std::string place =
            absl::StrCat(path, ".channel_limits[", common::v1::ChannelKind_Name(limit.kind()), "]");
        Kind(place, limit.kind());
        if (!kinds.insert(limit.kind()).second) Error(place, "there twice");
        Range(absl::StrCat(place, ".max_conversations"), limit.max_conversations(), 0,
              kMaxConversations);
      }
    }
  }

  void Channels() {
    std::set<int> kinds;
    std::map<int, std::vector<int>> may_interrupt;
    for (const ChannelPolicy& channel : config_.channels()) {
      const std::string path =
          absl::StrCat("channels[", common::v1::ChannelKind_Name(channel.kind()), "]");
      Kind(path, channel.kind());
      if (!kinds.insert(channel.kind()).second) Error(path, "there twice");
      // 0 is the default.
      Range(absl::StrCat(path, ".weight_units"), channel.weight_units(), 0, 1000);
      Range(absl::StrCat(path, ".max_conversations"), channel.max_conversations(), 0,
            kMaxConversations);
      for (const int other : channel.may_interrupt()) {
        Kind(absl::StrCat(path, ".may_interrupt"), static_cast<ChannelKind>(other));
        may_interrupt[channel.kind()].push_back(other);
      }
    }
    for (const ChannelPolicy& channel : config_.channels()) {
      std::set<int> seen;
      std::vector<int> next = may_interrupt[channel.kind()];
      while (!next.empty()) {
        const int kind = next.back();
        next.pop_back();
        if (!seen.insert(kind).second) continue;
        const auto further = may_interrupt.find(kind);
        if (further == may_interrupt.end()) continue;
        next.insert(next.end(), further->second.begin(), further->second.end());
      }
      if (seen.count(channel.kind()) > 0) {
        Error(absl::StrCat("channels[", common::v1::ChannelKind_Name(channel.kind()),
                           "].may_interrupt"),
              "leads in a circle");
      }
    }
  }

  void Calendars() {
    std::set<std::string> known;
    for (const config::v1::Calendar& calendar : config_.calendars()) {
      const std::string path = absl::StrCat("calendars[", calendar.calendar_id(), "]");
      Slug(path, calendar.calendar_id(), known);
      const auto built = BuildCalendar(calendar);
      if (!built.ok()) {
        Error(path, built.status().message());
      } else if (!built->HasOpenings()) {
        Error(path, "never opens");
      } else if (config_.has_applied_time() &&
                 built->NextOpening(FromProto(config_.applied_time())) == absl::InfiniteFuture()) {
        Warn(path, "never opens again: all its openings lie in the past");
      }
    }
  }

  const WorkspaceConfig& config_;
};

}  // namespace

std::vector<PolicyFinding> CheckPolicy(const WorkspaceConfig& config) {
  return Checker(config).Run();
}

}  // namespace wissel::routing
