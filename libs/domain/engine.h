#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/arena.h"
#include "libs/domain/state.h"
#include "libs/domain/timers.h"
#include "libs/routing/flow.h"
#include "libs/routing/matcher.h"
#include "libs/routing/policy.h"
#include "wissel/command/v1/command.pb.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/log/v1/log.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::domain {

// What may be decided wrong if it is decided at all: goes to the dead letters instead.
struct Refusal {
  deadletter::v1::Reason reason;
  // One line for a person.
  std::string detail;
  // The envelope's id, where it could be read: filled in by whoever has the input.
  std::string input_id = {};
};

// Makes the decisions of one partition: ordered inputs and a time in, decisions out.
//
// Owns the partition's state; a decision has been applied to it when it is returned. Epoch and
// sequence are stamped by whoever appends it. Pure: the same state and inputs give the same
// decisions. Times that go backwards are taken for the state's time. Not thread-safe.
class Engine {
 public:
  struct Options {
    // Whether the records under this routing key belong to this partition.
    std::function<bool(absl::string_view routing_key)> holds;
    // For the chaos test's canary only: decides repeated inputs again.
    bool ignore_seen = false;
  };

  Engine(State state, Options options);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const State& state() const { return state_; }

  // How an agent stands to a conversation now.
  struct Standing {
    std::string agent_id;
    // Nothing: may be given it.
    std::optional<routing::PassedOver> why_not;
    // Everything that would have to change.
    routing::Obstacles obstacles;
  };
  // Of every agent of the conversation's routing group, by id; empty where it is not known.
  std::vector<Standing> Judge(absl::string_view conversation_id) const;
  // What it asks for, and how urgent it is; empty where it is not known.
  conversation::v1::Explanation Explain(absl::string_view conversation_id) const;

  struct QueueCount {
    std::string workspace_id;
    routing::Matcher::QueueCount queue;
  };
  // How many wait in each queue, and how many of them for nobody.
  std::vector<QueueCount> CountWaiting() const;

  // Why an input cannot be decided; nothing where it can. To be asked first.
  std::optional<Refusal> Refuse(const message::v1::InboundMessage& message) const;
  std::optional<Refusal> Refuse(const command::v1::Command& command) const;
  std::optional<Refusal> Refuse(const receipt::v1::Receipt& receipt) const;

  // A decision is the engine's own, and gone with the next one.

  // `cause` names the record; its id is filled in here. The message becomes part of the decision as
  // it stands, and is lent to it: neither is copied.
  log::v1::Decision& Decide(const log::v1::InputCause& cause, message::v1::InboundMessage& message,
                            absl::Time now);
  log::v1::Decision& Decide(const log::v1::InputCause& cause, message::v1::InboundMessage&& message,
                            absl::Time now) {
    copied_ = std::move(message);
    return Decide(cause, copied_, now);
  }
  log::v1::Decision& Decide(const log::v1::InputCause& cause,
                            const message::v1::InboundMessage& message, absl::Time now) {
    copied_ = message;
    return Decide(cause, copied_, now);
  }
  log::v1::Decision& Decide(const log::v1::InputCause& cause, const command::v1::Command& command,
                            absl::Time now);
  log::v1::Decision& Decide(const log::v1::InputCause& cause, const receipt::v1::Receipt& receipt,
                            absl::Time now);
  // An input that was refused and is in the dead letters.
  log::v1::Decision& DecideDeadLetter(const log::v1::InputCause& cause,
                                      absl::string_view dead_letter_id, const Refusal& refusal,
                                      absl::Time now);
  // Null where the configuration does not concern this partition or is in force already.
  log::v1::Decision* Decide(const log::v1::InputCause& cause,
                            const config::v1::WorkspaceConfig& config, absl::Time now);

  const Timers& timers() const { return timers_; }
  // When the next timer is due; InfiniteFuture where none is.
  absl::Time NextTimer() const;
  // Fires the next timer that is due, and conversations' own that are due at the same instant; null
  // where none is.
  log::v1::Decision* DecideTimer(absl::Time now);

  // True where a restating round should start: never yet, one was interrupted, or the last began
  // `interval` ago.
  bool RestateDue(absl::Duration interval, absl::Time now) const;
  // The next step of a round, of about `max_bytes`, or of one configuration that is larger; starts
  // one where none is in progress. Null: ask again a second later. The round is over when
  // restating() turns false.
  log::v1::Decision* Restate(absl::Time now, size_t max_bytes);
  bool restating() const { return restate_.has_value(); }
  // Configurations are still to come in this round. Nothing else may be decided before them: who
  // folds from its start on would not know the configuration that it was decided under.
  bool restating_configs() const {
    return restate_.has_value() && !restate_->todo.empty() &&
           restate_->todo.back().kind == PieceKind::kConfig;
  }

