#include "services/email/mail_ingest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wissel::email {
namespace {

TEST(DeadLetterOfTest, SaysWhereThatIsNotTheWholeMail) {
  const Mailbox mailbox{WorkspaceId("shop"), RoutingGroupId("nl"), ChannelAccountId("support"),
                        "shop@example.com"};
  const auto letter = [&](FoundMail::Kind kind) {
    return DeadLetterOf({.kind = kind, .reference = "INBOX;uidvalidity=1;uid=2", .bytes = "bytes"},
                        mailbox, {wissel::deadletter::v1::REASON_INVALID, "no sender"});
  };
  EXPECT_FALSE(letter(FoundMail::Kind::kWhole).truncated());
  EXPECT_TRUE(letter(FoundMail::Kind::kTooLarge).truncated());
  EXPECT_TRUE(letter(FoundMail::Kind::kUnreadable).truncated());
  const auto origin = letter(FoundMail::Kind::kWhole).origin().provider();
  EXPECT_EQ(origin.workspace_id(), "shop");
  EXPECT_EQ(origin.account_id(), "support");
  EXPECT_EQ(origin.reference(), "INBOX;uidvalidity=1;uid=2");
}

}  // namespace
}  // namespace wissel::email
