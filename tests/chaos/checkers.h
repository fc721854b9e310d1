#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/chaos/history.h"

// Judges a run by what it left behind. Pure, and with a knowledge of its own of who holds a
// conversation: nothing here is the code that it judges, but for the fold of CheckStates, which is
// the point of comparison.
namespace wissel::chaos {

enum class Fault {
  kLost,            // Acknowledged, and not in the log; answered, and neither sent nor reported; or
                    // waiting though there was somebody for it.
  kDoubled,         // In the log twice; or accepted by the provider twice; or two mails.
  kDoublyAssigned,  // A conversation with two agents.
  kOutOfOrder,      // Not in the order of writing; or the log's time goes backwards.
  kStreamGap,       // An agent's stream is not what the log says that the agent may see.
  kStateDiffers,    // Somebody's state is not the fold of the log.
  kHistoryWrong,    // The history service tells something else than the log.
  kConfigWrong,  // A configuration that was accepted is not in force, one that was refused is, or
                 // versions do not follow each other.
};
inline constexpr std::array kFaults = {
    Fault::kLost,      Fault::kDoubled,      Fault::kDoublyAssigned, Fault::kOutOfOrder,
    Fault::kStreamGap, Fault::kStateDiffers, Fault::kHistoryWrong,   Fault::kConfigWrong};

// "doubly assigned"
absl::string_view FaultName(Fault fault);

struct Violation {
  Fault fault;
  std::string detail;
};
using Violations = std::vector<Violation>;

// Each message acknowledged is in the log, none is there twice, each customer's in order;
// decisions' times never go backwards.
Violations CheckMessages(const History& history);

// Each answer that an agent was told is done is in the log once; each answer in the log that is no
// mail was accepted by the provider once, or the log says that it failed, is held or uncertain.
Violations CheckReplies(const History& history);

// Each answer by mail has arrived at its customer, under one Message-ID, or the log says that it
// failed; what arrived is an answer of the log's. A second copy under the same Message-ID is none
// to its reader: there may be one for each time that the log says that an attempt's outcome is
// uncertain. Answers of a conversation went out in the log's order, and a mail that answers one is
// in its conversation.
Violations CheckMails(const History& history);

// No conversation waits at the end: the agents had room and time for all of them.
Violations CheckServed(const History& history);

// Nobody gets a conversation that another has: by the log, and by what the agents' streams showed.
Violations CheckAssignments(const History& history);

// Each stream showed, decision by decision, what the log says that its agent may see.
Violations CheckStreams(const History& history);

// Each held state is the fold of the log at its place. A place that the log does not have is a
// violation too.
Violations CheckStates(const History& history, const std::vector<HeldState>& held);

// What the history service told of a conversation is what the log says up to that place: the latest
// messages and answers, and how far each answer came. In the end it tells of every conversation,
// all that it keeps.
Violations CheckTold(const History& history);

// Each partition's log puts the same configurations in force, in the order of their versions and
// none twice: those that admin accepted, under the version it said; none that it refused; and at
// the end the one that admin says.
Violations CheckConfigs(const History& history);

}  // namespace wissel::chaos
