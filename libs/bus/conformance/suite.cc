#include "libs/bus/conformance/suite.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <numeric>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/notification.h"
#include "libs/testing/status_matchers.h"

namespace wissel::bus {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using wissel::testing::IsOk;
using wissel::testing::StatusIs;

namespace {

wissel::log::v1::LogRecord ClaimRecord(int64_t epoch, std::string owner) {
  wissel::log::v1::LogRecord record;
  record.mutable_owner_claimed()->set_epoch(epoch);
  record.mutable_owner_claimed()->set_owner(std::move(owner));
  return record;
}

// An appender whose appends fail on order: lost before the log, or in it all the same.
class FaultyAppender final : public Appender {
 public:
  enum class Fault { kNone, kLost, kReportedLost };

  explicit FaultyAppender(std::shared_ptr<Appender> real) : real_(std::move(real)) {}

  void FailNext(Fault fault) { fault_ = fault; }

  void Append(Outgoing record, Done done) override {
    switch (std::exchange(fault_, Fault::kNone)) {
      case Fault::kNone:
        real_->Append(std::move(record), std::move(done));
        return;
      case Fault::kLost:
        done(absl::UnavailableError("lost"));
        return;
      case Fault::kReportedLost:
        real_->Append(std::move(record), [done = std::move(done)](auto) mutable {
          done(absl::UnavailableError("answer lost"));
        });
        return;
    }
  }
  absl::Status Admit(const Outgoing& record) const override { return real_->Admit(record); }
  absl::Status Flush(absl::Duration timeout) override { return real_->Flush(timeout); }

 private:
  const std::shared_ptr<Appender> real_;
  Fault fault_ = Fault::kNone;
};

}  // namespace

wissel::log::v1::Decision DecisionFor(int64_t input) {
  wissel::log::v1::Decision decision;
  decision.mutable_cause()->mutable_input()->set_offset(input);
  return decision;
}

void BusConformance::Make(const BackendOptions& options) {
  bus_.reset();
  WISSEL_ASSERT_OK_AND_ASSIGN(bus_, GetParam().make(options));
}

int64_t BusConformance::AppendRaw(Topic topic, int32_t partition, std::string value) {
  absl::StatusOr<int64_t> answer = absl::UnknownError("not answered");
  const auto appender = bus_->NewAppender({});
  appender->Append(
      {.topic = topic, .partition = partition, .key = "", .value = std::move(value), .headers = {}},
      [&](absl::StatusOr<int64_t> offset) { answer = std::move(offset); });
  WISSEL_EXPECT_OK(appender->Flush(kPatience));
  WISSEL_EXPECT_OK(answer);
  return answer.value_or(-1);
}

int64_t BusConformance::AppendClaim(int64_t epoch, std::string owner) {
  return AppendRaw(Topic::kLog, 0, ClaimRecord(epoch, std::move(owner)).SerializeAsString());
}

int64_t BusConformance::AppendDecision(int64_t epoch, int64_t sequence, int64_t claim_offset) {
  wissel::log::v1::LogRecord record;
  record.mutable_decision()->set_epoch(epoch);
  record.mutable_decision()->set_sequence(sequence);
  record.mutable_decision()->set_claim_offset(claim_offset);
  return AppendRaw(Topic::kLog, 0, record.SerializeAsString());
}

std::unique_ptr<Reader> BusConformance::OpenReader(Topic topic, int32_t partition, int64_t offset) {
  auto reader = bus_->OpenReader(topic, partition, {.offset = offset, .wakeup = nullptr});
  EXPECT_THAT(reader, IsOk());
  return reader.ok() ? *std::move(reader) : nullptr;
}

std::unique_ptr<OwnedLog> BusConformance::OpenLog(std::string owner,
                                                  std::shared_ptr<Appender> appender) {
  OwnedLogOptions options;
  options.owner = std::move(owner);
  auto log = OwnedLog::Open(*bus_, appender != nullptr ? appender : Gapless(), options);
  EXPECT_THAT(log, IsOk());
  return log.ok() ? *std::move(log) : nullptr;
}

std::vector<Record> BusConformance::ReadRecords(Reader& reader, size_t count) {
  std::vector<Record> all;
  const absl::Time deadline = absl::Now() + kPatience;
  while (all.size() < count && absl::Now() < deadline) {
    auto some = reader.Poll(count - all.size(), absl::Seconds(1));
    EXPECT_THAT(some, IsOk());
    if (!some.ok()) break;
    for (Record& record : *some) all.push_back(std::move(record));
  }
  return all;
}

std::vector<int64_t> BusConformance::ValidDecisions(std::optional<LogPosition> from) {
  LogReaderOptions options;
  options.from = std::move(from);
  const auto reader = LogReader::Open(*bus_, 0, std::move(options));
  EXPECT_THAT(reader, IsOk());
  if (!reader.ok()) return {};
  const absl::StatusOr<int64_t> end = (*reader)->EndOffset();
  EXPECT_THAT(end, IsOk());
  std::vector<int64_t> valid;
  const absl::Time deadline = absl::Now() + kPatience;
  while ((*reader)->position().offset < end.value_or(0) && absl::Now() < deadline) {
    const auto entries = (*reader)->Poll(1000, absl::Seconds(1));
    EXPECT_THAT(entries, IsOk());
    if (!entries.ok()) break;
    for (const LogEntry& entry : *entries) {
      if (entry.record.has_decision()) valid.push_back(entry.offset);
    }
  }
  return valid;
}

std::vector<wissel::log::v1::Decision> BusConformance::Settle(OwnedLog& log) {
  std::vector<wissel::log::v1::Decision> folded;
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    const auto entries = log.Poll(1000, absl::Seconds(1));
    if (!entries.ok()) return folded;
    for (const auto& e : *entries) {
      if (e.record.has_decision()) folded.push_back(e.record.decision());
    }
    if (log.phase() == OwnedLog::Phase::kOwning) return folded;
  }
  ADD_FAILURE() << "neither owned nor lost";
  return folded;
}

