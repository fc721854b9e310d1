#include "libs/channel/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/channel/testing/tiny_router.h"

namespace wissel::channel {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kKey[] = "shop/nl";

// One outbox against the router's part in it, with the test in the middle: it decides which
// receipts arrive, when, and what the provider says.
class OutboxTest : public ::testing::Test {
 protected:
  OutboxTest() {
    policy_.initial_backoff = absl::Seconds(2);
    policy_.max_attempts = 3;
  }

  Outbox MakeOutbox(absl::string_view name = "d1", bool can_look_up = false) {
    return Outbox(
        {.kind = common::v1::CHANNEL_KIND_WHATSAPP,
         .deliverer_id = std::string(name),
         .policy = policy_,
         .can_look_up = can_look_up,
         .new_id = [this, name = std::string(name)] { return absl::StrCat(name, "-", ++ids_); }});
  }

  // Everything in the log so far, as a deliverer that starts reads it.
  void Fold(Outbox& outbox) {
    for (const log::v1::LogRecord& record : log_) outbox.OnRecord(/*key=*/"", record, now_);
  }

  void Log(log::v1::Decision decision, std::vector<Outbox*> readers) {
    log::v1::LogRecord record;
    *record.mutable_decision() = std::move(decision);
    for (Outbox* reader : readers) reader->OnRecord(/*key=*/"", record, now_);
    log_.push_back(std::move(record));
  }

  void Reply(Outbox& outbox, const std::string& outbound_id, const std::string& conversation = "c1",
             common::v1::ChannelKind kind = common::v1::CHANNEL_KIND_WHATSAPP) {
    message::v1::OutboundMessage message;
    message.mutable_account()->set_kind(kind);
    message.add_contents()->mutable_text()->set_text(outbound_id);
    Log(router_.Reply(kKey, conversation, outbound_id, message, now_), {&outbox});
  }

  // Lets every receipt through to the router and its decision back, until nothing more happens.
  // Calls to the provider are collected. The first `dead_letters` receipts the router puts aside.
  void Settle(Outbox& outbox, int slots = 10, int dead_letters = 0) {
    for (;;) {
      outbox.Step(now_, slots - outbox.in_flight(), [this](const auto&) { return admission_; });
      Outbox::Effects effects = outbox.TakeEffects();
      for (auto& call : effects.calls) calls_.push_back(call);
      for (auto& look_up : effects.look_ups) look_ups_.push_back(look_up);
      for (auto& given_up : effects.given_up) given_up_.push_back(given_up.outbound_id);
      if (effects.appends.empty()) return;
      for (auto& append : effects.appends) {
        Log(dead_letters-- > 0 ? DeadLetter(append.receipt) : router_.Decide(append.receipt, now_),
            {&outbox});
      }
    }
  }

  static log::v1::Decision DeadLetter(const receipt::v1::Receipt& receipt) {
    log::v1::Decision decision;
    auto& dead = *decision.add_events()->mutable_input_dead_lettered();
    dead.set_input_id(receipt.envelope().id());
    dead.set_detail("put aside");
    return decision;
  }

  void Finish(Outbox& outbox, const Outbox::Call& call, const SendOutcome& outcome,
              bool dead_letter = false) {
    const receipt::v1::Receipt receipt = FinishedReceipt(call.context, outcome, policy_, now_);
    outbox.OnFinished(call.context, receipt.envelope().id());
    Log(dead_letter ? DeadLetter(receipt) : router_.Decide(receipt, now_), {&outbox});
  }

  receipt::v1::DeliveryState StateOf(const std::string& outbound_id) {
    return router_.Find(outbound_id)->state;
  }

  std::vector<std::string> Called() const {
    std::vector<std::string> ids;
    for (const auto& call : calls_) ids.push_back(call.delivery.outbound_id);
    return ids;
  }

