#include "services/ctl/standing.h"

#include <boost/json.hpp>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/proto_time.h"
#include "libs/domain/engine.h"
#include "services/ctl/output.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {
namespace {

using routing::Obstacles;
using state::v1::AgentState;
using state::v1::ConversationState;
using Reason = AgentStanding::Reason;

boost::json::array Texts(const std::vector<std::string>& texts) {
  boost::json::array array;
  for (const std::string& text : texts) array.push_back(boost::json::string(text));
  return array;
}

Reason NotInQueue(const std::vector<std::string>& queue_ids) {
  const std::string queues = absl::StrJoin(queue_ids, ", ");
  return {queue_ids.size() == 1
              ? absl::StrCat("does not serve queue ", queues, ": add it to their queue_ids")
              : absl::StrCat("serves none of the queues ", queues, ": add one to their queue_ids"),
          {{"reason", "not_in_queue"}, {"queue_ids", Texts(queue_ids)}}};
}

Reason LacksSkill(const std::vector<Obstacles::Skill>& any_of) {
  std::string text;
  boost::json::array json;
  for (const Obstacles::Skill& skill : any_of) {
    absl::StrAppend(
        &text, text.empty() ? "lacks " : " or ", skill.skill_id, " at ", skill.level,
        skill.has == 0 ? " (does not have it)" : absl::StrCat(" (has ", skill.has, ")"));
    json.push_back({{"skill_id", skill.skill_id}, {"needed", skill.level}, {"has", skill.has}});
  }
  return {std::move(text), {{"reason", "lacks_skill"}, {"any_of", std::move(json)}}};
}

Reason NotAvailable(const AgentState& agent) {
  const bool connected = !agent.sessions().empty();
  const std::string presence = EnumName(agent.presence());
  return {connected
              ? absl::StrCat("is ", presence,
                             agent.presence_reason().empty()
                                 ? ""
                                 : absl::StrCat(" (", OneLine(agent.presence_reason(), 40), ")"),
                             ": would have to be available")
              : "is not connected: would have to connect and be available",
          {{"reason", "not_available"}, {"connected", connected}, {"presence", presence}}};
}

Reason NoRoom(const Obstacles& o, const AgentState& agent) {
  const int64_t more = o.units_needed - o.units_free;
  std::string text =
      absl::StrCat("has no room: ", Units(o.units_needed), " needed, ",
                   std::max<int64_t>(0, o.units_free), " of ", agent.capacity_units(), " free: ");
  if (agent.capacity_units() >= o.units_needed) {
    absl::StrAppend(&text, more, " more would have to be done, or ");
  }
  absl::StrAppend(&text, "a capacity of ", agent.capacity_units() + more);
  return {std::move(text),
          {{"reason", "no_capacity"},
           {"needed_units", o.units_needed},
           {"free_units", o.units_free},
           {"capacity_units", agent.capacity_units()}}};
}

Reason AtLimit(const Obstacles& o, common::v1::ChannelKind kind) {
  const std::string channel = EnumName(kind);
  return {
      absl::StrCat("holds ", o.held, " ", channel,
                   o.held == 1 ? " conversation, " : " conversations, ", o.limit,
                   " allowed: ", o.limit == 0 ? "" : "fewer, or ", "a limit of ", o.held + 1),
      {{"reason", "channel_limit"}, {"channel", channel}, {"held", o.held}, {"limit", o.limit}}};
}

Reason Excluded(const ConversationState& c, absl::string_view agent_id) {
  const auto exclusion =
      std::find_if(c.exclusions().begin(), c.exclusions().end(),
                   [&](const state::v1::Exclusion& e) { return e.agent_id() == agent_id; });
  const google::protobuf::Timestamp& end = exclusion->expire_time();
  const std::string until =
      absl::FormatTime(absl::RFC3339_full, FromProto(end), absl::UTCTimeZone());
  return {absl::StrCat("declined or missed it: may pull it, and is asked again from ",
                       FormatTime(end), " on"),
          {{"reason", "excluded"}, {"until", until}}};
}

std::vector<Reason> ReasonsOf(const Obstacles& o, const AgentState& agent,
                              const ConversationState& c) {
  std::vector<Reason> reasons;
  if (agent.leaving()) {
    return {{"is leaving, and takes nothing new: the configuration would have to have them again",
             {{"reason", "leaving"}}}};
  }
  if (o.unknown_agent) {
    return {{"the configuration does not have them", {{"reason", "unknown_agent"}}}};
  }
  if (o.unknown_queue) {
    reasons.push_back({"it stands in no queue of the configuration", {{"reason", "no_queue"}}});
  }
  if (!o.queue_ids.empty()) reasons.push_back(NotInQueue(o.queue_ids));
  for (const auto& any_of : o.skills) reasons.push_back(LacksSkill(any_of));
  if (o.not_available) reasons.push_back(NotAvailable(agent));
  if (o.no_room) reasons.push_back(NoRoom(o, agent));
  if (o.at_limit) reasons.push_back(AtLimit(o, c.account().kind()));
  if (o.excluded) reasons.push_back(Excluded(c, agent.agent_id()));
  return reasons;
}

}  // namespace

std::vector<AgentStanding> JudgeAgents(const domain::State& state,
                                       absl::string_view conversation_id) {
  const domain::Engine engine(state.Copy(), {.holds = [](absl::string_view) { return true; }});
  const ConversationState* c = engine.state().FindConversation(conversation_id);
  const bool has_agent = c != nullptr && (c->status() == state::v1::CONVERSATION_STATUS_ACTIVE ||
                                          c->status() == state::v1::CONVERSATION_STATUS_PARKED);
  std::vector<AgentStanding> standings;
  for (const domain::Engine::Standing& s : engine.Judge(conversation_id)) {
    const AgentState& agent = *engine.state().FindAgent(c->workspace_id(), s.agent_id);
    standings.push_back({.agent_id = s.agent_id,
                         .has_it = has_agent && c->agent_id() == s.agent_id,
                         .asked = c->has_offer() && c->offer().agent_id() == s.agent_id,
                         .free_units = s.obstacles.units_free,
                         .reasons = ReasonsOf(s.obstacles, agent, *c)});
  }
  return standings;
}

std::string DescribeStanding(const AgentStanding& standing) {
  std::string text = absl::StrCat(standing.agent_id, ": ");
  if (standing.asked) return absl::StrCat(text, "is asked");
  if (standing.has_it) return absl::StrCat(text, "has it");
  if (standing.reasons.empty()) {
    return absl::StrCat(text, "may take it, ", Units(standing.free_units), " free");
  }
  return absl::StrCat(
      text, absl::StrJoin(standing.reasons, "; ", [](std::string* out, const Reason& reason) {
        absl::StrAppend(out, reason.text);
      }));
}

boost::json::array StandingsJson(const std::vector<AgentStanding>& standings) {
  boost::json::array agents;
  for (const AgentStanding& standing : standings) {
    boost::json::array reasons;
    for (const Reason& reason : standing.reasons) {
      boost::json::object json = reason.json;
      json["text"] = reason.text;
      reasons.push_back(std::move(json));
    }
    agents.push_back({{"agent_id", standing.agent_id},
                      {"eligible", standing.reasons.empty()},
                      {"has_it", standing.has_it},
                      {"asked", standing.asked},
                      {"free_units", standing.free_units},
                      {"reasons", std::move(reasons)}});
  }
  return agents;
}

}  // namespace wissel::ctl
