#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "libs/domain/state.h"
#include "libs/domain/timers.h"
#include "libs/routing/calendar.h"
#include "libs/routing/testing/naive_matcher.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::domain::testing {

// The engine once more, as plainly as can be: it follows the log, keeps a table of its own of
// agents and conversations, and works out anew, from every agent and everything that waits, what
// the engine may give out and when it must look again. Of the folded state it takes the SLA clocks,
// the gateways' leases and how many messages a conversation has; which messages ask for no answer
// it asks the engine's own IsQuiet. For the workspace of testing.h.
class EngineModel {
 public:
  // Folds a decision in. What is wrong with it; empty: nothing.
  std::string Follow(const log::v1::Decision& decision);
  // Where the state differs from the model's own table.
  std::string CheckState(const State& state) const;
  // What is wrong with what waits now, and with what agents have; not to be asked while something
  // is still due.
  std::string CheckWaiting();
  // What is wrong with the timers: one that is missing, or for nothing. Under the same condition.
  std::string CheckTimers(const std::vector<Timers::Timer>& timers);
  // What is wrong with what was said of the clocks, and with which of them run. Under the same
  // condition.
  std::string CheckClocks() const;

  const State& state() const { return state_; }

 private:
  using NaiveMatcher = routing::testing::NaiveMatcher;

  // What was said of a clock's cycle, and what followed.
  struct Cycle {
    int32_t points = 0;
    int32_t relax_steps = 0;
    // By policy and share.
    std::set<std::pair<std::string, int32_t>> steps_taken;
    int32_t said_percent = 0;
    // Since its target was last another one.
    std::set<int32_t> said;
  };

  // What it has seen of a conversation.
  struct Seen {
    std::string group;
    common::v1::ChannelAccount account;
    std::string language;
    std::string subject;
    message::v1::ContactFacts facts;
    int32_t own_points = 0;
    state::v1::ConversationStatus status = state::v1::CONVERSATION_STATUS_UNSPECIFIED;
    // To whom it is offered, or whose it is, parked or not; what it takes of them.
    std::string holder;
    int32_t units = 0;
    absl::Time offer_ends;
    std::string sla_policy_id;
    // Where the last rule or person sent it, and the last escalation; where it is due to go if it
    // is not taken.
    std::string sent_to;
    std::string escalated_to;
    std::string due_to;
    // Where it waits or waited, and since when.
    std::string queue_id;
    absl::Time place = absl::InfinitePast();
    // Of the queue's overflow rules: those applied since it got that place in it, and those passed
    // over since it was last queued.
    std::set<int> rules_applied;
    std::set<int> rules_passed_over;
    bool anyone = false;
    // By clock, of its present cycle.
    std::map<config::v1::SlaMetric, Cycle> cycles;
    // The same, of a conversation that has been merged into another.
    std::map<config::v1::SlaMetric, Cycle> handed_on;
    std::optional<absl::Time> answered;
    absl::Time customer_wrote = absl::InfinitePast();
    // When it last became somebody's.
    absl::Time taken_up = absl::InfinitePast();
    // Who declined or missed it, and until when they are not asked.
    std::map<std::string, absl::Time> excluded;
    // Who had it last, and when that was: now, or until it was parked or resolved.
    std::string agent_id;
    absl::Time had;
    std::string sticky_agent_id;
    // Whose it is: the account and contact.
    std::string whose;
    bool at_risk = false;

    bool open() const { return status != state::v1::CONVERSATION_STATUS_RESOLVED; }
  };

  struct AfterWork {
    std::string conversation_id;
    common::v1::ChannelKind kind;
    int32_t units = 0;
    absl::Time until;

    friend bool operator==(const AfterWork&, const AfterWork&) = default;
  };

  struct Row {
    std::string group;
    command::v1::Presence presence = command::v1::PRESENCE_OFFLINE;
    std::set<std::string> sessions;
    int32_t capacity_units = 0;
    absl::Time idle_since;
    int64_t last_given = 0;
    int missed = 0;
    std::optional<absl::Time> lost;
    std::optional<absl::Time> offline;
    bool forced_out = false;
    std::vector<AfterWork> after_work;
  };

  // What one decision owes.
  struct Owed {
    // The words of the messages in it, by conversation.
    std::map<std::string, std::string> texts;
    // Whoever has missed too much goes away.
    std::set<std::string> away;
    // By agent.
    std::map<std::string, AfterWork> after_work;
    // Of whose clocks something was said.
    std::set<std::string> said;
    // Those whose SLA policy was to be chosen.
    std::set<std::string> measured;
  };