  DeliveryPolicy policy_;
  testing::TinyDecider router_;
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  absl::Duration admission_ = absl::ZeroDuration();
  std::vector<log::v1::LogRecord> log_;
  std::vector<Outbox::Call> calls_;
  std::vector<Outbox::Call> look_ups_;
  std::vector<std::string> given_up_;
  int ids_ = 0;
};

const SendOutcome kAccepted{.kind = SendOutcome::Kind::kAccepted, .provider_message_id = "wamid.1"};

TEST_F(OutboxTest, DeliversOnceThroughTheLog) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Settle(outbox);
  ASSERT_THAT(calls_, SizeIs(1));
  EXPECT_EQ(calls_[0].delivery.message.contents(0).text().text(), "m1");
  EXPECT_EQ(calls_[0].delivery.workspace_id, "shop");
  EXPECT_EQ(calls_[0].delivery.routing_group_id, "nl");
  EXPECT_EQ(calls_[0].delivery.attempt, 1);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_ATTEMPTING);
  Finish(outbox, calls_[0], kAccepted);
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_SENT);
  EXPECT_EQ(router_.Find("m1")->provider_message_id, "wamid.1");
  EXPECT_THAT(calls_, SizeIs(1));
  EXPECT_EQ(outbox.stats().open, 0);
  EXPECT_EQ(outbox.NextStep(), absl::InfiniteFuture());
}

TEST_F(OutboxTest, SaysOfAMachinesAnswerThatAMachineWroteIt) {
  command::v1::Actor agent;
  agent.set_subject("anna");
  agent.set_role(common::v1::ROLE_AGENT);
  command::v1::Actor bot;
  bot.set_subject("parcels");
  bot.set_role(common::v1::ROLE_BOT);
  const command::v1::Actor a_queues_rule;
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  for (const command::v1::Actor& actor : {agent, bot, a_queues_rule}) {
    const std::string id = absl::StrCat("m", ++ids_);
    message::v1::OutboundMessage message;
    message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    log::v1::Decision decision = router_.Reply(kKey, id, id, message, now_);
    *decision.mutable_events(0)->mutable_reply_sent()->mutable_actor() = actor;
    Log(std::move(decision), {&outbox});
  }
  Settle(outbox);
  ASSERT_THAT(calls_, SizeIs(3));
  EXPECT_FALSE(calls_[0].delivery.by_bot);
  EXPECT_TRUE(calls_[1].delivery.by_bot);
  EXPECT_TRUE(calls_[2].delivery.by_bot);
}

TEST_F(OutboxTest, DoesNotCallBeforeTheLogHasAcceptedTheAttempt) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  outbox.Step(now_, 10, [](const auto&) { return absl::ZeroDuration(); });
  const Outbox::Effects effects = outbox.TakeEffects();
  EXPECT_THAT(effects.calls, IsEmpty());
  ASSERT_THAT(effects.appends, SizeIs(1));
  EXPECT_TRUE(effects.appends[0].receipt.has_attempt_started());
  EXPECT_EQ(effects.appends[0].key, kKey);
}

TEST_F(OutboxTest, DoesNothingBeforeItsMarkerIsInTheLog) {
  Outbox outbox = MakeOutbox();
  Reply(outbox, "m1");
  outbox.Step(now_, 10, [](const auto&) { return absl::ZeroDuration(); });
  const Outbox::Effects effects = outbox.TakeEffects();
  ASSERT_THAT(effects.appends, SizeIs(1));
  EXPECT_TRUE(effects.appends[0].receipt.has_deliverer_marker());
  EXPECT_FALSE(outbox.started());
}

TEST_F(OutboxTest, LeavesOtherChannelsAlone) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1", "c1", common::v1::CHANNEL_KIND_EMAIL);
  Settle(outbox);
  EXPECT_THAT(calls_, IsEmpty());
}

TEST_F(OutboxTest, KeepsTheOrderOfAConversationAndNotAcrossConversations) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "a1", "a");
  Reply(outbox, "a2", "a");
  Reply(outbox, "b1", "b");
  Settle(outbox);
  EXPECT_THAT(Called(), ElementsAre("a1", "b1"));
  Finish(outbox, calls_[0], kAccepted);
  Settle(outbox);
  EXPECT_THAT(Called(), ElementsAre("a1", "b1", "a2"));
}

