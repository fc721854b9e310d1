#include "libs/sim/recording.h"

#include <algorithm>
#include <set>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/base/hash.h"
#include "libs/base/proto_time.h"
#include "libs/sim/random.h"

namespace wissel::sim {

using conversation::v1::AgentPresenceChanged;
using conversation::v1::Event;
using log::v1::Decision;
using state::v1::AgentState;
using state::v1::ConversationState;
using state::v1::ConversationStatus;

// What is being recorded of an open conversation: from a message that brought it to an agent's
// attention to its resolution.
struct Recorder::Episode {
  bool ongoing = false;  // open when the recording began
  size_t index = 0;      // into the recording's ongoing or customers
  absl::Time arrival;
  absl::Duration handled;
  std::optional<absl::Time> with_agent_since;
  bool served = false;
  bool answered = false;
  std::string queue_id;  // the first

  absl::Duration HandledAt(absl::Time now) const {
    return with_agent_since.has_value() ? handled + (now - *with_agent_since) : handled;
  }
};

namespace {

// For starting a run: the state without leases, which nobody would renew, and without the ids of
// inputs that will not come again.
domain::State ToStartFrom(const domain::State& state) {
  domain::State copy;
  for (const domain::PieceKind kind : domain::kPieceKinds) {
    if (kind == domain::PieceKind::kSeen) continue;
    for (std::string& key : state.Keys(kind)) {
      const domain::PieceKey piece{kind, std::move(key)};
      std::optional<std::string> bytes = state.PieceBytes(piece);
      if (kind == domain::PieceKind::kPartition) {
        state::v1::PartitionState partition;
        *partition.mutable_time() = state.partition().time();
        bytes = partition.SerializeAsString();
      }
      // What a state has written it can read.
      copy.Load({piece, std::move(bytes)}).IgnoreError();
    }
  }
  return copy;
}

// A configuration that is applied on one partition is there for all.
Event OnAllPartitions(Event event) {
  const auto hold_all = [](auto& change) {
    change.clear_held_routing_group_ids();
    for (const config::v1::RoutingGroup& group : change.config().routing_groups()) {
      change.add_held_routing_group_ids(group.routing_group_id());
    }
  };
  if (event.has_config_applied()) hold_all(*event.mutable_config_applied());
  if (event.has_config_restated()) hold_all(*event.mutable_config_restated());
  return event;
}

// What is said, and why it was decided so, is most of a log; figures need neither.
Decision WithoutWords(Decision decision) {
  for (Event& event : *decision.mutable_events()) {
    if (event.has_message_received()) {
      event.mutable_message_received()->mutable_message()->clear_contents();
    } else if (event.has_reply_sent()) {
      event.mutable_reply_sent()->mutable_message()->clear_contents();
    } else if (event.has_note_added()) {
      event.mutable_note_added()->clear_text();
    } else if (event.has_offered()) {
      event.mutable_offered()->clear_explanation();
    } else if (event.has_assigned()) {
      event.mutable_assigned()->clear_explanation();
    } else if (event.has_queued()) {
      event.mutable_queued()->clear_explanation();
    }
  }
  return decision;
}

// Into one state of all partitions, between which times are only roughly in order.
void Fold(const Decision& decision, domain::State& state) {
  state.BeginDecision(decision.cause(), std::max(FromProto(decision.time()), state.time()));
  for (const Event& event : decision.events()) state.ApplyEvent(OnAllPartitions(event));
}

// Where the record has nothing to go by.
constexpr absl::Duration kUsualHandling = absl::Minutes(5);

uint64_t KeyOf(absl::string_view conversation_id) { return StableHash64(conversation_id); }

}  // namespace

Recorder::Recorder(RecordingOptions options) : options_(std::move(options)) {}

Recorder::~Recorder() = default;

void Recorder::Begin(absl::Time start) {
  begun_ = true;
  recording_.start = start;
  recording_.state = ToStartFrom(state_);
  for (const auto& [workspace_id, config] : state_.configs()) {
    recording_.configs.push_back({.time = start, .config = config});
  }
  for (const std::string& id : state_.Keys(domain::PieceKind::kConversation)) {
    const ConversationState& conversation = *state_.FindConversation(id);
    if (!domain::IsOpen(conversation)) continue;
    Episode episode{.ongoing = true,
                    .index = recording_.ongoing.size(),
                    .arrival = FromProto(conversation.open_time()),
                    .queue_id = conversation.queue_id()};
    const bool with_agent =
        conversation.status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE ||
        conversation.status() == ConversationStatus::CONVERSATION_STATUS_PARKED;
    if (with_agent) {
      episode.with_agent_since = start;
      episode.served = true;
    }
    if (conversation.has_offer()) {
      asked_[id] = {.agent_id = conversation.offer().agent_id(),
                    .time = start,
                    .ordinal = conversation.offers()};
    }
    recording_.ongoing.push_back(
        {.conversation_id = id, .customer = {.arrival = episode.arrival, .key = KeyOf(id)}});
    episodes_[id] = episode;
  }
}

void Recorder::ReadRestating(const Decision& decision, int32_t partition) {
  const auto it = cut_.find(partition);
  if (it == cut_.end()) return;
  for (const Event& event : decision.events()) {
    if (event.has_restate_started()) {
      it->second = event.restate_started().round();
    } else if (event.has_restate_completed() && it->second == event.restate_completed().round()) {
      cut_.erase(it);
      whole_since_ = state_.time();
      return;
    }
  }
}

void Recorder::Take(const Decision& decision, int32_t partition) {
  const absl::Time now = std::max(FromProto(decision.time()), state_.time());
  if (now > options_.to) {
    goes_on_ = true;
    return;
  }
  if (!begun_ && cut_.empty() && now >= options_.from) {
    const bool is_first = state_.time() == absl::InfinitePast();
    Begin(is_first ? now : std::max(options_.from, whole_since_));
  }
  Fold(decision, state_);
  ReadRestating(decision, partition);
  if (!begun_) return;
  last_ = now;
  decisions_.push_back(WithoutWords(decision));
  Read(decision, now);
}

Customer* Recorder::CustomerOf(const Episode& episode) {
  return episode.ongoing ? &recording_.ongoing[episode.index].customer
                         : &recording_.customers[episode.index];
}

void Recorder::AddStep(const std::string& conversation_id, absl::Time now, Step step) {
  const Episode* const episode = Find(conversation_id);
  if (episode == nullptr) return;
  step.at = episode->HandledAt(now);
  CustomerOf(*episode)->steps.push_back(std::move(step));
}

Recorder::Episode* Recorder::Find(const std::string& conversation_id) {
  const auto it = episodes_.find(conversation_id);
  return it == episodes_.end() ? nullptr : &it->second;
}

void Recorder::Read(const Decision& decision, absl::Time now) {
  // Episodes begin with a message that opens a conversation, or opens it again.
  std::set<std::string> begin;
  std::set<std::string> merged;
  for (const Event& event : decision.events()) {
    if (event.has_conversation_opened()) {
      begin.insert(event.conversation_opened().conversation_id());
    } else if (event.has_reopened() && event.reopened().by_customer()) {
      begin.insert(event.reopened().conversation_id());
    } else if (event.has_reopened()) {
      ++recording_.left_out;
    } else if (event.conversation_merged().has_into_conversation_id()) {
      merged.insert(event.conversation_merged().conversation_id());
      ++recording_.merged;
    } else if (event.has_conversation_updated()) {
      ++recording_.updated;
    } else if (event.has_wrap_up_ended() && decision.cause().has_input()) {
      // Else its time was over.
      ++recording_.wrap_ups_ended;
    }
  }
  for (const Event& event : decision.events()) {
    if (event.has_message_received()) {
      const auto& e = event.message_received();
      ReadMessage(e, begin.contains(e.conversation_id()), now);
    } else if (event.has_reply_sent()) {
      ReadReply(event.reply_sent(), now);
    } else if (event.has_resolved()) {
      const auto& e = event.resolved();
      ReadResolved(e, merged.contains(e.conversation_id()), now);
    } else if (event.has_config_applied()) {
      const config::v1::WorkspaceConfig& config = event.config_applied().config();
      std::vector<ConfigChange>& configs = recording_.configs;
      if (configs.empty() || configs.back().config.version() < config.version()) {
        configs.push_back({.time = now, .config = config});
      }
    } else {
      ReadOffers(event, now);
      ReadWhereItIs(event, now);
      ReadAgents(event, now);
    }
  }
}

void Recorder::ReadMessage(const conversation::v1::MessageReceived& e, bool begins,
                           absl::Time now) {
  const std::string& id = e.conversation_id();
  if (!begins) {
    AddStep(id, now,
            {.kind = Step::Kind::kCustomerWrites,
             .message = std::make_shared<message::v1::InboundMessage>(e.message())});
    return;
  }
  Customer& customer = recording_.customers.emplace_back();
  customer.arrival = now;
  customer.message = e.message();
  customer.key = KeyOf(id);
  episodes_[id] = {.index = recording_.customers.size() - 1, .arrival = now};
}

void Recorder::ReadReply(const conversation::v1::ReplySent& e, absl::Time now) {
  // What the queue's rules send the engine sends again.
  if (e.actor().subject().empty()) return;
  if (e.actor().role() == common::v1::ROLE_BOT) ++recording_.bot_answers;
  if (Episode* episode = Find(e.conversation_id()); episode != nullptr && !episode->answered) {
    episode->answered = true;
    Handled(*episode, now, &Handling::answered);
  }
  AddStep(e.conversation_id(), now, {.kind = Step::Kind::kReply});
}

void Recorder::ReadResolved(const conversation::v1::Resolved& e, bool merged, absl::Time now) {
  const std::string& id = e.conversation_id();
  Episode* const episode = Find(id);
  if (episode == nullptr) return;
  if (episode->served) {
    AddStep(id, now, {.kind = Step::Kind::kResolve, .detail = e.resolution()});
    Handled(*episode, now, &Handling::resolved);
  } else {
    CustomerOf(*episode)->patience = now - episode->arrival;
    if (!merged) ++recording_.left;
    waited_ += now - std::max(episode->arrival, recording_.start);
    unended_.push_back(*episode);
  }
  episodes_.erase(id);
}

void Recorder::Handled(const Episode& episode, absl::Time now,
                       std::vector<absl::Duration> Handling::*which) {
  // How long it had been handled before the recording is not known.
  if (episode.ongoing) return;
  for (const std::string& queue : {episode.queue_id, std::string()}) {
    (handling_[queue].*which).push_back(episode.HandledAt(now));
  }
}

void Recorder::Unanswered(const std::string& conversation_id, absl::Time now) {
  const auto it = asked_.find(conversation_id);
  if (it == asked_.end()) return;
  recording_.answers[{conversation_id, it->second.ordinal}] = {.agent_id = it->second.agent_id,
                                                               .reaction = std::nullopt,
                                                               .unanswered = now - it->second.time};
  asked_.erase(it);
}

void Recorder::ReadOffers(const Event& event, absl::Time now) {
  const auto answered = [&](const std::string& id, Reaction::Kind kind) {
    const auto it = asked_.find(id);
    if (it == asked_.end()) return;
    const Reaction reaction{.kind = kind, .after = now - it->second.time};
    recording_.habits[it->second.agent_id].push_back(reaction);
    recording_.answers[{id, it->second.ordinal}] = {
        .agent_id = it->second.agent_id, .reaction = reaction, .unanswered = {}};
    asked_.erase(it);
  };
  switch (event.kind_case()) {
    case Event::kOffered: {
      const conversation::v1::Offered& e = event.offered();
      if (const ConversationState* c = state_.FindConversation(e.conversation_id())) {
        asked_[e.conversation_id()] = {
            .agent_id = e.agent_id(), .time = now, .ordinal = c->offers()};
      }
      break;
    }
    case Event::kOfferAccepted:
      answered(event.offer_accepted().conversation_id(), Reaction::Kind::kAccept);
      break;
    case Event::kOfferDeclined:
      answered(event.offer_declined().conversation_id(), Reaction::Kind::kDecline);
      break;
    case Event::kOfferTimedOut:
      answered(event.offer_timed_out().conversation_id(), Reaction::Kind::kMiss);
      break;
    case Event::kOfferWithdrawn:
      Unanswered(event.offer_withdrawn().conversation_id(), now);
      break;
    default:
      break;
  }
}

void Recorder::ReadWhereItIs(const Event& event, absl::Time now) {
  switch (event.kind_case()) {
    case Event::kAssigned:
      if (event.assigned().reason() == conversation::v1::Assigned::REASON_PULLED) {
        ++recording_.pulled;
      } else if (event.assigned().reason() == conversation::v1::Assigned::REASON_REASSIGNED) {
        ++recording_.reassigned;
      }
      if (Episode* e = Find(event.assigned().conversation_id())) {
        e->handled = e->HandledAt(now);
        e->with_agent_since = now;
        if (e->served) break;
        e->served = true;
        ++recording_.served;
        waited_ += now - std::max(e->arrival, recording_.start);
        CustomerOf(*e)->waited = now - e->arrival;
      }
      break;
    case Event::kQueued:
      if (Episode* e = Find(event.queued().conversation_id())) {
        if (e->queue_id.empty()) e->queue_id = event.queued().queue_id();
        e->handled = e->HandledAt(now);
        e->with_agent_since.reset();
      }
      break;
    case Event::kTransferred: {
      const conversation::v1::Transferred& e = event.transferred();
      std::string queue_id = e.to_queue_id();
      if (e.has_to_agent_id()) ++recording_.transferred_to_agents;
      if (!e.has_to_queue_id()) {
        // To an agent: to the queue it then stands in.
        const ConversationState* c = state_.FindConversation(e.conversation_id());
        if (c != nullptr) queue_id = c->queue_id();
      }
      AddStep(e.conversation_id(), now,
              {.kind = Step::Kind::kTransfer, .detail = std::move(queue_id)});
      break;
    }
    case Event::kParked:
      if (event.parked().reason() == conversation::v1::Parked::REASON_COMMANDED) {
        AddStep(event.parked().conversation_id(), now, {.kind = Step::Kind::kPark});
      } else if (event.parked().reason() == conversation::v1::Parked::REASON_ON_HOLD) {
        AddStep(event.parked().conversation_id(), now, {.kind = Step::Kind::kHold});
      }
      break;
    case Event::kResumed:
      if (!event.resumed().by_customer()) {
        AddStep(event.resumed().conversation_id(), now, {.kind = Step::Kind::kResume});
      }
      break;
    default:
      break;
  }
}

void Recorder::Acts(absl::Time now, absl::string_view agent_id, AgentAct::Kind kind,
                    absl::string_view reason) {
  recording_.acts.push_back({.time = now,
                             .agent_id = std::string(agent_id),
                             .kind = kind,
                             .reason = std::string(reason)});
}

void Recorder::ReadAgents(const Event& event, absl::Time now) {
  switch (event.kind_case()) {
    case Event::kAgentConnected: {
      const AgentState* agent = state_.FindAgent(event.agent_connected().workspace_id(),
                                                 event.agent_connected().agent_id());
      if (agent != nullptr && agent->sessions_size() == 1) {
        Acts(now, agent->agent_id(), AgentAct::Kind::kConnect);
      }
      break;
    }
    case Event::kAgentDisconnected: {
      const AgentState* agent = state_.FindAgent(event.agent_disconnected().workspace_id(),
                                                 event.agent_disconnected().agent_id());
      if (agent != nullptr && agent->sessions().empty()) {
        Acts(now, agent->agent_id(), AgentAct::Kind::kDisconnect);
      }
      break;
    }
    case Event::kAgentPresenceChanged:
      ReadPresence(event.agent_presence_changed(), now);
      break;
    case Event::kAgentCapacityChanged:
      Acts(now, event.agent_capacity_changed().agent_id(), AgentAct::Kind::kCapacity);
      recording_.acts.back().units = event.agent_capacity_changed().capacity_units();
      break;
    default:
      break;
  }
}

void Recorder::ReadPresence(const AgentPresenceChanged& e, absl::Time now) {
  const bool forced = e.cause() == AgentPresenceChanged::CAUSE_FORCED_LOGOUT;
  if (forced) ++recording_.logged_out;
  if (e.cause() == AgentPresenceChanged::CAUSE_MISSED_OFFERS) {
    sent_away_[e.agent_id()] = now;
  } else if (const auto it = sent_away_.find(e.agent_id()); it != sent_away_.end()) {
    if (e.presence() == command::v1::PRESENCE_AVAILABLE) aways_.push_back(now - it->second);
    sent_away_.erase(it);
  }
  if (e.cause() != AgentPresenceChanged::CAUSE_COMMANDED && !forced) return;
  switch (e.presence()) {
    case command::v1::PRESENCE_AVAILABLE:
      return Acts(now, e.agent_id(), AgentAct::Kind::kAvailable);
    case command::v1::PRESENCE_AWAY:
      return Acts(now, e.agent_id(), AgentAct::Kind::kAway, e.reason());
    case command::v1::PRESENCE_DRAINING:
      return Acts(now, e.agent_id(), AgentAct::Kind::kDraining);
    default:
      return Acts(now, e.agent_id(), AgentAct::Kind::kOffline);
  }
}

// A policy may give to an agent whom nobody had in the record, or had to the end: without an end
// such a conversation would take the agent's capacity for good.
void Recorder::GiveEnds() {
  for (auto& [id, episode] : episodes_) {
    if (!episode.served) {
      waited_ += recording_.end - std::max(episode.arrival, recording_.start);
      CustomerOf(episode)->waited = recording_.end - episode.arrival;
    }
    unended_.push_back(episode);
  }
  for (auto& [queue, times] : handling_) {
    std::sort(times.answered.begin(), times.answered.end());
    std::sort(times.resolved.begin(), times.resolved.end());
  }
  // The middle one of those that took at least as long as is known already.
  const auto usual = [&](const std::string& queue_id, absl::Duration known,
                         std::vector<absl::Duration> Handling::*which) {
    for (const std::string& queue : {queue_id, std::string()}) {
      const std::vector<absl::Duration>& sorted = handling_[queue].*which;
      const auto from = std::lower_bound(sorted.begin(), sorted.end(), known);
      if (from != sorted.end()) return *(from + (sorted.end() - from) / 2);
    }
    return std::max(known, kUsualHandling);
  };
  recording_.unended = static_cast<int64_t>(unended_.size());
  for (const Episode& episode : unended_) {
    const absl::Duration known = episode.HandledAt(recording_.end);
    const absl::Duration end = usual(episode.queue_id, known, &Handling::resolved);
    std::vector<Step>& steps = CustomerOf(episode)->steps;
    if (!episode.answered) {
      steps.push_back({.at = std::min(end, usual(episode.queue_id, known, &Handling::answered)),
                       .kind = Step::Kind::kReply});
    }
    steps.push_back({.at = end, .kind = Step::Kind::kResolve});
  }
}

absl::StatusOr<Recording> Recorder::Finish() {
  if (!begun_) {
    return absl::FailedPreconditionError(
        cut_.empty() ? "nothing was decided in that time"
                     : "the log's head is cut off, and has not been restated by then");
  }
  if (recording_.configs.empty()) {
    return absl::FailedPreconditionError("the log has no configuration in that time");
  }
  if (state_.configs().size() > 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the log has ", state_.configs().size(),
                     " workspaces; only one can be lived through again"));
  }
  recording_.end = goes_on_ ? options_.to : std::min(options_.to, last_ + absl::Nanoseconds(1));
  while (!asked_.empty()) Unanswered(std::string(asked_.begin()->first), recording_.end);
  GiveEnds();
  std::stable_sort(recording_.customers.begin(), recording_.customers.end(),
                   [](const Customer& a, const Customer& b) { return a.arrival < b.arrival; });
  if (!aways_.empty()) {
    std::sort(aways_.begin(), aways_.end());
    recording_.back_after = aways_[aways_.size() / 2];
  }
  if (recording_.left > 0) recording_.patience = waited_ / recording_.left;

  SimulationOptions watched;
  watched.start = recording_.start;
  watched.length = recording_.end - recording_.start;
  watched.service_level = options_.service_level;
  watched.first_response_target = options_.first_response_target;
  watched.state = ToStartFrom(recording_.state);
  watched.ongoing = recording_.ongoing;
  Watch watch(std::move(watched));
  domain::State state = ToStartFrom(recording_.state);
  for (const Decision& decision : decisions_) {
    Fold(decision, state);
    watch.Take(decision, state);
  }
  recording_.report = watch.Finish();
  decisions_.clear();
  return std::move(recording_);
}

