// The channel against a real Dovecot and Postfix, on the embedded log: whole mails in, answers out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/notification.h"
#include "libs/base/timeout.h"
#include "libs/base/uuid.h"
#include "libs/bus/embedded.h"
#include "libs/channel/blob.h"
#include "libs/channel/deliverer.h"
#include "libs/channel/testing/tiny_router.h"
#include "libs/config/config.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/temp_dir.h"
#include "libs/testing/test_env.h"
#include "libs/testing/unacknowledged_bus.h"
#include "services/email/app.h"
#include "services/email/compose.h"
#include "services/email/config.h"
#include "services/email/imap.h"
#include "services/email/mail_ingest.h"
#include "services/email/mail_sender.h"
#include "services/email/mailbox_reader.h"
#include "services/email/smtp.h"
#include "services/email/test_mailbox.h"
#include "wissel/deadletter/v1/deadletter.pb.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::email {
namespace {

namespace messagev1 = ::wissel::message::v1;
namespace receiptv1 = ::wissel::receipt::v1;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// Mails read at a time.
constexpr size_t kBatch = 7;

std::pair<std::string, uint16_t> HostPort(const std::string& address) {
  const std::vector<std::string> parts = absl::StrSplit(address, ':');
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(parts.back(), &port)) << address;
  return {parts.front(), static_cast<uint16_t>(port)};
}

class EmailIntegrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WISSEL_TEST_ENV(imaps, "WISSEL_TEST_IMAPS");
    WISSEL_TEST_ENV(smtp, "WISSEL_TEST_SMTP");
    WISSEL_TEST_ENV(ca, "WISSEL_TEST_CA");
    WISSEL_TEST_ENV(user, "WISSEL_TEST_MAIL_USER");
    WISSEL_TEST_ENV(customer, "WISSEL_TEST_MAIL_CUSTOMER");
    WISSEL_TEST_ENV(password, "WISSEL_TEST_MAIL_PASSWORD");
    shop_ = user;
    customer_ = customer;
    ca_file_ = ca;
    password_ = password;
    imaps_port_ = HostPort(imaps).second;
    smtp_port_ = HostPort(smtp).second;
    bus_ = *bus::NewEmbeddedBus({.path = ":memory:", .partitions = 2});
    blobs_ = *channel::NewFolderBlobStore({.folder = folder_.Join("blobs")});
    publisher_ =
        std::make_unique<channel::Publisher>(bus_.get(), &clock_, channel::PublisherOptions{});
    WISSEL_ASSERT_OK(publisher_->Connect());
    // Tests share the server: what they do not send themselves they must not see.
    Empty(shop_);
    Empty(customer_);
  }

  ServerLogin Imap(const std::string& user) {
    return {.host = "localhost",
            .port = imaps_port_,
            .security = Security::kTls,
            .ca_file = ca_file_,
            .user = user,
            .password = password_,
            .timeout = absl::Seconds(10)};
  }
  ServerLogin Smtp(const std::string& user) {
    ServerLogin login = Imap(user);
    login.port = smtp_port_;
    login.security = Security::kStartTls;
    return login;
  }
  std::unique_ptr<ImapConnection> Open(const std::string& user) {
    absl::StatusOr<std::unique_ptr<ImapConnection>> connection = ImapConnection::Open(Imap(user));
    EXPECT_THAT(connection, wissel::testing::IsOk());
    return *std::move(connection);
  }
  void Empty(const std::string& user) {
    const auto connection = Open(user);
    WISSEL_ASSERT_OK(connection->Select("INBOX", "$WisselDone"));
    WISSEL_ASSERT_OK_AND_ASSIGN(const auto uids, connection->Search("", std::nullopt));
    if (!uids.empty()) TestMailbox(Imap(user)).Empty("INBOX");
  }

  void Append(const std::vector<std::string>& mails, const std::string& folder = "INBOX") {
    for (const std::string& mail : mails) TestMailbox(Imap(shop_)).Append(folder, mail);
  }
  static std::string Simple(int number) {
    return absl::StrCat("From: Jan <jan@example.org>\r\nTo: support@shop.example\r\nSubject: mail ",
                        number, "\r\nMessage-ID: <", number, "@example.org>\r\n\r\nhello ", number,
                        "\r\n");
  }

  // The ingest half, as the app puts it together.
  struct Ingest {
    std::unique_ptr<MailIngest> taker;
    std::unique_ptr<MailboxReader> reader;
  };
  Ingest StartIngest(const std::string& folder = "INBOX", size_t max_mail_bytes = 2 << 20) {
    Ingest ingest;
    ingest.taker = std::make_unique<MailIngest>(MailIngestOptions{}, ShopMailbox(), &signer_,
                                                blobs_.get(), publisher_.get(), IngestMetrics());
    MailboxReaderOptions options{.account_id = "support",
                                 .login = Imap(shop_),
                                 .folder = folder,
                                 .state_file = folder_.Join("support.done"),
                                 .since = std::nullopt,
                                 .max_mail_bytes = max_mail_bytes,
                                 .batch_mails = kBatch};
    ingest.reader = MailboxReader::Start(std::move(options), ingest.taker.get(),
                                         telemetry::Logger(), IngestMetrics());
    return ingest;
  }
  Mailbox ShopMailbox() const {
    return {WorkspaceId("shop"), RoutingGroupId("main"), ChannelAccountId("support"), shop_};
  }

  // What the topic holds, after waiting until it is `count` records at least.
  template <class Record>
  std::vector<Record> Read(bus::Topic topic, size_t count) {
    std::vector<Record> records;
    std::vector<std::unique_ptr<bus::Reader>> readers;
    for (int partition = 0; partition < *bus_->PartitionCount(topic); ++partition) {
      readers.push_back(*bus_->OpenReader(topic, partition, {}));
    }
    const Timeout timeout(absl::Seconds(20));
    while (records.size() < count && !timeout.Expired()) {
      for (const auto& reader : readers) {
        const auto polled = reader->Poll(1'000, absl::Milliseconds(10));
        for (const bus::Record& record : *polled) {
          EXPECT_TRUE(records.emplace_back().ParseFromString(record.value));
        }
      }
    }
    EXPECT_GE(records.size(), count);
    return records;
  }
  std::vector<messagev1::InboundMessage> Inbound(size_t count) {
    return Read<messagev1::InboundMessage>(bus::Topic::kInbound, count);
  }

  // How often each message came, by its subject.
  static std::map<std::string, int> Subjects(
      const std::vector<messagev1::InboundMessage>& messages) {
    std::map<std::string, int> subjects;
    for (const auto& message : messages) ++subjects[message.subject()];
    return subjects;
  }

  // Waits until no message of the mailbox is without a mark.
  void WaitUntilMarked() {
    const auto connection = Open(shop_);
    WISSEL_ASSERT_OK(connection->Select("INBOX", "$WisselDone"));
    const Timeout timeout(absl::Seconds(20));
    while (!timeout.Expired()) {
      WISSEL_ASSERT_OK_AND_ASSIGN(const auto uids, connection->Search("$WisselDone", std::nullopt));
      if (uids.empty()) return;
      WISSEL_ASSERT_OK(connection->WaitForChange(absl::Seconds(1), absl::Milliseconds(50)));
    }
    FAIL() << "some mails were never marked";
  }

  // The mails in a mailbox, after waiting for `count`.
  std::vector<Mail> Mails(const std::string& user, size_t count) {
    const auto connection = Open(user);
    EXPECT_THAT(connection->Select("INBOX", "$WisselDone"), wissel::testing::IsOk());
    const Timeout timeout(absl::Seconds(20));
    std::vector<uint32_t> uids;
    while (uids.size() < count && !timeout.Expired()) {
      uids = *connection->Search("", std::nullopt);
      if (uids.size() < count) {
        EXPECT_THAT(connection->WaitForChange(absl::Seconds(1), absl::Milliseconds(50)),
                    wissel::testing::IsOk());
      }
    }
    EXPECT_EQ(uids.size(), count);
    std::vector<Mail> mails;
    if (uids.empty()) return mails;
    const auto fetched = connection->Fetch(uids, ImapConnection::Part::kWhole);
    for (const FetchedMail& mail : *fetched) {
      mails.push_back(*ParseMail(mail.bytes));
    }
    return mails;
  }

  OutgoingAccount ShopAccount() {
    return {
        .mailbox = ShopMailbox(), .from_name = "The Shop", .smtp = Smtp(shop_), .signer = &signer_};
  }
  channel::OutboundDelivery Delivery(const std::string& to, const std::string& outbound) {
    channel::OutboundDelivery delivery;
    delivery.outbound_id = outbound;
    delivery.conversation_id = kConversation;
    delivery.workspace_id = "shop";
    delivery.routing_group_id = "main";
    delivery.attempt = 1;
    delivery.message.mutable_account()->set_kind(wissel::common::v1::CHANNEL_KIND_EMAIL);
    delivery.message.mutable_account()->set_account_id("support");
    delivery.message.mutable_recipient()->set_address(to);
    delivery.message.set_subject("Re: your order");
    delivery.message.add_contents()->mutable_text()->set_text("It is on its way.\n.\nThe Shop");
    return delivery;
  }
  channel::SendOutcome SendOne(const channel::OutboundDelivery& delivery, OutgoingAccount account) {
    channel::SendOutcome result;
    Notification done;
    MailSender sender({}, {std::move(account)}, blobs_.get(), &clock_, {});
    sender.Send(delivery, [&](channel::SendOutcome outcome) {
      result = std::move(outcome);
      done.Notify();
    });
    done.Wait();
    return result;
  }

  static constexpr char kConversation[] = "5d3f6c7a-8b9c-5d0e-8f1a-fedcba987654";
  const SystemClock clock_;
  const wissel::testing::TempDir folder_;
  std::string shop_;
  std::string customer_;
  std::string ca_file_;
  std::string password_;
  uint16_t imaps_port_ = 0;
  uint16_t smtp_port_ = 0;
  ThreadSigner signer_ = *ThreadSigner::Create(WorkspaceId("shop"), {"a key of 16 bytes"});
  std::unique_ptr<bus::Bus> bus_;
  std::unique_ptr<channel::BlobStore> blobs_;
  std::unique_ptr<channel::Publisher> publisher_;
};

