#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/base/notification.h"
#include "libs/channel/blob.h"
#include "libs/channel/testing/tiny_router.h"
#include "libs/http/client.h"
#include "libs/testing/forwarding_bus.h"
#include "services/whatsapp/accounts.h"
#include "services/whatsapp/graph.h"
#include "services/whatsapp/graph_sender.h"
#include "tests/whatsapp/fixture.h"

namespace wissel::whatsapp {
namespace {

using stubs::GraphStub;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using wissel::testing::IsOk;
using wissel::testing::StatusIs;
using Fault = stubs::GraphStub::Fault;
using namespace receipt::v1;  // NOLINT: the states, by their names.

class DeliverTest : public WhatsappTest {
 protected:
  void SetUp() override { router_ = std::make_unique<channel::testing::TinyRouter>(bus_.get()); }
  void TearDown() override {
    app_.reset();
    router_.reset();
  }

  static message::v1::OutboundMessage Text(const std::string& text) {
    message::v1::OutboundMessage message;
    message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    message.mutable_account()->set_account_id("wa-nl");
    message.mutable_recipient()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    message.mutable_recipient()->set_address("31612345678");
    message.add_contents()->mutable_text()->set_text(text);
    return message;
  }

  void Reply(const std::string& outbound_id, const message::v1::OutboundMessage& message,
             const std::string& conversation = "c1") {
    router_->Reply("shop/nl", conversation, outbound_id, message);
  }

  std::vector<std::string> Texts() const {
    std::vector<std::string> texts;
    for (const GraphStub::Accepted& accepted : graph_->book()) texts.push_back(accepted.text);
    return texts;
  }

  std::unique_ptr<channel::testing::TinyRouter> router_;
};

TEST_F(DeliverTest, SendsATextWithWhatItAnswers) {
  Start(channel::Role::kDeliver);
  message::v1::OutboundMessage message = Text("Uw pakje komt morgen.");
  message.set_in_reply_to_provider_message_id("wamid.Q");
  Reply("m1", message);
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
  const std::vector<GraphStub::Accepted> book = graph_->book();
  ASSERT_THAT(book, SizeIs(1));
  EXPECT_EQ(book[0].phone_number_id, "1060001");
  EXPECT_EQ(book[0].to, "31612345678");
  EXPECT_EQ(book[0].text, "Uw pakje komt morgen.");
  EXPECT_EQ(book[0].context_id, "wamid.Q");
  EXPECT_EQ(book[0].outbound_id, "m1");
  EXPECT_EQ(router_->Find("m1")->provider_message_id, book[0].id);
}

TEST_F(DeliverTest, UploadsMediaAndSendsItWithItsCaption) {
  auto blobs = channel::NewFolderBlobStore({.folder = settings_.blobs.folder}).value();
  message::v1::OutboundMessage message = Text("de factuur");
  *message.add_contents()->mutable_media()->mutable_blob() =
      blobs->Put("%PDF bytes", {.content_type = "application/pdf", .file_name = "f.pdf"}).value();
  Start(channel::Role::kDeliver);
  Reply("m1", message);
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
  const GraphStub::Accepted accepted = graph_->book().at(0);
  EXPECT_EQ(accepted.type, "document");
  EXPECT_EQ(accepted.text, "de factuur");
  EXPECT_EQ(graph_->Uploaded(accepted.media_id).value_or(""), "%PDF bytes");
}

TEST_F(DeliverTest, AMissingBlobFailsWithItsReason) {
  Start(channel::Role::kDeliver);
  message::v1::OutboundMessage message = Text("x");
  message.add_contents()->mutable_media()->mutable_blob()->set_blob_id(std::string(64, 'a'));
  Reply("m1", message);
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_FAILED));
  EXPECT_THAT(router_->Find("m1")->error.detail(), HasSubstr("no blob"));
}

TEST_F(DeliverTest, ErrorsAreRetriedOrNotAsMetaMeansThem) {
  Start(channel::Role::kDeliver);
  graph_->FailNext({.kind = Fault::Kind::kError, .status = 500, .code = 131000}, 2);
  Reply("m1", Text("tried three times"));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
  EXPECT_EQ(router_->Find("m1")->attempt, 3);

  graph_->FailNext({.kind = Fault::Kind::kError, .status = 400, .code = 131047});
  Reply("m2", Text("too long after the customer wrote"));
  ASSERT_TRUE(router_->WaitFor("m2", DELIVERY_STATE_FAILED));
  EXPECT_EQ(router_->Find("m2")->error.provider_code(), "131047");
  EXPECT_FALSE(router_->Find("m2")->error.reauthorise());

  graph_->FailNext({.kind = Fault::Kind::kError, .status = 401, .code = 190});
  Reply("m3", Text("token renewed meanwhile"));
  ASSERT_TRUE(router_->WaitFor("m3", DELIVERY_STATE_SENT));
  bool reauthorise = false;
  for (const Receipt& receipt : router_->receipts()) {
    reauthorise |= receipt.attempt_finished().error().reauthorise();
  }
  EXPECT_TRUE(reauthorise);
  EXPECT_THAT(Texts(), ElementsAre("tried three times", "token renewed meanwhile"));
}

