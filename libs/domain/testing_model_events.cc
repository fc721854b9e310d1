#include "libs/domain/testing_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing_model_impl.h"
#include "libs/routing/calendar_config.h"
#include "libs/routing/sla.h"

namespace wissel::domain::testing {

using config::v1::WorkspaceConfig;
using conversation::v1::Assigned;
using conversation::v1::Event;
using state::v1::ConversationState;

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
      const config::v1::Queue* queue = FindQueueIn(seen.group, seen.queue_id);
      if (seen.status == kActive && queue != nullptr &&
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
    case Event::kQueueClosed: {
      // A policy is chosen by the queue as it was until now, and not again.
      std::string wrong = CheckMeasured();
      kept_.erase(event.queue_closed().queue_id());
      PutInForce();
      return wrong;
    }
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

}  // namespace wissel::domain::testing