// ---------------------------------------------------------------------------------------------
// Repeating

namespace {

constexpr uint64_t kSeed = 1;
enum Stream : uint64_t { kPatience = 1, kAnswer = 2 };

void Assume(const std::optional<absl::Duration>& patience, Customer& customer) {
  if (customer.patience.has_value() || !patience.has_value()) return;
  // What is known of the wait is in the record; beyond it the exponential has no memory.
  Random random = Random::Stream(kSeed, kPatience, customer.key);
  customer.patience = Distribution{.mean = *patience}.Sample(random) + customer.waited;
}

class Repeated : public Behaviour {
 public:
  Repeated(const Recording& recording, std::optional<absl::Duration> patience)
      : recording_(recording), patience_(patience) {
    for (const auto& [agent, reactions] : recording.habits) {
      everybody_.insert(everybody_.end(), reactions.begin(), reactions.end());
    }
  }

  std::optional<Customer> NextCustomer() override {
    if (next_ >= recording_.customers.size()) return std::nullopt;
    Customer customer = recording_.customers[next_++];
    Assume(patience_, customer);
    return customer;
  }

  std::vector<AgentAct> AgentActs() override {
    // Who was connected when it began stays so.
    return recording_.acts;
  }

  Reaction React(const OfferMade& offer) override {
    const auto it = recording_.answers.find({std::string(offer.conversation_id), offer.ordinal});
    absl::Duration unanswered = -absl::InfiniteDuration();
    if (it != recording_.answers.end() && it->second.agent_id == offer.agent_id) {
      if (it->second.reaction.has_value()) return *it->second.reaction;
      unanswered = it->second.unanswered;
    }
    const auto habits = recording_.habits.find(std::string(offer.agent_id));
    const std::vector<Reaction>& from =
        habits == recording_.habits.end() ? everybody_ : habits->second;
    if (from.empty()) return {.after = std::max(absl::Seconds(5), unanswered + absl::Seconds(5))};
    Random random =
        Random::Stream(kSeed, kAnswer, offer.customer_key + static_cast<uint64_t>(offer.ordinal));
    // One that is still to come after the time for which nothing was said.
    for (int i = 0; i < 100; ++i) {
      const Reaction& reaction = from[random.Next() % from.size()];
      if (reaction.kind == Reaction::Kind::kMiss || reaction.after > unanswered) return reaction;
    }
    return {.kind = Reaction::Kind::kMiss, .after = {}};
  }