std::vector<int64_t> BusConformance::DecisionsOf(int64_t epoch) {
  const auto reader = OpenReader(Topic::kLog, 0, 0);
  const int64_t start = reader->StartOffset().value_or(0);
  WISSEL_EXPECT_OK(reader->Seek(start));
  const int64_t end = reader->EndOffset().value_or(0);
  std::vector<int64_t> offsets;
  for (const Record& record : ReadRecords(*reader, static_cast<size_t>(end - start))) {
    wissel::log::v1::LogRecord parsed;
    const RecordStamp stamp = ReadStamp(record.value, parsed);
    if (stamp.kind == RecordKind::kDecision && stamp.epoch == epoch) {
      offsets.push_back(record.offset);
    }
  }
  return offsets;
}

int64_t BusConformance::Confirm(OwnedLog& log) {
  const int64_t before = log.unconfirmed();
  const absl::Time deadline = absl::Now() + kPatience;
  while (log.unconfirmed() > 0 && absl::Now() < deadline) {
    if (!log.Poll(1000, absl::Seconds(1)).ok()) break;
  }
  return before - log.unconfirmed();
}

// ---- Appending and reading

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
                        .value = std::string(101, 'x'),
                        .headers = {}};
  EXPECT_THAT(appender->Admit(record), StatusIs(absl::StatusCode::kResourceExhausted));
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

// ---- The reader's rule and ownership

TEST_P(BusConformance, RepeatedAndMissingSequenceNumbersAreVoid) {
  const int64_t claim = AppendClaim(1);
  const int64_t first = AppendDecision(1, 1, claim);
  AppendDecision(1, 1, claim);  // Repeated.
  AppendDecision(1, 3, claim);  // After a gap.
  const int64_t second = AppendDecision(1, 2, claim);
  AppendDecision(1, 1, claim);
  const int64_t third = AppendDecision(1, 3, claim);
  EXPECT_THAT(ValidDecisions(), ElementsAre(first, second, third));
}