TEST_F(OutboxTest, RetriesAfterABackOffThatGrowsAndGivesUp) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Settle(outbox);
  SendOutcome retry{.kind = SendOutcome::Kind::kRetry};
  retry.error.set_provider_code("131056");
  Finish(outbox, calls_[0], retry);
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_RETRYING);
  const absl::Time first = outbox.NextStep();
  EXPECT_GE(first, now_ + absl::Seconds(1));
  EXPECT_LE(first, now_ + absl::Seconds(2));
  EXPECT_THAT(calls_, SizeIs(1)) << "not before its time";
  now_ = first;
  Settle(outbox);
  ASSERT_THAT(calls_, SizeIs(2));
  EXPECT_EQ(calls_[1].delivery.attempt, 2);
  EXPECT_NE(calls_[1].context.attempt_id, calls_[0].context.attempt_id);
  retry.retry_after = absl::Minutes(3);
  Finish(outbox, calls_[1], retry);
  Settle(outbox);
  EXPECT_EQ(outbox.NextStep(), now_ + absl::Minutes(3)) << "the provider's wish, where longer";
  now_ = outbox.NextStep();
  Settle(outbox);
  ASSERT_THAT(calls_, SizeIs(3));
  Finish(outbox, calls_[2], retry);
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_FAILED);
  EXPECT_THAT(router_.Find("m1")->error.detail(), HasSubstr("given up after 3 attempts"));
  EXPECT_EQ(router_.Find("m1")->error.provider_code(), "131056");
}

TEST_F(OutboxTest, GivesUpByAge) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  now_ += policy_.max_age + absl::Seconds(1);
  Settle(outbox);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_FAILED);
}

TEST_F(OutboxTest, PermanentFailureEndsItAndTheNextGoes) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Reply(outbox, "m2");
  Settle(outbox);
  Finish(outbox, calls_[0], {.kind = SendOutcome::Kind::kFailed});
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_FAILED);
  EXPECT_THAT(Called(), ElementsAre("m1", "m2"));
}

TEST_F(OutboxTest, ReauthorisingIsTriedAgainWithoutCountingAttempts) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  for (int i = 0; i < 5; ++i) {
    Settle(outbox);
    ASSERT_THAT(calls_, SizeIs(i + 1));
    Finish(outbox, calls_.back(), {.kind = SendOutcome::Kind::kReauthorise});
    EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_RETRYING);
    EXPECT_TRUE(router_.Find("m1")->error.reauthorise());
    now_ += policy_.reauthorise_retry;
  }
}

TEST_F(OutboxTest, UncertainIsHeldAfterTheWaitAndNeverRepeatedByItself) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Reply(outbox, "m2");
  Settle(outbox);
  Finish(outbox, calls_[0], {.kind = SendOutcome::Kind::kUncertain});
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_UNCERTAIN);
  EXPECT_EQ(outbox.NextStep(), now_ + policy_.settle_wait);
  EXPECT_THAT(Called(), ElementsAre("m1")) << "the next waits until this one is settled";
  now_ = outbox.NextStep();
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_HELD);
  EXPECT_THAT(Called(), ElementsAre("m1", "m2")) << "a held one does not stop the conversation";
  EXPECT_EQ(outbox.stats().held, 1);
  now_ += absl::Hours(1);
  Settle(outbox);
  EXPECT_THAT(Called(), ElementsAre("m1", "m2"));
  // The agent decides.
  Log(router_.Resend("m1", now_), {&outbox});
  Settle(outbox);
  EXPECT_THAT(Called(), ElementsAre("m1", "m2", "m1"));
}

TEST_F(OutboxTest, UncertainIsSettledByTheProvidersStatus) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Settle(outbox);
  Finish(outbox, calls_[0], {.kind = SendOutcome::Kind::kUncertain});
  receipt::v1::Receipt status;
  status.mutable_provider_status()->set_outbound_id("m1");
  status.mutable_provider_status()->set_state(receipt::v1::DELIVERY_STATE_DELIVERED);
  status.mutable_provider_status()->set_provider_message_id("wamid.7");
  Log(router_.Decide(status, now_), {&outbox});
  now_ += absl::Hours(1);
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_DELIVERED);
  EXPECT_EQ(outbox.stats().open, 0);
}

