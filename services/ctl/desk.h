#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "wissel/agent/v1/agent_service.pb.h"
#include "wissel/command/v1/command.pb.h"

namespace wissel::ctl {

// What an agent has on the desk, as the agent's stream tells it, and the words with which an agent
// works it. Pure: reads and writes nothing. For one thread.
class Desk {
 public:
  struct Item {
    state::v1::ConversationState conversation;
    std::string last;      // the latest message's beginning
    std::string offer_id;  // set while it is offered to this agent
  };

  explicit Desk(std::string agent_id) : agent_id_(std::move(agent_id)) {}

  // Takes a message of the stream in; the lines that tell a person about it.
  std::vector<std::string> Apply(const agent::v1::ConnectResponse& response);

  // Where to resume a group of which nothing has come yet.
  void Resume(std::map<std::string, std::string> cursors) { cursors_ = std::move(cursors); }

  // The agent's words (see Help) as a command, without its envelope. Where an ID may be left out it
  // is the conversation in hand, or the offer that expires first.
  //
  // "\n" in TEXT is a line end. A complete id that is not on the desk is passed on as it stands:
  // the router judges it.
  //   INVALID_ARGUMENT  not such words, or an id's beginning that fits several
  //   NOT_FOUND         nothing in hand, no offer, or an id's beginning that fits nothing
  // The envelope names the routing group of a conversation that is on the desk.
  absl::StatusOr<command::v1::Command> Parse(absl::string_view line);

  // Takes a conversation in hand, by its id or the beginning of it. Errors as Parse.
  absl::Status Use(absl::string_view id);

  // The conversations of which the desk does not know whose they are: what a stream shows of one
  // begins with its offer.
  std::vector<std::string> Strangers() const;
  // Takes in who writes what, of a stranger that is still on the desk. Its line, as List has it;
  // empty where it is none.
  std::string Meet(const agent::v1::WorkItem& work);

  // A line for each offer and conversation.
  std::vector<std::string> List() const;
  // The same as a message of the stream, in place of List's lines. Without messages.
  agent::v1::ConnectResponse ListMessage() const;

  const std::map<std::string, Item>& items() const { return items_; }
  const std::string& in_hand() const { return in_hand_; }
  // Where to resume, by routing group.
  const std::map<std::string, std::string>& cursors() const { return cursors_; }
  const std::string& agent_id() const { return agent_id_; }

  // The words that Parse knows, for `help`.
  static absl::string_view Help();

 private:
  class Words;

  void ApplySnapshot(const agent::v1::Snapshot& snapshot);
  void ApplyEvent(const conversation::v1::Event& event, const std::string& routing_group_id);
  Item& ItemOf(const std::string& conversation_id);
  std::string LineOf(const Item& item) const;
  // The place of a message that has one.
  template <class Message>
  void Keep(const Message& message);
  // Whether the agent is consulted on it, or has joined it as a supervisor.
  bool IsCompany(const Item& item) const;
  // It is no longer with the agent, who may still look on.
  void Leave(const std::string& conversation_id);
  void LeaveCompany(const std::string& conversation_id);
  // Of no id: INVALID_ARGUMENT. The only one on the desk may be another than was meant.
  absl::StatusOr<std::string> FindConversation(absl::string_view id) const;
  absl::StatusOr<std::string> FindOffer(absl::string_view id) const;
  // Takes "@ID" off the front of `rest`; without one, what is in hand.
  absl::StatusOr<std::string> TakeConversation(absl::string_view& rest);

  std::string agent_id_;
  std::map<std::string, std::string> cursors_;
  std::string in_hand_;
  std::map<std::string, Item> items_;  // by conversation id
};

// The conversation that a command names; empty where it names none.
std::string ConversationIn(const command::v1::Command& command);

}  // namespace wissel::ctl
