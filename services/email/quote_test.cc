#include "services/email/quote.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace wissel::email {
namespace {

TEST(SplitQuoted, KnowsTheLineThatIntroducesAQuotation) {
  for (const char* line : {
           "On Mon, 3 Nov 2025 at 10:11, Shop <support@shop.example> wrote:",
           "On Mon, 3 Nov 2025 at 10:11, Shop\n<support@shop.example> wrote:",
           "On Mon, 3 Nov 2025 at 10:11, A Shop With A Very Long Name\nThat Is Wrapped\n"
           "<support@shop.example> wrote:",
           "Op ma 3 nov. 2025 om 10:11 schreef Shop <support@shop.example>:",
           "Op 3 nov. 2025, om 10:11 heeft Shop <support@shop.example> het volgende geschreven:",
           "Op 3-11-2025 om 10:11 schreef Shop:",
           "Am Mo., 3. Nov. 2025 um 10:11 Uhr schrieb Shop <support@shop.example>:",
           "Am 03.11.25 um 10:11 schrieb Shop:",
           "Le lun. 3 nov. 2025 à 10:11, Shop <support@shop.example> a écrit :",
           "Le lun. 3 nov. 2025 à 10:11, Shop <support@shop.example> a écrit\xC2\xA0:",
           "El lun, 3 nov 2025 a las 10:11, Shop (<support@shop.example>) escribió:",
           "Il giorno lun 3 nov 2025 alle ore 10:11 Shop <support@shop.example> ha scritto:",
           "Em seg., 3 de nov. de 2025 às 10:11, Shop <support@shop.example> escreveu:",
           "Den mån 3 nov. 2025 kl 10:11 skrev Shop <support@shop.example>:",
           "W dniu 3.11.2025 o 10:11, Shop napisał:",
           "pon., 3 lis 2025 o 10:11 Shop <support@shop.example> napisał(a):",
       }) {
    const SplitText split = SplitQuoted(
        absl::StrCat("Thank you!\n\nJan\n\n", line, "\n\n> It is on its way.\n> Shop\n"));
    EXPECT_EQ(split.text, "Thank you!\n\nJan") << line;
    EXPECT_EQ(split.quoted, absl::StrCat(line, "\n\n> It is on its way.\n> Shop")) << line;
  }
}

TEST(SplitQuoted, KnowsOriginalMessageAndOutlooksBlock) {
  for (const char* line : {
           "-----Original Message-----\nFrom: Shop\n",
           "-----Oorspronkelijk bericht-----\nVan: Shop\n",
           "-----Ursprüngliche Nachricht-----\nVon: Shop\n",
           "From: Shop <support@shop.example>\nSent: Monday 3 November 2025 10:11\nTo: Jan\n"
           "Subject: Your order\n",
           "________________________________\nVan: Shop <support@shop.example>\n"
           "Verzonden: maandag 3 november 2025 10:11\nAan: Jan\nOnderwerp: Bestelling\n",
           "Von: Shop\nGesendet: Montag, 3. November 2025 10:11\nAn: Jan\nBetreff: Bestellung\n",
           "De : Shop\nEnvoyé : lundi 3 novembre 2025 10:11\nÀ : Jan\nObjet : Commande\n",
           "*From:* Shop\n*Sent:* Monday\n*To:* Jan\n",
       }) {
    const SplitText split = SplitQuoted(absl::StrCat("Thanks.\n\n", line, "\nIt is on its way."));
    EXPECT_EQ(split.text, "Thanks.") << line;
    EXPECT_EQ(split.quoted, absl::StrCat(line, "\nIt is on its way.")) << line;
  }
}

TEST(SplitQuoted, KeepsTheSignatureAndWhatStandsBelowTheQuotation) {
  const SplitText split = SplitQuoted("> Which size?\n\nM, please.\n\n-- \nJan\n06 1234\n");
  EXPECT_EQ(split.text, "M, please.\n\n-- \nJan\n06 1234");
  EXPECT_EQ(split.quoted, "> Which size?");
}

TEST(SplitQuoted, LeavesAnswersBetweenTheQuestions) {
  const char* text =
      "On 3 Nov 2025 Shop <s@shop.example> wrote:\n> Which size?\nM\n> Which colour?\nRed";
  EXPECT_EQ(SplitQuoted(text).text, text);
  EXPECT_EQ(SplitQuoted(text).quoted, "");
}

TEST(SplitQuoted, NeverLeavesNothing) {
  const char* forwarded =
      "-----Original Message-----\nFrom: Shop\nSent: today\nTo: Jan\n\nYour order";
  EXPECT_EQ(SplitQuoted(forwarded).text, forwarded);
  EXPECT_EQ(SplitQuoted("> only a quotation").text, "> only a quotation");
  EXPECT_EQ(SplitQuoted("").text, "");
}

TEST(SplitQuoted, DoesNotTakeOrdinaryTextForAQuotation) {
  for (const char* text : {
           "On second thoughts, this is what he wrote:\nsend it back.",
           "From: what I understand\nthe order is late.",
           "A line that ends in a colon:\nand goes on 12345.",
           "--\nJan",
           "I compared a -> b and 3 > 2.",
           "Tracking 2025:\n1234",
       }) {
    EXPECT_EQ(SplitQuoted(text).text, text);
    EXPECT_EQ(SplitQuoted(text).quoted, "");
  }
}

}  // namespace
}  // namespace wissel::email
