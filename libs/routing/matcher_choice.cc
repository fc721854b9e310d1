// Who gets what: the most urgent conversation for an agent, the best agents for a conversation.

#include <algorithm>
#include <bit>
#include <tuple>

#include "libs/routing/matcher_impl.h"

namespace wissel::routing {

namespace {

template <typename Agents>
bool Contains(const Agents& agents, uint32_t agent) {
  return std::find(agents.begin(), agents.end(), agent) != agents.end();
}

// The word's bits without those of the agents left out.
template <typename Agents>
uint64_t Less(const Agents& left_out, size_t word, uint64_t bits) {
  for (const uint32_t agent : left_out) {
    if (agent / 64 == word) bits &= ~(uint64_t{1} << (agent % 64));
  }
  return bits;
}

// Calls visit(agent) for each of a word's bits.
template <typename Visit>
void ForEachAgent(size_t word, uint64_t bits, const Visit& visit) {
  for (; bits != 0; bits &= bits - 1) {
    visit(static_cast<uint32_t>(word * 64) + static_cast<uint32_t>(std::countr_zero(bits)));
  }
}

}  // namespace

std::optional<std::string> Matcher::Impl::ChooseConversation(absl::string_view agent_id) const {
  const int32_t found = p_->FindAgentIndex(agent_id);
  if (found < 0) return std::nullopt;
  const auto agent = static_cast<uint32_t>(found);
  const std::optional<Urgency> best = board_.MostUrgent(
      requirements_.RowOf(agent), agents_.KindsWithRoom(agent), waiting_.more_urgent(),
      [&](uint32_t slot) { return !waiting_.Excludes(slot, agent); });
  if (!best.has_value()) return std::nullopt;
  return std::string(waiting_.IdOf(best->slot));
}

std::optional<std::string> Matcher::Impl::ChooseAgent(const Waiting& waiting) {
  KeepGroupsBounded();
  const Asked asked = Resolve(waiting);
  if (asked.queue < 0) return std::nullopt;
  const Agents best = BestAgents(waiting, asked, 1);
  if (best.empty()) return std::nullopt;
  return p_->agent_ids[best[0]];
}

Matcher::Impl::Agents Matcher::Impl::ExcludedAgents(const Waiting& waiting) const {
  Agents excluded;
  for (const std::string& id : waiting.excluded_agent_ids) {
    const int32_t agent = p_->FindAgentIndex(id);
    if (agent < 0 || Contains(excluded, static_cast<uint32_t>(agent))) continue;
    excluded.push_back(static_cast<uint32_t>(agent));
  }
  return excluded;
}

Matcher::Impl::Agents Matcher::Impl::BestAgents(const Waiting& waiting, const Asked& asked,
                                                size_t wanted) {
  const uint32_t index = GroupOf(asked.queue, asked.language, asked.ring, waiting.anyone);
  const Group& group = requirements_[index];
  Agents best;
  Agents left_out = ExcludedAgents(waiting);
  if (!waiting.sticky_agent_id.empty()) {
    const int32_t found = p_->FindAgentIndex(waiting.sticky_agent_id);
    const auto sticky = static_cast<uint32_t>(found);
    if (found >= 0 && group.eligible.Has(sticky) && agents_.with_room(asked.kind).Has(sticky) &&
        !Contains(left_out, sticky)) {
      best.push_back(sticky);
      if (best.size() == wanted) return best;
      left_out.push_back(sticky);
    }
  }
  if (const std::optional<Agents> few = FewEligible(group, asked.kind, left_out)) {
    AddBestOfFew(*few, group, wanted, best);
  } else {
    AddBestOfTiers(index, asked.kind, left_out, wanted, best);
  }
  return best;
}

std::optional<Matcher::Impl::Agents> Matcher::Impl::FewEligible(const Group& group, int kind,
                                                                const Agents& left_out) const {
  const AgentSet& room = agents_.with_room(kind);
  Agents few;
  for (size_t s = 0; s < room.summaries(); ++s) {
    for (uint64_t words = room.summary(s) & group.eligible.summary(s); words != 0;
         words &= words - 1) {
      const size_t word = s * 64 + static_cast<size_t>(std::countr_zero(words));
      const uint64_t bits = Less(left_out, word, group.eligible.word(word) & room.word(word));
      if (few.size() + static_cast<size_t>(std::popcount(bits)) > limits_.compared) {
        return std::nullopt;
      }
      ForEachAgent(word, bits, [&](uint32_t agent) { few.push_back(agent); });
    }
  }
  return few;
}

void Matcher::Impl::AddBestOfFew(const Agents& candidates, const Group& group, size_t wanted,
                                 Agents& best) const {
  if (candidates.size() == 1) return best.push_back(candidates[0]);
  const QueueData& queue = p_->queue_data[group.queue];
  const bool best_skill = queue.strategy == config::v1::STRATEGY_BEST_SKILL;
  absl::InlinedVector<std::tuple<bool, int64_t, int64_t, uint32_t>, kFew> ranked;
  for (const uint32_t agent : candidates) {
    ranked.emplace_back(!queue.primary.Has(agent), -p_->PreferredScore(agent, group.queue),
                        best_skill ? -p_->SkillScore(agent, group.queue, group.language)
                                   : agents_.values(queue.strategy)[agent],
                        agent);
  }
  const size_t taken = std::min(wanted - best.size(), ranked.size());
  std::partial_sort(ranked.begin(), ranked.begin() + static_cast<ptrdiff_t>(taken), ranked.end());
  for (size_t i = 0; i < taken; ++i) best.push_back(std::get<3>(ranked[i]));
}

void Matcher::Impl::AddBestOfTiers(uint32_t index, int kind, const Agents& left_out, size_t wanted,
                                   Agents& best) {
  const Requirements::Ranking& ranking = requirements_.RankingOf(index);
  const Group& group = requirements_[index];
  for (const Requirements::Tier& tier : ranking.tiers) {
    AddBestOfTier(group, tier, kind, left_out, wanted, best);
    if (best.size() == wanted) return;
  }
}

void Matcher::Impl::AddBestOfTier(const Group& group, const Requirements::Tier& tier, int kind,
                                  const Agents& left_out, size_t wanted, Agents& best) const {
  struct Compared {
    int64_t value;
    uint32_t agent;
  };
  const config::v1::Strategy strategy = p_->queue_data[group.queue].strategy;
  const std::vector<int64_t>& values = agents_.values(strategy);
  const int64_t least = AgentTable::LeastValue(strategy);
  const AgentSet& room = agents_.with_room(kind);
  const size_t missing = wanted - best.size();
  // Agents come in the order of their ids, so that of equal ones the earlier stays in front, and
  // nobody comes before a full list of the least values.
  absl::InlinedVector<Compared, 1 + kMaxRunnersUp> found;
  for (uint32_t i = tier.begin; i < tier.end; ++i) {
    const auto& [word, members] = group.ranking->words[i];
    for (uint64_t bits = Less(left_out, word, members & room.word(word)); bits != 0;
         bits &= bits - 1) {
      const uint32_t agent = word * 64 + static_cast<uint32_t>(std::countr_zero(bits));
      const int64_t value = values[agent];
      if (found.size() == missing) {
        if (value >= found.back().value) continue;
        found.pop_back();
      }
      const auto place = std::upper_bound(
          found.begin(), found.end(), value,
          [](int64_t sought, const Compared& other) { return sought < other.value; });
      found.insert(place, {value, agent});
    }
    if (found.size() == missing && found.back().value == least) break;
  }
  for (const Compared& one : found) best.push_back(one.agent);
}

}  // namespace wissel::routing
