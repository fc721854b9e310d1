// What begins anew when a conversation waits again, and what goes on: its place, overflow,
// escalation, and who goes first.

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using conversation::v1::Queued;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

void Decline(Shop& shop, const std::string& id) {
  const std::string agent = shop.Conversation(id).offer().agent_id();
  Command decline = CommandBy(agent, absl::StrCat("decline ", shop.log().size()));
  decline.mutable_decline_offer()->set_agent_id(agent);
  decline.mutable_decline_offer()->set_offer_id(shop.Conversation(id).offer().offer_id());
  shop.Do(decline);
}

absl::Time PlaceOf(const Shop& shop, const std::string& id) {
  return FromProto(shop.Conversation(id).waiting_since());
}

// ---------------------------------------------------------------------------------------------
// The place

TEST(Transfer, ToAQueueKeepsThePlaceWhereAsked) {
  Shop shop;
  shop.Online("bram");
  const absl::Time place = shop.now;
  const std::string id = shop.Open("31600000001", "nl");
  shop.Do(shop.Accept(id));
  shop.now += absl::Minutes(1);
  Command transfer = CommandBy("bram", "transfer");
  transfer.mutable_transfer()->set_conversation_id(id);
  transfer.mutable_transfer()->set_queue_id("en");
  transfer.mutable_transfer()->set_keep_place(true);
  shop.Do(transfer);
  EXPECT_EQ(shop.Conversation(id).queue_id(), "en");
  EXPECT_EQ(PlaceOf(shop, id), place);
}

TEST(Transfer, ToAnAgentWhoDoesNotTakeItKeepsThePlaceWhereAsked) {
  for (const bool keeps : {true, false}) {
    for (const bool declines : {true, false}) {
      SCOPED_TRACE(absl::StrCat("keep_place ", keeps, ", declines ", declines));
      Shop shop;
      shop.Online("bram");
      const absl::Time arrived = shop.now;
      const std::string id = shop.Open("31600000001", "nl");
      shop.Do(shop.Accept(id));
      shop.Online("anna");
      WaitConnected(shop, absl::Minutes(1));
      const absl::Time transferred = shop.now;
      Command transfer = CommandBy("bram", "transfer");
      transfer.mutable_transfer()->set_conversation_id(id);
      transfer.mutable_transfer()->set_agent_id("anna");
      transfer.mutable_transfer()->set_keep_place(keeps);
      shop.Do(transfer);
      ASSERT_EQ(shop.Conversation(id).offer().agent_id(), "anna");
      if (declines) {
        shop.now += absl::Seconds(5);
        Decline(shop, id);
      } else {
        WaitConnected(shop, absl::Seconds(30));
      }
      EXPECT_NE(shop.Conversation(id).offer().agent_id(), "anna");
      EXPECT_EQ(PlaceOf(shop, id), keeps ? arrived : transferred);
    }
  }
}

}  // namespace
}  // namespace wissel::domain
