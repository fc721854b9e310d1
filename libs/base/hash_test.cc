#include "libs/base/hash.h"

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

}  // namespace
}  // namespace wissel
