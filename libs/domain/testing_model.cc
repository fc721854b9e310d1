#include "libs/domain/testing_model.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/message_differencer.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing.h"
#include "libs/routing/calendar_config.h"
#include "libs/routing/sla.h"
#include "libs/routing/sla_config.h"

namespace wissel::domain::testing {

using common::v1::ChannelKind;
using config::v1::WorkspaceConfig;
using conversation::v1::Assigned;
using conversation::v1::Event;
using conversation::v1::Queued;
using routing::Waiting;
using routing::testing::NaiveMatcher;
using state::v1::ConversationState;

namespace {

// For short: the statuses of a conversation.
constexpr auto kQueued = state::v1::CONVERSATION_STATUS_QUEUED;
constexpr auto kOffered = state::v1::CONVERSATION_STATUS_OFFERED;
constexpr auto kActive = state::v1::CONVERSATION_STATUS_ACTIVE;
constexpr auto kParked = state::v1::CONVERSATION_STATUS_PARKED;
constexpr auto kResolved = state::v1::CONVERSATION_STATUS_RESOLVED;

constexpr absl::Duration kEstimateInterval = absl::Minutes(1);

template <typename Values, typename Value>
bool Has(const Values& values, const Value& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

template <typename Values, typename Value>
bool HasOrEmpty(const Values& values, const Value& value) {
  return values.empty() || Has(values, value);
}

// What may be longer, in what is said of a failure.
std::string Short(absl::Time time) {
  return absl::FormatTime("%H:%M:%E3S", time, absl::UTCTimeZone());
}

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

// ---------------------------------------------------------------------------------------------
// What is known

const config::v1::Queue* EngineModel::FindQueue(const std::string& queue_id) const {
  for (const config::v1::Queue& queue : effective_.queues()) {
    if (queue.queue_id() == queue_id) return &queue;
  }
  return nullptr;
}

const config::v1::ChannelPolicy* EngineModel::FindChannel(ChannelKind kind) const {
  for (const config::v1::ChannelPolicy& channel : config_.channels()) {
    if (channel.kind() == kind) return &channel;
  }
  return nullptr;
}

EngineModel::Row* EngineModel::FindRow(const std::string& agent_id) {
  const auto row = rows_.find(agent_id);
  return row == rows_.end() ? nullptr : &row->second;
}

bool EngineModel::InGroup(const std::string& queue_id, const std::string& group) const {
  const config::v1::Queue* queue = FindQueue(queue_id);
  return queue != nullptr && queue->routing_group_id() == group;
}

int32_t EngineModel::UnitsOf(const Seen& seen) const {
  const config::v1::ChannelPolicy* channel = FindChannel(seen.account.kind());
  return channel == nullptr ? 1 : std::max(1, channel->weight_units());
}

bool EngineModel::IsLive(const Seen& seen) const {
  const config::v1::ChannelPolicy* channel = FindChannel(seen.account.kind());
  return channel != nullptr && channel->live();
}

int64_t EngineModel::CountWaiting(const std::string& queue_id) const {
  return std::count_if(seen_.begin(), seen_.end(), [&](const auto& entry) {
    return entry.second.status == kQueued && entry.second.queue_id == queue_id;
  });
}

std::map<int, routing::ChannelUse> EngineModel::HeldBy(const std::string& agent_id) const {
  std::map<int, routing::ChannelUse> held;
  const auto add = [&](ChannelKind kind, int32_t units) {
    ++held[kind].conversations;
    held[kind].units += units;
  };
  for (const auto& [id, seen] : seen_) {
    if (seen.holder == agent_id && seen.units > 0) add(seen.account.kind(), seen.units);
  }
  for (const AfterWork& work : rows_.at(agent_id).after_work) add(work.kind, work.units);
  return held;
}

void EngineModel::PutInForce() {
  effective_.Clear();
  for (const auto& [id, kept] : kept_) *effective_.add_queues() = kept.queue();
  effective_.MergeFrom(config_);
  for (const auto& [id, kept] : kept_) {
    for (config::v1::Agent& agent : *effective_.mutable_agents()) {
      if (agent.routing_group_id() != kept.queue().routing_group_id()) continue;
      if (Has(kept.agent_ids(), agent.agent_id())) agent.add_queue_ids(id);
      if (Has(kept.secondary_agent_ids(), agent.agent_id())) agent.add_secondary_queue_ids(id);
    }
  }
  calendars_.clear();
  for (const config::v1::Calendar& calendar : config_.calendars()) {
    calendars_[calendar.calendar_id()] =
        std::make_shared<routing::Calendar>(*routing::BuildCalendar(calendar));
  }
  for (const config::v1::RoutingGroup& group : config_.routing_groups()) {
    matchers_[group.routing_group_id()].Configure(effective_, group.routing_group_id());
  }
  told_.clear();
}

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

// ---------------------------------------------------------------------------------------------
// Following

std::string EngineModel::Follow(const log::v1::Decision& decision) {
  state_.BeginDecision(decision.cause(), FromProto(decision.time()));
  told_.clear();
  owed_ = {};
  std::string wrong;
  // What a person hands to an agent is not matched.
  std::set<std::string> handed;
  for (const Event& event : decision.events()) {
    if (!event.transferred().to_agent_id().empty()) {
      handed.insert(event.transferred().conversation_id());
    }
    if (event.has_offered()) {
      const auto& e = event.offered();
      absl::StrAppend(&wrong, handed.contains(e.conversation_id())
                                  ? CheckMay(e.conversation_id(), e.agent_id(),
                                             {.requirement = false, .exclusion = false})
                                  : CheckGiven(e.conversation_id(), e.agent_id(), e.explanation()));
    }
    if (event.has_assigned()) absl::StrAppend(&wrong, SeeAssigned(event.assigned()));
    absl::StrAppend(&wrong, See(event));
    state_.ApplyEvent(event);
    told_.clear();
  }
  for (const std::string& agent_id : owed_.away) {
    const Row* row = FindRow(agent_id);
    if (row != nullptr && row->presence == command::v1::PRESENCE_AVAILABLE) {
      absl::StrAppend(&wrong, agent_id, " has missed too much and does not go away\n");
    }
  }
  for (const auto& [agent_id, work] : owed_.after_work) {
    absl::StrAppend(&wrong, agent_id, " has no after-work of ", work.conversation_id, "\n");
  }
  for (const std::string& id : owed_.measured) {
    const auto seen = seen_.find(id);
    if (seen == seen_.end() || !seen->second.open()) continue;
    if (const std::string wanted = WantedSlaPolicy(seen->second);
        wanted != seen->second.sla_policy_id) {
      absl::StrAppend(&wrong, id, " is measured by \"", seen->second.sla_policy_id,
                      "\" instead of \"", wanted, "\"\n");
    }
  }
  return wrong;
}

void EngineModel::TakeFrom(Seen& seen, state::v1::ConversationStatus status) {
  if (Row* row = FindRow(seen.holder); row != nullptr && seen.status == kActive) {
    row->idle_since = state_.time();
  }
  seen.holder = "";
  seen.units = 0;
  seen.status = status;
}

void EngineModel::EndOffer(const std::string& conversation_id) {
  TakeFrom(seen_[conversation_id], kQueued);
}

bool EngineModel::IsAnswer(const conversation::v1::ReplySent& reply) const {
  if (reply.actor().role() == common::v1::ROLE_BOT) {
    for (const auto& policy : config_.sla_policies()) {
      if (policy.sla_policy_id() == seen_.at(reply.conversation_id()).sla_policy_id) {
        return policy.bot_answers_count();
      }
    }
  }
  return !reply.actor().subject().empty();
}

void EngineModel::Exclude(const std::string& conversation_id, const std::string& agent_id) {
  Seen& seen = seen_[conversation_id];
  const config::v1::Queue* queue = FindQueue(seen.queue_id);
  seen.excluded[agent_id] = state_.time() + (queue != nullptr && queue->has_decline_cooldown()
                                                 ? FromProto(queue->decline_cooldown())
                                                 : absl::Minutes(1));
}

void EngineModel::MissOffer(const std::string& conversation_id, const std::string& agent_id) {
  const config::v1::Queue* queue = FindQueue(seen_[conversation_id].queue_id);
  const int most =
      queue == nullptr || queue->max_missed_offers() == 0 ? 2 : queue->max_missed_offers();
  Row* row = FindRow(agent_id);
  if (row != nullptr && ++row->missed >= most && row->presence == command::v1::PRESENCE_AVAILABLE) {
    owed_.away.insert(agent_id);
  }
}

void EngineModel::Rearm(Seen& seen) {
  for (auto& [metric, cycle] : seen.cycles) cycle.said.clear();
}

std::string EngineModel::Say(const std::string& conversation_id, config::v1::SlaMetric metric,
                             int32_t percent) {
  Cycle& cycle = seen_[conversation_id].cycles[metric];
  cycle.said_percent = std::max(cycle.said_percent, percent);
  owed_.said.insert(conversation_id);
  if (cycle.said.insert(percent).second) return "";
  return absl::StrCat(conversation_id, " is told again of ", percent, " %\n");
}

std::string EngineModel::See(const Event& event) {
  // What is for an answer, or for news until the next.
  const auto end_promises = [](Seen& seen) {
    for (const auto metric :
         {config::v1::SLA_METRIC_FIRST_RESPONSE, config::v1::SLA_METRIC_NEXT_RESPONSE,
          config::v1::SLA_METRIC_PERIODIC_UPDATE}) {
      seen.cycles.erase(metric);
    }
  };
  const absl::Time now = state_.time();
  switch (event.kind_case()) {
    case Event::kConversationOpened: {
      const auto& e = event.conversation_opened();
      Seen& seen = seen_[e.conversation_id()];
      seen.whose = absl::StrCat(e.account().account_id(), " ", e.contact().contact_id());
      seen.group = e.routing_group_id();
      seen.account = e.account();
      seen.language = e.language();
      seen.subject = e.subject();
      seen.facts = e.facts();
      seen.status = kQueued;
      return "";
    }
    case Event::kMessageReceived: {
      const auto& e = event.message_received();
      Seen& seen = seen_[e.conversation_id()];
      for (const message::v1::Content& content : e.message().contents()) {
        absl::StrAppend(&owed_.texts[e.conversation_id()], content.text().text(), "\n");
      }
      if (!IsQuiet(e.message())) seen.customer_wrote = now;
      const ConversationState& c = *state_.FindConversation(e.conversation_id());
      const std::string& language =
          e.message().language().empty() ? e.message().facts().language() : e.message().language();
      if (c.messages() > 0 || seen.language == language) return "";
      return absl::StrCat(e.conversation_id(), " is in \"", seen.language, "\" instead of \"",
                          language, "\"\n");
    }
    case Event::kConversationUpdated: {
      const auto& e = event.conversation_updated();
      Seen& seen = seen_[e.conversation_id()];
      if (e.has_priority_points()) seen.own_points = e.priority_points();
      if (e.has_language()) seen.language = e.language();
      if (e.has_facts()) seen.facts = e.facts();
      owed_.measured.insert(e.conversation_id());
      return "";
    }
    case Event::kConversationForgotten:
      seen_.erase(event.conversation_forgotten().conversation_id());
      return "";
    case Event::kQueued:
      return SeeQueued(event.queued());
    case Event::kAssigned: {
      const auto& e = event.assigned();
      Seen& seen = seen_[e.conversation_id()];
      if (seen.status != kActive || seen.holder != e.agent_id()) seen.taken_up = now;
      TakeFrom(seen, kActive);
      seen.holder = e.agent_id();
      seen.units = e.units();
      seen.agent_id = e.agent_id();
      seen.excluded.clear();
      seen.due_to = "";
      if (e.reason() != Assigned::REASON_OFFER_ACCEPTED) ++given_;
      if (Row* row = FindRow(e.agent_id())) {
        row->idle_since = now;
        if (e.reason() != Assigned::REASON_OFFER_ACCEPTED) row->last_given = given_;
      }
      return "";
    }
    case Event::kOfferAccepted:
      if (Row* row = FindRow(event.offer_accepted().agent_id())) row->missed = 0;
      return "";
    case Event::kOfferDeclined:
      EndOffer(event.offer_declined().conversation_id());
      Exclude(event.offer_declined().conversation_id(), event.offer_declined().agent_id());
      return "";
    case Event::kOfferTimedOut:
      EndOffer(event.offer_timed_out().conversation_id());
      Exclude(event.offer_timed_out().conversation_id(), event.offer_timed_out().agent_id());
      MissOffer(event.offer_timed_out().conversation_id(), event.offer_timed_out().agent_id());
      return "";
    case Event::kOfferWithdrawn:
      EndOffer(event.offer_withdrawn().conversation_id());
      return "";
    case Event::kOffered: {
      const auto& e = event.offered();
      Seen& seen = seen_[e.conversation_id()];
      TakeFrom(seen, kOffered);
      seen.holder = e.agent_id();
      seen.units = e.units();
      seen.offer_ends = FromProto(e.expire_time());
      seen.agent_id = "";
      ++given_;
      if (Row* row = FindRow(e.agent_id())) row->last_given = given_;
      const config::v1::Queue* queue = FindQueue(seen.queue_id);
      const absl::Time ends =
          now + (queue != nullptr && queue->has_offer_timeout() ? FromProto(queue->offer_timeout())
                                                                : absl::Seconds(30));
      if (e.units() == UnitsOf(seen) && ends == seen.offer_ends) return "";
      return absl::StrCat(e.conversation_id(), " is offered at ", e.units(), " until ",
                          Short(seen.offer_ends), " instead of at ", UnitsOf(seen), " until ",
                          Short(ends), "\n");
    }
    case Event::kTransferred: {
      const auto& e = event.transferred();
      Seen& seen = seen_[e.conversation_id()];
      TakeFrom(seen, kQueued);
      seen.agent_id = "";
      seen.excluded.clear();
      seen.sent_to = e.to_agent_id().empty() ? e.to_queue_id() : seen.queue_id;
      if (e.to_agent_id().empty()) seen.due_to = "";
      return "";
    }
    case Event::kParked: {
      Seen& seen = seen_[event.parked().conversation_id()];
      const std::string holder = seen.holder;
      TakeFrom(seen, kParked);
      seen.holder = holder;
      seen.had = now;
      return "";
    }
    case Event::kResolved: {
      const auto& e = event.resolved();
      Seen& seen = seen_[e.conversation_id()];
      const config::v1::Queue* queue = FindQueue(seen.queue_id);
      if (seen.status == kActive && queue != nullptr && InGroup(seen.queue_id, seen.group) &&
          FromProto(queue->wrap_up_time()) > absl::ZeroDuration() &&
          FindRow(seen.holder) != nullptr && e.resolution() != "merged") {
        owed_.after_work[seen.holder] = {e.conversation_id(), seen.account.kind(), seen.units,
                                         now + FromProto(queue->wrap_up_time())};
      }
      TakeFrom(seen, kResolved);
      seen.had = now;
      seen.excluded.clear();
      seen.due_to = "";
      end_promises(seen);
      return "";
    }
    case Event::kReopened:
      Rearm(seen_[event.reopened().conversation_id()]);
      seen_[event.reopened().conversation_id()].status = kQueued;
      return "";
    case Event::kReplySent:
      if (Seen& seen = seen_[event.reply_sent().conversation_id()]; IsAnswer(event.reply_sent())) {
        seen.answered = now;
        end_promises(seen);
      }
      return "";
    case Event::kConfigApplied:
      SeeConfig(event.config_applied().config());
      return "";
    case Event::kQueueClosing:
      kept_[event.queue_closing().kept().queue().queue_id()] = event.queue_closing().kept();
      return "";
    case Event::kQueueClosed:
      kept_.erase(event.queue_closed().queue_id());
      PutInForce();
      return "";
    case Event::kAgentRemoved:
      rows_.erase(event.agent_removed().agent_id());
      return "";
    case Event::kAgentConnected:
      if (Row* row = FindRow(event.agent_connected().agent_id())) {
        row->sessions.insert(event.agent_connected().session_id());
        row->lost.reset();
      }
      return "";
    case Event::kAgentDisconnected:
      if (Row* row = FindRow(event.agent_disconnected().agent_id())) {
        row->sessions.erase(event.agent_disconnected().session_id());
        if (row->sessions.empty()) row->lost = now;
      }
      return "";
    case Event::kAgentPresenceChanged: {
      const auto& e = event.agent_presence_changed();
      Row& row = rows_.at(e.agent_id());
      row.presence = e.presence();
      row.forced_out = e.cause() == conversation::v1::AgentPresenceChanged::CAUSE_FORCED_LOGOUT;
      row.lost.reset();
      row.offline.reset();
      if (row.presence == command::v1::PRESENCE_OFFLINE) {
        row.offline = now;
      } else if (row.sessions.empty()) {
        row.lost = now;
      }
      if (row.presence == command::v1::PRESENCE_AVAILABLE) {
        row.idle_since = now;
        row.missed = 0;
      }
      if (e.cause() == conversation::v1::AgentPresenceChanged::CAUSE_MISSED_OFFERS &&
          !owed_.away.contains(e.agent_id())) {
        return absl::StrCat(e.agent_id(), " goes away and has not missed enough\n");
      }
      return "";
    }
    case Event::kAgentCapacityChanged:
      rows_.at(event.agent_capacity_changed().agent_id()).capacity_units =
          event.agent_capacity_changed().capacity_units();
      return "";
    case Event::kWrapUpStarted: {
      const auto& e = event.wrap_up_started();
      const AfterWork work{e.conversation_id(), e.channel_kind(), e.units(),
                           FromProto(e.expire_time())};
      std::vector<AfterWork>& all = rows_.at(e.agent_id()).after_work;
      all.push_back(work);
      const auto owed = owed_.after_work.extract(e.agent_id());
      if (!owed.empty() && owed.mapped() == work) return "";
      return absl::StrCat(e.agent_id(), " has after-work of ", e.conversation_id(),
                          " that is not owed\n");
    }
    case Event::kWrapUpEnded: {
      const auto& e = event.wrap_up_ended();
      Row& row = rows_.at(e.agent_id());
      std::erase_if(row.after_work, [&](const AfterWork& work) {
        return work.conversation_id == e.conversation_id();
      });
      row.idle_since = now;
      return "";
    }
    case Event::kOverflowed:
      return SeeOverflowed(event.overflowed());
    case Event::kOverflowPassedOver:
      return SeePassedOver(event.overflow_passed_over());
    case Event::kSlaPolicyApplied:
      Rearm(seen_[event.sla_policy_applied().conversation_id()]);
      seen_[event.sla_policy_applied().conversation_id()].sla_policy_id =
          event.sla_policy_applied().sla_policy_id();
      owed_.measured.insert(event.sla_policy_applied().conversation_id());
      return "";
    case Event::kSlaEscalated: {
      const auto& e = event.sla_escalated();
      Seen& seen = seen_[e.conversation_id()];
      Cycle& cycle = seen.cycles[e.metric()];
      cycle.points += e.escalation().add_priority_points();
      cycle.relax_steps += e.escalation().relax_steps();
      if (const std::string& to = e.escalation().overflow_to_queue_id(); !to.empty()) {
        seen.escalated_to = to;
        if (seen.status == kOffered) seen.due_to = to;
      }
      if (cycle.steps_taken.insert({e.sla_policy_id(), e.escalation().percent()}).second) return "";
      return absl::StrCat(e.conversation_id(), " takes step ", e.step(), " of ", e.sla_policy_id(),
                          " again\n");
    }
    case Event::kSlaWarned:
      return Say(event.sla_warned().conversation_id(), event.sla_warned().metric(),
                 event.sla_warned().percent());
    case Event::kSlaBreached:
      return Say(event.sla_breached().conversation_id(), event.sla_breached().metric(), 100);
    case Event::kSlaAtRisk:
      seen_[event.sla_at_risk().conversation_id()].at_risk = true;
      return "";
    case Event::kConversationMerged:
      SeeMerged(event.conversation_merged());
      return "";
    default:
      return "";
  }
}

void EngineModel::SeeMerged(const conversation::v1::ConversationMerged& e) {
  Seen& seen = seen_[e.conversation_id()];
  // Until it is resolved it has what it gained.
  if (e.has_into_conversation_id()) seen.handed_on = seen.cycles;
  if (!e.has_from_conversation_id()) return;
  if (e.unanswered()) seen.customer_wrote = state_.time();
  const ConversationState* target = state_.FindConversation(e.conversation_id());
  if (!target->has_sla()) return;
  Rearm(seen);
  const Seen& source = seen_[e.from_conversation_id()];
  const routing::SlaClock clock = state_.SlaClockOf(*target);
  for (const auto& [clock_of, theirs] : source.handed_on) {
    config::v1::SlaMetric metric = clock_of;
    if (metric == config::v1::SLA_METRIC_FIRST_RESPONSE ||
        metric == config::v1::SLA_METRIC_NEXT_RESPONSE) {
      metric = clock.Active(routing::SlaMetric::kFirstResponse)
                   ? config::v1::SLA_METRIC_FIRST_RESPONSE
                   : config::v1::SLA_METRIC_NEXT_RESPONSE;
    }
    Cycle& ours = seen.cycles[metric];
    ours.points = std::max(ours.points, theirs.points);
    if (source.queue_id == seen.queue_id) {
      ours.relax_steps = std::max(ours.relax_steps, theirs.relax_steps);
    }
    ours.steps_taken.insert(theirs.steps_taken.begin(), theirs.steps_taken.end());
    ours.said_percent = std::max(ours.said_percent, theirs.said_percent);
  }
}

std::string EngineModel::SeeAssigned(const Assigned& e) {
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

std::string EngineModel::CheckLookedAt(const Seen& seen, const config::v1::Queue& queue,
                                       int rule) const {
  const absl::Time due = seen.place + FromProto(queue.overflow_rules(rule).after());
  if (!seen.rules_applied.contains(rule) && !seen.rules_passed_over.contains(rule) &&
      due <= state_.time()) {
    return "";
  }
  return absl::StrCat("rule ", rule, " of ", queue.queue_id(), ", due at ", absl::FormatTime(due),
                      ", is looked at too early or again\n");
}

std::string EngineModel::SeeOverflowed(const conversation::v1::Overflowed& e) {
  Seen& seen = seen_[e.conversation_id()];
  const config::v1::Queue& queue = *FindQueue(seen.queue_id);
  const config::v1::OverflowRule& rule = queue.overflow_rules(e.rule());
  std::string wrong = CheckLookedAt(seen, queue, e.rule());
  if (rule.above_waiting() > 0 && CountWaiting(seen.queue_id) <= rule.above_waiting()) {
    absl::StrAppend(&wrong, e.conversation_id(), " overflows from a queue that is too short\n");
  }
  seen.rules_applied.insert(e.rule());
  seen.anyone |= rule.to_anyone();
  seen.sent_to = rule.to_queue_id();
  return wrong;
}

std::string EngineModel::SeePassedOver(const conversation::v1::OverflowPassedOver& e) {
  Seen& seen = seen_[e.conversation_id()];
  const config::v1::Queue& queue = *FindQueue(seen.queue_id);
  std::string wrong;
  for (const int32_t rule : e.rules()) {
    absl::StrAppend(&wrong, CheckLookedAt(seen, queue, rule));
    if (CountWaiting(seen.queue_id) > queue.overflow_rules(rule).above_waiting()) {
      absl::StrAppend(&wrong, e.conversation_id(), " does not overflow\n");
    }
    seen.rules_passed_over.insert(rule);
  }
  return wrong;
}

// A rule is the same that is written the same, or else the next that does the same kind of thing;
// what has only been changed may apply now, but what has been applied is not applied again.
void EngineModel::SeeRules(const WorkspaceConfig& config) {
  for (const config::v1::Queue& after : config.queues()) {
    const config::v1::Queue* found = FindQueue(after.queue_id());
    const config::v1::Queue before = found == nullptr ? config::v1::Queue() : *found;
    std::map<int, int> alike;
    std::map<int, int> of_a_kind;
    std::set<int> taken;
    for (const bool exactly : {true, false}) {
      for (int i = 0; i < before.overflow_rules_size(); ++i) {
        for (int j = 0; j < after.overflow_rules_size() && !of_a_kind.contains(i); ++j) {
          const config::v1::OverflowRule& a = before.overflow_rules(i);
          const config::v1::OverflowRule& b = after.overflow_rules(j);
          const bool same = exactly ? a.SerializeAsString() == b.SerializeAsString()
                                    : a.action_case() == b.action_case();
          if (!same || !taken.insert(j).second) continue;
          of_a_kind[i] = j;
          if (exactly) alike[i] = j;
        }
      }
    }
    const auto renumber = [](std::set<int>& rules, const std::map<int, int>& numbers) {
      for (const int rule : std::exchange(rules, {})) {
        if (const auto it = numbers.find(rule); it != numbers.end()) rules.insert(it->second);
      }
    };
    for (auto& [id, seen] : seen_) {
      if (seen.queue_id != after.queue_id()) continue;
      renumber(seen.rules_applied, of_a_kind);
      renumber(seen.rules_passed_over, alike);
    }
  }
}

void EngineModel::SeeConfig(const WorkspaceConfig& config) {
  SeeRules(config);
  for (auto& [id, seen] : seen_) Rearm(seen);
  config_ = config;
  const bool keeps = config.conversations().removed_work() == config::v1::REMOVED_WORK_KEPT;
  // Whoever is not there any more and has nothing is gone.
  std::set<std::string> there;
  for (const config::v1::Agent& agent : config.agents()) {
    there.insert(agent.agent_id());
    const auto [row, is_new] = rows_.try_emplace(agent.agent_id());
    if (is_new) row->second.idle_since = state_.time();
    row->second.group = agent.routing_group_id();
    row->second.capacity_units = agent.capacity_units();
  }
  std::erase_if(rows_, [&](const auto& entry) {
    if (there.contains(entry.first)) return false;
    if (keeps && !entry.second.after_work.empty()) return false;
    return std::none_of(seen_.begin(), seen_.end(), [&](const auto& seen) {
      return seen.second.holder == entry.first && seen.second.units > 0;
    });
  });
  std::erase_if(kept_, [&](const auto& entry) {
    const std::string& group = entry.second.queue().routing_group_id();
    bool another = false;
    for (const config::v1::Queue& queue : config.queues()) {
      if (queue.queue_id() == entry.first) return true;
      another |= queue.routing_group_id() == group;
    }
    const bool served =
        std::any_of(config.agents().begin(), config.agents().end(), [&](const auto& agent) {
          return agent.routing_group_id() == group &&
                 (Has(entry.second.agent_ids(), agent.agent_id()) ||
                  Has(entry.second.secondary_agent_ids(), agent.agent_id()));
        });
    return !keeps || !another || !served;
  });
  PutInForce();
}

// ---------------------------------------------------------------------------------------------
// Queues and policies

bool EngineModel::Matches(const config::v1::QueueRule& rule, const Seen& seen,
                          const std::string& text) const {
  const auto is_open = [this](const std::string& calendar_id) {
    return calendars_.at(calendar_id)->IsOpen(state_.time());
  };
  // Topics are plain words here.
  const std::string words = absl::AsciiStrToLower(absl::StrCat(seen.subject, "\n", text));
  const auto about = [&](const std::string& topic) { return absl::StrContains(words, topic); };
  const auto tagged = [&](const std::string& tag) { return Has(seen.facts.tags(), tag); };
  const auto any = [](const auto& values, const auto& holds) {
    return values.empty() || std::any_of(values.begin(), values.end(), holds);
  };
  return HasOrEmpty(rule.account_ids(), seen.account.account_id()) &&
         HasOrEmpty(rule.languages(), seen.language) &&
         HasOrEmpty(rule.contact_tiers(), seen.facts.tier()) &&
         HasOrEmpty(rule.order_states(), seen.facts.order_state()) &&
         any(rule.contact_tags(), tagged) && any(rule.topic_patterns(), about) &&
         (!rule.has_min_lifetime_value_cents() ||
          (seen.facts.has_lifetime_value_cents() &&
           seen.facts.lifetime_value_cents() >= rule.min_lifetime_value_cents())) &&
         (rule.open_calendar_id().empty() || is_open(rule.open_calendar_id())) &&
         (rule.closed_calendar_id().empty() || !is_open(rule.closed_calendar_id()));
}

std::string EngineModel::Select(const Seen& seen, const std::string& text) const {
  std::string last;
  for (const config::v1::Queue& queue : config_.queues()) {
    if (queue.routing_group_id() != seen.group) continue;
    last = queue.queue_id();
    for (const config::v1::QueueRule& rule : queue.rules()) {
      if (Matches(rule, seen, text)) return last;
    }
  }
  return last;
}

std::string EngineModel::WantedQueue(const Queued& e, const Seen& seen) const {
  const auto text = owed_.texts.find(e.conversation_id());
  const std::string chosen = Select(seen, text == owed_.texts.end() ? "" : text->second);
  std::string wanted = seen.queue_id;
  switch (e.reason()) {
    case Queued::REASON_NEW:
    case Queued::REASON_UPDATED:
      return chosen;
    case Queued::REASON_TRANSFERRED:
      return seen.sent_to;
    case Queued::REASON_OVERFLOWED:
      wanted = seen.sent_to;
      break;
    case Queued::REASON_ESCALATED:
      wanted = seen.due_to == e.queue_id() ? seen.due_to : seen.escalated_to;
      break;
    default:
      // One that closes takes nothing more.
      if (seen.due_to != seen.queue_id && InGroup(seen.due_to, seen.group) &&
          !kept_.contains(seen.due_to)) {
        return absl::StrCat(seen.due_to, ", where it is due");
      }
  }
  return InGroup(wanted, seen.group) ? wanted : chosen;
}

std::string EngineModel::WantedSlaPolicy(const Seen& seen) const {
  const config::v1::Queue* queue =
      InGroup(seen.queue_id, seen.group) ? FindQueue(seen.queue_id) : nullptr;
  const int32_t priority = seen.own_points + (queue == nullptr ? 0 : queue->base_priority());
  for (const config::v1::SlaPolicy& policy : config_.sla_policies()) {
    if (HasOrEmpty(policy.queue_ids(), seen.queue_id) &&
        HasOrEmpty(policy.channel_kinds(), static_cast<int>(seen.account.kind())) &&
        HasOrEmpty(policy.contact_tiers(), seen.facts.tier()) &&
        (!policy.has_min_priority() || priority >= policy.min_priority())) {
      return policy.sla_policy_id();
    }
  }
  return "";
}

std::string EngineModel::SeeQueued(const Queued& e) {
  Seen& seen = seen_[e.conversation_id()];
  const absl::Time place = FromProto(e.waiting_since());
  const bool begins =
      e.reason() == Queued::REASON_NEW || e.reason() == Queued::REASON_REOPENED ||
      e.reason() == Queued::REASON_RESUMED ||
      (e.reason() == Queued::REASON_TRANSFERRED && place == state_.time() && place != seen.place);
  std::string wrong;
  if (seen.status == kOffered) {
    absl::StrAppend(&wrong, e.conversation_id(), " is queued, although still on offer\n");
  }
  if (const absl::Time due = begins ? state_.time() : seen.place; place != due) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits since ", Short(place), " instead of ",
                    Short(due), "\n");
  }
  if (const std::string wanted = WantedQueue(e, seen); e.queue_id() != wanted) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits in \"", e.queue_id(), "\" instead of \"",
                    wanted, "\"\n");
  }
  if (e.reason() == Queued::REASON_RESUMED &&
      CheckMay(e.conversation_id(), seen.holder, {.requirement = false, .exclusion = false})
          .empty()) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits, although ", seen.holder,
                    " could go on with it\n");
  }
  // Who had the contact last, in this conversation or in the one that was over last.
  const Seen* last = &seen;
  if (e.reason() == Queued::REASON_NEW) {
    last = nullptr;
    for (const auto& [id, other] : seen_) {
      if (&other == &seen || other.open() || other.whose != seen.whose) continue;
      if (last == nullptr || last->had < other.had) last = &other;
      // Which of two that were over at the same instant counts is nobody's business.
      if (last != &other && last->had == other.had && e.sticky_agent_id() == other.agent_id) {
        last = &other;
      }
    }
  }
  const config::v1::Queue* queue =
      InGroup(e.queue_id(), seen.group) ? FindQueue(e.queue_id()) : nullptr;
  const absl::Duration window =
      queue == nullptr ? absl::ZeroDuration() : FromProto(queue->sticky_window());
  std::string sticky;
  if (e.reason() == Queued::REASON_NEW || e.reason() == Queued::REASON_REOPENED ||
      e.reason() == Queued::REASON_RESUMED) {
    if (last != nullptr && state_.time() - last->had <= window) sticky = last->agent_id;
  } else if (e.reason() != Queued::REASON_TRANSFERRED) {
    sticky = seen.sticky_agent_id;
  }
  if (window <= absl::ZeroDuration()) sticky.clear();
  if (e.sticky_agent_id() != sticky) {
    absl::StrAppend(&wrong, e.conversation_id(), " goes to ", e.sticky_agent_id(),
                    " first, instead of ", sticky, "\n");
  }
  if (begins || e.queue_id() != seen.queue_id) {
    seen.rules_applied.clear();
    seen.anyone = false;
  }
  seen.rules_passed_over.clear();
  if (e.queue_id() != seen.queue_id) {
    for (auto& [metric, cycle] : seen.cycles) cycle.relax_steps = 0;
    seen.due_to = "";
  }
  TakeFrom(seen, kQueued);
  seen.queue_id = e.queue_id();
  seen.place = place;
  seen.agent_id = "";
  seen.sticky_agent_id = e.sticky_agent_id();
  owed_.measured.insert(e.conversation_id());
  return wrong;
}