TEST_F(OutboxTest, UncertainIsResentWhereThatIsHarmless) {
  policy_.uncertain = UncertainPolicy::kResend;
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Settle(outbox);
  Finish(outbox, calls_[0], {.kind = SendOutcome::Kind::kUncertain});
  now_ += policy_.settle_wait;
  Settle(outbox);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_RETRYING);
  now_ = outbox.NextStep();
  Settle(outbox);
  EXPECT_THAT(Called(), ElementsAre("m1", "m1"));
}

TEST_F(OutboxTest, UncertainIsLookedUpFirst) {
  Outbox outbox = MakeOutbox("d1", /*can_look_up=*/true);
  Settle(outbox);
  for (const char* id : {"found", "gone", "unknown"}) {
    Reply(outbox, id, id);
    Settle(outbox);
    Finish(outbox, calls_.back(), {.kind = SendOutcome::Kind::kUncertain});
    Settle(outbox);
  }
  ASSERT_THAT(look_ups_, SizeIs(3));
  outbox.OnLookedUp(look_ups_[0].context,
                    {.kind = LookUpOutcome::Kind::kFound, .provider_message_id = "p"}, now_);
  outbox.OnLookedUp(look_ups_[1].context, {.kind = LookUpOutcome::Kind::kNotThere}, now_);
  outbox.OnLookedUp(look_ups_[2].context, {.kind = LookUpOutcome::Kind::kUnknown}, now_);
  Settle(outbox);
  EXPECT_EQ(StateOf("found"), receipt::v1::DELIVERY_STATE_SENT);
  EXPECT_EQ(router_.Find("found")->provider_message_id, "p");
  EXPECT_EQ(StateOf("gone"), receipt::v1::DELIVERY_STATE_RETRYING);
  EXPECT_EQ(StateOf("unknown"), receipt::v1::DELIVERY_STATE_UNCERTAIN);
  EXPECT_THAT(look_ups_, SizeIs(3)) << "asked once, then waited for a status";
  now_ += policy_.settle_wait;
  Settle(outbox);
  EXPECT_EQ(StateOf("unknown"), receipt::v1::DELIVERY_STATE_HELD);
}

TEST_F(OutboxTest, TheNextOwnerTakesAnAttemptWithoutOutcomeForUncertain) {
  {
    Outbox dead = MakeOutbox("d1");
    Settle(dead);
    Reply(dead, "m1");
    Settle(dead);
    ASSERT_THAT(calls_, SizeIs(1));  // Killed in the middle of the call.
  }
  Outbox next = MakeOutbox("d2");
  Fold(next);
  Settle(next);
  EXPECT_TRUE(next.started());
  EXPECT_THAT(calls_, SizeIs(1)) << "no silent repeat";
  EXPECT_EQ(next.NextStep(), now_ + policy_.start_limit + policy_.call_timeout)
      << "the call may still be running, in a process that was only cut off";
  now_ = next.NextStep();
  Settle(next);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_UNCERTAIN);
  now_ = next.NextStep();
  Settle(next);
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_HELD);
  EXPECT_THAT(calls_, SizeIs(1));
}

TEST_F(OutboxTest, AnOutcomeFromTheFormerOwnerCounts) {
  Outbox former = MakeOutbox("d1");
  Settle(former);
  Reply(former, "m1");
  Settle(former);
  Outbox next = MakeOutbox("d2");
  Fold(next);
  Settle(next);
  Log(router_.Decide(FinishedReceipt(calls_[0].context, kAccepted, policy_, now_), now_), {&next});
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_SENT);
  EXPECT_EQ(next.stats().open, 0);
}

