#include "libs/testing/shop_log.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing_shop.h"

namespace wissel::testing {
namespace {

using command::v1::Command;
using domain::testing::CommandBy;
using domain::testing::kGroup;
using domain::testing::kWorkspace;

constexpr absl::Duration kLong = absl::Seconds(30);
constexpr const char* kAgents[] = {"anna", "bram", "carol"};

size_t Pick(std::mt19937& random, size_t n) {
  return std::uniform_int_distribution<size_t>(0, n - 1)(random);
}

}  // namespace

ShopLog::ShopLog(bus::Bus& bus, int32_t partition, Inputs inputs,
                 const config::v1::WorkspaceConfig& config)
    : bus_(bus), partition_(partition), inputs_(inputs), input_appender_(bus.NewAppender({})) {
  OpenLog();
  Claim();
  engine_.emplace(domain::State(),
                  domain::Engine::Options{.holds = [](absl::string_view) { return true; }});
  Apply(config);
}

void ShopLog::OpenLog() {
  appender_ = bus_.NewAppender({.gapless = true});
  const std::string owner = owners_++ == 0 ? "shop" : absl::StrCat("shop-", owners_);
  auto log = bus::OwnedLog::Open(bus_, appender_, {.partition = partition_, .owner = owner});
  WISSEL_CHECK_OK(log);
  log_ = *std::move(log);
}

void ShopLog::Claim() {
  while (log_->phase() != bus::OwnedLog::Phase::kOwning) {
    WISSEL_CHECK_OK(log_->Poll(1000, kLong));
  }
}

void ShopLog::TakeOver() {
  Sync();
  OpenLog();
  domain::State state;
  while (log_->phase() != bus::OwnedLog::Phase::kOwning) {
    const auto entries = log_->Poll(1000, kLong);
    WISSEL_CHECK_OK(entries);
    for (const bus::LogEntry& entry : *entries) {
      if (entry.record.has_decision()) state.Apply(entry.record.decision());
    }
  }
  engine_.emplace(std::move(state),
                  domain::Engine::Options{.holds = [](absl::string_view) { return true; }});
}

void ShopLog::Put(bus::Topic topic, std::string value) {
  if (inputs_ == Inputs::kNowhere) return;
  input_appender_->Append({.topic = topic,
                           .partition = topic == bus::Topic::kConfig ? 0 : partition_,
                           .key = domain::RoutingKey(kWorkspace, kGroup),
                           .value = std::move(value)},
                          [](absl::StatusOr<int64_t> offset) { WISSEL_CHECK_OK(offset); });
}

log::v1::InputCause ShopLog::Cause(common::v1::InputTopic topic) {
  log::v1::InputCause cause;
  cause.set_topic(topic);
  cause.set_partition(partition_);
  cause.set_offset(offsets_[topic]++);
  return cause;
}

log::v1::Decision ShopLog::Append(log::v1::Decision decision) {
  WISSEL_CHECK_OK(
      log_->Append(log::v1::Decision(decision), domain::RoutingKey(kWorkspace, kGroup)));
  return decision;
}

void ShopLog::Sync() {
  WISSEL_CHECK_OK(input_appender_->Flush(kLong));
  while (log_->unconfirmed() > 0) WISSEL_CHECK_OK(log_->Poll(1000, kLong));
}

void ShopLog::Apply(const config::v1::WorkspaceConfig& config) {
  Put(bus::Topic::kConfig, config.SerializeAsString());
  const auto* decision = engine_->Decide(Cause(common::v1::INPUT_TOPIC_CONFIG), config, now);
  if (decision != nullptr) Append(*decision);
}

log::v1::Decision ShopLog::Receive(const message::v1::InboundMessage& message) {
  Put(bus::Topic::kInbound, message.SerializeAsString());
  return Append(engine_->Decide(Cause(common::v1::INPUT_TOPIC_INBOUND), message, now));
}

log::v1::Decision ShopLog::Do(const Command& command) {
  Put(bus::Topic::kCommands, command.SerializeAsString());
  return Append(engine_->Decide(Cause(common::v1::INPUT_TOPIC_COMMANDS), command, now));
}

log::v1::Decision ShopLog::Report(const receipt::v1::Receipt& receipt) {
  Put(bus::Topic::kReceipts, receipt.SerializeAsString());
  return Append(engine_->Decide(Cause(common::v1::INPUT_TOPIC_RECEIPTS), receipt, now));
}

void ShopLog::Wait(absl::Duration duration) {
  const absl::Time until = now + duration;
  while (engine_->NextTimer() <= until) {
    now = std::max(now, engine_->NextTimer());
    if (auto decision = engine_->DecideTimer(now)) Append(*decision);
  }
  now = until;
}

void ShopLog::Restate() {
  Sync();
  WISSEL_CHECK_OK(log_->Reclaim());
  Claim();
  do {
    if (auto decision = engine_->Restate(now, 4096)) Append(*decision);
    now += absl::Milliseconds(400);
  } while (engine_->restating());
}

std::string ShopLog::Open(absl::string_view from, absl::string_view language) {
  const log::v1::Decision decision = Receive(domain::testing::Text(from, 1000 + ++keys_, language));
  return decision.events(0).conversation_opened().conversation_id();
}

void ShopLog::Online(absl::string_view agent) {
  Command connect = CommandBy(agent, Key());
  connect.mutable_connect_agent()->set_agent_id(std::string(agent));
  connect.mutable_connect_agent()->set_session_id(absl::StrCat(agent, "-session"));
  connect.mutable_connect_agent()->set_gateway_id("gateway-1");
  *connect.mutable_connect_agent()->mutable_lease() = ToProto(absl::Minutes(10));
  Do(connect);
  Command available = CommandBy(agent, Key());
  available.mutable_set_presence()->set_agent_id(std::string(agent));
  available.mutable_set_presence()->set_presence(command::v1::PRESENCE_AVAILABLE);
  Do(available);
}

void ShopLog::Accept(const std::string& conversation_id) {
  const state::v1::Offer offer = state().FindConversation(conversation_id)->offer();
  Command command = CommandBy(offer.agent_id(), Key());
  command.mutable_accept_offer()->set_offer_id(offer.offer_id());
  command.mutable_accept_offer()->set_agent_id(offer.agent_id());
  Do(command);
}

std::string ShopLog::Reply(absl::string_view agent, const std::string& conversation_id,
                           absl::string_view text) {
  Command command = CommandBy(agent, Key());
  command.mutable_send_reply()->set_conversation_id(conversation_id);
  command.mutable_send_reply()->mutable_message()->add_contents()->mutable_text()->set_text(
      std::string(text));
  const log::v1::Decision decision = Do(command);
  for (const auto& event : decision.events()) {
    if (event.has_reply_sent()) return event.reply_sent().outbound_id();
  }
  return "";
}

void ShopLog::AddNote(absl::string_view agent, const std::string& conversation_id,
                      absl::string_view text) {
  Command command = CommandBy(agent, Key());
  command.mutable_add_note()->set_conversation_id(conversation_id);
  command.mutable_add_note()->set_text(std::string(text));
  Do(command);
}

void ShopLog::Consult(absl::string_view agent, const std::string& conversation_id,
                      absl::string_view consulted, absl::string_view note) {
  Command command = CommandBy(agent, Key());
  command.mutable_consult()->set_conversation_id(conversation_id);
  command.mutable_consult()->set_agent_id(std::string(consulted));
  command.mutable_consult()->set_note(std::string(note));
  Do(command);
}

void ShopLog::EndConsult(absl::string_view consulted, const std::string& conversation_id) {
  Command command = CommandBy(consulted, Key());
  command.mutable_end_consult()->set_conversation_id(conversation_id);
  command.mutable_end_consult()->set_agent_id(std::string(consulted));
  Do(command);
}

void ShopLog::Resolve(absl::string_view agent, const std::string& conversation_id) {
  Command command = CommandBy(agent, Key());
  command.mutable_resolve()->set_conversation_id(conversation_id);
  Do(command);
}

void ShopLog::Deliver(const std::string& outbound_id) {
  const std::string attempt = absl::StrCat(outbound_id, "-attempt");
  Report(domain::testing::Started(outbound_id, 1, attempt));
  Report(domain::testing::Finished(outbound_id, attempt, receipt::v1::DELIVERY_STATE_SENT));
}

void ShopLog::Happen(std::mt19937& random) {
  const std::string agent = kAgents[Pick(random, 3)];
  const auto& held = state().ConversationsOf(kWorkspace, agent);
  const std::vector<std::string> ids(held.begin(), held.end());
  const std::string some = ids.empty() ? "" : ids[Pick(random, ids.size())];
  const bool offered = !some.empty() && state().FindConversation(some)->has_offer();
  switch (Pick(random, 16)) {
    case 0:
    case 1:
    case 2:
    case 3:
      Receive(domain::testing::Text(absl::StrCat("316", Pick(random, 15)),
                                    static_cast<int>(Pick(random, 90)),
                                    Pick(random, 2) == 0 ? "nl" : "en"));
      break;
    case 4:
      Online(agent);
      break;
    case 5:
    case 6:
      if (offered) Accept(some);
      break;
    case 7:
      if (!some.empty()) {
        if (const std::string out = Reply(agent, some, "an answer"); !out.empty()) Deliver(out);
      }
      break;
    case 8:
      if (!some.empty()) AddNote(agent, some, "a note");
      break;
    case 9:
      if (!some.empty()) Resolve(agent, some);
      break;
    case 10:
      if (!some.empty()) {
        Command command = CommandBy(agent, Key());
        command.mutable_transfer()->set_conversation_id(some);
        command.mutable_transfer()->set_note("please");
        command.mutable_transfer()->set_queue_id(Pick(random, 2) == 0 ? "nl" : "en");
        Do(command);
      }
      break;
    case 11:
      if (!some.empty()) {
        Command command = CommandBy(agent, Key());
        command.mutable_park()->set_conversation_id(some);
        Do(command);
      }
      break;
    case 12:
      AppendGarbage();
      break;
    case 13:
      if (!some.empty()) Consult(agent, some, kAgents[Pick(random, 3)], "any idea?");
      break;
    case 14:
      for (const std::string& id : std::set<std::string>(state().CompanyOf(kWorkspace, agent))) {
        EndConsult(agent, id);
      }
      break;
    default:
      // Up to 11 hours, now and then: offers time out, resolved conversations are forgotten.
      Wait(absl::Milliseconds(Pick(random, Pick(random, 10) == 0 ? 40'000'000 : 20'000)));
  }
}

void ShopLog::AppendGarbage() {
  Sync();
  const auto appender = bus_.NewAppender({});
  log::v1::LogRecord stale;
  stale.mutable_decision()->set_epoch(log_->epoch());
  stale.mutable_decision()->set_claim_offset(-5);
  stale.mutable_decision()->set_sequence(1);
  for (const std::string& value : {std::string("\xff\xff garbage"), stale.SerializeAsString()}) {
    appender->Append(
        {.topic = bus::Topic::kLog, .partition = partition_, .key = "", .value = value},
        [](absl::StatusOr<int64_t> offset) { WISSEL_CHECK_OK(offset); });
  }
  WISSEL_CHECK_OK(appender->Flush(kLong));
}

}  // namespace wissel::testing
