#include "services/ctl/desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/testing/status_matchers.h"

namespace wissel::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::wissel::testing::IsOk;
using ::wissel::testing::StatusIs;

constexpr char kFirst[] = "11111111-0000-5000-8000-000000000001";
constexpr char kSecond[] = "22222222-0000-5000-8000-000000000002";
constexpr char kOfferOne[] = "aaaaaaaa-0000-5000-8000-000000000001";
constexpr char kOfferTwo[] = "bbbbbbbb-0000-5000-8000-000000000002";

class DeskTest : public ::testing::Test {
 protected:
  void Offer(const char* conversation, const char* offer, int64_t expires,
             const char* agent = "anna") {
    agent::v1::ConnectResponse r;
    r.mutable_events()->set_cursor("c1");
    auto* e = r.mutable_events()->add_events()->mutable_offered();
    e->set_conversation_id(conversation);
    e->set_offer_id(offer);
    e->set_agent_id(agent);
    e->mutable_expire_time()->set_seconds(expires);
    desk_.Apply(r);
  }
  void Assign(const char* conversation, const char* agent) {
    agent::v1::ConnectResponse r;
    auto* e = r.mutable_events()->add_events()->mutable_assigned();
    e->set_conversation_id(conversation);
    e->set_agent_id(agent);
    desk_.Apply(r);
  }

  Desk desk_{"anna"};
};

TEST_F(DeskTest, AcceptTakesTheOfferThatExpiresFirst) {
  EXPECT_THAT(desk_.Parse("accept"), StatusIs(absl::StatusCode::kNotFound));
  Offer(kFirst, kOfferOne, 100);
  Offer(kSecond, kOfferTwo, 50);
  const auto command = desk_.Parse("accept");
  ASSERT_THAT(command, IsOk());
  EXPECT_EQ(command->accept_offer().offer_id(), kOfferTwo);
  EXPECT_EQ(command->accept_offer().agent_id(), "anna");
}

