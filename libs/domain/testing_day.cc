#include "libs/domain/testing_day.h"

#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing_rich.h"

namespace wissel::domain::testing {
namespace {

std::vector<std::string> OpenIn(const State& state) {
  std::vector<std::string> open;
  for (const std::string& id : state.Keys(PieceKind::kConversation)) {
    if (IsOpen(*state.FindConversation(id))) open.push_back(id);
  }
  return open;
}

// Another open conversation of the contact's, if there is one.
std::string OfSameContact(const State& state, const std::string& id) {
  const ConversationState* c = state.FindConversation(id);
  for (const std::string& other : OpenIn(state)) {
    if (other != id &&
        state.FindConversation(other)->contact().contact_id() == c->contact().contact_id()) {
      return other;
    }
  }
  return id;
}

}  // namespace

RandomDay::RandomDay(Options options) : options_(std::move(options)), random_(options_.seed) {
  const config::v1::WorkspaceConfig config = options_.make_config(1);
  std::set<std::string> languages;
  for (const config::v1::Agent& agent : config.agents()) {
    agents_.push_back(agent.agent_id());
    if (agent.is_bot()) bots_.insert(agent.agent_id());
    for (const config::v1::Skill& skill : agent.skills()) {
      absl::string_view language = skill.skill_id();
      if (absl::ConsumePrefix(&language, "lang:")) languages.emplace(language);
    }
  }
  languages_.assign(languages.begin(), languages.end());
  for (const config::v1::Queue& queue : config.queues()) queues_.push_back(queue.queue_id());
  for (const config::v1::Account& account : config.accounts()) {
    if (account.account().kind() != common::v1::CHANNEL_KIND_EMAIL) accounts_.push_back(account);
  }
}

std::string RandomDay::Agent() { return OneOf(agents_); }

std::string RandomDay::Holder(const State& state) {
  std::vector<std::string> holders;
  for (const std::string& agent : agents_) {
    if (!state.ConversationsOf(kWorkspace, agent).empty()) holders.push_back(agent);
  }
  return holders.empty() ? Agent() : OneOf(holders);
}

std::string RandomDay::Queue() { return OneOf(queues_); }

std::string RandomDay::Language() { return OneOf(languages_); }

std::string RandomDay::Customer() { return absl::StrCat("316", Pick(15)); }

template <typename Strings>
std::string RandomDay::OneOf(const Strings& all) {
  if (all.empty()) return "none";
  return *std::next(all.begin(), static_cast<int64_t>(Pick(all.size())));
}

Command RandomDay::By(const std::string& agent) {
  return CommandBy(agent, absl::StrCat("day ", ++keys_));
}

std::vector<RandomDay::Input> RandomDay::Next(const State& state) {
  const size_t what = Pick(20);
  if (what < options_.texts) return {ByPhone()};
  if (what < options_.texts + 1) return {ByMail()};
  if (what < options_.texts + 5) return Attend();
  if (what < 15) return Work(state);
  if (what < 18) return {StepIn(state)};
  if (Pick(10) == 0) return {AnotherConfig(state)};
  return Time();
}

std::vector<RandomDay::Input> RandomDay::Time() {
  const size_t what = Pick(8);
  if (what == 0 && options_.late_timers) {
    // A router that has much to do: timers fire late, behind an input that came later.
    return {ClockShift{absl::Milliseconds(Pick(15'000))}, ByPhone(), Wait{absl::ZeroDuration()}};
  }
  // A router whose clock is behind its predecessor's.
  if (what == 1) return {ClockShift{-absl::Milliseconds(Pick(300))}};
  // Up to 11 hours, now and then.
  return {Wait{absl::Milliseconds(Pick(Pick(20) == 0 ? 40'000'000 : 20'000))}};
}

message::v1::InboundMessage RandomDay::ByPhone() {
  const int n = static_cast<int>(Pick(60));
  const size_t which = Pick(accounts_.size());
  message::v1::InboundMessage text =
      Text(Customer(), n + 100 * static_cast<int>(which), Language());
  *text.mutable_account() = accounts_[which].account();
  text.mutable_envelope()->set_routing_group_id(accounts_[which].routing_group_id());
  if (n % 5 == 0) text.set_automation(message::v1::AUTOMATION_BULK);
  Describe(text);
  return text;
}

// Sometimes of somebody who writes by phone, too.
message::v1::InboundMessage RandomDay::ByMail() {
  message::v1::InboundMessage mail =
      testing::ByMail(Text(absl::StrCat("317", Pick(12)), static_cast<int>(Pick(60)), Language()));
  if (Pick(2) == 0) {
    mail.mutable_sender()->set_contact_id(Text(Customer(), 0, "nl").sender().contact_id());
  }
  Describe(mail);
  if (Pick(2) == 0) mail.set_subject(kTopics[Pick(std::size(kTopics))]);
  return mail;
}

void RandomDay::Describe(message::v1::InboundMessage& message) {
  if (Pick(2) == 0) return;
  message::v1::ContactFacts& facts = *message.mutable_facts();
  facts.set_tier(kTiers[Pick(std::size(kTiers))]);
  facts.set_order_state(kOrderStates[Pick(std::size(kOrderStates))]);
  if (Pick(2) == 0) facts.set_lifetime_value_cents(static_cast<int64_t>(1'000 * Pick(15)));
  if (Pick(2) == 0) facts.add_tags(kTags[Pick(std::size(kTags))]);
  message.mutable_contents(0)->mutable_text()->set_text(
      absl::StrCat(Pick(2) == 0 ? "About a " : "ABOUT A ", kTopics[Pick(std::size(kTopics))]));
  // Of some only the contact's language is known.
  if (Pick(4) != 0) return;
  facts.set_language(message.language());
  message.clear_language();
}

std::vector<RandomDay::Input> RandomDay::Attend() {
  const std::string agent = Agent();
  Command c = By(agent);
  if (Pick(2) == 0) c.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  const auto connect = [&](const char* gateway, const std::string& session, absl::Duration lease) {
    c.mutable_connect_agent()->set_agent_id(agent);
    c.mutable_connect_agent()->set_gateway_id(gateway);
    c.mutable_connect_agent()->set_session_id(session);
    *c.mutable_connect_agent()->mutable_lease() = ToProto(lease);
  };
  switch (Pick(14)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      connect("gateway-1", absl::StrCat(agent, "-session"),
              Pick(2) == 0 ? absl::Seconds(60) : absl::Minutes(10));
      Command available = By(agent);
      available.mutable_set_presence()->set_agent_id(agent);
      available.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
      return {c, available};
    }
    case 5:
    case 6:
      c.mutable_set_presence()->set_agent_id(agent);
      c.mutable_set_presence()->set_presence(static_cast<command::v1::Presence>(1 + Pick(4)));
      break;
    case 7:
    case 8:
      c.mutable_renew_gateway_lease()->set_gateway_id("gateway-1");
      *c.mutable_renew_gateway_lease()->mutable_lease() = ToProto(absl::Seconds(60));
      break;
    // A gateway whose lease soon runs out, now and then renewed.
    case 9:
      connect("gateway-2", absl::StrCat("session ", keys_), absl::Seconds(20));
      break;
    case 10:
      c.mutable_renew_gateway_lease()->set_gateway_id("gateway-2");
      *c.mutable_renew_gateway_lease()->mutable_lease() = ToProto(absl::Seconds(60));
      break;
    case 11:
      c.mutable_set_capacity()->set_agent_id(agent);
      c.mutable_set_capacity()->set_capacity_units(static_cast<int>(1 + Pick(4)));
      break;
    case 12:
      c.mutable_end_wrap_up()->set_agent_id(agent);
      break;
    default:
      if (Pick(2) == 0) {
        c.mutable_disconnect_agent()->set_agent_id(agent);
        c.mutable_disconnect_agent()->set_session_id(absl::StrCat(agent, "-session"));
      } else {
        c.mutable_force_logout()->set_agent_id(agent);
      }
  }
  return {c};
}

std::vector<RandomDay::Input> RandomDay::Work(const State& state) {
  const std::string agent = Holder(state);
  const std::set<std::string>& held = state.ConversationsOf(kWorkspace, agent);
  if (held.empty()) return {};
  const std::string id = OneOf(held);
  Command c = By(agent);
  if (bots_.contains(agent)) c.mutable_actor()->set_role(common::v1::ROLE_BOT);
  if (const ConversationState& conversation = *state.FindConversation(id);
      conversation.has_offer()) {
    if (Pick(8) == 0) {
      c.mutable_decline_offer()->set_agent_id(agent);
      c.mutable_decline_offer()->set_offer_id(conversation.offer().offer_id());
    } else {
      c.mutable_accept_offer()->set_agent_id(agent);
      c.mutable_accept_offer()->set_offer_id(conversation.offer().offer_id());
    }
    return {c};
  }
  switch (Pick(9)) {
    case 0:
    case 1:
      if (Pick(4) == 0) c.mutable_actor()->set_role(common::v1::ROLE_BOT);
      c.mutable_send_reply()->set_conversation_id(id);
      c.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text("hi");
      break;
    case 2:
    case 3:
    case 4:
    case 5:
      c.mutable_resolve()->set_conversation_id(id);
      break;
    case 6:
      c.mutable_transfer()->set_conversation_id(id);
      if (Pick(2) == 0) {
        c.mutable_transfer()->set_queue_id(Queue());
      } else {
        c.mutable_transfer()->set_agent_id(Agent());
      }
      c.mutable_transfer()->set_note("please");
      c.mutable_transfer()->set_keep_place(Pick(2) == 0);
      break;
    case 7:
      c.mutable_park()->set_conversation_id(id);
      c.mutable_park()->set_on_hold(Pick(2) == 0);
      break;
    default:
      c.mutable_add_note()->set_conversation_id(id);
      c.mutable_add_note()->set_text("a note");
  }
  return {c};
}

Command RandomDay::StepIn(const State& state) {
  const std::string agent = Agent();
  const std::string id = OneOf(OpenIn(state));
  const std::set<std::string>& company = state.CompanyOf(kWorkspace, agent);
  Command c = By(agent);
  if (Pick(3) != 0) c.mutable_actor()->set_role(common::v1::ROLE_SUPERVISOR);
  // In the routing group of what they step into.
  const auto in_its_group = [&](const std::string& conversation) {
    const ConversationState* found = state.FindConversation(conversation);
    if (found != nullptr) {
      c.mutable_envelope()->set_routing_group_id(found->routing_group_id());
    }
    return conversation;
  };
  switch (Pick(14)) {
    case 0:
      c.mutable_pull()->set_conversation_id(in_its_group(id));
      c.mutable_pull()->set_agent_id(agent);
      // Nobody else could take what waits: whoever declined it thinks better of it.
      for (const std::string& open : OpenIn(state)) {
        const ConversationState& waits = *state.FindConversation(open);
        if (waits.status() != state::v1::CONVERSATION_STATUS_QUEUED || waits.exclusions().empty()) {
          continue;
        }
        const std::string& excluded = waits.exclusions(0).agent_id();
        c.mutable_actor()->set_subject(excluded);
        c.mutable_actor()->set_agent_id(excluded);
        c.mutable_pull()->set_conversation_id(in_its_group(open));
        c.mutable_pull()->set_agent_id(excluded);
      }
      break;
    case 1:
      c.mutable_reassign()->set_conversation_id(in_its_group(id));
      c.mutable_reassign()->set_agent_id(agent);
      break;
    case 2:
    case 3:
      c.mutable_consult()->set_conversation_id(in_its_group(id));
      c.mutable_consult()->set_agent_id(agent);
      c.mutable_consult()->set_note("any idea?");
      break;
    case 4:
      c.mutable_end_consult()->set_conversation_id(
          in_its_group(company.empty() ? id : OneOf(company)));
      c.mutable_end_consult()->set_agent_id(agent);
      break;
    case 5:
      c.mutable_barge_in()->set_conversation_id(in_its_group(id));
      break;
    case 6:
      c.mutable_leave_conversation()->set_conversation_id(
          in_its_group(company.empty() ? id : OneOf(company)));
      break;
    case 7:
      c.mutable_transfer()->set_conversation_id(in_its_group(id));
      c.mutable_transfer()->set_agent_id(Agent());
      break;
    case 8:
      c.mutable_park()->set_conversation_id(in_its_group(id));
      c.mutable_park()->set_on_hold(true);
      break;
    case 9:
      c.mutable_resume()->set_conversation_id(in_its_group(id));
      break;
    case 10:
      c.mutable_reopen()->set_conversation_id(
          in_its_group(OneOf(state.Keys(PieceKind::kConversation))));
      break;
    case 11:
      c.mutable_merge_conversation()->set_conversation_id(in_its_group(id));
      c.mutable_merge_conversation()->set_into_conversation_id(
          id == "none" ? id : OfSameContact(state, id));
      break;
    default:
      c.mutable_update_conversation()->set_conversation_id(in_its_group(id));
      c.mutable_update_conversation()->set_priority_points(static_cast<int>(Pick(50)));
      if (Pick(2) == 0) c.mutable_update_conversation()->set_language(Language());
      if (Pick(3) == 0) {
        message::v1::ContactFacts& facts = *c.mutable_update_conversation()->mutable_facts();
        facts.set_tier("gold");
        facts.set_order_state(kOrderStates[Pick(std::size(kOrderStates))]);
        if (Pick(2) == 0) facts.set_lifetime_value_cents(static_cast<int64_t>(1'000 * Pick(15)));
      }
      c.mutable_update_conversation()->set_choose_queue_again(Pick(2) == 0);
  }
  return c;
}

config::v1::WorkspaceConfig RandomDay::AnotherConfig(const State& state) {
  const int64_t version = state.FindConfig(kWorkspace)->version() + 1;
  config::v1::WorkspaceConfig config = options_.make_config(version);
  config.mutable_conversations()->set_removed_work(Pick(3) == 0 ? config::v1::REMOVED_WORK_REQUEUED
                                                                : config::v1::REMOVED_WORK_KEPT);
  // Several agents come to have room at once.
  for (config::v1::Agent& agent : *config.mutable_agents()) {
    agent.set_capacity_units(agent.capacity_units() + static_cast<int32_t>(version / 2));
  }
  switch (Pick(4)) {
    case 0:
      config.mutable_agents()->DeleteSubrange(
          static_cast<int>(Pick(static_cast<size_t>(config.agents_size()))), 1);
      break;
    case 1:
      EraseIf(*config.mutable_agents(), [&](const auto& a) {
        return !state.ConversationsOf(kWorkspace, a.agent_id()).empty();
      });
      break;
    default:
      break;
  }
  for (config::v1::Queue& queue : *config.mutable_queues()) {
    config::v1::OverflowRule callback;
    *callback.mutable_after() = ToProto(absl::Seconds(7));
    callback.set_request_callback(true);
    auto& rules = *queue.mutable_overflow_rules();
    if (Pick(2) == 0 && !rules.empty()) rules.DeleteSubrange(0, 1);
    if (Pick(2) == 0) {
      *rules.Add() = callback;
      std::rotate(rules.pointer_begin(), rules.pointer_end() - 1, rules.pointer_end());
    }
  }
  const std::string gone = Queue();
  const auto in_its_group = [&](const config::v1::Queue& queue) {
    return std::any_of(config.queues().begin(), config.queues().end(), [&](const auto& other) {
      return other.queue_id() == gone && other.routing_group_id() == queue.routing_group_id();
    });
  };
  // A group keeps a queue.
  if (Pick(3) != 0 &&
      std::count_if(config.queues().begin(), config.queues().end(), in_its_group) > 1) {
    EraseIf(*config.mutable_queues(), [&](const auto& q) { return q.queue_id() == gone; });
    for (config::v1::Agent& agent : *config.mutable_agents()) {
      EraseIf(*agent.mutable_queue_ids(), [&](const auto& id) { return id == gone; });
      EraseIf(*agent.mutable_secondary_queue_ids(), [&](const auto& id) { return id == gone; });
    }
    for (config::v1::Queue& queue : *config.mutable_queues()) {
      EraseIf(*queue.mutable_overflow_rules(),
              [&](const auto& rule) { return rule.to_queue_id() == gone; });
    }
  }
  return config;
}

}  // namespace wissel::domain::testing
