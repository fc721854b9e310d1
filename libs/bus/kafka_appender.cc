#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/mutex.h"
#include "libs/base/status_macros.h"
#include "libs/base/thread.h"
#include "libs/base/timeout.h"
#include "libs/bus/kafka_client.h"

namespace wissel::bus::internal {
namespace {

// While five or more messages of an idempotent producer are under way to a partition, librdkafka
// holds back what else it has for it, and spins until the broker has answered: its thread polls
// without a timeout, a core's worth (2.0.2, rd_kafka_toppar_producer_serve). So it never holds more
// than it sends at once. As many messages as this are handed over as they come; what comes on top
// gathers here, and goes in one burst when all of them have been answered.
//
// A burst must go as one request, though the first of its messages wakes the client's thread. That
// is what its linger time is for; rd_kafka_flush, in which the delivery thread waits for answers,
// suspends it.
constexpr size_t kSingles = 4;
// One request's worth, well below librdkafka's own limits (batch.num.messages, batch.size).
constexpr size_t kBurst = 4'000;
constexpr size_t kBurstBytes = 900 << 10;
// Where more follow at once, a burst is held back until it is one request's worth, though not for
// longer than this: a message costs the broker half as much in full requests.
constexpr absl::Duration kHold = absl::Milliseconds(25);

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
  // A producer, with its handles of the topics.
  struct Producer {
    Client client;
    std::vector<TopicHandle> topics;  // By Topic.
  };
  struct Lane;
  // Outlives its way through librdkafka, which reads the record's value here.
  struct InFlight {
    Outgoing record;
    size_t size = 0;
    Done done;
    Timeout patience;  // While it waits.
    Lane* lane = nullptr;
  };
  using Records = std::deque<std::unique_ptr<InFlight>>;
  // A partition's way to the broker. Under mutex_, but for what is the delivery thread's own.
  struct Lane {
    Records waiting;
    size_t waiting_bytes = 0;
    std::atomic<size_t> under_way = 0;  // Handed over and not yet answered; read without.
    bool bursting = false;              // The delivery thread is handing some over.
    // The delivery thread's own.
    size_t answered_now = 0;      // Since the last MakeRoom.
    std::optional<Timeout> hold;  // Set where the lane is free, and something waits for a burst.

    std::unique_ptr<InFlight> Pop() {
      std::unique_ptr<InFlight> record = std::move(waiting.front());
      waiting.pop_front();
      waiting_bytes -= record->size;
      return record;
    }
    // Nothing is gained by holding back what waits.
    bool Complete() const {
      return waiting.empty() || !waiting.back()->record.more || waiting.size() >= kBurst ||
             waiting_bytes >= kBurstBytes;
    }
    bool Ready() const { return hold->Expired() || Complete(); }
  };

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* opaque);
  absl::StatusOr<Producer> NewProducer();
  // Asks for the metadata now, not by the first record, which would then wait for it for up to a
  // second.
  void AskForMetadata();
  // Puts another producer in the place of one that can never send again, unless gapless.
  void Renew();
  void Serve(const std::stop_token& stop);
  absl::Status Refusal(size_t size) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Answer(InFlight& record, absl::StatusOr<int64_t> offset);
  absl::Status CheckRecord(const Outgoing& record, size_t size) const;
  // Sends what has been handed over and takes answers, or waits until there is something to do.
  void Work();
  // Accounts for what has been answered, and notes the lanes where something waits and nothing is
  // under way any more.
  void MakeRoom();
  // Of the free lanes those that need not be held back, or not any longer.
  std::vector<Lane*> TakeReady();
  bool ReadyLane() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Burst(Lane& lane);
  void FailWaiting();
  absl::Status Produce(InFlight& in_flight);

  const AppenderOptions limits_;
  // The delivery thread replaces it, under mutex_, while nothing is in flight.
  Producer producer_;

