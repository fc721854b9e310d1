#pragma once

#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/domain/engine.h"
#include "libs/domain/testing.h"
#include "wissel/log/v1/log.pb.h"

namespace wissel::agent_gateway {

/// A shop's day as a router would log it: customers write, agents come and go, take, pass on,
/// answer and resolve at random, and timers fire. The same seed gives the same decisions.
class RandomDay {
 public:
  explicit RandomDay(uint32_t seed)
      : random_(seed), engine_(domain::State(), {.holds = [](absl::string_view) { return true; }}) {
    Add(*engine_.Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), domain::testing::ShopConfig(),
                        now_));
  }

  /// In order; epoch, sequence and claim are not stamped.
  const std::vector<log::v1::Decision>& decisions() const { return decisions_; }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
  }

 private:
  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string PickAgent() {
    static const char* const kAgents[] = {"anna", "bram", "carol"};
    return kAgents[Pick(3)];
  }
  std::string PickConversation() {
    std::vector<std::string> ids = engine_.state().Keys(domain::PieceKind::kConversation);
    return ids.empty() ? "none" : ids[static_cast<size_t>(Pick(static_cast<int>(ids.size())))];
  }

  log::v1::InputCause Cause(common::v1::InputTopic topic) {
    log::v1::InputCause cause;
    cause.set_topic(topic);
    cause.set_offset(next_offset_++);
    return cause;
  }
  void Add(log::v1::Decision decision) { decisions_.push_back(std::move(decision)); }
  void Do(const command::v1::Command& command) {
    Add(engine_.Decide(Cause(common::v1::INPUT_TOPIC_COMMANDS), command, now_));
  }
  command::v1::Command By(const std::string& agent) {
    return domain::testing::CommandBy(agent, absl::StrCat("command ", ++commands_));
  }

  void Wait(absl::Duration duration) {
    const absl::Time until = now_ + duration;
    while (engine_.NextTimer() <= until) {
      now_ = std::max(now_, engine_.NextTimer());
      if (auto decision = engine_.DecideTimer(now_)) Add(*decision);
    }
    now_ = until;
  }

  void Step() {
    // Mostly seconds; now and then longer than anything is remembered.
    Wait(Pick(200) == 0 ? absl::Hours(24 * 8) : absl::Seconds(Pick(12)));
    const std::string agent = PickAgent();
    command::v1::Command command = By(agent);
    switch (Pick(17)) {
      case 0:
      case 1:
      case 2: {
        const auto message = domain::testing::Text(absl::StrCat("3161234567", Pick(8)), ++messages_,
                                                   Pick(2) == 0 ? "nl" : "en");
        Add(engine_.Decide(Cause(common::v1::INPUT_TOPIC_INBOUND), message, now_));
        return;
      }
      case 3: {
        auto& connect = *command.mutable_connect_agent();
        connect.set_agent_id(agent);
        connect.set_session_id(absl::StrCat(agent, "-session"));
        connect.set_gateway_id("gateway-1");
        *connect.mutable_lease() = ToProto(absl::Seconds(60));
        return Do(command);
      }
      case 4:
        if (Pick(4) != 0) break;
        command.mutable_disconnect_agent()->set_agent_id(agent);
        command.mutable_disconnect_agent()->set_session_id(absl::StrCat(agent, "-session"));
        return Do(command);
      case 5:
        command.mutable_set_presence()->set_agent_id(agent);
        command.mutable_set_presence()->set_presence(
            Pick(5) == 0 ? command::v1::PRESENCE_AWAY : command::v1::PRESENCE_AVAILABLE);
        return Do(command);
      case 6:
      case 7:
      case 8:
        for (const auto& [id, conversation] : engine_.state().conversations()) {
          if (conversation->offer().agent_id() != agent) continue;
          if (Pick(4) == 0) {
            command.mutable_decline_offer()->set_offer_id(conversation->offer().offer_id());
            command.mutable_decline_offer()->set_agent_id(agent);
          } else {
            command.mutable_accept_offer()->set_offer_id(conversation->offer().offer_id());
            command.mutable_accept_offer()->set_agent_id(agent);
          }
          return Do(command);
        }
        break;
      case 9:
        command.mutable_send_reply()->set_conversation_id(PickConversation());
        command.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text(
            "an answer");
        return Do(command);
      case 10:
        command.mutable_transfer()->set_conversation_id(PickConversation());
        if (Pick(2) == 0) {
          command.mutable_transfer()->set_queue_id(Pick(2) == 0 ? "nl" : "en");
        } else {
          command.mutable_transfer()->set_agent_id(PickAgent());
        }
        return Do(command);
      case 11:
        command.mutable_resolve()->set_conversation_id(PickConversation());
        return Do(command);
      case 12:
        if (Pick(2) == 0) {
          command.mutable_park()->set_conversation_id(PickConversation());
        } else {
          command.mutable_resume()->set_conversation_id(PickConversation());
        }
        return Do(command);
      case 13:
        command.mutable_reopen()->set_conversation_id(PickConversation());
        return Do(command);
      case 14:
      case 15:
      case 16:
        return KeepCompany(std::move(command));
      default:
        break;
    }
  }

  // Somebody is consulted or joins, or that ends.
  void KeepCompany(command::v1::Command command) {
    std::vector<std::string> open = engine_.state().Keys(domain::PieceKind::kConversation);
    std::erase_if(open, [this](const std::string& id) {
      return !domain::IsOpen(*engine_.state().FindConversation(id));
    });
    if (open.empty()) return;
    const std::string conversation = open[static_cast<size_t>(Pick(static_cast<int>(open.size())))];
    command.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
    switch (Pick(4)) {
      case 0:
        command.mutable_consult()->set_conversation_id(conversation);
        command.mutable_consult()->set_agent_id(PickAgent());
        break;
      case 1:
        command.mutable_end_consult()->set_conversation_id(conversation);
        command.mutable_end_consult()->set_agent_id(PickAgent());
        break;
      case 2:
        command.mutable_barge_in()->set_conversation_id(conversation);
        break;
      default:
        command.mutable_leave_conversation()->set_conversation_id(conversation);
        break;
    }
    Do(command);
  }

  std::mt19937 random_;
  absl::Time now_ = domain::testing::StartTime();
  domain::Engine engine_;
  std::vector<log::v1::Decision> decisions_;
  int64_t next_offset_ = 0;
  int commands_ = 0;
  int messages_ = 0;
};

}  // namespace wissel::agent_gateway
