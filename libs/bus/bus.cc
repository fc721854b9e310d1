#include "libs/bus/bus.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/check.h"
#include "libs/base/status_macros.h"

namespace wissel::bus {
namespace {

// Austin Appleby's MurmurHash2, 32 bits, with the seed that Kafka's Utils.murmur2 uses.
uint32_t Murmur2(absl::string_view bytes) {
  constexpr uint32_t kMultiplier = 0x5bd1e995;
  constexpr uint32_t kSeed = 0x9747b28c;
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t left = bytes.size();
  uint32_t hash = kSeed ^ static_cast<uint32_t>(left);
  for (; left >= 4; data += 4, left -= 4) {
    uint32_t k = data[0] | data[1] << 8 | data[2] << 16 | static_cast<uint32_t>(data[3]) << 24;
    k *= kMultiplier;
    k ^= k >> 24;
    k *= kMultiplier;
    hash = hash * kMultiplier ^ k;
  }
  if (left > 0) {
    for (size_t i = left; i-- > 0;) hash ^= static_cast<uint32_t>(data[i]) << (8 * i);
    hash *= kMultiplier;
  }
  hash ^= hash >> 13;
  hash *= kMultiplier;
  hash ^= hash >> 15;
  return hash;
}

}  // namespace

absl::string_view HeaderOf(const Headers& headers, absl::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return "";
}

size_t SizeOf(const Outgoing& record) {
  size_t size = record.key.size() + record.value.size();
  for (const auto& [name, value] : record.headers) size += name.size() + value.size();
  return size;
}

absl::Status CheckTopics(Bus& bus) {
  std::vector<std::string> counts;
  bool equal = true;
  int first = 0;
  for (const Topic topic : kAllTopics) {
    WISSEL_ASSIGN_OR_RETURN(const int count, bus.PartitionCount(topic));
    if (std::find(kCopartitionedTopics.begin(), kCopartitionedTopics.end(), topic) ==
        kCopartitionedTopics.end()) {
      continue;
    }
    if (counts.empty()) first = count;
    equal = equal && count == first;
    counts.push_back(absl::StrCat(TopicName(topic, ""), " ", count));
  }
  if (equal) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "topics must have the same number of partitions, but have: ", absl::StrJoin(counts, ", ")));
}

int32_t PartitionOf(absl::string_view key, int partitions) {
  WISSEL_CHECK(partitions > 0) << "partition count " << partitions;
  return static_cast<int32_t>((Murmur2(key) & 0x7fffffff) % static_cast<uint32_t>(partitions));
}

}  // namespace wissel::bus