  mutable Mutex mutex_;
  CondVar work_;  // For the delivery thread.
  CondVar answered_some_;
  size_t in_flight_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t in_flight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t appended_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t answered_ ABSL_GUARDED_BY(mutex_) = 0;
  // The first, if gapless; else a fatal one, until there is another producer.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  std::map<std::pair<Topic, int32_t>, Lane> lanes_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;

  // Answered since the last MakeRoom; the delivery thread's own.
  size_t answered_now_ = 0;
  size_t answered_bytes_ = 0;
  std::vector<Lane*> answered_lanes_;
  std::vector<Lane*> free_;  // Those with `hold`.

  // Delivers the answers. Last: it ends before what it uses.
  std::jthread thread_;
};

absl::Status KafkaAppender::Open() {
  WISSEL_ASSIGN_OR_RETURN(producer_, NewProducer());
  thread_ = StartThread("bus-appender", [this](const std::stop_token& stop) { Serve(stop); });
  return absl::OkStatus();
}

absl::StatusOr<KafkaAppender::Producer> KafkaAppender::NewProducer() {
  const Settings settings = {
      {"enable.idempotence", "true"},  // Implies acks=all and order under retries.
      {"enable.gapless.guarantee", limits_.gapless ? "true" : "false"},
      {"message.timeout.ms", absl::StrCat(Millis(options().delivery_timeout))},
      // Longer than handing a burst over ever takes; see kSingles.
      {"linger.ms", "100"},
      // Beyond our own limits, so that ours decide.
      {"queue.buffering.max.messages", absl::StrCat(limits_.max_in_flight + 1)},
      {"queue.buffering.max.kbytes",
       absl::StrCat(std::min<size_t>(2 * limits_.max_in_flight_bytes / 1024 + 1024, 2'000'000))},
  };
  Producer producer;
  WISSEL_ASSIGN_OR_RETURN(producer.client,
                          NewClient(RD_KAFKA_PRODUCER, settings, [](rd_kafka_conf_t* c) {
                            rd_kafka_conf_set_dr_msg_cb(c, &KafkaAppender::OnDelivery);
                          }));
  for (const Topic topic : kAllTopics) {
    const std::string name = TopicName(topic, options().topic_prefix);
    producer.topics.emplace_back(rd_kafka_topic_new(producer.client.get(), name.c_str(), nullptr));
    if (producer.topics.back() == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("Kafka topic ", name, ": ", rd_kafka_err2str(rd_kafka_last_error())));
    }
  }
  return producer;
}

KafkaAppender::~KafkaAppender() {
  if (!thread_.joinable()) return;
  Flush(options().delivery_timeout + absl::Seconds(1)).IgnoreError();
  // Whatever is left gets its answer at once.
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  rd_kafka_purge(producer_.client.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
  Flush(absl::Seconds(10)).IgnoreError();
  thread_.request_stop();
}

void KafkaAppender::Serve(const std::stop_token& stop) {
  AskForMetadata();
  while (!stop.stop_requested()) {
    Work();
    FailWaiting();
    MakeRoom();
    for (Lane* lane : TakeReady()) Burst(*lane);
    Renew();
  }
}

void KafkaAppender::AskForMetadata() {
  const rd_kafka_metadata_t* metadata = nullptr;
  if (rd_kafka_metadata(producer_.client.get(), /*all_topics=*/0, nullptr, &metadata,
                        Millis(options().request_timeout)) == RD_KAFKA_RESP_ERR_NO_ERROR) {
    rd_kafka_metadata_destroy(metadata);
  }
}

void KafkaAppender::Renew() {
  if (limits_.gapless) return;
  {
    MutexLock lock(mutex_);
    if (failure_.ok() || in_flight_ > 0 || closing_) return;
  }
  // Nothing is appended meanwhile: all of it is refused.
  absl::StatusOr<Producer> renewed = NewProducer();
  if (!renewed.ok()) return;  // Tried again.
  {
    MutexLock lock(mutex_);
    if (closing_) return;
    std::swap(producer_, *renewed);
    failure_ = absl::OkStatus();
  }
  AskForMetadata();
}

void KafkaAppender::Work() {
  // Whatever is held back, or appended for the first time, must not wait for longer than this.
  absl::Duration patience = absl::Milliseconds(100);
  for (const Lane* lane : free_) patience = std::min(patience, lane->hold->Remaining());
  const Timeout limit(patience);
  if (rd_kafka_outq_len(producer_.client.get()) == 0) {
    MutexLock lock(mutex_);
    const auto idle = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return free_.empty() ? in_flight_ == 0 : !ReadyLane();
    };
    while (idle() && !limit.Expired()) work_.WaitFor(mutex_, limit.Remaining());
    return;
  }
  // Returns early when there is nothing left to wait for, and when OnDelivery says that a lane is
  // free.
  rd_kafka_flush(producer_.client.get(), Millis(limit.Remaining()));
}

