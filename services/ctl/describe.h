#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/conversation/v1/events.pb.h"
#include "wissel/log/v1/log.pb.h"
#include "wissel/message/v1/message.pb.h"

namespace wissel::ctl {

// Events in words, one line each, for a terminal. Never a message's whole text: its beginning.
std::string Describe(const conversation::v1::Event& event);

// "queued", or "queued, callback owed" where the customer was offered one and no agent has
// answered.
std::string StatusOf(const state::v1::ConversationState& conversation);

// What an event is called: the name of its field, "offer_accepted"; "unknown" for a newer one.
absl::string_view KindOf(const conversation::v1::Event& event);

// Which conversation it is about; empty where it is about none.
absl::string_view ConversationOf(const conversation::v1::Event& event);

// What set a decision off: "inbound[3]@17", "timer due 08:00:00.000".
std::string DescribeCause(const log::v1::Cause& cause);

// Why this agent, or why nobody, a line each: what was asked for, how urgent it was, and what the
// strategy compared. `queue` is the conversation's own as it was configured then, and says what
// each relaxation step changed; null: not known.
std::vector<std::string> DescribeExplanation(const conversation::v1::Explanation& explanation,
                                             const config::v1::Queue* queue = nullptr);

// The explanation that an event carries, if any.
const conversation::v1::Explanation* ExplanationOf(const conversation::v1::Event& event);

// The beginning of a message's contents, one line: `"Waar blijft mijn…" [image bell.jpg]`.
std::string Summary(const google::protobuf::RepeatedPtrField<message::v1::Content>& contents);

}  // namespace wissel::ctl
