// Appending, reading, topics and groups.

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/bus/conformance/suite.h"
#include "libs/testing/status_matchers.h"

namespace wissel::bus {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using wissel::testing::IsOk;
using wissel::testing::StatusIs;

TEST_P(BusConformance, ReadsInOrderWhatWasAppended) {
  constexpr int kRecords = 2'000;
  const auto appender = bus_->NewAppender({});
  std::map<int32_t, std::vector<int64_t>> answered;
  for (int i = 0; i < kRecords; ++i) {
    const int32_t partition = i % 2;
    appender->Append({.topic = Topic::kInbound,
                      .partition = partition,
                      .key = absl::StrCat("key ", i),
                      .value = absl::StrCat("value ", i),
                      .headers = {{"traceparent", absl::StrCat(i)}, {"empty", ""}}},
                     [&answered, partition](absl::StatusOr<int64_t> offset) {
                       WISSEL_EXPECT_OK(offset);
                       answered[partition].push_back(offset.value_or(-1));
                     });
  }
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  for (const int32_t partition : {0, 1}) {
    EXPECT_TRUE(std::is_sorted(answered[partition].begin(), answered[partition].end()));
    const auto reader = OpenReader(Topic::kInbound, partition);
    const std::vector<Record> records = ReadRecords(*reader, kRecords / 2);
    ASSERT_EQ(records.size(), kRecords / 2);
    for (size_t i = 0; i < records.size(); ++i) {
      const size_t n = 2 * i + static_cast<size_t>(partition);
      EXPECT_EQ(records[i].topic, Topic::kInbound);
      EXPECT_EQ(records[i].partition, partition);
      EXPECT_EQ(records[i].offset, answered[partition][i]);
      EXPECT_EQ(records[i].key, absl::StrCat("key ", n));
      EXPECT_EQ(records[i].value, absl::StrCat("value ", n));
      EXPECT_EQ(records[i].headers, (Headers{{"traceparent", absl::StrCat(n)}, {"empty", ""}}));
      EXPECT_LT(absl::AbsDuration(absl::Now() - records[i].time), absl::Minutes(5));
    }
  }
}

TEST_P(BusConformance, KeepsEveryByte) {
  std::string bytes(256, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i);
  const auto appender = bus_->NewAppender({});
  appender->Append({.topic = Topic::kReceipts,
                    .partition = 0,
                    .key = bytes,
                    .value = bytes,
                    .headers = {{"h", bytes}, {"h", "again"}}},
                   [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
  appender->Append(
      {.topic = Topic::kReceipts, .partition = 0, .key = "", .value = "", .headers = {}},
      [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  const std::vector<Record> records = ReadRecords(*OpenReader(Topic::kReceipts, 0), 2);
  ASSERT_EQ(records.size(), 2);
  EXPECT_EQ(records[0].key, bytes);
  EXPECT_EQ(records[0].value, bytes);
  EXPECT_EQ(records[0].headers, (Headers{{"h", bytes}, {"h", "again"}}));
  EXPECT_EQ(records[1].value, "");
  EXPECT_EQ(records[1].key, "");
}

TEST_P(BusConformance, ResumesAtAnOffset) {
  for (int i = 0; i < 5; ++i) AppendRaw(Topic::kCommands, 1, absl::StrCat(i));
  const auto reader = OpenReader(Topic::kCommands, 1, 3);
  std::vector<Record> records = ReadRecords(*reader, 2);
  ASSERT_EQ(records.size(), 2);
  EXPECT_EQ(records[0].value, "3");
  EXPECT_EQ(reader->position(), 5);
  EXPECT_THAT(reader->StartOffset(), IsOk());
  EXPECT_EQ(reader->StartOffset().value(), 0);
  EXPECT_EQ(reader->EndOffset().value(), 5);

  WISSEL_ASSERT_OK(reader->Seek(1));
  EXPECT_EQ(reader->position(), 1);
  records = ReadRecords(*reader, 4);
  ASSERT_EQ(records.size(), 4);
  EXPECT_EQ(records[0].value, "1");
}

TEST_P(BusConformance, ReturnsNoMoreThanAskedFor) {
  for (int i = 0; i < 5; ++i) AppendRaw(Topic::kCommands, 0, absl::StrCat(i));
  const auto reader = OpenReader(Topic::kCommands, 0);
  int seen = 0;
  while (seen < 5) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto records, reader->Poll(2, kPatience));
    ASSERT_LE(records.size(), 2);
    ASSERT_FALSE(records.empty());
    for (const Record& record : records) EXPECT_EQ(record.value, absl::StrCat(seen++));
  }
}

TEST_P(BusConformance, ManyReadersOfOnePartition) {
  for (int i = 0; i < 3; ++i) AppendRaw(Topic::kLog, 0, absl::StrCat(i));
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 3; ++i) readers.push_back(OpenReader(Topic::kLog, 0, i));
  for (size_t i = 0; i < 3; ++i) {
    const auto records = ReadRecords(*readers[i], 3 - i);
    ASSERT_EQ(records.size(), 3 - i);
    EXPECT_EQ(records[0].value, absl::StrCat(i));
  }
}

TEST_P(BusConformance, WaitingReaderIsWokenByAnAppend) {
  const auto appender = bus_->NewAppender({});
  const auto wakeup = std::make_shared<Wakeup>();
  const auto blocked = OpenReader(Topic::kInbound, 0);
  WISSEL_ASSERT_OK_AND_ASSIGN(
      const auto notified, bus_->OpenReader(Topic::kInbound, 0, {.offset = 0, .wakeup = wakeup}));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto none, notified->Poll(10, absl::ZeroDuration()));
  EXPECT_THAT(none, IsEmpty());
  absl::Time read;
  std::jthread reading([&] {
    EXPECT_EQ(ReadRecords(*blocked, 1).size(), 1);
    read = absl::Now();
  });
  absl::Time appended;
  appender->Append(
      {.topic = Topic::kInbound, .partition = 0, .key = "", .value = "x", .headers = {}},
      [&](absl::StatusOr<int64_t>) { appended = absl::Now(); });
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  std::vector<Record> records;
  while (records.empty()) {
    ASSERT_TRUE(wakeup->Wait(kPatience));
    WISSEL_ASSERT_OK_AND_ASSIGN(records, notified->Poll(10, absl::ZeroDuration()));
  }
  reading.join();
  EXPECT_LT(read - appended, absl::Seconds(1)) << "a reader that polls would be slower";
}

TEST_P(BusConformance, OffsetsOutsideTheLogAreSaidToBe) {
  for (int i = 0; i < 4; ++i) AppendRaw(Topic::kInbound, 0, absl::StrCat(i));
  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kInbound, 0, 2));
  const auto reader = OpenReader(Topic::kInbound, 0, 0);
  EXPECT_EQ(reader->StartOffset().value(), 2);
  EXPECT_THAT(reader->Poll(10, kPatience), StatusIs(absl::StatusCode::kOutOfRange));
  WISSEL_ASSERT_OK(reader->Seek(2));
  EXPECT_EQ(ReadRecords(*reader, 2).size(), 2);
  WISSEL_ASSERT_OK(reader->Seek(5));
  EXPECT_THAT(reader->Poll(10, kPatience), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_THAT(bus_->TruncateBefore(Topic::kInbound, 0, 5), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_P(BusConformance, AnEntirelyCutLogGoesOnWhereItWas) {
  for (int i = 0; i < 3; ++i) AppendRaw(Topic::kInbound, 0, absl::StrCat(i));
  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kInbound, 0, 3));
  const auto reader = OpenReader(Topic::kInbound, 0, 3);
  EXPECT_EQ(reader->StartOffset().value(), 3);
  EXPECT_EQ(reader->EndOffset().value(), 3);
  EXPECT_EQ(AppendRaw(Topic::kInbound, 0, "x"), 3);
  EXPECT_EQ(ReadRecords(*reader, 1).size(), 1);
}

