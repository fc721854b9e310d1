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
    if (tier == first && !HasRoom(ranking.tiers[tier], asked.kind)) {
      ++first;
      continue;
    }
    while (best.size() < wanted) {
      const uint32_t next = BestOfTier(ranking.strategy, ranking.tiers[tier], asked.kind, left_out);
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

bool Matcher::Impl::HasRoom(const Requirements::Tier& tier, int kind) const {
  const AgentSet& room = agents_.with_room(kind);
  for (uint32_t i = tier.begin; i < tier.end; ++i) {
    const Requirements::Word& word = requirements_.word(i);
    if ((word.bits & room.word(word.word)) != 0) return true;
  }
  return false;
}

uint32_t Matcher::Impl::BestOfTier(config::v1::Strategy strategy, const Requirements::Tier& tier,
                                   int kind, absl::Span<const uint32_t> left_out) {
  constexpr uint32_t kBlockWords = Requirements::kBlockWords;
  const uint32_t first_block = tier.begin / kBlockWords;
  const uint32_t last_block = (tier.end - 1) / kBlockWords;
  Best best;
  // In a large tier whoever promises most first, until one holds its promise: few promise more.
  for (bool held = first_block == last_block; !held;) {
    uint32_t block = first_block;
    for (uint32_t b = first_block + 1; b <= last_block; ++b) {
      if (requirements_.block_bound(b) < requirements_.block_bound(block)) block = b;
    }
    uint32_t word = std::max(tier.begin, block * kBlockWords);
    for (uint32_t w = word + 1; w < std::min(tier.end, (block + 1) * kBlockWords); ++w) {
      if (requirements_.bound(w) < requirements_.bound(word)) word = w;
    }
    const int64_t promised = requirements_.bound(word);
    CompareWord(strategy, word, kind, left_out, best);
    held = requirements_.bound(word) == promised;
    requirements_.RaiseBlockBound(block);
  }
  for (uint32_t block = first_block; block <= last_block; ++block) {
    if (requirements_.block_bound(block) > best.key) continue;
    const uint32_t end = std::min(tier.end, (block + 1) * kBlockWords);
    for (uint32_t word = std::max(tier.begin, block * kBlockWords); word < end; ++word) {
      if (requirements_.bound(word) > best.key) continue;
      CompareWord(strategy, word, kind, left_out, best);
    }
    requirements_.RaiseBlockBound(block);
  }
  return best.agent;
}

void Matcher::Impl::CompareWord(config::v1::Strategy strategy, uint32_t index, int kind,
                                absl::Span<const uint32_t> left_out, Best& best) {
  const Requirements::Word& word = requirements_.word(index);
  const uint64_t wanted =
      Less(left_out, word.word, word.bits & agents_.with_room(kind).word(word.word));
  uint64_t rest = word.bits & agents_.with_any_room().word(word.word);
  if (wanted == 0 && rest != 0) return;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (; rest != 0; rest &= rest - 1) {
    const int bit = std::countr_zero(rest);
    const uint32_t agent = word.word * 64 + static_cast<uint32_t>(bit);
    const int64_t key = agents_.Key(strategy, agent);
    least = std::min(least, key);
    if ((wanted >> bit & 1) == 0) continue;
    if (key == best.key) [[unlikely]] {
      if (best.agent == kNobody || p_->id_order[agent] < p_->id_order[best.agent]) {
        best.agent = agent;
      }
    }
    // Without a branch: which one is less cannot be foreseen.
    best.agent = key < best.key ? agent : best.agent;
    best.key = key < best.key ? key : best.key;
  }
  requirements_.SetBound(index, least);
}

}  // namespace wissel::routing
