#include "libs/bus/kafka_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/base/timeout.h"

namespace wissel::bus::internal {

// Reads through librdkafka's simple consumer: no group, one queue for the partition.
class KafkaReader final : public Reader {
 public:
  KafkaReader(ReaderPool& pool, rd_kafka_t* client, Topic topic, int32_t partition,
              ReaderOptions options)
      : pool_(pool),
        client_(client),
        topic_(topic),
        name_(TopicName(topic, pool.options().topic_prefix)),
        partition_(partition),
        wakeup_(std::move(options.wakeup)),
        handle_(rd_kafka_topic_new(client, name_.c_str(), nullptr)),
        position_(options.offset) {}

  ~KafkaReader() override {
    Stop();
    pool_.Return(client_, {topic_, partition_});
  }

  absl::Status Start() {
    WISSEL_CHECK(handle_ != nullptr) << name_;
    queue_.reset(rd_kafka_queue_new(client_));
    if (wakeup_ != nullptr) NotifyOn(queue_.get(), wakeup_.get());
    if (rd_kafka_consume_start_queue(handle_.get(), partition_, position_, queue_.get()) != 0) {
      const absl::Status status = ToStatus(rd_kafka_last_error(), absl::StrCat("read ", name_));
      SilenceQueue(queue_.get());
      queue_.reset();
      return status;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Record>> Poll(size_t max, absl::Duration timeout) override {
    const Timeout limit(timeout);
    std::vector<Record> records;
    do {
      WISSEL_RETURN_IF_ERROR(CheckRange());
      // The batch call waits until its batch is full: so the first by itself, the rest if there.
      const MessagePtr first(rd_kafka_consume_queue(queue_.get(), Millis(limit.Remaining())));
      if (first == nullptr) break;
      WISSEL_RETURN_IF_ERROR(Take(*first, records));
      if (max > records.size()) {
        batch_.resize(std::min(max - records.size(), kMaxBatch));
        const ssize_t count =
            rd_kafka_consume_batch_queue(queue_.get(), 0, batch_.data(), batch_.size());
        absl::Status status;
        for (ssize_t i = 0; i < count; ++i) {
          const MessagePtr message(batch_[static_cast<size_t>(i)]);
          if (status.ok()) status = Take(*message, records);
        }
        // What was read before the error comes first; the error will come again.
        if (!status.ok() && records.empty()) return status;
      }
    } while (records.empty() && !limit.Expired());
    KeepFetching();
    return records;
  }

  absl::Status Seek(int64_t offset) override {
    Stop();
    position_ = offset;
    return Start();
  }

  int64_t position() const override { return position_; }

  // As of the last fetch.
  int64_t KnownEnd() const override {
    int64_t low = 0;
    int64_t high = 0;
    const bool known = rd_kafka_get_watermark_offsets(client_, name_.c_str(), partition_, &low,
                                                      &high) == RD_KAFKA_RESP_ERR_NO_ERROR;
    return known ? std::max(position_, high) : position_;
  }

  absl::StatusOr<int64_t> StartOffset() override {
    WISSEL_ASSIGN_OR_RETURN(const auto bounds, Bounds());
    return bounds.first;
  }
  absl::StatusOr<int64_t> EndOffset() override {
    WISSEL_ASSIGN_OR_RETURN(const auto bounds, Bounds());
    return bounds.second;
  }

 private:
  // Keeps the memory that one Poll takes within bounds, records of a usual size assumed.
  static constexpr size_t kMaxBatch = 10'000;

  // Where so few records are left of what was fetched ahead, the client should be fetching.
  static constexpr size_t kFewLeft = 10'000;
  static constexpr absl::Duration kLookAgain = absl::Milliseconds(10);

  // A topic that a broker does not know yet.
  static constexpr absl::Duration kAskAgainAfter = absl::Milliseconds(20);

  // A client that holds enough of every partition stops fetching, and looks again only when
  // something else wakes its thread: in vain of us, as taking records does not, or after a second
  // (2.0.2, rd_kafka_toppar_fetch_decide). So it is woken, by the one call that does that and
  // nothing else: setting the credentials that it has.
  void KeepFetching() {
    if (!looked_.Expired()) return;
    const size_t left = rd_kafka_queue_length(queue_.get());
    if (left > kFewLeft || KnownEnd() - position_ <= static_cast<int64_t>(left)) return;
    looked_ = Timeout(kLookAgain);
    const KafkaSecurity& security = pool_.options().security;
    const Handle<rd_kafka_error_t, rd_kafka_error_destroy> error(rd_kafka_sasl_set_credentials(
        client_, security.username.c_str(), security.password.c_str()));
  }

  void Stop() {
    if (queue_ == nullptr) return;
    SilenceQueue(queue_.get());
    rd_kafka_consume_stop(handle_.get(), partition_);
    queue_.reset();  // With what was fetched ahead.
  }

  absl::Status Take(const rd_kafka_message_t& message, std::vector<Record>& records) {
    if (message.err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      if (message.offset < position_) return absl::OkStatus();
      records.push_back(ToRecord(message, topic_));
      position_ = message.offset + 1;
      return absl::OkStatus();
    }
    if (message.err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
      // The end may lie behind offsets that hold no record of ours, such as transaction markers.
      position_ = std::max(position_, message.offset);
      return absl::OkStatus();
    }
    const absl::Status status = ToStatus(
        message.err, absl::StrCat("read ", name_, "/", partition_, " at offset ", position_));
    if (absl::IsOutOfRange(status)) {
      out_of_range_ = status;
      return absl::OkStatus();
    }
    // The client goes on trying by itself.
    return absl::IsUnavailable(status) ? absl::OkStatus() : status;
  }

  // A broker that has just cut the head off may refuse, for a moment, an offset that is there. The
  // client then stops reading; so ask, and begin again where the offset is good.
  absl::Status CheckRange() {
    if (out_of_range_.ok()) return absl::OkStatus();
    WISSEL_ASSIGN_OR_RETURN(const auto bounds, Bounds());
    if (position_ < bounds.first || position_ > bounds.second) {
      return std::exchange(out_of_range_, absl::OkStatus());
    }
    out_of_range_ = absl::OkStatus();
    return Seek(position_);
  }

  absl::StatusOr<std::pair<int64_t, int64_t>> Bounds() {
    const Timeout limit(pool_.options().request_timeout);
    for (;;) {
      int64_t low = 0;
      int64_t high = 0;
      const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
          client_, name_.c_str(), partition_, &low, &high, Millis(limit.Remaining()));
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return std::pair(low, high);
      absl::Status status = ToStatus(error, absl::StrCat("offsets of ", name_, "/", partition_));
      // Between two leaders there is none for a moment.
      const bool moves = error == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
                         error == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
      // The partition was there, or there were no reader. A broker that has just started may not
      // know it, which the client believes for longer than it is so, unless it asks.
      if (!moves && !absl::IsNotFound(status)) return status;
      if (limit.Expired()) return absl::UnavailableError(status.message());
      absl::SleepFor(std::min(kAskAgainAfter, limit.Remaining()));
      AskForTopic(limit.Remaining());
    }
  }

  void AskForTopic(absl::Duration timeout) {
    const rd_kafka_metadata_t* metadata = nullptr;
    if (rd_kafka_metadata(client_, /*all_topics=*/0, handle_.get(), &metadata, Millis(timeout)) ==
        RD_KAFKA_RESP_ERR_NO_ERROR) {
      rd_kafka_metadata_destroy(metadata);
    }
  }

  ReaderPool& pool_;
  rd_kafka_t* const client_;
  const Topic topic_;
  const std::string name_;
  const int32_t partition_;
  const std::shared_ptr<Wakeup> wakeup_;
  const TopicHandle handle_;
  Queue queue_;
  int64_t position_;
  absl::Status out_of_range_;  // What the client said, not yet checked.
  std::vector<rd_kafka_message_t*> batch_;
  Timeout looked_{absl::ZeroDuration()};
};

absl::StatusOr<std::unique_ptr<Reader>> ReaderPool::Open(Topic topic, int32_t partition,
                                                         ReaderOptions options) {
  WISSEL_ASSIGN_OR_RETURN(rd_kafka_t* const client, Take({topic, partition}));
  auto reader = std::make_unique<KafkaReader>(*this, client, topic, partition, std::move(options));
  WISSEL_RETURN_IF_ERROR(reader->Start());
  return reader;
}

absl::StatusOr<rd_kafka_t*> ReaderPool::Take(const Place& place) {
  static const Settings settings = {
      {"enable.auto.commit", "false"},
      {"enable.auto.offset.store", "false"},
      {"auto.offset.reset", "error"},
      {"enable.partition.eof", "true"},
      {"allow.auto.create.topics", "false"},
      // A long poll ends when there is data; this is how long an idle one stands, and how long a
      // new partition may wait for its first turn.
      {"fetch.wait.max.ms", "100"},
      {"fetch.error.backoff.ms", "50"},
      {"queued.max.messages.kbytes", "16384"},  // Fetched ahead, for each partition.
  };
  MutexLock lock(mutex_);
  for (Shared& shared : clients_) {
    if (shared.places.insert(place).second) return shared.client.get();
  }
  WISSEL_ASSIGN_OR_RETURN(Client client, NewClient(RD_KAFKA_CONSUMER, settings));
  Shared& shared = clients_.emplace_back();
  shared.client = std::move(client);
  shared.places.insert(place);
  return shared.client.get();
}

void ReaderPool::Return(rd_kafka_t* client, const Place& place) {
  MutexLock lock(mutex_);
  for (Shared& shared : clients_) {
    if (shared.client.get() == client) shared.places.erase(place);
  }
}

}  // namespace wissel::bus::internal
