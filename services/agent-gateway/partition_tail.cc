#include "services/agent-gateway/partition_tail.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"

namespace wissel::agent_gateway {

using conversation::v1::Event;

namespace {

constexpr size_t kReadBatch = 512;
constexpr absl::Duration kIdleWait = absl::Seconds(1);
constexpr absl::Duration kRetryAfter = absl::Milliseconds(200);

void EraseValue(absl::flat_hash_map<std::string, std::vector<Subscriber*>>& index,
                const std::string& key, const Subscriber* value) {
  const auto it = index.find(key);
  if (it == index.end()) return;
  std::erase(it->second, value);
  if (it->second.empty()) index.erase(it);
}

}  // namespace

PartitionTail::PartitionTail(bus::Bus& bus, Options options, telemetry::Logger log)
    : bus_(bus), options_(std::move(options)), log_(std::move(log)) {
  thread_ = StartThread(absl::StrCat("tail-", options_.partition),
                        [this](std::stop_token stop) { Run(std::move(stop)); });
}

PartitionTail::~PartitionTail() {
  thread_.request_stop();
  wakeup_->Notify();
}

void PartitionTail::Post(Task task) {
  {
    MutexLock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  wakeup_->Notify();
}

void PartitionTail::Beat() {
  Post([this] {
    if (!ready_) return;
    for (const auto& [unused, subscription] : subscriptions_) {
      if (subscription.live) subscription.subscriber->OnBeat(view_->position());
    }
  });
}

void PartitionTail::Subscribe(std::shared_ptr<Subscriber> subscriber, const Position& from) {
  Post([this, subscriber = std::move(subscriber), from] {
    if (ready_) return Start(subscriber, from);
    waiting_.push_back([this, subscriber, from] { Start(subscriber, from); });
  });
}

void PartitionTail::Start(const std::shared_ptr<Subscriber>& subscriber, const Position& from) {
  Subscription& subscription = subscriptions_[subscriber.get()];
  subscription.subscriber = subscriber;
  subscription.next = from;
  Pump(subscription);
}

void PartitionTail::Go(std::shared_ptr<Subscriber> subscriber) {
  Post([this, subscriber = std::move(subscriber)] {
    const auto it = subscriptions_.find(subscriber.get());
    if (it != subscriptions_.end() && !it->second.live) Pump(it->second);
  });
}

void PartitionTail::Unsubscribe(std::shared_ptr<Subscriber> subscriber) {
  Post([this, subscriber = std::move(subscriber)] {
    // Whoever still waits for the state is answered, and ignores it: it has ended.
    Remove(subscriber.get());
  });
}

void PartitionTail::Expect(const std::string& command_id, std::shared_ptr<OutcomeWaiter> waiter,
                           Task append) {
  {
    MutexLock lock(mutex_);
    expected_[command_id].push_back(std::move(waiter));
    if (!may_append_) return held_.push_back(std::move(append));
  }
  append();
}

void PartitionTail::AppendHeld() {
  while (true) {
    std::vector<Task> held;
    {
      MutexLock lock(mutex_);
      may_append_ = held_.empty();
      held.swap(held_);
    }
    if (held.empty()) return;
    for (Task& append : held) append();
  }
}

void PartitionTail::StopExpecting(const std::string& command_id, const OutcomeWaiter* waiter) {
  std::shared_ptr<OutcomeWaiter> last_reference;  // must not go while the lock is held
  MutexLock lock(mutex_);
  const auto it = expected_.find(command_id);
  if (it == expected_.end()) return;
  for (auto& expecting : it->second) {
    if (expecting.get() == waiter) last_reference = std::move(expecting);
  }
  std::erase(it->second, nullptr);
  if (it->second.empty()) expected_.erase(it);
}

void PartitionTail::Ask(absl::AnyInvocable<void(const PartitionView&)> question) {
  Post([this, question = std::move(question)]() mutable {
    if (ready_) return question(*view_);
    waiting_.push_back([this, question = std::move(question)]() mutable { question(*view_); });
  });
}

void PartitionTail::Run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    RunTasks();
    if (reader_ == nullptr) {
      if (const absl::Status status = Open(); !status.ok()) {
        log_.Warning("log cannot be read", {{"partition", partition()}, {"status", status}});
        wakeup_->Wait(kRetryAfter);
        continue;
      }
    }
    if (!ReadSome()) wakeup_->Wait(kIdleWait);
  }
  LoseAll(absl::UnavailableError("the gateway is stopping"));
}

