#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace wissel::bus {

enum class Topic {
  kInbound,
  kCommands,
  kReceipts,
  kConfig,
  kLog,
  kDeadLetter,
};

inline constexpr std::array kAllTopics = {Topic::kInbound, Topic::kCommands, Topic::kReceipts,
                                          Topic::kConfig,  Topic::kLog,      Topic::kDeadLetter};

// These have the same number of partitions: one key, one partition number in all of them.
inline constexpr std::array kCopartitionedTopics = {Topic::kInbound, Topic::kCommands,
                                                    Topic::kReceipts, Topic::kLog};

inline constexpr absl::string_view kDefaultTopicPrefix = "wissel.";

// The topic's name on a broker: "wissel.inbound.v1" with the default prefix.
std::string TopicName(Topic topic, absl::string_view prefix = kDefaultTopicPrefix);

// The largest record, where nothing else is said: what a broker usually takes, less what carries
// it.
inline constexpr size_t kRecordOverhead = 4096;
inline constexpr size_t kMaxRecordBytes = (1 << 20) - kRecordOverhead;

struct TopicSpec {
  Topic topic = Topic::kInbound;
  int partitions = 1;
  int replication = 1;
  // How long a record stays; infinite for ever.
  absl::Duration retention = absl::InfiniteDuration();
};

// How a broker keeps a topic's records.
struct TopicSettings {
  int replication = 1;          // Copies of each record; of the partition that has the fewest.
  int min_insync_replicas = 1;  // Of them, that an acknowledged record is in.
  bool compacted = false;       // Records may go that another one of their key follows.
  absl::Duration retention = absl::InfiniteDuration();
  int64_t retention_bytes = -1;  // Of a partition; below 0: without bound.
  // The largest record, what carries it included; below 0: not known.
  int64_t max_message_bytes = -1;
};

// What a topic with so many copies is made with: an acknowledged record is on more than one disk
// wherever that leaves room for a broker to be away.
constexpr int MinInsyncReplicas(int replication) { return replication > 2 ? 2 : 1; }

// The six topics as Wissel runs on them: the co-partitioned ones and dead letters with
// `partitions`, the configuration in one and for ever; the log and dead letters kept for 28 days,
// inputs for 7.
std::vector<TopicSpec> DefaultTopics(int partitions, int replication = 1);

}  // namespace wissel::bus