TEST_F(DeliverTest, ATimeOutAfterSendingIsHeldAndNeverRepeated) {
  Start(channel::Role::kDeliver);
  graph_->FailNext({.kind = Fault::Kind::kHangAfterAccept});
  Reply("m1", Text("did it arrive?"));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_UNCERTAIN));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_HELD));
  Reply("m2", Text("the next"));
  ASSERT_TRUE(router_->WaitFor("m2", DELIVERY_STATE_SENT));
  EXPECT_THAT(Texts(), ElementsAre("did it arrive?", "the next"));
  EXPECT_THAT(graph_->doubled(), IsEmpty());
}

TEST_F(DeliverTest, ATimeOutIsSettledByTheStatusThatEchoesOurId) {
  settings_.delivery.policy.settle_wait = absl::Seconds(30);
  Start(channel::Role::kAll);
  graph_->FailNext({.kind = Fault::Kind::kHangAfterAccept});
  Reply("m1", Text("did it arrive?"));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_UNCERTAIN));
  const GraphStub::Accepted accepted = graph_->book().at(0);
  graph_->PostStatus(accepted, "delivered");
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_DELIVERED));
  EXPECT_EQ(router_->Find("m1")->provider_message_id, accepted.id);
  Reply("m2", Text("the next"));
  ASSERT_TRUE(router_->WaitFor("m2", DELIVERY_STATE_SENT));
  EXPECT_THAT(Texts(), ElementsAre("did it arrive?", "the next"));
}

TEST_F(DeliverTest, ResendsWhatIsUncertainOnlyWhereThePolicySaysSo) {
  settings_.delivery.policy.uncertain = channel::UncertainPolicy::kResend;
  Start(channel::Role::kDeliver);
  graph_->FailNext({.kind = Fault::Kind::kHangBeforeAccept});
  Reply("m1", Text("again, if need be"));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
  EXPECT_EQ(router_->Find("m1")->attempt, 2);
  EXPECT_THAT(Texts(), ElementsAre("again, if need be"));
}

TEST_F(DeliverTest, TheBookSeesARepeatWhereThePolicyRisksOne) {
  settings_.delivery.policy.uncertain = channel::UncertainPolicy::kResend;
  Start(channel::Role::kDeliver);
  graph_->FailNext({.kind = Fault::Kind::kHangAfterAccept});
  Reply("m1", Text("twice"));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
  EXPECT_THAT(graph_->doubled(), ElementsAre("m1"));
}

TEST_F(DeliverTest, AProviderThatIsAwayIsTriedAgain) {
  // Nobody listens there: certainly not sent.
  const std::string there = settings_.graph.base_url;
  settings_.graph.base_url = "http://127.0.0.1:1";
  Start(channel::Role::kDeliver);
  Reply("m1", Text("patience"));
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_RETRYING));
  app_.reset();
  settings_.graph.base_url = there;
  Start(channel::Role::kDeliver);
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
  EXPECT_THAT(Texts(), ElementsAre("patience"));
}

TEST_F(DeliverTest, WhatCannotBeOneMessageFailsWithoutACall) {
  Start(channel::Role::kDeliver);
  message::v1::OutboundMessage message = Text("one");
  message.add_contents()->mutable_text()->set_text("two");
  Reply("m1", message);
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_FAILED));
  EXPECT_THAT(router_->Find("m1")->error.detail(), HasSubstr("one text, media or template"));
  message::v1::OutboundMessage stranger = Text("x");
  stranger.mutable_account()->set_account_id("wa-unknown");
  Reply("m2", stranger);
  ASSERT_TRUE(router_->WaitFor("m2", DELIVERY_STATE_RETRYING));
  EXPECT_THAT(router_->Find("m2")->error.detail(), HasSubstr("wa-unknown"));
  EXPECT_THAT(graph_->book(), IsEmpty());
}

TEST_F(DeliverTest, KeepsToTheNumbersPace) {
  settings_.accounts[0].messages_per_second = 20;
  Start(channel::Role::kDeliver);
  for (int i = 0; i < 30; ++i) {
    Reply(absl::StrCat("m", i), Text(absl::StrCat(i)), absl::StrCat("c", i));
  }
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(router_->WaitFor(absl::StrCat("m", i), DELIVERY_STATE_SENT)) << i;
  }
  const std::vector<GraphStub::Accepted> book = graph_->book();
  ASSERT_THAT(book, SizeIs(30));
  // 20 at once, 10 more at 20 a second.
  EXPECT_GE(book[29].time - book[0].time, absl::Milliseconds(400));
}

