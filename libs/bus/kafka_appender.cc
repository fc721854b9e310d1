#include <atomic>
#include <stop_token>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/bus/kafka_client.h"

namespace wissel::bus::internal {
namespace {

class KafkaAppender final : public Appender, public ClientOwner {
 public:
  KafkaAppender(std::shared_ptr<const KafkaOptions> options, const AppenderOptions& limits)
      : ClientOwner(std::move(options)), limits_(limits) {}
  ~KafkaAppender() override;

  absl::Status Open();

  void Append(Outgoing record, Done done) override;
  absl::Status Admit(const Outgoing& record) const override;
  absl::Status Flush(absl::Duration timeout) override;

 private:
  struct InFlight {
    size_t size = 0;
    Done done;
  };

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  void Serve(const std::stop_token& stop);
  absl::Status Refusal(size_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(InFlight& record, absl::StatusOr<int64_t> offset);
  absl::Status CheckRecord(const Outgoing& record, size_t size) const;
  void MakeRoom();
  rd_kafka_resp_err_t Produce(const Outgoing& record, InFlight* in_flight);

  const AppenderOptions limits_;
  Client client_;
  std::vector<TopicHandle> topics_;  // By Topic.

  mutable Mutex mutex_;
  CondVar answered_some_;
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t in_flight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t appended_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);  // The first, if gapless; else only a fatal one.

  // Answered since the last MakeRoom; the delivery thread's own.
  size_t answered_now_ = 0;
  size_t answered_bytes_ = 0;

