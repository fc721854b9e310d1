#include "libs/domain/testing_model.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/domain/testing_model_impl.h"

namespace wissel::domain::testing {

using conversation::v1::Queued;

bool EngineModel::Matches(const config::v1::QueueRule& rule, const Seen& seen,
                          const std::string& text) const {
  const auto is_open = [this](const std::string& calendar_id) {
    return calendars_.at(calendar_id)->IsOpen(state_.time());
  };
  // Topics are plain words here.
  const std::string words = absl::AsciiStrToLower(absl::StrCat(seen.subject, "\n", text));
  const auto about = [&](const std::string& topic) { return absl::StrContains(words, topic); };
  const auto tagged = [&](const std::string& tag) { return Has(seen.facts.tags(), tag); };
  const auto any = [](const auto& values, const auto& holds) {
    return values.empty() || std::any_of(values.begin(), values.end(), holds);
  };
  return HasOrEmpty(rule.account_ids(), seen.account.account_id()) &&
         HasOrEmpty(rule.languages(), seen.language) &&
         HasOrEmpty(rule.contact_tiers(), seen.facts.tier()) &&
         HasOrEmpty(rule.order_states(), seen.facts.order_state()) &&
         any(rule.contact_tags(), tagged) && any(rule.topic_patterns(), about) &&
         (!rule.has_min_lifetime_value_cents() ||
          (seen.facts.has_lifetime_value_cents() &&
           seen.facts.lifetime_value_cents() >= rule.min_lifetime_value_cents())) &&
         (rule.open_calendar_id().empty() || is_open(rule.open_calendar_id())) &&
         (rule.closed_calendar_id().empty() || !is_open(rule.closed_calendar_id()));
}

std::string EngineModel::Select(const Seen& seen, const std::string& text) const {
  std::string last;
  for (const config::v1::Queue& queue : config_.queues()) {
    if (queue.routing_group_id() != seen.group) continue;
    last = queue.queue_id();
    for (const config::v1::QueueRule& rule : queue.rules()) {
      if (Matches(rule, seen, text)) return last;
    }
  }
  return last;
}

std::string EngineModel::WantedQueue(const Queued& e, const Seen& seen) const {
  const auto text = owed_.texts.find(e.conversation_id());
  std::string chosen = Select(seen, text == owed_.texts.end() ? "" : text->second);
  std::string wanted = seen.queue_id;
  switch (e.reason()) {
    case Queued::REASON_NEW:
    case Queued::REASON_UPDATED:
      return chosen;
    case Queued::REASON_TRANSFERRED:
      return seen.sent_to;
    case Queued::REASON_OVERFLOWED:
      wanted = seen.sent_to;
      break;
    case Queued::REASON_ESCALATED:
      wanted = seen.due_to == e.queue_id() ? seen.due_to : seen.escalated_to;
      break;
    default:
      // One that closes takes nothing more.
      if (seen.due_to != seen.queue_id && FindQueueIn(seen.group, seen.due_to) != nullptr &&
          !kept_.contains(seen.due_to)) {
        return absl::StrCat(seen.due_to, ", where it is due");
      }
  }
  return FindQueueIn(seen.group, wanted) != nullptr ? wanted : chosen;
}

std::string EngineModel::WantedSlaPolicy(const Seen& seen) const {
  const config::v1::Queue* queue = FindQueueIn(seen.group, seen.queue_id);
  const int32_t priority = seen.own_points + (queue == nullptr ? 0 : queue->base_priority());
  for (const config::v1::SlaPolicy& policy : config_.sla_policies()) {
    if (HasOrEmpty(policy.queue_ids(), seen.queue_id) &&
        HasOrEmpty(policy.channel_kinds(), static_cast<int>(seen.account.kind())) &&
        HasOrEmpty(policy.contact_tiers(), seen.facts.tier()) &&
        (!policy.has_min_priority() || priority >= policy.min_priority())) {
      return policy.sla_policy_id();
    }
  }
  return "";
}

std::string EngineModel::CheckMeasured() {
  std::string wrong;
  for (const std::string& id : std::exchange(owed_.measured, {})) {
    const auto seen = seen_.find(id);
    if (seen == seen_.end() || !seen->second.open()) continue;
    if (const std::string wanted = WantedSlaPolicy(seen->second);
        wanted != seen->second.sla_policy_id) {
      absl::StrAppend(&wrong, id, " is measured by \"", seen->second.sla_policy_id,
                      "\" instead of \"", wanted, "\"\n");
    }
  }
  return wrong;
}

std::string EngineModel::SeeQueued(const Queued& e) {
  Seen& seen = seen_[e.conversation_id()];
  const absl::Time place = FromProto(e.waiting_since());
  const bool begins =
      e.reason() == Queued::REASON_NEW || e.reason() == Queued::REASON_REOPENED ||
      e.reason() == Queued::REASON_RESUMED ||
      (e.reason() == Queued::REASON_TRANSFERRED && place == state_.time() && place != seen.place);
  std::string wrong;
  if (seen.status == kOffered) {
    absl::StrAppend(&wrong, e.conversation_id(), " is queued, although still on offer\n");
  }
  if (const absl::Time due = begins ? state_.time() : seen.place; place != due) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits since ", Short(place), " instead of ",
                    Short(due), "\n");
  }
  if (const std::string wanted = WantedQueue(e, seen); e.queue_id() != wanted) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits in \"", e.queue_id(), "\" instead of \"",
                    wanted, "\"\n");
  }
  if (e.reason() == Queued::REASON_RESUMED &&
      CheckMay(e.conversation_id(), seen.holder, {.requirement = false, .exclusion = false})
          .empty()) {
    absl::StrAppend(&wrong, e.conversation_id(), " waits, although ", seen.holder,
                    " could go on with it\n");
  }
  // Who had the contact last, in this conversation or in the one that was over last.
  const Seen* last = &seen;
  if (e.reason() == Queued::REASON_NEW) {
    last = nullptr;
    for (const auto& [id, other] : seen_) {
      if (&other == &seen || other.open() || other.whose != seen.whose) continue;
      if (last == nullptr || last->had < other.had) last = &other;
      // Which of two that were over at the same instant counts is nobody's business.
      if (last != &other && last->had == other.had && e.sticky_agent_id() == other.agent_id) {
        last = &other;
      }
    }
  }
  const config::v1::Queue* queue = FindQueueIn(seen.group, e.queue_id());
  const absl::Duration window =
      queue == nullptr ? absl::ZeroDuration() : FromProto(queue->sticky_window());
  std::string sticky;
  if (e.reason() == Queued::REASON_NEW || e.reason() == Queued::REASON_REOPENED ||
      e.reason() == Queued::REASON_RESUMED) {
    if (last != nullptr && state_.time() - last->had <= window) sticky = last->agent_id;
  } else if (e.reason() != Queued::REASON_TRANSFERRED) {
    sticky = seen.sticky_agent_id;
  }
  if (window <= absl::ZeroDuration()) sticky.clear();
  if (e.sticky_agent_id() != sticky) {
    absl::StrAppend(&wrong, e.conversation_id(), " goes to ", e.sticky_agent_id(),
                    " first, instead of ", sticky, "\n");
  }
  if (begins || e.queue_id() != seen.queue_id) {
    seen.rules_applied.clear();
    seen.anyone = false;
  }
  seen.rules_passed_over.clear();
  if (e.queue_id() != seen.queue_id) {
    for (auto& [metric, cycle] : seen.cycles) cycle.relax_steps = 0;
    seen.due_to = "";
  }
  TakeFrom(seen, kQueued);
  seen.queue_id = e.queue_id();
  seen.place = place;
  seen.agent_id = "";
  seen.sticky_agent_id = e.sticky_agent_id();
  owed_.measured.insert(e.conversation_id());
  return wrong;
}

