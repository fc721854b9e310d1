#include "libs/bus/embedded.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/bus/sqlite_log.h"

namespace wissel::bus {
namespace {

using internal::Bounds;
using internal::SqliteLog;

// One commit takes at most so much, so that the first in a backlog does not wait for the last.
constexpr size_t kMaxCommitRecords = 5'000;
constexpr size_t kMaxCommitBytes = 16 << 20;
// One Poll returns at most about so much.
constexpr size_t kMaxPollBytes = 8 << 20;

// Keeps other processes off the file while it lives. A lock file of its own: closing any descriptor
// of the database itself would drop SQLite's locks on it.
class FileLock {
 public:
  static absl::StatusOr<std::unique_ptr<FileLock>> Take(const std::string& path) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
      return absl::PermissionDeniedError(
          absl::StrCat("embedded log: cannot open ", path, ": ", strerror(errno)));
    }
    auto lock = std::unique_ptr<FileLock>(new FileLock(fd));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("embedded log: another process holds ", path));
    }
    return lock;
  }
  ~FileLock() { close(fd_); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  const int fd_;
};

class EmbeddedBus;

// What the writer and an appender share; lives until the last of its records is answered.
struct AppenderState {
  explicit AppenderState(const AppenderOptions& o) : options(o) {}

  const AppenderOptions options;
  Mutex mutex;
  CondVar answered_some;
  size_t in_flight ABSL_GUARDED_BY(mutex) = 0;
  size_t in_flight_bytes ABSL_GUARDED_BY(mutex) = 0;
  uint64_t appended ABSL_GUARDED_BY(mutex) = 0;
  uint64_t answered ABSL_GUARDED_BY(mutex) = 0;
  absl::Status failure ABSL_GUARDED_BY(mutex);  // The first, of a gapless appender.

  absl::Status Refusal(size_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!failure.ok()) {
      return absl::AbortedError(absl::StrCat("an earlier append failed: ", failure.message()));
    }
    if (in_flight >= options.max_in_flight ||
        in_flight_bytes + size > options.max_in_flight_bytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("too much in flight: ", in_flight, " records, ", in_flight_bytes, " bytes"));
    }
    return absl::OkStatus();
  }
};

struct Pending {
  std::shared_ptr<AppenderState> appender;
  Record record;
  size_t size = 0;
  Appender::Done done;
};

struct PartitionState {
  Bounds bounds;
  CondVar grown;
  // Of the readers that are there, one each.
  std::multiset<std::shared_ptr<Wakeup>> wakeups;
};

struct Member {
  absl::Duration session_timeout;
  std::shared_ptr<Wakeup> wakeup;
  absl::Time last_poll;
  bool polling = false;
  std::set<int32_t> believes;  // What it was told it has.
};

struct Group {
  Topic topic;
  int64_t next_id = 0;
  std::map<int64_t, Member> members;   // By time of joining.
  std::map<int32_t, int64_t> holders;  // Which member each partition is given to.
  CondVar changed;
};

class EmbeddedBus final : public Bus {
 public:
  EmbeddedBus(int partitions, const Clock* clock, size_t max_record_bytes)
      : partitions_(partitions), clock_(clock), max_record_bytes_(max_record_bytes) {}

  absl::Status Open(const EmbeddedOptions& options);
  ~EmbeddedBus() override;

  absl::StatusOr<int> PartitionCount(Topic topic) override { return Count(topic); }
  absl::StatusOr<std::optional<TopicSettings>> SettingsOf(Topic) override { return std::nullopt; }
  absl::Status EnsureTopics(const std::vector<TopicSpec>& specs) override;
  std::unique_ptr<Appender> NewAppender(AppenderOptions options) override;
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(Topic topic, int32_t partition,
                                                     ReaderOptions options) override;
  absl::StatusOr<std::unique_ptr<Membership>> Join(absl::string_view group, Topic topic,
                                                   MemberOptions options) override;
  absl::Status TruncateBefore(Topic topic, int32_t partition, int64_t offset) override;
  absl::Status Health() override;

