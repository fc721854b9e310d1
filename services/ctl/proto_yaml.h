#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/base/proto_words.h"

namespace wissel::ctl {

inline constexpr size_t kMaxYamlBytes = 16 << 20;

// YAML for people, by a message's own description: keys are the fields' names; an enum value is its
// name in lower case without the enum's prefix ("longest_idle"); a Duration is "1h30m" or "7d"; a
// Timestamp is RFC 3339; bytes are base64.

// Fills `message` from `yaml`. Strict: an unknown or repeated key, a wrong type, a number out of
// range, an empty value or a second member of a oneof is an error, and so is what a configuration
// has no use for (libs/config/yaml.h). INVALID_ARGUMENT lists what is wrong, the first 20 a line
// each: "file:line: path: what was expected". At most kMaxYamlBytes.
absl::Status YamlToProto(absl::string_view file, absl::string_view yaml,
                         google::protobuf::Message& message);

// The reverse; fields at their default are left out. What YamlToProto reads back is equal.
std::string ProtoToYaml(const google::protobuf::Message& message);

// Whether no reader of YAML, of 1.1 neither, takes it for a number, a date, a truth value or
// nothing, and a terminal can show it.
bool IsPlainYaml(absl::string_view text);

// As ShortEnumName, for a value of any proto enum; the number where it has no name.
template <class Enum>
std::string EnumName(Enum value) {
  const auto* found = google::protobuf::GetEnumDescriptor<Enum>()->FindValueByNumber(value);
  return found != nullptr ? ShortEnumName(*found) : std::to_string(static_cast<int>(value));
}

}  // namespace wissel::ctl
