// `wisselctl replay` with the policy unchanged, on days with everything that routing knows: nothing
// may come out otherwise.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/bus/embedded.h"
#include "libs/domain/testing.h"
#include "libs/domain/testing_rich.h"
#include "libs/testing/shop_log.h"
#include "libs/testing/status_matchers.h"
#include "services/ctl/log_replay.h"
#include "services/ctl/log_source.h"

namespace wissel::ctl {
namespace {

using command::v1::Command;
using conversation::v1::Event;
using domain::testing::CommandBy;
using domain::testing::EraseIf;
using domain::testing::kWorkspace;
using domain::testing::Text;
using wissel::testing::ShopLog;

// What is resolved is forgotten within the day.
config::v1::WorkspaceConfig RichConfig(int64_t version) {
  config::v1::WorkspaceConfig config = domain::testing::RichConfig(version);
  *config.mutable_conversations()->mutable_reopen_window() = ToProto(absl::Minutes(10));
  *config.mutable_conversations()->mutable_forget_after() = ToProto(absl::Minutes(30));
  return config;
}

class RichDay {
 public:
  explicit RichDay(uint32_t seed) : random_(seed) {}

  void Step(ShopLog& shop) {
    if (Pick(2) == 0) return shop.Happen(random_);
    const std::string agent = Agent();
    const std::string id = Open(shop);
    const std::string key = absl::StrCat("rich", ++keys_);
    Command c = CommandBy(agent, key);
    if (Pick(2) == 0) c.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
    switch (Pick(25)) {
      case 0:
      case 1:
        return Mail(shop);
      case 2:
        shop.Apply(AnotherConfig(shop));
        return;
      case 3:
        c.mutable_consult()->set_conversation_id(id);
        c.mutable_consult()->set_agent_id(agent);
        break;
      case 4:
        c.mutable_pull()->set_conversation_id(id);
        c.mutable_pull()->set_agent_id(agent);
        break;
      case 5:
        c.mutable_reassign()->set_conversation_id(id);
        c.mutable_reassign()->set_agent_id(agent);
        break;
      case 6:
        c.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
        c.mutable_barge_in()->set_conversation_id(id);
        break;
      case 7:
        c.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
        c.mutable_leave_conversation()->set_conversation_id(
            OneOf(shop.state().CompanyOf(kWorkspace, agent)));
        break;
      case 8:
        if (Pick(3) == 0)
          c.mutable_force_logout()->set_agent_id(agent);
        else
          c.mutable_end_wrap_up()->set_agent_id(agent);
        break;
      case 9:
      case 10:
        c.mutable_update_conversation()->set_conversation_id(id);
        c.mutable_update_conversation()->set_priority_points(static_cast<int>(Pick(50)));
        if (Pick(2) == 0) c.mutable_update_conversation()->set_language(Pick(2) == 0 ? "nl" : "en");
        if (Pick(3) == 0) c.mutable_update_conversation()->mutable_facts()->set_tier("gold");
        c.mutable_update_conversation()->set_choose_queue_again(Pick(2) == 0);
        break;
      case 11:
        c.mutable_merge_conversation()->set_conversation_id(id);
        c.mutable_merge_conversation()->set_into_conversation_id(OfSameContact(shop, id));
        break;
      case 12:
        c.mutable_transfer()->set_conversation_id(id);
        c.mutable_transfer()->set_agent_id(Agent());
        break;
      case 13:
        c.mutable_park()->set_conversation_id(id);
        c.mutable_park()->set_on_hold(true);
        break;
      case 14:
        c.mutable_resume()->set_conversation_id(id);
        break;
      case 15:
        c.mutable_decline_offer()->set_agent_id(agent);
        for (const std::string& held : shop.state().ConversationsOf(kWorkspace, agent)) {
          c.mutable_decline_offer()->set_offer_id(
              shop.state().FindConversation(held)->offer().offer_id());
        }
        break;
      case 16:
        c.mutable_reopen()->set_conversation_id(Any(shop));
        break;
      case 17:
        c.mutable_set_presence()->set_agent_id(agent);
        c.mutable_set_presence()->set_presence(static_cast<command::v1::Presence>(1 + Pick(4)));
        break;
      case 18:
        c.mutable_set_capacity()->set_agent_id(agent);
        c.mutable_set_capacity()->set_capacity_units(static_cast<int>(1 + Pick(3)));
        break;
      // Leases that soon run out, now and then renewed.
      case 19:
      case 20:
        c.mutable_connect_agent()->set_agent_id(agent);
        c.mutable_connect_agent()->set_session_id(key);
        c.mutable_connect_agent()->set_gateway_id("gateway-2");
        *c.mutable_connect_agent()->mutable_lease() = ToProto(absl::Seconds(20));
        break;
      case 21:
        c.mutable_renew_gateway_lease()->set_gateway_id("gateway-2");
        *c.mutable_renew_gateway_lease()->mutable_lease() = ToProto(absl::Seconds(60));
        break;
      case 22:
        c.mutable_disconnect_agent()->set_agent_id(agent);
        c.mutable_disconnect_agent()->set_session_id(absl::StrCat(agent, "-session"));
        break;
      case 23:
        // A router that has much to do: timers fire late, behind inputs that came later.
        shop.now += absl::Milliseconds(Pick(15'000));
        return;
      default:
        // A router whose clock is behind its predecessor's.
        shop.now -= absl::Milliseconds(Pick(300));
        return;
    }
    shop.Do(c);
  }

  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  std::string Agent() {
    static constexpr const char* kAgents[] = {"anna", "bram", "carol"};
    return kAgents[Pick(3)];
  }

  // In an order of its own: the map has none.
  static std::set<std::string> Ids(const ShopLog& shop, bool open) {
    std::set<std::string> ids;
    for (const auto& [id, c] : shop.state().conversations()) {
      if (!open || domain::IsOpen(*c)) ids.insert(id);
    }
    return ids;
  }
  std::string OneOf(const std::set<std::string>& ids) {
    if (ids.empty()) return "none";
    return *std::next(ids.begin(), static_cast<int64_t>(Pick(ids.size())));
  }
  std::string Open(const ShopLog& shop) { return OneOf(Ids(shop, true)); }
  std::string Any(const ShopLog& shop) { return OneOf(Ids(shop, false)); }
  static std::string OfSameContact(const ShopLog& shop, const std::string& id) {
    const auto* c = shop.state().FindConversation(id);
    for (const std::string& other : Ids(shop, true)) {
      if (other != id && shop.state().FindConversation(other)->contact().contact_id() ==
                             c->contact().contact_id()) {
        return other;
      }
    }
    return id;
  }

  // Sometimes of somebody who writes by phone, too.
  void Mail(ShopLog& shop) {
    message::v1::InboundMessage mail =
        Text(absl::StrCat("317", Pick(12)), static_cast<int>(Pick(60)), "nl");
    mail.mutable_account()->set_kind(common::v1::CHANNEL_KIND_EMAIL);
    mail.mutable_account()->set_account_id("shop-mail");
    mail.mutable_facts()->set_tier("gold");
    if (Pick(2) == 0) {
      mail.mutable_sender()->set_contact_id(
          Text(absl::StrCat("316", Pick(15)), 0, "nl").sender().contact_id());
    }
    shop.Receive(mail);
  }

  // Sometimes without those who have work, or a queue; what they have is kept, or goes back.
  config::v1::WorkspaceConfig AnotherConfig(const ShopLog& shop) {
    config::v1::WorkspaceConfig config = RichConfig(++version_);
    config.mutable_conversations()->set_removed_work(
        static_cast<config::v1::RemovedWork>(Pick(4) == 0 ? 1 : 2));
    if (Pick(2) == 0) {
      EraseIf(*config.mutable_agents(), [&](const auto& a) {
        return !shop.state().ConversationsOf(kWorkspace, a.agent_id()).empty();
      });
    }
    if (Pick(2) == 0) {
      const std::string gone = Pick(2) == 0 ? "nl" : "en";
      EraseIf(*config.mutable_queues(), [&](const auto& q) { return q.queue_id() == gone; });
      for (config::v1::Agent& agent : *config.mutable_agents()) {
        EraseIf(*agent.mutable_queue_ids(), [&](const auto& id) { return id == gone; });
      }
    }
    return config;
  }

  std::mt19937 random_;
  int64_t version_ = 3;
  int keys_ = 0;
};

// Who and what the configuration no longer has goes when its work is done.
void RemoveWhatHasWork(ShopLog& shop) {
  shop.Online("anna");
  const std::string held = shop.Open("31699999991", "nl");
  shop.Accept(held);
  const std::string waits = shop.Open("31699999992", "nl");
  config::v1::WorkspaceConfig config = RichConfig(2);
  config.mutable_conversations()->set_removed_work(config::v1::REMOVED_WORK_KEPT);
  EraseIf(*config.mutable_agents(), [](const auto& a) { return a.agent_id() != "bram"; });
  EraseIf(*config.mutable_queues(), [](const auto& q) { return q.queue_id() == "nl"; });
  config.mutable_agents(0)->clear_queue_ids();
  shop.Apply(config);
  shop.Resolve("anna", held);
  shop.Wait(absl::Seconds(10));
  shop.Online("bram");
  if (shop.state().FindConversation(waits)->has_offer()) shop.Accept(waits);
  shop.Apply(RichConfig(3));
}

TEST(RichReplay, EveryDecisionComesOutAsItWasRecorded) {
  std::set<Event::KindCase> seen;
  for (uint32_t seed = 1; seed <= 2; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    const auto bus = *bus::NewEmbeddedBus({.partitions = 1});
    ShopLog shop(*bus, 0, ShopLog::Inputs::kInTheirTopics, RichConfig(1));
    RemoveWhatHasWork(shop);
    RichDay day(seed);
    for (int step = 0; step < 300; ++step) {
      day.Step(shop);
      if (step == 250) shop.Wait(absl::Hours(1));
      if (step % 200 == 110) shop.Restate();
      if (step % 160 == 80) shop.TakeOver();
    }
    shop.Sync();
    const auto reports = ReplayLog(*bus, {}, [](double) {});
    WISSEL_ASSERT_OK(reports);
    const PartitionReplay& replay = reports->at(0);
    if (replay.first.has_value()) {
      std::ostringstream text;
      PrintDifference(*replay.first, text);
      ADD_FAILURE() << text.str();
    }
    EXPECT_GT(replay.decisions, 300);
    EXPECT_EQ(replay.identical, replay.decisions);
    EXPECT_EQ(replay.inputs_gone, 0);
    EXPECT_EQ(replay.not_whole, 0);
    WISSEL_ASSERT_OK(WalkLog(*bus, {}, [&](const LogItem& item) {
      if (item.entry == nullptr) return absl::OkStatus();
      for (const Event& event : item.entry->record.decision().events()) {
        seen.insert(event.kind_case());
      }
      return absl::OkStatus();
    }));
  }
  // Else the days would prove less than they seem to.
  for (const Event::KindCase kind : {Event::kOverflowed,          Event::kConversationUpdated,
                                     Event::kConsultStarted,      Event::kConsultEnded,
                                     Event::kSupervisorJoined,    Event::kSupervisorLeft,
                                     Event::kWrapUpStarted,       Event::kWrapUpEnded,
                                     Event::kSlaPolicyApplied,    Event::kSlaWarned,
                                     Event::kSlaBreached,         Event::kSlaEscalated,
                                     Event::kWaitEstimated,       Event::kSlaAtRisk,
                                     Event::kAgentLeaving,        Event::kAgentRemoved,
                                     Event::kQueueClosed,         Event::kQueueClosing,
                                     Event::kConversationMerged,  Event::kOfferDeclined,
                                     Event::kOfferTimedOut,       Event::kOfferWithdrawn,

                                     Event::kAgentDisconnected,   Event::kAgentCapacityChanged,
                                     Event::kGatewayLeaseRenewed, Event::kConversationForgotten,
                                     Event::kDuplicateSkipped,    Event::kCommandRejected,
                                     Event::kRestateCompleted}) {
    EXPECT_TRUE(seen.contains(kind)) << Event::descriptor()->FindFieldByNumber(kind)->name();
  }
}

}  // namespace
}  // namespace wissel::ctl
