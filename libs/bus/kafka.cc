#include "libs/bus/kafka.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/mutex.h"
#include "libs/base/status.h"
#include "libs/base/status_macros.h"
#include "libs/bus/kafka_client.h"
#include "libs/bus/kafka_reader.h"

namespace wissel::bus {
namespace {

using internal::Client;
using internal::ClientOwner;
using internal::Destroyer;
using internal::Event;
using internal::Handle;
using internal::Millis;
using internal::Queue;
using internal::ToStatus;

// Answers every append with the reason why there is no client for it.
class BrokenAppender final : public Appender {
 public:
  explicit BrokenAppender(absl::Status status) : status_(std::move(status)) {}
  void Append(Outgoing, Done done) override { done(status_); }
  absl::Status Admit(const Outgoing&) const override { return status_; }
  absl::Status Flush(absl::Duration) override { return absl::OkStatus(); }

 private:
  const absl::Status status_;
};

// A topic that a broker does not know yet.
constexpr absl::Duration kAskAgainAfter = absl::Milliseconds(20);

class KafkaBus final : public Bus, public ClientOwner {
 public:
  explicit KafkaBus(std::shared_ptr<const KafkaOptions> options)
      : ClientOwner(options), readers_(options) {}

  absl::Status Open() {
    // A consumer, as its requests for metadata make no topics.
    WISSEL_ASSIGN_OR_RETURN(client_,
                            NewClient(RD_KAFKA_CONSUMER, {{"allow.auto.create.topics", "false"}}));
    return absl::OkStatus();
  }

  absl::StatusOr<int> PartitionCount(Topic topic) override;
  absl::StatusOr<std::optional<TopicSettings>> SettingsOf(Topic topic) override;
  absl::Status EnsureTopics(const std::vector<TopicSpec>& specs) override;
  std::unique_ptr<Appender> NewAppender(AppenderOptions options) override;
  absl::StatusOr<std::unique_ptr<Reader>> OpenReader(Topic topic, int32_t partition,
                                                     ReaderOptions options) override;
  absl::StatusOr<std::unique_ptr<Membership>> Join(absl::string_view group, Topic topic,
                                                   MemberOptions options) override {
    return internal::JoinKafkaGroup(options_, group, topic, std::move(options));
  }
  absl::Status TruncateBefore(Topic topic, int32_t partition, int64_t offset) override;
  absl::Status Health() override { return PartitionCount(Topic::kLog).status(); }

 private:
  std::string Name(Topic topic) const { return TopicName(topic, options().topic_prefix); }
  struct Size {
    int partitions = 0;
    int replication = 0;  // Of the partition with the fewest copies.
  };
  absl::StatusOr<Size> SizeOfTopic(Topic topic);
  absl::Status CreateTopic(const TopicSpec& spec);
  // The result of an admin request that was sent with this queue.
  absl::StatusOr<Event> Await(rd_kafka_queue_t* queue, absl::string_view doing);