TEST_F(OutboxTest, OfTwoDeliverersThatBothBelieveOneCalls) {
  Outbox one = MakeOutbox("d1");
  Outbox two = MakeOutbox("d2");
  const auto admit = [](const auto&) { return absl::ZeroDuration(); };
  for (Outbox* outbox : {&one, &two}) {
    for (auto& append : outbox->TakeEffects().appends) {
      Log(router_.Decide(append.receipt, now_), {&one, &two});
    }
  }
  message::v1::OutboundMessage message;
  message.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  Log(router_.Reply(kKey, "c1", "m1", message, now_), {&one, &two});
  one.Step(now_, 1, admit);
  two.Step(now_, 1, admit);
  std::vector<Outbox::Append> starts = one.TakeEffects().appends;
  for (auto& append : two.TakeEffects().appends) starts.push_back(append);
  ASSERT_THAT(starts, SizeIs(2));
  for (auto& append : starts) Log(router_.Decide(append.receipt, now_), {&one, &two});
  EXPECT_THAT(one.TakeEffects().calls, SizeIs(1));
  EXPECT_THAT(two.TakeEffects().calls, IsEmpty());
}

TEST_F(OutboxTest, AnAttemptThatTheLogShowsTooLateIsNotCalled) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  outbox.Step(now_, 10, [](const auto&) { return absl::ZeroDuration(); });
  const Outbox::Effects effects = outbox.TakeEffects();
  now_ += policy_.start_limit + absl::Seconds(1);  // By now another may have taken it for orphaned.
  Log(router_.Decide(effects.appends[0].receipt, now_), {&outbox});
  Settle(outbox);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_RETRYING);
}

TEST_F(OutboxTest, WithdrawsWhatItHasOnlyBegun) {
  Outbox outbox = MakeOutbox("d1");
  Settle(outbox);
  Reply(outbox, "m1");
  outbox.Step(now_, 10, [](const auto&) { return absl::ZeroDuration(); });
  std::vector<Outbox::Append> appends = outbox.TakeEffects().appends;
  outbox.Stop();
  outbox.Withdraw(now_);
  for (auto& append : outbox.TakeEffects().appends) appends.push_back(append);
  ASSERT_THAT(appends, SizeIs(2));
  for (auto& append : appends) Log(router_.Decide(append.receipt, now_), {&outbox});
  EXPECT_THAT(outbox.TakeEffects().calls, IsEmpty());
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_RETRYING);
  Outbox next = MakeOutbox("d2");
  Fold(next);
  Settle(next);
  now_ = next.NextStep();
  Settle(next);
  EXPECT_THAT(Called(), ElementsAre("m1"));
}

TEST_F(OutboxTest, RespectsSlotsAndAdmission) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  for (const char* id : {"a", "b", "c"}) Reply(outbox, id, id);
  Settle(outbox, /*slots=*/2);
  EXPECT_THAT(calls_, SizeIs(2));
  EXPECT_EQ(outbox.NextStep(), absl::InfiniteFuture()) << "no spinning while slots are full";
  Finish(outbox, calls_[0], kAccepted);
  admission_ = absl::Seconds(5);
  Settle(outbox, /*slots=*/2);
  EXPECT_THAT(calls_, SizeIs(2));
  EXPECT_EQ(outbox.NextStep(), now_ + absl::Seconds(5));
  now_ += absl::Seconds(5);
  admission_ = absl::ZeroDuration();
  Settle(outbox, /*slots=*/2);
  EXPECT_THAT(calls_, SizeIs(3));
}

