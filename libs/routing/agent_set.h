#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace wissel::routing {

// A set of agents by index, as one bit each, with a summary of one bit for each word of 64, so that
// a sparse set is walked by what is in it.
class AgentSet {
 public:
  AgentSet() = default;
  explicit AgentSet(size_t agents) { Reset(agents); }

  void Reset(size_t agents) {
    words_.assign((agents + 63) / 64, 0);
    summary_.assign((words_.size() + 63) / 64, 0);
  }

  bool Has(uint32_t agent) const { return (words_[agent / 64] >> (agent % 64) & 1) != 0; }
  void Add(uint32_t agent) {
    const size_t word = agent / 64;
    words_[word] |= uint64_t{1} << (agent % 64);
    summary_[word / 64] |= uint64_t{1} << (word % 64);
  }
  void Remove(uint32_t agent) {
    const size_t word = agent / 64;
    words_[word] &= ~(uint64_t{1} << (agent % 64));
    if (words_[word] == 0) summary_[word / 64] &= ~(uint64_t{1} << (word % 64));
  }
  void Set(uint32_t agent, bool in) {
    if (Has(agent) == in) return;
    if (in) {
      Add(agent);
    } else {
      Remove(agent);
    }
  }

  AgentSet& operator|=(const AgentSet& other) {
    for (size_t w = 0; w < words_.size(); ++w) words_[w] |= other.words_[w];
    for (size_t s = 0; s < summary_.size(); ++s) summary_[s] |= other.summary_[s];
    return *this;
  }
  AgentSet& operator&=(const AgentSet& other) {
    for (size_t s = 0; s < summary_.size(); ++s) summary_[s] = 0;
    for (size_t w = 0; w < words_.size(); ++w) {
      words_[w] &= other.words_[w];
      if (words_[w] != 0) summary_[w / 64] |= uint64_t{1} << (w % 64);
    }
    return *this;
  }

  size_t words() const { return words_.size(); }
  uint64_t word(size_t w) const { return words_[w]; }
  size_t summaries() const { return summary_.size(); }
  uint64_t summary(size_t s) const { return summary_[s]; }

  int32_t Count() const {
    int32_t count = 0;
    for (const uint64_t word : words_) count += std::popcount(word);
    return count;
  }

  // How many are in all of them, which are of as many agents.
  template <typename... Sets>
  static int32_t CountCommon(const AgentSet& first, const Sets&... others) {
    int32_t count = 0;
    for (size_t s = 0; s < first.summary_.size(); ++s) {
      for (uint64_t rest = (first.summary_[s] & ... & others.summary_[s]); rest != 0;
           rest &= rest - 1) {
        const size_t w = s * 64 + static_cast<size_t>(std::countr_zero(rest));
        count += std::popcount((first.words_[w] & ... & others.words_[w]));
      }
    }
    return count;
  }

  // Every agent, in order.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (size_t s = 0; s < summary_.size(); ++s) {
      for (uint64_t rest = summary_[s]; rest != 0; rest &= rest - 1) {
        const size_t w = s * 64 + static_cast<size_t>(std::countr_zero(rest));
        for (uint64_t bits = words_[w]; bits != 0; bits &= bits - 1) {
          visit(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(bits))));
        }
      }
    }
  }

  // The same, and leaves it empty.
  template <typename Visit>
  void Drain(const Visit& visit) {
    for (size_t s = 0; s < summary_.size(); ++s) {
      for (; summary_[s] != 0; summary_[s] &= summary_[s] - 1) {
        const size_t w = s * 64 + static_cast<size_t>(std::countr_zero(summary_[s]));
        for (; words_[w] != 0; words_[w] &= words_[w] - 1) {
          visit(static_cast<uint32_t>(w * 64 + static_cast<size_t>(std::countr_zero(words_[w]))));
        }
      }
    }
  }

  size_t MemoryBytes() const {
    return (words_.capacity() + summary_.capacity()) * sizeof(uint64_t);
  }

 private:
  std::vector<uint64_t> words_;
  std::vector<uint64_t> summary_;
};

}  // namespace wissel::routing