TEST_F(EmailIntegrationTest, LogsInOnlyToAServerThatItCanTrust) {
  WISSEL_EXPECT_OK(ImapConnection::Open(Imap(shop_)));
  ServerLogin starttls = Imap(shop_);
  starttls.security = Security::kStartTls;
  WISSEL_TEST_ENV(imap, "WISSEL_TEST_IMAP");
  starttls.port = HostPort(imap).second;
  WISSEL_EXPECT_OK(ImapConnection::Open(starttls));

  ServerLogin login = Imap(shop_);
  login.ca_file.clear();  // the system's authorities have not signed it
  EXPECT_THAT(
      ImapConnection::Open(login),
      wissel::testing::StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("certificate")));
  login = Imap(shop_);
  login.host = "127.1";  // the same server by a name that its certificate does not have
  EXPECT_THAT(ImapConnection::Open(login),
              wissel::testing::StatusIs(absl::StatusCode::kUnauthenticated, HasSubstr("mismatch")));
  login = Imap(shop_);
  login.password = "wrong";
  EXPECT_THAT(ImapConnection::Open(login),
              wissel::testing::StatusIs(absl::StatusCode::kUnauthenticated));
}

TEST_F(EmailIntegrationTest, CatchesUpWithABacklogInOrderAndMarksIt) {
  std::vector<std::string> mails;
  for (int i = 0; i < 40; ++i) mails.push_back(Simple(i));
  Append(mails);
  const Ingest ingest = StartIngest();
  const auto messages = Inbound(40);
  WaitUntilMarked();
  ASSERT_EQ(messages.size(), 40u);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(messages[i].subject(), absl::StrCat("mail ", i));
  EXPECT_EQ(messages[0].contents(0).text().text(), "hello 0");
  EXPECT_EQ(messages[0].account().account_id(), "support");
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::string raw, blobs_->Get(messages[0].raw().blob_id()));
  EXPECT_EQ(raw, Simple(0));
}

