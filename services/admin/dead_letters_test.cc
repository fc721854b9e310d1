#include "services/admin/dead_letters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/notification.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/bus/embedded.h"
#include "libs/testing/away_bus.h"
#include "libs/testing/status_matchers.h"

namespace wissel::admin {
namespace {

using ::testing::IsEmpty;
using testing::StatusIs;

using deadletter::v1::DeadLetter;

constexpr int64_t kPlenty = 10'000;

bool Anybody(const DeadLetter&) { return true; }
bool OfAcme(const DeadLetter& letter) { return letter.workspace_id() == "acme"; }

// Counts what is read, and where there is a gate, opens the first two readers when it is open.
class WatchedBus : public testing::AwayBus {
 public:
  explicit WatchedBus(bus::Bus& bus, Notification* gate = nullptr)
      : AwayBus(&bus), bus_(bus), gate_(gate) {}

  absl::StatusOr<std::unique_ptr<bus::Reader>> OpenReader(bus::Topic topic, int32_t partition,
                                                          bus::ReaderOptions options) override {
    if (opening++ < 2 && gate_ != nullptr) gate_->Wait();
    WISSEL_ASSIGN_OR_RETURN(auto reader, bus_.OpenReader(topic, partition, std::move(options)));
    return std::make_unique<CountingReader>(std::move(reader), read);
  }

  std::atomic<int64_t> read = 0;
  std::atomic<int> opening = 0;

 private:
  class CountingReader : public bus::Reader {
   public:
    CountingReader(std::unique_ptr<bus::Reader> reader, std::atomic<int64_t>& read)
        : reader_(std::move(reader)), read_(read) {}
    absl::StatusOr<std::vector<bus::Record>> Poll(size_t max, absl::Duration timeout) override {
      auto records = reader_->Poll(max, timeout);
      if (records.ok()) read_ += static_cast<int64_t>(records->size());
      return records;
    }
    absl::Status Seek(int64_t offset) override { return reader_->Seek(offset); }
    int64_t position() const override { return reader_->position(); }
    absl::StatusOr<int64_t> StartOffset() override { return reader_->StartOffset(); }
    absl::StatusOr<int64_t> EndOffset() override { return reader_->EndOffset(); }

   private:
    const std::unique_ptr<bus::Reader> reader_;
    std::atomic<int64_t>& read_;
  };

  bus::Bus& bus_;
  Notification* const gate_;
};

class DeadLettersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_ASSERT_OK_AND_ASSIGN(bus_, bus::NewEmbeddedBus({.partitions = 3}));
  }

  static DeadLetter Letter(absl::string_view id, absl::Duration time) {
    DeadLetter letter;
    letter.set_dead_letter_id(std::string(id));
    letter.set_workspace_id("acme");
    *letter.mutable_time() = ToProto(absl::FromUnixSeconds(1'000'000) + time);
    return letter;
  }

  void Bury(int32_t partition, const std::vector<DeadLetter>& letters) {
    const auto appender = bus_->NewAppender({});
    for (const DeadLetter& letter : letters) {
      appender->Append({.topic = bus::Topic::kDeadLetter,
                        .partition = partition,
                        .key = "",
                        .value = letter.SerializeAsString(),
                        .headers = {}},
                       [](absl::StatusOr<int64_t> offset) { WISSEL_EXPECT_OK(offset); });
    }
    WISSEL_ASSERT_OK(appender->Flush(absl::Seconds(10)));
  }

  // In each partition "first", and so many newer ones, which are a rival's.
  void BuryUnderOthers(int others) {
    for (int32_t partition = 0; partition < 3; ++partition) {
      std::vector<DeadLetter> letters = {
          Letter(absl::StrCat("first-", partition), absl::Seconds(partition))};
      for (int n = 0; n < others; ++n) {
        DeadLetter& other = letters.emplace_back(Letter(absl::StrCat(n), absl::Minutes(n)));
        other.set_workspace_id("rival");
      }
      Bury(partition, letters);
    }
  }

  // The ids on each page, to the last.
  static std::vector<std::vector<std::string>> Pages(DeadLetters& letters, size_t limit,
                                                     const DeadLetters::Filter& filter = Anybody) {
    std::vector<std::vector<std::string>> pages;
    std::string token;
    do {
      const auto page = letters.List(filter, limit, token);
      EXPECT_THAT(page, testing::IsOk());
      if (!page.ok()) return pages;
      std::vector<std::string>& ids = pages.emplace_back();
      for (const DeadLetter& letter : page->letters) ids.push_back(letter.dead_letter_id());
      token = page->next_page_token;
    } while (!token.empty() && pages.size() < 1000);
    EXPECT_THAT(token, IsEmpty()) << "the pages do not end";
    return pages;
  }
  static std::vector<std::string> Joined(const std::vector<std::vector<std::string>>& pages) {
    std::vector<std::string> ids;
    for (const auto& page : pages) ids.insert(ids.end(), page.begin(), page.end());
    return ids;
  }

