#include "tests/chaos/checkers.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/proto_time.h"
#include "libs/domain/state.h"
#include "tests/chaos/checking.h"

namespace wissel::chaos {
namespace {

using conversation::v1::Event;
using log::v1::Decision;
using receipt::v1::DeliveryState;
using Kind = Event::KindCase;

// What an event does to who has a conversation. `kNone`: nothing.
struct Handover {
  enum class Kind { kNone, kGives, kTakes };
  Kind kind = Kind::kNone;
  absl::string_view conversation;
  absl::string_view agent;  // With kGives.
};

Handover HandoverOf(const Event& event) {
  using What = Handover::Kind;
  switch (event.kind_case()) {
    case Kind::kOffered:
      return {What::kGives, event.offered().conversation_id(), event.offered().agent_id()};
    case Kind::kAssigned:
      return {What::kGives, event.assigned().conversation_id(), event.assigned().agent_id()};
    case Kind::kQueued:
      return {What::kTakes, event.queued().conversation_id(), {}};
    case Kind::kOfferDeclined:
      return {What::kTakes, event.offer_declined().conversation_id(), {}};
    case Kind::kOfferTimedOut:
      return {What::kTakes, event.offer_timed_out().conversation_id(), {}};
    case Kind::kOfferWithdrawn:
      return {What::kTakes, event.offer_withdrawn().conversation_id(), {}};
    case Kind::kTransferred:
      return {What::kTakes, event.transferred().conversation_id(), {}};
    case Kind::kReopened:
      return {What::kTakes, event.reopened().conversation_id(), {}};
    case Kind::kConversationForgotten:
      return {What::kTakes, event.conversation_forgotten().conversation_id(), {}};
    default:
      return {};
  }
}

// The conversation that an event is about; empty for events about anything else.
absl::string_view ConversationOf(const Event& event) {
  const google::protobuf::Reflection& outer = *event.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> set;
  outer.ListFields(event, &set);
  if (set.empty()) return {};
  const google::protobuf::Message& inner = outer.GetMessage(event, set[0]);
  const auto* field = inner.GetDescriptor()->FindFieldByName("conversation_id");
  if (field == nullptr) return {};
  std::string scratch;
  return inner.GetReflection()->GetStringReference(inner, field, &scratch);
}

// Follows who has each conversation; a resolved one is still its last agent's, who may see what
// becomes of it.
class Holders {
 public:
  struct Change {
    std::string before;
    std::string after;
  };

  Change Apply(absl::string_view conversation, const Event& event) {
    std::string& holder = holders_[std::string(conversation)];
    Change change{.before = holder};
    const Handover handover = HandoverOf(event);
    if (handover.kind != Handover::Kind::kNone) holder = std::string(handover.agent);
    change.after = holder;
    return change;
  }

 private:
  std::unordered_map<std::string, std::string> holders_;
};

// Whether it is about this agent's own connection, presence, capacity, or refused command.
bool IsAboutAgent(const Event& event, absl::string_view agent_id) {
  switch (event.kind_case()) {
    case Kind::kAgentConnected:
      return event.agent_connected().agent_id() == agent_id;
    case Kind::kAgentDisconnected:
      return event.agent_disconnected().agent_id() == agent_id;
    case Kind::kAgentPresenceChanged:
      return event.agent_presence_changed().agent_id() == agent_id;
    case Kind::kAgentCapacityChanged:
      return event.agent_capacity_changed().agent_id() == agent_id;
    case Kind::kCommandRejected:
      return event.command_rejected().actor().subject() == agent_id;
    default:
      return false;
  }
}

// Finds a conversation that is given to an agent while it is another's.
class AssignmentJudge {
 public:
  AssignmentJudge(std::string source, Violations& violations)
      : source_(std::move(source)), violations_(violations) {}

  void See(const Event& event, const std::string& place) {
    const Handover handover = HandoverOf(event);
    switch (handover.kind) {
      case Handover::Kind::kNone:
        if (event.has_resolved()) holders_.erase(event.resolved().conversation_id());
        return;
      case Handover::Kind::kTakes:
        holders_.erase(std::string(handover.conversation));
        return;
      case Handover::Kind::kGives: {
        std::string& holder = holders_[std::string(handover.conversation)];
        if (!holder.empty() && holder != handover.agent) {
          Add(violations_, Fault::kDoublyAssigned,
              absl::StrCat(source_, ", ", place, ": conversation ", handover.conversation,
                           " given to ", handover.agent, " while it is ", holder, "'s"));
        }
        holder = std::string(handover.agent);
        return;
      }
    }
  }

