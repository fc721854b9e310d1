// That no decision is larger than a record, however much follows from one input (ADR 4), and that
// what is left over is done by whoever goes on.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/domain/config_validation.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_shop.h"

namespace wissel::domain {
namespace {

using config::v1::WorkspaceConfig;
using domain::testing::BySupervisor;
using domain::testing::Command;
using domain::testing::Decision;
using domain::testing::EraseIf;
using domain::testing::Promise;
using domain::testing::QueueIn;
using domain::testing::Shop;
using domain::testing::ShopConfig;
using domain::testing::Text;
using state::v1::ConversationStatus;

// What a conversation keeps of a message stands twice in the decision that opens it.
TEST(Bounds, AMessageLargerThanItsContractIsRefused) {
  const Shop shop;
  const auto refused = [&shop](auto&& change) {
    message::v1::InboundMessage m = Text("31600000001", 1, "nl");
    change(m);
    const auto refusal = const_cast<Shop&>(shop).engine().Refuse(m);
    return refusal.has_value() ? refusal->detail : "";
  };
  const std::string large(3'000, 'x');
  EXPECT_EQ(refused([](auto& m) { m.set_subject(std::string(998, 's')); }), "");
  EXPECT_EQ(refused([&](auto& m) { m.set_subject(large); }),
            "the subject, provider_message_id or language has 3000 bytes; at most 998");
  EXPECT_NE(refused([&](auto& m) { m.set_provider_message_id(large); }), "");
  EXPECT_NE(refused([&](auto& m) { m.set_language(large); }), "");
  EXPECT_NE(refused([&](auto& m) { m.mutable_sender()->set_display_name(large); }), "");
  EXPECT_NE(refused([&](auto& m) { m.mutable_account()->set_account_id(large); }), "");
  EXPECT_NE(refused([&](auto& m) { m.mutable_facts()->add_tags(large); }), "");
  // Its contents stand there once.
  EXPECT_EQ(refused([](auto& m) {
              m.mutable_contents(0)->mutable_text()->set_text(std::string(600'000, 't'));
            }),
            "");

  Command command = BySupervisor("large");
  command.mutable_add_note()->set_text("a note");
  EXPECT_FALSE(const_cast<Shop&>(shop).engine().Refuse(command).has_value());
  command.mutable_actor()->set_subject(std::string(5'000, 's'));
  EXPECT_TRUE(const_cast<Shop&>(shop).engine().Refuse(command).has_value());
}

constexpr int kMany = 1300;
// A step that was begun is done: a few events more than 500.
constexpr int kMostEvents = 510;
// What the bus takes at most in a record (bus/kafka.h).
constexpr size_t kMostBytes = (size_t{1} << 20) - 4096;

int Largest(const std::vector<Decision>& decisions) {
  int events = 0;
  for (const Decision& decision : decisions) events = std::max(events, decision.events_size());
  return events;
}

// Bram alone, who may have everything at once.
WorkspaceConfig Crowded(int64_t version = 1) {
  WorkspaceConfig config = ShopConfig(version);
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() != "bram"; });
  config.mutable_agents(0)->set_capacity_units(100'000);
  *QueueIn(config, "nl").mutable_offer_timeout() = ToProto(absl::Hours(1));
  return config;
}

void OpenMany(Shop& shop) {
  for (int i = 0; i < kMany; ++i) shop.Open(absl::StrCat(31600000000 + i), "nl");
}

int Count(const State& state, ConversationStatus status) {
  return static_cast<int>(
      std::count_if(state.conversations().begin(), state.conversations().end(),
                    [status](const auto& entry) { return entry.second->status() == status; }));
}

int Queued(const State& state) {
  return Count(state, ConversationStatus::CONVERSATION_STATUS_QUEUED);
}

// Goes on from the state alone, with what is due at once.
State TakeOver(const State& state, absl::Time now) {
  Engine successor(state.Copy(), {.holds = [](absl::string_view) { return true; }});
  for (int i = 0; successor.NextTimer() <= now && i < 100; ++i) {
    EXPECT_LE(successor.DecideTimer(now)->events_size(), kMostEvents);
  }
  EXPECT_GT(successor.NextTimer(), now);
  return successor.state().Copy();
}

class AgentGoes : public ::testing::Test {
 protected:
  explicit AgentGoes(bool auto_accept) : shop_(Config(auto_accept)) {
    shop_.Online("bram");
    OpenMany(shop_);
  }
  static WorkspaceConfig Config(bool auto_accept) {
    WorkspaceConfig config = Crowded();
    QueueIn(config, "nl").set_auto_accept(auto_accept);
    return config;
  }
  const State& state() { return shop_.engine().state(); }
  // What was decided last has begun it.
  void ExpectAllGivenBack() {
    EXPECT_LE(Largest(shop_.log()), kMostEvents);
    EXPECT_LT(Queued(state()), kMany);
    EXPECT_EQ(Queued(TakeOver(state(), shop_.now)), kMany);
    shop_.Wait(absl::ZeroDuration());
    EXPECT_EQ(Queued(state()), kMany);
    EXPECT_LE(Largest(shop_.log()), kMostEvents);
    for (const auto& [key, agent] : state().agents()) EXPECT_EQ(agent.used_units(), 0) << key;
  }

  Shop shop_;
};
class AgentWithWorkGoes : public AgentGoes {
 protected:
  AgentWithWorkGoes() : AgentGoes(true) {}
};
class AgentWithOffersGoes : public AgentGoes {
 protected:
  AgentWithOffersGoes() : AgentGoes(false) {}
};

TEST_F(AgentWithWorkGoes, Offline) {
  shop_.SetPresence("bram", command::v1::PRESENCE_OFFLINE);
  ExpectAllGivenBack();
}

TEST_F(AgentWithWorkGoes, LoggedOutByASupervisorWithWhatIsParkedToo) {
  Command park = BySupervisor("park");
  park.mutable_park()->set_conversation_id(*state().ConversationsOf("acme", "bram").rbegin());
  shop_.Do(park);
  Command logout = BySupervisor("logout");
  logout.mutable_force_logout()->set_agent_id("bram");
  shop_.Do(logout);
  ExpectAllGivenBack();
  for (const Decision& decision : shop_.log()) {
    for (const auto& event : decision.events()) {
      EXPECT_NE(event.queued().reason(), conversation::v1::Queued::REASON_AGENT_LOST);
    }
  }
}

TEST_F(AgentWithWorkGoes, OutOfTheConfiguration) {
  WorkspaceConfig config = Config(true);
  config.set_version(2);
  config.mutable_agents()->Clear();
  shop_.Apply(config);
  ExpectAllGivenBack();
  EXPECT_EQ(state().FindAgent("acme", "bram"), nullptr);
  EXPECT_EQ(TakeOver(state(), shop_.now).FindAgent("acme", "bram"), nullptr);
}

TEST_F(AgentWithWorkGoes, IntoAnotherRoutingGroup) {
  WorkspaceConfig config = Config(true);
  config.set_version(2);
  config.add_routing_groups()->set_routing_group_id("other");
  config.mutable_agents(0)->set_routing_group_id("other");
  shop_.Apply(config);
  ExpectAllGivenBack();
}

TEST_F(AgentWithOffersGoes, Away) {
  shop_.SetPresence("bram", command::v1::PRESENCE_AWAY);
  ExpectAllGivenBack();
}

TEST_F(AgentWithOffersGoes, OutOfTheConfigurationWhereWorkIsKept) {
  const std::string kept = *state().ConversationsOf("acme", "bram").rbegin();
  shop_.Do(shop_.Accept(kept));
  WorkspaceConfig config = Config(false);
  config.set_version(2);
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  config.mutable_agents()->Clear();
  shop_.Apply(config);
  EXPECT_LE(Largest(shop_.log()), kMostEvents);
  const State taken_over = TakeOver(state(), shop_.now);
  shop_.Wait(absl::ZeroDuration());
  for (const State* s : {&state(), &taken_over}) {
    EXPECT_EQ(Queued(*s), kMany - 1);
    EXPECT_EQ(s->FindConversation(kept)->agent_id(), "bram");
    EXPECT_TRUE(s->FindAgent("acme", "bram")->leaving());
    EXPECT_EQ(s->FindAgent("acme", "bram")->used_units(), 1);
  }
  EXPECT_LE(Largest(shop_.log()), kMostEvents);
}

TEST(Bounds, ManyWaitingWhoseQueueIsGone) {
  Shop shop(Crowded());
  OpenMany(shop);
  ASSERT_EQ(Queued(shop.engine().state()), kMany);
  WorkspaceConfig config = Crowded(2);
  QueueIn(config, "nl").set_queue_id("dutch");
  for (config::v1::Agent& agent : *config.mutable_agents()) agent.add_queue_ids("dutch");
  shop.Apply(config);
  const auto in_dutch = [](const State& state) {
    return std::count_if(state.conversations().begin(), state.conversations().end(),
                         [](const auto& entry) { return entry.second->queue_id() == "dutch"; });
  };
  EXPECT_LT(in_dutch(shop.engine().state()), kMany);
  EXPECT_EQ(in_dutch(TakeOver(shop.engine().state(), shop.now)), kMany);
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(in_dutch(shop.engine().state()), kMany);
  EXPECT_LE(Largest(shop.log()), kMostEvents);
}

TEST(Bounds, ManyAgentsWhoLeaveAtOnce) {
  WorkspaceConfig config = ShopConfig();
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  QueueIn(config, "nl").set_auto_accept(true);
  const config::v1::Agent bram = config.agents(1);
  config.mutable_agents()->Clear();
  for (int i = 0; i < kMany; ++i) {
    *config.add_agents() = bram;
    config.mutable_agents(i)->set_agent_id(absl::StrCat("agent-", i));
    config.mutable_agents(i)->set_capacity_units(1);
  }
  Shop shop(config);
  for (const config::v1::Agent& agent : config.agents()) shop.Online(agent.agent_id());
  OpenMany(shop);
  ASSERT_EQ(Count(shop.engine().state(), ConversationStatus::CONVERSATION_STATUS_ACTIVE), kMany);
  config.mutable_agents()->Clear();
  *config.add_agents() = bram;
  config.set_version(2);
  shop.Apply(config);
  shop.Wait(absl::ZeroDuration());
  int leaving = 0;
  for (const auto& [key, agent] : shop.engine().state().agents()) leaving += agent.leaving();
  EXPECT_EQ(leaving, kMany);
  // They go as soon as nothing is kept any more.
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_REQUEUED);
  config.set_version(3);
  shop.Apply(config);
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(shop.engine().state().agents().size(), 1);
  EXPECT_EQ(Queued(shop.engine().state()), kMany);
  EXPECT_LE(Largest(shop.log()), kMostEvents);
}

TEST(Bounds, ManyConversationsWhoseSlaPolicyIsGone) {
  WorkspaceConfig config = Crowded();
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(10));
  Promise(config, config::v1::SLA_METRIC_RESOLUTION, absl::Hours(20));
  Shop shop(config);
  OpenMany(shop);
  config.set_version(2);
  config.mutable_sla_policies()->DeleteSubrange(0, 1);
  shop.Apply(config);
  const auto measured = [](const State& state) {
    return std::count_if(
        state.conversations().begin(), state.conversations().end(),
        [](const auto& entry) { return entry.second->sla().sla_policy_id() == "policy-2"; });
  };
  EXPECT_LT(measured(shop.engine().state()), kMany);
  EXPECT_EQ(measured(TakeOver(shop.engine().state(), shop.now)), kMany);
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(measured(shop.engine().state()), kMany);
  EXPECT_LE(Largest(shop.log()), kMostEvents);
}

TEST(Bounds, ManyConversationsOnWhichSomebodyWhoGoesIsConsulted) {
  WorkspaceConfig config = ShopConfig();
  config.mutable_agents(1)->set_capacity_units(100'000);
  QueueIn(config, "nl").set_auto_accept(true);
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() == "carol"; });
  Shop shop(config);
  shop.Online("bram");
  OpenMany(shop);
  std::vector<std::string> ids;
  for (const auto& [id, c] : shop.engine().state().conversations()) ids.push_back(id);
  for (const std::string& id : ids) {
    Command consult = domain::testing::CommandBy("bram", absl::StrCat("consult ", id));
    consult.mutable_consult()->set_conversation_id(id);
    consult.mutable_consult()->set_agent_id("anna");
    shop.Do(consult);
  }
  const auto consulted = [](const State& state) { return state.CompanyOf("acme", "anna").size(); };
  ASSERT_EQ(consulted(shop.engine().state()), kMany);
  config.set_version(2);
  config.mutable_agents()->DeleteSubrange(0, 1);
  shop.Apply(config);
  EXPECT_GT(consulted(shop.engine().state()), 0);
  EXPECT_EQ(consulted(TakeOver(shop.engine().state(), shop.now)), 0);
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(consulted(shop.engine().state()), 0);
  EXPECT_LE(Largest(shop.log()), kMostEvents);
}

TEST(Bounds, AllTheAfterWorkOfAnAgentThatIsEndedAtOnce) {
  WorkspaceConfig config = Crowded();
  QueueIn(config, "nl").set_auto_accept(true);
  *QueueIn(config, "nl").mutable_wrap_up_time() = ToProto(absl::Hours(1));
  Shop shop(config);
  shop.Online("bram");
  OpenMany(shop);
  for (const std::string& id :
       std::set<std::string>(shop.engine().state().ConversationsOf("acme", "bram"))) {
    shop.Do(shop.Resolve("bram", id));
  }
  const auto left = [&] { return shop.Agent("bram").wrap_ups_size(); };
  ASSERT_EQ(left(), kMany);
  Command end = domain::testing::CommandBy("bram", "end");
  end.mutable_end_wrap_up()->set_agent_id("bram");
  shop.Do(end);
  EXPECT_EQ(left(), kMany - 500);
  shop.Wait(absl::Hours(1));
  EXPECT_EQ(left(), 0);
  EXPECT_LE(Largest(shop.log()), kMostEvents);
}

// As much as a configuration may say that every explanation repeats.
WorkspaceConfig Talkative() {
  const auto id = [](absl::string_view kind, int i) {
    return absl::StrCat(kind, i, std::string(120, 'x'));
  };
  WorkspaceConfig config = Crowded();
  for (int i = 0; i < 50; ++i) {
    QueueIn(config, "nl").add_required_skills()->set_skill_id(id("skill", i));
    QueueIn(config, "nl").mutable_required_skills()->rbegin()->set_proficiency(1);
    QueueIn(config, "nl").add_preferred_skills()->set_skill_id(id("skill", i));
    QueueIn(config, "nl").mutable_preferred_skills()->rbegin()->set_weight(1);
  }
  QueueIn(config, "nl").mutable_required_skills()->DeleteSubrange(0, 1);
  for (int i = 0; i < 800; ++i) {
    config::v1::Agent& agent = *config.add_agents();
    agent.set_agent_id(id("agent", i));
    agent.set_routing_group_id("main");
    agent.set_capacity_units(1);
    config::v1::Queue& queue = *config.add_queues();
    queue.set_queue_id(id("queue", i));
    queue.set_routing_group_id("main");
  }
  for (int i = 0; i < 8; ++i) {
    config::v1::RelaxationStep& step = *QueueIn(config, "nl").add_relaxation_steps();
    *step.mutable_after() = ToProto(absl::Seconds(10 * (i + 1)));
    for (int j = 0; j < 100; ++j) {
      step.add_widen_to_agent_ids(id("agent", 100 * i + j));
      step.add_widen_to_queue_ids(id("queue", 100 * i + j));
    }
    for (int j = 0; j < 50; ++j) {
      config::v1::SkillAlternative& alternative = *step.add_alternatives();
      alternative.set_skill_id(id("skill", j));
      alternative.set_or_skill_id(id("other", 50 * i + j));
      alternative.set_proficiency(1);
    }
  }
  // In the end bram may take it, whatever he can.
  config.mutable_queues(0)->mutable_relaxation_steps(7)->set_widen_to_agent_ids(0, "bram");
  return config;
}

TEST(Bounds, DecisionsFitIntoARecordHoweverMuchAnExplanationSays) {
  Shop shop(Talkative());
  for (int i = 0; i < 200; ++i) shop.Open(absl::StrCat(31600000000 + i), "nl");
  shop.Wait(absl::Seconds(90));
  shop.Online("bram");
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(Count(shop.engine().state(), ConversationStatus::CONVERSATION_STATUS_OFFERED), 200);
  size_t bytes = 0;
  for (const Decision& decision : shop.log()) bytes = std::max(bytes, decision.ByteSizeLong());
  EXPECT_LT(bytes, kMostBytes);
}

// As large a message as is decided at all, and one more step.
TEST(Bounds, ALargeMessageLeavesTheRestToTheNextDecision) {
  Shop shop(Talkative());
  shop.Wait(absl::Seconds(90));
  for (int i = 0; i < 50; ++i) shop.Open(absl::StrCat(31600000000 + i), "nl");
  shop.Wait(absl::Seconds(90));
  shop.Online("bram");
  shop.Wait(absl::ZeroDuration());
  const std::string text(767 << 10, 'x');
  shop.Receive(Text("31700000000", 1, "nl", text));
  shop.Wait(absl::ZeroDuration());
  for (const Decision& decision : shop.log()) {
    EXPECT_LT(decision.ByteSizeLong(), kMostBytes);
  }
}

// Two of them fill more than a record. Who folds from the round's start on knows all of them before
// anything else.
TEST(Bounds, ConfigurationsAreRestatedOneByOneWhereTheyAreLarge) {
  Shop shop;
  for (const char* workspace : {"large", "larger", "small", "smaller"}) {
    WorkspaceConfig config = ShopConfig();
    config.set_workspace_id(workspace);
    if (workspace[0] == 'l') config.set_display_name(std::string(550'000, 'd'));
    shop.Apply(config);
  }
  shop.Open("31600000001", "nl");
  const size_t cut = shop.log().size();
  shop.Restate(128 << 10);
  EXPECT_EQ(shop.log().size(), cut + 4);  // with the shop's own, one, one, and the small two.
  State cut_off;
  cut_off.BeginsAfterCut();
  for (size_t i = cut; i < shop.log().size(); ++i) {
    EXPECT_LT(shop.log()[i].ByteSizeLong(), kMostBytes);
    cut_off.Apply(shop.log()[i]);
  }
  EXPECT_TRUE(cut_off.whole());
  EXPECT_EQ(cut_off.Hash(), shop.state().Hash());
}

// Of as many bytes as it may have.
WorkspaceConfig Fill(WorkspaceConfig config, size_t max_bytes = kMaxConfigBytes) {
  const size_t bytes = config.ByteSizeLong();
  config.set_display_name(std::string(max_bytes - bytes - 16, 'd'));
  return config;
}

void ALargeConfigurationLeavesTheRest(size_t max_record_bytes) {
  WorkspaceConfig config = Talkative();
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() == "bram"; });
  config.mutable_queues(0)->mutable_relaxation_steps(7)->mutable_widen_to_agent_ids()->RemoveLast();
  Shop shop(config);
  for (int i = 0; i < 20; ++i) shop.Open(absl::StrCat(31600000000 + i), "nl");
  shop.Wait(absl::Seconds(90));
  const std::string helper = config.agents(0).agent_id();
  shop.Online(helper);
  config.set_version(2);
  config.mutable_agents(0)->set_capacity_units(20);
  const Decision applied = shop.Apply(Fill(config, MaxConfigBytes(max_record_bytes)));
  EXPECT_LT(applied.ByteSizeLong(), max_record_bytes);
  shop.Wait(absl::ZeroDuration());
  EXPECT_EQ(Count(shop.state(), ConversationStatus::CONVERSATION_STATUS_OFFERED), 20);
  for (const Decision& decision : shop.log()) EXPECT_LT(decision.ByteSizeLong(), max_record_bytes);
}

TEST(Bounds, ALargeConfigurationLeavesTheRestToTheNextDecision) {
  ALargeConfigurationLeavesTheRest(kMostBytes);
}

TEST(Bounds, AndALargerOneWhereRecordsMayBeLarger) {
  ALargeConfigurationLeavesTheRest(4 * kMostBytes);
}

TEST(Bounds, QueuesAreKeptAsFarAsThereIsRoomBesideTheConfiguration) {
  WorkspaceConfig config = Crowded();
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  QueueIn(config, "nl").set_display_name(std::string(130'000, 'n'));
  for (const bool filled : {false, true}) {
    Shop shop(config);
    shop.Open("31600000001", "nl");
    WorkspaceConfig without = config;
    without.set_version(2);
    EraseIf(*without.mutable_queues(), [](const auto& q) { return q.queue_id() == "nl"; });
    without.mutable_agents(0)->clear_queue_ids();
    without.mutable_agents(0)->add_queue_ids("en");
    const Decision applied = shop.Apply(filled ? Fill(without) : without);
    EXPECT_EQ(applied.events(0).has_queue_closing(), !filled);
    EXPECT_LT(applied.ByteSizeLong(), kMostBytes);
  }
}

}  // namespace
}  // namespace wissel::domain
