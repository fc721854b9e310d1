#include "libs/routing/matcher.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/indexed_heap.h"
#include "libs/base/proto_time.h"
#include "libs/routing/agent_set.h"
#include "libs/routing/counted_set.h"
#include "libs/routing/policy_impl.h"

namespace wissel::routing {

using common::v1::ChannelKind;
using config::v1::Strategy;
using conversation::v1::Explanation;

namespace {

constexpr int kMaxRunnersUp = 3;
// What is held without an allocation: as many as are compared.
constexpr size_t kFew = MatcherLimits().compared;
constexpr uint32_t kNowhere = ~uint32_t{0};

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

// How long since `since`; 0 where that is still to come.
int64_t Waited(int64_t now, int64_t since) {
  if (now <= since) return 0;
  int64_t waited;
  return __builtin_sub_overflow(now, since, &waited) ? std::numeric_limits<int64_t>::max() : waited;
}

int32_t ClampPriority(int64_t sum) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(sum, -kMaxEffectivePriority, kMaxEffectivePriority));
}

int64_t PartsSum(const PriorityParts& parts) {
  return int64_t{parts.own} + parts.tier + parts.lifetime_value + parts.order_state +
         parts.sla_proximity + parts.escalation;
}

constexpr size_t kStrategies = config::v1::Strategy_ARRAYSIZE;

using AgentIndexes = absl::InlinedVector<uint32_t, kFew + 1>;

}  // namespace

// The note on the algorithm is in README.md.
class Matcher::Impl {
 public:
  explicit Impl(const MatcherLimits& limits)
      : limits_(limits), ids_(0, SlotHash{&slots_}, SlotEqual{&slots_}) {
    Configure(Policy::Compile(config::v1::WorkspaceConfig(), ""));
  }

  const Policy& policy() const { return *policy_; }
  void Configure(std::shared_ptr<const Policy> policy);
  void SetAgent(absl::string_view agent_id, const AgentLoad& load);
  void AddWaiting(const Waiting& waiting);
  void RemoveWaiting(absl::string_view conversation_id);
  bool IsWaiting(absl::string_view conversation_id) const { return ids_.contains(conversation_id); }
  int32_t WaitingCount(absl::string_view queue_id) const;
  void Advance(absl::Time now);
  absl::Time NextRelaxation() const;
  std::vector<std::string> TakeRelaxed();
  std::optional<std::string> ChooseAgent(const Waiting& waiting);
  std::optional<std::string> ChooseConversation(absl::string_view agent_id) const;
  Explanation Explain(const Waiting& waiting);
  std::optional<PassedOver> WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                   const Check& check) const;
  std::vector<std::string> Lacks(absl::string_view agent_id, const Waiting& waiting) const;
  conversation::v1::Priority PriorityOf(const Waiting& waiting) const;
  int32_t Position(absl::string_view conversation_id) const;
  size_t MemoryBytes() const;

 private:
  using QueueData = Policy::Impl::QueueData;

  // A string that is held once, and what it is in the policy.
  struct Symbol {
    std::string text;
    uint32_t uses = 0;
    int32_t queue = -1;
    int32_t language = -1;
  };

  // Urgency of a waiting conversation; the smallest is the most urgent.
  struct Key {
    int32_t rank;  // minus the effective priority
    uint32_t slot : 31;
    uint32_t has_excluded : 1;
    int64_t due;
    int64_t since;
  };
  struct Slot;
  struct MoreUrgent {
    const std::vector<Slot>* slots;
    bool operator()(const Key& a, const Key& b) const {
      if (a.rank != b.rank) return a.rank < b.rank;
      if (a.due != b.due) return a.due < b.due;
      if (a.since != b.since) return a.since < b.since;
      return a.slot != b.slot && IdIsLess(a.slot, b.slot);
    }
    bool IdIsLess(uint32_t a, uint32_t b) const;
  };

  // A waiting conversation.
  struct Slot {
    std::string id;
    int64_t since = 0;
    int64_t due = 0;
    int64_t parts = 0;
    // Symbols; null where nobody is excluded.
    std::unique_ptr<std::vector<uint32_t>> excluded;
    uint32_t queue = kNowhere;
    uint32_t language = kNowhere;
    // Where it stands; kNowhere in an unknown queue.
    uint32_t group = kNowhere;
    int32_t rank = 0;
    int32_t extra_steps = 0;
    uint8_t kind = 0;
    uint8_t ring = 0;
    bool anyone = false;
    bool relaxed = false;
  };

  struct SlotHash {
    using is_transparent = void;
    const std::vector<Slot>* slots;
    size_t operator()(absl::string_view id) const { return absl::Hash<absl::string_view>()(id); }
    size_t operator()(uint32_t slot) const { return (*this)(absl::string_view((*slots)[slot].id)); }
  };
  struct SlotEqual {
    using is_transparent = void;
    const std::vector<Slot>* slots;
    absl::string_view Id(absl::string_view id) const { return id; }
    absl::string_view Id(uint32_t slot) const { return (*slots)[slot].id; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Id(a) == Id(b);
    }
  };

  // Agents of a group that are equal before its queue's strategy compares them: words with a bit
  // for each, only those that have one.
  struct TierWord {
    uint32_t word;
    uint64_t bits;
  };
  struct Tier {
    uint32_t end = 0;  // its words lie before this, behind those of the tier before
    uint32_t agents = 0;
  };
  struct Ranking {
    std::vector<TierWord> words;
    std::vector<Tier> tiers;  // best first
  };

  // Conversations that ask the same, by channel.
  struct Group {
    int32_t queue;
    int32_t language;
    bool anyone;
    int32_t members;
    AgentSet eligible;
    int32_t eligible_count;
    std::unique_ptr<Ranking> ranking;  // worked out when first needed
    std::array<CountedSet<Key>, kChannelKinds> waiting;
  };

  // Agents with room for any channel, in the order of a strategy. Brought up to date when used.
  struct Order {
    bool used = false;
    absl::btree_set<std::pair<int64_t, uint32_t>> set;
    std::vector<int64_t> value;
    AgentSet in;
    AgentSet stale;
  };

  // What is asked for by a conversation, resolved.
  struct Asked {
    int32_t queue;
    int32_t language;
    int32_t ring;
    int kind;
  };

  MoreUrgent more_urgent() const { return {&slots_}; }
  Key KeyOf(uint32_t slot) const {
    const Slot& s = slots_[slot];
    return {s.rank, slot, s.excluded != nullptr ? 1u : 0u, s.due, s.since};
  }

  uint32_t Acquire(absl::string_view text);
  void Release(uint32_t symbol);
  void Resolve(Symbol& symbol) const {
    symbol.queue = p_->FindQueueIndex(symbol.text);
    symbol.language = p_->FindLanguage(symbol.text);
  }

  void UpdateAgent(uint32_t agent);
  int64_t TakenUnits(uint32_t agent, int kind) const;
  // What the strategy compares, the smaller the better; 0 for best skill, whose order is fixed.
  int64_t OrderValue(Strategy strategy, uint32_t agent) const {
    return order_values_[strategy][agent];
  }
  bool HasAnyRoom(uint32_t agent) const {
    return std::any_of(room_.begin(), room_.end(),
                       [agent](const AgentSet& room) { return room.Has(agent); });
  }
  Order& OrderOf(Strategy strategy);

  Asked Resolve(const Waiting& waiting) const;
  int32_t Ring(const QueueData& queue, int64_t since, int32_t extra) const;
  int32_t EffectivePriority(const QueueData* queue, int64_t since, int64_t parts) const;
  uint32_t GroupOf(int32_t queue, int32_t language, int32_t ring, bool anyone);
  void RebuildGroups();
  void KeepGroupsBounded();
  const Ranking& RankingOf(Group& group);

  void Place(uint32_t slot);
  void Unplace(uint32_t slot);
  void Move(uint32_t slot);
  void SetHead(uint32_t group, int kind);
  bool Excludes(uint32_t slot, uint32_t agent) const;

  // The best agents for it, best first, at most `wanted`; the number of eligible ones is not known.
  absl::InlinedVector<uint32_t, 1 + kMaxRunnersUp> BestAgents(const Waiting& waiting,
                                                              const Asked& asked, size_t wanted);
  AgentIndexes ExcludedAgents(const Waiting& waiting) const;
  Explanation::Candidate Describe(uint32_t agent, const Waiting& waiting, const Asked& asked) const;

  const MatcherLimits limits_;
  std::shared_ptr<const Policy> policy_;
  const Policy::Impl* p_ = nullptr;
  int64_t now_ = std::numeric_limits<int64_t>::min();

  std::vector<Symbol> symbols_;
  std::vector<uint32_t> free_symbols_;
  absl::flat_hash_map<std::string, uint32_t> symbol_index_;

  // Agents, by index.
  std::vector<AgentLoad> loads_;
  // What strategies compare, in less space; see OrderValue.
  std::array<std::vector<int64_t>, kStrategies> order_values_;
  std::vector<uint32_t> agent_symbols_;
  AgentSet available_;
  // Available and enough units; and below the channel's limit.
  std::array<AgentSet, kChannelKinds> capacity_;
  std::array<AgentSet, kChannelKinds> room_;
  std::array<Order, kStrategies> orders_;
  // Candidates of a tier, with what the strategy compares; kept to be used again.
  std::vector<std::pair<int64_t, uint32_t>> compared_;

  // Groups. Bits stand for groups in blocks of 64.
  std::vector<Group> groups_;
  absl::flat_hash_map<uint64_t, uint32_t> group_index_;
  std::vector<std::vector<uint32_t>> groups_of_queue_;
  size_t group_limit_ = 0;
  size_t row_words_ = 1;
  std::vector<uint64_t> rows_;  // of each agent: groups whose requirement the agent meets
  std::array<std::vector<uint64_t>, kChannelKinds> nonempty_;
  std::array<std::vector<Key>, kChannelKinds> heads_;

  // Waiting conversations.
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  absl::flat_hash_set<uint32_t, SlotHash, SlotEqual> ids_;
  std::vector<int32_t> waiting_in_queue_;
  IndexedHeap<int64_t> next_ageing_;
  IndexedHeap<int64_t> next_relaxation_;
  std::vector<uint32_t> relaxed_;
};

