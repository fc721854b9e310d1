#pragma once

#include <string>
#include <vector>

#include "tests/chaos/history.h"

// What a run must have done before its zeros prove anything. Pure.
namespace wissel::chaos {

// The places of a checkpoint's states: as it was found, and as it was made anew from the log.
inline constexpr char kCheckpoint[] = "checkpoint";
inline constexpr char kCheckpointAfterFlush[] = "checkpoint after FLUSHALL";

struct Wanted {
  int messages = 0;   // Mails included.
  bool mail = false;  // Whether answers by mail must have arrived.
};

// What is missing, in words; nothing after a run of which each part did some work: all that was to
// be written was written, and acknowledged once all was mended; there are answers, which agents saw
// done and the provider has; streams, history and admin told something; of each partition that has
// decisions a router's state and both checkpoints are there to be compared.
std::vector<std::string> MissingWork(const History& history, const std::vector<HeldState>& held,
                                     const Wanted& wanted);

}  // namespace wissel::chaos