  Client client_;
  internal::ReaderPool readers_;
  Mutex mutex_;
  std::map<Topic, int> counts_ ABSL_GUARDED_BY(mutex_);  // For OpenReader only.
};

absl::StatusOr<KafkaBus::Size> KafkaBus::SizeOfTopic(Topic topic) {
  const std::string name = Name(topic);
  const internal::TopicHandle handle(rd_kafka_topic_new(client_.get(), name.c_str(), nullptr));
  const rd_kafka_metadata_t* raw = nullptr;
  const rd_kafka_resp_err_t error =
      rd_kafka_metadata(client_.get(), 0, handle.get(), &raw, Millis(options().request_timeout));
  const Handle<const rd_kafka_metadata_t, rd_kafka_metadata_destroy> metadata(raw);
  WISSEL_RETURN_IF_ERROR(Explain(ToStatus(error, absl::StrCat("topic ", name))));
  for (int i = 0; i < metadata->topic_cnt; ++i) {
    const rd_kafka_metadata_topic& found = metadata->topics[i];
    if (name != found.topic) continue;
    WISSEL_RETURN_IF_ERROR(ToStatus(found.err, absl::StrCat("topic ", name)));
    Size size{.partitions = found.partition_cnt};
    for (int p = 0; p < found.partition_cnt; ++p) {
      const int copies = found.partitions[p].replica_cnt;
      size.replication = p == 0 ? copies : std::min(size.replication, copies);
    }
    return size;
  }
  return absl::NotFoundError(absl::StrCat("topic ", name, " does not exist"));
}

absl::StatusOr<int> KafkaBus::PartitionCount(Topic topic) {
  absl::StatusOr<Size> size = SizeOfTopic(topic);
  // Of several brokers the one that answers may not have heard yet of a topic that another knew.
  const bool seen = [&] {
    MutexLock lock(mutex_);
    return counts_.contains(topic);
  }();
  const absl::Time deadline = absl::Now() + options().request_timeout;
  while (seen && absl::IsNotFound(size.status()) && absl::Now() < deadline) {
    absl::SleepFor(kAskAgainAfter);
    size = SizeOfTopic(topic);
  }
  WISSEL_RETURN_IF_ERROR(size.status());
  MutexLock lock(mutex_);
  counts_[topic] = size->partitions;
  return size->partitions;
}

absl::StatusOr<std::optional<TopicSettings>> KafkaBus::SettingsOf(Topic topic) {
  WISSEL_ASSIGN_OR_RETURN(const Size size, SizeOfTopic(topic));
  TopicSettings settings{.replication = size.replication};
  const std::string name = Name(topic);
  const Handle<rd_kafka_ConfigResource_t, rd_kafka_ConfigResource_destroy> resource(
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, name.c_str()));
  const Queue queue(rd_kafka_queue_new(client_.get()));
  rd_kafka_ConfigResource_t* resources[] = {resource.get()};
  rd_kafka_DescribeConfigs(client_.get(), resources, 1, nullptr, queue.get());
  const std::string doing = absl::StrCat("describe the configuration of topic ", name);
  WISSEL_ASSIGN_OR_RETURN(const Event event, Await(queue.get(), doing));
  size_t count = 0;
  const rd_kafka_ConfigResource_t** results = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    WISSEL_RETURN_IF_ERROR(ToStatus(rd_kafka_ConfigResource_error(results[i]), doing));
    size_t entries = 0;
    const rd_kafka_ConfigEntry_t** found = rd_kafka_ConfigResource_configs(results[i], &entries);
    for (size_t entry = 0; entry < entries; ++entry) {
      const absl::string_view setting = rd_kafka_ConfigEntry_name(found[entry]);
      const char* const text = rd_kafka_ConfigEntry_value(found[entry]);
      const absl::string_view value = text == nullptr ? "" : text;
      int64_t number = 0;
      const bool is_number = absl::SimpleAtoi(value, &number);
      if (setting == "cleanup.policy") {
        settings.compacted = absl::StrContains(value, "compact");
      } else if (setting == "retention.ms" && is_number && number >= 0) {
        settings.retention = absl::Milliseconds(number);
      } else if (setting == "retention.bytes" && is_number) {
        settings.retention_bytes = number;
      } else if (setting == "max.message.bytes" && is_number) {
        settings.max_message_bytes = number;
      } else if (setting == "min.insync.replicas" && is_number) {
        settings.min_insync_replicas = static_cast<int>(number);
      }
    }
  }
  return settings;
}

absl::Status KafkaBus::EnsureTopics(const std::vector<TopicSpec>& specs) {
  for (const TopicSpec& spec : specs) {
    absl::StatusOr<int> count = PartitionCount(spec.topic);
    if (absl::IsNotFound(count.status())) {
      const absl::Status created = CreateTopic(spec);
      if (!created.ok() && !absl::IsAlreadyExists(created)) return created;
      // The broker that answers may not have heard of it yet.
      const absl::Time deadline = absl::Now() + options().request_timeout;
      while (count = PartitionCount(spec.topic), !count.ok() && absl::Now() < deadline) {
        absl::SleepFor(kAskAgainAfter);
      }
    }
    WISSEL_RETURN_IF_ERROR(count.status());
    if (*count != spec.partitions) {
      return absl::FailedPreconditionError(absl::StrCat("topic ", Name(spec.topic), " has ", *count,
                                                        " partitions, not ", spec.partitions));
    }
  }
  return absl::OkStatus();
}

