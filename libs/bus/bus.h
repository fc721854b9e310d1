#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/bus/topic.h"
#include "libs/bus/wakeup.h"

// What Wissel needs of a log: append a record, read in order from an offset, learn which partitions
// to take care of. Two implementations, one contract: kafka.h (production) and embedded.h (one
// process, SQLite). libs/bus/conformance holds both to what is said here.
namespace wissel::bus {

// In the order in which they were appended; a name may repeat.
using Headers = std::vector<std::pair<std::string, std::string>>;

// The first header of that name; empty where there is none.
absl::string_view HeaderOf(const Headers& headers, absl::string_view name);

// A record as it stands in a partition.
struct Record {
  Topic topic = Topic::kInbound;
  int32_t partition = 0;
  int64_t offset = 0;
  absl::Time time;  // When it was appended, by the appender's clock, in milliseconds.
  std::string key;
  std::string value;
  Headers headers;
};

// A record to be appended.
struct Outgoing {
  Topic topic = Topic::kInbound;
  int32_t partition = 0;  // PartitionOf(key, count), except where the caller knows better.
  std::string key;
  std::string value;
  Headers headers;
  // Others follow at once: it may wait for them, for some milliseconds, so that they go together.
  bool more = false;
};

// The bytes that count towards `max_record_bytes` and the limit on what is in flight.
size_t SizeOf(const Outgoing& record);

struct AppenderOptions {
  // For the owner of a partition: after one append has failed, every later one is refused
  // (ABORTED), so that nothing follows a gap. Without it each append stands alone.
  bool gapless = false;

  // Appends not yet answered, at most.
  size_t max_in_flight = 10'000;
  size_t max_in_flight_bytes = 64 << 20;
};

// Appends records, pipelined. Thread-safe. The records of one partition come to stand in the log in
// the order of the calls, each once as far as this appender is concerned; OK means durable (Kafka:
// acks=all; embedded: synced to disk), at the offset given, or somewhere behind the one before
// where it is negative: Kafka may not say where a record stands that was sent twice. An error other
// than a refusal leaves open whether the record is in the log.
//
// The destructor waits for what is in flight, until the delivery timeout, and answers all of it.
class Appender {
 public:
  using Done = absl::AnyInvocable<void(absl::StatusOr<int64_t> offset)>;

  virtual ~Appender() = default;

  // Never blocks. `done` is called exactly once: with the record's offset, in order per partition,
  // on the appender's delivery thread; or, when the record is refused, before Append returns, on
  // the calling thread. So hold no lock that `done` takes, and do not block in it.
  //
  // Refused, and certainly not in the log:
  //   INVALID_ARGUMENT    larger than the bus's max_record_bytes, or no such partition
  //   RESOURCE_EXHAUSTED  too much in flight; try again when something has been answered
  //   ABORTED             gapless, and an earlier append failed: use another appender
  // Failed, perhaps in the log all the same:
  //   UNAVAILABLE         not acknowledged within the delivery timeout; a record that waited until
  //                       others were answered has twice as long. Kafka: also at once, while a
  //                       client that can never send again is replaced
  //   RESOURCE_EXHAUSTED  embedded: the disk is full (then certainly not in the log)
  // A refusal with INVALID_ARGUMENT or RESOURCE_EXHAUSTED does not end a gapless appender: nothing
  // was sent, so nothing is missing.
  virtual void Append(Outgoing record, Done done) = 0;

  // What Append would refuse now. While only one thread appends, OK holds until it does: answers
  // only make room.
  virtual absl::Status Admit(const Outgoing& record) const = 0;

  // Waits until every append made before the call has been answered, each by its own status.
  // DEADLINE_EXCEEDED if that took longer than `timeout`; the appends go on.
  virtual absl::Status Flush(absl::Duration timeout) = 0;
};

struct ReaderOptions {
  // The first offset to read; see Reader::Seek.
  int64_t offset = 0;

  // Notified when Poll may have something new, from any thread. One may serve many readers.
  std::shared_ptr<Wakeup> wakeup;
};

// Reads one partition in order from an offset. Bytes only; validity of log records is LogReader's
// matter. For one thread at a time. Offsets rise, but not always by one: a broker may leave some
// out.
class Reader {
 public:
  virtual ~Reader() = default;

  // The next records, `max` at most, in order; empty if none came within `timeout`, also while the
  // broker is away: reading goes on by itself when it is back (see Bus::Health). Zero polls.
  //   OUT_OF_RANGE  the next offset was cut off by retention, or lies beyond the end. Seek.
  virtual absl::StatusOr<std::vector<Record>> Poll(size_t max, absl::Duration timeout) = 0;

  // Goes on at `offset`, which Poll checks.
  virtual absl::Status Seek(int64_t offset) = 0;