TEST_F(EmailIntegrationTest, LosesNothingOverRestarts) {
  for (int round = 0; round < 4; ++round) {
    std::vector<std::string> mails;
    for (int i = 0; i < 20; ++i) mails.push_back(Simple(round * 20 + i));
    Append(mails);
    const Ingest ingest = StartIngest();
    // Ends somewhere in the middle of the batch of seven.
    Inbound(static_cast<size_t>(round * 20 + 5));
  }
  const Ingest ingest = StartIngest();
  WaitUntilMarked();
  const std::map<std::string, int> subjects = Subjects(Inbound(80));
  EXPECT_EQ(subjects.size(), 80u);
  std::set<std::string> ids;
  for (const auto& message : Inbound(80)) ids.insert(message.envelope().id());
  EXPECT_EQ(ids.size(), 80u);
}

TEST_F(EmailIntegrationTest, HearsOfANewMailAtOnce) {
  const Ingest ingest = StartIngest();
  Append({Simple(1)});
  EXPECT_THAT(Inbound(1), ::testing::SizeIs(1));
  WaitUntilMarked();
  // Now it waits in IDLE.
  absl::SleepFor(absl::Milliseconds(200));
  const absl::Time start = absl::Now();
  Append({Simple(2)});
  EXPECT_THAT(Inbound(2), ::testing::SizeIs(2));
  EXPECT_LT(absl::Now() - start, absl::Seconds(5));
  RecordProperty("idle_latency_ms",
                 static_cast<int>(absl::ToInt64Milliseconds(absl::Now() - start)));
}

TEST_F(EmailIntegrationTest, AMailThatCannotBeReadDoesNotStopTheOthers) {
  std::string control = Simple(4);
  control.insert(control.size() - 4, 1, '\x01');
  const std::string poison = "Subject: from nobody\r\n\r\nhello\r\n";
  const std::string large =
      absl::StrCat("From: a@b.example\r\nSubject: large\r\n\r\n", std::string(70, 'x'), "\r\n",
                   std::string(3'000'000, 'y'), "\r\n");
  Append({Simple(1), poison, Simple(2), large, Simple(3), control});
  const Ingest ingest = StartIngest();
  const auto messages = Inbound(5);
  WaitUntilMarked();
  EXPECT_THAT(Subjects(messages),
              UnorderedElementsAre(::testing::Pair("mail 1", 1), ::testing::Pair("mail 2", 1),
                                   ::testing::Pair("mail 3", 1), ::testing::Pair("mail 4", 1),
                                   ::testing::Pair("large", 1)));
  for (const auto& message : messages) {
    if (message.subject() != "large") continue;
    EXPECT_THAT(message.contents(0).media().unavailable_reason(), HasSubstr("too large"));
  }
  const auto letters = Read<wissel::deadletter::v1::DeadLetter>(bus::Topic::kDeadLetter, 1);
  ASSERT_EQ(letters.size(), 1u);
  EXPECT_EQ(letters[0].raw(), poison);
  EXPECT_THAT(letters[0].detail(), HasSubstr("no sender"));
  EXPECT_THAT(letters[0].origin().provider().reference(), HasSubstr("INBOX;uidvalidity="));
}

