#include "libs/bus/topic.h"

#include "absl/strings/str_cat.h"

namespace wissel::bus {
namespace {

absl::string_view BareName(Topic topic) {
  switch (topic) {
    case Topic::kInbound:
      return "inbound.v1";
    case Topic::kCommands:
      return "commands.v1";
    case Topic::kReceipts:
      return "receipts.v1";
    case Topic::kConfig:
      return "config.v1";
    case Topic::kLog:
      return "log.v1";
    case Topic::kDeadLetter:
      return "deadletter.v1";
  }
  return "";
}

}  // namespace

std::string TopicName(Topic topic, absl::string_view prefix) {
  return absl::StrCat(prefix, BareName(topic));
}

std::vector<TopicSpec> DefaultTopics(int partitions, int replication) {
  const absl::Duration day = absl::Hours(24);
  std::vector<TopicSpec> specs;
  for (const Topic topic : kAllTopics) {
    TopicSpec spec{.topic = topic, .partitions = partitions, .replication = replication};
    switch (topic) {
      case Topic::kInbound:
      case Topic::kCommands:
      case Topic::kReceipts:
        spec.retention = 7 * day;
        break;
      case Topic::kConfig:
        spec.partitions = 1;
        // For ever, and not compacted: docs/adr/0003-config-topic.md.
        break;
      case Topic::kLog:
      case Topic::kDeadLetter:
        spec.retention = 28 * day;
        break;
    }
    specs.push_back(spec);
  }
  return specs;
}

}  // namespace wissel::bus
