#include "services/email/uid_set.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <set>
#include <string>

#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"

namespace wissel::email {
namespace {

TEST(UidSet, AgreesWithAPlainSetInAnyOrder) {
  std::mt19937 random(1);
  UidSet set;
  std::set<uint32_t> plain;
  for (int i = 0; i < 2'000; ++i) {
    const uint32_t uid = 1 + random() % 500;
    set.Add(uid);
    plain.insert(uid);
  }
  for (uint32_t uid = 0; uid <= 502; ++uid) {
    EXPECT_EQ(set.Contains(uid), plain.contains(uid)) << uid;
  }
  WISSEL_ASSERT_OK_AND_ASSIGN(const UidSet back, UidSet::Parse(set.ToString()));
  EXPECT_EQ(back, set);
}

TEST(UidSet, IsAsShortAsItsRanges) {
  UidSet set;
  for (const uint32_t uid : {3u, 1u, 2u, 7u, 5u, 4294967295u}) set.Add(uid);
  EXPECT_EQ(set.ToString(), "1-3,5,7,4294967295");
  set.Add(6);
  EXPECT_EQ(set.ToString(), "1-3,5-7,4294967295");
}

TEST(UidSet, RefusesWhatItDoesNotWrite) {
  for (const char* text : {"0", "2-1", "1,1", "1-3,4", "3,1", "a", "1-2-3", ",", "1,", "-1"}) {
    EXPECT_FALSE(UidSet::Parse(text).ok()) << text;
  }
}

TEST(DoneMarks, SurviveInAFile) {
  const testing::TempDir folder;
  const std::string path = folder.path() + "/mailbox.done";
  WISSEL_ASSERT_OK_AND_ASSIGN(DoneMarks marks, DoneMarks::Load(path));
  EXPECT_EQ(marks.uid_validity, 0u);
  marks.uid_validity = 17;
  marks.uids.Add(4);
  WISSEL_ASSERT_OK(marks.Save(path));
  marks.uids.Add(5);
  WISSEL_ASSERT_OK(marks.Save(path));
  WISSEL_ASSERT_OK_AND_ASSIGN(const DoneMarks back, DoneMarks::Load(path));
  EXPECT_EQ(back.uid_validity, 17u);
  EXPECT_EQ(back.uids, marks.uids);

  std::ofstream(path) << "17\n4-";
  EXPECT_THAT(DoneMarks::Load(path), testing::StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(marks.Save(folder.path() + "/no/such/folder"),
              testing::StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace wissel::email
