#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/proto_time.h"
#include "tests/chaos/checkers.h"

// What a run may leave behind, put together by hand.
namespace wissel::chaos {

using conversation::v1::Event;
using receipt::v1::DeliveryState;

inline Event Opened(const std::string& conversation) {
  Event event;
  event.mutable_conversation_opened()->set_conversation_id(conversation);
  return event;
}
inline Event Received(const std::string& conversation, const std::string& message) {
  Event event;
  event.mutable_message_received()->set_conversation_id(conversation);
  event.mutable_message_received()->mutable_message()->set_provider_message_id(message);
  return event;
}
inline Event Queued(const std::string& conversation) {
  Event event;
  event.mutable_queued()->set_conversation_id(conversation);
  return event;
}
inline Event Offered(const std::string& conversation, const std::string& agent) {
  Event event;
  event.mutable_offered()->set_conversation_id(conversation);
  event.mutable_offered()->set_agent_id(agent);
  return event;
}
inline Event Assigned(const std::string& conversation, const std::string& agent) {
  Event event;
  event.mutable_assigned()->set_conversation_id(conversation);
  event.mutable_assigned()->set_agent_id(agent);
  return event;
}
inline Event Replied(const std::string& conversation, const std::string& outbound) {
  Event event;
  event.mutable_reply_sent()->set_conversation_id(conversation);
  event.mutable_reply_sent()->set_outbound_id(outbound);
  return event;
}
inline Event Delivery(const std::string& conversation, const std::string& outbound,
                      DeliveryState state) {
  Event event;
  event.mutable_delivery_updated()->set_conversation_id(conversation);
  event.mutable_delivery_updated()->set_outbound_id(outbound);
  event.mutable_delivery_updated()->set_state(state);
  return event;
}
inline Event Resolved(const std::string& conversation) {
  Event event;
  event.mutable_resolved()->set_conversation_id(conversation);
  return event;
}

class CheckersTest : public ::testing::Test {
 protected:
  CheckersTest() {
    history_.log.resize(2);
    bus::LogEntry claim;
    claim.record.mutable_owner_claimed()->set_epoch(1);
    history_.log[0].push_back(claim);
  }

  // Appends a decision to partition 0, a second after the one before.
  void Decide(const std::vector<Event>& events, const std::string& cause = "") {
    bus::LogEntry entry;
    entry.offset = static_cast<int64_t>(history_.log[0].size());
    log::v1::Decision& decision = *entry.record.mutable_decision();
    decision.set_epoch(1);
    decision.set_sequence(entry.offset);
    *decision.mutable_time() = ToProto(absl::FromUnixSeconds(entry.offset));
    decision.mutable_cause()->mutable_input()->set_id(cause);
    for (const Event& event : events) *decision.add_events() = event;
    history_.log[0].push_back(std::move(entry));
  }
  log::v1::Decision& decision(size_t offset) {
    return *history_.log[0][offset].record.mutable_decision();
  }

  void Wrote(const std::string& id, int step, bool acknowledged = true) {
    history_.messages.push_back({id, "customer", step, acknowledged});
  }

  // What `agent` was shown of the decision at `offset`.
  void Show(const std::string& agent, size_t offset, const std::vector<int>& events) {
    Stretch& stretch = TranscriptOf(agent).stretches[0];
    Shown shown{.until = static_cast<int64_t>(offset) + 1};
    *shown.events.mutable_time() = decision(offset).time();
    for (int i : events) *shown.events.add_events() = decision(offset).events(i);
    stretch.shown.push_back(std::move(shown));
  }
  Transcript& TranscriptOf(const std::string& agent) {
    for (Transcript& t : history_.transcripts) {
      if (t.agent_id == agent) return t;
    }
    history_.transcripts.push_back({.agent_id = agent});
    history_.transcripts.back().stretches.push_back({.until = 1'000});
    return history_.transcripts.back();
  }

  History history_;
};

inline std::vector<Fault> Faults(const Violations& violations) {
  std::vector<Fault> faults;
  for (const Violation& violation : violations) faults.push_back(violation.fault);
  return faults;
}

}  // namespace wissel::chaos
