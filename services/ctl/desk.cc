#include "services/ctl/desk.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/status_macros.h"
#include "libs/domain/state.h"
#include "services/ctl/describe.h"
#include "services/ctl/output.h"
#include "services/ctl/proto_yaml.h"

namespace wissel::ctl {
namespace {

using command::v1::Command;
using conversation::v1::Event;

// A UUID in full: what Parse passes on without finding it.
constexpr size_t kIdLength = 36;

absl::string_view TakeWord(absl::string_view& rest) {
  rest = absl::StripLeadingAsciiWhitespace(rest);
  const size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  const absl::string_view word = rest.substr(0, end);
  rest = absl::StripLeadingAsciiWhitespace(rest.substr(end));
  return word;
}

std::string ContactName(const state::v1::ConversationState& c) {
  const auto& contact = c.contact();
  return OneLine(contact.display_name().empty() ? contact.address() : contact.display_name(), 30);
}

std::string LastOf(const agent::v1::WorkItem& item) {
  for (int i = item.messages_size() - 1; i >= 0; --i) {
    if (item.messages(i).has_inbound()) return Summary(item.messages(i).inbound().contents());
  }
  return "";
}

}  // namespace

std::string ConversationIn(const Command& command) {
  const auto* reflection = command.GetReflection();
  const auto* kind =
      reflection->GetOneofFieldDescriptor(command, Command::descriptor()->FindOneofByName("kind"));
  if (kind == nullptr) return "";
  const auto* id = kind->message_type()->FindFieldByName("conversation_id");
  if (id == nullptr) return "";
  const google::protobuf::Message& value = reflection->GetMessage(command, kind);
  return value.GetReflection()->GetString(value, id);
}

absl::string_view Desk::Help() {
  return R"(  available | away [REASON] | draining | offline      your presence
  list                                               offers and conversations
  accept [ID] | decline [ID] [REASON]                an offer; the one that expires first
  use ID                                             take a conversation in hand
  reply [@ID] TEXT                                   answer the customer (\n is a line end)
  note [@ID] TEXT                                    for colleagues only
  transfer [@ID] queue|agent NAME [NOTE]             (keep-place as the note's first word keeps its place)
  pull ID                                            take what waits
  consult [@ID] AGENT [NOTE] | end-consult [@ID] [AGENT]
  finish [ID]                                        after-work is done, of one or all
  resolve [@ID] [CODE] | park [@ID] [on-hold] | resume [@ID] | reopen [@ID]
  merge [@ID] INTO-ID
  settle [@ID] OUTBOUND resend|give-up|delivered     an answer whose delivery is held
  capacity UNITS                                     how much you can hold at once
  update [@ID] priority N|language TAG|tier NAME     what is newly known
  reassign [@ID] AGENT [over-capacity]               supervisors: give without asking
  join [@ID] | leave [@ID]                           supervisors: beside its agent
  logout AGENT [REASON]                              supervisors: end an agent's work
  wait KIND [TIMEOUT]                                until such an event comes (for scripts)
  help | quit
)";
}

Desk::Item& Desk::ItemOf(const std::string& conversation_id) {
  Item& item = items_[conversation_id];
  item.conversation.set_conversation_id(conversation_id);
  return item;
}

std::vector<std::string> Desk::Apply(const agent::v1::ConnectResponse& response) {
  using agent::v1::ConnectResponse;
  std::vector<std::string> lines;
  switch (response.kind_case()) {
    case ConnectResponse::kWelcome:
      if (!response.welcome().agent_id().empty()) agent_id_ = response.welcome().agent_id();
      lines.push_back(
          absl::StrCat("connected to ", response.welcome().gateway_id(), " as ", agent_id_));
      break;
    case ConnectResponse::kSnapshot: {
      ApplySnapshot(response.snapshot());
      lines.push_back(absl::StrCat("you are ", EnumName(response.snapshot().agent().presence()),
                                   ", with ", items_.size(), " on your desk"));
      for (auto& line : List()) lines.push_back(std::move(line));
      break;
    }
    case ConnectResponse::kEvents:
      Keep(response.events());
      for (const Event& event : response.events().events()) {
        ApplyEvent(event, response.events().routing_group_id());
        if (event.has_gateway_lease_renewed()) continue;
        const absl::string_view about = ConversationOf(event);
        lines.push_back(absl::StrCat(about.empty() ? std::string(8, ' ') : ShortId(about), "  ",
                                     Describe(event)));
      }
      break;
    case ConnectResponse::kOutcome: {
      const auto& outcome = response.outcome();
      Keep(outcome);
      if (outcome.has_rejected()) {
        lines.push_back(absl::StrCat("refused, ", EnumName(outcome.rejected().reason()), ": ",
                                     OneLine(outcome.rejected().detail(), 200)));
      }
      break;
    }
    case ConnectResponse::kGoingAway:
      Keep(response.going_away());
      lines.push_back("the gateway is going away");
      break;
    case ConnectResponse::kHeartbeat:
      Keep(response.heartbeat());
      break;
    case ConnectResponse::KIND_NOT_SET:
      break;
  }
  return lines;
}

template <class Message>
void Desk::Keep(const Message& message) {
  if (!message.cursor().empty()) cursors_[message.routing_group_id()] = message.cursor();
}

// Replaces what the desk has of its routing group.
void Desk::ApplySnapshot(const agent::v1::Snapshot& snapshot) {
  Keep(snapshot);
  const std::string& group = snapshot.routing_group_id();
  std::erase_if(items_, [&](const auto& entry) {
    return entry.second.conversation.routing_group_id() == group;
  });
  for (const auto& work : snapshot.items()) {
    Item& item = ItemOf(work.conversation().conversation_id());
    item.conversation = work.conversation();
    item.conversation.set_routing_group_id(group);
    item.last = LastOf(work);
    if (work.conversation().offer().agent_id() == agent_id_) {
      item.offer_id = work.conversation().offer().offer_id();
    }
  }
  if (!items_.contains(in_hand_)) in_hand_.clear();
}

void Desk::ApplyEvent(const Event& event, const std::string& routing_group_id) {
  const std::string id(ConversationOf(event));
  if (id.empty()) return;
  switch (event.kind_case()) {
    case Event::kConversationOpened: {
      auto& c = ItemOf(id).conversation;
      *c.mutable_contact() = event.conversation_opened().contact();
      *c.mutable_account() = event.conversation_opened().account();
      c.set_subject(event.conversation_opened().subject());
      break;
    }
    case Event::kMessageReceived: {
      Item& item = ItemOf(id);
      const auto& message = event.message_received().message();
      item.last = Summary(message.contents());
      if (!item.conversation.has_contact()) *item.conversation.mutable_contact() = message.sender();
      break;
    }
    case Event::kCallbackRequested:
      ItemOf(id).conversation.mutable_callback_request_time();
      break;
    case Event::kReplySent:
      if (domain::IsAgentsAnswer(event.reply_sent())) {
        ItemOf(id).conversation.clear_callback_request_time();
      }
      break;
    case Event::kOffered:
      if (event.offered().agent_id() == agent_id_) {
        Item& item = ItemOf(id);
        item.offer_id = event.offered().offer_id();
        item.conversation.set_status(state::v1::CONVERSATION_STATUS_OFFERED);
        *item.conversation.mutable_offer()->mutable_expire_time() = event.offered().expire_time();
      }
      break;
    case Event::kAssigned: {
      const std::string& agent = event.assigned().agent_id();
      if (agent == agent_id_) {
        in_hand_ = id;
      } else {
        Leave(id);
        if (!items_.contains(id)) break;
      }
      Item& item = ItemOf(id);
      item.offer_id.clear();
      item.conversation.set_agent_id(agent);
      item.conversation.set_status(state::v1::CONVERSATION_STATUS_ACTIVE);
      break;
    }
    case Event::kOfferDeclined:
    case Event::kOfferTimedOut:
    case Event::kOfferWithdrawn:
    case Event::kQueued:
      Leave(id);
      break;
    case Event::kConsultStarted:
      domain::ApplyCompany(event.consult_started(), ItemOf(id).conversation);
      if (event.consult_started().agent_id() == agent_id_ && in_hand_.empty()) in_hand_ = id;
      break;
    case Event::kConsultEnded:
      domain::ApplyCompany(event.consult_ended(), ItemOf(id).conversation);
      if (event.consult_ended().agent_id() == agent_id_) LeaveCompany(id);
      break;
    case Event::kSupervisorJoined:
      domain::ApplyCompany(event.supervisor_joined(), ItemOf(id).conversation);
      break;
    case Event::kSupervisorLeft:
      domain::ApplyCompany(event.supervisor_left(), ItemOf(id).conversation);
      if (event.supervisor_left().agent_id() == agent_id_) LeaveCompany(id);
      break;
    case Event::kParked:
      ItemOf(id).conversation.set_status(state::v1::CONVERSATION_STATUS_PARKED);
      break;
    case Event::kResumed:
      ItemOf(id).conversation.set_status(state::v1::CONVERSATION_STATUS_ACTIVE);
      break;
    case Event::kResolved:
      items_.erase(id);
      break;
    default:
      break;
  }
  if (const auto it = items_.find(id); it != items_.end()) {
    it->second.conversation.set_routing_group_id(routing_group_id);
  }
  if (!items_.contains(in_hand_)) in_hand_.clear();
}

bool Desk::IsCompany(const Item& item) const {
  const std::vector<std::string> company = domain::CompanyIn(item.conversation);
  return std::binary_search(company.begin(), company.end(), agent_id_);
}

void Desk::Leave(const std::string& conversation_id) {
  const auto it = items_.find(conversation_id);
  if (it == items_.end()) return;
  if (!IsCompany(it->second)) {
    items_.erase(it);
    return;
  }
  it->second.offer_id.clear();
  it->second.conversation.clear_agent_id();
  it->second.conversation.set_status(state::v1::CONVERSATION_STATUS_QUEUED);
}

void Desk::LeaveCompany(const std::string& conversation_id) {
  const Item& item = items_.at(conversation_id);
  const bool has_it = item.conversation.agent_id() == agent_id_ || !item.offer_id.empty();
  if (!has_it && !IsCompany(item)) items_.erase(conversation_id);
}

std::vector<std::string> Desk::Strangers() const {
  std::vector<std::string> ids;
  for (const auto& [id, item] : items_) {
    if (!item.conversation.has_contact()) ids.push_back(id);
  }
  return ids;
}

std::string Desk::Meet(const agent::v1::WorkItem& work) {
  const auto it = items_.find(work.conversation().conversation_id());
  if (it == items_.end() || it->second.conversation.has_contact()) return "";
  state::v1::ConversationState& conversation = it->second.conversation;
  // How it stands the stream has told, and later.
  *conversation.mutable_contact() = work.conversation().contact();
  *conversation.mutable_account() = work.conversation().account();
  conversation.set_subject(work.conversation().subject());
  if (it->second.last.empty()) it->second.last = LastOf(work);
  return LineOf(it->second);
}

std::string Desk::LineOf(const Item& item) const {
  const std::string& id = item.conversation.conversation_id();
  std::string line =
      absl::StrCat(id == in_hand_ ? "> " : "  ", ShortId(id), "  ", StatusOf(item.conversation),
                   "  ", ContactName(item.conversation));
  if (IsCompany(item)) {
    const std::string& whose = item.conversation.agent_id();
    absl::StrAppend(&line, "  (looking on", whose.empty() ? "" : ", with ", whose, ")");
  }
  if (!item.conversation.subject().empty()) {
    absl::StrAppend(&line, "  \"", OneLine(item.conversation.subject(), 40), "\"");
  }
  if (!item.last.empty()) absl::StrAppend(&line, "  ", item.last);
  if (!item.offer_id.empty()) {
    absl::StrAppend(&line, "  (offer until ", FormatTime(item.conversation.offer().expire_time()),
                    ")");
  }
  return line;
}

std::vector<std::string> Desk::List() const {
  std::vector<std::string> lines;
  for (const auto& [id, item] : items_) lines.push_back(LineOf(item));
  if (lines.empty()) lines.push_back("  nothing on your desk");
  return lines;
}

agent::v1::ConnectResponse Desk::ListMessage() const {
  agent::v1::ConnectResponse response;
  for (const auto& [id, item] : items_) {
    *response.mutable_snapshot()->add_items()->mutable_conversation() = item.conversation;
  }
  response.mutable_snapshot()->mutable_agent()->set_agent_id(agent_id_);
  return response;
}

absl::StatusOr<std::string> Desk::FindConversation(absl::string_view id) const {
  if (id.empty()) {
    return absl::InvalidArgumentError("which conversation? Expected its id, or how it begins");
  }
  std::string found;
  for (const auto& [conversation, item] : items_) {
    if (!absl::StartsWith(conversation, id)) continue;
    if (!found.empty()) return absl::InvalidArgumentError(absl::StrCat(id, " fits several"));
    found = conversation;
  }
  if (!found.empty()) return found;
  if (id.size() == kIdLength) return std::string(id);
  return absl::NotFoundError(absl::StrCat("no conversation on your desk begins with ", id));
}

absl::StatusOr<std::string> Desk::FindOffer(absl::string_view id) const {
  using google::protobuf::util::TimeUtil;
  const Item* found = nullptr;
  int64_t first = 0;
  for (const auto& [conversation, item] : items_) {
    if (item.offer_id.empty()) continue;
    if (!absl::StartsWith(item.offer_id, id) && !absl::StartsWith(conversation, id)) continue;
    if (found != nullptr && !id.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(id, " fits several offers"));
    }
    const int64_t expires =
        TimeUtil::TimestampToNanoseconds(item.conversation.offer().expire_time());
    if (found == nullptr || expires < first) {
      found = &item;
      first = expires;
    }
  }
  if (found != nullptr) return found->offer_id;
  if (id.size() == kIdLength) return std::string(id);
  if (id.empty()) return absl::NotFoundError("no offer on your desk");
  return absl::NotFoundError(absl::StrCat("no offer on your desk begins with ", id));
}

