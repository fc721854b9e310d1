#include "libs/bus/embedded.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/bus/wakeup.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::bus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using wissel::testing::StatusIs;
using wissel::testing::TempDir;

constexpr absl::Duration kLong = absl::Seconds(20);

Outgoing Numbered(int64_t number, size_t size = 0) {
  return {.topic = Topic::kInbound,
          .partition = 0,
          .key = absl::StrCat(number),
          .value = std::string(size, 'x'),
          .headers = {}};
}

std::vector<std::string> Keys(Bus& bus, int64_t from = 0) {
  std::vector<std::string> keys;
  const auto reader = bus.OpenReader(Topic::kInbound, 0, {.offset = from, .wakeup = nullptr});
  while (true) {
    const auto records = (*reader)->Poll(1000, absl::ZeroDuration());
    EXPECT_THAT(records, wissel::testing::IsOk());
    if (!records.ok() || records->empty()) return keys;
    for (const Record& record : *records) keys.push_back(record.key);
  }
}

absl::StatusOr<int64_t> AppendOne(Appender& appender, Outgoing record) {
  absl::StatusOr<int64_t> answer = absl::UnknownError("not answered");
  appender.Append(std::move(record), [&](absl::StatusOr<int64_t> offset) { answer = offset; });
  WISSEL_EXPECT_OK(appender.Flush(kLong));
  return answer;
}

TEST(EmbeddedFile, KeepsWhatWasAppendedAndCut) {
  const TempDir folder;
  const EmbeddedOptions options{.path = folder.Join("log.db"), .partitions = 1};
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus(options));
    const auto appender = bus->NewAppender({});
    for (int i = 0; i < 5; ++i) WISSEL_ASSERT_OK(AppendOne(*appender, Numbered(i)));
    WISSEL_ASSERT_OK(bus->TruncateBefore(Topic::kInbound, 0, 3));
  }
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus(options));
    EXPECT_THAT(Keys(*bus, 3), ElementsAre("3", "4"));
    WISSEL_ASSERT_OK(bus->TruncateBefore(Topic::kInbound, 0, 5));
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus(options));
  EXPECT_EQ(AppendOne(*bus->NewAppender({}), Numbered(5)).value_or(-1), 5)
      << "offsets go on even when nothing is left";
}

TEST(EmbeddedFile, HasNoSettingsThatCouldLoseRecords) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus({}));
  for (const Topic topic : kAllTopics) EXPECT_EQ(bus->SettingsOf(topic)->has_value(), false);
}

TEST(EmbeddedFile, BelongsToOneProcessAndOnePartitionCount) {
  const TempDir folder;
  const std::string path = folder.Join("log.db");
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus({.path = path, .partitions = 2}));
    EXPECT_THAT(NewEmbeddedBus({.path = path, .partitions = 2}),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another process")));
  }
  EXPECT_THAT(NewEmbeddedBus({.path = path, .partitions = 3}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("2 partitions, not 3")));
  WISSEL_EXPECT_OK(NewEmbeddedBus({.path = path, .partitions = 2}));
}

TEST(EmbeddedFile, RefusesWhatIsNotALog) {
  const TempDir folder;
  const std::string path = folder.Join("notes.txt");
  std::ofstream(path) << std::string(5000, 'n');
  EXPECT_THAT(NewEmbeddedBus({.path = path}), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(NewEmbeddedBus({.path = folder.Join("no/such/folder/log.db")}),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("No such file")));
}

TEST(EmbeddedFile, FullDiskLosesNothingAcknowledged) {
  const TempDir folder;
  const EmbeddedOptions options{
      .path = folder.Join("log.db"), .partitions = 1, .max_file_bytes = 400 << 10};
  int64_t acknowledged = 0;
  {
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus(options));
    const auto gapless = bus->NewAppender({.gapless = true});
    absl::Status failed;
    while (failed.ok()) {
      failed = AppendOne(*gapless, Numbered(acknowledged, 4096)).status();
      if (failed.ok()) ++acknowledged;
      ASSERT_LT(acknowledged, 1000);
    }
    EXPECT_THAT(failed, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("full")));
    EXPECT_GT(acknowledged, 10);
    EXPECT_THAT(bus->Health(), StatusIs(absl::StatusCode::kResourceExhausted));
    EXPECT_THAT(AppendOne(*gapless, Numbered(0)), StatusIs(absl::StatusCode::kAborted))
        << "gapless: nothing may follow, fit though it might";
    EXPECT_EQ(Keys(*bus).size(), static_cast<size_t>(acknowledged)) << "reading goes on";

    // Room again: another appender goes on without a gap in the offsets.
    WISSEL_ASSERT_OK(bus->TruncateBefore(Topic::kInbound, 0, acknowledged / 2));
    WISSEL_EXPECT_OK(bus->Health());
    EXPECT_EQ(AppendOne(*bus->NewAppender({}), Numbered(acknowledged, 4096)).value_or(-1),
              acknowledged);
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus(options));
  EXPECT_EQ(Keys(*bus, acknowledged / 2).size(),
            static_cast<size_t>(acknowledged - acknowledged / 2 + 1));
}

// Counts what is allocated and not yet freed: of a shared object, for as long as anybody has so
// much as a weak pointer to it.
template <typename T>
struct CountingAllocator {
  using value_type = T;

