#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/chaos/checkers.h"
#include "tests/chaos/checkers_fixture.h"

// Mail's books: a good history passes; each way in which one can be bad is planted and must be
// found.
namespace wissel::chaos {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kAnna[] = "customer+1@example.org";

Event RepliedByMail(const std::string& conversation, const std::string& outbound) {
  Event event = Replied(conversation, outbound);
  message::v1::OutboundMessage& mail = *event.mutable_reply_sent()->mutable_message();
  mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
  mail.mutable_recipient()->set_address(kAnna);
  return event;
}

// A mail, two answers, and a mail that answers the first of them.
class MailCheckersTest : public CheckersTest {
 protected:
  MailCheckersTest() {
    Decide({Opened("c"), Received("c", "m1")});
    Decide({RepliedByMail("c", "o1")}, "command-1");
    Decide({Delivery("c", "o1", DeliveryState::DELIVERY_STATE_SENT)});
    Decide({Received("c", "m2")});
    Decide({RepliedByMail("c", "o2")}, "command-2");
    Decide({Delivery("c", "o2", DeliveryState::DELIVERY_STATE_SENT)});
    Wrote("m1", 1);
    Wrote("m2", 2);
    history_.messages.back().answers = "o1";
    history_.mails_taken = {"m1", "id-o1", "m2", "id-o2"};
    history_.arrived = {{"o1", "id-o1", kAnna}, {"o2", "id-o2", kAnna}};
  }
  std::vector<Fault> Found() { return Faults(CheckMails(history_)); }
};

TEST_F(MailCheckersTest, PassesMailsThatArrivedOnce) {
  EXPECT_THAT(CheckMails(history_), IsEmpty());
  EXPECT_THAT(CheckMessages(history_), IsEmpty());
  // They are in the customers' mailbox, not in the provider's book.
  EXPECT_THAT(CheckReplies(history_), IsEmpty());
}

TEST_F(MailCheckersTest, FindsALostMail) {
  Wrote("m3", 3);
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kLost));
}

TEST_F(MailCheckersTest, FindsAMailReceivedTwice) {
  Decide({Received("d", "m1")});
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kDoubled));
}

TEST_F(MailCheckersTest, FindsMailsInAnotherOrderThanTheirMailbox) {
  history_.messages[0].step = 3;
  EXPECT_THAT(Faults(CheckMessages(history_)), ElementsAre(Fault::kOutOfOrder));
}

TEST_F(MailCheckersTest, FindsAnAnswerThatDidNotArrive) {
  history_.arrived.pop_back();
  EXPECT_THAT(Found(), ElementsAre(Fault::kLost));
}

TEST_F(MailCheckersTest, PassesAnAnswerThatTheLogSaysHasFailed) {
  history_.arrived.pop_back();
  Decide({Delivery("c", "o2", DeliveryState::DELIVERY_STATE_FAILED)});
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(MailCheckersTest, FindsAnAnswerThatAnotherCustomerGot) {
  history_.arrived[1].to = "customer+2@example.org";
  EXPECT_THAT(Found(), ElementsAre(Fault::kLost, Fault::kLost));
}

TEST_F(MailCheckersTest, FindsAnAnswerUnderTwoMessageIds) {
  Decide({Delivery("c", "o1", DeliveryState::DELIVERY_STATE_UNCERTAIN)});
  history_.arrived.push_back({"o1", "another", kAnna});
  history_.mails_taken.push_back("another");
  EXPECT_THAT(Faults(CheckMails(history_)), ElementsAre(Fault::kDoubled));
}

TEST_F(MailCheckersTest, FindsASecondCopyWithoutAReason) {
  history_.arrived.push_back(history_.arrived[0]);
  EXPECT_THAT(Found(), ElementsAre(Fault::kDoubled));
}

TEST_F(MailCheckersTest, PassesASecondCopyForEachUncertainOutcome) {
  history_.arrived.push_back(history_.arrived[0]);
  Decide({Delivery("c", "o1", DeliveryState::DELIVERY_STATE_UNCERTAIN)});
  EXPECT_THAT(Found(), IsEmpty());
  history_.arrived.push_back(history_.arrived[0]);
  EXPECT_THAT(Found(), ElementsAre(Fault::kDoubled));
}

TEST_F(MailCheckersTest, FindsAMailThatNobodyDecided) {
  history_.arrived.push_back({"o3", "id-o3", kAnna});
  EXPECT_THAT(Found(), ElementsAre(Fault::kDoubled));
}

TEST_F(MailCheckersTest, FindsAnAnswerByMailDecidedTwice) {
  Decide({RepliedByMail("c", "o1")}, "command-1");
  EXPECT_THAT(Faults(CheckReplies(history_)), ElementsAre(Fault::kDoubled));
}

TEST_F(MailCheckersTest, FindsAnswersThatWentOutInAnotherOrder) {
  history_.mails_taken = {"m1", "id-o2", "m2", "id-o1", "id-o2"};
  EXPECT_THAT(Found(), ElementsAre(Fault::kOutOfOrder));
}

TEST_F(MailCheckersTest, FindsAMailOutsideTheConversationThatItAnswers) {
  decision(4).mutable_events(0)->mutable_message_received()->set_conversation_id("d");
  EXPECT_THAT(Found(), ElementsAre(Fault::kLost));
}

}  // namespace
}  // namespace wissel::chaos