 private:
  // In one decision, about: a record has its limit, 1 MiB less what the bus adds. One more step
  // makes less than the difference: a few events, one explanation.
  static constexpr int kMaxEvents = 500;
  static constexpr size_t kMaxBytes = 896 << 10;
  // So few never fill it, but a configuration and more: one input and explanations, which are
  // bounded.
  static constexpr int kFewEvents = 8;

  // --- decision in the making
  log::v1::Cause& NewCause();
  void Begin(log::v1::Cause& cause, absl::Time now);
  void Begin(const log::v1::InputCause& input, absl::string_view id, absl::Time now);
  // To be filled and emitted.
  conversation::v1::Event& NewEvent();
  void Emit(conversation::v1::Event& event);
  void NameFormerAgent(conversation::v1::Event& event) const;
  log::v1::Decision& Finish();
  // Whether what else there is to do is left to a timer that is due at once.
  bool Full();
  void TouchConversation(absl::string_view id) { touched_conversations_.insert(std::string(id)); }
  void TouchAgent(absl::string_view workspace_id, absl::string_view agent_id);

  // --- matching
  const routing::Matcher* FindMatcher(absl::string_view workspace_id,
                                      absl::string_view routing_group_id) const;
  routing::Matcher* FindMatcher(absl::string_view workspace_id, absl::string_view routing_group_id);
  routing::Matcher* MatcherOf(const state::v1::ConversationState& conversation);
  const routing::Matcher* MatcherOf(const state::v1::ConversationState& conversation) const;
  const config::v1::Queue* QueueOf(const state::v1::ConversationState& conversation) const;
  routing::Waiting WaitingOf(const state::v1::ConversationState& conversation) const;
  // Lets time take effect on who waits where, and schedules the next time it will.
  void Advance(const std::string& routing_key, routing::Matcher& matcher);
  void SetRelaxTimer(const std::string& routing_key, const routing::Matcher& matcher);
  void SyncConversation(const std::string& id);
  void SyncAgent(const std::string& key);
  void Sync();
  // True for what waits in a queue that the configuration no longer has, though it has others.
  bool IsStray(const state::v1::ConversationState& conversation);
  // Gives out what can be given out, until nothing can; what would make the decision too large is
  // left to a timer that is due at once.
  void Match();
  // What a routing group has to look at: agents, by AgentKey, who may have got room, and
  // conversations that have begun to wait, or ask for less.
  struct Sought {
    std::set<std::string> agents;
    std::vector<std::string> conversations;
  };
  // Of what waits and may go to somebody always the most urgent first, to its own best agent.
  void GiveOut(routing::Matcher& matcher, Sought& sought);
  void Leave(const std::string& conversation_id);
  void Give(const std::string& conversation_id, const std::string& agent_id);
  void Explain(const state::v1::ConversationState& conversation,
               conversation::v1::Explanation& out) const;
  // What those of the queue's rules do with a conversation that wait to be looked at. True where it
  // changed whom it waits for.
  bool Overflow(const std::string& conversation_id);
  // What the rule would write to the customer now; nothing where its text needs what is not known.
  std::optional<std::string> NoticeOf(const state::v1::ConversationState& conversation,
                                      const config::v1::OverflowRule& rule) const;
  // For the first of the rules that have not been looked at yet.
  void SetOverflowTimer(const state::v1::ConversationState& conversation);

  // --- SLA
  // Puts the policy that its queue, channel, tier and priority call for in force.
  void ChooseSla(const state::v1::ConversationState& conversation);
  // True for what is open and measured by a policy that the configuration no longer has.
  bool LacksSlaPolicy(const state::v1::ConversationState& conversation) const;
  // Says what the conversation's clocks have come to, and escalates. Whether it has any.
  bool SayDue(const std::string& conversation_id);
  // The same of all the workspace's conversations, as far as about `room` bytes go: before what is
  // promised changes.
  void SayDueOf(const std::string& workspace_id, size_t room);
  // Takes its policy's steps for this share, but leaves one that moves it, and those behind it, to
  // Escalate: whatever else is decided on comes first.
  void TakeSteps(const std::string& conversation_id, config::v1::SlaMetric metric, int32_t percent);
  void Take(const conversation::v1::SlaEscalated& step);
  void Escalate();
  // What its clocks add to how urgent it is.
  void AddSla(const state::v1::ConversationState& conversation, routing::Waiting& waiting) const;
  // When the conversation's clock of this metric will have used up its target; InfiniteFuture where
  // it does not run.
  absl::Time SlaDue(const state::v1::ConversationState& conversation,
                    config::v1::SlaMetric metric) const;