// As large as a provider lets it be, and as many parts as somebody makes of it.
TEST_F(EmailIntegrationTest, TakesTheLargestMailsWholeAndTheNextOneToo) {
  std::string film;
  for (int line = 0; line < 390'000; ++line) film += std::string(76, 'A') + "\r\n";
  const std::string large = absl::StrCat(
      "From: a@b.example\r\nSubject: film\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nlook\r\n--x\r\n"
      "Content-Type: video/mp4; name=film.mp4\r\nContent-Transfer-Encoding: base64\r\n\r\n",
      film, "--x--\r\n");
  ASSERT_GT(large.size(), 30'000'000u);
  std::string parts =
      "From: a@b.example\r\nSubject: parts\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/mixed; boundary=x\r\n\r\n";
  for (int part = 0; part < 10'000; ++part) {
    absl::StrAppend(&parts, "--x\r\nContent-Type: image/png\r\n\r\n", part, "\r\n");
  }
  parts += "--x--\r\n";
  Append({large, parts, Simple(1)});
  const Ingest ingest = StartIngest("INBOX", kDefaultMaxMailBytes);
  const auto messages = Inbound(3);
  WaitUntilMarked();
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_THAT(Subjects(messages),
              UnorderedElementsAre(::testing::Pair("film", 1), ::testing::Pair("parts", 1),
                                   ::testing::Pair("mail 1", 1)));
  for (const auto& message : messages) {
    WISSEL_ASSERT_OK_AND_ASSIGN(const std::string raw, blobs_->Get(message.raw().blob_id()));
    if (message.subject() == "film") {
      EXPECT_EQ(raw, large);
      ASSERT_EQ(message.contents_size(), 2);
      const messagev1::Media& media = message.contents(1).media();
      EXPECT_EQ(media.blob().size_bytes(), 390'000 * 57);
      EXPECT_EQ(blobs_->Get(media.blob().blob_id())->size(), 390'000u * 57);
    }
    if (message.subject() == "parts") {
      EXPECT_EQ(raw, parts);
      EXPECT_THAT(message.contents(message.contents_size() - 1).unsupported().provider_type(),
                  HasSubstr("further parts of the mail"));
    }
  }
}

// In the middle of a backlog, and while more mails arrive.
TEST_F(EmailIntegrationTest, LosesNothingWhileTheMailServerIsAway) {
  WISSEL_TEST_ENV(kill, "WISSEL_TEST_DOVECOT_KILL");
  WISSEL_TEST_ENV(restart, "WISSEL_TEST_DOVECOT_RESTART");
  WISSEL_TEST_ENV(mx, "WISSEL_TEST_MX");
  wissel::testing::UnacknowledgedBus holding(*bus_);
  publisher_ = std::make_unique<channel::Publisher>(&holding, &clock_, channel::PublisherOptions{});
  WISSEL_ASSERT_OK(publisher_->Connect());
  const absl::Cleanup without = [this] { publisher_ = nullptr; };
  std::vector<std::string> mails;
  for (int i = 0; i < 40; ++i) mails.push_back(Simple(i));
  Append(mails);
  const Ingest ingest = StartIngest();
  const absl::Cleanup answer = [&holding] { holding.HoldNoMore(); };
  // One batch is in the log, and its mails have no marks when the server goes.
  ASSERT_TRUE(holding.WaitForHeld(kBatch));
  ASSERT_EQ(std::system(kill.c_str()), 0);
  holding.HoldNoMore();
  const Timeout limit(absl::Seconds(60));
  while (ingest.reader->health().ok() && !limit.Expired()) absl::SleepFor(absl::Milliseconds(10));
  EXPECT_FALSE(ingest.reader->health().ok());
  EXPECT_THAT(Inbound(kBatch), ::testing::SizeIs(kBatch));
  ServerLogin elsewhere{
      .host = "127.0.0.1", .port = HostPort(mx).second, .security = Security::kNone};
  SmtpConnection from_elsewhere(elsewhere);
  for (int i = 40; i < 45; ++i) {
    const SmtpReply reply = from_elsewhere.Send({.from = customer_, .to = shop_}, Simple(i));
    EXPECT_EQ(reply.kind, SmtpReply::Kind::kAccepted) << reply.text;
  }
  ASSERT_EQ(std::system(restart.c_str()), 0);
  WaitUntilMarked();
  const auto messages = Inbound(45);
  EXPECT_EQ(messages.size(), 45u) << "what could not be marked in time is not read again";
  EXPECT_EQ(Subjects(messages).size(), 45u);
  WISSEL_EXPECT_OK(ingest.reader->health());
}

TEST_F(EmailIntegrationTest, ReadsAMailboxThatWasMadeAnew) {
  TestMailbox mailbox(Imap(shop_));
  mailbox.Remove("Restored");
  mailbox.Create("Restored");
  Append({Simple(1), Simple(2)}, "Restored");
  {
    const Ingest ingest = StartIngest("Restored");
    EXPECT_THAT(Inbound(2), ::testing::SizeIs(2));
  }
  // As from a backup: the same mails and one more, other UIDs, no marks. Dovecot's UIDVALIDITY is
  // the time.
  absl::SleepFor(absl::Milliseconds(1100));
  ASSERT_TRUE(mailbox.Remove("Restored"));
  mailbox.Create("Restored");
  Append({Simple(2), Simple(3), Simple(1)}, "Restored");
  const Ingest ingest = StartIngest("Restored");
  const auto messages = Inbound(5);
  EXPECT_EQ(messages.size(), 5u);
  std::map<std::string, std::set<std::string>> ids;
  for (const auto& message : messages) ids[message.subject()].insert(message.envelope().id());
  EXPECT_EQ(ids.size(), 3u);
  // What came twice came under the same id.
  for (const auto& [subject, of_subject] : ids) EXPECT_EQ(of_subject.size(), 1u) << subject;
}

TEST_F(EmailIntegrationTest, AnAnswerArrivesAndItsAnswerFindsTheConversation) {
  const std::string outbound = RandomUuid();
  channel::OutboundDelivery delivery = Delivery(customer_, outbound);
  WISSEL_ASSERT_OK_AND_ASSIGN(const auto blob, blobs_->Put("%PDF", {}));
  messagev1::Media* media = delivery.message.add_contents()->mutable_media();
  *media->mutable_blob() = blob;
  media->mutable_blob()->set_content_type("application/pdf");
  media->mutable_blob()->set_file_name("factuur €.pdf");
  delivery.message.set_in_reply_to_provider_message_id("1@example.org");
  delivery.message.add_reference_provider_message_ids("1@example.org");
  const channel::SendOutcome outcome = SendOne(delivery, ShopAccount());
  ASSERT_EQ(outcome.kind, channel::SendOutcome::Kind::kAccepted) << outcome.error.detail();

  const std::vector<Mail> mails = Mails(customer_, 1);
  ASSERT_EQ(mails.size(), 1u);
  const Mail& mail = mails[0];
  EXPECT_EQ(mail.message_id, outcome.provider_message_id);
  EXPECT_EQ(mail.from[0].name, "The Shop");
  EXPECT_EQ(mail.subject, "Re: your order");
  EXPECT_EQ(mail.in_reply_to, std::vector<std::string>{"1@example.org"});
  EXPECT_EQ(mail.bodies[0].plain, "It is on its way.\n.\nThe Shop\n");
  ASSERT_EQ(mail.attachments.size(), 1u);
  EXPECT_EQ(mail.attachments[0].file_name, "factuur €.pdf");
  EXPECT_EQ(mail.attachments[0].bytes, "%PDF");

  // The customer answers: once as mail clients do, once with nothing kept but the address.
  const Ingest ingest = StartIngest();
  SmtpConnection customer(Smtp(customer_));
  MailDraft answer{.message_id = RandomUuid() + "@example.org",
                   .outbound_id = "",
                   .date = absl::Now(),
                   .from_name = "Jan",
                   .from_address = customer_,
                   .reply_to = "",
                   .to_name = "",
                   .to_address = shop_,
                   .subject = "by reference",
                   .in_reply_to = mail.message_id,
                   .references = {mail.message_id},
                   .text = "Thank you"};
  ASSERT_EQ(customer.Send({.from = customer_, .to = shop_}, ComposeMail(answer)).kind,
            SmtpReply::Kind::kAccepted);
  answer.message_id = RandomUuid() + "@example.org";
  answer.subject = "by address";
  answer.in_reply_to.clear();
  answer.references.clear();
  ASSERT_EQ(mail.reply_to.size(), 1u);
  answer.to_address = mail.reply_to[0].address;
  ASSERT_EQ(customer.Send({.from = customer_, .to = answer.to_address}, ComposeMail(answer)).kind,
            SmtpReply::Kind::kAccepted);
  const auto messages = Inbound(2);
  EXPECT_THAT(Subjects(messages), UnorderedElementsAre(::testing::Pair("by reference", 1),
                                                       ::testing::Pair("by address", 1)));
  for (const auto& message : messages) {
    EXPECT_EQ(message.thread().conversation_id(), kConversation) << message.subject();
    EXPECT_EQ(message.sender().address(), customer_);
  }
}

TEST_F(EmailIntegrationTest, TellsRefusedForNowFromRefusedForGood) {
  channel::SendOutcome outcome = SendOne(Delivery("busy@example.org", RandomUuid()), ShopAccount());
  EXPECT_EQ(outcome.kind, channel::SendOutcome::Kind::kRetry);
  EXPECT_EQ(outcome.error.provider_code(), "450");
  outcome = SendOne(Delivery("bounce@example.org", RandomUuid()), ShopAccount());
  EXPECT_EQ(outcome.kind, channel::SendOutcome::Kind::kFailed);
  EXPECT_EQ(outcome.error.provider_code(), "550");
  EXPECT_THAT(outcome.error.detail(), HasSubstr("no such mailbox"));
  OutgoingAccount account = ShopAccount();
  account.smtp.password = "wrong";
  EXPECT_EQ(SendOne(Delivery(customer_, RandomUuid()), account).kind,
            channel::SendOutcome::Kind::kReauthorise);
  account = ShopAccount();
  account.smtp.ca_file.clear();
  EXPECT_EQ(SendOne(Delivery(customer_, RandomUuid()), account).kind,
            channel::SendOutcome::Kind::kReauthorise);
}

TEST_F(EmailIntegrationTest, ABounceOfOurMailBecomesAReceipt) {
  const Ingest ingest = StartIngest();
  const std::string outbound = RandomUuid();
  ASSERT_EQ(SendOne(Delivery("gone@example.org", outbound), ShopAccount()).kind,
            channel::SendOutcome::Kind::kAccepted);
  const auto receipts = Read<receiptv1::Receipt>(bus::Topic::kReceipts, 1);
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_EQ(receipts[0].provider_status().outbound_id(), outbound);
  EXPECT_EQ(receipts[0].provider_status().state(), receiptv1::DELIVERY_STATE_FAILED);
  const auto messages = Inbound(1);
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].automation(), messagev1::AUTOMATION_BOUNCE);
  EXPECT_EQ(messages[0].thread().conversation_id(), kConversation);
}

TEST_F(EmailIntegrationTest, DeliversWhatTheLogAsksFor) {
  MailSender sender({}, {ShopAccount()}, blobs_.get(), &clock_, {});
  channel::testing::TinyRouter router(bus_.get());
  telemetry::Registry registry;
  telemetry::Readiness readiness;
  channel::DelivererOptions options;
  options.kind = wissel::common::v1::CHANNEL_KIND_EMAIL;
  options.deliverer_id = "test";
  options.policy.initial_backoff = absl::Milliseconds(50);
  const auto deliverer = channel::Deliverer::Start(options, bus_.get(), &sender, &clock_,
                                                   telemetry::Logger(), &registry, &readiness);
  const std::string sent = RandomUuid();
  const std::string refused = RandomUuid();
  router.Reply("shop/main", kConversation, sent, Delivery(customer_, sent).message);
  router.Reply("shop/main", RandomUuid(), refused, Delivery("bounce@example.org", refused).message);
  EXPECT_TRUE(router.WaitFor(sent, receiptv1::DELIVERY_STATE_SENT));
  EXPECT_TRUE(router.WaitFor(refused, receiptv1::DELIVERY_STATE_FAILED));
  const std::vector<Mail> mails = Mails(customer_, 1);
  ASSERT_EQ(mails.size(), 1u);
  EXPECT_EQ(signer_.CheckMessageId(mails[0].message_id)->outbound.value(), sent);
  deliverer->Drain(absl::Seconds(5));
}

TEST_F(EmailIntegrationTest, RunsAsItsConfigurationSays) {
  const auto write = [this](const std::string& name, const std::string& text) {
    std::ofstream(folder_.Join(name)) << text << "\n";
    return folder_.Join(name);
  };
  const std::string password = write("password", password_);
  const std::string key = write("key", "a key of 16 bytes");
  EmailSettings settings;
  WISSEL_ASSERT_OK(config::LoadText(
      [&](config::Binder& b) { settings.Describe(b); },
      absl::StrCat("state_folder: ", folder_.Join("state"), "\nblobs: {folder: ",
                   folder_.Join("app-blobs"), "}\nthread_keys:\n  - key: {file: ", key,
                   "}\naccounts:\n  - workspace_id: shop\n    routing_group_id: main\n"
                   "    account_id: support\n    address: ",
                   shop_,
                   "\n    display_name: The Shop\n    imap:\n      host: localhost\n"
                   "      port: ",
                   imaps_port_, "\n      ca_file: ", ca_file_, "\n      user: ", shop_,
                   "\n      password: {file: ", password,
                   "}\n    smtp:\n      host: localhost\n"
                   "      port: ",
                   smtp_port_, "\n      security: starttls\n      ca_file: ", ca_file_,
                   "\n      user: ", shop_, "\n      password: {file: ", password, "}\n"),
      "email.yaml"));
  telemetry::Registry registry;
  telemetry::Readiness readiness;
  telemetry::Endpoint endpoint(registry, readiness);
  absl::Status failure;
  const service::Context context{
      clock_,   telemetry::Logger(),
      registry, readiness,
      endpoint, [&](absl::Status status) { failure = std::move(status); }};
  WISSEL_ASSERT_OK_AND_ASSIGN(const std::unique_ptr<service::App> app,
                              StartOn(*bus_, std::nullopt, settings, context));
  channel::testing::TinyRouter router(bus_.get());
  Append({Simple(1)});
  EXPECT_THAT(Inbound(1), ::testing::SizeIs(1));
  const std::string outbound = RandomUuid();
  router.Reply("shop/main", kConversation, outbound, Delivery(customer_, outbound).message);
  EXPECT_TRUE(router.WaitFor(outbound, receiptv1::DELIVERY_STATE_SENT));
  EXPECT_THAT(Mails(customer_, 1), ::testing::SizeIs(1));
  WaitUntilMarked();
  EXPECT_TRUE(readiness.Ready()) << readiness.ToJson();
  EXPECT_THAT(
      registry.Expose(),
      HasSubstr("wissel_email_mailbox_connected{account=\"support\",workspace=\"shop\"} 1"));
  EXPECT_THAT(registry.Expose(), HasSubstr("outcome=\"message\",workspace=\"shop\"} 1"));
  WISSEL_EXPECT_OK(app->Drain(absl::Seconds(5)));
  WISSEL_EXPECT_OK(failure);
}

}  // namespace
}  // namespace wissel::email
