#include "libs/channel/deliverer.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/backoff.h"
#include "libs/base/mutex.h"
#include "libs/base/notification.h"
#include "libs/base/proto_time.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/base/uuid.h"
#include "libs/bus/content_type.h"
#include "libs/bus/log_reader.h"
#include "libs/bus/resume.h"
#include "libs/bus/wakeup.h"
#include "libs/channel/ids.h"
#include "libs/channel/outbox.h"
#include "libs/channel/outbox_store.h"
#include "libs/channel/publisher.h"
#include "libs/telemetry/trace.h"

namespace wissel::channel {
namespace {

constexpr size_t kPollRecords = 1000;
constexpr absl::Duration kIdleWait = absl::Milliseconds(500);
constexpr absl::Duration kReportInterval = absl::Milliseconds(100);
constexpr absl::Duration kReopenPause = absl::Seconds(1);

std::vector<std::string> ChannelNames() { return {"email", "whatsapp", "sms", "chat", "social"}; }

struct Metrics {
  Metrics(telemetry::Registry& registry, absl::string_view channel)
      : attempts(registry.AddCounterFamily(
            "wissel_deliver_attempts_total", "Calls to the provider, by what became of them.",
            {{"channel", ChannelNames()},
             {"outcome", {"accepted", "retry", "failed", "reauthorise", "uncertain"}}})),
        partitions(registry
                       .AddGaugeFamily("wissel_deliver_partitions",
                                       "Partitions of the log that this one looks after.",
                                       {{"channel", ChannelNames()}})
                       .With({channel})),
        started(registry
                    .AddGaugeFamily("wissel_deliver_started_partitions",
                                    "Of those, the ones whose router has taken its marker: no "
                                    "answer goes out of the others.",
                                    {{"channel", ChannelNames()}})
                    .With({channel})),
        open(registry
                 .AddGaugeFamily("wissel_deliver_open_messages",
                                 "Messages that are neither settled nor held.",
                                 {{"channel", ChannelNames()}})
                 .With({channel})),
        oldest(registry
                   .AddGaugeFamily("wissel_deliver_oldest_open_seconds",
                                   "Since the oldest of the open messages was written; 0 where "
                                   "there is none.",
                                   {{"channel", ChannelNames()}})
                   .With({channel})),
        held(registry
                 .AddGaugeFamily("wissel_deliver_held_messages",
                                 "Messages that wait for a person to decide.",
                                 {{"channel", ChannelNames()}})
                 .With({channel})),
        call_seconds(registry
                         .AddHistogramFamily("wissel_deliver_call_seconds",
                                             "From calling the provider to its outcome.",
                                             {{"channel", ChannelNames()}},
                                             telemetry::LatencyBuckets())
                         .With({channel})) {}

  telemetry::CounterFamily attempts;
  telemetry::Gauge partitions;
  telemetry::Gauge started;
  telemetry::Gauge open;
  telemetry::Gauge oldest;
  telemetry::Gauge held;
  telemetry::Histogram call_seconds;
};

// What other threads tell the deliverer's.
struct CallEnded {
  int32_t partition = 0;
  AttemptContext context;
  SendOutcome outcome;
  absl::Duration elapsed;
};
struct LookUpEnded {
  int32_t partition = 0;
  AttemptContext context;
  LookUpOutcome outcome;
};
struct AppendEnded {
  uint64_t append = 0;
  absl::Status status;
};
using News = std::variant<CallEnded, LookUpEnded, AppendEnded>;

// Outlives the deliverer in the callbacks that it gave away.
class Mailbox {
 public:
  explicit Mailbox(std::shared_ptr<bus::Wakeup> wakeup) : wakeup_(std::move(wakeup)) {}

  void Post(News news) {
    {
      MutexLock lock(mutex_);
      news_.push_back(std::move(news));
    }
    wakeup_->Notify();
  }
  std::vector<News> Take() {
    MutexLock lock(mutex_);
    return std::exchange(news_, {});
  }

