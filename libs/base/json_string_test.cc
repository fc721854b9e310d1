#include "libs/base/json_string.h"

#include <gtest/gtest.h>

namespace wissel {
namespace {

std::string Quoted(absl::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

TEST(JsonString, EscapesWhatJsonMustEscape) {
  EXPECT_EQ(Quoted("a\"b\\c\n\r\t"), R"("a\"b\\c\n\r\t")");
  EXPECT_EQ(Quoted(absl::string_view("\0\x1f\x7f", 3)), R"("\u0000\u001f\u007f")");
  EXPECT_EQ(Quoted("é€😀"), "\"é€😀\"");
}

TEST(JsonString, EscapesWhatSteersATerminal) {
  EXPECT_EQ(Quoted("\u0080\u009b\u009f\u00a0"), "\"\\u0080\\u009b\\u009f\u00a0\"");
  EXPECT_EQ(Quoted("\u061c\u200b\u200f\u2028\u202e\u2066\u2069\ufeff"),
            R"("\u061c\u200b\u200f\u2028\u202e\u2066\u2069\ufeff")");
  EXPECT_EQ(EscapeSteering("{\n  \"a\": \"é\u009b\u202e😀\"}"),
            "{\n  \"a\": \"é\\u009b\\u202e😀\"}");
}

TEST(JsonString, ReplacesEachByteThatIsNotUtf8) {
  EXPECT_EQ(Quoted("a\xff"), "\"a\xef\xbf\xbd\"");
  EXPECT_EQ(Quoted("\xe2\x82"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace wissel
