#include "libs/channel/language.h"

#include <gtest/gtest.h>

#include <string>

namespace wissel::channel {
namespace {

TEST(DetectLanguage, NamesTheLanguageOfAMessage) {
  EXPECT_EQ(DetectLanguage("Vorige week heb ik twee paar schoenen besteld, waar blijven ze?"),
            "nl");
  EXPECT_EQ(DetectLanguage("Last week I ordered two pairs of shoes, where are they?"), "en");
  EXPECT_EQ(DetectLanguage("Letzte Woche habe ich zwei Paar Schuhe bestellt, wo bleiben sie?"),
            "de");
  EXPECT_EQ(DetectLanguage("La semaine dernière j'ai commandé deux paires de chaussures."), "fr");
  EXPECT_EQ(DetectLanguage("W zeszłym tygodniu zamówiłem dwie pary butów, gdzie one są?"), "pl");
  EXPECT_EQ(DetectLanguage("בשבוע שעבר הזמנתי שני זוגות נעליים, איפה הן?"), "he");
}

TEST(DetectLanguage, SaysNothingWhereItCannotTell) {
  EXPECT_EQ(DetectLanguage(""), std::nullopt);
  EXPECT_EQ(DetectLanguage("ok thanks"), std::nullopt);
  EXPECT_EQ(DetectLanguage("12345 67890"), std::nullopt);
  EXPECT_EQ(DetectLanguage("😀😀😀"), std::nullopt);
}

TEST(DetectLanguage, LooksAtTheStartOfLongTexts) {
  std::string text;
  while (text.size() < 1'000'000) text += "Waar blijft mijn bestelling van vorige week? ";
  EXPECT_EQ(DetectLanguage(text), "nl");
}

}  // namespace
}  // namespace wissel::channel