TEST_P(BusConformance, UnknownPartitionIsNotFound) {
  EXPECT_THAT(bus_->OpenReader(Topic::kInbound, 2, {}), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(bus_->OpenReader(Topic::kInbound, -1, {}), StatusIs(absl::StatusCode::kNotFound));
}

TEST_P(BusConformance, OversizedRecordIsRefusedBeforeItIsSent) {
  const auto appender = Gapless();
  Outgoing large{.topic = Topic::kInbound,
                 .partition = 0,
                 .key = "",
                 .value = std::string((64 << 10) + 1, 'x'),
                 .headers = {}};
  EXPECT_THAT(appender->Admit(large), StatusIs(absl::StatusCode::kInvalidArgument));
  absl::Status refused;
  appender->Append(large, [&](absl::StatusOr<int64_t> offset) { refused = offset.status(); });
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("65537")));
  // The largest fits, and even a gapless appender goes on: nothing is missing.
  large.value.pop_back();
  absl::StatusOr<int64_t> appended = absl::UnknownError("");
  appender->Append(large, [&](absl::StatusOr<int64_t> offset) { appended = offset; });
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  WISSEL_ASSERT_OK(appended);
  EXPECT_EQ(*appended, 0);
}

TEST_P(BusConformance, AReaderKnowsWhatStandsBehindIt) {
  const auto appender = bus_->NewAppender({});
  for (int i = 0; i < 10; ++i) {
    appender->Append({.topic = Topic::kInbound, .value = absl::StrCat(i)},
                     [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
  }
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  const auto reader = OpenReader(Topic::kInbound, 0, 2);
  EXPECT_GE(reader->KnownEnd(), 2);
  EXPECT_EQ(ReadRecords(*reader, 3).size(), 3);
  EXPECT_EQ(reader->KnownEnd(), 10);
  EXPECT_EQ(ReadRecords(*reader, 5).size(), 5);
  EXPECT_EQ(reader->KnownEnd(), 10);
  EXPECT_EQ(reader->position(), 10);
}

TEST_P(BusConformance, InFlightIsBounded) {
  const auto appender = bus_->NewAppender({.max_in_flight = 1});
  Notification hold;
  std::atomic<int> answered = 0;
  const Outgoing record{
      .topic = Topic::kInbound, .partition = 0, .key = "", .value = "x", .headers = {}};
  appender->Append(record, [&](absl::StatusOr<int64_t> offset) {
    WISSEL_EXPECT_OK(offset);
    hold.Wait();  // A test's liberty: it keeps the record in flight.
    ++answered;
  });
  EXPECT_THAT(appender->Admit(record), StatusIs(absl::StatusCode::kResourceExhausted));
  absl::Status refused;
  appender->Append(record, [&](absl::StatusOr<int64_t> offset) { refused = offset.status(); });
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(appender->Flush(absl::Milliseconds(1)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  hold.Notify();
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  EXPECT_EQ(answered, 1);
  appender->Append(record, [&](absl::StatusOr<int64_t> offset) {
    ++answered;
    EXPECT_EQ(offset.value_or(-1), 1);
  });
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  EXPECT_EQ(answered, 2);
}

TEST_P(BusConformance, BytesInFlightAreBounded) {
  const auto appender = bus_->NewAppender({.max_in_flight_bytes = 100});
  const Outgoing record{.topic = Topic::kInbound,
                        .partition = 0,
                        .key = "",
                        .value = std::string(60, 'x'),
                        .headers = {}};
  Notification hold;
  appender->Append(record, [&](absl::StatusOr<int64_t> offset) {
    WISSEL_EXPECT_OK(offset);
    hold.Wait();  // It stays in flight.
  });
  EXPECT_THAT(appender->Admit(record), StatusIs(absl::StatusCode::kResourceExhausted));
  Outgoing small = record;
  small.value.resize(40);
  WISSEL_EXPECT_OK(appender->Admit(small));
  absl::Status refused;
  appender->Append(record, [&](absl::StatusOr<int64_t> offset) { refused = offset.status(); });
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kResourceExhausted));
  hold.Notify();
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  absl::StatusOr<int64_t> next = absl::UnknownError("not answered");
  appender->Append(record, [&](absl::StatusOr<int64_t> offset) { next = std::move(offset); });
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  EXPECT_EQ(next.value_or(-1), 1);
}

TEST_P(BusConformance, AppendersOfManyThreadsKeepEachThreadsOrder) {
  const auto appender = bus_->NewAppender({});
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 300; ++i) {
          appender->Append({.topic = Topic::kInbound,
                            .partition = 0,
                            .key = absl::StrCat(t),
                            .value = absl::StrCat(i),
                            .headers = {}},
                           [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
        }
      });
    }
  }
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  std::map<std::string, int> next;
  const auto records = ReadRecords(*OpenReader(Topic::kInbound, 0), 900);
  ASSERT_EQ(records.size(), 900);
  for (const Record& record : records) {
    EXPECT_EQ(record.value, absl::StrCat(next[record.key]++)) << "thread " << record.key;
  }
}