TEST_F(DeskTest, OffersAreNamedByTheirOwnOrTheirConversationsBeginning) {
  Offer(kFirst, kOfferOne, 100);
  Offer(kSecond, kOfferTwo, 50);
  EXPECT_EQ(desk_.Parse("accept aaaa")->accept_offer().offer_id(), kOfferOne);
  EXPECT_EQ(desk_.Parse("accept 2222")->accept_offer().offer_id(), kOfferTwo);
  const auto declined = desk_.Parse("decline 1 not my language");
  EXPECT_EQ(declined->decline_offer().offer_id(), kOfferOne);
  EXPECT_EQ(declined->decline_offer().reason(), "not my language");
  EXPECT_THAT(desk_.Parse("accept 9"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DeskTest, AnIdThatFitsSeveralIsRefused) {
  Offer("11111111-x", kOfferOne, 100);
  Offer("11111111-y", kOfferTwo, 100);
  EXPECT_THAT(desk_.Parse("accept 1"), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(desk_.Parse("note @1 x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(DeskTest, OtherAgentsOffersAreNotOnTheDesk) {
  Offer(kFirst, kOfferOne, 100, "bram");
  EXPECT_TRUE(desk_.items().empty());
}

TEST_F(DeskTest, WhatIsAssignedIsInHandUntilItLeaves) {
  EXPECT_THAT(desk_.Parse("reply Hoi"), StatusIs(absl::StatusCode::kNotFound));
  Offer(kFirst, kOfferOne, 100);
  Assign(kFirst, "anna");
  const auto reply = desk_.Parse("reply Dag Jan,\\nhij komt morgen.");
  ASSERT_THAT(reply, IsOk());
  EXPECT_EQ(reply->send_reply().conversation_id(), kFirst);
  EXPECT_EQ(reply->send_reply().message().contents(0).text().text(), "Dag Jan,\nhij komt morgen.");
  EXPECT_THAT(desk_.Parse("accept"), StatusIs(absl::StatusCode::kNotFound));
  Assign(kFirst, "bram");
  EXPECT_THAT(desk_.Parse("reply Hoi"), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DeskTest, AtNamesAConversation) {
  Offer(kFirst, kOfferOne, 100);
  Assign(kFirst, "anna");
  Offer(kSecond, kOfferTwo, 100);
  Assign(kSecond, "anna");
  EXPECT_EQ(desk_.Parse("note text")->add_note().conversation_id(), kSecond);
  EXPECT_EQ(desk_.Parse("note @1111 text")->add_note().conversation_id(), kFirst);
  ASSERT_THAT(desk_.Use("1111"), IsOk());
  const auto transfer = desk_.Parse("transfer queue en wants English");
  EXPECT_EQ(transfer->transfer().conversation_id(), kFirst);
  EXPECT_EQ(transfer->transfer().queue_id(), "en");
  EXPECT_EQ(transfer->transfer().note(), "wants English");
  // A whole id that is not on the desk is the router's to judge.
  const std::string other = "33333333-0000-5000-8000-000000000003";
  EXPECT_EQ(desk_.Parse("reopen @" + other)->reopen().conversation_id(), other);
}

TEST_F(DeskTest, WhatGoesBesideTheQueuesWay) {
  Offer(kFirst, kOfferOne, 100);
  Assign(kFirst, "anna");
  const std::string other = "33333333-0000-5000-8000-000000000003";
  EXPECT_EQ(desk_.Parse("pull " + other)->pull().conversation_id(), other);
  EXPECT_EQ(desk_.Parse("pull " + other)->pull().agent_id(), "anna");
  const auto consult = desk_.Parse("consult bram Weet jij dit?");
  EXPECT_EQ(consult->consult().conversation_id(), kFirst);
  EXPECT_EQ(consult->consult().agent_id(), "bram");
  EXPECT_EQ(consult->consult().note(), "Weet jij dit?");
  EXPECT_EQ(desk_.Parse("end-consult")->end_consult().agent_id(), "anna");
  EXPECT_TRUE(desk_.Parse("reassign bram over-capacity")->reassign().over_capacity());
  EXPECT_FALSE(desk_.Parse("reassign bram")->reassign().over_capacity());
  EXPECT_EQ(desk_.Parse("update priority -20")->update_conversation().priority_points(), -20);
  EXPECT_EQ(desk_.Parse("update tier gold")->update_conversation().facts().tier(), "gold");
  EXPECT_EQ(desk_.Parse("logout bram end of shift")->force_logout().reason(), "end of shift");
  const auto transfer = desk_.Parse("transfer queue en keep-place wants English");
  EXPECT_TRUE(transfer->transfer().keep_place());
  EXPECT_EQ(transfer->transfer().note(), "wants English");
  const auto handed = desk_.Parse("transfer agent bram keep-place wants Dutch");
  EXPECT_TRUE(handed->transfer().keep_place());
  EXPECT_EQ(handed->transfer().note(), "wants Dutch");
  EXPECT_EQ(desk_.Parse("finish")->end_wrap_up().conversation_id(), "");
  EXPECT_TRUE(desk_.Parse("park on-hold")->park().on_hold());
  EXPECT_FALSE(desk_.Parse("park")->park().on_hold());
  const auto merge = desk_.Parse(absl::StrCat("merge ", kSecond));
  EXPECT_EQ(merge->merge_conversation().conversation_id(), kFirst);
  EXPECT_EQ(merge->merge_conversation().into_conversation_id(), kSecond);
}

TEST_F(DeskTest, AConversationThatOneIsConsultedOnStaysUntilThatIsOver) {
  const auto apply = [&](auto fill) {
    agent::v1::ConnectResponse r;
    fill(*r.mutable_events()->add_events());
    return desk_.Apply(r);
  };
  const auto lines = apply([](conversation::v1::Event& event) {
    event.mutable_consult_started()->set_conversation_id(kFirst);
    event.mutable_consult_started()->set_agent_id("anna");
    event.mutable_consult_started()->set_note("Weet jij dit?");
    event.mutable_consult_started()->mutable_actor()->set_agent_id("bram");
  });
  EXPECT_THAT(lines[0], HasSubstr("Weet jij dit?"));
  EXPECT_EQ(desk_.in_hand(), kFirst);
  EXPECT_EQ(desk_.Parse("note Ja.")->add_note().conversation_id(), kFirst);
  EXPECT_EQ(desk_.Parse("end-consult")->end_consult().agent_id(), "anna");
  // It goes from hand to hand, and she still looks on.
  apply([](auto& event) { event.mutable_queued()->set_conversation_id(kFirst); });
  Assign(kFirst, "carol");
  EXPECT_THAT(desk_.List()[0], HasSubstr("looking on, with carol"));
  apply([](auto& event) {
    event.mutable_consult_ended()->set_conversation_id(kFirst);
    event.mutable_consult_ended()->set_agent_id("anna");
  });
  EXPECT_TRUE(desk_.items().empty());
}

TEST_F(DeskTest, WhoHasAConversationKeepsItWhenTheirConsultIsOver) {
  Offer(kFirst, kOfferOne, 100);
  Assign(kFirst, "anna");
  agent::v1::ConnectResponse r;
  auto* started = r.mutable_events()->add_events()->mutable_consult_started();
  started->set_conversation_id(kFirst);
  started->set_agent_id("bram");
  auto* ended = r.mutable_events()->add_events()->mutable_consult_ended();
  ended->set_conversation_id(kFirst);
  ended->set_agent_id("anna");
  desk_.Apply(r);
  EXPECT_EQ(desk_.items().size(), 1);
}

TEST_F(DeskTest, RoutingGroupsAreKeptApart) {
  const auto snapshot = [&](const char* group, const char* conversation, const char* cursor) {
    agent::v1::ConnectResponse r;
    r.mutable_snapshot()->set_routing_group_id(group);
    r.mutable_snapshot()->set_cursor(cursor);
    r.mutable_snapshot()->add_items()->mutable_conversation()->set_conversation_id(conversation);
    desk_.Apply(r);
  };
  snapshot("main", kFirst, "c1");
  snapshot("west", kSecond, "c2");
  EXPECT_EQ(desk_.items().size(), 2);
  snapshot("west", kSecond, "c3");
  EXPECT_EQ(desk_.items().size(), 2) << "only the west was shown anew";
  EXPECT_EQ(desk_.cursors(), (std::map<std::string, std::string>{{"main", "c1"}, {"west", "c3"}}));
  EXPECT_EQ(desk_.Parse("note @1111 text")->envelope().routing_group_id(), "main");
  EXPECT_EQ(desk_.Parse("note @2222 text")->envelope().routing_group_id(), "west");
  EXPECT_EQ(desk_.Parse("available")->envelope().routing_group_id(), "");
}

TEST_F(DeskTest, WordsThatAreNotRight) {
  Offer(kFirst, kOfferOne, 100);
  Assign(kFirst, "anna");
  for (const char* line : {"",
                           "dance",
                           "reply",
                           "note",
                           "transfer",
                           "transfer queue",
                           "transfer to x",
                           "capacity many",
                           "settle x y",
                           "reply @",
                           "consult",
                           "reassign",
                           "reassign bram now",
                           "logout",
                           "update tier",
                           "update priority high",
                           "update mood good",
                           "park away",
                           "merge",
                           "pull",
                           "reply @ text"}) {
    EXPECT_THAT(desk_.Parse(line), StatusIs(absl::StatusCode::kInvalidArgument)) << line;
  }
}

TEST_F(DeskTest, ACallbackIsOwedUntilAnAgentAnswers) {
  agent::v1::ConnectResponse r;
  auto& c = *r.mutable_snapshot()->add_items()->mutable_conversation();
  c.set_conversation_id(kFirst);
  c.set_status(state::v1::CONVERSATION_STATUS_ACTIVE);
  c.set_agent_id("anna");
  c.mutable_callback_request_time()->set_seconds(1);
  desk_.Apply(r);
  EXPECT_THAT(desk_.List()[0], HasSubstr("active, callback owed"));
  agent::v1::ConnectResponse answer;
  auto& sent = *answer.mutable_events()->add_events()->mutable_reply_sent();
  sent.set_conversation_id(kFirst);
  // What the queue's rules send leaves it owed.
  desk_.Apply(answer);
  EXPECT_THAT(desk_.List()[0], HasSubstr("callback owed"));
  sent.mutable_actor()->set_subject("anna");
  desk_.Apply(answer);
  EXPECT_THAT(desk_.List()[0], Not(HasSubstr("callback owed")));
}

TEST_F(DeskTest, SnapshotReplacesEverything) {
  Offer(kFirst, kOfferOne, 100);
  agent::v1::ConnectResponse r;
  r.mutable_snapshot()->set_cursor("c7");
  auto* item = r.mutable_snapshot()->add_items();
  item->mutable_conversation()->set_conversation_id(kSecond);
  item->mutable_conversation()->set_status(state::v1::CONVERSATION_STATUS_ACTIVE);
  item->add_messages()->mutable_inbound()->add_contents()->mutable_text()->set_text("Waar is hij?");
  const auto lines = desk_.Apply(r);
  EXPECT_EQ(desk_.cursors().at(""), "c7");
  EXPECT_EQ(desk_.items().size(), 1);
  EXPECT_THAT(lines.back(), HasSubstr("Waar is hij?"));
}

}  // namespace
}  // namespace wissel::ctl
