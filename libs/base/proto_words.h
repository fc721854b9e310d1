#pragma once

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "google/protobuf/descriptor.h"

// Values of messages as a workspace's file writes them.
namespace wissel {

// What all values of an enum begin with, "STRATEGY_": by convention that of its zero value.
inline absl::string_view EnumPrefix(const google::protobuf::EnumDescriptor& type) {
  absl::string_view zero = type.value(0)->name();
  return absl::ConsumeSuffix(&zero, "UNSPECIFIED") ? zero : absl::string_view();
}

// "longest_idle" for STRATEGY_LONGEST_IDLE.
inline std::string ShortEnumName(const google::protobuf::EnumValueDescriptor& value) {
  return absl::AsciiStrToLower(absl::StripPrefix(value.name(), EnumPrefix(*value.type())));
}

// "1h30m", or "7d" where it is several whole days.
inline std::string DurationText(absl::Duration duration) {
  constexpr absl::Duration kDay = absl::Hours(24);
  if (duration > kDay && duration % kDay == absl::ZeroDuration()) {
    return absl::StrCat(duration / kDay, "d");
  }
  return absl::FormatDuration(duration);
}

}  // namespace wissel