  // Delivers the answers. Last: it ends before what it uses.
  std::jthread thread_;
};

absl::Status KafkaAppender::Open() {
  const Settings settings = {
      {"enable.idempotence", "true"},  // Implies acks=all and order under retries.
      {"enable.gapless.guarantee", limits_.gapless ? "true" : "false"},
      {"message.timeout.ms", absl::StrCat(Millis(options().delivery_timeout))},
      // No waiting for more: what gathers while a request is under way makes the next batch.
      {"linger.ms", "0"},
      // An owner writes one partition, and whatever waits goes with the next request: with two
      // under way neither the broker nor the line is idle, and a backlog goes in few and large
      // ones.
      {"max.in.flight", limits_.gapless ? "2" : "5"},
      // Beyond our own limits, so that ours decide.
      {"queue.buffering.max.messages", absl::StrCat(limits_.max_in_flight + 1)},
      {"queue.buffering.max.kbytes",
       absl::StrCat(std::min<size_t>(2 * limits_.max_in_flight_bytes / 1024 + 1024, 2'000'000))},
  };
  WISSEL_ASSIGN_OR_RETURN(client_, NewClient(RD_KAFKA_PRODUCER, settings, [](rd_kafka_conf_t* c) {
                            rd_kafka_conf_set_dr_msg_cb(c, &KafkaAppender::OnDelivery);
                          }));
  for (const Topic topic : kAllTopics) {
    const std::string name = TopicName(topic, options().topic_prefix);
    topics_.emplace_back(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
    if (topics_.back() == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("Kafka topic ", name, ": ", rd_kafka_err2str(rd_kafka_last_error())));
    }
  }
  thread_ = StartThread("bus-appender", [this](const std::stop_token& stop) { Serve(stop); });
  return absl::OkStatus();
}

KafkaAppender::~KafkaAppender() {
  if (!thread_.joinable()) return;
  Flush(options().delivery_timeout + absl::Seconds(1)).IgnoreError();
  // Whatever is left gets its answer at once.
  rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  Flush(absl::Seconds(10)).IgnoreError();
  thread_.request_stop();
}

void KafkaAppender::Serve(const std::stop_token& stop) {
  // Asked for now, not by the first record, which would then wait for it for up to a second.
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(client_.get(), /*all_topics=*/0, nullptr, &metadata,
                        Millis(options().request_timeout)) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_metadata_destroy(metadata);
  }
  while (!stop.stop_requested()) {
    rd_kafka_poll(client_.get(), 100);
    MakeRoom();
  }
}

void KafkaAppender::MakeRoom() {
  if (answered_now_ == 0) return;
  MutexLock lock(mutex_);
  const size_t count = std::exchange(answered_now_, 0);
  in_flight_ -= count;
  answered_ += count;
  in_flight_bytes_ -= std::exchange(answered_bytes_, 0);
  answered_some_.NotifyAll();
}

absl::Status KafkaAppender::Refusal(size_t size) const {
  if (!failure_.ok()) {
    return absl::AbortedError(absl::StrCat("an earlier append failed: ", failure_.message()));
  }
  if (in_flight_ >= limits_.max_in_flight ||
      in_flight_bytes_ + size > limits_.max_in_flight_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("too much in flight: ", in_flight_, " records, ", in_flight_bytes_, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status KafkaAppender::CheckRecord(const Outgoing& record, size_t size) const {
  if (size > options().max_record_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("record of ", size, " bytes is larger than ", options().max_record_bytes));
  }
  if (record.partition < 0) {
    return absl::InvalidArgumentError(absl::StrCat("no partition ", record.partition));
  }
  return absl::OkStatus();
}

absl::Status KafkaAppender::Admit(const Outgoing& record) const {
  const size_t size = SizeOf(record);
  WISSEL_RETURN_IF_ERROR(CheckRecord(record, size));
  MutexLock lock(mutex_);
  return Refusal(size);
}

void KafkaAppender::Append(Outgoing record, Done done) {
  const size_t size = SizeOf(record);
  absl::Status refusal = CheckRecord(record, size);
  if (!refusal.ok()) {
    done(refusal);
    return;
  }
  auto in_flight = std::make_unique<InFlight>(InFlight{size, std::move(done)});
  {
    MutexLock lock(mutex_);
    // Produced under the lock, so that the order of the calls is the order in the log.
    refusal = Refusal(size);
    if (refusal.ok()) {
      const rd_kafka_resp_err_t error = Produce(record, in_flight.get());
      if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        (void)in_flight.release();  // OnDelivery's now.
        ++in_flight_;
        in_flight_bytes_ += size;
        ++appended_;
        return;
      }
      refusal = ToStatus(error, "append");
      if (absl::IsAborted(refusal) && failure_.ok()) failure_ = refusal;
    }
  }
  in_flight->done(refusal);
}

rd_kafka_resp_err_t KafkaAppender::Produce(const Outgoing& record, InFlight* in_flight) {
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
  }
  rd_kafka_topic_t* const topic = topics_[static_cast<size_t>(record.topic)].get();
  rd_kafka_vu_t fields[7];
  size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> auto& {
    fields[count].vtype = type;
    return fields[count++].u;
  };
  add(RD_KAFKA_VTYPE_RKT).rkt = topic;
  add(RD_KAFKA_VTYPE_PARTITION).i32 = record.partition;
  auto& value = add(RD_KAFKA_VTYPE_VALUE);
  value.mem.ptr = const_cast<char*>(record.value.data());
  value.mem.size = record.value.size();
  auto& key = add(RD_KAFKA_VTYPE_KEY);
  key.mem.ptr = const_cast<char*>(record.key.data());
  key.mem.size = record.key.size();
  add(RD_KAFKA_VTYPE_MSGFLAGS).i = RD_KAFKA_MSG_F_COPY;
  add(RD_KAFKA_VTYPE_OPAQUE).ptr = in_flight;
  if (headers != nullptr) add(RD_KAFKA_VTYPE_HEADERS).headers = headers;
  const Handle<rd_kafka_error_t, rd_kafka_error_destroy> error(
      rd_kafka_produceva(client_.get(), fields, count));
  if (error == nullptr) return RD_KAFKA_RESP_ERR_NO_ERROR;
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  return rd_kafka_error_code(error.get());
}

void KafkaAppender::OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque) {
  auto* self = static_cast<KafkaAppender*>(static_cast<ClientOwner*>(opaque));
  const std::unique_ptr<InFlight> in_flight(static_cast<InFlight*>(message->_private));
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    self->Answer(*in_flight, message->offset);
  } else {
    self->Answer(*in_flight, ToStatus(message->err, "append"));
  }
}

void KafkaAppender::Answer(InFlight& record, absl::StatusOr<int64_t> offset) {
  if (!offset.ok()) {
    MutexLock lock(mutex_);
    if (failure_.ok() && (limits_.gapless || absl::IsAborted(offset.status()))) {
      failure_ = offset.status();
    }
  }
  record.done(std::move(offset));
  ++answered_now_;
  answered_bytes_ += record.size;
}

absl::Status KafkaAppender::Flush(absl::Duration timeout) {
  const Timeout limit(timeout);
  MutexLock lock(mutex_);
  const uint64_t target = appended_;
  while (answered_ < target) {
    if (limit.Expired()) {
      return absl::DeadlineExceededError(
          absl::StrCat("flush: ", target - answered_, " appends not answered"));
    }
    answered_some_.WaitFor(mutex_, limit.Remaining());
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Appender>> NewKafkaAppender(
    std::shared_ptr<const KafkaOptions> options, AppenderOptions appender_options) {
  auto appender = std::make_unique<KafkaAppender>(std::move(options), appender_options);
  WISSEL_RETURN_IF_ERROR(appender->Open());
  return appender;
}

}  // namespace wissel::bus::internal
