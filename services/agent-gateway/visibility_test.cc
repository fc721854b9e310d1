#include "services/agent-gateway/visibility.h"

#include <gtest/gtest.h>

namespace wissel::agent_gateway {
namespace {

using conversation::v1::Event;

const Viewer kAnna{
    .workspace = "acme", .routing_group = "main", .agent = "anna", .subject = "anna"};
const Viewer kBoss{.workspace = "acme",
                   .routing_group = "main",
                   .agent = "",
                   .subject = "boss",
                   .whole_group = true};
const Viewer kStranger{.workspace = "other",
                       .routing_group = "main",
                       .agent = "anna",
                       .subject = "anna",
                       .whole_group = true};

Event Message() {
  Event event;
  event.mutable_message_received()->set_conversation_id("c1");
  return event;
}

EventFacts Facts(const std::string& before, const std::string& after) {
  return {.workspace = "acme",
          .routing_group = "main",
          .agents = AgentsIn({.holder = before, .company = {}}, {.holder = after, .company = {}})};
}

TEST(VisibleTo, AgentSeesOwnConversationsBeforeAndAfterTheEvent) {
  EXPECT_TRUE(VisibleTo(kAnna, Message(), Facts("anna", "anna")));
  EXPECT_TRUE(VisibleTo(kAnna, Message(), Facts("anna", ""))) << "it is taken from her";
  EXPECT_TRUE(VisibleTo(kAnna, Message(), Facts("bram", "anna"))) << "it is given to her";
  EXPECT_FALSE(VisibleTo(kAnna, Message(), Facts("bram", "bram")));
  EXPECT_FALSE(VisibleTo(kAnna, Message(), Facts("", "")));
}

TEST(VisibleTo, CompanySeesFromItsFirstEventToItsLast) {
  state::v1::ConversationState state;
  state.set_agent_id("bram");
  const Party alone = PartyOf(state);
  state.add_consulted_agent_ids("anna");
  state.add_joined_supervisors()->set_subject("boss");  // who is no agent
  state.add_joined_supervisors()->set_subject("chief");
  state.mutable_joined_supervisors(1)->set_agent_id("carol");
  const Party together = PartyOf(state);
  const auto seen = [](const Party& before, const Party& after) {
    return VisibleTo(
        kAnna, Message(),
        {.workspace = "acme", .routing_group = "main", .agents = AgentsIn(before, after)});
  };
  EXPECT_FALSE(seen(alone, alone));
  EXPECT_TRUE(seen(alone, together));
  EXPECT_TRUE(seen(together, together));
  EXPECT_TRUE(seen(together, alone));
  EXPECT_EQ(AgentsIn(together, alone), (std::vector<std::string>{"anna", "bram", "carol"}));
}

// What the log shows of a party's change is what the events say of it.
TEST(PartyChangeOf, NamesWhoKeepsCompanyBeforeAndAfter) {
  state::v1::ConversationState state;
  state.set_agent_id("bram");
  Party party = PartyOf(state);
  const auto apply = [&](const Event& event) {
    const auto change = PartyChangeOf(event);
    ASSERT_TRUE(change.has_value());
    SetPlace(*change, change->after, party);
  };
  Event consulted;
  consulted.mutable_consult_started()->set_agent_id("anna");
  apply(consulted);
  Event joined;
  joined.mutable_supervisor_joined()->mutable_actor()->set_subject("chief");
  joined.mutable_supervisor_joined()->mutable_actor()->set_agent_id("anna");
  apply(joined);
  Event ended;
  ended.mutable_consult_ended()->set_agent_id("anna");
  EXPECT_EQ(PartyChangeOf(ended)->before, "anna");
  apply(ended);
  EXPECT_EQ(AgentsIn(party, party), (std::vector<std::string>{"anna", "bram"}))
      << "as one who joined";
  Event left;
  left.mutable_supervisor_left()->set_subject("chief");
  left.mutable_supervisor_left()->set_agent_id("anna");
  EXPECT_EQ(PartyChangeOf(left)->before, "anna");
  apply(left);
  EXPECT_EQ(party, PartyOf(state));
}

TEST(VisibleTo, NobodySeesAnotherWorkspace) {
  EXPECT_FALSE(VisibleTo(kStranger, Message(), Facts("anna", "anna")));
  Event presence;
  presence.mutable_agent_presence_changed()->set_workspace_id("acme");
  presence.mutable_agent_presence_changed()->set_routing_group_id("main");
  presence.mutable_agent_presence_changed()->set_agent_id("anna");
  EXPECT_FALSE(VisibleTo(kStranger, presence, Facts("", "")));
  EXPECT_TRUE(VisibleTo(kAnna, presence, Facts("", "")));
  Event config;
  config.mutable_config_applied()->mutable_config()->set_workspace_id("acme");
  EXPECT_FALSE(VisibleTo(kStranger, config, Facts("", "")));
}

TEST(VisibleTo, SupervisorSeesTheWholeRoutingGroupAndNoOther) {
  EXPECT_TRUE(VisibleTo(kBoss, Message(), Facts("bram", "bram")));
  EXPECT_TRUE(VisibleTo(kBoss, Message(), Facts("", "")));
  EventFacts elsewhere = Facts("bram", "bram");
  elsewhere.routing_group = "be";
  EXPECT_FALSE(VisibleTo(kBoss, Message(), elsewhere));
}

TEST(VisibleTo, AnAgentWithoutAnIdOwnsNothing) {
  Viewer nobody = kAnna;
  nobody.agent = "";
  EXPECT_FALSE(VisibleTo(nobody, Message(), Facts("", "")));
  Event presence;
  presence.mutable_agent_presence_changed()->set_workspace_id("acme");
  EXPECT_FALSE(VisibleTo(nobody, presence, Facts("", "")));
}

TEST(VisibleTo, OnlyTheConfigurationsOwnSupervisorsSeeIt) {
  Event event;
  event.mutable_config_applied()->mutable_config()->set_workspace_id("acme");
  EXPECT_TRUE(VisibleTo(kBoss, event, Facts("", "")));
  EXPECT_FALSE(VisibleTo(kAnna, event, Facts("", "")));
}

TEST(VisibleTo, ARefusalIsForWhoeverAsked) {
  Event event;
  event.mutable_command_rejected()->mutable_actor()->set_subject("anna");
  EXPECT_TRUE(VisibleTo(kAnna, event, Facts("", "")));
  EXPECT_FALSE(VisibleTo(kBoss, event, Facts("", "")));
  EXPECT_FALSE(VisibleTo(kStranger, event, Facts("", "")));
}

TEST(VisibleTo, TheLogsInnerWorkingsAreForNobody) {
  std::vector<Event> inner(7);
  inner[0].mutable_gateway_lease_renewed();
  inner[1].mutable_duplicate_skipped();
  inner[2].mutable_restate_started();
  inner[3].mutable_conversation_restated();
  inner[4].mutable_seen_restated();
  inner[5].mutable_delivery_updated();  // of no conversation that is known
  inner[5].mutable_receipt_ignored();
  for (const Event& event : inner) {
    EXPECT_FALSE(VisibleTo(kAnna, event, Facts("", "")));
    EXPECT_FALSE(VisibleTo(kBoss, event, Facts("", "")));
  }
}

// Every kind of event that names a conversation must be handled as one, or it would be lost to its
// agent. Reflection finds them, so a kind added later is caught too.
TEST(VisibleTo, EveryEventWithAConversationIsSeenByItsAgent) {
  const google::protobuf::Descriptor* descriptor = Event::descriptor();
  int seen = 0;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = descriptor->field(i);
    const auto* id = field->message_type()->FindFieldByName("conversation_id");
    // After-work is the agent's own, though it names the conversation it follows.
    const bool names_workspace = field->message_type()->FindFieldByName("workspace_id") != nullptr;
    if (id == nullptr || (names_workspace && field->name() != "conversation_opened")) continue;
    Event event;
    google::protobuf::Message* kind = event.GetReflection()->MutableMessage(&event, field);
    kind->GetReflection()->SetString(kind, id, "c1");
    EXPECT_EQ(ConversationOf(event), "c1") << field->name();
    EXPECT_TRUE(VisibleTo(kAnna, event, Facts("anna", ""))) << field->name();
    EXPECT_FALSE(VisibleTo(kAnna, event, Facts("bram", ""))) << field->name();
    ++seen;
  }
  EXPECT_GE(seen, 19);
}

// A live stream is shown what it is found for: whoever may see an event must be found for it.
// Reflection makes one of every kind.
TEST(AddAddressees, FindsEverybodyWhoMaySee) {
  const google::protobuf::Descriptor* descriptor = Event::descriptor();
  int seen = 0;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    Event event;
    google::protobuf::Message* kind =
        event.GetReflection()->MutableMessage(&event, descriptor->field(i));
    const auto set = [kind](const char* name, const char* value) {
      const auto* field = kind->GetDescriptor()->FindFieldByName(name);
      if (field != nullptr) kind->GetReflection()->SetString(kind, field, value);
    };
    set("workspace_id", "acme");
    set("routing_group_id", "main");
    set("agent_id", "anna");
    set("conversation_id", "c1");
    if (event.has_command_rejected()) {
      event.mutable_command_rejected()->mutable_actor()->set_subject("anna");
      event.mutable_command_rejected()->mutable_actor()->set_agent_id("anna");
    }
    if (event.has_config_applied()) {
      auto& config = *event.mutable_config_applied()->mutable_config();
      config.set_workspace_id("acme");
      for (const char* group : {"be", "main"}) {
        config.add_routing_groups()->set_routing_group_id(group);
      }
    }
    const EventFacts facts = Facts("anna", "");
    Addressees found;
    AddAddressees(event, facts, found);
    const auto in = [](const std::vector<std::string>& keys, const std::string& key) {
      return std::find(keys.begin(), keys.end(), key) != keys.end();
    };
    if (VisibleTo(kAnna, event, facts)) {
      EXPECT_TRUE(in(found.agents, "acme/anna")) << descriptor->field(i)->name();
      ++seen;
    }
    if (VisibleTo(kBoss, event, facts)) {
      EXPECT_TRUE(in(found.groups, "acme/main")) << descriptor->field(i)->name();
      ++seen;
    }
  }
  EXPECT_GE(seen, 70);
}

}  // namespace
}  // namespace wissel::agent_gateway