absl::StatusOr<std::string> Desk::TakeConversation(absl::string_view& rest) {
  if (absl::StartsWith(rest, "@")) {
    const absl::string_view id = TakeWord(rest).substr(1);
    if (id.empty()) return absl::InvalidArgumentError("@ is followed by a conversation's id");
    return FindConversation(id);
  }
  if (in_hand_.empty()) {
    return absl::NotFoundError("no conversation in hand: `use ID`, or `@ID` after the word");
  }
  return in_hand_;
}

absl::Status Desk::Use(absl::string_view id) {
  if (id.empty()) return absl::InvalidArgumentError("use ID");
  WISSEL_ASSIGN_OR_RETURN(in_hand_, FindConversation(id));
  return absl::OkStatus();
}

// One line: its first word, and what is left of it.
class Desk::Words {
 public:
  Words(Desk& desk, absl::string_view line) : desk_(desk), rest_(line) { word_ = TakeWord(rest_); }

  absl::StatusOr<Command> Parse() {
    static const std::map<absl::string_view, absl::Status (Words::*)()> kParsers = {
        {"available", &Words::Presence},
        {"away", &Words::Presence},
        {"draining", &Words::Presence},
        {"offline", &Words::Presence},
        {"capacity", &Words::Capacity},
        {"accept", &Words::Accept},
        {"decline", &Words::Decline},
        {"reply", &Words::Reply},
        {"note", &Words::Note},
        {"transfer", &Words::Transfer},
        {"resolve", &Words::Resolve},
        {"park", &Words::Park},
        {"resume", &Words::OnlyAConversation<&Command::mutable_resume>},
        {"reopen", &Words::OnlyAConversation<&Command::mutable_reopen>},
        {"join", &Words::OnlyAConversation<&Command::mutable_barge_in>},
        {"leave", &Words::OnlyAConversation<&Command::mutable_leave_conversation>},
        {"merge", &Words::Merge},
        {"pull", &Words::Pull},
        {"consult", &Words::Consult},
        {"end-consult", &Words::EndConsult},
        {"finish", &Words::Finish},
        {"update", &Words::Update},
        {"reassign", &Words::Reassign},
        {"logout", &Words::Logout},
        {"settle", &Words::Settle}};
    const auto parser = kParsers.find(word_);
    if (parser == kParsers.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown word \"", OneLine(word_, 40), "\"; `help` lists them"));
    }
    WISSEL_RETURN_IF_ERROR((this->*parser->second)());
    return std::move(command_);
  }

 private:
  static absl::Status Expected(absl::string_view words) {
    return absl::InvalidArgumentError(words);
  }

  std::string Rest() const { return std::string(rest_); }
  std::string Text() const { return absl::StrReplaceAll(rest_, {{"\\n", "\n"}}); }

  // Into the command's part, the conversation that "@ID" names or that is in hand.
  template <class Part>
  absl::Status TakeConversation(Part& part) {
    WISSEL_ASSIGN_OR_RETURN(*part.mutable_conversation_id(), desk_.TakeConversation(rest_));
    return absl::OkStatus();
  }

  template <auto kPart>
  absl::Status OnlyAConversation() {
    return TakeConversation(*(command_.*kPart)());
  }

  absl::Status Presence() {
    command::v1::SetPresence& set = *command_.mutable_set_presence();
    set.set_agent_id(desk_.agent_id_);
    set.set_presence(word_ == "available"  ? command::v1::PRESENCE_AVAILABLE
                     : word_ == "away"     ? command::v1::PRESENCE_AWAY
                     : word_ == "draining" ? command::v1::PRESENCE_DRAINING
                                           : command::v1::PRESENCE_OFFLINE);
    set.set_reason(Rest());
    return absl::OkStatus();
  }

  absl::Status Capacity() {
    int32_t units = 0;
    if (!absl::SimpleAtoi(rest_, &units)) {
      return Expected("capacity UNITS: expected a whole number");
    }
    command_.mutable_set_capacity()->set_agent_id(desk_.agent_id_);
    command_.mutable_set_capacity()->set_capacity_units(units);
    return absl::OkStatus();
  }

  absl::Status Accept() {
    command::v1::AcceptOffer& accept = *command_.mutable_accept_offer();
    WISSEL_ASSIGN_OR_RETURN(*accept.mutable_offer_id(), desk_.FindOffer(TakeWord(rest_)));
    accept.set_agent_id(desk_.agent_id_);
    return absl::OkStatus();
  }

  absl::Status Decline() {
    command::v1::DeclineOffer& decline = *command_.mutable_decline_offer();
    WISSEL_ASSIGN_OR_RETURN(*decline.mutable_offer_id(), desk_.FindOffer(TakeWord(rest_)));
    decline.set_agent_id(desk_.agent_id_);
    decline.set_reason(Rest());
    return absl::OkStatus();
  }

  absl::Status Reply() {
    command::v1::SendReply& reply = *command_.mutable_send_reply();
    WISSEL_RETURN_IF_ERROR(TakeConversation(reply));
    if (rest_.empty()) return Expected("reply TEXT: expected a text");
    reply.mutable_message()->add_contents()->mutable_text()->set_text(Text());
    return absl::OkStatus();
  }

  absl::Status Note() {
    command::v1::AddNote& note = *command_.mutable_add_note();
    WISSEL_RETURN_IF_ERROR(TakeConversation(note));
    if (rest_.empty()) return Expected("note TEXT: expected a text");
    note.set_text(Text());
    return absl::OkStatus();
  }

  absl::Status Transfer() {
    command::v1::Transfer& transfer = *command_.mutable_transfer();
    WISSEL_RETURN_IF_ERROR(TakeConversation(transfer));
    const absl::string_view what = TakeWord(rest_);
    const std::string name(TakeWord(rest_));
    if (name.empty() || (what != "queue" && what != "agent")) {
      return Expected("transfer queue|agent NAME [NOTE]");
    }
    if (what == "queue") {
      transfer.set_queue_id(name);
    } else {
      transfer.set_agent_id(name);
    }
    if (absl::StartsWith(absl::StrCat(rest_, " "), "keep-place ")) {
      TakeWord(rest_);
      transfer.set_keep_place(true);
    }
    transfer.set_note(Rest());
    return absl::OkStatus();
  }

  absl::Status Resolve() {
    WISSEL_RETURN_IF_ERROR(TakeConversation(*command_.mutable_resolve()));
    command_.mutable_resolve()->set_resolution(Rest());
    return absl::OkStatus();
  }

  absl::Status Park() {
    command::v1::Park& park = *command_.mutable_park();
    WISSEL_RETURN_IF_ERROR(TakeConversation(park));
    park.set_on_hold(rest_ == "on-hold");
    if (!rest_.empty() && !park.on_hold()) return Expected("park [on-hold]");
    return absl::OkStatus();
  }

  absl::Status Merge() {
    command::v1::MergeConversation& merge = *command_.mutable_merge_conversation();
    WISSEL_RETURN_IF_ERROR(TakeConversation(merge));
    if (rest_.empty()) return Expected("merge INTO-ID");
    WISSEL_ASSIGN_OR_RETURN(*merge.mutable_into_conversation_id(), desk_.FindConversation(rest_));
    return absl::OkStatus();
  }

  absl::Status Pull() {
    command::v1::Pull& pull = *command_.mutable_pull();
    WISSEL_ASSIGN_OR_RETURN(*pull.mutable_conversation_id(),
                            desk_.FindConversation(TakeWord(rest_)));
    pull.set_agent_id(desk_.agent_id_);
    return absl::OkStatus();
  }

  absl::Status Consult() {
    command::v1::Consult& consult = *command_.mutable_consult();
    WISSEL_RETURN_IF_ERROR(TakeConversation(consult));
    consult.set_agent_id(std::string(TakeWord(rest_)));
    if (consult.agent_id().empty()) return Expected("consult AGENT [NOTE]");
    consult.set_note(Rest());
    return absl::OkStatus();
  }

  absl::Status EndConsult() {
    command::v1::EndConsult& end = *command_.mutable_end_consult();
    WISSEL_RETURN_IF_ERROR(TakeConversation(end));
    end.set_agent_id(rest_.empty() ? desk_.agent_id_ : Rest());
    return absl::OkStatus();
  }

  absl::Status Finish() {
    command::v1::EndWrapUp& end = *command_.mutable_end_wrap_up();
    end.set_agent_id(desk_.agent_id_);
    if (rest_.empty()) return absl::OkStatus();
    WISSEL_ASSIGN_OR_RETURN(*end.mutable_conversation_id(), desk_.FindConversation(rest_));
    return absl::OkStatus();
  }

  absl::Status Update() {
    command::v1::UpdateConversation& update = *command_.mutable_update_conversation();
    WISSEL_RETURN_IF_ERROR(TakeConversation(update));
    update.set_choose_queue_again(true);
    const absl::string_view what = TakeWord(rest_);
    int32_t points = 0;
    if (what == "priority" && absl::SimpleAtoi(rest_, &points)) {
      update.set_priority_points(points);
    } else if (what == "language" && !rest_.empty()) {
      update.set_language(Rest());
    } else if (what == "tier" && !rest_.empty()) {
      update.mutable_facts()->set_tier(Rest());
    } else {
      return Expected("update priority N|language TAG|tier NAME");
    }
    return absl::OkStatus();
  }

  absl::Status Reassign() {
    command::v1::Reassign& reassign = *command_.mutable_reassign();
    WISSEL_RETURN_IF_ERROR(TakeConversation(reassign));
    reassign.set_agent_id(std::string(TakeWord(rest_)));
    reassign.set_over_capacity(rest_ == "over-capacity");
    if (reassign.agent_id().empty() || (!rest_.empty() && !reassign.over_capacity())) {
      return Expected("reassign AGENT [over-capacity]");
    }
    return absl::OkStatus();
  }

  absl::Status Logout() {
    command::v1::ForceLogout& logout = *command_.mutable_force_logout();
    logout.set_agent_id(std::string(TakeWord(rest_)));
    if (logout.agent_id().empty()) return Expected("logout AGENT [REASON]");
    logout.set_reason(Rest());
    return absl::OkStatus();
  }

  absl::Status Settle() {
    command::v1::SettleDelivery& settle = *command_.mutable_settle_delivery();
    WISSEL_RETURN_IF_ERROR(TakeConversation(settle));
    settle.set_outbound_id(std::string(TakeWord(rest_)));
    if (rest_ == "resend") {
      settle.set_decision(command::v1::SettleDelivery::DECISION_RESEND);
    } else if (rest_ == "give-up") {
      settle.set_decision(command::v1::SettleDelivery::DECISION_GIVE_UP);
    } else if (rest_ == "delivered") {
      settle.set_decision(command::v1::SettleDelivery::DECISION_DELIVERED);
    } else {
      return Expected("settle OUTBOUND resend|give-up|delivered");
    }
    return absl::OkStatus();
  }

  Desk& desk_;
  absl::string_view rest_;
  absl::string_view word_;
  Command command_;
};

absl::StatusOr<Command> Desk::Parse(absl::string_view line) {
  WISSEL_ASSIGN_OR_RETURN(Command command, Words(*this, line).Parse());
  if (const auto it = items_.find(ConversationIn(command)); it != items_.end()) {
    command.mutable_envelope()->set_routing_group_id(it->second.conversation.routing_group_id());
  }
  return command;
}

}  // namespace wissel::ctl
