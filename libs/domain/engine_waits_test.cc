// What the engine tells of waiting times, and of first responses that will probably be late.

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"
#include "libs/routing/flow.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using conversation::v1::Event;
using domain::testing::Command;
using domain::testing::Decision;
using domain::testing::Find;
using domain::testing::Kinds;
using domain::testing::OverflowAfter;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using ::testing::ElementsAre;

// What was told of a conversation, and when.
struct Told {
  absl::Time time;
  int32_t position;
  absl::Duration wait;
};
std::map<std::string, std::vector<Told>> ToldIn(const std::vector<Decision>& decisions) {
  std::map<std::string, std::vector<Told>> told;
  for (const Decision& decision : decisions) {
    for (const Event& event : decision.events()) {
      if (!event.has_wait_estimated()) continue;
      const conversation::v1::WaitEstimated& estimated = event.wait_estimated();
      told[estimated.conversation_id()].push_back({.time = FromProto(decision.time()),
                                                   .position = estimated.position(),
                                                   .wait = FromProto(estimated.expected_wait())});
    }
  }
  return told;
}

// Carol for English, whose waiting times are told.
WorkspaceConfig Telling() {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "en").set_tell_waiting_time(true);
  return config;
}

TEST(Waits, AreToldWhenAConversationIsQueued) {
  Shop shop(Telling());
  shop.Online("carol");
  const std::string first = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(first));
  const Decision& queued = shop.Receive(Text("44700000002", 1, "en"));
  ASSERT_THAT(Kinds(queued), ElementsAre(Event::kConversationOpened, Event::kMessageReceived,
                                         Event::kQueued, Event::kWaitEstimated));
  EXPECT_EQ(queued.events(3).wait_estimated().position(), 1);
  EXPECT_TRUE(queued.events(3).wait_estimated().has_expected_wait());
}

// Carol takes one every two minutes, until she takes a break and then hurries.
TEST(Waits, AreToldAgainWhenTheyHaveChangedByAFifthAndAtMostOnceAMinute) {
  Shop shop(Telling());
  shop.Online("carol");
  for (int i = 0; i < 40; ++i) shop.Open(absl::StrCat(44700000000 + i), "en");
  const auto has = [&] {
    return *shop.state().ConversationsOf(testing::kWorkspace, "carol").begin();
  };
  shop.Do(shop.Accept(has()));
  const auto next = [&] {
    shop.Do(shop.Resolve("carol", has()));
    shop.Do(shop.Accept(has()));
  };
  for (int i = 0; i < 15; ++i) {
    WaitConnected(shop, absl::Minutes(2));
    next();
  }
  WaitConnected(shop, absl::Minutes(20));
  for (int i = 0; i < 20; ++i) {
    WaitConnected(shop, absl::Seconds(20));
    next();
  }
  const absl::Duration hour = shop.now - testing::StartTime();
  size_t repeats = 0;
  for (const auto& [id, told] : ToldIn(shop.log())) {
    for (size_t i = 1; i < told.size(); ++i) {
      const absl::Duration passed = told[i].time - told[i - 1].time;
      EXPECT_GE(passed, absl::Minutes(1)) << id;
      // A fifth of what it had come down to; both are whole seconds.
      const absl::Duration left = std::max(absl::ZeroDuration(), told[i - 1].wait - passed);
      EXPECT_GE((absl::AbsDuration(told[i].wait - left) + absl::Seconds(1)) * 5, left) << id;
    }
    repeats += told.size() - 1;
    // While it only counts down, nothing is said.
    if (shop.Conversation(id).status() == state::v1::CONVERSATION_STATUS_QUEUED) {
      EXPECT_LT(static_cast<double>(told.size()) * absl::Minutes(3), hour) << id;
    }
  }
  EXPECT_GT(repeats, 100);
}

