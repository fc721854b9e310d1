#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// What a waiting customer is written. A notice may have places that are filled in when it is sent:
// {position}, 1 for who is next, and {minutes}, how many it will probably take from then on.
namespace wissel::routing {

// The first place of a notice, as it is written, that is neither; empty: none. Only lower-case
// letters, digits and _ between braces make a place, any other brace stands for itself.
std::string UnknownPlace(absl::string_view notice);

bool HasPlaces(absl::string_view notice);

// The notice with its places filled in; nothing where a place needs what is not known: a position
// of 0, or no wait. Minutes are rounded up, and at least 1.
std::optional<std::string> FillNotice(absl::string_view notice, int32_t position,
                                      std::optional<absl::Duration> wait);

}  // namespace wissel::routing
