// Which conversation a mail belongs to.

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::Decision;
using domain::testing::Finished;
using domain::testing::OutboundOf;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Started;
using domain::testing::Text;

WorkspaceConfig MailConfig(bool joins) {
  WorkspaceConfig config = ShopConfig();
  config.mutable_conversations()->set_mail_joins_open_conversation(joins);
  return config;
}

message::v1::InboundMessage Mail(int n, const std::string& answers = "") {
  message::v1::InboundMessage mail = ByMail(Text("klant@example.org", n, "nl"));
  mail.mutable_thread()->set_in_reply_to_provider_message_id(answers);
  return mail;
}

// Where it went; opening one or not.
struct Went {
  std::string id;
  bool opens;
};
Went Receive(Shop& shop, const message::v1::InboundMessage& mail) {
  const Decision& decision = shop.Receive(mail);
  const bool opens = decision.events(0).has_conversation_opened();
  return {decision.events(opens ? 1 : 0).message_received().conversation_id(), opens};
}

TEST(Mail, ThatAnswersNothingJoinsTheOpenConversationUnlessToldOtherwise) {
  for (const WorkspaceConfig& config : {ShopConfig(), MailConfig(true)}) {
    Shop shop(config);
    const std::string first = Receive(shop, Mail(1)).id;
    const Went second = Receive(shop, Mail(2));
    EXPECT_FALSE(second.opens);
    EXPECT_EQ(second.id, first);
  }
}

TEST(Mail, ThatAnswersNothingOpensAConversationOfItsOwnWhereToldSo) {
  Shop shop(MailConfig(false));
  const std::string first = Receive(shop, Mail(1)).id;
  const Went second = Receive(shop, Mail(2));
  EXPECT_TRUE(second.opens);
  EXPECT_NE(second.id, first);
  EXPECT_EQ(shop.Conversation(first).status(), state::v1::CONVERSATION_STATUS_QUEUED);
  // One that answers something of nobody's does, too.
  EXPECT_TRUE(Receive(shop, Mail(3, "elsewhere@example.org")).opens);
}

TEST(Mail, OfAThreadStaysInItWhateverThePolicy) {
  for (const bool joins : {true, false}) {
    SCOPED_TRACE(joins);
    Shop shop(MailConfig(joins));
    shop.Online("bram");
    const std::string first = Receive(shop, Mail(1)).id;
    shop.Do(shop.Accept(first));
    const std::string out = OutboundOf(shop.Do(shop.Reply("bram", first)));
    shop.Report(Started(out, 1, "a"));
    shop.Report(Finished(out, "a", receipt::v1::DELIVERY_STATE_SENT));
    if (!joins) {
      EXPECT_TRUE(Receive(shop, Mail(2)).opens);
    }
    // Our answer, and what we signed.
    EXPECT_EQ(Receive(shop, Mail(3, absl::StrCat("out.", out))).id, first);
    message::v1::InboundMessage signed_by_us = Mail(4);
    signed_by_us.mutable_thread()->set_conversation_id(first);
    EXPECT_EQ(Receive(shop, signed_by_us).id, first);
  }
}

TEST(Mail, InWhichTheCustomerGoesOnFromTheirOwnStaysWithIt) {
  Shop shop(MailConfig(false));
  const message::v1::InboundMessage mail = Mail(1);
  const std::string first = Receive(shop, mail).id;
  const std::string second = Receive(shop, Mail(2)).id;
  ASSERT_NE(second, first);
  EXPECT_EQ(Receive(shop, Mail(3, mail.provider_message_id())).id, first);
  // Where it went.
  Command merge = BySupervisor("merge");
  merge.mutable_merge_conversation()->set_conversation_id(first);
  merge.mutable_merge_conversation()->set_into_conversation_id(second);
  shop.Do(merge);
  EXPECT_EQ(Receive(shop, Mail(4, mail.provider_message_id())).id, second);
  // And once that is over, anew, as ever.
  Command resolve = BySupervisor("resolve");
  resolve.mutable_resolve()->set_conversation_id(second);
  shop.Do(resolve);
  EXPECT_TRUE(Receive(shop, Mail(5, mail.provider_message_id())).opens);
}

TEST(Mail, OfAMachineJoinsWhateverThePolicy) {
  Shop shop(MailConfig(false));
  const std::string first = Receive(shop, Mail(1)).id;
  message::v1::InboundMessage away = Mail(2);
  away.set_automation(message::v1::AUTOMATION_AUTO_REPLY);
  EXPECT_EQ(Receive(shop, away).id, first);
}

TEST(Mail, ChatsAlwaysJoin) {
  Shop shop(MailConfig(false));
  const std::string first = shop.Open("31600000001", "nl");
  const Decision& second = shop.Receive(Text("31600000001", 77, "nl"));
  EXPECT_EQ(second.events(0).message_received().conversation_id(), first);
}

}  // namespace
}  // namespace wissel::domain