TEST(Waits, AreNotToldAgainWithinAMinuteWhateverHappens) {
  Shop shop(Telling());
  shop.Online("carol");
  const absl::Time start = shop.now;
  const std::string first = shop.Open("44700000001", "en");
  const std::string second = shop.Open("44700000002", "en");
  ASSERT_EQ(ToldIn(shop.log()).at(second).size(), 1);
  shop.now += absl::Seconds(20);
  shop.Do(shop.Decline(first));
  ASSERT_EQ(shop.Conversation(second).offer().agent_id(), "carol");
  shop.now += absl::Seconds(5);
  shop.Do(shop.Decline(second));
  EXPECT_EQ(ToldIn(shop.log()).at(first).size(), 1);
  EXPECT_EQ(ToldIn(shop.log()).at(second).size(), 1) << "though it is the second in the queue now";
  WaitConnected(shop, absl::Seconds(35));
  const std::vector<Told> told = ToldIn(shop.log()).at(second);
  ASSERT_EQ(told.size(), 2);
  EXPECT_EQ(told[1].time, start + absl::Minutes(1));
  EXPECT_EQ(told[1].position, 2);
}

// ---------------------------------------------------------------------------------------------
// Risk

// One agent for English, a promise, and a warning from so many percent on.
WorkspaceConfig Promising(absl::Duration target, int32_t percent) {
  WorkspaceConfig config = ShopConfig();
  Promise(config, config::v1::SLA_METRIC_FIRST_RESPONSE, target);
  QueueIn(config, "en").set_at_risk_percent(percent);
  return config;
}

// When it was said of each conversation; each once.
std::map<std::string, absl::Time> AtRiskTimes(const std::vector<Decision>& decisions) {
  std::map<std::string, absl::Time> times;
  for (const Decision& decision : decisions) {
    for (const Event& event : decision.events()) {
      if (!event.has_sla_at_risk()) continue;
      const std::string& id = event.sla_at_risk().conversation_id();
      EXPECT_TRUE(times.emplace(id, FromProto(decision.time())).second) << id;
    }
  }
  return times;
}

TEST(AtRisk, IsSaidOnce) {
  Shop shop(Promising(absl::Minutes(2), 50));
  shop.Online("carol");
  for (int i = 0; i < 10; ++i) shop.Receive(Text(absl::StrCat("4470000001", i), 1, "en"));
  WaitConnected(shop, absl::Minutes(2));
  EXPECT_EQ(AtRiskTimes(shop.log()).size(), 10);
}

// Without answers seen, P(longer than t) is 60 s / (60 s + t).
TEST(AtRisk, GoesOnWhileAnAgentHasNotAnswered) {
  Shop shop(Promising(absl::Minutes(5), 50));
  shop.Online("carol");
  const absl::Time start = shop.now;
  const std::string id = shop.Open("44700000001", "en");
  shop.Wait(absl::Seconds(10));
  shop.Do(shop.Accept(id));
  const std::vector<Decision> fired = WaitConnected(shop, absl::Minutes(10));
  // Had for 115 s: (60 + 115) / (60 + 290) is a half.
  const std::map<std::string, absl::Time> said = AtRiskTimes(shop.log());
  ASSERT_EQ(said.size(), 1);
  EXPECT_GE(said.at(id), start + absl::Seconds(125));
  EXPECT_LE(said.at(id), start + absl::Seconds(126));
  const conversation::v1::SlaAtRisk& at_risk = Find(fired, Event::kSlaAtRisk)->sla_at_risk();
  EXPECT_GE(at_risk.probability_permille(), 500);
  EXPECT_LE(at_risk.probability_permille(), 502);
  EXPECT_EQ(at_risk.position(), 0);
  EXPECT_EQ(FromProto(at_risk.due_time()), start + absl::Minutes(5));
}

TEST(AtRisk, GoesOnWhileOnOffer) {
  WorkspaceConfig config = Promising(absl::Minutes(2), 50);
  *QueueIn(config, "en").mutable_offer_timeout() = ToProto(absl::Minutes(3));
  Shop shop(config);
  shop.Online("carol");
  const absl::Time start = shop.now;
  const std::string id = shop.Open("44700000001", "en");
  WaitConnected(shop, absl::Minutes(2));
  const std::map<std::string, absl::Time> said = AtRiskTimes(shop.log());
  ASSERT_EQ(said.size(), 1);
  EXPECT_GE(said.at(id), start + absl::Seconds(60));
  EXPECT_LE(said.at(id), start + absl::Seconds(61));
}