 private:
  const std::shared_ptr<bus::Wakeup> wakeup_;
  Mutex mutex_;
  std::vector<News> news_ ABSL_GUARDED_BY(mutex_);
};

// Posts what a call came to; a call whose callback is dropped came to nothing anyone knows.
template <typename Ended>
class Promise {
 public:
  Promise(std::shared_ptr<Mailbox> mailbox, Ended ended)
      : mailbox_(std::move(mailbox)), ended_(std::move(ended)) {}
  Promise(Promise&&) = default;
  ~Promise() {
    if (mailbox_) mailbox_->Post(std::move(ended_));
  }
  Ended& ended() { return ended_; }

 private:
  std::shared_ptr<Mailbox> mailbox_;
  Ended ended_;
};

class DelivererImpl final : public Deliverer {
 public:
  DelivererImpl(DelivererOptions options, bus::Bus* bus, Sender* sender, const Clock* clock,
                telemetry::Logger log, telemetry::Registry* metrics,
                telemetry::Readiness* readiness)
      : options_(std::move(options)),
        bus_(bus),
        sender_(sender),
        clock_(clock),
        log_(std::move(log)),
        metrics_(*metrics, ChannelKindName(options_.kind)),
        ready_(readiness->Add(absl::StrCat("deliver_", ChannelKindName(options_.kind)))),
        wakeup_(std::make_shared<bus::Wakeup>()),
        mailbox_(std::make_shared<Mailbox>(wakeup_)),
        // Together less than the time in which the group wants to hear of us.
        store_(options_.redis ? std::make_unique<OutboxStore>(*options_.redis, log_,
                                                              options_.session_timeout / 4)
                              : nullptr),
        appender_(bus->NewAppender({})) {
    thread_ = StartThread("deliverer", [this] { Run(); });
  }

  ~DelivererImpl() override { Drain(absl::ZeroDuration()); }

  void Drain(absl::Duration grace) override {
    {
      MutexLock lock(mutex_);
      if (!drain_) drain_.emplace(grace);
    }
    wakeup_->Notify();
    if (thread_.joinable()) thread_.join();
  }

  Stats stats() const override {
    MutexLock lock(mutex_);
    return stats_;
  }

 private:
  struct Partition {
    std::unique_ptr<bus::LogReader> reader;  // Null until it can be opened.
    std::unique_ptr<Outbox> outbox;
    Timeout reopen{absl::ZeroDuration()};
    Timeout next_save{absl::ZeroDuration()};
    int64_t saved = -1;  // The offset of the checkpoint that is there.
    absl::Status failure = absl::UnavailableError("not opened yet");  // While there is no reader.
  };
  struct PendingAppend {
    int32_t partition = 0;
    Outbox::Append append;
    bool in_air = false;
    Timeout due{absl::ZeroDuration()};
    absl::Duration pause = absl::Milliseconds(100);
  };

  void Run() {
    while (!Finished()) {
      bool progress = Join();
      for (News& news : mailbox_->Take()) {
        progress = true;
        std::visit([this](auto& n) { On(n); }, news);
      }
      opened_ = false;
      for (auto& [number, partition] : partitions_) progress |= ReadLog(number, partition);
      ActOnAll();
      AppendDue();
      ShowReadiness();
      if (commit_.Expired()) Commit();
      if (report_.Expired()) Report();
      if (!progress) wakeup_->Wait(WaitTime());
    }
    Commit();
    partitions_.clear();
    membership_.reset();
    Report();
  }

  // What keeps it from delivering; empty: nothing that it knows of.
  std::string WhyNotReady() const {
    if (!options_.decides_readiness) return "";
    if (!membership_failure_.ok()) return membership_failure_.ToString();
    for (const auto& [number, partition] : partitions_) {
      if (!partition.reader) {
        return absl::StrCat("partition ", number, ": ", partition.failure.ToString());
      }
      if (!partition.outbox->started()) {
        return absl::StrCat("partition ", number, ": the router has not taken its marker yet");
      }
    }
    return "";
  }

  void ShowReadiness() {
    std::string why = WhyNotReady();
    if (why == shown_) return;
    if (why.empty()) {
      ready_.SetReady();
    } else {
      ready_.SetNotReady(why);
    }
    shown_ = std::move(why);
  }

  void Commit() {
    commit_ = Timeout(options_.commit_interval);
    std::vector<bus::Progress> progress;
    for (const auto& [number, partition] : partitions_) {
      if (!partition.reader) continue;
      progress.push_back({bus::Topic::kLog, number, partition.reader->offset()});
    }
    if (membership_ && !progress.empty()) membership_->CommitForMonitoring(progress);
  }