  absl::Duration BackAfter(absl::string_view) override { return recording_.back_after; }

 private:
  const Recording& recording_;
  const std::optional<absl::Duration> patience_;
  std::vector<Reaction> everybody_;
  size_t next_ = 0;
};

}  // namespace

std::unique_ptr<Behaviour> RepeatBehaviour(const Recording& recording,
                                           std::optional<absl::Duration> patience) {
  return std::make_unique<Repeated>(recording, patience);
}

SimulationOptions OptionsOf(const Recording& recording,
                            std::optional<config::v1::WorkspaceConfig> policy,
                            std::optional<absl::Duration> patience) {
  SimulationOptions options;
  options.start = recording.start;
  options.length = recording.end - recording.start;
  options.state = ToStartFrom(recording.state);
  options.ongoing = recording.ongoing;
  for (Ongoing& ongoing : options.ongoing) Assume(patience, ongoing.customer);
  options.configs = recording.configs;
  options.configs.front().time = recording.start;
  if (policy.has_value()) {
    policy->set_version(options.configs.back().config.version() + 1);
    options.configs = {{.time = recording.start, .config = *std::move(policy)}};
  }
  options.service_level = recording.report.service_level;
  options.first_response_target = recording.report.first_response_target;
  return options;
}

namespace {

std::string HowOften(int64_t n) { return n == 1 ? "once" : absl::StrCat(n, " times"); }

}  // namespace

