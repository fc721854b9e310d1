#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/routing/sla.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/state/v1/state.pb.h"

namespace wissel::domain {

// How long the id of a decided input is remembered, by the log's time. A provider that repeats
// itself later than this is taken for new.
inline constexpr absl::Duration kSeenFor = absl::Hours(7 * 24);

// Deliveries kept of one conversation; settled ones go first, oldest first.
inline constexpr int kMaxDeliveries = 50;
// Ids in one piece of those seen.
inline constexpr size_t kMaxSeenIds = 2048;
// Provider ids kept of one conversation, newest last.
inline constexpr int kMaxProviderMessageIds = 20;

// The state's pieces: what checkpoints hold and restating rounds write.
enum class PieceKind { kPartition, kConfig, kConversation, kAgent, kSeen, kQueue };

// All of them, in the order in which a restating round writes them: what is counted over
// conversations stands behind them.
inline constexpr PieceKind kPieceKinds[] = {PieceKind::kPartition,    PieceKind::kConfig,
                                            PieceKind::kConversation, PieceKind::kSeen,
                                            PieceKind::kAgent,        PieceKind::kQueue};

absl::string_view PieceKindName(PieceKind kind);
std::optional<PieceKind> ParsePieceKind(absl::string_view name);

// Partition: "". Config: the workspace id. Conversation: its id. Agent: AgentKey. Seen:
// "second.part". Queue: QueueKey.
struct PieceKey {
  PieceKind kind;
  std::string key;

  friend auto operator<=>(const PieceKey&, const PieceKey&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PieceKey& k) {
    return H::combine(std::move(h), k.kind, k.key);
  }
};

// (second, part) of a seen piece's key.
std::optional<std::pair<int64_t, int32_t>> ParseSeenKey(absl::string_view key);

struct Piece {
  PieceKey key;
  // The serialised message of wissel.state.v1 (or config); nothing: the piece is gone.
  std::optional<std::string> bytes;
};

// What a piece adds to State::Hash.
uint64_t PieceHash(const PieceKey& key, absl::string_view bytes);

// "workspace_id/agent_id".
std::string AgentKey(absl::string_view workspace_id, absl::string_view agent_id);

// "workspace_id/queue_id".
std::string QueueKey(absl::string_view workspace_id, absl::string_view queue_id);

// The key of a record: "workspace_id/routing_group_id".
std::string RoutingKey(absl::string_view workspace_id, absl::string_view routing_group_id);
bool IsRoutingKey(absl::string_view key, absl::string_view workspace_id,
                  absl::string_view routing_group_id);

// True for what still needs somebody: everything but resolved.
bool IsOpen(const state::v1::ConversationState& conversation);
// Agent ids of those who see a conversation beside whoever has it: the consulted, and the
// supervisors who have joined and are agents. Sorted, each once.
std::vector<std::string> CompanyIn(const state::v1::ConversationState& conversation);
// What somebody's coming or going makes of it.
void ApplyCompany(const conversation::v1::ConsultStarted& e, state::v1::ConversationState& c);
void ApplyCompany(const conversation::v1::ConsultEnded& e, state::v1::ConversationState& c);
void ApplyCompany(const conversation::v1::SupervisorJoined& e, state::v1::ConversationState& c);
void ApplyCompany(const conversation::v1::SupervisorLeft& e, state::v1::ConversationState& c);
// True for something that asks for nobody's attention where the conversation is over, and for no
// answer.
bool IsQuiet(const message::v1::InboundMessage& message);
// True for what a person wrote, as far as can be told: only that may a machine answer (RFC 3834,
// section 2).
bool MayAnswerAutomatically(message::v1::Automation automation);
// True for a delivery that nothing more will happen to, but for the provider's later reports.
bool IsSettled(receipt::v1::DeliveryState state);

// Whether an agent answers: not a bot, nor the queue's rules with a text.
bool IsAgentsAnswer(const conversation::v1::ReplySent& reply);

// True where the agent, whom this configuration no longer has, keeps open work until it is done.
bool KeepsAgent(const config::v1::WorkspaceConfig& config, const state::v1::AgentState& agent);
// Whether an agent whom this configuration no longer has still has conversations, or after-work
// that is kept.
bool HoldsSomething(const config::v1::WorkspaceConfig& config, const state::v1::AgentState& agent);
// True where what waits in the queue, which this configuration no longer has, is kept there.
bool KeepsQueue(const config::v1::WorkspaceConfig& config, const state::v1::KeptQueue& kept);

// The working state of one partition: a fold of its log and nothing else. Router, projector,
// gateway, simulator and wisselctl all fold with this code.
//
// Not thread-safe. Pure: no clock, no I/O; the same decisions in the same order give the same
// state, piece for piece and byte for byte. An event about something the state does not know (its
// beginning was cut off by retention) changes nothing; the restating round brings it back.
class State {
 public:
  State() = default;
  State(State&&) = default;
  State& operator=(State&&) = default;