TEST_P(BusConformance, DecisionsUnderAnotherClaimAreVoid) {
  const int64_t claim = AppendClaim(1);
  AppendDecision(2, 1, claim);      // An epoch nobody claimed.
  AppendDecision(1, 1, claim + 9);  // Not where the claim is.
  AppendClaim(1);                   // The second of two claimers.
  const int64_t valid = AppendDecision(1, 1, claim);
  EXPECT_THAT(ValidDecisions(), ElementsAre(valid));
}

TEST_P(BusConformance, GarbageNeverBlocks) {
  AppendRaw(Topic::kLog, 0, "garbage");
  AppendRaw(Topic::kLog, 0, "");
  AppendRaw(Topic::kLog, 0, std::string(1000, '\xff'));
  const auto log = OpenLog("a");
  Settle(*log);
  ASSERT_EQ(log->phase(), OwnedLog::Phase::kOwning);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(0), "k"));
  AppendRaw(Topic::kLog, 0, "more garbage");
  WISSEL_ASSERT_OK(log->Append(DecisionFor(1), "k"));
  EXPECT_EQ(Confirm(*log), 2);
  EXPECT_EQ(ValidDecisions().size(), 2);
  EXPECT_GE(log->reader().count(Verdict::kGarbage), 3);
}

TEST_P(BusConformance, ZombiesRecordsAreVoidForEveryReader) {
  const auto zombie = OpenLog("zombie");
  Settle(*zombie);
  for (int i = 0; i < 3; ++i) WISSEL_ASSERT_OK(zombie->Append(DecisionFor(i), "k"));
  ASSERT_EQ(Confirm(*zombie), 3);
  std::vector<int64_t> valid = DecisionsOf(1);
  const LogPosition under_zombie = zombie->position();

  // The zombie stalls; another takes over; it wakes up and decides on.
  const auto owner = OpenLog("owner");
  EXPECT_EQ(Settle(*owner).size(), 3);
  const LogPosition under_owner = owner->position();
  for (int i = 3; i < 6; ++i) WISSEL_ASSERT_OK(zombie->Append(DecisionFor(i), "k"));
  for (int i = 3; i < 6; ++i) WISSEL_ASSERT_OK(owner->Append(DecisionFor(i), "k"));
  ASSERT_EQ(Confirm(*owner), 3);
  for (const int64_t offset : DecisionsOf(2)) valid.push_back(offset);
  ASSERT_EQ(valid.size(), 6);

  EXPECT_EQ(ValidDecisions(), valid) << "from the start";
  EXPECT_EQ(ValidDecisions(under_zombie), std::vector<int64_t>(valid.begin() + 3, valid.end()))
      << "from a checkpoint made under the zombie";
  EXPECT_EQ(ValidDecisions(under_owner), std::vector<int64_t>(valid.begin() + 3, valid.end()))
      << "from a checkpoint made under the owner";
  EXPECT_EQ(ValidDecisions(UnknownPosition(1)),
            std::vector<int64_t>(valid.begin() + 3, valid.end()))
      << "without the zombie's claim: nothing of its epoch can be placed";
  // It notices by itself and stops.
  Settle(*zombie);
  EXPECT_EQ(zombie->phase(), OwnedLog::Phase::kLost);
  EXPECT_THAT(zombie->Append(DecisionFor(9), "k"), StatusIs(absl::StatusCode::kAborted));
}

TEST_P(BusConformance, OfManyClaimersAtOnceOneWins) {
  constexpr int kClaimers = 4;  // None of them has seen another's claim.
  std::vector<std::unique_ptr<OwnedLog>> logs;
  for (int i = 0; i < kClaimers; ++i) logs.push_back(OpenLog(absl::StrCat("claimer ", i)));
  {
    std::vector<std::jthread> threads;
    for (auto& log : logs) threads.emplace_back([&log] { Settle(*log); });
  }
  // One may have claimed so late that it saw another's claim and rose above it; then the other is
  // told. Whoever owns by the log can append, the rest cannot.
  int appended = 0;
  for (auto& log : logs) {
    if (log->phase() != OwnedLog::Phase::kOwning) continue;
    if (!log->Append(DecisionFor(0), "k").ok()) continue;
    if (Confirm(*log) == 1) ++appended;
  }
  EXPECT_EQ(appended, 1);
  EXPECT_EQ(ValidDecisions().size(), 1);
}

