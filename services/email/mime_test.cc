#include "services/email/mime.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace wissel::email {
namespace {

Mail Parse(absl::string_view text, const MailLimits& limits = {}) {
  absl::StatusOr<Mail> mail = ParseMail(text, limits);
  EXPECT_TRUE(mail.ok()) << mail.status();
  return mail.ok() ? *std::move(mail) : Mail{};
}

TEST(ParseMail, DecodesHeaders) {
  const Mail mail = Parse(
      "From: =?utf-8?q?Ren=C3=A9?= de Vries <Rene@Example.ORG>\r\n"
      "To: \"Shop, the\" <support@shop.example>, group: a@x.example, b@y.example;\r\n"
      "Cc: c@z.example\r\n"
      "Subject: =?utf-8?b?V2FhciBibGlqZnQ=?= =?utf-8?q?_mijn?=\r\n =?iso-8859-1?q?_caf=E9?=\r\n"
      "Message-ID: <1@example.org>\r\n"
      "In-Reply-To: <0@shop.example> (your mail)\r\n"
      "References: <a@shop.example>\r\n <0@shop\r\n .example>\r\n"
      "Date: Mon, 3 Nov 2025 10:11:12 +0100\r\n\r\nhi\r\n");
  EXPECT_EQ(mail.subject, "Waar blijft mijn café");
  EXPECT_EQ(mail.from, (std::vector<MailAddress>{{"Rene@example.org", "René de Vries"}}));
  EXPECT_EQ(mail.to,
            (std::vector<MailAddress>{
                {"support@shop.example", "Shop, the"}, {"a@x.example", ""}, {"b@y.example", ""}}));
  EXPECT_EQ(mail.cc.size(), 1u);
  EXPECT_EQ(mail.message_id, "1@example.org");
  EXPECT_EQ(mail.in_reply_to, std::vector<std::string>{"0@shop.example"});
  EXPECT_EQ(mail.references, (std::vector<std::string>{"a@shop.example", "0@shop.example"}));
  ASSERT_TRUE(mail.date.has_value());
  EXPECT_EQ(absl::ToUnixSeconds(*mail.date), 1762161072);
}

TEST(ParseMail, ToleratesEightBitHeaders) {
  EXPECT_EQ(Parse("From: a@b.example\nSubject: caf\xC3\xA9\n\n").subject, "café");
  EXPECT_EQ(Parse("From: a@b.example\nSubject: caf\xE9\n\n").subject, "café");
  const Mail mail = Parse("From: Ren\xE9 <a@b.example>\nSubject: x\n\n");
  ASSERT_EQ(mail.from.size(), 1u);
  EXPECT_EQ(mail.from[0].name, "René");
}

TEST(ParseMail, HasBothFormsOfAnAlternative) {
  const Mail mail = Parse(
      "From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=x\n\n"
      "--x\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: "
      "quoted-printable\n\n"
      "caf=E9 =\nsoft\n"
      "--x\nContent-Type: multipart/related; boundary=y\n\n"
      "--y\nContent-Type: text/html; charset=utf-8\n\n<p>caf\xC3\xA9 <img src=cid:logo@b></p>\n"
      "--y\nContent-Type: image/png; name=logo.png\nContent-ID: <logo@b>\n"
      "Content-Transfer-Encoding: base64\n\naGVs\nbG8=\n--y--\n--x--\n");
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "café soft");
  EXPECT_EQ(mail.bodies[0].html, "<p>café <img src=cid:logo@b></p>");
  ASSERT_EQ(mail.attachments.size(), 1u);
  EXPECT_EQ(mail.attachments[0].content_type, "image/png");
  EXPECT_EQ(mail.attachments[0].content_id, "logo@b");
  EXPECT_EQ(mail.attachments[0].file_name, "logo.png");
  EXPECT_EQ(mail.attachments[0].bytes, "hello");
}

