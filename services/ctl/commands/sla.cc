#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <map>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/proto_time.h"
#include "libs/base/status_macros.h"
#include "libs/domain/state.h"
#include "libs/routing/sla.h"
#include "services/ctl/commands/commands.h"
#include "services/ctl/describe.h"
#include "services/ctl/log_source.h"
#include "services/ctl/output.h"

namespace wissel::ctl {
namespace {

constexpr size_t kMinIdBytes = 4;

// The whole id of the conversation that begins so.
absl::StatusOr<std::string> FindConversation(bus::Bus& bus, const std::string& wanted) {
  if (wanted.size() < kMinIdBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("CONVERSATION: expected at least ", kMinIdBytes, " characters of its id"));
  }
  std::string found;
  WISSEL_RETURN_IF_ERROR(WalkLog(bus, {}, [&](const LogItem& item) -> absl::Status {
    if (item.entry == nullptr) return absl::OkStatus();
    for (const auto& event : item.entry->record.decision().events()) {
      const absl::string_view about = ConversationOf(event);
      if (!absl::StartsWith(about, wanted) || about == found) continue;
      if (!found.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(wanted, " fits several conversations, ",
                                                       found, " and ", about, " among them"));
      }
      found = std::string(about);
    }
    return absl::OkStatus();
  }));
  if (found.empty())
    return absl::NotFoundError(absl::StrCat("no conversation ", wanted, " in the log"));
  return found;
}

absl::string_view KindName(routing::SlaInterval::Kind kind) {
  switch (kind) {
    case routing::SlaInterval::Kind::kCounted:
      return "counted";
    case routing::SlaInterval::Kind::kPaused:
      return "paused";
    case routing::SlaInterval::Kind::kOutOfHours:
      return "out of hours";
    case routing::SlaInterval::Kind::kTaken:
      return "taken over";
  }
  return "";
}

absl::string_view StateName(routing::SlaClock::State state) {
  switch (state) {
    case routing::SlaClock::State::kIdle:
      return "idle";
    case routing::SlaClock::State::kRunning:
      return "running";
    case routing::SlaClock::State::kPaused:
      return "paused";
    case routing::SlaClock::State::kStopped:
      return "stopped";
  }
  return "";
}

std::string TimeJson(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_full, time, absl::UTCTimeZone());
}

// Of the clocks that have begun; without target or due time where there is none.
boost::json::array ClocksJson(const routing::SlaClock& clock, absl::Time now) {
  boost::json::array clocks;
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    if (clock.metric(metric).state == routing::SlaClock::State::kIdle) continue;
    boost::json::object json{{"metric", std::string(routing::SlaMetricName(metric))},
                             {"state", std::string(StateName(clock.metric(metric).state))},
                             {"used_seconds", absl::ToDoubleSeconds(clock.Used(metric, now))},
                             {"said_percent", clock.metric(metric).said_percent}};
    if (const absl::Duration target = clock.policy().target(metric).time;
        target != absl::InfiniteDuration()) {
      json["target_seconds"] = absl::ToDoubleSeconds(target);
    }
    if (const absl::Time due = clock.DueTime(metric); due != absl::InfiniteFuture()) {
      json["due"] = TimeJson(due);
    }
    clocks.push_back(std::move(json));
  }
  return clocks;
}

boost::json::array StretchesJson(const std::vector<routing::SlaInterval>& intervals) {
  boost::json::array stretches;
  for (const routing::SlaInterval& i : intervals) {
    stretches.push_back({{"metric", std::string(routing::SlaMetricName(i.metric))},
                         {"cycle", i.cycle},
                         {"from", TimeJson(i.from)},
                         {"to", TimeJson(i.to)},
                         {"seconds", absl::ToDoubleSeconds(i.lasted)},
                         {"kind", std::string(KindName(i.kind))},
                         {"why", i.why}});
  }
  return stretches;
}

std::string Show(absl::Time time) {
  return time == absl::InfiniteFuture() ? "-" : FormatTime(ToProto(time));
}

