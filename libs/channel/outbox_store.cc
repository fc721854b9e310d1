#include "libs/channel/outbox_store.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/hash.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/channel/ids.h"

namespace wissel::channel {
namespace {

// In front of each value; the number changes with the meaning of anything behind it.
constexpr absl::string_view kFormat = "wissel-outbox-1:";
constexpr size_t kChecksumDigits = 16;
// Above it nothing is kept: folding the log is then the lesser evil.
constexpr size_t kMaxBytes = 64 << 20;

std::string Tag(int32_t partition) { return absl::StrCat("p", partition); }

std::string KeyOf(common::v1::ChannelKind kind, int32_t partition) {
  return absl::StrCat("wissel:{", Tag(partition), "}:outbox:", ChannelKindName(kind));
}

std::string Checksum(absl::string_view bytes) {
  return absl::StrCat(absl::Hex(StableHash64(bytes), absl::kZeroPad16));
}

store::RedisOptions Hurried(store::RedisOptions options, absl::Duration patience) {
  options.connect_timeout = std::min(options.connect_timeout, patience);
  options.command_timeout = std::min(options.command_timeout, patience);
  return options;
}

}  // namespace

state::v1::LogPlace ToPlace(const bus::LogPosition& position) {
  state::v1::LogPlace place;
  place.set_next_offset(position.offset);
  place.set_footing(static_cast<int32_t>(position.rule.footing));
  place.set_epoch(position.rule.epoch);
  place.set_claim_offset(position.rule.claim_offset);
  place.set_next_sequence(position.rule.next_sequence);
  place.set_epoch_bound(position.rule.epoch_bound);
  place.set_owner(position.rule.owner);
  return place;
}

bus::LogPosition FromPlace(const state::v1::LogPlace& place) {
  return {.offset = place.next_offset(),
          .rule = {.footing = static_cast<bus::Footing>(place.footing()),
                   .epoch = place.epoch(),
                   .claim_offset = place.claim_offset(),
                   .next_sequence = place.next_sequence(),
                   .epoch_bound = place.epoch_bound(),
                   .owner = place.owner()}};
}

OutboxStore::OutboxStore(store::RedisOptions redis, telemetry::Logger log, absl::Duration patience)
    : options_(std::move(redis)),
      log_(std::move(log)),
      reading_(Hurried(options_, patience)),
      writer_(StartThread("outbox-store", [this] { Run(); })) {}

OutboxStore::~OutboxStore() {
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.NotifyAll();
}

absl::StatusOr<state::v1::OutboxCheckpoint> OutboxStore::Load(common::v1::ChannelKind kind,
                                                              int32_t partition) {
  WISSEL_ASSIGN_OR_RETURN(const store::Reply reply,
                          reading_.Run(Tag(partition), {"GET", KeyOf(kind, partition)}));
  WISSEL_ASSIGN_OR_RETURN(absl::string_view bytes, reply.AsString());
  state::v1::OutboxCheckpoint checkpoint;
  if (!absl::ConsumePrefix(&bytes, kFormat) || bytes.size() < kChecksumDigits ||
      bytes.substr(0, kChecksumDigits) != Checksum(bytes.substr(kChecksumDigits)) ||
      !checkpoint.ParseFromArray(bytes.data() + kChecksumDigits,
                                 static_cast<int>(bytes.size() - kChecksumDigits)) ||
      checkpoint.kind() != kind || checkpoint.partition() != partition) {
    return absl::DataLossError("it does not add up, or is of another release");
  }
  return checkpoint;
}

void OutboxStore::Save(state::v1::OutboxCheckpoint checkpoint) {
  const Key key(checkpoint.kind(), checkpoint.partition());
  MutexLock lock(mutex_);
  waiting_[key] = std::move(checkpoint);
  changed_.NotifyAll();
}

void OutboxStore::Run() {
  store::Redis redis(options_);
  while (true) {
    std::map<Key, state::v1::OutboxCheckpoint> taken;
    bool last = false;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && waiting_.empty()) changed_.Wait(mutex_);
      taken = std::exchange(waiting_, {});
      last = stopping_;
    }
    for (const auto& [key, checkpoint] : taken) Write(redis, checkpoint);
    if (last) return;
  }
}

void OutboxStore::Write(store::Redis& redis, const state::v1::OutboxCheckpoint& checkpoint) {
  absl::Status status;
  if (checkpoint.ByteSizeLong() > kMaxBytes) {
    status = absl::ResourceExhaustedError("too many answers are open");
  } else {
    const std::string bytes = checkpoint.SerializeAsString();
    status = redis
                 .Run(Tag(checkpoint.partition()),
                      {"SET", KeyOf(checkpoint.kind(), checkpoint.partition()),
                       absl::StrCat(kFormat, Checksum(bytes), bytes)})
                 .status();
  }
  if (!status.ok()) {
    log_.Warning("a deliverer's place was not kept",
                 {{"partition", checkpoint.partition()}, {"status", status}});
  }
}

}  // namespace wissel::channel
