#include "services/admin/topic_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wissel::admin {
namespace {

using bus::Topic;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kCopies = 3;

bus::TopicSpec Made(Topic topic) {
  for (const bus::TopicSpec& spec : bus::DefaultTopics(4, kCopies)) {
    if (spec.topic == topic) return spec;
  }
  return {};
}

// As `topics create` makes it.
bus::TopicSettings AsMade(Topic topic) {
  return {.replication = kCopies, .min_insync_replicas = 2, .retention = Made(topic).retention};
}

v1::TopicStatus Compare(Topic topic, const bus::TopicSettings& found,
                        absl::Duration log_retention = TopicNeeds::kLogRetention) {
  v1::TopicStatus status;
  CompareSettings(Made(topic), found, {.log_retention = log_retention}, status);
  return status;
}

TEST(TopicCheck, AsMadeAndWithMoreItIsFine) {
  for (const Topic topic : bus::kAllTopics) {
    bus::TopicSettings settings = AsMade(topic);
    for (int i = 0; i < 2; ++i) {
      const v1::TopicStatus status = Compare(topic, settings);
      EXPECT_THAT(status.problems(), IsEmpty()) << bus::TopicName(topic);
      EXPECT_THAT(status.warnings(), IsEmpty()) << bus::TopicName(topic);
      settings.retention = absl::InfiniteDuration();
      settings.replication = 5;
    }
  }
}

TEST(TopicCheck, NoTopicMayBeCompactedOrBoundedInBytes) {
  for (const Topic topic : bus::kAllTopics) {
    bus::TopicSettings settings = AsMade(topic);
    settings.compacted = true;
    settings.retention_bytes = 1 << 30;
    EXPECT_THAT(Compare(topic, settings).problems(),
                ElementsAre(HasSubstr("cleanup.policy"), HasSubstr("retention.bytes")))
        << bus::TopicName(topic);
  }
}

TEST(TopicCheck, RecordsThatAreAllowedMustFit) {
  bus::TopicSettings settings = AsMade(Topic::kConfig);
  settings.max_message_bytes = 1 << 20;
  EXPECT_THAT(Compare(Topic::kConfig, settings).problems(), IsEmpty());
  v1::TopicStatus status;
  CompareSettings(Made(Topic::kConfig), settings, {.max_record_bytes = 4 << 20}, status);
  EXPECT_THAT(status.problems(), ElementsAre("max.message.bytes is 1048576; 4198400 is needed, as "
                                             "kafka.max_record_bytes allows"));
}

TEST(TopicCheck, ShorterRetentionIsAProblemWhereWhatIsNeededGoes) {
  struct Case {
    Topic topic;
    absl::Duration problem, warning;
  };
  for (const Case& c :
       {Case{Topic::kInbound, absl::Hours(23), absl::Hours(24)},
        Case{Topic::kCommands, absl::Hours(23), absl::Hours(24)},
        Case{Topic::kReceipts, absl::Hours(23), absl::Hours(24)},
        Case{Topic::kLog, absl::Hours(71), absl::Hours(72)},
        Case{Topic::kConfig, absl::Hours(24 * 365), absl::InfiniteDuration()},
        Case{Topic::kDeadLetter, absl::InfiniteDuration(), absl::Milliseconds(1)}}) {
    bus::TopicSettings settings = AsMade(c.topic);
    if (c.problem < absl::InfiniteDuration()) {
      settings.retention = c.problem;
      EXPECT_THAT(Compare(c.topic, settings).problems(), ElementsAre(HasSubstr("retention.ms")))
          << bus::TopicName(c.topic);
    }
    if (c.warning < absl::InfiniteDuration()) {
      settings.retention = c.warning;
      EXPECT_THAT(Compare(c.topic, settings).problems(), IsEmpty()) << bus::TopicName(c.topic);
      EXPECT_THAT(Compare(c.topic, settings).warnings(), ElementsAre(HasSubstr("retention.ms")))
          << bus::TopicName(c.topic);
    }
  }
}

TEST(TopicCheck, HowLongTheLogIsNeededCanBeSaid) {
  bus::TopicSettings settings = AsMade(Topic::kLog);
  settings.retention = absl::Hours(100);
  EXPECT_THAT(Compare(Topic::kLog, settings).problems(), IsEmpty());
  EXPECT_THAT(Compare(Topic::kLog, settings, absl::Hours(101)).problems(),
              ElementsAre(HasSubstr("at least 363600000 (101h) is needed")));
  settings.retention = absl::Hours(20);
  EXPECT_THAT(Compare(Topic::kLog, settings, absl::Hours(20)).problems(), IsEmpty());
  // Inputs are needed as long as they were.
  settings = AsMade(Topic::kInbound);
  settings.retention = absl::Hours(20);
  EXPECT_THAT(Compare(Topic::kInbound, settings, absl::Hours(20)).problems(), Not(IsEmpty()));
}

TEST(TopicCheck, AcknowledgedRecordsAreOnMoreThanOneDisk) {
  bus::TopicSettings settings = AsMade(Topic::kLog);
  settings.min_insync_replicas = 1;
  EXPECT_THAT(Compare(Topic::kLog, settings).problems(),
              ElementsAre(HasSubstr("min.insync.replicas is 1; 2 is needed")));
  settings.min_insync_replicas = 3;
  EXPECT_THAT(Compare(Topic::kLog, settings).warnings(), ElementsAre(HasSubstr("while one")));
  settings.min_insync_replicas = 4;
  EXPECT_THAT(Compare(Topic::kLog, settings).problems(),
              ElementsAre(HasSubstr("nothing can be appended")));
  settings = AsMade(Topic::kLog);
  settings.replication = 1;
  settings.min_insync_replicas = 1;
  EXPECT_THAT(Compare(Topic::kLog, settings).problems(),
              ElementsAre(HasSubstr("replication factor 1; 3 is needed")));
  // Where one copy is all that there is to be.
  v1::TopicStatus status;
  CompareSettings(bus::DefaultTopics(4)[0], {.replication = 1}, {}, status);
  EXPECT_THAT(status.problems(), IsEmpty());
  EXPECT_THAT(status.warnings(), ElementsAre(HasSubstr("replication factor 1")));
}

}  // namespace
}  // namespace wissel::admin