  // Folds one valid decision in.
  void Apply(const log::v1::Decision& decision);

  // The steps of Apply, for whoever makes the decision: BeginDecision, ApplyEvent for each event,
  // in order. `time` must not be before the state's time.
  void BeginDecision(const log::v1::Cause& cause, absl::Time time);
  void ApplyEvent(const conversation::v1::Event& event);

  // The time of the last decision; InfinitePast before the first.
  absl::Time time() const { return time_; }
  // The offset of the next record to read; 0 where none has been decided.
  int64_t NextOffset(common::v1::InputTopic topic, int32_t partition) const;
  const state::v1::PartitionState& partition() const { return partition_; }

  const state::v1::ConversationState* FindConversation(absl::string_view id) const;
  // The contact's latest conversation on this account.
  const state::v1::ConversationState* FindByContact(const common::v1::ChannelAccount& account,
                                                    absl::string_view contact_id) const;
  // The contact's latest conversation on this account that has the message, by the provider's id of
  // it; null also where the id is empty.
  const state::v1::ConversationState* FindByMessage(const common::v1::ChannelAccount& account,
                                                    absl::string_view contact_id,
                                                    absl::string_view provider_message_id) const;
  // The contact's conversation on the same account that was resolved last, but for this one.
  const state::v1::ConversationState* FindPrevious(
      const state::v1::ConversationState& conversation) const;
  const state::v1::ConversationState* FindByOutbound(absl::string_view outbound_id) const;
  // By the provider's id of an answer of ours; the outbound id, or empty.
  std::string FindOutbound(absl::string_view workspace_id,
                           const common::v1::ChannelAccount& account,
                           absl::string_view provider_message_id) const;
  const state::v1::AgentState* FindAgent(absl::string_view workspace_id,
                                         absl::string_view agent_id) const;
  const state::v1::QueueState* FindQueue(absl::string_view workspace_id,
                                         absl::string_view queue_id) const;
  // As configured, or as it was last where it is kept; null: there is none.
  const config::v1::Queue* FindQueueConfig(absl::string_view workspace_id,
                                           absl::string_view queue_id) const;
  // Ids of the conversations offered to, active with or parked with the agent.
  const std::set<std::string>& ConversationsOf(absl::string_view workspace_id,
                                               absl::string_view agent_id) const;
  // Ids of the conversations in which the agent is company; see CompanyIn.
  const std::set<std::string>& CompanyOf(absl::string_view workspace_id,
                                         absl::string_view agent_id) const;
  const config::v1::WorkspaceConfig* FindConfig(absl::string_view workspace_id) const;
  // From now on what this conversation's clocks are told is also written to `told`, which outlives
  // the state: for showing what counted.
  void WatchClock(std::string conversation_id, std::vector<routing::SlaEvent>* told) {
    watched_ = std::move(conversation_id);
    told_ = told;
  }
  bool Seen(absl::string_view uuid) const;
  // Null: the configuration in force has no such policy.
  std::shared_ptr<const routing::SlaPolicy> FindSlaPolicy(absl::string_view workspace_id,
                                                          absl::string_view sla_policy_id) const;
  // Whether somebody has answered: not what a queue's rule sends, and a bot only where the
  // conversation's SLA policy says that its answers count, or where it has none.
  bool IsAnswer(const state::v1::ConversationState& conversation,
                const conversation::v1::ReplySent& reply) const;
  // The conversation's clocks as they stand.
  routing::SlaClock SlaClockOf(const state::v1::ConversationState& conversation) const;

  // Every conversation, agent and configuration; conversations in no order: never decide by it.
  const absl::flat_hash_map<std::string, std::unique_ptr<state::v1::ConversationState>>&
  conversations() const {
    return conversations_;
  }
  const std::map<std::string, state::v1::AgentState>& agents() const { return agents_; }
  const std::map<std::string, config::v1::WorkspaceConfig>& configs() const { return configs_; }
  const std::map<std::string, state::v1::QueueState>& queues() const { return queues_; }
  // Keys of all pieces of a kind, sorted.
  std::vector<std::string> Keys(PieceKind kind) const;
  // A piece's bytes; nothing where there is none.
  std::optional<std::string> PieceBytes(const PieceKey& key) const;

  // Sum over all pieces of PieceHash, modulo 2^64: independent of order, so that a checkpoint can
  // keep it up to date piece by piece. Serialises everything: O(state).
  uint64_t Hash() const;

  // From now on remembers which pieces change.
  void TrackChanges() { tracking_ = true; }
  // The pieces that changed since the last call, sorted by key, as they are now.
  std::vector<Piece> TakeChanges();