  std::unique_ptr<bus::Bus> bus_;
};

TEST_F(DeadLettersTest, OneThatIsOlderThanThoseBeforeItHidesNone) {
  std::vector<DeadLetter> letters;
  std::vector<std::string> ids;
  for (int n = 0; n < 100; ++n) {
    letters.push_back(Letter(absl::StrCat(n), absl::Seconds(n)));
    ids.push_back(absl::StrCat(n));
  }
  letters.push_back(Letter("late", absl::Seconds(10.5)));
  ids.push_back("late");
  Bury(0, letters);
  Bury(1, {Letter("elsewhere", absl::Seconds(97.5))});
  ids.push_back("elsewhere");
  std::reverse(ids.begin(), ids.end());  // Those of a partition as they stand there.

  DeadLetters dead_letters(*bus_, kPlenty);
  for (const size_t size : {1, 7, 50, 500}) {
    EXPECT_EQ(Joined(Pages(dead_letters, size)), ids) << size;
  }
}

TEST_F(DeadLettersTest, APageHoldsNoMemoryOfRawBytes) {
  DeadLetter letter = Letter("large", absl::ZeroDuration());
  letter.set_raw(std::string(700'000, 'x'));
  Bury(0, {letter});
  DeadLetters dead_letters(*bus_, kPlenty);
  WISSEL_ASSERT_OK_AND_ASSIGN(const DeadLetters::Page page, dead_letters.List(Anybody, 1, ""));
  ASSERT_EQ(page.letters.size(), 1u);
  EXPECT_LT(page.letters[0].raw().capacity(), 100u);
  WISSEL_ASSERT_OK_AND_ASSIGN(letter, dead_letters.Get(Anybody, "large"));
  EXPECT_EQ(letter.raw().size(), 700'000u);
}

TEST_F(DeadLettersTest, APageIsShortRatherThanReadForLong) {
  BuryUnderOthers(300);
  WatchedBus bus(*bus_);
  const auto ids = ::testing::ElementsAre("first-2", "first-1", "first-0");
  DeadLetters by_records(bus, 60);
  const auto pages = Pages(by_records, 50, OfAcme);
  EXPECT_THAT(Joined(pages), ids);
  // Each reads a chunk of 20 of every partition; and what one page found and did not give, the next
  // reads again.
  EXPECT_GE(pages.size(), 16u);
  EXPECT_LE(bus.read, static_cast<int64_t>(pages.size()) * 60);

  // Whatever the bounds are, each call comes further.
  DeadLetters by_time(bus, kPlenty, {.page = absl::ZeroDuration()});
  const auto short_pages = Pages(by_time, 50, OfAcme);
  EXPECT_THAT(Joined(short_pages), ids);
  EXPECT_GE(short_pages.size(), 2u);
  DeadLetters one_by_one(bus, 1);
  EXPECT_THAT(Joined(Pages(one_by_one, 50, OfAcme)), ids);
}

TEST_F(DeadLettersTest, ASearchEnds) {
  BuryUnderOthers(300);
  DeadLetters dead_letters(*bus_, 60);
  WISSEL_EXPECT_OK(dead_letters.Get(OfAcme, "first-1"));
  EXPECT_THAT(dead_letters.Get(OfAcme, "0"), StatusIs(absl::StatusCode::kNotFound));
  DeadLetters hurried(*bus_, 60, {.search = absl::ZeroDuration()});
  EXPECT_THAT(hurried.Get(OfAcme, "first-1"), StatusIs(absl::StatusCode::kDeadlineExceeded));
}

TEST_F(DeadLettersTest, SearchesLeaveThreadsForOtherCalls) {
  Bury(0, {Letter("wanted", absl::ZeroDuration())});
  Notification gate;
  WatchedBus bus(*bus_, &gate);
  DeadLetters dead_letters(bus, kPlenty);
  {
    std::vector<std::jthread> searches;
    for (int i = 0; i < 2; ++i) {
      searches.emplace_back([&] { WISSEL_EXPECT_OK(dead_letters.Get(Anybody, "wanted")); });
    }
    while (bus.opening < 2) std::this_thread::yield();
    EXPECT_THAT(dead_letters.Get(Anybody, "wanted"),
                StatusIs(absl::StatusCode::kResourceExhausted));
    gate.Notify();
  }
  WISSEL_EXPECT_OK(dead_letters.Get(Anybody, "wanted"));
}

}  // namespace
}  // namespace wissel::admin
