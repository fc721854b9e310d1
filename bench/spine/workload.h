#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/message/v1/message.pb.h"

// The shops and customers of the benchmarks: made from numbers alone, so that each run has the
// same.
namespace wissel::bench {

// One workspace for each partition, named so that its key falls there.
std::vector<std::string> Workspaces(int partitions);

// The shop of libs/domain/testing.h as `workspace`. Nobody is at work in it until an agent says so.
config::v1::WorkspaceConfig Shop(absl::string_view workspace);

// The key of its routing group.
std::string KeyOf(absl::string_view workspace);

// The `n`th message of customer `contact`: a text, about 300 bytes in all.
message::v1::InboundMessage CustomerText(absl::string_view workspace, int64_t contact, int64_t n);

}  // namespace wissel::bench