  // --- waiting times
  void EstimateQueue(const std::string& queue_key);
  // Says what there is to say of one conversation that waits.
  void Estimate(const state::v1::ConversationState& conversation);
  void TellWait(const state::v1::ConversationState& conversation);
  // A conversation's place in its queue, and how long it will probably wait there.
  struct Wait {
    int32_t position = 0;  // 1: next; 0: not known
    std::optional<absl::Duration> expected;
  };
  Wait WaitOf(const state::v1::ConversationState& conversation) const;
  // The forecast of a conversation's first response.
  struct Risk {
    routing::Matcher::Standing standing;  // where it waits
    routing::Place place;
    absl::Time due;
    // When it is at risk; InfiniteFuture: not before it is looked at again.
    absl::Time time;
  };
  // Nothing where there is none to be told (any more).
  std::optional<Risk> RiskOf(const state::v1::ConversationState& conversation) const;
  // Says that it is at risk, or sets the timer for when it will be.
  void TellRisk(const state::v1::ConversationState& conversation);
  // The same of a conversation that does not wait, but leaves it to the timer to say anything.
  void WatchGiven(const state::v1::ConversationState& conversation);
  void FireAtRisk(const state::v1::ConversationState& conversation);
  bool IsForecast(const state::v1::ConversationState& conversation) const;
  // The conversation begins or ceases to wait in its queue.
  void TellWaits(const state::v1::ConversationState& conversation, bool waits);
  // Keeps count of who is at work in queues whose waiting times are told; null: the agent is gone.
  void CountStaff(const std::string& agent_key, const state::v1::AgentState* agent);
  routing::Staffing StaffingOf(const state::v1::ConversationState& conversation,
                               const routing::Matcher::Standing& standing) const;

  // --- steps shared by inputs
  // The agent who last had a contact, and until when.
  struct LastAgent {
    std::string agent_id;
    absl::Time time;
  };
  // Where none is named, in the queue that an escalation meanwhile sent it to, else in the present
  // one, and in one the rules choose where that is gone. The last agent goes first within the
  // queue's sticky window; without one, whoever went first before does so again.
  void Queue(const std::string& conversation_id, conversation::v1::Queued::Reason reason,
             absl::Time waiting_since, const std::string& wanted_queue_id = "",
             const std::optional<LastAgent>& last = std::nullopt);
  std::string QueueFor(const state::v1::ConversationState& conversation) const;
  // Whether something new may wait in this queue of the conversation's routing group.
  bool TakesNew(const state::v1::ConversationState& conversation, absl::string_view queue_id) const;
  // A conversation that has just been opened waits.
  void QueueNew(const std::string& conversation_id);
  // What was resolved is opened again, and waits.
  void ReopenConversation(const std::string& conversation_id, bool by_customer);
  // Back to its agent where possible, else to the queue.
  void ResumeConversation(const std::string& conversation_id, absl::string_view agent_id);
  // Whether the configuration in force has the agent's routing group, but no longer the agent.
  bool IsRemoved(const state::v1::AgentState& agent) const;
  // Whether the agent has it, but has been put into another routing group.
  bool IsLeftBehind(const state::v1::AgentState& agent,
                    const state::v1::ConversationState& conversation) const;
  // Why a conversation that the agent has goes back to its queue; nothing: it does not. Follows
  // from the state alone, so that whoever takes over goes on.
  std::optional<conversation::v1::Queued::Reason> GoesBack(
      const state::v1::AgentState& agent, const state::v1::ConversationState& conversation) const;
  // Whether GiveBack has something to do.
  bool HasToGiveBack(const state::v1::AgentState& agent) const;
  // Takes from the agent what goes back. What makes the decision too large is left to a timer.
  void GiveBack(const state::v1::AgentState& agent);
  // Ends the after-work of a conversation, all of it, or what has expired.
  static constexpr absl::string_view kAllWrapUps = "*";
  static constexpr absl::string_view kExpiredWrapUps = "";
  void EndWrapUps(const state::v1::AgentState& agent, absl::string_view which);
  // When a conversation of an agent who is offline goes back to its queue; InfiniteFuture: never.
  absl::Time OwnerGoneTime(const state::v1::AgentState& agent,
                           const state::v1::ConversationState& conversation) const;
  // Takes from an agent who is offline what has waited for them long enough.
  void GiveUpOwner(const state::v1::AgentState& agent);
  // When the next of those is due; InfiniteFuture: never.
  absl::Time NextOwnerGone(const state::v1::AgentState& agent) const;
  // Who is consulted, but is not (any more) one of the routing group's agents.
  std::vector<std::string> ConsultedStrangers(
      const state::v1::ConversationState& conversation) const;
  void EndConsult(const std::string& conversation_id, const std::string& agent_id);
  // Those consulted and those who joined leave.
  void EndCompany(const state::v1::ConversationState& conversation);
  void EndJoining(const std::string& conversation_id, const state::v1::JoinedSupervisor& joined);
  void SendReply(const state::v1::ConversationState& conversation,
                 const message::v1::OutboundMessage& wanted, std::string outbound_id,
                 const command::v1::Actor& actor);
  void Assign(const state::v1::ConversationState& conversation, const std::string& agent_id,
              conversation::v1::Assigned::Reason reason, const command::v1::Command& command);
  void WithdrawOffer(const state::v1::ConversationState& conversation,
                     conversation::v1::OfferWithdrawn::Reason reason);
  void SetPresence(const state::v1::AgentState& agent, command::v1::Presence presence,
                   absl::string_view reason, conversation::v1::AgentPresenceChanged::Cause cause);