  int Count(Topic topic) const { return topic == Topic::kConfig ? 1 : partitions_; }
  absl::Status CheckRecord(const Outgoing& record, size_t size) const;
  void Enqueue(std::shared_ptr<AppenderState> appender, Outgoing record, size_t size,
               Appender::Done done);
  Bounds GetBounds(Topic topic, int32_t partition);
  void Watch(Topic topic, int32_t partition, std::shared_ptr<Wakeup> wakeup);
  void Unwatch(Topic topic, int32_t partition, const std::shared_ptr<Wakeup>& wakeup);
  absl::StatusOr<std::vector<Record>> Read(Topic topic, int32_t partition, int64_t offset,
                                           size_t max, absl::Duration timeout);
  absl::StatusOr<Assignment> PollGroup(Group& group, int64_t member, absl::Duration timeout);
  void LeaveGroup(Group& group, int64_t member);

 private:
  PartitionState& State(Topic topic, int32_t partition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return states_.at({topic, partition});
  }
  void Run();
  std::vector<Pending> TakeBatch();
  void Commit(std::vector<Pending> batch);
  Assignment Change(Group& group, int64_t id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void WakeMembers(Group& group);

  const int partitions_;
  const Clock* const clock_;
  const size_t max_record_bytes_;
  std::unique_ptr<FileLock> file_lock_;
  // For a file two connections, so that reading goes on during a commit's sync; in memory one.
  std::shared_ptr<SqliteLog> writer_log_;
  std::shared_ptr<SqliteLog> reader_log_;

  Mutex mutex_;
  CondVar pending_or_stop_;
  std::deque<Pending> pending_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status health_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<Topic, int32_t>, PartitionState> states_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Group> groups_ ABSL_GUARDED_BY(mutex_);
  std::jthread writer_;
};

class EmbeddedAppender final : public Appender {
 public:
  EmbeddedAppender(EmbeddedBus& bus, const AppenderOptions& options)
      : bus_(bus), state_(std::make_shared<AppenderState>(options)) {}
  ~EmbeddedAppender() override { Flush(absl::InfiniteDuration()).IgnoreError(); }

  void Append(Outgoing record, Done done) override {
    const size_t size = SizeOf(record);
    absl::Status refusal = bus_.CheckRecord(record, size);
    if (refusal.ok()) {
      MutexLock lock(state_->mutex);
      refusal = state_->Refusal(size);
      if (refusal.ok()) {
        ++state_->in_flight;
        ++state_->appended;
        state_->in_flight_bytes += size;
        // Under the lock: two threads' appends are queued in the order in which they are counted.
        bus_.Enqueue(state_, std::move(record), size, std::move(done));
        return;
      }
    }
    done(refusal);
  }

  absl::Status Admit(const Outgoing& record) const override {
    const size_t size = SizeOf(record);
    WISSEL_RETURN_IF_ERROR(bus_.CheckRecord(record, size));
    MutexLock lock(state_->mutex);
    return state_->Refusal(size);
  }

  absl::Status Flush(absl::Duration timeout) override {
    const Timeout limit(timeout);
    MutexLock lock(state_->mutex);
    const uint64_t target = state_->appended;
    while (state_->answered < target) {
      if (limit.Expired()) {
        return absl::DeadlineExceededError(
            absl::StrCat("flush: ", target - state_->answered, " appends not answered"));
      }
      state_->answered_some.WaitFor(state_->mutex, limit.Remaining());
    }
    return absl::OkStatus();
  }

 private:
  EmbeddedBus& bus_;
  const std::shared_ptr<AppenderState> state_;
};

class EmbeddedReader final : public Reader {
 public:
  EmbeddedReader(EmbeddedBus& bus, Topic topic, int32_t partition, ReaderOptions options)
      : bus_(bus),
        topic_(topic),
        partition_(partition),
        wakeup_(std::move(options.wakeup)),
        position_(options.offset) {
    if (wakeup_ != nullptr) {
      bus_.Watch(topic, partition, wakeup_);
      wakeup_->Notify();  // What is there already counts as new.
    }
  }

  ~EmbeddedReader() override {
    if (wakeup_ != nullptr) bus_.Unwatch(topic_, partition_, wakeup_);
  }