  // The same state once more, without what TrackChanges has noted. O(state).
  State Copy() const;

  // Puts a checkpoint's piece back. INVALID_ARGUMENT where the bytes do not parse.
  absl::Status Load(const Piece& piece);

  // True where nothing is missing: the fold began at the log's beginning or a checkpoint, or has
  // seen a complete restating round.
  bool whole() const { return whole_; }
  // Says that the fold begins where the log's head has been cut off.
  void BeginsAfterCut() { whole_ = false; }

 private:
  // (second, part).
  using SeenKey = std::pair<int64_t, int32_t>;
  using ConversationMap =
      absl::flat_hash_map<std::string, std::unique_ptr<state::v1::ConversationState>>;

  state::v1::ConversationState* Lookup(absl::string_view id) const;
  state::v1::ConversationState* Conversation(absl::string_view id);
  state::v1::AgentState* Agent(absl::string_view workspace_id, absl::string_view agent_id);
  void Touch(PieceKind kind, absl::string_view key);
  void Remember(absl::string_view uuid);
  void ForgetOldIds();
  // What it says from now on; keeps the count of the queue it waits in or ceases to wait in.
  void SetStatus(state::v1::ConversationState& conversation, state::v1::ConversationStatus status) {
    SetPlace(conversation, status, conversation.queue_id());
  }
  void SetPlace(state::v1::ConversationState& conversation, state::v1::ConversationStatus status,
                const std::string& queue_id);
  state::v1::QueueState* Queue(absl::string_view workspace_id, absl::string_view queue_id);
  // It is taken up again, if it was parked.
  void Unpark(state::v1::ConversationState& conversation);
  // It is given to somebody; counts where it waited.
  void NoteDeparture(const state::v1::ConversationState& conversation);
  // It waits no longer, though nobody got it; counts where it waited.
  void NoteLeft(const state::v1::ConversationState& conversation);
  // The time its agent had it is over.
  void NoteHandled(state::v1::ConversationState& conversation);
  void NoteGiven(state::v1::AgentState* agent);
  // Somebody has answered.
  void NoteAnswer(state::v1::ConversationState& conversation);
  // Adds to what the agent holds; negative takes away.
  static void Hold(state::v1::AgentState& agent, common::v1::ChannelKind kind,
                   int32_t conversations, int32_t units);
  // Takes the conversation from whoever has it: agent, offer, units.
  void Release(state::v1::ConversationState& conversation);
  void Give(state::v1::ConversationState& conversation, absl::string_view agent_id, int32_t units);
  void AddProviderMessageId(state::v1::ConversationState& conversation, const std::string& id);
  void Index(state::v1::ConversationState& conversation);
  void Unindex(const state::v1::ConversationState& conversation);
  void IndexCompany(const state::v1::ConversationState& conversation);
  void UnindexCompany(const state::v1::ConversationState& conversation);
  void IndexDeliveries(const state::v1::ConversationState& conversation);
  void UnindexDelivery(const state::v1::ConversationState& conversation,
                       const state::v1::Delivery& delivery);
  void PutConversation(std::unique_ptr<state::v1::ConversationState> conversation);
  void EraseConversation(const std::string& id);
  void PutSeen(const state::v1::SeenIds& seen);
  void EraseSeen(const SeenKey& key);
  void EndOffer(absl::string_view conversation_id, absl::string_view offer_id);
  // What becomes of agents and queues that the configuration does not have.
  enum class Removed {
    // Gone, unless it was said before that they are kept.
    kGone,
    // ConfigApplied.removed_stay.
    kStays,
    // The configuration is in force already.
    kAsBefore,
  };
  // Puts the configuration in force, for the agents and queues of the routing groups held here.
  void PutConfig(const config::v1::WorkspaceConfig& config,
                 const google::protobuf::RepeatedPtrField<std::string>& held_groups,
                 Removed removed);
  // What was done by overflow rules is of rules as the configuration numbers them now.
  void RenumberOverflowRules(const config::v1::WorkspaceConfig& config);
  void PutAgents(const config::v1::WorkspaceConfig& config,
                 const google::protobuf::RepeatedPtrField<std::string>& held_groups,
                 Removed removed);
  void PutQueues(const config::v1::WorkspaceConfig& config,
                 const google::protobuf::RepeatedPtrField<std::string>& held_groups,
                 Removed removed);
  static bool Stays(const config::v1::WorkspaceConfig& config, const state::v1::AgentState& agent,
                    Removed removed);
  static bool Stays(const config::v1::WorkspaceConfig& config, const state::v1::QueueState& queue,
                    Removed removed);
  void EraseAgent(const std::string& key);
  void EraseQueue(const std::string& key);

