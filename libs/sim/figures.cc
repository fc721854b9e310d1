#include "libs/sim/figures.h"

#include <algorithm>
#include <utility>

#include "libs/routing/sla_config.h"

namespace wissel::sim {

namespace {

constexpr int kSlices = 96;

void Add(const QueueReport& queue, QueueReport& total) {
  total.arrived += queue.arrived;
  total.served += queue.served;
  total.abandoned += queue.abandoned;
  total.left_waiting += queue.left_waiting;
  total.in_time += queue.in_time;
  total.first_response_breaches += queue.first_response_breaches;
  for (size_t i = 0; i < queue.sla.size(); ++i) {
    total.sla[i].warned += queue.sla[i].warned;
    total.sla[i].breached += queue.sla[i].breached;
  }
  for (int64_t Offers::*what :
       {&Offers::made, &Offers::accepted, &Offers::declined, &Offers::missed, &Offers::withdrawn}) {
    total.offers.*what += queue.offers.*what;
  }
  total.mean_waiting += queue.mean_waiting;
}

}  // namespace

OverTime::OverTime(absl::Time begin, absl::Duration slice, size_t slices, absl::Time counted_from)
    : begin_(begin), slice_(slice), counted_from_(counted_from), last_(begin), sums_(slices) {}

void OverTime::Set(absl::Time now, double value) {
  Advance(now);
  value_ = value;
}

void OverTime::Advance(absl::Time now) {
  while (last_ < now) {
    const auto i = static_cast<size_t>((last_ - begin_) / slice_);
    if (i >= sums_.size()) return;
    const absl::Time until = std::min(now, begin_ + slice_ * static_cast<int64_t>(i + 1));
    sums_[i] += value_ * absl::ToDoubleSeconds(until - last_);
    if (until > counted_from_) {
      total_ += value_ * absl::ToDoubleSeconds(until - std::max(last_, counted_from_));
    }
    last_ = until;
  }
}

Figures::Figures(const SimulationOptions& options)
    : options_(options),
      counted_from_(options.start + options.warm_up),
      slice_(std::max(absl::Seconds(1), options.length / kSlices)),
      slices_(static_cast<size_t>(absl::ToDoubleSeconds(options.length + options.run_out) /
                                  absl::ToDoubleSeconds(slice_)) +
              1),
      waiting_(NewOverTime()),
      used_(NewOverTime()),
      capacity_(NewOverTime()),
      on_duty_(NewOverTime()),
      slice_waits_(slices_),
      slice_arrived_(slices_),
      slice_breached_(slices_),
      slice_over_target_(slices_) {}

void Figures::Takes(const config::v1::WorkspaceConfig& config) {
  for (const config::v1::SlaPolicy& policy : config.sla_policies()) {
    has_policies_ = true;
    for (const config::v1::SlaTarget& target : policy.targets()) {
      if (target.metric() <= 0 || target.metric() > static_cast<int>(promised_.size())) continue;
      promised_[static_cast<size_t>(routing::FromProto(target.metric()))] = true;
    }
  }
}

bool Figures::Counts(absl::Time arrival) const {
  return arrival >= counted_from_ && arrival < options_.start + options_.length;
}

size_t Figures::SliceOf(absl::Time time) const {
  return std::min(slices_ - 1, static_cast<size_t>(
                                   std::max(absl::ZeroDuration(), time - options_.start) / slice_));
}

int Figures::FindQueue(absl::string_view id) {
  const auto [it, is_new] = queue_of_.emplace(std::string(id), static_cast<int>(queues_.size()));
  if (is_new) queues_.push_back({.queue_id = std::string(id), .waiting = NewOverTime()});
  return it->second;
}

void Figures::Arrived(absl::Time arrival) { ++slice_arrived_[SliceOf(arrival)]; }

void Figures::SetWaiting(int queue, absl::Time now, bool waiting) {
  const auto change = [&](OverTime& value, int64_t& max) {
    const double before = value.value();
    value.Set(now, before + (waiting ? 1 : -1));
    if (now < counted_from_) return;
    // It was as before until now.
    max = std::max({max, static_cast<int64_t>(before), static_cast<int64_t>(value.value())});
  };
  change(waiting_, max_waiting_);
  change(At(queue).waiting, At(queue).max_waiting);
}

void Figures::WaitIsOver(int queue, const std::string& conversation_id, absl::Time arrival,
                         absl::Time now, Outcome::Fate fate) {
  Queue& q = At(queue);
  const absl::Duration wait = now - arrival;
  ++q.arrived;
  switch (fate) {
    case Outcome::Fate::kServed:
      q.waits.push_back(wait);
      slice_waits_[SliceOf(arrival)].push_back(wait);
      if (options_.service_level.has_value() && wait <= *options_.service_level) ++q.in_time;
      break;
    case Outcome::Fate::kAbandoned:
      ++q.abandoned;
      break;
    case Outcome::Fate::kLeftWaiting:
      ++q.left_waiting;
      break;
  }
  if (options_.on_outcome) {
    options_.on_outcome({.conversation_id = conversation_id,
                         .queue_id = q.queue_id,
                         .arrival = arrival,
                         .fate = fate,
                         .wait = wait});
  }
}

void Figures::Answered(int queue, absl::Time arrival, absl::Time now) {
  At(queue).first_responses.push_back(now - arrival);
}

bool Figures::HoldAgainstTarget(int queue, absl::Time arrival, absl::Time now) {
  const std::optional<absl::Duration>& target = options_.first_response_target;
  if (!target.has_value() || now - arrival <= *target) return false;
  ++At(queue).over_target;
  ++slice_over_target_[SliceOf(arrival + *target)];
  return true;
}

void Figures::Said(int queue, routing::SlaMetric metric, bool breach, absl::Time now) {
  SlaFigures& clock = At(queue).sla[static_cast<size_t>(metric)];
  ++(breach ? clock.breached : clock.warned);
  if (breach) ++slice_breached_[SliceOf(now)];
}

int Figures::AddAgent(const std::string& id, absl::Time now) {
  agents_.push_back({.id = id, .since = now});
  return static_cast<int>(agents_.size()) - 1;
}

void Figures::Look(int index, const state::v1::AgentState* state, absl::Time now) {
  Agent& agent = agents_[static_cast<size_t>(index)];
  const absl::Duration passed = now - std::max(agent.since, counted_from_);
  if (agent.on_duty && passed > absl::ZeroDuration()) {
    agent.duty += passed;
    agent.capacity_seconds += agent.capacity * absl::ToDoubleSeconds(passed);
    agent.used_seconds += agent.used * absl::ToDoubleSeconds(passed);
    if (agent.used > 0) agent.busy += passed;
  }
  agent.since = now;
  const int32_t used = state == nullptr ? 0 : state->used_units();
  const int32_t capacity = state == nullptr ? 0 : state->capacity_units();
  const bool on_duty = state != nullptr && (state->presence() == command::v1::PRESENCE_AVAILABLE ||
                                            state->presence() == command::v1::PRESENCE_DRAINING);
  used_.Set(now, used_.value() + (on_duty ? used : 0) - (agent.on_duty ? agent.used : 0));
  capacity_.Set(
      now, capacity_.value() + (on_duty ? capacity : 0) - (agent.on_duty ? agent.capacity : 0));
  on_duty_.Set(now, on_duty_.value() + (on_duty ? 1 : 0) - (agent.on_duty ? 1 : 0));
  agent.used = used;
  agent.capacity = capacity;
  agent.on_duty = on_duty;
}

void Figures::GotConversation(int agent, absl::Time now) {
  if (now >= counted_from_) ++agents_[static_cast<size_t>(agent)].conversations;
}

void Figures::CountAgentsOffer(int agent, absl::Time now, int64_t Offers::*what) {
  if (agent >= 0 && now >= counted_from_) ++(agents_[static_cast<size_t>(agent)].offers.*what);
}

void Figures::CountOffer(int queue, int64_t Offers::*what) {
  if (queue >= 0) ++(At(queue).offers.*what);
}

QueueReport Figures::ReportQueue(Queue& queue, double seconds) const {
  QueueReport r;
  r.queue_id = queue.queue_id;
  r.arrived = queue.arrived;
  r.served = static_cast<int64_t>(queue.waits.size());
  r.abandoned = queue.abandoned;
  r.left_waiting = queue.left_waiting;
  r.wait = Summarise(std::move(queue.waits));
  r.first_response = Summarise(std::move(queue.first_responses));
  r.in_time = queue.in_time;
  r.sla = queue.sla;
  r.first_response_breaches =
      has_policies_ ? queue.sla[static_cast<size_t>(routing::SlaMetric::kFirstResponse)].breached
                    : queue.over_target;
  r.offers = queue.offers;
  r.mean_waiting = queue.waiting.total() / seconds;
  r.max_waiting = queue.max_waiting;
  return r;
}

std::vector<Slice> Figures::ReportSlices(absl::Time now) {
  std::vector<Slice> slices;
  const double slice_seconds = absl::ToDoubleSeconds(slice_);
  for (size_t i = 0; i < slices_; ++i) {
    const absl::Time begin = options_.start + slice_ * static_cast<int64_t>(i);
    if (begin >= now) break;
    const double in_slice = std::min(slice_seconds, absl::ToDoubleSeconds(now - begin));
    slices.push_back(
        {.begin = begin,
         .arrived = slice_arrived_[i],
         .wait = Summarise(std::move(slice_waits_[i])),
         .breached = has_policies_ ? slice_breached_[i] : slice_over_target_[i],
         .mean_waiting = waiting_.InSlice(i) / in_slice,
         .occupancy = capacity_.InSlice(i) > 0 ? used_.InSlice(i) / capacity_.InSlice(i) : 0,
         .agents = on_duty_.InSlice(i) / in_slice});
  }
  return slices;
}

Report Figures::Finish(absl::Time now) {
  for (OverTime* series : {&waiting_, &used_, &capacity_, &on_duty_}) series->Advance(now);
  Report report;
  report.start = options_.start;
  report.end = now;
  report.slice = slice_;
  report.service_level = options_.service_level;
  report.promised = promised_;
  report.has_sla_policies = has_policies_;
  if (!has_policies_) report.first_response_target = options_.first_response_target;
  const double seconds = std::max(1e-9, absl::ToDoubleSeconds(now - counted_from_));

  std::vector<absl::Duration> waits;
  std::vector<absl::Duration> first_responses;
  for (Queue& queue : queues_) {
    queue.waiting.Advance(now);
    queue.max_waiting = std::max(queue.max_waiting, static_cast<int64_t>(queue.waiting.value()));
    waits.insert(waits.end(), queue.waits.begin(), queue.waits.end());
    first_responses.insert(first_responses.end(), queue.first_responses.begin(),
                           queue.first_responses.end());
    Add(report.queues.emplace_back(ReportQueue(queue, seconds)), report.total);
  }
  report.total.max_waiting = std::max(max_waiting_, static_cast<int64_t>(waiting_.value()));
  report.total.wait = Summarise(std::move(waits));
  report.total.first_response = Summarise(std::move(first_responses));

  double used = 0;
  double capacity = 0;
  for (const Agent& agent : agents_) {
    report.agents.push_back({.agent_id = agent.id,
                             .conversations = agent.conversations,
                             .offers = agent.offers,
                             .on_duty = agent.duty,
                             .busy = agent.busy,
                             .occupancy = agent.capacity_seconds > 0
                                              ? agent.used_seconds / agent.capacity_seconds
                                              : 0});
    used += agent.used_seconds;
    capacity += agent.capacity_seconds;
  }
  std::sort(report.agents.begin(), report.agents.end(),
            [](const AgentReport& a, const AgentReport& b) { return a.agent_id < b.agent_id; });
  report.occupancy = capacity > 0 ? used / capacity : 0;
  report.slices = ReportSlices(now);
  return report;
}

}  // namespace wissel::sim
