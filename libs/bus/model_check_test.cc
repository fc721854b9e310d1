// An explicit-state search: every interleaving, within bounds, of sessions that fold, claim, decide
// and stall, with appends that are lost, repeated or late, and with readers and sessions that start
// at a cut head. A session is one life of an OwnedLog; three of them are three owners, or two of
// which one starts again.
//
// What must hold in every state:
//   once       the inputs of the valid decisions are 0, 1, 2 …: each decided once, none left out
//   agreement  a reader of a cut log accepts nothing that a reader of all of it does not, and the
//              same as it from its footing on
//   ownership  a session that believes it owns the partition is its owner for a reader of all of
//   it,
//              and knows the inputs decided
//   stability  nobody takes over without having read the claim that it takes over from
//   proof      what an owner takes from the report of an append, unread, is what a reader of all of
//              the log finds at that offset
//
// The canaries leave out one clause of the rule, or one duty of the owner, and must be caught.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "libs/bus/reader_rule.h"

namespace wissel::bus {
namespace {

using internal::Clause;

// A duty of the owner that a canary neglects.
enum class Duty { kReadClaimBack, kStopAtHigherEpoch, kReadGaps };

struct Bounds {
  int sessions = 2;
  int log_length = 6;
  int decisions = 2;  // Of a session.
  int losses = 1;     // Appends lost, in all.
  int repeats = 1;    // Appends that come twice, or whose offset stays unknown, in all.
  int forgeries = 0;  // Claims of an impossible epoch, in all.
  bool cut_starts = true;
};

struct Entry {
  RecordStamp stamp;
  int session = -1;
  int input = -1;      // Of a decision.
  int read_until = 0;  // Of a claim: what its session had read when it claimed.
  bool footed = true;  // Of a claim: made knowing the partition's claim.
};

// What the appender says of a decision that has landed.
struct Report {
  int64_t sequence = 0;
  int64_t offset = -1;  // Below 0: it does not know.
};

enum class Phase { kIdle, kFolded, kClaiming, kOwning, kDead };

struct Session {
  Phase phase = Phase::kIdle;
  int start = 0;
  int position = 0;
  RuleState rule;
  int64_t epoch = 0;
  int64_t claim_offset = -1;  // Of our claim, once it has landed.
  int sequence = 0;           // Decisions made.
  int next_input = 0;
  std::deque<Entry> in_flight;
  std::deque<Report> reports;  // Not yet used.
  int64_t proven = 0;          // The last decision known to be in force.
};

struct World {
  std::vector<Entry> log;
  std::vector<Session> sessions;
  int losses = 0;
  int repeats = 0;
  int forgeries = 0;
  // Functions of the log: a reader from each offset, and the inputs decided before each offset.
  std::vector<RuleState> readers = {RuleState()};
  std::vector<int> decided = {0};
  std::vector<Verdict> verdicts;
};

class ModelCheck {
 public:
  ModelCheck(Bounds bounds, std::optional<Clause> clause, std::optional<Duty> duty)
      : bounds_(bounds), left_out_(clause), neglected_(duty) {}

  // The first property found broken, with the log that shows it; empty if there is none.
  std::string Run() {
    World world;
    world.sessions.resize(static_cast<size_t>(bounds_.sessions));
    Explore(world);
    return violation_;
  }
  size_t states() const { return seen_.size(); }

 private:
  Verdict Apply(const RecordStamp& stamp, int64_t offset, RuleState& state) const {
    return left_out_ ? internal::ApplyRuleWithout(*left_out_, stamp, offset, state)
                     : ApplyRule(stamp, offset, state);
  }