bool KafkaAppender::ReadyLane() const {
  return std::any_of(free_.begin(), free_.end(), [](const Lane* lane) { return lane->Ready(); });
}

std::vector<KafkaAppender::Lane*> KafkaAppender::TakeReady() {
  std::vector<Lane*> ready;
  if (free_.empty()) return ready;
  MutexLock lock(mutex_);
  std::erase_if(free_, [&](Lane* lane) {
    if (!lane->Ready()) return false;
    lane->hold.reset();
    ready.push_back(lane);
    return true;
  });
  return ready;
}

void KafkaAppender::MakeRoom() {
  if (answered_now_ == 0) return;
  MutexLock lock(mutex_);
  const size_t count = std::exchange(answered_now_, 0);
  in_flight_ -= count;
  answered_ += count;
  in_flight_bytes_ -= std::exchange(answered_bytes_, 0);
  for (Lane* lane : std::exchange(answered_lanes_, {})) {
    lane->under_way -= std::exchange(lane->answered_now, 0);
    if (lane->under_way > 0 || lane->waiting.empty() || lane->hold.has_value()) continue;
    lane->hold.emplace(kHold);
    free_.push_back(lane);
  }
  answered_some_.NotifyAll();
}

void KafkaAppender::Burst(Lane& lane) {
  Records burst;
  {
    MutexLock lock(mutex_);
    if (closing_ || (limits_.gapless && !failure_.ok())) return;
    for (size_t bytes = 0; !lane.waiting.empty() && burst.size() < kBurst && bytes < kBurstBytes;) {
      burst.push_back(lane.Pop());
      bytes += burst.back()->size;
    }
    lane.under_way += burst.size();
    lane.bursting = true;
  }
  // Not under the lock: whoever appends meanwhile goes on.
  absl::Status refusal;
  for (std::unique_ptr<InFlight>& record : burst) {
    if (refusal.ok() || !limits_.gapless) refusal = Produce(*record);
    if (refusal.ok()) {
      (void)record.release();  // OnDelivery's now.
    } else {
      Answer(*record, refusal);
    }
  }
  MutexLock lock(mutex_);
  lane.bursting = false;
}

// Answers what has waited for too long; all that waits where nothing is handed over any more.
void KafkaAppender::FailWaiting() {
  Records failed;
  absl::Status why = absl::UnavailableError("not sent in time");
  {
    MutexLock lock(mutex_);
    bool all = closing_;
    if (limits_.gapless && !failure_.ok()) {
      why = Refusal(0);
      all = true;
    }
    for (auto& [place, lane] : lanes_) {
      while (!lane.waiting.empty() && (all || lane.waiting.front()->patience.Expired())) {
        failed.push_back(lane.Pop());
        ++lane.under_way;  // Until MakeRoom.
      }
    }
  }
  for (const std::unique_ptr<InFlight>& record : failed) Answer(*record, why);
}

