#include "libs/domain/testing_model.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/domain/testing_model_impl.h"
#include "libs/routing/sla.h"

namespace wissel::domain::testing {

using conversation::v1::Assigned;
using routing::Waiting;
using routing::testing::NaiveMatcher;
using state::v1::ConversationState;

namespace {

// The most urgent of what waits and may be given to somebody; nothing: nobody could take anything.
std::optional<Waiting> MostUrgent(const NaiveMatcher& matcher) {
  std::optional<Waiting> first;
  for (const auto& [id, waiting] : matcher.waiting()) {
    if (first.has_value() && !matcher.MoreUrgent(waiting, *first)) continue;
    if (matcher.ChooseAgent(waiting).has_value()) first = waiting;
  }
  return first;
}

}  // namespace

Waiting EngineModel::WaitingOf(const std::string& conversation_id) const {
  const config::v1::PriorityPolicy& points = config_.priority();
  const Seen& seen = seen_.at(conversation_id);
  Waiting waiting;
  waiting.conversation_id = conversation_id;
  waiting.queue_id = seen.queue_id;
  waiting.kind = seen.account.kind();
  waiting.language = seen.language;
  waiting.waiting_since = seen.place;
  waiting.priority.own = seen.own_points;
  for (const auto& [metric, cycle] : seen.cycles) {
    waiting.priority.escalation += cycle.points;
    waiting.extra_relaxation_steps += cycle.relax_steps;
  }
  for (const auto& tier : points.tiers()) {
    if (tier.tier() == seen.facts.tier()) waiting.priority.tier = tier.points();
  }
  for (const auto& order : points.order_states()) {
    if (order.order_state() == seen.facts.order_state()) {
      waiting.priority.order_state = order.points();
    }
  }
  if (seen.facts.has_lifetime_value_cents()) {
    std::map<int64_t, int32_t> reached;
    for (const auto& value : points.lifetime_values()) {
      if (value.min_lifetime_value_cents() <= seen.facts.lifetime_value_cents()) {
        reached[value.min_lifetime_value_cents()] = value.points();
      }
    }
    if (!reached.empty()) waiting.priority.lifetime_value = reached.rbegin()->second;
  }
  const ConversationState& c = *state_.FindConversation(conversation_id);
  if (c.has_sla()) {
    const routing::SlaClock clock = state_.SlaClockOf(c);
    int32_t reached = 0;
    for (const routing::SlaMetric metric :
         {routing::SlaMetric::kFirstResponse, routing::SlaMetric::kNextResponse}) {
      waiting.sla_due = std::min(waiting.sla_due, clock.DueTime(metric));
      if (clock.DueTime(metric) == absl::InfiniteFuture()) continue;
      for (const auto& share : points.sla_proximity()) {
        if (clock.metric(metric).said_percent < share.percent() || share.percent() < reached) {
          continue;
        }
        reached = share.percent();
        waiting.priority.sla_proximity = share.points();
      }
    }
  }
  waiting.anyone = seen.anyone;
  waiting.sticky_agent_id = seen.sticky_agent_id;
  for (const auto& [agent_id, until] : seen.excluded) {
    if (until > state_.time()) waiting.excluded_agent_ids.push_back(agent_id);
  }
  return waiting;
}

NaiveMatcher& EngineModel::Matcher(const std::string& group) {
  NaiveMatcher& matcher = matchers_[group];
  if (!told_.insert(group).second) return matcher;
  for (const auto& [agent_id, row] : rows_) {
    if (row.group != group) continue;
    routing::AgentLoad load;
    load.available = row.presence == command::v1::PRESENCE_AVAILABLE && !row.sessions.empty();
    load.capacity_units = row.capacity_units;
    load.idle_since = row.idle_since;
    load.last_given = row.last_given;
    for (const auto& [kind, use] : HeldBy(agent_id)) load.held[static_cast<size_t>(kind)] = use;
    matcher.SetAgent(agent_id, load);
  }
  std::vector<std::string> gone;
  for (const auto& [id, waiting] : matcher.waiting()) {
    const auto seen = seen_.find(id);
    if (seen == seen_.end() || seen->second.status != kQueued) gone.push_back(id);
  }
  for (const std::string& id : gone) matcher.RemoveWaiting(id);
  for (const auto& [id, seen] : seen_) {
    if (seen.status == kQueued && seen.group == group) matcher.AddWaiting(WaitingOf(id));
  }
  matcher.Advance(state_.time());
  return matcher;
}

std::string EngineModel::CheckMay(const std::string& conversation_id, const std::string& agent_id,
                                  const routing::Matcher::Check& check) {
  const auto why_not =
      Matcher(seen_[conversation_id].group).WhyNot(agent_id, WaitingOf(conversation_id), check);
  if (!why_not.has_value()) return "";
  return absl::StrCat(agent_id, " may not have ", conversation_id, ": ",
                      conversation::v1::Explanation::PassedOver_Name(*why_not), "\n");
}

std::string EngineModel::CheckGiven(const std::string& conversation_id, const std::string& agent_id,
                                    const conversation::v1::Explanation& explanation) {
  const NaiveMatcher& matcher = Matcher(seen_[conversation_id].group);
  const auto given = matcher.waiting().find(conversation_id);
  if (given == matcher.waiting().end()) {
    return absl::StrCat(conversation_id, " is given out, but does not wait\n");
  }
  const std::optional<std::string> best = matcher.ChooseAgent(given->second);
  if (best != agent_id) {
    return absl::StrCat(conversation_id, " is given to ", agent_id, " instead of ",
                        best.value_or("nobody"), "\n");
  }
  if (const std::optional<Waiting> first = MostUrgent(matcher);
      first->conversation_id != conversation_id) {
    return absl::StrCat(conversation_id, " is given out before ", first->conversation_id, "\n");
  }
  const conversation::v1::Explanation expected = matcher.Explain(given->second);
  if (!google::protobuf::util::MessageDifferencer::Equals(explanation, expected)) {
    return absl::StrCat(conversation_id, " is explained by\n", explanation.DebugString(),
                        "instead of\n", expected.DebugString());
  }
  return "";
}

std::string EngineModel::CheckAssigned(const Assigned& e) {
  const Seen& seen = seen_[e.conversation_id()];
  std::string wrong;
  if (const int32_t units =
          e.reason() == Assigned::REASON_OFFER_ACCEPTED ? seen.units : UnitsOf(seen);
      e.units() != units) {
    absl::StrAppend(&wrong, e.conversation_id(), " takes ", e.units(), " of ", e.agent_id(),
                    " instead of ", units, "\n");
  }
  switch (e.reason()) {
    case Assigned::REASON_OFFER_ACCEPTED:
      if (seen.status == kOffered && seen.holder == e.agent_id()) return wrong;
      return absl::StrCat(wrong, e.conversation_id(), " is not ", e.agent_id(), "'s to accept\n");
    case Assigned::REASON_AUTO_ACCEPTED:
      // It was given before what was due by then was said, though it stands behind that.
      if (owed_.said.contains(e.conversation_id())) return wrong;
      return absl::StrCat(wrong, CheckGiven(e.conversation_id(), e.agent_id(), e.explanation()));
    case Assigned::REASON_PULLED:
      return absl::StrCat(wrong, CheckMay(e.conversation_id(), e.agent_id(), {.exclusion = false}));
    case Assigned::REASON_RESUMED:
      return absl::StrCat(wrong, CheckMay(e.conversation_id(), e.agent_id(),
                                          {.requirement = false, .exclusion = false}));
    // Over the capacity, too, where the supervisor says so.
    case Assigned::REASON_REASSIGNED:
      return absl::StrCat(wrong,
                          CheckMay(e.conversation_id(), e.agent_id(),
                                   {.requirement = false, .exclusion = false, .room = false}));
    default:
      return wrong;
  }
}

std::string EngineModel::CheckAgents() const {
  std::string wrong;
  for (const auto& [id, seen] : seen_) {
    if (seen.holder.empty()) continue;
    const auto row = rows_.find(seen.holder);
    // What is parked may be whoever's it was.
    if (row == rows_.end() && seen.status == kParked) continue;
    if (row == rows_.end()) {
      absl::StrAppend(&wrong, id, " is with ", seen.holder, ", who is gone\n");
      continue;
    }
    const bool offline = row->second.presence == command::v1::PRESENCE_OFFLINE;
    const bool away = row->second.presence == command::v1::PRESENCE_AWAY;
    const bool stranger = row->second.group != seen.group && seen.status != kParked;
    if (stranger || (seen.status == kOffered && (offline || away)) ||
        (seen.status == kActive && offline && IsLive(seen)) ||
        (offline && row->second.forced_out)) {
      absl::StrAppend(&wrong, id, " is still with ", seen.holder, "\n");
    }
  }
  return wrong;
}

std::string EngineModel::CheckWaiting() {
  std::string wrong = CheckAgents();
  for (const auto& [id, seen] : seen_) {
    if (seen.status != kQueued || FindQueueIn(seen.group, seen.queue_id) != nullptr ||
        Select(seen, "").empty()) {
      continue;
    }
    absl::StrAppend(&wrong, id, " waits in ", seen.queue_id, ", which is gone\n");
  }
  for (const config::v1::RoutingGroup& group : config_.routing_groups()) {
    const NaiveMatcher& matcher = Matcher(group.routing_group_id());
    const std::optional<Waiting> first = MostUrgent(matcher);
    if (!first.has_value()) continue;
    absl::StrAppend(&wrong, first->conversation_id, " waits, although ",
                    matcher.ChooseAgent(*first).value(), " could take it\n");
  }
  return wrong;
}

}  // namespace wissel::domain::testing