  void On(const conversation::v1::ConversationOpened& e);
  void On(const conversation::v1::MessageReceived& e);
  void On(const conversation::v1::Queued& e);
  void On(const conversation::v1::Offered& e);
  void On(const conversation::v1::OfferAccepted& e);
  void On(const conversation::v1::OfferDeclined& e);
  void On(const conversation::v1::OfferTimedOut& e);
  void On(const conversation::v1::OfferWithdrawn& e);
  void On(const conversation::v1::Assigned& e);
  void On(const conversation::v1::Transferred& e);
  void On(const conversation::v1::ReplySent& e);
  void On(const conversation::v1::DeliveryUpdated& e);
  void On(const conversation::v1::Parked& e);
  void On(const conversation::v1::Resolved& e);
  void On(const conversation::v1::Reopened& e);
  void On(const conversation::v1::AgentConnected& e);
  void On(const conversation::v1::AgentDisconnected& e);
  void On(const conversation::v1::AgentPresenceChanged& e);
  void On(const conversation::v1::AgentCapacityChanged& e);
  void On(const conversation::v1::Overflowed& e);
  void On(const conversation::v1::OverflowPassedOver& e);
  void On(const conversation::v1::ConversationUpdated& e);
  template <typename E>
  void OnCompany(const E& e);
  void On(const conversation::v1::WrapUpStarted& e);
  void On(const conversation::v1::WrapUpEnded& e);
  void On(const conversation::v1::WaitEstimated& e);
  void On(const conversation::v1::SlaPolicyApplied& e);
  void On(const conversation::v1::SlaEscalated& e);
  void On(const conversation::v1::ConversationMerged& e);
  void NoteSaid(const std::string& conversation_id, config::v1::SlaMetric metric, int32_t percent);
  // Tells a conversation's clocks what has happened now; nothing where it is not measured.
  void TellClock(state::v1::ConversationState& conversation, routing::SlaEvent::Kind kind,
                 bool by_bot = false);
  void Tell(state::v1::ConversationState& conversation, routing::SlaEvent event);
  // What escalation gave for an answer is over.
  static void EndGains(state::v1::ConversationState& conversation);
  static void SumGains(state::v1::ConversationState& conversation);
  // For what is measured for the first time, by this policy: from its opening on, as far as that
  // is still known. What is parked is so for the customer.
  void BeginClocks(state::v1::ConversationState& conversation, const std::string& sla_policy_id);
  // For what is reopened and was not measured before: it has used nothing, and was answered.
  void BeginClocksAnew(state::v1::ConversationState& conversation);
  bool HasSlaPolicies(absl::string_view workspace_id) const;
  void ChangeSlaPolicy(state::v1::ConversationState& conversation, const std::string& sla_policy_id,
                       std::shared_ptr<const routing::SlaPolicy> policy);
  void CompileSla(const config::v1::WorkspaceConfig& before,
                  const config::v1::WorkspaceConfig& config);
  void On(const conversation::v1::RestateStarted& e);
  void SetLease(const std::string& gateway_id, const google::protobuf::Timestamp& expire_time);
  void Exclude(state::v1::ConversationState& conversation, const std::string& agent_id);

  absl::Time time_ = absl::InfinitePast();
  state::v1::PartitionState partition_;
  ConversationMap conversations_;
  // What was looked up last: one input asks for the same conversation several times.
  mutable state::v1::ConversationState* last_found_ = nullptr;
  std::map<std::string, state::v1::AgentState> agents_;
  std::map<std::string, config::v1::WorkspaceConfig> configs_;
  std::map<std::string, state::v1::QueueState> queues_;
  // By workspace and id: the configurations' policies, made ready.
  std::map<std::string, std::map<std::string, std::shared_ptr<const routing::SlaPolicy>>,
           std::less<>>
      sla_policies_;

  std::map<SeenKey, std::string> seen_pieces_;
  absl::flat_hash_set<absl::uint128> seen_;

  // By the hash of account and contact, in the order in which they were opened, ties by id: mostly
  // one, and another contact's where the hashes are the same. No key of its own for each: they are
  // as many as the conversations.
  absl::flat_hash_map<size_t, absl::InlinedVector<state::v1::ConversationState*, 1>> by_contact_;
  absl::flat_hash_map<std::string, std::string> by_outbound_;
  absl::flat_hash_map<std::string, std::string> by_provider_id_;
  absl::flat_hash_map<std::string, std::set<std::string>> by_agent_;
  absl::flat_hash_map<std::string, std::set<std::string>> by_company_;

  std::string watched_;
  std::vector<routing::SlaEvent>* told_ = nullptr;

  bool whole_ = true;
  bool tracking_ = false;
  absl::flat_hash_set<PieceKey> changed_;
};

}  // namespace wissel::domain
