#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::config {

// A YAML document as plain data with the place of everything. Scalars are the text that was
// written: what they mean is up to the reader.
struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  int line = 0;  // from 1
  std::string scalar;
  // The scalar stood in quotes, or in a block: text, whatever it looks like.
  bool quoted = false;
  // Items of a sequence; values of a map, beside `keys`, in the file's order, repeated keys
  // included.
  std::vector<YamlNode> items;
  struct Key {
    std::string name;
    int line = 0;
  };
  std::vector<Key> keys;
};

inline constexpr size_t kMaxYamlBytes = 1 << 20;
inline constexpr int kMaxYamlDepth = 32;

// Reads exactly one document; nothing at all is a null. INVALID_ARGUMENT "line N: ..." for anything
// that is not YAML, and for what configuration has no use for: anchors, aliases (and with them
// documents that unfold without bound), explicit tags, keys that are not text, several documents,
// nesting deeper than kMaxYamlDepth, more than `max_bytes`.
absl::StatusOr<YamlNode> ParseYaml(absl::string_view text, size_t max_bytes = kMaxYamlBytes);

// A file's text as an error shows it: on one line, without control characters, cut where it is
// long.
std::string Printable(absl::string_view text);

}  // namespace wissel::config