  // --- messages
  const state::v1::ConversationState* FindFor(const message::v1::InboundMessage& message) const;
  // What the conversation has become part of, itself where it was never merged; null: that is no
  // longer known.
  const state::v1::ConversationState* FollowMerges(
      const state::v1::ConversationState* conversation) const;
  void Receive(message::v1::InboundMessage& message);

  // --- commands: each returns the reason it was refused for
  struct Rejection {
    conversation::v1::CommandRejected::Reason reason;
    std::string detail;
  };
  using Verdict = std::optional<Rejection>;
  Verdict Execute(const command::v1::Command& command);
  Verdict On(const command::v1::Command& command, const command::v1::SetPresence& c);
  Verdict On(const command::v1::Command& command, const command::v1::SetCapacity& c);
  Verdict On(const command::v1::Command& command, const command::v1::AcceptOffer& c);
  Verdict On(const command::v1::Command& command, const command::v1::DeclineOffer& c);
  Verdict On(const command::v1::Command& command, const command::v1::SendReply& c);
  Verdict On(const command::v1::Command& command, const command::v1::AddNote& c);
  Verdict On(const command::v1::Command& command, const command::v1::Transfer& c);
  Verdict On(const command::v1::Command& command, const command::v1::Park& c);
  Verdict On(const command::v1::Command& command, const command::v1::Resume& c);
  Verdict On(const command::v1::Command& command, const command::v1::Resolve& c);
  Verdict On(const command::v1::Command& command, const command::v1::Reopen& c);
  Verdict On(const command::v1::Command& command, const command::v1::MergeConversation& c);
  Verdict On(const command::v1::Command& command, const command::v1::SettleDelivery& c);
  Verdict On(const command::v1::Command& command, const command::v1::Pull& c);
  Verdict On(const command::v1::Command& command, const command::v1::Reassign& c);
  Verdict On(const command::v1::Command& command, const command::v1::Consult& c);
  Verdict On(const command::v1::Command& command, const command::v1::EndConsult& c);
  Verdict On(const command::v1::Command& command, const command::v1::BargeIn& c);
  Verdict On(const command::v1::Command& command, const command::v1::LeaveConversation& c);
  Verdict On(const command::v1::Command& command, const command::v1::ForceLogout& c);
  Verdict On(const command::v1::Command& command, const command::v1::EndWrapUp& c);
  Verdict On(const command::v1::Command& command, const command::v1::UpdateConversation& c);
  Verdict On(const command::v1::Command& command, const command::v1::ConnectAgent& c);
  Verdict On(const command::v1::Command& command, const command::v1::DisconnectAgent& c);
  Verdict On(const command::v1::Command& command, const command::v1::RenewGatewayLease& c);
  // The conversation a command is about, if the actor may act on it.
  struct Target {
    const state::v1::ConversationState* conversation = nullptr;
    Verdict verdict;
  };
  Target FindTarget(const command::v1::Command& command, absl::string_view conversation_id,
                    bool must_own) const;
  struct OfferTarget {
    const state::v1::ConversationState* conversation = nullptr;
    Verdict verdict;
  };
  OfferTarget FindOffer(const command::v1::Command& command, absl::string_view offer_id,
                        absl::string_view agent_id) const;

