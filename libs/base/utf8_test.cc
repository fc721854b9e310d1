#include "libs/base/utf8.h"

#include <gtest/gtest.h>

namespace wissel {
namespace {

// RFC 3629, sections 3 and 10: overlong forms, surrogates and what lies beyond U+10FFFF are not
// UTF-8.
TEST(Utf8Length, TakesExactlyTheValidForms) {
  EXPECT_EQ(Utf8Length(""), 0u);
  EXPECT_EQ(Utf8Length("a"), 1u);
  EXPECT_EQ(Utf8Length("\xc2\x80"), 2u);
  EXPECT_EQ(Utf8Length("\xe0\xa0\x80"), 3u);
  EXPECT_EQ(Utf8Length("\xed\x9f\xbf"), 3u);
  EXPECT_EQ(Utf8Length("\xf0\x90\x80\x80"), 4u);
  EXPECT_EQ(Utf8Length("\xf4\x8f\xbf\xbf"), 4u);
  for (const char* invalid : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
                              "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2",
                              "\xe2\x82", "\xe2\x28\xa1", "\xf0\x9f\x98"}) {
    EXPECT_EQ(Utf8Length(invalid), 0u) << invalid;
  }
}

TEST(Utf8, AcceptsOnlyWellFormedBytes) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("plain, longer than a word"));
  EXPECT_TRUE(IsUtf8("caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"));
  EXPECT_FALSE(IsUtf8("\xC0\xAF"));                   // overlong
  EXPECT_FALSE(IsUtf8("\xED\xA0\x80"));               // surrogate
  EXPECT_FALSE(IsUtf8("\xF4\x90\x80\x80"));           // beyond U+10FFFF
  EXPECT_FALSE(IsUtf8("a whole word and \xE2\x82"));  // cut short
}

TEST(Utf8, IsRepaired) {
  EXPECT_EQ(RepairUtf8("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(RepairUtf8("a\xff\xc3"), "a\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Utf8, IsNotCutWithinACharacter) {
  EXPECT_EQ(TruncateUtf8("caf\xc3\xa9s", 6), "caf\xc3\xa9s");
  EXPECT_EQ(TruncateUtf8("caf\xc3\xa9s", 5), "caf\xc3\xa9");
  EXPECT_EQ(TruncateUtf8("caf\xc3\xa9s", 4), "caf");
  EXPECT_EQ(TruncateUtf8("\xf0\x9f\x98\x80", 3), "");
  EXPECT_EQ(TruncateUtf8("abc", 0), "");
}

}  // namespace
}  // namespace wissel
