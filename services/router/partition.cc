#include "services/router/partition.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/status_macros.h"
#include "libs/channel/record_letter.h"
#include "libs/telemetry/trace.h"

namespace wissel::router {

namespace {

// Records read back at a time.
constexpr size_t kReadBatch = 2000;
constexpr absl::Duration kShowInterval = absl::Seconds(1);

domain::Refusal LargerThanARecord() {
  return {deadletter::v1::REASON_TOO_LARGE, "its decision is larger than a record"};
}

// The key of a routing group that the state has and `holds` does not: of its records none comes
// here any more. Empty where there is none.
std::string GroupElsewhere(const domain::State& state,
                           const std::function<bool(absl::string_view)>& holds) {
  std::set<std::string> groups;
  const auto add = [&](const auto& of) {
    groups.insert(domain::RoutingKey(of.workspace_id(), of.routing_group_id()));
  };
  for (const auto& [key, agent] : state.agents()) add(agent);
  for (const auto& [key, queue] : state.queues()) add(queue);
  for (const auto& [id, conversation] : state.conversations()) add(*conversation);
  for (const std::string& group : groups) {
    if (!holds(group)) return group;
  }
  return "";
}

// A customer's message goes into the log with the bytes that it came with: they are most of a
// decision, and to write them anew would cost more than anything else about it.
void KeepBytes(const message::v1::InboundMessage& message, std::string bytes,
               log::v1::Decision& decision) {
  for (conversation::v1::Event& event : *decision.mutable_events()) {
    if (&event.message_received().message() != &message) continue;
    conversation::v1::MessageReceived& received = *event.mutable_message_received();
    (void)received.unsafe_arena_release_message();
    static const google::protobuf::Reflection* const reflection =
        conversation::v1::MessageReceived::GetReflection();
    *reflection->MutableUnknownFields(&received)->AddLengthDelimited(
        conversation::v1::MessageReceived::kMessageFieldNumber) = std::move(bytes);
    return;
  }
}

}  // namespace

// One of the topics whose records are decided on.
struct Partition::Input {
  bus::Topic topic;
  common::v1::InputTopic name;
  telemetry::Counter& decisions;
  telemetry::Gauge lag;
  Intake intake;
  int64_t next = 0;  // The offset decided next.
};

Partition::Partition(Shared& shared, int32_t partition, bool use_checkpoint)
    : shared_(shared),
      partition_(partition),
      began_(shared.clock.Now()),
      conversations_(shared.metrics.conversations.With({absl::StrCat(partition)})) {
  recovery_.emplace(shared_, partition_);
  absl::Status status = recovery_->Open(began_, use_checkpoint);
  if (!status.ok()) Lose(std::move(status));
}

Partition::~Partition() {
  if (owning()) shared_.metrics.partitions_owned.Decrement();
  ShowNothing();
}

bool Partition::owning() const { return engine_.has_value(); }

void Partition::Lose(absl::Status status) {
  shared_.log.Warning("partition lost", {{"partition", partition_}, {"reason", status}});
  if (owning()) {
    shared_.metrics.partitions_owned.Decrement();
    shared_.metrics.losses.Increment();
  }
  // A checkpoint that cannot be gone on from: the log alone is tried next.
  checkpoint_failed_ = recovery_.has_value() && recovery_->from_checkpoint();
  ShowNothing();
  engine_.reset();
  recovery_.reset();
  waiting_.clear();
  lost_ = std::move(status);
}

absl::Status Partition::StartDeciding() {
  const auto holds = [partitions = shared_.partitions,
                      partition = partition_](absl::string_view routing_key) {
    return bus::PartitionOf(routing_key, partitions) == partition;
  };
  if (const std::string group = GroupElsewhere(recovery_->state(), holds); !group.empty()) {
    group_elsewhere_ = true;
    return absl::FailedPreconditionError(absl::StrCat(
        "the log was begun with another number of partitions than the ", shared_.partitions,
        " that it has, and must keep it: partition ", partition_, " has routing group ", group,
        ", whose records now go to partition ", bus::PartitionOf(group, shared_.partitions)));
  }
  log_ = recovery_->TakeLog();
  if (!recovery_->state().whole()) {
    shared_.log.Error("the log has lost what was never restated: state begins with what is left",
                      {{"partition", partition_}, {"offset", log_->position().offset}});
    shared_.metrics.incomplete_recoveries.Increment();
  }
  engine_.emplace(
      recovery_->TakeState(),
      domain::Engine::Options{.holds = holds, .ignore_seen = shared_.settings.chaos_ignore_seen});
  const bool from_checkpoint = recovery_->from_checkpoint();
  recovery_.reset();
  shared_.metrics.partitions_owned.Increment();
  shared_.metrics.claims.Increment();
  // The claim just made is the one that a restating round needs before it.
  restate_claimed_ = true;
  last_sequence_ = 0;

  struct Kind {
    bus::Topic topic;
    common::v1::InputTopic name;
    absl::string_view label;
    telemetry::Counter& decisions;
    const google::protobuf::Message& prototype;
  };
  Metrics& metrics = shared_.metrics;
  const Intake::Options options{.batch = static_cast<size_t>(shared_.settings.batch),
                                .max_bytes = shared_.settings.max_input_bytes};
  for (const Kind& kind :
       {Kind{bus::Topic::kCommands, common::v1::INPUT_TOPIC_COMMANDS, "commands", metrics.commands,
             command::v1::Command::default_instance()},
        Kind{bus::Topic::kReceipts, common::v1::INPUT_TOPIC_RECEIPTS, "receipts", metrics.receipts,
             receipt::v1::Receipt::default_instance()},
        Kind{bus::Topic::kInbound, common::v1::INPUT_TOPIC_INBOUND, "inbound", metrics.messages,
             message::v1::InboundMessage::default_instance()}}) {
    const int64_t next = engine_->state().NextOffset(kind.name, partition_);
    WISSEL_ASSIGN_OR_RETURN(
        std::unique_ptr<bus::Reader> reader,
        shared_.bus.OpenReader(kind.topic, partition_, {.offset = next, .wakeup = shared_.wakeup}));
    inputs_.push_back(std::unique_ptr<Input>(
        new Input{kind.topic,
                  kind.name,
                  kind.decisions,
                  metrics.lag.With({kind.label, absl::StrCat(partition_)}),
                  {std::move(reader), kind.prototype, options, shared_.ahead},
                  next}));
  }
  WISSEL_ASSIGN_OR_RETURN(
      config_, shared_.bus.OpenReader(bus::Topic::kConfig, 0, {.wakeup = shared_.wakeup}));
  WISSEL_ASSIGN_OR_RETURN(config_end_, config_->EndOffset());
  dead_letters_.emplace(shared_, partition_);

  const absl::Duration took = shared_.clock.Now() - began_;
  shared_.metrics.recovery.Observe(took);
  shared_.log.Info("partition owned", {{"partition", partition_},
                                       {"epoch", log_->epoch()},
                                       {"from", from_checkpoint ? "checkpoint and log" : "log"},
                                       {"conversations", engine_->state().conversations().size()},
                                       {"took", took}});
  return absl::OkStatus();
}

// ---------------------------------------------------------------------------------------------
// Deciding

bool Partition::Step() {
  if (!lost_.ok()) return false;
  if (!owning()) {
    const absl::StatusOr<bool> more = recovery_->Fold();
    absl::Status status = more.status();
    if (status.ok() && recovery_->claimed()) status = StartDeciding();
    if (!status.ok()) {
      Lose(std::move(status));
      return true;
    }
    return *more;
  }
  size_t done = 0;
  const absl::Status status = [&]() -> absl::Status {
    WISSEL_RETURN_IF_ERROR(ReadBack());
    WISSEL_RETURN_IF_ERROR(FlushWaiting());
    WISSEL_ASSIGN_OR_RETURN(const size_t configs, TakeConfigs());
    WISSEL_ASSIGN_OR_RETURN(const size_t timers, TakeTimers());
    WISSEL_ASSIGN_OR_RETURN(const size_t inputs, TakeInputs());
    WISSEL_ASSIGN_OR_RETURN(const size_t restated, TakeRestating());
    done = configs + timers + inputs + restated;
    ShowFigures();
    return absl::OkStatus();
  }();
  if (!status.ok()) {
    Lose(status);
    return true;
  }
  return done > 0;
}

absl::Time Partition::NextDue() const {
  if (!owning()) return absl::InfiniteFuture();
  absl::Time due = engine_->NextTimer();
  if (engine_->restating()) due = std::min(due, next_restate_);
  return due;
}

bool Partition::Drained() {
  if (!owning()) return true;
  absl::Status status = ReadBack();
  if (status.ok()) status = FlushWaiting();
  if (!status.ok()) {
    Lose(std::move(status));
    return true;
  }
  return waiting_.empty() && log_->unconfirmed() == 0;
}

void Partition::AddProgress(std::vector<bus::Progress>& progress) const {
  if (!owning()) return;
  for (const auto& input : inputs_) progress.push_back({input->topic, partition_, input->next});
}

bool Partition::CanDecide() const {
  return waiting_.empty() && log_->phase() == bus::OwnedLog::Phase::kOwning;
}

absl::Status Partition::ReadBack() {
  WISSEL_RETURN_IF_ERROR(log_->Poll(kReadBatch, absl::ZeroDuration()).status());
  int64_t voids = 0;
  for (size_t verdict = 0; verdict < bus::kVerdicts; ++verdict) {
    if (static_cast<bus::Verdict>(verdict) == bus::Verdict::kValid) continue;
    voids += log_->reader().count(static_cast<bus::Verdict>(verdict));
  }
  shared_.metrics.void_records.Increment(static_cast<double>(voids - void_records_));
  void_records_ = voids;
  return absl::OkStatus();
}

absl::StatusOr<size_t> Partition::TakeConfigs() {
  size_t made = 0;
  while (CanDecide()) {
    WISSEL_ASSIGN_OR_RETURN(const std::vector<bus::Record> records,
                            config_->Poll(1, absl::ZeroDuration()));
    if (records.empty()) break;
    const bus::Record& record = records.front();
    config::v1::WorkspaceConfig config;
    if (!config.ParseFromString(record.value)) {
      // Every partition reads it; one keeps it. Whoever takes over reads it again: it is the same
      // letter then.
      if (partition_ == 0) {
        WISSEL_RETURN_IF_ERROR(
            dead_letters_
                ->Put(record,
                      {deadletter::v1::REASON_UNPARSABLE,
                       absl::StrCat("not a ", std::string(config.GetDescriptor()->full_name()))})
                .status());
      }
      continue;
    }
    if (!config_history_.Accept(config)) continue;
    const config::v1::WorkspaceConfig* const before =
        engine_->state().FindConfig(config.workspace_id());
    if (shared_.undecidable_configs.contains({partition_, record.offset}) &&
        (before == nullptr || before->version() < config.version())) {
      // What is in force stays so until the next version.
      WISSEL_RETURN_IF_ERROR(dead_letters_->Put(record, LargerThanARecord()).status());
      continue;
    }
    log::v1::InputCause cause;
    cause.set_topic(common::v1::INPUT_TOPIC_CONFIG);
    cause.set_partition(0);
    cause.set_offset(record.offset);
    log::v1::Decision* const decision = engine_->Decide(cause, config, shared_.clock.Now());
    if (decision == nullptr) continue;
    WISSEL_RETURN_IF_ERROR(Append(*decision, shared_.metrics.configs, &record));
    shared_.log.Info("configuration in force", {{"partition", partition_},
                                                {"workspace", config.workspace_id()},
                                                {"version", config.version()}});
    ++made;
  }
  return made;
}

absl::StatusOr<size_t> Partition::TakeTimers() {
  size_t made = 0;
  while (CanDecide() && made < static_cast<size_t>(shared_.settings.batch)) {
    log::v1::Decision* const decision = engine_->DecideTimer(shared_.clock.Now());
    if (decision == nullptr) break;
    WISSEL_RETURN_IF_ERROR(Append(*decision, shared_.metrics.timers, nullptr));
    ++made;
  }
  return made;
}

absl::StatusOr<size_t> Partition::TakeInputs() {
  const size_t batch = static_cast<size_t>(shared_.settings.batch);
  size_t made = 0;
  // A message to a shop that has just been configured is no garbage.
  if (config_->position() < config_end_) return made;
  bool backlog = false;
  for (const std::unique_ptr<Input>& input : inputs_) {
    const bool inbound = input->topic == bus::Topic::kInbound;
    const size_t share = batch * static_cast<size_t>(shared_.settings.inbound_share_percent) / 100;
    const size_t max = inbound && backlog ? std::max<size_t>(1, share) : batch;
    WISSEL_ASSIGN_OR_RETURN(const size_t taken, Take(*input, max));
    backlog = backlog || taken == batch;
    made += taken;
  }
  return made;
}

absl::StatusOr<size_t> Partition::Take(Input& input, size_t max) {
  size_t made = 0;
  while (made < max && CanDecide()) {
    absl::StatusOr<Intake::Input*> next = input.intake.Peek();
    if (absl::IsOutOfRange(next.status())) {
      // Retention has overtaken the router, or the topic was made anew. Nothing can be decided on
      // what is gone: say so loudly and go on with what is left.
      const int64_t lost = input.intake.position();
      WISSEL_ASSIGN_OR_RETURN(const int64_t start, input.intake.SkipToStart());
      input.next = start;
      shared_.log.Error("inputs are gone from the topic before they were decided",
                        {{"partition", partition_},
                         {"topic", bus::TopicName(input.topic)},
                         {"next", lost},
                         {"start", start}});
      shared_.metrics.lost_inputs.Increment(
          static_cast<double>(std::max<int64_t>(1, start - lost)));
      return made + 1;
    }
    if (!next.ok()) return next.status();
    if (*next == nullptr) break;
    WISSEL_RETURN_IF_ERROR(Decide(input, **next));
    if (config_->position() < config_end_)
      break;  // Not decided: comes again behind the configuration.
    input.next = (*next)->record.offset + 1;
    input.intake.Pop();
    ++made;
  }
  return made;
}

absl::Status Partition::Decide(const Input& input, Intake::Input& next) {
  switch (input.topic) {
    case bus::Topic::kInbound:
      return DecideAs<message::v1::InboundMessage>(input, next);
    case bus::Topic::kCommands:
      return DecideAs<command::v1::Command>(input, next);
    case bus::Topic::kReceipts:
      return DecideAs<receipt::v1::Receipt>(input, next);
    case bus::Topic::kConfig:
    case bus::Topic::kLog:
    case bus::Topic::kDeadLetter:
      break;
  }
  return absl::InternalError("not a topic of inputs");
}

template <class Message>
absl::Status Partition::DecideAs(const Input& input, Intake::Input& next) {
  const bus::Record& record = next.record;
  log::v1::InputCause cause;
  cause.set_topic(input.name);
  cause.set_partition(partition_);
  cause.set_offset(record.offset);
  if (static_cast<int64_t>(record.value.size()) > shared_.settings.max_input_bytes) {
    domain::Refusal refusal{deadletter::v1::REASON_TOO_LARGE,
                            absl::StrCat(record.value.size(), " bytes; at most ",
                                         shared_.settings.max_input_bytes, " can be decided")};
    if (Message message; message.ParseFromString(record.value)) {
      refusal.input_id = message.envelope().id();
    }
    return DeadLetter(record, std::move(cause), refusal);
  }
  if (const auto it = shared_.undecidable.find(partition_); it != shared_.undecidable.end() &&
                                                            it->second.topic() == cause.topic() &&
                                                            it->second.offset() == cause.offset()) {
    return DeadLetter(record, std::move(cause), LargerThanARecord());
  }
  if (next.message == nullptr) {
    return DeadLetter(record, std::move(cause),
                      {deadletter::v1::REASON_UNPARSABLE,
                       absl::StrCat("not a ", std::string(Message::descriptor()->full_name()))});
  }
  auto& message = *static_cast<Message*>(next.message);
  if (std::optional<domain::Refusal> refusal = engine_->Refuse(message)) {
    if (refusal->reason == deadletter::v1::REASON_MISROUTED) {
      // Perhaps its configuration has just been applied, and is only not read yet.
      WISSEL_ASSIGN_OR_RETURN(config_end_, config_->EndOffset());
      if (config_->position() < config_end_) return absl::OkStatus();
    }
    refusal->input_id = message.envelope().id();
    return DeadLetter(record, std::move(cause), *refusal);
  }
  const absl::Time now = shared_.clock.Now();
  shared_.metrics.input_age.Observe(std::max(absl::ZeroDuration(), now - record.time));
  log::v1::Decision& decision = engine_->Decide(cause, message, now);
  if constexpr (std::is_same_v<Message, message::v1::InboundMessage>) {
    KeepBytes(message, std::move(next.record.value), decision);
  }
  return Append(decision, input.decisions, &record, input.intake.More());
}

absl::Status Partition::DeadLetter(const bus::Record& record, log::v1::InputCause cause,
                                   const domain::Refusal& refusal) {
  // The bytes are safe before the log says that they have been dealt with.
  WISSEL_ASSIGN_OR_RETURN(const std::string id, dead_letters_->Put(record, refusal));
  return Append(engine_->DecideDeadLetter(cause, id, refusal, shared_.clock.Now()),
                shared_.metrics.garbage, &record);
}

absl::StatusOr<size_t> Partition::TakeRestating() {
  const absl::Time now = shared_.clock.Now();
  if (!CanDecide() || now < next_restate_) return 0;
  if (!engine_->restating()) {
    if (!engine_->RestateDue(shared_.settings.restate_interval, now)) return 0;
    if (!restate_claimed_) {
      const absl::Status claiming = log_->Reclaim();
      if (absl::IsResourceExhausted(claiming)) return 0;  // Tried again when there is room.
      WISSEL_RETURN_IF_ERROR(claiming);
      shared_.metrics.claims.Increment();
      restate_claimed_ = true;
      last_sequence_ = 0;
      return 1;
    }
    restate_claimed_ = false;
  }
  size_t bytes = 0;
  size_t made = 0;
  do {
    log::v1::Decision* const decision =
        engine_->Restate(now, static_cast<size_t>(shared_.settings.restate_step_bytes));
    if (decision == nullptr) {
      next_restate_ = now + absl::Milliseconds(100);
      return made;
    }
    bytes += decision->ByteSizeLong();
    next_restate_ = now + absl::Seconds(1) * static_cast<double>(bytes) /
                              static_cast<double>(shared_.settings.restate_bytes_per_second);
    if (!engine_->restating()) {
      shared_.metrics.restate_rounds.Increment();
      next_restate_ = absl::InfinitePast();
    }
    WISSEL_RETURN_IF_ERROR(Append(*decision, shared_.metrics.restatings, nullptr));
    ++made;
  } while (engine_->restating_configs());
  return made;
}

void Partition::ShowFigures() {
  const absl::Time now = shared_.clock.Now();
  if (now < next_shown_) return;
  next_shown_ = now + kShowInterval;
  conversations_.Set(static_cast<double>(engine_->state().conversations().size()));
  for (const auto& input : inputs_) input->lag.Set(static_cast<double>(input->intake.waiting()));
  ShownQueues queues;
  for (domain::Engine::QueueCount& count : engine_->CountWaiting()) {
    queues[{std::move(count.workspace_id), std::move(count.queue.queue_id)}] = {
        .waiting = count.queue.waiting, .unmeetable = count.queue.unmeetable};
  }
  Show(std::move(queues));
}

void Partition::ShowNothing() {
  conversations_.Set(0);
  for (const auto& input : inputs_) input->lag.Set(0);
  Show({});
}

void Partition::Show(ShownQueues queues) {
  // By how much each has changed: queues beyond the bound of a metric's series share one.
  for (const auto& [name, was] : shown_) queues.try_emplace(name);
  for (const auto& [name, is] : queues) {
    const Shown& was = shown_[name];
    shared_.metrics.waiting.With({name.first, name.second}).Increment(is.waiting - was.waiting);
    shared_.metrics.unmeetable.With({name.first, name.second})
        .Increment(is.unmeetable - was.unmeetable);
  }
  shown_ = std::move(queues);
}

// ---------------------------------------------------------------------------------------------
// Appending

absl::Status Partition::Append(log::v1::Decision& decision, telemetry::Counter& made,
                               const bus::Record* record, bool more) {
  made.Increment();
  shared_.metrics.events.Increment(decision.events_size());
  for (const conversation::v1::Event& event : decision.events()) {
    if (event.has_duplicate_skipped()) shared_.metrics.duplicates.Increment();
    if (event.has_command_rejected()) {
      shared_.metrics.rejected_commands.Increment();
      LogRefused(event.command_rejected(), record);
    }
  }
  const absl::string_view key = record == nullptr ? "" : channel::KeptKey(*record);
  const absl::string_view trace = record == nullptr ? "" : TraceOf(*record);
  WISSEL_ASSIGN_OR_RETURN(const bool appended,
                          waiting_.empty() ? TryAppend(decision, key, trace, more) : false);
  if (!appended) waiting_.push_back({decision, std::string(key), std::string(trace)});
  return absl::OkStatus();
}

void Partition::LogRefused(const conversation::v1::CommandRejected& rejected,
                           const bus::Record* record) {
  if (record == nullptr || !shared_.log.Enabled(telemetry::Severity::kDebug)) return;
  shared_.log.Debug("command refused",
                    {{"partition", partition_},
                     {"offset", record->offset},
                     {"command_id", rejected.command_id()},
                     {"reason", conversation::v1::CommandRejected::Reason_Name(rejected.reason())},
                     {"trace_id", telemetry::TraceIdOf(
                                      bus::HeaderOf(record->headers, telemetry::kTraceParent))}});
}

absl::StatusOr<bool> Partition::TryAppend(log::v1::Decision& decision, absl::string_view key,
                                          absl::string_view trace, bool more) {
  if (log_->phase() != bus::OwnedLog::Phase::kOwning) return false;
  // The log holds records of one type, so no header need say which.
  bus::Headers headers;
  if (!trace.empty()) headers.emplace_back(telemetry::kTraceParent, trace);
  const absl::StatusOr<bus::OwnedLog::Stamp> stamp =
      log_->Append(std::move(decision), key, std::move(headers), more);
  if (absl::IsResourceExhausted(stamp.status())) {
    shared_.metrics.append_full.Increment();
    return false;
  }
  if (absl::IsInvalidArgument(stamp.status()) && decision.cause().has_input()) {
    // It has been applied, so there is no way on from here but to begin again without it.
    const log::v1::InputCause& input = decision.cause().input();
    if (input.topic() == common::v1::INPUT_TOPIC_CONFIG) {
      shared_.undecidable_configs.emplace(partition_, input.offset());
    } else {
      shared_.undecidable[partition_] = input;
    }
  }
  if (!stamp.ok()) return stamp.status();
  last_sequence_ = stamp->sequence;
  return true;
}

absl::Status Partition::FlushWaiting() {
  while (!waiting_.empty()) {
    Waiting& next = waiting_.front();
    WISSEL_ASSIGN_OR_RETURN(const bool appended,
                            TryAppend(next.decision, next.key, next.trace, /*more=*/false));
    if (!appended) break;
    waiting_.pop_front();
  }
  return absl::OkStatus();
}

std::string Partition::Describe() const {
  if (!owning()) {
    return absl::StrFormat(
        R"({"partition":%d,"phase":"recovering","epoch":0,"sequence":0,"state_hash":"%016x"})",
        partition_, 0);
  }
  return absl::StrFormat(
      R"({"partition":%d,"phase":"owning","epoch":%d,"sequence":%d,"state_hash":"%016x","conversations":%d,"unconfirmed":%d})",
      partition_, log_->epoch(), last_sequence_ + static_cast<int64_t>(waiting_.size()),
      engine_->state().Hash(), engine_->state().conversations().size(), log_->unconfirmed());
}

}  // namespace wissel::router
