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
  for (int i = 0; i < 900; ++i) absl::StrAppend(&repaired, "<font style=", i, ">");
  repaired += "</p>";
  for (int i = 0; i < 20'000; ++i) repaired += "<p>x</p>";
  EXPECT_EQ(HtmlToText(repaired).status().code(), absl::StatusCode::kResourceExhausted);
}

TEST(HtmlToText, LooksAtNoAttributesThatNobodyReads) {
  // The parser compares each name with all others of the tag: hours for two megabytes.
  for (const char* separator : {" ", "/", "=x ", "=\"\"", "='>'\n"}) {
    std::string page = "<p>one</p><a href='https://shop.example/\"<1>' ";
    for (int i = 0; page.size() < (2u << 20); ++i) absl::StrAppend(&page, "a", i, separator);
    page += ">two</a>";
    EXPECT_EQ(Text(page), "one\n\ntwo <https://shop.example/\"<1>>\n") << separator;
  }
  for (const char* tag : {"body", "html"}) {
    std::string page = "one";
    for (int i = 0; i < 20'000; ++i) absl::StrAppend(&page, "<", tag, " a", i, ">");
    EXPECT_EQ(Text(page + "two"), "onetwo\n") << tag;
  }
}

TEST(HtmlToText, ReadsSoManyTags) {
  const auto page = [](size_t tags, absl::string_view unit) {
    std::string html = "first ";
    for (size_t i = 0; i < tags; ++i) html.append(unit.data(), unit.size());
    return html + "last";
  };
  EXPECT_EQ(Text(page(kMaxHtmlTags / 2 - 1, "<b></b>")), "first last\n");
  EXPECT_EQ(Text(page(kMaxHtmlTags / 2, "<b></b>")), "first\n");
  // Each </div> is ignored, so that more and more <div> are open.
  EXPECT_EQ(Text(page(100'000, "<div><table></div></table>")), "first\n");
  EXPECT_EQ(Text(page(100'000, "<div><!-- </div> -->")), "HTML is nested too deeply");
  EXPECT_EQ(Text(page(100'000, "<div><i x='</div>'></i>")), "HTML is nested too deeply");
}

TEST(HtmlToText, ReadsBrokenTags) {
  EXPECT_EQ(Text("1 < 2 <> 3 <4 <?x?>5<!doctype html>6</>7</ 8>9<"), "1 < 2 <> 3 <4 5679<\n");
  EXPECT_EQ(Text("a<!-->b<!--->c<!-- <p> -- > -->d<!-- e"), "abcd\n");
  EXPECT_EQ(Text("Jan <jan@x.example> wrote<br/>b<a"), "Jan wrote\nb\n");
  EXPECT_EQ(Text("<script>if (a<b) x(\"</p>\")</SCRIPT>b<style><!-- p{} </style>c"), "bc\n");
  EXPECT_EQ(Text("<img alt = 'a \"b\" &lt;c>' alt=d><img =alt=x alt=e><img alt=f/>"),
            "[a \"b\" <c>][e][f/]\n");
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
