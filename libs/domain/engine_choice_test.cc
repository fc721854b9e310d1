// Whom the engine chooses among those who may have it: by strategy, skills, queues and channels.

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
using conversation::v1::Explanation;
using domain::testing::ByMail;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::CommandBy;
using domain::testing::Decision;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using domain::testing::WaitConnected;
using state::v1::ConversationStatus;
using ::testing::IsEmpty;
using ::testing::SizeIs;

config::v1::Agent& AgentIn(WorkspaceConfig& config, absl::string_view id) {
  for (config::v1::Agent& agent : *config.mutable_agents()) {
    if (agent.agent_id() == id) return agent;
  }
  return *config.add_agents();
}

void SetSkill(WorkspaceConfig& config, absl::string_view agent, absl::string_view skill,
              int32_t proficiency) {
  config::v1::Agent& a = AgentIn(config, agent);
  for (config::v1::Skill& s : *a.mutable_skills()) {
    if (s.skill_id() == skill) return s.set_proficiency(proficiency);
  }
  a.add_skills()->set_skill_id(std::string(skill));
  a.mutable_skills()->rbegin()->set_proficiency(proficiency);
}

// Anna and bram serve Dutch, with room for ten each.
WorkspaceConfig ConfigWith(config::v1::Strategy strategy) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "nl").set_strategy(strategy);
  AgentIn(config, "anna").set_capacity_units(10);
  AgentIn(config, "bram").set_capacity_units(10);
  return config;
}

// Takes a second each time it is asked, so that no two things happen at once.
class ChoiceShop : public Shop {
 public:
  explicit ChoiceShop(const WorkspaceConfig& config) : Shop(config) {}

  // A new Dutch conversation.
  std::string Next() {
    Tick();
    return Open(absl::StrCat("3160000", 1000 + ++customers_), "nl");
  }
  // Who is offered the next one.
  std::string Gets() { return OfferedTo(Next()); }
  std::string OfferedTo(const std::string& id) { return Conversation(id).offer().agent_id(); }

  void AcceptIt(const std::string& id) {
    Tick();
    Do(Accept(id));
  }
  void DeclineIt(const std::string& id) {
    Tick();
    Do(Decline(id));
  }
  void ResolveIt(const std::string& id) {
    Tick();
    Do(Resolve(Conversation(id).agent_id(), id));
  }
  void EndWrapUps(absl::string_view agent) {
    Tick();
    Command end = CommandBy(agent, absl::StrCat("end ", log().size()));
    end.mutable_end_wrap_up()->set_agent_id(std::string(agent));
    Do(end);
  }
  void Tick() { now += absl::Seconds(1); }

 private:
  int customers_ = 0;
};

// What is said of the one who was chosen last.
const Explanation& LastExplained(const Shop& shop) {
  const Decision& decision = shop.log().back();
  return decision.events(decision.events_size() - 1).offered().explanation();
}

// How many agents were passed over for this reason when the decision queued a conversation.
int32_t PassedOver(const Decision& decision, Explanation::PassedOver reason) {
  for (const Event& event : decision.events()) {
    for (const auto& passed_over : event.queued().explanation().passed_over()) {
      if (passed_over.reason() == reason) return passed_over.agents();
    }
  }
  return 0;
}

// ---------------------------------------------------------------------------------------------
// Strategies

TEST(LongestIdle, CountsFromWhatAnAgentLastTookOrFinished) {
  WorkspaceConfig config = ConfigWith(config::v1::STRATEGY_LONGEST_IDLE);
  *QueueIn(config, "nl").mutable_wrap_up_time() = ToProto(absl::Minutes(10));
  ChoiceShop shop(config);
  shop.Online("bram");
  shop.Tick();
  shop.Online("anna");
  const std::string first = shop.Next();
  EXPECT_EQ(shop.OfferedTo(first), "bram");
  const std::string second = shop.Next();
  EXPECT_EQ(shop.OfferedTo(second), "bram") << "what is on offer is no work";
  shop.DeclineIt(second);
  EXPECT_EQ(shop.OfferedTo(second), "anna");
  EXPECT_EQ(shop.Gets(), "bram") << "nor is what was declined";
  shop.AcceptIt(first);
  EXPECT_EQ(shop.Gets(), "anna");
  shop.AcceptIt(second);
  EXPECT_EQ(shop.Gets(), "bram");
  shop.ResolveIt(first);
  EXPECT_EQ(shop.Gets(), "anna");
  shop.ResolveIt(second);
  EXPECT_EQ(shop.Gets(), "bram");
  shop.EndWrapUps("bram");
  EXPECT_EQ(shop.Gets(), "anna") << "after-work is work";
}

