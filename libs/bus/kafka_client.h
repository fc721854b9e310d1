#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/bus/kafka.h"

// Shared by the libs/bus/kafka*.cc files, which alone see librdkafka.
namespace wissel::bus::internal {

// The one place where Kafka's errors become ours.
absl::StatusCode CodeOf(rd_kafka_resp_err_t error);
absl::Status ToStatus(rd_kafka_resp_err_t error, absl::string_view context);

template <auto Destroy>
struct Destroyer {
  template <class T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
template <class T, auto Destroy>
using Handle = std::unique_ptr<T, Destroyer<Destroy>>;

using Client = Handle<rd_kafka_t, rd_kafka_destroy>;
using TopicHandle = Handle<rd_kafka_topic_t, rd_kafka_topic_destroy>;
using Queue = Handle<rd_kafka_queue_t, rd_kafka_queue_destroy>;
using MessagePtr = Handle<rd_kafka_message_t, rd_kafka_message_destroy>;
using PartitionList =
    Handle<rd_kafka_topic_partition_list_t, rd_kafka_topic_partition_list_destroy>;
using Event = Handle<rd_kafka_event_t, rd_kafka_event_destroy>;

using Settings = std::vector<std::pair<std::string, std::string>>;

// Whoever has clients made: what their callbacks get back as `opaque`. Outlives them.
class ClientOwner {
 public:
  explicit ClientOwner(std::shared_ptr<const KafkaOptions> options)
      : options_(std::move(options)) {}
  const KafkaOptions& options() const { return *options_; }

  // Called by the clients, from any thread: why a connection could not be had.
  void NoteFailure(absl::string_view text);

 protected:
  ~ClientOwner() = default;

  // A client with the options' common settings and those given. `set_callbacks` may register more.
  absl::StatusOr<Client> NewClient(rd_kafka_type_t type, const Settings& settings,
                                   void (*set_callbacks)(rd_kafka_conf_t*) = nullptr);

  // With the latest failure that was noted, where no broker answers: a wrong password and an
  // untrusted certificate look the same to whoever asks.
  absl::Status Explain(absl::Status status);

  const std::shared_ptr<const KafkaOptions> options_;

 private:
  Mutex mutex_;
  std::string failure_ ABSL_GUARDED_BY(mutex_);
};

// For librdkafka's timeouts: at least 0, at most INT_MAX, which means for ever.
int Millis(absl::Duration duration);

// What a message holds, headers and time included. `topic` is known to the reader.
Record ToRecord(const rd_kafka_message_t& message, Topic topic);

// Has the queue notify `wakeup`, which must stay until SilenceQueue returns.
void NotifyOn(rd_kafka_queue_t* queue, Wakeup* wakeup);
void SilenceQueue(rd_kafka_queue_t* queue);

// The appender's and the membership's makers; the readers' is ReaderPool (kafka_reader.h).
absl::StatusOr<std::unique_ptr<Appender>> NewKafkaAppender(
    std::shared_ptr<const KafkaOptions> options, AppenderOptions appender_options);
absl::StatusOr<std::unique_ptr<Membership>> JoinKafkaGroup(
    std::shared_ptr<const KafkaOptions> options, absl::string_view group, Topic topic,
    MemberOptions member_options);

}  // namespace wissel::bus::internal
