#include <gtest/gtest.h>

#include "libs/base/base64.h"
#include "libs/base/hex.h"

namespace wissel {
namespace {

TEST(Hex, RoundTripsEveryByte) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  EXPECT_EQ(*HexDecode(HexEncode(bytes)), bytes);
  EXPECT_EQ(HexEncode("\x01\xab"), "01ab");
  EXPECT_EQ(*HexDecode("01AB"), "\x01\xab");
}

TEST(Hex, RefusesWhatIsNotHex) {
  EXPECT_FALSE(HexDecode("abc").ok());
  EXPECT_FALSE(HexDecode("0g").ok());
  EXPECT_FALSE(HexDecode(" 0").ok());
}

// RFC 4648, section 10.
TEST(Base64, MatchesTheVectorsOfRfc4648) {
  EXPECT_EQ(Base64Encode("f"), "Zg==");
  EXPECT_EQ(Base64Encode("fo"), "Zm8=");
  EXPECT_EQ(Base64Encode("foobar"), "Zm9vYmFy");
  EXPECT_EQ(*Base64Decode("Zm9vYg=="), "foob");
  EXPECT_EQ(Base64UrlEncode("f"), "Zg");
  EXPECT_EQ(Base64UrlEncode("\xfb\xff"), "-_8");
  EXPECT_EQ(*Base64UrlDecode("-_8"), "\xfb\xff");
}

TEST(Base64, EachValueHasOneSpelling) {
  for (const char* text : {"Zg", "Zg=", "Zh==", "Zg==\n", " Zg==", "Z g==", "-_8=", "Zg===", "*"}) {
    EXPECT_FALSE(Base64Decode(text).ok()) << text;
  }
  for (const char* text : {"Zg==", "Zh", "+/8", "Z", "Zg."}) {
    EXPECT_FALSE(Base64UrlDecode(text).ok()) << text;
  }
}

}  // namespace
}  // namespace wissel
