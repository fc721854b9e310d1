#include "services/email/charset.h"

#include <gtest/gtest.h>

#include "libs/base/utf8.h"

namespace wissel::email {
namespace {

using std::string_literals::operator""s;

TEST(ToUtf8, ReadsWhatIsDeclared) {
  EXPECT_EQ(ToUtf8("caf\xE9", "iso-8859-1"), "café");
  EXPECT_EQ(ToUtf8("\x80 5", "ISO-8859-1"), "€ 5");  // as Windows-1252
  EXPECT_EQ(ToUtf8("\xB3\xF3"
                   "d\xBC",
                   "iso-8859-2"),
            "łódź");
  EXPECT_EQ(ToUtf8("\x1B$B$3$s\x1B(B", "iso-2022-jp"), "こん");
  EXPECT_EQ(ToUtf8("h\0i\0"s, "utf-16le"), "hi");
}

TEST(ToUtf8, SurvivesCharsetsThatLie) {
  EXPECT_EQ(ToUtf8("caf\xC3\xA9", "us-ascii"), "café");
  EXPECT_EQ(ToUtf8("caf\xC3\xA9", "iso-8859-1"), "café");
  EXPECT_EQ(ToUtf8("caf\xE9", "utf-8"), "café");
  EXPECT_EQ(ToUtf8("caf\xE9", "no-such-charset"), "café");
  EXPECT_EQ(ToUtf8("caf\xE9", "utf-8//IGNORE"), "café");
  EXPECT_EQ(ToUtf8("caf\xC3\xA9 \xE2\x82\xAC", "gb2312"), "café €");
  EXPECT_TRUE(IsUtf8(ToUtf8("\xFF\xFE\xFD\x81", "shift_jis")));
}

TEST(CleanText, UnifiesLineEndsAndDropsControls) {
  EXPECT_EQ(CleanText("a\r\nb\rc\nd\te\x01\x7F"s + '\0' + "f"), "a\nb\nc\nd\tef");
}

TEST(CleanText, FindsControlsWhereverTheyStand) {
  for (size_t length = 0; length < 40; ++length) {
    const std::string text = std::string(length, '~') + "é" + std::string(length, ' ');
    EXPECT_EQ(CleanText(text), text);
    for (size_t at = 0; at <= length; ++at) {
      for (const char control : {'\x1F', '\x7F', '\0'}) {
        std::string dirty = text;
        dirty.insert(at, 1, control);
        EXPECT_EQ(CleanText(dirty), text) << length << " " << at;
      }
    }
  }
}

TEST(CleanLine, IsOneLineWithinItsLimit) {
  EXPECT_EQ(CleanLine("  a \r\n\t b\x02  ", 100), "a b");
  EXPECT_EQ(CleanLine("xé", 2), "x");
  EXPECT_EQ(CleanLine("xé", 3), "xé");
}

}  // namespace
}  // namespace wissel::email