TEST(AtRisk, IsNotSaidOfWhatWasAnsweredInTime) {
  Shop shop(Promising(absl::Minutes(5), 50));
  shop.Online("carol");
  const std::string id = shop.Open("44700000001", "en");
  shop.Do(shop.Accept(id));
  WaitConnected(shop, absl::Seconds(115));
  shop.Do(shop.Reply("carol", id));
  const size_t before = shop.log().size();
  WaitConnected(shop, absl::Seconds(60));
  EXPECT_TRUE(AtRiskTimes(shop.log()).empty());
  EXPECT_EQ(shop.log().size(), before + 2) << "the lease alone: its timer is gone";
}

TEST(AtRisk, OfOneThatWaitsIsSaidWhenItIsAndNotAMinuteLater) {
  Shop shop(Promising(absl::Minutes(20), 50));
  shop.Online("carol");
  shop.Do(shop.Accept(shop.Open("44700000001", "en")));
  const std::string waits = shop.Open("44700000002", "en");
  const absl::Time due = shop.now + absl::Minutes(20);
  std::optional<absl::Time> reached;
  while (shop.now < due) {
    shop.RenewLease();
    shop.Wait(absl::Seconds(1));
    const state::v1::QueueState& queue =
        *shop.engine().state().FindQueue(testing::kWorkspace, "en");
    if (!reached.has_value() &&
        routing::MissProbability(queue, {.position = 1}, due - shop.now, {.agents = 1, .slots = 1},
                                 shop.now) >= 500) {
      reached = shop.now;
    }
  }
  const std::map<std::string, absl::Time> said = AtRiskTimes(shop.log());
  ASSERT_TRUE(reached.has_value() && said.contains(waits));
  EXPECT_LE(absl::AbsDuration(said.at(waits) - *reached), absl::Seconds(3));
  EXPECT_LT(said.at(waits), due - absl::Seconds(30));
}