absl::Status Sla(Session& s, const std::string& wanted) {
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  WISSEL_ASSIGN_OR_RETURN(const std::string id, FindConversation(*bus, wanted));
  std::map<int32_t, domain::State> states;
  std::vector<routing::SlaEvent> told;
  WISSEL_RETURN_IF_ERROR(WalkLog(*bus, {}, [&](const LogItem& item) -> absl::Status {
    if (item.entry == nullptr || !item.entry->record.has_decision()) return absl::OkStatus();
    const auto [state, added] = states.try_emplace(item.partition);
    if (added) state->second.WatchClock(id, &told);
    state->second.Apply(item.entry->record.decision());
    return absl::OkStatus();
  }));
  const state::v1::ConversationState* conversation = nullptr;
  const domain::State* state = nullptr;
  for (const auto& [partition, candidate] : states) {
    if (const auto* c = candidate.FindConversation(id)) {
      conversation = c;
      state = &candidate;
    }
  }
  if (told.empty()) {
    return absl::NotFoundError(absl::StrCat("conversation ", id, " is under no SLA policy"));
  }
  const absl::Time now = state == nullptr ? told.back().time : state->time();
  const std::vector<routing::SlaInterval> intervals = routing::SlaIntervals(nullptr, told, now);

  if (s.format() != Format::kTable) {
    boost::json::object json{{"conversation_id", id}, {"as_of", TimeJson(now)}};
    if (conversation != nullptr) {
      json["sla_policy_id"] = conversation->sla().sla_policy_id();
      json["clocks"] = ClocksJson(state->SlaClockOf(*conversation), now);
    }
    json["stretches"] = StretchesJson(intervals);
    s.out << boost::json::serialize(json) << "\n";
    return absl::OkStatus();
  }
  s.out << "conversation " << id << ", as of " << Show(now) << "\n";
  if (conversation != nullptr) {
    s.out << "policy "
          << (conversation->sla().sla_policy_id().empty() ? "none"
                                                          : conversation->sla().sla_policy_id())
          << "\n\n";
    const routing::SlaClock clock = state->SlaClockOf(*conversation);
    Table clocks({"METRIC", "STATE", "USED", "TARGET", "DUE", "SAID"});
    for (const routing::SlaMetric metric : routing::kSlaMetrics) {
      const absl::Duration target = clock.policy().target(metric).time;
      if (clock.metric(metric).state == routing::SlaClock::State::kIdle) continue;
      clocks.Add({std::string(routing::SlaMetricName(metric)),
                  std::string(StateName(clock.metric(metric).state)),
                  absl::FormatDuration(absl::Trunc(clock.Used(metric, now), absl::Milliseconds(1))),
                  target == absl::InfiniteDuration() ? "-" : absl::FormatDuration(target),
                  Show(clock.DueTime(metric)),
                  absl::StrCat(clock.metric(metric).said_percent, " %")});
    }
    clocks.Print(s.out);
  }
  s.out << "\n";
  if (intervals.empty()) {
    s.out << "nothing has counted yet: the clocks have just begun\n";
    return absl::OkStatus();
  }
  Table table({"METRIC", "CYCLE", "FROM", "TO", "LASTED", "WHAT", "WHY"});
  for (const routing::SlaInterval& i : intervals) {
    table.Add({std::string(routing::SlaMetricName(i.metric)), absl::StrCat(i.cycle), Show(i.from),
               Show(i.to), absl::FormatDuration(absl::Trunc(i.lasted, absl::Milliseconds(1))),
               std::string(KindName(i.kind)), i.why});
  }
  table.Print(s.out);
  return absl::OkStatus();
}

}  // namespace

void AddSla(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("sla", "What counted towards a conversation's SLA, and why");
  command->footer(
      "\nReads the log (--kafka, --log-file or the context's): the clocks as they stand, then\n"
      "each stretch of time that counted, was paused or lay outside the calendar's hours. With\n"
      "--output json both in one object.\n"
      "\nExample:\n  wisselctl sla 6a1f");
  auto id = std::make_shared<std::string>();
  command->add_option("CONVERSATION", *id, "Its id, or the beginning of it")->required();
  command->callback([&s, id] { s.action = [&s, id] { return Sla(s, *id); }; });
}

}  // namespace wissel::ctl