TEST_P(BusConformance, AnOwnerThatStalledBeforeItsClaimDisturbsNobody) {
  const auto owner = OpenLog("owner");
  Settle(*owner);
  WISSEL_ASSERT_OK(owner->Append(DecisionFor(0), "k"));
  // It folded an empty log, stalled, and claims epoch 1 only now.
  AppendClaim(1, "stalled");
  WISSEL_ASSERT_OK(owner->Append(DecisionFor(1), "k"));
  EXPECT_EQ(Confirm(*owner), 2);
  EXPECT_EQ(owner->phase(), OwnedLog::Phase::kOwning);
  EXPECT_EQ(owner->reader().count(Verdict::kStaleEpoch), 1);
  EXPECT_EQ(ValidDecisions().size(), 2);
}

TEST_P(BusConformance, AFailedAppendEndsTheOwnership) {
  const auto appender = std::make_shared<FaultyAppender>(Gapless());
  const auto log = OpenLog("a", appender);
  Settle(*log);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(0), "k"));
  appender->FailNext(FaultyAppender::Fault::kLost);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(1), "k"));  // Lost on the way.
  WISSEL_ASSERT_OK(log->Append(DecisionFor(2), "k"));  // Already on its way: after a gap.
  absl::Status lost;
  while (lost.ok()) lost = log->Poll(100, kPatience).status();
  EXPECT_THAT(lost, StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(log->Append(DecisionFor(3), "k"), StatusIs(absl::StatusCode::kAborted));
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  EXPECT_EQ(ValidDecisions().size(), 1);

  const auto again = OpenLog("a");
  EXPECT_EQ(Settle(*again).size(), 1);
  EXPECT_EQ(again->epoch(), 2);
}

TEST_P(BusConformance, AnAppendThatFailedAndCameLateCountsForAllOrForNobody) {
  const auto appender = std::make_shared<FaultyAppender>(Gapless());
  const auto log = OpenLog("a", appender);
  Settle(*log);
  appender->FailNext(FaultyAppender::Fault::kReportedLost);
  WISSEL_ASSERT_OK(log->Append(DecisionFor(0), "k"));
  WISSEL_ASSERT_OK(appender->Flush(kPatience));
  absl::Status lost;
  while (lost.ok()) lost = log->Poll(100, kPatience).status();
  // It came before the next claim, so the next owner folds it, and so does everyone else.
  const auto again = OpenLog("a");
  EXPECT_EQ(Settle(*again).size(), 1);
  // The same thing again, but it comes after the claim.
  AppendDecision(1, 2, 0);
  WISSEL_ASSERT_OK(again->Append(DecisionFor(1), "k"));
  EXPECT_EQ(Confirm(*again), 1);
  EXPECT_EQ(ValidDecisions().size(), 2);
}

TEST_P(BusConformance, AFailedClaimIsALoss) {
  const auto appender = std::make_shared<FaultyAppender>(Gapless());
  appender->FailNext(FaultyAppender::Fault::kReportedLost);
  const auto log = OpenLog("a", appender);
  Settle(*log);
  EXPECT_EQ(log->phase(), OwnedLog::Phase::kLost);
  const auto again = OpenLog("a");
  Settle(*again);
  EXPECT_EQ(again->phase(), OwnedLog::Phase::kOwning);
}