bool Matcher::Impl::MoreUrgent::IdIsLess(uint32_t a, uint32_t b) const {
  return (*slots)[a].id < (*slots)[b].id;
}

// ---- Policy and symbols

uint32_t Matcher::Impl::Acquire(absl::string_view text) {
  const auto it = symbol_index_.find(text);
  if (it != symbol_index_.end()) {
    ++symbols_[it->second].uses;
    return it->second;
  }
  uint32_t symbol;
  if (free_symbols_.empty()) {
    symbol = static_cast<uint32_t>(symbols_.size());
    symbols_.emplace_back();
  } else {
    symbol = free_symbols_.back();
    free_symbols_.pop_back();
  }
  symbols_[symbol].text = std::string(text);
  symbols_[symbol].uses = 1;
  Resolve(symbols_[symbol]);
  symbol_index_.emplace(std::string(text), symbol);
  return symbol;
}

void Matcher::Impl::Release(uint32_t symbol) {
  if (--symbols_[symbol].uses > 0) return;
  symbol_index_.erase(symbols_[symbol].text);
  symbols_[symbol].text.clear();
  free_symbols_.push_back(symbol);
}

void Matcher::Impl::Configure(std::shared_ptr<const Policy> policy) {
  const std::shared_ptr<const Policy> old = std::exchange(policy_, std::move(policy));
  p_ = &policy_->impl();
  for (Symbol& symbol : symbols_) {
    if (symbol.uses > 0) Resolve(symbol);
  }

  const size_t agents = p_->agent_count();
  std::vector<AgentLoad> loads(agents);
  for (size_t i = 0; i < agents; ++i) {
    const int32_t before =
        old == nullptr ? -1 : old->impl().FindAgentIndex(p_->agents[i].agent_id());
    if (before >= 0) loads[i] = loads_[before];
  }
  loads_ = std::move(loads);
  for (std::vector<int64_t>& values : order_values_) values.assign(agents, 0);
  std::vector<uint32_t> agent_symbols;
  agent_symbols.reserve(agents);
  for (const config::v1::Agent& agent : p_->agents) {
    agent_symbols.push_back(Acquire(agent.agent_id()));
  }
  for (const uint32_t symbol : std::exchange(agent_symbols_, std::move(agent_symbols))) {
    Release(symbol);
  }
  available_.Reset(agents);
  for (int k = 0; k < kChannelKinds; ++k) {
    capacity_[k].Reset(agents);
    room_[k].Reset(agents);
  }
  for (Order& order : orders_) order = Order();
  for (uint32_t i = 0; i < agents; ++i) UpdateAgent(i);

  for (const uint32_t slot : relaxed_) slots_[slot].relaxed = false;
  relaxed_.clear();
  RebuildGroups();
}