 private:
  const std::string source_;
  Violations& violations_;
  std::unordered_map<std::string, std::string> holders_;
};

}  // namespace

absl::string_view FaultName(Fault fault) {
  switch (fault) {
    case Fault::kLost:
      return "lost";
    case Fault::kDoubled:
      return "doubled to a customer";
    case Fault::kDoublyAssigned:
      return "doubly assigned";
    case Fault::kOutOfOrder:
      return "out of order";
    case Fault::kStreamGap:
      return "stream gaps";
    case Fault::kStateDiffers:
      return "states that differ";
    case Fault::kHistoryWrong:
      return "history wrong";
    case Fault::kConfigWrong:
      return "configurations wrong";
  }
  return "";
}

Violations CheckMessages(const History& history) {
  Violations violations;
  // A customer's messages are all in one partition, so their places are in the log's order.
  std::unordered_map<std::string, int64_t> places;
  std::vector<absl::Time> latest(history.log.size(), absl::InfinitePast());
  int64_t place = 0;
  ForEachDecision(
      history, [&](size_t partition, const bus::LogEntry& entry, const Decision& decision) {
        const absl::Time time = FromProto(decision.time());
        if (time < latest[partition]) {
          Add(violations, Fault::kOutOfOrder,
              absl::StrCat(At(partition, entry.offset), ": the log's time goes back by ",
                           absl::FormatDuration(latest[partition] - time)));
        }
        latest[partition] = std::max(latest[partition], time);
        for (const Event& event : decision.events()) {
          if (!event.has_message_received()) continue;
          const std::string& id = event.message_received().message().provider_message_id();
          if (!places.try_emplace(id, ++place).second) {
            Add(violations, Fault::kDoubled,
                absl::StrCat(At(partition, entry.offset), ": message ", id, " received again"));
          }
        }
      });

  struct Written {
    int step;
    int64_t place;
    const CustomerMessage* message;
  };
  std::map<std::string, std::vector<Written>> by_customer;
  for (const CustomerMessage& message : history.messages) {
    const auto found = places.find(message.provider_message_id);
    // What was given up without an answer may still arrive, and when it likes.
    if (!message.acknowledged) continue;
    if (found != places.end()) {
      by_customer[message.customer].push_back({message.step, found->second, &message});
    } else {
      Add(violations, Fault::kLost,
          absl::StrCat("message ", message.provider_message_id,
                       " was acknowledged and is not in the log"));
    }
  }
  for (auto& [customer, written] : by_customer) {
    std::stable_sort(written.begin(), written.end(),
                     [](const Written& a, const Written& b) { return a.step < b.step; });
    // Compared with the latest place of all earlier steps.
    int64_t before = 0;
    int64_t step_last = 0;
    for (size_t i = 0; i < written.size(); ++i) {
      if (i > 0 && written[i].step != written[i - 1].step) before = std::max(before, step_last);
      step_last = std::max(step_last, written[i].place);
      if (written[i].place < before) {
        Add(violations, Fault::kOutOfOrder,
            absl::StrCat("message ", written[i].message->provider_message_id, " of ", customer,
                         " stands before one that was written earlier"));
      }
    }
  }
  return violations;
}

Violations CheckReplies(const History& history) {
  Violations violations;
  std::map<std::string, int> by_command;
  struct Reply {
    bool is_mail = false;
    DeliveryState state = DeliveryState::DELIVERY_STATE_PENDING;
  };
  std::map<std::string, Reply> replies;
  ForEachDecision(history, [&](size_t partition, const bus::LogEntry& entry,
                               const Decision& decision) {
    for (const Event& event : decision.events()) {
      if (event.has_reply_sent()) {
        ++by_command[decision.cause().input().id()];
        if (!replies
                 .try_emplace(event.reply_sent().outbound_id(),
                              Reply{.is_mail = IsMail(event.reply_sent())})
                 .second) {
          Add(violations, Fault::kDoubled,
              absl::StrCat(At(partition, entry.offset), ": answer ",
                           event.reply_sent().outbound_id(), " decided again"));
        }
      } else if (event.has_delivery_updated()) {
        replies[event.delivery_updated().outbound_id()].state = event.delivery_updated().state();
      }
    }
  });
  std::map<std::string, int> accepted;
  for (const std::string& outbound_id : history.book) ++accepted[outbound_id];

  for (const Transcript& transcript : history.transcripts) {
    for (const std::string& id : transcript.replies_done) {
      if (!by_command.contains(id)) {
        Add(violations, Fault::kLost,
            absl::StrCat("answer ", id, " of ", transcript.agent_id,
                         " was said to be done and is not in the log"));
      }
    }
  }
  for (const auto& [outbound_id, reply] : replies) {
    if (!reply.is_mail && !IsReported(reply.state) && !accepted.contains(outbound_id)) {
      Add(violations, Fault::kLost,
          absl::StrCat("answer ", outbound_id, " never reached the provider; the log says ",
                       receipt::v1::DeliveryState_Name(reply.state)));
    }
  }
  for (const auto& [outbound_id, times] : accepted) {
    if (times > 1) {
      Add(violations, Fault::kDoubled,
          absl::StrCat("answer ", outbound_id, " was accepted by the provider ", times, " times"));
    }
    if (!replies.contains(outbound_id)) {
      Add(violations, Fault::kDoubled,
          absl::StrCat("the provider accepted ", outbound_id, ", which the log has not decided"));
    }
  }
  return violations;
}

Violations CheckServed(const History& history) {
  Violations violations;
  // By conversation: where it was put into its queue.
  std::map<std::string, std::string> waiting;
  ForEachDecision(history,
                  [&](size_t partition, const bus::LogEntry& entry, const Decision& decision) {
                    for (const Event& event : decision.events()) {
                      if (event.has_queued()) {
                        waiting[event.queued().conversation_id()] = At(partition, entry.offset);
                      } else if (event.has_assigned()) {
                        waiting.erase(event.assigned().conversation_id());
                      } else if (event.has_resolved()) {
                        waiting.erase(event.resolved().conversation_id());
                      }
                    }
                  });
  for (const auto& [conversation, place] : waiting) {
    Add(violations, Fault::kLost,
        absl::StrCat("conversation ", conversation, " has been waiting since ", place));
  }
  return violations;
}

Violations CheckAssignments(const History& history) {
  Violations violations;
  for (size_t partition = 0; partition < history.log.size(); ++partition) {
    AssignmentJudge judge("log", violations);
    for (const bus::LogEntry& entry : history.log[partition]) {
      for (const Event& event : entry.record.decision().events()) {
        judge.See(event, At(partition, entry.offset));
      }
    }
  }
  // What the agents believed, put together in the order of the log.
  struct Seen {
    int32_t partition;
    int64_t place;
    const Event* event;
  };
  std::vector<Seen> seen;
  for (const Transcript& transcript : history.transcripts) {
    for (const Stretch& stretch : transcript.stretches) {
      for (const Shown& shown : stretch.shown) {
        for (const Event& event : shown.events.events()) {
          // An agent believes to have what was given to that agent, and no more from the moment it
          // is taken away.
          const Handover handover = HandoverOf(event);
          if (handover.kind == Handover::Kind::kGives && handover.agent != transcript.agent_id) {
            continue;
          }
          seen.push_back({stretch.partition, shown.until, &event});
        }
      }
    }
  }
  const auto when = [](const Seen& s) {
    // In one decision what is taken away goes before what is given.
    const bool gives = HandoverOf(*s.event).kind == Handover::Kind::kGives;
    return std::tuple(s.partition, s.place, gives);
  };
  std::stable_sort(seen.begin(), seen.end(),
                   [&](const Seen& a, const Seen& b) { return when(a) < when(b); });
  AssignmentJudge judge("streams", violations);
  for (const Seen& s : seen) {
    judge.See(*s.event, At(static_cast<size_t>(s.partition), s.place));
  }
  return violations;
}

Violations CheckStreams(const History& history) {
  Violations violations;
  struct Expected {
    int64_t offset;
    const Decision* decision;
    std::vector<int> events;
  };
  // What each agent may see, by partition, from the beginning of the log.
  std::map<std::string, std::map<size_t, std::vector<Expected>>> expected;
  for (const Transcript& transcript : history.transcripts) expected[transcript.agent_id];
  for (size_t partition = 0; partition < history.log.size(); ++partition) {
    Holders holders;
    for (const bus::LogEntry& entry : history.log[partition]) {
      const Decision& decision = entry.record.decision();
      const auto show = [&](const std::string& agent, int index) {
        const auto it = expected.find(agent);
        if (it == expected.end()) return;
        std::vector<Expected>& list = it->second[partition];
        if (list.empty() || list.back().offset != entry.offset) {
          list.push_back({entry.offset, &decision, {}});
        }
        if (list.back().events.empty() || list.back().events.back() != index) {
          list.back().events.push_back(index);
        }
      };
      for (int i = 0; i < decision.events_size(); ++i) {
        const Event& event = decision.events(i);
        if (const absl::string_view id = ConversationOf(event); !id.empty()) {
          // A restated conversation is nobody's news.
          if (event.has_conversation_restated()) continue;
          const Holders::Change change = holders.Apply(id, event);
          show(change.before, i);
          show(change.after, i);
          continue;
        }
        for (const auto& [agent, list] : expected) {
          if (IsAboutAgent(event, agent)) show(agent, i);
        }
      }
    }
  }

  for (const Transcript& transcript : history.transcripts) {
    const auto& mine = expected[transcript.agent_id];
    for (const Stretch& stretch : transcript.stretches) {
      const auto list = mine.find(static_cast<size_t>(stretch.partition));
      std::vector<const Expected*> due;
      if (list != mine.end()) {
        for (const Expected& e : list->second) {
          if (e.offset >= stretch.from && e.offset < stretch.until) due.push_back(&e);
        }
      }
      const size_t both = std::min(due.size(), stretch.shown.size());
      for (size_t i = 0; i < both; ++i) {
        const agent::v1::Events& got = stretch.shown[i].events;
        bool same = got.events_size() == static_cast<int>(due[i]->events.size()) &&
                    FromProto(got.time()) == FromProto(due[i]->decision->time());
        for (int j = 0; same && j < got.events_size(); ++j) {
          same =
              got.events(j).SerializeAsString() ==
              due[i]->decision->events(due[i]->events[static_cast<size_t>(j)]).SerializeAsString();
        }
        if (!same) {
          Add(violations, Fault::kStreamGap,
              absl::StrCat("the stream of ", transcript.agent_id, ", message ", i,
                           ": not the decision at ",
                           At(static_cast<size_t>(stretch.partition), due[i]->offset)));
          break;
        }
      }
      if (due.size() != stretch.shown.size()) {
        Add(violations, Fault::kStreamGap,
            absl::StrCat("the stream of ", transcript.agent_id, " has ", stretch.shown.size(),
                         " messages from offset ", stretch.from, " to ", stretch.until, " where ",
                         due.size(), " are due"));
      }
    }
    if (!transcript.stretches.empty()) {
      const Stretch& last = transcript.stretches.back();
      const auto partition = static_cast<size_t>(last.partition);
      if (partition < history.streams_reach.size() &&
          last.until < history.streams_reach[partition]) {
        Add(violations, Fault::kStreamGap,
            absl::StrCat("the stream of ", transcript.agent_id, " stands at offset ", last.until,
                         " and did not reach ", history.streams_reach[partition]));
      }
    }
  }
  return violations;
}

Violations CheckStates(const History& history, const std::vector<HeldState>& held) {
  Violations violations;
  for (size_t partition = 0; partition < history.log.size(); ++partition) {
    std::vector<const HeldState*> open;
    for (const HeldState& h : held) {
      if (static_cast<size_t>(h.partition) == partition) open.push_back(&h);
    }
    domain::State state;
    const auto judge = [&](const HeldState& h) {
      const uint64_t hash = state.Hash();
      if (hash == h.hash) return;
      Add(violations, Fault::kStateDiffers,
          absl::StrFormat("partition %d: %s holds the state %016x, the log's fold is %016x",
                          partition, h.holder, h.hash, hash));
    };
    for (const bus::LogEntry& entry : history.log[partition]) {
      // Checkpoints are of a place between records, so of all before this one.
      std::erase_if(open, [&](const HeldState* h) {
        if (h->next_offset < 0 || h->next_offset > entry.offset) return false;
        judge(*h);
        return true;
      });
      int64_t epoch = 0;
      int64_t sequence = 0;
      if (entry.record.has_decision()) {
        state.Apply(entry.record.decision());
        epoch = entry.record.decision().epoch();
        sequence = entry.record.decision().sequence();
      } else {
        epoch = entry.record.owner_claimed().epoch();
      }
      std::erase_if(open, [&](const HeldState* h) {
        if (h->next_offset >= 0 || h->epoch != epoch || h->sequence != sequence) return false;
        judge(*h);
        return true;
      });
    }
    for (const HeldState* h : open) {
      if (h->next_offset >= 0) {
        judge(*h);
      } else {
        Add(violations, Fault::kStateDiffers,
            absl::StrCat("partition ", partition, ": ", h->holder, " stands at epoch ", h->epoch,
                         " sequence ", h->sequence, ", which the log does not have"));
      }
    }
  }
  return violations;
}

}  // namespace wissel::chaos