// A bus that does not acknowledge what was appended before the time for it is over.
class LateBus final : public wissel::testing::ForwardingBus {
 public:
  explicit LateBus(bus::Bus& bus) : ForwardingBus(bus) {}

  std::unique_ptr<bus::Appender> NewAppender(bus::AppenderOptions options) override {
    class Late final : public bus::Appender {
     public:
      explicit Late(std::unique_ptr<bus::Appender> real) : real_(std::move(real)) {}
      void Append(bus::Outgoing record, Done done) override {
        real_->Append(std::move(record), std::move(done));
      }
      absl::Status Admit(const bus::Outgoing& record) const override {
        return real_->Admit(record);
      }
      absl::Status Flush(absl::Duration) override { return absl::DeadlineExceededError("late"); }

     private:
      const std::unique_ptr<bus::Appender> real_;
    };
    return std::make_unique<Late>(ForwardingBus::NewAppender(options));
  }
};

TEST_F(DeliverTest, ADrainWaitsForTheCallThatRunsThoughTheBusIsLate) {
  LateBus late(*bus_);
  settings_.role = channel::Role::kAll;
  auto app = WhatsappApp::New(late, std::nullopt, settings_, Context());
  ASSERT_THAT(app, IsOk());
  graph_->FailNext({.kind = Fault::Kind::kDelay, .delay = absl::Milliseconds(200)});
  Reply("m1", Text("on its way"));
  const Timeout limit(absl::Seconds(20));
  while (graph_->book().empty() && !limit.Expired()) absl::SleepFor(absl::Milliseconds(2));
  EXPECT_THAT((*app)->Drain(absl::Seconds(20)), StatusIs(absl::StatusCode::kDeadlineExceeded));
  app->reset();
  ASSERT_TRUE(router_->WaitFor("m1", DELIVERY_STATE_SENT));
}

TEST_F(DeliverTest, AnUploadThatSucceedsDoesNotShortenThePauseOfItsNumber) {
  const Accounts accounts(settings_.accounts);
  const auto client = http::Client::Create({}).value();
  Graph graph(settings_.graph, client.get());
  const auto blobs = channel::NewFolderBlobStore({.folder = settings_.blobs.folder}).value();
  ManualClock clock;
  GraphSender sender(&accounts, &graph, blobs.get(), &clock);
  channel::OutboundDelivery delivery{
      .outbound_id = "m1", .workspace_id = "shop", .message = Text("kijk")};
  *delivery.message.add_contents()->mutable_media()->mutable_blob() =
      blobs->Put("bytes", {.content_type = "image/png", .file_name = "a.png"}).value();
  graph_->FailNext({.kind = Fault::Kind::kError, .status = 429, .code = 130429}, 3);
  for (const absl::Duration pause : {absl::Seconds(2), absl::Seconds(4), absl::Seconds(8)}) {
    ASSERT_EQ(sender.Admit(delivery), absl::ZeroDuration());
    Notification done;
    sender.Send(delivery, [&](const channel::SendOutcome&) { done.Notify(); });
    done.Wait();
    EXPECT_EQ(sender.Admit(delivery), pause);
    clock.Advance(pause);
  }
}

TEST_F(DeliverTest, NothingIsDoubledUnderFaultsAndRestarts) {
  settings_.delivery.policy.settle_wait = absl::Seconds(3);
  graph_.reset();
  graph_ = GraphStub::Start({.send_statuses = true, .seed = 7}).value();
  settings_.graph.base_url = graph_->base_url();
  Start(channel::Role::kAll);
  graph_->FailAtRandom({.kind = Fault::Kind::kHangAfterAccept}, 0.1);
  graph_->SetManners({.repeat = 0.2, .max_delay = absl::Milliseconds(50)});
  constexpr int kMessages = 40;
  for (int i = 0; i < kMessages; ++i) {
    Reply(absl::StrCat("m", i), Text(absl::StrCat(i)), absl::StrCat("c", i % 10));
    if (i == 15 || i == 30) {
      app_.reset();  // Calls are cut off in the middle.
      Start(channel::Role::kAll);
    }
  }
  const auto done = [&](int i) {
    const DeliveryState state = router_->Find(absl::StrCat("m", i))->state;
    return state == DELIVERY_STATE_SENT || state == DELIVERY_STATE_DELIVERED ||
           state == DELIVERY_STATE_HELD;
  };
  const Timeout limit(absl::Seconds(60));
  for (int i = 0; i < kMessages; ++i) {
    while (!done(i) && !limit.Expired()) absl::SleepFor(absl::Milliseconds(20));
    EXPECT_TRUE(done(i)) << i << ": "
                         << DeliveryState_Name(router_->Find(absl::StrCat("m", i))->state);
  }
  EXPECT_THAT(graph_->doubled(), IsEmpty());
}

}  // namespace
}  // namespace wissel::whatsapp
