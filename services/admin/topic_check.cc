#include "services/admin/topic_check.h"

#include <algorithm>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"

namespace wissel::admin {
namespace {

// Inputs wait here while no router decides.
constexpr absl::Duration kInputsNeed = absl::Hours(24);

std::string Text(absl::Duration retention) {
  const std::string ms = absl::StrCat(absl::ToInt64Milliseconds(retention));
  return absl::StrCat(ms, " (", absl::FormatDuration(retention), ")");
}

// A shorter one loses what is still needed; none: what is made is all that is needed.
std::optional<absl::Duration> NeededRetention(bus::Topic topic, absl::Duration log_retention) {
  switch (topic) {
    case bus::Topic::kInbound:
    case bus::Topic::kCommands:
    case bus::Topic::kReceipts:
      return kInputsNeed;
    case bus::Topic::kLog:
      return log_retention;
    case bus::Topic::kConfig:
      return absl::InfiniteDuration();
    case bus::Topic::kDeadLetter:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

void CompareSettings(const bus::TopicSpec& made, const bus::TopicSettings& found,
                     const TopicNeeds& needs, v1::TopicStatus& status) {
  const auto problem = [&](std::string text) { status.add_problems(std::move(text)); };
  const auto warning = [&](std::string text) { status.add_warnings(std::move(text)); };
  if (found.compacted) {
    problem(
        "cleanup.policy compacts it: of each key only the last record is kept; delete is needed");
  }
  if (found.retention < made.retention) {
    const std::optional<absl::Duration> needed = NeededRetention(made.topic, needs.log_retention);
    if (!needed || found.retention >= *needed) {
      warning(absl::StrCat("retention.ms is ", Text(found.retention), "; topics create gives ",
                           Text(made.retention)));
    } else if (*needed == absl::InfiniteDuration()) {
      problem(absl::StrCat("retention.ms is ", Text(found.retention),
                           "; -1 is needed, as it is read from its beginning"));
    } else {
      problem(absl::StrCat("retention.ms is ", Text(found.retention), "; at least ", Text(*needed),
                           " is needed"));
    }
  }
  if (found.retention_bytes >= 0) {
    problem(absl::StrCat("retention.bytes is ", found.retention_bytes,
                         ": records go before their time; -1 is needed"));
  }
  const auto largest = static_cast<int64_t>(needs.max_record_bytes + bus::kRecordOverhead);
  if (found.max_message_bytes >= 0 && found.max_message_bytes < largest) {
    problem(absl::StrCat("max.message.bytes is ", found.max_message_bytes, "; ", largest,
                         " is needed, as kafka.max_record_bytes allows"));
  }
  if (found.replication < made.replication) {
    problem(absl::StrCat("replication factor ", found.replication, "; ", made.replication,
                         " is needed"));
  } else if (found.replication == 1) {
    warning("replication factor 1: records are lost with a broker's disk");
  }
  const int insync = bus::MinInsyncReplicas(found.replication);
  if (found.min_insync_replicas < insync) {
    problem(absl::StrCat("min.insync.replicas is ", found.min_insync_replicas, "; ", insync,
                         " is needed, or what is acknowledged may be on one disk only"));
  } else if (found.min_insync_replicas > found.replication) {
    problem(absl::StrCat("min.insync.replicas is ", found.min_insync_replicas, ", of ",
                         found.replication, " copies: nothing can be appended"));
  } else if (found.min_insync_replicas == found.replication && found.replication > 1) {
    warning(absl::StrCat("min.insync.replicas is ", found.min_insync_replicas, ", of ",
                         found.replication,
                         " copies: nothing can be appended while one of their brokers is away"));
  }
}

absl::StatusOr<std::vector<v1::TopicStatus>> ExamineTopics(bus::Bus& bus, const TopicNeeds& needs) {
  int replication = needs.replication;
  std::vector<v1::TopicStatus> statuses;
  std::vector<std::optional<bus::TopicSettings>> settings;
  int copartitioned = 0;
  for (const bus::Topic topic : bus::kAllTopics) {
    v1::TopicStatus& status = statuses.emplace_back();
    std::optional<bus::TopicSettings>& of = settings.emplace_back();
    status.set_topic(bus::TopicName(topic));
    const absl::StatusOr<int> partitions = bus.PartitionCount(topic);
    if (absl::IsNotFound(partitions.status())) {
      status.add_problems("missing");
      continue;
    }
    WISSEL_RETURN_IF_ERROR(partitions.status());
    status.set_exists(true);
    status.set_partitions(*partitions);
    if (topic == bus::Topic::kConfig && *partitions != 1) {
      status.add_problems(absl::StrCat(*partitions, " partitions; 1 is needed"));
    }
    for (const bus::Topic other : bus::kCopartitionedTopics) {
      if (topic != other) continue;
      if (copartitioned == 0) copartitioned = *partitions;
      if (*partitions != copartitioned) {
        status.add_problems(absl::StrCat(*partitions, " partitions; ", copartitioned,
                                         " are needed, as many as inbound, commands, receipts "
                                         "and log have together"));
      }
    }
    absl::StatusOr<std::optional<bus::TopicSettings>> found = bus.SettingsOf(topic);
    if (absl::IsPermissionDenied(found.status())) {
      status.add_warnings(
          absl::StrCat("not known how its records are kept: ", found.status().message(),
                       "; give wissel-admin's user DescribeConfigs on it"));
      continue;
    }
    WISSEL_RETURN_IF_ERROR(found.status());
    of = *found;
    if (of) replication = std::max(replication, of->replication);
  }
  const std::vector<bus::TopicSpec> made = bus::DefaultTopics(1, replication);
  for (size_t i = 0; i < made.size(); ++i) {
    if (settings[i]) CompareSettings(made[i], *settings[i], needs, statuses[i]);
  }
  return statuses;
}

}  // namespace wissel::admin
