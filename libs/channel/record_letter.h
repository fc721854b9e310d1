#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"
#include "libs/bus/bus.h"
#include "wissel/deadletter/v1/deadletter.pb.h"

namespace wissel::channel {

// As much of a record's key as is kept of it: anybody may have written it, and what is made of it
// must fit into a record. A routing key is two ids.
absl::string_view KeptKey(const bus::Record& record);

// A record that could not be dealt with, as a dead letter with its id; at most `max_bytes` of its
// value are kept. Why, when and for whom is left to the caller.
deadletter::v1::DeadLetter LetterOf(const bus::Record& record, size_t max_bytes);

}  // namespace wissel::channel