// ---- Agents

void Matcher::Impl::SetAgent(absl::string_view agent_id, const AgentLoad& load) {
  const int32_t agent = p_->FindAgentIndex(agent_id);
  if (agent < 0) return;
  loads_[agent] = load;
  UpdateAgent(static_cast<uint32_t>(agent));
}

int64_t Matcher::Impl::TakenUnits(uint32_t agent, int kind) const {
  const AgentLoad& load = loads_[agent];
  int64_t taken = 0;
  for (int k = 0; k < kChannelKinds; ++k) {
    if ((p_->may_interrupt[kind] >> k & 1) == 0) taken += load.held[k].units;
  }
  return taken;
}

void Matcher::Impl::UpdateAgent(uint32_t agent) {
  const AgentLoad& load = loads_[agent];
  int64_t held = 0;
  for (const ChannelUse& use : load.held) held += use.units;
  available_.Set(agent, load.available);
  for (int k = 0; k < kChannelKinds; ++k) {
    const int64_t taken = p_->may_interrupt[k] == 0 ? held : TakenUnits(agent, k);
    const bool units = load.available && load.capacity_units - taken >= p_->weight[k];
    capacity_[k].Set(agent, units);
    room_[k].Set(agent, units && load.held[k].conversations < p_->limits[agent][k]);
  }
  const auto set_value = [&](Strategy strategy, int64_t value) {
    const bool changed = std::exchange(order_values_[strategy][agent], value) != value;
    Order& order = orders_[strategy];
    if (order.used && (changed || order.in.Has(agent) != HasAnyRoom(agent))) {
      order.stale.Add(agent);
    }
  };
  set_value(config::v1::STRATEGY_LONGEST_IDLE, Nanos(load.idle_since));
  set_value(config::v1::STRATEGY_LEAST_OCCUPIED,
            load.capacity_units <= 0 ? 1000
                                     : std::min<int64_t>(held * 1000 / load.capacity_units,
                                                         std::numeric_limits<int32_t>::max()));
  set_value(config::v1::STRATEGY_ROUND_ROBIN, load.last_given);
}

Matcher::Impl::Order& Matcher::Impl::OrderOf(Strategy strategy) {
  Order& order = orders_[strategy];
  if (!order.used) {
    order.used = true;
    order.value.assign(loads_.size(), 0);
    order.in.Reset(loads_.size());
    order.stale.Reset(loads_.size());
    for (uint32_t i = 0; i < loads_.size(); ++i) order.stale.Add(i);
  }
  order.stale.Drain([&](uint32_t agent) {
    const bool in = HasAnyRoom(agent);
    const int64_t value = OrderValue(strategy, agent);
    const bool was_in = order.in.Has(agent);
    if (was_in == in && (!in || order.value[agent] == value)) return;
    if (was_in) order.set.erase({order.value[agent], agent});
    if (in) order.set.emplace(value, agent);
    order.in.Set(agent, in);
    order.value[agent] = value;
  });
  return order;
}

// ---- Groups

int32_t Matcher::Impl::Ring(const QueueData& queue, int64_t since, int32_t extra) const {
  const int64_t due = Policy::Impl::DueSteps(queue, Waited(now_, since));
  return static_cast<int32_t>(
      std::min<int64_t>(static_cast<int64_t>(queue.steps.size()), due + std::max(0, extra)));
}

int32_t Matcher::Impl::EffectivePriority(const QueueData* queue, int64_t since,
                                         int64_t parts) const {
  if (queue == nullptr) return ClampPriority(parts);
  return ClampPriority(parts + queue->base_priority +
                       Policy::Impl::Ageing(*queue, Waited(now_, since)));
}

Matcher::Impl::Asked Matcher::Impl::Resolve(const Waiting& waiting) const {
  Asked asked{p_->FindQueueIndex(waiting.queue_id), -1, 0, KindIndex(waiting.kind)};
  if (asked.queue < 0) return asked;
  const QueueData& queue = p_->queue_data[asked.queue];
  asked.language = p_->FindLanguage(waiting.language);
  asked.ring = Ring(queue, Nanos(waiting.waiting_since), waiting.extra_relaxation_steps);
  return asked;
}

uint32_t Matcher::Impl::GroupOf(int32_t queue, int32_t language, int32_t ring, bool anyone) {
  // What makes no difference is left out.
  if (!p_->queue_data[queue].uses_language) language = -1;
  if (anyone) ring = 0;
  const uint64_t key = static_cast<uint64_t>(queue) << 40 |
                       static_cast<uint64_t>(language + 1) << 12 |
                       static_cast<uint64_t>(ring) << 1 | (anyone ? 1 : 0);
  const auto [it, is_new] = group_index_.try_emplace(key, static_cast<uint32_t>(groups_.size()));
  if (!is_new) return it->second;
  const uint32_t index = it->second;

  Group& group = groups_.emplace_back();
  group.queue = queue;
  group.language = language;
  group.anyone = anyone;
  const Policy::Impl::Need need = p_->Require(queue, language, ring, anyone);
  const AgentSet members = p_->Members(need);
  group.eligible = p_->Eligible(need, members);
  group.members = members.Count();
  group.eligible_count = group.eligible.Count();
  groups_of_queue_[queue].push_back(index);
  for (int k = 0; k < kChannelKinds; ++k) heads_[k].emplace_back();

  const size_t word = index / 64;
  if (word >= row_words_) {
    const size_t wider = row_words_ * 2;
    std::vector<uint64_t> rows(loads_.size() * wider, 0);
    for (size_t i = 0; i < loads_.size(); ++i) {
      std::copy_n(rows_.begin() + static_cast<ptrdiff_t>(i * row_words_), row_words_,
                  rows.begin() + static_cast<ptrdiff_t>(i * wider));
    }
    rows_ = std::move(rows);
    row_words_ = wider;
    for (std::vector<uint64_t>& bits : nonempty_) bits.resize(wider, 0);
  }
  group.eligible.ForEach(
      [&](uint32_t agent) { rows_[agent * row_words_ + word] |= uint64_t{1} << (index % 64); });
  return index;
}

