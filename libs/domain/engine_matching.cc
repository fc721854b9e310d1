// How the engine keeps the matchers up to date, gives out what can be given out, and lets overflow.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/domain/defaults.h"
#include "libs/domain/engine.h"
#include "libs/routing/notice.h"

namespace wissel::domain {

using conversation::v1::Event;
using conversation::v1::Queued;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

namespace {

constexpr int kMaxOverflowsInADecision = 8;

// Neither applied nor passed over.
bool IsPending(const ConversationState& c, int rule) {
  const auto& applied = c.overflow_rules_applied();
  const auto& passed_over = c.overflow_rules_passed_over();
  return !std::binary_search(applied.begin(), applied.end(), rule) &&
         !std::binary_search(passed_over.begin(), passed_over.end(), rule);
}

absl::Time DueOf(const ConversationState& c, const config::v1::OverflowRule& rule) {
  return FromProto(c.waiting_since()) + FromProto(rule.after());
}

}  // namespace

// ---------------------------------------------------------------------------------------------
// What the matchers know

const routing::Matcher* Engine::FindMatcher(absl::string_view workspace_id,
                                            absl::string_view routing_group_id) const {
  if (last_matcher_ == nullptr ||
      !IsRoutingKey(last_matcher_->first, workspace_id, routing_group_id)) {
    const auto it = matchers_.find(RoutingKey(workspace_id, routing_group_id));
    if (it == matchers_.end()) return nullptr;
    last_matcher_ = &*it;
  }
  return &last_matcher_->second;
}

routing::Matcher* Engine::FindMatcher(absl::string_view workspace_id,
                                      absl::string_view routing_group_id) {
  return const_cast<routing::Matcher*>(
      std::as_const(*this).FindMatcher(workspace_id, routing_group_id));
}

const routing::Matcher* Engine::MatcherOf(const ConversationState& c) const {
  return FindMatcher(c.workspace_id(), c.routing_group_id());
}

routing::Matcher* Engine::MatcherOf(const ConversationState& c) {
  return FindMatcher(c.workspace_id(), c.routing_group_id());
}

const config::v1::Queue* Engine::QueueOf(const ConversationState& c) const {
  const routing::Matcher* matcher = MatcherOf(c);
  return matcher == nullptr ? nullptr : matcher->policy().FindQueue(c.queue_id());
}

bool Engine::IsStray(const ConversationState& c) {
  return MatcherOf(c) != nullptr && c.status() == ConversationStatus::CONVERSATION_STATUS_QUEUED &&
         QueueOf(c) == nullptr && !QueueFor(c).empty();
}

routing::Waiting Engine::WaitingOf(const ConversationState& c) const {
  routing::Waiting waiting;
  waiting.conversation_id = c.conversation_id();
  waiting.queue_id = c.queue_id();
  waiting.kind = c.account().kind();
  waiting.language = c.language();
  waiting.waiting_since = FromProto(c.waiting_since());
  const routing::Matcher* matcher = MatcherOf(c);
  if (matcher != nullptr) waiting.priority = matcher->policy().FactPoints(c.facts());
  if (matcher != nullptr) AddSla(c, waiting);
  waiting.priority.own = c.priority_points();
  waiting.priority.escalation = c.escalation_points();
  waiting.extra_relaxation_steps = c.escalation_relax_steps();
  waiting.anyone = c.overflowed_to_anyone();
  waiting.sticky_agent_id = c.sticky_agent_id();
  for (const state::v1::Exclusion& e : c.exclusions()) {
    if (FromProto(e.expire_time()) > now_) waiting.excluded_agent_ids.push_back(e.agent_id());
  }
  return waiting;
}

void Engine::Advance(const std::string& routing_key, routing::Matcher& matcher) {
  matcher.Advance(now_);
  for (std::string& id : matcher.TakeRelaxed()) newly_waiting_.insert(std::move(id));
  SetRelaxTimer(routing_key, matcher);
}

void Engine::SetRelaxTimer(const std::string& routing_key, const routing::Matcher& matcher) {
  const absl::Time next = matcher.NextRelaxation();
  if (next == absl::InfiniteFuture()) {
    timers_.Clear(TimerKind::kRelax, routing_key);
  } else {
    timers_.Set(TimerKind::kRelax, routing_key, next);
  }
}

void Engine::SyncConversation(const std::string& id) {
  // What waits keeps a timer that is late, so that what it is for still comes.
  const absl::Time exclusion_due = timers_.DueOf(TimerKind::kConversation, id);
  timers_.Clear(TimerKind::kConversation, id);
  timers_.Clear(TimerKind::kOverflow, id);
  timers_.Clear(TimerKind::kSla, id);
  TellClosing(id);
  const ConversationState* c = state_.FindConversation(id);
  if (c == nullptr) {
    for (auto& [key, matcher] : matchers_) matcher.RemoveWaiting(id);
    for (auto& [key, ids] : told_) ids.erase(id);
    return;
  }
  if (c->has_sla()) {
    if (const absl::Time due = state_.SlaClockOf(*c).NextDue(); due != absl::InfiniteFuture()) {
      timers_.Set(TimerKind::kSla, id, due);
    }
    if (LacksSlaPolicy(*c)) unmeasured_.insert(id);
  }
  if (!ConsultedStrangers(*c).empty()) consulting_strangers_.insert(id);
  routing::Matcher* matcher = MatcherOf(*c);
  if (c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) {
    if (matcher != nullptr) matcher->RemoveWaiting(id);
    TellWaits(*c, false);
    WatchGiven(*c);
  }
  const config::v1::ConversationPolicy& policy = Config(c->workspace_id()).conversations();
  switch (c->status()) {
    case ConversationStatus::CONVERSATION_STATUS_QUEUED: {
      if (matcher == nullptr) return TellWaits(*c, false);
      if (IsStray(*c)) stray_.insert(id);
      if (!matcher->IsWaiting(id)) newly_waiting_.insert(id);
      matcher->AddWaiting(WaitingOf(*c));
      for (const state::v1::Exclusion& e : c->exclusions()) {
        const absl::Time end = FromProto(e.expire_time());
        if ((end > now_ || end == exclusion_due) &&
            end < timers_.DueOf(TimerKind::kConversation, id)) {
          timers_.Set(TimerKind::kConversation, id, end);
        }
      }
      SetOverflowTimer(*c);
      TellWaits(*c, true);
      return;
    }
    case ConversationStatus::CONVERSATION_STATUS_OFFERED:
      return timers_.Set(TimerKind::kConversation, id, FromProto(c->offer().expire_time()));
    case ConversationStatus::CONVERSATION_STATUS_ACTIVE:
      if (const absl::Duration after = FromProto(policy.park_after());
          after > absl::ZeroDuration() &&
          FromProto(c->last_reply_time()) > FromProto(c->last_customer_time())) {
        const absl::Time since =
            std::max(FromProto(c->last_reply_time()), FromProto(c->assign_time()));
        timers_.Set(TimerKind::kConversation, id, since + after);
      }
      return;
    case ConversationStatus::CONVERSATION_STATUS_RESOLVED:
      return timers_.Set(TimerKind::kConversation, id,
                         FromProto(c->resolve_time()) + ForgetAfter(policy));
    default:
      return;
  }
}

void Engine::SyncAgent(const std::string& key) {
  for (TimerKind kind :
       {TimerKind::kAgentLost, TimerKind::kGiveBack, TimerKind::kWrapUp, TimerKind::kOwnerGone}) {
    timers_.Clear(kind, key);
  }
  const auto it = state_.agents().find(key);
  CountStaff(key, it == state_.agents().end() ? nullptr : &it->second);
  if (it == state_.agents().end()) return;
  const AgentState& agent = it->second;
  if (IsRemoved(agent) && !HoldsSomething(Config(agent.workspace_id()), agent)) {
    leaving_.insert(key);
  }
  if (HasToGiveBack(agent)) timers_.Set(TimerKind::kGiveBack, key, now_);
  if (agent.has_lost_time() && agent.presence() != command::v1::PRESENCE_OFFLINE) {
    timers_.Set(TimerKind::kAgentLost, key,
                FromProto(agent.lost_time()) +
                    DisconnectGrace(Config(agent.workspace_id()).conversations()));
  }
  if (!agent.wrap_ups().empty()) {
    timers_.Set(TimerKind::kWrapUp, key, FromProto(agent.wrap_ups(0).expire_time()));
  }
  if (const absl::Time due = NextOwnerGone(agent); due != absl::InfiniteFuture()) {
    timers_.Set(TimerKind::kOwnerGone, key, due);
  }
  const auto matcher = matchers_.find(RoutingKey(agent.workspace_id(), agent.routing_group_id()));
  if (matcher == matchers_.end()) return;
  routing::AgentLoad load{
      .available = agent.presence() == command::v1::PRESENCE_AVAILABLE && agent.sessions_size() > 0,
      .capacity_units = agent.capacity_units(),
      .idle_since = FromProto(agent.idle_since()),
      .last_given = agent.last_given()};
  for (const state::v1::ChannelLoad& held : agent.channel_loads()) {
    if (held.kind() < 0 || held.kind() >= routing::kChannelKinds) continue;
    load.held[held.kind()] = {.conversations = held.conversations(), .units = held.units()};
  }
  matcher->second.SetAgent(agent.agent_id(), load);
  changed_agents_.insert(key);
}

void Engine::Sync() {
  for (const std::string& key : touched_agents_) SyncAgent(key);
  for (const std::string& id : touched_conversations_) SyncConversation(id);
  touched_agents_.clear();
  touched_conversations_.clear();
}

// ---------------------------------------------------------------------------------------------
// Giving out

void Engine::Match() {
  Sync();
  overflows_.clear();
  while (!stray_.empty() && !Full()) {
    const std::string id = *stray_.begin();
    stray_.erase(stray_.begin());
    const ConversationState* c = state_.FindConversation(id);
    if (c == nullptr || !IsStray(*c)) continue;
    Queue(id, Queued::REASON_CONFIG_CHANGED, FromProto(c->waiting_since()));
    Sync();
  }
  while (!unmeasured_.empty() && !Full()) {
    const std::string id = *unmeasured_.begin();
    unmeasured_.erase(unmeasured_.begin());
    const ConversationState* c = state_.FindConversation(id);
    if (c != nullptr && LacksSlaPolicy(*c)) ChooseSla(*c);
  }
  while (!consulting_strangers_.empty() && !Full()) {
    const std::string id = *consulting_strangers_.begin();
    consulting_strangers_.erase(consulting_strangers_.begin());
    const ConversationState* c = state_.FindConversation(id);
    if (c == nullptr) continue;
    for (const std::string& agent_id : ConsultedStrangers(*c)) EndConsult(id, agent_id);
  }
  Sync();
  for (const std::string& id : overflowing_) newly_waiting_.insert(id);
  overflowing_.clear();
  // Time takes effect on every group that something is sought for.
  for (const std::string& key : changed_agents_) {
    const auto agent = state_.agents().find(key);
    if (agent == state_.agents().end()) continue;
    advancing_.insert(RoutingKey(agent->second.workspace_id(), agent->second.routing_group_id()));
  }
  for (const std::string& id : newly_waiting_) {
    const ConversationState* c = state_.FindConversation(id);
    if (c != nullptr) advancing_.insert(RoutingKey(c->workspace_id(), c->routing_group_id()));
  }
  for (const std::string& key : advancing_) {
    if (const auto it = matchers_.find(key); it != matchers_.end()) Advance(key, it->second);
  }
  advancing_.clear();
  while (!(changed_agents_.empty() && newly_waiting_.empty()) && !Full()) {
    // By routing group: one has nothing to do with another's agents and conversations.
    std::map<std::string, Sought> sought;
    for (const std::string& key : std::exchange(changed_agents_, {})) {
      const auto agent = state_.agents().find(key);
      if (agent == state_.agents().end()) continue;
      sought[RoutingKey(agent->second.workspace_id(), agent->second.routing_group_id())]
          .agents.insert(key);
    }
    for (const std::string& id : std::exchange(newly_waiting_, {})) {
      const ConversationState* c = state_.FindConversation(id);
      if (c == nullptr || c->status() != ConversationStatus::CONVERSATION_STATUS_QUEUED) continue;
      sought[RoutingKey(c->workspace_id(), c->routing_group_id())].conversations.push_back(id);
    }
    for (auto& [key, what] : sought) {
      const auto it = matchers_.find(key);
      if (it == matchers_.end()) continue;
      GiveOut(it->second, what);
      // What has overflowed may relax sooner where it waits now.
      SetRelaxTimer(key, it->second);
    }
  }
  if (!changed_agents_.empty() || !newly_waiting_.empty() || !stray_.empty() ||
      !unmeasured_.empty() || !consulting_strangers_.empty()) {
    timers_.Set(TimerKind::kMatch, "", now_);
  }
}

void Engine::GiveOut(routing::Matcher& matcher, Sought& sought) {
  std::vector<std::string>& begun = sought.conversations;
  matcher.SortByUrgency(begun);
  // What agents would take, and which agent what.
  const auto more_urgent = [&](const std::string& a, const std::string& b) {
    return matcher.MoreUrgent(a, b);
  };
  std::map<std::string, std::set<std::string>, decltype(more_urgent)> wanted(more_urgent);
  std::map<std::string, std::string> choices;
  const auto drop = [&](std::map<std::string, std::string>::iterator choice) {
    const auto it = wanted.find(choice->second);
    it->second.erase(choice->first);
    if (it->second.empty()) wanted.erase(it);
    choices.erase(choice);
  };
  std::set<std::string> ask = std::move(sought.agents);
  std::vector<std::string> left;
  size_t next = 0;
  while (!Full()) {
    for (const std::string& key : std::exchange(ask, {})) {
      if (const auto choice = choices.find(key); choice != choices.end()) drop(choice);
      const std::optional<std::string> id =
          matcher.ChooseConversation(state_.agents().at(key).agent_id());
      if (!id.has_value()) continue;
      wanted[*id].insert(key);
      choices.emplace(key, *id);
    }
    while (next < begun.size() && !matcher.IsWaiting(begun[next])) ++next;  // an agent's choice
    std::string id;
    if (next < begun.size() &&
        (wanted.empty() || !more_urgent(wanted.begin()->first, begun[next]))) {
      id = begun[next++];
    } else if (!wanted.empty()) {
      id = wanted.begin()->first;
    } else {
      break;
    }
    const std::optional<std::string> agent_id =
        matcher.ChooseAgent(WaitingOf(*state_.FindConversation(id)));
    if (!agent_id.has_value()) {
      WISSEL_CHECK(!wanted.contains(id)) << id << " is wanted, and nobody can take it";
      left.push_back(std::move(id));
      continue;
    }
    if (const auto it = wanted.find(id); it != wanted.end()) {
      ask = std::move(it->second);
      for (const std::string& key : ask) choices.erase(key);
      wanted.erase(it);
    }
    Give(id, *agent_id);
    Sync();
    ask.merge(std::exchange(changed_agents_, {}));
  }
  for (; next < begun.size(); ++next) newly_waiting_.insert(begun[next]);
  changed_agents_.merge(ask);
  for (const auto& [key, id] : choices) changed_agents_.insert(key);
  for (const std::string& id : left) {
    if (Full()) {
      newly_waiting_.insert(id);
    } else {
      Leave(id);
    }
  }
}

// What nobody can take overflows, or waits.
void Engine::Leave(const std::string& conversation_id) {
  const bool moved = Overflow(conversation_id);
  Sync();
  if (moved) {
    newly_waiting_.insert(conversation_id);
    return;
  }
  // The event that queued it says why it waits.
  const ConversationState& c = *state_.FindConversation(conversation_id);
  for (auto event = decision_->mutable_events()->rbegin();
       event != decision_->mutable_events()->rend(); ++event) {
    if (event->queued().conversation_id() != conversation_id) continue;
    Explain(c, *event->mutable_queued()->mutable_explanation());
    bytes_ += event->queued().explanation().ByteSizeLong();
    Estimate(c);
    return;
  }
}

void Engine::Explain(const ConversationState& c, conversation::v1::Explanation& out) const {
  MatcherOf(c)->Explain(WaitingOf(c), out);
}

conversation::v1::Explanation Engine::Explain(absl::string_view conversation_id) const {
  const ConversationState* c = state_.FindConversation(conversation_id);
  conversation::v1::Explanation out;
  if (c != nullptr && MatcherOf(*c) != nullptr) Explain(*c, out);
  return out;
}

std::vector<Engine::Standing> Engine::Judge(absl::string_view conversation_id) const {
  std::vector<Standing> standings;
  const ConversationState* c = state_.FindConversation(conversation_id);
  const routing::Matcher* matcher = c == nullptr ? nullptr : MatcherOf(*c);
  if (matcher == nullptr) return standings;
  const routing::Waiting waiting = WaitingOf(*c);
  for (const auto& [key, agent] : state_.agents()) {
    if (agent.workspace_id() != c->workspace_id() ||
        agent.routing_group_id() != c->routing_group_id()) {
      continue;
    }
    standings.push_back({.agent_id = agent.agent_id(),
                         .why_not = matcher->WhyNot(agent.agent_id(), waiting, {}),
                         .obstacles = matcher->FindObstacles(agent.agent_id(), waiting)});
  }
  return standings;
}

std::vector<Engine::QueueCount> Engine::CountWaiting() const {
  std::vector<QueueCount> counts;
  for (const auto& [routing_key, matcher] : matchers_) {
    const std::string workspace_id = routing_key.substr(0, routing_key.find('/'));
    for (routing::Matcher::QueueCount& queue : matcher.CountWaiting()) {
      counts.push_back({workspace_id, std::move(queue)});
    }
  }
  return counts;
}

void Engine::Give(const std::string& conversation_id, const std::string& agent_id) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const config::v1::Queue* queue = QueueOf(c);
  const int32_t units = UnitsOf(c);
  const std::string workspace_id = c.workspace_id();
  Event& event = NewEvent();
  if (queue != nullptr && queue->auto_accept()) {
    conversation::v1::Assigned& assigned = *event.mutable_assigned();
    assigned.set_conversation_id(conversation_id);
    assigned.set_agent_id(agent_id);
    assigned.set_reason(conversation::v1::Assigned::REASON_AUTO_ACCEPTED);
    assigned.set_units(units);
    Explain(c, *assigned.mutable_explanation());
  } else {
    conversation::v1::Offered& offered = *event.mutable_offered();
    offered.set_conversation_id(conversation_id);
    offered.set_offer_id(
        UuidV5(kWisselNamespace, {"offer", conversation_id, absl::StrCat(c.offers() + 1)}));
    offered.set_agent_id(agent_id);
    *offered.mutable_expire_time() = ToProto(now_ + OfferTimeout(queue));
    offered.set_units(units);
    Explain(c, *offered.mutable_explanation());
  }
  Emit(event);
  TouchConversation(conversation_id);
  TouchAgent(workspace_id, agent_id);
}

