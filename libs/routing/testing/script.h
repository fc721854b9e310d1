#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/routing/matcher.h"
#include "libs/routing/testing/naive_matcher.h"
#include "wissel/config/v1/config.pb.h"

namespace wissel::routing::testing {

// What happens to the Matcher of one routing group, step by step: made at random, played beside
// the naive model, and cut down when the two differ.

// The routing group.
inline constexpr char kScriptGroup[] = "main";

// Of a script's clock.
inline absl::Time At(int64_t ms) { return absl::FromUnixMillis(1'790'000'000'000 + ms); }
inline int64_t MillisOf(absl::Time t) { return absl::ToUnixMillis(t) - absl::ToUnixMillis(At(0)); }

struct Op {
  enum Kind {
    // What is new about an agent. Where work is given out, only whether available and the capacity.
    kAgent,
    // It comes, or something about it is new.
    kWait,
    // It goes; where work is given out, also from its agent.
    kGone,
    kAdvance,
    kConfigure,
    // Its agent gives it back, and is not to be asked again.
    kDecline,
  };
  Kind kind;
  std::string id = "";   // kAgent, kGone, kDecline
  AgentLoad load = {};   // kAgent
  Waiting waiting = {};  // kWait
  int64_t ms = 0;        // kAdvance: since the script began
  size_t config = 0;     // kConfigure
  uint32_t probe = 0;    // what is looked at after it
};

struct Script {
  // Whether work is given out after every step, as the engine does, or loads are set at will.
  bool gives_out = false;
  MatcherLimits limits;
  std::vector<std::string> configs;  // text format; the first is in force at the beginning
  std::vector<Op> ops;
};

// A configuration of a script's.
config::v1::WorkspaceConfig ParseConfig(const std::string& text);

// Plays it on both, of which the model makes the mistake. Where their answers differ, or giving
// work out does what it must never do: what is wrong. Empty: nothing.
std::string Play(const Script& script,
                 NaiveMatcher::Mistake mistake = NaiveMatcher::Mistake::kNone);

// The same for the same seed.
Script RandomScript(uint32_t seed);

// The shortest script found that still fails.
Script Shrink(Script script, NaiveMatcher::Mistake mistake);

// A test to paste into matcher_property_test.cc.
std::string Code(const Script& script);

}  // namespace wissel::routing::testing
