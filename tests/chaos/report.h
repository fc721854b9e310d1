#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "tests/chaos/checkers.h"

namespace wissel::chaos {

// What holds of any run: messages, answers, assignments, streams.
Violations CheckHistory(const History& history);

// Prints a few violations of each kind and the line of counts: "lost 0, doubled to a customer 0,
// …".
void PrintVerdict(const Violations& violations);

// A line on standard output, at once.
void Say(absl::string_view line);

}  // namespace wissel::chaos
