#pragma once

#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace wissel::bus {

// The header that says what a record's value is. Of a message of the contract:
// content-type: application/x-protobuf; messageType="wissel.command.v1.Command".
std::pair<std::string, std::string> ContentTypeHeader(absl::string_view message_full_name);

}  // namespace wissel::bus