  absl::StatusOr<std::vector<Record>> Poll(size_t max, absl::Duration timeout) override {
    WISSEL_ASSIGN_OR_RETURN(std::vector<Record> records,
                            bus_.Read(topic_, partition_, position_, max, timeout));
    if (!records.empty()) position_ = records.back().offset + 1;
    return records;
  }
  absl::Status Seek(int64_t offset) override {
    position_ = offset;
    if (wakeup_ != nullptr) wakeup_->Notify();
    return absl::OkStatus();
  }
  int64_t position() const override { return position_; }
  int64_t KnownEnd() const override {
    return std::max(position_, bus_.GetBounds(topic_, partition_).end);
  }
  absl::StatusOr<int64_t> StartOffset() override {
    return bus_.GetBounds(topic_, partition_).start;
  }
  absl::StatusOr<int64_t> EndOffset() override { return bus_.GetBounds(topic_, partition_).end; }

 private:
  EmbeddedBus& bus_;
  const Topic topic_;
  const int32_t partition_;
  const std::shared_ptr<Wakeup> wakeup_;
  int64_t position_;
};

class EmbeddedMembership final : public Membership {
 public:
  EmbeddedMembership(EmbeddedBus& bus, Group& group, int64_t id)
      : bus_(bus), group_(group), id_(id) {}
  ~EmbeddedMembership() override { bus_.LeaveGroup(group_, id_); }

  absl::StatusOr<Assignment> Poll(absl::Duration timeout) override {
    return bus_.PollGroup(group_, id_, timeout);
  }
  absl::Status standing() const override { return absl::OkStatus(); }
  // Nobody outside the process could see it.
  void CommitForMonitoring(const std::vector<Progress>&) override {}

