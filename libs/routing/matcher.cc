#include "libs/routing/matcher.h"

#include <algorithm>
#include <utility>

#include "libs/base/check.h"
#include "libs/routing/matcher_impl.h"

namespace wissel::routing {

using conversation::v1::Explanation;

namespace {

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return b > 0 ? std::numeric_limits<int64_t>::max() : std::numeric_limits<int64_t>::min();
}

int32_t ClampPriority(int64_t sum) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(sum, -kMaxEffectivePriority, kMaxEffectivePriority));
}

}  // namespace

Matcher::Impl::Impl(const MatcherLimits& limits) : limits_(limits) {
  Configure(Policy::Compile(config::v1::WorkspaceConfig(), ""));
}

void Matcher::Impl::Configure(std::shared_ptr<const Policy> policy) {
  const std::shared_ptr<const Policy> before = std::exchange(policy_, std::move(policy));
  p_ = &policy_->impl();
  agents_.Configure(*p_, before == nullptr ? nullptr : &before->impl());
  waiting_.Resolve(*p_);
  for (const uint32_t slot : relaxed_) waiting_[slot].relaxed = false;
  relaxed_.clear();
  RebuildGroups();
}

void Matcher::Impl::SetAgent(absl::string_view agent_id, const AgentLoad& load) {
  const int32_t found = p_->FindAgentIndex(agent_id);
  if (found < 0) return;
  const auto agent = static_cast<uint32_t>(found);
  requirements_.FetchPlaces(agent);
  requirements_.Improved(agent, agents_, agents_.Set(agent, load));
}

// ---- What is asked for

int64_t Matcher::Impl::Waited(int64_t since) const {
  if (now_ <= since) return 0;
  int64_t waited;
  return __builtin_sub_overflow(now_, since, &waited) ? std::numeric_limits<int64_t>::max()
                                                      : waited;
}

int32_t Matcher::Impl::Ring(const QueueData& queue, int64_t since, int32_t extra) const {
  const int64_t due = Policy::Impl::DueSteps(queue, Waited(since));
  return static_cast<int32_t>(
      std::min<int64_t>(static_cast<int64_t>(queue.steps.size()), due + std::max(0, extra)));
}

int32_t Matcher::Impl::EffectivePriority(const QueueData* queue, int64_t since,
                                         int64_t parts) const {
  if (queue == nullptr) return ClampPriority(parts);
  return ClampPriority(parts + queue->base_priority + Policy::Impl::Ageing(*queue, Waited(since)));
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
  const uint32_t group = requirements_.GroupOf(queue, language, ring, anyone);
  board_.Resize(requirements_.size());
  return group;
}

void Matcher::Impl::RebuildGroups() {
  requirements_.Reset(*p_);
  board_.Reset();
  waiting_in_queue_.assign(p_->queues.size(), 0);
  for (uint32_t slot = 0; slot < waiting_.size(); ++slot) {
    waiting_[slot].group = WaitingSlots::kNone;
    if (!waiting_.IsFree(slot)) Place(slot);
  }
  requirements_limit_ = std::max(limits_.requirements_kept, 2 * requirements_.size());
}

void Matcher::Impl::KeepGroupsBounded() {
  if (requirements_.size() >= requirements_limit_) RebuildGroups();
}

// ---- What waits

void Matcher::Impl::AddWaiting(const Waiting& waiting) {
  KeepGroupsBounded();
  RemoveWaiting(waiting.conversation_id);
  Place(waiting_.Add(waiting, *p_));
}

void Matcher::Impl::RemoveWaiting(absl::string_view conversation_id) {
  const uint32_t slot = waiting_.Find(conversation_id);
  if (slot == WaitingSlots::kNone) return;
  Unplace(slot);
  CancelSteps(slot);
  waiting_.Remove(slot);
}

bool Matcher::Impl::IsWaiting(absl::string_view conversation_id) const {
  return waiting_.Find(conversation_id) != WaitingSlots::kNone;
}