TEST(BestSkill, IsAskedFirstWhoeverIsIdle) {
  WorkspaceConfig config = ConfigWith(config::v1::STRATEGY_BEST_SKILL);
  SetSkill(config, "bram", "lang:nl", 9);
  AgentIn(config, "bram").set_capacity_units(2);
  ChoiceShop shop(config);
  shop.Online("anna");
  shop.Tick();
  shop.Online("bram");
  const std::string first = shop.Next();
  ASSERT_EQ(shop.OfferedTo(first), "bram");
  EXPECT_EQ(LastExplained(shop).chosen().skill_score(), 9);
  ASSERT_THAT(LastExplained(shop).runners_up(), SizeIs(1));
  EXPECT_EQ(LastExplained(shop).runners_up(0).skill_score(), 8);
  shop.AcceptIt(first);
  const std::string second = shop.Next();
  ASSERT_EQ(shop.OfferedTo(second), "bram");
  EXPECT_EQ(shop.Gets(), "anna") << "bram is full";
  shop.DeclineIt(second);
  EXPECT_EQ(shop.OfferedTo(second), "anna");
  const std::string third = shop.Next();
  ASSERT_EQ(shop.OfferedTo(third), "bram") << "what was declined is gone";
  shop.AcceptIt(third);
  EXPECT_EQ(shop.Gets(), "anna");
  shop.ResolveIt(third);
  EXPECT_EQ(shop.Gets(), "bram");
}

TEST(LeastOccupied, CountsOffersWorkAndAfterWork) {
  WorkspaceConfig config = ConfigWith(config::v1::STRATEGY_LEAST_OCCUPIED);
  *QueueIn(config, "nl").mutable_wrap_up_time() = ToProto(absl::Minutes(10));
  AgentIn(config, "anna").set_capacity_units(4);
  AgentIn(config, "bram").set_capacity_units(2);
  ChoiceShop shop(config);
  shop.Online("bram");
  shop.Tick();
  shop.Online("anna");
  EXPECT_EQ(shop.Gets(), "anna") << "of equals, by name";
  const std::string brams = shop.Next();
  ASSERT_EQ(shop.OfferedTo(brams), "bram") << "a quarter is on offer to anna";
  EXPECT_EQ(LastExplained(shop).chosen().occupancy_permille(), 0);
  ASSERT_THAT(LastExplained(shop).runners_up(), SizeIs(1));
  EXPECT_EQ(LastExplained(shop).runners_up(0).occupancy_permille(), 250);
  const std::string annas = shop.Next();
  ASSERT_EQ(shop.OfferedTo(annas), "anna") << "a quarter, to bram's half";
  shop.AcceptIt(brams);
  shop.ResolveIt(brams);
  EXPECT_EQ(shop.Gets(), "anna") << "half of either: bram has after-work";
  shop.EndWrapUps("bram");
  const std::string again = shop.Next();
  ASSERT_EQ(shop.OfferedTo(again), "bram");
  EXPECT_EQ(LastExplained(shop).chosen().occupancy_permille(), 0);
  shop.DeclineIt(again);
  ASSERT_EQ(shop.OfferedTo(again), "anna");
  EXPECT_EQ(LastExplained(shop).chosen().occupancy_permille(), 750);
  EXPECT_EQ(shop.Gets(), "bram");
  EXPECT_EQ(LastExplained(shop).chosen().occupancy_permille(), 0);
}

