#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/domain/state.h"
#include "libs/sim/behaviour.h"
#include "libs/sim/simulation.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::sim {

// Which part of a log is to be lived through again: of this time, what the log reaches over.
struct RecordingOptions {
  absl::Time from = absl::InfinitePast();
  absl::Time to = absl::InfiniteFuture();
  std::optional<absl::Duration> service_level;
  std::optional<absl::Duration> first_response_target;
};

// What the people in a log did, apart from what was decided for them.
struct Recording {
  absl::Time start;
  absl::Time end;
  // The state at the start, with nobody's lease running: who is connected is told by `acts`.
  domain::State state;
  // The configuration in force at the start, then the later ones.
  std::vector<ConfigChange> configs;
  std::vector<Ongoing> ongoing;
  std::vector<Customer> customers;
  std::vector<AgentAct> acts;

  struct Answer {
    std::string agent_id;
    // Nothing: the offer was withdrawn, or the record ended, before anything was said.
    std::optional<Reaction> reaction;
    // Without a reaction: for how long nothing was said.
    absl::Duration unanswered;
  };
  // By conversation and the offer's ordinal.
  std::map<std::pair<std::string, int>, Answer> answers;
  std::map<std::string, std::vector<Reaction>> habits;  // by agent
  // How long agents stayed away who had missed offers: the middle one.
  absl::Duration back_after = absl::Minutes(5);

  // Served, and left before they were served.
  int64_t served = 0;
  int64_t left = 0;
  // The mean patience that the record suggests, if exponential: all time waited in it, for each who
  // left (the maximum likelihood estimate where those served and those still waiting are censored).
  // Nothing where nobody left.
  std::optional<absl::Duration> patience;
  // Conversations that did not end with an agent: the customer left, or the record ended. Their
  // last steps are what such conversations usually took.
  int64_t unended = 0;
  // What has no place in the model: conversations that an agent or supervisor opened again.
  int64_t left_out = 0;
  // Conversations that were merged into another one.
  int64_t merged = 0;
  // What people decided about who has a conversation, and has a likeness at most in the model.
  int64_t transferred_to_agents = 0;
  int64_t pulled = 0;
  int64_t reassigned = 0;
  int64_t logged_out = 0;  // by a supervisor
  // What is not repeated: commands that said what is newly known of a conversation, after-work
  // that its agent ended before its time, and that a bot gave the answer and no person.
  int64_t updated = 0;
  int64_t wrap_ups_ended = 0;
  int64_t bot_answers = 0;

  // What really came of it.
  Report report;
};

// Makes a recording from a log's valid decisions: of each partition in order, of all partitions
// together roughly by time. Of one workspace. Folds them itself, from the first one on.
class Recorder {
 public:
  explicit Recorder(RecordingOptions options);
  ~Recorder();

  // What will be taken of this partition begins where the log's head was cut off. The recording
  // then begins no earlier than when everything of it has been restated once.
  void BeginsAfterCut(int32_t partition) { cut_.emplace(partition, std::nullopt); }
  void Take(const log::v1::Decision& decision, int32_t partition = 0);
  // FAILED_PRECONDITION where nothing can be made of it: no configuration in the log, no decision
  // in the range or after the restating, several workspaces.
  absl::StatusOr<Recording> Finish();

 private:
  struct Episode;
  // After how long with an agent customers were first answered, and resolved.
  struct Handling {
    std::vector<absl::Duration> answered;
    std::vector<absl::Duration> resolved;
  };

  // Part of the restating of a partition whose head was cut off.
  void ReadRestating(const log::v1::Decision& decision, int32_t partition);
  void Begin(absl::Time start);
  void Read(const log::v1::Decision& decision, absl::Time now);
  void ReadMessage(const conversation::v1::MessageReceived& e, bool begins, absl::Time now);
  void ReadReply(const conversation::v1::ReplySent& e, absl::Time now);
  void ReadResolved(const conversation::v1::Resolved& e, bool merged, absl::Time now);
  void ReadOffers(const conversation::v1::Event& event, absl::Time now);
  // The offer that stands, if one does, no longer stands, and nobody said anything.
  void Unanswered(const std::string& conversation_id, absl::Time now);
  void ReadWhereItIs(const conversation::v1::Event& event, absl::Time now);
  void ReadAgents(const conversation::v1::Event& event, absl::Time now);
  void ReadPresence(const conversation::v1::AgentPresenceChanged& e, absl::Time now);
  // Null where none is under way.
  Episode* Find(const std::string& conversation_id);
  Customer* CustomerOf(const Episode& episode);
  void AddStep(const std::string& conversation_id, absl::Time now, Step step);
  void Handled(const Episode& episode, absl::Time now,
               std::vector<absl::Duration> Handling::*which);
  void Acts(absl::Time now, absl::string_view agent_id, AgentAct::Kind kind,
            absl::string_view reason = "");
  void GiveEnds();

  const RecordingOptions options_;
  domain::State state_;
  // Partitions of which something is missing, with the round that is restating it.
  std::map<int32_t, std::optional<int64_t>> cut_;
  absl::Time whole_since_ = absl::InfinitePast();
  bool begun_ = false;
  Recording recording_;
  std::vector<log::v1::Decision> decisions_;  // in the range
  absl::Time last_;
  bool goes_on_ = false;  // the log, beyond the range
  absl::flat_hash_map<std::string, Episode> episodes_;
  struct Asked {
    std::string agent_id;
    absl::Time time;
    int ordinal = 0;
  };
  absl::flat_hash_map<std::string, Asked> asked_;
  absl::flat_hash_map<std::string, absl::Time> sent_away_;
  std::vector<absl::Duration> aways_;
  absl::Duration waited_;
  std::vector<Episode> unended_;
  std::map<std::string, Handling> handling_;  // by the queue they were put into first; "" of all
};

// The same people again. Customers who did not leave in the record wait for ever, or leave after a
// further exponential time of mean `patience` beyond what they are known to have waited.
std::unique_ptr<Behaviour> RepeatBehaviour(const Recording& recording,
                                           std::optional<absl::Duration> patience);

// A run of the recording: with the configurations as they were, or with another one throughout.
// `patience` as RepeatBehaviour's, for those who were there when it began.
SimulationOptions OptionsOf(const Recording& recording,
                            std::optional<config::v1::WorkspaceConfig> policy,
                            std::optional<absl::Duration> patience);

// What such a run takes for granted, a line each.
std::vector<std::string> Assumptions(const Recording& recording,
                                     std::optional<absl::Duration> patience);

}  // namespace wissel::sim