void Matcher::Impl::RebuildGroups() {
  groups_.clear();
  group_index_.clear();
  groups_of_queue_.assign(p_->queues.size(), {});
  waiting_in_queue_.assign(p_->queues.size(), 0);
  row_words_ = 1;
  rows_.assign(loads_.size(), 0);
  for (int k = 0; k < kChannelKinds; ++k) {
    nonempty_[k].assign(1, 0);
    heads_[k].clear();
  }
  for (uint32_t slot = 0; slot < slots_.size(); ++slot) {
    slots_[slot].group = kNowhere;
    if (slots_[slot].queue != kNowhere) Place(slot);
  }
  group_limit_ = std::max(limits_.requirements_kept, 2 * groups_.size());
}

void Matcher::Impl::KeepGroupsBounded() {
  if (groups_.size() >= group_limit_) RebuildGroups();
}

const Matcher::Impl::Ranking& Matcher::Impl::RankingOf(Group& group) {
  if (group.ranking != nullptr) return *group.ranking;
  const QueueData& queue = p_->queue_data[group.queue];
  const bool best_skill = queue.strategy == config::v1::STRATEGY_BEST_SKILL;
  // Agents in the order of tiers and ids: secondary, minus preferred score, minus skill score,
  // index.
  std::vector<std::tuple<bool, int64_t, int32_t, uint32_t>> ranked;
  ranked.reserve(static_cast<size_t>(group.eligible_count));
  group.eligible.ForEach([&](uint32_t agent) {
    ranked.emplace_back(!queue.primary.Has(agent), -p_->PreferredScore(agent, group.queue),
                        best_skill ? -p_->SkillScore(agent, group.queue, group.language) : 0,
                        agent);
  });
  std::sort(ranked.begin(), ranked.end());
  auto ranking = std::make_unique<Ranking>();
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto& [secondary, preferred, skill, agent] = ranked[i];
    const bool new_tier =
        i > 0 && std::tie(secondary, preferred, skill) != std::tie(std::get<0>(ranked[i - 1]),
                                                                   std::get<1>(ranked[i - 1]),
                                                                   std::get<2>(ranked[i - 1]));
    if (i == 0 || new_tier) ranking->tiers.emplace_back();
    if (i == 0 || new_tier || ranking->words.back().word != agent / 64) {
      ranking->words.push_back({agent / 64, 0});
    }
    ranking->words.back().bits |= uint64_t{1} << (agent % 64);
    ranking->tiers.back().end = static_cast<uint32_t>(ranking->words.size());
    ++ranking->tiers.back().agents;
  }
  ranking->words.shrink_to_fit();
  group.ranking = std::move(ranking);
  return *group.ranking;
}

// ---- Waiting conversations

