#pragma once

// Builders for the tests of everything that makes or reads decisions.

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/proto_time.h"
#include "libs/base/uuid.h"
#include "wissel/command/v1/command.pb.h"
#include "wissel/config/v1/config.pb.h"
#include "wissel/message/v1/message.pb.h"
#include "wissel/receipt/v1/receipt.pb.h"

namespace wissel::domain::testing {

inline constexpr absl::string_view kWorkspace = "acme";
inline constexpr absl::string_view kGroup = "main";

// A day in the log's past, for tests that move the clock by hand.
inline absl::Time StartTime() { return absl::FromUnixSeconds(1'750'000'000); }

// Two queues (nl, then en for all else) and three agents: anna (nl and en, capacity 2), bram (nl,
// capacity 2), carol (en, capacity 1).
inline config::v1::WorkspaceConfig ShopConfig(int64_t version = 1) {
  config::v1::WorkspaceConfig config;
  config.set_workspace_id(std::string(kWorkspace));
  config.set_version(version);
  config.add_routing_groups()->set_routing_group_id(std::string(kGroup));
  const auto account = [&](common::v1::ChannelKind kind, absl::string_view id) {
    config::v1::Account& a = *config.add_accounts();
    a.mutable_account()->set_kind(kind);
    a.mutable_account()->set_account_id(std::string(id));
    a.set_routing_group_id(std::string(kGroup));
  };
  account(common::v1::CHANNEL_KIND_WHATSAPP, "shop-phone");
  account(common::v1::CHANNEL_KIND_EMAIL, "shop-mail");
  const auto queue = [&](absl::string_view id, absl::string_view language) {
    config::v1::Queue& q = *config.add_queues();
    q.set_queue_id(std::string(id));
    q.set_routing_group_id(std::string(kGroup));
    if (!language.empty()) q.add_rules()->add_languages(std::string(language));
    config::v1::Skill& skill = *q.add_required_skills();
    skill.set_skill_id(absl::StrCat("lang:", id));
    skill.set_proficiency(5);
    *q.mutable_offer_timeout() = ToProto(absl::Seconds(30));
    q.set_max_missed_offers(2);
  };
  queue("nl", "nl");
  queue("en", "");
  const auto agent = [&](absl::string_view id, std::vector<std::string> languages, int32_t units) {
    config::v1::Agent& a = *config.add_agents();
    a.set_agent_id(std::string(id));
    a.set_routing_group_id(std::string(kGroup));
    a.set_capacity_units(units);
    for (const std::string& language : languages) {
      a.add_queue_ids(language);
      a.add_skills()->set_skill_id(absl::StrCat("lang:", language));
      a.mutable_skills()->rbegin()->set_proficiency(8);
    }
  };
  agent("anna", {"nl", "en"}, 2);
  agent("bram", {"nl"}, 2);
  agent("carol", {"en"}, 1);
  config::v1::ChannelPolicy& whatsapp = *config.add_channels();
  whatsapp.set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  whatsapp.set_weight_units(1);
  whatsapp.set_live(true);
  return config;
}

// std::erase_if for a message's repeated field.
template <typename Field, typename Predicate>
void EraseIf(Field& field, Predicate predicate) {
  field.erase(std::remove_if(field.begin(), field.end(), predicate), field.end());
}

inline common::v1::Envelope MakeEnvelope(std::string id) {
  common::v1::Envelope envelope;
  envelope.set_workspace_id(std::string(kWorkspace));
  envelope.set_routing_group_id(std::string(kGroup));
  envelope.set_id(std::move(id));
  return envelope;
}

// A text of the customer `from`; `n` makes the provider's id.
inline message::v1::InboundMessage Text(absl::string_view from, int n, absl::string_view language,
                                        absl::string_view text = "hello") {
  message::v1::InboundMessage m;
  const std::string provider_id = absl::StrCat("wamid.", from, ".", n);
  *m.mutable_envelope() = MakeEnvelope(
      DeriveMessageId(WorkspaceId(kWorkspace), ChannelAccountId("shop-phone"), provider_id)
          .value());
  m.mutable_account()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  m.mutable_account()->set_account_id("shop-phone");
  m.set_provider_message_id(provider_id);
  m.mutable_sender()->set_kind(common::v1::CHANNEL_KIND_WHATSAPP);
  m.mutable_sender()->set_address(std::string(from));
  m.mutable_sender()->set_contact_id(
      DeriveContactId(WorkspaceId(kWorkspace), "whatsapp", from).value());
  m.add_contents()->mutable_text()->set_text(std::string(text));
  m.set_automation(message::v1::AUTOMATION_NONE);
  m.set_language(std::string(language));
  return m;
}

// A command of the agent's own; `key` makes its idempotency key.
inline command::v1::Command CommandBy(absl::string_view agent_id, absl::string_view key) {
  command::v1::Command c;
  *c.mutable_envelope() = MakeEnvelope(UuidV5(kWisselNamespace, {"test command", key}));
  c.mutable_actor()->set_subject(std::string(agent_id));
  c.mutable_actor()->set_role(common::v1::ROLE_AGENT);
  c.mutable_actor()->set_agent_id(std::string(agent_id));
  return c;
}

}  // namespace wissel::domain::testing
