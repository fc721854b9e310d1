#include "bench/spine/bare_hop.h"

#include <array>
#include <chrono>
#include <initializer_list>
#include <utility>

#include "libs/base/check.h"
#include "libs/bus/topic.h"

namespace wissel::bench {
namespace {

using Settings = std::initializer_list<std::pair<const char*, std::string>>;

rd_kafka_t* NewClient(rd_kafka_type_t type, const BareHopOptions& options, Settings settings,
                      void (*delivered)(void*)) {
  char error[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  const auto set = [&](const char* name, const std::string& value) {
    WISSEL_CHECK(rd_kafka_conf_set(conf, name, value.c_str(), error, sizeof(error)) ==
                 RD_KAFKA_CONF_OK)
        << error;
  };
  set("bootstrap.servers", options.brokers);
  set("socket.nagle.disable", "true");
  for (const auto& [name, value] : settings) set(name, value);
  rd_kafka_conf_set_opaque(conf, reinterpret_cast<void*>(delivered));
  if (type == RD_KAFKA_PRODUCER) {
    rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message,
                                         void* opaque) {
      WISSEL_CHECK(message->err == RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_err2str(message->err);
      reinterpret_cast<void (*)(void*)>(opaque)(message->_private);
    });
  }
  rd_kafka_t* client = rd_kafka_new(type, conf, error, sizeof(error));
  WISSEL_CHECK(client != nullptr) << error;
  return client;
}

// The settings of libs/bus's readers; but it may fetch ahead as much as there is. A client that has
// fetched enough looks again after a second only, and libs/bus has found a way around that.
rd_kafka_t* NewConsumer(const BareHopOptions& options) {
  return NewClient(RD_KAFKA_CONSUMER, options,
                   {{"enable.auto.commit", "false"},
                    {"enable.auto.offset.store", "false"},
                    {"auto.offset.reset", "error"},
                    {"fetch.wait.max.ms", "100"},
                    {"fetch.error.backoff.ms", "50"},
                    {"queued.min.messages", "10000000"},
                    {"queued.max.messages.kbytes", "2000000"}},
                   nullptr);
}

// All partitions of a topic on one queue.
class Consumption {
 public:
  Consumption(rd_kafka_t* client, bus::Topic topic, const BareHopOptions& options)
      : partitions_(options.partitions),
        topic_(rd_kafka_topic_new(client, bus::TopicName(topic, options.topic_prefix).c_str(),
                                  nullptr)),
        queue_(rd_kafka_queue_new(client)) {
    for (int p = 0; p < partitions_; ++p) {
      WISSEL_CHECK(rd_kafka_consume_start_queue(topic_, p, 0, queue_) == 0)
          << rd_kafka_err2str(rd_kafka_last_error());
    }
  }
  ~Consumption() {
    for (int p = 0; p < partitions_; ++p) rd_kafka_consume_stop(topic_, p);
    rd_kafka_queue_destroy(queue_);
    rd_kafka_topic_destroy(topic_);
  }