void Matcher::Impl::AddWaiting(const Waiting& waiting) {
  KeepGroupsBounded();
  uint32_t slot;
  if (free_slots_.empty()) {
    slot = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  slots_[slot].id = waiting.conversation_id;
  if (!ids_.insert(slot).second) {
    RemoveWaiting(waiting.conversation_id);
    ids_.insert(slot);
  }
  Slot& s = slots_[slot];
  s.since = Nanos(waiting.waiting_since);
  s.due = Nanos(waiting.sla_due);
  s.parts = PartsSum(waiting.priority);
  s.queue = Acquire(waiting.queue_id);
  s.language = Acquire(waiting.language);
  s.extra_steps = waiting.extra_relaxation_steps;
  s.kind = static_cast<uint8_t>(KindIndex(waiting.kind));
  s.anyone = waiting.anyone;
  if (!waiting.excluded_agent_ids.empty()) {
    s.excluded = std::make_unique<std::vector<uint32_t>>();
    for (const std::string& id : waiting.excluded_agent_ids) s.excluded->push_back(Acquire(id));
  }
  Place(slot);
}

void Matcher::Impl::RemoveWaiting(absl::string_view conversation_id) {
  const auto it = ids_.find(conversation_id);
  if (it == ids_.end()) return;
  const uint32_t slot = *it;
  Unplace(slot);
  next_ageing_.Remove(slot);
  next_relaxation_.Remove(slot);
  ids_.erase(it);
  Slot& s = slots_[slot];
  Release(s.queue);
  Release(s.language);
  if (s.excluded != nullptr) {
    for (const uint32_t symbol : *s.excluded) Release(symbol);
    s.excluded.reset();
  }
  s.id.clear();
  s.queue = kNowhere;
  s.relaxed = false;
  free_slots_.push_back(slot);
}

int32_t Matcher::Impl::WaitingCount(absl::string_view queue_id) const {
  const int32_t queue = p_->FindQueueIndex(queue_id);
  return queue < 0 ? 0 : waiting_in_queue_[queue];
}

void Matcher::Impl::Place(uint32_t slot) {
  Slot& s = slots_[slot];
  const int32_t queue = symbols_[s.queue].queue;
  if (queue < 0) {
    next_ageing_.Remove(slot);
    next_relaxation_.Remove(slot);
    return;
  }
  const QueueData& data = p_->queue_data[queue];
  const int64_t waited = Waited(now_, s.since);
  const int32_t due_steps = Policy::Impl::DueSteps(data, waited);
  s.ring = static_cast<uint8_t>(Ring(data, s.since, s.extra_steps));
  s.rank = -EffectivePriority(&data, s.since, s.parts);
  s.group = GroupOf(queue, symbols_[s.language].language, s.ring, s.anyone);
  const Key key = KeyOf(slot);
  CountedSet<Key>& set = groups_[s.group].waiting[s.kind];
  const bool first = set.empty() || more_urgent()(key, heads_[s.kind][s.group]);
  set.Insert(key, more_urgent());
  if (first) {
    heads_[s.kind][s.group] = key;
    nonempty_[s.kind][s.group / 64] |= uint64_t{1} << (s.group % 64);
  }
  ++waiting_in_queue_[queue];

  if (!s.anyone && s.ring < data.steps.size()) {
    next_relaxation_.Set(slot, SaturatingAdd(s.since, data.steps[due_steps].after_ns));
  } else {
    next_relaxation_.Remove(slot);
  }
  if (data.ageing_points > 0 && Policy::Impl::Ageing(data, waited) < data.max_ageing_points) {
    const int64_t gone = waited - waited % data.ageing_interval_ns;
    next_ageing_.Set(slot, SaturatingAdd(s.since, SaturatingAdd(gone, data.ageing_interval_ns)));
  } else {
    next_ageing_.Remove(slot);
  }
}

void Matcher::Impl::Unplace(uint32_t slot) {
  Slot& s = slots_[slot];
  if (s.group == kNowhere) return;
  CountedSet<Key>& set = groups_[s.group].waiting[s.kind];
  const bool erased = set.Erase(KeyOf(slot), more_urgent());
  WISSEL_CHECK(erased) << "a waiting conversation is not where it should be: " << s.id;
  if (set.empty()) {
    nonempty_[s.kind][s.group / 64] &= ~(uint64_t{1} << (s.group % 64));
  } else if (heads_[s.kind][s.group].slot == slot) {
    heads_[s.kind][s.group] = set.First();
  }
  --waiting_in_queue_[groups_[s.group].queue];
  s.group = kNowhere;
}

void Matcher::Impl::Move(uint32_t slot) {
  const uint8_t ring = slots_[slot].ring;
  Unplace(slot);
  Place(slot);
  Slot& s = slots_[slot];
  if (s.anyone || s.ring <= ring || s.relaxed) return;
  s.relaxed = true;
  relaxed_.push_back(slot);
}

void Matcher::Impl::Advance(absl::Time now) {
  const int64_t ns = Nanos(now);
  if (ns <= now_) return;
  now_ = ns;
  // Both look at the present alone, so what has been moved once is up to date.
  while (!next_relaxation_.empty() && next_relaxation_.top().key <= now_) {
    Move(next_relaxation_.top().item);
  }
  while (!next_ageing_.empty() && next_ageing_.top().key <= now_) Move(next_ageing_.top().item);
}

absl::Time Matcher::Impl::NextRelaxation() const {
  return next_relaxation_.empty() ? absl::InfiniteFuture()
                                  : absl::FromUnixNanos(next_relaxation_.top().key);
}

std::vector<std::string> Matcher::Impl::TakeRelaxed() {
  std::vector<Key> keys;
  for (const uint32_t slot : relaxed_) {
    if (!std::exchange(slots_[slot].relaxed, false)) continue;
    keys.push_back(KeyOf(slot));
  }
  relaxed_.clear();
  std::sort(keys.begin(), keys.end(), more_urgent());
  std::vector<std::string> ids;
  ids.reserve(keys.size());
  for (const Key& key : keys) ids.push_back(slots_[key.slot].id);
  return ids;
}

bool Matcher::Impl::Excludes(uint32_t slot, uint32_t agent) const {
  const std::vector<uint32_t>& excluded = *slots_[slot].excluded;
  return std::find(excluded.begin(), excluded.end(), agent_symbols_[agent]) != excluded.end();
}

// ---- The two questions

std::optional<std::string> Matcher::Impl::ChooseConversation(absl::string_view agent_id) const {
  const int32_t found = p_->FindAgentIndex(agent_id);
  if (found < 0) return std::nullopt;
  const auto agent = static_cast<uint32_t>(found);
  absl::InlinedVector<int, kChannelKinds> kinds;
  for (int k = 0; k < kChannelKinds; ++k) {
    if (room_[k].Has(agent)) kinds.push_back(k);
  }
  if (kinds.empty()) return std::nullopt;
  const MoreUrgent more_urgent = this->more_urgent();
  std::optional<Key> best;
  const uint64_t* row = &rows_[agent * row_words_];
  const size_t words = (groups_.size() + 63) / 64;
  for (size_t w = 0; w < words; ++w) {
    if (row[w] == 0) continue;
    for (const int k : kinds) {
      for (uint64_t bits = row[w] & nonempty_[k][w]; bits != 0; bits &= bits - 1) {
        const size_t group = w * 64 + static_cast<size_t>(std::countr_zero(bits));
        const Key& head = heads_[k][group];
        if (best.has_value() && !more_urgent(head, *best)) continue;
        if (head.has_excluded == 0) {
          best = head;
          continue;
        }
        groups_[group].waiting[k].ForEach([&](const Key& key) {
          if (best.has_value() && !more_urgent(key, *best)) return false;
          if (key.has_excluded != 0 && Excludes(key.slot, agent)) return true;
          best = key;
          return false;
        });
      }
    }
  }
  if (!best.has_value()) return std::nullopt;
  return slots_[best->slot].id;
}

AgentIndexes Matcher::Impl::ExcludedAgents(const Waiting& waiting) const {
  AgentIndexes excluded;
  for (const std::string& id : waiting.excluded_agent_ids) {
    const int32_t agent = p_->FindAgentIndex(id);
    if (agent < 0) continue;
    if (std::find(excluded.begin(), excluded.end(), static_cast<uint32_t>(agent)) ==
        excluded.end()) {
      excluded.push_back(static_cast<uint32_t>(agent));
    }
  }
  return excluded;
}

absl::InlinedVector<uint32_t, 1 + kMaxRunnersUp> Matcher::Impl::BestAgents(const Waiting& waiting,
                                                                           const Asked& asked,
                                                                           size_t wanted) {
  absl::InlinedVector<uint32_t, 1 + kMaxRunnersUp> best;
  Group& group = groups_[GroupOf(asked.queue, asked.language, asked.ring, waiting.anyone)];
  const AgentSet& room = room_[asked.kind];
  const QueueData& queue = p_->queue_data[asked.queue];
  AgentIndexes left_out = ExcludedAgents(waiting);
  const auto is_left_out = [&](uint32_t agent) {
    return std::find(left_out.begin(), left_out.end(), agent) != left_out.end();
  };
  if (!waiting.sticky_agent_id.empty()) {
    const int32_t found = p_->FindAgentIndex(waiting.sticky_agent_id);
    const auto sticky = static_cast<uint32_t>(found);
    if (found >= 0 && group.eligible.Has(sticky) && room.Has(sticky) && !is_left_out(sticky)) {
      best.push_back(sticky);
      if (best.size() == wanted) return best;
      left_out.push_back(sticky);
    }
  }
  const auto with_room = [&](size_t word, uint64_t bits) {
    bits &= room.word(word);
    if (bits == 0) return bits;
    for (const uint32_t agent : left_out) {
      if (agent / 64 == word) bits &= ~(uint64_t{1} << (agent % 64));
    }
    return bits;
  };
  // Appends the agents of a word's bits; false once there are more than `limit`.
  AgentIndexes candidates;
  const auto gather = [&](size_t word, uint64_t bits, size_t limit) {
    for (bits = with_room(word, bits); bits != 0; bits &= bits - 1) {
      if (candidates.size() >= limit) return false;
      candidates.push_back(static_cast<uint32_t>(word * 64) +
                           static_cast<uint32_t>(std::countr_zero(bits)));
    }
    return true;
  };

  bool few = true;
  for (size_t s = 0; few && s < room.summaries(); ++s) {
    for (uint64_t words = room.summary(s) & group.eligible.summary(s); few && words != 0;
         words &= words - 1) {
      const size_t word = s * 64 + static_cast<size_t>(std::countr_zero(words));
      few = gather(word, group.eligible.word(word), limits_.compared);
    }
  }
  const bool best_skill = queue.strategy == config::v1::STRATEGY_BEST_SKILL;
  if (few) {
    if (candidates.size() == 1) {
      best.push_back(candidates[0]);
      return best;
    }
    absl::InlinedVector<std::tuple<bool, int64_t, int64_t, uint32_t>, kFew> ranked;
    for (const uint32_t agent : candidates) {
      ranked.emplace_back(!queue.primary.Has(agent), -p_->PreferredScore(agent, asked.queue),
                          best_skill ? -p_->SkillScore(agent, asked.queue, group.language)
                                     : OrderValue(queue.strategy, agent),
                          agent);
    }
    const size_t taken = std::min(wanted - best.size(), ranked.size());
    std::partial_sort(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(taken), ranked.end());
    for (size_t i = 0; i < taken; ++i) best.push_back(std::get<3>(ranked[i]));
    return best;
  }

  const Ranking& ranking = RankingOf(group);
  uint32_t begin = 0;
  for (const Tier& tier : ranking.tiers) {
    const auto tier_begin = ranking.words.begin() + begin;
    const auto tier_end = ranking.words.begin() + tier.end;
    begin = tier.end;
    const size_t missing = wanted - best.size();
    // Within a tier best skill leaves the order of ids.
    if (!best_skill && tier.agents > limits_.compared_in_tier) {
      const auto in_tier = [&](uint32_t agent) {
        const auto it =
            std::lower_bound(tier_begin, tier_end, agent / 64,
                             [](const TierWord& word, uint32_t w) { return word.word < w; });
        return it != tier_end && it->word == agent / 64 && (it->bits >> (agent % 64) & 1) != 0;
      };
      const Order& order = OrderOf(queue.strategy);
      int steps = limits_.walked * static_cast<int>(missing);
      auto it = order.set.begin();
      for (; it != order.set.end() && steps > 0 && best.size() < wanted; ++it, --steps) {
        const uint32_t agent = it->second;
        if (room.Has(agent) && group.eligible.Has(agent) && !is_left_out(agent) && in_tier(agent)) {
          best.push_back(agent);
        }
      }
      if (best.size() == wanted) return best;
      if (it == order.set.end()) continue;
      best.resize(wanted - missing);
    }
    compared_.clear();
    for (auto it = tier_begin; it != tier_end; ++it) {
      for (uint64_t bits = with_room(it->word, it->bits); bits != 0; bits &= bits - 1) {
        const uint32_t agent = it->word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
        compared_.emplace_back(OrderValue(queue.strategy, agent), agent);
      }
      if (best_skill && compared_.size() >= missing) break;
    }
    const size_t taken = std::min(missing, compared_.size());
    if (taken == 1) {
      best.push_back(std::min_element(compared_.begin(), compared_.end())->second);
    } else {
      std::partial_sort(compared_.begin(), compared_.begin() + static_cast<ptrdiff_t>(taken),
                        compared_.end());
      for (size_t i = 0; i < taken; ++i) best.push_back(compared_[i].second);
    }
    if (best.size() == wanted) return best;
  }
  return best;
}

std::optional<std::string> Matcher::Impl::ChooseAgent(const Waiting& waiting) {
  KeepGroupsBounded();
  const Asked asked = Resolve(waiting);
  if (asked.queue < 0) return std::nullopt;
  const auto best = BestAgents(waiting, asked, 1);
  if (best.empty()) return std::nullopt;
  return p_->agent_ids[best[0]];
}

// ---- Explanations

Explanation::Candidate Matcher::Impl::Describe(uint32_t agent, const Waiting& waiting,
                                               const Asked& asked) const {
  const AgentLoad& load = loads_[agent];
  Explanation::Candidate out;
  out.set_agent_id(p_->agents[agent].agent_id());
  *out.mutable_idle_since() = ToProto(load.idle_since);
  out.set_free_units(static_cast<int32_t>(std::clamp<int64_t>(
      load.capacity_units - TakenUnits(agent, asked.kind), std::numeric_limits<int32_t>::min(),
      std::numeric_limits<int32_t>::max())));
  out.set_sticky(out.agent_id() == waiting.sticky_agent_id);
  out.set_secondary(!p_->queue_data[asked.queue].primary.Has(agent));
  out.set_preferred_score(p_->PreferredScore(agent, asked.queue));
  out.set_skill_score(p_->SkillScore(agent, asked.queue, asked.language));
  out.set_occupancy_permille(
      static_cast<int32_t>(OrderValue(config::v1::STRATEGY_LEAST_OCCUPIED, agent)));
  out.set_last_given(load.last_given);
  return out;
}

Explanation Matcher::Impl::Explain(const Waiting& waiting) {
  KeepGroupsBounded();
  const auto agents = static_cast<int32_t>(loads_.size());
  Explanation out;
  out.set_agents_considered(agents);
  out.set_config_version(p_->version);
  *out.mutable_priority() = PriorityOf(waiting);
  const auto passed_over = [&out](PassedOver reason, int32_t count) {
    if (count == 0) return;
    Explanation::PassedOverCount* passed = out.add_passed_over();
    passed->set_reason(reason);
    passed->set_agents(count);
  };
  const Asked asked = Resolve(waiting);
  *out.mutable_requirement() = policy_->Describe(waiting.queue_id, waiting.language, asked.ring,
                                                 waiting.anyone, waiting.kind);
  if (asked.queue < 0) {
    passed_over(Explanation::PASSED_OVER_NOT_IN_QUEUE, agents);
    return out;
  }
  out.set_strategy(p_->queue_data[asked.queue].strategy);

  const Group& group = groups_[GroupOf(asked.queue, asked.language, asked.ring, waiting.anyone)];
  int32_t available = 0;
  int32_t with_units = 0;
  int32_t with_room = 0;
  for (size_t w = 0; w < group.eligible.words(); ++w) {
    const uint64_t eligible = group.eligible.word(w) & available_.word(w);
    if (eligible == 0) continue;
    available += std::popcount(eligible);
    with_units += std::popcount(eligible & capacity_[asked.kind].word(w));
    with_room += std::popcount(eligible & room_[asked.kind].word(w));
  }
  int32_t excluded = 0;
  for (const uint32_t agent : ExcludedAgents(waiting)) {
    if (group.eligible.Has(agent) && room_[asked.kind].Has(agent)) ++excluded;
  }
  out.set_agents_eligible(with_room - excluded);
  passed_over(Explanation::PASSED_OVER_NOT_IN_QUEUE, agents - group.members);
  passed_over(Explanation::PASSED_OVER_LACKS_SKILL, group.members - group.eligible_count);
  passed_over(Explanation::PASSED_OVER_NOT_AVAILABLE, group.eligible_count - available);
  passed_over(Explanation::PASSED_OVER_NO_CAPACITY, available - with_units);
  passed_over(Explanation::PASSED_OVER_CHANNEL_LIMIT, with_units - with_room);
  passed_over(Explanation::PASSED_OVER_EXCLUDED, excluded);

  bool first = true;
  for (const uint32_t agent : BestAgents(waiting, asked, 1 + kMaxRunnersUp)) {
    *(first ? out.mutable_chosen() : out.add_runners_up()) = Describe(agent, waiting, asked);
    first = false;
  }
  return out;
}

std::optional<PassedOver> Matcher::Impl::WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                                const Check& check) const {
  const int32_t found = p_->FindAgentIndex(agent_id);
  if (found < 0) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
  const auto agent = static_cast<uint32_t>(found);
  const Asked asked = Resolve(waiting);
  if (check.requirement) {
    if (asked.queue < 0) return Explanation::PASSED_OVER_NOT_IN_QUEUE;
    const Policy::Impl::Need need =
        p_->Require(asked.queue, asked.language, asked.ring, waiting.anyone);
    const bool named = need.anyone || std::find(need.agents.begin(), need.agents.end(), found) !=
                                          need.agents.end();
    if (!named) {
      if (std::none_of(need.queues.begin(), need.queues.end(), [&](int32_t q) {
            return p_->queue_data[q].primary.Has(agent) || p_->queue_data[q].secondary.Has(agent);
          })) {
        return Explanation::PASSED_OVER_NOT_IN_QUEUE;
      }
      if (!std::all_of(need.clauses.begin(), need.clauses.end(),
                       [&](const auto& clause) { return p_->Meets(agent, clause); })) {
        return Explanation::PASSED_OVER_LACKS_SKILL;
      }
    }
  }
  if (!available_.Has(agent)) return Explanation::PASSED_OVER_NOT_AVAILABLE;
  if (check.room) {
    if (!capacity_[asked.kind].Has(agent)) return Explanation::PASSED_OVER_NO_CAPACITY;
    if (!room_[asked.kind].Has(agent)) return Explanation::PASSED_OVER_CHANNEL_LIMIT;
  }
  if (check.exclusion &&
      std::find(waiting.excluded_agent_ids.begin(), waiting.excluded_agent_ids.end(), agent_id) !=
          waiting.excluded_agent_ids.end()) {
    return Explanation::PASSED_OVER_EXCLUDED;
  }
  return std::nullopt;
}

