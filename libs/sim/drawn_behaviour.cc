#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/sim/scenario.h"

namespace wissel::sim {

using config::v1::WorkspaceConfig;

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
      source.top = source.arrivals->TopRate();
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

  // From the same random numbers, so that only the pace differs.
  std::optional<std::vector<Step>> StepsWith(uint64_t key, absl::string_view agent_id) override {
    if (std::none_of(scenario_.handling.begin(), scenario_.handling.end(),
                     [](const Handling& h) { return !h.skill.empty(); })) {
      return std::nullopt;
    }
    const auto agent =
        std::find_if(config_.agents().begin(), config_.agents().end(),
                     [&](const config::v1::Agent& a) { return a.agent_id() == agent_id; });
    const Source& source = sources_[key >> 40];
    Random random = Random::Stream(seed_, Stream::kCustomer, key);
    if (source.arrivals->patience.has_value()) source.arrivals->patience->Sample(random);
    return DrawSteps(HandlingOf(source, agent == config_.agents().end() ? nullptr : &*agent),
                     random);
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
      // Never none at all, so that the end is reached.
      source.next += std::max(gap.Sample(source.random), absl::Microseconds(1));
    } while (source.next < end_ &&
             source.random.Unit() * source.top >= RateAt(*source.arrivals, source.next));
  }

  // The first that fits; without an agent, of those that ask for no skill.
  const Handling& HandlingOf(const Source& source, const config::v1::Agent* agent) const {
    static const Handling kDefault;
    const std::string kind =
        common::v1::ChannelKind_Name(source.account->account().kind()).substr(13);
    for (const Handling& h : scenario_.handling) {
      if ((h.arrivals.empty() || h.arrivals == source.arrivals->name) &&
          (h.channel.empty() || absl::AsciiStrToUpper(h.channel) == kind) &&
          (h.language.empty() || h.language == source.arrivals->language) &&
          (h.skill.empty() ||
           (agent != nullptr && Proficiency(*agent, h.skill) >= h.proficiency))) {
        return h;
      }
    }
    return kDefault;
  }

  // A shift of an agent on a day.
  struct Duty {
    absl::Time from;
    absl::Time to;
    uint64_t index = 0;  // What is drawn for it is drawn by this.
    struct Pause {
      absl::Time away;
      absl::Time back;
      std::string reason;
    };
    std::vector<Pause> breaks;
  };
  // Of all of an agent's shifts: those that overlap are one, by the name of the first.
  static std::vector<Duty::Pause> BreaksOf(const std::vector<Duty>& duties);
  // In the order they begin, counted on from `index`.
  std::vector<Duty> DutiesOf(const std::string& agent_id, uint64_t& index) const;

  Customer Draw(const Source& source, uint64_t key) const;
  std::vector<Step> DrawSteps(const Handling& handling, Random& random) const;

  const Scenario& scenario_;
  const WorkspaceConfig& config_;
  const uint64_t seed_;
  const absl::Time start_;
  const absl::Time end_;
  const absl::TimeZone zone_;
  std::vector<Source> sources_;
};

std::vector<Step> Drawn::DrawSteps(const Handling& handling, Random& random) const {
  std::vector<Step> steps;
  const absl::Duration work = handling.time.Sample(random);
  // The work falls in as many equal parts as there are answers; the customer writes between them.
  const double again = handling.customer_turns / (1 + handling.customer_turns);
  int turns = 0;
  while (turns < 100 && random.Unit() < again) ++turns;
  absl::Duration at;
  for (int turn = 0; turn <= turns; ++turn) {
    at += work / (turns + 1);
    steps.push_back({.at = at, .kind = Step::Kind::kReply});
    if (turn == turns) break;
    at += handling.reply_delay.Sample(random);
    steps.push_back({.at = at, .kind = Step::Kind::kCustomerWrites});
  }
  steps.push_back({.at = at, .kind = Step::Kind::kResolve, .detail = "solved"});
  return steps;
}