TEST_F(OutboxTest, ARestoredOneGoesOnAsOneThatHasFoldedAll) {
  policy_.settle_wait = absl::ZeroDuration();
  Outbox first = MakeOutbox("d1");
  Settle(first);
  for (const char* id : {"m1", "m2", "m3"}) Reply(first, id, "c1");
  Reply(first, "m4", "c2");
  Reply(first, "m5", "c3");
  Settle(first);
  ASSERT_THAT(Called(), ElementsAre("m1", "m4", "m5"));
  Finish(first, calls_[0], {.kind = SendOutcome::Kind::kRetry});
  Finish(first, calls_[1], {.kind = SendOutcome::Kind::kUncertain});
  Settle(first);
  ASSERT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_RETRYING);
  ASSERT_EQ(StateOf("m4"), receipt::v1::DELIVERY_STATE_HELD);
  ASSERT_EQ(StateOf("m5"), receipt::v1::DELIVERY_STATE_ATTEMPTING);

  // What the next owner does is the same whether it folds the log or is given the checkpoint.
  state::v1::OutboxCheckpoint checkpoint;
  for (const state::v1::OutboxItem& item : first.Items()) *checkpoint.add_items() = item;
  Outbox folded = MakeOutbox("d2");
  Fold(folded);
  Outbox restored = MakeOutbox("d3");
  restored.Restore(checkpoint, now_);
  const auto texts = [](const Outbox& outbox) {
    std::vector<std::string> all;
    for (const state::v1::OutboxItem& item : outbox.Items()) all.push_back(item.DebugString());
    return all;
  };
  EXPECT_EQ(texts(restored), texts(folded));
  EXPECT_THAT(texts(restored), SizeIs(5));
  EXPECT_EQ(restored.stats().held, 1);

  calls_.clear();
  Settle(restored);
  EXPECT_THAT(Called(), IsEmpty()) << "m1 is not due, m2 and m3 wait for it, m5 may be under way";
  now_ += absl::Minutes(30);
  Settle(restored);
  EXPECT_THAT(Called(), ElementsAre("m1"));
  EXPECT_EQ(calls_[0].delivery.attempt, 2);
  EXPECT_EQ(StateOf("m5"), receipt::v1::DELIVERY_STATE_HELD);
  Finish(restored, calls_[0], {.kind = SendOutcome::Kind::kAccepted, .provider_message_id = "p"});
  Settle(restored);
  EXPECT_THAT(Called(), ElementsAre("m1", "m2"));
}

TEST_F(OutboxTest, ForgetsWithItsConversation) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Reply(outbox, "m2");
  Settle(outbox);
  log::v1::Decision forgotten;
  forgotten.add_events()->mutable_conversation_forgotten()->set_conversation_id("c1");
  Log(forgotten, {&outbox});
  EXPECT_EQ(outbox.stats().open, 0);
  EXPECT_EQ(outbox.in_flight(), 0);
}

TEST_F(OutboxTest, ForgetsWhatIsHeldWithItsConversation) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Reply(outbox, "other", "c2");
  Settle(outbox);
  for (const Outbox::Call& call : std::vector(calls_)) {
    Finish(outbox, call, {.kind = SendOutcome::Kind::kUncertain});
  }
  now_ += policy_.settle_wait;
  Settle(outbox);
  ASSERT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_HELD);
  // As the next deliverer has it from the checkpoint, too.
  Outbox next = MakeOutbox("d2");
  state::v1::OutboxCheckpoint checkpoint;
  for (state::v1::OutboxItem& item : outbox.Items()) *checkpoint.add_items() = std::move(item);
  next.Restore(checkpoint, now_);
  log::v1::Decision forgotten;
  forgotten.add_events()->mutable_conversation_forgotten()->set_conversation_id("c1");
  Log(forgotten, {&outbox, &next});
  for (const Outbox* has : {&outbox, &next}) {
    EXPECT_EQ(has->stats().held, 1);
    const std::vector<state::v1::OutboxItem> items = has->Items();
    ASSERT_THAT(items, SizeIs(1));
    EXPECT_EQ(items[0].outbound_id(), "other");
  }
}

TEST_F(OutboxTest, GivesUpWhatTheRouterKeepsIgnoring) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  // In the log, but the router does not know it.
  log::v1::Decision decision;
  auto* reply = decision.add_events()->mutable_reply_sent();
  reply->set_conversation_id("c9");
  reply->set_outbound_id("m9");
  reply->mutable_message()->mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  Log(decision, {&outbox});
  for (int i = 0; i < 5; ++i) {
    Settle(outbox);
    now_ += absl::Minutes(1);
  }
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(outbox.stats().open, 0);
  EXPECT_THAT(given_up_, ElementsAre("m9"));
}

