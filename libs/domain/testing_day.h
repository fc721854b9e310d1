#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "libs/domain/state.h"
#include "libs/domain/testing_shop.h"
#include "wissel/command/v1/command.pb.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::domain::testing {

// Plays days at random, the same for the same seed, on a shop like that of testing.h: customers
// write by phone, chat and mail, agents and bots come, go and work, supervisors step in, the
// configuration changes, leases run out, timers fire late, and a router's clock is behind its
// predecessor's.
class RandomDay {
 public:
  using Event = conversation::v1::Event;
  // What is configured anew in the course of the day, with less in it now and then. The first
  // version has every agent, queue and account.
  using MakeConfig = std::function<config::v1::WorkspaceConfig(int64_t version)>;

  // Time passes, and what falls due fires.
  struct Wait {
    absl::Duration duration;
  };
  // Time passes, or goes back, and nothing fires.
  struct ClockShift {
    absl::Duration by;
  };
  using Input = std::variant<message::v1::InboundMessage, Command, config::v1::WorkspaceConfig,
                             Wait, ClockShift>;

  // What comes to pass on days with testing_rich.h's configuration, if there are enough of them.
  static constexpr Event::KindCase kOfARichDay[] = {
      Event::kAgentCapacityChanged,
      Event::kAgentConnected,
      Event::kAgentDisconnected,
      Event::kAgentLeaving,
      Event::kAgentRemoved,
      Event::kCommandRejected,
      Event::kConsultEnded,
      Event::kConsultStarted,
      Event::kConversationForgotten,
      Event::kConversationMerged,
      Event::kConversationUpdated,
      Event::kDuplicateSkipped,
      Event::kGatewayLeaseRenewed,
      Event::kNoteAdded,
      Event::kOfferDeclined,
      Event::kOfferTimedOut,
      Event::kOfferWithdrawn,
      Event::kOverflowed,
      Event::kOverflowPassedOver,
      Event::kParked,
      Event::kQueueClosed,
      Event::kQueueClosing,
      Event::kReopened,
      Event::kResumed,
      Event::kSlaAtRisk,
      Event::kSlaBreached,
      Event::kSlaEscalated,
      Event::kSlaPolicyApplied,
      Event::kSlaWarned,
      Event::kSupervisorJoined,
      Event::kSupervisorLeft,
      Event::kTransferred,
      Event::kWaitEstimated,
      Event::kWrapUpEnded,
      Event::kWrapUpStarted,
  };

  struct Options {
    uint32_t seed = 0;
    MakeConfig make_config = nullptr;
    // Until an overdue timer has fired, what it brings about is not seen in what is given out.
    bool late_timers = true;
    // Of twenty steps, so many are texts; at most 6.
    size_t texts = 2;
  };

  explicit RandomDay(Options options);

  // On a Shop, or a testing::ShopLog.
  template <typename AnyShop>
  void Step(AnyShop& shop) {
    for (const Input& input : Next(shop.state())) Do(input, shop);
  }
  // What comes next; nothing, now and then.
  std::vector<Input> Next(const State& state);
  template <typename AnyShop>
  static void Do(const Input& input, AnyShop& shop) {
    if (const auto* message = std::get_if<message::v1::InboundMessage>(&input)) {
      shop.Receive(*message);
    } else if (const auto* command = std::get_if<Command>(&input)) {
      Deliver(shop, OutboundOf(shop.Do(*command)));
    } else if (const auto* config = std::get_if<config::v1::WorkspaceConfig>(&input)) {
      shop.Apply(*config);
    } else if (const auto* wait = std::get_if<Wait>(&input)) {
      shop.Wait(wait->duration);
    } else {
      shop.now += std::get<ClockShift>(input).by;
    }
  }

  size_t Pick(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random_); }

 private:
  std::vector<Input> Time();
  message::v1::InboundMessage ByPhone();
  message::v1::InboundMessage ByMail();
  // What is known of whoever writes, and what they want.
  void Describe(message::v1::InboundMessage& message);
  // An agent comes or goes, or has more or less room.
  std::vector<Input> Attend();
  // An agent does something with what they have.
  std::vector<Input> Work(const State& state);
  // An agent or a supervisor does something with any conversation.
  Command StepIn(const State& state);
  // Sometimes without an agent, those who have work, or a queue; what they have is kept, or goes
  // back.
  config::v1::WorkspaceConfig AnotherConfig(const State& state);

  template <typename AnyShop>
  static void Deliver(AnyShop& shop, const std::string& outbound) {
    if (outbound.empty()) return;
    const std::string attempt = outbound + "-attempt";
    shop.Report(Started(outbound, 1, attempt));
    shop.Report(Finished(outbound, attempt, receipt::v1::DELIVERY_STATE_SENT));
  }

  Command By(const std::string& agent);
  std::string Agent();
  // Of those who have something, or any.
  std::string Holder(const State& state);
  std::string Queue();
  std::string Language();
  std::string Customer();
  // "none" where there is none.
  template <typename Strings>
  std::string OneOf(const Strings& all);

  const Options options_;
  std::vector<std::string> agents_;
  std::set<std::string> bots_;
  std::vector<std::string> queues_;
  std::vector<std::string> languages_;
  std::vector<config::v1::Account> accounts_;  // for texts
  std::mt19937 random_;
  int keys_ = 0;
};

}  // namespace wissel::domain::testing