// Every input is decided exactly once, whoever owns, however often that changes.
TEST_P(BusConformance, TakeOversUnderLoadDecideEveryInputOnce) {
  constexpr int64_t kInputs = 600;
  std::atomic<int> round = 0;
  // Takes over from whoever owns, and decides from where the log stands until it loses.
  const auto own = [&](std::string name) {
    while (true) {
      const auto log = OpenLog(name);
      int64_t next_input = 0;
      for (const auto& decision : Settle(*log)) {
        EXPECT_EQ(decision.cause().input().offset(), next_input);
        next_input = decision.cause().input().offset() + 1;
      }
      ++round;
      while (log->phase() == OwnedLog::Phase::kOwning && next_input < kInputs) {
        const auto stamp = log->Append(DecisionFor(next_input), "k");
        if (!stamp.ok()) break;
        ++next_input;
        if (log->unconfirmed() > 20) Confirm(*log);
      }
      Confirm(*log);
      if (log->phase() == OwnedLog::Phase::kOwning && next_input == kInputs) return;
    }
  };
  {
    std::jthread a([&] { own("a"); });
    std::jthread b([&] { own("b"); });
    std::jthread c([&] { own("c"); });
  }
  EXPECT_GE(round, 3);
  std::vector<int64_t> inputs;
  const auto reader = LogReader::Open(*bus_, 0, {});
  WISSEL_ASSERT_OK(reader);
  const int64_t end = (*reader)->EndOffset().value_or(0);
  while ((*reader)->position().offset < end) {
    const auto entries = (*reader)->Poll(1000, kPatience);
    WISSEL_ASSERT_OK(entries);
    for (const auto& entry : *entries) {
      if (entry.record.has_decision()) {
        inputs.push_back(entry.record.decision().cause().input().offset());
      }
    }
  }
  ASSERT_EQ(inputs.size(), kInputs);
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(inputs[i], static_cast<int64_t>(i));
}

TEST_P(BusConformance, AReaderOfACutLogFindsItsFooting) {
  const auto a = OpenLog("a");
  Settle(*a);
  for (int i = 0; i < 3; ++i) WISSEL_ASSERT_OK(a->Append(DecisionFor(i), "k"));
  Confirm(*a);
  WISSEL_ASSERT_OK(a->Reclaim());
  Settle(*a);
  WISSEL_ASSERT_OK(a->Append(DecisionFor(3), "k"));
  WISSEL_ASSERT_OK(a->Append(DecisionFor(4), "k"));
  ASSERT_EQ(Confirm(*a), 2);
  const std::vector<int64_t> valid = DecisionsOf(2);
  ASSERT_EQ(valid.size(), 2);

  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kLog, 0, 2));
  EXPECT_EQ(ValidDecisions(), valid);

  const auto b = OpenLog("b");
  EXPECT_EQ(Settle(*b).size(), 2);
  EXPECT_EQ(b->epoch(), 3);
}

TEST_P(BusConformance, ALogCutDownToNothingCanBeClaimed) {
  const auto a = OpenLog("a");
  Settle(*a);
  for (int i = 0; i < 3; ++i) WISSEL_ASSERT_OK(a->Append(DecisionFor(i), "k"));
  Confirm(*a);
  const LogPosition checkpoint = a->position();
  WISSEL_ASSERT_OK(bus_->TruncateBefore(Topic::kLog, 0, 4));
  const auto b = OpenLog("b");
  Settle(*b);
  ASSERT_EQ(b->phase(), OwnedLog::Phase::kOwning) << b->loss();
  WISSEL_ASSERT_OK(b->Append(DecisionFor(3), "k"));
  WISSEL_ASSERT_OK(a->Append(DecisionFor(3), "k"));  // It does not know yet.
  ASSERT_EQ(Confirm(*b), 1);
  const std::vector<int64_t> valid = DecisionsOf(b->epoch());
  ASSERT_EQ(valid.size(), 1);
  EXPECT_EQ(ValidDecisions(checkpoint), valid) << "by one who knows the head";
  EXPECT_EQ(ValidDecisions(), valid) << "and by one who does not";
}

TEST_P(BusConformance, TheCanaryReadsVoidRecords) {
  const int64_t claim = AppendClaim(1);
  AppendDecision(1, 1, claim);
  AppendDecision(1, 1, claim);
  LogReaderOptions options;
  options.ignore_reader_rule = true;
  const auto reader = LogReader::Open(*bus_, 0, std::move(options));
  WISSEL_ASSERT_OK(reader);
  size_t read = 0;
  for (int i = 0; read < 3 && i < 100; ++i) read += (*reader)->Poll(10, kPatience).value().size();
  EXPECT_EQ(read, 3);
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
  a->CommitForMonitoring({{0, 0}, {1, 0}});

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

}  // namespace wissel::bus
