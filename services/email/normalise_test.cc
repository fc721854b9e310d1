#include "services/email/normalise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/hash.h"

namespace wissel::email {
namespace {

namespace deadletterv1 = ::wissel::deadletter::v1;
namespace messagev1 = ::wissel::message::v1;
namespace receiptv1 = ::wissel::receipt::v1;

constexpr absl::Time kReceived = absl::FromUnixSeconds(1'762'161'100);
const OutboundId kOutbound("0e0e1b8a-2f7e-5c1d-9a53-0123456789ab");
const ConversationId kConversation("5d3f6c7a-8b9c-5d0e-8f1a-fedcba987654");

class NormaliseTest : public testing::Test {
 protected:
  absl::StatusOr<MailOutcome> Run(absl::string_view raw) {
    return NormaliseMail(raw, mailbox_, kReceived, &signer_, [this](absl::string_view bytes) {
      const std::string id = Sha256Hex(bytes);
      blobs_[id] = std::string(bytes);
      return absl::StatusOr<std::string>(id);
    });
  }
  NormalisedMail Mail(absl::string_view raw) {
    const absl::StatusOr<MailOutcome> outcome = Run(raw);
    if (outcome.ok()) {
      if (const auto* mail = std::get_if<NormalisedMail>(&*outcome)) {
        EXPECT_EQ(blobs_[mail->message.raw().blob_id()], raw);
        return *mail;
      }
      ADD_FAILURE() << std::get<RejectedMail>(*outcome).detail;
    } else {
      ADD_FAILURE() << outcome.status();
    }
    return {};
  }
  messagev1::InboundMessage Message(absl::string_view raw) { return Mail(raw).message; }
  messagev1::Automation Automation(absl::string_view headers) {
    return Message(absl::StrCat("From: jan@example.org\n", headers, "\n\nhi\n")).automation();
  }
  std::string OwnId() { return *signer_.MessageId(kOutbound, kConversation, "shop.example"); }

  const Mailbox mailbox_{WorkspaceId("shop"), RoutingGroupId("main"),
                         ChannelAccountId("support-mail"), "support@shop.example"};
  ThreadSigner signer_ = *ThreadSigner::Create(WorkspaceId("shop"), {"a key of 16 bytes"});
  std::map<std::string, std::string> blobs_;
};

TEST_F(NormaliseTest, MakesAMessageOfAMail) {
  const messagev1::InboundMessage message = Message(
      "From: Jan <Jan@Example.org>\nTo: support@shop.example, Piet <piet@example.org>\n"
      "Cc: support+x@shop.example\nSubject: Where is my order?\nMessage-ID: <1@example.org>\n"
      "Date: Mon, 3 Nov 2025 10:11:12 +0100\n\n"
      "It is late.\n\nJan\n\nOn Sun, 2 Nov 2025, Shop <support@shop.example> wrote:\n> Thank "
      "you\n");
  EXPECT_EQ(message.envelope().workspace_id(), "shop");
  EXPECT_EQ(message.envelope().routing_group_id(), "main");
  EXPECT_EQ(message.envelope().id(),
            DeriveMessageId(WorkspaceId("shop"), ChannelAccountId("support-mail"), "1@example.org")
                .value());
  EXPECT_EQ(message.envelope().time().seconds(), 1762161072);
  EXPECT_EQ(message.sent_time().seconds(), absl::ToUnixSeconds(kReceived));
  EXPECT_EQ(message.account().account_id(), "support-mail");
  EXPECT_EQ(message.provider_message_id(), "1@example.org");
  EXPECT_EQ(message.sender().address(), "Jan@example.org");
  EXPECT_EQ(message.sender().display_name(), "Jan");
  EXPECT_EQ(message.sender().contact_id(),
            DeriveContactId(WorkspaceId("shop"), "email", "Jan@example.org").value());
  ASSERT_EQ(message.recipients_size(), 1);
  EXPECT_EQ(message.recipients(0).address(), "piet@example.org");
  EXPECT_EQ(message.subject(), "Where is my order?");
  ASSERT_EQ(message.contents_size(), 1);
  EXPECT_EQ(message.contents(0).text().text(), "It is late.\n\nJan");
  EXPECT_EQ(message.contents(0).text().quoted(),
            "On Sun, 2 Nov 2025, Shop <support@shop.example> wrote:\n> Thank you");
  EXPECT_EQ(message.automation(), messagev1::AUTOMATION_NONE);
}

TEST_F(NormaliseTest, PrefersPlainTextAndReadsHtmlWhereThereIsNone) {
  messagev1::InboundMessage message = Message(
      "From: a@b.example\nContent-Type: multipart/alternative; boundary=x\n\n"
      "--x\n\nplain\n--x\nContent-Type: text/html\n\n<b>rich</b>\n--x--\n");
  EXPECT_EQ(message.contents(0).text().text(), "plain");
  EXPECT_EQ(message.contents(0).text().html(), "<b>rich</b>");

  message = Message(
      "From: a@b.example\nContent-Type: text/html\n\n<p>rich</p>\n"
      "<div>On 3 Nov 2025 Shop &lt;s@shop.example&gt; wrote:<blockquote>old</blockquote>");
  EXPECT_EQ(message.contents(0).text().text(), "rich");
  EXPECT_EQ(message.contents(0).text().quoted(),
            "On 3 Nov 2025 Shop <s@shop.example> wrote:\n\n> old");
}

TEST_F(NormaliseTest, PutsAttachmentsIntoBlobs) {
  const messagev1::InboundMessage message = Message(
      "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nsee picture\n"
      "--x\nContent-Type: image/png; name=a.png\nContent-ID: <i@b>\n"
      "Content-Transfer-Encoding: base64\n\naGVsbG8=\n--x--\n");
  ASSERT_EQ(message.contents_size(), 2);
  const messagev1::Media& media = message.contents(1).media();
  EXPECT_EQ(media.kind(), messagev1::Media::KIND_IMAGE);
  EXPECT_EQ(media.content_id(), "i@b");
  EXPECT_EQ(media.blob().file_name(), "a.png");
  EXPECT_EQ(media.blob().size_bytes(), 5);
  EXPECT_EQ(blobs_[media.blob().blob_id()], "hello");
}

TEST_F(NormaliseTest, NamesAMailWithoutMessageIdByItsBytes) {
  const std::string raw = "From: a@b.example\n\nhi\n";
  const messagev1::InboundMessage message = Message(raw);
  EXPECT_EQ(message.provider_message_id(), "sha256-" + Sha256Hex(raw));
  EXPECT_EQ(Message(raw).envelope().id(), message.envelope().id());
  EXPECT_NE(Message(raw + "!").envelope().id(), message.envelope().id());
}

TEST_F(NormaliseTest, FindsTheOneToAnswer) {
  const auto sender = [this](absl::string_view headers) {
    return Message(absl::StrCat(headers, "\n\nhi\n")).sender().address();
  };
  EXPECT_EQ(sender("From: a@b.example\nReply-To: r@b.example"), "r@b.example");
  EXPECT_EQ(sender("From: a@b.example\nReply-To: support@shop.example"), "a@b.example");
  EXPECT_EQ(sender("From: a@b.example\nReply-To: l@b.example\nList-Id: <l.b>"), "a@b.example");
  EXPECT_EQ(sender("Sender: s@b.example"), "s@b.example");
  EXPECT_EQ(sender("Return-Path: <p@b.example>"), "p@b.example");
  EXPECT_EQ(sender("From: not an address\nSender: S <s@b.example>"), "s@b.example");
}

TEST_F(NormaliseTest, RejectsAMailWithoutAnySender) {
  const absl::StatusOr<MailOutcome> outcome = Run("Subject: hello\n\nhi\n");
  ASSERT_TRUE(outcome.ok());
  const auto* rejected = std::get_if<RejectedMail>(&*outcome);
  ASSERT_NE(rejected, nullptr);
  EXPECT_EQ(rejected->reason, deadletterv1::REASON_INVALID);
  EXPECT_TRUE(absl::StrContains(rejected->detail, "no sender"));
}

TEST_F(NormaliseTest, RejectsWhatIsNoMail) {
  const absl::StatusOr<MailOutcome> outcome = Run("\xFF\xD8\xFF\xE0 a picture");
  ASSERT_TRUE(outcome.ok());
  ASSERT_TRUE(std::holds_alternative<RejectedMail>(*outcome));
  EXPECT_EQ(std::get<RejectedMail>(*outcome).reason, deadletterv1::REASON_UNPARSABLE);
}

TEST_F(NormaliseTest, HasATimeWithoutDate) {
  EXPECT_EQ(Message("From: a@b.example\nDate: rubbish\n\nhi").envelope().time().seconds(),
            absl::ToUnixSeconds(kReceived));
}

TEST_F(NormaliseTest, KeepsAnEmptyMail) {
  const messagev1::InboundMessage message = Message("From: a@b.example\nSubject: call me\n\n");
  ASSERT_EQ(message.contents_size(), 1);
  EXPECT_TRUE(message.contents(0).has_text());
}

TEST_F(NormaliseTest, SaysWhatItLeftOutOfTenThousandParts) {
  std::string raw = "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\ntext\n";
  for (int i = 0; i < 10'000; ++i) raw += "--x\nContent-Type: image/png\n\nx\n";
  const messagev1::InboundMessage message = Message(raw + "--x--\n");
  ASSERT_EQ(message.contents_size(), 100);
  EXPECT_EQ(message.contents(99).unsupported().provider_type(),
            "9902 further parts of the mail, in its raw form only");
}

TEST_F(NormaliseTest, ReadsSoManyTagsOfAllPagesTogether) {
  std::string raw = "From: a@b.example\nContent-Type: multipart/mixed; boundary=x\n\n";
  for (const char* word : {"one", "two", "three"}) {
    absl::StrAppend(&raw, "--x\nContent-Type: text/html\n\n", word);
    for (int i = 0; i < 30'000; ++i) raw += "<br>";
    raw += "\n";
  }
  const messagev1::InboundMessage message = Message(raw + "--x--\n");
  EXPECT_EQ(message.contents(0).text().text(), "one\n\ntwo");
}

TEST_F(NormaliseTest, TakesThirtyMegabytes) {
  std::string raw = "From: a@b.example\n\n";
  while (raw.size() < 30 << 20)
    raw += "A line of seventy-odd characters, again and again, to fill a mail up.\n";
  const messagev1::InboundMessage message = Message(raw);
  EXPECT_TRUE(message.contents(0).text().truncated());
  EXPECT_LE(message.contents(0).text().text().size(), 256u << 10);
  EXPECT_LT(message.ByteSizeLong(), 1'000'000u);
}

TEST_F(NormaliseTest, StaysBelowTheRecordLimitWhateverIsInTheMail) {
  std::string raw = "From: a@b.example\nTo: ";
  for (int i = 0; i < 2'000; ++i)
    absl::StrAppend(&raw, "n", i, " <", std::string(200, 'x'), i, "@y.example>, ");
  absl::StrAppend(&raw, "z@y.example\nSubject: ", std::string(100'000, 's'),
                  "\nContent-Type: multipart/alternative; boundary=x\n\n--x\n\n",
                  std::string(2'000'000, 'p'), "\n> ", std::string(2'000'000, 'q'),
                  "\n--x\nContent-Type: text/html\n\n", std::string(2'000'000, 'h'), "\n--x--\n");
  const messagev1::InboundMessage message = Message(raw);
  EXPECT_LT(message.ByteSizeLong(), 900'000u);
  EXPECT_EQ(message.recipients_size(), 100);
  EXPECT_LE(message.subject().size(), 998u);
  EXPECT_EQ(message.contents(0).text().html(), "");
  EXPECT_EQ(message.contents(1).media().blob().content_type(), "text/html");
}

TEST_F(NormaliseTest, FailsWhereBlobsCannotBeKept) {
  const absl::StatusOr<MailOutcome> outcome = NormaliseMail(
      "From: a@b.example\n\nhi", mailbox_, kReceived, &signer_, [](absl::string_view) {
        return absl::StatusOr<std::string>(absl::ResourceExhaustedError("disk full"));
      });
  EXPECT_EQ(outcome.status().code(), absl::StatusCode::kResourceExhausted);
}

TEST_F(NormaliseTest, ThreadsByOurMessageIdThenByOurAddress) {
  const auto conversation = [this](absl::string_view headers) {
    return Message(absl::StrCat("From: a@b.example\n", headers, "\n\nhi\n"))
        .thread()
        .conversation_id();
  };
  const std::string address = *signer_.PlusAddress("support@shop.example", kConversation);
  EXPECT_EQ(conversation(absl::StrCat("In-Reply-To: <", OwnId(), ">")), kConversation.value());
  EXPECT_EQ(conversation(absl::StrCat("References: <x@y> <", OwnId(), ">\n <z@y>")),
            kConversation.value());
  EXPECT_EQ(conversation(absl::StrCat("To: ", address)), kConversation.value());
  EXPECT_EQ(conversation(absl::StrCat("Cc: x@y.example, ", address)), kConversation.value());
  EXPECT_EQ(conversation(absl::StrCat("Delivered-To: ", address)), kConversation.value());
  EXPECT_EQ(conversation("In-Reply-To: <a.b.c@shop.example>"), "");
  EXPECT_EQ(conversation("To: support+c.abc.def@shop.example"), "");
  EXPECT_EQ(Message("From: a@b.example\nIn-Reply-To: <q@y>\n\nhi")
                .thread()
                .in_reply_to_provider_message_id(),
            "q@y");
}

TEST_F(NormaliseTest, RecognisesMachines) {
  EXPECT_EQ(Automation("Auto-Submitted: no"), messagev1::AUTOMATION_NONE);
  EXPECT_EQ(Automation("Auto-Submitted: auto-replied (vacation)"),
            messagev1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Automation("Auto-Submitted: auto-generated; x=y"), messagev1::AUTOMATION_BULK);
  EXPECT_EQ(Automation("Auto-Submitted: auto-generated\nIn-Reply-To: <x@y>"),
            messagev1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Automation("X-Autoreply: yes"), messagev1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Automation("Precedence: auto_reply"), messagev1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Automation("Precedence: Bulk"), messagev1::AUTOMATION_BULK);
  EXPECT_EQ(Automation("Precedence: list"), messagev1::AUTOMATION_BULK);
  EXPECT_EQ(Automation("Precedence: first-class"), messagev1::AUTOMATION_NONE);
  EXPECT_EQ(Automation("List-Id: <l.example>"), messagev1::AUTOMATION_BULK);
  EXPECT_EQ(Automation("X-Auto-Response-Suppress: All"), messagev1::AUTOMATION_BULK);
  EXPECT_EQ(Automation("Return-Path: <>"), messagev1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Automation("X-Loop: support@shop.example"), messagev1::AUTOMATION_LOOP);
  EXPECT_EQ(Automation("X-Wissel-Id: x"), messagev1::AUTOMATION_LOOP);
  EXPECT_EQ(Automation("Content-Type: multipart/report; report-type=disposition-notification; "
                       "boundary=x"),
            messagev1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Automation(absl::StrCat("Message-ID: <", OwnId(), ">")), messagev1::AUTOMATION_LOOP);
}

TEST_F(NormaliseTest, ReadsABounceOfOurMail) {
  const NormalisedMail mail = Mail(
      absl::StrCat("From: MAILER-DAEMON@mx.example\nReturn-Path: <>\nSubject: Undelivered\n"
                   "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
                   "--x\n\nSorry.\n"
                   "--x\nContent-Type: message/delivery-status\n\n"
                   "Reporting-MTA: dns; mx.example\n\n"
                   "Final-Recipient: rfc822; jan@example.org\nAction: failed\nStatus: 5.1.1\n"
                   "Diagnostic-Code: smtp; 550 5.1.1\n   no such user\n\n"
                   "--x\nContent-Type: text/rfc822-headers\n\nSubject: x\nMessage-ID:\n <",
                   OwnId(), ">\n\n--x--\n"));
  EXPECT_EQ(mail.message.automation(), messagev1::AUTOMATION_BOUNCE);
  EXPECT_EQ(mail.message.thread().conversation_id(), kConversation.value());
  ASSERT_TRUE(mail.receipt.has_value());
  EXPECT_EQ(mail.receipt->envelope().workspace_id(), "shop");
  EXPECT_NE(mail.receipt->envelope().id(), mail.message.envelope().id());
  const receiptv1::ProviderStatus& status = mail.receipt->provider_status();
  EXPECT_EQ(status.state(), receiptv1::DELIVERY_STATE_FAILED);
  EXPECT_EQ(status.outbound_id(), kOutbound.value());
  EXPECT_EQ(status.provider_message_id(), OwnId());
  EXPECT_EQ(status.error().provider_code(), "5.1.1");
  EXPECT_EQ(status.error().detail(), "jan@example.org: 550 5.1.1 no such user");
}

TEST_F(NormaliseTest, ABouncesReceiptCanBeReadWhateverItsStatusIs) {
  const NormalisedMail mail = Mail(absl::StrCat(
      "From: MAILER-DAEMON@mx.example\n"
      "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nSorry.\n"
      "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nAction: failed\n"
      "Status: 5.1.1 (deplac\xc3\xa9\xc3\xa9)\nDiagnostic-Code: smtp; adresse ferm\xe9"
      "e\n\n--x\nContent-Type: message/rfc822\n\nMessage-ID: <",
      OwnId(), ">\n\nbody\n--x--\n"));
  ASSERT_TRUE(mail.receipt.has_value());
  EXPECT_EQ(mail.receipt->provider_status().error().provider_code(), "5.1.1 (deplac\xc3\xa9");
  receiptv1::Receipt read;
  EXPECT_TRUE(read.ParseFromString(mail.receipt->SerializeAsString()));
}

TEST_F(NormaliseTest, ABounceOfAnothersMailOrADelayIsNoReceipt) {
  const auto bounce = [this](absl::string_view action, absl::string_view id) {
    return Mail(absl::StrCat(
        "From: MAILER-DAEMON@mx.example\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\n\n--x\n\nSorry.\n"
        "--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nAction: ",
        action, "\nStatus: 4.0.0\n\n--x\nContent-Type: message/rfc822\n\nMessage-ID: <", id,
        ">\n\nbody\n--x--\n"));
  };
  EXPECT_FALSE(bounce("failed", "other@example.org").receipt.has_value());
  EXPECT_FALSE(bounce("delayed", OwnId()).receipt.has_value());
  EXPECT_EQ(bounce("delayed", OwnId()).message.automation(), messagev1::AUTOMATION_BOUNCE);
}

TEST_F(NormaliseTest, AnOversizedMailStillReachesSomebody) {
  const absl::StatusOr<MailOutcome> outcome = NormaliseOversizedMail(
      "From: a@b.example\nSubject: film\nContent-Type: multipart/mixed; boundary=x\n\n", 99'000'000,
      mailbox_, kReceived, &signer_,
      [](absl::string_view bytes) { return absl::StatusOr<std::string>(Sha256Hex(bytes)); });
  ASSERT_TRUE(outcome.ok());
  const auto* mail = std::get_if<NormalisedMail>(&*outcome);
  ASSERT_NE(mail, nullptr);
  EXPECT_EQ(mail->message.subject(), "film");
  ASSERT_EQ(mail->message.contents_size(), 1);
  EXPECT_TRUE(
      absl::StrContains(mail->message.contents(0).media().unavailable_reason(), "99000000"));
}

}  // namespace
}  // namespace wissel::email