  // True when the thread should end; begins draining when it should begin.
  bool Finished() {
    std::optional<Timeout> drain;
    {
      MutexLock lock(mutex_);
      drain = drain_;
    }
    if (!drain) return false;
    draining_ = true;
    for (auto& [number, partition] : partitions_) {
      if (partition.outbox) GiveUp(number, partition);
    }
    const bool reported = std::none_of(appends_.begin(), appends_.end(), [](const auto& entry) {
      return entry.second.append.receipt.has_attempt_finished();
    });
    return drain->Expired() || (calls_ == 0 && reported);
  }

  void GiveUp(int32_t number, Partition& partition) {
    Outbox& outbox = *partition.outbox;
    Save(number, partition);
    outbox.Stop();
    // What was only begun is the next owner's; what is known of a call is not known to anyone else.
    std::erase_if(appends_, [number](const auto& entry) {
      return entry.second.partition == number &&
             !entry.second.append.receipt.has_attempt_finished();
    });
    outbox.Withdraw(clock_->Now());
    for (Outbox::Append& append : outbox.TakeEffects().appends) Append(number, std::move(append));
  }

  bool Join() {
    if (!membership_) {
      if (!rejoin_.Expired()) return false;
      const std::string group = options_.group.empty()
                                    ? absl::StrCat("deliver-", ChannelKindName(options_.kind))
                                    : options_.group;
      absl::StatusOr<std::unique_ptr<bus::Membership>> joined =
          bus_->Join(group, bus::Topic::kLog,
                     {.session_timeout = options_.session_timeout, .wakeup = wakeup_});
      if (!joined.ok()) {
        Complain("cannot join the group", joined.status());
        membership_failure_ = joined.status();
        rejoin_ = Timeout(kReopenPause);
        return false;
      }
      membership_ = *std::move(joined);
    }
    absl::StatusOr<bus::Assignment> change = membership_->Poll(absl::ZeroDuration());
    membership_failure_ = change.ok() ? membership_->standing() : change.status();
    if (!change.ok()) {
      Complain("membership is in doubt", change.status());
      return false;
    }
    for (const int32_t number : change->revoked) {
      if (OutboxOf(number) != nullptr) GiveUp(number, partitions_.at(number));
      partitions_.erase(number);
      log_.Info("partition given up", {{"partition", number}});
    }
    for (const int32_t number : change->assigned) {
      partitions_.try_emplace(number);
      log_.Info("partition taken over", {{"partition", number}});
    }
    return !change->empty();
  }

  void Open(int32_t number, Partition& partition) {
    const std::optional<state::v1::OutboxCheckpoint> checkpoint = Load(number);
    bus::LogReaderOptions reading{.from = {}, .wakeup = wakeup_, .on_void = {}};
    if (checkpoint) reading.from = FromPlace(checkpoint->place());
    absl::StatusOr<std::unique_ptr<bus::LogReader>> reader =
        bus::LogReader::Open(*bus_, number, std::move(reading));
    if (!reader.ok()) {
      Complain("cannot read the log", reader.status());
      partition.failure = reader.status();
      partition.reopen = Timeout(kReopenPause);
      return;
    }
    partition.reader = *std::move(reader);
    partition.outbox =
        std::make_unique<Outbox>(Outbox::Options{.kind = options_.kind,
                                                 .deliverer_id = options_.deliverer_id,
                                                 .partition = number,
                                                 .policy = options_.policy,
                                                 .can_look_up = sender_->CanLookUp(),
                                                 .new_id = [] { return RandomUuid(); }});
    if (checkpoint) {
      partition.outbox->Restore(*checkpoint, clock_->Now());
      partition.saved = checkpoint->place().next_offset();
    }
    partition.next_save = Timeout(options_.checkpoint_interval);
    if (draining_) partition.outbox->Stop();
  }

