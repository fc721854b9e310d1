#include "tests/chaos/log_follower.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"

namespace wissel::chaos {
namespace {

using receipt::v1::DeliveryState;

constexpr size_t kReadBatch = 2000;
constexpr absl::Duration kIdle = absl::Milliseconds(100);
constexpr absl::Duration kCatchUpTimeout = absl::Seconds(30);

// More will happen by itself.
bool IsOpen(DeliveryState state) {
  switch (state) {
    case DeliveryState::DELIVERY_STATE_PENDING:
    case DeliveryState::DELIVERY_STATE_ATTEMPTING:
    case DeliveryState::DELIVERY_STATE_RETRYING:
    case DeliveryState::DELIVERY_STATE_UNCERTAIN:
      return true;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogFollower>> LogFollower::Start(bus::Bus& bus) {
  auto follower = std::unique_ptr<LogFollower>(new LogFollower(bus));
  WISSEL_ASSIGN_OR_RETURN(const int partitions, bus.PartitionCount(bus::Topic::kLog));
  {
    MutexLock lock(follower->mutex_);
    follower->log_.resize(static_cast<size_t>(partitions));
    follower->config_versions_.resize(static_cast<size_t>(partitions));
    follower->ends_.resize(static_cast<size_t>(partitions));
    follower->epochs_.resize(static_cast<size_t>(partitions));
  }
  for (int32_t partition = 0; partition < partitions; ++partition) {
    WISSEL_ASSIGN_OR_RETURN(
        auto reader,
        bus::LogReader::Open(bus, partition,
                             {.wakeup = follower->wakeup_,
                              .on_void = [raw = follower.get()](const bus::VoidRecord& record) {
                                raw->OnVoid(record);
                              }}));
    follower->readers_.push_back(std::move(reader));
  }
  follower->thread_ = StartThread(
      "log-follower", [raw = follower.get()](const std::stop_token& stop) { raw->Run(stop); });
  return follower;
}

LogFollower::~LogFollower() {
  thread_.request_stop();
  wakeup_->Notify();
}

void LogFollower::Run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    bool any = false;
    for (size_t i = 0; i < readers_.size(); ++i) {
      const int64_t before = readers_[i]->position().offset;
      auto entries = readers_[i]->Poll(kReadBatch, absl::ZeroDuration());
      // The broker is away: reading goes on by itself.
      if (!entries.ok()) continue;
      any = any || readers_[i]->position().offset != before;
      Take(i, *std::move(entries));
    }
    if (!any) wakeup_->Wait(kIdle);
  }
}

void LogFollower::Take(size_t partition, std::vector<bus::LogEntry> entries) {
  MutexLock lock(mutex_);
  ends_[partition] = readers_[partition]->position().offset;
  epochs_[partition] = readers_[partition]->rule().epoch;
  for (bus::LogEntry& entry : entries) {
    if (entry.record.has_owner_claimed()) {
      ++claims_;
    } else {
      ++decisions_;
      for (const conversation::v1::Event& event : entry.record.decision().events()) {
        if (event.has_message_received()) {
          messages_.insert(event.message_received().message().provider_message_id());
        } else if (event.has_queued()) {
          waiting_.insert(event.queued().conversation_id());
        } else if (event.has_assigned()) {
          waiting_.erase(event.assigned().conversation_id());
        } else if (event.has_resolved()) {
          waiting_.erase(event.resolved().conversation_id());
        } else if (event.has_config_applied()) {
          config_versions_[partition] = event.config_applied().config().version();
        } else if (event.has_reply_sent()) {
          replies_.try_emplace(event.reply_sent().outbound_id(),
                               DeliveryState::DELIVERY_STATE_PENDING);
          if (event.reply_sent().message().account().kind() == common::v1::CHANNEL_KIND_EMAIL) {
            mails_.insert(event.reply_sent().outbound_id());
          }
        } else if (event.has_delivery_updated()) {
          const std::string& id = event.delivery_updated().outbound_id();
          replies_[id] = event.delivery_updated().state();
          uncertain_mails_ +=
              mails_.contains(id) && replies_[id] == DeliveryState::DELIVERY_STATE_UNCERTAIN;
        }
      }
    }
    log_[partition].push_back(std::move(entry));
  }
}

void LogFollower::OnVoid(const bus::VoidRecord& record) {
  MutexLock lock(mutex_);
  ++(record.stamp.kind == bus::RecordKind::kClaim ? void_claims_ : void_decisions_);
}

int64_t LogFollower::decisions() const {
  MutexLock lock(mutex_);
  return decisions_;
}
int64_t LogFollower::messages() const {
  MutexLock lock(mutex_);
  return static_cast<int64_t>(messages_.size());
}
int64_t LogFollower::void_decisions() const {
  MutexLock lock(mutex_);
  return void_decisions_;
}
int64_t LogFollower::void_claims() const {
  MutexLock lock(mutex_);
  return void_claims_;
}
int64_t LogFollower::claims() const {
  MutexLock lock(mutex_);
  return claims_;
}
int64_t LogFollower::replies() const {
  MutexLock lock(mutex_);
  return static_cast<int64_t>(replies_.size());
}
int64_t LogFollower::open_replies() const {
  MutexLock lock(mutex_);
  int64_t open = 0;
  for (const auto& [id, state] : replies_) open += IsOpen(state) ? 1 : 0;
  return open;
}
std::vector<std::string> LogFollower::mails_sent() const {
  MutexLock lock(mutex_);
  std::vector<std::string> sent;
  for (const std::string& id : mails_) {
    if (replies_.at(id) == DeliveryState::DELIVERY_STATE_SENT) sent.push_back(id);
  }
  return sent;
}
int64_t LogFollower::uncertain_mails() const {
  MutexLock lock(mutex_);
  return uncertain_mails_;
}
std::unordered_map<int, int64_t> LogFollower::replies_by_state() const {
  MutexLock lock(mutex_);
  std::unordered_map<int, int64_t> counts;
  for (const auto& [id, state] : replies_) ++counts[state];
  return counts;
}
bool LogFollower::HasMessage(const std::string& provider_message_id) const {
  MutexLock lock(mutex_);
  return messages_.contains(provider_message_id);
}
std::vector<int64_t> LogFollower::ends() const {
  MutexLock lock(mutex_);
  return ends_;
}
int64_t LogFollower::waiting() const {
  MutexLock lock(mutex_);
  return static_cast<int64_t>(waiting_.size());
}
int64_t LogFollower::config_version() const {
  MutexLock lock(mutex_);
  return *std::min_element(config_versions_.begin(), config_versions_.end());
}
std::vector<int64_t> LogFollower::epochs() const {
  MutexLock lock(mutex_);
  return epochs_;
}

absl::Status LogFollower::CatchUp() {
  const Timeout limit(kCatchUpTimeout);
  for (int32_t partition = 0; partition < static_cast<int32_t>(ends().size()); ++partition) {
    WISSEL_ASSIGN_OR_RETURN(auto reader, bus_.OpenReader(bus::Topic::kLog, partition, {}));
    WISSEL_ASSIGN_OR_RETURN(const int64_t end, reader->EndOffset());
    while (ends()[static_cast<size_t>(partition)] < end) {
      if (limit.Expired()) return absl::UnavailableError("the log does not come");
      absl::SleepFor(absl::Milliseconds(10));
    }
  }
  return absl::OkStatus();
}

std::vector<std::vector<bus::LogEntry>> LogFollower::Finish() {
  thread_.request_stop();
  wakeup_->Notify();
  if (thread_.joinable()) thread_.join();
  MutexLock lock(mutex_);
  return std::exchange(log_, {});
}

}  // namespace wissel::chaos
