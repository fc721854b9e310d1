#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/routing/testing/script.h"

namespace wissel::routing::testing {

namespace {

// Takes out of the message what can be taken out without `holds` becoming false.
void ShrinkMessage(google::protobuf::Message& message, const std::function<bool()>& holds) {
  const auto* reflection = message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const auto* field : fields) {
    if (!field->is_repeated()) {
      if (field->name() == "queue_id" || field->name() == "agent_id" ||
          field->name() == "routing_group_id") {
        continue;
      }
      std::unique_ptr<google::protobuf::Message> copy(message.New());
      copy->CopyFrom(message);
      reflection->ClearField(&message, field);
      if (!holds()) message.CopyFrom(*copy);
      continue;
    }
    for (int i = reflection->FieldSize(message, field) - 1; i >= 0; --i) {
      std::unique_ptr<google::protobuf::Message> copy(message.New());
      copy->CopyFrom(message);
      const int last = reflection->FieldSize(message, field) - 1;
      for (int j = i; j < last; ++j) reflection->SwapElements(&message, field, j, j + 1);
      reflection->RemoveLast(&message, field);
      if (holds()) continue;
      message.CopyFrom(*copy);
      if (field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) {
        ShrinkMessage(*reflection->MutableRepeatedMessage(&message, field, i), holds);
      }
    }
  }
}

std::string Code(const AgentLoad& load) {
  std::vector<std::string> held;
  held.reserve(load.held.size());
  for (const ChannelUse& use : load.held) {
    held.push_back(absl::StrCat("{", use.conversations, ", ", use.units, "}"));
  }
  return absl::StrCat("{.available = ", load.available ? "true" : "false",
                      ", .capacity_units = ", load.capacity_units, ", .held = {{",
                      absl::StrJoin(held, ", "), "}}, .idle_since = At(", MillisOf(load.idle_since),
                      "), .last_given = ", load.last_given, "}");
}

std::string Code(const Waiting& waiting) {
  std::string code = absl::StrCat(
      "{.conversation_id = \"", waiting.conversation_id, "\", .queue_id = \"", waiting.queue_id,
      "\", .kind = common::v1::ChannelKind(", static_cast<int>(waiting.kind), ")");
  if (!waiting.language.empty()) absl::StrAppend(&code, ", .language = \"", waiting.language, "\"");
  absl::StrAppend(&code, ", .waiting_since = At(", MillisOf(waiting.waiting_since), ")");
  if (waiting.sla_due != absl::InfiniteFuture()) {
    absl::StrAppend(&code, ", .sla_due = At(", MillisOf(waiting.sla_due), ")");
  }
  const PriorityParts& p = waiting.priority;
  if (p.own != 0 || p.Sum() != 0) {
    absl::StrAppend(&code, ", .priority = {.own = ", p.own, ", .tier = ", p.tier,
                    ", .lifetime_value = ", p.lifetime_value, ", .order_state = ", p.order_state,
                    ", .sla_proximity = ", p.sla_proximity, ", .escalation = ", p.escalation, "}");
  }
  if (waiting.extra_relaxation_steps != 0) {
    absl::StrAppend(&code, ", .extra_relaxation_steps = ", waiting.extra_relaxation_steps);
  }
  if (waiting.anyone) absl::StrAppend(&code, ", .anyone = true");
  if (!waiting.sticky_agent_id.empty()) {
    absl::StrAppend(&code, ", .sticky_agent_id = \"", waiting.sticky_agent_id, "\"");
  }
  if (!waiting.excluded_agent_ids.empty()) {
    absl::StrAppend(&code, ", .excluded_agent_ids = {\"",
                    absl::StrJoin(waiting.excluded_agent_ids, "\", \""), "\"}");
  }
  return code + "}";
}

}  // namespace

// Steps are taken out in halves, quarters, and so on (delta debugging), then what is left is made
// plainer.
Script Shrink(Script script, NaiveMatcher::Mistake mistake) {
  const auto fails = [&](const Script& candidate) { return !Play(candidate, mistake).empty(); };
  for (size_t chunk = std::max<size_t>(1, script.ops.size() / 2); chunk > 0; chunk /= 2) {
    for (bool again = true; again;) {
      again = false;
      for (size_t begin = 0; begin < script.ops.size();) {
        Script candidate = script;
        const auto first = candidate.ops.begin() + static_cast<ptrdiff_t>(begin);
        candidate.ops.erase(
            first, first + static_cast<ptrdiff_t>(std::min(chunk, candidate.ops.size() - begin)));
        if (fails(candidate)) {
          script = std::move(candidate);
          again = chunk == 1;
        } else {
          begin += chunk;
        }
      }
    }
  }
  for (Op& op : script.ops) {
    const auto try_plainer = [&](auto& field, auto plain) {
      const auto before = field;
      field = plain;
      if (!fails(script)) field = before;
    };
    try_plainer(op.load, AgentLoad{.available = true, .capacity_units = 3, .idle_since = At(0)});
    try_plainer(op.waiting.priority, PriorityParts());
    try_plainer(op.waiting.language, std::string());
    try_plainer(op.waiting.sla_due, absl::InfiniteFuture());
    try_plainer(op.waiting.sticky_agent_id, std::string());
    try_plainer(op.waiting.excluded_agent_ids, std::vector<std::string>());
    try_plainer(op.waiting.anyone, false);
    try_plainer(op.waiting.extra_relaxation_steps, 0);
  }
  {
    const MatcherLimits before = script.limits;
    script.limits = MatcherLimits();
    if (!fails(script)) script.limits = before;
  }
  for (std::string& text : script.configs) {
    config::v1::WorkspaceConfig config = ParseConfig(text);
    ShrinkMessage(config, [&] {
      const std::string before = text;
      text = config.DebugString();
      if (fails(script)) return true;
      text = before;
      return false;
    });
  }
  return script;
}

std::string Code(const Script& script) {
  std::string code = "TEST(MatcherRegression, NameIt) {\n  EXPECT_EQ(Play({\n";
  absl::StrAppend(&code, "      .gives_out = ", script.gives_out ? "true" : "false",
                  ",\n      .limits = {", script.limits.requirements_kept,
                  "},\n      .configs = {");
  for (const std::string& config : script.configs) {
    absl::StrAppend(&code, "R\"pb(\n", config, ")pb\", ");
  }
  absl::StrAppend(&code, "},\n      .ops = {\n");
  static const char* const kKinds[] = {"kAgent",   "kWait",      "kGone",
                                       "kAdvance", "kConfigure", "kDecline"};
  for (const Op& op : script.ops) {
    absl::StrAppend(&code, "          {.kind = Op::", kKinds[op.kind]);
    if (!op.id.empty()) absl::StrAppend(&code, ", .id = \"", op.id, "\"");
    if (op.kind == Op::kAgent) absl::StrAppend(&code, ", .load = ", Code(op.load));
    if (op.kind == Op::kWait) absl::StrAppend(&code, ", .waiting = ", Code(op.waiting));
    if (op.kind == Op::kAdvance) absl::StrAppend(&code, ", .ms = ", op.ms);
    if (op.kind == Op::kConfigure) absl::StrAppend(&code, ", .config = ", op.config);
    absl::StrAppend(&code, ", .probe = ", op.probe, "},\n");
  }
  return code + "      }}), \"\");\n}\n";
}

}  // namespace wissel::routing::testing