  // The checkpoint to go on from; nothing: the log is folded from its start.
  std::optional<state::v1::OutboxCheckpoint> Load(int32_t number) {
    if (store_ == nullptr) return std::nullopt;
    absl::StatusOr<state::v1::OutboxCheckpoint> found = store_->Load(options_.kind, number);
    if (absl::IsNotFound(found.status())) return std::nullopt;
    std::string why;
    if (!found.ok()) {
      why = found.status().ToString();
    } else {
      const auto misfit = bus::WhyNotFrom(*bus_, number, FromPlace(found->place()));
      if (misfit.ok() && !misfit->has_value()) return *std::move(found);
      why = misfit.ok() ? **misfit : misfit.status().ToString();
    }
    log_.Warning("no checkpoint: the log is folded from its start",
                 {{"partition", number}, {"why", why}});
    return std::nullopt;
  }

  void Save(int32_t number, Partition& partition) {
    partition.next_save = Timeout(options_.checkpoint_interval);
    const int64_t offset = partition.reader->position().offset;
    if (store_ == nullptr || offset == partition.saved) return;
    state::v1::OutboxCheckpoint checkpoint;
    checkpoint.set_kind(options_.kind);
    checkpoint.set_partition(number);
    *checkpoint.mutable_place() = ToPlace(partition.reader->position());
    for (state::v1::OutboxItem& item : partition.outbox->Items()) {
      *checkpoint.add_items() = std::move(item);
    }
    store_->Save(std::move(checkpoint));
    partition.saved = offset;
  }

  bool ReadLog(int32_t number, Partition& partition) {
    if (!partition.reader) {
      if (!partition.reopen.Expired()) return false;
      // It may take its time: one between two looks at the membership.
      if (std::exchange(opened_, true)) return true;
      Open(number, partition);
    }
    if (!partition.reader) return false;
    absl::StatusOr<std::vector<bus::LogEntry>> entries =
        partition.reader->Poll(kPollRecords, absl::ZeroDuration());
    if (!entries.ok()) {
      Complain("the log cannot be read on", entries.status());
      partition = Partition{.reopen = Timeout(kReopenPause), .failure = entries.status()};
      return false;
    }
    const absl::Time now = clock_->Now();
    for (const bus::LogEntry& entry : *entries) {
      partition.outbox->OnRecord(entry.key, entry.record, now,
                                 bus::HeaderOf(entry.headers, telemetry::kTraceParent));
    }
    records_ += static_cast<int64_t>(entries->size());
    if (partition.next_save.Expired()) Save(number, partition);
    return !entries->empty();
  }

  // Behind the partition that has begun something last comes the next, so that the backlog of one
  // starves no other.
  void ActOnAll() {
    auto it = partitions_.upper_bound(begun_last_);
    for (size_t i = 0; i < partitions_.size(); ++i, ++it) {
      if (it == partitions_.end()) it = partitions_.begin();
      if (it->second.reader) Act(it->first, it->second);
    }
  }

  // How many more attempts the partition may begin: of all, half at most while others wait.
  int SlotsOf(int32_t number, const Outbox& outbox) const {
    int in_flight = 0;
    bool others_wait = false;
    for (const auto& [other, p] : partitions_) {
      if (!p.outbox) continue;
      in_flight += p.outbox->in_flight();
      others_wait |= other != number && p.outbox->waits_for_slot();
    }
    const int most = options_.policy.max_in_flight;
    if (!others_wait) return most - in_flight;
    return std::min(most - in_flight, std::max(1, most / 2) - outbox.in_flight());
  }

  void Act(int32_t number, Partition& partition) {
    const int before = partition.outbox->in_flight();
    partition.outbox->Step(
        clock_->Now(), SlotsOf(number, *partition.outbox),
        [this](const OutboundDelivery& delivery) { return sender_->Admit(delivery); });
    if (partition.outbox->in_flight() > before) begun_last_ = number;
    Outbox::Effects effects = partition.outbox->TakeEffects();
    for (const Outbox::GivenUp& given_up : effects.given_up) {
      log_.Error("not delivered: the router does not take what is reported of it",
                 {{"outbound_id", given_up.outbound_id},
                  {"conversation_id", given_up.conversation_id},
                  {"why", given_up.why},
                  {"trace_id", telemetry::TraceIdOf(given_up.traceparent)}});
    }
    for (Outbox::Append& append : effects.appends) Append(number, std::move(append));
    for (Outbox::Call& call : effects.calls) Call(number, std::move(call));
    for (Outbox::Call& call : effects.look_ups) {
      Promise<LookUpEnded> promise(mailbox_, {.partition = number, .context = call.context});
      sender_->LookUp(call.delivery, [promise = std::move(promise)](LookUpOutcome outcome) mutable {
        promise.ended().outcome = std::move(outcome);
        Promise<LookUpEnded> fulfilled = std::move(promise);
      });
    }
  }

