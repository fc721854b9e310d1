#include "libs/routing/requirements.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace wissel::routing {

void Requirements::Reset(const Policy::Impl& policy) {
  policy_ = &policy;
  groups_.clear();
  index_.clear();
  of_queue_.assign(policy.queues.size(), {});
  row_words_ = 1;
  rows_.assign(policy.agent_count(), 0);
  rankings_.clear();
  words_.clear();
  bounds_.clear();
  block_bounds_.clear();
  places_.assign(policy.agent_count(), {});
}

uint32_t Requirements::GroupOf(int32_t queue, int32_t language, int32_t ring, bool anyone) {
  // What makes no difference is left out.
  if (!policy_->queue_data[queue].uses_language) language = -1;
  if (anyone) ring = 0;
  const uint64_t key = static_cast<uint64_t>(queue) << 40 |
                       static_cast<uint64_t>(language + 1) << 12 |
                       static_cast<uint64_t>(ring) << 1 | (anyone ? 1 : 0);
  const auto [it, is_new] = index_.try_emplace(key, static_cast<uint32_t>(groups_.size()));
  if (!is_new) return it->second;
  const uint32_t index = it->second;

  Group& group = groups_.emplace_back();
  group.queue = queue;
  group.language = language;
  const Policy::Impl::Need need = policy_->Require(queue, language, ring, anyone);
  const AgentSet members = policy_->Members(need);
  group.eligible = policy_->Eligible(need, members);
  group.members = members.Count();
  group.eligible_count = group.eligible.Count();
  of_queue_[queue].push_back(index);

  const size_t agents = policy_->agent_count();
  const size_t word = index / 64;
  if (word >= row_words_) {
    const size_t wider = row_words_ * 2;
    std::vector<uint64_t> rows(agents * wider, 0);
    for (size_t i = 0; i < agents; ++i) {
      std::copy_n(rows_.begin() + static_cast<ptrdiff_t>(i * row_words_), row_words_,
                  rows.begin() + static_cast<ptrdiff_t>(i * wider));
    }
    rows_ = std::move(rows);
    row_words_ = wider;
  }
  group.eligible.ForEach(
      [&](uint32_t agent) { rows_[agent * row_words_ + word] |= uint64_t{1} << (index % 64); });
  return index;
}

Requirements::Ranking& Requirements::RankingOf(uint32_t index) {
  Group& group = groups_[index];
  if (group.ranking >= 0) return rankings_[group.ranking];
  const Policy::Impl::QueueData& queue = policy_->queue_data[group.queue];
  const bool best_skill = queue.strategy == config::v1::STRATEGY_BEST_SKILL;
  // What makes a tier, smaller is better: secondary, minus preferred score, minus skill score.
  using Rank = std::tuple<bool, int64_t, int32_t>;
  std::vector<std::pair<Rank, uint32_t>> ranked;
  ranked.reserve(static_cast<size_t>(group.eligible_count));
  group.eligible.ForEach([&](uint32_t agent) {
    ranked.emplace_back(
        Rank(!queue.primary.Has(agent), -policy_->PreferredScore(agent, group.queue),
             best_skill ? -policy_->SkillScore(agent, group.queue, group.language) : 0),
        agent);
  });
  std::sort(ranked.begin(), ranked.end());
  group.ranking = static_cast<int32_t>(rankings_.size());
  Ranking& ranking = rankings_.emplace_back();
  ranking.strategy = queue.strategy;
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto& [rank, agent] = ranked[i];
    const bool new_tier = i == 0 || rank != ranked[i - 1].first;
    const auto end = static_cast<uint32_t>(words_.size());
    if (new_tier) ranking.tiers.push_back({.begin = end, .end = end});
    if (new_tier || words_.back().word != agent / 64) {
      words_.push_back(
          {.word = agent / 64, .tier = static_cast<uint32_t>(ranking.tiers.size() - 1)});
      ++ranking.tiers.back().end;
    }
    words_.back().bits |= uint64_t{1} << (agent % 64);
    AddPlace(agent, {.word = static_cast<uint32_t>(words_.size() - 1),
                     .ranking = static_cast<uint32_t>(group.ranking),
                     .strategy = static_cast<uint32_t>(queue.strategy)});
  }
  bounds_.resize(words_.size(), std::numeric_limits<int64_t>::min());
  while (words_.size() % kBlockWords != 0) words_.push_back({});
  bounds_.resize(words_.size(), std::numeric_limits<int64_t>::max());
  block_bounds_.resize(words_.size() / kBlockWords, std::numeric_limits<int64_t>::min());
  return ranking;
}

void Requirements::RaiseBlockBound(uint32_t block) {
  const auto begin = bounds_.begin() + block * kBlockWords;
  block_bounds_[block] = *std::min_element(begin, begin + kBlockWords);
}

void Requirements::AddPlace(uint32_t agent, const Place& place) {
  if (places_[agent].count == places_[agent].of.size()) {
    places_.push_back(places_[agent]);
    places_[agent] = {.next = static_cast<uint32_t>(places_.size() - 1)};
  }
  Places& places = places_[agent];
  places.of[places.count++] = place;
}

void Requirements::Improved(uint32_t agent, const AgentTable& agents,
                            const AgentTable::Improvement& how) {
  if (how.kinds == 0 && how.strategies == 0) return;
  for (uint32_t i = agent; i != kNone; i = places_[i].next) {
    for (uint32_t p = 0; p < places_[i].count; ++p) {
      const Place& place = places_[i].of[p];
      const bool better = (how.strategies >> place.strategy & 1) != 0;
      if (how.kinds == 0 && !better) continue;
      for (uint32_t rest = how.kinds; rest != 0; rest &= rest - 1) {
        uint32_t& first = rankings_[place.ranking].first_tier[std::countr_zero(rest)];
        first = std::min(first, words_[place.word].tier);
      }
      if (!better) continue;
      const int64_t key = agents.Key(static_cast<config::v1::Strategy>(place.strategy), agent);
      int64_t& bound = bounds_[place.word];
      bound = std::min(bound, key);
      int64_t& block_bound = block_bounds_[place.word / kBlockWords];
      block_bound = std::min(block_bound, key);
    }
  }
}

size_t Requirements::MemoryBytes() const {
  size_t bytes = groups_.capacity() * sizeof(Group) + rows_.capacity() * sizeof(uint64_t) +
                 index_.capacity() * (sizeof(std::pair<uint64_t, uint32_t>) + 1);
  for (const Group& group : groups_) {
    bytes += group.eligible.MemoryBytes();
  }
  for (const Ranking& ranking : rankings_) {
    bytes += sizeof(ranking) + ranking.tiers.capacity() * sizeof(Tier);
  }
  bytes += words_.capacity() * sizeof(Word) +
           (bounds_.capacity() + block_bounds_.capacity()) * sizeof(int64_t) +
           places_.capacity() * sizeof(Places);
  for (const std::vector<uint32_t>& groups : of_queue_) {
    bytes += groups.capacity() * sizeof(uint32_t);
  }
  return bytes;
}

}  // namespace wissel::routing
