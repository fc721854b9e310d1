#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace wissel::email {

// UIDs, as ranges: a mailbox read from its start is one range however long it gets. A value.
class UidSet {
 public:
  void Add(uint32_t uid);
  bool Contains(uint32_t uid) const;
  bool empty() const { return ranges_.empty(); }

  // "1-500,502,510-512"; INVALID_ARGUMENT for anything but what ToString writes.
  static absl::StatusOr<UidSet> Parse(absl::string_view text);
  std::string ToString() const;

  friend bool operator==(const UidSet&, const UidSet&) = default;

 private:
  std::map<uint32_t, uint32_t> ranges_;  // first to last, apart by at least one
};

// The messages of one mailbox that are done, in a file: for servers that keep no keywords.
struct DoneMarks {
  uint32_t uid_validity = 0;
  UidSet uids;

  // Nothing done if there is no such file. DATA_LOSS if it is not what Save writes.
  static absl::StatusOr<DoneMarks> Load(const std::string& path);
  // Durable when it returns; a crash leaves the old file or the new one. UNAVAILABLE.
  absl::Status Save(const std::string& path) const;
};

}  // namespace wissel::email
