#include "services/admin/dead_letters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/bus/embedded.h"
#include "libs/testing/status_matchers.h"

namespace wissel::admin {
namespace {

using ::testing::IsEmpty;

using deadletter::v1::DeadLetter;

constexpr int64_t kPlenty = 10'000;

bool Anybody(const DeadLetter&) { return true; }

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

}  // namespace
}  // namespace wissel::admin
