#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/json_string.h"
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

struct Place {
  std::string conversation_id;
  int32_t partition = 0;
};

// The whole id of the conversation that begins so, and where it is.
absl::StatusOr<Place> FindConversation(bus::Bus& bus, const std::string& wanted) {
  WISSEL_RETURN_IF_ERROR(CheckBeginning(wanted));
  std::string found;
  int32_t partition = 0;
  std::map<int32_t, int64_t> begins;
  WISSEL_RETURN_IF_ERROR(WalkLog(bus, {}, [&](const LogItem& item) -> absl::Status {
    begins[item.partition] = item.begins;
    if (item.entry == nullptr) return absl::OkStatus();
    for (const auto& event : item.entry->record.decision().events()) {
      const absl::string_view about = ConversationOf(event);
      if (!absl::StartsWith(about, wanted) || about == found) continue;
      if (!found.empty()) return FitsSeveral(wanted, found, about);
      found = std::string(about);
      partition = item.partition;
    }
    return absl::OkStatus();
  }));
  if (found.empty()) return NoSuchConversation(wanted, begins);
  return Place{found, partition};
}

// A conversation's clocks as its partition's log tells of them, from its opening or, where that has
// been cut off, from the place where they are first known.
class ClockHistory {
 public:
  explicit ClockHistory(std::string conversation_id) : id_(std::move(conversation_id)) {
    state_.WatchClock(id_, &told_);
  }
  ClockHistory(const ClockHistory&) = delete;
  ClockHistory& operator=(const ClockHistory&) = delete;

  void Take(const LogItem& item) {
    if (!started_ && item.begins > 0) state_.BeginsAfterCut();
    started_ = true;
    begins_ = item.begins;
    if (item.entry == nullptr || !item.entry->record.has_decision()) return;
    const log::v1::Decision& decision = item.entry->record.decision();
    state_.BeginDecision(decision.cause(), FromProto(decision.time()));
    for (const conversation::v1::Event& event : decision.events()) {
      const bool whole = state_.whole();
      const bool configured = Configured();
      state_.ApplyEvent(event);
      if (whole) continue;
      // What was told before is not all, or was counted without the policy.
      const bool restated = event.has_conversation_restated() && ConversationOf(event) == id_;
      if (restated || configured != Configured()) Begin();
    }
  }

  const domain::State& state() const { return state_; }
  const state::v1::ConversationState* conversation() const { return state_.FindConversation(id_); }
  // The offset at which the log begins; 0: nothing is cut off.
  int64_t begins() const { return begins_; }
  // What counted before is known as a sum only; nothing: all is known.
  std::optional<absl::Time> since() const { return since_; }
  // Whether a policy has ever measured it.
  bool measured() const { return since_.has_value() || !told_.empty(); }
  // The configuration in force is known.
  bool Configured() const {
    const state::v1::ConversationState* c = conversation();
    return c != nullptr && state_.FindConfig(c->workspace_id()) != nullptr;
  }

  absl::Time AsOf() const {
    if (conversation() != nullptr) return state_.time();
    return told_.empty() ? *since_ : told_.back().time;
  }
  std::vector<routing::SlaInterval> Stretches() const {
    return since_.has_value() ? routing::SlaIntervalsSince(*clock_, *since_, told_, AsOf())
                              : routing::SlaIntervals(nullptr, told_, AsOf());
  }

 private:
  void Begin() {
    const state::v1::ConversationState* c = conversation();
    if (c == nullptr || !c->has_sla()) return;
    told_.clear();
    clock_ = state_.SlaClockOf(*c);
    since_ = state_.time();
  }

  const std::string id_;
  domain::State state_;
  std::vector<routing::SlaEvent> told_;
  bool started_ = false;
  int64_t begins_ = 0;
  std::optional<routing::SlaClock> clock_;
  std::optional<absl::Time> since_;
};

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
    case routing::SlaInterval::Kind::kUnknown:
      return "unknown";
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
    stretches.push_back(
        {{"metric", std::string(routing::SlaMetricName(i.metric))},
         {"cycle", i.cycle},
         {"from", i.from == absl::InfinitePast() ? boost::json::value()
                                                 : boost::json::value(TimeJson(i.from))},
         {"to", TimeJson(i.to)},
         {"seconds", absl::ToDoubleSeconds(i.lasted)},
         {"kind", std::string(KindName(i.kind))},
         {"why", i.why}});
  }
  return stretches;
}

std::string Milliseconds(absl::Duration duration) {
  return absl::FormatDuration(absl::Trunc(duration, absl::Milliseconds(1)));
}

std::string Show(absl::Time time) {
  if (time == absl::InfiniteFuture() || time == absl::InfinitePast()) return "-";
  return FormatTime(ToProto(time));
}

// Of a log without its head: what of this conversation is not known.
void SayWhatIsUnknown(const ClockHistory& history, int32_t partition, std::ostream& err) {
  const bool configured = history.conversation() == nullptr || history.Configured();
  if (!history.since().has_value() && configured) return;
  err << SayBeginnings({{partition, history.begins()}});
  if (history.since().has_value()) {
    err << "; of what counted before " << Show(*history.since()) << " only the sum is known";
  }
  if (!configured) err << "; the policies, their targets and hours, have not been restated yet";
  err << "\n";
}