TEST(ParseMail, NamesAttachmentsByRfc2231AndWithoutFolders) {
  const auto name = [](absl::string_view parameters) {
    const Mail mail = Parse(absl::StrCat(
        "From: a@b.example\nContent-Type: application/pdf\nContent-Disposition: attachment; ",
        parameters, "\n\nx\n"));
    return mail.attachments.size() == 1 ? mail.attachments[0].file_name : "?";
  };
  EXPECT_EQ(name("filename=a.pdf"), "a.pdf");
  EXPECT_EQ(name("filename*=utf-8''%E2%82%AC%20rates.pdf"), "€ rates.pdf");
  EXPECT_EQ(name("filename*0=long; filename*1=er.pdf"), "longer.pdf");
  EXPECT_EQ(name("filename*0*=iso-8859-1'nl'caf%E9; filename*1=.pdf"), "café.pdf");
  EXPECT_EQ(name("filename=\"=?utf-8?q?caf=C3=A9.pdf?=\""), "café.pdf");
  EXPECT_EQ(name("filename=\"../../etc/passwd\""), "passwd");
  EXPECT_EQ(name("filename=\"C:\\\\Users\\\\x\\\\a.pdf\""), "a.pdf");
  EXPECT_EQ(name(absl::StrCat("filename=", std::string(400, 'x'), ".pdf")),
            absl::StrCat(std::string(251, 'x'), ".pdf"));
  EXPECT_EQ(name("filename=\"a\x01"
                 "b.pdf\""),
            "ab.pdf");
}

TEST(ParseMail, KeepsMailsInsideAndCalendarsAsAttachments) {
  const std::string inner = "From: c@d.example\nSubject: In/side\n\ninner text\n";
  const Mail mail = Parse(absl::StrCat(
      "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n"
      "--x\n\nouter text\n--x\nContent-Type: message/rfc822\n\n",
      inner, "\n--x\nContent-Type: text/calendar; method=REQUEST\n\nBEGIN:VCALENDAR\n--x--\n"));
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "outer text");
  ASSERT_EQ(mail.attachments.size(), 2u);
  EXPECT_EQ(mail.attachments[0].content_type, "message/rfc822");
  EXPECT_EQ(mail.attachments[0].file_name, "In-side.eml");
  EXPECT_EQ(mail.attachments[0].bytes, inner);
  EXPECT_EQ(mail.attachments[1].content_type, "text/calendar");
}

TEST(ParseMail, UnflowsParagraphs) {
  const Mail mail = Parse(
      "From: a@b.example\nContent-Type: text/plain; format=flowed\n\n"
      "one \ntwo\n three\n> quoted \n> more\n-- \nJan\n");
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "one two\nthree\n> quoted more\n-- \nJan\n");
}

