#include "services/dev/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>

#include "libs/testing/temp_dir.h"

namespace wissel::dev {
namespace {

using channel::LookUpOutcome;
using channel::SendOutcome;
using ::testing::HasSubstr;
using ::testing::Not;

class OutboxTest : public ::testing::Test {
 protected:
  static channel::OutboundDelivery Delivery(const std::string& id, const std::string& text) {
    channel::OutboundDelivery d;
    d.outbound_id = id;
    d.conversation_id = "c1";
    d.message.mutable_recipient()->set_address("31612345678");
    d.message.mutable_account()->set_account_id("wa");
    d.message.add_contents()->mutable_text()->set_text(text);
    return d;
  }
  SendOutcome Send(const channel::OutboundDelivery& d) {
    SendOutcome outcome;
    sender_.Send(d, [&](SendOutcome o) { outcome = o; });
    return outcome;
  }
  LookUpOutcome LookUp(const channel::OutboundDelivery& d) {
    LookUpOutcome outcome;
    sender_.LookUp(d, [&](LookUpOutcome o) { outcome = o; });
    return outcome;
  }

  const wissel::testing::TempDir dir_;
  ManualClock clock_{absl::FromUnixSeconds(1'767'225'600)};
  OutboxSender sender_{dir_.path(), &clock_};
};

TEST_F(OutboxTest, AnAnswerSentTwiceIsThereOnceAndCanBeLookedUp) {
  const auto d = Delivery("o1", "Hoi");
  EXPECT_EQ(LookUp(d).kind, LookUpOutcome::Kind::kNotThere);
  EXPECT_EQ(Send(d).kind, SendOutcome::Kind::kAccepted);
  EXPECT_EQ(Send(d).provider_message_id, "outbox-o1");
  EXPECT_EQ(LookUp(d).kind, LookUpOutcome::Kind::kFound);
  EXPECT_EQ(LookUp(d).provider_message_id, "outbox-o1");
  const auto all = boost::json::parse(OutboxJson(dir_.path()));
  ASSERT_EQ(all.as_array().size(), 1);
  EXPECT_EQ(all.at(0).at("conversation_id").as_string(), "c1");
  EXPECT_EQ(all.at(0).at("message").at("contents").at(0).at("text").at("text").as_string(), "Hoi");
}

TEST_F(OutboxTest, NewestFirst) {
  Send(Delivery("o2", "first"));
  clock_.Advance(absl::Milliseconds(1));
  Send(Delivery("o1", "second"));
  const auto all = boost::json::parse(OutboxJson(dir_.path()));
  EXPECT_EQ(all.at(0).at("outbound_id").as_string(), "o1");
}

TEST_F(OutboxTest, ThePageRunsNothingThatAnAgentWrote) {
  Send(Delivery("o1", "<script>alert('x')</script>"));
  EXPECT_THAT(OutboxHtml(dir_.path()), HasSubstr("&lt;script&gt;alert(&#39;x&#39;)"));
  EXPECT_THAT(OutboxHtml(dir_.path()), Not(HasSubstr("<script>")));
}

TEST_F(OutboxTest, WhatIsNotAnAnswerIsLeftOut) {
  std::ofstream(dir_.path() + "/half.json") << "{\"outbound_id\":";
  std::ofstream(dir_.path() + "/o.json.1.next") << "{}";
  EXPECT_EQ(OutboxJson(dir_.path()), "[]");
  EXPECT_THAT(OutboxHtml(dir_.path()), HasSubstr("Nothing yet"));
}

TEST_F(OutboxTest, AFolderThatCannotBeWrittenIsTriedAgain) {
  OutboxSender sender(dir_.path() + "/gone", &clock_);
  SendOutcome outcome;
  sender.Send(Delivery("o1", "x"), [&](SendOutcome o) { outcome = o; });
  EXPECT_EQ(outcome.kind, SendOutcome::Kind::kRetry);
}

}  // namespace
}  // namespace wissel::dev
