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
  for (const auto& [id, conversation] : state_.conversations()) {
    if (!domain::IsOpen(*conversation)) continue;
    Episode episode{.ongoing = true,
                    .index = recording_.ongoing.size(),
                    .arrival = FromProto(conversation->open_time())};
    const bool with_agent =
        conversation->status() == ConversationStatus::CONVERSATION_STATUS_ACTIVE ||
        conversation->status() == ConversationStatus::CONVERSATION_STATUS_PARKED;
    if (with_agent) {
      episode.with_agent_since = start;
      episode.served = true;
    }
    if (conversation->has_offer()) {
      asked_[id] = {.agent_id = conversation->offer().agent_id(),
                    .time = start,
                    .ordinal = conversation->offers()};
    }
    recording_.ongoing.push_back(
        {.conversation_id = id, .customer = {.arrival = episode.arrival, .key = KeyOf(id)}});
    episodes_[id] = episode;
  }
  // In an order of its own: the map has none.
  std::vector<size_t> order(recording_.ongoing.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return recording_.ongoing[a].conversation_id < recording_.ongoing[b].conversation_id;
  });
  std::vector<Ongoing> sorted;
  for (size_t i = 0; i < order.size(); ++i) {
    episodes_[recording_.ongoing[order[i]].conversation_id].index = i;
    sorted.push_back(std::move(recording_.ongoing[order[i]]));
  }
  recording_.ongoing = std::move(sorted);
}

// One state of all partitions: a configuration that is applied on one is there for all.
void Recorder::Fold(const Decision& decision, absl::Time now) {
  state_.BeginDecision(decision.cause(), now);
  for (const Event& event : decision.events()) state_.ApplyEvent(OnAllPartitions(event));
}

void Recorder::Take(const Decision& decision) {
  const absl::Time now = std::max(FromProto(decision.time()), state_.time());
  if (now > options_.to) return;
  if (!begun_ && now >= options_.from) {
    Begin(options_.from == absl::InfinitePast() ? now : options_.from);
  }
  Fold(decision, now);
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
  const auto it = episodes_.find(conversation_id);
  if (it == episodes_.end()) return;
  step.at = it->second.HandledAt(now);
  CustomerOf(it->second)->steps.push_back(std::move(step));
}