std::vector<std::string> Matcher::Impl::Lacks(absl::string_view agent_id,
                                              const Waiting& waiting) const {
  std::vector<std::string> lacks;
  const int32_t found = p_->FindAgentIndex(agent_id);
  const Asked asked = Resolve(waiting);
  if (found < 0 || asked.queue < 0 || waiting.anyone) return lacks;
  const auto agent = static_cast<uint32_t>(found);
  const Policy::Impl::Need need = p_->Require(asked.queue, asked.language, asked.ring, false);
  if (std::find(need.agents.begin(), need.agents.end(), found) != need.agents.end()) return lacks;
  for (const Policy::Impl::Clause& clause : need.clauses) {
    if (p_->Meets(agent, clause)) continue;
    std::string text;
    for (const Policy::Impl::SkillLevel& any : clause) {
      const int32_t has = p_->Level(agent, any.skill);
      absl::StrAppend(&text, text.empty() ? "" : " or ", p_->skills[any.skill], " at ", any.level,
                      has == 0 ? " (does not have it)" : absl::StrCat(" (has ", has, ")"));
    }
    lacks.push_back(std::move(text));
  }
  return lacks;
}

conversation::v1::Priority Matcher::Impl::PriorityOf(const Waiting& waiting) const {
  const PriorityParts& parts = waiting.priority;
  conversation::v1::Priority out;
  out.set_own(parts.own);
  out.set_tier(parts.tier);
  out.set_lifetime_value(parts.lifetime_value);
  out.set_order_state(parts.order_state);
  out.set_sla_proximity(parts.sla_proximity);
  out.set_escalation(parts.escalation);
  const int64_t since = Nanos(waiting.waiting_since);
  const int32_t queue = p_->FindQueueIndex(waiting.queue_id);
  const QueueData* data = queue < 0 ? nullptr : &p_->queue_data[queue];
  if (data != nullptr) {
    out.set_base(data->base_priority);
    out.set_ageing(Policy::Impl::Ageing(*data, Waited(now_, since)));
  }
  out.set_effective(EffectivePriority(data, since, PartsSum(parts)));
  return out;
}