absl::Status KafkaBus::CreateTopic(const TopicSpec& spec) {
  const std::string name = Name(spec.topic);
  char error[512];
  Handle<rd_kafka_NewTopic_t, rd_kafka_NewTopic_destroy> topic(
      rd_kafka_NewTopic_new(name.c_str(), spec.partitions, spec.replication, error, sizeof(error)));
  if (topic == nullptr) return absl::InvalidArgumentError(error);
  const auto set = [&](const char* setting, const std::string& value) {
    rd_kafka_NewTopic_set_config(topic.get(), setting, value.c_str());
  };
  set("cleanup.policy", "delete");
  const bool for_ever = spec.retention == absl::InfiniteDuration();
  set("retention.ms", absl::StrCat(for_ever ? -1 : absl::ToInt64Milliseconds(spec.retention)));
  set("min.insync.replicas", absl::StrCat(MinInsyncReplicas(spec.replication)));
  set("max.message.bytes", absl::StrCat(options().max_record_bytes + kRecordOverhead));

  const Queue queue(rd_kafka_queue_new(client_.get()));
  rd_kafka_NewTopic_t* topics[] = {topic.get()};
  rd_kafka_CreateTopics(client_.get(), topics, 1, nullptr, queue.get());
  WISSEL_ASSIGN_OR_RETURN(const Event event, Await(queue.get(), "create topic"));
  size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (size_t i = 0; i < count; ++i) {
    WISSEL_RETURN_IF_ERROR(
        ToStatus(rd_kafka_topic_result_error(results[i]), absl::StrCat("create topic ", name)));
  }
  return absl::OkStatus();
}

absl::StatusOr<Event> KafkaBus::Await(rd_kafka_queue_t* queue, absl::string_view doing) {
  // The request itself has a longer time limit of its own; whichever comes first.
  Event event(rd_kafka_queue_poll(queue, Millis(options().request_timeout)));
  if (event == nullptr) return absl::UnavailableError(absl::StrCat(doing, ": no answer"));
  WISSEL_RETURN_IF_ERROR(ToStatus(rd_kafka_event_error(event.get()), doing));
  return event;
}

std::unique_ptr<Appender> KafkaBus::NewAppender(AppenderOptions options) {
  absl::StatusOr<std::unique_ptr<Appender>> appender =
      internal::NewKafkaAppender(options_, options);
  if (!appender.ok()) return std::make_unique<BrokenAppender>(appender.status());
  return *std::move(appender);
}

absl::StatusOr<std::unique_ptr<Reader>> KafkaBus::OpenReader(Topic topic, int32_t partition,
                                                             ReaderOptions options) {
  int count = 0;
  {
    MutexLock lock(mutex_);
    const auto known = counts_.find(topic);
    if (known != counts_.end()) count = known->second;
  }
  if (partition >= count) {
    WISSEL_ASSIGN_OR_RETURN(count, PartitionCount(topic));
  }
  if (partition < 0 || partition >= count) {
    return absl::NotFoundError(
        absl::StrCat("topic ", Name(topic), " has no partition ", partition));
  }
  return readers_.Open(topic, partition, std::move(options));
}

absl::Status KafkaBus::TruncateBefore(Topic topic, int32_t partition, int64_t offset) {
  const std::string name = Name(topic);
  const internal::PartitionList list(rd_kafka_topic_partition_list_new(1));
  rd_kafka_topic_partition_list_add(list.get(), name.c_str(), partition)->offset = offset;
  const Handle<rd_kafka_DeleteRecords_t, rd_kafka_DeleteRecords_destroy> request(
      rd_kafka_DeleteRecords_new(list.get()));
  const Queue queue(rd_kafka_queue_new(client_.get()));
  rd_kafka_DeleteRecords_t* requests[] = {request.get()};
  rd_kafka_DeleteRecords(client_.get(), requests, 1, nullptr, queue.get());
  WISSEL_ASSIGN_OR_RETURN(const Event event, Await(queue.get(), "delete records"));
  const rd_kafka_topic_partition_list_t* results =
      rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event.get()));
  for (int i = 0; i < results->cnt; ++i) {
    WISSEL_RETURN_IF_ERROR(
        ToStatus(results->elems[i].err,
                 absl::StrCat("delete records before ", offset, " of ", name, "/", partition)));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Bus>> NewKafkaBus(KafkaOptions options) {
  if (options.brokers.empty()) return absl::InvalidArgumentError("Kafka: no brokers given");
  auto bus = std::make_unique<KafkaBus>(std::make_shared<const KafkaOptions>(std::move(options)));
  WISSEL_RETURN_IF_ERROR(bus->Open());
  return bus;
}

}  // namespace wissel::bus
