#include "libs/base/hash.h"

#include "libs/base/hex.h"

#include <gtest/gtest.h>

namespace wissel {
namespace {

TEST(Sha256, MatchesFips180) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

// Appendix A of the SipHash paper: key 00..0f, message 00..0e.
TEST(SipHash24, MatchesThePaper) {
  std::string message;
  for (int i = 0; i < 15; ++i) message.push_back(static_cast<char>(i));
  EXPECT_EQ(SipHash24(0x0706050403020100, 0x0f0e0d0c0b0a0908, message), 0xa129ca6149be45e5u);
}

TEST(StableHash64, SeparatesLengthsAndPositions) {
  EXPECT_NE(StableHash64(""), StableHash64(absl::string_view("\0", 1)));
  EXPECT_NE(StableHash64("abcdefgh"), StableHash64("abcdefg"));
  EXPECT_NE(StableHash64("abcdefghi"), StableHash64("bacdefghi"));
}

// RFC 4231, sections 4.2, 4.3 and 4.7; the last is known for no key and no text.
TEST(HmacTest, IsThatOfTheStandard) {
  EXPECT_EQ(HexEncode(HmacSha256(std::string(20, '\x0b'), "Hi There")),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(HexEncode(HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(HexEncode(HmacSha256(std::string(131, '\xaa'),
                                 "Test Using Larger Than Block-Size Key - Hash Key First")),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  EXPECT_EQ(HexEncode(HmacSha256({}, {})),
            "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

}  // namespace
}  // namespace wissel