TEST_F(OutboxTest, TakesWhoseAnAnswerIsFromTheAnswer) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  const auto whose = [&](const Outbox& of) {
    const std::vector<state::v1::OutboxItem> items = of.Items();
    return items.empty() ? "" : items[0].key();
  };
  EXPECT_EQ(whose(outbox), kKey) << "a timer's record has no key";
  Outbox other = MakeOutbox("d2");
  other.OnRecord("other/group", log_.back(), now_);
  EXPECT_EQ(whose(other), kKey) << "the record's key is of the input";
  // As an older release wrote it.
  log_.back().mutable_decision()->mutable_events(0)->mutable_reply_sent()->clear_workspace_id();
  Outbox older = MakeOutbox("d3");
  older.OnRecord("old/key", log_.back(), now_);
  EXPECT_EQ(whose(older), "old/key");
}

TEST_F(OutboxTest, AnAnswersTraceGoesOnAlsoBehindACheckpoint) {
  Outbox first = MakeOutbox();
  Settle(first);
  Reply(first, "m1");
  Outbox traced = MakeOutbox("d2");
  traced.OnRecord(kKey, log_.back(), now_, "the trace");
  state::v1::OutboxCheckpoint checkpoint;
  for (state::v1::OutboxItem& item : traced.Items()) *checkpoint.add_items() = std::move(item);
  Outbox next = MakeOutbox("d3");
  next.Restore(checkpoint, now_);
  Outbox::Append marker = next.TakeEffects().appends.at(0);
  EXPECT_EQ(marker.traceparent, "");
  Log(router_.Decide(marker.receipt, now_), {&next});
  next.Step(now_, /*slots=*/1, [](const OutboundDelivery&) { return absl::ZeroDuration(); });
  const std::vector<Outbox::Append> appends = next.TakeEffects().appends;
  ASSERT_THAT(appends, SizeIs(1));
  EXPECT_TRUE(appends[0].receipt.has_attempt_started());
  EXPECT_EQ(appends[0].traceparent, "the trace");
  Log(router_.Decide(appends[0].receipt, now_), {&next});
  const Outbox::Effects effects = next.TakeEffects();
  ASSERT_THAT(effects.calls, SizeIs(1));
  EXPECT_EQ(effects.calls[0].context.traceparent, "the trace");
}

TEST_F(OutboxTest, AReceiptThatBecameADeadLetterIsTriedAgain) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Settle(outbox, /*slots=*/10, /*dead_letters=*/1);
  EXPECT_THAT(calls_, IsEmpty());
  EXPECT_EQ(outbox.in_flight(), 0);
  now_ += absl::Seconds(1);
  Settle(outbox);
  ASSERT_THAT(Called(), ElementsAre("m1"));
  // That of an outcome: whether it was sent is told as uncertain, and never tried in silence.
  Finish(outbox, calls_[0], kAccepted, /*dead_letter=*/true);
  for (int i = 0; i < 3; ++i) {
    now_ = std::min(outbox.NextStep(), now_ + absl::Hours(1));
    Settle(outbox);
  }
  EXPECT_EQ(StateOf("m1"), receipt::v1::DELIVERY_STATE_HELD);
  EXPECT_THAT(Called(), ElementsAre("m1"));
  EXPECT_THAT(given_up_, IsEmpty());
}

TEST_F(OutboxTest, DeadLettersDoNotHoldUpAConversation) {
  Outbox outbox = MakeOutbox();
  Settle(outbox);
  Reply(outbox, "m1");
  Reply(outbox, "m2");
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(given_up_, IsEmpty());
    Settle(outbox, /*slots=*/10, /*dead_letters=*/1);
    now_ = std::min(outbox.NextStep(), now_ + absl::Hours(1));
  }
  EXPECT_THAT(given_up_, ElementsAre("m1")) << "and somebody is told";
  Settle(outbox);
  EXPECT_THAT(Called(), ElementsAre("m2"));
}

}  // namespace
}  // namespace wissel::channel
