#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "wissel/config/v1/config.pb.h"

namespace wissel::domain {

// Of a configuration in all, serialised, with the ids of its routing groups once more: so much the
// decision says that puts it in force, beside which little else has to fit into its record (ADR 4).
constexpr size_t MaxConfigBytes(size_t max_record_bytes) { return max_record_bytes - (124 << 10); }
// Where records are as large as they usually may be.
inline constexpr size_t kMaxConfigBytes = 896 << 10;

// Whether a workspace's configuration can be put in force, and what a person should look at. Each
// line names its place first: `queues[sales].required_skills[lang:fr].proficiency: 11; from 1 to
// 10`.
struct ConfigFindings {
  // What makes it unusable: references to nothing, repeated ids, values out of the bounds that
  // wissel/config/v1/config.proto states.
  std::vector<std::string> errors;
  // What is allowed and probably not meant: a queue nobody serves, a skill nobody has well enough,
  // a rule that an earlier one shadows, an agent who can get no work.
  std::vector<std::string> warnings;
};

// The whole configuration, in the order it stands. `version` is not looked at; `applied_time`,
// where it is set, is the present.
ConfigFindings ValidateConfig(const config::v1::WorkspaceConfig& config,
                              size_t max_bytes = kMaxConfigBytes);

}  // namespace wissel::domain
