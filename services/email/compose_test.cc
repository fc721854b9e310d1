#include "services/email/compose.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "services/email/mime.h"

namespace wissel::email {
namespace {

MailDraft Draft() {
  return {.message_id = "o.c.s@shop.example",
          .outbound_id = "o",
          .date = absl::FromUnixSeconds(1'762'161'072),
          .from_name = "Schoenen & Zo, René",
          .from_address = "support@shop.example",
          .reply_to = "support+c.x.y@shop.example",
          .to_name = "Jan",
          .to_address = "jan@example.org",
          .subject = "Re: uw bestelling — café",
          .in_reply_to = "2@example.org",
          .references = {"1@example.org", "2@example.org"},
          .text = "Dag Jan,\n\n.een punt vooraan\nFrom here = 100% café ☕\n",
          .html = "",
          .attachments = {},
          .automatic = false};
}

TEST(ComposeMail, IsReadBackAsItWasMeant) {
  MailDraft draft = Draft();
  draft.html = "<p>Dag Jan</p>";
  draft.attachments.push_back(
      {"application/pdf", "factuur €.pdf", "", std::string("%PDF\0\r\n\n", 8)});
  draft.attachments.push_back({"image/png", "logo.png", "logo@shop", "png"});
  const std::string bytes = ComposeMail(draft);
  const absl::StatusOr<Mail> mail = ParseMail(bytes);
  ASSERT_TRUE(mail.ok());
  EXPECT_EQ(mail->message_id, draft.message_id);
  EXPECT_EQ(mail->subject, draft.subject);
  EXPECT_EQ(mail->from, (std::vector<MailAddress>{{draft.from_address, draft.from_name}}));
  EXPECT_EQ(mail->to, (std::vector<MailAddress>{{draft.to_address, draft.to_name}}));
  ASSERT_EQ(mail->reply_to.size(), 1u);
  EXPECT_EQ(mail->reply_to[0].address, draft.reply_to);
  EXPECT_EQ(mail->date, draft.date);
  EXPECT_EQ(mail->in_reply_to, std::vector<std::string>{"2@example.org"});
  EXPECT_EQ(mail->references, draft.references);
  EXPECT_EQ(*mail->FindHeader("x-wissel-id"), "o");
  EXPECT_EQ(mail->FindHeader("auto-submitted"), nullptr);
  ASSERT_EQ(mail->bodies.size(), 1u);
  EXPECT_EQ(mail->bodies[0].plain, draft.text);
  EXPECT_EQ(mail->bodies[0].html, "<p>Dag Jan</p>\n");
  ASSERT_EQ(mail->attachments.size(), 2u);
  EXPECT_EQ(mail->attachments[0].file_name, "factuur €.pdf");
  EXPECT_EQ(mail->attachments[0].bytes, draft.attachments[0].bytes);
  EXPECT_EQ(mail->attachments[1].content_id, "logo@shop");
}

TEST(ComposeMail, IsTheSameBytesAgain) { EXPECT_EQ(ComposeMail(Draft()), ComposeMail(Draft())); }

TEST(ComposeMail, IsSevenBitWithShortCrlfLines) {
  MailDraft draft = Draft();
  draft.text = std::string(5'000, 'x') + "\n" + "é";
  draft.subject = std::string(900, 'y');
  for (const absl::string_view line : absl::StrSplit(ComposeMail(draft), "\r\n")) {
    EXPECT_LE(line.size(), 998u);
    EXPECT_FALSE(absl::StrContains(line, "\n"));
    EXPECT_FALSE(absl::StrContains(line, "\r"));
    for (const char c : line) EXPECT_LT(static_cast<unsigned char>(c), 0x80);
  }
}

TEST(ComposeMail, TakesNoHeadersFromItsValues) {
  MailDraft draft = Draft();
  draft.subject = "x\r\nBcc: evil@example.org\r\n\r\nbody";
  draft.from_name = "a\nBcc: evil@example.org";
  draft.to_name = "b\r\nBcc: evil@example.org";
  draft.to_address = "jan@example.org\r\nBcc: evil@example.org";
  draft.message_id = "m@x>\r\nBcc: evil@example.org";
  draft.in_reply_to = "m@x>\r\nBcc: evil@example.org";
  draft.references = {"m@x>\r\nBcc: evil@example.org"};
  draft.outbound_id = "o\r\nBcc: evil@example.org";
  draft.attachments.push_back({"text/x\r\nBcc: e@e", "a\r\nBcc: e@e", "c\r\nBcc: e@e", "x"});
  for (const absl::string_view line : absl::StrSplit(ComposeMail(draft), "\r\n")) {
    EXPECT_FALSE(absl::StartsWithIgnoreCase(line, "bcc")) << line;
  }
}

TEST(ComposeMail, SaysThatAMachineWroteIt) {
  MailDraft draft = Draft();
  draft.automatic = true;
  const absl::StatusOr<Mail> mail = ParseMail(ComposeMail(draft));
  ASSERT_TRUE(mail.ok());
  EXPECT_EQ(*mail->FindHeader("auto-submitted"), "auto-replied");
}

}  // namespace
}  // namespace wissel::email