TEST(AtRisk, EveryMissIsWarnedOfBeforeItHappens) {
  for (const absl::Duration target :
       {absl::Seconds(1), absl::Milliseconds(1'500), absl::Seconds(90), absl::Minutes(61)}) {
    for (const bool has_agent : {false, true}) {
      Shop shop(Promising(target, 100));
      if (has_agent) shop.Online("carol");
      for (int i = 0; i < 3; ++i) {
        const std::string id = shop.Open(absl::StrCat("4470000000", i), "en");
        if (shop.Conversation(id).has_offer()) shop.Do(shop.Accept(id));
      }
      const absl::Time due = shop.now + target;
      WaitConnected(shop, absl::Hours(2));
      const std::map<std::string, absl::Time> said = AtRiskTimes(shop.log());
      EXPECT_EQ(said.size(), 3) << target;
      for (const auto& [id, time] : said) EXPECT_LT(time, due) << target;
    }
  }
}

TEST(AtRisk, WhoTakesOverSaysWhatIsDue) {
  Shop shop(Promising(absl::Minutes(20), 50));
  const std::string id = shop.Open("44700000001", "en");
  State state;
  for (const Decision& decision : shop.log()) state.Apply(decision);
  Engine successor(std::move(state), {.holds = [](absl::string_view) { return true; }});
  shop.now += absl::Minutes(19);
  std::vector<Decision> decided;
  while (auto decision = successor.DecideTimer(shop.now)) decided.push_back(*std::move(decision));
  EXPECT_TRUE(AtRiskTimes(decided).contains(id));
}

// Many who wait and hardly get on: each is looked at once a minute in few decisions, and otherwise
// hardly more often than it comes to something.
TEST(AtRisk, TakesFewDecisions) {
  constexpr int kWaiting = 1'000;
  Shop shop(Promising(absl::Minutes(30), 50));
  shop.Online("carol");
  for (int i = 0; i < kWaiting; ++i) {
    shop.Receive(Text(absl::StrCat(447'000'000'000 + i), 1, "en"));
    shop.now += absl::Milliseconds(500);
  }
  const size_t before = shop.log().size();
  for (int step = 0; step < 90; ++step) {
    // A copy: the state's own set changes with each of these.
    const std::set<std::string> held =
        shop.engine().state().ConversationsOf(testing::kWorkspace, "carol");
    if (!held.empty()) {
      const std::string& id = *held.begin();
      if (shop.Conversation(id).has_offer()) shop.Do(shop.Accept(id));
      shop.Do(shop.Reply("carol", id));
      shop.Do(shop.Resolve("carol", id));
    }
    WaitConnected(shop, absl::Seconds(20));
  }
  const auto fired =
      std::count_if(shop.log().begin() + static_cast<std::ptrdiff_t>(before), shop.log().end(),
                    [](const Decision& d) { return d.cause().has_timer(); });
  EXPECT_GE(AtRiskTimes(shop.log()).size(), kWaiting / 2);
  EXPECT_LE(fired, 2 * kWaiting);
}

TEST(Notice, SaysThePlaceInTheQueueAndHowLongItWillProbablyTake) {
  WorkspaceConfig config = ShopConfig();
  config::v1::Queue& queue = QueueIn(config, "nl");
  queue.set_tell_waiting_time(true);
  OverflowAfter(queue, absl::Seconds(10)).set_send_text("U bent nummer {position}.");
  OverflowAfter(queue, absl::Seconds(20)).set_send_text("Nog {minutes} minuten.");
  Shop shop(config);
  const auto notices = [&shop](const std::string& id) {
    std::vector<std::string> texts;
    for (const Decision& decision : shop.log()) {
      for (const Event& event : decision.events()) {
        if (event.reply_sent().conversation_id() != id) continue;
        texts.push_back(event.reply_sent().message().contents(0).text().text());
      }
    }
    return texts;
  };
  // Nobody is at work: a place is known, a wait is not.
  const std::string first = shop.Open("31600000001", "nl");
  const std::string second = shop.Open("31600000002", "nl");
  const std::vector<Decision> alone = shop.Wait(absl::Seconds(30));
  EXPECT_THAT(notices(first), ElementsAre("U bent nummer 1."));
  EXPECT_THAT(notices(second), ElementsAre("U bent nummer 2."));
  EXPECT_EQ(shop.Conversation(second).estimated_position(), 2);
  const Event* passed_over = Find(alone, Event::kOverflowPassedOver);
  ASSERT_NE(passed_over, nullptr);
  EXPECT_THAT(passed_over->overflow_passed_over().rules(), ElementsAre(1));

  shop.Online("bram");
  const std::string third = shop.Open("31600000003", "nl");
  WaitConnected(shop, absl::Seconds(30));
  ASSERT_EQ(shop.Conversation(third).status(), state::v1::CONVERSATION_STATUS_QUEUED);
  const absl::Duration expected = FromProto(shop.Conversation(third).estimated_wait());
  EXPECT_THAT(
      notices(third),
      ElementsAre("U bent nummer 1.",
                  absl::StrCat("Nog ", absl::ToInt64Minutes(absl::Ceil(expected, absl::Minutes(1))),
                               " minuten.")));
}

TEST(Callback, IsRememberedUntilAnAgentAnswersOrItIsResolved) {
  WorkspaceConfig config = ShopConfig();
  config::v1::Queue& queue = QueueIn(config, "nl");
  OverflowAfter(queue, absl::Minutes(1)).set_request_callback(true);
  OverflowAfter(queue, absl::Minutes(2)).set_send_text("We will call you.");
  Shop shop(config);
  const absl::Time start = shop.now;
  const std::string answered = shop.Open("31600000001", "nl");
  const std::string resolved = shop.Open("31600000002", "nl");
  EXPECT_FALSE(shop.Conversation(answered).has_callback_request_time());
  shop.Wait(absl::Minutes(3));
  // What the rules or a bot say is not what was promised.
  EXPECT_EQ(FromProto(shop.Conversation(answered).callback_request_time()),
            start + absl::Minutes(1));
  shop.Online("bram");
  shop.Do(shop.Accept(answered));
  shop.Do(shop.Accept(resolved));
  Command bot = shop.Reply("bram", answered);
  bot.mutable_actor()->set_role(common::v1::ROLE_BOT);
  ASSERT_NE(Find({shop.Do(bot)}, Event::kReplySent), nullptr);
  EXPECT_TRUE(shop.Conversation(answered).has_callback_request_time());
  shop.Do(shop.Reply("bram", answered));
  EXPECT_FALSE(shop.Conversation(answered).has_callback_request_time());
  EXPECT_TRUE(shop.Conversation(resolved).has_callback_request_time());
  shop.Do(shop.Resolve("bram", resolved));
  EXPECT_FALSE(shop.Conversation(resolved).has_callback_request_time());
}

}  // namespace
}  // namespace wissel::domain