  void Explore(const World& world) {
    if (!violation_.empty() || !seen_.insert(Key(world)).second) return;
    for (int i = 0; i < bounds_.sessions; ++i) {
      const Session& session = world.sessions[static_cast<size_t>(i)];
      switch (session.phase) {
        case Phase::kIdle:
          // Identical sessions that have not started: one of them is enough.
          if (i > 0 && world.sessions[static_cast<size_t>(i) - 1].phase == Phase::kIdle) break;
          for (int start = 0; start <= static_cast<int>(world.log.size()); ++start) {
            if (start > 0 && !bounds_.cut_starts) break;
            Step(world, [&](World& next) { Fold(next, i, start); });
          }
          break;
        case Phase::kFolded:
          Step(world, [&](World& next) { Claim(next, i); });
          break;
        case Phase::kClaiming:
          Step(world, [&](World& next) { Read(next, i); });
          break;
        case Phase::kOwning:
          if (session.sequence < bounds_.decisions) {
            Step(world, [&](World& next) { Decide(next, i); });
          }
          Step(world, [&](World& next) { Read(next, i); });
          if (!session.reports.empty()) Step(world, [&](World& next) { UseReport(next, i); });
          break;
        case Phase::kDead:
          break;
      }
      if (session.in_flight.empty()) continue;
      if (static_cast<int>(world.log.size()) < bounds_.log_length) {
        Step(world, [&](World& next) { Land(next, i, Answer::kOffset); });
        if (world.repeats < bounds_.repeats) {
          Step(world, [&](World& next) { Land(next, i, Answer::kComesAgain); });
          Step(world, [&](World& next) { Land(next, i, Answer::kUnknownOffset); });
        }
      }
      if (world.losses < bounds_.losses) {
        Step(world, [&](World& next) {
          ++next.losses;
          next.sessions[static_cast<size_t>(i)].in_flight.pop_front();
        });
      }
    }
    if (world.forgeries < bounds_.forgeries &&
        static_cast<int>(world.log.size()) < bounds_.log_length) {
      Step(world, [&](World& next) {
        ++next.forgeries;
        Entry forged;
        forged.stamp = {.kind = RecordKind::kClaim, .epoch = 1000};
        Put(next, forged);
      });
    }
  }

  template <class Action>
  void Step(const World& world, Action action) {
    if (!violation_.empty()) return;
    World next = world;
    action(next);
    Explore(next);
  }

  void Fold(World& world, int i, int start) {
    Session& session = world.sessions[static_cast<size_t>(i)];
    session.phase = Phase::kFolded;
    session.start = session.position = start;
    session.rule = InitialRuleState(start);
    Scan(world, session, i);
    session.epoch = EpochToClaim(session.rule, session.position);
  }

  void Claim(World& world, int i) {
    Session& session = world.sessions[static_cast<size_t>(i)];
    session.phase = Phase::kClaiming;
    Entry claim;
    claim.stamp = {.kind = RecordKind::kClaim, .epoch = session.epoch};
    claim.session = i;
    claim.read_until = session.position;
    claim.footed = session.rule.footing == Footing::kFirm;
    session.in_flight.push_back(claim);
  }

  void Decide(World& world, int i) {
    Session& session = world.sessions[static_cast<size_t>(i)];
    Entry decision;
    decision.stamp = {.kind = RecordKind::kDecision,
                      .epoch = session.epoch,
                      .sequence = ++session.sequence,
                      .claim_offset = session.claim_offset};
    decision.session = i;
    decision.input = session.next_input++;
    session.in_flight.push_back(decision);
  }

  enum class Answer { kOffset, kUnknownOffset, kComesAgain };

  void Land(World& world, int i, Answer answer) {
    Session& session = world.sessions[static_cast<size_t>(i)];
    const Entry entry = session.in_flight.front();
    const auto offset = static_cast<int64_t>(world.log.size());
    if (answer != Answer::kOffset) ++world.repeats;
    if (answer != Answer::kComesAgain) {
      session.in_flight.pop_front();
      if (entry.stamp.kind == RecordKind::kDecision) {
        session.reports.push_back(
            {entry.stamp.sequence, answer == Answer::kOffset ? offset : int64_t{-1}});
      }
    }
    if (entry.stamp.kind == RecordKind::kClaim && session.claim_offset < 0) {
      session.claim_offset = offset;  // The answer.
      if (neglected_ == Duty::kReadClaimBack) {
        session.phase = Phase::kOwning;
        session.next_input = world.decided[static_cast<size_t>(session.position)];
      }
    }
    Put(world, entry);
  }

  // Appends, and holds every reader's verdict against that of the one who has read all.
  void Put(World& world, const Entry& entry) {
    const auto offset = static_cast<int64_t>(world.log.size());
    const RuleState before = world.readers[0];
    const Verdict truth = Apply(entry.stamp, offset, world.readers[0]);
    for (size_t start = 1; start < world.readers.size(); ++start) {
      const bool footed = world.readers[start].footing == Footing::kFirm;
      const Verdict verdict = Apply(entry.stamp, offset, world.readers[start]);
      if (footed ? verdict != truth : (verdict == Verdict::kValid && truth != verdict)) {
        world.log.push_back(entry);
        return Violate(world, "agreement: a reader from " + std::to_string(start) + " says " +
                                  std::string(VerdictName(verdict)) + ", one of all " +
                                  std::string(VerdictName(truth)));
      }
    }
    world.log.push_back(entry);
    world.verdicts.push_back(truth);
    world.readers.push_back(InitialRuleState(offset + 1));
    world.decided.push_back(world.decided.back());
    if (truth != Verdict::kValid) return;
    if (entry.stamp.kind == RecordKind::kDecision) {
      if (entry.input != world.decided.back()) {
        return Violate(world, "once: input " + std::to_string(entry.input) + " decided, expected " +
                                  std::to_string(world.decided.back()));
      }
      ++world.decided.back();
    } else if (entry.session >= 0 && entry.footed && before.claim_offset >= entry.read_until) {
      Violate(world, "stability: takes over from a claim it has not read");
    }
  }