  // --- receipts
  void OnReceipt(const receipt::v1::Receipt& receipt);
  void Ignore(const receipt::v1::Receipt& receipt, absl::string_view detail);
  void UpdateDelivery(const state::v1::ConversationState& conversation,
                      conversation::v1::DeliveryUpdated update);

  // --- configuration
  const config::v1::WorkspaceConfig& Config(absl::string_view workspace_id) const;
  void Configure(const config::v1::WorkspaceConfig& config);
  // Says which queues of the configuration before are kept though this one no longer has them, as
  // far as they find room beside it.
  void KeepRemovedQueues(const config::v1::WorkspaceConfig& before,
                         const conversation::v1::ConfigApplied& applied);
  static bool WaitsOrIsOffered(const state::v1::ConversationState& conversation);
  // Keeps count of what the kept queues still hold.
  void TellClosing(const std::string& conversation_id);
  // Ends what was kept and is done. True where a policy has changed with it.
  bool LetGo();
  std::vector<std::string> HeldGroups(const config::v1::WorkspaceConfig& config) const;
  bool Holds(const common::v1::Envelope& envelope) const;
  int32_t UnitsOf(const state::v1::ConversationState& conversation) const;
  bool IsLive(const state::v1::ConversationState& conversation) const;

  // --- timers
  void Fire(TimerKind kind, const std::string& key);
  void FireConversation(const state::v1::ConversationState& conversation);

  struct RestateRound {
    int64_t round;
    // What is still to be written, in order, the next last.
    std::vector<PieceKey> todo;
  };

  State state_;
  Options options_;
  std::map<std::string, routing::Matcher> matchers_;  // by routing key
  // What was looked up last: one input asks for the same matcher several times.
  mutable const std::pair<const std::string, routing::Matcher>* last_matcher_ = nullptr;
  Timers timers_;
  std::optional<RestateRound> restate_;

  // Of the decision that is made. A usual one fits in the first block.
  static constexpr size_t kBlockBytes = 32 << 10;
  const std::unique_ptr<char[]> block_ = std::make_unique<char[]>(kBlockBytes);
  google::protobuf::Arena memory_{block_.get(), kBlockBytes};
  log::v1::Decision* decision_ = nullptr;  // null before the first
  // Of its first events, about, as far as they have been measured.
  int measured_ = 0;
  size_t bytes_ = 0;
  message::v1::InboundMessage copied_;
  absl::Time now_;
  std::set<std::string> touched_conversations_;
  std::set<std::string> touched_agents_;
  // Since the last match: conversations that began to wait, agents whose load changed.
  std::set<std::string> newly_waiting_;
  std::set<std::string> changed_agents_;
  std::set<std::string> stray_;
  // Conversations whose SLA policy is gone.
  std::set<std::string> unmeasured_;
  // Conversations that strangers are consulted on.
  std::set<std::string> consulting_strangers_;
  // Agents whom the configuration no longer has and who may have nothing left, by AgentKey.
  std::set<std::string> leaving_;
  // What waits in queues that are kept or is on offer from them, by QueueKey.
  std::map<std::string, std::set<std::string>> closing_;
  struct Escalation {
    conversation::v1::SlaEscalated step;
    // How many events the decision had when it became due.
    int due;
  };
  std::vector<Escalation> escalating_;
  // Routing keys of matchers whose time has come, conversations whose overflow has.
  std::set<std::string> advancing_;
  std::set<std::string> overflowing_;
  // How often a conversation has overflowed in this decision: rules that lead in a circle end here.
  std::map<std::string, int> overflows_;
  // Conversations waiting in queues whose waiting times are told, by QueueKey.
  std::map<std::string, std::set<std::string>> told_;
  struct Staff {
    int32_t agents = 0;
    int64_t capacity_units = 0;
    int64_t used_units = 0;
  };
  struct CountedAgent {
    std::vector<std::string> queue_keys;
    int64_t capacity_units;
    int64_t used_units;
  };
  std::map<std::string, Staff> staff_;           // by QueueKey
  std::map<std::string, CountedAgent> counted_;  // by AgentKey
  // Where EstimateQueue goes on.
  std::map<std::string, std::string> estimated_up_to_;
};

}  // namespace wissel::domain