absl::Status PartitionTail::Open() {
  bus::LogReaderOptions options{.wakeup = wakeup_};
  domain::State state;
  if (options_.load_checkpoint) {
    absl::StatusOr<Checkpoint> checkpoint = options_.load_checkpoint(options_.partition);
    if (checkpoint.ok()) {
      state = std::move(checkpoint->state);
      options.from = checkpoint->position;
    } else {
      // The log alone is enough; it only takes longer.
      const telemetry::Severity severity = absl::IsNotFound(checkpoint.status())
                                               ? telemetry::Severity::kInfo
                                               : telemetry::Severity::kWarning;
      log_.Write(severity, "no checkpoint, folding the log",
                 {{"partition", partition()}, {"reason", checkpoint.status()}});
    }
  }
  WISSEL_ASSIGN_OR_RETURN(auto reader, bus::LogReader::Open(bus_, partition(), std::move(options)));
  WISSEL_ASSIGN_OR_RETURN(load_until_, reader->EndOffset());
  const bus::LogPosition from = reader->position();
  // Where the head has been cut off, the state is whole after a complete restating round.
  if (!options.from && from.offset > 0) state.BeginsAfterCut();
  view_ = std::make_unique<PartitionView>(partition(), options_.limits, std::move(state), from);
  reader_ = std::move(reader);
  return absl::OkStatus();
}

// True if there may be more at once.
bool PartitionTail::ReadSome() {
  absl::StatusOr<std::vector<bus::LogEntry>> records =
      reader_->Poll(kReadBatch, absl::ZeroDuration());
  if (!records.ok()) {
    log_.Warning("place in the log lost, starting over",
                 {{"partition", partition()}, {"status", records.status()}});
    LoseAll(records.status());
    return false;
  }
  const int64_t before = view_->position().next_offset;
  for (bus::LogEntry& record : *records) {
    const EntryPtr entry = view_->Apply(std::move(record));
    if (entry == nullptr) continue;
    if (ready_) Show(entry);
    Answer(entry);
  }
  view_->SkipTo(reader_->position());
  const bool moved = view_->position().next_offset != before;
  offset_.store(view_->position().next_offset, std::memory_order_relaxed);
  if (moved && !ahead_.empty()) PumpAhead();
  if (!ready_ && view_->position().next_offset >= load_until_ && view_->state().whole()) {
    ready_ = true;
    for (Task& task : std::exchange(waiting_, {})) task();
    AnswerWhatIsDecided();
    AppendHeld();
  }
  return moved;
}

void PartitionTail::RunTasks() {
  std::vector<Task> tasks;
  {
    MutexLock lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) task();
}

// The streams that may see something of it are found by agent and by routing group; each then
// decides for itself, event by event.
void PartitionTail::Show(const EntryPtr& entry) {
  Addressees addressees;
  for (int i = 0; i < entry->decision.events_size(); ++i) {
    AddAddressees(entry->decision.events(i), entry->facts[static_cast<size_t>(i)], addressees);
  }
  audience_.clear();
  const auto add = [this](const auto& index, const std::vector<std::string>& keys) {
    if (index.empty()) return;
    for (const std::string& key : keys) {
      const auto it = index.find(key);
      if (it == index.end()) continue;
      audience_.insert(audience_.end(), it->second.begin(), it->second.end());
    }
  };
  add(live_by_group_, addressees.groups);
  add(live_by_agent_, addressees.agents);
  std::sort(audience_.begin(), audience_.end());
  audience_.erase(std::unique(audience_.begin(), audience_.end()), audience_.end());
  for (Subscriber* subscriber : audience_) {
    if (subscriber->Take(*entry) == Subscriber::Taken::kTaken) continue;
    const std::shared_ptr<Subscriber> kept = subscriptions_.at(subscriber).subscriber;
    Remove(subscriber);
    kept->OnOverflow();
  }
}