  void Read(World& world, int i) {
    Session& session = world.sessions[static_cast<size_t>(i)];
    Scan(world, session, i);
  }

  // What OwnedLog does with a report: where it names the offset behind all that it has looked at,
  // the rule judges the decision unread.
  void UseReport(World& world, int i) {
    Session& session = world.sessions[static_cast<size_t>(i)];
    const Report report = session.reports.front();
    if (report.sequence <= session.proven) return session.reports.pop_front();
    const bool gap = report.offset != session.position;
    if (gap && (neglected_ != Duty::kReadGaps || report.offset < session.position)) return;
    session.reports.pop_front();
    session.position = static_cast<int>(report.offset) + 1;
    const RecordStamp stamp{.kind = RecordKind::kDecision,
                            .epoch = session.epoch,
                            .sequence = report.sequence,
                            .claim_offset = session.claim_offset};
    const Verdict verdict = Apply(stamp, report.offset, session.rule);
    if (verdict != world.verdicts[static_cast<size_t>(report.offset)]) {
      return Violate(world, "proof: session " + std::to_string(i) + " takes offset " +
                                std::to_string(report.offset) + " for " +
                                std::string(VerdictName(verdict)));
    }
    if (verdict == Verdict::kValid) {
      session.proven = report.sequence;
    } else {
      session.phase = Phase::kDead;
    }
  }

  // What OwnedLog does with what is new in the log.
  void Scan(World& world, Session& session, int i) {
    while (session.position < static_cast<int>(world.log.size())) {
      const int64_t offset = session.position++;
      const Entry& entry = world.log[static_cast<size_t>(offset)];
      const Verdict verdict = Apply(entry.stamp, offset, session.rule);
      const bool valid = verdict == Verdict::kValid;
      if (entry.stamp.kind == RecordKind::kDecision) {
        const bool own = session.claim_offset >= 0 &&
                         entry.stamp.claim_offset == session.claim_offset &&
                         entry.stamp.epoch == session.epoch;
        if (own && valid) session.proven = entry.stamp.sequence;
        if (own && !valid) session.phase = Phase::kDead;
        continue;
      }
      if (session.phase == Phase::kClaiming) {
        if (offset == session.claim_offset) {
          session.phase = valid ? Phase::kOwning : Phase::kDead;
          if (valid) Own(world, session, i);
        } else if (valid && entry.stamp.epoch >= session.epoch) {
          session.phase = Phase::kDead;
        }
      } else if (session.phase == Phase::kOwning && valid && offset != session.claim_offset &&
                 neglected_ != Duty::kStopAtHigherEpoch) {
        session.phase = Phase::kDead;
      }
      if (session.phase == Phase::kDead) return;
    }
  }

  void Own(World& world, Session& session, int i) {
    // What the state held when the claim was made good; a cut head's part comes from a checkpoint
    // or from restating.
    const auto claim = static_cast<size_t>(session.claim_offset);
    session.next_input = world.decided[claim];
    RuleState truth;
    for (size_t offset = 0; offset <= claim; ++offset) {
      Apply(world.log[offset].stamp, static_cast<int64_t>(offset), truth);
    }
    if (truth.claim_offset != session.claim_offset) {
      Violate(world, "ownership: session " + std::to_string(i) + " takes its claim at " +
                         std::to_string(claim) + " for valid");
    }
  }

  void Violate(const World& world, const std::string& what) {
    if (!violation_.empty()) return;
    violation_ = what + "\n";
    for (size_t offset = 0; offset < world.log.size(); ++offset) {
      const Entry& entry = world.log[offset];
      const bool claim = entry.stamp.kind == RecordKind::kClaim;
      violation_ += "  " + std::to_string(offset) + ": session " + std::to_string(entry.session) +
                    (claim ? " claims epoch " : " decides epoch ") +
                    std::to_string(entry.stamp.epoch) +
                    (claim ? ""
                           : " sequence " + std::to_string(entry.stamp.sequence) + " claim " +
                                 std::to_string(entry.stamp.claim_offset) + " input " +
                                 std::to_string(entry.input)) +
                    "\n";
    }
  }

