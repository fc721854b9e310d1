#include "libs/sim/scenario.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/config/config.h"
#include "libs/config/yaml.h"
#include "libs/domain/facts.h"

namespace wissel::sim {

using config::Binder;
using config::v1::WorkspaceConfig;
using domain::kMaxFactBytes;
using domain::kMaxFactTags;

void DayShape::Describe(Binder& b) {
  b.Int("from_hour", &from_hour, "The hour of the day, in the scenario's time zone.",
        {.min = 0, .max = 23, .required = true});
  b.Real("times", &times, "So many times per_hour, until the next entry.", {.min = 0, .max = 1000});
}

void Burst::Describe(Binder& b) {
  b.Duration("at", &at, "When it begins, after the start.");
  b.Duration("lasts", &lasts, "How long it lasts.", {.min = absl::Seconds(1)});
  b.Real("times", &times, "So many times what would come anyway.", {.min = 0, .max = 1000});
}

void ValueShare::Describe(Binder& b) {
  b.Text("value", &value, "What is known.", {.required = true});
  b.Real("share", &share, "Of how many of the customers.", {.min = 0, .max = 1});
}

void CentsShare::Describe(Binder& b) {
  b.Int("cents", &cents, "In the shop's currency, in hundredths.", {.required = true});
  b.Real("share", &share, "Of how many of the customers.", {.min = 0, .max = 1});
}

void FactShares::Describe(Binder& b) {
  b.List("tiers", &tiers, "One of these, or none: the shares add up to 1 at most.",
         {.max_items = 50});
  b.List("tags", &tags, "Each for itself.", {.max_items = kMaxFactTags});
  b.List("lifetime_values", &lifetime_values,
         "What they have bought for so far: one of these, or not known.", {.max_items = 50});
  b.List("order_states", &order_states, "Of the order in question: one of these, or none.",
         {.max_items = 50});
}

void Arrivals::Describe(Binder& b) {
  b.Text("name", &name, "What to call them; handling can refer to it.");
  b.Text("account", &account, "The account of the configuration that they write to.",
         {.required = true});
  b.Text("language", &language, "BCP 47 language of what they write; empty: not recognised.");
  b.Text("text", &text, "What they write first.");
  b.Real("per_hour", &per_hour, "How many new conversations come in an hour, on average (Poisson).",
         {.min = 0, .max = 1e6});
  b.List("shape", &shape, "How the rate changes over the day; before the first entry: as it is.",
         {.max_items = 24});
  b.List("bursts", &bursts, "Times with more, or fewer, than usual.", {.max_items = 100});
  b.OptionalGroup("patience", &patience,
                  "How long they wait for an agent before they leave; left out: for ever.");
  b.Group("facts", &facts,
          "What is known of them: for rules on tier, tags, lifetime value and order state.");
}

double Arrivals::TopRate() const {
  double at_most = shape.empty() || shape[0].from_hour > 0 ? 1 : 0;
  for (const DayShape& s : shape) at_most = std::max(at_most, s.times);
  // Bursts multiply where they overlap. Without those that lessen it, the product only rises where
  // one begins.
  double bursting = 1;
  for (const Burst& begins : bursts) {
    double product = 1;
    for (const Burst& b : bursts) {
      if (b.at <= begins.at && begins.at < b.at + b.lasts) product *= std::max(1.0, b.times);
    }
    bursting = std::max(bursting, product);
  }
  return per_hour * at_most * bursting;
}

void Handling::Describe(Binder& b) {
  b.Text("arrivals", &arrivals, "Only these, by name; empty: all.");
  b.Text("channel", &channel, "Only this kind of channel; empty: all.");
  b.Text("language", &language, "Only this language; empty: all.");
  b.Text("skill", &skill,
         "Only where the first agent who has the conversation has this skill; empty: all.");
  b.Int("proficiency", &proficiency, "How well at least, 1 to 10; with skill.",
        {.min = 1, .max = 10});
  b.Group("time", &time, "The agent's work on a conversation, all answers together.");
  b.Real("customer_turns", &customer_turns,
         "How often the customer writes again, on average (geometric).", {.min = 0, .max = 50});
  b.Group("reply_delay", &reply_delay, "How long the customer takes to write again.");
}

void Break::Describe(Binder& b) {
  b.Text("from", &from, "Time of day, \"HH:MM\".", {.required = true});
  b.Text("to", &to, "Time of day, \"HH:MM\".", {.required = true});
  b.Text("reason", &reason, "What the agent says.");
}

void Shift::Describe(Binder& b) {
  b.TextList("agents", &agents, "Who; empty: everyone whom no other shift names.",
             {.max_items = 20'000});
  b.Text("from", &from, "Time of day, \"HH:MM\", in the scenario's time zone.");
  b.Text("to", &to, "Time of day; \"24:00\" is midnight. Open work is finished after it.");
  b.List("breaks", &breaks, "Times away.", {.max_items = 20});
}

void Disconnects::Describe(Binder& b) {
  b.Real("per_hour", &per_hour, "How often an agent's connection is lost in an hour on duty.",
         {.min = 0, .max = 1000});
  b.Group("lasts", &lasts, "For how long.");
}

void Habits::Describe(Binder& b) {
  b.Group("accept", &accept, "How long an agent takes to accept or decline an offer.");
  b.Real("missed_share", &missed_share, "Of the offers, those that an agent does not see.",
         {.min = 0, .max = 1});
  b.Real("declined_share", &declined_share, "Of the offers, those that an agent declines.",
         {.min = 0, .max = 1});
  b.Duration("back_after", &back_after,
             "After how long an agent is back who was sent away for missing offers.");
  b.Group("disconnects", &disconnects, "Lost connections.");
}

void More::Describe(Binder& b) {
  b.Text("like", &like, "The agent of the configuration to copy.", {.required = true});
  b.Int("copies", &copies, "How many more.", {.min = 1, .max = 10'000});
}

void Targets::Describe(Binder& b) {
  b.Duration("service_level", &service_level, "Served within it counts as in time.");
  b.Duration(
      "first_response", &first_response,
      "First answers later than it are breaches, where the configuration has no SLA policies.");
}

void Scenario::Describe(Binder& b) {
  b.Text("name", &name, "What to call it in reports.");
  b.Text("workspace_file", &workspace_file,
         "The configuration: a workspace file, relative to this one.");
  b.Text("start", &start, "When it begins, RFC 3339.", {.required = true});
  b.Duration("length", &length, "How long customers come.",
             {.min = absl::Seconds(1), .max = absl::Hours(24 * 92)});
  b.Duration(
      "warm_up", &warm_up,
      "Conversations that come before it has passed are not counted, nor is the load and the "
      "queue until then.",
      {.max = absl::Hours(24 * 92)});
  b.Int("seed", &seed, "Of the random numbers.", {.min = 0, .max = int64_t{1} << 62});
  b.Text("time_zone", &time_zone, "IANA name; for hours and times of day.");
  b.Group("targets", &targets, "What the figures are held against.");
  b.List("arrivals", &arrivals, "Who comes.", {.max_items = 200, .required = true});
  b.List("handling", &handling, "How long conversations take; the first entry that fits counts.",
         {.max_items = 200});
  b.Group("agents", &agents, "How agents work.");
  b.List("shifts", &shifts, "When they work; left out: all the time.", {.max_items = 1000});
  b.List("more_agents", &more_agents, "Agents beside those of the configuration.",
         {.max_items = 200});
  b.Require(warm_up < length, "warm_up must be shorter than length");
  b.Require(agents.missed_share + agents.declined_share <= 1,
            "agents.missed_share and agents.declined_share must not exceed 1 together");
}

int Proficiency(const config::v1::Agent& agent, absl::string_view skill) {
  for (const config::v1::Skill& s : agent.skills()) {
    if (s.skill_id() == skill) return s.proficiency();
  }
  return 0;
}

std::optional<int> MinuteOfDay(absl::string_view text) {
  int hour;
  int minute;
  if (text.size() != 5 || text[2] != ':' || !absl::SimpleAtoi(text.substr(0, 2), &hour) ||
      !absl::SimpleAtoi(text.substr(3), &minute) || hour < 0 || minute < 0 || minute > 59 ||
      hour * 60 + minute > 24 * 60) {
    return std::nullopt;
  }
  return hour * 60 + minute;
}

namespace {

// Findings with the line of what they are about.
class Findings {
 public:
  Findings(absl::string_view yaml, absl::string_view name) : name_(name) {
    if (auto root = config::ParseYaml(yaml); root.ok()) root_ = *std::move(root);
  }

  // `path` as "shifts[2].from".
  void Add(const std::string& path, absl::string_view text) {
    lines_.push_back(absl::StrCat(name_, ":", LineOf(path), ": ", path, ": ", text));
  }

  absl::Status status() const {
    return lines_.empty() ? absl::OkStatus()
                          : absl::InvalidArgumentError(absl::StrJoin(lines_, "\n"));
  }

 private:
  // Of the innermost thing that is there.
  int LineOf(absl::string_view path) const {
    const config::YamlNode* node = &root_;
    int line = 1;
    for (absl::string_view part : absl::StrSplit(path, absl::ByAnyChar(".["))) {
      const config::YamlNode* next = nullptr;
      size_t index = 0;
      if (absl::ConsumeSuffix(&part, "]")) {
        if (absl::SimpleAtoi(part, &index) && index < node->items.size()) {
          next = &node->items[index];
          line = next->line;
        }
      } else {
        for (size_t i = 0; i < node->keys.size(); ++i) {
          if (node->keys[i].name != part) continue;
          next = &node->items[i];
          line = node->keys[i].line;
          break;
        }
      }
      if (next == nullptr) break;
      node = next;
    }
    return line;
  }

  std::string name_;
  config::YamlNode root_;
  std::vector<std::string> lines_;
};

void CheckTime(const std::string& path, const std::string& text, Findings& findings) {
  if (!MinuteOfDay(text).has_value()) {
    findings.Add(path,
                 absl::StrCat("found \"", text, "\"; expected a time of day such as \"08:30\""));
  }
}

std::string Item(absl::string_view list, size_t i, absl::string_view key) {
  return absl::StrCat(list, "[", i, "].", key);
}

// That each value fits, and that not more than one is drawn of those that exclude each other.
void CheckFacts(const std::string& path, const FactShares& facts, Findings& findings) {
  const auto values = [&](absl::string_view key, const std::vector<ValueShare>& shares) {
    for (size_t i = 0; i < shares.size(); ++i) {
      if (!shares[i].value.empty() && shares[i].value.size() <= kMaxFactBytes) continue;
      findings.Add(absl::StrCat(path, ".", key, "[", i, "].value"),
                   absl::StrCat("expected 1 to ", kMaxFactBytes, " bytes"));
    }
  };
  const auto sum = [&](absl::string_view key, const auto& shares) {
    double total = 0;
    for (const auto& one : shares) total += one.share;
    if (total > 1 + 1e-9) {
      findings.Add(absl::StrCat(path, ".", key), "expected shares that add up to 1 at most");
    }
  };
  values("tiers", facts.tiers);
  values("tags", facts.tags);
  values("order_states", facts.order_states);
  sum("tiers", facts.tiers);
  sum("lifetime_values", facts.lifetime_values);
  sum("order_states", facts.order_states);
}

}  // namespace

absl::Time Scenario::StartTime() const {
  absl::Time time = absl::UnixEpoch();
  std::string error;
  absl::ParseTime(absl::RFC3339_full, start, &time, &error);
  return time;
}

absl::TimeZone Scenario::Zone() const {
  absl::TimeZone zone;
  absl::LoadTimeZone(time_zone, &zone);
  return zone;
}

absl::StatusOr<Scenario> ParseScenario(absl::string_view yaml, absl::string_view name) {
  Scenario scenario;
  WISSEL_RETURN_IF_ERROR(config::LoadText([&](Binder& b) { scenario.Describe(b); }, yaml, name));
  Findings findings(yaml, name);
  absl::Time time;
  std::string error;
  // It reads "infinite-future" as well.
  if (!absl::ParseTime(absl::RFC3339_full, scenario.start, &time, &error) ||
      time == absl::InfiniteFuture() || time == absl::InfinitePast()) {
    findings.Add("start", absl::StrCat("found \"", scenario.start,
                                       "\"; expected a time such as \"2026-03-02T08:00:00Z\""));
  }
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(scenario.time_zone, &zone)) {
    findings.Add("time_zone", absl::StrCat("found \"", scenario.time_zone,
                                           "\"; expected an IANA name such as Europe/Amsterdam"));
  }
  double total_per_hour = 0;
  for (size_t i = 0; i < scenario.arrivals.size(); ++i) {
    const Arrivals& a = scenario.arrivals[i];
    for (size_t k = 0; k < a.shape.size(); ++k) {
      if (k > 0 && a.shape[k].from_hour <= a.shape[k - 1].from_hour) {
        findings.Add(absl::StrCat("arrivals[", i, "].shape[", k, "].from_hour"),
                     "expected an hour later than that of the entry before");
      }
    }
    total_per_hour += a.TopRate();
    CheckFacts(Item("arrivals", i, "facts"), a.facts, findings);
    if (a.patience.has_value() && a.patience->mean <= absl::ZeroDuration()) {
      findings.Add(Item("arrivals", i, "patience"), "expected a mean above 0");
    }
    for (size_t k = 0; k < a.bursts.size(); ++k) {
      if (a.bursts[k].lasts <= absl::ZeroDuration()) {
        findings.Add(absl::StrCat("arrivals[", i, "].bursts[", k, "].lasts"),
                     "expected how long it lasts");
      }
    }
  }
  constexpr double kMostConversations = 10e6;
  if (total_per_hour * absl::ToDoubleHours(scenario.length) > kMostConversations) {
    findings.Add("arrivals",
                 "expected at most 10,000,000 conversations in a run that is as busy all the time "
                 "as at its busiest, in bursts that overlap for example");
  }
  for (size_t i = 0; i < scenario.shifts.size(); ++i) {
    const Shift& shift = scenario.shifts[i];
    CheckTime(Item("shifts", i, "from"), shift.from, findings);
    CheckTime(Item("shifts", i, "to"), shift.to, findings);
    if (MinuteOfDay(shift.from) >= MinuteOfDay(shift.to)) {
      findings.Add(Item("shifts", i, "to"), "expected a time later than from");
    }
    for (size_t k = 0; k < shift.breaks.size(); ++k) {
      const std::string list = absl::StrCat("shifts[", i, "].breaks");
      CheckTime(Item(list, k, "from"), shift.breaks[k].from, findings);
      CheckTime(Item(list, k, "to"), shift.breaks[k].to, findings);
      if (MinuteOfDay(shift.breaks[k].from) >= MinuteOfDay(shift.breaks[k].to)) {
        findings.Add(Item(list, k, "to"), "expected a time later than from");
      }
    }
  }
  WISSEL_RETURN_IF_ERROR(findings.status());
  return scenario;
}

absl::Status FitScenario(const Scenario& scenario, absl::string_view yaml, absl::string_view name,
                         WorkspaceConfig& config) {
  Findings findings(yaml, name);
  std::set<std::string> accounts;
  for (const auto& account : config.accounts()) accounts.insert(account.account().account_id());
  std::set<std::string> agents;
  for (const auto& agent : config.agents()) agents.insert(agent.agent_id());
  const auto one_of = [](const std::set<std::string>& known) {
    return absl::StrCat("expected one of the configuration's: ", absl::StrJoin(known, ", "));
  };
  std::set<std::string> names;
  for (size_t i = 0; i < scenario.arrivals.size(); ++i) {
    names.insert(scenario.arrivals[i].name);
    if (!accounts.contains(scenario.arrivals[i].account)) {
      findings.Add(
          Item("arrivals", i, "account"),
          absl::StrCat("found \"", scenario.arrivals[i].account, "\"; ", one_of(accounts)));
    }
  }
  for (size_t i = 0; i < scenario.handling.size(); ++i) {
    const Handling& handling = scenario.handling[i];
    if (!handling.arrivals.empty() && !names.contains(handling.arrivals)) {
      findings.Add(
          Item("handling", i, "arrivals"),
          absl::StrCat("found \"", handling.arrivals, "\"; expected the name of arrivals"));
    }
    const auto has = [&](const config::v1::Agent& agent) {
      return Proficiency(agent, handling.skill) > 0;
    };
    if (!handling.skill.empty() &&
        std::none_of(config.agents().begin(), config.agents().end(), has)) {
      findings.Add(Item("handling", i, "skill"),
                   absl::StrCat("found \"", handling.skill, "\"; expected a skill of some agent"));
    }
    common::v1::ChannelKind kind;
    if (!handling.channel.empty() &&
        !common::v1::ChannelKind_Parse(
            absl::StrCat("CHANNEL_KIND_", absl::AsciiStrToUpper(handling.channel)), &kind)) {
      findings.Add(Item("handling", i, "channel"),
                   absl::StrCat("found \"", handling.channel,
                                "\"; expected a kind of channel such as whatsapp or email"));
    }
  }
  for (size_t i = 0; i < scenario.more_agents.size(); ++i) {
    const More& more = scenario.more_agents[i];
    const auto model =
        std::find_if(config.agents().begin(), config.agents().end(),
                     [&](const config::v1::Agent& agent) { return agent.agent_id() == more.like; });
    if (model == config.agents().end()) {
      findings.Add(Item("more_agents", i, "like"),
                   absl::StrCat("found \"", more.like, "\"; ", one_of(agents)));
      continue;
    }
    const config::v1::Agent copy = *model;
    int number = 2;
    for (int k = 0; k < more.copies; ++k) {
      std::string id;
      do {
        id = absl::StrCat(more.like, "-", number++);
      } while (agents.contains(id));
      agents.insert(id);
      config::v1::Agent& agent = *config.add_agents();
      agent = copy;
      agent.set_agent_id(id);
      agent.clear_subject();
    }
  }
  for (size_t i = 0; i < scenario.shifts.size(); ++i) {
    for (size_t k = 0; k < scenario.shifts[i].agents.size(); ++k) {
      const std::string& agent = scenario.shifts[i].agents[k];
      if (!agents.contains(agent)) {
        findings.Add(absl::StrCat("shifts[", i, "].agents[", k, "]"),
                     absl::StrCat("found \"", agent, "\"; ", one_of(agents)));
      }
    }
  }
  constexpr double kMostLost = 1e6;
  const absl::Duration at_work =
      scenario.length + (scenario.shifts.empty() ? absl::Hours(24) : absl::ZeroDuration());
  if (scenario.agents.disconnects.per_hour * absl::ToDoubleHours(at_work) * config.agents_size() >
      kMostLost) {
    findings.Add("agents.disconnects.per_hour",
                 "expected at most 1,000,000 lost connections in a run, of all agents together");
  }
  if (config.version() == 0) config.set_version(1);
  return findings.status();
}

SimulationOptions OptionsOf(const Scenario& scenario, const WorkspaceConfig& config) {
  SimulationOptions options;
  options.start = scenario.StartTime();
  options.configs.push_back({.time = options.start, .config = config});
  options.length = scenario.length;
  options.run_out = absl::Hours(4);
  options.warm_up = scenario.warm_up;
  options.service_level = scenario.targets.service_level;
  options.first_response_target = scenario.targets.first_response;
  return options;
}

}  // namespace wissel::sim
