// Concurrent applies, and topics that others have made, on a real broker: see admin_test.cc for
// everything that does not need one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "libs/bus/kafka.h"
#include "libs/domain/testing.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_env.h"
#include "services/admin/config_topic.h"
#include "services/admin/dead_letters.h"
#include "services/admin/topic_check.h"

namespace wissel::admin {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(ConfigTopicOnKafka, OfConcurrentAppliesExactlyOneWins) {
  WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
  const bus::KafkaOptions options{.brokers = brokers,
                                  .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")};
  constexpr int kAdmins = 3;
  constexpr int kRounds = 10;
  std::vector<std::unique_ptr<bus::Bus>> buses;
  std::vector<std::unique_ptr<ConfigTopic>> topics;
  for (int i = 0; i < kAdmins; ++i) {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto bus, bus::NewKafkaBus(options));
    if (i == 0) {
      WISSEL_ASSERT_OK(bus->EnsureTopics(bus::DefaultTopics(1)));
    }
    topics.push_back(std::make_unique<ConfigTopic>(*bus));
    buses.push_back(std::move(bus));
  }
  std::atomic<int> won[kRounds + 1] = {};
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kAdmins; ++i) {
      threads.emplace_back([&, i] {
        for (int round = 1; round <= kRounds; ++round) {
          const absl::Status applied = topics[i]->Apply(domain::testing::ShopConfig(round));
          if (applied.ok()) ++won[round];
          if (absl::IsFailedPrecondition(applied)) ++refused;
        }
      });
    }
  }
  for (int round = 1; round <= kRounds; ++round) EXPECT_EQ(won[round], 1) << "version " << round;
  EXPECT_EQ(refused, kRounds * (kAdmins - 1));
  for (const auto& topic : topics) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto config, topic->Get("acme"));
    EXPECT_EQ(config.version(), kRounds);
  }
  topics.clear();
}

TEST(TopicsOnKafka, WhatLosesRecordsIsAProblem) {
  WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto bus, bus::NewKafkaBus({.brokers = brokers,
                                        .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")}));
  std::vector<bus::TopicSpec> specs = bus::DefaultTopics(2);
  for (bus::TopicSpec& spec : specs) {
    if (spec.topic == bus::Topic::kCommands) spec.retention = absl::Hours(48);
    if (spec.topic == bus::Topic::kConfig) spec.retention = absl::Hours(24 * 365);
    if (spec.topic == bus::Topic::kLog) spec.retention = absl::Hours(24);
  }
  WISSEL_ASSERT_OK(bus->EnsureTopics(specs));

  WISSEL_ASSERT_OK_AND_ASSIGN(const std::vector<v1::TopicStatus> statuses, ExamineTopics(*bus));
  std::map<std::string, v1::TopicStatus> of;
  for (const v1::TopicStatus& status : statuses) of[status.topic()] = status;
  const auto one_copy = HasSubstr("replication factor 1");
  EXPECT_THAT(of["wissel.commands.v1"].problems(), IsEmpty());
  EXPECT_THAT(of["wissel.commands.v1"].warnings(),
              ElementsAre("retention.ms is 172800000 (48h); topics create gives 604800000 (168h)",
                          one_copy));
  EXPECT_THAT(of["wissel.config.v1"].problems(), ElementsAre(HasSubstr("-1 is needed")));
  EXPECT_THAT(of["wissel.log.v1"].problems(), ElementsAre(HasSubstr("at least 259200000 (72h)")));
  for (const char* as_made : {"wissel.inbound.v1", "wissel.receipts.v1", "wissel.deadletter.v1"}) {
    EXPECT_THAT(of[as_made].problems(), IsEmpty()) << as_made;
    EXPECT_THAT(of[as_made].warnings(), ElementsAre(one_copy)) << as_made;
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto shorter,
                              ExamineTopics(*bus, {.log_retention = absl::Hours(24)}));
  for (const v1::TopicStatus& status : shorter) {
    if (status.topic() == "wissel.log.v1") EXPECT_THAT(status.problems(), IsEmpty());
  }
  // With two copies wanted of each record none of them is as it should be.
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto copied, ExamineTopics(*bus, {.replication = 2}));
  for (const v1::TopicStatus& status : copied) {
    EXPECT_THAT(status.problems(), Contains(HasSubstr("replication factor 1; 2 is needed")));
  }
}

TEST(DeadLettersOnKafka, AreListedPageByPageAndFoundByTheirId) {
  WISSEL_TEST_ENV(brokers, "WISSEL_TEST_KAFKA");
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto bus, bus::NewKafkaBus({.brokers = brokers,
                                        .topic_prefix = absl::StrCat("test.", RandomUuid(), ".")}));
  WISSEL_ASSERT_OK(bus->EnsureTopics(bus::DefaultTopics(2)));
  WISSEL_ASSERT_OK_AND_ASSIGN(const int partitions, bus->PartitionCount(bus::Topic::kDeadLetter));
  constexpr int kLetters = 1500;
  {
    const auto appender = bus->NewAppender({});
    for (int n = 0; n < kLetters; ++n) {
      deadletter::v1::DeadLetter letter;
      letter.set_dead_letter_id(absl::StrCat(n));
      letter.set_raw(std::string(2000, 'x'));
      *letter.mutable_time() = ToProto(absl::FromUnixSeconds(1'000'000 + n));
      appender->Append({.topic = bus::Topic::kDeadLetter,
                        .partition = n % partitions,
                        .key = "",
                        .value = letter.SerializeAsString(),
                        .headers = {}},
                       [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
    }
    WISSEL_ASSERT_OK(appender->Flush(absl::Seconds(30)));
  }
  DeadLetters letters(*bus, 10'000);
  const auto all = [](const deadletter::v1::DeadLetter&) { return true; };
  int next = kLetters;
  std::string token;
  do {
    WISSEL_ASSERT_OK_AND_ASSIGN(const DeadLetters::Page page, letters.List(all, 500, token));
    for (const auto& letter : page.letters) {
      ASSERT_EQ(letter.dead_letter_id(), absl::StrCat(--next));
    }
    token = page.next_page_token;
  } while (!token.empty());
  EXPECT_EQ(next, 0);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto found, letters.Get(all, "7"));
  EXPECT_EQ(found.raw().size(), 2000u);
  EXPECT_TRUE(absl::IsNotFound(letters.Get(all, "none").status()));
}

}  // namespace
}  // namespace wissel::admin