void Recorder::Read(const Decision& decision, absl::Time now) {
  const auto find = [&](const std::string& id) -> Episode* {
    const auto it = episodes_.find(id);
    return it == episodes_.end() ? nullptr : &it->second;
  };
  const auto answered = [&](const std::string& id, Reaction::Kind kind) {
    const auto it = asked_.find(id);
    if (it == asked_.end()) return;
    const Reaction reaction{.kind = kind, .after = now - it->second.time};
    recording_.habits[it->second.agent_id].push_back(reaction);
    recording_.answers[{id, it->second.ordinal}] = {.agent_id = it->second.agent_id,
                                                    .reaction = reaction};
    asked_.erase(it);
  };
  const auto acts = [&](absl::string_view agent_id, AgentAct::Kind kind, absl::string_view reason) {
    recording_.acts.push_back({.time = now,
                               .agent_id = std::string(agent_id),
                               .kind = kind,
                               .reason = std::string(reason)});
  };
  // Episodes begin with a message that opens a conversation, or opens it again.
  std::map<std::string, bool> begins;
  for (const Event& event : decision.events()) {
    if (event.has_conversation_opened()) {
      begins[event.conversation_opened().conversation_id()] = true;
    } else if (event.has_reopened() && event.reopened().by_customer()) {
      begins[event.reopened().conversation_id()] = true;
    } else if (event.has_reopened()) {
      ++recording_.left_out;
    }
  }
  std::set<std::string> merged;
  for (const Event& event : decision.events()) {
    switch (event.kind_case()) {
      case Event::kMessageReceived: {
        const std::string& id = event.message_received().conversation_id();
        if (begins.contains(id)) {
          Customer& customer = recording_.customers.emplace_back();
          customer.arrival = now;
          customer.message = event.message_received().message();
          customer.key = KeyOf(id);
          episodes_[id] = {.index = recording_.customers.size() - 1, .arrival = now};
        } else if (find(id) != nullptr) {
          AddStep(id, now,
                  {.kind = Step::Kind::kCustomerWrites,
                   .message = std::make_shared<message::v1::InboundMessage>(
                       event.message_received().message())});
        }
        break;
      }
      case Event::kOffered: {
        const std::string& id = event.offered().conversation_id();
        const ConversationState* c = state_.FindConversation(id);
        if (c != nullptr) {
          asked_[id] = {
              .agent_id = event.offered().agent_id(), .time = now, .ordinal = c->offers()};
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
        asked_.erase(event.offer_withdrawn().conversation_id());
        break;
      case Event::kAssigned:
        if (event.assigned().reason() == conversation::v1::Assigned::REASON_PULLED) {
          ++recording_.pulled;
        } else if (event.assigned().reason() == conversation::v1::Assigned::REASON_REASSIGNED) {
          ++recording_.reassigned;
        }
        if (Episode* e = find(event.assigned().conversation_id())) {
          e->handled = e->HandledAt(now);
          e->with_agent_since = now;
          if (!e->served) {
            e->served = true;
            ++recording_.served;
            waited_ += now - e->arrival;
            recording_.waited[CustomerOf(*e)->key] = now - e->arrival;
          }
        }
        break;
      case Event::kQueued:
        if (Episode* e = find(event.queued().conversation_id())) {
          e->handled = e->HandledAt(now);
          e->with_agent_since.reset();
        }
        break;
      case Event::kTransferred:
        if (event.transferred().has_to_agent_id()) ++recording_.transferred_to_agents;
        // To an agent: to the queue it then stands in.
        AddStep(
            event.transferred().conversation_id(), now,
            {.kind = Step::Kind::kTransfer,
             .detail =
                 event.transferred().has_to_queue_id() ? event.transferred().to_queue_id() : [&] {
                   const ConversationState* c =
                       state_.FindConversation(event.transferred().conversation_id());
                   return c == nullptr ? std::string() : c->queue_id();
                 }()});
        break;
      case Event::kReplySent:
        // What a queue's rule sent it sends again, if the rule is still there.
        if (event.reply_sent().actor().subject().empty()) break;
        AddStep(event.reply_sent().conversation_id(), now, {.kind = Step::Kind::kReply});
        break;
      case Event::kParked:
        if (event.parked().reason() == conversation::v1::Parked::REASON_COMMANDED) {
          AddStep(event.parked().conversation_id(), now, {.kind = Step::Kind::kPark});
        } else if (event.parked().reason() == conversation::v1::Parked::REASON_ON_HOLD) {
          AddStep(event.parked().conversation_id(), now, {.kind = Step::Kind::kHold});
        }
        break;
      case Event::kConversationMerged:
        if (event.conversation_merged().has_into_conversation_id()) {
          merged.insert(event.conversation_merged().conversation_id());
          ++recording_.merged;
        }
        break;
      case Event::kResumed:
        if (!event.resumed().by_customer()) {
          AddStep(event.resumed().conversation_id(), now, {.kind = Step::Kind::kResume});
        }
        break;
      case Event::kResolved: {
        const std::string& id = event.resolved().conversation_id();
        if (Episode* e = find(id)) {
          if (e->served) {
            AddStep(id, now,
                    {.kind = Step::Kind::kResolve, .detail = event.resolved().resolution()});
          } else {
            CustomerOf(*e)->patience = now - e->arrival;
            if (!merged.contains(id)) ++recording_.left;
            waited_ += now - e->arrival;
          }
          episodes_.erase(id);
        }
        asked_.erase(id);
        break;
      }
      case Event::kConfigApplied:
        if (recording_.configs.empty() || recording_.configs.back().config.version() <
                                              event.config_applied().config().version()) {
          recording_.configs.push_back({.time = now, .config = event.config_applied().config()});
        }
        break;
      case Event::kAgentConnected: {
        const AgentState* agent = state_.FindAgent(event.agent_connected().workspace_id(),
                                                   event.agent_connected().agent_id());
        if (agent != nullptr && agent->sessions_size() == 1) {
          acts(agent->agent_id(), AgentAct::Kind::kConnect, "");
        }
        break;
      }
      case Event::kAgentDisconnected: {
        const AgentState* agent = state_.FindAgent(event.agent_disconnected().workspace_id(),
                                                   event.agent_disconnected().agent_id());
        if (agent != nullptr && agent->sessions().empty()) {
          acts(agent->agent_id(), AgentAct::Kind::kDisconnect, "");
        }
        break;
      }
      case Event::kAgentPresenceChanged: {
        const AgentPresenceChanged& changed = event.agent_presence_changed();
        const bool forced = changed.cause() == AgentPresenceChanged::CAUSE_FORCED_LOGOUT;
        if (forced) ++recording_.logged_out;
        if (changed.cause() == AgentPresenceChanged::CAUSE_MISSED_OFFERS) {
          sent_away_[changed.agent_id()] = now;
        } else if (const auto it = sent_away_.find(changed.agent_id()); it != sent_away_.end()) {
          if (changed.presence() == command::v1::PRESENCE_AVAILABLE)
            aways_.push_back(now - it->second);
          sent_away_.erase(it);
        }
        if (changed.cause() != AgentPresenceChanged::CAUSE_COMMANDED && !forced) break;
        switch (changed.presence()) {
          case command::v1::PRESENCE_AVAILABLE:
            acts(changed.agent_id(), AgentAct::Kind::kAvailable, "");
            break;
          case command::v1::PRESENCE_AWAY:
            acts(changed.agent_id(), AgentAct::Kind::kAway, changed.reason());
            break;
          case command::v1::PRESENCE_DRAINING:
            acts(changed.agent_id(), AgentAct::Kind::kDraining, "");
            break;
          default:
            acts(changed.agent_id(), AgentAct::Kind::kOffline, "");
            break;
        }
        break;
      }
      case Event::kAgentCapacityChanged:
        acts(event.agent_capacity_changed().agent_id(), AgentAct::Kind::kCapacity, "");
        recording_.acts.back().units = event.agent_capacity_changed().capacity_units();
        break;
      default:
        break;
    }
  }
}

absl::StatusOr<Recording> Recorder::Finish() {
  if (!begun_) {
    return absl::FailedPreconditionError("nothing was decided in that time");
  }
  if (recording_.configs.empty()) {
    return absl::FailedPreconditionError("the log has no configuration in that time");
  }
  if (state_.configs().size() > 1) {
    return absl::FailedPreconditionError(
        absl::StrCat("the log has ", state_.configs().size(),
                     " workspaces; only one can be lived through again"));
  }
  recording_.end =
      options_.to == absl::InfiniteFuture() ? last_ + absl::Nanoseconds(1) : options_.to;
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
  Watch watch(std::move(watched));
  domain::State state = ToStartFrom(recording_.state);
  for (const Decision& decision : decisions_) {
    state.BeginDecision(decision.cause(), std::max(FromProto(decision.time()), state.time()));
    for (const Event& event : decision.events()) state.ApplyEvent(OnAllPartitions(event));
    watch.Take(decision, state);
  }
  recording_.report = watch.Finish();
  decisions_.clear();
  return std::move(recording_);
}

// ---------------------------------------------------------------------------------------------
// Repeating

namespace {

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
    if (!customer.patience.has_value() && patience_.has_value()) {
      // What is known of the wait is in the record; beyond it the exponential has no memory.
      Random random = Random::Stream(kSeed, kPatience, customer.key);
      const auto known = recording_.waited.find(customer.key);
      customer.patience = Distribution{.mean = *patience_}.Sample(random) +
                          (known == recording_.waited.end() ? absl::ZeroDuration() : known->second);
    }
    return customer;
  }

  std::vector<AgentAct> AgentActs() override {
    // Who was connected when it began stays so.
    return recording_.acts;
  }

  Reaction React(const OfferMade& offer) override {
    const auto it = recording_.answers.find({std::string(offer.conversation_id), offer.ordinal});
    if (it != recording_.answers.end() && it->second.agent_id == offer.agent_id) {
      return it->second.reaction;
    }
    const auto habits = recording_.habits.find(std::string(offer.agent_id));
    const std::vector<Reaction>& from =
        habits == recording_.habits.end() ? everybody_ : habits->second;
    if (from.empty()) return {.after = absl::Seconds(5)};
    Random random =
        Random::Stream(kSeed, kAnswer, offer.customer_key + static_cast<uint64_t>(offer.ordinal));
    return from[random.Next() % from.size()];
  }

  absl::Duration BackAfter(absl::string_view) override { return recording_.back_after; }

 private:
  static constexpr uint64_t kSeed = 1;
  enum Stream : uint64_t { kPatience = 1, kAnswer = 2 };

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
                            std::optional<config::v1::WorkspaceConfig> policy) {
  SimulationOptions options;
  options.start = recording.start;
  options.length = recording.end - recording.start;
  options.state = ToStartFrom(recording.state);
  options.ongoing = recording.ongoing;
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
      "an offer that was made to the same agent is answered as it was; another one as the agent "
      "answered some other, or where the agent had none, as somebody did",
  };
  if (patience.has_value()) {
    lines.push_back(absl::StrCat(
        "customers who were served leave after a time of their own, exponential with mean ",
        absl::FormatDuration(*patience)));
  } else {
    lines.push_back(
        "customers who left leave after as long; those who were served wait for as long as it "
        "takes");
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