std::vector<std::string> Assumptions(const Recording& recording,
                                     std::optional<absl::Duration> patience) {
  std::vector<std::string> lines = {
      "customers write first when they did, and are the same whatever the policy",
      "a conversation takes an agent's time as it did, whoever has it: answers, the customer's "
      "further "
      "messages, transfers to queues and its end come as long after an agent has it as they did",
      "agents connect, come, go away and leave when they did; one sent away for missing offers is "
      "back "
      "after " +
          absl::FormatDuration(absl::Trunc(recording.back_after, absl::Seconds(1))),
      "an offer that was made to the same agent is answered as it was, and not before the time at "
      "which it was withdrawn; another one as the agent answered some other, or where the agent "
      "had "
      "none, as somebody did",
  };
  if (patience.has_value()) {
    lines.push_back(absl::StrCat(
        "customers who left leave after as long; those who did not, after a time of their own "
        "beyond what they are known to have waited, exponential with mean ",
        absl::FormatDuration(*patience)));
  } else {
    lines.push_back(
        "customers who left leave after as long; those who did not wait for as long as it takes");
  }
  if (recording.unended > 0) {
    lines.push_back(absl::StrCat(
        recording.unended, recording.unended == 1 ? " conversation" : " conversations",
        " did not end with an agent, for the customer left or the record ended: whoever has one "
        "now answers and resolves it after the middle of the times that its queue's others took, "
        "or all queues' where it had none that took as long"));
  }
  const struct {
    int64_t count;
    absl::string_view what;
  } unrepeatable[] = {
      {recording.transferred_to_agents,
       " a conversation was handed to an agent by name: here it goes to the queue it stood in, and "
       "whoever is chosen has it"},
      {recording.pulled,
       " an agent pulled a conversation from its queue: here it waits until it is offered"},
      {recording.reassigned,
       " a supervisor gave a conversation to an agent: here it stays with its agent, or in its "
       "queue"},
      {recording.logged_out,
       " a supervisor logged an agent out: here the agent goes offline by themselves, and keeps "
       "what is not live"},
      {recording.updated,
       " the priority, language or facts of a conversation were set, or its queue chosen again: "
       "here they stay as its messages made them"},
      {recording.wrap_ups_ended,
       " an agent ended after-work before its time: here it takes the whole of the queue's"},
      {recording.bot_answers,
       " a bot answered: here it counts as a person's answer, whatever bot_answers_count says"},
      {recording.left_out, " an agent opened a conversation again: left out"},
  };
  for (const auto& [count, what] : unrepeatable) {
    if (count > 0) lines.push_back(absl::StrCat(HowOften(count), what));
  }
  if (recording.merged > 0) {
    lines.push_back(absl::StrCat(recording.merged,
                                 " conversations were merged into others: they end when they did"));
  }
  return lines;
}

}  // namespace wissel::sim
