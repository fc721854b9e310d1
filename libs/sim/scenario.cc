#include "libs/sim/scenario.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
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

void Handling::Describe(Binder& b) {
  b.Text("arrivals", &arrivals, "Only these, by name; empty: all.");
  b.Text("channel", &channel, "Only this kind of channel; empty: all.");
  b.Text("language", &language, "Only this language; empty: all.");
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
  b.Duration("warm_up", &warm_up, "Conversations that come before it has passed are not counted.",
             {.max = absl::Hours(24 * 92)});
  b.Int("seed", &seed, "Of the random numbers.", {.min = 0});
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

namespace {

// Minutes of the day; "24:00" is 1440.
bool ParseTimeOfDay(absl::string_view text, int* minutes) {
  int hour;
  int minute;
  if (text.size() != 5 || text[2] != ':' || !absl::SimpleAtoi(text.substr(0, 2), &hour) ||
      !absl::SimpleAtoi(text.substr(3), &minute) || hour < 0 || minute < 0 || minute > 59 ||
      hour * 60 + minute > 24 * 60) {
    return false;
  }
  *minutes = hour * 60 + minute;
  return true;
}

int TimeOfDay(absl::string_view text) {
  int minutes = 0;
  ParseTimeOfDay(text, &minutes);
  return minutes;
}

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
  int minutes;
  if (!ParseTimeOfDay(text, &minutes)) {
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
  if (!absl::ParseTime(absl::RFC3339_full, scenario.start, &time, &error)) {
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
    double top = 1;
    for (size_t k = 0; k < a.shape.size(); ++k) {
      if (k > 0 && a.shape[k].from_hour <= a.shape[k - 1].from_hour) {
        findings.Add(absl::StrCat("arrivals[", i, "].shape[", k, "].from_hour"),
                     "expected an hour later than that of the entry before");
      }
      top = std::max(top, a.shape[k].times);
    }
    total_per_hour += a.per_hour * top;
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
    findings.Add("arrivals", "expected at most 10,000,000 conversations in a run");
  }
  for (size_t i = 0; i < scenario.shifts.size(); ++i) {
    const Shift& shift = scenario.shifts[i];
    CheckTime(Item("shifts", i, "from"), shift.from, findings);
    CheckTime(Item("shifts", i, "to"), shift.to, findings);
    if (TimeOfDay(shift.from) >= TimeOfDay(shift.to)) {
      findings.Add(Item("shifts", i, "to"), "expected a time later than from");
    }
    for (size_t k = 0; k < shift.breaks.size(); ++k) {
      const std::string list = absl::StrCat("shifts[", i, "].breaks");
      CheckTime(Item(list, k, "from"), shift.breaks[k].from, findings);
      CheckTime(Item(list, k, "to"), shift.breaks[k].to, findings);
      if (TimeOfDay(shift.breaks[k].from) >= TimeOfDay(shift.breaks[k].to)) {
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

// ---------------------------------------------------------------------------------------------
// Drawing

namespace {

// What streams of random numbers are for.
enum Stream : uint64_t {
  kArrivals = 1,
  kCustomer = 2,
  kReaction = 3,
  kConnection = 4,
  kFacts = 5,
};

// One of the items, each with its share of the probability; null: none of them.
template <typename Item>
const Item* Pick(const std::vector<Item>& items, Random& random) {
  double at = random.Unit();
  for (const Item& item : items) {
    if (at < item.share) return &item;
    at -= item.share;
  }
  return nullptr;
}

// What is known of a customer. Draws the same number of times whoever it is, so that one share that
// changes leaves the others' customers as they are.
message::v1::ContactFacts DrawFacts(const FactShares& shares, Random random) {
  message::v1::ContactFacts facts;
  if (const ValueShare* tier = Pick(shares.tiers, random)) facts.set_tier(tier->value);
  if (const CentsShare* value = Pick(shares.lifetime_values, random)) {
    facts.set_lifetime_value_cents(value->cents);
  }
  if (const ValueShare* state = Pick(shares.order_states, random)) {
    facts.set_order_state(state->value);
  }
  for (const ValueShare& tag : shares.tags) {
    if (random.Unit() < tag.share) facts.add_tags(tag.value);
  }
  return facts;
}

class Drawn : public Behaviour {
 public:
  Drawn(const Scenario& scenario, const WorkspaceConfig& config, uint64_t seed)
      : scenario_(scenario),
        config_(config),
        seed_(seed),
        start_(scenario.StartTime()),
        end_(start_ + scenario.length),
        zone_(scenario.Zone()) {
    for (size_t i = 0; i < scenario.arrivals.size(); ++i) {
      Source& source =
          sources_.emplace_back(Source{.arrivals = &scenario.arrivals[i],
                                       .random = Random::Stream(seed, Stream::kArrivals, i),
                                       .next = start_});
      for (const auto& account : config.accounts()) {
        if (account.account().account_id() == source.arrivals->account) source.account = &account;
      }
      source.top = TopRate(*source.arrivals);
      Advance(source);
    }
  }

  std::optional<Customer> NextCustomer() override {
    size_t first = 0;
    for (size_t i = 1; i < sources_.size(); ++i) {
      if (sources_[i].next < sources_[first].next) first = i;
    }
    Source& source = sources_[first];
    if (source.next >= end_) return std::nullopt;
    // The n-th of its kind is the same person whatever else changes.
    const uint64_t key = (static_cast<uint64_t>(first) << 40) | source.count++;
    Customer customer = Draw(source, key);
    Advance(source);
    return customer;
  }

  std::vector<AgentAct> AgentActs() override;

  Reaction React(const OfferMade& offer) override {
    Random random = Random::Stream(seed_, Stream::kReaction,
                                   offer.customer_key * 64 + static_cast<uint64_t>(offer.ordinal));
    const double what = random.Unit();
    const Habits& habits = scenario_.agents;
    Reaction reaction;
    reaction.after = habits.accept.Sample(random);
    if (what < habits.missed_share) {
      reaction.kind = Reaction::Kind::kMiss;
    } else if (what < habits.missed_share + habits.declined_share) {
      reaction.kind = Reaction::Kind::kDecline;
    }
    return reaction;
  }

  absl::Duration BackAfter(absl::string_view) override { return scenario_.agents.back_after; }

 private:
  struct Source {
    const Arrivals* arrivals;
    Random random;
    absl::Time next;
    const config::v1::Account* account = nullptr;
    double top = 0;  // per hour
    uint64_t count = 0;
  };

  static double TopRate(const Arrivals& a) {
    double shape = a.shape.empty() || a.shape[0].from_hour > 0 ? 1 : 0;
    for (const DayShape& s : a.shape) shape = std::max(shape, s.times);
    double burst = 1;
    for (const Burst& b : a.bursts) burst *= std::max(1.0, b.times);
    return a.per_hour * shape * burst;
  }

  double RateAt(const Arrivals& a, absl::Time time) const {
    double rate = a.per_hour;
    if (!a.shape.empty()) {
      const int hour = zone_.At(time).cs.hour();
      double times = 1;
      for (const DayShape& s : a.shape) {
        if (s.from_hour <= hour) times = s.times;
      }
      rate *= times;
    }
    for (const Burst& b : a.bursts) {
      if (time >= start_ + b.at && time < start_ + b.at + b.lasts) rate *= b.times;
    }
    return rate;
  }

  // Thinning (Lewis and Shedler, 1979): candidates at the highest rate, each kept with the
  // probability that the rate of the moment has of it.
  void Advance(Source& source) const {
    if (source.top <= 0) {
      source.next = end_;
      return;
    }
    const Distribution gap{.mean = absl::Hours(1) / source.top};
    do {
      source.next += gap.Sample(source.random);
    } while (source.next < end_ &&
             source.random.Unit() * source.top >= RateAt(*source.arrivals, source.next));
  }

  const Handling& HandlingOf(const Source& source) const {
    static const Handling kDefault;
    const std::string kind =
        common::v1::ChannelKind_Name(source.account->account().kind()).substr(13);
    for (const Handling& h : scenario_.handling) {
      if ((h.arrivals.empty() || h.arrivals == source.arrivals->name) &&
          (h.channel.empty() || absl::AsciiStrToUpper(h.channel) == kind) &&
          (h.language.empty() || h.language == source.arrivals->language)) {
        return h;
      }
    }
    return kDefault;
  }

  Customer Draw(const Source& source, uint64_t key) const;

  const Scenario& scenario_;
  const WorkspaceConfig& config_;
  const uint64_t seed_;
  const absl::Time start_;
  const absl::Time end_;
  const absl::TimeZone zone_;
  std::vector<Source> sources_;
};

Customer Drawn::Draw(const Source& source, uint64_t key) const {
  Random random = Random::Stream(seed_, Stream::kCustomer, key);
  Customer customer;
  customer.arrival = source.next;
  customer.key = key;
  if (source.arrivals->patience.has_value()) {
    customer.patience = source.arrivals->patience->Sample(random);
  }
  const Handling& handling = HandlingOf(source);
  const absl::Duration work = handling.time.Sample(random);
  // The work falls in as many equal parts as there are answers; the customer writes between them.
  const double again = handling.customer_turns / (1 + handling.customer_turns);
  int turns = 0;
  while (turns < 100 && random.Unit() < again) ++turns;
  absl::Duration at;
  for (int turn = 0; turn <= turns; ++turn) {
    at += work / (turns + 1);
    customer.steps.push_back({.at = at, .kind = Step::Kind::kReply});
    if (turn == turns) break;
    at += handling.reply_delay.Sample(random);
    customer.steps.push_back({.at = at, .kind = Step::Kind::kCustomerWrites});
  }
  customer.steps.push_back({.at = at, .kind = Step::Kind::kResolve, .detail = "solved"});

  const std::string name =
      absl::StrCat("customer-", source.arrivals->account, "-", key >> 40, "-", key & 0xffffffffff);
  message::v1::InboundMessage& m = customer.message;
  m.mutable_envelope()->set_workspace_id(config_.workspace_id());
  m.mutable_envelope()->set_routing_group_id(source.account->routing_group_id());
  // Like the simulation's own ids, of a version that says nothing of its making (RFC 9562, 5.8).
  m.mutable_envelope()->set_id(
      absl::StrFormat("00000001-%04x-8000-8000-%012x", key >> 40, key & 0xffffffffff));
  *m.mutable_account() = source.account->account();
  m.set_provider_message_id(name);
  m.mutable_sender()->set_kind(source.account->account().kind());
  m.mutable_sender()->set_address(name);
  m.mutable_sender()->set_contact_id(name);
  m.add_contents()->mutable_text()->set_text(source.arrivals->text);
  m.set_automation(message::v1::AUTOMATION_NONE);
  m.set_language(source.arrivals->language);
  message::v1::ContactFacts facts =
      DrawFacts(source.arrivals->facts, Random::Stream(seed_, Stream::kFacts, key));
  if (facts.ByteSizeLong() > 0) *m.mutable_facts() = std::move(facts);
  return customer;
}

std::vector<AgentAct> Drawn::AgentActs() {
  std::vector<AgentAct> acts;
  std::set<std::string> named;
  for (const Shift& shift : scenario_.shifts)
    named.insert(shift.agents.begin(), shift.agents.end());
  const auto work = [&](const std::string& agent, absl::Time from, absl::Time to, size_t index) {
    acts.push_back({.time = from, .agent_id = agent, .kind = AgentAct::Kind::kConnect});
    acts.push_back({.time = from, .agent_id = agent, .kind = AgentAct::Kind::kAvailable});
    const Disconnects& disconnects = scenario_.agents.disconnects;
    if (disconnects.per_hour > 0) {
      Random random = Random::Stream(seed_, Stream::kConnection, index);
      const Distribution gap{.mean = absl::Hours(1) / disconnects.per_hour};
      for (absl::Time t = from + gap.Sample(random); t < to; t += gap.Sample(random)) {
        acts.push_back({.time = t, .agent_id = agent, .kind = AgentAct::Kind::kDisconnect});
        t += disconnects.lasts.Sample(random);
        if (t >= to) t = to - absl::Milliseconds(1);
        acts.push_back({.time = t, .agent_id = agent, .kind = AgentAct::Kind::kReconnect});
      }
    }
  };
  uint64_t index = 0;
  for (const config::v1::Agent& agent : config_.agents()) {
    if (scenario_.shifts.empty()) {
      work(agent.agent_id(), start_, end_ + absl::Hours(24), index++);
      continue;
    }
    for (const Shift& shift : scenario_.shifts) {
      const bool mine = shift.agents.empty() ? !named.contains(agent.agent_id())
                                             : std::find(shift.agents.begin(), shift.agents.end(),
                                                         agent.agent_id()) != shift.agents.end();
      if (!mine) continue;
      const absl::CivilDay first = absl::CivilDay(zone_.At(start_).cs);
      const absl::CivilDay last = absl::CivilDay(zone_.At(end_).cs);
      for (absl::CivilDay day = first; day <= last; ++day) {
        const auto at = [&](const std::string& time) {
          return absl::FromCivil(absl::CivilMinute(day) + TimeOfDay(time), zone_);
        };
        const absl::Time from = std::max(at(shift.from), start_);
        const absl::Time to = at(shift.to);
        if (to <= from || from >= end_) continue;
        work(agent.agent_id(), from, to, index++);
        for (const Break& pause : shift.breaks) {
          const absl::Time away = std::max(at(pause.from), from);
          const absl::Time back = std::min(at(pause.to), to);
          if (away >= back) continue;
          acts.push_back({.time = away,
                          .agent_id = agent.agent_id(),
                          .kind = AgentAct::Kind::kAway,
                          .reason = pause.reason});
          acts.push_back(
              {.time = back, .agent_id = agent.agent_id(), .kind = AgentAct::Kind::kAvailable});
        }
        acts.push_back({.time = to, .agent_id = agent.agent_id(), .kind = AgentAct::Kind::kLeave});
      }
    }
  }
  std::stable_sort(acts.begin(), acts.end(),
                   [](const AgentAct& a, const AgentAct& b) { return a.time < b.time; });
  return acts;
}

}  // namespace

std::unique_ptr<Behaviour> DrawBehaviour(const Scenario& scenario, const WorkspaceConfig& config,
                                         uint64_t seed) {
  return std::make_unique<Drawn>(scenario, config, seed);
}

}  // namespace wissel::sim