absl::Status KafkaAppender::Refusal(size_t size) const {
  if (!failure_.ok() && limits_.gapless) {
    return absl::AbortedError(absl::StrCat("an earlier append failed: ", failure_.message()));
  }
  if (!failure_.ok()) {
    return absl::UnavailableError(
        absl::StrCat("another client has to be made: ", failure_.message()));
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
  auto in_flight = std::make_unique<InFlight>(std::move(record), size, std::move(done),
                                              Timeout(options().delivery_timeout));
  {
    MutexLock lock(mutex_);
    refusal = Refusal(size);
    if (refusal.ok()) {
      Lane& lane = lanes_[{in_flight->record.topic, in_flight->record.partition}];
      in_flight->lane = &lane;
      if (lane.under_way >= kSingles || lane.bursting || !lane.waiting.empty()) {
        lane.waiting.push_back(std::move(in_flight));
        lane.waiting_bytes += size;
        if (lane.Complete()) work_.NotifyOne();
      } else {
        ++lane.under_way;
        refusal = Produce(*in_flight);
        if (refusal.ok()) {
          (void)in_flight.release();  // OnDelivery's now.
        } else {
          --lane.under_way;
          if (absl::IsAborted(refusal)) {
            failure_.Update(refusal);
            refusal = Refusal(size);
          }
        }
      }
    }
    if (refusal.ok()) {
      if (in_flight_++ == 0) work_.NotifyOne();
      in_flight_bytes_ += size;
      ++appended_;
      return;
    }
  }
  in_flight->done(refusal);
}

absl::Status KafkaAppender::Produce(InFlight& in_flight) {
  const Outgoing& record = in_flight.record;
  rd_kafka_headers_t* headers = nullptr;
  if (!record.headers.empty()) {
    headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers) {
      rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                          static_cast<ssize_t>(value.size()));
    }
  }
  rd_kafka_topic_t* const topic = producer_.topics[static_cast<size_t>(record.topic)].get();
  rd_kafka_vu_t fields[6];
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
  add(RD_KAFKA_VTYPE_OPAQUE).ptr = &in_flight;
  if (headers != nullptr) add(RD_KAFKA_VTYPE_HEADERS).headers = headers;
  const Handle<rd_kafka_error_t, rd_kafka_error_destroy> error(
      rd_kafka_produceva(producer_.client.get(), fields, count));
  if (error == nullptr) return absl::OkStatus();
  if (headers != nullptr) rd_kafka_headers_destroy(headers);
  return ToStatus(rd_kafka_error_code(error.get()), "append");
}

void KafkaAppender::OnDelivery(rd_kafka_t* client, const rd_kafka_message_t* message,
                               void* opaque) {
  auto* self = static_cast<KafkaAppender*>(static_cast<ClientOwner*>(opaque));
  const std::unique_ptr<InFlight> in_flight(static_cast<InFlight*>(message->_private));
  if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
    self->Answer(*in_flight, message->offset);
  } else {
    self->Answer(*in_flight, ToStatus(message->err, "append"));
  }
  if (in_flight->lane->answered_now == in_flight->lane->under_way) rd_kafka_yield(client);
}

void KafkaAppender::Answer(InFlight& record, absl::StatusOr<int64_t> offset) {
  if (!offset.ok()) {
    MutexLock lock(mutex_);
    if (failure_.ok() && (limits_.gapless || absl::IsAborted(offset.status()))) {
      failure_ = offset.status();
    }
    // Not a refusal: what the producer gave up may be in the log.
    if (!limits_.gapless && absl::IsAborted(offset.status())) {
      offset = absl::UnavailableError(offset.status().message());
    }
  }
  record.done(std::move(offset));
  ++answered_now_;
  answered_bytes_ += record.size;
  if (record.lane->answered_now++ == 0) answered_lanes_.push_back(record.lane);
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
