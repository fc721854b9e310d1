#include "libs/routing/waiting_slots.h"

#include <algorithm>
#include <limits>

#include "absl/hash/hash.h"

namespace wissel::routing {

namespace {

uint32_t HashOf(absl::string_view id) {
  const size_t hash = absl::Hash<absl::string_view>()(id);
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

void ResolveName(const Policy::Impl& policy, absl::string_view text, int32_t& queue,
                 int32_t& language) {
  queue = policy.FindQueueIndex(text);
  language = policy.FindLanguage(text);
}

void ResolveAgents(const Policy::Impl& policy, WaitingSlots::Exclusions& exclusions) {
  exclusions.agents.clear();
  for (const std::string& id : exclusions.ids) {
    exclusions.agents.push_back(policy.FindAgentIndex(id));
  }
}

}  // namespace

uint32_t WaitingSlots::Find(absl::string_view id) const {
  return index_.Find(HashOf(id), [&](uint32_t slot) { return IdOf(slot) == id; });
}

uint32_t WaitingSlots::Add(const Waiting& waiting, const Policy::Impl& policy) {
  uint32_t slot;
  if (free_slots_.empty()) {
    slot = size();
    slots_.emplace_back();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Slot& s = slots_[slot];
  const std::string& id = waiting.conversation_id;
  if (id.size() <= Slot::kIdBytes) {
    s.id_size = static_cast<uint8_t>(id.size());
    std::copy(id.begin(), id.end(), s.id.begin());
  } else {
    s.id_size = Slot::kLongId;
    long_ids_[slot] = id;
  }
  index_.Insert(HashOf(id), slot);
  s.since = Nanos(waiting.waiting_since);
  s.due = Nanos(waiting.sla_due);
  s.parts = waiting.priority.Sum();
  s.queue = Acquire(waiting.queue_id, policy);
  s.language = Acquire(waiting.language, policy);
  s.extra_steps = static_cast<uint8_t>(
      std::clamp<int32_t>(waiting.extra_relaxation_steps, 0, std::numeric_limits<uint8_t>::max()));
  s.kind = static_cast<uint8_t>(KindIndex(waiting.kind));
  s.anyone = waiting.anyone;
  if (!waiting.excluded_agent_ids.empty()) {
    s.exclusions = std::make_unique<Exclusions>();
    s.exclusions->ids = waiting.excluded_agent_ids;
    ResolveAgents(policy, *s.exclusions);
  }
  return slot;
}

void WaitingSlots::Remove(uint32_t slot) {
  index_.Erase(HashOf(IdOf(slot)), slot);
  Slot& s = slots_[slot];
  if (s.id_size == Slot::kLongId) long_ids_.erase(slot);
  Release(s.queue);
  Release(s.language);
  const uint32_t turn = s.turn;
  s = Slot();
  s.turn = turn;
  free_slots_.push_back(slot);
}

void WaitingSlots::Resolve(const Policy::Impl& policy) {
  for (Name& name : names_) {
    if (name.uses > 0) ResolveName(policy, name.text, name.queue, name.language);
  }
  for (Slot& slot : slots_) {
    if (slot.exclusions != nullptr) ResolveAgents(policy, *slot.exclusions);
  }
}

absl::string_view WaitingSlots::IdOf(uint32_t slot) const {
  const Slot& s = slots_[slot];
  if (s.id_size == Slot::kLongId) return long_ids_.find(slot)->second;
  return {s.id.data(), s.id_size};
}

bool WaitingSlots::IsMoreUrgent(const Urgency& a, const Urgency& b) const {
  if (a.slot == b.slot) return false;
  if (a.due_is_exact && b.due_is_exact && a.since != b.since) return a.since < b.since;
  const Slot& x = slots_[a.slot];
  const Slot& y = slots_[b.slot];
  if (x.due != y.due) return x.due < y.due;
  if (x.since != y.since) return x.since < y.since;
  return IdOf(a.slot) < IdOf(b.slot);
}

bool WaitingSlots::Excludes(uint32_t slot, uint32_t agent) const {
  const std::vector<int32_t>& agents = slots_[slot].exclusions->agents;
  return std::find(agents.begin(), agents.end(), static_cast<int32_t>(agent)) != agents.end();
}

uint32_t WaitingSlots::Acquire(absl::string_view text, const Policy::Impl& policy) {
  if (const auto it = name_index_.find(text); it != name_index_.end()) {
    ++names_[it->second].uses;
    return it->second;
  }
  uint32_t index;
  if (free_names_.empty()) {
    index = static_cast<uint32_t>(names_.size());
    names_.emplace_back();
  } else {
    index = free_names_.back();
    free_names_.pop_back();
  }
  Name& name = names_[index];
  name.text = std::string(text);
  name.uses = 1;
  ResolveName(policy, text, name.queue, name.language);
  name_index_.emplace(name.text, index);
  return index;
}

void WaitingSlots::Release(uint32_t index) {
  Name& name = names_[index];
  if (--name.uses > 0) return;
  name_index_.erase(name.text);
  name.text.clear();
  free_names_.push_back(index);
}

size_t WaitingSlots::MemoryBytes() const {
  size_t bytes = slots_.capacity() * sizeof(Slot) + free_slots_.capacity() * sizeof(uint32_t) +
                 index_.MemoryBytes();
  for (const auto& [slot, id] : long_ids_) bytes += id.capacity();
  bytes += long_ids_.capacity() * (sizeof(std::pair<uint32_t, std::string>) + 1);
  for (const Slot& slot : slots_) {
    if (slot.exclusions == nullptr) continue;
    bytes += sizeof(Exclusions) + slot.exclusions->agents.capacity() * sizeof(int32_t) +
             slot.exclusions->ids.capacity() * sizeof(std::string);
    for (const std::string& id : slot.exclusions->ids) bytes += id.capacity();
  }
  for (const Name& name : names_) bytes += 2 * name.text.capacity();
  return bytes + names_.capacity() * sizeof(Name) + free_names_.capacity() * sizeof(uint32_t) +
         name_index_.capacity() * (sizeof(std::pair<std::string, uint32_t>) + 1);
}

}  // namespace wissel::routing