 private:
  EmbeddedBus& bus_;
  Group& group_;
  const int64_t id_;
};

absl::Status EmbeddedBus::Open(const EmbeddedOptions& options) {
  const bool in_memory = options.path == ":memory:";
  if (!in_memory) {
    WISSEL_ASSIGN_OR_RETURN(file_lock_, FileLock::Take(absl::StrCat(options.path, ".lock")));
  }
  const SqliteLog::Options log_options{.path = options.path,
                                       .max_file_bytes = options.max_file_bytes};
  WISSEL_ASSIGN_OR_RETURN(writer_log_, SqliteLog::Open(log_options));
  if (in_memory) {
    reader_log_ = writer_log_;
  } else {
    WISSEL_ASSIGN_OR_RETURN(reader_log_, SqliteLog::Open(log_options));
  }
  WISSEL_ASSIGN_OR_RETURN(const int partitions, writer_log_->Partitions(partitions_));
  if (partitions != partitions_) {
    return absl::FailedPreconditionError(absl::StrCat(
        "embedded log ", options.path, " has ", partitions, " partitions, not ", partitions_));
  }
  {
    MutexLock lock(mutex_);
    for (const Topic topic : kAllTopics) {
      for (int32_t partition = 0; partition < Count(topic); ++partition) {
        PartitionState& state = states_[{topic, partition}];
        WISSEL_ASSIGN_OR_RETURN(state.bounds, writer_log_->FindBounds(topic, partition));
      }
    }
  }
  writer_ = StartThread("bus-writer", [this] { Run(); });
  return absl::OkStatus();
}

EmbeddedBus::~EmbeddedBus() {
  MutexLock lock(mutex_);
  stopping_ = true;
  pending_or_stop_.NotifyAll();
  // The thread's own destructor joins it; it is declared last, so before what it uses goes away.
}

absl::Status EmbeddedBus::EnsureTopics(const std::vector<TopicSpec>& specs) {
  for (const TopicSpec& spec : specs) {
    if (spec.partitions != Count(spec.topic)) {
      return absl::FailedPreconditionError(absl::StrCat("topic ", TopicName(spec.topic), " has ",
                                                        Count(spec.topic), " partitions, not ",
                                                        spec.partitions));
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<Appender> EmbeddedBus::NewAppender(AppenderOptions options) {
  return std::make_unique<EmbeddedAppender>(*this, options);
}

absl::StatusOr<std::unique_ptr<Reader>> EmbeddedBus::OpenReader(Topic topic, int32_t partition,
                                                                ReaderOptions options) {
  if (partition < 0 || partition >= Count(topic)) {
    return absl::NotFoundError(
        absl::StrCat("topic ", TopicName(topic), " has no partition ", partition));
  }
  return std::make_unique<EmbeddedReader>(*this, topic, partition, std::move(options));
}

absl::StatusOr<std::unique_ptr<Membership>> EmbeddedBus::Join(absl::string_view group, Topic topic,
                                                              MemberOptions options) {
  MutexLock lock(mutex_);
  auto [it, is_new] = groups_.try_emplace(std::string(group));
  Group& joined = it->second;
  if (is_new) joined.topic = topic;
  if (joined.topic != topic) {
    return absl::InvalidArgumentError(
        absl::StrCat("group ", group, " shares ", TopicName(joined.topic), " already"));
  }
  const int64_t id = joined.next_id++;
  joined.members[id] = Member{.session_timeout = options.session_timeout,
                              .wakeup = std::move(options.wakeup),
                              .last_poll = clock_->Now(),
                              .polling = false,
                              .believes = {}};
  WakeMembers(joined);
  return std::make_unique<EmbeddedMembership>(*this, joined, id);
}

absl::Status EmbeddedBus::TruncateBefore(Topic topic, int32_t partition, int64_t offset) {
  if (partition < 0 || partition >= Count(topic)) {
    return absl::NotFoundError(
        absl::StrCat("topic ", TopicName(topic), " has no partition ", partition));
  }
  const Bounds bounds = GetBounds(topic, partition);
  if (offset <= bounds.start) return absl::OkStatus();
  if (offset > bounds.end) {
    return absl::OutOfRangeError(absl::StrCat("truncate before ", offset, ": ", TopicName(topic),
                                              "/", partition, " ends at ", bounds.end));
  }
  WISSEL_RETURN_IF_ERROR(writer_log_->Truncate(topic, partition, offset));
  std::multiset<std::shared_ptr<Wakeup>> wakeups;
  {
    MutexLock lock(mutex_);
    PartitionState& state = State(topic, partition);
    state.bounds.start = std::max(state.bounds.start, offset);
    state.grown.NotifyAll();
    wakeups = state.wakeups;
  }
  for (const auto& wakeup : wakeups) wakeup->Notify();
  return absl::OkStatus();
}

absl::Status EmbeddedBus::Health() {
  {
    MutexLock lock(mutex_);
    if (health_.ok()) return health_;
  }
  absl::Status status = writer_log_->Probe();
  MutexLock lock(mutex_);
  health_ = status;
  return status;
}

absl::Status EmbeddedBus::CheckRecord(const Outgoing& record, size_t size) const {
  if (record.partition < 0 || record.partition >= Count(record.topic)) {
    return absl::InvalidArgumentError(
        absl::StrCat("topic ", TopicName(record.topic), " has no partition ", record.partition));
  }
  if (size > max_record_bytes_) {
    return absl::InvalidArgumentError(
        absl::StrCat("record of ", size, " bytes is larger than ", max_record_bytes_));
  }
  return absl::OkStatus();
}

void EmbeddedBus::Enqueue(std::shared_ptr<AppenderState> appender, Outgoing record, size_t size,
                          Appender::Done done) {
  Pending pending{.appender = std::move(appender),
                  .record = {.topic = record.topic,
                             .partition = record.partition,
                             .offset = 0,
                             .time = clock_->Now(),
                             .key = std::move(record.key),
                             .value = std::move(record.value),
                             .headers = std::move(record.headers)},
                  .size = size,
                  .done = std::move(done)};
  MutexLock lock(mutex_);
  pending_.push_back(std::move(pending));
  if (pending_.size() == 1) pending_or_stop_.NotifyOne();
}

Bounds EmbeddedBus::GetBounds(Topic topic, int32_t partition) {
  MutexLock lock(mutex_);
  return State(topic, partition).bounds;
}

void EmbeddedBus::Watch(Topic topic, int32_t partition, std::shared_ptr<Wakeup> wakeup) {
  MutexLock lock(mutex_);
  State(topic, partition).wakeups.insert(std::move(wakeup));
}

void EmbeddedBus::Unwatch(Topic topic, int32_t partition, const std::shared_ptr<Wakeup>& wakeup) {
  MutexLock lock(mutex_);
  auto& wakeups = State(topic, partition).wakeups;
  wakeups.erase(wakeups.find(wakeup));
}

absl::StatusOr<std::vector<Record>> EmbeddedBus::Read(Topic topic, int32_t partition,
                                                      int64_t offset, size_t max,
                                                      absl::Duration timeout) {
  const auto out_of_range = [&](const Bounds& bounds) {
    return absl::OutOfRangeError(absl::StrCat(TopicName(topic), "/", partition, " holds offsets ",
                                              bounds.start, " to ", bounds.end, ", not ", offset));
  };
  const Timeout limit(timeout);
  Bounds bounds;
  {
    MutexLock lock(mutex_);
    PartitionState& state = State(topic, partition);
    while (state.bounds.start <= offset && offset == state.bounds.end && !limit.Expired()) {
      state.grown.WaitFor(mutex_, limit.Remaining());
    }
    bounds = state.bounds;
  }
  if (offset < bounds.start || offset > bounds.end) return out_of_range(bounds);
  if (offset == bounds.end) return std::vector<Record>();
  WISSEL_ASSIGN_OR_RETURN(std::vector<Record> records,
                          reader_log_->Read(topic, partition, offset, bounds.end,
                                            std::max<size_t>(max, 1), kMaxPollBytes));
  // Cut off meanwhile.
  if (records.empty() || records.front().offset != offset) {
    return out_of_range(GetBounds(topic, partition));
  }
  return records;
}

void EmbeddedBus::Run() {
  while (true) {
    std::vector<Pending> batch = TakeBatch();
    if (batch.empty()) return;
    Commit(std::move(batch));
  }
}

std::vector<Pending> EmbeddedBus::TakeBatch() {
  std::vector<Pending> batch;
  MutexLock lock(mutex_);
  while (pending_.empty() && !stopping_) pending_or_stop_.Wait(mutex_);
  size_t bytes = 0;
  while (!pending_.empty() && batch.size() < kMaxCommitRecords && bytes < kMaxCommitBytes) {
    bytes += pending_.front().size;
    batch.push_back(std::move(pending_.front()));
    pending_.pop_front();
  }
  return batch;
}

void EmbeddedBus::Commit(std::vector<Pending> batch) {
  std::vector<absl::Status> refusals(batch.size());
  std::vector<int64_t> offsets(batch.size(), -1);
  std::map<std::pair<Topic, int32_t>, int64_t> ends;
  std::vector<Record> records;
  records.reserve(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    Pending& pending = batch[i];
    {
      MutexLock lock(pending.appender->mutex);
      refusals[i] = pending.appender->failure;
    }
    if (!refusals[i].ok()) {
      refusals[i] =
          absl::AbortedError(absl::StrCat("an earlier append failed: ", refusals[i].message()));
      continue;
    }
    const std::pair place(pending.record.topic, pending.record.partition);
    auto [end, is_new] = ends.try_emplace(place, 0);
    if (is_new) end->second = GetBounds(place.first, place.second).end;
    offsets[i] = pending.record.offset = end->second++;
    records.push_back(std::move(pending.record));
  }

  const absl::Status status = records.empty() ? absl::OkStatus() : writer_log_->Write(records);

  std::set<std::shared_ptr<Wakeup>> wakeups;
  {
    MutexLock lock(mutex_);
    if (!records.empty()) health_ = status;
    if (status.ok()) {
      for (const auto& [place, end] : ends) {
        PartitionState& state = State(place.first, place.second);
        state.bounds.end = end;
        state.grown.NotifyAll();
        wakeups.insert(state.wakeups.begin(), state.wakeups.end());
      }
    }
  }
  for (const auto& wakeup : wakeups) wakeup->Notify();

  for (size_t i = 0; i < batch.size(); ++i) {
    Pending& pending = batch[i];
    AppenderState& appender = *pending.appender;
    if (!status.ok() && refusals[i].ok()) {
      refusals[i] = status;
      MutexLock lock(appender.mutex);
      if (appender.options.gapless && appender.failure.ok()) appender.failure = status;
    }
    std::exchange(pending.done, nullptr)(refusals[i].ok() ? absl::StatusOr<int64_t>(offsets[i])
                                                          : absl::StatusOr<int64_t>(refusals[i]));
    MutexLock lock(appender.mutex);
    --appender.in_flight;
    appender.in_flight_bytes -= pending.size;
    ++appender.answered;
    appender.answered_some.NotifyAll();
  }
}

void EmbeddedBus::WakeMembers(Group& group) {
  group.changed.NotifyAll();
  for (const auto& [id, member] : group.members) {
    if (member.wakeup != nullptr) member.wakeup->Notify();
  }
}

// Partition p belongs to the (p modulo n)th of the n live members. It is given to it when the one
// that has it has been told, has left or has expired.
Assignment EmbeddedBus::Change(Group& group, int64_t id) {
  const absl::Time now = clock_->Now();
  std::vector<int64_t> live;
  for (auto& [other_id, other] : group.members) {
    if (other_id == id || other.polling || now - other.last_poll <= other.session_timeout) {
      live.push_back(other_id);
    } else {
      std::erase_if(group.holders, [&](const auto& held) { return held.second == other_id; });
    }
  }
  Member& self = group.members.at(id);
  Assignment change;
  for (int32_t partition = 0; partition < Count(group.topic); ++partition) {
    const bool wanted = live[static_cast<size_t>(partition) % live.size()] == id;
    const auto holder = group.holders.find(partition);
    const bool held = holder != group.holders.end() && holder->second == id;
    if (self.believes.contains(partition) && !(wanted && held)) {
      change.revoked.push_back(partition);
      self.believes.erase(partition);
      if (held) group.holders.erase(partition);
    }
    if (wanted && !self.believes.contains(partition) && !group.holders.contains(partition)) {
      change.assigned.push_back(partition);
      self.believes.insert(partition);
      group.holders[partition] = id;
    }
  }
  return change;
}

absl::StatusOr<Assignment> EmbeddedBus::PollGroup(Group& group, int64_t id,
                                                  absl::Duration timeout) {
  const Timeout limit(timeout);
  MutexLock lock(mutex_);
  group.members.at(id).polling = true;
  Assignment change;
  while (true) {
    change = Change(group, id);
    if (!change.empty() || limit.Expired()) break;
    // Another member may expire meanwhile.
    absl::Duration wait = limit.Remaining();
    for (const auto& [other_id, other] : group.members) {
      if (other_id == id || other.polling) continue;
      const absl::Duration left = other.last_poll + other.session_timeout - clock_->Now();
      if (left >= absl::ZeroDuration()) wait = std::min(wait, left + absl::Milliseconds(1));
    }
    group.changed.WaitFor(mutex_, wait);
  }
  Member& self = group.members.at(id);
  self.polling = false;
  self.last_poll = clock_->Now();
  if (!change.revoked.empty()) WakeMembers(group);
  return change;
}

void EmbeddedBus::LeaveGroup(Group& group, int64_t id) {
  MutexLock lock(mutex_);
  group.members.erase(id);
  std::erase_if(group.holders, [&](const auto& held) { return held.second == id; });
  WakeMembers(group);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Bus>> NewEmbeddedBus(EmbeddedOptions options) {
  static const SystemClock system_clock;
  if (options.partitions < 1 || options.partitions > 1024) {
    return absl::InvalidArgumentError(
        absl::StrCat("embedded log: ", options.partitions, " partitions; 1 to 1024 are possible"));
  }
  auto bus = std::make_unique<EmbeddedBus>(options.partitions,
                                           options.clock != nullptr ? options.clock : &system_clock,
                                           options.max_record_bytes);
  WISSEL_RETURN_IF_ERROR(bus->Open(options));
  return bus;
}

}  // namespace wissel::bus