  // What is known. (testing_model.cc)

  // Null where there is none.
  const config::v1::Queue* FindQueue(const std::string& queue_id) const;
  // Or where it is another group's.
  const config::v1::Queue* FindQueueIn(const std::string& group, const std::string& queue_id) const;
  const config::v1::ChannelPolicy* FindChannel(common::v1::ChannelKind kind) const;
  Row* FindRow(const std::string& agent_id);
  int32_t UnitsOf(const Seen& seen) const;
  bool IsLive(const Seen& seen) const;
  int64_t CountWaiting(const std::string& queue_id) const;
  // By kind, after-work included.
  std::map<int, routing::ChannelUse> HeldBy(const std::string& agent_id) const;

  // How the table follows the events. (testing_model_events.cc)

  // Takes an event in, before the state does. What is wrong with it.
  std::string See(const conversation::v1::Event& event);
  void SeeMerged(const conversation::v1::ConversationMerged& merged);
  // What was given before is nobody's now.
  void TakeFrom(Seen& seen, state::v1::ConversationStatus status);
  void EndOffer(const std::string& conversation_id);
  bool IsAnswer(const conversation::v1::ReplySent& reply) const;
  void Exclude(const std::string& conversation_id, const std::string& agent_id);
  void MissOffer(const std::string& conversation_id, const std::string& agent_id);
  // From here on it may be said again.
  static void Rearm(Seen& seen);
  std::string Say(const std::string& conversation_id, config::v1::SlaMetric metric,
                  int32_t percent);
  void SeeConfig(const config::v1::WorkspaceConfig& config);
  void SeeRules(const config::v1::WorkspaceConfig& config);
  // Works out what is in force: with the queues that are kept although the configuration no longer
  // has them.
  void PutInForce();

  // Where something waits, and what measures it. (testing_model_queues.cc)

  bool Matches(const config::v1::QueueRule& rule, const Seen& seen, const std::string& text) const;
  // The queue of the group's that the rules choose; empty where it has none.
  std::string Select(const Seen& seen, const std::string& text) const;
  std::string WantedQueue(const conversation::v1::Queued& queued, const Seen& seen) const;
  std::string WantedSlaPolicy(const Seen& seen) const;
  // What is wrong with the policies that this decision was to choose up to here.
  std::string CheckMeasured();
  std::string SeeQueued(const conversation::v1::Queued& queued);
  std::string SeeOverflowed(const conversation::v1::Overflowed& overflowed);
  std::string SeePassedOver(const conversation::v1::OverflowPassedOver& passed_over);
  // What is wrong with looking at the queue's rule now.
  std::string CheckLookedAt(const Seen& seen, const config::v1::Queue& queue, int rule) const;

  // Who gets what. (testing_model_giving.cc)

  routing::Waiting WaitingOf(const std::string& conversation_id) const;
  // With everything that is known of the group's agents and of what waits.
  NaiveMatcher& Matcher(const std::string& group);
  // What is wrong with a person's giving it to this agent.
  std::string CheckMay(const std::string& conversation_id, const std::string& agent_id,
                       const routing::Matcher::Check& check);
  std::string CheckGiven(const std::string& conversation_id, const std::string& agent_id,
                         const conversation::v1::Explanation& explanation);
  std::string CheckAssigned(const conversation::v1::Assigned& assigned);
  std::string CheckAgents() const;

  // When to look again. (testing_model_timers.cc)

  std::map<std::pair<TimerKind, std::string>, absl::Time> WantedTimers() const;
  // What is wrong with when waits and risks are looked at again.
  std::string CheckForecasts(const std::vector<Timers::Timer>& timers) const;

  State state_;
  config::v1::WorkspaceConfig config_;
  config::v1::WorkspaceConfig effective_;
  std::map<std::string, state::v1::KeptQueue> kept_;
  std::map<std::string, std::shared_ptr<const routing::Calendar>> calendars_;
  std::map<std::string, Row> rows_;
  std::map<std::string, Seen> seen_;
  int64_t given_ = 0;
  Owed owed_;
  // By routing group; those named are told everything that has happened.
  std::map<std::string, NaiveMatcher> matchers_;
  std::set<std::string> told_;
};

}  // namespace wissel::domain::testing