  void Call(int32_t number, Outbox::Call call) {
    ++calls_;
    Promise<CallEnded> promise(mailbox_, {.partition = number, .context = call.context});
    const absl::Time begin = clock_->Now();
    if (begin > call.not_after) {
      promise.ended().outcome.kind = SendOutcome::Kind::kRetry;
      promise.ended().outcome.error.set_detail("not sent: too late after logging the attempt");
      return;
    }
    if (log_.Enabled(telemetry::Severity::kDebug)) {
      log_.Debug("calling the provider",
                 {{"outbound_id", call.context.outbound_id},
                  {"attempt", call.context.attempt},
                  {"trace_id", telemetry::TraceIdOf(call.context.traceparent)}});
    }
    promise.ended().outcome.error.set_detail("the sender gave no outcome");
    sender_->Send(call.delivery, [promise = std::move(promise), begin,
                                  clock = clock_](SendOutcome outcome) mutable {
      promise.ended().outcome = std::move(outcome);
      promise.ended().elapsed = clock->Now() - begin;
      Promise<CallEnded> fulfilled = std::move(promise);
    });
  }

  void On(CallEnded& ended) {
    --calls_;
    const absl::Time now = clock_->Now();
    metrics_.attempts.With({ChannelKindName(options_.kind), OutcomeName(ended.outcome.kind)})
        .Increment();
    metrics_.call_seconds.Observe(ended.elapsed);
    receipt::v1::Receipt receipt =
        FinishedReceipt(ended.context, ended.outcome, options_.policy, now);
    *receipt.mutable_elapsed() = ToProto(ended.elapsed);
    if (ended.outcome.kind != SendOutcome::Kind::kAccepted) {
      log_.Warning("not delivered",
                   {{"outbound_id", ended.context.outbound_id},
                    {"attempt", ended.context.attempt},
                    {"outcome", OutcomeName(ended.outcome.kind)},
                    {"provider_code", ended.outcome.error.provider_code()},
                    {"trace_id", telemetry::TraceIdOf(ended.context.traceparent)}});
    }
    if (Outbox* outbox = OutboxOf(ended.partition)) {
      outbox->OnFinished(ended.context, receipt.envelope().id());
    }
    Append(ended.partition, {.key = ended.context.key,
                             .receipt = std::move(receipt),
                             .traceparent = ended.context.traceparent});
  }

  void On(LookUpEnded& ended) {
    if (Outbox* outbox = OutboxOf(ended.partition)) {
      outbox->OnLookedUp(ended.context, ended.outcome, clock_->Now());
    }
  }

  void On(AppendEnded& ended) {
    const auto it = appends_.find(ended.append);
    if (it == appends_.end()) return;
    if (ended.status.ok()) {
      appends_.erase(it);
      return;
    }
    Complain("a receipt was not acknowledged", ended.status);
    PendingAppend& pending = it->second;
    pending.in_air = false;
    pending.due = Timeout(pending.pause);
    pending.pause = std::min(pending.pause * 2, absl::Seconds(10));
  }

  Outbox* OutboxOf(int32_t number) {
    const auto it = partitions_.find(number);
    return it == partitions_.end() ? nullptr : it->second.outbox.get();
  }

  void Append(int32_t number, Outbox::Append append) {
    appends_.emplace(++next_append_,
                     PendingAppend{.partition = number, .append = std::move(append)});
  }

  void AppendDue() {
    for (auto& [id, pending] : appends_) {
      if (pending.in_air || !pending.due.Expired()) continue;
      pending.in_air = true;
      const receipt::v1::Receipt& receipt = pending.append.receipt;
      bus::Headers headers = {bus::ContentTypeHeader(receipt.GetTypeName())};
      if (const auto trace = telemetry::TraceContext::Parse(pending.append.traceparent);
          trace.ok()) {
        headers.emplace_back(telemetry::kTraceParent, trace->NewChild().ToHeader());
      }
      appender_->Append({.topic = bus::Topic::kReceipts,
                         .partition = pending.partition,
                         .key = pending.append.key,
                         .value = receipt.SerializeAsString(),
                         .headers = std::move(headers)},
                        [mailbox = mailbox_, id = id](absl::StatusOr<int64_t> offset) {
                          mailbox->Post(AppendEnded{.append = id, .status = offset.status()});
                        });
    }
  }