boost::json::object ToJson(const ClockHistory& history, const Place& place) {
  const absl::Time now = history.AsOf();
  boost::json::object json{{"conversation_id", place.conversation_id}, {"as_of", TimeJson(now)}};
  if (history.begins() > 0) {
    json["log_begins"] = {{"partition", place.partition}, {"offset", history.begins()}};
  }
  if (history.since().has_value()) json["known_since"] = TimeJson(*history.since());
  if (const auto* conversation = history.conversation()) {
    json["sla_policy_id"] = conversation->sla().sla_policy_id();
    json["clocks"] = ClocksJson(history.state().SlaClockOf(*conversation), now);
  }
  json["stretches"] = StretchesJson(history.Stretches());
  return json;
}

void PrintClocks(const ClockHistory& history, const state::v1::ConversationState& conversation,
                 std::ostream& out) {
  const std::string& policy_id = conversation.sla().sla_policy_id();
  out << "policy " << (policy_id.empty() ? "none" : policy_id) << "\n\n";
  const routing::SlaClock clock = history.state().SlaClockOf(conversation);
  Table clocks({"METRIC", "STATE", "USED", "TARGET", "DUE", "SAID"});
  for (const routing::SlaMetric metric : routing::kSlaMetrics) {
    const absl::Duration target = clock.policy().target(metric).time;
    if (clock.metric(metric).state == routing::SlaClock::State::kIdle) continue;
    clocks.Add({std::string(routing::SlaMetricName(metric)),
                std::string(StateName(clock.metric(metric).state)),
                Milliseconds(clock.Used(metric, history.AsOf())),
                target == absl::InfiniteDuration() ? "-" : absl::FormatDuration(target),
                Show(clock.DueTime(metric)),
                absl::StrCat(clock.metric(metric).said_percent, " %")});
  }
  clocks.Print(out);
}

void PrintText(const ClockHistory& history, const Place& place, std::ostream& out) {
  out << "conversation " << place.conversation_id << ", as of " << Show(history.AsOf()) << "\n";
  if (const auto* conversation = history.conversation()) PrintClocks(history, *conversation, out);
  out << "\n";
  const std::vector<routing::SlaInterval> intervals = history.Stretches();
  if (intervals.empty()) {
    out << "nothing has counted yet: the clocks have just begun\n";
    return;
  }
  Table table({"METRIC", "CYCLE", "FROM", "TO", "LASTED", "WHAT", "WHY"});
  for (const routing::SlaInterval& i : intervals) {
    table.Add({std::string(routing::SlaMetricName(i.metric)), absl::StrCat(i.cycle), Show(i.from),
               Show(i.to), Milliseconds(i.lasted), std::string(KindName(i.kind)), i.why});
  }
  table.Print(out);
}

absl::Status Sla(Session& s, const std::string& wanted) {
  WISSEL_ASSIGN_OR_RETURN(const auto bus, OpenLog(s));
  WISSEL_ASSIGN_OR_RETURN(const Place place, FindConversation(*bus, wanted));
  const std::string& id = place.conversation_id;
  ClockHistory history(id);
  WISSEL_RETURN_IF_ERROR(WalkLog(*bus, {.partition = place.partition}, [&](const LogItem& item) {
    history.Take(item);
    return absl::OkStatus();
  }));
  if (!history.measured()) {
    if (history.begins() > 0 && (history.conversation() == nullptr || !history.state().whole())) {
      return absl::FailedPreconditionError(absl::StrCat(
          "conversation ", id, ": ", SayBeginnings({{place.partition, history.begins()}}),
          ", and it has not been restated since: what counted is not known"));
    }
    return absl::NotFoundError(absl::StrCat("conversation ", id, " is under no SLA policy"));
  }
  SayWhatIsUnknown(history, place.partition, s.err);
  if (s.format() == Format::kTable) {
    PrintText(history, place, s.out);
  } else {
    PrintJson(ToJson(history, place), s.format(), s.out);
  }
  return absl::OkStatus();
}

}  // namespace

void AddSla(CLI::App& app, Session& s) {
  auto* command = app.add_subcommand("sla", "What counted towards a conversation's SLA, and why");
  command->footer(
      "\nReads the log (--kafka, --log-file or the context's): the clocks as they stand, then\n"
      "each stretch of time that counted, was paused or lay outside the calendar's hours. With\n"
      "--output json or yaml both in one object. Where retention has cut the log's head off, what "
      "counted\n"
      "before the conversation was restated is one stretch, \"unknown\": only its sum is known.\n"
      "\nExample:\n  wisselctl sla 6a1f");
  auto id = std::make_shared<std::string>();
  command->add_option("CONVERSATION", *id, "Its id, or the beginning of it")->required();
  command->callback([&s, id] { s.action = [&s, id] { return Sla(s, *id); }; });
}

}  // namespace wissel::ctl