Urgency Matcher::Impl::UrgencyOf(absl::string_view conversation_id) const {
  const uint32_t slot = waiting_.Find(conversation_id);
  WISSEL_CHECK(slot != WaitingSlots::kNone) << conversation_id << " does not wait";
  return waiting_.UrgencyOf(slot);
}

bool Matcher::Impl::MoreUrgent(absl::string_view a, absl::string_view b) const {
  return waiting_.more_urgent()(UrgencyOf(a), UrgencyOf(b));
}

void Matcher::Impl::SortByUrgency(std::vector<std::string>& conversation_ids) const {
  if (conversation_ids.size() < 2) return;
  std::vector<Urgency> order;
  for (const std::string& id : conversation_ids) order.push_back(UrgencyOf(id));
  std::sort(order.begin(), order.end(), waiting_.more_urgent());
  for (size_t i = 0; i < order.size(); ++i) {
    conversation_ids[i] = std::string(waiting_.IdOf(order[i].slot));
  }
}

int32_t Matcher::Impl::WaitingCount(absl::string_view queue_id) const {
  const int32_t queue = p_->FindQueueIndex(queue_id);
  return queue < 0 ? 0 : waiting_in_queue_[queue];
}

std::vector<Matcher::QueueCount> Matcher::Impl::CountWaiting() const {
  std::vector<QueueCount> counts;
  counts.reserve(p_->queues.size());
  for (int32_t queue = 0; queue < static_cast<int32_t>(p_->queues.size()); ++queue) {
    QueueCount& count = counts.emplace_back();
    count.queue_id = p_->queues[queue].queue_id();
    count.waiting = waiting_in_queue_[queue];
    if (count.waiting == 0) continue;
    const auto last_ring = static_cast<int32_t>(p_->queue_data[queue].steps.size());
    for (const uint32_t index : requirements_.GroupsOfQueue(queue)) {
      const Group& group = requirements_[index];
      if (group.eligible_count > 0) continue;
      const auto waiting = static_cast<int32_t>(board_.Count(index));
      if (waiting == 0) continue;
      const Policy::Impl::Need need = p_->Require(queue, group.language, last_ring, false);
      if (p_->Eligible(need, p_->Members(need)).Count() == 0) count.unmeetable += waiting;
    }
  }
  return counts;
}

void Matcher::Impl::CancelSteps(uint32_t slot) {
  WaitingSlots::Slot& s = waiting_[slot];
  ++s.turn;
  const auto holds = [this](uint32_t other, uint32_t turn) { return waiting_[other].turn == turn; };
  if (s.will_relax) next_relaxation_.Forget(holds);
  if (s.will_age) next_ageing_.Forget(holds);
  s.will_relax = false;
  s.will_age = false;
}

void Matcher::Impl::Place(uint32_t slot) {
  CancelSteps(slot);
  const int32_t queue = waiting_.QueueOf(slot);
  if (queue < 0) return;
  WaitingSlots::Slot& s = waiting_[slot];
  const QueueData& data = p_->queue_data[queue];
  s.ring = static_cast<uint8_t>(Ring(data, s.since, s.extra_steps));
  s.rank = -EffectivePriority(&data, s.since, s.parts);
  s.group = GroupOf(queue, waiting_.LanguageOf(slot), s.ring, s.anyone);
  board_.Insert(s.group, s.kind, waiting_.UrgencyOf(slot), waiting_.more_urgent());
  ++waiting_in_queue_[queue];

  const int64_t waited = Waited(s.since);
  if (!s.anyone && s.ring < data.steps.size()) {
    const int32_t due_steps = Policy::Impl::DueSteps(data, waited);
    next_relaxation_.Push(slot, s.turn, SaturatingAdd(s.since, data.steps[due_steps].after_ns));
    s.will_relax = true;
  }
  if (data.ageing_points > 0 && Policy::Impl::Ageing(data, waited) < data.max_ageing_points) {
    const int64_t gone = waited - waited % data.ageing_interval_ns;
    next_ageing_.Push(slot, s.turn,
                      SaturatingAdd(s.since, SaturatingAdd(gone, data.ageing_interval_ns)));
    s.will_age = true;
  }
}