int32_t Matcher::Impl::Position(absl::string_view conversation_id) const {
  const auto it = ids_.find(conversation_id);
  if (it == ids_.end() || slots_[*it].group == kNowhere) return 0;
  const Key key = KeyOf(*it);
  size_t before = 0;
  for (const uint32_t group : groups_of_queue_[groups_[slots_[*it].group].queue]) {
    for (const CountedSet<Key>& waiting : groups_[group].waiting) {
      if (!waiting.empty()) before += waiting.CountBefore(key, more_urgent());
    }
  }
  return static_cast<int32_t>(before + 1);
}

size_t Matcher::Impl::MemoryBytes() const {
  constexpr size_t kInline = 15;  // characters of a string that need no memory of their own
  const auto text_bytes = [](const std::string& text) {
    return text.capacity() > kInline ? text.capacity() + 1 : 0;
  };
  size_t bytes = sizeof(*this);
  for (const Symbol& symbol : symbols_) bytes += 2 * text_bytes(symbol.text);
  bytes += symbols_.capacity() * sizeof(Symbol) + free_symbols_.capacity() * sizeof(uint32_t) +
           symbol_index_.capacity() * (sizeof(std::pair<std::string, uint32_t>) + 1);
  for (const std::vector<int64_t>& values : order_values_) {
    bytes += values.capacity() * sizeof(int64_t);
  }
  bytes += loads_.capacity() * sizeof(AgentLoad) + agent_symbols_.capacity() * sizeof(uint32_t);
  bytes += available_.MemoryBytes();
  for (int k = 0; k < kChannelKinds; ++k) {
    bytes += capacity_[k].MemoryBytes() + room_[k].MemoryBytes();
    bytes += nonempty_[k].capacity() * sizeof(uint64_t) + heads_[k].capacity() * sizeof(Key);
  }
  for (const Order& order : orders_) {
    bytes += order.value.capacity() * sizeof(int64_t) + order.in.MemoryBytes() +
             order.stale.MemoryBytes() + order.set.size() * sizeof(std::pair<int64_t, uint32_t>);
  }
  for (const Group& group : groups_) {
    bytes += sizeof(Group) + group.eligible.MemoryBytes();
    if (group.ranking != nullptr) {
      bytes += group.ranking->words.capacity() * sizeof(TierWord) +
               group.ranking->tiers.capacity() * sizeof(Tier);
    }
    for (const CountedSet<Key>& waiting : group.waiting) bytes += waiting.MemoryBytes();
  }
  bytes += rows_.capacity() * sizeof(uint64_t);
  bytes += group_index_.capacity() * (sizeof(std::pair<uint64_t, uint32_t>) + 1);
  for (const std::vector<uint32_t>& groups : groups_of_queue_) {
    bytes += groups.capacity() * sizeof(uint32_t);
  }
  for (const Slot& slot : slots_) {
    bytes += text_bytes(slot.id);
    if (slot.excluded != nullptr) {
      bytes += sizeof(*slot.excluded) + slot.excluded->capacity() * sizeof(uint32_t);
    }
  }
  bytes += slots_.capacity() * sizeof(Slot) + free_slots_.capacity() * sizeof(uint32_t) +
           ids_.capacity() * (sizeof(uint32_t) + 1);
  bytes += next_ageing_.MemoryBytes() + next_relaxation_.MemoryBytes();
  return bytes + relaxed_.capacity() * sizeof(uint32_t);
}

