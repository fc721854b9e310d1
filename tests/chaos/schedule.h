#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// What goes wrong in a run, and when: a function of the seed.
namespace wissel::chaos {

struct Incident {
  enum class Kind {
    kKill,           // kill -9; started again after `lasts`.
    kPause,          // SIGSTOP; SIGCONT after `lasts`: a zombie, where the session is over by then.
    kRestartBroker,  // Stopped in order and started again.
    kKillBroker,     // kill -9 and started again.
    kFlushRedis,     // FLUSHALL.
    kProviderErrors,  // For `lasts` the provider answers 500 to a share of the calls,
    kProviderHangs,   // accepts and never answers,
    kProviderDeaf,    // never answers nor accepts,
    kProviderSlow,    // answers late.
  };
  Kind kind = Kind::kKill;
  absl::Duration at;
  std::string target;    // A process; empty for the others.
  absl::Duration lasts;  // Zero where it has no end of its own.

  std::string ToString() const;
};

absl::string_view IncidentName(Incident::Kind kind);

struct ScheduleOptions {
  uint64_t seed = 1;
  // Incidents begin within this.
  absl::Duration duration = absl::Seconds(60);
  // Processes that may be killed, and those of them that may be paused.
  std::vector<std::string> processes;
  std::vector<std::string> pausable;
  // How long a paused process must be away to lose what it owns.
  absl::Duration pause = absl::Seconds(5);
};

// In order of time. Each process is killed at least once; there is at least one pause, one
// FLUSHALL, one end of the broker and one spell of each misbehaviour of the provider; beyond that
// by lot, about one kill every three seconds.
std::vector<Incident> MakeSchedule(const ScheduleOptions& options);

}  // namespace wissel::chaos