  explicit CountingAllocator(int* blocks) : blocks(blocks) {}
  template <typename U>
  CountingAllocator(const CountingAllocator<U>& other) : blocks(other.blocks) {}  // NOLINT

  T* allocate(size_t n) {
    ++*blocks;
    return std::allocator<T>().allocate(n);
  }
  void deallocate(T* p, size_t n) {
    --*blocks;
    std::allocator<T>().deallocate(p, n);
  }
  bool operator==(const CountingAllocator&) const = default;

  int* blocks;
};

// A router's wakeup lives as long as the router, and its readers come and go.
TEST(EmbeddedBus, AReaderThatIsGoneLeavesNothingOfItsWakeupBehind) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus({.partitions = 1}));
  int blocks = 0;
  auto wakeup = std::allocate_shared<Wakeup>(CountingAllocator<Wakeup>(&blocks));
  const auto open = [&] {
    return bus->OpenReader(Topic::kInbound, 0, {.offset = 0, .wakeup = wakeup}).value();
  };
  for (int i = 0; i < 1000; ++i) open();
  wakeup.reset();
  EXPECT_EQ(blocks, 0);
}

TEST(EmbeddedBus, AReaderThatStaysIsStillToldWhenOneOfTheSameWakeupIsGone) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus({.partitions = 1}));
  const auto wakeup = std::make_shared<Wakeup>();
  const auto open = [&] {
    return bus->OpenReader(Topic::kInbound, 0, {.offset = 0, .wakeup = wakeup}).value();
  };
  const auto stays = open();
  open();
  wakeup->Wait(absl::ZeroDuration());
  WISSEL_ASSERT_OK(AppendOne(*bus->NewAppender({}), Numbered(0)));
  EXPECT_TRUE(wakeup->Wait(kLong));
}

// A child appends and says what was acknowledged until it is killed in the middle of it.
TEST(EmbeddedFile, SurvivesKillWithAllThatWasAcknowledged) {
  const TempDir folder;
  const EmbeddedOptions options{.path = folder.Join("log.db"), .partitions = 1};
  int acknowledgements[2];
  ASSERT_EQ(pipe(acknowledgements), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto bus = NewEmbeddedBus(options);
    if (!bus.ok()) _exit(1);
    const auto appender = (*bus)->NewAppender({.max_in_flight = 100});
    for (int64_t i = 0;; ++i) {
      while (!appender->Admit(Numbered(i)).ok()) usleep(10);
      appender->Append(Numbered(i, 200), [&](absl::StatusOr<int64_t> offset) {
        if (!offset.ok()) _exit(1);
        if (write(acknowledgements[1], &*offset, sizeof(*offset)) < 0) _exit(1);
      });
    }
  }
  close(acknowledgements[1]);
  int64_t last = -1;
  while (last < 2000) {
    ASSERT_EQ(read(acknowledgements[0], &last, sizeof(last)), static_cast<ssize_t>(sizeof(last)));
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (read(acknowledgements[0], &last, sizeof(last)) == sizeof(last)) {
  }
  close(acknowledgements[0]);

  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus(options));
  const std::vector<std::string> keys = Keys(*bus);
  EXPECT_GT(static_cast<int64_t>(keys.size()), last);
  for (size_t i = 0; i < keys.size(); ++i) ASSERT_EQ(keys[i], absl::StrCat(i));
}

TEST(EmbeddedGroup, AMemberThatStallsLosesItsPartitions) {
  ManualClock clock;
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus({.partitions = 2, .clock = &clock}));
  const MemberOptions options{.session_timeout = absl::Seconds(10), .wakeup = nullptr};
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto a, bus->Join("g", Topic::kInbound, options));
  EXPECT_THAT(a->Poll(absl::ZeroDuration())->assigned, ElementsAre(0, 1));
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto b, bus->Join("g", Topic::kInbound, options));
  EXPECT_TRUE(b->Poll(absl::ZeroDuration())->empty()) << "A has not been told yet";
  EXPECT_THAT(a->Poll(absl::ZeroDuration())->revoked, ElementsAre(1));
  EXPECT_THAT(b->Poll(absl::ZeroDuration())->assigned, ElementsAre(1));

  clock.Advance(absl::Seconds(11));
  EXPECT_THAT(b->Poll(absl::ZeroDuration())->assigned, ElementsAre(0));
  const auto back = a->Poll(absl::ZeroDuration());
  EXPECT_THAT(back->revoked, ElementsAre(0));
  EXPECT_THAT(back->assigned, IsEmpty());
  EXPECT_THAT(b->Poll(absl::ZeroDuration())->revoked, ElementsAre(0));
  EXPECT_THAT(a->Poll(absl::ZeroDuration())->assigned, ElementsAre(0));
}

TEST(EmbeddedGroup, JoinsWakeTheOthers) {
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto bus, NewEmbeddedBus({.partitions = 2}));
  const auto wakeup = std::make_shared<Wakeup>();
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto a, bus->Join("g", Topic::kInbound, {.wakeup = wakeup}));
  while (wakeup->Wait(absl::ZeroDuration())) {
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto b, bus->Join("g", Topic::kInbound, {}));
  EXPECT_TRUE(wakeup->Wait(absl::ZeroDuration()));
  EXPECT_THAT(bus->Join("g", Topic::kCommands, {}), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace wissel::bus
