#include "libs/routing/notice.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace wissel::routing {
namespace {

using ::testing::Optional;

TEST(Notice, IsFilledInWithWhatIsKnown) {
  constexpr absl::string_view kNotice = "U bent nummer {position}; het duurt zo'n {minutes} min.";
  EXPECT_THAT(FillNotice(kNotice, 12, absl::Seconds(61)),
              Optional(std::string("U bent nummer 12; het duurt zo'n 2 min.")));
  EXPECT_THAT(FillNotice("{minutes}", 1, absl::ZeroDuration()), Optional(std::string("1")));
  EXPECT_THAT(FillNotice("{minutes}", 1, absl::Minutes(3)), Optional(std::string("3")));
  EXPECT_THAT(FillNotice("{position} {position}", 2, std::nullopt), Optional(std::string("2 2")));
}

TEST(Notice, IsNotSentWhereWhatItSaysIsNotKnown) {
  EXPECT_EQ(FillNotice("{minutes}", 1, std::nullopt), std::nullopt);
  EXPECT_EQ(FillNotice("{position}", 0, absl::Minutes(1)), std::nullopt);
  EXPECT_THAT(FillNotice("It is busy.", 0, std::nullopt), Optional(std::string("It is busy.")));
}

TEST(Notice, HasTwoKindsOfPlacesAndAnyOtherBrace) {
  EXPECT_TRUE(HasPlaces("a {position}"));
  EXPECT_TRUE(HasPlaces("a {minutes}"));
  EXPECT_FALSE(HasPlaces("a {name}"));
  EXPECT_EQ(UnknownPlace("{position} {minutes}"), "");
  EXPECT_EQ(UnknownPlace("{position} {minute} {name}"), "{minute}");
  EXPECT_EQ(UnknownPlace("{} {Dear customer} }{ {{ :-} {x"), "");
  EXPECT_EQ(UnknownPlace("{{position}}"), "");
}

}  // namespace
}  // namespace wissel::routing