std::string EngineModel::SeeOverflowed(const conversation::v1::Overflowed& e) {
  Seen& seen = seen_[e.conversation_id()];
  const config::v1::Queue& queue = *FindQueue(seen.queue_id);
  const config::v1::OverflowRule& rule = queue.overflow_rules(e.rule());
  std::string wrong = CheckLookedAt(seen, queue, e.rule());
  if (rule.above_waiting() > 0 && CountWaiting(seen.queue_id) <= rule.above_waiting()) {
    absl::StrAppend(&wrong, e.conversation_id(), " overflows from a queue that is too short\n");
  }
  seen.rules_applied.insert(e.rule());
  seen.anyone |= rule.to_anyone();
  seen.sent_to = rule.to_queue_id();
  return wrong;
}

std::string EngineModel::SeePassedOver(const conversation::v1::OverflowPassedOver& e) {
  Seen& seen = seen_[e.conversation_id()];
  const config::v1::Queue& queue = *FindQueue(seen.queue_id);
  std::string wrong;
  for (const int32_t rule : e.rules()) {
    absl::StrAppend(&wrong, CheckLookedAt(seen, queue, rule));
    if (CountWaiting(seen.queue_id) > queue.overflow_rules(rule).above_waiting()) {
      absl::StrAppend(&wrong, e.conversation_id(), " does not overflow\n");
    }
    seen.rules_passed_over.insert(rule);
  }
  return wrong;
}

std::string EngineModel::CheckLookedAt(const Seen& seen, const config::v1::Queue& queue,
                                       int rule) const {
  const absl::Time due = seen.place + FromProto(queue.overflow_rules(rule).after());
  if (!seen.rules_applied.contains(rule) && !seen.rules_passed_over.contains(rule) &&
      due <= state_.time()) {
    return "";
  }
  return absl::StrCat("rule ", rule, " of ", queue.queue_id(), ", due at ", absl::FormatTime(due),
                      ", is looked at too early or again\n");
}

}  // namespace wissel::domain::testing