void Matcher::Impl::Unplace(uint32_t slot) {
  WaitingSlots::Slot& s = waiting_[slot];
  if (s.group == WaitingSlots::kNone) return;
  const bool erased =
      board_.Erase(s.group, s.kind, waiting_.UrgencyOf(slot), waiting_.more_urgent());
  WISSEL_CHECK(erased) << "a waiting conversation is not where it should be: "
                       << waiting_.IdOf(slot);
  --waiting_in_queue_[requirements_[s.group].queue];
  s.group = WaitingSlots::kNone;
}

void Matcher::Impl::Move(uint32_t slot) {
  WaitingSlots::Slot& s = waiting_[slot];
  const uint8_t ring = s.ring;
  Unplace(slot);
  Place(slot);
  if (s.anyone || s.ring <= ring || s.relaxed) return;
  s.relaxed = true;
  relaxed_.push_back(slot);
}

void Matcher::Impl::Advance(absl::Time now) {
  const int64_t ns = Nanos(now);
  if (ns <= now_) return;
  now_ = ns;
  // Both look at the present alone, so what has been moved once is up to date.
  for (StepHeap* next : {&next_relaxation_, &next_ageing_}) {
    while (!next->empty() && next->top_time() <= now_) Move(next->top_slot());
  }
}

absl::Time Matcher::Impl::NextRelaxation() const {
  return next_relaxation_.empty() ? absl::InfiniteFuture()
                                  : absl::FromUnixNanos(next_relaxation_.top_time());
}

std::vector<std::string> Matcher::Impl::TakeRelaxed() {
  std::vector<Urgency> order;
  for (const uint32_t slot : relaxed_) {
    if (!waiting_[slot].relaxed) continue;
    waiting_[slot].relaxed = false;
    order.push_back(waiting_.UrgencyOf(slot));
  }
  relaxed_.clear();
  std::sort(order.begin(), order.end(), waiting_.more_urgent());
  std::vector<std::string> ids;
  ids.reserve(order.size());
  for (const Urgency& urgency : order) ids.emplace_back(waiting_.IdOf(urgency.slot));
  return ids;
}

int32_t Matcher::Impl::Position(absl::string_view conversation_id) const {
  const uint32_t slot = waiting_.Find(conversation_id);
  if (slot == WaitingSlots::kNone || waiting_[slot].group == WaitingSlots::kNone) return 0;
  const Urgency urgency = waiting_.UrgencyOf(slot);
  size_t before = 0;
  for (const uint32_t group :
       requirements_.GroupsOfQueue(requirements_[waiting_[slot].group].queue)) {
    before += board_.CountBefore(group, urgency, waiting_.more_urgent());
  }
  return static_cast<int32_t>(before + 1);
}

