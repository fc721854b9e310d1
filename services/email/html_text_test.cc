#include "services/email/html_text.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/utf8.h"

namespace wissel::email {
namespace {

std::string Text(absl::string_view html) {
  const absl::StatusOr<std::string> text = HtmlToText(html);
  return text.ok() ? *text : std::string(text.status().message());
}

TEST(HtmlToText, PutsBlocksOnLinesOfTheirOwn) {
  EXPECT_EQ(
      Text("<p>Dear  shop,</p><p>where is\n my <b>order</b>?</p><div>Jan</div>de Vries<br>NL"),
      "Dear shop,\n\nwhere is my order?\n\nJan\nde Vries\nNL\n");
}

TEST(HtmlToText, ReadsEntitiesListsTablesLinksAndPictures) {
  EXPECT_EQ(Text("<ul><li>caf&eacute;</li><li>&euro; 5 &lt; 6</li></ul>"), "- café\n- € 5 < 6\n");
  EXPECT_EQ(Text("<table><tr><td>Order</td><td>1234</td></tr><tr><td>Size<td>M</table>"),
            "Order 1234\nSize M\n");
  EXPECT_EQ(Text("see <a href=\"https://shop.example/o/1\">my order</a>"),
            "see my order <https://shop.example/o/1>\n");
  EXPECT_EQ(Text("<a href=\"https://shop.example/\">https://shop.example/</a>"),
            "https://shop.example/\n");
  EXPECT_EQ(Text("<img src=x alt='a broken shoe'>"), "[a broken shoe]\n");
  EXPECT_EQ(Text("<pre>a\n  b\n</pre>"), "a\n  b\n");
}

TEST(HtmlToText, LeavesOutWhatNobodySees) {
  EXPECT_EQ(Text("<html><head><title>T</title><style>p{}</style></head><body><script>x()</script>"
                 "<!-- c --><div style='DISPLAY : none'>hidden</div><p>seen</p></body></html>"),
            "seen\n");
  EXPECT_EQ(Text(""), "");
  EXPECT_EQ(Text("a&#1;b"), "ab\n");
}

TEST(HtmlToText, MarksQuotations) {
  EXPECT_EQ(Text("yes<blockquote>one<br>two<blockquote>three</blockquote></blockquote>no"),
            "yes\n\n> one\n> two\n>\n>> three\n\nno\n");
}

TEST(HtmlToText, RefusesWhatIsMadeToDoHarm) {
  std::string deep;
  for (int i = 0; i < 100'000; ++i) deep += "<div>";
  EXPECT_EQ(HtmlToText(deep).status().code(), absl::StatusCode::kResourceExhausted);

  // Each <p> makes the parser open all of the unclosed fonts again.
  std::string repaired = "<p>";
  for (int i = 0; i < 900; ++i) absl::StrAppend(&repaired, "<font color=", i, ">");
  repaired += "</p>";
  for (int i = 0; i < 20'000; ++i) repaired += "<p>x</p>";
  EXPECT_EQ(HtmlToText(repaired).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(HtmlToText, IsUtf8WhateverEntitiesName) {
  for (const char* entity : {"&#xD800;", "&#xD800dddddddddddddddddddddddd;", "&#x110000;", "&#0;",
                             "&#99999999999999999999;", "&#xFFFFFFFF;"}) {
    for (int digits = 1; digits < 40; ++digits) {
      const std::string html = absl::StrCat("<p>a", entity, "&#xd8",
                                            std::string(static_cast<size_t>(digits), 'd'), ";b");
      const absl::StatusOr<std::string> text = HtmlToText(html);
      ASSERT_TRUE(text.ok());
      EXPECT_TRUE(IsUtf8(*text)) << html;
    }
  }
}

TEST(HtmlToText, TakesLongPagesOfUnclosedParagraphs) {
  std::string page;
  for (int i = 0; i < 20'000; ++i) page += "<p>x<br>";
  EXPECT_TRUE(HtmlToText(page).ok());
}

}  // namespace
}  // namespace wissel::email