// ---- The interface

Matcher::Matcher(const MatcherLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
Matcher::~Matcher() = default;
Matcher::Matcher(Matcher&&) noexcept = default;
Matcher& Matcher::operator=(Matcher&&) noexcept = default;

void Matcher::Configure(std::shared_ptr<const Policy> policy) {
  WISSEL_CHECK(policy != nullptr) << "a matcher needs a policy";
  impl_->Configure(std::move(policy));
}
const Policy& Matcher::policy() const { return impl_->policy(); }
void Matcher::SetAgent(absl::string_view agent_id, const AgentLoad& load) {
  impl_->SetAgent(agent_id, load);
}
void Matcher::AddWaiting(const Waiting& waiting) { impl_->AddWaiting(waiting); }
void Matcher::RemoveWaiting(absl::string_view conversation_id) {
  impl_->RemoveWaiting(conversation_id);
}
bool Matcher::IsWaiting(absl::string_view conversation_id) const {
  return impl_->IsWaiting(conversation_id);
}
int32_t Matcher::WaitingCount(absl::string_view queue_id) const {
  return impl_->WaitingCount(queue_id);
}
void Matcher::Advance(absl::Time now) { impl_->Advance(now); }
absl::Time Matcher::NextRelaxation() const { return impl_->NextRelaxation(); }
std::vector<std::string> Matcher::TakeRelaxed() { return impl_->TakeRelaxed(); }
std::optional<std::string> Matcher::ChooseAgent(const Waiting& waiting) const {
  return impl_->ChooseAgent(waiting);
}
std::optional<std::string> Matcher::ChooseConversation(absl::string_view agent_id) const {
  return impl_->ChooseConversation(agent_id);
}
Explanation Matcher::Explain(const Waiting& waiting) const { return impl_->Explain(waiting); }
std::optional<PassedOver> Matcher::WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                          const Check& check) const {
  return impl_->WhyNot(agent_id, waiting, check);
}
std::vector<std::string> Matcher::Lacks(absl::string_view agent_id, const Waiting& waiting) const {
  return impl_->Lacks(agent_id, waiting);
}
conversation::v1::Priority Matcher::PriorityOf(const Waiting& waiting) const {
  return impl_->PriorityOf(waiting);
}
int32_t Matcher::Position(absl::string_view conversation_id) const {
  return impl_->Position(conversation_id);
}
size_t Matcher::MemoryBytes() const { return impl_->MemoryBytes(); }

}  // namespace wissel::routing