TEST(ParseMail, TakesTenThousandPartsAndCountsTheRest) {
  std::string text = "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n";
  for (int i = 0; i < 10'005; ++i)
    absl::StrAppend(&text, "--x\nContent-Type: image/png\n\n", i, "\n");
  text += "--x--\n";
  const Mail mail = Parse(text);
  EXPECT_EQ(mail.attachments.size(), 9'999u);  // the multipart is one of the ten thousand
  EXPECT_EQ(mail.parts_left_out, 6);
  EXPECT_EQ(mail.attachments[9'998].bytes, "9998");
}

TEST(ParseMail, MakesAnAttachmentOfWhatIsNestedTooDeeply) {
  std::string text = "From: a@b.example\n";
  for (int i = 0; i < 5'000; ++i) {
    absl::StrAppend(&text, "Content-Type: multipart/mixed; boundary=b", i, "\n\n--b", i, "\n");
  }
  text += "\nthe core\n";
  const Mail mail = Parse(text);
  EXPECT_TRUE(mail.bodies.empty());
  ASSERT_EQ(mail.attachments.size(), 1u);
  EXPECT_TRUE(absl::StrContains(mail.attachments[0].bytes, "boundary=b33"));
}

TEST(ParseMail, ReadsBrokenMime) {
  // No closing boundary, and base64 that is cut short.
  Mail mail = Parse(
      "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n"
      "--x\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\naGVsbG8");
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "text");
  ASSERT_EQ(mail.attachments.size(), 1u);
  EXPECT_EQ(mail.attachments[0].bytes.substr(0, 3), "hel");

  // A type that is none, an unknown transfer encoding.
  mail = Parse("From: a@b.example\nContent-Type: ;;;=\n\ntext\n");
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "text\n");
  mail = Parse("From: a@b.example\nContent-Transfer-Encoding: x-unknown\n\nas it stands\n");
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "as it stands\n");
}

TEST(ParseMail, ReadsWhatStandsInAMultipartWithoutParts) {
  const auto text = [](absl::string_view type, absl::string_view body) {
    const Mail mail = Parse(absl::StrCat("From: a@b.example\nContent-Type: ", type, "\n\n", body));
    EXPECT_TRUE(mail.attachments.empty());
    return mail.bodies.size() == 1 ? mail.bodies[0].plain
                                   : absl::StrCat(mail.bodies.size(), " bodies");
  };
  const std::string parted = "--x\nContent-Type: text/plain\n\nwhere is my caf\xC3\xA9?\n--x--\n";
  for (const char* type :
       {"multipart/mixed", "multipart/mixed; boundary=\"y", "multipart/mixed; boundary=other",
        "multipart/alternative; boundary=other", "multipart/mixed; boundary=\"\""}) {
    EXPECT_TRUE(absl::StrContains(text(type, parted), "where is my café?")) << type;
  }
  EXPECT_EQ(text("multipart/mixed; boundary=x", "caf\xE9\n"), "café\n") << "no part at all";
  EXPECT_EQ(text("multipart/mixed; boundary=x", "--x--\nbehind\n"), "behind\n");
  EXPECT_EQ(
      text("multipart/mixed; boundary=y", "--y\nContent-Type: multipart/mixed\n\ninner\n--y--"),
      "inner");
  EXPECT_EQ(text("multipart/mixed; boundary=x", " \n"), "0 bodies");
  // What stands before the first part is not for people.
  EXPECT_EQ(text("multipart/mixed; boundary=x", "This is MIME.\n--x\n\nhello\n--x--\nend\n"),
            "hello");
}

TEST(ParseMail, DropsNulBytesFromTextOnly) {
  using std::string_literals::operator""s;
  const Mail mail = Parse(
      "From: a@b.example\nSubject: a\0b\nContent-Type: multipart/mixed; boundary=x\n\n"
      "--x\n\nte\0xt\n--x\nContent-Type: image/png\n\nbi\0nary\n--x--\n"s);
  ASSERT_EQ(mail.bodies.size(), 1u);
  EXPECT_EQ(mail.bodies[0].plain, "text");
  ASSERT_EQ(mail.attachments.size(), 1u);
  EXPECT_EQ(mail.attachments[0].bytes, "bi\0nary"s);
}

TEST(ParseMail, TakesGroupsNestedWithoutEnd) {
  std::string groups;
  for (int i = 0; i < 200'000; ++i) groups += i % 400 == 0 ? "\n a:" : "a:";
  for (const char* name : {"From", "to", "Cc", "Bcc", "Sender", "Reply-To \t"}) {
    const Mail mail =
        Parse(absl::StrCat("From: a@b.example\n", name, ":", groups, "\nSubject: s\n\nx\n"));
    EXPECT_EQ(mail.subject, "s") << name;
    ASSERT_EQ(mail.bodies.size(), 1u) << name;
    EXPECT_EQ(mail.bodies[0].plain, "x\n") << name;
  }
  const Mail outer = Parse(
      absl::StrCat("From: a@b.example\nContent-Type: message/rfc822\n\nTo:", groups, "\n\nx\n"));
  EXPECT_EQ(outer.attachments.size(), 1u);
}

TEST(ParseMail, TakesManyGroupsAndManyColonsElsewhere) {
  std::string groups;
  for (int i = 0; i < 900; ++i)
    absl::StrAppend(&groups, i > 0 ? ",\n " : "", "g:a@", i, ".example;");
  const Mail mail = Parse(absl::StrCat("From: a@b.example\nTo: ", groups, "\n\nx\n"));
  ASSERT_EQ(mail.to.size(), 110u);
  EXPECT_EQ(mail.to[109].address, "a@109.example");

  // What looks like such a header but stands in a body is left as it is.
  std::string body = "to:\n";
  for (int i = 0; i < 2000; ++i) body += " key: value\n";
  EXPECT_EQ(Parse("From: a@b.example\n\n" + body).bodies.at(0).plain, body);
}

TEST(ParseMail, RefusesWhatIsNoMail) {
  EXPECT_EQ(ParseMail("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ParseMail("no header here\nnor here\n").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(ParseMessageIds, KeepsTheLastOnes) {
  std::string header;
  for (int i = 0; i < 1'000; ++i) absl::StrAppend(&header, "<", i, "@x>\r\n ");
  const std::vector<std::string> ids = ParseMessageIds(header, 3);
  EXPECT_EQ(ids, (std::vector<std::string>{"997@x", "998@x", "999@x"}));
  EXPECT_TRUE(ParseMessageIds("no ids < here").empty());
  EXPECT_TRUE(ParseMessageIds("<>").empty());
}

}  // namespace
}  // namespace wissel::email