  // All that the future depends on, in bytes: every number in a state is small.
  static std::string Key(const World& world) {
    std::string key;
    const auto put = [&key](int64_t number) { key.push_back(static_cast<char>(number)); };
    const auto put_entry = [&](const Entry& entry) {
      put(static_cast<int64_t>(entry.stamp.kind));
      put(entry.stamp.epoch);
      put(entry.stamp.sequence);
      put(entry.stamp.claim_offset);
      put(entry.session);
      put(entry.input);
      put(entry.read_until);
      put(entry.footed);
    };
    put(world.losses);
    put(world.repeats);
    put(world.forgeries);
    put(static_cast<int64_t>(world.log.size()));
    for (const Entry& entry : world.log) put_entry(entry);
    for (const Session& session : world.sessions) {
      put(static_cast<int64_t>(session.phase));
      if (session.phase != Phase::kDead) {
        put(session.start);
        put(session.position);
        put(session.epoch);
        put(session.claim_offset);
        put(session.sequence);
        put(session.next_input);
        put(session.proven);
        put(static_cast<int64_t>(session.reports.size()));
        for (const Report& report : session.reports) {
          put(report.sequence);
          put(report.offset);
        }
      }
      put(static_cast<int64_t>(session.in_flight.size()));
      for (const Entry& entry : session.in_flight) put_entry(entry);
    }
    return key;
  }

  const Bounds bounds_;
  const std::optional<Clause> left_out_;
  const std::optional<Duty> neglected_;
  std::unordered_set<std::string> seen_;
  std::string violation_;
};

// Finds nothing in the rule as it is, with enough states to mean it.
void ExpectSound(const Bounds& bounds, size_t min_states) {
  ModelCheck check(bounds, std::nullopt, std::nullopt);
  EXPECT_EQ(check.Run(), "");
  EXPECT_GE(check.states(), min_states);
  ::testing::Test::RecordProperty("states", std::to_string(check.states()));
}

TEST(ModelCheck, TwoSessionsWithLossesAndRepeats) {
  ExpectSound({.sessions = 2, .log_length = 6, .losses = 1, .repeats = 1}, 10'000);
}

TEST(ModelCheck, TwoSessionsWithAForgedClaim) {
  ExpectSound({.sessions = 2, .log_length = 5, .losses = 0, .repeats = 0, .forgeries = 1}, 5'000);
}

TEST(ModelCheck, ThreeSessionsOnAWholeLog) {
  ExpectSound({.sessions = 3,
               .log_length = 6,
               .decisions = 1,
               .losses = 1,
               .repeats = 0,
               .cut_starts = false},
              10'000);
}

TEST(ModelCheck, ThreeSessionsOnACutLog) {
  ExpectSound({.sessions = 3, .log_length = 5, .decisions = 1, .losses = 0, .repeats = 0}, 20'000);
}

TEST(ModelCheck, EveryClauseIsNeeded) {
  for (const Clause clause : internal::kClauses) {
    ModelCheck check(
        {.sessions = 3, .log_length = 6, .decisions = 2, .losses = 1, .repeats = 1, .forgeries = 1},
        clause, std::nullopt);
    const std::string violation = check.Run();
    EXPECT_NE(violation, "") << "clause " << static_cast<int>(clause);
    ::testing::Test::RecordProperty("clause" + std::to_string(static_cast<int>(clause)), violation);
  }
}

TEST(ModelCheck, TheOwnersDutyToReadItsClaimBackIsNeeded) {
  ModelCheck check({.sessions = 2, .log_length = 6}, std::nullopt, Duty::kReadClaimBack);
  EXPECT_NE(check.Run(), "");
}

TEST(ModelCheck, TheOwnersDutyToReadWhatStandsBetweenItsDecisionsIsNeeded) {
  ModelCheck check({.sessions = 2, .log_length = 6, .losses = 0, .repeats = 0}, std::nullopt,
                   Duty::kReadGaps);
  EXPECT_NE(check.Run(), "");
}

// Stopping is a courtesy: the rule holds against a zombie that never notices.
TEST(ModelCheck, AZombieThatNeverStopsDoesNoHarm) {
  ModelCheck check({.sessions = 2, .log_length = 6, .losses = 0}, std::nullopt,
                   Duty::kStopAtHigherEpoch);
  EXPECT_EQ(check.Run(), "");
  EXPECT_GE(check.states(), 10'000);
}

}  // namespace
}  // namespace wissel::bus
