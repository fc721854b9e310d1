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
  if (group.ranking != nullptr) return *group.ranking;
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
  group.ranking = std::make_unique<Ranking>();
  auto& [words, bits, least, tiers, first_tier] = *group.ranking;
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto& [rank, agent] = ranked[i];
    const bool new_tier = i == 0 || rank != ranked[i - 1].first;
    const auto end = static_cast<uint32_t>(words.size());
    if (new_tier) tiers.push_back({.begin = end, .end = end});
    if (new_tier || words.back() != agent / 64) {
      words.push_back(agent / 64);
      bits.push_back(0);
    }
    bits.back() |= uint64_t{1} << (agent % 64);
    tiers.back().end = static_cast<uint32_t>(words.size());
    places_[agent].push_back({group.ranking.get(), static_cast<uint32_t>(tiers.size() - 1)});
  }
  words.shrink_to_fit();
  bits.shrink_to_fit();
  least.assign(words.size(), std::numeric_limits<int64_t>::min());
  return *group.ranking;
}

void Requirements::GainedRoom(uint32_t agent, uint32_t kinds) {
  for (const auto& [ranking, tier] : places_[agent]) {
    for (uint32_t rest = kinds; rest != 0; rest &= rest - 1) {
      uint32_t& first = ranking->first_tier[std::countr_zero(rest)];
      first = std::min(first, tier);
    }
  }
}

size_t Requirements::MemoryBytes() const {
  size_t bytes = groups_.capacity() * sizeof(Group) + rows_.capacity() * sizeof(uint64_t) +
                 index_.capacity() * (sizeof(std::pair<uint64_t, uint32_t>) + 1);
  for (const Group& group : groups_) {
    bytes += group.eligible.MemoryBytes();
    if (group.ranking == nullptr) continue;
    const Ranking& ranking = *group.ranking;
    bytes += sizeof(ranking) + ranking.words.capacity() * sizeof(uint32_t) +
             ranking.bits.capacity() * sizeof(uint64_t) +
             ranking.least.capacity() * sizeof(int64_t) + ranking.tiers.capacity() * sizeof(Tier);
  }
  for (const std::vector<Place>& places : places_) {
    bytes += sizeof(places) + places.capacity() * sizeof(Place);
  }
  for (const std::vector<uint32_t>& groups : of_queue_) {
    bytes += groups.capacity() * sizeof(uint32_t);
  }
  return bytes;
}

}  // namespace wissel::routing