Matcher::Standing Matcher::Impl::StandingOf(absl::string_view conversation_id) const {
  const uint32_t slot = waiting_.Find(conversation_id);
  if (slot == WaitingSlots::kNone || waiting_[slot].group == WaitingSlots::kNone) return {};
  const Urgency urgency = waiting_.UrgencyOf(slot);
  const Group& mine = requirements_[waiting_[slot].group];
  const AgentSet& at_work = agents_.available();
  const int64_t able = AgentSet::CountCommon(mine.eligible, at_work);
  Standing standing{.position = 1};
  AgentSet asked = mine.eligible;
  AgentSet rivals(agents_.size());
  int64_t ahead_of_rivals = 0;
  for (const uint32_t index : requirements_.GroupsOfQueue(mine.queue)) {
    if (board_.Count(index) == 0) continue;
    const AgentSet& theirs = requirements_[index].eligible;
    asked |= theirs;
    const size_t before = board_.CountBefore(index, urgency, waiting_.more_urgent());
    if (before == 0) continue;
    standing.position += static_cast<int32_t>(before);
    const int64_t shared = AgentSet::CountCommon(theirs, mine.eligible, at_work);
    if (shared == 0) continue;
    const int64_t ahead =
        static_cast<int64_t>(before) * (shared * 1'000 / AgentSet::CountCommon(theirs, at_work));
    if (shared == able) {
      standing.ahead_permille += ahead;
    } else {
      rivals |= theirs;
      ahead_of_rivals += ahead;
    }
  }
  const int64_t taken = AgentSet::CountCommon(rivals, mine.eligible, at_work);
  if (taken < able) {
    const int64_t in_turn = (1'000 + standing.ahead_permille) * taken / (able - taken);
    ahead_of_rivals = std::min(ahead_of_rivals, in_turn);
  }
  standing.ahead_permille += ahead_of_rivals;

  const QueueData& queue = p_->queue_data[mine.queue];
  const auto share_of = [able](int64_t agents) {
    return static_cast<int32_t>(
        std::min<int64_t>(1'000, able * 1'000 / std::max<int64_t>(1, agents)));
  };
  standing.able_permille = share_of(AgentSet::CountCommon(queue.primary, at_work) +
                                    AgentSet::CountCommon(queue.secondary, at_work));
  standing.able_of_asked_permille = share_of(AgentSet::CountCommon(asked, at_work));
  return standing;
}

size_t Matcher::Impl::MemoryBytes() const {
  return sizeof(*this) + agents_.MemoryBytes() + requirements_.MemoryBytes() +
         waiting_.MemoryBytes() + board_.MemoryBytes() + next_ageing_.MemoryBytes() +
         next_relaxation_.MemoryBytes() + waiting_in_queue_.capacity() * sizeof(int32_t) +
         relaxed_.capacity() * sizeof(uint32_t);
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
bool Matcher::MoreUrgent(absl::string_view a, absl::string_view b) const {
  return impl_->MoreUrgent(a, b);
}
void Matcher::SortByUrgency(std::vector<std::string>& conversation_ids) const {
  impl_->SortByUrgency(conversation_ids);
}
int32_t Matcher::WaitingCount(absl::string_view queue_id) const {
  return impl_->WaitingCount(queue_id);
}
void Matcher::Advance(absl::Time now) { impl_->Advance(now); }
absl::Time Matcher::NextRelaxation() const { return impl_->NextRelaxation(); }
std::vector<std::string> Matcher::TakeRelaxed() { return impl_->TakeRelaxed(); }
std::vector<Matcher::QueueCount> Matcher::CountWaiting() const { return impl_->CountWaiting(); }
std::optional<std::string> Matcher::ChooseAgent(const Waiting& waiting) const {
  return impl_->ChooseAgent(waiting);
}
std::optional<std::string> Matcher::ChooseConversation(absl::string_view agent_id) const {
  return impl_->ChooseConversation(agent_id);
}
Explanation Matcher::Explain(const Waiting& waiting) const {
  Explanation out;
  Explain(waiting, out);
  return out;
}
void Matcher::Explain(const Waiting& waiting, Explanation& out) const {
  impl_->Explain(waiting, out);
}
Explanation Matcher::ExplainGiven(absl::string_view agent_id, const Waiting& waiting) const {
  return impl_->ExplainGiven(agent_id, waiting);
}
std::optional<PassedOver> Matcher::WhyNot(absl::string_view agent_id, const Waiting& waiting,
                                          const Check& check) const {
  return impl_->WhyNot(agent_id, waiting, check);
}
Obstacles Matcher::FindObstacles(absl::string_view agent_id, const Waiting& waiting) const {
  return impl_->FindObstacles(agent_id, waiting);
}
conversation::v1::Priority Matcher::PriorityOf(const Waiting& waiting) const {
  return impl_->PriorityOf(waiting);
}
int32_t Matcher::Position(absl::string_view conversation_id) const {
  return impl_->Position(conversation_id);
}
Matcher::Standing Matcher::StandingOf(absl::string_view conversation_id) const {
  return impl_->StandingOf(conversation_id);
}
size_t Matcher::MemoryBytes() const { return impl_->MemoryBytes(); }

}  // namespace wissel::routing
