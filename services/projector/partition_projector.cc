#include "services/projector/partition_projector.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/views/restore.h"

namespace wissel::projector {
namespace {

// Forgotten conversations taken out with one batch.
constexpr int kExpiredAtOnce = 1000;
constexpr absl::Duration kExpiryInterval = absl::Seconds(1);

}  // namespace

PartitionProjector::PartitionProjector(const Environment& environment, int32_t partition)
    : env_(environment),
      keys_(partition),
      log_(environment.log.With({{"partition", partition}})),
      lag_offsets_(environment.metrics.lag_offsets.With({absl::StrCat(partition)})),
      lag_seconds_(environment.metrics.lag_seconds.With({absl::StrCat(partition)})) {}

PartitionProjector::~PartitionProjector() {
  lag_offsets_.Set(0);
  lag_seconds_.Set(0);
}

std::optional<int64_t> PartitionProjector::next_offset() const {
  return fold_.has_value() ? expected_.next_offset : std::nullopt;
}

bool PartitionProjector::Due(absl::Time& last, absl::Duration interval) {
  const absl::Time now = env_.clock.Now();
  if (now < last + interval && now >= last) return false;
  last = now;
  return true;
}

absl::Status PartitionProjector::Lose(absl::string_view reason, absl::Status status) {
  env_.metrics.losses.With({reason}).Increment();
  fold_.reset();
  reader_.reset();
  return status;
}

absl::Status PartitionProjector::Begin() {
  auto restored = views::Restore(env_.redis, keys_, env_.bus);
  if (!restored.ok()) return Lose("restore", Annotate(restored.status(), "restoring the state"));
  const bool from_checkpoint = restored->source == views::Restored::Source::kCheckpoint;

  bus::LogReaderOptions options;
  options.wakeup = env_.wakeup;
  options.on_void = [this](const bus::VoidRecord&) { env_.metrics.void_records.Increment(); };
  if (from_checkpoint) options.from = *restored->meta.position;
  auto reader = bus::LogReader::Open(env_.bus, keys_.partition(), std::move(options));
  if (!reader.ok()) return Lose("log", Annotate(reader.status(), "opening the log"));

  if (from_checkpoint) {
    expected_ = {restored->meta.incarnation, restored->meta.position->offset};
    built_to_ = restored->meta.built_to;
    last_record_time_ = restored->state.time();
    written_ = {*expected_.next_offset, last_record_time_};
  } else {
    // Retention may have moved on since the state was made.
    if ((*reader)->position().offset > 0) restored->state.BeginsAfterCut();
    const auto end = (*reader)->EndOffset();
    if (!end.ok()) return Lose("log", Annotate(end.status(), "asking for the log's end"));
    built_to_ = *end;
    auto incarnation = views::BeginAnew(env_.redis, keys_);
    if (!incarnation.ok()) return Lose("redis", Annotate(incarnation.status(), "beginning anew"));
    expected_ = {*std::move(incarnation), std::nullopt};
  }
  reader_ = *std::move(reader);
  fold_.emplace(keys_,
                views::FoldOptions{.messages_kept = env_.settings.messages_kept,
                                   .from_nothing = !from_checkpoint},
                std::move(restored->state));
  env_.metrics.begins.With({from_checkpoint ? "checkpoint" : "log"}).Increment();
  log_.Info("partition begun", {{"from", from_checkpoint ? "checkpoint" : "log"},
                                {"why", restored->detail},
                                {"offset", reader_->position().offset}});
  // Without a place there are no views: the first write makes one, be the log empty.
  return expected_.next_offset.has_value() ? absl::OkStatus() : Write();
}

absl::StatusOr<bool> PartitionProjector::Step() {
  absl::StatusOr<bool> more = Work();
  if (Due(last_lag_, env_.settings.lag_interval)) {
    const absl::Status measured = MeasureLag();
    if (more.ok() && !measured.ok()) return Lose("log", Annotate(measured, "measuring the lag"));
  }
  return more;
}

absl::StatusOr<bool> PartitionProjector::Work() {
  if (!fold_.has_value()) WISSEL_RETURN_IF_ERROR(Begin());

  auto entries = reader_->Poll(batch_, absl::ZeroDuration());
  if (!entries.ok()) return Lose("log", Annotate(entries.status(), "reading the log"));
  const int64_t events_before = fold_->events();
  size_t bytes = 0;
  for (const bus::LogEntry& entry : *entries) {
    bytes += entry.record.ByteSizeLong();
    fold_->Apply(entry);
    last_record_time_ = entry.time;
  }
  const size_t most = static_cast<size_t>(env_.settings.batch);
  batch_ = entries->empty() ? most
                            : std::clamp<size_t>(static_cast<size_t>(env_.settings.batch_bytes) *
                                                     entries->size() / std::max<size_t>(bytes, 1),
                                                 1, most);

  const bool moved = reader_->position().offset != expected_.next_offset;
  if (moved) {
    if (Due(last_expiry_, kExpiryInterval)) WISSEL_RETURN_IF_ERROR(TakeOutExpired());
    WISSEL_RETURN_IF_ERROR(Write());
  } else if (Due(last_check_, env_.settings.check_interval)) {
    WISSEL_RETURN_IF_ERROR(CheckStillThere());
  }
  env_.metrics.decisions.Increment(static_cast<double>(entries->size()));
  env_.metrics.events.Increment(static_cast<double>(fold_->events() - events_before));
  return moved;
}

absl::Status PartitionProjector::Write() {
  views::Fold::Changes changes = fold_->Take(reader_->position());
  changes.meta.incarnation = expected_.incarnation;
  changes.meta.forgotten_kept = env_.settings.forgotten_kept;
  changes.meta.built_to = built_to_;
  const int64_t next_offset = changes.meta.position->offset;
  env_.metrics.batch_bytes.Increment(static_cast<double>(changes.batch.bytes()));
  const absl::Time begin = env_.clock.Now();
  auto found =
      views::WriteBatch(env_.redis, keys_, expected_, changes.meta, std::move(changes.batch));
  if (!found.ok()) return Lose("redis", Annotate(found.status(), "writing a batch"));
  if (found->has_value()) {
    const bool gone = (*found)->incarnation.empty();
    return Lose(gone ? "gone" : "other_writer",
                absl::AbortedError(gone ? "the data is gone: building it again"
                                        : "another projector has written here"));
  }
  env_.metrics.batch_seconds.Observe(env_.clock.Now() - begin);
  env_.metrics.batches.Increment();
  expected_.next_offset = next_offset;
  written_ = {next_offset, last_record_time_};
  last_check_ = env_.clock.Now();
  return absl::OkStatus();
}

absl::Status PartitionProjector::CheckStillThere() {
  auto reply = env_.redis.Run(keys_.tag(), {"HMGET", keys_.Meta(), "incarnation", "next_offset"});
  if (!reply.ok()) return Lose("redis", Annotate(reply.status(), "looking at the data"));
  const std::vector<store::Reply>& fields = reply->elements;
  if (fields.size() == 2 && fields[0].text == expected_.incarnation &&
      fields[1].text == absl::StrCat(*expected_.next_offset)) {
    return absl::OkStatus();
  }
  const bool gone = fields.empty() || fields[0].nil();
  return Lose(gone ? "gone" : "other_writer",
              absl::AbortedError(gone ? "the data is gone: building it again"
                                      : "another projector has written here"));
}

// By the log's time: every projector takes the same conversations out.
absl::Status PartitionProjector::TakeOutExpired() {
  const absl::Time now = fold_->state().time();
  if (now == absl::InfinitePast()) return absl::OkStatus();
  const int64_t until = absl::ToUnixMicros(now - env_.settings.forgotten_kept);
  const auto ids = env_.redis.Run(
      keys_.tag(), {"ZRANGEBYSCORE", keys_.ForgottenTime(), "-inf", absl::StrCat("(", until),
                    "LIMIT", "0", absl::StrCat(kExpiredAtOnce)});
  if (!ids.ok()) return Lose("redis", Annotate(ids.status(), "looking for the expired"));
  if (ids->elements.empty()) return absl::OkStatus();
  store::Command get = {"HMGET", keys_.Forgotten()};
  for (const store::Reply& id : ids->elements) get.push_back(id.text);
  const auto states = env_.redis.Run(keys_.tag(), std::move(get));
  if (!states.ok()) return Lose("redis", Annotate(states.status(), "reading the expired"));
  for (size_t i = 0; i < states->elements.size(); ++i) {
    state::v1::ConversationState conversation;
    // One that cannot be read is taken out by its id all the same.
    if (!conversation.ParseFromString(states->elements[i].text)) conversation.Clear();
    conversation.set_conversation_id(ids->elements[i].text);
    fold_->Expire(conversation);
    env_.metrics.expired.Increment();
  }
  return absl::OkStatus();
}

// While it fails too: then is when the lag grows.
absl::Status PartitionProjector::MeasureLag() {
  int64_t end = 0;
  if (reader_ != nullptr) {
    WISSEL_ASSIGN_OR_RETURN(end, reader_->EndOffset());
  } else {
    const int64_t from = written_.has_value() ? written_->next_offset : 0;
    WISSEL_ASSIGN_OR_RETURN(const auto reader,
                            env_.bus.OpenReader(bus::Topic::kLog, keys_.partition(),
                                                {.offset = from, .wakeup = nullptr}));
    WISSEL_ASSIGN_OR_RETURN(end, reader->EndOffset());
  }
  const absl::Time now = env_.clock.Now();
  // Where the views stand is not known before they have been read: from here on it lags behind.
  if (!written_.has_value()) written_ = {end, now};
  const int64_t lag = std::max<int64_t>(0, end - written_->next_offset);
  lag_offsets_.Set(static_cast<double>(lag));
  const bool behind = lag > 0 && written_->time != absl::InfinitePast();
  lag_seconds_.Set(behind ? absl::ToDoubleSeconds(now - written_->time) : 0);
  return absl::OkStatus();
}

}  // namespace wissel::projector