TEST(RoundRobin, GoesByWhatWasGivenWhateverBecameOfIt) {
  ChoiceShop shop(ConfigWith(config::v1::STRATEGY_ROUND_ROBIN));
  shop.Online("anna");
  shop.Online("bram");
  const std::string first = shop.Next();
  ASSERT_EQ(shop.OfferedTo(first), "anna");
  const std::string second = shop.Next();
  ASSERT_EQ(shop.OfferedTo(second), "bram");
  ASSERT_EQ(shop.Gets(), "anna");
  shop.AcceptIt(second);
  const std::string fourth = shop.Next();
  ASSERT_EQ(shop.OfferedTo(fourth), "bram") << "accepting is not being given";
  EXPECT_EQ(LastExplained(shop).chosen().last_given(), 2);
  shop.DeclineIt(fourth);
  ASSERT_EQ(shop.OfferedTo(fourth), "anna");
  EXPECT_EQ(shop.Gets(), "bram") << "what was declined was given, too";
  EXPECT_EQ(LastExplained(shop).chosen().last_given(), 4);
  shop.ResolveIt(second);
  const std::string pulled = shop.Next();
  ASSERT_EQ(shop.OfferedTo(pulled), "anna");
  shop.DeclineIt(pulled);
  ASSERT_EQ(shop.OfferedTo(pulled), "bram");
  shop.DeclineIt(pulled);
  shop.Tick();
  shop.Do(shop.Pull("anna", pulled));
  ASSERT_EQ(shop.Conversation(pulled).agent_id(), "anna");
  EXPECT_EQ(shop.Gets(), "bram") << "what anna took of her own accord was given to her, too";
}

// ---------------------------------------------------------------------------------------------
// Queues and skills

TEST(Secondary, IsAskedOnceNobodyWhoServesTheQueueFirstOfAllHasRoom) {
  WorkspaceConfig config = ShopConfig();
  config::v1::Agent& anna = AgentIn(config, "anna");
  anna.clear_queue_ids();
  anna.add_secondary_queue_ids("nl");
  ChoiceShop shop(config);
  shop.Online("anna");
  shop.Tick();
  shop.Online("bram");
  EXPECT_EQ(shop.Gets(), "bram") << "though anna has been idle for longer";
  EXPECT_FALSE(LastExplained(shop).chosen().secondary());
  const std::string second = shop.Next();
  ASSERT_EQ(shop.OfferedTo(second), "bram");
  const std::string third = shop.Next();
  ASSERT_EQ(shop.OfferedTo(third), "anna");
  EXPECT_TRUE(LastExplained(shop).chosen().secondary());
  shop.AcceptIt(second);
  shop.ResolveIt(second);
  EXPECT_EQ(shop.Gets(), "bram");
}

TEST(PreferredSkills, GoBeforeTheStrategyAndKeepNobodyOut) {
  WorkspaceConfig config = ShopConfig();
  config::v1::PreferredSkill& bikes = *QueueIn(config, "nl").add_preferred_skills();
  bikes.set_skill_id("bikes");
  bikes.set_weight(3);
  SetSkill(config, "bram", "bikes", 5);
  ChoiceShop shop(config);
  shop.Online("anna");
  shop.Tick();
  shop.Online("bram");
  EXPECT_EQ(shop.Gets(), "bram");
  EXPECT_EQ(LastExplained(shop).chosen().preferred_score(), 15);
  EXPECT_EQ(shop.Gets(), "bram");
  EXPECT_EQ(shop.Gets(), "anna");
  EXPECT_EQ(LastExplained(shop).chosen().preferred_score(), 0);
}

// One queue for all languages; anna has Dutch well enough, carol a little.
WorkspaceConfig ByLanguage() {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "nl").mutable_rules(0)->set_languages(0, "xx");
  config::v1::Queue& all = QueueIn(config, "en");
  all.clear_required_skills();
  all.set_language_proficiency(6);
  SetSkill(config, "carol", "lang:nl", 5);
  return config;
}

TEST(LanguageProficiency, AsksForTheConversationsOwnLanguage) {
  Shop shop(ByLanguage());
  shop.Online("carol");
  shop.now += absl::Seconds(1);
  shop.Online("anna");
  const std::string dutch = shop.Open("31600000001", "nl-BE");
  EXPECT_EQ(shop.Conversation(dutch).offer().agent_id(), "anna");
  const conversation::v1::Requirement& asked = LastExplained(shop).requirement();
  ASSERT_THAT(asked.clauses(), SizeIs(1));
  EXPECT_EQ(asked.clauses(0).any_of(0).skill_id(), "lang:nl");
  EXPECT_EQ(asked.clauses(0).any_of(0).proficiency(), 6);
  const std::string english = shop.Open("44700000001", "en");
  EXPECT_EQ(shop.Conversation(english).offer().agent_id(), "carol");
}