  // Gives each record of the next batch to `use`; returns how many there were.
  template <class Use>
  int64_t Batch(const Use& use) {
    const ssize_t count =
        rd_kafka_consume_batch_queue(queue_, 0, messages_.data(), messages_.size());
    if (count <= 0) {
      // Nothing there yet: wait for one without burning the core.
      rd_kafka_message_t* message = rd_kafka_consume_queue(queue_, 10);
      if (message == nullptr) return 0;
      use(*message);
      rd_kafka_message_destroy(message);
      return 1;
    }
    for (ssize_t i = 0; i < count; ++i) {
      rd_kafka_message_t* message = messages_[static_cast<size_t>(i)];
      WISSEL_CHECK(message->err == RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_err2str(message->err);
      use(*message);
      rd_kafka_message_destroy(message);
    }
    return count;
  }

 private:
  const int partitions_;
  rd_kafka_topic_t* const topic_;
  rd_kafka_queue_t* const queue_;
  std::array<rd_kafka_message_t*, 500> messages_{};
};

}  // namespace

rd_kafka_t* NewBareProducer(const BareHopOptions& options, void (*delivered)(void* opaque)) {
  rd_kafka_t* producer = NewClient(RD_KAFKA_PRODUCER, options,
                                   {{"enable.idempotence", "true"},
                                    {"enable.gapless.guarantee", "true"},
                                    {"linger.ms", "0"},
                                    {"queue.buffering.max.messages", "10000"},
                                    {"queue.buffering.max.kbytes", "132096"}},
                                   delivered);
  // As libs/bus does: otherwise the first record waits for the topic's metadata, up to a second.
  rd_kafka_topic_t* log = rd_kafka_topic_new(
      producer, bus::TopicName(bus::Topic::kLog, options.topic_prefix).c_str(), nullptr);
  const rd_kafka_metadata_t* metadata = nullptr;
  WISSEL_CHECK(rd_kafka_metadata(producer, 0, log, &metadata, 10'000) ==
               RD_KAFKA_RESP_ERR_NO_ERROR);
  rd_kafka_metadata_destroy(metadata);
  rd_kafka_topic_destroy(log);
  return producer;
}

void BareHop(const BareHopOptions& options) {
  int64_t delivered = 0;
  rd_kafka_t* producer =
      NewBareProducer(options, [](void* counter) { ++*static_cast<int64_t*>(counter); });
  rd_kafka_topic_t* log = rd_kafka_topic_new(
      producer, bus::TopicName(bus::Topic::kLog, options.topic_prefix).c_str(), nullptr);
  rd_kafka_t* consumer = NewConsumer(options);
  {
    Consumption inbound(consumer, bus::Topic::kInbound, options);
    for (int64_t read = 0; read < options.count;) {
      read += inbound.Batch([&](const rd_kafka_message_t& message) {
        while (rd_kafka_produce(log, message.partition, RD_KAFKA_MSG_F_COPY, message.payload,
                                message.len, message.key, message.key_len, &delivered) != 0) {
          rd_kafka_poll(producer, 1);
        }
      });
      rd_kafka_poll(producer, 0);
    }
    rd_kafka_flush(producer, 60'000);
    WISSEL_CHECK(delivered == options.count) << delivered;
  }
  rd_kafka_destroy(consumer);
  rd_kafka_topic_destroy(log);
  rd_kafka_destroy(producer);
}

double BareRead(const BareHopOptions& options) {
  rd_kafka_t* consumer = NewConsumer(options);
  const auto start = std::chrono::steady_clock::now();
  double seconds = 0;
  {
    Consumption log(consumer, bus::Topic::kLog, options);
    for (int64_t read = 0; read < options.count;) read += log.Batch([](const auto&) {});
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  rd_kafka_destroy(consumer);
  return seconds;
}

LogEnds::LogEnds(const BareHopOptions& options)
    : partitions_(options.partitions),
      topic_(bus::TopicName(bus::Topic::kLog, options.topic_prefix)),
      client_(NewConsumer(options)) {}

LogEnds::~LogEnds() { rd_kafka_destroy(client_); }

int64_t LogEnds::Of(int32_t partition) const {
  int64_t low = 0;
  int64_t high = 0;
  const rd_kafka_resp_err_t error = rd_kafka_query_watermark_offsets(
      client_, topic_.c_str(), partition, &low, &high, /*timeout_ms=*/10'000);
  WISSEL_CHECK(error == RD_KAFKA_RESP_ERR_NO_ERROR) << rd_kafka_err2str(error);
  return high;
}

int64_t LogEnds::Sum() const {
  int64_t sum = 0;
  for (int p = 0; p < partitions_; ++p) sum += Of(p);
  return sum;
}

void BareTail(const BareHopOptions& options, const std::function<bool(absl::string_view)>& take) {
  rd_kafka_t* consumer = NewConsumer(options);
  {
    Consumption log(consumer, bus::Topic::kLog, options);
    for (bool more = true; more;) {
      log.Batch([&](const rd_kafka_message_t& message) {
        more = more && take({static_cast<const char*>(message.payload), message.len});
      });
    }
  }
  rd_kafka_destroy(consumer);
}

}  // namespace wissel::bench
