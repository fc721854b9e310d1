#pragma once

#include <compare>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace wissel {

// An opaque identifier that the compiler keeps apart from other kinds of identifier. A value type:
// ordered and equal by its bytes, hashable by absl's containers. Empty means "not set"; no valid
// identifier is empty.
template <class Tag>
class StrongId {
 public:
  StrongId() = default;
  explicit StrongId(std::string value) : value_(std::move(value)) {}
  explicit StrongId(absl::string_view value) : value_(value) {}
  explicit StrongId(const char* value) : value_(value) {}

  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }

  friend bool operator==(const StrongId& a, const StrongId& b) = default;
  friend std::strong_ordering operator<=>(const StrongId& a, const StrongId& b) = default;

  template <class H>
  friend H AbslHashValue(H h, const StrongId& id) {
    return H::combine(std::move(h), id.value_);
  }

  friend std::ostream& operator<<(std::ostream& out, const StrongId& id) {
    return out << id.value_;
  }

 private:
  std::string value_;
};

}  // namespace wissel