TEST(LanguageProficiency, IsWaivedWhereTheLanguageIsUnknownOrNobodyHasIt) {
  for (const absl::string_view language : {"", "de"}) {
    SCOPED_TRACE(language);
    Shop shop(ByLanguage());
    shop.Online("carol");
    shop.now += absl::Seconds(1);
    shop.Online("anna");
    const std::string id = shop.Open("49100000001", language);
    EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "carol");
    EXPECT_THAT(LastExplained(shop).requirement().clauses(), IsEmpty());
  }
}

TEST(LanguageProficiency, OfWhatIsLearntWhileItWaitsCountsAtOnce) {
  Shop shop(ByLanguage());
  shop.Online("carol");
  const Decision& opened = shop.Receive(Text("31600000001", 1, "nl"));
  EXPECT_EQ(PassedOver(opened, Explanation::PASSED_OVER_LACKS_SKILL), 1);
  const std::string id = opened.events(0).conversation_opened().conversation_id();
  Command update = BySupervisor("update");
  update.mutable_update_conversation()->set_conversation_id(id);
  update.mutable_update_conversation()->set_language("en");
  shop.Do(update);
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "carol");
}

TEST(LowerSkills, AreEnoughOnceAConversationHasWaited) {
  WorkspaceConfig config = ShopConfig();
  QueueIn(config, "nl").mutable_required_skills(0)->set_proficiency(9);
  config::v1::RelaxationStep& step = *QueueIn(config, "nl").add_relaxation_steps();
  *step.mutable_after() = ToProto(absl::Seconds(30));
  step.add_lower_skills()->set_skill_id("lang:nl");
  step.mutable_lower_skills(0)->set_proficiency(8);
  Shop shop(config);
  shop.Online("bram");
  const Decision& opened = shop.Receive(Text("31600000001", 1, "nl"));
  EXPECT_EQ(PassedOver(opened, Explanation::PASSED_OVER_LACKS_SKILL), 2);
  const std::string id = opened.events(0).conversation_opened().conversation_id();
  EXPECT_THAT(shop.Wait(absl::Milliseconds(29'999)), IsEmpty());
  shop.Wait(absl::Milliseconds(1));
  EXPECT_EQ(shop.Conversation(id).offer().agent_id(), "bram");
  EXPECT_EQ(LastExplained(shop).requirement().ring(), 1);
  EXPECT_EQ(LastExplained(shop).requirement().clauses(0).any_of(0).proficiency(), 8);
}

// ---------------------------------------------------------------------------------------------
// Capacity

TEST(Capacity, AChatMayInterruptMailAndNotTheReverse) {
  WorkspaceConfig config = ShopConfig();
  config.mutable_channels(0)->add_may_interrupt(common::v1::CHANNEL_KIND_EMAIL);
  Shop shop(config);
  shop.Online("bram");
  std::vector<std::string> mails;
  const auto mail = [&]() -> const Decision& {
    const int n = static_cast<int>(mails.size());
    const Decision& decision = shop.Receive(ByMail(Text(absl::StrCat("3160000010", n), n, "nl")));
    mails.push_back(decision.events(0).conversation_opened().conversation_id());
    return decision;
  };
  const auto waits = [&](const std::string& id) {
    return shop.Conversation(id).status() == ConversationStatus::CONVERSATION_STATUS_QUEUED;
  };
  for (int i = 0; i < 3; ++i) mail();
  EXPECT_EQ(shop.Agent("bram").used_units(), 2);  // full of mail, the third waits
  shop.Do(shop.Accept(mails[0]));
  shop.Do(shop.Accept(mails[1]));
  const std::string chat = shop.Open("31600000001", "nl");
  EXPECT_EQ(shop.Conversation(chat).offer().agent_id(), "bram");
  EXPECT_EQ(shop.Agent("bram").used_units(), 3);
  ASSERT_THAT(shop.Agent("bram").channel_loads(), SizeIs(2));
  EXPECT_EQ(shop.Agent("bram").channel_loads(0).conversations(), 2);
  shop.Do(shop.Accept(chat));
  // One mail less, and still no room for another.
  shop.Do(shop.Resolve("bram", mails[0]));
  EXPECT_EQ(shop.Agent("bram").used_units(), 2);
  EXPECT_TRUE(waits(mails[2]));
  shop.Do(shop.Resolve("bram", mails[1]));
  EXPECT_EQ(shop.Conversation(mails[2]).offer().agent_id(), "bram");
  // Full of chats.
  shop.Do(shop.Accept(mails[2]));
  shop.Do(shop.Resolve("bram", mails[2]));
  shop.Do(shop.Accept(shop.Open("31600000002", "nl")));
  EXPECT_EQ(PassedOver(mail(), Explanation::PASSED_OVER_NO_CAPACITY), 1);
  EXPECT_TRUE(waits(mails[3]));
  EXPECT_EQ(shop.Agent("bram").used_units(), 2);
}

TEST(Capacity, OfAChannelIsBoundedByItsConversations) {
  WorkspaceConfig config = ShopConfig();
  config.mutable_channels(0)->set_max_conversations(1);
  *QueueIn(config, "nl").mutable_wrap_up_time() = ToProto(absl::Minutes(1));
  AgentIn(config, "bram").set_capacity_units(3);
  Shop shop(config);
  shop.Online("bram");
  const std::string chat = shop.Open("31600000001", "nl");
  ASSERT_EQ(shop.Conversation(chat).offer().agent_id(), "bram");
  const Decision& opened = shop.Receive(Text("31600000002", 1, "nl"));
  EXPECT_EQ(PassedOver(opened, Explanation::PASSED_OVER_CHANNEL_LIMIT), 1);
  const std::string waits = opened.events(0).conversation_opened().conversation_id();
  EXPECT_FALSE(shop.Conversation(waits).has_offer());
  // There is room for others.
  const std::string mail = shop.Open(ByMail(Text("31600000003", 1, "nl")));
  EXPECT_EQ(shop.Conversation(mail).offer().agent_id(), "bram");
  shop.Do(shop.Accept(chat));
  shop.Do(shop.Accept(mail));
  shop.Do(shop.Resolve("bram", mail));
  shop.Do(shop.Resolve("bram", chat));
  EXPECT_FALSE(shop.Conversation(waits).has_offer()) << "after-work counts";
  WaitConnected(shop, absl::Minutes(1));
  EXPECT_EQ(shop.Conversation(waits).offer().agent_id(), "bram");
}

TEST(Capacity, AnAgentsOwnLimitTakesThePlaceOfTheChannels) {
  WorkspaceConfig config = ConfigWith(config::v1::STRATEGY_LONGEST_IDLE);
  config.mutable_channels(0)->set_max_conversations(1);
  const auto limit = [&](absl::string_view agent, int32_t most) {
    config::v1::ChannelLimit& l = *AgentIn(config, agent).add_channel_limits();
    l.set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
    l.set_max_conversations(most);
  };
  limit("anna", 0);
  limit("bram", 2);
  ChoiceShop shop(config);
  shop.Online("anna");
  shop.Tick();
  shop.Online("bram");
  EXPECT_EQ(shop.Gets(), "bram") << "none for anna, though she has been idle for longer";
  EXPECT_EQ(shop.Gets(), "bram");
  EXPECT_EQ(shop.Gets(), "");
  EXPECT_EQ(PassedOver(shop.log().back(), Explanation::PASSED_OVER_CHANNEL_LIMIT), 2);
  const std::string mail = shop.Open(ByMail(Text("31600000001", 1, "nl")));
  EXPECT_EQ(shop.OfferedTo(mail), "anna") << "mail has no limit";
}

TEST(Capacity, OfNoneIsGivenNothingUntilThereIsSome) {
  WorkspaceConfig config = ShopConfig();
  AgentIn(config, "carol").set_capacity_units(0);
  Shop shop(config);
  shop.Online("carol");
  const Decision& opened = shop.Receive(Text("44700000001", 1, "en"));
  EXPECT_EQ(PassedOver(opened, Explanation::PASSED_OVER_NO_CAPACITY), 1);
  const std::string first = opened.events(0).conversation_opened().conversation_id();
  shop.now += absl::Seconds(1);
  const std::string second = shop.Open("44700000002", "en");
  WaitConnected(shop, absl::Hours(1));
  EXPECT_FALSE(shop.Conversation(first).has_offer());
  Command set = BySupervisor("capacity");
  set.mutable_set_capacity()->set_agent_id("carol");
  set.mutable_set_capacity()->set_capacity_units(1);
  const Decision& given = shop.Do(set);
  ASSERT_THAT(domain::testing::Kinds(given),
              ::testing::ElementsAre(Event::kAgentCapacityChanged, Event::kOffered));
  EXPECT_EQ(given.events(1).offered().conversation_id(), first);
  EXPECT_FALSE(shop.Conversation(second).has_offer());
}

}  // namespace
}  // namespace wissel::domain