// ---------------------------------------------------------------------------------------------
// Giving out

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
    if (seen.status != kQueued || InGroup(seen.queue_id, seen.group) || Select(seen, "").empty()) {
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

std::string EngineModel::CheckState(const State& state) const {
  std::string wrong;
  const auto differs = [&](const std::string& id, absl::string_view what) {
    absl::StrAppend(&wrong, id, " has another ", what, " in the state\n");
  };
  if (state.conversations().size() != seen_.size())
    absl::StrAppend(&wrong, "Conversations differ\n");
  std::map<std::string, std::set<std::string>> held;
  for (const auto& [id, seen] : seen_) {
    const ConversationState* c = state.FindConversation(id);
    if (c == nullptr) {
      absl::StrAppend(&wrong, id, " is not in the state\n");
      continue;
    }
    if (!seen.holder.empty()) held[seen.holder].insert(id);
    const std::string& holder = c->has_offer() ? c->offer().agent_id() : c->agent_id();
    if (c->status() != seen.status) differs(id, "status");
    if (seen.open() && holder != seen.holder) differs(id, "holder");
    if (c->units() != seen.units) differs(id, "size");
    if (c->queue_id() != seen.queue_id) differs(id, "queue");
    if (FromProto(c->waiting_since()) != seen.place) differs(id, "place");
    if (c->overflowed_to_anyone() != seen.anyone) differs(id, "reach");
    if (c->sticky_agent_id() != seen.sticky_agent_id) differs(id, "agent to go first");
    if (c->sla().sla_policy_id() != seen.sla_policy_id) differs(id, "SLA policy");
    if (c->overflow_due_to_queue_id() != seen.due_to) differs(id, "queue to come");
    int32_t points = 0;
    int32_t steps = 0;
    for (const auto& [metric, cycle] : seen.cycles) {
      points += cycle.points;
      steps += cycle.relax_steps;
    }
    if (c->escalation_points() != points || c->escalation_relax_steps() != steps) {
      differs(id, "gain by escalation");
    }
  }
  if (state.agents().size() != rows_.size()) absl::StrAppend(&wrong, "Agents differ\n");
  for (const auto& [agent_id, row] : rows_) {
    const state::v1::AgentState* agent = state.FindAgent(kWorkspace, agent_id);
    if (agent == nullptr) {
      absl::StrAppend(&wrong, agent_id, " is not in the state\n");
      continue;
    }
    const auto time = [](bool has, const google::protobuf::Timestamp& t) {
      return has ? std::make_optional(FromProto(t)) : std::nullopt;
    };
    if (agent->routing_group_id() != row.group) differs(agent_id, "group");
    if (agent->presence() != row.presence) differs(agent_id, "presence");
    if (static_cast<size_t>(agent->sessions_size()) != row.sessions.size()) {
      differs(agent_id, "number of sessions");
    }
    if (agent->capacity_units() != row.capacity_units) differs(agent_id, "capacity");
    if (FromProto(agent->idle_since()) != row.idle_since)
      differs(agent_id, "beginning of idleness");
    if (agent->last_given() != row.last_given) differs(agent_id, "turn");
    if (agent->missed_offers() != row.missed) differs(agent_id, "number of missed offers");
    if (time(agent->has_lost_time(), agent->lost_time()) != row.lost ||
        time(agent->has_offline_time(), agent->offline_time()) != row.offline) {
      differs(agent_id, "time of going");
    }
    const std::map<int, routing::ChannelUse> has = HeldBy(agent_id);
    int32_t used = 0;
    for (const auto& [kind, use] : has) used += use.units;
    bool same = agent->used_units() == used &&
                static_cast<size_t>(agent->channel_loads_size()) == has.size();
    for (const state::v1::ChannelLoad& load : agent->channel_loads()) {
      const auto use = has.find(load.kind());
      same = same && use != has.end() && use->second.units == load.units() &&
             use->second.conversations == load.conversations();
    }
    if (!same) differs(agent_id, "load");
    held.try_emplace(agent_id);
  }
  for (const auto& [agent_id, ids] : held) {
    if (state.ConversationsOf(kWorkspace, agent_id) != ids) differs(agent_id, "list");
  }
  size_t kept = 0;
  for (const auto& [key, queue] : state.queues()) {
    kept += queue.has_kept() ? 1 : 0;
    if (queue.waiting() != CountWaiting(queue.queue_id())) differs(key, "number that wait");
    if (queue.has_kept() != kept_.contains(queue.queue_id())) differs(key, "future");
  }
  if (kept != kept_.size()) absl::StrAppend(&wrong, "Kept queues differ\n");
  return wrong;
}

// ---------------------------------------------------------------------------------------------
// Timers and clocks

std::map<std::pair<TimerKind, std::string>, absl::Time> EngineModel::WantedTimers() const {
  std::map<std::pair<TimerKind, std::string>, absl::Time> wanted;
  const auto want = [&](TimerKind kind, const std::string& key, absl::Time due) {
    if (due == absl::InfiniteFuture()) return;
    const auto [it, is_new] = wanted.try_emplace({kind, key}, due);
    it->second = std::min(it->second, due);
  };
  const config::v1::ConversationPolicy& policy = config_.conversations();
  const absl::Duration reopens =
      policy.has_reopen_window() ? FromProto(policy.reopen_window()) : absl::Hours(72);
  const absl::Duration forgotten = std::max(
      reopens, policy.has_forget_after() ? FromProto(policy.forget_after()) : absl::Hours(7 * 24));
  const absl::Duration grace =
      policy.has_disconnect_grace() ? FromProto(policy.disconnect_grace()) : absl::Seconds(30);
  for (const auto& [id, seen] : seen_) {
    const config::v1::Queue* queue =
        InGroup(seen.queue_id, seen.group) ? FindQueue(seen.queue_id) : nullptr;
    const ConversationState& c = *state_.FindConversation(id);
    if (c.has_sla()) want(TimerKind::kSla, id, state_.SlaClockOf(c).NextDue());
    switch (seen.status) {
      case kQueued:
        for (const auto& [agent_id, until] : seen.excluded) {
          if (until > state_.time()) want(TimerKind::kConversation, id, until);
        }
        if (queue == nullptr) break;
        for (int rule = 0; rule < queue->overflow_rules_size(); ++rule) {
          if (seen.rules_applied.contains(rule) || seen.rules_passed_over.contains(rule)) continue;
          want(TimerKind::kOverflow, id,
               seen.place + FromProto(queue->overflow_rules(rule).after()));
        }
        break;
      case kOffered:
        want(TimerKind::kConversation, id, seen.offer_ends);
        break;
      case kActive:
        if (policy.has_park_after() && seen.answered.has_value() &&
            *seen.answered > seen.customer_wrote) {
          want(TimerKind::kConversation, id,
               std::max(*seen.answered, seen.taken_up) + FromProto(policy.park_after()));
        }
        if (const auto row = rows_.find(seen.holder);
            row != rows_.end() && row->second.offline.has_value() && queue != nullptr &&
            !IsLive(seen) && FromProto(queue->owner_limit()) > absl::ZeroDuration()) {
          want(TimerKind::kOwnerGone, AgentKey(kWorkspace, seen.holder),
               *row->second.offline + FromProto(queue->owner_limit()));
        }
        break;
      case kResolved:
        want(TimerKind::kConversation, id, seen.had + forgotten);
        break;
      default:
        break;
    }
  }
  for (const auto& [agent_id, row] : rows_) {
    const std::string key = AgentKey(kWorkspace, agent_id);
    for (const AfterWork& work : row.after_work) want(TimerKind::kWrapUp, key, work.until);
    if (row.lost.has_value() && row.presence != command::v1::PRESENCE_OFFLINE) {
      want(TimerKind::kAgentLost, key, *row.lost + grace);
    }
  }
  for (const state::v1::GatewayLease& lease : state_.partition().gateway_leases()) {
    if (const absl::Time due = FromProto(lease.expire_time()); due > state_.time()) {
      want(TimerKind::kGatewayLease, lease.gateway_id(), due);
    }
  }
  return wanted;
}

std::string EngineModel::CheckForecasts(const std::vector<Timers::Timer>& timers) const {
  std::map<std::pair<TimerKind, std::string>, absl::Time> set;
  for (const Timers::Timer& timer : timers) set[{timer.kind, timer.key}] = timer.due;
  std::string wrong;
  const auto need = [&](TimerKind kind, const std::string& key, absl::Time latest) {
    const auto it = set.find({kind, key});
    if (it != set.end() && it->second <= latest) return;
    absl::StrAppend(&wrong, key, " lacks its timer of kind ", static_cast<int>(kind), " by ",
                    Short(latest), "\n");
  };
  for (const auto& [id, seen] : seen_) {
    const config::v1::Queue* queue =
        InGroup(seen.queue_id, seen.group) ? FindQueue(seen.queue_id) : nullptr;
    if (queue == nullptr || !seen.open() || seen.status == kParked) continue;
    if (seen.status == kQueued) {
      if (queue->tell_waiting_time() || queue->at_risk_percent() > 0) {
        need(TimerKind::kEstimate, QueueKey(kWorkspace, seen.queue_id),
             state_.time() + kEstimateInterval);
      }
      continue;
    }
    // Whoever has it may be late with the answer.
    const ConversationState& c = *state_.FindConversation(id);
    if (!c.has_sla() || seen.at_risk || queue->at_risk_percent() == 0) continue;
    const absl::Time due = state_.SlaClockOf(c).DueTime(routing::SlaMetric::kFirstResponse);
    if (due == absl::InfiniteFuture() || due <= state_.time()) continue;
    need(TimerKind::kAtRisk, id,
         std::max(due - absl::Seconds(1), state_.time() + absl::Seconds(1)));
  }
  return wrong;
}

std::string EngineModel::CheckTimers(const std::vector<Timers::Timer>& timers) {
  std::string wrong = CheckForecasts(timers);
  auto wanted = WantedTimers();
  std::map<std::string, absl::Time> relaxes;
  for (const Timers::Timer& timer : timers) {
    switch (timer.kind) {
      case TimerKind::kEstimate:
      case TimerKind::kAtRisk:
        continue;
      case TimerKind::kRelax:
        relaxes[timer.key] = timer.due;
        continue;
      // Whoever takes over looks at everything once more.
      case TimerKind::kMatch:
        if (timer.due <= state_.time()) continue;
        break;
      // Nor do they know that this one was dealt with.
      case TimerKind::kGatewayLease:
        if (timer.due <= state_.time()) continue;
        break;
      default:
        break;
    }
    const auto it = wanted.find({timer.kind, timer.key});
    if (it == wanted.end() || it->second != timer.due) {
      absl::StrAppend(&wrong, timer.key, " has a timer of kind ", static_cast<int>(timer.kind),
                      " at ", Short(timer.due), " instead of ",
                      it == wanted.end() ? "none" : Short(it->second), "\n");
    }
    if (it != wanted.end()) wanted.erase(it);
  }
  for (const config::v1::RoutingGroup& group : config_.routing_groups()) {
    const auto it = relaxes.find(RoutingKey(kWorkspace, group.routing_group_id()));
    const absl::Time set = it == relaxes.end() ? absl::InfiniteFuture() : it->second;
    // What was given out in the meantime need not relax any more.
    if (const absl::Time next = Matcher(group.routing_group_id()).NextRelaxation(); next < set) {
      absl::StrAppend(&wrong, "somebody asks for less at ", Short(next), ", not at ", Short(set),
                      "\n");
    }
  }
  for (const auto& [name, due] : wanted) {
    absl::StrAppend(&wrong, name.second, " lacks its timer of kind ", static_cast<int>(name.first),
                    " at ", Short(due), "\n");
  }
  return wrong;
}

std::string EngineModel::CheckClocks() const {
  using routing::SlaMetric;
  std::string wrong;
  for (const auto& [id, seen] : seen_) {
    if (seen.sla_policy_id.empty() || !seen.open()) continue;
    const routing::SlaClock clock = state_.SlaClockOf(*state_.FindConversation(id));
    const auto runs = [&](SlaMetric metric) {
      return clock.metric(metric).state == routing::SlaClock::State::kRunning;
    };
    if (seen.status != kParked &&
        !(runs(SlaMetric::kResolution) && runs(SlaMetric::kRequesterWait))) {
      absl::StrAppend(&wrong, id, " is open, and not all of its clocks run\n");
    }
    if (seen.answered.has_value() && runs(SlaMetric::kFirstResponse)) {
      absl::StrAppend(&wrong, id, " has been answered, and waits for the first answer\n");
    }
    for (const SlaMetric metric : routing::kSlaMetrics) {
      if (!runs(metric)) continue;
      const auto cycle = seen.cycles.find(routing::ToProto(metric));
      const int32_t said = cycle == seen.cycles.end() ? 0 : cycle->second.said_percent;
      const routing::SlaPolicy::Target& target = clock.policy().target(metric);
      for (const int percent : target.percents) {
        if (percent > said && clock.Used(metric, state_.time()) >= target.time * percent / 100) {
          absl::StrAppend(&wrong, id, " has used ", percent, " % of ",
                          routing::SlaMetricName(metric), ", which was not said\n");
        }
      }
    }
  }
  return wrong;
}

}  // namespace wissel::domain::testing