  // The offset that Poll returns next, if there is such a record.
  virtual int64_t position() const = 0;

  // The end as far as the reader has heard of it, without asking: at least position().
  virtual int64_t KnownEnd() const { return position(); }

  // The first offset that retention has left, and the one that the next record will get (Kafka: the
  // high watermark). Both ask the log: a round trip on Kafka, at most its request timeout.
  //   UNAVAILABLE  no answer
  virtual absl::StatusOr<int64_t> StartOffset() = 0;
  virtual absl::StatusOr<int64_t> EndOffset() = 0;
};

struct MemberOptions {
  // A member that has not called Poll for so long, or whose process is gone, loses its partitions.
  absl::Duration session_timeout = absl::Seconds(10);

  // Notified when Poll may have something new.
  std::shared_ptr<Wakeup> wakeup;
};

struct Assignment {
  // Revoked comes before assigned: a partition in both was taken away and given back.
  std::vector<int32_t> revoked;
  std::vector<int32_t> assigned;

  bool empty() const { return revoked.empty() && assigned.empty(); }
};

// How far a group has come in a partition: to the offset that it deals with next.
struct Progress {
  Topic topic = Topic::kInbound;
  int32_t partition = 0;
  int64_t next = 0;
};

// A place in a group whose members share a topic's partitions. For one thread at a time.
//
// It says which partitions to take care of, no more: two members may believe for a while that they
// have the same one (a stalled process, a cut network). Who may write is settled in the log
// (OwnedLog).
class Membership {
 public:
  virtual ~Membership() = default;  // Leaves the group at once.

  // What has changed since the last call, waiting up to `timeout` for something; empty if nothing.
  // Must be called well within the session timeout.
  // A failure is told once; further calls go on trying.
  virtual absl::StatusOr<Assignment> Poll(absl::Duration timeout) = 0;

  // As of the last Poll. OK: the group has taken it in, be it with nothing to take care of.
  //   UNAVAILABLE        not yet, or it has been given up
  //   PERMISSION_DENIED  the broker forbids it
  virtual absl::Status standing() const = 0;

  // Shows the group's progress, in any topic, to lag monitors and autoscalers. Nothing ever starts
  // from it. Does not block; failures are of no consequence.
  virtual void CommitForMonitoring(const std::vector<Progress>& progress) = 0;
};

// The way to the log. Thread-safe. What it gives out must be destroyed before it.
class Bus {
 public:
  virtual ~Bus() = default;

  //   NOT_FOUND    there is no such topic
  //   UNAVAILABLE  the broker cannot be asked
  virtual absl::StatusOr<int> PartitionCount(Topic topic) = 0;

  // How the broker keeps the topic's records; nothing where there is no broker and everything is
  // kept.
  //   NOT_FOUND, UNAVAILABLE  as PartitionCount
  //   PERMISSION_DENIED       Kafka: describing the topic's configuration is not allowed
  virtual absl::StatusOr<std::optional<TopicSettings>> SettingsOf(Topic topic) = 0;

  // Makes the topics that are missing and leaves the others as they are, then checks their
  // partition counts: FAILED_PRECONDITION if one differs from its spec.
  virtual absl::Status EnsureTopics(const std::vector<TopicSpec>& specs) = 0;

  virtual std::unique_ptr<Appender> NewAppender(AppenderOptions options) = 0;

  //   NOT_FOUND    no such topic or partition
  //   UNAVAILABLE  the broker cannot be asked
  virtual absl::StatusOr<std::unique_ptr<Reader>> OpenReader(Topic topic, int32_t partition,
                                                             ReaderOptions options) = 0;

  // Joins `group` on the partitions of `topic`.
  virtual absl::StatusOr<std::unique_ptr<Membership>> Join(absl::string_view group, Topic topic,
                                                           MemberOptions options) = 0;

  // Cuts the head off, as retention does: the first offset becomes `offset`.
  //   OUT_OF_RANGE  beyond the end
  virtual absl::Status TruncateBefore(Topic topic, int32_t partition, int64_t offset) = 0;

  // OK if the log answers now, else UNAVAILABLE (or RESOURCE_EXHAUSTED: disk full) with the reason.
  virtual absl::Status Health() = 0;
};

// FAILED_PRECONDITION, with the counts, unless inbound, commands, receipts and log have the same
// number of partitions, as PartitionOf of one key must name the same partition in all of them;
// NOT_FOUND if one of the six topics is missing.
absl::Status CheckTopics(Bus& bus);

// The partition of a key, in [0, partitions), as Kafka's Java client finds it (murmur2 of the
// bytes, sign bit cleared, modulo), so that producers in other languages agree. `partitions` must
// be positive. An empty key is hashed like any other.
int32_t PartitionOf(absl::string_view key, int partitions);

}  // namespace wissel::bus