void PartitionTail::Answer(const EntryPtr& entry) {
  if (entry->command_id.empty()) return;
  std::vector<std::shared_ptr<OutcomeWaiter>> waiters;
  {
    MutexLock lock(mutex_);
    const auto it = expected_.find(entry->command_id);
    if (it == expected_.end()) return;
    waiters = std::move(it->second);
    expected_.erase(it);
  }
  const EntryPtr first = view_->FindCommand(entry->command_id);
  for (const auto& waiter : waiters)
    waiter->OnOutcome(*entry, first == entry ? nullptr : first.get());
}

// What was decided before the place where reading began is not read any more.
void PartitionTail::AnswerWhatIsDecided() {
  std::vector<std::string> decided;
  {
    MutexLock lock(mutex_);
    for (const auto& [command_id, unused] : expected_) {
      if (view_->state().Seen(command_id)) decided.push_back(command_id);
    }
  }
  for (const std::string& command_id : decided) {
    auto entry = std::make_shared<Entry>();
    entry->cursor = ToCursor(view_->position());
    entry->command_id = command_id;
    entry->decision.add_events()->mutable_duplicate_skipped()->set_id(command_id);
    entry->facts.emplace_back();
    Answer(entry);
  }
}

void PartitionTail::Pump(Subscription& subscription) {
  const std::shared_ptr<Subscriber> subscriber = subscription.subscriber;
  const auto end = [&](auto tell) {
    Remove(subscriber.get());
    tell();
  };
  const Position next = subscription.next;
  if (next.next_offset < view_->ring_start()) {
    return end([&] { subscriber->OnTooOld(next); });
  }
  if (next.next_offset > view_->position().next_offset) {
    const absl::StatusOr<int64_t> log_end = reader_->EndOffset();
    if (log_end.ok() && next.next_offset > *log_end) {
      return end([&] {
        subscriber->OnLost(absl::OutOfRangeError("the cursor lies beyond the log's end"));
      });
    }
    ahead_.push_back(subscriber.get());
    return;
  }
  for (size_t i = view_->IndexOf(next.next_offset); i < view_->size(); ++i) {
    const EntryPtr& entry = view_->at(i);
    if (subscriber->Take(*entry) == Subscriber::Taken::kFull) return;
    subscription.next = PositionAfter(partition(), *entry);
  }
  GoLive(subscription);
}

void PartitionTail::PumpAhead() {
  for (const Subscriber* subscriber : std::exchange(ahead_, {})) {
    const auto it = subscriptions_.find(subscriber);
    if (it != subscriptions_.end() && !it->second.live) Pump(it->second);
  }
}

void PartitionTail::GoLive(Subscription& subscription) {
  Subscriber* const subscriber = subscription.subscriber.get();
  subscription.live = true;
  const Viewer& viewer = subscriber->viewer();
  if (!viewer.agent.empty()) {
    live_by_agent_[domain::AgentKey(viewer.workspace, viewer.agent)].push_back(subscriber);
  }
  if (viewer.whole_group) {
    live_by_group_[domain::RoutingKey(viewer.workspace, viewer.routing_group)].push_back(
        subscriber);
  }
  subscriber->OnLive(view_->position());
}

void PartitionTail::Remove(const Subscriber* subscriber) {
  const auto it = subscriptions_.find(subscriber);
  if (it == subscriptions_.end()) return;
  if (it->second.live) {
    const Viewer& viewer = subscriber->viewer();
    EraseValue(live_by_agent_, domain::AgentKey(viewer.workspace, viewer.agent), subscriber);
    EraseValue(live_by_group_, domain::RoutingKey(viewer.workspace, viewer.routing_group),
               subscriber);
  }
  subscriptions_.erase(it);
}

void PartitionTail::LoseAll(const absl::Status& status) {
  auto lost = std::exchange(subscriptions_, {});
  ahead_.clear();
  live_by_agent_.clear();
  live_by_group_.clear();
  ready_ = false;
  {
    MutexLock lock(mutex_);
    may_append_ = false;
  }
  reader_ = nullptr;
  view_ = nullptr;
  for (auto& [subscriber, subscription] : lost) subscription.subscriber->OnLost(status);
}

}  // namespace wissel::agent_gateway