// ---------------------------------------------------------------------------------------------
// Overflow

void Engine::SetOverflowTimer(const ConversationState& c) {
  const config::v1::Queue* queue = QueueOf(c);
  if (queue == nullptr) return;
  absl::Time next = absl::InfiniteFuture();
  for (int i = 0; i < queue->overflow_rules_size(); ++i) {
    if (IsPending(c, i)) next = std::min(next, DueOf(c, queue->overflow_rules(i)));
  }
  if (next != absl::InfiniteFuture()) timers_.Set(TimerKind::kOverflow, c.conversation_id(), next);
}

std::optional<std::string> Engine::NoticeOf(const ConversationState& c,
                                            const config::v1::OverflowRule& rule) const {
  if (!routing::HasPlaces(rule.send_text())) return rule.send_text();
  const Wait wait = WaitOf(c);
  return routing::FillNotice(rule.send_text(), wait.position, wait.expected);
}

bool Engine::Overflow(const std::string& conversation_id) {
  const ConversationState& c = *state_.FindConversation(conversation_id);
  const config::v1::Queue* queue = QueueOf(c);
  if (queue == nullptr) return false;
  const bool too_often = overflows_[conversation_id] >= kMaxOverflowsInADecision;
  const int32_t waiting = MatcherOf(c)->WaitingCount(queue->queue_id());
  const bool may_write = MayAnswerAutomatically(c.last_customer_automation());
  std::vector<int> passed_over;
  for (int i = 0; i < queue->overflow_rules_size(); ++i) {
    const config::v1::OverflowRule& rule = queue->overflow_rules(i);
    if (!IsPending(c, i) || DueOf(c, rule) > now_) continue;
    bool applies = !too_often && (rule.above_waiting() == 0 || waiting > rule.above_waiting());
    std::optional<std::string> notice;
    if (applies && rule.has_send_text() && may_write) {
      notice = NoticeOf(c, rule);
      applies = notice.has_value();
    }
    if (!applies) {
      passed_over.push_back(i);
      continue;
    }
    ++overflows_[conversation_id];
    Event& event = NewEvent();
    conversation::v1::Overflowed& overflowed = *event.mutable_overflowed();
    overflowed.set_conversation_id(conversation_id);
    overflowed.set_queue_id(queue->queue_id());
    overflowed.set_rule(i);
    overflowed.set_waiting(waiting);
    overflowed.set_to_anyone(rule.to_anyone());
    if (rule.has_send_text() && !may_write) {
      overflowed.set_text_withheld_for(c.last_customer_automation());
    }
    Emit(event);
    TouchConversation(conversation_id);
    switch (rule.action_case()) {
      case config::v1::OverflowRule::kToQueueId:
        Queue(conversation_id, Queued::REASON_OVERFLOWED, FromProto(c.waiting_since()),
              rule.to_queue_id());
        return true;
      case config::v1::OverflowRule::kToAnyone:
        return true;
      case config::v1::OverflowRule::kRequestCallback: {
        Event& callback = NewEvent();
        callback.mutable_callback_requested()->set_conversation_id(conversation_id);
        Emit(callback);
        break;
      }
      case config::v1::OverflowRule::kSendText: {
        if (!notice.has_value()) break;
        message::v1::OutboundMessage message;
        message.add_contents()->mutable_text()->set_text(*std::move(notice));
        command::v1::Actor nobody;
        SendReply(c, std::move(message),
                  UuidV5(kWisselNamespace, {"overflow", conversation_id, queue->queue_id(),
                                            absl::StrCat(i), absl::StrCat(c.replies())}),
                  nobody);
        break;
      }
      case config::v1::OverflowRule::ACTION_NOT_SET:
        break;
    }
  }
  if (passed_over.empty()) return false;
  Event& event = NewEvent();
  conversation::v1::OverflowPassedOver& passed = *event.mutable_overflow_passed_over();
  passed.set_conversation_id(conversation_id);
  passed.set_queue_id(queue->queue_id());
  passed.mutable_rules()->Add(passed_over.begin(), passed_over.end());
  passed.set_waiting(waiting);
  Emit(event);
  TouchConversation(conversation_id);
  return false;
}

}  // namespace wissel::domain
