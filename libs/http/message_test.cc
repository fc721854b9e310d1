#include "libs/http/message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wissel::http {
namespace {

using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Optional;
using ::testing::Pair;

TEST(MessageTest, FindsAHeaderInAnyCase) {
  const Headers headers = {
      {"Content-Type", "a"}, {"X-Hub-Signature-256", "b"}, {"content-type", "c"}};
  EXPECT_THAT(FindHeader(headers, "CONTENT-TYPE"), Optional(Eq("a")));
  EXPECT_THAT(FindHeader(headers, "x-hub-signature-256"), Optional(Eq("b")));
  EXPECT_EQ(FindHeader(headers, "Host"), std::nullopt);
}

TEST(MessageTest, DecodesEscapes) {
  EXPECT_THAT(DecodePath("/a%20b+c"), Optional(Eq("/a b+c")));
  EXPECT_THAT(DecodeQuery("a%20b+c%C3%A9"), Optional(Eq("a b c\xC3\xA9")));
  EXPECT_EQ(DecodeQuery("%"), std::nullopt);
  EXPECT_EQ(DecodeQuery("%4"), std::nullopt);
  EXPECT_EQ(DecodeQuery("%4g"), std::nullopt);
}

TEST(MessageTest, EncodesWhatDecodesBack) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_THAT(DecodePath(Encode(all)), Optional(Eq(all)));
  EXPECT_EQ(Encode("a-b.c_d~/ +"), "a-b.c_d~%2F%20%2B");
}

TEST(MessageTest, ParsesAQueryInOrderAndLeavesOutWhatDoesNotDecode) {
  EXPECT_THAT(
      ParseQuery("hub.mode=subscribe&x&bad=%zz&&hub.challenge=1%3D2"),
      ElementsAre(Pair("hub.mode", "subscribe"), Pair("x", ""), Pair("hub.challenge", "1=2")));
  Request request;
  request.query = "a=1&a=2";
  EXPECT_THAT(request.QueryParameter("a"), Optional(Eq("1")));
  EXPECT_EQ(request.QueryParameter("b"), std::nullopt);
}

}  // namespace
}  // namespace wissel::http