TEST_P(BusConformance, AppenderAnswersEverythingBeforeItGoes) {
  std::atomic<int> answered = 0;
  {
    const auto appender = bus_->NewAppender({});
    for (int i = 0; i < 500; ++i) {
      appender->Append(
          {.topic = Topic::kInbound, .partition = 0, .key = "", .value = "x", .headers = {}},
          [&](absl::StatusOr<int64_t> offset) {
            WISSEL_EXPECT_OK(offset);
            ++answered;
          });
    }
  }
  EXPECT_EQ(answered, 500);
}

TEST_P(BusConformance, WhatSaysThatMoreFollowsGoesThoughNothingDoes) {
  Make({});
  const auto appender = bus_->NewAppender({});
  constexpr int kCount = 50;  // More than go at once.
  std::vector<int64_t> offsets;
  for (int i = 0; i < kCount; ++i) {
    appender->Append(
        {.topic = Topic::kInbound, .value = absl::StrCat(i), .more = true},
        [&](absl::StatusOr<int64_t> offset) { offsets.push_back(offset.value_or(-1)); });
  }
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  std::vector<int64_t> in_order(kCount);
  std::iota(in_order.begin(), in_order.end(), 0);
  EXPECT_EQ(offsets, in_order);
}

TEST_P(BusConformance, TopicsAreThereAndCopartitioned) {
  EXPECT_EQ(bus_->PartitionCount(Topic::kLog).value(), 2);
  EXPECT_EQ(bus_->PartitionCount(Topic::kConfig).value(), 1);
  WISSEL_EXPECT_OK(CheckTopics(*bus_));
  WISSEL_EXPECT_OK(bus_->EnsureTopics(DefaultTopics(2)));
  EXPECT_THAT(bus_->EnsureTopics(DefaultTopics(3)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("2 partitions, not 3")));
  WISSEL_EXPECT_OK(bus_->Health());
}