  absl::Duration WaitTime() const {
    absl::Duration wait = std::min(kIdleWait, options_.session_timeout / 4);
    const absl::Time now = clock_->Now();
    for (const auto& [number, partition] : partitions_) {
      if (partition.reader) wait = std::min(wait, partition.outbox->NextStep() - now);
    }
    for (const auto& [id, pending] : appends_) {
      if (!pending.in_air) wait = std::min(wait, pending.due.Remaining());
    }
    return std::max(wait, absl::Milliseconds(1));
  }

  void Report() {
    report_ = Timeout(kReportInterval);
    const absl::Time now = clock_->Now();
    absl::Duration oldest;
    Stats stats{.partitions = static_cast<int>(partitions_.size()),
                .in_flight = calls_,
                .records = records_};
    for (const auto& [number, partition] : partitions_) {
      if (!partition.outbox) continue;
      const Outbox::Stats of = partition.outbox->stats();
      // What is behind in the log has as open what was answered long ago.
      if (!partition.outbox->started()) continue;
      ++stats.started;
      stats.open += of.open;
      stats.held += of.held;
      stats.uncertain += of.uncertain;
      oldest = std::max(oldest, now - of.oldest_open);
    }
    metrics_.partitions.Set(stats.partitions);
    metrics_.started.Set(stats.started);
    metrics_.open.Set(stats.open);
    metrics_.oldest.Set(absl::ToDoubleSeconds(oldest));
    metrics_.held.Set(stats.held);
    MutexLock lock(mutex_);
    stats_ = stats;
  }

  void Complain(absl::string_view what, const absl::Status& status) {
    if (auto skipped = complaints_.Take(clock_->Now())) {
      log_.Warning(what, {{"status", status}, {"skipped", *skipped}});
    }
  }

  const DelivererOptions options_;
  bus::Bus* const bus_;
  Sender* const sender_;
  const Clock* const clock_;
  const telemetry::Logger log_;
  Metrics metrics_;
  telemetry::Readiness::Condition ready_;
  const std::shared_ptr<bus::Wakeup> wakeup_;
  const std::shared_ptr<Mailbox> mailbox_;
  telemetry::LogRateLimit complaints_{absl::Seconds(5)};

  mutable Mutex mutex_;
  std::optional<Timeout> drain_ ABSL_GUARDED_BY(mutex_);
  Stats stats_ ABSL_GUARDED_BY(mutex_);

  // The thread's own.
  std::unique_ptr<bus::Membership> membership_;
  absl::Status membership_failure_ = absl::UnavailableError("not in the group yet");
  Timeout rejoin_{absl::ZeroDuration()};
  std::string shown_ = "starting";  // As Readiness has it.
  std::map<int32_t, Partition> partitions_;
  int32_t begun_last_ = -1;
  std::map<uint64_t, PendingAppend> appends_;
  uint64_t next_append_ = 0;
  int calls_ = 0;
  bool draining_ = false;
  bool opened_ = false;  // A partition, in this round.
  int64_t records_ = 0;
  Timeout report_{absl::ZeroDuration()};
  Timeout commit_{absl::ZeroDuration()};

  const std::unique_ptr<OutboxStore> store_;  // Null: without checkpoints.
  const std::unique_ptr<bus::Appender> appender_;
  std::jthread thread_;
};

}  // namespace

std::unique_ptr<Deliverer> Deliverer::Start(DelivererOptions options, bus::Bus* bus, Sender* sender,
                                            const Clock* clock, telemetry::Logger log,
                                            telemetry::Registry* metrics,
                                            telemetry::Readiness* readiness) {
  return std::make_unique<DelivererImpl>(std::move(options), bus, sender, clock, std::move(log),
                                         metrics, readiness);
}

void DescribeDelivererMetrics(common::v1::ChannelKind kind, telemetry::Registry& metrics) {
  Metrics{metrics, ChannelKindName(kind)};
}

}  // namespace wissel::channel