Customer Drawn::Draw(const Source& source, uint64_t key) const {
  Random random = Random::Stream(seed_, Stream::kCustomer, key);
  Customer customer;
  customer.arrival = source.next;
  customer.key = key;
  if (source.arrivals->patience.has_value()) {
    customer.patience = source.arrivals->patience->Sample(random);
  }
  customer.steps = DrawSteps(HandlingOf(source, nullptr), random);

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

std::vector<Drawn::Duty> Drawn::DutiesOf(const std::string& agent_id, uint64_t& index) const {
  const auto names = [&agent_id](const Shift& shift) {
    return std::find(shift.agents.begin(), shift.agents.end(), agent_id) != shift.agents.end();
  };
  const bool named = std::any_of(scenario_.shifts.begin(), scenario_.shifts.end(), names);
  const absl::CivilDay first = absl::CivilDay(zone_.At(start_).cs);
  const absl::CivilDay last = absl::CivilDay(zone_.At(end_).cs);
  std::vector<Duty> duties;
  for (const Shift& shift : scenario_.shifts) {
    if (shift.agents.empty() ? named : !names(shift)) continue;
    for (absl::CivilDay day = first; day <= last; ++day) {
      const auto at = [&](const std::string& time) {
        return absl::FromCivil(absl::CivilMinute(day) + MinuteOfDay(time).value_or(0), zone_);
      };
      Duty duty{.from = std::max(at(shift.from), start_), .to = at(shift.to)};
      if (duty.to <= duty.from || duty.from >= end_) continue;
      duty.index = index++;
      for (const Break& pause : shift.breaks) {
        const absl::Time away = std::max(at(pause.from), duty.from);
        const absl::Time back = std::min(at(pause.to), duty.to);
        if (away < back) duty.breaks.push_back({away, back, pause.reason});
      }
      duties.push_back(std::move(duty));
    }
  }
  std::stable_sort(duties.begin(), duties.end(),
                   [](const Duty& a, const Duty& b) { return a.from < b.from; });
  return duties;
}

std::vector<Drawn::Duty::Pause> Drawn::BreaksOf(const std::vector<Duty>& duties) {
  std::vector<Duty::Pause> all;
  for (const Duty& duty : duties) all.insert(all.end(), duty.breaks.begin(), duty.breaks.end());
  std::stable_sort(all.begin(), all.end(),
                   [](const Duty::Pause& a, const Duty::Pause& b) { return a.away < b.away; });
  std::vector<Duty::Pause> breaks;
  for (Duty::Pause& pause : all) {
    if (!breaks.empty() && pause.away < breaks.back().back) {
      breaks.back().back = std::max(breaks.back().back, pause.back);
    } else {
      breaks.push_back(std::move(pause));
    }
  }
  return breaks;
}

std::vector<AgentAct> Drawn::AgentActs() {
  std::vector<AgentAct> acts;
  const auto connect = [&](const std::string& agent, absl::Time at) {
    acts.push_back({.time = at, .agent_id = agent, .kind = AgentAct::Kind::kConnect});
    acts.push_back({.time = at, .agent_id = agent, .kind = AgentAct::Kind::kAvailable});
  };
  // From and to.
  using Outages = std::vector<std::pair<absl::Time, absl::Time>>;
  const auto lose_connection = [&](const std::string& agent, absl::Time from, absl::Time to,
                                   uint64_t index, Outages& outages) {
    const Disconnects& disconnects = scenario_.agents.disconnects;
    if (disconnects.per_hour > 0) {
      Random random = Random::Stream(seed_, Stream::kConnection, index);
      const Distribution gap{.mean = absl::Hours(1) / disconnects.per_hour};
      for (absl::Time t = from + gap.Sample(random); t < to; t += gap.Sample(random)) {
        acts.push_back({.time = t, .agent_id = agent, .kind = AgentAct::Kind::kDisconnect});
        const absl::Time lost = t;
        t += disconnects.lasts.Sample(random);
        if (t >= to) t = to - absl::Milliseconds(1);
        acts.push_back({.time = t, .agent_id = agent, .kind = AgentAct::Kind::kReconnect});
        outages.emplace_back(lost, t);
      }
    }
  };
  // Who has no connection is available when they have it again.
  const auto connected_from = [](absl::Time at, const Outages& outages) {
    const auto next =
        std::upper_bound(outages.begin(), outages.end(), at,
                         [](absl::Time time, const auto& outage) { return time < outage.first; });
    return next == outages.begin() ? at : std::max(at, std::prev(next)->second);
  };
  uint64_t index = 0;
  for (const config::v1::Agent& agent : config_.agents()) {
    const std::string& id = agent.agent_id();
    if (scenario_.shifts.empty()) {
      connect(id, start_);
      Outages outages;
      lose_connection(id, start_, end_ + absl::Hours(24), index++, outages);
      continue;
    }
    const std::vector<Duty> duties = DutiesOf(id, index);
    const std::vector<Duty::Pause> breaks = BreaksOf(duties);
    auto pause = breaks.begin();
    absl::Time until = absl::InfinitePast();
    Outages outages;
    for (size_t i = 0; i < duties.size(); ++i) {
      const Duty& duty = duties[i];
      if (duty.from > until) connect(id, duty.from);
      lose_connection(id, std::max(duty.from, until), duty.to, duty.index, outages);
      for (; pause != breaks.end() && pause->away < duty.to; ++pause) {
        acts.push_back({.time = pause->away,
                        .agent_id = id,
                        .kind = AgentAct::Kind::kAway,
                        .reason = pause->reason});
        acts.push_back({.time = connected_from(pause->back, outages),
                        .agent_id = id,
                        .kind = AgentAct::Kind::kAvailable});
      }
      until = std::max(until, duty.to);
      if (i + 1 < duties.size() && duties[i + 1].from <= until) continue;
      acts.push_back({.time = until, .agent_id = id, .kind = AgentAct::Kind::kLeave});
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