// ---- Groups

TEST_P(BusConformance, MembersShareThePartitions) {
  const MemberOptions options{.session_timeout = absl::Seconds(6), .wakeup = nullptr};
  WISSEL_ASSERT_OK_AND_ASSIGN(auto a, bus_->Join("routers", Topic::kInbound, options));
  std::set<int32_t> has_a;
  std::set<int32_t> has_b;
  const auto poll = [](Membership& member, std::set<int32_t>& has) {
    const auto change = member.Poll(absl::Milliseconds(50));
    WISSEL_ASSERT_OK(change);
    for (const int32_t partition : change->revoked) EXPECT_EQ(has.erase(partition), 1);
    for (const int32_t partition : change->assigned) EXPECT_TRUE(has.insert(partition).second);
  };
  absl::Time deadline = absl::Now() + kPatience;
  while (has_a.size() < 2 && absl::Now() < deadline) poll(*a, has_a);
  EXPECT_THAT(has_a, UnorderedElementsAre(0, 1));

  WISSEL_ASSERT_OK_AND_ASSIGN(auto b, bus_->Join("routers", Topic::kInbound, options));
  deadline = absl::Now() + kPatience;
  while ((has_a.size() != 1 || has_b.size() != 1) && absl::Now() < deadline) {
    poll(*a, has_a);
    poll(*b, has_b);
  }
  EXPECT_EQ(has_a.size(), 1);
  EXPECT_EQ(has_b.size(), 1);
  EXPECT_NE(has_a, has_b);

  a.reset();
  deadline = absl::Now() + kPatience;
  while (has_b.size() < 2 && absl::Now() < deadline) poll(*b, has_b);
  EXPECT_THAT(has_b, UnorderedElementsAre(0, 1));
}

