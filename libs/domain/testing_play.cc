#include "libs/domain/testing_play.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"

namespace wissel::domain::testing {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using log::v1::Decision;

// ---------------------------------------------------------------------------------------------
// Invariants

std::string Invariants::Check(const State& state) {
  std::string wrong;
  const auto must = [&](bool holds, absl::string_view whose, absl::string_view what) {
    if (!holds) absl::StrAppend(&wrong, whose, ": ", what, "\n");
  };
  // By agent: units and conversations by channel, and what the indexes are to say.
  std::map<std::string, Held> units;
  std::map<std::string, Held> conversations;
  std::map<std::string, std::set<std::string>> holds;
  std::map<std::string, std::set<std::string>> company;
  std::map<std::string, int> waiting;
  std::set<std::string> busy;  // queues that something waits in or is on offer from
  const WorkspaceConfig& config = *state.FindConfig(kWorkspace);
  const auto has_agent = [&](const std::string& agent_id) {
    return std::any_of(config.agents().begin(), config.agents().end(),
                       [&](const auto& agent) { return agent.agent_id() == agent_id; });
  };
  for (const auto& [id, c] : state.conversations()) {
    for (const std::string& agent : CompanyIn(*c)) {
      must(IsOpen(*c), id, "whoever keeps company leaves before the end");
      company[AgentKey(kWorkspace, agent)].insert(id);
    }
    for (const std::string& agent : c->consulted_agent_ids()) {
      must(has_agent(agent), id, "somebody is consulted who is gone");
    }
    const std::string& holder = c->has_offer() ? c->offer().agent_id() : c->agent_id();
    if (!holder.empty() && IsOpen(*c)) {
      const std::string key = AgentKey(kWorkspace, holder);
      holds[key].insert(id);
      if (c->units() > 0) {
        units[key][c->account().kind()] += c->units();
        ++conversations[key][c->account().kind()];
      }
    }
    const bool offered = c->status() == state::v1::CONVERSATION_STATUS_OFFERED;
    const bool queued = c->status() == state::v1::CONVERSATION_STATUS_QUEUED;
    must(c->has_offer() == offered, id, "an offer, and not on offer");
    must(c->status() != state::v1::CONVERSATION_STATUS_ACTIVE || !c->agent_id().empty(), id,
         "nobody's, and active");
    must(!queued || (holder.empty() && c->units() == 0), id, "waits, and is somebody's");
    if (queued) ++waiting[c->queue_id()];
    if (queued || offered) busy.insert(c->queue_id());
  }
  // What stands in the way of a channel's work.
  const auto in_the_way = [&](int kind, const Held& held) {
    int sum = 0;
    for (const auto& [other, used] : held) {
      const bool interrupted =
          std::any_of(config.channels().begin(), config.channels().end(), [&](const auto& channel) {
            const auto& others = channel.may_interrupt();
            return channel.kind() == kind &&
                   std::find(others.begin(), others.end(), other) != others.end();
          });
      if (!interrupted) sum += used;
    }
    return sum;
  };
  std::map<std::string, Held> now;
  for (const auto& [key, agent] : state.agents()) {
    for (const state::v1::WrapUp& wrap_up : agent.wrap_ups()) {
      units[key][wrap_up.channel_kind()] += wrap_up.units();
      ++conversations[key][wrap_up.channel_kind()];
    }
    int used = 0;
    for (const state::v1::ChannelLoad& load : agent.channel_loads()) {
      used += load.units();
      must(load.units() == units[key][load.kind()], key, "units");
      must(load.conversations() == conversations[key][load.kind()], key, "conversations");
    }
    must(static_cast<size_t>(agent.channel_loads_size()) == units[key].size(), key, "channels");
    must(agent.used_units() == used, key, "used units");
    must(state.ConversationsOf(kWorkspace, agent.agent_id()) == holds[key], key, "conversations");
    must(state.CompanyOf(kWorkspace, agent.agent_id()) == company[key], key, "company");
    // What was given last fitted, or there is less room than before. Which that was cannot be seen:
    // an input may fire several timers, and a channel hold as much as before them by giving it up
    // and getting it back. Each gift by itself is the model's to judge.
    bool given = false;
    bool fitted = false;
    for (const auto& [kind, held] : units[key]) {
      given = given || held > before_[key][kind];
      fitted = fitted || in_the_way(kind, units[key]) <=
                             std::max(agent.capacity_units(), in_the_way(kind, before_[key]));
    }
    must(!given || fitted, key, "more than the capacity");
    now[key] = units[key];
    if (!agent.leaving()) continue;
    must(agent.used_units() > 0, key, "leaves, and has nothing");
    must(!has_agent(agent.agent_id()), key, "leaves, and is configured");
    for (const std::string& id : holds[key]) {
      must(!state.FindConversation(id)->has_offer(), key, "leaves, and is offered something");
    }
  }
  before_ = std::move(now);
  for (const auto& [key, queue] : state.queues()) {
    must(queue.waiting() == waiting[queue.queue_id()], key, "waiting");
    must(!queue.has_kept() || busy.contains(queue.queue_id()), key, "kept for nothing");
  }
  return wrong;
}

// ---------------------------------------------------------------------------------------------
// Mistakes

namespace {

// The kind of timer that is not there.
std::optional<TimerKind> LostTimer(Slip slip) {
  switch (slip) {
    case Slip::kNoConversationTimer:
      return TimerKind::kConversation;
    case Slip::kNoAgentLostTimer:
      return TimerKind::kAgentLost;
    case Slip::kNoGatewayLeaseTimer:
      return TimerKind::kGatewayLease;
    case Slip::kNoRelaxTimer:
      return TimerKind::kRelax;
    case Slip::kNoOverflowTimer:
      return TimerKind::kOverflow;
    case Slip::kNoSlaTimer:
      return TimerKind::kSla;
    case Slip::kNoEstimateTimer:
      return TimerKind::kEstimate;
    case Slip::kNoAtRiskTimer:
      return TimerKind::kAtRisk;
    case Slip::kNoWrapUpTimer:
      return TimerKind::kWrapUp;
    case Slip::kNoOwnerGoneTimer:
      return TimerKind::kOwnerGone;
    default:
      return std::nullopt;
  }
}

// The kind of event that is not there.
std::optional<Event::KindCase> LostEvent(Slip slip) {
  switch (slip) {
    case Slip::kOfferForgotten:
      return Event::kOffered;
    case Slip::kWithdrawalForgotten:
      return Event::kOfferWithdrawn;
    case Slip::kDeclineForgotten:
      return Event::kOfferDeclined;
    case Slip::kAfterWorkForgotten:
      return Event::kWrapUpStarted;
    case Slip::kOverflowForgotten:
      return Event::kOverflowed;
    case Slip::kWarningForgotten:
      return Event::kSlaWarned;
    case Slip::kPolicyForgotten:
      return Event::kSlaPolicyApplied;
    default:
      return std::nullopt;
  }
}

// The kind of event that is there twice.
std::optional<Event::KindCase> DoubledEvent(Slip slip) {
  switch (slip) {
    case Slip::kOverflowedAgain:
      return Event::kOverflowed;
    case Slip::kStepTakenAgain:
      return Event::kSlaEscalated;
    case Slip::kWarnedAgain:
      return Event::kSlaWarned;
    default:
      return std::nullopt;
  }
}

// Another than this one; the same where there is none.
std::string AnotherAgent(const WorkspaceConfig& config, const std::string& agent_id) {
  for (const config::v1::Agent& agent : config.agents()) {
    if (agent.agent_id() != agent_id) return agent.agent_id();
  }
  return agent_id;
}

void Spoil(conversation::v1::Offered& e, Slip slip, const WorkspaceConfig& config) {
  if (slip == Slip::kOfferedToAnother) e.set_agent_id(AnotherAgent(config, e.agent_id()));
  if (slip == Slip::kUnitsForgotten) e.set_units(0);
  if (slip == Slip::kExplainedOtherwise) e.mutable_explanation()->clear_runners_up();
}

void Spoil(conversation::v1::Assigned& e, Slip slip, const WorkspaceConfig& config) {
  using conversation::v1::Assigned;
  if ((slip == Slip::kAssignedToAnother && e.reason() == Assigned::REASON_AUTO_ACCEPTED) ||
      (slip == Slip::kPulledByAnother && e.reason() == Assigned::REASON_PULLED)) {
    e.set_agent_id(AnotherAgent(config, e.agent_id()));
  }
}

void Spoil(conversation::v1::Queued& e, absl::Time now, Slip slip, const WorkspaceConfig& config) {
  if (slip == Slip::kPlaceLost) *e.mutable_waiting_since() = ToProto(now);
  if (slip == Slip::kFirstAgentForgotten) e.clear_sticky_agent_id();
  if (slip != Slip::kQueueMistaken) return;
  for (const config::v1::Queue& queue : config.queues()) {
    if (queue.queue_id() == e.queue_id()) continue;
    e.set_queue_id(queue.queue_id());
    return;
  }
}

}  // namespace

Decision WatchedShop::Spoilt(const Decision& decision) const {
  const WorkspaceConfig* config = model_.state().FindConfig(kWorkspace);
  if (config == nullptr) return decision;
  const auto lost = LostEvent(slip_);
  const auto doubled = DoubledEvent(slip_);
  Decision spoilt = decision;
  spoilt.clear_events();
  for (Event event : decision.events()) {
    if (event.kind_case() == lost) continue;
    if (slip_ == Slip::kAwayForgotten &&
        event.agent_presence_changed().cause() ==
            conversation::v1::AgentPresenceChanged::CAUSE_MISSED_OFFERS) {
      continue;
    }
    if (event.has_offered()) Spoil(*event.mutable_offered(), slip_, *config);
    if (event.has_assigned()) Spoil(*event.mutable_assigned(), slip_, *config);
    if (event.has_queued()) {
      Spoil(*event.mutable_queued(), FromProto(decision.time()), slip_, *config);
    }
    if (event.kind_case() == doubled) *spoilt.add_events() = event;
    *spoilt.add_events() = std::move(event);
  }
  return spoilt;
}

std::vector<Timers::Timer> WatchedShop::TimersOf(const Engine& engine) const {
  std::vector<Timers::Timer> timers = engine.timers().All();
  if (const auto lost = LostTimer(slip_)) {
    std::erase_if(timers, [&](const Timers::Timer& timer) { return timer.kind == *lost; });
  }
  return timers;
}

std::string WatchedShop::Do(const RandomDay::Input& input) {
  RandomDay::Do(input, shop_);
  std::string wrong;
  for (; followed_ < shop_.log().size() && wrong.empty(); ++followed_) {
    const Decision& decided = shop_.log()[followed_];
    wrong = slip_ == Slip::kNone ? model_.Follow(decided) : model_.Follow(Spoilt(decided));
    if (!wrong.empty()) absl::StrAppend(&wrong, decided.DebugString());
  }
  // A decision that was spoilt on its way to the model is not what the engine's state came of,
  // which would give it away: the model is to notice by its own rules.
  const bool alone = slip_ != Slip::kNone && slip_ < Slip::kNoConversationTimer;
  if (wrong.empty() && !alone) wrong = model_.CheckState(shop_.state());
  if (wrong.empty()) wrong = invariants_.Check(shop_.state());
  // Of what falls due at the same instant each is decided by itself.
  if (!wrong.empty() || shop_.engine().NextTimer() <= shop_.state().time()) return wrong;
  ++settled_;
  wrong = absl::StrCat(model_.CheckWaiting(), model_.CheckClocks());
  if (alone) return wrong;
  absl::StrAppend(&wrong, model_.CheckTimers(TimersOf(shop_.engine())));
  if (!wrong.empty() || settled_ % take_over_every_ != 0) return wrong;
  // Whoever takes over now waits for the same.
  const Engine successor(shop_.state().Copy(), {.holds = [](absl::string_view) { return true; }});
  wrong = model_.CheckTimers(TimersOf(successor));
  return wrong.empty() ? "" : absl::StrCat("Taken over:\n", wrong);
}

// ---------------------------------------------------------------------------------------------
// Playing again

namespace {

// How many inputs it takes, and what is wrong after the last of them.
std::pair<size_t, std::string> PlayUpTo(const Script& script, Slip slip, int take_over_every = 1) {
  WatchedShop shop(script.config, slip, take_over_every);
  for (size_t i = 0; i < script.inputs.size(); ++i) {
    std::string wrong = shop.Do(script.inputs[i]);
    if (!wrong.empty()) return {i + 1, std::move(wrong)};
  }
  return {script.inputs.size(), ""};
}

}  // namespace

std::string Play(const Script& script, Slip slip) {
  const auto [inputs, wrong] = PlayUpTo(script, slip);
  return wrong.empty() ? "" : absl::StrCat("after input ", inputs, ": ", wrong);
}

Script Shrink(Script script, Slip slip) {
  // A takeover costs more than an input.
  constexpr int kNever = std::numeric_limits<int>::max();
  const int take_over_every = PlayUpTo(script, slip, kNever).second.empty() ? 1 : kNever;
  script.inputs.resize(PlayUpTo(script, slip, take_over_every).first);
  for (size_t chunk = std::max<size_t>(1, script.inputs.size() / 2); chunk > 0; chunk /= 2) {
    for (bool again = true; again;) {
      again = false;
      for (size_t begin = 0; begin < script.inputs.size();) {
        Script shorter = script;
        const auto first = shorter.inputs.begin() + static_cast<ptrdiff_t>(begin);
        shorter.inputs.erase(
            first, first + static_cast<ptrdiff_t>(std::min(chunk, shorter.inputs.size() - begin)));
        if (const auto [inputs, wrong] = PlayUpTo(shorter, slip, take_over_every); !wrong.empty()) {
          shorter.inputs.resize(inputs);
          script = std::move(shorter);
          again = chunk == 1;
        } else {
          begin += chunk;
        }
      }
    }
  }
  return script;
}

std::string Print(const Script& script) {
  std::string text = absl::StrCat("configuration: ", script.config.ShortDebugString(), "\n");
  for (const RandomDay::Input& input : script.inputs) {
    if (const auto* message = std::get_if<message::v1::InboundMessage>(&input)) {
      absl::StrAppend(&text, "message: ", message->ShortDebugString());
    } else if (const auto* command = std::get_if<Command>(&input)) {
      absl::StrAppend(&text, "command: ", command->ShortDebugString());
    } else if (const auto* config = std::get_if<WorkspaceConfig>(&input)) {
      absl::StrAppend(&text, "configuration: ", config->ShortDebugString());
    } else if (const auto* wait = std::get_if<RandomDay::Wait>(&input)) {
      absl::StrAppend(&text, "wait: ", absl::FormatDuration(wait->duration));
    } else {
      absl::StrAppend(&text,
                      "clock: ", absl::FormatDuration(std::get<RandomDay::ClockShift>(input).by));
    }
    absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace wissel::domain::testing
