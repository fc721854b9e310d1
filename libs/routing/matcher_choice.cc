// Who gets what: the most urgent conversation for an agent, the best agents for a conversation.

#include <algorithm>
#include <bit>
#include <limits>

#include "absl/types/span.h"
#include "libs/routing/matcher_impl.h"

namespace wissel::routing {

namespace {

template <typename Agents>
bool Contains(const Agents& agents, uint32_t agent) {
  return std::find(agents.begin(), agents.end(), agent) != agents.end();
}

// The word's bits without those of the agents left out.
uint64_t Less(absl::Span<const uint32_t> left_out, size_t word, uint64_t bits) {
  for (const uint32_t agent : left_out) {
    if (agent / 64 == word) bits &= ~(uint64_t{1} << (agent % 64));
  }
  return bits;
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
  if (!AnyEligible(group, asked.kind, left_out)) return best;
  Requirements::Ranking& ranking = requirements_.RankingOf(index);
  uint32_t& first = ranking.first_tier[asked.kind];
  for (uint32_t tier = first; best.size() < wanted && tier < ranking.tiers.size(); ++tier) {
    if (tier == first && !HasRoom(ranking, tier, asked.kind)) {
      ++first;
      continue;
    }
    while (best.size() < wanted) {
      const uint32_t next = BestOfTier(ranking, tier, group.queue, asked.kind, left_out);
      if (next == kNobody) break;
      best.push_back(next);
      left_out.push_back(next);
    }
  }
  return best;
}

bool Matcher::Impl::AnyEligible(const Group& group, int kind,
                                absl::Span<const uint32_t> left_out) const {
  const AgentSet& room = agents_.with_room(kind);
  for (size_t s = 0; s < room.summaries(); ++s) {
    for (uint64_t words = room.summary(s) & group.eligible.summary(s); words != 0;
         words &= words - 1) {
      const size_t word = s * 64 + static_cast<size_t>(std::countr_zero(words));
      if (Less(left_out, word, group.eligible.word(word) & room.word(word)) != 0) return true;
    }
  }
  return false;
}

bool Matcher::Impl::HasRoom(const Requirements::Ranking& ranking, uint32_t tier, int kind) const {
  const AgentSet& room = agents_.with_room(kind);
  for (uint32_t i = ranking.tiers[tier].begin; i < ranking.tiers[tier].end; ++i) {
    if ((ranking.bits[i] & room.word(ranking.words[i])) != 0) return true;
  }
  return false;
}

uint32_t Matcher::Impl::BestOfTier(Requirements::Ranking& ranking, uint32_t tier, int32_t queue,
                                   int kind, absl::Span<const uint32_t> left_out) const {
  const config::v1::Strategy strategy = p_->queue_data[queue].strategy;
  const AgentSet& room = agents_.with_room(kind);
  auto& [begin, end, compared_at] = ranking.tiers[tier];
  uint32_t best = kNobody;
  int64_t best_key = std::numeric_limits<int64_t>::max();
  for (uint32_t i = begin; i < end; ++i) {
    const uint32_t word = ranking.words[i];
    int64_t& least = ranking.least[i];
    if (agents_.ImprovedAt(strategy, word) > compared_at) {
      least = std::numeric_limits<int64_t>::min();
    }
    const uint64_t wanted = Less(left_out, word, ranking.bits[i] & room.word(word));
    if (wanted == 0 || least > best_key) continue;
    least = std::numeric_limits<int64_t>::max();
    for (uint64_t bits = ranking.bits[i] & agents_.with_any_room().word(word); bits != 0;
         bits &= bits - 1) {
      const int bit = std::countr_zero(bits);
      const uint32_t agent = word * 64 + static_cast<uint32_t>(bit);
      const int64_t key = agents_.Key(strategy, agent);
      least = std::min(least, key);
      if ((wanted >> bit & 1) == 0) continue;
      if (key == best_key) [[unlikely]] {
        if (best == kNobody || p_->id_order[agent] < p_->id_order[best]) best = agent;
      }
      // Without a branch: which one is less cannot be foreseen.
      best = key < best_key ? agent : best;
      best_key = key < best_key ? key : best_key;
    }
  }
  compared_at = agents_.Now();
  return best;
}

}  // namespace wissel::routing