TEST_P(BusConformance, AMemberForWhomNothingIsLeftIsAMember) {
  const MemberOptions options{.session_timeout = absl::Seconds(6), .wakeup = nullptr};
  std::vector<std::unique_ptr<Membership>> members;
  for (int i = 0; i < 3; ++i) {
    WISSEL_ASSERT_OK_AND_ASSIGN(auto member, bus_->Join("routers", Topic::kInbound, options));
    members.push_back(std::move(member));
  }
  std::vector<int> has(members.size());
  const auto shared_out = [&] {
    return std::count(has.begin(), has.end(), 1) == 2 &&
           std::all_of(members.begin(), members.end(),
                       [](const auto& member) { return member->standing().ok(); });
  };
  const absl::Time deadline = absl::Now() + kPatience;
  while (!shared_out() && absl::Now() < deadline) {
    for (size_t i = 0; i < members.size(); ++i) {
      const auto change = members[i]->Poll(absl::Milliseconds(20));
      WISSEL_ASSERT_OK(change);
      has[i] +=
          static_cast<int>(change->assigned.size()) - static_cast<int>(change->revoked.size());
    }
  }
  EXPECT_TRUE(shared_out());
  EXPECT_THAT(has, ::testing::UnorderedElementsAre(0, 1, 1));
}

TEST_P(BusConformance, AGroupsProgressIsShownAndNothingStartsFromIt) {
  AppendRaw(Topic::kInbound, 0, "first");
  const auto join = [this] {
    const absl::Time deadline = absl::Now() + kPatience;
    auto member = bus_->Join("routers", Topic::kInbound,
                             {.session_timeout = absl::Seconds(6), .wakeup = nullptr});
    size_t has = 0;
    while (member.ok() && has < 2 && absl::Now() < deadline) {
      const auto change = (*member)->Poll(absl::Milliseconds(50));
      WISSEL_EXPECT_OK(change);
      if (change.ok()) has += change->assigned.size();
    }
    EXPECT_EQ(has, 2);
    return *std::move(member);
  };
  auto member = join();
  // Of topics that it has not joined on, too; one of them beyond the end.
  member->CommitForMonitoring(
      {{Topic::kInbound, 0, 1}, {Topic::kInbound, 1, 7}, {Topic::kCommands, 1, 0}});
  member.reset();  // What was committed is on its way before it leaves.
  if (GetParam().committed != nullptr) {
    const auto committed = [](Topic topic, int32_t partition) {
      const auto offset = GetParam().committed("routers", topic, partition);
      WISSEL_EXPECT_OK(offset);
      return offset.value_or(-1);
    };
    EXPECT_EQ(committed(Topic::kInbound, 0), 1);
    EXPECT_EQ(committed(Topic::kInbound, 1), 7);
    EXPECT_EQ(committed(Topic::kCommands, 1), 0);
    EXPECT_LT(committed(Topic::kReceipts, 0), 0);
  }
  member = join();
  EXPECT_EQ(ReadRecords(*OpenReader(Topic::kInbound, 0), 1).size(), 1);
}

}  // namespace wissel::bus
